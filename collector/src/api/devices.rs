//! Devices: what they are, what they last said, and how old that is.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_analysis::series::device_name;
use silkline_protocol::device::{About, PointAbout};
use silkline_protocol::id::{LineId, PointName};
use silkline_protocol::plant::Plant;
use silkline_protocol::sample::{BadReading, Reading as Said};
use silkline_protocol::time::Timestamp;

use super::request::{Asked, Named, Page, device_id};
use super::who::Who;
use super::{ApiState, Problem};
use crate::store::rows::DeviceRow;

/// How often a device is asked where it has not said so yet.
const USUAL_POLL: Duration = Duration::from_secs(10);
/// What an answer may take on its way beside the polls themselves.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// Polls that may be missed before the newest readings are old.
const STALE_POLLS: u32 = 3;
/// Polls that may be missed before a device counts as silent.
const SILENT_POLLS: u32 = 10;

/// One piece of polled hardware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// `site.device`.
    pub id: String,
    /// Where it stands.
    pub site: String,
    /// Its id at the site.
    pub device: String,
    /// The lines that it serves.
    pub lines: Vec<LineId>,
    /// The profile by which it is read.
    pub profile: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// How often it is asked, in milliseconds.
    pub poll_ms: Option<u64>,
    /// How fresh its newest readings are.
    pub state: Freshness,
    /// When it was last read, by its agent's clock.
    pub newest: Option<Timestamp>,
    /// How long ago that is by the collector's clock, in seconds.
    pub age_s: Option<f64>,
    /// What it last said, by point.
    pub readings: Vec<Reading>,
}

/// How fresh a device's newest readings are.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// As fresh as they can be.
    Fresh,
    /// A few polls are missing.
    Stale,
    /// Nothing comes any more.
    Silent,
    /// Nothing ever came.
    Never,
}

/// The newest reading of one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// The point.
    pub point: PointName,
    /// When it was read, by the agent's clock.
    pub at: Timestamp,
    /// How long ago that is by the collector's clock, in seconds.
    pub age_s: f64,
    /// The value; nothing where it is dark or bad.
    pub value: Option<f64>,
    /// Whether a light meter sees no light.
    pub dark: bool,
    /// Why there is no value.
    pub bad: Option<BadReading>,
    /// The unit of the value; empty for none.
    pub unit: String,
    /// What it means; `other` where the device has not said.
    pub role: String,
    /// Below this it is not well, by its maker; of two limits the inner one.
    pub low: Option<f64>,
    /// Above this it is not well, by its maker; of two limits the inner one.
    pub high: Option<f64>,
}

/// Which devices to list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Only those that serve this line.
    line: Option<LineId>,
}

/// Every device of the plant, and those that report without standing in it.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn list(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Device>>, Problem> {
    let rows = state.reader.ask_async(|store| store.devices()).await?;
    let mut devices = all(&state.plant, rows, crate::clock::now());
    devices.retain(|device| who.sees_any(&device.lines));
    if let Some(line) = which.line {
        devices.retain(|device| device.lines.contains(&line));
    }
    Ok(Json(Page::whole(devices)))
}

