//! Where a device is: a host and port, or a serial line.

use core::fmt;
use std::path::PathBuf;
use std::time::Duration;

use silkline_protocol::settings::{FromSetting, Section, Wrong};
use toml::de::DeValue;

use crate::choice::one_of;
use crate::profile::{Map, Profile};

/// Nine of ten serial devices are shipped at this rate.
pub(super) const DEFAULT_BAUD: u32 = 9600;
/// The highest unit number on a serial line (Modbus over Serial Line 1.02, 2.2).
const LAST_SERIAL_UNIT: u8 = 247;
/// Rates between what the oldest device has and what any line driver stands.
const BAUD: core::ops::RangeInclusive<u32> = 300..=4_000_000;

/// Where a device is, and in which form it is spoken to there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// `host:port`, in the protocol's own form: Modbus TCP, or SNMP over UDP.
    Network(String),
    /// `host:port` of a server that hands Modbus RTU frames through to a serial line.
    RtuOverTcp(String),
    /// A serial line of this machine.
    Serial(SerialLine),
}

/// A serial line and how it is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SerialLine {
    /// The device file.
    pub path: PathBuf,
    /// Bits a second.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// How many stop bits.
    pub stop_bits: u8,
}

/// The parity bit of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parity {
    /// None.
    None,
    /// Even, which Modbus asks for.
    Even,
    /// Odd.
    Odd,
}

/// The form of Modbus frames on a network connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Tcp,
    Rtu,
}

impl SerialLine {
    /// How long one character takes: start bit, eight bits, parity, stop bits.
    #[must_use]
    pub fn character(&self) -> Duration {
        let bits = 9 + u32::from(self.parity != Parity::None) + u32::from(self.stop_bits);
        Duration::from_secs(1) * bits / self.baud.max(1)
    }

    /// The silence that ends a frame: three and a half characters, and 1.75 ms where those would be
    /// shorter.
    ///
    /// # Source
    ///
    /// Modbus over Serial Line 1.02, 2.5.1.1.
    #[must_use]
    pub fn frame_gap(&self) -> Duration {
        if self.baud > 19_200 {
            Duration::from_micros(1750)
        } else {
            self.character() * 7 / 2
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(at) => f.write_str(at),
            Self::RtuOverTcp(at) => write!(f, "{at} (RTU)"),
            Self::Serial(line) => line.fmt(f),
        }
    }
}

impl fmt::Display for SerialLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        let path = self.path.display();
        write!(f, "{path} {} 8{parity}{}", self.baud, self.stop_bits)
    }
}

impl FromSetting for Parity {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("none", Self::None),
            ("even", Self::Even),
            ("odd", Self::Odd),
        ];
        one_of(setting, &table)
    }
}

impl FromSetting for Framing {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("tcp", Self::Tcp), ("rtu", Self::Rtu)])
    }
}

/// Reads the address of a device of `profile`: an absolute path is a serial line, anything else a
/// host with a port, the protocol's own where none is written.
pub(super) fn read(section: &mut Section<'_>, profile: Option<&Profile>) -> Option<Address> {
    let modbus = profile.is_none_or(|profile| matches!(profile.map, Map::Modbus(_)));
    let text: Option<String> = section.optional("address");
    let framing = section.or("framing", Framing::Tcp);
    let baud = section.or("baud", DEFAULT_BAUD);
    if !BAUD.contains(&baud) {
        let (least, most) = (BAUD.start(), BAUD.end());
        section.wrong("baud", format!("{baud} is not {least} to {most}"));
    }
    let parity = section.or("parity", Parity::Even);
    // A character has eleven bits in any case, so the second stop bit stands for the parity.
    let stop_bits = section.or("stop_bits", if parity == Parity::None { 2 } else { 1 });
    if !(1..=2).contains(&stop_bits) {
        section.wrong("stop_bits", format!("{stop_bits} is not 1 or 2"));
    }
    let serial = text.as_deref().is_some_and(|text| text.starts_with('/'));
    if !modbus || !serial {
        stray(section, &["baud", "parity", "stop_bits"], "a serial line");
    }
    if !modbus || serial {
        stray(section, &["framing"], "a Modbus device on the network");
    }
    if serial && !modbus {
        section.wrong(
            "address",
            "is a serial line, which only Modbus devices have",
        );
    }
    let text = text?;
    if serial {
        let path = PathBuf::from(text);
        return Some(Address::Serial(SerialLine {
            path,
            baud,
            parity,
            stop_bits,
        }));
    }
    let port = profile.map_or(1, |profile| profile.map.port());
    match with_port(&text, port) {
        Ok(at) if framing == Framing::Rtu => Some(Address::RtuOverTcp(at)),
        Ok(at) => Some(Address::Network(at)),
        Err(Wrong(problem)) => {
            section.wrong("address", problem);
            None
        }
    }
}

