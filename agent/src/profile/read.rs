//! From the text of a profile to a [`Profile`], or to every mistake in it.

mod check;
mod fetch;
mod scpi;
mod snmp;
mod switch;
mod words;

pub(super) use words::{EVENTS, ROLES, SENSORS};

use silkline_protocol::device::{Limits, Role};
use silkline_protocol::settings::{self, FromSetting, Mistakes, Section};

use super::modbus::MAX_REGISTERS;
use super::{
    Bits, Endianness, Field, Function, LimitPlaces, Map, Meaning, ModbusMap, ModbusPoint,
    ModbusTable, Point, Profile, RegisterType, ShotMap, ShotStart,
};
use words::{Protocol, RoleWord};

/// The registered port of Modbus TCP.
const MODBUS_PORT: u16 = 502;
/// Reading over eight registers costs less than a second request on any link we know [by estimate].
const MAX_GAP: u16 = 8;
/// Rows a table may have where its profile does not say.
const MAX_ROWS: u16 = 64;
/// More rows than any device has; beyond it a profile is wrong.
const ROWS_LIMIT: u16 = 1024;

/// Reads the profile `name` with contents `text`.
///
/// # Errors
///
/// Every mistake in it.
pub fn read(name: &str, text: &str) -> Result<Profile, Mistakes> {
    settings::read(name, text, profile)
}

fn profile(top: &mut Section<'_>) -> Option<Profile> {
    let id = top.required("id");
    let title = top.required("title");
    let vendor = top.optional("vendor");
    let model = top.optional("model");
    let source: Option<String> = top.required("source");
    if source
        .as_ref()
        .is_some_and(|source| source.trim().len() < 4)
    {
        top.wrong(
            "source",
            "does not say where the registers or OIDs were taken from",
        );
    }
    let note = top.optional("note");
    let map = match top.required("protocol")? {
        Protocol::Modbus => modbus(top).map(Map::Modbus),
        Protocol::Snmp => snmp::read(top).map(Map::Snmp),
        Protocol::Scpi => scpi::read(top).map(Map::Scpi),
    };
    let shot = top.section("shot").map(|mut section| shot(&mut section));
    let shot = match shot {
        None => None,
        Some(read) => Some(read?),
    };
    let switch = top
        .section("switch")
        .map(|mut section| switch::read(&mut section));
    let profile = Profile {
        id: id?,
        title: title?,
        vendor,
        model,
        source: source?,
        note,
        map: map?,
        shot,
        switch: match switch {
            None => None,
            Some(read) => Some(read?),
        },
    };
    check::whole(top, &profile);
    Some(profile)
}

struct ModbusDefaults {
    function: Function,
    word_order: Endianness,
    byte_order: Endianness,
}

fn modbus(top: &mut Section<'_>) -> Option<ModbusMap> {
    let mut section = top.section("modbus");
    if section.is_none() && !top.has("modbus") {
        top.wrong(
            "modbus",
            "is missing: a Modbus profile needs a [modbus] table",
        );
    }
    let section = section.as_mut()?;
    let function = section.required("function");
    let word_order = section.required("word_order");
    let byte_order = section.or("byte_order", Endianness::Big);
    let port = section.or("port", MODBUS_PORT);
    let max_gap = section.or("max_gap", MAX_GAP);
    let max_registers = section.or("max_registers", MAX_REGISTERS);
    if !(1..=MAX_REGISTERS).contains(&max_registers) {
        section.wrong(
            "max_registers",
            format!("{max_registers} is not 1 to {MAX_REGISTERS}"),
        );
    }
    // With one that is missing the points can be read all the same, so that their mistakes are told too.
    let defaults = ModbusDefaults {
        function: function.unwrap_or(Function::Holding),
        word_order: word_order.unwrap_or(Endianness::Big),
        byte_order,
    };
    let mut sections = top.sections("point");
    let points: Vec<_> = sections
        .iter_mut()
        .map(|section| modbus_point(section, &defaults))
        .collect();
    let mut rows = top.sections("table");
    let tables: Vec<_> = rows
        .iter_mut()
        .map(|table| modbus_table(table, &defaults))
        .collect();
    let most = tables.iter().flatten().map(|table| table.max_rows).max();
    let single = (points.iter().zip(&sections))
        .filter_map(|(point, section)| Some((point.as_ref()?.placed(), section)));
    let in_tables = (tables.iter().zip(&rows)).filter_map(|(table, section)| {
        let placed = table.as_ref()?.placed(most.unwrap_or_default());
        Some(placed.into_iter().map(move |placed| (placed, section)))
    });
    check::overlaps(single.chain(in_tables.flatten()));
    if function.is_none() || word_order.is_none() {
        return None;
    }
    Some(ModbusMap {
        port,
        max_gap,
        max_registers,
        points: points.into_iter().collect::<Option<_>>()?,
        tables: tables.into_iter().collect::<Option<_>>()?,
    })
}

