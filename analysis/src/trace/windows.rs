//! Which stretches of a trace look like fibre.
//!
//! The trace is cut into windows a few pulses long. A window is *fibre* when its level is steady
//! enough to judge and falls as glass does; *dark* when noise or "no light" fills it; *steep* when
//! it falls faster than any glass; *odd* when something happens in it; *unsure* when it is lit but
//! too noisy for its slope to tell.

use super::line::{Line, median, quantile};
use super::noise;
use super::product::dot;
use super::samples::{Trace, cut, whole};

/// Samples scatter more than this many decibels where the signal is below about 4 times the noise.
const DARK_SIGMA_DB: f64 = 1.2;

/// Share of "no light" samples from which a window is dark.
const DARK_SHARE: f64 = 0.05;

/// What glass loses a kilometre, with room for bad fits: dB/km.
pub(crate) const GLASS_DB_PER_KM: std::ops::RangeInclusive<f64> = -0.3..=1.2;

/// A slope known worse than this says nothing about glass: dB/km.
const SLOPE_LIMIT_DB_PER_KM: f64 = 3.0;

/// Pulses a window covers at the least, and in a fibre of a few pulses.
const PULSES: f64 = 2.0;
const SHORT_PULSES: f64 = 0.5;

/// Windows a trace is cut into at the most.
const MOST_WINDOWS: f64 = 512.0;

/// Windows on either side that tell a window's noise with it.
const POOL: usize = 4;

/// Noise of a sample below this is the file's resolution, not the instrument's quiet.
const LEAST_SIGMA_DB: f64 = 0.000_5;

/// Samples a window has at the least; where samples are sparse, as many as so many pulses hold.
const FEWEST_SAMPLES: f64 = 20.0;
const SPARSE_SAMPLES: f64 = 14.0;
const SPARSE_PULSES: f64 = 5.0;

/// A window's noise is no more than so many times what scatters in it about its own line: where most
/// neighbours are dark they say nothing of the last light before them.
const MOST_SCATTER: f64 = 4.0;

/// No glass loses less a kilometre. A tail falls less when that is sure by so many deviations of a line
/// through so many blocks of it, and is dark where glass before it stands so much higher.
const LEAST_GLASS_DB_PER_KM: f64 = 0.12;
const LEVEL_SIGMAS: f64 = 2.5;
const TAIL_BLOCKS: usize = 8;
const FAR_DB: f64 = 2.5;
const LEVEL_DB: f64 = 0.3;

/// Levels waver by so much in the middle, and so many times what white noise would do to a second
/// difference of medians (1.65 times 1.25 a root).
const LEAST_WAVE_DB: f64 = 0.3;
const WAVES: f64 = 4.0 * 1.65 * 1.25;

/// So many samples tell a window's median.
const ENOUGH: usize = 120;

/// How a window looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Falls as glass does.
    Fibre,
    /// No light, or none to speak of.
    Dark,
    /// Falls faster than glass.
    Steep,
    /// Lit, but neither straight nor steep: an event.
    Odd,
    /// Lit, too noisy for its slope to tell.
    Unsure,
}

/// One stretch of samples and how it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// First sample.
    pub(crate) from: usize,
    /// The sample after the last.
    pub(crate) to: usize,
    /// How it looks.
    pub(crate) look: Look,
    /// A robust line through it.
    pub(crate) line: Line,
    /// Median level.
    pub(crate) level: f64,
    /// Noise of a sample in decibels.
    pub(crate) sigma: f64,
    /// Whether it is too noisy for its slope to tell by its neighbours, and falls by its own scatter.
    falls: bool,
}

impl Window {
    /// Whether there is light in it.
    pub(crate) fn is_lit(&self) -> bool {
        self.look != Look::Dark
    }

    /// Whether it may be glass: it looks so, or is too noisy to tell.
    pub(crate) fn may_be_glass(&self) -> bool {
        matches!(self.look, Look::Fibre | Look::Unsure)
    }

    /// Its middle, as a sample index.
    pub(crate) fn middle(&self) -> f64 {
        (self.from + self.to) as f64 / 2.0
    }
}

/// Cuts the trace into windows and looks at each.
pub(crate) fn survey(trace: &Trace) -> Vec<Window> {
    survey_by(trace, PULSES)
}

/// The same in windows short enough for a fibre of a few pulses; none where samples are too sparse.
pub(crate) fn survey_closely(trace: &Trace) -> Option<Vec<Window>> {
    let dense = SHORT_PULSES * trace.pulse().get() / trace.step_m() >= FEWEST_SAMPLES;
    dense.then(|| survey_by(trace, SHORT_PULSES))
}

