//! An agent in the model: a disk that outlives it, and the senders that do not.

use core::convert::Infallible;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt};

use super::Seen;
use crate::delivery::sender::{Class, Entry, Sender, Spool};
use crate::delivery::thrift::{Alarms, Thrift};
use crate::delivery::{Committed, Epoch, Limits, Monotonic, Ranges, Seq, unaccounted};

const KEEP: Duration = Duration::from_secs(8);
const BROKER_TAKES: u64 = 990;
const GAPS_BEFORE_MERGE: usize = 8;

/// A record on its way to the collector.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    pub(super) bytes: u64,
    pub(super) lost: Option<(Epoch, Ranges)>,
    /// The epochs that the sender's spool holds, where this is a status and no record.
    pub(super) held: Option<Vec<Epoch>>,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    class: Class,
    /// Whether it is a trace of an alarm.
    alarm: bool,
    bytes: u64,
    lost: Option<(Epoch, Ranges)>,
    at: Monotonic,
}

pub(super) fn any_record(rng: &mut impl Rng) -> Record {
    let class = match rng.random_range(0..20) {
        0 => Class::Trace,
        1 | 2 => Class::Event,
        _ => Class::Sample,
    };
    let most = if class == Class::Trace { 1_000 } else { 200 };
    Record {
        class,
        alarm: class == Class::Trace && rng.random_bool(0.5),
        bytes: rng.random_range(1..=most),
        lost: None,
        at: Monotonic::default(),
    }
}

/// What a spool keeps of a stream beside its records.
#[derive(Clone, Debug, Default)]
struct Row {
    newest: Option<Seq>,
    committed: Ranges,
    gone: Ranges,
}

#[derive(Clone, Debug)]
struct Run {
    epoch: Epoch,
    senders: BTreeMap<Epoch, Sender>,
    online: bool,
    /// What may go, where the link is metered.
    thrift: Option<BTreeMap<Epoch, Thrift>>,
    told: Option<Vec<Epoch>>,
    unsynced: Vec<Record>,
}

#[derive(Clone, Debug)]
pub(super) struct Machine {
    limits: Limits,
    room: usize,
    records: BTreeMap<(Epoch, Seq), Record>,
    rows: BTreeMap<Epoch, Row>,
    run: Option<Run>,
    /// Everything that the spool ever said it had taken in.
    pub(super) handed: BTreeSet<(Epoch, Seq)>,
}

struct View<'a>(&'a BTreeMap<(Epoch, Seq), Record>, Epoch);

impl Spool for View<'_> {
    type Error = Infallible;

    fn first(&self, class: Option<Class>, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let mut held = self.0.range((self.1, from)..=(self.1, to));
        let found = held.find(|(_, record)| class.is_none_or(|class| record.class == class));
        Ok(found.map(entry))
    }

    fn last(&self, class: Class, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let mut held = self.0.range((self.1, from)..=(self.1, to)).rev();
        let found = held.find(|(_, record)| record.class == class);
        Ok(found.map(entry))
    }
}

impl Alarms for View<'_> {
    fn first_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let mut held = self.0.range((self.1, from)..=(self.1, to));
        Ok(held.find(|(_, record)| record.alarm).map(entry))
    }

    fn last_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let mut held = self.0.range((self.1, from)..=(self.1, to)).rev();
        Ok(held.find(|(_, record)| record.alarm).map(entry))
    }
}

fn entry(((_, seq), record): (&(Epoch, Seq), &Record)) -> Entry {
    Entry {
        seq: *seq,
        bytes: record.bytes,
    }
}

fn holds(records: &BTreeMap<(Epoch, Seq), Record>, epoch: Epoch) -> bool {
    records
        .range((epoch, Seq::FIRST)..=(epoch, Seq::MAX))
        .next()
        .is_some()
}

impl Machine {
    pub(super) const fn new(limits: Limits, room: usize) -> Self {
        Self {
            limits,
            room,
            records: BTreeMap::new(),
            rows: BTreeMap::new(),
            run: None,
            handed: BTreeSet::new(),
        }
    }

    pub(super) fn start(&mut self, epoch: Epoch) {
        self.rows.insert(epoch, Row::default());
        let limits = self.limits;
        let senders = self.rows.iter().map(|(epoch, row)| {
            (
                *epoch,
                Sender::new(limits, row.newest, row.committed.clone()),
            )
        });
        let senders = senders.collect();
        self.run = Some(Run {
            epoch,
            senders,
            online: false,
            thrift: None,
            told: None,
            unsynced: Vec::new(),
        });
    }

    pub(super) fn crash(&mut self) {
        self.run = None;
    }

