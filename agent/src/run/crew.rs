//! The tasks of a running agent, and how new settings are taken up without stopping the others.
//!
//! ```text
//!   new settings ─▶ what differs ─┬─ connection: its poller ends its poll, a successor takes over what
//!                                 │  it knows (phase, health, learned gaps) and goes on
//!                                 ├─ folder, notifications, uplink: ends, and begins anew
//!                                 └─ everything else goes on untouched
//! ```
//!
//! A successor begins when its predecessor has handed over what it had in hand, so nothing is asked or
//! taken in twice and no sample is lost; nobody else waits for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use silkline_protocol::id::DeviceId;
use silkline_protocol::message::Body;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::RunError;
use crate::board::Board;
use crate::clock::Clock;
use crate::command::{self, Commands};
use crate::config::{Config, Device, TrapSettings, UplinkSettings};
use crate::edge::{self, EdgeHandle};
use crate::folder::Folder;
use crate::permit;
use crate::place::{self, Desk};
use crate::poller::{Poller, Pollers, Ways, connections};
use crate::pulse::Pulses;
use crate::spool::{Bounds, Outgoing, SpoolError, SpoolHandle};
use crate::trap::receiver;
use crate::uplink::{Uplink, UplinkStatus, Whose};

/// What every task is given.
pub(super) struct Means {
    pub(super) spool: SpoolHandle,
    pub(super) board: Board,
    pub(super) pulses: Pulses,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

/// How a task ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was told to.
    AsTold,
    /// It ended by itself, which it should not.
    Of(&'static str),
    /// The link to the broker, which the spool failed.
    Spool(SpoolError),
}

/// The tasks.
pub(super) struct Crew {
    means: Means,
    config: watch::Sender<Arc<Config>>,
    ways: watch::Sender<Ways>,
    pollers: Pollers,
    edge: EdgeHandle,
    tasks: JoinSet<Ended>,
    links: JoinSet<Ended>,
    recorder: tokio::task::JoinHandle<()>,
    connections: BTreeMap<String, Connection>,
    folders: BTreeMap<DeviceId, (Device, Part)>,
    traps: Option<(TrapsOf, Part)>,
    link: Option<Part>,
    linked_to: Option<Vec<UplinkSettings>>,
    /// How the link is; a new one each time the uplinks change.
    link_status: watch::Sender<Option<watch::Receiver<UplinkStatus>>>,
}

/// A connection's poller.
struct Connection {
    devices: Vec<Arc<Device>>,
    retire: CancellationToken,
    back: oneshot::Receiver<Poller>,
}

/// Any other task that can be ended alone.
struct Part {
    retire: CancellationToken,
    gone: oneshot::Receiver<()>,
}

/// What the receiver of notifications depends on.
type TrapsOf = (TrapSettings, Vec<Device>);

/// New settings that can't be taken up by a running agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} differs, which needs a restart")]
pub struct NeedsRestart(&'static str);

/// What new settings changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Devices that were not there.
    pub added: usize,
    /// Devices that are no longer there.
    pub removed: usize,
    /// Devices set otherwise.
    pub changed: usize,
}

impl Crew {
    /// Starts everything that `config` asks for.
    pub(super) async fn start(config: Config, means: Means) -> Result<Self, RunError> {
        let config = Arc::new(config);
        let (ways, fresh) = connections(&config, means.clock);
        let (ways, told) = watch::channel(Arc::new(ways));
        let pollers = Pollers::new(told);
        let (edge, decider, recorder) =
            edge::edge(&config, pollers.clone(), means.spool.clone(), means.clock);
        let recorder = recorder.shown_on(means.board.clone());
        let (desk, taken) = mpsc::channel(place::QUEUE);
        let edge = edge.with_desk(desk);
        let mut crew = Self {
            config: watch::Sender::new(config.clone()),
            ways,
            pollers,
            edge,
            tasks: JoinSet::new(),
            links: JoinSet::new(),
            recorder: tokio::spawn(recorder.run()),
            connections: BTreeMap::new(),
            folders: BTreeMap::new(),
            traps: None,
            link: None,
            linked_to: None,
            link_status: watch::Sender::new(None),
            means,
        };
        crew.announce(&config.devices).await?;
        let (stop, pulse) = (crew.means.stop.clone(), crew.means.pulses.of("edge"));
        crew.part("edge", decider.with(pulse).run(stop));
        let permits =
            permit::Watch::new(crew.config.subscribe(), crew.edge.clone(), crew.means.clock)?;
        let stop = crew.means.stop.clone();
        crew.part("permits", permits.run(stop));
        let ways = (crew.edge.clone(), crew.link());
        let shown = (crew.means.board.clone(), crew.means.clock);
        let desk = Desk::new(taken, crew.config.subscribe(), ways, shown);
        crew.part("places", desk.run(crew.means.stop.clone()));
        for poller in fresh {
            crew.connect(poller, None);
        }
        crew.watch_folders(&config);
        crew.hear_notifications(&config);
        crew.link_up(&config)?;
        Ok(crew)
    }

