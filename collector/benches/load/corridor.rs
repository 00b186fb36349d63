//! A line of fifty huts full of amplifiers, and what their agents send.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use silkline_collector::commit::core::{Core, Now};
use silkline_collector::config;
use silkline_collector::engine::EngineSettings;
use silkline_collector::ingest::Delivery;
use silkline_collector::store::Writer;
use silkline_protocol::codec::{self, Envelope, Record};
use silkline_protocol::delivery::{Epoch, Monotonic, Seq};
use silkline_protocol::device::About;
use silkline_protocol::id::{DeviceId, LineId, PointName, SiteId};
use silkline_protocol::message::Body;
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

pub(crate) const HUTS: usize = 50;
pub(crate) const PORTS: usize = 10;
/// In and out power, current and temperature of the pump, of each port.
pub(crate) const READINGS: usize = 4 * PORTS;

const LINE: &str = "west-east";
const KINDS: [(&str, &str, &str); 4] = [
    ("in_power", "dBm", "light_in"),
    ("out_power", "dBm", "light_out"),
    ("pump_bias", "mA", "pump_bias"),
    ("pump_temp", "C", "pump_temperature"),
];

/// All amplifiers of the line.
pub(crate) struct Corridor {
    pub(crate) plant: Arc<Plant>,
    devices: Vec<Device>,
    noise: u64,
}

struct Device {
    site: SiteId,
    id: DeviceId,
    points: Vec<PointName>,
    epoch: Epoch,
    seq: Seq,
}

/// The beginning of the bench's time.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(1_800_000_000_000_000_000 + ms * 1_000_000)
}

pub(crate) fn now(ms: i64) -> Now {
    let since = std::time::Duration::from_millis(ms.unsigned_abs());
    Now {
        utc: at(ms),
        mono: Monotonic(since),
    }
}

impl Corridor {
    /// `each` amplifiers in each hut.
    pub(crate) fn new(each: usize) -> Self {
        let plant = match plant::read("plant.toml", &text(each)) {
            Ok(checked) => Arc::new(checked.plant),
            Err(mistakes) => panic!("{mistakes}"),
        };
        let points = |kind: usize| {
            let name = KINDS[kind].0;
            (1..=PORTS).map(move |port| format!("{name}.{port}").parse().unwrap())
        };
        let device = |index: usize| Device {
            site: format!("hut-{}", index % HUTS).parse().unwrap(),
            id: format!("edfa-{}", index / HUTS).parse().unwrap(),
            points: (0..KINDS.len()).flat_map(points).collect(),
            // One agent a device: as many streams as there may be.
            epoch: Epoch::at(at(0), [(index % HUTS) as u8; 10]),
            seq: Seq::FIRST,
        };
        Self {
            plant,
            devices: (0..each * HUTS).map(device).collect(),
            noise: 1,
        }
    }

    pub(crate) fn devices(&self) -> usize {
        self.devices.len()
    }

    pub(crate) fn line(&self) -> LineId {
        LINE.parse().unwrap()
    }

    /// The commit task's state over the store in `folder`.
    pub(crate) fn load(&self, folder: &Path) -> Core {
        let settings = config::read("collector.toml", "plant = \"p\"\ndata = \"d\"\n", folder);
        let Ok(settings) = settings else {
            panic!("settings");
        };
        let writer = Writer::open(&folder.join("hot.db"), &"bench".parse().unwrap()).unwrap();
        let both = (&settings, &EngineSettings::default());
        Core::load(
            writer,
            &self.plant,
            &[self.line()],
            both,
            Monotonic::default(),
        )
        .unwrap()
    }

    /// What a device says it is.
    pub(crate) fn about(&mut self, device: usize) -> Delivery {
        let points: Vec<_> = KINDS
            .iter()
            .map(|(name, unit, role)| serde_json::json!({"name": name, "unit": unit, "role": role}))
            .collect();
        let about = serde_json::json!({"profile": "p", "poll_ms": 60_000, "points": points});
        let about: About = serde_json::from_value(about).unwrap();
        let id = self.devices[device].id.clone();
        self.message(device, Body::About(id, about))
    }

    /// A poll of a device; its first input without light where `dark`.
    pub(crate) fn message_at(&mut self, device: usize, ms: i64, dark: bool) -> Delivery {
        let sample = self.sample(device, ms, dark);
        let id = self.devices[device].id.clone();
        self.message(device, Body::Sample(id, sample))
    }

