//! An OTDR behind a fibre switch of its own, in a hut with two lines of sight.
//!
//! The round shoots both views in turn. Then the cable is cut: light is lost, the shot of the
//! round is stopped, the switch turns, and the trace of the fibre whose light it was comes in blocks over SNMP, goes
//! into the spool and to the collector with its port, its view and its reason; the round goes on where it was. While
//! somebody works on the line lost light is not shot, and the event has that somebody's name. A shot that a person
//! asks for is taken, and declined with that name.
//!
//! The hardware is the simulator's: real Modbus TCP, real SNMP, traces by the forward model.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::ground::network::Network;
use crate::ground::{Program, free_port, program, wait};

/// A line of 30 km between two huts: an amplifier, an OTDR, and a switch with two fibres in the west.
const PLANT: &str = r#"
[[site]]
id = "west"
lat = 40.41
lon = 49.87
[[site]]
id = "east"
lat = 40.59
lon = 49.67
[[line]]
id = "west-east"
kind = "terrestrial"
a = "west"
b = "east"
fibre = [{ id = "f1" }, { id = "f2" }]
route = [[40.41, 49.87, 0], [40.59, 49.67, 30000]]
node = [
  { id = "west", kind = "terminal", chainage_m = 0, site = "west" },
  { id = "east", kind = "terminal", chainage_m = 30000, site = "east" },
]
section = [
  { from_m = 0, to_m = 30000, excess_percent = 0.9, excess_plus_minus = 0.2, group_index = { 1550 = 1.4682 }, cable = "48-fibre loose tube", laid = "buried", depth_m = 1.2 },
]
view = [
  { id = "west-f1", fibre = "f1", node = "west", toward = "B", until = "east", device = "otdr-1", port = 3, launch_m = 1000, wavelength_nm = 1550, reach_db = 27 },
  { id = "west-f2", fibre = "f2", node = "west", toward = "B", until = "east", device = "otdr-1", port = 5, launch_m = 1000, wavelength_nm = 1550, reach_db = 27 },
]
[[path]]
id = "we-1"
system = "pair"
hops = [
  { line = "west-east", fibre = "f1", from = "west", to = "east" },
  { line = "west-east", fibre = "f2", from = "east", to = "west" },
]
[[device]]
id = "edfa-1"
site = "west"
profile = "silkline-edfa"
lines = ["west-east"]
port = [
  { index = "1", path = "we-1", node = "west", direction = "AB", side = "out" },
  { index = "2", path = "we-1", node = "west", direction = "BA", side = "in" },
]
[[device]]
id = "switch-1"
site = "west"
profile = "silkline-switch"
lines = ["west-east"]
[[device]]
id = "otdr-1"
site = "west"
profile = "silkline-otdr-snmp"
lines = ["west-east"]
"#;

/// The simulated hut.
struct Hut {
    _running: Program,
    control: String,
    addresses: Vec<Value>,
    folder: String,
}

impl Hut {
    async fn start(folder: &Path) -> Self {
        let plant = folder.join("plant.toml");
        std::fs::write(&plant, PLANT).unwrap();
        let (control, own) = (format!("127.0.0.1:{}", free_port()), folder.join("sim"));
        let mut command = Command::new(program("silkline-sim"));
        command
            .arg("--plant")
            .arg(&plant)
            .args(["--control", &control, "run"]);
        command.arg("--folder").arg(&own).args(["--speed", "1"]);
        let mut running = Program::start("sim", folder, &mut command);
        let addresses = wait("the hardware", async || {
            assert!(running.runs(), "{}", running.said());
            let text = std::fs::read_to_string(own.join("addresses.json")).ok()?;
            serde_json::from_str(&text).ok()
        })
        .await;
        Self {
            _running: running,
            control,
            addresses,
            folder: own.display().to_string(),
        }
    }

    fn tell(&self, order: &[&str]) {
        let mut command = Command::new(program("silkline-sim"));
        command.args(["--control", &self.control]).args(order);
        assert!(command.status().unwrap().success(), "{order:?}");
    }

    fn address(&self, device: &str) -> &str {
        let found = self.addresses.iter().find(|one| one["device"] == device);
        found.unwrap()["address"].as_str().unwrap()
    }

    /// The devices as the agent's settings have them: a round of long shots, so that one runs when the
    /// light goes.
    fn settings(&self) -> String {
        let view = |port: u16, more: &str| {
            format!(
                "[[device.view]]\nport = {port}\nview = \"west-f{}\"\nfibre = \"f{}\"\nevery = \"2min\"\n\
                 pulse_ns = 300\naverage = \"8s\"\n{more}",
                port / 2,
                port / 2
            )
        };
        format!(
            "[[device]]\nid = \"edfa-1\"\nprofile = \"silkline-edfa\"\naddress = \"{}\"\npoll = \"200ms\"\n\
             [[device]]\nid = \"switch-1\"\nprofile = \"silkline-switch\"\naddress = \"{}\"\n\
             [[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr-snmp\"\naddress = \"{}\"\n\
             community = \"public\"\nfolder = \"{}/otdr/west/otdr-1\"\nhold_off = \"1s\"\n\
             [device.switch]\ndevice = \"switch-1\"\n{}{}",
            self.address("edfa-1"),
            self.address("switch-1"),
            self.address("otdr-1"),
            self.folder,
            view(3, "shoot_when_dark = [\"edfa-1.in_power.2\"]\n"),
            view(5, ""),
        )
    }
}

