//! How the agent is at a moment: what `top`, the page and the metrics are made of.

use serde::{Deserialize, Serialize};
use silkline_protocol::device::{Limits, Role};
use silkline_protocol::id::PointName;
use silkline_protocol::message::ClockState;
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::Sources;
use crate::board::{Seen, words};
use crate::config::Device;
use crate::profile::Profile;
use crate::spool::{Account, Counts};

/// How the agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Now {
    /// When, by the agent's clock.
    pub at: Timestamp,
    /// The site.
    pub site: String,
    /// Which of its agents.
    pub agent: String,
    /// The program's version.
    pub version: String,
    /// Seconds since it was started.
    pub up_s: u64,
    /// What the system says of the clock.
    pub clock: ClockState,
    /// How far it is ahead of the right time, in seconds, where that is known.
    #[serde(default)]
    pub clock_ahead_s: Option<f64>,
    /// The link to the broker; absent where none is set.
    pub uplink: Option<UplinkNow>,
    /// The spool.
    pub spool: SpoolNow,
    /// Every device of the settings.
    pub devices: Vec<DeviceNow>,
    /// The latest events, newest first.
    pub events: Vec<EventNow>,
    /// What else there is to say: permits, a fault that was located here.
    pub sections: Vec<Section>,
}

/// How the link is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkNow {
    /// Since when a broker has us.
    pub connected: Option<Timestamp>,
    /// Records sent and not committed.
    pub in_flight: u64,
    /// Records that a broker would not have for their size.
    pub refused: u64,
    /// Connections that were lost or could not be made.
    pub failures: u64,
    /// Why the last of them was.
    pub last_error: Option<String>,
}

/// How the spool is. The lists are number and kind; they add up: found, taken and taken back are what
/// is delivered, dropped and waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolNow {
    /// Records that no collector has committed.
    pub depth: u64,
    /// Records held, committed ones included.
    pub records: u64,
    /// Bytes held.
    pub bytes: u64,
    /// The most it may hold.
    pub max_bytes: u64,
    /// Transactions that failed since the start.
    pub failures: u64,
    /// Why the last transaction failed, if it did.
    pub fault: Option<String>,
    /// Records that waited at the start.
    pub found: Vec<(String, u64)>,
    /// Records taken in.
    pub taken: Vec<(String, u64)>,
    /// Records asked for again by a collector that had committed them.
    pub taken_back: Vec<(String, u64)>,
    /// Records that a collector has committed.
    pub delivered: Vec<(String, u64)>,
    /// Records let go of uncommitted.
    pub dropped: Vec<(String, u64)>,
    /// Records that wait.
    pub waiting: Vec<(String, u64)>,
    /// Records that nothing would take: in no other figure.
    #[serde(default)]
    pub refused: Vec<(String, u64)>,
    /// Records that are only in memory, since the disk takes nothing.
    #[serde(default)]
    pub unsynced: Vec<(String, u64)>,
}

/// How a device is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceNow {
    /// Its id.
    pub id: String,
    /// Its profile.
    pub profile: String,
    /// Where it is.
    pub address: String,
    /// When it last answered.
    pub answered: Option<Timestamp>,
    /// Why it did not answer its latest poll.
    pub fault: Option<String>,
    /// Polls since the start.
    pub polls: u64,
    /// Polls that it did not answer.
    pub unanswered: u64,
    /// Good readings since the start, dark ones included.
    pub good: u64,
    /// Bad readings since the start.
    pub bad: u64,
    /// Answers that came too late, over its whole connection.
    pub late: u64,
    /// Readings that report by exception did not send.
    pub withheld: u64,
    /// How long the requests of its latest poll took together, in milliseconds.
    #[serde(default)]
    pub took_ms: f64,
    /// Its points.
    pub points: Vec<PointNow>,
}

/// How a point is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointNow {
    /// Its name.
    pub name: String,
    /// Its latest reading.
    pub reading: Reading,
    /// The unit of its values.
    pub unit: String,
    /// What is not well with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventNow {
    /// When.
    pub at: Timestamp,
    /// In words.
    pub words: String,
}

/// Lines under a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The title.
    pub title: String,
    /// The lines.
    pub lines: Vec<String>,
}

impl Now {
    /// How the agent with these sources is.
    #[must_use]
    pub fn of(sources: &Sources) -> Self {
        let config = sources.config.borrow().clone();
        let link = sources.link.borrow().clone();
        let told = |told: crate::board::Told| {
            let point = told
                .event
                .point
                .map(|point| format!(".{point}"))
                .unwrap_or_default();
            let detail = told.event.detail;
            let kind = words(told.event.kind);
            let words = format!("{}{point} {kind} {detail}", told.device);
            EventNow {
                at: told.event.at,
                words: words.trim_end().to_owned(),
            }
        };
        let section = |(title, lines): (&str, Vec<String>)| Section {
            title: title.to_owned(),
            lines,
        };
        let clock = sources.clock.told();
        Self {
            at: sources.clock.now(),
            site: config.site.to_string(),
            agent: config.agent.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            up_s: sources.clock.moment().since_start().as_secs(),
            clock: clock.state,
            clock_ahead_s: clock.ahead_s,
            uplink: link.map(|link| uplink(&link.borrow())),
            spool: spool(&sources.spool.borrow()),
            devices: config
                .devices
                .iter()
                .map(|device| device_now(device, sources.board.device(&device.id)))
                .collect(),
            events: sources.board.events().into_iter().map(told).collect(),
            sections: sources.board.sections().into_iter().map(section).collect(),
        }
    }

