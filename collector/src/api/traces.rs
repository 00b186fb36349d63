//! Traces: what was shot, what it shows, and the file byte for byte.
//!
//! A trace's curve is given at the resolution that is asked for, each stretch by its lowest and its
//! highest level. A file that somebody sends is looked at and forgotten: nothing is stored.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use silkline_analysis::series::device_name;
use silkline_protocol::id::{LineId, ViewId};
use silkline_protocol::message::Trigger;
use silkline_protocol::plant::Toward;
use silkline_protocol::time::Timestamp;

use self::levels::{Levels, Window};
use self::look::{Beside, Looked};
use super::incidents::Place;
use super::request::{Asked, Named, Page, device_id, paging};
use super::who::Who;
use super::{ApiState, Problem, etag};
use crate::store::TraceFilter;
use crate::store::rows::{RowId, TraceRow};

pub mod levels;
mod look;
mod roadside;
mod sheet;

/// The largest file that is looked at: the largest that agents send.
pub(super) const FILE_BYTES: usize = 4 << 20;
/// What a file of ours is called in a report that names files.
const NAME: &str = "trace.sor";
/// Curves in one list: each costs a file to read.
const CURVES: usize = 100;
/// Stretches of a curve in a list.
const LIST_POINTS: usize = 2000;

/// One OTDR acquisition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// Its number.
    pub id: i64,
    /// The line it came for.
    pub line: LineId,
    /// The instrument, `site.device`.
    pub device: String,
    /// When the agent took it in, by the agent's clock.
    pub at: Timestamp,
    /// When it was stored here.
    pub received: Timestamp,
    /// Whether it came from a backlog.
    pub late: bool,
    /// What it shows, where known.
    pub view: Option<ViewId>,
    /// The port of the instrument, where known.
    pub port: Option<u16>,
    /// Why it was taken: `light_lost`, `schedule`, `command`, `unknown`.
    pub trigger: String,
    /// The size of the file.
    pub bytes: u64,
    /// Where the file is, byte for byte.
    pub sor: String,
    /// What it shows, as `trace --json` prints it; nothing until it was looked at.
    pub analysis: Option<Value>,
    /// Its curve, where `points` asked for it.
    pub levels: Option<Levels>,
}

/// What a file shows that somebody sent; it is not stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// What it shows, as `trace --json` prints it.
    pub analysis: Value,
    /// Its curve.
    pub levels: Levels,
    /// Where on the route its end or break is, where it is known from where it was shot.
    pub place: Option<Place>,
    /// The place from where the crew stands, in words: `37 m back towards Yevlakh`.
    pub walk: Option<String>,
}

/// Which traces to list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Only those that show this view.
    view: Option<ViewId>,
    /// Only those of this instrument, `site.device`.
    device: Option<String>,
    /// With their curves, each of at most so many stretches.
    points: Option<usize>,
    limit: Option<u16>,
    cursor: Option<String>,
}

/// Which part of a trace's curve.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    points: Option<usize>,
    from_m: Option<f64>,
    to_m: Option<f64>,
}

/// What is known beside a file that somebody sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The view it shows.
    view: Option<ViewId>,
    /// The number of a stored trace to compare with.
    reference: Option<i64>,
    /// The line it was shot on, from a closure.
    line: Option<LineId>,
    /// The landmark or node where it was shot.
    from: Option<String>,
    /// Which way.
    toward: Option<Toward>,
    /// Where the crew stands, in metres of chainage; where it was shot unless said.
    here_m: Option<f64>,
    /// Stretches of the curve in the answer.
    points: Option<usize>,
}

