//! The API as its clients meet it: a real server, a real store, requests over a socket.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use silkline_analysis::incident::State;
use silkline_protocol::time::Timestamp;

use super::example::{self, Running};
use crate::engine::Action;

mod chart;
mod commands;
mod examples;
mod people;
mod permits;
use crate::state::{ActionResult, LiveEvent};

/// Long enough for a busy machine; nothing waits this long when all is well.
const DEADLINE: Duration = Duration::from_secs(20);

async fn get(server: &Running, path: &str) -> Response {
    Client::new().get(server.url(path)).send().await.unwrap()
}

async fn json_of(server: &Running, path: &str) -> Value {
    let response = get(server, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

async fn problem_of(response: Response, status: u16) -> String {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn lines_show_what_the_plant_file_says_and_how_things_are() {
    let mut server = Running::start().await;
    let quiet = json_of(&server, "/api/v1/lines").await;
    assert_eq!(quiet["items"][0]["state"], "no_data");
    server.store_device(crate::clock::now());
    assert_eq!(
        json_of(&server, "/api/v1/lines").await["items"][0]["state"],
        "well"
    );
    server.store_incident(&example::incident("i-1", State::Open));
    let line = json_of(&server, "/api/v1/lines/dsw").await;
    assert_eq!(
        (&line["state"], &line["incidents"]),
        (&json!("critical"), &json!(["i-1"]))
    );
    assert_eq!(line["spans"][0]["id"], "ganja..dallar");
    assert_eq!(
        [&line["spans"][0]["state"], &line["spans"][1]["state"]],
        ["critical", "well"]
    );
    assert_eq!(line["nodes"][0]["name"], "Ganja");
    let mut nowhere = example::incident("i-2", State::Open);
    nowhere.place = silkline_analysis::place::Place::unknown("dsw".parse().unwrap(), "test");
    server.store_incident(&nowhere);
    let line = json_of(&server, "/api/v1/lines/dsw").await;
    assert_eq!(line["spans"][1]["state"], "critical", "it may be anywhere");
    assert_eq!(line["landmarks"][0]["name"], "closure 7");
    assert_eq!(
        (line["devices"].as_u64(), line["silent"].as_u64()),
        (Some(2), Some(1))
    );
}

#[tokio::test]
async fn geojson_puts_longitude_first() {
    let server = Running::start().await;
    let response = get(&server, "/api/v1/lines/dsw/plant.geojson").await;
    assert_eq!(response.headers()["content-type"], "application/geo+json");
    let map: Value = response.json().await.unwrap();
    let first = &map["features"][0]["geometry"]["coordinates"][0];
    assert!((first[0].as_f64().unwrap() - 46.36).abs() < 1e-3, "{first}");
    let whats: Vec<_> = map["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["properties"]["what"].clone())
        .collect();
    assert_eq!(whats, ["line", "node", "node", "node", "landmark"]);
}

#[tokio::test]
async fn a_device_shows_its_newest_readings_with_their_age() {
    let mut server = Running::start().await;
    server.store_device(crate::clock::now());
    let devices = json_of(&server, "/api/v1/devices?line=dsw").await;
    assert_eq!(devices["items"].as_array().unwrap().len(), 2);
    let device = json_of(&server, "/api/v1/devices/ganja.edfa-1").await;
    assert_eq!(device["state"], "fresh");
    let reading = &device["readings"][0];
    assert_eq!(
        (&reading["value"], &reading["unit"]),
        (&json!(-17.2), &json!("dBm"))
    );
    assert!(reading["age_s"].as_f64().is_some_and(|age| age < 60.0));
    assert_eq!(
        json_of(&server, "/api/v1/devices/tovuz.edfa-1").await["state"],
        "never"
    );
    problem_of(get(&server, "/api/v1/devices/nowhere.edfa-1").await, 404).await;
}

#[tokio::test]
async fn a_series_is_readings_or_bins() {
    let mut server = Running::start().await;
    let at = Timestamp::from_seconds(1_700_000_000);
    server.store_device(at);
    let base = "/api/v1/devices/ganja.edfa-1/series?point=in_power.1&from=2023-11-14T22:00:00Z\
        &to=2023-11-14T23:00:00Z";
    let readings = json_of(&server, base).await;
    assert_eq!(readings["items"][0]["value"], json!(-17.2));
    assert_eq!(
        (&readings["unit"], &readings["next"]),
        (&json!("dBm"), &Value::Null)
    );
    let bins = json_of(&server, &format!("{base}&resolution=5min")).await;
    assert_eq!(bins["resolution_s"], json!(300.0));
    assert_eq!(
        (&bins["items"][0]["mean"], &bins["items"][0]["values"]),
        (&json!(-17.2), &json!(1))
    );
    for bad in [
        "from=yesterday",
        "point=In%20Power",
        "resolution=often",
        "colour=red",
    ] {
        let path = format!("/api/v1/devices/ganja.edfa-1/series?point=in_power.1&{bad}");
        problem_of(get(&server, &path).await, 400).await;
    }
    problem_of(
        get(&server, "/api/v1/devices/ganja.edfa-1/series").await,
        400,
    )
    .await;
}

#[tokio::test]
async fn incidents_come_in_pages_and_by_state() {
    let mut server = Running::start().await;
    for (id, state) in [
        ("i-1", State::Closed),
        ("i-2", State::Open),
        ("i-3", State::Suspect),
        ("i-4", State::Repairing),
        ("i-5", State::Cleared),
    ] {
        server.store_incident(&example::incident(id, state));
    }
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let open = json_of(&server, "/api/v1/incidents?state=open").await;
    assert_eq!(ids(&open), ["i-4", "i-2"]);
    assert_eq!(
        ids(&json_of(&server, "/api/v1/incidents?state=closed").await),
        ["i-1"]
    );
    let first = json_of(&server, "/api/v1/incidents?limit=2").await;
    assert_eq!(ids(&first), ["i-5", "i-4"]);
    let next = first["next"].as_str().unwrap();
    let second = json_of(&server, &format!("/api/v1/incidents?limit=2&cursor={next}")).await;
    assert_eq!(ids(&second), ["i-3", "i-2"]);
    assert_eq!(
        ids(&json_of(&server, "/api/v1/incidents?line=other").await),
        Vec::<String>::new()
    );
    let one = json_of(&server, "/api/v1/incidents/i-2").await;
    assert_eq!(one, example::incident_json("i-2", "open"));
}

#[tokio::test]
async fn an_action_is_answered_once_it_is_committed() {
    let mut server = Running::start().await;
    let url = server.url("/api/v1/incidents/i-1/acknowledge");
    let request = Client::new()
        .post(url)
        .json(&json!({ "who": " Aysel ", "text": "on my way" }));
    let asked = tokio::spawn(request.send());
    let note = server.actions.recv().await.unwrap();
    assert_eq!(
        note.action,
        Action::Note {
            text: "on my way".to_owned()
        }
    );
    note.done
        .send(ActionResult::Done(example::incident_json("i-1", "open")))
        .unwrap();
    let taken = server.actions.recv().await.unwrap();
    assert_eq!(
        (taken.who.as_str(), &taken.action),
        ("Aysel", &Action::Acknowledge)
    );
    assert_eq!(taken.incident.as_str(), "i-1");
    let now = example::incident_json("i-1", "acknowledged");
    taken.done.send(ActionResult::Done(now.clone())).unwrap();
    let response = asked.await.unwrap().unwrap();
    assert_eq!(response.json::<Value>().await.unwrap(), now);
}

#[tokio::test]
async fn an_action_that_makes_no_sense_is_a_conflict() {
    let mut server = Running::start().await;
    for (result, status) in [
        (ActionResult::Refused, 409),
        (ActionResult::NoIncident, 404),
    ] {
        let url = server.url("/api/v1/incidents/i-1/close");
        let body = json!({ "who": "crew 4", "found_m": 28_431.0 });
        let asked = tokio::spawn(Client::new().post(url).json(&body).send());
        let action = server.actions.recv().await.unwrap();
        let Action::Close {
            found_m: Some(found),
            ..
        } = action.action
        else {
            panic!("no place")
        };
        assert!((found.get() - 28_431.0).abs() < 1e-9);
        action.done.send(result).unwrap();
        problem_of(asked.await.unwrap().unwrap(), status).await;
    }
}

#[tokio::test]
async fn what_is_still_dark_is_not_closed_without_saying_why() {
    let mut server = Running::start().await;
    server.store_incident(&example::incident("i-01", State::Open));
    for body in [
        json!({ "who": "crew 4" }),
        json!({ "who": "crew 4", "found_m": 28_431.0, "text": " " }),
    ] {
        let url = server.url("/api/v1/incidents/i-01/close");
        let answer = Client::new().post(url).json(&body).send().await.unwrap();
        let detail = problem_of(answer, 409).await;
        assert!(detail.contains("still no light at"), "{detail}");
    }
    assert!(server.actions.try_recv().is_err());
}

#[tokio::test]
async fn a_bad_body_never_reaches_the_commit_task() {
    let mut server = Running::start().await;
    let post = |body: &'static str, kind: &'static str| {
        let request = Client::new().post(server.url("/api/v1/incidents/i-1/note"));
        request.header("content-type", kind).body(body).send()
    };
    let json = "application/json";
    for (body, kind, status) in [
        ("{", json, 400),
        ("{}", json, 400),
        (r#"{"who":""}"#, json, 400),
        (r#"{"who":"a"}"#, json, 400),
        (r#"{"who":"a","text":"b","colour":"red"}"#, json, 422),
        (r#"{"who":"a","text":"b"}"#, "text/plain", 415),
    ] {
        problem_of(post(body, kind).await.unwrap(), status).await;
    }
    assert!(server.actions.try_recv().is_err());
}

#[tokio::test]
async fn a_trace_comes_back_byte_for_byte() {
    let mut server = Running::start().await;
    let id = server.store_device(Timestamp::from_seconds(1_700_000_000));
    let page = json_of(&server, "/api/v1/traces?view=ganja-b&device=ganja.edfa-1").await;
    let trace = &page["items"][0];
    assert_eq!(
        (&trace["id"], &trace["trigger"]),
        (&json!(id), &json!("light_lost"))
    );
    assert_eq!(
        *trace,
        json_of(&server, &format!("/api/v1/traces/{id}")).await
    );
    let file = get(&server, trace["sor"].as_str().unwrap()).await;
    assert_eq!(file.headers()["content-type"], "application/octet-stream");
    assert_eq!(&file.bytes().await.unwrap()[..], example::SOR);
    for bad in ["99", "99.sor", "x", &format!("{id}.docx")] {
        problem_of(get(&server, &format!("/api/v1/traces/{bad}")).await, 404).await;
    }
}

#[tokio::test]
async fn every_wrong_turn_is_a_problem_document() {
    let server = Running::start().await;
    for path in [
        "/api/v1/nothing",
        "/api/v1/lines/none",
        "/api/v1/incidents/none",
        "/nothing.js",
    ] {
        problem_of(get(&server, path).await, 404).await;
    }
    for path in [
        "/api/v1/incidents?limit=0",
        "/api/v1/incidents?state=lost",
        "/api/v1/devices?x=1",
    ] {
        problem_of(get(&server, path).await, 400).await;
    }
    let wrong = Client::new()
        .delete(server.url("/api/v1/lines"))
        .send()
        .await
        .unwrap();
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("GET"));
    problem_of(wrong, 405).await;
    let wrong = Client::new()
        .post(server.url("/index.html"))
        .send()
        .await
        .unwrap();
    problem_of(wrong, 405).await;
    let rebound = Client::new()
        .get(server.url("/api/v1/lines"))
        .header("host", "evil.example");
    problem_of(rebound.send().await.unwrap(), 421).await;
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Running::start().await;
    for path in ["/", "/api/v1/lines", "/healthz", "/metrics", "/nothing"] {
        let response = get(&server, path).await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(
            policy.contains("script-src 'self';") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(response.headers().contains_key("cache-control"), "{path}");
    }
}

#[tokio::test]
async fn the_page_is_there_and_is_not_sent_twice() {
    let server = Running::start().await;
    let page = get(&server, "/").await;
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    let etag = page.headers().get("etag").cloned();
    assert!(page.text().await.unwrap().contains("silkline"));
    // Without `make web` there is a page that says so, and nothing to compare with.
    if let Some(etag) = etag {
        let again = Client::new()
            .get(server.url("/"))
            .header("if-none-match", etag);
        assert_eq!(
            again.send().await.unwrap().status(),
            StatusCode::NOT_MODIFIED
        );
    }
}

#[tokio::test]
async fn ready_is_said_when_it_is_so() {
    let server = Running::start().await;
    assert_eq!(json_of(&server, "/healthz").await["status"], "ok");
    let why = problem_of(get(&server, "/readyz").await, 503).await;
    assert_eq!(why, "no broker yet");
    server.ready.send(Ok(())).unwrap();
    assert_eq!(json_of(&server, "/readyz").await["status"], "ok");
    let metrics = get(&server, "/metrics").await.text().await.unwrap();
    assert!(metrics.contains("silkline_ingest_in_total 0") && metrics.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_description_is_served() {
    let server = Running::start().await;
    let document = json_of(&server, "/api/v1/openapi.json").await;
    assert_eq!(document, super::openapi::description());
}

/// Reads the stream until an event of this name has come whole.
async fn event(stream: &mut Lines, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = tokio::time::timeout(DEADLINE, stream.next_line())
            .await
            .unwrap();
        if !line.is_empty() {
            lines.push(line);
        } else if lines.iter().any(|line| *line == format!("event: {name}")) {
            return lines;
        } else {
            lines.clear();
        }
    }
}

struct Lines {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    held: String,
}

impl Lines {
    async fn open(server: &Running, last: Option<&str>) -> Self {
        let mut request = Client::new().get(server.url("/api/v1/live"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            bytes: response.bytes_stream().boxed(),
            held: String::new(),
        }
    }

    async fn next_line(&mut self) -> String {
        loop {
            if let Some((line, rest)) = self.held.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.held = rest;
                return line;
            }
            let more = self.bytes.next().await.unwrap().unwrap();
            self.held.push_str(core::str::from_utf8(&more).unwrap());
        }
    }
}

#[tokio::test]
async fn the_live_stream_beats_tells_and_resumes() {
    let server = Running::start().await;
    let mut stream = Lines::open(&server, None).await;
    assert!(event(&mut stream, "beat").await[1].contains("\"now\":"));
    let incident = std::sync::Arc::new(example::incident_json("i-1", "open"));
    for _ in 0..2 {
        server
            .live
            .send(LiveEvent::Incident(incident.clone()))
            .unwrap();
    }
    let first = event(&mut stream, "incident").await;
    let data = first
        .iter()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), *incident);
    let second = event(&mut stream, "incident").await;
    let id = first
        .iter()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap();
    let mut again = Lines::open(&server, Some(id)).await;
    assert_eq!(event(&mut again, "incident").await, second);
    let mut long_away = Lines::open(&server, Some("1-1")).await;
    event(&mut long_away, "refetch").await;
}

#[tokio::test]
async fn a_file_is_looked_at_and_forgotten() {
    let server = Running::start().await;
    let url = server.url("/api/v1/traces?view=ganja-b&points=500");
    let post = |body: Vec<u8>| Client::new().post(&url).body(body).send();
    let look: Value = post(example::sor(28_500.0))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(look["levels"]["min_db"].as_array().unwrap().len(), 500);
    assert!(
        look["walk"]
            .as_str()
            .unwrap()
            .ends_with("km on towards dallar"),
        "{}",
        look["walk"]
    );
    assert_eq!(look["place"]["span"], "ganja..dallar");
    assert_eq!(json_of(&server, "/api/v1/traces").await["items"], json!([]));
    problem_of(post(b"no trace".to_vec()).await.unwrap(), 422).await;
    problem_of(post(vec![0; 5 << 20]).await.unwrap(), 413).await;
}

#[tokio::test]
async fn an_incident_can_be_taken_along() {
    let mut server = Running::start().await;
    server.store_incident(&example::incident("i-1", State::Open));
    for (form, kind) in [
        ("txt", "text/plain; charset=utf-8"),
        ("kml", "application/vnd.google-earth.kml+xml"),
        ("geojson", "application/geo+json"),
        ("svg", "image/svg+xml"),
        ("json", "application/json"),
    ] {
        let path = format!("/api/v1/incidents/i-1/alert.{form}");
        let response = get(&server, &path).await;
        assert_eq!(response.headers()["content-type"], kind);
        assert!(!response.text().await.unwrap().is_empty());
    }
    let path = "/api/v1/incidents/i-1/alert.txt?language=";
    let text = async |language| get(&server, &format!("{path}{language}")).await;
    assert_ne!(
        text("az").await.text().await.unwrap(),
        text("en").await.text().await.unwrap()
    );
    problem_of(text("xx").await, 400).await;
    problem_of(get(&server, "/api/v1/incidents/i-1/alert.docx").await, 404).await;
    problem_of(get(&server, "/api/v1/incidents/i-2/alert.txt").await, 404).await;
}
