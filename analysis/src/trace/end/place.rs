//! The place of a drop: from the first sight of it to its onset, with how sure.

use silkline_protocol::unit::{Db, OpticalLength};

use super::lingers::Lingering;
use super::{EndKind, EndOfFibre, noise};
use crate::trace::edge::{self, Edge, Guess, Lingers, Noise, Point};
use crate::trace::line::{Line, median};
use crate::trace::power::POWER_A_DB;
use crate::trace::product::highest;
use crate::trace::reflect;
use crate::trace::samples::{Trace, cut, whole};

/// Even a smoothed trace is no straighter than this, in decibels.
const LEAST_SIGMA_DB: f64 = 0.004;

/// Part of the pulse by which its unknown shape may shift an onset, as one standard deviation,
/// where the receiver is not the one of the model.
const PULSE_SHAPE: f64 = 0.05;

/// The model's shape is right where it misses by no more than this, in units of noise.
const GOOD_FIT: f64 = 1.6;

/// Errors of the shape, as a share of how far the light is from the line, that may make it right.
const SHAPE_ERRORS: [f64; 3] = [0.0, 0.002, 0.01];

/// Where it is not, it errs by this share of how far the light is from the line.
const SHAPE_ERROR: f64 = 0.05;

/// Over how many pulses an instrument's filter may average.
const FILTERS: [f64; 5] = [0.0, 0.5, 1.0, 2.0, 4.0];

/// A longer filter must explain so much better to be believed.
const CLEARLY: f64 = 0.8;

/// A bright peak's foot hides in the noise of the glass for no more than this part of the pulse.
const FOOT: f64 = 0.1;

/// Part of a sample by which instruments that interleave their samples place them, as one standard
/// deviation.
const SAMPLING: f64 = 0.15;

/// A peak rises within about this part of the pulse.
const RISE: f64 = 0.4;

/// What the file's field of the spacing rounds off a sample, as one standard deviation: it counts
/// in 1e-14 s.
const SPACING_ERROR_M: f64 = 5.9e-7;

/// An end that reflects less is one that does not: faces polished at an angle come down to this, in
/// decibels.
const FAINTEST_DB: f64 = -65.0;

/// Fewer samples make no line of glass.
const FEWEST_GLASS: usize = 12;

/// Light that lingers moves an end where it is more than this part of the glass's unevenness.
const SHOWS: f64 = 0.3;

/// An end that hardly reflects may lie so many pulses before the fall.
const HIDDEN: f64 = 1.8;

/// Samples before an onset that noise and line are taken from, and pulses behind its fall, at the most.
const FARTHEST_NOISE: usize = 600;
const AFTER: usize = 4;

/// Neighbours share noise: the slope of a line is less sure than its samples' scatter says.
const SHARED: f64 = 2.0;

/// Where to look for an onset, and what is known there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    /// First sample.
    pub(super) start: usize,
    /// The glass was still seen up to here.
    pub(super) glass_to: usize,
    /// The sample after the last.
    pub(super) stop: usize,
    /// How far the light falls, in decibels.
    pub(super) drop: f64,
    /// Level of the light that equals the receiver's noise.
    pub(super) noise_level: Option<f64>,
    /// Level at which the receiver clips.
    pub(super) limit: Option<f64>,
}

/// An end with the logarithm of how probable the samples around it are, where the model's own shape
/// explains them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) end: EndOfFibre,
    pub(super) evidence: Option<f64>,
}

/// Finds the onset of the drop between two samples, with the receiver's constant where other
/// events tell it.
pub(super) fn locate(
    trace: &Trace,
    before: &Line,
    range: Range,
    constant: Option<[f64; 2]>,
) -> Option<Placed> {
    let found = Found::of(trace, before, range)?;
    let Some(lingering) = found.lingering(range) else {
        return found.placed(range, constant, None);
    };
    let pulse = trace.samples_in(trace.pulse().get());
    let back = whole(before.count).max(FARTHEST_NOISE);
    let around = [
        found.onset.calm.saturating_sub(back),
        found.onset.collapse + AFTER * pulse,
    ];
    let (clear, from) = lingering.taken_off(trace, &found.line, around);
    let range = Range {
        start: range.start.max(from),
        ..range
    };
    // Of the same glass as before: farther back there may be steps, farther on a peak.
    let first = noise::first_of(before).max(range.start);
    let last = (first + whole(before.count)).min(range.glass_to);
    let [first, last] = if last < first + FEWEST_GLASS {
        [range.start, range.glass_to]
    } else {
        [first, last]
    };
    let glass = Line::robust(clear.stretch(first, last), first);
    let again = glass.and_then(|glass| Found::of(&clear, &glass, range));
    let again = again.and_then(|again| {
        let left = lingering.left(&clear, &again.line);
        again.placed(range, constant, Some(left))
    });
    match again {
        Some(again) if again.evidence.is_some() => Some(again),
        // What explains no more and is less sure is no better.
        again => {
            let plain = found.placed(range, constant, None);
            let surer = |again: &Placed| {
                plain.is_none_or(|plain| again.end.plus_minus < plain.end.plus_minus)
            };
            again.filter(surer).or(plain)
        }
    }
}

