//! Reflections too faint to be told, which shift what is found of a step all the same.
//!
//! As a ramp's slope is a pulse, a faint reflection looks like a shift of its step: only the corners
//! differ, by the square of the shift. So a few heights are tried, each with the shift that hides it
//! best; between them corners go with the square, everything else in proportion:
//!
//! ```text
//! none      ─ (1 - share) · likelihood                     ┐
//! height h  ─ share · likelihood with the best shift, h    ├▶ mean and variance of what goes with it
//!             evenly by its logarithm within what occurs   ┘
//! ```

use super::solve::Rest;
use crate::trace::product::dot;
use crate::trace::samples::whole;

/// So many of the steps that are not seen to reflect do where a connector or a mechanical splice may
/// lose as much, in decibels; and of the others: bends, and glass that scatters more.
const SHARE: f64 = 0.4;
const SELDOM: f64 = 0.1;
const CONNECTOR_DB: f64 = 1.0;

/// How many of the steps that lose so much and are not seen to reflect do.
pub(super) fn share(loss_db: f64) -> f64 {
    if (0.0..CONNECTOR_DB).contains(&loss_db) {
        SHARE
    } else {
        SELDOM
    }
}

/// Heights that are weighed, and by what factor those that are tried grow.
const WEIGHED: usize = 60;
const GROWTH: f64 = 2.2;

/// Heights in units of the step: one so much higher than its step is seen.
const MOST: f64 = 8.0;

/// By how many pulses a step seems to lie behind its place for a reflection of a height over it: in
/// proportion first, and by a pulse where nearly all of what is seen falls behind the reflection.
pub(super) fn shift(height: f64) -> f64 {
    height / height.hypot(1.0)
}

/// Heights over the step to be tried where reflections have heights in a range: two at the least, or
/// none.
pub(super) fn tries([least, most]: [f64; 2]) -> Vec<f64> {
    let most = most.min(MOST);
    if least.is_nan() || most <= least {
        return Vec::new();
    }
    let all = (most / least).ln();
    let count = whole((all / GROWTH.ln()).ceil()).max(1);
    let at = |k: usize| least * (all * k as f64 / count as f64).exp();
    (0..=count).map(at).collect()
}

/// A height that was tried.
#[derive(Clone, Debug)]
pub(super) struct Try {
    /// Its height over the step.
    pub(super) height: f64,
    /// By how much it moves every unknown.
    pub(super) moved: Vec<f64>,
}

/// What the heights that were tried cost, and what lies between.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) tries: Vec<Try>,
    /// What they change in the light, by products with one another and with what is left over.
    pub(super) changes: Rest,
}

/// One height between two that were tried: the numbers of the two, 0 for none, and the shares of the
/// second in what changes by the square, and in proportion.
#[derive(Clone, Copy, Debug)]
struct Between {
    low: usize,
    square: f64,
    even: f64,
}

impl Path {
    /// Heights weighed from the first to the last that was tried.
    fn all(&self) -> impl Iterator<Item = (f64, Between)> {
        let first = self.tries.first().map_or(1.0, |one| one.height);
        let last = self.tries.last().map_or(1.0, |one| one.height);
        let step = (last / first).ln() / WEIGHED as f64;
        (0..WEIGHED).map(move |k| {
            let height = first * (step * (k as f64 + 0.5)).exp();
            let low = self.tries.partition_point(|one| one.height <= height);
            let at = |k: usize| k.checked_sub(1).and_then(|k| self.tries.get(k));
            let below = at(low).map_or(0.0, |one| one.height);
            let above = at(low + 1).map_or(height, |one| one.height);
            let between = Between {
                low,
                square: (height.powi(2) - below.powi(2)) / (above.powi(2) - below.powi(2)),
                even: (height - below) / (above - below),
            };
            (height, between)
        })
    }

    /// What a height costs more than none.
    fn cost(&self, between: &Between) -> f64 {
        let shares = [
            (between.low, 1.0 - between.square),
            (between.low + 1, between.square),
        ];
        self.changes.cost(&shares)
    }

