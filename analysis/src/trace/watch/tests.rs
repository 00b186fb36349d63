use super::*;
use crate::trace::compare::ChangeKind;
use crate::trace::synth::{Feature, Plan};
use silkline_protocol::unit::OpticalLength;

/// Seeds this far apart draw nothing in common.
const APART: u64 = 1_000_003;

fn shot(seed: u64, loss: Option<f64>) -> Trace {
    plan(seed, loss).trace()
}

fn plan(seed: u64, loss: Option<f64>) -> Plan {
    let feature = |loss_db| Feature {
        at_m: 7_000.0,
        loss_db,
        reflectance_db: None,
    };
    let splice = Feature {
        at_m: 4_000.0,
        loss_db: 0.3,
        reflectance_db: None,
    };
    let features = loss.map(feature).into_iter().chain([splice]).collect();
    Plan {
        features,
        end_m: 12_000.0,
        range_m: 15_000.0,
        roughness_db: 0.05,
        pulse_ns: 100.0,
        step_m: 2.0,
        seed: seed * APART,
        ..Plan::default()
    }
}

fn watch() -> Watch {
    Watch::learn(&(0..8).map(|seed| shot(seed, None)).collect::<Vec<_>>()).unwrap()
}

#[test]
fn quiet_shots_show_no_change() {
    let watch = watch();
    for seed in 100..140 {
        let found = watch.examine(&[shot(seed, None)]).unwrap();
        assert_eq!(found, Comparison::default(), "seed {seed}");
    }
}

#[test]
fn a_new_loss_is_found_where_it_is() {
    let watch = watch();
    for seed in 200..220 {
        let found = watch.examine(&[shot(seed, Some(0.05))]).unwrap();
        let [change] = found.changes[..] else {
            panic!("seed {seed}: {found:?}")
        };
        assert_eq!(change.kind, ChangeKind::NewLoss);
        assert!((change.delta.get() - 0.05).abs() < 0.02, "{change:?}");
        assert!((change.at.get() - 7_000.0).abs() < 60.0, "{change:?}");
        assert_eq!(
            change.near.map(OpticalLength::get).map(f64::round),
            watch.analysis().events.first().map(|e| e.at.get().round())
        );
    }
}

#[test]
fn a_low_launch_is_no_change_of_the_line() {
    let good = shot(300, None);
    let levels = good.levels().iter().map(|level| level - 1.0).collect();
    let low = Trace::new(*good.settings(), levels, None).unwrap();
    let look = watch().look(&[low]);
    assert_eq!(look.comparison.changes, []);
    let launch = look.comparison.launch_loss.unwrap().get();
    assert!((launch - 1.0).abs() < 0.05, "{look:?}");
    assert!(
        look.notes.iter().any(|note| note.contains("stale")),
        "{:?}",
        look.notes
    );
}

#[test]
fn blank_shots_and_other_settings_are_named() {
    let good = shot(1, None);
    let blank = Trace::new(*good.settings(), vec![0.0; good.levels().len()], None).unwrap();
    let found = watch().examine(std::slice::from_ref(&blank)).unwrap();
    assert_eq!(found.fault, Some(InstrumentFault::Blank));
    assert_eq!(
        Watch::learn(&[blank]),
        Err(WatchError::TooFew { usable: 0 })
    );
    let other = Plan::default().trace();
    assert_eq!(watch().examine(&[other]), Err(WatchError::Settings));
}

#[test]
fn a_reference_is_the_same_after_a_file() {
    let watch = watch();
    let text = serde_json::to_string(&watch).unwrap();
    assert!(
        text.len() < 8 * watch.mean().levels().len() + 20_000,
        "{}",
        text.len()
    );
    let again: Watch = serde_json::from_str(&text).unwrap();
    for loss in [None, Some(0.04), Some(-0.06)] {
        let shots = [shot(400, loss)];
        let (first, second) = (watch.look(&shots), again.look(&shots));
        assert_eq!(
            first.comparison.changes.len(),
            second.comparison.changes.len()
        );
        for (a, b) in first
            .comparison
            .changes
            .iter()
            .zip(&second.comparison.changes)
        {
            assert!((a.at - b.at).abs().get() < 0.5, "{a:?} {b:?}");
            assert!((a.delta - b.delta).abs().get() < 1e-3, "{a:?} {b:?}");
        }
    }
    let broken = text.replace("\"v\":2", "\"v\":9");
    let error = serde_json::from_str::<Watch>(&broken).unwrap_err();
    assert!(error.to_string().contains("version 9, want 2"), "{error}");
    let broken = text.replace("\"bin\":", "\"bin\":99999");
    assert!(serde_json::from_str::<Watch>(&broken).is_err());
}

