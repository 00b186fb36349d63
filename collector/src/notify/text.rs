//! A notice in words: enough for a crew to drive on, and to stay unhurt.
//!
//! What is not known is said to be so; no number is made up. Widths fit a phone and a terminal.

use std::fmt::Write;

use serde_json::Value;
use silkline_protocol::permit::Fields;
use silkline_protocol::time::Timestamp;

use super::language::{ENGLISH, Words, fill};
use super::message::Message;
use crate::api::incidents::{Beside, Incident, Place};

/// The subject of a mail.
#[must_use]
pub fn subject(message: &Message, words: &Words) -> String {
    let reason = words.reason(&message.reason);
    let headline = one_line(&headline(message, words));
    match &message.incident {
        None => format!("[silkline] {reason}: {headline}"),
        Some(incident) => {
            let severity = words.severity(incident.severity);
            format!("[silkline] {severity}, {reason}: {headline}")
        }
    }
}

/// One line to drive on: the engine's own in English, one made of the place in other languages.
#[must_use]
pub fn headline(message: &Message, words: &Words) -> String {
    match &message.incident {
        None if message.reason == "test" => words.text.test.clone(),
        Some(incident) if words.name != ENGLISH => Letter::new(words).headline(incident),
        _ => message.text.clone(),
    }
}

/// The body of a mail.
#[must_use]
pub fn body(message: &Message, words: &Words) -> String {
    let mut out = Letter::new(words);
    let headline = headline(message, words);
    out.line(&headline);
    match &message.incident {
        None => {
            out.line("");
            let reason = words.reason(&message.reason);
            out.line(&format!("{reason}, {}", clock(message.at)));
        }
        Some(incident) => {
            if headline != message.text {
                out.line(&message.text);
            }
            out.life(message, incident);
            out.at_work(incident);
            out.place(&incident.place);
            out.distances(incident);
            out.what(incident);
            out.safety(incident);
        }
    }
    out.line("");
    if let Some(link) = &message.link {
        out.sentence(&words.text.page, &[("link", link)]);
    }
    let ids = [
        ("incident", message.incident_id.as_str()),
        ("notice", message.id.as_str()),
    ];
    out.sentence(&words.text.ids, &ids);
    out.text
}

/// Text that grows, in one language.
struct Letter<'a> {
    words: &'a Words,
    text: String,
}

impl<'a> Letter<'a> {
    const fn new(words: &'a Words) -> Self {
        Self {
            words,
            text: String::new(),
        }
    }

    fn headline(&self, incident: &Incident) -> String {
        let place = &incident.place;
        let mut parts = vec![
            self.words.kind(&incident.kind).to_owned(),
            place.line.to_string(),
        ];
        parts.extend(place.span.as_ref().map(|span| span.replace("..", " - ")));
        parts.extend(place.node.clone());
        if let (Some(at), Some([low, high])) = (place.chainage_m, place.interval95_m) {
            let half = self.length((at - low).max(high - at));
            parts.push(format!("{} ± {half}", self.km(at)));
        }
        let near = [&place.before, &place.after].into_iter().flatten();
        let near = near.min_by(|a, b| a.offset_m.abs().total_cmp(&b.offset_m.abs()));
        parts.extend(near.map(|beside| self.offset(beside)));
        parts.join(", ")
    }

    fn life(&mut self, message: &Message, incident: &Incident) {
        let words = self.words;
        let told = [
            ("severity", words.severity(incident.severity)),
            ("reason", words.reason(&message.reason)),
            ("time", &clock(message.at)),
        ];
        self.sentence(&words.text.told, &told);
        self.sentence(&words.text.opened, &[("time", &clock(incident.opened))]);
        if let Some(cleared) = incident.cleared {
            self.sentence(&words.text.over, &[("time", &clock(cleared))]);
        }
    }

    /// Who is at these fibres: whoever comes must know before anything else.
    fn at_work(&mut self, incident: &Incident) {
        let words = self.words;
        for permit in &incident.permits {
            let Fields {
                id,
                person,
                contact,
                fibres,
                until,
                ..
            } = permit.fields();
            let known = [person, contact].map(String::as_str);
            let known: Vec<&str> = known.into_iter().filter(|it| !it.is_empty()).collect();
            let named: Vec<String> = fibres.iter().map(ToString::to_string).collect();
            let fibres = if named.is_empty() {
                words.text.all_fibres.clone()
            } else {
                named.join(" ")
            };
            let values = [
                ("who", &*known.join(", ")),
                ("until", &*clock(*until)),
                ("id", id.as_str()),
                ("fibres", &*fibres),
            ];
            self.entry(&words.label.at_work, &fill(&words.text.at_work, &values));
        }
    }