    /// Takes up new settings: what did not change goes on untouched.
    pub(super) async fn renew(&mut self, new: Config) -> Result<Changes, RunError> {
        let old = self.config.borrow().clone();
        refuse(&old, &new)?;
        let new = Arc::new(new);
        if old.spool != new.spool {
            let bounds = Bounds {
                max_bytes: new.spool.max_bytes,
                keep: new.spool.keep,
                max_age: new.spool.max_age,
            };
            self.means.spool.rebound(bounds).await?;
        }
        let (changes, news) = differences(&old, &new);
        self.announce(&news).await?;
        let (mut ways, fresh) = connections(&new, self.means.clock);
        let patience_changed = old.retry_cap != new.retry_cap;
        let (kept, fresh): (Vec<Poller>, Vec<Poller>) = fresh.into_iter().partition(|poller| {
            !patience_changed
                && self
                    .connections
                    .get(poller.key())
                    .is_some_and(|running| running.devices == poller.devices())
        });
        let keys: Vec<String> = kept
            .iter()
            .chain(&fresh)
            .map(|poller| poller.key().to_owned())
            .collect();
        let before = self.ways.borrow().clone();
        for device in kept.iter().flat_map(Poller::devices) {
            if let Some(way) = before.get(&device.id) {
                ways.insert(device.id.clone(), way.clone());
            }
        }
        drop(kept);
        self.ways.send_replace(Arc::new(ways));
        self.edge.renew(old, new.clone()).await;
        self.config.send_replace(new.clone());
        for poller in fresh {
            let before = self.connections.remove(poller.key());
            self.connect(poller, before);
        }
        self.connections.retain(|key, running| {
            let stays = keys.contains(key);
            if !stays {
                running.retire.cancel();
            }
            stays
        });
        let ids: Vec<&DeviceId> = new.devices.iter().map(|device| &device.id).collect();
        self.means.board.keep_only(&ids);
        self.watch_folders(&new);
        self.hear_notifications(&new);
        self.link_up(&new)?;
        Ok(changes)
    }

    /// The settings that are in force.
    pub(super) fn config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    /// How the link to the broker is, if there is one.
    pub(super) fn link(&self) -> watch::Receiver<Option<watch::Receiver<UplinkStatus>>> {
        self.link_status.subscribe()
    }

    /// A task that runs until all stops.
    pub(super) fn part(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = self.means.stop.clone();
        self.tasks.spawn(async move {
            task.await;
            ended(name, &stop)
        });
    }

