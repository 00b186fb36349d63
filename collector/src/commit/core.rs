//! One step of the commit task: messages in, one transaction, and what may leave after it.
//!
//! Nothing here waits or sends. A step either is stored whole and gives its [`Effects`], or fails,
//! and then the process must end: what is in memory has run ahead of what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use silkline_analysis::incident::Incident;
use silkline_protocol::codec;
use silkline_protocol::delivery::{Committed, Monotonic};
use silkline_protocol::id::{AgentId, LineId, SiteId, StoreId};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;
use silkline_protocol::topic::{SiteTopic, Topic};
use tokio::sync::oneshot;

use super::again::{Again, SetAside};
use super::engines::{Engines, Outcome};
use super::incidents::Incidents;
use super::judge::{Entry, Judged, judge};
use super::keep::Keeper;
use super::outcome::Outcomes;
use super::permits::Permits;
use super::receivers::Receivers;
use super::tally::Tally;
use crate::config::Channels;
use crate::config::Settings;
use crate::engine::{EngineSettings, Output};
use crate::ingest::{Delivery, Outgoing};
use crate::state::{ActionResult, LiveEvent, OperatorAction, PermitAction, PermitResult, Report};
use crate::store::replay::AgentSeen;
use crate::store::write::StreamKey;
use crate::store::{Queries, StoreError, Transaction, Writer};
use crate::watcher::{Watcher, Word};

/// How often the engines' states are saved: so much is replayed at most after a crash.
pub const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// What one step is to deal with.
#[derive(Debug, Default)]
pub struct Work {
    /// Messages, in the order in which they came.
    pub messages: Vec<Delivery>,
    /// What operators did.
    pub actions: Vec<OperatorAction>,
    /// What becomes of permits to work.
    pub permits: Vec<PermitAction>,
    /// What the readers of the store have done.
    pub reports: Vec<Report>,
    /// Messages that were set aside, to be taken once more.
    pub set_aside: Vec<SetAside>,
    /// What else there is to do.
    pub also: Also,
}

/// What else a step may have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Also {
    /// Nothing.
    #[default]
    Nothing,
    /// Tell the engines that the collector has started, and save their states.
    Start,
    /// Save the engines' states, whatever the time.
    Snapshot,
}

/// What may leave once a step is stored.
#[derive(Debug, Default)]
pub struct Effects {
    /// For whoever looks on.
    pub live: Vec<LiveEvent>,
    /// For the broker.
    pub outgoing: Vec<Outgoing>,
    /// For those who did something.
    pub answers: Vec<(oneshot::Sender<ActionResult>, ActionResult)>,
    /// For those who did something to a permit.
    pub permits: Vec<(oneshot::Sender<PermitResult>, PermitResult)>,
    /// What became of messages that had been set aside, by their numbers there.
    pub again: Vec<(i64, Again)>,
    /// Whether anything was stored.
    pub stored: bool,
    /// What is to be counted.
    pub tally: Tally,
}

/// Where the two clocks stand.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// What time it is.
    pub utc: Timestamp,
    /// How long the program has run.
    pub mono: Monotonic,
}

/// The state of the commit task.
#[derive(Debug)]
pub struct Core {
    writer: Writer,
    engines: Engines,
    receivers: Receivers,
    incidents: Incidents,
    watcher: Watcher,
    permits: Permits,
    plant: Arc<Plant>,
    lines: Vec<LineId>,
    channels: Channels,
    /// Whether each agent is there, and whether its link costs.
    online: BTreeMap<(SiteId, AgentId), AgentSeen>,
    forgotten: Vec<StreamKey>,
    snapshot_at: Monotonic,
}

