//! A small network of our own programs: one line between two stations, agents, a collector.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use super::{Program, answer, free_port, program, wait};

/// A plant of one line of 80 km with an amplifier and an OTDR at its A end.
const PLANT: &str = r#"
[[site]]
id = "west"
lat = 40.41
lon = 49.87
[[site]]
id = "east"
lat = 40.68
lon = 49.00
[[line]]
id = "west-east"
kind = "terrestrial"
a = "west"
b = "east"
[[line.node]]
id = "west"
kind = "terminal"
chainage_m = 0
site = "west"
[[line.node]]
id = "east"
kind = "terminal"
chainage_m = 80000
site = "east"
[[line.view]]
id = "west-b"
fibre = "f1"
node = "west"
toward = "B"
device = "otdr-1"
port = 1
"#;

/// Where a network keeps its files, and which ports it uses.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) folder: TempDir,
    pub(crate) broker: u16,
    pub(crate) api: u16,
}

/// One record's stream and number.
pub(crate) type Number = (Vec<u8>, i64);

impl Network {
    /// A network whose broker is on `broker`; nothing runs yet.
    pub(crate) fn new(broker: u16) -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let folder = tempfile::Builder::new()
            .prefix("silkline-story-")
            .tempdir()
            .unwrap();
        std::fs::write(folder.path().join("plant.toml"), PLANT).unwrap();
        Self {
            folder,
            broker,
            api: free_port(),
        }
    }

    /// A network with the broker inside the collector.
    pub(crate) fn embedded() -> Self {
        Self::new(free_port())
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the collector with a broker of its own.
    pub(crate) async fn collector_with_broker(&self, extra: &str) -> Program {
        self.collector(&format!("listen = \"127.0.0.1:{}\"", self.broker), extra)
            .await
    }

    /// Starts the collector against the broker outside.
    pub(crate) async fn collector_at_broker(&self, extra: &str) -> Program {
        self.collector(
            &format!("url = \"mqtt://127.0.0.1:{}\"", self.broker),
            extra,
        )
        .await
    }

    /// Starts the collector with these lines in its section `[broker]`.
    pub(crate) async fn collector_over(&self, broker: &str) -> Program {
        self.collector(broker, "").await
    }

    async fn collector(&self, broker: &str, extra: &str) -> Program {
        let text = format!(
            "plant = \"plant.toml\"\ndata = \"collector\"\n[api]\nlisten = \"127.0.0.1:{0}\"\n\
             public_url = \"http://127.0.0.1:{0}\"\n[broker]\n{broker}\n{extra}\n",
            self.api
        );
        let settings = self.folder().join("collector.toml");
        std::fs::write(&settings, text).unwrap();
        let mut command = Command::new(program("silkline-collector"));
        command.arg("--config").arg(&settings).arg("run");
        let mut running = Program::start("collector", self.folder(), &mut command);
        wait("the collector to be ready", async || {
            assert!(running.runs(), "the collector ended: {}", running.said());
            self.get("/readyz").await.map(drop)
        })
        .await;
        running
    }

    /// Starts the agent of `site` with these devices.
    pub(crate) fn agent(&self, site: &str, devices: &str) -> Program {
        self.agent_by(&program("silkline-agent"), site, devices)
    }

    /// Starts `binary` as the agent of `site`.
    pub(crate) fn agent_by(&self, binary: &Path, site: &str, devices: &str) -> Program {
        let uplink = format!("[[uplink]]\nurl = \"mqtt://127.0.0.1:{}\"\n", self.broker);
        self.agent_over(binary, site, &uplink, devices)
    }

    /// Starts `binary` as the agent of `site` with an uplink of its own.
    pub(crate) fn agent_over(
        &self,
        binary: &Path,
        site: &str,
        uplink: &str,
        devices: &str,
    ) -> Program {
        let data = self.agent_data(site);
        let data = data.display();
        let text = format!(
            "site = \"{site}\"\ndata = \"{data}\"\nlines = [\"west-east\"]\nretry_cap = \"2s\"\n{uplink}\n{devices}\n"
        );
        let settings = self.folder().join(format!("{site}.toml"));
        std::fs::write(&settings, text).unwrap();
        let mut command = Command::new(binary);
        command.arg("--config").arg(&settings).arg("run");
        Program::start(&format!("agent-{site}"), self.folder(), &mut command)
    }

    /// Where the agent of `site` keeps its spool.
    pub(crate) fn agent_data(&self, site: &str) -> PathBuf {
        self.folder().join(format!("agent-{site}"))
    }

    /// The text at `path` of the API; `None` while it does not answer with success.
    pub(crate) async fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.api);
        let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
        answer.text().await.ok()
    }

    /// The JSON at `path` of the API.
    pub(crate) async fn json(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&self.get(path).await?).ok()
    }

    /// The JSON that `path` of the API answers to `body`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.api);
        let post = reqwest::Client::new().post(url).json(body);
        post.send().await.unwrap().json().await.unwrap()
    }

    /// The hot store, to be looked into while the collector writes.
    pub(crate) fn hot_store(&self) -> Connection {
        open(&file_in(&self.folder().join("collector")))
    }

    /// How many samples are in the hot store.
    pub(crate) fn stored_samples(&self) -> i64 {
        count(&self.hot_store(), "SELECT count(*) FROM sample")
    }

    /// Waits until at least `more` samples have been stored beyond those that are there now.
    pub(crate) async fn samples(&self, more: i64) {
        let before = self.stored_samples();
        let what = format!("{more} more samples in the store");
        wait(&what, async || {
            (self.stored_samples() >= before + more).then_some(())
        })
        .await;
    }

    /// Every sample that the agent of `site` has spooled and still keeps.
    pub(crate) fn spooled(&self, site: &str) -> BTreeSet<Number> {
        let spool = open(&file_in(&self.agent_data(site)));
        let query = "SELECT s.epoch, r.key & 0xffffffffff FROM record r \
                     JOIN stream s ON s.id = r.key >> 40 WHERE r.class = 3";
        let mut found = numbers(&spool, query);
        // Samples that have waited long lie in blocks.
        let blocks = "SELECT s.epoch, b.first & 0xffffffffff, b.key & 0xffffffffff FROM block b \
                      JOIN stream s ON s.id = b.key >> 40";
        let mut blocks = spool.prepare(blocks).unwrap();
        let blocks = blocks.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        for (epoch, first, last) in blocks.unwrap().map(Result::unwrap) {
            let epoch: Vec<u8> = epoch;
            let (first, last): (i64, i64) = (first, last);
            found.extend((first..=last).map(|seq| (epoch.clone(), seq)));
        }
        found
    }

    /// Waits until everything spooled by `sites` is stored, then holds the two against each other:
    /// each spooled sample once, none twice, none that nobody spooled.
    pub(crate) async fn everything_is_stored_once(&self, sites: &[&str]) {
        let spooled: BTreeSet<Number> = sites.iter().flat_map(|site| self.spooled(site)).collect();
        assert!(!spooled.is_empty(), "nothing was spooled");
        let query = "SELECT s.epoch, r.seq FROM sample r JOIN stream s ON s.id = r.stream";
        let missing = || {
            spooled
                .difference(&numbers(&self.hot_store(), query))
                .count()
        };
        if answer(super::SOON, async || (missing() == 0).then_some(()))
            .await
            .is_none()
        {
            panic!(
                "{} of {} spooled samples are not in the store",
                missing(),
                spooled.len()
            );
        }
        let store = self.hot_store();
        let twice =
            "SELECT count(*) FROM (SELECT 1 FROM sample GROUP BY stream, seq HAVING count(*) > 1)";
        assert_eq!(count(&store, twice), 0, "numbers stored twice");
        let same =
            "SELECT count(*) FROM (SELECT 1 FROM sample GROUP BY device, at HAVING count(*) > 1)";
        assert_eq!(
            count(&store, same),
            0,
            "samples stored twice under different numbers"
        );
        println!(
            "{} samples spooled, every one of them stored once",
            spooled.len()
        );
    }
}

/// The one database in `folder`.
fn file_in(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = entries.map(|entry| entry.path()).filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "db" || extension == "sqlite")
    });
    files
        .next()
        .unwrap_or_else(|| panic!("no database in {}", folder.display()))
}

fn open(path: &Path) -> Connection {
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(super::SOON).unwrap();
    store
}

/// The number that `query` gives.
pub(crate) fn count(store: &Connection, query: &str) -> i64 {
    store.query_row(query, [], |row| row.get(0)).unwrap()
}

fn numbers(store: &Connection, query: &str) -> BTreeSet<Number> {
    let mut statement = store.prepare(query).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// The settings of an amplifier by the map of `silkline-edfa`.
pub(crate) fn amplifier(id: &str, port: u16, poll: &str) -> String {
    format!(
        "[[device]]\nid = \"{id}\"\nprofile = \"silkline-edfa\"\naddress = \"127.0.0.1:{port}\"\n\
         poll = \"{poll}\"\ntimeout = \"500ms\"\n"
    )
}
