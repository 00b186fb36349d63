//! Writing the hot store: one [`Writer`], one [`Transaction`] at a time.
//!
//! The numbers of points, devices and streams are remembered between transactions. Should a
//! transaction fail the process ends, so nothing that was remembered can be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};
use silkline_protocol::delivery::Epoch;
use silkline_protocol::delivery::receiver::Stream;
use silkline_protocol::id::{DeviceId, LineId, PointName, SiteId, StoreId};
use silkline_protocol::time::Timestamp;

use super::layout::lay_out;
use super::readings::PointRef;
use super::rows::RowId;
use super::seal::Head;
use super::{Queries, StoreError};

mod outcome;
mod taken;

pub use outcome::{DATABASE, Told};
pub use taken::{Origin, Rubbish, StreamKey};

/// Another process may hold the file for a moment: a backup, a check.
const BUSY: Duration = Duration::from_secs(10);
/// Bytes of the write-ahead log that stay on the disk once it is empty.
const LOG_KEPT: i64 = 64 << 20;
/// Statements that stay prepared.
const PREPARED: usize = 64;

/// What is delivered so far: the streams of each line and site.
pub type Delivered = BTreeMap<(LineId, SiteId), BTreeMap<Epoch, Stream>>;

/// The only hand that writes the hot store.
#[derive(Debug)]
pub struct Writer {
    db: Connection,
    store: StoreId,
    next: i64,
    known: Known,
}

/// Numbers that have been given to names.
#[derive(Debug, Default)]
struct Known {
    points: BTreeMap<PointName, PointRef>,
    devices: BTreeMap<(LineId, SiteId, DeviceId), i64>,
    streams: BTreeMap<StreamKey, i64>,
    /// The points of each device's last sample, in their order.
    polled: BTreeMap<i64, Vec<(PointName, PointRef)>>,
    head: Head,
}

/// What is going to be stored all together or not at all.
#[derive(Debug)]
pub struct Transaction<'a> {
    db: rusqlite::Transaction<'a>,
    known: &'a mut Known,
    next: &'a mut i64,
    first: i64,
    now: Timestamp,
}

impl Writer {
    /// Opens the store at `path`, or makes it there with the name `name`.
    ///
    /// # Errors
    ///
    /// Where the file cannot be had, or is of a newer layout.
    pub fn open(path: &Path, name: &StoreId) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent() {
            let failed = |source| StoreError::Folder {
                path: folder.to_path_buf(),
                source,
            };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(PREPARED);
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        // Checkpoints have a connection of their own: here they would stall commits.
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        lay_out(&mut db, path, name)?;
        let store: String = meta(&db, "store")?;
        let next: String = meta(&db, "next")?;
        let store = store.parse().map_err(|_| damaged(path, "store"))?;
        let next = next.parse().map_err(|_| damaged(path, "next"))?;
        let known = Known::load(&db)?;
        Ok(Self {
            db,
            store,
            next,
            known,
        })
    }

    /// Opens the store at `path`, which must be there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and where there is none.
    pub fn existing(path: &Path) -> Result<Self, StoreError> {
        fs::metadata(path).map_err(|source| StoreError::File {
            path: path.to_path_buf(),
            source,
        })?;
        // A store that is there keeps its own name.
        let name = "none".parse().map_err(|_| damaged(path, "store"))?;
        Self::open(path, &name)
    }

