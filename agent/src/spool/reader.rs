//! The spool's reading side: what the uplink asks of it, over a connection of its own.
//!
//! Readers never wait for the writer, nor it for them: the file is in write-ahead mode.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use silkline_protocol::delivery::sender::{Class, Entry, Spool};
use silkline_protocol::delivery::thrift::Alarms;
use silkline_protocol::delivery::{Epoch, Ranges, Seq};
use silkline_protocol::id::LineId;

use super::disk::{self, Letter, RECORD_VERSION};
use super::file::{key, of_key, open_to_read};
use super::opened::{NotAtHand, Opened};
use super::recent::{First, Recent};
use super::refuge::Refuge;
use super::{SpoolError, StreamId, pack, sealed};

/// How far back the newest sample of a device is looked for: that of the slowest device of a large hut.
const SAMPLES_LOOKED_AT: i64 = 5000;

const FIRST_OF_CLASS: &str = "SELECT key, bytes FROM record INDEXED BY record_by_class
    WHERE class = ?3 AND key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1";
const LAST_OF_CLASS: &str = "SELECT key, bytes FROM record INDEXED BY record_by_class
    WHERE class = ?3 AND key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1";
// Records and blocks in one statement, so that what moves from one to the other is never missed. Blocks
// do not overlap: the first that ends at or after a number is the only one that may hold it.
const FIRST_OF_ALL: &str = "SELECT * FROM (SELECT key, bytes FROM record
        WHERE key BETWEEN ?1 AND ?2 AND ?3 = -1 ORDER BY key LIMIT 1)
    UNION ALL
    SELECT max(first, ?1), bytes / (key - first + 1)
        FROM (SELECT key, first, bytes FROM block WHERE key >= ?1 ORDER BY key LIMIT 1) WHERE first <= ?2
    ORDER BY 1 LIMIT 1";
const FIRST_SAMPLE: &str = "SELECT * FROM (SELECT key, bytes FROM record INDEXED BY record_by_class
        WHERE class = ?3 AND key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1)
    UNION ALL
    SELECT max(first, ?1), bytes / (key - first + 1)
        FROM (SELECT key, first, bytes FROM block WHERE key >= ?1 ORDER BY key LIMIT 1) WHERE first <= ?2
    ORDER BY 1 LIMIT 1";
const LAST_SAMPLE: &str = "SELECT * FROM (SELECT key, bytes FROM record INDEXED BY record_by_class
        WHERE class = ?3 AND key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1)
    UNION ALL
    SELECT min(key, ?2), bytes / (key - first + 1)
        FROM (SELECT key, first, bytes FROM block WHERE key >= ?2 ORDER BY key LIMIT 1) WHERE first <= ?2
    UNION ALL
    SELECT key, bytes / (key - first + 1)
        FROM (SELECT key, first, bytes FROM block WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1)
    ORDER BY 1 DESC LIMIT 1";

/// A stream as its sender begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Which stream.
    pub id: StreamId,
    /// Its line.
    pub line: LineId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its newest number.
    pub newest: Option<Seq>,
    /// What a collector is known to have committed.
    pub committed: Ranges,
    /// Records held that are not committed.
    pub open: u64,
}

/// A record as it travels, apart from its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The topic.
    pub topic: String,
    /// The properties of its body.
    pub properties: Vec<(String, String)>,
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether it is what its device last said of itself: to be retained by the broker.
    pub retain: bool,
}

/// What a device last said of itself, under the number it was spooled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAbout {
    /// Its stream's epoch.
    pub epoch: Epoch,
    /// Its number.
    pub seq: Seq,
    /// The record.
    pub stored: Stored,
}

/// A connection that reads.
#[derive(Debug)]
pub struct Reader {
    file: Connection,
    opened: RefCell<Opened>,
    recent: Recent,
    /// What the file has not got, since the disk does not take it.
    refuge: Refuge,
}

/// One stream's records, for its sender.
#[derive(Debug)]
pub struct StreamView<'a> {
    reader: &'a Reader,
    stream: StreamId,
}

