//! Rubbish from every side: on every topic, from a device, in the watched folder, far too large.
//!
//! All of it is counted and kept with the reason, and nothing else is disturbed.

use std::path::Path;

use crate::ground::broker::{Mosquitto, publish};
use crate::ground::device::Device;
use crate::ground::network::{Network, amplifier, count};
use crate::ground::wait;
use crate::real_traces::otdr;

/// Our topics, near misses, and what a stranger might send.
const TOPICS: [&str; 14] = [
    "silkline/1/west-east/west/edfa-1/sample",
    "silkline/1/west-east/west/edfa-1/trace",
    "silkline/1/west-east/west/edfa-1/event",
    "silkline/1/west-east/west/edfa-1/about",
    "silkline/1/west-east/west/gap",
    "silkline/1/west-east/west/reply",
    "silkline/1/west-east/west/command",
    "silkline/1/west-east/west/committed",
    "silkline/1/west-east/incident/x",
    "silkline/1/site/west/status/main",
    "silkline/1/west-east/WEST/edfa-1/sample",
    "silkline/1/west-east/west/edfa-1/poem",
    "silkline/1/west-east/a/b/c/d/e/f",
    "silkline/1/west-east//edfa-1/sample",
];

/// Every kind of rubbish on every topic, and two payloads that are far too large.
fn rubbish_messages() -> Vec<(String, Vec<u8>)> {
    let payloads: [&[u8]; 6] = [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b"[1,2,3]",
        b"null",
        b"{\"at\":\"never\",\"readings\":{\"A\":1e999}}",
    ];
    let mut messages = Vec::new();
    for topic in TOPICS {
        messages.extend(payloads.map(|payload| (topic.to_owned(), payload.to_vec())));
    }
    messages.push((TOPICS[0].to_owned(), vec![b'x'; 5 * 1024 * 1024]));
    messages.push((TOPICS[1].to_owned(), vec![b'x'; 3 * 1024 * 1024]));
    messages
}

/// A file that breaks off, one that is none, one that is far too large.
fn drop_bad_files(folder: &Path) {
    let truncated = &b"Map\0\xc8\x00\x80\x00\x00\x00"[..];
    std::fs::write(folder.join("otdr-1-p1-truncated.sor"), truncated).unwrap();
    std::fs::write(folder.join("otdr-1-p1-poem.sor"), "Whose woods these are").unwrap();
    std::fs::write(
        folder.join("otdr-1-p1-huge.sor"),
        vec![b'x'; 5 * 1024 * 1024],
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense() {
    let network = Network::new(0);
    let mosquitto = Mosquitto::start(network.folder(), "allow_anonymous true").await;
    let network = Network {
        broker: mosquitto.port,
        ..network
    };
    let mut collector = network.collector_at_broker("").await;
    let (good, rubbish, silent) = (
        Device::amplifier().await,
        Device::rubbish().await,
        Device::silent().await,
    );
    let dropped = network.folder().join("rtu");
    std::fs::create_dir_all(&dropped).unwrap();
    let devices = amplifier("edfa-1", good.port, "100ms")
        + &amplifier("edfa-2", rubbish.port, "100ms")
        + &amplifier("edfa-3", silent.port, "100ms")
        + &otdr(&dropped);
    let mut agent = network.agent("west", &devices);
    network.samples(20).await;

    publish(network.broker, &rubbish_messages()).await;
    drop_bad_files(&dropped);

    wait("the rubbish in quarantine", async || {
        (count(&network.hot_store(), "SELECT count(*) FROM quarantine") >= 30).then_some(())
    })
    .await;
    let unreasoned = "SELECT count(*) FROM quarantine WHERE reason = '' OR kind = ''";
    assert_eq!(
        count(&network.hot_store(), unreasoned),
        0,
        "each is kept with its reason"
    );
    wait("the bad files set aside with their reasons", async || {
        let reasons = std::fs::read_dir(dropped.join("failed")).ok()?.flatten();
        let names = reasons.map(|entry| entry.file_name().to_string_lossy().into_owned());
        (names.filter(|name| name.ends_with(".reason")).count() == 3).then_some(())
    })
    .await;
    wait("the garbled device to be called so", async || {
        let device = network.json("/api/v1/devices/west.edfa-2").await?;
        let mut readings = device["readings"].as_array()?.iter();
        readings
            .any(|reading| reading["bad"].is_string())
            .then_some(())
    })
    .await;

    let good =
        "SELECT count(*) FROM sample s JOIN device d ON d.ref = s.device WHERE d.device = 'edfa-1'";
    let before = count(&network.hot_store(), good);
    wait("the good device to go on", async || {
        (count(&network.hot_store(), good) > before + 30).then_some(())
    })
    .await;
    assert!(collector.runs() && agent.runs(), "both programs go on");
    network.everything_is_stored_once(&["west"]).await;
}
