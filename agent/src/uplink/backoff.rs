//! How long to wait before the next connection: longer each time, with a ceiling, never in step with
//! the other agents that lost the same broker at the same moment.

use core::time::Duration;

/// The first wait, at most.
const FIRST: Duration = Duration::from_secs(1);
/// The longest: a broker that is back is found within this.
const CEILING: Duration = Duration::from_secs(60);

/// The longest after a connection that was made and broke at once: a broker that is killed and started
/// again and again is no broker that is away, and two agents of one name only must not push each other
/// off it all the time.
const CEILING_BRIEF: Duration = Duration::from_secs(8);

/// How the last connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Was {
    /// It held.
    Held,
    /// It was made and broke at once.
    Brief,
    /// It was not made.
    Never,
}

/// The waits since the last connection that held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a connection that ended. Half of it is by chance.
    pub(super) fn after(&mut self, was: Was, chance: u128) -> Duration {
        self.failures = match was {
            Was::Held => 0,
            Was::Brief | Was::Never => self.failures.saturating_add(1),
        };
        let ceiling = if was == Was::Never {
            CEILING
        } else {
            CEILING_BRIEF
        };
        let most = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(ceiling);
        let share = u32::try_from(chance % 1_000).unwrap_or(0);
        most / 2 + most / 2_000 * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_ceiling_and_begin_anew_after_a_connection() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..9)
            .map(|_| backoff.after(Was::Never, 999).as_secs())
            .collect();
        assert_eq!(waits, [1, 3, 7, 15, 31, 59, 59, 59, 59]);
        let brief = backoff.after(Was::Brief, 999);
        assert!(
            brief > CEILING_BRIEF / 2 && brief < CEILING_BRIEF,
            "{brief:?}"
        );
        assert!(backoff.after(Was::Held, 999) < FIRST);
    }

    #[test]
    fn half_of_a_wait_is_by_chance() {
        let (mut one, mut other) = (Backoff::default(), Backoff::default());
        let (short, long) = (one.after(Was::Never, 0), other.after(Was::Never, 999));
        assert_eq!(short, Duration::from_secs(1));
        assert!(long > short && long < short * 2);
    }
}
