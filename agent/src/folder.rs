//! A folder into which a test unit drops SOR files, taken in one by one.
//!
//! ```text
//!   listing ─ Settler ─▶ still for `settle` ─ examine ─┬─ reads ──────▶ spool, then done/
//!                                                      ├─ seen before ▶ done/, not sent again
//!                                                      ├─ not yet ────▶ again when it changes,
//!                                                      │                or after `give_up`
//!                                                      └─ never will ─▶ failed/ with a .reason
//! ```
//!
//! A file leaves the folder only when the spool holds it, so a crash at any moment loses none; one
//! that was spooled but not yet moved is sent again after a restart. Whether a file is a trace is
//! told by its contents, never by its name. The name tells the port.

mod examine;
mod name;
mod put;
mod settle;

pub use examine::Verdict;
pub use name::port_of;
pub use put::{name_for, put, set_aside};
pub use settle::{Ready, Settler, Stamp};

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use silkline_protocol::message::EventKind;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Device, Watch};
use crate::edge::EdgeHandle;
use crate::place::Taken;
use crate::spool::SpoolError;
use crate::trigger::{Origin, Told};

/// Where files go that were taken in.
const DONE: &str = "done";
/// Where files go that could not be taken in.
const FAILED: &str = "failed";
/// Entries of the folder that are looked at in one round; the others come in later rounds.
const LISTING_MOST: usize = 10_000;

/// Digests that are remembered: three months of a shot every ten minutes, 320 kB.
const SEEN_MOST: usize = 10_000;

/// The SHA-256 of a file.
pub type Digest = [u8; 32];

/// Watches the folder of one OTDR.
#[derive(Debug)]
pub struct Folder {
    device: Arc<Device>,
    watch: Watch,
    settler: Settler,
    /// What was taken in, the latest last: what comes again is not sent again.
    /// Not known before the folder could be read for the first time.
    seen: Option<VecDeque<Digest>>,
    /// Of the file that the spool did not take, so that its reason is not lost with the first try.
    origin: Option<(String, Origin)>,
    edge: EdgeHandle,
    clock: Clock,
}

impl Folder {
    /// The watched folder of `device`, not looked at yet.
    #[must_use]
    pub fn new(device: &Arc<Device>, watch: Watch, edge: EdgeHandle, clock: Clock) -> Self {
        let settler = Settler::new(watch.settle, watch.give_up);
        let device = device.clone();
        Self {
            device,
            watch,
            settler,
            seen: None,
            origin: None,
            edge,
            clock,
        }
    }