impl Reader {
    /// Opens the file for reading.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        Ok(Self {
            file: open_to_read(path)?,
            opened: RefCell::default(),
            recent: Recent::default(),
            refuge: Refuge::default(),
        })
    }

    /// The same, beside a writer of which these tell.
    pub(super) fn beside(self, recent: Recent, refuge: Refuge) -> Self {
        Self {
            recent,
            refuge,
            ..self
        }
    }

    /// The streams of which something is not committed, oldest first, and those of `current`.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn streams(&self, current: Epoch, most: usize) -> Result<Vec<StreamState>, SpoolError> {
        let mut statement = self.file.prepare_cached(
            "SELECT id, line, epoch, newest, committed, open FROM stream
             WHERE epoch = ?1
             UNION ALL
             SELECT * FROM (SELECT id, line, epoch, newest, committed, open FROM stream
                            WHERE epoch <> ?1 AND open > 0 ORDER BY id LIMIT ?2)",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut found = statement.query(rusqlite::params![current.as_bytes(), most])?;
        let mut streams = Vec::new();
        while let Some(sql) = found.next()? {
            let committed: String = sql.get(4)?;
            streams.push(StreamState {
                id: StreamId(sql.get(0)?),
                line: disk::parsed(sql, 1)?,
                epoch: Epoch::from_bytes(sql.get(2)?),
                newest: disk::seq(sql.get(3)?),
                committed: serde_json::from_str(&committed).unwrap_or_default(),
                open: disk::unsigned(sql.get(5)?),
            });
        }
        Ok(streams)
    }

    /// One stream's records.
    #[must_use]
    pub const fn view(&self, stream: StreamId) -> StreamView<'_> {
        StreamView {
            reader: self,
            stream,
        }
    }

    /// A record; `None` where it is no longer held.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Newer`] for a record of a newer program, [`SpoolError::Checksum`] where its bytes
    /// are not what was written, else what the disk said.
    pub fn record(&self, stream: StreamId, seq: Seq) -> Result<Option<Stored>, SpoolError> {
        if let Some(letter) = self.recent.take(stream, seq) {
            return Ok(Some(stored(letter, false)));
        }
        // What leaves it is in the file by then.
        if let Some((letter, retain)) = self.refuge.letter(stream, seq) {
            return Ok(Some(stored(letter, retain)));
        }
        if let Some(found) = self.row(stream, seq)? {
            return Ok(Some(found));
        }
        match self.sealed(stream, seq)? {
            Some(found) => Ok(Some(found)),
            // It may have been taken out of its block in between.
            None => self.row(stream, seq),
        }
    }

    /// A record that lies in a block.
    fn sealed(&self, stream: StreamId, seq: Seq) -> Result<Option<Stored>, SpoolError> {
        let Some(held) = sealed::around(&self.file, stream, seq)? else {
            return Ok(None);
        };
        if held.version > sealed::VERSION {
            return Err(SpoolError::Newer(held.version));
        }
        let at = usize::try_from(seq.get() - held.slot.seq.get()).unwrap_or(usize::MAX);
        let mut opened = self.opened.borrow_mut();
        let sample = match opened.sample(&held, at) {
            Ok(sample) => sample,
            Err(NotAtHand) => {
                let run = sealed::samples(&self.file, &held)?.ok_or(SpoolError::Checksum(seq))?;
                let sample = run.get(at);
                opened.put(held, run);
                sample
            }
        };
        let letter = match sample {
            Some(sample) => sealed::letter(&self.file, &sample)?,
            None => None,
        };
        let letter = letter.ok_or(SpoolError::Checksum(seq))?;
        Ok(Some(stored(letter, false)))
    }

    /// A record that lies by itself.
    fn row(&self, stream: StreamId, seq: Seq) -> Result<Option<Stored>, SpoolError> {
        let mut statement = self.file.prepare_cached(
            "SELECT v, class, crc, coalesce(template.topic, record.topic),
                    coalesce(template.properties, record.properties), payload,
                    EXISTS (SELECT 1 FROM about WHERE about.topic = record.topic
                            AND about.key = record.key), words
             FROM record LEFT JOIN template ON template.id = record.template
             WHERE key = ?1",
        )?;
        let found = statement.query_row([key(stream, seq)], |sql| {
            let letter = Letter {
                class: Class::Sample,
                topic: sql.get(3)?,
                properties: sql.get(4)?,
                payload: sql.get(5)?,
            };
            Ok((
                sql.get::<_, i64>(0)?,
                sql.get::<_, u32>(2)?,
                letter,
                sql.get::<_, bool>(6)?,
                sql.get::<_, Option<Vec<u8>>>(7)?,
            ))
        });
        let Some((version, crc, mut letter, retain, words)) = found.optional()? else {
            return Ok(None);
        };
        if version > RECORD_VERSION {
            return Err(SpoolError::Newer(version));
        }
        if version == RECORD_VERSION {
            // Without its words it fails the checksum.
            letter.payload = words
                .and_then(|words| pack::join(&words, &letter.payload))
                .unwrap_or_default();
        }
        if crc != letter.crc() {
            return Err(SpoolError::Checksum(seq));
        }
        Ok(Some(stored(letter, retain)))
    }

    /// The newest sample of each device among the last samples of a stream up to `newest`.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn newest_samples(&self, stream: StreamId, newest: Seq) -> Result<Vec<Seq>, SpoolError> {
        let mut statement = self.file.prepare_cached(
            "SELECT max(key), whose FROM
                (SELECT key, coalesce(template.topic, record.topic) AS whose
                 FROM record INDEXED BY record_by_class
                 LEFT JOIN template ON template.id = record.template
                 WHERE class = ?3 AND key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT ?4)
             GROUP BY whose",
        )?;
        let (first, last) = (key(stream, Seq::FIRST), key(stream, newest));
        let class = disk::class_number(Class::Sample);
        let mut found = statement.query([first, last, class, SAMPLES_LOOKED_AT])?;
        let mut samples = BTreeMap::new();
        while let Some(sql) = found.next()? {
            if let Some((_, seq)) = of_key(sql.get(0)?) {
                samples.insert(sql.get::<_, String>(1)?, seq);
            }
        }
        samples.extend(self.refuge.newest_samples(stream, newest));
        Ok(samples.into_values().collect())
    }

    /// What each device last said of itself.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn abouts(&self) -> Result<Vec<LastAbout>, SpoolError> {
        let mut statement = self
            .file
            .prepare_cached("SELECT key, epoch, topic, properties, payload FROM about")?;
        let mut found = statement.query([])?;
        let mut abouts = Vec::new();
        while let Some(sql) = found.next()? {
            let letter = Letter {
                class: Class::Event,
                topic: sql.get(2)?,
                properties: sql.get(3)?,
                payload: sql.get(4)?,
            };
            let epoch = Epoch::from_bytes(sql.get(1)?);
            if let Some((_, seq)) = of_key(sql.get(0)?) {
                abouts.push(LastAbout {
                    epoch,
                    seq,
                    stored: stored(letter, true),
                });
            }
        }
        Ok(abouts)
    }

    /// The connection, for looking at the file as a whole.
    pub(super) const fn file(&self) -> &Connection {
        &self.file
    }

    /// What is wrong with the file's structure: empty if nothing is. Reads all of it.
    pub(super) fn damage(&self) -> Vec<String> {
        let found = self
            .file
            .prepare("PRAGMA quick_check(20)")
            .and_then(|mut statement| {
                let lines = statement.query_map([], |sql| sql.get::<_, String>(0))?;
                lines.collect::<rusqlite::Result<Vec<String>>>()
            });
        match found {
            Ok(lines) => lines.into_iter().filter(|line| line != "ok").collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    fn edge(
        &self,
        statement: &str,
        class: Option<Class>,
        (from, to): (i64, i64),
    ) -> Result<Option<Entry>, SpoolError> {
        let mut statement = self.file.prepare_cached(statement)?;
        let class = class.map_or(-1, disk::class_number);
        let found = statement.query_row([from, to, class], |sql| Ok((sql.get(0)?, sql.get(1)?)));
        Ok(found.optional()?.and_then(|(key, bytes)| {
            of_key(key).map(|(_, seq)| Entry {
                seq,
                bytes: disk::unsigned(bytes),
            })
        }))
    }
}

/// What both the file and memory may have: where one can't be read, the other still is.
fn either(
    file: Result<Option<Entry>, SpoolError>,
    held: Option<Entry>,
    better: impl Fn(Entry, Entry) -> Entry,
) -> Result<Option<Entry>, SpoolError> {
    match (file, held) {
        (Ok(Some(file)), Some(held)) => Ok(Some(better(file, held))),
        (Err(error), Some(held)) if !error.is_fatal() => Ok(Some(held)),
        (file, held) => Ok(file?.or(held)),
    }
}

fn lower(one: Entry, other: Entry) -> Entry {
    if one.seq <= other.seq { one } else { other }
}

fn higher(one: Entry, other: Entry) -> Entry {
    if one.seq >= other.seq { one } else { other }
}

impl Spool for StreamView<'_> {
    type Error = SpoolError;

    fn first(&self, class: Option<Class>, from: Seq, to: Seq) -> Result<Option<Entry>, SpoolError> {
        let wanted = |letter: &Letter| class.is_none_or(|class| letter.class == class);
        // Before the file: what leaves memory is in the file by then.
        let held = self.reader.refuge.first(self.stream, (from, to), wanted);
        match self.reader.recent.first(self.stream, class, (from, to)) {
            First::Is(entry) => return Ok(Some(entry)),
            First::None => return Ok(held),
            First::Unknown => {}
        }
        let span = (key(self.stream, from), key(self.stream, to));
        let statement = match class {
            None => FIRST_OF_ALL,
            Some(Class::Sample) => FIRST_SAMPLE,
            Some(_) => FIRST_OF_CLASS,
        };
        either(self.reader.edge(statement, class, span), held, lower)
    }

    fn last(&self, class: Class, from: Seq, to: Seq) -> Result<Option<Entry>, SpoolError> {
        let wanted = |letter: &Letter| letter.class == class;
        let held = self.reader.refuge.last(self.stream, (from, to), wanted);
        let span = (key(self.stream, from), key(self.stream, to));
        let statement = match class {
            Class::Sample => LAST_SAMPLE,
            _ => LAST_OF_CLASS,
        };
        either(self.reader.edge(statement, Some(class), span), held, higher)
    }
}

