//! One point of a device with its detectors.

use serde::{Deserialize, Serialize};
use silkline_analysis::series::dark::{Dark, Light};
use silkline_analysis::series::level::Level;
use silkline_analysis::series::limit::Limit;
use silkline_analysis::series::{AnomalyKind, Change};
use silkline_protocol::device::{About, Limits, Role};
use silkline_protocol::id::PointName;
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::Dbm;

/// Below this many volts it is no battery of 48 V, and the limits for those mean nothing.
const OTHER_BATTERY: f64 = 36.0;

/// One point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Point {
    pub(in crate::engine) role: Role,
    pub(in crate::engine) dark: Dark,
    /// When the light last turned, by our clock.
    pub(in crate::engine) turned: Timestamp,
    /// When it was last answered for, by our clock.
    pub(in crate::engine) heard: Timestamp,
    pub(super) limit: Limit,
    level: Option<Level>,
    /// The newest value in thousandths, where another point's meaning rests on it.
    pub(super) last: Option<i64>,
}

impl Point {
    pub(super) fn new((role, limits): (Role, Limits)) -> Self {
        Self {
            role,
            dark: Dark::default(),
            turned: Timestamp::EPOCH,
            heard: Timestamp::EPOCH,
            limit: Limit::new(limits),
            level: (role == Role::LightIn).then(Level::default),
            last: None,
        }
    }

    pub(super) fn reading(
        &mut self,
        reading: Reading,
        at: Timestamp,
        now: Timestamp,
    ) -> Vec<(AnomalyKind, Change)> {
        let mut changes = Vec::new();
        if !reading.is_good() {
            return changes;
        }
        self.heard = now;
        if is_light(self.role) {
            let before = self.dark.light();
            changes.extend(
                self.dark
                    .reading(reading, at)
                    .map(|c| (AnomalyKind::Dark, c)),
            );
            if self.dark.light() != before {
                self.turned = now;
            }
            if self.dark.light() == Light::Dark {
                return changes;
            }
        }
        if let (Role::FeedVoltage | Role::FeedCurrent, Some(value)) = (self.role, reading.value()) {
            self.last = Some(thousandths(value));
        }
        let Some(value) = reading.value() else {
            return changes;
        };
        let kind = match self.role {
            Role::DeviceAlarm | Role::Door => AnomalyKind::Alarm,
            _ => AnomalyKind::Limit,
        };
        let value = if self.role == Role::BatteryVoltage {
            value.abs()
        } else {
            value
        };
        if self.role == Role::BatteryVoltage && value < OTHER_BATTERY {
            return changes;
        }
        changes.extend(self.limit.reading(value, at).map(|c| (kind, c)));
        if let Some(level) = &mut self.level {
            let change = level.reading(Dbm::of(value), at);
            changes.extend(change.map(|c| (AnomalyKind::Level, c)));
        }
        changes
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "volts and amperes are far below 2^53"
)]
fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}

/// Whether a role is a light meter, for which dark is a finding.
pub(super) const fn is_light(role: Role) -> bool {
    matches!(role, Role::LightIn | Role::LightOut | Role::SupervisoryIn)
}

/// What a point means and its limits: by the device's own word, by its name as long as the device
/// has not told.
pub(super) fn described(
    about: Option<&About>,
    name: &PointName,
    feed: Option<Limits>,
) -> (Role, Limits) {
    let points = about.map(|about| &about.points);
    let named = |want: &str| points?.iter().find(|point| point.name.as_str() == want);
    let told = named(name.as_str()).or_else(|| named(name.stem()));
    let role = told.map_or_else(
        || match name.stem() {
            "in_power" | "rx_power" => Role::LightIn,
            "out_power" | "tx_power" => Role::LightOut,
            "osc_in_power" => Role::SupervisoryIn,
            _ => Role::Other,
        },
        |point| point.role,
    );
    let limits = told.map_or_else(Limits::default, |point| point.limits);
    let usual = || {
        if role == Role::FeedVoltage {
            feed.unwrap_or_default()
        } else {
            usual_limits(role)
        }
    };
    (role, if limits.is_empty() { usual() } else { limits })
}

