//! Polling against devices in this process.

use std::time::Duration;

use silkline_protocol::device::About;
use silkline_protocol::id::PointName;
use silkline_protocol::message::EventKind;
use silkline_protocol::sample::{BadReading, Reading, Sample};

use super::*;
use crate::rig::{Gateway, Site, wait_until};

fn edfa(id: &str, address: &str, keys: &str) -> String {
    format!(
        "[[device]]\nid = \"{id}\"\nprofile = \"silkline-edfa\"\naddress = \"{address}\"\n\
         poll = \"100ms\"\n{keys}\n"
    )
}

fn site(devices: &str) -> String {
    format!("site = \"ganja\"\nlines = [\"baku-poti\"]\nretry_cap = \"1s\"\n{devices}")
}

/// A gateway whose unit has light on both inputs.
fn lit(gateway: &Gateway, unit: u8) {
    gateway.set(unit, 0, 1);
    gateway.set(unit, 16, -1720);
    gateway.set(unit, 32, -1850);
}

fn reading(sample: &Sample, point: &str) -> Reading {
    sample.readings[&point.parse().unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_becomes_a_sample_in_the_spool() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    let address = gateway.serve().await;
    let before = Clock::start().now();
    let site = Site::start(&site(&edfa("edfa-1", &address, "")));
    let sample = site
        .store
        .wait("a sample", |store| store.samples("edfa-1").pop())
        .await;
    assert_eq!(reading(&sample, "in_power.1"), Reading::Value(-17.2));
    assert_eq!(reading(&sample, "in_power.2"), Reading::Value(-18.5));
    assert_eq!(reading(&sample, "los.1"), Reading::Value(0.0));
    assert!(sample.at >= before && sample.at <= Clock::start().now());
    let topic = &site.store.of("edfa-1", "sample")[0].topic;
    assert_eq!(topic, "silkline/1/baku-poti/ganja/edfa-1/sample");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_units_behind_a_gateway_starve_no_other() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    gateway.silence(2, true);
    gateway.silence(3, true);
    let address = gateway.serve().await;
    let short = "timeout = \"150ms\"";
    let devices = edfa("edfa-1", &address, short)
        + &edfa("edfa-2", &address, &format!("unit = 2\n{short}"))
        + &edfa("edfa-3", &address, &format!("unit = 3\n{short}"));
    let site = Site::start(&site(&devices));
    let dead = site
        .store
        .wait("a dead unit's sample", |store| {
            store.samples("edfa-2").pop()
        })
        .await;
    assert_eq!(
        reading(&dead, "in_power.1"),
        Reading::Bad(BadReading::Timeout)
    );
    site.store
        .wait("thirty good samples", |store| {
            let samples = store.samples("edfa-1");
            let good = samples
                .iter()
                .filter(|sample| reading(sample, "in_power.1").is_good());
            (good.count() >= 30).then_some(())
        })
        .await;
    let (alive, dead) = (gateway.asked(1), gateway.asked(2) + gateway.asked(3));
    assert!(
        dead * 2 < alive,
        "{dead} requests to the dead, {alive} to the living"
    );
    gateway.silence(2, false);
    lit(&gateway, 2);
    site.store
        .wait("the unit that came back", |store| {
            let last = store.samples("edfa-2").pop()?;
            reading(&last, "in_power.1").is_good().then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reread_does_not_wait_for_its_turn() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    let address = gateway.serve().await;
    let text = site(&edfa("edfa-1", &address, "")).replace("100ms", "1h");
    let site = Site::start(&text.replace("\"1h\"", "\"24h\""));
    site.store
        .wait("the first poll", |store| store.samples("edfa-1").pop())
        .await;
    let device = "edfa-1".parse().unwrap();
    let poller = site.pollers.of(&device).unwrap();
    poller.send(Ask::Reread(device.clone())).await.unwrap();
    site.store
        .wait("the reread", |store| {
            (store.samples("edfa-1").len() == 2).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_light_starts_a_shot_and_its_file_carries_the_reason() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    gateway.set(9, 0, 1);
    let address = gateway.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let otdr = format!(
        "[[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr\"\naddress = \"{address}\"\nunit = 9\n\
         folder = {:?}\nscan = \"20ms\"\nsettle = \"60ms\"\n\
         [[device.view]]\nport = 3\nview = \"ganja-east\"\nshoot_when_dark = [\"edfa-1.in_power.1\"]\n\
         pulse_ns = 100000\naverage = \"4s\"\n",
        folder.path()
    );
    let site = Site::start(&site(&(edfa("edfa-1", &address, "") + &otdr)));
    site.watch("otdr-1");
    site.store
        .wait("light", |store| store.samples("edfa-1").pop())
        .await;
    gateway.set(1, 16, -32768);
    wait_until("the start", || !gateway.writes().is_empty()).await;
    assert_eq!(gateway.writes()[0], (9, 100, vec![3, 1, 34464, 4, 1]));
    let sor = crate::folder::tests::trace(1);
    std::fs::write(folder.path().join("otdr-1-p3-20260102T030405Z.sor"), &sor).unwrap();
    let trace = site
        .store
        .wait("the trace", |store| store.of("otdr-1", "trace").pop())
        .await;
    assert_eq!(trace.payload, sor);
    for (name, value) in [
        ("trigger", "light_lost"),
        ("view", "ganja-east"),
        ("port", "3"),
    ] {
        let said = trace
            .properties
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.as_str());
        assert_eq!(said, Some(value), "{name}");
    }
    let kinds = |store: &crate::rig::Store, device: &str| -> Vec<EventKind> {
        store
            .events(device)
            .iter()
            .map(|event| event.kind)
            .collect()
    };
    assert_eq!(kinds(&site.store, "edfa-1"), [EventKind::LightLost]);
    assert_eq!(kinds(&site.store, "otdr-1"), [EventKind::ShotStarted]);
    gateway.set(1, 16, -1720);
    site.store
        .wait("the light to be back", |store| {
            kinds(store, "edfa-1")
                .contains(&EventKind::LightBack)
                .then_some(())
        })
        .await;
    assert_eq!(gateway.writes().len(), 1);
}

#[test]
fn units_share_a_connection_and_snmp_devices_do_not() {
    let ups = |id: &str| {
        format!("[[device]]\nid = \"{id}\"\nprofile = \"ietf-ups\"\naddress = \"10.0.0.2\"\n")
    };
    let text = site(&(edfa("a", "10.0.0.1", "") + &edfa("b", "10.0.0.1", "unit = 2")))
        + &ups("c")
        + &ups("d");
    let config = crate::config::read("agent.toml", &text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_, pollers) = runtime.block_on(async { pollers(&config, Clock::start()) });
    let mut sizes: Vec<usize> = pollers.iter().map(|poller| poller.units.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 2]);
    assert_eq!(Duration::from_millis(100), pollers[0].units[0].device.poll);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_a_device_keeps_are_told_with_its_points() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    gateway.set(1, 60, -2800);
    let address = gateway.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let shipped = include_str!("../../profiles/silkline-edfa.toml");
    // The second row's limit lies outside of the registers that a poll reads.
    let own = shipped.replacen("stride = 16", "stride = 64", 1).replacen(
        "role = \"light_in\"",
        "role = \"light_in\"\nlimits_at = { low_major = 44 }",
        1,
    );
    std::fs::write(folder.path().join("silkline-edfa.toml"), own).unwrap();
    let profiles = format!("profiles = {:?}\n", folder.path());
    let site = Site::start(&(profiles + &site(&edfa("edfa-1", &address, ""))));
    let about = site
        .store
        .wait("the description", |store| {
            let found = store.of("edfa-1", "about").pop()?;
            serde_json::from_slice::<About>(&found.payload).ok()
        })
        .await;
    let limits = |name: &str| {
        let mut points = about.points.iter();
        points
            .find(|point| point.name.as_str() == name)
            .map(|point| point.limits)
    };
    assert_eq!(limits("in_power.1").unwrap().low_major, Some(-28.0));
    assert_eq!(limits("in_power").unwrap().low_major, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_new_is_not_sent_and_light_that_goes_is() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    let address = gateway.serve().await;
    let exception = "[[device.exception]]\npoints = [\"in_power\", \"out_power\", \"gain\"]\ndeadband = 0.5\n\
                     silence = \"1h\"\n";
    let site = Site::start(&site(&edfa("edfa-1", &address, exception)));
    let all = site.store.wait("samples", |store| {
        let samples = store.samples("edfa-1");
        (samples.len() >= 3).then_some(samples)
    });
    let all = all.await;
    let light: PointName = "in_power.1".parse().unwrap();
    assert_eq!(all[0].readings[&light], Reading::Value(-17.2));
    assert!(
        all[1..]
            .iter()
            .all(|sample| !sample.readings.contains_key(&light))
    );
    assert!(
        all.iter()
            .all(|sample| sample.readings.contains_key(&"los.1".parse().unwrap()))
    );
    gateway.set(1, 16, -32768);
    let dark = site.store.wait("the dark", |store| {
        store
            .samples("edfa-1")
            .into_iter()
            .find(|sample| sample.readings.get(&light) == Some(&Reading::Dark))
    });
    dark.await;
    let lost = |store: &crate::rig::Store| (store.events("edfa-1").len() == 1).then_some(());
    site.store.wait("the event", lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_seldom_is_asked_at_some_polls_and_shown_all_the_time() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    let address = gateway.serve().await;
    let seldom = "[[device.seldom]]\npoints = [\"in_power\"]\nevery = \"500ms\"\n";
    let site = Site::start(&site(&edfa("edfa-1", &address, seldom)));
    let all = site.store.wait("samples", |store| {
        let samples = store.samples("edfa-1");
        (samples.len() >= 12).then_some(samples)
    });
    let all = all.await;
    let light: PointName = "in_power.2".parse().unwrap();
    let with: Vec<bool> = all
        .iter()
        .map(|sample| sample.readings.contains_key(&light))
        .collect();
    assert!(
        with[0] && !with[1] && !with[2] && with[1..].contains(&true),
        "{with:?}"
    );
    assert!(
        with.iter().filter(|with| **with).count() * 2 < with.len(),
        "{with:?}"
    );
    assert_eq!(all[0].readings[&light], Reading::Value(-18.5));
    let rest: PointName = "gain.1".parse().unwrap();
    assert!(all.iter().all(|sample| sample.readings.contains_key(&rest)));
    let shown = site.board.device(&"edfa-1".parse().unwrap()).unwrap();
    assert_eq!(shown.readings[&light], Reading::Value(-18.5));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_full_speed_every_answer_becomes_a_sample_in_its_order() {
    let gateway = Gateway::default();
    lit(&gateway, 1);
    lit(&gateway, 2);
    let address = gateway.serve().await;
    let devices = edfa("edfa-1", &address, "") + &edfa("edfa-2", &address, "unit = 2");
    let site = Site::start(&site(&devices).replace("100ms", "0s"));
    let enough = |store: &crate::rig::Store| (store.samples("edfa-2").len() >= 20).then_some(());
    site.store.wait("samples", enough).await;
    site.stop().cancel();
    for (unit, device) in [(1, "edfa-1"), (2, "edfa-2")] {
        let samples = site.store.samples(device);
        let times: Vec<_> = samples.iter().map(|sample| sample.at).collect();
        assert!(
            times.is_sorted() && samples.len() >= 19,
            "{}",
            samples.len()
        );
        assert!(samples.len() <= gateway.asked(unit));
        let lit = |sample: &Sample| reading(sample, "in_power.1") == Reading::Value(-17.2);
        assert!(samples.iter().all(lit), "{device}");
    }
}
