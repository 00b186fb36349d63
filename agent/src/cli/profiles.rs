//! `profiles`: the device models the agent knows, and everything it knows of one.

use core::fmt::Write as _;

use crate::profile::{
    Blocks, Contents, FetchMap, Library, LimitPlaces, Map, ModbusPoint, Profile, ShotMap,
    ShotStart, SnmpPoint, SwitchMap, SwitchSet,
};

use super::{Exit, Said};

/// Every profile in a line, or everything of the profile `id`.
#[must_use]
pub fn say(library: &Library, id: Option<&str>) -> Said {
    let Some(id) = id else {
        let lines = library.iter().map(|profile| {
            format!(
                "{:<24} {:<7} {}\n",
                profile.id,
                profile.map.protocol(),
                profile.title
            )
        });
        return Said::out(lines.collect(), Exit::Done);
    };
    let found = library.iter().find(|profile| profile.id.as_str() == id);
    found.map_or_else(
        || {
            Said::failed(
                format!("{id:?} is no profile; `profiles` lists them"),
                Exit::Usage,
            )
        },
        |profile| Said::out(explain(profile), Exit::Done),
    )
}

fn explain(profile: &Profile) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    let _ = writeln!(text, "{}: {}", profile.id, profile.title);
    let _ = writeln!(text, "source: {}", profile.source);
    if let Some(note) = &profile.note {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(
        text,
        "{}, port {}",
        profile.map.protocol(),
        profile.map.port()
    );
    match &profile.map {
        Map::Modbus(map) => {
            map.points
                .iter()
                .for_each(|entry| text.push_str(&modbus_line(entry)));
            for table in &map.tables {
                let (first, stride) = (table.register, table.stride);
                let index = table.index.join(", ");
                let most = table.max_rows;
                let _ = writeln!(
                    text,
                    "  rows {index} from register {first}, {stride} apart, at most {most} items"
                );
                table
                    .points
                    .iter()
                    .for_each(|entry| text.push_str(&modbus_line(entry)));
            }
        }
        Map::Scpi(map) => {
            for entry in &map.points {
                text.push_str(&line(&entry.query, None, &entry.point));
            }
        }
        Map::Snmp(map) => {
            map.points
                .iter()
                .for_each(|entry| text.push_str(&snmp_line(entry)));
            for table in &map.tables {
                let kind = if table.sensors { "sensors" } else { "table" };
                let _ = writeln!(text, "  {kind}, at most {} rows", table.max_rows);
                table
                    .columns
                    .iter()
                    .for_each(|entry| text.push_str(&snmp_line(entry)));
            }
            for trap in &map.traps {
                let (oid, detail) = (&trap.oid, &trap.detail);
                let about = trap.point.as_ref().map_or("", |point| point.as_str());
                let _ = writeln!(text, "  notification {oid}: {detail} {about}");
            }
        }
    }
    if let Some(shot) = &profile.shot {
        shot_lines(&mut text, shot);
    }
    if let Some(switch) = &profile.switch {
        text.push_str(&switch_line(switch));
    }
    text
}

/// How a switch is worked.
fn switch_line(switch: &SwitchMap) -> String {
    let (position, ports) = (&switch.position, switch.ports);
    let by = match &switch.set {
        SwitchSet::Register(register) => format!("register {register}"),
        SwitchSet::Object(oid, _) => oid.to_string(),
        SwitchSet::Lines(lines) => lines.join("; "),
    };
    let (within, settle) = (switch.within, switch.settle);
    format!(
        "fibre switch of {ports} ports, set by {by}, confirmed by {position} within {within:?}, light settles \
         in {settle:?}\n"
    )
}

/// How a shot is started, and where its trace comes from.
fn shot_lines(text: &mut String, shot: &ShotMap) {
    let start = match &shot.start {
        ShotStart::Registers { register, fields } => {
            format!("{} values at register {register}", fields.len())
        }
        ShotStart::Objects(objects) => format!("a SET of {} objects", objects.len()),
        ShotStart::Lines(lines) => lines.commands.join("; "),
    };
    let dark = if shot.needs_dark {
        ", of a dark fibre only"
    } else {
        ""
    };
    let stop = if shot.can_abort() {
        ", can be stopped"
    } else {
        ""
    };
    let _ = writeln!(text, "a shot is started by {start}{dark}{stop}");
    let Some(fetch) = &shot.fetch else {
        let from = match &shot.start {
            ShotStart::Lines(lines) => format!("fetched by {}", lines.fetch),
            ShotStart::Registers { .. } | ShotStart::Objects(_) => {
                "a file that the instrument drops into its folder".to_owned()
            }
        };
        let _ = writeln!(text, "  its trace is {from}");
        return;
    };
    fetch_lines(text, fetch);
}

