//! What the writer does while the disk takes nothing: full, read-only, or broken.
//!
//! ```text
//!              disk error                      the disk takes a transaction
//!   on disk ───────────────▶ in memory ────────────────────────────────────▶ on disk
//!                              │    ▲                  with all that was held, in order
//!                              └────┘ tried again each second
//! ```
//!
//! Records go on getting their numbers and are sent from memory; what a collector has committed is safe
//! without the disk. Beyond [`MOST`](super::refuge::MOST) bytes some are let go of, counted by kind, and named to the
//! collector once there is a disk again. A power cut loses what is held: whoever must not lose a thing,
//! as a folder with a trace's file, waits until the disk or a collector has it.

use core::time::Duration;

use silkline_protocol::delivery::Seq;
use silkline_protocol::id::LineId;
use silkline_protocol::message::Body;
use tokio::sync::oneshot;

use super::account::Counts;
use super::disk::{self, Letter, Slot};
use super::refuge::Kept;
use super::writer::Writer;
use super::{Order, Outgoing, SpoolError, StreamId, Task};
use crate::clock::Moment;

/// How soon the disk is tried again, at least.
const RETRY: Duration = Duration::from_secs(1);
/// A disk that takes long to fail is tried for no more than a fifth of the time.
const REST: u32 = 4;

/// A time in which the disk takes nothing.
#[derive(Debug)]
pub(super) struct Outage {
    /// What it said last.
    pub(super) why: SpoolError,
    retry_at: Moment,
    /// Who waits until a record is on the disk or with a collector.
    waiting: Vec<(StreamId, Seq, Answer)>,
}

type Answer = oneshot::Sender<Result<(), SpoolError>>;
type Settled = (Order, Result<(), SpoolError>);

impl Writer {
    /// Carries out orders, on the disk or else in memory; gives each with what came of it, but for those
    /// that have to wait.
    pub(super) fn take(&mut self, batch: &mut Vec<Order>) -> Vec<Settled> {
        let result = self.attempt(batch);
        self.fault = result.as_ref().err().cloned();
        match result {
            Err(error @ SpoolError::Disk(_)) => {
                let orders = batch.drain(..);
                let settled = orders.filter_map(|order| self.hold(order, &error));
                let settled = settled.collect();
                self.make_room_in_memory(&error);
                settled
            }
            result => {
                if result.is_err() {
                    for order in batch.iter() {
                        self.refused += order.task.records();
                    }
                }
                batch
                    .drain(..)
                    .map(|order| (order, result.clone()))
                    .collect()
            }
        }
    }

    /// The disk has taken what was held.
    pub(super) fn recovered(&mut self) {
        let Some(outage) = self.outage.take() else {
            return;
        };
        let records = self.refuge.counts().total();
        self.refuge.clear();
        tracing::info!(records, "the disk takes records again");
        for (.., answer) in outage.waiting {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(Ok(()));
        }
    }

    /// Writes what is held, as a part of a transaction.
    pub(super) fn flush(&mut self) -> Result<(), SpoolError> {
        let refuge = self.refuge.clone();
        for kept in refuge.each() {
            let Kept { slot, letter, .. } = kept;
            let packed = self.templates.pack(&self.file, &letter)?;
            let bytes = packed.as_ref().map_or(slot.bytes, |packed| packed.bytes());
            let own = Slot { bytes, ..slot };
            match &packed {
                Some(packed) => {
                    let numbers = (packed.template, packed.numbers.as_slice());
                    disk::put_packed(&self.file, &own, &letter, numbers)?;
                }
                None => disk::put(&self.file, &own, &letter)?,
            }
            if kept.is_about {
                disk::put_about(&self.file, &own, self.epoch(), &letter)?;
            }
            self.ledger.repacked(slot.stream, (slot.bytes, bytes));
            self.written.put(slot.stream, slot.seq, bytes, letter);
        }
        Ok(())
    }

