//! How good shots scatter about their mean: bin by bin, and slowly.
//!
//! ```text
//! each shot less the mean of the others ─▶ level and tilt off ─┬─▶ sigma a bin, pooled around it
//!                                                              ├─▶ strength of slow cosines
//!                                                              ├─▶ tilt from shot to shot
//!                                                              └─▶ likeness of neighbours, and what is left
//! ```
//!
//! Nothing here knows an instrument: what scatters, scatters.

use super::bins::Bins;
use super::colour::Colour;
use super::louder;
use super::modes::{MODES, amplitude};
use crate::trace::line::median;
use crate::trace::samples::cut;

/// Shots repeat no better than their files resolve, over a bin, in decibels.
const LEAST_DB: f64 = 0.000_3;

/// Bins on either side that tell a bin's scatter with it.
const POOL: usize = 24;

/// Bins on either side whose mean is slow noise, not a bin's own.
const SLOW: usize = 16;

/// A bin scatters by itself where it does so by this many times its neighbours' variance.
const OWN: f64 = 6.0;

/// Cosines from the last kept to here tell the strength of all faster ones.
const FASTER: usize = 96;

/// What is believed of slow noise before any shot: like so many shots of one cosine.
pub(super) const PRIOR_SHOTS: f64 = 2.0;

/// A dozen shots can not tell that they are more alike than this.
const MOST_ALIKE: f64 = 0.7;

/// The prior of a reference of one shot is a wide one already: it counts for so many shots.
const ALONE_KNOWN_BY: f64 = 8.0;

/// The cosine as strong as white noise before any shot.
const PRIOR_KNEE: f64 = 2.0;

/// Stretches whose noise may grow by itself.
pub(super) const BLOCKS: usize = 8;

/// Part of a fibre's loss that instruments misread from month to month: their scale ages.
const AGEING: f64 = 0.005;

/// How shots scatter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    /// Standard deviation of one shot's bin, in decibels, as white noise.
    pub(super) sigma: Vec<f64>,
    /// Variance of slow cosines beyond that of white noise, in the same unit.
    pub(super) extra: Vec<f64>,
    /// Standard deviation of one shot's tilt from end to end, in decibels.
    pub(super) tilt: f64,
    /// Correlation of slow noise from one shot to the next.
    pub(super) memory: f64,
    /// How alike neighbouring samples are.
    pub(super) colour: Colour,
    /// What good shots' noise made white scatters by in each block, squared.
    pub(super) usual: Vec<f64>,
}

impl Spread {
    /// From each shot's fall against the mean of the others, scaled to one shot's own scatter.
    pub(super) fn learn(falls: &[Vec<f64>], bins: &Bins) -> Self {
        let mut tilts = Vec::new();
        let mut flat = Vec::new();
        for fall in falls {
            let (rest, tilt) = without_line(fall, bins);
            tilts.push(tilt);
            flat.push(rest);
        }
        let mut sigma = scatter(&flat);
        let white = normalised(&flat, &sigma);
        let plateau = plateau(&white, bins.count).max(0.25);
        sigma.iter_mut().for_each(|s| *s *= plateau.sqrt());
        let powers: Vec<f64> = (1..=MODES).map(|k| strength(&white, k) / plateau).collect();
        // The usual tilt: a shot that is far off it is met by leaving the tilt free.
        tilts.iter_mut().for_each(|tilt| *tilt = tilt.abs());
        let few = 1.0 + 1.0 / falls.len().max(1) as f64;
        Self {
            extra: extra(&powers, falls.len() as f64),
            tilt: few * 1.4826 * median(&mut tilts),
            memory: memory(&white, cut(&powers, 1, MODES)),
            colour: Colour::default(),
            usual: Vec::new(),
            sigma,
        }
    }

    /// From what one trace says of its own noise, where no other shot tells more: `sigma` a bin,
    /// `loss` what the watched stretch loses, in decibels.
    pub(super) fn alone(sigma: Vec<f64>, loss: f64) -> Self {
        let prior: Vec<f64> = (1..=MODES).map(|k| 2.0 * prior(k)).collect();
        Self {
            extra: prior.into_iter().map(|p| p - 1.0).collect(),
            // An instrument's linearity, as data sheets tell it.
            tilt: 4.0 * AGEING * loss,
            memory: 0.0,
            colour: Colour::default(),
            usual: Vec::new(),
            sigma,
        }
    }

