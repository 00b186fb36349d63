//! Ends of many kinds drawn at random: how many are told where they are, elsewhere, or not at all.

use silkline_protocol::unit::Db;

use super::panel::{launched, recovering};
use crate::trace::synth::{Dice, Feature, Plan};
use crate::trace::{Trace, analyse};

/// Traces of each kind.
const DRAWN: u64 = 30;

/// A trace and where its fibre ends, if that can be told.
struct Drawn {
    trace: Trace,
    end_m: Option<f64>,
}

/// What was told of ends of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    right: u64,
    elsewhere: u64,
    none: u64,
}

fn told(draw: fn(u64, &mut Dice) -> Drawn) -> Told {
    let mut dice = Dice::new(8);
    let mut told = Told::default();
    for k in 1..=DRAWN {
        let Drawn { trace, end_m } = draw(k, &mut dice);
        let room = trace
            .pulse()
            .get()
            .max(3.0 * trace.settings().spacing.get());
        let place = match (analyse(&trace).end, end_m) {
            (None, None) => &mut told.right,
            (None, Some(_)) => &mut told.none,
            (Some(end), Some(at)) if (end.at.get() - at).abs() < room => &mut told.right,
            (Some(_), _) => &mut told.elsewhere,
        };
        *place += 1;
    }
    told
}

fn reflector(at_m: f64, loss_db: f64, reflectance_db: f64) -> Feature {
    Feature {
        at_m,
        loss_db,
        reflectance_db: Some(reflectance_db),
    }
}

fn pulses(seed: u64, of: &[f64]) -> f64 {
    let count = u64::try_from(of.len()).unwrap();
    of[usize::try_from(seed % count).unwrap()]
}

fn log_between(dice: &mut Dice, [low, high]: [f64; 2]) -> f64 {
    10_f64.powf(dice.between(f64::log10(low), f64::log10(high)))
}

/// The instrument: a pulse, samples, noise so far below the light at the end, and a receiver.
fn instrument(pulse_ns: f64, length_m: f64, over_db: f64, dice: &mut Dice) -> Plan {
    let pulse_m = pulse_ns * 0.102_1;
    let slow = dice.uniform() < 0.5;
    Plan {
        end_m: length_m,
        pulse_ns,
        step_m: (pulse_m / dice.between(2.5, 20.0)).max(0.08),
        range_m: 1.3 * length_m + 60.0 * pulse_m,
        dynamic_db: 0.2 * length_m / 1_000.0 + over_db,
        receiver: dice.between(0.1, 0.8),
        tails: slow
            .then(|| {
                [
                    10_f64.powf(dice.between(-4.0, -2.0)),
                    dice.between(1.0, 10.0),
                ]
            })
            .into_iter()
            .collect(),
        roughness_db: dice.between(0.003, 0.02),
        seed: dice.uniform().to_bits(),
        ..Plan::default()
    }
}

fn some_end(dice: &mut Dice) -> Option<f64> {
    (dice.uniform() < 0.7).then(|| -dice.between(14.0, 65.0))
}

/// A connector some pulses before the end.
fn pigtail(seed: u64, dice: &mut Dice) -> Drawn {
    let pulse_ns = pulses(seed, &[5.0, 10.0, 30.0, 100.0, 300.0, 1_000.0]);
    let pulse_m = pulse_ns * 0.102_1;
    let at = (dice.between(300.0, 4_000.0) + 20.0 * pulse_m).min(3_000.0 * pulse_m);
    let end_m = at + pulse_m * log_between(dice, [1.0, 10.0]);
    let over = dice.between(5.0, 20.0);
    let mut plan = instrument(pulse_ns, end_m, over, dice);
    plan.end_reflectance_db = some_end(dice);
    plan.features = vec![reflector(
        at,
        dice.between(0.05, 0.5),
        -dice.between(35.0, 60.0),
    )];
    Drawn {
        trace: plan.trace(),
        end_m: Some(end_m),
    }
}

/// Nothing connected.
fn nothing(seed: u64, dice: &mut Dice) -> Drawn {
    let plan = launched(seed, dice);
    Drawn {
        trace: recovering(&plan, dice),
        end_m: None,
    }
}

