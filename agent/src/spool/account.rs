//! What became of every record, by kind: the spool's books, which always add up.
//!
//! ```text
//!   found + taken + taken back  =  delivered + dropped + waiting        kind by kind
//! ```
//!
//! `found` waited in the file at the start, so the books of one run begin where those of the last one
//! ended, however that one ended. `taken back` is what a collector restored from a backup asks for
//! again. Pure.

use core::ops::{AddAssign, Mul, Sub};

use silkline_protocol::delivery::sender::Class;
use silkline_protocol::delivery::{Ranges, Seq};

/// Numbers of records, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Gap records.
    pub gaps: u64,
    /// Events, and what devices say of themselves.
    pub events: u64,
    /// Traces.
    pub traces: u64,
    /// Plain samples.
    pub samples: u64,
}

/// What became of records since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Records that waited in the file at the start.
    pub found: Counts,
    /// Records taken in.
    pub taken: Counts,
    /// Records that a collector had committed and asks for again.
    pub taken_back: Counts,
    /// Records that a collector has committed.
    pub delivered: Counts,
    /// Records let go of before a collector had committed them.
    pub dropped: Counts,
}

/// Which records of a stream are no plain samples: few, and mostly side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    gaps: Ranges,
    events: Ranges,
    traces: Ranges,
}

impl Counts {
    /// Each number with the word for its kind.
    #[must_use]
    pub const fn by_kind(&self) -> [(&'static str, u64); 4] {
        [
            ("gap", self.gaps),
            ("event", self.events),
            ("trace", self.traces),
            ("sample", self.samples),
        ]
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.gaps + self.events + self.traces + self.samples
    }

    /// One record of a class.
    #[must_use]
    pub const fn one(class: Class) -> Self {
        let mut counts = Self {
            gaps: 0,
            events: 0,
            traces: 0,
            samples: 0,
        };
        match class {
            Class::Gap => counts.gaps = 1,
            Class::Event => counts.events = 1,
            Class::Trace => counts.traces = 1,
            Class::Sample => counts.samples = 1,
        }
        counts
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.gaps += more.gaps;
        self.events += more.events;
        self.traces += more.traces;
        self.samples += more.samples;
    }
}

impl Mul<usize> for Counts {
    type Output = Self;

    /// Each number so many times.
    fn mul(self, times: usize) -> Self {
        let times = times as u64;
        Self {
            gaps: self.gaps * times,
            events: self.events * times,
            traces: self.traces * times,
            samples: self.samples * times,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    /// Less `other`, which is never more; zero where it were.
    fn sub(self, other: Self) -> Self {
        Self {
            gaps: self.gaps.saturating_sub(other.gaps),
            events: self.events.saturating_sub(other.events),
            traces: self.traces.saturating_sub(other.traces),
            samples: self.samples.saturating_sub(other.samples),
        }
    }
}

impl Account {
    /// What must be waiting, by the books.
    #[must_use]
    pub fn waiting(&self) -> Counts {
        let mut come = self.found;
        come += self.taken;
        come += self.taken_back;
        come - self.delivered - self.dropped
    }
}

impl Kinds {
    /// A record of this class has this number.
    pub(super) fn note(&mut self, class: Class, seq: Seq) {
        match class {
            Class::Gap => self.gaps.insert(seq, seq),
            Class::Event => self.events.insert(seq, seq),
            Class::Trace => self.traces.insert(seq, seq),
            Class::Sample => {}
        }
    }

    /// The records from `lo` to `hi` are gone.
    pub(super) fn forget(&mut self, lo: Seq, hi: Seq) {
        for ranges in [&mut self.gaps, &mut self.events, &mut self.traces] {
            if !ranges.is_empty() {
                ranges.remove(lo, hi);
            }
        }
    }

    /// How many of `some` are of each kind.
    pub(super) fn count(&self, some: &Ranges) -> Counts {
        let [gaps, events, traces] =
            [&self.gaps, &self.events, &self.traces].map(|kind| kind.shared(some));
        Counts {
            gaps,
            events,
            traces,
            samples: some.count().saturating_sub(gaps + events + traces),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[[u64; 2]]) -> Ranges {
        list.to_vec().try_into().unwrap()
    }

    #[test]
    fn every_number_is_of_one_kind() {
        let mut kinds = Kinds::default();
        for (class, seq) in [
            (Class::Event, 2),
            (Class::Event, 3),
            (Class::Trace, 7),
            (Class::Gap, 9),
        ] {
            kinds.note(class, Seq::new(seq).unwrap());
        }
        let wanted = Counts {
            gaps: 0,
            events: 1,
            traces: 1,
            samples: 4,
        };
        assert_eq!(kinds.count(&ranges(&[[3, 8]])), wanted);
        kinds.forget(Seq::new(7).unwrap(), Seq::new(8).unwrap());
        assert_eq!(kinds.count(&ranges(&[[7, 7]])), Counts::one(Class::Sample));
        assert_eq!(kinds.count(&Ranges::new()).total(), 0);
    }
}
