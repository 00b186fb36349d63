use silkline_analysis::place::{Place, PlaceKind};
use silkline_analysis::series::{Anomaly, Severity};
use silkline_protocol::plant::read;

use super::*;

const PLANT: &str = r#"
[[site]]
id = "west"
[[site]]
id = "east"
[[line]]
id = "north"
name = "North"
kind = "terrestrial"
a = "west"
b = "east"
node = [
  { id = "n0", kind = "terminal", chainage_m = 0, site = "west" },
  { id = "n1", kind = "ila", chainage_m = 50000 },
  { id = "n2", kind = "terminal", chainage_m = 100000, site = "east" },
]
[[line]]
id = "south"
name = "South"
kind = "terrestrial"
a = "west"
b = "east"
node = [
  { id = "s0", kind = "terminal", chainage_m = 0, site = "west" },
  { id = "s1", kind = "ila", chainage_m = 60000 },
  { id = "s2", kind = "terminal", chainage_m = 120000, site = "east" },
]
[[shared]]
id = "bridge"
kind = "bridge"
members = [
  { line = "north", from_m = 20000, to_m = 22000 },
  { line = "south", from_m = 31000, to_m = 33000 },
]
"#;

fn plant() -> Plant {
    read("plant.toml", PLANT).unwrap().plant
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

/// An incident as an engine says it: on a span, or at a place with an interval.
fn incident(line: &str, id: &str, span: &str, at: Option<f64>, opened: i64) -> Incident {
    let mut place = Place::unknown(line.parse().unwrap(), "rev");
    (place.kind, place.span) = (PlaceKind::Span, Some(span.to_owned()));
    place.chainage_m = at.map(RouteLength::of);
    place.interval95_m = at.map(|at| [at - 15.0, at + 15.0].map(RouteLength::of));
    Incident {
        id: id.parse().unwrap(),
        lines: vec![line.parse().unwrap()],
        related: Vec::new(),
        cause: "fibre break".to_owned(),
        state: State::Open,
        severity: Severity::Major,
        kind: Kind::Break,
        opened: second(opened),
        updated: second(opened),
        cleared: None,
        headline: format!("break on {line}"),
        place,
        evidence: Vec::new(),
        anomalies: Vec::new(),
        affected: vec![format!("path-{line}")],
        permits: Vec::new(),
        found: None,
        history: Vec::new(),
    }
}

fn notice(id: &str, reason: Reason) -> Output {
    Output::Notice(Notice {
        incident: id.parse().unwrap(),
        reason,
        text: String::new(),
    })
}

/// What is said of one engine's output: ids with their lines, and notices.
fn told(together: &mut Together, output: Output) -> Vec<String> {
    let said = together.take(&plant(), output);
    let word = |output: &Output| match output {
        Output::Incident(it) => {
            let lines: Vec<&str> = it.lines.iter().map(LineId::as_str).collect();
            format!("{} {} {}", it.id, lines.join("+"), it.state.word())
        }
        Output::Notice(it) => format!("{} {}", it.incident, it.reason.word()),
        _ => "other".to_owned(),
    };
    said.iter().map(word).collect()
}

fn open(line: &str, id: &str, span: &str, at: Option<f64>, opened: i64) -> Output {
    Output::Incident(Box::new(incident(line, id, span, at, opened)))
}

fn closed(line: &str, id: &str, span: &str, state: State) -> Output {
    let mut incident = incident(line, id, span, None, 0);
    incident.state = state;
    Output::Incident(Box::new(incident))
}

/// Both lines cut at the bridge.
fn both() -> Together {
    let mut together = Together::default();
    told(&mut together, open("north", "a", "n0..n1", None, 0));
    told(&mut together, open("south", "b", "s0..s1", None, 2));
    together
}

#[test]
fn one_digger_is_one_incident_of_both_lines_and_one_notice() {
    let mut together = Together::default();
    let first = told(&mut together, open("north", "a", "n0..n1", None, 0));
    assert_eq!(first, ["a north open"]);
    assert_eq!(
        told(&mut together, notice("a", Reason::Opened)),
        ["a opened"]
    );
    let second = told(&mut together, open("south", "b", "s0..s1", None, 2));
    assert_eq!(second, ["a north+south open"], "b is told by nobody");
    assert_eq!(
        told(&mut together, notice("b", Reason::Opened)),
        Vec::<String>::new()
    );
    let id = "a".parse().unwrap();
    let into: Vec<String> = together
        .folded_into(&id)
        .iter()
        .map(|(line, id)| format!("{line} {id}"))
        .collect();
    assert_eq!(into, ["south b"]);
}

#[test]
fn it_is_over_when_the_last_line_is_whole_and_said_so_once() {
    let mut together = both();
    let state = State::Cleared;
    assert_eq!(
        told(&mut together, closed("north", "a", "n0..n1", state)),
        ["a north+south open"]
    );
    assert_eq!(
        told(&mut together, notice("a", Reason::Cleared)),
        Vec::<String>::new()
    );
    assert_eq!(
        told(&mut together, closed("south", "b", "s0..s1", state)),
        ["a north+south cleared"]
    );
    assert_eq!(
        told(&mut together, notice("b", Reason::Cleared)),
        ["a cleared"]
    );
    let state = State::Closed;
    told(&mut together, closed("north", "a", "n0..n1", state));
    assert_eq!(
        told(&mut together, closed("south", "b", "s0..s1", state)),
        ["a north+south closed"]
    );
    assert_eq!(together, Together::default(), "nothing is left");
}

#[test]
fn a_place_off_the_shared_stretch_makes_two_of_them_again() {
    let mut together = both();
    let there = told(
        &mut together,
        open("south", "b", "s0..s1", Some(32_000.0), 2),
    );
    assert_eq!(there, ["a north+south open"], "in the stretch");
    let elsewhere = told(
        &mut together,
        open("south", "b", "s0..s1", Some(5_000.0), 2),
    );
    assert_eq!(elsewhere, ["a north open", "b south open", "b opened"]);
    assert_eq!(
        told(&mut together, notice("b", Reason::Located)),
        ["b located"]
    );
}

/// An incident whose stretch nobody knows: equipment, until light meters say more.
fn equipment(line: &str, id: &str, opened: i64) -> Output {
    let mut incident = incident(line, id, "", None, opened);
    (incident.kind, incident.place.span) = (Kind::Equipment, None);
    Output::Incident(Box::new(incident))
}

#[test]
fn what_only_later_becomes_a_break_of_the_same_stretch_is_folded_and_its_own_incident_ends() {
    let mut together = Together::default();
    told(&mut together, open("north", "a", "n0..n1", None, 0));
    assert_eq!(
        told(&mut together, equipment("south", "b", 2)),
        ["b south open"]
    );
    let said = together.take(&plant(), open("south", "b", "s0..s1", None, 2));
    let [Output::Incident(ended), Output::Incident(whole)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((ended.id.as_str(), ended.state), ("b", State::Closed));
    assert_eq!(ended.related, ["a".parse().unwrap()]);
    assert!(
        ended
            .history
            .last()
            .unwrap()
            .what
            .contains("the same cause as a")
    );
    assert_eq!((whole.id.as_str(), whole.lines.len()), ("a", 2));
    assert_eq!(
        told(&mut together, notice("b", Reason::Located)),
        Vec::<String>::new()
    );
    assert_eq!(
        told(
            &mut together,
            open("south", "b", "s0..s1", Some(5_000.0), 2)
        ),
        ["a north open", "b south open", "b opened"],
        "and is told again where it is elsewhere"
    );
}

#[test]
fn the_first_line_may_become_a_break_last() {
    let mut together = Together::default();
    told(&mut together, equipment("north", "a", 0));
    told(&mut together, open("south", "b", "s0..s1", None, 2));
    assert_eq!(
        told(&mut together, open("north", "a", "n0..n1", None, 0)),
        ["a north closed", "b south+north open"]
    );
    let again = together.clone();
    let text = serde_json::to_string(&again).unwrap();
    assert_eq!(serde_json::from_str::<Together>(&text).unwrap(), together);
}

/// Light that gets less at a place.
fn bent(line: &str, id: &str, span: &str, opened: i64) -> Incident {
    let mut incident = incident(line, id, span, None, opened);
    incident.kind = Kind::Degradation;
    incident
}

fn said(together: &mut Together, incident: Incident) -> Vec<String> {
    told(together, Output::Incident(Box::new(incident)))
}

#[test]
fn a_break_is_told_by_itself_and_takes_in_the_bend_of_the_other_line() {
    let mut together = Together::default();
    said(&mut together, bent("north", "a", "n0..n1", 0));
    assert_eq!(
        told(&mut together, open("south", "b", "s0..s1", None, 2)),
        ["a north closed", "b south+north open"]
    );
    assert_eq!(
        told(&mut together, notice("b", Reason::Opened)),
        ["b opened"],
        "whoever slept through the bend is woken by the break"
    );
    // The bent one breaks too: nothing new.
    assert_eq!(
        told(&mut together, open("north", "a", "n0..n1", None, 0)),
        ["b south+north open"]
    );
}

#[test]
fn of_two_bent_lines_the_one_that_breaks_leads() {
    let mut together = Together::default();
    said(&mut together, bent("north", "a", "n0..n1", 0));
    let both = said(&mut together, bent("south", "b", "s0..s1", 2));
    assert_eq!(both, ["a north+south open"]);
    assert_eq!(
        told(&mut together, open("south", "b", "s0..s1", None, 2)),
        ["a north closed", "b south+north open", "b opened"]
    );
}

#[test]
fn a_bend_of_hours_that_breaks_is_one_cause_with_the_break_beside_it() {
    for (lost, one) in [(7200, true), (3600, false)] {
        let mut together = Together::default();
        let mut old = incident("north", "a", "n0..n1", None, 0);
        old.anomalies = vec![dark(lost)];
        said(&mut together, old);
        let second = told(&mut together, open("south", "b", "s0..s1", None, 7202));
        assert_eq!(second == ["a north+south open"], one, "{second:?}");
    }
}

/// Light that was lost at a second.
fn dark(at: i64) -> Anomaly {
    Anomaly {
        id: "west.edfa-1/in_power/dark".to_owned(),
        line: "north".parse().unwrap(),
        device: "west.edfa-1".to_owned(),
        point: None,
        kind: AnomalyKind::Dark,
        from: second(at),
        to: None,
        raised: second(at),
        severity: Severity::Critical,
        detail: "no light".to_owned(),
    }
}

#[test]
fn what_is_late_or_elsewhere_is_a_cause_of_its_own() {
    for (span, at, opened) in [
        ("s1..s2", None, 2),
        ("s0..s1", Some(40_000.0), 2),
        ("s0..s1", None, 3600),
    ] {
        let mut together = Together::default();
        told(&mut together, open("north", "a", "n0..n1", None, 0));
        let second = told(&mut together, open("south", "b", span, at, opened));
        assert_eq!(second, ["b south open"], "{span} {at:?} {opened}");
    }
    let mut together = Together::default();
    told(&mut together, open("north", "a", "n0..n1", None, 0));
    assert_eq!(
        told(&mut together, open("north", "c", "n0..n1", None, 1)),
        ["c north open"]
    );
}

#[test]
fn another_collectors_incident_is_related_and_stays_so() {
    let mut together = Together::default();
    let plant = plant();
    let theirs = incident("south", "theirs", "s0..s1", None, 3);
    let south: LineId = "south".parse().unwrap();
    let news = Elsewhere::of(&plant, &south, &theirs);
    assert_eq!(together.hear(&plant, news.clone()), []);
    let ours = together.take(&plant, open("north", "a", "n0..n1", None, 0));
    let related = |said: &[Output]| match said {
        [Output::Incident(it)] => it.related.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    };
    let found: Vec<String> = related(&ours);
    assert_eq!(found, ["theirs"]);
    let mut over = theirs;
    over.state = State::Closed;
    assert_eq!(
        together.hear(&plant, Elsewhere::of(&plant, &south, &over)),
        []
    );
    let again = together.take(&plant, open("north", "a", "n0..n1", None, 0));
    assert_eq!(related(&again), ["theirs"]);
    // The other way round: ours was there first.
    let mut together = Together::default();
    together.take(&plant, open("north", "a", "n0..n1", None, 0));
    assert_eq!(related(&together.hear(&plant, news)), ["theirs"]);
}

#[test]
fn without_shared_stretches_everything_passes() {
    let mut plant = plant();
    plant.shared.clear();
    let mut together = Together::default();
    for line in ["north", "south"] {
        let output = open(line, line, "n0..n1", None, 0);
        assert_eq!(together.take(&plant, output.clone()), [output]);
    }
    assert_eq!(together, Together::default());
}

#[test]
fn a_snapshot_of_it_reads_back_bit_for_bit() {
    let together = both();
    let text = serde_json::to_string(&together).unwrap();
    let again: Together = serde_json::from_str(&text).unwrap();
    assert_eq!(again, together);
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
}
