//! Events of known place and size.

use super::*;
use crate::trace::Trace;
use crate::trace::analyse;
use crate::trace::synth::{Dice, Feature, Plan};
use silkline_protocol::unit::Db;

fn feature(at_m: f64, loss_db: f64, reflectance_db: Option<f64>) -> Feature {
    Feature {
        at_m,
        loss_db,
        reflectance_db,
    }
}

fn near(event: &Event, at_m: f64, metres: f64) -> bool {
    (event.at.get() - at_m).abs() < metres
}

#[test]
fn splices_connectors_and_gainers_are_found_and_nothing_else() {
    let plan = Plan {
        features: vec![
            feature(3_000.0, 0.3, None),
            feature(7_000.0, 0.5, Some(-45.0)),
            feature(11_000.0, -0.2, None),
            feature(15_000.0, 0.1, None),
        ],
        end_reflectance_db: Some(-30.0),
        ..Plan::default()
    };
    let events = analyse(&plan.trace()).events;
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    use EventKind::{End, Gain, Loss, Reflective};
    assert_eq!(kinds, [Loss, Reflective, Gain, Loss, End], "{events:?}");
    for (event, feature) in events.iter().zip(&plan.features) {
        assert!(near(event, feature.at_m, 20.0), "{event:?}");
        let loss = event.loss.unwrap().get();
        assert!((loss - feature.loss_db).abs() < 0.04, "{event:?}");
    }
    let reflectance = events[1].reflectance.unwrap().get();
    assert!((reflectance + 45.0).abs() < 1.5, "{reflectance}");
}

#[test]
fn quiet_glass_has_no_events() {
    let mut false_events = 0;
    for seed in 0..60 {
        let plan = Plan {
            seed,
            ..Plan::default()
        };
        false_events += analyse(&plan.trace()).events.len() - 1;
    }
    assert!(
        false_events <= 2,
        "{false_events} false events in 60 traces"
    );
}

#[test]
fn losses_and_places_lie_within_their_intervals() {
    let (mut places, mut losses, mut found, mut count) = (0, 0, 0, 0);
    let mut dice = Dice::new(3);
    for seed in 0..60 {
        let feature = feature(
            dice.between(5_000.0, 14_000.0),
            dice.between(0.08, 0.6),
            None,
        );
        let receiver = dice.between(0.05, 0.5);
        let plan = Plan {
            features: vec![feature],
            seed,
            receiver,
            ..Plan::default()
        };
        count += 1;
        let events = analyse(&plan.trace()).events;
        let Some(event) = events.iter().find(|event| near(event, feature.at_m, 60.0)) else {
            continue;
        };
        found += 1;
        let off = (event.at.get() - feature.at_m).abs();
        places += i32::from(off <= event.plus_minus.get());
        let error = (event.loss.unwrap().get() - feature.loss_db).abs();
        losses += i32::from(error <= event.loss_plus_minus.unwrap().get());
    }
    println!("{found} of {count} found, {places} places and {losses} losses inside");
    assert!(found >= count - 1, "{found} of {count} found");
    assert!(
        places * 100 >= found * 85,
        "{places} of {found} places inside"
    );
    assert!(
        losses * 100 >= found * 85,
        "{losses} of {found} losses inside"
    );
}

#[test]
fn an_image_is_a_ghost_and_two_connectors_are_not() {
    let connectors = vec![
        feature(4_000.0, 0.3, Some(-24.0)),
        feature(9_000.0, 0.3, Some(-40.0)),
    ];
    // Twice the first, by a panel that reflects as an open one does.
    let image = feature(8_000.0, 0.0, Some(-62.0));
    let plan = Plan {
        features: [connectors, vec![image]].concat(),
        roughness_db: 0.003,
        ..Plan::default()
    };
    let events = analyse(&plan.trace()).events;
    let kind = |at_m: f64| events.iter().find(|e| near(e, at_m, 60.0)).map(|e| e.kind);
    assert_eq!(kind(4_000.0), Some(EventKind::Reflective), "{events:?}");
    assert_eq!(kind(8_000.0), Some(EventKind::Ghost), "{events:?}");
    assert_eq!(kind(9_000.0), Some(EventKind::Reflective), "{events:?}");
}