/// Whether a trace was shot because of an alarm, or on command.
fn is_alarm(letter: &Letter) -> bool {
    letter.class == Class::Trace
        && ["\"light_lost\"", "\"command\""]
            .iter()
            .any(|word| letter.properties.contains(word))
}

impl Alarms for StreamView<'_> {
    fn first_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, SpoolError> {
        let held = self.reader.refuge.first(self.stream, (from, to), is_alarm);
        let span = (key(self.stream, from), key(self.stream, to));
        let found = self.reader.edge(
            "SELECT key, bytes FROM record INDEXED BY record_by_class
             WHERE class = ?3 AND key BETWEEN ?1 AND ?2
             AND (instr(properties, '\"light_lost\"') OR instr(properties, '\"command\"'))
             ORDER BY key LIMIT 1",
            Some(Class::Trace),
            span,
        );
        either(found, held, lower)
    }

    fn last_alarm(&self, from: Seq, to: Seq) -> Result<Option<Entry>, SpoolError> {
        let held = self.reader.refuge.last(self.stream, (from, to), is_alarm);
        let span = (key(self.stream, from), key(self.stream, to));
        let found = self.reader.edge(
            "SELECT key, bytes FROM record INDEXED BY record_by_class
             WHERE class = ?3 AND key BETWEEN ?1 AND ?2
             AND (instr(properties, '\"light_lost\"') OR instr(properties, '\"command\"'))
             ORDER BY key DESC LIMIT 1",
            Some(Class::Trace),
            span,
        );
        either(found, held, higher)
    }
}

