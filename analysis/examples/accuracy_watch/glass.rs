//! Fibres, what is done to them, and instruments that age: shots with known truth.

use std::f64::consts::{LN_10, PI};

use silkline_analysis::trace::{Settings, Trace};
use silkline_protocol::unit::{Db, GroupIndex, LIGHT_M_PER_S, OpticalLength};

use crate::dice::Dice;

/// How a fibre is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) pulse_ns: f64,
    pub(crate) step_m: f64,
    pub(crate) end_m: f64,
    /// Scatter of one sample near the panel, in decibels.
    pub(crate) rough_db: f64,
    /// Samples over which it is alike.
    pub(crate) alike: f64,
    /// One-way decibels to where signal and noise are equal.
    pub(crate) dynamic_db: f64,
    /// The receiver's time constant, in pulses.
    pub(crate) receiver: f64,
}

const fn plan(name: &'static str, pulse_ns: f64, step_m: f64, end_m: f64) -> Plan {
    Plan {
        name,
        pulse_ns,
        step_m,
        end_m,
        rough_db: 0.0,
        alike: 1.0,
        dynamic_db: 0.0,
        receiver: 0.35,
    }
}

impl Plan {
    const fn noisy(self, rough_db: f64, alike: f64, dynamic_db: f64) -> Self {
        Self {
            rough_db,
            alike,
            dynamic_db,
            ..self
        }
    }
}

/// The strata.
pub(crate) const PLANS: [Plan; 7] = [
    plan("30 ns, 6 km", 30.0, 2.0, 6_000.0).noisy(0.06, 1.0, 9.0),
    plan("100 ns, smoothed, 10 km", 100.0, 4.0, 10_000.0).noisy(0.04, 6.0, 11.0),
    plan("300 ns, 20 km", 300.0, 5.0, 20_000.0).noisy(0.02, 2.0, 12.0),
    plan("1 us, 25 km", 1_000.0, 10.0, 25_000.0).noisy(0.015, 4.0, 15.0),
    plan("3 us, 50 km", 3_000.0, 20.0, 50_000.0).noisy(0.01, 3.0, 18.0),
    plan("10 us, 80 km", 10_000.0, 40.0, 80_000.0).noisy(0.008, 8.0, 28.0),
    plan("20 us, 120 km", 20_000.0, 100.0, 120_000.0).noisy(0.006, 4.0, 36.0),
];

/// What is done to a fibre.
#[derive(Clone, Copy, Default)]
pub(crate) struct Harm {
    /// A loss of its own: place and decibels.
    pub(crate) loss: Option<(f64, f64)>,
    pub(crate) more_at_splice: f64,
    pub(crate) more_at_connector: f64,
    /// Splice and connector elsewhere, as parts of the length.
    pub(crate) places: Option<[f64; 2]>,
    pub(crate) more_reflection: f64,
    /// The fibre ends elsewhere: place and reflectance.
    pub(crate) end: Option<(f64, Option<f64>)>,
    /// Lost evenly, in decibels over the whole length.
    pub(crate) even: f64,
}

/// Where the splice and the connector are, as parts of the length.
pub(crate) const SPLICE: f64 = 0.3;
pub(crate) const CONNECTOR: f64 = 0.55;

/// What the connector reflects at least, and how it breathes from shot to shot, in decibels.
const REFLECTS: f64 = -52.0;
const BREATHES: f64 = 0.2;

/// Steps in which light is followed: at least so many a sample, and so many a pulse. What rises
/// within one would else be seen a good part of a sample before it is there.
const FINE_A_SAMPLE: f64 = 4.0;
const FINE_A_PULSE: f64 = 40.0;

/// A fibre as its instrument sees it without noise: linear power, in fine steps.
pub(crate) struct Glass {
    plan: Plan,
    power: Vec<f64>,
    /// What the connector adds at its usual reflectance.
    connector: Vec<f64>,
}

impl Plan {
    pub(crate) fn pulse_m(&self) -> f64 {
        self.pulse_ns * 1e-9 * LIGHT_M_PER_S / 2.0 / 1.468_2
    }

