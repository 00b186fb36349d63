//! How long to wait before the next connection: longer each time, with a ceiling, never in step with
//! the other agents that lost the same broker at the same moment.

use core::time::Duration;

/// The first wait, at most.
const FIRST: Duration = Duration::from_secs(1);
/// The longest: a broker that is back is found within this.
const CEILING: Duration = Duration::from_secs(60);

/// The waits since the last connection that held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after a connection that ended; `was_up` if it had been made. Half of it is by chance.
    pub(super) fn after(&mut self, was_up: bool, chance: u128) -> Duration {
        self.failures = if was_up {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let most = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(CEILING);
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
            .map(|_| backoff.after(false, 999).as_secs())
            .collect();
        assert_eq!(waits, [1, 3, 7, 15, 31, 59, 59, 59, 59]);
        assert!(backoff.after(true, 999) < FIRST);
    }

    #[test]
    fn half_of_a_wait_is_by_chance() {
        let (mut one, mut other) = (Backoff::default(), Backoff::default());
        let (short, long) = (one.after(false, 0), other.after(false, 999));
        assert_eq!(short, Duration::from_secs(1));
        assert!(long > short && long < short * 2);
    }
}
