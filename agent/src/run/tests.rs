//! A whole agent in this process: broken parts, new settings while it runs, leaving.

use std::time::Duration;

use silkline_protocol::device::About;
use silkline_protocol::sample::Sample;

use super::*;
use crate::rig::{Gateway, wait_until};
use crate::spool::inspect;

fn config(folder: &std::path::Path, address: &str) -> Config {
    let text = format!(
        "site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = {folder:?}\n[[device]]\nid = \"edfa-1\"\n\
         profile = \"silkline-edfa\"\naddress = \"{address}\"\npoll = \"100ms\"\n\
         [[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr\"\nfolder = \"/proc/no/such\"\n\
         [[device.view]]\nport = 1\nview = \"ganja-east\"\n\
         [[device]]\nid = \"ups-1\"\nprofile = \"ietf-ups\"\naddress = \"127.0.0.1:1\"\n\
         community_file = \"/no/such/file\"\n"
    );
    crate::config::read("agent.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_broken_parts_polls_the_others_and_leaves_when_told() {
    let gateway = Gateway::default();
    let address = gateway.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &address);
    let spool = spool_path(&config);
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(config, Clock::start(), Orders::only_stop(stop.clone())));
    wait_until("three polls", || gateway.asked(1) >= 6).await;
    stop.cancel();
    let left = tokio::time::timeout(Duration::from_secs(20), running).await;
    assert!(left.expect("leaves in time").unwrap().is_ok());
    let held = inspect(&spool).unwrap();
    assert!(held.records >= 5 && held.damage.is_empty(), "{held:?}");
    crate::spool::export(&spool, &folder.path().join("out")).unwrap();
    let text = std::fs::read_to_string(folder.path().join("out/records.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |end: &str| -> Vec<serde_json::Value> {
        let on = |record: &&serde_json::Value| record["topic"].as_str().unwrap().ends_with(end);
        records
            .iter()
            .filter(on)
            .map(|record| record["payload"].clone())
            .collect()
    };
    let about: About = serde_json::from_value(of("/edfa-1/about")[0].clone()).unwrap();
    assert_eq!(
        (about.poll_ms, about.profile.as_str()),
        (100, "silkline-edfa")
    );
    let sample: Sample = serde_json::from_value(of("/edfa-1/sample")[0].clone()).unwrap();
    assert!(sample.readings.len() > 10);
}

#[tokio::test]
async fn a_data_folder_that_can_not_be_made_is_told() {
    let config = config(std::path::Path::new("/proc/no/such"), "127.0.0.1:1");
    let outcome = run(
        config,
        Clock::start(),
        Orders::only_stop(CancellationToken::new()),
    )
    .await;
    assert!(matches!(outcome, Err(RunError::Data { .. })));
}

/// Settings with these devices, for a folder.
fn settings(folder: &std::path::Path, devices: &[(&str, &str)]) -> Config {
    let mut text = format!("site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = {folder:?}\n");
    for (id, address) in devices {
        text += &format!(
            "[[device]]\nid = \"{id}\"\nprofile = \"silkline-edfa\"\naddress = \"{address}\"\n\
             poll = \"100ms\"\n"
        );
    }
    crate::config::read("agent.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// The times of the samples that the spool holds of `device`.
fn times(spool: &std::path::Path, device: &str) -> Vec<i64> {
    let out = tempfile::tempdir().unwrap();
    crate::spool::export(spool, out.path()).unwrap();
    let text = std::fs::read_to_string(out.path().join("records.jsonl")).unwrap();
    let end = format!("/{device}/sample");
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["topic"].as_str().unwrap().ends_with(&end))
        .map(|record| {
            let sample: Sample = serde_json::from_value(record["payload"].clone()).unwrap();
            sample.at.nanos() / 1_000_000
        })
        .collect()
}

/// Requests that one poll of our amplifier takes.
const REQUESTS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_are_taken_up_and_no_sample_is_lost() {
    let gateways: [Gateway; 4] = core::array::from_fn(|_| Gateway::default());
    let [kept, left, before, after] = &gateways;
    let mut addresses = Vec::new();
    for gateway in &gateways {
        addresses.push(gateway.serve().await);
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |devices: &[(&str, usize)]| {
        let devices: Vec<_> = devices
            .iter()
            .map(|(id, at)| (*id, addresses[*at].as_str()))
            .collect();
        settings(folder.path(), &devices)
    };
    let first = at(&[("kept", 0), ("removed", 1), ("moved", 2)]);
    let spool = spool_path(&first);
    let stop = CancellationToken::new();
    let (news, reload) = mpsc::channel(RELOADS);
    let orders = Orders {
        stop: stop.clone(),
        reload,
        manager: Manager::default(),
    };
    let running = tokio::spawn(run(first, Clock::start(), orders));
    let all = [kept, left, before];
    wait_until("polls of all", || {
        all.iter().all(|gateway| gateway.asked(1) >= 8)
    })
    .await;
    // What is wrong is refused whole, and the old settings go on.
    news.send(Err("agent.toml:1:1: site: is missing".to_owned()))
        .await
        .unwrap();
    let elsewhere = settings(
        std::path::Path::new("/elsewhere"),
        &[("kept", &addresses[3])],
    );
    news.send(Ok(elsewhere)).await.unwrap();
    let asked = all.map(|gateway| gateway.asked(1));
    let goes_on = || {
        all.iter()
            .zip(asked)
            .all(|(gateway, asked)| gateway.asked(1) >= asked + 8)
    };
    wait_until("the old settings to go on", goes_on).await;
    news.send(Ok(at(&[("kept", 0), ("added", 3), ("moved", 3)])))
        .await
        .unwrap();
    wait_until("the new device", || times(&spool, "added").len() >= 3).await;
    let moved = times(&spool, "moved").len();
    wait_until("the one that moved", || {
        times(&spool, "moved").len() >= moved + 3
    })
    .await;
    let asked = kept.asked(1);
    wait_until("the one that stayed", || kept.asked(1) >= asked + 8).await;
    stop.cancel();
    assert!(running.await.unwrap().is_ok());
    let polled = |device: &str| times(&spool, device).len() * REQUESTS;
    assert_eq!(
        polled("removed"),
        left.asked(1),
        "the poll in hand is finished and spooled"
    );
    assert!(polled("moved") > before.asked(1) && after.asked(1) > 0);
    // The stop alone gives up a poll in hand.
    let lost = kept.asked(1) - polled("kept");
    assert!(lost <= REQUESTS, "{lost} requests without a sample");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_never_work_on_the_same_data() {
    let gateway = Gateway::default();
    let address = gateway.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &address);
    let stop = CancellationToken::new();
    let start = || {
        run(
            config.clone(),
            Clock::start(),
            Orders::only_stop(stop.clone()),
        )
    };
    let running = tokio::spawn(start());
    wait_until("a poll", || gateway.asked(1) >= 2).await;
    let refused = tokio::time::timeout(Duration::from_secs(20), start()).await;
    assert!(matches!(refused, Ok(Err(RunError::Busy(_)))), "{refused:?}");
    stop.cancel();
    let left = tokio::time::timeout(Duration::from_secs(20), running).await;
    assert!(left.expect("leaves in time").unwrap().is_ok());
}
