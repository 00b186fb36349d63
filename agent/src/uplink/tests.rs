//! What the uplink promises, against a real mosquitto. Where there is none, a test says "skipped".

mod rig;

use core::time::Duration;
use std::collections::BTreeMap;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use silkline_protocol::device::About;
use silkline_protocol::id::PointName;
use silkline_protocol::message::{Body, Command, Reply, Status, TraceFile, Trigger};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;
use tokio::task::JoinHandle;

use self::rig::{Broker, Certificates, Collector, DEADLINE, way};
use super::*;
use crate::config::Metered;
use crate::spool::{Outgoing, SpoolSettings, SpoolStatus};

/// An agent's durable half: a spool and the link that empties it.
struct Agent {
    folder: tempfile::TempDir,
    spool: SpoolHandle,
    status: watch::Receiver<UplinkStatus>,
    commands: mpsc::Receiver<Request>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), SpoolError>>,
}

impl Agent {
    fn start(brokers: Vec<UplinkSettings>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), brokers)
    }

    fn start_in(folder: tempfile::TempDir, brokers: Vec<UplinkSettings>) -> Self {
        let clock = Clock::start();
        let settings = SpoolSettings {
            path: folder.path().join("spool.db"),
            site: "ganja".parse().unwrap(),
            max_bytes: SpoolSettings::MAX_BYTES,
            keep: SpoolSettings::KEEP,
            max_age: None,
        };
        let spool = SpoolHandle::open(settings, clock).unwrap().spool;
        let whose = Whose {
            site: "ganja".parse().unwrap(),
            agent: "main".parse().unwrap(),
            clock,
        };
        let (ask, commands) = mpsc::channel(4);
        let (uplink, status) = Uplink::new(whose, brokers, spool.clone(), ask).unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(uplink.run(shutdown.clone()));
        Self {
            folder,
            spool,
            status,
            commands,
            shutdown,
            task,
        }
    }

    async fn append(&self, body: Body) {
        let lines = vec!["baku-poti".parse().unwrap()];
        self.spool.append(Outgoing { lines, body }).await.unwrap();
    }

    async fn samples(&self, count: usize) {
        for n in 0..count {
            self.append(sample(n as f64)).await;
        }
    }

    async fn spool_until(&self, what: &str, enough: impl FnMut(&SpoolStatus) -> bool) {
        let mut status = self.spool.status();
        let waited = tokio::time::timeout(DEADLINE, status.wait_for(enough)).await;
        assert!(waited.is_ok(), "never: {what}; {:?}", self.status.borrow());
    }

    async fn link_until(&mut self, what: &str, enough: impl FnMut(&UplinkStatus) -> bool) {
        let waited = tokio::time::timeout(DEADLINE, self.status.wait_for(enough)).await;
        assert!(waited.is_ok(), "never: {what}");
    }
}

fn sample(value: f64) -> Body {
    let point: PointName = "in_power".parse().unwrap();
    let readings = BTreeMap::from([(point, Reading::of(value))]);
    Body::Sample(
        "edfa-1".parse().unwrap(),
        Sample {
            at: Timestamp::from_seconds(1),
            readings,
        },
    )
}

fn trace(bytes: usize) -> Body {
    trace_for(Trigger::Schedule, bytes)
}

fn trace_for(trigger: Trigger, bytes: usize) -> Body {
    let (at, sor) = (Timestamp::from_seconds(1), vec![0x5A; bytes]);
    let trace = TraceFile {
        at,
        view: None,
        port: None,
        trigger,
        sor,
    };
    Body::Trace("otdr-1".parse().unwrap(), trace)
}

fn about() -> Body {
    let about = About {
        profile: "generic".parse().unwrap(),
        poll_ms: 1_000,
        vendor: None,
        model: None,
        serial: None,
        points: Vec::new(),
    };
    Body::About("edfa-1".parse().unwrap(), about)
}

async fn broker(settings: &str) -> Option<Broker> {
    let broker = Broker::start(settings).await;
    if broker.is_none() {
        println!("skipped: there is no mosquitto");
    }
    broker
}

const OPEN: &str = "allow_anonymous true";

#[tokio::test]
async fn what_is_spooled_arrives_once_and_counts_as_delivered_when_committed() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let agent = Agent::start(vec![way(broker.port, None, "")]);
    agent.samples(40).await;
    agent.append(trace(3 << 20)).await;
    assert_eq!(
        agent.spool.status().borrow().depth,
        41,
        "nobody has committed anything"
    );
    let collector = Collector::start(&way(broker.port, None, ""));
    agent
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    let seen = collector.seen.lock().unwrap();
    assert_eq!(seen.stored.len(), 41);
    assert!(seen.stored.values().all(|times| *times == 1));
    assert_eq!(seen.traces, [vec![0x5A; 3 << 20]], "byte for byte");
}

