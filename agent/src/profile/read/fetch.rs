//! The part of a shot that tells how its trace is read in blocks.

use std::time::Duration;

use silkline_protocol::id::PointName;
use silkline_protocol::settings::{FromSetting, Section, Wrong};
use toml::de::DeValue;

use crate::choice::one_of;
use crate::profile::{
    Blocks, Contents, FetchMap, Function, Given, MAX_REGISTERS, ObjectType, Oid, SampleForm,
    SampleKind, Stop, Sum, Window,
};

/// What a trace takes to be read where its profile does not say: 400 kB over a slow network.
const WITHIN: Duration = Duration::from_secs(60);
/// A trace that takes longer to be read is no use to anybody who waits for it.
const WITHIN_MOST: Duration = Duration::from_secs(1_800);
/// Records that fit one answer of function 20 (Modbus Application Protocol 1.1b3, 6.14).
const MOST_RECORDS: u16 = 120;
const USUAL_RECORDS: u16 = 100;
const RECORDS_A_FILE: u16 = 10_000;
/// Registers of the longest window: half of all there are.
const LONGEST_WINDOW: u16 = 32_768;

pub(super) fn read(section: &mut Section<'_>) -> Option<FetchMap> {
    let contents = match section.required("contents")? {
        Kind::Sor => Some(Contents::Sor),
        Kind::Samples => samples(section).map(Contents::Samples),
    };
    let busy: Option<Vec<i64>> = section.required("busy");
    if busy.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("busy", "has no value: a shot would be over at once");
    }
    let length: Option<PointName> = section.optional("length");
    let serial = section.optional("serial");
    let checksum: Option<PointName> = section.optional("checksum");
    let sum = section.optional("checksum_kind");
    if checksum.is_some() != sum.is_some() {
        section.wrong("checksum_kind", "stands beside checksum: both or none");
    }
    let within = section.or("within", WITHIN);
    if within < Duration::from_secs(1) || within > WITHIN_MOST {
        section.wrong("within", format!("is not 1 s to {WITHIN_MOST:?}"));
    }
    let blocks = blocks(section);
    let rows = matches!(blocks, Some(Blocks::Column { .. }));
    if length.is_none() && blocks.is_some() && !rows {
        section.wrong(
            "length",
            "is missing: only the rows of a column end by themselves",
        );
    }
    Some(FetchMap {
        blocks: blocks?,
        contents: contents?,
        busy: busy?,
        length,
        serial,
        checksum: checksum.zip(sum),
        within,
    })
}

fn blocks(section: &mut Section<'_>) -> Option<Blocks> {
    if section.has("column") {
        return Some(Blocks::Column {
            oid: section.required("column")?,
            first: section.or("first", 1),
        });
    }
    if section.has("data") {
        return Some(Blocks::Selected {
            index: section.required::<Oid>("index")?,
            kind: section.or("index_type", ObjectType::Unsigned),
            first: section.or("first", 1),
            data: section.required("data")?,
        });
    }
    if section.has("file") {
        return Some(Blocks::Records {
            file: section.required("file")?,
            registers: records(section),
        });
    }
    if !section.has("register") {
        section.wrong(
            "register",
            "is missing: blocks are at register, index with register, file, column, or index with data",
        );
    }
    let register: u16 = section.required("register")?;
    let window = Window {
        function: section.or("function", Function::Input),
        register,
        registers: registers(section),
    };
    if matches!(window.function, Function::Coil | Function::Discrete) {
        section.wrong("function", "is not holding or input: a bit is no block");
    }
    if section.has("index") {
        let end = u32::from(window.register) + u32::from(window.registers);
        if end > u32::from(u16::MAX) + 1 {
            section.wrong("registers", format!("end at register {end}, past 65536"));
        }
        return Some(Blocks::Indexed {
            index: section.required("index")?,
            first: section.or("first", 0),
            window,
        });
    }
    Some(Blocks::Registers(window))
}

/// As many records as fill a file of 10,000 without a rest.
fn records(section: &mut Section<'_>) -> u16 {
    let records = section.or("registers", USUAL_RECORDS);
    if !(1..=MOST_RECORDS).contains(&records) || !RECORDS_A_FILE.is_multiple_of(records.max(1)) {
        section.wrong(
            "registers",
            format!("{records} is not 1 to {MOST_RECORDS} and a divisor of {RECORDS_A_FILE}"),
        );
    }
    records
}

/// A window behind an index may be longer than a request: it is read in parts.
fn registers(section: &mut Section<'_>) -> u16 {
    let most = if section.has("index") {
        LONGEST_WINDOW
    } else {
        MAX_REGISTERS
    };
    let registers = section.or("registers", MAX_REGISTERS);
    if !(1..=most).contains(&registers) {
        section.wrong("registers", format!("{registers} is not 1 to {most}"));
    }
    registers
}

fn samples(section: &mut Section<'_>) -> Option<SampleForm> {
    let inner = section.section("samples");
    if inner.is_none() && !section.has("samples") {
        section.wrong("samples", "is missing: it tells what the numbers mean");
    }
    let mut section = inner?;
    let db_per_unit: Option<f64> = section.required("db_per_unit");
    if db_per_unit.is_some_and(|db| !(1e-6..=1.0).contains(&db)) {
        section.wrong("db_per_unit", "is not 0.000001 to 1");
    }
    let kind = section.required("type");
    let little = section.or("byte_order", Order(false)).0;
    let up = section.required::<Direction>("direction");
    let spacing_m = section.required("spacing_m");
    let group_index = section.required("group_index");
    let wavelength_nm = section.required("wavelength_nm");
    let pulse_ns = section.optional("pulse_ns");
    Some(SampleForm {
        kind: kind?,
        little,
        db_per_unit: db_per_unit?,
        up: up?.0,
        spacing_m: spacing_m?,
        group_index: group_index?,
        wavelength_nm: wavelength_nm?,
        pulse_ns,
    })
}

/// What ends a shot before its time.
pub(super) fn stop(section: &mut Section<'_>) -> Option<Stop> {
    if section.has("oid") {
        return Some(Stop::Object {
            oid: section.required("oid")?,
            kind: section.required("type")?,
            value: section.required("value")?,
        });
    }
    Some(Stop::Register {
        register: section.required("register")?,
        value: section.required("value")?,
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Sor,
    Samples,
}

#[derive(Clone, Copy)]
struct Order(bool);

#[derive(Clone, Copy)]
struct Direction(bool);

impl FromSetting for Kind {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("sor", Self::Sor), ("samples", Self::Samples)])
    }
}

impl FromSetting for Order {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("big", Self(false)), ("little", Self(true))])
    }
}

impl FromSetting for Direction {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("loss", Self(false)), ("light", Self(true))])
    }
}

impl FromSetting for SampleKind {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let table = [
            ("u16", Self::U16),
            ("i16", Self::I16),
            ("u32", Self::U32),
            ("i32", Self::I32),
        ];
        one_of(setting, &table)
    }
}

impl FromSetting for Sum {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        one_of(setting, &[("crc16", Self::Crc16), ("crc32", Self::Crc32)])
    }
}

impl FromSetting for Given {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        match setting {
            DeValue::String(_) => PointName::from_setting(setting).map(Self::Point),
            _ => f64::from_setting(setting).map(Self::Number),
        }
    }
}
