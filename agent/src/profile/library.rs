//! All profiles an agent knows: those that ship with it, and those of a folder beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rust_embed::RustEmbed;
use silkline_protocol::id::ProfileId;
use silkline_protocol::settings::Mistakes;

use super::{Map, Oid, Profile, read};

/// The largest profile that is read; the longest that ships is a tenth of it.
const MAX_BYTES: u64 = 256 * 1024;

#[derive(RustEmbed)]
#[folder = "profiles/"]
struct Shipped;

/// All profiles an agent knows, by id.
#[derive(Clone, Debug, Default)]
pub struct Library {
    profiles: BTreeMap<ProfileId, Arc<Profile>>,
}

/// A folder of profiles that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The folder or a file in it can't be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any profile.
    #[error("{0}: is larger than {MAX_BYTES} bytes")]
    TooLarge(PathBuf),
    /// A file has mistakes.
    #[error("{0}")]
    Mistakes(Mistakes),
    /// A file describes something else than its name says.
    #[error("{path}: describes {id}, so it has to be called {id}.toml")]
    Name {
        /// The file.
        path: PathBuf,
        /// What it describes.
        id: ProfileId,
    },
}

impl Library {
    /// The profiles that ship with the agent; that each is without mistakes, a test makes sure.
    #[must_use]
    pub fn embedded() -> Self {
        let mut library = Self::default();
        for name in Shipped::iter() {
            let Some(file) = Shipped::get(&name) else {
                continue;
            };
            let text = String::from_utf8_lossy(&file.data);
            match read(&name, &text) {
                Ok(profile) => library.add(profile),
                Err(mistakes) => tracing::error!(%mistakes, "a shipped profile has mistakes"),
            }
        }
        library
    }

    /// The shipped profiles with those of `folder`: a file there takes the place of a shipped one
    /// of the same id. Files are read in the order of their names.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in the folder, file by file.
    pub fn with_folder(folder: &Path) -> Result<Self, Vec<LibraryError>> {
        let mut library = Self::embedded();
        let mut errors = Vec::new();
        for path in files(folder).map_err(|source| unreadable(folder, source))? {
            match read_file(&path) {
                Ok(profile) => library.add(profile),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(library)
        } else {
            Err(errors)
        }
    }

    /// The profile of this id.
    #[must_use]
    pub fn find(&self, id: &ProfileId) -> Option<&Profile> {
        self.profiles.get(id).map(AsRef::as_ref)
    }

    /// The same, to be shared by all devices of the model.
    #[must_use]
    pub fn shared(&self, id: &ProfileId) -> Option<Arc<Profile>> {
        self.profiles.get(id).cloned()
    }

    /// The profile of an SNMP device that calls itself `sys_object`: the one that knows the longest
    /// part of it.
    #[must_use]
    pub fn of_sys_object(&self, sys_object: &Oid) -> Option<&Profile> {
        let known = |profile: &Profile| match &profile.map {
            Map::Snmp(map) => {
                let fits = |oid: &&Oid| *oid == sys_object || oid.suffix_of(sys_object).is_some();
                let known = map.sys_objects.iter().filter(fits);
                known.map(|oid| oid.arcs().len()).max()
            }
            Map::Modbus(_) | Map::Scpi(_) => None,
        };
        let fitting = self
            .iter()
            .filter_map(|profile| Some((known(profile)?, profile)));
        let best = fitting.max_by_key(|(length, _)| *length);
        best.map(|(_, profile)| profile)
    }

    /// Every profile, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values().map(AsRef::as_ref)
    }

    fn add(&mut self, profile: Profile) {
        self.profiles.insert(profile.id.clone(), Arc::new(profile));
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Vec<LibraryError> {
    vec![LibraryError::Unreadable {
        path: path.to_owned(),
        source,
    }]
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Profile, LibraryError> {
    let io = |source| LibraryError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(LibraryError::TooLarge(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let profile = read(&path.display().to_string(), &text).map_err(LibraryError::Mistakes)?;
    if path
        .file_stem()
        .is_none_or(|stem| stem != profile.id.as_str())
    {
        return Err(LibraryError::Name {
            path: path.to_owned(),
            id: profile.id,
        });
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Status;

    #[test]
    fn every_shipped_profile_is_without_mistakes_and_named_after_its_id() {
        let mut count = 0;
        for name in Shipped::iter() {
            let file = Shipped::get(&name).unwrap();
            let text = String::from_utf8(file.data.to_vec()).unwrap();
            let profile = read(&name, &text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(format!("{}.toml", profile.id), name);
            count += 1;
        }
        assert!(count >= 14, "{count}");
        assert_eq!(Library::embedded().iter().count(), count);
    }

    #[test]
    fn an_snmp_device_is_known_by_what_it_calls_itself() {
        let library = Library::embedded();
        let found = |oid: &str| {
            let profile = library.of_sys_object(&oid.parse().unwrap());
            profile.map(|profile| profile.id.as_str().to_owned())
        };
        assert_eq!(found("1.3.6.1.4.1.12148.9"), Some("eltek-smartpack".into()));
        assert_eq!(
            found("1.3.6.1.4.1.2544.1.14"),
            Some("adva-fsp3000-alm".into())
        );
        assert_eq!(found("1.3.6.1.4.1.2544.1.15.1"), None);
        assert_eq!(found("1.3.6.1.4.1.8072.3.2.10"), None);
    }

    #[test]
    fn our_own_maps_say_that_they_are_ours() {
        for profile in Library::embedded()
            .iter()
            .filter(|p| p.id.as_str().starts_with("silkline-"))
        {
            assert!(profile.source.contains("no public map"), "{}", profile.id);
            assert!(
                profile.points().all(|point| point.status == Status::Own),
                "{}",
                profile.id
            );
        }
    }

    #[test]
    fn a_folder_adds_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = Shipped::get("ietf-ups.toml").unwrap();
        let text = String::from_utf8(shipped.data.to_vec()).unwrap();
        let changed = text.replace("UPS by the standard MIB", "Our UPS");
        std::fs::write(folder.path().join("ietf-ups.toml"), &changed).unwrap();
        let added = changed.replace("\"ietf-ups\"", "\"our-ups\"");
        std::fs::write(folder.path().join("our-ups.toml"), added).unwrap();
        let library = Library::with_folder(folder.path()).unwrap();
        assert_eq!(
            library.find(&"ietf-ups".parse().unwrap()).unwrap().title,
            "Our UPS"
        );
        assert!(library.find(&"our-ups".parse().unwrap()).is_some());
        assert!(library.find(&"silkline-edfa".parse().unwrap()).is_some());
    }

    #[test]
    fn every_wrong_file_of_a_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), "id = 3").unwrap();
        let shipped = Shipped::get("ietf-ups.toml").unwrap();
        std::fs::write(folder.path().join("b.toml"), &shipped.data).unwrap();
        let errors = Library::with_folder(folder.path()).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors[1]
                .to_string()
                .contains("has to be called ietf-ups.toml")
        );
        assert!(Library::with_folder(Path::new("/no/such/folder")).is_err());
    }
}
