//! Where a fibre's light stops or a peak begins, to a fraction of the pulse, with how sure.
//!
//! Behind the end of a fibre the backscatter falls along the pulse: in linear power, relative to
//! the line before, `1 - u/L` for the distance `u` past the edge and the pulse's length `L`; a
//! reflection adds a constant over the same stretch. The receiver smooths both with a time
//! constant nobody states. A closure shortly before the end takes light with it, and its ramp
//! runs into the end's. So the model is
//!
//! ```text
//! q(z) = C · fall(z - x; T)  [+ A · rise(z - x; T)]  [+ D · fall(z - c; T)]
//!        the end               its reflection          a closure at c before it
//! ```
//!
//! with `C`, `A`, `D` linear and `x`, `T`, `c` on grids that close in on what is likely. Every
//! combination of the bracketed parts is an explanation with its own evidence; where two compete,
//! the place is their mixture and the interval says so. Where even the best explanation misses by
//! more than noise, everything is less sure by as much.

mod attempt;
mod axis;
mod belief;
mod bottom;
mod column;
mod shape;
mod whiten;

use attempt::tries;
use axis::{Axis, PLACES, REACH, Start, around, axes, beside};
use belief::Belief;
use column::Data;
pub(crate) use shape::{Curve, Shape};
pub(crate) use whiten::Noise;

/// Passes at the most, each around the one before.
const PASSES: usize = 13;

/// Where a plainer explanation misses no more than this, in units of noise, a richer one is looked
/// for beside it alone.
const WELL: f64 = 1.25;

/// An explanation with a reflection leaves no more than the same without, but for this, and one without
/// hardly so much more as this, in units of what noise leaves, unless it was looked for elsewhere.
const RICHER: f64 = 2.0;
const PLAINER: f64 = 25.0;

/// Of the valleys that the first pass sees so many are followed to the bottom.
const VALLEYS: usize = 3;

/// A pass that lowers the misfit by more than this share is not the last.
const FALLS: f64 = 0.05;

/// After so many passes an explanation that misses so much more than noise does is given up.
const TRIAL: usize = 4;
const ABSURD: f64 = 60.0;

/// Time constants that occur, in pulse lengths, and the usual one: the bandwidth of a receiver is
/// mostly 0.35 to 0.5 over the pulse width.
const CONSTANT_RANGE: [f64; 2] = [0.01, 2.5];
const USUAL_CONSTANT: f64 = 0.38;

/// A closure may lie this many pulses before the end.
const CLOSURE_REACH: f64 = 4.5;
/// Nearer it is one with the end, in pulses.
const CLOSURE_GAP: f64 = 0.2;

/// A slope of the light before the edge differs this much from the line's, a pulse.
const TILT: f64 = 0.003;

/// Time constants by which a receiver delays an edge.
const LAG: f64 = 0.8;

/// Points before which the fit thins its input.
const MOST_POINTS: usize = 100;

/// The share of what is believed that an interval holds, and its half in deviations if normal.
const INSIDE: f64 = 0.95;
const INTERVAL: f64 = 1.96;

/// An explanation this much less likely than the best is not looked into further.
const HOPELESS: f64 = 12.0;

/// One sample around the edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Metres, from any zero.
    pub(crate) at: f64,
    /// Linear power relative to the line before the edge.
    pub(crate) power: f64,
}

/// What the fit found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    /// Where the edge is, on the points' axis.
    pub(crate) at: f64,
    /// Standard deviation of that.
    pub(crate) sigma: f64,
    /// Height of the reflection over the backscatter, in linear power; 0 for none.
    pub(crate) height: f64,
    /// Standard deviation of the height.
    pub(crate) height_sigma: f64,
    /// How much the best explanation misses, in units of what noise does: about 1 or below.
    pub(crate) misfit: f64,
    /// Logarithm of how probable the points are.
    pub(crate) evidence: f64,
}

/// What is known before the fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guess {
    /// Between which places the edge lies.
    pub(crate) between: [f64; 2],
    /// Length of the pulse on the trace.
    pub(crate) pulse: f64,
    /// Length over which a filter of the instrument averages what it delivers; 0 for none.
    pub(crate) filter: f64,
    /// Noise of a point.
    pub(crate) noise: Noise,
    /// Where the receiver's noise is what it is told to be: over a line that falls it grows.
    pub(crate) noise_at: f64,
    /// What is left of light that lingered behind the edge and was taken off.
    pub(crate) lingers: Option<Lingers>,
    /// By how much the light of the line falls a metre, both ways, as a natural logarithm.
    pub(crate) fade: f64,
    /// How sure the slope of the line is: a standard deviation, as a share of the light, a pulse.
    pub(crate) slope_sigma: f64,
    /// Height of the faintest reflection that occurs, over the backscatter.
    pub(crate) faintest: f64,
    /// The receiver's constant in pulses, where other events tell it: its logarithm and deviation.
    pub(crate) constant: Option<[f64; 2]>,
    /// Error of the model's shape, as a share of how far the light is from the line.
    pub(crate) shape_error: f64,
}

