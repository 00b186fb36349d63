//! Whether shots show this view at all, or another fibre, or this one from its other end.
//!
//! A few events of any fibre lie near closures of any other: each such pair by itself looks certain.
//! So all of them together are weighed against unrelated events as many as there are, and against
//! the same events counted from the end that was seen. What does not fit as a whole names nothing.

use super::expect::Plan;
use super::pair::{self, EXTRA_PER_M, Pairing};
use super::places::Sighted;

/// Ends of fibres that have nothing to do with the view, per metre.
const ENDS_PER_M: f64 = 1e-5;

/// An end elsewhere is a break, and this often in shots of the right fibre.
const BROKEN: f64 = 0.05;

/// The other end is believed from these odds on, as a logarithm: a thousand to one.
const FAR_BETTER: f64 = 6.9;

/// What the shots of a view show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// This view.
    View,
    /// This fibre from its other end.
    OtherEnd,
    /// Something else: another fibre's events would fit as well.
    Other,
}

/// What the shots show that gave these `events` and this pairing; `end` is where their fibre ends.
pub(super) fn shown(
    plan: &Plan,
    events: &[Sighted],
    pairing: &Pairing,
    end: Option<&Sighted>,
) -> Shown {
    let own = log_odds(plan, events, pairing, end);
    let mirrored = end.filter(|_| plan.end.is_some()).map(|end| {
        let events: Vec<Sighted> = events.iter().rev().map(|it| from_end(it, end)).collect();
        log_odds(plan, &events, &pair::pair(plan, &events), Some(end))
    });
    if mirrored.is_some_and(|other| other > own + FAR_BETTER && other > FAR_BETTER) {
        return Shown::OtherEnd;
    }
    if own < 0.0 { Shown::Other } else { Shown::View }
}

impl Shown {
    /// What a reader should know, where there is something.
    pub(super) const fn note(self) -> Option<&'static str> {
        match self {
            Self::View => None,
            Self::OtherEnd => Some(
                "the events fit this fibre from its other end far better: were the files of both \
                 ends swapped? nothing is named, no mark proposed",
            ),
            Self::Other => Some(
                "the events fit the plant's closures no better than another fibre's would: wrong \
                 fibre, wrong view, or closures surveyed wrongly? nothing is named, no mark proposed",
            ),
        }
    }
}

/// An event as the other end counts it.
fn from_end(event: &Sighted, end: &Sighted) -> Sighted {
    Sighted {
        at: end.at - event.at,
        sd: event.sd.hypot(end.sd),
        seen: Vec::new(),
    }
}

/// By how much likelier the events are on this view than on any fibre with as many, as a logarithm.
///
/// How many closures show at all differs from fibre to fibre, good splices are not seen; so every
/// share is as likely as any other before the shots.
fn log_odds(plan: &Plan, events: &[Sighted], pairing: &Pairing, end: Option<&Sighted>) -> f64 {
    let farthest = events.iter().map(|event| event.at).fold(1.0, f64::max);
    let length = end.map_or(farthest, |end| end.at.max(farthest));
    let there = |at: f64| at < length;
    let closures = plan.expected.iter().filter(|it| it.joined && there(it.at));
    let paired = pairing.landmarks().filter_map(|k| plan.expected.get(k));
    let (mut joined, mut prices) = (0, 0.0);
    for landmark in paired {
        joined += usize::from(landmark.joined);
        prices += pair::price_of_showing(landmark.joined);
    }
    let shows = log_share(closures.count().max(joined), joined);
    let count = events.len() as f64;
    let unrelated = count * (EXTRA_PER_M * length / count.max(1.0)).ln();
    let ends = match (plan.end, end) {
        (Some(_), _) => -ENDS_PER_M.ln(),
        (None, Some(_)) => BROKEN.ln(),
        (None, None) => 0.0,
    };
    pairing.weight - prices + shows + unrelated + ends
}

/// The probability that just `some` of `all` show, of which every number is equally likely, and each
/// choice of them.
fn log_share(all: usize, some: usize) -> f64 {
    let choices = (0..some.min(all - some.min(all))).map(|k| {
        let (left, taken) = ((all - k) as f64, (k + 1) as f64);
        (left / taken).ln()
    });
    -((all + 1) as f64).ln() - choices.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_all_sizes_add_up_to_one() {
        let choose =
            |n: u32, k: u32| (0..k).fold(1.0, |c, j| c * f64::from(n - j) / f64::from(j + 1));
        let sum: f64 = (0..=10)
            .map(|k| choose(10, k) * log_share(10, k as usize).exp())
            .sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        assert!((log_share(0, 0)).abs() < 1e-12);
    }
}