fn survey_by(trace: &Trace, pulses: f64) -> Vec<Window> {
    let count = trace.levels().len();
    let pulse = trace.pulse().get() / trace.step_m();
    let size = (pulses * pulse)
        .max((SPARSE_PULSES * pulse).clamp(SPARSE_SAMPLES, FEWEST_SAMPLES))
        .max(count as f64 / MOST_WINDOWS)
        .ceil();
    let size = whole(size).clamp(3, count.max(3));
    let lag = whole(pulse.ceil()).clamp(1, size / 3);
    let starts: Vec<usize> = (0..count).step_by(size).collect();
    let alone = |from: &usize| noise::sigma(trace.stretch(*from, from + size), lag);
    let own: Vec<f64> = starts.iter().map(alone).collect();
    let sigmas = pooled(&own).into_iter().zip(own);
    let windows = starts.iter().zip(sigmas);
    let mut windows: Vec<Window> = windows
        .filter_map(|(&from, sigmas)| look_at(trace, [from, (from + size).min(count)], sigmas, lag))
        .collect();
    fall_behind_glass(&mut windows);
    darken_tail(&mut windows, trace.step_m());
    windows
}

/// What falls too fast for glass by its own scatter is steep where glass stands before it; a fibre of a
/// few windows has nothing else.
fn fall_behind_glass(windows: &mut [Window]) {
    let first = windows
        .iter()
        .position(|window| window.may_be_glass() && !window.falls);
    let behind = first.and_then(|first| windows.get_mut(first..));
    for window in behind.into_iter().flatten().filter(|window| window.falls) {
        window.look = Look::Steep;
    }
}

/// Noise that the instrument smoothed, or that stands on an offset, looks like light in each window:
/// what falls less than any glass up to the last sample, or wavers, is dark, far below glass before it.
fn darken_tail(windows: &mut [Window], step_m: f64) {
    let highest = [2, 4, 8].into_iter().find_map(|part| {
        let tail = cut(windows, windows.len() - windows.len() / part, windows.len());
        let lit = tail.iter().filter(|window| window.is_lit()).count();
        let tells = tail.len() >= TAIL_BLOCKS * 3 && 4 * lit >= 3 * tail.len();
        (tells && (wavers(tail) || is_level(tail, step_m / 1_000.0))).then(|| {
            let mut levels: Vec<f64> = tail.iter().map(|window| window.level).collect();
            quantile(&mut levels, 0.95) + LEVEL_DB
        })
    });
    let Some(highest) = highest else {
        return;
    };
    let glass = |window: &Window| window.look == Look::Fibre && window.level > highest + FAR_DB;
    let Some(first) = windows.iter().position(glass) else {
        return;
    };
    let behind = windows.get_mut(first..).into_iter().flatten();
    for window in behind.filter(|window| window.level < highest) {
        window.look = Look::Dark;
    }
}

/// Whether levels go up and down from window to window by much more than the windows' own noise.
fn wavers(tail: &[Window]) -> bool {
    let bend = |three: &[Window]| match three {
        [a, b, c] => (a.level - 2.0 * b.level + c.level).abs(),
        _ => 0.0,
    };
    let own = |window: &Window| window.sigma / window.line.count.max(1.0).sqrt();
    let noise = median(&mut tail.iter().map(own).collect::<Vec<f64>>());
    let bends = median(&mut tail.windows(3).map(bend).collect::<Vec<f64>>());
    bends > LEAST_WAVE_DB.max(WAVES * noise)
}

/// Whether levels fall surely less than glass does.
fn is_level(tail: &[Window], step_km: f64) -> bool {
    // Neighbours share smoothed noise: blocks hardly do.
    let middle = |block: &[Window]| {
        median(
            &mut block
                .iter()
                .map(|window| window.level)
                .collect::<Vec<f64>>(),
        )
    };
    let size = tail.len() / TAIL_BLOCKS;
    let blocks: Vec<f64> = tail.chunks_exact(size).map(middle).collect();
    let samples = tail.first().map_or(0, |window| window.to - window.from);
    let block_km = (samples * size) as f64 * step_km;
    Line::fit(&blocks, 0).is_some_and(|line| {
        let sigma = line.rms / line.spread.sqrt();
        -line.slope + LEVEL_SIGMAS * sigma < LEAST_GLASS_DB_PER_KM * block_km
    })
}

/// Each window's noise as the median of its neighbours': a few dozen samples alone say little.
fn pooled(sigmas: &[f64]) -> Vec<f64> {
    let around = |k: usize| cut(sigmas, k.saturating_sub(POOL), k + POOL + 1).to_vec();
    (0..sigmas.len())
        .map(|k| median(&mut around(k)).max(LEAST_SIGMA_DB))
        .collect()
}

