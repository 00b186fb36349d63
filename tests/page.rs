//! People look at the pages of a running corridor: a cut is on the screen, acknowledged in one window
//! and seen in another, read on a phone at the roadside; traces are zoomed and uploaded, points are
//! charted. Every page is held against axe-core. And a page outlives the collector: it says that it
//! is old while the collector is away, and is fresh again when it is back.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground::network::Network;
use crate::ground::{Program, free_port, program, project, wait};

/// Where pictures of the pages go; kept where `SILKLINE_PICTURES` names a folder.
fn pictures(folder: &Path) -> PathBuf {
    std::env::var_os("SILKLINE_PICTURES").map_or_else(|| folder.to_path_buf(), PathBuf::from)
}

fn script(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(project().join("collector/web/test").join(name));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_works_and_is_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let (port, control) = (free_port(), format!("127.0.0.1:{}", free_port()));
    let mut command = Command::new(program("silkline-sim"));
    command.args(["--seed", "11", "--control", &control, "demo", "--fast"]);
    command.env("DEMO_PORT", port.to_string());
    let demo = Program::start("demo", folder.path(), &mut command);
    wait("the demo to tell the truth", async || {
        demo.said().contains("truth").then_some(())
    })
    .await;
    let base = format!("http://127.0.0.1:{port}/");
    for story in ["pages.mjs", "history.mjs"] {
        let mut look = script(story);
        look.arg(&base).arg(pictures(folder.path()));
        if !is_well(story, &mut look) {
            return;
        }
    }
    a_cut_comes_while_somebody_looks(folder.path(), &base, &control).await;
}

#[test]
fn fifty_lines_and_a_thousand_devices_move_with_the_hand() {
    is_well("many.mjs", &mut script("many.mjs"));
}

/// Runs a script that looks at pages; where there is no browser it says so, and gives false.
fn is_well(story: &str, look: &mut Command) -> bool {
    let seen = look.output().unwrap();
    let said = String::from_utf8_lossy(&seen.stdout) + String::from_utf8_lossy(&seen.stderr);
    println!("{said}");
    match seen.status.code() {
        Some(0) => true,
        Some(77) => {
            println!("skipped: {story} has nothing to look with");
            false
        }
        code => panic!("{story}: a page is not right ({code:?})"),
    }
}

/// Another cable is cut while two windows stand open.
async fn a_cut_comes_while_somebody_looks(folder: &Path, base: &str, control: &str) {
    let mut looking = Program::start("looking", folder, script("cut.mjs").arg(base));
    wait("two windows to stand open", async || {
        assert!(looking.runs(), "{}", looking.said());
        looking.said().contains("ready").then_some(())
    })
    .await;
    let mut cut = Command::new(program("silkline-sim"));
    cut.args(["--control", control, "cut", "sumgait-aktau", "100"]);
    assert!(cut.status().unwrap().success());
    wait("the windows to show it and to be acted in", async || {
        (!looking.runs()).then_some(())
    })
    .await;
    println!("{}", looking.said());
    assert_eq!(looking.leave().await, Some(0), "{}", looking.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_outlives_its_collector() {
    let network = Network::embedded();
    let mut collector = network.collector_with_broker("").await;
    let mut command = script("reconnect.mjs");
    command.arg(format!("http://127.0.0.1:{}/", network.api));
    let mut page = Program::start("page", network.folder(), &mut command);
    let mut ended = false;
    wait("the page to open", async || {
        ended = !page.runs();
        (ended || page.said().contains("ready")).then_some(())
    })
    .await;
    if ended && page.said().contains("skipped") {
        println!("skipped: no chromium to look at the page");
        return;
    }
    collector.kill();
    wait("the page to say that it is old", async || {
        page.said().contains("lost").then_some(())
    })
    .await;
    let _collector = network.collector_with_broker("").await;
    wait("the page to be fresh again", async || {
        (page.said().contains("back") && !page.runs()).then_some(())
    })
    .await;
    assert!(!page.said().contains("script:"), "{}", page.said());
}
