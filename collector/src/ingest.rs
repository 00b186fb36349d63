//! The connection to the broker: what comes is moved to a bounded queue, and nothing else.
//!
//! Work in this task would delay keep-alives and acknowledgements, so messages are not even looked
//! at here. A full queue sheds (counted): the agents send again what was not committed. The session
//! starts clean each time for the same reason; what the broker forgot is nobody's loss.
//!
//! | queue | length | when full |
//! |---|---|---|
//! | messages to the commit task | [`QUEUE`] messages and [`QUEUE_BYTES`] | shed, counted |
//! | messages to the broker | [`OUT_QUEUE`] | the caller keeps the newest state and tries again |

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, Publish, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use silkline_protocol::codec::MAX_PACKET;
use silkline_protocol::id::LineId;
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::topic::ROOT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::commands::{ASKED_FOR, Commands, commands};
use crate::metrics::{self, Metrics};

/// Messages that may wait for the commit task: a few seconds of a large corridor.
pub const QUEUE: usize = 20_000;
/// Bytes that may wait for the commit task: sixty traces of the largest size.
pub const QUEUE_BYTES: u32 = 256 << 20;
/// Messages that may wait for the broker.
pub const OUT_QUEUE: usize = 1024;
/// Requests that the client library may hold.
const REQUESTS: usize = 256;
/// Acknowledgements that the broker need not wait for.
const RECEIVE_MAXIMUM: u16 = 1000;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The first wait after a failed connection; it doubles up to [`MOST_WAIT`].
const LEAST_WAIT: Duration = Duration::from_millis(200);
const MOST_WAIT: Duration = Duration::from_secs(15);

/// A message as it came.
#[derive(Debug)]
pub struct Delivery {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// Its user properties.
    pub properties: Vec<(String, String)>,
    /// Its share of the queue's bytes.
    #[expect(dead_code, reason = "held until it is dropped")]
    room: Option<OwnedSemaphorePermit>,
}

/// A message for the broker: retained, unless it is a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its topic.
    pub topic: String,
    /// Its payload; empty takes the retained one away.
    pub payload: Vec<u8>,
    /// The number of the question that it asks, where an answer is to be heard.
    pub question: Option<String>,
}

/// The ends of the queues that the commit task holds.
#[derive(Debug)]
pub struct Ends {
    /// What came.
    pub messages: mpsc::Receiver<Delivery>,
    /// What goes.
    pub outgoing: mpsc::Sender<Outgoing>,
    /// How many times the broker was reached and has our subscriptions.
    pub connections: watch::Receiver<u64>,
    /// Whether there is a connection now, or why not.
    pub up: watch::Receiver<Result<(), String>>,
}

/// The connection to the broker.
pub struct Ingest {
    client: AsyncClient,
    events: EventLoop,
    filters: Vec<Filter>,
    shared: Shared,
    outgoing: mpsc::Receiver<Outgoing>,
}

impl Outgoing {
    /// A message that asks nothing.
    #[must_use]
    pub const fn new(topic: String, payload: Vec<u8>) -> Self {
        Self {
            topic,
            payload,
            question: None,
        }
    }

    /// What lets an answer find its question, and how long that waits for those who are away.
    fn properties(&self) -> PublishProperties {
        let Some(question) = &self.question else {
            return PublishProperties::default();
        };
        let asked_for = u32::try_from(ASKED_FOR.as_secs()).ok();
        let back = self.topic.strip_suffix("/command");
        PublishProperties {
            correlation_data: Some(question.clone().into()),
            response_topic: back.map(|site| format!("{site}/reply")),
            message_expiry_interval: asked_for,
            ..PublishProperties::default()
        }
    }
}

/// What the polling half needs of the queues.
struct Shared {
    messages: mpsc::Sender<Delivery>,
    room: Arc<Semaphore>,
    connections: watch::Sender<u64>,
    up: watch::Sender<Result<(), String>>,
    commands: Commands,
    metrics: Arc<Metrics>,
}

impl Delivery {
    /// A message that takes no room in any queue.
    #[must_use]
    pub const fn loose(topic: String, payload: Bytes, properties: Vec<(String, String)>) -> Self {
        Self {
            topic,
            payload,
            properties,
            room: None,
        }
    }
}

/// How a client of ours connects, whatever the broker.
#[must_use]
pub fn options(client_id: &str, host: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, host, port);
    options
        .set_clean_start(true)
        .set_keep_alive(KEEP_ALIVE)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_receive_maximum(Some(RECEIVE_MAXIMUM));
    options
}

