//! A fibre over time: the losses of its splices and sections in one view's shots, and where they lead.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_analysis::ageing::{self, Shot};
use silkline_analysis::trace::{Settings, Trace, analyse};
use silkline_protocol::id::{LineId, ViewId};
use silkline_protocol::plant::{self, Plant};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

use super::request::Named;
use super::who::Who;
use super::{ApiState, Problem};
use crate::store::rows::{RowId, TraceRow};
use crate::store::{Queries, StoreError, TraceFilter};

/// Shots that are listed to choose from, newest first.
const LISTED: usize = 3_000;
/// Shots that are looked at: each costs tens of milliseconds.
const LOOKED_AT: usize = 60;
/// A splice that has risen so far since now wants a crew.
const WORSE: f64 = 0.3;
/// An event nearer to a mark than this, or than both their intervals, is that landmark.
const NEAR_M: f64 = 30.0;
const YEAR_S: f64 = 365.25 * 86_400.0;
/// What lies further away than this is nobody's forecast.
const HORIZON_YEARS: f64 = 20.0;

/// A view's fibre over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FibreHistory {
    /// The view.
    pub view: ViewId,
    /// The line.
    pub line: LineId,
    /// The strand.
    pub fibre: String,
    /// The wavelength of the shots, in nm, where they tell it.
    pub wavelength_nm: Option<f64>,
    /// Their pulse, in ns.
    pub pulse_ns: Option<f64>,
    /// How many alike shots were looked at.
    pub shots: usize,
    /// The oldest of them.
    pub from: Option<Timestamp>,
    /// The newest of them.
    pub to: Option<Timestamp>,
    /// Splices and connectors, along the fibre.
    pub splices: Vec<Splice>,
    /// The glass between them.
    pub sections: Vec<Section>,
}

/// One splice or connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Splice {
    /// Where along the glass, from the user offset.
    pub at_m: f64,
    /// The landmark that is marked there.
    pub landmark: Option<String>,
    /// Whether light comes back from it.
    pub reflects: bool,
    /// Its loss in each shot, in dB, oldest first.
    pub losses: Vec<Measured>,
    /// Where the loss leads, in dB.
    pub trend: Trend,
}

/// The glass between two splices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// Where it begins along the glass.
    pub from_m: f64,
    /// Where it ends.
    pub to_m: f64,
    /// Its attenuation in each shot, in dB/km, oldest first.
    pub slopes: Vec<Measured>,
    /// Where that leads, in dB/km.
    pub trend: Trend,
}

/// A quantity in one shot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// When.
    pub at: Timestamp,
    /// How much.
    pub value: f64,
    /// Half width of its 95 % interval.
    pub plus_minus: Option<f64>,
}

/// Where a quantity leads, or why nobody can tell yet. Half widths are of 95 % intervals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// Why there is no line, in words; nothing where there is one.
    pub why_not: Option<String>,
    /// Where the line stands at the newest shot.
    pub now: Option<f64>,
    /// Its half width.
    pub now_plus_minus: Option<f64>,
    /// The change in a year.
    pub per_year: Option<f64>,
    /// Its half width.
    pub per_year_plus_minus: Option<f64>,
    /// Whether it is more than chance that it rises.
    pub rises: bool,
    /// What a shot in a year will find.
    pub in_a_year: Option<f64>,
    /// Its half width.
    pub in_a_year_plus_minus: Option<f64>,
    /// When a splice will have risen by another 0.3 dB: earliest, likely, latest.
    pub worse_by: Option<[Timestamp; 3]>,
}

/// The splices and sections of a view over time.
///
/// # Errors
///
/// Where there is no such view, or the store cannot be read.
pub async fn history(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Json<FibreHistory>, Problem> {
    let found: String = id.chars().take(80).collect();
    let missing = || Problem::not_found(format!("there is no view {found:?}"));
    let id: ViewId = id.parse().map_err(|_| missing())?;
    let plant = state.plant;
    let answer = state.reader.ask_async(move |store| {
        let Some((line, view)) = view_of(&plant, &id).filter(|(line, _)| who.sees(&line.id)) else {
            return Ok(None);
        };
        let shots = alike(store, &id)?;
        Ok(Some(told(line, view, &shots)))
    });
    answer.await?.map(Json).ok_or_else(missing)
}

fn view_of<'a>(plant: &'a Plant, id: &ViewId) -> Option<(&'a plant::Line, &'a plant::View)> {
    let views = plant
        .lines
        .iter()
        .flat_map(|line| line.views.iter().map(move |view| (line, view)));
    views.into_iter().find(|(_, view)| view.id == *id)
}

/// Shots like the newest one, oldest first.
struct Alike {
    settings: Option<Settings>,
    shots: Vec<Shot>,
}