    /// The best height over the step, and what it costs less than none.
    pub(super) fn best(&self) -> Option<(f64, f64)> {
        let costs = self.all().map(|(height, at)| (height, -self.cost(&at)));
        costs.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// What may be there where a share of such steps reflects with heights over the step in a range;
    /// noise varies by `doubt` times what the cost took it for.
    pub(super) fn veil(
        &self,
        (reflect, [least, most]): (f64, [f64; 2]),
        doubt: f64,
    ) -> Option<Veil> {
        let (first, last) = (self.tries.first()?.height, self.tries.last()?.height);
        let part = (last / first).ln() / (most / least).ln();
        let share = reflect * part / WEIGHED as f64;
        let logs: Vec<(Between, f64)> = self
            .all()
            .map(|(_, at)| (at, -0.5 * self.cost(&at) / doubt))
            .collect();
        let top = logs.iter().map(|(_, log)| *log).fold(0.0, f64::max);
        let none = (1.0 - reflect) * (-top).exp();
        let weights: Vec<(Between, f64)> = logs
            .into_iter()
            .map(|(at, log)| (at, share * (log - top).exp()))
            .collect();
        let sum = none + weights.iter().map(|(_, weight)| weight).sum::<f64>();
        Some(Veil {
            moved: self.tries.iter().map(|one| one.moved.clone()).collect(),
            weights: weights.into_iter().map(|(at, w)| (at, w / sum)).collect(),
        })
    }
}

/// A reflection that may be there, and what goes with it.
#[derive(Clone, Debug)]
pub(super) struct Veil {
    moved: Vec<Vec<f64>>,
    /// How likely each height is.
    weights: Vec<(Between, f64)>,
}

impl Veil {
    /// By how much it moves a sum of the unknowns, and the variance of that.
    pub(super) fn moves(&self, shares: &[f64]) -> [f64; 2] {
        let own = self.moved.iter().map(|moved| dot(moved, shares));
        let moves: Vec<f64> = [0.0].into_iter().chain(own).collect();
        let at = |k: usize| moves.get(k).copied().unwrap_or(0.0);
        let (mut mean, mut square) = (0.0, 0.0);
        for (between, weight) in &self.weights {
            let low = at(between.low);
            let by = low + between.even * (at(between.low + 1) - low);
            mean += weight * by;
            square += weight * by * by;
        }
        [mean, (square - mean * mean).max(0.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heights of which corners tell: a height of 0.1 by `tells` deviations; what is left over looks
    /// like a height of `shown`.
    fn path(tells: f64, shown: f64) -> Path {
        let tried = |height| Try {
            height,
            moved: vec![-height, 0.0],
        };
        let tries: Vec<Try> = tries([1e-3, 1e4]).into_iter().map(tried).collect();
        let corner = |height: f64| tells * (height / 0.1).powi(2);
        let all = || tries.iter().map(|one| corner(one.height));
        let products = all().map(|a| all().map(|b| a * b).collect()).collect();
        let left = all().map(|a| -a * corner(shown)).collect();
        Path {
            changes: Rest { products, left },
            tries,
        }
    }

    fn moved(path: &Path) -> [f64; 2] {
        let veil = path.veil((SHARE, [1e-3, 1e4]), 1.0).unwrap();
        veil.moves(&[1.0, 5.0])
    }

    #[test]
    fn a_height_that_corners_tell_is_found_and_believed() {
        let path = path(8.0, 0.1);
        let (height, gain) = path.best().unwrap();
        assert!(
            (height - 0.1).abs() < 0.01 && gain > 60.0,
            "{height} {gain}"
        );
        let [by, variance] = moved(&path);
        assert!((by + 0.1).abs() < 0.01, "{by}");
        assert!((1e-3..2e-2).contains(&variance.sqrt()), "{variance}");
    }

    #[test]
    fn where_corners_tell_that_nothing_reflects_little_moves() {
        let [by, variance] = moved(&path(1e4, 0.0));
        assert!(by.abs() < 2e-4 && variance.sqrt() < 1e-3, "{by} {variance}");
    }

    #[test]
    fn what_nothing_tells_stays_open() {
        let [by, variance] = moved(&path(0.01, 0.0));
        assert!(by < -0.02 && variance.sqrt() > 0.05, "{by} {variance}");
    }

    #[test]
    fn the_more_noise_is_doubted_the_less_is_told() {
        let path = path(3.0, 0.1);
        let [sure, torn] = [1.0, 4.0].map(|doubt| path.veil((SHARE, [1e-3, 1e4]), doubt).unwrap());
        let [sure, torn] = [sure, torn].map(|veil| veil.moves(&[1.0, 0.0])[0]);
        assert!(torn.abs() < sure.abs(), "{torn} {sure}");
    }

    #[test]
    fn what_loses_as_a_connector_may_reflects_more_often() {
        let path = path(0.01, 0.0);
        let moved = |loss_db: f64| {
            let veil = path.veil((share(loss_db), [1e-3, 1e4]), 1.0).unwrap();
            veil.moves(&[1.0, 0.0])[0].abs()
        };
        for seldom in [-0.2, 2.5] {
            assert!(moved(seldom) < 0.5 * moved(0.3), "{seldom}");
        }
    }

    #[test]
    fn a_step_is_shifted_by_what_hides_its_reflection_and_by_a_pulse_at_most() {
        assert!((shift(0.01) - 0.01).abs() < 1e-5);
        assert!((0.99..1.0).contains(&shift(MOST)));
    }

    #[test]
    fn heights_that_only_just_occur_are_tried_by_their_ends() {
        assert_eq!(tries([MOST - 0.1, 1e4]).len(), 2);
        assert!(tries([MOST + 0.1, 1e4]).is_empty() && tries([f64::INFINITY; 2]).is_empty());
        let few = tries([1e-3, 1e4]);
        assert!((few[0] - 1e-3).abs() < 1e-12 && (few.last().unwrap() - MOST).abs() < 1e-9);
    }
}
