//! A reflection in a pulse of few samples: what they show depends on where on it they lie.
//!
//! ```text
//! reference's peak ─▶ start and receiver that make it ─┐
//! shot's peak ─────────────────────────────────────────┴─▶ strength, over all zeros that may be
//! ```
//!
//! A sum of its samples would grow and shrink as a zero drifts by parts of a sample; the shape of the
//! reference's own peak tells by how much.

use serde::{Deserialize, Serialize};

use crate::trace::edge::Shape;

/// Samples of longer pulses add up to the same wherever they lie.
const FEW: f64 = 4.0;

/// Starts tried around where an event was told, in samples, and how finely.
const AROUND: f64 = 1.5;
const FINE: f64 = 0.02;

/// Time constants tried, in pulses, how many, and the usual one, known to a factor of e.
const CONSTANTS: [f64; 2] = [0.1, 1.0];
const EACH: usize = 14;
const USUAL: f64 = 0.35;

/// What a shape of one pole misses of a peak, as a part of its top.
const MISSES: f64 = 0.02;

/// A peak of which it misses more is not told by it.
const MOST_MISSED: f64 = 0.1;

/// Zeros tried, up to so many samples to either side.
const ZEROS: usize = 61;
const WIDE: f64 = 0.75;

/// What makes a reference's peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Sampled {
    /// Where it begins, counted from sample 0.
    start: f64,
    /// The receiver's time constant and the pulse, in samples.
    constant: f64,
    pulse: f64,
    /// Its own light over that of the glass.
    strength: f64,
    /// Noise of a sample, as a part of its light.
    noise: f64,
}

/// What samples show over the glass, that of the glass being 1, and which is the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Top<'a> {
    pub(super) first: usize,
    pub(super) rises: &'a [f64],
}

impl Sampled {
    /// Finds what makes a peak told to begin at sample `at`, in a pulse of so many samples; none
    /// where the pulse is long, or no such shape makes it.
    pub(super) fn of(top: Top<'_>, (at, pulse): (f64, f64), noise: f64) -> Option<Self> {
        if pulse > FEW {
            return None;
        }
        let strength = top.rises.iter().copied().fold(0.0, f64::max);
        let [low, high] = CONSTANTS.map(f64::ln);
        let constants = (0..EACH).map(|k| low + (high - low) * k as f64 / (EACH - 1) as f64);
        let starts = (0..).map(|k| at - AROUND + FINE * f64::from(k));
        let starts = starts.take_while(|start| *start <= at + AROUND);
        let mut best: Option<(f64, Self)> = None;
        for constant in constants {
            let off = constant - USUAL.ln();
            for start in starts.clone() {
                let shape = Self {
                    start,
                    constant: constant.exp() * pulse,
                    pulse,
                    strength,
                    noise,
                };
                let (strength, misfit) = shape.fit(top, 0.0);
                let misfit = misfit + off * off;
                if best.is_none_or(|(least, _)| misfit < least) {
                    best = Some((misfit, Self { strength, ..shape }));
                }
            }
        }
        let (_, best) = best?;
        let tallest = MOST_MISSED * strength;
        (best.strength > 0.0 && best.missed(top) < tallest).then_some(best)
    }

    /// How strong a shot's peak is beside the reference's, and the standard deviation of its
    /// logarithm that its zero leaves open: late by so many samples, and that one's deviation.
    pub(super) fn strength(&self, top: Top<'_>, (late, zero): (f64, f64)) -> (f64, f64) {
        let (rough, _) = self.fit(top, late);
        let own = Self {
            strength: rough.max(0.01 * self.strength),
            ..*self
        };
        // Edges tell the zero, but a reflection that changed may have told them another one: the
        // peak itself has the last word.
        let likely = |off: f64| (1.0 + (off / zero).powi(2)).recip();
        let tried: Vec<(f64, f64)> = (0..ZEROS)
            .map(|k| {
                let here = WIDE * (2.0 * k as f64 / (ZEROS - 1) as f64 - 1.0);
                let (strength, misfit) = own.fit(top, here);
                let before = likely(here) + likely(here - late);
                (strength, misfit - 2.0 * before.ln())
            })
            .collect();
        let least = tried
            .iter()
            .map(|(_, misfit)| *misfit)
            .fold(f64::MAX, f64::min);
        let weight = |misfit: f64| (-0.5 * (misfit - least)).exp();
        let all: f64 = tried.iter().map(|(_, misfit)| weight(*misfit)).sum();
        let mean = |f: &dyn Fn(f64) -> f64| {
            let each = tried
                .iter()
                .map(|(strength, misfit)| weight(*misfit) * f(*strength));
            each.sum::<f64>() / all
        };
        let found = mean(&|strength| strength);
        let scatter = mean(&|strength| (strength - found).powi(2));
        let relative = found.max(0.01 * self.strength);
        (found / self.strength, scatter.sqrt() / relative)
    }

