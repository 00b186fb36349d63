//! The whole agent: its tasks, how they are joined, how they take up new settings, and how they leave.
//!
//! ```text
//!   stop ─▶ pollers, folders, commands, edge (take in nothing more)
//!        ─▶ recorder (drains) ─▶ uplink (says goodbye) ─▶ spool (everything is synced already)
//! ```

mod crew;

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::local::{self, Sources};
use crate::permit::{Shelf, ShelfError};
use crate::pulse::Pulses;
use crate::spool::{Opened, SpoolError, SpoolHandle, SpoolSettings};
use crate::systemd::{Manager, News};
pub use crew::{Changes, NeedsRestart};
use crew::{Crew, Means};

/// The spool's file in the agent's data folder.
pub const SPOOL_FILE: &str = "spool.sqlite";
/// New settings that may wait: those in hand and the next ones.
pub const RELOADS: usize = 2;
/// How often the service manager is told how we are.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Why an agent can't start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data folder can't be made.
    #[error("data folder {path}: {source}")]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another agent works on the same data: both would poll, and both would write one spool.
    #[error("data folder {0}: another agent runs on it")]
    Busy(PathBuf),
    /// The spool can't be used.
    #[error("{0}")]
    Spool(#[from] SpoolError),
    /// The permits to work can't be kept.
    #[error("permits to work: {0}")]
    Permits(#[from] ShelfError),
    /// A part ended that should have gone on.
    #[error("the agent's {0} ended")]
    Ended(&'static str),
    /// New settings can't be taken up while it runs.
    #[error("{0}")]
    NeedsRestart(#[from] NeedsRestart),
}

/// What a running agent is told from outside.
#[derive(Debug)]
pub struct Orders {
    /// Ends it.
    pub stop: CancellationToken,
    /// New settings, or why they could not be read.
    pub reload: mpsc::Receiver<Result<Config, String>>,
    /// Who started it, if it wants to know.
    pub manager: Manager,
}

impl Orders {
    /// Nothing but an end.
    #[must_use]
    pub fn only_stop(stop: CancellationToken) -> Self {
        let (_, reload) = mpsc::channel(RELOADS);
        Self {
            stop,
            reload,
            manager: Manager::default(),
        }
    }
}

/// Where the spool of `config` is.
#[must_use]
pub fn spool_path(config: &Config) -> PathBuf {
    config.data.join(SPOOL_FILE)
}

/// Runs the agent until it is told to stop; returns when everything has left, at the latest after the
/// time that the settings give it.
///
/// # Errors
///
/// Why it can't start, or which part failed.
pub async fn run(config: Config, clock: Clock, mut orders: Orders) -> Result<(), RunError> {
    let _ours = claim(&config)?;
    let spool = open_spool(&config, clock)?;
    Shelf::of(&config.data).prepare()?;
    let shutdown = config.shutdown;
    let means = Means {
        spool: spool.clone(),
        board: Board::default(),
        pulses: Pulses::default(),
        clock,
        stop: orders.stop.clone(),
    };
    let (pulses, board) = (means.pulses.clone(), means.board.clone());
    pulses.adopt("spool", &spool.pulse());
    let (site, agent, devices) = (
        config.site.clone(),
        config.agent.clone(),
        config.devices.len(),
    );
    let mut crew = Crew::start(config, means).await?;
    let sources = Sources {
        config: crew.config(),
        board,
        spool: spool.status(),
        link: crew.link(),
        clock,
    };
    crew.part("local", local::serve(sources, orders.stop.clone()));
    tracing::info!(
        site = site.as_str(),
        agent = agent.as_str(),
        devices,
        "agent runs"
    );
    orders.manager.tell(&News::Ready);
    let outcome = work(&mut crew, &mut orders, (&spool, &pulses), clock).await;
    orders.manager.tell(&News::Stopping);
    orders.stop.cancel();
    let deadline = clock.moment() + shutdown;
    tokio::select! {
        () = crew.leave() => tracing::info!("agent left"),
        () = clock.sleep_until(deadline) => tracing::warn!("agent leaves with tasks unfinished"),
    }
    say_lost(&spool);
    outcome
}

/// Says what was only in memory and is nowhere else: the disk took nothing to the end.
fn say_lost(spool: &SpoolHandle) {
    let status = spool.status();
    let status = status.borrow();
    let lost = status.unsynced.total().min(status.depth);
    if lost > 0 {
        let why = status.fault.as_ref().map(ToString::to_string);
        tracing::error!(lost, why, "records that were only in memory are lost");
    }
}

/// Goes on until it is told to stop, or something ends the agent before.
async fn work(
    crew: &mut Crew,
    orders: &mut Orders,
    (spool, pulses): (&SpoolHandle, &Pulses),
    clock: Clock,
) -> Result<(), RunError> {
    let mut status = spool.status();
    let mut can_reload = true;
    let every = orders
        .manager
        .alive_every()
        .unwrap_or(STATUS_EVERY)
        .min(STATUS_EVERY);
    let mut due = clock.moment();
    loop {
        tokio::select! {
            () = orders.stop.cancelled() => return Ok(()),
            error = crew.failure() => {
                return if orders.stop.is_cancelled() { Ok(()) } else { Err(error) };
            }
            changed = status.changed() => {
                let fault = status.borrow_and_update().fault.clone();
                if let Some(fault) = fault.filter(SpoolError::is_fatal) {
                    return Err(RunError::Spool(fault));
                }
                if changed.is_err() {
                    return Err(RunError::Spool(SpoolError::Shut));
                }
            }
            news = orders.reload.recv(), if can_reload => match news {
                Some(news) => reload(crew, &orders.manager, news).await?,
                None => can_reload = false,
            },
            () = clock.sleep_until(due) => {
                due = clock.moment() + every;
                orders.manager.watch(pulses, clock.moment());
                orders.manager.tell(&News::Status(words(&status.borrow())));
            }
        }
    }
}

/// Takes up new settings, or says why the old ones go on.
async fn reload(
    crew: &mut Crew,
    manager: &Manager,
    news: Result<Config, String>,
) -> Result<(), RunError> {
    manager.tell(&News::Reloading);
    let outcome = match news {
        Ok(config) => match crew.renew(config).await {
            Ok(Changes {
                added,
                removed,
                changed,
            }) => {
                tracing::info!(added, removed, changed, "new settings are in force");
                Ok(())
            }
            Err(RunError::NeedsRestart(why)) => Err(why.to_string()),
            Err(error) => return Err(error),
        },
        Err(why) => Err(why),
    };
    if let Err(why) = outcome {
        tracing::error!(why, "new settings are refused: the old ones go on");
        manager.tell(&News::Status(format!("new settings are refused: {why}")));
    }
    manager.tell(&News::Ready);
    Ok(())
}

/// How the agent is, in one line.
fn words(spool: &crate::spool::SpoolStatus) -> String {
    let depth = spool.depth;
    match &spool.fault {
        Some(fault) => format!("{depth} records wait; {fault}"),
        None => format!("{depth} records wait in the spool"),
    }
}

/// Makes the data folder ours for as long as what this gives is kept; the system ends that with the
/// program, however it ends.
fn claim(config: &Config) -> Result<File, RunError> {
    let path = config.data.clone();
    let folder = std::fs::create_dir_all(&path).and_then(|()| File::open(&path));
    let folder = match folder {
        Ok(folder) => folder,
        Err(source) => return Err(RunError::Data { path, source }),
    };
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(RunError::Busy(path)),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "the data folder can't be locked: see that no other agent uses it");
            Ok(folder)
        }
    }
}

fn open_spool(config: &Config, clock: Clock) -> Result<SpoolHandle, RunError> {
    let settings = SpoolSettings {
        path: spool_path(config),
        site: config.site.clone(),
        max_bytes: config.spool.max_bytes,
        keep: config.spool.keep,
        max_age: config.spool.max_age,
    };
    let Opened { spool, set_aside } = SpoolHandle::open(settings, clock)?;
    if let Some((path, why)) = set_aside {
        let path = path.display().to_string();
        tracing::error!(
            path,
            why,
            "the spool could not be read and was set aside: export it"
        );
    }
    Ok(spool)
}

#[cfg(test)]
mod tests;
