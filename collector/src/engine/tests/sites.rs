//! What the engine promises about devices, agents and sites.

use std::sync::Arc;
use std::time::Duration;

use silkline_analysis::incident::{Kind, State};
use silkline_analysis::series::{AnomalyKind, Severity};
use silkline_protocol::device::{About, Limits, PointAbout, Role, Unit};
use silkline_protocol::id::{DeviceId, LineId};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::PHASES;
use super::ground::plant;
use super::world::{Fault, World, about, at_ms, device, site};
use crate::engine::{EngineSettings, Input, LineEngine, Output};

#[test]
fn a_mute_device_is_a_minor_incident_of_its_own() {
    let mut world = World::new(PHASES);
    world.faults = vec![Fault::Mute(3)];
    world.run(15_000);
    let incident = world.only();
    assert_eq!(
        (incident.kind, incident.severity),
        (Kind::Equipment, Severity::Minor)
    );
    assert!(
        incident.headline.contains("edfa-1"),
        "{}",
        incident.headline
    );
    world.faults.clear();
    world.run(15_000);
    assert_eq!(world.only().state, State::Cleared);
}

#[test]
fn an_agent_that_is_gone_with_all_it_polls_is_one_incident() {
    let mut world = World::new(PHASES);
    let agent: silkline_protocol::id::AgentId = "main".parse().unwrap();
    let status = |online| Input::AgentStatus {
        site: site(3),
        agent: agent.clone(),
        online,
        metered: false,
        spool_fault: None,
    };
    let now = world.now;
    world.step(status(true), now);
    world.faults = vec![Fault::Mute(3)];
    world.step(status(false), now);
    world.run(20_000);
    assert_eq!(
        (world.only().kind, world.only().severity),
        (Kind::Agent, Severity::Minor)
    );
}

#[test]
fn a_pump_that_ages_and_a_battery_that_empties_are_one_incident_each() {
    let mut world = World::new(PHASES);
    for k in 0..20_u32 {
        world.run(1000);
        let mut sample = world.poll(1, world.now);
        let bias = 800.0 + 10.0 * f64::from(k);
        sample
            .readings
            .insert("pump_bias.9".parse().unwrap(), Reading::Value(bias));
        let volts = 48.0 - 0.3 * f64::from(k);
        sample
            .readings
            .insert("battery_voltage".parse().unwrap(), Reading::Value(volts));
        let now = world.now;
        world.step(
            Input::Sample {
                site: site(1),
                device: device(),
                late: false,
                sample,
            },
            now,
        );
    }
    let kinds: Vec<_> = world.incidents.values().map(|i| i.kind).collect();
    assert!(
        kinds.contains(&Kind::Degradation) && kinds.contains(&Kind::Environment),
        "{kinds:?}"
    );
    assert_eq!(kinds.len(), 2);
}

#[test]
fn two_pumps_of_a_device_that_age_together_are_one_incident() {
    let mut world = World::new(PHASES);
    for k in 0..20_u32 {
        world.run(1000);
        let mut sample = world.poll(1, world.now);
        let bias = 800.0 + 10.0 * f64::from(k);
        for name in ["pump_bias.8", "pump_bias.9"] {
            let value = Reading::Value(bias);
            sample.readings.insert(name.parse().unwrap(), value);
        }
        let (site, device, late, now) = (site(1), device(), false, world.now);
        let input = Input::Sample {
            site,
            device,
            late,
            sample,
        };
        world.step(input, now);
    }
    assert_eq!(world.only().kind, Kind::Degradation);
    assert!(
        world.only().headline.contains("pumps of edfa-1"),
        "{}",
        world.only().headline
    );
}

#[test]
fn a_site_whose_devices_all_fall_silent_is_one_incident_without_any_last_will() {
    let mut world = World::new(PHASES);
    let battery: DeviceId = "battery-1".parse().unwrap();
    let mut slow = about();
    slow.poll_ms = 10_000;
    let now = world.now;
    world.step(
        Input::About {
            site: site(3),
            device: battery.clone(),
            about: slow,
        },
        now,
    );
    let mut sample = world.poll(3, now);
    sample.readings.retain(|name, _| name.stem() == "pump_bias");
    let input = Input::Sample {
        site: site(3),
        device: battery,
        late: false,
        sample,
    };
    world.step(input, now);
    world.faults = vec![Fault::Mute(3)];
    world.run(90_000);
    assert_eq!(world.only().kind, Kind::Agent, "{}", world.only().headline);
}

fn status(online: bool) -> Input {
    Input::AgentStatus {
        site: site(3),
        agent: "main".parse().unwrap(),
        online,
        metered: false,
        spool_fault: None,
    }
}

#[test]
fn samples_that_are_held_up_on_their_way_are_no_lost_agent() {
    let mut world = World::new(PHASES);
    let now = world.now;
    world.step(status(true), now);
    world.faults = vec![Fault::Mute(3)];
    world.run(50_000);
    assert!(world.incidents.is_empty(), "{:?}", world.incidents);
    world.faults.clear();
    world.run(30_000);
    assert!(world.incidents.is_empty(), "{:?}", world.incidents);
}

