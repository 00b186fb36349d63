//! From a device's raw number to a reading: codes first, then scale, then range, then darkness.

use silkline_protocol::sample::{BadReading, Reading};

/// A number as it came from a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw {
    /// A whole number; every integer type of Modbus and SNMP fits.
    Whole(i128),
    /// A floating-point number, perhaps not finite.
    Real(f64),
}

/// What the raw numbers of a point mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning {
    /// The value of one raw unit.
    pub scale: f64,
    /// Added after scaling.
    pub offset: f64,
    /// Raw numbers that mean no light.
    pub dark: Vec<i64>,
    /// Values below this mean no light.
    pub dark_below: Option<f64>,
    /// Raw numbers by which the device marks a value as bad or not there.
    pub bad: Vec<i64>,
    /// The values that are possible, both ends included.
    pub range: Option<[f64; 2]>,
    /// What each raw number stands for, where it is a code; any other number is out of range.
    pub codes: Vec<[i64; 2]>,
}

impl Default for Meaning {
    fn default() -> Self {
        Self {
            scale: 1.0,
            offset: 0.0,
            dark: Vec::new(),
            dark_below: None,
            bad: Vec::new(),
            range: None,
            codes: Vec::new(),
        }
    }
}

impl Raw {
    /// The number as one that can be calculated with.
    #[must_use]
    pub fn real(self) -> f64 {
        match self {
            Self::Whole(number) => whole_as_real(number),
            Self::Real(number) => number,
        }
    }
}

/// The nearest floating-point number; beyond 2^53 the last digits round, which no meter resolves.
const fn whole_as_real(number: i128) -> f64 {
    number as f64
}

impl Meaning {
    /// The reading that `raw` stands for.
    #[must_use]
    pub fn reading(&self, raw: Raw) -> Reading {
        if let Raw::Whole(number) = raw {
            let listed = |codes: &[i64]| codes.iter().any(|code| i128::from(*code) == number);
            if listed(&self.dark) {
                return Reading::Dark;
            }
            if listed(&self.bad) {
                return Reading::Bad(BadReading::Invalid);
            }
            if !self.codes.is_empty() {
                return self.coded(number);
            }
        }
        let value = self.scaled(raw.real());
        if !value.is_finite() {
            return Reading::Bad(BadReading::Garbled);
        }
        if self
            .range
            .is_some_and(|[low, high]| value < low || value > high)
        {
            return Reading::Bad(BadReading::OutOfRange);
        }
        if self.dark_below.is_some_and(|floor| value < floor) {
            return Reading::Dark;
        }
        Reading::of(value)
    }

    fn coded(&self, number: i128) -> Reading {
        let found = self
            .codes
            .iter()
            .find(|[from, _]| i128::from(*from) == number);
        found.map_or(Reading::Bad(BadReading::OutOfRange), |[_, to]| {
            Reading::of(whole_as_real(i128::from(*to)))
        })
    }

    /// Divides where the scale is the inverse of a whole number: -1720 at 0.01 is -17.2, not
    /// -17.200000000000003.
    fn scaled(&self, number: f64) -> f64 {
        let divisor = (1.0 / self.scale).round();
        let exact = divisor > 1.0 && ((divisor * self.scale) - 1.0).abs() < 1e-12;
        let product = if exact {
            number / divisor
        } else {
            number * self.scale
        };
        let is_plain = exact || (self.scale - 1.0).abs() < f64::EPSILON;
        if is_plain && self.offset.abs() < f64::MIN_POSITIVE {
            product
        } else {
            tidied(product + self.offset)
        }
    }
}

/// A number without what only the arithmetic has added: 25.7 for 25.700000000000003. No device has more than
/// twelve digits to say; more would take thrice the room in the spool.
pub(crate) fn tidied(number: f64) -> f64 {
    if number.fract().abs() < f64::MIN_POSITIVE {
        return number;
    }
    let twelve = format!("{number:.11e}").parse();
    twelve.unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power() -> Meaning {
        Meaning {
            scale: 0.01,
            dark: vec![-32768],
            dark_below: Some(-35.0),
            bad: vec![32767],
            range: Some([-60.0, 30.0]),
            ..Meaning::default()
        }
    }

    #[test]
    fn every_kind_of_number_of_a_power_meter_has_its_meaning() {
        for (raw, wanted) in [
            (Raw::Whole(-1720), Reading::Value(-17.2)),
            (Raw::Whole(0), Reading::Value(0.0)),
            (Raw::Whole(-3500), Reading::Value(-35.0)),
            (Raw::Whole(-3501), Reading::Dark),
            (Raw::Whole(-32768), Reading::Dark),
            (Raw::Whole(32767), Reading::Bad(BadReading::Invalid)),
            (Raw::Whole(3001), Reading::Bad(BadReading::OutOfRange)),
            (Raw::Whole(-6001), Reading::Bad(BadReading::OutOfRange)),
            (Raw::Real(f64::NAN), Reading::Bad(BadReading::Garbled)),
            (Raw::Real(f64::INFINITY), Reading::Bad(BadReading::Garbled)),
        ] {
            assert_eq!(power().reading(raw), wanted, "{raw:?}");
        }
    }

    #[test]
    fn a_code_that_is_not_listed_is_out_of_range() {
        let door = Meaning {
            codes: vec![[2, 0], [4, 1]],
            bad: vec![7],
            ..Meaning::default()
        };
        assert_eq!(door.reading(Raw::Whole(2)), Reading::Value(0.0));
        assert_eq!(door.reading(Raw::Whole(4)), Reading::Value(1.0));
        assert_eq!(
            door.reading(Raw::Whole(7)),
            Reading::Bad(BadReading::Invalid)
        );
        assert_eq!(
            door.reading(Raw::Whole(3)),
            Reading::Bad(BadReading::OutOfRange)
        );
    }

    #[test]
    fn offset_and_large_scales_apply() {
        let kelvin = Meaning {
            scale: 0.1,
            offset: -273.15,
            ..Meaning::default()
        };
        let Reading::Value(value) = kelvin.reading(Raw::Whole(2981)) else {
            panic!("no value")
        };
        assert_eq!(value.to_string(), "24.95", "and no digit of the arithmetic");
        let hundreds = Meaning {
            scale: 100.0,
            ..Meaning::default()
        };
        assert_eq!(hundreds.reading(Raw::Whole(36)), Reading::Value(3600.0));
    }

    #[test]
    fn what_is_tidied_keeps_twelve_digits_and_whole_numbers_as_they_are() {
        for (number, wanted) in [
            (25.700_000_000_000_003, "25.7"),
            (-0.000_123_456_789_012_345, "-0.000123456789012"),
            (1_234_567_890_123_456.0, "1234567890123456"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(tidied(number).to_string(), wanted);
        }
    }

    #[test]
    fn the_largest_numbers_of_every_type_do_not_overflow() {
        let plain = Meaning::default();
        for raw in [i128::from(u64::MAX), i128::from(i64::MIN), i128::MAX] {
            assert!(plain.reading(Raw::Whole(raw)).is_good());
        }
    }
}
