//! What the traces of every view show, against the newest good one.
//!
//! A reference is kept as the few numbers that a comparison needs, so that an engine's state stays
//! small; all are rounded, so that a snapshot restores them bit for bit.

mod changed;
mod crossed;
mod near;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use silkline_analysis::place::{Sighting, glass_to_mm};
use silkline_analysis::route::chain::{Chain, Seen};
use silkline_analysis::shot::{self, zero};
use silkline_analysis::trace::{
    Analysis, ChangeKind, Comparison, EndKind, EndOfFibre, Reference, Tail, Trace, Verdict,
    analyse, compare,
};
use silkline_protocol::id::{DeviceId, ViewId};
use silkline_protocol::message::TraceFile;
use silkline_protocol::plant::{Line, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, GroupIndex, OpticalLength, RouteLength};

pub(super) use self::changed::Changed;
use self::changed::{Known, Pending, SAME_PLACE, breathes, known, notable};
use self::crossed::Suspicion;
pub(super) use self::crossed::Tangle;

/// What all shots of an instrument share beside the group index: its zero, a metre at most.
const OFFSET_SD_M: f64 = 0.6;

/// An end this much before the expected one, as a part of the length, is a break even where no
/// good trace was ever taken: excess and index are known better than that.
const SHORT: f64 = 0.01;

/// Light this close to the noise shows no end that would be believed alone. Found by trial on 130
/// simulated bends and 100 cuts: of 17 breaks that were none, 13 were fainter, and 2 of 200 true ones.
const FAINT: Db = Db::of(3.0);

/// How far off an end in such light may be: as far as the light of a standard fibre falls by that.
const FAINT_END_M: f64 = 15_000.0;

/// A trace may be so much older than a newer one of its view that came before it.
const LAY_ABOUT: core::time::Duration = core::time::Duration::from_secs(1800);

/// The far end's connector and patch cord: how far it may be from the node's own place.
const FAR_END_M: f64 = 8.0;

/// All views of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Views {
    good: BTreeMap<ViewId, Good>,
    /// When the newest trace of each view was taken in by its agent.
    newest: BTreeMap<ViewId, Timestamp>,
    /// Views whose last shot ended where it should not: the next good one begins anew.
    broken: BTreeSet<ViewId>,
    /// How far the light of a view's newest shot stood clear of the noise, where it faded.
    #[serde(default)]
    seen: BTreeMap<ViewId, OpticalLength>,
    /// Changes that the last shot of a view showed.
    pending: BTreeMap<ViewId, Vec<Pending>>,
    /// Views whose last shot may be another's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    suspicions: BTreeMap<ViewId, Suspicion>,
    /// What views of swapped ports look into.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    exchanged: BTreeMap<ViewId, ViewId>,
}

/// The newest good trace of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Good {
    at: Timestamp,
    end_m: OpticalLength,
    plus_minus_m: OpticalLength,
    level: Db,
    drop: Db,
    start: Option<Db>,
    loss: Option<Db>,
    loss_plus_minus: Option<Db>,
    group_index: GroupIndex,
    events: Vec<Known>,
    /// The light around its end: an end told elsewhere is held against it.
    #[serde(default)]
    tail: Option<Tail>,
}

/// What one trace says.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// The view whose fibre it shows, and the one it was taken as.
    pub(super) view: Option<ViewId>,
    pub(super) named: Option<ViewId>,
    pub(super) tangle: Option<Tangle>,
    pub(super) says: Says,
    /// What changed on a whole fibre, where it was compared.
    pub(super) changed: Option<Vec<Changed>>,
    /// The object of `trace --json`, without `file` and `place`.
    pub(super) json: Value,
}

/// What a trace says about its fibre.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Says {
    /// Nothing: unreadable, of no known view, older than another, or a fault of the instrument.
    Nothing,
    /// The fibre is there to its end.
    Whole,
    /// The fibre is there as far as the light reaches, which is not its end.
    Fades,
    /// The fibre ends where it should not.
    Broken(Sighting),
    /// The same in light that is hardly brighter than the noise, or so close to its end that the
    /// glass may have breathed: believed where light is lost too.
    Faint(Sighting),
}