/// An onset with the line that leads to it.
struct Found<'a> {
    trace: &'a Trace,
    line: Line,
    onset: Onset,
    peak: Peak,
    sigma: f64,
}

impl<'a> Found<'a> {
    fn of(trace: &'a Trace, before: &Line, range: Range) -> Option<Self> {
        let levels = trace.stretch(range.start, range.stop);
        let sigma = sigma_near(trace, before, [range.start, range.glass_to]);
        let walk = Walk {
            drop: range.drop,
            sigma,
            pulse: trace.pulse().get() / trace.step_m(),
        };
        let onset = onset(levels, range.start, before, walk)?;
        let line = fresh_line(trace, before, onset.calm, sigma).unwrap_or(*before);
        Some(Self {
            trace,
            line,
            onset,
            peak: peak(trace, &line, onset.calm),
            sigma,
        })
    }

    fn bright(&self) -> bool {
        self.peak.height > (20.0 * self.sigma).max(1.0)
    }

    /// Light that lingers behind a fall and is not lost in the glass's own unevenness; that of the end's
    /// own peak is none before it.
    fn lingering(&self, range: Range) -> Option<Lingering> {
        let noise = range.noise_level.filter(|_| !self.bright())?;
        let lingering = Lingering::behind(self.trace, self.onset.collapse, noise)?;
        let glass = noise::before(self.trace, &self.line, self.onset.calm, range.noise_level);
        let shows = SHOWS * glass.rough.hypot(glass.fading);
        (lingering.share(&self.line) > shows).then_some(lingering)
    }

    fn placed(
        &self,
        range: Range,
        constant: Option<[f64; 2]>,
        lingers: Option<Lingers>,
    ) -> Option<Placed> {
        let Self {
            trace,
            line,
            onset,
            peak,
            sigma,
        } = self;
        let (onset, peak) = (*onset, *peak);
        let step = trace.step_m();
        let scene = Scene {
            trace,
            line,
            onset,
            noise: noise::before(trace, line, onset.calm, range.noise_level),
            limit: range.limit,
            bright: self.bright(),
            constant,
            lingers,
        };
        let found = place(&scene);
        if constant.is_some() && found.is_none() {
            return None;
        }
        let found = found.filter(|(edge, _)| edge.at.is_finite() && edge.sigma.is_finite());
        let (edge, shape) = found.unwrap_or_else(|| (anywhere(onset, step), 0.0));
        let explained = shape <= 0.0 && edge.evidence.is_finite();
        let evidence = explained.then_some(edge.evidence);
        let edge = if scene.bright {
            held(edge, onset, [step, trace.pulse().get()])
        } else {
            edge
        };
        // A peak's rise is sharper than samples are placed; the foot of a ramp is not.
        let sampling = if scene.bright {
            scene.sampling(shape)
        } else {
            0.0
        };
        let rounding = SPACING_ERROR_M * edge.at / step;
        let deviation = edge.sigma.hypot(shape).hypot(rounding).hypot(sampling);
        // A shape that does not explain the samples does not say how much of the peak is hidden.
        let explained = shape < PULSE_SHAPE * trace.pulse().get();
        let hidden = if explained { edge.height } else { 0.0 };
        let reflective = peak.height > (5.0 * sigma).max(0.4)
            || (hidden > 0.1 && hidden > 5.0 * edge.height_sigma);
        let end = EndOfFibre {
            at: trace.position(edge.at / step),
            plus_minus: OpticalLength::of(1.96 * deviation),
            kind: EndKind::End,
            reflective,
            peak: reflective.then(|| Db::of(peak.height.max(5.0 * (1.0 + hidden).log10()))),
            saturated: reflective && peak.flat,
            level: Db::of(line.at(edge.at / step)),
            drop: Db::of(range.drop),
        };
        Some(Placed { end, evidence })
    }
}

