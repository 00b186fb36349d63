//! A JSON Schema of profiles, for editors: what each key is, and the words it may have.
//!
//! Editors check as one types; [`read`](super::read) checks what a schema can't say, such as registers
//! that overlap. The schema refuses nothing that the reader takes; a test holds the two together.

mod shot;

use serde_json::{Map as Object, Value, json};
use silkline_protocol::device::Unit;

use super::read::{EVENTS, ROLES, SENSORS};

/// The schema.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Profile of a device model",
        "description": "A device model of silkline-agent; see docs/manual/profiles.md",
        "type": "object",
        "required": ["id", "title", "protocol", "source"],
        "additionalProperties": false,
        "properties": {
            "id": text("The model's id, which is also the name of the file: a-z, 0-9 and -"),
            "title": text("What it is, for people"),
            "vendor": text("Who makes it"),
            "model": text("The maker's name for the model"),
            "protocol": word("How it is asked", &["modbus", "snmp", "scpi"]),
            "source": text("Where the registers or OIDs were taken from"),
            "note": text("What to know before relying on it"),
            "modbus": object(modbus(), &["function", "word_order"]),
            "snmp": object(snmp(), &["base"]),
            "scpi": object(vec![("port", whole("The port; 5025 where absent", 1, 65_535))], &[]),
            "point": list(object(point(), &POINT)),
            "table": list(object(table(), &["index", "point"])),
            "trap": list(object(trap(), &["oid", "detail"])),
            "shot": object(shot::shot(), &[]),
            "switch": object(shot::switch(), &["position", "ports"]),
        },
    })
}

const POINT: [&str; 4] = ["name", "unit", "role", "status"];

type Keys = Vec<(&'static str, Value)>;

fn modbus() -> Keys {
    vec![
        ("port", whole("The port; 502 where absent", 1, 65_535)),
        ("function", function()),
        (
            "word_order",
            word("Which word of several comes first", &["big", "little"]),
        ),
        (
            "byte_order",
            word("Which byte of a word comes first", &["big", "little"]),
        ),
        (
            "max_gap",
            whole(
                "Registers that are read over rather than asked for apart",
                0,
                65_535,
            ),
        ),
        (
            "max_registers",
            whole("The most registers it stands in one request", 1, 125),
        ),
    ]
}

fn snmp() -> Keys {
    vec![
        ("base", oid("What OIDs that begin with a dot stand after")),
        ("port", whole("The port; 161 where absent", 1, 65_535)),
        ("repetitions", whole("Rows asked for in one request", 1, 50)),
        (
            "sys_objects",
            list(oid("What the device's sysObjectID begins with")),
        ),
    ]
}

fn point() -> Keys {
    let units: Vec<&str> = Unit::ALL.iter().map(|unit| unit.symbol()).collect();
    let types = ["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"];
    let statuses = ["read", "derived", "inferred", "known", "own"];
    let events: Vec<&str> = SENSORS.iter().map(|(name, _)| *name).collect();
    let place = json!({"type": ["integer", "string"], "description": "A register or an OID"});
    let places = ["low_warning", "low_major", "high_warning", "high_major"];
    let numbers = places.map(|key| (key, number("In the point's unit")));
    let places = places.map(|key| (key, place.clone()));
    vec![
        (
            "name",
            text("Its name: a-z, 0-9 and _; rows get their index from the table"),
        ),
        (
            "register",
            whole(
                "The register, counted from 0; in a table from the row's first",
                0,
                65_535,
            ),
        ),
        ("function", function()),
        (
            "word_order",
            word("Which word of several comes first", &["big", "little"]),
        ),
        (
            "byte_order",
            word("Which byte of a word comes first", &["big", "little"]),
        ),
        ("type", word("How its registers are to be taken", &types)),
        ("bit", whole("The one bit that is meant", 0, 65_535)),
        (
            "bits",
            pair("The lowest and the highest bit that are meant", "integer"),
        ),
        ("oid", oid("The object, or the column of a table")),
        (
            "rate",
            json!({"type": "boolean", "description": "A counter of which the rate a second is wanted"}),
        ),
        (
            "sensor",
            word(
                "The type of the rows that are meant, in a table of sensors",
                &events,
            ),
        ),
        ("scale", number("The value of one raw unit")),
        ("offset", number("Added after scaling")),
        ("unit", word("The unit of its values", &units)),
        ("role", word("What it means to the detectors", ROLES)),
        ("status", word("How sure its place is", &statuses)),
        ("dark", numbers_of("Raw numbers that mean no light")),
        ("dark_below", number("Values below this mean no light")),
        ("bad", numbers_of("Raw numbers that mean no value")),
        (
            "range",
            pair("The least and the most that are possible", "number"),
        ),
        (
            "map",
            list(pair("A raw number and what it stands for", "integer")),
        ),
        ("query", text("SCPI: the line that asks for it")),
        ("limits", object(numbers.into(), &[])),
        ("limits_at", object(places.into(), &[])),
    ]
}

fn table() -> Keys {
    let index = json!({
        "description": "Modbus: the rows' indexes, {n} being the number; SNMP: what the index consists of",
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"enum": ["integers", "texts"]},
        ],
    });
    vec![
        ("index", index),
        (
            "rows",
            whole(
                "How many items it has, where every device has as many",
                1,
                1024,
            ),
        ),
        ("max_rows", whole("The most items it may have", 1, 1024)),
        (
            "register",
            whole("The first row's first register", 0, 65_535),
        ),
        (
            "stride",
            whole("Registers from one row to the next", 1, 65_535),
        ),
        (
            "base",
            oid("What the columns' OIDs stand after, in place of the profile's base"),
        ),
        (
            "sensors",
            json!({"type": "boolean", "description": "Rows say themselves what they measure, as in ENTITY-SENSOR-MIB"}),
        ),
        ("point", list(object(point(), &POINT))),
    ]
}

