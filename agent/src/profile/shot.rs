//! How a shot of an OTDR is started: which registers are written, with what.

use core::str::FromStr;

use silkline_protocol::id::PointName;
use silkline_protocol::setting_from_text;

/// The write that starts a shot: consecutive holding registers, in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotMap {
    /// The first register.
    pub register: u16,
    /// What is written, in order.
    pub fields: Vec<Field>,
    /// The point that tells how the last shot ended, where there is one.
    pub state: Option<PointName>,
    /// The value of that point after a shot that failed.
    pub failed: Option<i64>,
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

/// A text that is not a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of port, pulse_ns, average_s, start with :u16 or :u32 after it")]
pub struct BadField(String);

impl FromStr for Field {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        let bad = || BadField(text.chars().take(40).collect());
        let (name, kind) = text.split_once(':').ok_or_else(bad)?;
        let value = match name {
            "port" => FieldValue::Port,
            "pulse_ns" => FieldValue::PulseNs,
            "average_s" => FieldValue::AverageS,
            "start" => FieldValue::Start,
            _ => return Err(bad()),
        };
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
