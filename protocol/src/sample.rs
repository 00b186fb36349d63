//! What a poll of one device brought: every reading under one timestamp, each a value or the
//! reason there is none.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::PointName;
use crate::time::Timestamp;

/// One poll of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When the device answered, by the agent's clock.
    pub at: Timestamp,
    /// What it said, point by point.
    pub readings: BTreeMap<PointName, Reading>,
}

/// The value of a point at a time, or why there is none.
///
/// On the wire a number, the word `"dark"`, or `{"bad": reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WireReading", into = "WireReading")]
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

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum WireReading {
    Value(f64),
    Word(Word),
    Bad { bad: BadReading },
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Dark,
}

impl From<WireReading> for Reading {
    fn from(wire: WireReading) -> Self {
        match wire {
            WireReading::Value(value) => Self::of(value),
            WireReading::Word(Word::Dark) => Self::Dark,
            WireReading::Bad { bad } => Self::Bad(bad),
        }
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
