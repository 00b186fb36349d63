//! Light gone: the one finding that must never wait.
//!
//! ```text
//!   unknown ──lit──► lit ──dark──► dark        bad readings change nothing;
//!      └──────dark─────────────────►│          the first dark reading counts
//!                        ▲◄──lit────┘
//! ```

use serde::{Deserialize, Serialize};
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::Dbm;

use super::{Change, Severity};

/// Below this a meter shows its own noise: no amplifier input in service is anywhere near.
pub const NO_LIGHT: f64 = -45.0;

/// Watches one light meter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dark {
    light: Light,
    /// The newest reading that tells.
    at: Timestamp,
    /// Since when it is as it is.
    since: Timestamp,
}

/// What a light meter sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// Light.
    Lit,
    /// None.
    Dark,
}

impl Light {
    /// What a reading says of the light; nothing where it is no answer.
    #[must_use]
    pub fn of(reading: Reading) -> Option<Self> {
        match reading {
            Reading::Dark => Some(Self::Dark),
            Reading::Value(value) if Dbm::of(value) < Dbm::of(NO_LIGHT) => Some(Self::Dark),
            Reading::Value(_) => Some(Self::Lit),
            Reading::Bad(_) => None,
        }
    }
}

impl Dark {
    /// Takes a reading of `at`.
    pub fn reading(&mut self, reading: Reading, at: Timestamp) -> Option<Change> {
        let light = Light::of(reading)?;
        // As a rule nothing has changed, and then nobody wants words.
        if light == self.light {
            self.at = at;
            return None;
        }
        self.judged(light, at, (at, "no light".to_owned()))
    }

    /// Takes what somebody who knows more than the meter says of a reading of `at`: for how long
    /// it has been so, and in which words.
    pub fn judged(
        &mut self,
        light: Light,
        at: Timestamp,
        (from, detail): (Timestamp, String),
    ) -> Option<Change> {
        self.at = at;
        let before = core::mem::replace(&mut self.light, light);
        if before == light {
            return None;
        }
        self.since = from;
        match (before, light) {
            (_, Light::Dark) => Some(Change::Began {
                from,
                severity: Severity::Critical,
                detail,
            }),
            (Light::Dark, Light::Lit) => Some(Change::Ended { to: at }),
            (_, Light::Lit | Light::Unknown) => None,
        }
    }

    /// What the meter sees.
    #[must_use]
    pub const fn light(&self) -> Light {
        self.light
    }

    /// When it last said so.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Since when it is as it is.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::sample::BadReading;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_first_dark_reading_counts_and_bad_ones_do_not() {
        let mut dark = Dark::default();
        assert_eq!(dark.reading(Reading::Value(-17.0), second(1)), None);
        assert_eq!(
            dark.reading(Reading::Bad(BadReading::Timeout), second(2)),
            None
        );
        let Some(Change::Began { from, .. }) = dark.reading(Reading::Dark, second(3)) else {
            panic!("said nothing")
        };
        assert_eq!(from, second(3));
        assert_eq!(dark.reading(Reading::Value(-60.0), second(4)), None);
        assert_eq!(
            dark.reading(Reading::Value(-17.0), second(5)),
            Some(Change::Ended { to: second(5) })
        );
        assert_eq!((dark.light(), dark.since()), (Light::Lit, second(5)));
    }
}
