//! Every operation of the API.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::operation::{Operation, Parameter};
use crate::api::calibration::{Calibration, Survey};
use crate::api::commands::NewCommand;
use crate::api::devices::Device;
use crate::api::health::Health;
use crate::api::incidents::{Anomaly, Assignment, Closing, Incident, Sentence, Shelving};
use crate::api::lines::{Line, LineDetail};
use crate::api::permits::{NewPermit, Permit};
use crate::api::request::Page;
use crate::api::series::Series;
use crate::api::services::Service;
use crate::api::traces::{Look, Trace};
use crate::commands::AskedCommand;

mod people;
mod reports;

const JSON: &str = "application/json";
const TEXT: &str = r#"{"type":"string"}"#;
const ID: &str = r#"{"type":"string","pattern":"^[a-z0-9-]{1,64}$"}"#;
const TIME: &str = r#"{"type":"string","format":"date-time"}"#;
const POINT: &str =
    r#"{"type":"string","pattern":"^[a-z0-9_]{1,64}(\\.[0-9]{1,9})?$","must":true}"#;
const DEVICE_ID: &str = r#"{"type":"string","pattern":"^[a-z0-9-]{1,64}\\.[a-z0-9-]{1,64}$"}"#;

const LINE: Parameter = ("line", "query", "Only those of this line.", ID, "baku-poti");
const LIMIT: Parameter = (
    "limit",
    "query",
    "Items on a page; 100 unless said.",
    r#"{"type":"integer","minimum":1,"maximum":1000}"#,
    "100",
);
const CURSOR: Parameter = (
    "cursor",
    "query",
    "The `next` of the page before.",
    r#"{"type":"string","pattern":"^[0-9]{1,18}$"}"#,
    "\"4711\"",
);
const LINE_ID: Parameter = ("id", "path", "The line.", ID, "baku-poti");
const DEVICE: Parameter = (
    "id",
    "path",
    "The device, site.device.",
    DEVICE_ID,
    "baku.edfa-1",
);
const INCIDENT: Parameter = ("id", "path", "The incident.", ID, "i-01");
const TRACE: Parameter = (
    "id",
    "path",
    "The trace's number.",
    r#"{"type":"integer","minimum":0,"maximum":9223372036854775807}"#,
    "4711",
);
const POINTS: Parameter = (
    "points",
    "query",
    "With the curve, in at most so many stretches, each by its lowest and highest level.",
    r#"{"type":"integer","minimum":2,"maximum":262144}"#,
    "2000",
);
const FROM: Parameter = (
    "from",
    "query",
    "From this time, inclusive; an hour before `to` unless said.",
    TIME,
    "2026-01-01T00:00:00Z",
);
const TO: Parameter = (
    "to",
    "query",
    "To this time, exclusive; now unless said.",
    TIME,
    "2026-01-01T01:00:00Z",
);

/// Every operation, with its schemas in `of`.
pub(super) fn operations(of: &mut SchemaGenerator) -> Vec<Operation> {
    let mut all = plant(of);
    all.extend(devices(of));
    all.extend(reports::operations(of));
    all.extend(incidents(of));
    all.extend(permits(of));
    all.extend(commands(of));
    all.extend(traces(of));
    all.extend(people::operations(of));
    all.extend(rest(of));
    all
}

fn schema<T: JsonSchema>(of: &mut SchemaGenerator) -> Value {
    of.subschema_for::<T>().into()
}

fn get(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("get", &format!("/api/v1/{path}"), id, summary)
}

fn post(path: &str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("post", &format!("/api/v1/{path}"), id, summary)
}

fn plant(of: &mut SchemaGenerator) -> Vec<Operation> {
    vec![
        get("lines", "lines", "Every line of the plant.").gives(JSON, schema::<Page<Line>>(of)),
        get(
            "lines/{id}",
            "line",
            "One line: its route, nodes, spans, landmarks, posts and views.",
        )
        .with(&[LINE_ID])
        .gives(JSON, schema::<LineDetail>(of)),
        get(
            "lines/{id}/plant.geojson",
            "line_geojson",
            "One line as GeoJSON.",
        )
        .with(&[LINE_ID])
        .gives("application/geo+json", json!({ "type": "object" })),
        get(
            "services",
            "services",
            "What customers have bought and what is left of it, the worst first.",
        )
        .gives(JSON, schema::<Page<Service>>(of)),
    ]
}

