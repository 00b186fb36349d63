//! The trace thinned to a few points a pulse, with the noise of each and sums for line fits.

mod wide;

use std::rc::Rc;

pub(crate) use wide::Noise;

use super::response::BEGINS;
use super::stairs::{Stair, stairs};
use super::tail::{GONE, Tail};
use crate::trace::end::{EndOfFibre, clipped_at, last_clear};
use crate::trace::line::quantile;
use crate::trace::noise;
use crate::trace::product::{highest, lowest};
use crate::trace::reflect::{self, STRONGEST_DB};
use crate::trace::samples::{Trace, cut, whole};
use crate::trace::windows::Window;

/// Points a pulse, where the samples are that dense.
const POINTS_A_PULSE: f64 = 10.0;

/// Noise may make an event once in so many traces, each pulse being a place.
const SELDOM: f64 = 700.0;

/// More points are thinned further.
const MOST_POINTS: usize = 20_000;

/// Noise is measured from lines over this many pulses, and over this many points at the least.
const LINE_PULSES: usize = 2;
const LINE_POINTS: usize = 8;

/// A trace has so many lines at the least, where that leaves them their points.
const FEWEST_LINES: usize = 16;

/// So many lines on either side tell a place's noise with it.
const POOL: usize = 6;

/// Levels that differ by less say nothing about how noise goes with them, in decibels.
const LEAST_RISE_DB: f64 = 0.3;

/// Glass is not straight to better than this, in decibels.
const LEAST_SIGMA_DB: f64 = 0.000_2;

/// Levels that spread more than this within a point are averaged as powers.
const LINEAR_DB: f64 = 1.0;

/// How far a stretch's slope may lie from the usual one, in dB/km: wide on purpose.
const SLOPE_SPREAD: f64 = 0.25;

/// The usual slope of glass is no steeper, in dB/km.
const STEEPEST: f64 = 1.0;

/// What a reflection leaves dies away over these many pulses in receivers made for the pulse, and
/// where light lingers over these many pulses and this much glass, in kilometres.
const RECEIVERS: [f64; 5] = [0.3, 0.36, 0.43, 0.52, 0.65];
const LINGERS: [f64; 4] = [0.5, 1.5, 4.0, 10.0];
const RECOVERY_KM: f64 = 0.004;

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
    /// Points over which an edge hides the glass around it: the pulse, until the trace tells.
    pub(crate) edge: f64,
    /// How round the pulse is, a part of its length: 0 for a rectangle, until the trace tells.
    pub(crate) round: f64,
    /// How high the brightest reflection stands over the glass, in decibels.
    pub(crate) brightest: f64,
    /// Level at which the receiver clips, if the trace reaches it.
    pub(crate) limit: Option<f64>,
    /// Usual slope of the glass, level a kilometre, negative.
    pub(crate) slope: f64,
    /// Noise of each level as it counts in the mean of many: with what neighbours share.
    pub(crate) wide: Vec<f64>,
    /// How that follows from the noise of a level.
    pub(crate) noise: Noise,
    /// How much wider intervals are than that noise says.
    pub(crate) doubt: f64,
    /// What an event costs, in units of squared noise.
    pub(crate) price: f64,
    /// What coarse levels hide; empty where they are fine.
    stairs: Vec<Stair>,
    sums: Vec<Sums>,
    tails: Vec<Tail>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// What the points cost where nothing but noise is.
    honest: f64,
    w: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

/// Plain sums over a stretch, about its centre, the slope already held near the usual one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Sum of weights.
    pub(crate) w: f64,
    /// The centre in kilometres, and how far that is from the first point.
    pub(crate) x: f64,
    pub(crate) into: f64,
    /// Mean level over `offset`.
    pub(crate) y: f64,
    pub(crate) offset: f64,
    /// Second moments.
    pub(crate) xx: f64,
    pub(crate) xy: f64,
    pub(crate) yy: f64,
}