/// Reads them all before it gives up, so that each one's mistakes are noted.
fn modbus_points(
    sections: &mut [Section<'_>],
    defaults: &ModbusDefaults,
) -> Option<Vec<ModbusPoint>> {
    let read: Vec<_> = sections
        .iter_mut()
        .map(|section| modbus_point(section, defaults))
        .collect();
    read.into_iter().collect()
}

fn modbus_table(section: &mut Section<'_>, defaults: &ModbusDefaults) -> Option<ModbusTable> {
    let index: Option<Vec<String>> = section.required("index");
    for form in index.iter().flatten() {
        if !form.contains("{n}")
            || format!("x.{}", form.replace("{n}", "1"))
                .parse::<silkline_protocol::id::PointName>()
                .is_err()
        {
            section.wrong(
                "index",
                format!("{form:?} is not an index with {{n}} for the item's number"),
            );
        }
    }
    let rows: Option<u16> = section.optional("rows");
    let max_rows = section.or("max_rows", rows.unwrap_or(MAX_ROWS));
    if max_rows == 0 || max_rows > ROWS_LIMIT || rows.is_some_and(|rows| rows > max_rows) {
        section.wrong(
            "max_rows",
            format!("{max_rows} is not between rows and {ROWS_LIMIT}"),
        );
    }
    let register: Option<u16> = section.required("register");
    let stride: Option<u16> = section.required("stride");
    let points = modbus_points(&mut section.sections("point"), defaults);
    let (index, register, stride, points) = (index?, register?, stride?, points?);
    if points
        .iter()
        .any(|at| at.register.saturating_add(at.kind.registers()) > stride)
    {
        section.wrong(
            "stride",
            format!("{stride} is too short for the points of a row"),
        );
    }
    let all = u32::from(max_rows) * u32::try_from(index.len()).unwrap_or(u32::MAX);
    let end = u32::from(register).saturating_add(all.saturating_mul(u32::from(stride)));
    if end > u32::from(u16::MAX) + 1 {
        section.wrong(
            "max_rows",
            format!("the last row ends at register {end}, past 65536"),
        );
        return None;
    }
    Some(ModbusTable {
        index,
        rows,
        max_rows,
        register,
        stride,
        points,
    })
}

fn modbus_point(section: &mut Section<'_>, defaults: &ModbusDefaults) -> Option<ModbusPoint> {
    let register: Option<u16> = section.required("register");
    let function = section.or("function", defaults.function);
    let word_order = section.or("word_order", defaults.word_order);
    let byte_order = section.or("byte_order", defaults.byte_order);
    let of_bits = matches!(function, Function::Coil | Function::Discrete);
    let kind: Option<RegisterType> = if of_bits {
        Some(RegisterType::Bit)
    } else {
        section.required("type")
    };
    if of_bits && section.has("type") {
        section.wrong(
            "type",
            "does not belong to a coil or discrete input, which is one bit",
        );
    }
    let bits = bits(section, kind);
    let limits_at = places(section);
    let point = point(section);
    let (register, kind) = (register?, kind?);
    if u32::from(register) + u32::from(kind.registers()) > u32::from(u16::MAX) + 1 {
        section.wrong(
            "register",
            format!("{register} leaves no room for the value"),
        );
    }
    Some(ModbusPoint {
        function,
        register,
        kind,
        word_order,
        byte_order,
        bits,
        limits_at,
        point: point?,
    })
}

/// Where the device keeps limits for the point.
fn places<T: FromSetting>(section: &mut Section<'_>) -> LimitPlaces<T> {
    section
        .section("limits_at")
        .map_or_else(LimitPlaces::none, |mut places| {
            LimitPlaces::read(|level| places.optional(level))
        })
}

fn bits(section: &mut Section<'_>, kind: Option<RegisterType>) -> Option<Bits> {
    let single: Option<u8> = section.optional("bit");
    let pair: Option<[u8; 2]> = section.optional("bits");
    let (key, bits) = match (single, pair) {
        (Some(bit), None) => (
            "bit",
            Bits {
                low: bit,
                high: bit,
            },
        ),
        (None, Some([low, high])) => ("bits", Bits { low, high }),
        (None, None) => return None,
        (Some(_), Some(_)) => {
            section.wrong("bits", "stands beside bit: one of them only");
            return None;
        }
    };
    let kind = kind?;
    let width = kind.registers() * 16;
    if !kind.is_unsigned() || bits.low > bits.high || u16::from(bits.high) >= width {
        section.wrong(
            key,
            format!("is no part of an unsigned number of {width} bits"),
        );
    }
    Some(bits)
}

fn point(section: &mut Section<'_>) -> Option<Point> {
    let name: Option<silkline_protocol::id::PointName> = section.required("name");
    if name.as_ref().is_some_and(|name| name.index().is_some()) {
        section.wrong("name", "carries an index: rows get theirs from the table");
    }
    let unit = section.required::<words::UnitWord>("unit");
    let role = section.required::<RoleWord>("role");
    let status = section.required("status");
    let meaning = meaning(section, role.as_ref().map(|role| role.0));
    let limits = section
        .section("limits")
        .map(|mut section| limits(&mut section));
    Some(Point {
        name: name?,
        unit: unit?.0,
        role: role?.0,
        meaning: meaning?,
        limits: limits.unwrap_or_default(),
        status: status?,
    })
}

fn meaning(section: &mut Section<'_>, role: Option<Role>) -> Option<Meaning> {
    let scale = section.or("scale", 1.0);
    if scale.abs() < 1e-12 {
        section.wrong("scale", "is zero: every value would be the same");
    }
    let meaning = Meaning {
        scale,
        offset: section.or("offset", 0.0),
        dark: section.or("dark", Vec::new()),
        dark_below: section.optional("dark_below"),
        bad: section.or("bad", Vec::new()),
        range: section.optional("range"),
        codes: section.or("map", Vec::new()),
    };
    if meaning.range.is_some_and(|[low, high]| low > high) {
        section.wrong("range", "begins above its end");
    }
    let dark = !meaning.dark.is_empty() || meaning.dark_below.is_some();
    let meter = matches!(
        role?,
        Role::LightIn | Role::LightOut | Role::SupervisoryIn | Role::Other
    );
    if dark && !meter {
        let key = if meaning.dark.is_empty() {
            "dark_below"
        } else {
            "dark"
        };
        section.wrong(
            key,
            "belongs to a light meter: role light_in, light_out, supervisory_in",
        );
    }
    Some(meaning)
}

fn limits(section: &mut Section<'_>) -> Limits {
    let limits = Limits {
        low_warning: section.optional("low_warning"),
        low_major: section.optional("low_major"),
        high_warning: section.optional("high_warning"),
        high_major: section.optional("high_major"),
    };
    let above = |low: Option<f64>, high: Option<f64>| low.zip(high).is_some_and(|(l, h)| l > h);
    if above(limits.low_major, limits.low_warning) {
        section.wrong("low_major", "lies above low_warning");
    }
    if above(limits.high_warning, limits.high_major) {
        section.wrong("high_warning", "lies above high_major");
    }
    limits
}

fn shot(section: &mut Section<'_>) -> Option<ShotMap> {
    let state = section.optional("state");
    let failed = section.optional("failed");
    let needs_dark = section.or("needs_dark", false);
    let fetch = section
        .section("read")
        .map(|mut inner| fetch::read(&mut inner));
    let stop = section
        .section("stop")
        .map(|mut inner| fetch::stop(&mut inner));
    let start = if section.has("commands") {
        ShotStart::Lines(scpi::shot(section)?)
    } else if section.has("objects") {
        let objects = section.sections("objects");
        let objects: Option<Vec<_>> = objects.into_iter().map(snmp::shot_object).collect();
        ShotStart::Objects(objects?)
    } else {
        let register = section.required("register");
        let fields: Option<Vec<Field>> = section.required("fields");
        ShotStart::Registers {
            register: register?,
            fields: fields?,
        }
    };
    Some(ShotMap {
        start,
        state,
        failed,
        needs_dark,
        fetch: match fetch {
            None => None,
            Some(read) => Some(read?),
        },
        stop: match stop {
            None => None,
            Some(read) => Some(read?),
        },
    })
}

#[cfg(test)]
mod tests;
