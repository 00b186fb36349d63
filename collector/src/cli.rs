//! The commands that do one thing and end: each writes its answer to `out` and gives its exit code.

use std::io::{self, Write};
use std::path::Path;

use crate::config::{self, Settings};
use crate::run::RunError;

pub mod backup;
pub mod check;
pub mod locate;
pub mod notify;
pub mod quarantine;
pub mod replay;
pub mod survey;
pub mod trace;
pub mod user;

/// How a command ended; the numbers are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, and what was checked is not well.
    NotWell = 1,
    /// What was asked for makes no sense.
    Usage = 2,
    /// Input that is not what it should be.
    BadData = 65,
    /// A service, a file or an address cannot be had.
    Unavailable = 69,
    /// Settings or a plant file with mistakes.
    BadSettings = 78,
}

impl Exit {
    /// The exit code of a failed run.
    #[must_use]
    pub const fn of(error: &RunError) -> Self {
        match error {
            RunError::Settings(_) | RunError::Misfit(_) | RunError::File { .. } => {
                Self::BadSettings
            }
            RunError::Store { .. }
            | RunError::Broker(_)
            | RunError::Listen { .. }
            | RunError::Forward(_) => Self::Unavailable,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Reads the settings in `file`.
///
/// # Errors
///
/// Where it cannot be read, or every mistake in it.
pub fn settings(file: &Path) -> Result<Settings, RunError> {
    let failed = |source| RunError::File {
        path: file.to_path_buf(),
        source,
    };
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    Ok(config::read(&file.display().to_string(), &text, folder)?)
}

/// Writes a line of an answer; whoever reads it may have gone.
fn say(out: &mut impl Write, line: impl core::fmt::Display) -> io::Result<()> {
    writeln!(out, "{line}")
}