fn stray(section: &Section<'_>, keys: &[&str], owner: &str) {
    for key in keys.iter().filter(|key| section.has(key)) {
        section.wrong(key, format!("belongs to {owner} only"));
    }
}

/// Serial units are 1 to 247: 0 is a broadcast, which nobody answers.
pub(super) fn check_unit(section: &Section<'_>, address: Option<&Address>, unit: u8) {
    let framed = matches!(address, Some(Address::RtuOverTcp(_) | Address::Serial(_)));
    if framed && !(1..=LAST_SERIAL_UNIT).contains(&unit) {
        section.wrong("unit", format!("{unit} is not 1 to {LAST_SERIAL_UNIT}"));
    }
}

/// `text` with `port` after it where it names none.
///
/// # Errors
///
/// What is not an address.
pub(crate) fn with_port(text: &str, port: u16) -> Result<String, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("{text:?}"),
            "an address such as 10.0.0.7, edfa.local:502 or /dev/ttyS0",
        )
    };
    let strange = |letter: char| letter.is_whitespace() || "/@?#".contains(letter);
    if text.is_empty() || text.contains(strange) {
        return Err(wrong());
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
            Ok(format!("[{text}]:{port}"))
        }
        Some((host, number)) if !number.ends_with(']') => {
            let good = !host.is_empty() && number.parse::<u16>().is_ok_and(|number| number > 0);
            if good {
                Ok(text.to_owned())
            } else {
                Err(wrong())
            }
        }
        _ => Ok(format!("{text}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(baud: u32, parity: Parity, stop_bits: u8) -> SerialLine {
        let path = PathBuf::from("/dev/ttyS0");
        SerialLine {
            path,
            baud,
            parity,
            stop_bits,
        }
    }

    #[test]
    fn addresses_of_every_form_get_their_port() {
        for (text, wanted) in [
            ("10.0.0.7", "10.0.0.7:502"),
            ("edfa.local:1502", "edfa.local:1502"),
            ("::1", "[::1]:502"),
            ("[::1]:1502", "[::1]:1502"),
        ] {
            assert_eq!(with_port(text, 502).unwrap(), wanted);
        }
        for bad in ["", "a b", "a:b", "a:0", ":502", "http://a"] {
            assert!(with_port(bad, 502).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_frame_ends_after_three_and_a_half_characters() {
        // 11 bits a character at 9600 bits a second: 1.146 ms, so 4.01 ms.
        let gap = line(9600, Parity::Even, 1).frame_gap();
        assert!(
            (gap.as_secs_f64() - 3.5 * 11.0 / 9600.0).abs() < 1e-6,
            "{gap:?}"
        );
        assert_eq!(
            line(115_200, Parity::None, 1).frame_gap(),
            Duration::from_micros(1750)
        );
    }

    #[test]
    fn an_address_prints_as_technicians_write_it() {
        let serial = Address::Serial(line(19_200, Parity::None, 2));
        assert_eq!(serial.to_string(), "/dev/ttyS0 19200 8N2");
        let rtu = Address::RtuOverTcp("10.0.0.7:4001".into());
        assert_eq!(rtu.to_string(), "10.0.0.7:4001 (RTU)");
    }
}
