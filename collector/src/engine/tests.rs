//! What the engine promises, on a small line.

pub(super) mod ground;
mod learn;
mod life;
mod permits;
mod ports;
mod proof;
mod sites;
mod table;
mod turns;
mod world;

use std::time::Duration;

use silkline_analysis::incident::{Kind, State};
use silkline_analysis::place::PlaceKind;
use silkline_protocol::sample::Reading;
use silkline_protocol::unit::RouteLength;

use self::ground::plant;
use self::world::{Fault, World, at_ms, device, site};
use super::*;

const PHASES: [u64; 5] = [130, 820, 370, 610, 40];

fn cut_world() -> World {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    world.shoot("n2-a");
    world.run(500);
    world.faults = vec![Fault::Cut(121_237.0)];
    world
}

#[test]
fn a_line_that_is_well_says_nothing() {
    let mut world = World::new(PHASES);
    world.run(20_000);
    assert!(world.said.is_empty(), "{:?}", world.said);
}

#[test]
fn a_cut_is_one_incident_with_its_span_within_two_seconds_whatever_the_phases() {
    for seed in 0..20_u64 {
        let phases = core::array::from_fn(|k| (seed * 7919 + k as u64 * 104_729) % 1000);
        let mut world = World::new(phases);
        world.run(seed * 37);
        world.faults = vec![Fault::Cut(121_237.0)];
        let cut = world.now;
        world.run(1600);
        let incident = world.only();
        assert_eq!((incident.kind, incident.state), (Kind::Break, State::Open));
        assert_eq!(incident.place.span.as_deref(), Some("n1..n2"), "{phases:?}");
        assert!(incident.opened - cut <= Duration::from_millis(1500));
        assert_eq!(incident.place.chainage_m, None);
        world.run(10_000);
        assert_eq!(world.only().place.span.as_deref(), Some("n1..n2"));
        assert_eq!(world.only().affected, ["p1", "transit-1"]);
    }
}

#[test]
fn lasers_that_shut_down_do_not_make_it_equipment() {
    let mut world = World::new(PHASES);
    world.shutdown = true;
    world.faults = vec![Fault::Cut(121_237.0)];
    world.run(8000);
    let incident = world.only();
    assert_eq!(
        (incident.kind, incident.place.span.as_deref()),
        (Kind::Break, Some("n1..n2"))
    );
}

#[test]
fn a_trace_gives_the_place_and_a_second_one_from_the_far_end_refines_it() {
    let mut world = cut_world();
    world.run(2000);
    world.shoot("n1-b");
    let place = world.only().place.clone();
    let [low, high] = place.interval95_m.unwrap();
    assert!((high - low) < RouteLength::of(100.0), "{low} {high}");
    assert!(
        low < RouteLength::of(121_237.0) && RouteLength::of(121_237.0) < high,
        "{place:?}"
    );
    assert!(place.lat.is_some());
    let headline = world.only().headline.clone();
    assert!(
        headline.starts_with("break between Station 1 and Station 2, km 121.2"),
        "{headline}"
    );
    assert!(
        headline.contains("after C-30 towards Station 2"),
        "{headline}"
    );
    world.run(1000);
    world.shoot("n2-a");
    let place = &world.only().place;
    assert!(place.closure_m.is_some() && place.consistent, "{place:?}");
    let reasons: Vec<Reason> = world.notices.iter().map(|notice| notice.reason).collect();
    assert_eq!(reasons.first(), Some(&Reason::Opened));
    assert!(reasons.contains(&Reason::Located));
}

#[test]
fn it_is_cleared_when_light_is_back_for_a_while_and_reopened_when_it_goes_again() {
    let mut world = cut_world();
    world.run(5000);
    world.faults.clear();
    world.run(5000);
    assert_eq!(world.only().state, State::Open, "a flap is held");
    world.run(8000);
    assert_eq!(world.only().state, State::Cleared);
    world.faults = vec![Fault::Cut(121_237.0)];
    world.run(5000);
    assert_eq!(
        (world.only().state, world.only().cleared),
        (State::Open, None)
    );
    assert_eq!(
        world.notices.last().map(|notice| notice.reason),
        Some(Reason::Reopened)
    );
}

