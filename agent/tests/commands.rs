//! The program itself: what each command says, and the exit codes of the contract.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_silkline-agent"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Settings with an amplifier at `address`, as a path to be given to the program.
fn settings(folder: &Path, address: &str) -> String {
    let path = folder.join("agent.toml");
    let text = format!(
        "site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = {folder:?}\n[[device]]\nid = \"edfa-1\"\n\
         profile = \"silkline-edfa\"\naddress = \"{address}\"\ntimeout = \"300ms\"\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// An address at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

#[test]
fn wrong_usage_is_2_and_wrong_settings_are_78() {
    assert_eq!(agent(&["dance"]).status.code(), Some(2));
    let folder = tempfile::tempdir().unwrap();
    let good = settings(folder.path(), "10.0.0.7");
    assert_eq!(
        agent(&["--config", &good, "probe", "edfa-9"]).status.code(),
        Some(2)
    );
    assert_eq!(
        agent(&["--config", &good, "profiles", "toaster"])
            .status
            .code(),
        Some(2)
    );
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "site = \"G\"\npoll = 3\n[[device]]\n").unwrap();
    // A check that finds mistakes has done its work; a run cannot begin.
    for (command, wanted) in [("check", 1), ("run", 78)] {
        let (code, _, error) = said(&agent(&["--config", bad.to_str().unwrap(), command]));
        assert_eq!(code, wanted, "{error}");
        assert!(error.contains("bad.toml:1:8: site") && error.contains("bad.toml:2:1: poll"));
        assert!(!error.contains("panicked"), "{error}");
    }
    assert_eq!(
        agent(&["--config", "/no/such.toml", "run"]).status.code(),
        Some(78)
    );
}

#[test]
fn right_settings_are_0_and_profiles_need_none() {
    let folder = tempfile::tempdir().unwrap();
    let good = settings(folder.path(), "10.0.0.7");
    let (code, text, _) = said(&agent(&["--config", &good, "check"]));
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "ganja/main: 1 devices, 0 views, 0 brokers, lines baku-poti\n"
        )
    );
    let (code, text, _) = said(&agent(&["--config", "/no/such.toml", "profiles"]));
    assert!(code == 0 && text.contains("victron-gx-battery"), "{text}");
    let (code, text, _) = said(&agent(&["profiles", "ietf-ups"]));
    assert!(code == 0 && text.contains("RFC 1628"), "{text}");
}

#[test]
fn a_device_that_is_not_there_is_69_and_a_check_of_it_1() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &nobody());
    let (code, text, error) = said(&agent(&[
        "--config", &settings, "probe", "edfa-1", "--json",
    ]));
    assert_eq!(code, 69, "{error}");
    let probe: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        probe["readings"]["in_power.1"]["reading"]["bad"],
        "unreachable"
    );
    let broker = nobody();
    let more = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(
        &settings,
        format!("{more}[[uplink]]\nurl = \"mqtt://{broker}\"\n"),
    )
    .unwrap();
    let (code, text, _) = said(&agent(&["--config", &settings, "check", "--live"]));
    assert!(code == 1 && text.contains("edfa-1"), "{text}");
    let line = text.lines().find(|line| line.contains(&broker)).unwrap();
    assert!(line.contains("refused"), "{text}");
}

#[test]
fn a_spool_that_is_none_is_65() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "10.0.0.7");
    std::fs::write(
        folder.path().join("spool.sqlite"),
        "no database at all, only words",
    )
    .unwrap();
    let (code, _, error) = said(&agent(&["--config", &settings, "spool", "inspect"]));
    assert!(
        code == 65 && error.contains("spool.sqlite"),
        "{code} {error}"
    );
}

/// What the program tells its service manager next.
fn news(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 1024];
    let count = manager.recv(&mut bytes).unwrap();
    String::from_utf8(bytes.get(..count).unwrap().to_vec()).unwrap()
}

/// Waits for this news, and gives what came before it.
fn until(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        let news = news(manager);
        if news.starts_with(wanted) {
            return before;
        }
        before.push(news);
    }
}

#[test]
fn a_service_manager_hears_of_start_reload_life_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = settings(folder.path(), &nobody());
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut running = Command::new(env!("CARGO_BIN_EXE_silkline-agent"))
        .args(["--config", &config, "run"])
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "200000")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let signal = |name: &str| {
        let id = running.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    };
    until(&manager, "READY=1");
    until(&manager, "WATCHDOG=1");
    // The device is not there, which is not well and no fault of the agent.
    let (code, text, error) = said(&agent(&["--config", &config, "top", "--once"]));
    assert_eq!(code, 1, "{error}");
    assert!(
        text.contains("ganja/main") && text.contains("edfa-1"),
        "{text}"
    );
    std::fs::write(&config, "site = 3").unwrap();
    signal("-HUP");
    until(&manager, "RELOADING=1");
    until(&manager, "STATUS=new settings are refused");
    until(&manager, "READY=1");
    settings(folder.path(), "127.0.0.1:9");
    signal("-HUP");
    until(&manager, "RELOADING=1");
    let refused = until(&manager, "READY=1");
    assert!(
        !refused.iter().any(|news| news.contains("refused")),
        "{refused:?}"
    );
    until(&manager, "WATCHDOG=1");
    signal("-TERM");
    until(&manager, "STOPPING=1");
    assert_eq!(running.wait().unwrap().code(), Some(0));
}