/// Behind the last sample before a drop, where nothing more is known.
fn anywhere(onset: Onset, step: f64) -> Edge {
    Edge {
        at: (onset.calm as f64 + 0.5) * step,
        sigma: step,
        height: 0.0,
        height_sigma: 0.0,
        misfit: 1.0,
        evidence: f64::NEG_INFINITY,
    }
}

/// The end where its onset can't be told: at its peak, or anywhere between the last glass and the
/// dark.
pub(super) fn rough(trace: &Trace, before: &Line, range: Range, peak: Option<usize>) -> Placed {
    let pulse = trace.samples_in(trace.pulse().get());
    let [from, to] = match peak {
        Some(at) => [at.saturating_sub(pulse), at],
        None => [range.glass_to, range.stop.max(range.glass_to + pulse)],
    };
    let at = (from + to) as f64 / 2.0;
    let half = (to - from) as f64 / 2.0 + 1.0;
    let height = peak.map(|at| self::peak(trace, before, at.saturating_sub(1)));
    let end = EndOfFibre {
        at: trace.position(at),
        plus_minus: OpticalLength::of(half * trace.step_m()),
        kind: EndKind::End,
        reflective: height.is_some(),
        peak: height.map(|peak| Db::of(peak.height)),
        saturated: height.is_some_and(|peak| peak.flat),
        level: Db::of(before.at(at)),
        drop: Db::of(range.drop),
    };
    Placed {
        end,
        evidence: None,
    }
}

/// A bright peak's onset between the last sample before it and the first on it, where the fit left
/// that: a peak that is cut off leaves it no sample on the rise.
fn held(edge: Edge, onset: Onset, [step, pulse]: [f64; 2]) -> Edge {
    let [calm, rise] = [onset.calm, onset.collapse].map(|sample| sample as f64 * step);
    let between = calm - FOOT * pulse..=rise;
    let room = rise - calm + FOOT * pulse;
    if between.contains(&edge.at) && edge.sigma <= room {
        return edge;
    }
    Edge {
        at: f64::midpoint(calm, rise),
        sigma: room / 12_f64.sqrt(),
        ..edge
    }
}

/// What there is to fit an onset to.
struct Scene<'a> {
    trace: &'a Trace,
    line: &'a Line,
    onset: Onset,
    noise: Noise,
    /// Level at which the receiver clips.
    limit: Option<f64>,
    /// A peak so high that its own rise says where it is.
    bright: bool,
    /// The receiver's constant, if it is known.
    constant: Option<[f64; 2]>,
    /// What may be left of light that was taken off.
    lingers: Option<Lingers>,
}

/// The onset by the model's pulse where that explains the samples, else by one behind a filter
/// and over the samples that say least about its shape; with what the shape may add to the doubt.
fn place(scene: &Scene<'_>) -> Option<(Edge, f64)> {
    let pulse = scene.trace.pulse().get();
    let whole = scene.points(if scene.bright { 1.3 } else { 2.2 });
    if let Some(told) = scene.constant {
        let guess = Guess {
            constant: Some(told),
            ..scene.guess(0.0, 0.0)
        };
        let exact = edge::fit(&whole, &guess).filter(|edge| edge.misfit < GOOD_FIT);
        return exact.map(|exact| (exact, 0.0));
    }
    for shape_error in SHAPE_ERRORS {
        let exact = edge::fit(&whole, &scene.guess(0.0, shape_error));
        if let Some(exact) = exact.filter(|edge| edge.misfit < GOOD_FIT) {
            return Some((exact, 0.1 * shape_error * pulse));
        }
    }
    let mut best: Option<Edge> = None;
    for filter in FILTERS {
        let all = scene.points(1.0 + filter);
        let start = scene.onset.calm as f64 * scene.trace.step_m();
        let behind = all.iter().filter(|point| point.at >= start);
        let powers: Vec<f64> = behind.map(|point| point.power).collect();
        let used = all.len() - powers.len() + usable(&powers);
        let fitted = edge::fit(cut(&all, 0, used), &scene.guess(filter, SHAPE_ERROR));
        let better = |new: &Edge| best.is_none_or(|old| new.misfit < CLEARLY * old.misfit);
        best = fitted.filter(better).or(best);
    }
    best.map(|edge| (edge, PULSE_SHAPE * pulse))
}

