//! The words of a profile: each read into a type, with all that are allowed in the mistake.

use silkline_protocol::device::{Role, Unit};
use silkline_protocol::message::EventKind;
use silkline_protocol::settings::{self, FromSetting, Wrong};
use toml::de::DeValue;

use crate::choice::one_of;
use crate::profile::{
    Endianness, FieldValue, Function, IndexForm, ObjectType, RegisterType, Status,
};

/// The roles a point may have.
pub(in crate::profile) const ROLES: &[&str] = &[
    "light_in",
    "light_out",
    "supervisory_in",
    "gain",
    "span_loss",
    "return_loss",
    "pump_bias",
    "pump_temperature",
    "ber",
    "osnr",
    "feed_voltage",
    "feed_current",
    "temperature",
    "humidity",
    "battery_voltage",
    "battery_charge",
    "mains_voltage",
    "door",
    "device_alarm",
    "state",
    "other",
];

/// The protocol of a profile, before what it needs has been read.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Modbus,
    Snmp,
    Scpi,
}

/// A unit, by its symbol.
pub(super) struct UnitWord(pub(super) Unit);

/// A role, by its name; a name nobody knows is a mistake here, not "other".
pub(super) struct RoleWord(pub(super) Role);

impl FromSetting for Protocol {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("modbus", Self::Modbus),
            ("snmp", Self::Snmp),
            ("scpi", Self::Scpi),
        ];
        one_of(setting, &table)
    }
}

impl FromSetting for UnitWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table: Vec<_> = Unit::ALL
            .iter()
            .map(|unit| (unit.symbol(), *unit))
            .collect();
        one_of(setting, &table).map(Self)
    }
}

impl FromSetting for RoleWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        let all = ROLES.join(", ");
        match settings::word(&text, &all)? {
            Role::Other if text != "other" => {
                Err(Wrong::new(format!("{text:?}"), format!("one of {all}")))
            }
            role => Ok(Self(role)),
        }
    }
}

impl FromSetting for Status {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let all = [
            Self::Read,
            Self::Derived,
            Self::Inferred,
            Self::Known,
            Self::Own,
        ];
        let table: Vec<_> = all.iter().map(|status| (status.word(), *status)).collect();
        one_of(setting, &table)
    }
}

impl FromSetting for Function {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("holding", Self::Holding),
            ("input", Self::Input),
            ("coil", Self::Coil),
            ("discrete", Self::Discrete),
        ];
        one_of(setting, &table)
    }
}

impl FromSetting for RegisterType {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("u16", Self::U16),
            ("i16", Self::I16),
            ("u32", Self::U32),
            ("i32", Self::I32),
            ("u64", Self::U64),
            ("i64", Self::I64),
            ("f32", Self::F32),
            ("f64", Self::F64),
        ];
        one_of(setting, &table)
    }
}

impl FromSetting for Endianness {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("big", Self::Big), ("little", Self::Little)])
    }
}

impl FromSetting for IndexForm {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(
            setting,
            &[("integers", Self::Integers), ("texts", Self::Texts)],
        )
    }
}

impl FromSetting for ObjectType {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [("integer", Self::Integer), ("unsigned", Self::Unsigned)];
        one_of(setting, &table)
    }
}

impl FromSetting for FieldValue {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("port", Self::Port),
            ("pulse_ns", Self::PulseNs),
            ("average_s", Self::AverageS),
            ("start", Self::Start),
        ];
        one_of(setting, &table)
    }
}

/// What a notification may be told as.
pub(in crate::profile) const EVENTS: &[(&str, EventKind)] = &[
    ("trap", EventKind::Trap),
    ("light_lost", EventKind::LightLost),
    ("light_back", EventKind::LightBack),
    ("shot_failed", EventKind::ShotFailed),
];

/// What a notification is told as.
pub(super) struct EventWord(pub(super) EventKind);

impl FromSetting for EventWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, EVENTS).map(Self)
    }
}

/// The types of sensors (RFC 3433, `EntitySensorDataType`), with dBm as Cisco and others add it.
pub(in crate::profile) const SENSORS: &[(&str, u8)] = &[
    ("other", 1),
    ("unknown", 2),
    ("voltsAC", 3),
    ("voltsDC", 4),
    ("amperes", 5),
    ("watts", 6),
    ("hertz", 7),
    ("celsius", 8),
    ("percentRH", 9),
    ("rpm", 10),
    ("cmm", 11),
    ("truthvalue", 12),
    ("dBm", 14),
];

/// A type of sensor, by the name RFC 3433 gives it; `dBm` is Cisco's addition to them.
pub(super) struct SensorWord(pub(super) u8);

impl FromSetting for SensorWord {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, SENSORS).map(Self)
    }
}
