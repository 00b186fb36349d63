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
//! same one, so the response is learnt from all of them together, finer and finer as long as they
//! tell, and each event's start from its own edge under the responses that are likely. The spread
//! of that posterior is the interval.
//!
//! Where the trace shows that its pulse is no rectangle, the responses are those of round ones.

mod round;

pub(crate) use round::roundness;

use super::grid::{Fit, Grid};
use super::response::{RESPONSES, ROUND, Response, Sampling, Seen, one};
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
    /// The receiver's time constant in points.
    pub(crate) constant: f64,
    /// By what the best of all responses misses the edge, in squared deviations, and how many times what
    /// noise does that is.
    misfit: f64,
    excess: f64,
}

/// Weight of responses that the other events of the trace speak against: events may lie close.
const STRANGER: f64 = 1e-3;

/// Part of the pulse by which its unknown shape may shift a start, as one standard deviation;
/// where the samples follow the model to their noise, no more than so many deviations of it.
const PULSE_SHAPE: f64 = 0.018;
const UNSEEN: f64 = 1.0;

/// The same for a round pulse as a part of its deviation, for real ones are no Gaussians: of a step, and
/// of a reflection, whose flank does not tell whether its top is cut off. By trial, on drawn traces.
const ROUND_SHAPE: f64 = 0.25;
const ROUND_FLANK: f64 = 0.5;

/// What misses no more than so many times what noise does is a fit.
const GOOD_FIT: f64 = 1.5;

/// No event speaks louder than this against a response, in logarithms: it may be two events.
const MOST_EVIDENCE: f64 = 12.0;

/// Nobody knows how softly a round pulse begins: the model's shape is wrong by this share of a
/// reflection's top.
const TOE: f64 = 0.005;

/// Starts tried at first, this part of a pulse apart, and steps towards the best.
const COARSE: f64 = 0.25;
const STEPS: usize = 5;

/// A start less sure than this part of a pulse is the mean of all starts tried.
const UNSURE: f64 = 0.15;

/// A response that misses by so much more than the best one is not looked at again.
const HOPELESS: f64 = 60.0;

/// Rounds in which the receiver's constant is narrowed down, in steps of the first round, each
/// round so much finer, and what both neighbours must be less likely for a further round.
const ROUNDS: usize = 4;
const FIRST_STEP: f64 = 0.045;
const FINER: f64 = 3.5;
const TELLS: f64 = 0.7;

/// The model's shape is wrong by this share of a reflection.
const SHAPE_ERROR: f64 = 0.05;

/// Samples a point is taken to average, at the most.
const MOST_PARTS: usize = 4;

/// The start of each edge.
pub(crate) fn places(grid: &Grid, edges: &[Edge]) -> Vec<Place> {
    let offsets = offsets(grid);
    let sampling = sampling(grid, &offsets);
    let round = grid.round > 0.0;
    let toe = if round { TOE } else { 0.0 };
    let mut tries: Vec<Tries> = edges
        .iter()
        .map(|edge| Tries::of(grid, edge, toe))
        .collect();
    let mut nodes: Vec<Response> = Vec::new();
    if round {
        add(&mut tries, &mut nodes, &ROUND, sampling);
    } else {
        add(&mut tries, &mut nodes, &RESPONSES, sampling);
        narrow(&mut tries, &mut nodes, sampling);
    }
    let shared = shared(&tries, &nodes);
    let widths = widths(&nodes);
    let place = |tries: &Tries| tries.place(grid, &nodes, (&shared, &widths));
    tries.iter().map(place).collect()
}

/// Where the samples lie that a point averages, from its middle.
fn offsets(grid: &Grid) -> Vec<f64> {
    let parts = grid.group.clamp(1, MOST_PARTS);
    let offset = |k: usize| (k as f64 + 0.5) / parts as f64 - 0.5;
    (0..parts).map(offset).collect()
}

