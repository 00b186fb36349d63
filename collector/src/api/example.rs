//! A small plant and a store with something in it, for the tests of the API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use silkline_analysis::incident::{Entry, Incident, Kind, State};
use silkline_analysis::place::{Beside, Evidence, Finding, Place, PlaceKind, SourceWeight};
use silkline_analysis::series::{Anomaly, AnomalyKind, Severity};
use silkline_protocol::delivery::{Epoch, Seq};
use silkline_protocol::device::About;
use silkline_protocol::id::DeviceId;
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::plant::Plant;
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::people::People;
use super::{Access, ApiParts};
use crate::commands::Commands;
use crate::ingest::Outgoing;
use crate::metrics::Metrics;
use crate::state::{LiveEvent, OperatorAction, PermitAction};
use crate::store::rows::DeviceRow;
use crate::store::write::{Origin, StreamKey};
use crate::store::{Reader, Transaction, Writer};

const PLANT: &str = r#"
    [[site]]
    id = "ganja"
    name = "Ganja"
    kind = "hut"
    lat = 40.68
    lon = 46.36
    [[site]]
    id = "tovuz"
    name = "Tovuz"
    kind = "hut"
    lat = 40.99
    lon = 45.63
    [[line]]
    id = "dsw"
    name = "Digital Silk Way"
    kind = "terrestrial"
    a = "ganja"
    b = "tovuz"
    route = [[40.68, 46.36], [40.9, 45.9], [40.99, 45.63]]
    fibre = [{ id = "f1" }, { id = "f2" }]
    node = [
      { id = "ganja", kind = "terminal", chainage_m = 0, site = "ganja" },
      { id = "dallar", kind = "ila", chainage_m = 41000 },
      { id = "tovuz", kind = "terminal", chainage_m = 80000, site = "tovuz" },
    ]
    landmark = [{ name = "closure 7", kind = "closure", at = { chainage_m = 28000 }, plus_minus_m = 5 }]
    post = [{ name = "214", chainage_m = 28100 }]
    view = [{ id = "ganja-b", fibre = "f1", node = "ganja", toward = "B", device = "edfa-1", port = 1 }]
    [[device]]
    id = "edfa-1"
    site = "ganja"
    profile = "silkline-edfa"
    lines = ["dsw"]
    [[device]]
    id = "edfa-1"
    site = "tovuz"
    profile = "silkline-edfa"
    lines = ["dsw"]
    [[path]]
    id = "east"
    system = "single-fibre"
    hops = [{ line = "dsw", fibre = "f1", from = "ganja", to = "tovuz" }]
    [[path]]
    id = "west"
    system = "single-fibre"
    hops = [{ line = "dsw", fibre = "f2", from = "tovuz", to = "ganja" }]
    [[service]]
    id = "bare"
    customer = "Example Carrier"
    paths = ["east"]
    [[service]]
    id = "ring"
    customer = "Example Bank"
    paths = ["east", "west"]
    protected = true
"#;

/// One line of 80 km with an amplifier in the middle.
pub(crate) fn plant() -> Plant {
    silkline_protocol::plant::read("example", PLANT)
        .unwrap()
        .plant
}

/// An incident as the engine writes it.
pub(crate) fn incident(id: &str, state: State) -> Incident {
    let at = Timestamp::from_seconds(1_700_000_000);
    let evidence = serde_json::json!({ "kind": "light_lost", "path": "p", "from": "ganja",
        "to": "dallar" });
    Incident {
        id: id.parse().unwrap(),
        lines: vec!["dsw".parse().unwrap()],
        related: Vec::new(),
        cause: "fibre parted".to_owned(),
        state,
        severity: Severity::Critical,
        kind: Kind::Break,
        opened: at,
        updated: at,
        cleared: None,
        headline: "Break on Digital Silk Way, km 28.420 ± 18 m".to_owned(),
        place: place(),
        evidence: vec![Evidence {
            id: "e1".to_owned(),
            at: Some(at),
            source: String::new(),
            finding: serde_json::from_value::<Finding>(evidence).unwrap(),
        }],
        anomalies: vec![anomaly(at)],
        affected: vec!["east".to_owned()],
        permits: Vec::new(),
        found: None,
        history: vec![Entry {
            at,
            who: "silkline".to_owned(),
            what: state.word().to_owned(),
        }],
    }
}

