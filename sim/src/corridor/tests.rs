//! What the example plant promises.

use silkline_protocol::plant::{LineKind, NodeKind, Plant, Toward};

use super::*;

fn plant() -> Plant {
    let checked = silkline_protocol::plant::read("plant.toml", &plant_toml()).unwrap();
    assert_eq!(checked.warnings, Vec::<String>::new());
    checked.plant
}

#[test]
fn the_committed_file_is_what_the_generator_gives() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/corridor/plant.toml");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == plant_toml(),
        "deploy/corridor/plant.toml differs: run `silkline-sim corridor > deploy/corridor/plant.toml`"
    );
}

#[test]
fn no_span_on_land_exceeds_100_km_and_none_at_sea_80() {
    for line in plant().lines {
        let limit_km = if line.kind == LineKind::Submarine {
            80.0
        } else {
            100.0
        };
        for (from, to) in line.spans() {
            let km = (to.chainage - from.chainage).km();
            assert!(
                km > 20.0 && km <= limit_km,
                "{}..{} is {km} km",
                from.id,
                to.id
            );
        }
    }
}

#[test]
fn the_lengths_are_the_published_ones() {
    let plant = plant();
    let km = |id: &str| plant.line(&id.parse().unwrap()).unwrap().length().km();
    assert!((km("sumgait-aktau") - 380.0).abs() < 0.001);
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    let tbilisi = line.node(&"tbilisi".parse().unwrap()).unwrap();
    // Timetables give about 550 km from Baku to Tbilisi.
    assert!(
        (tbilisi.chainage.km() - 550.0).abs() < 10.0,
        "{}",
        tbilisi.chainage
    );
}

#[test]
fn every_span_on_land_is_seen_from_both_ends_with_every_closure_marked() {
    for line in plant()
        .lines
        .iter()
        .filter(|line| line.kind == LineKind::Terrestrial)
    {
        for (from, to) in line.spans() {
            let views: Vec<_> = line
                .views
                .iter()
                .filter(|v| {
                    (v.toward == Toward::B && v.node == from.id)
                        || (v.toward == Toward::A && v.node == to.id)
                })
                .collect();
            assert_eq!(views.len(), 2, "{}..{}", from.id, to.id);
            let inside = |at| from.chainage < at && at < to.chainage;
            for closure in line
                .landmarks
                .iter()
                .filter(|l| l.kind == "closure" && inside(l.at))
            {
                let marks = line
                    .marks
                    .iter()
                    .filter(|mark| mark.landmark == closure.name);
                assert_eq!(marks.count(), 2, "{}", closure.name);
            }
        }
    }
}

#[test]
fn at_sea_the_landing_stations_see_up_to_the_first_repeater() {
    let plant = plant();
    let line = plant.line(&"sumgait-aktau".parse().unwrap()).unwrap();
    let seen: Vec<String> = line
        .views
        .iter()
        .map(|view| format!("{} {}", view.node, view.until.as_ref().unwrap()))
        .collect();
    assert_eq!(seen, ["sumgait rep-1", "aktau rep-4"]);
    assert_eq!(
        line.nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Repeater)
            .count(),
        4
    );
    assert!(line.feed.is_some());
}

#[test]
fn each_port_of_an_otdr_has_one_view() {
    let plant = plant();
    let mut ports = Vec::new();
    for line in &plant.lines {
        for view in &line.views {
            let site = line.node(&view.node).unwrap().site.clone().unwrap();
            ports.push((site, view.port.unwrap()));
        }
    }
    let count = ports.len();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), count);
}

#[test]
fn every_node_on_land_has_light_in_and_out_in_both_directions() {
    let plant = plant();
    let count = |node: &str, path: &str| {
        let ports = plant.devices.iter().flat_map(|device| &device.ports);
        ports
            .filter(|port| port.node.as_str() == node && port.path.as_str() == path)
            .count()
    };
    assert_eq!(count("kurdamir", "bp-1"), 4);
    assert_eq!(count("baku", "bp-1"), 2);
    assert_eq!(count("poti", "bp-1"), 2);
    // Both landing stations report each repeater.
    assert_eq!(count("rep-2", "sa-1"), 8);
}
