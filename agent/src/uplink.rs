//! The agent's link to the broker: sends what the spool holds until a collector has committed it.
//!
//! ```text
//!   spool ──▶ Pump (a Sender a stream) ──▶ session ──▶ client ──▶ poll task ──▶ broker
//!     ▲                                      ▲                        │
//!     └──────── committed ───────────────────┴── queues, bounded ◀────┘
//! ```
//!
//! A connection is made anew each time, with a clean session: what a broker or a client library remembers
//! of the last one is never relied on. The poll task does nothing but move events into queues, since
//! work in it would break the keep-alive. PUBACKs only pace the sending; what is delivered is told by
//! the `committed` state alone.

use core::time::Duration;

use silkline_protocol::id::{AgentId, SiteId};
use silkline_protocol::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::command::Request;
use crate::config::UplinkSettings;
use crate::pulse::Pulse;
use crate::spool::{SpoolError, SpoolHandle};

mod backoff;
mod flight;
mod link;
mod look;
mod pump;
mod question;
mod session;
mod tls;
mod ways;

#[cfg(test)]
mod tests;

use backoff::{Backoff, Was};
pub use link::tried;
use look::Lookout;
use session::{End, Session};
use ways::Ways;

/// How late the loop may be: it waits for the spool, and says goodbye.
const GRACE: Duration = Duration::from_secs(120);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Whose link it is.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The site: the common name of its certificate, where it has one.
    pub site: SiteId,
    /// The agent's name within the site.
    pub agent: AgentId,
    /// The agent's clocks.
    pub clock: Clock,
}

/// How the link is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UplinkStatus {
    /// Since when a broker has us, if one does.
    pub connected: Option<Timestamp>,
    /// Records sent and not committed.
    pub in_flight: usize,
    /// Records that a broker would not have for their size, and that gaps name.
    pub refused: u64,
    /// Connections that were lost or could not be made.
    pub failures: u64,
    /// Why the last of them was.
    pub last_error: Option<String>,
    /// Which of the brokers is in use, or was last, counted from zero.
    pub way: usize,
    /// Whether that link costs, so that little goes over it.
    pub metered: bool,
}

/// The task that keeps the link.
#[derive(Debug)]
pub struct Uplink {
    brokers: Vec<UplinkSettings>,
    ways: Ways,
    /// Whether the last session was left for a better way.
    tempted: bool,
    session: Session,
}

impl Uplink {
    /// An uplink of what `spool` holds to the first of `brokers` that answers, not yet connected, and
    /// how it is. What is asked of the agent goes to `commands`; when that queue is full it is declined.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be read.
    pub fn new(
        whose: Whose,
        brokers: Vec<UplinkSettings>,
        spool: SpoolHandle,
        commands: mpsc::Sender<Request>,
    ) -> Result<(Self, watch::Receiver<UplinkStatus>), SpoolError> {
        let (told, status) = watch::channel(UplinkStatus::default());
        let session = Session::new(whose, spool, commands, told)?;
        let ways = Ways::new(brokers.len());
        let uplink = Self {
            brokers,
            ways,
            tempted: false,
            session,
        };
        Ok((uplink, status))
    }

    /// The same, heard of by `pulse` as long as it goes on.
    #[must_use]
    pub fn with(self, pulse: Pulse) -> Self {
        Self {
            session: self.session.with(pulse),
            ..self
        }
    }

    /// Keeps the link until `shutdown`, whatever the brokers do.
    ///
    /// At shutdown the retained status is set to offline, within two seconds.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be used any more: the program should end and start anew.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), SpoolError> {
        let mut backoff = Backoff::default();
        loop {
            let was = match self.round(&shutdown).await? {
                End::Shutdown => return Ok(()),
                End::Better => continue,
                End::Lost => Was::Held,
                End::Brief => Was::Brief,
                End::NeverUp => Was::Never,
            };
            let pause = backoff.after(was, uuid::Uuid::now_v7().as_u128());
            self.session.is_heard_by(self.session.moment() + pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Tries the brokers in order, until one was there or all were tried.
    async fn round(&mut self, shutdown: &CancellationToken) -> Result<End, SpoolError> {
        let mut outcome = End::NeverUp;
        for (at, broker) in self.brokers.iter().enumerate() {
            self.session.takes(at);
            let better = self.ways.better(at);
            let better =
                better.filter_map(|(at, every)| Some((self.brokers.get(at)?.clone(), every)));
            let lookout = Lookout::start(better.collect());
            let begun = self.session.moment();
            let end = self.session.run((broker, lookout), shutdown).await?;
            match end {
                End::NeverUp | End::Brief => {
                    if end == End::Brief {
                        outcome = end;
                    }
                    if core::mem::take(&mut self.tempted) {
                        self.ways.failed(at, Duration::ZERO);
                    }
                }
                End::Lost => {
                    self.tempted = false;
                    self.ways.failed(at, self.session.moment() - begun);
                    return Ok(end);
                }
                End::Better => {
                    self.tempted = true;
                    return Ok(end);
                }
                End::Shutdown => return Ok(end),
            }
        }
        Ok(outcome)
    }
}
