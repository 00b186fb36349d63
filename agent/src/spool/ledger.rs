//! What the writer knows of each stream: what was given out, what is committed, what is gone.
//!
//! ```text
//!   1 … newest  =  held  ∪  gone
//!   open        =  held  −  committed
//! ```

use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::delivery::sender::Class;
use silkline_protocol::delivery::{Committed, Epoch, Ranges, Seq};
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;

use super::account::{Account, Counts, Kinds};
use super::{Dropped, Head, SpoolStatus, StreamId};

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: LineId,
    pub(super) epoch: Epoch,
    pub(super) newest: Option<Seq>,
    pub(super) committed: Ranges,
    pub(super) gone: Ranges,
    pub(super) bytes: u64,
    pub(super) born: Timestamp,
    pub(super) kinds: Kinds,
}

/// Every stream of the file, and which of them a transaction changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    rows: BTreeMap<StreamId, Row>,
    changed: BTreeSet<StreamId>,
    gone_changed: BTreeSet<StreamId>,
    account: Account,
    /// What it was when the transaction under way began.
    before: Option<Before>,
}

/// A ledger before a transaction: the rows that were changed since, and all that is small.
#[derive(Clone, Debug, Default)]
struct Before {
    rows: BTreeMap<StreamId, Option<Row>>,
    changed: BTreeSet<StreamId>,
    gone_changed: BTreeSet<StreamId>,
    account: Account,
}

impl Row {
    /// Records held.
    pub(super) fn held(&self) -> u64 {
        self.newest
            .map_or(0, Seq::get)
            .saturating_sub(self.gone.count())
    }

    /// The numbers held that no collector has committed.
    pub(super) fn open(&self) -> Ranges {
        match self.newest {
            Some(newest) => self
                .committed
                .missing_in(Seq::FIRST..=newest)
                .without(&self.gone),
            None => Ranges::new(),
        }
    }

    /// The numbers held that a collector has committed.
    pub(super) fn kept(&self) -> Ranges {
        let Some(newest) = self.newest else {
            return Ranges::new();
        };
        let mut kept = self.committed.without(&self.gone);
        kept.remove(newest.next(), Seq::MAX);
        kept
    }
}

impl Ledger {
    pub(super) fn new(rows: BTreeMap<StreamId, Row>) -> Self {
        let mut account = Account::default();
        for row in rows.values() {
            account.found += row.kinds.count(&row.open());
        }
        Self {
            rows,
            account,
            ..Self::default()
        }
    }

    /// A transaction begins: it can be undone from here on.
    pub(super) fn begin(&mut self) {
        self.before = Some(Before {
            rows: BTreeMap::new(),
            changed: self.changed.clone(),
            gone_changed: self.gone_changed.clone(),
            account: self.account,
        });
    }

    /// The transaction is on the disk.
    pub(super) fn keep(&mut self) {
        self.before = None;
    }

    /// The transaction is undone, and nothing of it happened.
    pub(super) fn undo(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        for (id, row) in before.rows {
            match row {
                Some(row) => self.rows.insert(id, row),
                None => self.rows.remove(&id),
            };
        }
        self.changed = before.changed;
        self.gone_changed = before.gone_changed;
        self.account = before.account;
    }

    pub(super) fn insert(&mut self, id: StreamId, row: Row) {
        self.about_to_change(id);
        self.rows.insert(id, row);
        self.changed.insert(id);
    }

    pub(super) fn remove(&mut self, id: StreamId) {
        self.about_to_change(id);
        self.rows.remove(&id);
        self.changed.remove(&id);
        self.gone_changed.remove(&id);
    }

    /// Gives out the next number of a stream.
    pub(super) fn next(&mut self, id: StreamId, class: Class, bytes: u64) -> Option<Seq> {
        self.about_to_change(id);
        let row = self.rows.get_mut(&id)?;
        let seq = row.newest.map_or(Seq::FIRST, Seq::next);
        row.newest = Some(seq);
        row.kinds.note(class, seq);
        self.account.taken += Counts::one(class);
        if row.committed.contains(seq) {
            self.account.delivered += Counts::one(class);
        }
        row.bytes = row.bytes.saturating_add(bytes);
        self.changed.insert(id);
        Some(seq)
    }

