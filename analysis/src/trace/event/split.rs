//! Places that explain glass better than those found: where a long stretch parts best.
//!
//! Jumps are looked for on scales of a few pulses. A faint step in long glass shows on the whole of
//! it alone, and then its largest jump may lie many pulses off, or noise makes two of it. So every
//! stretch between the cuts, also with one or two faint ones left out, is parted where both lines
//! fit best; what would be worth its price is tried with all the others.

use super::grid::Grid;
use super::segments::Cut;
use crate::trace::samples::whole;

/// Faint cuts left out at once, at the most.
const MOST_OUT: usize = 2;

/// A cut at which lines jump by more deviations than this stays.
const FAINT_Z: f64 = 15.0;

/// Places are tried so many edges apart at first.
const STRIDE: f64 = 0.5;

/// A tail has died away after so many reaches.
const GONE: f64 = 4.0;

/// Stretches shorter than so many edges are not parted.
const SHORTEST: f64 = 4.0;

/// Where stretches part best, if that costs less than what is known.
pub(super) fn places(grid: &Grid, cuts: &[Cut]) -> Vec<usize> {
    let stretches = stretches(grid, cuts);
    let mut found = Vec::new();
    for first in 0..stretches.len() {
        let mut known = 0.0;
        for last in first..=first + MOST_OUT {
            let (Some(a), Some(b)) = (stretches.get(first), stretches.get(last)) else {
                break;
            };
            if last > first && !b.is_faint {
                break;
            }
            known += b.cost + if last > first { b.price } else { 0.0 };
            let best = best(grid, [a.from, b.to]);
            found.extend(best.filter(|best| best.1 < known).map(|best| best.0));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Glass between two cuts.
struct Stretch {
    from: usize,
    to: usize,
    cost: f64,
    /// What the cut before it costs, and whether that may be none.
    price: f64,
    is_faint: bool,
}

fn stretches(grid: &Grid, cuts: &[Cut]) -> Vec<Stretch> {
    let ends = cuts.iter().skip(1).map(|cut| cut.from);
    let ends = ends.chain([grid.levels.len()]);
    let mut before = None;
    let stretch = |(cut, to): (&Cut, usize)| {
        let lit = cut.glass(grid, to);
        let gone = lit.and_then(|fit| fit.tail).map_or(0.0, |tail| {
            let [.., reach, _] = tail;
            GONE * reach / grid.step_km
        });
        let from = (cut.to + whole(gone)).min(to);
        let fit = grid.fit(from, to);
        let km = grid.km(cut.from);
        let jump = before
            .zip(lit)
            .map(|(before, after): (super::grid::Fit, _)| {
                let variance = before.variance_at(km) + after.variance_at(km);
                (before.at(km) - after.at(km)).abs() / variance.sqrt().max(1e-9)
            });
        before = lit;
        Stretch {
            from,
            to,
            cost: fit.map_or(0.0, |fit| fit.cost),
            price: grid.price + grid.honest(cut.from, cut.to),
            is_faint: !cut.bright && jump.is_some_and(|jump| jump < FAINT_Z),
        }
    };
    cuts.iter().zip(ends).map(stretch).collect()
}

/// Where a stretch parts best, and what that costs with the event there.
fn best(grid: &Grid, [from, to]: [usize; 2]) -> Option<(usize, f64)> {
    let edge = grid.edge_points();
    let room = whole(SHORTEST * edge as f64).max(8);
    if to < from + room {
        return None;
    }
    let cost = |at: usize| {
        let (before, after) = (grid.fit(from, at)?, grid.fit(at + edge, to)?);
        Some((
            at,
            grid.price + grid.honest(at, at + edge) + before.cost + after.cost,
        ))
    };
    let least = |a: (usize, f64), b: (usize, f64)| if b.1 < a.1 { b } else { a };
    let mut stride = whole(STRIDE * edge as f64).max(1);
    let all = (from + edge.max(3)..to.saturating_sub(2 * edge + 3)).step_by(stride);
    let mut best = all.filter_map(cost).reduce(least)?;
    while stride > 1 {
        stride = stride.div_ceil(2);
        let near = [best.0.saturating_sub(stride), best.0 + stride];
        best = near.into_iter().filter_map(cost).fold(best, least);
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::excess;
    use crate::trace::synth::{Feature, Plan};

    /// A grid of 18 km with one splice in the middle, and the whole of it as one stretch.
    fn whole_stretch(loss_db: f64, seed: u64) -> (Grid, Vec<Cut>) {
        let plan = Plan {
            features: vec![Feature {
                at_m: 9_000.0,
                loss_db,
                reflectance_db: None,
            }],
            seed,
            range_m: 18_000.0,
            ..Plan::default()
        };
        let trace = plan.trace();
        let mut grid = Grid::open(&trace).unwrap();
        grid.set_noise(excess::before(&grid));
        let launch = Cut {
            from: 0,
            to: 60,
            bright: false,
        };
        (grid, vec![launch])
    }

    #[test]
    fn a_step_that_shows_on_the_whole_of_the_glass_is_seen_where_it_is() {
        for seed in 1..20 {
            let (grid, cuts) = whole_stretch(0.02, seed);
            let found = places(&grid, &cuts);
            let near = |at: &usize| (grid.km(*at) - 9.0).abs() < 0.4;
            assert!(found.iter().any(near), "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn glass_that_was_cut_well_does_not_part() {
        let parts = |seed| {
            let (mut grid, _) = whole_stretch(0.1, seed);
            let cuts = crate::trace::event::glass(&mut grid);
            let found = places(&grid, &cuts);
            let of = |at: &usize| grid.km(*at);
            (found.iter().map(of).collect::<Vec<f64>>(), cuts.len())
        };
        // Neighbouring seeds share most of their noise.
        let all: Vec<_> = (1..40).map(|seed| parts(seed * 100_003)).collect();
        let parted = all.iter().filter(|(found, _)| !found.is_empty()).count();
        assert!(parted <= 2, "{all:?}");
    }

    #[test]
    fn two_cuts_where_one_step_is_give_way_to_one() {
        let (grid, mut cuts) = whole_stretch(0.03, 3);
        for km in [7.5, 10.6] {
            let from = whole(km / grid.step_km);
            cuts.push(Cut {
                from,
                to: from + grid.edge_points(),
                bright: false,
            });
        }
        let found = places(&grid, &cuts);
        let near = |at: &usize| (grid.km(*at) - 9.0).abs() < 0.2;
        assert!(found.iter().any(near), "{found:?}");
    }
}
