//! One point of a device with its detectors.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_analysis::series::dark::{Dark, Light};
use silkline_analysis::series::drift::Drift;
use silkline_analysis::series::limit::Limit;
use silkline_analysis::series::past::{thousandths, whole};
use silkline_analysis::series::rules;
use silkline_analysis::series::step::Step;
use silkline_analysis::series::stuck::Stuck;
use silkline_analysis::series::{AnomalyKind, Change};
use silkline_protocol::device::Role;
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::tune::Tuned;

/// Below this many volts it is no battery of 48 V, and the limits for those mean nothing.
const OTHER_BATTERY: f64 = 36.0;

/// Samples that are held up come so much later at most than what the edge says.
const OVERTAKEN: Duration = Duration::from_secs(1800);

/// What transceivers and many amplifiers show for no light, in dBm: a tenth of a microwatt is the step of their
/// scale. Only supervisory receivers live on less. Light is back so much above.
const FLOOR: f64 = -39.95;
const FLOOR_BACK_DB: f64 = 2.0;

/// Decibels by which a level must be back inside its limit.
const BACK_DB: f64 = 0.5;

/// One point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Point {
    pub(in crate::engine) role: Role,
    pub(in crate::engine) dark: Dark,
    /// When the light last turned, by our clock.
    pub(in crate::engine) turned: Timestamp,
    /// When it was last answered for, by our clock.
    pub(in crate::engine) heard: Timestamp,
    /// When the agent's edge said that the light is gone.
    #[serde(default)]
    pub(super) told: Timestamp,
    limit: Limit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stuck: Option<Stuck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drift: Option<Drift>,
    /// The newest value in thousandths; none where it is dark.
    pub(super) last: Option<i64>,
    #[serde(skip)]
    tuned: Tuned,
}

/// What the point alone cannot know of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Context {
    /// The light is lost by what is known of the path: its far receiver needs more than this.
    pub(super) needs: Option<f64>,
    /// The light is lost on its span: so many decibels less than what is sent explains.
    pub(super) lost: Option<f64>,
    /// What it says is an effect of lost light, and no news.
    pub(super) hushed: bool,
}

impl Point {
    pub(super) fn new(tuned: Tuned) -> Self {
        let role = tuned.role;
        let mut point = Self {
            role,
            dark: Dark::default(),
            turned: Timestamp::EPOCH,
            heard: Timestamp::EPOCH,
            told: Timestamp::EPOCH,
            limit: Limit::default(),
            step: None,
            stuck: None,
            drift: None,
            last: None,
            tuned: Tuned::default(),
        };
        point.tune(tuned);
        point
    }

    /// Goes by `tuned` from now on; what was learnt under another role is forgotten.
    pub(super) fn tune(&mut self, tuned: Tuned) {
        let role = tuned.role;
        if self.role != role {
            (self.step, self.stuck, self.drift) = (None, None, None);
        }
        self.role = role;
        let looks = |kind| tuned.looks_for(kind);
        let step = tuned.rule.is_some() && looks(AnomalyKind::Step);
        let stuck = moves(role) && looks(AnomalyKind::Stuck);
        let drift = tuned.bound(1.0).is_some() && looks(AnomalyKind::Drift);
        keep(&mut self.step, step);
        keep(&mut self.stuck, stuck);
        keep(&mut self.drift, drift);
        if is_decibels(role) {
            self.limit = core::mem::take(&mut self.limit).with_back(BACK_DB);
        }
        self.limit.set(tuned.limits);
        self.tuned = tuned;
    }

