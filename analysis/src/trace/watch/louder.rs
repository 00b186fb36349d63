//! How loud shots are beside good ones, told by the whole trace.
//!
//! ```text
//! falls, made white, slow noise off ─▶ mean square of each block, over the usual
//!                                        │ one number for the glass's noise, one for the receiver's
//!                                        ▼
//!                                      by how much each bin is louder
//! ```
//!
//! A few thousand samples tell the strength of their noise to some percent, the hundred around one
//! place to a tenth only; and five deviations of a noise that is told a tenth too weak are far from
//! five deviations. What grows louder does so everywhere (fading, a launch that is less well
//! polarised) or where the light is faint (a receiver).

use super::spread::{BLOCKS, Spread, smoothed};
use crate::trace::line::median;
use crate::trace::samples::cut;

/// A bin counts for no more than this many deviations: what changed is no noise.
const MOST: f64 = 3.0;

/// What is left of noise's variance so.
const CLIPPED: f64 = 0.995;

/// A block that scatters by this many times the usual variance shows other things than noise.
const NO_NOISE: f64 = 3.0;

/// A block that is this many deviations louder than the whole trace would have it is so.
const BY_ITSELF: f64 = 2.5;

/// By how much the variance of all noise, and that of the receiver's, may grow: deviations.
const GROWS: [f64; 2] = [0.3, 0.6];

/// A part of receivers' noise that varies by less over the trace does not show.
const SHOWS: f64 = 0.05;

/// Mean squares of white values, block by block: slow ones and those far out left out.
pub(super) fn squares(white: &[f64]) -> Vec<f64> {
    let slow = smoothed(white);
    let square = |(value, slow): (&f64, &f64)| (value - slow).powi(2).min(MOST * MOST);
    let all: Vec<f64> = white.iter().zip(&slow).map(square).collect();
    let size = all.len().div_ceil(BLOCKS).max(1);
    let mean = |block: &[f64]| block.iter().sum::<f64>() / block.len() as f64 / CLIPPED;
    all.chunks(size).map(mean).collect()
}

impl Spread {
    /// How much more than usual a comparison scatters, for each bin; at least 1.
    ///
    /// `white` is what it shows in deviations, made white; `receiver` which part of each bin's
    /// variance is the receiver's.
    pub(super) fn louder(&self, white: &[f64], receiver: &[f64]) -> Vec<f64> {
        let count = white.len();
        if self.usual.is_empty() {
            return vec![1.0; count];
        }
        let size = count.div_ceil(BLOCKS).max(1);
        let base = self.base(white);
        let scaled: Vec<f64> = white.iter().map(|w| w / base).collect();
        let found = squares(&scaled);
        let found = found
            .iter()
            .zip(&self.usual)
            .map(|(own, usual)| own / usual);
        let found: Vec<f64> = found.collect();
        let shape = shape(receiver, size, found.len());
        let doubt = (2.0 / size as f64).sqrt();
        let line = Line::through(&shape, &found, doubt);
        let variance = |bin: usize| {
            let block = bin / size;
            let told = line.at(receiver_or_place(receiver, bin, count, line.by_place));
            let own = found.get(block).copied().unwrap_or(1.0);
            let sure = own - BY_ITSELF * doubt * told.max(own.min(NO_NOISE));
            told.max(if own < NO_NOISE { sure } else { told })
        };
        (0..count)
            .map(|bin| (base * variance(bin).max(0.0).sqrt()).max(1.0))
            .collect()
    }

    /// Roughly by how much all of it is louder, where that is so much that good bins seem to be
    /// something else.
    fn base(&self, white: &[f64]) -> f64 {
        let size = white.len().div_ceil(BLOCKS).max(1);
        let pairs = |block: &[f64]| {
            let pairs = block.iter().zip(block.iter().skip(1));
            let mut jumps: Vec<f64> = pairs.map(|(a, b)| (b - a).abs()).collect();
            1.4826 * median(&mut jumps) / std::f64::consts::SQRT_2
        };
        // Where the light is gone there is no noise as learned: the quietest block knows.
        let quiet = white.chunks(size).map(pairs).fold(f64::MAX, f64::min);
        if (1.3..1e9).contains(&quiet) {
            quiet
        } else {
            1.0
        }
    }
}

/// What the loudness of each block may follow.
fn shape(receiver: &[f64], size: usize, blocks: usize) -> Vec<f64> {
    let mean = |block: usize| {
        let part = cut(receiver, block * size, (block + 1) * size);
        part.iter().sum::<f64>() / part.len().max(1) as f64
    };
    (0..blocks).map(mean).collect()
}

