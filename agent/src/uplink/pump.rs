//! The streams that are being sent: a sender for each line's current stream, and for the oldest of the
//! streams that earlier runs left behind.

use std::collections::BTreeMap;

use silkline_protocol::codec::{self, Envelope};
use silkline_protocol::delivery::sender::{Dispatch, Sender};
use silkline_protocol::delivery::thrift::Thrift;
use silkline_protocol::delivery::{Committed, Epoch, Limits, Monotonic, Ranges, Seq};
use silkline_protocol::id::{AgentId, LineId};

use crate::config::Metered;
use crate::spool::reader::{Reader, StreamState};
use crate::spool::{Head, SpoolError, StreamId};

/// How many old streams are sent at a time; each may have a window of records in flight.
const OLD_STREAMS: usize = 16;

/// Records of a stream that go one after the other before another one has its turn: what waits long lies in
/// blocks, and opening one for each record would cost more than the record.
const TURN: u32 = 64;

/// A record ready for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    /// Where it is in the spool; `None` for what goes beside it.
    pub(super) record: Option<(StreamId, Seq)>,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) properties: Vec<(String, String)>,
    pub(super) retain: bool,
    /// What a reply carries back to whoever asked.
    pub(super) correlation: Option<bytes::Bytes>,
}

/// What there is to send next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This.
    Parcel(Parcel),
    /// A record that is held and can't be read: to be given up.
    Unreadable(StreamId, Seq, String),
    /// Nothing now.
    Nothing,
}

/// The senders.
#[derive(Debug)]
pub(super) struct Pump {
    reader: Reader,
    agent: AgentId,
    current: Epoch,
    limits: Limits,
    streams: BTreeMap<StreamId, Stream>,
    online: bool,
    metered: Option<Metered>,
    turn: Option<StreamId>,
    /// Records that the stream whose turn it is has sent in a row.
    in_a_row: u32,
}

/// Which senders are told what the spool knows to be committed: one that is not told waits a moment for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// None: the collectors have yet to speak.
    Nothing,
    /// Those that are new: nobody can have committed anything of a stream that has just begun, and what
    /// was said of an old one on this connection is in the spool.
    New,
}

#[derive(Debug)]
struct Stream {
    line: LineId,
    epoch: Epoch,
    sender: Sender,
    newest: Option<Seq>,
    /// What may go, where the link costs.
    thrift: Option<Thrift>,
}

impl Pump {
    pub(super) fn new(reader: Reader, agent: AgentId, current: Epoch) -> Self {
        Self {
            reader,
            agent,
            current,
            limits: Limits::default(),
            streams: BTreeMap::new(),
            online: false,
            metered: None,
            turn: None,
            in_a_row: 0,
        }
    }

    /// A link is there, and what it costs.
    pub(super) fn connected(
        &mut self,
        metered: Option<Metered>,
        now: Monotonic,
    ) -> Result<(), SpoolError> {
        self.online = true;
        self.metered = metered;
        self.streams.clear();
        self.load(Heard::Nothing, now)
    }

    /// The link is gone.
    pub(super) fn disconnected(&mut self) {
        self.online = false;
        self.streams
            .values_mut()
            .for_each(|stream| stream.sender.disconnected());
    }

    /// A collector's state of this line has come.
    pub(super) fn committed(&mut self, line: &LineId, state: &Committed, now: Monotonic) {
        let none = Ranges::new();
        let streams = self.streams.values_mut();
        for stream in streams.filter(|stream| stream.line == *line) {
            // Of a stream that is not mentioned nothing is committed: records of it are held.
            let said = state.streams.get(&stream.epoch).unwrap_or(&none);
            stream.sender.committed(said, now);
        }
    }

    /// The spool has taken something in, or noted what is committed.
    pub(super) fn appended(&mut self, heads: &[Head], now: Monotonic) -> Result<(), SpoolError> {
        let is_known = |head: &Head| self.streams.contains_key(&head.stream);
        let is_old = |stream: &Stream| stream.epoch != self.current;
        // An old stream may be through, and another one have its turn.
        if !heads.iter().all(is_known) || self.streams.values().any(is_old) {
            self.load(Heard::New, now)?;
        }
        for head in heads {
            if let Some(stream) = self.streams.get_mut(&head.stream) {
                stream.sender.appended(head.newest);
                stream.newest = stream.newest.max(Some(head.newest));
            }
        }
        Ok(())
    }

