//! Changes of a fibre that is whole: a bend, a worse splice, a new reflection, a moved end.
//!
//! A single shot has noise enough to make an event of it once in a while: two shots in a row must
//! show a change at one place. The reference takes part in no change that it should show: of an
//! event that is known its first loss stays, however slowly it grows.

use serde::{Deserialize, Serialize};
use silkline_analysis::place::{Sighting, glass_to_mm};
use silkline_analysis::series::Severity;
use silkline_analysis::trace::{Analysis, Change, ChangeKind, Event, EventKind};
use silkline_protocol::unit::{Db, OpticalLength};

use super::to_millidb;

/// What is worth an incident.
///
/// # Source
///
/// Common practice of fibre monitoring: a new loss of 0.2 dB, 0.3 dB more at a known one, 5 dB
/// more reflection.
const NEW_LOSS: f64 = 0.2;
const MORE_LOSS: f64 = 0.3;
const MORE_REFLECTION: f64 = 5.0;

/// How far it must stand out of its noise.
const SIGMAS: f64 = 5.0;

/// Cables breathe with the seasons: an end within this part of the length has not moved.
const BREATHES: f64 = 5e-4;
const LEAST_MOVE: f64 = 30.0;

/// Loss from which service is at risk soon.
const MUCH: f64 = 1.0;

/// Changes this close are one, and events.
pub(super) const SAME_PLACE: f64 = 30.0;

/// Events that are kept of a reference.
const KEPT: usize = 300;

/// A change that a shot shows.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Changed {
    pub(in crate::engine) kind: ChangeKind,
    pub(in crate::engine) sighting: Sighting,
    pub(in crate::engine) delta: Db,
    /// Whether the shot before showed it too.
    pub(in crate::engine) sure: bool,
    /// Whether the shot before showed any change: then another shot was asked for already.
    pub(in crate::engine) again: bool,
}

/// A change that one shot has shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) kind: ChangeKind,
    pub(super) at_m: OpticalLength,
}

/// An event of a good trace, as far as a comparison needs it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) at_m: OpticalLength,
    plus_minus_m: OpticalLength,
    kind: EventKind,
    loss: Option<Db>,
    loss_plus_minus: Option<Db>,
    reflectance: Option<Db>,
    saturated: bool,
}

impl Changed {
    /// How bad it is.
    pub(in crate::engine) fn severity(&self) -> Severity {
        let loses = matches!(self.kind, ChangeKind::NewLoss | ChangeKind::LossChange);
        if loses && self.delta > Db::of(MUCH) {
            Severity::Minor
        } else {
            Severity::Warning
        }
    }

    /// What it is, in words.
    pub(in crate::engine) fn said(&self) -> String {
        let (at, delta) = (self.sighting.optical_m, self.delta.get());
        let what = match self.kind {
            ChangeKind::NewLoss => format!("a new loss of {delta:.2} dB"),
            ChangeKind::LossChange => format!("{delta:.2} dB more loss"),
            ChangeKind::ReflectanceChange => format!("{delta:.1} dB more reflection"),
            ChangeKind::EndMoved => "the end has moved".to_owned(),
            ChangeKind::Break | ChangeKind::TotalLossChange => "a change".to_owned(),
        };
        format!("view {} shows {what} at {at:.1}", self.sighting.view)
    }

    /// Whether it is the change of a kind at a place of the view.
    pub(in crate::engine) fn is(&self, kind: ChangeKind, at: OpticalLength) -> bool {
        self.kind == kind && (self.sighting.optical_m - at).abs() < OpticalLength::of(SAME_PLACE)
    }
}

/// The changes that are worth an incident.
pub(super) fn notable(
    changes: &[Change],
    end: Option<OpticalLength>,
) -> impl Iterator<Item = &Change> {
    changes.iter().filter(move |change| {
        let delta = change.delta.get();
        let clear = change.sigmas.is_none_or(|sigmas| sigmas >= SIGMAS);
        match change.kind {
            ChangeKind::NewLoss => clear && delta > NEW_LOSS,
            ChangeKind::LossChange => clear && delta >= MORE_LOSS,
            ChangeKind::ReflectanceChange => delta >= MORE_REFLECTION,
            ChangeKind::EndMoved => end.is_some_and(|end| !breathes(end, change.at)),
            ChangeKind::Break | ChangeKind::TotalLossChange => false,
        }
    })
}

/// Whether an end is as far from where it was as glass moves with the seasons.
pub(super) fn breathes(end: OpticalLength, now: OpticalLength) -> bool {
    let far = (end.get() * BREATHES).max(LEAST_MOVE);
    (now - end).abs() <= OpticalLength::of(far)
}

/// The events of a good trace, counted from the view's node at `zero`; of those in `before` the
/// first loss stays.
pub(super) fn known(analysis: &Analysis, zero: OpticalLength, before: &[Known]) -> Vec<Known> {
    let own = |event: &Event| {
        let at_m = glass_to_mm(event.at - zero);
        let near = |known: &&Known| (known.at_m - at_m).abs() < OpticalLength::of(SAME_PLACE);
        let first = before.iter().find(near);
        Known {
            at_m,
            plus_minus_m: glass_to_mm(event.plus_minus),
            kind: event.kind,
            loss: first
                .and_then(|first| first.loss)
                .or_else(|| event.loss.map(to_millidb)),
            loss_plus_minus: event.loss_plus_minus.map(to_millidb),
            reflectance: event.reflectance.map(to_millidb),
            saturated: event.saturated,
        }
    };
    analysis.events.iter().take(KEPT).map(own).collect()
}

impl Known {
    /// The event where it is in a trace whose index is `same_time` times its own.
    pub(super) fn event(&self, same_time: f64, zero: OpticalLength) -> Event {
        Event {
            at: self.at_m * same_time + zero,
            plus_minus: self.plus_minus_m,
            kind: self.kind,
            loss: self.loss,
            loss_plus_minus: self.loss_plus_minus,
            reflectance: self.reflectance,
            slope_before: None,
            saturated: self.saturated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, at: f64, delta: f64) -> Change {
        Change {
            kind,
            at: OpticalLength::of(at),
            plus_minus: OpticalLength::of(5.0),
            delta: Db::of(delta),
            delta_plus_minus: None,
            sigmas: Some(8.0),
            near: None,
        }
    }

    #[test]
    fn small_changes_and_a_cable_that_breathes_are_nothing() {
        let end = Some(OpticalLength::of(80_000.0));
        let count = |changes: &[Change]| notable(changes, end).count();
        assert_eq!(count(&[change(ChangeKind::NewLoss, 10_000.0, 0.19)]), 0);
        assert_eq!(count(&[change(ChangeKind::NewLoss, 10_000.0, 0.21)]), 1);
        assert_eq!(count(&[change(ChangeKind::LossChange, 10_000.0, 0.29)]), 0);
        assert_eq!(
            count(&[change(ChangeKind::LossChange, 10_000.0, -0.8)]),
            0,
            "better"
        );
        assert_eq!(count(&[change(ChangeKind::EndMoved, 80_030.0, 5.0)]), 0);
        assert_eq!(count(&[change(ChangeKind::EndMoved, 80_060.0, 5.0)]), 1);
        let faint = Change {
            sigmas: Some(3.0),
            ..change(ChangeKind::NewLoss, 10_000.0, 0.5)
        };
        assert_eq!(count(&[faint]), 0);
    }
}
