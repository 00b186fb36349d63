//! The example plant: the Digital Silk Way from Aktau under the Caspian and along the railway to
//! Poti, as a plant file. `deploy/corridor/plant.toml` is what [`plant_toml`] gives.
//!
//! Public facts only, positions approximate (see `facts`); what is not public is made up, from one
//! fixed seed, so that the file never changes by itself.

mod facts;
mod gear;
mod route;
mod survey;
mod write;

use facts::Town;
use route::{Bends, Vertex};
use survey::{Joint, Landmark, Stretch};

use crate::chance::{Chance, Seed};

/// The seed of everything made up; another one makes another plant.
const SEED: Seed = Seed(1_550);
/// Length of a drum, in metres.
const DRUM_M: f64 = 4_000.0;
/// Distance between factory joints at sea, in metres.
const SEA_JOINT_M: f64 = 25_000.0;
/// Distance between posts in the file, in metres: the railway has one a kilometre.
const POST_M: f64 = 5_000.0;
/// How far along baku-poti the cable to Sumgait lies in the same duct, in metres.
const SHARED_M: f64 = 5_200.0;

/// The text of the example's plant file.
#[must_use]
pub fn plant_toml() -> String {
    let railway = railway();
    let caspian = caspian();
    let backhaul = backhaul();
    write::plant(&[railway, backhaul, caspian], SHARED_M)
}

/// A line as it goes into the file.
struct Laid {
    id: &'static str,
    /// Short name of its path.
    path: &'static str,
    name: &'static str,
    submarine: bool,
    nodes: Vec<Node>,
    route: Vec<Vertex>,
    spans: Vec<Span>,
    posts: Vec<(String, f64)>,
}

struct Node {
    id: String,
    kind: &'static str,
    at_m: f64,
    town: Option<Town>,
}

/// What lies between two neighbouring nodes.
struct Span {
    stretch: Stretch,
    cable: &'static str,
    laid: &'static str,
    depth_m: f64,
    landmarks: Vec<Landmark>,
}

fn railway() -> Laid {
    let mut chance = SEED.draws("baku-poti");
    let stops = facts::RAILWAY.map(|town| town.at);
    let bends = Bends {
        ratio: facts::RAILWAY_RATIO,
        wave_m: 25_000.0,
        step_m: 2_500.0,
    };
    let (route, reached) = route::through(&stops, bends, &mut chance);
    let last = facts::RAILWAY.len() - 1;
    let node = |(place, (town, at_m)): (usize, (&Town, f64))| Node {
        id: town.id.into(),
        kind: if place == 0 || place == last {
            "terminal"
        } else {
            "ila"
        },
        at_m: at_m.round(),
        town: Some(*town),
    };
    let nodes: Vec<Node> = facts::RAILWAY
        .iter()
        .zip(reached)
        .enumerate()
        .map(node)
        .collect();
    let posts = posts(&nodes, &mut chance);
    let spans = land_spans(&nodes, &mut chance);
    let (id, path, name) = ("baku-poti", "bp-1", "Baku - Tbilisi - Poti");
    Laid {
        id,
        path,
        name,
        submarine: false,
        nodes,
        route,
        spans,
        posts,
    }
}

fn backhaul() -> Laid {
    let mut chance = SEED.draws("baku-sumgait");
    let ends = [facts::BAKU, facts::SUMGAIT];
    let bends = Bends {
        ratio: facts::RAILWAY_RATIO,
        wave_m: 25_000.0,
        step_m: 2_500.0,
    };
    let (route, reached) = route::through(&ends.map(|town| town.at), bends, &mut chance);
    let node = |(town, at_m): (Town, f64)| Node {
        id: town.id.into(),
        kind: "terminal",
        at_m: at_m.round(),
        town: Some(town),
    };
    let nodes: Vec<Node> = ends.into_iter().zip(reached).map(node).collect();
    let spans = land_spans(&nodes, &mut chance);
    let (id, path, name) = ("baku-sumgait", "bs-1", "Baku - Sumgait");
    Laid {
        id,
        path,
        name,
        submarine: false,
        nodes,
        route,
        spans,
        posts: Vec::new(),
    }
}

fn caspian() -> Laid {
    let mut chance = SEED.draws("sumgait-aktau");
    let ends = [facts::SUMGAIT, facts::AKTAU];
    let [a, b] = ends.map(|town| town.at);
    let length_m = facts::CASPIAN_KM * 1_000.0;
    let ratio = length_m / route::great_circle_m(a, b);
    let bends = Bends {
        ratio,
        wave_m: 180_000.0,
        step_m: 10_000.0,
    };
    let (mut route, _) = route::through(&[a, b], bends, &mut chance);
    let drawn_m = route.last().map_or(length_m, |vertex| vertex.chainage_m);
    for vertex in &mut route {
        vertex.chainage_m *= length_m / drawn_m;
    }
    let terminal = |town: Town, at_m| Node {
        id: town.id.into(),
        kind: "terminal",
        at_m,
        town: Some(town),
    };
    let repeater = |number: u32| Node {
        id: format!("rep-{number}"),
        kind: "repeater",
        at_m: length_m * f64::from(number) / f64::from(facts::REPEATERS + 1),
        town: None,
    };
    let mut nodes = vec![terminal(facts::SUMGAIT, 0.0)];
    nodes.extend((1..=facts::REPEATERS).map(repeater));
    nodes.push(terminal(facts::AKTAU, length_m));
    let spans = sea_spans(&nodes, &mut chance);
    let (id, path, name) = ("sumgait-aktau", "sa-1", "Sumgait - Aktau (Caspian)");
    Laid {
        id,
        path,
        name,
        submarine: true,
        nodes,
        route,
        spans,
        posts: Vec::new(),
    }
}

