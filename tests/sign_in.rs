//! People sign in by the NOC's own identity provider: a real one (`oidc-provider`, certified by the
//! OpenID Foundation) on loopback, a real browser, the real collector on an address that wants
//! somebody to sign in. Who is in the shift is in, with the lines of the shift; who is in no group
//! is told so; signing out signs out of both.
//!
//! The provider comes from npm into `tests/provider`; where it has never been fetched the story is
//! skipped, and says so. (The `dex` of Debian is no identity provider but a starter of programs.)

use std::process::Command;

use crate::ground::network::Network;
use crate::ground::{Program, free_port, listening, project};

/// The secret that the provider was given, with letters that a careless client would spoil.
const SECRET: &str = "a secret, with odd letters: +%/=";

fn provider(network: &Network, port: u16) -> Option<Program> {
    let folder = project().join("tests/provider");
    if !folder.join("node_modules").is_dir() {
        println!("skipped: no identity provider, run `npm --prefix tests/provider ci`");
        return None;
    }
    let home = format!("http://127.0.0.1:{}/", network.api);
    let mut command = Command::new("node");
    command
        .arg(folder.join("provider.mjs"))
        .arg(port.to_string())
        .arg(format!("{home}api/v1/sign-in/back"))
        .arg(home);
    Some(Program::start("provider", network.folder(), &mut command))
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_by_the_provider_of_the_noc() {
    let network = Network::embedded();
    let port = free_port();
    let Some(_provider) = provider(&network, port) else {
        return;
    };
    listening(port).await;
    std::fs::write(network.folder().join("secret"), SECRET).unwrap();
    let sign_in = format!(
        "[sign_in]\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"silkline\"\n\
         client_secret_file = \"secret\"\nname = \"the shift's provider\"\n\
         scopes = [\"openid\", \"profile\", \"groups\"]\n\
         [[sign_in.group]]\nname = \"noc-shift\"\nrole = \"operator\"\nlines = [\"west-east\"]\n"
    );
    let _collector = network.collector_with_broker(&sign_in).await;
    let base = format!("http://127.0.0.1:{}/", network.api);
    let refused = reqwest::get(format!("{base}api/v1/lines")).await.unwrap();
    assert_eq!(refused.status(), 401, "nobody is in yet");
    let script = project().join("collector/web/test/sign-in.mjs");
    let mut browser = Command::new("node");
    browser
        .arg(script)
        .arg(&base)
        .arg(format!("http://127.0.0.1:{port}"));
    let seen = browser.output().unwrap();
    let said = String::from_utf8_lossy(&seen.stdout) + String::from_utf8_lossy(&seen.stderr);
    match seen.status.code() {
        Some(0) => println!("{said}"),
        Some(77) => println!("skipped: no chromium to sign in with"),
        code => panic!("signing in is not right ({code:?}):\n{said}"),
    }
}
