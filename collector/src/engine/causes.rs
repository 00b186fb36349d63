//! One incident for each cause.
//!
//! A claim of lost light opens an incident and draws in everything that follows from it: both
//! directions, all paths, amplifiers further on, alarms of the devices themselves, agents whose
//! uplink ran over the fibre. A finding that nothing explains within a grace becomes an incident
//! of its own, together with those that share its [`Key`].

mod cause;
mod guard;
mod key;
mod life;
mod located;

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_analysis::incident::{Incident, Kind, State, Step};
use silkline_analysis::place::{Evidence, FeedMode, Finding as Says, Place};
use silkline_analysis::series::{AnomalyKind, Severity};
use silkline_analysis::span::Verdict;
use silkline_protocol::device::Role;
use silkline_protocol::id::SiteId;
use silkline_protocol::plant::{Line, Plant};
use silkline_protocol::time::Timestamp;

use self::cause::{Cause, Lost, News};
pub(super) use self::key::{Key, Light};
use self::key::{follows_light, is_fading};
use super::exchange::Reason;
use super::light::{Claim, LostLight, Runs};
use super::origin::Origin;
use super::permits::Permits;
use super::settings::EngineSettings;
use super::views::Views;
use super::watch::{Company, Finding, Watch};
use super::words;

/// How long and how often a silent device is held back until those beside it have answered or
/// not: most are polled every ten seconds, and six polls are silence.
const PATIENCE: Duration = Duration::from_secs(70);
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Meters that are polled slowly see one cause within so many of their polls: three in a row make
/// most findings, and they are not polled at one moment.
const POLLS: u32 = 5;

/// The silkline itself in an incident's history.
const SELF: &str = "silkline";

/// Every cause of a line, and the findings that wait for one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Causes {
    causes: Vec<Cause>,
    waiting: Vec<Waiting>,
    serial: u64,
}

/// A finding that something may yet explain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Waiting {
    finding: Finding,
    due: Timestamp,
}

/// What the causes look at.
pub(super) struct Scene<'a> {
    pub(super) plant: &'a Plant,
    pub(super) line: &'a Line,
    pub(super) settings: &'a EngineSettings,
    pub(super) runs: &'a Runs,
    pub(super) watch: &'a Watch,
    pub(super) views: &'a Views,
    pub(super) permits: &'a Permits,
    pub(super) now: Timestamp,
}

impl Causes {
    /// Takes what the detectors found.
    pub(super) fn find(&mut self, scene: &Scene<'_>, findings: Vec<Finding>) {
        for finding in findings {
            if finding.anomaly.to.is_some() || self.knows(&finding) {
                self.renew(scene, &finding);
            } else if let Some(k) = self.reason_for(scene, &finding) {
                self.join(k, scene, &finding);
            } else {
                let due = scene.now + scene.settings.grace;
                self.waiting.push(Waiting { finding, due });
            }
        }
    }

    /// Takes the claims as they stand.
    pub(super) fn claim(&mut self, scene: &Scene<'_>, claims: Vec<Claim>) {
        let held: Vec<_> = claims.iter().map(|claim| (claim.low, claim.high)).collect();
        for claim in claims.into_iter().filter(|claim| claim.ready) {
            let Some(key) = key_of(scene.line, &claim) else {
                continue;
            };
            if self
                .causes
                .iter()
                .any(|cause| cause.is_dismissed(scene.line, &claim))
            {
                continue;
            }
            let known = self.cause_of_claim(scene, &claim, &key);
            let k = match known.or_else(|| self.moved_to(scene, &claim, &held)) {
                Some(k) => k,
                None => self.open(scene, key.clone()),
            };
            self.press(k, scene, key, claim);
        }
        self.adopt(scene);
    }

