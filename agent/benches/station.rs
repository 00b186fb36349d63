//! The agent as a landing station runs it, measured from outside: the real program, Modbus TCP devices
//! in this process, mosquitto, and a stand-in for the collector that commits what arrives. Side by side
//! with a script of sixty lines where its packages are there (`deploy/setup.sh` makes them).
//!
//!   cargo bench -p silkline-agent --bench station [-- SECONDS] [spool] [second] [flat] [silent] [speed]

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a bench that can't go on has failed; it measures time and says what it measured"
)]

#[path = "station/centre.rs"]
mod centre;
#[path = "station/devices.rs"]
mod devices;
#[path = "station/spool.rs"]
mod spool;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use centre::{Broker, Counted, collect};
use devices::Device;
use tokio_modbus::client::{Reader as _, tcp};

const LINE: &str = "a-b";
const REGISTERS: u16 = 100;
const SECOND: Duration = Duration::from_secs(1);
/// How late a request may come and still be on time.
const MARGIN: Duration = Duration::from_millis(100);
/// How often memory is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// A program that polls, which ends with this.
struct Poller {
    child: Child,
}

impl Poller {
    fn agent(config: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_silkline-agent"))
            .arg("--config")
            .arg(config)
            .arg("run")
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self {
            child: child.unwrap(),
        }
    }

    fn script(python: &Path, ports: &[u16], broker: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/poll.py");
        let registers = REGISTERS.to_string();
        let child = Command::new(python)
            .arg(script)
            .args(ports.iter().map(u16::to_string))
            .args([
                "--broker",
                &broker.to_string(),
                "--period",
                "1",
                "--registers",
                &registers,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            child: child.unwrap(),
        }
    }

    /// Seconds of processor time so far, and megabytes resident.
    fn takes(&self) -> (f64, f64) {
        let of = |file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
        };
        let stat = of("stat");
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        let status = of("status");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        // The kernel's tick is a hundredth of a second on every machine that we know.
        (ticks / 100.0, kilobytes / 1024.0)
    }

    /// Megabytes that are its own and no file's.
    fn anonymous_mb(&self) -> f64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes.unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Settings that poll these devices every `period`, and a profile of a hundred registers.
fn settings(folder: &Path, devices: &[Arc<Device>], period: &str, broker: Option<u16>) -> PathBuf {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let mut profile = "id = \"bench\"\ntitle = \"bench\"\nprotocol = \"modbus\"\nsource = \"own: for the bench\"\n\
                       [modbus]\nfunction = \"holding\"\nword_order = \"big\"\n"
        .to_owned();
    for at in 0..REGISTERS {
        let _ = write!(
            profile,
            "[[point]]\nname = \"r{at}\"\nregister = {at}\ntype = \"u16\"\nunit = \"\"\nrole = \"other\"\nstatus = \"own\"\n"
        );
    }
    std::fs::write(profiles.join("bench.toml"), profile).unwrap();
    let mut text = format!(
        "site = \"bench\"\nlines = [\"{LINE}\"]\ndata = {folder:?}\nprofiles = {profiles:?}\n"
    );
    if let Some(port) = broker {
        let _ = write!(text, "[[uplink]]\nurl = \"mqtt://127.0.0.1:{port}\"\n");
    }
    for (at, device) in devices.iter().enumerate() {
        let _ = write!(
            text,
            "[[device]]\nid = \"d{at}\"\nprofile = \"bench\"\naddress = \"127.0.0.1:{}\"\npoll = \"{period}\"\n",
            device.port
        );
    }
    let path = folder.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn start(count: usize, silent: usize) -> Vec<Arc<Device>> {
    let mut devices = Vec::new();
    for at in 0..count {
        devices.push(Device::start(at < silent).await);
    }
    devices
}

/// What a program did in a window.
struct Measured {
    arrived: u64,
    asked: u64,
    cpu_s: f64,
    rss_mb: (f64, f64),
    /// Its own memory, looked at [`EVERY`] so often.
    anonymous_mb: Vec<f64>,
    took: f64,
}

impl Measured {
    fn say(&self, what: &str) {
        let readings = self.arrived as f64 * f64::from(REGISTERS);
        println!(
            "  {what:<34} {:>9.0} readings/s delivered, {:>9.0} polled, {:>5.2} CPU-s/M, {:>5.1} -> {:.1} MB",
            readings / self.took,
            self.asked as f64 * f64::from(REGISTERS) / self.took,
            self.cpu_s / (readings / 1e6).max(1e-9),
            self.rss_mb.0,
            self.rss_mb.1
        );
    }

    /// Its own memory over the window, and what it grew by in the second half.
    fn say_memory(&self) {
        let words: Vec<String> = self
            .anonymous_mb
            .iter()
            .map(|mb| format!("{mb:.1}"))
            .collect();
        let (half, last) = (words.len() / 2, words.len().saturating_sub(1));
        let grown = 100.0 * (self.anonymous_mb[last] / self.anonymous_mb[half] - 1.0);
        println!(
            "  own memory each {EVERY:?}: {} MB; {grown:+.1} % in the second half",
            words.join(" ")
        );
    }
}

/// Lets `poller` warm up and measures it for `window`.
async fn measure(
    poller: &Poller,
    devices: &[Arc<Device>],
    counted: &Counted,
    window: Duration,
) -> Measured {
    tokio::time::sleep(Duration::from_secs(4)).await;
    devices.iter().for_each(|device| device.forget());
    let sum = || devices.iter().map(|device| device.asked()).sum::<u64>();
    let (before, asked, arrived) = (
        poller.takes(),
        sum(),
        counted.messages.load(Ordering::Relaxed),
    );
    let begun = Instant::now();
    let mut anonymous_mb = vec![poller.anonymous_mb()];
    while let left = window.saturating_sub(begun.elapsed())
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(EVERY)).await;
        anonymous_mb.push(poller.anonymous_mb());
    }
    let after = poller.takes();
    Measured {
        arrived: counted.messages.load(Ordering::Relaxed) - arrived,
        asked: sum() - asked,
        cpu_s: after.0 - before.0,
        rss_mb: (before.1, after.1),
        anonymous_mb,
        took: begun.elapsed().as_secs_f64(),
    }
}

