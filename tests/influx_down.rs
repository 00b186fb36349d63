//! The database goes away for a while: nothing else is delayed, and everything is there afterwards.

use std::path::Path;
use std::process::Command;

use crate::ground::device::Device;
use crate::ground::network::{Network, amplifier, count};
use crate::ground::{Program, free_port, listening, wait};

fn victoria(folder: &Path, port: u16) -> Program {
    let mut command = Command::new("/usr/bin/victoria-metrics");
    command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    command.arg(format!(
        "-storageDataPath={}",
        folder.join("victoria").display()
    ));
    command.args([
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
        "-search.disableCache",
    ]);
    Program::start("victoria-metrics", folder, &mut command)
}

/// How many readings of the amplifier's temperature the database holds.
async fn in_database(port: u16) -> Option<usize> {
    let query = "reading_value%7Bpoint%3D%22module_temp%22%7D";
    let url = format!("http://127.0.0.1:{port}/api/v1/export?match%5B%5D={query}");
    let text = reqwest::get(url).await.ok()?.text().await.ok()?;
    let values = text.lines().map(|line| {
        let series: serde_json::Value = serde_json::from_str(line).unwrap();
        series["values"].as_array().unwrap().len()
    });
    Some(values.sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn influx_down() {
    let network = Network::embedded();
    let port = free_port();
    let mut database = victoria(network.folder(), port);
    listening(port).await;
    let influx = format!("[influx]\nurl = \"http://127.0.0.1:{port}\"\n");
    let _collector = network.collector_with_broker(&influx).await;
    let device = Device::amplifier().await;
    let _agent = network.agent("west", &amplifier("edfa-1", device.port, "100ms"));
    wait("readings in the database", async || {
        in_database(port).await.filter(|count| *count > 10)
    })
    .await;

    assert_eq!(database.leave().await, Some(0));
    network.samples(40).await;
    let newest = network.json("/api/v1/devices/west.edfa-1").await.unwrap();
    let readings = newest["readings"].as_array().unwrap();
    assert!(
        readings
            .iter()
            .all(|reading| reading["age_s"].as_f64() < Some(10.0)),
        "the page shows live readings meanwhile: {newest}"
    );

    let _database = victoria(network.folder(), port);
    listening(port).await;
    let stored = count(&network.hot_store(), "SELECT count(*) FROM sample");
    let stored = usize::try_from(stored).unwrap();
    let there = wait("everything in the database", async || {
        in_database(port).await.filter(|count| *count >= stored)
    })
    .await;
    println!("{stored} samples stored, {there} in the database");
}
