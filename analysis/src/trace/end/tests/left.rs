//! Ends behind which instruments leave light: tails, pedestals, smoothed noise, cut-off peaks.

use silkline_protocol::unit::Db;

use crate::trace::event::EventKind;
use crate::trace::synth::{Dice, Feature, Plan};
use crate::trace::{Trace, analyse};

/// The plan's trace with the power of every sample changed: `more` gives what is left there,
/// relative to the light at the launch, from metres behind the end.
fn left(plan: &Plan, more: impl Fn(f64) -> f64, smooth: usize) -> Trace {
    let trace = plan.trace();
    let top = -25.0;
    let power = |(i, level): (usize, &f64)| {
        let behind = trace.position(i as f64).get() - plan.end_m;
        10_f64.powf((level - top) / 5.0) + more(behind)
    };
    let powers: Vec<f64> = trace.levels().iter().enumerate().map(power).collect();
    let mean = |i: usize| {
        let near = &powers[i.saturating_sub(smooth)..(i + smooth + 1).min(powers.len())];
        near.iter().sum::<f64>() / near.len() as f64
    };
    let level = |i: usize| top + 5.0 * mean(i).max(1e-9).log10();
    let levels = (0..powers.len()).map(level);
    let levels = levels.map(|level| (level * 1_000.0).round() / 1_000.0);
    Trace::new(*trace.settings(), levels.collect(), Some(Db::of(-70.0))).unwrap()
}

/// A short fibre at 100 ns as handheld instruments show it.
fn short(seed: u64) -> Plan {
    Plan {
        end_m: 860.0 + 3.7 * seed as f64,
        pulse_ns: 100.0,
        step_m: 1.0,
        range_m: 12_000.0,
        roughness_db: 0.002,
        dynamic_db: 24.0,
        receiver: 0.4,
        seed,
        ..Plan::default()
    }
}

#[test]
fn a_deep_fall_onto_light_that_lasts_is_an_end() {
    let mut ends = 0;
    // A receiver's slow tail, 20 dB below the glass, in noise smoothed over 40 m.
    for seed in 1..12 {
        let plan = Plan {
            dynamic_db: 21.0,
            ..short(seed)
        };
        let pedestal = |behind: f64| {
            let tail = 0.01 * (-behind / 18.0).exp() + 4.0e-5 * (-behind / 350.0).exp();
            f64::from(u8::from(behind > 0.0)) * tail
        };
        let found = analyse(&left(&plan, pedestal, 20));
        let off = found.end.map(|end| (end.at.get() - plan.end_m).abs());
        ends += usize::from(off.is_some_and(|off| off < 30.0));
        let far = |at: f64| at > plan.end_m + 40.0;
        let beyond = found.events.iter().filter(|event| far(event.at.get()));
        assert!(beyond.count() < 4, "seed {seed}: {:?}", found.events);
    }
    assert!(ends >= 9, "{ends} of 11");
}

#[test]
fn the_cut_top_of_the_ends_peak_is_no_glass() {
    for seed in 1..12 {
        let plan = Plan {
            end_reflectance_db: Some(-16.0),
            pulse_ns: 300.0,
            step_m: 0.5,
            ..short(seed)
        };
        let trace = left(&plan, |_| 0.0, 0);
        let limit = -25.0 + 4.0;
        let cut = trace.levels().iter().map(|level| level.min(limit));
        let trace = Trace::new(*trace.settings(), cut.collect(), Some(Db::of(-70.0))).unwrap();
        let end = analyse(&trace).end;
        let off = end.map(|end| (end.at.get() - plan.end_m).abs());
        assert!(off.is_some_and(|off| off < 6.0), "seed {seed}: {end:?}");
    }
}

#[test]
fn a_tail_that_falls_through_the_old_level_into_the_noise_is_no_glass() {
    // A bright end lingers: 0.3 % of its peak over twenty pulses, in light that is three decibels over the noise.
    for seed in 1..12 {
        let plan = Plan {
            end_reflectance_db: Some(-16.0),
            pulse_ns: 10.0,
            step_m: 0.2,
            range_m: 3_000.0,
            dynamic_db: 3.0,
            roughness_db: 0.01,
            ..short(seed)
        };
        let lingers =
            |behind: f64| f64::from(u8::from(behind > 1.0)) * 2.0 * (-behind / 20.0).exp();
        let end = analyse(&left(&plan, lingers, 0)).end;
        let off = end.map(|end| (end.at.get() - plan.end_m).abs());
        assert!(off.is_some_and(|off| off < 2.0), "seed {seed}: {end:?}");
    }
}