/// A patch cord.
fn patch(seed: u64, dice: &mut Dice) -> Drawn {
    let mut plan = launched(seed, dice);
    plan.end_m = log_between(dice, [10.0, 300.0]).max(2.0 * plan.pulse_m());
    plan.end_reflectance_db = some_end(dice);
    let end_m = Some(plan.end_m);
    Drawn {
        trace: recovering(&plan, dice),
        end_m,
    }
}

/// Light that fades into noise that the instrument smoothed.
fn smoothed(seed: u64, dice: &mut Dice) -> Drawn {
    let pulse_ns = pulses(seed, &[30.0, 100.0, 300.0, 1_000.0]);
    let far = dice.between(5_000.0, 60_000.0);
    let over = -dice.between(2.0, 6.0);
    let mut plan = instrument(pulse_ns, far, over, dice);
    plan.step_m = plan.step_m.max(far / 20_000.0);
    plan.range_m = far;
    plan.end_m = 2.0 * far;
    plan.slope_db_per_km = 0.2 + 4.0 * 1_000.0 / far;
    let trace = plan.trace();
    let width = usize::try_from(6 + seed % 15).unwrap();
    Drawn {
        trace: smooth(&trace, width),
        end_m: None,
    }
}

fn smooth(trace: &Trace, width: usize) -> Trace {
    let top = -25.0;
    let power = |level: &f64| 10_f64.powf((level - top) / 5.0);
    let powers: Vec<f64> = trace.levels().iter().map(power).collect();
    let mean = |i: usize| {
        let near = &powers[i.saturating_sub(width)..(i + width + 1).min(powers.len())];
        near.iter().sum::<f64>() / near.len() as f64
    };
    let levels = (0..powers.len()).map(|i| top + 5.0 * mean(i).max(1e-9).log10());
    let levels = levels.map(|level| (level * 1_000.0).round() / 1_000.0);
    Trace::new(*trace.settings(), levels.collect(), Some(Db::of(-70.0))).unwrap()
}

/// A fibre longer than the range.
fn beyond(seed: u64, dice: &mut Dice) -> Drawn {
    let mut plan = launched(seed, dice);
    plan.end_m = 200_000.0;
    plan.dynamic_db = 25.0;
    plan.range_m = dice.between(1_000.0, 20_000.0) + 20.0 * plan.pulse_m();
    let loss_db = dice.between(0.1, 3.0);
    plan.features.push(Feature {
        at_m: plan.range_m * dice.uniform(),
        loss_db,
        reflectance_db: seed.is_multiple_of(2).then(|| -dice.between(14.0, 50.0)),
    });
    Drawn {
        trace: recovering(&plan, dice),
        end_m: None,
    }
}

/// A cut in the first 200 m behind a bright connector.
fn near_cut(seed: u64, dice: &mut Dice) -> Drawn {
    let pulse_ns = pulses(seed, &[10.0, 30.0, 100.0, 300.0]);
    let launch = dice.between(0.0, 1.0) * 1_000.0;
    let at = launch + log_between(dice, [20.0, 200.0]);
    let over = dice.between(6.0, 20.0);
    let mut plan = instrument(pulse_ns, at, over, dice);
    plan.end_reflectance_db = some_end(dice);
    plan.features = vec![
        reflector(0.0, 0.0, -dice.between(35.0, 55.0)),
        reflector(launch, dice.between(0.1, 0.6), -dice.between(25.0, 50.0)),
    ];
    Drawn {
        trace: plan.trace(),
        end_m: Some(at),
    }
}

/// An end in the last samples, or before light that is near the noise.
fn last_samples(seed: u64, dice: &mut Dice) -> Drawn {
    let pulse_ns = pulses(seed, &[10.0, 100.0, 300.0, 1_000.0]);
    let at = dice.between(500.0, 4_000.0) + 30.0 * pulse_ns * 0.102_1;
    let over = dice.between(5.0, 20.0);
    let mut plan = instrument(pulse_ns, at, over, dice);
    plan.end_reflectance_db = some_end(dice);
    plan.range_m = at + plan.step_m * dice.between(1.0, 20.0);
    Drawn {
        trace: plan.trace(),
        end_m: Some(at),
    }
}

