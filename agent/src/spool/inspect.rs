//! Looking into a spool's file, also into one that was set aside: for a person, not for the agent.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use silkline_protocol::delivery::{Epoch, Seq};

use super::reader::{Reader, Stored};
use super::{SpoolError, StreamId, disk};

/// What a spool's file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Records held.
    pub records: u64,
    /// Records held that no collector has committed.
    pub uncommitted: u64,
    /// Bytes of records.
    pub bytes: u64,
    /// What is wrong with the file, as far as it was looked at; empty if nothing is.
    pub damage: Vec<String>,
    /// Its streams, oldest first.
    pub streams: Vec<StreamInspection>,
}

/// What is held of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamInspection {
    /// Its line.
    pub line: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// The newest number given out.
    pub newest: u64,
    /// Records held.
    pub held: u64,
    /// Records held that no collector has committed.
    pub uncommitted: u64,
    /// Bytes held.
    pub bytes: u64,
}

/// How an export went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Records written.
    pub records: u64,
    /// Records that could not be read.
    pub unreadable: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    epoch: Epoch,
    seq: u64,
    topic: &'a str,
    properties: &'a [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// Says what a spool's file holds and whether it is whole.
///
/// # Errors
///
/// What the disk said, where not even the streams can be read.
pub fn inspect(path: &Path) -> Result<Inspection, SpoolError> {
    let reader = Reader::open(path)?;
    let ledger = disk::load(reader.file())?;
    let streams: Vec<StreamInspection> = ledger
        .rows()
        .map(|(_, row)| StreamInspection {
            line: row.line.to_string(),
            epoch: row.epoch,
            newest: row.newest.map_or(0, Seq::get),
            held: row.held(),
            uncommitted: row.open().count(),
            bytes: row.bytes,
        })
        .collect();
    Ok(Inspection {
        records: streams.iter().map(|stream| stream.held).sum(),
        uncommitted: streams.iter().map(|stream| stream.uncommitted).sum(),
        bytes: streams.iter().map(|stream| stream.bytes).sum(),
        damage: reader.damage(),
        streams,
    })
}

/// Writes every record that can be read into a folder: `records.jsonl`, and each trace as a SOR file.
///
/// # Errors
///
/// What the disk said, of the spool or of the folder.
pub fn export(path: &Path, folder: &Path) -> Result<Exported, SpoolError> {
    let reader = Reader::open(path)?;
    let failed = |error: std::io::Error| SpoolError::Disk(error.to_string());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut list = BufWriter::new(File::create(folder.join("records.jsonl")).map_err(failed)?);
    let mut done = Exported::default();
    for (id, row) in disk::load(reader.file())?.rows() {
        let held = row.newest.map(|newest| (Seq::FIRST, newest));
        let mut from = held;
        while let Some((lo, hi)) = from.filter(|(lo, hi)| lo <= hi) {
            let (slots, _) = disk::slots(reader.file(), None, (id, lo, hi), 1_000)?;
            from = slots.last().map(|slot| (slot.last.next(), hi));
            let numbers = slots.into_iter().flat_map(|slot| slot.seqs());
            for seq in numbers {
                match write(&reader, (id, row.epoch, seq), folder, &mut list) {
                    Ok(()) => done.records += 1,
                    Err(SpoolError::Damaged(_) | SpoolError::Checksum(_)) => done.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    list.flush().map_err(failed)?;
    Ok(done)
}

fn write(
    reader: &Reader,
    (id, epoch, seq): (StreamId, Epoch, Seq),
    folder: &Path,
    list: &mut impl Write,
) -> Result<(), SpoolError> {
    let failed = |error: std::io::Error| SpoolError::Disk(error.to_string());
    let Some(Stored {
        topic,
        properties,
        payload,
        ..
    }) = reader.record(id, seq)?
    else {
        return Ok(());
    };
    let json: Option<serde_json::Value> = serde_json::from_slice(&payload).ok();
    let name = format!("{epoch}-{seq}.sor");
    if json.is_none() {
        std::fs::write(folder.join(&name), &payload).map_err(failed)?;
    }
    let file = json.is_none().then_some(name);
    let seq = seq.get();
    let line = Line {
        epoch,
        seq,
        topic: &topic,
        properties: &properties,
        payload: json,
        file,
    };
    let text = serde_json::to_string(&line).unwrap_or_default();
    writeln!(list, "{text}").map_err(failed)
}
