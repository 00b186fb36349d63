use proptest::prelude::*;

use super::*;
use crate::trace::synth::{Feature, Plan};
use crate::trace::{Analysis, Trace, analyse};

fn view() -> (silkline_protocol::plant::Plant, View) {
    let plant = crate::example::plant();
    let view = plant.lines[0].views[0].clone();
    (plant, view)
}

fn traced(plan: &Plan) -> (Trace, Analysis) {
    let trace = plan.trace();
    let analysis = analyse(&trace);
    (trace, analysis)
}

fn shot<'a>(name: &'a str, (trace, analysis): &'a (Trace, Analysis)) -> Shot<'a> {
    Shot {
        name,
        taken: None,
        trace,
        analysis,
    }
}

/// One splice at 7 km of 15, as seen from either end.
fn splice(seen_from_a: f64, seen_from_b: f64) -> [(Trace, Analysis); 2] {
    let plan = |at_m, loss_db| Plan {
        features: vec![Feature {
            at_m,
            loss_db,
            reflectance_db: None,
        }],
        end_m: 15_000.0,
        end_reflectance_db: Some(-40.0),
        range_m: 20_000.0,
        ..Plan::default()
    };
    [plan(7_000.0, seen_from_a), plan(8_000.0, seen_from_b)].map(|plan| traced(&plan))
}

fn judged(ends: &[(Trace, Analysis); 2], limits: &Limits) -> Acceptance {
    let (plant, view) = view();
    let (a, b) = (shot("a.sor", &ends[0]), shot("b.sor", &ends[1]));
    let survey = crate::survey::survey(&plant.lines[0], &view, &[a]);
    let section = Section {
        view: &view,
        from_a: &[a],
        from_b: &[b],
        survey: &survey,
        other: None,
    };
    accept(&section, limits).remove(0)
}

proptest! {
    #[test]
    fn a_verdict_follows_from_value_interval_and_limit(
        value in -1.0..1.0_f64, half in 0.0..0.5_f64, limit in -1.0..1.0_f64,
    ) {
        let wanted = if value <= limit {
            Verdict::Pass
        } else if value - half <= limit {
            Verdict::Near
        } else {
            Verdict::Fail
        };
        let it = Judged::at_most(Some(value), Some(half), Some(limit));
        prop_assert_eq!(it.verdict, wanted);
        let least = Judged::at_least(Some(value), Some(limit));
        prop_assert_eq!(least.verdict == Verdict::Pass, value >= limit);
        prop_assert_eq!(least.value, Some(value));
    }
}

#[test]
fn what_was_not_measured_is_neither_passed_nor_failed() {
    assert_eq!(
        Judged::at_most(None, None, Some(1.0)).verdict,
        Verdict::Open
    );
    assert_eq!(
        Judged::at_most(Some(1.0), None, None).verdict,
        Verdict::Open
    );
    assert_eq!(Judged::at_least(None, Some(1.0)).verdict, Verdict::Open);
}

#[test]
fn a_gainer_is_judged_by_the_mean_of_both_ways() {
    // 0.35 dB one way and a gain of 0.25 dB the other: a good splice of 0.05 dB.
    let good = judged(&splice(0.35, -0.25), &Limits::default());
    let row = good
        .joints
        .iter()
        .find(|row| (row.at.get() - 7_000.0).abs() < 100.0);
    let row = row.unwrap_or_else(|| panic!("{good:?}"));
    assert!((row.loss.value.unwrap() - 0.05).abs() < 0.02, "{row:?}");
    assert_eq!(row.loss.verdict, Verdict::Pass);
    let bad = judged(&splice(0.35, 0.35), &Limits::default());
    assert_eq!(bad.count(Verdict::Fail), 1, "{bad:?}");
}

#[test]
fn the_budget_is_glass_and_joints_unless_it_is_said() {
    let limits = Limits {
        slope: vec![(Nanometres::of(1_550.0), DbPerKm::of(0.25))],
        ..Limits::default()
    };
    let ends = splice(0.3, 0.3).map(|(trace, analysis)| {
        let settings = crate::trace::Settings {
            wavelength: Some(Nanometres::of(1_550.0)),
            ..*trace.settings()
        };
        let trace = Trace::new(settings, trace.levels().to_vec(), None);
        (trace.unwrap(), analysis)
    });
    let total = judged(&ends, &limits).total;
    // 15 km at 0.25 dB/km and one splice of 0.1 dB; 15 km at 0.2 and one of 0.3 dB were measured.
    assert!((total.limit.unwrap() - 3.85).abs() < 0.05, "{total:?}");
    assert!((total.value.unwrap() - 3.3).abs() < 0.05, "{total:?}");
    let said = Limits {
        total: Some(Db::of(3.0)),
        ..limits
    };
    assert_eq!(judged(&ends, &said).total.verdict, Verdict::Fail);
}

#[test]
fn shots_of_another_colour_are_no_partners() {
    let [a, b] = splice(0.3, 0.3);
    let settings = crate::trace::Settings {
        wavelength: Some(Nanometres::of(1_310.0)),
        ..*b.0.settings()
    };
    let other = Trace::new(settings, b.0.levels().to_vec(), None).unwrap();
    let found = judged(&[a, (other, b.1)], &Limits::default());
    assert_eq!(found.from_b, None);
    assert!(
        found.notes[0].contains("no shot from the other end"),
        "{:?}",
        found.notes
    );
}
