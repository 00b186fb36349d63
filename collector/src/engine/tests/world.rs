//! A small line as its devices see it: what the engine's tests poll.
//!
//! Five nodes n0 to n4, 80 km apart, one amplifier device each, polled every second, each at its
//! own phase. Glass is 1 % longer than the ground, with coils of 15 m on both sides of every
//! closure, one closure every 4 km.

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_analysis::incident::{Incident, State};
use silkline_protocol::device::{About, Limits, PointAbout, Role, Unit};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;
use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse, Sor};

use super::ground::{INDEX, NODES, SPAN_M, glass, plant};
use crate::engine::{EngineSettings, Input, LineEngine, Notice, Output};

/// What is broken, and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// Both fibres at a chainage.
    Cut(f64),
    /// The fibre that leads from A to B alone.
    HalfCut(f64),
    /// The amplifier of a node from A to B.
    Amplifier(usize),
    /// All of a hut: amplifiers dark, nothing answers.
    Hut(usize),
    /// The device answers nothing; light goes on.
    Mute(usize),
    /// Light that passes a chainage loses 6 dB more.
    Bend(f64),
    /// A joint of the monitored fibre alone loses 0.6 dB more.
    Joint(f64),
}

/// The line, the engine that watches it, and all that it said.
pub(super) struct World {
    pub(super) engine: LineEngine,
    pub(super) faults: Vec<Fault>,
    /// Whether amplifiers shut down the way back when they lose light.
    pub(super) shutdown: bool,
    pub(super) now: Timestamp,
    pub(super) incidents: BTreeMap<String, Incident>,
    pub(super) notices: Vec<Notice>,
    pub(super) said: Vec<Output>,
    /// Every input with its time, for replays.
    pub(super) tape: Vec<(Input, Timestamp)>,
    phases: [u64; NODES],
    traces: i64,
}

/// Milliseconds after the start of the tests' time.
pub(super) fn at_ms(ms: u64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000) + Duration::from_millis(ms)
}

pub(super) fn about() -> About {
    let point = |name: &str, role, unit| PointAbout {
        name: name.parse().unwrap(),
        unit,
        role,
        limits: Limits::default(),
    };
    About {
        profile: "silkline-edfa".parse().unwrap(),
        poll_ms: 1000,
        vendor: None,
        model: None,
        serial: None,
        points: vec![
            point("in_power", Role::LightIn, Unit::Dbm),
            point("out_power", Role::LightOut, Unit::Dbm),
            point("osc_in_power", Role::SupervisoryIn, Unit::Dbm),
            PointAbout {
                limits: Limits {
                    high_warning: Some(900.0),
                    high_major: Some(950.0),
                    ..Limits::default()
                },
                ..point("pump_bias", Role::PumpBias, Unit::Milliampere)
            },
            point("los", Role::DeviceAlarm, Unit::None),
            point("battery_voltage", Role::BatteryVoltage, Unit::Volt),
        ],
    }
}

impl World {
    /// A line that has been well for three seconds.
    pub(super) fn new(phases: [u64; NODES]) -> Self {
        Self::with(phases, EngineSettings::default())
    }

    /// The same under other settings.
    pub(super) fn with(phases: [u64; NODES], settings: EngineSettings) -> Self {
        let line = "dsw".parse().unwrap();
        let engine = LineEngine::new(plant(), line, settings);
        let mut world = Self {
            engine,
            faults: Vec::new(),
            shutdown: false,
            now: at_ms(0),
            incidents: BTreeMap::new(),
            notices: Vec::new(),
            said: Vec::new(),
            tape: Vec::new(),
            phases,
            traces: 0,
        };
        for k in 0..NODES {
            let input = Input::About {
                site: site(k),
                device: device(),
                about: about(),
            };
            world.step(input, at_ms(0));
        }
        world.run(3000);
        world
    }

