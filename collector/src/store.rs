//! The hot store: one SQLite file that holds what the collector knows.
//!
//! ```text
//!   commit task ──Writer──▶ file (WAL, synchronous = FULL) ──Reader──▶ API, notices, forwarder
//!                             ▲
//!                             └── checkpoints, from a connection of their own
//! ```
//!
//! One [`Writer`] exists, in the commit task; whoever else wants something written asks the commit
//! task. The layout is `schema.sql`. A file of a newer layout is refused by name.

use std::path::PathBuf;

mod column;
pub mod read;
pub mod readings;
pub mod rows;

pub use read::{Queries, Reader, TraceFilter};

/// Why the hot store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is of a layout that this program does not know.
    #[error("{path}: layout {found} of the hot store, this program knows up to {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: String,
        /// The newest layout known.
        known: u32,
    },
    /// SQLite says no.
    #[error("hot store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The program is going down.
    #[error("hot store: the program is stopping")]
    Stopped,
}

/// The layout that this code writes: `schema.sql`.
pub const SCHEMA_VERSION: u32 = 1;