impl Line {
    /// The best line by them.
    fn fit(&self) -> Fit {
        let slope = self.xy / self.xx;
        Fit {
            centre: self.x,
            level: self.y + self.offset,
            slope,
            cost: self.yy - slope * self.xy,
            weight: 1.0 / self.w,
            lever: 1.0 / self.xx,
            both: 0.0,
            tail: None,
            least: true,
        }
    }
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
    /// Variance of the level at the centre, of the slope, and how they go together.
    pub(crate) weight: f64,
    pub(crate) lever: f64,
    pub(crate) both: f64,
    /// A tail over it: heights of its exponentials, their reach and its first point, in decibels
    /// and kilometres.
    pub(crate) tail: Option<[f64; 4]>,
    /// Whether no tail that can't be would cost less: then more glass costs no less either.
    pub(crate) least: bool,
}

impl Fit {
    /// The glass's level at a position in kilometres.
    pub(crate) fn at(&self, km: f64) -> f64 {
        self.level + self.slope * (km - self.centre)
    }

    /// The same with the tail that stands on it.
    pub(crate) fn lit(&self, km: f64) -> f64 {
        let tail = self.tail.map_or(0.0, |[height, second, reach, from]| {
            let gone = (km - from).max(0.0) / reach;
            // Most of the glass lies where nothing is left.
            if gone > GONE {
                return 0.0;
            }
            let left = (-gone).exp();
            height * left + second * left * left
        });
        self.at(km) + tail
    }

    /// Variance of the glass's level.
    pub(crate) fn variance_at(&self, km: f64) -> f64 {
        let x = km - self.centre;
        (self.weight + x * x * self.lever + 2.0 * x * self.both).max(0.0)
    }
}

impl Grid {
    /// The grid of a trace of which no end is known.
    #[cfg(test)]
    pub(crate) fn open(trace: &Trace) -> Option<Self> {
        let windows = crate::trace::windows::survey(trace);
        let noise = crate::trace::end::noise_level(trace, &windows);
        let mut grid = Self::of(trace, (&windows, noise), None)?;
        grid.set_noise(Noise::WHITE);
        Some(grid)
    }

    /// The grid from the panel to the end of the fibre, if there is anything to look at; light that
    /// equals its noise is known, or there is none. Nothing fits it before [`Grid::set_noise`].
    pub(crate) fn of(
        trace: &Trace,
        seen: (&[Window], Option<f64>),
        end: Option<&EndOfFibre>,
    ) -> Option<Self> {
        Self::with_pulse(trace, seen, end, 0.0)
    }

    /// The same where the pulse is so round: up to where the light of the end begins.
    pub(crate) fn with_pulse(
        trace: &Trace,
        (windows, noise): (&[Window], Option<f64>),
        end: Option<&EndOfFibre>,
        round: f64,
    ) -> Option<Self> {
        let first = first_lit(trace, noise);
        let lit = windows.iter().rfind(|window| window.may_be_glass())?.to;
        let last = if let Some(end) = end {
            let begins = 0.3 + BEGINS * round;
            let margin = end.plus_minus.get() + begins * trace.pulse().get();
            trace.index_of(end.at.get() - margin)
        } else {
            // To where the light sinks into the noise, or the trace stops.
            let clear = noise.and_then(|noise| last_clear(windows, noise));
            clear.map_or(lit, |window| window.to)
        };
        let pulse_samples = trace.pulse().get() / trace.step_m();
        let dense = whole(pulse_samples / POINTS_A_PULSE).max(1);
        let group = dense.max(last.saturating_sub(first).div_ceil(MOST_POINTS));
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
        let mut sigma = local_sigma(&levels, pulse);
        let stairs = stairs(trace.stretch(first, last), group);
        for (sigma, stair) in sigma.iter_mut().zip(&stairs) {
            *sigma = sigma.max(stair.single().sqrt());
        }
        let slope = usual_slope(windows, trace.step_m(), last);
        let points = levels.len() as f64;
        Some(Self {
            levels,
            sigma,
            group,
            first,
            step_km,
            pulse,
            pulse_points,
            edge: pulse_points,
            round,
            brightest: 5.0 * reflect::light(trace, STRONGEST_DB).log10(),
            limit: clipped_at(trace),
            slope,
            wide: Vec::new(),
            noise: Noise::WHITE,
            doubt: 1.0,
            price: price(points / pulse_points),
            stairs,
            sums: Vec::new(),
            tails: Vec::new(),
        })
    }