/// Light of reflections long before the edge that dies away and does not stop there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lingers {
    /// How much of it may be left, a standard deviation, relative to the light of the line where
    /// its noise is told.
    pub(crate) sigma: f64,
    /// The same with what the error of its rate makes of it a metre farther on.
    pub(crate) rate_sigma: f64,
    /// How fast it dies away a metre, over what the line falls.
    pub(crate) rate: f64,
}

/// Fits the edge; none for fewer than five points.
pub(crate) fn fit(points: &[Point], guess: &Guess) -> Option<Edge> {
    if points.len() < 5 {
        return None;
    }
    let group = points.len().div_ceil(MOST_POINTS);
    let fine = points.get(1)?.at - points.first()?.at;
    let offsets: Vec<f64> = (0..group)
        .map(|k| (k as f64 - (group as f64 - 1.0) / 2.0) * fine)
        .collect();
    let data = Data::of(&thinned(points, group), guess, offsets)?;
    let explanations = [(false, false), (true, false), (false, true), (true, true)];
    let mut found: Vec<Explored> = Vec::new();
    for (reflects, closure) in explanations {
        // A closure comes on top of what explains best without one.
        let best = found
            .iter()
            .map(|e| e.log_evidence)
            .fold(f64::MIN, f64::max);
        let simple = found.iter().find(|e| e.reflects == reflects && !e.closure);
        if closure && simple.is_some_and(|e| e.log_evidence < best - HOPELESS) {
            continue;
        }
        let plainer = if closure { simple } else { found.first() };
        let axes = axes(guess, closure);
        let axes = match plainer.filter(|e| e.misfit < WELL * data.count() as f64) {
            Some(plainer) => Start::Beside(beside(axes, plainer, guess.pulse)),
            None => Start::Open(axes),
        };
        found.extend(explore(&data, guess, [reflects, closure], axes));
    }
    mended(&data, guess, &mut found);
    mixture(&found, data.count())
}

/// An explanation that leaves much more than the same with a reflection, or without, was looked for in
/// the wrong valley: again around the other one.
fn mended(data: &Data, guess: &Guess, found: &mut [Explored]) {
    let least = found.iter().map(|e| e.misfit).fold(f64::MAX, f64::min);
    let unit = excess(least, data.count());
    for k in 0..found.len() {
        let again = found.get(k).and_then(|own| {
            let twin = |e: &&Explored| e.closure == own.closure && e.reflects != own.reflects;
            let margin = if own.reflects { RICHER } else { PLAINER };
            let other = found.iter().find(twin)?;
            if own.misfit < other.misfit + margin * unit {
                return None;
            }
            let axes = around(guess, &other.spread, own.closure);
            let again = explore(data, guess, [own.reflects, own.closure], Start::Open(axes));
            again.filter(|again| again.misfit < own.misfit)
        });
        if let (Some(again), Some(own)) = (again, found.get_mut(k)) {
            *own = again;
        }
    }
}

/// The place over all explanations by their weights.
fn mixture(found: &[Explored], count: usize) -> Option<Edge> {
    let least = found.iter().map(|e| e.misfit).fold(f64::MAX, f64::min);
    let excess = excess(least, count);
    // Evidence in units of what the best explanation leaves.
    let log = |e: &Explored| -0.5 * e.misfit / excess + e.log_volume;
    let best = found.iter().max_by(|a, b| log(a).total_cmp(&log(b)))?;
    let weight = |e: &Explored| (log(e) - log(best)).exp();
    let total: f64 = found.iter().map(weight).sum();
    let beliefs = found.iter().map(|e| (weight(e), &e.belief));
    let [low, high] = Belief::of_all(beliefs).within(INSIDE);
    Some(Edge {
        at: f64::midpoint(low, high),
        sigma: (high - low) / 2.0 / INTERVAL,
        evidence: log(best) + total.ln(),
        height: best.height,
        height_sigma: best.height_sigma * excess.sqrt(),
        misfit: least / (count as f64 - 4.0).max(1.0),
    })
}