    pub(super) fn reading(
        &mut self,
        reading: Reading,
        (at, now): (Timestamp, Timestamp),
        context: Context,
    ) -> Vec<(AnomalyKind, Change)> {
        let mut changes = Vec::new();
        if !reading.is_good() {
            return changes;
        }
        self.heard = now;
        if is_light(self.role) {
            if self.was_overtaken(at) {
                return changes;
            }
            let reading = self.floored(reading);
            let light = self.light(reading, at, context);
            changes.extend(light.map(|change| (AnomalyKind::Dark, change)));
            if self.dark.light() == Light::Dark {
                self.last = None;
                changes.extend(self.quieten(at));
                if !changes.is_empty() {
                    self.turned = now;
                }
                return changes;
            }
            if !changes.is_empty() {
                self.turned = now;
            }
        }
        let Some(value) = reading.value() else {
            self.last = None;
            return changes;
        };
        self.last = Some(thousandths(value));
        changes.extend(self.limited(value, at));
        if context.hushed {
            changes.extend(self.quieten(at));
        } else {
            changes.extend(self.moved(value, at));
        }
        changes
    }

    /// Whether a reading was taken before the edge said that the light is gone, and came after that. One
    /// that seems much older was taken after a clock was set back.
    fn was_overtaken(&self, at: Timestamp) -> bool {
        at < self.told && self.told - at < OVERTAKEN
    }

    /// What it sees is no light since `from`, as its far receiver shows.
    pub(super) fn lose(
        &mut self,
        (from, detail): (Timestamp, String),
        now: Timestamp,
    ) -> Vec<(AnomalyKind, Change)> {
        let at = self.dark.at().max(from);
        let lost = self.dark.judged(Light::Dark, at, (from, detail));
        let mut changes: Vec<_> = lost.map(|c| (AnomalyKind::Dark, c)).into_iter().collect();
        if !changes.is_empty() {
            self.turned = now;
        }
        self.last = None;
        changes.extend(self.quieten(at));
        changes
    }

    /// How far the newest value is below its usual.
    pub(in crate::engine) fn fall(&self) -> Option<f64> {
        let usual = self.step.as_ref()?.usual()?;
        Some(usual - whole(self.last?))
    }

    /// By how much it sinks a day, where it changes slowly.
    pub(in crate::engine) fn sinks(&self) -> Option<f64> {
        let line = self.drift.as_ref()?.forecast(0.0)?;
        Some(-line.slope)
    }

    /// What is now is as it is meant to be.
    pub(super) fn accept(&mut self, at: Timestamp) -> Vec<(AnomalyKind, Change)> {
        let step = self.step.as_mut().and_then(|step| step.accept(at));
        let drift = self.drift.as_mut().and_then(|drift| drift.accept(at));
        let step = step.map(|change| (AnomalyKind::Step, change));
        let drift = drift.map(|change| (AnomalyKind::Drift, change));
        step.into_iter().chain(drift).collect()
    }

    /// What is no light by the number that a meter shows for none.
    fn floored(&self, reading: Reading) -> Reading {
        let back = if self.dark.light() == Light::Dark {
            FLOOR_BACK_DB
        } else {
            0.0
        };
        let none = |value: f64| value <= FLOOR + back && self.role != Role::SupervisoryIn;
        match reading {
            Reading::Value(value) if none(value) => Reading::Dark,
            other => other,
        }
    }

    fn light(&mut self, reading: Reading, at: Timestamp, context: Context) -> Option<Change> {
        let Some((Light::Lit, value)) = Light::of(reading).zip(reading.value()) else {
            return self.dark.reading(reading, at);
        };
        let detail = match context {
            Context {
                needs: Some(needs), ..
            } => format!("its far receiver needs more than {needs:.1} dBm"),
            Context {
                lost: Some(lost), ..
            } => format!("{lost:.1} dB less than what is sent explains"),
            Context { .. } => return self.dark.reading(reading, at),
        };
        let detail = format!("no light: {value:.1} dBm, {detail}");
        self.dark.judged(Light::Dark, at, (at, detail))
    }

    fn limited(&mut self, value: f64, at: Timestamp) -> Option<(AnomalyKind, Change)> {
        let kind = match self.role {
            Role::DeviceAlarm | Role::Door => AnomalyKind::Alarm,
            _ => AnomalyKind::Limit,
        };
        let battery = self.role == Role::BatteryVoltage;
        let value = if battery { value.abs() } else { value };
        if (battery && value < OTHER_BATTERY) || !self.tuned.looks_for(kind) {
            return None;
        }
        self.limit.reading(value, at).map(|change| (kind, change))
    }

