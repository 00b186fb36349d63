//! The corridor, its agents' edges and the collector's engines on one clock that nobody waits for.
//!
//! ```text
//!   world(scene, now) ─▶ gear: drivers ─▶ Sample ─┬─▶ edge: triggers ─▶ shot ─▶ SOR ─┐
//!        ▲                                        └──────────────▶ line engines ◀────┘
//!        └── faults at their time                       asked for shots ─▶ edge
//! ```

mod ground;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use silkline_agent::clock::Moment as AgentMoment;
use silkline_agent::config::PointRef;
use silkline_agent::trigger::{Act, Outcome as Started, Triggers};
use silkline_collector::engine::together::Together;
use silkline_collector::engine::{EngineSettings, Input, LineEngine, Output};
use silkline_protocol::device::Role;
use silkline_protocol::id::{AgentId, DeviceId, LineId, SiteId, ViewId};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::plant::Plant;
use silkline_protocol::sample::{BadReading, Reading, Sample};
use silkline_protocol::time::Timestamp;
use silkline_sim::fault::{Fault, Scene};
use silkline_sim::world::{Moment, World};

use crate::chance::Chance;
use crate::gear::Gear;

pub(crate) use self::ground::Central;
pub(crate) use self::wire::Wire;

/// The past that the detectors begin with, and how far apart its readings are.
const PAST: Duration = Duration::from_secs(12 * 3600);
const PAST_EVERY: Duration = Duration::from_secs(600);

/// A file is taken in this long after the average ends: written in two steps, then left to settle.
const FILE_TAKES: Duration = Duration::from_millis(2_300);

/// The broker's will comes this long after an agent is gone.
const WILL: Duration = Duration::from_secs(45);

/// How an OTDR shoots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shots {
    pub(crate) pulse_ns: u16,
    pub(crate) average_s: u16,
}

/// What disturbs the readings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    /// Polls that are lost, and readings that come back bad.
    pub(crate) lost: f64,
    pub(crate) bad: f64,
    /// The longest way of a sample to the collector.
    pub(crate) delay_ms: f64,
    /// Standard deviation of every level, in decibels.
    pub(crate) meter_db: f64,
}

/// A world with engines that know its past: what every case begins with.
pub(crate) struct Ground {
    pub(crate) world: Rc<World>,
    pub(crate) shots: Shots,
    gear: Vec<Gear>,
    edges: BTreeMap<SiteId, Triggers>,
    engines: BTreeMap<LineId, Vec<u8>>,
    now: Duration,
}

/// What there is to do at a time.
#[derive(Clone, Debug)]
enum Todo {
    Poll(usize),
    Deliver(usize, Box<Sample>),
    Inflict(Fault, Duration),
    Shot(SiteId, DeviceId, u16),
    Agent(SiteId, bool),
    Command(SiteId, ViewId),
    /// What is mended.
    Mend(Fault),
    /// The collector goes, or comes back.
    Collector(bool),
    /// A file that lay about somewhere arrives.
    Stray(Box<(LineId, Input)>),
}

/// One course of events.
pub(crate) struct Bed {
    world: Rc<World>,
    shots: Shots,
    /// The collector's plant file and settings.
    plant: Arc<Plant>,
    settings: EngineSettings,
    engines: BTreeMap<LineId, LineEngine>,
    together: Together,
    gear: Vec<Gear>,
    edges: BTreeMap<SiteId, Triggers>,
    scene: Scene,
    wire: Wire,
    /// What waits at the agents while the collector is away.
    backlog: Vec<(LineId, Input)>,
    is_away: bool,
    pub(crate) now: Duration,
    agenda: BTreeMap<(Duration, u64), Todo>,
    serial: u64,
    mute: BTreeSet<SiteId>,
    noise: Noise,
    chance: Chance,
    pub(crate) said: Vec<(Duration, Output)>,
    /// Processor time of every step that took a trace.
    pub(crate) trace_cpu: Vec<Duration>,
    pub(crate) samples: u64,
    pub(crate) traces: i64,
}

/// The collector's time at `now` of the simulation.
pub(crate) fn clock(now: Duration) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000) + now
}

impl Bed {
    /// The world as it is.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Disturbs all that comes from now on.
    pub(crate) fn disturb(&mut self, noise: Noise) {
        self.noise = noise;
    }

    /// Lets `fault` happen at `at`; what wears out began `worn` before.
    pub(crate) fn inflict(&mut self, at: Duration, fault: Fault, worn: Duration) {
        if let Fault::Hut { site } = &fault {
            self.later(at + WILL, Todo::Agent(site.clone(), false));
        }
        self.later(at, Todo::Inflict(fault, at.saturating_sub(worn)));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some((&(at, serial), _)) = self.agenda.first_key_value() {
            if at > end {
                break;
            }
            self.tick(at);
            self.now = at;
            if let Some(todo) = self.agenda.remove(&(at, serial)) {
                self.carry_out(todo);
            }
        }
        self.tick(end);
        self.now = end;
    }