/// By how much the best explanation misses more than noise does; more points, less luck.
fn excess(misfit: f64, count: usize) -> f64 {
    let freedom = (count as f64 - 4.0).max(1.0);
    (misfit / freedom).max(1.0)
}

/// Averages of `group` neighbours each.
fn thinned(points: &[Point], group: usize) -> Vec<Point> {
    let mean = |chunk: &[Point]| {
        let count = chunk.len() as f64;
        let sum = |f: fn(&Point) -> f64| chunk.iter().map(f).sum::<f64>();
        Point {
            at: sum(|p| p.at) / count,
            power: sum(|p| p.power) / count,
        }
    };
    points.chunks_exact(group.max(1)).map(mean).collect()
}

/// One combination of place, time constant and closure. Places are tried by where the receiver
/// shows them, `LAG` time constants later: that hardly depends on the constant.
#[derive(Clone, Copy, Debug)]
struct Try {
    at: f64,
    shown_at: f64,
    log_constant: f64,
    closure_at: f64,
    misfit: f64,
    /// Logarithm of what the linear parts' freedom and all priors count.
    log_prior: f64,
    height: f64,
    height_sigma: f64,
}

/// What one explanation comes to.
#[derive(Clone, Debug)]
struct Explored {
    reflects: bool,
    closure: bool,
    misfit: f64,
    /// Logarithm of how much of the prior explains as well as the best does.
    log_volume: f64,
    log_evidence: f64,
    height: f64,
    height_sigma: f64,
    spread: Spread,
    /// Where it has the edge.
    belief: Belief,
}

/// Closes in on what one explanation finds likely.
fn explore(data: &Data, guess: &Guess, parts: [bool; 2], start: Start) -> Option<Explored> {
    let ([mut places, mut constants, mut closures], open) = match start {
        Start::Open(axes) => (axes, true),
        Start::Beside(axes) => (axes, false),
    };
    let mut found: Option<Explored> = None;
    for pass in 0..PASSES {
        let tries = tries(data, guess, parts, [places, constants, closures]);
        let volume = [places.step(), constants.step() * closures.step()];
        let Some(explored) = weigh(&tries, data, parts, volume) else {
            break;
        };
        let (misfit, spread) = (explored.misfit, explored.spread);
        let before = found.replace(explored).map(|before| before.misfit);
        // While the misfit falls, deviations are those of an explanation that is not found yet.
        let much = FALLS * misfit.max(data.count() as f64);
        let falls = before.is_some_and(|before| before - misfit > much);
        if open && pass == 0 {
            let axes = [places, constants, closures];
            if let Some((misfit, axes)) = near(data, guess, (parts, &tries), axes) {
                [places, constants, closures] = axes;
                found = found.map(|found| Explored { misfit, ..found });
                continue;
            }
        }
        let (next_places, a) = places.closer(spread.shown, spread.shown_sigma);
        let (next_constants, b) = constants.closer(spread.constant, spread.constant_sigma);
        let (next_closures, c) = closures.closer(spread.closure, spread.closure_sigma);
        let absurd = misfit > ABSURD * data.count() as f64;
        if (a && b && c && !falls && pass > 0) || (pass >= TRIAL && absurd) {
            break;
        }
        (places, constants, closures) = (next_places, next_constants, next_closures);
    }
    found
}

/// The axes around the best explanation near the likeliest tries, if it is a bowl there, with its
/// misfit.
fn near(
    data: &Data,
    guess: &Guess,
    (parts, tried): ([bool; 2], &[Try]),
    axes: [Axis; 3],
) -> Option<(f64, [Axis; 3])> {
    let cost = |t: &Try| t.misfit - 2.0 * t.log_prior;
    let steps = axes.map(|axis| {
        if axis.count < 2 {
            0.0
        } else {
            axis.step() / 2.0
        }
    });
    let [places, constants, closures] = axes;
    let inside = |value: f64, axis: Axis| {
        axis.count < 2 || (axis.low - axis.step()..=axis.high + axis.step()).contains(&value)
    };
    let at = |[place, log_constant, closure]: [f64; 3]| {
        let known = constants.low <= log_constant && log_constant <= constants.high;
        if !(known && inside(place, places) && inside(closure, closures)) {
            return f64::INFINITY;
        }
        let one = [place, log_constant, closure].map(Axis::at);
        let tries = tries(data, guess, parts, one);
        tries.first().map_or(f64::INFINITY, cost)
    };
    let start = |t: &Try| [t.shown_at, t.log_constant, t.closure_at];
    let starts = valleys(tried, cost).into_iter().map(start);
    let bottoms = starts.filter_map(|start| bottom::bottom(start, steps, at));
    let ends = bottoms.filter_map(|bottom| {
        let one = tries(data, guess, parts, bottom.at.map(Axis::at));
        Some((bottom, *one.first()?))
    });
    let (bottom, least) = ends.min_by(|a, b| cost(&a.1).total_cmp(&cost(&b.1)))?;
    let excess = excess(least.misfit, data.count()).sqrt();
    let around = |k: usize| {
        let (axis, middle, sigma) = (
            axes.get(k)?,
            bottom.at.get(k)?,
            excess * bottom.sigmas.get(k)?,
        );
        Some(if axis.count < 2 {
            *axis
        } else {
            Axis {
                low: (middle - REACH * sigma).max(axis.low - axis.step()),
                high: (middle + REACH * sigma).min(axis.high + axis.step()),
                count: axis.count.min(PLACES),
            }
        })
    };
    Some((least.misfit, [around(0)?, around(1)?, around(2)?]))
}

