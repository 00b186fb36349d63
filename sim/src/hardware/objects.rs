//! What devices with SNMP hold: written by hand from their MIBs, not shared with what reads them.

use async_snmp::handler::OidTable;
use async_snmp::{Oid, Value};
use silkline_protocol::plant::{Device, Direction};
use silkline_protocol::unit::Dbm;

use super::stand_of;
use crate::world::{Amplifier, Hut, Moment, Stand, World};

const CISCO_OTS: &[u32] = &[1, 3, 6, 1, 4, 1, 9, 9, 834, 1, 1, 2, 1];
const CISCO_PRODUCTS: &[u32] = &[1, 3, 6, 1, 4, 1, 9, 1];
const ALPINE: &[u32] = &[1, 3, 6, 1, 4, 1, 52326, 1, 1];
const ELTEK: &[u32] = &[1, 3, 6, 1, 4, 1, 12148, 9];
const AKCP: &[u32] = &[1, 3, 6, 1, 4, 1, 3854];
/// sysDescr, sysObjectID and sysUpTime, which every agent has.
const SYSTEM: &[u32] = &[1, 3, 6, 1, 2, 1, 1];

/// Whether a device of this profile has objects here.
pub(super) fn knows(profile: &str) -> bool {
    base(profile).is_some()
}

/// Under which objects a device of this profile answers.
pub(super) fn base(profile: &str) -> Option<Oid> {
    let arcs = match profile {
        "cisco-ncs1k-ots" => CISCO_OTS,
        "alpineoe-edfa" => ALPINE,
        "eltek-smartpack" => ELTEK,
        "akcp-sensorprobe" => AKCP,
        _ => return None,
    };
    Some(Oid::from_slice(arcs))
}

/// By what a device of this profile is known: the maker's own branch.
fn maker(profile: &str) -> Option<Oid> {
    let arcs = match profile {
        "cisco-ncs1k-ots" => CISCO_PRODUCTS,
        "alpineoe-edfa" => ALPINE,
        "eltek-smartpack" => ELTEK,
        "akcp-sensorprobe" => AKCP,
        _ => return None,
    };
    Some(Oid::from_slice(arcs))
}

/// Where `sysDescr`, `sysObjectID` and `sysUpTime` stand.
pub(super) fn system() -> Oid {
    Oid::from_slice(SYSTEM)
}

/// Every object of `device`.
pub(super) fn of(world: &World, device: &Device, moment: Moment<'_>) -> OidTable<Value> {
    let mut table = Objects(OidTable::new());
    table.put(
        SYSTEM,
        &[1, 0],
        text(&format!("simulated {} {}", device.profile, device.id)),
    );
    if let Some(maker) = maker(device.profile.as_str()) {
        table.put(SYSTEM, &[2, 0], Value::ObjectIdentifier(maker));
    }
    let ticks = u32::try_from(moment.now.as_millis() / 10).unwrap_or(u32::MAX);
    table.put(SYSTEM, &[3, 0], Value::TimeTicks(ticks));
    match device.profile.as_str() {
        "cisco-ncs1k-ots" => table.cisco(world, device, moment),
        "alpineoe-edfa" => table.alpine(world, device, moment),
        "eltek-smartpack" => table.eltek(&world.hut(&device.site, moment)),
        "akcp-sensorprobe" => table.akcp(&world.hut(&device.site, moment)),
        _ => {}
    }
    table.0
}

struct Objects(OidTable<Value>);

impl Objects {
    fn put(&mut self, base: &[u32], tail: &[u32], value: Value) {
        self.0
            .insert(Oid::new(base.iter().chain(tail).copied()), value);
    }

    /// Port 1 faces A: it receives what goes to B and sends what goes to A. Port 2 faces B.
    fn cisco(&mut self, world: &World, device: &Device, moment: Moment<'_>) {
        let [ab, ba] = both(world, device, moment);
        let Some((ab, ba)) = ab.zip(ba) else { return };
        for (port, received, sent) in [(1, ab, ba), (2, ba, ab)] {
            let light =
                |light: Option<Dbm>| whole(light.map_or(-40.0, Dbm::get).max(-40.0) * 100.0);
            // Alarm bits count from the highest of the first byte: 5 is loss of signal.
            let alarms = if received.input.is_none() {
                0b0000_0100
            } else {
                0
            };
            let span_loss = received
                .span_loss
                .map_or(Value::Integer(i32::MAX), |loss| whole(loss.get() * 100.0));
            let tail_loss = sent
                .span_loss
                .map_or(Value::Integer(i32::MAX), |loss| whole(loss.get() * 100.0));
            let gain = received.gain().map_or(-1.0, |gain| gain.get() * 100.0);
            let columns = [
                (1, Value::Integer(1)),
                (2, Value::Integer(2)),
                (3, light(received.input)),
                (4, light(sent.output)),
                (5, whole(gain)),
                (6, Value::Integer(0)),
                (7, light(received.input)),
                (8, light(sent.output)),
                (22, Value::OctetString(vec![alarms, 0].into())),
                (23, span_loss),
                (24, tail_loss),
            ];
            for (column, value) in columns {
                self.put(CISCO_OTS, &[column, port], value);
            }
        }
    }

