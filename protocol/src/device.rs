//! What a device tells about itself: its points with their units and roles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{PointName, ProfileId};

/// What a point means to the detectors.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Power of the light that arrives at an amplifier or receiver.
    LightIn,
    /// Power of the light that leaves.
    LightOut,
    /// Power of the supervisory channel that arrives, outside the amplifier.
    SupervisoryIn,
    /// Gain of an amplifier.
    Gain,
    /// Loss of the span before an input, as the device works it out.
    SpanLoss,
    /// Loss of light sent back, as the device measures it.
    ReturnLoss,
    /// Current of a pump laser.
    PumpBias,
    /// Temperature of a pump laser.
    PumpTemperature,
    /// Bit error ratio before correction.
    Ber,
    /// Optical signal-to-noise ratio.
    Osnr,
    /// Voltage of submarine power feeding, as a magnitude.
    FeedVoltage,
    /// Current of submarine power feeding.
    FeedCurrent,
    /// Temperature of a room, hut or card.
    Temperature,
    /// Humidity of a room or hut.
    Humidity,
    /// Voltage of a battery.
    BatteryVoltage,
    /// Charge of a battery.
    BatteryCharge,
    /// Voltage of the mains.
    MainsVoltage,
    /// A door or tamper contact: 0 closed, 1 open.
    Door,
    /// An alarm bit or state of the device itself: 0 well, anything else not.
    DeviceAlarm,
    /// A state of the device that is neither good nor bad.
    State,
    /// Anything else: stored and shown, watched only where limits are given.
    #[serde(other)]
    Other,
}

/// The unit of a point.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Unit {
    /// Decibels over one milliwatt.
    #[serde(rename = "dBm")]
    Dbm,
    /// Decibels.
    #[serde(rename = "dB")]
    Db,
    /// Decibels per kilometre.
    #[serde(rename = "dB/km")]
    DbPerKm,
    /// Volts.
    #[serde(rename = "V")]
    Volt,
    /// Amperes.
    #[serde(rename = "A")]
    Ampere,
    /// Milliamperes.
    #[serde(rename = "mA")]
    Milliampere,
    /// Degrees Celsius.
    #[serde(rename = "C")]
    Celsius,
    /// Per cent.
    #[serde(rename = "%")]
    Percent,
    /// Metres.
    #[serde(rename = "m")]
    Metre,
    /// Seconds.
    #[serde(rename = "s")]
    Second,
    /// Minutes.
    #[serde(rename = "min")]
    Minute,
    /// Degrees of latitude or longitude.
    #[serde(rename = "deg")]
    Degree,
    /// A ratio, such as a bit error ratio.
    #[serde(rename = "ratio")]
    Ratio,
    /// A number without a unit: a state, a count, a bit.
    #[serde(rename = "")]
    None,
}

impl Unit {
    /// Every unit, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Dbm,
        Self::Db,
        Self::DbPerKm,
        Self::Volt,
        Self::Ampere,
        Self::Milliampere,
        Self::Celsius,
        Self::Percent,
        Self::Metre,
        Self::Second,
        Self::Minute,
        Self::Degree,
        Self::Ratio,
        Self::None,
    ];

    /// The unit as it is written in profiles, on the wire and on the screen.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Dbm => "dBm",
            Self::Db => "dB",
            Self::DbPerKm => "dB/km",
            Self::Volt => "V",
            Self::Ampere => "A",
            Self::Milliampere => "mA",
            Self::Celsius => "C",
            Self::Percent => "%",
            Self::Metre => "m",
            Self::Second => "s",
            Self::Minute => "min",
            Self::Degree => "deg",
            Self::Ratio => "ratio",
            Self::None => "",
        }
    }
}

/// What one point of a device is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointAbout {
    /// Its name; every index of a table shares the entry of its stem.
    pub name: PointName,
    /// The unit its values have on the wire.
    pub unit: Unit,
    /// What it means to the detectors.
    pub role: Role,
    /// Limits that hold for every device of the model, where its maker states them.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// Limits of a point's value: `low` and `high` in the point's unit, two levels each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Below this the value is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_warning: Option<f64>,
    /// Below this service is at risk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_major: Option<f64>,
    /// Above this the value is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_warning: Option<f64>,
    /// Above this service is at risk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_major: Option<f64>,
}

impl Limits {
    /// Whether no limit is set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.low_warning.is_none()
            && self.low_major.is_none()
            && self.high_warning.is_none()
            && self.high_major.is_none()
    }
}

/// What a device is: sent retained, so that whoever looks later knows units and roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// The profile by which the agent reads it.
    pub profile: ProfileId,
    /// How often the agent polls it, in milliseconds: what "silent" is measured by.
    pub poll_ms: u64,
    /// Who made it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Its model, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its serial number, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its points.
    pub points: Vec<PointAbout>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_written_as_its_symbol() {
        for unit in Unit::ALL {
            let json = serde_json::to_string(&unit).unwrap();
            assert_eq!(json, format!("\"{}\"", unit.symbol()));
            assert_eq!(serde_json::from_str::<Unit>(&json).unwrap(), unit);
        }
        assert!(serde_json::from_str::<Unit>("\"furlong\"").is_err());
    }

    #[test]
    fn a_role_of_a_newer_sender_is_other() {
        assert_eq!(
            serde_json::from_str::<Role>("\"phase_of_moon\"").unwrap(),
            Role::Other
        );
    }
}
