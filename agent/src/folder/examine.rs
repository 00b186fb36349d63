//! Looking at one file, and tidying up: what waits for the disk.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::Digest as _;
use silkline_protocol::codec::MAX_TRACE;

use super::{Digest, Stamp};

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A trace: its bytes, and their SHA-256.
    Trace(Vec<u8>, Digest),
    /// No trace, though it may become one while it is still being written.
    Unreadable(String),
    /// No trace that could be sent, whatever else comes.
    Refused(String),
    /// It is not as it was when it was found to be still.
    Changed,
}

/// Looks at the file at `path`, which was still as `stamp` says.
///
/// # Errors
///
/// The disk failed; a file that is gone or not to be read is a [`Verdict`].
pub(super) fn examine(path: &Path, stamp: Stamp) -> io::Result<Verdict> {
    let most = u64::try_from(MAX_TRACE).unwrap_or(u64::MAX);
    if stamp.size > most {
        return Ok(Verdict::Refused(format!(
            "{} bytes, at most {most} can be sent",
            stamp.size
        )));
    }
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Changed),
        Err(error) => return Ok(Verdict::Unreadable(error.to_string())),
    };
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(MAX_TRACE));
    (&file).take(most + 1).read_to_end(&mut bytes)?;
    if Stamp::of(&file.metadata()?) != stamp || u64::try_from(bytes.len()).ok() != Some(stamp.size)
    {
        return Ok(Verdict::Changed);
    }
    Ok(match silkline_sor::read(&bytes) {
        Ok(_) => {
            let digest = digest(&bytes);
            Verdict::Trace(bytes, digest)
        }
        Err(error) => Verdict::Unreadable(format!("{}: {error}", error.kind())),
    })
}

fn digest(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

/// The digests of the files in `folder`.
pub(super) fn digests(folder: &Path) -> io::Result<VecDeque<Digest>> {
    let mut digests = VecDeque::new();
    for (path, stamp) in files(folder)? {
        if stamp.size <= u64::try_from(MAX_TRACE).unwrap_or(u64::MAX) {
            digests.push_back(digest(&std::fs::read(path)?));
        }
    }
    Ok(digests)
}

/// Removes the files of `folder` that were changed the longest ago, down to `keep`.
pub(super) fn keep_newest(folder: &Path, keep: usize) -> io::Result<()> {
    let mut files = files(folder)?;
    files.sort_by_key(|(path, stamp)| (stamp.changed, path.clone()));
    let surplus = files.len().saturating_sub(keep);
    for (path, _) in files.into_iter().take(surplus) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<Vec<(PathBuf, Stamp)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push((entry.path(), Stamp::of(&entry.metadata()?)));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(path: &Path) -> Stamp {
        Stamp::of(&std::fs::metadata(path).unwrap())
    }

    #[test]
    fn each_kind_of_file_has_its_verdict() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sor");
        let whole = crate::folder::tests::trace(1);
        std::fs::write(&path, &whole).unwrap();
        assert!(
            matches!(examine(&path, stamp(&path)).unwrap(), Verdict::Trace(bytes, _) if bytes == whole)
        );
        let earlier = Stamp {
            size: 3,
            ..stamp(&path)
        };
        assert_eq!(examine(&path, earlier).unwrap(), Verdict::Changed);
        for cut in [0, 10, whole.len() / 2] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let verdict = examine(&path, stamp(&path)).unwrap();
            assert!(
                matches!(verdict, Verdict::Unreadable(_)),
                "{cut}: {verdict:?}"
            );
        }
        let huge = Stamp {
            size: 5_000_000,
            changed: 0,
        };
        assert!(matches!(examine(&path, huge).unwrap(), Verdict::Refused(_)));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            examine(
                &path,
                Stamp {
                    size: 1,
                    changed: 1
                }
            )
            .unwrap(),
            Verdict::Changed
        );
    }

    #[test]
    fn the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        keep_newest(folder.path(), 2).unwrap();
        assert_eq!(files(folder.path()).unwrap().len(), 2);
        assert_eq!(digests(folder.path()).unwrap().len(), 2);
        keep_newest(folder.path(), 0).unwrap();
        assert!(files(folder.path()).unwrap().is_empty());
    }
}
