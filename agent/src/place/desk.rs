//! The loop that looks at the agent's own traces: keeps the last good one of each view, and turns one
//! of an alarm into a place that is told, shown, and sent by modem where no broker answers.

use core::time::Duration;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use silkline_protocol::id::{DeviceId, LineId, ViewId};
use silkline_protocol::message::{Body, Event, EventKind, TraceFile, Trigger};
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Found, Outbox, find, is_good, send};
use crate::board::Board;
use crate::clock::Clock;
use crate::config::{Config, Device, Modem};
use crate::edge::EdgeHandle;
use crate::trigger::Origin;
use crate::uplink::UplinkStatus;

/// What stands above the places on the screen.
pub const TITLE: &str = "faults found here";
/// Places that are shown.
const SHOWN: usize = 5;
/// Traces that wait to be looked at; one more is not looked at here, and is in the spool anyway.
pub(crate) const QUEUE: usize = 8;
/// How often texts that wait are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A trace that was taken in.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The instrument.
    pub device: DeviceId,
    /// The lines that it was spooled for.
    pub lines: Vec<LineId>,
    /// The trace.
    pub trace: TraceFile,
}

impl Taken {
    /// A trace of `origin` that `device` brought from `port`, taken in at `at`.
    #[must_use]
    pub fn of(
        device: &Device,
        origin: &Origin,
        port: Option<u16>,
        (at, sor): (Timestamp, Vec<u8>),
    ) -> Self {
        let trace = TraceFile {
            at,
            view: origin.view.clone(),
            port,
            trigger: origin.trigger,
            sor,
        };
        let line = origin.line.clone().map(|line| vec![line]);
        Self {
            device: device.id.clone(),
            lines: line.unwrap_or_else(|| device.lines.clone()),
            trace,
        }
    }
}

/// How the link is, if there is one.
type Link = watch::Receiver<Option<watch::Receiver<UplinkStatus>>>;

/// The loop.
#[derive(Debug)]
pub struct Desk {
    taken: mpsc::Receiver<Taken>,
    config: watch::Receiver<Arc<Config>>,
    edge: EdgeHandle,
    link: Link,
    board: Board,
    clock: Clock,
    shown: Vec<String>,
    outbox: Outbox,
}

impl Desk {
    /// The desk of the agent of `config`, for the traces that come by `taken`.
    #[must_use]
    pub fn new(
        taken: mpsc::Receiver<Taken>,
        config: watch::Receiver<Arc<Config>>,
        (edge, link): (EdgeHandle, Link),
        (board, clock): (Board, Clock),
    ) -> Self {
        let after = config.borrow().modem.as_ref().map(|modem| modem.after);
        Self {
            taken,
            config,
            edge,
            link,
            board,
            clock,
            shown: Vec::new(),
            outbox: Outbox::new(after.unwrap_or_default()),
        }
    }

    /// Looks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                taken = self.taken.recv() => match taken {
                    Some(taken) => self.look(taken).await,
                    None => return,
                },
                () = tokio::time::sleep(LOOK), if !self.outbox.is_empty() => self.send().await,
            }
        }
    }

    async fn look(&mut self, taken: Taken) {
        let (Some(view), config) = (taken.trace.view.clone(), self.config.borrow().clone()) else {
            return;
        };
        let Some(file) = config.plant.clone() else {
            return;
        };
        let good = good_file(&config.data, &view);
        let Taken {
            device,
            lines,
            trace,
        } = taken;
        let of = view.clone();
        let looked = tokio::task::spawn_blocking(move || match trace.trigger {
            Trigger::Schedule => keep_if_good(&good, &trace.sor).map(|()| None),
            Trigger::LightLost | Trigger::Command => {
                let plant = read_plant(&file)?;
                let before = std::fs::read(&good).ok();
                find(&plant, (&of, &trace), before.as_deref()).map(Some)
            }
            Trigger::Unknown => Ok(None),
        });
        match looked.await {
            Ok(Ok(Some(found))) => self.tell((&config, &view), (device, lines), found).await,
            Ok(Ok(None)) => {}
            Ok(Err(why)) => tracing::warn!(view = view.as_str(), why, "a trace gives no place"),
            Err(error) => tracing::error!(view = view.as_str(), %error, "a trace gives no place"),
        }
    }

    async fn tell(
        &mut self,
        (config, view): (&Config, &ViewId),
        (device, lines): (DeviceId, Vec<LineId>),
        found: Found,
    ) {
        let at = self.clock.now();
        let (detail, place) = match found {
            Found::Break(place) => (
                format!("view {view}: break at {}", place.words),
                Some(place),
            ),
            Found::Whole => (
                format!("view {view}: no break as far as a good shot sees"),
                None,
            ),
        };
        tracing::info!(detail, "located here");
        self.shown.insert(0, format!("{at} {detail}"));
        self.shown.truncate(SHOWN);
        self.board.section(TITLE, self.shown.clone());
        if place.is_some() && config.modem.is_some() {
            let text = format!("silkline {}: {detail}", config.site);
            self.outbox.put(&text, self.clock.moment());
        }
        let event = Event {
            at,
            kind: EventKind::Located,
            point: None,
            detail,
            permit: None,
            place,
        };
        self.board.told(&device, &event);
        self.edge.spool(&lines, Body::Event(device, event)).await;
    }

    async fn send(&mut self) {
        let modem: Option<Modem> = self.config.borrow().modem.clone();
        let Some(modem) = modem else {
            self.outbox = Outbox::new(Duration::ZERO);
            return;
        };
        let Some(words) = self.outbox.next(self.is_linked(), self.clock.moment()) else {
            return;
        };
        let done = send(&modem, &words).await;
        let well = done.is_ok();
        match done {
            Ok(()) => tracing::info!(words, "sent by modem"),
            Err(why) => tracing::warn!(why, "not sent by modem"),
        }
        if self.outbox.done(&words, well, self.clock.moment()) {
            tracing::error!(words, "a text is given up");
        }
    }

    fn is_linked(&self) -> bool {
        let link = self.link.borrow();
        link.as_ref()
            .is_some_and(|status| status.borrow().connected.is_some())
    }
}

fn good_file(data: &Path, view: &ViewId) -> PathBuf {
    data.join("good").join(format!("{view}.sor"))
}

fn read_plant(file: &Path) -> Result<Plant, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let read = plant::read(&name, &text).map_err(|mistakes| mistakes.to_string())?;
    Ok(read.plant)
}

/// Keeps a scheduled shot as the view's good one, unless it shows a break.
fn keep_if_good(file: &Path, sor: &[u8]) -> Result<(), String> {
    let before = std::fs::read(file).ok();
    if !is_good(sor, before.as_deref()) {
        return Ok(());
    }
    let keep = || -> std::io::Result<()> {
        let folder = file.parent().unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(folder)?;
        let beside = file.with_extension("part");
        let mut written = std::fs::File::create(&beside)?;
        written.write_all(sor)?;
        written.sync_all()?;
        std::fs::rename(&beside, file)
    };
    keep().map_err(|error| format!("{}: {error}", file.display()))
}
