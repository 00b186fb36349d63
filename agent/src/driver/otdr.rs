//! Starting a shot: what is written to the instrument, and what became of it.

use std::time::Duration;

use crate::profile::{Field, FieldValue, ObjectType, ScpiShot, ShotMap, ShotObject, ShotStart};

use super::snmp::Put;

/// What a shot is taken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShotSettings {
    /// The port of the fibre switch, inside the OTDR or before it: which fibre is meant.
    pub port: u16,
    /// What the OTDR itself is told: the same, unless its switch is a device of its own.
    pub own_port: u16,
    /// The pulse, in nanoseconds.
    pub pulse_ns: u32,
    /// How long to average.
    pub average: Duration,
}

/// The write that starts a shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShotWrite {
    /// These registers, from the first on.
    Registers(u16, Vec<u16>),
    /// These objects together.
    Objects(Vec<Put>),
    /// The lines of this shot, filled in when they are sent.
    Lines(ScpiShot),
}

/// A setting that the instrument can't hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {found} does not fit the instrument's register")]
pub struct TooLarge {
    what: &'static str,
    found: u64,
}

/// The write that starts a shot with `settings` on an instrument of this `map`.
///
/// # Errors
///
/// [`TooLarge`] where a value does not fit its field.
pub fn start(map: &ShotMap, settings: ShotSettings) -> Result<ShotWrite, TooLarge> {
    match &map.start {
        ShotStart::Registers { register, fields } => {
            let mut words = Vec::new();
            for field in fields {
                words.extend(register_words(*field, settings)?);
            }
            Ok(ShotWrite::Registers(*register, words))
        }
        ShotStart::Objects(objects) => {
            let puts: Result<_, TooLarge> =
                objects.iter().map(|object| put(object, settings)).collect();
            puts.map(ShotWrite::Objects)
        }
        ShotStart::Lines(shot) => Ok(ShotWrite::Lines(shot.clone())),
    }
}

fn put(object: &ShotObject, settings: ShotSettings) -> Result<Put, TooLarge> {
    let (what, value) = settings.value(object.value);
    let most = match object.kind {
        ObjectType::Integer => u64::from(i32::MAX.unsigned_abs()),
        ObjectType::Unsigned => u64::from(u32::MAX),
    };
    if value > most {
        return Err(TooLarge { what, found: value });
    }
    Ok(Put {
        oid: object.oid.clone(),
        kind: object.kind,
        value,
    })
}

fn register_words(field: Field, settings: ShotSettings) -> Result<Vec<u16>, TooLarge> {
    let (what, value) = settings.value(field.value);
    let too_large = |_| TooLarge { what, found: value };
    if !field.wide {
        return Ok(vec![u16::try_from(value).map_err(too_large)?]);
    }
    let wide = u32::try_from(value).map_err(too_large)?;
    let [b0, b1, b2, b3] = wide.to_be_bytes();
    Ok(vec![
        u16::from_be_bytes([b0, b1]),
        u16::from_be_bytes([b2, b3]),
    ])
}

impl ShotSettings {
    /// What is written for `value`, with its name for people.
    pub(super) fn value(self, value: FieldValue) -> (&'static str, u64) {
        match value {
            FieldValue::Port => ("a port", self.own_port.into()),
            FieldValue::PulseNs => ("a pulse", self.pulse_ns.into()),
            FieldValue::AverageS => ("an averaging time", self.average.as_secs().max(1)),
            FieldValue::Start => ("a start", 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Library;

    fn map() -> ShotMap {
        let library = Library::embedded();
        library
            .find(&"silkline-otdr".parse().unwrap())
            .unwrap()
            .shot
            .clone()
            .unwrap()
    }

    #[test]
    fn a_shot_is_one_write_in_the_order_of_the_profile() {
        let average = Duration::from_secs(10);
        let settings = ShotSettings {
            port: 3,
            own_port: 3,
            pulse_ns: 100_000,
            average,
        };
        let write = start(&map(), settings).unwrap();
        assert_eq!(write, ShotWrite::Registers(100, vec![3, 1, 34464, 10, 1]));
    }

    #[test]
    fn an_average_below_a_second_is_a_second() {
        let settings = ShotSettings {
            port: 1,
            own_port: 1,
            pulse_ns: 10,
            average: Duration::from_millis(1),
        };
        let write = start(&map(), settings).unwrap();
        assert_eq!(write, ShotWrite::Registers(100, vec![1, 0, 10, 1, 1]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let average = Duration::from_secs(70_000);
        let settings = ShotSettings {
            port: 1,
            own_port: 1,
            pulse_ns: 10,
            average,
        };
        let said = start(&map(), settings).unwrap_err().to_string();
        assert!(said.contains("averaging time of 70000"), "{said}");
    }

    #[test]
    fn an_instrument_on_snmp_is_started_by_objects() {
        let object = |arc, value| ShotObject {
            oid: format!("1.3.6.1.4.1.99.{arc}.0").parse().unwrap(),
            kind: ObjectType::Integer,
            value,
        };
        let map = ShotMap {
            start: ShotStart::Objects(vec![
                object(1, FieldValue::Port),
                object(2, FieldValue::Start),
            ]),
            state: None,
            failed: None,
            needs_dark: false,
            fetch: None,
            stop: None,
        };
        let settings = ShotSettings {
            port: 3,
            own_port: 3,
            pulse_ns: u32::MAX,
            average: Duration::from_secs(10),
        };
        let Ok(ShotWrite::Objects(puts)) = start(&map, settings) else {
            panic!("no objects")
        };
        let values: Vec<u64> = puts.iter().map(|put| put.value).collect();
        assert_eq!(values, [3, 1]);
        let too_wide = ShotMap {
            start: ShotStart::Objects(vec![object(1, FieldValue::PulseNs)]),
            ..map
        };
        assert!(start(&too_wide, settings).is_err());
    }
}
