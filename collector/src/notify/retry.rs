//! When to try again, and when to give up.

use std::time::Duration;

use silkline_protocol::time::Timestamp;

use crate::store::rows::OutboxRow;

/// The wait after the first vain try; it doubles with each.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait: a mail server that is back is noticed within this.
const LONGEST: Duration = Duration::from_secs(300);
/// After this a notice is history, which the page shows better.
const GIVE_UP: Duration = Duration::from_secs(86_400);

/// What to do with a notice that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again at this time.
    Again(Timestamp),
    /// Let it be.
    GiveUp,
}

/// What to do with `row` after a vain try at `now`.
///
/// The wait is up to a fifth longer by the row's number, so that many that failed together do not
/// come back together.
#[must_use]
pub fn verdict(row: &OutboxRow, now: Timestamp) -> Verdict {
    if now - row.created >= GIVE_UP {
        return Verdict::GiveUp;
    }
    let wait = FIRST.saturating_mul(1 << row.tries.min(16)).min(LONGEST);
    let spread = u32::try_from(row.id.rem_euclid(21)).unwrap_or(0);
    Verdict::Again(now + wait + wait * spread / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    fn wait(row: &OutboxRow) -> f64 {
        let now = row.created + Duration::from_secs(60);
        match verdict(row, now) {
            Verdict::Again(at) => (at - now).as_secs_f64(),
            Verdict::GiveUp => panic!("given up"),
        }
    }

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut row = example::row("opened");
        row.id = 21;
        let waits: Vec<f64> = (0..9)
            .map(|tries| {
                wait(&OutboxRow {
                    tries,
                    ..row.clone()
                })
            })
            .collect();
        assert_eq!(
            waits,
            [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
        );
        assert!(
            (wait(&OutboxRow {
                tries: u32::MAX,
                ..row
            }) - 300.0)
                .abs()
                < 1e-9
        );
    }

    #[test]
    fn what_failed_together_does_not_come_back_together() {
        let row = example::row("opened");
        let waits = (0..21).map(|id| wait(&OutboxRow { id, ..row.clone() }));
        let (low, high) = waits.fold((f64::MAX, 0.0_f64), |(lo, hi), w| (lo.min(w), hi.max(w)));
        assert!(
            (low - 5.0).abs() < 1e-9 && (high - 6.0).abs() < 1e-9,
            "{low} {high}"
        );
    }

    #[test]
    fn after_a_day_it_is_given_up() {
        let row = example::row("opened");
        let nearly = row.created + GIVE_UP - Duration::from_secs(1);
        assert!(matches!(verdict(&row, nearly), Verdict::Again(_)));
        assert_eq!(verdict(&row, row.created + GIVE_UP), Verdict::GiveUp);
    }

    #[test]
    fn a_clock_set_back_gives_nothing_up() {
        let row = example::row("opened");
        assert!(matches!(verdict(&row, Timestamp::EPOCH), Verdict::Again(_)));
    }
}
