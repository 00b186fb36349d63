//! Whether what a fit leaves is the noise that was learned.

/// Sums of neighbours that tell how they scatter, at least, and the deviations by which they must.
const FEWEST_SUMS: usize = 16;
const EXCESS_SIGMAS: f64 = 1.5;

/// By how much what is left scatters more than expected, over the scale at which it does so most.
///
/// Neighbours may be alike in ways that the points' deviations do not tell: then sums of several
/// scatter more.
pub(super) fn largest_excess(mut left: Vec<f64>) -> f64 {
    let square = |left: &[f64]| left.iter().map(|left| left * left).sum::<f64>();
    let count = left.len() as f64;
    let mut excess = square(&left) / (count - 3.0).max(4.0);
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