    /// What the value says against its own past. No light and no signal are no value.
    fn moved(&mut self, value: f64, at: Timestamp) -> Vec<(AnomalyKind, Change)> {
        let none = matches!(self.role, Role::Osnr | Role::Ber) && value <= 0.0;
        let scaled = rules::scaled(self.role, value).filter(|_| !none);
        let Some(scaled) = scaled else {
            return Vec::new();
        };
        let (step, rule) = (self.step.as_mut(), self.tuned.rule.as_ref());
        let step = step.zip(rule).and_then(|(s, r)| s.reading(scaled, at, r));
        let stuck = self.stuck.as_mut().and_then(|s| s.reading(scaled, at));
        let bound = |origin| self.tuned.bound(origin);
        let drift = self.drift.as_mut();
        let drift = drift.and_then(|d| d.reading(scaled, at, bound));
        let named = [
            (AnomalyKind::Step, step),
            (AnomalyKind::Stuck, stuck),
            (AnomalyKind::Drift, drift),
        ];
        let said = named.into_iter();
        said.filter_map(|(kind, change)| Some((kind, change?)))
            .collect()
    }

    /// Darkness says it all: a step that stands gives way to it.
    fn quieten(&mut self, at: Timestamp) -> Option<(AnomalyKind, Change)> {
        let step = self.step.as_mut()?;
        step.yield_to_darkness(at)
            .map(|change| (AnomalyKind::Step, change))
    }
}

/// Makes a detector be there or not.
fn keep<T: Default>(detector: &mut Option<T>, wanted: bool) {
    if !wanted {
        *detector = None;
    } else if detector.is_none() {
        *detector = Some(T::default());
    }
}

/// Whether a role is a light meter, for which dark is a finding.
pub(super) const fn is_light(role: Role) -> bool {
    matches!(role, Role::LightIn | Role::LightOut | Role::SupervisoryIn)
}

const fn is_decibels(role: Role) -> bool {
    is_light(role) || matches!(role, Role::Osnr | Role::SpanLoss | Role::ReturnLoss)
}

/// Whether a role's values never stand still for long by nature.
const fn moves(role: Role) -> bool {
    is_light(role)
        || matches!(
            role,
            Role::Osnr
                | Role::Ber
                | Role::PumpBias
                | Role::Temperature
                | Role::FeedVoltage
                | Role::FeedCurrent
        )
}

#[cfg(test)]
mod tests {
    use super::super::tune::usual_limits;
    use super::*;
    use silkline_protocol::id::PointName;

    fn point(role: Role) -> Point {
        Point::new(Tuned {
            role,
            limits: usual_limits(role),
            rule: rules::rule(role),
            off: Vec::new(),
        })
    }

    fn take(point: &mut Point, reading: Reading, second: i64) -> Vec<(AnomalyKind, Change)> {
        let at = Timestamp::from_seconds(second);
        point.reading(reading, (at, at), Context::default())
    }

    fn read(point: &mut Point, value: f64, second: i64) -> Vec<(AnomalyKind, Change)> {
        take(point, Reading::of(value), second)
    }

    #[test]
    fn dark_is_no_level_and_no_limit() {
        let mut point = point(Role::LightIn);
        for second in 0..30 {
            assert!(read(&mut point, -17.0, second).is_empty());
        }
        let at = Timestamp::from_seconds(31);
        let said = take(&mut point, Reading::Dark, 31);
        assert!(
            matches!(said[..], [(AnomalyKind::Dark, Change::Began { .. })]),
            "{said:?}"
        );
        assert_eq!((point.dark.light(), point.turned), (Light::Dark, at));
    }

