//! Where each event begins, from the whole of its edge.
//!
//! A step that the pulse spreads over its length and the receiver smooths further is, in linear
//! power, a ramp between the glass before and the glass behind; a reflection adds the pulse itself:
//!
//! ```text
//! P(u) = before · (1 − s(u)) + after · s(u) + A · box(u)        u = distance past the start
//! ```
//!
//! Nobody states the receiver, and vendors smooth on top. But all events of a trace passed the
//! same one, so the response is learnt from all of them together, and each event's start from its
//! own edge under the responses that are likely. The spread of that posterior is the interval.

use std::sync::LazyLock;

use super::grid::{Fit, Grid};
use crate::trace::samples::whole;

/// One event as the search left it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// The glass before and behind.
    pub(crate) before: Fit,
    /// The same behind.
    pub(crate) after: Fit,
    /// Points hidden by it.
    pub(crate) hidden: [usize; 2],
    /// The first and the last point that its glass covers.
    pub(crate) glass: [usize; 2],
    /// The point a reflection rises at.
    pub(crate) rise: Option<usize>,
}

/// Where an event begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The start, as a broken index of points.
    pub(crate) at: f64,
    /// Its standard deviation in points.
    pub(crate) sigma: f64,
    /// Points from the start to where a step is complete to a few hundredths.
    pub(crate) settled: f64,
}

/// A receiver behind a pulse; lengths in pulses.
#[derive(Clone, Copy, Debug)]
struct Response {
    /// Length of the ramp.
    pulse: f64,
    /// Time constant of each pole.
    constant: f64,
    /// Whether there are two equal poles rather than one: an edge that starts softly.
    soft: bool,
}

const fn one(constant: f64) -> Response {
    Response {
        pulse: 1.0,
        constant,
        soft: false,
    }
}

const fn two(constant: f64) -> Response {
    Response {
        pulse: 1.0,
        constant,
        soft: true,
    }
}

/// Responses tried: a pulse through receivers of every speed, and an edge sharper than the pulse.
const RESPONSES: [Response; 24] = [
    Response {
        pulse: 0.05,
        constant: 0.02,
        soft: false,
    },
    one(0.03),
    one(0.1),
    one(0.17),
    one(0.22),
    one(0.26),
    one(0.29),
    one(0.32),
    one(0.36),
    one(0.4),
    one(0.45),
    one(0.5),
    one(0.57),
    one(0.7),
    one(0.95),
    one(1.3),
    one(2.0),
    one(3.0),
    two(0.15),
    two(0.3),
    two(0.5),
    two(0.8),
    two(1.2),
    two(1.8),
];

/// Weight of responses that the other events of the trace speak against: events may lie close.
const STRANGER: f64 = 1e-3;

/// Part of the pulse by which its unknown shape may shift a start, as one standard deviation.
const PULSE_SHAPE: f64 = 0.018;

/// Every response in steps of a part of the pulse, worked out once.
static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| RESPONSES.iter().map(Table::of).collect());

/// Steps of a table a pulse, and pulses it reaches.
const STEPS_A_PULSE: f64 = 128.0;
const PULSES: f64 = 16.0;

/// No event speaks louder than this against a response, in logarithms: it may be two events.
const MOST_EVIDENCE: f64 = 12.0;

/// Starts tried a pass.
const PLACES: usize = 25;

/// Passes after the first, each where the one before makes starts likely.
const FINER: usize = 2;

/// A response that misses by so much more than the best one is not looked at again.
const HOPELESS: f64 = 60.0;

/// The model's shape is wrong by this share of a reflection.
const SHAPE_ERROR: f64 = 0.05;

/// Receivers are usually about this fast, within a factor of e.
const USUAL: f64 = 0.35;

/// Logarithm of the odds against an edge sharper than its pulse, and against two poles.
const SHARP: f64 = 8.0;
const SOFT: f64 = 1.0;