fn sampling<'a>(grid: &Grid, offsets: &'a [f64]) -> Sampling<'a> {
    Sampling {
        pulse: grid.pulse_points,
        fade: -grid.slope * grid.step_km * std::f64::consts::LN_10 / 5.0,
        offsets,
    }
}

/// Tries receivers of one pole near the most likely one, finer as long as the edges tell.
fn narrow(tries: &mut [Tries], nodes: &mut Vec<Response>, sampling: Sampling<'_>) {
    let mut step = FIRST_STEP;
    for _ in 0..ROUNDS {
        let family = family(tries, nodes);
        let best = best_of(&family).filter(|k| is_sharp(&family, nodes, *k, 2.5 * step));
        let Some(response) = best.and_then(|best| nodes.get(best)) else {
            break;
        };
        let response = *response;
        let near = [-2.0, -1.0, 1.0, 2.0].map(|k| one(response.constant * (k * step).exp()));
        add(tries, nodes, &near, sampling);
        step /= FINER;
    }
}

/// Tries further responses on every edge.
fn add(tries: &mut [Tries], nodes: &mut Vec<Response>, new: &[Response], sampling: Sampling<'_>) {
    for response in new {
        let seen = response.seen(sampling);
        let cut = response.cut_off().map(|cut| cut.seen(sampling));
        for one in tries.iter_mut() {
            let start = one.start(&seen, sampling.pulse);
            // A flank does not tell whether its top is cut off.
            let cut = cut.as_ref().filter(|_| one.reflects);
            let cut = cut.map(|cut| one.start(cut, sampling.pulse));
            let better = cut.filter(|cut| cut.misfit < start.misfit);
            one.starts.push(better.unwrap_or(start));
        }
        nodes.push(*response);
    }
}

/// Logarithm of how likely each response is by all edges together.
fn shared(tries: &[Tries], nodes: &[Response]) -> Vec<f64> {
    let mut shared: Vec<f64> = nodes.iter().map(Response::prior).collect();
    for one in tries {
        for (sum, evidence) in shared.iter_mut().zip(one.evidence()) {
            *sum += evidence.max(-MOST_EVIDENCE);
        }
    }
    shared
}

/// The same among responses of one pole alone, which differ by their constant; others are out of
/// the question.
fn family(tries: &[Tries], nodes: &[Response]) -> Vec<f64> {
    let mut sums: Vec<f64> = nodes
        .iter()
        .map(|node| {
            if node.has_one_pole() {
                node.prior()
            } else {
                f64::MIN
            }
        })
        .collect();
    for one in tries {
        let evidence = one.evidence();
        let own = evidence
            .iter()
            .zip(nodes)
            .filter(|(_, node)| node.has_one_pole());
        let best = own.map(|(evidence, _)| *evidence).fold(f64::MIN, f64::max);
        for (sum, evidence) in sums.iter_mut().zip(evidence) {
            *sum += (evidence - best).max(-MOST_EVIDENCE);
        }
    }
    sums
}

fn best_of(shared: &[f64]) -> Option<usize> {
    let all = shared.iter().enumerate();
    all.max_by(|a, b| a.1.total_cmp(b.1)).map(|(k, _)| k)
}

/// Whether responses about `reach` away from the best one are so much less likely that finer ones
/// say more.
fn is_sharp(shared: &[f64], nodes: &[Response], best: usize, reach: f64) -> bool {
    let (Some(top), Some(node)) = (shared.get(best), nodes.get(best)) else {
        return false;
    };
    let near = nodes.iter().zip(shared).filter(|(other, _)| {
        let off = (other.constant / node.constant).ln().abs();
        other.has_one_pole() && off > 1e-9 && off < 2.0 * reach
    });
    let least = near.map(|(_, log)| top - log).fold(f64::MIN, f64::max);
    least > TELLS || least <= f64::MIN
}

