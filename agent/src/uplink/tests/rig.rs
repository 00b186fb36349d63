//! A real broker as a child process, and a small collector that keeps its store in memory.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use silkline_protocol::codec;
use silkline_protocol::delivery::receiver::{Arrival, Batch, Receiver, Verdict};
use silkline_protocol::delivery::{Epoch, Limits, Monotonic, Ranges, Seq};
use silkline_protocol::message::Body;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::{Identity, UplinkSettings};

/// How long anything here may take before a test fails.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A mosquitto on a loopback port of its own.
pub(super) struct Broker {
    child: Child,
    folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl Broker {
    /// Starts one with these lines in its settings; `None` where there is no mosquitto to start.
    pub(super) async fn start(settings: &str) -> Option<Self> {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let text = format!("listener {port} 127.0.0.1\nuser root\n{settings}\n");
        std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        let child = spawn(folder.path())?;
        let mut broker = Self {
            child,
            folder,
            port,
        };
        broker.ready().await;
        Some(broker)
    }

    /// kill -9, and the same again on the same port with nothing remembered.
    pub(super) async fn kill_and_start(&mut self) {
        self.kill();
        self.start_again().await;
    }

    pub(super) async fn start_again(&mut self) {
        self.child = spawn(self.folder.path()).unwrap();
        self.ready().await;
    }

    /// kill -9; nobody listens until it is started again.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn ready(&mut self) {
        let clock = Clock::start();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(
                clock.moment().since_start() < DEADLINE,
                "the broker does not listen"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // May be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn spawn(folder: &Path) -> Option<Child> {
    let names = ["mosquitto", "/usr/sbin/mosquitto"];
    names.into_iter().find_map(|name| {
        Command::new(name)
            .arg("-c")
            .arg(folder.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()
    })
}

/// Certificates for a broker and for whoever connects, made by the script that operators use.
pub(super) struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub(super) fn make(names: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("bash")
            .arg(mosquitto_folder().join("certificates.sh"))
            .arg(folder.path())
            .arg("127.0.0.1")
            .args(names)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
            .then_some(Self { folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The broker's settings: what deploy/ ships, with these files.
    pub(super) fn broker_settings(&self) -> String {
        let [ca, cert, key] = ["ca.crt", "broker.crt", "broker.key"].map(|f| self.path(f));
        let acl = mosquitto_folder().join("acl");
        format!(
            "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
             use_identity_as_username true\nallow_anonymous false\nacl_file {}",
            ca.display(),
            cert.display(),
            key.display(),
            acl.display()
        )
    }
}

fn mosquitto_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mosquitto")
}

/// How `name` reaches a broker: by TLS if there are certificates.
pub(super) fn way(port: u16, certificates: Option<&Certificates>, name: &str) -> UplinkSettings {
    let scheme = if certificates.is_some() {
        "mqtts"
    } else {
        "mqtt"
    };
    UplinkSettings {
        broker: format!("{scheme}://127.0.0.1:{port}").parse().unwrap(),
        ca: certificates.map(|files| files.path("ca.crt")),
        identity: certificates.map(|files| Identity {
            cert: files.path(&format!("{name}.crt")),
            key: files.path(&format!("{name}.key")),
        }),
        username: None,
        password: None,
        metered: None,
        interface: None,
    }
}

/// What a collector stored and saw.
#[derive(Default)]
pub(super) struct Seen {
    /// How often each record was stored.
    pub(super) stored: BTreeMap<(Epoch, Seq), usize>,
    pub(super) gaps: Vec<silkline_protocol::message::Gap>,
    pub(super) repeats: usize,
    pub(super) traces: Vec<Vec<u8>>,
    /// Everything that is not a record, newest last.
    pub(super) others: Vec<(String, Vec<u8>, Option<Vec<u8>>)>,
}

/// A collector of one line and site that stores in memory.
pub(super) struct Collector {
    pub(super) seen: Arc<Mutex<Seen>>,
    pub(super) client: AsyncClient,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Collector {
    pub(super) fn start(way: &UplinkSettings) -> Self {
        Self::on(&[way])
    }

    /// One that takes what comes over any of several brokers, and answers over all.
    pub(super) fn on(ways: &[&UplinkSettings]) -> Self {
        let links: Vec<_> = ways.iter().map(|way| Self::link(way)).collect();
        let clients: Vec<AsyncClient> = links.iter().map(|(client, _)| client.clone()).collect();
        let client = clients[0].clone();
        let clock = Clock::start();
        let now = Monotonic(clock.moment().since_start());
        let store = "test".parse().unwrap();
        let receiver = Receiver::new(store, Limits::default(), BTreeMap::new(), now);
        let receiver = Arc::new(Mutex::new(receiver));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let tasks = links.into_iter().map(|(own, events)| {
            let (receiver, seen) = (receiver.clone(), seen.clone());
            tokio::spawn(collect(
                events,
                (own, clients.clone()),
                (receiver, seen),
                clock,
            ))
        });
        let tasks = tasks.collect();
        Self {
            seen,
            client,
            tasks,
        }
    }

    fn link(way: &UplinkSettings) -> (AsyncClient, EventLoop) {
        let mut options = MqttOptions::new("collector", "127.0.0.1", way.broker.port);
        options.set_connect_properties(ConnectProperties {
            max_packet_size: Some(codec::MAX_PACKET),
            ..ConnectProperties::new()
        });
        if way.broker.tls {
            let config = super::super::tls::client(way).unwrap();
            let config = rumqttc::TlsConfiguration::Rustls(config);
            options.set_transport(rumqttc::Transport::tls_with_config(config));
        }
        AsyncClient::new(options, 100)
    }

    /// Waits until what was seen is enough.
    pub(super) async fn until(&self, what: &str, enough: impl Fn(&Seen) -> bool) {
        let clock = Clock::start();
        while !enough(&self.seen.lock().unwrap()) {
            assert!(clock.moment().since_start() < DEADLINE, "never: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn collect(
    mut events: EventLoop,
    (own, all): (AsyncClient, Vec<AsyncClient>),
    (receiver, seen): (Arc<Mutex<Receiver>>, Arc<Mutex<Seen>>),
    clock: Clock,
) {
    let now = || Monotonic(clock.moment().since_start());
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        let event = tokio::select! {
            event = events.poll() => event,
            _ = tick.tick() => {
                let due = receiver.lock().unwrap().due(now());
                if let Some(state) = due {
                    let topic = "silkline/1/baku-poti/ganja/committed";
                    for client in &all {
                        let state = codec::to_json(&state);
                        let _ = client.try_publish(topic, QoS::AtLeastOnce, true, state);
                    }
                }
                continue;
            }
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                own.try_subscribe("silkline/1/#", QoS::AtLeastOnce).unwrap();
                receiver.lock().unwrap().shed(now());
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let mut seen = seen.lock().unwrap();
                let mut receiver = receiver.lock().unwrap();
                take(&mut receiver, &mut seen, &message, now());
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn take(
    receiver: &mut Receiver,
    seen: &mut Seen,
    message: &rumqttc::v5::mqttbytes::v5::Publish,
    now: Monotonic,
) {
    let topic = String::from_utf8(message.topic.to_vec()).unwrap();
    let properties = message.properties.clone().unwrap_or_default();
    let user = &properties.user_properties;
    let Ok(record) = codec::decode(&topic, &message.payload, user) else {
        let correlation = properties.correlation_data.map(|data| data.to_vec());
        seen.others
            .push((topic, message.payload.to_vec(), correlation));
        return;
    };
    let gap = match &record.body {
        Body::Gap(gap) => Some((gap.epoch, Ranges::try_from(gap.lost.clone()).unwrap())),
        _ => None,
    };
    let (epoch, seq) = (record.envelope.epoch, record.envelope.seq);
    let arrival = Arrival {
        agent: &record.envelope.agent,
        epoch,
        seq,
        bytes: message.payload.len() as u64,
        lost: gap.as_ref().map(|(epoch, lost)| (*epoch, lost)),
    };
    let mut batch = Batch::default();
    match receiver.offer(&mut batch, &arrival) {
        Verdict::New => {
            *seen.stored.entry((epoch, seq)).or_default() += 1;
            match record.body {
                Body::Gap(gap) => seen.gaps.push(gap),
                Body::Trace(_, trace) => seen.traces.push(trace.sor),
                _ => {}
            }
        }
        Verdict::Repeat => seen.repeats += 1,
        Verdict::Shed(_) => {}
    }
    receiver.commit(batch, now);
}
