//! What an instrument that is spoken to in lines is asked and told.

use core::fmt::Write as _;

use super::{FieldValue, Point};

/// An instrument by SCPI over TCP.
#[derive(Clone, Debug, PartialEq)]
pub struct ScpiMap {
    /// The port used where an address names none.
    pub port: u16,
    /// What is asked each poll.
    pub points: Vec<ScpiPoint>,
}

/// A quantity that one query answers with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct ScpiPoint {
    /// The line that asks for it.
    pub query: String,
    /// What it is.
    pub point: Point,
}

/// How a shot is taken by lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScpiShot {
    /// The lines that start it, with `{port}`, `{pulse_ns}` and `{average_s}` where the values go.
    pub commands: Vec<String>,
    /// The query for whether it runs.
    pub status: String,
    /// Which bits of the answer tell it, and how.
    pub told: ScpiTold,
    /// The query that answers with the SOR file as a block.
    pub fetch: String,
    /// What ends it before its time, where it can be.
    pub abort: Option<String>,
}

/// How the answer to a status query tells whether a shot runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScpiTold {
    /// It runs while one of these bits is set.
    Running(u32),
    /// It is over when one of these bits is set.
    Finished(u32),
}

impl ScpiTold {
    /// Whether a shot is over, by the answer `status`.
    #[must_use]
    pub const fn is_over(self, status: u32) -> bool {
        match self {
            Self::Running(bits) => status & bits == 0,
            Self::Finished(bits) => status & bits != 0,
        }
    }
}

/// The names of a shot's values in a line, with their braces.
const PLACES: [(&str, FieldValue); 3] = [
    ("{port}", FieldValue::Port),
    ("{pulse_ns}", FieldValue::PulseNs),
    ("{average_s}", FieldValue::AverageS),
];

/// The values that `line` has places for.
pub(super) fn values_in(line: &str) -> impl Iterator<Item = FieldValue> {
    let named = PLACES.into_iter().filter(|(name, _)| line.contains(name));
    named.map(|(_, value)| value)
}

/// `line` with every place filled by `value`.
pub(crate) fn filled(line: &str, value: impl Fn(FieldValue) -> u64) -> String {
    let mut text = line.to_owned();
    for (name, place) in PLACES {
        let mut number = String::new();
        // Writing into a String does not fail.
        let _ = write!(number, "{}", value(place));
        text = text.replace(name, &number);
    }
    text
}

/// Why a line can't be sent: control characters or another brace than those of places.
pub(super) fn mistake_in(line: &str) -> Option<&'static str> {
    let plain = PLACES
        .iter()
        .fold(line.to_owned(), |text, (name, _)| text.replace(name, ""));
    if line.trim().is_empty() {
        Some("is empty")
    } else if line.len() > 200 {
        Some("is longer than 200 bytes")
    } else if !line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Some("has letters other than printable ASCII: one line a command")
    } else if plain.contains(['{', '}']) {
        Some("has a place other than {port}, {pulse_ns}, {average_s}")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_found() {
        let value = |value| match value {
            FieldValue::Port => 3,
            FieldValue::PulseNs => 1000,
            FieldValue::AverageS | FieldValue::Start => 10,
        };
        assert_eq!(filled("ROUT:CLOS (@{port})", value), "ROUT:CLOS (@3)");
        let found: Vec<_> = values_in("A {average_s} {port}").collect();
        assert_eq!(found, [FieldValue::Port, FieldValue::AverageS]);
    }

    #[test]
    fn a_line_is_one_line_and_has_known_places() {
        assert_eq!(mistake_in("INIT:IMM"), None);
        for (line, wanted) in [
            (" ", "empty"),
            ("A\nB", "one line"),
            ("A {colour}", "{port}"),
            (&"x".repeat(201), "200"),
        ] {
            assert!(mistake_in(line).unwrap().contains(wanted), "{line}");
        }
    }

    #[test]
    fn a_shot_is_over_by_either_sign() {
        assert!(ScpiTold::Running(16).is_over(3) && !ScpiTold::Running(16).is_over(19));
        assert!(ScpiTold::Finished(1).is_over(1) && !ScpiTold::Finished(1).is_over(16));
    }
}
