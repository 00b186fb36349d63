//! The agent's store and forward: what a device said is on the disk before anybody is told so, and
//! stays there until a collector has committed it.
//!
//! ```text
//!   append ──▶ queue ──▶ writer thread ──(one transaction, synced)──▶ file ──▶ reader ──▶ uplink
//!                          ▲                                                               │
//!                          └──────────────── committed, refused ◀──────────────────────────┘
//! ```
//!
//! One writer thread owns the writing connection and takes everything that waits into one transaction
//! (group commit), so a slow disk makes larger transactions, not a longer queue. A plain sample waits up
//! to [`WINDOW`] for others to share its transaction; whatever somebody waits for, an event or a trace,
//! is written at once, and all that waits with it. While the disk takes nothing, records are kept in memory
//! and sent from there; see `outage`. A stream is a line's records of one opening of the
//! spool; see `silkline_protocol::delivery`.
//!
//! What always holds: a number is never used twice, since every opening begins a new epoch; a record
//! that leaves uncommitted is named in a gap record in the same transaction; a file that cannot be read
//! is set aside under another name, never deleted, and the agent goes on.

use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;

use silkline_protocol::codec;
use silkline_protocol::delivery::sender::Class;
use silkline_protocol::delivery::{Committed, Epoch, Seq};
use silkline_protocol::id::{DeviceId, LineId, SiteId};
use silkline_protocol::message::Body;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::driver::readings::Compact;
use crate::pulse::Pulse;

mod account;
mod block;
mod disk;
mod file;
mod hurry;
pub mod inspect;
mod ledger;
mod opened;
mod outage;
mod pack;
pub mod reader;
mod recent;
mod refuge;
mod room;
mod seal;
mod sealed;
mod template;
mod writer;

#[cfg(test)]
mod tests;

pub use account::{Account, Counts};
use hurry::{Hurry, Wanted};
pub use inspect::{export, inspect};
use recent::Recent;
use refuge::Refuge;

/// How many orders may wait for the writer: one transaction's worth, and a tenth of a second of one device
/// at full speed. A full queue makes whoever brings the next one wait.
const QUEUE: usize = 512;
/// Orders that are written at once, whatever they are.
const ENOUGH: usize = QUEUE / 2;

/// How long a plain sample may wait for others to be synced with it: a power cut loses no more than was
/// polled within this and the time of one sync.
pub const WINDOW: Duration = Duration::from_millis(50);

/// A sample of no more readings is smaller than the largest message, however long their names are.
const SURELY_SMALL: usize = codec::MAX_JSON / 256;

/// What a spool is told when it is opened.
#[derive(Clone, Debug)]
pub struct SpoolSettings {
    /// The file.
    pub path: PathBuf,
    /// The site whose topics its records travel under.
    pub site: SiteId,
    /// The most bytes of records that it holds; the file itself may be a fifth larger.
    pub max_bytes: u64,
    /// How long committed records are kept, room permitting.
    pub keep: Duration,
    /// The age beyond which even uncommitted records go; `None` for never.
    ///
    /// A clock that jumps years ahead makes every record old at once, so there is no such age unless an
    /// operator wants one.
    pub max_age: Option<Duration>,
}

impl SpoolSettings {
    /// Weeks of a large hut: 100 devices polled every second take about 2 GB a week.
    pub const MAX_BYTES: u64 = 8 << 30;
    /// Long enough for a collector to be restored from last night's backup.
    pub const KEEP: Duration = Duration::from_secs(24 * 3_600);
}

/// Something to hand to the collectors.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The lines it is for: spooled once each.
    pub lines: Vec<LineId>,
    /// What it is.
    pub body: Body,
}

/// Why the spool did not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// Larger than any message may be: it could never be delivered.
    #[error("record of {found} bytes, at most {most} can be sent")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The bound.
        most: usize,
    },
    /// The disk did not take it, since it is full, read-only or broken; another try may succeed.
    #[error("spool: {0}")]
    Disk(String),
    /// It can't be written, whatever the disk does.
    #[error("spool: {0}")]
    Refused(String),
    /// The file is damaged: the next start sets it aside.
    #[error("spool file is damaged: {0}")]
    Damaged(String),
    /// One record's bytes are not what was written; the file as a whole may be well.
    #[error("record {0}: wrong checksum")]
    Checksum(Seq),
    /// The file was written by a newer program.
    #[error("spool file has version {0}, want at most {max}: update this program", max = file::VERSION)]
    Newer(i64),
    /// The spool was shut.
    #[error("spool is shut")]
    Shut,
}

