//! What was synced last, for the uplink: it sends nearly every record a moment after it was written, and
//! need not ask the file for it.
//!
//! Bounded, and never the only copy: what is not here is in the file. It also knows the newest number of
//! each kind in the streams of this run, so that a search for an event behind the newest one ends at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use silkline_protocol::delivery::Seq;
use silkline_protocol::delivery::sender::{Class, Entry};

use super::StreamId;
use super::disk::Letter;
use super::file::key;

/// Records that are remembered: as many as may be sent uncommitted.
const RECORDS: usize = 500;
/// Bytes of these.
const BYTES: usize = 1 << 20;

/// The way to what was synced last, for the writer and its readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    samples: BTreeMap<i64, Fresh>,
    /// Their keys in the order of their coming.
    order: VecDeque<i64>,
    /// Bytes of the payloads that are still here.
    payloads: usize,
    /// The newest number of each kind, in the streams of this run.
    newest: BTreeMap<StreamId, BTreeMap<Class, Seq>>,
}

/// A plain sample that was synced a moment ago.
#[derive(Debug)]
struct Fresh {
    /// What it takes in the file.
    bytes: u64,
    /// Gone once it was asked for: it is hardly asked for twice.
    letter: Option<Letter>,
}

/// What is known without the file of the first record at or after a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// It is this.
    Is(Entry),
    /// There is none.
    None,
    /// The file knows.
    Unknown,
}

/// What a transaction wrote, to be remembered once it is synced.
#[derive(Debug, Default)]
pub(super) struct Written {
    records: Vec<(StreamId, Seq, u64, Letter)>,
    has_lost: bool,
}

impl Written {
    /// A record was written.
    pub(super) fn put(&mut self, stream: StreamId, seq: Seq, bytes: u64, letter: Letter) {
        self.records.push((stream, seq, bytes, letter));
    }

    /// Records were removed.
    pub(super) const fn lost(&mut self) {
        self.has_lost = true;
    }
}

impl Recent {
    /// Takes what a transaction wrote, which is synced.
    pub(super) fn synced(&self, written: Written) {
        let mut inner = self.lock();
        if written.has_lost {
            inner.samples.clear();
            inner.order.clear();
            inner.payloads = 0;
        }
        for (stream, seq, bytes, letter) in written.records {
            let newest = inner.newest.entry(stream).or_default();
            newest.insert(letter.class, seq);
            if letter.class == Class::Sample && !written.has_lost {
                inner.remember(key(stream, seq), bytes, letter);
            }
        }
    }

    /// A record of a class was numbered, and is not in the file.
    pub(super) fn is_held(&self, stream: StreamId, class: Class, seq: Seq) {
        let mut inner = self.lock();
        inner.newest.entry(stream).or_default().insert(class, seq);
    }

    /// A stream of this run begins.
    pub(super) fn begins(&self, stream: StreamId) {
        self.lock().newest.entry(stream).or_default();
    }

    /// A record that is remembered: given once.
    pub(super) fn take(&self, stream: StreamId, seq: Seq) -> Option<Letter> {
        let mut inner = self.lock();
        let letter = inner.samples.get_mut(&key(stream, seq))?.letter.take()?;
        inner.payloads -= letter.payload.len();
        Some(letter)
    }

    /// The lowest record of a class, or of any, in `from..=to`.
    pub(super) fn first(
        &self,
        stream: StreamId,
        class: Option<Class>,
        (from, to): (Seq, Seq),
    ) -> First {
        let inner = self.lock();
        if matches!(class, None | Some(Class::Sample))
            && from <= to
            && let Some(fresh) = inner.samples.get(&key(stream, from))
        {
            let bytes = fresh.bytes;
            return First::Is(Entry { seq: from, bytes });
        }
        match (class, inner.newest.get(&stream)) {
            (Some(class), Some(newest)) if newest.get(&class).is_none_or(|at| *at < from) => {
                First::None
            }
            _ => First::Unknown,
        }
    }

