//! A level that leaves its own past: the frozen level, bad side only.
//!
//! The baseline is a day of *accepted* readings, one kept every ten minutes; a reading that is
//! not well never enters it, so a failure does not become normal by lasting. Departure beyond
//! max(3 dB, 5 s), with s from the median absolute deviation, is an anomaly; half of it ends it.
//! Only a regime that *moves* (many onsets, a third of the readings bad, in half an hour) is
//! taken as a new normal: a steady step stays an alarm.
//!
//! Readings are kept in thousandths, so that a snapshot restores them bit for bit.

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, Dbm};

use super::{Change, Severity};

/// Departure below which no light level is remarkable.
const LEAST_DB: f64 = 3.0;

/// Departure in robust standard deviations.
const DEVIATIONS: f64 = 5.0;

/// From the median absolute deviation to a standard deviation, for normal noise.
const MAD_TO_SD: f64 = 1.4826;

/// Readings kept: a day at one in ten minutes.
const KEPT: usize = 144;
const EVERY: Duration = Duration::from_secs(600);

/// Readings that are kept at once, before the spacing begins, and that are needed to judge.
const WARM: usize = 20;

/// Readings in a row that raise it.
const IN_A_ROW: u8 = 3;

/// A moving regime: that many onsets and that share of bad readings in the time.
const ONSETS: u32 = 6;
const REGIME: Duration = Duration::from_secs(1800);

/// Watches one light level against its own past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    kept: VecDeque<i64>,
    kept_at: Timestamp,
    /// Median and departure limit in thousandths, worked out when a reading is kept.
    median: i64,
    limit: i64,
    raised: bool,
    beyond: u8,
    first: Timestamp,
    regime: Regime,
}

/// What happened in the present half hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Regime {
    since: Timestamp,
    onsets: u32,
    bad: u32,
    all: u32,
}

impl Level {
    /// Takes a level of `at`. Dark is not a level and must not come here.
    pub fn reading(&mut self, level: Dbm, at: Timestamp) -> Option<Change> {
        let value = thousandths(level);
        if self.kept.len() < WARM {
            self.keep(value, at);
            return None;
        }
        let departure = self.median.saturating_sub(value);
        let bad = departure
            > if self.raised {
                self.limit / 2
            } else {
                self.limit
            };
        if self.moves(bad, at) {
            return self.learn_anew(value, at);
        }
        match (self.raised, bad) {
            (false, false) => {
                self.beyond = 0;
                if at - self.kept_at >= EVERY {
                    self.keep(value, at);
                }
                None
            }
            (false, true) => {
                if self.beyond == 0 {
                    self.first = at;
                }
                self.beyond += 1;
                (self.beyond >= IN_A_ROW).then(|| self.begin(departure))
            }
            (true, true) => None,
            (true, false) => {
                self.raised = false;
                self.beyond = 0;
                Some(Change::Ended { to: at })
            }
        }
    }

    /// The level's median over its past, once there is enough of it.
    #[must_use]
    pub fn usual(&self) -> Option<Dbm> {
        (self.kept.len() >= WARM).then(|| Dbm::of(self.median as f64 / 1000.0))
    }

    fn begin(&mut self, departure: i64) -> Change {
        self.raised = true;
        self.regime.onsets += 1;
        let below = Db::of(departure as f64 / 1000.0);
        let usual = Dbm::of(self.median as f64 / 1000.0);
        Change::Began {
            from: self.first,
            severity: Severity::Warning,
            detail: format!("{below:.1} below its usual {usual:.1}"),
        }
    }

    /// Counts the reading, and tells whether the regime moves.
    fn moves(&mut self, bad: bool, at: Timestamp) -> bool {
        if at - self.regime.since >= REGIME {
            self.regime = Regime {
                since: at,
                ..Regime::default()
            };
        }
        self.regime.all += 1;
        self.regime.bad += u32::from(bad);
        self.regime.onsets >= ONSETS && self.regime.bad * 3 >= self.regime.all
    }

    fn learn_anew(&mut self, value: i64, at: Timestamp) -> Option<Change> {
        let raised = self.raised;
        *self = Self::default();
        self.keep(value, at);
        raised.then_some(Change::Ended { to: at })
    }

    fn keep(&mut self, value: i64, at: Timestamp) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(value);
        self.kept_at = at;
        let median = median(self.kept.iter().copied());
        let spread = super::level::median(self.kept.iter().map(|v| (v - median).abs()));
        let by_noise = DEVIATIONS * MAD_TO_SD * spread as f64;
        self.median = median;
        self.limit = thousandths(Dbm::of(LEAST_DB.max(by_noise / 1000.0)));
    }
}

fn median(values: impl Iterator<Item = i64>) -> i64 {
    let mut sorted: Vec<i64> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a level in dBm is far below 2^53 thousandths"
)]
fn thousandths(level: Dbm) -> i64 {
    (level.get() * 1000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(level: &mut Level, from: i64, values: impl IntoIterator<Item = f64>) -> Vec<Change> {
        let mut said = Vec::new();
        for (k, value) in (0_i64..).zip(values) {
            let at = Timestamp::from_seconds(from + 60 * k);
            said.extend(level.reading(Dbm::of(value), at));
        }
        said
    }

    fn quiet(count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(|k| -17.0 + 0.1 * ((k * 7) % 5) as f64)
    }

    #[test]
    fn a_step_stays_an_alarm_however_long_it_lasts() {
        let mut level = Level::default();
        assert!(feed(&mut level, 0, quiet(2000)).is_empty());
        let said = feed(&mut level, 120_000, core::iter::repeat_n(-22.0, 5000));
        assert_eq!(said.len(), 1);
        assert!(
            matches!(&said[0], Change::Began { detail, .. } if detail.contains("below its usual"))
        );
        assert!(matches!(
            feed(&mut level, 500_000, quiet(5))[..],
            [Change::Ended { .. }]
        ));
    }

    #[test]
    fn more_light_and_slow_noise_are_no_alarm() {
        let mut level = Level::default();
        feed(&mut level, 0, quiet(2000));
        assert!(feed(&mut level, 120_000, core::iter::repeat_n(-10.0, 50)).is_empty());
    }

    #[test]
    fn a_moving_regime_is_learnt_anew() {
        let mut level = Level::default();
        feed(&mut level, 0, quiet(100));
        let swing = (0..4000).map(|k| if (k / 3) % 2 == 0 { -22.0 } else { -17.0 });
        for (k, value) in (0_i64..).zip(swing) {
            level.reading(Dbm::of(value), Timestamp::from_seconds(10_000 + 10 * k));
        }
        assert!(level.usual().unwrap() < Dbm::of(-10.0));
        let said: Vec<Change> = (0..30)
            .filter_map(|k| level.reading(Dbm::of(-22.0), Timestamp::from_seconds(60_000 + 10 * k)))
            .collect();
        assert!(said.len() <= 1, "{said:?}");
    }

    #[test]
    fn a_snapshot_restores_it_bit_for_bit() {
        let mut level = Level::default();
        feed(&mut level, 0, quiet(500));
        let text = serde_json::to_string(&level).unwrap();
        assert_eq!(serde_json::from_str::<Level>(&text).unwrap(), level);
    }
}
