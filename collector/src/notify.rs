//! Tells people: sends what waits in the outbox by mail, to web addresses and to syslog.
//!
//! ```text
//!   outbox ──due rows──▶ dispatcher ──queue──▶ one courier a channel ──▶ mail server, web address
//!     ▲                                              │
//!     └────── commit task ◀──────── sent, failed ────┘
//! ```
//!
//! A notice leaves the outbox when it was taken, so it is delivered at least once; its number goes
//! with it, for receivers that must not act twice. A channel that fails is left alone for a while
//! and delays no other. A notice that could not be delivered for a day is given up: the outbox keeps
//! it with the reason, and a counter and the log say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::incidents::{Incident, Life, alert};
use crate::clock;
use crate::config::Settings;
use crate::metrics::{Channel as Label, Metrics};
use crate::state::{NotifyState, Report};
use crate::store::Reader;
use crate::store::rows::OutboxRow;

pub mod channel;
pub mod email;
pub mod form;
pub mod language;
pub mod message;
pub mod retry;
pub mod route;
pub mod syslog;
pub mod text;
pub mod webhook;

pub use channel::{Channel, ChannelError};
use message::Message;
use retry::Verdict;

/// Rows that are looked at in one go; the rest is looked at when these are under way.
const LOOK: usize = 256;
/// Rows that may wait for one channel. When it is full, more stay in the outbox.
const QUEUE: usize = 16;
/// The outbox is looked at no more often than this when nobody wakes us.
const PAUSE: Duration = Duration::from_secs(1);
/// And no less often.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends what waits in the outbox until the program stops.
///
/// # Errors
///
/// Where a channel's settings cannot be used.
pub async fn run(state: NotifyState) -> Result<(), ChannelError> {
    let channels = Channel::all(&state.settings)?;
    let (done, mut settled) = mpsc::channel(QUEUE);
    let mut couriers = JoinSet::new();
    let mut dispatcher = Dispatcher::default();
    let routings = state.settings.channels.routings();
    let waits: BTreeSet<&str> = routings
        .filter(|routing| routing.after.is_some())
        .map(|routing| routing.name.as_str())
        .collect();
    for channel in channels {
        let (queue, rows) = mpsc::channel(QUEUE);
        let channel_name = channel.name().to_owned();
        state.metrics.watch_channel(&channel_name);
        dispatcher.queues.insert(channel_name.clone(), queue);
        let courier = Courier {
            channel,
            waits: waits.contains(channel_name.as_str()),
            store: state.store.clone(),
            plant: Arc::clone(&state.plant),
            page: state.settings.api.public_url.clone(),
            reports: state.reports.clone(),
            done: done.clone(),
            metrics: Arc::clone(&state.metrics),
            resting: None,
        };
        couriers.spawn(courier.run(rows, state.stop.clone()));
    }
    dispatcher.run(&state, &mut settled).await;
    drop(dispatcher);
    drop(settled);
    while couriers.join_next().await.is_some() {}
    Ok(())
}

/// Why a channel could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The settings have no such channel.
    #[error("there is no channel {found:?}, the settings have {known}")]
    Unknown {
        /// What was asked for.
        found: String,
        /// The channels of the settings.
        known: String,
    },
    /// Its settings cannot be used.
    #[error("{0}")]
    Channel(#[from] ChannelError),
    /// It did not take the message.
    #[error("channel {channel}: {why}")]
    Failed {
        /// The channel.
        channel: String,
        /// What the other side said.
        why: String,
    },
}

/// Sends a message that says it is a test on the channel called `name`.
///
/// # Errors
///
/// Where there is no such channel, or it does not take the message.
pub async fn test(settings: &Settings, name: &str) -> Result<(), TestError> {
    let channels = Channel::all(settings)?;
    let known: Vec<&str> = channels.iter().map(Channel::name).collect();
    let Some(channel) = channels.iter().find(|channel| channel.name() == name) else {
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(TestError::Unknown {
            found: name.to_owned(),
            known,
        });
    };
    let failed = |why| TestError::Failed {
        channel: name.to_owned(),
        why,
    };
    deliver(channel, &Message::test(clock::now()))
        .await
        .map_err(failed)
}

/// Hands due rows to the couriers, each once.
#[derive(Debug, Default)]
struct Dispatcher {
    queues: BTreeMap<String, mpsc::Sender<OutboxRow>>,
    /// With a courier.
    away: BTreeSet<Try>,
    /// Reported, but perhaps not written down yet.
    reported: BTreeSet<Try>,
}

/// One try of one row: a failed row comes back with more tries.
type Try = (i64, u32);

const fn try_of(row: &OutboxRow) -> Try {
    (row.id, row.tries)
}

impl Dispatcher {
    async fn run(&mut self, state: &NotifyState, settled: &mut mpsc::Receiver<Try>) {
        let mut pause = Duration::ZERO;
        while !state.stop.is_cancelled() {
            tokio::select! {
                () = state.stop.cancelled() => return,
                () = state.wake.notified() => {}
                Some(one) = settled.recv() => self.settle(one),
                () = tokio::time::sleep(pause) => {}
            }
            let now = clock::now();
            let answer = state
                .store
                .ask_async(move |store| Ok((store.due_notices(now, LOOK)?, store.next_notice()?)));
            pause = match answer.await {
                Ok((due, next)) => {
                    self.hand_out(due);
                    next.map_or(LONGEST_PAUSE, |next| next - now)
                        .clamp(PAUSE, LONGEST_PAUSE)
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read");
                    LONGEST_PAUSE
                }
            };
        }
    }

