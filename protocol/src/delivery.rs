//! At least once to the commit, exactly once in the store: the pure halves of the delivery rule.
//!
//! ```text
//!   spool ──▶ Sender ──(epoch, seq, late)──▶ broker ──▶ Receiver ──▶ one transaction
//!               ▲                                          │
//!               └───────────── Committed (whole state) ◀───┘
//! ```
//!
//! A stream is one line's records of one run of an agent; its numbers are dense from 1. The
//! [`Sender`](sender::Sender) keeps sending what the latest [`Committed`] does not cover; the
//! [`Receiver`](receiver::Receiver) closes a number only in the transaction that stores it.
//!
//! What always holds, and what `model_test.rs` drives through loss, repetition, reordering, crashes,
//! restored stores and cloned machines:
//!
//! - a closed number is either **stored** once or **lost**, never both;
//! - *stored wins*: a record that arrives although a gap named it is stored, and the number is
//!   found again; a gap that names a stored number changes nothing;
//! - once the faults stop, every number that a spool gave out is closed.
//!
//! A store restored from a backup cannot know of an epoch that it never heard of and of which the
//! agent holds nothing any more: what was committed in between and is older than the spool's `keep`
//! comes back from another backup or not at all.

use core::fmt;
use core::ops::Add;
use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::StoreId;
use crate::time::Timestamp;

pub mod ranges;
pub mod receiver;
pub mod sender;
pub mod thrift;

#[cfg(test)]
mod model_test;
#[cfg(test)]
mod overload_test;

pub use ranges::Ranges;

/// The version that this code writes into [`Committed`].
pub const VERSION: u32 = 1;

/// One run of an agent, or one life of its spool: a new one at every start, so that a power cut,
/// a restored disk image or a cloned machine can't use a number twice.
///
/// A UUID version 7, which sorts by the time it was made.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct Epoch(Uuid);

impl Epoch {
    /// The epoch that begins at `at`; the ten random bytes keep two of one millisecond apart.
    #[must_use]
    pub fn at(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.nanos() / 1_000_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The sixteen bytes that identify it, for a store's key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The epoch of sixteen stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A record's number in its stream: dense from 1, at most what a signed 64-bit integer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The first number of every stream.
    pub const FIRST: Self = Self(1);
    /// Higher than any number in use; what a database column holds.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The number `value`; `None` for zero and for what no column holds.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value == 0 || value > Self::MAX.0 {
            None
        } else {
            Some(Self(value))
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one; [`Seq::MAX`] stays itself.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 >= Self::MAX.0 {
            Self::MAX
        } else {
            Self(self.0 + 1)
        }
    }

    /// The number before this one; there is none before the first.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        Self::new(self.0 - 1)
    }
}

/// A text that is not a record's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want a whole number from 1 to {max}", max = Seq::MAX)]
pub struct BadSeq;

impl FromStr for Seq {
    type Err = BadSeq;

    fn from_str(text: &str) -> Result<Self, BadSeq> {
        text.parse().ok().and_then(Self::new).ok_or(BadSeq)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment of the monotonic clock: the time since a start that the caller chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(pub Duration);

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// The sizes that both halves agree on; the default is the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages of a stream that may be uncommitted at a time.
    pub messages: usize,
    /// Bytes of a stream that may be uncommitted at a time.
    pub bytes: u64,
    /// Closed ranges of a stream that a receiver keeps.
    pub ranges: usize,
    /// Streams that a receiver keeps for one line and site, and as many it remembers after.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages: 500,
            bytes: 4 << 20,
            ranges: 256,
            streams: 1024,
        }
    }
}

impl Limits {
    /// Whether a stream with these closed ranges can open no further one, but for that from 1.
    ///
    /// One range is kept free for the numbers from 1: the lowest record that is missing can then
    /// always be taken, and a sender that goes oldest first always gets on.
    #[must_use]
    pub fn is_crowded(&self, closed: &Ranges) -> bool {
        let base = usize::from(!closed.contains(Seq::FIRST));
        closed.len() + base >= self.ranges
    }
}

/// The numbers that will never come and that nobody has said so of: to be named in a gap.
///
/// `gone` are the numbers that a spool gave out and no longer holds; `named` those that the gap
/// records it holds speak of. A restored store may ask for what was let go of as committed.
#[must_use]
pub fn unaccounted(gone: &Ranges, committed: &Ranges, named: &Ranges) -> Ranges {
    gone.without(committed).without(named)
}

/// What a collector has stored of one line and site: the retained whole state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Committed {
    /// The version of this message.
    pub v: u32,
    /// The store that says so.
    pub store: StoreId,
    /// The closed numbers of each stream.
    pub streams: BTreeMap<Epoch, Ranges>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_state_has_the_contracts_form() {
        let text = concat!(
            r#"{"v":1,"store":"baku-1","streams":"#,
            r#"{"01890a5d-ac96-774b-bcce-b302099a8057":[[1,3],[7,7]]}}"#
        );
        let state: Committed = serde_json::from_str(text).unwrap();
        let epoch = "01890a5d-ac96-774b-bcce-b302099a8057"
            .parse::<Epoch>()
            .unwrap();
        assert!(state.streams[&epoch].contains(Seq::new(7).unwrap()));
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
    }

    #[test]
    fn epochs_sort_by_the_time_they_began() {
        let early = Epoch::at(Timestamp::from_seconds(1), [255; 10]);
        let late = Epoch::at(Timestamp::from_seconds(2), [0; 10]);
        assert!(early < late);
        assert_eq!(Epoch::from_bytes(*early.as_bytes()), early);
    }

    #[test]
    fn a_number_starts_at_one_and_fits_a_column() {
        assert_eq!(Seq::new(0), None);
        assert_eq!(Seq::new(u64::MAX), None);
        assert_eq!(Seq::FIRST.previous(), None);
        assert_eq!(Seq::MAX.next(), Seq::MAX);
    }
}
