//! A notice in words: enough for a crew to drive on, and to stay unhurt.
//!
//! What is not known is said to be so; no number is made up. Widths fit a phone and a terminal.

use std::fmt::Write;

use serde_json::Value;
use silkline_protocol::time::Timestamp;

use super::message::Message;
use crate::api::incidents::{Beside, Incident, Place, Severity};

/// What everybody who opens a closure must have read.
const SAFETY: [&str; 4] = [
    "Treat every fibre as live: the light is invisible and can blind.",
    "Never look into a fibre end, a connector or a microscope without a filter.",
    "Lasers may come back at any moment: have the NOC confirm that they are",
    "locked off before you cut, clean or splice.",
];
/// What is added for a cable that may carry power for repeaters.
const HIGH_VOLTAGE: [&str; 3] = [
    "If it is a submarine cable: it may carry up to 15 kV, also after a break.",
    "No work on it before the power safety officers of both ends have earthed",
    "it and said so in writing.",
];

/// The subject of a mail.
#[must_use]
pub fn subject(message: &Message) -> String {
    let Some(incident) = &message.incident else {
        return format!("[silkline] {}: {}", message.reason, one_line(&message.text));
    };
    let severity = loud(incident.severity);
    format!(
        "[silkline] {severity}, {}: {}",
        message.reason,
        one_line(&message.text)
    )
}

/// The body of a mail.
#[must_use]
pub fn body(message: &Message) -> String {
    let mut out = String::new();
    line(&mut out, &message.text);
    match &message.incident {
        None => {
            line(&mut out, "");
            line(
                &mut out,
                &format!("{}, {}", message.reason, clock(message.at)),
            );
        }
        Some(incident) => {
            life(&mut out, message, incident);
            place(&mut out, &incident.place);
            distances(&mut out, incident);
            what(&mut out, incident);
            safety(&mut out, incident);
        }
    }
    line(&mut out, "");
    if let Some(link) = &message.link {
        line(&mut out, &format!("On the page: {link}"));
    }
    line(
        &mut out,
        &format!("Incident {}, notice {}", message.incident_id, message.id),
    );
    out
}

fn life(out: &mut String, message: &Message, incident: &Incident) {
    let severity = loud(incident.severity);
    line(
        out,
        &format!("{severity}, {} at {}", message.reason, clock(message.at)),
    );
    line(out, &format!("opened {}", clock(incident.opened)));
    if let Some(cleared) = incident.cleared {
        line(out, &format!("over since {}", clock(cleared)));
    }
}

fn place(out: &mut String, place: &Place) {
    heading(out, "WHERE");
    entry(out, "line", place.line.as_str());
    if let Some(span) = &place.span {
        entry(out, "span", &span.replace("..", " - "));
    }
    if let Some(node) = &place.node {
        entry(out, "at", node);
    }
    match place.chainage_m {
        Some(at) => entry(out, "route", &located(at, place.interval95_m)),
        None => entry(out, "route", "not located more closely yet"),
    }
    if let Some([low, high]) = place.interval50_m {
        entry(
            out,
            "likeliest",
            &format!("{} to {} (50 %)", km(low), km(high)),
        );
    }
    for (name, beside) in [("landmarks", &place.before), ("", &place.after)] {
        if let Some(beside) = beside {
            entry(out, name, &offset(beside));
        }
    }
    if let Some(post) = &place.post {
        entry(out, "post", post);
    }
    if let (Some(lat), Some(lon)) = (place.lat, place.lon) {
        entry(out, "coordinates", &format!("{lat:.6}, {lon:.6} (WGS 84)"));
        entry(out, "", &format!("geo:{lat:.6},{lon:.6}"));
    }
    if let Some(depth) = place.depth_m {
        entry(out, "depth", &format!("{depth:.1} m"));
    }
    if place.fibres_watched > 0 {
        let (dark, watched) = (place.fibres_dark, place.fibres_watched);
        entry(out, "fibres", &format!("{dark} dark of {watched} watched"));
    }
    for candidate in place
        .candidates
        .iter()
        .filter(|_| place.candidates.len() > 1)
    {
        let at = located(candidate.chainage_m, Some(candidate.interval95_m));
        entry(
            out,
            "possible",
            &format!("{at}, weight {:.0} %", candidate.weight * 100.0),
        );
    }
    if !place.consistent {
        entry(out, "beware", "the sources contradict one another");
    }
    for note in &place.notes {
        entry(out, "note", note);
    }
}

/// What each instrument saw along the glass: what a crew compares with its own OTDR.
fn distances(out: &mut String, incident: &Incident) {
    let shots = incident.evidence.iter().filter_map(|evidence| {
        let view = evidence.get("view").and_then(Value::as_str)?;
        let optical = evidence.get("optical_m").and_then(Value::as_f64)?;
        let index = evidence.get("group_index").and_then(Value::as_f64);
        let index = index.map_or_else(String::new, |index| format!(" at group index {index:.4}"));
        let from = evidence.get("after").and_then(Value::as_str);
        let from = from.map_or_else(String::new, |node| format!(" after {node}"));
        Some(format!("view {view}: {optical:.1} m of glass{from}{index}"))
    });
    let shots: Vec<String> = shots.collect();
    if shots.is_empty() {
        return;
    }
    heading(out, "OPTICAL DISTANCE");
    for shot in shots {
        line(out, &format!("  {shot}"));
    }
}

