//! Which event is which landmark: all ways to pair them in order, weighed against one another.
//!
//! The glass between two neighbours is what the plant knows well, so a pair is judged by its
//! distance from the pair before it. A landmark without an event and an event without a landmark
//! each have a price. Summing over all ways gives the probability of each single pair.
//!
//! ```text
//! node ─▶ (landmark 1, event 1) ─▶ (landmark 3, event 2) ─▶ … ─▶ end
//!           landmark 2 skipped: it shows nothing
//! ```

use super::expect::Plan;
use super::places::Sighted;

/// How often a joint shows in a trace at all; splices below the noise do not.
const SHOWS: f64 = 0.8;
/// How often something that is no joint does: a coil that is bent, a connector nobody wrote down.
const SHOWS_BY_CHANCE: f64 = 0.02;
/// Events that nobody expected, per metre: bends, repairs, splices that were not written down.
pub(super) const EXTRA_PER_M: f64 = 5e-5;
/// A landmark's place is plainly wrong this often, and then by about so much, in metres (1 %, 110 m:
/// the same assumption as in the chain of landmarks).
const WRONG: (f64, f64) = (0.01, 110.0);
/// A pair this far from where the plant says is never looked at, in standard deviations.
const FARTHEST: f64 = 6.0;

/// The probability of each pair that is more likely than not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pairing {
    pairs: Vec<Link>,
    /// What all ways to pair are worth together, against leaving everything unpaired: a logarithm.
    pub(super) weight: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Link {
    landmark: usize,
    event: usize,
    probability: f64,
}

impl Pairing {
    /// The landmark that an event is, and how sure that is.
    pub(super) fn landmark_of(&self, event: usize) -> Option<(usize, f64)> {
        let link = self.pairs.iter().find(|link| link.event == event)?;
        Some((link.landmark, link.probability))
    }

    /// The landmarks that are in a pair.
    pub(super) fn landmarks(&self) -> impl Iterator<Item = usize> {
        self.pairs.iter().map(|link| link.landmark)
    }

    /// The event that a landmark shows as, and how sure that is.
    pub(super) fn event_of(&self, landmark: usize) -> Option<(usize, f64)> {
        let link = self.pairs.iter().find(|link| link.landmark == landmark)?;
        Some((link.event, link.probability))
    }
}

/// Pairs landmarks and events, both in order of the glass.
pub(super) fn pair(plan: &Plan, events: &[Sighted]) -> Pairing {
    let states = states(plan, events);
    let links = Weights {
        plan,
        events,
        states: &states,
    };
    let (forward, backward) = (links.forward(), links.backward());
    // Nothing paired at all has weight one.
    let ways = forward.iter().zip(&backward).map(|(f, b)| f + b);
    let nothing = links.last(None);
    let through: Vec<f64> = ways.collect();
    let ends = forward
        .iter()
        .zip(&states)
        .map(|(f, s)| f + links.last(Some(*s)));
    let total = sum_of_logs(ends.chain([nothing]));
    let likely = states.iter().zip(through).filter_map(|(state, weight)| {
        let probability = (weight - total).exp().min(1.0);
        // More likely than not: so each landmark and each event is in one pair at most, and no two
        // pairs cross.
        (probability > 0.5).then_some(Link {
            landmark: state.0,
            event: state.1,
            probability,
        })
    });
    Pairing {
        pairs: likely.collect(),
        weight: total,
    }
}

/// What it is worth that a landmark shows and does not stay hidden, as a logarithm.
pub(super) fn price_of_showing(joined: bool) -> f64 {
    let shows: f64 = if joined { SHOWS } else { SHOWS_BY_CHANCE };
    (shows / (1.0 - shows)).ln()
}

/// A landmark and the event that it may be.
type State = (usize, usize);

/// All pairs that are possible at all, by event, then by landmark.
fn states(plan: &Plan, events: &[Sighted]) -> Vec<State> {
    let mut states = Vec::new();
    for (k, event) in events.iter().enumerate() {
        for (i, expected) in plan.expected.iter().enumerate() {
            let sd = plan.variance(None, Some(i)).sqrt().hypot(event.sd);
            if (event.at - expected.at).abs() < FARTHEST * sd + 2.0 * WRONG.1 {
                states.push((i, k));
            }
        }
    }
    states
}

