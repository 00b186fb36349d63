//! Least squares for combinations of place, constant and closure.

use super::axis::Axis;
use super::column::{Column, Data};
use super::shape::Shape;
use super::{CLOSURE_GAP, CLOSURE_REACH, CONSTANT_RANGE, Guess, LAG, Try, USUAL_CONSTANT};

/// How far the usual constants lie from one another, as a logarithm, and how many are usual.
const USUAL_SPREAD: f64 = 0.2;
const USUAL_SHARE: f64 = 0.7;

/// How probable a closure before the end is.
const CLOSURE_SHARE: f64 = 0.3;

/// Natural logarithm of the range of heights, and of a closure's losses, that occur.
const HEIGHTS: f64 = 14.0;
const LOSSES: f64 = 4.2;

/// A closure that takes a smaller share of the light, 0.02 dB, is rare.
const LEAST_LOSS: f64 = 0.009;

/// All combinations of one grid that make sense.
pub(super) fn tries(
    data: &Data,
    guess: &Guess,
    [reflects, with_closure]: [bool; 2],
    axes: [Axis; 3],
) -> Vec<Try> {
    let [places, constants, closures] = axes;
    let mut all = Vec::new();
    for log_constant in constants.values() {
        let shape = Shape {
            pulse: guess.pulse,
            constant: log_constant.exp() * guess.pulse,
        };
        let lag = LAG * shape.constant;
        let curve = data.curve(shape, guess);
        let log_prior = constant_prior(log_constant, guess.constant);
        let before: Vec<Column> = closures
            .values()
            .filter(|_| with_closure)
            .map(|shown| data.columns(&curve, shown - lag, false).0)
            .collect();
        for shown_at in places.values() {
            let at = shown_at - lag;
            let (fall, rise) = data.columns(&curve, at, reflects);
            let part = Part {
                fall: &fall,
                rise: rise.as_ref(),
                log_constant,
                log_prior,
                lag,
            };
            if !with_closure {
                all.extend(attempt(data, part, None));
            }
            let room = |c: &&Column| c.at < at - CLOSURE_GAP * guess.pulse;
            let closure_prior = (CLOSURE_SHARE / (CLOSURE_REACH * guess.pulse)).ln();
            let near = before.iter().filter(room);
            all.extend(near.filter_map(|c| attempt(data, part, Some((c, closure_prior)))));
        }
    }
    all
}

#[derive(Clone, Copy)]
struct Part<'a> {
    fall: &'a Column,
    rise: Option<&'a Column>,
    log_constant: f64,
    /// Logarithm of how usual that is.
    log_prior: f64,
    lag: f64,
}

/// Least squares for one combination, a closure with the logarithm of how usual one is; none where it
/// would take light that does not exist.
fn attempt(data: &Data, part: Part<'_>, closure: Option<(&Column, f64)>) -> Option<Try> {
    let Part {
        fall,
        rise,
        log_constant,
        log_prior,
        lag,
    } = part;
    let ff = fall.own;
    if ff.is_nan() || ff <= 1e-12 {
        return None;
    }
    let mut misfit = data.power_square() - fall.power * fall.power / ff;
    let mut log_prior = log_prior - 0.5 * ff.ln();
    // The closure's column without what the fall explains of it; the same for the reflection.
    let (mut loss, mut loss_own, mut loss_fall) = (0.0, 1.0, 0.0);
    if let Some((column, _)) = closure {
        loss_fall = data.inner(column, fall) / ff;
        loss_own = column.own - loss_fall * loss_fall * ff;
        loss = (column.power - loss_fall * fall.power) / loss_own;
        misfit -= loss * loss * loss_own;
    }
    let (mut height, mut height_sigma) = (0.0, 0.0);
    if let Some(rise) = rise {
        let rise_fall = data.inner(rise, fall) / ff;
        let shared = closure.map_or(0.0, |(column, _)| {
            data.inner(rise, column) - rise_fall * loss_fall * ff
        });
        let own = rise.own - rise_fall * rise_fall * ff - shared * shared / loss_own;
        if own <= 1e-9 * rise.own {
            return None;
        }
        height = (rise.power - rise_fall * fall.power - shared * loss) / own;
        height_sigma = own.sqrt().recip();
        misfit -= height * height * own;
        loss -= shared * height / loss_own;
        if height <= 0.0 {
            return None;
        }
        log_prior += share(height, height_sigma, (HEIGHTS, data.faintest));
    }
    if let Some((column, prior)) = closure {
        if loss_own <= 1e-9 * column.own || loss <= 0.0 {
            return None;
        }
        let doubt = loss_own.sqrt().recip();
        log_prior += prior + share(loss, doubt, (LOSSES, LEAST_LOSS));
    }
    if !(misfit + log_prior).is_finite() {
        return None;
    }
    Some(Try {
        at: fall.at,
        shown_at: fall.at + lag,
        log_constant,
        closure_at: closure.map_or(0.0, |(column, _)| column.at + lag),
        misfit,
        log_prior,
        height,
        height_sigma,
    })
}

/// Logarithm of how much of what may occur lies within what noise leaves of a size: all magnitudes
/// are as usual, over so many of them as a logarithm, and those below the least are rare.
fn share(size: f64, sigma: f64, (magnitudes, least): (f64, f64)) -> f64 {
    let root_tau = core::f64::consts::TAU.sqrt();
    let magnitude = size.max(sigma).max(least);
    (sigma * root_tau / (magnitude * magnitudes)).min(1.0).ln()
}

/// Logarithm of how usual a time constant is: what other events tell, or mostly a receiver matched
/// to its pulse.
fn constant_prior(log_constant: f64, told: Option<[f64; 2]>) -> f64 {
    if let Some([log, sigma]) = told {
        let off = (log_constant - log) / sigma;
        return -0.5 * off * off - (sigma * core::f64::consts::TAU.sqrt()).ln();
    }
    let [low, high] = CONSTANT_RANGE.map(f64::ln);
    let off = (log_constant - USUAL_CONSTANT.ln()) / USUAL_SPREAD;
    let usual = (-0.5 * off * off).exp() / (USUAL_SPREAD * core::f64::consts::TAU.sqrt());
    (USUAL_SHARE * usual + (1.0 - USUAL_SHARE) / (high - low)).ln()
}