fn alike(store: &Queries<'_>, view: &ViewId) -> Result<Alike, StoreError> {
    let filter = TraceFilter {
        view: Some(view.clone()),
        ..TraceFilter::default()
    };
    let mut rows = store.traces(&filter, LISTED)?;
    rows.sort_by_key(|row| core::cmp::Reverse(row.at));
    let mut settings: Option<Settings> = None;
    let mut shots = Vec::new();
    for row in spread(&rows) {
        let file = store.trace_file(row.id)?;
        let sor = file.and_then(|bytes| silkline_sor::read(&bytes).ok());
        let Some(trace) = sor.and_then(|sor| Trace::from_sor(&sor).ok()) else {
            continue;
        };
        let like = settings.get_or_insert_with(|| *trace.settings());
        if is_alike(like, trace.settings()) {
            shots.push(Shot {
                at: row.at,
                events: analyse(&trace).events,
            });
        }
    }
    shots.reverse();
    Ok(Alike { settings, shots })
}

fn is_alike(a: &Settings, b: &Settings) -> bool {
    let near = |a: f64, b: f64, share: f64| (a - b).abs() <= share * a.abs();
    let wavelengths = a.wavelength.zip(b.wavelength);
    near(a.pulse_ns, b.pulse_ns, 0.1)
        && wavelengths.is_none_or(|(a, b)| (a.get() - b.get()).abs() <= 5.0)
}

/// The newest row and others, evenly over the time between, at most [`LOOKED_AT`].
fn spread(rows: &[TraceRow]) -> Vec<&TraceRow> {
    let (Some(newest), Some(oldest)) = (rows.first(), rows.last()) else {
        return Vec::new();
    };
    if rows.len() <= LOOKED_AT {
        return rows.iter().collect();
    }
    let step = (newest.at - oldest.at) / u32::try_from(LOOKED_AT).unwrap_or(1);
    let mut chosen: Vec<&TraceRow> = Vec::new();
    let mut last: Option<RowId> = None;
    for number in 0..LOOKED_AT {
        let due = newest.at - step * u32::try_from(number).unwrap_or(0);
        let Some(row) = rows.iter().find(|row| row.at <= due) else {
            break;
        };
        if last.replace(row.id) != Some(row.id) {
            chosen.push(row);
        }
    }
    chosen
}

fn told(line: &plant::Line, view: &plant::View, of: &Alike) -> FibreHistory {
    let (splices, sections) = ageing::ageing(&of.shots);
    let to = of.shots.last().map(|shot| shot.at);
    let settings = of.settings.as_ref();
    FibreHistory {
        view: view.id.clone(),
        line: line.id.clone(),
        fibre: view.fibre.to_string(),
        wavelength_nm: settings.and_then(|it| it.wavelength.map(|nm| nm.get())),
        pulse_ns: settings.map(|it| it.pulse_ns),
        shots: of.shots.len(),
        from: of.shots.first().map(|shot| shot.at),
        to,
        splices: splices
            .iter()
            .map(|splice| Splice {
                at_m: splice.at.get(),
                landmark: landmark(line, view, splice.at),
                reflects: splice.reflects,
                losses: measured(&splice.losses, Db::get),
                trend: trend(&splice.trend, to),
            })
            .collect(),
        sections: sections
            .iter()
            .map(|section| Section {
                from_m: section.from.get(),
                to_m: section.to.get(),
                slopes: measured(&section.slopes, DbPerKm::get),
                trend: Trend {
                    worse_by: None,
                    ..trend(&section.trend, to)
                },
            })
            .collect(),
    }
}

/// The landmark whose mark is nearest, of those that are near.
fn landmark(line: &plant::Line, view: &plant::View, at: OpticalLength) -> Option<String> {
    let marks = line.marks.iter().filter(|mark| mark.view == view.id);
    let far = |mark: &plant::Mark| (mark.optical.get() - at.get()).abs();
    let near = marks.filter(|mark| far(mark) <= NEAR_M.max(2.0 * mark.plus_minus.get()));
    near.min_by(|a, b| far(a).total_cmp(&far(b)))
        .map(|mark| mark.landmark.clone())
}

fn measured<T: Copy>(all: &[ageing::Measured<T>], get: fn(T) -> f64) -> Vec<Measured> {
    let one = |one: &ageing::Measured<T>| Measured {
        at: one.at,
        value: get(one.value),
        plus_minus: one.plus_minus.map(get),
    };
    all.iter().map(one).collect()
}

fn trend(of: &ageing::Trend, newest: Option<Timestamp>) -> Trend {
    let line = match of {
        ageing::Trend::Line(line) => line,
        other => {
            return Trend {
                why_not: Some(why_not(other)),
                ..Trend::default()
            };
        }
    };
    let near = line
        .years_to(WORSE)
        .filter(|[_, likely, _]| *likely < HORIZON_YEARS);
    let worse_by = newest.zip(near).map(|(newest, years)| {
        years.map(|years| newest + Duration::from_secs_f64(years.min(100.0) * YEAR_S))
    });
    Trend {
        why_not: None,
        now: Some(line.now),
        now_plus_minus: Some(line.now_plus_minus),
        per_year: Some(line.per_year),
        per_year_plus_minus: Some(line.per_year_plus_minus),
        rises: line.rises(),
        in_a_year: Some(line.in_a_year),
        in_a_year_plus_minus: Some(line.in_a_year_plus_minus),
        worse_by,
    }
}

