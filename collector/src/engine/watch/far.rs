//! Light inputs and the receivers further on: who lives on whose light.
//!
//! Which input feeds which receiver is told by the plant's paths. Where neither is on one, every
//! receiver is tried with every input of the line: one that has nothing to do with it never falls
//! silent with it, and learns nothing.

use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use silkline_analysis::series::Change;
use silkline_analysis::series::envelope::{Envelope, LAG};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::Dbm;

/// Pairs that are kept for a line; further ones are not tried.
const PAIRS: usize = 4000;

/// The longest time that a receiver is given to notice.
const LONGEST: Duration = Duration::from_secs(30);

/// What a meter that shows no light is taken for.
const NO_LIGHT: f64 = -60.0;

/// All pairs of a line, by receiver and then by input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Far {
    pairs: BTreeMap<String, BTreeMap<String, Envelope>>,
}

/// An input that turned out to be dark because its receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fallen {
    pub(super) input: String,
    pub(super) from: Timestamp,
    pub(super) detail: String,
}

impl Far {
    /// Watches an input and a receiver together.
    pub(super) fn pair(&mut self, receiver: &str, input: &str) {
        let known: usize = self.pairs.values().map(BTreeMap::len).sum();
        let inputs = self.pairs.entry(receiver.to_owned()).or_default();
        if known < PAIRS && !inputs.contains_key(input) {
            inputs.insert(input.to_owned(), Envelope::default());
        }
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
        for (receiver, inputs) in &mut self.pairs {
            let Some(envelope) = inputs.get_mut(input) else {
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
        far.pair("r", "in");
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
    fn there_is_an_end_to_pairs() {
        let mut far = Far::default();
        for k in 0..2 * PAIRS {
            far.pair("r", &format!("in-{k}"));
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