/// One device.
///
/// # Errors
///
/// Where there is no such device, or the store cannot be read.
pub async fn one(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Json<Device>, Problem> {
    let (site, device) = device_id(&id)?;
    let rows = state
        .reader
        .ask_async(move |store| store.device(&site, &device))
        .await?;
    let devices = all(&state.plant, rows, crate::clock::now());
    let theirs = |device: &Device| device.id == id && who.sees_any(&device.lines);
    let found = devices.into_iter().find(theirs);
    found
        .map(Json)
        .ok_or_else(|| Problem::not_found("there is no such device"))
}

/// The devices of the plant and of the store's rows, by id.
#[must_use]
pub fn all(plant: &Plant, rows: Vec<DeviceRow>, now: Timestamp) -> Vec<Device> {
    let mut found: BTreeMap<String, Device> = BTreeMap::new();
    for planned in &plant.devices {
        let mut device = Device::silent(planned.site.as_str(), planned.id.as_str());
        device.profile = Some(planned.profile.to_string());
        device.lines.clone_from(&planned.lines);
        found.insert(device.id.clone(), device);
    }
    for row in rows {
        let id = device_name(&row.site, &row.device);
        let new = || Device::silent(row.site.as_str(), row.device.as_str());
        found.entry(id).or_insert_with(new).take(row, now);
    }
    found.into_values().collect()
}

impl Device {
    fn silent(site: &str, device: &str) -> Self {
        Self {
            id: format!("{site}.{device}"),
            site: site.to_owned(),
            device: device.to_owned(),
            lines: Vec::new(),
            profile: None,
            vendor: None,
            model: None,
            serial: None,
            poll_ms: None,
            state: Freshness::Never,
            newest: None,
            age_s: None,
            readings: Vec::new(),
        }
    }

    /// Takes in what one line's row knows of the device; the newest sample of all rows counts.
    fn take(&mut self, row: DeviceRow, now: Timestamp) {
        if !self.lines.contains(&row.line) {
            self.lines.push(row.line);
        }
        let about = row.about.as_ref();
        if let Some(about) = about {
            self.profile = Some(about.profile.to_string());
            self.vendor.clone_from(&about.vendor);
            self.model.clone_from(&about.model);
            self.serial.clone_from(&about.serial);
            self.poll_ms = Some(about.poll_ms);
        }
        let Some(sample) = row.newest.filter(|sample| self.newest < Some(sample.at)) else {
            return;
        };
        let age = now - sample.at;
        self.newest = Some(sample.at);
        self.age_s = Some(age.as_secs_f64());
        self.state = Freshness::of(age, self.poll_ms.map(Duration::from_millis));
        let readings = sample.readings.into_iter();
        self.readings = readings
            .map(|(point, said)| Reading::of(point, said, sample.at, age, about))
            .collect();
    }
}

impl Freshness {
    /// How fresh readings of this age are where a poll is due every `poll`.
    #[must_use]
    pub fn of(age: Duration, poll: Option<Duration>) -> Self {
        let poll = poll.unwrap_or(USUAL_POLL);
        if age <= poll.saturating_mul(STALE_POLLS) + ON_THE_WAY {
            Self::Fresh
        } else if age <= poll.saturating_mul(SILENT_POLLS) + ON_THE_WAY {
            Self::Stale
        } else {
            Self::Silent
        }
    }
}

impl Reading {
    fn of(
        point: PointName,
        said: Said,
        at: Timestamp,
        age: Duration,
        about: Option<&About>,
    ) -> Self {
        let known = about.and_then(|about| point_of(about, &point));
        let bad = match said {
            Said::Bad(why) => Some(why),
            Said::Value(_) | Said::Dark => None,
        };
        Self {
            at,
            age_s: age.as_secs_f64(),
            value: said.value(),
            dark: said.is_dark(),
            bad,
            unit: known.map_or("", |known| known.unit.symbol()).to_owned(),
            role: known.map_or_else(|| "other".to_owned(), role),
            low: known.and_then(|it| it.limits.low_warning.or(it.limits.low_major)),
            high: known.and_then(|it| it.limits.high_warning.or(it.limits.high_major)),
            point,
        }
    }
}

/// What a device says of a point: every index of a table shares the entry of its stem.
pub(super) fn point_of<'a>(about: &'a About, point: &PointName) -> Option<&'a PointAbout> {
    let exact = about.points.iter().find(|known| known.name == *point);
    exact.or_else(|| {
        about
            .points
            .iter()
            .find(|known| known.name.as_str() == point.stem())
    })
}

/// The role as it is written on the wire.
fn role(known: &PointAbout) -> String {
    let word = serde_json::to_value(known.role).ok();
    word.as_ref()
        .and_then(|word| word.as_str())
        .unwrap_or("other")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    #[test]
    fn age_is_counted_in_polls() {
        let of =
            |seconds| Freshness::of(Duration::from_secs(seconds), Some(Duration::from_secs(1)));
        assert_eq!(
            [of(0), of(5), of(6), of(12), of(13)],
            [
                Freshness::Fresh,
                Freshness::Fresh,
                Freshness::Stale,
                Freshness::Stale,
                Freshness::Silent,
            ]
        );
        assert_eq!(
            Freshness::of(Duration::from_secs(32), None),
            Freshness::Fresh
        );
    }

    #[test]
    fn a_device_that_never_spoke_is_listed_all_the_same() {
        let plant = example::plant();
        let devices = all(&plant, Vec::new(), Timestamp::EPOCH);
        assert_eq!(devices.len(), plant.devices.len());
        assert!(
            devices
                .iter()
                .all(|device| device.state == Freshness::Never)
        );
        assert!(devices.iter().all(|device| device.age_s.is_none()));
    }

    #[test]
    fn a_device_on_two_lines_is_one_device_with_its_newest_readings() {
        let at = Timestamp::from_seconds(100);
        let rows = vec![
            example::device_row("north", 90, -17.2),
            example::device_row("south", 98, -30.0),
            example::device_row("west", 95, -20.0),
        ];
        let plant = Plant::default();
        let devices = all(&plant, rows, at);
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].lines.len(), 3);
        assert_eq!(devices[0].age_s, Some(2.0));
        assert_eq!(devices[0].state, Freshness::Fresh);
        let reading = &devices[0].readings[0];
        assert_eq!((reading.value, reading.unit.as_str()), (Some(-30.0), "dBm"));
        assert_eq!(reading.role, "light_in");
    }

    #[test]
    fn dark_and_bad_are_no_values() {
        let at = Timestamp::from_seconds(1);
        let point: PointName = "in_power.1".parse().unwrap();
        let dark = Reading::of(point.clone(), Said::Dark, at, Duration::ZERO, None);
        assert!(dark.dark && dark.value.is_none() && dark.bad.is_none());
        let timeout = Said::Bad(BadReading::Timeout);
        let bad = Reading::of(point, timeout, at, Duration::ZERO, None);
        assert_eq!(
            (bad.dark, bad.value, bad.bad),
            (false, None, Some(BadReading::Timeout))
        );
        assert_eq!(bad.role, "other");
    }
}
