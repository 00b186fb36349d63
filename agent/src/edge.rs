//! What is decided at the site: the loop around [`Triggers`], which starts shots and records events.
//!
//! ```text
//!   pollers ─ Seen ──────┐             ┌─▶ poller of the OTDR: start a shot
//!   folders ─ file? ─────┼─▶ Triggers ─┤
//!   commands ─ shot ─────┘             └─▶ recorder ─▶ spool
//! ```

mod shots;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::id::{DeviceId, LineId, PointName, ViewId};
use silkline_protocol::message::{Body, Trigger};
use silkline_protocol::permit::Permit;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::clock::{Clock, Moment};
use crate::config::{Config, PointRef};
use crate::driver::readings::Compact;
use crate::place::Taken;
use crate::poller::{Fetched, Pollers};
use crate::pulse::Pulse;
use crate::spool::{Outgoing, SpoolError, SpoolHandle};
use crate::trigger::{Act, Origin, Outcome, Refusal, Told, Triggers};

/// Messages that may wait for the edge: two polls of a large hut. It never waits for a disk or a
/// device, so a full queue is a matter of milliseconds; the sender waits.
const INBOX: usize = 256;
/// Events that may wait for the spool; when full the edge waits, since an event must not be lost.
const RECORDER: usize = 1024;

/// How often the edge is heard of though nothing happens.
const AT_LEAST_EVERY: Duration = Duration::from_secs(30);
/// How late it may be: it waits for the spool where many events come at once.
const GRACE: Duration = Duration::from_secs(120);

/// What a poll showed that the edge decides by.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The device that was polled.
    pub device: DeviceId,
    /// Its light inputs that answered, each with whether it is dark.
    pub lights: Vec<(PointName, bool)>,
    /// Whether its last shot failed, where it is an OTDR that tells.
    pub shot_failed: Option<bool>,
}

/// The way to the edge and to the spool behind it.
#[derive(Clone, Debug)]
pub struct EdgeHandle {
    inbox: mpsc::Sender<Inbox>,
    recorder: mpsc::Sender<Note>,
    spool: SpoolHandle,
    /// Who looks at traces here, if anybody does.
    desk: Option<mpsc::Sender<Taken>>,
}

#[derive(Debug)]
enum Inbox {
    Seen(Seen),
    Started(DeviceId, Outcome),
    Aborted(DeviceId, bool),
    Permitted(Permit, oneshot::Sender<Vec<ViewId>>),
    File(DeviceId, Option<u16>, oneshot::Sender<Origin>),
    Fetched(Fetched),
    Unfetched(DeviceId, u16, String),
    Command(ViewId, oneshot::Sender<Result<(), Refusal>>),
    Renew(Arc<Config>, Arc<Config>, oneshot::Sender<()>),
}

/// What the recorder is told.
#[derive(Debug)]
enum Note {
    Event(Told),
    /// The lines of devices, before anything is told of these.
    Lines(Vec<(DeviceId, Vec<LineId>)>),
}

/// The loop that owns the triggers.
#[derive(Debug)]
pub struct Edge {
    triggers: Triggers,
    inbox: mpsc::Receiver<Inbox>,
    /// For the tasks that wait for an instrument to report back.
    own: mpsc::WeakSender<Inbox>,
    recorder: mpsc::Sender<Note>,
    /// For a trace that can't be put into its folder.
    spool: SpoolHandle,
    pollers: Pollers,
    pulse: Pulse,
    clock: Clock,
}

/// The loop that writes events into the spool.
#[derive(Debug)]
pub struct Recorder {
    told: mpsc::Receiver<Note>,
    /// Of every device that there is or was: one that has left may still have something to tell.
    lines: BTreeMap<DeviceId, Vec<LineId>>,
    board: Board,
    spool: SpoolHandle,
    clock: Clock,
}

/// The edge of `config`, its recorder, and the way to both.
#[must_use]
pub fn edge(
    config: &Arc<Config>,
    pollers: Pollers,
    spool: SpoolHandle,
    clock: Clock,
) -> (EdgeHandle, Edge, Recorder) {
    let (sender, inbox) = mpsc::channel(INBOX);
    let (recorder, told) = mpsc::channel(RECORDER);
    let triggers = Triggers::new(config, clock.moment());
    let own = sender.downgrade();
    let edge = Edge {
        triggers,
        inbox,
        own,
        recorder: recorder.clone(),
        spool: spool.clone(),
        pollers,
        pulse: Pulse::default(),
        clock,
    };
    let events = Recorder {
        told,
        lines: lines(config).into_iter().collect(),
        board: Board::default(),
        spool: spool.clone(),
        clock,
    };
    (
        EdgeHandle {
            inbox: sender,
            recorder,
            spool,
            desk: None,
        },
        edge,
        events,
    )
}

