//! Ten minutes of every point in one figure, so that a month is charted without reading a month.
//!
//! A file beside the hot store, made from it and made anew where it does not fit it: the store stays
//! the only truth. One task follows the store's numbers; each sample is counted once, for the number
//! up to which samples are counted is written in the same transaction. What is not counted yet is
//! read from the store itself, so an answer is never behind.
//!
//! ```text
//!   row = device, begin ─▶ [ point u32, values u32, dark u32, bad u32, min f64, max f64, sum f64 ]…
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::store::readings::{PointRef, decode};
use crate::store::rows::{RowId, SeriesBin, SeriesQuery};
use crate::store::{Reader, StoreError};

/// The file beside the hot store.
const FILE: &str = "bins.data";
/// The layout of the file; another one is made anew.
const LAYOUT: i64 = 1;
/// What one figure stands for.
pub(super) const WIDTH: Duration = Duration::from_secs(600);
/// Samples that are counted in one transaction.
const BATCH: usize = 20_000;
/// How often the store is looked at: what is newer is read from the store itself.
const PAUSE: Duration = Duration::from_secs(5);

/// Many readings in one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    values: u32,
    dark: u32,
    bad: u32,
    min: f64,
    max: f64,
    sum: f64,
}

impl Sum {
    const NONE: Self = Self {
        values: 0,
        dark: 0,
        bad: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
    };