    /// Sets how noise of one point becomes noise of many.
    pub(crate) fn set_noise(&mut self, noise: Noise) {
        self.noise = noise;
        self.wide = self.sigma.iter().map(|sigma| noise.wide(*sigma)).collect();
        for (wide, stair) in self.wide.iter_mut().zip(&self.stairs) {
            *wide = wide.hypot(stair.most().sqrt());
        }
        self.sum();
    }

    /// Points before an event at which its light begins.
    pub(crate) fn begins(&self) -> f64 {
        BEGINS * self.round * self.pulse_points
    }

    /// Whether noise of another kind comes to about the same for the quietest and the loudest point.
    pub(crate) fn is_as_noisy(&self, noise: &Noise) -> bool {
        let near = |a: f64, b: f64, by: f64| (a / b - 1.0).abs() < by;
        let same = |sigma: f64| near(noise.wide(sigma), self.noise.wide(sigma), 0.05);
        let honest = |noise: &Noise| (noise.single / noise.factor).powi(2);
        [lowest(&self.sigma), highest(&self.sigma)]
            .into_iter()
            .all(same)
            && near(honest(noise), honest(&self.noise), 0.1)
    }

    /// How much more the mean of so many points about one strays than the noise of a point lets it,
    /// for its rounding alone: as a factor.
    pub(crate) fn rounded(&self, point: usize, count: usize) -> f64 {
        let Some((stair, sigma)) = self.stairs.get(point).zip(self.sigma.get(point)) else {
            return 1.0;
        };
        (1.0 + stair.more(count) / (sigma * sigma)).sqrt()
    }

    /// What the points from one to before another cost where nothing but noise is.
    pub(crate) fn honest(&self, from: usize, to: usize) -> f64 {
        let last = self.sums.last().copied().unwrap_or_default();
        let before = |point: usize| self.sums.get(point).copied().unwrap_or(last).honest;
        before(to) - before(from)
    }

    /// Sets the usual slope to what stretches of glass show, those that tell most counting most.
    pub(crate) fn set_slope(&mut self, glass: impl Iterator<Item = [usize; 2]>) {
        let slopes = glass.filter_map(|[from, to]| self.free_slope(from, to));
        let mut slopes: Vec<(f64, f64)> = slopes.collect();
        slopes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = slopes.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
        let mut sum = 0.0;
        let middle = slopes.iter().find(|(_, weight)| {
            sum += weight;
            sum >= half
        });
        if let Some((slope, _)) = middle {
            self.slope = slope.clamp(-STEEPEST, 0.0);
        }
    }

    /// The slope of a stretch by itself, and one over its variance.
    fn free_slope(&self, from: usize, to: usize) -> Option<(f64, f64)> {
        let (a, b) = (self.sums.get(from)?, self.sums.get(to)?);
        let w = b.w - a.w;
        if to < from + 3 || w <= 0.0 {
            return None;
        }
        let (x, y) = ((b.x - a.x) / w, (b.y - a.y) / w);
        let xx = b.xx - a.xx - w * x * x;
        let xy = b.xy - a.xy - w * x * y;
        (xx > 0.0).then(|| (xy / xx, xx))
    }

    /// Levels with the usual slope taken off.
    pub(crate) fn flat(&self) -> Vec<f64> {
        let flat = |(i, level): (usize, &f64)| level - self.slope * self.km(i);
        self.levels.iter().enumerate().map(flat).collect()
    }

    /// An edge in whole points, at least 1.
    pub(crate) fn edge_points(&self) -> usize {
        whole(self.edge.ceil()).max(1)
    }

    fn sum(&mut self) {
        let mut total = Sums::default();
        let offset = self.levels.first().copied().unwrap_or(0.0);
        // In the room of those before: fresh memory costs more than what is written there.
        self.sums.clear();
        self.sums.reserve_exact(self.levels.len() + 1);
        self.sums.push(total);
        let weights = self.wide.iter().map(|wide| wide.powi(-2));
        let levels = self.levels.iter().map(|level| level - offset);
        let points: Rc<[(f64, f64)]> = weights.zip(levels).collect();
        for (i, (&(w, y), sigma)) in points.iter().zip(&self.sigma).enumerate() {
            let x = self.km(i);
            total = Sums {
                honest: total.honest + (self.noise.single * sigma).powi(2) * w,
                w: total.w + w,
                x: total.x + w * x,
                y: total.y + w * y,
                xx: total.xx + w * x * x,
                xy: total.xy + w * x * y,
                yy: total.yy + w * y * y,
            };
            self.sums.push(total);
        }
        let pulse_km = self.pulse_points * self.step_km;
        let receivers = RECEIVERS.map(|reach| reach * pulse_km);
        let lingers = LINGERS.map(|reach| reach * (pulse_km + RECOVERY_KM));
        let tail = |reach: f64| Tail::new(reach, self.step_km, Rc::clone(&points));
        self.tails = receivers.into_iter().chain(lingers).map(tail).collect();
    }

