//! How alike the noise of neighbouring samples is, and what makes it white again.
//!
//! ```text
//! good shots less their mean, sample by sample ─▶ likeness over so many samples, stretch by stretch
//!                                                   │ points of any size
//!                                                   ▼
//!                                    each point less what those before it foretell: white
//! ```
//!
//! Instruments smooth what they store, some over many pulses: neighbours then say the same thing many
//! times over. But noise that can not change from one point to the next hides no edge: what is left
//! of each point beside those before it tells a sharp step where the noise itself would not.

use super::bins::Bins;
use super::spread::BLOCKS;
use crate::trace::line::median;
use crate::trace::samples::{cut, whole};

/// Samples over which noise may be alike, at the most.
pub(super) const MOST_LAGS: usize = 160;

/// A likeness counts from so many deviations of what independent samples show on.
const SURE: f64 = 5.0;

/// Points before one that foretell it, at the most.
const MOST_ORDER: usize = 24;

/// No noise is foretold better than this, as a part of its variance: files round.
const LEAST_LEFT: f64 = 1e-3;

/// What is added to the variance for that.
const ROUNDED: f64 = 1e-3;

/// Filters along the watched stretch.
const FILTERS: usize = 4 * BLOCKS;

/// What a sample counts for at the most, in its usual deviations.
const MOST: f64 = 5.0;

/// Distances whose products are summed side by side: as many as a processor keeps at hand.
const BESIDE: usize = 16;

/// Likeness of noise, learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Colour {
    /// For each of a few stretches, the mean product of two samples so far apart, in deviations of
    /// what many samples average to; none where neighbours are not alike.
    pub(super) stretches: Vec<Vec<f64>>,
    /// How many samples told that, a stretch.
    pub(super) known_by: f64,
}

impl Colour {
    /// From samples of good shots in deviations, over the whole watched stretch.
    pub(super) fn learn(shots: impl Iterator<Item = Vec<f64>>) -> Self {
        let mut sums: Vec<Vec<f64>> = Vec::new();
        let mut counts = vec![0.0; BLOCKS];
        for shot in shots {
            let size = shot.len().div_ceil(BLOCKS).max(1);
            let lags = MOST_LAGS.min(size / 4);
            sums.resize(BLOCKS, vec![0.0; lags + 1]);
            for ((block, sums), count) in shot.chunks(size).zip(&mut sums).zip(&mut counts) {
                let more = products(&clipped(block), sums.len());
                sums.iter_mut()
                    .zip(more)
                    .for_each(|(sum, more)| *sum += more);
                *count += block.len() as f64;
            }
        }
        for (sums, count) in sums.iter_mut().zip(&counts) {
            sums.iter_mut().for_each(|sum| *sum /= count.max(1.0));
        }
        Self::of(sums, &counts)
    }

    fn of(mut stretches: Vec<Vec<f64>>, counts: &[f64]) -> Self {
        for likeness in &mut stretches {
            // What samples however far apart have in common is slow noise, known elsewhere.
            let far = cut(likeness, 2 * likeness.len() / 3, likeness.len());
            let slow = far.iter().sum::<f64>() / far.len().max(1) as f64;
            likeness.iter_mut().for_each(|l| *l -= slow);
        }
        let all: f64 = counts.iter().sum();
        let lags = stretches.first().map_or(0, Vec::len);
        let together = |lag: usize| {
            let each = stretches.iter().filter_map(|likeness| likeness.get(lag));
            each.sum::<f64>() / stretches.len().max(1) as f64
        };
        let least = SURE * together(0) / all.max(1.0).sqrt();
        if !(1..lags).any(|lag| together(lag).abs() > least) {
            return Self::default();
        }
        // A stretch and its neighbours: noise changes slowly along the glass.
        let pooled = |block: usize| {
            let near = cut(&stretches, block.saturating_sub(1), block + 2);
            let own = stretches.get(block);
            let mean = |lag: usize| {
                let each = near
                    .iter()
                    .chain(own)
                    .filter_map(|likeness| likeness.get(lag));
                each.sum::<f64>() / (near.len() + 1) as f64
            };
            (0..lags).map(mean).collect()
        };
        let stretches = (0..stretches.len()).map(pooled).collect();
        Self {
            stretches,
            known_by: 2.0 * all / BLOCKS as f64,
        }
    }

