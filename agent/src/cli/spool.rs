//! `spool inspect` and `spool export`: what is in the spool's file, also in one set aside.

use core::fmt::Write as _;
use std::path::Path;

use crate::spool::inspect::Inspection;
use crate::spool::{SpoolError, export, inspect};

use super::{Exit, Said};

/// What the spool's file at `path` holds and whether it is whole.
#[must_use]
pub fn say_inspect(path: &Path) -> Said {
    match inspect(path) {
        Ok(found) => {
            let exit = if found.damage.is_empty() {
                Exit::Done
            } else {
                Exit::NotWell
            };
            Said::out(table(&found), exit)
        }
        Err(error) => failed(path, &error),
    }
}

/// Writes every record of the file at `path` that can be read into `folder`.
#[must_use]
pub fn say_export(path: &Path, folder: &Path) -> Said {
    match export(path, folder) {
        Ok(done) => {
            let exit = if done.unreadable == 0 {
                Exit::Done
            } else {
                Exit::NotWell
            };
            let (records, unreadable) = (done.records, done.unreadable);
            Said::out(
                format!("{records} records written, {unreadable} unreadable\n"),
                exit,
            )
        }
        Err(error) => failed(path, &error),
    }
}

fn failed(path: &Path, error: &SpoolError) -> Said {
    Said::failed(format!("{}: {error}", path.display()), Exit::BadData)
}

fn table(found: &Inspection) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{} records, {} not committed, {} bytes",
        found.records, found.uncommitted, found.bytes
    );
    for stream in &found.streams {
        let _ = writeln!(
            text,
            "  {} {} newest {} held {} not committed {} bytes {}",
            stream.line, stream.epoch, stream.newest, stream.held, stream.uncommitted, stream.bytes
        );
    }
    for damage in &found.damage {
        let _ = writeln!(text, "  damaged: {damage}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_spool_is_bad_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool.sqlite");
        std::fs::write(&path, "this is no database, whatever its name").unwrap();
        assert_eq!(say_inspect(&path).exit, Exit::BadData);
        assert_eq!(say_export(&path, folder.path()).exit, Exit::BadData);
        assert_eq!(
            say_inspect(&folder.path().join("absent")).exit,
            Exit::BadData
        );
    }
}