fn why_not(trend: &ageing::Trend) -> String {
    match trend {
        ageing::Trend::Few { seen, of } if *of < ageing::SHOTS_NEEDED => {
            let wanted = ageing::SHOTS_NEEDED;
            format!("{seen} of {of} shots show it; a trend wants {wanted}")
        }
        ageing::Trend::Few { seen, of } => {
            format!("only {seen} of {of} shots show it: it lies in their noise")
        }
        ageing::Trend::Short { days } => {
            let wanted = ageing::DAYS_NEEDED;
            format!("{days:.1} days of shots; a trend wants {wanted:.0}")
        }
        ageing::Trend::Line(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Client;
    use serde_json::Value;
    use silkline_protocol::message::Trigger;

    use super::*;
    use crate::api::example::{self, Running};

    fn row(id: i64, day: i64) -> TraceRow {
        let at = Timestamp::from_seconds(day * 86_400);
        TraceRow {
            id: RowId(id),
            line: "dsw".parse().unwrap(),
            site: "ganja".parse().unwrap(),
            device: "otdr-1".parse().unwrap(),
            at,
            received: at,
            late: false,
            view: None,
            port: None,
            trigger: Trigger::Schedule,
            bytes: 0,
            analysis: None,
        }
    }

    #[test]
    fn shots_are_chosen_over_the_whole_time() {
        let many: Vec<TraceRow> = (0..1_000).rev().map(|day| row(day, day)).collect();
        let chosen = spread(&many);
        assert!(chosen.len() <= LOOKED_AT && chosen.len() > LOOKED_AT - 3);
        assert_eq!(chosen[0].id, RowId(999));
        assert!(chosen.last().unwrap().id < RowId(30));
        let mut burst = many;
        burst.truncate(3);
        assert_eq!(spread(&burst).len(), 3);
        assert!(spread(&[]).is_empty());
    }

    #[tokio::test]
    async fn a_view_without_shots_says_nothing_and_one_that_is_not_is_not() {
        let server = Running::start().await;
        let ask = |path: &str| Client::new().get(server.url(path)).send();
        let quiet: Value = ask("/api/v1/views/ganja-b/history")
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(
            (&quiet["shots"], &quiet["fibre"]),
            (&Value::from(0), &Value::from("f1"))
        );
        assert_eq!(
            ask("/api/v1/views/none/history")
                .await
                .unwrap()
                .status()
                .as_u16(),
            404
        );
    }

    /// A splice at 12 km that gets worse by a tenth of a decibel in a month, shot every second day.
    #[tokio::test]
    async fn a_splice_that_gets_worse_is_forecast_from_its_shots() {
        let mut server = Running::start().await;
        for shot in 0..16_u32 {
            let days = 2 * shot;
            let loss = 0.2 + 0.1 * f64::from(days) / 30.0;
            let at = Timestamp::from_seconds(1_700_000_000 + i64::from(days) * 86_400);
            let file = example::sor_with(30_000.0, [12_000.0, loss], shot + 1);
            server.store_shot(at, &file);
        }
        let url = server.url("/api/v1/views/ganja-b/history");
        let told: FibreHistory = Client::new()
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!((told.shots, told.wavelength_nm), (16, Some(1550.0)));
        let near = |splice: &&Splice| (splice.at_m - 12_000.0).abs() < 50.0;
        let splice = told.splices.iter().find(near).expect("a splice at 12 km");
        let trend = &splice.trend;
        let (slope, half) = (trend.per_year.unwrap(), trend.per_year_plus_minus.unwrap());
        let truth = 0.1 / 30.0 * 365.25;
        assert!(trend.rises && (slope - truth).abs() <= half, "{trend:?}");
        let [early, likely, late] = trend.worse_by.unwrap();
        assert!(early < likely && likely < late, "{trend:?}");
        let newest = told.to.unwrap();
        let days = (likely - newest).as_secs_f64() / 86_400.0;
        assert!(
            (60.0..130.0).contains(&days),
            "0.3 dB more takes some 90 days: {days}"
        );
    }

    #[test]
    fn why_there_is_no_trend_is_said_in_words() {
        let said = why_not(&ageing::Trend::Few { seen: 2, of: 3 });
        assert_eq!(said, "2 of 3 shots show it; a trend wants 6");
        let said = why_not(&ageing::Trend::Few { seen: 9, of: 30 });
        assert!(said.contains("noise"), "{said}");
        let short = trend(&ageing::Trend::Short { days: 3.0 }, None);
        assert_eq!(
            short.why_not.unwrap(),
            "3.0 days of shots; a trend wants 14"
        );
        assert!(!short.rises && short.now.is_none());
    }
}
