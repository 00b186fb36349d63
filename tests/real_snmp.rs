//! A battery and an amplifier behind net-snmp's own agent: what arrives at the collector is what
//! net-snmp's own client reads.

use std::path::Path;
use std::process::Command;

use crate::ground::network::Network;
use crate::ground::{Program, free_port, wait};

/// Object, type and value as snmpd serves them; the point that the profile makes of it; its scale.
const OBJECTS: [(&str, &str, &str, &str, f64); 8] = [
    (
        ".1.3.6.1.4.1.12148.9.3.2.0",
        "integer",
        "5324",
        "battery_voltage",
        0.01,
    ),
    (
        ".1.3.6.1.4.1.12148.9.4.1.0",
        "integer",
        "123",
        "load_current",
        0.1,
    ),
    (
        ".1.3.6.1.4.1.12148.9.6.1.0",
        "integer",
        "231",
        "mains_l1",
        1.0,
    ),
    (
        ".1.3.6.1.4.1.12148.9.5.3.0",
        "integer",
        "127",
        "rectifier_current",
        0.1,
    ),
    (
        ".1.3.6.1.4.1.9.9.834.1.1.2.1.3.1",
        "integer",
        "-1720",
        "rx_power.1",
        0.01,
    ),
    (
        ".1.3.6.1.4.1.9.9.834.1.1.2.1.3.2",
        "integer",
        "-1850",
        "rx_power.2",
        0.01,
    ),
    (
        ".1.3.6.1.4.1.9.9.834.1.1.2.1.4.1",
        "integer",
        "105",
        "tx_power.1",
        0.01,
    ),
    (
        ".1.3.6.1.4.1.9.9.834.1.1.2.1.4.2",
        "integer",
        "-4000",
        "tx_power.2",
        0.01,
    ),
];

fn snmpd(folder: &Path, port: u16) -> Program {
    let mut settings = "rocommunity corridor 127.0.0.1\n".to_owned();
    for (object, kind, value, _, _) in OBJECTS {
        settings.push_str(&format!("override {object} {kind} {value}\n"));
    }
    let file = folder.join("snmpd.conf");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new("/usr/sbin/snmpd");
    command
        .args(["-f", "-Lo", "-C", "-c"])
        .arg(&file)
        .arg(format!("udp:127.0.0.1:{port}"));
    command.env("SNMP_PERSISTENT_DIR", folder);
    Program::start("snmpd", folder, &mut command)
}

/// What net-snmp's own client reads.
fn snmpget(port: u16, object: &str) -> Option<f64> {
    let mut command = Command::new("/usr/bin/snmpget");
    command.args(["-v2c", "-c", "corridor", "-Oqv", "-t", "1", "-r", "0"]);
    let answer = command
        .arg(format!("127.0.0.1:{port}"))
        .arg(object)
        .output()
        .unwrap();
    String::from_utf8(answer.stdout)
        .unwrap()
        .trim()
        .parse()
        .ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_net_snmp_serves_arrives() {
    let network = Network::embedded();
    let port = free_port();
    let _snmpd = snmpd(network.folder(), port);
    wait("snmpd to answer", async || snmpget(port, OBJECTS[0].0)).await;
    let _collector = network.collector_with_broker("").await;
    let device = |id: &str, profile: &str| {
        format!(
            "[[device]]\nid = \"{id}\"\nprofile = \"{profile}\"\naddress = \"127.0.0.1:{port}\"\n\
             community = \"corridor\"\npoll = \"500ms\"\n"
        )
    };
    let devices = device("battery", "eltek-smartpack") + &device("ots", "cisco-ncs1k-ots");
    let _agent = network.agent("west", &devices);
    for (object, _, _, point, scale) in OBJECTS {
        let device = if object.contains(".12148.") {
            "battery"
        } else {
            "ots"
        };
        let read = snmpget(port, object).unwrap() * scale;
        let path = format!("/api/v1/devices/west.{device}");
        let stored = wait(&format!("{device}.{point} at the collector"), async || {
            let device = network.json(&path).await?;
            let mut readings = device["readings"].as_array()?.iter();
            readings.find(|reading| reading["point"] == point).cloned()
        })
        .await;
        if read < -39.99 {
            assert_eq!(stored["dark"], true, "{point}: {read} dBm is no light");
        } else {
            let value = stored["value"].as_f64().unwrap();
            assert!(
                (value - read).abs() < 1e-9,
                "{point}: {value} stored, {read} by snmpget"
            );
        }
    }
}
