//! Says of each message what is to become of it, before anything is stored.

use silkline_analysis::incident::Incident;
use silkline_protocol::codec::{Envelope, Record};
use silkline_protocol::delivery::receiver::Verdict;
use silkline_protocol::delivery::{Epoch, Monotonic, Ranges};
use silkline_protocol::id::{AgentId, LineId, SiteId, StoreId};
use silkline_protocol::message::{Body, Status};

use super::again::{Again, SetAside};
use super::batch::{self, Bad, Meaning};
use super::receivers::{Batches, Receivers, arrival};
use super::tally::Tally;
use crate::ingest::Delivery;

/// A message that is going to be stored.
#[derive(Debug)]
pub(super) enum Entry {
    /// A new record.
    Record(Box<Record>),
    /// An agent's status.
    Status(SiteId, AgentId, Status),
    /// An incident as another collector, or we ourselves, retain it.
    Elsewhere(LineId, Box<Incident>),
    /// What is wrong with a message, and its position in the batch.
    Rubbish(Bad, usize),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What to store, in the order in which it came.
    pub(super) entries: Vec<Entry>,
    /// What it closes.
    pub(super) batches: Batches,
    /// What is counted.
    pub(super) tally: Tally,
    /// What became of each message that had been set aside, by its number there.
    pub(super) again: Vec<(i64, Again)>,
    /// Other stores that say they have stored what is ours.
    pub(super) others: Vec<(LineId, SiteId, StoreId)>,
}

pub(super) fn judge(
    (messages, set_aside): (&[Delivery], Vec<SetAside>),
    receivers: &mut Receivers,
    store: &StoreId,
    now: Monotonic,
) -> Judged {
    let mut judge = Judge {
        receivers,
        store,
        now,
        judged: Judged::default(),
    };
    for (index, message) in messages.iter().enumerate() {
        judge.message(index, message);
    }
    for one in set_aside {
        let (id, again) = (one.id, judge.again(one));
        judge.judged.again.push((id, again));
    }
    let mut judged = judge.judged;
    judged.tally.lost = judged.batches.lost();
    judged.tally.found = judged.batches.found();
    judged
}

struct Judge<'a> {
    receivers: &'a mut Receivers,
    store: &'a StoreId,
    now: Monotonic,
    judged: Judged,
}

impl Judge<'_> {
    fn message(&mut self, index: usize, message: &Delivery) {
        self.judged.tally.taken += 1;
        let bytes = message.payload.len();
        match batch::meaning(message) {
            Meaning::Record(record, lost) => self.record(record, lost.as_ref(), bytes),
            Meaning::Status(site, agent, status) => self.status(site, agent, status),
            Meaning::Committed(line, site, state) => {
                self.judged.tally.ignored();
                if state.store != *self.store {
                    tracing::warn!(%line, %site, store = %state.store, "another store commits");
                    self.judged.others.push((line, site, state.store));
                }
            }
            Meaning::Incident(line, incident) => {
                self.judged.tally.ignored();
                let theirs = incident.map(|incident| Entry::Elsewhere(line, incident));
                self.judged.entries.extend(theirs);
            }
            Meaning::Ignored => self.judged.tally.ignored(),
            Meaning::Rubbish(bad, place) => {
                let new = place.is_none_or(|(line, site, envelope)| {
                    self.is_new((&line, &site), &envelope, bytes, None)
                });
                if new {
                    self.judged.tally.quarantined(bad.kind);
                    self.judged.entries.push(Entry::Rubbish(bad, index));
                }
            }
        }
    }

    /// Judges a message that was set aside. Its number may be closed since then, by itself: what is
    /// in the store is told beside it.
    fn again(&mut self, one: SetAside) -> Again {
        let bytes = one.message.payload.len();
        let (mut record, lost) = match batch::meaning(&one.message) {
            Meaning::Record(record, lost) => (record, lost),
            Meaning::Rubbish(bad, _) => return Again::Unreadable(bad.reason),
            Meaning::Status(..)
            | Meaning::Committed(..)
            | Meaning::Incident(..)
            | Meaning::Ignored => {
                return Again::Unreadable("it is no record of a stream".to_owned());
            }
        };
        let gap = match (&record.body, lost.as_ref()) {
            (Body::Gap(gap), Some(lost)) => Some((gap.epoch, lost)),
            _ => None,
        };
        let (from, arrival) = (
            (&record.line, &record.site),
            arrival(&record.envelope, bytes, gap),
        );
        let verdict = self
            .receivers
            .offer(&mut self.judged.batches, from, &arrival, self.now);
        match verdict {
            Verdict::Shed(_) => Again::Shed,
            Verdict::Repeat if one.stored => Again::There,
            Verdict::New | Verdict::Repeat => {
                // It is old: it must not look like news to the engines.
                record.envelope.late = true;
                self.judged.entries.push(Entry::Record(record));
                Again::Stored
            }
        }
    }

    fn record(&mut self, record: Box<Record>, lost: Option<&Ranges>, bytes: usize) {
        let gap = match (&record.body, lost) {
            (Body::Gap(gap), Some(lost)) => Some((gap.epoch, lost)),
            _ => None,
        };
        if self.is_new((&record.line, &record.site), &record.envelope, bytes, gap) {
            self.judged.tally.stored(batch::word(&record.body));
            self.judged.entries.push(Entry::Record(record));
        }
    }

    fn status(&mut self, site: SiteId, agent: AgentId, status: Status) {
        let who = (&site, &agent);
        self.receivers
            .status(&mut self.judged.batches, who, &status.epochs, status.online);
        self.judged.tally.stored("status");
        self.judged.entries.push(Entry::Status(site, agent, status));
    }

    fn is_new(
        &mut self,
        from: (&LineId, &SiteId),
        envelope: &Envelope,
        bytes: usize,
        gap: Option<(Epoch, &Ranges)>,
    ) -> bool {
        let arrival = arrival(envelope, bytes, gap);
        let verdict = self
            .receivers
            .offer(&mut self.judged.batches, from, &arrival, self.now);
        self.judged.tally.passes(verdict)
    }
}