fn place() -> Place {
    let m = RouteLength::of;
    Place {
        kind: PlaceKind::Span,
        span: Some("ganja..dallar".to_owned()),
        chainage_m: Some(m(28_420.0)),
        interval50_m: Some([m(28_414.0), m(28_426.0)]),
        interval95_m: Some([m(28_402.0), m(28_438.0)]),
        lat: Some(40.792_345),
        lon: Some(46.112_345),
        before: Some(Beside {
            landmark: "closure 7".to_owned(),
            offset_m: m(420.0),
        }),
        after: Some(Beside {
            landmark: "dallar".to_owned(),
            offset_m: m(-12_580.0),
        }),
        post: Some("214+320".to_owned()),
        sources: vec![SourceWeight {
            id: "e1".to_owned(),
            kind: "otdr".to_owned(),
            weight: 1.0,
            alone_m: Some(m(28_420.0)),
            plus_minus_m: Some(m(18.0)),
        }],
        fibres_dark: 2,
        fibres_watched: 2,
        ..Place::unknown("dsw".parse().unwrap(), "test")
    }
}

fn anomaly(at: Timestamp) -> Anomaly {
    Anomaly {
        id: "a1".to_owned(),
        line: "dsw".parse().unwrap(),
        device: "tovuz.edfa-1".to_owned(),
        point: Some("in_power.1".parse().unwrap()),
        kind: AnomalyKind::Dark,
        from: at,
        to: None,
        raised: at,
        severity: Severity::Critical,
        detail: "no light".to_owned(),
    }
}

/// [`incident`] as it is stored.
pub(crate) fn incident_json(id: &str, state: &str) -> Value {
    let state = serde_json::from_value(state.into()).unwrap();
    serde_json::to_value(incident(id, state)).unwrap()
}

/// What an amplifier says it is.
pub(crate) fn about() -> About {
    serde_json::from_value(serde_json::json!({
        "profile": "silkline-edfa", "poll_ms": 1000, "vendor": "silkline",
        "points": [{ "name": "in_power", "unit": "dBm", "role": "light_in" }],
    }))
    .unwrap()
}

/// A poll of an amplifier.
pub(crate) fn sample(at: Timestamp, dbm: f64) -> Sample {
    let readings = BTreeMap::from([("in_power.1".parse().unwrap(), Reading::Value(dbm))]);
    Sample { at, readings }
}

/// A row of the store for the amplifier at Ganja.
pub(crate) fn device_row(line: &str, second: i64, dbm: f64) -> DeviceRow {
    DeviceRow {
        line: line.parse().unwrap(),
        site: "ganja".parse().unwrap(),
        device: "edfa-1".parse().unwrap(),
        about: Some(about()),
        newest: Some(sample(Timestamp::from_seconds(second), dbm)),
    }
}

/// The file of a fibre of `length` metres at 0.2 dB/km, in the noise of a receiver.
pub(crate) fn sor(length: f64) -> Vec<u8> {
    sor_of(2.0, length)
}

/// The same with samples so many metres apart.
pub(crate) fn sor_of(metres: f64, length: f64) -> Vec<u8> {
    sor_made([metres, length], [length, 0.0], 1)
}

/// The same with a splice: where, and its loss; its noise by a seed.
pub(crate) fn sor_with(length: f64, splice: [f64; 2], seed: u32) -> Vec<u8> {
    sor_made([2.0, length], splice, seed)
}

fn sor_made([metres, length]: [f64; 2], [splice_m, loss_db]: [f64; 2], seed: u32) -> Vec<u8> {
    use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse, Sor};
    let index = GroupIndex::STANDARD_1550;
    let pulse = Pulse {
        width_ns: 100,
        spacing: OneWayTime::from_metres(metres, index),
    };
    let mut chance = seed;
    let mut noise = move || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(chance >> 8) / f64::from(1 << 23) - 1.0
    };
    let level = |sample: u32| {
        let at = f64::from(sample) * metres;
        let spliced = if at < splice_m { 0.0 } else { loss_db };
        let light = if at < length {
            10_f64.powf(-(5.0 + 2e-4 * at + spliced) / 5.0)
        } else {
            0.0
        };
        let power = light + 2e-5 * (noise() + noise() + noise());
        let db = if power > 0.0 {
            -5.0 * power.log10()
        } else {
            65.0
        };
        silkline_sor::MilliDb::from_db(db.clamp(0.0, 65.0)).0
    };
    let raw = (0..30_000)
        .map(level)
        .map(|raw| u16::try_from(raw).unwrap());
    let acquisition = Acquisition::new(pulse, index, 1550.0);
    let curve = Curve {
        scale: 1000,
        raw: raw.collect(),
    };
    silkline_sor::write(&Sor::new(acquisition, curve))
}

/// A trace of view `ganja-b`.
fn trace_of_ganja(at: Timestamp, trigger: Trigger, sor: &[u8]) -> TraceFile {
    TraceFile {
        at,
        view: Some("ganja-b".parse().unwrap()),
        port: Some(1),
        trigger,
        sor: sor.to_vec(),
    }
}

