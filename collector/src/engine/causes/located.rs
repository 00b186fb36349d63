//! What traces add to causes, and where each cause is.

use silkline_analysis::incident::Kind;
use silkline_analysis::place::{Evidence, Finding as Says, Sighting};
use silkline_analysis::series::{Anomaly, AnomalyKind};
use silkline_protocol::id::{NodeId, ViewId};
use silkline_protocol::time::Timestamp;

use super::cause::{Cause, stretch_of};
use super::key::Key;
use super::{Causes, SELF, Scene};
use crate::engine::exchange::Reason;
use crate::engine::watch::Finding;
use crate::engine::words;

/// Shots that are kept as evidence, newest last: they share their systematic part, so more of
/// them tell little more.
const SHOTS: usize = 8;

/// A place is told anew when its interval is this much narrower than the one last told.
const BETTER: f64 = 0.7;

impl Causes {
    /// Takes what a trace saw: `at` is when it was taken in.
    pub(in crate::engine) fn sight(
        &mut self,
        scene: &Scene<'_>,
        (id, finding): (i64, Option<Finding>),
        sighting: Sighting,
        at: Timestamp,
    ) {
        let Some((low, high)) = span_of(scene, &sighting, at) else {
            return;
        };
        let key = Key::Span(low, high);
        let known = self.light_cause_at(scene, &key);
        if known.is_none() && self.is_faded_at(scene, &sighting, at) {
            // The other fibres of the cable have light, only less: the test fibre's stops where
            // theirs is lost, and it is one cause.
            return self.sight_change(scene, (id, finding), sighting, at);
        }
        let Some(k) = known.or_else(|| finding.is_some().then(|| self.open(scene, key.clone())))
        else {
            return;
        };
        if let Some(finding) = finding {
            self.join(k, scene, &finding);
        }
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        cause.saw(id, sighting, at);
        if matches!(cause.key, Key::Node(_)) {
            cause
                .incident
                .note(SELF, "a trace shows a break: not the equipment", scene.now);
            cause.key = key;
        }
        cause.incident.kind = Kind::Break;
        cause.proven = false;
        self.place(k, scene);
    }

    /// Whether light is lost on the span in which a view saw something.
    pub(in crate::engine) fn is_dark_at(
        &self,
        scene: &Scene<'_>,
        sighting: &Sighting,
        at: Timestamp,
    ) -> bool {
        let Some((low, high)) = span_of(scene, sighting, at) else {
            return false;
        };
        let known = self.light_cause_at(scene, &Key::Span(low, high));
        let cause = known.and_then(|k| self.causes.get(k));
        cause.is_some_and(|cause| !cause.lost.is_empty())
    }

    /// Whether light meters say that the span in which a view saw something loses more than it did.
    pub(in crate::engine) fn is_faded_at(
        &self,
        scene: &Scene<'_>,
        sighting: &Sighting,
        at: Timestamp,
    ) -> bool {
        let key = span_of(scene, sighting, at).map(|(low, high)| Key::Fade(low, high));
        let by_light = |a: &Anomaly| a.kind != AnomalyKind::Trace && a.to.is_none();
        self.causes.iter().any(|cause| {
            let same = Some(&cause.key) == key.as_ref() && cause.is_active();
            same && cause.incident.anomalies.iter().any(by_light)
        })
    }

    /// Takes a change that a trace saw on a fibre that is whole otherwise.
    pub(in crate::engine) fn sight_change(
        &mut self,
        scene: &Scene<'_>,
        (id, finding): (i64, Option<Finding>),
        sighting: Sighting,
        at: Timestamp,
    ) {
        let Some((low, high)) = span_of(scene, &sighting, at) else {
            return;
        };
        let key = Key::Fade(low, high);
        let known = self.find_key(scene, &key, None);
        let Some(k) = known.or_else(|| finding.is_some().then(|| self.open(scene, key))) else {
            return;
        };
        if let Some(finding) = finding {
            self.join(k, scene, &finding);
        }
        if let Some(cause) = self.causes.get_mut(k) {
            cause.saw(id, sighting, at);
        }
        self.place(k, scene);
    }

    /// Takes that a view sees its fibre whole, though light is lost on its stretch.
    pub(in crate::engine) fn whole(&mut self, scene: &Scene<'_>, view: &ViewId) {
        let [low, high] = words::nodes_of(scene, view);
        for k in 0..self.causes.len() {
            let Some(cause) = self.causes.get_mut(k) else {
                continue;
            };
            let stretch = cause.stretch(scene.line).zip(low.zip(high));
            let here = stretch.is_some_and(|((a, b), (l, h))| l <= a && b <= h && a < b);
            let seen = |e: &Evidence| e.finding.sighting().is_some_and(|s| s.view == *view);
            let seen = cause.incident.evidence.iter().any(seen);
            if here && seen && cause.is_active() && cause.is_well() && !cause.proven {
                cause.proven = true;
                let said = format!("view {view} shows the fibre whole again");
                cause.incident.note(SELF, &said, scene.now);
                cause.news.changed = true;
            }
            let known = cause.whole.contains(view) || seen;
            if !here || known || !cause.is_active() {
                continue;
            }
            cause.whole.push(view.clone());
            let said = format!("view {view} sees its fibre whole");
            cause.incident.note(SELF, &said, scene.now);
            self.place(k, scene);
        }
    }