    /// Notes that the records from `lo` to `hi` are gone, with their bytes.
    pub(super) fn let_go(&mut self, id: StreamId, (lo, hi): (Seq, Seq), bytes: u64) {
        self.about_to_change(id);
        if let Some(row) = self.rows.get_mut(&id) {
            let mut lost = Ranges::new();
            lost.insert(lo, hi);
            let lost = lost.without(&row.gone).without(&row.committed);
            self.account.dropped += row.kinds.count(&lost);
            row.kinds.forget(lo, hi);
            row.gone.insert(lo, hi);
            row.bytes = row.bytes.saturating_sub(bytes);
            self.changed.insert(id);
            self.gone_changed.insert(id);
        }
    }

    /// Notes that records of a stream lie otherwise now, and take `after` instead of `before`.
    pub(super) fn repacked(&mut self, id: StreamId, (before, after): (u64, u64)) {
        self.about_to_change(id);
        if let Some(row) = self.rows.get_mut(&id) {
            row.bytes = row.bytes.saturating_sub(before).saturating_add(after);
            self.changed.insert(id);
        }
    }

    /// Believes a collector's state of a line, also where it takes numbers back.
    ///
    /// A stream that the state does not mention is uncommitted if records of it are held; if none are,
    /// the receiver has forgotten it because we no longer hold it, and what it said last stands.
    pub(super) fn believe(&mut self, line: &LineId, state: &Committed) {
        for (id, row) in self.rows.iter_mut().filter(|(_, row)| row.line == *line) {
            let said = match state.streams.get(&row.epoch) {
                Some(said) => said.clone(),
                None if row.held() > 0 => Ranges::new(),
                None => continue,
            };
            if row.committed != said {
                if let Some(before) = &mut self.before {
                    let was = || Some(row.clone());
                    before.rows.entry(*id).or_insert_with(was);
                }
                let before = row.open();
                row.committed = said;
                let after = row.open();
                self.account.delivered += row.kinds.count(&before.without(&after));
                self.account.taken_back += row.kinds.count(&after.without(&before));
                self.changed.insert(*id);
            }
        }
    }

