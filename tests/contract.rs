//! A stranger reads the API's own description and asks everything that it allows, and much that it
//! does not: no answer is a failure of the server, none is undocumented.
//!
//! The stranger is schemathesis, kept in the target folder; without a network that has never
//! fetched it the story is skipped, and says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground::device::Device;
use crate::ground::network::{Network, amplifier};
use crate::ground::program;

/// The stranger, by version: a newer one would ask other questions.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// Questions to each operation.
const EXAMPLES: &str = "25";

/// Its program, fetched once into the target folder.
fn schemathesis() -> Option<PathBuf> {
    let target = program("silkline-collector")
        .parent()?
        .parent()?
        .to_path_buf();
    let home = target.join("schemathesis");
    let run = home.join("bin/schemathesis");
    if run.exists() {
        return Some(run);
    }
    let well = |command: &mut Command| command.output().is_ok_and(|done| done.status.success());
    let made = well(Command::new("python3").args(["-m", "venv"]).arg(&home));
    let pip = home.join("bin/pip");
    let fetched = made && well(Command::new(pip).args(["install", "--quiet", SCHEMATHESIS]));
    (fetched && run.exists()).then_some(run)
}

/// A token that may everything: the stranger adds users, and from the first on the door is shut.
async fn token(base: &str) -> String {
    let body = serde_json::json!({ "name": "stranger", "role": "admin" });
    let made = reqwest::Client::new()
        .post(format!("{base}/api/v1/tokens"))
        .json(&body);
    let made: serde_json::Value = made.send().await.unwrap().json().await.unwrap();
    made["secret"].as_str().unwrap().to_owned()
}

fn ask(schemathesis: &Path, base: &str, token: &str) -> (bool, String) {
    // It leaves notes where it stands.
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new(schemathesis)
        .current_dir(folder.path())
        .args(["run", "--no-color", "--suppress-health-check=all"])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
        // The stream never ends, and whoever revokes tokens at random ends the conversation.
        .args(["--exclude-operation-id", "live", "--exclude-operation-id", "revoke"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--max-examples", EXAMPLES, "--seed", "7", "--generation-database", "none"])
        .args(["--phases", "examples,coverage,fuzzing", "--workers", "2"])
        .arg(format!("{base}/api/v1/openapi.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    (done.status.success(), said.into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_described() {
    let Some(schemathesis) = schemathesis() else {
        println!("skipped: schemathesis cannot be fetched");
        return;
    };
    let network = Network::embedded();
    let _collector = network.collector_with_broker("").await;
    let device = Device::amplifier().await;
    let _agent = network.agent("west", &amplifier("edfa-1", device.port, "200ms"));
    network.samples(3).await;
    let base = format!("http://127.0.0.1:{}", network.api);
    let token = token(&base).await;
    let (well, said) = ask(&schemathesis, &base, &token);
    assert!(well, "{said}");
    let tail = said.lines().rev().take(12).collect::<Vec<_>>();
    println!("{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
}
