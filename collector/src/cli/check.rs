//! `check`: reads the settings and all that they name, and tells every mistake at once.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Exit, say, settings};
use crate::api::access::NoAuthentication;
use crate::api::people::{self, People};
use crate::config::{BrokerSettings, Security, Settings};
use crate::notify::channel::Channel;
use crate::run::read_plant;

/// Checks the settings in `file`: what is good goes to `out`, what is wrong or odd to `err`.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn check(file: &Path, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let settings = match settings(file) {
        Ok(settings) => settings,
        Err(mistakes) => {
            say(err, mistakes)?;
            return Ok(Exit::NotWell);
        }
    };
    let mut well = true;
    for path in named_files(&settings) {
        if let Err(error) = std::fs::File::open(&path) {
            say(
                err,
                format!("{}: {}: {error}", file.display(), path.display()),
            )?;
            well = false;
        }
    }
    // A file that is not there is told once.
    let mistakes = well.then(|| Channel::mistakes(&settings));
    for mistake in mistakes.into_iter().flatten() {
        say(err, format!("{}: {mistake}", file.display()))?;
        well = false;
    }
    let (plant, warnings, lines) = match read_plant(&settings) {
        Ok(read) => read,
        Err(mistakes) => {
            say(err, mistakes)?;
            return Ok(Exit::NotWell);
        }
    };
    for warning in &warnings {
        say(err, format!("warning: {warning}"))?;
    }
    if let Err(open) = kept_out(&settings) {
        say(err, format!("{}: {open}", file.display()))?;
        well = false;
    }
    if !well {
        return Ok(Exit::NotWell);
    }
    let (all, kept) = (plant.lines.len(), lines.len());
    let (sites, devices) = (plant.sites.len(), plant.devices.len());
    let file = file.display();
    say(
        out,
        format!("{file}: good. {kept} of {all} lines, {sites} sites, {devices} devices"),
    )?;
    Ok(Exit::Done)
}

/// Whether strangers are kept out of the API; looks at users only where there are some.
fn kept_out(settings: &Settings) -> Result<(), NoAuthentication> {
    let listen = settings.api.listen;
    let by_file = settings.api.token_file.is_some() || settings.sign_in.is_some();
    if listen.ip().is_loopback() || by_file {
        return Ok(());
    }
    let file = settings.data.join(people::FILE);
    let people = file.exists().then(|| People::open(&file).ok()).flatten();
    let known = people.is_some_and(|people| people.any().unwrap_or(false));
    known.then_some(()).ok_or(NoAuthentication(listen))
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
    let sign_in = settings.sign_in.iter();
    files.extend(sign_in.flat_map(|it| it.client_secret_file.iter().chain(&it.ca).cloned()));
    files.extend(
        settings
            .influx
            .iter()
            .filter_map(|it| it.token_file.clone()),
    );
    files.extend(
        settings
            .channels
            .email
            .iter()
            .filter_map(|it| it.password_file.clone()),
    );
    files.extend(
        settings
            .channels
            .webhook
            .iter()
            .filter_map(|it| it.secret_file.clone()),
    );
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANT: &str = "[[site]]\nid = \"a\"\n[[site]]\nid = \"b\"\n[[line]]\nid = \"a-b\"\n\
        kind = \"terrestrial\"\na = \"a\"\nb = \"b\"\nnode = [\n\
        { id = \"a\", kind = \"terminal\", chainage_m = 0, site = \"a\" },\n\
        { id = \"b\", kind = \"terminal\", chainage_m = 9000, site = \"b\" }]\n";

    /// Exit code, answer and complaints for these settings and this plant.
    fn checked(settings: &str, plant: &str) -> (Exit, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("collector.toml");
        let paths = "plant = \"plant.toml\"\ndata = \"data\"\n";
        std::fs::write(&file, format!("{paths}{settings}")).unwrap();
        std::fs::write(folder.path().join("plant.toml"), plant).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = check(&file, &mut out, &mut err).unwrap();
        (
            exit,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    }

    #[test]
    fn what_is_good_is_counted() {
        let (exit, out, err) = checked("", PLANT);
        assert_eq!((exit, err.as_str()), (Exit::Done, ""));
        assert!(
            out.contains("good. 1 of 1 lines, 2 sites, 0 devices"),
            "{out}"
        );
    }

    #[test]
    fn a_file_or_a_line_that_is_not_there_is_named() {
        let (exit, out, err) = checked("[api]\ntoken_file = \"token\"\n", PLANT);
        assert_eq!((exit, out.as_str()), (Exit::NotWell, ""));
        assert!(err.contains("token: No such file"), "{err}");
        let (exit, _, err) = checked("lines = [\"a-c\"]\n", PLANT);
        assert_eq!(exit, Exit::NotWell);
        assert!(err.contains("has no line a-c"), "{err}");
    }

    #[test]
    fn a_channel_that_could_tell_nobody_is_named() {
        let mail = |from: &str, to: &str| {
            format!(
                "[[notify.email]]\nname = \"noc\"\nhost = \"localhost\"\nsecurity = \"none\"\n\
                 from = \"{from}\"\nto = [{to}]\n"
            )
        };
        let good = mail("a@b.example", "\"c@d.example\"");
        assert_eq!(checked(&good, PLANT).0, Exit::Done);
        let hook = "[[notify.webhook]]\nname = \"tickets\"\nurl = \"http://127.0.0.1:1/\"\n\
                    format = \"template\"\ntemplate_file = \"none.json\"\n";
        let bad = mail("nobody", "\"c@d.example\"") + hook;
        let (exit, _, err) = checked(&bad, PLANT);
        assert_eq!(exit, Exit::NotWell);
        let told = ["channel noc: \"nobody\"", "channel tickets: "];
        assert!(told.iter().all(|told| err.contains(told)), "{err}");
        let (exit, _, err) = checked(&mail("a@b.example", ""), PLANT);
        assert!(
            exit == Exit::NotWell && err.contains("names nobody"),
            "{err}"
        );
    }

    #[test]
    fn an_address_that_others_reach_wants_somebody_who_may() {
        let listen = "[api]\nlisten = \"0.0.0.0:8080\"\n";
        let (exit, _, err) = checked(listen, PLANT);
        assert_eq!(exit, Exit::NotWell);
        assert!(
            err.contains("0.0.0.0:8080 can be reached by others: want a user"),
            "{err}"
        );
        let sign_in = format!(
            "{listen}public_url = \"https://noc.example\"\n[sign_in]\nissuer = \"https://id\"\n\
             client_id = \"silkline\"\neverybody = \"viewer\"\n"
        );
        assert_eq!(checked(&sign_in, PLANT).0, Exit::Done);
    }

    #[test]
    fn mistakes_of_both_files_come_with_their_place() {
        let (exit, _, err) = checked("colour = 1\n", PLANT);
        assert_eq!(exit, Exit::NotWell);
        assert!(err.contains("collector.toml:3:1: colour"), "{err}");
        let (exit, _, err) = checked("", "[[line]]\nid = \"X\"\n");
        assert_eq!(exit, Exit::NotWell);
        assert!(
            err.contains("plant.toml:2:6: line[0].id") && err.lines().count() > 2,
            "{err}"
        );
    }

    #[test]
    fn settings_that_are_not_there_are_not_well() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = check(Path::new("/nowhere/collector.toml"), &mut out, &mut err).unwrap();
        assert_eq!((exit, out.len()), (Exit::NotWell, 0));
    }
}
