//! What devices with Modbus hold in their registers: written by hand from their maps, not shared with
//! what reads them.

use std::collections::BTreeMap;

use silkline_protocol::plant::{Device, Direction, NodeKind};
use silkline_protocol::unit::Dbm;

use super::stand_of;
use crate::world::{Amplifier, Moment, Stand, World};

/// The registers of a device at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    /// By which function they are read.
    pub(super) table: Table,
    pub(super) words: BTreeMap<u16, u16>,
}

/// The two tables of 16-bit registers that Modbus has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Table {
    /// Function 4.
    #[default]
    Input,
    /// Function 3.
    Holding,
}

/// No light; not known.
const DARK: u16 = i16::MIN.cast_unsigned();
const UNKNOWN: u16 = i16::MAX.cast_unsigned();

/// Whether a device of this profile has registers here.
pub(super) fn knows(profile: &str) -> bool {
    [
        "silkline-edfa",
        "silkline-repeater",
        "silkline-pfe",
        "victron-gx-battery",
    ]
    .contains(&profile)
}

/// The registers of `device`.
pub(super) fn of(world: &World, device: &Device, moment: Moment<'_>) -> Registers {
    match device.profile.as_str() {
        "silkline-edfa" => edfa(world, device, moment),
        "silkline-repeater" => repeaters(world, device, moment),
        "silkline-pfe" => power_feed(world, device, moment),
        "victron-gx-battery" => battery(world, device, moment),
        _ => Registers::default(),
    }
}

/// Two amplifiers: 1 for the direction AB, 2 for BA.
fn edfa(world: &World, device: &Device, moment: Moment<'_>) -> Registers {
    let mut registers = Registers::block(48);
    registers.set(0, 1);
    let hut = world.hut(&device.site, moment);
    registers.set(1, tenths(hut.celsius + 8.0));
    let Some(at) = stand_of(world.plant(), device) else {
        return registers;
    };
    for (start, direction) in [(16, Direction::AToB), (32, Direction::BToA)] {
        let stand = Stand {
            line: &at.line,
            node: &at.node,
            direction,
        };
        if let Some(amplifier) = world.amplifier(stand, moment) {
            registers.amplifier(start, &amplifier);
        }
    }
    registers
}

/// Repeater n of the line, direction AB then BA, 16 registers each pair.
fn repeaters(world: &World, device: &Device, moment: Moment<'_>) -> Registers {
    let mut registers = Registers::block(16);
    registers.set(0, 1);
    let Some(at) = stand_of(world.plant(), device) else {
        return registers;
    };
    let line = world.plant().line(&at.line);
    let nodes = line.iter().flat_map(|line| &line.nodes);
    let mut count = 0;
    for (node, number) in nodes
        .filter(|node| node.kind == NodeKind::Repeater)
        .zip(0_u16..)
    {
        let start = 16_u16.saturating_add(number.saturating_mul(16));
        for offset in 0..16 {
            registers.set(start.saturating_add(offset), UNKNOWN);
        }
        count = number + 1;
        let answers = world.repeater_answers(&at.line, [&at.node, &node.id], moment);
        for (beyond, direction) in [(0, Direction::AToB), (8, Direction::BToA)] {
            let stand = Stand {
                line: &at.line,
                node: &node.id,
                direction,
            };
            let seen = world.amplifier(stand, moment).filter(|_| answers);
            let row = start.saturating_add(beyond);
            registers.set(row, seen.map_or(UNKNOWN, |seen| power(seen.input)));
            registers.set(row + 1, seen.map_or(UNKNOWN, |seen| power(seen.output)));
            registers.set(
                row + 2,
                seen.map_or(u16::MAX, |seen| unsigned(seen.pump_ma * 10.0)),
            );
        }
    }
    registers.set(1, count);
    registers
}

fn power_feed(world: &World, device: &Device, moment: Moment<'_>) -> Registers {
    let mut registers = Registers::block(10);
    registers.set(0, 1);
    let Some(at) = stand_of(world.plant(), device) else {
        return registers;
    };
    let line = world.plant().line(&at.line);
    let at_b = line
        .and_then(|line| line.nodes.last())
        .is_some_and(|node| node.id == at.node);
    let Some(feed) = world.feed(&at.line, moment) else {
        return registers;
    };
    let [volts, earth] = [feed.volts, feed.earth_volts].map(|[a, b]| if at_b { b } else { a });
    registers.set(1, u16::from(at_b));
    registers.set_wide(4, signed_wide(volts * 10.0));
    registers.set_wide(6, single(feed.amps));
    registers.set_wide(8, signed_wide(earth * 100.0));
    registers
}

/// Only the registers that the maker lists: those between are refused.
fn battery(world: &World, device: &Device, moment: Moment<'_>) -> Registers {
    let hut = world.hut(&device.site, moment);
    let alarm = |on: bool| if on { 2 } else { 0 };
    let words = [
        (259, unsigned(hut.battery_volts * 100.0)),
        (261, tenths(hut.battery_amps)),
        (262, tenths(hut.celsius + 2.0)),
        (266, unsigned(hut.charge_percent * 10.0)),
        (268, alarm(hut.battery_volts < 46.0)),
        (269, 0),
        (272, alarm(hut.charge_percent < 20.0)),
        (273, 0),
        (274, 0),
        (303, unsigned(hut.charge_percent * 3.6)),
        (304, 980),
    ];
    Registers {
        table: Table::Holding,
        words: words.into(),
    }
}

impl Registers {
    /// `count` registers from 0 on, all zero.
    fn block(count: u16) -> Self {
        Self {
            table: Table::Input,
            words: (0..count).map(|at| (at, 0)).collect(),
        }
    }

