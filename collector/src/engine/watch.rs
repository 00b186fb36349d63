//! The detectors of every device on a line.
//!
//! What came late, from a backlog, moves a detector only where nothing newer of the device is
//! known; what came live is always the newest, whatever its clock says.

mod point;

use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use silkline_analysis::series::silent::Silent;
use silkline_analysis::series::{Anomaly, AnomalyKind, Change, Severity, device_name};
use silkline_protocol::device::{About, Limits, Role};
use silkline_protocol::id::{AgentId, DeviceId, LineId, PointName, SiteId};
use silkline_protocol::plant::{End, Line};
use silkline_protocol::sample::Sample;
use silkline_protocol::time::Timestamp;

pub(super) use self::point::Point;
use self::point::{around, described};

/// A device that tells no poll interval is expected this often.
const POLL: Duration = Duration::from_secs(10);

/// Devices that fell silent together were last heard of within a poll and so much more.
const ALIKE: Duration = Duration::from_millis(500);

/// All devices of a line that were ever heard of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    line: LineId,
    devices: BTreeMap<String, Watched>,
    /// Agents by `site.agent`: whether they are there.
    agents: BTreeMap<String, AgentWatch>,
    /// Anomalies that last, by device, point and kind.
    open: BTreeMap<String, Finding>,
    /// Feed voltages that are normal at a site, by the plant file.
    #[serde(skip)]
    feed: BTreeMap<SiteId, Limits>,
}

/// What the devices beside a silent one do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// There are none.
    None,
    /// At least one has answered since.
    Answers,
    /// All are silent too.
    Silent,
    /// None has answered, not all have had the time to.
    Unknown,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watched {
    site: SiteId,
    device: DeviceId,
    about: Option<About>,
    silent: Silent,
    newest: Timestamp,
    points: BTreeMap<PointName, Point>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AgentWatch {
    site: SiteId,
    online: bool,
}

/// An anomaly and what the incidents need to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) anomaly: Anomaly,
    pub(super) site: SiteId,
    pub(super) device: Option<DeviceId>,
    pub(super) role: Option<Role>,
    /// When it was found, by our clock.
    pub(super) found: Timestamp,
}

impl Watch {
    pub(super) const fn new(line: LineId) -> Self {
        Self {
            line,
            devices: BTreeMap::new(),
            agents: BTreeMap::new(),
            open: BTreeMap::new(),
            feed: BTreeMap::new(),
        }
    }

    /// Tells what feed voltages are normal: anew after every start, for the plant file tells it.
    pub(super) fn feed(&mut self, line: &Line) {
        let Some(feed) = &line.feed else { return };
        for (end, volts) in [(&line.a, feed.volts_a), (&line.b, feed.volts_b)] {
            if let End::Site(site) = end {
                self.feed.insert(site.clone(), around(volts));
            }
        }
    }

    /// We were away: nobody was silent for that.
    pub(super) fn excuse(&mut self, now: Timestamp) {
        for device in self.devices.values_mut() {
            device.silent.excuse(now);
        }
    }

    pub(super) fn about(&mut self, at: (&SiteId, &DeviceId), about: About, now: Timestamp) {
        let feed = self.feed.get(at.0).copied();
        let device = self.device(at, now);
        let poll = Duration::from_millis(about.poll_ms.max(1));
        let heard = device.silent.heard();
        if !device.silent.is_silent() {
            device.silent = Silent::new(poll, heard.max(now));
        }
        for (name, point) in &mut device.points {
            let (role, limits) = described(Some(&about), name, feed);
            point.role = role;
            point.limit.set(limits);
        }
        device.about = Some(about);
    }

    pub(super) fn sample(
        &mut self,
        at: (&SiteId, &DeviceId),
        (sample, late): (&Sample, bool),
        now: Timestamp,
    ) -> Vec<Finding> {
        let feed = self.feed.get(at.0).copied();
        let device = self.device(at, now);
        if late && sample.at <= device.newest {
            return Vec::new();
        }
        device.newest = sample.at;
        let mut changes: Vec<(Option<PointName>, AnomalyKind, Change)> = Vec::new();
        if !late {
            let answered = sample.readings.values().any(|reading| reading.is_good());
            let back = answered.then(|| device.silent.seen(now)).flatten();
            changes.extend(back.map(|change| (None, AnomalyKind::Silent, change)));
        }
        for (name, reading) in &sample.readings {
            let about = device.about.as_ref();
            let fresh = || Point::new(described(about, name, feed));
            if !device.points.contains_key(name) {
                device.points.insert(name.clone(), fresh());
            }
            let Some(point) = device.points.get_mut(name) else {
                continue;
            };
            for (kind, change) in point.reading(*reading, sample.at, now) {
                changes.push((Some(name.clone()), kind, change));
            }
        }
        self.findings(at, changes, now)
    }

