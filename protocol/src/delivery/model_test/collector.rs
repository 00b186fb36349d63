//! A collector in the model: a queue, a receiver, and a store that checks every row.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Seen;
use super::machine::Message;
use crate::delivery::receiver::{Arrival, Batch, Receiver, Stream, Verdict};
use crate::delivery::{Committed, Epoch, Limits, Monotonic, Seq};
use crate::id::AgentId;

const BATCH_EVERY: Duration = Duration::from_millis(50);

/// What a transaction writes, and what a copy of the store brings back.
#[derive(Clone, Debug, Default)]
struct Store {
    rows: BTreeSet<(Epoch, Seq)>,
    lost: BTreeSet<(Epoch, Seq)>,
    streams: BTreeMap<Epoch, Stream>,
}

pub(super) struct Collector {
    limits: Limits,
    queue_size: usize,
    agent: AgentId,
    store: Store,
    copy: Option<Store>,
    receiver: Option<Receiver>,
    queue: VecDeque<Message>,
    batch_at: Option<Monotonic>,
    retained: Option<Committed>,
}

impl Collector {
    pub(super) fn new(limits: Limits, queue_size: usize) -> Self {
        Self {
            limits,
            queue_size,
            agent: "main".parse().unwrap(),
            store: Store::default(),
            copy: None,
            receiver: None,
            queue: VecDeque::new(),
            batch_at: None,
            retained: None,
        }
    }

    pub(super) fn start(&mut self, now: Monotonic) {
        if self.receiver.is_none() {
            let name = "store".parse().unwrap();
            self.receiver = Some(Receiver::new(
                name,
                self.limits,
                self.store.streams.clone(),
                now,
            ));
        }
    }

    /// Dies with a batch taken and not committed.
    pub(super) fn crash(&mut self) {
        self.receiver = None;
        self.queue.clear();
        self.batch_at = None;
    }

    pub(super) fn save_copy(&mut self) {
        self.copy = Some(self.store.clone());
    }

    pub(super) fn restore_copy(&mut self, now: Monotonic) -> bool {
        let Some(copy) = self.copy.clone() else {
            return false;
        };
        self.crash();
        self.store = copy;
        self.start(now);
        true
    }

    pub(super) fn arrive(&mut self, message: Message, now: Monotonic, seen: &mut Seen) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        if self.queue.len() >= self.queue_size && message.held.is_none() {
            receiver.shed(now);
            seen.shed_at_queue += 1;
            return;
        }
        self.queue.push_back(message);
        self.batch_at.get_or_insert(now + BATCH_EVERY);
    }

    /// Commits what is due, and gives the state if it is time to publish it.
    pub(super) fn work(&mut self, now: Monotonic, seen: &mut Seen) -> Option<Committed> {
        if self.batch_at.take_if(|at| *at <= now).is_some() {
            self.transaction(now, seen);
        }
        let state = self.receiver.as_mut()?.due(now);
        if state.is_some() {
            self.retained.clone_from(&state);
        }
        state
    }

    pub(super) fn retained(&self) -> Option<Committed> {
        self.retained.clone()
    }

    pub(super) fn deadline(&self, now: Monotonic) -> Option<Monotonic> {
        let due = self
            .receiver
            .as_ref()
            .and_then(Receiver::deadline)
            .map(|due| due.max(now));
        self.batch_at.into_iter().chain(due).min()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self
                .receiver
                .as_ref()
                .is_none_or(|r| r.deadline().is_none())
    }

    pub(super) fn state(&self) -> Committed {
        self.receiver.as_ref().unwrap().committed()
    }

    pub(super) fn is_stored(&self, epoch: Epoch, seq: Seq) -> bool {
        self.store.rows.contains(&(epoch, seq))
    }

    pub(super) fn stream(&self, epoch: Epoch) -> Option<&Stream> {
        self.store.streams.get(&epoch)
    }

    pub(super) fn is_lost(&self, epoch: Epoch, seq: Seq) -> bool {
        self.store.lost.contains(&(epoch, seq))
    }

    fn transaction(&mut self, now: Monotonic, seen: &mut Seen) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let mut batch = Batch::default();
        let mut rows = Vec::new();
        for message in self.queue.drain(..) {
            if let Some(held) = &message.held {
                receiver.status(&mut batch, &self.agent, held, true);
                continue;
            }
            let lost = message
                .lost
                .as_ref()
                .map(|(epoch, ranges)| (*epoch, ranges));
            let (epoch, seq, bytes) = (message.epoch, message.seq, message.bytes);
            let arrival = Arrival {
                agent: &self.agent,
                epoch,
                seq,
                bytes,
                lost,
            };
            match receiver.offer(&mut batch, &arrival) {
                Verdict::New => rows.push((epoch, seq)),
                Verdict::Repeat => seen.repeats += 1,
                Verdict::Shed(_) => seen.shed += 1,
            }
        }
        for &(epoch, lo, hi) in batch.lost() {
            for number in lo.get()..=hi.get() {
                let key = (epoch, Seq::new(number).unwrap());
                assert!(!self.store.rows.contains(&key), "lost, but stored: {key:?}");
                assert!(self.store.lost.insert(key), "lost twice: {key:?}");
            }
        }
        for key in batch.found() {
            assert!(
                self.store.lost.remove(key),
                "found, but never lost: {key:?}"
            );
            seen.found += 1;
        }
        for key in rows {
            assert!(self.store.rows.insert(key), "stored twice: {key:?}");
            assert!(!self.store.lost.contains(&key), "stored, but lost: {key:?}");
        }
        for (epoch, stream) in batch.changed() {
            seen.retired += usize::from(stream.is_retired());
            self.store.streams.insert(epoch, stream.clone());
        }
        for epoch in receiver.commit(batch, now) {
            self.store.streams.remove(&epoch);
        }
        let closed = |stream: &Stream| stream.closed().len() <= self.limits.ranges;
        assert!(
            receiver.streams().values().all(closed),
            "more ranges than allowed"
        );
    }
}
