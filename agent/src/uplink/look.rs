//! Looks whether a better way is back while another is in use: by a TCP connection alone, which costs
//! that broker nothing and pushes nobody off it.

use core::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::config::UplinkSettings;

/// How long a connection may take to be made.
const WITHIN: Duration = Duration::from_secs(5);
/// It must answer twice in a row, so long apart: a way that has just come back may go at once.
const AGAIN: Duration = Duration::from_secs(2);

/// The looking: it ends with this.
#[derive(Debug)]
pub(super) struct Lookout {
    /// Resolves when a better way is there; never where there is none.
    pub(super) found: oneshot::Receiver<()>,
    _tasks: JoinSet<()>,
}

impl Lookout {
    /// Looks for each of `better` every so often.
    pub(super) fn start(better: Vec<(UplinkSettings, Duration)>) -> Self {
        let (tell, found) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut looking = JoinSet::new();
            for (way, every) in better {
                looking.spawn(wait_for(way, every));
            }
            if looking.join_next().await.is_some() {
                // Gone where the session is over.
                let _ = tell.send(());
            } else {
                // Nothing is better than the best.
                core::future::pending::<()>().await;
            }
        });
        Self {
            found,
            _tasks: tasks,
        }
    }
}

async fn wait_for(way: UplinkSettings, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if answers(&way).await {
            tokio::time::sleep(AGAIN.min(every)).await;
            if answers(&way).await {
                return;
            }
        }
    }
}

async fn answers(way: &UplinkSettings) -> bool {
    matches!(tokio::time::timeout(WITHIN, connect(way)).await, Ok(Ok(_)))
}

async fn connect(way: &UplinkSettings) -> std::io::Result<TcpStream> {
    let host = (way.broker.host.as_str(), way.broker.port);
    let mut last = std::io::Error::other("no address");
    for address in lookup_host(host).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(interface) = &way.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn way(port: u16) -> UplinkSettings {
        let text = format!("url = \"mqtt://127.0.0.1:{port}\"\n");
        crate::config::uplink_of(&text).unwrap()
    }

    #[tokio::test]
    async fn a_better_way_is_found_when_it_listens_and_not_before() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let every = Duration::from_millis(20);
        let mut lookout = Lookout::start(vec![(way(port), every)]);
        let early = tokio::time::timeout(Duration::from_millis(200), &mut lookout.found).await;
        assert!(early.is_err(), "nobody listens");
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let found = tokio::time::timeout(Duration::from_secs(30), lookout.found).await;
        assert!(matches!(found, Ok(Ok(()))), "{found:?}");
        drop(listener);
    }

    #[tokio::test]
    async fn there_is_nothing_better_than_the_first() {
        let mut lookout = Lookout::start(Vec::new());
        let found = tokio::time::timeout(Duration::from_millis(100), &mut lookout.found).await;
        assert!(found.is_err());
    }
}
