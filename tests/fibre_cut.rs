//! A fibre is cut somewhere on the corridor, at a place that nobody tells the collector.
//!
//! Fifteen agents see it through Modbus, SNMP and SOR files alone. It becomes one incident with its
//! place on the route and the true place inside the interval: in the store, through the API, in a
//! mailbox and on the page. The shot that located it was asked for at the edge. When the fibre is
//! mended the incident clears by itself.

use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::ground::{Program, free_port, program, project, wait};

struct Demo {
    running: Program,
    port: u16,
    control: String,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let (port, control) = (free_port(), format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(program("silkline-sim"));
        command.args(["--seed", "7", "--control", &control, "demo", "--fast"]);
        command.env("DEMO_PORT", port.to_string());
        Self {
            running: Program::start("demo", folder, &mut command),
            port,
            control,
        }
    }

    /// The line that the demo has printed and that begins with `label`.
    async fn line(&self, label: &str) -> String {
        wait(&format!("the demo to say {label:?}"), async || {
            let said = self.running.said();
            said.lines()
                .find(|line| line.trim_start().starts_with(label))
                .map(str::to_owned)
        })
        .await
    }

    async fn json(&self, path: &str) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
        answer.json().await.ok()
    }

    async fn open(&self) -> Option<Vec<Value>> {
        self.json("incidents?state=open").await?["items"]
            .as_array()
            .cloned()
    }
}

/// Looks at the page in a real browser; says so where there is none.
fn the_page_shows_it(port: u16, folder: &Path) {
    let picture = folder.join("overview.png");
    let seen = Command::new("node")
        .arg(project().join("collector/web/test/overview.mjs"))
        .arg(format!("http://127.0.0.1:{port}/"))
        .arg(&picture)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&seen.stdout) + String::from_utf8_lossy(&seen.stderr);
    match seen.status.code() {
        Some(0) => assert!(picture.exists(), "{said}"),
        Some(77) => println!("skipped: no chromium to look at the page"),
        code => panic!("the page is not right ({code:?}): {said}"),
    }
}

/// A mail in `folder` that says where to drive.
fn located(folder: &Path) -> Option<String> {
    let mails = std::fs::read_dir(folder).ok()?.flatten();
    let text = |path| {
        std::fs::read_to_string(path)
            .ok()
            .map(|mail| mail.replace("\r", "").replace("=\n", ""))
    };
    let mut texts = mails.filter_map(|mail| text(mail.path()));
    texts.find(|mail| mail.contains("Subject: ") && mail.contains("geo:"))
}

/// The traces of the incident's span that were asked for when light was lost, each a readable file.
fn shots_for_lost_light(store: &Path) -> usize {
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let query = "SELECT sor FROM trace WHERE \"trigger\" = 'light_lost'";
    let mut statement = store.prepare(query).unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap();
    let traces = rows.map(|row| silkline_sor::read(&row.unwrap()).unwrap());
    traces.filter(|trace| !trace.curve.raw.is_empty()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_becomes_one_incident_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let demo = Demo::start(folder.path());
    let started = demo.line("[2/5]").await;
    let truth = demo.line("truth").await;
    println!("{}", demo.running.said());
    assert!(truth.contains("inside"), "{truth}");

    let open = demo.open().await.unwrap();
    assert_eq!(open.len(), 1, "one incident of one cause: {open:#?}");
    let incident = &open[0];
    assert_eq!(incident["kind"], "break");
    let place = &incident["place"];
    assert_eq!(place["where"], "span");
    let edge = |at: usize| place["interval95_m"][at].as_f64().unwrap();
    assert!(edge(1) - edge(0) <= 100.0, "{place}");
    assert!(
        place["before"]["landmark"].is_string() && place["lat"].is_number(),
        "{place}"
    );
    assert_eq!(
        place["plant"].as_str().unwrap().len(),
        64,
        "which plant it rests on"
    );

    let mail = demo.line("mail").await;
    let first = Path::new(mail.split_whitespace().last().unwrap());
    wait("a mail with coordinates", async || located(first.parent()?)).await;
    let store = started.rsplit_once("store in ").unwrap().1;
    assert!(shots_for_lost_light(&Path::new(store).join("hot.db")) > 0);
    the_page_shows_it(demo.port, folder.path());

    let mut repair = Command::new(program("silkline-sim"));
    assert!(
        repair
            .args(["--control", &demo.control, "repair"])
            .status()
            .unwrap()
            .success()
    );
    wait("the incident to clear", async || {
        demo.open().await?.is_empty().then_some(())
    })
    .await;
    let id = incident["id"].as_str().unwrap();
    let over = demo.json(&format!("incidents/{id}")).await.unwrap();
    assert!(
        ["cleared", "closed"].contains(&over["state"].as_str().unwrap()),
        "{over}"
    );
}
