//! The commit task: the one hand that stores, steps the engines and lets things out.
//!
//! ```text
//!   messages ─┐                               ┌─▶ committed ranges, incidents (retained)
//!   actions  ─┼─▶ gather ─▶ core.step ────────┼─▶ live stream
//!   reports  ─┘   500 or 50 ms  one           └─▶ wakes notifier and forwarder
//!                               transaction
//! ```
//!
//! A step that cannot be stored ends the task with its error, and the program with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::{self, MonotonicClock};
use crate::ingest::{Delivery, Ends};
use crate::metrics::{Metrics, count_many};
use crate::state::{LiveEvent, OperatorAction, PermitAction, Report};
use crate::store::StoreError;
use crate::store::tidy::Bounds;

pub mod again;
mod batch;
pub mod core;
pub mod engines;
mod incidents;
mod judge;
mod keep;
mod outcome;
mod permits;
mod receivers;
pub mod tally;
mod unsent;

use self::core::{Also, Core, Now, Work};
use self::unsent::Unsent;

/// Messages in one transaction.
pub const BATCH: usize = 500;
/// Traces among them: each takes the analysis tens of milliseconds.
pub const BATCH_TRACES: usize = 8;
/// How long the first message of a batch waits for others.
pub const GATHER: Duration = Duration::from_millis(50);
/// How often what is old is deleted.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// How soon again where more is left to delete: faster than anything is taken in.
const TIDY_ON: Duration = Duration::from_millis(100);
/// Chunks of old samples that are sealed after a step at most: some milliseconds each.
const SEALED: usize = 4;
/// The least time between two steps that only timers ask for.
const LEAST_SLEEP: Duration = Duration::from_millis(10);

/// The commit task and the ends of its queues.
#[derive(Debug)]
pub struct Commit {
    /// What it decides by.
    pub core: Core,
    /// The queues from and to the broker.
    pub ends: Ends,
    /// What operators do.
    pub actions: mpsc::Receiver<OperatorAction>,
    /// What becomes of permits to work.
    pub permits: mpsc::Receiver<PermitAction>,
    /// What the readers of the store have done.
    pub reports: mpsc::Receiver<Report>,
    /// Where the live stream goes.
    pub live: broadcast::Sender<LiveEvent>,
    /// Woken after each step that stored something: notifier and forwarder.
    pub wake: [Arc<Notify>; 2],
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What may be deleted.
    pub bounds: Bounds,
    /// Counts the steps, for whoever wants to know that they are taken.
    pub steps: watch::Sender<u64>,
    /// The clock of the program.
    pub clock: MonotonicClock,
}

impl Commit {
    /// Works until `stop`, then stores what is left and the engines' states.
    ///
    /// # Errors
    ///
    /// Where something could not be stored: the program must end.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut task = Running {
            it: self,
            waiting: VecDeque::new(),
            unsent: Unsent::default(),
            tidy_at: now + TIDY_EVERY,
            crowded: false,
        };
        task.step(Work {
            also: Also::Start,
            ..Work::default()
        })?;
        loop {
            let work = tokio::select! {
                () = stop.cancelled() => break,
                work = task.gather() => work,
            };
            task.step(work)?;
            task.seal()?;
            task.tidy()?;
        }
        task.it.ends.messages.close();
        while let Some(message) = task.it.ends.messages.recv().await {
            task.waiting.push_back(message);
        }
        while !task.waiting.is_empty() {
            let messages = next_batch(&mut task.waiting);
            task.step(Work {
                messages,
                ..Work::default()
            })?;
        }
        task.step(Work {
            also: Also::Snapshot,
            ..Work::default()
        })
    }
}

/// The task at work.
struct Running {
    it: Commit,
    /// Messages that did not fit into the last batch.
    waiting: VecDeque<Delivery>,
    /// What the broker has not been told yet.
    unsent: Unsent,
    tidy_at: Instant,
    /// Whether the store was over its bound in bytes.
    crowded: bool,
}

impl Running {
    /// Waits for something to do, and a little for more of it.
    ///
    /// Nothing is lost when this is given up half-way: what was received is in `waiting`.
    async fn gather(&mut self) -> Work {
        let mut work = Work::default();
        let mut first = Vec::new();
        let until = self.wake_at();
        let mut connected = false;
        let it = &mut self.it;
        if self.waiting.is_empty() {
            tokio::select! {
                _ = it.ends.messages.recv_many(&mut first, BATCH) => {}
                Some(action) = it.actions.recv() => work.actions.push(action),
                Some(permit) = it.permits.recv() => work.permits.push(permit),
                Some(report) = it.reports.recv() => work.reports.push(report),
                Ok(()) = it.ends.connections.changed() => connected = true,
                Ok(permit) = it.ends.outgoing.reserve(), if !self.unsent.is_empty() => {
                    if let Some(message) = self.unsent.pop() {
                        permit.send(message);
                    }
                }
                () = sleep_until(until) => {}
            }
        }
        if connected {
            self.say_all_again();
        }
        self.waiting.extend(first);
        self.gather_more(&mut work).await;
        work.messages = next_batch(&mut self.waiting);
        work
    }

