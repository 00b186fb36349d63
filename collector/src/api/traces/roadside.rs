//! A trace that a crew has shot at the roadside: from which view, or from which closure and which
//! way, and what that makes of the place: how far to walk, and towards what.

use std::sync::Arc;

use silkline_protocol::id::{LineId, NodeId, ViewId};
use silkline_protocol::plant::{Line, Node, NodeKind, Passes, Plant, Toward, View, ViewKind};
use silkline_protocol::unit::{Nanometres, OpticalLength, RouteLength};

use super::Known;
use crate::api::Problem;
use crate::api::incidents::Place;
use silkline_analysis::route::Ground;

/// What the crew's own place and view are called while a file is looked at.
const HERE: &str = "roadside";
/// Nearer than this is here: people see that far.
const HERE_M: f64 = 2.0;
/// What handhelds shoot at, where the file does not say.
const WAVELENGTH: Nanometres = Nanometres::of(1550.0);

/// Where a file was shot from.
#[derive(Debug)]
pub(super) struct Stand {
    /// The plant, with the crew's own view where it shot from a closure.
    plant: Arc<Plant>,
    view: ViewId,
    /// Where the crew stands.
    here: RouteLength,
    /// Whether the view is only for this file.
    own: bool,
}

impl Stand {
    /// What the query says of it; nothing where it says nothing.
    ///
    /// # Errors
    ///
    /// Where the plant has no such view, line or closure, or half of it is missing.
    pub(super) fn of(plant: &Arc<Plant>, known: &Known) -> Result<Option<Self>, Problem> {
        if known.here_m.is_some_and(|here| !here.is_finite()) {
            return Err(Problem::bad_request("here_m: want a number of metres"));
        }
        let here = known.here_m.map(RouteLength::of);
        if let Some(view) = &known.view {
            let found = plant.view(view).and_then(|(line, of)| line.node(&of.node));
            let node =
                found.ok_or_else(|| Problem::bad_request(format!("view: there is no {view}")))?;
            return Ok(Some(Self {
                here: here.unwrap_or(node.chainage),
                plant: Arc::clone(plant),
                view: view.clone(),
                own: false,
            }));
        }
        match (&known.line, &known.from, known.toward) {
            (None, None, None) => Ok(None),
            (Some(line), Some(from), Some(toward)) => {
                let at = plant
                    .line(line)
                    .and_then(|line| closure(line, from))
                    .ok_or_else(|| {
                        let from: String = from.chars().take(80).collect();
                        Problem::bad_request(format!("from: {line} has no landmark {from:?}"))
                    })?;
                let (plant, view) = with_view(plant, line.as_str(), at, toward)?;
                Ok(Some(Self {
                    plant: Arc::new(plant),
                    view,
                    here: here.unwrap_or(at),
                    own: true,
                }))
            }
            _ => Err(Problem::bad_request(
                "line, from, toward: want all three, or a view",
            )),
        }
    }

    /// The plant and the view that the file shows.
    pub(super) fn view(&self) -> (&Plant, &ViewId) {
        (&self.plant, &self.view)
    }

    /// Whether it is on a line of which this holds.
    pub(super) fn is_on(&self, holds: impl Fn(&LineId) -> bool) -> bool {
        let line = self.plant.view(&self.view).map(|(line, _)| &line.id);
        line.is_some_and(holds)
    }

    /// The place without the crew's own node in it.
    pub(super) fn fit(&self, mut place: Place) -> Place {
        if !self.own {
            return place;
        }
        let spans = self.plant.view(&self.view).map(|(line, _)| {
            let real: Vec<_> = line
                .nodes
                .iter()
                .filter(|it| it.id.as_str() != HERE)
                .collect();
            real
        });
        let (Some(nodes), Some(at)) = (spans, place.chainage_m) else {
            return place;
        };
        let after = nodes.iter().position(|node| node.chainage.get() >= at);
        let pair =
            after.and_then(|after| Some((nodes.get(after.checked_sub(1)?)?, nodes.get(after)?)));
        place.span = pair.map(|(from, to)| format!("{}..{}", from.id, to.id));
        if place.node.as_deref() == Some(HERE) {
            place.node = None;
        }
        place
    }

    /// How far from here, and towards what.
    pub(super) fn walk(&self, place: &Place) -> Option<String> {
        let away = place.chainage_m? - self.here.get();
        if away.abs() <= HERE_M {
            return Some("here".to_owned());
        }
        let (line, view) = self.plant.view(&self.view)?;
        let ground = Ground::of(&self.plant, line);
        let named = |node: &&Node| node.id.as_str() != HERE && node.kind != NodeKind::Repeater;
        let mut nodes = line.nodes.iter().filter(named);
        let towards = if away > 0.0 {
            nodes.find(|node| node.chainage > self.here)
        } else {
            nodes.rfind(|node| node.chainage < self.here)
        };
        let name = towards.map_or_else(
            || {
                if away > 0.0 {
                    "B".to_owned()
                } else {
                    "A".to_owned()
                }
            },
            |node| ground.node_name(node),
        );
        let shot_on = (away > 0.0) == (view.toward == Toward::B);
        let way = if shot_on { "on" } else { "back" };
        Some(format!("{} {way} towards {name}", distance(away.abs())))
    }
}

