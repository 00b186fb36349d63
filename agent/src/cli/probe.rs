//! `probe DEVICE`: one poll of one device, with raw and scaled values and the time of each request.

use core::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use silkline_protocol::id::{DeviceId, PointName};
use silkline_protocol::sample::{BadReading, Reading};
use silkline_protocol::time::Timestamp;

use crate::clock::Clock;
use crate::config::{Config, Device};
use crate::driver::session::{Driver, Link, Request};
use crate::driver::{Patience, Readings, Taken};
use crate::profile::{Profile, Raw};

use super::{Exit, Said};

/// What one poll of a device brought.
#[derive(Clone, Debug)]
pub struct Probe {
    device: DeviceId,
    address: String,
    profile: Profile,
    at: Timestamp,
    requests: Vec<(String, Request)>,
    readings: Readings,
}

/// How a probe is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table for people.
    Table,
    /// One JSON object.
    Json,
}

/// Probes the device `id` of `config` and says what it found.
pub async fn say(config: &Config, id: &str, form: Form, clock: Clock) -> Said {
    let found = config
        .devices
        .iter()
        .find(|device| device.id.as_str() == id);
    let Some(device) = found else {
        let known: Vec<&str> = config
            .devices
            .iter()
            .map(|device| device.id.as_str())
            .collect();
        let error = format!(
            "{id:?} is no device of these settings; known are {}",
            known.join(", ")
        );
        return Said::failed(error, Exit::Usage);
    };
    match probe(device, clock).await {
        Ok(probe) => {
            let text = match form {
                Form::Table => probe.table(),
                Form::Json => probe.json(),
            };
            let error = match probe.exit() {
                Exit::Unavailable => probe
                    .first_fault()
                    .map_or_else(String::new, |fault| format!("{id}: {fault}")),
                _ => String::new(),
            };
            Said {
                text,
                error,
                exit: probe.exit(),
            }
        }
        Err(error) => Said::failed(format!("{id}: {error}"), Exit::BadConfig),
    }
}

/// Polls `device` once.
///
/// # Errors
///
/// It has no address.
pub async fn probe(device: &Device, clock: Clock) -> std::io::Result<Probe> {
    let Some(address) = &device.address else {
        return Err(std::io::Error::other(
            "has no address: only its folder is watched",
        ));
    };
    let mut link = Link::to(device, address, clock);
    let mut driver = Driver::of(device);
    let what = driver.describe();
    let at = clock.now();
    let polled = link.poll(&mut driver, Patience::new(true), &clock).await;
    Ok(Probe {
        device: device.id.clone(),
        address: address.to_string(),
        profile: (*device.profile).clone(),
        at,
        requests: what.into_iter().zip(polled.requests).collect(),
        readings: polled.readings,
    })
}

impl Probe {
    /// Well, not well, or not there at all.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let absent = |request: &Request| {
            request
                .fault
                .as_ref()
                .is_some_and(crate::driver::Fault::is_absence)
        };
        if self.requests.iter().all(|(_, request)| absent(request)) {
            return Exit::Unavailable;
        }
        let failed = self
            .requests
            .iter()
            .any(|(_, request)| request.fault.is_some());
        if failed || self.counts().1 > 0 {
            Exit::NotWell
        } else {
            Exit::Done
        }
    }

    /// How many readings are good and how many are bad.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let good = self
            .readings
            .values()
            .filter(|taken| taken.reading.is_good())
            .count();
        (good, self.readings.len() - good)
    }

    /// What went wrong first, where something did.
    #[must_use]
    pub fn first_fault(&self) -> Option<String> {
        self.requests
            .iter()
            .find_map(|(_, request)| request.fault.as_ref().map(ToString::to_string))
    }

    fn unit(&self, name: &PointName) -> &'static str {
        self.profile
            .point(name)
            .map_or("", |point| point.unit.symbol())
    }

    fn table(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = writeln!(
            text,
            "{} ({}) at {}",
            self.device, self.profile.id, self.address
        );
        for (what, request) in &self.requests {
            let took = milliseconds(request.took);
            let fault = request
                .fault
                .as_ref()
                .map_or_else(|| "ok".to_owned(), ToString::to_string);
            let _ = writeln!(text, "  {what:<32} {took:>9.1} ms  {fault}");
        }
        for (name, taken) in &self.readings {
            let (raw, value) = (raw_text(taken), value_text(taken));
            let unit = self.unit(name);
            let _ = writeln!(text, "  {name:<28} {raw:>14}  {value:>14} {unit}");
        }
        text
    }

    fn json(&self) -> String {
        let requests = self.requests.iter().map(|(what, request)| RequestLine {
            what,
            took_ms: milliseconds(request.took),
            error: request.fault.as_ref().map(ToString::to_string),
        });
        let readings = self.readings.iter().map(|(name, taken)| {
            let line = ReadingLine {
                raw: taken.raw.and_then(raw_json),
                reading: taken.reading,
                unit: self.unit(name),
            };
            (name, line)
        });
        let line = ProbeLine {
            device: &self.device,
            profile: self.profile.id.as_str(),
            address: &self.address,
            at: self.at,
            requests: requests.collect(),
            readings: readings.collect(),
        };
        // Its keys are texts and its numbers finite, so it can be written.
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[derive(Serialize)]
struct ProbeLine<'a> {
    device: &'a DeviceId,
    profile: &'a str,
    address: &'a str,
    at: Timestamp,
    requests: Vec<RequestLine<'a>>,
    readings: std::collections::BTreeMap<&'a PointName, ReadingLine>,
}

