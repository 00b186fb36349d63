//! Copies of the hot store: one taken while the collector runs, one put back while it does not.
//!
//! A copy is one state of the store, compact, checked before it gets its name. What the agents
//! delivered after it was taken they deliver again once it is back: the ranges told as committed go
//! back with it (design §6.1), and agents keep what is committed for a day.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use silkline_protocol::time::Timestamp;

use super::chunk::Chunk;
use super::column::many;
use super::owner::Owner;
use super::{StoreError, layout};

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the file.
    pub bytes: u64,
    /// When the newest commit in it was made; none where there was none.
    pub newest: Option<Timestamp>,
    /// Samples.
    pub samples: u64,
    /// Traces.
    pub traces: u64,
    /// Incidents.
    pub incidents: u64,
}

/// Writes a copy of `store` to `target`, which must not exist; the store may be in use.
///
/// # Errors
///
/// Where the store cannot be read, the copy cannot be written, or is not whole.
pub fn copy(store: &Path, target: &Path) -> Result<Copied, StoreError> {
    if fs::exists(target).map_err(|source| at(target, source))? {
        return Err(StoreError::Exists {
            path: target.to_path_buf(),
        });
    }
    let part = beside(target, ".part");
    remove(&part)?;
    let source = open(store)?;
    let name = part
        .to_str()
        .ok_or_else(|| damaged(&part, "its name is not text"))?;
    let written = source.execute("VACUUM INTO ?1", [name]);
    let checked = written.map_err(StoreError::from).and_then(|_| check(&part));
    if checked.is_err() {
        // Half a copy is worth nothing; the error that is told is the first one.
        let _ = fs::remove_file(&part);
    }
    let copied = checked?;
    settle(&part, target)?;
    Ok(copied)
}

/// Puts the copy `from` in the place of the store at `store`, which no process may own. The store
/// that was there is kept under another name, which is given.
///
/// # Errors
///
/// Where the copy is no whole hot store, somebody owns the store, or a file cannot be written. The
/// store that was there is then still there.
pub fn restore(
    from: &Path,
    store: &Path,
    now: Timestamp,
) -> Result<(Copied, Option<PathBuf>), StoreError> {
    let folder = store.parent().unwrap_or_else(|| Path::new("."));
    let _owner = Owner::take(folder)?;
    let copied = check(from)?;
    let part = beside(store, ".part");
    fs::copy(from, &part).map_err(|source| at(&part, source))?;
    let aside = set_aside(store, now)?;
    settle(&part, store)?;
    Ok((copied, aside))
}

/// Looks whether `file` is a whole hot store of a layout that this program knows.
///
/// # Errors
///
/// [`StoreError::Damaged`] or [`StoreError::Version`] where it is not.
pub fn check(file: &Path) -> Result<Copied, StoreError> {
    let db = open(file)?;
    let tables: i64 = db
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'",
            [],
            |row| row.get(0),
        )
        .map_err(|_| damaged(file, "not a hot store"))?;
    if tables == 0 {
        return Err(damaged(file, "not a hot store"));
    }
    let sealed = layout::known(&db, file)? >= layout::SEALED_FROM;
    let whole: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Err(damaged(file, &whole));
    }
    let in_chunks = if sealed { check_chunks(&db, file)? } else { 0 };
    let count = |table| -> Result<u64, StoreError> {
        let many: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })?;
        Ok(many.unsigned_abs())
    };
    let newest: Option<i64> = db.query_row("SELECT max(now) FROM step", [], |row| row.get(0))?;
    Ok(Copied {
        bytes: fs::metadata(file).map_err(|source| at(file, source))?.len(),
        newest: newest.map(Timestamp::from_nanos),
        samples: count("sample")? + in_chunks,
        traces: count("trace")?,
        incidents: count("incident")?,
    })
}

/// Looks whether every chunk can be read; how many samples there are in them.
fn check_chunks(db: &Connection, file: &Path) -> Result<u64, StoreError> {
    let mut sql = db.prepare("SELECT id, samples, body FROM chunk")?;
    let mut rows = sql.query([])?;
    let mut samples = 0;
    while let Some(row) = rows.next()? {
        let (id, said): (i64, usize) = (row.get(0)?, many(row, 1)?);
        let body = row.get_ref(2)?.as_blob().unwrap_or_default();
        let of = |what: &dyn core::fmt::Display| damaged(file, &format!("chunk {id}: {what}"));
        let chunk = Chunk::open(body).map_err(|error| of(&error))?;
        if chunk.samples() != said {
            return Err(of(&format!("{} samples, want {said}", chunk.samples())));
        }
        samples += said as u64;
    }
    Ok(samples)
}