/// Logarithm of what part of all constants each response stands for: they lie unevenly.
fn widths(nodes: &[Response]) -> Vec<f64> {
    let mut constants: Vec<f64> = nodes
        .iter()
        .filter(|node| node.has_one_pole())
        .map(|node| node.constant.ln())
        .collect();
    constants.sort_by(f64::total_cmp);
    let width = |node: &Response| {
        if !node.has_one_pole() {
            return 0.0;
        }
        let own = node.constant.ln();
        let behind = constants.partition_point(|other| *other <= own + 1e-12);
        let before = constants.partition_point(|other| *other < own - 1e-12);
        let low = before.checked_sub(1).and_then(|k| constants.get(k));
        let high = constants.get(behind);
        let half = |other: Option<&f64>| other.map_or(0.3, |other| (other - own).abs());
        // In units of what lies between the responses tried at first.
        (0.5 * (half(low) + half(high)) / 0.2).ln()
    };
    nodes.iter().map(width).collect()
}

/// The points near an edge in linear power relative to the glass before, and what each response
/// says about them.
struct Tries {
    points: Vec<Point>,
    /// Index of the first point on the grid.
    first: f64,
    /// What the points before each miss a level line by.
    before: Vec<f64>,
    reflects: bool,
    /// Between which places the start lies.
    range: [f64; 2],
    starts: Vec<Start>,
}

/// One point near an edge.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// Power over that of the glass before.
    over: f64,
    /// The same of the glass behind.
    after: f64,
    /// One over the variance of the power.
    weight: f64,
}

/// The best start under one response.
#[derive(Clone, Copy, Debug)]
struct Start {
    at: f64,
    sigma: f64,
    misfit: f64,
}

impl Tries {
    /// With the points near an edge; the shape errs by a share of the top, `toe`, beside what is usual.
    fn of(grid: &Grid, edge: &Edge, toe: f64) -> Self {
        let (first, points, range) = points(grid, edge, toe);
        let mut sum = 0.0;
        let mut before = vec![0.0];
        for point in &points {
            sum += point.weight * point.over * point.over;
            before.push(sum);
        }
        Self {
            points,
            first: first as f64,
            before,
            reflects: edge.rise.is_some(),
            range,
            starts: Vec::new(),
        }
    }

    /// How badly a start under a response misses the points, the reflection's height free.
    fn misfit(&self, seen: &Seen, start: f64) -> f64 {
        let skip = whole((start - seen.reach() - self.first).ceil()).min(self.points.len());
        let mut yy = self.before.get(skip).copied().unwrap_or(0.0);
        let (mut yr, mut rr) = (0.0, 0.0);
        let mut rest = self.points.iter().skip(skip);
        let Some(mut point) = rest.next() else {
            return yy;
        };
        seen.from(self.first + skip as f64 - start, |step, rise| {
            let off = point.over - point.after * step;
            yy += point.weight * off * off;
            yr += point.weight * off * rise;
            rr += point.weight * rise * rise;
            rest.next().map(|next| point = next).is_some()
        });
        if self.reflects && yr > 0.0 && rr > 0.0 {
            yy -= yr * yr / rr;
        }
        yy
    }

    /// The best start under a response: coarse steps, then parabolas.
    fn start(&self, seen: &Seen, pulse: f64) -> Start {
        let [low, high] = self.range;
        // What is seen first of a reflection lies where its light begins.
        let high = if self.reflects {
            high + seen.begins()
        } else {
            high
        };
        let count = whole(((high - low) / (COARSE * pulse)).ceil()).max(4);
        let step = (high - low) / count as f64;
        let tried: Vec<(f64, f64)> = (0..=count)
            .map(|k| low + step * k as f64)
            .map(|at| (at, self.misfit(seen, at)))
            .collect();
        let best = tried.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (at, misfit) = best.copied().unwrap_or((low, f64::MAX));
        let rough = moments(&tried, misfit, step);
        let known = self.starts.iter().map(|start| start.misfit);
        let least = known.fold(f64::MAX, f64::min);
        let hopeless = 3.0 * least.max(self.points.len() as f64) + HOPELESS;
        // A coarse step may miss the best by much where noise is low.
        if misfit > 50.0 * hopeless {
            return Start { misfit, ..rough };
        }
        let fine = self.refined(seen, (at, misfit), step);
        let fine = Start {
            at: fine.at.clamp(low, high),
            ..fine
        };
        if fine.sigma > UNSURE * pulse {
            return Start {
                misfit: fine.misfit,
                ..rough
            };
        }
        fine
    }

