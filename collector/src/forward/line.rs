//! InfluxDB's line protocol, built by hand: a line is never wrong, so a batch is never refused.
//!
//! ```text
//!   reading,line=L,site=S,device=D,point=P value=-17.2 1767323045000000000
//!   reading,… dark=1i 1767323045000000000          no light
//!   reading,… bad="timeout" 1767323045000000000    no reading, and why
//!   incident,line=L,incident=I,kind=break state="open",severity="critical",active=1i,… …
//!   anomaly,line=L,device=S.D,point=P,kind=dark severity="critical",detail="…",active=1i …
//!   trace,line=L,site=S,device=D,view=V,trigger=schedule end_m=79992.1,total_loss_db=16.2,events=9i,… …
//! ```
//!
//! A value that is not finite and a tag that is empty are left out: one of them makes a server
//! refuse the whole batch.
//!
//! # Source
//!
//! InfluxData, "Line protocol", section "Special characters".

use serde_json::Value;
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use crate::store::rows::{AnomalyRow, IncidentRow, SampleRow, TraceRow};

/// Lines for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines, each with its line feed.
    pub text: String,
    /// How many.
    pub count: usize,
}

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// A number with a fraction.
    Float(f64),
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(&'a str),
}

impl Lines {
    /// Adds a line for each reading of a sample.
    pub fn sample(&mut self, row: &SampleRow) {
        for (point, reading) in &row.sample.readings {
            let tags = [
                ("line", row.line.as_str()),
                ("site", row.site.as_str()),
                ("device", row.device.as_str()),
                ("point", point.as_str()),
            ];
            let bad;
            let field = match reading {
                Reading::Value(value) => ("value", Field::Float(*value)),
                Reading::Dark => ("dark", Field::Whole(1)),
                Reading::Bad(why) => {
                    bad = serde_json::to_value(why).unwrap_or_default();
                    ("bad", Field::Text(bad.as_str().unwrap_or("unknown")))
                }
            };
            self.push("reading", &tags, &[field], row.sample.at);
        }
    }

    /// Adds a line for an incident as it stands.
    pub fn incident(&mut self, row: &IncidentRow) {
        let text = |key: &str| text_of(&row.json, key);
        let place = |key: &str| row.json.get("place").and_then(|place| place.get(key));
        let number = |value: Option<&Value>| value.and_then(Value::as_f64);
        let interval = |index| number(place("interval95_m").and_then(|pair| pair.get(index)));
        let Ok(at) = text("updated").parse() else {
            return;
        };
        let active = !matches!(text("state"), "cleared" | "closed");
        let mut fields = vec![
            ("state", Field::Text(text("state"))),
            ("severity", Field::Text(text("severity"))),
            ("headline", Field::Text(text("headline"))),
            ("active", Field::Whole(i64::from(active))),
        ];
        let figures = [
            ("chainage_m", number(place("chainage_m"))),
            ("from_m", interval(0)),
            ("to_m", interval(1)),
        ];
        fields.extend(
            figures
                .iter()
                .filter_map(|(key, value)| Some((*key, Field::Float((*value)?)))),
        );
        let tags = [
            ("line", row.line.as_str()),
            ("incident", row.id.as_str()),
            ("kind", text("kind")),
        ];
        self.push("incident", &tags, &fields, at);
    }

    /// Adds a line for an anomaly as it stands: at its beginning, and at its end once it has one.
    pub fn anomaly(&mut self, row: &AnomalyRow) {
        let text = |key: &str| text_of(&row.json, key);
        let ended = text("to");
        let (at, active) = match ended {
            "" => (text("raised"), 1),
            ended => (ended, 0),
        };
        let Ok(at) = at.parse() else {
            return;
        };
        let tags = [
            ("line", text("line")),
            ("device", text("device")),
            ("point", text("point")),
            ("kind", text("kind")),
        ];
        let fields = [
            ("severity", Field::Text(text("severity"))),
            ("detail", Field::Text(text("detail"))),
            ("active", Field::Whole(active)),
        ];
        self.push("anomaly", &tags, &fields, at);
    }

    /// Adds a line for what a trace shows.
    pub fn trace(&mut self, row: &TraceRow) {
        let found = row.analysis.as_ref();
        let part = |key: &str| found.and_then(|found| found.get(key));
        let number = |value: Option<&Value>| value.and_then(Value::as_f64).map(Field::Float);
        let count = |key| part(key).and_then(Value::as_array).map(Vec::len);
        let count = |key| count(key).and_then(|many| i64::try_from(many).ok());
        let end = part("end_of_fibre");
        let figures = [
            ("end_m", number(end.and_then(|end| end.get("at_m")))),
            ("total_loss_db", number(part("total_loss_db"))),
            ("orl_db", number(part("orl_db"))),
            ("noise_floor_db", number(part("noise_floor_db"))),
            ("events", count("events").map(Field::Whole)),
            ("changes", count("changes").map(Field::Whole)),
        ];
        let end_kind = end.map_or("", |end| text_of(end, "kind"));
        let mut fields = vec![
            ("end_kind", Field::Text(end_kind)),
            ("trace", Field::Whole(row.id.0)),
        ];
        let known = |(key, field): (_, Option<_>)| field.map(|field| (key, field));
        fields.extend(figures.into_iter().filter_map(known));
        let tags = [
            ("line", row.line.as_str()),
            ("site", row.site.as_str()),
            ("device", row.device.as_str()),
            ("view", row.view.as_ref().map_or("", |view| view.as_str())),
            ("trigger", row.trigger.word()),
        ];
        self.push("trace", &tags, &fields, row.at);
    }

