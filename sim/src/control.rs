//! Telling a running simulation what goes wrong: one JSON object a line each way, over TCP on
//! loopback.
//!
//! ```text
//! → {"do":"inflict","fault":{"fault":"cut","line":"baku-poti","at":254318.0,"fibre":null}}
//! ← {"ok":true,"standing":[{"fault":"cut",…,"since":{"secs":12,"nanos":0}}]}
//! → {"do":"repair"}
//! ← {"ok":true,"standing":[]}
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::debug;

use crate::fault::{Fault, Standing};
use crate::hardware::Hardware;

/// Where a simulation listens unless told otherwise.
pub const DEFAULT: &str = "127.0.0.1:7700";
/// The longest line that is read.
const LONGEST: u64 = 64 * 1024;
/// How long a simulation may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections served at a time.
const MOST_CONNECTIONS: usize = 32;

/// What is asked of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Order {
    /// Let something go wrong.
    Inflict {
        /// What.
        fault: Fault,
    },
    /// Mend everything.
    Repair,
    /// Say what is wrong.
    Status,
}

/// What a simulation answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is wrong now.
    pub standing: Vec<Standing>,
}

/// A simulation that could not be told.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// There is none, or it went away.
    #[error("no simulation answers at {at}; start one with `silkline-sim --plant FILE run`")]
    Unreachable {
        /// Where it was sought.
        at: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// It says something else than a simulation would.
    #[error("what answers at {at} is no simulation")]
    Garbled {
        /// Where.
        at: SocketAddr,
        /// What was wrong.
        source: serde_json::Error,
    },
}

/// Carries out orders that arrive at `listener` until the task is stopped.
pub async fn serve(listener: TcpListener, hardware: Arc<Hardware>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&hardware)));
            }
            Err(error) => {
                debug!(%error, "a control connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, hardware: Arc<Hardware>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    loop {
        let mut line = String::new();
        match (&mut lines).take(LONGEST).read_line(&mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let answer = obey(&line, &hardware);
        let mut text = serde_json::to_string(&answer).unwrap_or_default();
        text.push('\n');
        if write.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn obey(line: &str, hardware: &Hardware) -> Answer {
    let error = match serde_json::from_str(line) {
        Ok(Order::Inflict { fault }) => {
            hardware.inflict(fault).err().map(|error| error.to_string())
        }
        Ok(Order::Repair) => {
            hardware.repair();
            None
        }
        Ok(Order::Status) => None,
        Err(error) => Some(format!("not an order: {error}")),
    };
    Answer {
        ok: error.is_none(),
        error,
        standing: hardware.scene().standing,
    }
}

/// Gives `order` to the simulation at `at`.
///
/// # Errors
///
/// [`NoAnswer`] where there is none.
pub async fn tell(at: SocketAddr, order: &Order) -> Result<Answer, NoAnswer> {
    let garbled = |source| NoAnswer::Garbled { at, source };
    let text = serde_json::to_string(order).map_err(garbled)?;
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let answered = tokio::time::timeout(PATIENCE, exchange(at, text))
        .await
        .map_err(late);
    let answer = answered
        .flatten()
        .map_err(|source| NoAnswer::Unreachable { at, source })?;
    serde_json::from_str(&answer).map_err(garbled)
}

async fn exchange(at: SocketAddr, mut line: String) -> io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST))
        .read_line(&mut answer)
        .await?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seed;
    use crate::hardware::Setup;
    use crate::world::World;
    use silkline_protocol::unit::RouteLength;

    /// One line, no device: enough to be cut.
    const SMALL: &str = r#"
[[site]]
id = "a"
[[site]]
id = "b"
[[line]]
id = "l"
kind = "terrestrial"
a = "a"
b = "b"
node = [{ id = "a", kind = "terminal", chainage_m = 0 }, { id = "b", kind = "terminal", chainage_m = 50000 }]
"#;

    async fn simulation() -> (SocketAddr, Arc<Hardware>) {
        let plant = silkline_protocol::plant::read("p.toml", SMALL)
            .unwrap()
            .plant;
        let setup = Setup {
            first_port: None,
            folder: std::env::temp_dir(),
            speed: 1.0,
        };
        let world = Arc::new(World::new(plant, Seed(1)));
        let hardware = Arc::new(Hardware::start(world, &setup).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::clone(&hardware)));
        (at, hardware)
    }

    fn cut(km: f64) -> Order {
        let at = RouteLength::of(km * 1_000.0);
        let fault = Fault::Cut {
            line: "l".parse().unwrap(),
            at,
            fibre: None,
        };
        Order::Inflict { fault }
    }

    #[tokio::test]
    async fn orders_are_obeyed_and_told_back() {
        let (at, hardware) = simulation().await;
        let answer = tell(at, &cut(20.0)).await.unwrap();
        assert!(answer.ok && answer.standing.len() == 1);
        assert_eq!(hardware.scene().standing, answer.standing);
        assert_eq!(
            tell(at, &Order::Status).await.unwrap().standing,
            answer.standing
        );
        let answer = tell(at, &Order::Repair).await.unwrap();
        assert!(answer.ok && answer.standing.is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_done_says_why() {
        let (at, _hardware) = simulation().await;
        let answer = tell(at, &cut(70.0)).await.unwrap();
        assert_eq!(
            answer.error.as_deref(),
            Some("the plant has no km 70 on l, which is 50.0 km long")
        );
        let nonsense = exchange(at, "cut everything".into()).await.unwrap();
        assert!(nonsense.contains("not an order"), "{nonsense}");
    }

    #[tokio::test]
    async fn where_no_simulation_runs_the_error_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let said = tell(at, &Order::Status).await.unwrap_err().to_string();
        assert!(said.contains("no simulation answers"), "{said}");
    }
}
