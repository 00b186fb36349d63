//! The grid of places, constants and closures that an explanation is looked for on.

use super::{
    CLOSURE_GAP, CLOSURE_REACH, CONSTANT_RANGE, Explored, Guess, LAG, Spread, USUAL_CONSTANT,
};

/// Edge positions, time constants and closures tried a pass, and positions where it may be anywhere.
pub(super) const PLACES: usize = 11;
const ALL_PLACES: usize = 15;
const CONSTANTS: usize = 7;
const CLOSURES: usize = 9;

/// A pass makes no axis shorter than by this: what is likely moves while the others close in.
const SHRINK: f64 = 2.6;

/// An axis is fine enough once the deviation is this part of its step: sums over a bell are exact
/// to a thousandth then.
const FINE: f64 = 0.6;

/// Axes reach so many deviations to both sides of what is likely.
pub(super) const REACH: f64 = 4.5;

/// Where a plainer explanation explains nearly all, a richer one is looked
/// for beside it alone: so many pulses earlier and later, or deviations; and as far in the
/// logarithm of the constant.
const BESIDE: [f64; 2] = [0.5, 0.8];
const BESIDE_SIGMAS: f64 = 6.0;
const BESIDE_CONSTANT: f64 = 0.3;

/// Around another explanation axes reach at least so many pulses, and so much of the logarithm of the
/// constant.
const AROUND: [f64; 3] = [0.02, 0.02, 0.05];

/// A constant that other events tell is looked for within so many deviations.
const TOLD: f64 = 4.0;

/// One axis of the grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) count: usize,
}

impl Axis {
    /// One value alone.
    pub(super) const fn at(value: f64) -> Self {
        Self {
            low: value,
            high: value,
            count: 1,
        }
    }

    pub(super) fn step(&self) -> f64 {
        if self.count < 2 {
            return 1.0;
        }
        (self.high - self.low) / (self.count - 1) as f64
    }

    pub(super) fn values(self) -> impl Iterator<Item = f64> {
        (0..self.count).map(move |i| self.low + self.step() * i as f64)
    }

    /// The axis around what is likely, and whether it is fine enough already.
    pub(super) fn closer(&self, mean: f64, sigma: f64) -> (Self, bool) {
        if self.count < 2 {
            return (*self, true);
        }
        let step = self.step();
        let reach = (REACH * sigma).max((self.high - self.low) / 2.0 / SHRINK);
        let fine = sigma > FINE * step;
        let (low, high) = (
            (mean - reach).max(self.low - step),
            (mean + reach).min(self.high + step),
        );
        (Self { low, high, ..*self }, fine)
    }
}

/// Where an explanation is looked for: anywhere, or beside a plainer one that explains nearly all.
pub(super) enum Start {
    Open([Axis; 3]),
    Beside([Axis; 3]),
}

/// All places, constants and closures that there may be.
pub(super) fn axes(guess: &Guess, closure: bool) -> [Axis; 3] {
    let [low, high] = guess.between;
    let high = high + LAG * USUAL_CONSTANT * guess.pulse;
    let [shortest, longest] = guess.constant.map_or_else(
        || CONSTANT_RANGE.map(f64::ln),
        |[log, sigma]| [log - TOLD * sigma, log + TOLD * sigma],
    );
    let axis = |low: f64, high: f64, count: usize| Axis { low, high, count };
    [
        axis(low, high, ALL_PLACES),
        axis(shortest, longest, CONSTANTS),
        axis(
            low - CLOSURE_REACH * guess.pulse,
            high - CLOSURE_GAP * guess.pulse,
            if closure { CLOSURES } else { 1 },
        ),
    ]
}

/// The part of the axes that a richer explanation may lead to from a plainer one.
pub(super) fn beside(
    [places, constants, closures]: [Axis; 3],
    plainer: &Explored,
    pulse: f64,
) -> [Axis; 3] {
    let cut = |axis: Axis, [low, high]: [f64; 2]| Axis {
        low: low.max(axis.low),
        high: high.min(axis.high),
        ..axis
    };
    let Spread {
        shown,
        shown_sigma,
        constant,
        constant_sigma,
        ..
    } = plainer.spread;
    let [early, late] = BESIDE.map(|pulses| (pulses * pulse).max(BESIDE_SIGMAS * shown_sigma));
    let odd = BESIDE_CONSTANT.max(BESIDE_SIGMAS * constant_sigma);
    [
        Axis {
            count: PLACES,
            ..cut(places, [shown - early, shown + late])
        },
        cut(constants, [constant - odd, constant + odd]),
        closures,
    ]
}

/// The part of the axes around another explanation.
pub(super) fn around(guess: &Guess, spread: &Spread, closure: bool) -> [Axis; 3] {
    let [places, constants, closures] = axes(guess, closure);
    let [place, constant, before] = AROUND;
    let cut = |axis: Axis, middle: f64, reach: f64| {
        if axis.count < 2 {
            return axis;
        }
        let (low, high) = (
            (middle - reach).max(axis.low),
            (middle + reach).min(axis.high),
        );
        if low < high {
            Axis { low, high, ..axis }
        } else {
            axis
        }
    };
    let reach = |sigma: f64, least: f64| (BESIDE_SIGMAS * sigma).max(least);
    [
        cut(
            places,
            spread.shown,
            reach(spread.shown_sigma, place * guess.pulse),
        ),
        cut(
            constants,
            spread.constant,
            reach(spread.constant_sigma, constant),
        ),
        cut(
            closures,
            spread.closure,
            reach(spread.closure_sigma, before * guess.pulse),
        ),
    ]
}
