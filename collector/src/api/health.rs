//! Whether the collector is alive, whether it does its work, and its counters.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApiState, Problem};

/// That all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The program's version.
    pub version: String,
}

impl Health {
    fn ok() -> Self {
        Self {
            status: "ok".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Answers as long as the process runs.
pub async fn alive() -> Json<Health> {
    Json(Health::ok())
}

/// Answers well when messages are taken in and the store can be read.
///
/// # Errors
///
/// 503 with the reason.
pub async fn ready(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    let unready = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    state.ready.borrow().clone().map_err(unready)?;
    let readable = state.reader.ask_async(|store| store.next_notice()).await;
    readable.map_err(|error| unready(error.to_string()))?;
    Ok(Json(Health::ok()))
}

/// All counters, in the text form of OpenMetrics.
pub async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], state.metrics.encode())
}

#[cfg(test)]
mod tests {
    /// Where every counter is named, those of families too, which show nothing before they count.
    const COUNTED: &str = include_str!("../metrics.rs");
    const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

    #[test]
    fn every_counter_that_an_alert_rule_names_is_counted() {
        let rules = std::fs::read_to_string(format!("{DEPLOY}/prometheus/silkline.rules.yml"));
        let rules = rules.unwrap();
        let mut named = 0;
        for word in rules.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')) {
            let Some(name) = word.strip_prefix("silkline_") else {
                continue;
            };
            let name = name.trim_end_matches("_total");
            assert!(COUNTED.contains(&format!("\"{name}\"")), "{word}");
            named += 1;
        }
        assert!(named >= 4);
    }
}
