//! Whether shots suit a reference: taken alike, and with light where it is watched.

use super::{How, Look, Watch};
use crate::trace::analyse::{InstrumentFault, analyse};
use crate::trace::anchor::anchor;
use crate::trace::compare::{ChangeKind, compare};
use crate::trace::line::median;
use crate::trace::samples::{Settings, Trace};

impl Watch {
    /// Why shots can not be subtracted from the mean.
    pub(super) fn unlike(&self, shots: &[Trace]) -> Option<String> {
        let own = &self.settings;
        let differs = |shot: &Trace| {
            let settings = shot.settings();
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1e-9);
            let pulse = near(own.pulse_ns, settings.pulse_ns);
            let spacing = near(own.spacing.get(), settings.spacing.get());
            let index = near(own.group_index.get(), settings.group_index.get());
            let first =
                (own.first - settings.first).abs().get() < 0.01 * own.spacing.get().max(0.1);
            if self.is_of_another_colour(shot) {
                Some("wavelength")
            } else if !pulse {
                Some("pulse")
            } else if !spacing {
                Some("spacing")
            } else if !index {
                Some("group index")
            } else if !first {
                Some("zero")
            } else if shot.levels().len() < self.bins.to() {
                Some("range")
            } else {
                None
            }
        };
        let what = shots.iter().find_map(differs)?;
        Some(format!("another {what} than the reference"))
    }

    /// Whether a shot was taken with light of another colour, where both tell theirs.
    pub(super) fn is_of_another_colour(&self, shot: &Trace) -> bool {
        let nm = |settings: &Settings| settings.wavelength.map(|w| w.get());
        let both = nm(&self.settings).zip(nm(shot.settings()));
        both.is_some_and(|(a, b)| (a - b).abs() >= 3.0)
    }

    /// Whether a shot shows light where the watched stretch begins.
    pub(super) fn is_lit(&self, shot: &Trace) -> bool {
        let (from, to) = (self.bins.from, self.bins.from + self.bins.size * 8);
        let level = |trace: &Trace| median(&mut trace.stretch(from, to).to_vec());
        let darker = level(&self.mean) - level(shot);
        darker.abs() < 3.0
            && shot
                .stretch(from, to)
                .iter()
                .any(|level| !shot.is_dark(*level))
    }

    /// Compares lists of events, the shot's told in the reference's positions.
    pub(super) fn by_events(&self, shot: &Trace, why: String) -> Look {
        let mut analysis = analyse(shot);
        let anchors = anchor(&analysis.events, &self.analysis.events);
        let told_alike = self.settings.group_index == shot.settings().group_index;
        if anchors.is_none()
            && told_alike
            && self.is_another_by_events(&analysis, shot.pulse().get())
        {
            return Look::faulty(InstrumentFault::OtherFibre);
        }
        let mut notes = vec![format!(
            "{why}: compared by events, small changes do not show"
        )];
        match &anchors {
            Some(anchors) => {
                for event in &mut analysis.events {
                    *event = anchors.event(event);
                }
                if let Some(end) = &mut analysis.end {
                    let there = anchors.to_reference(end.at, end.plus_minus);
                    (end.at, end.plus_minus) = (there.at, there.plus_minus);
                }
            }
            None => {
                notes.push("too few events agree to tell places from: positions as told".into())
            }
        }
        let mut comparison = compare(&analysis, &self.reference());
        let pulse = |settings: &Settings| settings.pulse_ns;
        if (pulse(shot.settings()) - pulse(&self.settings)).abs() > 0.01 * pulse(&self.settings) {
            // Levels of different pulses say nothing of the launch; a short pulse sees less far.
            comparison.launch_loss = None;
            let reaches = analysis.end.is_some() || self.analysis.end.is_none();
            comparison
                .changes
                .retain(|c| reaches || c.kind != ChangeKind::TotalLossChange);
        }
        if self.is_of_another_colour(shot) {
            // Glass, joints and bends lose another part of each colour; what is new is so in all.
            use ChangeKind::{Break, EndMoved, NewLoss};
            comparison.launch_loss = None;
            comparison
                .changes
                .retain(|c| matches!(c.kind, Break | EndMoved | NewLoss));
        }
        Look {
            comparison,
            how: How::ByEvents { why },
            drift: None,
            notes,
        }
    }
}
