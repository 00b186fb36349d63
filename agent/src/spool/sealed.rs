//! What is written to and read from the spool's file of sealed runs of samples, one statement a
//! function; see [`block`].

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use silkline_protocol::delivery::Seq;
use silkline_protocol::delivery::sender::Class;
use silkline_protocol::time::Timestamp;

use super::block::{self, Run, Sealed};
use super::disk::{self, CRC, Letter, RECORD_VERSION, Slot};
use super::file::{key, of_key};
use super::{StreamId, pack};

/// The newest version that a block may have.
pub(super) const VERSION: i64 = 1;
/// Blocks that are listed at a time: removing one touches each of its pages.
pub(super) const AT_A_TIME: usize = 64;
/// What a block takes beside its body.
const OVERHEAD: u64 = 80;

/// A block, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) slot: Slot,
    pub(super) version: i64,
    crc: u32,
}

#[cfg(test)]
impl Held {
    /// The block of this slot.
    pub(super) const fn of(slot: Slot) -> Self {
        Self {
            slot,
            version: VERSION,
            crc: 0,
        }
    }
}

/// A record that might be sealed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) slot: Slot,
    /// Nothing where it is no packed sample, or not what was written.
    pub(super) sealed: Option<Sealed>,
}

/// What a block of this body takes on the disk.
pub(super) const fn bytes(body: &[u8]) -> u64 {
    OVERHEAD + body.len() as u64
}

/// Writes a block.
pub(super) fn put(file: &Connection, slot: &Slot, body: &[u8]) -> rusqlite::Result<()> {
    file.prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            key(slot.stream, slot.last),
            key(slot.stream, slot.seq),
            VERSION,
            slot.at.nanos(),
            slot.bytes as i64,
            CRC.checksum(body),
            body
        ])?;
    Ok(())
}

/// The blocks of which all lies in `lo..=hi`, lowest first, at most [`AT_A_TIME`].
pub(super) fn slots(
    file: &Connection,
    (stream, lo, hi): (StreamId, Seq, Seq),
) -> rusqlite::Result<Vec<Slot>> {
    let mut statement = file.prepare_cached(
        "SELECT key, first, at, bytes FROM block
         WHERE key BETWEEN ?1 AND ?2 AND first >= ?1 ORDER BY key LIMIT ?3",
    )?;
    let most = AT_A_TIME as i64;
    let found = statement.query_map(params![key(stream, lo), key(stream, hi), most], slot)?;
    found.filter_map(Result::transpose).collect()
}

/// Removes the blocks of which all lies in `lo..=hi`.
pub(super) fn remove(
    file: &Connection,
    (stream, lo, hi): (StreamId, Seq, Seq),
) -> rusqlite::Result<()> {
    file.prepare_cached("DELETE FROM block WHERE key BETWEEN ?1 AND ?2 AND first >= ?1")?
        .execute([key(stream, lo), key(stream, hi)])?;
    Ok(())
}

/// The block that a record lies in, if it lies in one.
pub(super) fn around(
    file: &Connection,
    stream: StreamId,
    seq: Seq,
) -> rusqlite::Result<Option<Held>> {
    let mut statement = file.prepare_cached(
        "SELECT key, first, at, bytes, v, crc FROM block WHERE key >= ?1 ORDER BY key LIMIT 1",
    )?;
    let found = statement.query_row([key(stream, seq)], |sql| {
        Ok((slot(sql)?, sql.get(4)?, sql.get(5)?))
    });
    Ok(found.optional()?.and_then(|(slot, version, crc)| {
        let slot = slot.filter(|slot| slot.stream == stream && slot.seq <= seq)?;
        Some(Held { slot, version, crc })
    }))
}

/// The samples of a block; nothing where it is not what was written.
pub(super) fn samples(file: &Connection, held: &Held) -> rusqlite::Result<Option<Run>> {
    let mut statement = file.prepare_cached("SELECT body FROM block WHERE key = ?1")?;
    let found = statement.query_row([key(held.slot.stream, held.slot.last)], |sql| {
        sql.get::<_, Vec<u8>>(0)
    });
    let count = held.slot.seqs().count();
    Ok(found
        .optional()?
        .filter(|body| CRC.checksum(body) == held.crc)
        .and_then(|body| block::open(&body))
        .filter(|samples| samples.len() == count))
}

/// A sealed sample as it travels; nothing where its words are not those that it was sealed with.
pub(super) fn letter(file: &Connection, sample: &Sealed) -> rusqlite::Result<Option<Letter>> {
    let template = template(file, sample.template)?;
    Ok(template
        .filter(|template| template.crc() == sample.words)
        .and_then(|template| template.letter(&sample.numbers)))
}

