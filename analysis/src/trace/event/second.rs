//! Where a second event shows in what one hides.
//!
//! What a receiver makes of one event dies away: each pulse it falls less than the pulse before. Light
//! that falls more again, or rises, is another event's, so that the first hides no more than what lies
//! before it. Without this, one price would pay for both wherever a receiver might be slow.
//!
//! ```text
//!  ──┐                      ──┐
//!    ╲                        ╲____
//!     ╲____                        ╲     falls again: the second of two
//!          ─────── one              ╲____
//! ```

use super::grid::Grid;
use crate::trace::line::quantile;
use crate::trace::product::running;
use crate::trace::samples::whole;

/// A change of the fall from one pulse to the next by so many deviations is none of noise: once in
/// a thousand traces of ten thousand pulses.
const SURE: f64 = 5.5;

/// And by so many decibels, for receivers ring a little.
const LEAST_DB: f64 = 0.03;

/// Glass between two events is looked for from so many edges behind the first.
const ROOM: f64 = 1.8;

/// The share of all changes that is believed to be noise's, and that quantile of the absolute value of
/// a normal variable.
const SHARE: f64 = 0.30;
const SHARE_IN_SIGMAS: f64 = 0.385_3;

/// How light falls from pulse to pulse.
pub(super) struct Falls<'a> {
    grid: &'a Grid,
    /// Sums of levels before each point, the usual slope taken off.
    sums: Vec<f64>,
    /// Points over which an edge falls.
    size: usize,
    /// How much more changes scatter than the noise of sums says: instruments that deliver stairs.
    rough: f64,
    /// Whether light falls more, or rises more, over the second pulse from each point on than over
    /// the first.
    news: Vec<bool>,
}

impl<'a> Falls<'a> {
    /// Of levels with the usual slope taken off.
    pub(super) fn of(grid: &'a Grid, flat: &[f64]) -> Self {
        let mut falls = Self {
            grid,
            sums: running(flat),
            size: grid.edge_points().max(2),
            rough: 1.0,
            news: Vec::new(),
        };
        let all = (0..grid.levels.len()).step_by(falls.size.div_ceil(2));
        let sizes = all.filter_map(|at| {
            let (before, behind) = falls.falls(at)?;
            let doubt = falls.doubt(at);
            (doubt > 0.0).then(|| ((behind - before) / doubt).abs())
        });
        let mut sizes: Vec<f64> = sizes.collect();
        if !sizes.is_empty() {
            falls.rough = (quantile(&mut sizes, SHARE) / SHARE_IN_SIGMAS).max(1.0);
        }
        falls.news = (0..flat.len()).map(|at| falls.is_new(at)).collect();
        falls
    }

    /// The last point that an event may hide of those up to `most`, which begins at `from` and falls
    /// from `top` on.
    pub(super) fn stop(&self, from: usize, top: usize, most: usize) -> usize {
        let first = from + whole(ROOM * self.grid.edge);
        let near = (top + self.size).max(first);
        let ahead = near..(most + 1).saturating_sub(2 * self.size);
        let mut ahead = ahead.step_by(self.size.div_ceil(2));
        let is_new = |at: &usize| self.news.get(*at).copied().unwrap_or(false);
        ahead.find(is_new).unwrap_or(most)
    }

    fn is_new(&self, at: usize) -> bool {
        let Some((before, behind)) = self.falls(at) else {
            return false;
        };
        let more =
            |least: f64| behind > before.max(0.0) + least || behind < before.min(0.0) - least;
        // Few places fall so far that noise matters.
        let sure = |doubt: f64| doubt > 0.0 && more(SURE * self.rough * doubt);
        more(LEAST_DB) && sure(self.doubt(at))
    }

    /// How far the light falls from the first pulse to the second and on to the third, from a point
    /// on.
    fn falls(&self, at: usize) -> Option<(f64, f64)> {
        let mean = |k: usize| {
            let ends = [k, k + 1].map(|k| self.sums.get(at + k * self.size));
            let [Some(a), Some(b)] = ends else {
                return None;
            };
            Some((b - a) / self.size as f64)
        };
        let [first, second, third] = [mean(0)?, mean(1)?, mean(2)?];
        Some((first - second, second - third))
    }

    /// The deviation of their difference.
    fn doubt(&self, at: usize) -> f64 {
        let variance = |k: usize| {
            let middle = at + k * self.size + self.size / 2;
            self.grid.wide.get(middle).map_or(0.0, |wide| wide * wide)
        };
        let variance = variance(0) + 4.0 * variance(1) + variance(2);
        (variance / self.size as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::excess;
    use crate::trace::synth::{Feature, Plan};

    /// The kilometre up to which an event at 8 km may hide what follows, of 2 km.
    fn stop(features: &[(f64, f64)], seed: u64) -> f64 {
        let feature = |(at_m, loss_db): &(f64, f64)| Feature {
            at_m: *at_m,
            loss_db: *loss_db,
            reflectance_db: None,
        };
        let plan = Plan {
            features: features.iter().map(feature).collect(),
            roughness_db: 0.003,
            range_m: 18_000.0,
            seed,
            ..Plan::default()
        };
        let trace = plan.trace();
        let mut grid = Grid::open(&trace).unwrap();
        grid.set_noise(excess::before(&grid));
        let at = |km: f64| whole(km / grid.step_km);
        let falls = Falls::of(&grid, &grid.flat());
        grid.km(falls.stop(at(8.0), at(8.05), at(10.0)))
    }

    #[test]
    fn one_step_may_hide_all_that_settles() {
        for seed in 1..30 {
            let km = stop(&[(8_000.0, 1.0)], seed);
            assert!(km > 9.98, "seed {seed}: {km}");
        }
    }

    #[test]
    fn a_second_step_and_a_gain_end_what_the_first_may_hide() {
        for seed in 1..30 {
            for second in [0.3, -0.3] {
                let km = stop(&[(8_000.0, 1.0), (8_250.0, second)], seed);
                assert!((8.09..8.26).contains(&km), "seed {seed}: {km}");
            }
        }
    }
}