    /// Position of a point in kilometres from the first.
    pub(crate) fn km(&self, index: usize) -> f64 {
        index as f64 * self.step_km
    }

    /// The sample of the trace in the middle of a point, as a broken index.
    pub(crate) fn sample(&self, point: f64) -> f64 {
        self.first as f64 + point * self.group as f64 + (self.group as f64 - 1.0) / 2.0
    }

    /// The point that a sample lies in, both as broken indices.
    pub(crate) fn point(&self, sample: f64) -> f64 {
        (sample - self.first as f64 - (self.group as f64 - 1.0) / 2.0) / self.group as f64
    }

    /// The best line over the points from one to before another.
    pub(crate) fn fit(&self, from: usize, to: usize) -> Option<Fit> {
        self.line(from, to).as_ref().map(Line::fit)
    }

    /// The same where a receiver may still recover: with a tail, if one is worth its
    /// `price`, and with a second exponential for half as much again.
    pub(crate) fn fit_recovering(&self, from: usize, to: usize, price: f64) -> Option<Fit> {
        let line = self.line(from, to)?;
        let length = self.km(to) - self.km(from);
        let plain = line.fit();
        // Nothing left to explain for what a tail costs.
        if plain.cost <= price {
            return Some(plain);
        }
        let prices = [price, 1.5 * price];
        let (mut best, mut odd) = (plain, false);
        for tail in &self.tails {
            let limits = prices.map(|price| best.cost - price);
            tail.fits([from, to], length, (&line, limits), |number, fit| {
                let Some(fit) = fit else {
                    odd = true;
                    return;
                };
                let cost = fit.cost + prices.get(number).copied().unwrap_or(price);
                if cost < best.cost {
                    best = Fit { cost, ..fit };
                }
            });
        }
        Some(Fit {
            least: !odd,
            ..best
        })
    }

    /// Whether a stretch is long enough for every tail.
    pub(crate) fn is_long(&self, from: usize, to: usize) -> bool {
        let longest = self.tails.iter().map(Tail::shortest_km).fold(0.0, f64::max);
        self.km(to.saturating_sub(from)) >= longest
    }

    /// The sums over a stretch. The usual slope is one more observation of it.
    fn line(&self, from: usize, to: usize) -> Option<Line> {
        let (a, b) = (self.sums.get(from)?, self.sums.get(to)?);
        let w = b.w - a.w;
        if to < from + 2 || w <= 0.0 {
            return None;
        }
        let (x, y) = ((b.x - a.x) / w, (b.y - a.y) / w);
        let hold = 1.0 / (SLOPE_SPREAD * SLOPE_SPREAD);
        let xx = (b.xx - a.xx - w * x * x).max(0.0) + hold;
        let xy = b.xy - a.xy - w * x * y + hold * self.slope;
        let yy = (b.yy - a.yy - w * y * y).max(0.0) + hold * self.slope * self.slope;
        Some(Line {
            w,
            x,
            into: x - self.km(from),
            y,
            offset: self.levels.first().copied().unwrap_or(0.0),
            xx,
            xy,
            yy,
        })
    }
}

/// The first sample to look at: from the panel on, and no more than half a pulse before there is light.
/// What an instrument blanks before would seem to be the dark out of which a reflection rises that hides
/// the whole fibre.
fn first_lit(trace: &Trace, noise: Option<f64>) -> usize {
    let first = trace.index_of(-trace.settings().launch.get());
    let dark = |level: &&f64| trace.is_cut(**level) || noise.is_some_and(|noise| **level < noise);
    let samples = trace.stretch(first, trace.levels().len()).iter();
    let comes_on = whole(0.5 * trace.pulse().get() / trace.step_m());
    first + samples.take_while(dark).count().saturating_sub(comes_on)
}