    /// Whoever panicked while it wrote here has left whole values behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, key: i64, bytes: u64, letter: Letter) {
        self.payloads += letter.payload.len();
        let letter = Some(letter);
        self.samples.insert(key, Fresh { bytes, letter });
        self.order.push_back(key);
        while self.order.len() > RECORDS || self.payloads > BYTES {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            let gone = self.samples.remove(&oldest).and_then(|fresh| fresh.letter);
            self.payloads -= gone.map_or(0, |letter| letter.payload.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId(3);

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn letter(class: Class, bytes: usize) -> Letter {
        Letter {
            class,
            topic: "t".to_owned(),
            properties: "[]".to_owned(),
            payload: vec![0; bytes],
        }
    }

    fn written(records: &[(u64, Class)]) -> Written {
        let mut written = Written::default();
        for (number, class) in records {
            written.put(STREAM, seq(*number), 77, letter(*class, 100));
        }
        written
    }

    fn first(recent: &Recent, class: Option<Class>, from: u64) -> First {
        recent.first(STREAM, class, (seq(from), seq(1_000_000)))
    }

    fn is(number: u64) -> First {
        First::Is(Entry {
            seq: seq(number),
            bytes: 77,
        })
    }

    #[test]
    fn what_was_synced_is_given_once_and_found_again() {
        let recent = Recent::default();
        recent.begins(STREAM);
        recent.synced(written(&[(1, Class::Sample), (2, Class::Event)]));
        assert_eq!(recent.take(STREAM, seq(1)).unwrap().payload.len(), 100);
        assert_eq!(recent.take(STREAM, seq(1)), None);
        assert_eq!(first(&recent, Some(Class::Sample), 1), is(1));
        assert_eq!(first(&recent, None, 1), is(1));
        assert_eq!(recent.take(STREAM, seq(2)), None, "an event is in the file");
        assert_eq!(first(&recent, Some(Class::Event), 1), First::Unknown);
    }

    #[test]
    fn behind_the_newest_of_a_kind_there_is_none() {
        let recent = Recent::default();
        assert_eq!(first(&recent, Some(Class::Gap), 1), First::Unknown);
        recent.begins(STREAM);
        assert_eq!(first(&recent, Some(Class::Gap), 1), First::None);
        recent.synced(written(&[(1, Class::Event), (2, Class::Sample)]));
        assert_eq!(first(&recent, Some(Class::Event), 2), First::None);
        assert_eq!(first(&recent, Some(Class::Sample), 3), First::None);
        assert_eq!(first(&recent, None, 3), First::Unknown);
    }

    #[test]
    fn what_was_removed_is_not_remembered() {
        let recent = Recent::default();
        recent.synced(written(&[(1, Class::Sample)]));
        let mut removed = written(&[(2, Class::Sample)]);
        removed.lost();
        recent.synced(removed);
        for number in [1, 2] {
            assert_eq!(recent.take(STREAM, seq(number)), None);
            assert_eq!(first(&recent, Some(Class::Sample), number), First::Unknown);
        }
    }

    #[test]
    fn it_is_bounded_in_records_and_bytes() {
        let recent = Recent::default();
        for number in 1..=2_000 {
            let mut one = Written::default();
            one.put(STREAM, seq(number), 77, letter(Class::Sample, 5_000));
            recent.synced(one);
        }
        let inner = recent.lock();
        assert!(inner.payloads <= BYTES && inner.samples.len() == inner.order.len());
        drop(inner);
        assert!(recent.take(STREAM, seq(2_000)).is_some());
        assert_eq!(recent.take(STREAM, seq(1)), None);
        for number in 3_000..=6_000 {
            recent.synced(written(&[(number, Class::Sample)]));
        }
        assert_eq!(recent.lock().samples.len(), RECORDS);
        assert_eq!(recent.lock().payloads, RECORDS * 100);
    }
}
