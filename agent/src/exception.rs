//! Report by exception: which readings of a poll say something new. Pure: it owns no clock.
//!
//! A value is withheld only where its point is set so, it lies within the point's limits, it differs from
//! the value that was sent last by less than the dead band, and the longest silence has not passed.
//! What is dark or bad is always sent, and so are alarms: the settings refuse a dead band on them.

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_protocol::device::{Limits, Role};
use silkline_protocol::id::PointName;
use silkline_protocol::sample::Reading;

use crate::clock::Moment;
use crate::config::Device;

/// The points of one device, with what was sent of them.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// By the point's stem.
    rules: BTreeMap<PointName, Rule>,
    sent: BTreeMap<PointName, (f64, Moment)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rule {
    deadband: f64,
    /// A value is sent when the next poll would be later than this.
    silence: Duration,
    limits: Limits,
}

/// Whether a point of this role may be reported by exception: never an alarm.
#[must_use]
pub const fn may_be_withheld(role: Role) -> bool {
    !matches!(role, Role::DeviceAlarm | Role::Door | Role::State)
}

impl Exceptions {
    /// Those of `device`.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        let mut rules = BTreeMap::new();
        for exception in &device.exceptions {
            for name in &exception.points {
                let limits = device.profile.point(name).map(|point| point.limits);
                let rule = Rule {
                    deadband: exception.deadband,
                    silence: exception.silence.saturating_sub(device.poll),
                    limits: limits.unwrap_or_default(),
                };
                rules.insert(name.clone(), rule);
            }
        }
        Self {
            rules,
            sent: BTreeMap::new(),
        }
    }

    /// Whether every reading is always sent.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.rules.is_empty()
    }

    /// Everything is news again: somebody asked.
    pub fn forget(&mut self) {
        self.sent.clear();
    }

    /// Takes out of `readings` what says nothing new at `now`; how many those were.
    pub fn sift(&mut self, readings: &mut BTreeMap<PointName, Reading>, now: Moment) -> usize {
        if self.rules.is_empty() {
            return 0;
        }
        let before = readings.len();
        readings.retain(|name, reading| self.is_news(name, *reading, now));
        before - readings.len()
    }

    fn is_news(&mut self, name: &PointName, reading: Reading, now: Moment) -> bool {
        let rule = self
            .rules
            .iter()
            .find(|(stem, _)| stem.as_str() == name.stem());
        let Some((_, rule)) = rule else {
            return true;
        };
        let Reading::Value(value) = reading else {
            self.sent.remove(name);
            return true;
        };
        let is_news = match self.sent.get(name) {
            None => true,
            Some((sent, at)) => {
                (value - sent).abs() >= rule.deadband
                    || now - *at >= rule.silence
                    || is_beyond(value, &rule.limits)
            }
        };
        if is_news {
            self.sent.insert(name.clone(), (value, now));
        }
        is_news
    }
}

fn is_beyond(value: f64, limits: &Limits) -> bool {
    let below = |limit: Option<f64>| limit.is_some_and(|limit| value < limit);
    let above = |limit: Option<f64>| limit.is_some_and(|limit| value > limit);
    below(limits.low_warning)
        || below(limits.low_major)
        || above(limits.high_warning)
        || above(limits.high_major)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use silkline_protocol::sample::BadReading;

    use super::*;

    const POLL: u64 = 1;

    fn exceptions() -> Exceptions {
        let text = "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"e\"\nprofile = \"silkline-edfa\"\n\
                    address = \"h\"\npoll = \"1s\"\n[[device.exception]]\npoints = [\"module_temp\", \"gain\"]\n\
                    deadband = 0.5\nsilence = \"60s\"\n";
        let config =
            crate::config::read("agent.toml", text).unwrap_or_else(|error| panic!("{error}"));
        Exceptions::of(&config.devices[0])
    }

    fn at(second: u64) -> Moment {
        Moment::after_start(Duration::from_secs(second))
    }

    fn sent(exceptions: &mut Exceptions, name: &str, reading: Reading, second: u64) -> bool {
        let mut readings = BTreeMap::from([(name.parse().unwrap(), reading)]);
        exceptions.sift(&mut readings, at(second));
        !readings.is_empty()
    }

    #[test]
    fn a_value_is_sent_when_it_leaves_the_dead_band_or_was_silent_for_long() {
        let mut all = exceptions();
        let value = Reading::Value;
        let mut temperature =
            |celsius, second| sent(&mut all, "module_temp", value(celsius), second);
        assert!(temperature(25.0, 0));
        assert!(!temperature(25.4, 1));
        // It creeps: what counts is the distance from what was sent.
        assert!(temperature(25.5, 2));
        assert!(!temperature(25.1, 3));
        assert!(!temperature(25.1, 60));
        assert!(temperature(25.1, 61), "the next poll would be too late");
        assert!(
            temperature(70.0, 62) && temperature(70.1, 63),
            "beyond its limit it is always sent"
        );
    }

    #[test]
    fn rows_have_their_own_value_and_other_points_are_untouched() {
        let mut all = exceptions();
        assert!(sent(&mut all, "gain.1", Reading::Value(20.0), 0));
        assert!(sent(&mut all, "gain.2", Reading::Value(20.0), 0));
        assert!(!sent(&mut all, "gain.2", Reading::Value(20.0), 1));
        for second in 0..3 {
            assert!(sent(&mut all, "los.1", Reading::Value(0.0), second));
        }
        all.forget();
        assert!(sent(&mut all, "gain.2", Reading::Value(20.0), 2));
    }

    #[test]
    fn what_is_not_well_is_never_withheld() {
        let mut all = exceptions();
        assert!(sent(&mut all, "gain.1", Reading::Value(20.0), 0));
        for second in 1..5 {
            assert!(sent(
                &mut all,
                "gain.1",
                Reading::Bad(BadReading::Timeout),
                second
            ));
        }
        assert!(
            sent(&mut all, "gain.1", Reading::Value(20.0), 6),
            "and neither is what comes after"
        );
    }

    proptest! {
        #[test]
        fn nobody_is_silent_for_longer_than_allowed_nor_off_by_more_than_the_dead_band(
            steps in prop::collection::vec(-0.3f64..0.3, 1..400)
        ) {
            let mut all = exceptions();
            let (mut value, mut known, mut heard) = (25.0, f64::NAN, 0);
            for (second, step) in (0..).zip(steps) {
                value += step;
                let second = second * POLL;
                if sent(&mut all, "gain.1", Reading::Value(value), second) {
                    (known, heard) = (value, second);
                }
                prop_assert!((value - known).abs() < 0.5);
                prop_assert!(second - heard < 60);
            }
        }
    }
}
