//! How a shot of an OTDR is started: which registers or objects are written, with what.

use core::str::FromStr;

use silkline_protocol::id::PointName;
use silkline_protocol::setting_from_text;

use super::scpi::values_in;
use super::{FetchMap, ObjectType, Oid, ScpiShot};

/// How a shot is started.
#[derive(Clone, Debug, PartialEq)]
pub struct ShotMap {
    /// What is written.
    pub start: ShotStart,
    /// The point that tells how the last shot ended, where there is one.
    pub state: Option<PointName>,
    /// The value of that point after a shot that failed.
    pub failed: Option<i64>,
    /// Whether its light would disturb traffic on the fibre, or be disturbed by it: then it is taken
    /// only of a fibre that is known to be dark.
    pub needs_dark: bool,
    /// How the trace is read in blocks, where it is.
    pub fetch: Option<FetchMap>,
    /// What ends a shot before its time, where something does.
    pub stop: Option<Stop>,
}

/// The write that ends a shot before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A holding register (Modbus).
    Register {
        /// Which.
        register: u16,
        /// What is written.
        value: u16,
    },
    /// An object (SNMP).
    Object {
        /// The instance's OID.
        oid: Oid,
        /// The type of its value.
        kind: ObjectType,
        /// What is written.
        value: u32,
    },
}

/// What is written to start a shot, in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShotStart {
    /// Consecutive holding registers (Modbus).
    Registers {
        /// The first.
        register: u16,
        /// What is written, in order.
        fields: Vec<Field>,
    },
    /// Objects that are set together (SNMP).
    Objects(Vec<ShotObject>),
    /// Lines, and the trace fetched by lines too (SCPI).
    Lines(ScpiShot),
}

/// One object that is set to start a shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotObject {
    /// The instance's OID.
    pub oid: Oid,
    /// The type of its value.
    pub kind: ObjectType,
    /// What is written.
    pub value: FieldValue,
}

impl ShotMap {
    /// Whether a shot that runs can be stopped.
    #[must_use]
    pub const fn can_abort(&self) -> bool {
        self.stop.is_some() || matches!(&self.start, ShotStart::Lines(shot) if shot.abort.is_some())
    }

    /// What is written, in order.
    pub fn values(&self) -> impl Iterator<Item = FieldValue> {
        let (fields, objects, lines): (&[Field], &[ShotObject], &[String]) = match &self.start {
            ShotStart::Registers { fields, .. } => (fields, &[], &[]),
            ShotStart::Objects(objects) => (&[], objects, &[]),
            ShotStart::Lines(shot) => (&[], &[], &shot.commands),
        };
        let fields = fields.iter().map(|field| field.value);
        let objects = objects.iter().map(|object| object.value);
        // The lines themselves start it.
        let started = lines.first().map(|_| FieldValue::Start);
        let lines = lines.iter().flat_map(|line| values_in(line));
        fields.chain(objects).chain(lines).chain(started)
    }
}

/// One value of the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is.
    pub value: FieldValue,
    /// Whether it takes two registers, high word first.
    pub wide: bool,
}

/// What is written to start a shot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// The port of the fibre switch.
    Port,
    /// The pulse in nanoseconds.
    PulseNs,
    /// How long to average, in seconds.
    AverageS,
    /// The number one, which starts it.
    Start,
}

impl FieldValue {
    /// The value that profiles call by this `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "port" => Some(Self::Port),
            "pulse_ns" => Some(Self::PulseNs),
            "average_s" => Some(Self::AverageS),
            "start" => Some(Self::Start),
            _ => None,
        }
    }
}

/// A text that is not a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of port, pulse_ns, average_s, start with :u16 or :u32 after it")]
pub struct BadField(String);

impl FromStr for Field {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        let bad = || BadField(text.chars().take(40).collect());
        let (name, kind) = text.split_once(':').ok_or_else(bad)?;
        let value = FieldValue::named(name).ok_or_else(bad)?;
        match kind {
            "u16" => Ok(Self { value, wide: false }),
            "u32" => Ok(Self { value, wide: true }),
            _ => Err(bad()),
        }
    }
}

setting_from_text!(Field);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_name_and_a_width() {
        let pulse = Field {
            value: FieldValue::PulseNs,
            wide: true,
        };
        assert_eq!("pulse_ns:u32".parse::<Field>().unwrap(), pulse);
        for bad in ["pulse_ns", "pulse_ns:f32", "colour:u16", ""] {
            assert!(bad.parse::<Field>().is_err(), "{bad}");
        }
    }
}
