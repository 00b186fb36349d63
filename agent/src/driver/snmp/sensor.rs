//! Tables of sensors that say themselves what they measure, by ENTITY-SENSOR-MIB (RFC 3433).
//!
//! A row has a type, a power of ten, a number of decimals, a value, a state and the unit in words.
//! Each point of the profile's table takes the rows of one type. What a row can't be trusted in is
//! said by its state.

use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::id::PointName;
use silkline_protocol::sample::BadReading;

use crate::driver::Taken;
use crate::driver::readings::ByName;
use crate::profile::{Oid, Raw, SnmpPoint, SnmpTable};

use super::{SnmpValue, Values, remember, row_name, unanswered};

/// The columns beside the value, by their numbers (RFC 3433, `entPhySensorEntry`).
const TYPE: u32 = 1;
const SCALE: u32 = 2;
const PRECISION: u32 = 3;
const VALUE: u32 = 4;
const STATUS: u32 = 5;
const UNITS: u32 = 6;
/// The type for dBm that Cisco and others add to the standard's.
const DBM: u8 = 14;
/// The state of a sensor that works.
const OK: i128 = 1;
/// The `EntitySensorDataScale` of whole units; each number beside it is a factor of a thousand.
const UNITS_SCALE: i128 = 9;
/// The least and the most `EntitySensorPrecision`.
const PRECISIONS: core::ops::RangeInclusive<i128> = -8..=9;

impl SnmpTable {
    /// Every column that has to be walked.
    pub(super) fn objects(&self) -> BTreeSet<Oid> {
        let columns = self.columns.iter().map(|column| column.oid.clone());
        if !self.sensors {
            return columns.collect();
        }
        let entry = self.columns.first().and_then(|column| column.oid.parent());
        let column = |number| entry.as_ref().map(|entry| entry.join(&Oid::new([number])));
        [TYPE, SCALE, PRECISION, VALUE, STATUS, UNITS]
            .into_iter()
            .filter_map(column)
            .collect()
    }
}

/// The readings of a table of sensors.
pub(super) fn rows(
    table: &SnmpTable,
    known: &mut BTreeSet<PointName>,
    values: Values<'_>,
) -> ByName {
    let mut readings = unanswered(known, values);
    let (Ok(values), Some(entry)) = (values, entry(table)) else {
        return readings;
    };
    let types = entry.join(&Oid::new([TYPE]));
    let rows = values
        .range(types.clone()..)
        .map_while(|(oid, kind)| Some((types.suffix_of(oid)?, kind)));
    for (index, kind) in rows {
        let row = Row {
            values,
            entry: &entry,
            index,
        };
        let point = table.columns.iter().find(|point| row.is(point, kind));
        if let Some(point) = point
            && let Some(name) = row_name(table, point, index)
        {
            readings.insert(name, row.taken(point));
        }
    }
    remember(table, known, &readings);
    readings
}

fn entry(table: &SnmpTable) -> Option<Oid> {
    table.columns.first()?.oid.parent()
}

/// One sensor.
struct Row<'a> {
    values: &'a BTreeMap<Oid, SnmpValue>,
    entry: &'a Oid,
    index: &'a [u32],
}

