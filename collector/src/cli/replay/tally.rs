//! What a history comes to: how many of what, and how often at night.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use silkline_protocol::time::Timestamp;

use super::history::Said;
use super::rows::Moments;

/// What one operator can take: EEMUA 191 and ISA-18.2 call more in ten minutes a flood.
const FLOOD: usize = 10;
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Hours of the night, UTC.
const NIGHT: [i64; 2] = [22, 6];

/// Nights that are listed.
const NIGHTS: usize = 60;

/// Counts what was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    anomalies: BTreeMap<&'static str, u64>,
    incidents: u64,
    notices: u64,
    recent: VecDeque<Timestamp>,
    most: usize,
    /// Notices by the evening on which the night began.
    nights: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, said: &Said) {
        match said {
            Said::Anomaly(anomaly) => {
                *self.anomalies.entry(anomaly.kind.word()).or_default() += 1;
            }
            Said::Incident(_) => self.incidents += 1,
            Said::Told(at) => self.told(*at),
        }
    }

    fn told(&mut self, at: Timestamp) {
        self.notices += 1;
        self.recent.push_back(at);
        while self
            .recent
            .front()
            .is_some_and(|first| at - *first > TEN_MINUTES)
        {
            self.recent.pop_front();
        }
        self.most = self.most.max(self.recent.len());
        if let Some(night) = night(at) {
            *self.nights.entry(night).or_default() += 1;
        }
    }

    /// The counts for people.
    pub(super) fn said(&self, moments: &Moments) -> String {
        let kinds: Vec<String> = self
            .anomalies
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let all: u64 = self.anomalies.values().sum();
        let kinds = if kinds.is_empty() {
            String::new()
        } else {
            format!(" ({})", kinds.join(", "))
        };
        let flood = if self.most > FLOOD { ", a flood" } else { "" };
        let mut text = format!(
            "{} rows, {} bad; {all} anomalies{kinds}; {} incidents; people told {} times, at most \
             {} in 10 minutes{flood}",
            moments.rows, moments.bad, self.incidents, self.notices, self.most
        );
        for (night, count) in self.nights.iter().take(NIGHTS) {
            let _ = write!(text, "\nnight of {night} (22-06 UTC): told {count} times");
        }
        text
    }
}

/// The evening on which the night of `at` began, where it is night.
fn night(at: Timestamp) -> Option<String> {
    let hour = at.nanos() / 3_600_000_000_000 % 24;
    let [evening, morning] = NIGHT;
    let began = if hour >= evening {
        at
    } else if hour < morning {
        at - Duration::from_secs(86_400)
    } else {
        return None;
    };
    Some(began.to_string().chars().take(10).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_named_by_its_evening() {
        let of = |text: &str| night(text.parse().unwrap());
        assert_eq!(of("2026-03-01T22:00:00Z").as_deref(), Some("2026-03-01"));
        assert_eq!(of("2026-03-02T05:59:59Z").as_deref(), Some("2026-03-01"));
        assert_eq!(of("2026-03-02T06:00:00Z"), None);
    }

    #[test]
    fn the_worst_ten_minutes_are_counted() {
        let mut tally = Tally::default();
        for second in [0, 60, 120, 900, 5000] {
            tally.count(&Said::Told(Timestamp::from_seconds(second)));
        }
        assert_eq!((tally.notices, tally.most), (5, 3));
    }
}