#[test]
fn an_agent_that_is_connected_and_sends_nothing_for_long_is_told() {
    let mut world = World::new(PHASES);
    let now = world.now;
    world.step(status(true), now);
    world.faults = vec![Fault::Mute(3)];
    world.run(90_000);
    assert_eq!(world.incidents.len(), 1);
}

#[test]
fn a_device_whose_agent_tells_that_it_does_not_answer_is_told_at_once() {
    let mut world = World::new(PHASES);
    let now = world.now;
    world.step(status(true), now);
    for _ in 0..20 {
        world.faults = vec![Fault::Mute(3)];
        world.run(1000);
        let mut sample = world.poll(3, world.now);
        for reading in sample.readings.values_mut() {
            *reading = Reading::Bad(silkline_protocol::sample::BadReading::Timeout);
        }
        let (site, device, late, now) = (site(3), device(), false, world.now);
        let input = Input::Sample {
            site,
            device,
            late,
            sample,
        };
        world.step(input, now);
    }
    assert_eq!(world.only().kind, Kind::Equipment);
}

#[test]
fn readings_that_were_overtaken_by_what_the_edge_said_bring_no_light_back() {
    let mut world = World::new(PHASES);
    let then = world.now;
    let held_up = world.poll(3, then);
    let lit = |name: &&silkline_protocol::id::PointName| name.stem() == "in_power";
    let point = held_up.readings.keys().find(lit).cloned();
    let event = silkline_protocol::message::Event {
        at: at_ms(0) + (then - at_ms(0)) + Duration::from_millis(100),
        kind: silkline_protocol::message::EventKind::LightLost,
        point,
        detail: String::new(),
        permit: None,
        place: None,
    };
    let (late, now) = (false, then + Duration::from_millis(200));
    let said = Input::Event {
        site: site(3),
        device: device(),
        late,
        event,
    };
    world.step(said, now);
    let (site, device) = (site(3), device());
    let input = Input::Sample {
        site,
        device,
        late,
        sample: held_up,
    };
    world.step(input, now + Duration::from_secs(1));
    let dark = world.said.iter().filter_map(|output| match output {
        Output::Anomaly(a) if a.kind == AnomalyKind::Dark => Some(a.to.is_some()),
        _ => None,
    });
    assert_eq!(dark.collect::<Vec<bool>>(), [false]);
}

/// A power feed's sample, with its volts at 0.9 A.
fn feeding(at: Timestamp, volts: f64) -> Sample {
    let readings = [("feed_voltage", volts), ("feed_current", 0.9)];
    let named = readings.map(|(name, value)| (name.parse().unwrap(), Reading::Value(value)));
    Sample {
        at,
        readings: named.into_iter().collect(),
    }
}

/// A power feed's points.
fn about_feeding() -> About {
    let roles = [
        ("feed_voltage", Role::FeedVoltage),
        ("feed_current", Role::FeedCurrent),
    ];
    let point = |(name, role): (&str, Role)| PointAbout {
        name: name.parse().unwrap(),
        unit: Unit::Volt,
        role,
        limits: Limits::default(),
    };
    About {
        points: roles.map(point).into(),
        ..about()
    }
}

#[test]
fn a_shunt_fault_is_one_power_feed_incident_with_its_place() {
    let mut plant = (*plant()).clone();
    plant.lines[0].feed = Some(silkline_protocol::plant::Feed {
        amps: 0.9,
        volts_a: 200.0,
        volts_b: 200.0,
        ohm_per_km: 1.38,
        repeater_volts: vec![[0.9, 0.0]],
    });
    let line: LineId = "dsw".parse().unwrap();
    let mut engine = LineEngine::new(Arc::new(plant), line, EngineSettings::default());
    let device: DeviceId = "pfe-1".parse().unwrap();
    let mut incidents = Vec::new();
    for (second, node) in (0..20_u64).flat_map(|second| [(second, 0), (second, 4)]) {
        let at = at_ms(1000 * second);
        let volts = match (second < 5, node) {
            (true, _) => 200.0,
            (false, 0) => 120.0,
            (false, _) => 280.0,
        };
        let (site, device) = (site(node), device.clone());
        if second == 0 {
            let (site, device, about) = (site.clone(), device.clone(), about_feeding());
            engine.step(
                Input::About {
                    site,
                    device,
                    about,
                },
                at,
            );
        }
        let sample = feeding(at, volts);
        let said = engine.step(
            Input::Sample {
                site,
                device,
                late: false,
                sample,
            },
            at,
        );
        incidents.extend(said.into_iter().filter_map(|output| match output {
            Output::Incident(incident) => Some(*incident),
            _ => None,
        }));
    }
    let last = incidents.last().unwrap();
    assert!(
        incidents.iter().all(|incident| incident.id == last.id),
        "one cause"
    );
    assert_eq!((last.kind, last.anomalies.len()), (Kind::PowerFeed, 2));
    // 80 V of 400 V more at B than at A: 120 / 400 of 320 km.
    let at = last.place.chainage_m.unwrap();
    assert!((at.km() - 96.0).abs() < 0.5, "{at}");
}

