//! What a device holds at a moment, for who asks it without a network.

use std::collections::BTreeMap;

use async_snmp::Value;
use silkline_protocol::plant::Device;

use super::registers::{self, Table};
use super::{objects, otdr, switch};
use crate::world::{Moment, World};

/// All that a device has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// Registers of Modbus by their number.
    Registers {
        /// Whether they are holding registers; else they are inputs.
        holding: bool,
        /// The words.
        words: BTreeMap<u16, u16>,
    },
    /// Objects of SNMP by the arcs of their names.
    Objects(Vec<(Vec<u32>, Object)>),
}

/// The value of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A whole number.
    Whole(i64),
    /// Text or bits.
    Bytes(Vec<u8>),
}

/// All that `device` holds; nothing where its profile is not simulated or where it does not answer.
#[must_use]
pub fn contents(world: &World, device: &Device, moment: Moment<'_>) -> Option<Contents> {
    if !moment.scene.answers(&device.site, &device.id) {
        return None;
    }
    let profile = device.profile.as_str();
    let at_rest = match profile {
        "silkline-otdr" => Some(otdr::at_rest().words),
        "silkline-otdr-modbus" => Some(otdr::blocks::at_rest().words),
        "silkline-switch" => Some(switch::at_rest().words),
        _ => None,
    };
    if let Some(words) = at_rest {
        return Some(Contents::Registers {
            holding: false,
            words,
        });
    }
    if registers::knows(profile) {
        let held = registers::of(world, device, moment);
        return Some(Contents::Registers {
            holding: held.table == Table::Holding,
            words: held.words,
        });
    }
    let all = match profile {
        "silkline-otdr-snmp" => Some(otdr::rows::at_rest()),
        name if objects::knows(name) => Some(objects::of(world, device, moment)),
        _ => None,
    };
    all.map(|all| {
        let each = all.iter().filter_map(|(oid, value)| {
            let value = match value {
                Value::Integer(whole) => Object::Whole((*whole).into()),
                Value::TimeTicks(count) | Value::Gauge32(count) | Value::Counter32(count) => {
                    Object::Whole((*count).into())
                }
                Value::OctetString(bytes) => Object::Bytes(bytes.to_vec()),
                _ => return None,
            };
            Some((oid.arcs().to_vec(), value))
        });
        Contents::Objects(each.collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Scene};
    use std::time::Duration;

    #[test]
    fn every_device_of_the_corridor_says_something_until_its_site_has_no_power() {
        let text = crate::corridor::plant_toml();
        let plant = silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant;
        let world = World::new(plant, crate::Seed(1));
        let mut scene = Scene::default();
        let now = Duration::from_secs(5);
        for device in &world.plant().devices {
            let held = contents(&world, device, Moment { scene: &scene, now });
            let some = match held {
                Some(Contents::Registers { words, .. }) => !words.is_empty(),
                Some(Contents::Objects(objects)) => !objects.is_empty(),
                None => false,
            };
            assert!(some, "{} at {}", device.id, device.site);
        }
        let site: silkline_protocol::id::SiteId = "gori".parse().unwrap();
        scene.inflict(Fault::Hut { site: site.clone() }, Duration::ZERO);
        for device in &world.plant().devices {
            let held = contents(&world, device, Moment { scene: &scene, now });
            assert_eq!(held.is_none(), device.site == site, "{}", device.id);
        }
    }
}
