//! The API's own description (OpenAPI 3.1): schemas from the types that are sent, paths by hand.
//!
//! The same document stands in `web/openapi.json`, from which the dashboard's types are made; a
//! test holds the two equal.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::devices::Device;
use super::health::Health;
use super::incidents::{Closing, Incident, Sentence};
use super::lines::{Line, LineDetail};
use super::problem::Problem;
use super::request::Page;
use super::series::Series;
use super::traces::Trace;

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&description()).unwrap_or_default());

/// Answers with the description.
pub async fn document() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}

/// The whole description.
#[must_use]
pub fn description() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .for_serialize()
        .into_generator();
    let _ = generator.subschema_for::<Problem>();
    let paths = paths(&mut generator);
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "silkline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a collector knows of its lines: states, incidents with their \
                place, devices, traces. Ids are [a-z0-9-]; a device's id is site.device, a span's \
                node..node. Times are RFC 3339 in UTC, lengths metres, every plus_minus the half \
                width of a 95 % interval. Errors are problem documents (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic" },
            },
        },
        "security": [{}, { "bearer": [] }, { "basic": [] }],
    })
}

/// A path, its method and what it does.
type Described = (String, &'static str, Value);

fn paths(of: &mut SchemaGenerator) -> Value {
    let all = plant_paths(of)
        .into_iter()
        .chain(incident_paths(of))
        .chain(other_paths(of));
    Value::Object(
        all.map(|(path, method, what)| (path, json!({ (method): what })))
            .collect(),
    )
}

fn plant_paths(of: &mut SchemaGenerator) -> Vec<Described> {
    let line = "One line: its route, nodes, spans, landmarks and posts.";
    let devices = "Every device, with its newest readings and their age.";
    let series = "The past of one point: readings, or bins where a resolution is asked for.";
    let geojson = plain("One line as GeoJSON.", "application/geo+json", &[ID]);
    vec![
        get(
            "lines",
            read::<Page<Line>>(of, "Every line of the plant.", &[]),
        ),
        get("lines/{id}", read::<LineDetail>(of, line, &[ID])),
        get("lines/{id}/plant.geojson", geojson),
        get("devices", read::<Page<Device>>(of, devices, &[LINE])),
        get("devices/{id}", read::<Device>(of, "One device.", &[ID])),
        get("devices/{id}/series", read::<Series>(of, series, &SERIES)),
    ]
}

fn incident_paths(of: &mut SchemaGenerator) -> Vec<Described> {
    let list = "Incidents, the one that changed last first.";
    let mut paths = vec![
        get("incidents", read::<Page<Incident>>(of, list, &INCIDENTS)),
        get(
            "incidents/{id}",
            read::<Incident>(of, "One incident.", &[ID]),
        ),
    ];
    for (action, summary) in ACTIONS {
        let operation = write::<Sentence>(of, summary);
        paths.push((
            format!("/api/v1/incidents/{{id}}/{action}"),
            "post",
            operation,
        ));
    }
    let close = write::<Closing>(of, "Ends an incident, with the place that the crew found.");
    paths.push(("/api/v1/incidents/{id}/close".to_owned(), "post", close));
    paths
}

fn other_paths(of: &mut SchemaGenerator) -> Vec<Described> {
    let traces = "Traces, the newest arrival first.";
    let sor = plain(
        "The SOR file, byte for byte.",
        "application/octet-stream",
        &[ID],
    );
    let metrics = plain("All counters.", "application/openmetrics-text", &[]);
    let alive = read::<Health>(of, "Whether the process runs.", &[]);
    let ready = read::<Health>(of, "Whether it does its work.", &[]);
    vec![
        get("traces", read::<Page<Trace>>(of, traces, &TRACES)),
        get("traces/{id}", read::<Trace>(of, "One trace.", &[ID])),
        get("traces/{id}.sor", sor),
        get("live", plain(LIVE, "text/event-stream", &[LAST_EVENT_ID])),
        get(
            "openapi.json",
            plain("This description.", "application/json", &[]),
        ),
        ("/metrics".to_owned(), "get", metrics),
        ("/healthz".to_owned(), "get", alive),
        ("/readyz".to_owned(), "get", ready),
    ]
}

fn get(path: &str, what: Value) -> Described {
    (format!("/api/v1/{path}"), "get", what)
}

const LIVE: &str = "What is committed, as it happens: events `device`, `incident`, `anomaly`, \
    `trace`, `agent`; `beat` every 5 s with the server's time; `refetch` where something was \
    missed and the resources must be read anew. A client that comes back with Last-Event-ID gets \
    what it missed while that is kept.";

const ACTIONS: [(&str, &str); 3] = [
    ("acknowledge", "Takes an incident on."),
    ("note", "Writes something into an incident's history."),
    ("repairing", "Says that a crew is at work."),
];

/// A parameter: name, where it stands, what it is.
type Parameter = (&'static str, &'static str, &'static str);

const ID: Parameter = ("id", "path", "The id.");
const LINE: Parameter = ("line", "query", "Only those of this line.");
const LIMIT: Parameter = (
    "limit",
    "query",
    "Items on a page, 1 to 1000; 100 unless said.",
);
const CURSOR: Parameter = ("cursor", "query", "The `next` of the page before.");
const LAST_EVENT_ID: Parameter = ("Last-Event-ID", "header", "The last event that was seen.");
const INCIDENTS: [Parameter; 4] = [
    (
        "state",
        "query",
        "A state; `open` is all that needs somebody: open, acknowledged, repairing.",
    ),
    LINE,
    LIMIT,
    CURSOR,
];
const TRACES: [Parameter; 4] = [
    ("view", "query", "Only those that show this view."),
    ("device", "query", "Only those of this instrument."),
    LIMIT,
    CURSOR,
];
const SERIES: [Parameter; 5] = [
    ID,
    ("point", "query", "The point; must be given."),
    (
        "from",
        "query",
        "From this time, inclusive; an hour before `to` unless said.",
    ),
    ("to", "query", "To this time, exclusive; now unless said."),
    (
        "resolution",
        "query",
        "The width of a bin, such as 10s, 5min, 1h; none gives readings.",
    ),
];

fn read<T: JsonSchema>(
    generator: &mut SchemaGenerator,
    summary: &str,
    parameters: &[Parameter],
) -> Value {
    let schema = generator.subschema_for::<T>();
    json!({
        "summary": summary,
        "parameters": described(parameters),
        "responses": answers("application/json", &schema),
    })
}

fn write<T: JsonSchema>(generator: &mut SchemaGenerator, summary: &str) -> Value {
    let body = generator.subschema_for::<T>();
    let answer = generator.subschema_for::<Incident>();
    json!({
        "summary": summary,
        "parameters": described(&[ID]),
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": answers("application/json", &answer),
    })
}

fn plain(summary: &str, media_type: &str, parameters: &[Parameter]) -> Value {
    json!({
        "summary": summary,
        "parameters": described(parameters),
        "responses": answers(media_type, &Schema::default()),
    })
}

fn answers(media_type: &str, schema: &Schema) -> Value {
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    json!({
        "200": { "description": "As asked.", "content": { media_type: { "schema": schema } } },
        "default": {
            "description": "Why not.",
            "content": { "application/problem+json": { "schema": problem } },
        },
    })
}

fn described(parameters: &[Parameter]) -> Vec<Value> {
    let one = |(name, place, text): &Parameter| {
        let required = *place == "path" || *name == "point";
        json!({
            "name": name, "in": place, "required": required, "description": text,
            "schema": { "type": "string" },
        })
    };
    parameters.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/openapi.json");

    /// With `SILKLINE_WRITE_OPENAPI=1` the file is written anew instead.
    #[test]
    fn the_description_on_file_is_the_one_that_is_served() {
        if std::env::var_os("SILKLINE_WRITE_OPENAPI").is_some() {
            std::fs::write(ON_FILE, format!("{}\n", DOCUMENT.as_str())).unwrap();
        }
        let on_file: Value =
            serde_json::from_str(&std::fs::read_to_string(ON_FILE).unwrap()).unwrap();
        assert!(
            on_file == description(),
            "web/openapi.json is old: write it with SILKLINE_WRITE_OPENAPI=1"
        );
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = description();
        let text = DOCUMENT.as_str();
        for rest in text.split("\"#/components/schemas/").skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn every_path_says_what_it_is() {
        for (path, methods) in description()["paths"].as_object().unwrap() {
            for operation in methods.as_object().unwrap().values() {
                assert!(
                    operation["summary"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{path}"
                );
                let named = path.matches('{').count();
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
                assert_eq!(in_path, named, "{path}");
            }
        }
    }
}