/// Light that fades into white noise.
fn fading(seed: u64, dice: &mut Dice) -> Drawn {
    let Drawn { trace, .. } = {
        let pulse_ns = pulses(seed, &[30.0, 100.0, 300.0, 1_000.0, 10_000.0]);
        let far = dice.between(5_000.0, 60_000.0) + 5.0 * pulse_ns;
        let over = -dice.between(2.0, 6.0);
        let mut plan = instrument(pulse_ns, far, over, dice);
        plan.step_m = plan.step_m.max(far / 20_000.0);
        plan.range_m = far;
        plan.end_m = 2.0 * far;
        plan.slope_db_per_km = 0.2 + 2.0 * 1_000.0 / far;
        Drawn {
            trace: plan.trace(),
            end_m: None,
        }
    };
    Drawn { trace, end_m: None }
}

/// A splitter whose legs end in different places.
fn legs(seed: u64, dice: &mut Dice) -> Drawn {
    let pulse_ns = pulses(seed, &[30.0, 100.0, 300.0]);
    let trunk = dice.between(1_000.0, 5_000.0);
    let count = [2, 4, 8][usize::try_from(seed % 3).unwrap()];
    let ends: Vec<f64> = (0..count)
        .map(|_| trunk + dice.between(100.0, 1_500.0))
        .collect();
    let far = ends.iter().copied().fold(0.0, f64::max);
    let over = dice.between(12.0, 22.0);
    let model = instrument(pulse_ns, far, over, dice);
    let top = -25.0;
    let mut sum: Vec<f64> = Vec::new();
    let mut first = None;
    for (k, end_m) in ends.iter().enumerate() {
        // Each leg alone with the trunk's share: together they make the whole.
        let loss_db = 5.0 * f64::from(count).log10();
        let plan = Plan {
            end_m: *end_m,
            end_reflectance_db: some_end(dice),
            features: vec![Feature {
                at_m: trunk,
                loss_db,
                reflectance_db: None,
            }],
            seed: model.seed.wrapping_add(u64::try_from(k).unwrap()),
            ..model.clone()
        };
        let trace = plan.trace();
        let powers = trace
            .levels()
            .iter()
            .map(|level| 10_f64.powf((level - top) / 5.0) / f64::from(count));
        if sum.is_empty() {
            sum = powers.collect();
        } else {
            for (sum, power) in sum.iter_mut().zip(powers) {
                *sum += power;
            }
        }
        first = Some(trace);
    }
    let trace = first.unwrap();
    let levels = sum.iter().map(|power| top + 5.0 * power.max(1e-9).log10());
    let levels = levels.map(|level| (level * 1_000.0).round() / 1_000.0);
    Drawn {
        trace: Trace::new(*trace.settings(), levels.collect(), Some(Db::of(-70.0))).unwrap(),
        end_m: Some(far),
    }
}

/// At least so many in a hundred are right, and no more are told elsewhere.
fn holds((name, draw): (&str, fn(u64, &mut Dice) -> Drawn), [right, elsewhere]: [u64; 2]) {
    let told = told(draw);
    let share = |part: u64| 100 * part / DRAWN;
    assert!(share(told.right) >= right, "{name}: {told:?}");
    assert!(share(told.elsewhere) <= elsewhere, "{name}: {told:?}");
}

#[test]
fn a_connector_some_pulses_before_the_end_is_no_end() {
    // The rest hide their pigtail: glass of a pulse or two in what the receiver recovers from.
    holds(("pigtail", pigtail), [60, 40]);
    holds(("near_cut", near_cut), [75, 25]);
}

#[test]
fn where_nothing_is_connected_hardly_an_end_is_told() {
    holds(("nothing", nothing), [80, 20]);
    // Most hide: a patch cord in a tail is not told, rather than told elsewhere.
    holds(("patch", patch), [5, 20]);
}

#[test]
fn light_that_fades_or_goes_on_has_no_end() {
    holds(("smoothed", smoothed), [97, 3]);
    holds(("fading", fading), [97, 3]);
    holds(("beyond", beyond), [93, 7]);
    holds(("last_samples", last_samples), [0, 3]);
}

#[test]
fn the_longest_leg_of_a_splitter_is_the_end_or_none_is_told() {
    holds(("legs", legs), [55, 40]);
}
