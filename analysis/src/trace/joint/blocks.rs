//! Samples around edges in linear power: one by one where an edge shows, in blocks that grow with
//! the distance elsewhere.

use super::columns::Columns;
use super::noise::Noise;
use crate::trace::power::{POWER_A_DB, by_series};
use crate::trace::samples::{Trace, rest, whole};

/// Where an edge shows, a block is at most this part of a pulse, or this if it may rise sharply.
const FINEST: f64 = 1.0 / 12.0;
const SHARP: f64 = 1.0 / 40.0;

/// Blocks grow by this part of their distance from the nearest edge, up to so many pulses, and
/// farther where there would be more than so many of them.
const GROWTH: f64 = 0.2;
const MOST_PULSES: f64 = 1.0;
const MOST_BLOCKS: f64 = 30.0;

/// Powers that differ by less, as a natural logarithm, are summed by a series.
const SERIES: f64 = 0.4;

/// What "no light" means, in units of the receiver's noise: half of that is below zero.
const DARK: f64 = -0.8;

/// Some samples in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Metres from the first sample of the trace to the middle.
    pub(super) at: f64,
    /// Samples.
    pub(super) count: usize,
    /// Their mean power over the unit.
    pub(super) power: f64,
    /// Whether an edge may show in it, so that each sample counts.
    pub(super) fine: bool,
}

/// Where blocks are wanted, in samples.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Stretches in which edges show.
    pub(super) zones: Vec<[f64; 2]>,
    /// Whether anything reflects there.
    pub(super) sharp: bool,
    /// Samples that say nothing: a receiver at its limit, and what it makes of coming back.
    pub(super) blind: Vec<[usize; 2]>,
    /// Level of a power of one, in decibels.
    pub(super) unit: f64,
    /// Level from which samples say nothing.
    pub(super) limit: f64,
}

impl Frame {
    /// How far a sample is from the nearest zone.
    fn away(&self, sample: f64) -> f64 {
        let off = |[from, to]: &[f64; 2]| (from - sample).max(sample - to).max(0.0);
        self.zones.iter().map(off).fold(f64::MAX, f64::min)
    }

    /// The blocks; `receiver` is its noise over the unit.
    pub(super) fn blocks(&self, trace: &Trace, receiver: f64) -> Vec<Block> {
        let pulse = trace.pulse().get() / trace.step_m();
        let part = if self.sharp { SHARP } else { FINEST };
        let finest = (part * pulse).max(1.0);
        let all = self.to.saturating_sub(self.from) as f64;
        let coarsest = (MOST_PULSES * pulse).max(all / MOST_BLOCKS).max(finest);
        let mut blocks = Vec::new();
        let mut at = self.from;
        while at < self.to {
            let blind = self
                .blind
                .iter()
                .find(|[from, to]| (*from..*to).contains(&at));
            if let Some([_, to]) = blind {
                at = *to;
                continue;
            }
            let away = self.away(at as f64);
            let size = (GROWTH * away).clamp(finest, coarsest);
            let ahead = self.blind.iter().map(|[from, _]| from.saturating_sub(at));
            let room = ahead.filter(|room| *room > 0).min().unwrap_or(usize::MAX);
            let count = whole(size).max(1).min(self.to - at).min(room);
            let levels = trace.stretch(at, at + count);
            let block = Block {
                at: (at as f64 + (count as f64 - 1.0) / 2.0) * trace.step_m(),
                count,
                power: self.mean(trace, levels, receiver),
                fine: away <= 2.0 * finest,
            };
            // All of them, which is quicker than to stop at the first.
            let clips = levels
                .iter()
                .fold(false, |clips, level| clips | (*level >= self.limit));
            if !clips {
                blocks.push(block);
            }
            at += count;
        }
        blocks
    }

    fn mean(&self, trace: &Trace, levels: &[f64], receiver: f64) -> f64 {
        let first = levels.first().copied().unwrap_or(self.unit);
        let count = levels.len() as f64;
        let (sum, widest) = by_series(levels);
        if widest < SERIES && !trace.is_dark(first) {
            return sum / count * ((first - self.unit) * POWER_A_DB).exp();
        }
        let power = |level: &f64| {
            if trace.is_dark(*level) {
                DARK * receiver
            } else {
                ((level - self.unit) * POWER_A_DB).exp()
            }
        };
        levels.iter().map(power).sum::<f64>() / count
    }
}

