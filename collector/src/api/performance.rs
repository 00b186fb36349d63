//! How a light input performed, in intervals of 15 minutes or 24 hours.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::PointName;
use silkline_protocol::time::Timestamp;

use super::devices::point_of;
use super::request::{Asked, Named, device_id};
use super::who::Who;
use super::{ApiState, Problem};
use crate::report::performance;
use crate::store::rows::SeriesQuery;

/// Polls that may fail before a reading holds no longer.
const POLLS: u32 = 3;
/// How long a reading holds at least: a poll that is a moment late loses no second.
const HOLD: Duration = Duration::from_secs(3);
/// A poll where the device has not said how often it is asked.
const POLL: Duration = Duration::from_secs(30);
/// The most readings of one answer: eight days of a point at 1 s.
const READINGS: usize = 8 * 86_400;

/// How a point performed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Performance {
    /// The device, `site.device`.
    pub device: String,
    /// The point.
    pub point: PointName,
    /// The unit of every value; empty for none.
    pub unit: String,
    /// The length of an interval in seconds: 900 or 86400.
    pub interval_s: u32,
    /// Intervals by rising time; the last one may still run.
    pub items: Vec<Interval>,
}

/// One interval, after ITU-T G.7710.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Where it begins; intervals lie at whole quarters of an hour and days in UTC.
    pub at: Timestamp,
    /// The low tide mark.
    pub min: Option<f64>,
    /// The high tide mark.
    pub max: Option<f64>,
    /// The mean over the time that a value held.
    pub mean: Option<f64>,
    /// Unavailable seconds, after ITU-T G.826: from ten seconds without light in a row to ten with it.
    pub unavailable_s: f64,
    /// Seconds that were seen.
    pub seen_s: f64,
    /// Whether more than ten seconds of it were not seen.
    pub suspect: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    point: PointName,
    #[serde(default)]
    interval: Width,
    to: Option<Timestamp>,
}

/// How long an interval is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Width {
    /// A quarter of an hour; the last 24 hours.
    #[default]
    #[serde(rename = "15min")]
    Quarter,
    /// A day; the last seven.
    #[serde(rename = "24h")]
    Day,
}

impl Width {
    /// The length in seconds, and how many are told.
    const fn figures(self) -> (u32, u32) {
        match self {
            Self::Quarter => (900, 96),
            Self::Day => (86_400, 7),
        }
    }
}

/// The last 96 quarters of an hour, or the last seven days: up to the one that runs, or those that are
/// over at `to`.
///
/// # Errors
///
/// Where there is no such device, or the store cannot be read.
pub async fn performance(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
    Asked(which): Asked<Which>,
) -> Result<Json<Performance>, Problem> {
    let (site, device) = device_id(&id)?;
    let (interval_s, count) = which.interval.figures();
    let width = Duration::from_secs(u64::from(interval_s));
    let each = i64::try_from(width.as_nanos()).unwrap_or(i64::MAX);
    let whole = |at: Timestamp| Timestamp::from_nanos(at.nanos() - at.nanos().rem_euclid(each));
    let now = crate::clock::now();
    let to = which.to.map_or_else(|| whole(now) + width, whole);
    let from = to - width * count;
    let answer = state.reader.ask_async(move |store| {
        let mut rows = store.device(&site, &device)?;
        rows.retain(|row| who.sees(&row.line));
        if rows.is_empty() {
            return Ok(None);
        }
        let about = rows.iter().find_map(|row| row.about.as_ref());
        let poll = about.map_or(POLL, |about| Duration::from_millis(about.poll_ms));
        let hold = (poll * POLLS).max(HOLD);
        let unit = about.and_then(|about| point_of(about, &which.point));
        let query = SeriesQuery {
            site,
            device,
            point: which.point,
            // What was read just before still holds, and what began dark may have ended after.
            from: from - hold.max(Duration::from_secs(60)),
            to: to + hold.max(Duration::from_secs(60)),
        };
        let readings = store.series(&query, READINGS)?;
        let intervals = performance::intervals(&readings, [from, to], width, hold);
        Ok(Some(Performance {
            device: id,
            point: query.point,
            unit: unit
                .map(|unit| unit.unit.symbol().to_owned())
                .unwrap_or_default(),
            interval_s,
            items: intervals.into_iter().map(Interval::from).collect(),
        }))
    });
    let missing = || Problem::not_found("no such device has ever reported");
    answer.await?.map(Json).ok_or_else(missing)
}

impl From<performance::Interval> for Interval {
    fn from(of: performance::Interval) -> Self {
        Self {
            at: of.at,
            min: of.min,
            max: of.max,
            mean: of.mean,
            unavailable_s: of.unavailable.as_secs_f64(),
            seen_s: of.seen.as_secs_f64(),
            suspect: of.suspect,
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Client;
    use serde_json::Value;

    use crate::api::example::Running;

    use super::*;

    #[tokio::test]
    async fn quarters_are_whole_and_what_was_not_seen_is_suspect() {
        let mut server = Running::start().await;
        for second in 0..30 {
            server.store_device(Timestamp::from_seconds(900_000 + second));
        }
        let path =
            "/api/v1/devices/ganja.edfa-1/performance?point=in_power.1&to=1970-01-11T10:20:00Z";
        let ask = |path: &str| Client::new().get(server.url(path)).send();
        let told: Value = ask(path).await.unwrap().json().await.unwrap();
        let items = told["items"].as_array().unwrap();
        assert_eq!((items.len(), &told["unit"]), (96, &Value::from("dBm")));
        let last = items.last().unwrap();
        assert_eq!(last["at"], "1970-01-11T10:00:00Z");
        let value = |key: &str| last[key].as_f64().unwrap();
        for key in ["min", "mean", "max"] {
            assert!((value(key) + 17.2).abs() < 1e-9, "{last}");
        }
        assert_eq!(
            (&last["suspect"], &last["unavailable_s"]),
            (&Value::from(true), &Value::from(0.0))
        );
        assert_eq!(
            last["seen_s"], 32.0,
            "thirty polls, the last of which holds for three seconds"
        );
        let days = ask("/api/v1/devices/ganja.edfa-1/performance?point=in_power.1&interval=24h");
        let days: Value = days.await.unwrap().json().await.unwrap();
        assert_eq!(days["items"].as_array().unwrap().len(), 7);
        for (bad, status) in [
            ("nowhere.x/performance?point=a", 404),
            ("ganja.edfa-1/performance", 400),
        ] {
            let answer = ask(&format!("/api/v1/devices/{bad}")).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{bad}");
        }
    }
}
