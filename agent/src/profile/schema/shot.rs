//! The part of the schema that OTDRs and fibre switches have.

use serde_json::json;

use super::{Keys, list, object, oid, text, whole, word};

/// The keys of `[shot]`.
pub(super) fn shot() -> Keys {
    let values = ["port", "pulse_ns", "average_s", "start"];
    let object_keys = vec![
        ("oid", oid("The instance's complete OID")),
        (
            "type",
            word("The type of its value", &["integer", "unsigned"]),
        ),
        ("value", word("What is written", &values)),
    ];
    vec![
        (
            "register",
            whole("The first register that is written", 0, 65_535),
        ),
        (
            "fields",
            list(text("A value and its width, such as pulse_ns:u32")),
        ),
        (
            "objects",
            list(object(object_keys, &["oid", "type", "value"])),
        ),
        (
            "state",
            text("The point that tells how the last shot ended"),
        ),
        (
            "failed",
            json!({"type": "integer", "description": "Its value after a shot that failed"}),
        ),
        (
            "needs_dark",
            json!({"type": "boolean", "description": "Whether a shot needs a fibre without traffic"}),
        ),
        (
            "commands",
            list(text(
                "SCPI: a line, with {port}, {pulse_ns} and {average_s} where the values go",
            )),
        ),
        ("status", text("SCPI: the query for whether a shot runs")),
        (
            "running",
            json!({"type": "integer", "description": "It runs while one of these bits is set"}),
        ),
        (
            "finished",
            json!({"type": "integer", "description": "It is over when one of these bits is set"}),
        ),
        (
            "fetch",
            text("SCPI: the query that answers with the SOR file as a block"),
        ),
        ("abort", text("SCPI: what ends a shot before its time")),
        ("read", object(read(), &["contents", "busy"])),
        ("stop", object(stop(), &["value"])),
    ]
}

const SAMPLES: [&str; 6] = [
    "type",
    "db_per_unit",
    "direction",
    "spacing_m",
    "group_index",
    "wavelength_nm",
];

/// The keys of `[shot.read]`.
fn read() -> Keys {
    let number = json!({"type": "integer"});
    vec![
        (
            "contents",
            word("What the blocks contain", &["sor", "samples"]),
        ),
        (
            "busy",
            json!({"type": "array", "items": number, "description": "The values of state while it measures"}),
        ),
        (
            "length",
            text("The point that tells how many bytes the file or samples the trace has"),
        ),
        ("serial", text("The point that differs from trace to trace")),
        (
            "checksum",
            text("The point that holds the check sum of all bytes"),
        ),
        (
            "checksum_kind",
            word(
                "CRC-16 CCITT from FFFF, or CRC-32 of ISO 3309",
                &["crc16", "crc32"],
            ),
        ),
        (
            "within",
            text("How long reading it may take; 60s where absent"),
        ),
        (
            "samples",
            object(samples(), &SAMPLES),
        ),
    ]
    .into_iter()
    .chain(blocks())
    .collect()
}

/// Where the blocks are.
fn blocks() -> Keys {
    vec![
        (
            "register",
            whole("Modbus: where the blocks begin or are shown", 0, 65_535),
        ),
        (
            "registers",
            whole(
                "Modbus: registers or records of a block; behind an index it may be longer than a request",
                1,
                32_768,
            ),
        ),
        ("function", word("The address space", &["holding", "input"])),
        (
            "index",
            json!({
                "type": ["integer", "string"],
                "description": "Where the number of a block is written: a register or an OID",
            }),
        ),
        (
            "index_type",
            word("SNMP: the type of that object", &["integer", "unsigned"]),
        ),
        (
            "file",
            whole("Modbus: the first file, read with function 20", 0, 65_535),
        ),
        ("column", oid("SNMP: the column whose rows are the blocks")),
        ("data", oid("SNMP: the object that shows the block")),
        ("first", whole("The number of the first block", 0, u32::MAX)),
    ]
}

fn samples() -> Keys {
    let given = |what: &str| {
        json!({
            "type": ["number", "string"],
            "description": format!("{what}: a number, or the point that tells it"),
        })
    };
    vec![
        (
            "type",
            word("The form of a sample", &["u16", "i16", "u32", "i32"]),
        ),
        (
            "byte_order",
            word("Which byte comes first", &["big", "little"]),
        ),
        (
            "db_per_unit",
            super::number("Decibels, one way, of one unit"),
        ),
        (
            "direction",
            word(
                "Whether a larger number is more loss or more light",
                &["loss", "light"],
            ),
        ),
        ("spacing_m", given("Metres of glass from sample to sample")),
        ("group_index", given("The group index of these metres")),
        ("wavelength_nm", given("Nanometres")),
        (
            "pulse_ns",
            given("Nanoseconds; what was ordered where absent"),
        ),
    ]
}

/// The keys of `[shot.stop]`.
fn stop() -> Keys {
    vec![
        (
            "register",
            whole("Modbus: the register that is written", 0, 65_535),
        ),
        ("oid", oid("SNMP: the instance that is set")),
        ("type", word("SNMP: its type", &["integer", "unsigned"])),
        ("value", whole("What is written", 0, u32::MAX)),
    ]
}

/// The keys of `[switch]`.
pub(super) fn switch() -> Keys {
    vec![
        (
            "register",
            whole("Modbus: the register that takes the port", 0, 65_535),
        ),
        ("oid", oid("SNMP: the instance that takes the port")),
        ("type", word("SNMP: its type", &["integer", "unsigned"])),
        (
            "commands",
            list(text("SCPI: a line, with {port} where the port goes")),
        ),
        ("position", text("The point that tells where it stands")),
        ("ports", whole("How many ports it has", 1, 65_535)),
        (
            "offset",
            json!({"type": "integer", "description": "Added to a port before it is written"}),
        ),
        (
            "within",
            text("How long it may take to confirm; 5s where absent"),
        ),
        (
            "settle",
            text("How long the light needs then; 300ms where absent"),
        ),
    ]
}