/// The best tries of places that explain better than those beside them, the best first.
fn valleys(tried: &[Try], cost: impl Fn(&Try) -> f64) -> Vec<&Try> {
    let mut places: Vec<&Try> = Vec::new();
    let mut order: Vec<&Try> = tried.iter().collect();
    order.sort_by(|a, b| {
        a.shown_at
            .total_cmp(&b.shown_at)
            .then(cost(a).total_cmp(&cost(b)))
    });
    for one in order {
        if places
            .last()
            .is_none_or(|last| one.shown_at > last.shown_at + 1e-9)
        {
            places.push(one);
        }
    }
    let higher = |k: Option<usize>, own: f64| {
        k.and_then(|k| places.get(k))
            .is_none_or(|other| cost(other) >= own)
    };
    let low = places
        .iter()
        .enumerate()
        .filter(|(k, one)| higher(k.checked_sub(1), cost(one)) && higher(Some(k + 1), cost(one)));
    let mut low: Vec<&Try> = low.map(|(_, one)| *one).collect();
    low.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    low.truncate(VALLEYS);
    low
}

/// Middle and spread of the axes.
#[derive(Clone, Copy, Debug)]
struct Spread {
    shown: f64,
    shown_sigma: f64,
    constant: f64,
    constant_sigma: f64,
    closure: f64,
    closure_sigma: f64,
}

/// Sums the tries up by their weights.
fn weigh(
    tries: &[Try],
    data: &Data,
    [reflects, closure]: [bool; 2],
    [place, volume]: [f64; 2],
) -> Option<Explored> {
    let least = tries.iter().map(|t| t.misfit).fold(f64::MAX, f64::min);
    let excess = excess(least, data.count());
    let log = |t: &Try| -0.5 * (t.misfit - least) / excess + t.log_prior;
    let likely = tries.iter().max_by(|a, b| log(a).total_cmp(&log(b)))?;
    let top = log(likely);
    let weights: Vec<f64> = tries.iter().map(|t| (log(t) - top).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mean = |f: &dyn Fn(&Try) -> f64| {
        let terms = tries.iter().zip(&weights);
        terms.map(|(t, weight)| weight * f(t)).sum::<f64>() / total
    };
    let moments = |f: &dyn Fn(&Try) -> f64| {
        let middle = mean(f);
        (middle, mean(&|t| (f(t) - middle).powi(2)).max(0.0).sqrt())
    };
    if !(top.is_finite() && place * volume > 0.0) {
        return None;
    }
    let (shown, shown_sigma) = moments(&|t| t.shown_at);
    let (constant, constant_sigma) = moments(&|t| t.log_constant);
    let (closure_mean, closure_sigma) = moments(&|t| t.closure_at);
    let log_volume = top + total.ln() + (place * volume).ln();
    let believed = tries
        .iter()
        .zip(&weights)
        .map(|(t, weight)| (t.at, weight / total));
    let spread = Spread {
        shown,
        shown_sigma,
        constant,
        constant_sigma,
        closure: closure_mean,
        closure_sigma,
    };
    Some(Explored {
        reflects,
        closure,
        misfit: least,
        log_volume,
        log_evidence: log_volume - 0.5 * least / excess,
        height: likely.height,
        height_sigma: likely.height_sigma,
        spread,
        belief: Belief::new(believed, place),
    })
}

#[cfg(test)]
mod tests;
