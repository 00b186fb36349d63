//! A line of three stations, and senders that speak for its agents.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use silkline_protocol::codec::{self, Envelope, Record, Wire};
use silkline_protocol::delivery::{Epoch, Monotonic, Seq};
use silkline_protocol::id::LineId;
use silkline_protocol::message::{Body, ClockState, Gap, Status};
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;
use tempfile::TempDir;

use super::core::{Also, Core, Effects, Now, Work};
use crate::config::{self, Settings};
use crate::engine::EngineSettings;
use crate::ingest::Delivery;
use crate::store::{Reader, StoreError, Writer};

/// The text of the example's plant file.
pub(crate) const PLANT: &str = r#"
[[site]]
id = "west"
[[site]]
id = "middle"
[[site]]
id = "east"
[[line]]
id = "west-east"
kind = "terrestrial"
a = "west"
b = "east"
node = [
  { id = "west", kind = "terminal", chainage_m = 0, site = "west" },
  { id = "middle", kind = "ila", chainage_m = 80000, site = "middle" },
  { id = "east", kind = "terminal", chainage_m = 160000, site = "east" },
]
fibre = [{ id = "f1" }, { id = "f2" }]
[[path]]
id = "eastward"
system = "pair"
hops = [{ line = "west-east", fibre = "f1", from = "west", to = "east" }]
[[device]]
id = "edfa-1"
site = "west"
profile = "silkline-edfa"
lines = ["west-east"]
port = [{ index = "1", path = "eastward", node = "west", direction = "AB", side = "out" }]
[[device]]
id = "edfa-1"
site = "middle"
profile = "silkline-edfa"
lines = ["west-east"]
port = [
  { index = "1", path = "eastward", node = "middle", direction = "AB", side = "in" },
  { index = "1", path = "eastward", node = "middle", direction = "AB", side = "out" },
]
"#;

const SETTINGS: &str = r#"
plant = "plant.toml"
data = "data"
[[notify.webhook]]
name = "noc"
url = "http://127.0.0.1:9/"
[[notify.webhook]]
name = "everything"
url = "http://127.0.0.1:9/"
least = "warning"
"#;

/// The line of the example.
pub(crate) fn line() -> LineId {
    "west-east".parse().unwrap()
}

