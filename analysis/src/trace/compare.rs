//! One trace against a reference of the same view.
//!
//! The reference is analysed once. A shot is judged against it in this order: is the shot usable
//! at all, did less light go in, does the fibre end elsewhere, did the loss of what is left change.
//! Less light into the fibre lowers everything alike and is the instrument's or the patch cord's
//! fault, not the line's.

mod tail;

use serde::{Deserialize, Serialize};
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

pub use self::tail::{Tail, Verdict};
use super::analyse::{Analysis, InstrumentFault};
use super::anchor::nearest;
use super::end::{EndKind, EndOfFibre};
use super::event::{Event, EventKind};
use super::samples::Trace;

/// A launch that lost less than this is no finding: connectors repeat to about 0.2 dB.
pub(super) const LAUNCH_CHANGE: Db = Db::of(0.5);

/// A change of total loss below this is no finding whatever the noise, by default.
const LOSS_CHANGE: Db = Db::of(0.15);

/// A change of one event's loss below this is no finding whatever the noise.
const EVENT_CHANGE: Db = Db::of(0.15);

/// A reflection that changes by less is no finding: connectors breathe.
const REFLECTANCE_CHANGE: Db = Db::of(5.0);

/// Events this close are one event, beside what three times both intervals allow.
const SAME_PLACE: OpticalLength = OpticalLength::of(10.0);

/// Ends this close are one end, beside what both intervals allow.
const END_CHANGE: OpticalLength = OpticalLength::of(3.0);

/// What a shot is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The analysis of a good trace of the same view, taken when all was well.
    pub analysis: Analysis,
}

/// What is different from the reference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Why nothing can be said about the fibre.
    pub fault: Option<InstrumentFault>,
    /// How much less light goes into the fibre, where that is more than connectors repeat.
    pub launch_loss: Option<Db>,
    /// What changed on the fibre, most important first.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Where, from the user offset.
    pub at: OpticalLength,
    /// Half of the 95 % interval of the place.
    pub plus_minus: OpticalLength,
    /// By how much, in decibels: loss gained, or light lost behind a break, at least; of a
    /// reflection, how much more it reflects, or how high a new one stands.
    pub delta: Db,
    /// Half of the 95 % interval of that, where it was measured.
    pub delta_plus_minus: Option<Db>,
    /// How many standard deviations it stands out, where that was measured.
    pub sigmas: Option<f64>,
    /// The reference's event nearest to it: what the place is best told from.
    pub near: Option<OpticalLength>,
}

/// Kinds of change, as design §5.1 names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The fibre ends before the reference's end.
    Break,
    /// A loss where there was none.
    NewLoss,
    /// A known event loses more or less than before.
    LossChange,
    /// A known event reflects more or less than before.
    ReflectanceChange,
    /// The fibre goes on behind the reference's end.
    EndMoved,
    /// The whole fibre loses more or less than before.
    TotalLossChange,
}

impl EndOfFibre {
    /// This end as a break, where a reference of the same view reaches farther.
    #[must_use]
    pub fn against(self, reference: &Reference) -> Self {
        let shorter = end_change(&self, reference).is_some_and(|c| c.kind == ChangeKind::Break);
        Self {
            kind: if shorter { EndKind::Break } else { self.kind },
            ..self
        }
    }
}

/// Compares an analysis with a reference of the same view.
#[must_use]
pub fn compare(shot: &Analysis, reference: &Reference) -> Comparison {
    if let Some(fault) = shot.fault {
        return Comparison::faulty(fault);
    }
    let mut changes = Vec::new();
    changes.extend(shot.end.as_ref().and_then(|end| end_change(end, reference)));
    let end = changes.first().map(|change| change.at);
    changes.extend(event_changes(&shot.events, &reference.analysis.events, end));
    if changes.is_empty() {
        changes.extend(total_loss_change(shot, &reference.analysis));
    }
    Comparison {
        fault: None,
        launch_loss: launch_loss(shot, &reference.analysis),
        changes,
    }
}