fn lines(config: &Config) -> Vec<(DeviceId, Vec<LineId>)> {
    let devices = config.devices.iter();
    devices
        .map(|device| (device.id.clone(), device.lines.clone()))
        .collect()
}

impl EdgeHandle {
    /// Tells the edge what a poll showed.
    pub async fn observe(&self, seen: Seen) {
        self.send(Inbox::Seen(seen)).await;
    }

    /// Takes a trace that was fetched, or why there is none.
    pub async fn fetched(&self, fetched: Fetched) {
        self.send(Inbox::Fetched(fetched)).await;
    }

    /// What a file from `port` of `device` shows, and why it was taken.
    pub async fn origin(&self, device: &DeviceId, port: Option<u16>) -> Origin {
        let (reply, answer) = oneshot::channel();
        self.send(Inbox::File(device.clone(), port, reply)).await;
        let unknown = Origin {
            view: None,
            line: None,
            trigger: Trigger::Unknown,
        };
        answer.await.unwrap_or(unknown)
    }

    /// Asks for a shot of `view` by hand.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub async fn command(&self, view: &ViewId) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.send(Inbox::Command(view.clone(), reply)).await;
        answer
            .await
            .unwrap_or_else(|_| Err(Refusal::NotStartable(view.clone())))
    }

    /// Takes a permit that holds from now on; gives the views that are being shot nevertheless, which
    /// are stopped where they can be.
    pub async fn permitted(&self, permit: &Permit) -> Vec<ViewId> {
        let (reply, answer) = oneshot::channel();
        self.send(Inbox::Permitted(permit.clone(), reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Records an event.
    pub async fn tell(&self, told: Told) {
        // Gone only when the agent is leaving; the event is lost with the process either way.
        let _ = self.recorder.send(Note::Event(told)).await;
    }

    /// Takes up the settings `new` in place of `old`; returns when that is done. Lights stay as they
    /// were seen, and an OTDR that did not change goes on with what it is about.
    pub async fn renew(&self, old: Arc<Config>, new: Arc<Config>) {
        // Gone only when the agent is leaving.
        let _ = self.recorder.send(Note::Lines(lines(&new))).await;
        let (reply, done) = oneshot::channel();
        self.send(Inbox::Renew(old, new, reply)).await;
        let _ = done.await;
    }

    /// The same, with somebody who looks at traces here.
    #[must_use]
    pub fn with_desk(self, desk: mpsc::Sender<Taken>) -> Self {
        let desk = Some(desk);
        Self { desk, ..self }
    }

    /// Spools a trace for `lines`, and has it looked at here; returns when it is synced to the disk.
    ///
    /// # Errors
    ///
    /// What the spool said: then it holds nothing of it.
    pub async fn take(&self, taken: Taken) -> Result<(), SpoolError> {
        let body = Body::Trace(taken.device.clone(), taken.trace.clone());
        self.append(taken.lines.clone(), body).await?;
        if let Some(desk) = &self.desk
            && desk.try_send(taken).is_err()
        {
            tracing::warn!("more traces than can be looked at here: one is only spooled");
        }
        Ok(())
    }

    /// Spools a record for `lines`; returns when it is synced to the disk.
    ///
    /// # Errors
    ///
    /// What the spool said: then it holds nothing of it.
    pub async fn append(&self, lines: Vec<LineId>, body: Body) -> Result<(), SpoolError> {
        self.spool.append(Outgoing { lines, body }).await
    }

    /// Spools a record whose loss is told in the log, since nobody can send it again.
    pub async fn spool(&self, lines: &[LineId], body: Body) {
        let device = body.device().map(ToString::to_string);
        if let Err(error) = self.append(lines.to_vec(), body).await {
            tracing::error!(device, %error, "a record is lost");
        }
    }

    /// Hands a sample to the spool, which syncs it in a moment; where that is shut or will never take it,
    /// or the disk does not, that is logged.
    pub async fn begin(&self, lines: Vec<LineId>, device: DeviceId, sample: Arc<Compact>) {
        let begun = self.spool.begin(lines, device.clone(), sample);
        if let Err(error) = begun.await {
            let device = device.as_str();
            tracing::error!(device, %error, "a record is lost");
        }
    }

    /// Waits until the spool has synced what it was handed.
    pub async fn sync(&self) {
        // What it could not sync is logged already.
        let _ = self.spool.sync().await;
    }

    async fn send(&self, message: Inbox) {
        // Gone only when the agent is leaving.
        let _ = self.inbox.send(message).await;
    }
}

impl Edge {
    /// The same, with a pulse that is watched.
    #[must_use]
    pub fn with(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    /// Decides until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let now = self.clock.moment();
            let due = self.triggers.deadline(now).unwrap_or(now + AT_LEAST_EVERY);
            self.pulse
                .expect_by(now.max(due.min(now + AT_LEAST_EVERY)) + GRACE);
            let wait = self.clock.sleep_until(due.min(now + AT_LEAST_EVERY));
            let acts = tokio::select! {
                () = stop.cancelled() => return,
                message = self.inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = wait => self.triggers.tick(self.clock.moment()),
            };
            for act in acts {
                match act {
                    Act::Start {
                        device,
                        settings,
                        through,
                    } => self.start(device, settings, through),
                    Act::Abort { device } => self.abort(device),
                    // Gone only when the agent is leaving.
                    Act::Tell(told) => drop(self.recorder.send(Note::Event(told)).await),
                }
            }
        }
    }

    fn take(&mut self, message: Inbox) -> Vec<Act> {
        let now = self.clock.moment();
        match message {
            Inbox::Seen(seen) => self.seen(seen, now),
            Inbox::Started(device, outcome) => self.triggers.started(&device, &outcome, now),
            Inbox::Aborted(device, done) => self.triggers.aborted(&device, done, now),
            Inbox::Permitted(permit, reply) => {
                let (acts, views) = self.triggers.permitted(&permit);
                let _ = reply.send(views);
                acts
            }
            Inbox::File(device, port, reply) => {
                let (origin, acts) = self.triggers.file(&device, port, now);
                // Whoever asked may be gone.
                let _ = reply.send(origin);
                acts
            }
            Inbox::Fetched(fetched) => {
                self.fetched(fetched);
                Vec::new()
            }
            Inbox::Unfetched(device, port, reason) => {
                self.triggers.unfetched(&device, port, &reason, now)
            }
            Inbox::Renew(old, new, reply) => {
                self.triggers.renew(&old, &new, now);
                let _ = reply.send(());
                Vec::new()
            }
            Inbox::Command(view, reply) => {
                let (outcome, acts) = match self.triggers.command(&view, now) {
                    Ok(acts) => (Ok(()), acts),
                    Err(refusal) => (Err(refusal), Vec::new()),
                };
                let _ = reply.send(outcome);
                acts
            }
        }
    }

    fn seen(&mut self, seen: Seen, now: Moment) -> Vec<Act> {
        let mut acts = Vec::new();
        for (point, dark) in seen.lights {
            let point = PointRef {
                device: seen.device.clone(),
                point,
            };
            acts.extend(self.triggers.observe(&point, dark, now));
        }
        if let Some(failed) = seen.shot_failed {
            acts.extend(self.triggers.shot_failed(&seen.device, failed, now));
        }
        acts
    }
}

impl Recorder {
    /// The same, with a board that shows the events.
    #[must_use]
    pub fn shown_on(self, board: Board) -> Self {
        Self { board, ..self }
    }

    /// Records until every [`EdgeHandle`] is gone, so that nothing told is lost when leaving.
    pub async fn run(mut self) {
        while let Some(note) = self.told.recv().await {
            let told = match note {
                Note::Event(told) => told,
                Note::Lines(lines) => {
                    self.lines.extend(lines);
                    continue;
                }
            };
            let (kind, detail) = (told.kind, told.detail.as_str());
            let point = told.point.as_ref().map(PointName::as_str);
            tracing::info!(device = told.device.as_str(), ?kind, point, detail, "event");
            let served = || self.lines.get(&told.device).cloned();
            let lines = told.line.clone().map(|line| vec![line]).or_else(served);
            let event = told.event(self.clock.now());
            self.board.told(&told.device, &event);
            let body = Body::Event(told.device, event);
            let outgoing = Outgoing {
                lines: lines.unwrap_or_default(),
                body,
            };
            if let Err(error) = self.spool.append(outgoing).await {
                tracing::error!(%error, "an event is lost");
            }
        }
    }
}