/// A feed voltage has no reason to change by more than its meter and the day's temperature.
pub(super) fn around(volts: f64) -> Limits {
    Limits {
        low_warning: Some(volts * 0.98),
        low_major: Some(volts * 0.9),
        high_warning: Some(volts * 1.02),
        high_major: Some(volts * 1.1),
    }
}

/// Limits of a role where its device tells none.
///
/// # Source
///
/// Common practice for huts on 48 V batteries; set them in the profile where it is otherwise.
fn usual_limits(role: Role) -> Limits {
    let none = Limits::default();
    match role {
        Role::Temperature => Limits {
            high_warning: Some(45.0),
            high_major: Some(55.0),
            ..none
        },
        Role::BatteryVoltage => Limits {
            low_warning: Some(46.0),
            low_major: Some(43.2),
            ..none
        },
        Role::DeviceAlarm | Role::Door => Limits {
            high_warning: Some(0.5),
            ..none
        },
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(role: Role) -> Point {
        Point::new((role, usual_limits(role)))
    }

    fn read(point: &mut Point, value: f64, second: i64) -> Vec<(AnomalyKind, Change)> {
        let at = Timestamp::from_seconds(second);
        point.reading(Reading::of(value), at, at)
    }

    fn name(text: &str) -> PointName {
        text.parse().unwrap()
    }

    #[test]
    fn a_light_meter_is_known_by_its_name_until_the_device_tells() {
        let role = |point: &str| described(None, &name(point), None).0;
        assert_eq!(role("in_power.1"), Role::LightIn);
        assert_eq!(role("tx_power.2"), Role::LightOut);
        assert_eq!(role("osc_in_power.1"), Role::SupervisoryIn);
        assert_eq!(role("humidity"), Role::Other);
    }

    #[test]
    fn dark_is_no_level_and_no_limit() {
        let mut point = point(Role::LightIn);
        for second in 0..30 {
            assert!(read(&mut point, -17.0, second).is_empty());
        }
        let at = Timestamp::from_seconds(31);
        let said = point.reading(Reading::Dark, at, at);
        assert!(
            matches!(said[..], [(AnomalyKind::Dark, Change::Began { .. })]),
            "{said:?}"
        );
        assert_eq!((point.dark.light(), point.turned), (Light::Dark, at));
    }

    #[test]
    fn a_battery_that_is_not_one_of_48_volts_is_left_alone() {
        let mut point = point(Role::BatteryVoltage);
        assert!((0..9).all(|second| read(&mut point, 12.6, second).is_empty()));
        let said: Vec<_> = (10..14)
            .flat_map(|second| read(&mut point, -45.0, second))
            .collect();
        assert!(
            matches!(said[..], [(AnomalyKind::Limit, Change::Began { .. })]),
            "{said:?}"
        );
    }

    #[test]
    fn alarm_bits_are_alarms_and_feed_volts_are_kept() {
        let mut alarm = point(Role::DeviceAlarm);
        let said: Vec<_> = (0..3)
            .flat_map(|second| read(&mut alarm, 1.0, second))
            .collect();
        assert!(
            matches!(said[..], [(AnomalyKind::Alarm, Change::Began { .. })]),
            "{said:?}"
        );
        let limits = described(None, &name("x"), None).1;
        let mut feed = Point::new((Role::FeedVoltage, limits));
        read(&mut feed, 1952.4, 1);
        assert_eq!(feed.last, Some(1_952_400));
    }

    #[test]
    fn what_is_no_answer_changes_nothing() {
        let mut point = point(Role::LightIn);
        let at = Timestamp::from_seconds(5);
        let bad = Reading::Bad(silkline_protocol::sample::BadReading::Timeout);
        assert!(point.reading(bad, at, at).is_empty());
        assert_eq!(point.heard, Timestamp::EPOCH);
    }
}