#[test]
fn a_break_a_longer_fibre_and_no_light_are_told() {
    let watch = watch();
    let plan = |end_m| {
        let splice = Feature {
            at_m: 4_000.0,
            loss_db: 0.3,
            reflectance_db: None,
        };
        Plan {
            features: vec![splice],
            end_m,
            range_m: 15_000.0,
            roughness_db: 0.05,
            pulse_ns: 100.0,
            step_m: 2.0,
            seed: 900,
            ..Plan::default()
        }
        .trace()
    };
    for (end, kind) in [
        (8_000.0, ChangeKind::Break),
        (11_950.0, ChangeKind::Break),
        (12_400.0, ChangeKind::EndMoved),
    ] {
        let found = watch.examine(&[plan(end)]).unwrap();
        let first = found
            .changes
            .first()
            .unwrap_or_else(|| panic!("{end}: {found:?}"));
        assert_eq!(first.kind, kind, "{end}: {found:?}");
        assert!(
            (first.at.get() - end).abs() <= first.plus_minus.get() + 3.0,
            "{end}: {found:?}"
        );
    }
    let cut_off = watch.look(&[plan(20.0)]);
    assert!(
        cut_off.comparison.fault.is_some()
            || cut_off.comparison.changes.first().map(|c| c.kind) == Some(ChangeKind::Break),
        "{cut_off:?}"
    );
}

#[test]
fn one_shot_makes_a_reference_that_says_so() {
    let watch = Watch::learn(&[shot(1, None)]).unwrap();
    for seed in 500..530 {
        let look = watch.look(&[shot(seed, None)]);
        assert_eq!(look.comparison.changes, [], "seed {seed}");
        assert!(
            look.notes
                .iter()
                .any(|note| note.contains("learned from 1 shot"))
        );
    }
    let found = watch.examine(&[shot(600, Some(0.3))]).unwrap();
    assert_eq!(found.changes.len(), 1, "{found:?}");
    assert!(
        (found.changes[0].at.get() - 7_000.0).abs() < 30.0,
        "{found:?}"
    );
}

#[test]
fn a_shot_with_another_pulse_is_compared_by_events() {
    let loss = Feature {
        at_m: 9_000.0,
        loss_db: 1.0,
        reflectance_db: None,
    };
    let splice = Feature {
        at_m: 4_000.0,
        loss_db: 0.3,
        reflectance_db: None,
    };
    let other = Plan {
        features: vec![splice, loss],
        end_m: 12_000.0,
        range_m: 15_000.0,
        pulse_ns: 300.0,
        step_m: 2.0,
        ..Plan::default()
    };
    let look = watch().look(&[other.trace()]);
    assert!(
        matches!(&look.how, How::ByEvents { why } if why.contains("pulse")),
        "{look:?}"
    );
    let kinds: Vec<ChangeKind> = look.comparison.changes.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [ChangeKind::NewLoss], "{look:?}");
    assert_eq!(look.comparison.launch_loss, None);
}

/// Glass loses a third more at 1310 nm: no fault, however much that makes over a whole fibre.
#[test]
fn a_shot_of_another_colour_is_compared_by_places_alone() {
    let feature = |at_m, loss_db| Feature {
        at_m,
        loss_db,
        reflectance_db: None,
    };
    let (splice, bend) = (feature(4_000.0, 0.3), feature(9_000.0, 1.0));
    let shot = |features: &[Feature], (wavelength, slope), seed: u64| {
        Plan {
            features: features.to_vec(),
            end_m: 12_000.0,
            range_m: 15_000.0,
            pulse_ns: 100.0,
            step_m: 2.0,
            roughness_db: 0.05,
            slope_db_per_km: slope,
            wavelength_nm: Some(wavelength),
            seed: seed * APART,
            ..Plan::default()
        }
        .trace()
    };
    let good = (0..8).map(|seed| shot(&[splice], (1_550.0, 0.2), seed));
    let watch = Watch::learn(&good.collect::<Vec<_>>()).unwrap();
    let kinds = |features: &[Feature]| {
        let look = watch.look(&[shot(features, (1_310.0, 0.34), 20)]);
        assert!(look.notes[0].contains("wavelength"), "{look:?}");
        assert_eq!(look.comparison.launch_loss, None);
        let changes = look.comparison.changes.iter();
        changes.map(|change| change.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[splice]), []);
    assert_eq!(kinds(&[splice, bend]), [ChangeKind::NewLoss]);
}