    /// Waits for a batch to fill, if one has begun; takes actions and reports that wait already.
    async fn gather_more(&mut self, work: &mut Work) {
        let until = Instant::now() + GATHER;
        while (1..BATCH).contains(&self.waiting.len()) {
            let mut more = Vec::new();
            let room = BATCH - self.waiting.len();
            let got = timeout_at(until, self.it.ends.messages.recv_many(&mut more, room)).await;
            self.waiting.extend(more);
            if !matches!(got, Ok(1..)) {
                break;
            }
        }
        while let Ok(action) = self.it.actions.try_recv() {
            work.actions.push(action);
        }
        while let Ok(permit) = self.it.permits.try_recv() {
            work.permits.push(permit);
        }
        while let Ok(report) = self.it.reports.try_recv() {
            work.reports.push(report);
        }
    }

    fn step(&mut self, work: Work) -> Result<(), StoreError> {
        let it = &mut self.it;
        let watched = it.live.receiver_count() > 0;
        let began = it.clock.now();
        let now = Now {
            utc: clock::now(),
            mono: began,
        };
        let effects = tokio::task::block_in_place(|| it.core.step(work, watched, now))?;
        effects.tally.count(&it.metrics);
        for (done, result) in effects.answers {
            // Whoever asked may have gone.
            let _ = done.send(result);
        }
        for (done, result) in effects.permits {
            let _ = done.send(result);
        }
        for event in effects.live {
            let _ = it.live.send(event);
        }
        self.unsent.extend(effects.outgoing);
        if effects.stored {
            it.metrics.commits.inc();
            it.metrics
                .commit_seconds
                .set((it.clock.now().0 - began.0).as_secs_f64());
            it.wake.iter().for_each(|wake| wake.notify_one());
        }
        it.steps.send_modify(|steps| *steps = steps.wrapping_add(1));
        self.flush();
        Ok(())
    }

    /// Hands to the broker's task what it has room for.
    fn flush(&mut self) {
        while let Some(message) = self.unsent.pop() {
            if let Err(error) = self.it.ends.outgoing.try_send(message) {
                self.unsent.put_back(error.into_inner());
                break;
            }
        }
    }

    fn say_all_again(&mut self) {
        self.unsent.extend(self.it.core.all_again(clock::now()));
    }

    /// Seals a little of what is no longer young; soon more, where there is more.
    fn seal(&mut self) -> Result<(), StoreError> {
        let it = &mut self.it;
        for _ in 0..SEALED {
            let sealed = tokio::task::block_in_place(|| it.core.writer().seal(clock::now()))?;
            if sealed == 0 {
                return Ok(());
            }
            it.metrics.sealed.inc_by(sealed as u64);
        }
        self.tidy_at = self.tidy_at.min(Instant::now() + TIDY_ON);
        Ok(())
    }

    fn tidy(&mut self) -> Result<(), StoreError> {
        if Instant::now() < self.tidy_at {
            return Ok(());
        }
        let it = &mut self.it;
        let (said, purged) = tokio::task::block_in_place(|| it.core.watch_over(clock::now()))?;
        self.unsent.extend(purged);
        let it = &mut self.it;
        if said {
            it.wake.iter().for_each(|wake| wake.notify_one());
        }
        let bounds = it.bounds;
        let deleted = tokio::task::block_in_place(|| it.core.writer().tidy(&bounds, clock::now()))?;
        for (kind, many) in deleted.by_kind() {
            count_many(&it.metrics.deleted, kind, many);
        }
        if deleted.crowded && !self.crowded {
            tracing::warn!("the hot store is full: the oldest go before their age");
        }
        self.crowded = deleted.crowded;
        let pause = if deleted.more() { TIDY_ON } else { TIDY_EVERY };
        self.tidy_at = Instant::now() + pause;
        Ok(())
    }

    /// When to step although nothing came.
    fn wake_at(&self) -> Instant {
        let (utc, mono) = self.it.core.deadlines();
        let by_utc = utc.map(|at| at - clock::now());
        let elapsed = self.it.clock.now().0;
        let by_mono = mono.map(|at| at.0.saturating_sub(elapsed));
        let soonest = [by_utc, by_mono]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(TIDY_EVERY);
        let step = Instant::now() + soonest.clamp(LEAST_SLEEP, TIDY_EVERY);
        step.min(self.tidy_at)
    }
}

/// The next batch of what waits.
fn next_batch(waiting: &mut VecDeque<Delivery>) -> Vec<Delivery> {
    let mut batch = Vec::new();
    let mut traces = 0;
    while batch.len() < BATCH && traces < BATCH_TRACES {
        let Some(message) = waiting.pop_front() else {
            break;
        };
        traces += usize::from(message.topic.ends_with("/trace"));
        batch.push(message);
    }
    batch
}

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
mod tests;
