//! Limits that a device itself keeps: read now and then as points of their own, then told with the
//! points they belong to.

use silkline_protocol::device::{Limits, Role};
use silkline_protocol::id::PointName;

use super::{Map, ModbusMap, ModbusPoint, ModbusTable, Point, SnmpMap, SnmpPoint, SnmpTable};
use crate::driver::Readings;

/// The four limits, by the names they have in profiles.
const LEVELS: [&str; 4] = ["low_warning", "low_major", "high_warning", "high_major"];

/// Where a device keeps each of four limits: a register or an OID, in the unit of the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitPlaces<T> {
    places: [Option<T>; 4],
}

impl<T> LimitPlaces<T> {
    /// The places that `find` knows, by the limits' names.
    pub(super) fn read(find: impl FnMut(&'static str) -> Option<T>) -> Self {
        Self {
            places: LEVELS.map(find),
        }
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self {
            places: [None, None, None, None],
        }
    }

    /// The same places in another form.
    pub(super) fn map<U>(self, form: impl FnMut(T) -> U) -> LimitPlaces<U> {
        let mut form = form;
        LimitPlaces {
            places: self.places.map(|place| place.map(&mut form)),
        }
    }

    /// Each place with the name of its limit.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        let named = LEVELS.into_iter().zip(&self.places);
        named.filter_map(|(level, place)| Some((level, place.as_ref()?)))
    }
}

impl Map {
    /// What has to be read for the limits that the device keeps; nothing where it keeps none.
    #[must_use]
    pub fn of_limits(&self) -> Option<Self> {
        match self {
            Self::Modbus(map) => {
                let points: Vec<_> = map.points.iter().flat_map(modbus_limits).collect();
                let tables = map.tables.iter().map(|table| ModbusTable {
                    points: table.points.iter().flat_map(modbus_limits).collect(),
                    ..table.clone()
                });
                let tables: Vec<_> = tables.filter(|table| !table.points.is_empty()).collect();
                let any = !points.is_empty() || !tables.is_empty();
                any.then_some(Self::Modbus(ModbusMap {
                    points,
                    tables,
                    ..*map
                }))
            }
            Self::Scpi(_) => None,
            Self::Snmp(map) => {
                let points: Vec<_> = map.points.iter().flat_map(snmp_limits).collect();
                let tables = map.tables.iter().map(|table| SnmpTable {
                    columns: table.columns.iter().flat_map(snmp_limits).collect(),
                    ..table.clone()
                });
                let tables: Vec<_> = tables.filter(|table| !table.columns.is_empty()).collect();
                let any = !points.is_empty() || !tables.is_empty();
                any.then_some(Self::Snmp(SnmpMap {
                    points,
                    tables,
                    sys_objects: Vec::new(),
                    traps: Vec::new(),
                    ..*map
                }))
            }
        }
    }
}

fn modbus_limits(at: &ModbusPoint) -> Vec<ModbusPoint> {
    let limits = at.limits_at.iter().filter_map(|(level, register)| {
        Some(ModbusPoint {
            register: *register,
            limits_at: LimitPlaces::none(),
            point: limit_of(&at.point, level)?,
            ..at.clone()
        })
    });
    limits.collect()
}

fn snmp_limits(at: &SnmpPoint) -> Vec<SnmpPoint> {
    let limits = at.limits_at.iter().filter_map(|(level, oid)| {
        Some(SnmpPoint {
            oid: oid.clone(),
            limits_at: LimitPlaces::none(),
            point: limit_of(&at.point, level)?,
            ..at.clone()
        })
    });
    limits.collect()
}

/// The limit as a point: scaled as its point is, but free of what only measured values have.
fn limit_of(point: &Point, level: &str) -> Option<Point> {
    let mut meaning = point.meaning.clone();
    meaning.dark = Vec::new();
    meaning.dark_below = None;
    Some(Point {
        name: format!("{}_{level}", point.name).parse().ok()?,
        role: Role::Other,
        meaning,
        limits: Limits::default(),
        ..point.clone()
    })
}

