//! The detectors of every device on a line.
//!
//! What came late, from a backlog, moves a detector only where nothing newer of the device is
//! known; what came live is always the newest, whatever its clock says.
//!
//! ```text
//!   sample ──► receivers ──► far (who lives on whose light) ──► points ──► relations, spans
//! ```

mod agents;
mod device;
mod far;
mod guide;
mod point;
mod points;
mod ports;
mod roster;
mod said;
mod sample;
mod soonest;
mod tune;

use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use silkline_analysis::series::relation::Span;
use silkline_analysis::series::{Anomaly, AnomalyKind, Change, Severity, device_name};
use silkline_protocol::device::{About, Role};
use silkline_protocol::id::{AgentId, DeviceId, LineId, PointName, SiteId};
use silkline_protocol::time::Timestamp;

use self::agents::Agents;
pub(super) use self::agents::Stands;
pub(super) use self::device::Watched;
use self::far::Far;
pub(super) use self::guide::{Guide, port_key};
pub(super) use self::point::Point;
use self::ports::Ports;
use self::roster::Roster;
use self::soonest::Soonest;

/// A device that tells no poll interval is expected this often by those beside it.
const POLL: Duration = Duration::from_secs(10);

/// A connection that is dead is noticed within this time: one and a half of an agent's keep-alives
/// of fifteen seconds, and as many of one whose link is slow.
const CONNECTED: Duration = Duration::from_secs(60);

/// How long a device is held that may be only held up, before it is asked again whether it is.
const HOLD: Duration = Duration::from_secs(1);

/// Samples that are held up are waited for no longer than this, whatever else comes.
const HELD_UP: Duration = Duration::from_secs(300);

/// Devices that fell silent together were last heard of within a poll and so much more.
const ALIKE: Duration = Duration::from_millis(500);

/// The point under whose name an agent's disk is told of.
const SPOOL: &str = "spool";

/// What is kept of the words in which an agent tells of its disk.
const FAULT_CHARS: usize = 200;

/// A reading is of now for so many polls.
const FRESH: u32 = 2;

/// All devices of a line that were ever heard of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    line: LineId,
    devices: Roster,
    /// Agents by `site.agent`: whether they are there.
    agents: Agents,
    /// Anomalies that last, by device, point and kind.
    open: BTreeMap<String, Finding>,
    far: Far,
    /// Spans as both ends see them, by sender and receiver.
    spans: BTreeMap<String, Span>,
    /// What devices said of themselves, and until when it counts.
    said: BTreeMap<String, Timestamp>,
    /// When anything but a live sample last came from a site.
    #[serde(default)]
    words: BTreeMap<SiteId, Timestamp>,
    /// What the plant and the settings tell.
    #[serde(skip)]
    guide: Guide,
    #[serde(skip)]
    soonest: Soonest,
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

/// An anomaly and what the incidents need to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) anomaly: Anomaly,
    pub(super) site: SiteId,
    pub(super) device: Option<DeviceId>,
    pub(super) role: Option<Role>,
    /// When it was found, by our clock.
    pub(super) found: Timestamp,
    /// The light input that it follows from, `site.device/point`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) because: Option<String>,
}

/// A change and what it is about.
struct News {
    device: String,
    point: Option<PointName>,
    kind: AnomalyKind,
    change: Change,
    because: Option<String>,
}

impl Watch {
    pub(super) fn new(line: LineId) -> Self {
        Self {
            line,
            devices: Roster::default(),
            agents: Agents::default(),
            open: BTreeMap::new(),
            far: Far::default(),
            spans: BTreeMap::new(),
            said: BTreeMap::new(),
            words: BTreeMap::new(),
            guide: Guide::default(),
            soonest: Soonest::default(),
        }
    }

    /// Tells what the plant and the settings say: anew after every start.
    pub(super) fn guided(&mut self, guide: Guide) {
        self.devices.each_mut(|name, device| {
            device.tune(name, &guide);
            device.ports = Ports::default();
        });
        self.guide = guide;
    }

    /// We were away: nobody was silent for that.
    pub(super) fn excuse(&mut self, now: Timestamp) {
        self.devices.each_mut(|_, device| device.silent.excuse(now));
        self.soonest.forget();
    }

    pub(super) fn about(&mut self, at: (&SiteId, &DeviceId), about: About, now: Timestamp) {
        let name = device_name(at.0, at.1);
        let number = self.devices.meet(&name, || Watched::new(at.0, at.1, now));
        let Some(device) = self.devices.nth_mut(number) else {
            return;
        };
        device.describe(about, now);
        self.soonest.moved(device.silent.deadline());
        if device.tune(&name, &self.guide) {
            self.pair(number);
        }
    }

