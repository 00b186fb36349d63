//! Deleting what is old or too much, a little at a time.
//!
//! A bite at a time, since a long deletion would hold up commits. Nothing goes that a forwarder has
//! not passed, and nothing that a replay still needs.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use silkline_protocol::time::Timestamp;

use super::column::many;
use super::{StoreError, Writer};

/// Rows of a table that are deleted at most at a time.
const BITE: usize = 5_000;
/// Chunks that are deleted at most at a time.
const BITE_CHUNKS: usize = 32;
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
    /// Chunks of samples.
    pub chunks: usize,
    /// Samples, those in chunks included.
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
        let full = |many: usize| many >= BITE;
        self.chunks == BITE_CHUNKS
            || [self.samples, self.records, self.traces]
                .map(full)
                .contains(&true)
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
        let Some(Replayed { oldest, needed }) = replayed(&tx)? else {
            return Ok(Deleted::default());
        };
        let mut passed = needed;
        if let Some(cursor) = bounds.cursor {
            let sql = "SELECT passed FROM cursor WHERE name = ?1";
            let at: Option<i64> = tx.query_row(sql, [cursor], |row| row.get(0)).optional()?;
            passed = passed.min(at.map_or(0, |at| at.saturating_add(1)));
        }
        let by_age = |keep| aged(&tx, now - keep).map(|(_, first)| first);
        let crowded = used(&tx)? > bounds.bytes;
        // A replay's rows stay whatever happens: without them the engines could not start.
        let old = if crowded {
            needed
        } else {
            by_age(bounds.keep)?.min(passed)
        };
        let sealed = bite_sealed(&tx, old)?;
        // What is sealed is older: where room is short it goes before the rest.
        let rest = if crowded && sealed.0 > 0 { 0 } else { old };
        let mut deleted = Deleted {
            chunks: sealed.0,
            samples: sealed.1 + bite(&tx, "sample", "", rest)?,
            records: bite(&tx, "record", "AND kind NOT IN ('action', 'permit')", old)?,
            traces: bite(&tx, "trace", "", by_age(bounds.keep_traces)?.min(passed))?,
            quarantine: quarantine(&tx, bounds)?,
            crowded,
        };
        if crowded && deleted.samples + deleted.records == 0 {
            // Traces are what a repair is compared with: they go last.
            deleted.traces += bite(&tx, "trace", "", needed)?;
        }
        thin(&tx, oldest, now - bounds.keep_traces.max(bounds.keep))?;
        tx.commit()?;
        Ok(deleted)
    }
}

/// What the engines need to start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replayed {
    /// The step of the oldest saved state.
    oldest: i64,
    /// Rows from this number on are replayed.
    pub(super) needed: i64,
}

/// What a start would replay; nothing before any state was saved.
pub(super) fn replayed(db: &Connection) -> Result<Option<Replayed>, StoreError> {
    let sql = "SELECT min(step) FROM snapshot";
    let oldest: Option<i64> = db.query_row(sql, [], |row| row.get(0))?;
    let Some(oldest) = oldest else {
        return Ok(None);
    };
    let sql = "SELECT first FROM step WHERE id >= ?1 ORDER BY id LIMIT 1";
    let needed = db.query_row(sql, [oldest], |row| row.get(0)).optional()?;
    let needed = needed.unwrap_or(i64::MAX);
    Ok(Some(Replayed { oldest, needed }))
}

/// Bytes of the file that hold something.
fn used(db: &Connection) -> Result<u64, StoreError> {
    let pragma = |name| -> Result<i64, StoreError> {
        Ok(db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?)
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages.saturating_mul(pragma("page_size")?).unsigned_abs())
}

/// The last step before `before`, and the number below which every row was stored by then.
///
/// Steps are in the order of their times, but for clocks that were set back: halving finds the place
/// among millions of them without reading more than a few.
pub(super) fn aged(db: &Connection, before: Timestamp) -> Result<(i64, i64), StoreError> {
    let ends = "SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM step";
    let (mut low, mut high): (i64, i64) =
        db.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT id, now, first FROM step WHERE id >= ?1 ORDER BY id LIMIT 1";
    let mut at = db.prepare_cached(sql)?;
    let mut found = (0, 0);
    while low <= high {
        let middle = low + (high - low) / 2;
        let step = at.query_row([middle], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get(2)?))
        });
        match step.optional()? {
            Some((id, now, first)) if now < before.nanos() => {
                found = (id, first);
                low = id + 1;
            }
            _ => high = middle - 1,
        }
    }
    Ok(found)
}

/// Deletes chunks of samples that are all below a number: how many, and of how many samples.
fn bite_sealed(db: &Connection, below: i64) -> Result<(usize, usize), StoreError> {
    let sql = format!(
        "DELETE FROM chunk WHERE id IN
         (SELECT id FROM chunk WHERE last_id < ?1 ORDER BY last_id LIMIT {BITE_CHUNKS})
         RETURNING samples"
    );
    let mut sql = db.prepare_cached(&sql)?;
    let gone: rusqlite::Result<Vec<usize>> = sql.query_map([below], |row| many(row, 0))?.collect();
    let gone = gone?;
    Ok((gone.len(), gone.iter().sum()))
}

fn bite(db: &Connection, table: &str, only: &str, below: i64) -> Result<usize, StoreError> {
    let sql = format!(
        "DELETE FROM {table} WHERE id IN
         (SELECT id FROM {table} WHERE id < ?1 {only} ORDER BY id LIMIT {BITE})"
    );
    Ok(db.prepare_cached(&sql)?.execute([below])?)
}

/// Deletes the oldest messages set aside, until the others fit.
fn quarantine(db: &Connection, bounds: &Bounds) -> Result<usize, StoreError> {
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
fn thin(db: &Connection, oldest: i64, before: Timestamp) -> Result<(), StoreError> {
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
    let (old, _) = aged(db, before)?;
    db.execute("DELETE FROM step WHERE id < ?1", [old.min(oldest)])?;
    Ok(())
}
