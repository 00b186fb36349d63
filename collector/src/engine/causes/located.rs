//! What traces add to causes, and where each cause is.

use silkline_analysis::incident::Kind;
use silkline_analysis::place::{Evidence, Finding as Says, Sighting};
use silkline_analysis::series::{Anomaly, AnomalyKind};
use silkline_protocol::id::{NodeId, ViewId};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::cause::{Cause, stretch_of};
use super::key::Key;
use super::{Causes, SELF, Scene, is_seen};
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
        self.part(k, scene, (&sighting, at));
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        cause.saw(id, sighting, at);
        if matches!(cause.key, Key::Node(_)) {
            cause
                .incident
                .note(SELF, "a trace shows a break: not the equipment", scene.now);
            cause.key = key;
        } else if is_part_of(scene, &key, &cause.key) {
            // Stations that say nothing leave light meters with a longer stretch.
            let said = words::moved(scene, &key);
            cause.incident.note(SELF, &said, scene.now);
            cause.key = key;
        }
        cause.incident.kind = Kind::Break;
        cause.proven = false;
        self.overrule(k, scene);
        self.place(k, scene);
    }

    /// Where views from both sides show the break in one span, and light meters say it is in the
    /// next, the traces are right: an amplifier whose directions are swapped in the plant file makes
    /// meters point to its other side.
    fn overrule(&mut self, k: usize, scene: &Scene<'_>) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        let seen = cause.incident.evidence.iter();
        let seen = seen.filter_map(|e| Some((e.finding.sighting()?, e.at?)));
        let spans: Vec<_> = seen
            .filter_map(|(s, at)| Some((&s.view, span_of(scene, s, at)?)))
            .collect();
        let Some((first, (low, high))) = spans.first().cloned() else {
            return;
        };
        let key = Key::Span(low.clone(), high.clone());
        let agreed = spans
            .iter()
            .all(|(_, span)| *span == (low.clone(), high.clone()));
        let both = spans.iter().any(|(view, _)| *view != first);
        let told = cause.stretch(scene.line).zip(stretch_of(scene.line, &key));
        let beside = told.is_some_and(|((l, h), (low, high))| l < h && (h <= low || high <= l));
        if !agreed || !both || !beside {
            return;
        }
        let said = words::overruled(scene, &key, &cause.key);
        cause.incident.note(SELF, &said, scene.now);
        cause.claimed = Some(core::mem::replace(&mut cause.key, key));
        cause.evidence_of_light(scene.now);
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
        if let Some(k) = self.turned_at(scene, (&low, &high), (&sighting, at)) {
            // It has grown to a break since: what led to it.
            if let Some(finding) = finding {
                self.join(k, scene, &finding);
            }
            return;
        }
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

    /// The cause by which light is lost on a span, where that is at the place of a change too.
    fn turned_at(
        &self,
        scene: &Scene<'_>,
        (low, high): (&NodeId, &NodeId),
        seen: (&Sighting, Timestamp),
    ) -> Option<usize> {
        let key = Key::Span(low.clone(), high.clone());
        let near = |e: &Evidence| !is_apart(scene, e, seen);
        let turned = |c: &Cause| {
            let parted = c.key == key && c.is_active() && c.turned.is_some();
            parted && c.incident.evidence.iter().filter(|e| is_seen(e)).any(near)
        };
        self.causes.iter().position(turned)
    }

    /// Where light was getting less, and a trace shows the break of the same span elsewhere: two
    /// causes after all. What there was before becomes one of its own again.
    fn part(&mut self, k: usize, scene: &Scene<'_>, (seen, at): (&Sighting, Timestamp)) {
        let Some(cause) = self.causes.get_mut(k) else {
            return;
        };
        let (Some(turned), Key::Span(low, high)) = (cause.turned, &cause.key) else {
            return;
        };
        let key = Key::Fade(low.clone(), high.clone());
        let before = |e: &Evidence| is_seen(e) && e.at.is_some_and(|at| at < turned);
        let apart = |e: &Evidence| before(e) && is_apart(scene, e, (seen, at));
        if !cause.incident.evidence.iter().any(apart) {
            return;
        }
        cause.turned = None;
        let evidence = core::mem::take(&mut cause.incident.evidence);
        let (old, own): (Vec<_>, Vec<_>) = evidence.into_iter().partition(before);
        cause.incident.evidence = own;
        let fading = |a: &Anomaly| a.kind != AnomalyKind::Dark && a.raised < turned;
        let anomalies = core::mem::take(&mut cause.incident.anomalies);
        let (led, own): (Vec<_>, Vec<_>) = anomalies.into_iter().partition(fading);
        cause.incident.anomalies = own;
        let said = "a trace shows the break elsewhere in the span: what got worse before is apart";
        cause.incident.note(SELF, said, scene.now);
        let other = self.open(scene, key);
        if let Some(fade) = self.causes.get_mut(other) {
            fade.incident.evidence = old;
            fade.incident.anomalies = led;
            fade.incident.severity = fade.severity(scene);
            fade.news.shoot = false;
        }
        self.place(other, scene);
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

/// Places closer than this are one whatever their views say of themselves: a bend and the break that
/// it grew to, a closure and its coils.
const ONE_PLACE: RouteLength = RouteLength::of(100.0);

/// Whether what was seen now is certainly elsewhere than what an evidence had seen.
fn is_apart(scene: &Scene<'_>, old: &Evidence, (seen, at): (&Sighting, Timestamp)) -> bool {
    let Some(before) = old.finding.sighting() else {
        return false;
    };
    let place = |s: &Sighting, at| words::chainage_of(scene, s, at);
    let (there, here) = (place(before, old.at.unwrap_or(at)), place(seen, at));
    let sd = |s: &Sighting| s.random_m.get().hypot(s.systematic_m.get());
    let doubt = RouteLength::of(4.0 * sd(before).hypot(sd(seen)));
    let apart = there.zip(here).map(|(there, here)| (there - here).abs());
    apart.is_some_and(|apart| apart > ONE_PLACE + doubt)
}

/// Whether a span is a part of a longer one.
fn is_part_of(scene: &Scene<'_>, span: &Key, longer: &Key) -> bool {
    let ends = stretch_of(scene.line, span).zip(stretch_of(scene.line, longer));
    ends.is_some_and(|((low, high), (from, to))| {
        from <= low && high <= to && high - low < to - from
    })
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
        let (times, last) = self.recurred;
        if times > 0 {
            // What was seen before it came back is told by what is seen now.
            let evidence = &mut self.incident.evidence;
            evidence.retain(|e| !is_seen(e) || e.at.is_some_and(|at| at >= last));
        }
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
