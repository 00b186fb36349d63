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

fn told(id: &str, finding: Finding) -> Evidence {
    Evidence {
        id: id.into(),
        at: None,
        source: String::new(),
        finding,
    }
}

fn report(chainage: f64, plus_minus: f64) -> Evidence {
    let finding = Finding::Report {
        chainage_m: RouteLength::of(chainage),
        plus_minus_m: RouteLength::of(plus_minus),
        who: "crew 4".into(),
    };
    told("crew", finding)
}

#[test]
fn a_crews_report_is_narrow_and_wins_over_lost_light() {
    let place = place(vec![dark("east", "ganja", "tovuz"), report(41_237.0, 20.0)]);
    let at = place.chainage_m.unwrap().get();
    assert!((at - 41_237.0).abs() < 1.0, "{at}");
    assert!(
        (width(place.interval95_m) - 40.0).abs() < 6.0,
        "{:?}",
        place.interval95_m
    );
    let crew = place.sources.iter().find(|it| it.id == "crew").unwrap();
    assert_eq!(
        (crew.kind.as_str(), crew.alone_m.unwrap().get()),
        ("report", 41_237.0)
    );
}

#[test]
fn a_burst_that_both_ends_see_tells_the_place_by_its_delay() {
    // Seen first at the nearer end: x = (L + v (tA - tB)) / 2 along the glass from A.
    let speed = silkline_protocol::unit::LIGHT_M_PER_S / 1.4682;
    let start = silkline_protocol::time::Timestamp::from_seconds(1_800_000_000);
    for wanted in [40_000.0, 80_000.0, 121_000.0] {
        let glass = |chainage: f64| chainage * 1.007;
        let delay = (2.0 * glass(wanted) - glass(160_000.0)) / speed;
        let nanos = core::time::Duration::from_secs_f64(delay.abs());
        let later = start + nanos;
        let (t_a, t_b) = if delay > 0.0 {
            (later, start)
        } else {
            (start, later)
        };
        let burst = |plus_minus_ns| Finding::Transient {
            t_a,
            t_b,
            plus_minus_ns,
        };
        let place_of = |ns| place(vec![told("burst", burst(ns))]);
        let found = place_of(1_000.0);
        let at = found.chainage_m.unwrap().get();
        assert!((at - wanted).abs() < 2.0, "{wanted} {at}");
        // A microsecond of timing is 102 m.
        let half = width(found.interval95_m) / 2.0;
        assert!((90.0..220.0).contains(&half), "{half}");
        assert!(width(place_of(10_000.0).interval95_m) > 8.0 * 102.0);
    }
}

fn burst(chainage: f64) -> Evidence {
    let speed = silkline_protocol::unit::LIGHT_M_PER_S / 1.4682;
    let start = silkline_protocol::time::Timestamp::from_seconds(1_800_000_000);
    let late = |glass: f64| start + core::time::Duration::from_secs_f64(glass * 1.007 / speed);
    let finding = Finding::Transient {
        t_a: late(chainage),
        t_b: late(160_000.0 - chainage),
        plus_minus_ns: 1_000.0,
    };
    told("burst", finding)
}

#[test]
fn sources_that_contradict_are_each_shown_and_named() {
    // Neither is a trace, and the middle between them is nobody's.
    let place_of = |evidence| {
        let place: Place = place(evidence);
        assert_eq!((place.chainage_m, place.interval95_m), (None, None));
        assert!(!place.consistent);
        let of = |c: &crate::place::Candidate| (c.chainage_m.km().round(), c.sources.clone());
        place.candidates.iter().map(of).collect::<Vec<_>>()
    };
    let own = |id: &str| vec![id.to_owned()];
    let two = place_of(vec![burst(40_000.0), report(121_000.0, 20.0)]);
    assert_eq!(two, [(40.0, own("burst")), (121.0, own("crew"))]);
    let evidence = vec![burst(130_000.0), report(60_000.0, 20.0), from_a(30_000.0)];
    let three = place_of(evidence);
    let wanted = [(30.0, own("a")), (60.0, own("crew")), (130.0, own("burst"))];
    assert_eq!(three, wanted);
}

#[test]
fn a_wrong_report_does_not_stretch_the_damage_between_two_breaks() {
    let evidence = vec![from_a(30_000.0), from_b(52_000.0), report(70_000.0, 20.0)];
    let extent = place(evidence).extent_m.unwrap().get();
    assert!((extent - 22_000.0).abs() < 50.0, "{extent}");
}

#[test]
fn two_that_agree_outvote_a_third_who_is_not_left_unsaid() {
    let evidence = vec![burst(121_000.0), report(41_237.0, 20.0), from_a(41_237.0)];
    let place = place(evidence);
    let at = place.chainage_m.unwrap().get();
    assert!((at - 41_237.0).abs() < 3.0, "{at}");
    assert!(!place.consistent, "{:?}", place.chi2_p);
    let burst = place.sources.iter().find(|it| it.id == "burst").unwrap();
    assert!((burst.alone_m.unwrap().km() - 121.0).abs() < 0.1);
}

#[test]
fn a_coherent_shot_counts_from_the_repeater_it_names() {
    let mut cotdr = otdr("c", "ganja-b", 9_000.0);
    if let Finding::Otdr(sighting) = cotdr.finding.clone() {
        let after = Some("tovuz".parse().unwrap());
        cotdr.finding = Finding::Cotdr(Sighting { after, ..sighting });
    }
    let place = place(vec![cotdr]);
    let at = place.chainage_m.unwrap().get();
    let wanted = 80_000.0 + 9_000.0 / 1.01;
    assert!((at - wanted).abs() < 250.0, "{at} {wanted}");
    assert_eq!(place.span.as_deref(), Some("tovuz..boyuk"));
    assert_eq!(place.sources[0].kind, "cotdr");
}

