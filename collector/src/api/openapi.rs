//! The API's own description (OpenAPI 3.1): schemas from the types that are sent, operations from a
//! table.
//!
//! The same document stands in `web/openapi.json`, from which the dashboard's types are made; a
//! test holds the two equal, and another asks a running server whether it keeps to it.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::problem::Problem;

mod operation;
mod table;

use operation::Operation;

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&description()).unwrap_or_default());

const ABOUT: &str = "What a collector knows of its lines: states, incidents with their place, \
    devices, traces. Ids are [a-z0-9-]; a device's id is site.device, a span's node..node. Times \
    are RFC 3339 in UTC, lengths metres, every plus_minus the half width of a 95 % interval. Lists \
    come in pages: `next` is the `cursor` of the one after. Errors are problem documents (RFC 9457). \
    Answers with an ETag take If-None-Match. A client that asks too often gets 429 with Retry-After.";

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
    let paths = paths(table::operations(&mut generator));
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "silkline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic" },
                "session": { "type": "apiKey", "in": "cookie", "name": "silkline" },
            },
        },
        "security": [{}, { "bearer": [] }, { "basic": [] }, { "session": [] }],
    })
}

/// Real answers by operation, recorded from a server over a small plant by a test of the API; written
/// anew with `SILKLINE_WRITE_OPENAPI=1`.
const EXAMPLES: &str = include_str!("openapi/examples.json");

/// The operations by path and method.
fn paths(operations: Vec<Operation>) -> Value {
    let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path.clone()).or_insert(json!({}));
        if let Some(methods) = methods.as_object_mut() {
            let described = operation.described_with(examples.get(operation.id()));
            methods.insert(operation.method.to_owned(), described);
        }
    }
    Value::Object(paths)
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
    fn nearly_every_answer_in_json_is_shown_by_a_real_one() {
        let (mut shown, mut bare) = (0, Vec::new());
        for methods in description()["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                let json = &operation["responses"]["200"]["content"]["application/json"];
                if json.get("example").is_some() {
                    shown += 1;
                } else if json.is_object() && operation["operationId"] != "description" {
                    bare.push(operation["operationId"].clone());
                }
            }
        }
        println!("without an example: {bare:?}; see api/tests/examples.rs");
        assert!(
            shown > 5 * bare.len(),
            "{shown} with an example, without: {bare:?}"
        );
    }

    #[test]
    fn every_operation_says_what_it_is_and_names_what_stands_in_its_path() {
        let mut ids = std::collections::BTreeSet::new();
        for (path, methods) in description()["paths"].as_object().unwrap() {
            for operation in methods.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id.clone()), "{id} twice");
                let text = operation["summary"].as_str();
                assert!(text.is_some_and(|text| text.ends_with('.')), "{path}");
                let named = path.matches('{').count();
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
                assert_eq!(in_path, named, "{path}");
                for parameter in parameters {
                    assert!(
                        parameter["schema"]["type"].is_string(),
                        "{path} {parameter}"
                    );
                    assert!(parameter.get("example").is_some(), "{path} {parameter}");
                }
            }
        }
    }
}
