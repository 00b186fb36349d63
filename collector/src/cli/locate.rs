//! `locate`: evidence in, place out.

use std::io::{self, Write};
use std::path::Path;

use silkline_analysis::fuse;
use silkline_analysis::place::{Dossier, Place};
use silkline_protocol::plant;

use super::{Exit, say};

/// Says where the fault is that the evidence in `file` speaks of.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn locate(
    file: &Path,
    plant_file: &Path,
    as_json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let plant = match read(plant_file).map(|text| plant::read(&name(plant_file), &text)) {
        Ok(Ok(checked)) => checked.plant,
        Ok(Err(mistakes)) => return complain(Exit::BadSettings, &mistakes.to_string()),
        Err(error) => return complain(Exit::BadSettings, &error),
    };
    let dossier = read(file).and_then(|text| {
        serde_json::from_str::<Dossier>(&text).map_err(|error| format!("{}: {error}", name(file)))
    });
    let dossier = match dossier {
        Ok(dossier) => dossier,
        Err(error) => return complain(Exit::BadData, &error),
    };
    match fuse::locate(&plant, &dossier) {
        Ok(place) if as_json => {
            say(out, serde_json::to_string(&place).unwrap_or_default())?;
            Ok(Exit::Done)
        }
        Ok(place) => {
            words(&place, out)?;
            Ok(Exit::Done)
        }
        Err(unfit) => {
            let all: Vec<String> = unfit.iter().map(ToString::to_string).collect();
            complain(Exit::BadData, &all.join("\n"))
        }
    }
}

/// The place for people.
fn words(place: &Place, out: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_value(place).unwrap_or_default();
    let Some(fields) = json.as_object() else {
        return Ok(());
    };
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        say(out, format!("{name:<16} {value}"))?;
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[expect(clippy::unnecessary_wraps, reason = "stands where an answer would")]
fn complain(exit: Exit, what: &str) -> io::Result<Exit> {
    // A person asked: what is wrong goes to the error output without any decoration.
    let _ = writeln!(io::stderr(), "{what}");
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::commit::example;

    /// Exit code and answer for this evidence on the line of the example.
    fn asked(evidence: &Value, as_json: bool) -> (Exit, String) {
        let folder = tempfile::tempdir().unwrap();
        let plant = example::settings(folder.path(), "").plant;
        let file = folder.path().join("evidence.json");
        std::fs::write(&file, evidence.to_string()).unwrap();
        let mut out = Vec::new();
        let exit = locate(&file, &plant, as_json, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn evidence_gives_a_place() {
        let lost =
            json!({"kind": "light_lost", "path": "eastward", "from": "middle", "to": "east"});
        let (exit, text) = asked(&json!({"line": "west-east", "evidence": [lost]}), true);
        assert_eq!(exit, Exit::Done);
        let place: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&place["where"], &place["span"]),
            (&json!("span"), &json!("middle..east"))
        );
        let (_, words) = asked(&json!({"line": "west-east", "evidence": [lost]}), false);
        assert!(words.contains("middle..east"), "{words}");
    }

    #[test]
    fn evidence_that_fits_no_plant_is_bad_data() {
        let report = json!({"kind": "report", "chainage_m": 1, "plus_minus_m": 1, "who": "crew"});
        for evidence in [
            json!({"line": "nowhere", "evidence": [report]}),
            json!({"line": "west-east", "evidence": [{"kind": "rumour"}]}),
            json!([1, 2]),
        ] {
            assert_eq!(
                asked(&evidence, true),
                (Exit::BadData, String::new()),
                "{evidence}"
            );
        }
    }
}
