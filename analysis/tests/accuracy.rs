//! How far off the place is: the simulator's forward model → end of fibre → place, seeded.
//!
//! Cuts anywhere on the example corridor's land line, seen by OTDR files alone, from one end and
//! from both. The true plant is another one for each seed, such as the plant file could describe;
//! the simulator shares no conversion with the analysis.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test tells by panicking, in its helpers too, and `make accuracy` reads the figures"
)]

use core::time::Duration;

use silkline_analysis::fuse;
use silkline_analysis::place::{Dossier, Evidence, Finding, Place, Sighting};
use silkline_analysis::trace::{Trace, analyse};
use silkline_protocol::plant::{Line, Plant, Toward, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{OpticalLength, RouteLength};
use silkline_sim::Seed;
use silkline_sim::fault::{Fault, Scene};
use silkline_sim::world::{ShotOrder, World};

#[expect(dead_code, reason = "the report's tables use what this test does not")]
#[path = "../examples/accuracy/draw.rs"]
mod draw;
#[path = "../examples/accuracy/physics.rs"]
mod physics;
#[expect(dead_code, reason = "the report's tables use what this test does not")]
#[path = "../examples/accuracy/posterior.rs"]
mod posterior;
#[expect(dead_code, reason = "the report's tables use what this test does not")]
#[path = "../examples/accuracy/score.rs"]
mod score;

/// Plants, and cuts on each.
const PLANTS: u64 = 8;
const CUTS: u64 = 5;

fn plant() -> Plant {
    silkline_protocol::plant::read("plant.toml", &silkline_sim::corridor::plant_toml())
        .unwrap()
        .plant
}

/// Numbers between 0 and 1 that look random and are always the same.
fn draw(seed: u64, k: u64) -> f64 {
    let mut z = (seed * 1_000 + k + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The two views that look at a place from the nodes around it.
fn views_of(line: &Line, at: RouteLength) -> Vec<&View> {
    let (from, to) = line.span_at(at).unwrap();
    let looks = |view: &&View| match view.toward {
        Toward::B => view.node == from.id,
        Toward::A => view.node == to.id,
    };
    line.views.iter().filter(looks).collect()
}

/// What a shot into a view says; the file's positions count from the view's node.
fn sighting(world: &World, view: &View, scene: &Scene, second: i64) -> Option<Evidence> {
    let taken = Timestamp::from_seconds(1_800_000_000 + second);
    let order = ShotOrder {
        pulse_ns: 300,
        average_s: 15,
        taken,
    };
    let file = world.shoot(&view.id, order, scene)?;
    let trace = Trace::from_sor(&silkline_sor::read(&file).unwrap()).unwrap();
    let end = analyse(&trace).end?;
    let found = Sighting {
        view: view.id.clone(),
        optical_m: end.at,
        random_m: end.plus_minus * (1.0 / 1.96),
        systematic_m: OpticalLength::of(0.6),
        group_index: Some(trace.settings().group_index),
        after: None,
    };
    let (id, source) = (view.id.to_string(), String::new());
    Some(Evidence {
        id,
        at: Some(taken),
        source,
        finding: Finding::Otdr(found),
    })
}

#[derive(Default)]
struct Score {
    errors: Vec<f64>,
    widths: Vec<f64>,
    inside: usize,
}

impl Score {
    fn add(&mut self, place: &Place, truth: RouteLength) {
        let (Some(at), Some([low, high])) = (place.chainage_m, place.interval95_m) else {
            self.errors.push(f64::INFINITY);
            return;
        };
        self.errors.push((at - truth).abs().get());
        self.widths.push((high - low).get());
        self.inside += usize::from((low..=high).contains(&truth));
    }

    fn at(values: &[f64], share: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let k = (0..=last)
            .find(|k| *k as f64 >= share * last as f64)
            .unwrap_or(last);
        sorted[k]
    }

    fn tell(&self, name: &str) -> (f64, f64, f64) {
        let inside = self.inside as f64 / self.errors.len() as f64;
        let (median, most) = (Self::at(&self.errors, 0.5), Self::at(&self.errors, 0.95));
        let width = Self::at(&self.widths, 0.5);
        println!(
            "{name}: {} cuts, error {median:.1} m median, {most:.1} m at 95 %, inside {:.0} %, \
             interval {width:.1} m",
            self.errors.len(),
            100.0 * inside
        );
        (median, most, inside)
    }
}

#[test]
fn a_cut_on_the_corridor_is_found_within_its_stated_error() {
    let (mut one, mut both) = (Score::default(), Score::default());
    let plant = plant();
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    for seed in 0..PLANTS {
        let world = World::new(plant.clone(), Seed(seed));
        for k in 0..CUTS {
            let at = RouteLength::of((line.length().get() * draw(seed, k)).round());
            let cut = Fault::Cut {
                line: line.id.clone(),
                at,
                fibre: None,
            };
            let mut scene = Scene::default();
            scene.inflict(cut, Duration::ZERO);
            let second = i64::try_from(seed * CUTS + k).unwrap();
            let seen: Vec<Evidence> = views_of(line, at)
                .into_iter()
                .filter_map(|view| sighting(&world, view, &scene, second))
                .collect();
            let place = |evidence: &[Evidence]| {
                let evidence = evidence.to_vec();
                fuse::locate(
                    &plant,
                    &Dossier {
                        line: line.id.clone(),
                        evidence,
                    },
                )
                .unwrap()
            };
            one.add(&place(&seen[..1]), at);
            both.add(&place(&seen), at);
        }
    }
    let (median, most, inside) = one.tell("from one end");
    assert!(
        median <= 6.0 && most <= 20.0 && inside >= 0.90,
        "{median} {most} {inside}"
    );
    let (median, most, inside) = both.tell("from both ends");
    assert!(
        median <= 6.0 && most <= 20.0 && inside >= 0.90,
        "{median} {most} {inside}"
    );
}

/// A small part of the sweep that the `accuracy` example reports on, with room for luck: 54 traces.
#[test]
fn events_and_ends_of_synthetic_fibres_are_found_where_they_are() {
    let (mut ends, mut near, mut inside) = (0, 0, 0);
    let (mut strong, mut found, mut wrong) = (0, 0, 0);
    for (p, pulse_ns) in [30, 300, 3_000].into_iter().enumerate() {
        for (n, (noise, _)) in draw::Noise::ALL.into_iter().enumerate() {
            for k in 0..6 {
                let seed = 77_000 + (p as u64 * 3 + n as u64) * 100 + k;
                let score = score::score(&draw::case(pulse_ns, noise, seed), seed, false);
                wrong += score.false_events.len();
                let is_end = |outcome: &&score::Outcome| outcome.kind.is_end();
                let (of_ends, others): (Vec<_>, Vec<_>) = score.outcomes.iter().partition(is_end);
                let held = |p: &score::Place| p.error_m.abs() <= p.half_m;
                let holds = |outcome: &&&score::Outcome| outcome.place.as_ref().is_some_and(held);
                ends += of_ends.len();
                near += of_ends.iter().filter(|outcome| outcome.is_near()).count();
                inside += of_ends.iter().filter(holds).count();
                let strongly: Vec<_> = others.iter().filter(|outcome| outcome.z >= 6.0).collect();
                strong += strongly.len();
                found += strongly
                    .iter()
                    .filter(|outcome| outcome.place.is_some())
                    .count();
            }
        }
    }
    println!(
        "54 traces: {near} of {ends} ends found, {inside} intervals hold; \
         {found} of {strong} strong events found, {wrong} false"
    );
    assert_eq!(ends, 54);
    assert!(near >= 45 && inside >= 40, "{near} near, {inside} inside");
    assert!(5 * found >= 4 * strong, "{found} of {strong}");
    assert!(wrong <= 54, "{wrong}");
}
