//! The broker inside the collector, for agents on the same machine.
//!
//! It keeps everything in memory: what it loses when it stops, the agents send again. It knows no
//! users, so it listens on loopback alone; the settings see to that.

use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::MqttBroker;
use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use silkline_protocol::codec::MAX_PACKET;
use tokio::task::JoinHandle;

/// How long the broker may take to begin and to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages and bytes kept for a client that reads slowly or is away for a moment.
const QUEUED: (usize, usize) = (100_000, 256 << 20);
/// A client that is away for longer begins anew.
const SESSION: Duration = Duration::from_secs(3600);

/// A broker that runs within this process.
pub trait Broker {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Ends it and waits until it is gone, though not for ever.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// Why the broker could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address cannot be had.
    #[error("broker: cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// It did not say that it is ready.
    #[error("broker: not ready within {0:?}")]
    Slow(Duration),
}

/// The broker that is built in.
pub struct Embedded {
    address: SocketAddr,
    stop: mqtt5::broker::BrokerShutdownHandle,
    task: JoinHandle<()>,
}

impl core::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Embedded")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Embedded {
    /// Begins to listen on `listen`.
    ///
    /// # Errors
    ///
    /// Where the address is taken, or the broker does not come up.
    pub async fn start(listen: SocketAddr) -> Result<Self, BrokerError> {
        let failed = |reason: String| BrokerError::Listen {
            address: listen,
            reason,
        };
        let mut broker = MqttBroker::with_config(settings(listen))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let address = broker
            .local_addr()
            .ok_or_else(|| failed("no listener".to_owned()))?;
        let (stop, mut ready) = (broker.shutdown_handle(), broker.ready_receiver());
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "broker ended");
            }
        });
        tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready))
            .await
            .map_err(|_| BrokerError::Slow(PATIENCE))?
            .map_err(|_| failed("ended at once".to_owned()))?;
        Ok(Self {
            address,
            stop,
            task,
        })
    }
}

impl Broker for Embedded {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn stop(self) {
        self.stop.shutdown();
        let mut task = self.task;
        if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

fn settings(listen: SocketAddr) -> BrokerConfig {
    let (messages, bytes) = QUEUED;
    let storage = StorageConfig::new()
        .with_backend(StorageBackend::Memory)
        .with_max_queued_messages_per_client(messages)
        .with_max_queued_bytes_per_client(bytes);
    let mut settings = BrokerConfig::new()
        .with_bind_address(listen)
        .with_session_expiry(SESSION)
        .with_max_packet_size(usize::try_from(MAX_PACKET).unwrap_or(usize::MAX))
        .with_maximum_qos(1)
        .with_storage(storage)
        .with_sys_topics_enabled(false);
    settings.topic_alias_maximum = 0;
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn port_0_gives_a_free_port_and_a_taken_one_is_refused_by_name() {
        let broker = Embedded::start(free()).await.unwrap();
        assert_ne!(broker.address().port(), 0);
        let taken = Embedded::start(broker.address()).await.unwrap_err();
        assert!(
            taken.to_string().contains(&broker.address().to_string()),
            "{taken}"
        );
        broker.stop().await;
    }
}
