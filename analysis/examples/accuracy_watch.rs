//! How often watching a fibre is wrong, how small a change it finds, and whether its intervals hold.
//!
//! Traces of its own making, all from seeds: a launch that varies and ages, a scale and a zero that
//! drift, slow fading that one shot hands on to the next, noise smoothed by the receiver, a
//! connector that breathes, an instrument that grows louder. Run with `--long` for 10⁵ quiet shots
//! (some minutes); without, 5 000.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a report is printed; its own traces are as it made them"
)]

use silkline_analysis::trace::{Change, ChangeKind, Settings, Trace, Watch};
use silkline_protocol::unit::{Db, GroupIndex, LIGHT_M_PER_S, OpticalLength};

const QUIET: u64 = 5_000;
const QUIET_LONG: u64 = 100_000;

/// Shots a reference is learned from.
const LEARNED: u64 = 12;

/// Tries of one kind and size.
const TRIES: u64 = 200;

/// A seeded source of numbers: SplitMix64, normals by Box and Muller.
struct Dice {
    state: u64,
    spare: Option<f64>,
}

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self {
            state: seed ^ 0x5DEE_CE66_D1CE_4E5B,
            spare: None,
        };
        // Neighbouring seeds must not share a stream: the first draw is the new state.
        dice.state = dice.bits().wrapping_mul(0xD6E8_FEB8_6659_FD93);
        dice
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.bits() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.between(1e-300, 1.0).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.between(0.0, 1.0)).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}

/// How a fibre is measured.
#[derive(Clone, Copy)]
struct Plan {
    name: &'static str,
    pulse_ns: f64,
    step_m: f64,
    end_m: f64,
    /// Scatter of one sample near the panel, in decibels.
    rough_db: f64,
    /// Samples over which it is alike.
    alike: f64,
    /// One-way decibels to where signal and noise are equal.
    dynamic_db: f64,
    seed: u64,
}

const PLANS: [Plan; 4] = [
    Plan {
        name: "30 ns, 6 km",
        pulse_ns: 30.0,
        step_m: 2.0,
        end_m: 6_000.0,
        rough_db: 0.06,
        alike: 1.0,
        dynamic_db: 9.0,
        seed: 11,
    },
    Plan {
        name: "100 ns, smoothed, 10 km",
        pulse_ns: 100.0,
        step_m: 4.0,
        end_m: 10_000.0,
        rough_db: 0.04,
        alike: 6.0,
        dynamic_db: 11.0,
        seed: 22,
    },
    Plan {
        name: "1 us, 25 km",
        pulse_ns: 1_000.0,
        step_m: 10.0,
        end_m: 25_000.0,
        rough_db: 0.015,
        alike: 4.0,
        dynamic_db: 15.0,
        seed: 33,
    },
    Plan {
        name: "10 us, 80 km",
        pulse_ns: 10_000.0,
        step_m: 40.0,
        end_m: 80_000.0,
        rough_db: 0.008,
        alike: 8.0,
        dynamic_db: 28.0,
        seed: 44,
    },
];

/// What is done to a fibre.
#[derive(Clone, Copy, Default)]
struct Harm {
    loss: Option<(f64, f64)>,
    more_at_splice: f64,
    more_reflection: f64,
    end_m: Option<f64>,
}

/// A fibre as its instrument sees it without noise: linear power.
struct Glass {
    plan: Plan,
    power: Vec<f64>,
}

/// Where the splice and the connector are, as parts of the length.
const SPLICE: f64 = 0.3;
const CONNECTOR: f64 = 0.55;

impl Plan {
    fn pulse_m(&self) -> f64 {
        self.pulse_ns * 1e-9 * LIGHT_M_PER_S / 2.0 / 1.468_2
    }

    fn samples(&self) -> usize {
        ((1.12 * self.end_m + 6.0 * self.pulse_m()) / self.step_m) as usize
    }

