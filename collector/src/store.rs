//! The hot store: one SQLite file that holds what the collector knows.
//!
//! ```text
//!   commit task ──Writer──▶ file (WAL, synchronous = FULL) ──Reader──▶ API, notices, forwarder
//!                             ▲
//!                             └── checkpoints, from a connection of their own
//! ```
//!
//! One [`Writer`] exists, in the commit task; whoever else wants something written asks the commit
//! task. The layout is `schema.sql`. A file of an older layout is brought up to date when it is
//! opened, one of a newer layout is refused by name.

use std::path::PathBuf;

pub mod backup;
pub mod checkpoint;
mod chunk;
mod column;
mod layout;
pub mod owner;
pub mod read;
pub mod readings;
pub mod replay;
pub mod rows;
mod seal;
pub mod tidy;
pub mod write;

pub use layout::SCHEMA_VERSION;
pub use read::{Queries, Reader, TraceFilter};
pub use write::{Transaction, Writer};

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
    /// The folder cannot be made.
    #[error("{path}: folder of the hot store: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process owns the store.
    #[error("{path}: another collector is running on this hot store")]
    Owned {
        /// The folder.
        path: PathBuf,
    },
    /// A file that would be overwritten.
    #[error("{path}: is there already, and nothing is overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is not what this program wrote.
    #[error("{path}: the hot store is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is not right.
        what: String,
    },
    /// SQLite says no.
    #[error("hot store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The program is going down.
    #[error("hot store: the program is stopping")]
    Stopped,
}

#[cfg(test)]
mod tests;