/// The cable of the published test vector: 3 529 km, 69 repeaters, fed from both ends.
fn fed() -> Plant {
    let mut text = String::from(
        "[[site]]\nid = \"a\"\n[[site]]\nid = \"b\"\n[[line]]\nid = \"sea\"\nkind = \"submarine\"\n\
         a = \"a\"\nb = \"b\"\nfeed = { amps = 0.9, volts_a = 3300, volts_b = 3300, ohm_per_km = 1.38, \
         repeater_volts = 31.75 }\nnode = [\n{ id = \"a\", kind = \"terminal\", chainage_m = 0, site = \"a\" },\n",
    );
    // Twenty before the fault, forty-nine after it.
    let places = (1..=20).map(|k| f64::from(k) * 50.0);
    let after = (0..49).map(|k| 1_060.0 + f64::from(k) * 50.0);
    for (k, km) in places.chain(after).enumerate() {
        text += &format!(
            "{{ id = \"r{k}\", kind = \"repeater\", chainage_m = {} }},\n",
            km * 1000.0
        );
    }
    text += "{ id = \"b\", kind = \"terminal\", chainage_m = 3529000, site = \"b\" },\n]\n";
    match silkline_protocol::plant::read("sea", &text) {
        Ok(checked) => checked.plant,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

#[test]
fn power_feeding_tells_a_section_from_one_end_and_a_better_one_from_both() {
    let plant = fed();
    let feed = |end, volts_a, volts_b| {
        let finding = crate::place::FeedFinding {
            mode: crate::place::FeedMode::Shunt,
            end,
            volts_a,
            volts_b,
            amps_a: Some(0.9),
            amps_b: None,
        };
        let line = "sea".parse().unwrap();
        let evidence = vec![told("feed", Finding::Feed(finding))];
        locate(&plant, &Dossier { line, evidence }).unwrap()
    };
    use crate::place::FeedEnd::{A, B, Both};
    let km = |place: &Place| place.chainage_m.unwrap().km();
    let by_a = feed(A, Some(1_952.0), None);
    let by_b = feed(B, None, Some(4_659.0));
    let by_both = feed(Both, Some(1_952.0), Some(4_659.0));
    assert!((km(&by_a) - 1_060.4).abs() < 1.5, "{}", km(&by_a));
    assert!((km(&by_b) - 1_030.4).abs() < 1.5, "{}", km(&by_b));
    assert!((km(&by_both) - 1_051.5).abs() < 1.5, "{}", km(&by_both));
    assert!(width(by_both.interval95_m) < width(by_a.interval95_m));
    assert!(
        width(by_both.interval95_m) > 10_000.0,
        "a section, tens of km wide"
    );
}

#[test]
fn shots_of_one_view_that_contradict_are_both_shown() {
    let (near, far) = (
        example::glass_from_ganja(20_000.0),
        example::glass_from_ganja(20_200.0),
    );
    let shots = || vec![otdr("a", "ganja-b", near), otdr("a", "ganja-b", far)];
    let place = place(shots());
    assert!(!place.consistent && place.chainage_m.is_none(), "{place:?}");
    let shown: Vec<_> = place
        .candidates
        .iter()
        .map(|c| c.chainage_m.get())
        .collect();
    assert_eq!(shown.len(), 2, "{place:?}");
    for (shown, truth) in shown.iter().zip([20_000.0, 20_200.0]) {
        assert!((shown - truth).abs() < 30.0, "{shown} {truth}");
    }
    assert_eq!(place.span.as_deref(), Some("ganja..tovuz"));
    assert!(
        place.notes.iter().any(|note| note.contains("a, a-2")),
        "{place:?}"
    );
    let weights: f64 = place.candidates.iter().map(|c| c.weight).sum();
    assert!((weights - 1.0).abs() < 1e-3, "{weights}");
}

#[test]
fn a_newer_shot_replaces_an_older_one_and_repeats_are_one() {
    let (near, far) = (
        example::glass_from_ganja(20_000.0),
        example::glass_from_ganja(20_200.0),
    );
    let at = |second, e: Evidence| Evidence {
        at: Some(silkline_protocol::time::Timestamp::from_seconds(second)),
        ..e
    };
    let (old, new) = (otdr("a", "ganja-b", far), otdr("b", "ganja-b", near));
    let found = place(vec![at(100, old), at(400, new)]);
    assert!(found.consistent, "{found:?}");
    assert!((found.chainage_m.unwrap().get() - 20_000.0).abs() < 30.0);
    let again = otdr("b", "ganja-b", near + 2.0);
    let found = place(vec![otdr("a", "ganja-b", near), again]);
    assert!(found.consistent && found.candidates.is_empty(), "{found:?}");
}

#[test]
fn a_distance_that_the_line_has_not_is_said_so() {
    let place = place(vec![otdr("a", "ganja-b", 500_000.0)]);
    assert!(place.chainage_m.is_none(), "{place:?}");
    assert!(place.notes[0].contains("beyond the end"), "{place:?}");
    let dossier = Dossier {
        line: "dsw".parse().unwrap(),
        evidence: vec![otdr("a", "ganja-b", -50.0)],
    };
    let unfit = locate(&example::plant(), &dossier).unwrap_err();
    assert!(unfit[0].to_string().contains("negative"), "{unfit:?}");
}
