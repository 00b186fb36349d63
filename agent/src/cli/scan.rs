//! `scan modbus|snmp ADDRESS[/range]`: what is there, with settings to be pasted.

use core::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use silkline_protocol::id::ProfileId;

use super::{Exit, Said};
use crate::clock::Clock;
use crate::config::{Address, Config, Device, Parity, SerialLine, profile_folder};
use crate::profile::{Library, Map};
use crate::scan::{
    Bounds, Found, Pace, Place, Progress, Scan, addresses, modbus, settings_of, snmp,
};

/// How serial lines and servers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// RTU frames over the network.
    pub is_rtu: bool,
    /// Bits a second of a serial line.
    pub baud: u32,
    /// Its parity.
    pub parity: Parity,
    /// Its stop bits; as the parity asks for where absent.
    pub stop_bits: Option<u8>,
}

/// What to scan for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Modbus units.
    Modbus {
        /// How lines are spoken to.
        line: Line,
        /// Units such as `1-20,247`.
        units: String,
    },
    /// SNMP agents.
    Snmp {
        /// The communities to try.
        communities: Vec<String>,
    },
}

/// How a scan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Settings for people, to be pasted.
    Settings,
    /// One JSON object.
    Json,
}

/// A scan to be carried out.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The settings' file, for its profiles and for what it has already; need not be there.
    pub config: &'a Path,
    /// Where to look.
    pub range: &'a str,
    /// For what.
    pub what: What,
    /// Within what.
    pub bounds: Bounds,
    /// How it is shown.
    pub form: Form,
}

/// Carries out a scan, telling its progress as it goes, and says what was found.
pub async fn say(order: Order<'_>, clock: Clock, tell: &mut (dyn FnMut(Progress) + Send)) -> Said {
    let folder = profile_folder(order.config);
    let library =
        match folder.map_or_else(|| Ok(Library::embedded()), |at| Library::with_folder(&at)) {
            Ok(library) => Arc::new(library),
            Err(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                return Said::failed(lines.join("\n"), Exit::BadConfig);
            }
        };
    let devices = Config::load(order.config).map_or_else(|_| Vec::new(), |config| config.devices);
    let pace = Arc::new(Pace::new(order.bounds, clock));
    let timeout = order.bounds.timeout;
    let scan = match &order.what {
        What::Modbus { line, units } => {
            let (addresses, units) = match (line_addresses(order.range, *line), unit_list(units)) {
                (Ok(addresses), Ok(units)) => (addresses, units),
                (Err(error), _) | (_, Err(error)) => return Said::failed(error, Exit::Usage),
            };
            let search = modbus::Search {
                addresses,
                units,
                timeout,
            };
            Box::pin(modbus::scan(search, &library, &pace, clock, tell)).await
        }
        What::Snmp { communities } => {
            let addresses = match addresses(order.range, SNMP_PORT) {
                Ok(addresses) => addresses,
                Err(error) => return Said::failed(error, Exit::Usage),
            };
            let communities = communities.clone();
            let search = snmp::Search {
                addresses,
                communities,
                timeout,
            };
            snmp::scan(search, &library, &pace, tell).await
        }
    };
    shown(scan, &devices, &library, order.form)
}

/// The registered port of SNMP.
const SNMP_PORT: u16 = 161;
/// The registered port of Modbus TCP.
const MODBUS_PORT: u16 = 502;

fn line_addresses(range: &str, line: Line) -> Result<Vec<Address>, String> {
    if range.starts_with('/') {
        // A character has eleven bits in any case.
        let filling = if line.parity == Parity::None { 2 } else { 1 };
        return Ok(vec![Address::Serial(SerialLine {
            path: range.into(),
            baud: line.baud,
            parity: line.parity,
            stop_bits: line.stop_bits.unwrap_or(filling),
        })]);
    }
    let framed = if line.is_rtu {
        Address::RtuOverTcp
    } else {
        Address::Network
    };
    let found = addresses(range, MODBUS_PORT).map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(framed).collect())
}

/// The units of a list such as `1-20,247`.
fn unit_list(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{text:?} is no list of units such as 1-20,247");
    let mut units = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let from: u8 = from.trim().parse().map_err(|_| wrong())?;
        let to: u8 = to.trim().parse().map_err(|_| wrong())?;
        if from > to {
            return Err(wrong());
        }
        units.extend(from..=to);
    }
    units.dedup();
    Ok(units)
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    scan: &'a Scan,
    known: Vec<String>,
    settings: &'a str,
}

