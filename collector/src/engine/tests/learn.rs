//! What repairs teach, and what nobody can see.

use std::sync::Arc;

use silkline_analysis::incident::{Found, How, Incident, State};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::plant::read;
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::unit::RouteLength;

use super::world::{Fault, World, about, at_ms};
use super::{PHASES, cut_world, plant};
use crate::api::example::sor_of;
use crate::engine::{Action, EngineSettings, Input, LineEngine, Output};

fn close(world: &mut World, found: f64) {
    let id = world.standing()[0].id.clone();
    let now = world.now;
    let found = Found {
        chainage_m: RouteLength::of(found),
        plus_minus_m: RouteLength::of(3.0),
        how: How::Gps,
        said: "40.7, 44.6".into(),
        who: "crew 4".into(),
        at: now,
    };
    let action = Action::Close {
        found_m: None,
        found: Some(found),
    };
    let input = Input::Operator {
        incident: id,
        who: "crew 4".into(),
        action,
    };
    world.step(input, now);
}

/// A cut that was seen from one end, repaired and closed with its place.
fn repaired() -> World {
    let mut world = cut_world();
    world.run(5_000);
    world.shoot("n1-b");
    world.run(1_000);
    close(&mut world, 121_240.0);
    world.faults.clear();
    world.run(30_000);
    world.shoot("n1-b");
    world.shoot("n2-a");
    world.run(700_000);
    world
}

#[test]
fn a_closed_incident_keeps_what_was_predicted_beside_what_was_found() {
    let world = repaired();
    let incident = world.only();
    assert_eq!(incident.state, State::Closed);
    let found = incident.found.as_ref().unwrap();
    assert_eq!(
        (found.chainage_m.get(), found.who.as_str()),
        (121_240.0, "crew 4")
    );
    let predicted = incident.place.chainage_m.unwrap();
    assert!(
        (predicted - found.chainage_m).abs().get() < 30.0,
        "{predicted}"
    );
    let last = incident
        .history
        .iter()
        .find(|it| it.what.starts_with("found"));
    assert!(
        last.is_some_and(|it| it.what.starts_with("found at km 121.240")),
        "{last:?}"
    );
}

#[test]
fn the_next_fault_beside_a_repair_is_placed_by_it_and_a_restart_changes_nothing() {
    let mut world = repaired();
    let snapshot = world.engine.snapshot();
    let line = "dsw".parse().unwrap();
    let again = LineEngine::restore(plant(), line, EngineSettings::default(), &snapshot).unwrap();
    assert_eq!(again.snapshot(), snapshot);
    world.engine = again;
    world.faults = vec![Fault::Cut(121_900.0)];
    world.run(5_000);
    world.shoot("n1-b");
    let standing = world.standing();
    let place = &standing[0].place;
    let before = place.before.as_ref().unwrap();
    assert!(before.landmark.starts_with("repair dsw-"), "{before:?}");
    let at = place.chainage_m.unwrap().get();
    assert!((at - 121_900.0).abs() < 30.0, "{at}");
}

#[test]
fn an_engine_that_begins_anew_is_told_of_its_repairs() {
    let world = repaired();
    let repair = silkline_analysis::learn::Repair::of(world.only()).unwrap();
    let fresh = || {
        let line = "dsw".parse().unwrap();
        LineEngine::new(plant(), line, EngineSettings::default())
    };
    let mut told = fresh();
    told.remember(vec![repair.clone(), repair]);
    let text = String::from_utf8(told.snapshot()).unwrap();
    assert_eq!(text.matches("crew 4").count(), 1, "once");
    assert_ne!(told.snapshot(), fresh().snapshot());
}

/// An unrepeatered cable of 380 km whose ends look 27 dB far.
const LONG: &str = r#"
[[site]]
id = "west"
[[site]]
id = "east"
[[line]]
id = "long"
kind = "submarine"
a = "west"
b = "east"
node = [
  { id = "west", kind = "terminal", chainage_m = 0, site = "west" },
  { id = "east", kind = "terminal", chainage_m = 380000, site = "east" },
]
fibre = [{ id = "f1" }, { id = "f2" }]
view = [
  { id = "west-b", fibre = "f2", node = "west", toward = "B", reach_db = 27, device = "otdr-1" },
  { id = "east-a", fibre = "f2", node = "east", toward = "A", reach_db = 27, device = "otdr-1" },
]
[[path]]
id = "eastward"
system = "pair"
hops = [{ line = "long", fibre = "f1", from = "west", to = "east" }]
[[device]]
id = "edfa-1"
site = "west"
profile = "silkline-edfa"
lines = ["long"]
port = [{ index = "1", path = "eastward", node = "west", direction = "AB", side = "out" }]
[[device]]
id = "edfa-1"
site = "east"
profile = "silkline-edfa"
lines = ["long"]
port = [{ index = "1", path = "eastward", node = "east", direction = "AB", side = "in" }]
"#;