impl Row<'_> {
    fn column(&self, number: u32) -> Option<&SnmpValue> {
        let oid = self
            .entry
            .join(&Oid::new([number]))
            .join(&Oid::new(self.index));
        self.values.get(&oid)
    }

    fn whole(&self, number: u32) -> Option<i128> {
        match self.column(number)? {
            SnmpValue::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether `point` stands for sensors of this type. The standard's types have none for dBm, so
    /// many devices say "other" and put the unit into words.
    fn is(&self, point: &SnmpPoint, kind: &SnmpValue) -> bool {
        let dbm = match self.column(UNITS) {
            Some(SnmpValue::Bytes(bytes)) => bytes.trim_ascii().eq_ignore_ascii_case(b"dbm"),
            _ => false,
        };
        let code = SnmpValue::Whole(DBM.into());
        let kind = if dbm { &code } else { kind };
        (point.sensor).is_some_and(|code| *kind == SnmpValue::Whole(code.into()))
    }

    fn taken(&self, point: &SnmpPoint) -> Taken {
        if self.whole(STATUS).is_some_and(|status| status != OK) {
            return Taken::bad(BadReading::Invalid);
        }
        let Some(SnmpValue::Whole(value)) = self.column(VALUE) else {
            return Taken::bad(BadReading::NotSupported);
        };
        let scale = self.whole(SCALE).unwrap_or(UNITS_SCALE);
        let precision = self.whole(PRECISION).unwrap_or(0);
        let (true, Ok(scale), true) = (
            (1..=17).contains(&scale),
            i32::try_from((scale - UNITS_SCALE) * 3),
            PRECISIONS.contains(&precision),
        ) else {
            return Taken::bad(BadReading::Garbled);
        };
        let power = scale - i32::try_from(precision.max(0)).unwrap_or(0);
        let raw = Raw::Whole(*value);
        let reading = point
            .point
            .meaning
            .reading(Raw::Real(tens(raw.real(), power)));
        Taken {
            raw: Some(raw),
            reading,
        }
    }
}

/// `number` times ten to the `power`; divides for a negative one, so that 231 at -1 is 23.1.
fn tens(number: f64, power: i32) -> f64 {
    let factor = 10f64.powi(power.abs());
    if power < 0 {
        number / factor
    } else {
        number * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::driver::snmp::{Answer, SnmpDriver};
    use crate::profile::{Library, Map};
    use core::time::Duration;
    use silkline_protocol::sample::Reading;

    const ENTRY: &str = "1.3.6.1.2.1.99.1.1.1";

    /// Type, scale, precision, value, status, units.
    fn read(row: [i128; 5], units: &str) -> ByName {
        let library = Library::embedded();
        let profile = library
            .find(&"ietf-entity-sensor".parse().unwrap())
            .unwrap();
        let Map::Snmp(map) = &profile.map else {
            panic!("no SNMP")
        };
        let at = |column: usize| format!("{ENTRY}.{column}.1004").parse::<Oid>().unwrap();
        let mut values: BTreeMap<Oid, SnmpValue> = row
            .into_iter()
            .enumerate()
            .map(|(column, value)| (at(column + 1), SnmpValue::Whole(value)))
            .collect();
        values.insert(at(6), SnmpValue::Bytes(units.into()));
        SnmpDriver::new(map).decode(&[Answer {
            values: Ok(values),
            took: Duration::ZERO,
            at: Moment::START,
            size: None,
        }])
    }

    fn only(readings: &ByName) -> (&str, Reading) {
        let mut all = readings.iter();
        let (name, taken) = all.next().expect("a reading");
        assert!(all.next().is_none(), "{readings:?}");
        (name.as_str(), taken.reading)
    }

    #[test]
    fn a_sensor_says_itself_what_it_measures() {
        // 23.1 degrees as 231 with one decimal; -48.5 V as -48500 millivolts; -3.25 dBm by its unit.
        for (row, units, wanted) in [
            (
                [8, 9, 1, 231, 1],
                "C",
                ("temperature.1004", Reading::Value(23.1)),
            ),
            (
                [4, 8, 0, -48_500, 1],
                "V",
                ("voltage.1004", Reading::Value(-48.5)),
            ),
            (
                [14, 9, 2, -325, 1],
                "",
                ("optical_power.1004", Reading::Value(-3.25)),
            ),
            (
                [1, 9, 2, -325, 1],
                " dBm",
                ("optical_power.1004", Reading::Value(-3.25)),
            ),
            (
                [5, 7, 0, 12, 1],
                "A",
                ("current.1004", Reading::Value(0.000_012)),
            ),
        ] {
            assert_eq!(only(&read(row, units)), wanted, "{row:?} {units}");
        }
    }

    #[test]
    fn a_sensor_that_does_not_work_gives_the_reason() {
        for (row, wanted) in [
            ([8, 9, 1, 231, 2], BadReading::Invalid),
            ([8, 9, 1, 231, 3], BadReading::Invalid),
            ([8, 44, 1, 231, 1], BadReading::Garbled),
            ([8, 9, 99, 231, 1], BadReading::Garbled),
        ] {
            assert_eq!(only(&read(row, "")).1, Reading::Bad(wanted), "{row:?}");
        }
        assert!(read([1, 9, 0, 5, 1], "furlongs").is_empty());
    }
}
