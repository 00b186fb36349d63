//! What an SNMP device has: objects, tables, notifications, and how it is known.

use silkline_protocol::id::PointName;
use silkline_protocol::message::EventKind;

use super::{LimitPlaces, Oid, Point};

/// What an SNMP device has.
#[derive(Clone, Debug, PartialEq)]
pub struct SnmpMap {
    /// The port it listens on unless an address says otherwise.
    pub port: u16,
    /// Rows asked for in one request of a walk.
    pub repetitions: u16,
    /// What its `sysObjectID` begins with, so that a device can be known by it.
    pub sys_objects: Vec<Oid>,
    /// Single values, each with its complete OID.
    pub points: Vec<SnmpPoint>,
    /// Tables.
    pub tables: Vec<SnmpTable>,
    /// What it tells unasked.
    pub traps: Vec<TrapMap>,
}

/// One OID with its meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct SnmpPoint {
    /// The instance's OID, or the column's in a table.
    pub oid: Oid,
    /// The bit that is meant, counted as SNMP's BITS does: 0 is the highest of the first byte.
    pub bit: Option<u16>,
    /// Whether it is a counter of which the rate a second is wanted.
    pub rate: bool,
    /// Which rows of a table of sensors are meant, by their `EntitySensorDataType`.
    pub sensor: Option<u8>,
    /// Where the device keeps limits of its own for it.
    pub limits_at: LimitPlaces<Oid>,
    /// What it means.
    pub point: Point,
}

/// Columns that share one index.
#[derive(Clone, Debug, PartialEq)]
pub struct SnmpTable {
    /// What the index consists of.
    pub index: IndexForm,
    /// Whether its rows say themselves what they measure, as those of ENTITY-SENSOR-MIB.
    pub sensors: bool,
    /// The most rows that are taken.
    pub max_rows: u16,
    /// The columns.
    pub columns: Vec<SnmpPoint>,
}

/// What the index of an SNMP table consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexForm {
    /// Numbers: `3`, `3.1`.
    Integers,
    /// Texts, each with its length before it: `1-pre-amp`.
    Texts,
}

/// The type of an object that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    /// INTEGER.
    Integer,
    /// Unsigned32 and Gauge32.
    Unsigned,
}

/// What a notification of the device means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapMap {
    /// Its OID (`snmpTrapOID.0`; for version 1 by RFC 3584, 3.1).
    pub oid: Oid,
    /// What it is told as.
    pub event: EventKind,
    /// The point it is about; its row is taken from the objects that come with it.
    pub point: Option<PointName>,
    /// In words.
    pub detail: String,
    /// Whether the device is polled at once.
    pub reread: bool,
}