    /// Has the disk tried with the next order.
    #[cfg(test)]
    pub(super) const fn try_now(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.retry_at = Moment::START;
        }
    }

    /// Tries the disk, where it is time to.
    fn attempt(&mut self, batch: &[Order]) -> Result<(), SpoolError> {
        let begun = self.clock.moment();
        if let Some(outage) = self
            .outage
            .as_ref()
            .filter(|outage| begun < outage.retry_at)
        {
            return Err(outage.why.clone());
        }
        let mut result = self.transact(batch.iter().map(|order| &order.task));
        if let Err(error @ SpoolError::Refused(_)) = &result
            && !self.refuge.is_empty()
        {
            // One of these is to blame, and would be for ever.
            self.give_up_held(error);
            result = self.transact(batch.iter().map(|order| &order.task));
        }
        if let Err(why @ SpoolError::Disk(_)) = &result {
            self.fails(why, begun);
        }
        result
    }

    /// Notes that the disk did not take a transaction.
    fn fails(&mut self, why: &SpoolError, begun: Moment) {
        let now = self.clock.moment();
        let retry_at = now + RETRY.max((now - begun) * REST);
        match &mut self.outage {
            Some(outage) => {
                outage.retry_at = retry_at;
                outage.why = why.clone();
            }
            None => {
                tracing::error!(error = %why, "the disk takes nothing: records are kept in memory");
                self.outage = Some(Outage {
                    why: why.clone(),
                    retry_at,
                    waiting: Vec::new(),
                });
            }
        }
    }

    /// Takes an order without the disk; nothing where its answer has to wait.
    fn hold(&mut self, order: Order, error: &SpoolError) -> Option<Settled> {
        let kept = match &order.task {
            Task::Append(Outgoing { lines, body }) => {
                let is_about = matches!(body, Body::About(..));
                let site = self.settings.site.clone();
                let letter = |line: &LineId| Letter::new(line, &site, body);
                self.keep_all(lines, is_about, letter)
            }
            Task::Sample(lines, device, sample) => {
                let site = self.settings.site.clone();
                let letter =
                    |line: &LineId| Letter::of_sample((line, &site, device), sample.payload());
                self.keep_all(lines, false, letter)
            }
            Task::Committed(line, state) => {
                self.ledger.believe(line, state);
                self.tell_those_who_wait();
                Ok(None)
            }
            Task::Drop(stream, seq, why) => self.give_up_one((*stream, *seq), why),
            Task::Rebound(bounds) => {
                self.rebound(*bounds);
                Ok(None)
            }
            Task::Sync => Err(()),
        };
        let Ok(last) = kept else {
            return Some((order, Err(error.clone())));
        };
        match (last, &mut self.outage, order) {
            (
                Some((stream, seq)),
                Some(outage),
                Order {
                    task:
                        Task::Append(Outgoing {
                            body: Body::Trace(..),
                            ..
                        }),
                    done: Some(answer),
                },
            ) => {
                outage.waiting.push((stream, seq, answer));
                None
            }
            (.., order) => Some((order, Ok(()))),
        }
    }

    /// Keeps a record for each of these lines; gives the last. A line that the disk has never heard of has
    /// no stream, and what is for it is refused.
    fn keep_all(
        &mut self,
        lines: &[LineId],
        is_about: bool,
        letter: impl Fn(&LineId) -> Letter,
    ) -> Result<Option<(StreamId, Seq)>, ()> {
        let at = self.clock.now();
        let mut last = Err(());
        for line in lines {
            let letter = letter(line);
            let (class, bytes) = (letter.class, letter.bytes());
            let stream = self.ledger.find(line, self.epoch());
            let seq = stream.and_then(|stream| self.ledger.next(stream, class, bytes));
            let (Some(stream), Some(seq)) = (stream, seq) else {
                self.refused += Counts::one(class);
                continue;
            };
            let slot = Slot {
                stream,
                seq,
                last: seq,
                at,
                bytes,
            };
            self.recent.is_held(stream, class, seq);
            self.refuge.put(Kept {
                slot,
                letter,
                is_about,
            });
            last = Ok(Some((stream, seq)));
        }
        last
    }

    /// Tells those who wait for a record that a collector has by now.
    fn tell_those_who_wait(&mut self) {
        let Some(outage) = &mut self.outage else {
            return;
        };
        for (stream, seq, answer) in core::mem::take(&mut outage.waiting) {
            let row = self.ledger.row(stream);
            if row.is_some_and(|row| row.committed.contains(seq)) {
                let _ = answer.send(Ok(()));
            } else {
                outage.waiting.push((stream, seq, answer));
            }
        }
    }

    /// Lets go of a record that is only in memory and can't be delivered; one on the disk stays.
    fn give_up_one(
        &mut self,
        (stream, seq): (StreamId, Seq),
        why: &str,
    ) -> Result<Option<(StreamId, Seq)>, ()> {
        let kept = self.refuge.remove(stream, seq).ok_or(())?;
        self.lost(&kept, why);
        Ok(None)
    }

    fn make_room_in_memory(&mut self, error: &SpoolError) {
        let ledger = &self.ledger;
        let gone = self.refuge.make_room(|slot| {
            let row = ledger.row(slot.stream);
            row.is_some_and(|row| row.committed.contains(slot.seq))
        });
        for kept in gone {
            self.lost(&kept, "the disk took nothing and memory was full");
            let Some(outage) = &mut self.outage else {
                continue;
            };
            let at = |(stream, seq, _): &(StreamId, Seq, Answer)| {
                (*stream, *seq) == (kept.slot.stream, kept.slot.seq)
            };
            if let Some(waits) = outage.waiting.iter().position(at) {
                let _ = outage.waiting.swap_remove(waits).2.send(Err(error.clone()));
            }
        }
    }

    /// Lets go of all that is held, since the disk will never take it.
    fn give_up_held(&mut self, error: &SpoolError) {
        let records = self.refuge.counts().total();
        tracing::error!(%error, records, "what was kept in memory can never be written: it is given up");
        let refuge = self.refuge.clone();
        for kept in refuge.each() {
            self.lost(&kept, "it could not be written");
        }
        self.refuge.clear();
        for (.., answer) in self
            .outage
            .take()
            .into_iter()
            .flat_map(|outage| outage.waiting)
        {
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Notes that a record has left memory and is nowhere else.
    fn lost(&mut self, Kept { slot, letter, .. }: &Kept, why: &str) {
        let class = disk::class_number(letter.class);
        self.count(class, self.open_in(slot), why);
        self.ledger
            .let_go(slot.stream, (slot.seq, slot.last), slot.bytes);
        self.named = None;
    }
}