    /// Wider where an edge of the reference stands: shots tremble along the glass.
    ///
    /// `steep` is each bin's change beyond the glass's own, in decibels a sample; `tremble` in
    /// samples.
    pub(super) fn widen(&mut self, steep: &[f64], tremble: f64) {
        for (sigma, steep) in self.sigma.iter_mut().zip(steep) {
            *sigma = sigma.hypot(tremble * steep);
        }
    }

    /// Learns how alike neighbouring samples are, from falls and from the same sample by sample, in
    /// deviations of their bins.
    pub(super) fn learn_colour(
        &mut self,
        falls: &[Vec<f64>],
        samples: impl Iterator<Item = Vec<f64>>,
        bins: &Bins,
    ) {
        self.colour = Colour::learn(samples);
        let whitener = self.colour.whitener(bins);
        let flat: Vec<Vec<f64>> = falls.iter().map(|f| without_line(f, bins).0).collect();
        let white = |shot: Vec<f64>| whitener.white(shot);
        let mut shots: Vec<Vec<f64>> = normalised(&flat, &self.sigma)
            .into_iter()
            .map(white)
            .collect();
        // What is white must also be as strong as was said.
        let more = plateau(&shots, bins.count).max(1.0).sqrt();
        self.sigma.iter_mut().for_each(|sigma| *sigma *= more);
        shots.iter_mut().flatten().for_each(|value| *value /= more);
        let all: Vec<Vec<f64>> = shots.iter().map(|shot| louder::squares(shot)).collect();
        let usual = |block: usize| {
            let of = all.iter().filter_map(|squares| squares.get(block));
            (of.sum::<f64>() / all.len().max(1) as f64).max(1e-3)
        };
        self.usual = (0..BLOCKS).map(usual).collect();
    }

    /// By how much the mean of several shots, against the mean of the reference's, scatters: as a
    /// part of one shot's variance.
    pub(super) fn share(shots: usize, learned: usize) -> f64 {
        let each = |count: usize| 1.0 / count.max(1) as f64;
        each(shots) + each(learned)
    }

    /// The same of slow noise, which one shot hands on to the next.
    pub(super) fn slow_share(&self, shots: usize, learned: usize) -> f64 {
        let each = |count: usize| {
            let count = count.max(1) as f64;
            ((1.0 + (count - 1.0) * self.memory) / count).min(1.0)
        };
        each(shots) + each(learned)
    }

    /// How many independent shots the strength of slow noise was learned from.
    pub(super) fn known_by(&self, learned: usize) -> f64 {
        if learned < 2 {
            return ALONE_KNOWN_BY;
        }
        // White noise has no memory: only what slow noise adds to it.
        let slow = self
            .extra
            .first()
            .map_or(0.0, |extra| extra / (1.0 + extra));
        let square = (slow * self.memory.min(MOST_ALIKE)).powi(2);
        (learned as f64 - 1.0) * (1.0 - square) / (1.0 + square)
    }

    /// Standard deviation of the tilt of a comparison of such a share, over a stretch that loses so
    /// many decibels: what shots differ by averages out, what an instrument ages by does not.
    pub(super) fn tilt_of(&self, share: f64, loss: f64) -> f64 {
        (share.sqrt() * self.tilt).hypot(AGEING * loss)
    }
}

/// Mean square of how much of a cosine there is in shots.
fn strength(shots: &[Vec<f64>], k: usize) -> f64 {
    let power = |shot: &Vec<f64>| amplitude(shot, k).powi(2);
    shots.iter().map(power).sum::<f64>() / shots.len().max(1) as f64
}

/// The same of cosines too fast for slow noise: what many bins average to.
fn plateau(shots: &[Vec<f64>], bins: usize) -> f64 {
    let faster = (MODES..FASTER.min(bins / 2)).map(|k| strength(shots, k));
    let faster: Vec<f64> = faster.collect();
    faster.iter().sum::<f64>() / faster.len().max(1) as f64
}

/// The values without their level and tilt, and the tilt from end to end.
pub(super) fn without_line(fall: &[f64], bins: &Bins) -> (Vec<f64>, f64) {
    let fitted = |kept: &dyn Fn(f64) -> bool, level: f64, tilt: f64| {
        let mut sums = [0.0; 5];
        for (bin, y) in fall.iter().enumerate() {
            let x = bins.share(bin);
            if kept(y - level - tilt * x) {
                let terms = [1.0, x, x * x, *y, x * y];
                sums.iter_mut()
                    .zip(terms)
                    .for_each(|(sum, term)| *sum += term);
            }
        }
        let [n, x, xx, y, xy] = sums;
        let spread = (n * xx - x * x).max(1e-9);
        let tilt = (n * xy - x * y) / spread;
        ((y - tilt * x) / n.max(1.0), tilt)
    };
    let (mut level, mut tilt) = fitted(&|_| true, 0.0, 0.0);
    // Bins at reflections scatter much: not for the line to follow.
    let off = |(bin, y): (usize, &f64)| (y - level - tilt * bins.share(bin)).abs();
    let mut offs: Vec<f64> = fall.iter().enumerate().map(off).collect();
    let limit = 5.0 * median(&mut offs) + 1e-6;
    (level, tilt) = fitted(&|left| left.abs() < limit, level, tilt);
    let rest = fall.iter().enumerate();
    let rest = rest.map(|(bin, y)| y - level - tilt * bins.share(bin));
    (rest.collect(), tilt)
}