    fn samples(&self) -> usize {
        ((1.12 * self.end_m + 6.0 * self.pulse_m()) / self.step_m) as usize
    }

    /// Steps a sample.
    fn fine(&self) -> usize {
        let a_pulse = FINE_A_PULSE * self.step_m / self.pulse_m();
        a_pulse.max(FINE_A_SAMPLE).ceil() as usize
    }

    fn fine_m(&self) -> f64 {
        self.step_m / self.fine() as f64
    }

    pub(crate) fn glass(&self, harm: &Harm) -> Glass {
        let step = self.fine_m();
        let (end, bright) = harm.end.unwrap_or_else(|| (self.end_m, Some(-40.0)));
        let places = harm.places.unwrap_or([SPLICE, CONNECTOR]);
        let [splice, connector] = places.map(|part| part * self.end_m);
        let mut losses = vec![
            (splice, 0.15 + harm.more_at_splice),
            (connector, 0.3 + harm.more_at_connector),
        ];
        losses.extend(harm.loss);
        let fall = 0.2e-3 + harm.even / self.end_m;
        let level = |at: f64| {
            let lost = losses.iter().filter(|(place, _)| *place <= at);
            -fall * at - lost.map(|l| l.1).sum::<f64>()
        };
        let count = self.samples() * self.fine();
        let mut sums = vec![0.0];
        let (mut power, keep) = (1.0, (-fall * step * LN_10 / 5.0).exp());
        for i in 0..count {
            let at = i as f64 * step;
            let mut here = power;
            for (place, lost) in losses.iter().filter(|l| at <= l.0 && l.0 < at + step) {
                // The part of the step that lies behind.
                let behind = 1.0 - (place - at) / step;
                here *= 1.0 - behind * (1.0 - ten(-lost));
                power *= ten(-lost);
            }
            sums.push(sums[i] + here * ((end - at) / step).clamp(0.0, 1.0));
            power *= keep;
        }
        let pulse = (self.pulse_m() / step).max(1.0);
        let sum_at = |at: f64| {
            let at = at.clamp(0.0, count as f64);
            let low = (at as usize).min(count - 1);
            sums[low] + (sums[low + 1] - sums[low]) * (at - low as f64)
        };
        let mut power: Vec<f64> = (0..count)
            .map(|i| (sum_at(i as f64) - sum_at(i as f64 - pulse)) / pulse)
            .collect();
        let mut peak = vec![0.0; count];
        if connector < end {
            // In long pulses it takes more to stand out of the glass.
            let usual = REFLECTS.max(10.0 * self.pulse_ns.log10() - 82.0);
            let height = self.rise(usual + harm.more_reflection);
            self.add(&mut peak, connector, height * ten(level(connector - 0.1)));
        }
        if let Some(reflectance) = bright {
            self.add(
                &mut power,
                end,
                self.rise(reflectance) * ten(level(end - 0.1)),
            );
        }
        Glass {
            plan: *self,
            power: self.received(power),
            connector: self.received(peak),
        }
    }

    /// What a reflection adds, as a part of the glass's power.
    fn rise(&self, reflectance: f64) -> f64 {
        10_f64.powf((reflectance + 82.0 - 10.0 * self.pulse_ns.log10()) / 10.0)
    }

    fn add(&self, power: &mut [f64], at: f64, height: f64) {
        let step = self.fine_m();
        let (from, to) = (at / step, (at + self.pulse_m()) / step);
        for (i, power) in power.iter_mut().enumerate().skip(from as usize) {
            // The part of this step that the pulse covers.
            let covered = (i as f64 + 0.5).min(to) - (i as f64 - 0.5).max(from);
            if i as f64 > to + 1.0 {
                break;
            }
            *power += height * covered.clamp(0.0, 1.0);
        }
    }

    /// One pole.
    fn received(&self, mut power: Vec<f64>) -> Vec<f64> {
        let step = self.fine_m();
        let reach = self.receiver * self.pulse_m();
        let keep = (-step / reach).exp();
        // The exact answer to light that changes evenly within a step.
        let mean = (1.0 - keep) * reach / step;
        let (mut state, mut before) = (0.0, 0.0);
        for power in &mut power {
            state = keep * state + (1.0 - mean) * *power + (mean - keep) * before;
            before = *power;
            *power = state;
        }
        power
    }
}

