//! The life of an incident: planned work, shelves, flapping, proof by a trace, new normals.

use std::time::Duration;

use silkline_analysis::incident::{Kind, State};
use silkline_protocol::id::IncidentId;

use super::PHASES;
use super::world::{Fault, World, at_ms};
use crate::engine::settings::Planned;
use crate::engine::{Action, EngineSettings, Input, Output, Reason};

const CUT: Fault = Fault::Cut(121_237.0);

fn reasons(world: &World) -> Vec<Reason> {
    world.notices.iter().map(|notice| notice.reason).collect()
}

fn act(world: &mut World, incident: IncidentId, action: Action) {
    let input = Input::Operator {
        incident,
        who: "noc".into(),
        action,
    };
    let now = world.now;
    world.step(input, now);
}

#[test]
fn planned_work_is_recorded_and_wakes_nobody_before_it_is_over() {
    let settings = EngineSettings {
        planned: vec![Planned {
            from: at_ms(0),
            until: at_ms(30_000),
            line: None,
            site: Some("s2".parse().unwrap()),
            what: "ticket 4711".into(),
        }],
        ..EngineSettings::default()
    };
    let mut world = World::with(PHASES, settings);
    world.faults = vec![CUT];
    world.run(20_000);
    assert_eq!(world.only().state, State::Open);
    assert_eq!(reasons(&world), []);
    let history = &world.only().history;
    assert!(
        history
            .iter()
            .any(|entry| entry.what.contains("ticket 4711")),
        "{history:?}"
    );
    world.run(10_000);
    assert_eq!(
        reasons(&world),
        [Reason::Opened],
        "still cut when the work is over"
    );
}

#[test]
fn planned_work_elsewhere_changes_nothing() {
    let settings = EngineSettings {
        planned: vec![Planned {
            from: at_ms(0),
            until: at_ms(30_000),
            line: None,
            site: Some("s4".parse().unwrap()),
            what: String::new(),
        }],
        ..EngineSettings::default()
    };
    let mut world = World::with(PHASES, settings);
    world.faults = vec![CUT];
    world.run(5000);
    assert_eq!(reasons(&world), [Reason::Opened]);
}

#[test]
fn what_is_shelved_says_nothing_and_what_is_over_by_then_nothing_at_all() {
    let mut world = World::new(PHASES);
    world.faults = vec![CUT];
    world.run(5000);
    let (id, until) = (world.only().id.clone(), world.now + Duration::from_secs(60));
    act(&mut world, id, Action::Shelve { until });
    world.faults.clear();
    world.run(20_000);
    assert_eq!(world.only().state, State::Cleared, "recorded all the same");
    world.run(60_000);
    assert_eq!(reasons(&world), [Reason::Opened]);
}

#[test]
fn what_is_shelved_and_lasts_is_told_again_when_the_time_is_over() {
    let mut world = World::new(PHASES);
    world.faults = vec![CUT];
    world.run(5000);
    let (id, until) = (world.only().id.clone(), world.now + Duration::from_secs(60));
    act(&mut world, id, Action::Shelve { until });
    world.faults.clear();
    world.run(15_000);
    world.faults = vec![CUT];
    world.run(60_000);
    assert_eq!(reasons(&world).len(), 2, "{:?}", reasons(&world));
}

#[test]
fn what_comes_and_goes_is_held_open_longer_each_time() {
    let mut world = World::new(PHASES);
    for _ in 0..20 {
        world.faults = vec![CUT];
        world.run(8000);
        world.faults.clear();
        world.run(22_000);
    }
    let all = reasons(&world);
    assert!(all.len() <= 5, "ten minutes of flapping: {all:?}");
    assert_eq!(world.only().state, State::Open);
    world.run(200_000);
    assert_eq!(world.only().state, State::Cleared);
}

#[test]
fn a_repair_that_no_trace_shows_is_believed_after_a_while_and_said_so() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.faults = vec![CUT];
    world.run(3000);
    world.shoot("n1-b");
    world.faults.clear();
    world.run(60_000);
    assert_eq!(world.only().state, State::Open);
    world.run(70_000);
    assert_eq!(world.only().state, State::Cleared);
    let history = &world.only().history;
    assert!(
        history.iter().any(|entry| entry.what.contains("no trace")),
        "{history:?}"
    );
}

#[test]
fn a_fresh_trace_proves_a_repair() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.faults = vec![CUT];
    world.run(3000);
    world.shoot("n1-b");
    world.faults.clear();
    world.run(2000);
    world.shoot("n1-b");
    world.run(12_000);
    assert_eq!(world.only().state, State::Cleared);
    let history = &world.only().history;
    assert!(
        history
            .iter()
            .any(|entry| entry.what.contains("whole again")),
        "{history:?}"
    );
}

