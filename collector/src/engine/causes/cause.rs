//! One cause: what it explains, how bad it is, when it is over.

use serde::{Deserialize, Serialize};
use silkline_analysis::incident::{Incident, Kind, State};
use silkline_analysis::place::{Evidence, Finding as Says};
use silkline_analysis::series::{Anomaly, AnomalyKind, Severity};
use silkline_protocol::device::Role;
use silkline_protocol::id::{NodeId, PathId, SiteId, ViewId};
use silkline_protocol::plant::{Direction, Line, Port, Side};
use silkline_protocol::time::Timestamp;

use super::key::{Key, Light, follows_light};
use super::{SELF, Scene};
use crate::engine::exchange::Reason;
use crate::engine::light::Claim;
use crate::engine::settings::EngineSettings;
use crate::engine::watch::Finding;

/// How often a span without light is shot again: the last time after most of an hour.
const FOLLOWED: u32 = 5;

/// One cause and its incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cause {
    pub(super) key: Key,
    pub(super) incident: Incident,
    /// Paths that lost light by it, with the nodes on both sides.
    pub(super) lost: Vec<Lost>,
    /// Views of the stretch that see their fibre whole.
    pub(super) whole: Vec<ViewId>,
    /// Views of the stretch that see their fibre whole as far as their light reaches.
    #[serde(default)]
    pub(super) faded: Vec<ViewId>,
    /// Whether a trace has shown since that the fibre is whole.
    pub(super) proven: bool,
    /// When light was lost where it had only been getting less.
    #[serde(default)]
    pub(super) turned: Option<Timestamp>,
    /// Where light meters say it is, though traces from both ends show it in another span.
    #[serde(default)]
    pub(super) claimed: Option<Key>,
    /// How often its views were shot again while light is lost.
    #[serde(default)]
    pub(super) followed: u32,
    /// How often it came back lately, and when last.
    pub(super) recurred: (u32, Timestamp),
    /// A notice that was held back because work is planned, or it is shelved.
    pub(super) muted: Option<Muted>,
    /// Nobody is woken by it before this time.
    pub(super) shelved: Option<Timestamp>,
    /// Since when all is well, by our clock.
    pub(super) quiet: Option<Timestamp>,
    /// The interval that was last told to people.
    pub(super) told: Option<[i64; 2]>,
    #[serde(skip)]
    pub(super) news: News,
}

/// A notice that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Muted {
    pub(super) until: Timestamp,
    pub(super) reason: Reason,
}

/// What is to be said of a cause after this step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct News {
    pub(super) changed: bool,
    pub(super) notice: Option<Reason>,
    /// Whether shots of its stretch are wanted.
    pub(super) shoot: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lost {
    pub(super) path: PathId,
    pub(super) direction: Direction,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
}

impl Cause {
    pub(super) const fn is_active(&self) -> bool {
        self.incident.state.is_active()
    }

    /// Whether somebody closed it though its light is still gone: then it is not opened again
    /// before the light was back.
    pub(super) fn is_dismissed(&self, line: &Line, claim: &Claim) -> bool {
        let same = self.stretch(line) == Some((claim.low, claim.high));
        self.incident.state == State::Closed && same && !self.is_well()
    }

    /// Whether what the cause itself is about is over. What merely follows from it may last.
    pub(super) fn is_well(&self) -> bool {
        let core = |kind: AnomalyKind| match self.key {
            Key::Span(..) | Key::Node(_) => {
                let dark = !self.lost.is_empty();
                kind == if dark {
                    AnomalyKind::Dark
                } else {
                    AnomalyKind::Trace
                }
            }
            Key::Unplaced(Light::Lost) => kind == AnomalyKind::Dark,
            _ => true,
        };
        self.incident
            .anomalies
            .iter()
            .filter(|a| core(a.kind))
            .all(|a| a.to.is_some())
    }

    pub(super) fn deadline(&self, settings: &EngineSettings) -> Option<Timestamp> {
        match self.incident.state {
            State::Cleared => self.incident.cleared.map(|at| at + settings.close),
            State::Closed => None,
            _ => {
                let quiet = self.quiet.map(|at| at + self.patience(settings));
                let muted = self.muted.map(|muted| muted.until);
                let follow = self.follow(settings);
                quiet.into_iter().chain(muted).chain(follow).min()
            }
        }
    }