fn what(out: &mut String, incident: &Incident) {
    heading(out, "WHAT");
    entry(out, "kind", &incident.kind.replace('_', " "));
    if !incident.cause.is_empty() {
        entry(out, "cause", &incident.cause);
    }
    if !incident.affected.is_empty() {
        entry(out, "affected", &incident.affected.join(", "));
    }
    let lasting = incident
        .anomalies
        .iter()
        .filter(|anomaly| anomaly.to.is_none());
    for anomaly in lasting.take(8) {
        let point = anomaly.point.as_deref().unwrap_or_default();
        let (device, kind) = (&anomaly.device, anomaly.kind.replace('_', " "));
        entry(
            out,
            "seen",
            &format!("{device} {point} {kind}, {}", anomaly.detail),
        );
    }
    if let Some(last) = incident
        .history
        .iter()
        .rev()
        .find(|entry| entry.who != "silkline")
    {
        entry(out, "last word", &format!("{}: {}", last.who, last.what));
    }
}

fn safety(out: &mut String, incident: &Incident) {
    if !matches!(
        incident.kind.as_str(),
        "break" | "degradation" | "power_feed" | "equipment"
    ) {
        return;
    }
    heading(out, "SAFETY");
    for text in SAFETY.iter().chain(&HIGH_VOLTAGE) {
        line(out, &format!("  {text}"));
    }
}

/// A chainage with its 95 % interval, the longer side of it as half width.
fn located(at: f64, interval: Option<[f64; 2]>) -> String {
    let Some([low, high]) = interval else {
        return km(at);
    };
    let half = (at - low).max(high - at);
    format!(
        "{} ± {} (95 %: {} to {})",
        km(at),
        length(half),
        km(low),
        km(high)
    )
}

fn offset(beside: &Beside) -> String {
    let way = if beside.offset_m < 0.0 {
        "before"
    } else {
        "past"
    };
    format!(
        "{} {way} {}",
        length(beside.offset_m.abs()),
        beside.landmark
    )
}

fn km(metres: f64) -> String {
    format!("km {:.3}", metres / 1000.0)
}

fn length(metres: f64) -> String {
    if metres < 1000.0 {
        format!("{metres:.0} m")
    } else {
        format!("{:.2} km", metres / 1000.0)
    }
}

fn loud(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Major => "MAJOR",
        Severity::Minor => "MINOR",
        Severity::Warning => "WARNING",
    }
}

/// The time to the second, as people write it.
fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.get(..19).unwrap_or(&text);
    format!("{} UTC", seconds.replace('T', " "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn heading(out: &mut String, text: &str) {
    line(out, "");
    line(out, text);
}

fn entry(out: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {name:<12} {value}");
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    fn of(reason: &str) -> Message {
        Message::of(&example::row(reason), Some("https://noc.example"))
    }

    #[test]
    fn a_crew_can_drive_on_it() {
        let text = body(&of("located"));
        for wanted in [
            "Break on Digital Silk Way, km 28.420",
            "CRITICAL, located at 2023-11-14 22:13:20 UTC",
            "km 28.420 ± 18 m (95 %: km 28.402 to km 28.438)",
            "span         ganja - dallar",
            "420 m past closure 7",
            "12.58 km before dallar",
            "214+320",
            "40.792345, 46.112345 (WGS 84)",
            "geo:40.792345,46.112345",
            "view ganja-b: 28780.5 m of glass at group index 1.4682",
            "2 dark of 2 watched",
            "  Treat every fibre as live: the light is invisible and can blind.",
            "https://noc.example/#/incident/i-1",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        let mut message = of("opened");
        message.text = "No light on Digital Silk Way, span ganja - dallar".to_owned();
        let place = &mut message.incident.as_mut().unwrap().place;
        (place.chainage_m, place.interval95_m, place.interval50_m) = (None, None, None);
        (place.lat, place.lon, place.post) = (None, None, None);
        (place.before, place.after) = (None, None);
        let text = body(&message);
        assert!(text.contains("not located more closely yet"), "{text}");
        assert!(!text.contains("geo:") && !text.contains('±'), "{text}");
    }

    #[test]
    fn a_subject_is_one_line_and_says_why() {
        let mut message = of("worse");
        message.text = "Break\nBcc: all@noc.example".to_owned();
        assert_eq!(
            subject(&message),
            "[silkline] CRITICAL, worse: Break Bcc: all@noc.example"
        );
        message.incident = None;
        assert!(subject(&message).starts_with("[silkline] worse: "));
    }

    #[test]
    fn two_possible_places_are_both_told() {
        let mut message = of("located");
        let place = &mut message.incident.as_mut().unwrap().place;
        place.consistent = false;
        place.candidates = [28_420.0, 31_000.0]
            .map(|at| crate::api::incidents::Candidate {
                chainage_m: at,
                interval95_m: [at - 20.0, at + 20.0],
                weight: 0.5,
                sources: vec!["e1".to_owned()],
            })
            .to_vec();
        let text = body(&message);
        assert!(
            text.contains("km 31.000 ± 20 m") && text.contains("weight 50 %"),
            "{text}"
        );
        assert!(text.contains("contradict"), "{text}");
    }
}
