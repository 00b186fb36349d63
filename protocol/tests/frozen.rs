//! The bytes of every message kind of version 1, frozen.
//!
//! Never edit a file in `golden/`: a change that alters one is a new version beside it. A new kind
//! gets a new file: with `SILKLINE_FREEZE=1` files that do not exist yet are written.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it reads and compares files, and stops at the first thing that is not right"
)]

use std::path::PathBuf;

use silkline_protocol::codec::{self, Envelope, Record, to_json};
use silkline_protocol::delivery::{Committed, Epoch, Seq};
use silkline_protocol::device::{About, Limits, PointAbout, Role, Unit};
use silkline_protocol::edge::EdgePlace;
use silkline_protocol::message::{
    Beat, Body, ClockState, Command, Event, EventKind, Gap, Reply, Status, TraceFile, Trigger,
};
use silkline_protocol::permit::{Fields, Permit};
use silkline_protocol::sample::{BadReading, Reading, Sample};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{OpticalLength, RouteLength};

fn epoch() -> Epoch {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn at() -> Timestamp {
    "2026-01-02T03:04:05.25Z".parse().unwrap()
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn frozen(name: &str, text: &str) {
    let path = golden(name);
    if !path.exists() && std::env::var_os("SILKLINE_FREEZE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text, wanted,
        "{name} is frozen: make a new version beside it"
    );
}

fn frozen_record(name: &str, body: Body) {
    let envelope = Envelope {
        agent: "main".parse().unwrap(),
        epoch: epoch(),
        seq: Seq::new(42).unwrap(),
        late: false,
    };
    let (line, site) = ("baku-poti".parse().unwrap(), "ganja".parse().unwrap());
    let record = Record {
        line,
        site,
        envelope,
        body,
    };
    let wire = codec::encode(&record);
    let mut text = format!("{}\n", wire.topic);
    for (key, value) in &wire.properties {
        text.push_str(&format!("{key}: {value}\n"));
    }
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&wire.payload));
    text.push('\n');
    frozen(name, &text);
    let back = codec::decode(&wire.topic, &wire.payload, &wire.properties).unwrap();
    assert_eq!(back, record, "{name} reads back");
}

#[test]
fn sample() {
    let readings = [
        ("in_power.1", Reading::Value(-17.2)),
        ("in_power.2", Reading::Dark),
        ("pump_bias.1", Reading::Bad(BadReading::Timeout)),
    ];
    let readings = readings
        .map(|(name, reading)| (name.parse().unwrap(), reading))
        .into();
    frozen_record(
        "v1-sample.txt",
        Body::Sample("edfa-1".parse().unwrap(), Sample { at: at(), readings }),
    );
}

#[test]
fn trace() {
    let trace = TraceFile {
        at: at(),
        view: Some("ganja-b".parse().unwrap()),
        port: Some(2),
        trigger: Trigger::LightLost,
        sor: b"Map".to_vec(),
    };
    frozen_record(
        "v1-trace.txt",
        Body::Trace("otdr-1".parse().unwrap(), trace),
    );
}

#[test]
fn event() {
    let event = Event {
        at: at(),
        kind: EventKind::LightLost,
        point: Some("in_power.1".parse().unwrap()),
        detail: "-17.20 dBm before".into(),
        permit: None,
        place: None,
    };
    frozen_record(
        "v1-event.txt",
        Body::Event("edfa-1".parse().unwrap(), event),
    );
}

fn permit() -> Permit {
    let fields = Fields {
        id: "p-17".parse().unwrap(),
        person: "L. Mammadova".into(),
        contact: "+994 12 555 01 00".into(),
        line: "baku-poti".parse().unwrap(),
        fibres: vec!["f1".parse().unwrap(), "f2".parse().unwrap()],
        from: at(),
        until: "2026-01-02T17:00:00Z".parse().unwrap(),
    };
    Permit::new(fields).unwrap()
}

#[test]
fn event_of_a_permit() {
    let event = Event {
        at: at(),
        kind: EventKind::ShotBlocked,
        point: None,
        detail: "view ganja-b, light_lost".into(),
        permit: Some(permit()),
        place: None,
    };
    frozen_record(
        "v1-event-permit.txt",
        Body::Event("otdr-1".parse().unwrap(), event),
    );
}

