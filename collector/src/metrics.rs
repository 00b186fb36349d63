//! Counters of every stage: what came in, what went out, what was dropped and why. The three add up.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A counter for each word of a reason or kind.
pub type ByWord = Family<Word, Counter>;

/// The label of [`ByWord`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Word {
    /// The word.
    pub kind: &'static str,
}

/// The counters of a notice channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Channel {
    /// The channel's name in the settings.
    pub channel: String,
}

/// The kinds of mistake for which a message is set aside.
const QUARANTINED: &[&str] = &["topic", "properties", "version", "too_large", "payload"];

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Messages that the broker delivered.
    pub ingest_in: Counter,
    /// Messages handed to the commit task.
    pub ingest_out: Counter,
    /// Messages that met a full queue (`queue_full`) or belong to nobody here (`not_ours`).
    pub ingest_dropped: ByWord,
    /// Messages that the commit task took on.
    pub commit_in: Counter,
    /// Messages committed, by kind: `sample`, `trace`, `event`, `about`, `gap`, `status`.
    pub commit_out: ByWord,
    /// Messages set aside, by kind of mistake.
    pub commit_quarantined: ByWord,
    /// Messages neither stored nor set aside: `repeat`, `ranges`, `streams`.
    pub commit_dropped: ByWord,
    /// Numbers that agents named as lost for good.
    pub lost: Counter,
    /// Numbers named as lost whose record came after all.
    pub found: Counter,
    /// Transactions.
    pub commits: Counter,
    /// How long the newest transaction took, in seconds.
    pub commit_seconds: Gauge<f64, AtomicU64>,
    /// Samples moved from rows of their own into chunks.
    pub sealed: Counter,
    /// Quarantined messages and old rows deleted, by kind: `quarantine`, `sample`, `trace`, `record`.
    pub deleted: ByWord,
    /// Rows that the forwarder read, by kind: `sample`, `incident`.
    pub forward_in: ByWord,
    /// Rows that the database took.
    pub forward_out: ByWord,
    /// Lines left out because the database refused them.
    pub forward_dropped: ByWord,
    /// Requests to the database that failed and will be made again.
    pub forward_failed: Counter,
    /// Numbers between the newest row and the forwarder's cursor.
    pub forward_behind: Gauge,
    /// Notices delivered, by channel.
    pub notices_sent: Family<Channel, Counter>,
    /// Vain tries to deliver a notice, by channel.
    pub notices_failed: Family<Channel, Counter>,
    /// Notices given up, by channel.
    pub notices_dropped: Family<Channel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero. Those of families that an alert watches show themselves from the start:
    /// one that first appears with its first count has not risen, as Prometheus sees it.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self::unseen();
        let watched: [(&ByWord, &[&'static str]); 3] = [
            (&metrics.ingest_dropped, &["queue_full"]),
            (&metrics.commit_quarantined, QUARANTINED),
            (&metrics.forward_dropped, &["refused_lines"]),
        ];
        for (family, words) in watched {
            for &word in words {
                count_many(family, word, 0);
            }
        }
        metrics
    }

    /// Shows the counters of a channel before anything is told by it.
    pub fn watch_channel(&self, channel: &str) {
        for family in [
            &self.notices_sent,
            &self.notices_failed,
            &self.notices_dropped,
        ] {
            let channel = channel.to_owned();
            drop(family.get_or_create(&Channel { channel }));
        }
    }

    fn unseen() -> Self {
        let mut registry = Registry::with_prefix("silkline");
        let of = &mut registry;
        Self {
            ingest_in: counter(of, "ingest_in", "Messages that the broker delivered"),
            ingest_out: counter(of, "ingest_out", "Messages handed to the commit task"),
            ingest_dropped: family(of, "ingest_dropped", "Messages dropped before that"),
            commit_in: counter(of, "commit_in", "Messages that the commit task took on"),
            commit_out: family(of, "commit_out", "Messages committed"),
            commit_quarantined: family(of, "commit_quarantined", "Messages set aside"),
            commit_dropped: family(
                of,
                "commit_dropped",
                "Messages neither stored nor set aside",
            ),
            lost: counter(of, "lost", "Records that agents named as lost for good"),
            found: counter(of, "found", "Records named as lost that came after all"),
            commits: counter(of, "commits", "Transactions"),
            commit_seconds: gauge(of, "commit_seconds", "Duration of the newest transaction"),
            sealed: counter(of, "sealed", "Samples compressed into chunks"),
            deleted: family(of, "deleted", "Rows deleted for age or room"),
            forward_in: family(of, "forward_in", "Rows that the forwarder read"),
            forward_out: family(of, "forward_out", "Rows that the database took"),
            forward_dropped: family(of, "forward_dropped", "Lines that the database refused"),
            forward_failed: counter(of, "forward_failed", "Failed requests to the database"),
            forward_behind: gauge(of, "forward_behind", "Numbers not yet in the database"),
            notices_sent: channels(of, "notices_sent", "Notices delivered"),
            notices_failed: channels(of, "notices_failed", "Vain tries to deliver a notice"),
            notices_dropped: channels(of, "notices_dropped", "Notices given up"),
            registry,
        }
    }

    /// All counters in the text form of OpenMetrics.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn gauge<N, A>(registry: &mut Registry, name: &str, help: &str) -> Gauge<N, A>
where
    Gauge<N, A>: Clone + Default + prometheus_client::registry::Metric,
{
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn family(registry: &mut Registry, name: &str, help: &str) -> ByWord {
    let family = ByWord::default();
    registry.register(name, help, family.clone());
    family
}

fn channels(registry: &mut Registry, name: &str, help: &str) -> Family<Channel, Counter> {
    let family = Family::<Channel, Counter>::default();
    registry.register(name, help, family.clone());
    family
}

/// Adds one to the counter of `kind`.
pub fn count(family: &ByWord, kind: &'static str) {
    count_many(family, kind, 1);
}

/// Adds `many` to the counter of `kind`.
pub fn count_many(family: &ByWord, kind: &'static str, many: u64) {
    family.get_or_create(&Word { kind }).inc_by(many);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.ingest_in.inc();
        count_many(&metrics.commit_out, "sample", 3);
        let text = metrics.encode();
        assert!(text.contains("silkline_ingest_in_total 1"), "{text}");
        assert!(
            text.contains("silkline_commit_out_total{kind=\"sample\"} 3"),
            "{text}"
        );
    }

    #[test]
    fn what_an_alert_watches_stands_at_zero_before_it_rises() {
        let metrics = Metrics::new();
        metrics.watch_channel("shift");
        let text = metrics.encode();
        for counter in [
            "ingest_dropped_total{kind=\"queue_full\"} 0",
            "commit_quarantined_total{kind=\"payload\"} 0",
            "forward_dropped_total{kind=\"refused_lines\"} 0",
            "notices_failed_total{channel=\"shift\"} 0",
            "notices_dropped_total{channel=\"shift\"} 0",
        ] {
            assert!(
                text.contains(&format!("silkline_{counter}")),
                "{counter}: {text}"
            );
        }
    }
}