/// A trace as the collector has stored it.
struct Stored {
    port: i64,
    view: String,
    reason: String,
    sor: Vec<u8>,
}

/// Every trace that the collector has stored, in the order in which the agent sent them.
fn traces(store: &Connection) -> Vec<Stored> {
    let query = "SELECT port, view, \"trigger\", sor FROM trace ORDER BY seq";
    let mut statement = store.prepare(query).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Stored {
            port: row.get(0)?,
            view: row.get(1)?,
            reason: row.get(2)?,
            sor: row.get(3)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Whether the collector has an event whose text has all of these words.
fn has_event(store: &Connection, words: [&str; 2]) -> Option<()> {
    let mut statement = store
        .prepare("SELECT body FROM record WHERE kind = 'event'")
        .unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let mut texts = rows.map(Result::unwrap);
    texts
        .any(|text| words.iter().all(|word| text.contains(word)))
        .then_some(())
}

/// A permit to work for an hour, granted at the agent of these settings.
fn permit_at(settings: &Path) {
    let mut permit = Command::new(program("silkline-agent"));
    permit.arg("--config").arg(settings).args(["permit", "add"]);
    permit.args(["--person", "Aydin Mammadov"]);
    permit.args(["--line", "west-east", "--for", "1h"]);
    assert!(permit.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_behind_a_switch_is_shot_before_the_round_goes_on() {
    let network = Network::embedded();
    let hut = Hut::start(network.folder()).await;
    let _collector = network.collector_with_broker("").await;
    let _agent = network.agent("west", &hut.settings());
    let stored = || traces(&network.hot_store());

    // The round has shot the first fibre and is at the second when the cable is cut.
    wait("the first trace", async || {
        (!stored().is_empty()).then_some(())
    })
    .await;
    wait("the second shot", async || {
        has_event(&network.hot_store(), ["shot_started", "west-f2"])
    })
    .await;
    hut.tell(&["cut", "west-east", "12"]);
    wait("the round to have gone on", async || {
        stored().iter().any(|trace| trace.port == 5).then_some(())
    })
    .await;
    let found = stored();
    let order: Vec<(i64, &str)> = found.iter().map(|t| (t.port, t.reason.as_str())).collect();
    assert_eq!(order, [(3, "schedule"), (3, "light_lost"), (5, "schedule")]);
    for trace in &found {
        let fibre = if trace.port == 3 { "f1" } else { "f2" };
        assert_eq!(trace.view, format!("west-{fibre}"));
        // The forward model writes into the file which fibre it saw.
        let sor = silkline_sor::read(&trace.sor).unwrap();
        assert_eq!(sor.general.fibre, fibre);
        let levels = sor.curve.decibels();
        let at = |metres: f64| {
            let sample = (0..levels.len()).find(|at| sor.sample_m(*at) >= metres);
            levels[sample.unwrap()]
        };
        let is_cut = at(8_000.0) - at(20_000.0) > 10.0;
        assert_eq!(is_cut, trace.reason == "light_lost" || trace.port == 5);
    }

    // A person asks for a shot.
    let shot = json!({ "do": "shot", "view": "west-f2" });
    let asked = network.post("/api/v1/commands", &shot).await;
    assert_eq!(asked["replies"][0]["accepted"], true, "{asked}");
    wait("the shot that was asked for", async || {
        let asked_for = |trace: &Stored| (trace.port, trace.reason.as_str()) == (5, "command");
        stored().iter().any(asked_for).then_some(())
    })
    .await;

    // Somebody works on the line: the next loss of light is not shot, and everybody knows why.
    permit_at(&network.folder().join("west.toml"));
    let asked = network.post("/api/v1/commands", &shot).await;
    let [declined, holder] = ["accepted", "permit"].map(|part| &asked["replies"][0][part]);
    assert_eq!(declined, false, "{asked}");
    assert!(holder.to_string().contains("Aydin Mammadov"), "{asked}");
    let shots = stored().len();
    hut.tell(&["repair"]);
    wait("light again", async || {
        has_event(&network.hot_store(), ["light_back", ""])
    })
    .await;
    hut.tell(&["cut", "west-east", "20"]);
    wait("the holder's name", async || {
        has_event(&network.hot_store(), ["shot_blocked", "Aydin Mammadov"])
    })
    .await;
    assert_eq!(stored().len(), shots);
}