    #[test]
    fn light_that_its_receiver_cannot_live_on_is_dark() {
        let mut point = point(Role::LightIn);
        let at = Timestamp::from_seconds(1);
        let low = Context {
            needs: Some(-37.0),
            ..Context::default()
        };
        let said = point.reading(Reading::Value(-38.0), (at, at), low);
        assert!(
            matches!(&said[..], [(AnomalyKind::Dark, Change::Began { detail, .. })] if detail.contains("-37.0")),
            "{said:?}"
        );
        let said = read(&mut point, -23.0, 2);
        assert!(matches!(
            said[..],
            [(AnomalyKind::Dark, Change::Ended { .. })]
        ));
    }

    #[test]
    fn the_number_that_meters_show_for_no_light_is_none() {
        let mut input = point(Role::LightIn);
        read(&mut input, -20.0, 1);
        let said = read(&mut input, -40.0, 2);
        assert!(
            matches!(said[..], [(AnomalyKind::Dark, Change::Began { .. })]),
            "{said:?}"
        );
        assert!(read(&mut input, -39.2, 3).is_empty(), "noise of the meter");
        assert!(read(&mut input, -40.3, 4).is_empty());
        assert!(matches!(
            read(&mut input, -35.0, 5)[..],
            [(AnomalyKind::Dark, Change::Ended { .. })]
        ));
        let mut supervisory = point(Role::SupervisoryIn);
        read(&mut supervisory, -38.0, 1);
        assert!(read(&mut supervisory, -41.0, 2).is_empty());
    }

    #[test]
    fn light_that_its_span_alone_has_lost_is_dark() {
        let mut point = point(Role::LightIn);
        read(&mut point, -17.0, 0);
        let at = Timestamp::from_seconds(1);
        let lost = Context {
            lost: Some(21.0),
            ..Context::default()
        };
        let said = point.reading(Reading::Value(-38.0), (at, at), lost);
        assert!(
            matches!(&said[..], [(AnomalyKind::Dark, Change::Began { detail, .. })] if detail.contains("21.0 dB less")),
            "{said:?}"
        );
    }

    #[test]
    fn a_step_gives_way_to_darkness() {
        let mut point = point(Role::LightIn);
        for second in 0..30 {
            read(&mut point, -17.0, second);
        }
        let said = read(&mut point, -30.0, 31);
        assert!(
            matches!(said[..], [(AnomalyKind::Step, Change::Began { .. })]),
            "{said:?}"
        );
        let kinds: Vec<_> = take(&mut point, Reading::Dark, 32)
            .into_iter()
            .map(|(kind, change)| (kind, matches!(change, Change::Began { .. })))
            .collect();
        assert_eq!(
            kinds,
            [(AnomalyKind::Dark, true), (AnomalyKind::Step, false)]
        );
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
    fn alarm_bits_are_alarms_and_values_are_kept() {
        let mut alarm = point(Role::DeviceAlarm);
        let said: Vec<_> = (0..3)
            .flat_map(|second| read(&mut alarm, 1.0, second))
            .collect();
        assert!(
            matches!(said[..], [(AnomalyKind::Alarm, Change::Began { .. })]),
            "{said:?}"
        );
        let mut feed = point(Role::FeedVoltage);
        read(&mut feed, 1952.4, 1);
        assert_eq!(feed.last, Some(1_952_400));
    }

    #[test]
    fn a_role_that_changes_forgets_what_the_old_one_learnt() {
        let mut point = point(Role::LightIn);
        for second in 0..30 {
            read(&mut point, -17.0, second);
        }
        let name: PointName = "x".parse().unwrap();
        point.tune(Tuned::of(("s.d", &name), None, None, &[]));
        assert_eq!((point.role, &point.step), (Role::Other, &None));
    }

    #[test]
    fn what_is_no_answer_changes_nothing() {
        let mut point = point(Role::LightIn);
        let bad = Reading::Bad(silkline_protocol::sample::BadReading::Timeout);
        assert!(take(&mut point, bad, 5).is_empty());
        assert_eq!(point.heard, Timestamp::EPOCH);
    }
}