/// Each bin's standard deviation over the shots, slow noise left out.
fn scatter(shots: &[Vec<f64>]) -> Vec<f64> {
    let length = shots.first().map_or(0, Vec::len);
    let mut own = vec![0.0; length];
    for shot in shots {
        let slow = smoothed(shot);
        for ((sum, value), slow) in own.iter_mut().zip(shot).zip(&slow) {
            *sum += (value - slow).powi(2) / shots.len() as f64;
        }
    }
    let pooled = |bin: usize| {
        let mut around = cut(&own, bin.saturating_sub(POOL), bin + POOL + 1).to_vec();
        let limit = OWN * median(&mut around.clone());
        around.retain(|value| *value <= limit);
        around.iter().sum::<f64>() / around.len().max(1) as f64
    };
    let sigma = |(bin, own): (usize, &f64)| {
        let pooled = pooled(bin);
        let square = if *own > OWN * pooled { *own } else { pooled };
        square.sqrt().max(LEAST_DB)
    };
    own.iter().enumerate().map(sigma).collect()
}

/// Means over a bin and its neighbours.
pub(super) fn smoothed(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for value in values {
        sum += value;
        sums.push(sum);
    }
    let mean = |bin: usize| {
        let (a, b) = (bin.saturating_sub(SLOW), (bin + SLOW + 1).min(values.len()));
        let pair = sums.get(b).zip(sums.get(a));
        pair.map_or(0.0, |(b, a)| b - a) / (b - a).max(1) as f64
    };
    (0..values.len()).map(mean).collect()
}

fn normalised(shots: &[Vec<f64>], sigma: &[f64]) -> Vec<Vec<f64>> {
    let white = |shot: &Vec<f64>| shot.iter().zip(sigma).map(|(v, s)| v / s).collect();
    shots.iter().map(white).collect()
}

/// What is believed of cosine `k` before any shot, in white noise's variance.
fn prior(k: usize) -> f64 {
    1.0 + (PRIOR_KNEE / k as f64).powi(2)
}

/// Cosines that are told together are of one octave.
pub(super) const fn octave(k: usize) -> u32 {
    usize::BITS - k.leading_zeros()
}

/// Strengths of the cosines beyond white noise: learned in octaves, falling, and as much larger
/// as so few shots may have shown them too small.
fn extra(powers: &[f64], shots: f64) -> Vec<f64> {
    let learned = |k: usize| {
        let alike = |j: &usize| octave(*j) == octave(k);
        let band: Vec<f64> = (1..=powers.len())
            .filter(alike)
            .filter_map(|j| powers.get(j - 1).copied())
            .collect();
        let weight = shots * band.len() as f64;
        let sum = shots * band.iter().sum::<f64>() + PRIOR_SHOTS * prior(k);
        let known = weight + PRIOR_SHOTS;
        let doubt = (2.0 / known).sqrt();
        let found = sum / known;
        if found > 1.0 + doubt {
            found * (1.0 + 0.5 * doubt)
        } else {
            found.max(1.0) + 0.33 * doubt
        }
    };
    let mut strengths: Vec<f64> = (1..=powers.len()).map(learned).collect();
    let mut least = 1.0_f64;
    for strength in strengths.iter_mut().rev() {
        least = least.max(*strength);
        *strength = least;
    }
    strengths.into_iter().map(|s| s - 1.0).collect()
}

