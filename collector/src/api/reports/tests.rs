use reqwest::Client;
use serde_json::Value;
use silkline_analysis::incident::State;

use super::*;
use crate::api::example::{self, Running};

async fn asked(server: &Running, path: &str) -> (u16, String) {
    let answer = Client::new().get(server.url(path)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A server with one outage of four hours in November 2023, and one that lasts.
async fn november() -> Running {
    let mut server = Running::start().await;
    let mut over = example::incident("i-1", State::Cleared);
    over.anomalies[0].to = Some(over.opened + Duration::from_secs(4 * 3600));
    over.cleared = Some(over.opened + Duration::from_secs(4 * 3600 + 30));
    over.note(
        "Aysel",
        "acknowledged",
        over.opened + Duration::from_secs(60),
    );
    server.store_incident(&over);
    let mut lasts = example::incident("i-2", State::Open);
    lasts.opened = "2023-11-29T00:00:00Z".parse().unwrap();
    lasts.anomalies[0].from = lasts.opened;
    lasts.affected = vec!["west".to_owned()];
    server.store_incident(&lasts);
    server
}

#[tokio::test]
async fn a_month_tells_what_was_gone_and_for_how_long() {
    let server = november().await;
    let (status, text) = asked(&server, "/api/v1/reports/2023-11").await;
    assert_eq!(status, 200, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let line = &report["lines"][0];
    let gone = (4 + 48) * 3600;
    assert_eq!(line["availability"]["unavailable_s"], f64::from(gone));
    assert_eq!(line["availability"]["outages"], 2);
    let share = line["availability"]["share"].as_f64().unwrap();
    assert!((share - (1.0 - 52.0 / 720.0)).abs() < 1e-9);
    assert_eq!(line["repairs"]["mean_to_repair_s"], 4.0 * 3600.0);
    assert_eq!(line["repairs"]["mean_to_acknowledge_s"], 60.0);
    assert_eq!(line["repairs"]["mean_between_outages_s"], 360.0 * 3600.0);
    let services: Vec<_> = report["services"].as_array().unwrap().iter().collect();
    let gone = services
        .iter()
        .map(|it| it["availability"]["unavailable_s"].as_f64().unwrap());
    assert_eq!(gone.collect::<Vec<_>>(), [4.0 * 3600.0, 0.0]);
    assert_eq!(report["incidents"][0]["lasted_s"], 4.0 * 3600.0);
    assert_eq!(report["incidents"][1]["to"], Value::Null);
    let (_, december) = asked(&server, "/api/v1/reports/2023-12").await;
    let december: Value = serde_json::from_str(&december).unwrap();
    assert_eq!(december["lines"][0]["availability"]["share"], 0.0);
    assert_eq!(december["incidents"], serde_json::json!([]));
}

#[tokio::test]
async fn the_table_has_as_many_fields_in_every_row() {
    let server = november().await;
    let (status, table) = asked(&server, "/api/v1/reports/2023-11.csv").await;
    assert_eq!(status, 200);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 1 + 1 + 2 + 2, "{table}");
    let fields = |row: &str| {
        let mut inside = false;
        let commas = row.chars().filter(|letter| {
            inside ^= *letter == '"';
            *letter == ',' && !inside
        });
        commas.count()
    };
    for row in &rows {
        assert_eq!(fields(row), fields(rows[0]), "{row}");
    }
    assert!(rows[1].starts_with("line,dsw,Digital Silk Way,92.77778,92.77778,2,187200,0,"));
}

#[tokio::test]
async fn what_is_no_month_or_has_not_begun_is_not_there() {
    let server = Running::start().await;
    for month in ["2023-13", "november", "2999-01", ".csv"] {
        let (status, _) = asked(&server, &format!("/api/v1/reports/{month}")).await;
        assert_eq!(status, 404, "{month}");
    }
}

#[test]
fn who_sees_no_line_gets_an_empty_report() {
    let stranger = Who {
        lines: Some(vec!["elsewhere".parse().unwrap()]),
        ..Who::everybody()
    };
    let month = Month::of("2023-11").unwrap();
    let made = report(
        &example::plant(),
        &stranger,
        ("2023-11".to_owned(), month, month.to),
        (&[], &[]),
    );
    assert!(made.lines.is_empty() && made.services.is_empty());
}