    /// A record is no longer waited for.
    pub(super) fn refused(&mut self, (stream, seq): (StreamId, Seq)) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.sender.refused(seq);
        }
    }

    /// The next record of any stream, some of each in turn, those of this run before older ones.
    pub(super) fn next(&mut self, now: Monotonic) -> Result<Next, SpoolError> {
        for id in self.in_turn() {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            let Some(due) = stream.poll(&self.reader, id, now)? else {
                continue;
            };
            let goes_on = self.turn == Some(id) && self.in_a_row < TURN;
            self.in_a_row = if goes_on { self.in_a_row + 1 } else { 1 };
            self.turn = Some(id);
            match self.reader.record(id, due.seq) {
                Ok(Some(stored)) => {
                    let (agent, epoch) = (self.agent.clone(), stream.epoch);
                    let envelope = Envelope {
                        agent,
                        epoch,
                        seq: due.seq,
                        late: due.late,
                    };
                    let mut properties = codec::envelope_properties(&envelope);
                    properties.extend(stored.properties);
                    return Ok(Next::Parcel(Parcel {
                        record: Some((id, due.seq)),
                        topic: stored.topic,
                        payload: stored.payload,
                        properties,
                        retain: stored.retain,
                        correlation: None,
                    }));
                }
                Ok(None) => stream.sender.refused(due.seq),
                Err(error @ (SpoolError::Checksum(_) | SpoolError::Newer(_))) => {
                    return Ok(Next::Unreadable(id, due.seq, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Next::Nothing)
    }

    /// What each device last said of itself, to be retained anew.
    pub(super) fn abouts(&self) -> Result<Vec<Parcel>, SpoolError> {
        let parcel = |about: crate::spool::reader::LastAbout| {
            let (agent, epoch, seq) = (self.agent.clone(), about.epoch, about.seq);
            let mut properties = codec::envelope_properties(&Envelope {
                agent,
                epoch,
                seq,
                late: true,
            });
            properties.extend(about.stored.properties);
            Parcel {
                record: None,
                topic: about.stored.topic,
                payload: about.stored.payload,
                properties,
                retain: true,
                correlation: None,
            }
        };
        Ok(self.reader.abouts()?.into_iter().map(parcel).collect())
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let senders = self.streams.values();
        let senders = senders.filter_map(|stream| stream.sender.deadline());
        let thrift = self.streams.values().flat_map(|stream| &stream.thrift);
        let thrift = thrift.map(Thrift::due).filter(|_| self.online);
        senders.chain(thrift).min()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.streams
            .values()
            .map(|stream| stream.sender.in_flight())
            .sum()
    }

    /// Takes up the streams that are to be sent, and tells those that `heard` means what is committed.
    fn load(&mut self, heard: Heard, now: Monotonic) -> Result<(), SpoolError> {
        let states = self.reader.streams(self.current, OLD_STREAMS)?;
        let ids: Vec<StreamId> = states.iter().map(|state| state.id).collect();
        self.streams.retain(|id, _| ids.contains(id));
        for state in states {
            let (online, limits) = (self.online, self.limits);
            let metered = self.metered.filter(|_| online);
            let is_told = heard == Heard::New && !self.streams.contains_key(&state.id);
            let entry = self.streams.entry(state.id);
            let stream = entry.or_insert_with(|| {
                let mut stream = Stream::new(limits, &state, online.then_some(now));
                let every = metered.map(|metered| metered.sample_every);
                stream.thrift = every.map(|every| Thrift::new(every, limits, now));
                stream
            });
            if is_told {
                stream.sender.committed(&state.committed, now);
            }
        }
        Ok(())
    }

    fn in_turn(&self) -> Vec<StreamId> {
        let is_old = |id: &StreamId| {
            self.streams
                .get(id)
                .is_some_and(|s| s.epoch != self.current)
        };
        let goes_on = self.turn.filter(|_| self.in_a_row < TURN);
        let mut ids: Vec<StreamId> = self.streams.keys().copied().collect();
        ids.sort_by_key(|id| {
            let waits = goes_on != Some(*id);
            (is_old(id), waits, Some(*id) <= self.turn, *id)
        });
        ids
    }
}

impl Stream {
    fn new(limits: Limits, state: &StreamState, connected: Option<Monotonic>) -> Self {
        let mut sender = Sender::new(limits, state.newest, state.committed.clone());
        if let Some(now) = connected {
            sender.connected(now);
        }
        Self {
            line: state.line.clone(),
            epoch: state.epoch,
            sender,
            newest: state.newest,
            thrift: None,
        }
    }

    /// The record to send now, of those that may go over the link.
    fn poll(
        &mut self,
        reader: &Reader,
        id: StreamId,
        now: Monotonic,
    ) -> Result<Option<Dispatch>, SpoolError> {
        let view = reader.view(id);
        let Some(thrift) = &mut self.thrift else {
            return self.sender.poll(now, &view);
        };
        if thrift.due() <= now {
            let newest = match self.newest {
                Some(newest) => reader.newest_samples(id, newest)?,
                None => Vec::new(),
            };
            thrift.allow(newest, self.sender.state(), now);
        }
        self.sender.poll(now, &thrift.view(&view))
    }
}
