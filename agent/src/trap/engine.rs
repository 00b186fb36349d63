//! The receiver's own identity in version 3: its engine id, and how often it began.
//!
//! A sender of informs signs by the receiver's engine, so both must outlive a restart: a file in the
//! data folder keeps them. It is written anew, synced and then renamed; one that can't be read is
//! replaced by a new identity, which senders find out by themselves.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_snmp::{AuthoritativeEngine, PersistedAuthoritativeEngine};
use sha2::{Digest as _, Sha256};

/// The file in the agent's data folder.
pub const FILE: &str = "trap-engine";
/// The enterprise number of identities made by software without one of its own (RFC 3411, 5, for
/// engines that predate it; net-snmp does the same with random octets).
const FORMAT: [u8; 5] = [0x80, 0x00, 0x1F, 0x88, 0x80];
/// Octets of an engine id after its format.
const OCTETS: usize = 12;

/// The engine whose state is kept in `folder`; `seed` makes a new one different from any other.
///
/// # Errors
///
/// Its state can't be written: then version 3 would not be safe from repeats.
pub fn open(folder: &Path, seed: &[u8]) -> Result<AuthoritativeEngine, Box<async_snmp::Error>> {
    let path = folder.join(FILE);
    let kept = read(&path);
    let keep = move |state: &PersistedAuthoritativeEngine| write(&path, state);
    match kept {
        Some(state) => AuthoritativeEngine::restart(state, keep),
        None => {
            let hash = Sha256::digest(seed);
            let id: Vec<u8> = FORMAT
                .into_iter()
                .chain(hash.into_iter().take(OCTETS))
                .collect();
            AuthoritativeEngine::install(id, keep)
        }
    }
}

/// An engine id as people write it.
#[must_use]
pub fn shown(id: &[u8]) -> String {
    let octets: Vec<String> = id.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("0x{}", octets.concat())
}

fn read(path: &Path) -> Option<PersistedAuthoritativeEngine> {
    let text = std::fs::read_to_string(path).ok()?;
    let (id, boots) = text.trim().split_once(' ')?;
    let digits = id.strip_prefix("0x")?;
    let octet = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let id: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(octet).collect();
    PersistedAuthoritativeEngine::new(id?, boots.parse().ok()?).ok()
}

fn write(path: &PathBuf, state: &PersistedAuthoritativeEngine) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    writeln!(
        file,
        "{} {}",
        shown(state.engine_id()),
        state.engine_boots()
    )?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_keeps_its_id_and_counts_its_starts() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), b"ganja/main").unwrap();
        let again = open(folder.path(), b"another seed").unwrap();
        assert_eq!(first.engine_id(), again.engine_id());
        assert_eq!(again.engine_boots(), first.engine_boots() + 1);
        assert!(shown(first.engine_id()).starts_with("0x80001f8880"));
    }

    #[test]
    fn a_file_that_can_not_be_read_makes_a_new_engine() {
        let folder = tempfile::tempdir().unwrap();
        for rubbish in ["", "0x80", "0x8zz0 3", "\u{e9}", "0x80001f8880aabb x"] {
            std::fs::write(folder.path().join(FILE), rubbish).unwrap();
            assert!(open(folder.path(), b"seed").is_ok(), "{rubbish:?}");
        }
        assert!(open(Path::new("/proc/no/such"), b"seed").is_err());
    }
}
