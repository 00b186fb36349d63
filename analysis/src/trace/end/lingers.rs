//! Light that lingers where the glass has ended.
//!
//! ```text
//!   █
//!  ▄█▄▄▄▄▄▄▄▄▄▄▄▄
//!   what lingers ▀▄
//!    of the peak   ▀▀▀▀▀▄▄▄▄▄▄▁▁▁▁
//!                ▲      ╰─ seen ─╯
//!               end
//! ```
//!
//! A receiver goes on to show a bright reflection for many pulses, ever fainter. Where glass is dark, or
//! lies far below that reflection, the end stands on what is left of it: the light does not fall to
//! nothing there, and before it the glass seems to lose more than it does. Well behind the end there is
//! nothing else, so that tells how much it is and how fast it dies; that much is taken off before the end is
//! placed.

use crate::trace::edge::Lingers;
use crate::trace::line::Line;
use crate::trace::samples::{Trace, whole};

/// Where it is looked at, in pulses behind the fall: what the receiver makes of the fall is gone.
const SEEN: [f64; 2] = [3.0, 12.0];

/// So many deviations tell that there is any.
const SURE: f64 = 6.0;

/// It takes more pulses to fall to a third: what falls faster is the receiver on its way down.
const LEAST_PULSES: f64 = 2.5;

/// Rates tried between none and that, and once more between those beside the best.
const RATES: i32 = 20;

/// Its shape is that of one exponential to this share of itself, and its rate to this share.
const SHAPE: f64 = 0.03;
const RATE: f64 = 0.03;

/// Glass under more than this share of lingering light is not looked at.
const MOST: f64 = 0.5;

/// Samples without light are this many deviations of the noise below nothing, by their mean.
const DARK_MEAN: f64 = -0.8;

/// Light that lingers around an end, in units of the receiver's noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lingering {
    /// Level of the noise.
    noise: f64,
    /// The sample where the light falls.
    at: f64,
    /// Light there.
    power: f64,
    power_sigma: f64,
    /// Rate at which it dies, a sample.
    rate: f64,
    rate_sigma: f64,
}

impl Lingering {
    /// What is seen behind a fall at a sample; none where that is nothing, or goes on as the fall does.
    pub(super) fn behind(trace: &Trace, fall: usize, noise: f64) -> Option<Self> {
        let pulse = trace.pulse().get() / trace.step_m();
        let [from, to] = SEEN.map(|pulses| fall + whole(pulses * pulse).max(2));
        let power = |level: &f64| {
            if trace.is_dark(*level) {
                DARK_MEAN
            } else {
                10_f64.powf((level - noise) / 5.0)
            }
        };
        let powers: Vec<f64> = trace.stretch(from, to).iter().map(power).collect();
        if powers.len() < 6 {
            return None;
        }
        let ahead = (from - fall) as f64;
        // How much less the samples are off with a tail of this rate, and its size at the fall.
        let tail = |rate: f64| {
            let (mut left, keeps) = ((-rate * ahead).exp(), (-rate).exp());
            let (mut own, mut seen) = (0.0, 0.0);
            for power in &powers {
                own += left * left;
                seen += left * power;
                left *= keeps;
            }
            (seen.max(0.0) * seen / own, seen / own)
        };
        let fastest = (LEAST_PULSES * pulse).recip();
        let best = |low: f64, high: f64| {
            let step = (high - low) / f64::from(RATES);
            let rates = (0..=RATES).map(|k| low + step * f64::from(k));
            let tried = rates.map(|rate| (rate, tail(rate).0));
            let best = tried.max_by(|a, b| a.1.total_cmp(&b.1));
            (best.map_or(low, |(rate, _)| rate), step)
        };
        let (rough, step) = best(0.0, fastest);
        if rough >= fastest - step / 2.0 {
            return None;
        }
        let (rate, _) = best((rough - step).max(0.0), rough + step);
        let (less, power) = tail(rate);
        if less < SURE * SURE {
            return None;
        }
        let (mut own, mut moment, mut square) = (0.0, 0.0, 0.0);
        for i in 0..powers.len() {
            let u = ahead + i as f64;
            let weight = (-2.0 * rate * u).exp();
            (own, moment, square) = (own + weight, moment + weight * u, square + weight * u * u);
        }
        let spread = square - moment * moment / own;
        let rate_sigma = (power * spread.max(1e-12).sqrt()).recip();
        Some(Self {
            noise,
            at: fall as f64,
            power,
            power_sigma: own.sqrt().recip().hypot(power * rate_sigma * moment / own),
            rate,
            rate_sigma,
        })
    }

    /// How much it is of the line's light at the fall.
    pub(super) fn share(&self, line: &Line) -> f64 {
        self.power / self.light(line)
    }

    fn light(&self, line: &Line) -> f64 {
        10_f64.powf((line.at(self.at) - self.noise) / 5.0)
    }

    fn power_at(&self, sample: f64) -> f64 {
        self.power * (-self.rate * (sample - self.at)).exp()
    }