    /// The bottom of the misfit near a start, and how sharp it is.
    fn refined(&self, seen: &Seen, (at, misfit): (f64, f64), step: f64) -> Start {
        let (mut at, mut misfit, mut reach) = (at, misfit, 0.5 * step);
        let mut bend = 0.0;
        for _ in 0..STEPS {
            let (left, right) = (self.misfit(seen, at - reach), self.misfit(seen, at + reach));
            bend = ((left + right - 2.0 * misfit) / (reach * reach)).max(0.0);
            let slope = (right - left) / (2.0 * reach);
            let by = if bend > 0.0 {
                (-slope / bend).clamp(-2.0 * reach, 2.0 * reach)
            } else {
                0.0
            };
            let there = self.misfit(seen, at + by);
            let options = [(at - reach, left), (at + reach, right), (at + by, there)];
            let lowest = options.iter().min_by(|a, b| a.1.total_cmp(&b.1));
            let gain = lowest.map_or(0.0, |lowest| misfit - lowest.1);
            if let Some(&(place, lower)) = lowest.filter(|lowest| lowest.1 < misfit) {
                (at, misfit) = (place, lower);
            }
            // As far as noise lets the bottom lie, or as it has just moved.
            let sigma = (2.0 / bend.max(1e-12)).sqrt();
            let settled = gain < 0.01 && reach < 1.5 * sigma;
            reach = (0.35 * reach).max(0.7 * sigma.min(reach));
            if settled {
                break;
            }
        }
        let sigma = (2.0 / bend.max(1e-12)).sqrt();
        Start { at, sigma, misfit }
    }

    fn excess(&self) -> f64 {
        self.over_noise(self.least())
    }

    /// By how many times what noise does a misfit misses the points.
    fn over_noise(&self, misfit: f64) -> f64 {
        let freedom = (self.points.len() as f64 - 4.0).max(1.0);
        // A model that misses more than noise does makes everything less sure.
        (misfit / freedom).max(1.0)
    }

    /// What the best response misses the points by.
    fn least(&self) -> f64 {
        let each = self.starts.iter().map(|start| start.misfit);
        each.fold(f64::MAX, f64::min)
    }

    /// Logarithm of each response's likelihood, averaged over starts.
    fn evidence(&self) -> Vec<f64> {
        let least = self.starts.iter().map(|start| start.misfit);
        let (least, excess) = (least.fold(f64::MAX, f64::min), self.excess());
        let log = |start: &Start| {
            -0.5 * (start.misfit - least) / excess + (start.sigma * excess.sqrt()).max(1e-9).ln()
        };
        let all: Vec<f64> = self.starts.iter().map(log).collect();
        let best = all.iter().copied().fold(f64::MIN, f64::max);
        all.into_iter().map(|log| log - best).collect()
    }

