//! Time as the samples tell it, so that a replay of last year's data gives last year's answers.
//!
//! UTC without leap seconds; text is RFC 3339 with a `Z`. Durations between stamps never go below
//! zero: clocks are set back in the field.

use core::fmt;
use core::ops::{Add, Sub};
use core::str::FromStr;
use core::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text;

/// Nanoseconds since 1970-01-01 00:00 UTC, without leap seconds; good until the year 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub struct Timestamp(i64);

/// A text that is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time such as 2026-01-02T03:04:05Z, between 1970 and 2262")]
pub struct BadTime(pub String);

impl Timestamp {
    /// The start of time as far as silkline knows.
    pub const EPOCH: Self = Self(0);

    /// The moment `nanos` nanoseconds after the epoch; before it is held at the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(if nanos < 0 { 0 } else { nanos })
    }

    /// The moment `seconds` seconds after the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_nanos(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// The time between, or zero when `earlier` is the later one: clocks are set back in the field.
    fn sub(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self::from_nanos(self.0.saturating_sub(nanos))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime(text.chars().take(40).collect());
        let stamp: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        let nanos = i64::try_from(stamp.as_nanosecond()).map_err(|_| bad())?;
        if nanos < 0 {
            Err(bad())
        } else {
            Ok(Self(nanos))
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::parsed(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back_keeps_the_nanosecond() {
        for text in ["2026-11-22T20:30:00Z", "2026-11-22T20:30:00.000000001Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        let zoned: Timestamp = "2026-11-22T20:30:00+04:00".parse().unwrap();
        assert_eq!(zoned.to_string(), "2026-11-22T16:30:00Z");
    }

    #[test]
    fn a_clock_set_back_makes_a_gap_of_zero() {
        let later = Timestamp::from_seconds(10);
        assert_eq!(Timestamp::from_seconds(3) - later, Duration::ZERO);
        assert_eq!(later - Timestamp::from_seconds(3), Duration::from_secs(7));
    }

    #[test]
    fn what_is_no_time_says_what_was_wanted() {
        for bad in [
            "yesterday",
            "2026-13-01T00:00:00Z",
            "1960-01-01T00:00:00Z",
            "",
        ] {
            let said = bad.parse::<Timestamp>().unwrap_err().to_string();
            assert!(said.contains("2026-01-02T03:04:05Z"), "{said}");
        }
    }
}
