//! The blocks that were read lately, since their samples are asked for one after the other.
//!
//! Bounded in bytes, whatever the samples are: this is all that a backlog takes in memory, however long.

use std::collections::VecDeque;

use super::block::{Run, Sealed};
use super::sealed::Held;

/// Bytes of blocks that are kept open: several of the largest that are made.
const ROOM: usize = 3 << 20;

/// Blocks at hand, the one that was used last in front.
#[derive(Debug, Default)]
pub(super) struct Opened {
    blocks: VecDeque<(Held, Run)>,
    bytes: usize,
}

impl Opened {
    /// A sample of a block by its place in it; `Err` where the block is not at hand.
    pub(super) fn sample(&mut self, block: &Held, at: usize) -> Result<Option<Sealed>, NotAtHand> {
        let known = self.blocks.iter().position(|(known, _)| known == block);
        let found = known.and_then(|known| self.blocks.remove(known));
        let Some((held, run)) = found else {
            return Err(NotAtHand);
        };
        let sample = run.get(at);
        self.blocks.push_front((held, run));
        Ok(sample)
    }

    /// Keeps a block at hand, in place of those that were not used for the longest time.
    pub(super) fn put(&mut self, block: Held, run: Run) {
        self.bytes += run.bytes();
        self.blocks.push_front((block, run));
        while self.bytes > ROOM && self.blocks.len() > 1 {
            let Some((_, run)) = self.blocks.pop_back() else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(run.bytes());
        }
    }
}

/// The block has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAtHand;

#[cfg(test)]
mod tests {
    use silkline_protocol::delivery::Seq;
    use silkline_protocol::time::Timestamp;

    use super::*;
    use crate::spool::disk::Slot;
    use crate::spool::{StreamId, block};

    /// A block of samples that takes `more` bytes beside what they do.
    fn sealed(first: u64, samples: u64, more: usize) -> (Held, Run) {
        let samples: Vec<Sealed> = (0..samples)
            .map(|at| Sealed {
                template: 1,
                words: 7,
                numbers: vec![u8::try_from(at % 100).unwrap(), 3, 5],
            })
            .collect();
        let mut run = block::open(&block::seal(&samples).unwrap()).unwrap();
        run.pad(more);
        let slot = Slot {
            stream: StreamId(1),
            seq: Seq::new(first).unwrap(),
            last: Seq::new(first + samples.len() as u64 - 1).unwrap(),
            at: Timestamp::EPOCH,
            bytes: 1,
        };
        (Held::of(slot), run)
    }

    #[test]
    fn however_many_are_read_the_room_is_bounded_and_the_last_is_at_hand() {
        let mut opened = Opened::default();
        for block in 0..60 {
            let (held, run) = sealed(1 + block * 20, 20, 200_000);
            let wanted = run.get(7);
            assert_eq!(opened.sample(&held, 7), Err(NotAtHand));
            opened.put(held, run);
            assert_eq!(opened.sample(&held, 7), Ok(wanted));
            assert!(opened.bytes <= ROOM, "{} bytes", opened.bytes);
            let all: usize = opened.blocks.iter().map(|(_, run)| run.bytes()).sum();
            assert_eq!(opened.bytes, all);
        }
        assert!(opened.blocks.len() > 3, "{}", opened.blocks.len());
        assert_eq!(opened.sample(&opened.blocks[0].0.clone(), 20), Ok(None));
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut opened = Opened::default();
        let (used, run) = sealed(1, 20, 200_000);
        opened.put(used, run);
        for block in 1..60 {
            let (held, run) = sealed(1 + block * 20, 20, 200_000);
            opened.put(held, run);
            assert!(opened.sample(&used, 0).is_ok(), "block {block}");
        }
    }

    #[test]
    fn one_that_is_larger_than_the_room_is_kept_alone() {
        let mut opened = Opened::default();
        for block in 0..3 {
            let (held, run) = sealed(1 + block * 10, 10, ROOM + 1);
            opened.put(held, run);
            assert_eq!(opened.blocks.len(), 1);
            assert!(opened.sample(&held, 0).is_ok());
        }
    }
}