    /// Light of the pulse at a sample, its own at its full height being 1.
    fn light(&self, sample: usize, late: f64) -> f64 {
        let shape = Shape {
            pulse: self.pulse,
            constant: self.constant,
        };
        shape.at(sample as f64 - self.start - late).1
    }

    /// The strength that fits best, and what it leaves in deviations, squared.
    fn fit(&self, top: Top<'_>, late: f64) -> (f64, f64) {
        let (mut own, mut both, mut square) = (0.0, 0.0, 0.0);
        for (sample, rise) in (top.first..).zip(top.rises) {
            let light = self.light(sample, late);
            let noise = self.noise * (1.0 + self.strength * light);
            let weight = noise
                .hypot(MISSES * self.strength)
                .powi(2)
                .max(1e-12)
                .recip();
            own += weight * light * light;
            both += weight * light * rise;
            square += weight * rise * rise;
        }
        let strength = both / own.max(f64::MIN_POSITIVE);
        (strength, square - strength * both)
    }

    /// The most that any sample is off it.
    fn missed(&self, top: Top<'_>) -> f64 {
        let samples = (top.first..).zip(top.rises);
        let off = samples.map(|(i, rise)| (rise - self.strength * self.light(i, 0.0)).abs());
        off.fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULSE: f64 = 1.5;

    /// Samples from 196 on of a reflection 30 times as bright as the glass, beginning at `start`.
    fn rises(start: f64, strength: f64) -> Vec<f64> {
        let shape = Shape {
            pulse: PULSE,
            constant: 0.25 * PULSE,
        };
        (196..206)
            .map(|i| strength * shape.at(f64::from(i) - start).1)
            .collect()
    }

    fn top(rises: &[f64]) -> Top<'_> {
        Top { first: 196, rises }
    }

    #[test]
    fn a_late_zero_changes_what_samples_show_but_not_how_strong_the_reflection_is() {
        for phase in [0.0, 0.2, 0.45, 0.7] {
            let learned = rises(199.0 + phase, 30.0);
            let shape = Sampled::of(top(&learned), (199.3, PULSE), 0.03).unwrap();
            for late in [-0.2, 0.1, 0.3] {
                let now = rises(199.0 + phase + late, 60.0);
                let (strength, sd) = shape.strength(top(&now), (late, 0.1));
                assert!(
                    (strength / 2.0 - 1.0).abs() < 0.06,
                    "{phase} {late}: {strength}"
                );
                assert!(sd < 0.1, "{sd}");
            }
        }
        // Which a sum of the samples would not tell.
        let sum = |phase: f64| rises(199.0 + phase, 30.0).iter().sum::<f64>();
        assert!(
            (sum(0.05) / sum(0.55) - 1.0).abs() > 0.15,
            "{}",
            sum(0.05) / sum(0.55)
        );
    }

    #[test]
    fn a_zero_nobody_tells_leaves_the_strength_open() {
        let learned = rises(199.3, 30.0);
        let shape = Sampled::of(top(&learned), (199.3, PULSE), 0.2).unwrap();
        let sd = |zero: f64| shape.strength(top(&learned), (0.0, zero)).1;
        assert!(sd(0.3) > 1.5 * sd(0.05), "{} {}", sd(0.3), sd(0.05));
    }

    #[test]
    fn long_pulses_and_other_shapes_are_none() {
        let learned = rises(199.3, 30.0);
        assert_eq!(Sampled::of(top(&learned), (199.3, 10.0), 0.03), None);
        let odd = [0.0, 30.0, 0.0, 0.0, 25.0, 0.0, 0.0, 30.0, 0.0, 0.0];
        assert_eq!(Sampled::of(top(&odd), (198.0, PULSE), 0.03), None);
    }
}