    fn place(&mut self, place: &Place) {
        let words = self.words;
        let label = &words.label;
        self.heading(&words.heading.place);
        self.entry(&label.line, place.line.as_str());
        if let Some(span) = &place.span {
            self.entry(&label.span, &span.replace("..", " - "));
        }
        if let Some(node) = &place.node {
            self.entry(&label.at, node);
        }
        match place.chainage_m {
            Some(at) => self.entry(&label.route, &self.located(at, place.interval95_m)),
            None => self.entry(&label.route, &words.text.unlocated),
        }
        if let Some([low, high]) = place.interval50_m {
            let ends = [("low", &*self.km(low)), ("high", &*self.km(high))];
            self.entry(&label.likeliest, &fill(&words.text.half, &ends));
        }
        for (name, beside) in [(&*label.landmarks, &place.before), ("", &place.after)] {
            if let Some(beside) = beside {
                self.entry(name, &self.offset(beside));
            }
        }
        if let Some(post) = &place.post {
            self.entry(&label.post, post);
        }
        if let (Some(lat), Some(lon)) = (place.lat, place.lon) {
            self.entry(&label.coordinates, &format!("{lat:.6}, {lon:.6} (WGS 84)"));
            self.entry("", &format!("geo:{lat:.6},{lon:.6}"));
            self.entry("", &map_link(lat, lon));
        }
        if let Some(depth) = place.depth_m {
            let metres = format!("{depth:.1}");
            self.entry(
                &label.depth,
                &fill(&words.text.metres, &[("metres", &metres)]),
            );
        }
        if place.fibres_watched > 0 {
            let (dark, watched) = (
                place.fibres_dark.to_string(),
                place.fibres_watched.to_string(),
            );
            let counts = [("dark", &*dark), ("watched", &*watched)];
            self.entry(&label.fibres, &fill(&words.text.dark, &counts));
        }
        self.doubts(place);
    }

    /// Other places that it may be, contradictions and notes.
    fn doubts(&mut self, place: &Place) {
        let words = self.words;
        let several = place.candidates.len() > 1;
        for candidate in place.candidates.iter().filter(|_| several) {
            let at = self.located(candidate.chainage_m, Some(candidate.interval95_m));
            let percent = format!("{:.0}", candidate.weight * 100.0);
            let values = [("place", &*at), ("percent", &*percent)];
            self.entry(&words.label.possible, &fill(&words.text.weight, &values));
        }
        if !place.consistent {
            self.entry(&words.label.beware, &words.text.contradict);
        }
        for note in &place.notes {
            self.entry(&words.label.note, note);
        }
    }

    /// What each instrument saw along the glass: what a crew compares with its own OTDR.
    fn distances(&mut self, incident: &Incident) {
        let text = &self.words.text;
        let shots = incident.evidence.iter().filter_map(|evidence| {
            let view = evidence.get("view").and_then(Value::as_str)?;
            let optical = evidence.get("optical_m").and_then(Value::as_f64)?;
            let index = evidence.get("group_index").and_then(Value::as_f64);
            let index = index.map(|index| fill(&text.index, &[("index", &format!("{index:.4}"))]));
            let from = evidence.get("after").and_then(Value::as_str);
            let from = from.map(|node| fill(&text.glass_from, &[("node", node)]));
            let metres = format!("{optical:.1}");
            let glass = fill(&text.glass, &[("view", view), ("metres", &metres)]);
            Some(glass + &from.unwrap_or_default() + &index.unwrap_or_default())
        });
        let shots: Vec<String> = shots.collect();
        if shots.is_empty() {
            return;
        }
        self.heading(&self.words.heading.distance);
        for shot in shots {
            self.line(&format!("  {shot}"));
        }
    }

    fn what(&mut self, incident: &Incident) {
        let label = &self.words.label;
        self.heading(&self.words.heading.what);
        self.entry(&label.kind, self.words.kind(&incident.kind));
        if !incident.cause.is_empty() {
            self.entry(&label.cause, &incident.cause);
        }
        if !incident.affected.is_empty() {
            self.entry(&label.affected, &incident.affected.join(", "));
        }
        let lasting = incident.anomalies.iter().filter(|it| it.to.is_none());
        for anomaly in lasting.take(8) {
            let point = anomaly.point.as_deref().unwrap_or_default();
            let (device, kind) = (&anomaly.device, anomaly.kind.replace('_', " "));
            let seen = format!("{device} {point} {kind}, {}", anomaly.detail);
            self.entry(&label.seen, &seen);
        }
        let people = incident.history.iter().rev();
        if let Some(last) = people.into_iter().find(|entry| entry.who != "silkline") {
            self.entry(&label.last_word, &format!("{}: {}", last.who, last.what));
        }
    }

    fn safety(&mut self, incident: &Incident) {
        let kind = incident.kind.as_str();
        if !matches!(kind, "break" | "degradation" | "power_feed" | "equipment") {
            return;
        }
        let safety = &self.words.safety;
        self.heading(&self.words.heading.safety);
        for text in safety.light.iter().chain(&safety.high_voltage) {
            self.line(&format!("  {text}"));
        }
    }

    /// A chainage with its 95 % interval, the longer side of it as half width.
    fn located(&self, at: f64, interval: Option<[f64; 2]>) -> String {
        let Some([low, high]) = interval else {
            return self.km(at);
        };
        let half = (at - low).max(high - at);
        let values = [
            ("place", &*self.km(at)),
            ("half", &*self.length(half)),
            ("low", &*self.km(low)),
            ("high", &*self.km(high)),
        ];
        fill(&self.words.text.interval, &values)
    }