    /// Lets time do its work: what waits becomes a cause, what is over is cleared and closed.
    pub(super) fn expire(&mut self, scene: &Scene<'_>) {
        self.adopt(scene);
        let (due, waiting): (Vec<Waiting>, Vec<Waiting>) = core::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|w| w.due <= scene.now);
        self.waiting = waiting;
        for Waiting { finding, .. } in due {
            if is_undecided(scene, &finding) {
                let due = scene.now + ASK_AGAIN;
                self.waiting.push(Waiting { finding, due });
                continue;
            }
            if !words::is_home(scene, &finding.site, finding.device.as_ref()) {
                continue;
            }
            if let Some(k) = self.reason_for(scene, &finding) {
                self.join(k, scene, &finding);
                continue;
            }
            let key = standing_for(scene, &finding);
            let k = match self.find_key(scene, &key, Some(&finding)) {
                Some(k) => k,
                None => self.open(scene, key),
            };
            self.join(k, scene, &finding);
        }
        for k in 0..self.causes.len() {
            self.feed_anew(k, scene);
            self.settle(k, scene);
        }
        self.forget();
    }

    /// Places a feeding fault again where another end tells of it than before.
    fn feed_anew(&mut self, k: usize, scene: &Scene<'_>) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        let soon = scene.now - cause.incident.opened < scene.settings.wake;
        if cause.key != Key::Feed || !cause.is_active() || !soon {
            return;
        }
        let end = |evidence: &Evidence| match &evidence.finding {
            Says::Feed(finding) => Some(finding.end),
            _ => None,
        };
        let fresh = words::evidence_of_feed(scene, FeedMode::Shunt);
        let known = cause.incident.evidence.iter().find_map(end);
        if fresh.iter().find_map(end) != known && !fresh.is_empty() {
            let evidence = &mut cause.incident.evidence;
            evidence.retain(|e| end(e).is_none());
            evidence.extend(fresh);
            self.place(k, scene);
        }
    }

    /// When time has work to do.
    pub(super) fn deadline(&self, settings: &EngineSettings) -> Option<Timestamp> {
        let waiting = self.waiting.iter().map(|waiting| waiting.due).min();
        let causes = self
            .causes
            .iter()
            .filter_map(|cause| cause.deadline(settings))
            .min();
        waiting.into_iter().chain(causes).min()
    }

    fn knows(&self, finding: &Finding) -> bool {
        let id = &finding.anomaly.id;
        self.causes
            .iter()
            .any(|c| c.incident.anomalies.iter().any(|a| a.id == *id))
            || self.waiting.iter().any(|w| w.finding.anomaly.id == *id)
    }

    /// A finding that is known has changed or ended.
    fn renew(&mut self, scene: &Scene<'_>, finding: &Finding) {
        let id = &finding.anomaly.id;
        for waiting in &mut self.waiting {
            if waiting.finding.anomaly.id == *id {
                waiting.finding.anomaly = finding.anomaly.clone();
            }
        }
        // What ended before anybody asked why is not worth an incident.
        self.waiting.retain(|w| w.finding.anomaly.to.is_none());
        let holds = |c: &Cause| c.incident.anomalies.iter().any(|a| a.id == *id);
        for k in 0..self.causes.len() {
            if self.causes.get(k).is_some_and(holds) {
                self.join(k, scene, finding);
            }
        }
    }

    /// The standing cause that explains a new finding, if one does at once.
    fn reason_for(&self, scene: &Scene<'_>, finding: &Finding) -> Option<usize> {
        let standing = |c: &Cause| c.is_active() && c.explains(scene, finding);
        self.causes.iter().position(standing)
    }

    /// Findings that wait join causes that explain them now.
    fn adopt(&mut self, scene: &Scene<'_>) {
        for waiting in core::mem::take(&mut self.waiting) {
            match self.reason_for(scene, &waiting.finding) {
                Some(k) => self.join(k, scene, &waiting.finding),
                None => self.waiting.push(waiting),
            }
        }
    }

    fn join(&mut self, k: usize, scene: &Scene<'_>, finding: &Finding) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        if !cause.incident.join(&finding.anomaly) {
            return;
        }
        cause.news.changed = true;
        cause.incident.updated = scene.now;
        let worst = cause.severity(scene);
        if worst > cause.incident.severity {
            cause.incident.severity = worst;
            if cause.news.notice.is_none() && cause.incident.state != State::Suspect {
                cause.news.notice = Some(Reason::Worse);
            }
        }
        let fed = cause::is_of_feeding(scene, finding);
        if cause.key == Key::Feed || (fed && matches!(cause.key, Key::Span(..))) {
            let mode = if fed && cause.key != Key::Feed {
                FeedMode::Cut
            } else {
                FeedMode::Shunt
            };
            let evidence = &mut cause.incident.evidence;
            evidence.retain(|e| !matches!(e.finding, Says::Feed(_)));
            evidence.extend(words::evidence_of_feed(scene, mode));
        }
        let placed_by_light = !cause.lost.is_empty() || cause.incident.evidence.iter().any(is_seen);
        if !placed_by_light {
            self.place(k, scene);
        }
    }

    /// The standing cause that a claim belongs to.
    fn cause_of_claim(&mut self, scene: &Scene<'_>, claim: &Claim, key: &Key) -> Option<usize> {
        let touching = |cause: &Cause| {
            let Some((low, high)) = cause.stretch(scene.line) else {
                return false;
            };
            let same = (low, high) == (claim.low, claim.high);
            let overlap = low < claim.high && claim.low < high;
            // A node and its span, at nearly the same time: one cause that is seen better now.
            let node = low == high || claim.low == claim.high;
            let soon = scene.now - cause.incident.opened < scene.settings.wake;
            let beside = node && soon && low <= claim.high && claim.low <= high;
            let claimed = cause.claimed.as_ref();
            let claimed = claimed.and_then(|key| cause::stretch_of(scene.line, key));
            let said = claimed == Some((claim.low, claim.high));
            cause.is_active() && (same || overlap || beside || said)
        };
        let at_node = |cause: &Cause| {
            let site = node_site(scene.line, claim.low).filter(|_| claim.low == claim.high);
            let supplied = matches!(cause.key, Key::Supply(_) | Key::Agent(_));
            cause.is_active() && supplied && site.is_some() && cause.key.site() == site
        };
        // Where light was getting less it is gone now: a bend that grew to a break.
        let fading = |cause: &Cause| {
            let here = cause.span(scene.line) == Some((claim.low, claim.high));
            let parted = claim.verdict != Verdict::Equipment;
            cause.is_active() && matches!(cause.key, Key::Fade(..)) && here && parted
        };
        let standing = self.causes.iter().position(touching);
        standing
            .or_else(|| self.causes.iter().position(at_node))
            .or_else(|| self.causes.iter().position(fading))
            .or_else(|| self.find_key(scene, key, None))
    }

    /// The cause that turns out to be farther up the light: all that it had lost is missed from
    /// there on, and on its own stretch nothing is, by what is `held` now.
    fn moved_to(&self, scene: &Scene<'_>, claim: &Claim, held: &[(usize, usize)]) -> Option<usize> {
        let upstream = |lost: &Lost| {
            let same =
                |light: &&LostLight| light.path == lost.path && light.direction == lost.direction;
            claim
                .losses
                .iter()
                .any(|light| same(&light) && light.to == lost.from)
        };
        self.causes.iter().position(|cause| {
            let soon = scene.now - cause.incident.opened < scene.settings.wake;
            let stretch = cause.stretch(scene.line);
            let gone = stretch.is_some_and(|stretch| !held.contains(&stretch));
            let seen = cause.incident.evidence.iter().any(is_seen);
            let lost = !cause.lost.is_empty() && cause.lost.iter().all(upstream);
            cause.is_active() && soon && gone && !seen && lost
        })
    }

    /// The active cause with `key`, or a past one that is to be the same again.
    fn find_key(
        &mut self,
        scene: &Scene<'_>,
        key: &Key,
        finding: Option<&Finding>,
    ) -> Option<usize> {
        // Who can tell whether light that nobody can place got worse twice by one cause? It did
        // where the same device says so again, or another one within a few of its polls. And two
        // pumps of a device age together by one cause, years apart by two.
        let device = finding.and_then(|finding| scene.watch.get(&finding.anomaly.device));
        let polls = device.map_or(Duration::ZERO, |device| device.poll() * POLLS);
        let one = |c: &Cause| {
            let soon = scene.now - c.incident.opened < scene.settings.wake.max(polls);
            let here = |f: &Finding| match key {
                Key::Unplaced(_) => c.has_device_of(f),
                _ => c.has_point_of(f),
            };
            let again = finding.is_some_and(here);
            let apart = matches!(key, Key::Unplaced(Light::Worse) | Key::Pumps(..));
            soon || again || !apart
        };
        let active = |c: &Cause| c.key == *key && c.is_active() && one(c);
        if let Some(k) = self.causes.iter().position(active) {
            return Some(k);
        }
        let recent = |c: &Cause| {
            let over = c
                .incident
                .cleared
                .is_some_and(|at| scene.now - at < scene.settings.reopen);
            c.key == *key && c.incident.state == State::Cleared && over
        };
        let k = self.causes.iter().rposition(recent)?;
        let cause = self.causes.get_mut(k)?;
        cause.recur(scene.now);
        Some(k)
    }

    fn open(&mut self, scene: &Scene<'_>, key: Key) -> usize {
        self.serial += 1;
        let place = Place::unknown(scene.line.id.clone(), &scene.plant.revision);
        let fades = matches!(key, Key::Fade(..));
        let light = matches!(key, Key::Span(..) | Key::Node(_));
        let incident = Incident {
            id: words::incident_id(scene, self.serial),
            lines: words::lines_of(scene, key.site()),
            related: Vec::new(),
            cause: String::new(),
            state: State::Suspect,
            severity: Severity::Warning,
            kind: key.kind(),
            opened: scene.now,
            updated: scene.now,
            cleared: None,
            headline: String::new(),
            place,
            evidence: Vec::new(),
            anomalies: Vec::new(),
            affected: Vec::new(),
            permits: Vec::new(),
            found: None,
            history: Vec::new(),
        };
        let mut cause = Cause {
            key,
            incident,
            lost: Vec::new(),
            whole: Vec::new(),
            faded: Vec::new(),
            proven: false,
            turned: None,
            claimed: None,
            followed: 0,
            recurred: (0, scene.now),
            muted: None,
            shelved: None,
            quiet: None,
            told: None,
            news: News {
                changed: true,
                notice: Some(Reason::Opened),
                // Lost light is shot at by the agent itself, before we know of it; where ports are
                // swapped it shoots into another fibre.
                shoot: fades || (light && scene.views.is_tangled()),
            },
        };
        cause.incident.take(Step::Confirm, SELF, scene.now);
        self.causes.push(cause);
        self.causes.len() - 1
    }

    /// Presses a claim into its cause.
    fn press(&mut self, k: usize, scene: &Scene<'_>, key: Key, claim: Claim) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        let mut changed = cause.quiet.take().is_some();
        cause.proven = false;
        if matches!((&cause.key, &key), (Key::Fade(..), Key::Span(..))) {
            cause.turn(scene.now);
            cause.key = key.clone();
            changed = true;
        }
        let traced = cause
            .incident
            .evidence
            .iter()
            .any(|e| e.finding.sighting().is_some());
        let light = matches!(cause.key, Key::Span(..) | Key::Node(_));
        // Stations that fall silent make it wider; they say nothing against what was known.
        let wider = cause.is_inside(scene.line, &key);
        if light && cause.key != key && !traced && !wider {
            cause
                .incident
                .note(SELF, &words::moved(scene, &key), scene.now);
            cause.incident.kind = key.kind();
            cause.key = key;
            cause.lost.clear();
            changed = true;
        }
        if light && claim.verdict == Verdict::Equipment && !traced {
            changed |= cause.incident.kind != Kind::Equipment;
            cause.incident.kind = Kind::Equipment;
        } else if matches!(cause.key, Key::Span(..)) && cause.incident.kind != Kind::Break {
            cause.incident.kind = Kind::Break;
            changed = true;
        }
        for light in claim.losses {
            let lost = Lost {
                path: light.path,
                direction: light.direction,
                from: light.from,
                to: light.to,
            };
            let same = |l: &&mut Lost| l.path == lost.path && l.direction == lost.direction;
            match cause.lost.iter_mut().find(same) {
                Some(known) if *known == lost || wider => continue,
                Some(known) => *known = lost,
                None => cause.lost.push(lost),
            }
            changed = true;
        }
        if changed {
            cause.evidence_of_light(scene.now);
            let severity = cause.severity(scene).max(cause.incident.severity);
            cause.incident.severity = severity;
            self.place(k, scene);
        }
    }

    /// Lets go of what is closed, unless its light is still gone: then it stays dismissed.
    fn forget(&mut self) {
        self.causes.retain(|cause| {
            cause.incident.state != State::Closed || cause.news.changed || !cause.is_well()
        });
    }
}