    pub(super) fn agent(
        &mut self,
        (site, agent): (&SiteId, &AgentId),
        online: bool,
        now: Timestamp,
    ) -> Option<Finding> {
        let name = format!("{site}.{agent}");
        let known = AgentWatch {
            site: site.clone(),
            online,
        };
        let before = self.agents.insert(name.clone(), known);
        if before.is_none_or(|before| before.online) == online {
            return None;
        }
        let change = if online {
            Change::Ended { to: now }
        } else {
            let detail = "the agent is gone".to_owned();
            Change::Began {
                from: now,
                severity: Severity::Minor,
                detail,
            }
        };
        let what = (name, None, AnomalyKind::Offline);
        self.finding(what, (site.clone(), None, None), change, now)
    }

    /// Whether no agent at a site is there, though there were some.
    pub(super) fn is_offline(&self, site: &SiteId) -> bool {
        let mut agents = self
            .agents
            .values()
            .filter(|agent| agent.site == *site)
            .peekable();
        agents.peek().is_some() && agents.all(|agent| !agent.online)
    }

    /// What the other devices at the site of a silent one do since then.
    pub(super) fn company(&self, finding: &Finding) -> Company {
        let own = self.devices.get(&finding.anomaly.device);
        let poll = own.map_or(POLL, Watched::poll);
        let since = finding.anomaly.from + poll + ALIKE;
        let mut others = self
            .devices
            .values()
            .filter(|d| d.site == finding.site && Some(&d.device) != finding.device.as_ref())
            .peekable();
        if others.peek().is_none() {
            return Company::None;
        }
        let (mut answered, mut silent) = (false, true);
        for other in others {
            answered |= other.silent.heard() > since;
            silent &= other.silent.is_silent();
        }
        match (answered, silent) {
            (true, _) => Company::Answers,
            (false, true) => Company::Silent,
            (false, false) => Company::Unknown,
        }
    }

    /// Volts and amperes of power feeding at a site, where they are known.
    pub(super) fn feeding(&self, site: &SiteId) -> (Option<f64>, Option<f64>) {
        let here = self.devices.values().filter(|device| device.site == *site);
        let points = here.flat_map(|device| device.points.values());
        let newest = |role: Role| {
            let fits = points
                .clone()
                .filter(|p| p.role == role)
                .max_by_key(|p| p.heard)?;
            fits.last.map(|value| value as f64 / 1000.0)
        };
        (newest(Role::FeedVoltage), newest(Role::FeedCurrent))
    }

    /// Whether a device has a point of one of these roles.
    pub(super) fn measures(&self, device: &str, roles: &[Role]) -> bool {
        let points = self
            .devices
            .get(device)
            .map(|device| device.points.values());
        points
            .into_iter()
            .flatten()
            .any(|point| roles.contains(&point.role))
    }

    /// Whether every device at a site is silent.
    pub(super) fn is_silent(&self, site: &SiteId) -> bool {
        let mut here = self
            .devices
            .values()
            .filter(|device| device.site == *site)
            .peekable();
        here.peek().is_some() && here.all(|device| device.silent.is_silent())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Watched> {
        self.devices.get(name)
    }

    /// The lasting anomalies among `ids`.
    pub(super) fn lasting(&self, ids: &[String]) -> Vec<Finding> {
        self.open
            .values()
            .filter(|finding| ids.contains(&finding.anomaly.id))
            .cloned()
            .collect()
    }

    /// When somebody will be silent.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.devices
            .values()
            .filter_map(|device| device.silent.deadline())
            .min()
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Finding> {
        let mut silent = Vec::new();
        for device in self.devices.values_mut() {
            let change = device.silent.expire(now);
            silent.extend(change.map(|c| (device.site.clone(), device.device.clone(), c)));
        }
        let found = silent.into_iter().filter_map(|(site, device, change)| {
            let what = (device_name(&site, &device), None, AnomalyKind::Silent);
            self.finding(what, (site, Some(device), None), change, now)
        });
        found.collect()
    }

    fn device(&mut self, (site, device): (&SiteId, &DeviceId), now: Timestamp) -> &mut Watched {
        let fresh = || Watched {
            site: site.clone(),
            device: device.clone(),
            about: None,
            silent: Silent::new(POLL, now),
            newest: Timestamp::EPOCH,
            points: BTreeMap::new(),
        };
        self.devices
            .entry(device_name(site, device))
            .or_insert_with(fresh)
    }

    fn findings(
        &mut self,
        (site, device): (&SiteId, &DeviceId),
        changes: Vec<(Option<PointName>, AnomalyKind, Change)>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let name = device_name(site, device);
        let found = changes.into_iter().filter_map(|(point, kind, change)| {
            let points = self.devices.get(&name).map(|device| &device.points);
            let role = point.as_ref().and_then(|p| points?.get(p)).map(|p| p.role);
            let whose = (site.clone(), Some(device.clone()), role);
            self.finding((name.clone(), point, kind), whose, change, now)
        });
        found.collect()
    }

    /// The finding that a change makes: a new one, or the new state of one that lasts.
    fn finding(
        &mut self,
        (device, point, kind): (String, Option<PointName>, AnomalyKind),
        (site, id, role): (SiteId, Option<DeviceId>, Option<Role>),
        change: Change,
        now: Timestamp,
    ) -> Option<Finding> {
        let place = point.as_ref().map_or("", PointName::as_str);
        let key = format!("{device}/{place}/{}", kind.word());
        match change {
            Change::Began {
                from,
                severity,
                detail,
            } => {
                let anomaly = Anomaly {
                    id: format!("{key}/{}", from.nanos()),
                    line: self.line.clone(),
                    device,
                    point,
                    kind,
                    from,
                    to: None,
                    raised: now,
                    severity,
                    detail,
                };
                let finding = Finding {
                    anomaly,
                    site,
                    device: id,
                    role,
                    found: now,
                };
                self.open.insert(key, finding.clone());
                Some(finding)
            }
            Change::Worse { severity, detail } => {
                let finding = self.open.get_mut(&key)?;
                finding.anomaly.severity = severity;
                finding.anomaly.detail = detail;
                Some(finding.clone())
            }
            Change::Ended { to } => {
                let mut finding = self.open.remove(&key)?;
                finding.anomaly.to = Some(to);
                Some(finding)
            }
        }
    }
}

impl Watched {
    pub(super) fn points(&self) -> &BTreeMap<PointName, Point> {
        &self.points
    }