/// Makes the noise of blocks white.
#[derive(Clone, Debug)]
pub(super) struct Whitener {
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Light in the block that fading multiplies.
    light: f64,
    inverse: f64,
    /// What of the fading believed before is believed of the next block, and what this one adds.
    keep: f64,
    learn: f64,
}

/// A block, with the deviation of its mean and the root of the share that as many samples more have of
/// its square.
type Known = (Block, (f64, f64));

/// Columns made white side by side: one after the other waits for every product.
const LANES: usize = 4;

impl Whitener {
    /// For blocks whose glass sends back this much light, the rest being reflections; `noise` in
    /// the unit of their powers.
    ///
    /// # Source
    ///
    /// The innovations of a Kalman filter that follows the fading as a first-order process, its
    /// means over blocks with their own variance and their neighbours' share.
    pub(super) fn new(blocks: &[Block], lights: &[f64], noise: &Noise, spacing: f64) -> Self {
        let mut spread = 1.0;
        let keep = (-spacing / noise.reach.max(1e-9)).exp();
        let mut last = (0, (1.0, keep.sqrt()));
        // Blocks of one size follow one another.
        let mut known = |block: &Block| {
            if block.count != last.0 {
                let (own, shared) = averaged(block.count as f64, keep);
                last = (block.count, (own.sqrt(), shared.sqrt()));
            }
            (*block, last.1)
        };
        let blocks: Vec<Known> = blocks.iter().map(&mut known).collect();
        let following = blocks.iter().skip(1).map(Some).chain([None]);

        let step = |((known, light), next): ((&Known, &f64), Option<&Known>)| {
            let (block, (own, shared)) = known;
            let count = block.count as f64;
            let lit = light * noise.fading * own;
            // What noise itself adds to a sample must not make it count less.
            let shown = if block.power > 2.0 * light {
                block.power
            } else {
                *light
            };
            let rough = shown * noise.rough;
            let white = ((noise.receiver.powi(2) + rough * rough) / count).max(1e-18);
            let variance = lit * lit * spread + white;
            let gain = spread * lit / variance;
            // What is left is what all later blocks wait for: by the shortest way.
            let left = spread * white / variance;
            let keep = next.map_or(0.0, |(next, (_, other))| {
                let apart = (next.at - block.at) / spacing;
                let gap = apart - (count + next.count as f64) / 2.0;
                // A gap is of whole samples.
                let gone = if gap < 0.5 { 1.0 } else { keep.powf(gap) };
                shared * other * gone
            });
            spread = keep * keep * left + 1.0 - keep * keep;
            Step {
                light: lit,
                inverse: variance.sqrt().recip(),
                keep: keep * (1.0 - gain * lit),
                learn: keep * gain,
            }
        };
        let steps = blocks.iter().zip(lights).zip(following).map(step).collect();
        Self { steps }
    }

    /// Makes columns of numbers white, one number a block.
    pub(super) fn apply(&self, columns: &mut Columns) {
        let mut columns: Vec<(usize, &mut [f64])> = columns.each().collect();
        let (wide, others) = columns.as_chunks_mut::<LANES>();
        for columns in wide {
            self.together(columns.each_mut());
        }
        match others {
            [a, b, c] => self.together([a, b, c]),
            [a, b] => self.together([a, b]),
            [a] => self.together([a]),
            _ => {}
        }
    }

    fn together<const N: usize>(&self, columns: [&mut (usize, &mut [f64]); N]) {
        let start = columns.iter().map(|column| column.0).min().unwrap_or(0);
        let mut columns =
            columns.map(|(_, column)| column.get_mut(start..).unwrap_or_default().iter_mut());
        let mut carried = [0.0; N];
        for step in rest(&self.steps, start) {
            for (column, carried) in columns.iter_mut().zip(&mut carried) {
                let Some(value) = column.next() else { break };
                let news = *value - step.light * *carried;
                *carried = step.keep * *carried + step.learn * *value;
                *value = news * step.inverse;
            }
        }
    }
}

