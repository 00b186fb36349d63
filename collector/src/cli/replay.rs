//! `replay`: what the detectors would have said of a history, and when.
//!
//! ```text
//!   SAMPLES.csv ──rows──► moments ──► the engine of each line ──► anomalies, incidents
//! ```
//!
//! The file is read once, a moment at a time, and never held as a whole; time is the rows' own, so
//! nothing is said before it could have been said. A row that cannot be read is told with its line
//! and costs no other.

mod differ;
mod history;
mod order;
mod profiles;
mod rows;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use silkline_analysis::incident::Incident;
use silkline_analysis::series::Anomaly;
use silkline_protocol::plant::{self, Plant};

use self::differ::Differ;
use self::history::{History, Said};
use self::rows::{BadFile, Moments};
use self::tally::Tally;
use super::{Exit, say};
use crate::engine::EngineSettings;
use crate::run::RunError;

/// Bad rows that are told one by one; the others are counted.
const TOLD: u64 = 100;

/// Moments between two looks at how far it is.
const LOOK_EVERY: u64 = 5000;

/// What to replay, and by what.
#[derive(Clone, Debug)]
pub struct Question {
    /// The history.
    pub samples: PathBuf,
    /// The plant file.
    pub plant: PathBuf,
    /// What the engines go by.
    pub settings: EngineSettings,
    /// Other settings to compare with: only what differs is told then.
    pub against: Option<EngineSettings>,
    /// Whether the answer is one line of JSON for each anomaly and incident.
    pub json: bool,
}

/// The engine settings in `config`, and those in `against`: the defaults where `config` is
/// `usual`, the name of the file that nobody asked for, and is not there.
///
/// # Errors
///
/// Where a file cannot be read, or every mistake in it.
pub fn settings(
    config: &Path,
    usual: &str,
    against: Option<&Path>,
) -> Result<(EngineSettings, Option<EngineSettings>), RunError> {
    let own = if config == Path::new(usual) && !config.exists() {
        EngineSettings::default()
    } else {
        super::settings(config)?.engine
    };
    let other = against.map(super::settings).transpose()?;
    Ok((own, other.map(|settings| settings.engine)))
}

/// Replays a history; what was wrong with its rows goes to `complaints`.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn replay(
    question: &Question,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<Exit> {
    let plant = match std::fs::read_to_string(&question.plant) {
        Ok(text) => plant::read(&question.plant.display().to_string(), &text),
        Err(error) => {
            say(complaints, format!("{}: {error}", question.plant.display()))?;
            return Ok(Exit::BadSettings);
        }
    };
    let plant = match plant {
        Ok(checked) => Arc::new(checked.plant),
        Err(mistakes) => {
            say(complaints, mistakes)?;
            return Ok(Exit::BadSettings);
        }
    };
    let moments = match rows::open(&question.samples) {
        Ok(moments) => moments,
        Err(error) => {
            say(
                complaints,
                format!("{}: {error}", question.samples.display()),
            )?;
            return Ok(Exit::BadData);
        }
    };
    match &question.against {
        None => alone(question, &plant, moments, (out, complaints)),
        Some(other) => compared(question, other, (&plant, moments), (out, complaints)),
    }
}

fn alone(
    question: &Question,
    plant: &Arc<Plant>,
    mut moments: Moments,
    (out, complaints): (&mut impl Write, &mut impl Write),
) -> io::Result<Exit> {
    let mut history = History::new(plant.clone(), question.settings.clone());
    let mut tally = Tally::default();
    let mut watched = Watched::new(question);
    while let Some(moment) = watched.next(&mut moments, complaints)? {
        for said in history.step(moment) {
            tell(&said, question.json, &mut tally, out)?;
        }
    }
    for said in history.end() {
        tell(&said, question.json, &mut tally, out)?;
    }
    let exit = watched.exit(&moments, complaints)?;
    let summary = tally.said(&moments);
    if question.json {
        say(complaints, summary)?;
    } else {
        say(out, summary)?;
    }
    Ok(exit)
}

