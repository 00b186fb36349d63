//! What leaves the spool, and that its leaving is said.
//!
//! Room is made in this order, each oldest first: what is committed, plain samples, traces, events.
//! Gap records never leave for room. Whatever leaves uncommitted is named in a gap record by the same
//! transaction, in the current stream of its line, whichever epoch it was of.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::delivery::sender::Class;
use silkline_protocol::delivery::{Ranges, Seq, unaccounted};
use silkline_protocol::message::{Body, Gap};
use silkline_protocol::time::Timestamp;

use super::disk::{self, Slot};
use super::writer::Writer;
use super::{SpoolError, StreamId};

/// How often the spool looks for what may leave.
pub(super) const TIDY_EVERY: Duration = Duration::from_secs(10);

/// The most records that leave in one transaction, so that none takes long.
const STEP: usize = 2_000;

/// A full spool is emptied to this share of its bound, so that gaps are few and long.
const LOW_WATER_PERCENT: u64 = 95;

/// Streams of old epochs that are kept although all of them is committed: an agent that starts over
/// and over makes a stream each time, and each is listed in every status.
const KEPT_STREAMS: usize = 256;

/// A stream's row outlives its last record by this, so that a restored collector can still be told
/// what became of its numbers.
const ROW_KEEP: Duration = Duration::from_secs(30 * 86_400);

/// Above this many uncommitted gap records they are made few again.
const OPEN_GAPS: usize = 8;

/// What left uncommitted in a transaction, and why: said in its gap records.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    kinds: BTreeSet<&'static str>,
    whys: BTreeSet<String>,
}

impl Causes {
    pub(super) fn add(&mut self, kind: &'static str, why: &str) {
        self.kinds.insert(kind);
        self.whys.insert(why.to_owned());
    }

    fn kind(&self) -> String {
        let one = self.kinds.first().filter(|_| self.kinds.len() == 1);
        one.copied().unwrap_or("mixed").to_owned()
    }