impl SpoolError {
    /// Whether the program should end and start anew.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Newer(_) | Self::Shut)
    }
}

impl From<rusqlite::Error> for SpoolError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged(text),
            Some(
                Code::DiskFull
                | Code::SystemIoFailure
                | Code::ReadOnly
                | Code::CannotOpen
                | Code::PermissionDenied
                | Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::FileLockingProtocolFailed
                | Code::OutOfMemory,
            ) => Self::Disk(text),
            _ => Self::Refused(text),
        }
    }
}

/// How the spool is: published after every transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Records that no collector has committed yet.
    pub depth: u64,
    /// Records held, committed ones included.
    pub records: u64,
    /// Bytes of records held.
    pub bytes: u64,
    /// The epochs of which records are held, and the current one.
    pub epochs: Vec<Epoch>,
    /// What was let go of uncommitted since the start.
    pub dropped: Dropped,
    /// What became of every record since the start.
    pub account: Account,
    /// What waits: all of it and the samples counted, the rest by the books.
    pub waiting: Counts,
    /// The most bytes that it may hold.
    pub max_bytes: u64,
    /// Transactions that failed, each with all that was in it.
    pub failures: u64,
    /// Records that nothing would take: never taken in, and in no other figure.
    pub refused: Counts,
    /// Records that are only in memory, since the disk takes nothing.
    pub unsynced: Counts,
    /// The newest number of each stream of the current epoch.
    pub heads: Vec<Head>,
    /// Why the last transaction failed, if it did.
    pub fault: Option<SpoolError>,
}

/// Records let go of before a collector had committed them, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Plain samples.
    pub samples: u64,
    /// Traces.
    pub traces: u64,
    /// Events and what devices say of themselves.
    pub events: u64,
    /// Gap records; what they named is named again.
    pub gaps: u64,
}

/// The newest number of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: StreamId,
    /// Its newest number.
    pub newest: Seq,
}

/// A stream's row in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(i64);

/// What opening a spool found.
#[derive(Debug)]
pub struct Opened {
    /// The spool.
    pub spool: SpoolHandle,
    /// Where a file that could not be read was put, and why: to be said aloud.
    pub set_aside: Option<(PathBuf, String)>,
}

/// The way into the spool, for as many tasks as like; the last one gone ends the writer.
#[derive(Clone, Debug)]
pub struct SpoolHandle {
    settings: SpoolSettings,
    epoch: Epoch,
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<SpoolStatus>,
    pulse: Pulse,
    hurry: Hurry,
    recent: Recent,
    refuge: Refuge,
}

/// What the writer is asked, with where the answer goes once it is synced.
#[derive(Debug)]
struct Order {
    task: Task,
    /// Nothing where nobody waits for it.
    done: Option<oneshot::Sender<Result<(), SpoolError>>>,
}

#[derive(Debug)]
enum Task {
    Append(Outgoing),
    Sample(Vec<LineId>, DeviceId, Arc<Compact>),
    Committed(LineId, Committed),
    Drop(StreamId, Seq, String),
    Rebound(Bounds),
    /// Nothing but an answer once all before it is synced.
    Sync,
}

impl Task {
    /// The records that it brings, by kind.
    fn records(&self) -> Counts {
        let (lines, class) = match self {
            Self::Append(outgoing) => (outgoing.lines.len(), disk::class_of(&outgoing.body)),
            Self::Sample(lines, ..) => (lines.len(), Class::Sample),
            Self::Committed(..) | Self::Drop(..) | Self::Rebound(_) | Self::Sync => {
                return Counts::default();
            }
        };
        Counts::one(class) * lines
    }
}

/// How much the spool may hold, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// See [`SpoolSettings::max_bytes`].
    pub max_bytes: u64,
    /// See [`SpoolSettings::keep`].
    pub keep: Duration,
    /// See [`SpoolSettings::max_age`].
    pub max_age: Option<Duration>,
}

