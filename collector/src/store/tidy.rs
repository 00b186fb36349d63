//! Deleting what is old or too much, a little at a time.
//!
//! A bite at a time, since a long deletion would hold up commits. Nothing goes that a forwarder has
//! not passed, and nothing that a replay still needs.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use silkline_protocol::time::Timestamp;

use super::{StoreError, Writer};

/// Rows of a table that are deleted at most at a time.
const BITE: usize = 5_000;
/// Of the steps behind the oldest snapshot, every this many-th is kept.
const STEPS_KEPT: i64 = 256;

/// What may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Samples, events and the like that are older go.
    pub keep: Duration,
    /// Traces that are older go.
    pub keep_traces: Duration,
    /// More messages set aside go.
    pub quarantine_rows: u32,
    /// More bytes of them go.
    pub quarantine_bytes: u64,
    /// The cursor that samples must have passed before they go.
    pub cursor: Option<&'static str>,
    /// With more bytes than this the oldest go before their age, passed by a cursor or not.
    pub bytes: u64,
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Samples.
    pub samples: usize,
    /// Events and the like.
    pub records: usize,
    /// Traces.
    pub traces: usize,
    /// Messages set aside.
    pub quarantine: usize,
    /// Whether samples or events went before their age, since the store has no more room.
    pub crowded: bool,
}

impl Deleted {
    /// Whether more waits to be deleted than goes at a time.
    #[must_use]
    pub fn more(&self) -> bool {
        [self.samples, self.records, self.traces].contains(&BITE)
    }

    /// The counts with the words they are counted under.
    pub fn by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("sample", self.samples),
            ("record", self.records),
            ("trace", self.traces),
            ("quarantine", self.quarantine),
        ]
        .into_iter()
        .filter(|(_, many)| *many > 0)
        .map(|(kind, many)| (kind, many as u64))
    }
}

impl Writer {
    /// Deletes a bite of what `bounds` no longer keep.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn tidy(&mut self, bounds: &Bounds, now: Timestamp) -> Result<Deleted, StoreError> {
        let tx = self.db_mut().transaction()?;
        let oldest: Option<i64> =
            tx.query_row("SELECT min(step) FROM snapshot", [], |row| row.get(0))?;
        let Some(oldest) = oldest else {
            return Ok(Deleted::default());
        };
        let replayed = "SELECT first FROM step WHERE id >= ?1 ORDER BY id LIMIT 1";
        let needed: Option<i64> = tx
            .query_row(replayed, [oldest], |row| row.get(0))
            .optional()?;
        let mut passed = needed.unwrap_or(i64::MAX);
        if let Some(cursor) = bounds.cursor {
            let sql = "SELECT passed FROM cursor WHERE name = ?1";
            let at: Option<i64> = tx.query_row(sql, [cursor], |row| row.get(0)).optional()?;
            passed = passed.min(at.map_or(0, |at| at.saturating_add(1)));
        }
        let by_age = |keep| aged(&tx, now - keep);
        let crowded = used(&tx)? > bounds.bytes;
        // A replay's rows stay whatever happens: without them the engines could not start.
        let replayed = needed.unwrap_or(i64::MAX);
        let old = if crowded {
            replayed
        } else {
            by_age(bounds.keep)?.min(passed)
        };
        let mut deleted = Deleted {
            samples: bite(&tx, "sample", "", old)?,
            records: bite(&tx, "record", "AND kind <> 'action'", old)?,
            traces: bite(&tx, "trace", "", by_age(bounds.keep_traces)?.min(passed))?,
            quarantine: quarantine(&tx, bounds)?,
            crowded,
        };
        if crowded && deleted.samples + deleted.records == 0 {
            // Traces are what a repair is compared with: they go last.
            deleted.traces += bite(&tx, "trace", "", replayed)?;
        }
        thin(&tx, oldest, now - bounds.keep_traces.max(bounds.keep))?;
        tx.commit()?;
        Ok(deleted)
    }
}

/// Bytes of the file that hold something.
fn used(db: &rusqlite::Connection) -> Result<u64, StoreError> {
    let pragma = |name| -> Result<i64, StoreError> {
        Ok(db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?)
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages.saturating_mul(pragma("page_size")?).unsigned_abs())
}

/// The number below which every row was stored before `before`.
fn aged(db: &rusqlite::Connection, before: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT max(first) FROM step WHERE now < ?1";
    let first: Option<i64> = db.query_row(sql, [before.nanos()], |row| row.get(0))?;
    Ok(first.unwrap_or(0))
}

fn bite(
    db: &rusqlite::Connection,
    table: &str,
    only: &str,
    below: i64,
) -> Result<usize, StoreError> {
    let sql = format!(
        "DELETE FROM {table} WHERE id IN
         (SELECT id FROM {table} WHERE id < ?1 {only} ORDER BY id LIMIT {BITE})"
    );
    Ok(db.prepare_cached(&sql)?.execute([below])?)
}

/// Deletes the oldest messages set aside, until the others fit.
fn quarantine(db: &rusqlite::Connection, bounds: &Bounds) -> Result<usize, StoreError> {
    let bytes = i64::try_from(bounds.quarantine_bytes).unwrap_or(i64::MAX);
    let sql = "DELETE FROM quarantine WHERE id <= (
        SELECT max(id) FROM (
            SELECT id, row_number() OVER newest AS row,
                   sum(length(payload)) OVER newest AS bytes
            FROM quarantine WINDOW newest AS (ORDER BY id DESC))
        WHERE row > ?1 OR bytes > ?2)";
    Ok(db
        .prepare_cached(sql)?
        .execute(params![bounds.quarantine_rows, bytes])?)
}

/// Deletes most of the steps that no replay needs any more, and all that are older than anything.
fn thin(db: &rusqlite::Connection, oldest: i64, before: Timestamp) -> Result<(), StoreError> {
    let from: i64 = db.query_row(
        "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'thinned'",
        [],
        |row| row.get(0),
    )?;
    let sql = "DELETE FROM step WHERE id > ?1 AND id < ?2 AND id % ?3 <> 0";
    db.prepare_cached(sql)?
        .execute(params![from, oldest, STEPS_KEPT])?;
    let done = oldest.saturating_sub(1).max(from);
    db.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'thinned'",
        [done.to_string()],
    )?;
    // The newest of the old ones still tells how old the rows before it are.
    let sql = "DELETE FROM step WHERE id < (SELECT max(id) FROM step WHERE now < ?1 AND id < ?2)";
    db.execute(sql, params![before.nanos(), oldest])?;
    Ok(())
}
