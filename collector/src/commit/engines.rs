//! The engines of all lines, stepped together.
//!
//! [`Engines::advance`] is all that ever moves them: the commit task calls it with what has just
//! come, the start calls it with what the store recorded. So what a restart makes of the past is
//! what was made of it before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;

use crate::engine::together::Together;
use crate::engine::{Action, BadSnapshot, EngineSettings, Input, LineEngine, Output};
use crate::store::replay::{PastStep, Whom};
use crate::store::{StoreError, Writer};

/// The engines of all lines that this collector keeps.
#[derive(Debug)]
pub struct Engines {
    lines: BTreeMap<LineId, LineEngine>,
    /// The lines that run through each site.
    at_site: BTreeMap<SiteId, BTreeSet<LineId>>,
    /// What becomes of incidents of lines that lie together.
    together: Together,
    /// Under which name that is saved: no line is called so.
    together_as: LineId,
    plant: Arc<Plant>,
}

impl Engines {
    /// Engines for `lines` as the store remembers them: the last snapshot, and what came after.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read. A snapshot that its engine does not take is no error: the
    /// line begins anew, its detectors with the past that the store holds.
    pub fn restore(
        plant: &Arc<Plant>,
        lines: &[LineId],
        settings: &EngineSettings,
        store: &Writer,
    ) -> Result<Self, StoreError> {
        let saved = store.snapshots()?;
        let after = saved.iter().map(|(_, step, _)| *step).min().unwrap_or(0);
        let engine = |line: &LineId| {
            let snapshot = saved.iter().find(|(saved, ..)| saved == line);
            let kept = snapshot.and_then(|(_, _, state)| restored(plant, line, settings, state));
            let made = match kept {
                Some(engine) => engine,
                None => {
                    let mut fresh = LineEngine::new(plant.clone(), line.clone(), settings.clone());
                    fresh.warm(store.past(line)?);
                    fresh.remember(store.repairs(line)?);
                    fresh
                }
            };
            Ok((line.clone(), made))
        };
        let lines = lines
            .iter()
            .map(engine)
            .collect::<Result<_, StoreError>>()?;
        let together_as = together_as();
        let kept = saved.iter().find(|(name, ..)| *name == together_as);
        let kept = kept.and_then(|(.., state)| serde_json::from_slice(state).ok());
        let mut engines = Self {
            lines,
            at_site: plant.lines_by_site(),
            together: kept.unwrap_or_default(),
            together_as,
            plant: plant.clone(),
        };
        store.replay(after, |PastStep { now, inputs }| {
            engines.advance(inputs, now);
        })?;
        Ok(engines)
    }

    /// Lets the timers run that are due, tells the engines what came at `now`, then lets the timers
    /// run that are due by that.
    ///
    /// Gives what came of timers, and of each input in the order of `inputs`.
    pub fn advance(&mut self, inputs: Vec<(Whom, Input)>, now: Timestamp) -> Vec<Outcome> {
        // What was silent while nobody listened is excused before any timer runs.
        let starts = |(_, input): &(Whom, Input)| matches!(input, Input::Started);
        let mut outcomes = if inputs.iter().any(starts) {
            Vec::new()
        } else {
            self.timers(now)
        };
        for (index, (whom, input)) in inputs.into_iter().enumerate() {
            if let Input::Elsewhere(news) = input {
                let line = news.line.clone();
                let said = self.together.hear(&self.plant, news);
                outcomes.extend(said.into_iter().map(|output| Outcome {
                    input: Some(index),
                    line: line_of(&output).unwrap_or(&line).clone(),
                    output,
                }));
                continue;
            }
            for (line, input) in self.meant(&whom, input) {
                if let Some(engine) = self.lines.get_mut(&line) {
                    let outputs = engine.step(input, now);
                    outcomes.extend(self.joined((Some(index), &line), outputs));
                }
            }
        }
        outcomes.extend(self.timers(now));
        outcomes
    }

