//! The part of a profile that only fibre switches have.

use std::time::Duration;

use silkline_protocol::settings::Section;

use super::scpi;
use crate::profile::{ObjectType, Oid, SwitchMap, SwitchSet};

/// Mechanical switches turn within a second; their electronics answer late.
const WITHIN: Duration = Duration::from_secs(5);
/// Mirrors and motors ring for some tens of milliseconds.
const SETTLE: Duration = Duration::from_millis(300);
/// What a round could wait for.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn read(section: &mut Section<'_>) -> Option<SwitchMap> {
    let set = if section.has("commands") {
        scpi::lines(section, "commands").map(SwitchSet::Lines)
    } else if section.has("oid") {
        let oid: Option<Oid> = section.required("oid");
        let kind = section.or("type", ObjectType::Integer);
        oid.map(|oid| SwitchSet::Object(oid, kind))
    } else {
        section.required("register").map(SwitchSet::Register)
    };
    let position = section.required("position");
    let ports: Option<u16> = section.required("ports");
    if ports == Some(0) {
        section.wrong("ports", "is zero: there is nothing to switch");
    }
    let offset: i32 = section.or("offset", 0);
    if !(-1_000..=1_000).contains(&offset) {
        section.wrong("offset", format!("{offset} is not -1000 to 1000"));
    }
    let mut within = |key: &str, default| {
        let found = section.or(key, default);
        if found > LONGEST {
            section.wrong(key, format!("{found:?} is more than {LONGEST:?}"));
        }
        found
    };
    let (within, settle) = (within("within", WITHIN), within("settle", SETTLE));
    let map = SwitchMap {
        set: set?,
        position: position?,
        ports: ports?,
        offset,
        within,
        settle,
    };
    if map.number(1).is_none() || map.number(map.ports).is_none() {
        section.wrong("offset", format!("{offset} leaves no number for a port"));
    }
    if let SwitchSet::Lines(lines) = &map.set
        && !lines.iter().any(|line| line.contains("{port}"))
    {
        section.wrong("commands", "has no {port}: the switch would never turn");
    }
    Some(map)
}