#[test]
fn who_closes_what_stands_says_that_it_is_the_new_normal() {
    let mut world = World::new(PHASES);
    world.run(30_000);
    world.faults = vec![Fault::Bend(250_000.0)];
    world.run(15_000);
    assert_eq!(world.only().kind, Kind::Degradation);
    let id = world.only().id.clone();
    act(
        &mut world,
        id,
        Action::Close {
            found_m: None,
            found: None,
        },
    );
    world.run(60_000);
    assert_eq!(world.only().state, State::Closed);
    assert!(world.standing().is_empty());
}

#[test]
fn a_joint_that_gets_worse_is_one_located_degradation_and_ends_with_a_trace() {
    let mut world = World::new(PHASES);
    for _ in 0..3 {
        world.shoot("n1-b");
        world.run(1000);
    }
    world.faults = vec![Fault::Joint(130_000.0)];
    world.shoot("n1-b");
    world.run(10_000);
    assert!(world.incidents.is_empty(), "one shot is not enough");
    world.shoot("n1-b");
    world.run(1000);
    let incident = world.only();
    assert_eq!(incident.kind, Kind::Degradation, "{}", incident.headline);
    assert_eq!(incident.place.span.as_deref(), Some("n1..n2"));
    let [low, high] = incident.place.interval95_m.unwrap();
    assert!(
        low.get() < 130_000.0 && 130_000.0 < high.get(),
        "{low} {high}"
    );
    assert!((high - low).get() < 300.0, "{low} {high}");
    assert!(
        incident.headline.contains("new loss of 0."),
        "{}",
        incident.headline
    );
    world.shoot("n1-b");
    world.run(1000);
    assert_eq!(world.only().anomalies.len(), 1, "said once");
    world.faults.clear();
    world.shoot("n1-b");
    world.run(15_000);
    assert_eq!(world.only().state, State::Cleared);
}

#[test]
fn shots_of_a_fibre_that_is_well_change_nothing() {
    let mut world = World::new(PHASES);
    for _ in 0..12 {
        world.shoot("n1-b");
        world.shoot("n2-a");
        world.run(1000);
    }
    assert!(world.incidents.is_empty(), "{:?}", world.incidents);
}

#[test]
fn a_bend_on_another_span_than_a_fresh_cut_is_an_incident_of_its_own() {
    let mut world = World::new(PHASES);
    world.run(30_000);
    world.faults = vec![Fault::Cut(40_000.0)];
    world.run(10_000);
    world.faults.push(Fault::Bend(250_000.0));
    world.run(15_000);
    let mut told: Vec<_> = world
        .standing()
        .iter()
        .map(|incident| (incident.kind, incident.place.span.clone().unwrap()))
        .collect();
    told.sort();
    let wanted = [(Kind::Break, "n0..n1"), (Kind::Degradation, "n3..n4")];
    assert_eq!(told, wanted.map(|(kind, span)| (kind, span.to_owned())));
}

#[test]
fn a_change_that_one_shot_shows_is_looked_at_again_once() {
    let mut world = World::new(PHASES);
    for _ in 0..3 {
        world.shoot("n1-b");
        world.run(1000);
    }
    world.faults = vec![Fault::Joint(130_000.0)];
    world.shoot("n1-b");
    assert_eq!(shots(&world), ["s1 n1-b"]);
    world.shoot("n1-b");
    world.run(5000);
    assert_eq!(world.only().kind, Kind::Degradation);
    assert_eq!(
        shots(&world)
            .iter()
            .filter(|shot| *shot == "s1 n1-b")
            .count(),
        2,
        "once to be sure, once because it opened: {:?}",
        shots(&world)
    );
}

#[test]
fn what_fades_by_light_meters_is_placed_by_one_shot() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.run(30_000);
    world.faults = vec![Fault::Bend(130_000.0), Fault::Joint(130_000.0)];
    world.run(10_000);
    assert_eq!(world.only().place.chainage_m, None);
    world.shoot("n1-b");
    let place = &world.only().place;
    assert!(
        (place.chainage_m.unwrap().get() - 130_000.0).abs() < 60.0,
        "{place:?}"
    );
}

fn shots(world: &World) -> Vec<String> {
    let said = world.said.iter();
    let shot = said.filter_map(|output| match output {
        Output::Shoot { site, view } => Some(format!("{site} {view}")),
        _ => None,
    });
    shot.collect()
}

#[test]
fn a_span_that_fades_and_a_repair_are_shot_at() {
    let mut world = World::new(PHASES);
    world.run(30_000);
    world.faults = vec![Fault::Bend(121_237.0)];
    world.run(15_000);
    assert_eq!(shots(&world), ["s1 n1-b", "s2 n2-a"]);
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.faults = vec![CUT];
    world.run(3000);
    world.shoot("n1-b");
    assert!(shots(&world).is_empty(), "the edge shoots at lost light");
    world.faults.clear();
    world.run(3000);
    assert_eq!(shots(&world), ["s1 n1-b", "s2 n2-a"]);
}
