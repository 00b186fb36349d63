//! A set of sequence numbers as closed ranges, kept normal: ascending, apart by at least one number.
//!
//! In memory it has no bound of its own; who keeps one says how many ranges it may have, and the wire
//! form refuses more than [`Ranges::MAX_ON_WIRE`].

use core::ops::RangeInclusive;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seq;

/// Numbers of a stream: on the wire `[[lo,hi],…]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<[u64; 2]>", into = "Vec<[u64; 2]>")]
#[schemars(with = "Vec<[u64; 2]>")]
pub struct Ranges(BTreeMap<u64, u64>);

/// A list that is not a set of ranges.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRanges {
    /// More than a message may carry.
    #[error("{0} ranges, want at most {max}", max = Ranges::MAX_ON_WIRE)]
    TooMany(usize),
    /// A range that is upside down or outside the numbers there are.
    #[error("[{0},{1}] is not a range of numbers from 1")]
    Form(u64, u64),
}

impl Ranges {
    /// The most ranges that one list on the wire carries.
    pub const MAX_ON_WIRE: usize = 256;

    /// No numbers.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds the numbers from `lo` to `hi`; nothing where `hi` is below `lo`.
    pub fn insert(&mut self, lo: Seq, hi: Seq) {
        let (mut lo, mut hi) = (lo.get(), hi.get());
        if hi < lo {
            return;
        }
        if let Some((&start, &end)) = self.0.range(..lo).next_back()
            && end >= lo - 1
        {
            lo = start;
            hi = hi.max(end);
        }
        while let Some((&start, &end)) = self.0.range(lo..=hi.saturating_add(1)).next() {
            self.0.remove(&start);
            hi = hi.max(end);
        }
        self.0.insert(lo, hi);
    }

    /// Takes out the numbers from `lo` to `hi`.
    pub fn remove(&mut self, lo: Seq, hi: Seq) {
        let (lo, hi) = (lo.get(), hi.get());
        if let Some((&start, &end)) = self.0.range(..lo).next_back()
            && end >= lo
        {
            self.0.insert(start, lo - 1);
            if end > hi {
                self.0.insert(hi + 1, end);
            }
        }
        while let Some((&start, &end)) = self.0.range(lo..=hi).next() {
            self.0.remove(&start);
            if end > hi {
                self.0.insert(hi + 1, end);
            }
        }
    }

    /// Takes out the lowest range and gives it.
    pub fn pop_first(&mut self) -> Option<(Seq, Seq)> {
        self.0.pop_first().map(|(lo, hi)| (Seq(lo), Seq(hi)))
    }

    /// Whether `seq` is among them.
    #[must_use]
    pub fn contains(&self, seq: Seq) -> bool {
        self.around(seq).is_some()
    }

    /// The range that holds `seq`.
    #[must_use]
    pub fn around(&self, seq: Seq) -> Option<(Seq, Seq)> {
        let (&lo, &hi) = self.0.range(..=seq.get()).next_back()?;
        (hi >= seq.get()).then_some((Seq(lo), Seq(hi)))
    }

    /// Whether all of `other` is among them.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|(lo, hi)| self.around(lo).is_some_and(|(_, end)| end >= hi))
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no number at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(lo, hi)| hi - lo + 1).sum()
    }

    /// How many numbers are among both: as quick as the shorter of the two lists allows.
    #[must_use]
    pub fn shared(&self, other: &Self) -> u64 {
        let (few, many) = if self.len() <= other.len() {
            (self, other)
        } else {
            (other, self)
        };
        let within = |(&lo, &hi): (&u64, &u64)| {
            let before = many.0.range(..lo).next_back();
            let first = before.map_or(0, |(_, end)| (end.min(&hi) + 1).saturating_sub(lo));
            let rest = many.0.range(lo..=hi);
            first
                + rest
                    .map(|(start, end)| end.min(&hi) - start + 1)
                    .sum::<u64>()
        };
        few.0.iter().map(within).sum()
    }

    /// The ranges, lowest first, as (first, last).
    pub fn iter(&self) -> impl Iterator<Item = (Seq, Seq)> + '_ {
        self.0.iter().map(|(&lo, &hi)| (Seq(lo), Seq(hi)))
    }

    /// Whether a number beside `lo..=hi` is among them, so that adding it opens no new range.
    #[must_use]
    pub fn touches(&self, lo: Seq, hi: Seq) -> bool {
        self.contains(hi.next()) || lo.previous().is_some_and(|before| self.contains(before))
    }

    /// The highest number, where there are no holes below it: the set is `1..=n`.
    #[must_use]
    pub fn whole(&self) -> Option<Seq> {
        match (self.0.len(), self.0.first_key_value()) {
            (1, Some((1, &hi))) => Some(Seq(hi)),
            _ => None,
        }
    }

    /// The numbers of `span` that are not among them.
    #[must_use]
    pub fn missing_in(&self, span: RangeInclusive<Seq>) -> Self {
        let mut missing = Self::new();
        missing.insert(*span.start(), *span.end());
        missing.without(self)
    }

    /// These numbers without those of `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::new();
        for (lo, hi) in self.iter() {
            rest.0.insert(lo.get(), hi.get());
            if let Some((start, end)) = other.around(lo) {
                rest.remove(start, end);
            }
            for (&start, &end) in other.0.range(lo.get()..=hi.get()) {
                rest.remove(Seq(start), Seq(end));
            }
        }
        rest
    }
}

