//! Steps in a difference: generalised least squares at every bin at once.
//!
//! ```text
//! fall = level + tilt·x + slow cosines + white noise + Σ size · [behind the step]
//!        free    known    learned        learned
//! ```
//!
//! A step must stand out twice: against the noise as learned, and, more mildly, with the tilt left
//! free: a bad launch tilts a trace by far more than good shots ever showed, and a step in the
//! middle is much like a tilt. What is left over after all steps must look like the noise that was
//! learned; where it does not, all deviations count for less. And it must stand out of slow noise as
//! strong as it may be, few shots having told how strong.

mod chance;
mod doubt;
mod shape;
mod taken;

use std::borrow::Cow;

use self::doubt::Doubt;
use self::shape::Shape;
use self::taken::Places;
use super::bins::Bins;
use super::colour::{Colour, Whitener};
use super::fit::Fitted;
use super::modes::{amplitude, cosine};

/// How often one quiet shot may show a step, its noise being as learned. Twice as often is
/// asked for: noise is never just as learned.
const FALSE_ALARMS: f64 = 1e-5;

/// What a step must stand out by with the tilt left free, as a part of what it must as learned.
const FREE: f64 = 0.81;

/// Noise over bins, for one comparison.
#[derive(Clone, Debug)]
pub(super) struct Noise<'a> {
    /// Standard deviation of a bin of one shot.
    pub(super) sigma: Vec<f64>,
    /// Variance of slow cosines beyond white noise.
    pub(super) extra: Cow<'a, [f64]>,
    /// Standard deviation of the tilt from end to end.
    pub(super) tilt: f64,
    /// Variance of this comparison, as a part of one shot's.
    pub(super) share: f64,
    /// Independent shots that slow noise was learned from.
    pub(super) known_by: f64,
    /// How alike neighbouring samples are.
    pub(super) colour: &'a Colour,
    /// The length in bins over which a step fills, and the receiver's time constant.
    pub(super) ramp: [f64; 2],
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// The first bin behind it.
    pub(super) bin: usize,
    /// Its size in decibels, positive for loss.
    pub(super) size: f64,
    /// Standard deviation of the size.
    pub(super) size_sd: f64,
    /// How far it stands out of the noise.
    pub(super) sigmas: f64,
    /// Bins that hold 99.9 % of where it may be.
    pub(super) bins: [usize; 2],
    /// The ramp that it is in the samples, where one was fitted.
    pub(super) fitted: Option<Fitted>,
}

/// What makes a ramp of a step, given the others.
pub(super) type Fit<'a> = &'a dyn Fn(&Step, &[Step]) -> Option<Fitted>;

/// What a comparison shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Steps, largest first.
    pub(super) steps: Vec<Step>,
    /// Level, tilt and slow noise under the steps, for each bin.
    pub(super) under: Vec<f64>,
    /// Fall at the beginning of the stretch.
    pub(super) launch: f64,
    /// Fall that the line adds from end to end, whatever good shots' tilts were.
    pub(super) tilt: f64,
    /// Standard deviation of that.
    pub(super) tilt_sd: f64,
    /// By how much deviations count for less than the noise as learned would have them.
    pub(super) misfit: f64,
}

/// The machinery for one noise, whatever the falls.
pub(super) struct Search {
    /// `1 / sigma` of each bin.
    inverse: Vec<f64>,
    /// By how much each cosine is believed to be noise: 0 to 1.
    shrink: Vec<f64>,
    extra: Vec<f64>,
    /// What a step at each bin weighs before level and tilt are taken off: sharp, and smoothed.
    weight: Vec<[f64; 2]>,
    /// Its joint weights with level and tilt.
    with_line: Vec<[[f64; 2]; 2]>,
    known: Inverse,
    free: Inverse,
    /// Level and tilt, made white.
    lines: [Vec<f64>; 2],
    share: f64,
    doubt: Doubt,
    whitener: Whitener,
    /// Whether neighbouring samples' noise is alike.
    is_smoothed: bool,
    /// What it takes of a step at each bin, beyond a sharp one that the noise's own smoothing has
    /// smoothed.
    shape: Shape,
    /// What a step must stand out by anywhere, and at one of so many known places.
    least: f64,
    /// The same of the smooth steps that slow noise may look like.
    least_slow: f64,
    edges: [usize; 2],
    bins: Bins,
}

/// Inverse of a symmetric 2 × 2 matrix.
#[derive(Clone, Copy, Debug)]
struct Inverse {
    a: f64,
    b: f64,
    d: f64,
}

impl Inverse {
    fn of(a: f64, b: f64, d: f64) -> Self {
        let determinant = (a * d - b * b).max(f64::MIN_POSITIVE);
        Self {
            a: d / determinant,
            b: -b / determinant,
            d: a / determinant,
        }
    }