impl Core {
    /// The state that the store remembers.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn load(
        writer: Writer,
        plant: &Arc<Plant>,
        lines: &[LineId],
        settings: (&Settings, &EngineSettings),
        now: Monotonic,
    ) -> Result<Self, StoreError> {
        let (settings, engine_settings) = settings;
        let agents = Queries::of(writer.db()).agents()?;
        let online = |it: crate::store::rows::AgentRow| {
            let seen = AgentSeen {
                agent: it.agent.clone(),
                online: it.status.online,
                metered: it.status.metered,
                spool_fault: it.status.spool_fault,
            };
            ((it.site, it.agent), seen)
        };
        Ok(Self {
            engines: Engines::restore(plant, lines, engine_settings, &writer)?,
            receivers: Receivers::new(writer.store_id().clone(), writer.streams()?, now),
            incidents: Incidents::load(&writer)?,
            watcher: Watcher::new(settings.beat.patience),
            plant: plant.clone(),
            lines: lines.to_vec(),
            permits: Permits::new(Queries::of(writer.db()).permits()?, plant),
            channels: settings.channels.clone(),
            online: agents.into_iter().map(online).collect(),
            forgotten: Vec::new(),
            snapshot_at: now,
            writer,
        })
    }

    /// Stores `work` and what comes of it. `watched` says whether anybody looks at the live stream.
    ///
    /// # Errors
    ///
    /// Where it could not be stored: the process must end.
    pub fn step(&mut self, mut work: Work, watched: bool, now: Now) -> Result<Effects, StoreError> {
        let store = self.writer.store_id().clone();
        let come = (
            work.messages.as_slice(),
            core::mem::take(&mut work.set_aside),
        );
        let mut judged = judge(come, &mut self.receivers, &store, now.mono);
        let tally = judged.tally.clone();
        let streams = self.receivers.changed(&judged.batches).next().is_some();
        let messages = !judged.entries.is_empty()
            || !judged.again.is_empty()
            || !judged.others.is_empty()
            || streams;
        let asked =
            !(work.actions.is_empty() && work.permits.is_empty()) || work.also != Also::Nothing;
        let mut effects = Effects::default();
        if messages || asked || !work.reports.is_empty() || self.engines.are_due(now.utc) {
            effects = self.store(work, &mut judged, watched, now)?;
        }
        effects.tally = tally;
        effects.again = judged.again;
        self.forgotten
            .extend(self.receivers.commit(judged.batches, now.mono));
        effects
            .outgoing
            .extend(self.receivers.due(now.mono).into_iter().map(committed));
        Ok(effects)
    }

    /// When to step again if nothing comes, by either clock.
    #[must_use]
    pub fn deadlines(&self) -> (Option<Timestamp>, Option<Monotonic>) {
        (self.engines.deadline(), self.receivers.deadline())
    }

    /// Everything that is retained at the broker, and what agents are told again and again: to be
    /// said anew after a connection.
    #[must_use]
    pub fn all_again(&self, now: Timestamp) -> Vec<Outgoing> {
        let states = self.receivers.every().into_iter().map(committed);
        let told = states.chain(self.incidents.outgoing());
        told.chain(self.permits.tell_all(now)).collect()
    }

    /// The store, for deleting what is old.
    pub const fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The engines as they stand.
    #[must_use]
    pub const fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Looks after the outbox and what the broker holds at `now`; whether anything was to be said, and
    /// what the broker is to let go of.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read or written: the process must end.
    pub fn watch_over(&mut self, now: Timestamp) -> Result<(bool, Vec<Outgoing>), StoreError> {
        let purged = self.incidents.purge(now);
        let mut waiting = Queries::of(self.writer.db()).waiting()?;
        let known: Vec<&str> = self
            .channels
            .routings()
            .map(|it| it.name.as_str())
            .collect();
        // The settings had such a channel once; nobody misses it.
        waiting.retain(|channel, _| known.contains(&channel.as_str()));
        let words = self.watcher.outbox(&waiting, now);
        if words.is_empty() {
            return Ok((false, purged));
        }
        let mut tx = self.writer.begin(now)?;
        say(&mut tx, &self.channels, &words)?;
        tx.commit(false)?;
        Ok((true, purged))
    }

    /// What the reports of notices given up and of other stores are to lead to.
    fn words(&mut self, reports: &[Report], others: &[Other], now: Timestamp) -> Vec<Word> {
        let ask = Queries::of(self.writer.db());
        let given_up = reports.iter().filter_map(|report| match report {
            Report::NoticeFailed {
                id,
                error,
                again: None,
            } => {
                let (channel, text) = ask.notice(*id).ok()??;
                Some(Watcher::given_up(&channel, &text, error))
            }
            _ => None,
        });
        let mut words: Vec<Word> = given_up.collect();
        for (line, site, store) in others {
            let word = self.watcher.another_store((line, site), store, now);
            words.extend(word);
        }
        words
    }

    /// Notes which closed incidents of ours the broker holds.
    fn hold(&mut self, judged: &Judged) {
        for entry in &judged.entries {
            if let Entry::Elsewhere(line, incident) = entry
                && self.lines.contains(line)
            {
                self.incidents.held(line, incident);
            }
        }
    }

    /// The one transaction of a step.
    fn store(
        &mut self,
        work: Work,
        judged: &mut Judged,
        watched: bool,
        now: Now,
    ) -> Result<Effects, StoreError> {
        self.hold(judged);
        let mut effects = Effects {
            stored: true,
            ..Effects::default()
        };
        let words = self.words(&work.reports, &judged.others, now.utc);
        let mut tx = self.writer.begin(now.utc)?;
        say(&mut tx, &self.channels, &words)?;
        for key in self.forgotten.drain(..) {
            tx.forget_stream(&key)?;
        }
        for (key, stream) in self.receivers.changed(&judged.batches) {
            tx.stream(&key, stream)?;
        }
        settle(&mut tx, &work.reports, judged)?;
        let (messages, online) = (work.messages.as_slice(), &mut self.online);
        let mut keeper = Keeper {
            tx: &mut tx,
            messages,
            online,
            watched,
            permits: &mut self.permits,
            plant: &self.plant,
            ours: &self.lines,
            live: &mut effects.live,
            outgoing: &mut effects.outgoing,
            inputs: Vec::new(),
        };
        if work.also == Also::Start {
            keeper.started()?;
        }
        for entry in judged.entries.drain(..) {
            keeper.entry(entry)?;
        }
        for action in work.permits {
            let result = keeper.permit_action(&action)?;
            effects.permits.push((action.done, result));
        }
        let asked = ask(&mut keeper, &self.incidents, work.actions)?;
        let inputs = keeper.inputs;
        let extra = work.also != Also::Nothing;
        let stepped = extra || !inputs.is_empty() || self.engines.are_due(now.utc);
        let outcomes = self.engines.advance(inputs, now.utc);
        let (incidents, channels) = (&mut self.incidents, &self.channels);
        let mut written = Outcomes {
            tx: &mut tx,
            incidents,
            channels,
            effects: &mut effects,
        };
        for outcome in &outcomes {
            written.outcome(outcome)?;
        }
        if stepped && (extra || self.snapshot_at <= now.mono) {
            tx.snapshots(self.engines.snapshots())?;
            self.snapshot_at = now.mono + SNAPSHOT_EVERY;
        }
        tx.commit(stepped)?;
        effects.answers = asked
            .into_iter()
            .map(|asked| asked.answer(&outcomes))
            .collect();
        Ok(effects)
    }
}

