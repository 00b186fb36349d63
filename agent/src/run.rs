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
use crate::permit::{Shelf, ShelfError};
use crate::poller::pollers;
use crate::spool::{Opened, Outgoing, SpoolError, SpoolHandle, SpoolSettings};
use crate::trap::receiver;
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
    /// The permits to work can't be kept.
    #[error("permits to work: {0}")]
    Permits(#[from] ShelfError),
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
    Shelf::of(&config.data).prepare()?;
    let (handles, connections) = pollers(&config, clock);
    let (edge, decider, recorder) = edge::edge(&config, handles.clone(), spool.clone(), clock);
    announce(&config, &spool).await?;

    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    for poller in connections {
        named(&mut tasks, "poller", poller.run(edge.clone(), stop.clone()));
    }
    for folder in folders(&config, &edge, clock) {
        named(&mut tasks, "folder", folder.run(stop.clone()));
    }
    if config.traps.is_some() {
        let ways = (edge.clone(), handles.clone());
        let heard = receiver::listen(config.clone(), ways, clock, stop.clone());
        named(&mut tasks, "notifications", heard);
    }
    let permits = crate::permit::Watch::new(config.clone(), edge.clone(), clock)?;
    named(&mut tasks, "permits", permits.run(stop.clone()));
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
        let whose = Whose {
            site: config.site.clone(),
            agent: config.agent.clone(),
            clock,
        };
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

fn folders(config: &Config, edge: &edge::EdgeHandle, clock: Clock) -> Vec<Folder> {
    let watched = config
        .devices
        .iter()
        .filter_map(|device| Some((device, device.otdr.as_ref()?)));
    watched
        .map(|(device, otdr)| {
            Folder::new(
                &Arc::new(device.clone()),
                otdr.watch.clone(),
                edge.clone(),
                clock,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use silkline_protocol::device::About;
    use silkline_protocol::sample::Sample;

    use super::*;
    use crate::rig::{Gateway, wait_until};
    use crate::spool::inspect;

    fn config(folder: &std::path::Path, address: &str) -> Config {
        let text = format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = {folder:?}\n[[device]]\nid = \"edfa-1\"\n\
             profile = \"silkline-edfa\"\naddress = \"{address}\"\npoll = \"100ms\"\n\
             [[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr\"\nfolder = \"/proc/no/such\"\n\
             [[device.view]]\nport = 1\nview = \"ganja-east\"\n\
             [[device]]\nid = \"ups-1\"\nprofile = \"ietf-ups\"\naddress = \"127.0.0.1:1\"\n\
             community_file = \"/no/such/file\"\n"
        );
        crate::config::read("agent.toml", &text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_agent_with_broken_parts_polls_the_others_and_leaves_when_told() {
        let gateway = Gateway::default();
        let address = gateway.serve().await;
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &address);
        let spool = spool_path(&config);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(config, Clock::start(), stop.clone()));
        wait_until("three polls", || gateway.asked(1) >= 6).await;
        stop.cancel();
        let left = tokio::time::timeout(Duration::from_secs(20), running).await;
        assert!(left.expect("leaves in time").unwrap().is_ok());
        let held = inspect(&spool).unwrap();
        assert!(held.records >= 5 && held.damage.is_empty(), "{held:?}");
        crate::spool::export(&spool, &folder.path().join("out")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("out/records.jsonl")).unwrap();
        let records: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |end: &str| -> Vec<serde_json::Value> {
            let on = |record: &&serde_json::Value| record["topic"].as_str().unwrap().ends_with(end);
            records
                .iter()
                .filter(on)
                .map(|record| record["payload"].clone())
                .collect()
        };
        let about: About = serde_json::from_value(of("/edfa-1/about")[0].clone()).unwrap();
        assert_eq!(
            (about.poll_ms, about.profile.as_str()),
            (100, "silkline-edfa")
        );
        let sample: Sample = serde_json::from_value(of("/edfa-1/sample")[0].clone()).unwrap();
        assert!(sample.readings.len() > 10);
    }

    #[tokio::test]
    async fn a_data_folder_that_can_not_be_made_is_told() {
        let config = config(std::path::Path::new("/proc/no/such"), "127.0.0.1:1");
        let outcome = run(config, Clock::start(), CancellationToken::new()).await;
        assert!(matches!(outcome, Err(RunError::Data { .. })));
    }
}
