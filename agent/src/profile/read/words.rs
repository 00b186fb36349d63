//! The words of a profile: each read into a type, with all that are allowed in the mistake.

use silkline_protocol::device::{Role, Unit};
use silkline_protocol::settings::{self, FromSetting, Wrong};
use toml::de::DeValue;

use crate::profile::{Function, IndexForm, RegisterType, Status, WordOrder};

/// The protocol of a profile, before what it needs has been read.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Modbus,
    Snmp,
}

/// A unit, by its symbol.
pub(super) struct UnitWord(pub(super) Unit);

/// A role, by its name; a name nobody knows is a mistake here, not "other".
pub(super) struct RoleWord(pub(super) Role);

/// The value that stands beside `setting`'s word in `table`.
fn one_of<T: Copy>(setting: &DeValue<'_>, table: &[(&str, T)]) -> Result<T, Wrong> {
    let text = String::from_setting(setting)?;
    let found = table.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = table.iter().map(|(word, _)| format!("{word:?}")).collect();
        Wrong::new(format!("{text:?}"), format!("one of {}", words.join(", ")))
    })
}

impl FromSetting for Protocol {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("modbus", Self::Modbus), ("snmp", Self::Snmp)])
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
        const ROLES: &str = "light_in, light_out, supervisory_in, gain, span_loss, return_loss, \
             pump_bias, pump_temperature, ber, osnr, feed_voltage, feed_current, temperature, \
             humidity, battery_voltage, battery_charge, mains_voltage, door, device_alarm, state, \
             other";
        let text = String::from_setting(setting)?;
        match settings::word(&text, ROLES)? {
            Role::Other if text != "other" => {
                Err(Wrong::new(format!("{text:?}"), format!("one of {ROLES}")))
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

impl FromSetting for WordOrder {
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