    /// The start under all responses, weighed by what the other edges say of each.
    fn place(&self, grid: &Grid, nodes: &[Response], (shared, widths): (&[f64], &[f64])) -> Place {
        let evidence = self.evidence();
        let others: Vec<f64> = shared
            .iter()
            .zip(&evidence)
            .map(|(sum, own)| sum - own.max(-MOST_EVIDENCE))
            .collect();
        let best = others.iter().copied().fold(f64::MIN, f64::max);
        let excess = self.excess();
        let (mut sum, mut at, mut square, mut own) = (0.0, 0.0, 0.0, 0.0);
        let (mut settled, mut constant) = (0.0, 0.0);
        let each = others.iter().zip(&evidence).zip(widths).zip(&self.starts);
        for ((((other, evidence), width), start), node) in each.zip(nodes) {
            let weight = ((other - best).exp() + STRANGER) * (evidence + width).exp();
            let variance = start.sigma * start.sigma * excess;
            sum += weight;
            at += weight * start.at;
            square += weight * (start.at * start.at + variance);
            own += weight * variance;
            settled += weight * node.settled();
            constant += weight * node.constant;
        }
        let at = at / sum;
        let sigma = (square / sum - at * at).max(own / sum).max(0.0).sqrt();
        let softly = if self.reflects {
            ROUND_FLANK
        } else {
            ROUND_SHAPE
        };
        let shape = (PULSE_SHAPE + softly * grid.round) * grid.pulse_points;
        // How a round pulse begins no fit tells: its start goes with it.
        let shape = if excess < GOOD_FIT && grid.round <= 0.0 {
            shape.min(UNSEEN * sigma)
        } else {
            shape
        };
        Place {
            at,
            sigma: sigma.hypot(shape),
            settled: settled / sum * grid.pulse_points,
            constant: constant / sum * grid.pulse_points,
            misfit: self.least(),
            excess,
        }
    }
}

/// Mean and deviation of the start over those tried.
fn moments(tried: &[(f64, f64)], least: f64, step: f64) -> Start {
    let (mut sum, mut at, mut square) = (0.0, 0.0, 0.0);
    let origin = tried.first().map_or(0.0, |pair| pair.0);
    for (start, misfit) in tried {
        let weight = (-0.5 * (misfit - least)).exp();
        let start = start - origin;
        sum += weight;
        at += weight * start;
        square += weight * start * start;
    }
    let at = at / sum;
    let variance = (square / sum - at * at).max(0.0) + step * step / 12.0;
    Start {
        at: origin + at,
        sigma: variance.sqrt(),
        misfit: least,
    }
}

/// The points that tell an edge's start, the index of the first, and the range of starts.
fn points(grid: &Grid, edge: &Edge, toe: f64) -> (usize, Vec<Point>, [f64; 2]) {
    let [from, to] = edge.hidden;
    let reach = whole(1.5 * grid.pulse_points).max(3);
    let [glass, behind] = edge.glass;
    let first = from.saturating_sub(2 * reach).max(glass);
    let stop = (to + reach).min(behind);
    let point = |i: usize| {
        let km = grid.km(i);
        let before = edge.before.lit(km);
        let over = |level: f64| (level * std::f64::consts::LN_10 / 5.0).exp_m1();
        let power = over(grid.levels.get(i)? - before);
        let noise = grid.wide.get(i)? * std::f64::consts::LN_10 / 5.0;
        Some(Point {
            over: power,
            after: over(edge.after.at(km) - before),
            weight: (noise.max(1e-6) * (1.0 + power).max(0.1)).powi(-2),
        })
    };
    let mut points: Vec<Point> = (first..stop).map_while(point).collect();
    let Some(rise) = edge.rise else {
        return (first, points, [from as f64 - reach as f64, to as f64]);
    };
    let top = points.iter().map(|point| point.over).fold(0.0, f64::max);
    let high = points.iter().position(|point| point.over > 0.8 * top);
    points.truncate(high.unwrap_or(points.len()).max(4));
    for point in &mut points {
        let shape = (SHAPE_ERROR * point.over).hypot(toe * top);
        point.weight = 1.0 / (1.0 / point.weight + shape * shape);
    }
    let near = grid.pulse_points.max(2.0);
    (first, points, [rise as f64 - near, rise as f64 + 1.0])
}
