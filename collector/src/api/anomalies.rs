//! Findings: what the detectors said, by device, point and time.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use silkline_protocol::id::PointName;
use silkline_protocol::time::Timestamp;

use super::incidents::Anomaly;
use super::request::{Asked, Page};
use super::who::Who;
use super::{ApiState, Problem};

/// The most findings in one answer: more is a storm, and the newest tell of it.
const MOST: usize = 1000;

/// Which findings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Only those on this device, `site.device`.
    device: Option<String>,
    /// Only those on this point.
    point: Option<PointName>,
    /// Only those that were not over by then.
    from: Option<Timestamp>,
}

/// Findings, the newest first.
///
/// # Errors
///
/// Where the query is none or the store cannot be read.
pub async fn list(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Anomaly>>, Problem> {
    let from = which.from.unwrap_or(Timestamp::EPOCH);
    let rows = state
        .reader
        .ask_async(move |store| store.anomalies(from))
        .await?;
    let point = which.point.as_ref().map(PointName::as_str);
    let wanted = |found: &Anomaly| {
        let device = which
            .device
            .as_ref()
            .is_none_or(|device| *device == found.device);
        let on = point.is_none_or(|point| found.point.as_deref().is_none_or(|on| on == point));
        device && on && who.sees(&found.line)
    };
    let read = rows
        .into_iter()
        .filter_map(|row| serde_json::from_value(row).ok());
    Ok(Json(Page::whole(read.filter(wanted).take(MOST).collect())))
}