fn shown(mut scan: Scan, devices: &[Device], library: &Library, form: Form) -> Said {
    let (old, new): (Vec<Found>, Vec<Found>) = core::mem::take(&mut scan.found)
        .into_iter()
        .partition(|found| known(&found.place, devices).is_some());
    let known: Vec<String> = old
        .iter()
        .filter_map(|found| {
            Some(format!(
                "{} is {} already",
                found.place.words(),
                known(&found.place, devices)?
            ))
        })
        .collect();
    let ids: Vec<_> = devices.iter().map(|device| device.id.clone()).collect();
    let settings = settings_of(&new, &ids, |profile| rows_of(library, profile));
    scan.found = new;
    let text = match form {
        Form::Json => {
            let json = Json {
                scan: &scan,
                known,
                settings: &settings,
            };
            // Its keys are texts and its numbers whole, so it can be written.
            serde_json::to_string(&json).unwrap_or_default() + "\n"
        }
        Form::Settings => words(&scan, &known, &settings),
    };
    let exit = if scan.looked_at == scan.unusable.len() && !scan.unusable.is_empty() {
        Exit::Unavailable
    } else if scan.left > 0 || (scan.found.is_empty() && old.is_empty()) {
        Exit::NotWell
    } else {
        Exit::Done
    };
    Said {
        text,
        error: scan.unusable.join("\n"),
        exit,
    }
}

fn words(scan: &Scan, known: &[String], settings: &str) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "# {} found, {} in the settings already; {} addresses looked at{}",
        scan.found.len(),
        known.len(),
        scan.looked_at,
        if scan.left > 0 {
            format!(", {} left when the time was over", scan.left)
        } else {
            String::new()
        }
    );
    for line in known {
        let _ = writeln!(text, "# {line}");
    }
    if !scan.found.is_empty() {
        text.push('\n');
        text += settings;
    }
    text
}

/// The device of the settings that is at `place`.
fn known<'a>(place: &Place, devices: &'a [Device]) -> Option<&'a str> {
    let at = |device: &&Device| match (place, &device.address) {
        (Place::Modbus { unit, .. }, Some(address)) => {
            matches!(device.profile.map, Map::Modbus(_))
                && Place::modbus(address, *unit) == *place
                && device.unit == *unit
        }
        (Place::Snmp { address, .. }, Some(own)) => {
            matches!(device.profile.map, Map::Snmp(_)) && own.to_string() == *address
        }
        (_, None) => false,
    };
    devices.iter().find(at).map(|device| device.id.as_str())
}

fn rows_of(library: &Library, profile: &ProfileId) -> Option<u16> {
    match &library.find(profile)?.map {
        Map::Modbus(map) => modbus::rows(map),
        Map::Snmp(_) | Map::Scpi(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_lists_are_read_or_refused() {
        assert_eq!(unit_list("1-3,247"), Ok(vec![1, 2, 3, 247]));
        assert_eq!(unit_list("0"), Ok(vec![0]));
        for bad in ["", "3-1", "1-256", "a", "1,,2"] {
            assert!(unit_list(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_settings_have_is_not_proposed_again() {
        let text = "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"edfa-1\"\nprofile = \"silkline-edfa\"\n\
                    address = \"192.0.2.10\"\nunit = 3\n";
        let devices = crate::config::read("agent.toml", text).unwrap().devices;
        let found = |unit| Found {
            place: Place::modbus(&Address::Network("192.0.2.10:502".into()), unit),
            says: None,
            fits: Vec::new(),
            note: None,
        };
        let scan = Scan {
            found: vec![found(3), found(4)],
            looked_at: 1,
            ..Scan::default()
        };
        let said = shown(scan.clone(), &devices, &Library::embedded(), Form::Settings);
        assert!(
            said.text.contains("unit 3 is edfa-1 already"),
            "{}",
            said.text
        );
        assert!(
            said.text.contains("# 192.0.2.10:502 unit 4\n"),
            "{}",
            said.text
        );
        assert_eq!(said.exit, Exit::Done);
        let said = shown(scan, &devices, &Library::embedded(), Form::Json);
        let json: serde_json::Value = serde_json::from_str(&said.text).unwrap();
        assert_eq!(json["found"][0]["place"]["unit"], 4);
        assert_eq!(json["looked_at"], 1);
    }

    #[test]
    fn nothing_found_or_time_over_is_not_well() {
        let scan = |looked_at, left| Scan {
            looked_at,
            left,
            ..Scan::default()
        };
        for (scan, wanted) in [(scan(5, 0), Exit::NotWell), (scan(0, 5), Exit::NotWell)] {
            let said = shown(scan, &[], &Library::embedded(), Form::Settings);
            assert_eq!(said.exit, wanted, "{}", said.text);
        }
        let unusable = Scan {
            looked_at: 1,
            unusable: vec!["/dev/x: no such line".into()],
            ..Scan::default()
        };
        let said = shown(unusable, &[], &Library::embedded(), Form::Settings);
        assert_eq!(
            (said.exit, said.error.as_str()),
            (Exit::Unavailable, "/dev/x: no such line")
        );
    }
}
