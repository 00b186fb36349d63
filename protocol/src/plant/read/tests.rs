//! What the reader of plant files promises.

use super::*;
use crate::plant::{NodeKind, Passes};

const SMALL: &str = r#"
[[site]]
id = "baku"
[[site]]
id = "ganja"
lat = 40.68
lon = 46.36
[[line]]
id = "baku-ganja"
kind = "terrestrial"
a = "baku"
b = "ganja"
route = [[40.41, 49.87, 0], [40.68, 46.36, 300000]]
[[line.view]]
id = "v1"
fibre = "f1"
node = "baku"
toward = "B"
"#;

fn mistakes(text: &str) -> Vec<String> {
    read("p.toml", text)
        .unwrap_err()
        .0
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_small_plant_stays_small() {
    let plant = read("p.toml", SMALL).unwrap().plant;
    let line = &plant.lines[0];
    assert_eq!(line.nodes.len(), 2);
    assert_eq!(line.nodes[1].kind, NodeKind::Terminal);
    assert_eq!(line.fibres.len(), 1);
    assert!((line.length().get() - 300_000.0).abs() < 1e-9);
    assert_eq!(plant.revision.len(), 64);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = SMALL
        .replace("id = \"ganja\"", "id = \"Ganja\"")
        .replace("toward = \"B\"", "toward = \"C\"")
        .replace("lat = 40.68", "lat = 140.68")
        .replace(
            "kind = \"terrestrial\"",
            "kind = \"terrestrial\"\ncolour = 1",
        );
    let said = mistakes(&text);
    for wanted in ["p.toml:5:6: site[1].id", "140.68", "colour", "toward"] {
        assert!(
            said.iter().any(|one| one.contains(wanted)),
            "{wanted} in {said:#?}"
        );
    }
    assert!(said.iter().all(|one| !one.contains(":0:")), "{said:#?}");
}

#[test]
fn a_wrong_word_does_not_hide_a_name_that_points_nowhere() {
    let text = SMALL
        .replace("\"terrestrial\"", "\"air\"")
        .replace("b = \"ganja\"", "b = \"gandja\"");
    let said = mistakes(&text).join("\n");
    assert!(said.contains("\"air\""), "{said}");
    assert!(said.contains("no site is called gandja"), "{said}");
}

#[test]
fn names_that_point_nowhere_are_mistakes() {
    let text = format!(
        "{SMALL}
until = \"tbilisi\"
[[line.mark]]
view = \"v2\"
landmark = \"C-1\"
optical_m = 5
[[device]]
id = \"e\"
site = \"poti\"
profile = \"p\"
lines = [\"x\"]
[[device.port]]
path = \"p1\"
node = \"n\"
direction = \"AB\"
side = \"in\"
[[path]]
id = \"p2\"
hops = [{{ line = \"baku-ganja\", fibre = \"f9\", from = \"baku\", to = \"tbilisi\" }}]
"
    );
    let said = mistakes(&text).join("\n");
    for wanted in [
        "until: no node of this line is called tbilisi",
        "no view of this line is called v2",
        "no landmark of this line is called \"C-1\"",
        "no site is called poti",
        "no line is called x",
        "no path is called p1",
        "no node is called n",
        "line baku-ganja has no fibre f9",
        "line baku-ganja has no node tbilisi",
    ] {
        assert!(said.contains(wanted), "{wanted} in\n{said}");
    }
}

#[test]
fn chainage_out_of_order_and_beyond_the_end_is_told() {
    let text = format!(
        "{SMALL}
[[line.landmark]]
name = \"C-2\"
at = {{ chainage_m = 8000 }}
[[line.landmark]]
name = \"C-1\"
at = {{ chainage_m = 4000 }}
[[line.landmark]]
name = \"C-9\"
at = {{ chainage_m = 300001 }}
[[line.landmark]]
name = \"C-10\"
at = {{ post = \"7+3\" }}
"
    );
    let said = mistakes(&text).join("\n");
    assert!(said.contains("4000 m stands after 8000 m"), "{said}");
    assert!(said.contains("beyond the line's end"), "{said}");
    assert!(said.contains("\"7\" is no post"), "{said}");
}

#[test]
fn a_landmark_may_stand_at_a_post() {
    let text = format!(
        "{SMALL}
[[line.post]]
name = \"214\"
chainage_m = 60000
[[line.landmark]]
name = \"C-1\"
at = {{ post = \"214+300\" }}
"
    );
    let plant = read("p.toml", &text).unwrap().plant;
    assert!((plant.lines[0].landmarks[0].at.get() - 60_300.0).abs() < 1e-9);
}

#[test]
fn geometry_far_from_the_chainage_warns_but_passes() {
    let text = SMALL.replace("300000", "400000");
    let checked = read("p.toml", &text).unwrap();
    assert!(
        checked.warnings[0].contains("stretched"),
        "{:?}",
        checked.warnings
    );
    assert!(read("p.toml", SMALL).unwrap().warnings.is_empty());
}

#[test]
fn amplifiers_stop_test_light_unless_said() {
    let text = format!(
        "{SMALL}
[[line.node]]
id = \"baku\"
kind = \"terminal\"
chainage_m = 0
[[line.node]]
id = \"h1\"
kind = \"ila\"
chainage_m = 90000
[[line.node]]
id = \"odf\"
kind = \"odf\"
chainage_m = 150000
[[line.node]]
id = \"g\"
kind = \"terminal\"
chainage_m = 300000
"
    );
    let nodes = read("p.toml", &text).unwrap().plant.lines.remove(0).nodes;
    let passes: Vec<Passes> = nodes.iter().map(|node| node.otdr).collect();
    assert_eq!(
        passes,
        [
            Passes::Neither,
            Passes::Neither,
            Passes::Both,
            Passes::Neither
        ]
    );
}

#[test]
fn no_text_makes_the_reader_panic() {
    for end in 0..SMALL.len() {
        if let Some(text) = SMALL.get(..end) {
            let _ = read("p.toml", text);
        }
    }
    for text in [
        "line = 3",
        "[line]",
        "site = [1, 2]",
        "[[line]]\nroute = [[1]]",
        "\u{0}",
    ] {
        assert!(read("p.toml", text).is_err());
    }
}
