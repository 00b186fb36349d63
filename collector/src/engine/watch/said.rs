//! What devices and agents say of themselves once: traps, edge findings, failed shots.

use core::time::Duration;

use silkline_analysis::series::{AnomalyKind, Change, Severity, device_name};
use silkline_protocol::id::{DeviceId, SiteId};
use silkline_protocol::message::{Event, EventKind};
use silkline_protocol::time::Timestamp;

use super::{Finding, News, Watch};

/// What a device says of itself once is over after this long, unless it says it again.
const NOTIFIED: Duration = Duration::from_secs(900);

/// Things said once that are remembered; more are counted as the last one.
const NOTICES: usize = 200;

impl Watch {
    /// Takes a trap or an edge finding: what a device says once, for a while.
    pub(in crate::engine) fn event(
        &mut self,
        (site, device): (&SiteId, &DeviceId),
        (event, late): (&Event, bool),
        now: Timestamp,
    ) -> Vec<Finding> {
        self.word_of(site, now);
        let name = device_name(site, device);
        let newest = self.devices.get(&name).map(|device| device.newest);
        if late && newest.is_some_and(|newest| event.at <= newest) {
            return Vec::new();
        }
        match event.kind {
            EventKind::LightLost => self.lit(&name, event, now),
            EventKind::Trap | EventKind::ShotFailed | EventKind::FileRefused => {
                let mut key = format!("{name}/{}", kind_word(event.kind));
                if self.said.len() >= NOTICES && !self.said.contains_key(&key) {
                    let last = self.said.keys().next_back();
                    key = last.cloned().unwrap_or(key);
                }
                self.said.insert(key, now + NOTIFIED);
                self.soonest.forget();
                let change = Change::Began {
                    from: event.at,
                    severity: Severity::Warning,
                    detail: worded(event),
                };
                if self.open.contains_key(&said_key(&name)) {
                    return Vec::new();
                }
                let news = News {
                    device: name,
                    point: None,
                    kind: AnomalyKind::Alarm,
                    change,
                    because: None,
                };
                let whose = (site.clone(), Some(device.clone()));
                self.finding(news, whose, now).into_iter().collect()
            }
            EventKind::LightBack
            | EventKind::ShotStarted
            | EventKind::PermitSet
            | EventKind::PermitEnded
            | EventKind::ShotBlocked
            | EventKind::Located
            | EventKind::Unknown => Vec::new(),
        }
    }

    /// The edge saw light go: it is dark before the next poll says so.
    fn lit(&mut self, name: &str, event: &Event, now: Timestamp) -> Vec<Finding> {
        let Some(point) = event.point.as_ref() else {
            return Vec::new();
        };
        let device = self.devices.get_mut(name);
        let known = device.and_then(|device| device.points.get_mut(point));
        let Some(known) = known.filter(|known| known.dark.at() <= event.at) else {
            return Vec::new();
        };
        known.told = event.at;
        let changes = known.lose((event.at, "no light, seen by the agent".to_owned()), now);
        let news = changes.into_iter().map(|(kind, change)| News {
            device: name.to_owned(),
            point: Some(point.clone()),
            kind,
            change,
            because: None,
        });
        self.findings(news.collect(), now)
    }

    /// What was said once and not again is over.
    pub(super) fn forget_said(&mut self, now: Timestamp) -> Vec<Finding> {
        self.said.retain(|_, until| *until > now);
        let lasts = |device: &str| {
            self.said
                .keys()
                .any(|key| key.starts_with(&format!("{device}/")))
        };
        let over: Vec<Finding> = self
            .open
            .iter()
            .filter(|(key, f)| **key == said_key(&f.anomaly.device) && !lasts(&f.anomaly.device))
            .map(|(_, finding)| finding.clone())
            .collect();
        let ended = over.into_iter().filter_map(|finding| {
            let news = News {
                device: finding.anomaly.device,
                point: None,
                kind: AnomalyKind::Alarm,
                change: Change::Ended { to: now },
                because: None,
            };
            self.finding(news, (finding.site, finding.device), now)
        });
        ended.collect()
    }
}

/// The key of what a device says of itself.
fn said_key(device: &str) -> String {
    format!("{device}//{}", AnomalyKind::Alarm.word())
}

const fn kind_word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Trap => "trap",
        EventKind::ShotFailed => "shot",
        EventKind::FileRefused => "file",
        _ => "event",
    }
}

fn worded(event: &Event) -> String {
    let what = match event.kind {
        EventKind::ShotFailed => "a shot could not be had",
        EventKind::FileRefused => "a file could not be taken in",
        _ => "the device says",
    };
    let detail: String = event.detail.chars().take(200).collect();
    if detail.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {detail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::sample::{Reading, Sample};

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn event(kind: EventKind, at: i64) -> Event {
        Event {
            at: second(at),
            kind,
            point: Some("in_power.1".parse().unwrap()),
            detail: "link down".into(),
            permit: None,
            place: None,
        }
    }

    fn lit() -> (Watch, SiteId, DeviceId) {
        let mut watch = Watch::new("dsw".parse().unwrap());
        let (site, device) = ("s1".parse().unwrap(), "e".parse().unwrap());
        let readings = [("in_power.1".parse().unwrap(), Reading::Value(-17.0))].into();
        let sample = Sample {
            at: second(1),
            readings,
        };
        watch.sample((&site, &device), (&sample, false), second(1));
        (watch, site, device)
    }

    #[test]
    fn the_edge_knows_of_lost_light_before_the_next_poll() {
        let (mut watch, site, device) = lit();
        let lost = event(EventKind::LightLost, 2);
        let found = watch.event((&site, &device), (&lost, false), second(2));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].anomaly.kind, AnomalyKind::Dark);
        let again = watch.event((&site, &device), (&lost, false), second(2));
        assert!(again.is_empty(), "{again:?}");
        let (mut watch, ..) = lit();
        let old = event(EventKind::LightLost, 0);
        let found = watch.event((&site, &device), (&old, true), second(3));
        assert!(found.is_empty(), "a backlog that newer samples contradict");
    }

    #[test]
    fn a_trap_is_an_alarm_for_a_while() {
        let (mut watch, site, device) = lit();
        let trap = event(EventKind::Trap, 2);
        let found = watch.event((&site, &device), (&trap, false), second(2));
        assert_eq!(found[0].anomaly.detail, "the device says: link down");
        assert!(
            watch
                .event((&site, &device), (&trap, false), second(500))
                .is_empty()
        );
        assert_eq!(watch.deadline(), Some(second(1400)));
        assert!(watch.expire(second(902)).is_empty(), "it was said again");
        let over = watch.expire(second(1400));
        assert_eq!(over[0].anomaly.to, Some(second(1400)));
    }

    #[test]
    fn a_storm_of_traps_is_bounded() {
        let mut watch = Watch::new("dsw".parse().unwrap());
        let site: SiteId = "s1".parse().unwrap();
        for k in 0..3 * NOTICES {
            let device = format!("d{k}").parse().unwrap();
            let trap = event(EventKind::Trap, 2);
            watch.event((&site, &device), (&trap, false), second(2));
        }
        assert!(watch.said.len() <= NOTICES);
        assert!(watch.open.len() <= 3 * NOTICES);
        assert!(!watch.expire(second(5000)).is_empty());
        assert!(watch.open.is_empty());
    }
}
