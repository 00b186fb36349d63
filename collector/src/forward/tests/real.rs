//! The forwarder against a real InfluxDB 1.6 on a loopback port.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

const INFLUXD: &str = "/usr/bin/influxd";

/// A server that is stopped with the test, however that ends.
struct Influx {
    child: Child,
    url: String,
}

impl Drop for Influx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Influx {
    fn start(folder: &Path) -> Self {
        let ports = [(); 2].map(|()| {
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            taken.local_addr().unwrap().port()
        });
        let config = folder.join("influxdb.conf");
        let text = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n[meta]\ndir = \"{meta}\"\n\
             [data]\ndir = \"{data}\"\nwal-dir = \"{wal}\"\n[http]\nbind-address = \"127.0.0.1:{}\"\n\
             log-enabled = false\n[monitor]\nstore-enabled = false\n",
            ports[0],
            ports[1],
            meta = folder.join("meta").display(),
            data = folder.join("data").display(),
            wal = folder.join("wal").display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(INFLUXD);
        command.arg("-config").arg(&config);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            child: command.spawn().unwrap(),
            url: format!("http://127.0.0.1:{}", ports[1]),
        }
    }

    /// What the server answers to a question in its own language, once it is up.
    async fn ask(&self, question: &str) -> serde_json::Value {
        let ask = async {
            loop {
                let url = format!("{}/query", self.url);
                let query = [("db", "b"), ("q", question), ("epoch", "ns")];
                let answer = reqwest::Client::new().get(url).query(&query).send().await;
                if let Ok(answer) = answer {
                    return answer.json().await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ask).await.unwrap()
    }

    /// The one number that answers a question.
    async fn number(&self, question: &str) -> Option<i64> {
        let answer = self.ask(question).await;
        answer["results"][0]["series"][0]["values"][0][1].as_i64()
    }

    async fn write(&self, line: &str) {
        let url = format!("{}/write?db=b", self.url);
        let answer = reqwest::Client::new()
            .post(url)
            .body(line.to_owned())
            .send();
        assert!(answer.await.unwrap().status().is_success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_1_gets_a_database_every_reading_and_keeps_back_only_the_bad_line() {
    if !Path::new(INFLUXD).exists() {
        println!("skipped: {INFLUXD} is not installed");
        return;
    }
    provided();
    let folder = tempfile::tempdir().unwrap();
    let influx = Influx::start(folder.path());
    influx.ask("SHOW DATABASES").await;
    let mut bench = Bench::new();
    fill(&mut bench, 60);
    let mut work = Work::start(&bench, influx.url.clone());
    work.passed(SAMPLES, last_sample(&bench)).await;
    assert!(work.refused.is_empty(), "{:?}", work.refused);
    let count = "SELECT count(value) FROM reading";
    assert_eq!(influx.number(count).await, Some(2 * 60));
    let where_from = "SELECT count(value) FROM reading WHERE line = 'west-east' AND site = 'west' \
                      AND device = 'edfa-1' AND point = 'in_power.1'";
    assert_eq!(influx.number(where_from).await, Some(60));
    work.end().await;

    // Somebody has written text where our numbers go: one series refuses its values for that.
    influx.ask("DROP MEASUREMENT reading").await;
    let at = 1_800_000_000_005_000_000_i64;
    influx
        .write(&format!(
            "reading,line=x,site=x,device=x,point=x value=\"text\" {at}"
        ))
        .await;
    let mut work = Work::start(&bench, influx.url.clone());
    work.passed(SAMPLES, last_sample(&bench)).await;
    let refused = work.refused.len();
    let (_, why) = work
        .refused
        .first()
        .expect("values of another type")
        .clone();
    assert!(why.contains("field type conflict"), "{why}");
    assert_eq!(refused, 2 * 60, "each named, none lost silently");
    work.end().await;
}
