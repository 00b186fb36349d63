//! Loss, place and reflectance of each event, and the removal of those that are nothing.

use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

use super::ghost;
use super::grid::{Fit, Grid};
use super::place::{self, Edge, Place};
use super::rise::PEAK_DB;
use super::segments::Cut;
use super::{Event, EventKind};
use crate::trace::joint::{self, Constant, Course, Found, Glass, Image, Start};
use crate::trace::line::median;
use crate::trace::reflect::{self, STRONGEST_DB, reflectance};
use crate::trace::samples::{Trace, whole};

/// A loss below this many deviations is nothing, or in short traces one that is so many below what the
/// search asks.
const LEAST_SIGMAS: f64 = 4.5;
const LESS_SIGMAS: f64 = 0.5;

/// The same where a loss is measured again on the glass that its place leaves.
const FEWEST_SIGMAS: f64 = 2.5;

/// A loss below this is nothing whatever the noise.
const LEAST_LOSS_DB: f64 = 0.015;

/// A threshold of the file's own below this is none, in decibels.
const LEAST_THRESHOLD_DB: f64 = 0.01;

/// A fit that strays from the loss of the lines by more than so many deviations and decibels has run
/// away.
const STRAY_SIGMAS: f64 = 6.0;
const STRAY_DB: f64 = 1.0;

/// A peak must stand this many deviations of a sample over the glass, and [`PEAK_DB`].
const PEAK_SIGMAS: f64 = 6.0;

/// Glass scatters no more than so much more than other glass: a higher rise is a reflection of
/// which the trace shows too little.
const MOST_GAIN_DB: f64 = 2.0;

/// No receiver sees light behind more than this: what comes out larger is the dark.
const MOST_LOSS_DB: f64 = 35.0;

/// What reflects does so between these: polished at an angle, and open to the air.
const REFLECTANCES_DB: [f64; 2] = [-70.0, STRONGEST_DB];

/// Edges are this many pulses long at the least and at the most.
const LEAST_EDGE: f64 = 0.15;
const MOST_EDGE: f64 = 4.0;

/// Receivers show this share of a reflection's light at its top, the least and the most.
const SHOWN: [f64; 2] = [0.6, 1.1];

/// What is left of an event's light may shift its loss by this part of its deviation; a receiver
/// takes so many constants to settle at the least.
const NEGLIGIBLE: f64 = 1.0;
const FEWEST_CONSTANTS: f64 = 3.5;

/// Part of a sample by which an instrument misplaces its samples, as one standard deviation.
const SAMPLING: f64 = 0.02;

/// What the file's field of the spacing rounds off a sample, as one standard deviation: it counts
/// in 1e-14 s.
const SPACING_ERROR_M: f64 = 5.9e-7;

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

impl Joint {
    /// Whether it may be a loss of so much, measured again on shorter glass.
    fn may_be(&self, least: f64) -> bool {
        self.loss.abs() >= least && self.loss.abs() >= FEWEST_SIGMAS * self.loss_sigma
    }

    /// Whether what was found of it together with its neighbours is of the same event.
    fn agrees(&self, found: &Found) -> bool {
        let [loss, sigma] = found.loss;
        (loss - self.loss).abs() <= STRAY_SIGMAS * self.loss_sigma.hypot(sigma) + STRAY_DB
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    height: f64,
    /// The first point of the rise.
    rise: usize,
    sigma: f64,
    flat: bool,
    /// The power of its top, and of the glass behind there, over that of the glass before.
    top: f64,
    after: f64,
}

impl Peak {
    fn stands(&self) -> bool {
        self.height > (PEAK_SIGMAS * self.sigma).max(PEAK_DB)
    }

    /// The reflection's own light over that of the glass before, by what a receiver shows of a
    /// pulse at its end, where the peak is highest, and of the step beneath it.
    fn reflected(&self, constant: f64) -> f64 {
        let risen = -(-constant.recip()).exp_m1();
        let left = constant * risen;
        (self.top - left - (1.0 - left) * self.after) / risen
    }