/// The engine of the long cable, and its incident as it was said last.
struct Long {
    engine: LineEngine,
    last: Option<Incident>,
}

impl Long {
    fn step(&mut self, input: Input, ms: u64) {
        for output in self.engine.step(input, at_ms(ms)) {
            if let Output::Incident(incident) = output {
                self.last = Some(*incident);
            }
        }
    }

    fn poll(&mut self, site: &str, (point, light): (&str, Reading), ms: u64) {
        let readings = [(point.parse().unwrap(), light)].into();
        let at = at_ms(ms);
        let sample = Sample { at, readings };
        let (site, device) = (site.parse().unwrap(), "edfa-1".parse().unwrap());
        let late = false;
        self.step(
            Input::Sample {
                site,
                device,
                late,
                sample,
            },
            ms,
        );
    }

    /// A shot that sees nothing but fibre until the light is gone.
    fn shoot(&mut self, site: &str, view: &str, ms: u64) {
        let file = TraceFile {
            at: at_ms(ms),
            view: Some(view.parse().unwrap()),
            port: None,
            trigger: Trigger::LightLost,
            sor: sor_of(10.0, 380_000.0),
        };
        let (site, device) = (site.parse().unwrap(), "otdr-1".parse().unwrap());
        let (id, late) = (1, false);
        self.step(
            Input::Trace {
                id,
                site,
                device,
                late,
                file,
            },
            ms,
        );
    }
}

/// The long cable, cut after twenty seconds.
fn long_cut() -> Long {
    let plant = Arc::new(read("long", LONG).unwrap().plant);
    let line = "long".parse().unwrap();
    let engine = LineEngine::new(plant, line, EngineSettings::default());
    let mut long = Long { engine, last: None };
    for site in ["west", "east"] {
        let (site, device) = (site.parse().unwrap(), "edfa-1".parse().unwrap());
        let about = about();
        long.step(
            Input::About {
                site,
                device,
                about,
            },
            0,
        );
    }
    for second in 1..40_u64 {
        let light = if second < 20 {
            Reading::Value(-17.0)
        } else {
            Reading::Dark
        };
        let ms = second * 1000;
        long.poll("west", ("out_power.1", Reading::Value(3.0)), ms);
        long.poll("east", ("in_power.1", light), ms);
    }
    long
}

#[test]
fn when_both_ends_see_their_own_side_whole_the_fault_is_in_the_blind_middle() {
    let mut long = long_cut();
    let blind = [150_000.0, 230_000.0].map(RouteLength::of);
    let place = &long.last.as_ref().unwrap().place;
    assert_eq!(
        (place.chainage_m, place.unseen_m.as_slice()),
        (None, &[blind][..])
    );
    long.shoot("west", "west-b", 41_000);
    long.shoot("east", "east-a", 42_000);
    let incident = long.last.unwrap();
    let said: Vec<&str> = incident.history.iter().map(|it| it.what.as_str()).collect();
    let told = |it: &&str| it.contains("view east-a sees its fibre whole as far");
    assert!(said.iter().any(told), "{said:?}");
    let place = incident.place;
    assert_eq!(
        (place.chainage_m, place.lat),
        (None, None),
        "no point is invented"
    );
    // These shots are noisier than the plant file thinks: their light is clear for 77 km alone.
    let [[low, high]] = place.unseen_m[..] else {
        panic!("{:?}", place.unseen_m);
    };
    assert_eq!(place.interval95_m, Some([low, high]));
    let shown = |at: RouteLength, km: f64| (at.km() - km).abs() < 4.0;
    assert!(shown(low, 76.0) && shown(high, 304.0), "{low} {high}");
    let told: Vec<_> = place
        .notes
        .iter()
        .filter(|it| it.starts_with("no instrument"))
        .collect();
    assert!(told.len() == 1 && !told[0].contains("150.0"), "{told:?}");
}

#[test]
fn repairs_of_other_lines_teach_nothing_here() {
    let world = repaired();
    let mut repair = silkline_analysis::learn::Repair::of(world.only()).unwrap();
    repair.line = "elsewhere".parse().unwrap();
    let mut engine = World::new(PHASES).engine;
    let before = engine.snapshot();
    engine.remember(vec![repair]);
    assert_eq!(engine.snapshot(), before);
}
