//! Reads the collector's API as a person would, and notes when it said what.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use silkline_protocol::id::LineId;
use silkline_protocol::unit::RouteLength;

use super::verdict::{Place, Verdict};
use crate::hardware::Hardware;

/// How long an incident with a place may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long it is watched after that, to see that it stays one incident.
const AFTERMATH: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Somebody who reads the API.
pub(super) struct Witness {
    client: reqwest::Client,
    at: SocketAddr,
}

impl Witness {
    pub(super) fn of(at: SocketAddr) -> anyhow::Result<Self> {
        // The client wants a TLS provider even for plain HTTP; somebody else may have set one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .no_proxy()
            .build()?;
        Ok(Self { client, at })
    }

    /// The dashboard's address.
    pub(super) fn page(&self) -> String {
        format!("http://{}/", self.at)
    }

    /// How many devices have fresh readings.
    pub(super) async fn fresh_devices(&self) -> anyhow::Result<usize> {
        let devices = self.items("devices").await?;
        Ok(devices
            .iter()
            .filter(|device| text(device, "/state") == Some("fresh"))
            .count())
    }

    /// Watches what becomes of the cut of `line` at `truth`.
    pub(super) async fn verdict(
        &self,
        hardware: &Hardware,
        line: &LineId,
        truth: RouteLength,
    ) -> anyhow::Result<Verdict> {
        let cut = hardware.now();
        let mut seen = Seen::default();
        let mut until = cut + PATIENCE;
        while hardware.now() < until {
            let open = self.items("incidents?state=open").await?;
            let now = hardware.now();
            seen.look(&open, line, now.saturating_sub(cut));
            if let (None, Some(_)) = (seen.placed, place(seen.incident.as_ref(), true)) {
                let shot = first_shot_after(hardware, cut);
                let shot = shot.context("a place came before any shot ended")?;
                seen.placed = Some(now.saturating_sub(shot));
                until = now + AFTERMATH;
            }
            tokio::time::sleep(LOOK).await;
        }
        let incident = seen.incident.as_ref();
        let headline = incident.and_then(|incident| text(incident, "/headline"));
        Ok(Verdict {
            truth,
            headline: headline.unwrap_or("no incident was opened").to_owned(),
            open: seen.open,
            span_after: seen.span,
            place_after: seen.placed,
            place: place(incident, false),
        })
    }

    async fn items(&self, resource: &str) -> anyhow::Result<Vec<Value>> {
        let url = format!("http://{}/api/v1/{resource}", self.at);
        let answer = self.client.get(&url).send().await?.error_for_status()?;
        let mut page: Value = answer.json().await?;
        let items = page.get_mut("items").map(Value::take);
        match items {
            Some(Value::Array(items)) => Ok(items),
            _ => anyhow::bail!("{url} is no list"),
        }
    }
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// The incident on the line that was cut, as it was last.
    incident: Option<Value>,
    /// The most incidents that were open at a time.
    open: usize,
    /// When the span was told, after the cut.
    span: Option<Duration>,
    /// When the place was told, after the first shot's end.
    placed: Option<Duration>,
}

impl Seen {
    fn look(&mut self, open: &[Value], line: &LineId, since: Duration) {
        let lines = |incident: &Value| incident.get("lines").and_then(Value::as_array).cloned();
        let mine = |incident: &&Value| {
            lines(incident).is_some_and(|lines| lines.iter().any(|one| one == line.as_str()))
        };
        let found = open.iter().find(mine);
        self.open = self.open.max(open.len());
        let spanned = found
            .and_then(|incident| text(incident, "/place/span"))
            .is_some();
        if spanned && self.span.is_none() {
            self.span = Some(since);
        }
        if let Some(found) = found {
            self.incident = Some(found.clone());
        }
    }
}

/// The place of an incident, where it has one; `by_trace`, only where a trace speaks for it.
fn place(incident: Option<&Value>, by_trace: bool) -> Option<Place> {
    let place = incident?.get("place")?;
    let traced = place
        .get("sources")
        .and_then(Value::as_array)
        .is_some_and(|sources| {
            sources
                .iter()
                .any(|source| text(source, "/kind") == Some("otdr"))
        });
    if by_trace && !traced {
        return None;
    }
    let metres = |at: &str| {
        place
            .pointer(at)
            .and_then(Value::as_f64)
            .map(RouteLength::of)
    };
    Some(Place {
        span: text(place, "/span")?.to_owned(),
        at: metres("/chainage_m")?,
        from: metres("/interval95_m/0")?,
        to: metres("/interval95_m/1")?,
    })
}

fn text<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    value.pointer(at).and_then(Value::as_str)
}

fn first_shot_after(hardware: &Hardware, cut: Duration) -> Option<Duration> {
    let dropped = hardware.dropped();
    let files = dropped.borrow();
    files.iter().map(|file| file.at).find(|at| *at > cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn incident(kind: &str) -> Value {
        json!({"lines": ["baku-poti"], "headline": "cut", "place": {
            "span": "ganja..tovuz", "chainage_m": 400_010.0, "interval95_m": [399_990.0, 400_030.0],
            "sources": [{"kind": kind}]}})
    }

    #[test]
    fn a_place_counts_as_located_once_a_trace_speaks_for_it() {
        let (light, trace) = (incident("light_lost"), incident("otdr"));
        assert_eq!(place(Some(&light), true), None);
        let found = place(Some(&trace), true).unwrap();
        assert_eq!(
            (found.span.as_str(), found.at.get()),
            ("ganja..tovuz", 400_010.0)
        );
        assert_eq!(place(None, false), None);
    }

    #[test]
    fn the_first_time_that_a_span_is_told_counts() {
        let line = "baku-poti".parse().unwrap();
        let mut seen = Seen::default();
        seen.look(&[], &line, Duration::from_secs(1));
        seen.look(&[incident("otdr")], &line, Duration::from_secs(2));
        seen.look(
            &[incident("otdr"), json!({})],
            &line,
            Duration::from_secs(3),
        );
        assert_eq!((seen.span, seen.open), (Some(Duration::from_secs(2)), 2));
    }
}