impl SpoolHandle {
    /// Opens the spool, or makes one; a damaged file is set aside and a new one made.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Newer`] for a file of a newer program, [`SpoolError::Disk`] where the folder can't
    /// be written.
    pub fn open(settings: SpoolSettings, clock: Clock) -> Result<Opened, SpoolError> {
        let (file, set_aside) = file::open_or_set_aside(&settings.path, clock.now())?;
        let writer = writer::Writer::new(settings.clone(), clock, file)?;
        let epoch = writer.epoch();
        let (orders, waiting) = mpsc::channel(QUEUE);
        let (pulse, recent, refuge) = (writer.pulse(), writer.recent(), writer.refuge());
        let (told, status) = watch::channel(writer.status());
        let wanted = Wanted::default();
        let own = wanted.clone();
        let thread = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || writer.run(waiting, &told, &own))
            .map_err(|error| SpoolError::Disk(error.to_string()))?;
        let hurry = Hurry::new(wanted, thread.thread().clone());
        Ok(Opened {
            spool: Self {
                settings,
                epoch,
                orders,
                status,
                pulse,
                hurry,
                recent,
                refuge,
            },
            set_aside,
        })
    }

    /// Takes something in: returns when it is synced to the disk, once for each line. While the disk takes
    /// nothing a trace waits until it does, or a collector has it; of anything else it is enough then
    /// that it is in memory.
    ///
    /// # Errors
    ///
    /// [`SpoolError::TooLarge`] where it could never be sent; else what the disk said, and then nothing
    /// of it is held.
    pub async fn append(&self, outgoing: Outgoing) -> Result<(), SpoolError> {
        sendable(&outgoing.body)?;
        self.order(Task::Append(outgoing)).await
    }

    /// Takes in a sample of `device`, once for each line, returning when it is in the writer's queue: it is
    /// synced within [`WINDOW`] and the time of a transaction, and what is handed over one after the
    /// other is written in that order. What the disk does not take then is told in the log.
    ///
    /// # Errors
    ///
    /// [`SpoolError::TooLarge`] or [`SpoolError::Shut`].
    pub async fn begin(
        &self,
        lines: Vec<LineId>,
        device: DeviceId,
        sample: Arc<Compact>,
    ) -> Result<(), SpoolError> {
        if sample.readings().len() > SURELY_SMALL {
            let found = sample.payload().len();
            within(found, codec::MAX_JSON)?;
        }
        let task = Task::Sample(lines, device, sample);
        self.begin_order(task, None).await
    }

    /// Waits until everything that was handed over before is synced, or has failed.
    ///
    /// # Errors
    ///
    /// What the disk said of the last of it.
    pub async fn sync(&self) -> Result<(), SpoolError> {
        self.order(Task::Sync).await
    }

    /// Notes what a collector has stored of a line, within [`WINDOW`]: it says so again if that is lost.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Shut`].
    pub async fn committed(&self, line: LineId, state: Committed) -> Result<(), SpoolError> {
        self.begin_order(Task::Committed(line, state), None).await
    }

    /// Lets go of a record that can't be delivered, and names it in a gap with the reason.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub async fn give_up(&self, stream: StreamId, seq: Seq, why: String) -> Result<(), SpoolError> {
        self.order(Task::Drop(stream, seq, why)).await
    }

    /// Holds to other bounds from now on.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub async fn rebound(&self, bounds: Bounds) -> Result<(), SpoolError> {
        self.order(Task::Rebound(bounds)).await
    }

    /// Whether the writer goes on.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// The epoch of this opening.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How the spool is, now and after every transaction.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SpoolStatus> {
        self.status.clone()
    }

    /// A connection of its own for reading records.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn reader(&self) -> Result<reader::Reader, SpoolError> {
        Ok(reader::Reader::open(&self.settings.path)?
            .beside(self.recent.clone(), self.refuge.clone()))
    }

    async fn order(&self, task: Task) -> Result<(), SpoolError> {
        let (done, answer) = oneshot::channel();
        self.begin_order(task, Some(done)).await?;
        answer.await.unwrap_or(Err(SpoolError::Shut))
    }

    async fn begin_order(
        &self,
        task: Task,
        done: Option<oneshot::Sender<Result<(), SpoolError>>>,
    ) -> Result<(), SpoolError> {
        let is_waited_for = done.is_some();
        let order = Order { task, done };
        let sent = self.orders.send(order).await;
        sent.map_err(|_| SpoolError::Shut)?;
        if is_waited_for || self.orders.capacity() < QUEUE - ENOUGH {
            self.hurry.now();
        }
        Ok(())
    }
}

/// Refuses what is larger than any message may be.
fn sendable(body: &Body) -> Result<(), SpoolError> {
    match body {
        Body::Trace(_, trace) => within(trace.sor.len(), codec::MAX_TRACE),
        body => within(codec::payload(body).len(), codec::MAX_JSON),
    }
}

const fn within(found: usize, most: usize) -> Result<(), SpoolError> {
    if found > most {
        return Err(SpoolError::TooLarge { found, most });
    }
    Ok(())
}