impl Scene<'_> {
    /// By how much the line's light falls a metre, both ways.
    fn fade(&self) -> f64 {
        (-self.line.slope / self.trace.step_m() * POWER_A_DB).max(0.0)
    }

    /// What misplaced samples do to a rise: where the model's own shape explains it, several of them
    /// tell its place.
    fn sampling(&self, shape: f64) -> f64 {
        let step = self.trace.step_m();
        let samples = RISE * self.trace.pulse().get() / step;
        let many = if shape > 0.0 { 1.0 } else { samples.max(1.0) };
        SAMPLING * step / many.sqrt()
    }

    fn guess(&self, filter: f64, shape_error: f64) -> Guess {
        let (step, pulse) = (self.trace.step_m(), self.trace.pulse().get());
        let calm = self.onset.calm as f64 * step;
        let collapse = self.onset.collapse as f64 * step;
        // A peak that hardly stands out of the noise is a pulse of light before the fall.
        let hidden = if self.bright {
            calm
        } else {
            collapse - HIDDEN * pulse
        };
        let back = (calm - (0.6 + filter) * pulse).min(hidden) - 2.0 * step;
        let ahead = (calm + 0.3 * pulse).max(collapse) + 2.0 * step;
        Guess {
            between: [back, ahead],
            pulse,
            filter: filter * pulse,
            noise: self.noise,
            noise_at: calm,
            lingers: self.lingers,
            fade: self.fade(),
            slope_sigma: slope_sigma(self.line) * POWER_A_DB * pulse / step,
            faintest: reflect::light(self.trace, FAINTEST_DB),
            constant: None,
            shape_error,
        }
    }

    /// The samples from well before the onset to `pulses` behind the drop in linear power relative
    /// to the line; those at the receiver's limit and what follows them say nothing.
    fn points(&self, pulses: f64) -> Vec<Point> {
        let Self {
            trace, line, onset, ..
        } = self;
        let step = trace.step_m();
        let pulse = trace.pulse().get() / step;
        // A rise is sharp: fewer samples before it, so that none are averaged.
        let back = if self.bright {
            whole(1.5 * pulse).max(15)
        } else {
            whole(6.0 * pulse).max(30)
        };
        let from = onset.calm.saturating_sub(back).max(noise::first_of(line));
        let until = onset.collapse.max(onset.calm) + whole(pulses * pulse) + 3;
        let stretch = trace.stretch(from, until);
        let limit = self.limit;
        let clear = stretch
            .iter()
            .position(|level| limit.is_some_and(|limit| *level >= limit));
        let power = |i: usize, level: f64| {
            if trace.is_dark(level) {
                // Half of the noise is below zero and stored as nothing: this is its mean.
                let ahead = (i as f64 - onset.calm as f64) * step;
                return -0.8 * self.noise.receiver * (ahead * self.fade()).exp();
            }
            10_f64.powf((level - line.at(i as f64)) / 5.0)
        };
        let used = stretch
            .iter()
            .take(clear.unwrap_or(stretch.len()))
            .enumerate();
        used.map(|(i, level)| Point {
            at: (from + i) as f64 * step,
            power: power(from + i, *level),
        })
        .collect()
    }
}

/// Noise of a sample where the glass was seen last: it grows along a long baseline.
fn sigma_near(trace: &Trace, line: &Line, last: [usize; 2]) -> f64 {
    let [from, to] = last;
    let levels = trace.stretch(from, to);
    let off = |(i, level): (usize, &f64)| (level - line.at((from + i) as f64)).abs();
    let mut residuals: Vec<f64> = levels.iter().enumerate().map(off).collect();
    (1.4826 * median(&mut residuals)).max(LEAST_SIGMA_DB)
}

/// Standard deviation of a line's slope, in decibels a sample.
fn slope_sigma(line: &Line) -> f64 {
    SHARED * line.rms / line.spread.max(1.0).sqrt()
}

/// What the walk back from the drop to its onset goes by; lengths in samples.
#[derive(Clone, Copy, Debug)]
struct Walk {
    drop: f64,
    sigma: f64,
    pulse: f64,
}

/// Between which samples a drop begins.
#[derive(Clone, Copy, Debug)]
struct Onset {
    /// The last on the line before it.
    calm: usize,
    /// The first on its way down, or up a peak.
    collapse: usize,
}

