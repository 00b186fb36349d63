//! The past of one point, as it was read or in bins.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::PointName;
use silkline_protocol::sample::{BadReading, Reading as Said};
use silkline_protocol::time::Timestamp;

use super::bins::Bins;
use super::devices::point_of;
use super::request::{Asked, Named, device_id};
use super::who::Who;
use super::{ApiState, Problem, bins};
use crate::store::rows::{SeriesBin, SeriesPoint, SeriesQuery};
use crate::store::{Queries, StoreError};

/// What is looked back on where no beginning is asked for.
const LOOK_BACK: Duration = Duration::from_secs(3600);
/// Readings on one page.
const READINGS: usize = 10_000;
/// Bins in one answer: more than a screen has columns.
const BINS: u128 = 10_000;

/// The past of one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The device, `site.device`.
    pub device: String,
    /// The point.
    pub point: PointName,
    /// The unit of every value; empty for none.
    pub unit: String,
    /// Where it begins, inclusive.
    pub from: Timestamp,
    /// Where it ends, exclusive.
    pub to: Timestamp,
    /// The width of a bin in seconds; nothing where `items` are readings.
    pub resolution_s: Option<f64>,
    /// Readings or bins by rising time.
    pub items: Vec<Item>,
    /// The `from` of the next page; nothing on the last one.
    pub next: Option<Timestamp>,
}

/// One entry of a [`Series`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Item {
    /// Many readings in one figure.
    Bin(Bin),
    /// One reading.
    Read(Read),
}

/// One reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Read {
    /// When, by the agent's clock.
    pub at: Timestamp,
    /// The value; nothing where it is dark or bad.
    pub value: Option<f64>,
    /// Whether there was no light.
    pub dark: bool,
    /// Why there is no value.
    pub bad: Option<BadReading>,
}

/// Many readings in one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// Where it begins.
    pub at: Timestamp,
    /// The lowest value.
    pub min: Option<f64>,
    /// The highest value.
    pub max: Option<f64>,
    /// The mean of the values.
    pub mean: Option<f64>,
    /// How many values.
    pub values: u32,
    /// How often there was no light.
    pub dark_readings: u32,
    /// How often there was no reading.
    pub bad_readings: u32,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    point: PointName,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// The width of a bin: `10s`, `5min`, `1h`, or seconds.
    resolution: Option<String>,
    /// JSON unless said.
    #[serde(default)]
    format: Format,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// For programs.
    #[default]
    Json,
    /// For spreadsheets.
    Csv,
}

/// The past of a point of a device.
///
/// # Errors
///
/// Where there is no such device, the stretch is none, or the store cannot be read.
pub async fn series(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    let (site, device) = device_id(&id)?;
    let to = which.to.unwrap_or_else(crate::clock::now);
    let from = which.from.unwrap_or_else(|| to - LOOK_BACK);
    if from >= to {
        return Err(Problem::bad_request(format!(
            "from: {from} is not before {to}"
        )));
    }
    let width = which
        .resolution
        .as_deref()
        .map(|text| width(text, to - from))
        .transpose()?;
    let query = SeriesQuery {
        site,
        device,
        point: which.point,
        from,
        to,
    };
    let format = which.format;
    let of_bins = state.bins.clone();
    let answer = state.reader.ask_async(move |store| {
        let mut rows = store.device(&query.site, &query.device)?;
        rows.retain(|row| who.sees(&row.line));
        if rows.is_empty() {
            return Ok(None);
        }
        let abouts = rows.iter().filter_map(|row| row.about.as_ref());
        let unit = abouts
            .filter_map(|about| point_of(about, &query.point))
            .map(|point| point.unit);
        let unit = unit
            .map(|unit| unit.symbol().to_owned())
            .next()
            .unwrap_or_default();
        let (items, next) = match width {
            Some(width) => (binned(store, of_bins.as_ref(), &query, width)?, None),
            None => page(store.series(&query, READINGS + 1)?),
        };
        let resolution_s = width.map(|width| width.as_secs_f64());
        let SeriesQuery {
            point, from, to, ..
        } = query;
        let series = Series {
            device: id,
            point,
            unit,
            from,
            to,
            resolution_s,
            items,
            next,
        };
        Ok(Some(series))
    });
    let missing = || Problem::not_found("no such device has ever reported");
    let series = answer.await?.ok_or_else(missing)?;
    Ok(match format {
        Format::Json => Json(series).into_response(),
        Format::Csv => as_table(&series),
    })
}

