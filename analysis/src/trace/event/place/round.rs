//! Whether the pulse of a trace is a rectangle, by all its edges together.
//!
//! An instrument has one pulse. One edge that looks round is rather two events, so each has a say of its
//! own, softer the less either pulse explains it, and rectangles have it where the edges say little.

use super::super::response::{RESPONSES, ROUND};
use super::{
    Edge, GOOD_FIT, Grid, MOST_EVIDENCE, Place, Start, TOE, Tries, add, offsets, sampling,
};

/// Logarithm of the odds against a pulse that is no rectangle: few instruments have one that shows.
const ODDS: f64 = 5.0;

/// How round the pulse of a trace is, where its edges show that it is no rectangle: the deviation of the
/// Gaussian over which its light is spread, in pulses.
///
/// `places` are those of the same edges by rectangles; where these explain them all nothing is asked.
pub(crate) fn roundness(grid: &Grid, edges: &[Edge], places: &[Place]) -> Option<f64> {
    let odd = |place: &Place| place.excess > GOOD_FIT;
    let votes = |asked: bool| {
        let pairs = edges.iter().zip(places);
        said(grid, pairs.filter(|(_, place)| odd(place) == asked))
    };
    let prior: Vec<f64> = ROUND.iter().map(|node| node.prior() - ODDS).collect();
    // The edges that rectangles explain can but speak for them.
    let first = sum(&prior, &votes(true));
    if first.iter().all(|odds| *odds <= 0.0) {
        return None;
    }
    let all = sum(&first, &votes(false));
    let best = all.iter().zip(&ROUND).max_by(|a, b| a.0.total_cmp(b.0))?;
    (*best.0 > 0.0).then_some(best.1.round)
}

/// What some edges say together of each of [`ROUND`].
fn said<'a>(grid: &Grid, edges: impl Iterator<Item = (&'a Edge, &'a Place)>) -> Vec<f64> {
    let offsets = offsets(grid);
    let sampling = sampling(grid, &offsets);
    let mut nodes = Vec::new();
    let (mut bright, mut plain, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for (edge, place) in edges {
        let tries = Tries::of(grid, edge, TOE);
        if tries.reflects {
            bright.push(tries);
        } else {
            plain.push(tries);
            known.push(place.misfit);
        }
    }
    // By what rectangles miss a step is known from placing it.
    add(&mut bright, &mut nodes, &RESPONSES, sampling);
    let flat: Vec<f64> = bright.iter().map(Tries::least).chain(known).collect();
    bright.append(&mut plain);
    bright.iter_mut().for_each(|tries| tries.starts.clear());
    add(&mut bright, &mut nodes, &ROUND, sampling);
    let none = vec![0.0; ROUND.len()];
    let all = bright.iter().zip(flat);
    all.fold(none, |all, (tries, flat)| sum(&all, &votes(tries, flat)))
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Logarithm of the odds that an edge passed each of [`ROUND`], which were tried on it, rather than
/// rectangles, which miss it by `flat` at the best.
fn votes(tries: &Tries, flat: f64) -> Vec<f64> {
    let excess = tries.excess().min(tries.over_noise(flat));
    let most = MOST_EVIDENCE / excess;
    let vote = |round: &Start| (0.5 * (flat - round.misfit) / excess).clamp(-most, most);
    tries.starts.iter().map(vote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::{glass, measure};
    use crate::trace::synth::{Feature, Plan};

    fn told(features: Vec<Feature>, pulses: f64, seed: u64) -> Option<f64> {
        let plan = Plan {
            features,
            roughness_db: 0.002,
            round: pulses,
            seed,
            ..Plan::default()
        };
        let trace = plan.trace();
        let mut grid = Grid::open(&trace).unwrap();
        let cuts = glass(&mut grid);
        let found = measure::weeded(&trace, &grid, &cuts);
        measure::roundness(&grid, &found, &measure::places(&grid, &found))
    }

    fn feature(at_m: f64, loss_db: f64, reflectance_db: Option<f64>) -> Feature {
        Feature {
            at_m,
            loss_db,
            reflectance_db,
        }
    }

    #[test]
    fn two_events_within_a_pulse_are_no_round_pulse() {
        for (seed, apart) in [(1, 15.0), (2, 20.0), (3, 25.0), (4, 30.0)] {
            let features = vec![
                feature(3_000.0, 1.0, None),
                feature(8_000.0, 0.5, None),
                feature(8_000.0 + apart, 0.5, None),
                feature(12_000.0, 0.2, Some(-50.0)),
            ];
            assert_eq!(told(features, 0.0, seed), None, "{apart}");
        }
    }

    #[test]
    fn edges_together_tell_how_round_a_pulse_is() {
        for (seed, pulses) in [(1, 0.35), (2, 0.5)] {
            let features = vec![
                feature(3_000.0, 2.5, None),
                feature(8_000.0, 0.3, Some(-50.0)),
                feature(12_000.0, 1.0, None),
            ];
            let told = told(features, pulses, seed);
            assert!(
                told.is_some_and(|told| (told - pulses).abs() < 0.16),
                "{pulses}: {told:?}"
            );
        }
    }
}
