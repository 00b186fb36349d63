//! The real program on a spool that is there already, with devices that answer and a broker to come.

use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};

use super::devices::Device;

const POINTS: u16 = 20;

/// A program that ends with this.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Devices, settings, and the port where the broker will be.
pub(crate) struct Station {
    /// Where nobody listens yet.
    pub(crate) broker: u16,
    settings: PathBuf,
    folder: PathBuf,
    devices: Vec<Arc<Device>>,
}

impl Station {
    /// One with so many devices, asked every second, whose data are in `folder`.
    pub(crate) async fn new(folder: &Path, count: usize) -> Self {
        Self::with(folder, count, ("1s", "max_bytes = 68719476736")).await
    }

    /// One whose devices are asked so often, with such a spool.
    pub(crate) async fn with(folder: &Path, count: usize, (poll, spool): (&str, &str)) -> Self {
        let mut devices = Vec::new();
        for _ in 0..count {
            devices.push(Device::start(false).await);
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let broker = listener.local_addr().unwrap().port();
        let profiles = folder.join("profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        let mut profile = "id = \"bench\"\ntitle = \"bench\"\nprotocol = \"modbus\"\nsource = \"own: for the bench\"\n\
                           [modbus]\nfunction = \"holding\"\nword_order = \"big\"\n"
            .to_owned();
        for at in 0..POINTS {
            let _ = write!(
                profile,
                "[[point]]\nname = \"r{at}\"\nregister = {at}\ntype = \"u16\"\nunit = \"\"\nrole = \"other\"\nstatus = \"own\"\n"
            );
        }
        std::fs::write(profiles.join("bench.toml"), profile).unwrap();
        let mut text = format!(
            "site = \"bench\"\nlines = [\"a-b\"]\ndata = {folder:?}\nprofiles = {profiles:?}\n\
             [spool]\n{spool}\n[[uplink]]\nurl = \"mqtt://127.0.0.1:{broker}\"\n"
        );
        for (at, device) in devices.iter().enumerate() {
            let _ = write!(
                text,
                "[[device]]\nid = \"live-{at}\"\nprofile = \"bench\"\naddress = \"127.0.0.1:{}\"\npoll = \"{poll}\"\n",
                device.port
            );
        }
        let settings = folder.join("agent.toml");
        std::fs::write(&settings, text).unwrap();
        Self {
            broker,
            settings,
            folder: folder.to_owned(),
            devices,
        }
    }

    /// Requests that its devices have had.
    pub(crate) fn asked(&self) -> u64 {
        self.devices.iter().map(|device| device.asked()).sum()
    }

    /// Starts the program, and gives where it says how it is.
    pub(crate) fn start(&self) -> (Running, UnixDatagram) {
        let socket = self.folder.join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_silkline-agent"))
            .arg("--config")
            .arg(&self.settings)
            .arg("run")
            .env("NOTIFY_SOCKET", &socket)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        (Running(child.unwrap()), manager)
    }
}

/// Waits until the program says this.
pub(crate) fn wait_for(manager: &UnixDatagram, wanted: &str) {
    manager
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    let mut bytes = [0; 1024];
    loop {
        let count = manager.recv(&mut bytes).unwrap();
        if bytes[..count].starts_with(wanted.as_bytes()) {
            return;
        }
    }
}

/// When the agent said that it is there, and when its first live sample came.
pub(crate) async fn first_words(port: u16) -> (Instant, Instant) {
    let options = MqttOptions::new("bench-listener", "127.0.0.1", port);
    let (client, mut events) = AsyncClient::new(options, 100);
    for filter in [
        "silkline/1/site/bench/status/+",
        "silkline/1/+/bench/+/sample",
    ] {
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    let (mut online, mut live) = (None, None);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let now = Instant::now();
                let properties = message.properties.unwrap_or_default().user_properties;
                let is_late = properties
                    .iter()
                    .any(|(key, value)| key == "late" && value == "1");
                if message.topic.ends_with(b"/sample") {
                    live = live.or_else(|| (!is_late).then_some(now));
                } else {
                    online = online.or(Some(now));
                }
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        if let (Some(online), Some(live)) = (online, live) {
            return (online, live);
        }
    }
}

/// Megabytes resident of a process.
pub(crate) fn resident_mb(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}