    /// An agent came, went, or has another link.
    pub(super) fn agent(
        &mut self,
        (site, agent): (&SiteId, &AgentId),
        stands: Stands,
        now: Timestamp,
    ) -> Vec<Finding> {
        let name = format!("{site}.{agent}");
        let before = self.agents.take(&name, site, stands);
        self.soonest.forget();
        let mut found = Vec::new();
        if before.is_some_and(Stands::is_thin) != stands.is_thin() {
            found = self.excuse_site(site, now);
        }
        if before.is_none_or(|before| before.online) != stands.online {
            found.extend(self.came_or_went((site, name), stands.online, now));
        }
        found
    }

    /// The disk of an agent takes nothing, or takes records again.
    pub(super) fn spool(
        &mut self,
        (site, agent): (&SiteId, &AgentId),
        fault: Option<&str>,
        now: Timestamp,
    ) -> Option<Finding> {
        let (device, point) = (format!("{site}.{agent}"), SPOOL.parse().ok());
        let kind = AnomalyKind::Alarm;
        let known = self.open.get(&format!("{device}/{SPOOL}/{}", kind.word()));
        let change = match (fault, known) {
            (None, _) => Change::Ended { to: now },
            (Some(fault), known) => {
                let severity = Severity::Minor;
                let fault: String = fault.chars().take(FAULT_CHARS).collect();
                let detail = format!("the agent's disk takes nothing: {fault}");
                match known.map(|known| &known.anomaly.detail) {
                    Some(said) if *said == detail => return None,
                    Some(_) => Change::Worse { severity, detail },
                    None => Change::Began {
                        from: now,
                        severity,
                        detail,
                    },
                }
            }
        };
        let news = News {
            device,
            point,
            kind,
            change,
            because: None,
        };
        self.finding(news, (site.clone(), None), now)
    }

    /// The devices of a site are waited for anew, and none of them is silent.
    fn excuse_site(&mut self, site: &SiteId, now: Timestamp) -> Vec<Finding> {
        let mut back = Vec::new();
        self.devices.each_mut(|_, device| {
            if device.site == *site {
                let change = device.silent.seen(now);
                back.extend(change.map(|c| (device.site.clone(), device.device.clone(), c)));
            }
        });
        self.silences(back, now)
    }

    fn came_or_went(
        &mut self,
        (site, name): (&SiteId, String),
        online: bool,
        now: Timestamp,
    ) -> Option<Finding> {
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
        let news = News {
            device: name,
            point: None,
            kind: AnomalyKind::Offline,
            change,
            because: None,
        };
        self.finding(news, (site.clone(), None), now)
    }

    /// What is raised among `ids` is as it is meant to be from now on.
    pub(super) fn accept(&mut self, ids: &[String], now: Timestamp) -> Vec<Finding> {
        let wanted: Vec<(String, PointName)> = self
            .open
            .values()
            .filter(|finding| ids.contains(&finding.anomaly.id))
            .filter_map(|f| Some((f.anomaly.device.clone(), f.anomaly.point.clone()?)))
            .collect();
        let mut news = Vec::new();
        for (device, point) in wanted {
            let port = port_key(&device, point.index().unwrap_or(""));
            for (key, span) in &mut self.spans {
                let ours = key.ends_with(&format!(">{port}"));
                let change = ours.then(|| span.accept(now)).flatten();
                let kind = AnomalyKind::Relation;
                news.extend(change.map(|change| News {
                    device: device.clone(),
                    point: Some(point.clone()),
                    kind,
                    change,
                    because: None,
                }));
            }
            let known = self.devices.get_mut(&device);
            let Some(known) = known.and_then(|d| d.points.get_mut(&point)) else {
                continue;
            };
            news.extend(known.accept(now).into_iter().map(|(kind, change)| News {
                device: device.clone(),
                point: Some(point.clone()),
                kind,
                change,
                because: None,
            }));
        }
        self.findings(news, now)
    }

    /// Whether no agent at a site is there, though there were some.
    pub(super) fn is_offline(&self, site: &SiteId) -> bool {
        self.agents.is_offline(site)
    }

    /// Something else than a live sample came from a site: its agent lives.
    pub(super) fn word_of(&mut self, site: &SiteId, now: Timestamp) {
        self.words.insert(site.clone(), now);
    }