#[test]
fn a_known_joint_that_loses_more_and_one_that_reflects_more_are_told_apart() {
    let fibre = |loss_db, reflectance_db: f64, seed| {
        let joint = Feature {
            at_m: 6_000.0,
            loss_db,
            reflectance_db: Some(reflectance_db),
        };
        Plan {
            features: vec![joint],
            end_m: 12_000.0,
            range_m: 15_000.0,
            pulse_ns: 100.0,
            step_m: 2.0,
            seed: seed * APART,
            ..Plan::default()
        }
        .trace()
    };
    let watch = Watch::learn(&(0..6).map(|s| fibre(0.3, -55.0, s)).collect::<Vec<_>>()).unwrap();
    let kinds = |shot: Trace| -> Vec<ChangeKind> {
        let found = watch.examine(&[shot]).unwrap();
        assert!(
            found
                .changes
                .iter()
                .all(|c| (c.at.get() - 6_000.0).abs() < 15.0),
            "{found:?}"
        );
        found.changes.iter().map(|c| c.kind).collect()
    };
    assert_eq!(kinds(fibre(0.3, -55.0, 50)), []);
    assert_eq!(kinds(fibre(0.4, -55.0, 51)), [ChangeKind::LossChange]);
    assert_eq!(
        kinds(fibre(0.3, -47.0, 52)),
        [ChangeKind::ReflectanceChange]
    );
}

/// A shot of an instrument that is as old as `age` tells, from new to a year.
fn aged(age: f64, seed: u64) -> Trace {
    let old = |phase_m: f64| Plan {
        phase_m,
        end_reflectance_db: Some(-40.0),
        ..plan(seed, None)
    };
    let trace = old(-0.6 * age).trace();
    let top = trace.levels()[60];
    let level = |level: &f64| top + (level - top) * (1.0 + 0.005 * age) - 0.4 * age;
    let levels = trace.levels().iter().map(level).collect();
    // The instrument does not know that its zero has moved.
    Trace::new(*old(0.0).trace().settings(), levels, None).unwrap()
}

#[test]
fn a_year_of_ageing_launch_scale_and_zero_is_no_change_of_the_line() {
    let watch = Watch::learn(&(0..8).map(|k| aged(0.0, 690 + k)).collect::<Vec<_>>()).unwrap();
    for week in 0..52_u64 {
        let age = week as f64 / 51.0;
        let look = watch.look(&[aged(age, 700 + week)]);
        assert_eq!(look.comparison.changes, [], "week {week}");
        assert_eq!(look.comparison.launch_loss, None, "week {week}");
        let drift = look.drift.unwrap();
        assert!(
            (drift.launch_db.get() - 0.4 * age).abs() < 0.1,
            "week {week}: {drift:?}"
        );
    }
    // What goes on beyond what connectors repeat is the launch, and time to learn anew.
    let look = watch.look(&[aged(2.0, 800)]);
    assert_eq!(look.comparison.changes, []);
    assert!(
        look.comparison
            .launch_loss
            .is_some_and(|loss| loss.get() > 0.6)
    );
    assert!(
        look.notes.iter().any(|note| note.contains("learn anew")),
        "{:?}",
        look.notes
    );
}

#[test]
fn a_fibre_that_goes_on_where_a_file_said_no_light_has_moved_its_end() {
    // Behind the end this file has no light at all: nothing to take a logarithm of.
    let dark = |end_m: f64, seed: u64| {
        let trace = Plan {
            end_m,
            end_reflectance_db: Some(-40.0),
            ..plan(seed, None)
        }
        .trace();
        let floor = -34.0;
        let behind = end_m + 60.0;
        let level = |(i, level): (usize, &f64)| {
            if trace.position(i as f64).get() > behind {
                floor
            } else {
                level.max(floor)
            }
        };
        let levels = trace.levels().iter().enumerate().map(level).collect();
        Trace::new(*trace.settings(), levels, Some(Db::of(floor))).unwrap()
    };
    let shots: Vec<Trace> = (900..912).map(|seed| dark(12_000.0, seed)).collect();
    let watch = Watch::learn(&shots).unwrap();
    let found = watch.examine(&[dark(12_400.0, 920)]).unwrap();
    let moved = found
        .changes
        .iter()
        .find(|c| c.kind == ChangeKind::EndMoved);
    assert!(
        moved.is_some_and(|c| (c.at.get() - 12_400.0).abs() < 6.0),
        "{found:?}"
    );
    assert_eq!(watch.examine(&[dark(12_000.0, 921)]).unwrap().changes, []);
}