impl Comparison {
    /// Nothing is known of the fibre.
    pub(super) fn faulty(fault: InstrumentFault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// Holds an end that seems to have changed against the light around the good shot's: where that
    /// is as before, it has not. Gives what was found; nothing where no end had changed.
    ///
    /// A break that stays unclear stays in the list: nothing was seen behind it, whatever is there.
    pub fn settle(
        &mut self,
        tail: &Tail,
        (trace, shot): (&Trace, &Analysis),
        reference: &Reference,
    ) -> Option<Verdict> {
        let ends = [ChangeKind::Break, ChangeKind::EndMoved];
        let k = self.changes.iter().position(|c| ends.contains(&c.kind))?;
        let breaks = self.changes.get(k)?.kind == ChangeKind::Break;
        let (end, known) = (shot.end.as_ref()?, reference.analysis.end.as_ref()?);
        if !tail.is_like(trace) {
            return None;
        }
        let slope = reference.analysis.usual_slope();
        let verdict = tail.judge(trace, (known.at, slope), end);
        let stays = match verdict {
            Verdict::Changed => true,
            Verdict::AsBefore => false,
            Verdict::Unclear => breaks,
        };
        if !stays {
            self.changes.remove(k);
        }
        Some(verdict)
    }
}

impl Analysis {
    /// What a kilometre loses from the start to the end, splices with it; that of usual glass where
    /// this is not known.
    pub(super) fn usual_slope(&self) -> DbPerKm {
        const USUAL: f64 = 0.22;
        let told = self.end.as_ref().zip(self.start_level).map(|(end, start)| {
            let km = (end.at.get() / 1_000.0).max(0.1);
            (start - end.level).get() / km
        });
        DbPerKm::of(
            told.filter(|slope| (0.1..1.0).contains(slope))
                .unwrap_or(USUAL),
        )
    }
}

fn launch_loss(shot: &Analysis, reference: &Analysis) -> Option<Db> {
    let less = reference.start_level? - shot.start_level?;
    (less > LAUNCH_CHANGE).then_some(less)
}

pub(super) fn end_change(end: &EndOfFibre, reference: &Reference) -> Option<Change> {
    let Some(known) = &reference.analysis.end else {
        // The reference saw no end, so any end is before it.
        return Some(change(ChangeKind::Break, end, end.drop));
    };
    let doubt = OpticalLength::of(end.plus_minus.get().hypot(known.plus_minus.get()));
    let moved = end.at - known.at;
    if moved.abs() < doubt * 1.5 + END_CHANGE {
        return None;
    }
    let kind = if moved < OpticalLength::of(0.0) {
        ChangeKind::Break
    } else {
        ChangeKind::EndMoved
    };
    Some(change(kind, end, end.drop))
}

const fn change(kind: ChangeKind, end: &EndOfFibre, delta: Db) -> Change {
    Change {
        kind,
        at: end.at,
        plus_minus: end.plus_minus,
        delta,
        delta_plus_minus: None,
        sigmas: None,
        near: None,
    }
}

/// What is new or different between two lists of events, up to a changed end.
///
/// A reference without any events, not even an end, is one whose events were not kept: nothing
/// can be new against it.
fn event_changes(shot: &[Event], reference: &[Event], end: Option<OpticalLength>) -> Vec<Change> {
    if reference.is_empty() {
        return Vec::new();
    }
    let matters = |event: &&Event| {
        let before_end = end.is_none_or(|end| event.at + event.plus_minus < end);
        !matches!(event.kind, EventKind::End | EventKind::Ghost) && before_end
    };
    let mut changes: Vec<Change> = shot
        .iter()
        .filter(matters)
        .filter_map(|event| event_change(event, reference))
        .collect();
    changes.sort_by(|a, b| b.delta.abs().get().total_cmp(&a.delta.abs().get()));
    changes
}

/// How one event differs from the nearest of the reference, if it does.
fn event_change(event: &Event, reference: &[Event]) -> Option<Change> {
    let half = |event: &Event| event.loss_plus_minus.map_or(0.0, Db::get);
    let near = nearest(reference, event.at);
    let of = |kind, delta, half: Option<f64>| Change {
        kind,
        at: event.at,
        plus_minus: event.plus_minus,
        delta,
        delta_plus_minus: half.map(Db::of),
        sigmas: half.map(|half| 1.96 * delta.abs().get() / half.max(1e-6)),
        near: near.map(|near| near.at),
    };
    let known = near.filter(|known| {
        let doubt = event.plus_minus.get().hypot(known.plus_minus.get());
        (event.at - known.at).abs() < SAME_PLACE + OpticalLength::of(3.0 * doubt)
    });
    let Some(known) = known else {
        let least = EVENT_CHANGE.get().max(2.0 * half(event));
        let loss = event.loss?;
        return (loss.get() > least).then(|| of(ChangeKind::NewLoss, loss, Some(half(event))));
    };
    if let (Some(now), Some(before)) = (event.loss, known.loss) {
        let doubt = half(event).hypot(half(known));
        let delta = now - before;
        if delta.abs().get() > EVENT_CHANGE.get().max(2.0 * doubt) {
            return Some(of(ChangeKind::LossChange, delta, Some(doubt)));
        }
    }
    let delta = event.reflectance? - known.reflectance?;
    let clear = !event.saturated && !known.saturated;
    (clear && delta.abs() > REFLECTANCE_CHANGE)
        .then(|| of(ChangeKind::ReflectanceChange, delta, None))
}

fn total_loss_change(shot: &Analysis, reference: &Analysis) -> Option<Change> {
    let (now, before) = (shot.total_loss?, reference.total_loss?);
    let doubt = |analysis: &Analysis| analysis.total_loss_plus_minus.map_or(0.0, Db::get);
    let limit = LOSS_CHANGE
        .get()
        .max(2.0 * doubt(shot).hypot(doubt(reference)));
    let delta = now - before;
    let end = shot.end.as_ref()?;
    (delta.abs() > Db::of(limit)).then(|| change(ChangeKind::TotalLossChange, end, delta))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::analyse;
    use crate::trace::synth::{Feature, Plan};

    fn reference() -> Reference {
        Reference {
            analysis: analyse(&intact().trace()),
        }
    }

    fn intact() -> Plan {
        Plan {
            end_reflectance_db: Some(-30.0),
            ..Plan::default()
        }
    }

    fn kinds(plan: &Plan) -> Vec<ChangeKind> {
        let found = compare(&analyse(&plan.trace()), &reference());
        found.changes.iter().map(|change| change.kind).collect()
    }

    #[test]
    fn the_same_fibre_again_shows_no_change() {
        for seed in 2..40 {
            let found = compare(&analyse(&Plan { seed, ..intact() }.trace()), &reference());
            assert_eq!(found, Comparison::default(), "seed {seed}");
        }
    }

    #[test]
    fn a_shorter_fibre_is_broken_and_a_longer_one_moved_its_end() {
        let broken = Plan {
            end_m: 13_337.0,
            end_reflectance_db: None,
            ..intact()
        };
        assert_eq!(kinds(&broken), [ChangeKind::Break]);
        let analysis = analyse(&broken.trace());
        let end = analysis.end.unwrap().against(&reference());
        assert_eq!(end.kind, EndKind::Break);
        assert!((end.at.get() - 13_337.0).abs() < 10.0);
        let longer = Plan {
            end_m: 21_000.0,
            ..intact()
        };
        assert_eq!(kinds(&longer), [ChangeKind::EndMoved]);
    }

    fn with(feature: Feature) -> Analysis {
        analyse(
            &Plan {
                features: vec![feature],
                ..intact()
            }
            .trace(),
        )
    }

    #[test]
    fn a_bend_is_a_new_loss_where_it_is() {
        let bend = Feature {
            at_m: 8_000.0,
            loss_db: 0.8,
            reflectance_db: None,
        };
        let found = compare(&with(bend), &reference());
        let [change] = found.changes[..] else {
            panic!("{found:?}")
        };
        assert_eq!(change.kind, ChangeKind::NewLoss);
        assert!((change.delta.get() - 0.8).abs() < 0.05, "{change:?}");
        assert!((change.at.get() - 8_000.0).abs() < 20.0, "{change:?}");
    }

    #[test]
    fn against_a_reference_without_events_a_bend_changes_the_total_loss() {
        let bend = Feature {
            at_m: 8_000.0,
            loss_db: 0.8,
            reflectance_db: None,
        };
        let mut bare = reference();
        bare.analysis.events.clear();
        let found = compare(&with(bend), &bare);
        let kinds: Vec<ChangeKind> = found.changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::TotalLossChange]);
    }

    #[test]
    fn a_known_event_that_loses_or_reflects_otherwise_is_a_change_of_it() {
        let joint = |loss_db, reflectance_db| {
            with(Feature {
                at_m: 8_000.0,
                loss_db,
                reflectance_db: Some(reflectance_db),
            })
        };
        let reference = Reference {
            analysis: joint(0.2, -45.0),
        };
        let kind = |shot: &Analysis| compare(shot, &reference).changes.first().map(|c| c.kind);
        assert_eq!(kind(&joint(0.2, -45.0)), None);
        assert_eq!(kind(&joint(0.7, -45.0)), Some(ChangeKind::LossChange));
        assert_eq!(
            kind(&joint(0.2, -36.0)),
            Some(ChangeKind::ReflectanceChange)
        );
    }

    #[test]
    fn less_light_is_the_launch_and_not_the_line() {
        let trace = intact().trace();
        let levels = trace.levels().iter().map(|level| level - 1.0).collect();
        let low = Trace::new(*trace.settings(), levels, None).unwrap();
        let found = compare(&analyse(&low), &reference());
        assert_eq!(found.changes, []);
        assert!((found.launch_loss.unwrap().get() - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_blank_shot_is_the_instruments_fault() {
        let trace = intact().trace();
        let levels = vec![0.0; trace.levels().len()];
        let blank = Trace::new(*trace.settings(), levels, None).unwrap();
        let found = compare(&analyse(&blank), &reference());
        assert_eq!(found.fault, Some(InstrumentFault::Blank));
        assert_eq!(found.changes, []);
    }
}
