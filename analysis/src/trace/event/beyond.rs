//! Reflections behind what is taken for the end.
//!
//! Light comes from behind an end in two ways. It went to and fro between reflectors before it: an
//! image, which [`ghost`](super::ghost) knows by place and height. Or the end is none: a splitter or a
//! bend let too little through for the glass behind to be seen, but enough for reflectors. What is no
//! image is therefore told as a reflector; what it loses, nothing says.

use silkline_protocol::unit::OpticalLength;

use super::{Event, EventKind};
use crate::trace::end::EndOfFibre;
use crate::trace::product::running;
use crate::trace::quantile::quantile;
use crate::trace::reflect::reflectance;
use crate::trace::samples::{Trace, cut};

/// A peak stands so many deviations over the light before it: of a single sample, so that no trace of
/// a hundred thousand shows one that is noise.
const STANDS: f64 = 7.0;

/// And so many times as high: what lingers behind the end has humps of its own.
const RISES: f64 = 2.0;

/// The light before it is that of the brightest of so many pulses.
const BEFORE: usize = 3;

/// Its scatter is seen over so many pulses, and over so many samples at the least.
const SCATTER_PULSES: usize = 8;
const SCATTER_SAMPLES: usize = 40;

/// A peak falls to half of its height within so many pulses and so many metres; what does not is a
/// receiver that comes back.
const MOST_PULSES: f64 = 6.0;
const MOST_M: f64 = 30.0;

/// More reflectors than this are noise of some other kind: none is told.
const MOST: usize = 24;

/// Part of the pulse by which a foot may be misplaced.
const SHAPE: f64 = 0.05;

/// Noise alone rises so high once in so many traces: seen by those pulses of the farther half of what
/// is behind the end that are not dark, so many of them at the least, and drawn on from these two
/// shares of them as if it fell off evenly. Each pulse is looked at so many times.
const SELDOM: f64 = 100.0;
const FEWEST_PULSES: usize = 8;
const SHARES: [f64; 2] = [0.2, 0.05];
const LOOKS: f64 = 4.0;

/// Light behind the end, as multiples of the backscatter just before it.
struct Light<'a> {
    trace: &'a Trace,
    powers: Vec<f64>,
    /// The sample the first one is.
    first: usize,
    /// Samples a pulse.
    pulse: usize,
    /// The receiver's noise.
    noise: f64,
}

/// One peak: its foot as an index of samples, and its height over the light before it.
struct Peak {
    foot: usize,
    height: f64,
}

/// The reflections behind an end, in order; `noise` is the level that the receiver's noise shows.
pub(super) fn reflections(
    trace: &Trace,
    noise: Option<f64>,
    end: &EndOfFibre,
    slope: f64,
) -> Vec<Event> {
    let light = Light::behind(trace, noise, end);
    let peaks = light.peaks();
    if peaks.len() > MOST {
        return Vec::new();
    }
    let doubt = trace.step_m() + SHAPE * trace.pulse().get();
    let event = |peak: &Peak| {
        let at = trace.position((light.first + peak.foot) as f64 + 0.5);
        // As high as if the glass went on unbroken.
        let km = (at.get() - end.at.get()) / 1_000.0;
        let glass = 10_f64.powf(-slope * km / 5.0);
        Event {
            at,
            plus_minus: OpticalLength::of(doubt),
            kind: EventKind::Reflective,
            loss: None,
            loss_plus_minus: None,
            reflectance: reflectance(trace, peak.height / glass),
            slope_before: None,
            saturated: false,
        }
    };
    peaks.iter().map(event).collect()
}

impl<'a> Light<'a> {
    fn behind(trace: &'a Trace, noise: Option<f64>, end: &EndOfFibre) -> Self {
        let neper = std::f64::consts::LN_10 / 5.0;
        let over = |level: f64| ((level - end.level.get()) * neper).exp();
        let power = |level: &f64| match trace.is_dark(*level) {
            true => 0.0,
            false => over(*level),
        };
        let first = trace.index_of(end.at.get());
        let behind = cut(trace.levels(), first, trace.levels().len());
        Self {
            trace,
            powers: behind.iter().map(power).collect(),
            first,
            pulse: trace.samples_in(trace.pulse().get()),
            noise: noise.map_or(0.0, over),
        }
    }