#[test]
fn one_direction_alone_is_enough() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::HalfCut(200_000.0)];
    world.run(2500);
    let incident = world.only();
    assert_eq!(
        (incident.kind, incident.place.span.as_deref()),
        (Kind::Break, Some("n2..n3"))
    );
    assert_eq!(
        (incident.place.fibres_dark, incident.place.fibres_watched),
        (1, 2)
    );
}

#[test]
fn a_dead_amplifier_is_equipment_at_its_node() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::Amplifier(2)];
    world.run(8000);
    let incident = world.only();
    assert_eq!(incident.kind, Kind::Equipment, "{incident:#?}");
    assert_eq!(incident.place.node.as_ref().map(|n| n.as_str()), Some("n2"));
}

#[test]
fn a_hut_without_power_is_no_cable_break() {
    for phases in [PHASES, [500; 5], [0, 990, 500, 10, 300]] {
        let mut world = World::new(phases);
        world.faults = vec![Fault::Hut(2)];
        world.run(3000);
        let agent = "main".parse().unwrap();
        let status = |online, agent: &silkline_protocol::id::AgentId| Input::AgentStatus {
            site: site(2),
            agent: agent.clone(),
            online,
            metered: false,
            spool_fault: None,
        };
        world.run(5000);
        let now = world.now;
        world.step(status(true, &agent), now);
        world.step(status(false, &agent), now);
        world.run(20_000);
        let incident = world.only();
        assert_eq!(incident.kind, Kind::Equipment, "{}", incident.headline);
        assert_eq!(
            (incident.place.kind, incident.place.span.as_ref()),
            (PlaceKind::Node, None)
        );
        assert_eq!(incident.place.node.as_ref().map(|n| n.as_str()), Some("n2"));
    }
}

#[test]
fn a_cut_behind_which_the_hut_falls_silent_is_still_a_cut() {
    let mut world = World::new(PHASES);
    // The agent at n2 talks over the fibre that is cut: its own polls no longer arrive.
    world.faults = vec![Fault::Cut(121_237.0), Fault::Mute(2)];
    world.run(15_000);
    let incident = world.only();
    assert_eq!(
        (incident.kind, incident.place.span.as_deref()),
        (Kind::Break, Some("n1..n2"))
    );
    assert!(
        incident
            .anomalies
            .iter()
            .any(|a| a.kind == AnomalyKind::Silent)
    );
}

#[test]
fn a_break_that_only_a_trace_sees_is_an_incident_and_a_good_trace_ends_it() {
    let mut world = World::new(PHASES);
    world.shoot("n1-b");
    // The monitored fibre alone is broken: all watched light goes on.
    world.faults = vec![Fault::Cut(121_237.0)];
    world.shoot("n1-b");
    world.faults.clear();
    let at = world.only().place.chainage_m.unwrap();
    assert!((at - RouteLength::of(121_237.0)).abs() < RouteLength::of(30.0));
    world.run(3000);
    assert_eq!(world.only().state, State::Open);
    world.shoot("n1-b");
    world.run(12_000);
    assert_eq!(world.only().state, State::Cleared);
}

#[test]
fn two_cuts_far_apart_are_two_incidents() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::Cut(40_000.0), Fault::Cut(280_000.0)];
    world.run(10_000);
    let mut spans: Vec<_> = world
        .standing()
        .iter()
        .map(|i| i.place.span.clone().unwrap())
        .collect();
    spans.sort();
    assert_eq!(spans, ["n0..n1", "n3..n4"]);
}

