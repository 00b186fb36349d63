//! The folder of permits: one file each, so that the agent and a person at the site may both write.
//!
//! A file is written beside its place, synced and moved there, and the folder synced: after a kill or
//! a power cut it is there as a whole or not at all, and a permit that was answered for is there.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use silkline_protocol::id::PermitId;
use silkline_protocol::permit::MAX_PERMITS;
use silkline_protocol::time::Timestamp;

use super::{Kept, VERSION};

/// The largest permit file: the most fibres with the longest names.
const MAX_BYTES: u64 = 64 * 1024;

/// The folder of permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    folder: PathBuf,
}

/// Why the permits can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The folder or a file of it.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no permit.
    #[error("{path} is no permit: {why}")]
    Garbled {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// As many as there may be.
    #[error("there are {MAX_PERMITS} permits already, which is the most: revoke some")]
    Full,
    /// No such permit.
    #[error("there is no permit {0}")]
    Absent(PermitId),
}

impl Shelf {
    /// The permits of an agent that keeps its state in `data`.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self {
            folder: data.join("permits"),
        }
    }

    /// Makes the folder where there is none.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn prepare(&self) -> Result<(), ShelfError> {
        std::fs::create_dir_all(&self.folder).map_err(|source| self.io(&self.folder, source))
    }

    /// Every permit, by number, with those that are over and still to be told.
    ///
    /// # Errors
    ///
    /// What can't be read: then nobody knows what is permitted.
    pub fn read(&self) -> Result<Vec<Kept>, ShelfError> {
        let mut kept = Vec::new();
        let failed = |source| self.io(&self.folder, source);
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let hidden = path
                .file_name()
                .is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if hidden || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            if kept.len() >= MAX_PERMITS {
                return Err(ShelfError::Full);
            }
            match self.read_one(&path) {
                // Told and taken away since it was listed.
                Err(ShelfError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                read => kept.push(read?),
            }
        }
        kept.sort_by(|a: &Kept, b| a.permit.id().cmp(b.permit.id()));
        Ok(kept)
    }

    /// Keeps a permit, in place of the one of its number; returns when it is synced.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Full`], or what the disk said: then it is not kept.
    pub fn put(&self, kept: &Kept) -> Result<(), ShelfError> {
        let others = self.read()?;
        let id = kept.permit.id();
        let replaces = others.iter().any(|other| other.permit.id() == id);
        if !replaces && others.len() >= MAX_PERMITS {
            return Err(ShelfError::Full);
        }
        let path = self.path(id);
        self.write(&path, id, kept)
            .map_err(|source| self.io(&path, source))
    }

    /// Takes a permit back at `now`; it is over at once, and stays until that has been told.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Absent`], or what the disk said: then it still holds.
    pub fn revoke(&self, id: &PermitId, now: Timestamp) -> Result<Kept, ShelfError> {
        let path = self.path(id);
        let mut kept = match self.read_one(&path) {
            Err(ShelfError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(ShelfError::Absent(id.clone()));
            }
            read => read?,
        };
        kept.revoked.get_or_insert(now);
        self.write(&path, id, &kept)
            .map_err(|source| self.io(&path, source))?;
        Ok(kept)
    }

    /// Takes away the file of a permit that is over and has been told, unless it has been changed.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn clear(&self, over: &Kept) -> Result<(), ShelfError> {
        let path = self.path(over.permit.id());
        if self.read_one(&path)? != *over {
            return Ok(());
        }
        std::fs::remove_file(&path).map_err(|source| self.io(&path, source))
    }

    fn read_one(&self, path: &Path) -> Result<Kept, ShelfError> {
        let failed = |source| self.io(path, source);
        let garbled = |why: String| ShelfError::Garbled {
            path: path.to_owned(),
            why,
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|e| garbled(e.to_string()))?;
        if kept.v > VERSION {
            return Err(garbled(format!("version {} is of a newer program", kept.v)));
        }
        if path != self.path(kept.permit.id()) {
            return Err(garbled(format!("it is of permit {}", kept.permit.id())));
        }
        Ok(kept)
    }

    fn write(&self, path: &Path, id: &PermitId, kept: &Kept) -> io::Result<()> {
        let process = std::process::id();
        let beside = self.folder.join(format!(".{id}.{process}"));
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(kept).map_err(io::Error::other)?)?;
        // Set by root with a strict mask, it would be a file that the agent can't read.
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        std::fs::File::open(&self.folder)?.sync_all()
    }

    fn path(&self, id: &PermitId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn io(&self, path: &Path, source: io::Error) -> ShelfError {
        ShelfError::Io {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, permit};
    use super::super::{By, Standing};
    use super::*;
    use silkline_protocol::message::ClockState;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(folder.path());
        shelf.prepare().unwrap();
        (folder, shelf)
    }

    fn kept(id: &str) -> Kept {
        let now = now(150, ClockState::Synchronised, "a");
        Kept::taken(permit(id, &["f1"], (100, 200)), By::Site, &now)
    }

    #[test]
    fn what_is_put_is_read_again_and_a_number_is_kept_once() {
        let (_folder, shelf) = shelf();
        shelf.put(&kept("b")).unwrap();
        shelf.put(&kept("a")).unwrap();
        let mut longer = kept("b");
        longer.permit = permit("b", &[], (100, 300));
        shelf.put(&longer).unwrap();
        assert_eq!(shelf.read().unwrap(), [kept("a"), longer]);
    }

    #[test]
    fn what_is_taken_back_stays_until_it_is_cleared() {
        let (_folder, shelf) = shelf();
        shelf.put(&kept("a")).unwrap();
        let at = now(160, ClockState::Synchronised, "a");
        let over = shelf.revoke(kept("a").permit.id(), at.at).unwrap();
        assert_eq!(shelf.read().unwrap(), std::slice::from_ref(&over));
        assert_eq!(over.standing(&at), Standing::Over);
        shelf.put(&kept("a")).unwrap();
        shelf.clear(&over).unwrap();
        assert_eq!(shelf.read().unwrap().len(), 1, "set again meanwhile");
        shelf.clear(&kept("a")).unwrap();
        assert!(shelf.read().unwrap().is_empty());
        let gone = shelf.revoke(kept("a").permit.id(), at.at);
        assert!(matches!(gone, Err(ShelfError::Absent(_))));
    }

    #[test]
    fn a_file_that_is_no_permit_and_a_folder_that_is_gone_are_no_empty_shelf() {
        let (folder, shelf) = shelf();
        let path = folder.path().join("permits/a.json");
        shelf.put(&kept("a")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let said = shelf.read().unwrap_err().to_string();
            assert!(said.contains("a.json is no permit"), "{cut}: {said}");
        }
        std::fs::write(folder.path().join("permits/b.json"), &whole).unwrap();
        assert!(shelf.read().is_err(), "a permit under another's name");
        std::fs::remove_dir_all(folder.path().join("permits")).unwrap();
        assert!(matches!(shelf.read(), Err(ShelfError::Io { .. })));
    }

    #[test]
    fn what_a_kill_left_half_written_is_not_seen() {
        let (folder, shelf) = shelf();
        shelf.put(&kept("a")).unwrap();
        std::fs::write(folder.path().join("permits/.b.77"), "{\"v\":1,").unwrap();
        std::fs::write(folder.path().join("permits/README"), "who may work").unwrap();
        assert_eq!(shelf.read().unwrap(), [kept("a")]);
    }

    #[test]
    fn there_is_a_most_and_the_next_is_refused() {
        let (_folder, shelf) = shelf();
        for number in 0..MAX_PERMITS {
            let kept = kept(&format!("p-{number}"));
            let path = shelf.path(kept.permit.id());
            std::fs::write(path, serde_json::to_vec(&kept).unwrap()).unwrap();
        }
        assert!(matches!(shelf.put(&kept("more")), Err(ShelfError::Full)));
        shelf.put(&kept("p-7")).unwrap();
    }
}
