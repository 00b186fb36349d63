//! Fibres longer than the range, behind a launch that a receiver recovers from.

use silkline_protocol::unit::Db;

use crate::trace::synth::{Dice, Feature, Plan};
use crate::trace::{Trace, analyse};

/// What a receiver shows that recovers from the instrument's own connector, and of glass up to the
/// plan's end.
pub(super) fn recovering(plan: &Plan, dice: &mut Dice) -> Trace {
    let trace = plan.trace();
    let pulse = plan.pulse_m();
    let tails: Vec<[f64; 2]> = (0..2)
        .map(|_| {
            let share = 10_f64.powf(dice.between(-4.0, -1.5));
            [share, pulse * dice.between(1.0, 12.0)]
        })
        .collect();
    let top = -25.0;
    let height = 10_f64.powf((trace.levels().iter().copied().fold(f64::MIN, f64::max) - top) / 5.0);
    let power = |(i, level): (usize, &f64)| {
        let at = trace.position(i as f64).get() - pulse;
        let tail = |[share, far]: &[f64; 2]| share * height * (-at / far).exp();
        let left: f64 = tails.iter().map(tail).filter(|_| at > 0.0).sum();
        let level = top + 5.0 * (10_f64.powf((level - top) / 5.0) + left).max(1e-9).log10();
        (level * 1_000.0).round() / 1_000.0
    };
    let levels = trace.levels().iter().enumerate().map(power).collect();
    Trace::new(*trace.settings(), levels, Some(Db::of(-70.0))).unwrap()
}

pub(super) fn launched(seed: u64, dice: &mut Dice) -> Plan {
    let pulses = [10.0, 30.0, 100.0, 300.0, 1_000.0];
    let pulse_ns = pulses[usize::try_from(seed).unwrap() % pulses.len()];
    Plan {
        end_m: 0.0,
        features: vec![Feature {
            at_m: 0.0,
            loss_db: 0.0,
            reflectance_db: Some(-dice.between(14.0, 45.0)),
        }],
        pulse_ns,
        step_m: (pulse_ns * 0.102 / dice.between(2.5, 20.0)).max(0.1),
        range_m: 3_000.0 + 100.0 * pulse_ns * 0.102,
        dynamic_db: dice.between(6.0, 20.0),
        receiver: dice.between(0.2, 0.8),
        roughness_db: 0.005,
        seed,
        ..Plan::default()
    }
}

#[test]
fn a_fibre_longer_than_the_range_has_no_end() {
    let (mut dice, mut wrong) = (Dice::new(8), 0);
    for seed in 1..=60 {
        let mut plan = launched(seed, &mut dice);
        plan.end_m = 200_000.0;
        plan.dynamic_db = 25.0;
        plan.range_m = dice.between(1_000.0, 20_000.0) + 20.0 * plan.pulse_m();
        plan.features.push(Feature {
            at_m: plan.range_m * dice.uniform(),
            loss_db: dice.between(0.1, 3.0),
            reflectance_db: (seed % 2 == 0).then(|| -dice.between(14.0, 50.0)),
        });
        let found = analyse(&recovering(&plan, &mut dice));
        wrong += usize::from(found.end.is_some());
    }
    assert!(wrong <= 1, "{wrong} of 60");
}
