//! The spool's file: its layout, and what happens to one that cannot be read.
//!
//! A record's key is its stream's number and its own in one integer, so that a stream's records lie
//! together in order and a range of them is a range of keys.

use core::time::Duration;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use silkline_protocol::delivery::Seq;
use silkline_protocol::time::Timestamp;

use super::{SpoolError, StreamId};

/// The layout that this program writes.
pub(super) const VERSION: i64 = 3;

/// Bits of a key below the stream's number: a thousand records a second for 34 years.
const SEQ_BITS: u32 = 40;

const BUSY: Duration = Duration::from_secs(10);
/// Statements that stay prepared: all that there are.
const STATEMENTS: usize = 64;
/// What a connection keeps of the file in memory: what it writes and reads lies together at its end.
const CACHE_KIB: i32 = 512;

const LAYOUT: &str = "
    CREATE TABLE stream (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        line TEXT NOT NULL,
        epoch BLOB NOT NULL,
        newest INTEGER NOT NULL,
        open INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        born INTEGER NOT NULL,
        committed TEXT NOT NULL,
        UNIQUE (line, epoch)
    );
    CREATE TABLE gone (
        stream INTEGER NOT NULL,
        lo INTEGER NOT NULL,
        hi INTEGER NOT NULL,
        PRIMARY KEY (stream, lo)
    ) WITHOUT ROWID;
    CREATE TABLE record (
        key INTEGER PRIMARY KEY,
        v INTEGER NOT NULL,
        class INTEGER NOT NULL,
        at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        topic TEXT NOT NULL,
        properties TEXT NOT NULL,
        payload BLOB NOT NULL,
        template INTEGER
    );
    CREATE TABLE template (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        properties TEXT NOT NULL,
        words BLOB NOT NULL
    );
    CREATE INDEX template_by_topic ON template (topic);
    CREATE INDEX record_by_class ON record (class, key, bytes);
    CREATE TABLE about (
        topic TEXT PRIMARY KEY,
        key INTEGER NOT NULL,
        epoch BLOB NOT NULL,
        properties TEXT NOT NULL,
        payload BLOB NOT NULL
    );
";

/// What every file lacks before version 3: a block's key is that of its last record.
const BLOCKS: &str = "
    CREATE TABLE block (
        key INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        v INTEGER NOT NULL,
        at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        body BLOB NOT NULL
    );
";

/// What a file of version 1 lacks besides.
const SINCE_1: &str = "
    ALTER TABLE record ADD COLUMN template INTEGER;
    CREATE TABLE template (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        properties TEXT NOT NULL,
        words BLOB NOT NULL
    );
    CREATE INDEX template_by_topic ON template (topic);
";

/// The key of a record.
pub(super) const fn key(stream: StreamId, seq: Seq) -> i64 {
    (stream.0 << SEQ_BITS) | (seq.get() as i64 & ((1 << SEQ_BITS) - 1))
}

/// The stream and number of a key.
pub(super) fn of_key(key: i64) -> Option<(StreamId, Seq)> {
    let seq = u64::try_from(key & ((1 << SEQ_BITS) - 1))
        .ok()
        .and_then(Seq::new)?;
    Some((StreamId(key >> SEQ_BITS), seq))
}

/// Opens the file for writing; where it can't be read, puts it aside and begins a new one.
pub(super) fn open_or_set_aside(
    path: &Path,
    now: Timestamp,
) -> Result<(Connection, Option<(PathBuf, String)>), SpoolError> {
    let why = match open(path) {
        Ok(file) => return Ok((file, None)),
        Err(SpoolError::Damaged(why)) => why,
        Err(error) => return Err(error),
    };
    let aside = set_aside(path, now).map_err(|error| SpoolError::Disk(error.to_string()))?;
    Ok((open(path)?, Some((aside, why))))
}

/// Opens the file for reading only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, SpoolError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = Connection::open_with_flags(path, flags)?;
    furnish(&file)?;
    Ok(file)
}

fn furnish(file: &Connection) -> rusqlite::Result<()> {
    file.busy_timeout(BUSY)?;
    file.set_prepared_statement_cache_capacity(STATEMENTS);
    file.pragma_update(None, "cache_size", -CACHE_KIB)
}

/// Notes that the file proved damaged, so that the next opening looks at all of it.
pub(super) fn suspect(path: &Path) {
    if let Err(error) = std::fs::write(beside(path, ".suspect"), "") {
        tracing::warn!(%error, "cannot note that the spool is damaged");
    }
}

fn open(path: &Path) -> Result<Connection, SpoolError> {
    // The database says only that it can't open it, not that the disk is read-only or full.
    let there = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    there.map_err(|error| SpoolError::Disk(format!("{}: {error}", path.display())))?;
    let file = Connection::open(path)?;
    furnish(&file)?;
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        return Err(SpoolError::Newer(version));
    }
    file.pragma_update(None, "journal_mode", "wal")?;
    file.pragma_update(None, "synchronous", "full")?;
    let lacks = match version {
        0 => Some(LAYOUT),
        1 => Some(SINCE_1),
        2 => Some(""),
        _ => None,
    };
    if let Some(lacks) = lacks {
        let layout =
            format!("BEGIN IMMEDIATE; {lacks} {BLOCKS} PRAGMA user_version = {VERSION}; COMMIT;");
        file.execute_batch(&layout)?;
    }
    let mark = beside(path, ".suspect");
    if mark.exists() {
        check(&file)?;
        let _ = std::fs::remove_file(mark);
    }
    Ok(file)
}

fn check(file: &Connection) -> Result<(), SpoolError> {
    let found: String = file.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(SpoolError::Damaged(found))
    }
}

/// Renames the file and what belongs to it; gives the new name.
fn set_aside(path: &Path, now: Timestamp) -> std::io::Result<PathBuf> {
    let stamp = now.nanos() / 1_000_000;
    let aside = beside(path, &format!(".damaged-{stamp}"));
    std::fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        let from = beside(path, end);
        if from.exists() {
            std::fs::rename(from, beside(&aside, end))?;
        }
    }
    let _ = std::fs::remove_file(beside(path, ".suspect"));
    Ok(aside)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_stream_and_number() {
        for (stream, seq) in [(1, 1), (7, 12_345), (8_000_000, (1 << SEQ_BITS) - 1)] {
            let (stream, seq) = (StreamId(stream), Seq::new(seq).unwrap());
            assert_eq!(of_key(key(stream, seq)), Some((stream, seq)));
        }
        assert!(key(StreamId(1), Seq::new(5).unwrap()) < key(StreamId(2), Seq::FIRST));
    }

    #[test]
    fn a_newer_file_is_refused_by_name_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        let file = Connection::open(&path).unwrap();
        file.pragma_update(None, "user_version", 99).unwrap();
        drop(file);
        let found = open_or_set_aside(&path, Timestamp::EPOCH).map(|_| ());
        assert_eq!(found, Err(SpoolError::Newer(99)));
        assert!(path.exists());
    }

    #[test]
    fn rubbish_is_set_aside_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        std::fs::write(
            &path,
            "not a database, and longer than a header of one would be".repeat(9),
        )
        .unwrap();
        let (_file, aside) = open_or_set_aside(&path, Timestamp::from_seconds(5)).unwrap();
        let (aside, why) = aside.unwrap();
        assert!(aside.ends_with("spool.db.damaged-5000"));
        assert!(aside.exists() && !why.is_empty());
    }

    #[test]
    fn a_suspect_file_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.db");
        drop(open(&path).unwrap());
        suspect(&path);
        drop(open(&path).unwrap());
        assert!(!beside(&path, ".suspect").exists());
    }
}
