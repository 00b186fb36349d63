//! A broker (mosquitto) and what stands in for a collector: it counts what arrives and says that it is
//! committed, as fast as it comes.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use silkline_protocol::delivery::{Committed, Epoch, Ranges, Seq, VERSION};
use tempfile::TempDir;

/// mosquitto on a free port, which ends with this.
pub(crate) struct Broker {
    child: Child,
    /// Where it listens.
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Broker {
    /// Starts it; nothing where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        Self::start_at(port)
    }

    /// The same, on this port.
    pub(crate) fn start_at(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n\
             max_inflight_messages 0\nmax_packet_size 8388608\n"
        );
        let path = folder.path().join("mosquitto.conf");
        std::fs::write(&path, settings).unwrap();
        let started = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = started.ok()?;
        // Until it listens its port is anybody's: a device must not get it.
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            child,
            port,
            _folder: folder,
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Messages after which a collector says what it has committed.
const QUARTER: u32 = 125;

/// What arrived.
#[derive(Default)]
pub(crate) struct Counted {
    /// Messages of devices, repeats included.
    pub(crate) messages: AtomicU64,
    /// Of these, messages whose number came for the first time.
    pub(crate) new: AtomicU64,
    /// Messages that came late, from the backlog.
    pub(crate) late: AtomicU64,
    over: AtomicBool,
}

impl Counted {
    /// Ends the counting.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Takes what the site's agent sends on `line`, and commits it.
pub(crate) async fn collect(port: u16, line: &str, counted: Arc<Counted>) {
    let mut options = MqttOptions::new("bench-centre", "127.0.0.1", port);
    options
        .set_keep_alive(Duration::from_secs(30))
        .set_clean_start(true);
    let (client, mut events) = AsyncClient::new(options, 1_000);
    client
        .subscribe("silkline/1/+/bench/+/+", QoS::AtLeastOnce)
        .await
        .unwrap();
    client.subscribe("peer/+", QoS::AtLeastOnce).await.unwrap();
    let mut streams: BTreeMap<Epoch, Ranges> = BTreeMap::new();
    let mut due = tokio::time::interval(Duration::from_millis(50));
    let mut news = 0;
    while !counted.over.load(Ordering::Relaxed) {
        tokio::select! {
            event = events.poll() => match event {
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    counted.messages.fetch_add(1, Ordering::Relaxed);
                    let properties = message.properties.unwrap_or_default().user_properties;
                    let of = |key: &str| properties.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str());
                    if of("late") == Some("1") {
                        counted.late.fetch_add(1, Ordering::Relaxed);
                    }
                    let epoch = of("epoch").and_then(|text| text.parse::<Epoch>().ok());
                    let seq = of("seq").and_then(|text| text.parse().ok()).and_then(Seq::new);
                    if let (Some(epoch), Some(seq)) = (epoch, seq) {
                        let stream: &mut Ranges = streams.entry(epoch).or_default();
                        if !stream.contains(seq) {
                            counted.new.fetch_add(1, Ordering::Relaxed);
                            stream.insert(seq, seq);
                        }
                        news += 1;
                    }
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            // As a collector does: a quarter of a window at the latest.
            _ = due.tick(), if news > 0 && news < QUARTER => news = QUARTER,
        }
        if news >= QUARTER {
            news = 0;
            let state = Committed {
                v: VERSION,
                store: "bench".parse().unwrap(),
                streams: streams.clone(),
            };
            let topic = format!("silkline/1/{line}/bench/committed");
            let _ = client.try_publish(
                topic,
                QoS::AtLeastOnce,
                true,
                serde_json::to_vec(&state).unwrap(),
            );
        }
    }
}