#[test]
fn rubbish_levels_never_panic() {
    let settings = *Plan::default().trace().settings();
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let scale = 10_f64.powf(dice.between(-3.0, 4.0));
        let levels = (0..600).map(|_| scale * dice.normal()).collect();
        let trace = Trace::new(settings, levels, None).unwrap();
        let found = analyse(&trace);
        assert!(found.events.iter().all(|event| event.at.get().is_finite()));
    }
}

#[test]
fn a_slow_receiver_and_a_long_edge_split_no_event() {
    let plan = Plan {
        features: vec![
            feature(4_000.0, 0.3, None),
            feature(9_000.0, 0.15, None),
            feature(14_000.0, 0.4, None),
        ],
        receiver: 1.5,
        roughness_db: 0.002,
        ..Plan::default()
    };
    let events = analyse(&plan.trace()).events;
    let splices: Vec<&Event> = events.iter().filter(|e| e.kind != EventKind::End).collect();
    assert_eq!(splices.len(), 3, "{events:?}");
    for (event, feature) in splices.iter().zip(&plan.features) {
        assert!(near(event, feature.at_m, 15.0), "{event:?}");
    }
}

#[test]
fn many_events_do_not_pass_for_noise() {
    let at = (2..19).map(|km| feature(f64::from(km) * 1_000.0, 0.06, None));
    let plan = Plan {
        features: at.collect(),
        roughness_db: 0.003,
        ..Plan::default()
    };
    let events = analyse(&plan.trace()).events;
    let found = plan.features.iter().filter(|known| {
        let close = |event: &Event| near(event, known.at_m, 50.0);
        events.iter().any(close)
    });
    let found = found.count();
    assert!(found >= 16, "{found} of 17: {events:?}");
}

#[test]
fn a_bright_reflection_or_a_gain_takes_no_later_event_along() {
    for receiver in [0.3, 0.4, 0.5] {
        let plan = Plan {
            features: vec![
                feature(5_000.0, -0.4, None),
                feature(5_440.0, 1.2, None),
                feature(8_000.0, 0.05, Some(-25.0)),
                feature(8_430.0, 0.6, None),
            ],
            roughness_db: 0.002,
            receiver,
            ..Plan::default()
        };
        let events = analyse(&plan.trace()).events;
        let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
        use EventKind::{End, Gain, Loss, Reflective};
        assert_eq!(kinds, [Gain, Loss, Reflective, Loss, End], "{events:?}");
        for (event, feature) in events.iter().zip(&plan.features) {
            assert!(near(event, feature.at_m, 20.0), "{event:?}");
        }
    }
}

/// A splitter's legs: each end reflects, and takes a share of the light behind it along.
fn legs(splitter: f64, ends: &[f64], loss_db: f64) -> Vec<Feature> {
    let count = ends.len();
    let mut features = vec![feature(splitter, loss_db, None)];
    for (k, end) in ends.iter().enumerate().take(count - 1) {
        let left = (count - k) as f64;
        let lost = 5.0 * (left / (left - 1.0)).log10();
        features.push(feature(*end, lost, Some(-30.0 - 10.0 * left.log10())));
    }
    features
}

#[test]
fn a_splitter_is_a_loss_with_the_ends_of_its_legs_behind() {
    for (legs_of, loss_db) in [(2.0, 2.2), (8.0, 6.2), (16.0, 9.2)] {
        let ends = [9_000.0, 9_700.0, 10_900.0, 12_000.0];
        let plan = Plan {
            features: legs(8_000.0, &ends, loss_db),
            end_m: 12_000.0,
            end_reflectance_db: Some(-20.0),
            pulse_ns: 100.0,
            step_m: 1.0,
            range_m: 20_000.0,
            dynamic_db: 18.0,
            ..Plan::default()
        };
        let events = analyse(&plan.trace()).events;
        let fibre: Vec<&Event> = events
            .iter()
            .filter(|event| event.kind != EventKind::Ghost)
            .collect();
        let places = [&[8_000.0], &ends[..]].concat();
        assert_eq!(fibre.len(), places.len(), "1:{legs_of}: {events:?}");
        for (event, place) in fibre.iter().zip(places) {
            assert!(near(event, place, 10.0), "1:{legs_of}: {event:?}");
        }
        let loss = fibre[0].loss.unwrap().get();
        assert!((loss - loss_db).abs() < 0.2, "1:{legs_of}: {loss}");
    }
}

