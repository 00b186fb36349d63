//! Moves committed pages from the write-ahead log into the file, on a connection of its own.
//!
//! A commit that did this itself would stall for up to half a second. The log is emptied only while
//! nobody reads an old state; meanwhile it grows, which is harmless.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Checkpoints the store at `path` until `stop`.
pub async fn run(path: &Path, stop: CancellationToken) {
    let mut db = None;
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        if let Err(error) = tokio::task::block_in_place(|| checkpoint(path, &mut db)) {
            tracing::warn!(%error, "checkpoint of the hot store");
        }
    }
}

fn checkpoint(path: &Path, db: &mut Option<Connection>) -> rusqlite::Result<()> {
    let db = match db {
        Some(db) => db,
        none => none.insert(Connection::open(path)?),
    };
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