#[tokio::test]
async fn a_broker_killed_on_the_way_loses_nothing() {
    let Some(mut broker) = broker(OPEN).await else {
        return;
    };
    let collector = Collector::start(&way(broker.port, None, ""));
    let agent = Agent::start(vec![way(broker.port, None, "")]);
    agent.samples(50).await;
    collector
        .until("some have arrived", |seen| seen.stored.len() > 10)
        .await;
    broker.kill_and_start().await;
    agent.samples(50).await;
    agent
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    let seen = collector.seen.lock().unwrap();
    assert_eq!(seen.stored.len(), 100);
}

#[tokio::test]
async fn what_an_earlier_run_left_behind_is_sent_too() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let first = Agent::start(Vec::new());
    first.samples(30).await;
    first.task.abort();
    let Agent { folder, spool, .. } = first;
    let old = spool.epoch();
    drop(spool);
    let second = Agent::start_in(folder, vec![way(broker.port, None, "")]);
    second.samples(5).await;
    let collector = Collector::start(&way(broker.port, None, ""));
    second
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    let seen = collector.seen.lock().unwrap();
    let of_old = seen
        .stored
        .keys()
        .filter(|(epoch, _)| *epoch == old)
        .count();
    assert_eq!((of_old, seen.stored.len()), (30, 35));
    drop(second.folder);
}

#[tokio::test]
async fn a_record_that_the_broker_finds_too_large_is_named_and_blocks_nothing() {
    for limit in ["message_size_limit 20000", "max_packet_size 20000"] {
        let Some(broker) = broker(&format!("{OPEN}\n{limit}")).await else {
            return;
        };
        let agent = Agent::start(vec![way(broker.port, None, "")]);
        agent.samples(3).await;
        agent.append(trace(50_000)).await;
        agent.samples(3).await;
        let collector = Collector::start(&way(broker.port, None, ""));
        collector.until("a gap", |seen| !seen.gaps.is_empty()).await;
        agent
            .spool_until("all is committed", |status| status.depth == 0)
            .await;
        let seen = collector.seen.lock().unwrap();
        assert_eq!(seen.gaps[0].lost, [[4, 4]], "{limit}");
        assert_eq!(seen.stored.len(), 7, "{limit}");
        assert_eq!(agent.status.borrow().refused, 1, "{limit}");
    }
}

fn statuses(seen: &rig::Seen) -> Vec<Status> {
    let ours = |topic: &String| topic == "silkline/1/site/ganja/status/main";
    let found = seen.others.iter().filter(|(topic, ..)| ours(topic));
    found
        .map(|(_, payload, _)| serde_json::from_slice(payload).unwrap())
        .collect()
}

#[tokio::test]
async fn the_broker_keeps_what_we_are_and_hears_when_we_go() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let agent = Agent::start(vec![way(broker.port, None, "")]);
    agent.append(about()).await;
    let early = Collector::start(&way(broker.port, None, ""));
    agent
        .spool_until("the about is committed", |status| status.depth == 0)
        .await;
    drop(early);

    let collector = Collector::start(&way(broker.port, None, ""));
    collector
        .until("it is online", |seen| {
            statuses(seen).iter().any(|s| s.online)
        })
        .await;
    let epochs = statuses(&collector.seen.lock().unwrap())[0].epochs.clone();
    assert_eq!(epochs, [agent.spool.epoch()]);
    collector
        .until("a retained about", |seen| seen.stored.len() == 1)
        .await;
    agent.shutdown.cancel();
    agent.task.await.unwrap().unwrap();
    collector
        .until("it is offline", |seen| {
            statuses(seen).last().is_some_and(|s| !s.online)
        })
        .await;
}

#[tokio::test]
async fn a_link_that_breaks_leaves_a_last_will() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let mut agent = Agent::start(vec![way(broker.port, None, "")]);
    agent
        .link_until("it is connected", |status| status.connected.is_some())
        .await;
    let collector = Collector::start(&way(broker.port, None, ""));
    collector
        .until("it is online", |seen| {
            statuses(seen).iter().any(|s| s.online)
        })
        .await;
    agent.task.abort();
    collector
        .until("it is offline", |seen| {
            statuses(seen).last().is_some_and(|s| !s.online)
        })
        .await;
}