/// Traces, the newest arrival first.
///
/// # Errors
///
/// Where the query is none or the store cannot be read.
pub async fn list(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Trace>>, Problem> {
    let (limit, before) = paging(which.limit, which.cursor.as_deref())?;
    let window = Window::asked(which.points, None, None)?;
    if window.is_some_and(|window| limit > CURVES || window.points > LIST_POINTS) {
        let detail =
            format!("want limit up to {CURVES} and points up to {LIST_POINTS} with curves");
        return Err(Problem::bad_request(detail));
    }
    let device = which.device.as_deref().map(device_id).transpose()?;
    let filter = TraceFilter {
        view: which.view,
        device,
        before,
    };
    let answer = state.reader.ask_async(move |store| {
        let rows = store.traces(&filter, limit + 1)?;
        let mut page = Page::cut(rows, limit, |row| row.id).map(Trace::from);
        page.items.retain(|trace| who.sees(&trace.line));
        for trace in &mut page.items {
            let Some(window) = window else { break };
            let file = store.trace_file(RowId(trace.id))?;
            // A file that is no trace is listed without a curve.
            let looked = file.and_then(|bytes| Looked::at(&bytes).ok());
            trace.levels = looked.map(|looked| Levels::of(&looked.trace, window));
        }
        Ok(page)
    });
    Ok(Json(answer.await?))
}

/// One trace as JSON, or in the form that the end of its name asks for: `.sor`, `.csv`, `.svg`.
///
/// # Errors
///
/// Where there is no such trace or form, or the store cannot be read.
pub async fn one(
    State(state): State<ApiState>,
    who: Who,
    Named(name): Named,
    Asked(part): Asked<Part>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (number, form) = name
        .split_once('.')
        .map_or((&*name, None), |(n, f)| (n, Some(f)));
    let found: String = number.chars().take(40).collect();
    let missing = || Problem::not_found(format!("there is no trace {found:?}"));
    let id = number.parse().map(RowId).map_err(|_| missing())?;
    let window = Window::asked(part.points, part.from_m, part.to_m)?;
    let answer = state.reader.ask_async(move |store| {
        let row = store.trace(id)?;
        Ok(row.zip(store.trace_file(id)?))
    });
    let found = answer.await?.filter(|(row, _)| who.sees(&row.line));
    let (row, file) = found.ok_or_else(missing)?;
    match form {
        None => {
            let mut trace = Trace::from(row);
            if trace.analysis.is_none() || window.is_some() {
                let looked = Looked::at(&file).ok();
                let report = |it: &Looked| it.report(NAME, Beside::default());
                trace.analysis = whole(looked.as_ref().map(report), trace.analysis);
                trace.levels = looked
                    .zip(window)
                    .map(|(it, window)| Levels::of(&it.trace, window));
            }
            Ok(etag::tagged(&headers, &trace))
        }
        Some("sor") => Ok(as_file(
            &format!("trace-{}.sor", id.0),
            "application/octet-stream",
            file,
        )),
        Some("csv") => {
            let looked = Looked::at(&file).map_err(unreadable)?;
            let name = format!("trace-{}.csv", id.0);
            Ok(as_file(&name, "text/csv", sheet::csv(&looked.trace)))
        }
        Some("svg") => {
            let looked = Looked::at(&file).map_err(unreadable)?;
            let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
            Ok((kind, looked.picture(&format!("trace {}", id.0))).into_response())
        }
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(Problem::not_found(format!(
                "a trace has no form {other:?}, want sor, csv or svg"
            )))
        }
    }
}

/// Looks at a file that somebody sends, and forgets it.
///
/// # Errors
///
/// Where the file is no trace, or what is said beside it is not in the plant or the store.
pub async fn look(
    State(state): State<ApiState>,
    who: Who,
    Asked(known): Asked<Known>,
    file: Result<Bytes, BytesRejection>,
) -> Result<Json<Look>, Problem> {
    let file = file.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let stand = roadside::Stand::of(&state.plant, &known)?;
    if stand
        .as_ref()
        .is_some_and(|stand| !stand.is_on(|line| who.sees(line)))
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this is on a line of others",
        ));
    }
    let points = known.points.or(Some(LIST_POINTS));
    let window = Window::asked(points, None, None)?.unwrap_or_default();
    let reference = match known.reference {
        None => None,
        Some(id) => {
            let id = RowId(id);
            let file = state.reader.ask_async(move |store| {
                let row = store.trace(id)?.filter(|row| who.sees(&row.line));
                row.map_or(Ok(None), |row| store.trace_file(row.id))
            });
            let missing = || Problem::bad_request(format!("reference: there is no trace {}", id.0));
            Some(file.await?.ok_or_else(missing)?)
        }
    };
    let work = move || -> Result<Look, Problem> {
        let looked = Looked::at(&file).map_err(unreadable)?;
        let reference = reference
            .map(|file| Looked::at(&file).map_err(unreadable))
            .transpose()?;
        let beside = Beside {
            reference: reference.as_ref(),
            view: stand.as_ref().map(roadside::Stand::view),
        };
        let mut analysis = looked.report(NAME, beside);
        let place = analysis.as_object_mut().and_then(|it| it.remove("place"));
        let place = place.and_then(|place| serde_json::from_value::<Place>(place).ok());
        let place = place.map(|place| match &stand {
            Some(stand) => stand.fit(place),
            None => place,
        });
        let walk = place.as_ref().zip(stand.as_ref());
        Ok(Look {
            walk: walk.and_then(|(place, stand)| stand.walk(place)),
            levels: Levels::of(&looked.trace, window),
            analysis,
            place,
        })
    };
    let answer = tokio::task::spawn_blocking(work).await;
    let stopping = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the collector is stopping");
    answer.map_err(stopping)?.map(Json)
}

/// What a file shows, with what the engine made of it on top: an engine keeps what it needs for its
/// incidents, which is not every event.
fn whole(shown: Option<Value>, kept: Option<Value>) -> Option<Value> {
    match (shown, kept) {
        (Some(Value::Object(mut shown)), Some(Value::Object(kept))) => {
            shown.extend(kept);
            Some(Value::Object(shown))
        }
        (shown, kept) => kept.or(shown),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn unreadable(why: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("no trace: {why}"))
}

/// A file to be saved; it never changes.
fn as_file(name: &str, kind: &str, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable".to_owned(),
        ),
    ];
    (headers, body).into_response()
}

impl From<TraceRow> for Trace {
    fn from(row: TraceRow) -> Self {
        Self {
            id: row.id.0,
            device: device_name(&row.site, &row.device),
            line: row.line,
            at: row.at,
            received: row.received,
            late: row.late,
            view: row.view,
            port: row.port,
            trigger: Trigger::word(row.trigger).to_owned(),
            bytes: row.bytes,
            sor: format!("/api/v1/traces/{}.sor", row.id.0),
            analysis: row.analysis,
            levels: None,
        }
    }
}
