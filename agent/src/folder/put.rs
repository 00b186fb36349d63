//! Traces that the agent has fetched itself: put into the watched folder, or set aside.

use std::io::{self, Write as _};
use std::path::Path;

use super::{FAILED, free_name, note_beside};
use crate::config::Watch;

/// A name of the form that the folder's watch knows, for a trace from `port`.
#[must_use]
pub fn name_for(pattern: &str, device: &str, port: u16) -> String {
    let number = uuid::Uuid::now_v7().simple().to_string();
    let name = pattern
        .replace("{device}", device)
        .replace("{port}", &port.to_string());
    let name = name.replacen('*', &number, 1).replace('*', "x");
    if name.contains(&number) {
        name
    } else {
        // A pattern without a star has one name; the watch takes each before the next comes.
        name.replace('/', "-")
    }
}

/// Puts a trace into the folder: whole or not at all.
///
/// # Errors
///
/// The disk's.
pub fn put(folder: &Path, name: &str, sor: &[u8]) -> io::Result<()> {
    let (path, beside) = (folder.join(name), folder.join(format!(".{name}.part")));
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(sor)?;
    file.sync_all()?;
    std::fs::rename(&beside, &path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Puts what is no trace to those that could not be taken in, with the reason beside it.
///
/// # Errors
///
/// The disk's.
pub fn set_aside(watch: &Watch, name: &str, (bytes, reason): (&[u8], &str)) -> io::Result<()> {
    let failed = watch.folder.join(FAILED);
    std::fs::create_dir_all(&failed)?;
    let target = free_name(&failed, name);
    std::fs::write(note_beside(&target), format!("{reason}\n"))?;
    std::fs::write(&target, bytes)?;
    // A file and its reason go together.
    super::examine::keep_newest(&failed, watch.failed_keep.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::port_of;

    #[test]
    fn the_name_of_what_is_put_tells_its_port() {
        for pattern in [
            "{device}-p{port}-*.sor",
            "*_fibre{port}_*.sor",
            "{port}.sor",
        ] {
            let name = name_for(pattern, "otdr-1", 12);
            assert_eq!(port_of(pattern, "otdr-1", &name), Some(12), "{name}");
        }
        let one = name_for("{device}-p{port}-*.sor", "otdr-1", 1);
        assert_ne!(one, name_for("{device}-p{port}-*.sor", "otdr-1", 1));
    }

    #[test]
    fn what_is_set_aside_has_its_reason_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch {
            folder: folder.path().to_owned(),
            pattern: String::new(),
            scan: std::time::Duration::from_secs(1),
            settle: std::time::Duration::from_secs(1),
            give_up: std::time::Duration::from_secs(1),
            done_keep: 1,
            failed_keep: 2,
        };
        for number in 0..3 {
            let name = format!("{number}.sor");
            set_aside(&watch, &name, (b"half", "it is short")).unwrap();
        }
        let failed = folder.path().join(FAILED);
        let reason = std::fs::read_to_string(failed.join("2.sor.reason")).unwrap();
        assert_eq!(reason, "it is short\n");
        assert_eq!(std::fs::read(failed.join("2.sor")).unwrap(), b"half");
        assert_eq!(std::fs::read_dir(failed).unwrap().count(), 4);
    }
}