    /// What the other devices at the site of a silent one do since then.
    pub(super) fn company(&self, finding: &Finding) -> Company {
        let own = self.devices.get(&finding.anomaly.device);
        let poll = own.map_or(POLL, Watched::poll);
        // By the agent's own clock: what is held up on its way comes in its order.
        let last = own.map_or(Timestamp::EPOCH, |device| device.answered);
        let since = last + poll + ALIKE;
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
            answered |= other.answered > since;
            silent &= other.silent.is_silent();
        }
        match (answered, silent) {
            (true, _) => Company::Answers,
            (false, true) => Company::Silent,
            (false, false) => Company::Unknown,
        }
    }

    /// Volts and amperes of power feeding at a site, where they are known now: what equipment that
    /// does not answer any more said last is the past.
    pub(super) fn feeding(&self, site: &SiteId, now: Timestamp) -> (Option<f64>, Option<f64>) {
        let here = self.devices.values();
        let here = here.filter(|device| device.site == *site && !device.is_silent());
        let points = here.flat_map(|device| {
            let fresh = device.poll() * FRESH + ALIKE;
            let points = device.points.values();
            points.filter(move |point| now - point.heard <= fresh)
        });
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

    /// Every anomaly that lasts.
    pub(super) fn standing(&self) -> Vec<Finding> {
        self.open.values().cloned().collect()
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
        let thin = self.agents.thin();
        self.devices
            .values()
            .filter(|device| !thin.contains(&&device.site))
            .filter_map(|device| device.silent.deadline())
            .chain(self.said.values().copied())
            .min()
    }

    /// The first moment up to `now` at which somebody falls silent.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.soonest.is_after(now) {
            return None;
        }
        let first = self.deadline();
        self.soonest.is(first);
        first.filter(|due| *due <= now)
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Finding> {
        self.hold(now);
        let thin = self.agents.thin();
        let mut silent = Vec::new();
        self.devices.each_mut(|_, device| {
            if !thin.contains(&&device.site) {
                let change = device.silent.expire(now);
                silent.extend(change.map(|c| (device.site.clone(), device.device.clone(), c)));
            }
        });
        let mut found = self.silences(silent, now);
        found.extend(self.forget_said(now));
        found
    }

    /// Gives time to devices that are due to be silent, whose samples may only be held up on their
    /// way: their agent is connected, or tells other things, no device beside them has
    /// answered later than they have, and nobody says that they were asked in vain.
    fn hold(&mut self, now: Timestamp) {
        let due = |device: &&Watched| device.silent.deadline().is_some_and(|due| due <= now);
        let mut held = Vec::new();
        for device in self.devices.values().filter(due) {
            let (site, heard) = (&device.site, device.silent.heard());
            let waited = now - heard >= HELD_UP || device.silent.was_asked();
            if waited || !self.agents.is_online(site) {
                continue;
            }
            let here = || self.devices.values().filter(|other| other.site == *site);
            let since = device.answered + device.poll() + ALIKE;
            let answers = here().any(|other| other.answered > since);
            let word = self.words.get(site).copied();
            let last = here().map(|other| other.silent.heard()).chain(word).max();
            if !answers && last.is_some_and(|last| now < last + CONNECTED) {
                held.push((site.clone(), device.device.clone()));
            }
        }
        for (site, device) in held {
            if let Some(device) = self.devices.get_mut(&device_name(&site, &device)) {
                device.silent.hold(now + HOLD);
            }
        }
    }

    /// What the silences of devices that began or ended make.
    fn silences(
        &mut self,
        changes: Vec<(SiteId, DeviceId, Change)>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for (site, device, change) in changes {
            let news = News {
                device: device_name(&site, &device),
                point: None,
                kind: AnomalyKind::Silent,
                change,
                because: None,
            };
            found.extend(self.finding(news, (site, Some(device)), now));
        }
        found
    }

    /// Whether a port's signal fell without its supervisory light.
    pub(super) fn is_apart(&self, device: &str, index: &str) -> bool {
        let known = self.devices.get(device);
        known.is_some_and(|device| device.is_apart(index))
    }

    /// Whether the plant says nothing of a device's ports.
    pub(super) fn is_unplaced(&self, device: &str) -> bool {
        self.guide.is_unplaced(device)
    }

    fn findings(&mut self, news: Vec<News>, now: Timestamp) -> Vec<Finding> {
        let mut found = Vec::new();
        for news in news {
            let Some(device) = self.devices.get(&news.device) else {
                continue;
            };
            let whose = (device.site.clone(), Some(device.device.clone()));
            found.extend(self.finding(news, whose, now));
        }
        found
    }

    /// The finding that a change makes: a new one, or the new state of one that lasts.
    fn finding(
        &mut self,
        news: News,
        (site, id): (SiteId, Option<DeviceId>),
        now: Timestamp,
    ) -> Option<Finding> {
        let place = news.point.as_ref().map_or("", PointName::as_str);
        let key = format!("{}/{place}/{}", news.device, news.kind.word());
        let role = self.role(&news);
        match news.change {
            Change::Began {
                from,
                severity,
                detail,
            } => {
                let anomaly = Anomaly {
                    id: format!("{key}/{}", from.nanos()),
                    line: self.line.clone(),
                    device: news.device,
                    point: news.point,
                    kind: news.kind,
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
                    because: news.because,
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

    fn role(&self, news: &News) -> Option<Role> {
        let point = news.point.as_ref()?;
        let role = self.devices.get(&news.device)?.points.get(point)?.role;
        Some(match (news.kind, role) {
            // What both ends of a span say is told under the name of the input.
            (AnomalyKind::Relation, Role::LightIn) => Role::SpanLoss,
            (_, role) => role,
        })
    }
}

#[cfg(test)]
mod tests;
