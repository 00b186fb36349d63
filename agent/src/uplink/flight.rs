//! What a connection has sent and the broker has not acknowledged, in the order it was sent.
//!
//! The client library gives out packet numbers as it sends, in the order it was asked, and tells only the
//! number: the two lists put number and record together again. This paces the sending and finds the
//! record that a broker will not have; it says nothing of delivery.

use std::collections::{BTreeMap, VecDeque};

use silkline_protocol::delivery::Seq;

use crate::spool::StreamId;

/// Messages that may be on their way to the broker at a time.
pub(super) const MESSAGES: u16 = 100;
/// Bytes that may be, before the last one.
const BYTES: u64 = 8 << 20;

/// A message on its way; `record` is `None` for what is not spooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) record: Option<(StreamId, Seq)>,
    pub(super) bytes: u64,
}

/// What is on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    asked: VecDeque<Sent>,
    numbered: BTreeMap<u16, Sent>,
    bytes: u64,
}

impl Flight {
    /// The client was asked to send this.
    pub(super) fn ask(&mut self, sent: Sent) {
        self.bytes = self.bytes.saturating_add(sent.bytes);
        self.asked.push_back(sent);
    }

    /// The client has sent the next one under this number.
    pub(super) fn number(&mut self, number: u16) {
        if let Some(sent) = self.asked.pop_front() {
            self.numbered.insert(number, sent);
        }
    }

    /// The broker has acknowledged this number.
    pub(super) fn acknowledge(&mut self, number: u16) -> Option<Sent> {
        let sent = self.numbered.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(sent.bytes);
        Some(sent)
    }

    /// Whether one more may go.
    pub(super) fn has_room(&self) -> bool {
        self.asked.len() + self.numbered.len() < usize::from(MESSAGES) && self.bytes < BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.numbered.is_empty()
    }

    /// The record to blame where the broker says that something was too large: the largest that it has
    /// seen and not acknowledged.
    pub(super) fn largest(&self) -> Option<(StreamId, Seq)> {
        let largest = self.numbered.values().max_by_key(|sent| sent.bytes);
        largest.and_then(|sent| sent.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bytes: u64) -> Sent {
        Sent {
            record: None,
            bytes,
        }
    }

    #[test]
    fn numbers_meet_their_messages_in_order() {
        let mut flight = Flight::default();
        [10, 20, 30]
            .into_iter()
            .for_each(|bytes| flight.ask(sent(bytes)));
        [7, 8].into_iter().for_each(|number| flight.number(number));
        assert_eq!(flight.acknowledge(8), Some(sent(20)));
        assert_eq!(flight.acknowledge(8), None);
        assert_eq!(flight.acknowledge(7), Some(sent(10)));
        assert!(!flight.is_empty());
    }

    #[test]
    fn there_is_room_for_many_small_ones_or_few_large_ones() {
        let mut flight = Flight::default();
        flight.ask(sent(BYTES - 1));
        assert!(flight.has_room());
        flight.ask(sent(BYTES));
        assert!(!flight.has_room());
        let mut flight = Flight::default();
        (0..MESSAGES).for_each(|_| flight.ask(sent(1)));
        assert!(!flight.has_room());
    }
}