    fn offset(&self, beside: &Beside) -> String {
        let text = &self.words.text;
        let way = if beside.offset_m < 0.0 {
            &text.before
        } else {
            &text.past
        };
        let distance = self.length(beside.offset_m.abs());
        fill(
            way,
            &[("distance", &distance), ("landmark", &beside.landmark)],
        )
    }

    fn km(&self, metres: f64) -> String {
        let km = format!("{:.3}", metres / 1_000.0);
        fill(&self.words.text.km, &[("km", &km)])
    }

    fn length(&self, metres: f64) -> String {
        let text = &self.words.text;
        if metres < 1_000.0 {
            fill(&text.metres, &[("metres", &format!("{metres:.0}"))])
        } else {
            let kilometres = format!("{:.2}", metres / 1_000.0);
            fill(&text.kilometres, &[("kilometres", &kilometres)])
        }
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    fn entry(&mut self, name: &str, value: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "  {name:<12} {value}");
    }

    fn sentence(&mut self, sentence: &str, values: &[(&str, &str)]) {
        let filled = fill(sentence, values);
        self.line(&filled);
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }
}

/// The time to the second, as people write it.
fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.get(..19).unwrap_or(&text);
    format!("{} UTC", seconds.replace('T', " "))
}

/// Where a phone shows the place: a map that anybody can open.
fn map_link(lat: f64, lon: f64) -> String {
    format!("https://www.openstreetmap.org/?mlat={lat:.6}&mlon={lon:.6}&zoom=16")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;
    use crate::notify::language::Language;

    fn of(reason: &str) -> Message {
        Message::of(&example::row(reason), Some("https://noc.example"))
    }

    fn english() -> Words {
        Language::En.words().unwrap()
    }

    #[test]
    fn a_crew_can_drive_on_it() {
        let text = body(&of("located"), &english());
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
            "https://www.openstreetmap.org/?mlat=40.792345&mlon=46.112345&zoom=16",
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
    fn who_works_at_these_fibres_is_told_in_every_language() {
        let at = Timestamp::from_seconds(1_700_000_000);
        let until = at + core::time::Duration::from_secs(3600);
        let permit = crate::permits::tests::permit("p-17", "dsw", at, until);
        let mut message = of("located");
        message.incident.as_mut().unwrap().permits = vec![permit];
        use Language::{Az, En, Ka, Kk, Ru, Tr};
        for language in [En, Az, Ru, Tr, Ka, Kk] {
            let text = body(&message, &language.words().unwrap());
            for wanted in ["Aysel, +994 12 555 01 00", "p-17", "23:13:20"] {
                assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
            }
            assert!(!text.contains('{'), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        let mut message = of("opened");
        message.text = "No light on Digital Silk Way, span ganja - dallar".to_owned();
        let place = &mut message.incident.as_mut().unwrap().place;
        (place.chainage_m, place.interval95_m, place.interval50_m) = (None, None, None);
        (place.lat, place.lon, place.post) = (None, None, None);
        (place.before, place.after) = (None, None);
        let text = body(&message, &english());
        assert!(text.contains("not located more closely yet"), "{text}");
        assert!(!text.contains("geo:") && !text.contains('±'), "{text}");
    }

    #[test]
    fn a_subject_is_one_line_and_says_why() {
        let mut message = of("worse");
        message.text = "Break\nBcc: all@noc.example".to_owned();
        assert_eq!(
            subject(&message, &english()),
            "[silkline] CRITICAL, worse: Break Bcc: all@noc.example"
        );
        message.incident = None;
        assert!(subject(&message, &english()).starts_with("[silkline] worse: "));
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
        let text = body(&message, &english());
        assert!(
            text.contains("km 31.000 ± 20 m") && text.contains("weight 50 %"),
            "{text}"
        );
        assert!(text.contains("contradict"), "{text}");
    }

    #[test]
    fn a_crew_reads_its_own_language() {
        let message = of("located");
        for (language, wanted) in [
            (
                Language::Ru,
                ["обрыв волокна", "420 м после closure 7", "БЕЗОПАСНОСТЬ"],
            ),
            (
                Language::Az,
                ["lif qırılması", "closure 7: 420 m sonra", "TƏHLÜKƏSİZLİK"],
            ),
            (
                Language::Tr,
                [
                    "fiber kopması",
                    "closure 7 noktasından 420 m sonra",
                    "GÜVENLİK",
                ],
            ),
            (
                Language::Ka,
                ["ბოჭკოს გაწყვეტა", "closure 7: 420 მ შემდეგ", "უსაფრთხოება"],
            ),
            (
                Language::Kk,
                ["талшықтың үзілуі", "closure 7: 420 м кейін", "ҚАУІПСІЗДІК"],
            ),
        ] {
            let words = language.words().unwrap();
            let text = body(&message, &words);
            for wanted in wanted {
                assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
            }
            assert!(text.contains("geo:40.792345,46.112345"), "{text}");
            assert!(!text.contains('{'), "a place was not filled:\n{text}");
            assert!(subject(&message, &words).contains("28.420"), "{language:?}");
        }
    }
}