/// The start of each edge.
pub(crate) fn places(grid: &Grid, edges: &[Edge]) -> Vec<Place> {
    let tries: Vec<Tries> = edges.iter().map(|edge| Tries::of(grid, edge)).collect();
    let mut shared = RESPONSES.map(|response| response.prior());
    for one in &tries {
        for (sum, evidence) in shared.iter_mut().zip(one.evidence) {
            *sum += evidence.max(-MOST_EVIDENCE);
        }
    }
    let place = |tries: &Tries| tries.place(grid, &shared);
    tries.iter().map(place).collect()
}

/// One point near an edge, in linear power relative to the glass before.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: f64,
    power: f64,
    /// The power of the glass behind there.
    after: f64,
    /// One over the variance of the power.
    weight: f64,
}

/// What each response says about one edge.
struct Tries {
    points: Vec<Point>,
    reflects: bool,
    /// Logarithm of each response's likelihood, averaged over starts.
    evidence: [f64; RESPONSES.len()],
    /// Mean and deviation of the start under each.
    starts: [(f64, f64); RESPONSES.len()],
}

impl Tries {
    fn of(grid: &Grid, edge: &Edge) -> Self {
        let (points, low, high) = points(grid, edge);
        let mut tries = Self {
            points,
            reflects: edge.rise.is_some(),
            evidence: [0.0; RESPONSES.len()],
            starts: [(low, high - low); RESPONSES.len()],
        };
        let pulse = grid.pulse_points;
        let mut passes: Vec<Pass> = TABLES
            .iter()
            .map(|table| tries.pass(pulse, table, [low, high]))
            .collect();
        let least = passes
            .iter()
            .map(|pass| pass.least)
            .fold(f64::MAX, f64::min);
        let hopeless = 3.0 * least.max(tries.points.len() as f64) + HOPELESS;
        for (pass, table) in passes.iter_mut().zip(TABLES.iter()) {
            let mut range = [low, high];
            for _ in 0..FINER {
                if pass.least < hopeless
                    && let Some((finer, narrower)) = tries.finer(pulse, table, (&*pass, range))
                {
                    (*pass, range) = (finer, narrower);
                }
            }
        }
        let least = passes
            .iter()
            .map(|pass| pass.least)
            .fold(f64::MAX, f64::min);
        // A model that misses more than noise does makes everything less sure.
        let freedom = (tries.points.len() as f64 - 4.0).max(1.0);
        let excess = (least / freedom).max(1.0);
        let outcomes = tries.evidence.iter_mut().zip(&mut tries.starts);
        for ((evidence, start), pass) in outcomes.zip(&passes) {
            let (mean, sigma, sum) = pass.moments(excess);
            *evidence = -0.5 * (pass.least - least) / excess + sum.ln();
            *start = (mean, sigma);
        }
        tries
    }

    /// Starts once more where a first pass makes them likely, unless that is everywhere.
    fn finer(
        &self,
        pulse: f64,
        table: &Table,
        (coarse, [low, high]): (&Pass, [f64; 2]),
    ) -> Option<(Pass, [f64; 2])> {
        let (mean, sigma, _) = coarse.moments(1.0);
        let reach = 4.0 * sigma.max(coarse.step / 2.0);
        let range = [mean - reach, mean + reach];
        let narrower = 2.0 * reach < 0.7 * (high - low);
        narrower.then(|| (self.pass(pulse, table, range), range))
    }

    fn pass(&self, pulse: f64, table: &Table, [low, high]: [f64; 2]) -> Pass {
        let step = (high - low) / (PLACES - 1) as f64;
        let misfits: Vec<(f64, f64)> = (0..PLACES)
            .map(|k| {
                let start = low + step * k as f64;
                (start, self.misfit(pulse, table, start))
            })
            .collect();
        let least = misfits.iter().map(|pair| pair.1).fold(f64::MAX, f64::min);
        Pass {
            misfits,
            least,
            step,
        }
    }