    /// Connects by a link that costs, where samples go `every` so often, or by one that does not.
    pub(super) fn connect(&mut self, every: Option<Duration>, now: Monotonic) {
        let limits = self.limits;
        if let Some(run) = &mut self.run {
            run.online = true;
            let epochs = run.senders.keys();
            run.thrift = every.map(|every| {
                let thrift = |epoch: &Epoch| (*epoch, Thrift::new(every, limits, now));
                epochs.map(thrift).collect()
            });
            run.told = None;
            run.senders
                .values_mut()
                .for_each(|sender| sender.connected(now));
        }
    }

    pub(super) fn disconnect(&mut self) {
        if let Some(run) = &mut self.run {
            run.online = false;
            run.senders.values_mut().for_each(Sender::disconnected);
        }
    }

    pub(super) fn append(&mut self, record: Record, now: Monotonic) {
        if let Some(run) = &mut self.run {
            run.unsynced.push(Record { at: now, ..record });
            if run.unsynced.len() > 10 {
                self.sync(now);
            }
        }
    }

    /// The group commit: what was appended is on the disk, and only now does anybody know of it.
    pub(super) fn sync(&mut self, now: Monotonic) {
        let Some(run) = &mut self.run else { return };
        for record in core::mem::take(&mut run.unsynced) {
            self.write(record);
        }
        while self.records.len() > self.room {
            self.drop_one();
        }
        self.account(now);
    }

    /// Lets go of what is committed and old enough; the streams' rows stay.
    pub(super) fn purge(&mut self, now: Monotonic) {
        let rows = &mut self.rows;
        self.records.retain(|(epoch, seq), record| {
            let row = rows.get_mut(epoch).unwrap();
            let old = record.at + KEEP <= now && row.committed.contains(*seq);
            if old {
                row.gone.insert(*seq, *seq);
            }
            !old
        });
    }

    pub(super) fn hear(&mut self, state: &Committed, now: Monotonic) {
        let Some(run) = &mut self.run else { return };
        if !run.online {
            return;
        }
        let none = Ranges::new();
        for (epoch, row) in &mut self.rows {
            let ranges = match state.streams.get(epoch) {
                Some(ranges) => ranges,
                None if holds(&self.records, *epoch) => &none,
                None => continue,
            };
            row.committed = ranges.clone();
            if let Some(sender) = run.senders.get_mut(epoch) {
                sender.committed(ranges, now);
            }
        }
        self.account(now);
    }

