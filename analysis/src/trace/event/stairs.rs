//! What coarse levels hide: how far rounding may be off, and over how many samples alike.
//!
//! A file that knows steps of 0.05 dB shows quiet glass as a staircase. Noise of half a step and more
//! shakes the levels so that rounding averages out; less leaves treads on which all samples are off
//! alike, and which tell together what one would:
//!
//! ```text
//!  ────╲─┐                 level minus tread: half a step down to minus half a step, then anew
//!       ╲└──╲──┐           (variance q²/12, the same over the whole tread)
//!            ╲ └───
//! ```

use crate::trace::line::quantile;
use crate::trace::samples::{cut, whole};

/// Fewer samples than this share that are equal to the one before leave no treads that count.
const EQUAL_SHARE: f64 = 0.2;

/// Differences looked at for the step.
const ENOUGH: usize = 2_000;

/// The step is a low quantile of differences: noise and slopes seldom make two steps at once.
const LOW: f64 = 0.1;

/// Of differences this share is a whole number of steps, to this part of one; up to so many steps, for
/// what files round adds up.
const WHOLE_SHARE: f64 = 0.95;
const WHOLE_OFF: f64 = 0.1;
const MOST_STEPS: f64 = 3.0;

/// A neighbour of a tread is no more than so many steps off: tops that the receiver cuts are no treads.
const NEXT: f64 = 1.5;

/// Treads and samples that tell together how much of it noise shakes away, at the least.
const TREADS: f64 = 4.0;
const FEWEST: usize = 64;

/// Terms of the series of what noise leaves of rounding.
const TERMS: i32 = 4;

/// How far rounding may be off at a point of a grid.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stair {
    /// The variance of a sample's rounding, in square decibels, and what of it a tread shares.
    variance: f64,
    shared: f64,
    /// Points a tread, a part of one where treads are shorter.
    points: f64,
}

impl Stair {
    /// Variance of a point for its rounding.
    pub(super) fn single(&self) -> f64 {
        self.variance * self.points.min(1.0)
    }

    /// What rounding adds to that in each of so many neighbouring points that are summed.
    pub(super) fn more(&self, points: usize) -> f64 {
        self.shared * (self.points.min(points as f64) - 1.0).max(0.0)
    }

    /// The same where all of a tread are summed.
    pub(super) fn most(&self) -> f64 {
        self.shared * (self.points - 1.0).max(0.0)
    }
}

/// Each point's, of `group` samples; nothing where levels are fine enough.
pub(super) fn stairs(samples: &[f64], group: usize) -> Vec<Stair> {
    let pairs = || samples.iter().zip(samples.iter().skip(1));
    let equal = pairs().filter(|(a, b)| (*a - *b).abs() < ROUNDED_DB);
    let Some(step) = (equal.count() as f64 > EQUAL_SHARE * samples.len() as f64)
        .then(|| step(samples))
        .flatten()
    else {
        return Vec::new();
    };
    let treads = treads(samples, step);
    // Between treads samples go to and fro: the mean of some tells what noise there is.
    let usual = treads.iter().sum::<f64>() / treads.len().max(1) as f64;
    let block = whole(TREADS * usual / group as f64)
        .max(FEWEST / group)
        .max(1);
    let size = group * block;
    let stair = |at: usize| {
        let own = cut(&treads, at, at + size);
        let count = own.len().max(1) as f64;
        // Rounding leaves the mean of a difference's size what it is.
        let levels = cut(samples, at, at + size + 1);
        let moved = levels.iter().zip(levels.iter().skip(1));
        let moved: f64 = moved.map(|(a, b)| (a - b).abs().min(NEXT * step)).sum();
        let noise = moved / count * std::f64::consts::PI.sqrt() / 2.0;
        let length = own.iter().sum::<f64>() / count;
        Stair {
            variance: step * step * left(0.0),
            shared: step * step * left(noise / step),
            points: length / group as f64,
        }
    };
    let points = samples.len() / group;
    let blocks = (0..points).step_by(block);
    let all = blocks.flat_map(|point| std::iter::repeat_n(stair(point * group), block));
    all.take(points).collect()
}

/// Samples that differ by less are equal: far below what any file resolves.
const ROUNDED_DB: f64 = 1e-5;

/// The step between levels, if all are a whole number of steps apart.
fn step(samples: &[f64]) -> Option<f64> {
    let size = |pair: &[f64]| match pair {
        [a, b] => (a - b).abs(),
        _ => 0.0,
    };
    let moved = || {
        samples
            .windows(2)
            .map(size)
            .filter(|size| *size > ROUNDED_DB)
    };
    let count = moved().count();
    let mut some: Vec<f64> = moved().step_by((count / ENOUGH).max(1)).collect();
    if some.is_empty() {
        return None;
    }
    let step = quantile(&mut some, LOW);
    let near = |size: &&f64| **size < MOST_STEPS * step * (1.0 + WHOLE_OFF);
    let whole = |size: &&f64| {
        let steps = *size / step;
        (steps - steps.round()).abs() < WHOLE_OFF
    };
    let few = some.iter().filter(near).count();
    let whole = some.iter().filter(near).filter(whole).count();
    (whole as f64 >= WHOLE_SHARE * few as f64 && 2 * few >= some.len()).then_some(step)
}

