//! An instrument whose two fibres are on each other's port.

use std::sync::Arc;
use std::time::Duration;

use silkline_analysis::incident::{Kind, State};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::plant::read;

use super::world::{at_ms, sor};
use crate::engine::{EngineSettings, Input, LineEngine, Output};

const PLANT: &str = r#"
site = [{ id = "s0" }, { id = "s1" }, { id = "s2" }]
[[line]]
id = "l"
kind = "terrestrial"
a = "s0"
b = "s2"
route = [[40.7, 46.0, 0], [40.7, 45.0, 100000]]
fibre = [{ id = "f1" }]
[[line.node]]
id = "n0"
kind = "terminal"
chainage_m = 0
site = "s0"
[[line.node]]
id = "n1"
kind = "ila"
chainage_m = 40000
site = "s1"
[[line.node]]
id = "n2"
kind = "terminal"
chainage_m = 100000
site = "s2"
[[line.view]]
id = "west"
fibre = "f1"
node = "n1"
toward = "A"
until = "n0"
device = "otdr-1"
port = 1
wavelength_nm = 1550
[[line.view]]
id = "east"
fibre = "f1"
node = "n1"
toward = "B"
until = "n2"
device = "otdr-1"
port = 2
wavelength_nm = 1550
[[device]]
id = "otdr-1"
site = "s1"
profile = "silkline-otdr"
lines = ["l"]
"#;

/// Ends of the glass to both sides, as the plant expects them.
const WEST: f64 = 40_000.0;
const EAST: f64 = 60_000.0;

struct Bench {
    engine: LineEngine,
    seconds: u64,
    said: Vec<Output>,
}

impl Bench {
    fn new() -> Self {
        let plant = match read("plant.toml", PLANT) {
            Ok(checked) => Arc::new(checked.plant),
            Err(mistakes) => panic!("{mistakes}"),
        };
        let line = "l".parse().unwrap();
        Self {
            engine: LineEngine::new(plant, line, EngineSettings::default()),
            seconds: 0,
            said: Vec::new(),
        }
    }

    /// A shot of a view whose fibre ends at `end`; which views are asked for.
    fn shot(&mut self, view: &str, end: f64) -> Vec<String> {
        self.seconds += 20;
        let now = at_ms(self.seconds * 1000);
        let file = TraceFile {
            at: now,
            view: Some(view.parse().unwrap()),
            port: None,
            trigger: Trigger::Schedule,
            sor: sor(end, None, self.seconds),
        };
        let input = Input::Trace {
            id: i64::try_from(self.seconds).unwrap(),
            site: "s1".parse().unwrap(),
            device: "otdr-1".parse().unwrap(),
            late: false,
            file,
        };
        let mut out = self.engine.step(input, now);
        out.extend(self.engine.step(Input::Tick, now + Duration::from_secs(10)));
        let asked = out.iter().filter_map(|output| match output {
            Output::Shoot { view, .. } => Some(view.to_string()),
            _ => None,
        });
        let asked = asked.collect();
        self.said.extend(out);
        asked
    }

    /// Kind, state and headline of every incident as it was told last.
    fn told(&self) -> Vec<(Kind, State, String)> {
        let mut all = std::collections::BTreeMap::new();
        for output in &self.said {
            if let Output::Incident(it) = output {
                all.insert(it.id.clone(), (it.kind, it.state, it.headline.clone()));
            }
        }
        all.into_values().collect()
    }
}

#[test]
fn views_that_show_each_others_fibre_are_a_matter_of_ports_and_no_break() {
    let mut bench = Bench::new();
    assert_eq!(bench.shot("west", EAST), ["east"]);
    assert_eq!(bench.told(), [], "one shot may still be a break");
    assert_eq!(bench.shot("east", WEST), ["west"]);
    let told = bench.told();
    assert_eq!((told.len(), told[0].0), (1, Kind::Equipment), "{told:?}");
    assert!(told[0].2.contains("ports swapped"), "{told:?}");
    // From now on they are read as what they look into.
    bench.shot("west", EAST);
    bench.shot("east", WEST);
    bench.shot("west", 31_000.0);
    let told = bench.told();
    let broken: Vec<_> = told.iter().filter(|it| it.0 == Kind::Break).collect();
    assert_eq!(broken.len(), 1, "{told:?}");
    assert!(broken[0].2.contains("km 71"), "{broken:?}");
}

#[test]
fn ports_that_are_put_back_end_it() {
    let mut bench = Bench::new();
    for (view, end) in [
        ("west", WEST),
        ("east", EAST),
        ("west", EAST),
        ("east", WEST),
    ] {
        bench.shot(view, end);
    }
    assert_eq!(bench.told().len(), 1, "{:?}", bench.told());
    bench.shot("west", WEST);
    bench.shot("east", EAST);
    bench.shot("west", WEST);
    let told = bench.told();
    assert_eq!((told.len(), told[0].1), (1, State::Cleared), "{told:?}");
}

#[test]
fn a_break_as_far_off_as_another_fibre_is_long_is_told_once_that_one_shows_itself() {
    let mut bench = Bench::new();
    bench.shot("west", WEST);
    bench.shot("east", EAST);
    assert_eq!(bench.shot("east", WEST), ["west"]);
    assert_eq!(bench.told(), []);
    assert_eq!(bench.shot("west", WEST), ["east"]);
    bench.shot("east", WEST);
    let told = bench.told();
    assert_eq!((told.len(), told[0].0), (1, Kind::Break), "{told:?}");
    assert!(told[0].2.contains("km 80"), "{told:?}");
}
