//! Loss, place and reflectance of each event, and the removal of those that are nothing.

use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

use super::candidates::PEAK_DB;
use super::grid::{Fit, Grid};
use super::place::{self, Edge, Place};
use super::segments::Cut;
use super::{Event, EventKind, reflectance};
use crate::trace::line::median;
use crate::trace::samples::{Trace, whole};

/// A loss below this many deviations is nothing.
const LEAST_SIGMAS: f64 = 4.5;

/// A loss below this is nothing whatever the noise, where the file sets no threshold of its own.
const LEAST_LOSS_DB: f64 = 0.015;

/// A peak must stand this many deviations of a sample over the glass, and [`PEAK_DB`].
const PEAK_SIGMAS: f64 = 6.0;

/// Glass scatters no more than so much more than other glass: a higher rise is a reflection of
/// which the trace shows too little.
const MOST_GAIN_DB: f64 = 2.0;

/// Edges are this many pulses long at the least and at the most.
const LEAST_EDGE: f64 = 0.15;
const MOST_EDGE: f64 = 4.0;

/// Glass shorter than this is not cut shorter still.
const FEWEST_POINTS: usize = 6;

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

/// The cuts that are worth an event, the first of which is the launch.
#[derive(Clone, Debug)]
pub(crate) struct Weeded {
    cuts: Vec<Cut>,
    joints: Vec<Joint>,
}

/// Leaves out the cuts at which nothing is, the least first: others are surer without it.
pub(crate) fn weeded(trace: &Trace, grid: &Grid, cuts: &[Cut]) -> Weeded {
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
            return Weeded { cuts, joints };
        };
        let gone = weakest.cut;
        cuts.retain(|cut| *cut != gone);
    }
}

/// Where the events begin.
pub(crate) fn places(grid: &Grid, found: &Weeded) -> Vec<Place> {
    place::places(grid, &edges(grid, &found.joints))
}

/// Points over which an edge hides glass, as the events of the trace show; none without events.
pub(crate) fn edge(grid: &Grid, places: &[Place]) -> Option<f64> {
    let mut settled: Vec<f64> = places.iter().map(|place| place.settled).collect();
    // The last half of the settling is too little to see.
    let seen = 0.5 * median(&mut settled);
    let sane = seen.clamp(
        LEAST_EDGE * grid.pulse_points,
        MOST_EDGE * grid.pulse_points,
    );
    (!places.is_empty()).then_some(sane)
}

/// The events at their places, their glass measured where the receiver has settled.
pub(crate) fn events(trace: &Trace, grid: &Grid, found: &Weeded, places: &[Place]) -> Vec<Event> {
    let Weeded { cuts, joints } = found;
    let mut better = cuts.clone();
    for ((joint, place), next) in joints
        .iter()
        .zip(places)
        .zip(joints.iter().skip(1).map(Some).chain([None]))
    {
        let end = next.map_or(grid.levels.len(), |next| next.cut.from);
        let to = whole((place.at + place.settled).ceil());
        let from = whole(place.at.floor());
        for cut in better.iter_mut().filter(|cut| **cut == joint.cut) {
            if to > cut.to && to + FEWEST_POINTS.max(grid.edge_points()) < end {
                cut.to = to;
            }
            if from > cut.from && from < cut.to {
                cut.from = from;
            }
        }
    }
    let joints_again = self::joints(trace, grid, &better);
    let joints = if joints_again.len() == joints.len() {
        &joints_again
    } else {
        joints
    };
    let places = place::places(grid, &edges(grid, joints));
    let pairs = joints.iter().zip(&places);
    pairs
        .filter(|(joint, _)| joint.peak.stands() || joint.loss > -MOST_GAIN_DB)
        .map(|(joint, place)| event(trace, grid, joint, place))
        .collect()
}

fn edges(grid: &Grid, joints: &[Joint]) -> Vec<Edge> {
    let before = [0]
        .into_iter()
        .chain(joints.iter().map(|joint| joint.cut.to));
    let behind = joints.iter().skip(1).map(|joint| joint.cut.from);
    let behind = behind.chain([grid.levels.len()]);
    let edge = |((joint, first), last): ((&Joint, usize), usize)| Edge {
        before: joint.before,
        after: joint.after,
        hidden: [joint.cut.from, joint.cut.to],
        glass: [first, last],
        rise: joint.peak.stands().then_some(joint.peak.rise),
    };
    joints.iter().zip(before).zip(behind).map(edge).collect()
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
        .map(|(cut, end)| cut.glass(grid, end))
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

fn event(trace: &Trace, grid: &Grid, joint: &Joint, place: &Place) -> Event {
    let reflects = joint.peak.stands();
    // A point may be a whole sample.
    let sigma = place.sigma.hypot(0.3 / 12_f64.sqrt());
    let kind = match (reflects, joint.loss < 0.0) {
        (true, _) => EventKind::Reflective,
        (false, true) => EventKind::Gain,
        (false, false) => EventKind::Loss,
    };
    let spacing = grid.step_km * 1_000.0;
    let told = joint.loss > -MOST_GAIN_DB;
    Event {
        at: trace.position(grid.sample(place.at)),
        plus_minus: OpticalLength::of(1.96 * sigma * spacing),
        kind,
        loss: told.then(|| Db::of(joint.loss)),
        loss_plus_minus: told.then(|| Db::of(1.96 * grid.doubt * joint.loss_sigma)),
        reflectance: if reflects {
            reflectance(trace, joint.peak.height)
        } else {
            None
        },
        slope_before: Some(DbPerKm::of(-joint.before.slope)),
        saturated: reflects && joint.peak.flat,
    }
}