    /// Mean product of two points of `size` samples so many points apart, at a part of the stretch
    /// from 0 to 1.
    fn at(&self, part: f64, size: usize, points: usize) -> Vec<f64> {
        let last = self.stretches.len().saturating_sub(1);
        let place = (part * self.stretches.len() as f64 - 0.5).clamp(0.0, last as f64);
        let low = whole(place).min(last);
        let share = place - low as f64;
        let of = |block: usize, lag: usize| {
            let likeness = self.stretches.get(block.min(last));
            likeness.and_then(|l| l.get(lag)).copied().unwrap_or(0.0)
        };
        let sample = |lag: usize| (1.0 - share) * of(low, lag) + share * of(low + 1, lag);
        let size = size.max(1);
        let product = |apart: usize| {
            let pair = |off: usize| {
                let (near, far) = ((apart * size).abs_diff(off), apart * size + off);
                let both = if off == 0 {
                    sample(near)
                } else {
                    sample(near) + sample(far)
                };
                (size - off) as f64 * both
            };
            (0..size).map(pair).sum::<f64>() / size as f64
        };
        (0..=points).map(product).collect()
    }

    /// What makes points of `size` samples white, around a part of the stretch.
    pub(super) fn filter(&self, part: f64, size: usize) -> Filter {
        let lags = self
            .stretches
            .first()
            .map_or(0, |l| l.len().saturating_sub(1));
        if lags == 0 {
            return Filter::default();
        }
        let order = lags.div_ceil(size.max(1)).clamp(1, MOST_ORDER);
        let points = self.known_by / size.max(1) as f64;
        Filter::of(&self.at(part, size, order), points)
    }

    /// What makes bins white, all along the stretch.
    pub(super) fn whitener(&self, bins: &Bins) -> Whitener {
        if self.stretches.is_empty() {
            return Whitener::default();
        }
        let part = |k: usize| (k as f64 + 0.5) / FILTERS as f64;
        Whitener {
            filters: (0..FILTERS)
                .map(|k| self.filter(part(k), bins.size))
                .collect(),
            each: bins.count.div_ceil(FILTERS).max(1),
        }
    }
}

/// The values, those far out drawn in.
fn clipped(values: &[f64]) -> Vec<f64> {
    let mut offs: Vec<f64> = values.iter().map(|v| v.abs()).collect();
    let most = MOST * 1.4826 * median(&mut offs);
    values.iter().map(|v| v.clamp(-most, most)).collect()
}

/// Sums of products of values so many apart, from none on.
///
/// Neighbouring distances side by side: each sum waits for its own last addition alone.
fn products(values: &[f64], count: usize) -> Vec<f64> {
    let mut padded = values.to_vec();
    padded.resize(values.len() + count + BESIDE, 0.0);
    let mut sums = Vec::new();
    for apart in (0..count).step_by(BESIDE) {
        let mut some = [0.0; BESIDE];
        let others = cut(&padded, apart, padded.len()).windows(BESIDE);
        let others = others.filter_map(<[f64]>::first_chunk::<BESIDE>);
        for (value, others) in values.iter().zip(others) {
            let both = some.iter_mut().zip(others);
            both.for_each(|(sum, other)| *sum += value * other);
        }
        sums.extend(some);
    }
    sums.truncate(count);
    sums
}

/// A point less what those before it foretell, in deviations of what is left.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    /// For each number of points before it, what to take of the point and of those before it.
    orders: Vec<Vec<f64>>,
}

