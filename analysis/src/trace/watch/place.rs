//! Where a step begins, between samples, with how sure.
//!
//! Behind a new loss the light falls along the pulse, through a receiver whose time constant
//! nobody states. All places and constants are tried against the samples around; their posterior
//! gives the place and its interval. The noise is taken as white at the strength it averages to:
//! right over lengths at which small steps are found, cautious below.

use crate::trace::samples::{cut, whole};

/// Receiver time constants, in pulses: an ideal one up to one that smooths pulses away.
const TIME_CONSTANTS: [f64; 2] = [0.02, 1.4];

/// Time constants tried a pass.
const CONSTANTS: usize = 20;

/// Places tried a pass.
const PLACES: usize = 61;

/// Samples before neighbours are averaged.
const MOST_SAMPLES: usize = 400;

/// Samples around a step, the light's level and slow noise taken off.
#[derive(Clone, Debug)]
pub(super) struct Around<'a> {
    /// Fall in decibels, of consecutive samples.
    pub(super) fall: &'a [f64],
    /// Standard deviation of each, as white noise.
    pub(super) sigma: &'a [f64],
    /// Samples a pulse covers.
    pub(super) pulse: f64,
    /// Size of the step in decibels.
    pub(super) size: f64,
}

/// A place among samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Start {
    /// Where the step begins, in samples from the first.
    pub(super) at: f64,
    /// Half of the 95 % interval.
    pub(super) plus_minus: f64,
}

/// Even steps from one number to another, both included.
fn grid([low, high]: [f64; 2], count: usize) -> Vec<f64> {
    let step = (high - low) / (count - 1).max(1) as f64;
    (0..count).map(|i| low + step * i as f64).collect()
}

/// The start of a step known to lie between two of the samples.
///
/// A later start and a faster receiver look alike; the centre of the fall is what the samples tell
/// best, so that is what is searched, and the start follows from it.
pub(super) fn start(around: &Around<'_>, between: [f64; 2]) -> Option<Start> {
    let points = Point::all(around);
    let pulse = around.pulse.max(1e-3);
    // Neighbours averaged as decibels blur a deep fall.
    let blurred = 0.4 * around.fall.len().div_ceil(MOST_SAMPLES) as f64;
    let [low, high] = between;
    let mut centres = [low, high + TIME_CONSTANTS[1] * pulse];
    let mut constants = TIME_CONSTANTS;
    let mut found = None;
    for _ in 0..5 {
        let [low, high] = centres;
        let step = (high - low) / (PLACES - 1) as f64;
        let (at, of) = (grid(centres, PLACES), grid(constants, CONSTANTS));
        let likely = posterior(around, &points, &at, &of)?;
        let tries = || at.iter().flat_map(|c| of.iter().map(move |k| (*c, *k)));
        let told =
            |f: &dyn Fn((f64, f64)) -> f64| summed(tries().map(f).zip(likely.iter().copied()));
        let start = told(&|(centre, constant)| centre - constant * pulse);
        found = Some(Start {
            plus_minus: start.plus_minus.max(step).hypot(blurred),
            ..start
        });
        let [first, last] = constants;
        let centre = told(&|(centre, _)| centre);
        let next = narrowed(centres, centre, step);
        // Between coarse centres the best constant is a wrong one.
        let next_of = if centre.plus_minus > 2.0 * step {
            let step = (last - first) / (CONSTANTS - 1) as f64;
            narrowed(constants, told(&|(_, constant)| constant), step)
        } else {
            constants
        };
        let narrower = |[a, b]: [f64; 2], [c, d]: [f64; 2]| (b - a) < 0.6 * (d - c);
        if step < 0.02 || !(narrower(next, centres) || narrower(next_of, constants)) {
            break;
        }
        (centres, constants) = (next, next_of);
    }
    found
}

/// The part of a range in which a number surely lies.
fn narrowed([low, high]: [f64; 2], found: Start, step: f64) -> [f64; 2] {
    // A coarse grid may light on a neighbour of the best place: some steps more.
    let reach = 2.5 * found.plus_minus.max(step) + step;
    [(found.at - reach).max(low), (found.at + reach).min(high)]
}

/// The mean of a few neighbouring samples.
#[derive(Clone, Copy, Debug)]
struct Point {
    x: f64,
    fall: f64,
    weight: f64,
}

