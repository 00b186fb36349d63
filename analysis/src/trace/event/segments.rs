//! Which candidates are events: the cheapest way to cut the trace into straight glass.
//!
//! Dynamic programming over candidates and over how much each hides. The cost of a way is the
//! misfit of a line through every stretch in units of noise, a price an event, and for hidden
//! points what honest ones would cost.

use super::candidates::Candidates;
use super::grid::Grid;
use crate::trace::samples::whole;

/// Price of an event, in units of squared noise: a false alarm a few hundred traces.
const PRICE: f64 = 25.0;

/// Price of a hidden point: a little over what an honest one costs, so that hiding does not pay.
const HIDDEN_POINT: f64 = 1.1;

/// Lengths an event may hide, in pulses: a step hides one, a peak with its tail many.
const HIDDEN: [f64; 8] = [1.0, 1.4, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0];

/// One event: the glass before it ends at `from`, the glass behind it starts at `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// The cheapest way so far that ends with one event, hiding one length.
#[derive(Clone, Copy, Debug)]
struct Way {
    cost: f64,
    cut: Cut,
    previous: Option<usize>,
}

/// The cuts of the cheapest way, the launch first.
pub(crate) fn best(grid: &Grid, candidates: &Candidates) -> Vec<Cut> {
    let price = PRICE;
    let honest = HIDDEN_POINT;
    let last = grid.levels.len();
    let least = (grid.pulse / 2).max(3);
    let mut ways: Vec<Way> = launches(grid, honest);
    for &place in &candidates.places {
        let Some((before, previous)) = cheapest(grid, &ways, place, least) else {
            continue;
        };
        for hidden in HIDDEN {
            let length = whole((hidden * grid.pulse as f64).ceil()).max(2);
            let to = place + length;
            if to + least > last {
                break;
            }
            let cost = before + price + honest * length as f64;
            ways.push(Way {
                cost,
                cut: Cut { from: place, to },
                previous: Some(previous),
            });
        }
    }
    let Some((_, mut at)) = cheapest(grid, &ways, last, least) else {
        return Vec::new();
    };
    let mut cuts = Vec::new();
    while let Some(way) = ways.get(at) {
        cuts.push(way.cut);
        let Some(previous) = way.previous else { break };
        at = previous;
    }
    cuts.reverse();
    cuts
}

/// The launch hides the first points: how many is open.
fn launches(grid: &Grid, honest: f64) -> Vec<Way> {
    let lengths = (0..40).map(|i| whole(grid.pulse as f64 * 1.25_f64.powi(i)));
    let mut lengths: Vec<usize> = lengths.filter(|n| n + 8 < grid.levels.len()).collect();
    lengths.dedup();
    let way = |to: usize| Way {
        cost: honest * to as f64,
        cut: Cut { from: 0, to },
        previous: None,
    };
    lengths.into_iter().map(way).collect()
}

/// The cheapest way to reach `place` along straight glass.
fn cheapest(grid: &Grid, ways: &[Way], place: usize, least: usize) -> Option<(f64, usize)> {
    let mut found: Option<(f64, usize)> = None;
    for (i, way) in ways.iter().enumerate() {
        if way.cut.to + least > place || found.is_some_and(|(cost, _)| way.cost >= cost) {
            continue;
        }
        let Some(fit) = grid.fit(way.cut.to, place) else {
            continue;
        };
        let cost = way.cost + fit.cost;
        if found.is_none_or(|(cheapest, _)| cost < cheapest) {
            found = Some((cost, i));
        }
    }
    found
}