fn devices(of: &mut SchemaGenerator) -> Vec<Operation> {
    let resolution = (
        "resolution",
        "query",
        "The width of a bin, such as 10s, 5min, 1h; none gives readings.",
        r#"{"type":"string","pattern":"^[1-9][0-9]{0,5}(s|m|min|h|d)?$"}"#,
        "5min",
    );
    let point = ("point", "query", "The point.", POINT, "in_power.1");
    let format = (
        "format",
        "query",
        "JSON unless said.",
        r#"{"type":"string","enum":["json","csv"]}"#,
        "csv",
    );
    let on = (
        "device",
        "query",
        "Only those on this device.",
        DEVICE_ID,
        "baku.edfa-1",
    );
    let name = r#"{"type":"string","pattern":"^[a-z0-9_]{1,64}(\\.[0-9]{1,9})?$"}"#;
    let about = (
        "point",
        "query",
        "Only those on this point.",
        name,
        "in_power.1",
    );
    let since = (
        "from",
        "query",
        "Only those that were not over by then.",
        TIME,
        "2026-01-01T00:00:00Z",
    );
    vec![
        get(
            "devices",
            "devices",
            "Every device, with its newest readings and their age.",
        )
        .with(&[LINE])
        .gives(JSON, schema::<Page<Device>>(of)),
        get("devices/{id}", "device", "One device.")
            .with(&[DEVICE])
            .gives(JSON, schema::<Device>(of)),
        get(
            "devices/{id}/series",
            "series",
            "The past of one point: readings, or bins where a resolution is asked for.",
        )
        .with(&[DEVICE, point, FROM, TO, resolution, format])
        .gives(JSON, schema::<Series>(of))
        .also("text/csv", json!({ "type": "string" })),
        get("anomalies", "anomalies", "Findings, the newest first.")
            .with(&[on, about, since])
            .gives(JSON, schema::<Page<Anomaly>>(of)),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn incidents(of: &mut SchemaGenerator) -> Vec<Operation> {
    let state = (
        "state",
        "query",
        "A state; `open` is all that needs somebody: open, acknowledged, repairing.",
        r#"{"type":"string","enum":["suspect","open","acknowledged","repairing","cleared","closed"]}"#,
        "open",
    );
    let form = (
        "form",
        "path",
        "The form.",
        r#"{"type":"string","enum":["txt","kml","geojson","svg","json"]}"#,
        "txt",
    );
    let language = (
        "language",
        "query",
        "In which language txt and kml speak.",
        r#"{"type":"string","enum":["en","az","ru","tr","ka","kk"]}"#,
        "az",
    );
    let sentence = schema::<Sentence>(of);
    let incident = schema::<Incident>(of);
    let act = |name: &str, id, summary| {
        let example = r#"{"who":"Aysel","text":"on my way"}"#;
        post(&format!("incidents/{{id}}/{name}"), id, summary)
            .with(&[INCIDENT])
            .body(JSON, &sentence, example)
            .gives(JSON, incident.clone())
    };
    let close = post(
        "incidents/{id}/close",
        "close",
        "Ends an incident, with the place that the crew found.",
    );
    vec![
        get(
            "incidents",
            "incidents",
            "Incidents, the one that changed last first.",
        )
        .with(&[state, LINE, LIMIT, CURSOR])
        .gives(JSON, schema::<Page<Incident>>(of))
        .or("304", "As the client has it."),
        get("incidents/{id}", "incident", "One incident.")
            .with(&[INCIDENT])
            .gives(JSON, incident.clone())
            .or("304", "As the client has it."),
        get(
            "incidents/{id}/services",
            "incident_services",
            "The services that an incident touches.",
        )
        .with(&[INCIDENT])
        .gives(JSON, schema::<Page<Service>>(of)),
        get(
            "incidents/{id}/alert.{form}",
            "alert",
            "One incident to take along: words, a place for a map, a picture.",
        )
        .with(&[INCIDENT, form, language])
        .gives("text/plain", json!({ "type": "string" }))
        .also("image/svg+xml", json!({ "type": "string" }))
        .also("application/geo+json", json!({ "type": "object" }))
        .also(
            "application/vnd.google-earth.kml+xml",
            json!({ "type": "string" }),
        )
        .also(JSON, incident.clone()),
        post(
            "incidents/{id}/assign",
            "assign",
            "Gives an incident to somebody.",
        )
        .with(&[INCIDENT])
        .body(
            JSON,
            &schema::<Assignment>(of),
            r#"{"who":"Aysel","to":"crew 4"}"#,
        )
        .gives(JSON, incident.clone()),
        post(
            "incidents/{id}/shelve",
            "shelve",
            "Tells nobody of an incident for a while; all is recorded as before.",
        )
        .with(&[INCIDENT])
        .body(
            JSON,
            &schema::<Shelving>(of),
            r#"{"who":"Aysel","text":"works until noon","until":"2026-01-02T12:00:00Z"}"#,
        )
        .gives(JSON, incident.clone()),
        act("acknowledge", "acknowledge", "Takes an incident on."),
        act(
            "note",
            "note",
            "Writes something into an incident's history.",
        ),
        act("repairing", "repairing", "Says that a crew is at work."),
        close
            .with(&[INCIDENT])
            .body(
                JSON,
                &schema::<Closing>(of),
                r#"{"who":"crew 4","text":"digger","found_m":28431.0}"#,
            )
            .gives(JSON, incident.clone()),
    ]
}

fn permits(of: &mut SchemaGenerator) -> Vec<Operation> {
    let state = (
        "state",
        "query",
        "Only those in this state.",
        r#"{"type":"string","enum":["coming","standing","over","revoked"]}"#,
        "standing",
    );
    let id = ("id", "path", "The permit.", ID, "p-20260102-k7fm");
    let permit = schema::<Permit>(of);
    let example = r#"{"who":"Aysel","person":"L. Mammadova","contact":"+994 12 555 01 00","line":"baku-poti","fibres":["f1"],"until":"2126-01-02T12:00:00Z","reason":"splice at closure 7"}"#;
    let span = ("span", "query", "Only this span.", TEXT, "ganja..dallar");
    let on = r#"{"type":"string","pattern":"^[a-z0-9-]{1,64}$","must":true}"#;
    let on = ("line", "query", "The line.", on, "baku-poti");
    vec![
        get(
            "calibration",
            "calibration",
            "How good the places were: predicted beside found, over all repairs.",
        )
        .with(&[LINE])
        .gives(JSON, schema::<Calibration>(of)),
        get(
            "calibration/survey",
            "survey",
            "Which closure to survey next to narrow the answers of a span.",
        )
        .with(&[on, span])
        .gives(JSON, schema::<Page<Survey>>(of)),
        get(
            "permits",
            "permits",
            "Permits to work, the one granted last first.",
        )
        .with(&[state, LINE])
        .gives(JSON, schema::<Page<Permit>>(of)),
        post(
            "permits",
            "grant",
            "Grants a permit to work: nothing is shot into its fibres while it holds.",
        )
        .body(JSON, &schema::<NewPermit>(of), example)
        .gives(JSON, permit.clone()),
        get("permits/{id}", "permit", "One permit to work.")
            .with(&[id])
            .gives(JSON, permit.clone()),
        Operation::new(
            "delete",
            "/api/v1/permits/{id}",
            "take_back",
            "Takes a permit to work back before its end.",
        )
        .with(&[id])
        .gives(JSON, permit),
    ]
}

fn commands(of: &mut SchemaGenerator) -> Vec<Operation> {
    let id = ("id", "path", "The question.", ID, "c-019bd0d2");
    let asked = schema::<AskedCommand>(of);
    vec![
        get(
            "commands",
            "commands",
            "What was asked of agents of late, newest first, with their answers.",
        )
        .gives(JSON, schema::<Page<AskedCommand>>(of)),
        post(
            "commands",
            "ask",
            "Asks the agents of a site for a shot, a poll or who is there; waits 5 s for an answer.",
        )
        .body(
            JSON,
            &schema::<NewCommand>(of),
            r#"{"do":"shot","view":"ganja-b"}"#,
        )
        .gives(JSON, asked.clone()),
        get("commands/{id}", "command", "One question, with the answers so far.")
            .with(&[id])
            .gives(JSON, asked),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn traces(of: &mut SchemaGenerator) -> Vec<Operation> {
    let metres = r#"{"type":"number"}"#;
    let from_m = (
        "from_m",
        "query",
        "The curve from here, with points.",
        metres,
        "0",
    );
    let to_m = (
        "to_m",
        "query",
        "The curve to here, with points.",
        metres,
        "20000",
    );
    let few = (
        "points",
        "query",
        "With curves of at most so many stretches; then limit is at most 100.",
        r#"{"type":"integer","minimum":2,"maximum":2000}"#,
        "400",
    );
    let view = (
        "view",
        "query",
        "Only those that show this view.",
        ID,
        "ganja-b",
    );
    let device = (
        "device",
        "query",
        "Only those of this instrument.",
        DEVICE_ID,
        "ganja.otdr-1",
    );
    let file = json!({ "type": "string", "format": "binary" });
    let trace = schema::<Trace>(of);
    vec![
        get("traces", "traces", "Traces, the newest arrival first.")
            .with(&[view, device, few, LIMIT, CURSOR])
            .gives(JSON, schema::<Page<Trace>>(of)),
        post("traces", "look", "Looks at a SOR file without storing it.")
            .with(&LOOK)
            .body("application/octet-stream", &file, "")
            .gives(JSON, schema::<Look>(of)),
        get(
            "traces/{id}",
            "trace",
            "One trace, with its curve where points are asked for.",
        )
        .with(&[TRACE, POINTS, from_m, to_m])
        .gives(JSON, trace)
        .or("304", "As the client has it."),
        get(
            "traces/{id}.sor",
            "trace_sor",
            "The SOR file, byte for byte.",
        )
        .with(&[TRACE])
        .gives("application/octet-stream", file),
        get(
            "traces/{id}.csv",
            "trace_csv",
            "Every sample as a row of a table.",
        )
        .with(&[TRACE])
        .gives("text/csv", json!({ "type": "string" })),
        get(
            "traces/{id}.svg",
            "trace_svg",
            "The curve with its events, as a picture.",
        )
        .with(&[TRACE])
        .gives("image/svg+xml", json!({ "type": "string" })),
    ]
}

const LOOK: [Parameter; 7] = [
    ("view", "query", "The view it shows.", ID, "ganja-b"),
    (
        "reference",
        "query",
        "The number of a stored trace to compare with.",
        r#"{"type":"integer","minimum":0,"maximum":9223372036854775807}"#,
        "4711",
    ),
    (
        "line",
        "query",
        "The line it was shot on; with from and toward.",
        ID,
        "baku-poti",
    ),
    (
        "from",
        "query",
        "The landmark or node where it was shot.",
        TEXT,
        "closure 7",
    ),
    (
        "toward",
        "query",
        "Which way it was shot.",
        r#"{"type":"string","enum":["A","B"]}"#,
        "B",
    ),
    (
        "here_m",
        "query",
        "Where the crew stands, in metres of chainage.",
        r#"{"type":"number"}"#,
        "28431",
    ),
    POINTS,
];

const LIVE: &str = "What is committed, as it happens: events `device`, `incident`, `anomaly`, \
    `trace`, `agent`; `beat` every 5 s with the server's time; `refetch` where something was \
    missed and the resources must be read anew. A client that comes back with Last-Event-ID gets \
    what it missed while that is kept.";

fn rest(of: &mut SchemaGenerator) -> Vec<Operation> {
    let last = (
        "Last-Event-ID",
        "header",
        "The last event that was seen.",
        TEXT,
        "\"1700000000000000000-7\"",
    );
    let events = (
        "events",
        "query",
        "Only events of these names, divided by commas.",
        r#"{"type":"string","pattern":"^(device|incident|anomaly|trace|agent)(,(device|incident|anomaly|trace|agent))*$"}"#,
        "incident,trace",
    );
    let text = json!({ "type": "string" });
    let health = schema::<Health>(of);
    vec![
        get("live", "live", LIVE)
            .with(&[last, events])
            .gives("text/event-stream", text.clone()),
        get("openapi.json", "description", "This description.")
            .gives(JSON, json!({ "type": "object" })),
        Operation::new("get", "/metrics", "metrics", "All counters.")
            .gives("application/openmetrics-text", text),
        Operation::new("get", "/healthz", "alive", "Whether the process runs.")
            .gives(JSON, health.clone()),
        Operation::new("get", "/readyz", "ready", "Whether it does its work.").gives(JSON, health),
    ]
}