#[tokio::test]
async fn every_command_is_answered() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let mut agent = Agent::start(vec![way(broker.port, None, "")]);
    let collector = Collector::start(&way(broker.port, None, ""));
    agent
        .link_until("it is connected", |status| status.connected.is_some())
        .await;
    agent.append(about()).await;
    agent
        .spool_until("the link works", |status| status.depth == 0)
        .await;
    for payload in [&br#"{"do":"identify"}"#[..], b"poem"] {
        let properties = PublishProperties {
            correlation_data: Some(payload.to_vec().into()),
            ..PublishProperties::default()
        };
        let topic = "silkline/1/baku-poti/ganja/command";
        let (client, qos) = (&collector.client, QoS::AtLeastOnce);
        let sent = client.publish_with_properties(topic, qos, false, payload.to_vec(), properties);
        sent.await.unwrap();
    }
    let asked = tokio::time::timeout(DEADLINE, agent.commands.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(asked.command, Command::Identify);
    let (name, at) = ("main".parse().unwrap(), Timestamp::from_seconds(1));
    let reply = Reply {
        agent: name,
        at,
        accepted: true,
        detail: "here".to_owned(),
        permit: None,
    };
    asked.reply.send(reply).unwrap();
    let replies = |seen: &rig::Seen| -> BTreeMap<Vec<u8>, bool> {
        let found = seen
            .others
            .iter()
            .filter(|(topic, ..)| topic.ends_with("/reply"));
        let read = |payload| serde_json::from_slice::<Reply>(payload).unwrap().accepted;
        found
            .map(|(_, payload, to)| (to.clone().unwrap(), read(payload)))
            .collect()
    };
    collector
        .until("two replies", |seen| replies(seen).len() == 2)
        .await;
    let answers = replies(&collector.seen.lock().unwrap());
    let wanted = [
        (br#"{"do":"identify"}"#.to_vec(), true),
        (b"poem".to_vec(), false),
    ];
    assert_eq!(answers, BTreeMap::from(wanted));
}

#[tokio::test]
async fn the_second_broker_is_tried_where_the_first_is_not_there() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let collector = Collector::start(&way(broker.port, None, ""));
    let agent = Agent::start(vec![way(1, None, ""), way(broker.port, None, "")]);
    agent.samples(2).await;
    agent
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    assert_eq!(collector.seen.lock().unwrap().stored.len(), 2);
}

#[tokio::test]
async fn a_site_delivers_by_its_certificate_and_not_as_another() {
    let Some(files) = Certificates::make(&["ganja", "tbilisi"]) else {
        println!("skipped: no certificates could be made");
        return;
    };
    let Some(broker) = broker(&files.broker_settings()).await else {
        return;
    };
    let collector = Collector::start(&way(broker.port, Some(&files), "collector"));
    let agent = Agent::start(vec![way(broker.port, Some(&files), "ganja")]);
    agent.samples(20).await;
    agent
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    assert_eq!(collector.seen.lock().unwrap().stored.len(), 20);
    agent.shutdown.cancel();
    agent.task.await.unwrap().unwrap();

    let mut other = Agent::start(vec![way(broker.port, Some(&files), "tbilisi")]);
    other.samples(3).await;
    other
        .link_until("it tries", |status| status.in_flight == 3)
        .await;
    let mut honest = Agent::start(vec![way(broker.port, Some(&files), "ganja")]);
    honest
        .link_until("it is connected", |status| status.connected.is_some())
        .await;
    honest.samples(1).await;
    honest
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    assert_eq!(
        collector.seen.lock().unwrap().stored.len(),
        21,
        "none of tbilisi's as ganja"
    );
    assert_eq!(other.spool.status().borrow().depth, 3, "and it keeps them");
}

#[tokio::test]
async fn a_stranger_without_a_certificate_keeps_its_data_and_says_why() {
    let Some(files) = Certificates::make(&["ganja"]) else {
        println!("skipped: no certificates could be made");
        return;
    };
    let Some(broker) = broker(&files.broker_settings()).await else {
        return;
    };
    let bare = UplinkSettings {
        identity: None,
        ..way(broker.port, Some(&files), "ganja")
    };
    let mut agent = Agent::start(vec![bare]);
    agent.samples(2).await;
    agent
        .link_until("it is turned away", |status| status.last_error.is_some())
        .await;
    assert_eq!(agent.spool.status().borrow().depth, 2);
    tokio::time::timeout(Duration::from_secs(5), async {
        agent.shutdown.cancel();
        agent.task.await.unwrap().unwrap();
    })
    .await
    .expect("leaving waits for no broker");
}

