//! An incident to take along: words for a mail, a place for a map, a picture, the whole for programs.

use core::fmt::Write;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use silkline_protocol::plant::{Line, Plant};
use silkline_protocol::unit::RouteLength;

use super::{Incident, Place};
use silkline_analysis::route::Ground;

use crate::notify::language::Language;
use crate::notify::message::Message;
use crate::notify::text;
use crate::plot::escaped;

/// Vertices of the stretch that may hold the fault: as many as a phone draws at once.
const VERTICES: u32 = 64;
/// How wide the picture of the line is.
const WIDTH: f64 = 900.0;
const MARGIN: f64 = 40.0;

/// The incident in the form called `form`, where there is one; its words are of `language`.
pub(super) fn alert(
    incident: &Incident,
    (form, language): (&str, Language),
    plant: &Plant,
) -> Option<Response> {
    let line = plant.line(&incident.place.line);
    let (kind, body) = match form {
        "json" => ("application/json", serde_json::to_string(incident).ok()?),
        "txt" => ("text/plain; charset=utf-8", words(incident, language)),
        "geojson" => {
            let map = geojson(incident, line.map(|line| (plant, line)));
            ("application/geo+json", map.to_string())
        }
        "kml" => (
            "application/vnd.google-earth.kml+xml",
            kml(incident, language, line.map(|line| (plant, line))),
        ),
        "svg" => (
            "image/svg+xml",
            line.map(|line| svg(incident, plant, line))?,
        ),
        _ => return None,
    };
    Some(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// A file that goes with a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What a crew takes along beside the words: a picture of the line, and the place for a map. Where
/// nothing is known of the place there is nothing to take.
#[must_use]
pub fn files(incident: &Incident, plant: &Plant) -> Vec<File> {
    let Some(line) = plant.line(&incident.place.line) else {
        return Vec::new();
    };
    let place = &incident.place;
    if place.interval95_m.is_none() && place.lat.is_none() {
        return Vec::new();
    }
    let named = |ending: &str| format!("{}.{ending}", incident.id);
    let on = Some((plant, line));
    let text = |ending, kind, text: String| File {
        name: named(ending),
        kind,
        bytes: text.into_bytes(),
    };
    let drawn = svg(incident, plant, line);
    let picture = match crate::plot::png(&drawn) {
        Ok(bytes) => File {
            name: named("png"),
            kind: "image/png",
            bytes,
        },
        Err(error) => {
            tracing::error!(%error, "the picture goes as it was drawn");
            text("svg", "image/svg+xml", drawn)
        }
    };
    vec![
        picture,
        text(
            "kml",
            "application/vnd.google-earth.kml+xml",
            kml(incident, Language::En, on),
        ),
        text(
            "geojson",
            "application/geo+json",
            geojson(incident, on).to_string(),
        ),
    ]
}

/// The last that happened to an incident, as every language has it.
const fn reason(incident: &Incident) -> &'static str {
    match (&incident.cleared, &incident.place.interval95_m) {
        (Some(_), _) => "cleared",
        (None, Some(_)) => "located",
        (None, None) => "opened",
    }
}

/// As a mail says it.
fn words(incident: &Incident, language: Language) -> String {
    let message = Message {
        id: incident.id.to_string(),
        at: incident.updated,
        reason: reason(incident).to_owned(),
        text: incident.headline.clone(),
        incident_id: incident.id.to_string(),
        incident: Some(incident.clone()),
        json: Value::Null,
        link: None,
        files: Vec::new(),
    };
    match language.words() {
        Ok(words) => text::body(&message, &words),
        // A test holds that the words are whole.
        Err(error) => format!("{}\n{error}\n", incident.headline),
    }
}

/// The stretch of the route that holds the fault with 95 %: longitude, latitude.
fn stretch(place: &Place, (plant, line): (&Plant, &Line)) -> Vec<[f64; 2]> {
    let Some([from, to]) = place.interval95_m else {
        return Vec::new();
    };
    let ground = Ground::of(plant, line);
    let at = |step: u32| {
        let share = f64::from(step) / f64::from(VERTICES);
        ground.at(RouteLength::of(from + (to - from) * share))
    };
    let found = (0..=VERTICES).filter_map(at);
    found.map(|place| [place.lon, place.lat]).collect()
}

fn geojson(incident: &Incident, on: Option<(&Plant, &Line)>) -> Value {
    let place = &incident.place;
    let about = json!({
        "incident": incident.id, "headline": incident.headline, "severity": incident.severity,
        "chainage_m": place.chainage_m, "interval95_m": place.interval95_m,
    });
    let mut features = Vec::new();
    if let (Some(lat), Some(lon)) = (place.lat, place.lon) {
        let point = json!({ "type": "Point", "coordinates": [lon, lat] });
        features.push(json!({ "type": "Feature", "geometry": point, "properties": about }));
    }
    let way = on.map(|on| stretch(place, on)).unwrap_or_default();
    if way.len() > 1 {
        let what = json!({ "what": "95 % interval", "incident": incident.id });
        let way = json!({ "type": "LineString", "coordinates": way });
        features.push(json!({ "type": "Feature", "geometry": way, "properties": what }));
    }
    json!({ "type": "FeatureCollection", "features": features })
}

fn kml(incident: &Incident, language: Language, on: Option<(&Plant, &Line)>) -> String {
    let place = &incident.place;
    let name = escaped(&incident.headline);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <kml xmlns=\"http://www.opengis.net/kml/2.2\"><Document><name>{name}</name>\n"
    );
    if let (Some(lat), Some(lon)) = (place.lat, place.lon) {
        let text = escaped(&words(incident, language));
        out.push_str(&format!(
            "<Placemark><name>{name}</name><description>{text}</description>\
             <Point><coordinates>{lon:.6},{lat:.6}</coordinates></Point></Placemark>\n"
        ));
    }
    let way = on.map(|on| stretch(place, on)).unwrap_or_default();
    if way.len() > 1 {
        let points: Vec<_> = way
            .iter()
            .map(|[lon, lat]| format!("{lon:.6},{lat:.6}"))
            .collect();
        out.push_str(&format!(
            "<Placemark><name>95 % interval</name><LineString><coordinates>{}</coordinates>\
             </LineString></Placemark>\n",
            points.join(" ")
        ));
    }
    out.push_str("</Document></kml>\n");
    out
}

