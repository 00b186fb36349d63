//! The readings of one poll: the names of the points, which all polls of a device share, and what each
//! brought.
//!
//! A hut polls thousands of points a second that are called the same every time. What is shared lies in one
//! place and is never copied: that is most of what a poll costs and of what the agent weighs.

use core::iter::Zip;
use core::slice;
use std::collections::BTreeMap;
use std::sync::Arc;

use silkline_protocol::id::PointName;
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::Taken;

/// The points of a poll, in the order of their names.
#[derive(Debug, PartialEq, Eq)]
pub struct Points {
    names: Vec<PointName>,
    /// How each begins in a sample's JSON: `{"gain":` for the first, `,"in_power":` for others.
    heads: Vec<u8>,
    /// Where each of these ends.
    ends: Vec<usize>,
}

/// What a poll took, by point.
#[derive(Clone, Debug, PartialEq)]
pub struct Readings {
    points: Arc<Points>,
    taken: Vec<Taken>,
}

/// The readings of a driver that learns from each answer which points there are.
pub type ByName = BTreeMap<PointName, Taken>;

/// A sample whose names are shared: what travels is a [`Sample`].
#[derive(Clone, Debug, PartialEq)]
pub struct Compact {
    /// When the device answered.
    pub at: Timestamp,
    points: Arc<Points>,
    readings: Vec<Reading>,
}

impl Points {
    /// The points of these names.
    ///
    /// # Shape
    ///
    /// In the order of the names, each once.
    #[must_use]
    pub fn new(names: Vec<PointName>) -> Self {
        let (mut heads, mut ends) = (Vec::new(), Vec::with_capacity(names.len()));
        for (at, name) in names.iter().enumerate() {
            heads.push(if at == 0 { b'{' } else { b',' });
            heads.push(b'"');
            // A name has no letter that JSON would write otherwise.
            heads.extend(name.as_str().as_bytes());
            heads.extend(b"\":");
            ends.push(heads.len());
        }
        heads.shrink_to_fit();
        Self { names, heads, ends }
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[PointName] {
        &self.names
    }

    fn heads(&self) -> impl Iterator<Item = &[u8]> {
        let begins = core::iter::once(&0).chain(&self.ends);
        let spans = begins.zip(&self.ends);
        spans.filter_map(|(begin, end)| self.heads.get(*begin..*end))
    }
}

impl Readings {
    /// What was taken of `points`, in the same order.
    #[must_use]
    pub const fn new(points: Arc<Points>, taken: Vec<Taken>) -> Self {
        Self { points, taken }
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Arc::new(Points::new(Vec::new())), Vec::new())
    }

    /// What was taken of a point.
    #[must_use]
    pub fn get(&self, name: &PointName) -> Option<&Taken> {
        let at = self.points.names.binary_search(name).ok()?;
        self.taken.get(at)
    }

    /// How many points there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether there is no point.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// What was taken, in the order of the names.
    pub fn values(&self) -> impl Iterator<Item = &Taken> {
        self.taken.iter()
    }

    /// Each point with what was taken of it.
    pub fn iter(&self) -> impl Iterator<Item = (&PointName, &Taken)> {
        self.points.names.iter().zip(&self.taken)
    }

    /// These and `others`, which count where both have a point.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let all = self.iter().chain(others);
        let all: ByName = all.map(|(name, taken)| (name.clone(), *taken)).collect();
        all.into()
    }

    /// The sample that they make.
    #[must_use]
    pub fn sample(self, at: Timestamp) -> Compact {
        let readings = self.taken.iter().map(|taken| taken.reading);
        Compact {
            at,
            readings: readings.collect(),
            points: self.points,
        }
    }
}

impl From<ByName> for Readings {
    fn from(some: ByName) -> Self {
        let (names, taken) = some.into_iter().unzip();
        Self::new(Arc::new(Points::new(names)), taken)
    }
}