#[test]
fn a_backlog_of_old_darkness_opens_nothing() {
    let mut world = World::new(PHASES);
    let mut sample = world.poll(2, at_ms(500));
    for reading in sample.readings.values_mut() {
        *reading = Reading::Dark;
    }
    let now = world.now;
    world.step(
        Input::Sample {
            site: site(2),
            device: device(),
            late: true,
            sample,
        },
        now,
    );
    world.run(10_000);
    assert!(world.incidents.is_empty());
}

#[test]
fn a_clock_that_steps_back_loses_no_alarm() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::Cut(121_237.0)];
    for node in [1, 2] {
        let sample = world.poll(node, at_ms(0));
        let now = world.now;
        world.step(
            Input::Sample {
                site: site(node),
                device: device(),
                late: false,
                sample,
            },
            now,
        );
    }
    world.run(2000);
    assert_eq!(world.only().place.span.as_deref(), Some("n1..n2"));
}

#[test]
fn a_restart_in_the_middle_changes_not_a_bit() {
    let mut world = cut_world();
    world.run(1000);
    world.shoot("n1-b");
    world.run(15_000);
    world.faults.clear();
    world.shoot("n1-b");
    world.run(15_000);
    let tape = core::mem::take(&mut world.tape);
    let line: LineId = "dsw".parse().unwrap();
    for cut in [1, tape.len() / 3, tape.len() / 2, tape.len() - 1] {
        let mut first = LineEngine::new(plant(), line.clone(), EngineSettings::default());
        let mut said = Vec::new();
        for (input, now) in &tape[..cut] {
            said.extend(first.step(input.clone(), *now));
        }
        let saved = first.snapshot();
        let settings = EngineSettings::default();
        let mut second = LineEngine::restore(plant(), line.clone(), settings, &saved).unwrap();
        assert_eq!(second.snapshot(), saved);
        for (input, now) in &tape[cut..] {
            said.extend(second.step(input.clone(), *now));
        }
        assert_eq!(said, world.said);
        assert_eq!(second.snapshot(), world.engine.snapshot());
    }
}

#[test]
fn operators_move_an_incident_through_its_life() {
    let mut world = cut_world();
    world.run(3000);
    let id = world.only().id.clone();
    let act = |action| Input::Operator {
        incident: id.clone(),
        who: "noc".into(),
        action,
    };
    let now = world.now;
    world.step(act(Action::Acknowledge), now);
    assert_eq!(world.only().state, State::Acknowledged);
    world.step(act(Action::Repairing), now);
    assert_eq!(world.only().state, State::Repairing);
    world.step(
        act(Action::Note {
            text: "crew on the way".into(),
        }),
        now,
    );
    world.step(
        act(Action::Close {
            found_m: Some(RouteLength::of(121_240.0)),
            found: None,
        }),
        now,
    );
    assert_eq!(world.only().state, State::Closed);
    assert!(
        world
            .only()
            .history
            .iter()
            .any(|entry| entry.what == "crew on the way")
    );
}

#[test]
fn a_foreign_snapshot_is_refused() {
    let line: LineId = "dsw".parse().unwrap();
    let taken = LineEngine::restore(plant(), line, EngineSettings::default(), b"{}");
    assert!(matches!(taken, Err(BadSnapshot::Form(_))));
}

#[test]
fn a_bend_is_one_degradation_of_its_span() {
    let mut world = World::new(PHASES);
    world.run(30_000);
    world.faults = vec![Fault::Bend(250_000.0)];
    world.run(15_000);
    let incident = world.only();
    assert_eq!(incident.kind, Kind::Degradation, "{}", incident.headline);
    assert_eq!(incident.place.span.as_deref(), Some("n3..n4"));
    assert_eq!(incident.place.chainage_m, None);
    let devices: std::collections::BTreeSet<_> =
        incident.anomalies.iter().map(|a| &a.device).collect();
    assert_eq!(
        devices.len(),
        2,
        "both directions: {:#?}",
        incident.anomalies
    );
}

