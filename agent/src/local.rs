//! What the agent says of itself on the spot, with or without an uplink: to `top` over a socket in its
//! data folder, and to a browser or Prometheus on this machine where the settings name a port.
//!
//! ```text
//!   Board, spool, uplink, clock ─ now ─▶ Now ─┬─ /status.json   for `top`
//!                                             ├─ /              a page without scripts
//!                                             └─ /metrics       for Prometheus
//! ```
//!
//! Read only, and on this machine only: nothing that is asked here changes anything, and nothing of it
//! is a secret of the settings.

mod http;
mod metrics;
mod now;
mod page;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use now::{DeviceNow, EventNow, Now, PointNow, Section, SpoolNow, UplinkNow};

use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::spool::SpoolStatus;
use crate::uplink::UplinkStatus;
use http::{Answer, Asked};

/// The socket's file in the agent's data folder.
pub const SOCKET_FILE: &str = "agent.sock";
/// Questions answered at once; more wait.
const AT_ONCE: usize = 8;
/// How long a question and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a port that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// More than the status of a thousand devices.
const MOST_BYTES: u64 = 64 << 20;

/// How the link is, where there is one.
pub type LinkStatus = watch::Receiver<Option<watch::Receiver<UplinkStatus>>>;

/// What is looked at for an answer.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The settings in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// What was polled.
    pub board: Board,
    /// How the spool is.
    pub spool: watch::Receiver<SpoolStatus>,
    /// How the link is.
    pub link: LinkStatus,
    /// The agent's clocks.
    pub clock: Clock,
}

/// Where the socket of `config` is.
#[must_use]
pub fn socket_path(config: &Config) -> PathBuf {
    config.data.join(SOCKET_FILE)
}

/// Answers on the socket, and on the port that the settings name, until `stop`.
///
/// A socket or port that can't be had is told and tried again: it must not keep the agent from polling.
pub async fn serve(sources: Sources, stop: CancellationToken) {
    let (path, port) = {
        let config = sources.config.borrow();
        (socket_path(&config), config.local)
    };
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let socket = on_socket(&path, sources.clone(), turns.clone());
    let page = async {
        match port {
            Some(port) => on_port(port, sources.clone(), turns.clone()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = socket => {}
        () = page => {}
    }
    // One that is left behind is replaced at the next start.
    let _ = std::fs::remove_file(&path);
}

async fn on_socket(path: &Path, sources: Sources, turns: Arc<Semaphore>) {
    let clock = sources.clock;
    let mut said = false;
    loop {
        // Nobody else has this data folder: the spool in it is ours.
        let _ = std::fs::remove_file(path);
        match UnixListener::bind(path) {
            Ok(listener) => loop {
                let Ok(turn) = turns.clone().acquire_owned().await else {
                    return;
                };
                let Ok((stream, _)) = listener.accept().await else {
                    break;
                };
                answer(stream, sources.clone(), turn);
            },
            Err(error) if !said => {
                said = true;
                let path = path.display().to_string();
                tracing::warn!(path, %error, "`top` will not find this agent");
            }
            Err(_) => {}
        }
        clock.sleep_until(clock.moment() + AGAIN).await;
    }
}

async fn on_port(at: std::net::SocketAddr, sources: Sources, turns: Arc<Semaphore>) {
    let clock = sources.clock;
    let mut said = false;
    loop {
        match TcpListener::bind(at).await {
            Ok(listener) => {
                let at = at.to_string();
                tracing::info!(at, "shows its page");
                loop {
                    let Ok(turn) = turns.clone().acquire_owned().await else {
                        return;
                    };
                    let Ok((stream, _)) = listener.accept().await else {
                        break;
                    };
                    answer(stream, sources.clone(), turn);
                }
            }
            Err(error) if !said => {
                said = true;
                let at = at.to_string();
                tracing::warn!(at, %error, "the local page can't be shown");
            }
            Err(_) => {}
        }
        clock.sleep_until(clock.moment() + AGAIN).await;
    }
}

/// Answers one question in a task of its own.
fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    sources: Sources,
    turn: tokio::sync::OwnedSemaphorePermit,
) {
    tokio::spawn(async move {
        let done = tokio::time::timeout(PATIENCE, async {
            let asked = http::read(&mut stream).await?;
            stream.write_all(&said(asked, &sources).bytes()).await?;
            stream.shutdown().await
        });
        // Whoever asked may be gone.
        let _ = done.await;
        drop(turn);
    });
}

fn said(asked: Asked, sources: &Sources) -> Answer {
    match asked {
        Asked::Page => Answer::page(page::page(&Now::of(sources))),
        Asked::Style => Answer::style(page::STYLE),
        // Texts and finite numbers: they can be written.
        Asked::Status => Answer::json(serde_json::to_vec(&Now::of(sources)).unwrap_or_default()),
        Asked::Metrics => Answer::text(metrics::metrics(&Now::of(sources))),
        Asked::Elsewhere => Answer::refusal(404, "not here"),
        Asked::Otherwise => Answer::refusal(405, "only GET"),
        Asked::Unreadable => Answer::refusal(400, "no request"),
    }
}

/// Asks the running agent whose socket is at `path` how it is.
///
/// # Errors
///
/// Why it can't be asked, such as that none runs.
pub async fn ask(path: &Path) -> std::io::Result<Now> {
    let asked = async {
        let mut stream = UnixStream::connect(path).await?;
        stream
            .write_all(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut bytes = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut bytes).await?;
        let body = http::body(&bytes).ok_or_else(|| std::io::Error::other("no answer"))?;
        serde_json::from_slice(body).map_err(std::io::Error::other)
    };
    let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "the agent does not answer");
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
}

#[cfg(test)]
mod tests;
