//! What a device tells unasked: SNMP traps and informs, by its profile made into events and an
//! immediate poll. Pure: [`receiver`] has the socket.
//!
//! A notification counts only when it comes from the address of a configured device. What the
//! profile does not know is counted and said once for each device; the device is polled all the
//! same, since it had a reason to speak. A device that never stops is cut off: its notifications are
//! counted, its polls go on.

pub mod engine;
pub mod receiver;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::id::{DeviceId, PointName};
use silkline_protocol::message::EventKind;

use crate::clock::Moment;
use crate::config::Device;
use crate::driver::snmp::{SnmpValue, row_name};
use crate::profile::{Map, Oid, SnmpMap, TrapMap};
use crate::trigger::Told;

/// Notifications of one device that are told at once; a card that fails sends about ten.
const BURST: u32 = 30;
/// How long until one more is told.
const REFILL: Duration = Duration::from_secs(2);
/// How soon one device is polled again for a notification.
const REREAD_GAP: Duration = Duration::from_millis(500);
/// Unknown notifications that are remembered as said.
const MOST_UNKNOWN: usize = 1024;
/// The most letters of the objects that come with a notification.
const LONGEST_DETAIL: usize = 300;

/// The notifications every device may send (RFC 3418), with what they say.
const STANDARD: [(u32, &str); 5] = [
    (1, "cold start: the device began anew"),
    (2, "warm start: the device began anew with its settings"),
    (3, "link down"),
    (4, "link up"),
    (5, "somebody asked the device with wrong credentials"),
];
/// `snmpTraps`, below which they are.
const SNMP_TRAPS: [u32; 9] = [1, 3, 6, 1, 6, 3, 1, 1, 5];

/// One notification, apart from any library.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its OID; a version 1 trap's as RFC 3584 makes it.
    pub oid: Oid,
    /// The objects that came with it.
    pub values: Vec<(Oid, SnmpValue)>,
}

/// What follows from a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Records an event.
    Tell(Told),
    /// Polls the device at once.
    Reread(DeviceId),
}

/// How many notifications came, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// From configured devices.
    pub taken: u64,
    /// Of those: events.
    pub told: u64,
    /// Of those: that the profile does not know.
    pub unknown: u64,
    /// Of those: of devices that sent too many.
    pub flooded: u64,
}

/// What the devices of an agent may tell.
#[derive(Debug)]
pub struct Traps {
    senders: Vec<Sender>,
    said: BTreeSet<(DeviceId, Oid)>,
    counts: Counts,
}

#[derive(Debug)]
struct Sender {
    device: Arc<Device>,
    left: u32,
    since: Moment,
    reread: Option<Moment>,
    flooding: bool,
}