/// What is subscribed to: all of our lines, every agent's status, and the incidents of lines that lie
/// beside ours somewhere.
#[must_use]
pub fn filters(lines: &[LineId], around: &Plant) -> Vec<String> {
    let ours = lines.iter().map(|line| format!("{ROOT}/{line}/#"));
    let mine = |shared: &&plant::Shared| shared.members.iter().any(|it| lines.contains(&it.line));
    let beside = around.shared.iter().filter(mine).flat_map(|it| &it.members);
    let beside: BTreeSet<&LineId> = beside.map(|it| &it.line).collect();
    let beside = beside.into_iter().filter(|line| !lines.contains(line));
    let beside = beside.map(|line| format!("{ROOT}/{line}/incident/+"));
    let status = format!("{ROOT}/site/+/status/+");
    ours.chain([status]).chain(beside).collect()
}

impl Ingest {
    /// The connection that `options` describe and the queues behind it; nothing happens before
    /// [`run`](Self::run).
    #[must_use]
    pub fn new(options: MqttOptions, filters: Vec<String>, metrics: Arc<Metrics>) -> (Self, Ends) {
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let (messages, messages_end) = mpsc::channel(QUEUE);
        let (outgoing_end, outgoing) = mpsc::channel(OUT_QUEUE);
        let (connections, connections_end) = watch::channel(0);
        let room = Arc::new(Semaphore::new(
            usize::try_from(QUEUE_BYTES).unwrap_or(usize::MAX),
        ));
        let filters = filters.into_iter().map(filter).collect();
        let (up, up_end) = watch::channel(Err("not connected to the broker yet".to_owned()));
        let shared = Shared {
            messages,
            room,
            connections,
            up,
            commands: commands(),
            metrics,
        };
        let ends = Ends {
            messages: messages_end,
            outgoing: outgoing_end,
            connections: connections_end,
            up: up_end,
        };
        (
            Self {
                client,
                events,
                filters,
                shared,
                outgoing,
            },
            ends,
        )
    }

    /// The desk that hears the answers to what is asked.
    #[must_use]
    pub fn commands(&self) -> Commands {
        self.shared.commands.clone()
    }

    /// Keeps the connection up until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            client,
            mut events,
            filters,
            shared,
            outgoing,
        } = self;
        let sending = tokio::spawn(send(client.clone(), outgoing, stop.clone()));
        let mut wait = LEAST_WAIT;
        let mut told = String::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => break,
                event = events.poll() => event,
            };
            match event {
                Ok(Event::Incoming(packet)) => {
                    if shared.take(packet, &client, &filters) {
                        (wait, told) = (LEAST_WAIT, String::new());
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => {
                    tell(&error, &mut told);
                    shared.is_up(Err(format!("no connection to the broker: {error}")));
                    // All that matters is said anew at the next connection.
                    events.pending.clear();
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(wait) => wait = (wait * 2).min(MOST_WAIT),
                    }
                }
            }
        }
        sending.abort();
    }
}

impl Shared {
    /// Takes a packet; whether it shows that the connection is good.
    fn take(&self, packet: Packet, client: &AsyncClient, filters: &[Filter]) -> bool {
        match packet {
            Packet::ConnAck(_) => {
                // An awaited request could wait for this very task.
                if let Err(error) = client.try_subscribe_many(filters.to_vec()) {
                    tracing::error!(%error, "cannot subscribe");
                }
                false
            }
            Packet::SubAck(answer) => {
                let refused =
                    |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
                for (filter, code) in filters.iter().zip(&answer.return_codes) {
                    if refused(code) {
                        tracing::error!(filter = filter.path, ?code, "subscription refused");
                    }
                }
                tracing::info!("connected to the broker");
                self.connections.send_modify(|count| *count += 1);
                self.is_up(Ok(()));
                true
            }
            Packet::Publish(publish) => {
                self.publish(publish);
                true
            }
            _ => false,
        }
    }

    fn publish(&self, publish: Publish) {
        self.metrics.ingest_in.inc();
        if publish.topic.ends_with(b"/reply") {
            self.answer(&publish);
        }
        let bytes = u32::try_from(publish.payload.len()).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(bytes).ok();
        let Some(room) = room else { return self.shed() };
        let delivery = Delivery {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            properties: publish.properties.unwrap_or_default().user_properties,
            room: Some(room),
        };
        match self.messages.try_send(delivery) {
            Ok(()) => {
                self.metrics.ingest_out.inc();
            }
            Err(_) => self.shed(),
        }
    }