    /// Polls everything for `ms`, a step a millisecond where something is due.
    pub(super) fn run(&mut self, ms: u64) {
        let (start, from) = (self.now, self.now - at_ms(0));
        for k in 1..=ms {
            let now = start + Duration::from_millis(k);
            let phase = (from.as_secs() * 1000 + u64::from(from.subsec_millis()) + k) % 1000;
            let phases = self.phases;
            for node in (0..NODES).filter(|node| phases[*node] == phase) {
                if self.answers(node) {
                    let sample = self.poll(node, now);
                    self.step(
                        Input::Sample {
                            site: site(node),
                            device: device(),
                            late: false,
                            sample,
                        },
                        now,
                    );
                }
            }
            if self.engine.deadline().is_some_and(|due| due <= now) {
                self.step(Input::Tick, now);
            }
            self.now = now;
        }
    }

    pub(super) fn step(&mut self, input: Input, now: Timestamp) {
        self.tape.push((input.clone(), now));
        for output in self.engine.step(input, now) {
            match &output {
                Output::Incident(incident) => {
                    self.incidents
                        .insert(incident.id.to_string(), (**incident).clone());
                }
                Output::Notice(notice) => self.notices.push(notice.clone()),
                Output::Anomaly(_) | Output::TraceResult { .. } | Output::Shoot { .. } => {}
            }
            self.said.push(output);
        }
        self.now = self.now.max(now);
    }

    /// The incidents that stand.
    pub(super) fn standing(&self) -> Vec<&Incident> {
        let stands = |i: &&Incident| i.state != State::Cleared && i.state != State::Closed;
        self.incidents.values().filter(stands).collect()
    }

    /// The only incident there ever was.
    pub(super) fn only(&self) -> &Incident {
        let all: Vec<_> = self
            .incidents
            .values()
            .map(|i| (&i.headline, i.state))
            .collect();
        assert_eq!(all.len(), 1, "{all:#?}");
        self.incidents.values().next().unwrap()
    }

    /// A shot of view `n1-b` or `n2-a` of the glass as it is now.
    pub(super) fn shoot(&mut self, view: &str) {
        let from_n1 = view == "n1-b";
        let node = if from_n1 { SPAN_M } else { 2.0 * SPAN_M };
        let far = if from_n1 { 2.0 * SPAN_M } else { SPAN_M };
        let inside = |at: &f64| (SPAN_M..=2.0 * SPAN_M).contains(at);
        let cuts = self.faults.iter().filter_map(|fault| match fault {
            Fault::Cut(at) => Some(*at),
            _ => None,
        });
        let near = cuts
            .filter(inside)
            .chain([far])
            .min_by(|a, b| (a - node).abs().total_cmp(&(b - node).abs()));
        let end = (glass(near.unwrap()) - glass(node)).abs();
        let joint = self.faults.iter().find_map(|fault| match fault {
            Fault::Joint(at) => Some((glass(*at) - glass(node)).abs()),
            _ => None,
        });
        self.traces += 1;
        let file = TraceFile {
            at: self.now,
            view: Some(view.parse().unwrap()),
            port: None,
            trigger: Trigger::LightLost,
            sor: sor(end, joint, self.traces.unsigned_abs()),
        };
        let site = site(if from_n1 { 1 } else { 2 });
        let device = "otdr-1".parse().unwrap();
        self.step(
            Input::Trace {
                id: self.traces,
                site,
                device,
                late: false,
                file,
            },
            self.now,
        );
    }

    pub(super) fn poll(&self, node: usize, now: Timestamp) -> Sample {
        let mut readings = BTreeMap::new();
        for (index, toward_b) in [("1", true), ("2", false)] {
            let lit = self.arrives(node, toward_b);
            let mut put = |name: &str, reading| {
                readings.insert(format!("{name}.{index}").parse().unwrap(), reading);
            };
            put(
                "in_power",
                if lit {
                    Reading::Value(-17.0 - self.bent(node, toward_b))
                } else {
                    Reading::Dark
                },
            );
            let sends = self.sends(node, toward_b);
            put(
                "out_power",
                if sends {
                    Reading::Value(3.0)
                } else {
                    Reading::Dark
                },
            );
            let reaches = self.reaches(node, toward_b);
            put(
                "osc_in_power",
                if reaches {
                    Reading::Value(-20.0 - self.bent(node, toward_b))
                } else {
                    Reading::Dark
                },
            );
            put("los", Reading::Value(if lit { 0.0 } else { 1.0 }));
            put("pump_bias", Reading::Value(420.0));
        }
        Sample { at: now, readings }
    }