    pub(super) fn send(&mut self, now: Monotonic, seen: &mut Seen) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut refused = Vec::new();
        let Some(run) = &mut self.run else {
            return messages;
        };
        let held = |epoch: &&Epoch| **epoch == run.epoch || holds(&self.records, **epoch);
        let held: Vec<Epoch> = self.rows.keys().filter(held).copied().collect();
        if run.online && run.told.as_ref() != Some(&held) {
            run.told = Some(held.clone());
            let (epoch, seq) = (run.epoch, Seq::FIRST);
            messages.push(Message {
                epoch,
                seq,
                bytes: 0,
                lost: None,
                held: Some(held),
            });
        }
        for (epoch, sender) in &mut run.senders {
            let mut thrift = run.thrift.as_mut().and_then(|all| all.get_mut(epoch));
            if let Some(thrift) = &mut thrift
                && thrift.due() <= now
            {
                seen.thin += 1;
                let held = self
                    .records
                    .range((*epoch, Seq::FIRST)..=(*epoch, Seq::MAX));
                let newest = held.rev().take(2).map(|((_, seq), _)| *seq);
                thrift.allow(newest.collect::<Vec<_>>(), sender.state(), now);
            }
            loop {
                let view = View(&self.records, *epoch);
                let polled = match &thrift {
                    Some(thrift) => sender.poll(now, &thrift.view(&view)),
                    None => sender.poll(now, &view),
                };
                let Ok(Some(next)) = polled else { break };
                let record = &self.records[&(*epoch, next.seq)];
                seen.late += usize::from(next.late);
                if record.bytes > BROKER_TAKES {
                    sender.refused(next.seq);
                    refused.push((*epoch, next.seq));
                    self.records.remove(&(*epoch, next.seq));
                } else {
                    let (bytes, lost) = (record.bytes, record.lost.clone());
                    let (epoch, seq) = (*epoch, next.seq);
                    messages.push(Message {
                        epoch,
                        seq,
                        bytes,
                        lost,
                        held: None,
                    });
                }
            }
        }
        if !refused.is_empty() {
            seen.refused += refused.len();
            for (epoch, seq) in refused {
                self.rows.get_mut(&epoch).unwrap().gone.insert(seq, seq);
            }
            self.account(now);
        }
        messages
    }

    pub(super) const fn is_up(&self) -> bool {
        self.run.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let run = self.run.as_ref()?;
        let thrift = run.thrift.iter().flat_map(BTreeMap::values);
        let thrift = thrift.map(Thrift::due).filter(|_| run.online);
        let senders = run.senders.values().filter_map(Sender::deadline);
        senders.chain(thrift).min()
    }

    pub(super) fn holds(&self, epoch: Epoch) -> bool {
        holds(&self.records, epoch)
    }

    pub(super) fn knows(&self, epoch: Epoch, seq: Seq) -> bool {
        self.rows
            .get(&epoch)
            .is_some_and(|row| row.newest >= Some(seq))
    }

    /// Whether all it holds is committed as far as it knows; what is gone is named by then.
    pub(super) fn is_drained(&self) -> bool {
        self.records
            .keys()
            .all(|(epoch, seq)| self.rows[epoch].committed.contains(*seq))
    }

    pub(super) fn unfinished(&self) -> String {
        let open = self.rows.iter().filter(|(_, row)| {
            row.newest
                .is_some_and(|n| !row.committed.missing_in(Seq::FIRST..=n).is_empty())
        });
        let senders = self.run.as_ref().map(|run| &run.senders);
        let gaps: Vec<_> = self
            .records
            .iter()
            .filter(|(_, r)| r.lost.is_some())
            .collect();
        open.map(|(epoch, row)| format!("{epoch} {row:?} {:?}", senders.map(|s| s.get(epoch))))
            .chain([format!("{gaps:?}")])
            .collect()
    }

    pub(super) fn about(&self, epoch: Epoch) -> String {
        format!(
            "{:?}, holds any: {}",
            self.rows.get(&epoch),
            self.holds(epoch)
        )
    }

    fn write(&mut self, record: Record) {
        let Some(run) = &mut self.run else { return };
        let row = self.rows.get_mut(&run.epoch).unwrap();
        let seq = row.newest.map_or(Seq::FIRST, Seq::next);
        row.newest = Some(seq);
        self.records.insert((run.epoch, seq), record);
        self.handed.insert((run.epoch, seq));
        run.senders.get_mut(&run.epoch).unwrap().appended(seq);
    }

    /// Committed records go first, then the oldest plain samples, then what is oldest.
    fn drop_one(&mut self) {
        let rows = &self.rows;
        let rank = |(key, record): &(&(Epoch, Seq), &Record)| {
            let committed = rows[&key.0].committed.contains(key.1);
            (
                !committed,
                record.class != Class::Sample,
                record.class == Class::Gap,
                **key,
            )
        };
        let key = self
            .records
            .iter()
            .min_by_key(rank)
            .map(|(key, _)| *key)
            .unwrap();
        self.drop_record(key);
    }

    fn drop_record(&mut self, key: (Epoch, Seq)) {
        self.records.remove(&key);
        self.rows.get_mut(&key.0).unwrap().gone.insert(key.1, key.1);
    }

    /// Names in gap records what is gone and that nobody has spoken of.
    fn account(&mut self, now: Monotonic) {
        self.merge_gaps();
        let Some(run) = &self.run else { return };
        let mut named: BTreeMap<Epoch, Ranges> = BTreeMap::new();
        for (about, lost) in self
            .records
            .values()
            .filter_map(|record| record.lost.as_ref())
        {
            let named = named.entry(*about).or_default();
            lost.iter().for_each(|(lo, hi)| named.insert(lo, hi));
        }
        let mut gaps = Vec::new();
        for (epoch, row) in &self.rows {
            let Some(sender) = run.senders.get(epoch) else {
                continue;
            };
            let named = named.remove(epoch).unwrap_or_default();
            let lost = unaccounted(&row.gone, sender.state(), &named);
            if !lost.is_empty() {
                gaps.push((*epoch, lost));
            }
        }
        for lost in gaps {
            self.write(Record {
                class: Class::Gap,
                alarm: false,
                bytes: 30,
                lost: Some(lost),
                at: now,
            });
        }
    }

    /// Many open gap records become few: they are dropped, and what they named is named anew.
    fn merge_gaps(&mut self) {
        let open = self.records.iter().filter(|((epoch, seq), record)| {
            record.lost.is_some() && !self.rows[epoch].committed.contains(*seq)
        });
        let open: Vec<(Epoch, Seq)> = open.map(|(key, _)| *key).collect();
        if open.len() > GAPS_BEFORE_MERGE {
            open.into_iter().for_each(|key| self.drop_record(key));
        }
    }
}
