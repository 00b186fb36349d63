//! A fibre switch as a device of its own: how it is set to a port, and how it tells where it stands.

use std::time::Duration;

use silkline_protocol::id::PointName;

use super::{ObjectType, Oid};

/// How a switch is worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchMap {
    /// What sets it.
    pub set: SwitchSet,
    /// The point that tells the port at which it stands.
    pub position: PointName,
    /// How many ports it has, counted from 1.
    pub ports: u16,
    /// What is added to a port before it is written, for those that count from 0.
    pub offset: i32,
    /// How long it may take to say that it stands where it was sent.
    pub within: Duration,
    /// How long the light needs after that.
    pub settle: Duration,
}

/// What sets a switch to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchSet {
    /// A holding register (Modbus).
    Register(u16),
    /// An object (SNMP).
    Object(Oid, ObjectType),
    /// Lines, with `{port}` where it goes (SCPI).
    Lines(Vec<String>),
}

impl SwitchMap {
    /// The number that stands for `port` on the wire; nothing where it has none.
    #[must_use]
    pub fn number(&self, port: u16) -> Option<u16> {
        let has = (1..=self.ports).contains(&port);
        let number = i32::from(port).checked_add(self.offset)?;
        u16::try_from(number).ok().filter(|_| has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_a_number_where_the_switch_has_the_port() {
        let map = SwitchMap {
            set: SwitchSet::Register(10),
            position: "port".parse().unwrap(),
            ports: 8,
            offset: -1,
            within: Duration::from_secs(5),
            settle: Duration::ZERO,
        };
        assert_eq!(map.number(1), Some(0));
        assert_eq!(map.number(8), Some(7));
        assert_eq!((map.number(0), map.number(9)), (None, None));
        let low = SwitchMap { offset: -2, ..map };
        assert_eq!(low.number(1), None);
    }
}