#[test]
fn reflectors_behind_a_splitter_that_hides_the_glass_are_told() {
    let ends = [9_000.0, 9_713.0, 12_000.0];
    let plan = Plan {
        features: legs(8_000.0, &ends, 13.5),
        end_m: 12_000.0,
        end_reflectance_db: Some(-20.0),
        pulse_ns: 30.0,
        step_m: 0.5,
        range_m: 20_000.0,
        dynamic_db: 12.0,
        ..Plan::default()
    };
    let events = analyse(&plan.trace()).events;
    for place in ends {
        let seen = events.iter().find(|event| near(event, place, 3.0));
        let kind = seen.map(|event| event.kind);
        assert_eq!(kind, Some(EventKind::Reflective), "{place}: {events:?}");
    }
}

#[test]
fn nothing_is_made_up_behind_the_end() {
    for seed in 0..40 {
        for (end_reflectance_db, receiver) in [(None, 0.3), (Some(-14.0), 1.5)] {
            let plan = Plan {
                end_m: 6_000.0,
                end_reflectance_db,
                receiver,
                seed,
                ..Plan::default()
            };
            let events = analyse(&plan.trace()).events;
            let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
            assert_eq!(
                kinds.last(),
                Some(&EventKind::End),
                "seed {seed}: {events:?}"
            );
        }
    }
}

/// The trace with zero-mean noise of that power put behind the end, smoothed over `smooth` samples;
/// as instruments do, power below zero is shown as the floor.
fn wandering(plan: &Plan, power: f64, smooth: usize) -> Trace {
    let trace = plan.trace();
    let (top, mut dice) = (-25.0, Dice::new(plan.seed));
    let first = trace.index_of(plan.end_m + 300.0);
    let mut white = |_| dice.normal();
    let noise: Vec<f64> = (0..trace.levels().len() + smooth).map(&mut white).collect();
    let scale = power / (smooth as f64).sqrt();
    let level = |(i, level): (usize, &f64)| match i < first {
        true => *level,
        false => {
            top + 5.0
                * (scale * noise[i..i + smooth].iter().sum::<f64>())
                    .max(1e-9)
                    .log10()
        }
    };
    let levels = trace.levels().iter().enumerate().map(level).collect();
    Trace::new(*trace.settings(), levels, Some(Db::of(-69.9))).unwrap()
}

#[test]
fn smoothed_noise_behind_the_end_is_no_reflector() {
    let mut told = 0;
    for seed in 0..20 {
        let plan = Plan {
            end_m: 6_000.0,
            pulse_ns: 100.0,
            step_m: 1.0,
            range_m: 9_000.0,
            dynamic_db: 24.0,
            seed,
            ..Plan::default()
        };
        let events = analyse(&wandering(&plan, 1e-5, 40)).events;
        told += events
            .iter()
            .filter(|event| event.at.get() > 6_400.0)
            .count();
    }
    assert!(told <= 1, "{told} reflectors in 20 traces");
}

/// A bright end behind which the receiver first sees nothing, and then noise that the instrument
/// smoothed over so many samples and cut off below so many of its deviations; in it reflections of a
/// pulse's length, given by their distance from the end and their power over the noise.
fn humps(seed: u64, (smooth, cut): (usize, f64), reflections: &[(f64, f64)]) -> Trace {
    let plan = Plan {
        end_m: 3_800.0,
        end_reflectance_db: Some(-30.0),
        pulse_ns: 100.0,
        step_m: 1.0,
        range_m: 9_000.0,
        dynamic_db: 30.0,
        seed,
        ..Plan::default()
    };
    // Neighbouring seeds give the same numbers, one later.
    let mut dice = Dice::new(900 + seed * 100_003);
    let count = plan.trace().levels().len();
    let noise: Vec<f64> = (0..count + smooth).map(|_| dice.normal()).collect();
    let blind = plan.end_m + 900.0;
    let seen = |(i, level): (usize, &f64)| {
        let at = i as f64 * plan.step_m;
        if at < plan.end_m + 150.0 {
            return *level;
        }
        let behind = at - plan.end_m;
        let shines = |(from, power): &(f64, f64)| {
            f64::from(u8::from((0.0..plan.pulse_m()).contains(&(behind - from)))) * power
        };
        let light: f64 = reflections.iter().map(shines).sum();
        let own = noise[i..i + smooth].iter().sum::<f64>() / (smooth as f64).sqrt();
        let dark = if at < blind { -1.0 } else { own - cut };
        let power = dark + light;
        if power > 0.0 {
            -46.0 + 5.0 * power.log10()
        } else {
            -65.535
        }
    };
    let trace = plan.trace();
    let levels = trace.levels().iter().enumerate().map(seen).collect();
    Trace::new(*trace.settings(), levels, Some(Db::of(-65.535))).unwrap()
}

