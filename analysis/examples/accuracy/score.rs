//! One case taken, analysed and held against the truth.

use silkline_analysis::trace::{Analysis, Event, EventKind, Trace, analyse};
use silkline_sim::forward::{self, Labels};

use crate::draw::{Case, Kind, Mark, Noise};
use crate::physics::Physics;
use crate::posterior::{self, Best};

/// Marks so many pulses apart cannot be told apart by their levels.
const DEAD_PULSES: f64 = 2.0;

/// A place found, in metres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) error_m: f64,
    pub(crate) half_m: f64,
    pub(crate) best: Option<Best>,
    /// Error of the best posterior's middle.
    pub(crate) best_error_m: f64,
}

/// A number found with its interval, and the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) error: f64,
    pub(crate) half: f64,
    pub(crate) best_half: f64,
}

/// One true event and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) noise: Noise,
    pub(crate) pulse_ns: u16,
    pub(crate) pulse_m: f64,
    pub(crate) samples_a_pulse: f64,
    /// Loss over the deviation of the best estimate of it; for reflections see `height_sigmas`.
    pub(crate) z: f64,
    pub(crate) step_db: f64,
    /// Bound of the place by science §3.
    pub(crate) bound_m: f64,
    /// Distance to the nearest other event, in pulses.
    pub(crate) room: f64,
    pub(crate) place: Option<Place>,
    /// Whether it was found within a pulse or three samples.
    pub(crate) within: bool,
    pub(crate) loss: Option<Value>,
    pub(crate) reflectance_error: Option<f64>,
    /// What it reflects, and whether it was told to.
    pub(crate) reflectance_db: Option<f64>,
    pub(crate) told_reflects: bool,
    pub(crate) seed: u64,
    pub(crate) at_m: f64,
}

impl Outcome {
    /// Whether what was found is the mark and not another: within 3 pulses or 5 intervals.
    pub(crate) fn is_near(&self) -> bool {
        let limit = 3.0 * self.pulse_m;
        self.place
            .is_some_and(|p| p.error_m.abs() <= limit.max(5.0 * p.half_m))
    }
}

/// What a trace told.
#[derive(Clone, Debug)]
pub(crate) struct Score {
    pub(crate) outcomes: Vec<Outcome>,
    /// Events where nothing is: place, kind, loss, distance to the nearest mark in pulses.
    pub(crate) false_events: Vec<FalseEvent>,
}

/// An event where nothing is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FalseEvent {
    pub(crate) at_m: f64,
    pub(crate) kind: EventKind,
    pub(crate) loss_db: f64,
    /// Pulses behind the mark before it, and that mark's kind and reflectance.
    pub(crate) behind: f64,
    pub(crate) after: Option<Mark>,
    /// Near an event that was found already.
    pub(crate) double: bool,
    pub(crate) pulse_ns: u16,
    pub(crate) noise: Noise,
    pub(crate) seed: u64,
}