    fn glass(&self, harm: &Harm) -> Glass {
        let fine = 4;
        let step = self.step_m / f64::from(fine);
        let end = harm.end_m.unwrap_or(self.end_m);
        let (splice, connector) = (SPLICE * self.end_m, CONNECTOR * self.end_m);
        let mut losses = vec![(splice, 0.15 + harm.more_at_splice), (connector, 0.3)];
        losses.extend(harm.loss);
        let count = self.samples() * fine as usize;
        let level = |at: f64| {
            let lost: f64 = losses
                .iter()
                .filter(|(place, _)| *place <= at)
                .map(|l| l.1)
                .sum();
            -0.2 * at / 1_000.0 - lost
        };
        let mut sums = vec![0.0];
        for i in 0..count {
            let at = i as f64 * step;
            let power = if at < end {
                10_f64.powf(level(at) / 5.0)
            } else {
                0.0
            };
            sums.push(sums[i] + power);
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
        let rise = |reflectance: f64| {
            10_f64.powf((reflectance + 82.0 - 10.0 * self.pulse_ns.log10()) / 10.0)
        };
        for (at, reflectance) in [
            (connector, -52.0 + harm.more_reflection),
            (self.end_m, -40.0),
        ] {
            if at < end + 0.1 {
                let height = rise(reflectance) * 10_f64.powf(level(at - 0.1) / 5.0);
                let (from, to) = (at / step, at / step + pulse);
                power
                    .iter_mut()
                    .take(to as usize)
                    .skip(from as usize)
                    .for_each(|p| *p += height);
            }
        }
        let keep = (-step / (0.3 * self.pulse_m())).exp();
        let mut state = 0.0;
        for power in &mut power {
            state = keep * state + (1.0 - keep) * *power;
            *power = state;
        }
        let power = power.into_iter().step_by(fine as usize).collect();
        Glass { plan: *self, power }
    }
}

/// What an instrument has become: nothing of it is the line's fault.
#[derive(Clone)]
struct Instrument {
    /// 0 when learned, 1 at the end of its life.
    age: f64,
    slow: [f64; 4],
}

impl Instrument {
    const NEW: Self = Self {
        age: 0.0,
        slow: [0.0; 4],
    };

    /// Slow fading goes on from shot to shot.
    fn next(&mut self, dice: &mut Dice) {
        self.slow
            .iter_mut()
            .for_each(|s| *s = 0.9 * *s + 0.435_9 * dice.normal());
    }
}

impl Glass {
    fn shot(&self, instrument: &Instrument, dice: &mut Dice) -> Trace {
        let plan = &self.plan;
        let age = instrument.age;
        let launch = 0.05 * dice.normal() - 0.3 * age;
        let scale = 1.0 + 0.001 * dice.normal() + 0.005 * age;
        let late = 0.05 * dice.normal() + 0.3 * age;
        let keep = (-1.0 / plan.alike).exp();
        let fresh = if plan.alike > 1.5 {
            (1.0 - keep * keep).sqrt()
        } else {
            1.0
        };
        let keep = if plan.alike > 1.5 { keep } else { 0.0 };
        let noise = 10_f64.powf(-plan.dynamic_db / 5.0) * (1.0 + 0.15 * age);
        let count = self.power.len();
        let mut rough = 0.0;
        let file = |power: f64| ((5.0 * power.log10() * scale - 10.0) * 1_000.0).round() / 1_000.0;
        let floor = file(noise * 0.02);
        let levels = (0..count).map(|i| {
            let at = (i as f64 - late).max(0.0);
            let low = (at as usize).min(count - 2);
            let power =
                self.power[low] + (self.power[low + 1] - self.power[low]) * (at - low as f64);
            rough = keep * rough + fresh * dice.normal();
            let share = i as f64 / count as f64;
            let slow: f64 = (1..)
                .zip(&instrument.slow)
                .map(|(k, s)| {
                    s * (std::f64::consts::PI * f64::from(k) * share).cos() / f64::from(k)
                })
                .sum();
            let db = plan.rough_db * (rough + 0.15 * slow) + launch;
            let power = power * 10_f64.powf(db / 5.0) + noise * dice.normal();
            file(power.max(noise * 0.02))
        });
        let settings = Settings {
            spacing: OpticalLength::of(plan.step_m),
            first: OpticalLength::of(0.0),
            launch: OpticalLength::of(0.0),
            pulse_ns: plan.pulse_ns,
            group_index: GroupIndex::of(1.468_2),
            wavelength: None,
            backscatter: Some(Db::of(-82.0)),
            loss_threshold: None,
        };
        Trace::new(settings, levels.collect(), Some(Db::of(floor))).unwrap()
    }
}

fn learned(plan: &Plan) -> (Watch, Instrument) {
    let (mut dice, mut instrument) = (Dice::new(plan.seed), Instrument::NEW);
    let glass = plan.glass(&Harm::default());
    let mut shots = Vec::new();
    for _ in 0..LEARNED {
        (0..10).for_each(|_| instrument.next(&mut dice));
        shots.push(glass.shot(&instrument, &mut dice));
    }
    (Watch::learn(&shots).unwrap(), instrument)
}

fn quiet(shots: u64) {
    println!("quiet fibres, {shots} shots; launch, scale, zero and noise age through them");
    let mut all = 0;
    for plan in &PLANS {
        let (watch, mut instrument) = learned(plan);
        let glass = plan.glass(&Harm::default());
        let mut dice = Dice::new(plan.seed + 1_000);
        let each = shots / PLANS.len() as u64;
        let (mut wrong, mut kinds) = (0, Vec::new());
        for shot in 0..each {
            instrument.age = shot as f64 / each as f64;
            instrument.next(&mut dice);
            let found = watch
                .examine(&[glass.shot(&instrument, &mut dice)])
                .unwrap();
            wrong += u64::from(!found.changes.is_empty());
            kinds.extend(
                found
                    .changes
                    .iter()
                    .map(|c| (shot, c.kind, c.at.get().round(), c.delta.get())),
            );
        }
        kinds.truncate(6);
        println!(
            "  {:<26} seed {:>3}: {wrong} false in {each} {kinds:?}",
            plan.name, plan.seed
        );
        all += wrong;
    }
    println!("  together {all} in {shots}; at most 1 in 50000 asked");
}

/// Tallies of one kind and size.
#[derive(Default)]
struct Tally {
    found: u64,
    placed: u64,
    sized: u64,
    sizes: u64,
    extra: u64,
    half_m: f64,
}

impl Tally {
    fn take(&mut self, changes: &[Change], kind: ChangeKind, at: f64, size: Option<f64>) {
        let near = |c: &&Change| {
            c.kind == kind && (c.at.get() - at).abs() < 5.0 * c.plus_minus.get() + 60.0
        };
        let Some(change) = changes.iter().find(near) else {
            self.extra += u64::from(!changes.is_empty());
            return;
        };
        self.found += 1;
        self.extra += u64::from(changes.len() > 1);
        self.placed += u64::from((change.at.get() - at).abs() <= change.plus_minus.get());
        self.half_m += change.plus_minus.get();
        if let (Some(size), Some(half)) = (size, change.delta_plus_minus) {
            self.sizes += 1;
            self.sized += u64::from((change.delta.get() - size).abs() <= half.get());
        }
    }