    /// How badly a start under a response misses the points, the reflection's height free.
    fn misfit(&self, pulse: f64, table: &Table, start: f64) -> f64 {
        let (mut yy, mut yr, mut rr) = (0.0, 0.0, 0.0);
        let scale = STEPS_A_PULSE / pulse;
        for point in &self.points {
            let (step, pulse) = table.at((point.at - start) * scale);
            let off = point.power - 1.0 - (point.after - 1.0) * step;
            let weight = point.weight;
            yy += weight * off * off;
            yr += weight * off * pulse;
            rr += weight * pulse * pulse;
        }
        if self.reflects && yr > 0.0 && rr > 0.0 {
            yy -= yr * yr / rr;
        }
        yy
    }

    /// The start under all responses, weighed by what the other edges say of each.
    fn place(&self, grid: &Grid, shared: &[f64]) -> Place {
        let others: Vec<f64> = shared
            .iter()
            .zip(self.evidence)
            .map(|(sum, own)| sum - own.max(-MOST_EVIDENCE))
            .collect();
        let best = others.iter().copied().fold(f64::MIN, f64::max);
        let own = self.evidence.iter().copied().fold(f64::MIN, f64::max);
        let weights = others
            .iter()
            .zip(self.evidence)
            .map(|(other, evidence)| ((other - best).exp() + STRANGER) * (evidence - own).exp());
        let (mut sum, mut at, mut square, mut settled) = (0.0, 0.0, 0.0, 0.0);
        for ((weight, (mean, sigma)), response) in weights.zip(self.starts).zip(&RESPONSES) {
            sum += weight;
            at += weight * mean;
            square += weight * (mean * mean + sigma * sigma);
            settled += weight * response.settled();
        }
        let at = at / sum;
        let sigma = (square / sum - at * at).max(0.0).sqrt();
        Place {
            at,
            sigma: sigma.hypot(PULSE_SHAPE * grid.pulse_points),
            settled: settled / sum * grid.pulse_points,
        }
    }
}

/// The misfit of each start under one response.
struct Pass {
    misfits: Vec<(f64, f64)>,
    least: f64,
    step: f64,
}

impl Pass {
    /// Mean and deviation of the start, and the likelihood summed over starts.
    fn moments(&self, excess: f64) -> (f64, f64, f64) {
        let (mut sum, mut at, mut square) = (0.0, 0.0, 0.0);
        let origin = self.misfits.first().map_or(0.0, |pair| pair.0);
        for (start, misfit) in &self.misfits {
            let weight = (-0.5 * (misfit - self.least) / excess).exp();
            let start = start - origin;
            sum += weight;
            at += weight * start;
            square += weight * start * start;
        }
        let at = at / sum;
        let within = self.step * self.step / 12.0;
        let sigma = ((square / sum - at * at).max(0.0) + within).sqrt();
        (origin + at, sigma, sum * self.step)
    }
}

/// A response at even steps, for the inner loop.
struct Table {
    values: Vec<(f64, f64)>,
}

impl Table {
    fn of(response: &Response) -> Self {
        let count = whole(PULSES * STEPS_A_PULSE);
        let value = |i: usize| response.at(i as f64 / STEPS_A_PULSE);
        Self {
            values: (0..=count).map(value).collect(),
        }
    }

    /// How much of a step and of a reflection shows so many steps past the start.
    fn at(&self, steps: f64) -> (f64, f64) {
        if steps <= 0.0 {
            return (0.0, 0.0);
        }
        let index = whole(steps);
        let (Some(a), Some(b)) = (self.values.get(index), self.values.get(index + 1)) else {
            return (1.0, 0.0);
        };
        let share = steps - index as f64;
        (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
    }
}

impl Response {
    /// Logarithm of how likely such a receiver is before any edge is seen.
    fn prior(&self) -> f64 {
        if self.pulse < 1.0 {
            return -SHARP;
        }
        let poles = if self.soft { 2.0 } else { 1.0 };
        let off = (poles * self.constant / USUAL).ln();
        -0.5 * off * off - if self.soft { SOFT } else { 0.0 }
    }