/// Writes what readers of the store report, and what became of messages that were set aside.
fn settle(tx: &mut Transaction<'_>, reports: &[Report], judged: &Judged) -> Result<(), StoreError> {
    for report in reports {
        tx.report(report)?;
    }
    for (id, _) in judged.again.iter().filter(|(_, it)| it.is_settled()) {
        tx.settle(*id)?;
    }
    Ok(())
}

/// Writes what operators do, and who waits for an answer.
fn ask(
    keeper: &mut Keeper<'_, '_>,
    incidents: &Incidents,
    actions: Vec<OperatorAction>,
) -> Result<Vec<Asked>, StoreError> {
    let mut asked = Vec::new();
    for action in actions {
        let line = incidents.line(&action.incident).cloned();
        let input = line.is_some().then_some(keeper.inputs.len());
        if let Some(line) = line {
            keeper.action(line, &action)?;
        }
        let before = incidents.standing(&action.incident).cloned();
        asked.push(Asked {
            input,
            before,
            done: action.done,
        });
    }
    Ok(asked)
}

/// A line, a site, and another store that has stored what comes from there.
type Other = (LineId, SiteId, StoreId);

/// Puts words about the collector itself into the outbox, for every channel but the one they are
/// about. A channel that hears of some lines only does not hear of these.
fn say(tx: &mut Transaction<'_>, channels: &Channels, words: &[Word]) -> Result<(), StoreError> {
    let now = tx.now();
    for word in words {
        tracing::error!(reason = word.reason, "{}", word.text);
        for routing in channels.routings() {
            let hears = routing.lines.is_none() && routing.after.is_none();
            let open = routing.hours.as_ref().is_none_or(|hours| hours.hold(now));
            if hears && open && word.except.as_ref() != Some(&routing.name) {
                tx.word(&routing.name, word)?;
            }
        }
    }
    Ok(())
}

/// Somebody who waits for an answer.
struct Asked {
    /// The position of the action among the inputs; none where its incident is unknown.
    input: Option<usize>,
    /// The incident before the step; none where it was closed.
    before: Option<Incident>,
    done: oneshot::Sender<ActionResult>,
}

impl Asked {
    /// What became of the action: it is refused where its incident is as it was before.
    fn answer(self, outcomes: &[Outcome]) -> (oneshot::Sender<ActionResult>, ActionResult) {
        let Some(input) = self.input else {
            return (self.done, ActionResult::NoIncident);
        };
        let incident = |outcome: &Outcome| match &outcome.output {
            Output::Incident(incident) => Some((**incident).clone()),
            Output::Anomaly(_)
            | Output::Notice(_)
            | Output::TraceResult { .. }
            | Output::Shoot { .. } => None,
        };
        let mut after = outcomes
            .iter()
            .filter(|outcome| outcome.input == Some(input));
        let Some(after) = after.by_ref().rev().find_map(incident) else {
            return (self.done, ActionResult::Refused);
        };
        let earlier = outcomes
            .iter()
            .filter(|outcome| outcome.input < Some(input));
        let mut earlier = earlier.filter_map(incident).filter(|it| it.id == after.id);
        let before = earlier.next_back().or(self.before);
        if before.as_ref() == Some(&after) {
            return (self.done, ActionResult::Refused);
        }
        let json = serde_json::to_value(&after).unwrap_or_default();
        (self.done, ActionResult::Done(json))
    }
}

/// The retained message that says what is stored.
fn committed((line, site, state): (LineId, SiteId, Committed)) -> Outgoing {
    let topic = Topic::Site {
        line,
        site,
        what: SiteTopic::Committed,
    };
    Outgoing::new(topic.to_string(), codec::to_json(&state))
}