/// Of each sample how many in a row are equal; 1 where that is no tread.
fn treads(samples: &[f64], step: f64) -> Vec<f64> {
    let mut treads = Vec::with_capacity(samples.len());
    let mut before: Option<f64> = None;
    while let Some(level) = samples.get(treads.len()) {
        let at = treads.len();
        let same = |other: &&f64| (*other - level).abs() < ROUNDED_DB;
        let count = cut(samples, at, samples.len())
            .iter()
            .take_while(same)
            .count();
        let near =
            |other: Option<f64>| other.is_some_and(|other| (other - level).abs() < NEXT * step);
        let length = if near(before) || near(samples.get(at + count).copied()) {
            count as f64
        } else {
            1.0
        };
        treads.extend(std::iter::repeat_n(length, count.max(1)));
        before = Some(*level);
    }
    treads
}

/// What Gaussian noise of so many steps leaves of rounding's variance, in square steps: a twelfth
/// without any.
///
/// # Source
///
/// The Fourier series of a sawtooth, each term of which noise shrinks by its characteristic function.
fn left(noise: f64) -> f64 {
    let term = |k: i32| {
        let turns = std::f64::consts::PI * f64::from(k);
        (-(2.0 * turns * noise).powi(2)).exp() / (2.0 * turns * turns)
    };
    let tail: f64 = 1.0 / 12.0
        - (1..=TERMS)
            .map(|k| 0.5 * (std::f64::consts::PI * f64::from(k)).powi(-2))
            .sum::<f64>();
    let last = (-(2.0 * std::f64::consts::PI * f64::from(TERMS + 1) * noise).powi(2)).exp();
    (1..=TERMS).map(term).sum::<f64>() + tail * last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// Glass that falls by a step in 200 samples, with noise of so many steps, in steps of 0.05 dB that
    /// are written in thousandths.
    fn coarse(noise: f64, seed: u64) -> Vec<f64> {
        let mut dice = Dice::new(seed);
        let mut level = |i: u32| {
            let steps = (noise * dice.normal() - f64::from(i) / 200.0).round();
            (steps * 50.0).round() / 1_000.0
        };
        (0..8_000).map(&mut level).collect()
    }

    #[test]
    fn a_tread_shares_a_twelfth_of_the_square_of_a_step() {
        for stair in cut(&stairs(&coarse(0.0, 1), 4), 200, 1_800) {
            let whole = 0.05 / 12_f64.sqrt();
            assert!(
                (stair.single().sqrt() / whole - 1.0).abs() < 0.01,
                "{stair:?}"
            );
            let more = (stair.most() / 49.0).sqrt() / whole;
            assert!((0.97..1.01).contains(&more), "{stair:?}");
        }
    }

    #[test]
    fn noise_of_half_a_step_shakes_the_treads_away() {
        let shares = |noise: f64| {
            let all = stairs(&coarse(noise, 2), 1);
            assert!(!all.is_empty());
            all.iter().map(Stair::most).sum::<f64>() / all.len() as f64
        };
        let (quiet, loud) = (shares(0.05), shares(0.5));
        assert!(quiet > 1e3 * loud, "{quiet} {loud}");
    }

    #[test]
    fn fine_levels_and_tops_that_are_cut_are_no_treads() {
        let mut dice = Dice::new(3);
        let mut fine = |i: u32| ((-2.0 * f64::from(i) + 30.0 * dice.normal()).round()) / 1_000.0;
        assert!(stairs(&(0..4_000).map(&mut fine).collect::<Vec<f64>>(), 1).is_empty());
        let mut levels = coarse(0.05, 4);
        levels.splice(4_000..4_100, [5.0; 100]);
        let treads = treads(&levels, 0.05);
        assert!(treads[4_050] < 1.5 && treads[3_810] > 20.0);
    }

    #[test]
    fn stairs_of_any_height_are_no_rounding() {
        let mut dice = Dice::new(5);
        let mut level = 0.0;
        let mut next = |i: u32| {
            if i.is_multiple_of(4) {
                level = (20.0 * dice.normal()).round() / 1_000.0;
            }
            level
        };
        let held: Vec<f64> = (0..4_000).map(&mut next).collect();
        let most = stairs(&held, 1).iter().map(Stair::most).fold(0.0, f64::max);
        assert!(most < 1e-6, "{most}");
    }
}
