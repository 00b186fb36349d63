//! A device model as data: which registers or OIDs it has, what they mean, and who says so.
//!
//! A [`Profile`] exists only without mistakes: [`read`] refuses an unknown unit, registers that
//! overlap, a missing source and every unknown key, all at once with line and column. The profiles
//! that ship with the agent are in [`Library`]; a folder may add to them or replace them.
//!
//! ```text
//! profiles/*.toml ─ read ─▶ Profile ─▶ driver::Driver (plan, decode) ─▶ Sample
//!                                 └──▶ About (points, units, roles)
//! ```

mod fetch;
mod library;
mod limits;
mod meaning;
mod modbus;
mod oid;
mod part;
mod read;
mod schema;
mod scpi;
mod shot;
mod snmp;
mod switch;

pub use fetch::{Blocks, Contents, FetchMap, Given, SampleForm, SampleKind, Sum, Window};
pub use library::{Library, LibraryError};
pub use limits::{LimitPlaces, limits_in};
pub(crate) use meaning::tidied;
pub use meaning::{Meaning, Raw};
pub(crate) use modbus::MAX_REGISTERS;
pub use modbus::{
    Bits, Endianness, Function, ModbusMap, ModbusPoint, ModbusTable, Placed, RegisterType,
};
pub use oid::Oid;
pub use read::read;
pub use schema::schema;
pub(crate) use scpi::filled;
pub use scpi::{ScpiMap, ScpiPoint, ScpiShot, ScpiTold};
pub use shot::{Field, FieldValue, ShotMap, ShotObject, ShotStart, Stop};
pub use snmp::{IndexForm, ObjectType, SnmpMap, SnmpPoint, SnmpTable, TrapMap};
pub use switch::{SwitchMap, SwitchSet};

use silkline_protocol::device::{About, Limits, PointAbout, Role, Unit};
use silkline_protocol::id::{PointName, ProfileId};

/// One device model.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its id, which is also the name of its file.
    pub id: ProfileId,
    /// What it is, for people.
    pub title: String,
    /// Who makes it, where one maker does.
    pub vendor: Option<String>,
    /// The maker's name for the model.
    pub model: Option<String>,
    /// Where the registers or OIDs were taken from.
    pub source: String,
    /// What to know before relying on it.
    pub note: Option<String>,
    /// How it is asked.
    pub map: Map,
    /// How a shot is started, where it is an OTDR.
    pub shot: Option<ShotMap>,
    /// How it is worked, where it is a fibre switch.
    pub switch: Option<SwitchMap>,
}

/// The protocol of a device, with what there is to read.
#[derive(Clone, Debug, PartialEq)]
pub enum Map {
    /// Modbus.
    Modbus(ModbusMap),
    /// SNMP.
    Snmp(SnmpMap),
    /// Lines over TCP.
    Scpi(ScpiMap),
}

/// One quantity of a device model.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its name; in a table the stem to which the row's index is added.
    pub name: PointName,
    /// The unit of its values.
    pub unit: Unit,
    /// What it means to the detectors.
    pub role: Role,
    /// What its raw numbers mean.
    pub meaning: Meaning,
    /// Limits that hold for every device of the model.
    pub limits: Limits,
    /// How sure its place in the device is.
    pub status: Status,
}

/// How sure the place of a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Seen literally in the source.
    Read,
    /// Composed from the source's definitions.
    Derived,
    /// Concluded from the neighbours: check before use.
    Inferred,
    /// Fixed by a standard.
    Known,
    /// Our own definition.
    Own,
}

impl Status {
    /// The word that profiles use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Derived => "derived",
            Self::Inferred => "inferred",
            Self::Known => "known",
            Self::Own => "own",
        }
    }
}

impl Map {
    /// The protocol's name, as profiles write it.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self {
            Self::Modbus(_) => "modbus",
            Self::Snmp(_) => "snmp",
            Self::Scpi(_) => "scpi",
        }
    }

    /// The port used where an address names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Modbus(map) => map.port,
            Self::Snmp(map) => map.port,
            Self::Scpi(map) => map.port,
        }
    }
}

impl Profile {
    /// Every point of the model; a table's points stand once, by their stem.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        let (modbus, snmp, scpi) = match &self.map {
            Map::Modbus(map) => (Some(map), None, None),
            Map::Snmp(map) => (None, Some(map), None),
            Map::Scpi(map) => (None, None, Some(map)),
        };
        let modbus = modbus.into_iter().flat_map(|map| {
            let rows = map.tables.iter().flat_map(|table| &table.points);
            map.points.iter().chain(rows).map(|entry| &entry.point)
        });
        let snmp = snmp.into_iter().flat_map(|map| {
            let columns = map.tables.iter().flat_map(|table| &table.columns);
            map.points.iter().chain(columns).map(|entry| &entry.point)
        });
        let scpi = scpi.into_iter().flat_map(|map| &map.points);
        modbus.chain(snmp).chain(scpi.map(|entry| &entry.point))
    }

    /// The point that `name` is a row of, or is itself.
    #[must_use]
    pub fn point(&self, name: &PointName) -> Option<&Point> {
        self.points()
            .find(|point| point.name.as_str() == name.stem())
    }

    /// What a device of this model tells about itself when polled every `poll_ms`.
    #[must_use]
    pub fn about(&self, poll_ms: u64) -> About {
        let points = self.points().map(|point| PointAbout {
            name: point.name.clone(),
            unit: point.unit,
            role: point.role,
            limits: point.limits,
        });
        About {
            profile: self.id.clone(),
            poll_ms,
            vendor: self.vendor.clone(),
            model: self.model.clone(),
            serial: None,
            points: points.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edfa() -> Profile {
        Library::embedded()
            .find(&"silkline-edfa".parse().unwrap())
            .unwrap()
            .clone()
    }

    #[test]
    fn an_indexed_name_finds_the_point_of_its_stem() {
        let profile = edfa();
        let point = profile.point(&"in_power.2".parse().unwrap()).unwrap();
        assert_eq!((point.role, point.unit), (Role::LightIn, Unit::Dbm));
        assert!(profile.point(&"no_such.2".parse().unwrap()).is_none());
    }

    #[test]
    fn the_about_names_every_point_once_with_unit_and_role() {
        let about = edfa().about(1000);
        assert_eq!(about.poll_ms, 1000);
        let mut names: Vec<&str> = about
            .points
            .iter()
            .map(|point| point.name.as_str())
            .collect();
        assert!(names.contains(&"in_power") && names.contains(&"module_temp"));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