/// A running server with the ends that the rest of the collector would hold.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) live: broadcast::Sender<LiveEvent>,
    pub(crate) actions: mpsc::Receiver<OperatorAction>,
    pub(crate) permits: mpsc::Receiver<PermitAction>,
    pub(crate) commands: Commands,
    pub(crate) outgoing: mpsc::Receiver<Outgoing>,
    pub(crate) ready: watch::Sender<Result<(), String>>,
    pub(crate) writer: Writer,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Running {
    /// A server on a free port, over a store with nothing in it.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, access| access).await
    }

    /// The same, whose rule of who may ask is changed, knowing its address.
    pub(crate) async fn start_with(rule: impl FnOnce(SocketAddr, Access) -> Access) -> Self {
        // Fails where another test was first; one provider is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.db");
        let writer = Writer::open(&path, &"test-store".parse().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (live, _) = broadcast::channel(16);
        let (action, actions) = mpsc::channel(4);
        let (permit, permits) = mpsc::channel(4);
        let (said, outgoing) = mpsc::channel(4);
        let desk = crate::commands::commands();
        let (ready, readiness) = watch::channel(Err("no broker yet".to_owned()));
        let parts = ApiParts {
            reader: Reader::new(path),
            plant: Arc::new(plant()),
            live: live.clone(),
            actions: action,
            permits: permit,
            commands: desk.clone(),
            outgoing: said,
            metrics: Arc::new(Metrics::new()),
            ready: readiness,
        };
        let people = People::open(&folder.path().join("people.data")).unwrap();
        let access = rule(address, Access::new(address, None, None).with(people));
        let stop = CancellationToken::new();
        tokio::spawn(super::serve(listener, parts, access, stop.clone()));
        Self {
            address,
            live,
            actions,
            permits,
            commands: desk,
            outgoing,
            ready,
            writer,
            stop,
            folder,
        }
    }

    /// The address of a resource.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stores a poll, an about and a trace of the amplifier at Ganja; the number of the trace.
    pub(crate) fn store_device(&mut self, at: Timestamp) -> i64 {
        self.store_device_and(at, SOR)
    }

    /// The same, with this file as the trace.
    pub(crate) fn store_device_and(&mut self, at: Timestamp, sor: &[u8]) -> i64 {
        self.store(at, 7, |transaction, origin, device| {
            transaction.about(origin, device, &about()).unwrap();
            let poll = sample(at, -17.2);
            transaction.sample(origin, device, &poll).unwrap();
            let file = trace_of_ganja(at, Trigger::LightLost, sor);
            transaction.trace(origin, device, &file).unwrap().0
        })
    }

    /// Stores a scheduled trace of view `ganja-b`.
    pub(crate) fn store_shot(&mut self, at: Timestamp, sor: &[u8]) {
        self.store(at, 8, |transaction, origin, device| {
            let file = trace_of_ganja(at, Trigger::Schedule, sor);
            transaction.trace(origin, device, &file).unwrap();
        });
    }

    /// Stores what `write` writes of the amplifier at Ganja, in a stream of its own.
    fn store<T>(
        &mut self,
        at: Timestamp,
        epoch: u8,
        write: impl FnOnce(&mut Transaction<'_>, &Origin<'_>, &DeviceId) -> T,
    ) -> T {
        let stream = StreamKey {
            line: "dsw".parse().unwrap(),
            site: "ganja".parse().unwrap(),
            epoch: Epoch::from_bytes([epoch; 16]),
        };
        let mut transaction = self.writer.begin(at).unwrap();
        let fresh = r#"{"agent":"main","closed":[],"lost":[],"retired":false}"#;
        let fresh = serde_json::from_str(fresh).unwrap();
        transaction.stream(&stream, &fresh).unwrap();
        let origin = Origin {
            stream: &stream,
            seq: Seq::new(1).unwrap(),
            late: false,
        };
        let device = "edfa-1".parse().unwrap();
        let written = write(&mut transaction, &origin, &device);
        transaction.commit(true).unwrap();
        written
    }

    /// The file of the store.
    pub(crate) fn store_path(&self) -> std::path::PathBuf {
        self.folder.path().join("hot.db")
    }

    /// Stores an incident.
    pub(crate) fn store_incident(&mut self, incident: &Incident) {
        let mut transaction = self.writer.begin(incident.updated).unwrap();
        transaction.incident(&incident.lines[0], incident).unwrap();
        transaction.commit(true).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Bytes that are no text, as a file has them.
pub(crate) const SOR: &[u8] = b"Map\0\xff\xfe\0\0\r\n\x80";
