//! `check`: reads the settings and all that they name, and tells every mistake at once.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Exit, say, settings};
use crate::config::{BrokerSettings, Secret, Security, Settings};
use crate::run::read_plant;

/// Checks the settings in `file`.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn check(file: &Path, out: &mut impl Write) -> io::Result<Exit> {
    let settings = match settings(file) {
        Ok(settings) => settings,
        Err(mistakes) => {
            say(out, mistakes)?;
            return Ok(Exit::NotWell);
        }
    };
    let mut well = true;
    for path in named_files(&settings) {
        if let Err(error) = Secret::read(&path) {
            say(
                out,
                format!("{}: {}: {error}", file.display(), path.display()),
            )?;
            well = false;
        }
    }
    match read_plant(&settings) {
        Ok((plant, warnings, lines)) => {
            for warning in &warnings {
                say(out, format!("warning: {warning}"))?;
            }
            if well {
                let (sites, devices) = (plant.sites.len(), plant.devices.len());
                let text = format!(
                    "{}: good. {} of {} lines, {sites} sites, {devices} devices",
                    file.display(),
                    lines.len(),
                    plant.lines.len()
                );
                say(out, text)?;
            }
        }
        Err(mistakes) => {
            say(out, mistakes)?;
            well = false;
        }
    }
    Ok(if well { Exit::Done } else { Exit::NotWell })
}

/// The small files that must be there at the start.
fn named_files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let BrokerSettings::External {
        security, login, ..
    } = &settings.broker
    {
        if let Security::Tls { ca, client } = security {
            files.push(ca.clone());
            files.extend(
                client
                    .iter()
                    .flat_map(|it| [it.cert.clone(), it.key.clone()]),
            );
        }
        files.extend(login.iter().map(|it| it.password_file.clone()));
    }
    files.extend(settings.api.token_file.clone());
    files.extend(
        settings
            .influx
            .iter()
            .filter_map(|it| it.token_file.clone()),
    );
    files.extend(
        settings
            .email
            .iter()
            .filter_map(|it| it.password_file.clone()),
    );
    files.extend(
        settings
            .webhook
            .iter()
            .filter_map(|it| it.secret_file.clone()),
    );
    files
}