    fn between(&self, u: [f64; 2], v: [f64; 2]) -> f64 {
        let [u0, u1] = u;
        let [v0, v1] = v;
        u0 * (self.a * v0 + self.b * v1) + u1 * (self.b * v0 + self.d * v1)
    }

    fn times(&self, v: [f64; 2]) -> [f64; 2] {
        let [v0, v1] = v;
        [self.a * v0 + self.b * v1, self.b * v0 + self.d * v1]
    }
}

/// How a step at one bin stands.
#[derive(Clone, Copy, Debug)]
struct Stand {
    size: f64,
    sd: f64,
    /// Deviations, the mildly demanded ones scaled to the sternly demanded.
    score: f64,
    sigmas: f64,
}

impl Search {
    pub(super) fn new(noise: &Noise<'_>, bins: Bins) -> Self {
        let count = noise.sigma.len();
        let inverse: Vec<f64> = noise.sigma.iter().map(|sigma| 1.0 / sigma).collect();
        let shrink: Vec<f64> = noise.extra.iter().map(|e| e / (1.0 + e)).collect();
        let x = |bin: usize| (bin as f64 + 0.5) / count.max(1) as f64 - 0.5;
        let whitener = noise.colour.whitener(&bins);
        let level = whitener.white(inverse.clone());
        let tilt: Vec<f64> = inverse.iter().enumerate().map(|(b, w)| w * x(b)).collect();
        let tilt = whitener.white(tilt);
        let doubt = Doubt::new(noise, [&level, &tilt]);
        let shape = Shape::new(&whitener, &inverse, (&level, noise.ramp));
        let mut search = Self {
            doubt,
            weight: Vec::new(),
            with_line: Vec::new(),
            known: Inverse::of(1.0, 0.0, 1.0),
            free: Inverse::of(1.0, 0.0, 1.0),
            lines: [level, tilt],
            share: noise.share,
            edges: [(count / 50).max(4), 4],
            extra: noise.extra.to_vec(),
            least: f64::MAX,
            least_slow: f64::MAX,
            whitener,
            is_smoothed: !noise.colour.stretches.is_empty(),
            shape,
            inverse,
            shrink,
            bins,
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let [level, tilt] = &search.lines;
        let [q0, q1] = [search.less_slow(level), search.less_slow(tilt)];
        let (a, b, d) = (dot(level, &q0), dot(level, &q1), dot(tilt, &q1));
        search.free = Inverse::of(a, b, d);
        search.known = Inverse::of(a, b, d + noise.share / (noise.tilt * noise.tilt).max(1e-12));
        search.with_line = search.along([&q0, &q1]);
        search.weight = search.weights();
        let kinds = if search.shape.is_sharp() { 1..2 } else { 0..2 };
        search.least = search.threshold(kinds);
        search.least_slow = search.threshold(1..2);
        search
    }

    /// The strongest score of any step: what good shots show of nothing.
    pub(super) fn loudest(&self, fall: &[f64]) -> f64 {
        let anywhere = Places {
            events: &[],
            barred: Vec::new(),
        };
        let step = self.strongest(fall, &anywhere);
        step.map_or(0.0, |step| step.sigmas)
    }

    /// How a step stands at each bin: sharp or smoothed, whichever stands out more.
    fn stands(&self, fall: &[f64]) -> Vec<Stand> {
        let white = self.less_slow(&self.scaled(fall));
        let on_line = self.on_line(&white);
        let joints = self.behind(&white);
        let parts = joints.iter().zip(&self.weight).zip(&self.with_line);
        parts
            .map(|((joints, weights), lines)| {
                let [sharp, smooth] = [0, 1].map(|k| {
                    let of = |pair: &[f64; 2]| pair.get(k).copied().unwrap_or_default();
                    let line = lines.get(k).copied().unwrap_or_default();
                    self.stand(of(joints), of(weights), (line, on_line))
                });
                if sharp.score >= smooth.score {
                    sharp
                } else {
                    smooth
                }
            })
            .collect()
    }

    /// A step by its joint weight with the falls, its own, and those with level and tilt.
    fn stand(&self, joint: f64, weight: f64, (line, on_line): ([f64; 2], [f64; 2])) -> Stand {
        let stand = |inverse: &Inverse| {
            let own = weight - inverse.between(line, line);
            let joint = joint - inverse.between(line, on_line);
            let own = own.max(1e-9 * weight).max(f64::MIN_POSITIVE);
            (joint / own, (self.share / own).sqrt())
        };
        let ((size, sd), (free, free_sd)) = (stand(&self.known), stand(&self.free));
        let sigmas = (size / sd).abs();
        Stand {
            size,
            sd,
            sigmas,
            score: sigmas.min((free / free_sd).abs() / FREE),
        }
    }

    fn in_sigmas(&self, values: &[f64]) -> Vec<f64> {
        let pairs = values.iter().zip(&self.inverse);
        pairs.map(|(v, i)| v * i).collect()
    }

    /// Falls in deviations of their bins, made white.
    fn scaled(&self, values: &[f64]) -> Vec<f64> {
        self.whitener.white(self.in_sigmas(values))
    }

    /// The values without what slow noise explains of them.
    fn less_slow(&self, values: &[f64]) -> Vec<f64> {
        let mut white = values.to_vec();
        for (k, shrink) in self.shrink.iter().enumerate() {
            let strength = shrink * amplitude(values, k + 1);
            cosine(k + 1, values.len(), |bin, c| {
                if let Some(value) = white.get_mut(bin) {
                    *value -= strength * c;
                }
            });
        }
        white
    }

    fn on_line(&self, white: &[f64]) -> [f64; 2] {
        let on = |line: &Vec<f64>| line.iter().zip(white).map(|(l, w)| l * w).sum();
        let [level, tilt] = &self.lines;
        [on(level), on(tilt)]
    }

    /// A step at each bin times the values: a sharp one, and one that was smoothed as the noise was.
    fn behind(&self, white: &[f64]) -> Vec<[f64; 2]> {
        let [level, _] = &self.lines;
        let smooth = shape::sums(level, white);
        let sharp = self.shape.behind(&smooth, white);
        sharp
            .into_iter()
            .zip(smooth)
            .map(<[f64; 2]>::from)
            .collect()
    }

    /// The same of level and tilt, for sharp and smoothed steps.
    fn along(&self, lines: [&[f64]; 2]) -> Vec<[[f64; 2]; 2]> {
        let [levels, tilts] = lines.map(|line| self.behind(line));
        let pairs = levels.into_iter().zip(tilts);
        pairs
            .map(|([l0, l1], [t0, t1])| [[l0, t0], [l1, t1]])
            .collect()
    }

    /// What a step at each bin weighs under slow noise.
    fn weights(&self) -> Vec<[f64; 2]> {
        let [level, _] = &self.lines;
        let count = level.len();
        let smooth = shape::sums(level, level);
        let sharp = self.shape.squares(&smooth);
        let mut weights: Vec<[f64; 2]> = sharp
            .into_iter()
            .zip(smooth)
            .map(<[f64; 2]>::from)
            .collect();
        let mut onto = vec![0.0; count];
        for (k, shrink) in self.shrink.iter().enumerate() {
            cosine(k + 1, count, |bin, c| {
                if let Some(onto) = onto.get_mut(bin) {
                    *onto = c;
                }
            });
            for (weights, sums) in weights.iter_mut().zip(self.behind(&onto)) {
                let both = weights.iter_mut().zip(sums);
                both.for_each(|(weight, sum)| *weight -= shrink * sum * sum);
            }
        }
        weights
    }

    /// What a step must stand out by so that quiet shots show none more often than was said.
    fn threshold(&self, kinds: std::ops::Range<usize>) -> f64 {
        let [near, far] = self.edges;
        let places = near..self.weight.len().saturating_sub(far);
        let weighs = |line: [f64; 2], weight: f64| weight - self.known.between(line, line);
        let own = |bin: usize, k: usize| {
            let weight = self.weight.get(bin)?.get(k)?;
            Some(weighs(*self.with_line.get(bin)?.get(k)?, *weight))
        };
        let [level, _] = &self.lines;
        let apart = |bin: usize, k: usize| {
            let step = if k == 0 {
                self.shape.between(bin)
            } else {
                level.get(bin)?.powi(2)
            };
            let both = own(bin, k)? * own(bin + 1, k)?;
            (both > 0.0).then(|| 0.5 * step / both.sqrt())
        };
        let all: Vec<f64> = kinds
            .flat_map(|k| places.clone().map(move |bin| (bin, k)))
            .filter_map(|(bin, k)| apart(bin, k))
            .collect();
        chance::threshold(FALSE_ALARMS, |sigmas| chance::places(&all, sigmas))
    }
}

/// By how much likelier, in log odds, a change is at a known event than at one bin of the glass.
pub(super) const EVENT_BONUS: f64 = 3.0;

impl Step {
    /// What a bin shows of it, in decibels.
    pub(super) fn at_bin(&self, bin: usize, bins: &Bins) -> f64 {
        match &self.fitted {
            Some(fitted) => fitted.ramp.fall(bins.start(bin), bins.size).0,
            None if bin >= self.bin => self.size,
            None => 0.0,
        }
    }

    fn fitted(self, fitted: Option<Fitted>) -> Self {
        let Some(found) = fitted else {
            return self;
        };
        Self {
            size: found.ramp.size,
            size_sd: found.size_sd,
            fitted,
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
