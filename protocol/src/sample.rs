//! What a poll of one device brought: every reading under one timestamp, each a value or the
//! reason there is none.

use core::fmt;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::id::PointName;
use crate::time::Timestamp;

/// One poll of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When the device answered, by the agent's clock.
    pub at: Timestamp,
    /// What it said, point by point.
    #[serde(deserialize_with = "in_order")]
    pub readings: BTreeMap<PointName, Reading>,
}

/// The value of a point at a time, or why there is none.
///
/// On the wire a number, the word `"dark"`, or `{"bad": reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(into = "WireReading")]
#[schemars(with = "WireReading")]
pub enum Reading {
    /// A finite number in the unit that the device's `about` states for the point.
    Value(f64),
    /// A light meter that sees no light: below its range or its loss-of-signal threshold.
    Dark,
    /// No value, and why.
    Bad(BadReading),
}

/// Why a reading has no value.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BadReading {
    /// The device did not answer in time.
    Timeout,
    /// The connection could not be made or broke.
    Unreachable,
    /// The device answered with an error of its protocol.
    Refused,
    /// The answer could not be understood.
    Garbled,
    /// The answer is a number that this point can't have.
    OutOfRange,
    /// The device says it does not know this point.
    NotSupported,
    /// The device marks the value itself as bad or not ready.
    Invalid,
    /// A reason that a newer sender knows and this reader does not.
    #[serde(other)]
    Unknown,
}

/// The form on the wire; it is read by hand, since a collector reads hundreds of thousands a second.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
enum WireReading {
    Value(f64),
    Word(Word),
    Bad { bad: BadReading },
}

/// What says that there is no value.
#[derive(Deserialize)]
struct NoValue {
    bad: BadReading,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Dark,
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneReading)
    }
}

/// Reads one reading.
struct OneReading;

impl<'de> Visitor<'de> for OneReading {
    type Value = Reading;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"dark\" or {\"bad\": reason}")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Reading, E> {
        Ok(Reading::of(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Reading, E> {
        Ok(Reading::of(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Reading, E> {
        Ok(Reading::of(value as f64))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Reading, E> {
        let Word::Dark = Word::deserialize(StrDeserializer::new(word))?;
        Ok(Reading::Dark)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reading, A::Error> {
        let NoValue { bad } = NoValue::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Reading::Bad(bad))
    }
}

/// Readings of a sample. Senders write them in order, and what is in order makes a map at once.
fn in_order<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<PointName, Reading>, D::Error> {
    from.deserialize_map(AllReadings)
}

/// Reads all readings of a sample; of a point that is there twice the last one counts.
struct AllReadings;

impl<'de> Visitor<'de> for AllReadings {
    type Value = BTreeMap<PointName, Reading>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = map.next_entry()? {
            all.push(one);
        }
        Ok(all.into_iter().collect())
    }
}

impl From<Reading> for WireReading {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Value(value) => Self::Value(value),
            Reading::Dark => Self::Word(Word::Dark),
            Reading::Bad(bad) => Self::Bad { bad },
        }
    }
}

impl Reading {
    /// The reading of `value`; what is not finite is [`BadReading::Garbled`].
    #[must_use]
    pub const fn of(value: f64) -> Self {
        if value.is_finite() {
            Self::Value(value)
        } else {
            Self::Bad(BadReading::Garbled)
        }
    }

    /// The number, where there is one.
    #[must_use]
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Dark | Self::Bad(_) => None,
        }
    }

    /// Whether a light meter saw no light.
    #[must_use]
    pub const fn is_dark(self) -> bool {
        matches!(self, Self::Dark)
    }

    /// Whether the device gave an answer at all for this point.
    #[must_use]
    pub const fn is_good(self) -> bool {
        !matches!(self, Self::Bad(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_the_one_of_the_contract() {
        let text = r#"{"at":"2026-01-02T03:04:05Z","readings":{"in_power":-17.2,"pump_bias":{"bad":"timeout"},"rx":"dark"}}"#;
        let sample: Sample = serde_json::from_str(text).unwrap();
        assert_eq!(
            sample.readings[&"rx".parse::<PointName>().unwrap()],
            Reading::Dark
        );
        assert_eq!(serde_json::to_string(&sample).unwrap(), text);
    }

    #[test]
    fn whole_numbers_are_numbers_and_other_words_are_none() {
        let read = |text: &str| serde_json::from_str::<Reading>(text);
        assert_eq!(read("-17").unwrap(), Reading::Value(-17.0));
        assert_eq!(read("412").unwrap(), Reading::Value(412.0));
        let later = r#"{"since":3,"bad":"refused"}"#;
        assert_eq!(read(later).unwrap(), Reading::Bad(BadReading::Refused));
        for wrong in ["\"bright\"", "null", "true", "{}", "[]"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_a_point_that_is_there_twice_the_last_reading_counts() {
        let text = r#"{"at":"2026-01-02T03:04:05Z","readings":{"b":1,"a":2,"b":3}}"#;
        let sample: Sample = serde_json::from_str(text).unwrap();
        let read: Vec<_> = sample
            .readings
            .iter()
            .map(|(p, r)| (p.as_str(), *r))
            .collect();
        assert_eq!(
            read,
            [("a", Reading::Value(2.0)), ("b", Reading::Value(3.0))]
        );
    }

    #[test]
    fn an_unknown_reason_is_still_a_reason() {
        let reading: Reading = serde_json::from_str(r#"{"bad":"eaten_by_mice"}"#).unwrap();
        assert_eq!(reading, Reading::Bad(BadReading::Unknown));
    }

    #[test]
    fn no_number_that_is_not_finite_gets_in() {
        assert_eq!(Reading::of(f64::NAN), Reading::Bad(BadReading::Garbled));
        assert!(serde_json::from_str::<Reading>("1e999").is_err());
    }
}