    /// When its views are to be shot again: while a span has lost light and nobody works on it yet.
    pub(super) fn follow(&self, settings: &EngineSettings) -> Option<Timestamp> {
        let lasts = matches!(self.key, Key::Span(..)) && !self.lost.is_empty() && !self.is_well();
        let alone = matches!(self.incident.state, State::Open | State::Acknowledged);
        let wanted = lasts && alone && self.followed < FOLLOWED;
        wanted.then(|| self.began() + settings.follow * 2_u32.pow(self.followed))
    }

    /// Light is lost where it was only getting less.
    pub(super) fn turn(&mut self, now: Timestamp) {
        self.turned = Some(now);
        self.incident.kind = Kind::Break;
        let said = "light is lost where it was getting less";
        self.incident.note(SELF, said, now);
        self.news.notice.get_or_insert(Reason::Worse);
    }

    /// The nodes on both sides of the stretch, by their place on the line.
    pub(super) fn stretch(&self, line: &Line) -> Option<(usize, usize)> {
        stretch_of(line, &self.key)
    }

    /// Whether its span is a part of a longer one.
    pub(super) fn is_inside(&self, line: &Line, longer: &Key) -> bool {
        let ends = self.stretch(line).zip(stretch_of(line, longer));
        ends.is_some_and(|((low, high), (from, to))| {
            from <= low && high <= to && low < high && high - low < to - from
        })
    }

    /// The same, and the ends of a span that fades.
    pub(super) fn span(&self, line: &Line) -> Option<(usize, usize)> {
        match &self.key {
            Key::Fade(from, to) => stretch_of(line, &Key::Span(from.clone(), to.clone())),
            key => stretch_of(line, key),
        }
    }

    /// Whether this cause explains a finding that came after it.
    pub(super) fn explains(&self, scene: &Scene<'_>, finding: &Finding) -> bool {
        let (settings, began) = (scene.settings, self.began());
        let at_site = |site: &SiteId| *site == finding.site;
        let gone = matches!(
            finding.anomaly.kind,
            AnomalyKind::Silent | AnomalyKind::Offline
        );
        if !self.lost.is_empty() {
            let soon = finding.found - began < settings.wake;
            if follows_light(finding) {
                let dark = finding.anomaly.kind == AnomalyKind::Dark;
                return (soon || dark) && self.reaches(scene, finding);
            }
            if is_of_feeding(scene, finding) {
                // A cable that is cut feeds into the sea.
                return soon && matches!(self.key, Key::Span(..));
            }
            let whole =
                scene.watch.is_offline(&finding.site) || scene.watch.is_silent(&finding.site);
            return gone && (self.is_here(scene.line, &finding.site) || (soon && whole));
        }
        let because = finding.because.as_ref();
        if because.is_some_and(|input| self.holds(input)) {
            return true;
        }
        match &self.key {
            Key::Unplaced(Light::Lost) => {
                let soon = finding.found - began < settings.wake;
                soon && follows_light(finding) && scene.watch.is_unplaced(&finding.anomaly.device)
            }
            Key::Supply(site) => at_site(site) && gone,
            Key::Agent(site) => at_site(site) && gone,
            Key::Node(_) => gone && self.is_here(scene.line, &finding.site),
            _ => false,
        }
    }

    /// Whether light that was lost here is missed where a finding is: at the lost stretch itself and
    /// further on in the direction of the light. What a span loses is its own affair.
    fn reaches(&self, scene: &Scene<'_>, finding: &Finding) -> bool {
        let line = scene.line;
        let place = |id: &NodeId| line.nodes.iter().position(|node| node.id == *id);
        let ports = ports_of(scene, finding);
        let missed = |port: &&Port, lost: &Lost| {
            let ends = (place(&port.node), place(&lost.from), place(&lost.to));
            let (Some(node), Some(from), Some(to)) = ends else {
                return true;
            };
            let same = port.path == lost.path && port.direction == lost.direction;
            let beyond = same && if from < to { node >= to } else { node <= to };
            if finding.role == Some(Role::SpanLoss) {
                return same && node == to;
            }
            beyond || node == from || node == to
        };
        let any = |port: &&Port| self.lost.iter().any(|lost| missed(port, lost));
        // Of what the plant does not tell, everything may follow.
        ports.is_empty() || ports.iter().any(any)
    }

    /// When it last began: an incident that is held open begins anew with each loss of light.
    fn began(&self) -> Timestamp {
        let dark = |a: &&Anomaly| a.kind == AnomalyKind::Dark;
        let lost = self.incident.anomalies.iter().filter(dark);
        let newest = lost.map(|a| a.raised).max();
        newest.map_or(self.incident.opened, |at| at.max(self.incident.opened))
    }

