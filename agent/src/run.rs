//! The whole agent: its tasks, how they are joined, and how they leave.
//!
//! ```text
//!   stop ─▶ pollers, folders, commands, edge (take in nothing more)
//!        ─▶ recorder (drains) ─▶ uplink (says goodbye) ─▶ spool (everything is synced already)
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use silkline_protocol::message::Body;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::command::{self, Commands};
use crate::config::Config;
use crate::edge;
use crate::folder::Folder;
use crate::poller::pollers;
use crate::spool::{Opened, Outgoing, SpoolError, SpoolHandle, SpoolSettings};
use crate::uplink::{Uplink, Whose};

/// The spool's file in the agent's data folder.
pub const SPOOL_FILE: &str = "spool.sqlite";

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
    /// The spool can't be used.
    #[error("{0}")]
    Spool(#[from] SpoolError),
    /// A file that the settings name can't be used.
    #[error("{what}: {source}")]
    File {
        /// What for.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// A part ended that should have gone on.
    #[error("the agent's {0} ended")]
    Ended(&'static str),
}

/// Where the spool of `config` is.
#[must_use]
pub fn spool_path(config: &Config) -> PathBuf {
    config.data.join(SPOOL_FILE)
}

/// Runs the agent until `stop`; returns when everything has left, at the latest after the time that
/// the settings give it.
///
/// # Errors
///
/// Why it can't start, or which part failed.
pub async fn run(config: Config, clock: Clock, stop: CancellationToken) -> Result<(), RunError> {
    let config = Arc::new(config);
    let spool = open_spool(&config, clock)?;
    let (handles, connections) = pollers(&config, clock).map_err(|source| RunError::File {
        what: "community".to_owned(),
        source,
    })?;
    let (edge, decider, recorder) = edge::edge(&config, handles.clone(), spool.clone(), clock);
    announce(&config, &spool).await?;

    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    for poller in connections {
        named(&mut tasks, "poller", poller.run(edge.clone(), stop.clone()));
    }
    for folder in folders(&config, &edge, clock)? {
        named(&mut tasks, "folder", folder.run(stop.clone()));
    }
    named(&mut tasks, "edge", decider.run(stop.clone()));
    let recorder = tokio::spawn(recorder.run());
    let goodbye = CancellationToken::new();
    let mut link = None;
    if config.uplinks.is_empty() {
        tracing::warn!("no broker is set: everything stays in the spool");
    } else {
        let (sender, requests) = mpsc::channel(command::QUEUE);
        let commands = Commands::new(config.clone(), edge.clone(), handles, clock);
        named(&mut tasks, "commands", commands.run(requests, stop.clone()));
        let whose = Whose { site: config.site.clone(), agent: config.agent.clone(), clock };
        let (uplink, _) = Uplink::new(whose, config.uplinks.clone(), spool.clone(), sender)?;
        link = Some(tokio::spawn(uplink.run(goodbye.clone())));
    }
    drop(edge);
    tracing::info!(
        site = config.site.as_str(),
        agent = config.agent.as_str(),
        devices = config.devices.len(),
        "agent runs"
    );
    let outcome = until_stopped(&mut tasks, &mut link, &spool, &stop).await;
    stop.cancel();
    let deadline = clock.moment() + config.shutdown;
    let left = async {
        while tasks.join_next().await.is_some() {}
        // Its last sender is gone with the tasks.
        let _ = recorder.await;
        goodbye.cancel();
        if let Some(link) = link.filter(|link| !link.is_finished()) {
            let _ = link.await;
        }
    };
    tokio::select! {
        () = left => tracing::info!("agent left"),
        () = clock.sleep_until(deadline) => tracing::warn!("agent leaves with tasks unfinished"),
    }
    outcome
}

fn named(
    tasks: &mut JoinSet<&'static str>,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    tasks.spawn(async move {
        task.await;
        name
    });
}

/// Waits for `stop`, or for something that ends the agent before.
async fn until_stopped(
    tasks: &mut JoinSet<&'static str>,
    link: &mut Option<JoinHandle<Result<(), SpoolError>>>,
    spool: &SpoolHandle,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut status = spool.status();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = tasks.join_next(), if !tasks.is_empty() => {
                if stop.is_cancelled() {
                    return Ok(());
                }
                return Err(RunError::Ended(ended.and_then(Result::ok).unwrap_or("task")));
            }
            ended = finished(link), if link.is_some() => return match ended {
                Ok(Err(error)) => Err(RunError::Spool(error)),
                Ok(Ok(())) | Err(_) => Err(RunError::Ended("uplink")),
            },
            changed = status.changed() => {
                let fault = status.borrow_and_update().fault.clone();
                if let Some(fault) = fault.filter(SpoolError::is_fatal) {
                    return Err(RunError::Spool(fault));
                }
                if changed.is_err() {
                    return Err(RunError::Spool(SpoolError::Shut));
                }
            }
        }
    }
}

/// What the link to the broker ended with; never where there is none.
async fn finished(
    link: &mut Option<JoinHandle<Result<(), SpoolError>>>,
) -> Result<Result<(), SpoolError>, JoinError> {
    match link {
        Some(link) => link.await,
        None => std::future::pending().await,
    }
}

fn open_spool(config: &Config, clock: Clock) -> Result<SpoolHandle, RunError> {
    let data = |source| RunError::Data {
        path: config.data.clone(),
        source,
    };
    std::fs::create_dir_all(&config.data).map_err(data)?;
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

/// Says what every device is: at each start, since that is when it may have changed.
async fn announce(config: &Config, spool: &SpoolHandle) -> Result<(), RunError> {
    for device in &config.devices {
        let poll_ms = u64::try_from(device.poll.as_millis()).unwrap_or(u64::MAX);
        let body = Body::About(device.id.clone(), device.profile.about(poll_ms));
        spool
            .append(Outgoing {
                lines: device.lines.clone(),
                body,
            })
            .await?;
    }
    Ok(())
}

fn folders(
    config: &Config,
    edge: &edge::EdgeHandle,
    clock: Clock,
) -> Result<Vec<Folder>, RunError> {
    let mut folders = Vec::new();
    for device in &config.devices {
        let Some(otdr) = &device.otdr else { continue };
        let folder = Folder::open(
            &Arc::new(device.clone()),
            otdr.watch.clone(),
            edge.clone(),
            clock,
        );
        let what = format!("folder {}", otdr.watch.folder.display());
        folders.push(folder.map_err(|source| RunError::File { what, source })?);
    }
    Ok(folders)
}