    /// How much of a step and of a reflection shows `u` pulses past the start.
    fn at(&self, u: f64) -> (f64, f64) {
        if u <= 0.0 {
            return (0.0, 0.0);
        }
        let (here, gone) = (self.answer(u), self.answer(u - self.pulse));
        ((here.1 - gone.1) / self.pulse, here.0 - gone.0)
    }

    /// The receiver's answer to light that comes on, and the same summed up to `v`.
    fn answer(&self, v: f64) -> (f64, f64) {
        if v <= 0.0 {
            return (0.0, 0.0);
        }
        let left = (-v / self.constant).exp();
        let t = self.constant;
        if self.soft {
            (
                1.0 - (1.0 + v / t) * left,
                v - 2.0 * t + (2.0 * t + v) * left,
            )
        } else {
            (1.0 - left, v - t * (1.0 - left))
        }
    }

    /// Pulses from the start to where a step is complete to a few hundredths.
    fn settled(&self) -> f64 {
        let constants = if self.soft { 5.0 } else { 3.5 };
        self.pulse + constants * self.constant
    }
}

/// The points that tell an edge's start, and the range of starts.
fn points(grid: &Grid, edge: &Edge) -> (Vec<Point>, f64, f64) {
    let [from, to] = edge.hidden;
    let reach = whole(1.5 * grid.pulse_points).max(3);
    let first = from
        .saturating_sub(2 * reach)
        .max(edge.glass.first().copied().unwrap_or(0));
    let stop = (to + reach).min(edge.glass.last().copied().unwrap_or(to));
    let point = |i: usize| {
        let km = grid.km(i);
        let before = edge.before.at(km);
        let relative = |level: f64| 10_f64.powf((level - before) / 5.0);
        let power = relative(*grid.levels.get(i)?);
        let noise = grid.sigma.get(i)? * grid.excess * std::f64::consts::LN_10 / 5.0;
        Some(Point {
            at: i as f64,
            power,
            after: relative(edge.after.at(km)),
            weight: (noise.max(1e-6) * power.max(0.1)).powi(-2),
        })
    };
    let mut points: Vec<Point> = (first..stop).filter_map(point).collect();
    let Some(rise) = edge.rise else {
        return (points, from as f64 - reach as f64, to as f64);
    };
    let top = points.iter().map(|point| point.power).fold(1.0, f64::max);
    let limit = 1.0 + 0.8 * (top - 1.0);
    let high = points.iter().position(|point| point.power > limit);
    points.truncate(high.unwrap_or(points.len()).max(4));
    for point in &mut points {
        let shape = SHAPE_ERROR * (point.power - 1.0);
        point.weight = 1.0 / (1.0 / point.weight + shape * shape);
    }
    let near = grid.pulse_points.max(2.0);
    (points, rise as f64 - near, rise as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_complete_where_it_says() {
        for response in &RESPONSES {
            let (step, _) = response.at(response.settled());
            assert!((0.95..=1.0).contains(&step), "{response:?} {step}");
            assert!(response.at(0.0).0.abs() < 1e-12);
            let (step, pulse) = response.at(120.0);
            assert!((step - 1.0).abs() < 1e-9 && pulse.abs() < 1e-9);
        }
    }

    #[test]
    fn a_reflection_is_the_slope_of_a_step() {
        for response in &RESPONSES {
            let (here, pulse) = response.at(0.31);
            let next = response.at(0.31 + 1e-6).0;
            let slope = (next - here) / 1e-6 * response.pulse;
            assert!((slope - pulse).abs() < 1e-3, "{response:?}");
        }
    }
}
