//! What the disk would not take, kept in memory until it does: shared by the writer, which fills and
//! empties it, and the readers, to whom it is the end of the file.
//!
//! Its records have the numbers that they will have in the file, above those that are there. What it may
//! hold is [`MOST`] bytes; beyond that the writer lets go of some, in the order of a full spool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use silkline_protocol::delivery::Seq;
use silkline_protocol::delivery::sender::{Class, Entry};

use super::StreamId;
use super::account::Counts;
use super::disk::{Letter, Slot};
use super::file::key;

/// Bytes of records that are kept while the disk takes none: a quarter of an hour of fifty devices of
/// twenty points every second, with no way out.
pub(super) const MOST: u64 = 16 << 20;
/// What is left of it once some was let go of, so that they leave in few and long ranges.
const LOW_WATER: u64 = MOST / 10 * 9;

/// The records that are only in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Refuge {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<i64, Kept>,
    bytes: u64,
    counts: Counts,
}

/// A record that is only in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) slot: Slot,
    pub(super) letter: Letter,
    /// Whether it is what a device says of itself.
    pub(super) is_about: bool,
}

impl Refuge {
    /// Keeps a record.
    pub(super) fn put(&self, kept: Kept) {
        let mut inner = self.lock();
        inner.bytes += kept.slot.bytes;
        inner.counts += Counts::one(kept.letter.class);
        let key = key(kept.slot.stream, kept.slot.seq);
        inner.records.insert(key, kept);
    }

    /// Takes a record out.
    pub(super) fn remove(&self, stream: StreamId, seq: Seq) -> Option<Kept> {
        self.lock().remove(key(stream, seq))
    }

    /// Takes all of them out: the disk has them.
    pub(super) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// Makes room where there is more than may be: what `is_committed` goes first, then samples, traces,
    /// events, each oldest first. Gives what has left.
    pub(super) fn make_room(&self, is_committed: impl Fn(&Slot) -> bool) -> Vec<Kept> {
        let mut inner = self.lock();
        if inner.bytes <= MOST {
            return Vec::new();
        }
        let mut order: Vec<(bool, Class, i64)> = inner
            .records
            .iter()
            .map(|(key, kept)| (is_committed(&kept.slot), kept.letter.class, *key))
            .collect();
        // Committed ones first, then from the least to the most precious, the oldest of each first.
        order.sort_unstable_by_key(|(committed, class, key)| {
            let class = if *committed { None } else { Some(*class) };
            (!committed, core::cmp::Reverse(class), *key)
        });
        let mut gone = Vec::new();
        for (.., key) in order {
            if inner.bytes <= LOW_WATER {
                break;
            }
            gone.extend(inner.remove(key));
        }
        gone
    }

    /// The records, lowest first; copies, so that nobody waits while they are written.
    pub(super) fn each(&self) -> impl Iterator<Item = Kept> + '_ {
        let mut from = i64::MIN;
        core::iter::from_fn(move || {
            let inner = self.lock();
            let (key, kept) = inner.records.range(from..).next()?;
            from = key.checked_add(1)?;
            Some(kept.clone())
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().records.is_empty()
    }

    /// How many there are of each kind.
    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The lowest record in `from..=to` that is `wanted`.
    pub(super) fn first(
        &self,
        stream: StreamId,
        (from, to): (Seq, Seq),
        wanted: impl Fn(&Letter) -> bool,
    ) -> Option<Entry> {
        let inner = self.lock();
        let mut found = inner.within(stream, (from, to));
        found.find(|kept| wanted(&kept.letter)).map(Kept::entry)
    }

    /// The highest record in `from..=to` that is `wanted`.
    pub(super) fn last(
        &self,
        stream: StreamId,
        (from, to): (Seq, Seq),
        wanted: impl Fn(&Letter) -> bool,
    ) -> Option<Entry> {
        let inner = self.lock();
        let mut found = inner.within(stream, (from, to)).rev();
        found.find(|kept| wanted(&kept.letter)).map(Kept::entry)
    }

    /// A record as it travels, and whether it is the last word of its device.
    pub(super) fn letter(&self, stream: StreamId, seq: Seq) -> Option<(Letter, bool)> {
        let inner = self.lock();
        let kept = inner.records.get(&key(stream, seq))?;
        let later = (seq.next(), Seq::MAX);
        let is_last = kept.is_about
            && !inner
                .within(stream, later)
                .any(|other| other.is_about && other.letter.topic == kept.letter.topic);
        Some((kept.letter.clone(), is_last))
    }

    /// The newest sample of each topic up to `newest`.
    pub(super) fn newest_samples(&self, stream: StreamId, newest: Seq) -> BTreeMap<String, Seq> {
        let inner = self.lock();
        let records = inner.within(stream, (Seq::FIRST, newest));
        records
            .filter(|kept| kept.letter.class == Class::Sample)
            .map(|kept| (kept.letter.topic.clone(), kept.slot.seq))
            .collect()
    }

    /// Whoever panicked while it wrote here has left whole values behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, key: i64) -> Option<Kept> {
        let kept = self.records.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(kept.slot.bytes);
        self.counts = self.counts - Counts::one(kept.letter.class);
        Some(kept)
    }

