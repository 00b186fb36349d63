//! Which files are meant: names, folders, and patterns that no shell has filled in.

use std::io;
use std::path::{Path, PathBuf};

/// Folders inside folders are looked into this deep: a season of measurements, not a whole disk.
const DEEPEST: usize = 6;

/// A file to look at, or why a name gives none.
#[derive(Debug)]
pub(in crate::cli) struct Named {
    /// The name as the answer tells it.
    pub(in crate::cli) path: PathBuf,
    /// What is wrong with it, if that is known before it is opened.
    pub(in crate::cli) problem: Option<NoFile>,
}

/// Why a name gives no file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoFile {
    /// A folder without any trace.
    #[error("a folder without any file that ends in .sor")]
    Empty,
    /// A folder that cannot be read.
    #[error("{0}")]
    Folder(String),
    /// A pattern that matches nothing.
    #[error("no file has a name like this")]
    NoMatch,
}

/// Every file that the names stand for: a folder for the traces in it, by name; a pattern with `*`,
/// `?` or `[…]` for what it matches, unless a file is called just that.
pub(in crate::cli) fn named(names: &[PathBuf]) -> Vec<Named> {
    names.iter().flat_map(|name| files_of(name)).collect()
}

fn files_of(name: &Path) -> Vec<Named> {
    if name.is_dir() {
        return files_in(name);
    }
    let is_pattern = |text: &str| text.contains(['*', '?', '[']) && !name.exists();
    let matches = name
        .to_str()
        .filter(|text| is_pattern(text))
        .and_then(|text| glob::glob(text).ok());
    let Some(matches) = matches else {
        return vec![Named::good(name.to_path_buf())];
    };
    let found: Vec<Named> = matches
        .flatten()
        .flat_map(|path| {
            if path.is_dir() {
                files_in(&path)
            } else {
                vec![Named::good(path)]
            }
        })
        .collect();
    if found.is_empty() {
        return vec![Named::bad(name, NoFile::NoMatch)];
    }
    found
}

/// The traces in a folder and in those inside it.
fn files_in(folder: &Path) -> Vec<Named> {
    let mut found = Vec::new();
    if let Err(problem) = collect(folder, DEEPEST, &mut found) {
        return vec![Named::bad(folder, NoFile::Folder(problem.to_string()))];
    }
    if found.is_empty() {
        return vec![Named::bad(folder, NoFile::Empty)];
    }
    found.sort();
    found.into_iter().map(Named::good).collect()
}

fn collect(folder: &Path, deeper: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Links to folders are not followed: they may lead in a circle.
        if entry.file_type()?.is_dir() {
            if deeper > 0 {
                collect(&path, deeper - 1, found)?;
            }
        } else if is_trace(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_trace(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("sor"))
}

impl Named {
    const fn good(path: PathBuf) -> Self {
        Self {
            path,
            problem: None,
        }
    }

    fn bad(path: &Path, problem: NoFile) -> Self {
        Self {
            path: path.to_path_buf(),
            problem: Some(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, name: &str) -> Vec<String> {
        let name = if name.is_empty() {
            folder.path().to_path_buf()
        } else {
            folder.path().join(name)
        };
        let show = |named: Named| {
            let path = named
                .path
                .strip_prefix(folder.path())
                .unwrap()
                .display()
                .to_string();
            named.problem.map_or(path, |problem| format!("! {problem}"))
        };
        named(&[name]).into_iter().map(show).collect()
    }

    #[test]
    fn a_folder_stands_for_its_traces_by_name() {
        let folder = folder(&["b.SOR", "a.sor", "notes.txt", "west/c.sor"]);
        assert_eq!(found(&folder, ""), ["a.sor", "b.SOR", "west/c.sor"]);
    }

    #[test]
    fn a_folder_without_traces_is_named() {
        let folder = folder(&["notes.txt"]);
        assert_eq!(
            found(&folder, ""),
            ["! a folder without any file that ends in .sor"]
        );
    }

    #[test]
    fn a_pattern_stands_for_what_it_matches() {
        let folder = folder(&["a1.sor", "a2.sor", "b.sor"]);
        assert_eq!(found(&folder, "a*.sor"), ["a1.sor", "a2.sor"]);
        assert_eq!(found(&folder, "z*.sor"), ["! no file has a name like this"]);
    }

    #[test]
    fn a_file_is_itself_whatever_it_is_called() {
        let folder = folder(&["what[1]?.sor", "what1x.sor"]);
        assert_eq!(found(&folder, "what[1]?.sor"), ["what[1]?.sor"]);
        assert_eq!(found(&folder, "absent.sor"), ["absent.sor"]);
    }
}