/// Splices and bends at some places, in metres, each with what it loses.
fn cable(losses: &[(f64, f64)], end_m: f64, seed: u64) -> Trace {
    let feature = |(at_m, loss_db): &(f64, f64)| Feature {
        at_m: *at_m,
        loss_db: *loss_db,
        reflectance_db: None,
    };
    Plan {
        features: losses.iter().map(feature).collect(),
        end_m,
        ..plan(seed, None)
    }
    .trace()
}

const SPLICES: [(f64, f64); 3] = [(3_000.0, 0.2), (6_000.0, 0.15), (8_500.0, 0.25)];

fn of_splices() -> Watch {
    let shots: Vec<Trace> = (0..8).map(|seed| cable(&SPLICES, 12_000.0, seed)).collect();
    Watch::learn(&shots).unwrap()
}

#[test]
fn another_fibre_is_refused_by_name() {
    let watch = of_splices();
    let elsewhere = [(2_100.0, 0.2), (4_700.0, 0.3), (7_100.0, 0.15)];
    let beside = [(3_000.0, 0.02), (6_000.0, 0.3), (8_500.0, 0.05)];
    for (losses, end_m) in [(elsewhere, 11_000.0), (beside, 12_000.0)] {
        let look = watch.look(&[cable(&losses, end_m, 20)]);
        let fault = look.comparison.fault.unwrap();
        assert_eq!(fault, InstrumentFault::OtherFibre, "{look:?}");
        assert_eq!(look.comparison.changes, []);
        assert!(look.notes[0].starts_with("another fibre than the reference's"));
    }
}

#[test]
fn a_fault_on_the_same_fibre_is_no_other_one() {
    let watch = of_splices();
    // A closure was opened; one more bends; the cable froze; it is cut behind the first splice.
    let opened = [(3_000.0, 0.05), (6_000.0, 0.15), (8_500.0, 0.25)];
    let bent = [(3_000.0, 0.05), (6_000.0, 0.9), (8_500.0, 0.25)];
    let frozen = [(3_000.0, 0.5), (6_000.0, 0.6), (8_500.0, 0.4)];
    let cut = [(3_000.0, 0.2), (6_000.0, 0.15), (8_500.0, 0.25)];
    let cases = [
        (opened, 12_000.0),
        (bent, 12_000.0),
        (frozen, 12_000.0),
        (cut, 4_000.0),
    ];
    for (losses, end_m) in cases {
        let look = watch.look(&[cable(&losses, end_m, 21)]);
        assert_eq!(look.comparison.fault, None, "{look:?}");
        assert!(!look.comparison.changes.is_empty());
    }
}

/// A pulse twice as long sees the same splices, or none of them.
#[test]
fn another_fibre_is_refused_by_its_events_too() {
    let watch = of_splices();
    let shot = |losses: &[(f64, f64)]| {
        let feature = |(at_m, loss_db): &(f64, f64)| Feature {
            at_m: *at_m,
            loss_db: *loss_db,
            reflectance_db: None,
        };
        Plan {
            features: losses.iter().map(feature).collect(),
            pulse_ns: 200.0,
            ..plan(22, None)
        }
        .trace()
    };
    let known = watch.look(&[shot(&SPLICES)]);
    assert_eq!(known.comparison.fault, None, "{known:?}");
    let other = watch.look(&[shot(&[(2_100.0, 0.2), (4_700.0, 0.3), (7_100.0, 0.15)])]);
    assert_eq!(
        other.comparison.fault,
        Some(InstrumentFault::OtherFibre),
        "{other:?}"
    );
}

/// Twelve shots have one zero, and no analysis of their mean tells where that is.
#[test]
fn the_references_own_places_are_as_sure_as_the_zeros_of_its_shots() {
    let half = |watch: &Watch| {
        let widened = watch.analysis().end.unwrap().plus_minus.get();
        let told = analyse(watch.mean()).end.unwrap().plus_minus.get();
        (widened * widened - told * told).sqrt() / watch.settings().spacing.get()
    };
    let shots: Vec<Trace> = (0..8).map(|seed| cable(&SPLICES, 12_000.0, seed)).collect();
    let [one, eight] = [1, 8].map(|count| half(&Watch::learn(&shots[..count]).unwrap()));
    assert!((one - 0.111).abs() < 0.002, "{one}");
    assert!((one / eight - 8.0_f64.sqrt()).abs() < 0.01, "{one} {eight}");
}