/// The plant of the example.
pub(crate) fn plant() -> Arc<Plant> {
    match plant::read("plant.toml", PLANT) {
        Ok(checked) => Arc::new(checked.plant),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// The settings of the example, with everything below `folder`.
pub(crate) fn settings(folder: &std::path::Path, more: &str) -> Settings {
    std::fs::write(folder.join("plant.toml"), PLANT).unwrap();
    match config::read("collector.toml", &format!("{SETTINGS}{more}"), folder) {
        Ok(settings) => settings,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// A moment of the example's time, in milliseconds.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(1_800_000_000_000_000_000 + ms * 1_000_000)
}

/// Both clocks at `ms`.
pub(crate) fn now(ms: i64) -> Now {
    let mono = Monotonic(std::time::Duration::from_millis(u64::try_from(ms).unwrap()));
    Now { utc: at(ms), mono }
}

/// Speaks for the agent of one site.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    line: LineId,
    pub(crate) site: &'static str,
    pub(crate) epoch: Epoch,
    seq: Seq,
}

impl Sender {
    pub(crate) fn new(site: &'static str) -> Self {
        let epoch = Epoch::at(at(0), [site.as_bytes()[0]; 10]);
        Self {
            line: line(),
            site,
            epoch,
            seq: Seq::FIRST,
        }
    }

    /// The same for another line.
    pub(crate) fn on(self, line: &str) -> Self {
        let line = line.parse().unwrap();
        Self { line, ..self }
    }

    /// What device `edfa-1` says of its port 1; dark without `dbm`.
    pub(crate) fn sample(&mut self, ms: i64, dbm: Option<f64>) -> Wire {
        let light = dbm.map_or(Reading::Dark, Reading::Value);
        let readings = [("in_power.1", light), ("out_power.1", Reading::Value(2.0))];
        let readings = readings
            .into_iter()
            .map(|(name, it)| (name.parse().unwrap(), it));
        let sample = Sample {
            at: at(ms),
            readings: readings.collect(),
        };
        self.wire(Body::Sample("edfa-1".parse().unwrap(), sample))
    }

    /// What device `edfa-1` says it is.
    pub(crate) fn about(&mut self) -> Wire {
        let about = serde_json::json!({"profile": "silkline-edfa", "poll_ms": 1000, "points": [
            {"name": "in_power", "unit": "dBm", "role": "light_in"},
            {"name": "out_power", "unit": "dBm", "role": "light_out"},
        ]});
        self.wire(Body::About(
            "edfa-1".parse().unwrap(),
            serde_json::from_value(about).unwrap(),
        ))
    }

    /// Says that `lost` will never come.
    pub(crate) fn gap(&mut self, lost: &[[u64; 2]]) -> Wire {
        let (epoch, lost) = (self.epoch, lost.to_vec());
        let (kind, why) = ("sample".to_owned(), "spool full".to_owned());
        self.wire(Body::Gap(Gap {
            epoch,
            lost,
            kind,
            why,
        }))
    }

    /// Counts a number that is never sent.
    pub(crate) const fn skip(&mut self) {
        self.seq = self.seq.next();
    }

    /// The next record, with whatever body.
    pub(crate) fn wire(&mut self, body: Body) -> Wire {
        let envelope = Envelope {
            agent: "main".parse().unwrap(),
            epoch: self.epoch,
            seq: self.seq,
            late: false,
        };
        self.seq = self.seq.next();
        codec::encode(&Record {
            line: self.line.clone(),
            site: self.site.parse().unwrap(),
            envelope,
            body,
        })
    }

    /// The agent's status.
    pub(crate) fn status(&self, online: bool) -> Wire {
        self.status_of_disk(online, None)
    }

    /// The agent's status, with what it says of its disk.
    pub(crate) fn status_of_disk(&self, online: bool, spool_fault: Option<&str>) -> Wire {
        let status = Status {
            metered: false,
            online,
            at: at(0),
            version: "1".to_owned(),
            epochs: vec![self.epoch],
            spool_depth: 0,
            spool_fault: spool_fault.map(str::to_owned),
            clock: ClockState::Unknown,
            clock_ahead_s: None,
        };
        let topic = format!("silkline/1/site/{}/status/main", self.site);
        Wire {
            topic,
            payload: codec::to_json(&status),
            properties: Vec::new(),
        }
    }
}

/// A message as it comes from the broker.
pub(crate) fn delivery(wire: &Wire) -> Delivery {
    Delivery::loose(
        wire.topic.clone(),
        wire.payload.clone().into(),
        wire.properties.clone(),
    )
}

/// A commit task's state over a store in a folder of its own.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) folder: TempDir,
    plant: Arc<Plant>,
}

impl Bench {
    /// A new store; the collector has started.
    pub(crate) fn new() -> Self {
        Self::of(plant())
    }

    /// The same for every line of another plant.
    pub(crate) fn of(plant: Arc<Plant>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let core = load(&folder, &plant);
        let mut bench = Self {
            core,
            folder,
            plant,
        };
        bench.step(
            0,
            Work {
                also: Also::Start,
                ..Work::default()
            },
        );
        bench
    }

    /// The program dies, and starts again with what the store remembers.
    pub(crate) fn restart(self) -> Self {
        let Self {
            core,
            folder,
            plant,
        } = self;
        drop(core);
        Self {
            core: load(&folder, &plant),
            folder,
            plant,
        }
    }

    pub(crate) fn step(&mut self, ms: i64, work: Work) -> Effects {
        self.try_step(ms, work).unwrap()
    }

    pub(crate) fn try_step(&mut self, ms: i64, work: Work) -> Result<Effects, StoreError> {
        self.core.step(work, true, now(ms))
    }

    /// A step with these messages.
    pub(crate) fn take<'a>(
        &mut self,
        ms: i64,
        messages: impl IntoIterator<Item = &'a Wire>,
    ) -> Effects {
        let messages = messages.into_iter().map(delivery).collect();
        self.step(
            ms,
            Work {
                messages,
                ..Work::default()
            },
        )
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.folder.path().join("hot.db"))
    }

    pub(crate) fn samples(&self) -> u64 {
        self.reader().ask(|ask| ask.sample_count()).unwrap()
    }

    /// What the engines hold, for comparisons.
    pub(crate) fn states(&self) -> BTreeMap<LineId, String> {
        let text = |state| String::from_utf8(state).unwrap();
        let states = self.core.engines().snapshots();
        states
            .map(|(line, state)| (line.clone(), text(state)))
            .collect()
    }
}

fn load(folder: &TempDir, plant: &Arc<Plant>) -> Core {
    let file: PathBuf = folder.path().join("hot.db");
    let writer = Writer::open(&file, &"store-1".parse().unwrap()).unwrap();
    let settings = settings(folder.path(), "");
    let both = (&settings, &EngineSettings::default());
    let lines: Vec<LineId> = plant.lines.iter().map(|line| line.id.clone()).collect();
    Core::load(writer, plant, &lines, both, Monotonic::default()).unwrap()
}
