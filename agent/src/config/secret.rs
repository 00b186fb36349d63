//! A word that must not be shown: it prints as `[hidden]` and comes best from a file.

use core::fmt;
use std::path::PathBuf;

/// A password or community.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the settings.
    Inline(String),
    /// In a file of its own, read when it is needed so that it can be changed.
    File(PathBuf),
}

impl Secret {
    /// The secret itself; the end of a file's last line is not part of it.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn reveal(&self) -> std::io::Result<String> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => Ok(std::fs::read_to_string(path)?
                .trim_end_matches(['\r', '\n'])
                .to_owned()),
        }
    }

    /// The file it is in, where it is in one.
    #[must_use]
    pub const fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Inline(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("[hidden]"),
            Self::File(path) => write!(f, "[hidden in {}]", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let shown = format!("{:?}", Secret::Inline("open sesame".into()));
        assert!(!shown.contains("sesame"), "{shown}");
    }

    #[test]
    fn the_line_end_of_a_file_is_not_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "open sesame \r\n").unwrap();
        assert_eq!(Secret::File(path.clone()).reveal().unwrap(), "open sesame ");
        std::fs::remove_file(&path).unwrap();
        assert!(Secret::File(path).reveal().is_err());
    }
}
