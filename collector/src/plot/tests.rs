use resvg::usvg;
use silkline_analysis::trace::{Reference, Settings, analyse, compare};
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Part, Shot, shoot};
use silkline_sor::Sor;

use super::*;

/// Three drums with a splice and a connector between them, and an end that reflects.
fn fibre() -> Fibre {
    let part = |metres, then| Part::standard(OpticalLength::of(metres), then);
    Fibre {
        panel: Joint::reflecting(Db::of(0.2), Db::of(-50.0)),
        parts: vec![
            part(6_000.0, Joint::splice(Db::of(0.3))),
            part(5_000.0, Joint::reflecting(Db::of(0.4), Db::of(-45.0))),
            part(9_000.0, Joint::reflecting(Db::of(0.0), Db::of(-20.0))),
        ],
    }
}

fn shot_of(fibre: &Fibre) -> (Sor, Trace) {
    let shot = Shot::of(OpticalLength::of(20_000.0), 300, 30);
    let file = shoot(fibre, &Instrument::default(), &shot).sor(&Labels::default());
    let sor = silkline_sor::read(&file).unwrap();
    let trace = Trace::from_sor(&sor).unwrap();
    (sor, trace)
}

fn drawn(report: &Report, trace: &Trace, reference: Option<&Trace>) -> String {
    let picture = Picture {
        report,
        trace,
        reference,
        names: &[],
        form: Form::Sheet,
    };
    let svg = picture.svg();
    usvg::Tree::from_str(&svg, &usvg::Options::default()).unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    svg
}

#[test]
fn every_event_is_numbered_and_listed() {
    let (sor, trace) = shot_of(&fibre());
    let report = Report::new("drums.sor", &sor, &trace, &analyse(&trace));
    assert!(report.events.len() >= 3, "{:?}", report.events);
    let svg = drawn(&report, &trace, None);
    for (k, event) in report.events.iter().enumerate() {
        assert!(svg.contains(&format!(">{}<", k + 1)), "number {}", k + 1);
        let place = format!(">{:.4}<", event.at_m.get() / 1_000.0);
        assert!(svg.contains(&place), "{place}");
    }
    for word in [
        "drums.sor",
        "1550 nm",
        "pulse 300 ns",
        "index 1.46820",
        "noise floor",
    ] {
        assert!(svg.contains(word), "{word}");
    }
    assert!(svg.contains("end of the fibre, closer"));
    assert!(!svg.contains(panel::REFERENCE), "a reference nobody gave");
}

#[test]
fn a_break_is_told_and_drawn_before_the_reference() {
    let (_, good) = shot_of(&fibre());
    let mut broken = fibre();
    broken.break_at(OpticalLength::of(9_000.0), Joint::default());
    let (sor, trace) = shot_of(&broken);
    let analysis = analyse(&trace);
    let reference = Reference {
        analysis: analyse(&good),
    };
    let changes = compare(&analysis, &reference);
    let report = Report::new("cut.sor", &sor, &trace, &analysis).with_changes(&changes);
    let svg = drawn(&report, &trace, Some(&good));
    assert!(
        svg.contains("◆ break at 9.0") || svg.contains("◆ break at 8.99"),
        "{svg}"
    );
    assert!(svg.contains(panel::REFERENCE) && svg.contains("break, closer"));
    // What was lit behind the break is still in the picture: its axis reaches the old end.
    assert!(svg.contains(">20<"));
}

#[test]
fn line_styles_differ_without_colour() {
    let dashes = |style: &str| {
        let (_, rest) = style.split_once("stroke-dasharray=\"")?;
        rest.split('"').next().map(str::to_owned)
    };
    let styles = [panel::TRACE, panel::REFERENCE, panel::FLOOR].map(dashes);
    assert!(styles[0] != styles[1] && styles[1] != styles[2] && styles[0] != styles[2]);
}

#[test]
fn a_shot_without_light_is_a_picture_all_the_same() {
    let (sor, trace) = shot_of(&fibre());
    let settings: Settings = *trace.settings();
    for levels in [vec![0.0; 400], vec![-65.535; 12]] {
        let floor = Some(Db::of(-65.535));
        let blank = Trace::new(settings, levels, floor).unwrap();
        let report = Report::new("blank.sor", &sor, &blank, &analyse(&blank));
        let svg = drawn(&report, &blank, Some(&trace));
        assert!(svg.contains("no end seen"));
    }
}

#[test]
fn a_crowd_of_events_leaves_no_flag_on_another() {
    let (sor, trace) = shot_of(&fibre());
    let mut report = Report::new("crowd.sor", &sor, &trace, &analyse(&trace));
    let one = report.events[0];
    report.events = (0..300)
        .map(|k| EventReport {
            at_m: OpticalLength::of(f64::from(k) * 60.0),
            ..one
        })
        .collect();
    let svg = drawn(&report, &trace, None);
    assert!(svg.contains("and 220 more"));
}

#[test]
fn long_names_keep_their_end() {
    assert_eq!(tail("a/b/c.sor", 20), "a/b/c.sor");
    assert_eq!(tail("a/b/c.sor", 6), "…c.sor");
}