impl Says {
    /// The same of a shot that may be another fibre's: believed where light is lost too.
    fn doubted(self, is_doubted: bool) -> Self {
        match self {
            Self::Broken(seen) | Self::Faint(seen) if is_doubted => Self::Faint(seen),
            _ if is_doubted => Self::Nothing,
            says => says,
        }
    }
}

impl Views {
    /// Looks at a trace; a good one becomes the reference. One from a backlog is looked at by
    /// itself where its view has a newer one already.
    pub(super) fn look(
        &mut self,
        line: &Line,
        otdr: &DeviceId,
        (file, late): (&TraceFile, bool),
    ) -> Look {
        let named = view_of(line, otdr, file);
        let view = named.map(|named| self.really(line, named));
        let stale = view.is_some_and(|view| self.is_old(view, (file.at, late)));
        let read = silkline_sor::read(&file.sor).map_err(|error| error.to_string());
        let made = read.and_then(|sor| {
            let trace = Trace::from_sor(&sor).map_err(|error| error.to_string())?;
            Ok((sor, trace))
        });
        let (sor, trace) = match made {
            Ok(made) => made,
            Err(message) => {
                let ids = [view, named].map(|it| it.map(|it| it.id.clone()));
                return Look::unreadable(ids, &message);
            }
        };
        let analysis = analyse(&trace);
        let live = named.filter(|_| !stale);
        let tangle = live.and_then(|named| self.untangle(line, named, (&trace, &analysis)));
        let view = named.map(|named| self.really(line, named));
        let suspect = live.is_some_and(|named| self.is_suspect(&named.id));
        let reference = view.and_then(|view| self.reference(line, view, &trace));
        let (changes, verdict) = self.compared(view, (&trace, &analysis), reference.as_ref());
        let usable = view.filter(|_| !stale);
        let own_end = reference.as_ref().and_then(|r| r.analysis.end);
        let own_end = own_end.map(|end| end.at);
        let says = usable.map_or(Says::Nothing, |view| {
            let said = says((view, &trace), &analysis, (changes.as_ref(), own_end));
            let said = near::told((view, &trace), &analysis, said);
            said.unless(verdict == Some(Verdict::Unclear))
                .doubted(suspect)
        });
        if let Some(view) = usable {
            self.newest.insert(view.id.clone(), file.at);
            let seen = analysis.seen_to.filter(|_| says == Says::Fades);
            let seen = seen.map(|at| glass_to_mm(at - zero(view, &trace)));
            match seen {
                Some(at) => self.seen.insert(view.id.clone(), at),
                None => self.seen.remove(&view.id),
            };
        }
        let changed = match (view, &says) {
            _ if suspect => None,
            (Some(view), Says::Whole) => {
                let changes = (changes.as_ref(), verdict);
                self.whole(file.at, (view, &trace), (&analysis, changes))
            }
            (Some(view), Says::Broken(_)) => {
                self.broken.insert(view.id.clone());
                None
            }
            (Some(view), Says::Faint(_)) => self.dim((view, &trace), changes.as_ref()),
            (Some(view), Says::Nothing | Says::Fades)
                if usable.is_some() && analysis.fault.is_none() =>
            {
                self.dim((view, &trace), changes.as_ref())
            }
            (_, Says::Nothing | Says::Fades) | (None, _) => None,
        };
        let json = described(&sor, (&trace, &analysis), changes.as_ref());
        Look {
            view: view.map(|view| view.id.clone()),
            named: named.map(|named| named.id.clone()),
            tangle,
            says,
            changed,
            json,
        }
    }