/// Metres below a kilometre, kilometres above.
fn distance(metres: f64) -> String {
    if metres < 1000.0 {
        format!("{metres:.0} m")
    } else {
        format!("{:.2} km", metres / 1000.0)
    }
}

/// Where a landmark or node of this name is.
fn closure(line: &Line, name: &str) -> Option<RouteLength> {
    let node = || line.nodes.iter().find(|node| node.id.as_str() == name);
    line.landmark(name)
        .map(|mark| mark.at)
        .or_else(|| node().map(|node| node.chainage))
}

/// The plant with an instrument at `at` of the line that looks `toward` an end.
fn with_view(
    plant: &Plant,
    line: &str,
    at: RouteLength,
    toward: Toward,
) -> Result<(Plant, ViewId), Problem> {
    let odd = |what: &str| Problem::bad_request(format!("line: {line} has no {what}"));
    let mut plant = plant.clone();
    let of = plant
        .lines
        .iter_mut()
        .find(|it| it.id.as_str() == line)
        .ok_or_else(|| odd("plant"))?;
    let there = of.nodes.iter().find(|node| node.chainage == at);
    let node = match there {
        Some(node) => node.id.clone(),
        None => {
            let id: NodeId = HERE.parse().map_err(|_| odd("name"))?;
            let place = of.nodes.partition_point(|node| node.chainage < at);
            let own = Node {
                id: id.clone(),
                kind: NodeKind::Joint,
                chainage: at,
                site: None,
                otdr: Passes::Both,
            };
            of.nodes.insert(place, own);
            id
        }
    };
    let fibre = of.views.first().map(|view| view.fibre.clone());
    let fibre = fibre.or_else(|| of.fibres.first().cloned());
    let view = View {
        id: HERE.parse().map_err(|_| odd("name"))?,
        fibre: fibre.ok_or_else(|| odd("fibre"))?,
        node,
        toward,
        until: None,
        kind: ViewKind::Otdr,
        device: None,
        port: None,
        launch: OpticalLength::of(0.0),
        wavelength: WAVELENGTH,
        reach: None,
    };
    let id = view.id.clone();
    of.views.push(view);
    Ok((plant, id))
}

#[cfg(test)]
mod tests {
    use super::super::look::{Beside, Looked};
    use super::*;
    use crate::api::example;

    fn known(query: &str) -> Known {
        serde_json::from_str(query).unwrap()
    }

    fn walk(query: &str, glass_m: f64) -> (Place, String) {
        let plant = Arc::new(example::plant());
        let stand = Stand::of(&plant, &known(query)).unwrap().unwrap();
        let looked = Looked::at(&example::sor(glass_m)).unwrap();
        let view = Some(stand.view());
        let report = looked.report(
            "x",
            Beside {
                reference: None,
                view,
            },
        );
        let place = stand.fit(serde_json::from_value(report["place"].clone()).unwrap());
        let walk = stand.walk(&place).unwrap();
        (place, walk)
    }

    #[test]
    fn from_a_closure_the_crew_reads_how_far_and_towards_what() {
        let to_b = r#"{"line":"dsw","from":"closure 7","toward":"B"}"#;
        let (place, words) = walk(to_b, 5_000.0);
        let at = place.chainage_m.unwrap();
        assert!((32_500.0..33_050.0).contains(&at), "{at}");
        assert_eq!(place.span.as_deref(), Some("ganja..dallar"));
        assert!(words.ends_with("km on towards dallar"), "{words}");
        let to_a = r#"{"line":"dsw","from":"closure 7","toward":"A"}"#;
        let (place, words) = walk(to_a, 5_000.0);
        let at = place.chainage_m.unwrap();
        assert!((22_950.0..23_500.0).contains(&at), "{at}");
        assert!(words.ends_with("km on towards Ganja"), "{words}");
        let beyond = r#"{"line":"dsw","from":"closure 7","toward":"B","here_m":33020}"#;
        let (_, words) = walk(beyond, 5_000.0);
        assert!(words.contains(" m back towards Ganja"), "{words}");
    }

    #[test]
    fn half_of_a_stand_is_refused() {
        let plant = Arc::new(example::plant());
        for bad in [
            r#"{"line":"dsw"}"#,
            r#"{"line":"dsw","from":"nowhere","toward":"A"}"#,
            r#"{"line":"none","from":"closure 7","toward":"A"}"#,
            r#"{"view":"nowhere"}"#,
        ] {
            assert_eq!(
                Stand::of(&plant, &known(bad)).unwrap_err().status,
                400,
                "{bad}"
            );
        }
        assert!(Stand::of(&plant, &known("{}")).unwrap().is_none());
    }
}