    /// Readings that waver, wander through the day, and come in the steps of their instrument.
    pub(crate) fn sample(&mut self, device: usize, ms: i64, dark: bool) -> Sample {
        let day = (ms as f64 / 86_400_000.0 * std::f64::consts::TAU).sin();
        let mut readings = std::collections::BTreeMap::new();
        for index in 0..READINGS {
            let noise = self.noise() + self.noise() + self.noise() - 1.5;
            let (value, steps) = match index / PORTS {
                0 => (-17.0 + 0.1 * day + 0.06 * noise, 100.0),
                1 => (2.0 + 0.02 * day + 0.04 * noise, 100.0),
                2 => (412.0 + 1.5 * day + noise, 10.0),
                _ => (25.0 + 0.5 * day + 0.1 * noise, 10.0),
            };
            let value = (value * steps).round() / steps;
            let reading = if dark && index == 0 {
                Reading::Dark
            } else {
                Reading::Value(value)
            };
            readings.insert(self.devices[device].points[index].clone(), reading);
        }
        // An agent's clock is not even: some milliseconds of jitter, in nanoseconds.
        let jitter = (self.noise() * 5e6) as i64;
        Sample {
            at: Timestamp::from_nanos(at(ms).nanos() + jitter),
            readings,
        }
    }

    pub(crate) fn of(&self, device: usize) -> (&SiteId, &DeviceId, Epoch) {
        let device = &self.devices[device];
        (&device.site, &device.id, device.epoch)
    }

    /// The next number of the stream that a device's samples are in.
    pub(crate) fn next(&mut self, device: usize) -> Seq {
        let stream = &mut self.devices[device % HUTS].seq;
        let seq = *stream;
        *stream = seq.next();
        seq
    }

    fn message(&mut self, device: usize, body: Body) -> Delivery {
        let seq = self.next(device);
        let device = &self.devices[device];
        let envelope = Envelope {
            agent: "main".parse().unwrap(),
            epoch: device.epoch,
            seq,
            late: false,
        };
        let wire = codec::encode(&Record {
            line: LINE.parse().unwrap(),
            site: device.site.clone(),
            envelope,
            body,
        });
        Delivery::loose(wire.topic, wire.payload.into(), wire.properties)
    }

    /// Between 0 and 1, the same at every run.
    fn noise(&mut self) -> f64 {
        self.noise = self
            .noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        f64::from((self.noise >> 32) as u32) / f64::from(u32::MAX)
    }
}

/// The plant file: the first amplifier of each hut is in the path.
fn text(each: usize) -> String {
    let mut text = String::new();
    for hut in 0..HUTS {
        writeln!(text, "[[site]]\nid = \"hut-{hut}\"").unwrap();
    }
    let last = HUTS - 1;
    let node = |hut: usize| {
        let kind = if hut == 0 || hut == last {
            "terminal"
        } else {
            "ila"
        };
        let chainage = 80_000 * hut;
        format!(
            "{{ id = \"n{hut}\", kind = \"{kind}\", chainage_m = {chainage}, site = \"hut-{hut}\" }}"
        )
    };
    let nodes: Vec<String> = (0..HUTS).map(node).collect();
    write!(
        text,
        "[[line]]\nid = \"{LINE}\"\nkind = \"terrestrial\"\na = \"hut-0\"\nb = \"hut-{last}\"\n\
         node = [{}]\nfibre = [{{ id = \"f1\" }}]\n[[path]]\nid = \"eastward\"\nsystem = \"pair\"\n\
         hops = [{{ line = \"{LINE}\", fibre = \"f1\", from = \"n0\", to = \"n{last}\" }}]\n",
        nodes.join(", ")
    )
    .unwrap();
    for index in 0..each * HUTS {
        let (hut, rank) = (index % HUTS, index / HUTS);
        writeln!(
            text,
            "[[device]]\nid = \"edfa-{rank}\"\nsite = \"hut-{hut}\"\nprofile = \"p\"\nlines = [\"{LINE}\"]"
        )
        .unwrap();
        if rank == 0 {
            let port = |side| {
                format!(
                    "{{ index = \"1\", path = \"eastward\", node = \"n{hut}\", direction = \"AB\", side = \"{side}\" }}"
                )
            };
            writeln!(text, "port = [{}, {}]", port("in"), port("out")).unwrap();
        }
    }
    text
}