    /// Whether a view has a newer trace than this one. What does not come from a backlog may have
    /// lain about on its way; much older than the newest it is the clock that was set back.
    fn is_old(&self, view: &View, (at, late): (Timestamp, bool)) -> bool {
        let newest = self.newest.get(&view.id).copied();
        newest.is_some_and(|newest| {
            if late {
                newest >= at
            } else {
                newest > at && newest - at < LAY_ABOUT
            }
        })
    }

    /// Takes a shot of a whole fibre: what changed on it, and the reference where nothing did.
    fn whole(
        &mut self,
        at: Timestamp,
        (view, trace): (&View, &Trace),
        (analysis, (changes, verdict)): (&Analysis, (Option<&Comparison>, Option<Verdict>)),
    ) -> Option<Vec<Changed>> {
        let end = analysis.end.as_ref()?;
        let repaired = self.broken.remove(&view.id);
        let before = self.good.get(&view.id).filter(|_| !repaired).cloned();
        let Some(before) = before else {
            let good = Good::of(at, (trace, view), (analysis, end), &[]);
            self.good.insert(view.id.clone(), good);
            self.pending.remove(&view.id);
            return None;
        };
        let own_end = before.reference(view, trace).analysis.end.map(|end| end.at);
        let own_end = own_end.filter(|_| !is_faint(analysis));
        let changed = self.changes((view, trace), (changes, own_end));
        // One end told at two places: the surer of them stands.
        let vaguer = verdict.is_some() && end.plus_minus > before.plus_minus_m;
        if changed.is_empty() && !vaguer {
            let good = Good::of(at, (trace, view), (analysis, end), &before.events);
            self.good.insert(view.id.clone(), good);
        }
        Some(changed)
    }

    /// Takes a shot in which the light fades before any end: what changed on the way.
    fn dim(&mut self, seen: (&View, &Trace), changes: Option<&Comparison>) -> Option<Vec<Changed>> {
        self.good.get(&seen.0.id)?;
        Some(self.changes(seen, (changes, None)))
    }

    /// The changes worth a word, and what is remembered of them for the next shot.
    fn changes(
        &mut self,
        (view, trace): (&View, &Trace),
        (changes, own_end): (Option<&Comparison>, Option<OpticalLength>),
    ) -> Vec<Changed> {
        let changes = changes.map(|c| c.changes.as_slice()).unwrap_or_default();
        let before = self.pending.remove(&view.id);
        let again = before.is_some();
        let pending = before.unwrap_or_default();
        let changed: Vec<Changed> = notable(changes, own_end)
            .map(|change| {
                let sighting = sighting(view, trace, change.at, change.plus_minus);
                let at = sighting.optical_m;
                let near = |p: &Pending| {
                    p.kind == change.kind && (p.at_m - at).abs() < OpticalLength::of(SAME_PLACE)
                };
                Changed {
                    kind: change.kind,
                    delta: to_millidb(change.delta),
                    sure: pending.iter().any(near),
                    again,
                    sighting,
                }
            })
            .collect();
        if !changed.is_empty() {
            let seen = changed.iter().map(|change| Pending {
                kind: change.kind,
                at_m: change.sighting.optical_m,
            });
            self.pending.insert(view.id.clone(), seen.collect());
        }
        changed
    }

    /// What good traces add to the marks of a view.
    pub(super) fn anchors(&self, line: &Line, view: &ViewId) -> Vec<Seen> {
        let far = line.view(view).and_then(|view| far_end(line, view));
        let seen = far.zip(self.good.get(view)).map(|(chainage, good)| Seen {
            chainage,
            optical: good.end_m,
            plus_minus: OpticalLength::of(good.plus_minus_m.get().hypot(FAR_END_M)),
            group_index: good.group_index,
        });
        seen.into_iter().collect()
    }

    /// How far on the ground a view sees, where the light of its newest shot faded.
    pub(super) fn seen_to(&self, line: &Line, view: &View) -> Option<RouteLength> {
        let seen = *self.seen.get(&view.id)?;
        let chain = Chain::of(line, view, None, &[])?;
        Some(chain.interpolate(seen, None))
    }

