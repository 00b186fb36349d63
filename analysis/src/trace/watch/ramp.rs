//! The shape of a step in a difference: a pulse fills with dimmer glass, through a receiver.
//!
//! A step in the glass is a ramp in the trace, as long as the pulse and then some. In short pulses
//! a bin swallows it; in pulses of a microsecond and more a sharp step is a wrong model by many
//! deviations, of size and of place. What shows in linear power is the part of the pulse's light
//! that comes from behind the step: in a long pulse that glass is dimmer than the rest.

use crate::trace::edge::Shape;

/// Samples of a point that are looked at one by one, at the most.
const MOST_PARTS: usize = 4;

/// A step as a trace shows it; lengths in samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ramp {
    /// Where the step begins, counted from sample 0.
    pub(super) at: f64,
    /// The pulse's length.
    pub(super) pulse: f64,
    /// The receiver's time constant.
    pub(super) constant: f64,
    /// By how much the light of the glass falls a sample, both ways, as a natural logarithm.
    pub(super) fade: f64,
    /// What is lost, in decibels.
    pub(super) size: f64,
}

/// Time constants behind which a ramp is complete.
const COMPLETE: f64 = 6.0;

impl Ramp {
    /// Samples from the beginning to where nothing changes any more.
    pub(super) fn length(&self) -> f64 {
        self.pulse + COMPLETE * self.constant
    }

    /// The mean fall over some samples, in decibels, and by how much it grows with the size.
    pub(super) fn fall(&self, first: usize, samples: usize) -> (f64, f64) {
        let filled = self.filled(first as f64 - self.at, samples);
        if filled <= 0.0 {
            return (0.0, 0.0);
        }
        let left = 10_f64.powf(-self.size / 5.0);
        let now = (1.0 - filled * (1.0 - left)).max(1e-9);
        (-5.0 * now.log10(), filled * left / now)
    }

    /// How much of the light comes from behind the step, `behind` samples after its beginning.
    fn filled(&self, behind: f64, samples: usize) -> f64 {
        let parts = samples.clamp(1, MOST_PARTS);
        let shape = Shape {
            pulse: self.pulse.max(1e-3),
            constant: self.constant.max(1e-3),
        };
        let middle = behind + (samples.max(1) as f64 - 1.0) / 2.0;
        let each = samples as f64 / parts as f64;
        let part = |k: usize| {
            let off = (k as f64 + 0.5 - parts as f64 / 2.0) * each;
            1.0 - shape.in_glass(middle + off, self.fade).0
        };
        let sum: f64 = (0..parts).map(part).sum();
        (sum / parts as f64).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAMP: Ramp = Ramp {
        at: 100.0,
        pulse: 20.0,
        constant: 6.0,
        fade: 0.0,
        size: 0.5,
    };

    #[test]
    fn a_ramp_begins_where_it_says_and_ends_at_its_size() {
        assert_eq!(RAMP.fall(90, 1), (0.0, 0.0));
        let behind = 100 + crate::trace::samples::whole(RAMP.length()) + 1;
        let (fall, grows) = RAMP.fall(behind, 1);
        assert!(
            (fall - 0.5).abs() < 2e-3 && (grows - 1.0).abs() < 5e-3,
            "{fall} {grows}"
        );
    }

    #[test]
    fn several_samples_show_the_mean_of_each() {
        let one = |i: usize| RAMP.fall(104 + i, 1).0;
        let mean = (0..8).map(one).sum::<f64>() / 8.0;
        let (fall, _) = RAMP.fall(104, 8);
        assert!((fall / mean - 1.0).abs() < 0.01, "{fall} {mean}");
    }

    #[test]
    fn in_a_long_pulse_the_dimmer_glass_behind_counts_for_less() {
        let long = Ramp { fade: 0.02, ..RAMP };
        let (flat, falling) = (RAMP.fall(112, 1).0, long.fall(112, 1).0);
        assert!(falling < 0.95 * flat, "{falling} {flat}");
        assert!((long.fall(190, 1).0 - 0.5).abs() < 2e-3);
    }

    #[test]
    fn the_growth_is_the_slope_of_the_fall() {
        let more = Ramp { size: 0.51, ..RAMP };
        let less = Ramp { size: 0.49, ..RAMP };
        for at in [103, 110, 125] {
            let slope = (more.fall(at, 1).0 - less.fall(at, 1).0) / 0.02;
            let (_, grows) = RAMP.fall(at, 1);
            assert!((slope - grows).abs() < 1e-3, "{at}: {slope} {grows}");
        }
    }
}
