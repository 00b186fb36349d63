//! How much a level scatters, estimated where it is needed.
//!
//! On real traces noise does not simply grow with distance: fading and vendors' smoothing dominate
//! until the last few decibels. So it is measured stretch by stretch, from differences at a lag
//! beyond the pulse, of which the smaller ones are believed: events inflate the larger ones.

use super::line::{Line, quantile};
use super::product::dot;
use super::samples::rest;

/// The share of differences that is believed.
const SHARE: f64 = 0.30;

/// That quantile of the absolute value of a normal variable, in standard deviations.
const SHARE_IN_SIGMAS: f64 = 0.385_320;

/// So many differences tell it, to a part in fifteen; neighbours' noise is pooled with it.
const ENOUGH: usize = 120;

/// Standard deviation of a sample in decibels, from differences of `levels` at `lag` samples.
///
/// A constant slope cancels; steps and peaks count little. Zero where there are too few; of many
/// a part tells as much as is wanted.
pub(crate) fn sigma(levels: &[f64], lag: usize) -> f64 {
    let stride = (levels.len() / ENOUGH).max(1);
    let some = |from: usize| rest(levels, from).iter().step_by(stride);
    let pairs = some(0).zip(some(lag.max(1)));
    let mut differences: Vec<f64> = pairs.map(|(a, b)| b - a).collect();
    if differences.len() < 4 {
        return 0.0;
    }
    let middle = quantile(&mut differences, 0.5);
    differences
        .iter_mut()
        .for_each(|difference| *difference = (*difference - middle).abs());
    quantile(&mut differences, SHARE) / SHARE_IN_SIGMAS / std::f64::consts::SQRT_2
}

/// Root mean square of what a straight line leaves of `levels`; zero where there are too few.
pub(crate) fn off_line(levels: &[f64]) -> f64 {
    let line = Line::fit(levels, 0).filter(|line| line.count >= 4.0);
    line.map_or(0.0, |line| line.rms)
}

/// The deviation behind many root mean squares of `freedom` values each, some of which hold more
/// than noise: from a low quantile. Reorders them.
pub(crate) fn low(scatters: &mut [f64], freedom: usize) -> f64 {
    // Wilson and Hilferty's approximation of the quantile of chi-square.
    const SHARE_NORMAL: f64 = -0.524_4;
    let ninth = 2.0 / (9.0 * freedom.max(1) as f64);
    let expected = (1.0 - ninth + SHARE_NORMAL * ninth.sqrt())
        .max(0.05)
        .powf(1.5);
    quantile(scatters, SHARE) / expected
}

/// Over how many samples noise is correlated: 1 for white noise, more for smoothed traces.
///
/// `residuals` are what a fit left over; the sum of their autocorrelation up to `longest` lags,
/// stopped at the first that is not positive.
pub(crate) fn correlation(residuals: &[f64], longest: usize) -> f64 {
    let power = dot(residuals, residuals);
    if power <= 0.0 {
        return 1.0;
    }
    let mut length = 1.0;
    for lag in 1..=longest.min(residuals.len() / 4) {
        let share = dot(residuals, rest(residuals, lag)) / power;
        if share <= 0.05 {
            break;
        }
        length += 2.0 * share;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    #[test]
    fn white_noise_is_measured_through_a_slope_and_steps() {
        let mut dice = Dice::new(1);
        let mut levels: Vec<f64> = (0..4_000)
            .map(|i| -0.003 * f64::from(i) + 0.05 * dice.normal())
            .collect();
        levels[2_000..].iter_mut().for_each(|level| *level -= 3.0);
        levels[3_000..3_020]
            .iter_mut()
            .for_each(|level| *level += 20.0);
        let found = sigma(&levels, 5);
        assert!((found / 0.05 - 1.0).abs() < 0.06, "{found}");
    }

    #[test]
    fn smoothing_shows_as_correlation() {
        let mut dice = Dice::new(2);
        let white: Vec<f64> = (0..4_000).map(|_| dice.normal()).collect();
        let smooth: Vec<f64> = white
            .windows(5)
            .map(|w| w.iter().sum::<f64>() / 5.0)
            .collect();
        assert!(correlation(&white, 50) < 1.3);
        let found = correlation(&smooth, 50);
        assert!((4.0..6.5).contains(&found), "{found}");
    }

    #[test]
    fn too_little_gives_nothing() {
        assert!(sigma(&[1.0, 2.0], 1).abs() < 1e-12);
        assert!((correlation(&[], 5) - 1.0).abs() < 1e-12);
    }
}