impl TryFrom<Vec<[u64; 2]>> for Ranges {
    type Error = BadRanges;

    fn try_from(list: Vec<[u64; 2]>) -> Result<Self, BadRanges> {
        if list.len() > Self::MAX_ON_WIRE {
            return Err(BadRanges::TooMany(list.len()));
        }
        let mut ranges = Self::new();
        for [lo, hi] in list {
            match (Seq::new(lo), Seq::new(hi)) {
                (Some(first), Some(last)) if first <= last => ranges.insert(first, last),
                _ => return Err(BadRanges::Form(lo, hi)),
            }
        }
        Ok(ranges)
    }
}

impl From<Ranges> for Vec<[u64; 2]> {
    fn from(ranges: Ranges) -> Self {
        ranges.0.into_iter().map(|(lo, hi)| [lo, hi]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn seq(value: u64) -> Seq {
        Seq::new(value).unwrap()
    }

    fn set(ranges: &Ranges) -> BTreeSet<u64> {
        ranges
            .iter()
            .flat_map(|(lo, hi)| lo.get()..=hi.get())
            .collect()
    }

    fn of(numbers: &BTreeSet<u64>) -> Ranges {
        let mut ranges = Ranges::new();
        for &number in numbers {
            ranges.insert(seq(number), seq(number));
        }
        ranges
    }

    fn is_normal(ranges: &Ranges) -> bool {
        let list: Vec<_> = ranges.iter().collect();
        list.windows(2)
            .all(|pair| pair[0].1.get() + 1 < pair[1].0.get())
    }

    #[test]
    fn neighbours_become_one_range() {
        let mut ranges = Ranges::new();
        ranges.insert(seq(1), seq(2));
        ranges.insert(seq(5), seq(5));
        ranges.insert(seq(3), seq(4));
        assert_eq!(Vec::from(ranges.clone()), [[1, 5]]);
        assert_eq!(ranges.whole(), Some(seq(5)));
    }

    #[test]
    fn a_list_that_is_no_set_is_refused() {
        for bad in [
            "[[0,1]]",
            "[[3,2]]",
            "[[1,18446744073709551615]]",
            "[[1]]",
            "[[1,-2]]",
        ] {
            assert!(serde_json::from_str::<Ranges>(bad).is_err(), "{bad}");
        }
        let many: Vec<[u64; 2]> = (0..257).map(|n| [2 * n + 1, 2 * n + 1]).collect();
        assert_eq!(Ranges::try_from(many), Err(BadRanges::TooMany(257)));
    }

    #[test]
    fn the_last_number_is_no_special_case() {
        let mut ranges = Ranges::new();
        ranges.insert(seq(5), Seq::MAX);
        assert!(ranges.contains(Seq::MAX));
        ranges.remove(Seq::MAX, Seq::MAX);
        assert!(!ranges.contains(Seq::MAX));
    }

    proptest! {
        #[test]
        fn ranges_are_a_set_of_numbers(steps in prop::collection::vec((any::<bool>(), 1_u64..60, 0_u64..12), 0..40)) {
            let (mut ranges, mut model) = (Ranges::new(), BTreeSet::new());
            for (add, lo, more) in steps {
                let span = lo..=lo + more;
                if add {
                    ranges.insert(seq(lo), seq(lo + more));
                    model.extend(span);
                } else {
                    ranges.remove(seq(lo), seq(lo + more));
                    model.retain(|number| !span.contains(number));
                }
                prop_assert_eq!(set(&ranges), model.clone());
                prop_assert!(is_normal(&ranges));
                prop_assert_eq!(ranges.count(), model.len() as u64);
            }
            let json = serde_json::to_string(&ranges).unwrap();
            prop_assert_eq!(serde_json::from_str::<Ranges>(&json).unwrap(), ranges);
        }

        #[test]
        fn differences_and_cover_are_those_of_sets(
            left in prop::collection::btree_set(1_u64..40, 0..30),
            right in prop::collection::btree_set(1_u64..40, 0..30),
        ) {
            let (a, b) = (of(&left), of(&right));
            let rest = a.without(&b);
            prop_assert_eq!(set(&rest), &left - &right);
            prop_assert!(is_normal(&rest));
            prop_assert_eq!(a.covers(&b), right.is_subset(&left));
            prop_assert_eq!(a.shared(&b), left.intersection(&right).count() as u64);
            let missing: BTreeSet<u64> = (5..=20).filter(|number| !left.contains(number)).collect();
            prop_assert_eq!(set(&a.missing_in(seq(5)..=seq(20))), missing);
        }
    }
}