/// Where the blocks of a trace are, and what tells whether they are right.
fn fetch_lines(text: &mut String, fetch: &FetchMap) {
    let blocks = match &fetch.blocks {
        Blocks::Registers(window) => format!(
            "{} registers at a time from {:?} {} on",
            window.registers, window.function, window.register
        )
        .to_lowercase(),
        Blocks::Indexed { index, window, .. } => format!(
            "{} registers at {:?} {}, the number of the block in register {index}",
            window.registers, window.function, window.register
        )
        .to_lowercase(),
        Blocks::Records { file, registers } => {
            format!("{registers} records at a time of file {file} and those after it")
        }
        Blocks::Column { oid, first } => format!("the rows of {oid} from {first} on"),
        Blocks::Selected { index, data, .. } => {
            format!("{data}, the number of the block in {index}")
        }
    };
    let contents = match fetch.contents {
        Contents::Sor => "a SOR file",
        Contents::Samples(_) => "samples, of which a SOR file is made",
    };
    let _ = writeln!(
        text,
        "  its trace is read within {:?}: {blocks}",
        fetch.within
    );
    let _ = writeln!(text, "  the blocks are {contents}");
    for (what, point) in [
        ("length", fetch.length.as_ref()),
        ("number of the trace", fetch.serial.as_ref()),
        ("check sum", fetch.checksum.as_ref().map(|(point, _)| point)),
    ] {
        let point = point.map_or("not told", |point| point.as_str());
        let _ = writeln!(text, "  {what}: {point}");
    }
}

fn modbus_line(entry: &ModbusPoint) -> String {
    let place = format!("{:?} {} {:?}", entry.function, entry.register, entry.kind).to_lowercase();
    let line = line(
        &place,
        entry.bits.map(|bits| u16::from(bits.low)),
        &entry.point,
    );
    line + &limit_lines(&entry.limits_at)
}

fn snmp_line(entry: &SnmpPoint) -> String {
    let rate = if entry.rate { " a second" } else { "" };
    let place = format!("{}{rate}", entry.oid);
    line(&place, entry.bit, &entry.point) + &limit_lines(&entry.limits_at)
}

/// Where the device keeps limits of its own.
fn limit_lines<T: core::fmt::Display>(places: &LimitPlaces<T>) -> String {
    let line = |(level, place)| format!("    {level} at {place}\n");
    places.iter().map(line).collect()
}

fn line(place: &str, bit: Option<u16>, point: &crate::profile::Point) -> String {
    let bit = bit.map_or_else(String::new, |bit| format!(" bit {bit}"));
    let (name, unit, status) = (&point.name, point.unit.symbol(), point.status.word());
    let role = format!("{:?}", point.role);
    format!("  {name:<28} {unit:<6} {role:<16} {status:<8} {place}{bit}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_profile_and_each_can_be_explained() {
        let library = Library::embedded();
        let list = say(&library, None);
        for profile in library.iter() {
            assert!(list.text.contains(profile.id.as_str()));
            let said = say(&library, Some(profile.id.as_str()));
            assert!(said.exit == Exit::Done && said.text.contains(&profile.source));
            for point in profile.points() {
                assert!(said.text.contains(point.name.as_str()), "{}", point.name);
            }
        }
    }

    #[test]
    fn what_a_device_keeps_and_tells_unasked_is_explained_too() {
        let library = Library::embedded();
        let said = say(&library, Some("bktel-oa")).text;
        assert!(
            said.contains("low_major at 1.3.6.1.4.1.7501.1.2.116.5.1.1.6"),
            "{said}"
        );
        let said = say(&library, Some("adva-fsp3000-alm")).text;
        assert!(
            said.contains("notification 1.3.6.1.4.1.2544.1.14.0.11: loss"),
            "{said}"
        );
        let said = say(&library, Some("ietf-entity-sensor")).text;
        assert!(said.contains("sensors, at most 512 rows"), "{said}");
    }

    #[test]
    fn how_an_otdr_and_a_switch_are_worked_is_explained() {
        let library = Library::embedded();
        let of = |id: &str| say(&library, Some(id)).text;
        let said = of("silkline-otdr-snmp");
        assert!(
            said.contains("rows of 1.3.6.1.4.1.32473.14.20.1.2"),
            "{said}"
        );
        assert!(said.contains("can be stopped"), "{said}");
        let said = of("silkline-otdr-modbus");
        assert!(said.contains("100 registers at input 1000"), "{said}");
        let said = of("silkline-switch");
        assert!(said.contains("confirmed by port within 5s"), "{said}");
        assert!(of("silkline-otdr").contains("drops into its folder"));
        assert!(of("silkline-otdr-scpi").contains("fetched by TRAC:DATA:SOR?"));
    }

    #[test]
    fn a_name_nobody_knows_is_wrong_usage() {
        assert_eq!(say(&Library::embedded(), Some("toaster")).exit, Exit::Usage);
    }
}