/// Renames the store at `store` and its log, so that they belong together under the new name.
fn set_aside(store: &Path, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
    if !fs::exists(store).map_err(|source| at(store, source))? {
        return Ok(None);
    }
    let day = now.to_string().replace([':', '-'], "");
    let aside = beside(store, &format!(".before-{day}"));
    // The log first: a store without its log is an older state, a log without its store is nothing.
    for ending in ["-wal", "-shm", ""] {
        let old = beside(store, ending);
        if fs::exists(&old).map_err(|source| at(&old, source))? {
            fs::rename(&old, beside(&aside, ending)).map_err(|source| at(&old, source))?;
        }
    }
    Ok(Some(aside))
}

/// Makes `part` lasting and gives it its name.
fn settle(part: &Path, target: &Path) -> Result<(), StoreError> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(part).map_err(|source| at(part, source))?;
    fs::rename(part, target).map_err(|source| at(target, source))?;
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    sync(folder).map_err(|source| at(folder, source))
}

fn open(file: &Path) -> Result<Connection, StoreError> {
    fs::metadata(file).map_err(|source| at(file, source))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(file, flags)?)
}

fn remove(file: &Path) -> Result<(), StoreError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(file, error)),
        _ => Ok(()),
    }
}

/// `path` with `ending` behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn at(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::File {
        path: path.to_path_buf(),
        source,
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged {
        path: path.to_path_buf(),
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Writer;
    use crate::store::write::Rubbish;

    fn seconds(at: i64) -> Timestamp {
        Timestamp::from_seconds(at)
    }

    /// A store in which something happened at each of `times`.
    fn busy(file: &Path, times: core::ops::Range<i64>) -> Writer {
        let mut writer = Writer::open(file, &"store-1".parse().unwrap()).unwrap();
        for at in times {
            let mut tx = writer.begin(seconds(at)).unwrap();
            let rubbish = Rubbish {
                topic: "topic",
                kind: "version",
                reason: "newer",
                properties: &[],
                payload: b"{}",
            };
            tx.quarantine(&rubbish).unwrap();
            tx.commit(true).unwrap();
        }
        writer
    }

    fn rows(file: &Path) -> i64 {
        let db = open(file).unwrap();
        db.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn a_copy_of_a_store_in_use_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (store, target) = (folder.path().join("hot.db"), folder.path().join("copy"));
        let writer = busy(&store, 0..5);
        let copied = copy(&store, &target).unwrap();
        assert_eq!(copied.newest, Some(seconds(4)));
        assert_eq!(rows(&target), 5);
        drop(writer);

        drop(busy(&store, 5..9));
        let (back, aside) = restore(&target, &store, seconds(100)).unwrap();
        assert_eq!(back, copied);
        assert_eq!(rows(&store), 5);
        let aside = aside.unwrap();
        assert_eq!(rows(&aside), 9, "the store that was there is kept");
        let writer = busy(&store, 9..10);
        assert_eq!(writer.store_id().as_str(), "store-1", "it keeps its name");
        assert_eq!(rows(&store), 6, "and goes on");
    }

    #[test]
    fn a_copy_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, target) = (folder.path().join("hot.db"), folder.path().join("copy"));
        let _writer = busy(&store, 0..1);
        fs::write(&target, "precious").unwrap();
        let refused = copy(&store, &target).unwrap_err();
        assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn what_is_no_store_is_refused_and_the_store_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (store, from) = (folder.path().join("hot.db"), folder.path().join("copy"));
        drop(busy(&store, 0..3));
        assert!(restore(&from, &store, seconds(9)).is_err(), "no such file");
        fs::write(&from, vec![7; 5_000]).unwrap();
        let refused = restore(&from, &store, seconds(9)).unwrap_err();
        assert!(refused.to_string().contains("not a hot store"), "{refused}");
        fs::remove_file(&from).unwrap();
        let db = Connection::open(&from).unwrap();
        db.execute_batch("CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('version', 99)")
            .unwrap();
        drop(db);
        assert!(restore(&from, &store, seconds(9)).is_err(), "a newer one");
        assert_eq!(rows(&store), 3);
    }

    #[test]
    fn a_torn_copy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (store, target) = (folder.path().join("hot.db"), folder.path().join("copy"));
        drop(busy(&store, 0..400));
        copy(&store, &target).unwrap();
        let whole = fs::read(&target).unwrap();
        let mut torn = whole.clone();
        let middle = torn.len() / 2;
        torn[middle..].fill(0);
        fs::write(&target, torn).unwrap();
        let refused = restore(&target, &store, seconds(9)).unwrap_err();
        assert!(refused.to_string().contains("damaged"), "{refused}");
        assert_eq!(rows(&store), 400);
    }

    #[test]
    fn nothing_is_restored_under_a_running_collector() {
        let folder = tempfile::tempdir().unwrap();
        let (store, target) = (folder.path().join("hot.db"), folder.path().join("copy"));
        drop(busy(&store, 0..2));
        copy(&store, &target).unwrap();
        let _running = Owner::take(folder.path()).unwrap();
        let refused = restore(&target, &store, seconds(9)).unwrap_err();
        assert!(matches!(refused, StoreError::Owned { .. }), "{refused}");
    }
}
