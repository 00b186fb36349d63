//! Causes that become something else: a bend that grows to a break, a mended cable that is cut
//! again, a second break behind the first, a trace that lay about.

use silkline_analysis::incident::{Kind, State};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::plant::Direction;

use super::PHASES;
use super::world::{Fault, World};
use crate::engine::{Input, LineEngine, Output, Reason};

const AT: f64 = 130_000.0;

fn chainage(world: &World) -> f64 {
    world.only().place.chainage_m.unwrap().get()
}

fn shots(world: &World) -> usize {
    let said = world.said.iter();
    said.filter(|it| matches!(it, Output::Shoot { .. })).count()
}

/// A span of which light meters and a trace say that it loses more at one place.
fn bent() -> World {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.run(30_000);
    world.faults = vec![Fault::Bend(AT), Fault::Joint(AT)];
    world.run(10_000);
    world.shoot("n1-b");
    assert_eq!(world.only().kind, Kind::Degradation);
    world
}

#[test]
fn a_bend_that_grows_to_a_break_is_one_incident_that_turns_into_it() {
    let mut world = bent();
    world.faults = vec![Fault::Cut(AT)];
    world.run(5_000);
    world.shoot("n1-b");
    let incident = world.only();
    assert_eq!(incident.kind, Kind::Break);
    assert!(incident.headline.contains("break"), "{}", incident.headline);
    let told = |it: &silkline_analysis::incident::Entry| it.what.contains("getting less");
    assert!(incident.history.iter().any(told), "{:?}", incident.history);
    let worse = world.notices.iter().filter(|it| it.reason == Reason::Worse);
    assert_eq!(worse.count(), 1);
    assert!((chainage(&world) - AT).abs() < 60.0, "{}", chainage(&world));
}

#[test]
fn a_break_elsewhere_in_a_span_that_fades_is_a_cause_of_its_own() {
    let mut world = bent();
    world.faults = vec![Fault::Bend(AT), Fault::Joint(AT), Fault::Cut(100_000.0)];
    world.run(5_000);
    assert_eq!(world.incidents.len(), 1, "nobody can tell yet");
    world.shoot("n1-b");
    let mut all: Vec<_> = world.standing().into_iter().collect();
    all.sort_by_key(|it| it.kind == Kind::Break);
    let places: Vec<f64> = all
        .iter()
        .map(|it| it.place.chainage_m.unwrap().get())
        .collect();
    assert_eq!(
        all.iter().map(|it| it.kind).collect::<Vec<_>>(),
        [Kind::Degradation, Kind::Break]
    );
    assert!((places[0] - AT).abs() < 60.0, "{places:?}");
    assert!((places[1] - 100_000.0).abs() < 60.0, "{places:?}");
}

#[test]
fn what_is_mended_and_cut_again_beside_it_is_placed_by_what_is_seen_since() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.faults = vec![Fault::Cut(AT)];
    world.run(5_000);
    world.shoot("n1-b");
    let first = chainage(&world);
    world.faults.clear();
    world.run(3_000);
    world.shoot("n1-b");
    world.run(60_000);
    assert_eq!(world.only().state, State::Cleared);
    world.faults = vec![Fault::Cut(AT + 40.0)];
    world.run(5_000);
    assert_eq!(world.only().place.chainage_m, None, "not known yet");
    world.shoot("n1-b");
    assert!((chainage(&world) - first - 40.0).abs() < 10.0);
    assert_eq!(world.only().state, State::Open);
}

#[test]
fn a_span_without_light_is_shot_again_since_somebody_may_dig_on() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.faults = vec![Fault::Cut(AT)];
    world.run(5_000);
    world.shoot("n1-b");
    world.shoot("n2-a");
    assert_eq!(shots(&world), 0, "the edge shoots at lost light");
    world.faults.push(Fault::Cut(AT + 5_000.0));
    world.run(155_000);
    assert_eq!(shots(&world), 2, "one of each view");
    let snapshot = world.engine.snapshot();
    let (line, settings) = ("dsw".parse().unwrap(), world.engine.settings.clone());
    world.engine = LineEngine::restore(super::plant(), line, settings, &snapshot).unwrap();
    world.shoot("n1-b");
    world.shoot("n2-a");
    let place = &world.only().place;
    let near = |at: f64| {
        let of = place.candidates.iter();
        of.filter(|it| (it.chainage_m.get() - at).abs() < 60.0)
            .count()
    };
    assert_eq!((near(AT), near(AT + 5_000.0)), (1, 1), "{place:?}");
    world.run(160_000);
    assert_eq!(shots(&world), 4, "and again, each time later");
    world.run(100_000);
    assert_eq!(shots(&world), 4);
}

