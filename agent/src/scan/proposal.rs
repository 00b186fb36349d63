//! Settings for what was found, ready to be pasted.

use core::fmt::Write as _;
use std::collections::BTreeSet;

use serde::Serialize;
use silkline_protocol::id::{DeviceId, ProfileId};

use super::{Fit, Found};
use crate::config::{Address, Parity, SerialLine};

/// Where a device is and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Place {
    /// A unit behind a Modbus address.
    Modbus {
        /// As settings name it.
        address: String,
        /// Which frames it speaks, or how its line is set.
        #[serde(flatten)]
        way: Way,
        /// The unit.
        unit: u8,
    },
    /// An SNMP agent.
    Snmp {
        /// As settings name it.
        address: String,
        /// The version it answered to.
        version: &'static str,
        /// The community it answered to, where that is not `public`.
        #[serde(skip_serializing_if = "Option::is_none")]
        community: Option<String>,
    },
}

/// What a Modbus address needs beside itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum Way {
    /// Modbus TCP.
    Tcp,
    /// RTU frames through a serial server.
    RtuOverTcp,
    /// A serial line.
    Serial {
        /// Bits a second.
        baud: u32,
        /// As settings name it.
        parity: &'static str,
        /// One or two.
        stop_bits: u8,
    },
}

impl Place {
    /// The unit `unit` behind `address`.
    #[must_use]
    pub fn modbus(address: &Address, unit: u8) -> Self {
        let (address, way) = match address {
            Address::Network(at) => (at.clone(), Way::Tcp),
            Address::RtuOverTcp(at) => (at.clone(), Way::RtuOverTcp),
            Address::Serial(line) => (line.path.display().to_string(), serial(line)),
        };
        Self::Modbus { address, way, unit }
    }

    /// In words: `192.0.2.10:502 unit 3`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Modbus { address, unit, way } => {
                let way = match way {
                    Way::RtuOverTcp => " (RTU)",
                    Way::Tcp | Way::Serial { .. } => "",
                };
                format!("{address}{way} unit {unit}")
            }
            Self::Snmp {
                address, version, ..
            } => format!("{address} version {version}"),
        }
    }

    /// The keys of a device entry that say it.
    fn keys(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        match self {
            Self::Modbus { address, way, unit } => {
                let _ = writeln!(text, "address = {}\nunit = {unit}", quoted(address));
                let _ = match way {
                    Way::Tcp => Ok(()),
                    Way::RtuOverTcp => writeln!(text, "framing = \"rtu\""),
                    Way::Serial {
                        baud,
                        parity,
                        stop_bits,
                    } => writeln!(
                        text,
                        "baud = {baud}\nparity = \"{parity}\"\nstop_bits = {stop_bits}"
                    ),
                };
            }
            Self::Snmp {
                address,
                version,
                community,
            } => {
                let _ = writeln!(text, "address = {}", quoted(address));
                if *version != "2c" {
                    let _ = writeln!(text, "version = \"{version}\"");
                }
                if let Some(community) = community {
                    let _ = writeln!(text, "community = {}", quoted(community));
                }
            }
        }
        text
    }
}

fn serial(line: &SerialLine) -> Way {
    Way::Serial {
        baud: line.baud,
        parity: match line.parity {
            Parity::None => "none",
            Parity::Even => "even",
            Parity::Odd => "odd",
        },
        stop_bits: line.stop_bits,
    }
}

/// A TOML text.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// One device entry, of `profile`, with the rows it needs where that one does not say how many.
fn entry(id: &str, profile: &ProfileId, place: &Place, rows: Option<u16>) -> String {
    let mut text = format!("[[device]]\nid = \"{id}\"\nprofile = \"{profile}\"\n");
    text += &place.keys();
    if let Some(rows) = rows {
        // Writing into a String does not fail.
        let _ = writeln!(text, "rows = {rows}");
    }
    text
}

