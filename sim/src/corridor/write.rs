//! The example as TOML: one table a line where there are many, so that a person can still read it.

use std::fmt::Write;

use super::facts::Town;
use super::gear::{self, Device, Stand};
use super::survey::{EXCESS_PLUS_MINUS_PERCENT, MARK_PLUS_MINUS_M};
use super::{Laid, Node, Span};

const HEAD: &str = "\
# The Digital Silk Way as an example: Aktau - Sumgait under the Caspian, Sumgait - Baku, and along the
# railway from Baku by Tbilisi to Poti.
#
# EXAMPLE ONLY. Positions are of towns, to about a kilometre, not of landing points or stations; huts,
# closures, lengths between them and every measurement are made up. Do not drive or sail by it.
#
# Made by `silkline-sim corridor`; edit the generator, not this file. Order of coordinates: lat, lon.
";

/// Glass between an OTDR's panel and its node, in metres.
const LAUNCH_M: u32 = 1_000;
/// The dark fibre that the OTDRs shoot into.
const TEST_FIBRE: &str = "f3";

/// The whole file.
pub(super) fn plant(lines: &[Laid], shared_m: f64) -> String {
    let mut text = String::from(HEAD);
    // Writing to a String can't fail.
    let _ = sites(&mut text, lines);
    for line in lines {
        let _ = cable(&mut text, line);
    }
    let _ = paths(&mut text, lines);
    let _ = devices(&mut text, lines);
    let _ = shared(&mut text, shared_m);
    text
}

/// Every town with equipment, once, in the order of the lines.
fn towns(lines: &[Laid]) -> Vec<Town> {
    let mut towns: Vec<Town> = Vec::new();
    for town in lines
        .iter()
        .flat_map(|line| &line.nodes)
        .filter_map(|node| node.town)
    {
        if !towns.iter().any(|known| known.id == town.id) {
            towns.push(town);
        }
    }
    towns
}

fn sites(text: &mut String, lines: &[Laid]) -> std::fmt::Result {
    for town in towns(lines) {
        let [lat, lon] = town.at;
        let Town {
            id,
            name,
            country,
            kind,
            ..
        } = town;
        writeln!(
            text,
            "\n[[site]]\nid = \"{id}\"\nname = \"{name}\"\ncountry = \"{country}\""
        )?;
        writeln!(text, "kind = \"{kind}\"\nlat = {lat}\nlon = {lon}")?;
    }
    Ok(())
}

fn cable(text: &mut String, line: &Laid) -> std::fmt::Result {
    let kind = if line.submarine {
        "submarine"
    } else {
        "terrestrial"
    };
    let ends = line.nodes.first().zip(line.nodes.last());
    let (a, b) = ends.map_or(("", ""), |(a, b)| (a.id.as_str(), b.id.as_str()));
    writeln!(
        text,
        "\n[[line]]\nid = \"{}\"\nname = \"{}\"\nkind = \"{kind}\"",
        line.id, line.name
    )?;
    writeln!(text, "a = \"{a}\"\nb = \"{b}\"")?;
    writeln!(
        text,
        "fibre = [{{ id = \"f1\" }}, {{ id = \"f2\" }}, {{ id = \"{TEST_FIBRE}\" }}]"
    )?;
    if line.submarine {
        writeln!(text, "{}", feed(line))?;
    }
    let vertex = |vertex: &super::Vertex| {
        let [lat, lon] = vertex.at;
        format!("[{lat:.5}, {lon:.5}, {:.0}]", vertex.chainage_m)
    };
    rows(text, "route", line.route.iter().map(vertex).collect(), 4)?;
    rows(text, "node", line.nodes.iter().map(node).collect(), 1)?;
    rows(text, "post", line.posts.iter().map(post).collect(), 4)?;
    rows(text, "section", line.spans.iter().map(section).collect(), 1)?;
    rows(
        text,
        "landmark",
        line.spans.iter().flat_map(landmarks).collect(),
        1,
    )?;
    rows(text, "view", views(line), 1)?;
    rows(text, "mark", marks(line), 1)
}

/// An array, `a_row` entries to a line of text; nothing at all where it is empty.
fn rows(text: &mut String, key: &str, entries: Vec<String>, a_row: usize) -> std::fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(text, "{key} = [")?;
    for row in entries.chunks(a_row) {
        writeln!(text, "  {},", row.join(", "))?;
    }
    writeln!(text, "]")
}

