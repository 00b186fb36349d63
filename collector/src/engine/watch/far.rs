//! Light inputs and the receivers further on: who lives on whose light.
//!
//! Which input feeds which receiver is told by the plant's paths. Where neither is on one, every
//! receiver is tried with every input of the line: one that has nothing to do with it never falls
//! silent with it, and learns nothing.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use silkline_analysis::series::Change;
use silkline_analysis::series::envelope::{Envelope, LAG};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::Dbm;

use super::guide::Guide;

/// Pairs that are kept for a line; further ones are not tried.
const PAIRS: usize = 4000;

/// The longest time that a receiver is given to notice.
const LONGEST: Duration = Duration::from_secs(30);

/// What a meter that shows no light is taken for.
const NO_LIGHT: f64 = -60.0;

/// All pairs of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub(super) struct Far {
    /// By receiver and then by input.
    pairs: BTreeMap<String, BTreeMap<String, Envelope>>,
    /// The receivers of each input, by rising name; found anew from the pairs after a start.
    #[serde(skip)]
    of_input: BTreeMap<String, BTreeSet<String>>,
}

/// What is saved of the pairs.
#[derive(Deserialize)]
struct Saved {
    pairs: BTreeMap<String, BTreeMap<String, Envelope>>,
}

impl From<Saved> for Far {
    fn from(Saved { pairs }: Saved) -> Self {
        let mut of_input: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (receiver, inputs) in &pairs {
            for input in inputs.keys() {
                let receivers = of_input.entry(input.clone()).or_default();
                receivers.insert(receiver.clone());
            }
        }
        Self { pairs, of_input }
    }
}

/// An input that turned out to be dark because its receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fallen {
    pub(super) input: String,
    pub(super) from: Timestamp,
    pub(super) detail: String,
}

impl Far {
    /// Watches inputs, each by its port's name and its own, with the receivers that may live on them.
    pub(super) fn pair(
        &mut self,
        guide: &Guide,
        inputs: &[(String, String)],
        receivers: &[String],
    ) {
        for receiver in receivers {
            for (port, input) in inputs {
                if guide.feeds(port, receiver) {
                    self.watch(receiver, input);
                }
            }
        }
    }

    /// Watches an input and a receiver together.
    fn watch(&mut self, receiver: &str, input: &str) {
        let known = self.pairs.get(receiver);
        if known.is_some_and(|inputs| inputs.contains_key(input)) || self.many() >= PAIRS {
            return;
        }
        let inputs = self.pairs.entry(receiver.to_owned()).or_default();
        inputs.insert(input.to_owned(), Envelope::default());
        let receivers = self.of_input.entry(input.to_owned()).or_default();
        receivers.insert(receiver.to_owned());
    }

    /// Whether there is nothing to watch.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn many(&self) -> usize {
        self.pairs.values().map(BTreeMap::len).sum()
    }

    /// Takes an input: the light that its receivers need, where it has less.
    pub(super) fn input(
        &mut self,
        input: &str,
        level: Option<f64>,
        at: Timestamp,
        lag: impl Fn(&str) -> Duration,
    ) -> Option<f64> {
        let level = Dbm::of(level.unwrap_or(NO_LIGHT));
        let mut needs = None;
        for receiver in self.of_input.get(input).into_iter().flatten() {
            let inputs = self.pairs.get_mut(receiver);
            let Some(envelope) = inputs.and_then(|inputs| inputs.get_mut(input)) else {
                continue;
            };
            envelope.input(level, at, lag(receiver));
            if envelope.is_dark() {
                needs = envelope.threshold().map(Dbm::get).or(needs);
            }
        }
        needs
    }

    /// Takes what a receiver says: the inputs that are dark by it.
    pub(super) fn receiver(
        &mut self,
        receiver: &str,
        alive: bool,
        (at, lag): (Timestamp, Duration),
    ) -> Vec<Fallen> {
        let inputs = self.pairs.get_mut(receiver).into_iter().flatten();
        let fallen =
            inputs.filter_map(
                |(input, envelope)| match envelope.receiver(alive, at, lag)? {
                    Change::Began { from, detail, .. } => Some(Fallen {
                        input: input.clone(),
                        from,
                        detail,
                    }),
                    Change::Worse { .. } | Change::Ended { .. } => None,
                },
            );
        fallen.collect()
    }

    /// The input from which a receiver's darkness follows.
    pub(super) fn cause_of(&self, receiver: &str, at: Timestamp, lag: Duration) -> Option<&str> {
        let mut inputs = self.pairs.get(receiver)?.iter();
        let dark = inputs.clone().find(|(_, envelope)| envelope.is_dark());
        let low = || inputs.find(|(_, envelope)| envelope.explains(at, lag));
        dark.or_else(low).map(|(input, _)| input.as_str())
    }

    /// Whether an input of a receiver is dark.
    pub(super) fn is_dark(&self, receiver: &str) -> bool {
        let mut inputs = self.pairs.get(receiver).into_iter().flatten();
        inputs.any(|(_, envelope)| envelope.is_dark())
    }
}

/// How long a receiver that is polled so often is given to notice.
pub(super) fn lag(poll: Duration) -> Duration {
    (LAG + poll).min(LONGEST.max(poll * 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_receiver_teaches_its_inputs_what_it_needs() {
        let mut far = Far::default();
        far.watch("r", "in");
        let l = lag(Duration::from_secs(1));
        let mut run = |from: i64, to: i64, level: f64, alive: bool| {
            let mut last = (None, 0);
            for k in from..to {
                let needs = far.input("in", Some(level), second(k), |_| l);
                let fallen = far.receiver("r", alive, (second(k), l));
                last = (needs, last.1 + fallen.len());
            }
            last
        };
        assert_eq!(run(0, 100, -23.0, true), (None, 0));
        assert_eq!(run(100, 103, -38.0, true), (None, 0));
        assert_eq!(run(103, 150, -38.0, false), (Some(-37.0), 1));
        assert_eq!(run(150, 250, -23.0, true), (None, 0));
        assert_eq!(run(250, 251, -38.0, true), (Some(-37.0), 0));
        assert_eq!(far.cause_of("r", second(251), l), Some("in"));
    }

    #[test]
    fn pairs_that_were_saved_are_all_known_by_their_inputs() {
        let mut far = Far::default();
        for (receiver, input) in [("r2", "a"), ("r1", "a"), ("r1", "b")] {
            far.watch(receiver, input);
        }
        let json = serde_json::to_string(&far).unwrap();
        assert!(!json.contains("of_input"), "{json}");
        assert_eq!(serde_json::from_str::<Far>(&json).unwrap(), far);
    }

    #[test]
    fn there_is_an_end_to_pairs() {
        let mut far = Far::default();
        for k in 0..2 * PAIRS {
            far.watch("r", &format!("in-{k}"));
        }
        assert_eq!(far.pairs["r"].len(), PAIRS);
    }

    #[test]
    fn a_slow_receiver_is_given_two_polls() {
        assert_eq!(lag(Duration::from_secs(1)), Duration::from_secs(16));
        assert_eq!(lag(Duration::from_secs(60)), Duration::from_secs(75));
        assert_eq!(lag(Duration::from_secs(20)), Duration::from_secs(35));
    }
}
