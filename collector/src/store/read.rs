//! Reading the hot store, beside the commit task and without ever waiting for it.
//!
//! A [`Reader`] hands out read-only connections from a small pool. What is asked in one call sees
//! one state of the store, whatever is committed meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::StoreError;

mod live;
mod queues;
mod sealed;
mod series;

pub use live::TraceFilter;
pub(in crate::store) use series::{PointNames, readings_at, unsealed};

/// Connections that are kept for the next question; more may be open at a time.
const KEPT: usize = 8;
/// How long a question may wait for a lock; readers of a WAL file hardly ever do.
const BUSY: Duration = Duration::from_secs(5);

/// Hands out questions to the hot store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    path: Arc<Path>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// One state of the store, to be asked.
#[derive(Debug)]
pub struct Queries<'a> {
    db: &'a Connection,
}

impl Reader {
    /// A reader of the store at `path`, which a [`Writer`](super::Writer) has opened before.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path: path.into(),
            idle: Arc::default(),
        }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the store, on this thread.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read, or what `question` gives.
    pub fn ask<T>(
        &self,
        question: impl FnOnce(&Queries<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut db = match self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
        {
            Some(db) => db,
            None => self.connect()?,
        };
        let answer = {
            let state = db.transaction()?;
            question(&Queries { db: &state })
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(db);
        }
        answer
    }

    /// Asks the store on a thread that may wait for a disk.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn ask_async<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Queries<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = self.clone();
        tokio::task::spawn_blocking(move || reader.ask(question))
            .await
            .map_err(|_| StoreError::Stopped)?
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.busy_timeout(BUSY)?;
        Ok(db)
    }
}

impl<'a> Queries<'a> {
    /// Questions to a connection of one's own.
    #[must_use]
    pub const fn of(db: &'a Connection) -> Self {
        Self { db }
    }
}