    /// A card a direction, by slot; numbers as text, as the maker's agent gives them.
    fn alpine(&mut self, world: &World, device: &Device, moment: Moment<'_>) {
        let hut = world.hut(&device.site, moment);
        for (amplifier, slot) in both(world, device, moment).into_iter().zip(1_u32..) {
            let Some(seen) = amplifier else { continue };
            let light = |light: Option<Dbm>| text(&format!("{:.1}", light.map_or(-60.0, Dbm::get)));
            let gain = seen.gain().map_or(0.0, |gain| gain.get());
            let lost = i32::from(seen.input.is_none());
            let columns: [(&[u32], Value); 10] = [
                (&[1, 1, 3], Value::Integer(2)),
                (&[1, 1, 6], light(seen.output)),
                (&[1, 1, 7], text(&format!("{gain:.1}"))),
                (&[1, 1, 8], text(&format!("{:.1}", hut.celsius + 6.0))),
                (&[1, 1, 10], light(seen.input)),
                (&[2, 2, 1, 3], Value::Integer(lost)),
                (&[2, 2, 1, 5], Value::Integer(0)),
                (
                    &[2, 2, 1, 6],
                    Value::Integer(i32::from(seen.pump_ma > 900.0)),
                ),
                (&[2, 2, 1, 7], Value::Integer(lost)),
                (&[2, 2, 1, 8], Value::Integer(0)),
            ];
            for (column, value) in columns {
                let tail: Vec<u32> = column.iter().copied().chain([slot]).collect();
                self.put(ALPINE, &tail, value);
            }
        }
    }

    fn eltek(&mut self, hut: &Hut) {
        let on_mains = hut.mains_volts > 100.0;
        let rectifiers = if on_mains { 2 } else { 0 };
        let current = if on_mains {
            hut.load_amps + hut.battery_amps
        } else {
            0.0
        };
        let scalars: [(&[u32], Value); 10] = [
            (&[3, 2, 0], whole(hut.battery_volts * 100.0)),
            (&[3, 20, 1, 0], whole(hut.charge_percent * 4.0)),
            (&[3, 20, 2, 0], whole(hut.charge_percent)),
            (&[4, 1, 0], whole(hut.load_amps * 10.0)),
            (&[5, 1, 0], Value::Integer(2)),
            (&[5, 2, 0], Value::Integer(rectifiers)),
            (&[5, 3, 0], whole(current * 10.0)),
            (&[6, 1, 0], whole(hut.mains_volts)),
            (&[6, 2, 0], whole(hut.mains_volts)),
            (&[6, 3, 0], whole(hut.mains_volts)),
        ];
        for (tail, value) in scalars {
            self.put(ELTEK, tail, value);
        }
        for rectifier in 1..=2 {
            let volts = if on_mains {
                hut.battery_volts * 100.0
            } else {
                0.0
            };
            self.put(ELTEK, &[5, 5, 2, 1, 3, rectifier], whole(current * 50.0));
            self.put(ELTEK, &[5, 5, 2, 1, 4, rectifier], whole(volts));
            self.put(
                ELTEK,
                &[5, 5, 2, 1, 5, rectifier],
                whole(hut.celsius + 12.0),
            );
        }
    }

    /// Port 1 has the door contact, closed, the humidity probe and the supply's voltage.
    fn akcp(&mut self, hut: &Hut) {
        self.put(AKCP, &[1, 1, 2, 0], Value::Integer(2));
        self.put(AKCP, &[1, 2, 2, 1, 18, 1, 3, 1], Value::Integer(2));
        self.put(
            AKCP,
            &[1, 2, 2, 1, 17, 1, 13, 1],
            whole(hut.humidity_percent * 10.0),
        );
        self.put(AKCP, &[2, 5, 6, 1, 20, 1], whole(hut.battery_volts * 10.0));
    }
}

/// The amplifiers of a hut: AB, BA.
fn both(world: &World, device: &Device, moment: Moment<'_>) -> [Option<Amplifier>; 2] {
    let at = stand_of(world.plant(), device);
    [Direction::AToB, Direction::BToA].map(|direction| {
        let at = at.as_ref()?;
        world.amplifier(
            Stand {
                line: &at.line,
                node: &at.node,
                direction,
            },
            moment,
        )
    })
}