    /// Whether light of an input is lost by it.
    fn holds(&self, input: &str) -> bool {
        let of = |a: &&Anomaly| {
            let point = a.point.as_ref().map(ToString::to_string);
            a.kind == AnomalyKind::Dark
                && point.is_some_and(|p| format!("{}/{p}", a.device) == input)
        };
        self.incident.anomalies.iter().any(|a| of(&a))
    }

    /// Whether the point of a finding has spoken of this cause before.
    pub(super) fn has_point_of(&self, finding: &Finding) -> bool {
        let new = &finding.anomaly;
        let same = |a: &Anomaly| a.device == new.device && a.point == new.point;
        self.incident.anomalies.iter().any(same)
    }

    /// Whether the device of a finding has spoken of this cause before.
    pub(super) fn has_device_of(&self, finding: &Finding) -> bool {
        let device = &finding.anomaly.device;
        self.incident.anomalies.iter().any(|a| a.device == *device)
    }

    /// Whether the cause is at a site's own node.
    pub(super) fn is_here(&self, line: &Line, site: &SiteId) -> bool {
        let Key::Node(node) = &self.key else {
            return false;
        };
        line.node(node).and_then(|node| node.site.as_ref()) == Some(site)
    }

    /// How bad it is, by what it is and what was found.
    pub(super) fn severity(&self, scene: &Scene<'_>) -> Severity {
        let found = self
            .incident
            .anomalies
            .iter()
            .filter(|a| a.to.is_none())
            .map(|a| a.severity);
        let worst = found.max().unwrap_or(Severity::Warning);
        match self.key {
            Key::Span(..) | Key::Node(_) => {
                let all = scene.runs.count();
                let dark = self.lost.len();
                if dark >= all && dark > 0 {
                    Severity::Critical
                } else {
                    Severity::Major
                }
            }
            Key::Supply(_) if !self.lost.is_empty() => Severity::Critical,
            Key::Device(..) if worst == Severity::Critical => Severity::Major,
            _ => worst,
        }
    }

    /// Writes the lost light into the evidence.
    pub(super) fn evidence_of_light(&mut self, now: Timestamp) {
        let evidence = &mut self.incident.evidence;
        evidence.retain(|e| !matches!(e.finding, Says::LightLost { .. }));
        if self.claimed.is_some() {
            return;
        }
        for lost in &self.lost {
            let way = match lost.direction {
                Direction::AToB => "ab",
                Direction::BToA => "ba",
            };
            evidence.push(Evidence {
                id: format!("light-{}-{way}", lost.path),
                at: Some(now),
                source: "light meters".to_owned(),
                finding: Says::LightLost {
                    path: lost.path.clone(),
                    from: lost.from.clone(),
                    to: lost.to.clone(),
                },
            });
        }
    }
}

/// The ports on this line that a finding is about.
fn ports_of<'a>(scene: &Scene<'a>, finding: &Finding) -> Vec<&'a Port> {
    let point = finding.anomaly.point.as_ref();
    let Some((id, index)) = finding.device.as_ref().zip(point.and_then(|p| p.index())) else {
        return Vec::new();
    };
    let side = match finding.role {
        Some(Role::LightIn | Role::SupervisoryIn | Role::SpanLoss) => Some(Side::In),
        Some(Role::LightOut) => Some(Side::Out),
        _ => None,
    };
    let fits = |port: &&Port| port.index == index && side.is_none_or(|side| port.side == side);
    let device = scene.plant.device(&finding.site, id);
    device.map_or_else(Vec::new, |d| d.ports.iter().filter(fits).collect())
}

/// Whether a finding is about what feeds a submarine cable.
pub(super) fn is_of_feeding(scene: &Scene<'_>, finding: &Finding) -> bool {
    let feeds = [Role::FeedVoltage, Role::FeedCurrent];
    let by_role = finding.role.is_some_and(|role| feeds.contains(&role));
    let alarm = finding.anomaly.kind == AnomalyKind::Alarm;
    by_role || (alarm && scene.watch.measures(&finding.anomaly.device, &feeds))
}

pub(super) fn stretch_of(line: &Line, key: &Key) -> Option<(usize, usize)> {
    let place = |id: &NodeId| line.nodes.iter().position(|node| node.id == *id);
    match key {
        Key::Span(from, to) => place(from).zip(place(to)),
        Key::Node(node) => place(node).map(|k| (k, k)),
        _ => None,
    }
}