#[test]
fn a_device_of_two_lines_is_told_of_by_its_first_one_alone() {
    let mut plant = (*plant()).clone();
    let mut other = plant.lines[0].clone();
    other.id = "branch".parse().unwrap();
    plant.lines.push(other);
    for device in &mut plant.devices {
        device.lines.push("branch".parse().unwrap());
    }
    let plant = Arc::new(plant);
    let mut told = Vec::new();
    for line in ["dsw", "branch"] {
        let settings = EngineSettings::default();
        let mut engine = LineEngine::new(plant.clone(), line.parse().unwrap(), settings);
        let (site, device) = (site(1), device());
        engine.step(
            Input::About {
                site,
                device,
                about: about(),
            },
            at_ms(0),
        );
        let said = engine.step(Input::Tick, at_ms(60_000));
        told.extend(said.into_iter().filter_map(|output| match output {
            Output::Incident(incident) => Some(incident.lines.clone()),
            _ => None,
        }));
    }
    let lines: Vec<LineId> = ["dsw", "branch"].map(|line| line.parse().unwrap()).into();
    assert_eq!(told, [lines]);
}

#[test]
fn a_pause_of_the_collector_makes_nobody_silent() {
    let mut world = World::new(PHASES);
    let later = world.now + Duration::from_secs(600);
    world.step(Input::Started, later);
    assert!(world.said.is_empty(), "{:?}", world.said);
    world.run(3000);
    assert!(world.incidents.is_empty());
}

#[test]
fn an_engine_that_begins_anew_knows_the_past_that_the_store_holds() {
    let line: LineId = "dsw".parse().unwrap();
    let mut engine = LineEngine::new(plant(), line, EngineSettings::default());
    let poll = |world: &World, at: Timestamp| Input::Sample {
        site: site(2),
        device: device(),
        late: false,
        sample: world.poll(2, at),
    };
    let mut world = World::new(PHASES);
    let told = Input::About {
        site: site(2),
        device: device(),
        about: about(),
    };
    let hours = |k: u64| at_ms(900_000 * k);
    let past: Vec<Input> = (0..96).map(|k| poll(&world, hours(k))).collect();
    engine.warm([told].into_iter().chain(past));
    // What fell while nobody watched is found at once, against the day before.
    world.faults = vec![Fault::Bend(121_237.0)];
    let mut said = engine.step(Input::Started, hours(96));
    for second in 0..10 {
        let at = hours(96) + Duration::from_secs(second);
        said.extend(engine.step(poll(&world, at), at));
    }
    let found = said.iter().any(|output| match output {
        Output::Anomaly(anomaly) => !anomaly.detail.contains("provisional"),
        _ => false,
    });
    assert!(found, "{said:?}");
}

/// What an agent whose disk takes nothing tells.
fn disk(fault: Option<&str>) -> Input {
    let Input::AgentStatus { site, agent, .. } = status(true) else {
        unreachable!("a status is one");
    };
    Input::AgentStatus {
        site,
        agent,
        online: true,
        metered: false,
        spool_fault: fault.map(str::to_owned),
    }
}

#[test]
fn a_disk_that_takes_nothing_is_an_incident_until_it_does() {
    let mut world = World::new(PHASES);
    let step = |world: &mut World, input| {
        let now = world.now;
        world.step(input, now);
        world.run(10_000);
    };
    step(&mut world, disk(None));
    assert!(world.incidents.is_empty());
    step(&mut world, disk(Some("database or disk is full")));
    let incident = world.only();
    assert_eq!(
        (incident.kind, incident.severity, incident.state),
        (Kind::Agent, Severity::Minor, State::Open)
    );
    assert!(
        incident.headline.contains("disk of the agent") && incident.headline.contains("full"),
        "{}",
        incident.headline
    );
    step(&mut world, disk(Some("disk I/O error")));
    assert!(world.only().headline.contains("I/O error"));
    // It comes and goes, and its last will knows nothing of the disk.
    step(&mut world, status(false));
    step(&mut world, disk(Some("disk I/O error")));
    let full = |i: &&silkline_analysis::incident::Incident| i.headline.contains("disk");
    assert_eq!(world.standing().into_iter().filter(full).count(), 1);
    let (line, settings) = ("dsw".parse().unwrap(), world.engine.settings.clone());
    let snapshot = world.engine.snapshot();
    world.engine = LineEngine::restore(plant(), line, settings, &snapshot).unwrap();
    assert_eq!(world.engine.snapshot(), snapshot);
    step(&mut world, disk(None));
    world.run(60_000);
    assert!(world.standing().is_empty(), "{:?}", world.standing());
}

#[test]
fn a_disk_that_fails_explains_no_silent_device() {
    let mut world = World::new(PHASES);
    let now = world.now;
    world.step(disk(Some("disk I/O error")), now);
    world.run(5_000);
    world.faults = vec![Fault::Mute(3)];
    world.run(90_000);
    let kinds: Vec<_> = world.incidents.values().map(|i| &i.cause).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
}
