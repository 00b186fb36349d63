//! The forwarder against a server that misbehaves on purpose.

use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use flate2::read::GzDecoder;

use super::*;
use crate::commit::example::{Bench, Sender};

const DEADLINE: Duration = Duration::from_secs(60);

/// A database: fails the first requests, refuses every request with poison in it, keeps the rest.
#[derive(Debug, Default)]
struct Server {
    failures_left: AtomicUsize,
    /// The most lines in a request; any number where it is 0.
    most_lines: usize,
    /// What `/ping` says of itself.
    version: &'static str,
    /// Whether the bucket has to be made first, and has been.
    bucket_missing: AtomicBool,
    lines: Mutex<Vec<String>>,
    made: Mutex<Vec<String>>,
}

impl Server {
    async fn start(self) -> (Arc<Self>, String) {
        let server = Arc::new(self);
        let routes = Router::new()
            .route("/ping", get(ping))
            .route("/write", post(write))
            .route("/query", post(query))
            .route("/api/v2/write", post(write))
            .route("/api/v2/orgs", get(orgs))
            .route("/api/v2/buckets", post(bucket))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (server, url)
    }

    fn count(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.starts_with("reading"))
            .count()
    }

    fn make(&self, what: String) {
        self.made.lock().unwrap().push(what);
        self.bucket_missing.store(false, Ordering::SeqCst);
    }
}

async fn ping(
    State(server): State<Arc<Server>>,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    (
        StatusCode::NO_CONTENT,
        [("x-influxdb-version", server.version)],
    )
}

async fn orgs() -> &'static str {
    r#"{"orgs":[{"id":"0123456789abcdef","name":"o"}]}"#
}

async fn bucket(State(server): State<Arc<Server>>, body: String) -> StatusCode {
    server.make(body);
    StatusCode::CREATED
}

async fn query(State(server): State<Arc<Server>>, RawQuery(query): RawQuery) -> &'static str {
    server.make(query.unwrap());
    r#"{"results":[{"statement_id":0}]}"#
}

