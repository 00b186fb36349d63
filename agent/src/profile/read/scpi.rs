//! The part of a profile that only instruments spoken to in lines have.

use silkline_protocol::settings::Section;

use crate::profile::scpi::mistake_in;
use crate::profile::{ScpiMap, ScpiPoint, ScpiShot, ScpiTold};

/// The port that makers agree on for SCPI over a plain socket.
const SCPI_PORT: u16 = 5025;
/// More lines than any start takes.
const MOST_LINES: usize = 32;

pub(super) fn read(top: &mut Section<'_>) -> Option<ScpiMap> {
    let port = top
        .section("scpi")
        .map_or(SCPI_PORT, |mut section| section.or("port", SCPI_PORT));
    let points: Vec<_> = top.sections("point").iter_mut().map(point).collect();
    if top.has("table") {
        top.wrong("table", "does not belong to a profile of scpi");
    }
    Some(ScpiMap {
        port,
        points: points.into_iter().collect::<Option<Vec<_>>>()?,
    })
}

fn point(section: &mut Section<'_>) -> Option<ScpiPoint> {
    let query = line(section, "query");
    if query.as_ref().is_some_and(|query| !query.contains('?')) {
        section.wrong("query", "asks nothing: it has no ?");
    }
    let point = super::point(section);
    Some(ScpiPoint {
        query: query?,
        point: point?,
    })
}

/// A line that is sent as it is.
fn line(section: &mut Section<'_>, key: &str) -> Option<String> {
    let line: String = section.required(key)?;
    checked(section, key, line)
}

fn checked(section: &Section<'_>, key: &str, line: String) -> Option<String> {
    match mistake_in(&line) {
        None => Some(line),
        Some(mistake) => {
            section.wrong(key, format!("{line:?} {mistake}"));
            None
        }
    }
}

/// Lines that are sent one after another.
pub(super) fn lines(section: &mut Section<'_>, key: &str) -> Option<Vec<String>> {
    let lines: Vec<String> = section.required(key)?;
    if lines.is_empty() || lines.len() > MOST_LINES {
        section.wrong(key, format!("is not 1 to {MOST_LINES} lines"));
    }
    let lines: Vec<_> = lines
        .into_iter()
        .map(|line| checked(section, key, line))
        .collect();
    lines.into_iter().collect()
}

pub(super) fn shot(section: &mut Section<'_>) -> Option<ScpiShot> {
    let commands = lines(section, "commands");
    let status = line(section, "status");
    let running: Option<u32> = section.optional("running");
    let finished: Option<u32> = section.optional("finished");
    let told = match (running, finished) {
        (Some(bits), None) if bits != 0 => Some(ScpiTold::Running(bits)),
        (None, Some(bits)) if bits != 0 => Some(ScpiTold::Finished(bits)),
        _ => {
            section.wrong(
                "status",
                "needs either running or finished: the bits of its answer",
            );
            None
        }
    };
    let fetch = line(section, "fetch");
    let abort: Option<String> = section.optional("abort");
    let abort = match abort {
        None => None,
        Some(line) => Some(checked(section, "abort", line)?),
    };
    Some(ScpiShot {
        commands: commands?,
        status: status?,
        told: told?,
        fetch: fetch?,
        abort,
    })
}
