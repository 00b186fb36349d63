//! The body of a message to a web address, in the form that its receiver takes.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::language::{Words, fill};
use super::message::Message;
use super::text;
use crate::api::incidents::Severity;

/// How long an alert stays alight at an Alertmanager that hears no more of it, in days: an incident
/// that is still open is told again long before.
const ALIGHT_DAYS: u64 = 30;
const DAY: u64 = 86_400;

/// The same for what is told once and is no incident, a test among it.
const SAID_ONCE: Duration = Duration::from_secs(600);

/// What a body looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole notice for programs.
    Silkline,
    /// `{"text": …}`, as chat servers take it.
    Chat,
    /// A list of one alert, as an Alertmanager's API v2 takes it.
    Alertmanager,
    /// JSON of one's own, with places to fill.
    Template(String),
}

/// The places that a template may have.
const PLACES: [&str; 12] = [
    "notice",
    "incident",
    "reason",
    "severity",
    "kind",
    "line",
    "headline",
    "text",
    "link",
    "lat",
    "lon",
    "chainage_m",
];

impl Form {
    /// The template in the file at `path`.
    ///
    /// # Errors
    ///
    /// In words, where it cannot be read, or is no JSON once its places are filled.
    pub fn template(path: &Path) -> Result<Self, String> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|error| format!("{}: {error}", path.display()))?;
        let filled = fill(&text, &PLACES.map(|place| (place, "0")));
        serde_json::from_str::<Value>(&filled).map_err(|error| {
            let places = PLACES.join("}, {");
            format!(
                "{}: {error}; want JSON once its places are filled, which are {{{places}}}",
                path.display()
            )
        })?;
        Ok(Self::Template(text))
    }

    /// The body that tells `message`.
    #[must_use]
    pub fn body(&self, message: &Message, words: &Words) -> String {
        match self {
            Self::Silkline => message.to_json().to_string(),
            Self::Chat => json!({ "text": chat(message, words) }).to_string(),
            Self::Alertmanager => json!([alert(message, words)]).to_string(),
            Self::Template(template) => templated(template, message, words),
        }
    }
}

/// A few lines: who wants more follows the link.
fn chat(message: &Message, words: &Words) -> String {
    let mut lines = vec![text::subject(message, words)];
    let place = message.incident.as_ref().map(|incident| &incident.place);
    let at = place.and_then(|place| place.lat.zip(place.lon));
    lines.extend(at.map(|(lat, lon)| format!("{lat:.6}, {lon:.6}  geo:{lat:.6},{lon:.6}")));
    let link = message.link.as_ref();
    lines.extend(link.map(|link| fill(&words.text.page, &[("link", link)])));
    lines.join("\n")
}

/// An alert: its labels stay the same for the life of the incident, so that it is one alert.
fn alert(message: &Message, words: &Words) -> Value {
    let incident = message.incident.as_ref();
    let over = incident.and_then(|incident| incident.cleared);
    // What is no incident, a test among it, has no end of its own.
    let alight = incident.map_or(SAID_ONCE, |_| Duration::from_secs(ALIGHT_DAYS * DAY));
    let ends = over.unwrap_or(message.at + alight);
    let starts = incident.map_or(message.at, |incident| incident.opened);
    json!({
        "labels": {
            "alertname": "silkline",
            "incident": message.incident_id,
            "line": incident.map(|incident| incident.place.line.to_string()).unwrap_or_default(),
            "kind": incident.map(|incident| incident.kind.clone()).unwrap_or_default(),
        },
        "annotations": {
            "summary": text::headline(message, words),
            "description": text::body(message, words),
            "severity": incident.map(|incident| severity(incident.severity)).unwrap_or_default(),
            "notice": message.id,
        },
        "startsAt": starts,
        "endsAt": ends,
        "generatorURL": message.link.clone().unwrap_or_default(),
    })
}