/// The limits in the `readings` of [`Map::of_limits`], each with the point it is for; where a device
/// gives none for a level, that of `stated` stays.
#[must_use]
pub fn limits_in(
    readings: &Readings,
    stated: impl Fn(&PointName) -> Limits,
) -> Vec<(PointName, Limits)> {
    let mut found: Vec<(PointName, Limits)> = Vec::new();
    for (name, taken) in readings {
        let Some(value) = taken.reading.value() else {
            continue;
        };
        let belongs = LEVELS.into_iter().find_map(|level| {
            let stem = name.stem().strip_suffix(level)?.strip_suffix('_')?;
            let whole = name
                .index()
                .map_or_else(|| stem.to_owned(), |index| format!("{stem}.{index}"));
            Some((level, whole.parse::<PointName>().ok()?))
        });
        let Some((level, point)) = belongs else {
            continue;
        };
        let at = found.iter().position(|(name, _)| *name == point);
        let at = at.unwrap_or_else(|| {
            found.push((point.clone(), stated(&point)));
            found.len() - 1
        });
        let Some((_, limits)) = found.get_mut(at) else {
            continue;
        };
        let place = match level {
            "low_warning" => &mut limits.low_warning,
            "low_major" => &mut limits.low_major,
            "high_warning" => &mut limits.high_warning,
            _ => &mut limits.high_major,
        };
        *place = Some(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Taken;
    use crate::profile::{Library, Raw, read};
    use silkline_protocol::sample::Reading;

    #[test]
    fn limits_are_points_of_their_own_at_their_own_place() {
        let text = "id = \"a\"\ntitle = \"A\"\nprotocol = \"modbus\"\nsource = \"page 3\"\n[modbus]\n\
                    function = \"input\"\nword_order = \"big\"\n[[point]]\nname = \"volts\"\nregister = 0\n\
                    type = \"i16\"\nscale = 0.1\nunit = \"V\"\nrole = \"battery_voltage\"\nstatus = \"read\"\n\
                    limits_at = { low_warning = 40, low_major = 41 }\n";
        let profile = read("a.toml", text).unwrap_or_else(|error| panic!("{error}"));
        let Some(Map::Modbus(limits)) = profile.map.of_limits() else {
            panic!("no limits")
        };
        let at: Vec<_> = limits
            .points
            .iter()
            .map(|at| (at.point.name.as_str(), at.register))
            .collect();
        assert_eq!(at, [("volts_low_warning", 40), ("volts_low_major", 41)]);
        assert!(limits.of_limits_is_none());
    }

    impl ModbusMap {
        fn of_limits_is_none(&self) -> bool {
            Map::Modbus(self.clone()).of_limits().is_none()
        }
    }

    #[test]
    fn a_limit_read_takes_the_place_of_the_one_stated() {
        let taken = |value| Taken {
            raw: Some(Raw::Whole(0)),
            reading: Reading::Value(value),
        };
        let readings: Readings = [
            ("in_power_low_major.1".parse().unwrap(), taken(-30.0)),
            ("in_power_high_major.1".parse().unwrap(), taken(3.0)),
            ("in_power_low_major.2".parse().unwrap(), taken(-28.0)),
            ("other.1".parse().unwrap(), taken(1.0)),
        ]
        .into();
        let stated = Limits {
            low_warning: Some(-25.0),
            low_major: Some(-29.0),
            ..Limits::default()
        };
        let found = limits_in(&readings, |_| stated);
        assert_eq!(found.len(), 2);
        let first = &found
            .iter()
            .find(|(name, _)| name.index() == Some("1"))
            .unwrap()
            .1;
        assert_eq!(
            (first.low_warning, first.low_major, first.high_major),
            (Some(-25.0), Some(-30.0), Some(3.0))
        );
    }

    #[test]
    fn a_profile_without_limits_of_the_device_has_nothing_to_read() {
        let library = Library::embedded();
        let edfa = library.find(&"silkline-edfa".parse().unwrap()).unwrap();
        assert!(edfa.map.of_limits().is_none());
    }
}