    /// A shot of `view` that is there at once.
    pub(crate) fn shoot(&mut self, view: &ViewId, trigger: Trigger) {
        let (line, site, device) = {
            let (line, view) = self.world.plant().view(view).unwrap();
            let site = line.node(&view.node).unwrap().site.clone().unwrap();
            (line.id.clone(), site, view.device.clone().unwrap())
        };
        if self.mute.contains(&site) {
            return;
        }
        let file = TraceFile {
            sor: self.sor(view),
            at: self.wire.clock(&site, self.now),
            view: Some(view.clone()),
            port: None,
            trigger,
        };
        self.file(&line, (&site, &device), file);
    }

    fn introduce(&mut self) {
        let now = clock(self.now);
        for (line, about) in self.abouts() {
            self.engines.get_mut(&line).unwrap().step(about, now);
        }
    }

    /// What the devices of every site that is heard of are.
    fn abouts(&self) -> Vec<(LineId, Input)> {
        let heard = |gear: &&Gear| !self.mute.contains(&gear.device.site);
        let about = |(gear, line): (&Gear, &LineId)| {
            let input = Input::About {
                site: gear.device.site.clone(),
                device: gear.device.id.clone(),
                about: gear.about.clone(),
            };
            (line.clone(), input)
        };
        let gear = self.gear.iter().filter(heard);
        gear.flat_map(|gear| gear.lines.iter().map(move |line| about((gear, line))))
            .collect()
    }

    /// Shows the engines a quiet past, as the hot store would after a restart.
    fn remember(&mut self) {
        let mut past: BTreeMap<LineId, Vec<Input>> = BTreeMap::new();
        for (line, about) in self.abouts() {
            past.entry(line).or_default().push(about);
        }
        let mut now = Duration::ZERO;
        while now < PAST {
            for gear in &mut self.gear {
                let moment = Moment {
                    scene: &self.scene,
                    now,
                };
                let sample = gear.sample(&self.world, moment, clock(now));
                for line in &gear.lines {
                    past.entry(line.clone()).or_default().push(Input::Sample {
                        site: gear.device.site.clone(),
                        device: gear.device.id.clone(),
                        late: true,
                        sample: sample.clone(),
                    });
                }
            }
            now += PAST_EVERY;
        }
        for (line, inputs) in past {
            self.engines.get_mut(&line).unwrap().warm(inputs);
        }
        self.now = now;
        let at = clock(now);
        for engine in self.engines.values_mut() {
            let said = engine.step(Input::Started, at);
            let told = |output: &Output| matches!(output, Output::Incident(_));
            assert!(!said.iter().any(told), "a quiet past: {said:?}");
        }
    }

    /// Every device is polled from now on, each at its own phase.
    fn start(&mut self) {
        for k in 0..self.gear.len() {
            let phase = self.gear[k].poll.mul_f64(self.chance.unit());
            self.later(self.now + phase, Todo::Poll(k));
        }
        let sites: Vec<SiteId> = self.edges.keys().cloned().collect();
        for site in sites {
            self.later(self.now, Todo::Agent(site, true));
        }
    }

