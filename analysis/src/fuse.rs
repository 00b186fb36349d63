//! From evidence to a place with its uncertainty.
//!
//! Every source is a likelihood over chainage with a share of outliers. What traces see is fused
//! along the glass first and taken to the ground once (`glass`), for all views share the same
//! landmarks; what other sources say is multiplied in on the ground (`posterior`). Two breaks,
//! or sources that contradict, give candidates instead of an average of two places. What no
//! source supports stays empty.

mod blind;
mod glass;
mod mode;
mod posterior;
mod rivals;

pub use self::blind::{Sight, blind, tell_blind};

use std::collections::BTreeSet;

use silkline_protocol::id::{LineId, NodeId, PathId, ViewId};
use silkline_protocol::plant::{Line, Plant, SpanId};
use silkline_protocol::unit::{OpticalLength, RouteLength};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use self::posterior::{Answer, Likelihood};
use crate::feed;
use crate::place::{
    Dossier, Evidence, Finding, Place, PlaceKind, SourceWeight, glass_to_mm, rounded, to_mm,
};
use crate::route::Ground;
use crate::route::chain::{Seen, Z95};
use crate::spread::Spread;

/// Share of findings that are simply wrong.
pub(crate) const OUTLIERS: f64 = 0.02;

/// Agreement below which sources contradict one another.
const AGREEMENT: f64 = 0.001;

/// Speed of light in glass is told by the group index; the default where no view tells.
const INDEX: f64 = 1.4682;

/// Evidence that does not fit the plant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No such line.
    #[error("line {0} is not in the plant file")]
    Line(LineId),
    /// No such view on the line.
    #[error("evidence {id:?}: view {view} is not on line {line}")]
    View {
        /// The evidence.
        id: String,
        /// The view.
        view: ViewId,
        /// The line.
        line: LineId,
    },
    /// No such node on the line.
    #[error("evidence {id:?}: node {node} is not on line {line}")]
    Node {
        /// The evidence.
        id: String,
        /// The node.
        node: NodeId,
        /// The line.
        line: LineId,
    },
    /// No such path.
    #[error("evidence {id:?}: path {path} is not in the plant file")]
    Path {
        /// The evidence.
        id: String,
        /// The path.
        path: PathId,
    },
    /// A number that can't be.
    #[error("evidence {id:?}: {what}")]
    Number {
        /// The evidence.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What was seen in good traces of a view: more points that are known in its glass.
pub type Anchors<'a> = &'a dyn Fn(&ViewId) -> Vec<Seen>;

/// Where the fault is by all evidence.
///
/// # Errors
///
/// [`Unfit`] for every piece of evidence that does not fit the plant.
pub fn locate(plant: &Plant, dossier: &Dossier) -> Result<Place, Vec<Unfit>> {
    locate_with(plant, dossier, &|_| Vec::new())
}

/// The same with `anchors` from good traces.
///
/// # Errors
///
/// As for [`locate`].
pub fn locate_with(
    plant: &Plant,
    dossier: &Dossier,
    anchors: Anchors<'_>,
) -> Result<Place, Vec<Unfit>> {
    let line = plant
        .line(&dossier.line)
        .ok_or_else(|| vec![Unfit::Line(dossier.line.clone())])?;
    let evidence = named(&dossier.evidence);
    let unfit: Vec<Unfit> = evidence
        .iter()
        .filter_map(|e| misfit(plant, line, e))
        .collect();
    if !unfit.is_empty() {
        return Err(unfit);
    }
    let alone = |evidence, anchors: Anchors<'_>| {
        let line = dossier.line.clone();
        locate_with(plant, &Dossier { line, evidence }, anchors).ok()
    };
    if let Some(place) = rivals::told_apart((plant, line), &evidence, anchors, alone) {
        return Ok(place);
    }
    let mut place = Place::unknown(line.id.clone(), &plant.revision);
    count_fibres(plant, line, &evidence, &mut place);
    let glass = glass::gather(line, &evidence, anchors);
    let likelihoods: Vec<Likelihood> = evidence
        .iter()
        .filter_map(|e| likelihood(line, e, &mut place.notes))
        .collect();
    if glass.is_none() && likelihoods.is_empty() {
        return Ok(place);
    }
    let answer = posterior::combine(line, glass.as_ref(), &likelihoods);
    place.closure_m = glass
        .as_ref()
        .and_then(glass::Glass::closure)
        .map(glass_to_mm);
    weigh((line, &answer), glass.as_ref(), &likelihoods, &mut place);
    settle(plant, line, &answer, &mut place);
    Ok(place)
}

/// The evidence with a name each, no two the same.
fn named(evidence: &[Evidence]) -> Vec<Evidence> {
    let mut taken = BTreeSet::new();
    let name = |(k, e): (usize, &Evidence)| {
        let position = k + 1;
        let id = match e.id.as_str() {
            "" => format!("e{position}"),
            own if taken.contains(own) => format!("{own}-{position}"),
            own => own.to_owned(),
        };
        taken.insert(id.clone());
        Evidence { id, ..e.clone() }
    };
    evidence.iter().enumerate().map(name).collect()
}