    /// Whoever waits for an answer has it at once; the commit task has no use for it.
    fn answer(&self, publish: &Publish) {
        let properties = publish.properties.as_ref();
        let question = properties.and_then(|properties| properties.correlation_data.as_ref());
        let topic = str::from_utf8(&publish.topic);
        if let (Some(question), Ok(topic)) = (question, topic) {
            self.commands
                .send_if_modified(|desk| desk.heard(topic, &publish.payload, question));
        }
    }

    fn is_up(&self, state: Result<(), String>) {
        self.up.send_modify(|up| *up = state);
    }

    fn shed(&self) {
        metrics::count(&self.metrics.ingest_dropped, "queue_full");
    }
}

/// Whether what is sent to `topic` stays at the broker: what is asked once must not be asked again of
/// whoever comes later.
#[must_use]
pub fn is_retained(topic: &str) -> bool {
    !topic.ends_with("/command")
}

/// Hands messages to the client library, which holds them until there is a connection.
async fn send(client: AsyncClient, mut queue: mpsc::Receiver<Outgoing>, stop: CancellationToken) {
    while let Some(message) = queue.recv().await {
        let (retained, properties) = (is_retained(&message.topic), message.properties());
        let Outgoing { topic, payload, .. } = message;
        let once = QoS::AtLeastOnce;
        let sent = client.publish_with_properties(topic, once, retained, payload, properties);
        tokio::select! {
            () = stop.cancelled() => return,
            sent = sent => if let Err(error) = sent {
                tracing::warn!(%error, "cannot publish");
            },
        }
    }
}

/// Says why there is no connection, once for each reason.
fn tell(error: &ConnectionError, told: &mut String) {
    let text = error.to_string();
    if *told != text {
        tracing::warn!(error = text, "no connection to the broker");
        *told = text;
    }
}

fn filter(path: String) -> Filter {
    Filter {
        nolocal: true,
        ..Filter::new(path, QoS::AtLeastOnce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> (Ingest, Ends) {
        let lines: Vec<LineId> = vec!["baku-poti".parse().unwrap()];
        let options = options("test", "127.0.0.1", 1);
        let filters = filters(&lines, &Plant::default());
        Ingest::new(options, filters, Arc::new(Metrics::new()))
    }

    fn publish(bytes: usize) -> Packet {
        let topic = "silkline/1/baku-poti/a/b/sample";
        Packet::Publish(Publish::new(topic, QoS::AtLeastOnce, vec![0; bytes], None))
    }

    #[test]
    fn all_of_a_line_and_every_status_is_subscribed_to() {
        let lines: Vec<LineId> = vec!["a".parse().unwrap(), "b".parse().unwrap()];
        let want = [
            "silkline/1/a/#",
            "silkline/1/b/#",
            "silkline/1/site/+/status/+",
        ];
        assert_eq!(filters(&lines, &Plant::default()), want);
    }

    #[test]
    fn a_full_queue_sheds_and_counts() {
        let (ingest, mut ends) = connection();
        for _ in 0..QUEUE + 5 {
            assert!(ingest.shared.take(publish(10), &ingest.client, &[]));
        }
        let metrics = &ingest.shared.metrics;
        assert_eq!(metrics.ingest_in.get(), (QUEUE + 5) as u64);
        assert_eq!(metrics.ingest_out.get(), QUEUE as u64);
        assert!(
            metrics
                .encode()
                .contains("ingest_dropped_total{kind=\"queue_full\"} 5")
        );
        ends.messages.try_recv().unwrap();
        ingest.shared.take(publish(10), &ingest.client, &[]);
        assert_eq!(
            metrics.ingest_out.get(),
            QUEUE as u64 + 1,
            "there was room again"
        );
    }

    #[test]
    fn bytes_are_bounded_as_well_and_given_back() {
        let (ingest, mut ends) = connection();
        let trace = 4 << 20;
        let most = QUEUE_BYTES as usize / trace;
        for _ in 0..=most {
            ingest.shared.take(publish(trace), &ingest.client, &[]);
        }
        assert_eq!(ingest.shared.metrics.ingest_out.get(), most as u64);
        drop(ends.messages.try_recv().unwrap());
        ingest.shared.take(publish(trace), &ingest.client, &[]);
        assert_eq!(ingest.shared.metrics.ingest_out.get(), most as u64 + 1);
    }
}