fn trap() -> Keys {
    let events: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
    vec![
        ("oid", oid("The notification")),
        ("event", word("What it is told as", &events)),
        (
            "point",
            text("The point it is about; the row is found in its objects"),
        ),
        ("detail", text("In words")),
        (
            "reread",
            json!({"type": "boolean", "description": "Whether the device is polled at once"}),
        ),
    ]
}

fn object(keys: Keys, required: &[&str]) -> Value {
    let properties: Object<String, Value> = keys
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

fn number(what: &str) -> Value {
    json!({"type": "number", "description": what})
}

fn numbers_of(what: &str) -> Value {
    json!({"type": "array", "items": {"type": "integer"}, "description": what})
}

fn pair(what: &str, kind: &str) -> Value {
    json!({
        "type": "array", "items": {"type": kind}, "minItems": 2, "maxItems": 2, "description": what,
    })
}

fn whole(what: &str, least: u32, most: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most, "description": what})
}

fn word(what: &str, words: &[&str]) -> Value {
    json!({"enum": words, "description": what})
}

fn oid(what: &str) -> Value {
    json!({"type": "string", "pattern": r"^\.?[0-9]+(\.[0-9]+)*$", "description": what})
}

fn function() -> Value {
    word(
        "The address space",
        &["holding", "input", "coil", "discrete"],
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::profile::read;

    /// Whether `value` fits `schema`, as far as profiles use the language.
    fn fits(schema: &Value, value: &toml::Value) -> Result<(), String> {
        if let Some(words) = schema["enum"].as_array() {
            let known = words.iter().any(|word| word.as_str() == value.as_str());
            return known
                .then_some(())
                .ok_or_else(|| format!("{value} is no word of {words:?}"));
        }
        if let Some(forms) = schema["anyOf"].as_array() {
            let any = forms.iter().any(|form| fits(form, value).is_ok());
            return any
                .then_some(())
                .ok_or_else(|| format!("{value} has none of the forms"));
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let kind = match value {
            toml::Value::Table(_) => "object",
            toml::Value::Array(_) => "array",
            toml::Value::Integer(_) => "integer",
            toml::Value::Float(_) => "number",
            toml::Value::Boolean(_) => "boolean",
            toml::Value::String(_) | toml::Value::Datetime(_) => "string",
        };
        let numeric = kind == "integer" && kinds.contains(&"number");
        if !kinds.contains(&kind) && !numeric {
            return Err(format!("{value} is not of {kinds:?}"));
        }
        match value {
            toml::Value::Array(items) => items
                .iter()
                .try_for_each(|item| fits(&schema["items"], item)),
            toml::Value::Table(keys) => {
                for (key, value) in keys {
                    let of_key = &schema["properties"][key];
                    if of_key.is_null() {
                        return Err(format!("{key} is no key"));
                    }
                    fits(of_key, value).map_err(|error| format!("{key}: {error}"))?;
                }
                let required = schema["required"].as_array().into_iter().flatten();
                let mut required = required.filter_map(Value::as_str);
                let missing = required.find(|key| !keys.contains_key(*key));
                missing.map_or(Ok(()), |key| Err(format!("{key} is missing")))
            }
            _ => Ok(()),
        }
    }

    #[test]
    fn every_shipped_profile_fits_the_schema() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
        let schema = schema();
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let value = toml::Value::Table(text.parse().unwrap());
            fits(&schema, &value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            count += 1;
        }
        assert!(count >= 17, "{count}");
    }

    /// What the reader says it knows at `head`, read from its own mistake.
    fn known_at(text: &str) -> Vec<String> {
        let said = read("a.toml", text)
            .expect_err("has a wrong key")
            .to_string();
        let line = said
            .lines()
            .find(|line| line.contains("no_such_key: is no key"))
            .unwrap();
        let known = line.split("known are ").nth(1).unwrap();
        known
            .split(", ")
            .filter(|key| *key != "no_such_key")
            .map(str::to_owned)
            .collect()
    }

    /// Profiles with a wrong key, each with where it stands in the schema.
    fn with_wrong_keys() -> Vec<(String, &'static str)> {
        let modbus = "id = \"a\"\ntitle = \"A\"\nprotocol = \"modbus\"\nsource = \"page 3\"\n";
        let snmp = modbus.replace("\"modbus\"", "\"snmp\"");
        let scpi = modbus.replace("\"modbus\"", "\"scpi\"");
        let end_modbus = "[modbus]\nfunction = \"input\"\nword_order = \"big\"\n";
        let end_snmp = "[snmp]\nbase = \"1.3\"\n";
        let wrong = "no_such_key = 1\n";
        vec![
            (format!("{modbus}{wrong}{end_modbus}"), ""),
            (format!("{modbus}{end_modbus}{wrong}"), "/properties/modbus"),
            (format!("{snmp}{end_snmp}{wrong}"), "/properties/snmp"),
            (
                format!("{modbus}{end_modbus}[[point]]\n{wrong}"),
                "/properties/point/items",
            ),
            (
                format!("{snmp}{end_snmp}[[point]]\n{wrong}"),
                "/properties/point/items",
            ),
            (
                format!("{modbus}{end_modbus}[[table]]\n{wrong}"),
                "/properties/table/items",
            ),
            (
                format!("{snmp}{end_snmp}[[table]]\n{wrong}"),
                "/properties/table/items",
            ),
            (
                format!("{snmp}{end_snmp}[[trap]]\n{wrong}"),
                "/properties/trap/items",
            ),
            (
                format!("{modbus}{end_modbus}[shot]\n{wrong}"),
                "/properties/shot",
            ),
            (
                format!("{modbus}{end_modbus}[shot]\ncommands = [\"A\"]\n{wrong}"),
                "/properties/shot",
            ),
            (
                format!("{modbus}{end_modbus}[shot]\n[shot.read]\ncontents = \"sor\"\n{wrong}"),
                "/properties/shot/properties/read",
            ),
            (
                format!(
                    "{snmp}{end_snmp}[shot]\n[shot.read]\ncontents = \"samples\"\n\
                     [shot.read.samples]\n{wrong}"
                ),
                "/properties/shot/properties/read/properties/samples",
            ),
            (
                format!("{snmp}{end_snmp}[shot]\n[shot.stop]\noid = \"1.3\"\n{wrong}"),
                "/properties/shot/properties/stop",
            ),
            (
                format!("{modbus}{end_modbus}[switch]\n{wrong}"),
                "/properties/switch",
            ),
            (
                format!("{scpi}[[point]]\n{wrong}"),
                "/properties/point/items",
            ),
        ]
    }

    #[test]
    fn the_schema_has_every_key_the_reader_knows() {
        let all = schema();
        let at = |path: &str| {
            all.pointer(path).unwrap()["properties"]
                .as_object()
                .unwrap()
                .clone()
        };
        for (text, path) in with_wrong_keys() {
            let keys = at(path);
            for key in known_at(&text) {
                assert!(
                    keys.contains_key(&key),
                    "{key} is not in the schema at {path:?}"
                );
            }
        }
    }

    #[test]
    fn the_schema_in_docs_is_that_of_the_code() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas/profile.json");
        let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("SILKLINE_WRITE_DOCS").is_some() {
            std::fs::write(path, text).unwrap();
            return;
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            found, text,
            "docs/schemas/profile.json is old: run `make docs`"
        );
    }
}