#[test]
fn a_tail_in_many_windows_is_no_glass_where_nothing_tells_the_noise() {
    // Windows of eight metres in a tail of two hundred, behind which the instrument writes "no light".
    for seed in 1..12 {
        let plan = Plan {
            end_m: 3_600.0 + 3.7 * seed as f64,
            end_reflectance_db: Some(-17.0),
            pulse_ns: 10.0,
            step_m: 0.16,
            range_m: 4_100.0,
            dynamic_db: 7.0,
            roughness_db: 0.05,
            ..short(seed)
        };
        let lingers = |behind: f64| match behind {
            ..1.0 => 0.0,
            1.0..200.0 => 1.6 * (-behind / 55.0).exp() + 0.1 * (-behind / 150.0).exp(),
            _ => -9.0,
        };
        let end = analyse(&left(&plan, lingers, 0)).end;
        let off = end.map(|end| (end.at.get() - plan.end_m).abs());
        assert!(off.is_some_and(|off| off < 1.0), "seed {seed}: {end:?}");
    }
}

#[test]
fn a_peak_that_begins_in_a_noisy_window_ends_the_fibre() {
    let mut ends = 0;
    // The leg behind a splitter: 1.5 dB over the noise, its end reflects.
    let mut dice = Dice::new(9);
    for seed in 1..30 {
        let plan = Plan {
            end_m: 1_500.0 + dice.between(0.0, 30.0),
            end_reflectance_db: Some(-55.0),
            pulse_ns: 100.0,
            step_m: 0.25,
            range_m: 4_000.0,
            dynamic_db: 3.5,
            ..short(seed)
        };
        let found = analyse(&left(&plan, |_| 0.0, 0));
        let at = found.end.map(|end| (end.at.get() - plan.end_m).abs());
        ends += usize::from(at.is_some_and(|off| off < 1.0));
    }
    assert!(ends >= 21, "{ends} of 29");
}

#[test]
fn where_no_end_is_seen_noise_holds_no_events() {
    for seed in 1..20 {
        let plan = Plan {
            end_m: 29_000.0,
            dynamic_db: 3.0,
            range_m: 60_000.0,
            seed,
            ..Plan::default()
        };
        let found = analyse(&left(&plan, |_| 0.0, 12));
        let dark = |at: f64| at > 32_000.0;
        let there = found
            .events
            .iter()
            .filter(|event| event.kind != EventKind::End && dark(event.at.get()));
        assert_eq!(there.count(), 0, "seed {seed}: {:?}", found.events);
    }
}

#[test]
fn a_level_pedestal_is_no_light_of_glass() {
    // Seven decibels below the glass, to the last sample: an offset of the receiver.
    for (seed, smooth) in [(1, 0), (2, 0), (3, 0), (4, 12), (5, 12), (6, 12)] {
        let plan = Plan {
            dynamic_db: 10.0,
            ..short(seed)
        };
        let found = analyse(&left(&plan, |_| 0.04, smooth));
        let off = found.end.map(|end| (end.at.get() - plan.end_m).abs());
        let room = 12.0 + smooth as f64;
        assert!(off.is_some_and(|off| off < room), "seed {seed}: {off:?}");
    }
}

#[test]
fn glass_that_goes_on_far_below_the_glass_before_it_is_light() {
    // Behind a splitter the leg goes on behind the last sample, and falls.
    for seed in 1..6 {
        let splitter = Feature {
            at_m: 4_000.0,
            loss_db: 9.0,
            reflectance_db: None,
        };
        let plan = Plan {
            end_m: 20_000.0,
            features: vec![splitter],
            ..short(seed)
        };
        let found = analyse(&plan.trace());
        assert_eq!(found.end, None, "seed {seed}");
        let there = found.events.iter().map(|event| event.at.get());
        let near = there
            .map(|at| (at - 4_000.0).abs())
            .fold(f64::MAX, f64::min);
        assert!(near < 3.0, "seed {seed}: {near}");
    }
}

#[test]
fn a_short_patch_between_a_bright_connector_and_the_end_is_glass() {
    for seed in 1..16 {
        let connector = Feature {
            at_m: 3_000.0,
            loss_db: 0.2,
            reflectance_db: Some(-38.0),
        };
        let gap = 80.0 + 2.0 * seed as f64;
        let plan = Plan {
            end_m: 3_000.0 + gap,
            features: vec![connector],
            step_m: 2.0,
            dynamic_db: 9.0,
            range_m: 6_000.0,
            ..short(seed)
        };
        let end = analyse(&plan.trace()).end;
        let off = end.map(|end| (end.at.get() - plan.end_m).abs());
        assert!(off.is_some_and(|off| off < 10.0), "gap {gap}: {end:?}");
    }
}
