//! What was taken in: samples, traces, records, streams, rubbish.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use silkline_protocol::delivery::receiver::Stream;
use silkline_protocol::delivery::{Epoch, Seq};
use silkline_protocol::device::About;
use silkline_protocol::id::{AgentId, DeviceId, LineId, PointName, SiteId};
use silkline_protocol::message::{Status, TraceFile};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::Transaction;
use crate::store::StoreError;
use crate::store::readings::{self, PointRef};
use crate::store::rows::RowId;

/// Bytes of a message set aside that are kept: all of a sample, the beginning of a large trace.
const RUBBISH_KEPT: usize = 256 * 1024;

/// Names a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey {
    /// The line it is for.
    pub line: LineId,
    /// Where it comes from.
    pub site: SiteId,
    /// Which life of the agent's spool.
    pub epoch: Epoch,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its stream, saved before in the same or an earlier transaction.
    pub stream: &'a StreamKey,
    /// Its number there.
    pub seq: Seq,
    /// Whether it comes from a backlog.
    pub late: bool,
}

/// A message that could not be understood.
#[derive(Clone, Copy, Debug)]
pub struct Rubbish<'a> {
    /// Where it came.
    pub topic: &'a str,
    /// A short word for counters.
    pub kind: &'a str,
    /// What is wrong with it.
    pub reason: &'a str,
    /// Its user properties.
    pub properties: &'a [(String, String)],
    /// Its payload.
    pub payload: &'a [u8],
}

