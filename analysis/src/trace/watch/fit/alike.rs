//! How alike the noise of neighbouring points is: instruments smooth what they store.

use super::Point;
use crate::trace::line::median;

/// Sums of neighbours that tell how they scatter, at least, and the deviations by which they must.
const FEWEST_SUMS: usize = 16;
const EXCESS_SIGMAS: f64 = 1.5;

/// What the noise of one point has of the one before it: instruments smooth what they store.
///
/// The points' deviations are those that many of them average to; how much less neighbours differ
/// tells the rest.
pub(super) fn memory(falls: &[f64], points: &[Point], share: f64) -> f64 {
    let pairs = falls.iter().zip(falls.iter().skip(1)).zip(points);
    let mut jumps: Vec<f64> = pairs
        .map(|((a, b), point)| (b - a) * point.inverse)
        .collect();
    if jumps.len() < 8 {
        return 0.0;
    }
    let of_two: Vec<f64> = jumps
        .iter()
        .zip(jumps.iter().skip(1))
        .map(|(a, b)| a + b)
        .collect();
    let square = usual_square(&mut jumps) / share;
    let longer = usual_square(&mut of_two.clone()) / share / square.max(f64::MIN_POSITIVE);
    // Of a first-order process whose sums scatter by 1: square = 2·(1 - k)² / (1 + k).
    let part = 4.0 + square;
    let keep = (part - (part * part - 8.0 * (2.0 - square)).max(0.0).sqrt()) / 4.0;
    // Where two points together differ by more than such a process would, the instrument smooths
    // in another way: then only the sums are believed.
    if longer > 1.0 + keep + ANOTHER_WAY {
        return 0.0;
    }
    // A few dozen jumps know it to a tenth: what is uncertain is taken for white.
    (keep - 0.1).clamp(0.0, 0.9)
}

/// The usual square of jumps about their middle.
fn usual_square(jumps: &mut [f64]) -> f64 {
    let usual = median(&mut jumps.to_vec());
    jumps
        .iter_mut()
        .for_each(|jump| *jump = (*jump - usual).abs());
    (1.4826 * median(jumps)).powi(2)
}

/// By how much the square of what two points differ by, over that of one, may be off.
const ANOTHER_WAY: f64 = 0.35;

/// Takes what each value has of the one before it off, and scales what is left so that values
/// that do not change stay what they are.
pub(super) fn sharpen(values: &mut [f64], keep: f64) {
    if keep <= 0.0 {
        return;
    }
    let mut before = values.first().copied().unwrap_or_default();
    for value in values.iter_mut().skip(1) {
        let own = *value;
        *value = (own - keep * before) / (1.0 - keep);
        before = own;
    }
}

/// By how much what is left scatters more than expected, over the scale at which it does so most.
///
/// Neighbours may be alike in ways that the points' deviations do not tell: then sums of several
/// scatter more.
pub(super) fn largest_excess(left: Vec<f64>, keep: f64) -> f64 {
    let square = |left: &[f64]| left.iter().map(|left| left * left).sum::<f64>();
    let count = left.len() as f64;
    let mut excess = square(&left) / (count - 3.0).max(4.0);
    // As they were before what each has of the one before it was taken off.
    let mut own = 0.0;
    let mut left: Vec<f64> = left
        .iter()
        .map(|left| {
            own = keep * own + (1.0 - keep) * left;
            own
        })
        .collect();
    while left.len() > FEWEST_SUMS {
        let pairs = left.chunks_exact(2);
        left = pairs
            .map(|pair| pair.iter().sum::<f64>() / std::f64::consts::SQRT_2)
            .collect();
        let degrees = left.len() as f64 - 3.0;
        let found = square(&left) / degrees;
        // Few sums scatter much by themselves.
        if found > 1.0 + EXCESS_SIGMAS * (2.0 / degrees).sqrt() {
            excess = excess.max(found);
        }
    }
    excess
}