/// The last sample on the line before the drop, and the first that is surely in it.
fn onset(levels: &[f64], start: usize, line: &Line, walk: Walk) -> Option<Onset> {
    let rest: Vec<f64> = levels
        .iter()
        .enumerate()
        .map(|(i, level)| level - line.at((start + i) as f64))
        .collect();
    let group = whole(walk.pulse / 4.0).clamp(3, 200);
    let limit = -(walk.drop / 2.0).clamp(1.0, 5.0);
    let first = whole(line.centre).saturating_sub(start);
    let collapse = (first..rest.len()).find(|&i| {
        falls(&rest, i, limit) && median(&mut cut(&rest, i, i + group).to_vec()) < limit
    })?;
    // Where a peak stands before the fall, its rise is the onset; its tail crosses the line too.
    let run = whole(walk.pulse / 8.0).clamp(2, 100);
    let above = |i: usize| cut(&rest, i, i + run).iter().all(|r| *r > 6.0 * walk.sigma);
    let collapse = (first..collapse).find(|&i| above(i)).unwrap_or(collapse);
    let needed = whole(walk.pulse / 4.0).clamp(3, 300);
    let mut calm = 0;
    for i in (0..collapse).rev() {
        let on_line = rest.get(i).is_some_and(|r| r.abs() < 3.5 * walk.sigma);
        calm = if on_line { calm + 1 } else { 0 };
        if calm >= needed {
            let calm = start + i + needed - 1;
            return Some(Onset {
                calm,
                collapse: start + collapse,
            });
        }
    }
    None
}

fn falls(rest: &[f64], at: usize, limit: f64) -> bool {
    rest.get(at).is_some_and(|r| *r < limit)
}

/// The line over the glass right before the onset: as long as it stays on the first line.
fn fresh_line(trace: &Trace, before: &Line, onset: usize, sigma: f64) -> Option<Line> {
    let length = whole(before.count).max(12);
    let guard = trace.samples_in(trace.pulse().get() * 0.1);
    let to = onset.saturating_sub(guard);
    let from = to.saturating_sub(length);
    let line = Line::robust(trace.stretch(from, to), from)?;
    let agrees = (line.at(onset as f64) - before.at(onset as f64)).abs() < 6.0 * sigma + 0.1;
    agrees.then_some(line)
}

#[derive(Clone, Copy, Debug)]
struct Peak {
    height: f64,
    flat: bool,
}

/// The highest sample of the peak behind the onset, and whether its top is cut off.
fn peak(trace: &Trace, line: &Line, onset: usize) -> Peak {
    let pulse = trace.samples_in(trace.pulse().get());
    let base = line.at(onset as f64);
    // A slow receiver peaks long after a short pulse: as far as the light stands over the glass.
    let behind = trace.stretch(onset + 2, onset + 40 * pulse);
    let standing = behind.iter().take_while(|&&level| level > base).count();
    let reach = (3 * pulse / 2).max(3).max(standing);
    let levels = trace.stretch(onset, onset + reach);
    let top = highest(levels);
    let height = top - base;
    let at_top = levels.iter().filter(|&&level| level > top - 0.02).count();
    Peak {
        height,
        flat: height > 3.0 && at_top >= 4 && at_top * 3 > pulse,
    }
}

/// The level at which the receiver clips, if samples reach it.
pub(crate) fn clipped_at(trace: &Trace) -> Option<f64> {
    let limit = highest(trace.levels()) - 0.004;
    let levels = trace.levels();
    // All of them, which is quicker than to stop at the first.
    let pairs = levels.iter().zip(cut(levels, 1, levels.len()));
    let clips = pairs.fold(false, |clips, (a, b)| {
        clips | ((*a >= limit) & (*b >= limit))
    });
    clips.then_some(limit)
}

/// How many samples behind the onset follow any model: down to the bottom of a fall, or up to
/// most of a peak's height.
fn usable(powers: &[f64]) -> usize {
    const BOTTOM: f64 = 0.12;
    let top = powers.iter().copied().fold(1.0, f64::max);
    let end = if top > 1.6 {
        let limit = 1.0 + 0.8 * (top - 1.0);
        powers.iter().position(|&power| power > limit)
    } else {
        powers.iter().position(|&power| power < BOTTOM)
    };
    end.unwrap_or(powers.len()).max(2)
}
