//! Alerts to a real Alertmanager: one a incident, alight while it lasts, out when it is over.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::*;
use crate::notify::example;
use crate::notify::webhook::Webhook;

/// What an Alertmanager needs at least.
const SETTINGS: &str = "route: { receiver: nobody }\nreceivers: [ { name: nobody } ]\n";

struct Alertmanager {
    _child: Child,
    _folder: tempfile::TempDir,
    address: String,
}

impl Alertmanager {
    /// Nothing where the machine has no such server.
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("alertmanager.yml");
        std::fs::write(&settings, SETTINGS).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let server = Self {
            _child: child,
            _folder: folder,
            address,
        };
        let ready = tokio::time::timeout(DEADLINE, async {
            while !server.asked("-/ready").await.is_some_and(|it| it.0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        ready.await.unwrap();
        Some(server)
    }

    /// Whether it answers well, and what.
    async fn asked(&self, path: &str) -> Option<(bool, String)> {
        let answer = reqwest::get(format!("http://{}/{path}", self.address)).await;
        let answer = answer.ok()?;
        Some((answer.status().is_success(), answer.text().await.ok()?))
    }

    /// The alerts that are alight.
    async fn alight(&self) -> Vec<Value> {
        let (well, text) = self.asked("api/v2/alerts?active=true").await.unwrap();
        assert!(well, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn message(reason: &str, cleared: bool) -> Message {
    let mut row = example::row(reason);
    row.created = clock::now();
    row.json["opened"] = serde_json::json!(row.created);
    if cleared {
        row.json["cleared"] = serde_json::json!(row.created);
    }
    Message::of(&row, Some("https://noc.example"))
}

#[tokio::test]
async fn an_incident_is_one_alert_until_it_is_over() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(server) = Alertmanager::start().await else {
        println!("skipped: no prometheus-alertmanager");
        return;
    };
    let settings = WebhookSettings {
        url: format!("http://{}/api/v2/alerts", server.address),
        format: WebhookFormat::Alertmanager,
        ..webhook("alerts", "127.0.0.1:1".parse().unwrap(), None)
    };
    let channel = Webhook::new(&settings).unwrap();
    for reason in ["opened", "located"] {
        channel.send(&message(reason, false)).await.unwrap();
    }
    let alight = server.alight().await;
    assert_eq!(alight.len(), 1, "one incident is one alert: {alight:?}");
    assert_eq!(alight[0]["labels"]["incident"], "i-1");
    assert_eq!(alight[0]["annotations"]["severity"], "critical");
    channel.send(&message("cleared", true)).await.unwrap();
    let over = tokio::time::timeout(DEADLINE, async {
        while !server.alight().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    over.await.unwrap();
}