#[test]
fn humps_of_smoothed_noise_behind_the_end_are_no_reflections() {
    let mut made_up = 0;
    for seed in 0..15 {
        for noise in [
            (3, 0.0),
            (10, 0.0),
            (25, 0.0),
            (10, 1.2),
            (10, 1.6),
            (25, 1.2),
        ] {
            let events = analyse(&humps(seed, noise, &[])).events;
            let end = events.iter().find(|event| event.kind == EventKind::End);
            let end = end.is_some_and(|end| near(end, 3_800.0, 3.0));
            let last = events.last().map(|last| last.kind) == Some(EventKind::End);
            made_up += usize::from(!(end && last));
        }
    }
    assert!(made_up <= 5, "{made_up} of 90");
}

#[test]
fn reflections_that_stand_out_of_such_humps_are_told() {
    for seed in 0..15 {
        let reflections = [(400.0, 30.0), (2_500.0, 100.0)];
        let events = analyse(&humps(seed, (10, 0.5), &reflections)).events;
        let behind: Vec<&Event> = events.iter().filter(|e| e.at.get() > 3_900.0).collect();
        let [first, second] = behind[..] else {
            panic!("{seed}: {behind:?}");
        };
        assert!(near(first, 4_200.0, 3.0), "{seed}: {first:?}");
        assert!(near(second, 6_300.0, 10.0), "{seed}: {second:?}");
    }
}

#[test]
fn a_reflection_beyond_the_receivers_range_is_told_by_what_is_seen() {
    for seed in 0..12 {
        let plan = Plan {
            features: vec![
                feature(700.0, 0.3, Some(-22.0)),
                feature(1_600.0 + 9.3 * seed as f64, 0.4, Some(-25.0)),
            ],
            end_m: 5_000.0,
            pulse_ns: 100.0,
            step_m: 0.5,
            range_m: 9_000.0,
            dynamic_db: 25.0,
            seed,
            ..Plan::default()
        };
        let trace = plan.trace();
        let top = trace.levels()[trace.index_of(300.0)] + 6.0;
        let cut_off = trace.levels().iter().map(|level| level.min(top)).collect();
        let trace = Trace::new(*trace.settings(), cut_off, None).unwrap();
        let events = analyse(&trace).events;
        for feature in &plan.features {
            let seen = events.iter().find(|event| near(event, feature.at_m, 5.0));
            let seen = seen.unwrap_or_else(|| panic!("seed {seed}: {events:?}"));
            assert!(seen.saturated, "seed {seed}: {seen:?}");
            let told = seen.reflectance.map_or(0.0, Db::get);
            let truth = feature.reflectance_db.unwrap();
            assert!(
                (-60.0..truth + 1.0).contains(&told),
                "seed {seed}: {seen:?}"
            );
        }
    }
}

#[test]
fn steps_a_few_pulses_apart_are_told_one_by_one_in_quiet_light() {
    // A fast receiver, so that each step is complete where its pulse is.
    let steps = [
        [399.0, 0.11],
        [755.0, 0.53],
        [1_200.0, 0.15],
        [1_589.0, 0.06],
        [1_814.0, 0.75],
        [2_091.0, 0.3],
    ];
    let splice = |[at_m, loss_db]: [f64; 2]| feature(at_m, loss_db, None);
    for seed in 1..6 {
        let plan = Plan {
            end_m: 2_511.0,
            features: steps.map(splice).to_vec(),
            pulse_ns: 1_000.0,
            step_m: 4.0,
            range_m: 5_000.0,
            roughness_db: 0.002,
            dynamic_db: 18.0,
            receiver: 0.085,
            seed,
            ..Plan::default()
        };
        let events = analyse(&plan.trace()).events;
        for [at_m, loss_db] in steps {
            let event = events.iter().find(|event| near(event, at_m, 50.0));
            let loss = event.and_then(|event| event.loss).map(|loss| loss.get());
            let off = loss.map(|loss| (loss - loss_db).abs());
            assert!(
                off.is_some_and(|off| off < 0.02),
                "seed {seed}, {at_m} m: {events:?}"
            );
        }
        assert_eq!(events.len(), steps.len() + 1, "seed {seed}: {events:?}");
    }
}