fn misfit(plant: &Plant, line: &Line, evidence: &Evidence) -> Option<Unfit> {
    let id = || evidence.id.clone();
    let node = |node: &NodeId| {
        let missing = line.node(node).is_none();
        missing.then(|| Unfit::Node {
            id: id(),
            node: node.clone(),
            line: line.id.clone(),
        })
    };
    let number = |bad: bool, what| bad.then(|| Unfit::Number { id: id(), what });
    match &evidence.finding {
        Finding::Otdr(s) | Finding::Cotdr(s) => {
            let view = s.view.clone();
            let missing = line.view(&s.view).is_none();
            let zero = OpticalLength::of(0.0);
            missing
                .then(|| Unfit::View {
                    id: id(),
                    view,
                    line: line.id.clone(),
                })
                .or_else(|| s.after.as_ref().and_then(node))
                .or_else(|| {
                    let noise = s.random_m.get().hypot(s.systematic_m.get());
                    let before = s.optical_m.get() < -1.0 - glass::SAME * noise;
                    number(before, "optical_m is negative: before the view's own node")
                })
                .or_else(|| number(s.random_m < zero, "random_m is negative"))
                .or_else(|| number(s.systematic_m < zero, "systematic_m is negative"))
                .or_else(|| {
                    let bad = s
                        .group_index
                        .is_some_and(|n| !(1.0..2.0).contains(&n.get()));
                    number(bad, "group_index is not between 1 and 2")
                })
        }
        Finding::LightLost { path, from, to } => {
            let missing = plant.path(path).is_none();
            missing
                .then(|| Unfit::Path {
                    id: id(),
                    path: path.clone(),
                })
                .or_else(|| node(from))
                .or_else(|| node(to))
        }
        Finding::Feed(_) => number(
            line.feed.is_none(),
            "the plant file tells no feed of the line",
        ),
        Finding::Transient { plus_minus_ns, .. } => {
            number(*plus_minus_ns <= 0.0, "plus_minus_ns is not above zero")
        }
        Finding::Report { plus_minus_m, .. } => {
            number(plus_minus_m.get() <= 0.0, "plus_minus_m is not above zero")
        }
    }
}

/// What evidence other than traces says on the ground.
fn likelihood(line: &Line, evidence: &Evidence, notes: &mut Vec<String>) -> Option<Likelihood> {
    let of = |spread| Likelihood::normal(&evidence.id, evidence.finding.kind(), spread);
    match &evidence.finding {
        Finding::Otdr(_) | Finding::Cotdr(_) => None,
        Finding::LightLost { from, to, .. } => {
            let ends = line.node(from).zip(line.node(to))?;
            Some(Likelihood::stretch(
                &evidence.id,
                ends.0.chainage,
                ends.1.chainage,
            ))
        }
        Finding::Feed(finding) => {
            let found = feed::locate(line, line.feed.as_ref()?, finding);
            match found {
                Ok(spread) => Some(of(spread)),
                Err(why) => {
                    notes.push(format!("{}: {why}", evidence.id));
                    None
                }
            }
        }
        Finding::Transient {
            t_a,
            t_b,
            plus_minus_ns,
        } => {
            let later = (*t_a - *t_b).as_secs_f64() - (*t_b - *t_a).as_secs_f64();
            let speed = silkline_protocol::unit::LIGHT_M_PER_S / INDEX;
            let glass_per_ground = 1.0 + 0.007;
            let x = line.length().get() / 2.0 + later * speed / 2.0 / glass_per_ground;
            let sd = (plus_minus_ns / Z95 * 1e-9 * speed / 2.0).hypot(2e-4 * x);
            Some(of(Spread::normal(RouteLength::of(x), RouteLength::of(sd))))
        }
        Finding::Report {
            chainage_m,
            plus_minus_m,
            ..
        } => Some(of(Spread::normal(*chainage_m, *plus_minus_m * (1.0 / Z95)))),
    }
}

/// How many watched fibres are dark.
fn count_fibres(plant: &Plant, line: &Line, evidence: &[Evidence], place: &mut Place) {
    let hops = |path: &PathId| {
        let path = plant.path(path);
        path.into_iter()
            .flat_map(|p| &p.hops)
            .filter(|h| h.line == line.id)
            .map(|h| &h.fibre)
    };
    let watched: BTreeSet<_> = plant
        .devices
        .iter()
        .flat_map(|device| &device.ports)
        .flat_map(|port| hops(&port.path))
        .collect();
    let at = |id: &NodeId| line.node(id).map(|node| node.chainage);
    let dark: BTreeSet<_> = evidence
        .iter()
        .filter_map(|e| match &e.finding {
            Finding::LightLost { path, from, to } => Some((path, at(from) < at(to))),
            _ => None,
        })
        .flat_map(|(path, rises)| {
            let all = plant.path(path).into_iter().flat_map(|p| &p.hops);
            let same_way: Vec<_> = all
                .filter(|h| h.line == line.id && (at(&h.from) < at(&h.to)) == rises)
                .map(|h| &h.fibre)
                .collect();
            if same_way.is_empty() {
                hops(path).collect()
            } else {
                same_way
            }
        })
        .collect();
    place.fibres_watched = u32::try_from(watched.len()).unwrap_or(u32::MAX);
    place.fibres_dark = u32::try_from(dark.len()).unwrap_or(u32::MAX);
}