fn compared(
    question: &Question,
    other: &EngineSettings,
    (plant, mut moments): (&Arc<Plant>, Moments),
    (out, complaints): (&mut impl Write, &mut impl Write),
) -> io::Result<Exit> {
    let mut first = History::new(plant.clone(), question.settings.clone());
    let mut second = History::new(plant.clone(), other.clone());
    let mut differ = Differ::default();
    let mut watched = Watched::new(question);
    while let Some(moment) = watched.next(&mut moments, complaints)? {
        differ.first(first.step(moment.clone()));
        differ.second(second.step(moment));
    }
    differ.first(first.end());
    differ.second(second.end());
    let exit = watched.exit(&moments, complaints)?;
    for (whose, anomaly) in differ.only() {
        if question.json {
            let mut object = shown(anomaly);
            if let Some(object) = object.as_object_mut() {
                object.insert("only".to_owned(), json!(whose));
            }
            say(out, object)?;
        } else {
            say(out, format!("only {whose:<8} {}", row(anomaly)))?;
        }
    }
    let summary = differ.said();
    if question.json {
        say(complaints, summary)?;
    } else {
        say(out, summary)?;
    }
    Ok(exit)
}

fn tell(said: &Said, as_json: bool, tally: &mut Tally, out: &mut impl Write) -> io::Result<()> {
    tally.count(said);
    match said {
        Said::Anomaly(anomaly) if as_json => say(out, shown(anomaly)),
        Said::Anomaly(anomaly) => say(out, row(anomaly)),
        Said::Incident(incident) if as_json => {
            say(out, serde_json::to_string(incident).unwrap_or_default())
        }
        Said::Incident(incident) => say(out, incident_row(incident)),
        Said::Told(_) => Ok(()),
    }
}

/// An anomaly as the contract has it.
fn shown(anomaly: &Anomaly) -> Value {
    json!({
        "line": anomaly.line,
        "device": anomaly.device,
        "point": anomaly.point,
        "kind": anomaly.kind,
        "from": anomaly.from,
        "to": anomaly.to,
        "raised": anomaly.raised,
        "severity": anomaly.severity,
        "detail": anomaly.detail,
    })
}

fn row(anomaly: &Anomaly) -> String {
    let point = anomaly.point.as_ref().map(ToString::to_string);
    let to = anomaly
        .to
        .map_or_else(|| "…".to_owned(), |to| to.to_string());
    format!(
        "{} {to:<20} {:<8} {:<8} {} {}: {}",
        anomaly.raised,
        anomaly.severity.word(),
        anomaly.kind.word(),
        anomaly.device,
        point.unwrap_or_default(),
        anomaly.detail
    )
}

fn incident_row(incident: &Incident) -> String {
    let over = incident.cleared.map(|at| at.to_string());
    format!(
        "{} {:<20} {:<8} INCIDENT {}",
        incident.opened,
        over.unwrap_or_else(|| "…".to_owned()),
        incident.severity.word(),
        incident.headline
    )
}

/// What is told beside the answer: bad rows, and how far it is where somebody looks on.
struct Watched {
    name: String,
    told: u64,
    moments: u64,
    looks_on: bool,
}

impl Watched {
    fn new(question: &Question) -> Self {
        Self {
            name: question.samples.display().to_string(),
            told: 0,
            moments: 0,
            looks_on: io::stderr().is_terminal(),
        }
    }

    /// The next moment; bad rows on the way are told.
    fn next(
        &mut self,
        moments: &mut Moments,
        complaints: &mut impl Write,
    ) -> io::Result<Option<rows::Moment>> {
        let next = moments.next();
        for (line, problem) in moments.problems() {
            self.told += 1;
            if self.told <= TOLD {
                say(complaints, format!("{}:{line}: {problem}", self.name))?;
            }
        }
        self.moments += 1;
        if self.looks_on && self.moments.is_multiple_of(LOOK_EVERY) {
            let at = next.as_ref().map(|moment| moment.at.to_string());
            let (share, at) = (moments.share(), at.unwrap_or_default());
            write!(complaints, "\r{share:3.0} %  {at:<32}\r")?;
            complaints.flush()?;
        }
        Ok(next)
    }

    fn exit(&self, moments: &Moments, complaints: &mut impl Write) -> io::Result<Exit> {
        if let Some(BadFile::Torn(problem)) = moments.torn() {
            say(complaints, format!("{}: {problem}", self.name))?;
        }
        if self.told > TOLD {
            let more = self.told - TOLD;
            say(complaints, format!("{}: {more} more bad rows", self.name))?;
        }
        let bad = self.told > 0 || moments.torn().is_some();
        Ok(if bad { Exit::BadData } else { Exit::Done })
    }
}

#[cfg(test)]
mod tests;