fn node(node: &Node) -> String {
    let site = node
        .town
        .map_or(String::new(), |town| format!(", site = \"{}\"", town.id));
    format!(
        "{{ id = \"{}\", kind = \"{}\", chainage_m = {:.0}{site} }}",
        node.id, node.kind, node.at_m
    )
}

fn post((name, at_m): &(String, f64)) -> String {
    format!("{{ name = \"{name}\", chainage_m = {at_m:.0} }}")
}

fn section(span: &Span) -> String {
    let stretch = &span.stretch;
    format!(
        "{{ from_m = {:.0}, to_m = {:.0}, excess_percent = {:.2}, \
         excess_plus_minus = {EXCESS_PLUS_MINUS_PERCENT}, group_index = {{ 1550 = 1.4682 }}, \
         cable = \"{}\", laid = \"{}\", depth_m = {} }}",
        stretch.from_m, stretch.to_m, stretch.excess_percent, span.cable, span.laid, span.depth_m
    )
}

fn landmarks(span: &Span) -> impl Iterator<Item = String> + '_ {
    span.landmarks.iter().map(|landmark| {
        let [before, after] = landmark.slack_m;
        let slack = if before + after > 0.0 {
            format!(", slack_before_m = {before:.0}, slack_after_m = {after:.0}")
        } else {
            String::new()
        };
        format!(
            "{{ name = \"{}\", kind = \"{}\", at = {{ chainage_m = {:.0} }}, \
             plus_minus_m = {:.0}{slack} }}",
            landmark.name, landmark.kind, landmark.at_m, landmark.plus_minus_m
        )
    })
}

/// The spans that somebody can look into, with the nodes at their ends and who looks: the OTDR at
/// the A node, the one at the B node.
fn seen(line: &Laid) -> impl Iterator<Item = (&Span, [(&Node, &Node, &'static str); 2])> {
    let ends = line.nodes.iter().zip(line.nodes.iter().skip(1));
    line.spans
        .iter()
        .zip(ends)
        .map(|(span, (a, b))| (span, [(a, b, "B"), (b, a, "A")]))
}

fn views(line: &Laid) -> Vec<String> {
    let views = seen(line)
        .flat_map(|(_, views)| views)
        .filter(|(node, ..)| node.town.is_some());
    views
        .map(|(node, until, toward)| {
            let port = port(line, node, toward);
            format!(
                "{{ id = \"{}-{}\", fibre = \"{TEST_FIBRE}\", node = \"{}\", toward = \"{toward}\", \
                 until = \"{}\", device = \"otdr-1\", port = {port}, launch_m = {LAUNCH_M}, \
                 wavelength_nm = 1550, reach_db = 27 }}",
                node.id, until.id, node.id, until.id
            )
        })
        .collect()
}

/// Port 1 of a hut looks towards B and port 2 towards A; where two lines meet, the backhaul has 2.
fn port(line: &Laid, node: &Node, toward: &str) -> u16 {
    let hut = node.kind == "ila";
    let second = line.id == "baku-sumgait" || (hut && toward == "A");
    if second { 2 } else { 1 }
}

fn marks(line: &Laid) -> Vec<String> {
    let mut rows = Vec::new();
    for (span, views) in seen(line) {
        for landmark in &span.landmarks {
            let Some(marks_m) = landmark.marks_m else {
                continue;
            };
            let seen = views
                .iter()
                .zip(marks_m)
                .filter(|((node, ..), _)| node.town.is_some());
            rows.extend(seen.map(|((node, until, _), optical_m)| {
                format!(
                    "{{ view = \"{}-{}\", landmark = \"{}\", optical_m = {optical_m:.1}, \
                     plus_minus_m = {MARK_PLUS_MINUS_M}, group_index = 1.4682 }}",
                    node.id, until.id, landmark.name
                )
            }));
        }
    }
    rows
}

/// Conductor of the submarine cable, in ohms per kilometre.
const OHM_PER_KM: f64 = 1.38;
const AMPS: f64 = 0.9;
const REPEATER_VOLTS: f64 = 32.0;

/// Both ends share the load when all is well.
fn feed(line: &Laid) -> String {
    let length_km = line.nodes.last().map_or(0.0, |node| node.at_m / 1_000.0);
    let repeaters = line
        .nodes
        .iter()
        .filter(|node| node.kind == "repeater")
        .map(|_| 1.0);
    let volts = AMPS * OHM_PER_KM * length_km + REPEATER_VOLTS * repeaters.sum::<f64>();
    let half = volts / 2.0;
    format!(
        "feed = {{ amps = {AMPS}, volts_a = {half:.1}, volts_b = {half:.1}, \
         ohm_per_km = {OHM_PER_KM}, repeater_volts = {REPEATER_VOLTS} }}"
    )
}

fn paths(text: &mut String, lines: &[Laid]) -> std::fmt::Result {
    for line in lines {
        let Some((a, b)) = line.nodes.first().zip(line.nodes.last()) else {
            continue;
        };
        writeln!(
            text,
            "\n[[path]]\nid = \"{}\"\nsystem = \"pair\"\nhops = [",
            line.path
        )?;
        for (fibre, from, to) in [("f1", a, b), ("f2", b, a)] {
            let (line, from, to) = (line.id, &from.id, &to.id);
            writeln!(
                text,
                "  {{ line = \"{line}\", fibre = \"{fibre}\", from = \"{from}\", to = \"{to}\" }},"
            )?;
        }
        writeln!(text, "]")?;
    }
    Ok(())
}

fn devices(text: &mut String, lines: &[Laid]) -> std::fmt::Result {
    for town in towns(lines) {
        let stands: Vec<Stand<'_>> = lines.iter().filter_map(|line| stand(line, &town)).collect();
        for device in gear::at(&town, &stands) {
            one_device(text, town.id, &device)?;
        }
    }
    Ok(())
}

fn stand<'a>(line: &'a Laid, town: &Town) -> Option<Stand<'a>> {
    let is_here = |node: &Node| node.town.is_some_and(|there| there.id == town.id);
    let place = line.nodes.iter().position(is_here)?;
    Some(Stand {
        line: line.id,
        path: line.path,
        node: &line.nodes.get(place)?.id,
        first: place == 0,
        last: place + 1 == line.nodes.len(),
        submarine: line.submarine,
    })
}

