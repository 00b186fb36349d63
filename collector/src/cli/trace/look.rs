//! From a file to what it shows.

use std::io::{self, Read};
use std::path::Path;

use silkline_analysis::trace::{Analysis, Trace, TraceError, analyse};
use silkline_sor::{ReadError, Sor};

use super::files::{Named, NoFile};

/// Larger files are no traces.
const LARGEST: u64 = 64 << 20;

/// A trace with what it came from.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The file as it was read.
    pub sor: Sor,
    /// Its samples.
    pub trace: Trace,
    /// What they show.
    pub analysis: Analysis,
}

/// Why a file gives no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceProblem {
    /// No such file.
    #[error("{0}")]
    Named(#[from] NoFile),
    /// It cannot be read.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It holds nothing at all.
    #[error("an empty file, 0 bytes")]
    Empty,
    /// It is larger than any trace.
    #[error("more than {} MiB; no trace is as large", LARGEST >> 20)]
    TooLarge,
    /// It is no SOR file, or a damaged one.
    #[error("{0}")]
    Sor(#[from] ReadError),
    /// Its numbers make no trace.
    #[error("{0}")]
    Trace(#[from] TraceError),
}

impl TraceProblem {
    /// A short word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Named(NoFile::Empty | NoFile::NoMatch) => "no_files",
            Self::Named(NoFile::Folder(_)) | Self::File(_) => "unreadable",
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::Sor(error) => error.kind(),
            Self::Trace(_) => "implausible",
        }
    }
}

/// The bytes of a file that may be a trace.
pub(in crate::cli) fn bytes_of(file: &Path) -> Result<Vec<u8>, TraceProblem> {
    let file = std::fs::File::open(file)?;
    // A disk tells the size beforehand; a pipe does not, and is read as far as a trace goes.
    if file.metadata()?.len() > LARGEST {
        return Err(TraceProblem::TooLarge);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        0 => Err(TraceProblem::Empty),
        length if length > LARGEST => Err(TraceProblem::TooLarge),
        _ => Ok(bytes),
    }
}

/// Reads a file and finds what it shows.
pub(in crate::cli) fn look(file: &Path) -> Result<Looked, TraceProblem> {
    seen(&bytes_of(file)?)
}

/// What these bytes of a file show.
pub(in crate::cli) fn seen(bytes: &[u8]) -> Result<Looked, TraceProblem> {
    let sor = silkline_sor::read(bytes)?;
    let trace = Trace::from_sor(&sor)?;
    let analysis = analyse(&trace);
    Ok(Looked {
        sor,
        trace,
        analysis,
    })
}

impl Named {
    /// What the file shows.
    pub(in crate::cli) fn look(&self) -> Result<Looked, TraceProblem> {
        match &self.problem {
            Some(problem) => Err(problem.clone().into()),
            None => look(&self.path),
        }
    }
}
