//! What holds for any fibre, any shot, any fault.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may fail like the test"
)]

use std::time::Duration;

use proptest::prelude::*;
use silkline_protocol::plant::{Direction, Plant};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength, RouteLength};
use silkline_sim::Seed;
use silkline_sim::fault::{Fault, Scene};
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Part, Shot, shoot};
use silkline_sim::truth::Truth;
use silkline_sim::world::{Moment, ShotOrder, Stand, World};

fn joint() -> impl Strategy<Value = Joint> {
    let reflectance = prop::option::of(-70.0..-14.0);
    (0.0..1.0, reflectance).prop_map(|(loss, reflectance)| Joint {
        loss: Db::of(loss),
        reflectance: reflectance.map(Db::of),
    })
}

fn part() -> impl Strategy<Value = Part> {
    (1.0..9_000.0, 0.15..0.5, -85.0..-78.0, joint()).prop_map(
        |(length, loss, backscatter, then)| Part {
            length: OpticalLength::of(length),
            attenuation: DbPerKm::of(loss),
            backscatter: Db::of(backscatter),
            then,
        },
    )
}

fn fibre() -> impl Strategy<Value = Fibre> {
    (joint(), prop::collection::vec(part(), 1..12))
        .prop_map(|(panel, parts)| Fibre { panel, parts })
}

fn plant() -> Plant {
    let text = silkline_sim::corridor::plant_toml();
    silkline_protocol::plant::read("plant.toml", &text)
        .unwrap()
        .plant
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_bend_adds_its_loss_wherever_it_is(mut fibre in fibre(), share in 0.0..0.999, db in 0.1..9.0) {
        let (length, loss) = (fibre.length(), fibre.loss());
        fibre.bend_at(length * share, Db::of(db));
        prop_assert!((fibre.length() - length).get().abs() < 1e-6);
        prop_assert!((fibre.loss() - loss - Db::of(db)).get().abs() < 1e-6);
    }

    #[test]
    fn a_break_leaves_what_lies_before_it(mut fibre in fibre(), share in 0.001..1.0) {
        let (length, loss) = (fibre.length(), fibre.loss());
        fibre.break_at(length * share, Joint::default());
        prop_assert!((fibre.length() - length * share).get().abs() < 1e-6);
        prop_assert!(fibre.loss() <= loss + Db::of(1e-9));
    }

    #[test]
    fn any_shot_makes_a_file_that_reads_back(
        fibre in fibre(),
        pulse_ns in 5_u16..20_000,
        average_s in 1_u16..200,
        seed in any::<u64>(),
    ) {
        let shot = Shot {
            taken: Timestamp::from_seconds(1_790_000_000),
            noise: Seed(seed),
            ..Shot::of(fibre.length(), pulse_ns, average_s)
        };
        let trace = shoot(&fibre, &Instrument::default(), &shot);
        prop_assert!(trace.raw.len() <= 65_536);
        let sor = silkline_sor::read(&trace.sor(&Labels::default())).unwrap();
        prop_assert_eq!(&sor.curve.raw, &trace.raw);
        prop_assert_eq!(sor.warnings.len(), 0);
    }

    #[test]
    fn light_ends_at_the_end(fibre in fibre(), seed in any::<u64>()) {
        let shot = Shot { noise: Seed(seed), ..Shot::of(fibre.length(), 100, 180) };
        // Without a tail: what lingers behind a reflection reaches far beyond the end.
        let trace = shoot(&fibre, &Instrument { tail: 0.0, ..Instrument::default() }, &shot);
        let beyond_m = fibre.length().get() + 10.0 * 10.3;
        let floor = -trace.floor.get() * 1_000.0;
        // Light that went to and fro between reflectors comes back later than the end's.
        let images = fibre.images();
        let is_image = |at_m: f64| images.iter().any(|i| (-10.3..103.0).contains(&(at_m - i.at.get())));
        let position = (0_u32..).map(|sample| f64::from(sample) * shot.spacing.get());
        for (raw, at_m) in trace.raw.iter().zip(position) {
            // Seven standard deviations of noise: 5·log10(7) dB above the floor.
            let is_dark = f64::from(*raw) > floor - 4_300.0;
            prop_assert!(at_m < beyond_m || is_dark || is_image(at_m), "{raw} at {at_m}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_darkens_two_inputs_and_shots_from_both_sides_meet(share in 0.01..0.99, seed in 0..20_u64) {
        let world = World::new(plant(), Seed(seed));
        let line = world.plant().line(&"baku-poti".parse().unwrap()).unwrap();
        let at = line.length() * share;
        let mut scene = Scene::default();
        let cut = Fault::Cut { line: line.id.clone(), at, fibre: None };
        prop_assert_eq!(cut.check(world.plant()), Ok(()));
        scene.inflict(cut, Duration::ZERO);
        let moment = Moment { scene: &scene, now: Duration::from_secs(5) };
        let mut dark = Vec::new();
        for node in &line.nodes {
            for direction in [Direction::AToB, Direction::BToA] {
                let stand = Stand { line: &line.id, node: &node.id, direction };
                if world.amplifier(stand, moment).unwrap().input.is_none() {
                    dark.push(&node.id);
                }
            }
        }
        let (from, to) = line.span_at(at).unwrap();
        prop_assert_eq!(dark, [&from.id, &to.id]);
        let cable = world.truth().cable(&line.id).unwrap();
        let reached = |node, until| {
            let view = line.views.iter().find(|v| v.node == node && v.until.as_ref() == Some(until));
            let view = view.unwrap();
            let damage = scene.damage(&line.id, &view.fibre);
            cable.strand(&view.fibre).seen(view, &damage).unwrap().length() - view.launch
        };
        let sum = reached(from.id.clone(), &to.id) + reached(to.id.clone(), &from.id);
        let whole = cable.node_glass(&to.id).unwrap() - cable.node_glass(&from.id).unwrap();
        prop_assert!((sum - whole).get().abs() < 1e-6);
    }

    #[test]
    fn glass_leads_back_to_its_ground(share in 0.0..1.0, seed in any::<u64>()) {
        let plant = plant();
        let truth = Truth::of(&plant, Seed(seed));
        for line in &plant.lines {
            let cable = truth.cable(&line.id).unwrap();
            let at = line.length() * share;
            // The drawn ends may lie half a metre off the file's.
            let off = (cable.ground_at(cable.glass_at(at)) - at).get().abs();
            prop_assert!(off < 2.5, "{} {at}: {off}", line.id);
        }
    }

    #[test]
    fn the_same_order_in_the_same_world_gives_the_same_file(seed in any::<u64>(), km in 71.0..113.0) {
        let shot = || {
            let world = World::new(plant(), Seed(seed));
            let mut scene = Scene::default();
            let line = "baku-poti".parse().unwrap();
            let at = RouteLength::of(km * 1_000.0);
            scene.inflict(Fault::Bend { line, at, loss: Db::of(1.0), fibre: None }, Duration::ZERO);
            let taken = Timestamp::from_seconds(1_790_000_000);
            let order = ShotOrder { pulse_ns: 300, average_s: 5, taken };
            world.shoot(&"alat-hajigabul".parse().unwrap(), order, &scene).unwrap()
        };
        prop_assert!(shot() == shot());
    }
}
