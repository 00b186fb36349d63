//! Prometheus itself reads the settings and the alert rules that come along, and tries each rule on
//! made-up histories: when it comes, when it does not, when it goes.

use std::path::Path;
use std::process::Command;

use crate::ground::project;

const PROMTOOL: &str = "/usr/bin/promtool";

#[test]
fn each_alert_comes_when_it_should_and_goes_again() {
    if !Path::new(PROMTOOL).exists() {
        println!("skipped: no promtool to check the alert rules");
        return;
    }
    let folder = project().join("deploy/prometheus");
    for (what, file) in [
        (["check", "config"], "prometheus.yml"),
        (["check", "rules"], "silkline.rules.yml"),
        (["test", "rules"], "silkline.test.yml"),
    ] {
        let mut promtool = Command::new(PROMTOOL);
        let done = promtool.current_dir(&folder).args(what).arg(file).output();
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{what:?} {file}: {said}");
    }
}

#[test]
fn every_alert_is_tried() {
    let read = |name: &str| {
        let file = project().join("deploy/prometheus").join(name);
        std::fs::read_to_string(file).unwrap()
    };
    let (rules, tests) = (read("silkline.rules.yml"), read("silkline.test.yml"));
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 5, "{alerts:?}");
    for alert in alerts {
        let tried = tests.contains(&format!("alertname: {alert}\n"));
        assert!(tried, "no history in which {alert} comes");
    }
}