fn one_device(text: &mut String, site: &str, device: &Device) -> std::fmt::Result {
    let lines: Vec<String> = device
        .lines
        .iter()
        .map(|line| format!("\"{line}\""))
        .collect();
    writeln!(
        text,
        "\n[[device]]\nid = \"{}\"\nsite = \"{site}\"",
        device.id
    )?;
    writeln!(
        text,
        "profile = \"{}\"\nlines = [{}]",
        device.profile,
        lines.join(", ")
    )?;
    let port = |port: &gear::Port| {
        format!(
            "{{ index = \"{}\", path = \"{}\", node = \"{}\", direction = \"{}\", side = \"{}\" }}",
            port.index, port.path, port.node, port.direction, port.side
        )
    };
    rows(text, "port", device.ports.iter().map(port).collect(), 1)
}

/// Services: id, customer, paths, whether one path is enough. The last one leaves to the west by Poti
/// or to the east by Aktau.
const SERVICES: [(&str, &str, &str, bool); 3] = [
    (
        "aktau-poti-400g",
        "Example Carrier",
        "\"sa-1\", \"bs-1\", \"bp-1\"",
        false,
    ),
    ("baku-poti-100g", "Example Carrier", "\"bp-1\"", false),
    (
        "baku-transit-100g",
        "Example Exchange",
        "\"bp-1\", \"sa-1\"",
        true,
    ),
];

fn shared(text: &mut String, shared_m: f64) -> std::fmt::Result {
    writeln!(
        text,
        "\n[[shared]]\nid = \"baku-exit\"\nkind = \"duct\"\nmembers = ["
    )?;
    for line in ["baku-poti", "baku-sumgait"] {
        writeln!(
            text,
            "  {{ line = \"{line}\", from_m = 0, to_m = {shared_m:.0} }},"
        )?;
    }
    writeln!(text, "]")?;
    for (id, customer, paths, protected) in SERVICES {
        writeln!(
            text,
            "\n[[service]]\nid = \"{id}\"\ncustomer = \"{customer}\""
        )?;
        writeln!(text, "paths = [{paths}]\nprotected = {protected}")?;
    }
    Ok(())
}