fn ten(one_way_db: f64) -> f64 {
    10_f64.powf(one_way_db / 5.0)
}

/// What an instrument has become: nothing of it is the line's fault.
#[derive(Clone)]
pub(crate) struct Instrument {
    /// 0 when learned, 1 at the end of its life.
    pub(crate) age: f64,
    slow: [f64; 4],
}

impl Instrument {
    pub(crate) const NEW: Self = Self {
        age: 0.0,
        slow: [0.0; 4],
    };

    /// Slow fading goes on from shot to shot.
    pub(crate) fn next(&mut self, dice: &mut Dice) {
        self.slow
            .iter_mut()
            .for_each(|s| *s = 0.9 * *s + 0.435_9 * dice.normal());
    }
}

/// What varies from shot to shot.
struct Luck {
    launch: f64,
    scale: f64,
    late: f64,
    noise: f64,
    breath: f64,
}

impl Glass {
    pub(crate) fn shot(&self, instrument: &Instrument, dice: &mut Dice) -> Trace {
        let plan = &self.plan;
        let fine = plan.fine();
        let age = instrument.age;
        let luck = Luck {
            launch: 0.05 * dice.normal() - 0.3 * age,
            scale: 1.0 + 0.001 * dice.normal() + 0.005 * age,
            late: 0.05 * dice.normal() + 0.3 * age,
            noise: 10_f64.powf(-plan.dynamic_db / 5.0) * (1.0 + 0.15 * age),
            breath: 10_f64.powf(BREATHES * dice.normal() / 10.0),
        };
        let slow = self.slow(instrument);
        let noise = luck.noise;
        let file =
            |power: f64| ((5.0 * power.log10() * luck.scale - 10.0) * 1_000.0).round() / 1_000.0;
        let keep = if plan.alike > 1.5 {
            (-1.0 / plan.alike).exp()
        } else {
            0.0
        };
        let fresh = (1.0_f64 - keep * keep).sqrt();
        let mut rough = 0.0;
        let count = self.power.len();
        let levels = (0..count / fine).map(|i| {
            let at = ((i as f64 - luck.late) * fine as f64).max(0.0);
            let low = (at as usize).min(count - 2);
            let sample = |i: usize| self.power[i] + luck.breath * self.connector[i];
            let power = sample(low) + (sample(low + 1) - sample(low)) * (at - low as f64);
            rough = keep * rough + fresh * dice.normal();
            let db = plan.rough_db * (rough + 0.15 * slow[i]) + luck.launch;
            let power = power * (db * LN_10 / 5.0).exp() + noise * dice.normal();
            file(power.max(noise * 0.02))
        });
        let levels = levels.collect();
        Trace::new(self.settings(), levels, Some(Db::of(file(noise * 0.02)))).unwrap()
    }

    /// Fading that one shot hands on to the next, sample by sample.
    fn slow(&self, instrument: &Instrument) -> Vec<f64> {
        let count = self.power.len() / self.plan.fine();
        let mut slow = vec![0.0; count];
        for (k, s) in (1..).zip(&instrument.slow) {
            let step = PI * f64::from(k) / count as f64;
            let twice = 2.0 * step.cos();
            let (mut before, mut here) = (step.cos(), 1.0);
            for value in &mut slow {
                *value += s * here / f64::from(k);
                (before, here) = (here, twice * here - before);
            }
        }
        slow
    }

    fn settings(&self) -> Settings {
        Settings {
            spacing: OpticalLength::of(self.plan.step_m),
            first: OpticalLength::of(0.0),
            launch: OpticalLength::of(0.0),
            pulse_ns: self.plan.pulse_ns,
            group_index: GroupIndex::of(1.468_2),
            wavelength: None,
            backscatter: Some(Db::of(-82.0)),
            loss_threshold: None,
        }
    }
}
