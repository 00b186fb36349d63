//! One way's view of joints and glass, at places that both ways agreed on.
//!
//! A small loss may be listed from one end and drown in noise from the other. Its mean needs both,
//! and one that was only measured where it looked large is biased; so every joint is measured both
//! ways at its place, from the glass on both sides.

use super::{Aligned, Mirror};
use crate::trace::line::Line;
use crate::trace::noise;
use crate::trace::samples::Trace;

/// Glass used on a side of a joint at the most, in pulses and in metres: whichever is more.
const MOST_PULSES: f64 = 40.0;
const MOST_M: f64 = 4_000.0;

/// Fewer samples on a side tell no line.
const FEWEST_SAMPLES: usize = 8;

/// What a joint hides behind itself, in pulses: its ramp and a slow receiver.
const HIDES: f64 = 2.0;

/// What a reflection hides, in pulses: its tail decays below a hundredth of a decibel by then.
const REFLECTION_HIDES: f64 = 4.0;

/// A direction of looking: positions of the fibre as samples of its trace.
pub(super) struct Way<'a> {
    trace: &'a Trace,
    /// The glass of each section, in order from A.
    glass: Vec<Option<OneWayGlass>>,
    place: Box<dyn Fn(f64) -> f64 + 'a>,
    backward: bool,
}

/// A line through glass, with how sure its samples are.
#[derive(Clone, Copy, Debug)]
struct OneWayGlass {
    /// The line near the section's beginning, as this way sees it.
    first: Line,
    /// The line near its end.
    last: Line,
    /// The line through all of it.
    whole: Line,
    /// Noise of one sample as if samples were independent.
    sigma: f64,
}

impl<'a> Way<'a> {
    /// As A sees the fibre.
    pub(super) fn forward(trace: &'a Trace, aligned: &Aligned) -> Self {
        Self::new(trace, aligned, Box::new(|at| at), false)
    }

    /// As B sees it.
    pub(super) fn backward(trace: &'a Trace, aligned: &Aligned, mirror: &'a Mirror) -> Self {
        Self::new(trace, aligned, Box::new(|at| mirror.back(at)), true)
    }

    fn new(
        trace: &'a Trace,
        aligned: &Aligned,
        place: Box<dyn Fn(f64) -> f64 + 'a>,
        backward: bool,
    ) -> Self {
        let mut way = Self {
            trace,
            glass: Vec::new(),
            place,
            backward,
        };
        way.glass = (0..=aligned.places.len())
            .map(|k| way.section(aligned, k))
            .collect();
        way
    }

    /// The apparent loss of joint `k`, and its standard deviation, in decibels.
    pub(super) fn step(&self, aligned: &Aligned, k: usize) -> Option<(f64, f64)> {
        let at = self.index((self.place)(aligned.places.get(k)?.at.at));
        let (left, right) = (
            self.glass.get(k)?.as_ref()?,
            self.glass.get(k + 1)?.as_ref()?,
        );
        let (before, after) = if self.backward {
            (right, left)
        } else {
            (left, right)
        };
        let loss = before.last.at(at) - after.first.at(at);
        let sd = [
            before.last.sigma_at(at, before.sigma),
            after.first.sigma_at(at, after.sigma),
        ];
        Some((loss, sd[0].hypot(sd[1])))
    }

    /// Attenuation of section `k`, and its standard deviation, in dB/km.
    pub(super) fn slope(&self, k: usize) -> Option<(f64, f64)> {
        let glass = self.glass.get(k)?.as_ref()?;
        let per_km = 1_000.0 / self.trace.step_m();
        let sd = glass.sigma / glass.whole.spread.sqrt();
        Some((-glass.whole.slope * per_km, sd * per_km))
    }

    /// Loss of the fibre's own glass and joints, and its standard deviation, in decibels.
    pub(super) fn total(&self, aligned: &Aligned) -> Option<(f64, f64)> {
        let (first, last) = aligned.inner();
        let (near, far) = (
            self.glass.get(first)?.as_ref()?,
            self.glass.get(last)?.as_ref()?,
        );
        let ends = [0.0, aligned.length].map(|at| self.index((self.place)(at)));
        let [from, to] = ends;
        let (start, stop, from, to) = if self.backward {
            (far, near, to, from)
        } else {
            (near, far, from, to)
        };
        let loss = start.first.at(from) - stop.last.at(to);
        let sd = start.first.sigma_at(from, start.sigma);
        Some((loss, sd.hypot(stop.last.sigma_at(to, stop.sigma))))
    }

    fn index(&self, at: f64) -> f64 {
        self.trace.index_at(at)
    }

    /// The glass between joints `k - 1` and `k`, or an end of the fibre.
    fn section(&self, aligned: &Aligned, k: usize) -> Option<OneWayGlass> {
        let (mut from, mut to) = aligned.section(k);
        // Before this end's own connector lies its launch fibre.
        let launch = self.trace.settings().launch.get();
        let (first, last) = aligned.inner();
        if k < first && !self.backward {
            from = -launch;
        } else if k > last && self.backward {
            to = aligned.length + launch;
        }
        let doubt = |k: Option<usize>| {
            let place = k.and_then(|k| aligned.places.get(k));
            place.map_or((0.0, true), |place| (2.0 * place.at.sd, place.reflects()))
        };
        // As this way sees it: what hides the glass lies at the nearer joint.
        let (near, far) = if self.backward {
            (doubt(Some(k)), doubt(k.checked_sub(1)))
        } else {
            (doubt(k.checked_sub(1)), doubt(Some(k)))
        };
        let (from, to) = if self.backward {
            (to, from)
        } else {
            (from, to)
        };
        let pulse = self.trace.pulse().get();
        let hides = if near.1 { REFLECTION_HIDES } else { HIDES };
        let start = (self.place)(from) + hides * pulse + near.0 + self.trace.step_m();
        let stop = (self.place)(to) - far.0 - 2.0 * self.trace.step_m();
        OneWayGlass::between(self.trace, start, stop)
    }
}

impl OneWayGlass {
    fn between(trace: &Trace, start: f64, stop: f64) -> Option<Self> {
        let (from, to) = (trace.index_of(start), trace.index_of(stop));
        let levels = trace.stretch(from, to);
        if levels.len() < FEWEST_SAMPLES || levels.iter().any(|level| trace.is_dark(*level)) {
            return None;
        }
        let whole = Line::fit(levels, from)?;
        let left = |(i, level): (usize, &f64)| level - whole.at((from + i) as f64);
        let residuals: Vec<f64> = levels.iter().enumerate().map(left).collect();
        let reach = trace.samples_in(3.0 * trace.pulse().get()).max(8);
        let correlation = noise::correlation(&residuals, reach);
        // Few independent samples tell little of their own scatter: as much wider as it may be.
        let independent = (levels.len() as f64 / correlation).max(3.0);
        let wider = 1.0 + 1.5 / independent;
        let near = trace.samples_in((MOST_PULSES * trace.pulse().get()).max(MOST_M));
        let (first, last) = (to.min(from + near), from.max(to.saturating_sub(near)));
        Some(Self {
            first: Line::fit(trace.stretch(from, first), from)?,
            last: Line::fit(trace.stretch(last, to), last)?,
            whole,
            sigma: whole.rms * correlation.sqrt() * wider,
        })
    }
}