    fn add(&mut self, reading: Reading) {
        match reading {
            Reading::Value(value) => {
                self.values += 1;
                self.min = self.min.min(value);
                self.max = self.max.max(value);
                self.sum += value;
            }
            Reading::Dark => self.dark += 1,
            Reading::Bad(_) => self.bad += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.dark += other.dark;
        self.bad += other.bad;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }

    fn bin(&self, at: Timestamp) -> SeriesBin {
        let any = self.values > 0;
        SeriesBin {
            at,
            min: any.then_some(self.min),
            max: any.then_some(self.max),
            mean: any.then(|| self.sum / f64::from(self.values)),
            values: self.values,
            dark: self.dark,
            bad: self.bad,
        }
    }
}

type Sums = BTreeMap<PointRef, Sum>;

/// The figures of all points.
#[derive(Clone, Debug)]
pub struct Bins {
    db: Arc<Mutex<Connection>>,
    store: Reader,
}

impl Bins {
    /// The figures of `store`, in a file beside it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be had.
    pub fn open(store: Reader) -> Result<Self, StoreError> {
        let path = store.path().with_file_name(FILE);
        let newest = store.ask(|store| store.newest_sample())?;
        let db = match fitting(&path, newest)? {
            Some(db) => db,
            None => made_anew(&path)?,
        };
        Ok(Self {
            db: Arc::new(Mutex::new(db)),
            store,
        })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts samples that are not counted yet, at most a batch; how many.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read or the file cannot be written.
    pub fn step(&self) -> Result<usize, StoreError> {
        let mut db = self.db();
        let after = passed(&db)?;
        let rows = self.store.ask(|store| store.raw_after(after, BATCH))?;
        let Some(last) = rows.last().map(|row| row.0) else {
            return Ok(0);
        };
        let mut fresh: BTreeMap<(i64, i64), Sums> = BTreeMap::new();
        for (_, device, at, bytes) in &rows {
            let sums = fresh.entry((*device, slot(*at))).or_default();
            for (point, reading) in decode(bytes) {
                sums.entry(point).or_insert(Sum::NONE).add(reading);
            }
        }
        let transaction = db.transaction()?;
        for ((device, slot), mut sums) in fresh {
            let sql = "SELECT sums FROM bin WHERE device = ?1 AND slot = ?2";
            let key = params![device, slot];
            let known: Option<Vec<u8>> = transaction
                .query_row(sql, key, |row| row.get(0))
                .optional()?;
            for (point, sum) in known.as_deref().into_iter().flat_map(read) {
                sums.entry(point).or_insert(Sum::NONE).merge(&sum);
            }
            let sql = "INSERT OR REPLACE INTO bin VALUES (?1, ?2, ?3)";
            transaction.execute(sql, params![device, slot, written(&sums)])?;
        }
        transaction.execute("UPDATE meta SET passed = ?1", [last.0])?;
        transaction.commit()?;
        Ok(rows.len())
    }

    /// The bins of a point, each of `width`, a multiple of ten minutes; bins are whole, so the first and
    /// the last may reach beyond what was asked for.
    ///
    /// # Errors
    ///
    /// Where the store or the file cannot be read.
    pub fn series(
        &self,
        query: &SeriesQuery,
        width: Duration,
    ) -> Result<Vec<SeriesBin>, StoreError> {
        let each = i64::try_from(width.as_nanos()).unwrap_or(i64::MAX).max(1);
        let (from, to) = (query.from.nanos(), query.to.nanos());
        let first = from - from.rem_euclid(each);
        let bin_of = |nanos: i64| nanos - nanos.rem_euclid(each);
        let mut found: BTreeMap<i64, Sum> = BTreeMap::new();
        // Held until the rest is read: nothing is counted twice and nothing is left out.
        let db = self.db();
        let after = passed(&db)?;
        let rest = self.store.ask(|store| {
            let Some((device, point)) = store.refs(query)? else {
                return Ok(None);
            };
            let rest = store.raw_of_device(device, after)?;
            Ok(Some((device, point, rest)))
        });
        let Some((device, point, rest)) = rest? else {
            return Ok(Vec::new());
        };
        let sql = "SELECT slot, sums FROM bin WHERE device = ?1 AND slot >= ?2 AND slot < ?3";
        let mut rows = db.prepare_cached(sql)?;
        let mut rows = rows.query(params![device, first, to])?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            if let Some((_, sum)) = read(bytes).find(|(known, _)| *known == point) {
                found.entry(bin_of(at)).or_insert(Sum::NONE).merge(&sum);
            }
        }
        for (at, bytes) in rest {
            let theirs = decode(&bytes).find(|(known, _)| *known == point);
            if let Some((_, reading)) = theirs.filter(|_| (first..to).contains(&at.nanos())) {
                found
                    .entry(bin_of(at.nanos()))
                    .or_insert(Sum::NONE)
                    .add(reading);
            }
        }
        let bins = found
            .iter()
            .map(|(at, sum)| sum.bin(Timestamp::from_nanos(*at)));
        Ok(bins.collect())
    }
}

/// Counts what comes, until `stop`.
pub async fn run(bins: Bins, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let work = bins.clone();
        let done = tokio::task::spawn_blocking(move || work.step()).await;
        match done {
            Ok(Ok(BATCH)) => continue,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "figures of ten minutes are behind"),
            Err(_) => return,
        }
        let _ = tokio::time::timeout(PAUSE, stop.cancelled()).await;
    }
}

/// The file, where it is one of ours that is not ahead of the store.
fn fitting(path: &Path, newest: Option<RowId>) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let db = Connection::open(path)?;
    let sql = "SELECT layout, passed FROM meta";
    let meta: Result<(i64, i64), _> = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let newest = newest.map_or(0, |newest| newest.0);
    Ok(meta
        .is_ok_and(|(layout, passed)| layout == LAYOUT && passed <= newest)
        .then_some(db))
}

fn made_anew(path: &Path) -> Result<Connection, StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // What is not there need not go.
        let _ = std::fs::remove_file(name);
    }
    let db = Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE meta (layout INTEGER NOT NULL, passed INTEGER NOT NULL);
         CREATE TABLE bin (device INTEGER, slot INTEGER, sums BLOB NOT NULL,
             PRIMARY KEY (device, slot)) WITHOUT ROWID;",
    )?;
    db.execute("INSERT INTO meta VALUES (?1, 0)", [LAYOUT])?;
    Ok(db)
}