    fn peaks(&self) -> Vec<Peak> {
        let sums = running(&self.powers);
        let mean = |from: usize, to: usize| {
            let (a, b) = (sums.get(from)?, sums.get(to)?);
            Some((b - a) / (to - from) as f64)
        };
        let n = self.pulse;
        let mut found = Vec::new();
        let mut at = (BEFORE + 1) * n;
        let noise = self.highest_noise();
        while let Some(here) = mean(at, at + n) {
            // Most of the dark is no higher than noise: what lies before it does not matter.
            if here <= noise {
                at += 1;
                continue;
            }
            let before = (1..=BEFORE).filter_map(|k| mean(at - k * n, at - (k - 1) * n));
            let before = before.fold(0.0, f64::max);
            let stands = here > RISES * before;
            let rises = |sigma: f64| stands && here > before + STANDS * sigma;
            // Few samples rise so far that their neighbours' scatter matters.
            let sigma = rises(self.noise).then(|| self.noise.max(self.scatter(at)));
            if let Some(sigma) = sigma.filter(|sigma| rises(*sigma)) {
                let (peak, next) = self.peak(at, before, sigma);
                found.extend(peak);
                at = next;
            }
            at += 1;
        }
        found
    }

    /// How high noise alone lifts a pulse anywhere behind the end, whatever an instrument made of it:
    /// smoothed noise that is cut off where it is negative is dark with humps as wide as pulses, and
    /// a receiver that comes back from a bright end shows none of them at first.
    fn highest_noise(&self) -> f64 {
        let far = cut(&self.powers, self.powers.len() / 2, self.powers.len());
        let pulses = far.chunks_exact(self.pulse.max(1));
        let all = pulses.len();
        let mut lit: Vec<f64> = pulses
            .map(|pulse| pulse.iter().sum::<f64>() / pulse.len() as f64)
            .filter(|mean| *mean > 0.0)
            .collect();
        if lit.len() < FEWEST_PULSES {
            return 0.0;
        }
        // The nearer half has as many.
        let looks = 2.0 * LOOKS * lit.len() as f64;
        let sparse = 2 * lit.len() < all;
        let [often, rare] = SHARES.map(|share| quantile(&mut lit, 1.0 - share));
        let [many, few] = SHARES;
        let falls = (rare - often) / (many / few).ln();
        // Where most is dark, the tops of noise are left, which fall off from nothing on.
        let tops = if sparse { -often / many.ln() } else { 0.0 };
        rare + falls.max(tops) * (few * looks * SELDOM).ln().max(0.0)
    }

    /// How much the samples before one scatter from one to the next.
    fn scatter(&self, at: usize) -> f64 {
        let reach = (SCATTER_PULSES * self.pulse).max(SCATTER_SAMPLES);
        let near = cut(&self.powers, at.saturating_sub(reach), at);
        let count = (near.len() as f64).max(1.0);
        let mean = near.iter().sum::<f64>() / count;
        let square = near.iter().map(|power| (power - mean).powi(2)).sum::<f64>();
        (square / count).sqrt()
    }

    /// The peak that rises near a sample, if it falls again, and where to go on.
    fn peak(&self, at: usize, before: f64, sigma: f64) -> (Option<Peak>, usize) {
        let reach = MOST_PULSES * self.trace.pulse().get() + MOST_M;
        let ahead = cut(&self.powers, at, at + self.trace.samples_in(reach));
        let (mut top, mut highest, mut until) = (before, 0, None);
        for (i, power) in ahead.iter().enumerate() {
            if *power > top {
                (top, highest) = (*power, i);
            }
            if i >= self.pulse && power - before < 0.5 * (top - before) {
                until = Some(at + i);
                break;
            }
        }
        let Some(until) = until else {
            return (None, at + ahead.len());
        };
        let height = top - before;
        let foot = before + (3.0 * sigma).max(0.01 * height);
        let rising = cut(&self.powers, at.saturating_sub(self.pulse), at + highest);
        let low = rising.iter().rposition(|power| *power < foot);
        let peak = low.map(|low| Peak {
            foot: at.saturating_sub(self.pulse) + low,
            height,
        });
        (peak, until)
    }
}
