//! The life of a cause after it was found: what people do with it, when it is over, who is told.
//!
//! - A cause that comes back again and again is held open longer each time: people are told twice,
//!   not all night.
//! - What a trace had found is over when a fresh trace shows it, or after a patience that is said.
//! - What is shelved, or falls into planned work, is recorded like everything; its notice waits,
//!   and is given when the time is over and the cause is still there.

use core::time::Duration;

use silkline_analysis::incident::{Found, How, State, Step};
use silkline_analysis::learn::Repair;
use silkline_analysis::series::AnomalyKind;
use silkline_protocol::id::IncidentId;
use silkline_protocol::plant::View;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::cause::{Cause, Muted, News};
use super::key::Key;
use super::{Causes, SELF, Scene, Waiting, is_seen, node_site};
use crate::engine::exchange::{Action, Notice, Output, Reason};
use crate::engine::settings::{EngineSettings, Planned};
use crate::engine::words;

/// How well a crew knows a chainage that it tells without more: to a few paces.
const FOUND_PLUS_MINUS: RouteLength = RouteLength::of(10.0);

/// Coming back within this time after the last one counts as flapping.
const LATELY: Duration = Duration::from_secs(3600);

/// How many times longer each return is held, and the longest.
const FLAP_DOUBLES: u32 = 8;

impl Causes {
    /// Does what an operator asked for; the anomalies that are as they are meant to be since.
    pub(in crate::engine) fn operate(
        &mut self,
        now: Timestamp,
        incident: &IncidentId,
        (who, action): (&str, Action),
    ) -> Vec<String> {
        let Some(cause) = self.causes.iter_mut().find(|c| c.incident.id == *incident) else {
            return Vec::new();
        };
        cause.news.changed = true;
        let incident = &mut cause.incident;
        match action {
            Action::Acknowledge => {
                incident.take(Step::Acknowledge, who, now);
            }
            Action::Repairing => {
                incident.take(Step::Repair, who, now);
            }
            Action::Assign { to } => incident.note(who, &format!("assigned to {to}"), now),
            Action::Note { text } => incident.note(who, &text, now),
            Action::Shelve { until } => {
                cause.shelved = (until > now).then_some(until);
                incident.note(who, &format!("shelved until {until}"), now);
            }
            Action::Close { found_m, found } => {
                let plain = |chainage_m| Found {
                    chainage_m,
                    plus_minus_m: FOUND_PLUS_MINUS,
                    how: How::Chainage,
                    said: String::new(),
                    who: who.to_owned(),
                    at: now,
                };
                let found = found.or_else(|| found_m.map(plain));
                if let Some(found) = found {
                    let (km, half) = (found.chainage_m.km(), found.plus_minus_m);
                    incident.note(who, &format!("found at km {km:.3} \u{b1} {half:.0}"), now);
                    incident.found = Some(Found { at: now, ..found });
                }
                incident.take(Step::Close, who, now);
                // Who closes what still stands says that it is as it is meant to be.
                let lasting = incident.anomalies.iter().filter(|a| a.to.is_none());
                return lasting.map(|a| a.id.clone()).collect();
            }
        }
        Vec::new()
    }

    /// What the incident called `id` teaches, where its crew has told a place.
    pub(in crate::engine) fn repair(&self, id: &IncidentId) -> Option<Repair> {
        let cause = self.causes.iter().find(|c| c.incident.id == *id)?;
        Repair::of(&cause.incident)
    }

    /// Everything that changed since it was last asked.
    pub(in crate::engine) fn news(&mut self, scene: &Scene<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        for cause in &mut self.causes {
            cause.mute(scene);
            let news = core::mem::take(&mut cause.news);
            if !news.changed && news.notice.is_none() && !news.shoot {
                continue;
            }
            let shots = if news.shoot {
                shots(cause, scene)
            } else {
                Vec::new()
            };
            out.push(Output::Incident(Box::new(cause.incident.clone())));
            out.extend(shots);
            out.extend(news.notice.map(|reason| {
                let text = cause.incident.headline.clone();
                Output::Notice(Notice {
                    incident: cause.incident.id.clone(),
                    reason,
                    text,
                })
            }));
        }
        out
    }

    /// Clears what has been well for long enough, closes what is long over.
    pub(super) fn settle(&mut self, k: usize, scene: &Scene<'_>) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        let (settings, now) = (scene.settings, scene.now);
        if cause.incident.state == State::Cleared {
            let over = cause
                .incident
                .cleared
                .is_some_and(|at| now - at >= settings.close);
            if over && cause.incident.take(Step::Close, SELF, now) {
                cause.news.changed = true;
            }
            return;
        }
        if !cause.is_active() {
            return;
        }
        if !cause.is_well() {
            cause.quiet = None;
            if cause.follow(settings).is_some_and(|due| due <= now) {
                cause.followed += 1;
                cause.news.shoot = true;
            }
            return;
        }
        if cause.quiet.is_none() && cause.wants_proof() {
            cause.news.shoot = true;
        }
        let since = *cause.quiet.get_or_insert(now);
        if now - since < cause.patience(settings) {
            return;
        }
        if cause.wants_proof() {
            let waited = settings.proof.as_secs();
            let said = format!("light is back; no trace has shown the repair within {waited} s");
            cause.incident.note(SELF, &said, now);
        }
        cause.incident.take(Step::Clear, SELF, now);
        cause.news = News {
            changed: true,
            notice: Some(Reason::Cleared),
            shoot: false,
        };
        cause.lost.clear();
        cause.told = None;
        let left: Vec<_> = cause
            .incident
            .anomalies
            .iter()
            .filter(|a| a.to.is_none())
            .map(|a| a.id.clone())
            .collect();
        for finding in scene.watch.lasting(&left) {
            let kind = finding.anomaly.kind;
            if !matches!(kind, AnomalyKind::Dark | AnomalyKind::Alarm) {
                let due = now + settings.grace;
                self.waiting.push(Waiting { finding, due });
            }
        }
    }
}