/// Each source's share, what it says alone, and whether all agree.
fn weigh(
    (line, answer): (&Line, &Answer),
    glass: Option<&glass::Glass>,
    likelihoods: &[Likelihood],
    place: &mut Place,
) {
    let mut rows: Vec<(String, &'static str, Spread, bool)> = Vec::new();
    for source in glass.into_iter().flat_map(glass::Glass::sources) {
        rows.push((source.id.clone(), source.kind, source.alone.clone(), false));
    }
    for likelihood in likelihoods {
        let is_span = likelihood.is_stretch();
        rows.push((
            likelihood.id.clone(),
            likelihood.kind,
            likelihood.alone(),
            is_span,
        ));
    }
    let precision = |spread: &Spread| spread.sd().get().max(0.1).powi(-2);
    let whole: f64 = rows.iter().map(|row| precision(&row.2)).sum();
    let (single, length) = (answer.single(), line.length());
    let (mut chi2, mut count) = glass
        .and_then(glass::Glass::gap_chi2)
        .map_or((0.0, 0.0), |c| (c, 1.0));
    for (id, kind, alone, is_span) in rows {
        if let (Some(single), false) = (single, is_span || matches!(kind, "otdr" | "cotdr")) {
            let apart = (alone.mean() - single.mean).get();
            chi2 += (apart / alone.sd().get().hypot(single.sd)).powi(2);
            count += 1.0;
        }
        let [low, high] = alone.interval(0.95);
        if !is_span && low > length {
            let (far, end) = (alone.mean().get() / 1e3, length.get() / 1e3);
            let note = format!("{id}: km {far:.1} is beyond the end of the line, km {end:.1}");
            place.notes.push(note);
        }
        place.sources.push(SourceWeight {
            id,
            kind: kind.to_owned(),
            weight: rounded(precision(&alone) / whole, 1e4),
            alone_m: (!is_span).then(|| to_mm(alone.mean())),
            plus_minus_m: Some(to_mm((high - low) * 0.5)),
        });
    }
    place.chi2_p = ChiSquared::new(count)
        .ok()
        .map(|d| rounded(1.0 - d.cdf(chi2), 1e6));
    place.consistent = single.is_some() && place.chi2_p.is_none_or(|p| p > AGREEMENT);
}

/// Writes the answer into the place.
fn settle(plant: &Plant, line: &Line, answer: &Answer, place: &mut Place) {
    let ground = Ground::of(plant, line);
    let Some(single) = answer.single() else {
        place.candidates = answer.candidates();
        if let Some(extent) = answer.extent() {
            place.extent_m = Some(to_mm(extent[1] - extent[0]));
            place.unseen_m = vec![extent.map(to_mm)];
        }
        let spans: BTreeSet<String> = place
            .candidates
            .iter()
            .filter_map(|c| span_of(line, c.chainage_m).map(|span| span.to_string()))
            .collect();
        if let (1, Some(span)) = (spans.len(), spans.first()) {
            place.kind = PlaceKind::Span;
            place.span = Some(span.clone());
        }
        return;
    };
    place.interval95_m = answer.interval95().map(|ends| ends.map(to_mm));
    if let Some(span) = answer.stretch().or_else(|| span_of(line, single.mean)) {
        place.set_span(&span);
    }
    if !single.is_point {
        unseen(line, place);
        return;
    }
    if let Some(span) = span_of(line, single.mean) {
        place.set_span(&span);
    }
    let at = single.mean;
    place.chainage_m = Some(to_mm(at));
    place.interval50_m = Some(single.interval50.map(to_mm));
    let coordinates = ground.at(at);
    place.lat = coordinates.map(|c| c.lat);
    place.lon = coordinates.map(|c| c.lon);
    place.before = ground.before(at);
    place.after = ground.after(at);
    place.post = ground.post(at);
    place.depth_m = ground.section(at).and_then(|section| section.depth_m);
}

/// Says which part of a stretch no instrument can see, where instruments tell their reach.
fn unseen(line: &Line, place: &mut Place) {
    let Some(ends) = place.interval95_m else {
        return;
    };
    if line.views.iter().all(|view| view.reach.is_none()) {
        return;
    }
    let usual = line.views.iter().map(|view| (view, Sight::Usual));
    tell_blind(place, blind(line, ends, usual));
}

fn span_of(line: &Line, at: RouteLength) -> Option<SpanId> {
    let (from, to) = line.span_at(at)?;
    Some(SpanId {
        from: from.id.clone(),
        to: to.id.clone(),
    })
}

#[cfg(test)]
mod tests;