    /// What differs from the good shot, an end that seems to have changed held against the light
    /// around its own.
    fn compared(
        &self,
        view: Option<&View>,
        shot: (&Trace, &Analysis),
        reference: Option<&Reference>,
    ) -> (Option<Comparison>, Option<Verdict>) {
        let Some(reference) = reference else {
            return (None, None);
        };
        let mut found = compare(shot.1, reference);
        let good = view.and_then(|view| self.good.get(&view.id));
        let tail = good.and_then(|good| good.tail.as_ref());
        let verdict = tail.and_then(|tail| found.settle(tail, shot, reference));
        (Some(found), verdict)
    }

    /// What a shot of `view` is compared with: the newest good one, or what the plant expects.
    fn reference(&self, line: &Line, view: &View, trace: &Trace) -> Option<Reference> {
        if let Some(good) = self.good.get(&view.id) {
            return Some(good.reference(view, trace));
        }
        let chain = Chain::of(line, view, None, &[])?;
        let expected = chain.glass_at(far_end(line, view)?);
        let index = trace.settings().group_index;
        let own = chain.to_index(expected, index) + zero(view, trace);
        Some(reference(own, expected * SHORT, (Db::of(0.0), Db::of(0.0))))
    }
}

impl Good {
    fn of(
        at: Timestamp,
        (trace, view): (&Trace, &View),
        (analysis, end): (&Analysis, &EndOfFibre),
        before: &[Known],
    ) -> Self {
        let doubt = if is_faint(analysis) {
            OpticalLength::of(FAINT_END_M)
        } else {
            end.plus_minus
        };
        Self {
            events: known(analysis, zero(view, trace), before),
            tail: Some(Tail::of(trace, end)),
            at,
            end_m: glass_to_mm(end.at - zero(view, trace)),
            plus_minus_m: glass_to_mm(doubt),
            level: to_millidb(end.level),
            drop: to_millidb(end.drop),
            start: analysis.start_level.map(to_millidb),
            loss: analysis.total_loss.map(to_millidb),
            loss_plus_minus: analysis.total_loss_plus_minus.map(to_millidb),
            group_index: own_index(trace),
        }
    }

    fn reference(&self, view: &View, trace: &Trace) -> Reference {
        let same_time = self.group_index.get() / trace.settings().group_index.get();
        let at = self.end_m * same_time + zero(view, trace);
        let mut made = reference(at, self.plus_minus_m, (self.level, self.drop));
        made.analysis.start_level = self.start;
        made.analysis.total_loss = self.loss;
        made.analysis.total_loss_plus_minus = self.loss_plus_minus;
        let events = self.events.iter();
        made.analysis.events = events
            .map(|known| known.event(same_time, zero(view, trace)))
            .collect();
        made
    }
}

fn reference(at: OpticalLength, plus_minus: OpticalLength, (level, drop): (Db, Db)) -> Reference {
    let end = EndOfFibre {
        at,
        plus_minus,
        kind: EndKind::End,
        reflective: false,
        peak: None,
        saturated: false,
        level,
        drop,
    };
    let analysis = Analysis {
        end: Some(end),
        ..Analysis::default()
    };
    Reference { analysis }
}

impl Look {
    fn unreadable([view, named]: [Option<ViewId>; 2], message: &str) -> Self {
        Self {
            view,
            named,
            tangle: None,
            says: Says::Nothing,
            changed: None,
            json: json!({"error": {"kind": "unreadable", "message": message}}),
        }
    }
}

impl Says {
    /// The same, believed only where light is lost too if the shot alone leaves it unclear.
    fn unless(self, unclear: bool) -> Self {
        match self {
            Self::Broken(seen) if unclear => Self::Faint(seen),
            said => said,
        }
    }
}

