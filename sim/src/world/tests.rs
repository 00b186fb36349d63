//! What instruments see of a plant with known faults, against the science by hand.

use super::*;
use crate::fault::Fault;
use silkline_protocol::plant::Direction;
use silkline_protocol::unit::{Db, RouteLength};

fn id<T: core::str::FromStr>(text: &str) -> T
where
    T::Err: core::fmt::Debug,
{
    text.parse().unwrap()
}

fn world() -> World {
    let text = crate::corridor::plant_toml();
    World::new(
        silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant,
        Seed(1),
    )
}

fn scene(fault: Fault) -> Scene {
    let mut scene = Scene::default();
    scene.inflict(fault, Duration::ZERO);
    scene
}

fn cut(line: &str, km: f64) -> Fault {
    Fault::Cut {
        line: id(line),
        at: RouteLength::of(km * 1_000.0),
        fibre: None,
    }
}

fn amplifier(world: &World, scene: &Scene, place: (&str, &str, Direction)) -> Amplifier {
    let (line, node, direction) = (id(place.0), id(place.1), place.2);
    let stand = Stand {
        line: &line,
        node: &node,
        direction,
    };
    world
        .amplifier(
            stand,
            Moment {
                scene,
                now: Duration::from_secs(60),
            },
        )
        .unwrap()
}

#[test]
fn all_is_well_means_every_input_is_lit_within_reason() {
    let (world, well) = (world(), Scene::default());
    for line in &world.plant().lines {
        for node in &line.nodes {
            for direction in [Direction::AToB, Direction::BToA] {
                let seen = amplifier(
                    &world,
                    &well,
                    (line.id.as_str(), node.id.as_str(), direction),
                );
                let input = seen.input.unwrap().get();
                assert!(
                    (-23.0..0.0).contains(&input),
                    "{} {direction:?}: {input}",
                    node.id
                );
                assert!((0.0..5.0).contains(&seen.output.unwrap().get()));
                assert!((200.0..600.0).contains(&seen.pump_ma));
                assert!(seen.supervisory.is_some());
            }
        }
    }
}

#[test]
fn a_cut_darkens_the_first_input_on_either_side_and_nothing_else() {
    let (world, cut) = (world(), scene(cut("baku-poti", 150.0)));
    let line = world.plant().line(&id("baku-poti")).unwrap();
    for node in &line.nodes {
        for direction in [Direction::AToB, Direction::BToA] {
            let seen = amplifier(&world, &cut, ("baku-poti", node.id.as_str(), direction));
            let first = match direction {
                Direction::AToB => "kurdamir",
                Direction::BToA => "hajigabul",
            };
            let dark = node.id.as_str() == first;
            assert_eq!(seen.input.is_none(), dark, "{} {direction:?}", node.id);
            assert_eq!(seen.supervisory.is_none(), dark);
            // The amplifier's own output masks the loss.
            assert!(seen.output.unwrap().get() > 0.0);
        }
    }
}

#[test]
fn a_bend_dims_what_arrives_by_its_loss() {
    let world = world();
    let at = RouteLength::of(150_000.0);
    let bend = Fault::Bend {
        line: id("baku-poti"),
        at,
        loss: Db::of(3.0),
        fibre: Some(id("f1")),
    };
    let (well, bent) = (Scene::default(), scene(bend));
    let seen = |scene: &Scene, node: &str, direction| {
        amplifier(&world, scene, ("baku-poti", node, direction))
            .input
            .unwrap()
    };
    let ab = seen(&well, "kurdamir", Direction::AToB) - seen(&bent, "kurdamir", Direction::AToB);
    assert!((ab.get() - 3.0).abs() < 1e-9, "{ab}");
    let ba = seen(&well, "hajigabul", Direction::BToA) - seen(&bent, "hajigabul", Direction::BToA);
    assert!(ba.get().abs() < 1e-9, "the other strand is bent too: {ba}");
}

#[test]
fn a_worn_pump_asks_for_more_current_then_loses_light() {
    let world = world();
    let worn = scene(Fault::Pump {
        line: id("baku-poti"),
        node: id("ganja"),
    });
    let (line, node) = (id("baku-poti"), id("ganja"));
    let stand = Stand {
        line: &line,
        node: &node,
        direction: Direction::AToB,
    };
    let at = |seconds| {
        let moment = Moment {
            scene: &worn,
            now: Duration::from_secs(seconds),
        };
        world.amplifier(stand, moment).unwrap()
    };
    assert!(at(1).pump_ma < 500.0);
    assert!(at(60).pump_ma > at(20).pump_ma);
    assert!(at(200).pump_ma > 900.0);
    assert!((at(60).output.unwrap() - at(1).output.unwrap()).get().abs() < 0.3);
    assert!((at(1).output.unwrap() - at(600).output.unwrap()).get() > 2.0);
}