/// Takes, analyses and scores one case: all marks, or the end alone.
pub(crate) fn score(case: &Case, seed: u64, end_alone: bool) -> Score {
    let shot = forward::shoot(&case.fibre, &case.instrument, &case.shot);
    let physics = Physics::of(case);
    let Some(trace) = read(&shot) else {
        return Score {
            outcomes: Vec::new(),
            false_events: Vec::new(),
        };
    };
    let analysis = analyse(&trace);
    let tolerance = case.pulse_m.max(3.0 * case.shot.spacing.get());
    let mut left: Vec<Event> = analysis
        .events
        .iter()
        .filter(|event| !matches!(event.kind, EventKind::End | EventKind::Ghost))
        .filter(|event| event.at.get() > 1.5 * tolerance)
        .copied()
        .collect();
    let mut order: Vec<(usize, f64)> = (0..case.marks.len())
        .map(|k| (k, strength(&physics, k)))
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    if end_alone {
        order.retain(|(k, _)| *k + 1 == case.marks.len());
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut missed = Vec::new();
    let mut taken = Vec::new();
    for (k, z) in order {
        let Some(mark) = case.marks.get(k) else {
            continue;
        };
        let found = if mark.kind.is_end() {
            end_event(&analysis)
        } else {
            let reach = reach(&physics, k).max(tolerance);
            take_nearest(&mut left, mark.at_m, reach)
        };
        let blank = outcome(&physics, k, z, seed);
        if found.is_none() {
            missed.push(k);
        } else {
            taken.push((k, outcomes.len()));
        }
        outcomes.push(found.map_or_else(
            || blank.clone(),
            |event| {
                let off = (event.at.get() - mark.at_m).abs();
                let blank = Outcome {
                    within: mark.kind.is_end() || off <= tolerance,
                    ..blank.clone()
                };
                held(&physics, &shot, k, &event, blank)
            },
        ));
    }
    take_along(case, &missed, &taken, &mut outcomes);
    let false_events = left
        .iter()
        .map(|event| false_event(case, event, tolerance, seed))
        .collect();
    Score {
        outcomes,
        false_events,
    }
}

/// An event stands for all that happens in its dead zone: its loss is theirs.
fn take_along(case: &Case, missed: &[usize], taken: &[(usize, usize)], outcomes: &mut [Outcome]) {
    for mark in missed.iter().filter_map(|k| case.marks.get(*k)) {
        let off = |k: &usize| {
            let other = case.marks.get(*k).map_or(f64::MAX, |other| other.at_m);
            (other - mark.at_m).abs()
        };
        let nearest = taken.iter().min_by(|a, b| off(&a.0).total_cmp(&off(&b.0)));
        let Some((_, at)) = nearest.filter(|(k, _)| off(k) < DEAD_PULSES * case.pulse_m) else {
            continue;
        };
        let value = outcomes.get_mut(*at).and_then(|one| one.loss.as_mut());
        if let Some(value) = value.filter(|_| !mark.kind.is_end()) {
            value.error -= mark.step_db;
        }
    }
}

/// The trace as the analysis gets it, without a threshold of the file's own.
pub(crate) fn read(shot: &forward::Trace) -> Option<Trace> {
    let mut sor = silkline_sor::read(&shot.sor(&Labels::default())).ok()?;
    sor.acquisition.thresholds.loss = None;
    Trace::from_sor(&sor).ok()
}

/// Where a mark may be seen: three deviations of the place where a step of its size appears to be
/// in such noise, and nearer to it than to any other mark.
fn reach(physics: &Physics<'_>, k: usize) -> f64 {
    let Some(mark) = physics.case.marks.get(k) else {
        return 0.0;
    };
    let others = physics.case.marks.iter().enumerate();
    let nearest = others
        .filter(|(other, _)| *other != k)
        .map(|(_, other)| (other.at_m - mark.at_m).abs())
        .fold(f64::MAX, f64::min);
    (3.0 * physics.change_point(mark)).min(0.4 * nearest)
}

fn strength(physics: &Physics<'_>, k: usize) -> f64 {
    let mark = physics.case.marks.get(k);
    mark.map_or(0.0, |mark| mark.step_db.abs() / physics.loss_sigma(k))
}

fn end_event(analysis: &Analysis) -> Option<Event> {
    analysis
        .events
        .iter()
        .find(|event| event.kind == EventKind::End)
        .copied()
}

fn take_nearest(left: &mut Vec<Event>, at_m: f64, tolerance: f64) -> Option<Event> {
    let off = |event: &Event| (event.at.get() - at_m).abs();
    let nearest = left
        .iter()
        .enumerate()
        .min_by(|a, b| off(a.1).total_cmp(&off(b.1)));
    let (index, event) = nearest?;
    (off(event) <= tolerance).then(|| left.remove(index))
}

fn outcome(physics: &Physics<'_>, k: usize, z: f64, seed: u64) -> Outcome {
    let case = physics.case;
    let mark = case.marks.get(k).copied().unwrap_or(Mark {
        at_m: 0.0,
        kind: Kind::Splice,
        step_db: 0.0,
        reflectance_db: None,
        scatter_db: 0.0,
    });
    let others = case
        .marks
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != k);
    let room = others
        .map(|(_, other)| (other.at_m - mark.at_m).abs())
        .fold(f64::MAX, f64::min);
    Outcome {
        kind: mark.kind,
        noise: case.noise,
        pulse_ns: case.shot.pulse_ns,
        pulse_m: case.pulse_m,
        samples_a_pulse: case.pulse_m / case.shot.spacing.get(),
        z,
        step_db: mark.step_db,
        bound_m: physics.place_bound(&mark),
        room: room / case.pulse_m,
        place: None,
        within: false,
        loss: None,
        reflectance_error: None,
        reflectance_db: mark.reflectance_db,
        told_reflects: false,
        seed,
        at_m: mark.at_m,
    }
}

fn held(
    physics: &Physics<'_>,
    shot: &forward::Trace,
    k: usize,
    event: &Event,
    blank: Outcome,
) -> Outcome {
    let Some(mark) = physics.case.marks.get(k) else {
        return blank;
    };
    let best = posterior::place(physics, shot, k);
    let place = Place {
        error_m: event.at.get() - mark.at_m,
        half_m: event.plus_minus.get(),
        best,
        best_error_m: best.map_or(0.0, |best| best.middle_m - mark.at_m),
    };
    let half = event.loss_plus_minus.map(|half| half.get());
    let loss = event
        .loss
        .zip(half)
        .filter(|_| !mark.kind.is_end())
        .map(|(loss, half)| Value {
            error: loss.get() - mark.step_db,
            half,
            best_half: 1.96 * physics.loss_sigma(k),
        });
    let reflectance = event
        .reflectance
        .zip(mark.reflectance_db)
        .filter(|_| !event.saturated);
    Outcome {
        place: Some(place),
        told_reflects: event.kind == EventKind::Reflective,
        loss,
        // An instrument takes the file's coefficient for that of the glass.
        reflectance_error: reflectance
            .map(|(found, truth)| found.get() - (truth - mark.scatter_db)),
        ..blank
    }
}

fn false_event(case: &Case, event: &Event, tolerance: f64, seed: u64) -> FalseEvent {
    let at_m = event.at.get();
    let after = case
        .marks
        .iter()
        .rev()
        .find(|mark| mark.at_m < at_m + tolerance)
        .copied();
    FalseEvent {
        at_m,
        kind: event.kind,
        loss_db: event.loss.map_or(0.0, |loss| loss.get()),
        behind: (at_m - after.map_or(0.0, |mark| mark.at_m)) / case.pulse_m,
        after,
        double: case
            .marks
            .iter()
            .any(|mark| (mark.at_m - at_m).abs() <= tolerance),
        pulse_ns: case.shot.pulse_ns,
        noise: case.noise,
        seed,
    }
}
