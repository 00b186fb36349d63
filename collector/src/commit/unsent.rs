//! What the broker has not been told yet: of what is retained the newest for each topic, of what is
//! asked once everything, in order.

use std::collections::{BTreeMap, VecDeque};

use crate::ingest::{Outgoing, is_retained};

/// Commands that may wait for a connection; the oldest go, and are made up for by whoever asked.
const MOST_ASKED: usize = 1024;

/// Messages that wait for room at the broker's task.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    retained: BTreeMap<String, Vec<u8>>,
    asked: VecDeque<Outgoing>,
}

impl Unsent {
    pub(super) fn extend(&mut self, messages: impl IntoIterator<Item = Outgoing>) {
        for message in messages {
            if is_retained(&message.topic) {
                self.retained.insert(message.topic, message.payload);
                continue;
            }
            if self.asked.len() >= MOST_ASKED {
                self.asked.pop_front();
                tracing::warn!("too many commands wait for the broker: the oldest is dropped");
            }
            self.asked.push_back(message);
        }
    }

    /// The next message; commands first, since somebody waits.
    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        self.asked.pop_front().or_else(|| {
            let (topic, payload) = self.retained.pop_first()?;
            Some(Outgoing::new(topic, payload))
        })
    }

    /// Takes back what there was no room for.
    pub(super) fn put_back(&mut self, message: Outgoing) {
        if is_retained(&message.topic) {
            self.retained
                .entry(message.topic)
                .or_insert(message.payload);
        } else {
            self.asked.push_front(message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.retained.is_empty() && self.asked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str) -> Outgoing {
        Outgoing::new(topic.to_owned(), payload.as_bytes().to_vec())
    }

    fn drained(unsent: &mut Unsent) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(message) = unsent.pop() {
            all.push(String::from_utf8(message.payload).unwrap());
        }
        all
    }

    #[test]
    fn two_commands_to_one_site_are_both_sent_and_of_a_state_only_the_newest() {
        let mut unsent = Unsent::default();
        unsent.extend([
            message("silkline/1/l/s/committed", "old"),
            message("silkline/1/l/s/command", "first"),
            message("silkline/1/l/s/command", "second"),
            message("silkline/1/l/s/committed", "new"),
        ]);
        assert_eq!(drained(&mut unsent), ["first", "second", "new"]);
        assert!(unsent.is_empty());
    }

    #[test]
    fn what_had_no_room_comes_first_again_and_never_hides_what_is_newer() {
        let mut unsent = Unsent::default();
        unsent.extend([message("a/command", "1"), message("a/command", "2")]);
        let first = unsent.pop().unwrap();
        unsent.put_back(first);
        let old = message("a/committed", "old");
        unsent.extend([message("a/committed", "new")]);
        unsent.put_back(old);
        assert_eq!(drained(&mut unsent), ["1", "2", "new"]);
    }

    #[test]
    fn commands_are_bounded_and_the_oldest_go() {
        let mut unsent = Unsent::default();
        let many = 0..MOST_ASKED + 3;
        unsent.extend(many.map(|n| message("a/command", &n.to_string())));
        let left = drained(&mut unsent);
        assert_eq!((left.len(), left[0].as_str()), (MOST_ASKED, "3"));
    }
}
