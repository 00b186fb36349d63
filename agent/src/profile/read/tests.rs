//! What a profile may say and what is refused.

use super::*;
use crate::profile::{Blocks, Contents, SampleKind, Status, SwitchSet};

const GOOD: &str = r#"
id = "a"
title = "A"
protocol = "modbus"
source = "a manual, page 3"
[modbus]
function = "input"
word_order = "big"
[[point]]
name = "p"
register = 0
type = "u16"
unit = "V"
role = "battery_voltage"
status = "read"
"#;

fn mistakes(text: &str) -> String {
    read("a.toml", text).expect_err("has mistakes").to_string()
}

#[test]
fn a_small_profile_takes_every_default() {
    let profile = read("a.toml", GOOD).unwrap();
    let Map::Modbus(map) = &profile.map else {
        panic!("no Modbus")
    };
    assert_eq!(
        (map.port, map.max_gap, map.max_registers),
        (502, MAX_GAP, 125)
    );
    let point = &map.points[0].point;
    assert_eq!(
        (point.status, point.meaning.clone()),
        (Status::Read, Meaning::default())
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = GOOD
        .replace("\"V\"", "\"furlong\"")
        .replace("battery_voltage", "phase_of_moon");
    let text = text
        .replace("register = 0", "register = 70000")
        .replace("source", "sauce");
    let said = mistakes(&text);
    for wanted in [
        "furlong",
        "phase_of_moon",
        "70000",
        "source: is missing",
        "sauce: is no key",
    ] {
        assert!(said.contains(wanted), "{wanted} not in:\n{said}");
    }
    assert!(said.contains("a.toml:11:12: point[0].register"), "{said}");
}

#[test]
fn a_profile_without_a_source_is_refused() {
    assert!(mistakes(&GOOD.replace("a manual, page 3", "")).contains("source"));
}

#[test]
fn registers_that_overlap_are_refused_and_bit_fields_that_do_not_are_taken() {
    let second = "[[point]]\nname = \"q\"\nregister = 0\ntype = \"u16\"\nunit = \"\"\n\
                  role = \"other\"\nstatus = \"read\"\n";
    let both = format!("{GOOD}{second}");
    let place = both.lines().count() - 4;
    let said = mistakes(&both);
    let wanted = format!("a.toml:{place}:12: point[1].register: q and p overlap at register 0");
    assert!(said.contains(&wanted), "{wanted} not in {said}");
    // It is told beside whatever else is wrong.
    let worse = both
        .replace("a manual, page 3", "")
        .replace("function = ", "functoin = ")
        .replace(
            "[[point]]\nname = \"q\"",
            "[[point]]\nname = \"r\"\n[[point]]\nname = \"q\"",
        );
    let said = mistakes(&worse);
    for wanted in [
        "overlap at register 0",
        "source",
        "functoin",
        "point[1].register: is missing",
    ] {
        assert!(said.contains(wanted), "{wanted} not in {said}");
    }
    let first_bit = GOOD.replace("type = \"u16\"", "type = \"u16\"\nbit = 0");
    let second_bit = second.replace("type = \"u16\"", "type = \"u16\"\nbit = 1");
    assert!(read("a.toml", &format!("{first_bit}{second_bit}")).is_ok());
    let same_bit = second.replace("type = \"u16\"", "type = \"u16\"\nbit = 0");
    assert!(mistakes(&format!("{first_bit}{same_bit}")).contains("overlap"));
}

#[test]
fn a_wide_value_overlaps_with_its_second_register() {
    let wide = GOOD.replace("\"u16\"", "\"f32\"");
    let second = "[[point]]\nname = \"q\"\nregister = 1\ntype = \"i16\"\nunit = \"\"\n\
                  role = \"other\"\nstatus = \"read\"\n";
    assert!(mistakes(&format!("{wide}{second}")).contains("overlap at register 1"));
}

#[test]
fn a_table_must_fit_its_stride_and_the_address_space() {
    let table = "[[table]]\nindex = [\"{n}\"]\nrows = 4\nregister = 100\nstride = 1\n\
                 [[table.point]]\nname = \"r\"\nregister = 0\ntype = \"u32\"\nunit = \"\"\n\
                 role = \"other\"\nstatus = \"read\"\n";
    assert!(mistakes(&format!("{GOOD}{table}")).contains("too short"));
    let far = table.replace("stride = 1", "stride = 40000");
    assert!(mistakes(&format!("{GOOD}{far}")).contains("past 65536"));
    let right = table.replace("stride = 1", "stride = 2");
    assert!(read("a.toml", &format!("{GOOD}{right}")).is_ok());
}

#[test]
fn darkness_belongs_to_light_meters() {
    let text = GOOD.replace("status", "dark_below = -35\nstatus");
    assert!(mistakes(&text).contains("light meter"));
}

#[test]
fn a_part_of_a_signed_number_is_refused() {
    let text = GOOD.replace("type = \"u16\"", "type = \"i16\"\nbits = [3, 1]");
    assert!(mistakes(&text).contains("no part of an unsigned number"));
}

#[test]
fn oids_stand_after_the_base_unless_complete() {
    let text = "id = \"a\"\ntitle = \"A\"\nprotocol = \"snmp\"\nsource = \"RFC 1628\"\n\
                [snmp]\nbase = \"1.3.6.1\"\n\
                [[point]]\nname = \"p\"\noid = \".2.0\"\nunit = \"\"\nrole = \"other\"\nstatus = \"known\"\n\
                [[point]]\nname = \"q\"\noid = \"1.3.9\"\nunit = \"\"\nrole = \"other\"\nstatus = \"known\"\n";
    let profile = read("a.toml", text).unwrap();
    let Map::Snmp(map) = &profile.map else {
        panic!("no SNMP")
    };
    let oids: Vec<String> = map
        .points
        .iter()
        .map(|point| point.oid.to_string())
        .collect();
    assert_eq!(oids, ["1.3.6.1.2.0", "1.3.9"]);
    assert!(mistakes(&text.replace("\".2.0\"", "\"system\"")).contains("not an OID"));
}

#[test]
fn a_shot_must_start_something() {
    let shot = "[shot]\nregister = 100\nfields = [\"port:u16\"]\nstate = \"nothing\"\n";
    let said = mistakes(&format!("{GOOD}{shot}"));
    assert!(
        said.contains("no field Start") && said.contains("nothing"),
        "{said}"
    );
}

const SNMP: &str = "id = \"a\"\ntitle = \"A\"\nprotocol = \"snmp\"\nsource = \"RFC 1628\"\n[snmp]\n\
     base = \"1.3.6.1\"\nsys_objects = [\"1.3.6.1.4.1.9\"]\n[[point]]\nname = \"p\"\noid = \".2.0\"\n\
     unit = \"\"\nrole = \"other\"\nstatus = \"known\"\n";

#[test]
fn a_notification_is_listed_once_and_about_a_point_that_is_there() {
    let trap = "[[trap]]\noid = \".0.1\"\npoint = \"p\"\ndetail = \"it fell\"\n";
    let profile = read("a.toml", &format!("{SNMP}{trap}")).unwrap();
    let Map::Snmp(map) = &profile.map else {
        panic!("no SNMP")
    };
    assert_eq!(map.traps[0].oid.to_string(), "1.3.6.1.0.1");
    assert!(map.traps[0].reread);
    let said = mistakes(&format!("{SNMP}{trap}{}", trap.replace("\"p\"", "\"q\"")));
    assert!(
        said.contains("listed twice") && said.contains("names the point q"),
        "{said}"
    );
    let said = mistakes(&format!(
        "{SNMP}{}",
        trap.replace("detail", "event = \"party\"\ndetail")
    ));
    assert!(said.contains("one of \"trap\", \"light_lost\""), "{said}");
}

#[test]
fn a_table_of_sensors_has_a_sensor_in_each_point() {
    let table = "[[table]]\nindex = \"integers\"\nsensors = true\n[[table.point]]\nname = \"t\"\n\
                 oid = \".4\"\nsensor = \"celsius\"\nunit = \"C\"\nrole = \"temperature\"\n\
                 status = \"known\"\n";
    assert!(read("a.toml", &format!("{SNMP}{table}")).is_ok());
    let without = table.replace("sensor = \"celsius\"\n", "");
    assert!(mistakes(&format!("{SNMP}{without}")).contains("sensors = true"));
    let unknown = table.replace("celsius", "fahrenheit");
    assert!(mistakes(&format!("{SNMP}{unknown}")).contains("one of \"other\""));
    assert!(
        mistakes(&format!("{SNMP}[[table]]\nindex = \"integers\"\n"))
            .contains("needs [[table.point]]")
    );
}

#[test]
fn limits_of_the_device_have_their_places() {
    let text = format!("{SNMP}limits_at = {{ high_major = \".3.0\", low_major = \"1.3.9.0\" }}\n");
    let profile = read("a.toml", &text).unwrap();
    let Map::Snmp(map) = &profile.map else {
        panic!("no SNMP")
    };
    let places: Vec<_> = map.points[0]
        .limits_at
        .iter()
        .map(|(level, oid)| (level, oid.to_string()))
        .collect();
    assert_eq!(
        places,
        [
            ("low_major", "1.3.9.0".to_owned()),
            ("high_major", "1.3.6.1.3.0".to_owned())
        ]
    );
    assert!(mistakes(&text.replace("high_major", "highest")).contains("highest: is no key"));
}

#[test]
fn a_shot_by_snmp_sets_objects() {
    let object =
        |value| format!("{{ oid = \"1.3.9.1.0\", type = \"integer\", value = \"{value}\" }}");
    let shot = |first, second| {
        format!(
            "{SNMP}[shot]\nobjects = [{}, {}]\n",
            object(first),
            object(second)
        )
    };
    let profile = read("a.toml", &shot("port", "start")).unwrap();
    assert_eq!(profile.shot.unwrap().values().count(), 2);
    assert!(mistakes(&shot("port", "stop")).contains("one of \"port\""));
    let registers = format!("{SNMP}[shot]\nregister = 1\nfields = [\"port:u16\", \"start:u16\"]\n");
    assert!(mistakes(&registers).contains("objects with SNMP"));
}

/// An SNMP OTDR whose `[shot.read]` has these keys.
fn reading(keys: &str) -> String {
    let point = |name: &str, arc: u32| {
        format!(
            "[[point]]\nname = \"{name}\"\noid = \".{arc}.0\"\nunit = \"\"\nrole = \"other\"\n\
             status = \"own\"\n"
        )
    };
    let points = [("state", 1), ("bytes", 2), ("number", 3), ("sum", 4)];
    let points: String = points.iter().map(|(name, arc)| point(name, *arc)).collect();
    format!(
        "id = \"a\"\ntitle = \"A\"\nprotocol = \"snmp\"\nsource = \"a MIB, page 3\"\n\
         [snmp]\nbase = \"1.3.6.1.4.1.99\"\n{points}[shot]\nstate = \"state\"\n\
         [[shot.objects]]\noid = \"1.3.6.1.4.1.99.9.0\"\ntype = \"integer\"\nvalue = \"start\"\n\
         [shot.read]\n{keys}"
    )
}

const ROWS: &str = "contents = \"sor\"\nbusy = [1]\ncolumn = \"1.3.6.1.4.1.99.20\"\n";

#[test]
fn a_trace_in_rows_needs_little() {
    let profile = read("a.toml", &reading(ROWS)).unwrap();
    let fetch = profile.shot.unwrap().fetch.unwrap();
    assert_eq!(fetch.contents, Contents::Sor);
    assert!(matches!(fetch.blocks, Blocks::Column { first: 1, .. }));
    assert_eq!(fetch.within, core::time::Duration::from_secs(60));
}

#[test]
fn what_is_wrong_with_the_reading_of_a_trace_is_told_with_its_place() {
    let said = mistakes(&reading(
        "contents = \"picture\"\nbusy = [1]\ncolumn = \"1.3\"\n",
    ));
    assert!(said.contains("a.toml:38:12: shot.read.contents"), "{said}");
    let with = |more: &str| mistakes(&reading(&format!("{ROWS}{more}")));
    for (more, wanted) in [
        ("checksum = \"sum\"\n", "checksum_kind"),
        ("length = \"furlongs\"\n", "names the point furlongs"),
        ("within = \"2h\"\n", "shot.read.within"),
        ("window = 3\n", "window: is no key"),
        ("[shot.stop]\nregister = 3\nvalue = 0\n", "another protocol"),
    ] {
        let said = with(more);
        assert!(said.contains(wanted), "{wanted} not in:\n{said}");
    }
    for (keys, wanted) in [
        (
            "contents = \"sor\"\nbusy = []\ncolumn = \"1.3\"\n",
            "over at once",
        ),
        ("contents = \"sor\"\nbusy = [1]\n", "blocks are at"),
        (
            "contents = \"sor\"\nbusy = [1]\nindex = \"1.3.1\"\ndata = \"1.3.2\"\n",
            "end by themselves",
        ),
        (
            "contents = \"sor\"\nbusy = [1]\nlength = \"bytes\"\nregister = 3\n",
            "reads blocks of another protocol",
        ),
        (
            "contents = \"sor\"\nbusy = [1]\nlength = \"bytes\"\nfile = 1\nregisters = 120\n",
            "divisor of 10000",
        ),
        (
            "contents = \"sor\"\nbusy = [1]\nlength = \"bytes\"\nregister = 3\nregisters = 126\n",
            "126 is not 1 to 125",
        ),
        (
            "contents = \"sor\"\nbusy = [1]\nlength = \"bytes\"\nindex = 1\nregister = 3\nregisters = 32769\n",
            "32769 is not 1 to 32768",
        ),
        (
            "contents = \"sor\"\nbusy = [1]\nlength = \"bytes\"\nindex = 1\nregister = 65000\nregisters = 600\n",
            "end at register 65600",
        ),
        (
            "contents = \"samples\"\nbusy = [1]\ncolumn = \"1.3\"\n",
            "what the numbers mean",
        ),
    ] {
        let said = mistakes(&reading(keys));
        assert!(said.contains(wanted), "{wanted} not in:\n{said}");
    }
    let stateless = reading(ROWS).replace("state = \"state\"\n[[shot", "[[shot");
    assert!(mistakes(&stateless).contains("has no state"));
}

#[test]
fn samples_say_what_they_mean_by_numbers_and_by_points() {
    let samples = |keys: &str| {
        reading(&format!(
            "contents = \"samples\"\nbusy = [1]\ncolumn = \"1.3\"\n[shot.read.samples]\n{keys}"
        ))
    };
    let good = "type = \"i16\"\nbyte_order = \"little\"\ndb_per_unit = 0.001\n\
                direction = \"light\"\nspacing_m = \"bytes\"\ngroup_index = 1.4682\n\
                wavelength_nm = 1550\n";
    let profile = read("a.toml", &samples(good)).unwrap();
    let fetch = profile.shot.unwrap().fetch.unwrap();
    let Contents::Samples(form) = &fetch.contents else {
        panic!("no samples")
    };
    assert!(form.little && form.up && form.kind == SampleKind::I16);
    assert_eq!(fetch.facts(), ["bytes".parse().unwrap()]);
    for (from, to, wanted) in [
        ("0.001", "0", "db_per_unit"),
        ("\"light\"", "\"sideways\"", "direction"),
        ("1.4682", "true", "group_index"),
        ("\"bytes\"", "\"nowhere\"", "nowhere"),
    ] {
        let said = mistakes(&samples(&good.replace(from, to)));
        assert!(said.contains(wanted), "{wanted} not in:\n{said}");
    }
}

#[test]
fn a_switch_says_where_it_stands_and_is_set_by_its_own_protocol() {
    let switch = |keys: &str| format!("{GOOD}[switch]\n{keys}");
    let good = "register = 10\nposition = \"p\"\nports = 8\n";
    let map = read("a.toml", &switch(good)).unwrap().switch.unwrap();
    assert_eq!((map.set, map.ports), (SwitchSet::Register(10), 8));
    for (keys, wanted) in [
        (
            "register = 10\nports = 8\n".to_owned(),
            "position: is missing",
        ),
        (good.replace("\"p\"", "\"q\""), "names the point q"),
        (good.replace("= 8", "= 0"), "nothing to switch"),
        (format!("{good}offset = -2\n"), "no number for a port"),
        (format!("{good}settle = \"2min\"\n"), "settle"),
        (
            good.replace("register = 10", "oid = \"1.3\""),
            "by a register with Modbus",
        ),
        (
            good.replace("register = 10", "commands = [\"ROUT:CLOS (@1)\"]"),
            "has no {port}",
        ),
    ] {
        let said = mistakes(&switch(&keys));
        assert!(said.contains(wanted), "{wanted} not in:\n{said}");
    }
}