    /// Takes files in until `stop`; the file in hand is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut broken = false;
        while !stop.is_cancelled() {
            match self.round(&stop).await {
                Ok(()) => broken = false,
                Err(error) if !broken => {
                    let folder = self.watch.folder.display().to_string();
                    tracing::warn!(device = %self.device.id, folder, %error, "folder can't be used");
                    broken = true;
                }
                Err(_) => {}
            }
            let next = self.clock.moment() + self.watch.scan;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    async fn round(&mut self, stop: &CancellationToken) -> io::Result<()> {
        let folder = self.watch.folder.clone();
        if self.seen.is_none() {
            let folder = folder.clone();
            self.seen = Some(blocking(move || prepared(&folder)).await?);
        }
        let listing = blocking(move || list(&folder)).await?;
        for ready in self.settler.observe(listing, self.clock.moment()) {
            if stop.is_cancelled() {
                break;
            }
            self.take(ready, stop).await?;
        }
        Ok(())
    }

    async fn take(&mut self, ready: Ready, stop: &CancellationToken) -> io::Result<()> {
        let path = self.watch.folder.join(&ready.name);
        let examined = path.clone();
        match blocking(move || examine::examine(&examined, ready.stamp)).await? {
            Verdict::Changed => Ok(()),
            Verdict::Trace(_, digest) if self.has_seen(&digest) => {
                tracing::info!(device = %self.device.id, file = ready.name, "seen before, not sent again");
                self.put_away(&path, ready.stamp).await
            }
            Verdict::Trace(sor, digest) => {
                let file = (path.as_path(), ready.stamp);
                self.send(file, (sor, digest), stop).await
            }
            Verdict::Unreadable(_) if !ready.last_chance => Ok(()),
            Verdict::Unreadable(reason) | Verdict::Refused(reason) => {
                self.refuse(&path, &reason).await
            }
        }
    }

    async fn send(
        &mut self,
        (path, stamp): (&Path, Stamp),
        (sor, digest): (Vec<u8>, Digest),
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let name = file_name(path);
        let port = port_of(&self.watch.pattern, self.device.id.as_str(), &name);
        let kept = self.origin.take().filter(|(of, _)| *of == name);
        let origin = match kept {
            Some((_, origin)) => origin,
            None => self.edge.origin(&self.device.id, port).await,
        };
        let taken = Taken::of(&self.device, &origin, port, (self.clock.now(), sor));
        // While the disk takes nothing it waits for a collector, and there may be none: the file stays.
        let taken = tokio::select! {
            biased;
            taken = self.edge.take(taken) => taken,
            () = stop.cancelled() => Err(SpoolError::Shut),
        };
        match taken {
            Ok(()) => {
                tracing::info!(device = %self.device.id, file = name, "trace taken in");
                self.remember(digest);
                self.put_away(path, stamp).await
            }
            Err(error) => {
                tracing::warn!(device = %self.device.id, file = name, %error, "trace stays in its folder");
                self.settler.again(&name);
                self.origin = Some((name, origin));
                Ok(())
            }
        }
    }

    fn has_seen(&self, digest: &Digest) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.contains(digest))
    }

    fn remember(&mut self, digest: Digest) {
        let seen = self.seen.get_or_insert_default();
        seen.push_back(digest);
        if seen.len() > SEEN_MOST {
            seen.pop_front();
        }
    }

    async fn refuse(&self, path: &Path, reason: &str) -> io::Result<()> {
        let name = file_name(path);
        tracing::warn!(device = %self.device.id, file = name, reason, "file refused");
        let told = Told {
            device: self.device.id.clone(),
            line: None,
            kind: EventKind::FileRefused,
            point: None,
            detail: format!("{name}: {reason}"),
            permit: None,
        };
        self.edge.tell(told).await;
        let failed = self.watch.folder.join(FAILED);
        let target = free_name(&failed, &name);
        let note = note_beside(&target);
        let (from, reason) = (path.to_owned(), format!("{reason}\n"));
        blocking(move || {
            std::fs::write(note, reason)?;
            std::fs::rename(from, target)
        })
        .await?;
        // A file and its reason go together.
        self.bound(failed, self.watch.failed_keep.saturating_mul(2))
            .await
    }

    /// Moves a file that the spool holds to `done/`; one that was replaced meanwhile stays, to be
    /// taken in as what it now is.
    async fn put_away(&self, path: &Path, stamp: Stamp) -> io::Result<()> {
        let done = self.watch.folder.join(DONE);
        let target = free_name(&done, &file_name(path));
        let from = path.to_owned();
        blocking(move || {
            if Stamp::of(&std::fs::metadata(&from)?) == stamp {
                std::fs::rename(from, target)?;
            }
            Ok(())
        })
        .await?;
        self.bound(done, self.watch.done_keep).await
    }

    async fn bound(&self, folder: PathBuf, keep: usize) -> io::Result<()> {
        blocking(move || examine::keep_newest(&folder, keep)).await
    }
}

/// Runs what waits for the disk where it holds up no other task.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// Makes `done/` and `failed/` in `folder`, and gives the digests of what was done.
fn prepared(folder: &Path) -> io::Result<VecDeque<Digest>> {
    std::fs::create_dir_all(folder.join(DONE))?;
    std::fs::create_dir_all(folder.join(FAILED))?;
    examine::digests(&folder.join(DONE))
}

/// The plain files of `folder` that are not hidden and not on their way under another name.
fn list(folder: &Path) -> io::Result<Vec<(String, Stamp)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(LISTING_MOST) {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let passing = name.ends_with(".tmp") || name.ends_with(".part");
        if name.starts_with('.') || passing || !entry.file_type()?.is_file() {
            continue;
        }
        // Gone since it was listed: nothing to take.
        if let Ok(metadata) = entry.metadata() {
            files.push((name, Stamp::of(&metadata)));
        }
    }
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// `name` in `folder`, with a number before it where the name is taken.
fn free_name(folder: &Path, name: &str) -> PathBuf {
    let plain = folder.join(name);
    if !plain.exists() {
        return plain;
    }
    let numbered = (1..u32::MAX).map(|number| folder.join(format!("{number}-{name}")));
    numbered
        .into_iter()
        .find(|path| !path.exists())
        .unwrap_or(plain)
}

fn note_beside(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.reason", file_name(path)))
}

#[cfg(test)]
pub(crate) mod tests;