/// Bins of one width: counted ones where they have them, else from every reading.
fn binned(
    store: &Queries<'_>,
    counted: Option<&Bins>,
    query: &SeriesQuery,
    width: Duration,
) -> Result<Vec<Item>, StoreError> {
    let whole = width.as_nanos().is_multiple_of(bins::WIDTH.as_nanos());
    let found = match counted.filter(|_| whole) {
        Some(bins) => bins.series(query, width)?,
        None => store.series_bins(query, width)?,
    };
    Ok(found
        .into_iter()
        .map(|bin| Item::Bin(Bin::from(bin)))
        .collect())
}

/// The series as a table to be saved.
fn as_table(series: &Series) -> Response {
    let mut table = String::new();
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for item in &series.items {
        let row = match item {
            Item::Read(Read {
                at,
                value,
                dark,
                bad,
            }) => {
                let why = bad.and_then(|bad| serde_json::to_value(bad).ok());
                let why = why
                    .as_ref()
                    .and_then(|why| why.as_str())
                    .unwrap_or_default();
                let quality = if *dark { "dark" } else { why };
                format!("{at},{},{quality}\n", number(*value))
            }
            Item::Bin(bin) => {
                let [min, max, mean] = [bin.min, bin.max, bin.mean].map(number);
                let (values, dark, bad) = (bin.values, bin.dark_readings, bin.bad_readings);
                format!("{},{min},{max},{mean},{values},{dark},{bad}\n", bin.at)
            }
        };
        table.push_str(&row);
    }
    let head = match series.resolution_s {
        None => "at,value,quality\n",
        Some(_) => "at,min,max,mean,values,dark_readings,bad_readings\n",
    };
    let (device, point) = (&series.device, &series.point);
    let name = format!("attachment; filename=\"{device}-{point}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    (headers, format!("{head}{table}")).into_response()
}

/// The readings that fit on a page, and where the next page begins.
fn page(mut points: Vec<SeriesPoint>) -> (Vec<Item>, Option<Timestamp>) {
    let next = points.get(READINGS).map(|beyond| beyond.at);
    points.truncate(READINGS);
    (
        points
            .into_iter()
            .map(|point| Item::Read(Read::from(point)))
            .collect(),
        next,
    )
}

/// The width of bins over a stretch of `length`.
fn width(text: &str, length: Duration) -> Result<Duration, Problem> {
    let wanted = "a number with s, min, h or d, such as 10s";
    let found: String = text.chars().take(20).collect();
    let wrong = || Problem::bad_request(format!("resolution: {found:?} is not {wanted}"));
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let seconds = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m" | "min") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    let width = Duration::from_secs(u64::from(number) * seconds);
    if width.is_zero() {
        return Err(wrong());
    }
    if length.as_nanos() / width.as_nanos() > BINS {
        let detail = format!("resolution: {found} makes more than {BINS} bins, ask for wider ones");
        return Err(Problem::bad_request(detail));
    }
    Ok(width)
}

impl From<SeriesPoint> for Read {
    fn from(point: SeriesPoint) -> Self {
        let bad = match point.reading {
            Said::Bad(why) => Some(why),
            Said::Value(_) | Said::Dark => None,
        };
        let (value, dark) = (point.reading.value(), point.reading.is_dark());
        Self {
            at: point.at,
            value,
            dark,
            bad,
        }
    }
}

impl From<SeriesBin> for Bin {
    fn from(bin: SeriesBin) -> Self {
        Self {
            at: bin.at,
            min: bin.min,
            max: bin.max,
            mean: bin.mean,
            values: bin.values,
            dark_readings: bin.dark,
            bad_readings: bin.bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_resolution_is_a_number_with_a_unit() {
        for (text, seconds) in [
            ("10s", 10),
            ("30", 30),
            ("5min", 300),
            ("2m", 120),
            ("1h", 3600),
        ] {
            assert_eq!(
                width(text, HOUR).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        for bad in [
            "",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "10 s",
            "10weeks",
            "99999999999s",
        ] {
            assert_eq!(width(bad, HOUR).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn too_many_bins_are_refused() {
        let year = HOUR * 24 * 365;
        assert!(width("1s", year).unwrap_err().detail.contains("wider"));
        assert!(width("1h", year).is_ok());
    }

    #[test]
    fn a_page_of_readings_names_the_next() {
        let point = |second: usize| SeriesPoint {
            at: Timestamp::from_seconds(i64::try_from(second).unwrap()),
            reading: Said::Value(1.0),
        };
        let (items, next) = page((0..=READINGS).map(point).collect());
        assert_eq!((items.len(), next), (READINGS, Some(point(READINGS).at)));
        let (items, next) = page((0..READINGS).map(point).collect());
        assert_eq!((items.len(), next), (READINGS, None));
    }
}