#[derive(Serialize)]
struct RequestLine<'a> {
    what: &'a str,
    took_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct ReadingLine {
    raw: Option<serde_json::Value>,
    reading: Reading,
    unit: &'static str,
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}

/// A number that JSON has no form for becomes a text.
fn raw_json(raw: Raw) -> Option<serde_json::Value> {
    match raw {
        Raw::Whole(number) => i64::try_from(number)
            .map(serde_json::Value::from)
            .or_else(|_| u64::try_from(number).map(serde_json::Value::from))
            .ok(),
        Raw::Real(number) if number.is_finite() => Some(number.into()),
        Raw::Real(number) => Some(number.to_string().into()),
    }
}

fn raw_text(taken: &Taken) -> String {
    match taken.raw {
        Some(Raw::Whole(number)) => number.to_string(),
        Some(Raw::Real(number)) => number.to_string(),
        None => "-".to_owned(),
    }
}

fn value_text(taken: &Taken) -> String {
    match taken.reading {
        Reading::Value(value) => value.to_string(),
        Reading::Dark => "dark".to_owned(),
        Reading::Bad(reason) => word(reason).to_owned(),
    }
}

pub(crate) const fn word(reason: BadReading) -> &'static str {
    match reason {
        BadReading::Timeout => "timeout",
        BadReading::Unreachable => "unreachable",
        BadReading::Refused => "refused",
        BadReading::Garbled => "garbled",
        BadReading::OutOfRange => "out of range",
        BadReading::NotSupported => "not supported",
        BadReading::Invalid => "invalid",
        BadReading::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Fault;

    fn config(address: &str) -> Config {
        let text = format!(
            "site = \"ganja\"\nlines = [\"a-b\"]\n[[device]]\nid = \"edfa-1\"\n\
             profile = \"silkline-edfa\"\naddress = \"{address}\"\ntimeout = \"200ms\"\n"
        );
        crate::config::read("agent.toml", &text).unwrap()
    }

    fn found(fault: Option<Fault>, reading: Reading) -> Probe {
        let config = config("127.0.0.1:1");
        let taken = Taken {
            raw: Some(Raw::Whole(-1720)),
            reading,
        };
        let request = Request {
            took: Duration::from_micros(3_210),
            fault,
        };
        Probe {
            device: config.devices[0].id.clone(),
            address: "127.0.0.1:1".into(),
            profile: (*config.devices[0].profile).clone(),
            at: Timestamp::from_seconds(1_800_000_000),
            requests: vec![("unit 1 input 0..1".into(), request)],
            readings: [("in_power.1".parse().unwrap(), taken)].into(),
        }
    }

    #[test]
    fn the_exit_tells_well_from_not_well_from_not_there() {
        let bad = Reading::Bad(BadReading::Garbled);
        assert_eq!(found(None, Reading::Value(-17.2)).exit(), Exit::Done);
        assert_eq!(found(None, Reading::Dark).exit(), Exit::Done);
        assert_eq!(found(None, bad).exit(), Exit::NotWell);
        assert_eq!(
            found(Some(Fault::Refused("busy".into())), bad).exit(),
            Exit::NotWell
        );
        assert_eq!(
            found(Some(Fault::Unreachable("gone".into())), bad).exit(),
            Exit::Unavailable
        );
    }

    #[test]
    fn json_has_raw_scaled_unit_and_time() {
        let json = found(None, Reading::Value(-17.2)).json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let reading = &value["readings"]["in_power.1"];
        assert_eq!(
            (&reading["raw"], &reading["reading"]),
            (&(-1720).into(), &(-17.2).into())
        );
        assert_eq!(reading["unit"], "dBm");
        assert_eq!(value["requests"][0]["took_ms"], 3.2);
    }

    #[test]
    fn the_table_shows_the_same_to_people() {
        let text = found(None, Reading::Value(-17.2)).table();
        assert!(text.contains("-1720") && text.contains("-17.2 dBm") && text.contains("3.2 ms"));
        let dark = found(None, Reading::Dark).table();
        assert!(dark.contains("dark"), "{dark}");
    }

    #[tokio::test]
    async fn an_unknown_device_is_wrong_usage_and_a_dead_one_unavailable() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let config = config(&address);
        let said = say(&config, "edfa-9", Form::Table, Clock::start()).await;
        assert!(
            said.exit == Exit::Usage && said.error.contains("known are edfa-1"),
            "{said:?}"
        );
        let said = say(&config, "edfa-1", Form::Json, Clock::start()).await;
        assert_eq!(said.exit, Exit::Unavailable);
        assert!(said.error.contains("unreachable"), "{said:?}");
    }
}
