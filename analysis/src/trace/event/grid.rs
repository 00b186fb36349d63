//! The trace thinned to a few points a pulse, with the noise of each and sums for line fits.

use crate::trace::end::EndOfFibre;
use crate::trace::line::{median, quantile};
use crate::trace::noise;
use crate::trace::samples::{Trace, cut, whole};
use crate::trace::windows::Window;

/// Points a pulse, where the samples are that dense.
const POINTS_A_PULSE: f64 = 10.0;

/// More points are thinned further.
const MOST_POINTS: usize = 40_000;

/// Noise is measured over blocks of this many pulses.
const BLOCK_PULSES: f64 = 12.0;

/// Glass is not straight to better than this, in decibels.
const LEAST_SIGMA_DB: f64 = 0.001;

/// How far a stretch's slope may lie from the usual one, in dB/km: wide on purpose.
const SLOPE_SPREAD: f64 = 0.25;

/// Levels from the start of the trace to the end of the fibre, thinned.
#[derive(Debug)]
pub(crate) struct Grid {
    /// One-way levels in decibels.
    pub(crate) levels: Vec<f64>,
    /// Noise of each level, one standard deviation.
    pub(crate) sigma: Vec<f64>,
    /// Samples of the trace a point.
    pub(crate) group: usize,
    /// The sample the first point starts with.
    pub(crate) first: usize,
    /// Kilometres between points.
    pub(crate) step_km: f64,
    /// Points a pulse, at least 1.
    pub(crate) pulse: usize,
    /// The same without rounding.
    pub(crate) pulse_points: f64,
    /// Usual slope of the glass, level a kilometre, negative.
    pub(crate) slope: f64,
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    w: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

/// A line over a stretch of points, its slope held near the usual one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    /// Position of its centre in kilometres.
    pub(crate) centre: f64,
    /// Level there.
    pub(crate) level: f64,
    /// Level a kilometre.
    pub(crate) slope: f64,
    /// Misfit in units of noise, with the price of an odd slope.
    pub(crate) cost: f64,
    weight: f64,
    stiffness: f64,
}

impl Fit {
    /// Its level at a position in kilometres.
    pub(crate) fn at(&self, km: f64) -> f64 {
        self.level + self.slope * (km - self.centre)
    }

    /// Variance of that level.
    pub(crate) fn variance_at(&self, km: f64) -> f64 {
        1.0 / self.weight.max(1e-12) + (km - self.centre).powi(2) / self.stiffness.max(1e-12)
    }
}

impl Grid {
    /// The grid from the panel to the end of the fibre, if there is anything to look at.
    pub(crate) fn of(trace: &Trace, windows: &[Window], end: Option<&EndOfFibre>) -> Option<Self> {
        let launch = trace.settings().launch.get();
        let first = trace.index_of(-launch);
        let lit = windows
            .iter()
            .rev()
            .find(|window| window.may_be_glass())?
            .to;
        let margin = |end: &EndOfFibre| end.plus_minus.get() + 0.3 * trace.pulse().get();
        let last = end.map_or(lit, |end| trace.index_of(end.at.get() - margin(end)));
        let pulse_samples = trace.pulse().get() / trace.step_m();
        let dense = whole(pulse_samples / POINTS_A_PULSE).max(1);
        let group = dense.max(last.saturating_sub(first).div_ceil(MOST_POINTS));
        let mean = |chunk: &[f64]| chunk.iter().sum::<f64>() / chunk.len() as f64;
        let levels: Vec<f64> = trace
            .stretch(first, last)
            .chunks_exact(group)
            .map(mean)
            .collect();
        if levels.len() < 16 {
            return None;
        }
        let step_km = trace.step_m() * group as f64 / 1_000.0;
        let pulse_points = pulse_samples / group as f64;
        let pulse = whole(pulse_points.ceil()).max(1);
        let sigma = local_sigma(&levels, pulse);
        let slope = usual_slope(windows, trace.step_m(), last);
        let mut grid = Self {
            levels,
            sigma,
            group,
            first,
            step_km,
            pulse,
            pulse_points,
            slope,
            sums: Vec::new(),
        };
        grid.sum();
        Some(grid)
    }