    pub(super) fn row(&self, id: StreamId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (StreamId, &Row)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub(super) fn find(&self, line: &LineId, epoch: Epoch) -> Option<StreamId> {
        let mut newest_first = self.rows.iter().rev();
        newest_first
            .find(|(_, row)| row.epoch == epoch && row.line == *line)
            .map(|(id, _)| *id)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.rows.values().map(|row| row.bytes).sum()
    }

    /// The streams that changed since the last call, and those of them whose `gone` did.
    pub(super) fn take_changed(&mut self) -> (BTreeSet<StreamId>, BTreeSet<StreamId>) {
        (
            core::mem::take(&mut self.changed),
            core::mem::take(&mut self.gone_changed),
        )
    }

    /// Notes how a row is, where this is the first that a transaction does to it.
    fn about_to_change(&mut self, id: StreamId) {
        if let Some(before) = &mut self.before {
            let was = || self.rows.get(&id).cloned();
            before.rows.entry(id).or_insert_with(was);
        }
    }

    /// What waits: the rare kinds by the books, and samples as the rest of what was counted. Counting the
    /// rare ones too would go over each event of a long outage with every transaction.
    fn waiting(&self, depth: u64) -> Counts {
        let books = self.account.waiting();
        Counts {
            samples: depth.saturating_sub(books.gaps + books.events + books.traces),
            ..books
        }
    }

    pub(super) fn status(&self, current: Epoch, dropped: Dropped) -> SpoolStatus {
        let held = self
            .rows
            .values()
            .filter(|row| row.held() > 0)
            .map(|row| row.epoch);
        let epochs: BTreeSet<Epoch> = held.chain([current]).collect();
        let heads = self.rows.iter().filter(|(_, row)| row.epoch == current);
        let depth = self.rows.values().map(|row| row.open().count()).sum();
        SpoolStatus {
            depth,
            records: self.rows.values().map(Row::held).sum(),
            bytes: self.bytes(),
            epochs: epochs.into_iter().collect(),
            dropped,
            account: self.account,
            waiting: self.waiting(depth),
            max_bytes: 0,
            failures: 0,
            refused: Counts::default(),
            unsynced: Counts::default(),
            heads: heads
                .filter_map(|(id, row)| {
                    row.newest.map(|newest| Head {
                        stream: *id,
                        newest,
                    })
                })
                .collect(),
            fault: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(value: u64) -> Seq {
        Seq::new(value).unwrap()
    }

    fn row(newest: u64) -> Row {
        Row {
            line: "a-b".parse().unwrap(),
            epoch: Epoch::at(Timestamp::EPOCH, [1; 10]),
            newest: Seq::new(newest),
            committed: Ranges::new(),
            gone: Ranges::new(),
            bytes: 0,
            born: Timestamp::EPOCH,
            kinds: Kinds::default(),
        }
    }

    fn ranges(list: &[[u64; 2]]) -> Ranges {
        list.to_vec().try_into().unwrap()
    }

    #[test]
    fn held_open_and_kept_add_up() {
        let row = Row {
            committed: ranges(&[[1, 4], [9, 20]]),
            gone: ranges(&[[1, 2], [6, 6]]),
            ..row(10)
        };
        assert_eq!(row.held(), 7);
        assert_eq!(row.open(), ranges(&[[5, 5], [7, 8]]));
        assert_eq!(
            row.kept(),
            ranges(&[[3, 4], [9, 10]]),
            "never beyond what was given out"
        );
    }

    #[test]
    fn a_state_without_a_stream_takes_it_back_only_while_it_is_held() {
        let state = Committed {
            v: 1,
            store: "store".parse().unwrap(),
            streams: BTreeMap::new(),
        };
        let mut ledger = Ledger::default();
        let held = Row {
            committed: ranges(&[[1, 3]]),
            ..row(3)
        };
        let empty = Row {
            gone: ranges(&[[1, 3]]),
            ..held.clone()
        };
        ledger.insert(StreamId(1), held);
        ledger.insert(StreamId(2), empty);
        ledger.believe(&"a-b".parse().unwrap(), &state);
        assert_eq!(ledger.row(StreamId(1)).unwrap().committed, Ranges::new());
        assert_eq!(
            ledger.row(StreamId(2)).unwrap().committed,
            ranges(&[[1, 3]])
        );
    }

    #[test]
    fn what_is_undone_never_happened() {
        let (line, mut ledger) = ("a-b".parse().unwrap(), Ledger::default());
        ledger.insert(StreamId(1), row(0));
        for _ in 0..4 {
            ledger.next(StreamId(1), Class::Sample, 10);
        }
        let state = |list| Committed {
            v: 1,
            store: "store".parse().unwrap(),
            streams: BTreeMap::from([(row(0).epoch, ranges(list))]),
        };
        ledger.believe(&line, &state(&[[1, 1]]));
        let before = (
            ledger.status(row(0).epoch, Dropped::default()),
            ledger.changed.clone(),
        );
        ledger.begin();
        ledger.insert(StreamId(2), row(0));
        ledger.next(StreamId(2), Class::Event, 5);
        ledger.next(StreamId(1), Class::Trace, 10);
        ledger.believe(&line, &state(&[[1, 3]]));
        ledger.let_go(StreamId(1), (seq(4), seq(5)), 20);
        ledger.repacked(StreamId(1), (10, 3));
        ledger.take_changed();
        ledger.undo();
        let after = (
            ledger.status(row(0).epoch, Dropped::default()),
            ledger.changed.clone(),
        );
        assert_eq!(after, before);
        assert!(ledger.gone_changed.is_empty());
        ledger.begin();
        ledger.remove(StreamId(1));
        ledger.keep();
        ledger.undo();
        assert!(ledger.row(StreamId(1)).is_none(), "what is kept stays");
    }

    #[test]
    fn numbers_are_dense_and_what_goes_is_noted() {
        let mut ledger = Ledger::default();
        ledger.insert(StreamId(1), row(0));
        let given: Vec<_> = (0..3)
            .filter_map(|_| ledger.next(StreamId(1), Class::Sample, 10))
            .collect();
        assert_eq!(given, [seq(1), seq(2), seq(3)]);
        ledger.let_go(StreamId(1), (seq(1), seq(2)), 20);
        let status = ledger.status(row(0).epoch, Dropped::default());
        assert_eq!((status.records, status.depth, status.bytes), (1, 1, 10));
        assert_eq!(
            status.heads,
            [Head {
                stream: StreamId(1),
                newest: seq(3)
            }]
        );
    }
}