fn whole(value: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates; NaN becomes zero"
    )]
    let whole = value.round() as i32;
    Value::Integer(whole)
}

fn text(text: &str) -> Value {
    Value::OctetString(text.as_bytes().to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seed;
    use crate::fault::{Fault, Scene};
    use silkline_protocol::unit::RouteLength;
    use std::time::Duration;

    fn world() -> World {
        let text = crate::corridor::plant_toml();
        World::new(
            silkline_protocol::plant::read("plant.toml", &text)
                .unwrap()
                .plant,
            Seed(1),
        )
    }

    fn cut(km: f64) -> Scene {
        let line = "baku-poti".parse().unwrap();
        let at = RouteLength::of(km * 1_000.0);
        let mut scene = Scene::default();
        scene.inflict(
            Fault::Cut {
                line,
                at,
                fibre: None,
            },
            Duration::ZERO,
        );
        scene
    }

    fn object(world: &World, scene: &Scene, at: (&str, &str), oid: &str) -> Option<Value> {
        let device = world
            .plant()
            .device(&at.0.parse().unwrap(), &at.1.parse().unwrap())
            .unwrap();
        let moment = Moment {
            scene,
            now: Duration::from_secs(30),
        };
        of(world, device, moment)
            .get(&oid.parse().unwrap())
            .cloned()
    }

    #[test]
    fn an_alpine_card_gives_its_light_as_text() {
        let world = world();
        // Gori lies at km 620.9: a cut at 600 takes the light that comes from A.
        let light = |scene: &Scene, slot: u32| {
            let oid = format!("1.3.6.1.4.1.52326.1.1.1.1.10.{slot}");
            match object(&world, scene, ("gori", "edfa-1"), &oid) {
                Some(Value::OctetString(text)) => String::from_utf8(text.to_vec()).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let lit: f64 = light(&Scene::default(), 1).parse().unwrap();
        assert!((-20.0..-5.0).contains(&lit), "{lit}");
        assert_eq!(light(&cut(600.0), 1), "-60.0");
        let back: f64 = light(&cut(600.0), 2).parse().unwrap();
        assert!((-20.0..-5.0).contains(&back), "{back}");
    }

    #[test]
    fn a_cisco_card_tells_the_loss_of_the_span_before_each_port() {
        let world = world();
        let loss = |scene: &Scene, port: u32| {
            let oid = format!("1.3.6.1.4.1.9.9.834.1.1.2.1.23.{port}");
            match object(&world, scene, ("khashuri", "edfa-1"), &oid) {
                Some(Value::Integer(loss)) => loss,
                other => panic!("{other:?}"),
            }
        };
        // 45 km towards Gori, 86 km towards Kutaisi; about 0.21 dB a kilometre and two connectors.
        assert!((900..1_200).contains(&loss(&Scene::default(), 1)));
        assert!((1_700..2_100).contains(&loss(&Scene::default(), 2)));
        assert_eq!(loss(&cut(700.0), 2), i32::MAX);
    }

    #[test]
    fn a_rectifier_without_mains_delivers_nothing() {
        let world = world();
        let at = ("ganja", "battery-1");
        let mut scene = Scene::default();
        let active = "1.3.6.1.4.1.12148.9.5.2.0";
        assert_eq!(object(&world, &scene, at, active), Some(Value::Integer(2)));
        scene.inflict(
            Fault::Battery {
                site: "ganja".parse().unwrap(),
            },
            Duration::ZERO,
        );
        for zero in [
            active,
            "1.3.6.1.4.1.12148.9.6.1.0",
            "1.3.6.1.4.1.12148.9.5.5.2.1.4.1",
        ] {
            assert_eq!(
                object(&world, &scene, at, zero),
                Some(Value::Integer(0)),
                "{zero}"
            );
        }
    }

    #[test]
    fn every_agent_says_what_it_is() {
        let world = world();
        let scene = Scene::default();
        let described = object(&world, &scene, ("alat", "env-1"), "1.3.6.1.2.1.1.1.0");
        assert_eq!(described, Some(text("simulated akcp-sensorprobe env-1")));
        let known_by = object(&world, &scene, ("alat", "env-1"), "1.3.6.1.2.1.1.2.0");
        assert_eq!(
            known_by,
            maker("akcp-sensorprobe").map(Value::ObjectIdentifier)
        );
        let uptime = object(&world, &scene, ("alat", "env-1"), "1.3.6.1.2.1.1.3.0");
        assert_eq!(uptime, Some(Value::TimeTicks(3_000)));
    }
}
