//! A sample's readings as the hot store keeps them: nothing but numbers.
//!
//! ```text
//!   reading  = point (u32, little endian)  kind (u8)  [ value (f64, little endian) where kind = 0 ]
//!   kind     = 0 value, 1 dark, 2.. the reasons of `BadReading` in the order of `BAD`
//! ```
//!
//! Points are referred to by number (`point.ref`), so a row of 40 readings takes 520 bytes, and a
//! series is read without parsing any text. A kind that this code does not know reads as
//! [`BadReading::Unknown`].

use silkline_protocol::sample::{BadReading, Reading};

/// The number by which a point is known in one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointRef(pub u32);

/// Bytes of a reading at most.
const MOST: usize = 13;

const VALUE: u8 = 0;
const DARK: u8 = 1;
const FIRST_BAD: u8 = 2;

/// The order is that of the file: append only.
const BAD: [BadReading; 8] = [
    BadReading::Timeout,
    BadReading::Unreachable,
    BadReading::Refused,
    BadReading::Garbled,
    BadReading::OutOfRange,
    BadReading::NotSupported,
    BadReading::Invalid,
    BadReading::Unknown,
];

/// The stored form of `readings`.
#[must_use]
pub fn encode(readings: impl IntoIterator<Item = (PointRef, Reading)>) -> Vec<u8> {
    let readings = readings.into_iter();
    let mut bytes = Vec::with_capacity(readings.size_hint().0 * MOST);
    for (point, reading) in readings {
        bytes.extend(point.0.to_le_bytes());
        match reading {
            Reading::Value(value) => {
                bytes.push(VALUE);
                bytes.extend(value.to_le_bytes());
            }
            Reading::Dark | Reading::Bad(_) => bytes.push(kind(reading)),
        }
    }
    bytes
}

/// The readings in `bytes`, in their order; what is cut off at the end is left out.
pub fn decode(bytes: &[u8]) -> impl Iterator<Item = (PointRef, Reading)> + '_ {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (point, tail) = rest.split_first_chunk::<4>()?;
        let (kind, tail) = tail.split_first()?;
        let (reading, tail) = match *kind {
            VALUE => {
                let (value, tail) = tail.split_first_chunk::<8>()?;
                (Reading::of(f64::from_le_bytes(*value)), tail)
            }
            kind => (of_kind(kind), tail),
        };
        rest = tail;
        Some((PointRef(u32::from_le_bytes(*point)), reading))
    })
}

/// The kind of `reading`.
pub(in crate::store) fn kind(reading: Reading) -> u8 {
    match reading {
        Reading::Value(_) => VALUE,
        Reading::Dark => DARK,
        Reading::Bad(bad) => {
            let at = BAD.iter().position(|known| *known == bad);
            let at = at.and_then(|at| u8::try_from(at).ok());
            FIRST_BAD.saturating_add(at.unwrap_or(u8::MAX))
        }
    }
}

/// A reading of a kind that has no value.
pub(in crate::store) fn of_kind(kind: u8) -> Reading {
    if kind == DARK {
        return Reading::Dark;
    }
    let at = usize::from(kind.saturating_sub(FIRST_BAD));
    Reading::Bad(BAD.get(at).copied().unwrap_or(BadReading::Unknown))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading() -> impl Strategy<Value = Reading> {
        prop_oneof![
            any::<f64>().prop_map(Reading::of),
            Just(Reading::Dark),
            (0..BAD.len()).prop_map(|at| Reading::Bad(BAD[at])),
        ]
    }

    proptest! {
        #[test]
        fn what_is_stored_reads_back(list in prop::collection::vec((any::<u32>(), reading()), 0..50)) {
            let list: Vec<_> = list.into_iter().map(|(point, r)| (PointRef(point), r)).collect();
            let back: Vec<_> = decode(&encode(list.clone())).collect();
            prop_assert_eq!(back, list);
        }

        #[test]
        fn any_bytes_give_readings_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for (_, reading) in decode(&bytes) {
                if let Reading::Value(value) = reading {
                    prop_assert!(value.is_finite());
                }
            }
        }
    }

    #[test]
    fn the_numbers_of_the_reasons_never_change() {
        let stored = encode([
            (PointRef(1), Reading::Value(1.0)),
            (PointRef(2), Reading::Dark),
            (PointRef(0x0102_0304), Reading::Bad(BadReading::Timeout)),
            (PointRef(4), Reading::Bad(BadReading::Unknown)),
        ]);
        let golden = [
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, // a value
            2, 0, 0, 0, 1, // dark
            4, 3, 2, 1, 2, // the first reason
            4, 0, 0, 0, 9, // the last
        ];
        assert_eq!(stored, golden);
    }
}
