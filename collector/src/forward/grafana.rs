//! The dashboards of `deploy/grafana` against what the forwarder really writes: each question in
//! InfluxQL is put to a real InfluxDB that holds its lines, each in Flux may name only measurements,
//! fields and tags that its lines have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use silkline_protocol::sample::{BadReading, Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::line::Lines;
use crate::store::rows::{IncidentRow, RowId, SampleRow};

const GRAFANA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/grafana");
const INFLUXD: &str = "/usr/bin/influxd";
/// Long enough for a busy machine; nothing waits this long when all is well.
const DEADLINE: Duration = Duration::from_secs(60);
const START: i64 = 1_700_000_000;

/// Polls of two amplifiers, and incidents on both lines.
fn lines() -> Lines {
    let mut lines = Lines::default();
    for (line, site) in [("baku-poti", "ganja"), ("caspian", "siyazan")] {
        for second in 0..10 {
            let readings = BTreeMap::from([
                ("in_power.1".parse().unwrap(), Reading::Value(-17.25)),
                ("in_power.2".parse().unwrap(), Reading::Dark),
                (
                    "pump_bias.1".parse().unwrap(),
                    Reading::Bad(BadReading::OutOfRange),
                ),
            ]);
            let at = Timestamp::from_seconds(START + second);
            lines.sample(&SampleRow {
                id: RowId(second),
                line: line.parse().unwrap(),
                site: site.parse().unwrap(),
                device: "edfa-1".parse().unwrap(),
                late: false,
                sample: Sample { at, readings },
            });
        }
        for (id, state) in [("i-open", "open"), ("i-over", "closed")] {
            lines.incident(&IncidentRow {
                id: format!("{id}-{line}").parse().unwrap(),
                revision: RowId(1),
                line: line.parse().unwrap(),
                json: json!({ "state": state, "severity": "critical", "kind": "break",
                    "headline": format!("Break on {line}, \"digger\""),
                    "updated": Timestamp::from_seconds(START + 5),
                    "place": { "chainage_m": 28_420.5, "interval95_m": [28_402.0, 28_438.0] } }),
            });
        }
    }
    lines
}