    fn why(&self) -> String {
        if self.whys.is_empty() {
            return "asked for again after it was let go of as committed".to_owned();
        }
        self.whys
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

impl Writer {
    /// Lets what is old leave, and makes room where there is too little.
    pub(super) fn tidy(&mut self, now: Timestamp) -> Result<(), SpoolError> {
        self.expire_kept(now)?;
        if let Some(age) = self.settings.max_age {
            for (id, row) in self.rows() {
                self.expire(
                    id,
                    &row.open(),
                    now - age,
                    Some("older than the spool may hold"),
                )?;
            }
        }
        self.seal()?;
        self.forget_streams(now)
    }

    /// Makes room down to the low water mark, if there is more than may be.
    pub(super) fn make_room(&mut self) -> Result<(), SpoolError> {
        let most = self.settings.max_bytes;
        if self.ledger.bytes() <= most {
            return Ok(());
        }
        let target = most / 100 * LOW_WATER_PERCENT;
        let mut budget = STEP;
        for (id, row) in self.rows() {
            for span in row.kept().iter() {
                budget = self.empty_to(target, None, (id, span.0, span.1), budget)?;
            }
        }
        for class in [Class::Sample, Class::Trace, Class::Event] {
            for (id, row) in self.rows() {
                let Some(newest) = row.newest else { continue };
                budget = self.empty_to(target, Some(class), (id, Seq::FIRST, newest), budget)?;
            }
        }
        Ok(())
    }

    /// Names in gap records what is gone and that nobody has spoken of.
    pub(super) fn account(&mut self, now: Timestamp) -> Result<(), SpoolError> {
        if self.named.is_none() {
            self.named = Some(self.read_named()?);
        }
        if self.unaccounted().is_empty() {
            return Ok(());
        }
        self.merge_gaps()?;
        let causes = core::mem::take(&mut self.causes);
        for (id, lost) in self.unaccounted() {
            let Some(row) = self.ledger.row(id).cloned() else {
                continue;
            };
            let list = Vec::from(lost);
            for part in list.chunks(Ranges::MAX_ON_WIRE) {
                let gap = Gap {
                    epoch: row.epoch,
                    lost: part.to_vec(),
                    kind: causes.kind(),
                    why: causes.why(),
                };
                self.put(&row.line, &Body::Gap(gap), now)?;
            }
        }
        self.named = Some(self.read_named()?);
        Ok(())
    }

    /// Removes one record that cannot be delivered.
    pub(super) fn give_up(
        &mut self,
        stream: StreamId,
        seq: Seq,
        why: &str,
    ) -> Result<(), SpoolError> {
        self.unseal(stream, seq)?;
        if let Some((slot, class)) = disk::find(&self.file, stream, seq)? {
            self.count(class, 1, why);
            self.let_go(&[slot])?;
        }
        Ok(())
    }

    fn expire_kept(&mut self, now: Timestamp) -> Result<(), SpoolError> {
        let rows = self.rows();
        let settled = |row: &super::ledger::Row| row.held() > 0 && row.open().is_empty();
        let spare = rows
            .iter()
            .filter(|(_, row)| settled(row))
            .count()
            .saturating_sub(KEPT_STREAMS);
        let mut spared = 0;
        for (id, row) in rows {
            let is_spare = settled(&row) && spared < spare && row.epoch != self.epoch();
            spared += usize::from(is_spare);
            let before = if is_spare {
                now + ROW_KEEP
            } else {
                now - self.settings.keep
            };
            self.expire(id, &row.kept(), before, None)?;
        }
        Ok(())
    }

    /// Removes the records of `span` taken in before a time; counts them as dropped if there is a why.
    fn expire(
        &mut self,
        id: StreamId,
        span: &Ranges,
        before: Timestamp,
        why: Option<&str>,
    ) -> Result<(), SpoolError> {
        for (lo, hi) in span.iter() {
            let (slots, is_all) = disk::slots(&self.file, None, (id, lo, hi), STEP)?;
            let (all, mut old) = (slots.len(), slots);
            old.retain(|slot| slot.at < before);
            if let Some(why) = why {
                for slot in &old {
                    let class = disk::find(&self.file, id, slot.seq)?.map(|(_, class)| class);
                    self.count(class.unwrap_or(-1), self.open_in(slot), why);
                }
            }
            let done = old.len() < all;
            self.has_more |= !done && !is_all;
            self.let_go(&old)?;
            if done {
                break;
            }
        }
        Ok(())
    }

    /// Removes records of a span until the target is met; gives what is left of the budget.
    fn empty_to(
        &mut self,
        target: u64,
        class: Option<Class>,
        span: (StreamId, Seq, Seq),
        budget: usize,
    ) -> Result<usize, SpoolError> {
        let mut excess = self.ledger.bytes().saturating_sub(target);
        if excess == 0 || budget == 0 {
            return Ok(budget);
        }
        let (mut slots, _) = disk::slots(&self.file, class, span, budget)?;
        slots.retain(|slot| {
            let wanted = excess > 0;
            excess = excess.saturating_sub(slot.bytes);
            wanted
        });
        if let Some(class) = class {
            let open = slots.iter().map(|slot| self.open_in(slot)).sum();
            self.count(disk::class_number(class), open, "the spool was full");
        }
        self.let_go(&slots)?;
        Ok(budget - slots.len())
    }

    /// How many records of a slot no collector has committed.
    pub(super) fn open_in(&self, slot: &Slot) -> u64 {
        let mut all = Ranges::new();
        all.insert(slot.seq, slot.last);
        let row = self.ledger.row(slot.stream);
        row.map_or(0, |row| all.without(&row.committed).count())
    }

    pub(super) fn let_go(&mut self, slots: &[Slot]) -> Result<(), SpoolError> {
        for slot in slots {
            let span = (slot.seq, slot.last);
            disk::remove(&self.file, slot.stream, span)?;
            self.ledger.let_go(slot.stream, span, slot.bytes);
        }
        if !slots.is_empty() {
            self.named = None;
            self.written.lost();
        }
        Ok(())
    }

    fn forget_streams(&mut self, now: Timestamp) -> Result<(), SpoolError> {
        for (id, row) in self.rows() {
            let over = row.held() == 0 && row.epoch != self.epoch() && row.born + ROW_KEEP < now;
            if over && row.committed.covers(&row.gone) {
                disk::remove_stream(&self.file, id)?;
                self.ledger.remove(id);
            }
        }
        Ok(())
    }

    fn unaccounted(&self) -> Vec<(StreamId, Ranges)> {
        let none = Ranges::new();
        let named = |id: StreamId| {
            self.named
                .as_ref()
                .and_then(|named| named.get(&id))
                .unwrap_or(&none)
        };
        self.ledger
            .rows()
            .map(|(id, row)| (id, unaccounted(&row.gone, &row.committed, named(id))))
            .filter(|(_, lost)| !lost.is_empty())
            .collect()
    }

    /// What the gap records held speak of, stream by stream.
    fn read_named(&self) -> Result<BTreeMap<StreamId, Ranges>, SpoolError> {
        let mut named: BTreeMap<StreamId, Ranges> = BTreeMap::new();
        for (slot, gap) in disk::gaps(&self.file)? {
            let line = self.ledger.row(slot.stream).map(|row| &row.line);
            let about = line.and_then(|line| self.ledger.find(line, gap.epoch));
            if let (Some(id), Ok(lost)) = (about, Ranges::try_from(gap.lost)) {
                let named = named.entry(id).or_default();
                lost.iter().for_each(|(lo, hi)| named.insert(lo, hi));
            }
        }
        Ok(named)
    }

    /// Many uncommitted gap records become few: they leave, and what they named is named anew.
    ///
    /// A receiver that is short of ranges takes the gap that names its lowest hole first; that one must
    /// be within the sender's smallest window.
    fn merge_gaps(&mut self) -> Result<(), SpoolError> {
        let mut open: Vec<Slot> = disk::gaps(&self.file)?
            .into_iter()
            .map(|(slot, _)| slot)
            .collect();
        open.retain(|slot| {
            self.ledger
                .row(slot.stream)
                .is_some_and(|row| !row.committed.contains(slot.seq))
        });
        if open.len() > OPEN_GAPS {
            self.count(
                disk::class_number(Class::Gap),
                open.len() as u64,
                "several causes",
            );
            self.let_go(&open)?;
            self.named = Some(self.read_named()?);
        }
        Ok(())
    }

    pub(super) fn count(&mut self, class: i64, records: u64, why: &str) {
        if records == 0 {
            return;
        }
        let (counter, kind) = match class {
            0 => (&mut self.dropped.gaps, "mixed"),
            1 => (&mut self.dropped.events, "event"),
            2 => (&mut self.dropped.traces, "trace"),
            _ => (&mut self.dropped.samples, "sample"),
        };
        *counter += records;
        self.causes.add(kind, why);
    }
}
