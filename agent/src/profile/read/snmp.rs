//! The part of a profile that only SNMP devices have.

use silkline_protocol::message::EventKind;
use silkline_protocol::settings::Section;

use super::words::{EventWord, SensorWord};
use super::{MAX_ROWS, ROWS_LIMIT, places, point};
use crate::profile::{
    IndexForm, LimitPlaces, Oid, ShotObject, SnmpMap, SnmpPoint, SnmpTable, TrapMap,
};

/// The registered port of SNMP.
const SNMP_PORT: u16 = 161;
/// Five to ten repetitions worked with every agent tried; more made some fail.
const REPETITIONS: u16 = 10;

/// Reads what an SNMP device has.
pub(super) fn read(top: &mut Section<'_>) -> Option<SnmpMap> {
    let section = top.section("snmp");
    if section.is_none() && !top.has("snmp") {
        top.wrong("snmp", "is missing: an SNMP profile needs a [snmp] table");
    }
    let mut section = section?;
    let base: Option<Oid> = section.required("base");
    let port = section.or("port", SNMP_PORT);
    let sys_objects = section.or("sys_objects", Vec::new());
    let repetitions = section.or("repetitions", REPETITIONS);
    if !(1..=50).contains(&repetitions) {
        section.wrong("repetitions", format!("{repetitions} is not 1 to 50"));
    }
    let told = base.is_some();
    // Without it the points can be read all the same, so that their mistakes are told too.
    let base = base.unwrap_or_default();
    let points = all(top.sections("point"), |section| snmp_point(section, &base));
    let tables = all(top.sections("table"), |section| table(section, &base));
    let traps = all(top.sections("trap"), |section| trap(section, &base));
    told.then_some(())?;
    Some(SnmpMap {
        port,
        repetitions,
        sys_objects,
        points: points?,
        tables: tables?,
        traps: traps?,
    })
}

/// Reads them all before it gives up, so that each one's mistakes are noted.
fn all<T>(
    mut sections: Vec<Section<'_>>,
    read: impl FnMut(&mut Section<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = sections.iter_mut().map(read).collect();
    read.into_iter().collect()
}

fn table(section: &mut Section<'_>, base: &Oid) -> Option<SnmpTable> {
    let index: Option<IndexForm> = section.required("index");
    let base = section.or("base", base.clone());
    let sensors = section.or("sensors", false);
    let max_rows = section.or("max_rows", MAX_ROWS);
    if !(1..=ROWS_LIMIT).contains(&max_rows) {
        section.wrong("max_rows", format!("{max_rows} is not 1 to {ROWS_LIMIT}"));
    }
    let mut sections = section.sections("point");
    if sections.is_empty() {
        section.wrong("point", "is missing: a table needs [[table.point]]");
    }
    for point in sections
        .iter()
        .filter(|point| point.has("sensor") != sensors)
    {
        point.wrong(
            "sensor",
            "stands in each point of a table with sensors = true",
        );
    }
    let columns: Vec<_> = sections
        .iter_mut()
        .map(|column| snmp_point(column, &base))
        .collect();
    let columns = columns.into_iter().collect::<Option<Vec<_>>>();
    Some(SnmpTable {
        index: index?,
        sensors,
        max_rows,
        columns: columns?,
    })
}

fn snmp_point(section: &mut Section<'_>, base: &Oid) -> Option<SnmpPoint> {
    let oid = oid(section, base);
    let bit = section.optional("bit");
    let rate = section.or("rate", false);
    let kind: Option<SensorWord> = section.optional("sensor");
    let limits_at: LimitPlaces<Below> = places(section);
    let point = point(section);
    if rate && bit.is_some() {
        section.wrong("rate", "stands beside bit: a bit does not count");
    }
    Some(SnmpPoint {
        oid: oid?,
        bit,
        rate,
        sensor: kind.map(|SensorWord(code)| code),
        limits_at: limits_at.map(|place| place.after(base)),
        point: point?,
    })
}

/// An OID that begins with a dot stands after the base.
struct Below(String, Oid);

impl Below {
    fn after(self, base: &Oid) -> Oid {
        let Self(text, oid) = self;
        if text.starts_with('.') {
            base.join(&oid)
        } else {
            oid
        }
    }
}

impl silkline_protocol::settings::FromSetting for Below {
    fn from_setting(
        setting: &toml::de::DeValue<'_>,
    ) -> Result<Self, silkline_protocol::settings::Wrong> {
        Ok(Self(
            String::from_setting(setting)?,
            Oid::from_setting(setting)?,
        ))
    }
}

fn oid(section: &mut Section<'_>, base: &Oid) -> Option<Oid> {
    section.required::<Below>("oid").map(|oid| oid.after(base))
}

fn trap(section: &mut Section<'_>, base: &Oid) -> Option<TrapMap> {
    let oid = oid(section, base);
    let event = section.or("event", EventWord(EventKind::Trap));
    let point = section.optional("point");
    let detail = section.required("detail");
    let reread = section.or("reread", true);
    Some(TrapMap {
        oid: oid?,
        event: event.0,
        point,
        detail: detail?,
        reread,
    })
}

/// One object of a shot; its OID is complete.
pub(super) fn shot_object(mut section: Section<'_>) -> Option<ShotObject> {
    let oid = section.required("oid");
    let kind = section.required("type");
    let value = section.required("value");
    Some(ShotObject {
        oid: oid?,
        kind: kind?,
        value: value?,
    })
}
