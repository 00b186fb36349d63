//! The whole collector at work: starts every part, and stops them in order.
//!
//! ```text
//!   start   store ─▶ broker ─▶ page's address ─▶ engines (replay) ─▶ everything
//!   stop    no more messages ─▶ commit what came ─▶ save engines ─▶ the rest
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::id::{LineId, StoreId};
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::settings::Mistakes;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Access, ApiParts};
use crate::beat::{self, Heart};
use crate::broker::{Broker, BrokerError, Embedded};
use crate::clock::MonotonicClock;
use crate::commands::Commands;
use crate::commit::Commit;
use crate::commit::core::Core;
use crate::config::{BrokerSettings, Settings};
use crate::forward::{self, Forward, ForwardError};
use crate::ingest::{self, Ends, Ingest, Outgoing};
use crate::metrics::Metrics;
use crate::notify;
use crate::state::{
    ACTION_QUEUE, LIVE_QUEUE, LiveEvent, NotifyState, OperatorAction, PermitAction, REPORT_QUEUE,
    Report,
};
use crate::store::owner::Owner;
use crate::store::tidy::Bounds;
use crate::store::{Reader, StoreError, Writer, checkpoint};

mod connect;

/// The hot store's file in the data folder.
pub const STORE_FILE: &str = "hot.db";
/// How long the parts that only read may take to end.
const LEAVE: Duration = Duration::from_secs(5);

