//! Starting a shot: what is written to the instrument, and what became of it.

use std::time::Duration;

use crate::profile::{FieldValue, ShotMap};

/// What a shot is taken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShotSettings {
    /// The port of the fibre switch.
    pub port: u16,
    /// The pulse, in nanoseconds.
    pub pulse_ns: u32,
    /// How long to average.
    pub average: Duration,
}

/// The write that starts a shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShotWrite {
    /// The first register.
    pub register: u16,
    /// What is written from there on.
    pub words: Vec<u16>,
}

/// A setting that the instrument's registers can't hold.
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
    let mut words = Vec::new();
    for field in &map.fields {
        let (what, value) = match field.value {
            FieldValue::Port => ("a port", settings.port.into()),
            FieldValue::PulseNs => ("a pulse", settings.pulse_ns.into()),
            FieldValue::AverageS => ("an averaging time", settings.average.as_secs().max(1)),
            FieldValue::Start => ("a start", 1),
        };
        let too_large = |_| TooLarge { what, found: value };
        if field.wide {
            let wide = u32::try_from(value).map_err(too_large)?;
            let [b0, b1, b2, b3] = wide.to_be_bytes();
            words.extend([u16::from_be_bytes([b0, b1]), u16::from_be_bytes([b2, b3])]);
        } else {
            words.push(u16::try_from(value).map_err(too_large)?);
        }
    }
    Ok(ShotWrite {
        register: map.register,
        words,
    })
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
            pulse_ns: 100_000,
            average,
        };
        let write = start(&map(), settings).unwrap();
        assert_eq!(
            (write.register, write.words),
            (100, vec![3, 1, 34464, 10, 1])
        );
    }

    #[test]
    fn an_average_below_a_second_is_a_second() {
        let settings = ShotSettings {
            port: 1,
            pulse_ns: 10,
            average: Duration::from_millis(1),
        };
        assert_eq!(start(&map(), settings).unwrap().words, [1, 0, 10, 1, 1]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let average = Duration::from_secs(70_000);
        let settings = ShotSettings {
            port: 1,
            pulse_ns: 10,
            average,
        };
        let said = start(&map(), settings).unwrap_err().to_string();
        assert!(said.contains("averaging time of 70000"), "{said}");
    }
}
