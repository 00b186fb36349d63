//! The receiving half: says of each arriving record whether it is new, and what is stored so far.
//!
//! ```text
//!             offer                    commit                     due
//!  arrival ──────────▶ New    ──┐   (after the caller's   ──▶  Committed
//!                      Repeat   ├─▶  transaction)
//!                      Shed   ──┘
//! ```
//!
//! A [`Batch`] is what one transaction is going to close. Until [`Receiver::commit`] takes it, the
//! receiver has not changed, so a transaction that fails leaves nothing behind. The caller saves
//! [`Batch::changed`] in the same transaction as the records and loads it at the next start.
//!
//! A stream that is closed without holes and that its agent no longer holds leaves the published
//! state. It is remembered all the same: should it speak up again (a clone, a status that came late),
//! its repeats are still known for what they are.

use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Committed, Epoch, Limits, Monotonic, Ranges, Seq, VERSION};
use crate::id::{AgentId, StoreId};

/// After something arrived, the state is published within this time.
pub const PUBLISH_WITHIN: Duration = Duration::from_secs(1);

/// What is known of one stream; saved by the caller in the transaction that changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Whose it is.
    agent: AgentId,
    /// The numbers that are stored or lost.
    closed: Ranges,
    /// Those of them that are lost and would be stored if they came after all.
    lost: Ranges,
    /// Whether it has left the published state.
    retired: bool,
}

/// One record as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who sent it.
    pub agent: &'a AgentId,
    /// Its stream.
    pub epoch: Epoch,
    /// Its number.
    pub seq: Seq,
    /// Its size.
    pub bytes: u64,
    /// What a gap record names: numbers of one of the agent's streams that will never come.
    pub lost: Option<(Epoch, &'a Ranges)>,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Store it: it closes its number with this batch.
    New,
    /// Drop it: it is stored already, or will be with this batch.
    Repeat,
    /// Drop it, unstored and unclosed: it will be sent again.
    Shed(Shed),
}

/// Why a record is shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// It would open one range more than a stream may have.
    Ranges,
    /// Its stream is unknown and there are as many streams as there may be.
    Streams,
}

/// What one transaction closes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    touched: BTreeMap<Epoch, Stream>,
    lost: Vec<(Epoch, Seq, Seq)>,
    found: Vec<(Epoch, Seq)>,
    messages: usize,
    bytes: u64,
    publish: Publish,
}

/// How soon the state must go out after a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Publish {
    #[default]
    No,
    Soon,
    AtOnce,
}

/// The receiving half for one line and one site.
#[derive(Clone, Debug)]
pub struct Receiver {
    store: StoreId,
    limits: Limits,
    streams: BTreeMap<Epoch, Stream>,
    unpublished: usize,
    unpublished_bytes: u64,
    due: Option<Monotonic>,
}

impl Stream {
    const fn new(agent: AgentId) -> Self {
        Self {
            agent,
            closed: Ranges::new(),
            lost: Ranges::new(),
            retired: false,
        }
    }

    /// Whose stream it is.
    #[must_use]
    pub const fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The numbers that are stored or lost.
    #[must_use]
    pub const fn closed(&self) -> &Ranges {
        &self.closed
    }

    /// Whether it has left the published state.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.retired
    }

    /// Closes the numbers from `lo` to `hi`, none of them closed, if that opens no range too many.
    fn close(&mut self, lo: Seq, hi: Seq, limits: &Limits) -> bool {
        let fits =
            lo == Seq::FIRST || self.closed.touches(lo, hi) || !limits.is_crowded(&self.closed);
        if fits {
            self.closed.insert(lo, hi);
        }
        fits
    }
}

impl Batch {
    /// The streams as this batch leaves them: to be saved in its transaction.
    pub fn changed(&self) -> impl Iterator<Item = (Epoch, &Stream)> {
        self.touched.iter().map(|(epoch, stream)| (*epoch, stream))
    }

    /// The numbers that gap records closed as lost: to be counted and said.
    #[must_use]
    pub fn lost(&self) -> &[(Epoch, Seq, Seq)] {
        &self.lost
    }

    /// The numbers that were lost and whose record came after all.
    #[must_use]
    pub fn found(&self) -> &[(Epoch, Seq)] {
        &self.found
    }
}

impl Receiver {
    /// A receiver that goes on from what `saved` holds, and publishes its state at once.
    #[must_use]
    pub fn new(
        store: StoreId,
        limits: Limits,
        saved: BTreeMap<Epoch, Stream>,
        now: Monotonic,
    ) -> Self {
        Self {
            store,
            limits,
            streams: saved,
            unpublished: 0,
            unpublished_bytes: 0,
            due: Some(now),
        }
    }

    /// Judges one arrival against what is stored and what `batch` is going to store.
    ///
    /// A gap record closes what it names before its own number. Where that does not fit, as much as
    /// opens no new range is closed and the record itself is shed: it comes again.
    pub fn offer(&self, batch: &mut Batch, arrival: &Arrival<'_>) -> Verdict {
        batch.publish = batch.publish.max(Publish::Soon);
        let Some(stream) = self.stream(batch, arrival.epoch, arrival.agent) else {
            return Verdict::Shed(Shed::Streams);
        };
        stream.retired = false;
        let (seq, known) = (arrival.seq, stream.closed.contains(arrival.seq));
        if known && !stream.lost.contains(seq) {
            return Verdict::Repeat;
        }
        if let Some((epoch, lost)) = arrival.lost
            && let Err(why) = self.lose(batch, arrival.agent, epoch, lost)
        {
            return Verdict::Shed(why);
        }
        let Some(stream) = self.stream(batch, arrival.epoch, arrival.agent) else {
            return Verdict::Shed(Shed::Streams);
        };
        if known {
            stream.lost.remove(seq, seq);
            batch.found.push((arrival.epoch, seq));
        } else if !stream.close(seq, seq, &self.limits) {
            return Verdict::Shed(Shed::Ranges);
        }
        batch.messages += 1;
        batch.bytes = batch.bytes.saturating_add(arrival.bytes);
        Verdict::New
    }

