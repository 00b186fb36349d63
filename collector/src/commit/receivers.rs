//! What is delivered of every stream: one receiver for each line and site.

use std::collections::BTreeMap;

use silkline_protocol::codec::Envelope;
use silkline_protocol::delivery::receiver::{Arrival, Batch, Receiver, Shed, Stream, Verdict};
use silkline_protocol::delivery::{Committed, Epoch, Limits, Monotonic, Ranges};
use silkline_protocol::id::{AgentId, LineId, SiteId, StoreId};

use crate::store::write::{Delivered, StreamKey};

/// Sites of all lines together that may deliver: strangers cannot fill the memory.
const MOST_SITES: usize = 16_384;

/// The receivers of one collector.
#[derive(Debug)]
pub(super) struct Receivers {
    store: StoreId,
    limits: Limits,
    all: BTreeMap<(LineId, SiteId), Receiver>,
}

/// What one transaction closes, for each line and site.
#[derive(Debug, Default)]
pub(super) struct Batches(BTreeMap<(LineId, SiteId), Batch>);

impl Receivers {
    pub(super) fn new(store: StoreId, saved: Delivered, now: Monotonic) -> Self {
        let limits = Limits::default();
        let receiver = |(key, streams)| (key, Receiver::new(store.clone(), limits, streams, now));
        let all = saved.into_iter().map(receiver).collect();
        Self { store, limits, all }
    }

    /// Judges a message against what is stored and what `batches` is going to store.
    pub(super) fn offer(
        &mut self,
        batches: &mut Batches,
        (line, site): (&LineId, &SiteId),
        arrival: &Arrival<'_>,
        now: Monotonic,
    ) -> Verdict {
        let key = (line.clone(), site.clone());
        if !self.all.contains_key(&key) && self.all.len() >= MOST_SITES {
            return Verdict::Shed(Shed::Streams);
        }
        let new = || Receiver::new(self.store.clone(), self.limits, BTreeMap::new(), now);
        let receiver = self.all.entry(key.clone()).or_insert_with(new);
        receiver.offer(batches.0.entry(key).or_default(), arrival)
    }

    /// Notes an agent's status on every line of its site.
    pub(super) fn status(
        &self,
        batches: &mut Batches,
        (site, agent): (&SiteId, &AgentId),
        held: &[Epoch],
        online: bool,
    ) {
        for (key, receiver) in self.all.iter().filter(|((_, at), _)| at == site) {
            receiver.status(
                batches.0.entry(key.clone()).or_default(),
                agent,
                held,
                online,
            );
        }
    }

    /// The streams that `batches` leave otherwise than they are stored.
    pub(super) fn changed<'a>(
        &'a self,
        batches: &'a Batches,
    ) -> impl Iterator<Item = (StreamKey, &'a Stream)> {
        batches.0.iter().flat_map(|(from, batch)| {
            let known = self.all.get(from).map(Receiver::streams);
            let differs = move |(epoch, stream): &(Epoch, &Stream)| {
                known.and_then(|known| known.get(epoch)) != Some(*stream)
            };
            let (line, site) = from;
            let key = |epoch| StreamKey {
                line: line.clone(),
                site: site.clone(),
                epoch,
            };
            batch
                .changed()
                .filter(differs)
                .map(move |(epoch, stream)| (key(epoch), stream))
        })
    }

    /// Takes over what was stored; gives the streams that are forgotten for good.
    pub(super) fn commit(&mut self, batches: Batches, now: Monotonic) -> Vec<StreamKey> {
        let mut forgotten = Vec::new();
        for (key, batch) in batches.0 {
            if let Some(receiver) = self.all.get_mut(&key) {
                let stream = |epoch| StreamKey {
                    line: key.0.clone(),
                    site: key.1.clone(),
                    epoch,
                };
                forgotten.extend(receiver.commit(batch, now).into_iter().map(stream));
            }
        }
        forgotten
    }

    /// The states that are to be published now.
    pub(super) fn due(&mut self, now: Monotonic) -> Vec<(LineId, SiteId, Committed)> {
        let state = |((line, site), receiver): (&(LineId, SiteId), &mut Receiver)| {
            receiver
                .due(now)
                .map(|committed| (line.clone(), site.clone(), committed))
        };
        self.all.iter_mut().filter_map(state).collect()
    }

    /// The states of all lines and sites, due or not.
    pub(super) fn every(&self) -> Vec<(LineId, SiteId, Committed)> {
        let state = |((line, site), receiver): (&(LineId, SiteId), &Receiver)| {
            (line.clone(), site.clone(), receiver.committed())
        };
        self.all.iter().map(state).collect()
    }

    /// When the next state is due.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.all.values().filter_map(Receiver::deadline).min()
    }
}

impl Batches {
    /// How many numbers are closed as lost.
    pub(super) fn lost(&self) -> u64 {
        let numbers = self.0.values().flat_map(Batch::lost);
        numbers.map(|(_, lo, hi)| hi.get() - lo.get() + 1).sum()
    }

    /// How many numbers that were lost have come after all.
    pub(super) fn found(&self) -> u64 {
        self.0
            .values()
            .map(|batch| batch.found().len() as u64)
            .sum()
    }
}

/// How a message with `envelope` arrives.
pub(super) fn arrival<'a>(
    envelope: &'a Envelope,
    bytes: usize,
    lost: Option<(Epoch, &'a Ranges)>,
) -> Arrival<'a> {
    Arrival {
        agent: &envelope.agent,
        epoch: envelope.epoch,
        seq: envelope.seq,
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        lost,
    }
}
