//! Messages that were set aside, taken once more: by a program that can read them now.
//!
//! A message that was set aside closed its number, so that its agent stopped sending it. What
//! becomes readable later is stored under that number, told to the engines as late, and leaves the
//! quarantine, all in one transaction: however often it is asked for, it is stored once.

use std::collections::BTreeSet;

use silkline_protocol::codec;
use silkline_protocol::topic::{SiteTopic, Topic};

use crate::ingest::Delivery;
use crate::store::rows::QuarantineRow;
use crate::store::write::{DATABASE, StreamKey};
use crate::store::{StoreError, Writer};

/// A message that was set aside.
#[derive(Debug)]
pub struct SetAside {
    /// Its number in the quarantine.
    pub id: i64,
    /// The message as it came.
    pub message: Delivery,
    /// Whether something with its number is in the store.
    pub stored: bool,
}

/// What became of a message that had been set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is stored now, and no longer set aside.
    Stored,
    /// It had come by another way; it is no longer set aside.
    There,
    /// It cannot be understood, and why.
    Unreadable(String),
    /// Its stream has too many holes; later.
    Shed,
    /// Only its beginning was kept.
    Cut,
}

impl Again {
    /// Whether the message need not be kept any more.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Stored | Self::There)
    }
}

/// What became of messages, by their numbers in the quarantine.
pub type Judged = Vec<(i64, Again)>;

/// Makes messages of rows of the quarantine, and tells those of which only a part is there.
///
/// # Errors
///
/// Where the store cannot be read.
pub fn set_aside(
    rows: Vec<QuarantineRow>,
    store: &Writer,
) -> Result<(Vec<SetAside>, Judged), StoreError> {
    let mut cut = Vec::new();
    let mut whole = Vec::new();
    for row in rows {
        if row.kind == DATABASE {
            let why = "a line that the database refused; what it says is in the store".to_owned();
            cut.push((row.id, Again::Unreadable(why)));
        } else if row.payload.len() as u64 == row.bytes {
            let message = Delivery::loose(row.topic, row.payload.into(), row.properties);
            whole.push((row.id, message));
        } else {
            cut.push((row.id, Again::Cut));
        }
    }
    let wanted: BTreeSet<_> = whole
        .iter()
        .filter_map(|(_, message)| number(message))
        .collect();
    let there = store.numbers_stored(&wanted)?;
    let one = |(id, message)| {
        let stored = number(&message).is_some_and(|number| there.contains(&number));
        SetAside {
            id,
            message,
            stored,
        }
    };
    Ok((whole.into_iter().map(one).collect(), cut))
}

/// The stream of a message and its number there, as far as they can be told.
fn number(message: &Delivery) -> Option<(StreamKey, u64)> {
    let (line, site) = match message.topic.parse().ok()? {
        Topic::Device { line, site, .. } => (line, site),
        Topic::Site {
            line,
            site,
            what: SiteTopic::Gap,
        } => (line, site),
        Topic::Site { .. }
        | Topic::Status { .. }
        | Topic::Incident { .. }
        | Topic::Collector { .. } => return None,
    };
    let envelope = codec::envelope(&message.properties).ok()?;
    let epoch = envelope.epoch;
    Some((StreamKey { line, site, epoch }, envelope.seq.get()))
}
