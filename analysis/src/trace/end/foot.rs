//! The glass before a peak that a stop of light takes for glass.
//!
//! A reflection of the end is as level as glass for one pulse, and then it falls: where it stands only
//! little over the glass, its fall is the stop, a pulse behind the end.

use crate::trace::samples::{Trace, whole};

/// The peak begins within so many pulses before the stop, and is at least so long.
const FARTHEST: f64 = 2.2;
const SHORTEST: f64 = 0.4;

/// Glass is looked at over so many pulses before it, and told again over these, less a guard.
const BEFORE: f64 = 2.5;
const GLASS: f64 = 4.0;
const GUARD: f64 = 0.1;

/// So many places a pulse are tried.
const PLACES: f64 = 8.0;

/// A peak stands over the glass by so many deviations, and by such a share of its light.
const SURE: f64 = 6.0;
const STANDS: f64 = 0.08;

/// Fading: what two stretches of glass differ by as a share of their light.
const UNEVEN: f64 = 0.01;

/// The level light before a stop, without the peak that may be the end of it.
pub(super) fn of_peak(trace: &Trace, [from, to]: [usize; 2], noise: f64) -> [usize; 2] {
    let pulse = trace.pulse().get() / trace.step_m();
    let power = |level: &f64| {
        if trace.is_dark(*level) {
            0.0
        } else {
            10_f64.powf((level - noise) / 5.0)
        }
    };
    let mean = |from: usize, to: usize| {
        let stretch = trace.stretch(from, to);
        let count = stretch.len() as f64;
        (
            stretch.iter().map(power).sum::<f64>() / count.max(1.0),
            count,
        )
    };
    let step = whole(pulse / PLACES).max(1);
    let [farthest, shortest] = [FARTHEST, SHORTEST].map(|pulses| whole(pulses * pulse).max(1));
    let before = whole(BEFORE * pulse).max(3);
    let mut best: Option<(f64, usize)> = None;
    for foot in (to.saturating_sub(farthest)..=to.saturating_sub(shortest)).step_by(step) {
        let Some(start) = foot.checked_sub(before) else {
            continue;
        };
        let ((glass, many), (peak, few)) = (mean(start, foot), mean(foot, to));
        let doubt = (many.recip() + few.recip()).sqrt().hypot(UNEVEN * glass);
        let sure = (peak - glass) / doubt;
        let stands = sure > SURE && peak > glass * (1.0 + STANDS) && glass > 1.0;
        if stands && best.is_none_or(|(most, _)| sure > most) {
            best = Some((sure, foot));
        }
    }
    match best {
        Some((_, foot)) => {
            let foot = foot.saturating_sub(whole(GUARD * pulse));
            let glass = whole(GLASS * pulse).max(to - from);
            [foot.saturating_sub(glass), foot]
        }
        None => [from, to],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Dice, Plan};

    /// A fibre seen with 1 µs, and the level of the noise.
    fn seen(reflectance: Option<f64>, dice: &mut Dice) -> (Plan, Trace, f64) {
        let plan = Plan {
            pulse_ns: 1_000.0,
            end_m: 20_000.0 + 50.0 * dice.uniform(),
            end_reflectance_db: reflectance,
            dynamic_db: 12.0,
            seed: dice.uniform().to_bits(),
            ..Plan::default()
        };
        let trace = plan.trace();
        let mut dark = trace.stretch(5_000, 6_000).to_vec();
        let noise = crate::trace::line::quantile(&mut dark, 0.84);
        (plan, trace, noise)
    }

    #[test]
    fn glass_ends_where_a_low_peak_begins_and_not_where_it_falls() {
        let mut dice = Dice::new(3);
        for _ in 0..30 {
            let (plan, trace, noise) = seen(Some(-dice.between(42.0, 46.0)), &mut dice);
            let pulse = plan.pulse_m();
            let fall = trace.index_of(plan.end_m + 1.1 * pulse);
            let level = [fall - trace.samples_in(3.0 * pulse), fall];
            let [from, to] = of_peak(&trace, level, noise);
            let off = (to as f64 * trace.step_m() - plan.end_m) / pulse;
            assert!((-0.6..0.2).contains(&off), "{off}");
            assert!(to - from >= level[1] - level[0]);
        }
    }

    #[test]
    fn glass_without_a_peak_stays_as_it_was() {
        let mut dice = Dice::new(4);
        for _ in 0..30 {
            let (plan, trace, noise) = seen(None, &mut dice);
            let end = trace.index_of(plan.end_m);
            let level = [end - trace.samples_in(3.0 * plan.pulse_m()), end];
            assert_eq!(of_peak(&trace, level, noise), level);
        }
    }
}
