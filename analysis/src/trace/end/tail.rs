//! Whether light is what a receiver recovers from, or comes from glass that stops.
//!
//! However a receiver is built, what it shows behind a flash is a sum of dying exponentials, none of
//! them below zero, on an offset: such a sum falls ever slower. Glass lies level, over what else there
//! is, up to where it stops within a pulse. Both are fitted to the light in linear power, and weighed
//! by how much better the one with glass explains it than a free place and height would by chance.

use super::super::line::Line;
use super::super::product::dot;
use super::super::samples::{Trace, whole};

/// Constants of the exponentials, in pulses: the first, how each follows from the one before, how many.
const FASTEST: f64 = 0.2;
const RATIO: f64 = 1.4;
const EXPONENTIALS: usize = 14;

/// Bins a pulse, and at the most of one fit.
const BINS: f64 = 5.0;
const MOST_BINS: usize = 300;

/// What neither model explains of the light, as a share of it.
const UNEVEN: f64 = 0.015;

/// Rounds of the search for heights.
const ROUNDS: usize = 150;

/// Constants that a receiver may have where glass stops, in pulses; places where that may be.
const RECEIVERS: [f64; 3] = [0.1, 0.3, 0.7];
const PLACES: u32 = 12;

/// Unknowns that glass brings along: its height and its end.
const UNKNOWNS: f64 = 2.0;

/// Light between two samples as multiples of the glass that a line leads to, in bins.
pub(super) struct Light {
    bins: Vec<Bin>,
    /// Pulses a bin.
    width: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bin {
    power: f64,
    /// One over its deviation.
    sharp: f64,
}

/// Glass that stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Glass {
    /// Where it stops, in pulses from the first sample.
    pub(super) at: f64,
    /// Its light, as a multiple of the line's.
    pub(super) height: f64,
    /// Twice the logarithm of the odds that it is there.
    pub(super) sure: f64,
    /// How far the light is from what it would be without glass: mean square, in deviations.
    pub(super) unlike: f64,
}

impl Light {
    /// The light between two samples; `noise` is the level of the receiver's.
    pub(super) fn of(trace: &Trace, line: &Line, [from, to]: [usize; 2], noise: f64) -> Self {
        let pulse = trace.pulse().get() / trace.step_m();
        let levels = trace.stretch(from, to);
        let size = whole((pulse / BINS).round())
            .max(levels.len() / MOST_BINS)
            .max(1);
        let over = |level: f64, at: f64| 10_f64.powf((level - line.at(at)) / 5.0);
        let means = levels.chunks_exact(size).enumerate().map(|(k, chunk)| {
            let first = from + k * size;
            let power = |(i, level): (usize, &f64)| match trace.is_dark(*level) {
                true => 0.0,
                false => over(*level, (first + i) as f64),
            };
            let sum: f64 = chunk.iter().enumerate().map(power).sum();
            [sum / size as f64, over(noise, first as f64)]
        });
        let means: Vec<[f64; 2]> = means.collect();
        let bin = |(k, [power, noise]): (usize, &[f64; 2])| {
            let near = means.get(k.saturating_sub(1)..(k + 2).min(means.len()));
            let near = near.unwrap_or_default();
            let smooth =
                near.iter().map(|[power, _]| power).sum::<f64>() / near.len().max(1) as f64;
            let sigma = (noise / (size as f64).sqrt()).hypot(UNEVEN * smooth);
            Bin {
                power: *power,
                sharp: sigma.max(1e-9).recip(),
            }
        };
        Self {
            bins: means.iter().enumerate().map(bin).collect(),
            width: size as f64 / pulse,
        }
    }

    /// The glass that explains the light best, if it stops between two places, in pulses from the first
    /// sample.
    pub(super) fn glass(&self, [from, to]: [f64; 2]) -> Option<Glass> {
        let mut system = System::of(self);
        let tail = system.fit(&[]);
        let part = (to - from) / f64::from(PLACES);
        let mut best: Option<(f64, Fit)> = None;
        for place in 0..=PLACES {
            let at = from + part * f64::from(place);
            for receiver in RECEIVERS {
                system.add(self.column(&|pulses: f64| ramp(pulses - at, receiver)));
                let fit = system.fit(&tail.heights);
                system.take_off();
                if best
                    .as_ref()
                    .is_none_or(|(_, best)| fit.misfit < best.misfit)
                {
                    best = Some((at, fit));
                }
            }
        }
        let (at, best) = best?;
        // What both had more rounds for.
        let tail = system.fit(&tail.heights);
        let alike = best.alike.clamp(0.0, 0.95);
        let tells = self.bins.len() as f64 * (1.0 - alike) / (1.0 + alike);
        let better = (tail.misfit / best.misfit.max(1e-9)).ln();
        Some(Glass {
            at,
            height: best.heights.last().copied().unwrap_or_default(),
            sure: tells * better - UNKNOWNS * tells.max(1.0).ln(),
            unlike: tail.misfit / self.bins.len().max(1) as f64,
        })
    }

    /// Something in each bin's middle, in pulses from the first sample, over the bin's deviation.
    fn column(&self, of: &dyn Fn(f64) -> f64) -> Vec<f64> {
        let bins = self.bins.iter().enumerate();
        let value = |(k, bin): (usize, &Bin)| of((k as f64 + 0.5) * self.width) * bin.sharp;
        bins.map(value).collect()
    }
}

