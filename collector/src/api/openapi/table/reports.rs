//! Operations that look back: months, fibres, performance.

use schemars::SchemaGenerator;
use serde_json::json;

use super::{DEVICE, ID, JSON, POINT, TIME, get, schema};
use crate::api::fibres::FibreHistory;
use crate::api::openapi::operation::Operation;
use crate::api::performance::Performance;
use crate::api::reports::MonthReport;

pub(super) fn operations(of: &mut SchemaGenerator) -> Vec<Operation> {
    let month = (
        "month",
        "path",
        "The month, in UTC.",
        r#"{"type":"string","pattern":"^[0-9]{4}-(0[1-9]|1[0-2])$"}"#,
        "2026-01",
    );
    let interval = (
        "interval",
        "query",
        "96 quarters of an hour, or seven days.",
        r#"{"type":"string","enum":["15min","24h"]}"#,
        "15min",
    );
    let until = (
        "to",
        "query",
        "Intervals that are over by then; up to the running one unless said.",
        TIME,
        "2026-01-02T00:00:00Z",
    );
    let view = ("id", "path", "The view.", ID, "ganja-b");
    let point = ("point", "query", "The point.", POINT, "in_power.1");
    vec![
        get(
            "devices/{id}/performance",
            "performance",
            "A light input in intervals of 15 minutes or 24 hours: tide marks, unavailable seconds.",
        )
        .with(&[DEVICE, point, interval, until])
        .gives(JSON, schema::<Performance>(of)),
        get(
            "views/{id}/history",
            "view_history",
            "The losses of a fibre's splices and sections over time, and where they lead.",
        )
        .with(&[view])
        .gives(JSON, schema::<FibreHistory>(of)),
        get(
            "reports/{month}",
            "report",
            "What a month was like: availability, outages, repairs.",
        )
        .with(&[month])
        .gives(JSON, schema::<MonthReport>(of)),
        get(
            "reports/{month}.csv",
            "report_csv",
            "The same as a table.",
        )
        .with(&[month])
        .gives("text/csv", json!({ "type": "string" })),
    ]
}