    fn later(&mut self, at: Duration, todo: Todo) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), todo);
    }

    fn carry_out(&mut self, todo: Todo) {
        match todo {
            Todo::Poll(k) => self.poll(k),
            Todo::Deliver(k, sample) => self.deliver(k, *sample),
            Todo::Inflict(fault, since) => {
                fault.check(self.world.plant()).unwrap();
                self.scene.inflict(fault, since);
            }
            Todo::Mend(fault) => self.scene.standing.retain(|it| it.fault != fault),
            Todo::Collector(there) => self.collector(there),
            Todo::Stray(stray) => self.step(&stray.0, stray.1),
            Todo::Shot(site, device, port) => self.finish(&site, &device, port),
            Todo::Agent(site, online) => self.agent(&site, online),
            Todo::Command(site, view) => {
                let now = AgentMoment::after_start(self.now);
                let acts = self
                    .edges
                    .get_mut(&site)
                    .map(|edge| edge.command(&view, now));
                self.act(&site, acts.and_then(Result::ok).unwrap_or_default());
            }
        }
    }

    fn poll(&mut self, k: usize) {
        let gear = &mut self.gear[k];
        let next = self.now + gear.poll;
        let site = gear.device.site.clone();
        let speaks = self.scene.has_power(&site) && !self.mute.contains(&site);
        if speaks && !self.chance.happens(self.noise.lost) {
            let moment = Moment {
                scene: &self.scene,
                now: self.now,
            };
            let at = self.wire.clock(&site, self.now);
            let mut sample = gear.sample(&self.world, moment, at);
            let roles: BTreeMap<String, Role> = sample
                .readings
                .keys()
                .map(|name| (name.to_string(), gear.role(name.stem())))
                .collect();
            self.spoil(&mut sample, &roles);
            self.edge(&site, k, &sample, &roles);
            let slow = self.wire.slow;
            if self.noise.delay_ms > 0.0 || !slow.is_zero() {
                let way = self.chance.unit() * self.noise.delay_ms / 1e3;
                let delay = Duration::from_secs_f64(way) + slow;
                self.later(self.now + delay, Todo::Deliver(k, Box::new(sample)));
            } else {
                self.deliver(k, sample);
            }
        }
        self.later(next, Todo::Poll(k));
    }

    fn spoil(&mut self, sample: &mut Sample, roles: &BTreeMap<String, Role>) {
        let noise = self.noise;
        if noise.bad <= 0.0 && noise.meter_db <= 0.0 {
            return;
        }
        for (name, reading) in &mut sample.readings {
            if self.chance.happens(noise.bad) {
                *reading = Reading::Bad(BadReading::Timeout);
            }
            let level = matches!(
                roles[name.as_str()],
                Role::LightIn | Role::LightOut | Role::SupervisoryIn
            );
            if let (Reading::Value(value), true) = (*reading, level) {
                let off = self.chance.normal(noise.meter_db);
                *reading = Reading::of(((value + off) * 100.0).round() / 100.0);
            }
        }
    }

    /// What the agent's edge makes of a sample: lost light is shot at.
    fn edge(&mut self, site: &SiteId, k: usize, sample: &Sample, roles: &BTreeMap<String, Role>) {
        let device = self.gear[k].device.id.clone();
        let now = AgentMoment::after_start(self.now);
        let mut acts = Vec::new();
        for (name, reading) in &sample.readings {
            if roles[name.as_str()] != Role::LightIn || !reading.is_good() {
                continue;
            }
            let point = PointRef {
                device: device.clone(),
                point: name.clone(),
            };
            let edge = self.edges.get_mut(site).unwrap();
            acts.extend(edge.observe(&point, reading.is_dark(), now));
        }
        if !acts.is_empty() {
            self.act(site, acts);
        }
    }

    fn act(&mut self, site: &SiteId, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Start {
                    device, settings, ..
                } => {
                    let now = AgentMoment::after_start(self.now);
                    let edge = self.edges.get_mut(site).unwrap();
                    let more = edge.started(&device, &Started::Taken, now);
                    let average = Duration::from_secs(self.shots.average_s.into());
                    let todo = Todo::Shot(site.clone(), device, settings.port);
                    self.later(self.now + average + FILE_TAKES, todo);
                    self.act(site, more);
                }
                // Nobody works on the corridor's fibres.
                Act::Abort { .. } => {}
                Act::Tell(told) => {
                    let event = told.event(self.wire.clock(site, self.now));
                    let gear = self.gear.iter();
                    let mut own = gear.filter(|g| g.device.site == *site);
                    let lines = own
                        .find(|g| g.device.id == told.device)
                        .map(|g| g.lines.clone());
                    for line in lines.unwrap_or_default() {
                        let input = Input::Event {
                            site: site.clone(),
                            device: told.device.clone(),
                            late: false,
                            event: event.clone(),
                        };
                        self.step(&line, input);
                    }
                }
            }
        }
    }

    /// A shot is over: its file comes in, as the agent names it.
    fn finish(&mut self, site: &SiteId, device: &DeviceId, port: u16) {
        if !self.scene.has_power(site) || self.mute.contains(site) {
            return;
        }
        let now = AgentMoment::after_start(self.now);
        let edge = self.edges.get_mut(site).unwrap();
        let (origin, acts) = edge.file(device, Some(port), now);
        if let (Some(view), Some(line)) = (origin.view, origin.line) {
            let file = TraceFile {
                sor: self.sor(&view),
                at: self.wire.clock(site, self.now),
                view: Some(view),
                port: Some(port),
                trigger: origin.trigger,
            };
            self.file(&line, (site, device), file);
        }
        self.act(site, acts);
    }

    fn file(&mut self, line: &LineId, (site, device): (&SiteId, &DeviceId), file: TraceFile) {
        self.traces += 1;
        let input = Input::Trace {
            id: self.traces,
            site: site.clone(),
            device: device.clone(),
            late: false,
            file,
        };
        self.trace(line, input);
    }

    fn agent(&mut self, site: &SiteId, online: bool) {
        if self.mute.contains(site) {
            return;
        }
        let agent: AgentId = "main".parse().unwrap();
        let lines: BTreeSet<LineId> = self
            .gear
            .iter()
            .filter(|gear| gear.device.site == *site)
            .flat_map(|gear| gear.lines.clone())
            .collect();
        for line in lines {
            let input = Input::AgentStatus {
                site: site.clone(),
                agent: agent.clone(),
                online,
                metered: false,
                spool_fault: None,
            };
            self.step(&line, input);
        }
    }

    fn deliver(&mut self, k: usize, sample: Sample) {
        let gear = &self.gear[k];
        let (site, device) = (gear.device.site.clone(), gear.device.id.clone());
        self.samples += 1;
        for line in gear.lines.clone() {
            let input = Input::Sample {
                site: site.clone(),
                device: device.clone(),
                late: false,
                sample: sample.clone(),
            };
            self.step(&line, input);
        }
    }
}
