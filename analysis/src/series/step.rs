//! A quantity that leaves its own past: the frozen level, bad side only.
//!
//! The past is a day of *accepted* readings; one that is not well never enters it, so a failure
//! does not become normal by lasting. Departure beyond max(D, k·s) is an anomaly, half of it ends
//! it. Only a regime that *moves* (many onsets, a third of the readings bad, in half an hour) is
//! taken as a new normal: a steady step stays an alarm until somebody says that it is as meant.
//! Of a point that was quiet for days, a smaller departure counts where it lasts.
//!
//! ```text
//!              beyond, twice in a row, or twice as far at once
//!     well ────────────────────────────────────────────────────► raised
//!       ▲                    back within half                      │
//!       └──────────────────────────────────────────────────────────┘
//! ```

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

use super::lasting::Lasting;
use super::onset::{Bad, Onset};
use super::past::{Past, Reach, thousandths, whole};
use super::{Change, Severity};

/// A moving regime: that many onsets and that share of bad readings in the time.
const ONSETS: u32 = 6;
const REGIME: Duration = Duration::from_secs(1800);

/// This many times the limit is believed at once.
const AT_ONCE: i64 = 2;

/// A past that has seen so much may say what a point never does.
const LASTING_PAST: Duration = Duration::from_secs(3 * 86_400);

/// What lasts is this many deviations further out than anything in a day: in halves.
const LASTING_HALVES: i64 = 3;

/// By what a quantity is judged: settings, no state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Which side is bad.
    pub bad: Side,
    /// D: departure below which nothing is remarkable, in the quantity's unit.
    pub least: f64,
    /// What is remarkable where it lasts for an hour and three days are known: less than `least`.
    pub lasting: Option<f64>,
    /// k: departure in robust standard deviations.
    pub deviations: f64,
    /// The least standard deviation that is believed: the meter's resolution.
    pub resolution: f64,
    /// Readings in a row that raise it.
    pub in_a_row: u8,
    /// This departure is believed at once; twice the limit where there is none.
    pub at_once: Option<f64>,
    /// The past that it is held against.
    pub reach: Reach,
    /// How bad it is when raised, and from `at_once` on.
    pub severity: [Severity; 2],
    /// What its numbers are.
    pub scale: Scale,
}

/// What a quantity's numbers are, for the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A number, shown with this behind it.
    Unit(&'static str),
    /// The decimal logarithm of a ratio.
    Ratio,
}

/// Which side of its past is bad for a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Less than before.
    Low,
    /// More than before.
    High,
}

/// Watches one quantity against its own past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    past: Past,
    onset: Onset,
    regime: Regime,
    #[serde(default)]
    lasting: Lasting,
}

/// What happened in the present half hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Regime {
    since: Timestamp,
    onsets: u32,
    bad: u32,
    all: u32,
}

impl Step {
    /// Takes a value of `at`. What is dark or no answer is no value and must not come here.
    pub fn reading(&mut self, value: f64, at: Timestamp, rule: &Rule) -> Option<Change> {
        let value = thousandths(value);
        let Some((usual, spread)) = self.past.usual() else {
            self.past.accept(value, at, rule.reach);
            return None;
        };
        let departure = match rule.bad {
            Side::Low => usual - value,
            Side::High => value - usual,
        };
        let limit = rule.limit(spread);
        let held = self.onset.is_raised() && self.lasting.stands().is_none();
        let bad = departure > if held { limit / 2 } else { limit };
        if self.moves(bad, at) {
            return self.learn_anew(value, at, rule);
        }
        if bad {
            self.lasting.interrupt();
        } else {
            let past = &self.past;
            self.lasting
                .take(departure, at, |before| rule.lasting(past, before));
        }
        let lasting = self.lasting.stands();
        if !bad && !self.onset.is_raised() && lasting.is_none() {
            self.past.accept(value, at, rule.reach);
        }
        let (departure, since, judged) = match lasting {
            Some((mean, since)) if !bad => (mean, since, Some(rule.believed())),
            _ => (departure, at, bad.then(|| rule.judged(departure, limit))),
        };
        let at = if judged.is_some() { since } else { at };
        let said = self
            .onset
            .take(judged, at, || said(&self.past, departure, rule));
        self.regime.onsets += u32::from(matches!(said, Some(Change::Began { .. })));
        said
    }

    /// What is now is as it is meant to be: the past is forgotten, and a raised finding ends.
    pub fn accept(&mut self, at: Timestamp) -> Option<Change> {
        let ended = self.onset.end(at);
        *self = Self::default();
        ended
    }

    /// Ends what stands and keeps the past: something worse says it all.
    pub fn yield_to_darkness(&mut self, at: Timestamp) -> Option<Change> {
        self.lasting = Lasting::default();
        self.onset.end(at)
    }

    /// The median over its past, once there is enough of it.
    #[must_use]
    pub fn usual(&self) -> Option<f64> {
        self.past.usual().map(|(median, _)| whole(median))
    }

