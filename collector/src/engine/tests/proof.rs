//! Proof shots, from the engine's side.

use silkline_analysis::incident::State;
use silkline_analysis::series::{Anomaly, AnomalyKind};
use silkline_protocol::device::About;

use super::PHASES;
use super::world::{World, about, at_ms, site};
use crate::engine::{EngineSettings, Input, Output};

const HOUR: u64 = 3_600_000;

/// The line with the instrument of n1 there, and a day and a half without a trace.
fn unshot(settings: EngineSettings) -> World {
    let mut world = World::with(PHASES, settings);
    let about = About {
        points: Vec::new(),
        ..about()
    };
    let (site, device) = (site(1), "otdr-1".parse().unwrap());
    let now = world.now;
    world.step(
        Input::About {
            site,
            device,
            about,
        },
        now,
    );
    world.step(Input::Tick, at_ms(36 * HOUR));
    world
}

/// What was said of the view, oldest first.
fn said(world: &World) -> Vec<&Anomaly> {
    world.said.iter().filter_map(of_view).collect()
}

fn of_view(output: &Output) -> Option<&Anomaly> {
    match output {
        Output::Anomaly(it) if it.id.contains("/n1-b/unshot/") => Some(it),
        _ => None,
    }
}

#[test]
fn a_view_that_answers_no_proof_shot_is_an_incident_until_a_trace_comes() {
    let mut world = unshot(EngineSettings::default());
    let shot = |it: &&Output| matches!(it, Output::Shoot { view, .. } if view.as_str() == "n1-b");
    assert!(world.said.iter().filter(shot).count() >= 4);
    let [anomaly] = said(&world)[..] else {
        panic!("{:?}", said(&world));
    };
    assert_eq!((anomaly.kind, anomaly.to), (AnomalyKind::Silent, None));
    let id = anomaly.id.clone();
    let holds = |world: &World| {
        let of =
            |it: &&&silkline_analysis::incident::Incident| it.anomalies.iter().any(|a| a.id == id);
        world.standing().iter().filter(of).count()
    };
    assert_eq!(holds(&world), 1, "it is told");
    world.shoot("n1-b");
    let over = said(&world).last().unwrap().to;
    assert_eq!(over, Some(world.now));
    let known = world.incidents.values();
    let known = known.flat_map(|it| &it.anomalies).find(|a| a.id == id);
    assert!(known.unwrap().to.is_some());
}

#[test]
fn nobody_is_asked_for_shots_where_they_are_switched_off() {
    let settings = EngineSettings {
        shot_every: std::time::Duration::ZERO,
        ..EngineSettings::default()
    };
    let world = unshot(settings);
    let shots = world
        .said
        .iter()
        .filter(|it| matches!(it, Output::Shoot { .. }));
    assert_eq!((shots.count(), said(&world).len()), (0, 0));
    let states = world.incidents.values().map(|it| it.state);
    assert!(states.into_iter().all(|state| state != State::Suspect));
}
