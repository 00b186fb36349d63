//! Fifty units behind one gateway, three of them silent, polled every second: how much of the healthy
//! data is delivered once the silent ones are known. The real program, a Modbus TCP gateway in this process,
//! mosquitto, and a stand-in for the collector; side by side with a script of forty lines where its
//! packages are there.
//!
//!   cargo bench -p silkline-agent --bench gateway [-- SECONDS]

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    dead_code,
    missing_docs,
    reason = "a bench that can't go on has failed; it measures time and says what it measured"
)]

#[path = "station/centre.rs"]
mod centre;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use centre::{Broker, Counted, collect};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LINE: &str = "a-b";
const UNITS: u8 = 50;
const SILENT: [u8; 3] = [7, 23, 41];
const REGISTERS: u16 = 100;
/// Two rounds, and what starting takes.
const WARM_UP: Duration = Duration::from_secs(4);

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A gateway that hands requests to its units one after the other; silent ones never answer.
async fn gateway() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (mut request, mut asked) = ([0; 12], 0u16);
    while stream.read_exact(&mut request).await.is_ok() {
        if SILENT.contains(&request[6]) {
            continue;
        }
        asked = asked.wrapping_add(1);
        let count = u16::from_be_bytes([request[10], request[11]]);
        let bytes = u8::try_from(count * 2).unwrap();
        let mut answer = request[..4].to_vec();
        answer.extend((u16::from(bytes) + 3).to_be_bytes());
        answer.extend([request[6], request[7], bytes]);
        for at in 0..count {
            answer.extend((2_000 + at * 100 + (asked.wrapping_mul(31) + at) % 23).to_be_bytes());
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn settings(folder: &Path, gateway: u16, broker: u16) -> PathBuf {
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
        "site = \"bench\"\nlines = [\"{LINE}\"]\ndata = {folder:?}\nprofiles = {profiles:?}\n\
         [[uplink]]\nurl = \"mqtt://127.0.0.1:{broker}\"\n"
    );
    for unit in 1..=UNITS {
        let _ = write!(
            text,
            "[[device]]\nid = \"d{unit}\"\nprofile = \"bench\"\naddress = \"127.0.0.1:{gateway}\"\n\
             unit = {unit}\npoll = \"1s\"\n"
        );
    }
    let path = folder.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Messages with a whole reading, by device.
type Whole = Arc<Mutex<BTreeMap<String, u64>>>;

/// Counts what arrives whole: a sample of a silent unit says only that there was none.
async fn count(port: u16, whole: Whole) {
    let options = MqttOptions::new("bench-counter", "127.0.0.1", port);
    let (client, mut events) = AsyncClient::new(options, 100);
    for filter in ["silkline/1/+/bench/+/sample", "peer/+"] {
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let topic = String::from_utf8_lossy(&message.topic).into_owned();
                let device = topic.split('/').find(|part| {
                    part.strip_prefix('d')
                        .is_some_and(|rest| rest.parse::<u8>().is_ok())
                });
                let value: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                let readings = value["readings"].as_object().unwrap();
                let numbers = readings.values().filter(|value| value.is_number()).count();
                if let (Some(device), true) = (device, numbers == usize::from(REGISTERS)) {
                    *whole.lock().unwrap().entry(device.to_owned()).or_default() += 1;
                }
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Lets `start` poll and says what part of the healthy units' data arrived.
async fn measure(
    what: &str,
    window: Duration,
    start: impl FnOnce(&Path, u16, u16) -> Option<Running>,
) -> Option<()> {
    let broker = Broker::start()?;
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway().await;
    let (whole, counted) = (Whole::default(), Arc::new(Counted::default()));
    let centre = tokio::spawn(collect(broker.port, LINE, counted.clone()));
    let counter = tokio::spawn(count(broker.port, whole.clone()));
    let running = start(folder.path(), gateway, broker.port)?;
    tokio::time::sleep(WARM_UP).await;
    whole.lock().unwrap().clear();
    tokio::time::sleep(window).await;
    let got = whole.lock().unwrap().clone();
    drop(running);
    counted.end();
    centre.abort();
    counter.abort();
    let healthy = (1..=UNITS).filter(|unit| !SILENT.contains(unit));
    let each: Vec<u64> = healthy
        .map(|unit| got.get(&format!("d{unit}")).copied().unwrap_or(0))
        .collect();
    let (sum, wanted) = (
        each.iter().sum::<u64>(),
        window.as_secs() * each.len() as u64,
    );
    println!(
        "  {what:<34} {sum} of {wanted} healthy samples = {:.1} %, of the worst unit {:.1} %",
        100.0 * sum as f64 / wanted as f64,
        100.0 * each.iter().min().copied().unwrap_or(0) as f64 / window.as_secs() as f64
    );
    Some(())
}

fn agent(folder: &Path, gateway: u16, broker: u16) -> Option<Running> {
    let child = Command::new(env!("CARGO_BIN_EXE_silkline-agent"))
        .arg("--config")
        .arg(settings(folder, gateway, broker))
        .arg("run")
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    child.ok().map(Running)
}

fn script(_: &Path, gateway: u16, broker: u16) -> Option<Running> {
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
    let number = |flag: &str, value: u16| [flag.to_owned(), value.to_string()];
    let child = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/peers/gateway.py"
        ))
        .arg(gateway.to_string())
        .args(number("--units", u16::from(UNITS)))
        .args(number("--broker", broker))
        .args(number("--period", 1))
        .args(number("--registers", REGISTERS))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok().map(Running)
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(20);
    let window = Duration::from_secs(seconds);
    println!(
        "{} silent units of {UNITS} behind one gateway, every second, {seconds} s after the first two rounds",
        SILENT.len()
    );
    if measure("silkline-agent", window, agent).await.is_none() {
        println!("  skipped: mosquitto is not installed");
        return;
    }
    measure("pymodbus + paho script, no spool", window, script).await;
}
