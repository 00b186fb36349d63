//! The program as a person types it: what it prints, and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may fail like the test"
)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_silkline-sim"))
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// A simulation that runs, ended with the test.
struct Running {
    child: Child,
    control: String,
}

impl Running {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_silkline-sim"))
            .args(["--control", "127.0.0.1:0", "run", "--folder"])
            .arg(folder)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let orders =
            lines.find_map(|line| line.strip_prefix("orders are taken at ").map(str::to_owned));
        Self {
            child,
            control: orders.unwrap(),
        }
    }

    fn told(&self, order: &[&str]) -> Output {
        sim(&[&["--control", &self.control], order].concat())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_corridor_is_printed_and_read_again() {
    let printed = sim(&["corridor"]);
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    let plant = silkline_protocol::plant::read("corridor", &text)
        .unwrap()
        .plant;
    assert_eq!(plant.lines.len(), 3);
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["fly"][..],
        &["cut", "baku-poti"],
        &["cut", "Baku", "3"],
        &[],
    ] {
        assert_eq!(sim(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_bad_plant_is_65_and_every_mistake_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let plant = folder.path().join("plant.toml");
    std::fs::write(
        &plant,
        "[[site]]\nid = \"Baku\"\n[[line]]\nid = \"l\"\ncolour = 1\n",
    )
    .unwrap();
    let output = sim(&["--plant", plant.to_str().unwrap(), "run"]);
    assert_eq!(output.status.code(), Some(65));
    let said = said(&output);
    for wanted in ["plant.toml:2:", "colour", "plant.toml:5:"] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
}

#[test]
fn without_a_simulation_an_order_is_69() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    drop(listener);
    let output = sim(&["--control", &at, "status"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        said(&output).contains("no simulation answers"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_running_simulation_obeys() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &["--broker", "mqtt://127.0.0.1:1883"]);
    assert!(said(&running.told(&["status"])).contains("all is well"));
    for (order, wanted) in [
        (
            &["cut", "baku-poti", "254.318"][..],
            "baku-poti is cut at km 254.318",
        ),
        (
            &["bend", "baku-poti", "300", "2.5", "--fibre", "f2"],
            "fibre f2 only",
        ),
        (
            &["pump", "baku-poti", "ganja"],
            "the pumps of ganja on baku-poti wear out",
        ),
        (
            &["dead", "alat", "edfa-1"],
            "edfa-1 at alat does not answer",
        ),
        (
            &["feed", "sumgait-aktau", "100"],
            "touches the sea at km 100.000",
        ),
        (&["battery", "gori"], "gori has lost the mains"),
    ] {
        let output = running.told(order);
        assert!(
            output.status.success() && said(&output).contains(wanted),
            "{}",
            said(&output)
        );
    }
    assert_eq!(said(&running.told(&["status"])).lines().count(), 6);
    let refused = running.told(&["cut", "baku-poti", "2000"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("844.0 km long"),
        "{}",
        said(&refused)
    );
    assert!(said(&running.told(&["repair"])).contains("all is well"));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        15 + 2,
        "settings, map, files"
    );
    let map = std::fs::read_to_string(folder.path().join("addresses.json")).unwrap();
    let reach: Vec<silkline_sim::hardware::Reach> = serde_json::from_str(&map).unwrap();
    assert_eq!(reach.len(), 66);
}