    /// Adds a line, unless it has no field to show.
    pub fn push(
        &mut self,
        measurement: &str,
        tags: &[(&str, &str)],
        fields: &[(&str, Field<'_>)],
        at: Timestamp,
    ) {
        let start = self.text.len();
        escape(&mut self.text, measurement, ", ");
        for (key, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
            self.text.push(',');
            escape(&mut self.text, key, ",= ");
            self.text.push('=');
            escape(&mut self.text, value, ",= ");
        }
        let mut mark = ' ';
        for (key, field) in fields.iter().filter(|(_, field)| field.can_be_said()) {
            self.text.push(mark);
            escape(&mut self.text, key, ",= ");
            self.text.push('=');
            field.write(&mut self.text);
            mark = ',';
        }
        if mark == ' ' {
            self.text.truncate(start);
            return;
        }
        self.text.push(' ');
        self.text.push_str(&at.nanos().to_string());
        self.text.push('\n');
        self.count += 1;
    }
}

impl Field<'_> {
    const fn can_be_said(&self) -> bool {
        match self {
            Self::Float(value) => value.is_finite(),
            Self::Whole(_) | Self::Text(_) => true,
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Float(value) => text.push_str(&value.to_string()),
            Self::Whole(value) => {
                text.push_str(&value.to_string());
                text.push('i');
            }
            Self::Text(value) => {
                text.push('"');
                escape(text, value, "\"\\");
                text.push('"');
            }
        }
    }
}

/// The text under a key, nothing where there is none.
fn text_of<'a>(json: &'a Value, key: &str) -> &'a str {
    json.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Adds `word` with a backslash before each of `special`; line ends become blanks, for a line
/// cannot hold any, and a backslash at the end goes, for it would hide what follows.
fn escape(text: &mut String, word: &str, special: &str) {
    let quoted = special.starts_with('"');
    let word = if quoted {
        word
    } else {
        word.trim_end_matches('\\')
    };
    for letter in word.chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if special.contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use silkline_protocol::sample::{BadReading, Sample};

    use super::*;
    use crate::store::rows::RowId;

    fn at() -> Timestamp {
        Timestamp::from_seconds(7)
    }

    fn line(tags: &[(&str, &str)], fields: &[(&str, Field<'_>)]) -> String {
        let mut lines = Lines::default();
        lines.push("m", tags, fields, at());
        lines.text
    }

    #[test]
    fn what_is_special_is_escaped() {
        let made = line(
            &[("a b", "c,d=e f\\")],
            &[("x", Field::Text("he said \"\\\"\nand left"))],
        );
        assert_eq!(
            made,
            "m,a\\ b=c\\,d\\=e\\ f x=\"he said \\\"\\\\\\\" and left\" 7000000000\n"
        );
    }

    #[test]
    fn what_a_server_would_refuse_is_left_out() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(line(&[], &[("x", Field::Float(value))]), "");
        }
        let made = line(
            &[("empty", "")],
            &[("x", Field::Float(f64::NAN)), ("y", Field::Whole(1))],
        );
        assert_eq!(made, "m y=1i 7000000000\n");
    }

    #[test]
    fn every_reading_of_a_sample_is_a_line() {
        let readings = [
            ("in_power.1", Reading::Value(-17.25)),
            ("in_power.2", Reading::Dark),
            ("pump_bias.1", Reading::Bad(BadReading::OutOfRange)),
        ];
        let readings: BTreeMap<_, _> = readings
            .into_iter()
            .map(|(name, reading)| (name.parse().unwrap(), reading))
            .collect();
        let mut lines = Lines::default();
        lines.sample(&SampleRow {
            id: RowId(1),
            line: "baku-poti".parse().unwrap(),
            site: "ganja".parse().unwrap(),
            device: "edfa-1".parse().unwrap(),
            late: false,
            sample: Sample { at: at(), readings },
        });
        let tags = "reading,line=baku-poti,site=ganja,device=edfa-1,point=";
        let want = format!(
            "{tags}in_power.1 value=-17.25 7000000000\n{tags}in_power.2 dark=1i 7000000000\n\
             {tags}pump_bias.1 bad=\"out_of_range\" 7000000000\n"
        );
        assert_eq!((lines.text, lines.count), (want, 3));
    }

    #[test]
    fn an_incident_is_a_line_with_its_place() {
        let json = serde_json::json!({
            "state": "open", "severity": "critical", "kind": "break", "headline": "cut, near km 3",
            "updated": "1970-01-01T00:00:07Z",
            "place": {"chainage_m": 3000.5, "interval95_m": [2990.0, 3011.0]},
        });
        let mut lines = Lines::default();
        let (id, line) = ("i-1".parse().unwrap(), "baku-poti".parse().unwrap());
        lines.incident(&IncidentRow {
            id,
            revision: RowId(1),
            line,
            json,
        });
        assert_eq!(
            lines.text,
            "incident,line=baku-poti,incident=i-1,kind=break state=\"open\",severity=\"critical\",\
             headline=\"cut, near km 3\",active=1i,chainage_m=3000.5,from_m=2990,to_m=3011 \
             7000000000\n"
        );
    }
}