/// What the line of loudness goes by at a bin.
fn receiver_or_place(receiver: &[f64], bin: usize, count: usize, by_place: bool) -> f64 {
    if by_place {
        (bin as f64 + 0.5) / count.max(1) as f64 - 0.5
    } else {
        receiver.get(bin).copied().unwrap_or(0.0)
    }
}

/// A variance that grows evenly with something.
#[derive(Clone, Copy, Debug)]
struct Line {
    level: f64,
    slope: f64,
    /// Whether that is the place, or the receiver's part of the noise.
    by_place: bool,
}

impl Line {
    /// Through the blocks that show noise, each known to `doubt`: no more than what they surely
    /// show, and where it goes by the receiver's part, neither of both noises quieter than learned.
    fn through(receiver: &[f64], found: &[f64], doubt: f64) -> Self {
        let most = receiver.iter().copied().fold(0.0, f64::max);
        let least = receiver.iter().copied().fold(f64::MAX, f64::min);
        let by_place = most - least < SHOWS;
        let blocks = found.len().max(1) as f64;
        let along = receiver.iter().zip(found).enumerate();
        let noise = along.filter(|(_, (_, own))| **own < NO_NOISE);
        let points: Vec<(f64, f64)> = noise
            .map(|(block, (part, own))| {
                let place = (block as f64 + 0.5) / blocks;
                (if by_place { place - 0.5 } else { *part }, own - 1.0)
            })
            .collect();
        let known = |sd: f64| (doubt / sd).powi(2);
        let sum = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>();
        let (count, x, y) = (points.len() as f64, sum(|p| p.0), sum(|p| p.1));
        let (xx, xy) = (sum(|p| p.0 * p.0), sum(|p| p.0 * p.1));
        let (all, square) = (count + known(GROWS[0]), xx + known(GROWS[1]));
        let determinant = (all * square - x * x).max(f64::MIN_POSITIVE);
        let both = [
            (y * square - xy * x) / determinant,
            (xy * all - y * x) / determinant,
        ];
        let [level, slope] = match both {
            [level, slope] if by_place || (level >= 0.0 && slope >= 0.0) => [level, slope],
            [level, _] if level < 0.0 => [0.0, (xy / square).max(0.0)],
            _ => [(y / all).max(0.0), 0.0],
        };
        Self {
            level: 1.0 + level,
            slope,
            by_place,
        }
    }

    fn at(&self, along: f64) -> f64 {
        self.level + self.slope * along
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    const COUNT: usize = 1_000;

    /// White noise that is so loud at each bin.
    fn noise(seed: u64, sigma: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut dice = Dice::new(seed * 1_000_003);
        (0..COUNT).map(|bin| sigma(bin) * dice.normal()).collect()
    }

    fn spread() -> Spread {
        let mut spread = Spread::alone(vec![1.0; COUNT], 0.0);
        spread.usual = vec![1.0; BLOCKS];
        spread
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn a_louder_shot_is_told_to_a_few_percent_and_a_quiet_one_is_no_louder() {
        for seed in 0..20 {
            let usual = spread().louder(&noise(seed, |_| 1.0), &[]);
            assert!(usual.iter().all(|more| *more < 1.12), "{seed}: {usual:?}");
            for loud in [1.15, 2.0] {
                let found = spread().louder(&noise(seed + 50, |_| loud), &[]);
                assert!((mean(&found) / loud - 1.0).abs() < 0.1, "{}", mean(&found));
            }
        }
    }

    #[test]
    fn a_receiver_that_grows_louder_does_so_where_the_light_is_faint() {
        let receiver: Vec<f64> = (0..COUNT)
            .map(|bin| (bin as f64 / COUNT as f64).powi(4))
            .collect();
        let sigma = |bin: usize| (1.0 + 0.5 * receiver[bin]).sqrt();
        let mut offs = Vec::new();
        for seed in 0..30 {
            let found = spread().louder(&noise(seed, sigma), &receiver);
            offs.push(found[980] / sigma(980));
            assert!(mean(&found[..500]) < 1.06, "{}", mean(&found[..500]));
        }
        assert!((mean(&offs) - 1.0).abs() < 0.05, "{}", mean(&offs));
    }

    #[test]
    fn what_changed_is_no_noise() {
        let mut shot = noise(3, |_| 1.0);
        shot.iter_mut().skip(700).for_each(|value| *value += 60.0);
        shot[300] += 40.0;
        let found = spread().louder(&shot, &[]);
        assert!(found.iter().all(|more| *more < 1.2), "{found:?}");
        // A break leaves but the first part to tell.
        let mut dark = noise(4, |_| 1.0);
        let mut dice = Dice::new(77);
        dark.iter_mut()
            .skip(300)
            .for_each(|value| *value = 80.0 * dice.normal());
        let found = spread().louder(&dark, &[]);
        assert!(found[100] < 1.2, "{}", found[100]);
    }
}