fn templated(template: &str, message: &Message, words: &Words) -> String {
    let incident = message.incident.as_ref();
    let place = incident.map(|incident| &incident.place);
    let number =
        |number: Option<f64>| number.map_or_else(|| "null".to_owned(), |it| it.to_string());
    let values = [
        message.id.clone(),
        message.incident_id.clone(),
        message.reason.clone(),
        incident
            .map(|incident| severity(incident.severity))
            .unwrap_or_default()
            .to_owned(),
        incident
            .map(|incident| incident.kind.clone())
            .unwrap_or_default(),
        place
            .map(|place| place.line.to_string())
            .unwrap_or_default(),
        text::headline(message, words),
        text::body(message, words),
        message.link.clone().unwrap_or_default(),
        number(place.and_then(|place| place.lat)),
        number(place.and_then(|place| place.lon)),
        number(place.and_then(|place| place.chainage_m)),
    ]
    .map(|value| escaped(&value));
    let mut filled = PLACES.map(|place| (place, ""));
    for (place, value) in filled.iter_mut().zip(&values) {
        place.1 = value;
    }
    fill(template, &filled)
}

/// A text as it stands between the quotes of JSON.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Major => "major",
        Severity::Minor => "minor",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;
    use crate::notify::language::Language;

    fn message(reason: &str) -> Message {
        Message::of(&example::row(reason), Some("https://noc.example"))
    }

    fn body(form: &Form, message: &Message) -> Value {
        let words = Language::En.words().unwrap();
        serde_json::from_str(&form.body(message, &words)).unwrap()
    }

    #[test]
    fn a_chat_gets_a_few_lines() {
        let body = body(&Form::Chat, &message("located"));
        let text = body["text"].as_str().unwrap();
        assert!(
            text.starts_with("[silkline] CRITICAL, located: Break on"),
            "{text}"
        );
        assert!(text.contains("geo:40.792345,46.112345"), "{text}");
        assert!(
            text.ends_with("https://noc.example/#/incident/i-1"),
            "{text}"
        );
    }

    #[test]
    fn an_alert_keeps_its_labels_and_ends_with_its_incident() {
        let opened = body(&Form::Alertmanager, &message("opened"));
        let mut over = message("cleared");
        let cleared = over.at;
        over.incident.as_mut().unwrap().cleared = Some(cleared);
        let over = body(&Form::Alertmanager, &over);
        assert_eq!(opened[0]["labels"], over[0]["labels"], "one alert");
        assert_eq!(over[0]["endsAt"], json!(cleared));
        assert!(opened[0]["endsAt"].as_str() > over[0]["endsAt"].as_str());
        assert_eq!(opened[0]["annotations"]["severity"], "critical");
    }

    #[test]
    fn an_alert_of_a_test_is_soon_over() {
        let test = Message {
            incident: None,
            ..message("test")
        };
        let alert = body(&Form::Alertmanager, &test);
        assert_eq!(alert[0]["endsAt"], json!(test.at + SAID_ONCE));
    }

    #[test]
    fn a_template_is_filled_and_stays_json() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ticket.json");
        let text = r#"{"title": "{severity}: {headline}", "body": "{text}", "at": [{lat}, {lon}]}"#;
        std::fs::write(&file, text).unwrap();
        let form = Form::template(&file).unwrap();
        let mut message = message("located");
        message.text = "a \"break\" with a \\ and a\nline {lat}".to_owned();
        let body = body(&form, &message);
        assert_eq!(
            body["title"],
            "critical: a \"break\" with a \\ and a\nline {lat}"
        );
        assert_eq!(body["at"], json!([40.792_345, 46.112_345]));
        assert!(body["body"].as_str().unwrap().contains("SAFETY"));
    }

    #[test]
    fn a_template_that_is_no_json_is_refused_with_what_it_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ticket.json");
        assert!(Form::template(&file).unwrap_err().contains("ticket.json"));
        std::fs::write(&file, "{\"a\": {colour}}").unwrap();
        let refused = Form::template(&file).unwrap_err();
        assert!(refused.contains("{headline}"), "{refused}");
    }
}