impl<const N: usize> From<[(PointName, Taken); N]> for Readings {
    fn from(some: [(PointName, Taken); N]) -> Self {
        ByName::from(some).into()
    }
}

impl<'a> IntoIterator for &'a Readings {
    type Item = (&'a PointName, &'a Taken);
    type IntoIter = Zip<slice::Iter<'a, PointName>, slice::Iter<'a, Taken>>;

    fn into_iter(self) -> Self::IntoIter {
        self.points.names.iter().zip(&self.taken)
    }
}

impl Compact {
    /// The same as `sample`.
    #[must_use]
    pub fn of(sample: Sample) -> Self {
        let (names, readings) = sample.readings.into_iter().unzip();
        Self {
            at: sample.at,
            points: Arc::new(Points::new(names)),
            readings,
        }
    }

    /// The sample.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample {
            at: self.at,
            readings: self.by_name().collect(),
        }
    }

    /// The points, for whoever wants to know whether they are the same as before.
    #[must_use]
    pub const fn points(&self) -> &Arc<Points> {
        &self.points
    }

    /// The readings, in the order of the points.
    #[must_use]
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Each point with its reading.
    pub fn by_name(&self) -> impl Iterator<Item = (PointName, Reading)> {
        let names = self.points.names.iter().cloned();
        names.zip(self.readings.iter().copied())
    }

    /// What travels: byte for byte that of the [`Sample`].
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        // A number takes some five bytes.
        let mut payload =
            Vec::with_capacity(self.points.heads.len() + 8 * self.readings.len() + 64);
        payload.extend(b"{\"at\":\"");
        payload.extend(self.at.to_string().into_bytes());
        payload.extend(b"\",\"readings\":");
        for (head, reading) in self.points.heads().zip(&self.readings) {
            payload.extend(head);
            // Writing to memory fails only where there is none.
            let _ = serde_json::to_writer(&mut payload, reading);
        }
        payload.extend(if self.readings.is_empty() {
            b"{}}".as_slice()
        } else {
            b"}}"
        });
        payload
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use silkline_protocol::codec;
    use silkline_protocol::sample::BadReading;

    use super::*;

    fn compact(readings: &[(&str, Reading)]) -> Compact {
        let readings = readings.iter();
        Compact::of(Sample {
            at: Timestamp::from_nanos(1_760_000_000_123_456_789),
            readings: readings
                .map(|(name, reading)| (name.parse().unwrap(), *reading))
                .collect(),
        })
    }

    #[test]
    fn what_travels_is_that_of_the_sample_byte_for_byte() {
        let odd = [
            ("in_power.1", Reading::Value(-17.25)),
            ("gain", Reading::Value(3e-7)),
            ("rx.a-b", Reading::Dark),
            ("temp", Reading::Bad(BadReading::OutOfRange)),
        ];
        for readings in [&odd[..], &odd[..1], &[]] {
            let compact = compact(readings);
            assert_eq!(compact.payload(), codec::to_json(&compact.sample()));
        }
    }

    #[test]
    fn readings_are_found_by_name_in_whatever_order_they_came() {
        let taken = |value| Taken {
            raw: None,
            reading: Reading::Value(value),
        };
        let name = |name: &str| name.parse::<PointName>().unwrap();
        let some: Readings = [(name("b"), taken(2.0)), (name("a"), taken(1.0))].into();
        assert_eq!(some.get(&name("a")), Some(&taken(1.0)));
        assert_eq!(some.get(&name("c")), None);
        assert_eq!((some.len(), Readings::none().len()), (2, 0));
        let sample = some.sample(Timestamp::EPOCH);
        assert_eq!(
            sample.readings(),
            [Reading::Value(1.0), Reading::Value(2.0)]
        );
    }

    proptest! {
        #[test]
        fn any_number_travels_as_it_does_in_a_sample(value in any::<f64>()) {
            let compact = compact(&[("a", Reading::of(value)), ("b", Reading::of(-value))]);
            prop_assert_eq!(compact.payload(), codec::to_json(&compact.sample()));
        }
    }
}
