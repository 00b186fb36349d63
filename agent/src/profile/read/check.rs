//! What can only be checked when a whole profile has been read: names, places, references.

use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::settings::Section;

use crate::profile::{
    FieldValue, Function, Map, ModbusMap, ModbusPoint, Placed, Profile, ShotMap, ShotStart, SnmpMap,
};

/// Notes every mistake of `profile` that lies between its entries.
pub(super) fn whole(top: &Section<'_>, profile: &Profile) {
    let mut seen = BTreeSet::new();
    let mut any = false;
    for point in profile.points() {
        any = true;
        if !seen.insert(&point.name) {
            top.wrong(
                "point",
                format!("the name {} is given to two points", point.name),
            );
        }
    }
    if !any {
        top.wrong(
            "point",
            "is missing: a profile without points reads nothing",
        );
    }
    match &profile.map {
        Map::Modbus(map) => overlaps(top, map),
        Map::Snmp(map) => traps(top, profile, map),
        Map::Scpi(_) => {}
    }
    if let Some(shot) = &profile.shot {
        shot_fits(top, profile, shot);
    }
}

/// Every register belongs to one point, unless bit fields share it and their bits differ.
fn overlaps(top: &Section<'_>, map: &ModbusMap) {
    let most = map.tables.iter().map(|table| table.max_rows).max();
    let mut owners: BTreeMap<(Function, u16), Vec<Placed>> = BTreeMap::new();
    for placed in map.placed(most) {
        for register in placed.at.register
            ..placed
                .at
                .register
                .saturating_add(placed.at.kind.registers())
        {
            let here = owners.entry((placed.at.function, register)).or_default();
            if let Some(other) = here.iter().find(|other| !may_share(&placed.at, &other.at)) {
                let (name, other) = (&placed.name, &other.name);
                top.wrong(
                    "point",
                    format!("{name} and {other} overlap at register {register}"),
                );
                return;
            }
            here.push(placed.clone());
        }
    }
}

fn may_share(one: &ModbusPoint, other: &ModbusPoint) -> bool {
    let same_word = one.register == other.register && one.kind == other.kind;
    same_word
        && one
            .bits
            .zip(other.bits)
            .is_some_and(|(a, b)| !a.overlaps(b))
}

/// Each notification is listed once, and is about a point that is there.
fn traps(top: &Section<'_>, profile: &Profile, map: &SnmpMap) {
    let mut seen = BTreeSet::new();
    for trap in &map.traps {
        let oid = &trap.oid;
        if !seen.insert(oid) {
            top.wrong("trap", format!("{oid} is listed twice"));
        }
        if let Some(point) = &trap.point
            && profile.point(point).is_none()
        {
            let problem = format!("{oid} names the point {point}, which the profile does not have");
            top.wrong("trap", problem);
        }
    }
}

fn shot_fits(top: &Section<'_>, profile: &Profile, shot: &ShotMap) {
    let right = matches!(
        (&profile.map, &shot.start),
        (Map::Modbus(_), ShotStart::Registers { .. })
            | (Map::Snmp(_), ShotStart::Objects(_))
            | (Map::Scpi(_), ShotStart::Lines(_))
    );
    if !right {
        top.wrong(
            "shot",
            "writes registers with Modbus, objects with SNMP, and lines with SCPI",
        );
    }
    for wanted in [FieldValue::Port, FieldValue::Start] {
        if !shot.values().any(|value| value == wanted) {
            top.wrong(
                "shot",
                format!("has no field {wanted:?}: nothing would be started"),
            );
        }
    }
    if let Some(state) = &shot.state
        && profile.point(state).is_none()
    {
        top.wrong(
            "shot",
            format!("names the point {state}, which the profile does not have"),
        );
    }
}