    /// Whether it is raised.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        self.onset.is_raised()
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

    fn learn_anew(&mut self, value: i64, at: Timestamp, rule: &Rule) -> Option<Change> {
        let ended = self.accept(at);
        self.past.accept(value, at, rule.reach);
        ended
    }
}

impl Rule {
    /// The departure that is remarkable beside `spread`, in thousandths.
    fn limit(&self, spread: i64) -> i64 {
        let noise = whole(spread).max(self.resolution);
        thousandths(self.least.max(self.deviations * noise))
    }

    /// The departure that is remarkable where it lasts, once its past is long enough: further
    /// out than anything `before`.
    fn lasting(&self, past: &Past, before: Timestamp) -> Option<i64> {
        let (_, spread) = past.usual()?;
        let own = self.lasting.filter(|_| past.age() >= LASTING_PAST)?;
        let furthest = past.furthest(self.bad, before);
        let noise = thousandths(whole(spread).max(self.resolution));
        let beyond = furthest.saturating_add(noise.saturating_mul(LASTING_HALVES) / 2);
        Some(beyond.max(thousandths(own)))
    }

    const fn believed(&self) -> Bad {
        let [severity, _] = self.severity;
        Bad {
            severity,
            in_a_row: 1,
        }
    }

    fn is_at_once(&self, departure: i64, limit: i64) -> bool {
        let own = self.at_once.map(thousandths);
        departure
            > own
                .unwrap_or_else(|| limit.saturating_mul(AT_ONCE))
                .max(limit)
    }

    fn judged(&self, departure: i64, limit: i64) -> Bad {
        let [small, large] = self.severity;
        if self.is_at_once(departure, limit) {
            Bad {
                severity: large,
                in_a_row: 1,
            }
        } else {
            Bad {
                severity: small,
                in_a_row: self.in_a_row,
            }
        }
    }
}

