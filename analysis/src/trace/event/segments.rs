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
    let last = grid.levels.len();
    let least = (grid.pulse / 2).max(3);
    let lengths = HIDDEN.map(|hidden| whole((hidden * grid.pulse as f64).ceil()).max(2));
    let longest = lengths.iter().copied().max().unwrap_or(2) as f64;
    let mut search = Search {
        grid,
        least,
        ways: launches(grid),
        alive: Vec::new(),
    };
    search.alive = (0..search.ways.len()).collect();
    for &place in &candidates.places {
        let Some((before, previous)) = search.cheapest(place) else {
            continue;
        };
        // A way that costs more than this now will never be the cheapest again.
        search.prune(place, before + PRICE + HIDDEN_POINT * longest);
        for length in lengths {
            let to = place + length;
            if to + least > last {
                break;
            }
            let cost = before + PRICE + HIDDEN_POINT * length as f64;
            let cut = Cut { from: place, to };
            search.alive.push(search.ways.len());
            search.ways.push(Way {
                cost,
                cut,
                previous: Some(previous),
            });
        }
    }
    let Some((_, mut at)) = search.cheapest(last) else {
        return Vec::new();
    };
    let mut cuts = Vec::new();
    while let Some(way) = search.ways.get(at) {
        cuts.push(way.cut);
        let Some(previous) = way.previous else { break };
        at = previous;
    }
    cuts.reverse();
    cuts
}

/// The ways tried so far, and those that may still become the cheapest.
struct Search<'a> {
    grid: &'a Grid,
    /// Fewest points of glass between two events.
    least: usize,
    ways: Vec<Way>,
    alive: Vec<usize>,
}

impl Search<'_> {
    /// What a way costs up to `place`, if it can get there along straight glass.
    fn cost(&self, way: &Way, place: usize) -> Option<f64> {
        if way.cut.to + self.least > place {
            return None;
        }
        self.grid
            .fit(way.cut.to, place)
            .map(|fit| way.cost + fit.cost)
    }

    /// The cheapest way to reach `place`, with its cost.
    fn cheapest(&self, place: usize) -> Option<(f64, usize)> {
        let mut found: Option<(f64, usize)> = None;
        for &i in self.alive.iter().rev() {
            let Some(way) = self.ways.get(i) else {
                continue;
            };
            if found.is_some_and(|(cost, _)| way.cost >= cost) {
                continue;
            }
            let Some(cost) = self.cost(way, place) else {
                continue;
            };
            if found.is_none_or(|(cheapest, _)| cost < cheapest) {
                found = Some((cost, i));
            }
        }
        found
    }

    fn prune(&mut self, place: usize, limit: f64) {
        let mut alive = std::mem::take(&mut self.alive);
        alive.retain(|&i| {
            let cost = self.ways.get(i).and_then(|way| self.cost(way, place));
            cost.is_none_or(|cost| cost <= limit)
        });
        self.alive = alive;
    }
}

/// The launch hides the first points: how many is open.
fn launches(grid: &Grid) -> Vec<Way> {
    let lengths = (0..40).map(|i| whole(grid.pulse as f64 * 1.25_f64.powi(i)));
    let mut lengths: Vec<usize> = lengths.filter(|n| n + 8 < grid.levels.len()).collect();
    lengths.dedup();
    let way = |to: usize| Way {
        cost: HIDDEN_POINT * to as f64,
        cut: Cut { from: 0, to },
        previous: None,
    };
    lengths.into_iter().map(way).collect()
}
