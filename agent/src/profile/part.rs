//! A part of what a device has: what is asked at one rate.

use silkline_protocol::id::PointName;

use super::{Map, ModbusMap, ModbusTable, ScpiMap, SnmpMap, SnmpTable};

impl Map {
    /// The points that are `wanted`, by their names without an index; nothing where none is.
    #[must_use]
    pub fn part(&self, wanted: impl Fn(&PointName) -> bool) -> Option<Self> {
        match self {
            Self::Modbus(map) => {
                let mut map = ModbusMap {
                    tables: map.tables.clone(),
                    points: map.points.clone(),
                    ..*map
                };
                map.points.retain(|at| wanted(&at.point.name));
                for ModbusTable { points, .. } in &mut map.tables {
                    points.retain(|at| wanted(&at.point.name));
                }
                map.tables.retain(|table| !table.points.is_empty());
                let any = !(map.points.is_empty() && map.tables.is_empty());
                any.then_some(Self::Modbus(map))
            }
            Self::Snmp(map) => {
                let mut map: SnmpMap = map.clone();
                map.points.retain(|at| wanted(&at.point.name));
                for SnmpTable { columns, .. } in &mut map.tables {
                    columns.retain(|at| wanted(&at.point.name));
                }
                map.tables.retain(|table| !table.columns.is_empty());
                let any = !(map.points.is_empty() && map.tables.is_empty());
                any.then_some(Self::Snmp(map))
            }
            Self::Scpi(map) => {
                let mut map: ScpiMap = map.clone();
                map.points.retain(|at| wanted(&at.point.name));
                (!map.points.is_empty()).then_some(Self::Scpi(map))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::{Library, Profile};

    #[test]
    fn two_parts_of_every_profile_are_the_whole() {
        for profile in Library::embedded().iter() {
            let names: Vec<_> = profile.points().map(|point| point.name.clone()).collect();
            let count = |first: bool| {
                let wanted = |name: &_| names.iter().position(|own| own == name).unwrap() % 2 == 0;
                let part = profile.map.part(|name| wanted(name) == first);
                part.map_or(0, |map| {
                    let part = Profile {
                        map,
                        ..profile.clone()
                    };
                    part.points().count()
                })
            };
            assert_eq!(count(true), names.len().div_ceil(2), "{}", profile.id);
            assert_eq!(count(false), names.len() / 2, "{}", profile.id);
            assert_eq!(profile.map.part(|_| false), None);
            assert_eq!(profile.map.part(|_| true).as_ref(), Some(&profile.map));
        }
    }
}