impl Traps {
    /// For these devices.
    #[must_use]
    pub fn new(devices: &[Arc<Device>], now: Moment) -> Self {
        let sender = |device: &Arc<Device>| Sender {
            device: device.clone(),
            left: BURST,
            since: now,
            reread: None,
            flooding: false,
        };
        Self {
            senders: devices.iter().map(sender).collect(),
            said: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// How many came, and what became of them.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a notification that came `now` from the address of `devices`: that of the first whose
    /// profile knows it, or of the first of all.
    pub fn take(&mut self, devices: &[DeviceId], notice: &Notice, now: Moment) -> Vec<Act> {
        let here = |sender: &&mut Sender| devices.contains(&sender.device.id);
        let mut senders: Vec<&mut Sender> = self.senders.iter_mut().filter(here).collect();
        let knows = senders
            .iter()
            .position(|sender| known(&sender.device, &notice.oid).is_some());
        let at = knows.unwrap_or(0);
        if at >= senders.len() {
            return Vec::new();
        }
        let sender = senders.swap_remove(at);
        self.counts.taken += 1;
        let mut acts = Vec::new();
        let reread = match meaning(&sender.device, notice) {
            Some((told, reread)) if sender.may_tell(now) => {
                self.counts.told += 1;
                acts.push(Act::Tell(told));
                reread
            }
            Some((_, reread)) => {
                self.counts.flooded += 1;
                reread
            }
            None => {
                self.counts.unknown += 1;
                let what = (sender.device.id.clone(), notice.oid.clone());
                if self.said.len() < MOST_UNKNOWN && self.said.insert(what) {
                    let (device, oid) = (sender.device.id.as_str(), notice.oid.to_string());
                    let detail = shown(&notice.values);
                    tracing::warn!(device, oid, detail, "notification unknown to the profile");
                }
                true
            }
        };
        if reread && sender.may_reread(now) {
            acts.push(Act::Reread(sender.device.id.clone()));
        }
        acts
    }
}

impl Sender {
    fn may_tell(&mut self, now: Moment) -> bool {
        let refilled = (now - self.since).as_millis() / REFILL.as_millis();
        let refilled = u32::try_from(refilled).unwrap_or(u32::MAX);
        if refilled > 0 {
            self.left = self.left.saturating_add(refilled).min(BURST);
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        if !may && !self.flooding {
            let device = self.device.id.as_str();
            tracing::warn!(
                device,
                "sends too many notifications: they are counted only"
            );
        }
        self.flooding = !may;
        may
    }

    fn may_reread(&mut self, now: Moment) -> bool {
        let may = self.reread.is_none_or(|last| now - last >= REREAD_GAP);
        if may {
            self.reread = Some(now);
        }
        may
    }
}

/// What the device's profile says of the notification.
fn known<'a>(device: &'a Device, oid: &Oid) -> Option<&'a TrapMap> {
    match &device.profile.map {
        Map::Snmp(map) => map.traps.iter().find(|trap| trap.oid == *oid),
        Map::Modbus(_) | Map::Scpi(_) => None,
    }
}

/// The event that a notification is, and whether the device has to be polled.
fn meaning(device: &Device, notice: &Notice) -> Option<(Told, bool)> {
    let told = |kind, point, said: &str| {
        let objects = shown(&notice.values);
        let detail = match objects.is_empty() {
            true => said.to_owned(),
            false => format!("{said}: {objects}"),
        };
        Told {
            permit: None,
            device: device.id.clone(),
            line: None,
            kind,
            point,
            detail,
        }
    };
    if let Some(trap) = known(device, &notice.oid) {
        let point = match (&trap.point, &device.profile.map) {
            (Some(point), Map::Snmp(map)) => Some(row_of(map, point, &notice.values)),
            _ => None,
        };
        return Some((told(trap.event, point, &trap.detail), trap.reread));
    }
    let standard = Oid::new(SNMP_TRAPS);
    let [number] = standard.suffix_of(&notice.oid)? else {
        return None;
    };
    let (_, said) = STANDARD.iter().find(|(at, _)| at == number)?;
    Some((told(EventKind::Trap, None, said), true))
}

/// The row of `point` that the objects tell: by its own column, or by any of its table.
fn row_of(map: &SnmpMap, point: &PointName, values: &[(Oid, SnmpValue)]) -> PointName {
    let named = |table: &&crate::profile::SnmpTable| {
        let mut columns = table.columns.iter();
        columns.any(|column| column.point.name == *point)
    };
    let Some(table) = map.tables.iter().find(named) else {
        return point.clone();
    };
    let Some(own) = table
        .columns
        .iter()
        .find(|column| column.point.name == *point)
    else {
        return point.clone();
    };
    let others = table.columns.iter();
    let index = core::iter::once(own).chain(others).find_map(|column| {
        let mut oids = values.iter().map(|(oid, _)| oid);
        oids.find_map(|oid| column.oid.suffix_of(oid))
    });
    let row = index.and_then(|index| row_name(table, own, index));
    row.unwrap_or_else(|| point.clone())
}

/// The objects of a notification in words, as far as they fit.
fn shown(values: &[(Oid, SnmpValue)]) -> String {
    let all: Vec<String> = values
        .iter()
        .take(8)
        .map(|(oid, value)| format!("{oid} = {value}"))
        .collect();
    all.join(", ").chars().take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(profile: &str) -> Arc<Device> {
        let text = format!(
            "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"dev\"\nprofile = \"{profile}\"\n\
             address = \"127.0.0.1\"\n"
        );
        Arc::new(
            crate::config::read("a.toml", &text)
                .unwrap()
                .devices
                .remove(0),
        )
    }

    fn notice(oid: &str, values: &[(&str, SnmpValue)]) -> Notice {
        let values = values.iter();
        Notice {
            oid: oid.parse().unwrap(),
            values: values
                .map(|(oid, value)| (oid.parse().unwrap(), value.clone()))
                .collect(),
        }
    }

    const ADVA: &str = "1.3.6.1.4.1.2544.1.14";

    fn taken(traps: &mut Traps, notice: &Notice, seconds: u64) -> Vec<Act> {
        let now = Moment::after_start(Duration::from_secs(seconds));
        traps.take(&["dev".parse().unwrap()], notice, now)
    }

    #[test]
    fn a_notification_of_the_profile_is_an_event_of_its_row_and_a_poll() {
        let mut traps = Traps::new(&[device("adva-fsp3000-alm")], Moment::START);
        let row = format!("{ADVA}.3.1.1.5.7");
        let notice = notice(&format!("{ADVA}.0.11"), &[(&row, SnmpValue::Whole(31))]);
        let acts = taken(&mut traps, &notice, 0);
        let [Act::Tell(told), Act::Reread(_)] = acts.as_slice() else {
            panic!("{acts:?}")
        };
        assert_eq!(told.point.as_ref().unwrap().as_str(), "link_loss.7");
        assert!(told.kind == EventKind::Trap && told.detail.contains("fast threshold"));
        assert!(told.detail.contains(".5.7 = 31"), "{}", told.detail);
    }

    #[test]
    fn a_standard_notification_needs_no_profile() {
        let mut traps = Traps::new(&[device("ietf-ups")], Moment::START);
        let acts = taken(&mut traps, &notice("1.3.6.1.6.3.1.1.5.1", &[]), 0);
        assert!(matches!(&acts[0], Act::Tell(told) if told.detail.contains("cold start")));
        assert_eq!(acts.len(), 2);
    }

    #[test]
    fn an_unknown_one_is_counted_and_the_device_polled() {
        let mut traps = Traps::new(&[device("ietf-ups")], Moment::START);
        let notice = notice("1.3.6.1.4.1.99.0.1", &[]);
        for second in 0..3 {
            let acts = taken(&mut traps, &notice, second);
            assert!(matches!(acts.as_slice(), [Act::Reread(_)]), "{acts:?}");
        }
        assert_eq!((traps.counts().unknown, traps.said.len()), (3, 1));
    }

    #[test]
    fn a_device_that_never_stops_is_cut_off_and_heard_again() {
        let mut traps = Traps::new(&[device("ietf-ups")], Moment::START);
        let cold = notice("1.3.6.1.6.3.1.1.5.1", &[]);
        let told = |acts: Vec<Act>| {
            acts.iter()
                .filter(|act| matches!(act, Act::Tell(_)))
                .count()
        };
        let now = (0..1000)
            .map(|_| told(taken(&mut traps, &cold, 0)))
            .sum::<usize>();
        assert_eq!(now, usize::try_from(BURST).unwrap());
        assert_eq!(told(taken(&mut traps, &cold, 60)), 1);
        let counts = traps.counts();
        assert_eq!(counts.taken, counts.told + counts.unknown + counts.flooded);
    }

    #[test]
    fn what_comes_from_nobody_we_know_is_nothing() {
        let mut traps = Traps::new(&[device("ietf-ups")], Moment::START);
        let now = Moment::START;
        assert!(
            traps
                .take(&[], &notice("1.3.6.1.6.3.1.1.5.1", &[]), now)
                .is_empty()
        );
        assert_eq!(traps.counts(), Counts::default());
    }
}
