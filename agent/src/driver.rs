//! What a driver is: two pure functions around the one step that does I/O.
//!
//! ```text
//! plan()              → the requests one poll needs, in order
//!      the shell (modbus_io, snmp_io) carries them out
//! decode(the answers) → for each point the reading, or the reason there is none
//! ```
//!
//! A request that fails costs the readings in it and no others.

pub mod fetch;
mod fetch_io;
pub mod modbus;
pub mod modbus_io;
pub mod otdr;
pub mod readings;
pub mod scpi;
pub mod scpi_io;
pub mod session;
pub mod snmp;
pub mod snmp_io;
pub mod turn;

use std::time::Duration;

use silkline_protocol::sample::{BadReading, Reading};

use crate::profile::Raw;
pub use readings::Readings;

/// Why a request brought no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The device did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The device has never answered to the community it is asked with.
    #[error(
        "no answer within {0:?}: nobody is there, or the community is wrong, which a device answers \
         with silence"
    )]
    Silent(Duration),
    /// The connection could not be made or broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The gateway says that the device behind it does not answer.
    #[error("behind the gateway: {0}")]
    Behind(String),
    /// The device answers, but not to whom it takes us for.
    #[error("denied: {0}")]
    Denied(String),
    /// The device answered with an error of its protocol.
    #[error("refused: {0}")]
    Refused(String),
    /// The device answered that it does not know what was asked for.
    #[error("not supported: {0}")]
    NotSupported(String),
    /// The answer could not be understood.
    #[error("garbled: {0}")]
    Garbled(String),
    /// An earlier request of the same poll showed that the device is not there.
    #[error("not asked: the device gave no answer")]
    Skipped,
}

impl Fault {
    /// The reason that the readings of the request get.
    #[must_use]
    pub const fn reason(&self) -> BadReading {
        match self {
            Self::Timeout(_) | Self::Silent(_) | Self::Skipped => BadReading::Timeout,
            Self::Unreachable(_) | Self::Behind(_) => BadReading::Unreachable,
            Self::Refused(_) | Self::Denied(_) => BadReading::Refused,
            Self::NotSupported(_) => BadReading::NotSupported,
            Self::Garbled(_) => BadReading::Garbled,
        }
    }

    /// Whether it came as an answer in order, so that the connection may be kept.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::NotSupported(_) | Self::Behind(_) | Self::Denied(_)
        )
    }

    /// Whether it says that nobody is there for us, rather than that something is wrong with one
    /// request: then there is no use in asking more, or often.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_)
                | Self::Silent(_)
                | Self::Unreachable(_)
                | Self::Behind(_)
                | Self::Denied(_)
                | Self::Skipped
        )
    }
}

/// A reading with the raw number it came from, for `probe`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    /// What came from the device, where a number came.
    pub raw: Option<Raw>,
    /// What it means.
    pub reading: Reading,
}

impl Taken {
    /// No reading, and why.
    #[must_use]
    pub const fn bad(reason: BadReading) -> Self {
        Self {
            raw: None,
            reading: Reading::Bad(reason),
        }
    }
}

/// Decides, request by request, whether the rest of a poll is still worth asking.
///
/// A device that answered last time may miss one request, such as a block it does not stand; two
/// in a row mean that it is gone. One that was gone already is given a single request.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    absences: u8,
    allowed: u8,
    wait: Duration,
    then: Duration,
}

impl Patience {
    /// For a poll of a device that `answered` the last time it was asked.
    #[must_use]
    pub const fn new(answered: bool) -> Self {
        Self {
            absences: 0,
            allowed: if answered { 2 } else { 1 },
            wait: Duration::MAX,
            then: Duration::MAX,
        }
    }

    /// The same, where others wait for the connection: at most `first` for each request until one
    /// met silence, and at most `then` from then on.
    #[must_use]
    pub const fn waiting(self, first: Duration, then: Duration) -> Self {
        let wait = first;
        Self { wait, then, ..self }
    }

    /// How long a request may take whose device allows it `timeout`.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Duration {
        timeout.min(self.wait)
    }

    /// Whether another request should be sent.
    #[must_use]
    pub const fn is_left(self) -> bool {
        self.absences < self.allowed
    }

    /// Takes the outcome of one request.
    pub const fn observe(&mut self, fault: Option<&Fault>) {
        match fault {
            Some(fault) if fault.is_absence() => {
                self.absences = self.absences.saturating_add(1);
                self.wait = self.then;
            }
            Some(_) | None => {
                self.absences = 0;
                self.allowed = 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_reason() {
        let timeout = Fault::Timeout(Duration::from_secs(1));
        assert_eq!(timeout.reason(), BadReading::Timeout);
        assert_eq!(Fault::Skipped.reason(), BadReading::Timeout);
        assert_eq!(
            Fault::Unreachable(String::new()).reason(),
            BadReading::Unreachable
        );
        for refused in [Fault::Refused(String::new()), Fault::Denied(String::new())] {
            assert_eq!(refused.reason(), BadReading::Refused);
        }
        let behind = Fault::Behind(String::new());
        assert_eq!(behind.reason(), BadReading::Unreachable);
        assert!(behind.is_answer() && behind.is_absence());
        assert_eq!(
            Fault::NotSupported(String::new()).reason(),
            BadReading::NotSupported
        );
        assert_eq!(Fault::Garbled(String::new()).reason(), BadReading::Garbled);
    }

    #[test]
    fn one_missed_block_ends_no_poll_and_two_in_a_row_do() {
        let timeout = Fault::Timeout(Duration::from_secs(1));
        let mut patience = Patience::new(true);
        patience.observe(Some(&timeout));
        assert!(patience.is_left());
        patience.observe(None);
        patience.observe(Some(&timeout));
        assert!(patience.is_left());
        patience.observe(Some(&timeout));
        assert!(!patience.is_left());
    }

    #[test]
    fn a_device_that_was_gone_gets_one_request_until_it_answers() {
        let timeout = Fault::Timeout(Duration::from_secs(1));
        let mut patience = Patience::new(false);
        patience.observe(Some(&timeout));
        assert!(!patience.is_left());
        let mut back = Patience::new(false);
        back.observe(Some(&Fault::Refused(String::new())));
        back.observe(Some(&timeout));
        assert!(back.is_left(), "a refusal is an answer");
    }
}