    /// Devices that do not answer, and points that are not well.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        let mut alarms = Vec::new();
        for device in &self.devices {
            if let Some(fault) = &device.fault {
                alarms.push(format!("{}: {fault}", device.id));
                continue;
            }
            for point in &device.points {
                if let Some(alarm) = &point.alarm {
                    alarms.push(format!("{}.{}: {alarm}", device.id, point.name));
                }
            }
        }
        alarms
    }
}

fn uplink(status: &crate::uplink::UplinkStatus) -> UplinkNow {
    UplinkNow {
        connected: status.connected,
        in_flight: status.in_flight as u64,
        refused: status.refused,
        failures: status.failures,
        last_error: status.last_error.clone(),
    }
}

fn spool(status: &crate::spool::SpoolStatus) -> SpoolNow {
    let list = |counts: Counts| -> Vec<(String, u64)> {
        let kinds = counts.by_kind().into_iter();
        kinds
            .map(|(kind, count)| (kind.to_owned(), count))
            .collect()
    };
    let Account {
        found,
        taken,
        taken_back,
        delivered,
        dropped,
    } = status.account;
    SpoolNow {
        depth: status.depth,
        records: status.records,
        bytes: status.bytes,
        max_bytes: status.max_bytes,
        failures: status.failures,
        fault: status.fault.as_ref().map(ToString::to_string),
        found: list(found),
        taken: list(taken),
        taken_back: list(taken_back),
        delivered: list(delivered),
        dropped: list(dropped),
        waiting: list(status.waiting),
        refused: list(status.refused),
        unsynced: list(status.unsynced),
    }
}

fn device_now(device: &Device, seen: Option<Seen>) -> DeviceNow {
    let seen = seen.unwrap_or_default();
    let points = seen.readings.iter().map(|(name, reading)| {
        let point = device.profile.point(name);
        PointNow {
            name: name.to_string(),
            reading: *reading,
            unit: point.map_or("", |point| point.unit.symbol()).to_owned(),
            alarm: alarm(&device.profile, name, *reading),
        }
    });
    DeviceNow {
        id: device.id.to_string(),
        profile: device.profile.id.to_string(),
        address: device
            .address
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        answered: seen.answered,
        points: points.collect(),
        fault: seen.fault,
        polls: seen.polls,
        unanswered: seen.unanswered,
        good: seen.good,
        bad: seen.bad,
        late: seen.late,
        withheld: seen.withheld,
        took_ms: seen.took.as_secs_f64() * 1e3,
    }
}

/// What is not well with a reading, by the profile's limits and roles: the collector knows more.
pub(crate) fn alarm(profile: &Profile, name: &PointName, reading: Reading) -> Option<String> {
    let point = profile.point(name)?;
    match (reading, point.role) {
        (Reading::Dark, Role::LightIn | Role::SupervisoryIn) => Some("dark".to_owned()),
        (Reading::Value(value), Role::DeviceAlarm) if value != 0.0 => Some("alarm".to_owned()),
        (Reading::Value(value), Role::Door) if value != 0.0 => Some("open".to_owned()),
        (Reading::Value(value), _) => beyond(value, &point.limits),
        (Reading::Dark | Reading::Bad(_), _) => None,
    }
}

fn beyond(value: f64, limits: &Limits) -> Option<String> {
    let below = |limit: Option<f64>| limit.filter(|limit| value < *limit);
    let above = |limit: Option<f64>| limit.filter(|limit| value > *limit);
    if let Some(limit) = below(limits.low_major).or_else(|| below(limits.low_warning)) {
        return Some(format!("below {limit}"));
    }
    let limit = above(limits.high_major).or_else(|| above(limits.high_warning))?;
    Some(format!("above {limit}"))
}

#[cfg(test)]
mod tests {
    use silkline_protocol::sample::BadReading;

    use super::*;
    use crate::profile::Library;

    #[test]
    fn what_is_not_well_is_said_by_role_and_limit() {
        let library = Library::embedded();
        let said = |profile: &str, name: &str, reading| {
            let profile = library.find(&profile.parse().unwrap()).unwrap();
            alarm(profile, &name.parse().unwrap(), reading)
        };
        let value = Reading::Value;
        assert_eq!(
            said("silkline-edfa", "in_power.1", Reading::Dark).as_deref(),
            Some("dark")
        );
        assert_eq!(
            said("silkline-edfa", "los.1", value(1.0)).as_deref(),
            Some("alarm")
        );
        assert_eq!(said("silkline-edfa", "los.1", value(0.0)), None);
        let volts = |volts| said("eltek-smartpack", "battery_voltage", value(volts));
        assert_eq!(volts(40.0).as_deref(), Some("below 43.2"));
        assert_eq!(volts(45.0).as_deref(), Some("below 46"));
        assert_eq!(volts(54.0), None);
        assert_eq!(
            said("eltek-smartpack", "mains_l1", value(260.0)).as_deref(),
            Some("above 255")
        );
        let bad = Reading::Bad(BadReading::Garbled);
        assert_eq!(said("eltek-smartpack", "mains_l1", bad), None);
    }
}