#[test]
fn a_trace_of_before_that_comes_late_changes_nothing() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    let old = world.tape.iter().rev().find_map(|(input, _)| match input {
        Input::Trace { file, .. } => Some(file.clone()),
        _ => None,
    });
    world.faults = vec![Fault::Cut(AT)];
    world.run(12_000);
    world.shoot("n1-b");
    let before = world.only().clone();
    for late in [false, true] {
        let file = TraceFile {
            trigger: Trigger::Schedule,
            ..old.clone().unwrap()
        };
        let (site, device) = ("s1".parse().unwrap(), "otdr-1".parse().unwrap());
        let id = 99;
        let now = world.now;
        world.step(
            Input::Trace {
                id,
                site,
                device,
                late,
                file,
            },
            now,
        );
        assert_eq!(*world.only(), before, "late {late}");
    }
}

#[test]
fn where_directions_are_swapped_in_the_plant_file_traces_from_both_ends_tell_the_span() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.shoot("n2-a");
    let mut plant = (*super::plant()).clone();
    let devices = plant.devices.iter_mut();
    let swapped = devices.filter(|it| it.site.as_str() == "s2");
    for port in swapped.flat_map(|device| &mut device.ports) {
        port.direction = match port.direction {
            Direction::AToB => Direction::BToA,
            Direction::BToA => Direction::AToB,
        };
    }
    let snapshot = world.engine.snapshot();
    let (line, settings) = ("dsw".parse().unwrap(), world.engine.settings.clone());
    world.engine = LineEngine::restore(plant.into(), line, settings, &snapshot).unwrap();
    world.faults = vec![Fault::Cut(AT)];
    world.run(5_000);
    assert_eq!(
        world.only().place.span.as_deref(),
        Some("n2..n3"),
        "as told"
    );
    world.shoot("n1-b");
    world.shoot("n2-a");
    world.run(20_000);
    let incident = world.only();
    assert_eq!(incident.place.span.as_deref(), Some("n1..n2"));
    assert!((chainage(&world) - AT).abs() < 60.0, "{}", chainage(&world));
    let told = |it: &silkline_analysis::incident::Entry| it.what.contains("swapped");
    assert!(incident.history.iter().any(told), "{:?}", incident.history);
}

/// The edge of a node's agent says that light is lost in a direction.
fn edge_says(world: &mut World, node: usize, point: &str) {
    let event = silkline_protocol::message::Event {
        at: world.now,
        kind: silkline_protocol::message::EventKind::LightLost,
        point: Some(point.parse().unwrap()),
        detail: String::new(),
        permit: None,
        place: None,
    };
    let said = Input::Event {
        site: super::world::site(node),
        device: super::world::device(),
        late: false,
        event,
    };
    let now = world.now;
    world.step(said, now);
}

#[test]
fn stations_of_which_nothing_is_heard_for_a_while_do_not_widen_what_was_known() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::Cut(AT)];
    world.faults.extend((0..5).map(Fault::Mute));
    world.run(500);
    edge_says(&mut world, 2, "in_power.1");
    edge_says(&mut world, 1, "in_power.2");
    world.run(25_000);
    let span = |world: &World| world.only().place.span.clone();
    assert_eq!(span(&world).as_deref(), Some("n1..n2"));
    world.faults = vec![Fault::Cut(AT)];
    world.run(5_000);
    world.shoot("n1-b");
    let incident = world.only();
    assert_eq!(incident.place.span.as_deref(), Some("n1..n2"));
    let moved = |it: &&silkline_analysis::incident::Entry| it.what.starts_with("now ");
    let moved: Vec<_> = incident.history.iter().filter(moved).collect();
    assert!(moved.is_empty(), "{moved:?}");
}

#[test]
fn a_trace_tells_which_span_of_a_stretch_with_mute_stations_is_broken() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::Mute(2), Fault::Mute(3), Fault::Cut(AT)];
    world.run(15_000);
    let broken = |world: &World| {
        let all = world.standing();
        let mut broken = all.iter().filter(|it| it.kind == Kind::Break);
        let headlines: Vec<_> = all.iter().map(|it| &it.headline).collect();
        let one = broken.next().unwrap_or_else(|| panic!("{headlines:?}"));
        one.headline.to_lowercase()
    };
    let wide = broken(&world);
    assert!(wide.contains("station 1 and station 3"), "{wide}");
    world.shoot("n1-b");
    let told = broken(&world);
    assert!(told.contains("station 1 and station 2"), "{told}");
}