    /// Makes the noise this many times larger: what correlation adds on the scale of events.
    pub(crate) fn widen(&mut self, factor: f64) {
        self.sigma.iter_mut().for_each(|sigma| *sigma *= factor);
        self.sum();
    }

    fn sum(&mut self) {
        let mut total = Sums::default();
        let offset = self.levels.first().copied().unwrap_or(0.0);
        self.sums = vec![total];
        for (i, (level, sigma)) in self.levels.iter().zip(&self.sigma).enumerate() {
            let (w, x, y) = (1.0 / (sigma * sigma), self.km(i), level - offset);
            total = Sums {
                w: total.w + w,
                x: total.x + w * x,
                y: total.y + w * y,
                xx: total.xx + w * x * x,
                xy: total.xy + w * x * y,
                yy: total.yy + w * y * y,
            };
            self.sums.push(total);
        }
    }

    /// Position of a point in kilometres from the first.
    pub(crate) fn km(&self, index: usize) -> f64 {
        index as f64 * self.step_km
    }

    /// The sample of the trace in the middle of a point, as a broken index.
    pub(crate) fn sample(&self, point: f64) -> f64 {
        self.first as f64 + point * self.group as f64 + (self.group as f64 - 1.0) / 2.0
    }

    /// The best line over the points from one to before another.
    pub(crate) fn fit(&self, from: usize, to: usize) -> Option<Fit> {
        let (a, b) = (self.sums.get(from)?, self.sums.get(to)?);
        let w = b.w - a.w;
        if to < from + 2 || w <= 0.0 {
            return None;
        }
        let (x, y) = ((b.x - a.x) / w, (b.y - a.y) / w);
        let xx = (b.xx - a.xx - w * x * x).max(0.0);
        let xy = b.xy - a.xy - w * x * y;
        let yy = (b.yy - a.yy - w * y * y).max(0.0);
        let hold = 1.0 / (SLOPE_SPREAD * SLOPE_SPREAD);
        let slope = (xy + self.slope * hold) / (xx + hold);
        let cost = yy - 2.0 * slope * xy + slope * slope * xx + hold * (slope - self.slope).powi(2);
        let offset = self.levels.first().copied().unwrap_or(0.0);
        Some(Fit {
            centre: x,
            level: y + offset,
            slope,
            cost,
            weight: w,
            stiffness: xx + hold,
        })
    }
}

/// Noise of each point: block by block, pooled with the neighbours.
fn local_sigma(levels: &[f64], pulse: usize) -> Vec<f64> {
    let block = whole(BLOCK_PULSES * pulse as f64).clamp(24, levels.len().max(24));
    let lag = (pulse + pulse / 2).clamp(1, block / 3);
    let starts: Vec<usize> = (0..levels.len()).step_by(block).collect();
    let raw: Vec<f64> = starts
        .iter()
        .map(|&at| noise::sigma(cut(levels, at, at + block), lag))
        .collect();
    let pooled = |k: usize| median(&mut cut(&raw, k.saturating_sub(2), k + 3).to_vec());
    let sigmas: Vec<f64> = (0..raw.len())
        .map(|k| pooled(k).max(LEAST_SIGMA_DB))
        .collect();
    (0..levels.len())
        .map(|i| sigmas.get(i / block).copied().unwrap_or(LEAST_SIGMA_DB))
        .collect()
}

/// The median slope of windows that look like glass, in level a kilometre.
fn usual_slope(windows: &[Window], step_m: f64, last: usize) -> f64 {
    let glass = windows
        .iter()
        .filter(|window| window.may_be_glass() && window.to <= last);
    let mut slopes: Vec<f64> = glass.map(|w| w.line.slope / step_m * 1_000.0).collect();
    if slopes.is_empty() {
        return -0.3;
    }
    quantile(&mut slopes, 0.5).clamp(-1.0, 0.0)
}
