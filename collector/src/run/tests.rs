//! The whole collector, with its own broker, and a client that speaks for an agent.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use silkline_protocol::codec::Wire;
use silkline_protocol::delivery::Committed;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::commit::example::{Sender, settings};

/// Long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const FREE_PORTS: &str = "[broker]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n";

struct Running {
    addresses: Addresses,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    async fn start(folder: &TempDir) -> Self {
        // Fails where another test was first; one provider is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = settings(folder.path(), FREE_PORTS);
        let stop = CancellationToken::new();
        let (said, ready) = oneshot::channel();
        let say = |addresses: &Addresses| said.send(addresses.clone()).unwrap();
        let task = tokio::spawn(run(settings, stop.clone(), say));
        let addresses = tokio::time::timeout(DEADLINE, ready)
            .await
            .unwrap()
            .unwrap();
        Self {
            addresses,
            stop,
            task,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    async fn get(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.addresses.http);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }
}

/// A client of the embedded broker.
struct Agent {
    client: AsyncClient,
    events: EventLoop,
}

impl Agent {
    async fn connect(running: &Running, name: &str) -> Self {
        let at = running.addresses.mqtt.unwrap();
        let options = ingest::options(name, &at.ip().to_string(), at.port());
        let (client, events) = AsyncClient::new(options, 64);
        client
            .subscribe("silkline/1/+/+/committed", QoS::AtLeastOnce)
            .await
            .unwrap();
        let mut agent = Self { client, events };
        agent
            .until(|packet| matches!(packet, Packet::SubAck(_)).then_some(()))
            .await;
        agent
    }

    async fn publish(&self, wire: &Wire) {
        let properties = PublishProperties {
            user_properties: wire.properties.clone(),
            ..PublishProperties::default()
        };
        let (topic, payload) = (wire.topic.clone(), wire.payload.clone());
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties)
            .await
            .unwrap();
    }

    /// Polls until a packet gives something.
    async fn until<T>(&mut self, take: impl Fn(&Packet) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Ok(Event::Incoming(packet)) = self.events.poll().await
                    && let Some(found) = take(&packet)
                {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap()
    }

    /// Waits until the numbers of `sender` are committed up to `upto`.
    async fn committed(&mut self, sender: &Sender, upto: u64) {
        let epoch = sender.epoch;
        self.until(|packet| {
            let Packet::Publish(publish) = packet else {
                return None;
            };
            let state: Committed = serde_json::from_slice(&publish.payload).ok()?;
            let ranges = Vec::from(state.streams.get(&epoch)?.clone());
            (ranges == [[1, upto]]).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_says_that_it_lives_as_soon_as_it_is_connected() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder).await;
    let mut agent = Agent::connect(&running, "onlooker").await;
    let topic = "silkline/1/collector/+";
    agent
        .client
        .subscribe(topic, QoS::AtLeastOnce)
        .await
        .unwrap();
    let beat = agent.until(|packet| {
        let Packet::Publish(publish) = packet else {
            return None;
        };
        let beat = publish.topic.starts_with(b"silkline/1/collector/");
        let read = || serde_json::from_slice::<silkline_protocol::message::Beat>(&publish.payload);
        beat.then(|| read().unwrap())
    });
    let beat = beat.await;
    assert!(beat.online, "{beat:?}");
    assert_eq!(beat.lines, [crate::commit::example::line()]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_committed_once_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder).await;
    let mut agent = Agent::connect(&running, "agent").await;
    let mut west = Sender::new("west");
    let wires: Vec<Wire> = (0..50).map(|n| west.sample(n, Some(-3.0))).collect();
    for wire in &wires {
        agent.publish(wire).await;
    }
    agent.committed(&west, 50).await;
    running.stop().await;

    let running = Running::start(&folder).await;
    let mut agent = Agent::connect(&running, "agent").await;
    for wire in &wires {
        agent.publish(wire).await;
    }
    agent.publish(&west.sample(99, None)).await;
    agent.committed(&west, 51).await;
    let metrics = running.get("/metrics").await;
    assert!(
        metrics.contains("silkline_commit_dropped_total{kind=\"repeat\"} 50"),
        "{metrics}"
    );
    let store = Reader::new(folder.path().join("data").join(STORE_FILE));
    assert_eq!(store.ask(|ask| ask.sample_count()).unwrap(), 51);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_and_giants_disturb_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&folder).await;
    let mut agent = Agent::connect(&running, "agent").await;
    let mut west = Sender::new("west");
    for topic in [
        "a/b/poem",
        "west/edfa-1/sample",
        "west/gap",
        "x",
        "west/committed",
    ] {
        let topic = format!("silkline/1/west-east/{topic}");
        let payload = vec![0xFF; 100];
        agent
            .publish(&Wire {
                topic,
                payload,
                properties: Vec::new(),
            })
            .await;
    }
    // Larger than a sample may be, though not than a packet.
    let mut giant = west.sample(1, None);
    giant.payload = vec![b' '; 2 << 20];
    agent.publish(&giant).await;
    agent.publish(&west.sample(2, Some(-3.0))).await;
    agent.committed(&west, 2).await;

    // Larger than any packet may be: the broker sends its client away, and us nothing.
    let mut other = Agent::connect(&running, "other").await;
    let topic = "silkline/1/west-east/west/otdr-1/trace".to_owned();
    other
        .publish(&Wire {
            topic,
            payload: vec![0; 5 << 20],
            properties: Vec::new(),
        })
        .await;
    let gone = async { while other.events.poll().await.is_ok() {} };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
    agent.publish(&west.sample(3, Some(-3.0))).await;
    agent.committed(&west, 3).await;

    let store = Reader::new(folder.path().join("data").join(STORE_FILE));
    let rows = store.ask(|ask| ask.quarantine(99)).unwrap();
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert!(
        rows.iter()
            .any(|row| row.kind == "too_large" && row.bytes == 2 << 20)
    );
    assert!(running.get("/readyz").await.len() < 1000);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let text = format!("[broker]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"{at}\"\n");
    let settings = settings(folder.path(), &text);
    let stop = CancellationToken::new();
    let failed = run(settings, stop, |_| panic!("not ready"))
        .await
        .unwrap_err();
    assert!(failed.to_string().contains(&at.to_string()), "{failed}");
}