/// Entries for all of `found`, ready to be pasted: a comment where nothing fits. Ids are new beside
/// those `taken`; `rows_of` gives the rows that a profile does not say.
#[must_use]
pub fn settings_of(
    found: &[Found],
    taken: &[DeviceId],
    rows_of: impl Fn(&ProfileId) -> Option<u16>,
) -> String {
    let mut taken: BTreeSet<String> = taken.iter().map(ToString::to_string).collect();
    let mut text = String::new();
    for one in found {
        if !text.is_empty() {
            text.push('\n');
        }
        comment(&mut text, &one.place.words());
        if let Some(says) = &one.says {
            comment(&mut text, &format!("says: {says}"));
        }
        if let Some(note) = &one.note {
            comment(&mut text, note);
        }
        let Some((Fit { profile, why }, others)) = one.fits.split_first() else {
            comment(&mut text, "no profile fits: see docs/manual/profiles.md");
            continue;
        };
        comment(&mut text, &format!("{profile}: {why}"));
        for Fit { profile, why } in others {
            comment(&mut text, &format!("or {profile}: {why}"));
        }
        let id = new_id(profile.as_str(), &taken);
        let rows = rows_of(profile);
        if rows.is_some() {
            comment(&mut text, "rows: how many are fitted is yours to set");
        }
        text += &entry(&id, profile, &one.place, rows);
        taken.insert(id);
    }
    text
}

/// What a device says may have any letters: none of them may end the comment.
fn comment(text: &mut String, words: &str) {
    let words: String = words
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(200)
        .collect();
    // Writing into a String does not fail.
    let _ = writeln!(text, "# {}", words.trim());
}

fn new_id(stem: &str, taken: &BTreeSet<String>) -> String {
    // There are fewer devices than numbers.
    (1..)
        .map(|number| format!("{stem}-{number}"))
        .find(|id| !taken.contains(id))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(place: Place, fits: &[&str], says: Option<&str>) -> Found {
        let fit = |id: &&str| Fit {
            profile: id.parse().unwrap(),
            why: "24 of 24 readings in range".to_owned(),
        };
        Found {
            place,
            says: says.map(ToOwned::to_owned),
            fits: fits.iter().map(fit).collect(),
            note: None,
        }
    }

    fn serial_line() -> Address {
        Address::Serial(SerialLine {
            path: "/dev/ttyUSB0".into(),
            baud: 19_200,
            parity: Parity::None,
            stop_bits: 2,
        })
    }

    #[test]
    fn what_is_proposed_can_be_pasted_and_is_what_was_found() {
        let snmp = |version, community: Option<&str>| Place::Snmp {
            address: "192.0.2.30:161".into(),
            version,
            community: community.map(Into::into),
        };
        let all = [
            found(
                Place::modbus(&Address::Network("192.0.2.10:502".into()), 3),
                &["silkline-edfa"],
                None,
            ),
            found(
                Place::modbus(&Address::RtuOverTcp("192.0.2.11:4001".into()), 1),
                &["silkline-edfa", "silkline-pfe"],
                Some("a \"quoted\"\nvendor = 3"),
            ),
            found(Place::modbus(&serial_line(), 9), &[], None),
            found(Place::modbus(&serial_line(), 10), &["silkline-pfe"], None),
            found(snmp("2c", None), &["eltek-smartpack"], None),
            found(snmp("1", Some("quo\"te")), &["ietf-ups"], None),
        ];
        let taken = ["silkline-edfa-1".parse().unwrap()];
        let text = settings_of(&all, &taken, |_| None);
        let whole = format!("site = \"a\"\nlines = [\"b\"]\n{text}");
        let config =
            crate::config::read("agent.toml", &whole).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let ids: Vec<&str> = config
            .devices
            .iter()
            .map(|device| device.id.as_str())
            .collect();
        assert_eq!(
            ids,
            [
                "silkline-edfa-2",
                "silkline-edfa-3",
                "silkline-pfe-1",
                "eltek-smartpack-1",
                "ietf-ups-1"
            ]
        );
        assert_eq!(config.devices[0].unit, 3);
        assert_eq!(
            config.devices[1].address,
            Some(Address::RtuOverTcp("192.0.2.11:4001".into()))
        );
        assert_eq!(config.devices[2].address, Some(serial_line()));
        assert!(
            matches!(&config.devices[4].access, crate::config::SnmpAccess::V1(secret)
            if secret.reveal().unwrap() == "quo\"te")
        );
        assert!(text.contains("# or silkline-pfe:"), "{text}");
        assert!(text.contains("unit 9\n# no profile fits"), "{text}");
    }

    #[test]
    fn what_a_device_says_stays_in_its_comment() {
        let place = Place::modbus(&Address::Network("h:502".into()), 1);
        let text = settings_of(
            &[found(place, &[], Some("x\n[[device]]\r\nid = 1"))],
            &[],
            |_| None,
        );
        assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    }
}