/// What the light may be made of: exponentials, an offset, and glass where it is added.
struct System {
    wanted: Vec<f64>,
    columns: Vec<Vec<f64>>,
    /// Products of columns with one another, and with what is wanted.
    products: Vec<Vec<f64>>,
    right: Vec<f64>,
}

/// Heights none of which is below zero.
struct Fit {
    heights: Vec<f64>,
    misfit: f64,
    /// How much neighbours' misfits are alike.
    alike: f64,
}

impl System {
    fn of(light: &Light) -> Self {
        let mut system = Self {
            wanted: light.bins.iter().map(|bin| bin.power * bin.sharp).collect(),
            columns: Vec::new(),
            products: Vec::new(),
            right: Vec::new(),
        };
        for k in 0..EXPONENTIALS {
            let constant = FASTEST * RATIO.powf(k as f64);
            system.add(light.column(&|at: f64| (-at / constant).exp()));
        }
        system.add(light.column(&|_| 1.0));
        system
    }

    fn add(&mut self, column: Vec<f64>) {
        self.right.push(dot(&column, &self.wanted));
        let mut row: Vec<f64> = self.columns.iter().map(|one| dot(one, &column)).collect();
        for (products, product) in self.products.iter_mut().zip(&row) {
            products.push(*product);
        }
        row.push(dot(&column, &column));
        self.products.push(row);
        self.columns.push(column);
    }

    /// The system without the last column.
    fn take_off(&mut self) {
        self.columns.pop();
        self.products.pop();
        self.right.pop();
        for products in &mut self.products {
            products.pop();
        }
    }

    fn fit(&self, start: &[f64]) -> Fit {
        let mut heights = start.to_vec();
        heights.resize(self.columns.len(), 0.0);
        for _ in 0..ROUNDS {
            for (k, (row, right)) in self.products.iter().zip(&self.right).enumerate() {
                let own = row.get(k).copied().unwrap_or_default();
                let led = dot(row, &heights);
                if let Some(height) = heights.get_mut(k).filter(|_| own > 1e-12) {
                    *height = (*height + (right - led) / own).max(0.0);
                }
            }
        }
        let mut rest = self.wanted.clone();
        for (column, height) in self.columns.iter().zip(&heights) {
            for (rest, column) in rest.iter_mut().zip(column) {
                *rest -= height * column;
            }
        }
        let misfit = dot(&rest, &rest).max(1e-9);
        let next = rest.get(1..).unwrap_or_default();
        Fit {
            heights,
            misfit,
            alike: dot(&rest, next) / misfit,
        }
    }
}

/// Light of glass so many pulses behind its stop: the pulse leaves it, and the receiver follows.
fn ramp(behind: f64, receiver: f64) -> f64 {
    if behind <= 0.0 {
        return 1.0;
    }
    let gone = behind.min(1.0);
    let late = receiver * (1.0 - (-gone / receiver).exp());
    (1.0 - (gone - late)) * (-(behind - gone) / receiver).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// Light of so many pulses, five bins each.
    fn light(seed: u64, pulses: f64, power: impl Fn(f64) -> f64) -> Light {
        let mut dice = Dice::new(seed);
        let bins = (0..whole(pulses * BINS)).map(|k| {
            let power = power((k as f64 + 0.5) / BINS);
            let sigma = 0.02_f64.hypot(0.01 * power);
            Bin {
                power: power + sigma * dice.normal(),
                sharp: 0.02_f64.hypot(UNEVEN * power).recip(),
            }
        });
        Light {
            bins: bins.collect(),
            width: BINS.recip(),
        }
    }

    #[test]
    fn a_sum_of_exponentials_is_no_glass() {
        for seed in 1..=60 {
            let mut dice = Dice::new(seed);
            let constants = [0; 2].map(|_| dice.between(0.3, 12.0));
            let heights = [0; 2].map(|_| 10_f64.powf(dice.between(-1.0, 2.0)));
            let tail = |at: f64| {
                let one = |k: usize| heights[k] * (-at / constants[k]).exp();
                one(0) + one(1)
            };
            let glass = light(seed, 12.0, tail).glass([2.0, 9.0]).unwrap();
            assert!(
                glass.sure < 20.0,
                "{seed} {constants:?} {heights:?}: {glass:?}"
            );
        }
    }

    #[test]
    fn glass_that_stops_within_a_tail_is_glass() {
        for seed in 1..=60 {
            let mut dice = Dice::new(seed);
            let (constant, height) = (dice.between(0.3, 1.0), dice.between(0.0, 10.0));
            let stop = 4.0 + dice.uniform();
            let power = |at: f64| height * (-at / constant).exp() + ramp(at - stop, 0.3);
            let glass = light(seed, 9.0, power).glass([3.5, 5.5]).unwrap();
            let near = (glass.at - stop).abs() < 0.3 && (glass.height - 1.0).abs() < 0.2;
            assert!(
                glass.sure > 20.0 && near,
                "{seed} {constant} {height} {stop}: {glass:?}"
            );
        }
    }
}