    pub(super) const fn is_silent(&self) -> bool {
        self.silent.is_silent()
    }

    /// How often the device is polled.
    pub(super) fn poll(&self) -> Duration {
        self.about
            .as_ref()
            .map_or(Duration::from_secs(1), |a| Duration::from_millis(a.poll_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::sample::Reading;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn site() -> SiteId {
        "s1".parse().unwrap()
    }

    fn sample(seconds: i64, reading: Reading) -> Sample {
        let point = "in_power.1".parse().unwrap();
        Sample {
            at: second(seconds),
            readings: [(point, reading)].into(),
        }
    }

    fn watch() -> Watch {
        Watch::new("dsw".parse().unwrap())
    }

    fn take(watch: &mut Watch, device: &str, at: i64, (reading, late): (Reading, bool)) -> usize {
        let device: DeviceId = device.parse().unwrap();
        let found = watch.sample(
            (&site(), &device),
            (&sample(at, reading), late),
            second(100 + at),
        );
        found.len()
    }

    #[test]
    fn a_backlog_moves_nothing_that_is_known_newer() {
        let mut watch = watch();
        assert_eq!(take(&mut watch, "e", 10, (Reading::Value(-17.0), false)), 0);
        assert_eq!(take(&mut watch, "e", 5, (Reading::Dark, true)), 0);
        assert_eq!(
            take(&mut watch, "e", 12, (Reading::Dark, true)),
            1,
            "newer than all known"
        );
        assert_eq!(
            take(&mut watch, "e", 3, (Reading::Value(-17.0), false)),
            1,
            "live is newest"
        );
    }

    #[test]
    fn an_anomaly_keeps_its_name_from_beginning_to_end() {
        let mut watch = watch();
        let device: DeviceId = "e".parse().unwrap();
        let mut see = |at, reading| {
            watch.sample(
                (&site(), &device),
                (&sample(at, reading), false),
                second(at),
            )
        };
        let began = see(1, Reading::Dark).remove(0).anomaly;
        let ended = see(9, Reading::Value(-17.0)).remove(0).anomaly;
        assert_eq!((&began.id, began.to), (&ended.id, None));
        assert_eq!((ended.from, ended.to), (second(1), Some(second(9))));
        assert_eq!(ended.device, "s1.e");
    }

    #[test]
    fn a_device_that_answers_nothing_is_silent() {
        let mut watch = watch();
        let bad = Reading::Bad(silkline_protocol::sample::BadReading::Timeout);
        take(&mut watch, "e", 0, (Reading::Value(-17.0), false));
        let due = watch.deadline().unwrap();
        take(&mut watch, "e", 1, (bad, false));
        assert_eq!(watch.deadline(), Some(due));
        assert_eq!(watch.expire(due).len(), 1);
        assert!(watch.is_silent(&site()));
    }

    #[test]
    fn company_tells_a_device_from_a_site() {
        let mut watch = watch();
        for device in ["e", "b"] {
            take(&mut watch, device, 0, (Reading::Value(-17.0), false));
        }
        take(&mut watch, "b", 25, (Reading::Value(-17.0), false));
        let found = watch.expire(second(130));
        assert_eq!(
            (found.len(), watch.company(&found[0])),
            (1, Company::Answers)
        );
        let found = watch.expire(second(160));
        assert_eq!(
            (found.len(), watch.company(&found[0])),
            (1, Company::Silent)
        );
    }

    #[test]
    fn an_agent_comes_and_goes_once() {
        let mut watch = watch();
        let agent: AgentId = "main".parse().unwrap();
        assert!(watch.agent((&site(), &agent), true, second(1)).is_none());
        assert!(!watch.is_offline(&site()));
        assert!(watch.agent((&site(), &agent), false, second(2)).is_some());
        assert!(watch.agent((&site(), &agent), false, second(3)).is_none());
        assert!(watch.is_offline(&site()));
        let back = watch.agent((&site(), &agent), true, second(4)).unwrap();
        assert_eq!(back.anomaly.to, Some(second(4)));
    }
}
