//! Moving samples that are no longer young from `sample` into chunks.
//!
//! ```text
//!   sample (head)                            chunk (sealed)
//!   ─────────────────────────────            ──────────────
//!   a row each, newest of a device ──seal──▶ 480 samples of one device in a row
//! ```
//!
//! One call seals one chunk in one transaction: a crash leaves the samples either here or there, and
//! taking in goes on between two calls. What a replay needs stays in the head, and so does what came
//! within the last minutes and each device's newest sample. A sample that comes late, for a time
//! that was sealed long ago, waits in the head and is sealed with its neighbours; readers merge the
//! two by time. Whether a sample is a repeat is never asked here: its number is closed since it was
//! taken in.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};
use silkline_protocol::time::Timestamp;

use super::chunk::{self, Row};
use super::column::{many, number_of, time};
use super::{StoreError, Writer, readings, tidy};

/// Samples in a chunk: eight hours at one a minute. Fewer compress worse and more wait in the head
/// (measured: 240 cost a tenth more, 960 save a twentieth).
pub(super) const CHUNK: usize = 480;
/// Samples younger than this stay in the head, where the dashboard reads them.
const YOUNG: Duration = Duration::from_secs(600);
/// How often it is looked up which samples are young.
const LOOK: Duration = Duration::from_secs(10);

const OLDEST: &str = "SELECT id, at, late, stream, seq, readings FROM sample
    WHERE device = ?1 AND id < ?2 AND id IS NOT
        (SELECT id FROM sample WHERE device = ?1 ORDER BY at DESC, id DESC LIMIT 1)
    ORDER BY at, id LIMIT ?3";

/// What is known of the head without asking it.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Samples of each device, or a few more than there are.
    samples: BTreeMap<i64, usize>,
    /// Devices that may have a chunk's worth of samples to seal.
    full: Vec<i64>,
    /// Samples with lower numbers may be sealed.
    below: i64,
    looked: Option<Timestamp>,
}

impl Head {
    pub(super) fn load(db: &Connection) -> Result<Self, StoreError> {
        let mut sql = db.prepare("SELECT device, count(*) FROM sample GROUP BY device")?;
        let mut rows = sql.query([])?;
        let mut head = Self::default();
        while let Some(row) = rows.next()? {
            head.samples.insert(row.get(0)?, many(row, 1)?);
        }
        Ok(head)
    }

    /// Counts a sample that was stored.
    pub(super) fn add(&mut self, device: i64) {
        *self.samples.entry(device).or_default() += 1;
    }

    /// Whether it is time to look up what may be sealed at `now`; a clock set back does not stop it.
    fn is_stale(&self, now: Timestamp) -> bool {
        self.looked
            .is_none_or(|looked| now - looked >= LOOK || now < looked)
    }

    fn look(&mut self, below: i64, now: Timestamp) {
        self.below = below;
        self.looked = Some(now);
        let full = self.samples.iter().filter(|(_, many)| **many >= CHUNK);
        self.full = full.map(|(device, _)| *device).collect();
    }
}

impl Writer {
    /// Seals one chunk, where there is one to seal; how many samples it holds.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn seal(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        if self.head().is_stale(now) {
            let below = sealable(self.db(), now)?;
            self.head_mut().look(below, now);
        }
        while let Some(device) = self.head_mut().full.pop() {
            let below = self.head().below;
            if self.waiting(device, below, Some(CHUNK))? < CHUNK {
                let left = self.waiting(device, i64::MAX, None)?;
                self.head_mut().samples.insert(device, left);
                continue;
            }
            let sealed = self.seal_device(device, below)?;
            let head = self.head_mut();
            let left = head.samples.entry(device).or_default();
            *left = left.saturating_sub(sealed);
            if *left >= CHUNK {
                head.full.push(device);
            }
            return Ok(sealed);
        }
        Ok(0)
    }

    /// Samples of a device below a number that may be sealed, counted up to `most`.
    fn waiting(&self, device: i64, below: i64, most: Option<usize>) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM sample WHERE device = ?1 AND id < ?2
            AND id IS NOT
                (SELECT id FROM sample WHERE device = ?1 ORDER BY at DESC, id DESC LIMIT 1)
            LIMIT ?3)";
        let mut sql = self.db().prepare_cached(sql)?;
        let key = params![device, below, most.map_or(-1, number_of)];
        Ok(sql.query_row(key, |row| many(row, 0))?)
    }

    fn seal_device(&mut self, device: i64, below: i64) -> Result<usize, StoreError> {
        let tx = self
            .db_mut()
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = oldest(&tx, device, below)?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(0);
        };
        let ids = || rows.iter().map(|row| row.id);
        tx.prepare_cached(
            "INSERT INTO chunk (device, first_id, last_id, first_at, last_at, samples, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            device,
            ids().min(),
            ids().max(),
            first.at.nanos(),
            last.at.nanos(),
            number_of(rows.len()),
            chunk::pack(&rows)
        ])?;
        let mut gone = tx.prepare_cached("DELETE FROM sample WHERE id = ?1")?;
        for id in ids() {
            gone.execute([id])?;
        }
        drop(gone);
        tx.commit()?;
        Ok(rows.len())
    }
}

/// The number below which samples are not young and no replay needs them.
fn sealable(db: &Connection, now: Timestamp) -> Result<i64, StoreError> {
    let Some(replayed) = tidy::replayed(db)? else {
        return Ok(0);
    };
    let (_, aged) = tidy::aged(db, now - YOUNG)?;
    Ok(replayed.needed.min(aged))
}

/// The oldest samples of a device by their own time, at most a chunk's worth.
fn oldest(db: &Connection, device: i64, below: i64) -> Result<Vec<Row>, StoreError> {
    let mut sql = db.prepare_cached(OLDEST)?;
    let mut found = sql.query(params![device, below, number_of(CHUNK)])?;
    let mut rows = Vec::with_capacity(CHUNK);
    while let Some(row) = found.next()? {
        let bytes = row.get_ref(5)?.as_blob().unwrap_or_default();
        rows.push(Row {
            id: row.get(0)?,
            at: time(row, 1)?,
            late: row.get(2)?,
            stream: row.get(3)?,
            seq: row.get(4)?,
            readings: readings::decode(bytes).collect(),
        });
    }
    Ok(rows)
}