#[test]
fn event_of_a_place() {
    let place = EdgePlace {
        line: "baku-poti".parse().unwrap(),
        view: "ganja-b".parse().unwrap(),
        trigger: Trigger::LightLost,
        taken: at(),
        optical_m: OpticalLength::new(41_250.5).unwrap(),
        plus_minus_m: OpticalLength::new(12.0).unwrap(),
        chainage_m: Some(RouteLength::new(214_300.0).unwrap()),
        interval95_m: Some([
            RouteLength::new(214_210.0).unwrap(),
            RouteLength::new(214_390.0).unwrap(),
        ]),
        lat: Some(40.5),
        lon: Some(46.25),
        words: "314 m after closure c-7".into(),
        plant: "ab".repeat(32),
    };
    let event = Event {
        at: at(),
        kind: EventKind::Located,
        point: None,
        detail: "break".into(),
        permit: None,
        place: Some(Box::new(place)),
    };
    frozen_record(
        "v1-event-place.txt",
        Body::Event("otdr-1".parse().unwrap(), event),
    );
}

#[test]
fn about() {
    let limits = Limits {
        high_warning: Some(450.0),
        ..Limits::default()
    };
    let point = |name: &str, unit, role, limits| PointAbout {
        name: name.parse().unwrap(),
        unit,
        role,
        limits,
    };
    let about = About {
        profile: "silkline-edfa".parse().unwrap(),
        poll_ms: 1000,
        vendor: Some("silkline".into()),
        model: None,
        serial: Some("42".into()),
        points: vec![
            point("in_power", Unit::Dbm, Role::LightIn, Limits::default()),
            point("pump_bias", Unit::Milliampere, Role::PumpBias, limits),
        ],
    };
    frozen_record(
        "v1-about.txt",
        Body::About("edfa-1".parse().unwrap(), about),
    );
}

#[test]
fn gap() {
    let gap = Gap {
        epoch: epoch(),
        lost: vec![[3, 9], [12, 12]],
        kind: "sample".into(),
        why: "spool full".into(),
    };
    frozen_record("v1-gap.txt", Body::Gap(gap));
}

#[test]
fn what_is_not_spooled() {
    let text = |json: Vec<u8>| String::from_utf8(json).unwrap() + "\n";
    let status = Status {
        online: true,
        at: at(),
        version: "0.1.0".into(),
        epochs: vec![epoch()],
        spool_depth: 7,
        spool_fault: None,
        clock_ahead_s: None,
        clock: ClockState::Synchronised,
        metered: false,
    };
    frozen("v1-status.json", &text(to_json(&status)));
    let beat = Beat {
        online: true,
        at: at(),
        version: "0.1.0".into(),
        lines: vec!["baku-poti".parse().unwrap()],
    };
    frozen("v1-beat.json", &text(to_json(&beat)));
    let shot = Command::Shot {
        view: "ganja-b".parse().unwrap(),
    };
    frozen("v1-command-shot.json", &text(to_json(&shot)));
    let reread = Command::Reread {
        device: "edfa-1".parse().unwrap(),
    };
    frozen("v1-command-reread.json", &text(to_json(&reread)));
    frozen(
        "v1-command-identify.json",
        &text(to_json(&Command::Identify)),
    );
    let set = Command::SetPermit { permit: permit() };
    frozen("v1-command-set-permit.json", &text(to_json(&set)));
    let revoke = Command::RevokePermit {
        permit: permit().id().clone(),
    };
    frozen("v1-command-revoke-permit.json", &text(to_json(&revoke)));
    let blocked = Reply {
        agent: "main".parse().unwrap(),
        at: at(),
        accepted: false,
        detail: permit().to_string(),
        permit: Some(permit()),
    };
    frozen("v1-reply-blocked.json", &text(to_json(&blocked)));
    let reply = Reply {
        agent: "main".parse().unwrap(),
        at: at(),
        accepted: true,
        detail: "shot started".into(),
        permit: None,
    };
    frozen("v1-reply.json", &text(to_json(&reply)));
    let committed: Committed = serde_json::from_str(&format!(
        r#"{{"v":1,"store":"s-1","streams":{{"{}":[[1,41],[43,43]]}}}}"#,
        epoch()
    ))
    .unwrap();
    frozen("v1-committed.json", &text(to_json(&committed)));
}