impl Default for Filter {
    /// For noise that is white.
    fn default() -> Self {
        Self {
            orders: vec![vec![1.0]],
        }
    }
}

impl Filter {
    /// By Levinson's recursion, up to where more points before tell no more than chance would.
    fn of(likeness: &[f64], known_by: f64) -> Self {
        let Some(variance) = likeness
            .first()
            .map(|l| l * (1.0 + ROUNDED))
            .filter(|l| *l > 0.0)
        else {
            return Self::default();
        };
        let mut left = variance;
        let mut told: Vec<f64> = Vec::new();
        let mut orders = vec![scaled(&told, left)];
        let (mut best, mut least) = (1, 0.0);
        for order in 1..likeness.len() {
            let back = told.iter().enumerate();
            let known: f64 = back
                .map(|(k, part)| part * likeness.get(order - 1 - k).copied().unwrap_or(0.0))
                .sum();
            let reflected = (likeness.get(order).copied().unwrap_or(0.0) - known) / left;
            let now = left * (1.0 - reflected * reflected);
            if now.is_nan() || now < LEAST_LEFT * variance {
                break;
            }
            let mirrored: Vec<f64> = told.iter().rev().copied().collect();
            told.iter_mut()
                .zip(&mirrored)
                .for_each(|(part, other)| *part -= reflected * other);
            told.push(reflected);
            left = now;
            orders.push(scaled(&told, left));
            let cost = known_by * (left / variance).ln() + 2.0 * order as f64;
            if cost < least {
                (best, least) = (order + 1, cost);
            }
        }
        orders.truncate(best);
        Self { orders }
    }

    /// Points before one that foretell it.
    pub(super) fn order(&self) -> usize {
        self.orders.len().saturating_sub(1)
    }

    /// What is taken of a point with so many before it, and of each of those.
    pub(super) fn row(&self, before: usize) -> &[f64] {
        let row = self.orders.get(before.min(self.order()));
        row.map_or(&[], Vec::as_slice)
    }

    /// The values made white.
    pub(super) fn white(&self, values: &[f64]) -> Vec<f64> {
        if self.order() == 0 {
            let one = self.row(0).first().copied().unwrap_or(1.0);
            return values.iter().map(|value| one * value).collect();
        }
        let one = |at: usize| dot(self.row(at), cut(values, 0, at + 1));
        (0..values.len()).map(one).collect()
    }
}

/// A row of a filter: one over the deviation of what is left, times the point less what is foretold.
fn scaled(told: &[f64], left: f64) -> Vec<f64> {
    let one = left.sqrt().recip();
    let back = told.iter().map(|part| -part * one);
    std::iter::once(one).chain(back).collect()
}

/// Filters along a stretch of bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Whitener {
    /// None where noise is white.
    filters: Vec<Filter>,
    /// Bins of each.
    each: usize,
}

impl Whitener {
    /// Bins before one that foretell it, at the most.
    pub(super) fn order(&self) -> usize {
        self.filters.iter().map(Filter::order).max().unwrap_or(0)
    }

    /// What is taken of a bin and of each of those before it.
    pub(super) fn row(&self, bin: usize) -> &[f64] {
        let last = self.filters.len().saturating_sub(1);
        let filter = bin.checked_div(self.each).map_or(0, |k| k.min(last));
        self.filters.get(filter).map_or(&[1.0], |f| f.row(bin))
    }

    /// Values in deviations of their bins, made white.
    pub(super) fn white(&self, values: Vec<f64>) -> Vec<f64> {
        if self.filters.is_empty() {
            return values;
        }
        let one = |bin: usize| dot(self.row(bin), cut(&values, 0, bin + 1));
        (0..values.len()).map(one).collect()
    }
}