async fn write(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    let left = server.failures_left.load(Ordering::SeqCst);
    if left > 0 {
        server.failures_left.store(left - 1, Ordering::SeqCst);
        let again = [("retry-after", "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, again).into_response();
    }
    if server.bucket_missing.load(Ordering::SeqCst) {
        let text = r#"{"code":"not found","message":"bucket \"b\" not found"}"#;
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    let mut text = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    if server.most_lines > 0 && text.lines().count() > server.most_lines {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    if text.contains("value=-66.6") {
        return (
            StatusCode::BAD_REQUEST,
            "partial write: field type conflict",
        )
            .into_response();
    }
    server
        .lines
        .lock()
        .unwrap()
        .extend(text.lines().map(str::to_owned));
    StatusCode::NO_CONTENT.into_response()
}

fn settings(url: String) -> InfluxSettings {
    InfluxSettings {
        url,
        org: "o".to_owned(),
        bucket: "b".to_owned(),
        token_file: None,
        batch: 30,
        timeout: InfluxSettings::TIMEOUT,
    }
}

/// Stores `many` samples of two readings each; the tenth has what the server refuses.
fn fill(bench: &mut Bench, many: i64) {
    let mut west = Sender::new("west");
    let wires: Vec<_> = (0..many)
        .map(|n| west.sample(n, Some(if n == 10 { -66.6 } else { -3.0 })))
        .collect();
    bench.take(1000, &wires);
}

/// Says which TLS is meant, as the program does at its start; another test may have said so.
fn provided() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A forwarder at work, and what it reports.
struct Work {
    reported: mpsc::Receiver<Report>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    refused: Vec<(String, String)>,
}

impl Work {
    fn start(bench: &Bench, url: String) -> Self {
        provided();
        let (reports, reported) = mpsc::channel(16);
        let (wake, metrics) = (Arc::new(Notify::new()), Arc::new(Metrics::new()));
        let reader = bench.reader();
        let forward = Forward::new(settings(url), reader, reports, wake, metrics.clone()).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(forward.run(stop.clone()));
        Self {
            reported,
            metrics,
            stop,
            task,
            refused: Vec::new(),
        }
    }

    /// Waits until a cursor has passed a number.
    async fn passed(&mut self, wanted: &'static str, last: RowId) {
        let all = async {
            while let Some(report) = self.reported.recv().await {
                match report {
                    Report::Refused { line, why } => self.refused.push((line, why)),
                    Report::Passed { cursor, id } if cursor == wanted && id >= last => break,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(DEADLINE, all).await.unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn last_sample(bench: &Bench) -> RowId {
    bench
        .reader()
        .ask(|ask| ask.newest_sample())
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_but_the_line_that_is_refused_which_is_kept() {
    let mut bench = Bench::new();
    fill(&mut bench, 100);
    let failures_left = 2.into();
    let server = Server {
        failures_left,
        ..Server::default()
    };
    let (server, url) = server.start().await;
    let mut work = Work::start(&bench, url);
    let began = tokio::time::Instant::now();
    work.passed(SAMPLES, last_sample(&bench)).await;
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "the server asked twice for a second"
    );
    assert_eq!(server.count(), 2 * 100 - 1);
    let text = work.metrics.encode();
    assert!(text.contains("forward_failed_total 2"), "{text}");
    assert!(
        text.contains("forward_dropped_total{kind=\"refused_lines\"} 1"),
        "{text}"
    );
    assert_eq!(work.refused.len(), 1);
    let (line, why) = work.refused[0].clone();
    assert!(
        line.contains("value=-66.6") && why.contains("conflict"),
        "{line} {why}"
    );
    work.end().await;

    let reports = vec![Report::Refused { line, why }];
    let refused = crate::commit::core::Work {
        reports,
        ..Default::default()
    };
    bench.step(2000, refused);
    let kept = bench.reader().ask(|ask| ask.quarantine(9)).unwrap();
    assert_eq!(kept[0].kind, "database");
    assert!(String::from_utf8_lossy(&kept[0].payload).contains("-66.6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_is_where_it_goes_on() {
    let mut bench = Bench::new();
    fill(&mut bench, 50);
    let rows = bench
        .reader()
        .ask(|ask| ask.samples_after(RowId(0), 999))
        .unwrap();
    let id = rows[39].id;
    let passed = crate::commit::core::Work {
        reports: vec![Report::Passed {
            cursor: SAMPLES,
            id,
        }],
        ..Default::default()
    };
    bench.step(2000, passed);
    let (server, url) = Server::default().start().await;
    let mut work = Work::start(&bench, url);
    work.passed(SAMPLES, rows[49].id).await;
    assert_eq!(server.count(), 2 * 10);
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_goes_in_smaller_pieces() {
    let mut bench = Bench::new();
    fill(&mut bench, 9);
    let server = Server {
        most_lines: 7,
        ..Server::default()
    };
    let (server, url) = server.start().await;
    let mut work = Work::start(&bench, url);
    work.passed(SAMPLES, last_sample(&bench)).await;
    assert_eq!(server.count(), 2 * 9);
    assert!(work.refused.is_empty());
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_missing_is_made_in_either_dialect() {
    for (version, want) in [
        ("v2.7.1", "\"name\":\"b\""),
        ("1.6.7", "q=CREATE+DATABASE+%22b%22"),
    ] {
        let mut bench = Bench::new();
        fill(&mut bench, 3);
        let server = Server {
            version,
            bucket_missing: true.into(),
            ..Server::default()
        };
        let (server, url) = server.start().await;
        let mut work = Work::start(&bench, url);
        work.passed(SAMPLES, last_sample(&bench)).await;
        assert_eq!(server.count(), 2 * 3);
        let made = server.made.lock().unwrap().join("\n");
        assert!(made.contains(want), "{version}: {made}");
        work.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_and_anomalies_go_with_every_change() {
    let mut bench = Bench::new();
    let (mut west, mut middle) = (Sender::new("west"), Sender::new("middle"));
    bench.take(0, &[west.about(), middle.about()]);
    for second in 1..20 {
        let ms = second * 1000;
        let light = (second < 10).then_some(-12.0);
        bench.take(
            ms + 5,
            &[west.sample(ms, Some(-3.0)), middle.sample(ms + 1, light)],
        );
    }
    let (server, url) = Server::default().start().await;
    let mut work = Work::start(&bench, url);
    let last = bench.reader().ask(|ask| {
        let anomalies = ask.anomalies_after(RowId(0), 99)?;
        Ok(anomalies.last().map(|row| row.revision))
    });
    work.passed(ANOMALIES, last.unwrap().unwrap()).await;
    let lines = server.lines.lock().unwrap().clone();
    let has = |start: &str, part: &str| {
        lines
            .iter()
            .any(|line| line.starts_with(start) && line.contains(part))
    };
    assert!(
        has(
            "anomaly,line=west-east,device=middle.edfa-1,point=in_power.1,kind=dark ",
            "active=1i"
        ),
        "{lines:?}"
    );
    assert!(has("incident,line=west-east,", "active=1i"), "{lines:?}");
    work.end().await;
}

#[test]
fn halving_ends_at_single_lines() {
    assert_eq!(halves("a\nb\nc\n"), Some(("a\n", "b\nc\n")));
    assert_eq!(halves("a\nb\n"), Some(("a\n", "b\n")));
    assert_eq!(halves("a\n"), None);
    assert_eq!(halves(""), None);
}

mod real;