fn stored(letter: Letter, retain: bool) -> Stored {
    Stored {
        topic: letter.topic,
        properties: properties_of(&letter.properties),
        payload: letter.payload,
        retain,
    }
}

fn properties_of(text: &str) -> Vec<(String, String)> {
    if text == disk::NO_PROPERTIES {
        return Vec::new();
    }
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use silkline_protocol::message::{Body, TraceFile, Trigger};
    use silkline_protocol::sample::{Reading, Sample};
    use silkline_protocol::time::Timestamp;

    use super::*;
    use crate::clock::Clock;
    use crate::rig::Store;
    use crate::spool::Outgoing;

    fn sample(device: &str) -> Body {
        let readings = BTreeMap::from([("in_power".parse().unwrap(), Reading::Value(-17.2))]);
        let at = Timestamp::from_seconds(1);
        Body::Sample(device.parse().unwrap(), Sample { at, readings })
    }

    fn trace(trigger: Trigger) -> Body {
        let trace = TraceFile {
            at: Timestamp::from_seconds(1),
            view: None,
            port: None,
            trigger,
            sor: vec![1],
        };
        Body::Trace("otdr-1".parse().unwrap(), trace)
    }

    #[tokio::test]
    async fn alarms_and_the_newest_sample_of_each_device_are_found() {
        let store = Store::new(Clock::start());
        let bodies = [
            sample("a"),
            sample("b"),
            trace(Trigger::Schedule),
            sample("a"),
            trace(Trigger::LightLost),
            sample("a"),
            trace(Trigger::Unknown),
            trace(Trigger::Command),
            trace(Trigger::Schedule),
        ];
        for body in bodies {
            let lines = vec!["baku-poti".parse().unwrap()];
            store.spool.append(Outgoing { lines, body }).await.unwrap();
        }
        let reader = store.spool.reader().unwrap();
        let stream = reader.streams(store.spool.epoch(), 1).unwrap()[0].id;
        let seq = |number| Seq::new(number).unwrap();
        let newest = |to| {
            let mut found = reader.newest_samples(stream, seq(to)).unwrap();
            found.sort();
            found
        };
        assert_eq!(newest(9), [seq(2), seq(6)]);
        assert_eq!(newest(4), [seq(2), seq(4)]);
        let view = reader.view(stream);
        let first = |from| view.first_alarm(seq(from), seq(9)).unwrap().map(|e| e.seq);
        assert_eq!([1, 6, 9].map(first), [Some(seq(5)), Some(seq(8)), None]);
        let last = |to| view.last_alarm(seq(1), seq(to)).unwrap().map(|e| e.seq);
        assert_eq!([9, 7, 4].map(last), [Some(seq(8)), Some(seq(5)), None]);
    }
}