    /// Notes an agent's status: which epochs its spool holds, and whether it is there.
    pub fn status(&self, batch: &mut Batch, agent: &AgentId, held: &[Epoch], online: bool) {
        if online {
            batch.publish = Publish::AtOnce;
        }
        let mine: Vec<Epoch> = self
            .streams
            .keys()
            .chain(batch.touched.keys())
            .copied()
            .collect();
        for epoch in mine {
            let Some(stream) = batch
                .touched
                .get(&epoch)
                .or_else(|| self.streams.get(&epoch))
            else {
                continue;
            };
            let retired = !held.contains(&epoch) && stream.closed.whole().is_some();
            if stream.agent == *agent && stream.retired != retired {
                let mut stream = stream.clone();
                stream.retired = retired;
                batch.touched.insert(epoch, stream);
                batch.publish = batch.publish.max(Publish::Soon);
            }
        }
    }

    /// Takes over what the caller's transaction has stored.
    ///
    /// Gives the streams that are forgotten for good, the oldest of those that left the state long
    /// ago: the caller deletes what it saved of them.
    pub fn commit(&mut self, batch: Batch, now: Monotonic) -> Vec<Epoch> {
        self.streams.extend(batch.touched);
        self.unpublished = self.unpublished.saturating_add(batch.messages);
        self.unpublished_bytes = self.unpublished_bytes.saturating_add(batch.bytes);
        let quarter = self.unpublished * 4 >= self.limits.messages
            || self.unpublished_bytes >= self.limits.bytes / 4;
        match batch.publish {
            Publish::No => {}
            Publish::Soon if !quarter => self.publish_by(now + PUBLISH_WITHIN),
            Publish::Soon | Publish::AtOnce => self.publish_by(now),
        }
        self.forget()
    }

    /// Notes that a record met a full queue and was shed before it could be offered.
    pub fn shed(&mut self, now: Monotonic) {
        self.publish_by(now + PUBLISH_WITHIN);
    }

    /// The state to publish, when it is time.
    pub fn due(&mut self, now: Monotonic) -> Option<Committed> {
        self.due.take_if(|due| *due <= now)?;
        (self.unpublished, self.unpublished_bytes) = (0, 0);
        Some(self.committed())
    }

    /// When to ask [`due`](Self::due) again, if nothing happens before.
    #[must_use]
    pub const fn deadline(&self) -> Option<Monotonic> {
        self.due
    }

    /// The whole state as it is published.
    #[must_use]
    pub fn committed(&self) -> Committed {
        let live = self.streams.iter().filter(|(_, stream)| !stream.retired);
        let streams = live
            .map(|(epoch, stream)| (*epoch, stream.closed.clone()))
            .collect();
        Committed {
            v: VERSION,
            store: self.store.clone(),
            streams,
        }
    }

    /// Everything that is known, to be saved whole.
    #[must_use]
    pub const fn streams(&self) -> &BTreeMap<Epoch, Stream> {
        &self.streams
    }

    fn publish_by(&mut self, at: Monotonic) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// The batch's copy of a stream, made at its first touch.
    fn stream<'a>(
        &self,
        batch: &'a mut Batch,
        epoch: Epoch,
        agent: &AgentId,
    ) -> Option<&'a mut Stream> {
        if !batch.touched.contains_key(&epoch) {
            let known = self.streams.get(&epoch).cloned();
            let stream = match known {
                Some(stream) => stream,
                None if self.is_full(batch) => return None,
                None => Stream::new(agent.clone()),
            };
            batch.touched.insert(epoch, stream);
        }
        batch.touched.get_mut(&epoch)
    }

    fn is_full(&self, batch: &Batch) -> bool {
        let fresh = batch
            .touched
            .keys()
            .filter(|epoch| !self.streams.contains_key(epoch))
            .count();
        let live = self
            .streams
            .values()
            .filter(|stream| !stream.retired)
            .count();
        live + fresh >= self.limits.streams
    }

    /// Closes what a gap names, as far as it fits; what is stored stays stored.
    fn lose(
        &self,
        batch: &mut Batch,
        agent: &AgentId,
        epoch: Epoch,
        names: &Ranges,
    ) -> Result<(), Shed> {
        let stream = self.stream(batch, epoch, agent).ok_or(Shed::Streams)?;
        stream.retired = false;
        let mut closed = Vec::new();
        let mut all = true;
        for (lo, hi) in names.without(&stream.closed).iter() {
            if stream.close(lo, hi, &self.limits) {
                stream.lost.insert(lo, hi);
                closed.push((epoch, lo, hi));
            } else {
                all = false;
            }
        }
        while stream.lost.len() > self.limits.ranges {
            stream.lost.pop_first();
        }
        batch.lost.append(&mut closed);
        if all { Ok(()) } else { Err(Shed::Ranges) }
    }

    fn forget(&mut self) -> Vec<Epoch> {
        let retired: Vec<Epoch> = self
            .streams
            .iter()
            .filter(|(_, s)| s.retired)
            .map(|(epoch, _)| *epoch)
            .collect();
        let too_many = retired.len().saturating_sub(self.limits.streams);
        let oldest: Vec<Epoch> = retired.into_iter().take(too_many).collect();
        for epoch in &oldest {
            self.streams.remove(epoch);
        }
        oldest
    }
}

#[cfg(test)]
mod tests;
