//! How unlikely falls are where the strength of slow noise is only known from a few shots.
//!
//! Twelve shots know the strength of one slow cosine to within a half, and now and then they show a
//! third of it. A step that stands out by five deviations of what they showed stands out by three of
//! what there is. So each octave of cosines has one unknown strength about the learned one, and what
//! it shows follows Student's distribution: what is far out costs its logarithm, not its square.
//!
//! ```text
//! surprise = Σ white²  +  Σ octaves (ν + n)·ln(1 + Σ amplitudes² / strength / ν)  +  (tilt / its usual)²
//! ```
//!
//! at the level and tilt that make it least.

use super::Noise;
use crate::trace::watch::modes::amplitude;
use crate::trace::watch::spread::{PRIOR_SHOTS, octave};

/// Rounds in which level and tilt follow the strengths that the falls themselves show.
const ROUNDS: usize = 4;

/// One octave of cosines.
#[derive(Clone, Copy, Debug)]
struct Band {
    /// The first, and how many.
    first: usize,
    count: usize,
    /// What its strength is known by: squares of so many amplitudes.
    known_by: f64,
}

/// All that does not depend on the falls.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    bands: Vec<Band>,
    /// Variance of each cosine as learned, that of white noise being 1.
    strength: Vec<f64>,
    /// Level and tilt in deviations of the bins, and how much of each cosine is in them.
    lines: [Vec<f64>; 2],
    onto: [Vec<f64>; 2],
    /// What is known of the tilt beforehand.
    tilt: f64,
    share: f64,
}

impl Doubt {
    /// For one noise, with level and tilt in deviations of its bins.
    pub(super) fn new(noise: &Noise<'_>, lines: [&[f64]; 2]) -> Self {
        let modes = noise.extra.len();
        let mut bands: Vec<Band> = Vec::new();
        for k in 1..=modes {
            match bands.last_mut() {
                Some(band) if octave(band.first) == octave(k) => band.count += 1,
                _ => bands.push(Band {
                    first: k,
                    count: 1,
                    known_by: 0.0,
                }),
            }
        }
        for band in &mut bands {
            band.known_by = PRIOR_SHOTS + noise.known_by * band.count as f64;
        }
        Self {
            bands,
            strength: noise.extra.iter().map(|extra| 1.0 + extra).collect(),
            onto: lines.map(|line| amplitudes(line, modes)),
            lines: lines.map(<[f64]>::to_vec),
            tilt: noise.share / (noise.tilt * noise.tilt).max(1e-12),
            share: noise.share,
        }
    }

    /// Minus twice the logarithm of how likely falls are, given in deviations of their bins.
    pub(super) fn surprise(&self, falls: &[f64]) -> f64 {
        let own = amplitudes(falls, self.strength.len());
        let mut strength = self.strength.clone();
        let (mut white, mut octaves) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            let line = self.line(falls, &own, &strength);
            let [level, tilt] = line;
            let [levels, tilts] = &self.lines;
            let left = falls.iter().zip(levels).zip(tilts);
            let left = left.map(|((fall, l), t)| (fall - level * l - tilt * t).powi(2));
            let all: f64 = left.sum();
            let slow = self.slow(&own, line);
            white = (all - slow.iter().map(|a| a * a).sum::<f64>() + tilt * tilt * self.tilt)
                / self.share;
            octaves = 0.0;
            for band in &self.bands {
                let within = band.first - 1..band.first - 1 + band.count;
                let learned = self.strength.get(within.clone()).unwrap_or_default();
                let shown = slow.get(within.clone()).unwrap_or_default();
                let shown = shown.iter().zip(learned).map(|(a, s)| a * a / s);
                let shown = shown.sum::<f64>() / self.share;
                let all = band.known_by + band.count as f64;
                octaves += all * (shown / band.known_by).ln_1p();
                let more = ((band.known_by + shown) / all).max(1.0);
                let now = strength.get_mut(within).unwrap_or_default();
                now.iter_mut()
                    .zip(learned)
                    .for_each(|(now, s)| *now = s * more);
            }
        }
        white + octaves
    }

    /// What of each cosine is left beside a line.
    fn slow(&self, own: &[f64], [level, tilt]: [f64; 2]) -> Vec<f64> {
        let [levels, tilts] = &self.onto;
        let parts = own.iter().zip(levels).zip(tilts);
        parts
            .map(|((own, l), t)| own - level * l - tilt * t)
            .collect()
    }

    /// Level and tilt under slow noise of some strength.
    fn line(&self, falls: &[f64], own: &[f64], strength: &[f64]) -> [f64; 2] {
        let weighed = |a: (&[f64], &[f64]), b: (&[f64], &[f64])| {
            let plain: f64 = a.0.iter().zip(b.0).map(|(a, b)| a * b).sum();
            let slow = a.1.iter().zip(b.1).zip(strength);
            plain - slow.map(|((a, b), s)| a * b * (1.0 - 1.0 / s)).sum::<f64>()
        };
        let [levels, tilts] = &self.lines;
        let [on_levels, on_tilts] = &self.onto;
        let (level, tilt) = (
            (levels.as_slice(), on_levels.as_slice()),
            (tilts.as_slice(), on_tilts.as_slice()),
        );
        let fall = (falls, own);
        let inverse = super::Inverse::of(
            weighed(level, level),
            weighed(level, tilt),
            weighed(tilt, tilt) + self.tilt,
        );
        inverse.times([weighed(level, fall), weighed(tilt, fall)])
    }
}

