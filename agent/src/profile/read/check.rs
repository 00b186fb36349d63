//! What can only be checked when a whole profile has been read: names, places, references.

use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::settings::Section;

use crate::profile::{
    Blocks, FetchMap, FieldValue, Function, Map, ModbusPoint, Placed, Profile, ShotMap, ShotStart,
    SnmpMap, Stop, SwitchMap, SwitchSet,
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
        Map::Snmp(map) => traps(top, profile, map),
        Map::Modbus(_) | Map::Scpi(_) => {}
    }
    if let Some(shot) = &profile.shot {
        shot_fits(top, profile, shot);
    }
    if let Some(switch) = &profile.switch {
        switch_fits(top, profile, switch);
    }
}

/// Every register belongs to one point, unless bit fields share it and their bits differ: the first that
/// does not is noted where the later of its points, or that one's table, stands.
pub(super) fn overlaps<'a, 'b: 'a>(all: impl IntoIterator<Item = (Placed, &'a Section<'b>)>) {
    let mut owners: BTreeMap<(Function, u16), Vec<Placed>> = BTreeMap::new();
    for (placed, section) in all {
        let (first, many) = (placed.at.register, placed.at.kind.registers());
        for register in first..first.saturating_add(many) {
            let here = owners.entry((placed.at.function, register)).or_default();
            if let Some(other) = here.iter().find(|other| !may_share(&placed.at, &other.at)) {
                let (name, other) = (&placed.name, &other.name);
                let problem = format!("{name} and {other} overlap at register {register}");
                section.wrong("register", problem);
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
    if !shot.values().any(|value| value == FieldValue::Start) {
        top.wrong("shot", "has no field Start: nothing would be started");
    }
    if let Some(state) = &shot.state
        && !has_single(profile, state)
    {
        top.wrong(
            "shot",
            format!("names the point {state}, which the profile does not have"),
        );
    }
    if let Some(fetch) = &shot.fetch {
        fetch_fits(top, profile, (shot, fetch));
    }
    let stop_fits = match (&profile.map, &shot.stop) {
        (_, None) | (Map::Modbus(_), Some(Stop::Register { .. })) => true,
        (Map::Snmp(_), Some(Stop::Object { .. })) => true,
        (Map::Modbus(_) | Map::Snmp(_) | Map::Scpi(_), Some(_)) => false,
    };
    if !stop_fits {
        top.wrong(
            "shot",
            "has a stop of another protocol: a register with Modbus, an oid with SNMP, abort with SCPI",
        );
    }
}

/// A switch is set over the profile's own protocol, and tells where it stands.
fn switch_fits(top: &Section<'_>, profile: &Profile, switch: &SwitchMap) {
    let right = matches!(
        (&profile.map, &switch.set),
        (Map::Modbus(_), SwitchSet::Register(_))
            | (Map::Snmp(_), SwitchSet::Object(..))
            | (Map::Scpi(_), SwitchSet::Lines(_))
    );
    if !right {
        top.wrong(
            "switch",
            "is set by a register with Modbus, an oid with SNMP, and commands with SCPI",
        );
    }
    let position = &switch.position;
    if !has_single(profile, position) {
        top.wrong(
            "switch",
            format!(
                "names the point {position}, which the profile does not have outside its tables"
            ),
        );
    }
    if profile.shot.is_some() {
        top.wrong(
            "switch",
            "stands beside shot: an OTDR with a switch inside takes its port with the shot",
        );
    }
}

/// What is read in blocks is of the profile's own protocol, and its quantities are points.
fn fetch_fits(top: &Section<'_>, profile: &Profile, (shot, fetch): (&ShotMap, &FetchMap)) {
    let fits = match (&profile.map, &fetch.blocks) {
        (
            Map::Modbus(_),
            Blocks::Registers(_) | Blocks::Indexed { .. } | Blocks::Records { .. },
        ) => true,
        (Map::Snmp(_), Blocks::Column { .. } | Blocks::Selected { .. }) => true,
        (Map::Modbus(_) | Map::Snmp(_) | Map::Scpi(_), _) => false,
    };
    if !fits {
        top.wrong(
            "shot",
            "reads blocks of another protocol: registers or files with Modbus, objects with SNMP",
        );
    }
    if shot.state.is_none() {
        top.wrong(
            "shot",
            "has no state: nothing would tell when the trace can be read",
        );
    }
    for point in fetch.facts() {
        if !has_single(profile, &point) {
            top.wrong(
                "shot",
                format!(
                    "names the point {point}, which the profile does not have outside its tables"
                ),
            );
        }
    }
}

/// Whether `name` is a point that is no row of a table.
fn has_single(profile: &Profile, name: &silkline_protocol::id::PointName) -> bool {
    match &profile.map {
        Map::Modbus(map) => map.points.iter().any(|at| at.point.name == *name),
        Map::Snmp(map) => map.points.iter().any(|at| at.point.name == *name),
        Map::Scpi(map) => map.points.iter().any(|at| at.point.name == *name),
    }
}