/// The line as a straight line to scale, with the fault on it: black on white, for paper.
fn svg(incident: &Incident, plant: &Plant, line: &Line) -> String {
    let mut out = String::new();
    // Writing to a string can not fail.
    let _ = draw(&mut out, incident, plant, line);
    out
}

fn draw(out: &mut String, incident: &Incident, plant: &Plant, line: &Line) -> core::fmt::Result {
    let ground = Ground::of(plant, line);
    let length = line.length().get().max(1.0);
    let x = |metres: f64| MARGIN + (metres / length).clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN);
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 130\" \
         font-family=\"DejaVu Sans, sans-serif\" font-size=\"11\">\
         <title>{0}</title><rect width=\"{WIDTH}\" height=\"130\" fill=\"#ffffff\"/>\
         <text x=\"{MARGIN}\" y=\"18\" font-size=\"13\" font-weight=\"bold\">{0}</text>\
         <path d=\"M{MARGIN} 70H{1}\" stroke=\"#000000\" stroke-width=\"3\"/>",
        escaped(&incident.headline),
        WIDTH - MARGIN
    )?;
    for (row, node) in line.nodes.iter().enumerate() {
        let (at, down) = (x(node.chainage.get()), row % 2 == 1);
        write!(
            out,
            "<circle cx=\"{at:.1}\" cy=\"70\" r=\"4\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            if down { 94 } else { 58 },
            escaped(&ground.node_name(node))
        )?;
    }
    let place = &incident.place;
    if let Some([from, to]) = place.interval95_m {
        let (left, right) = (x(from), x(to));
        write!(
            out,
            "<rect x=\"{:.1}\" y=\"62\" width=\"{:.1}\" height=\"16\" fill=\"#b3261e\"/>",
            left - 1.0,
            (right - left).max(2.0)
        )?;
    }
    if let Some(at) = place.chainage_m {
        let middle = x(at);
        write!(
            out,
            "<path d=\"M{middle:.1} 80l-6 12h12z\" fill=\"#b3261e\"/>\
             <text x=\"{middle:.1}\" y=\"116\" text-anchor=\"middle\" font-weight=\"bold\">km {:.3}</text>",
            at / 1000.0
        )?;
    }
    out.push_str("</svg>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    fn incident() -> Incident {
        serde_json::from_value(example::incident_json("i-1", "open")).unwrap()
    }

    #[test]
    fn the_place_stands_in_every_form() {
        let plant = example::plant();
        let on = Some((&plant, &plant.lines[0]));
        let map = geojson(&incident(), on);
        let point = &map["features"][0]["geometry"]["coordinates"];
        assert_eq!(*point, json!([46.112_345, 40.792_345]), "longitude first");
        assert_eq!(map["features"][1]["geometry"]["type"], "LineString");
        let kml = kml(&incident(), Language::En, on);
        assert!(
            kml.contains("<coordinates>46.112345,40.792345</coordinates>"),
            "{kml}"
        );
        assert!(words(&incident(), Language::Ka).contains("geo:40.792345,46.112345"));
        let picture = svg(&incident(), &plant, &plant.lines[0]);
        assert!(
            picture.contains("km 28.420") && picture.contains(">Ganja<"),
            "{picture}"
        );
    }

    #[test]
    fn why_it_is_told_stands_in_the_language_that_was_asked_for() {
        let az = words(&incident(), Language::Az);
        let located = Language::Az.words().unwrap();
        assert!(az.contains(located.reason("located")), "{az}");
    }

    #[test]
    fn a_crew_takes_a_picture_and_the_place_along() {
        let plant = example::plant();
        let mut incident = incident();
        let taken = files(&incident, &plant);
        let names: Vec<&str> = taken.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["i-1.png", "i-1.kml", "i-1.geojson"]);
        assert!(taken[0].bytes.starts_with(b"\x89PNG"));
        let map: Value = serde_json::from_slice(&taken[2].bytes).unwrap();
        assert_eq!(map["features"].as_array().unwrap().len(), 2);
        (incident.place.lat, incident.place.interval95_m) = (None, None);
        assert_eq!(files(&incident, &plant), [], "nothing is made up");
    }

    #[test]
    fn an_incident_without_a_place_makes_no_place_up() {
        let mut incident = incident();
        incident.place.lat = None;
        incident.place.interval95_m = None;
        incident.headline = "<&>".to_owned();
        let plant = example::plant();
        let on = Some((&plant, &plant.lines[0]));
        assert_eq!(geojson(&incident, on)["features"], json!([]));
        let kml = kml(&incident, Language::En, on);
        assert!(
            !kml.contains("Placemark") && kml.contains("&lt;&amp;&gt;"),
            "{kml}"
        );
        assert!(alert(&incident, ("docx", Language::En), &plant).is_none());
        for form in ["json", "txt", "kml", "geojson", "svg"] {
            assert!(
                alert(&incident, (form, Language::Az), &plant).is_some(),
                "{form}"
            );
        }
    }
}
