//! The plant file's text → a [`Plant`] whose every reference holds, or all its mistakes at once.
//!
//! Two passes: the entries one by one (`line`, `network`), each with where it stands; then what
//! can be judged only together (`refs`): ids used twice, names that point nowhere, chainages out of
//! order, geometry that does not fit the chainage.

mod line;
mod network;
mod refs;

use sha2::{Digest, Sha256};

use super::{Coordinates, Plant};
use crate::settings::{FromSetting, Mistakes, Place, Section, read as read_settings};
use crate::unit::{Db, DbPerKm, GroupIndex, Nanometres, OpticalLength, RouteLength};

/// A plant that was read, with what is odd about it but not wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The plant.
    pub plant: Plant,
    /// What an operator should look at, in the words of a mistake.
    pub warnings: Vec<String>,
}

/// An entry with where it stands, so that the second pass can point at it.
struct At<T> {
    it: T,
    place: Place,
    key: String,
}

impl<T> At<T> {
    fn new(it: T, section: &Section<'_>) -> Self {
        Self {
            it,
            place: section.place(""),
            key: section.path_of(""),
        }
    }
}

/// Reads the plant file `name` with contents `text`.
///
/// # Errors
///
/// Every mistake in it, each with line and column: of syntax, of value, of reference.
pub fn read(name: &str, text: &str) -> Result<Checked, Mistakes> {
    let mut warnings = Vec::new();
    let mut plant = read_settings(name, text, |top| {
        let sites = network::sites(top);
        let lines = line::lines(top);
        let paths = network::paths(top);
        let devices = network::devices(top);
        let shared = network::shared(top);
        let services = network::services(top);
        let entries = refs::Entries {
            sites,
            lines,
            paths,
            devices,
            shared,
            services,
        };
        Some(entries.check(&top.notes(), &mut warnings))
    })?;
    plant.revision = Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Checked { plant, warnings })
}

/// Latitude and longitude of a table with `lat` and `lon`, where both stand.
fn coordinates(section: &mut Section<'_>) -> Option<Coordinates> {
    let lat: Option<f64> = section.optional("lat");
    let lon: Option<f64> = section.optional("lon");
    let (lat, lon) = match (lat, lon) {
        (Some(lat), Some(lon)) => (lat, lon),
        (None, None) => return None,
        (Some(_), None) => {
            section.wrong("lon", "is missing beside lat");
            return None;
        }
        (None, Some(_)) => {
            section.wrong("lat", "is missing beside lon");
            return None;
        }
    };
    match on_earth(lat, lon) {
        Ok(at) => Some(at),
        Err(problem) => {
            section.wrong("lat", problem);
            None
        }
    }
}

fn on_earth(lat: f64, lon: f64) -> Result<Coordinates, String> {
    if lat.abs() <= 90.0 && lon.abs() <= 180.0 {
        return Ok(Coordinates { lat, lon });
    }
    Err(format!(
        "{lat}, {lon} is no place on earth: latitude comes first, within 90 degrees"
    ))
}

/// A number under `key` that must lie within `low` and `high`; `None` with a mistake otherwise.
fn within(section: &mut Section<'_>, key: &str, low: f64, high: f64) -> Option<f64> {
    let value: f64 = section.optional(key)?;
    if (low..=high).contains(&value) {
        return Some(value);
    }
    section.wrong(key, format!("{value} is not between {low} and {high}"));
    None
}

fn required_within(section: &mut Section<'_>, key: &str, low: f64, high: f64) -> Option<f64> {
    if !section.has(key) {
        return section.required(key);
    }
    within(section, key, low, high)
}

/// One of a few words under `key`, by the names serde knows.
fn word<T: serde::de::DeserializeOwned>(
    section: &mut Section<'_>,
    key: &str,
    allowed: &str,
) -> Option<T> {
    let text: String = section.optional(key)?;
    match crate::settings::word(&text, allowed) {
        Ok(value) => Some(value),
        Err(wrong) => {
            section.wrong(key, wrong.0);
            None
        }
    }
}

fn required_word<T: serde::de::DeserializeOwned>(
    section: &mut Section<'_>,
    key: &str,
    allowed: &str,
) -> Option<T> {
    if !section.has(key) {
        section.wrong(key, format!("is missing; one of {allowed}"));
    }
    word(section, key, allowed)
}

/// The longest length that any line has, in metres: further than half around the earth is a slip.
const FAR_M: f64 = 20_000_000.0;

fn route_m(section: &mut Section<'_>, key: &str) -> Option<RouteLength> {
    within(section, key, 0.0, FAR_M).map(RouteLength::of)
}

fn required_route_m(section: &mut Section<'_>, key: &str) -> Option<RouteLength> {
    required_within(section, key, 0.0, FAR_M).map(RouteLength::of)
}

fn optical_m(section: &mut Section<'_>, key: &str) -> Option<OpticalLength> {
    within(section, key, 0.0, FAR_M).map(OpticalLength::of)
}

macro_rules! quantity_setting {
    ($($kind:ty),*) => {$(
        impl FromSetting for $kind {
            fn from_setting(
                setting: &toml::de::DeValue<'_>,
            ) -> Result<Self, crate::settings::Wrong> {
                let number = f64::from_setting(setting)?;
                Self::new(number).map_err(|error| crate::settings::Wrong(error.to_string()))
            }
        }
    )*};
}
quantity_setting!(
    Db,
    DbPerKm,
    GroupIndex,
    Nanometres,
    OpticalLength,
    RouteLength
);

#[cfg(test)]
mod tests;