    fn set(&mut self, at: u16, word: u16) {
        self.words.insert(at, word);
    }

    /// Two registers, high word first.
    fn set_wide(&mut self, at: u16, [high, low]: [u16; 2]) {
        self.set(at, high);
        self.set(at + 1, low);
    }

    fn amplifier(&mut self, start: u16, seen: &Amplifier) {
        let lost = seen.input.is_none_or(|input| input.get() < -35.0);
        let gain = seen.gain().map_or(UNKNOWN, |gain| hundredths(gain.get()));
        let words = [
            power(seen.input),
            power(seen.output),
            gain,
            power(seen.supervisory),
            unsigned(seen.pump_ma * 10.0),
            tenths(seen.pump_celsius),
            unsigned(seen.return_loss.get() * 100.0),
            u16::from(lost),
        ];
        for (word, offset) in words.into_iter().zip(0_u16..) {
            self.set(start + offset, word);
        }
    }
}

/// Power in hundredths of a dBm; the meters here end at -50 dBm.
fn power(light: Option<Dbm>) -> u16 {
    let seen = light.filter(|light| light.get() > -50.0);
    seen.map_or(DARK, |light| hundredths(light.get()))
}

fn hundredths(value: f64) -> u16 {
    signed(value * 100.0)
}

fn tenths(value: f64) -> u16 {
    signed(value * 10.0)
}

/// A number as 16 bits with sign, held clear of the codes at either end.
fn signed(value: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates; NaN becomes zero"
    )]
    let whole = value.round() as i16;
    whole.clamp(-32_000, 32_000).cast_unsigned()
}

fn unsigned(value: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates at either end; NaN becomes zero"
    )]
    let whole = value.round() as u16;
    whole.min(65_000)
}

fn signed_wide(value: f64) -> [u16; 2] {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates; NaN becomes zero"
    )]
    let whole = value.round() as i32;
    words(whole.cast_unsigned())
}

fn single(value: f64) -> [u16; 2] {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "f64 to f32 loses digits only"
    )]
    let single = value as f32;
    words(single.to_bits())
}

/// 32 bits as two words, high word first.
fn words(bits: u32) -> [u16; 2] {
    let [b0, b1, b2, b3] = bits.to_be_bytes();
    [u16::from_be_bytes([b0, b1]), u16::from_be_bytes([b2, b3])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_words_as_the_maps_say() {
        assert_eq!(hundredths(-17.2), (-1720_i16).cast_unsigned());
        assert_eq!(power(None), 0x8000);
        assert_eq!(power(Some(Dbm::of(-70.0))), 0x8000);
        assert_eq!(signed(1e9), 32_000);
        assert_eq!(unsigned(-5.0), 0);
        assert_eq!(unsigned(1e9), 65_000);
        assert_eq!(signed_wide(-1.0), [0xffff, 0xffff]);
        // 0.9 as a single: 0x3f666666.
        assert_eq!(single(0.9), [0x3f66, 0x6666]);
    }

    fn read(site: &str, device: &str, faults: &[crate::fault::Fault], seconds: u64) -> Registers {
        let text = crate::corridor::plant_toml();
        let plant = silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant;
        let world = World::new(plant, crate::chance::Seed(1));
        let mut scene = crate::fault::Scene::default();
        for fault in faults {
            scene.inflict(fault.clone(), core::time::Duration::ZERO);
        }
        let device = world
            .plant()
            .device(&site.parse().unwrap(), &device.parse().unwrap());
        let now = core::time::Duration::from_secs(seconds);
        of(&world, device.unwrap(), Moment { scene: &scene, now })
    }

    #[test]
    fn gain_is_what_leaves_less_what_arrives() {
        let registers = read("tovuz", "edfa-1", &[], 10);
        for start in [16, 32] {
            let signed = |at: u16| i32::from(registers.words[&(start + at)].cast_signed());
            assert!(
                (signed(2) - (signed(1) - signed(0))).abs() <= 1,
                "{registers:?}"
            );
        }
    }

    #[test]
    fn an_amplifier_without_light_has_no_gain_and_raises_its_alarm() {
        let line = "baku-poti".parse().unwrap();
        let at = silkline_protocol::unit::RouteLength::of(400_000.0);
        let cut = crate::fault::Fault::Cut {
            line,
            at,
            fibre: None,
        };
        let registers = read("tovuz", "edfa-1", &[cut], 10);
        assert_eq!(registers.words[&16], DARK);
        assert_eq!(registers.words[&18], UNKNOWN);
        assert_eq!((registers.words[&23], registers.words[&39]), (1, 0));
    }

    #[test]
    fn a_battery_raises_its_alarm_below_46_volts() {
        let dark = crate::fault::Fault::Battery {
            site: "tovuz".parse().unwrap(),
        };
        for (device_site, seconds, alarm) in [("alat", 500, 0), ("yevlakh", 500, 0)] {
            let registers = read(
                device_site,
                "battery-1",
                std::slice::from_ref(&dark),
                seconds,
            );
            assert_eq!(registers.words[&268], alarm, "{device_site}");
        }
        let registers = read("tovuz", "battery-1", std::slice::from_ref(&dark), 500);
        assert!(registers.words[&259] < 4_600);
        assert_eq!(registers.words[&268], 2);
        assert!(
            registers.words[&261].cast_signed() < -150,
            "it feeds the site"
        );
    }

    #[test]
    fn an_end_of_the_line_hears_its_own_terminal_on_the_other_side() {
        // At Poti the light of direction BA comes from the terminal: -6 dBm.
        let registers = read("poti", "edfa-1", &[], 10);
        let input = f64::from(registers.words[&32].cast_signed()) / 100.0;
        assert!((input + 6.0).abs() < 0.2, "{input}");
    }
}
