//! Power is cut, ten times each, at the broker, at the collector and at an agent, and at any of them.
//!
//! Real mosquitto with its default persistence stands between them. Whatever dies dies by kill -9 in
//! the middle of its work and is started again. In the end every sample that an agent has put into
//! its spool is in the hot store exactly once.

use std::time::Duration;

use crate::ground::broker::Mosquitto;
use crate::ground::device::Device;
use crate::ground::network::{Network, amplifier};
use crate::ground::{Program, wait};

/// How many samples pass between one kill and the next: never the same, so that kills fall into
/// different moments of a batch, a window and a snapshot.
const MOMENTS: [i64; 10] = [40, 7, 23, 3, 61, 11, 1, 35, 17, 29];

struct Scene {
    network: Network,
    mosquitto: Mosquitto,
    devices: Vec<Device>,
}

impl Scene {
    async fn new() -> Self {
        let network = Network::new(0);
        let mosquitto = Mosquitto::start(network.folder(), "allow_anonymous true").await;
        let network = Network {
            broker: mosquitto.port,
            ..network
        };
        let mut devices = Vec::new();
        for _ in 0..6 {
            devices.push(Device::amplifier().await);
        }
        Self {
            network,
            mosquitto,
            devices,
        }
    }

    fn agent(&self) -> Program {
        let entry =
            |(at, device): (usize, &Device)| amplifier(&format!("edfa-{at}"), device.port, "100ms");
        let entries: String = self.devices.iter().enumerate().map(entry).collect();
        self.network.agent("west", &entries)
    }

    /// How often the campaign is run: ten kills in a test, more in a soak.
    fn moments() -> impl Iterator<Item = i64> {
        let kills = std::env::var("SILKLINE_KILLS")
            .ok()
            .and_then(|kills| kills.parse().ok());
        MOMENTS
            .into_iter()
            .cycle()
            .take(kills.unwrap_or(MOMENTS.len()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_killed() {
    let mut scene = Scene::new().await;
    let _collector = scene.network.collector_at_broker("").await;
    let _agent = scene.agent();
    for moment in Scene::moments() {
        scene.network.samples(moment).await;
        scene.mosquitto.kill();
        scene.mosquitto.again().await;
    }
    scene.network.samples(50).await;
    scene.network.everything_is_stored_once(&["west"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_killed() {
    let scene = Scene::new().await;
    let mut collector = scene.network.collector_at_broker("").await;
    let _agent = scene.agent();
    for moment in Scene::moments() {
        scene.network.samples(moment).await;
        collector.kill();
        collector = scene.network.collector_at_broker("").await;
    }
    scene.network.samples(50).await;
    scene.network.everything_is_stored_once(&["west"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_killed() {
    let scene = Scene::new().await;
    let _collector = scene.network.collector_at_broker("").await;
    let mut agent = scene.agent();
    for moment in Scene::moments() {
        scene.network.samples(moment).await;
        agent.kill();
        agent = scene.agent();
    }
    scene.network.samples(50).await;
    scene.network.everything_is_stored_once(&["west"]).await;
    let epochs = scene
        .network
        .spooled("west")
        .into_iter()
        .map(|(epoch, _)| epoch);
    let epochs: std::collections::BTreeSet<_> = epochs.collect();
    // One that is killed within the spool's window of its start leaves no sample of its epoch.
    let kills = Scene::moments().count();
    assert!(
        epochs.len() > kills / 2 && epochs.len() <= kills + 1,
        "a new epoch at every start, found {} after {kills} kills",
        epochs.len()
    );
}

/// The same numbers on every run, so that a run that fails can be had again.
fn dice(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_killed_at_any_moment() {
    let mut scene = Scene::new().await;
    let mut collector = scene.network.collector_at_broker("").await;
    let mut agent = scene.agent();
    let mut chance = 0x5EED_0004;
    let mut killed = [0; 3];
    for moment in Scene::moments() {
        scene.network.samples(moment).await;
        // One of the three, or two at once: then neither is there while the other begins anew.
        let first = usize::try_from(dice(&mut chance) % 3).unwrap();
        let second = usize::try_from(dice(&mut chance) % 6).unwrap();
        let dies = |which: usize| first == which || second == which;
        if dies(0) {
            scene.mosquitto.kill();
        }
        if dies(1) {
            collector.kill();
        }
        if dies(2) {
            agent.kill();
        }
        tokio::time::sleep(Duration::from_millis(dice(&mut chance) % 300)).await;
        if dies(2) {
            agent = scene.agent();
        }
        if dies(0) {
            scene.mosquitto.again().await;
        }
        if dies(1) {
            collector = scene.network.collector_at_broker("").await;
        }
        killed
            .iter_mut()
            .enumerate()
            .for_each(|(which, times)| *times += i32::from(dies(which)));
    }
    scene.network.samples(50).await;
    scene.network.everything_is_stored_once(&["west"]).await;
    let [broker, collector, agent] = killed;
    println!("killed: broker {broker}, collector {collector}, agent {agent} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_starts_with_everything_down() {
    let mut scene = Scene::new().await;
    scene.mosquitto.kill();
    let agent = scene.agent();
    wait("samples in the spool", async || {
        let runs = agent.said().contains("agent runs");
        (runs && scene.network.spooled("west").len() > 30).then_some(())
    })
    .await;
    scene.mosquitto.again().await;
    let _collector = scene.network.collector_at_broker("").await;
    scene.network.everything_is_stored_once(&["west"]).await;
}
