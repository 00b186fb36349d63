//! `check`: whether the settings are right, and with `--live` whether every device and broker answers.

use core::fmt::Write as _;
use std::path::Path;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::uplink;

use super::probe::{self, Probe};
use super::{Exit, Said};

/// Reads the settings at `path`, or says what is wrong with them.
///
/// # Errors
///
/// Every mistake, as it is to be said.
pub fn load(path: &Path) -> Result<Config, Said> {
    Config::load(path).map_err(|error| match error {
        ConfigError::Mistakes(mistakes) => {
            let count = mistakes.0.len();
            let noun = if count == 1 { "mistake" } else { "mistakes" };
            Said::failed(format!("{mistakes}\n{count} {noun}"), Exit::BadConfig)
        }
        ConfigError::Unreadable { .. } => Said::failed(error, Exit::BadConfig),
    })
}

/// What is to be said of settings that were read.
#[must_use]
pub fn settings(config: &Config) -> Said {
    let unreadable = config.unreadable_files();
    if !unreadable.is_empty() {
        return Said::failed(unreadable.join("\n"), Exit::BadConfig);
    }
    let mut text = String::new();
    let views = config
        .devices
        .iter()
        .flat_map(|device| &device.otdr)
        .flat_map(|otdr| &otdr.views);
    let lines: Vec<String> = config.lines().iter().map(ToString::to_string).collect();
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{}/{}: {} devices, {} views, {} brokers, lines {}",
        config.site,
        config.agent,
        config.devices.len(),
        views.count(),
        config.uplinks.len(),
        lines.join(", ")
    );
    Said::out(text, Exit::Done)
}

/// Polls every device once and connects to every broker, and says which do not answer or give bad readings.
pub async fn live(config: &Config, clock: Clock) -> Said {
    let mut text = String::new();
    let mut exit = Exit::Done;
    for device in config
        .devices
        .iter()
        .filter(|device| device.address.is_some())
    {
        let line = match probe::probe(device, clock).await {
            Ok(probe) => {
                let line = summary(&probe);
                if probe.exit() != Exit::Done {
                    exit = Exit::NotWell;
                }
                line
            }
            Err(error) => {
                exit = Exit::NotWell;
                error.to_string()
            }
        };
        let _ = writeln!(text, "{:<20} {line}", device.id);
    }
    for broker in &config.uplinks {
        let line = match uplink::tried(&config.site, broker).await {
            Ok(()) => "takes us".to_owned(),
            Err(why) => {
                exit = Exit::NotWell;
                why
            }
        };
        let _ = writeln!(text, "{:<20} {line}", broker.broker);
    }
    Said::out(text, exit)
}

fn summary(probe: &Probe) -> String {
    let (good, bad) = probe.counts();
    match probe.first_fault() {
        Some(fault) => format!("{good} good readings, {bad} bad: {fault}"),
        None => format!("{good} good readings, {bad} bad"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_said_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, "site = \"A\"\ncolour = 3\n").unwrap();
        let said = load(&path).unwrap_err();
        assert_eq!(said.exit, Exit::BadConfig);
        assert!(said.error.contains("agent.toml:1:8: site") && said.error.ends_with("3 mistakes"));
        let missing = load(&folder.path().join("no.toml")).unwrap_err();
        assert_eq!(missing.exit, Exit::BadConfig);
        assert!(missing.error.contains("no.toml"));
    }

    #[test]
    fn good_settings_are_summed_up() {
        let text = "site = \"ganja\"\nlines = [\"a-b\"]\n[[device]]\nid = \"e\"\n\
                    profile = \"silkline-edfa\"\naddress = \"10.0.0.1\"\n";
        let said = settings(&crate::config::read("agent.toml", text).unwrap());
        assert_eq!(
            said.text,
            "ganja/main: 1 devices, 0 views, 0 brokers, lines a-b\n"
        );
        assert_eq!(said.exit, Exit::Done);
    }
}