    pub(super) fn answers(&self, node: usize) -> bool {
        !self
            .faults
            .iter()
            .any(|f| matches!(f, Fault::Hut(k) | Fault::Mute(k) if *k == node))
    }

    /// Loss of the span before an input beyond its usual one.
    fn bent(&self, node: usize, toward_b: bool) -> f64 {
        let Some(before) = neighbour(node, toward_b) else {
            return 0.0;
        };
        let (low, high) = (
            before.min(node) as f64 * SPAN_M,
            before.max(node) as f64 * SPAN_M,
        );
        let here = |fault: &&Fault| matches!(fault, Fault::Bend(at) if low < *at && *at < high);
        6.0 * self.faults.iter().filter(here).count() as f64
    }

    /// Whether the supervisory light of the neighbour arrives.
    fn reaches(&self, node: usize, toward_b: bool) -> bool {
        let Some(before) = neighbour(node, toward_b) else {
            return true;
        };
        let (low, high) = (
            before.min(node) as f64 * SPAN_M,
            before.max(node) as f64 * SPAN_M,
        );
        !self.faults.iter().any(|fault| match fault {
            Fault::Cut(at) => low < *at && *at < high,
            Fault::HalfCut(at) => toward_b && low < *at && *at < high,
            Fault::Hut(k) => *k == before,
            Fault::Amplifier(_) | Fault::Mute(_) | Fault::Bend(_) | Fault::Joint(_) => false,
        })
    }

    fn arrives(&self, node: usize, toward_b: bool) -> bool {
        let Some(before) = neighbour(node, toward_b) else {
            return true;
        };
        self.reaches(node, toward_b) && self.sends(before, toward_b)
    }

    fn sends(&self, node: usize, toward_b: bool) -> bool {
        let dead = self.faults.iter().any(|fault| match fault {
            Fault::Hut(k) => *k == node,
            Fault::Amplifier(k) => *k == node && toward_b,
            _ => false,
        });
        let shut = self.shutdown && !self.reaches(node, !toward_b);
        !dead && !shut
    }
}

fn neighbour(node: usize, toward_b: bool) -> Option<usize> {
    let before = if toward_b {
        node.checked_sub(1)
    } else {
        Some(node + 1)
    };
    before.filter(|before| *before < NODES)
}

pub(super) fn site(k: usize) -> silkline_protocol::id::SiteId {
    format!("s{k}").parse().unwrap()
}

pub(super) fn device() -> silkline_protocol::id::DeviceId {
    "edfa-1".parse().unwrap()
}

/// A file that shows fibre of `end` metres of glass, then noise; a joint of 0.6 dB where told.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held to the range of a u16 just before"
)]
pub(super) fn sor(end: f64, joint: Option<f64>, seed: u64) -> Vec<u8> {
    let index = GroupIndex::new(INDEX);
    let pulse = Pulse {
        width_ns: 300,
        spacing: OneWayTime::from_metres(5.0, index),
    };
    let mut acquisition = Acquisition::new(pulse, index, 1550.0);
    acquisition.range = OneWayTime::from_metres(100_000.0, index);
    let mut state = 7_u64 + seed;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5
    };
    let spacing = pulse.spacing.metres(index);
    let level = |k: usize, dice: f64| {
        let z = k as f64 * spacing;
        // A pulse of 300 ns is 30.6 m long: the step is a ramp of that length.
        let lit = (1.0 - (z - end) / 30.6).clamp(0.0, 1.0);
        let lost = joint.map_or(0.0, |at| 0.6 * ((z - at) / 30.6).clamp(0.0, 1.0));
        let signal = 10.0_f64.powf(-(10.0 + 0.19 * z / 1000.0 + lost) / 5.0) * lit;
        let power = signal * (1.0 + 0.01 * dice) + 10.0_f64.powf(-33.0 / 5.0) * 3.46 * dice;
        if power > 1e-9 {
            -5.0 * power.log10()
        } else {
            65.535
        }
    };
    let raw = (0..20_000)
        .map(|k| (level(k, noise()) * 1000.0).clamp(0.0, 65_535.0) as u16)
        .collect();
    silkline_sor::write(&Sor::new(acquisition, Curve { scale: 1000, raw }))
}
