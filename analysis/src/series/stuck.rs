//! A value that does not move any more, though it used to.
//!
//! Learnt from the point's own past: how long it ever stood still. Were it to move by chance at
//! every reading as before, a run eight times the longest of N past ones would come once in N⁸.
//! A point that seldom moves is not judged.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

use super::onset::{Bad, Onset};
use super::past::thousandths;
use super::{Change, Severity};

/// A past to judge by: it has seen a whole day, and moved often.
const PAST: Duration = Duration::from_secs(24 * 3600);
const MOVES: u32 = 200;

/// A run is remarkable when it is this many times the longest one, and has so many readings.
const TIMES: u32 = 8;
const LEAST: u32 = 40;

/// Watches that one value moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    value: Option<i64>,
    since: Timestamp,
    run: u32,
    longest: u32,
    moves: u32,
    first: Option<Timestamp>,
    onset: Onset,
}

impl Stuck {
    /// Takes a value of `at`.
    pub fn reading(&mut self, value: f64, at: Timestamp) -> Option<Change> {
        // A millionth part: what is finer is no movement of a meter.
        let value = thousandths(value * 1000.0);
        let first = *self.first.get_or_insert(at);
        if self.value == Some(value) {
            self.run = self.run.saturating_add(1);
            let known = at - first >= PAST && self.moves >= MOVES;
            let long = self.run >= LEAST.max(self.longest.saturating_mul(TIMES));
            if !known || !long || self.onset.is_raised() {
                return None;
            }
            let bad = Bad {
                severity: Severity::Warning,
                in_a_row: 1,
            };
            let (run, longest) = (self.run, self.longest);
            return self.onset.take(Some(bad), self.since, || {
                format!("the same value {run} times in a row, never more than {longest} before")
            });
        }
        let ended = self.onset.end(at);
        if ended.is_none() {
            self.longest = self.longest.max(self.run);
        }
        self.moves = self.moves.saturating_add(1);
        self.value = Some(value);
        self.since = at;
        self.run = 1;
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(stuck: &mut Stuck, from: i64, values: impl Iterator<Item = f64>) -> Vec<Change> {
        let mut said = Vec::new();
        for (k, value) in (from..).zip(values) {
            said.extend(stuck.reading(value, Timestamp::from_seconds(60 * k)));
        }
        said
    }

    fn lively(count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(|k| -17.0 + 0.1 * ((k / 2 * 7) % 5) as f64)
    }

    #[test]
    fn a_value_that_used_to_move_and_stands_still_is_stuck() {
        let mut stuck = Stuck::default();
        assert!(minutes(&mut stuck, 0, lively(2000)).is_empty());
        let said = minutes(&mut stuck, 2000, core::iter::repeat_n(-17.3, 300));
        let [Change::Began { from, .. }] = &said[..] else {
            panic!("{said:?}")
        };
        assert_eq!(*from, Timestamp::from_seconds(60 * 2000));
        let said = minutes(&mut stuck, 2300, lively(10));
        assert!(matches!(said[..], [Change::Ended { .. }]));
    }

    #[test]
    fn a_value_that_never_moved_is_not_stuck() {
        let mut stuck = Stuck::default();
        assert!(minutes(&mut stuck, 0, core::iter::repeat_n(0.7, 5000)).is_empty());
    }

    #[test]
    fn a_short_past_judges_nobody() {
        let mut stuck = Stuck::default();
        minutes(&mut stuck, 0, lively(600));
        assert!(minutes(&mut stuck, 600, core::iter::repeat_n(1.0, 500)).is_empty());
    }

    #[test]
    fn a_coarse_meter_has_long_runs_by_nature() {
        let mut stuck = Stuck::default();
        let hourly = |count: usize| (0..count).map(|k| ((k / 60) % 3) as f64);
        assert!(minutes(&mut stuck, 0, hourly(20_000)).is_empty());
        assert!(minutes(&mut stuck, 20_000, core::iter::repeat_n(1.0, 300)).is_empty());
    }
}