    /// The trace without it, and the sample from which on it is taken off: before that there is too
    /// much of it beside the line's light.
    pub(super) fn taken_off(
        &self,
        trace: &Trace,
        line: &Line,
        [from, to]: [usize; 2],
    ) -> (Trace, usize) {
        let faint = |i: &usize| {
            let light = 10_f64.powf((line.at(*i as f64) - self.noise) / 5.0);
            self.power_at(*i as f64) < MOST * light
        };
        let last = whole(self.at);
        let from = (from..last).rev().take_while(faint).last().unwrap_or(last);
        let left = |(i, level): (usize, &f64)| {
            if trace.is_dark(*level) {
                return *level;
            }
            let power = 10_f64.powf((level - self.noise) / 5.0) - self.power_at((from + i) as f64);
            if power > 0.0 {
                self.noise + 5.0 * power.log10()
            } else {
                f64::NEG_INFINITY
            }
        };
        let levels = trace.stretch(from, to).iter().enumerate().map(left);
        (trace.replaced(from, levels), from)
    }

    /// What may be left of it around the fall, relative to a line.
    pub(super) fn left(&self, trace: &Trace, line: &Line) -> Lingers {
        let step = trace.step_m();
        let light = self.light(line);
        let share = self.power / light;
        let fade = -line.slope * crate::trace::power::POWER_A_DB;
        Lingers {
            sigma: (self.power_sigma / light).hypot(SHAPE * share),
            rate_sigma: share * self.rate_sigma.hypot(RATE * self.rate) / step,
            rate: (self.rate - fade) / step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::analyse;
    use crate::trace::synth::{Dice, Plan};

    fn plan(dice: &mut Dice) -> Plan {
        Plan {
            pulse_ns: 1_000.0,
            end_m: 12_000.0 + 50.0 * dice.uniform(),
            roughness_db: 0.002,
            dynamic_db: 20.0,
            receiver: 0.35,
            seed: dice.uniform().to_bits(),
            ..Plan::default()
        }
    }

    /// The plan's trace with light that lingers: a share of the glass's at the end, and how many pulses it
    /// takes to fall to a third.
    fn lingering(plan: &Plan, share: f64, pulses: f64) -> (Trace, f64) {
        let trace = plan.trace();
        let power = |level: f64| 10_f64.powf(level / 5.0);
        let end = trace.index_of(plan.end_m);
        let glass = power(trace.levels()[end - 60]);
        let mut dark = trace.stretch(4_500, 5_500).to_vec();
        let noise = crate::trace::line::quantile(&mut dark, 0.84);
        let length = pulses * plan.pulse_m() / trace.step_m();
        let tail = |i: usize| share * glass * ((end as f64 - i as f64) / length).exp();
        let own = |level: f64| {
            if trace.is_dark(level) {
                -0.8 * power(noise)
            } else {
                power(level)
            }
        };
        let from = end - 1_500;
        let levels = trace.levels().iter().enumerate().skip(from);
        let levels = levels.map(|(i, level)| {
            let both = own(*level) + tail(i);
            if both > 0.0 {
                5.0 * both.log10()
            } else {
                f64::NEG_INFINITY
            }
        });
        let levels: Vec<f64> = levels.collect();
        (trace.replaced(from, levels.into_iter()), noise)
    }

    #[test]
    fn an_end_on_light_that_lingers_lies_within_its_interval() {
        let mut dice = Dice::new(11);
        let (mut inside, mut count) = (0, 0);
        for _ in 0..30 {
            let plan = plan(&mut dice);
            let (trace, _) = lingering(&plan, dice.between(0.005, 0.1), dice.between(4.0, 9.0));
            let Some(end) = analyse(&trace).end else {
                continue;
            };
            let error = (end.at.get() - plan.end_m).abs();
            count += usize::from(error < plan.pulse_m());
            // These traces are drawn on a grid of a quarter of a sample.
            inside += usize::from(error <= end.plus_minus.get() + plan.step_m / 8.0);
        }
        assert!(count >= 26 && inside + 5 >= count, "{inside} of {count}");
    }

    #[test]
    fn what_lingers_is_measured_and_taken_off() {
        let mut dice = Dice::new(12);
        for _ in 0..10 {
            let plan = plan(&mut dice);
            let (trace, noise) = lingering(&plan, 0.05, 6.0);
            let fall = trace.index_of(plan.end_m + 0.7 * plan.pulse_m());
            let found = Lingering::behind(&trace, fall, noise).unwrap();
            let pulses = trace.step_m() / found.rate / plan.pulse_m();
            assert!((pulses / 6.0 - 1.0).abs() < 0.2, "{pulses}");
            let line = Line::robust(trace.stretch(fall - 600, fall - 100), fall - 600).unwrap();
            let (clear, _) = found.taken_off(&trace, &line, [fall - 600, fall + 300]);
            let lit = |trace: &Trace| {
                let behind = trace.stretch(fall + 100, fall + 300);
                behind.iter().filter(|level| **level > noise).count()
            };
            assert!(
                lit(&trace) > 150 && lit(&clear) < 60,
                "{} {}",
                lit(&trace),
                lit(&clear)
            );
        }
    }

    #[test]
    fn behind_an_end_that_is_dark_nothing_lingers() {
        let mut dice = Dice::new(13);
        for receiver in [0.3, 0.5, 0.9] {
            let plan = Plan {
                receiver,
                ..plan(&mut dice)
            };
            let (trace, noise) = lingering(&plan, 0.0, 6.0);
            let fall = trace.index_of(plan.end_m + 0.7 * plan.pulse_m());
            let found = Lingering::behind(&trace, fall, noise);
            assert_eq!(found, None, "{receiver}");
        }
    }
}