impl Transaction<'_> {
    /// Saves what is delivered of a stream.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn stream(&mut self, key: &StreamKey, stream: &Stream) -> Result<(), StoreError> {
        let state = json(stream);
        let sql = "INSERT INTO stream (line, site, epoch, agent, state) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT DO UPDATE SET state = excluded.state RETURNING id";
        let (line, site) = (key.line.as_str(), key.site.as_str());
        let row = params![
            line,
            site,
            key.epoch.as_bytes(),
            stream.agent().as_str(),
            state
        ];
        let id = self
            .db
            .prepare_cached(sql)?
            .query_row(row, |row| row.get(0))?;
        self.known.streams.insert(key.clone(), id);
        Ok(())
    }

    /// Forgets a stream for good.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn forget_stream(&mut self, key: &StreamKey) -> Result<(), StoreError> {
        if let Some(id) = self.known.streams.remove(key) {
            self.db
                .prepare_cached("DELETE FROM stream WHERE id = ?1")?
                .execute([id])?;
        }
        Ok(())
    }

    /// Stores a sample.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn sample(
        &mut self,
        origin: &Origin<'_>,
        device: &DeviceId,
        sample: &Sample,
    ) -> Result<RowId, StoreError> {
        let device = self.device(origin.stream, device)?;
        let readings = readings::encode(self.pointed(device, sample)?);
        let (id, at) = (self.number(), sample.at.nanos());
        let stream = self.stream_ref(origin);
        self.db
            .prepare_cached("INSERT INTO sample VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                id.0,
                device,
                at,
                origin.late,
                stream,
                seq(origin),
                readings
            ])?;
        self.known.head.add(device);
        Ok(id)
    }

    /// Stores a trace.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn trace(
        &mut self,
        origin: &Origin<'_>,
        device: &DeviceId,
        file: &TraceFile,
    ) -> Result<RowId, StoreError> {
        let device = self.device(origin.stream, device)?;
        let (id, stream) = (self.number(), self.stream_ref(origin));
        let view = file.view.as_ref().map(|view| view.as_str());
        let (at, received) = (file.at.nanos(), self.now.nanos());
        let sql = "INSERT INTO trace (id, device, at, received, late, stream, seq, view, port,
            \"trigger\", sor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let seq = seq(origin);
        let trigger = file.trigger.word();
        let row = params![
            id.0,
            device,
            at,
            received,
            origin.late,
            stream,
            seq,
            view,
            file.port,
            trigger,
            file.sor
        ];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(id)
    }

    /// Stores an event or a gap: `kind` says which.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn record(
        &mut self,
        kind: &str,
        origin: &Origin<'_>,
        device: Option<&DeviceId>,
        (at, body): (Timestamp, &impl Serialize),
    ) -> Result<RowId, StoreError> {
        let (id, stream) = (self.number(), self.stream_ref(origin));
        let (line, site) = (origin.stream.line.as_str(), origin.stream.site.as_str());
        let device = device.map(DeviceId::as_str);
        let (late, seq, body) = (origin.late, seq(origin), json(body));
        self.db
            .prepare_cached("INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                id.0,
                kind,
                line,
                site,
                device,
                at.nanos(),
                late,
                stream,
                seq,
                body
            ])?;
        Ok(id)
    }

    /// Stores what a device says it is.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn about(
        &mut self,
        origin: &Origin<'_>,
        device: &DeviceId,
        about: &About,
    ) -> Result<RowId, StoreError> {
        let known = self.device(origin.stream, device)?;
        self.db
            .prepare_cached("UPDATE device SET about = ?2 WHERE ref = ?1")?
            .execute(params![known, json(about)])?;
        self.record("about", origin, Some(device), (self.now, about))
    }

    /// Stores an agent's latest status; it takes no number.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn status(
        &mut self,
        site: &SiteId,
        agent: &AgentId,
        status: &Status,
    ) -> Result<(), StoreError> {
        let (site, agent) = (site.as_str(), agent.as_str());
        let row = params![site, agent, self.now.nanos(), status.online, json(status)];
        self.db
            .prepare_cached("INSERT OR REPLACE INTO agent VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(row)?;
        Ok(())
    }

    /// Stores what engines were told apart from streams: `status`, `action`, `started`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn told(
        &mut self,
        kind: &str,
        line: Option<&LineId>,
        site: Option<&SiteId>,
        body: &impl Serialize,
    ) -> Result<RowId, StoreError> {
        let id = self.number();
        let (line, site) = (line.map(LineId::as_str), site.map(SiteId::as_str));
        self.db
            .prepare_cached(
                "INSERT INTO record (id, kind, line, site, at, late, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
            )?
            .execute(params![
                id.0,
                kind,
                line,
                site,
                self.now.nanos(),
                json(body)
            ])?;
        Ok(id)
    }

    /// Sets a message aside.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn quarantine(&mut self, rubbish: &Rubbish<'_>) -> Result<(), StoreError> {
        let kept = rubbish
            .payload
            .get(..RUBBISH_KEPT)
            .unwrap_or(rubbish.payload);
        let bytes = i64::try_from(rubbish.payload.len()).unwrap_or(i64::MAX);
        let Rubbish {
            topic,
            kind,
            reason,
            properties,
            ..
        } = rubbish;
        self.db
            .prepare_cached(
                "INSERT INTO quarantine (at, topic, kind, reason, properties, bytes, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                self.now.nanos(),
                topic,
                kind,
                reason,
                json(properties),
                bytes,
                kept
            ])?;
        Ok(())
    }

    /// Takes a message out of the quarantine.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn settle(&mut self, rubbish: i64) -> Result<(), StoreError> {
        self.db
            .prepare_cached("DELETE FROM quarantine WHERE id = ?1")?
            .execute([rubbish])?;
        Ok(())
    }

    fn stream_ref(&self, origin: &Origin<'_>) -> i64 {
        self.known.streams.get(origin.stream).copied().unwrap_or(0)
    }

    /// The readings of a sample under their points' numbers. A device nearly always sends the same
    /// points: it is enough to see that they are those of its last sample.
    fn pointed(
        &mut self,
        device: i64,
        sample: &Sample,
    ) -> Result<Vec<(PointRef, Reading)>, StoreError> {
        let readings = &sample.readings;
        let last = self.known.polled.get(&device);
        let same = last.filter(|last| last.iter().map(|(name, _)| name).eq(readings.keys()));
        if let Some(last) = same {
            let pairs = last.iter().zip(readings.values());
            return Ok(pairs.map(|((_, point), it)| (*point, *it)).collect());
        }
        let mut polled = Vec::with_capacity(readings.len());
        let mut pointed = Vec::with_capacity(readings.len());
        for (name, reading) in readings {
            let point = self.point(name)?;
            polled.push((name.clone(), point));
            pointed.push((point, *reading));
        }
        self.known.polled.insert(device, polled);
        Ok(pointed)
    }

    fn point(&mut self, name: &PointName) -> Result<PointRef, StoreError> {
        if let Some(known) = self.known.points.get(name) {
            return Ok(*known);
        }
        let new: i64 = self
            .db
            .prepare_cached("INSERT INTO point (name) VALUES (?1) RETURNING ref")?
            .query_row([name.as_str()], |row| row.get(0))?;
        let new = PointRef(u32::try_from(new).unwrap_or(u32::MAX));
        self.known.points.insert(name.clone(), new);
        Ok(new)
    }

    fn device(&mut self, stream: &StreamKey, device: &DeviceId) -> Result<i64, StoreError> {
        let key = (stream.line.clone(), stream.site.clone(), device.clone());
        if let Some(known) = self.known.devices.get(&key) {
            return Ok(*known);
        }
        let new: i64 = self
            .db
            .prepare_cached(
                "INSERT INTO device (line, site, device) VALUES (?1, ?2, ?3) RETURNING ref",
            )?
            .query_row([key.0.as_str(), key.1.as_str(), key.2.as_str()], |row| {
                row.get(0)
            })?;
        self.known.devices.insert(key, new);
        Ok(new)
    }

    /// The step before this one, where there is any.
    pub(in crate::store) fn last_step(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM step ORDER BY id DESC LIMIT 1";
        Ok(self
            .db
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))
            .optional()?)
    }
}

fn seq(origin: &Origin<'_>) -> i64 {
    i64::try_from(origin.seq.get()).unwrap_or(i64::MAX)
}

/// The JSON of a message of ours, which always has one.
pub(in crate::store) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