/// How alike slow noise is in shots that follow one another; `powers` is what cosines from the
/// second on have, white noise having 1 that no shot hands on.
fn memory(white: &[Vec<f64>], powers: &[f64]) -> f64 {
    let amplitudes = |shot: &Vec<f64>| (2..=MODES).map(|k| amplitude(shot, k)).collect();
    let all: Vec<Vec<f64>> = white.iter().map(amplitudes).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let pairs = all.iter().zip(all.iter().skip(1));
    let joint: f64 = pairs.map(|(a, b)| product(a, b)).sum();
    let own: f64 = all.iter().map(|a| product(a, a)).sum();
    let count = all.len() as f64;
    if own <= 0.0 || count < 3.0 {
        return 0.2;
    }
    // Residuals against a mean of the same shots are drawn apart by 1/n.
    let found = joint / (count - 1.0) / (own / count) + 1.0 / count;
    let doubt = 1.0 / ((count - 1.0) * MODES as f64).sqrt();
    if found < 2.0 * doubt {
        return 0.0;
    }
    // What is hardly more than luck counts for little.
    let found = found * (1.0 - (2.0 * doubt / found).powi(2));
    // Slow noise that hardly shows can not be told to be alike.
    let all: f64 = powers.iter().sum();
    let slow: f64 = powers.iter().map(|power| (power - 1.0).max(0.0)).sum();
    (found * all / (slow + 2.0 * doubt * all).max(found * all)).min(0.95)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// Seeds this far apart draw nothing in common.
    const APART: u64 = 1_000_003;

    const BINS: Bins = Bins {
        from: 0,
        size: 4,
        count: 800,
    };

    fn white(seed: u64, sigma: f64) -> Vec<f64> {
        let mut dice = Dice::new(seed * APART);
        (0..BINS.count).map(|_| sigma * dice.normal()).collect()
    }

    fn smooth(seed: u64, sigma: f64) -> Vec<f64> {
        let wide = white(seed, sigma);
        let mean = |bin: usize| {
            cut(&wide, bin.saturating_sub(4), bin + 1)
                .iter()
                .sum::<f64>()
                / 5.0
        };
        (0..BINS.count).map(mean).collect()
    }

    #[test]
    fn white_noise_is_white_and_as_strong_as_it_is() {
        let shots: Vec<Vec<f64>> = (0..12).map(|seed| white(seed, 0.02)).collect();
        let spread = Spread::learn(&shots, &BINS);
        let mean = spread.sigma.iter().sum::<f64>() / 800.0;
        assert!((mean / 0.02 - 1.0).abs() < 0.1, "{mean}");
        assert!(
            spread.extra.iter().all(|extra| *extra < 2.0),
            "{:?}",
            spread.extra
        );
        assert!(spread.memory < 0.25, "{}", spread.memory);
    }

    #[test]
    fn smoothed_noise_counts_for_what_it_averages_to() {
        let shots: Vec<Vec<f64>> = (0..12).map(|seed| smooth(seed, 0.02)).collect();
        let spread = Spread::learn(&shots, &BINS);
        // A mean over five bins does not change what many bins average to.
        let mean = spread.sigma.iter().sum::<f64>() / 800.0;
        assert!((mean / 0.02 - 1.0).abs() < 0.15, "{mean}");
    }

    #[test]
    fn slow_noise_and_its_memory_are_learned() {
        let mut drift = Dice::new(77);
        let mut slow = [0.0; 3];
        let mut shots = Vec::new();
        for seed in 0..30 {
            slow.iter_mut()
                .for_each(|s| *s = 0.8 * *s + 0.6 * drift.normal());
            let mut shot = white(seed, 0.02);
            for (k, strength) in slow.iter().enumerate() {
                cosine_onto(&mut shot, k + 2, 0.02 * 8.0 * strength);
            }
            shots.push(shot);
        }
        let spread = Spread::learn(&shots, &BINS);
        assert!(spread.extra[1] > 20.0, "{:?}", spread.extra);
        assert!(spread.extra[20] < 2.0, "{:?}", spread.extra);
        assert!((0.4..0.95).contains(&spread.memory), "{}", spread.memory);
        assert!(spread.slow_share(8, 30) > 0.5);
    }

    fn cosine_onto(shot: &mut [f64], k: usize, strength: f64) {
        let count = shot.len();
        super::super::modes::cosine(k, count, |bin, c| shot[bin] += strength * c);
    }

    #[test]
    fn a_trembling_edge_scatters_by_itself() {
        let mut shots: Vec<Vec<f64>> = (0..12).map(|seed| white(seed, 0.02)).collect();
        let mut dice = Dice::new(5);
        shots
            .iter_mut()
            .for_each(|shot| shot[400] += 0.5 * dice.normal());
        let spread = Spread::learn(&shots, &BINS);
        assert!(spread.sigma[400] > 0.2, "{}", spread.sigma[400]);
        assert!(spread.sigma[410] < 0.03, "{}", spread.sigma[410]);
    }
}
