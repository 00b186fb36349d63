//! Where pictures go: one name for one file, a folder or a name with `{}` for many.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Exit;
use crate::plot::{PngError, png};

/// What stands for the file's own name in the name of a picture.
const OWN_NAME: &str = "{}";

/// The forms a picture can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Svg,
    Png,
}

/// Where each file's picture goes.
#[derive(Debug)]
pub(in crate::cli) struct Pictures {
    paths: Vec<PathBuf>,
    form: Form,
}

/// Why a picture cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum PictureError {
    /// A name that tells no form.
    #[error(
        "--plot {0}: want a name that ends in .svg or .png, or a folder, with / at its end if new"
    )]
    Form(String),
    /// One name for many files.
    #[error(
        "--plot {name}: one picture for {files} files; name a folder, or put {{}} where the file's name goes, such as plots/{{}}.png"
    )]
    OneForMany {
        /// The name.
        name: String,
        /// How many files there are.
        files: usize,
    },
    /// A folder that cannot be made, or a file that cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The drawing gives no image.
    #[error("{0}")]
    Png(#[from] PngError),
}

impl PictureError {
    /// How the command ends then.
    pub(in crate::cli) const fn exit(&self) -> Exit {
        match self {
            Self::Form(_) | Self::OneForMany { .. } => Exit::Usage,
            Self::Write { .. } | Self::Png(_) => Exit::Unavailable,
        }
    }
}

impl Pictures {
    /// Where the pictures of `files` go by what `--plot` says; makes the folder.
    pub(in crate::cli) fn of(target: &Path, files: &[&Path]) -> Result<Self, PictureError> {
        let text = target.display().to_string();
        let is_folder = target.is_dir() || text.ends_with('/');
        let pattern = if is_folder {
            target.join("{}.svg")
        } else {
            target.to_path_buf()
        };
        let ending = pattern
            .extension()
            .and_then(|it| it.to_str())
            .unwrap_or_default();
        let form = match ending.to_ascii_lowercase().as_str() {
            "svg" => Form::Svg,
            "png" => Form::Png,
            _ => return Err(PictureError::Form(text)),
        };
        let name = pattern.to_string_lossy().into_owned();
        let has_room = name.contains(OWN_NAME);
        if files.len() > 1 && !has_room {
            return Err(PictureError::OneForMany {
                name: text,
                files: files.len(),
            });
        }
        if let Some(folder) = pattern
            .parent()
            .filter(|it| is_folder || it.to_string_lossy() != "")
        {
            std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        }
        let paths = own_names(files)
            .into_iter()
            .map(|own| PathBuf::from(name.replace(OWN_NAME, &own)))
            .collect();
        Ok(Self { paths, form })
    }

    /// Writes the picture of file number `k`.
    pub(in crate::cli) fn write(&self, k: usize, svg: &str) -> Result<(), PictureError> {
        let Some(path) = self.paths.get(k) else {
            return Ok(());
        };
        let image;
        let bytes = match self.form {
            Form::Svg => svg.as_bytes(),
            Form::Png => {
                image = png(svg)?;
                &image
            }
        };
        std::fs::write(path, bytes).map_err(|source| failed(path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> PictureError {
    PictureError::Write {
        path: path.display().to_string(),
        source,
    }
}

/// A name for each file, without its ending; the second of one name gets a number that no other
/// file's own name ends in.
fn own_names(files: &[&Path]) -> Vec<String> {
    let stem = |file: &&Path| {
        let stem = file.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let stems: Vec<String> = files.iter().map(stem).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut next: BTreeMap<&str, u32> = BTreeMap::new();
    let mut names = Vec::with_capacity(stems.len());
    for stem in &stems {
        let mut name = stem.clone();
        let number = next.entry(stem).or_insert(1);
        while taken.contains(&name) || (*number > 1 && stems.contains(&name)) {
            *number += 1;
            name = format!("{stem}-{number}");
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"></svg>";

    fn paths(target: &str, files: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<&Path> = files.iter().map(Path::new).collect();
        let pictures = Pictures::of(&folder.path().join(target), &files);
        let show = |path: &PathBuf| {
            let inside = path.strip_prefix(folder.path()).unwrap();
            inside.display().to_string()
        };
        match pictures {
            Ok(pictures) => {
                assert!(
                    pictures
                        .paths
                        .iter()
                        .all(|path| path.parent().unwrap().is_dir())
                );
                Ok(pictures.paths.iter().map(show).collect())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn one_file_takes_the_name_as_it_is() {
        assert_eq!(paths("out.svg", &["a.sor"]), Ok(vec!["out.svg".into()]));
        assert_eq!(paths("x/out.PNG", &["a.sor"]), Ok(vec!["x/out.PNG".into()]));
    }

    #[test]
    fn many_files_go_to_a_folder_or_by_a_pattern() {
        let files = ["w/a.sor", "w/b.sor", "e/a.SOR"];
        let wanted = |names: [&str; 3]| Ok(names.map(str::to_owned).to_vec());
        assert_eq!(
            paths("p/", &files),
            wanted(["p/a.svg", "p/b.svg", "p/a-2.svg"])
        );
        assert_eq!(
            paths("p/{}-x.png", &files),
            wanted(["p/a-x.png", "p/b-x.png", "p/a-2-x.png"])
        );
        // A name that is another file's own with a number is not taken twice.
        let files = ["w/a.sor", "w/a-2.sor", "e/a.sor", "s/a-2.sor"];
        let found = paths("p/", &files).unwrap();
        assert_eq!(found, ["p/a.svg", "p/a-2.svg", "p/a-3.svg", "p/a-2-2.svg"]);
        let one = paths("out.svg", &files).unwrap_err();
        assert!(one.contains("name a folder, or put {}"), "{one}");
    }

    #[test]
    fn a_name_without_a_form_is_refused() {
        assert!(
            paths("out.pdf", &["a.sor"])
                .unwrap_err()
                .contains(".svg or .png")
        );
        assert!(paths("out", &["a.sor"]).is_err());
    }

    #[test]
    fn a_picture_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let below = file.join("out.svg");
        let error = Pictures::of(&below, &[Path::new("a.sor")]).unwrap_err();
        assert!(matches!(error, PictureError::Write { .. }), "{error}");
        let good = Pictures::of(&folder.path().join("o.png"), &[Path::new("a.sor")]).unwrap();
        good.write(0, SVG).unwrap();
        let bytes = std::fs::read(folder.path().join("o.png")).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"));
    }
}