/// Variance of the mean of some samples of fading, as a share of that of one, and how much of it
/// the mean of as many more shares; `keep` is what neighbours share.
fn averaged(count: f64, keep: f64) -> (f64, f64) {
    if count < 1.5 || keep > 1.0 - 1e-9 {
        return (1.0, keep);
    }
    let (fresh, gone) = (1.0 - keep, 1.0 - keep.powf(count));
    let square = (count * fresh).powi(2);
    let own = (count * fresh * (1.0 + keep) - 2.0 * keep * gone) / square;
    (own, keep * gone * gone / square / own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Dice, Plan};

    fn frame(trace: &Trace) -> Frame {
        Frame {
            from: 100,
            to: 3_000,
            zones: vec![[1_500.0, 1_550.0]],
            sharp: true,
            blind: Vec::new(),
            unit: -25.0,
            limit: f64::MAX,
        }
        .clipped(trace)
    }

    impl Frame {
        fn clipped(mut self, trace: &Trace) -> Self {
            self.to = self.to.min(trace.levels().len());
            self
        }
    }

    #[test]
    fn blocks_are_fine_at_the_edge_and_hold_every_sample() {
        let trace = Plan::default().trace();
        let frame = frame(&trace);
        let blocks = frame.blocks(&trace, 1e-4);
        let count: usize = blocks.iter().map(|block| block.count).sum();
        assert_eq!(count, frame.to - frame.from);
        assert!(blocks.len() < 400, "{}", blocks.len());
        let inside = |block: &&Block| (7_500.0..7_750.0).contains(&block.at);
        assert!(blocks.iter().filter(inside).all(|b| b.fine && b.count == 1));
    }

    #[test]
    fn a_block_is_the_mean_of_its_powers() {
        let trace = Plan::default().trace();
        let frame = frame(&trace);
        let levels = trace.stretch(200, 260);
        let power = |level: &f64| 10_f64.powf((level - frame.unit) / 5.0);
        let wanted = levels.iter().map(power).sum::<f64>() / 60.0;
        assert!((frame.mean(&trace, levels, 0.0) / wanted - 1.0).abs() < 1e-4);
    }

    #[test]
    fn fading_over_uneven_blocks_becomes_white() {
        let mut dice = Dice::new(3);
        let noise = Noise {
            receiver: 0.01,
            rough: 0.0,
            fading: 0.05,
            reach: 10.0,
        };
        let (mut square, mut next, mut count) = (0.0, 0.0, 0.0);
        for _ in 0..200 {
            let keep = (-0.1_f64).exp();
            let mut faded = dice.normal();
            let mut blocks = Vec::new();
            let mut at = 0.0;
            while blocks.len() < 60 {
                let size = [1, 2, 5, 12, 30][blocks.len() / 12];
                let mut sum = 0.0;
                for _ in 0..size {
                    faded = keep * faded + (1.0 - keep * keep).sqrt() * dice.normal();
                    sum += noise.fading * faded + noise.receiver * dice.normal();
                }
                let middle = at + (size as f64 - 1.0) / 2.0;
                blocks.push(Block {
                    at: middle,
                    count: size,
                    power: sum / size as f64,
                    fine: false,
                });
                at += size as f64;
            }
            let whitener = Whitener::new(&blocks, &[1.0; 60], &noise, 1.0);
            let mut columns = Columns::new(blocks.len(), 1);
            columns.add(0, 0, blocks.iter().map(|block| block.power));
            whitener.apply(&mut columns);
            let white: Vec<f64> = (0..blocks.len()).map(|i| columns.at(i, 0)).collect();
            square += white.iter().map(|w| w * w).sum::<f64>();
            next += white.windows(2).map(|w| w[0] * w[1]).sum::<f64>();
            count += 60.0;
        }
        // Where blocks grow their shares are estimates.
        assert!((square / count - 1.0).abs() < 0.05, "{}", square / count);
        assert!((next / count).abs() < 0.08, "{}", next / count);
    }
}
