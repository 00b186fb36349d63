//! Which customers lose what: from paths without light to services.
//!
//! Pure. A service needs each of its legs, and a leg holds as long as one of its ways has light:
//!
//! - an unprotected service needs every path that it names: each is a leg of one way;
//! - a protected service whose paths are protected by others (`protects` in the plant file) has a leg
//!   for each path that works, with those that stand in for it as further ways;
//! - a protected service without such paths has one leg, and its paths stand in for one another.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::{LineId, PathId};
use silkline_protocol::plant::{Plant, Service};

/// How a service is, as far as anybody watches its paths.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// All its paths have light.
    Up,
    /// It runs, and the next fault may end it: a path is gone, another one carries it.
    AtRisk,
    /// It is lost.
    Down,
}

/// How `service` is while the paths in `dark` have no light.
#[must_use]
pub fn state(plant: &Plant, service: &Service, dark: &BTreeSet<PathId>) -> ServiceState {
    let legs = legs(plant, service);
    let worst = legs.iter().map(|ways| leg(ways, dark)).max();
    worst.unwrap_or(ServiceState::Up)
}

fn leg(ways: &[&PathId], dark: &BTreeSet<PathId>) -> ServiceState {
    let gone = ways.iter().filter(|way| dark.contains(**way)).count();
    match gone {
        0 => ServiceState::Up,
        gone if gone == ways.len() => ServiceState::Down,
        _ => ServiceState::AtRisk,
    }
}

/// The ways of each leg.
fn legs<'a>(plant: &'a Plant, service: &'a Service) -> Vec<Vec<&'a PathId>> {
    if !service.protected {
        return service.paths.iter().map(|path| vec![path]).collect();
    }
    let stands_in = |path: &PathId| {
        let known = plant.paths.iter().find(|known| known.id == *path);
        let other = known.and_then(|known| known.protects.as_ref());
        other.is_some_and(|other| service.paths.contains(other))
    };
    let guards = |path: &'a PathId| {
        let others = plant.paths.iter();
        others
            .filter(move |other| other.protects.as_ref() == Some(path))
            .map(|other| &other.id)
    };
    let working = || service.paths.iter().filter(|path| !stands_in(path));
    if working().all(|path| guards(path).next().is_none()) {
        return vec![service.paths.iter().collect()];
    }
    working()
        .map(|path| core::iter::once(path).chain(guards(path)).collect())
        .collect()
}

/// Every path that a service may run over.
#[must_use]
pub fn paths<'a>(plant: &'a Plant, service: &'a Service) -> BTreeSet<&'a PathId> {
    let ways = legs(plant, service).into_iter().flatten();
    ways.chain(&service.paths).collect()
}

/// The lines that a path lies on, in the order of the signal.
#[must_use]
pub fn lines(plant: &Plant, path: &PathId) -> Vec<LineId> {
    let found = plant.paths.iter().find(|known| known.id == *path);
    let mut lines: Vec<LineId> = Vec::new();
    for hop in found.iter().flat_map(|path| &path.hops) {
        if !lines.contains(&hop.line) {
            lines.push(hop.line.clone());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceState::{AtRisk, Down, Up};

    fn plant(paths: &str, service: &str) -> Plant {
        let text = format!(
            r#"
            [[site]]
            id = "a"
            [[site]]
            id = "b"
            [[line]]
            id = "west"
            kind = "terrestrial"
            a = "a"
            b = "b"
            route = [[40.0, 46.0, 0], [40.0, 47.0, 85000]]
            fibre = [{{ id = "f1" }}]
            {paths}
            [[service]]
            id = "s"
            customer = "somebody"
            {service}
            "#
        );
        silkline_protocol::plant::read("test", &text).unwrap().plant
    }

    fn path(id: &str, more: &str) -> String {
        format!(
            "[[path]]\nid = \"{id}\"\nsystem = \"pair\"\n{more}\nhops = [{{ line = \"west\", fibre = \"f1\", from = \"a\", to = \"b\" }}]\n"
        )
    }

    fn asked(plant: &Plant, dark: &[&str]) -> ServiceState {
        let dark = dark.iter().map(|path| path.parse().unwrap()).collect();
        state(plant, &plant.services[0], &dark)
    }

    #[test]
    fn unprotected_needs_every_path() {
        let paths = path("p1", "") + &path("p2", "");
        let plant = plant(&paths, "paths = [\"p1\", \"p2\"]\nprotected = false");
        assert_eq!(asked(&plant, &[]), Up);
        assert_eq!(asked(&plant, &["elsewhere"]), Up);
        assert_eq!(asked(&plant, &["p2"]), Down);
    }

    #[test]
    fn of_two_ways_one_is_enough() {
        let paths = path("p1", "") + &path("p2", "");
        let plant = plant(&paths, "paths = [\"p1\", \"p2\"]\nprotected = true");
        assert_eq!(asked(&plant, &["p1"]), AtRisk);
        assert_eq!(asked(&plant, &["p1", "p2"]), Down);
    }

    #[test]
    fn a_path_that_stands_in_for_another_carries_its_leg_alone() {
        let guard = path("p1x", "protects = \"p1\"");
        let paths = path("p1", "") + &path("p2", "") + &guard;
        let plant = plant(&paths, "paths = [\"p1\", \"p2\"]\nprotected = true");
        assert_eq!(asked(&plant, &["p1"]), AtRisk);
        assert_eq!(asked(&plant, &["p1x"]), AtRisk);
        assert_eq!(asked(&plant, &["p1", "p1x"]), Down);
        assert_eq!(asked(&plant, &["p2"]), Down, "nothing stands in for p2");
        assert_eq!(super::paths(&plant, &plant.services[0]).len(), 3);
    }

    #[test]
    fn more_darkness_never_helps() {
        let guard = path("p3", "protects = \"p1\"");
        let paths = path("p1", "") + &path("p2", "") + &guard;
        let names = ["p1", "p2", "p3"];
        for protected in ["true", "false"] {
            let service = format!("paths = [\"p1\", \"p2\"]\nprotected = {protected}");
            let plant = plant(&paths, &service);
            let chosen = |set: usize| -> Vec<&str> {
                let bit = |at: &usize| set & (1 << at) != 0;
                (0..3).filter(bit).map(|at| names[at]).collect()
            };
            for set in 0..8 {
                for more in (0..8).filter(|more| more & set == set) {
                    assert!(asked(&plant, &chosen(more)) >= asked(&plant, &chosen(set)));
                }
            }
        }
    }

    #[test]
    fn a_path_names_its_lines_once() {
        let plant = plant(&path("p1", ""), "paths = [\"p1\"]");
        let west: LineId = "west".parse().unwrap();
        assert_eq!(lines(&plant, &"p1".parse().unwrap()), [west]);
        assert_eq!(lines(&plant, &"p9".parse().unwrap()), []);
    }

    #[test]
    fn a_service_without_paths_is_up_for_all_anybody_knows() {
        let plant = plant(&path("p1", ""), "protected = true");
        assert_eq!(asked(&plant, &["p1"]), Up);
    }
}
