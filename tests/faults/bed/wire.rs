//! What happens to messages on their way to the collector, and to the collector itself.
//!
//! ```text
//!   sample, event, trace ──▶ clock of the site ──▶ slow? twice? ──▶ away: backlog ──▶ engines ──▶ together
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_collector::engine::{Input, LineEngine, Output};
use silkline_protocol::id::{LineId, SiteId, ViewId};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::time::Timestamp;
use silkline_sim::fault::Fault;
use silkline_sim::world::ShotOrder;
use silkline_sor::GroupIndex;

use super::{Bed, Todo, clock};
use crate::cpu::cpu;

/// What is odd about the way to the collector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    /// By how many milliseconds the clocks of sites are ahead.
    pub(crate) clocks: BTreeMap<SiteId, i64>,
    /// Samples take this long, traces do not.
    pub(crate) slow: Duration,
    /// Of so many messages each comes again, a little later or at once.
    pub(crate) twice: f64,
    /// By how much instruments are set to another group index than their view has.
    pub(crate) index: BTreeMap<ViewId, f64>,
    /// What views really look into.
    pub(crate) swapped: BTreeMap<ViewId, ViewId>,
}

impl Wire {
    /// What the clock of a site shows at `now`.
    pub(super) fn clock(&self, site: &SiteId, now: Duration) -> Timestamp {
        let off = self.clocks.get(site).copied().unwrap_or(0);
        let by = Duration::from_millis(off.unsigned_abs());
        let now = clock(now);
        if off < 0 {
            Timestamp::EPOCH + (now - Timestamp::EPOCH).saturating_sub(by)
        } else {
            now + by
        }
    }
}

impl Bed {
    /// The file that a shot of `view` makes.
    pub(super) fn sor(&self, view: &ViewId) -> Vec<u8> {
        let into = self.wire.swapped.get(view).unwrap_or(view);
        let sor = self.world.shoot(into, self.order(), &self.scene).unwrap();
        let Some(factor) = self.wire.index.get(view) else {
            return sor;
        };
        let mut file = silkline_sor::read(&sor).unwrap();
        let own = file.acquisition.group_index.value();
        file.acquisition.group_index = GroupIndex::new(own * factor);
        silkline_sor::write(&file)
    }

    pub(super) fn order(&self) -> ShotOrder {
        ShotOrder {
            pulse_ns: self.shots.pulse_ns,
            average_s: self.shots.average_s,
            // Every shot has its own noise.
            taken: clock(self.now) + Duration::from_nanos(u64::try_from(self.traces).unwrap()),
        }
    }

    /// Mends a fault at `at`.
    pub(crate) fn mend(&mut self, at: Duration, fault: Fault) {
        self.later(at, Todo::Mend(fault));
    }

    /// The agent of a site goes, and its uplink with it.
    pub(crate) fn lose(&mut self, site: &SiteId) {
        self.agent(site, false);
        self.mute.insert(site.clone());
    }

    /// The collector is away from the first to the second.
    pub(crate) fn leave(&mut self, [from, to]: [Duration; 2]) {
        self.later(from, Todo::Collector(false));
        self.later(to, Todo::Collector(true));
    }

    /// A shot of `view` that is taken now, and comes as late as `at`.
    pub(crate) fn lay_about(&mut self, view: &ViewId, (at, late): (Duration, bool)) {
        let (line, known) = self.world.plant().view(view).unwrap();
        let site = line.node(&known.node).unwrap().site.clone().unwrap();
        let (line, device) = (line.id.clone(), known.device.clone().unwrap());
        let file = TraceFile {
            sor: self.sor(view),
            at: self.wire.clock(&site, self.now),
            view: Some(view.clone()),
            port: None,
            trigger: Trigger::Schedule,
        };
        self.traces += 1;
        let input = Input::Trace {
            id: self.traces,
            site,
            device,
            late,
            file,
        };
        self.later(at, Todo::Stray(Box::new((line, input))));
    }

    pub(super) fn collector(&mut self, there: bool) {
        self.is_away = !there;
        if !there {
            return;
        }
        for (line, engine) in &mut self.engines {
            let (plant, settings) = (self.plant.clone(), self.settings.clone());
            let state = engine.snapshot();
            *engine = LineEngine::restore(plant, line.clone(), settings, &state).unwrap();
            assert_eq!(engine.snapshot(), state, "restored bit for bit");
        }
        let kept = serde_json::to_vec(&self.together).unwrap();
        self.together = serde_json::from_slice(&kept).unwrap();
        let lines: Vec<LineId> = self.engines.keys().cloned().collect();
        for line in lines {
            self.step(&line, Input::Started);
        }
        // Events first, then traces, the newest first; samples after them, the oldest first.
        let mut backlog = core::mem::take(&mut self.backlog);
        let rank = |input: &Input| match input {
            Input::Trace { file, .. } => (1, -file.at.nanos()),
            Input::Sample { sample, .. } => (2, sample.at.nanos()),
            _ => (0, 0),
        };
        backlog.sort_by_key(|(_, input)| rank(input));
        for (line, mut input) in backlog {
            if let Input::Trace { late, .. } | Input::Sample { late, .. } = &mut input {
                *late = true;
            }
            self.step(&line, input);
        }
    }

    pub(super) fn trace(&mut self, line: &LineId, input: Input) {
        let before = cpu();
        self.step(line, input);
        self.trace_cpu.push(cpu().saturating_sub(before));
    }

    /// Timers that are due before `until` run at their own time.
    pub(super) fn tick(&mut self, until: Duration) {
        if self.is_away {
            return;
        }
        let until = clock(until);
        let lines: Vec<LineId> = self.engines.keys().cloned().collect();
        for line in lines {
            let mut last = None;
            while let Some(due) = self.engines[&line].deadline().filter(|due| *due < until) {
                if last.replace(due) == Some(due) {
                    break;
                }
                let out = self.engines.get_mut(&line).unwrap().step(Input::Tick, due);
                self.take(out, due - clock(Duration::ZERO));
            }
        }
    }

    pub(super) fn step(&mut self, line: &LineId, input: Input) {
        if self.is_away {
            self.backlog.push((line.clone(), input));
            return;
        }
        let message = !matches!(input, Input::Started | Input::AgentStatus { .. });
        let twice = self.wire.twice;
        let again = (twice > 0.0 && message && self.chance.happens(twice)).then(|| input.clone());
        let now = clock(self.now);
        for input in [Some(input), again].into_iter().flatten() {
            let out = self.engines.get_mut(line).unwrap().step(input, now);
            self.take(out, self.now);
        }
    }

    fn take(&mut self, out: Vec<Output>, at: Duration) {
        for output in out {
            if let Output::Shoot { site, view } = &output {
                let soon = at.max(self.now) + Duration::from_millis(50);
                self.later(soon, Todo::Command(site.clone(), view.clone()));
            }
            if matches!(output, Output::TraceResult { .. }) {
                continue;
            }
            let said = self.together.take(&self.plant, output);
            self.said
                .extend(said.into_iter().map(|output| (at, output)));
        }
    }
}