fn said(past: &Past, departure: i64, rule: &Rule) -> String {
    let usual = past.usual().map_or(0, |(median, _)| median);
    let side = match rule.bad {
        Side::Low => "below",
        Side::High => "above",
    };
    let age = past.age().as_secs();
    let young = if past.is_provisional() {
        format!(" (provisional: {age} s of past)")
    } else {
        String::new()
    };
    let (by, usual) = (whole(departure), whole(usual));
    match rule.scale {
        Scale::Ratio => {
            let (times, usual) = (10.0_f64.powf(by), 10.0_f64.powf(usual));
            format!("{times:.1} times its usual {usual:.2e}{young}")
        }
        Scale::Unit(unit) => {
            let relative = if unit == " dBm" { " dB" } else { unit };
            format!("{by:.2}{relative} {side} its usual {usual:.2}{unit}{young}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Rule = Rule {
        bad: Side::Low,
        least: 3.0,
        lasting: Some(0.8),
        deviations: 5.0,
        resolution: 0.01,
        in_a_row: 2,
        at_once: None,
        reach: Reach::DAY,
        severity: [Severity::Warning; 2],
        scale: Scale::Unit(" dBm"),
    };

    fn feed(step: &mut Step, from: i64, values: impl IntoIterator<Item = f64>) -> Vec<Change> {
        let mut said = Vec::new();
        for (k, value) in (0_i64..).zip(values) {
            let at = Timestamp::from_seconds(from + 60 * k);
            said.extend(step.reading(value, at, &LIGHT));
        }
        said
    }

    fn quiet(count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(|k| -17.0 + 0.1 * ((k * 7) % 5) as f64)
    }

    /// The same, but not the same again every quarter of an hour.
    fn dithered(count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(|k| -17.0 + 0.1 * ((k * 7 + k / 15) % 5) as f64)
    }

    #[test]
    fn a_step_stays_an_alarm_however_long_it_lasts() {
        let mut step = Step::default();
        assert!(feed(&mut step, 0, quiet(2000)).is_empty());
        let said = feed(&mut step, 120_000, core::iter::repeat_n(-22.0, 5000));
        assert_eq!(said.len(), 1);
        assert!(
            matches!(&said[0], Change::Began { detail, .. } if detail == "5.00 dB below its usual -17.00 dBm"),
            "{said:?}"
        );
        assert!(matches!(
            feed(&mut step, 500_000, quiet(5))[..],
            [Change::Ended { .. }]
        ));
    }

    #[test]
    fn one_decibel_that_lasts_is_told_within_two_hours_of_a_quiet_day() {
        let mut step = Step::default();
        assert!(feed(&mut step, 0, dithered(5000)).is_empty());
        let said = feed(&mut step, 300_000, dithered(300).map(|level| level - 1.0));
        let [Change::Began { from, detail, .. }] = &said[..] else {
            panic!("{said:?}")
        };
        assert!(detail.contains("below its usual -16.80 dBm"), "{detail}");
        let first = Timestamp::from_seconds(300_000);
        assert!(
            (first - Duration::from_secs(1800)..=first + Duration::from_secs(1800)).contains(from)
        );
        assert!(feed(&mut step, 320_000, dithered(9000).map(|level| level - 1.0)).is_empty());
        assert!(matches!(
            feed(&mut step, 900_000, dithered(9))[..],
            [Change::Ended { .. }]
        ));
    }

    #[test]
    fn one_decibel_beside_days_that_swing_or_in_a_young_past_is_nothing() {
        let mut young = Step::default();
        feed(&mut young, 0, quiet(3000));
        assert!(feed(&mut young, 180_000, quiet(500).map(|level| level - 1.0)).is_empty());
        let day = |k: i32| -17.0 + 0.8 * (core::f64::consts::TAU * f64::from(k) / 1440.0).sin();
        let mut swings = Step::default();
        assert!(feed(&mut swings, 0, (0..20_000).map(day)).is_empty());
    }

    #[test]
    fn a_large_step_that_lasts_ends_with_its_first_good_reading() {
        let mut step = Step::default();
        feed(&mut step, 0, quiet(2000));
        feed(&mut step, 120_000, core::iter::repeat_n(-22.0, 500));
        let to = Timestamp::from_seconds(150_000);
        assert_eq!(feed(&mut step, 150_000, quiet(1)), [Change::Ended { to }]);
    }

    #[test]
    fn what_is_accepted_by_people_is_the_new_normal() {
        let mut step = Step::default();
        feed(&mut step, 0, quiet(200));
        feed(&mut step, 20_000, core::iter::repeat_n(-22.0, 10));
        assert!(step.is_raised());
        let at = Timestamp::from_seconds(30_000);
        assert_eq!(step.accept(at), Some(Change::Ended { to: at }));
        assert!(feed(&mut step, 40_000, core::iter::repeat_n(-22.0, 500)).is_empty());
        assert_eq!(step.usual(), Some(-22.0));
    }

    #[test]
    fn more_light_is_no_alarm() {
        let mut step = Step::default();
        feed(&mut step, 0, quiet(2000));
        assert!(feed(&mut step, 120_000, core::iter::repeat_n(-10.0, 50)).is_empty());
    }

    #[test]
    fn one_odd_reading_is_no_alarm_unless_it_is_far_away() {
        let mut step = Step::default();
        feed(&mut step, 0, quiet(100));
        assert!(feed(&mut step, 9000, [-20.5, -17.0, -20.5, -17.0]).is_empty());
        assert_eq!(feed(&mut step, 12_000, [-30.0]).len(), 1);
    }

    #[test]
    fn a_clear_fall_of_a_new_device_is_found_after_five_polls() {
        let mut step = Step::default();
        assert!(feed(&mut step, 0, [-17.0; 5]).is_empty());
        let said = feed(&mut step, 300, [-21.0, -21.0]);
        let [
            Change::Began {
                severity, detail, ..
            },
        ] = &said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!(*severity, Severity::Warning);
        assert!(detail.contains("provisional"), "{detail}");
    }

    #[test]
    fn a_moving_regime_is_learnt_anew() {
        let mut step = Step::default();
        feed(&mut step, 0, quiet(100));
        let swing = (0..4000).map(|k| if (k / 3) % 2 == 0 { -22.0 } else { -17.0 });
        for (k, value) in (0_i64..).zip(swing) {
            step.reading(value, Timestamp::from_seconds(10_000 + 10 * k), &LIGHT);
        }
        let said: Vec<Change> = (0..30)
            .filter_map(|k| step.reading(-22.0, Timestamp::from_seconds(60_000 + 10 * k), &LIGHT))
            .collect();
        assert!(said.len() <= 1, "{said:?}");
    }

    #[test]
    fn a_rule_with_two_severities_gets_worse() {
        let rule = Rule {
            severity: [Severity::Minor, Severity::Major],
            ..LIGHT
        };
        let mut step = Step::default();
        feed(&mut step, 0, quiet(100));
        let mut see = |value, second| step.reading(value, Timestamp::from_seconds(second), &rule);
        assert_eq!(see(-21.0, 9001), None);
        assert!(matches!(
            see(-21.0, 9002),
            Some(Change::Began {
                severity: Severity::Minor,
                ..
            })
        ));
        assert!(matches!(
            see(-29.0, 9003),
            Some(Change::Worse {
                severity: Severity::Major,
                ..
            })
        ));
        assert_eq!(see(-21.0, 9004), None, "it does not get better by half");
    }

    #[test]
    fn a_snapshot_restores_it_bit_for_bit() {
        let mut step = Step::default();
        feed(&mut step, 0, quiet(500));
        let text = serde_json::to_string(&step).unwrap();
        assert_eq!(serde_json::from_str::<Step>(&text).unwrap(), step);
    }
}