fn says(
    (view, trace): (&View, &Trace),
    analysis: &Analysis,
    (changes, own_end): (Option<&Comparison>, Option<OpticalLength>),
) -> Says {
    if analysis.fault.is_some() {
        return Says::Nothing;
    }
    let broken = changes.and_then(|c| c.changes.iter().find(|c| c.kind == ChangeKind::Break));
    let Some(change) = broken else {
        return match analysis.end {
            Some(_) => Says::Whole,
            None if analysis.fades && view.reach.is_some() => Says::Fades,
            None => Says::Nothing,
        };
    };
    let seen = sighting(view, trace, change.at, change.plus_minus);
    if is_faint(analysis) || own_end.is_some_and(|end| breathes(end, change.at)) {
        Says::Faint(seen)
    } else {
        Says::Broken(seen)
    }
}

/// Whether the glass before the end is hardly brighter than the noise: then what looks like an end
/// may be where the light fades, and a bend on the way is enough to move it by kilometres.
fn is_faint(analysis: &Analysis) -> bool {
    let end = analysis.end.as_ref();
    let over = end.zip(analysis.noise_floor);
    over.is_some_and(|(end, floor)| end.level - floor < FAINT)
}

/// Something that a shot shows at a place, counted from the view's node.
fn sighting(view: &View, trace: &Trace, at: OpticalLength, plus_minus: OpticalLength) -> Sighting {
    shot::sighting(
        view,
        trace,
        (at, plus_minus),
        OpticalLength::of(OFFSET_SD_M),
    )
}

fn view_of<'a>(line: &'a Line, otdr: &DeviceId, file: &TraceFile) -> Option<&'a View> {
    let by_name = file.view.as_ref().and_then(|id| line.view(id));
    by_name.or_else(|| {
        let port = file.port?;
        line.views
            .iter()
            .find(|v| v.device.as_ref() == Some(otdr) && v.port == Some(port))
    })
}

fn far_end(line: &Line, view: &View) -> Option<RouteLength> {
    use silkline_protocol::plant::Toward;
    let until = view.until.as_ref().and_then(|id| line.node(id));
    let end = match view.toward {
        Toward::A => line.nodes.first(),
        Toward::B => line.nodes.last(),
    };
    until.or(end).map(|node| node.chainage)
}

/// The group index of a trace, to the five digits that its file tells.
fn own_index(trace: &Trace) -> GroupIndex {
    GroupIndex::of((trace.settings().group_index.get() * 1e5).round() / 1e5)
}

fn to_millidb(value: Db) -> Db {
    Db::of((value.get() * 1000.0).round() / 1000.0)
}

/// The object of `trace --json`, as far as one trace and its reference tell.
fn described(
    sor: &silkline_sor::Sor,
    (trace, analysis): (&Trace, &Analysis),
    changes: Option<&Comparison>,
) -> Value {
    let settings = trace.settings();
    let end = analysis
        .end
        .as_ref()
        .map(|end| json!({"at_m": end.at, "plus_minus_m": end.plus_minus, "kind": end.kind}));
    let change = |c: &silkline_analysis::trace::Change| json!({"kind": c.kind, "at_m": c.at, "plus_minus_m": c.plus_minus, "delta_db": c.delta});
    let changes: Vec<Value> = changes
        .map(|c| c.changes.iter().map(change).collect())
        .unwrap_or_default();
    let warnings: Vec<&String> = sor.warnings.iter().chain(&analysis.warnings).collect();
    json!({
        "format": format!("sor-{}.{}", sor.version / 100, sor.version / 10 % 10),
        "wavelength_nm": settings.wavelength,
        "pulse_ns": settings.pulse_ns,
        "group_index": own_index(trace),
        "sample_spacing_m": settings.spacing,
        "samples": trace.levels().len(),
        "backscatter_db": settings.backscatter,
        "noise_floor_db": analysis.noise_floor,
        "end_of_fibre": end,
        "total_loss_db": analysis.total_loss,
        "orl_db": analysis.return_loss,
        "changes": changes,
        "warnings": warnings,
    })
}

#[cfg(test)]
mod tests;