impl Cause {
    /// It is back.
    pub(super) fn recur(&mut self, now: Timestamp) {
        let (times, last) = self.recurred;
        let lately = now - last < LATELY;
        self.recurred = (if lately { times + 1 } else { 1 }, now);
        self.incident.take(Step::Recur, SELF, now);
        if self.recurred.0 == 2 {
            let said = "it comes and goes: held open longer each time";
            self.incident.note(SELF, said, now);
        }
        self.quiet = None;
        if self.proven {
            // Mended, and a trace had shown it: it is not where it was.
            self.incident.evidence.retain(|e| !is_seen(e));
            self.told = None;
        }
        self.proven = false;
        self.followed = 0;
        self.whole.clear();
        self.faded.clear();
        self.news = News {
            changed: true,
            notice: Some(Reason::Reopened),
            shoot: false,
        };
    }

    /// Whether a trace is to show that what a trace had found is gone.
    pub(super) fn wants_proof(&self) -> bool {
        let parted = matches!(self.key, Key::Span(..) | Key::Node(_));
        parted && !self.proven && self.incident.evidence.iter().any(is_seen)
    }

    /// How long all must be well before it is over.
    pub(super) fn patience(&self, settings: &EngineSettings) -> Duration {
        let doubled = self.recurred.0.min(FLAP_DOUBLES);
        let settle = settings.settle * 2_u32.pow(doubled);
        if self.wants_proof() {
            settle.max(settings.proof)
        } else {
            settle
        }
    }

    /// Holds a notice back while nobody is to be woken, and gives it when that is over.
    fn mute(&mut self, scene: &Scene<'_>) {
        let now = scene.now;
        let shelved = self.shelved.filter(|until| *until > now);
        let work = planned(self, scene);
        let until = shelved.max(work.map(|work| work.until));
        match (until, self.news.notice, self.muted) {
            (Some(until), Some(reason), held) => {
                if let (None, Some(work)) = (held, work) {
                    let said = format!("planned work, nobody is woken: {}", work.what);
                    self.incident.note(SELF, &said, now);
                }
                // The first reason stands: people were told of nothing since.
                let reason = held.map_or(reason, |held| held.reason);
                self.news.notice = None;
                self.news.changed = true;
                self.muted = Some(Muted { until, reason });
            }
            (None, None, Some(held)) => {
                self.muted = None;
                if self.is_active() {
                    self.news.notice = Some(held.reason);
                }
            }
            (None, Some(_), Some(held)) => {
                self.muted = None;
                if self.is_active() {
                    self.news.notice = Some(held.reason);
                } else {
                    self.news.notice = None;
                }
            }
            (Some(_), None, _) | (None, _, None) => {}
        }
    }
}

/// Shots of every view that sees the stretch of a cause; where a permit to work is in the way, the
/// history says whose.
fn shots(cause: &mut Cause, scene: &Scene<'_>) -> Vec<Output> {
    let Some((low, high)) = cause.span(scene.line) else {
        return Vec::new();
    };
    let sees = |view: &View| {
        let [from, to] = words::nodes_of(scene, &view.id);
        from.zip(to).is_some_and(|(l, h)| l <= low && high <= h)
    };
    let wanted = scene.line.views.iter().filter(|view| sees(view));
    let mut shots = Vec::new();
    for view in wanted {
        if let Some(permit) = scene.permits.against(&scene.line.id, view, scene.now) {
            let said = format!("no shot of view {}: {permit}", view.id);
            cause.incident.note(SELF, &said, scene.now);
            continue;
        }
        let site = scene.line.node(&view.node).and_then(|it| it.site.clone());
        shots.extend(site.map(|site| Output::Shoot {
            site,
            view: scene.views.named(&view.id).clone(),
        }));
    }
    shots
}

/// The planned work that a cause falls into.
fn planned<'a>(cause: &Cause, scene: &Scene<'a>) -> Option<&'a Planned> {
    let now = scene.now;
    let fits = |work: &&Planned| {
        let here = work.line.as_ref().is_none_or(|line| *line == scene.line.id);
        let site = work.site.as_ref().is_none_or(|site| {
            let (low, high) = cause
                .stretch(scene.line)
                .unwrap_or((usize::MAX, usize::MAX));
            let beside = [low, high].map(|node| node_site(scene.line, node));
            cause.key.site() == Some(site) || beside.contains(&Some(site))
        });
        work.from <= now && now < work.until && here && site
    };
    scene.settings.planned.iter().find(fits)
}
