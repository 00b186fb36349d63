//! What one step counted; it counts only once the step is stored.

use std::collections::BTreeMap;

use silkline_protocol::delivery::receiver::{Shed, Verdict};

use crate::metrics::{Metrics, count_many};

/// Counts of one step: what was taken is stored, set aside or dropped, each for a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages taken on.
    pub taken: u64,
    /// Stored, by kind.
    pub stored: BTreeMap<&'static str, u64>,
    /// Set aside, by kind of mistake.
    pub quarantined: BTreeMap<&'static str, u64>,
    /// Neither, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Numbers closed as lost.
    pub lost: u64,
    /// Lost numbers whose record came after all.
    pub found: u64,
}

impl Tally {
    /// Whether a record with `verdict` goes on; counted as dropped if not.
    pub(super) fn passes(&mut self, verdict: Verdict) -> bool {
        let why = match verdict {
            Verdict::New => return true,
            Verdict::Repeat => "repeat",
            Verdict::Shed(Shed::Ranges) => "ranges",
            Verdict::Shed(Shed::Streams) => "streams",
        };
        *self.dropped.entry(why).or_default() += 1;
        false
    }

    pub(super) fn stored(&mut self, kind: &'static str) {
        *self.stored.entry(kind).or_default() += 1;
    }

    pub(super) fn quarantined(&mut self, kind: &'static str) {
        *self.quarantined.entry(kind).or_default() += 1;
    }

    pub(super) fn ignored(&mut self) {
        *self.dropped.entry("not_a_record").or_default() += 1;
    }

    /// Adds these counts to the program's.
    pub(super) fn count(&self, metrics: &Metrics) {
        metrics.commit_in.inc_by(self.taken);
        metrics.lost.inc_by(self.lost);
        metrics.found.inc_by(self.found);
        let families = [
            (&metrics.commit_out, &self.stored),
            (&metrics.commit_quarantined, &self.quarantined),
            (&metrics.commit_dropped, &self.dropped),
        ];
        for (family, counts) in families {
            for (kind, many) in counts {
                count_many(family, kind, *many);
            }
        }
    }
}