/// What an event costs in a trace so many pulses long, in units of squared noise: as much as noise is
/// worth at one of its places in [`SELDOM`] traces. What is fixed for all lengths finds too little in
/// short traces and makes too much up in long ones.
fn price(pulses: f64) -> f64 {
    2.0 * (SELDOM * pulses.max(1.0)).ln()
}

/// The mean of a point's levels: in decibels where they agree, else of their powers, for the
/// decibels of much noise lie low.
fn mean(levels: &[f64]) -> f64 {
    let (mut low, mut high, mut sum) = (f64::MAX, f64::MIN, 0.0);
    for &level in levels {
        low = level.min(low);
        high = level.max(high);
        sum += level;
    }
    let count = levels.len() as f64;
    if high - low < LINEAR_DB {
        return sum / count;
    }
    let power: f64 = levels
        .iter()
        .map(|level| ((level - high) * std::f64::consts::LN_10 / 5.0).exp())
        .sum();
    high + 5.0 * (power / count).log10()
}

/// Noise of each point, from the straighter ones of the lines around it.
fn local_sigma(levels: &[f64], pulse: usize) -> Vec<f64> {
    let longest = (levels.len() / FEWEST_LINES).max(LINE_POINTS);
    let width = (LINE_PULSES * pulse).clamp(LINE_POINTS, longest);
    let lines: Vec<Scatter> = levels.chunks(width).map(Scatter::of).collect();
    let freedom = width.saturating_sub(2);
    let pooled = |k: usize| {
        let near = cut(&lines, k.saturating_sub(POOL), k + POOL + 1);
        let own = lines.get(k).map_or(0.0, |line| line.level);
        let growth = growth(near);
        let moved = |line: &Scatter| line.size * (growth * (own - line.level)).exp();
        let mut sizes: Vec<f64> = if growth < 0.0 {
            near.iter().map(moved).collect()
        } else {
            near.iter().map(|line| line.size).collect()
        };
        noise::low(&mut sizes, freedom)
    };
    let sigmas: Vec<f64> = (0..lines.len())
        .map(|k| pooled(k).max(LEAST_SIGMA_DB))
        .collect();
    (0..levels.len())
        .map(|i| sigmas.get(i / width).copied().unwrap_or(LEAST_SIGMA_DB))
        .collect()
}

/// What a short line leaves over, and its level.
#[derive(Clone, Copy, Debug)]
struct Scatter {
    size: f64,
    level: f64,
}

impl Scatter {
    fn of(levels: &[f64]) -> Self {
        let count = (levels.len() as f64).max(1.0);
        Self {
            size: noise::off_line(levels),
            level: levels.iter().sum::<f64>() / count,
        }
    }
}

/// How the logarithm of noise goes with the level among neighbours, a decibel: from 0, where the
/// glass itself is uneven, to what a receiver's constant noise comes to.
fn growth(near: &[Scatter]) -> f64 {
    let levels = || near.iter().map(|line| line.level);
    let (low, high) = (
        levels().fold(f64::MAX, f64::min),
        levels().fold(f64::MIN, f64::max),
    );
    if high - low < LEAST_RISE_DB {
        return 0.0;
    }
    let mut lines: Vec<Scatter> = near
        .iter()
        .copied()
        .filter(|line| line.size > 0.0)
        .collect();
    lines.sort_by(|a, b| a.level.total_cmp(&b.level));
    let half = lines.len() / 2;
    let (low, high) = (
        cut(&lines, 0, half),
        cut(&lines, lines.len() - half, lines.len()),
    );
    let middle = |part: &[Scatter], of: fn(&Scatter) -> f64| {
        quantile(&mut part.iter().map(of).collect::<Vec<f64>>(), 0.5)
    };
    let rise = middle(high, |line| line.level) - middle(low, |line| line.level);
    if half < 3 || rise < LEAST_RISE_DB {
        return 0.0;
    }
    let noise = |part: &[Scatter]| middle(part, |line| line.size.ln());
    ((noise(high) - noise(low)) / rise).clamp(-std::f64::consts::LN_10 / 5.0, 0.0)
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
    quantile(&mut slopes, 0.5).clamp(-STEEPEST, 0.0)
}
