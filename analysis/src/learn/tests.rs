use core::time::Duration;

use silkline_protocol::unit::GroupIndex;

use super::*;
use crate::example;
use crate::fuse;
use crate::incident::How;
use crate::place::{Dossier, Evidence, Finding};

fn at() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn found(metres: f64, plus_minus: f64) -> Found {
    Found {
        chainage_m: RouteLength::of(metres),
        plus_minus_m: RouteLength::of(plus_minus),
        how: How::Gps,
        said: String::new(),
        who: "crew 4".into(),
        at: at(),
    }
}

fn repair(predicted: Option<f64>, found_at: f64, half: f64) -> Repair {
    let ends = |half: f64| predicted.map(|at| [at - half, at + half].map(RouteLength::of));
    Repair {
        incident: "i-1".parse().unwrap(),
        line: "dsw".parse().unwrap(),
        at: at(),
        kind: Kind::Break,
        method: "otdr".into(),
        predicted_m: predicted.map(RouteLength::of),
        interval50_m: ends(half / 3.0),
        interval95_m: ends(half),
        found: found(found_at, 5.0),
        seen: Vec::new(),
    }
}

#[test]
fn errors_and_coverage_are_counted_over_all_repairs() {
    let repairs = [
        repair(Some(1000.0), 1004.0, 18.0),
        repair(Some(2000.0), 1990.0, 18.0),
        repair(Some(3000.0), 3030.0, 18.0),
        repair(None, 4000.0, 18.0),
    ];
    let found = calibration(&repairs);
    assert_eq!((found.repairs, found.located), (4, 3));
    assert_eq!((found.median_m, found.p95_m), (Some(10.0), Some(30.0)));
    assert_eq!(found.bias_m, Some(8.0));
    assert_eq!(found.coverage95, Some(0.6667));
    assert_eq!(found.coverage50, Some(0.3333));
    assert_eq!(found.width95_m, Some(36.0));
    let none = calibration(&[]);
    assert_eq!(none, Calibration::default());
    assert_eq!(none.coverage95, None, "nothing is invented");
}

#[test]
fn honest_intervals_cover_as_they_say() {
    // Errors of a normal distribution, by quantiles, with intervals of the same distribution.
    let normal = statrs::distribution::Normal::new(0.0, 6.0).unwrap();
    let of = |k: u32| {
        use statrs::distribution::ContinuousCDF;
        let error = normal.inverse_cdf((f64::from(k) + 0.5) / 400.0);
        let mut made = repair(Some(0.0), error, 1.96 * 6.0);
        let half = 0.6745 * 6.0;
        made.interval50_m = Some([-half, half].map(RouteLength::of));
        made
    };
    let repairs: Vec<Repair> = (0..400).map(of).collect();
    let found = calibration(&repairs);
    assert!(
        (found.coverage95.unwrap() - 0.95).abs() < 0.005,
        "{found:?}"
    );
    assert!((found.coverage50.unwrap() - 0.5).abs() < 0.005, "{found:?}");
    assert!(found.bias_m.unwrap().abs() < 1e-6);
}

/// Where a shot of `ganja-b` is, at `when`.
fn located(plant: &Plant, optical: f64, when: Timestamp) -> crate::place::Place {
    let dossier = Dossier {
        line: "dsw".parse().unwrap(),
        evidence: vec![Evidence {
            id: "e1".into(),
            at: Some(when),
            source: String::new(),
            finding: Finding::Otdr(sighting(optical)),
        }],
    };
    fuse::locate(plant, &dossier).unwrap()
}

fn sighting(optical: f64) -> Sighting {
    Sighting {
        view: "ganja-b".parse().unwrap(),
        optical_m: OpticalLength::of(optical),
        random_m: OpticalLength::of(1.0),
        systematic_m: OpticalLength::of(0.0),
        group_index: Some(GroupIndex::of(1.4682)),
        after: None,
    }
}

#[test]
fn a_repair_makes_the_next_place_beside_it_better_from_its_date_on() {
    let mut plant = example::plant();
    // Nobody has measured this view yet: the glass is known by its excess alone.
    plant.lines[0].marks.clear();
    let optical = 41_000.0;
    let before = located(&plant, optical, at());
    let truth = before.chainage_m.unwrap().get() - 60.0;
    let mut made = repair(before.chainage_m.map(RouteLength::get), truth, 200.0);
    made.found = found(truth, 2.0);
    made.seen = vec![sighting(optical)];
    let taught = learn(&plant, &[made.clone()]);
    assert_eq!(taught.revision, plant.revision);
    let earlier = located(&taught, optical, at() - Duration::from_secs(1));
    assert_eq!(earlier.chainage_m, before.chainage_m, "not before its date");
    let later = located(&taught, optical + 1_000.0, at() + Duration::from_secs(1));
    let width = |place: &crate::place::Place| {
        let [low, high] = place.interval95_m.unwrap();
        (high - low).get()
    };
    assert!(
        width(&later) < width(&before) / 2.0,
        "{} {}",
        width(&later),
        width(&before)
    );
    let beside = later.chainage_m.unwrap().get() - truth;
    assert!((beside - 1000.0 / 1.01).abs() < 40.0, "{beside}");
    assert_eq!(later.before.unwrap().landmark, made.landmark());
}

#[test]
fn a_repair_at_a_closure_becomes_a_mark_of_that_closure() {
    let plant = example::plant();
    let closure = plant.lines[0].landmarks[3].clone();
    let mut made = repair(Some(closure.at.get()), closure.at.get() + 3.0, 20.0);
    made.seen = vec![sighting(16_300.0)];
    let taught = learn(&plant, &[made]);
    let (old, new) = (&plant.lines[0], &taught.lines[0]);
    assert_eq!(old.landmarks, new.landmarks);
    let mark = new.marks.last().unwrap();
    assert_eq!(
        (&mark.landmark, mark.valid_from),
        (&closure.name, Some(at()))
    );
    assert_eq!(new.marks.len(), old.marks.len() + 1);
    // One metre of the shot, two of trimmed glass.
    assert!((mark.plus_minus.get() - 1.96 * 5.0_f64.sqrt()).abs() < 0.01);
}