fn amplitudes(values: &[f64], modes: usize) -> Vec<f64> {
    (1..=modes).map(|k| amplitude(values, k)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;
    use crate::trace::watch::colour::Colour;
    use crate::trace::watch::modes::{MODES, cosine};

    const COUNT: usize = 400;

    static WHITE: Colour = Colour {
        stretches: Vec::new(),
        known_by: 0.0,
    };

    /// A noise of which slow cosines are so many times as strong as white noise.
    fn doubt(extra: f64, known_by: f64) -> Doubt {
        let extra = vec![extra; MODES];
        let noise = Noise {
            sigma: vec![1.0; COUNT],
            extra: extra.into(),
            tilt: 1e-3,
            share: 1.0,
            known_by,
            colour: &WHITE,
            ramp: [0.1, 0.03],
        };
        let level = vec![1.0; COUNT];
        let x = |bin: usize| (bin as f64 + 0.5) / COUNT as f64 - 0.5;
        let tilt: Vec<f64> = (0..COUNT).map(x).collect();
        Doubt::new(&noise, [&level, &tilt])
    }

    fn white(seed: u64) -> Vec<f64> {
        let mut dice = Dice::new(seed);
        (0..COUNT).map(|_| dice.normal()).collect()
    }

    fn with_slow(values: &[f64], k: usize, strength: f64) -> Vec<f64> {
        let mut values = values.to_vec();
        cosine(k, COUNT, |bin, c| values[bin] += strength * c);
        values
    }

    #[test]
    fn a_level_is_no_surprise_and_what_few_shots_never_showed_is_a_small_one() {
        let quiet = white(5);
        let lifted: Vec<f64> = quiet.iter().map(|v| v + 30.0).collect();
        let few = doubt(0.0, 11.0);
        assert!((few.surprise(&lifted) - few.surprise(&quiet)).abs() < 1e-6);
        let more = |doubt: &Doubt, strength: f64| {
            doubt.surprise(&with_slow(&quiet, 2, strength))
                - doubt.surprise(&with_slow(&quiet, 2, 0.0))
        };
        // Six deviations are thirty-six where the strength is known, and half of that where eleven
        // shots told it; a cosine learned to be so strong is nothing.
        let (many, few) = (more(&doubt(0.0, 1e6), 6.0), more(&few, 6.0));
        assert!(many > 25.0, "{many}");
        assert!(few < 0.75 * many, "{few} of {many}");
        assert!(more(&doubt(40.0, 1e6), 6.0) < 3.0);
    }

    #[test]
    fn what_is_sharp_surprises_as_much_however_few_the_shots() {
        let mut quiet = white(9);
        let before = [11.0, 1e6].map(|known_by| doubt(0.0, known_by).surprise(&quiet));
        quiet[200] += 9.0;
        let after = [11.0, 1e6].map(|known_by| doubt(0.0, known_by).surprise(&quiet));
        let [few, many] = [after[0] - before[0], after[1] - before[1]];
        assert!(few > 0.85 * many && many > 40.0, "{few} {many}");
    }
}