fn passed(db: &Connection) -> Result<RowId, StoreError> {
    Ok(RowId(db.query_row(
        "SELECT passed FROM meta",
        [],
        |row| row.get(0),
    )?))
}

fn slot(at: Timestamp) -> i64 {
    let width = i64::try_from(WIDTH.as_nanos()).unwrap_or(i64::MAX);
    at.nanos() - at.nanos().rem_euclid(width)
}

fn written(sums: &Sums) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(sums.len() * 40);
    for (point, sum) in sums {
        for number in [point.0, sum.values, sum.dark, sum.bad] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [sum.min, sum.max, sum.sum] {
            bytes.extend(number.to_le_bytes());
        }
    }
    bytes
}

fn read(bytes: &[u8]) -> impl Iterator<Item = (PointRef, Sum)> + '_ {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let mut whole = [0_u32; 4];
        for number in &mut whole {
            let (head, tail) = rest.split_first_chunk::<4>()?;
            (*number, rest) = (u32::from_le_bytes(*head), tail);
        }
        let mut broken = [0_f64; 3];
        for number in &mut broken {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            (*number, rest) = (f64::from_le_bytes(*head), tail);
        }
        let ([point, values, dark, bad], [min, max, sum]) = (whole, broken);
        let sum = Sum {
            values,
            dark,
            bad,
            min,
            max,
            sum,
        };
        Some((PointRef(point), sum))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example::Running;

    fn query(from: i64, to: i64) -> SeriesQuery {
        SeriesQuery {
            site: "ganja".parse().unwrap(),
            device: "edfa-1".parse().unwrap(),
            point: "in_power.1".parse().unwrap(),
            from: Timestamp::from_seconds(from),
            to: Timestamp::from_seconds(to),
        }
    }

    #[tokio::test]
    async fn counted_or_not_an_answer_is_the_same() {
        let mut server = Running::start().await;
        for second in [1_000, 1_300, 2_000, 2_500, 9_000] {
            server.store_device(Timestamp::from_seconds(second));
        }
        let store = Reader::new(server.store_path());
        let bins = Bins::open(store.clone()).unwrap();
        let wide = WIDTH * 2;
        let before = bins.series(&query(0, 10_000), wide).unwrap();
        assert_eq!(bins.step().unwrap(), 5);
        assert_eq!(bins.step().unwrap(), 0);
        let after = bins.series(&query(0, 10_000), wide).unwrap();
        assert_eq!(before, after);
        let truth = store
            .ask(|store| store.series_bins(&query(0, 10_000), wide))
            .unwrap();
        assert_eq!(after.len(), truth.len());
        for (bin, true_bin) in after.iter().zip(&truth) {
            assert_eq!(
                (bin.at, bin.values, bin.min),
                (true_bin.at, true_bin.values, true_bin.min)
            );
        }
        server.store_device(Timestamp::from_seconds(1_001));
        let late = bins.series(&query(0, 10_000), wide).unwrap();
        assert_eq!(
            late[0].values,
            before[0].values + 1,
            "what came late counts at once"
        );
        let again = Bins::open(store).unwrap();
        assert_eq!(again.step().unwrap(), 1, "a restart counts nothing twice");
    }

    #[test]
    fn sums_read_back_and_merge() {
        let mut sum = Sum::NONE;
        for reading in [Reading::Value(2.0), Reading::Dark, Reading::Value(-4.0)] {
            sum.add(reading);
        }
        let sums = Sums::from([(PointRef(7), sum), (PointRef(9), Sum::NONE)]);
        let bytes = written(&sums);
        assert_eq!(read(&bytes).collect::<Sums>(), sums);
        assert_eq!(read(&bytes[..bytes.len() - 1]).count(), 1);
        let mut twice = sum;
        twice.merge(&sum);
        let bin = twice.bin(Timestamp::EPOCH);
        assert_eq!((bin.values, bin.dark, bin.mean), (4, 2, Some(-1.0)));
        assert_eq!(Sum::NONE.bin(Timestamp::EPOCH).min, None);
    }
}