#[test]
fn a_trace_from_a_backlog_changes_nothing_that_a_newer_one_told() {
    let mut world = cut_world();
    world.run(2000);
    world.shoot("n1-b");
    let place = world.only().place.clone();
    let old = world.tape.iter().find_map(|(input, _)| match input {
        Input::Trace {
            site, device, file, ..
        } => Some((site.clone(), device.clone(), file.clone())),
        _ => None,
    });
    let (site, device, file) = old.unwrap();
    let now = world.now;
    world.step(
        Input::Trace {
            id: 99,
            site,
            device,
            late: true,
            file,
        },
        now,
    );
    assert!(matches!(
        world.said.last(),
        Some(Output::TraceResult { id: 99, .. })
    ));
    world.run(2000);
    assert_eq!(world.only().place, place);
    assert_eq!(world.only().state, State::Open);
}

#[test]
fn people_are_told_once_of_each_turn() {
    let mut world = cut_world();
    world.run(5000);
    world.shoot("n1-b");
    world.run(5000);
    world.shoot("n1-b");
    world.run(5000);
    world.faults.clear();
    world.run(15_000);
    assert_eq!(world.only().state, State::Open, "no trace has shown it yet");
    world.shoot("n1-b");
    world.run(1000);
    let reasons: Vec<Reason> = world.notices.iter().map(|notice| notice.reason).collect();
    assert_eq!(reasons, [Reason::Opened, Reason::Located, Reason::Cleared]);
}

/// The plant file that ships as an example.
const CORRIDOR: &str = include_str!("../../../deploy/corridor/plant.toml");

#[test]
fn on_the_shipped_corridor_a_trace_over_land_is_worth_less_than_100_metres() {
    use silkline_analysis::fuse;
    use silkline_analysis::place::{Dossier, Evidence, Finding as Says, Sighting};
    use silkline_analysis::route::chain::Chain;
    use silkline_protocol::plant::{LineKind, read};
    use silkline_protocol::unit::OpticalLength;

    let plant = read("plant.toml", CORRIDOR).unwrap().plant;
    let mut looked = 0;
    for line in plant
        .lines
        .iter()
        .filter(|line| line.kind == LineKind::Terrestrial)
    {
        for view in &line.views {
            let chain = Chain::of(line, view, None, &[]).unwrap();
            let [low, high] = chain.range();
            for share in [0.02, 0.21, 0.5, 0.77, 0.97] {
                let at = low + (high - low) * share;
                let sighting = Sighting {
                    view: view.id.clone(),
                    optical_m: chain.glass_at(at),
                    random_m: OpticalLength::of(2.0),
                    systematic_m: OpticalLength::of(0.6),
                    group_index: None,
                    after: None,
                };
                let finding = Says::Otdr(sighting);
                let one = Evidence {
                    id: String::new(),
                    at: None,
                    source: String::new(),
                    finding,
                };
                let dossier = Dossier {
                    line: line.id.clone(),
                    evidence: vec![one],
                };
                let place = fuse::locate(&plant, &dossier).unwrap();
                let [from, to] = place.interval95_m.unwrap();
                assert!(
                    (to - from).get() < 100.0,
                    "{} {at}: {from} to {to}",
                    view.id
                );
                assert!(
                    (place.chainage_m.unwrap() - at).abs().get() < 50.0,
                    "{} {at}",
                    view.id
                );
                assert!(place.lat.is_some() && place.before.is_some() && place.after.is_some());
                looked += 1;
            }
        }
    }
    assert!(looked > 50, "{looked}");
}

#[test]
fn a_whole_trace_over_a_dark_span_is_said_beside_the_break() {
    let mut world = cut_world();
    world.run(3000);
    let faults = core::mem::take(&mut world.faults);
    world.shoot("n1-b");
    world.faults = faults;
    let incident = world.only();
    assert_eq!(
        (incident.state, incident.place.span.as_deref()),
        (State::Open, Some("n1..n2"))
    );
    assert!(
        incident
            .place
            .notes
            .iter()
            .any(|note| note.contains("n1-b")),
        "{:?}",
        incident.place.notes
    );
}
