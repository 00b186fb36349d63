//! Traces: what was shot, what it shows, and the file byte for byte.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_analysis::series::device_name;
use silkline_protocol::id::{LineId, ViewId};
use silkline_protocol::message::Trigger;
use silkline_protocol::time::Timestamp;

use super::request::{Asked, Page, device_id, paging};
use super::{ApiState, Problem};
use crate::store::TraceFilter;
use crate::store::rows::{RowId, TraceRow};

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
    pub analysis: Option<serde_json::Value>,
}

/// Which traces to list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Only those that show this view.
    view: Option<ViewId>,
    /// Only those of this instrument, `site.device`.
    device: Option<String>,
    limit: Option<u16>,
    cursor: Option<String>,
}

/// Traces, the newest arrival first.
///
/// # Errors
///
/// Where the query is none or the store cannot be read.
pub async fn list(
    State(state): State<ApiState>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Trace>>, Problem> {
    let (limit, before) = paging(which.limit, which.cursor.as_deref())?;
    let device = which.device.as_deref().map(device_id).transpose()?;
    let filter = TraceFilter {
        view: which.view,
        device,
        before,
    };
    let rows = state
        .reader
        .ask_async(move |store| store.traces(&filter, limit + 1))
        .await?;
    Ok(Json(Page::cut(rows, limit, |row| row.id).map(Trace::from)))
}

/// One trace as JSON, or its file where the name ends in `.sor`.
///
/// # Errors
///
/// Where there is no such trace or form, or the store cannot be read.
pub async fn one(
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let (number, form) = name
        .split_once('.')
        .map_or((&*name, None), |(n, f)| (n, Some(f)));
    let missing = || Problem::not_found(format!("there is no trace {number:?}"));
    let id = number.parse().map(RowId).map_err(|_| missing())?;
    match form {
        None => {
            let row = state.reader.ask_async(move |store| store.trace(id)).await?;
            row.map(|row| Json(Trace::from(row)).into_response())
                .ok_or_else(missing)
        }
        Some("sor") => {
            let file = state
                .reader
                .ask_async(move |store| store.trace_file(id))
                .await?;
            file.map(|bytes| as_file(id, bytes)).ok_or_else(missing)
        }
        Some(other) => Err(Problem::not_found(format!(
            "a trace has no form {other:?}, want sor"
        ))),
    }
}

/// The SOR file, to be saved; it never changes.
fn as_file(id: RowId, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"trace-{}.sor\"", id.0),
        ),
        (
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable".to_owned(),
        ),
    ];
    (headers, bytes).into_response()
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
        }
    }
}
