//! Permits to work: nothing is shot into their fibres, and everybody who reads of a cause knows.

use silkline_protocol::permit::{Fields, Permit};

use super::world::{Fault, World, at_ms};
use super::{PHASES, plant};
use crate::engine::{EngineSettings, Input, LineEngine, Output, PermitChange};

fn permit(fibres: &[&str], until_ms: u64) -> Permit {
    Permit::new(Fields {
        id: "p-1".parse().unwrap(),
        person: "Aysel".into(),
        contact: String::new(),
        line: "dsw".parse().unwrap(),
        fibres: fibres.iter().map(|fibre| fibre.parse().unwrap()).collect(),
        from: at_ms(0),
        until: at_ms(until_ms),
    })
    .unwrap()
}

fn set(world: &mut World, permit: Permit) {
    let now = world.now;
    world.step(Input::Permit(PermitChange::Set(permit)), now);
}

fn shots(world: &World) -> usize {
    let is_shot = |it: &&Output| matches!(it, Output::Shoot { .. });
    world.said.iter().filter(is_shot).count()
}

fn bent(permit: Option<Permit>) -> World {
    let mut world = World::new(PHASES);
    if let Some(permit) = permit {
        set(&mut world, permit);
    }
    // Long enough for the inputs to have a past.
    world.run(120_000);
    world.faults = vec![Fault::Bend(121_237.0)];
    world.run(20_000);
    world
}

#[test]
fn a_span_that_fades_is_shot_at_unless_somebody_works_at_the_fibre() {
    assert!(shots(&bent(None)) > 0);
    assert!(
        shots(&bent(Some(permit(&["f1"], 600_000)))) > 0,
        "another fibre"
    );
    for fibres in [&["f3"][..], &[]] {
        let world = bent(Some(permit(fibres, 600_000)));
        assert_eq!(shots(&world), 0, "{fibres:?}");
        let history = &world.only().history;
        let said = |entry: &&_| -> bool {
            let entry: &silkline_analysis::incident::Entry = entry;
            entry
                .what
                .contains("no shot of view n1-b: permit p-1 of Aysel")
        };
        assert!(history.iter().any(|entry| said(&entry)), "{history:#?}");
    }
}

#[test]
fn an_incident_shows_who_is_at_its_fibres_for_as_long_as_the_permit_holds() {
    let mut world = World::new(PHASES);
    set(&mut world, permit(&["f3"], 20_000));
    world.faults = vec![Fault::Cut(121_237.0)];
    world.run(5_000);
    assert_eq!(world.only().permits, [permit(&["f3"], 20_000)]);
    world.run(15_000);
    assert_eq!(world.only().permits, [], "it is over by itself");
    let last = world.only().history.last().unwrap();
    assert_eq!(last.what, "permit p-1 is over");
    set(&mut world, permit(&[], 90_000));
    assert_eq!(
        world.only().permits.len(),
        1,
        "one that comes later as well"
    );
    let (id, line) = ("p-1".parse().unwrap(), "dsw".parse().unwrap());
    let now = world.now;
    world.step(Input::Permit(PermitChange::Revoked { id, line }), now);
    assert_eq!(world.only().permits, []);
}

#[test]
fn a_snapshot_holds_the_permits() {
    let mut world = World::new(PHASES);
    set(&mut world, permit(&["f3"], 20_000));
    let snapshot = world.engine.snapshot();
    let line = "dsw".parse().unwrap();
    let again = LineEngine::restore(plant(), line, EngineSettings::default(), &snapshot).unwrap();
    assert_eq!(again.snapshot(), snapshot);
    assert_eq!(again.deadline(), world.engine.deadline());
}
