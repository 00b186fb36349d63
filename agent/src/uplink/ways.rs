//! Which of several brokers to try, and when to look whether a better one is back. Pure.
//!
//! ```text
//!   on way k ── a better one answers ──▶ leave, try from the first on
//!      │                                     │ up again soon after: good
//!      └── lost ─▶ try from the first on     └ lost within minutes: look for it half as often
//! ```
//!
//! The first in the settings is the best. A way that comes and goes costs a change each time, so one
//! that did not hold is looked for less and less often, up to half an hour.

use core::time::Duration;

/// How soon a better way is looked for.
const LOOK: Duration = if cfg!(test) {
    Duration::from_millis(200)
} else {
    Duration::from_secs(30)
};
/// How seldom, at last.
const SELDOM: Duration = Duration::from_secs(1800);
/// A way that was held for so long is steady.
const STEADY: Duration = Duration::from_secs(600);

/// How each way has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    looks: Vec<Duration>,
}

impl Ways {
    /// So many ways of which nothing is known.
    pub(super) fn new(count: usize) -> Self {
        Self {
            looks: vec![LOOK; count],
        }
    }

    /// The way `at` was lost after it was held for `held`; or it was found and then could not be had,
    /// after no time.
    pub(super) fn failed(&mut self, at: usize, held: Duration) {
        if let Some(look) = self.looks.get_mut(at) {
            *look = if held >= STEADY {
                LOOK
            } else {
                (*look * 2).min(SELDOM)
            };
        }
    }

    /// The ways better than `at`, best first, each with how often it is looked for.
    pub(super) fn better(&self, at: usize) -> impl Iterator<Item = (usize, Duration)> {
        self.looks.iter().copied().enumerate().take(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_does_not_hold_is_looked_for_more_and_more_seldom() {
        let mut ways = Ways::new(2);
        let look = |ways: &Ways| ways.better(1).next().unwrap().1;
        assert_eq!(look(&ways), LOOK);
        let mut before = LOOK;
        for _ in 0..20 {
            ways.failed(0, Duration::from_secs(20));
            assert!(look(&ways) >= before && look(&ways) <= SELDOM);
            before = look(&ways);
        }
        assert_eq!(before, SELDOM);
        ways.failed(0, STEADY);
        assert_eq!(look(&ways), LOOK);
    }

    #[test]
    fn only_what_stands_before_is_better() {
        let ways = Ways::new(3);
        let of = |at| -> Vec<usize> { ways.better(at).map(|(way, _)| way).collect() };
        assert_eq!((of(0), of(2)), (vec![], vec![0, 1]));
    }
}