/// How a stretch looks; its noise is given as its neighbours and as it alone shows it.
fn look_at(
    trace: &Trace,
    [from, to]: [usize; 2],
    (sigma, own): (f64, f64),
    lag: usize,
) -> Option<Window> {
    let levels = trace.stretch(from, to);
    let line = Line::robust(levels, from)?;
    let dark = levels.iter().filter(|&&level| trace.is_cut(level)).count();
    let some = levels
        .iter()
        .copied()
        .step_by((levels.len() / ENOUGH).max(1));
    let level = median(&mut some.collect::<Vec<f64>>());
    let window = |look| {
        Some(Window {
            from,
            to,
            look,
            line,
            level,
            sigma,
            falls: false,
        })
    };
    if dark as f64 > DARK_SHARE * levels.len() as f64 || sigma.min(own) > DARK_SIGMA_DB {
        return window(Look::Dark);
    }
    let per_km = 1_000.0 / trace.step_m();
    let loss = -line.slope * per_km;
    let scatter = sigma.max(line.rms.min(2.0 * sigma)).max(1e-4);
    let residuals: Vec<f64> = line.residuals(levels).collect();
    // Every so many residuals tell as much: noise is correlated over parts of the pulse.
    let stride = (lag / 8).max(1);
    let thinned: Vec<f64> = residuals.iter().copied().step_by(stride).collect();
    let correlation = noise::correlation(&thinned, 16) * stride as f64;
    let known_to = 3.0 * (correlation / line.spread.max(1e-9)).sqrt() * per_km;
    let doubt = scatter * known_to;
    let (low, high) = (
        GLASS_DB_PER_KM.start() - doubt,
        GLASS_DB_PER_KM.end() + doubt,
    );
    // An event inside leaves residuals that the window's own noise does not explain.
    let rms = (dot(&residuals, &residuals) / residuals.len() as f64).sqrt();
    if loss > high {
        return window(Look::Steep);
    }
    if loss < low || rms > 3.0 * sigma + 0.03 {
        return window(Look::Odd);
    }
    if doubt > SLOPE_LIMIT_DB_PER_KM {
        let quiet = MOST_SCATTER * own.max(line.rms);
        let falls = loss > GLASS_DB_PER_KM.end() + quiet * known_to;
        return window(Look::Unsure).map(|window| Window { falls, ..window });
    }
    window(Look::Fibre)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Plan;

    #[test]
    fn glass_looks_like_glass_and_noise_like_noise() {
        let plan = Plan::default();
        let trace = plan.trace();
        let windows = survey(&trace);
        let end = trace.index_of(plan.end_m);
        let before = windows.iter().filter(|w| w.to <= end && w.from > 200);
        let lit = before.clone().filter(|w| w.look == Look::Fibre).count();
        assert!(lit * 10 >= before.count() * 9);
        let mut after = windows.iter().filter(|w| w.from > end + 400);
        assert!(after.all(|w| w.look == Look::Dark));
    }

    #[test]
    fn the_last_light_before_the_dark_falls_whatever_scatters_behind_it() {
        let mut steep = 0;
        for seed in 1..60_u32 {
            let plan = Plan {
                end_reflectance_db: Some(-40.0),
                pulse_ns: 1_000.0,
                step_m: 2.5,
                receiver: 0.35,
                end_m: 20_000.0 + 7.0 * f64::from(seed),
                seed: u64::from(seed),
                ..Plan::default()
            };
            let trace = plan.trace();
            let end = plan.end_m;
            let behind = |w: &&Window| {
                let [from, to] = [w.from, w.to].map(|i| trace.position(i as f64).get());
                end + 50.0 < from && from < end + 250.0 && to < end + 500.0
            };
            let windows = survey(&trace);
            for window in windows.iter().filter(behind) {
                steep += usize::from(window.look == Look::Steep);
                assert!(!window.may_be_glass(), "seed {seed}: {window:?}");
            }
        }
        assert!(steep > 20, "{steep}");
    }

    #[test]
    fn a_fall_before_any_glass_is_left_open_and_one_behind_it_is_steep() {
        let trace = Plan::default().trace();
        let window = survey(&trace)[5];
        let looks = |looks: [(Look, bool); 4]| {
            let mut windows = looks.map(|(look, falls)| Window {
                look,
                falls,
                ..window
            });
            fall_behind_glass(&mut windows);
            windows.map(|window| window.look)
        };
        // A fibre of 60 m behind a launch that still recovers, between two peaks: nothing else is glass.
        let [dim, peak] = [(Look::Unsure, true), (Look::Odd, false)];
        let kept = looks([peak, (Look::Steep, false), dim, peak]);
        assert_eq!(kept, [Look::Odd, Look::Steep, Look::Unsure, Look::Odd]);
        let behind = looks([(Look::Fibre, false), dim, peak, dim]);
        assert_eq!(behind, [Look::Fibre, Look::Steep, Look::Odd, Look::Steep]);
    }
}
