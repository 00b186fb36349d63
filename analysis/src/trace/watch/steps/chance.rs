//! How far noise alone stands out somewhere among many places, and how often.
//!
//! ```text
//! P(somewhere beyond u) = 2 · N(u) · φ(u) / u       N(u) = Σ u²·μ·ν(u·√(2·μ))
//! ```
//!
//! μ is by how much scores of neighbouring places are less than alike (1 less their correlation), ν
//! Siegmund's correction for places that are not endlessly close: places that have nothing in common
//! count as one each, alike ones as the part of one that they add.

use crate::spread::{normal_below, normal_density};

/// Rounds in which the threshold follows the number of places, and these it.
const ROUNDS: usize = 6;

/// No threshold lies outside, in deviations.
const FROM_TO: [f64; 2] = [4.0, 8.0];

/// How many independent places neighbours are that are so much apart, for scores of so many deviations.
pub(super) fn places(apart: &[f64], sigmas: f64) -> f64 {
    let square = sigmas * sigmas;
    let one = |mu: &f64| {
        let mu = mu.clamp(0.0, 1.0);
        square * mu * correction(sigmas * (2.0 * mu).sqrt())
    };
    apart
        .iter()
        .map(one)
        .map(|n| n.min(1.0))
        .sum::<f64>()
        .max(1.0)
}

/// Deviations beyond which noise lies in this part of the cases, at so many places.
pub(super) fn threshold(share: f64, places: impl Fn(f64) -> f64) -> f64 {
    let [from, to] = FROM_TO;
    let mut sigmas = 5.5_f64;
    for _ in 0..ROUNDS {
        let all = 2.0 * places(sigmas).max(1.0);
        // φ(u) / u = share / all
        let needed = all / (share * sigmas * std::f64::consts::TAU.sqrt());
        sigmas = (2.0 * needed.ln()).max(0.0).sqrt().clamp(from, to);
    }
    sigmas
}

/// Siegmund's ν, as approximated by Siegmund and Yakir.
fn correction(x: f64) -> f64 {
    if x < 1e-3 {
        return 1.0;
    }
    let half = x / 2.0;
    let (below, density) = (normal_below(half), normal_density(half, 1.0));
    (below - 0.5) / half / (half * below + density)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    #[test]
    fn independent_places_count_one_each_and_alike_ones_less() {
        assert!((places(&[1.0; 100], 5.0) - 100.0).abs() < 8.0);
        let few = places(&[1e-3; 100], 5.0);
        assert!((1.0..3.0).contains(&few), "{few}");
        // One in twenty two-sided at one place is 1.96; this formula is for the far tail.
        let one = threshold(2e-6, |_| 1.0);
        assert!((one - 4.75).abs() < 0.05, "{one}");
        assert!(threshold(2e-6, |_| 500.0) > 5.8);
    }

    #[test]
    fn the_share_is_met_by_noise_that_neighbours_share() {
        // A first-order process of which neighbours have 0.9 in common, 200 places.
        let (keep, count) = (0.9_f64, 200);
        let fresh = (1.0 - keep * keep).sqrt();
        let apart = vec![1.0 - keep; count];
        let wanted = 0.05;
        let mut sigmas = 4.0;
        let chance = |u: f64| 2.0 * places(&apart, u) * normal_density(u, 1.0) / u;
        while chance(sigmas) < wanted {
            sigmas -= 0.01;
        }
        let mut dice = Dice::new(4);
        let runs = 4_000;
        let mut beyond = 0;
        for _ in 0..runs {
            let (mut value, mut most) = (dice.normal(), 0.0_f64);
            for _ in 0..count {
                value = keep * value + fresh * dice.normal();
                most = most.max(value.abs());
            }
            beyond += usize::from(most > sigmas);
        }
        let share = beyond as f64 / runs as f64;
        assert!((share / wanted - 1.0).abs() < 0.2, "{share}");
    }
}