    /// Takes that a view sees its fibre whole as far as its light reaches, though light is lost on
    /// its stretch: the fault is where nobody sees it.
    pub(in crate::engine) fn fades(&mut self, scene: &Scene<'_>, view: &ViewId) {
        let [low, high] = words::nodes_of(scene, view);
        for k in 0..self.causes.len() {
            let Some(cause) = self.causes.get_mut(k) else {
                continue;
            };
            let stretch = cause.stretch(scene.line).zip(low.zip(high));
            let here = stretch.is_some_and(|((a, b), (l, h))| l <= a && b <= h && a < b);
            if !here || !cause.is_active() || cause.faded.contains(view) {
                continue;
            }
            cause.faded.push(view.clone());
            let said = format!("view {view} sees its fibre whole as far as its light reaches");
            cause.incident.note(SELF, &said, scene.now);
            self.place(k, scene);
        }
    }

    /// The active light cause that a sighting in the span of `key` belongs to.
    fn light_cause_at(&self, scene: &Scene<'_>, key: &Key) -> Option<usize> {
        let active = |c: &&(usize, &Cause)| c.1.is_active();
        let (low, high) = stretch_of(scene.line, key)?;
        let near = |(_, c): &(usize, &Cause)| {
            c.stretch(scene.line)
                .is_some_and(|(l, h)| l <= high && low <= h)
                && matches!(c.key, Key::Span(..) | Key::Node(_))
        };
        let exact = |(_, c): &(usize, &Cause)| c.key == *key;
        let all = || self.causes.iter().enumerate().filter(|c| active(&c));
        all()
            .find(exact)
            .or_else(|| all().find(near))
            .map(|(k, _)| k)
    }

    /// Works out where a cause is and says it.
    pub(super) fn place(&mut self, k: usize, scene: &Scene<'_>) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        let incident = &mut cause.incident;
        incident.place = words::place(scene, &cause.key, &incident.evidence);
        let note = |view: &ViewId| format!("view {view} sees its fibre whole to its end");
        incident.place.notes.extend(cause.whole.iter().map(note));
        words::narrow_to_blind(scene, &mut incident.place, &cause.faded);
        incident.cause = words::cause(scene, &cause.key, incident);
        incident.headline = words::headline(scene, &cause.key, incident);
        incident.affected = words::affected(scene, cause.lost.iter().map(|lost| &lost.path));
        incident.updated = scene.now;
        cause.news.changed = true;
        let Some(told) = cause.incident.place.interval95_m else {
            return;
        };
        if cause.incident.place.chainage_m.is_none() && cause.incident.place.candidates.is_empty() {
            return;
        }
        let [low, high] = told.map(words::whole_metres);
        let better = cause.told.is_none_or(|[l, h]| {
            (high - low) as f64 <= BETTER * (h - l) as f64 || high < l || h < low
        });
        if better && !matches!(cause.key, Key::Node(_)) {
            cause.told = Some([low, high]);
            let said = format!("located: {}", cause.incident.headline);
            cause.incident.note(SELF, &said, scene.now);
            if cause.news.notice != Some(Reason::Opened) {
                cause.news.notice = Some(Reason::Located);
            }
        }
    }
}

/// The nodes around what a view saw.
fn span_of(scene: &Scene<'_>, sighting: &Sighting, at: Timestamp) -> Option<(NodeId, NodeId)> {
    let chainage = words::chainage_of(scene, sighting, at)?;
    let (from, to) = scene.line.span_at(chainage)?;
    Some((from.id.clone(), to.id.clone()))
}

impl Cause {
    /// Takes what a trace saw into the evidence.
    fn saw(&mut self, id: i64, sighting: Sighting, at: Timestamp) {
        let of_view = |e: &&Evidence| {
            e.finding
                .sighting()
                .is_some_and(|s| s.view == sighting.view)
        };
        if self.incident.evidence.iter().filter(of_view).count() >= SHOTS {
            let oldest = self.incident.evidence.iter().position(|e| of_view(&e));
            oldest.map(|oldest| self.incident.evidence.remove(oldest));
        }
        let source = format!("OTDR view {}", sighting.view);
        let name = format!("otdr-{}-{id}", sighting.view);
        let said = Says::Otdr(sighting);
        self.incident.evidence.push(Evidence {
            id: name,
            at: Some(at),
            source,
            finding: said,
        });
    }
}
