//! Loss, place and reflectance of each event, and the removal of those that are nothing.

use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

use super::grid::{Fit, Grid};
use super::segments::Cut;
use super::{Event, EventKind, reflectance};
use crate::trace::edge::Shape;
use crate::trace::samples::{Trace, whole};

/// A loss below this many deviations is nothing.
const LEAST_SIGMAS: f64 = 4.0;

/// A loss below this is nothing whatever the noise, where the file sets no threshold of its own.
const LEAST_LOSS_DB: f64 = 0.025;

/// A peak must stand this many deviations of a sample over the glass, and this many decibels.
const PEAK_SIGMAS: f64 = 6.0;
const PEAK_DB: f64 = 0.12;

/// Receiver time constants tried for a step, in pulses: many instruments smooth whole pulses.
const TIME_CONSTANTS: [f64; 8] = [0.05, 0.2, 0.4, 0.6, 0.9, 1.3, 1.8, 2.5];

/// Places tried for a step at the most.
const MOST_PLACES: f64 = 250.0;

/// One event with the glass on both sides.
#[derive(Clone, Copy, Debug)]
struct Joint {
    cut: Cut,
    before: Fit,
    after: Fit,
    loss: f64,
    loss_sigma: f64,
    peak: Peak,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    height: f64,
    /// The first point of the rise.
    rise: usize,
    sigma: f64,
    flat: bool,
}

impl Peak {
    fn stands(&self) -> bool {
        self.height > (PEAK_SIGMAS * self.sigma).max(PEAK_DB)
    }
}

/// The events at the cuts, the first of which is the launch.
pub(crate) fn events(trace: &Trace, grid: &Grid, cuts: &[Cut]) -> Vec<Event> {
    let mut cuts = cuts.to_vec();
    let least = trace
        .settings()
        .loss_threshold
        .map_or(LEAST_LOSS_DB, Db::get)
        .max(0.01);
    loop {
        let joints = joints(trace, grid, &cuts);
        let worth = |joint: &Joint| {
            let sigmas = joint.loss.abs() / joint.loss_sigma;
            let loss = joint.loss.abs() >= least && sigmas >= LEAST_SIGMAS;
            (loss || joint.peak.stands(), sigmas)
        };
        let weakest = joints
            .iter()
            .filter(|joint| !worth(joint).0)
            .min_by(|a, b| worth(a).1.total_cmp(&worth(b).1));
        let Some(weakest) = weakest else {
            return joints
                .iter()
                .map(|joint| event(trace, grid, joint))
                .collect();
        };
        let gone = weakest.cut;
        cuts.retain(|cut| *cut != gone);
    }
}

fn joints(trace: &Trace, grid: &Grid, cuts: &[Cut]) -> Vec<Joint> {
    let ends = cuts
        .iter()
        .skip(1)
        .map(|cut| cut.from)
        .chain([grid.levels.len()]);
    let stretches: Vec<Option<Fit>> = cuts
        .iter()
        .zip(ends)
        .map(|(cut, end)| grid.fit(cut.to, end))
        .collect();
    let pairs = stretches.windows(2).zip(cuts.iter().skip(1));
    pairs
        .filter_map(|(fits, &cut)| {
            let [Some(before), Some(after)] = fits else {
                return None;
            };
            let km = grid.km(cut.from);
            let loss = before.at(km) - after.at(km);
            let variance = before.variance_at(km) + after.variance_at(km);
            let peak = peak(trace, grid, cut, (before, after));
            let (before, after) = (*before, *after);
            Some(Joint {
                cut,
                before,
                after,
                loss,
                loss_sigma: variance.sqrt(),
                peak,
            })
        })
        .collect()
}

/// How far the hidden stretch rises over the higher of both lines.
fn peak(trace: &Trace, grid: &Grid, cut: Cut, (before, after): (&Fit, &Fit)) -> Peak {
    let sigma = grid.sigma.get(cut.from).copied().unwrap_or(0.0);
    let mut peak = Peak {
        sigma,
        rise: cut.from,
        ..Peak::default()
    };
    let glass = |i: usize| before.at(grid.km(i)).max(after.at(grid.km(i)));
    let mut risen = false;
    for i in cut.from.saturating_sub(1)..cut.to {
        let Some(level) = grid.levels.get(i) else {
            break;
        };
        let over = level - glass(i);
        peak.height = peak.height.max(over);
        if !risen && over > (3.0 * sigma).max(PEAK_DB / 2.0) {
            risen = true;
            peak.rise = i;
        }
    }
    let from = whole(grid.sample(cut.from as f64));
    let to = whole(grid.sample(cut.to as f64));
    let levels = trace.stretch(from, to);
    let top = levels.iter().copied().fold(f64::MIN, f64::max);
    let at_top = levels.iter().filter(|&&level| level > top - 0.02).count();
    let pulse = grid.pulse * grid.group;
    peak.flat = peak.height > 3.0 && at_top >= 4 && at_top * 3 > pulse;
    peak
}

