//! The engines of a history: what each moment leads to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use silkline_analysis::incident::{Incident, State};
use silkline_analysis::series::{Anomaly, device_name};
use silkline_protocol::device::{About, Limits, PointAbout, Role, Unit};
use silkline_protocol::id::{IncidentId, LineId, PointName};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;

use super::profiles;
use super::rows::{Moment, Poll};
use crate::engine::together::Together;
use crate::engine::{EngineSettings, Input, LineEngine, Notice, Output};

/// Nothing at all of anybody for longer than this part of the longest usual interval, and than
/// [`SHORT`]: nobody recorded, so nobody was silent.
const AWAY: f64 = 1.5;

/// A recording that is as dense as a live system's is told silences like one.
const SHORT: Duration = Duration::from_secs(30);

/// Intervals between moments that are remembered.
const INTERVALS: usize = 32;

/// What an engine has said for good.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// An anomaly that is over, or lasts at the end.
    Anomaly(Box<Anomaly>),
    /// An incident that is closed, or stands at the end.
    Incident(Box<Incident>),
    /// Somebody would have been told, at this time.
    Told(Timestamp),
}

/// The engines of all lines of a history.
pub(super) struct History {
    plant: Arc<Plant>,
    settings: EngineSettings,
    lines: BTreeMap<LineId, LineEngine>,
    together: Together,
    /// What is told of each device's points.
    known: BTreeMap<(LineId, String), BTreeMap<PointName, (Role, Unit)>>,
    met: BTreeSet<(LineId, String)>,
    open: BTreeMap<String, Anomaly>,
    incidents: BTreeMap<IncidentId, Incident>,
    now: Timestamp,
    intervals: VecDeque<Duration>,
}

impl History {
    pub(super) fn new(plant: Arc<Plant>, settings: EngineSettings) -> Self {
        // A history has no traces: nobody is silent for want of one.
        let settings = EngineSettings {
            shot_every: Duration::ZERO,
            ..settings
        };
        Self {
            together: Together::default(),
            plant,
            settings,
            lines: BTreeMap::new(),
            known: BTreeMap::new(),
            met: BTreeSet::new(),
            open: BTreeMap::new(),
            incidents: BTreeMap::new(),
            now: Timestamp::EPOCH,
            intervals: VecDeque::new(),
        }
    }

    /// Takes a moment; what was said for good by then.
    pub(super) fn step(&mut self, moment: Moment) -> Vec<Said> {
        let mut said = Vec::new();
        self.pass(moment.at, &mut said);
        for poll in moment.polls {
            self.poll(poll, &mut said);
        }
        said
    }

    /// The history is over: findings that wait are judged, what lasts is said.
    pub(super) fn end(mut self) -> Vec<Said> {
        let mut said = Vec::new();
        self.timers(self.now + self.settings.grace, &mut said);
        let open = core::mem::take(&mut self.open).into_values();
        said.extend(open.map(|anomaly| Said::Anomaly(Box::new(anomaly))));
        let incidents = self.incidents.into_values();
        said.extend(incidents.map(|incident| Said::Incident(Box::new(incident))));
        said
    }

    /// Time goes on to `at`, unless the rows are late.
    fn pass(&mut self, at: Timestamp, said: &mut Vec<Said>) {
        if at <= self.now {
            return;
        }
        let since = at - self.now;
        let usual = self.intervals.iter().max().copied();
        let away = usual.is_some_and(|usual| since > usual.mul_f64(AWAY).max(SHORT));
        if self.now > Timestamp::EPOCH && !away {
            if self.intervals.len() >= INTERVALS {
                self.intervals.pop_front();
            }
            self.intervals.push_back(since);
        }
        if !away {
            self.timers(at, said);
        }
        self.now = at;
        if away {
            let lines: Vec<LineId> = self.lines.keys().cloned().collect();
            for line in lines {
                self.tell(&line, Input::Started, at, said);
            }
        }
    }

    /// Lets every timer run that is due by `until`, of all lines the first one first, as a collector
    /// does.
    fn timers(&mut self, until: Timestamp, said: &mut Vec<Said>) {
        let due = |(line, engine): (&LineId, &LineEngine)| Some((engine.deadline()?, line.clone()));
        let mut queue: BTreeSet<(Timestamp, LineId)> = self.lines.iter().filter_map(due).collect();
        while let Some((at, line)) = queue.pop_first().filter(|(at, _)| *at <= until) {
            self.tell(&line, Input::Tick, at, said);
            let next = self.lines.get(&line).and_then(LineEngine::deadline);
            queue.extend(next.filter(|next| at < *next).map(|next| (next, line)));
        }
    }

    fn poll(&mut self, poll: Poll, said: &mut Vec<Said>) {
        let Poll {
            line,
            site,
            device,
            sample,
            meaning,
        } = poll;
        if !self.lines.contains_key(&line) {
            let (plant, settings) = (self.plant.clone(), self.settings.clone());
            let engine = LineEngine::new(plant, line.clone(), settings);
            self.lines.insert(line.clone(), engine);
        }
        let name = device_name(&site, &device);
        let key = (line.clone(), name);
        let fresh = self.met.insert(key.clone());
        let known = self.known.entry(key).or_default();
        let before = known.len();
        known.extend(meaning);
        if fresh || known.len() > before {
            let profile = self.plant.device(&site, &device).map(|d| &d.profile);
            let mut points: Vec<PointAbout> = known
                .iter()
                .filter(|(_, (role, _))| *role != Role::Other)
                .map(|(name, (role, unit))| PointAbout {
                    name: name.clone(),
                    unit: *unit,
                    role: *role,
                    limits: Limits::default(),
                })
                .collect();
            points.extend(profile.map(profiles::points).unwrap_or_default());
            let unnamed = || "replay".parse().ok();
            if let Some(profile) = profile.cloned().or_else(unnamed) {
                let about = About {
                    profile,
                    // Not told: learnt from the rows.
                    poll_ms: 0,
                    vendor: None,
                    model: None,
                    serial: None,
                    points,
                };
                let (site, device) = (site.clone(), device.clone());
                let input = Input::About {
                    site,
                    device,
                    about,
                };
                self.tell(&line, input, self.now, said);
            }
        }
        let late = sample.at < self.now;
        let input = Input::Sample {
            site,
            device,
            late,
            sample,
        };
        self.tell(&line, input, self.now, said);
    }

    fn tell(&mut self, line: &LineId, input: Input, now: Timestamp, said: &mut Vec<Said>) {
        let Some(engine) = self.lines.get_mut(line) else {
            return;
        };
        let outputs = engine.step(input, now);
        let (together, plant) = (&mut self.together, &self.plant);
        let outputs = outputs.into_iter();
        let outputs: Vec<Output> = outputs
            .flat_map(|output| together.take(plant, output))
            .collect();
        for output in outputs {
            match output {
                Output::Anomaly(anomaly) if anomaly.to.is_some() => {
                    self.open.remove(&anomaly.id);
                    said.push(Said::Anomaly(Box::new(anomaly)));
                }
                Output::Anomaly(anomaly) => {
                    self.open.insert(anomaly.id.clone(), anomaly);
                }
                Output::Incident(incident) if incident.state == State::Closed => {
                    self.incidents.remove(&incident.id);
                    said.push(Said::Incident(incident));
                }
                Output::Incident(incident) => {
                    self.incidents.insert(incident.id.clone(), *incident);
                }
                Output::Notice(Notice { .. }) => said.push(Said::Told(now)),
                Output::TraceResult { .. } | Output::Shoot { .. } => {}
            }
        }
    }
}
