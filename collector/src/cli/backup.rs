//! `backup` and `restore`: a copy of the hot store, and the way back.

use std::io::{self, Write};
use std::path::Path;

use silkline_protocol::time::Timestamp;

use super::{Exit, say};
use crate::config::Settings;
use crate::run::STORE_FILE;
use crate::store::StoreError;
use crate::store::backup::{self, Copied};

/// Writes a copy of the hot store to `target`; the collector may be running.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn backup(settings: &Settings, target: &Path, out: &mut impl Write) -> io::Result<Exit> {
    match backup::copy(&settings.data.join(STORE_FILE), target) {
        Ok(copied) => {
            say(out, format!("{}: {}", target.display(), holds(&copied)))?;
            Ok(Exit::Done)
        }
        Err(error) => refused(&error),
    }
}

/// Puts the copy `from` back; the collector must not be running.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn restore(
    settings: &Settings,
    from: &Path,
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let store = settings.data.join(STORE_FILE);
    match backup::restore(from, &store, now) {
        Ok((copied, aside)) => {
            say(out, format!("{}: {}", store.display(), holds(&copied)))?;
            if let Some(aside) = aside {
                say(
                    out,
                    format!("the store that was there is kept as {}", aside.display()),
                )?;
            }
            say(
                out,
                "once the collector runs, the agents send again what they still keep",
            )?;
            Ok(Exit::Done)
        }
        Err(error) => refused(&error),
    }
}

fn holds(copied: &Copied) -> String {
    let Copied {
        bytes,
        newest,
        samples,
        traces,
        incidents,
    } = copied;
    let until = newest.map_or_else(String::new, |newest| format!(", up to {newest}"));
    format!("{samples} samples, {traces} traces, {incidents} incidents{until}; {bytes} bytes")
}

fn refused(error: &StoreError) -> io::Result<Exit> {
    writeln!(io::stderr(), "{error}")?;
    Ok(match error {
        StoreError::Damaged { .. } | StoreError::Version { .. } => Exit::BadData,
        StoreError::Exists { .. } => Exit::Usage,
        _ => Exit::Unavailable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::example;
    use crate::store::Writer;

    #[test]
    fn a_copy_is_made_once_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let settings = example::settings(folder.path(), "");
        let target = folder.path().join("copy.db");
        let mut out = Vec::new();
        let none = backup(&settings, &target, &mut out).unwrap();
        assert_eq!(none, Exit::Unavailable, "no store yet");

        let file = settings.data.join(STORE_FILE);
        drop(Writer::open(&file, &"store-1".parse().unwrap()).unwrap());
        assert_eq!(backup(&settings, &target, &mut out).unwrap(), Exit::Done);
        assert_eq!(
            backup(&settings, &target, &mut out).unwrap(),
            Exit::Usage,
            "there already"
        );
        let now = Timestamp::from_seconds(1_800_000_000);
        let exit = restore(&settings, &target, now, &mut out).unwrap();
        assert_eq!(exit, Exit::Done);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("0 samples, 0 traces, 0 incidents"), "{text}");
        assert!(text.contains("hot.db.before-"), "{text}");
        std::fs::write(&target, "not a store").unwrap();
        let exit = restore(&settings, &target, now, &mut Vec::new()).unwrap();
        assert_eq!(exit, Exit::BadData);
    }
}