/// Why the collector could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something in a file is not right.
    #[error("{0}")]
    Settings(#[from] Mistakes),
    /// A file that the settings name cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What the settings name does not fit together.
    #[error("{0}")]
    Misfit(String),
    /// The hot store could not be read or written.
    #[error("{}: {source}", file.display())]
    Store {
        /// Its file.
        file: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The broker.
    #[error("{0}")]
    Broker(#[from] BrokerError),
    /// The page's address cannot be had.
    #[error("api: cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The forwarder.
    #[error("{0}")]
    Forward(#[from] ForwardError),
}

/// Where the running collector can be reached.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Addresses {
    /// The embedded broker, where there is one.
    pub mqtt: Option<SocketAddr>,
    /// The page and the API.
    pub http: SocketAddr,
}

/// Reads the plant file and says which of its lines are kept here.
///
/// # Errors
///
/// Every mistake in the file, or a line of the settings that it does not have.
pub fn read_plant(settings: &Settings) -> Result<(Plant, Vec<String>, Vec<LineId>), RunError> {
    let path = &settings.plant;
    let text = read_file(path)?;
    let checked = plant::read(&path.display().to_string(), &text)?;
    let all: Vec<LineId> = checked
        .plant
        .lines
        .iter()
        .map(|line| line.id.clone())
        .collect();
    let lines = settings.lines.clone().unwrap_or_else(|| all.clone());
    if let Some(line) = lines.iter().find(|line| !all.contains(line)) {
        let what = format!("lines: {} has no line {line}", path.display());
        return Err(RunError::Misfit(what));
    }
    Ok((checked.plant, checked.warnings, lines))
}

/// Runs until `stop`; says where it can be reached once it can.
///
/// # Errors
///
/// Where a part cannot start, or something could not be stored.
pub async fn run(
    settings: Settings,
    stop: CancellationToken,
    ready: impl FnOnce(&Addresses),
) -> Result<(), RunError> {
    let (plant, warnings, lines) = read_plant(&settings)?;
    tell(&warnings);
    let (settings, plant) = (Arc::new(settings), Arc::new(plant));
    let file = settings.data.join(STORE_FILE);
    let failed = |source| in_store(&file, source);
    let name = store_name()?;
    let (_owner, writer) = own(&file, &name).map_err(failed)?;
    let broker = match settings.broker {
        BrokerSettings::Embedded { listen } => Some(Embedded::start(listen).await?),
        BrokerSettings::External { .. } => None,
    };
    let access = connect::access(&settings)?;
    let (listener, http) = listen(settings.api.listen).await?;
    let mqtt = broker.as_ref().map(Broker::address);
    let addresses = Addresses { mqtt, http };
    let store = writer.store_id().clone();
    let mut options = connect::options(&settings, &store, addresses.mqtt)?;
    options.set_last_will(connect::will(&store, &lines));

    let (metrics, clock) = (Arc::new(Metrics::new()), MonotonicClock::start());
    let both = (&*settings, &settings.engine.clone());
    let core = Core::load(writer, &plant, &lines, both, clock.now()).map_err(failed)?;
    let (ingest, ends) = Ingest::new(options, ingest::filters(&lines, &plant), metrics.clone());
    let (heart, steps) = heart(&settings, (store, lines), &ends);
    let (live, _) = broadcast::channel(LIVE_QUEUE);
    let (actions, actions_end) = mpsc::channel(ACTION_QUEUE);
    let (permits, permits_end) = mpsc::channel(ACTION_QUEUE);
    let (reports, reports_end) = mpsc::channel(REPORT_QUEUE);
    // What reads goes on until all is stored.
    let reading = CancellationToken::new();
    let shared = Shared {
        store: Reader::new(file.clone()),
        live: live.clone(),
        wake: [Arc::new(Notify::new()), Arc::new(Notify::new())],
        metrics: metrics.clone(),
        up: ends.up.clone(),
        stop: reading.clone(),
        settings,
        plant,
        actions,
        permits,
        commands: ingest.commands(),
        outgoing: ends.outgoing.clone(),
        reports,
    };
    let commit = Commit {
        core,
        ends,
        actions: actions_end,
        permits: permits_end,
        reports: reports_end,
        live,
        wake: shared.wake.clone(),
        metrics,
        bounds: bounds(&shared.settings),
        steps,
        clock,
    };
    let mut readers = shared.start(listener, access)?;
    readers.spawn(beat::run(heart, reading.clone()));
    let receiving = tokio::spawn(ingest.run(stop.clone()));
    ready(&addresses);
    let stored = commit.run(stop.clone()).await;
    stop.cancel();
    // It ends with the token; it has nothing to say.
    let _ = receiving.await;
    reading.cancel();
    leave(readers, broker).await;
    stored.map_err(failed)
}

fn in_store(file: &Path, source: StoreError) -> RunError {
    let file = file.to_path_buf();
    RunError::Store { file, source }
}

/// Ends what only reads, and the broker last.
async fn leave(readers: JoinSet<()>, broker: Option<Embedded>) {
    let ended = tokio::time::timeout(LEAVE, readers.join_all()).await;
    if ended.is_err() {
        tracing::warn!("not everything ended in time");
    }
    if let Some(broker) = broker {
        broker.stop().await;
    }
}

/// What says that the collector lives, and what counts the steps for it.
fn heart(
    settings: &Settings,
    (store, lines): (StoreId, Vec<LineId>),
    ends: &Ends,
) -> (Heart, watch::Sender<u64>) {
    let (steps, steps_end) = watch::channel(0);
    let heart = Heart {
        settings: settings.beat.clone(),
        store,
        lines,
        steps: steps_end,
        up: ends.up.clone(),
        outgoing: ends.outgoing.clone(),
    };
    (heart, steps)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let refused = |source| RunError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let at = listener.local_addr().map_err(refused)?;
    Ok((listener, at))
}

/// What the parts that only read the store have in common.
struct Shared {
    settings: Arc<Settings>,
    plant: Arc<Plant>,
    store: Reader,
    live: broadcast::Sender<LiveEvent>,
    actions: mpsc::Sender<OperatorAction>,
    permits: mpsc::Sender<PermitAction>,
    commands: Commands,
    outgoing: mpsc::Sender<Outgoing>,
    reports: mpsc::Sender<Report>,
    /// Notifier and forwarder.
    wake: [Arc<Notify>; 2],
    metrics: Arc<Metrics>,
    up: watch::Receiver<Result<(), String>>,
    stop: CancellationToken,
}

impl Shared {
    /// Starts checkpoints, forwarder, notifier and page.
    fn start(self, listener: TcpListener, access: Access) -> Result<JoinSet<()>, RunError> {
        let mut readers = JoinSet::new();
        let [notify_wake, forward_wake] = self.wake;
        let (file, stop) = (self.settings.data.join(STORE_FILE), self.stop.clone());
        readers.spawn(async move { checkpoint::run(&file, stop).await });
        if let Some(influx) = self.settings.influx.clone() {
            let (store, reports) = (self.store.clone(), self.reports.clone());
            let metrics = self.metrics.clone();
            let forward = Forward::new(influx, store, reports, forward_wake, metrics)?;
            readers.spawn(forward.run(self.stop.clone()));
        }
        let told = NotifyState {
            store: self.store.clone(),
            settings: self.settings,
            plant: self.plant.clone(),
            reports: self.reports,
            wake: notify_wake,
            metrics: self.metrics.clone(),
            stop: self.stop.clone(),
        };
        readers.spawn(async move {
            if let Err(error) = notify::run(told).await {
                tracing::error!(%error, "nobody is told");
            }
        });
        let parts = ApiParts {
            reader: self.store,
            plant: self.plant,
            live: self.live,
            actions: self.actions,
            permits: self.permits,
            commands: self.commands,
            outgoing: self.outgoing,
            metrics: self.metrics,
            ready: self.up,
        };
        readers.spawn(async move {
            if let Err(error) = api::serve(listener, parts, access, self.stop).await {
                tracing::error!(%error, "the page is gone");
            }
        });
        Ok(readers)
    }
}

fn bounds(settings: &Settings) -> Bounds {
    let store = &settings.store;
    Bounds {
        keep: store.keep,
        keep_traces: store.keep_traces,
        quarantine_rows: store.quarantine_rows,
        quarantine_bytes: store.quarantine_bytes,
        bytes: store.bytes,
        cursor: settings.influx.is_some().then_some(forward::SAMPLES),
    }
}

fn tell(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(warning, "plant");
    }
}

/// The store in `file`, for this process alone.
fn own(file: &Path, name: &StoreId) -> Result<(Owner, Writer), StoreError> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    Ok((Owner::take(folder)?, Writer::open(file, name)?))
}

/// A name that no other store has.
fn store_name() -> Result<StoreId, RunError> {
    let name = uuid::Uuid::now_v7().to_string();
    name.parse()
        .map_err(|error| RunError::Misfit(format!("name of the store: {error}")))
}

fn read_file(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|source| RunError::File {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests;