    /// Whether a receiver may show a reflection of so much light as this peak: it hides some of it,
    /// and adds none. One beyond its range shows too little.
    fn may_show(&self, reflected: f64) -> bool {
        let [low, high] = SHOWN.map(|share| reflected * share);
        let (least, most) = (
            self.top - self.after.max(1.0),
            self.top - self.after.min(1.0),
        );
        self.flat || !self.stands() || (low <= most && high >= least)
    }
}

/// The cuts that are worth an event, the first of which is the launch.
#[derive(Clone, Debug)]
pub(crate) struct Weeded {
    cuts: Vec<Cut>,
    joints: Vec<Joint>,
}

impl Weeded {
    /// The cuts, the launch first.
    pub(super) fn cuts(&self) -> &[Cut] {
        &self.cuts
    }
}

/// The smallest loss that is one whatever the noise. What is below the file's own threshold still
/// shapes the glass around it, and is left out at the end.
fn least_loss(trace: &Trace) -> f64 {
    LEAST_LOSS_DB.min(threshold(trace))
}

/// The smallest loss to be told.
fn threshold(trace: &Trace) -> f64 {
    let told = trace.settings().loss_threshold;
    told.map_or(LEAST_LOSS_DB, Db::get).max(LEAST_THRESHOLD_DB)
}

/// Leaves out the cuts at which nothing is, the least first: others are surer without it.
pub(crate) fn weeded(trace: &Trace, grid: &Grid, cuts: &[Cut]) -> Weeded {
    let mut cuts = cuts.to_vec();
    let least = least_loss(trace);
    loop {
        let joints = joints(trace, grid, &cuts);
        let worth = |joint: &Joint| {
            let sigmas = joint.loss.abs() / (grid.doubt * joint.loss_sigma);
            let loss = joint.loss.abs() >= least
                && sigmas >= LEAST_SIGMAS.min(grid.price.sqrt() - LESS_SIGMAS);
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

/// How round the pulse of the trace is, where the events show that it is no rectangle.
pub(crate) fn roundness(grid: &Grid, found: &Weeded, places: &[Place]) -> Option<f64> {
    place::roundness(grid, &edges(grid, &found.joints), places)
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
///
/// What they say of the receiver comes along.
pub(crate) fn events(
    trace: &Trace,
    grid: &Grid,
    found: &Weeded,
    places: &[Place],
) -> (Vec<Event>, Option<Constant>) {
    let Weeded { cuts, joints } = found;
    let mut better = cuts.clone();
    let mut near: Vec<(Cut, Place)> = Vec::new();
    let mut began = cuts.first().map_or(0, |launch| launch.to);
    for ((joint, place), next) in joints
        .iter()
        .zip(places)
        .zip(joints.iter().skip(1).map(Some).chain([None]))
    {
        let end = next.map_or(grid.levels.len(), |next| next.cut.from);
        let fewest = FEWEST_POINTS.max(grid.edge_points());
        // Where events are dense, the glass that is there must do.
        let room = end.saturating_sub(fewest + 1);
        let to = whole((place.at + settled(joint, place)).ceil());
        let to = to.min(room.max(joint.cut.to + room.saturating_sub(joint.cut.to) / 2));
        let before = grid.begins() + place.sigma.min(0.5 * grid.pulse_points);
        let from = whole((place.at - before).floor());
        for cut in better.iter_mut().filter(|cut| **cut == joint.cut) {
            if to > cut.to && to <= room {
                cut.to = to;
            }
            if from < cut.to && from > began + fewest {
                cut.from = from;
            }
            began = cut.to;
            near.push((*cut, *place));
        }
    }
    // What its own glass does not bear out by far is none after all.
    let least = least_loss(trace);
    let joints: Vec<Joint> = self::joints(trace, grid, &better)
        .into_iter()
        .filter(|joint| joint.peak.stands() || joint.may_be(0.5 * least))
        .collect();
    let near = |joint: &Joint| near.iter().find(|(cut, _)| *cut == joint.cut);
    let mut places: Vec<Place> = joints.iter().filter_map(|j| Some(near(j)?.1)).collect();
    let (starts, course) = starts(trace, grid, better.first(), (&joints, &places));
    let mut joined = joint::solve(trace, &course, &starts);
    let mut solved = joined.found();
    if places.len() != joints.len() || solved.iter().any(Option::is_none) {
        places = place::places(grid, &edges(grid, &joints));
    }
    let measured = (joints.as_slice(), places.as_slice());
    let mut events = known(trace, grid, measured, &solved);
    if is_rectangle(grid) && joined.expect(trace, &images(trace, &events)) {
        solved = joined.found();
        events = known(trace, grid, measured, &solved);
    }
    let threshold = threshold(trace);
    let counts = |event: &Event| {
        let half = event.loss_plus_minus.map_or(0.0, Db::get);
        let sure = |loss: Db| loss.get().abs() - half / 1.96 >= threshold;
        event.loss.is_none_or(sure) || event.kind == EventKind::Reflective
    };
    events.retain(counts);
    (events, joined.constant().filter(|_| is_rectangle(grid)))
}

/// Whether the trace's pulse is a rectangle: all that is solved together knows no other.
fn is_rectangle(grid: &Grid) -> bool {
    grid.round <= 0.0
}

/// The events as all that was measured of them tells.
fn known(
    trace: &Trace,
    grid: &Grid,
    (joints, places): (&[Joint], &[Place]),
    solved: &[Option<Found>],
) -> Vec<Event> {
    let triples = joints.iter().zip(places).zip(solved);
    triples
        .filter(|((joint, _), _)| joint.peak.stands() || joint.loss > -MOST_GAIN_DB)
        .map(|((joint, place), found)| {
            let event = event(trace, grid, joint, place);
            let found = found.filter(|found| joint.agrees(found));
            let known = found.map_or(event, |found| better_known(trace, joint, &found, event));
            if is_rectangle(grid) {
                return known;
            }
            Event {
                at: event.at,
                plus_minus: event.plus_minus,
                ..known
            }
        })
        .collect()
}

/// The images that reflections among these events make.
fn images(trace: &Trace, events: &[Event]) -> Vec<Image> {
    let origin = trace.settings().launch.get() + trace.position(0.0).get();
    let image = |seen: ghost::Expected| Image {
        at: seen.at - origin,
        sigma: seen.sigma,
        heights: seen.reflectance.map(|db| reflect::light(trace, db)),
    };
    ghost::expected(trace, events)
        .into_iter()
        .map(image)
        .collect()
}

/// What is known of the events before all that is unknown around them is solved together.
fn starts(
    trace: &Trace,
    grid: &Grid,
    launch: Option<&Cut>,
    (joints, places): (&[Joint], &[Place]),
) -> (Vec<Start>, Course) {
    let step = trace.step_m();
    let sample = |point: usize| grid.first + point * grid.group;
    let glass = |fit: &Fit, km: f64| Glass {
        level: fit.at(km),
        slope: fit.slope / 1_000.0,
    };
    let tail = |fit: &Fit| {
        fit.tail.map(|[height, second, reach, _]| {
            [
                (height + second) * std::f64::consts::LN_10 / 5.0,
                reach * 1_000.0,
            ]
        })
    };
    let start = |(joint, place): (&Joint, &Place)| {
        let km = place.at * grid.step_km;
        let stands = joint.peak.stands();
        let height = joint.peak.reflected(place.constant / grid.pulse_points);
        Start {
            at: grid.sample(place.at) * step,
            sigma: place.sigma * grid.group as f64 * step,
            hidden: [joint.cut.from, joint.cut.to].map(sample),
            before: glass(&joint.before, km),
            after: glass(&joint.after, km),
            height: if stands { height.max(0.01) } else { 0.0 },
            saturated: stands && joint.peak.flat,
            constant: place.constant * grid.group as f64 * step,
            tail: tail(&joint.after),
        }
    };
    let starts: Vec<Start> = joints.iter().zip(places).map(start).collect();
    let course = Course {
        from: sample(launch.map_or(0, |launch| launch.to)),
        to: sample(grid.levels.len()),
        tail: joints.first().and_then(|joint| tail(&joint.before)),
        limit: grid.limit.unwrap_or(f64::MAX),
        slope: grid.slope / 1_000.0,
        heights: heights(trace),
    };
    (starts, course)
}

/// Light of the faintest and of the brightest reflection there are, over that of the glass.
fn heights(trace: &Trace) -> [f64; 2] {
    REFLECTANCES_DB.map(|db| reflect::light(trace, db))
}

/// An event with what was found of it together with its neighbours.
fn better_known(trace: &Trace, joint: &Joint, found: &Found, event: Event) -> Event {
    let [loss, loss_sigma] = found.loss;
    let reflects = !found.is_image && (joint.peak.stands() || found.height.is_some());
    let kind = match (reflects, loss < 0.0) {
        (true, _) => EventKind::Reflective,
        (false, true) => EventKind::Gain,
        (false, false) => EventKind::Loss,
    };
    let samples = found.at / trace.step_m();
    let sampling = (SAMPLING * trace.step_m()).hypot(SPACING_ERROR_M * samples);
    let told = (-MOST_GAIN_DB..MOST_LOSS_DB).contains(&loss);
    let height = found.height.map(|[height, _]| height);
    let height = height.filter(|height| *height > 0.0);
    // What the samples do not show the fit made up.
    let told_height = height.filter(|height| joint.peak.may_show(*height));
    Event {
        at: trace.position(samples),
        plus_minus: OpticalLength::of(1.96 * found.sigma.hypot(sampling)),
        kind,
        loss: told.then(|| Db::of(loss)),
        loss_plus_minus: told.then(|| Db::of(1.96 * loss_sigma)),
        reflectance: match told_height {
            Some(height) => reflectance(trace, height),
            // At least what is seen: of light beyond the receiver's range the fit knows nothing.
            None if reflects => reflectance(trace, joint.peak.top - 1.0),
            None => None,
        },
        ..event
    }
}

/// Points from an event's start to where what is left of its light no longer counts: the more of
/// it there is and the better the loss is known, the farther.
fn settled(joint: &Joint, place: &Place) -> f64 {
    // Light beyond that of the glass behind: what a step has not lost yet, and a reflection.
    let over = |db: f64| 10_f64.powf(db / 5.0) - 1.0;
    let step = over(joint.loss.abs()) * (place.constant / place.settled).min(1.0);
    let peak = if joint.peak.stands() {
        over(joint.peak.height + joint.loss.max(0.0))
    } else {
        0.0
    };
    let left = step.max(peak) * 5.0 / std::f64::consts::LN_10;
    let counts = (left / (NEGLIGIBLE * joint.loss_sigma).max(1e-9)).ln();
    let pulse = place.settled - FEWEST_CONSTANTS * place.constant;
    pulse + place.constant * counts.max(FEWEST_CONSTANTS)
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
        let km = grid.km(i);
        let relative = |level: f64| 10_f64.powf((level - before.at(km)) / 5.0);
        if relative(*level) > peak.top {
            peak.top = relative(*level);
            peak.after = relative(after.at(km));
        }
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
    let clipped = grid.limit.is_some_and(|limit| top >= limit);
    peak.flat = clipped || (peak.height > 3.0 && at_top >= 4 && at_top * 3 > pulse);
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
    let told = (-MOST_GAIN_DB..MOST_LOSS_DB).contains(&joint.loss);
    let constant = place.constant / grid.pulse_points;
    let reflected = reflects.then(|| joint.peak.reflected(constant));
    Event {
        at: trace.position(grid.sample(place.at)),
        plus_minus: OpticalLength::of(1.96 * sigma * spacing),
        kind,
        loss: told.then(|| Db::of(joint.loss)),
        loss_plus_minus: told.then(|| Db::of(1.96 * grid.doubt * joint.loss_sigma)),
        reflectance: reflected
            .filter(|ratio| *ratio > 0.0)
            .and_then(|ratio| reflectance(trace, ratio)),
        slope_before: Some(DbPerKm::of(-joint.before.slope)),
        saturated: reflects && joint.peak.flat,
    }
}