async fn of_agent(
    count: usize,
    silent: usize,
    period: &str,
    window: Duration,
) -> Option<(Measured, Vec<Arc<Device>>)> {
    let broker = Broker::start()?;
    let devices = start(count, silent).await;
    let folder = tempfile::tempdir().unwrap();
    let config = settings(folder.path(), &devices, period, Some(broker.port));
    let counted = Arc::new(Counted::default());
    let centre = tokio::spawn(collect(broker.port, LINE, counted.clone()));
    let agent = Poller::agent(&config);
    let measured = measure(&agent, &devices, &counted, window).await;
    drop(agent);
    counted.end();
    centre.abort();
    Some((measured, devices))
}

async fn of_script(count: usize, window: Duration) -> Option<Measured> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin/python");
    let python = std::env::var_os("SILKLINE_PEERS")
        .map_or(python, |folder| PathBuf::from(folder).join("bin/python"));
    let has = Command::new(&python)
        .args(["-c", "import pymodbus, paho.mqtt"])
        .stderr(Stdio::null())
        .status();
    if !has.is_ok_and(|status| status.success()) {
        println!("  pymodbus + paho script             skipped: its packages are not there");
        return None;
    }
    let broker = Broker::start()?;
    let devices = start(count, 0).await;
    let counted = Arc::new(Counted::default());
    let centre = tokio::spawn(collect(broker.port, LINE, counted.clone()));
    let ports: Vec<u16> = devices.iter().map(|device| device.port).collect();
    let script = Poller::script(&python, &ports, broker.port);
    let measured = measure(&script, &devices, &counted, window).await;
    drop(script);
    counted.end();
    centre.abort();
    Some(measured)
}

/// Requests a second of a bare loop of tokio-modbus, and of the agent without a broker.
async fn full_speed(window: Duration) -> (f64, f64) {
    let bare = start(1, 0).await;
    let address = format!("127.0.0.1:{}", bare[0].port).parse().unwrap();
    let mut client = tcp::connect(address).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < window {
        client
            .read_holding_registers(0, REGISTERS)
            .await
            .unwrap()
            .unwrap();
    }
    let loops = bare[0].asked() as f64 / begun.elapsed().as_secs_f64();
    let folder = tempfile::tempdir().unwrap();
    let devices = start(1, 0).await;
    let agent = Poller::agent(&settings(folder.path(), &devices, "0s", None));
    let measured = measure(&agent, &devices, &Counted::default(), window).await;
    (loops, measured.asked as f64 / measured.took)
}

/// What is to be measured: everything unless some of it is named.
fn is_wanted(part: &str) -> bool {
    let parts = ["spool", "second", "flat", "silent", "speed"];
    let mut named = std::env::args().filter(|argument| parts.contains(&argument.as_str()));
    let all = std::env::args().all(|argument| !parts.contains(&argument.as_str()));
    all || named.any(|argument| argument == part)
}

async fn every_second(window: Duration) {
    println!(
        "200 Modbus TCP devices x {REGISTERS} registers every second, spool synced, {window:?}"
    );
    let Some((measured, devices)) = of_agent(200, 0, "1s", window).await else {
        println!("  skipped: mosquitto is not installed");
        return;
    };
    measured.say("silkline-agent");
    let (well, wanted) = devices.iter().fold((0, 0), |sum, device| {
        let (well, wanted) = device.on_time(SECOND, MARGIN);
        (sum.0 + well, sum.1 + wanted)
    });
    println!(
        "  on time within {MARGIN:?}: {:.2} % of {wanted}",
        100.0 * well as f64 / wanted.max(1) as f64
    );
    if let Some(measured) = of_script(200, window).await {
        measured.say("pymodbus + paho script, no spool");
    }
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(20);
    let window = Duration::from_secs(seconds);
    if is_wanted("spool") {
        spool::bench().await;
    }
    if is_wanted("second") {
        every_second(window).await;
    }
    if is_wanted("flat") {
        println!("flat out: 200 devices x {REGISTERS} registers, as fast as they answer");
        if let Some((measured, _)) = of_agent(200, 0, "0s", window).await {
            measured.say("silkline-agent");
            measured.say_memory();
        }
    }
    if is_wanted("silent") {
        println!("5 silent devices of 50, every second");
        if let Some((measured, _)) = of_agent(50, 5, "1s", window).await {
            measured.say("silkline-agent");
        }
    }
    if is_wanted("speed") {
        println!("one device at full speed");
        let (bare, agent) = full_speed(window.min(Duration::from_secs(8))).await;
        println!(
            "  bare loop of tokio-modbus {bare:.0} requests/s, silkline-agent {agent:.0} = {:.0} %",
            100.0 * agent / bare
        );
    }
}