/// The last values times a row, the newest first.
fn dot(row: &[f64], values: &[f64]) -> f64 {
    let newest = values.iter().rev();
    row.iter()
        .zip(newest)
        .map(|(part, value)| part * value)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// Noise that an instrument averages over so many samples; its long sums scatter by 1.
    fn averaged(seed: u64, wide: usize, count: usize) -> Vec<f64> {
        let mut dice = Dice::new(seed * 1_000_003);
        let fresh: Vec<f64> = (0..count + wide).map(|_| dice.normal()).collect();
        let mean = |i: usize| cut(&fresh, i, i + wide).iter().sum::<f64>() / wide as f64;
        (0..count).map(mean).collect()
    }

    fn learned(wide: usize) -> Colour {
        Colour::learn((0..16).map(|seed| averaged(seed, wide, 4_000)))
    }

    fn variance(values: &[f64]) -> f64 {
        values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn products_side_by_side_are_those_of_each_distance_to_the_last_bit() {
        let values = averaged(3, 4, 101);
        for count in [1, 16, 23, 120] {
            let each = |apart: usize| -> f64 {
                let pairs = values.iter().zip(values.iter().skip(apart));
                pairs.map(|(a, b)| a * b).sum()
            };
            let wanted: Vec<f64> = (0..count).map(each).collect();
            assert_eq!(products(&values, count), wanted, "{count}");
        }
    }

    #[test]
    fn white_noise_is_left_alone() {
        assert_eq!(learned(1), Colour::default());
        let values = averaged(50, 1, 100);
        let white = Whitener::default().white(values.clone());
        assert_eq!(white, values);
        assert_eq!(Colour::default().filter(0.3, 4), Filter::default());
    }

    #[test]
    fn smoothed_noise_is_made_white_at_any_size_of_points_and_long_sums_stay() {
        let colour = learned(12);
        for size in [1, 3, 5, 30] {
            let filter = colour.filter(0.4, size);
            let shot = averaged(60, 12, 60_000);
            let points: Vec<f64> = shot
                .chunks_exact(size)
                .map(|point| point.iter().sum::<f64>() / (size as f64).sqrt())
                .collect();
            let white = filter.white(&points);
            let own = variance(&white);
            assert!((own - 1.0).abs() < 0.15, "{size}: {own}");
            let pairs = white.iter().zip(white.iter().skip(1));
            let next = pairs.map(|(a, b)| a * b).sum::<f64>() / white.len() as f64;
            assert!(next.abs() < 0.1, "{size}: {next}");
            let sums: Vec<f64> = white
                .chunks_exact(100)
                .map(|some| some.iter().sum::<f64>() / 10.0)
                .collect();
            let slow = variance(&sums);
            assert!((0.6..1.5).contains(&slow), "{size}: {slow}");
        }
    }

    #[test]
    fn an_edge_that_such_noise_can_not_have_stands_out() {
        let colour = learned(12);
        let filter = colour.filter(0.5, 1);
        let edge: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i >= 100))).collect();
        let white = filter.white(&edge);
        // Twelve samples that say the same thing are one; their edge is known to a twelfth.
        assert!(white[100] > 5.0, "{}", white[100]);
        assert!(white[190].abs() < 1.5, "{}", white[190]);
    }

    #[test]
    fn a_whitener_follows_noise_that_changes_along_the_glass() {
        let shot = |seed| {
            let mut near = averaged(seed, 10, 3_000);
            near.extend(averaged(seed + 500, 1, 3_000));
            near
        };
        let colour = Colour::learn((0..16).map(shot));
        let bins = Bins {
            from: 0,
            size: 2,
            count: 3_000,
        };
        let whitener = colour.whitener(&bins);
        assert!(
            whitener.row(1_000).len() > 3,
            "{}",
            whitener.row(1_000).len()
        );
        let values: Vec<f64> = shot(90)
            .chunks_exact(2)
            .map(|pair| pair.iter().sum::<f64>() / 2.0_f64.sqrt())
            .collect();
        let white = whitener.white(values);
        for half in [cut(&white, 100, 900), cut(&white, 2_100, 2_900)] {
            assert!((variance(half) - 1.0).abs() < 0.2, "{}", variance(half));
        }
    }
}