    fn settle(&mut self, one: Try) {
        self.away.remove(&one);
        self.reported.insert(one);
    }

    /// Gives each row that nobody has yet to its channel's courier, where there is room.
    fn hand_out(&mut self, due: Vec<OutboxRow>) {
        let still_due: BTreeSet<Try> = due.iter().map(try_of).collect();
        self.reported.retain(|one| still_due.contains(one));
        for row in due {
            let one = try_of(&row);
            if self.away.contains(&one) || self.reported.contains(&one) {
                continue;
            }
            match self.queues.get(&row.channel) {
                Some(queue) => {
                    if queue.try_send(row).is_ok() {
                        self.away.insert(one);
                    }
                }
                // The settings had this channel once; the row stays until it has it again.
                None => tracing::debug!(channel = %row.channel, "no such channel any more"),
            }
        }
    }
}

/// Delivers on one channel.
struct Courier {
    channel: Channel,
    /// Only what nobody has acknowledged in the meantime is told.
    waits: bool,
    store: Reader,
    plant: Arc<Plant>,
    page: Option<String>,
    reports: mpsc::Sender<Report>,
    done: mpsc::Sender<Try>,
    metrics: Arc<Metrics>,
    /// The channel failed and is left alone until then, and why.
    resting: Option<(Timestamp, String)>,
}

impl Courier {
    async fn run(mut self, mut rows: mpsc::Receiver<OutboxRow>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(QUEUE);
        loop {
            let got = tokio::select! {
                () = stop.cancelled() => return,
                got = rows.recv_many(&mut batch, QUEUE) => got,
            };
            if got == 0 {
                return;
            }
            let (newest, older) = self.channel.worth_sending(core::mem::take(&mut batch));
            for row in older {
                self.report(&row, Report::NoticeSent { id: row.id }).await;
            }
            for row in newest {
                let report = tokio::select! {
                    () = stop.cancelled() => return,
                    report = self.send(&row) => report,
                };
                self.report(&row, report).await;
            }
        }
    }

    /// Tries to deliver a row; what is to be written down.
    async fn send(&mut self, row: &OutboxRow) -> Report {
        let now = clock::now();
        let row = if self.waits {
            match self.unanswered(row).await {
                Some(row) => &row.clone(),
                None => return Report::NoticeSent { id: row.id },
            }
        } else {
            row
        };
        let (why, tried) = match &self.resting {
            Some((until, why)) if now < *until => (format!("not tried again yet: {why}"), false),
            _ => match deliver(&self.channel, &self.message(row).await).await {
                Ok(()) => {
                    self.resting = None;
                    self.metrics.notices_sent.get_or_create(&self.label()).inc();
                    return Report::NoticeSent { id: row.id };
                }
                Err(why) => (why, true),
            },
        };
        if tried {
            self.metrics
                .notices_failed
                .get_or_create(&self.label())
                .inc();
        }
        let verdict = retry::verdict(row, clock::now());
        let channel = self.channel.name();
        let again = match verdict {
            Verdict::Again(at) => {
                tracing::warn!(channel, notice = row.id, error = why, "a notice waits");
                Some(at)
            }
            Verdict::GiveUp => {
                tracing::error!(
                    channel,
                    notice = row.id,
                    error = why,
                    "a notice was given up"
                );
                self.metrics
                    .notices_dropped
                    .get_or_create(&self.label())
                    .inc();
                None
            }
        };
        if let (true, Some(at)) = (tried, again) {
            self.resting = Some((at, why.clone()));
        }
        Report::NoticeFailed {
            id: row.id,
            error: why,
            again,
        }
    }

    /// The message of a row, with what goes along where the channel takes files.
    async fn message(&self, row: &OutboxRow) -> Message {
        let mut message = Message::of(row, self.page.as_deref());
        let takes_files = matches!(self.channel, Channel::Email(_));
        if let Some(incident) = message.incident.clone().filter(|_| takes_files) {
            let plant = Arc::clone(&self.plant);
            let drawn = tokio::task::spawn_blocking(move || alert::files(&incident, &plant));
            message.files = drawn.await.unwrap_or_default();
        }
        message
    }

    /// The row as it is now, where its incident still waits for somebody. Where the store cannot
    /// say, the row as it was: better one notice too many.
    async fn unanswered(&self, row: &OutboxRow) -> Option<OutboxRow> {
        let id = row.incident.clone();
        let now = self.store.ask_async(move |store| store.incident(&id)).await;
        let mut row = row.clone();
        if let Ok(Some(incident)) = now {
            let open = serde_json::from_value::<Incident>(incident.json.clone())
                .is_ok_and(|incident| incident.state == Life::Open);
            if !open {
                return None;
            }
            row.json = incident.json;
        }
        row.reason = "waiting".to_owned();
        Some(row)
    }

    /// Says what became of a row, first to the commit task. Both ends outlive the couriers; where
    /// one is gone, the program is stopping, and the row is sent again after the next start.
    async fn report(&self, row: &OutboxRow, report: Report) {
        let _ = self.reports.send(report).await;
        let _ = self.done.send(try_of(row)).await;
    }

    fn label(&self) -> Label {
        Label {
            channel: self.channel.name().to_owned(),
        }
    }
}

async fn deliver(channel: &Channel, message: &Message) -> Result<(), String> {
    let sent = tokio::time::timeout(PATIENCE, channel.send(message)).await;
    sent.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
mod tests;