    fn print(&self, what: &str) {
        let share = |part: u64, of: u64| {
            if of == 0 {
                f64::NAN
            } else {
                100.0 * part as f64 / of as f64
            }
        };
        println!(
            "    {what:<26} found {:5.1} %  place inside {:5.1} % (± {:7.1} m)  size inside {:5.1} %  others {}",
            share(self.found, TRIES),
            share(self.placed, self.found),
            self.half_m / self.found.max(1) as f64,
            share(self.sized, self.sizes),
            self.extra
        );
    }
}

/// A harm, where it is, and its size where it has one.
type Drawn = (Harm, f64, Option<f64>);

/// One plan, learned, with what draws its shots.
struct Bench {
    plan: Plan,
    watch: Watch,
    instrument: Instrument,
    dice: Dice,
}

impl Bench {
    fn run(&mut self, what: &str, kind: ChangeKind, draw: &dyn Fn(&mut Dice) -> Drawn) {
        let mut tally = Tally::default();
        for _ in 0..TRIES {
            self.instrument.next(&mut self.dice);
            self.instrument.age = self.dice.between(0.0, 0.5);
            let (harm, at, size) = draw(&mut self.dice);
            let shot = self
                .plan
                .glass(&harm)
                .shot(&self.instrument, &mut self.dice);
            tally.take(
                &self.watch.examine(&[shot]).unwrap().changes,
                kind,
                at,
                size,
            );
        }
        tally.print(what);
    }
}

fn power(plan: &Plan) {
    println!("  {} (seed {})", plan.name, plan.seed);
    let (watch, instrument) = learned(plan);
    let mut bench = Bench {
        plan: *plan,
        watch,
        instrument,
        dice: Dice::new(plan.seed + 2_000),
    };
    let end = plan.end_m;
    for size in [0.03, 0.06, 0.12, 0.3, 1.0] {
        bench.run(
            &format!("new loss {size} dB"),
            ChangeKind::NewLoss,
            &|dice| {
                let near = dice.between(0.0, 1.0) < 0.5;
                let at = end
                    * if near {
                        dice.between(0.34, 0.5)
                    } else {
                        dice.between(0.62, 0.9)
                    };
                (
                    Harm {
                        loss: Some((at, size)),
                        ..Harm::default()
                    },
                    at,
                    Some(size),
                )
            },
        );
    }
    bench.run("splice loses 0.2 dB more", ChangeKind::LossChange, &|_| {
        (
            Harm {
                more_at_splice: 0.2,
                ..Harm::default()
            },
            SPLICE * end,
            Some(0.2),
        )
    });
    bench.run(
        "connector reflects 6 dB more",
        ChangeKind::ReflectanceChange,
        &|_| {
            (
                Harm {
                    more_reflection: 6.0,
                    ..Harm::default()
                },
                CONNECTOR * end,
                Some(6.0),
            )
        },
    );
    bench.run("break", ChangeKind::Break, &|dice| {
        let at = end * dice.between(0.15, 0.95);
        (
            Harm {
                end_m: Some(at),
                ..Harm::default()
            },
            at,
            None,
        )
    });
}

fn main() {
    let long = std::env::args().any(|argument| argument == "--long");
    quiet(if long { QUIET_LONG } else { QUIET });
    println!("changes, {TRIES} shots each, reference of {LEARNED} shots; intervals are of 95 %");
    PLANS.iter().for_each(power);
}
