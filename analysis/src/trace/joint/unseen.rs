//! What events too small to be seen do to the losses of those that are.

/// Events too small to be found lie in the glass beside, and shift a loss as if noise were so much
/// larger at the least.
const UNSEEN: f64 = 1.12;

/// Losses lie evenly by their logarithm between these, in decibels; so many deviations are seen.
const LOSSES_DB: [f64; 2] = [0.02, 1.0];
const SEEN: f64 = 5.0;

/// The mean square of what a step anywhere in the glass of one side does to a line's level at its end,
/// of both sides: (1 - f)(1 - 3f) of it, a share f of the way off.
const REACHES: f64 = 2.0 * 2.0 / 15.0;

/// By how much a loss of this deviation is less sure for events too small to be seen, where every
/// stretch of glass is as likely to hold one as to end at one that is seen.
pub(super) fn unseen(sigma_db: f64) -> f64 {
    let [least, most] = LOSSES_DB;
    let seen = (SEEN * sigma_db).clamp(least, 0.5 * most);
    // Of all there are, and their mean square beside those that are seen.
    let share = (most / seen).ln();
    let square = (seen * seen - least * least) / (2.0 * share);
    UNSEEN.hypot((REACHES * square).sqrt() / sigma_db.max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_is_seen_the_more_may_hide() {
        assert!((unseen(1e-3) - UNSEEN).abs() < 1e-9);
        let [sure, torn] = [0.006, 0.02].map(unseen);
        assert!(UNSEEN < sure && sure < torn && torn < 2.0, "{sure} {torn}");
        assert!(unseen(10.0) < UNSEEN + 0.01);
    }
}
