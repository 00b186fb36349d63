//! JSON Schemas of every message, generated into `docs/schemas/` and held equal to the code.
//!
//! With `SILKLINE_WRITE_DOCS=1` the files are written; without, they are compared.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it reads and compares files, and stops at the first thing that is not right"
)]

use std::path::PathBuf;

use schemars::{JsonSchema, schema_for};
use silkline_protocol::delivery::Committed;
use silkline_protocol::device::About;
use silkline_protocol::message::{Beat, Command, Event, Gap, Reply, Status};
use silkline_protocol::sample::Sample;

fn held<T: JsonSchema>(name: &str) {
    let text = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os("SILKLINE_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, text,
        "docs/schemas/{name}.json is old: run `make docs`"
    );
}

#[test]
fn the_schemas_in_docs_are_those_of_the_code() {
    held::<Sample>("sample");
    held::<Event>("event");
    held::<About>("about");
    held::<Gap>("gap");
    held::<Committed>("committed");
    held::<Status>("status");
    held::<Beat>("beat");
    held::<Command>("command");
    held::<Reply>("reply");
}
