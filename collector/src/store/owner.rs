//! One process at a time owns a hot store.
//!
//! Two that wrote one store would number the same records twice, and a restored file must not be
//! slipped under a running collector. The lock is the operating system's: it ends with the process,
//! however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::StoreError;

/// The file that is locked, beside the store.
const LOCK_FILE: &str = "owner.lock";

/// The right to write the store in a folder, for as long as this lives.
#[derive(Debug)]
pub struct Owner {
    _lock: File,
}

impl Owner {
    /// Takes the right to write the store in `folder`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Owned`] where another process has it, or where the lock cannot be had.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Folder {
            path: folder.to_path_buf(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Owned {
                path: folder.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Owner::take(&folder.path().join("data")).unwrap();
        let second = Owner::take(&folder.path().join("data"));
        assert!(
            matches!(second, Err(StoreError::Owned { .. })),
            "{second:?}"
        );
        drop(first);
        Owner::take(&folder.path().join("data")).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = Owner::take(&file.join("data")).unwrap_err();
        assert!(refused.to_string().contains("file/data"), "{refused}");
    }
}