impl Point {
    fn all(around: &Around<'_>) -> Vec<Self> {
        let group = around.fall.len().div_ceil(MOST_SAMPLES).max(1);
        let point = |i: usize| {
            let (fall, sigma) = (
                cut(around.fall, i, i + group),
                cut(around.sigma, i, i + group),
            );
            let count = fall.len().min(sigma.len()) as f64;
            let weight: f64 = sigma.iter().map(|s| 1.0 / (s * s)).sum();
            let sum: f64 = fall.iter().zip(sigma).map(|(f, s)| f / (s * s)).sum();
            (weight > 0.0).then(|| Self {
                x: i as f64 + (count - 1.0) / 2.0,
                fall: sum / weight,
                weight,
            })
        };
        let starts = (0..around.fall.len()).step_by(group);
        starts.filter_map(point).collect()
    }
}

/// How likely each centre with each time constant is.
fn posterior(
    around: &Around<'_>,
    points: &[Point],
    centres: &[f64],
    constants: &[f64],
) -> Option<Vec<f64>> {
    let mut misfits = Vec::with_capacity(centres.len() * constants.len());
    for centre in centres {
        for constant in constants {
            let place = centre - constant * around.pulse;
            let misfit = |point: &Point| {
                let model = shape(point.x - place, around, *constant);
                (point.fall - model).powi(2) * point.weight
            };
            misfits.push(points.iter().map(misfit).sum::<f64>());
        }
    }
    let least = misfits.iter().copied().fold(f64::MAX, f64::min);
    let excess = (least / points.len().max(1) as f64).max(1.0);
    let likely = |misfit: &f64| (-0.5 * (misfit - least) / excess).exp();
    least
        .is_finite()
        .then(|| misfits.iter().map(likely).collect())
}

/// Fall `behind` samples after the start, in decibels: the pulse fills with dimmer glass.
fn shape(behind: f64, around: &Around<'_>, constant: f64) -> f64 {
    let pulse = around.pulse.max(1e-3);
    let pole = (constant * pulse).max(1e-3);
    let filled = |x: f64| {
        if x <= 0.0 {
            0.0
        } else {
            (x + pole * (-x / pole).exp_m1()) / pulse
        }
    };
    let filled = (filled(behind) - filled(behind - pulse)).clamp(0.0, 1.0);
    let left = 10_f64.powf(-around.size / 5.0);
    -5.0 * (1.0 - (1.0 - left) * filled).log10()
}

/// The median of weighted numbers, and the half width that holds 95 % of them.
fn summed(weighted: impl Iterator<Item = (f64, f64)>) -> Start {
    let mut weighted: Vec<(f64, f64)> = weighted.filter(|(_, weight)| *weight > 1e-9).collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let quantile = |share: f64| {
        let mut sum = 0.0;
        for (place, weight) in &weighted {
            sum += weight / total;
            if sum >= share {
                return *place;
            }
        }
        weighted.last().map_or(0.0, |(place, _)| *place)
    };
    let at = quantile(0.5);
    let (low, high) = (quantile(0.025), quantile(0.975));
    Start {
        at,
        plus_minus: (high - at).max(at - low),
    }
}

/// Samples from `middle - reach` to `middle + reach`, cut at both ends of `count`.
pub(super) fn window(middle: f64, reach: f64, count: usize) -> (usize, usize) {
    let from = whole((middle - reach).max(0.0)).min(count);
    (from, whole((middle + reach).max(0.0)).min(count).max(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// Seeds this far apart draw nothing in common.
    const APART: u64 = 1_000_003;

    /// Share of truths in the interval, and the mean half width, for steps of a size.
    fn tried(size: f64, sigma: f64, pulse: f64) -> (f64, f64) {
        let (mut inside, mut width) = (0.0, 0.0);
        let runs = 50;
        for seed in 0..runs {
            let mut dice = Dice::new(seed * APART);
            let truth = 400.0 + dice.between(-20.0, 20.0);
            let constant = dice.between(0.1, 0.7);
            let sigmas = vec![sigma; 800];
            let model = Around {
                fall: &[],
                sigma: &[],
                pulse,
                size,
            };
            let fall: Vec<f64> = (0..800)
                .map(|i| shape(f64::from(i) - truth, &model, constant) + sigma * dice.normal())
                .collect();
            let around = Around {
                fall: &fall,
                sigma: &sigmas,
                pulse,
                size,
            };
            let found = start(&around, [200.0, 600.0]).unwrap();
            inside += f64::from(u8::from((found.at - truth).abs() <= found.plus_minus));
            width += found.plus_minus;
        }
        (inside / runs as f64, width / runs as f64)
    }

    #[test]
    fn intervals_hold_the_place_from_sharp_to_faint() {
        for (size, sigma, pulse) in [(0.1, 0.2, 4.0), (0.5, 0.05, 30.0), (3.0, 0.01, 10.0)] {
            let (share, width) = tried(size, sigma, pulse);
            assert!(
                (0.9..=1.0).contains(&share),
                "{size}: {share} within {width}"
            );
            assert!(width < 120.0, "{size}: {width}");
        }
    }
}
