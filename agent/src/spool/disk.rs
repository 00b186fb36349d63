//! What is written to and read from the spool's file, one statement a function.
//!
//! Nothing here decides anything, and everything runs inside the caller's transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use silkline_protocol::codec;
use silkline_protocol::delivery::sender::Class;
use silkline_protocol::delivery::{Epoch, Ranges, Seq};
use silkline_protocol::id::{DeviceId, LineId, SiteId};
use silkline_protocol::message::{Body, Gap};
use silkline_protocol::time::Timestamp;
use silkline_protocol::topic::{DeviceTopic, Topic};

use super::StreamId;
use super::account::Kinds;
use super::file::{key, of_key};
use super::ledger::{Ledger, Row};
use super::sealed;

/// The newest version that a record begins with: one whose words are kept apart from its numbers.
pub(super) const RECORD_VERSION: i64 = 2;
/// The version of a record that is kept as it travels.
const WHOLE: i64 = 1;

/// How no properties are written.
pub(super) const NO_PROPERTIES: &str = "[]";

/// What a record takes beside its own bytes: its row, its index entry, their pages' share.
const OVERHEAD: u64 = 100;

/// Sixteen bytes at a time: it goes over every payload that is written.
pub(super) static CRC: crc::Crc<u32, crc::Table<16>> =
    crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISO_HDLC);

/// A record as it will travel, apart from its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) class: Class,
    pub(super) topic: String,
    pub(super) properties: String,
    pub(super) payload: Vec<u8>,
}

/// Where a record lies, or a block of them, when the newest of it was taken in, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) stream: StreamId,
    pub(super) seq: Seq,
    /// The last of its records: the same, where it is one.
    pub(super) last: Seq,
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
}

impl Slot {
    /// The numbers of its records.
    pub(super) fn seqs(self) -> impl Iterator<Item = Seq> {
        (self.seq.get()..=self.last.get()).filter_map(Seq::new)
    }
}

impl Letter {
    /// What travels for `body` on a line.
    pub(super) fn new(line: &LineId, site: &SiteId, body: &Body) -> Self {
        let class = class_of(body);
        let properties = codec::body_properties(body);
        let properties = if properties.is_empty() {
            NO_PROPERTIES.to_owned()
        } else {
            serde_json::to_string(&properties).unwrap_or_default()
        };
        Self {
            class,
            topic: codec::topic(line, site, body).to_string(),
            properties,
            payload: codec::payload(body),
        }
    }

    /// What stands for a sample of which the words are gone: no reader takes it for whole.
    pub(super) const fn of_nothing() -> Self {
        Self {
            class: Class::Sample,
            topic: String::new(),
            properties: String::new(),
            payload: Vec::new(),
        }
    }

    /// What travels for a sample of a device on a line.
    pub(super) fn of_sample(
        (line, site, device): (&LineId, &SiteId, &DeviceId),
        payload: Vec<u8>,
    ) -> Self {
        let topic = Topic::Device {
            line: line.clone(),
            site: site.clone(),
            device: device.clone(),
            what: DeviceTopic::Sample,
        };
        Self {
            class: Class::Sample,
            topic: topic.to_string(),
            properties: NO_PROPERTIES.to_owned(),
            payload,
        }
    }

    /// What it takes on the disk and, nearly, on the wire.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.topic.len() + self.properties.len() + self.payload.len();
        OVERHEAD + bytes as u64
    }

    /// The checksum over all that is sent.
    pub(super) fn crc(&self) -> u32 {
        let mut digest = CRC.digest();
        // Over what travels, however it is kept.
        digest.update(&WHOLE.to_le_bytes());
        for part in [
            self.topic.as_bytes(),
            self.properties.as_bytes(),
            &self.payload,
        ] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize()
    }
}

/// The class that a record of `body` is of.
pub(super) const fn class_of(body: &Body) -> Class {
    match body {
        Body::Gap(_) => Class::Gap,
        Body::Event(..) | Body::About(..) => Class::Event,
        Body::Trace(..) => Class::Trace,
        Body::Sample(..) => Class::Sample,
    }
}

/// The number under which a class is stored.
pub(super) const fn class_number(class: Class) -> i64 {
    match class {
        Class::Gap => 0,
        Class::Event => 1,
        Class::Trace => 2,
        Class::Sample => 3,
    }
}