/// The first records of a stream in `lo..=hi` that lie by themselves, at most a block of them; and whether
/// more would be more than a block.
pub(super) fn candidates(
    file: &Connection,
    (stream, lo, hi): (StreamId, Seq, Seq),
) -> rusqlite::Result<(Vec<Candidate>, bool)> {
    let mut statement = file.prepare_cached(
        "SELECT key, key, at, bytes, v, crc, template, payload FROM record
         WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3",
    )?;
    let most = block::MOST as i64;
    let mut found = statement.query(params![key(stream, lo), key(stream, hi), most])?;
    let (mut candidates, mut room) = (Vec::new(), block::ROOM);
    while let Some(sql) = found.next()? {
        let Some(slot) = slot(sql)? else { continue };
        let (version, crc): (i64, u32) = (sql.get(4)?, sql.get(5)?);
        let id: Option<i64> = sql.get(6)?;
        let sealed = match id.filter(|_| version == RECORD_VERSION) {
            Some(id) => sealable(file, id, (sql.get(7)?, crc))?,
            None => None,
        };
        let numbers = sealed.as_ref().map_or(0, |sample| sample.numbers.len());
        if numbers > room && !candidates.is_empty() {
            return Ok((candidates, true));
        }
        room = room.saturating_sub(numbers);
        candidates.push(Candidate { slot, sealed });
    }
    let is_full = candidates.len() >= block::MOST;
    Ok((candidates, is_full))
}

/// A sample to be sealed, if it is what was written.
fn sealable(
    file: &Connection,
    id: i64,
    (numbers, crc): (Vec<u8>, u32),
) -> rusqlite::Result<Option<Sealed>> {
    let Some(template) = template(file, id)? else {
        return Ok(None);
    };
    let letter = template.letter(&numbers);
    let is_whole = letter.is_some_and(|letter| letter.crc() == crc);
    Ok(is_whole.then(|| Sealed {
        template: id,
        words: template.crc(),
        numbers,
    }))
}

/// The words of a device's samples.
struct Template {
    topic: String,
    properties: String,
    words: Vec<u8>,
}

impl Template {
    fn crc(&self) -> u32 {
        let mut digest = CRC.digest();
        for part in [
            self.topic.as_bytes(),
            self.properties.as_bytes(),
            &self.words,
        ] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize()
    }

    fn letter(&self, numbers: &[u8]) -> Option<Letter> {
        Some(Letter {
            class: Class::Sample,
            topic: self.topic.clone(),
            properties: self.properties.clone(),
            payload: pack::join(&self.words, numbers)?,
        })
    }
}

fn template(file: &Connection, id: i64) -> rusqlite::Result<Option<Template>> {
    let mut statement =
        file.prepare_cached("SELECT topic, properties, words FROM template WHERE id = ?1")?;
    let found = statement.query_row([id], |sql| {
        Ok(Template {
            topic: sql.get(0)?,
            properties: sql.get(1)?,
            words: sql.get(2)?,
        })
    });
    found.optional()
}

/// Puts the samples of a block back as records of their own, without the block; gives what they take.
pub(super) fn take_apart(file: &Connection, slot: &Slot, samples: &Run) -> rusqlite::Result<u64> {
    remove(file, (slot.stream, slot.seq, slot.last))?;
    let mut bytes = 0;
    for (seq, sample) in slot.seqs().zip(samples.iter()) {
        let packed = super::template::Packed {
            template: sample.template,
            numbers: sample.numbers.clone(),
        };
        let own = Slot {
            seq,
            last: seq,
            bytes: packed.bytes(),
            ..*slot
        };
        // Without its words it could not be sent; it stays, and is refused where it is read.
        let letter = letter(file, &sample)?.unwrap_or_else(Letter::of_nothing);
        disk::put_packed(file, &own, &letter, (packed.template, &packed.numbers))?;
        bytes += own.bytes;
    }
    Ok(bytes)
}

fn slot(sql: &SqlRow<'_>) -> rusqlite::Result<Option<Slot>> {
    let (last, first) = (of_key(sql.get(0)?), of_key(sql.get(1)?));
    let (at, bytes) = (Timestamp::from_nanos(sql.get(2)?), sql.get(3)?);
    Ok(last.zip(first).map(|((stream, last), (_, seq))| Slot {
        stream,
        seq,
        last,
        at,
        bytes: disk::unsigned(bytes),
    }))
}