    /// Which of these numbers of streams have something in the store, sealed or not.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn numbers_stored(
        &self,
        wanted: &BTreeSet<(StreamKey, u64)>,
    ) -> Result<BTreeSet<(StreamKey, u64)>, StoreError> {
        let mut by_ref = BTreeMap::new();
        for number in wanted {
            if let Some(stream) = self.known.streams.get(&number.0) {
                by_ref.insert(
                    (*stream, i64::try_from(number.1).unwrap_or(i64::MAX)),
                    number,
                );
            }
        }
        let refs = by_ref.keys().copied().collect();
        let there = Queries::of(&self.db).numbers_there(&refs)?;
        let found = there.iter().filter_map(|number| by_ref.get(number));
        Ok(found.map(|number| (*number).clone()).collect())
    }

    /// Begins what is to be stored at `now`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn begin(&mut self, now: Timestamp) -> Result<Transaction<'_>, StoreError> {
        let db = self
            .db
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let first = self.next;
        Ok(Transaction {
            db,
            known: &mut self.known,
            next: &mut self.next,
            first,
            now,
        })
    }

    /// The name of this store, for as long as its file lives.
    #[must_use]
    pub const fn store_id(&self) -> &StoreId {
        &self.store
    }

    /// What is delivered so far, by line and site.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn streams(&self) -> Result<Delivered, StoreError> {
        let mut sql = self
            .db
            .prepare("SELECT line, site, epoch, state FROM stream")?;
        let mut rows = sql.query([])?;
        let mut found = Delivered::new();
        while let Some(row) = rows.next()? {
            let key = (super::column::text(row, 0)?, super::column::text(row, 1)?);
            let epoch = Epoch::from_bytes(row.get(2)?);
            found
                .entry(key)
                .or_default()
                .insert(epoch, super::column::json(row, 3)?);
        }
        Ok(found)
    }

    pub(crate) const fn db(&self) -> &Connection {
        &self.db
    }

    pub(super) const fn head(&self) -> &Head {
        &self.known.head
    }

    pub(super) const fn head_mut(&mut self) -> &mut Head {
        &mut self.known.head
    }

    pub(super) const fn db_mut(&mut self) -> &mut Connection {
        &mut self.db
    }
}

impl Transaction<'_> {
    /// Makes it last. Where `stepped`, the engines were stepped with its time and with the rows
    /// taken in it.
    ///
    /// # Errors
    ///
    /// Where it could not be stored: nothing of it is, and the process must end.
    pub fn commit(self, stepped: bool) -> Result<(), StoreError> {
        if stepped {
            let last = *self.next - 1;
            self.db
                .prepare_cached("INSERT INTO step (now, first, last) VALUES (?1, ?2, ?3)")?
                .execute(params![self.now.nanos(), self.first, last])?;
        }
        if *self.next != self.first {
            self.db
                .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'next'")?
                .execute([self.next.to_string()])?;
        }
        self.db.commit()?;
        Ok(())
    }

    /// The time at which it is stored.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The next number of the one sequence.
    const fn number(&mut self) -> RowId {
        let number = *self.next;
        *self.next += 1;
        RowId(number)
    }
}

impl Known {
    fn load(db: &Connection) -> Result<Self, StoreError> {
        let mut known = Self::default();
        let mut sql = db.prepare("SELECT ref, name FROM point")?;
        let mut rows = sql.query([])?;
        while let Some(row) = rows.next()? {
            known
                .points
                .insert(super::column::text(row, 1)?, PointRef(row.get(0)?));
        }
        let mut sql = db.prepare("SELECT ref, line, site, device FROM device")?;
        let mut rows = sql.query([])?;
        while let Some(row) = rows.next()? {
            let text = super::column::text;
            let key = (
                text(row, 1)?,
                super::column::text(row, 2)?,
                super::column::text(row, 3)?,
            );
            known.devices.insert(key, row.get(0)?);
        }
        let mut sql = db.prepare("SELECT id, line, site, epoch FROM stream")?;
        let mut rows = sql.query([])?;
        while let Some(row) = rows.next()? {
            let key = StreamKey {
                line: super::column::text(row, 1)?,
                site: super::column::text(row, 2)?,
                epoch: Epoch::from_bytes(row.get(3)?),
            };
            known.streams.insert(key, row.get(0)?);
        }
        known.head = Head::load(db)?;
        Ok(known)
    }
}

fn meta(db: &Connection, key: &str) -> Result<String, StoreError> {
    Ok(
        db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
            row.get(0)
        })?,
    )
}

fn damaged(path: &Path, key: &str) -> StoreError {
    StoreError::Damaged {
        path: path.to_path_buf(),
        what: format!("meta.{key}"),
    }
}
