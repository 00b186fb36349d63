//! Lines that lie together: one digger is one incident, whenever the program dies meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use silkline_analysis::incident::Incident;
use silkline_protocol::codec::Wire;
use silkline_protocol::id::LineId;
use silkline_protocol::plant::{self, Plant};

use super::super::core::{Also, Work};
use super::super::example::{Bench, PLANT, Sender, at};
use super::act;
use crate::engine::Action;
use crate::state::{ActionResult, LiveEvent};

/// A second cable, which crosses the bridge beside the first one.
const TWIN: &str = r#"
[[site]]
id = "north"
[[site]]
id = "south"
[[line]]
id = "twin"
kind = "terrestrial"
a = "north"
b = "south"
node = [
  { id = "north", kind = "terminal", chainage_m = 0, site = "north" },
  { id = "south", kind = "terminal", chainage_m = 90000, site = "south" },
]
fibre = [{ id = "t1" }]
[[path]]
id = "southward"
system = "pair"
hops = [{ line = "twin", fibre = "t1", from = "north", to = "south" }]
[[device]]
id = "edfa-1"
site = "north"
profile = "silkline-edfa"
lines = ["twin"]
port = [{ index = "1", path = "southward", node = "north", direction = "AB", side = "out" }]
[[device]]
id = "edfa-1"
site = "south"
profile = "silkline-edfa"
lines = ["twin"]
port = [{ index = "1", path = "southward", node = "south", direction = "AB", side = "in" }]
[[shared]]
id = "bridge"
kind = "bridge"
members = [
  { line = "west-east", from_m = 20000, to_m = 22000 },
  { line = "twin", from_m = 31000, to_m = 33000 },
]
"#;

/// When the first cable is cut, the second one, and when the second is whole again, in seconds.
const CUT: i64 = 20;
const CUT_TOO: i64 = 24;
const WHOLE: i64 = 45;
const UNTIL: i64 = 120;

fn plant() -> Arc<Plant> {
    match plant::read("plant.toml", &format!("{PLANT}{TWIN}")) {
        Ok(checked) => Arc::new(checked.plant),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// What the four stations send in each second.
fn story() -> Vec<Vec<Wire>> {
    let (mut west, mut middle) = (Sender::new("west"), Sender::new("middle"));
    let far = |site| Sender::new(site).on("twin");
    let (mut north, mut south) = (far("north"), far("south"));
    let mut told = vec![vec![
        west.about(),
        middle.about(),
        north.about(),
        south.about(),
    ]];
    for second in 1..UNTIL {
        let ms = second * 1000;
        let first = (second < CUT).then_some(-12.0);
        let twin = (!(CUT_TOO..WHOLE).contains(&second)).then_some(-14.0);
        told.push(vec![
            west.sample(ms, Some(-3.0)),
            middle.sample(ms + 1, first),
            north.sample(ms + 2, Some(-3.0)),
            south.sample(ms + 3, twin),
        ]);
    }
    told
}

/// What became of a story.
#[derive(Debug, PartialEq)]
struct Told {
    /// Every word of every incident, in order.
    incidents: Vec<Incident>,
    /// The texts to people, by channel.
    notices: Vec<(String, String)>,
    states: BTreeMap<LineId, String>,
}

/// Tells the story to a collector that dies after some of its seconds; some time before its death
/// every `saved`-th saves its state, the others are known by their steps alone.
fn tell(dies: impl Fn(i64) -> bool, saved: i64) -> Told {
    let mut bench = Bench::of(plant());
    let mut incidents = Vec::new();
    for (second, wires) in (0..).zip(story()) {
        let effects = bench.take(second * 1000 + 5, &wires);
        for event in effects.live {
            if let LiveEvent::Incident(json) = event {
                incidents.push(serde_json::from_value((*json).clone()).unwrap());
            }
        }
        if dies(second) {
            if second % saved == 0 {
                let also = Also::Snapshot;
                let work = Work {
                    also,
                    ..Work::default()
                };
                bench.step(second * 1000 + 6, work);
            }
            bench = bench.restart();
        }
    }
    let due = |ask: &crate::store::Queries<'_>| ask.due_notices(at(UNTIL * 1000), 99);
    let notices = bench.reader().ask(due).unwrap().into_iter();
    Told {
        incidents,
        notices: notices.map(|it| (it.channel, it.text)).collect(),
        states: bench.states(),
    }
}

fn lines(incident: &Incident) -> Vec<&str> {
    incident.lines.iter().map(LineId::as_str).collect()
}

#[test]
fn two_cables_cut_at_a_bridge_are_one_incident_of_both_lines() {
    let told = tell(|_| false, 1);
    let first = &told.incidents[0];
    assert_eq!(lines(first), ["west-east"]);
    assert!(
        told.incidents.iter().all(|it| it.id == first.id),
        "one of them"
    );
    let joined = told.incidents.iter().find(|it| it.lines.len() == 2);
    assert_eq!(lines(joined.unwrap()), ["west-east", "twin"]);
    let noc = told.notices.iter().filter(|(channel, _)| channel == "noc");
    assert_eq!(noc.count(), 1, "people are told once: {:?}", told.notices);
}

#[test]
fn it_stays_one_wherever_the_collector_dies() {
    let quiet = tell(|_| false, 1);
    for (dies, saved) in [(1, 1), (1, 3), (1, UNTIL), (3, 2), (7, UNTIL)] {
        let again = tell(|second| second % dies == 0, saved);
        assert_eq!(again, quiet, "dies every {dies} s, saved every {saved} s");
    }
}

#[test]
fn what_is_done_to_it_after_a_restart_is_done_to_both() {
    for also in [Also::Nothing, Also::Snapshot] {
        let mut bench = Bench::of(plant());
        let mut id = String::new();
        for (second, wires) in (0..).zip(story()).take(usize::try_from(WHOLE - 5).unwrap()) {
            for event in bench.take(second * 1000 + 5, &wires).live {
                if let LiveEvent::Incident(json) = event {
                    id = json["id"].as_str().unwrap().to_owned();
                }
            }
        }
        let work = Work {
            also,
            ..Work::default()
        };
        bench.step(WHOLE * 1000, work);
        let mut bench = bench.restart();
        let taken = act(&mut bench, WHOLE * 1000 + 1, &id, Action::Acknowledge);
        assert!(matches!(taken, ActionResult::Done(_)), "{taken:?}");
        for line in ["west-east", "twin"] {
            let state = &bench.states()[&line.parse().unwrap()];
            assert!(state.contains("acknowledged"), "{line}");
        }
    }
}