/// Every dashboard in one of the two languages, by its file's name.
fn boards(flux: bool) -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(format!("{GRAFANA}/dashboards")).unwrap();
    let mut boards = Vec::new();
    for file in folder {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with("-flux.json") == flux {
            let text = std::fs::read_to_string(&path).unwrap();
            boards.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    assert_eq!(
        boards.len(),
        2,
        "a dashboard of devices and one of incidents"
    );
    boards
}

/// Every question of a dashboard: of its panels, its variables and its annotations.
fn questions(board: &Value) -> Vec<String> {
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.map(|panel| &panel["targets"][0]["query"]);
    let variables = board["templating"]["list"].as_array().unwrap().iter();
    let notes = board["annotations"]["list"]
        .as_array()
        .into_iter()
        .flatten();
    let notes = notes.map(|note| {
        note.get("query")
            .unwrap_or_else(|| &note["target"]["query"])
    });
    let all = targets.chain(variables.map(|it| &it["query"])).chain(notes);
    all.map(|query| query.as_str().unwrap().to_owned())
        .collect()
}

/// An InfluxDB on loopback, ended with the test.
struct Influx {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Influx {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [http, own] = [free_port(), free_port()];
        let at = |part: &str| folder.path().join(part).display().to_string();
        let settings = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{own}\"\n[meta]\ndir = \"{}\"\n\
             [data]\ndir = \"{}\"\nwal-dir = \"{}\"\n[http]\nbind-address = \"127.0.0.1:{http}\"\n\
             log-enabled = false\n",
            at("meta"),
            at("data"),
            at("wal")
        );
        let file: PathBuf = folder.path().join("influxdb.conf");
        std::fs::write(&file, settings).unwrap();
        let child = Command::new(INFLUXD)
            .args(["-config".as_ref(), file.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            url: format!("http://127.0.0.1:{http}"),
            _folder: folder,
        }
    }

    async fn ask(&self, query: &str) -> reqwest::Result<Value> {
        let url = reqwest::Url::parse_with_params(
            &format!("{}/query", self.url),
            [("db", "silkline"), ("q", query)],
        );
        reqwest::Client::new()
            .post(url.unwrap())
            .send()
            .await?
            .json()
            .await
    }

    async fn fill(&self) {
        let made = async {
            while self.ask("CREATE DATABASE silkline").await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let made = tokio::time::timeout(DEADLINE, made).await;
        made.expect("influxd answers");
        let url = format!("{}/write?db=silkline", self.url);
        let written = reqwest::Client::new().post(url).body(lines().text);
        let written = written.send().await.unwrap();
        assert_eq!(written.status(), 204, "{:?}", written.text().await);
    }
}

impl Drop for Influx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A question as Grafana puts it, with everything chosen.
fn filled_in(query: &str) -> String {
    let chosen = [
        ("$line", "(baku-poti|caspian)"),
        ("$site", "(ganja|siyazan)"),
        ("$device", "(edfa\\-1)"),
        ("$point", "(in_power\\.1|in_power\\.2|pump_bias\\.1)"),
        ("$__interval", "1s"),
    ];
    let (from, to) = (START * 1000, (START + 10) * 1000);
    let time = format!("time >= {from}ms and time < {to}ms");
    let query = query.replace("$timeFilter", &time);
    chosen
        .iter()
        .fold(query, |query, (name, value)| query.replace(name, value))
}

#[tokio::test]
async fn influxdb_answers_every_question_of_the_dashboards() {
    if !Path::new(INFLUXD).exists() {
        println!("skipped: no influxd to ask");
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let influx = Influx::start();
    influx.fill().await;
    for (name, board) in boards(false) {
        for query in questions(&board) {
            let query = filled_in(&query);
            let left = query.replace("$/", "/");
            assert!(!left.contains('$'), "{name}: {query}");
            let answer = influx.ask(&query).await.unwrap();
            let answer = &answer["results"][0];
            assert!(answer.get("error").is_none(), "{name}: {query}: {answer}");
            let values = &answer["series"][0]["values"];
            let rows = values.as_array().map_or(0, Vec::len);
            assert!(rows > 0, "{name}: nothing answers {query}: {answer}");
        }
    }
    let (_, incidents) = boards(false)
        .into_iter()
        .find(|(name, _)| name == "incidents.json")
        .unwrap();
    let open = filled_in(
        incidents["panels"][0]["targets"][0]["query"]
            .as_str()
            .unwrap(),
    );
    let answer = influx.ask(&open).await.unwrap();
    let shown: Vec<_> = answer["results"][0]["series"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(
        shown.len(),
        2,
        "one open on each line, those that are over not: {answer}"
    );
    assert_eq!(shown[0]["values"][0][3], "Break on baku-poti, \"digger\"");
}

/// What the forwarder's lines have: the tags and the fields of each measurement.
fn written() -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines().text.lines() {
        // No name or tag of these has a blank, and texts come last but for numbers.
        let (series, fields) = line.split_once(' ').unwrap();
        let mut tags = series.split(',');
        let known = names.entry(tags.next().unwrap().to_owned()).or_default();
        known.extend(tags.map(|tag| tag.split_once('=').unwrap().0.to_owned()));
        let keys = fields.split(',').filter_map(|field| field.split_once('='));
        known.extend(keys.map(|(key, _)| key.trim().to_owned()));
    }
    names
}

/// The texts that follow `before` in a query, each up to the next sign that is no part of a name.
fn after<'a>(query: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let word = |rest: &'a str| {
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    };
    query.split(before).skip(1).map(word)
}

#[test]
fn flux_names_only_what_the_forwarder_writes() {
    let written = written();
    let mut named = 0;
    for (name, board) in boards(true) {
        for query in questions(&board) {
            let measurements: BTreeSet<_> = after(&query, "r._measurement == \"").collect();
            assert_eq!(measurements.len(), 1, "{name}: {query}");
            let measurement = measurements.first().unwrap();
            let known = written
                .get(*measurement)
                .unwrap_or_else(|| panic!("{name}: {measurement}"));
            let own = ["_measurement", "_field"];
            let columns = after(&query, "r.").filter(|column| !own.contains(column));
            let tags = after(&query, "tag: \"");
            for column in after(&query, "r._field == \"").chain(columns).chain(tags) {
                assert!(
                    known.contains(column),
                    "{name}: {measurement} has no {column}: {query}"
                );
                named += 1;
            }
            assert_eq!(
                after(&query, "bucket: \"").collect::<Vec<_>>()[0],
                "silkline"
            );
        }
    }
    assert!(named > 20, "only {named} names were found");
}
