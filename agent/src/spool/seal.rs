//! Samples that wait long are sealed: a run of them becomes one block, a sixth as large.
//!
//! ```text
//!   ▒▒▒▒▒▒▒▒▒▒▒▒│▒▒▒▒▒▒▒▒▒▒▒▒│ · · · · · · · · · · ·│· · · · · · · · ·
//!      block        block       waits to be sealed      the newest: never
//! ```
//!
//! Only what no collector has committed is sealed, so an agent that delivers spends nothing on it. A step
//! is a block and belongs to the transaction that it happens to fall into.

use silkline_protocol::delivery::{Ranges, Seq};

use super::block::{self, Sealed};
use super::disk::{self, Slot};
use super::sealed::{self, Candidate};
use super::writer::Writer;
use super::{SpoolError, StreamId};

/// The newest records of a stream, which are left alone: those that may soon be sent, and among which
/// the newest of each device are looked for.
pub(super) const LIVE: u64 = 5_000;
/// A shorter run is not worth a block.
const LEAST: usize = 64;

impl Writer {
    /// Seals a block, where there is one to be sealed.
    pub(super) fn seal(&mut self) -> Result<(), SpoolError> {
        for (id, row) in self.rows() {
            let newest = row.newest.map_or(0, Seq::get);
            let Some(to) = Seq::new(newest.saturating_sub(LIVE)) else {
                continue;
            };
            let from = self.sealed_to.get(&id).copied().unwrap_or(Seq::FIRST);
            let Some((lo, hi)) = next_span(&row.open(), (from, to)) else {
                continue;
            };
            if self.seal_in((id, lo, hi), hi == to)? {
                self.has_more = true;
                break;
            }
        }
        Ok(())
    }

    /// Takes a record out of the block that it lies in, and with it all others of that block. A block
    /// that can't be read is let go of as a whole.
    pub(super) fn unseal(&mut self, stream: StreamId, seq: Seq) -> Result<(), SpoolError> {
        let Some(held) = sealed::around(&self.file, stream, seq)? else {
            return Ok(());
        };
        let slot = held.slot;
        if let Some(samples) = sealed::samples(&self.file, &held)? {
            let bytes = sealed::take_apart(&self.file, &slot, &samples)?;
            self.ledger.repacked(stream, (slot.bytes, bytes));
            return Ok(());
        }
        let open = self.open_in(&slot);
        self.count(-1, open, "a block of samples was damaged");
        self.let_go(&[slot])
    }

    /// Looks at the first records of a span that are not sealed; says whether there may be more to do.
    fn seal_in(
        &mut self,
        (id, lo, hi): (StreamId, Seq, Seq),
        grows: bool,
    ) -> Result<bool, SpoolError> {
        let (candidates, is_full) = sealed::candidates(&self.file, (id, lo, hi))?;
        let run = run(&candidates);
        let is_all = run == candidates.len();
        if !is_full && is_all && grows {
            if let Some(first) = candidates.first() {
                self.sealed_to.insert(id, first.slot.seq);
            }
            return Ok(false);
        }
        let (whole, rest) = candidates.split_at_checked(run).unwrap_or_default();
        if run >= LEAST {
            self.put_block(id, whole)?;
        }
        let odd = rest.iter().take_while(|next| next.sealed.is_none()).count();
        let next = rest.get(odd).map(|next| next.slot.seq);
        let last = candidates.last().map_or(hi, |last| last.slot.seq);
        self.sealed_to
            .insert(id, next.unwrap_or_else(|| last.next()));
        Ok(true)
    }

    fn put_block(&mut self, id: StreamId, run: &[Candidate]) -> Result<(), SpoolError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(());
        };
        let samples: Vec<Sealed> = run.iter().filter_map(|one| one.sealed.clone()).collect();
        let body = block::seal(&samples).filter(|body| {
            block::open(body).is_some_and(|found| found.iter().eq(samples.iter().cloned()))
        });
        let Some(body) = body else {
            tracing::error!(first = %first.slot.seq, "samples cannot be sealed: they stay as they are");
            return Ok(());
        };
        let slot = Slot {
            last: last.slot.seq,
            at: run
                .iter()
                .map(|one| one.slot.at)
                .max()
                .unwrap_or(first.slot.at),
            bytes: sealed::bytes(&body),
            ..first.slot
        };
        let before = run.iter().map(|one| one.slot.bytes).sum();
        disk::remove(&self.file, id, (slot.seq, slot.last))?;
        sealed::put(&self.file, &slot, &body)?;
        self.ledger.repacked(id, (before, slot.bytes));
        Ok(())
    }
}

/// The first stretch of `open` from `from` to `to` that a block fits into.
fn next_span(open: &Ranges, (from, to): (Seq, Seq)) -> Option<(Seq, Seq)> {
    open.iter()
        .map(|(lo, hi)| (lo.max(from), hi.min(to)))
        .find(|(lo, hi)| hi.get() + 1 >= lo.get() + LEAST as u64)
}

/// How many candidates from the first on can become a block: numbers one after the other.
fn run(candidates: &[Candidate]) -> usize {
    let numbers = candidates.iter().map(|one| one.slot.seq);
    let first = numbers.clone().next().map_or(0, Seq::get);
    let dense = numbers
        .zip(first..)
        .take_while(|(seq, at)| seq.get() == *at);
    let sealable = candidates.iter().take_while(|one| one.sealed.is_some());
    dense.count().min(sealable.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn candidate(number: u64, is_sample: bool) -> Candidate {
        let slot = Slot {
            stream: StreamId(1),
            seq: seq(number),
            last: seq(number),
            at: silkline_protocol::time::Timestamp::EPOCH,
            bytes: 100,
        };
        let sealed = is_sample.then(|| Sealed {
            template: 1,
            words: 0,
            numbers: vec![1],
        });
        Candidate { slot, sealed }
    }

    #[test]
    fn a_run_ends_at_a_hole_and_at_what_is_no_sample() {
        let some = |of: &[(u64, bool)]| -> Vec<Candidate> {
            of.iter()
                .map(|(number, is)| candidate(*number, *is))
                .collect()
        };
        assert_eq!(run(&some(&[(4, true), (5, true), (6, true)])), 3);
        assert_eq!(run(&some(&[(4, true), (5, true), (7, true)])), 2);
        assert_eq!(run(&some(&[(4, true), (5, false), (6, true)])), 1);
        assert_eq!(run(&some(&[(4, false)])), 0);
        assert_eq!(run(&[]), 0);
    }

    #[test]
    fn spans_too_short_for_a_block_are_passed_over() {
        let open: Ranges = vec![[1, 10], [20, 40], [100, 9_000]].try_into().unwrap();
        assert_eq!(
            next_span(&open, (seq(1), seq(5_000))),
            Some((seq(100), seq(5_000)))
        );
        assert_eq!(
            next_span(&open, (seq(200), seq(5_000))),
            Some((seq(200), seq(5_000)))
        );
        assert_eq!(next_span(&open, (seq(1), seq(120))), None);
    }
}