    /// Waits for a task that ended though nobody told it to.
    pub(super) async fn failure(&mut self) -> RunError {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.tasks.join_next() => ended,
                Some(ended) = self.links.join_next() => ended,
                else => std::future::pending().await,
            };
            match ended {
                Ok(Ended::AsTold) => {}
                Ok(Ended::Of(name)) => return RunError::Ended(name),
                Ok(Ended::Spool(error)) => return RunError::Spool(error),
                Err(_) => return RunError::Ended("task"),
            }
        }
    }

    /// Lets everybody leave: takes in nothing more, then drains, then says goodbye.
    pub(super) async fn leave(mut self) {
        self.means.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        // Its last sender is gone with the tasks and this.
        drop(self.edge);
        let _ = self.recorder.await;
        if let Some(link) = &self.link {
            link.retire.cancel();
        }
        while self.links.join_next().await.is_some() {}
    }

    /// Says what devices are: at each start and change, since that is when it may be news.
    async fn announce(&self, devices: &[Device]) -> Result<(), RunError> {
        for device in devices {
            let body = Body::About(device.id.clone(), device.about());
            let lines = device.lines.clone();
            self.means.spool.append(Outgoing { lines, body }).await?;
        }
        Ok(())
    }

    /// Starts a poller, after its predecessor has handed over.
    fn connect(&mut self, poller: Poller, before: Option<Connection>) {
        let (devices, key) = (poller.devices(), poller.key().to_owned());
        let pulse = self.means.pulses.of(&format!("poller of {key}"));
        let mut poller = poller.with(self.means.board.clone(), pulse);
        let retire = poller.retirement();
        let (hand, back) = oneshot::channel();
        let (edge, stop) = (self.edge.clone(), self.means.stop.clone());
        if let Some(before) = &before {
            before.retire.cancel();
        }
        let retired = retire.clone();
        self.tasks.spawn(async move {
            if let Some(before) = before
                && let Ok(before) = before.back.await
            {
                poller.inherit(before);
            }
            let poller = poller.run(edge, stop.clone()).await;
            // Nobody waits for it where its connection is no longer wanted.
            let _ = hand.send(poller);
            if retired.is_cancelled() {
                Ended::AsTold
            } else {
                ended("poller", &stop)
            }
        });
        let running = Connection {
            devices,
            retire,
            back,
        };
        self.connections.insert(key, running);
    }

    /// Starts a task that can be ended alone, after the one before it is gone.
    fn alone(
        &mut self,
        name: &'static str,
        before: Option<Part>,
        task: impl FnOnce(CancellationToken) -> Task,
    ) -> Part {
        let retire = self.means.stop.child_token();
        let (left, gone) = oneshot::channel();
        let task = task(retire.clone());
        let retired = retire.clone();
        self.tasks.spawn(async move {
            after(before).await;
            task.await;
            let _ = left.send(());
            ended(name, &retired)
        });
        Part { retire, gone }
    }

    fn watch_folders(&mut self, config: &Config) {
        let mut old = core::mem::take(&mut self.folders);
        for device in &config.devices {
            let Some(otdr) = &device.otdr else { continue };
            let before = match old.remove(&device.id) {
                Some((same, part)) if same == *device => {
                    self.folders.insert(device.id.clone(), (same, part));
                    continue;
                }
                other => other.map(|(_, part)| part),
            };
            let (edge, clock) = (self.edge.clone(), self.means.clock);
            let folder = Folder::new(&Arc::new(device.clone()), otdr.watch.clone(), edge, clock);
            let part = self.alone("folder", before, |retire| Box::pin(folder.run(retire)));
            self.folders
                .insert(device.id.clone(), (device.clone(), part));
        }
        for (_, part) in old.into_values() {
            part.retire.cancel();
        }
    }

    fn hear_notifications(&mut self, config: &Arc<Config>) {
        let wanted = config
            .traps
            .clone()
            .map(|traps| (traps, config.devices.clone()));
        let before = self.traps.take();
        if let Some((is, part)) = before {
            if wanted.as_ref() == Some(&is) {
                self.traps = Some((is, part));
                return;
            }
            part.retire.cancel();
            if let Some(wanted) = wanted {
                self.listen(config, wanted, Some(part));
            }
        } else if let Some(wanted) = wanted {
            self.listen(config, wanted, None);
        }
    }

    fn listen(&mut self, config: &Arc<Config>, wanted: TrapsOf, before: Option<Part>) {
        let ways = (self.edge.clone(), self.pollers.clone());
        let (config, clock) = (config.clone(), self.means.clock);
        let part = self.alone("notifications", before, |retire| {
            Box::pin(receiver::listen(config, ways, clock, retire))
        });
        self.traps = Some((wanted, part));
    }

    /// Links to the brokers of `config`, where they are others than before.
    fn link_up(&mut self, config: &Arc<Config>) -> Result<(), RunError> {
        let before = self.link.take();
        let is_same = self.linked_to.as_ref() == Some(&config.uplinks);
        if is_same {
            self.link = before;
            return Ok(());
        }
        self.linked_to = Some(config.uplinks.clone());
        if config.uplinks.is_empty() {
            tracing::warn!("no broker is set: everything stays in the spool");
            if let Some(before) = before {
                before.retire.cancel();
            }
            self.link_status.send_replace(None);
            return Ok(());
        }
        let (sender, requests) = mpsc::channel(command::QUEUE);
        let (edge, pollers) = (self.edge.clone(), self.pollers.clone());
        let commands = Commands::new(self.config.subscribe(), edge, pollers, self.means.clock);
        let stop = self.means.stop.clone();
        // It ends with the link that it gets its commands from.
        self.tasks.spawn(async move {
            commands.run(requests, stop).await;
            Ended::AsTold
        });
        let whose = Whose {
            site: config.site.clone(),
            agent: config.agent.clone(),
            clock: self.means.clock,
        };
        let spool = self.means.spool.clone();
        let (uplink, status) = Uplink::new(whose, config.uplinks.clone(), spool, sender)?;
        let uplink = uplink.with(self.means.pulses.of("uplink"));
        self.link_status.send_replace(Some(status));
        // Not a child of `stop`: it leaves last.
        let retire = CancellationToken::new();
        let (left, gone) = oneshot::channel();
        let retired = retire.clone();
        self.links.spawn(async move {
            after(before).await;
            let outcome = uplink.run(retired.clone()).await;
            let _ = left.send(());
            match outcome {
                Ok(()) => ended("uplink", &retired),
                Err(error) => Ended::Spool(error),
            }
        });
        self.link = Some(Part { retire, gone });
        Ok(())
    }
}