/// Carries out a statement without values, such as the bounds of a transaction.
pub(super) fn say(file: &Connection, statement: &str) -> rusqlite::Result<()> {
    file.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// Every stream in the file.
pub(super) fn load(file: &Connection) -> rusqlite::Result<Ledger> {
    let mut rows = BTreeMap::new();
    let mut statement = file.prepare_cached(
        "SELECT id, line, epoch, newest, bytes, born, committed FROM stream ORDER BY id",
    )?;
    let mut found = statement.query([])?;
    while let Some(sql) = found.next()? {
        let id = StreamId(sql.get(0)?);
        let committed: String = sql.get(6)?;
        let row = Row {
            line: parsed(sql, 1)?,
            epoch: Epoch::from_bytes(sql.get(2)?),
            newest: seq(sql.get(3)?),
            committed: serde_json::from_str(&committed).unwrap_or_default(),
            gone: gone(file, id)?,
            bytes: unsigned(sql.get(4)?),
            born: Timestamp::from_nanos(sql.get(5)?),
            kinds: Kinds::default(),
        };
        rows.insert(id, row);
    }
    note_kinds(file, &mut rows)?;
    Ok(Ledger::new(rows))
}

/// Notes which records are no plain samples: read from the index alone.
fn note_kinds(file: &Connection, rows: &mut BTreeMap<StreamId, Row>) -> rusqlite::Result<()> {
    for class in [Class::Gap, Class::Event, Class::Trace] {
        let mut statement = file.prepare_cached(
            "SELECT key FROM record INDEXED BY record_by_class WHERE class = ?1 ORDER BY key",
        )?;
        let mut found = statement.query([class_number(class)])?;
        while let Some(sql) = found.next()? {
            if let Some((id, seq)) = of_key(sql.get(0)?)
                && let Some(row) = rows.get_mut(&id)
            {
                row.kinds.note(class, seq);
            }
        }
    }
    Ok(())
}

/// Adds a stream.
pub(super) fn add_stream(file: &Connection, row: &Row) -> rusqlite::Result<StreamId> {
    file.prepare_cached(
        "INSERT INTO stream (line, epoch, newest, open, bytes, born, committed)
         VALUES (?1, ?2, 0, 0, 0, ?3, '[]')",
    )?
    .execute(params![
        row.line.as_str(),
        row.epoch.as_bytes(),
        row.born.nanos()
    ])?;
    Ok(StreamId(file.last_insert_rowid()))
}

/// Forgets a stream of which nothing is held.
pub(super) fn remove_stream(file: &Connection, id: StreamId) -> rusqlite::Result<()> {
    file.prepare_cached("DELETE FROM stream WHERE id = ?1")?
        .execute([id.0])?;
    file.prepare_cached("DELETE FROM gone WHERE stream = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// Saves what a transaction changed in the ledger.
pub(super) fn save(file: &Connection, ledger: &mut Ledger) -> rusqlite::Result<()> {
    let (changed, gone_changed) = ledger.take_changed();
    for id in changed {
        let Some(row) = ledger.row(id) else { continue };
        let committed = serde_json::to_string(&row.committed).unwrap_or_default();
        file.prepare_cached(
            "UPDATE stream SET newest = ?2, open = ?3, bytes = ?4, committed = ?5 WHERE id = ?1",
        )?
        .execute(params![
            id.0,
            row.newest.map_or(0, |newest| newest.get() as i64),
            row.open().count() as i64,
            row.bytes as i64,
            committed
        ])?;
    }
    for id in gone_changed {
        let Some(row) = ledger.row(id) else { continue };
        file.prepare_cached("DELETE FROM gone WHERE stream = ?1")?
            .execute([id.0])?;
        for (lo, hi) in row.gone.iter() {
            file.prepare_cached("INSERT INTO gone VALUES (?1, ?2, ?3)")?
                .execute([id.0, lo.get() as i64, hi.get() as i64])?;
        }
    }
    Ok(())
}

/// Writes a record.
pub(super) fn put(file: &Connection, slot: &Slot, letter: &Letter) -> rusqlite::Result<()> {
    file.prepare_cached(
        "INSERT INTO record (key, v, class, at, bytes, crc, topic, properties, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        key(slot.stream, slot.seq),
        WHOLE,
        class_number(letter.class),
        slot.at.nanos(),
        slot.bytes as i64,
        letter.crc(),
        letter.topic,
        letter.properties,
        letter.payload
    ])?;
    Ok(())
}

/// Writes a record of which the words are kept in a template, and only `numbers` here.
pub(super) fn put_packed(
    file: &Connection,
    slot: &Slot,
    letter: &Letter,
    (template, numbers): (i64, &[u8]),
) -> rusqlite::Result<()> {
    file.prepare_cached(
        "INSERT INTO record (key, v, class, at, bytes, crc, topic, properties, payload, template)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', '', ?7, ?8)",
    )?
    .execute(params![
        key(slot.stream, slot.seq),
        RECORD_VERSION,
        class_number(letter.class),
        slot.at.nanos(),
        slot.bytes as i64,
        letter.crc(),
        numbers,
        template
    ])?;
    Ok(())
}

/// Notes the newest that a device said of itself: it outlives its record, to be retained anew.
pub(super) fn put_about(
    file: &Connection,
    slot: &Slot,
    epoch: Epoch,
    letter: &Letter,
) -> rusqlite::Result<()> {
    file.prepare_cached("INSERT OR REPLACE INTO about VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            letter.topic,
            key(slot.stream, slot.seq),
            epoch.as_bytes(),
            letter.properties,
            letter.payload
        ])?;
    Ok(())
}

/// What is held of a stream in `lo..=hi`, of one class or of any, lowest first: the first so many, and
/// whether these are all. Blocks are there with those that lie in the range as a whole.
pub(super) fn slots(
    file: &Connection,
    class: Option<Class>,
    span: (StreamId, Seq, Seq),
    limit: usize,
) -> rusqlite::Result<(Vec<Slot>, bool)> {
    let mut slots = rows(file, class, span, limit)?;
    let mut is_all = slots.len() < limit;
    if class.is_none_or(|class| class == Class::Sample) {
        let blocks = sealed::slots(file, span)?;
        let end = blocks.last().map(|block| block.last);
        if let Some(end) = end.filter(|_| blocks.len() == sealed::AT_A_TIME) {
            is_all = false;
            slots.retain(|slot| slot.seq < end);
        }
        slots.extend(blocks);
        slots.sort_unstable_by_key(|slot| slot.seq);
        is_all &= slots.len() <= limit;
        slots.truncate(limit);
    }
    Ok((slots, is_all))
}

/// The records of a stream in `lo..=hi` that lie by themselves, lowest first.
fn rows(
    file: &Connection,
    class: Option<Class>,
    (stream, lo, hi): (StreamId, Seq, Seq),
    limit: usize,
) -> rusqlite::Result<Vec<Slot>> {
    let all = "SELECT key, at, bytes FROM record WHERE key BETWEEN ?1 AND ?2 AND ?3 = -1
               ORDER BY key LIMIT ?4";
    let of_class = "SELECT key, at, bytes FROM record INDEXED BY record_by_class
                    WHERE key BETWEEN ?1 AND ?2 AND class = ?3 ORDER BY key LIMIT ?4";
    let mut statement = file.prepare_cached(if class.is_some() { of_class } else { all })?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let class = class.map_or(-1, class_number);
    let found = statement.query_map(
        params![key(stream, lo), key(stream, hi), class, limit],
        slot,
    )?;
    found.filter_map(Result::transpose).collect()
}

/// The gap records of the file, with what they say.
pub(super) fn gaps(file: &Connection) -> rusqlite::Result<Vec<(Slot, Gap)>> {
    let mut statement = file.prepare_cached(
        "SELECT key, at, bytes, payload FROM record INDEXED BY record_by_class
         WHERE class = 0 ORDER BY key",
    )?;
    let mut found = statement.query([])?;
    let mut gaps = Vec::new();
    while let Some(sql) = found.next()? {
        let payload: Vec<u8> = sql.get(3)?;
        if let (Some(slot), Ok(gap)) = (slot(sql)?, codec::from_json(&payload)) {
            gaps.push((slot, gap));
        }
    }
    Ok(gaps)
}

/// One record's slot and class, if it is held.
pub(super) fn find(
    file: &Connection,
    stream: StreamId,
    seq: Seq,
) -> rusqlite::Result<Option<(Slot, i64)>> {
    let mut statement =
        file.prepare_cached("SELECT key, at, bytes, class FROM record WHERE key = ?1")?;
    let found = statement.query_row([key(stream, seq)], |sql| Ok((slot(sql)?, sql.get(3)?)));
    Ok(found
        .optional()?
        .and_then(|(slot, class)| slot.map(|slot| (slot, class))))
}

/// Removes the records of a stream in `lo..=hi`, and the blocks of which all lies there.
pub(super) fn remove(
    file: &Connection,
    stream: StreamId,
    (lo, hi): (Seq, Seq),
) -> rusqlite::Result<()> {
    file.prepare_cached("DELETE FROM record WHERE key BETWEEN ?1 AND ?2")?
        .execute([key(stream, lo), key(stream, hi)])?;
    sealed::remove(file, (stream, lo, hi))
}

fn slot(sql: &SqlRow<'_>) -> rusqlite::Result<Option<Slot>> {
    let (at, bytes) = (Timestamp::from_nanos(sql.get(1)?), unsigned(sql.get(2)?));
    Ok(of_key(sql.get(0)?).map(|(stream, seq)| Slot {
        stream,
        seq,
        last: seq,
        at,
        bytes,
    }))
}

fn gone(file: &Connection, id: StreamId) -> rusqlite::Result<Ranges> {
    let mut statement = file.prepare_cached("SELECT lo, hi FROM gone WHERE stream = ?1")?;
    let mut found = statement.query([id.0])?;
    let mut ranges = Ranges::new();
    while let Some(sql) = found.next()? {
        if let (Some(lo), Some(hi)) = (seq(sql.get(0)?), seq(sql.get(1)?)) {
            ranges.insert(lo, hi);
        }
    }
    Ok(ranges)
}

/// An id in a column, which only we wrote.
pub(super) fn parsed<T: core::str::FromStr>(sql: &SqlRow<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: core::error::Error + Send + Sync + 'static,
{
    let text: String = sql.get(column)?;
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn seq(value: i64) -> Option<Seq> {
    Seq::new(unsigned(value))
}
