//! Whether shots suit a reference: taken alike, and with light where it is watched.

use super::Watch;
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
}
