//! The plant file of the small line: see [`world`](super::world).

use std::fmt::Write;
use std::sync::Arc;

use silkline_protocol::plant::{Plant, read};

pub(super) const SPAN_M: f64 = 80_000.0;
pub(super) const NODES: usize = 5;
pub(super) const INDEX: f64 = 1.4682;

/// Glass from n0 to a chainage.
pub(super) fn glass(chainage: f64) -> f64 {
    let coils = (1..100)
        .map(|k| f64::from(k) * 4000.0)
        .filter(|at| *at < chainage)
        .count();
    let own = if (chainage / 4000.0).fract() < 1e-9 && chainage > 0.0 {
        15.0
    } else {
        0.0
    };
    1.01 * chainage + 30.0 * coils as f64 + own
}

fn plant_text() -> String {
    let mut text = String::new();
    for k in 0..NODES {
        let lon = 46.0 - 0.9 * k as f64;
        let _ = writeln!(
            text,
            "[[site]]\nid = \"s{k}\"\nname = \"Station {k}\"\nkind = \"hut\"\nlat = 40.7\nlon = {lon}"
        );
    }
    text += "[[line]]\nid = \"dsw\"\nkind = \"terrestrial\"\na = \"s0\"\nb = \"s4\"\n";
    text += "route = [[40.7, 46.0, 0], [40.7, 42.4, 320000]]\n";
    text += "fibre = [{ id = \"f1\" }, { id = \"f2\" }, { id = \"f3\" }]\n";
    text += "section = [{ from_m = 0, to_m = 320000, excess_percent = 1.0, excess_plus_minus = 0.2 }]\n";
    for k in 0..NODES {
        let kind = if k == 0 || k == NODES - 1 {
            "terminal"
        } else {
            "ila"
        };
        let at = SPAN_M * k as f64;
        let _ = writeln!(
            text,
            "[[line.node]]\nid = \"n{k}\"\nkind = \"{kind}\"\nchainage_m = {at}\nsite = \"s{k}\""
        );
    }
    for k in 1..80 {
        let at = 4000 * k;
        let _ = writeln!(
            text,
            "[[line.landmark]]\nname = \"C-{k}\"\nkind = \"closure\"\nat = {{ chainage_m = {at} }}\n\
             plus_minus_m = 4\nslack_before_m = 15\nslack_after_m = 15"
        );
    }
    for (view, node, toward, until) in [("n1-b", "n1", "B", "n2"), ("n2-a", "n2", "A", "n1")] {
        let _ = writeln!(
            text,
            "[[line.view]]\nid = \"{view}\"\nfibre = \"f3\"\nnode = \"{node}\"\ntoward = \"{toward}\"\n\
             until = \"{until}\"\ndevice = \"otdr-1\"\nport = 1\nwavelength_nm = 1550"
        );
    }
    for k in 21..40 {
        let from_n1 = glass(4000.0 * f64::from(k)) - glass(SPAN_M);
        let from_n2 = glass(2.0 * SPAN_M) - glass(4000.0 * f64::from(k));
        for (view, optical) in [("n1-b", from_n1), ("n2-a", from_n2)] {
            let _ = writeln!(
                text,
                "[[line.mark]]\nview = \"{view}\"\nlandmark = \"C-{k}\"\noptical_m = {optical:.2}\n\
                 plus_minus_m = 2\ngroup_index = {INDEX}"
            );
        }
    }
    text += "[[path]]\nid = \"p1\"\nsystem = \"pair\"\nhops = [\n\
             { line = \"dsw\", fibre = \"f1\", from = \"n0\", to = \"n4\" },\n\
             { line = \"dsw\", fibre = \"f2\", from = \"n4\", to = \"n0\" }]\n";
    text += &devices();
    text += "[[service]]\nid = \"transit-1\"\ncustomer = \"someone\"\npaths = [\"p1\"]\nprotected = false\n";
    text
}

pub(in crate::engine) fn plant() -> Arc<Plant> {
    match read("plant.toml", &plant_text()) {
        Ok(checked) => Arc::new(checked.plant),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

fn devices() -> String {
    let mut text = String::new();
    for k in 0..NODES {
        let _ = writeln!(
            text,
            "[[device]]\nid = \"edfa-1\"\nsite = \"s{k}\"\nprofile = \"silkline-edfa\"\nlines = [\"dsw\"]\nport = ["
        );
        for (index, direction) in [("1", "AB"), ("2", "BA")] {
            for side in ["in", "out"] {
                let _ = writeln!(
                    text,
                    "{{ index = \"{index}\", path = \"p1\", node = \"n{k}\", direction = \"{direction}\", side = \"{side}\" }},"
                );
            }
        }
        text += "]\n";
        let _ = writeln!(
            text,
            "[[device]]\nid = \"otdr-1\"\nsite = \"s{k}\"\nprofile = \"silkline-otdr\"\nlines = [\"dsw\"]"
        );
    }
    text
}