type Task = core::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn ended(name: &'static str, told: &CancellationToken) -> Ended {
    if told.is_cancelled() {
        Ended::AsTold
    } else {
        Ended::Of(name)
    }
}

/// Ends `before` and waits until it is gone.
async fn after(before: Option<Part>) {
    if let Some(before) = before {
        before.retire.cancel();
        // It is gone too where it ended without a word.
        let _ = before.gone.await;
    }
}

fn refuse(old: &Config, new: &Config) -> Result<(), NeedsRestart> {
    let differs = [
        ("site", old.site != new.site),
        ("agent", old.agent != new.agent),
        ("data", old.data != new.data),
        ("local", old.local != new.local),
    ];
    match differs.into_iter().find(|(_, differs)| *differs) {
        Some((key, _)) => Err(NeedsRestart(key)),
        None => Ok(()),
    }
}

/// What differs, and the devices of which something is to be said.
fn differences(old: &Config, new: &Config) -> (Changes, Vec<Device>) {
    let mut changes = Changes::default();
    let mut news = Vec::new();
    for device in &new.devices {
        match old.device(&device.id) {
            Some(same) if same == device => continue,
            Some(_) => changes.changed += 1,
            None => changes.added += 1,
        }
        news.push(device.clone());
    }
    let gone = old
        .devices
        .iter()
        .filter(|device| new.device(&device.id).is_none());
    changes.removed = gone.count();
    (changes, news)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        crate::config::read("agent.toml", text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn device(id: &str, address: &str) -> String {
        format!("[[device]]\nid = \"{id}\"\nprofile = \"silkline-edfa\"\naddress = \"{address}\"\n")
    }

    #[test]
    fn what_differs_is_told_and_what_is_the_same_is_not() {
        let top = "site = \"a\"\nlines = [\"b\"]\n";
        let old = config(
            &(top.to_owned() + &device("x", "h1") + &device("y", "h2") + &device("z", "h3")),
        );
        let new = config(
            &(top.to_owned() + &device("x", "h1") + &device("y", "h9") + &device("w", "h3")),
        );
        let (changes, news) = differences(&old, &new);
        let wanted = Changes {
            added: 1,
            removed: 1,
            changed: 1,
        };
        assert_eq!(changes, wanted);
        let ids: Vec<&str> = news.iter().map(|device| device.id.as_str()).collect();
        assert_eq!(ids, ["y", "w"]);
        assert_eq!(differences(&old, &old), (Changes::default(), Vec::new()));
    }

    #[test]
    fn another_identity_needs_a_restart() {
        let text = |site: &str, data: &str| {
            format!(
                "site = \"{site}\"\nlines = [\"b\"]\ndata = \"{data}\"\n{}",
                device("x", "h")
            )
        };
        let old = config(&text("a", "/d"));
        assert_eq!(refuse(&old, &config(&text("a", "/d"))), Ok(()));
        let error = refuse(&old, &config(&text("c", "/d"))).unwrap_err();
        assert_eq!(error.to_string(), "site differs, which needs a restart");
        assert!(refuse(&old, &config(&text("a", "/e"))).is_err());
    }
}
