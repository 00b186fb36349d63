//! What a driver is: two pure functions around the one step that does I/O.
//!
//! ```text
//! plan()              → the requests one poll needs, in order
//!      the shell (modbus_io, snmp_io) carries them out
//! decode(the answers) → for each point the reading, or the reason there is none
//! ```
//!
//! A request that fails costs the readings in it and no others.

pub mod modbus;
pub mod modbus_io;
pub mod otdr;
pub mod session;
pub mod snmp;
pub mod snmp_io;

use std::collections::BTreeMap;

use silkline_protocol::id::PointName;
use silkline_protocol::sample::{BadReading, Reading};

use crate::profile::Raw;

/// Why a request brought no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The device did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(core::time::Duration),
    /// The connection could not be made or broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
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
            Self::Timeout(_) | Self::Skipped => BadReading::Timeout,
            Self::Unreachable(_) => BadReading::Unreachable,
            Self::Refused(_) => BadReading::Refused,
            Self::NotSupported(_) => BadReading::NotSupported,
            Self::Garbled(_) => BadReading::Garbled,
        }
    }

    /// Whether it says that nobody is there, rather than that something is wrong with one request.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_) | Self::Unreachable(_) | Self::Skipped
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

/// The readings of one poll, by point.
pub type Readings = BTreeMap<PointName, Taken>;

/// Decides, request by request, whether the rest of a poll is still worth asking.
///
/// A device that answered last time may miss one request, such as a block it does not stand; two
/// in a row mean that it is gone. One that was gone already is given a single request.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    absences: u8,
    allowed: u8,
}

impl Patience {
    /// For a poll of a device that `answered` the last time it was asked.
    #[must_use]
    pub const fn new(answered: bool) -> Self {
        Self {
            absences: 0,
            allowed: if answered { 2 } else { 1 },
        }
    }

    /// Whether another request should be sent.
    #[must_use]
    pub const fn is_left(self) -> bool {
        self.absences < self.allowed
    }

    /// Takes the outcome of one request.
    pub const fn observe(&mut self, fault: Option<&Fault>) {
        match fault {
            Some(fault) if fault.is_absence() => self.absences = self.absences.saturating_add(1),
            Some(_) | None => {
                self.absences = 0;
                self.allowed = 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

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
        assert_eq!(Fault::Refused(String::new()).reason(), BadReading::Refused);
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