fn event(trace: &Trace, grid: &Grid, joint: &Joint) -> Event {
    let reflects = joint.peak.stands();
    let (point, sigma) = if reflects {
        rise(joint)
    } else {
        ramp(grid, joint).unwrap_or((joint.cut.from as f64, 1.0))
    };
    let kind = match (reflects, joint.loss < 0.0) {
        (true, _) => EventKind::Reflective,
        (false, true) => EventKind::Gain,
        (false, false) => EventKind::Loss,
    };
    let spacing = grid.step_km * 1_000.0;
    Event {
        at: trace.position(grid.sample(point)),
        plus_minus: OpticalLength::of(1.96 * sigma * spacing),
        kind,
        loss: Some(Db::of(joint.loss)),
        loss_plus_minus: Some(Db::of(1.96 * joint.loss_sigma)),
        reflectance: if reflects {
            reflectance(trace, joint.peak.height)
        } else {
            None
        },
        slope_before: Some(DbPerKm::of(-joint.before.slope)),
        saturated: reflects && joint.peak.flat,
    }
}

/// A peak begins between the last point on the glass and the first above it.
fn rise(joint: &Joint) -> (f64, f64) {
    (joint.peak.rise as f64 - 0.5, 0.5)
}

/// Where a step begins, in points: the pulse's ramp behind a slow receiver, between both lines;
/// place and time constant are free.
fn ramp(grid: &Grid, joint: &Joint) -> Option<(f64, f64)> {
    let pulse = (grid.pulse_points).max(0.5);
    let reach = whole(2.5 * pulse).max(3);
    let from = joint.cut.from.saturating_sub(reach);
    let to = (joint.cut.to + reach).min(grid.levels.len());
    let misfit = |start: f64, constant: f64| -> f64 {
        let shape = Shape { pulse, constant };
        (from..to)
            .filter_map(|i| {
                let (still, _) = shape.at(i as f64 - start);
                let km = grid.km(i);
                let model = joint.before.at(km) * still + joint.after.at(km) * (1.0 - still);
                Some(((grid.levels.get(i)? - model) / grid.sigma.get(i)?).powi(2))
            })
            .sum()
    };
    // A step that hides much may lie anywhere in it; one that hides little begins near its start.
    let margin = 2.0 * pulse.max(2.0);
    let start = joint.cut.from as f64 - margin;
    let hidden = (joint.cut.to - joint.cut.from) as f64;
    let span = if hidden > 1.5 * margin {
        hidden + 2.0 * margin
    } else {
        1.75 * margin
    };
    let step = (pulse / 8.0).clamp(0.25, 1.5).max(span / MOST_PLACES);
    let all = (0..whole(span / step)).flat_map(|i| {
        let at = start + step * i as f64;
        TIME_CONSTANTS
            .iter()
            .map(move |constant| (at, constant * pulse))
    });
    let scored: Vec<(f64, f64)> = all
        .map(|(at, constant)| (at, misfit(at, constant)))
        .collect();
    let least = scored
        .iter()
        .map(|(_, misfit)| *misfit)
        .fold(f64::MAX, f64::min);
    let excess = (least / (to - from) as f64).max(1.0);
    let weight = |misfit: f64| (-0.5 * (misfit - least) / excess).exp();
    let total: f64 = scored.iter().map(|(_, misfit)| weight(*misfit)).sum();
    let mean = scored.iter().map(|(at, m)| at * weight(*m)).sum::<f64>() / total;
    let spread = scored
        .iter()
        .map(|(at, m)| (at - mean).powi(2) * weight(*m))
        .sum::<f64>()
        / total;
    mean.is_finite()
        .then(|| (mean, spread.sqrt().max(step / 2.0)))
}
