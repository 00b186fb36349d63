//! The answers that the description shows: recorded from a real server, and still of that shape.

use serde_json::Map;

use super::*;

const ON_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/openapi/examples.json");
/// The most entries of a list that are shown: enough to see that there may be many.
const SHOWN: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);

/// Asks everything once, as a person with every right, of a server with something of each kind.
async fn recorded() -> Map<String, Value> {
    let mut server = Running::start().await;
    let trace = server.store_device_and(
        Timestamp::from_seconds(1_767_225_600),
        &example::sor(28_500.0),
    );
    server.store_incident(&example::incident("i-01", State::Open));
    server.ready.send(Ok(())).unwrap();
    let mut actions = core::mem::replace(&mut server.actions, tokio::sync::mpsc::channel(1).1);
    tokio::spawn(async move {
        while let Some(action) = actions.recv().await {
            let done = example::incident_json("i-01", "acknowledged");
            let _ = action.done.send(ActionResult::Done(done));
        }
    });
    let mut all = read(&server, trace).await;
    all.extend(acted(&server).await);
    all.extend(questions(&server).await);
    all.extend(doors(&server).await);
    all.values_mut().for_each(shorten);
    all
}

/// What is asked for.
async fn read(server: &Running, trace: i64) -> Map<String, Value> {
    let mut all = Map::new();
    let series = "from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z&resolution=10min";
    let performance = "point=in_power.1&interval=15min&to=2026-01-01T01:00:00Z";
    for (id, path) in [
        ("lines", "lines"),
        ("line", "lines/dsw"),
        ("devices", "devices"),
        ("device", "devices/ganja.edfa-1"),
        (
            "series",
            &format!("devices/ganja.edfa-1/series?point=in_power.1&{series}"),
        ),
        ("anomalies", "anomalies"),
        ("incidents", "incidents"),
        ("incident", "incidents/i-01"),
        ("alert", "incidents/i-01/alert.json"),
        ("traces", "traces?limit=1"),
        ("trace", &format!("traces/{trace}?points=4")),
        ("services", "services"),
        ("incident_services", "incidents/i-01/services"),
        ("view_history", "views/ganja-b/history"),
        ("calibration", "calibration"),
        ("permits", "permits"),
        ("report", "reports/2026-01"),
        (
            "performance",
            &format!("devices/ganja.edfa-1/performance?{performance}"),
        ),
        ("session", "session"),
        ("ways", "sign-in"),
    ] {
        all.insert(
            id.to_owned(),
            json_of(server, &format!("/api/v1/{path}")).await,
        );
    }
    for (id, path) in [("alive", "/healthz"), ("ready", "/readyz")] {
        all.insert(id.to_owned(), json_of(server, path).await);
    }
    all
}

/// What people do with an incident, and a look at a trace of their own.
async fn acted(server: &Running) -> Map<String, Value> {
    let mut all = Map::new();
    for act in [
        "acknowledge",
        "note",
        "repairing",
        "close",
        "assign",
        "shelve",
    ] {
        let body = match act {
            "assign" => json!({ "who": "Aysel", "to": "crew 4" }),
            "shelve" => json!({ "who": "Aysel", "until": crate::clock::now() + HOUR }),
            "close" => json!({ "who": "crew 4", "found_m": 28431.0, "text": "spliced" }),
            _ => json!({ "who": "Aysel", "text": "on my way" }),
        };
        all.insert(
            act.to_owned(),
            send(server, &format!("incidents/i-01/{act}"), body).await,
        );
    }
    let look = Client::new().post(server.url("/api/v1/traces?view=ganja-b&points=4"));
    let look = look.body(example::sor(28_500.0)).send().await.unwrap();
    all.insert("look".to_owned(), look.json().await.unwrap());
    all
}

/// A question that an agent answers.
async fn questions(server: &Running) -> Map<String, Value> {
    let desk = server.commands.clone();
    tokio::spawn(async move {
        let mut asked = desk.subscribe();
        let asked = asked.wait_for(|desk| desk.all().next().is_some()).await;
        let id = asked.unwrap().all().next().unwrap().id.clone();
        let reply = commands::answer("a shot of ganja-b is wanted");
        let topic = "silkline/1/dsw/ganja/reply";
        desk.send_if_modified(|desk| desk.heard(topic, &reply, id.as_bytes()));
    });
    let mut all = Map::new();
    let asked = send(
        server,
        "commands",
        json!({ "do": "shot", "view": "ganja-b" }),
    )
    .await;
    let one = format!("/api/v1/commands/{}", asked["id"].as_str().unwrap());
    all.insert("ask".to_owned(), asked);
    all.insert("command".to_owned(), json_of(server, &one).await);
    all.insert(
        "commands".to_owned(),
        json_of(server, "/api/v1/commands").await,
    );
    all
}

/// Users, tokens and sessions.
async fn doors(server: &Running) -> Map<String, Value> {
    let mut all = Map::new();
    // From the first token and user on the door is shut, so these come last.
    let made = send(
        server,
        "tokens",
        json!({ "name": "grafana", "role": "admin" }),
    )
    .await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    let shown = json!({ "id": made["id"], "secret": "sl_ (64 hexadecimal digits)" });
    all.insert("make_token".to_owned(), shown);
    let user = json!({ "name": "aysel", "password": "correct horse battery", "role": "operator",
        "lines": ["dsw"] });
    let added = Client::new()
        .post(server.url("/api/v1/users"))
        .bearer_auth(&secret)
        .json(&user);
    all.insert(
        "add_user".to_owned(),
        added.send().await.unwrap().json().await.unwrap(),
    );
    for id in ["users", "tokens", "audit"] {
        let asked = Client::new()
            .get(server.url(&format!("/api/v1/{id}")))
            .bearer_auth(&secret);
        all.insert(
            id.to_owned(),
            asked.send().await.unwrap().json().await.unwrap(),
        );
    }
    let out = Client::new()
        .delete(server.url("/api/v1/session"))
        .bearer_auth(&secret);
    all.insert(
        "sign_out".to_owned(),
        out.send().await.unwrap().json().await.unwrap(),
    );
    all
}

async fn send(server: &Running, path: &str, body: Value) -> Value {
    let request = Client::new()
        .post(server.url(&format!("/api/v1/{path}")))
        .json(&body);
    request.send().await.unwrap().json().await.unwrap()
}

fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.truncate(SHOWN);
            items.iter_mut().for_each(shorten);
        }
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}

/// The names in a value, without what stands there.
fn shape(value: &Value) -> Value {
    match value {
        Value::Array(items) => items
            .first()
            .map_or(json!([]), |first| json!([shape(first)])),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn the_examples_are_answers_of_a_real_server() {
    let recorded = recorded().await;
    for (id, answer) in &recorded {
        assert!(
            answer.get("status").is_none_or(|status| status == "ok"),
            "{id}: {answer}"
        );
    }
    if std::env::var_os("SILKLINE_WRITE_OPENAPI").is_some() {
        let text = serde_json::to_string_pretty(&recorded).unwrap();
        std::fs::write(ON_FILE, format!("{text}\n")).unwrap();
    }
    let on_file: Map<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(ON_FILE).unwrap()).unwrap();
    for (id, answer) in &recorded {
        assert!(
            on_file
                .get(id)
                .is_some_and(|known| shape(known) == shape(answer)),
            "{id} has changed: write it with SILKLINE_WRITE_OPENAPI=1, twice"
        );
    }
    assert_eq!(on_file.len(), recorded.len());
}
