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

use rumqttc::v5::MqttOptions;
use rumqttc::{TlsConfiguration, Transport};
use silkline_protocol::id::{LineId, StoreId};
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::settings::Mistakes;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Access, ApiParts};
use crate::broker::{Broker, BrokerError, Embedded};
use crate::clock::MonotonicClock;
use crate::commit::Commit;
use crate::commit::core::Core;
use crate::config::{BrokerSettings, Secret, Security, Settings};
use crate::engine::EngineSettings;
use crate::forward::{self, Forward, ForwardError};
use crate::ingest::{self, Ingest};
use crate::metrics::Metrics;
use crate::notify;
use crate::state::{ACTION_QUEUE, LIVE_QUEUE, NotifyState, REPORT_QUEUE};
use crate::store::tidy::Bounds;
use crate::store::{Reader, StoreError, Writer, checkpoint};

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
    /// The hot store.
    #[error("{0}")]
    Store(#[from] StoreError),
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
    for line in lines.iter().filter(|line| !all.contains(line)) {
        return Err(RunError::Misfit(format!(
            "lines: {} has no line {line}",
            path.display()
        )));
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
    for warning in &warnings {
        tracing::warn!(warning, "plant");
    }
    let (settings, plant) = (Arc::new(settings), Arc::new(plant));
    let file = settings.data.join(STORE_FILE);
    let writer = Writer::open(&file, &store_name()?)?;
    let broker = match settings.broker {
        BrokerSettings::Embedded { listen } => Some(Embedded::start(listen).await?),
        BrokerSettings::External { .. } => None,
    };
    let access = access(&settings)?;
    let listen = settings.api.listen;
    let refused = |source| RunError::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let addresses = Addresses {
        mqtt: broker.as_ref().map(Broker::address),
        http: listener.local_addr().map_err(refused)?,
    };
    let options = options(&settings, writer.store_id(), addresses.mqtt)?;

    let metrics = Arc::new(Metrics::new());
    let clock = MonotonicClock::start();
    let engine_settings = EngineSettings::default();
    let both = (&*settings, &engine_settings);
    let core = Core::load(writer, &plant, &lines, both, clock.now())?;
    let (ingest, ends) = Ingest::new(options, ingest::filters(&lines), metrics.clone());
    let (live, _) = broadcast::channel(LIVE_QUEUE);
    let (actions, actions_end) = mpsc::channel(ACTION_QUEUE);
    let (reports, reports_end) = mpsc::channel(REPORT_QUEUE);
    let wake = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let store = Reader::new(file.clone());
    let up = ends.up.clone();
    let commit = Commit {
        core,
        ends,
        actions: actions_end,
        reports: reports_end,
        live: live.clone(),
        wake: wake.clone(),
        metrics: metrics.clone(),
        bounds: bounds(&settings),
        clock,
    };

    let [notify_wake, forward_wake] = wake;
    // What reads goes on until all is stored.
    let reading = CancellationToken::new();
    let mut readers = JoinSet::new();
    let of = reading.clone();
    readers.spawn(async move { checkpoint::run(&file, of).await });
    if let Some(influx) = settings.influx.clone() {
        let (store, reports) = (store.clone(), reports.clone());
        let forward = Forward::new(influx, store, reports, forward_wake, metrics.clone())?;
        readers.spawn(forward.run(reading.clone()));
    }
    let told = NotifyState {
        store: store.clone(),
        settings: settings.clone(),
        reports,
        wake: notify_wake,
        metrics: metrics.clone(),
        stop: reading.clone(),
    };
    readers.spawn(async move {
        if let Err(error) = notify::run(told).await {
            tracing::error!(%error, "nobody is told");
        }
    });
    let parts = ApiParts {
        reader: store,
        plant,
        live,
        actions,
        metrics,
        ready: up,
    };
    let served = api::serve(listener, parts, access, reading.clone());
    readers.spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "the page is gone");
        }
    });
    let receiving = tokio::spawn(ingest.run(stop.clone()));
    ready(&addresses);
    let stored = commit.run(stop.clone()).await;
    stop.cancel();
    let _ = receiving.await;
    reading.cancel();
    let all = async { while readers.join_next().await.is_some() {} };
    if tokio::time::timeout(LEAVE, all).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
    if let Some(broker) = broker {
        broker.stop().await;
    }
    Ok(stored?)
}

fn bounds(settings: &Settings) -> Bounds {
    let store = &settings.store;
    Bounds {
        keep: store.keep,
        keep_traces: store.keep_traces,
        quarantine_rows: store.quarantine_rows,
        quarantine_bytes: store.quarantine_bytes,
        cursor: settings.influx.is_some().then_some(forward::SAMPLES),
    }
}

/// Who may ask the API.
fn access(settings: &Settings) -> Result<Access, RunError> {
    let api = &settings.api;
    let token = api.token_file.as_deref().map(read_secret).transpose()?;
    Access::new(api.listen, token, api.public_url.as_deref())
        .map_err(|error| RunError::Misfit(error.to_string()))
}

/// How this collector connects to its broker.
fn options(
    settings: &Settings,
    store: &StoreId,
    embedded: Option<SocketAddr>,
) -> Result<MqttOptions, RunError> {
    let client = format!("silkline-collector-{store}");
    let BrokerSettings::External {
        host,
        port,
        security,
        login,
    } = &settings.broker
    else {
        let at = embedded.map_or_else(
            || ("127.0.0.1".to_owned(), 0),
            |it| (it.ip().to_string(), it.port()),
        );
        return Ok(ingest::options(&client, &at.0, at.1));
    };
    let mut options = ingest::options(&client, host, *port);
    if let Security::Tls { ca, client } = security {
        let client_auth = match client {
            None => None,
            Some(client) => Some((read_bytes(&client.cert)?, read_bytes(&client.key)?)),
        };
        let tls = TlsConfiguration::Simple {
            ca: read_bytes(ca)?,
            alpn: None,
            client_auth,
        };
        options.set_transport(Transport::tls_with_config(tls));
    }
    if let Some(login) = login {
        let password = read_secret(&login.password_file)?;
        options.set_credentials(login.username.clone(), password.reveal());
    }
    Ok(options)
}

/// A name that no other store has.
fn store_name() -> Result<StoreId, RunError> {
    let name = uuid::Uuid::now_v7().to_string();
    name.parse()
        .map_err(|error| RunError::Misfit(format!("name of the store: {error}")))
}

fn read_secret(path: &Path) -> Result<Secret, RunError> {
    Secret::read(path).map_err(|source| RunError::File {
        path: path.to_path_buf(),
        source,
    })
}

fn read_file(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path).map_err(|source| RunError::File {
        path: path.to_path_buf(),
        source,
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|source| RunError::File {
        path: path.to_path_buf(),
        source,
    })
}