#[test]
fn a_shunt_moves_voltage_from_one_end_to_the_other() {
    // 380 km at 1.38 ohm and 0.9 A with four repeaters of 32 V: 600 V in all. At 100 km one
    // repeater and 124 V of cable lie before the fault: 156 V and 444 V.
    let world = world();
    let line = id("sumgait-aktau");
    let feed = |scene: &Scene| {
        world
            .feed(
                &line,
                Moment {
                    scene,
                    now: Duration::from_secs(9),
                },
            )
            .unwrap()
    };
    let [a, b] = feed(&Scene::default()).volts;
    assert!(
        (a + b - 600.0).abs() < 10.0 && (a - b).abs() < 1.0,
        "{a} {b}"
    );
    let at = RouteLength::of(100_000.0);
    let [a, b] = feed(&scene(Fault::Feed {
        line: line.clone(),
        at,
    }))
    .volts;
    assert!((a - 156.2).abs() < 6.0, "{a}");
    assert!((b - 443.7).abs() < 8.0, "{b}");
    assert!(
        amplifier(
            &world,
            &scene(Fault::Feed { line, at }),
            ("sumgait-aktau", "rep-2", Direction::AToB)
        )
        .input
        .is_some()
    );
}

#[test]
fn repeaters_beyond_a_cut_do_not_answer() {
    let (world, cut) = (world(), scene(cut("sumgait-aktau", 190.0)));
    let moment = Moment {
        scene: &cut,
        now: Duration::ZERO,
    };
    let line = id("sumgait-aktau");
    let answers = |station: &str, repeater: &str| {
        world.repeater_answers(&line, [&id(station), &id(repeater)], moment)
    };
    assert!(answers("sumgait", "rep-2") && !answers("sumgait", "rep-3"));
    assert!(answers("aktau", "rep-3") && !answers("aktau", "rep-2"));
}

#[test]
fn a_hut_without_mains_empties_its_battery() {
    let world = world();
    let dark = scene(Fault::Battery { site: id("ganja") });
    let at = |site: &str, seconds| {
        world.hut(
            &id(site),
            Moment {
                scene: &dark,
                now: Duration::from_secs(seconds),
            },
        )
    };
    assert!(at("tovuz", 600).battery_volts > 54.0);
    assert!(at("ganja", 0).battery_volts > 51.0);
    assert!(at("ganja", 400).battery_volts < 46.0);
    assert!(at("ganja", 400).mains_volts < 1.0);
}

#[test]
fn a_shot_ends_where_the_cable_is_cut() {
    let world = world();
    let view = id("hajigabul-kurdamir");
    let order = ShotOrder {
        pulse_ns: 1_000,
        average_s: 10,
        taken: Timestamp::from_seconds(1_790_000_000),
    };
    let cut = scene(cut("baku-poti", 150.0));
    let shot =
        |scene: &Scene| silkline_sor::read(&world.shoot(&view, order, scene).unwrap()).unwrap();
    let cable = world.truth().cable(&id("baku-poti")).unwrap();
    let glass =
        cable.glass_at(RouteLength::of(150_000.0)) - cable.node_glass(&id("hajigabul")).unwrap();
    let mean_level = |sor: &silkline_sor::Sor, from_m: f64, to_m: f64| {
        let levels = sor.curve.decibels();
        let inside: Vec<f64> = levels
            .iter()
            .enumerate()
            .filter(|(sample, _)| (from_m..to_m).contains(&sor.sample_m(*sample)))
            .map(|(_, db)| f64::from(*db))
            .collect();
        inside.iter().sum::<f64>() / inside.len() as f64
    };
    let (whole, broken) = (shot(&Scene::default()), shot(&cut));
    let at = glass.get();
    assert!(
        (mean_level(&whole, at - 900.0, at - 100.0) - mean_level(&broken, at - 900.0, at - 100.0))
            .abs()
            < 0.05
    );
    let fallen =
        mean_level(&broken, at - 900.0, at - 100.0) - mean_level(&broken, at + 300.0, at + 2_000.0);
    assert!(fallen > 8.0, "{fallen}");
    assert!(
        (mean_level(&whole, at - 900.0, at - 100.0) - mean_level(&whole, at + 300.0, at + 1_500.0))
            .abs()
            < 1.0
    );
}

#[test]
fn each_port_of_an_otdr_looks_into_its_view() {
    let world = world();
    let view = |site: &str, port| {
        let found = world.view_of(&id(site), &id("otdr-1"), port);
        found.map(|(_, view)| view.id.to_string())
    };
    assert_eq!(view("ganja", 1).unwrap(), "ganja-tovuz");
    assert_eq!(view("ganja", 2).unwrap(), "ganja-yevlakh");
    assert_eq!(view("baku", 2).unwrap(), "baku-sumgait");
    assert_eq!(view("ganja", 3), None);
}
