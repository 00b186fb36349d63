//! The forwarder against a server that misbehaves on purpose.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::*;
use crate::commit::example::{Bench, Sender};

const DEADLINE: Duration = Duration::from_secs(60);

/// A database: fails the first requests, refuses every request with poison in it, keeps the rest.
#[derive(Debug, Default)]
struct Server {
    failures_left: AtomicUsize,
    lines: Mutex<Vec<String>>,
}

impl Server {
    async fn start(failures: usize) -> (Arc<Self>, String) {
        let server = Arc::new(Self {
            failures_left: failures.into(),
            ..Self::default()
        });
        let routes = Router::new()
            .route("/api/v2/write", post(write))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (server, url)
    }

    fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }
}

async fn write(State(server): State<Arc<Server>>, body: String) -> StatusCode {
    let left = server.failures_left.load(Ordering::SeqCst);
    if left > 0 {
        server.failures_left.store(left - 1, Ordering::SeqCst);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if body.contains("value=-66.6") {
        return StatusCode::BAD_REQUEST;
    }
    server
        .lines
        .lock()
        .unwrap()
        .extend(body.lines().map(str::to_owned));
    StatusCode::NO_CONTENT
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

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_but_the_line_that_is_refused() {
    let mut bench = Bench::new();
    fill(&mut bench, 100);
    let (server, url) = Server::start(2).await;
    let (reports, mut reported) = mpsc::channel(16);
    let metrics = Arc::new(Metrics::new());
    let wake = Arc::new(Notify::new());
    let of = (bench.reader(), metrics.clone());
    let forward = Forward::new(settings(url), of.0, reports, wake, of.1).unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(forward.run(stop.clone()));
    let last = bench
        .reader()
        .ask(|ask| Ok(ask.samples_after(RowId(0), 999)?.last().unwrap().id));
    let last = last.unwrap();
    let all = async {
        while let Some(report) = reported.recv().await {
            if report
                == (Report::Passed {
                    cursor: SAMPLES,
                    id: last,
                })
            {
                break;
            }
        }
    };
    tokio::time::timeout(DEADLINE, all).await.unwrap();
    assert_eq!(server.count(), 2 * 100 - 1);
    let text = metrics.encode();
    assert!(text.contains("forward_failed_total 2"), "{text}");
    assert!(
        text.contains("forward_dropped_total{kind=\"refused_lines\"} 1"),
        "{text}"
    );
    stop.cancel();
    task.await.unwrap();
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
    let work = crate::commit::core::Work {
        reports: vec![Report::Passed {
            cursor: SAMPLES,
            id,
        }],
        ..Default::default()
    };
    bench.step(2000, work);
    let (server, url) = Server::start(0).await;
    let (reports, mut reported) = mpsc::channel(16);
    let (wake, metrics) = (Arc::new(Notify::new()), Arc::new(Metrics::new()));
    let forward = Forward::new(settings(url), bench.reader(), reports, wake, metrics).unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(forward.run(stop.clone()));
    let first = tokio::time::timeout(DEADLINE, reported.recv())
        .await
        .unwrap();
    assert_eq!(
        first,
        Some(Report::Passed {
            cursor: SAMPLES,
            id: rows[49].id
        })
    );
    assert_eq!(server.count(), 2 * 10);
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn halving_ends_at_single_lines() {
    assert_eq!(halves("a\nb\nc\n"), Some(("a\n", "b\nc\n")));
    assert_eq!(halves("a\nb\n"), Some(("a\n", "b\n")));
    assert_eq!(halves("a\n"), None);
    assert_eq!(halves(""), None);
}

#[test]
fn only_a_bad_request_is_cut_in_pieces() {
    for (status, want) in [
        (200, Answer::Taken),
        (400, Answer::Refused(String::new())),
        (401, Answer::Later(String::new())),
        (413, Answer::Refused(String::new())),
        (429, Answer::Later(String::new())),
        (503, Answer::Later(String::new())),
    ] {
        assert_eq!(judge(status, String::new()), want, "{status}");
    }
}
