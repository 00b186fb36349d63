//! Says of each message what is to become of it, before anything is stored.

use silkline_protocol::codec::{Envelope, Record};
use silkline_protocol::delivery::{Epoch, Monotonic, Ranges};
use silkline_protocol::id::{AgentId, LineId, SiteId, StoreId};
use silkline_protocol::message::{Body, Status};

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
}

pub(super) fn judge(
    messages: &[Delivery],
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
                }
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