#[tokio::test]
async fn a_broker_that_no_collector_has_spoken_to_is_sent_what_waits_on_every_line() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let agent = Agent::start(Vec::new());
    let lines = ["baku-poti", "baku-sumgait", "ganja-gori"].map(|line| line.parse().unwrap());
    for n in 0..150 {
        let (lines, body) = (lines.to_vec(), sample(f64::from(n)));
        agent.spool.append(Outgoing { lines, body }).await.unwrap();
    }
    agent.shutdown.cancel();
    agent.task.await.unwrap().unwrap();
    drop(agent.spool);
    // More than one connection has on its way at a time, on each of several lines.
    let mut agent = Agent::start_in(agent.folder, vec![way(broker.port, None, "")]);
    let all = 3 * 150;
    let sent = |status: &UplinkStatus| status.in_flight == all;
    agent.link_until("all of it is sent", sent).await;
    agent.shutdown.cancel();
    agent.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_the_fibre_cut_alarms_go_by_the_metered_link_and_all_the_rest_when_it_is_back() {
    let (Some(mut fibre), Some(satellite)) = (broker(OPEN).await, broker(OPEN).await) else {
        return;
    };
    let first = way(fibre.port, None, "");
    let mut second = way(satellite.port, None, "");
    second.metered = Some(Metered {
        sample_every: Duration::from_secs(3600),
    });
    let collector = Collector::on(&[&first, &second]);
    let mut agent = Agent::start(vec![first, second]);
    agent.samples(50).await;
    agent
        .spool_until("all is committed", |status| status.depth == 0)
        .await;

    fibre.kill();
    agent
        .link_until("the metered link", |link| {
            link.connected.is_some() && link.metered
        })
        .await;
    agent.samples(60).await;
    agent.append(trace(100_000)).await;
    agent.append(trace_for(Trigger::LightLost, 20_000)).await;
    agent.append(about()).await;
    collector
        .until("the alarm", |seen| seen.traces == [vec![0x5A; 20_000]])
        .await;
    let came = |seen: &rig::Seen| seen.stored.len();
    collector
        .until("what may go", |seen| came(seen) >= 52)
        .await;
    agent
        .spool_until("what may go is committed", |status| status.depth <= 61)
        .await;
    let thin = came(&collector.seen.lock().unwrap());
    assert!((52..60).contains(&thin), "{thin} records by satellite");

    fibre.start_again().await;
    agent
        .link_until("the fibre", |link| {
            link.connected.is_some() && !link.metered
        })
        .await;
    agent.samples(10).await;
    agent
        .spool_until("all is committed", |status| status.depth == 0)
        .await;
    let seen = collector.seen.lock().unwrap();
    assert_eq!(seen.stored.len(), 50 + 60 + 3 + 10, "nothing is lost");
    assert!(seen.stored.values().all(|times| *times == 1), "nor twice");
    assert_eq!(seen.gaps, []);
}

#[tokio::test]
async fn a_broker_is_tried_beside_the_session_that_it_has() {
    let Some(broker) = broker(OPEN).await else {
        return;
    };
    let site = "ganja".parse().unwrap();
    let there = way(broker.port, None, "");
    let mut agent = Agent::start(vec![there.clone()]);
    agent
        .link_until("connected", |link| link.connected.is_some())
        .await;
    assert_eq!(tried(&site, &there).await, Ok(()));
    let link = agent.status.borrow().clone();
    assert!(link.connected.is_some() && link.failures == 0, "{link:?}");
    let port = broker.port;
    drop(broker);
    let why = tried(&site, &way(port, None, "")).await.unwrap_err();
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_loop_that_is_stuck_is_missed_and_one_that_waits_is_not() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = way(listener.local_addr().unwrap().port(), None, "");
    drop(listener);
    let clock = Clock::start();
    let store = crate::rig::Store::new(clock);
    let whose = Whose {
        site: "ganja".parse().unwrap(),
        agent: "main".parse().unwrap(),
        clock,
    };
    let (ask, _commands) = mpsc::channel(4);
    let (uplink, _status) = Uplink::new(whose, vec![nobody], store.spool.clone(), ask).unwrap();
    let pulses = crate::pulse::Pulses::default();
    let uplink = uplink.with(pulses.of("uplink"));
    let mut going = Box::pin(uplink.run(CancellationToken::new()));
    let over = tokio::time::timeout(Duration::from_millis(200), &mut going).await;
    assert!(over.is_err(), "it goes on without a broker");
    // From here on nobody drives it.
    let after = |seconds| pulses.overdue(clock.moment() + Duration::from_secs(seconds));
    assert_eq!(after(60), None);
    assert_eq!(after(600).as_deref(), Some("uplink"));
    drop(going);
    assert_eq!(after(600), None, "it has left");
}