fn stretches(nodes: &[Node], chance: &mut Chance) -> Vec<Stretch> {
    // The same instrument settings all along: one error of the index for the whole line.
    let index_error = chance.normal(1e-4);
    let stretch = |(from, to): (&Node, &Node)| Stretch {
        from_m: from.at_m,
        to_m: to.at_m,
        excess_percent: f64::from(chance.whole(8, 25)) * 0.05,
        index_error,
    };
    nodes
        .iter()
        .zip(nodes.iter().skip(1))
        .map(stretch)
        .collect()
}

fn land_spans(nodes: &[Node], chance: &mut Chance) -> Vec<Span> {
    let mut number = 0;
    let stretches = stretches(nodes, chance);
    let span = |(place, stretch): (usize, Stretch)| {
        let mut joints = Vec::new();
        for true_m in stretch.drum_ends(DRUM_M, chance) {
            number += 1;
            let name = format!("closure {number:03}");
            joints.push(Joint {
                name,
                kind: "closure",
                true_m,
                at_sea: false,
                has_coils: true,
            });
        }
        let mut landmarks = stretch.surveyed(&joints, chance);
        landmarks.extend(crossings(&stretch, chance));
        landmarks.sort_by(|a, b| a.at_m.total_cmp(&b.at_m));
        let (laid, depth_m) = if place % 4 == 3 {
            ("duct", 0.8)
        } else {
            ("buried", 1.2)
        };
        Span {
            stretch,
            cable: "48-fibre loose tube",
            laid,
            depth_m,
            landmarks,
        }
    };
    stretches.into_iter().enumerate().map(span).collect()
}

/// Things that stand beside the cable and can be seen from the road, not from the glass.
fn crossings(stretch: &Stretch, chance: &mut Chance) -> Vec<Landmark> {
    let count = ((stretch.to_m - stretch.from_m) / 40_000.0).ceil();
    let many = (0_u32..)
        .map(f64::from)
        .take_while(|number| *number < count);
    let mut crossing = |number: f64| {
        let share = (number + chance.between(0.2, 0.8)) / count;
        let at_m = (stretch.from_m + share * (stretch.to_m - stretch.from_m)).round();
        let (kind, what) = if chance.happens(0.5) {
            ("crossing", "level crossing km")
        } else {
            ("manhole", "manhole km")
        };
        Landmark {
            name: format!("{what} {:.1}", at_m / 1_000.0),
            kind,
            at_m,
            plus_minus_m: 10.0,
            slack_m: [0.0, 0.0],
            marks_m: None,
        }
    };
    many.map(&mut crossing).collect()
}

fn sea_spans(nodes: &[Node], chance: &mut Chance) -> Vec<Span> {
    let stretches = stretches(nodes, chance);
    let last = stretches.len() - 1;
    let mut number = 0;
    let span = |(place, stretch): (usize, Stretch)| {
        let mut joints = Vec::new();
        let mut joint = |name: String, kind, true_m, at_sea| {
            joints.push(Joint {
                name,
                kind,
                true_m,
                at_sea,
                has_coils: !at_sea,
            });
        };
        if place == 0 {
            joint(
                "beach manhole Sumgait".into(),
                "beach-manhole",
                stretch.from_m + 900.0,
                false,
            );
        }
        for true_m in stretch.drum_ends(SEA_JOINT_M, chance) {
            number += 1;
            joint(format!("joint {number}"), "joint", true_m, true);
        }
        if place == last {
            joint(
                "beach manhole Aktau".into(),
                "beach-manhole",
                stretch.to_m - 1_400.0,
                false,
            );
        }
        let mut landmarks = stretch.surveyed(&joints, chance);
        for landmark in &mut landmarks {
            // A view ends at the first repeater; nothing beyond it has a mark.
            landmark.marks_m = landmark.marks_m.filter(|_| place == 0 || place == last);
        }
        let depth_m = if place == 0 || place == last {
            20.0
        } else {
            180.0
        };
        Span {
            stretch,
            cable: "submarine, armoured",
            laid: "seabed",
            depth_m,
            landmarks,
        }
    };
    stretches.into_iter().enumerate().map(span).collect()
}

fn posts(nodes: &[Node], chance: &mut Chance) -> Vec<(String, f64)> {
    let end_m = nodes.last().map_or(0.0, |node| node.at_m);
    let many = (1_u32..).map(|number| f64::from(number) * POST_M);
    let mut post = |at_m: f64| {
        // A cable crosses the track now and then, so posts and chainage drift apart a little.
        let beside_m = (at_m + chance.between(-60.0, 60.0)).round();
        (format!("{:.0}", at_m / 1_000.0), beside_m)
    };
    many.take_while(|at_m| *at_m + 100.0 < end_m)
        .map(&mut post)
        .collect()
}

#[cfg(test)]
mod tests;