    fn within(
        &self,
        stream: StreamId,
        (from, to): (Seq, Seq),
    ) -> impl DoubleEndedIterator<Item = &Kept> {
        // A range that is upside down has nothing in it.
        let (from, to) = (key(stream, from), key(stream, to));
        let range = (from <= to).then(|| self.records.range(from..=to));
        range.into_iter().flatten().map(|(_, kept)| kept)
    }
}

impl Kept {
    const fn entry(&self) -> Entry {
        Entry {
            seq: self.slot.seq,
            bytes: self.slot.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use silkline_protocol::time::Timestamp;

    use super::*;

    const STREAM: StreamId = StreamId(7);

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn kept(number: u64, class: Class, bytes: usize) -> Kept {
        let letter = Letter {
            class,
            topic: format!("t/{}", number % 3),
            properties: "[]".to_owned(),
            payload: vec![0; bytes],
        };
        Kept {
            slot: Slot {
                stream: STREAM,
                seq: seq(number),
                last: seq(number),
                at: Timestamp::EPOCH,
                bytes: letter.bytes(),
            },
            letter,
            is_about: class == Class::Event,
        }
    }

    fn numbers(refuge: &Refuge) -> Vec<u64> {
        refuge.each().map(|kept| kept.slot.seq.get()).collect()
    }

    #[test]
    fn what_is_kept_is_found_from_both_ends_until_it_is_taken_out() {
        let refuge = Refuge::default();
        for (number, class) in [
            (5, Class::Sample),
            (6, Class::Event),
            (7, Class::Trace),
            (8, Class::Sample),
            (9, Class::Event),
        ] {
            refuge.put(kept(number, class, 10));
        }
        let all = (Seq::FIRST, Seq::MAX);
        let first = |class, span| {
            let found = refuge.first(STREAM, span, |letter| letter.class == class);
            found.map(|entry| entry.seq.get())
        };
        assert_eq!(first(Class::Sample, all), Some(5));
        assert_eq!(first(Class::Sample, (seq(6), seq(8))), Some(8));
        assert_eq!(first(Class::Trace, (seq(8), seq(3))), None);
        let last = refuge.last(STREAM, all, |letter| letter.class == Class::Event);
        assert_eq!(last.map(|entry| entry.seq.get()), Some(9));
        assert_eq!(refuge.first(StreamId(6), all, |_| true), None);
        assert_eq!(refuge.first(StreamId(8), all, |_| true), None);
        // 6 and 9 are of one topic: the later one is the last word.
        assert_eq!(
            refuge.letter(STREAM, seq(6)).map(|(_, last)| last),
            Some(false)
        );
        assert_eq!(
            refuge.letter(STREAM, seq(9)).map(|(_, last)| last),
            Some(true)
        );
        assert_eq!(refuge.counts().total(), 5);
        assert!(refuge.remove(STREAM, seq(5)).is_some());
        assert_eq!(refuge.remove(STREAM, seq(5)), None);
        let newest = refuge.newest_samples(STREAM, seq(100));
        assert_eq!(newest, BTreeMap::from([("t/2".to_owned(), seq(8))]));
        refuge.clear();
        assert!(refuge.is_empty() && refuge.counts() == Counts::default());
    }

    #[test]
    fn room_is_made_of_what_is_committed_then_of_samples_then_traces() {
        let refuge = Refuge::default();
        let size = 64 << 10;
        let mut number = 0;
        while refuge.lock().bytes <= MOST {
            number += 1;
            let class = match number {
                1 => Class::Event,
                2 => Class::Trace,
                _ => Class::Sample,
            };
            refuge.put(kept(number, class, size));
        }
        let gone = refuge.make_room(|slot| (10..15).contains(&slot.seq.get()));
        let gone: Vec<u64> = gone.iter().map(|kept| kept.slot.seq.get()).collect();
        assert_eq!(gone[..7], [10, 11, 12, 13, 14, 3, 4]);
        assert!(refuge.lock().bytes <= LOW_WATER);
        assert_eq!(numbers(&refuge)[..2], [1, 2], "event and trace stay");
        assert_eq!(refuge.make_room(|_| false), []);
    }

    #[test]
    fn however_much_comes_it_is_bounded() {
        let refuge = Refuge::default();
        for number in 1..=40_000 {
            refuge.put(kept(number, Class::Sample, 1_500));
            refuge.make_room(|_| false);
            assert!(refuge.lock().bytes <= MOST);
        }
        assert_eq!(refuge.counts().samples, numbers(&refuge).len() as u64);
        assert_eq!(numbers(&refuge).last(), Some(&40_000));
    }
}
