//! The noise around an end, told from the glass before it and from the dark.

use crate::trace::edge::Noise;
use crate::trace::line::{Line, median};
use crate::trace::power::POWER_A_DB;
use crate::trace::product::dot;
use crate::trace::samples::{Trace, rest, whole};

/// Noise of a sample is at least what rounding to a thousandth makes of it.
const ROUNDING_DB: f64 = 0.000_289;

/// Deviations by which the noise of light may seem less than that of the dark and be the same.
const LIKE_DARK: f64 = 3.0;

/// The noise around the onset: what the residuals before it share with their neighbours is
/// fading; of the rest, what the dark shows too is the receiver's.
pub(super) fn before(trace: &Trace, line: &Line, calm: usize, noise_level: Option<f64>) -> Noise {
    let pulse = trace.pulse().get() / trace.step_m();
    let length = whole(6.0 * pulse).clamp(60, 600);
    let from = calm.saturating_sub(length).max(first_of(line));
    let levels = trace.stretch(from, calm);
    let off = |(i, level): (usize, &f64)| level - line.at((from + i) as f64);
    let mut residuals: Vec<f64> = levels.iter().enumerate().map(off).collect();
    let size = 1.4826 * median(&mut residuals.iter().map(|r| r.abs()).collect::<Vec<f64>>());
    residuals.retain(|r| r.abs() <= 4.0 * size + 1e-9);
    let count = (residuals.len() as f64).max(1.0);
    let variance = dot(&residuals, &residuals) / (count - 2.0).max(1.0);
    let lags = whole((pulse / 3.0).round()).clamp(1, (residuals.len() / 4).max(1));
    let shared =
        |lag: usize| dot(&residuals, rest(&residuals, lag)) / (count - lag as f64).max(1.0);
    let keep = (-3.0 / pulse).exp();
    let (mut seen, mut wanted) = (0.0, 0.0);
    for lag in 1..=lags {
        seen += shared(lag);
        wanted += keep.powf(lag as f64);
    }
    // A line that falls has less of the receiver's noise farther back.
    let fade = (-line.slope * POWER_A_DB).max(0.0);
    let back = |i: usize| (2.0 * fade * (i as f64 - levels.len() as f64)).exp();
    let shown = (0..levels.len()).map(back).sum::<f64>() / (levels.len() as f64).max(1.0);
    let dark = noise_level.map(|level| 10_f64.powf((level - line.at(calm as f64)) / 5.0));
    let dark = dark.map(|dark| (dark / POWER_A_DB).powi(2));
    // As exactly as so few samples can tell, the noise of the light holds that of the dark.
    let most = variance * (1.0 + LIKE_DARK * (2.0 / count).sqrt()).powi(2);
    let dark = dark.filter(|dark| dark * shown < most);
    let room = dark.map_or(0.98 * variance, |dark| most - dark * shown);
    let fading = (seen / wanted).clamp(0.0, room);
    let white = (variance - fading).max(ROUNDING_DB * ROUNDING_DB);
    let receiver = dark.unwrap_or_else(|| white / shown.max(1e-6));
    let rough = (variance - fading - receiver * shown).max(0.0);
    // Noise that changes more slowly than fading does is all of it shared.
    let slow = (shared(1) / variance.max(1e-18)).clamp(keep.min(0.99), 0.995);
    let reach = if fading < 0.97 * variance {
        pulse / 3.0
    } else {
        -1.0 / slow.ln()
    };
    let power = |variance: f64| variance.sqrt() * POWER_A_DB;
    Noise {
        receiver: power(receiver.max(ROUNDING_DB * ROUNDING_DB)),
        rough: power(rough),
        fading: power(fading),
        reach: reach * trace.step_m(),
    }
}

/// The sample a line's stretch begins with.
pub(super) fn first_of(line: &Line) -> usize {
    whole((line.centre - line.count / 2.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Plan;

    #[test]
    fn the_receivers_noise_is_told_at_the_end_of_a_line_that_falls() {
        // 2 km of pulse: over the six before the end the light falls by 4 dB.
        let mut told = Vec::new();
        for (seed, slope_db_per_km) in (1..=10).flat_map(|seed| [(seed, 0.1), (seed, 0.33)]) {
            let plan = Plan {
                pulse_ns: 20_000.0,
                step_m: 100.0,
                end_m: 60_000.0,
                range_m: 90_000.0,
                roughness_db: 0.0,
                slope_db_per_km,
                dynamic_db: 60.0 * slope_db_per_km + 6.0,
                seed,
                ..Plan::default()
            };
            let trace = plan.trace();
            let calm = 599;
            let line = Line::robust(trace.stretch(400, calm), 400).unwrap();
            // The launch of these traces lies at -25 dB.
            let level = -25.0 - plan.dynamic_db;
            let wanted = 10_f64.powf((level - line.at(calm as f64)) / 5.0);
            told.push(before(&trace, &line, calm, Some(level)).receiver / wanted);
        }
        let right = told
            .iter()
            .filter(|told| (0.7..1.4).contains(*told))
            .count();
        assert!(right >= 16, "{told:?}");
    }
}
