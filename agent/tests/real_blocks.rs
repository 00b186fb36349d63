//! Traces in blocks from instruments that share no line with us: an OTDR behind net-snmp's snmpd, and one
//! by libmodbus, with an index and a window and with records of files. A real file of each kind goes
//! through byte for byte, and what is short or damaged is not taken.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that can't go on has failed; what is skipped is said"
)]

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use silkline_agent::clock::Clock;
use silkline_agent::config::{Device, read};
use silkline_agent::driver::fetch::{Acquisition, Ended, Step};
use silkline_agent::driver::otdr::ShotSettings;
use silkline_agent::driver::session::{Driver, Link};
use silkline_agent::driver::{Fault, Patience};
use silkline_sor::{Curve, GroupIndex, OneWayTime, Pulse, Sor};
use tempfile::TempDir;

const SNMPD: &str = "/usr/sbin/snmpd";
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A peer that ends with this.
struct Peer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// The bytes of a trace of `samples`.
fn trace(samples: u16) -> Vec<u8> {
    let pulse = Pulse {
        width_ns: 300,
        spacing: OneWayTime::from_hundredths_of_ps(250_000),
    };
    let acquisition = silkline_sor::Acquisition::new(pulse, GroupIndex::new(1.4682), 1550.0);
    let raw = (0..samples).map(|at| 9_000 + at % 997).collect();
    silkline_sor::write(&Sor::new(acquisition, Curve { scale: 1000, raw }))
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// snmpd with an OTDR that hands out `sor`; nothing where it is not installed.
fn snmp_otdr(sor: &[u8], flaw: &str) -> Option<Peer> {
    if !Path::new(SNMPD).exists() || !Path::new("/usr/bin/perl").exists() {
        println!("skipped: snmpd or perl is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.sor");
    std::fs::write(&file, sor).unwrap();
    let settings = format!(
        "rwcommunity master 127.0.0.1\npass_persist .1.3.6.1.4.1.32473.14 /usr/bin/perl {} {} {flaw}\n",
        peers().join("snmp_otdr.pl").display(),
        file.display()
    );
    std::fs::write(folder.path().join("agent.conf"), settings).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let child = Command::new(SNMPD)
        .args(["-f", "-Ln", "-C", "-c"])
        .arg(folder.path().join("agent.conf"))
        .arg(format!("udp:127.0.0.1:{port}"))
        .env("SNMP_PERSISTENT_DIR", folder.path())
        .env("MIBS", "")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Some(Peer {
        child,
        port,
        folder,
    })
}

/// An OTDR by libmodbus that hands out `sor`, so many registers a window; nothing where that or a C compiler is missing.
fn modbus_otdr(sor: &[u8], registers: u16) -> Option<Peer> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("modbus_otdr");
    let compiled = Command::new("cc")
        .arg(peers().join("modbus_otdr.c"))
        .args(["-I/usr/include/modbus", "-lmodbus", "-o"])
        .arg(&program)
        .stderr(Stdio::null())
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("skipped: libmodbus-dev or a C compiler is not installed");
        return None;
    }
    let file = folder.path().join("trace.sor");
    std::fs::write(&file, sor).unwrap();
    let mut child = Command::new(program)
        .arg(file)
        .arg(registers.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let port = said.trim().strip_prefix("ready ").expect("is ready");
    let port = port.parse().unwrap();
    Some(Peer {
        child,
        port,
        folder,
    })
}

/// The instrument as an agent's settings have it.
fn device(peer: &Peer, profile: &str, keys: &str) -> Device {
    let (port, folder) = (peer.port, peer.folder.path());
    let text = format!(
        "site = \"ganja\"\nlines = [\"baku-poti\"]\n{keys}\n[[device]]\nid = \"otdr-1\"\n\
         profile = \"{profile}\"\naddress = \"127.0.0.1:{port}\"\ntimeout = \"5s\"\n{}\
         folder = {folder:?}\n[[device.view]]\nport = 3\nview = \"east\"\n",
        if profile.contains("snmp") {
            "community = \"master\"\n"
        } else {
            ""
        }
    );
    read("agent.toml", &text)
        .unwrap_or_else(|error| panic!("{error}"))
        .devices
        .remove(0)
}

struct Session {
    device: Device,
    link: Link,
    clock: Clock,
}

impl Session {
    /// A session with an instrument that answers.
    async fn with(device: Device) -> Self {
        let clock = Clock::start();
        let mut link = Link::to(&device, device.address.as_ref().unwrap(), clock);
        let mut driver = Driver::of(&device);
        let answered = tokio::time::timeout(LONG, async {
            while !link
                .poll(&mut driver, Patience::new(true), &clock)
                .await
                .answered()
            {}
        });
        answered.await.expect("the instrument answers");
        Self {
            device,
            link,
            clock,
        }
    }

    async fn shoot(&mut self) -> Ended {
        let settings = ShotSettings {
            port: 3,
            own_port: 3,
            pulse_ns: 300,
            average: Duration::from_secs(2),
        };
        let map = self.device.profile.shot.as_ref().unwrap();
        let shot = Acquisition::new(map, settings, self.clock.moment()).unwrap();
        let mut shot = shot.at_once(self.device.at_once());
        let ended = async {
            loop {
                match shot.step(self.clock.moment()) {
                    Step::Over(ended) => return ended,
                    Step::Wait(until) => self.clock.sleep_until(until).await,
                    Step::Ask(request) => {
                        let done = self.link.carry_out(&self.device, &request, &self.clock);
                        shot.answered(done.await, self.clock.moment());
                    }
                }
            }
        };
        tokio::time::timeout(LONG, ended)
            .await
            .expect("the shot ends")
    }
}

fn reason(ended: Ended) -> String {
    match ended {
        Ended::Failed(failure) => failure.reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn net_snmp_hands_out_rows() {
    let sor = trace(6_001);
    let Some(peer) = snmp_otdr(&sor, "") else {
        return;
    };
    let mut session = Session::with(device(&peer, "silkline-otdr-snmp", "")).await;
    for _ in 0..2 {
        assert!(session.shoot().await == Ended::Trace(sor.clone()));
    }
}

#[tokio::test]
async fn a_short_or_damaged_table_of_net_snmp_is_no_trace() {
    for (flaw, wanted) in [("short", "is empty"), ("damaged", "check sum")] {
        let Some(peer) = snmp_otdr(&trace(2_000), flaw) else {
            return;
        };
        let mut session = Session::with(device(&peer, "silkline-otdr-snmp", "")).await;
        let said = reason(session.shoot().await);
        assert!(said.contains(wanted), "{flaw}: {said}");
    }
}

#[tokio::test]
async fn libmodbus_hands_out_blocks_by_an_index() {
    let sor = trace(20_000);
    let Some(peer) = modbus_otdr(&sor, 100) else {
        return;
    };
    let mut session = Session::with(device(&peer, "silkline-otdr-modbus", "")).await;
    for _ in 0..2 {
        assert!(session.shoot().await == Ended::Trace(sor.clone()));
    }
    // One that is at work refuses another shot, and can be stopped.
    let settings = ShotSettings {
        port: 3,
        own_port: 3,
        pulse_ns: 300,
        average: Duration::from_secs(2),
    };
    let Session {
        device,
        link,
        clock,
    } = &mut session;
    link.shoot(device, settings, clock).await.unwrap();
    let again = link.shoot(device, settings, clock).await;
    assert!(matches!(again, Err(Fault::Refused(_))), "{again:?}");
    link.abort(device).await.unwrap();
    link.shoot(device, settings, clock).await.unwrap();
}

#[tokio::test]
async fn libmodbus_hands_out_records_of_files() {
    // More than the 20,000 bytes of one file.
    let sor = trace(20_000);
    let Some(peer) = modbus_otdr(&sor, 100) else {
        return;
    };
    let own = peer.folder.path().join("profiles");
    std::fs::create_dir(&own).unwrap();
    let shipped = include_str!("../profiles/silkline-otdr-modbus.toml");
    let (head, _) = shipped.split_once("index = 110").unwrap();
    let text = head.replace("id = \"silkline-otdr-modbus\"", "id = \"by-records\"");
    std::fs::write(own.join("by-records.toml"), text + "file = 1\n").unwrap();
    let keys = format!("profiles = {own:?}");
    let mut session = Session::with(device(&peer, "by-records", &keys)).await;
    assert!(session.shoot().await == Ended::Trace(sor));
}

#[tokio::test]
async fn libmodbus_hands_out_a_window_that_is_longer_than_a_request() {
    let sor = trace(20_000);
    let Some(peer) = modbus_otdr(&sor, 1_000) else {
        return;
    };
    let own = peer.folder.path().join("profiles");
    std::fs::create_dir(&own).unwrap();
    let shipped = include_str!("../profiles/silkline-otdr-modbus.toml");
    let text = shipped
        .replace("id = \"silkline-otdr-modbus\"", "id = \"by-windows\"")
        .replace("\nregisters = 100", "\nregisters = 1000");
    std::fs::write(own.join("by-windows.toml"), text).unwrap();
    let keys = format!("profiles = {own:?}");
    let mut session = Session::with(device(&peer, "by-windows", &keys)).await;
    assert!(session.shoot().await == Ended::Trace(sor));
}