/// The weights of all ways through the states, as logarithms.
struct Weights<'a> {
    plan: &'a Plan,
    events: &'a [Sighted],
    states: &'a [State],
}

impl Weights<'_> {
    /// Of all ways from the node to each state, that state's own weight included.
    fn forward(&self) -> Vec<f64> {
        let mut weights: Vec<f64> = Vec::with_capacity(self.states.len());
        for &state in self.states {
            let before = self.states.iter().zip(&weights);
            let before = before.filter(|(other, _)| precedes(**other, state));
            let ways = before.map(|(other, weight)| weight + self.step(Some(*other), state));
            weights.push(sum_of_logs(ways.chain([self.step(None, state)])));
        }
        weights
    }

    /// Of all ways from each state to the end.
    fn backward(&self) -> Vec<f64> {
        let mut weights: Vec<f64> = Vec::with_capacity(self.states.len());
        for &state in self.states.iter().rev() {
            let after = self.states.iter().rev().zip(&weights);
            let after = after.filter(|(other, _)| precedes(state, **other));
            let ways = after.map(|(other, weight)| weight + self.step(Some(state), *other));
            weights.push(sum_of_logs(ways.chain([self.last(Some(state))])));
        }
        weights.reverse();
        weights
    }

    /// What pairing `state` next after `from` is worth, against leaving both unpaired.
    fn step(&self, from: Option<State>, state: State) -> f64 {
        let (i, _) = state;
        let joined = self.plan.expected.get(i).is_some_and(|it| it.joined);
        let price = price_of_showing(joined) - EXTRA_PER_M.ln();
        let (off, variance) = self.off(from, state);
        let (wrong, far) = WRONG;
        let right = (1.0 - wrong).ln() + log_normal(off, variance);
        let mistaken = wrong.ln() + log_normal(off, variance + far * far);
        price + sum_of_logs([right, mistaken].into_iter())
    }

    /// How far a pair is from where the one before it says, and the variance of that.
    fn off(&self, from: Option<State>, (i, k): State) -> (f64, f64) {
        let landmark = |i: usize| self.plan.expected.get(i).map_or(0.0, |it| it.at);
        let event = |k: usize| self.events.get(k).map_or((0.0, 1.0), |it| (it.at, it.sd));
        let ((at, sd), wanted) = (event(k), landmark(i));
        let (before, known) = from.map_or(((0.0, 0.0), 0.0), |(i, k)| (event(k), landmark(i)));
        let off = (at - before.0) - (wanted - known);
        let variance = self.plan.variance(from.map(|(i, _)| i), Some(i));
        (off, variance + sd * sd + before.1 * before.1)
    }

    /// What the fibre's end says of the last pair.
    fn last(&self, state: Option<State>) -> f64 {
        let Some(end) = self.plan.end else {
            return 0.0;
        };
        let (seen, sd, wanted) = state.map_or((0.0, 0.0, 0.0), |(i, k)| {
            let event = self.events.get(k).map_or((0.0, 1.0), |it| (it.at, it.sd));
            (
                event.0,
                event.1,
                self.plan.expected.get(i).map_or(0.0, |it| it.at),
            )
        });
        let off = (end.seen - seen) - (end.at - wanted);
        let behind = self.plan.expected.len();
        let variance = self.plan.variance(state.map(|(i, _)| i), Some(behind));
        log_normal(off, variance + sd * sd + end.sd * end.sd)
    }
}

const fn precedes(one: State, other: State) -> bool {
    one.0 < other.0 && one.1 < other.1
}

/// The logarithm of a normal density.
fn log_normal(off: f64, variance: f64) -> f64 {
    -0.5 * (off * off / variance + (core::f64::consts::TAU * variance).ln())
}

/// The logarithm of a sum of numbers given by their logarithms.
fn sum_of_logs(logs: impl Iterator<Item = f64>) -> f64 {
    // Kept in one pass: the largest so far, and the sum relative to it.
    let (largest, sum) = logs.fold((f64::NEG_INFINITY, 0.0), |(largest, sum), log| {
        if log <= largest {
            (largest, sum + (log - largest).exp())
        } else if largest.is_finite() {
            (log, sum * (largest - log).exp() + 1.0)
        } else {
            (log, 1.0)
        }
    });
    if sum > 0.0 {
        largest + sum.ln()
    } else {
        largest
    }
}