fn key_of(line: &Line, claim: &Claim) -> Option<Key> {
    let id = |k: usize| line.nodes.get(k).map(|node| node.id.clone());
    let (low, high) = (id(claim.low)?, id(claim.high)?);
    Some(if low == high {
        Key::Node(low)
    } else {
        Key::Span(low, high)
    })
}

fn node_site(line: &Line, node: usize) -> Option<&SiteId> {
    line.nodes.get(node)?.site.as_ref()
}

/// Whether evidence is a trace's.
fn is_seen(evidence: &Evidence) -> bool {
    evidence.finding.sighting().is_some()
}

/// The key under which a finding stands by itself.
fn standing_for(scene: &Scene<'_>, finding: &Finding) -> Key {
    let (site, watch) = (&finding.site, scene.watch);
    if finding.anomaly.kind == AnomalyKind::Silent {
        // All that a site has is silent: it is the agent, or what it stands in.
        let alone = watch.is_offline(site) || watch.company(finding) == Company::Silent;
        return if alone {
            Key::Agent(site.clone())
        } else {
            Key::of(finding)
        };
    }
    if finding.anomaly.kind == AnomalyKind::Alarm && finding.device.is_some() {
        // An alarm of a device belongs to what the device is there to measure.
        let measures = |roles: &[Role]| watch.measures(&finding.anomaly.device, roles);
        if measures(&[Role::FeedVoltage]) {
            return Key::Feed;
        }
        if measures(&[
            Role::BatteryVoltage,
            Role::BatteryCharge,
            Role::MainsVoltage,
        ]) {
            return Key::Supply(site.clone());
        }
    }
    match scene.runs.origin(watch, finding) {
        Some(Origin::Span(low, high)) => {
            let id = |k: usize| scene.line.nodes.get(k).map(|node| node.id.clone());
            if let Some((low, high)) = id(low).zip(id(high)).filter(|_| !is_apart(watch, finding)) {
                return Key::Fade(low, high);
            }
        }
        Some(Origin::Output(device, point)) => {
            let known = watch.get(&device);
            if let Some(known) = known {
                return Key::Point(known.site.clone(), known.device.clone(), point);
            }
        }
        None => {}
    }
    if is_fading(finding) {
        let index = finding
            .anomaly
            .point
            .as_ref()
            .and_then(|point| point.index());
        let span = scene
            .runs
            .span_before(&finding.anomaly.device, index.unwrap_or(""));
        let id = |k: usize| scene.line.nodes.get(k).map(|node| node.id.clone());
        let ends = span.and_then(|(low, high)| id(low).zip(id(high)));
        if let Some((low, high)) = ends.filter(|_| !is_apart(watch, finding)) {
            return Key::Fade(low, high);
        }
    }
    let optical = follows_light(finding) && finding.role.is_some_and(key::is_of_light);
    if optical && watch.is_unplaced(&finding.anomaly.device) {
        let dark = finding.anomaly.kind == AnomalyKind::Dark;
        return Key::Unplaced(if dark { Light::Lost } else { Light::Worse });
    }
    Key::of(finding)
}

/// Whether a signal falls without its supervisory light: that is no loss of the span.
fn is_apart(watch: &Watch, finding: &Finding) -> bool {
    let point = finding.anomaly.point.as_ref();
    let index = point.and_then(|point| point.index()).unwrap_or("");
    watch.is_apart(&finding.anomaly.device, index)
}

/// Whether a silent device may turn out to be a whole site, when slower devices are due.
fn is_undecided(scene: &Scene<'_>, finding: &Finding) -> bool {
    finding.anomaly.kind == AnomalyKind::Silent
        && !scene.watch.is_offline(&finding.site)
        && scene.watch.company(finding) == Company::Unknown
        && scene.now - finding.found < PATIENCE
}