    /// Lets every timer run that is due by `now`, of all lines the first one first: lines that lie
    /// together make the same of it however coarsely time was given.
    fn timers(&mut self, now: Timestamp) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut due: BTreeSet<(Timestamp, LineId)> = self
            .lines
            .iter()
            .filter_map(|(line, engine)| Some((engine.deadline()?, line.clone())))
            .filter(|(deadline, _)| *deadline <= now)
            .collect();
        while let Some((at, line)) = due.pop_first() {
            let Some(engine) = self.lines.get_mut(&line) else {
                continue;
            };
            let outputs = engine.step(Input::Tick, at);
            // One that does not move on is due again at the next step instead.
            let next = engine.deadline().filter(|next| at < *next && *next <= now);
            due.extend(next.map(|next| (next, line.clone())));
            outcomes.extend(self.joined((None, &line), outputs));
        }
        outcomes
    }

    /// When to advance again if nothing comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.lines.values().filter_map(LineEngine::deadline).min()
    }

    /// Whether a timer is due at `now`.
    #[must_use]
    pub fn are_due(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Every engine's state, to be saved, and that of what lies together.
    pub fn snapshots(&self) -> impl Iterator<Item = (&LineId, Vec<u8>)> {
        let together = serde_json::to_vec(&self.together).unwrap_or_default();
        self.lines
            .iter()
            .map(|(line, engine)| (line, engine.snapshot()))
            .chain([(&self.together_as, together)])
    }

    /// Whether this collector keeps `line`.
    #[must_use]
    pub fn keeps(&self, line: &LineId) -> bool {
        self.lines.contains_key(line)
    }

    /// What is said of an engine's outputs, where lines lie together.
    fn joined(
        &mut self,
        (input, line): (Option<usize>, &LineId),
        outputs: Vec<Output>,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for output in outputs {
            let said = self.together.take(&self.plant, output);
            outcomes.extend(said.into_iter().map(|output| Outcome {
                input,
                line: line_of(&output).unwrap_or(line).clone(),
                output,
            }));
        }
        outcomes
    }

    /// Which engines an input is for, and what it is to each: what is done to an incident is done to
    /// all that are folded into it.
    fn meant(&self, whom: &Whom, input: Input) -> Vec<(LineId, Input)> {
        let mut lines = self.lines_of(whom);
        let mut all: Vec<(LineId, Input)> = Vec::new();
        if let Input::Operator {
            incident,
            who,
            action,
        } = &input
        {
            for (line, incident) in self.together.folded_into(incident) {
                let action = match action {
                    // The place that was found is on the first line.
                    Action::Close { .. } => Action::Close {
                        found_m: None,
                        found: None,
                    },
                    other => other.clone(),
                };
                let who = who.clone();
                all.push((
                    line,
                    Input::Operator {
                        incident,
                        who,
                        action,
                    },
                ));
            }
        }
        // Nearly always one line is meant: the last one takes the input itself.
        let last = lines.pop();
        all.extend(lines.into_iter().map(|line| (line, input.clone())));
        all.extend(last.map(|line| (line, input)));
        all
    }

    fn lines_of(&self, whom: &Whom) -> Vec<LineId> {
        match whom {
            Whom::Line(line) => vec![line.clone()],
            Whom::Site(site) => self
                .at_site
                .get(site)
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            Whom::All => self.lines.keys().cloned().collect(),
        }
    }
}

/// One thing that came of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The position of the input that led to it; none where a timer did.
    pub input: Option<usize>,
    /// Whose engine it is from.
    pub line: LineId,
    /// What.
    pub output: Output,
}

fn restored(
    plant: &Arc<Plant>,
    line: &LineId,
    settings: &EngineSettings,
    state: &[u8],
) -> Option<LineEngine> {
    let read = LineEngine::restore(plant.clone(), line.clone(), settings.clone(), state);
    let told = |error: &BadSnapshot| {
        tracing::error!(%line, %error, "saved state not taken, the line begins anew");
    };
    read.inspect_err(told).ok()
}

/// The line that an incident is on.
fn line_of(output: &Output) -> Option<&LineId> {
    match output {
        Output::Incident(incident) => Some(&incident.place.line),
        _ => None,
    }
}

#[expect(clippy::expect_used, reason = "a constant that is an id")]
fn together_as() -> LineId {
    "--together--".parse().expect("letters only")
}
