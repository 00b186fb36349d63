//! Fusion on a small plant whose truth is known.

use super::*;
use crate::example;
use crate::place::{Finding, Sighting};

fn otdr(id: &str, view: &str, optical: f64) -> Evidence {
    let sighting = Sighting {
        view: view.parse().unwrap(),
        optical_m: OpticalLength::of(optical),
        random_m: OpticalLength::of(1.5),
        systematic_m: OpticalLength::of(1.0),
        group_index: None,
        after: None,
    };
    Evidence {
        id: id.into(),
        at: None,
        source: String::new(),
        finding: Finding::Otdr(sighting),
    }
}

fn dark(path: &str, from: &str, to: &str) -> Evidence {
    let finding = Finding::LightLost {
        path: path.parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    };
    Evidence {
        id: path.into(),
        at: None,
        source: String::new(),
        finding,
    }
}

fn place(evidence: Vec<Evidence>) -> Place {
    let dossier = Dossier {
        line: "dsw".parse().unwrap(),
        evidence,
    };
    locate(&example::plant(), &dossier).unwrap()
}

fn from_a(chainage: f64) -> Evidence {
    otdr("a", "ganja-b", example::glass_from_ganja(chainage))
}

fn from_b(chainage: f64) -> Evidence {
    let whole = example::glass_from_ganja(80_000.0);
    otdr("b", "tovuz-a", whole - example::glass_from_ganja(chainage))
}

fn width(ends: Option<[RouteLength; 2]>) -> f64 {
    ends.map_or(f64::NAN, |[low, high]| (high - low).get())
}

#[test]
fn nothing_known_is_an_unknown_place() {
    let place = place(Vec::new());
    assert_eq!((place.kind, place.chainage_m), (PlaceKind::Unknown, None));
}

#[test]
fn lost_light_tells_the_span_and_invents_no_point() {
    let place = place(vec![
        dark("east", "ganja", "tovuz"),
        dark("west", "tovuz", "ganja"),
    ]);
    assert_eq!(place.span.as_deref(), Some("ganja..tovuz"));
    assert_eq!(
        (place.chainage_m, place.lat, place.interval50_m),
        (None, None, None)
    );
    assert_eq!(
        place.interval95_m,
        Some([0.0, 80_000.0].map(RouteLength::of))
    );
    assert_eq!((place.fibres_dark, place.fibres_watched), (2, 2));
    assert!(place.consistent);
}

#[test]
fn a_trace_inside_the_dark_span_gives_the_place() {
    let place = place(vec![dark("east", "ganja", "tovuz"), from_a(41_237.0)]);
    let at = place.chainage_m.unwrap().get();
    assert!((at - 41_237.0).abs() < 2.0, "{at}");
    assert!(width(place.interval95_m) < 60.0, "{:?}", place.interval95_m);
    assert!(place.candidates.is_empty() && place.consistent);
    assert_eq!(place.before.unwrap().landmark, "C-10");
    assert!(place.lat.is_some() && place.post.is_some());
    assert_eq!(place.closure_m, None);
}

#[test]
fn two_ends_are_better_than_one_and_close() {
    let one = place(vec![from_a(41_237.0)]);
    let both = place(vec![from_a(41_237.0), from_b(41_237.0)]);
    assert!(width(both.interval95_m) <= width(one.interval95_m) + 1e-6);
    assert!(both.closure_m.unwrap().abs().get() < 0.5);
    assert!(both.chi2_p.unwrap() > 0.5 && both.consistent);
}

#[test]
fn two_breaks_are_shown_and_never_averaged() {
    let place = place(vec![from_a(30_000.0), from_b(52_000.0)]);
    assert_eq!((place.chainage_m, place.consistent), (None, false));
    let ends: Vec<f64> = place
        .candidates
        .iter()
        .map(|c| c.chainage_m.get())
        .collect();
    assert!(
        (ends[0] - 30_000.0).abs() < 20.0 && (ends[1] - 52_000.0).abs() < 20.0,
        "{ends:?}"
    );
    assert!(place.closure_m.unwrap().get() < -20_000.0);
    assert!((place.extent_m.unwrap().get() - 22_000.0).abs() < 50.0);
    assert_eq!(place.span.as_deref(), Some("ganja..tovuz"));
}

#[test]
fn a_trace_outside_the_dark_span_is_a_contradiction() {
    let place = place(vec![dark("east", "tovuz", "boyuk"), from_a(30_000.0)]);
    assert!(!place.consistent);
    assert_eq!(place.chainage_m, None);
}

#[test]
fn what_does_not_fit_the_plant_is_named_all_at_once() {
    let evidence = vec![otdr("x", "nowhere", 1.0), dark("east", "ganja", "atlantis")];
    let dossier = Dossier {
        line: "dsw".parse().unwrap(),
        evidence,
    };
    let said = locate(&example::plant(), &dossier).unwrap_err();
    assert_eq!(said.len(), 2);
    assert!(said[0].to_string().contains("nowhere") && said[1].to_string().contains("atlantis"));
}

#[test]
fn ten_shots_of_one_view_do_not_average_what_they_share() {
    let shot = |k: usize| Evidence {
        id: format!("s{k}"),
        ..from_a(41_237.0)
    };
    let one = place(vec![shot(0)]);
    let ten = place((0..10).map(shot).collect());
    let narrowed = width(ten.interval95_m) / width(one.interval95_m);
    assert!((0.5..1.0).contains(&narrowed), "{narrowed}");
}