#[test]
fn coarse_levels_make_no_events_of_their_treads() {
    let (mut strange, mut found) = (0, 0);
    for seed in 0..12 {
        let plan = Plan {
            features: vec![feature(7_000.0, 0.5, None)],
            roughness_db: 0.003,
            pulse_ns: 100.0,
            seed,
            ..Plan::default()
        };
        let fine = plan.trace();
        let coarse = |level: &f64| (level / 0.05).round() * 0.05;
        let levels = fine.levels().iter().map(coarse).collect();
        let trace = Trace::new(*fine.settings(), levels, None).unwrap();
        for event in analyse(&trace).events {
            let right = near(&event, 7_000.0, 30.0);
            found += usize::from(right);
            strange += usize::from(!right && event.kind != EventKind::End);
        }
    }
    assert!(
        found >= 11 && strange <= 1,
        "{found} found, {strange} strange"
    );
}

#[test]
fn samples_blanked_before_the_first_light_hide_nothing() {
    for blank_db in [-55.0, -50.0] {
        let plan = Plan {
            features: vec![feature(2_000.0, 0.5, None), feature(7_000.0, 0.2, None)],
            ..Plan::default()
        };
        let whole = plan.trace();
        let mut levels = whole.levels().to_vec();
        levels[..20].fill(blank_db);
        let trace = Trace::new(*whole.settings(), levels, Some(Db::of(-55.0))).unwrap();
        let events = analyse(&trace).events;
        for feature in &plan.features {
            let told = |event: &Event| near(event, feature.at_m, 50.0);
            assert!(events.iter().any(told), "{blank_db}: {events:?}");
        }
    }
}

#[test]
fn what_a_round_pulse_shows_lies_where_a_rectangle_would_show_it() {
    for seed in 1..6 {
        let plan = Plan {
            features: vec![
                feature(3_000.0, 2.5, None),
                feature(8_000.0, 0.3, Some(-35.0)),
                feature(14_000.0, 0.5, Some(-50.0)),
            ],
            end_reflectance_db: Some(-40.0),
            roughness_db: 0.002,
            round: 0.5,
            seed,
            ..Plan::default()
        };
        let events = analyse(&plan.trace()).events;
        assert_eq!(events.len(), 4, "{seed}: {events:?}");
        for (event, feature) in events.iter().zip(&plan.features) {
            assert!(near(event, feature.at_m, 15.0), "{seed}: {event:?}");
            let half = event.plus_minus.get();
            assert!(near(event, feature.at_m, half), "{seed}: {event:?}");
        }
    }
}

#[test]
fn a_splice_under_an_image_is_a_splice_at_its_place() {
    // Connectors at 4 and 7 km make an image at 10 km; a splice lies a third of a pulse before it.
    let splice_m = 9_985.0;
    for seed in 0..4 {
        let plan = Plan {
            features: vec![
                feature(4_000.0, 0.3, Some(-22.0)),
                feature(7_000.0, 0.3, Some(-19.0)),
                feature(10_000.0, 0.0, Some(-60.0)),
                feature(splice_m, 0.4, None),
            ],
            roughness_db: 0.006,
            seed,
            ..Plan::default()
        };
        let events = analyse(&plan.trace()).events;
        let splice = events
            .iter()
            .find(|event| near(event, splice_m, 60.0))
            .unwrap();
        assert_eq!(splice.kind, EventKind::Loss, "{seed}: {splice:?}");
        assert_eq!(splice.reflectance, None);
        let off = splice.at.get() - splice_m;
        assert!(off.abs() < 0.1 * plan.pulse_m(), "{seed}: {splice:?}");
        assert!(splice.plus_minus.get() < 6.0, "{seed}: {splice:?}");
    }
}
