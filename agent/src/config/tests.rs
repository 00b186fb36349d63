//! What the settings may say, what is refused, and that the example shows every key's default.

use super::*;
use crate::profile::Map;

const SMALL: &str = r#"
site = "ganja"
lines = ["baku-poti"]
[[device]]
id = "edfa-1"
profile = "silkline-edfa"
address = "10.0.0.7"
"#;

const OTDR: &str = r#"
[[device]]
id = "otdr-1"
profile = "silkline-otdr"
address = "10.0.0.8:1502"
folder = "/srv/rtu"
[[device.view]]
port = 1
view = "ganja-east"
line = "baku-poti"
every = "10min"
shoot_when_dark = ["edfa-1.in_power.1"]
"#;

fn mistakes(text: &str) -> String {
    read("agent.toml", text)
        .expect_err("has mistakes")
        .to_string()
}

#[test]
fn a_small_file_is_enough() {
    let config = read("agent.toml", SMALL).unwrap();
    assert_eq!(config.agent.as_str(), "main");
    let device = &config.devices[0];
    assert_eq!(
        device.address,
        Some(Address::Network("10.0.0.7:502".into()))
    );
    assert_eq!((device.poll, device.unit), (Duration::from_secs(1), 1));
    assert_eq!(device.lines, config.lines());
    assert!(matches!(device.profile.map, Map::Modbus(_)));
}

#[test]
fn every_mistake_is_told_at_once_with_line_and_column() {
    let text = "site = \"Ganja\"\ncolour = 1\n[[uplink]]\nurl = \"http://a\"\n\
                [[device]]\nid = \"a\"\nprofile = \"toaster\"\naddress = \"a b\"\npoll = \"25h\"\n";
    let said = mistakes(text);
    for wanted in [
        "agent.toml:1:8: site: \"Ganja\" is not an id",
        "agent.toml:2:1: colour: is no key here",
        "agent.toml:4:7: uplink[0].url",
        "agent.toml:7:11: device[0].profile: toaster is no profile; known are",
        "agent.toml:8:11: device[0].address",
        "agent.toml:9:8: device[0].poll: 90000s is not between",
        "device[0].lines: is missing",
    ] {
        assert!(said.contains(wanted), "{wanted:?} not in:\n{said}");
    }
}

#[test]
fn an_otdr_has_a_folder_and_views() {
    let config = read("agent.toml", &format!("{SMALL}{OTDR}")).unwrap();
    let otdr = config.devices[1].otdr.as_ref().unwrap();
    assert_eq!(
        otdr.views[0].shoot_when_dark[0].to_string(),
        "edfa-1.in_power.1"
    );
    assert_eq!(otdr.watch.pattern, device::DEFAULT_PATTERN);
}

#[test]
fn a_trigger_must_name_a_light_input_that_is_here() {
    let text = format!("{SMALL}{OTDR}");
    let said = mistakes(&text.replace("edfa-1.in_power.1", "edfa-9.in_power.1"));
    assert!(said.contains("names a device that is not here"), "{said}");
    let said = mistakes(&text.replace("edfa-1.in_power.1", "edfa-1.gain.1"));
    assert!(said.contains("is no light input"), "{said}");
}

#[test]
fn ids_views_ports_and_folders_are_given_once() {
    let text = format!("{SMALL}{OTDR}{OTDR}");
    let said = mistakes(&text);
    for wanted in [
        "otdr-1 is given to another",
        "ganja-east is given twice",
        "is watched by another",
    ] {
        assert!(said.contains(wanted), "{wanted:?} not in:\n{said}");
    }
}

#[test]
fn a_line_is_named_once_since_its_records_would_be_stored_twice() {
    let twice = SMALL.replace("[\"baku-poti\"]", "[\"a-b\", \"baku-poti\", \"a-b\"]");
    let said = mistakes(&twice);
    assert!(
        said.contains("agent.toml:3:9: lines: a-b stands there twice"),
        "{said}"
    );
    let own = format!("{SMALL}lines = [\"a-b\", \"a-b\"]\n");
    assert!(mistakes(&own).contains("device[0].lines: a-b stands there twice"));
}

#[test]
fn keys_of_the_other_protocol_are_mistakes() {
    let said = mistakes(&SMALL.replace("address", "community = \"x\"\naddress"));
    assert!(
        said.contains("does not belong to a device that speaks Modbus"),
        "{said}"
    );
    let snmp = SMALL
        .replace("silkline-edfa", "ietf-ups")
        .replace("address", "unit = 3\naddress");
    assert!(mistakes(&snmp).contains("does not belong to a device that speaks SNMP"));
}

#[test]
fn a_profile_of_unknown_size_needs_rows() {
    let text = SMALL.replace("silkline-edfa", "silkline-repeater");
    assert!(mistakes(&text).contains("does not say how many are fitted"));
    let right = text.replace("address", "rows = 6\naddress");
    assert_eq!(read("agent.toml", &right).unwrap().devices[0].rows, Some(6));
    assert!(mistakes(&text.replace("address", "rows = 900\naddress")).contains("is not 1 to 128"));
}

#[test]
fn a_serial_line_has_its_own_settings_and_one_set_of_them() {
    let line = SMALL.replace("10.0.0.7", "/dev/ttyS0");
    let serial = |text: &str| match &read("agent.toml", text).unwrap().devices[0].address {
        Some(Address::Serial(line)) => line.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(serial(&line), "/dev/ttyS0 9600 8E1");
    let fast = line.replace(
        "address",
        "baud = 19200\nparity = \"none\"\nunit = 3\naddress",
    );
    assert_eq!(serial(&fast), "/dev/ttyS0 19200 8N2");
    let second = fast
        .split("[[device]]")
        .nth(1)
        .unwrap()
        .replace("edfa-1", "edfa-2");
    let said = mistakes(&format!("{line}[[device]]{second}"));
    assert!(said.contains("/dev/ttyS0 is set otherwise"), "{said}");
    for (keys, wanted) in [
        ("unit = 0", "0 is not 1 to 247"),
        (
            "framing = \"rtu\"",
            "belongs to a Modbus device on the network only",
        ),
        ("baud = 5", "5 is not 300"),
        ("parity = \"mark\"", "one of \"none\", \"even\", \"odd\""),
        ("stop_bits = 3", "3 is not 1 or 2"),
        ("pause = \"5s\"", "is more than 2s"),
        ("max_registers = 126", "is not 1 to 125"),
    ] {
        let said = mistakes(&line.replace("address", &format!("{keys}\naddress")));
        assert!(said.contains(wanted), "{keys}: {said}");
    }
}

#[test]
fn a_serial_server_is_a_host_with_framing() {
    let text = SMALL.replace("address", "framing = \"rtu\"\naddress");
    let config = read("agent.toml", &text).unwrap();
    let wanted = Address::RtuOverTcp("10.0.0.7:502".into());
    assert_eq!(config.devices[0].address, Some(wanted));
    let snmp = text.replace("silkline-edfa", "ietf-ups");
    assert!(mistakes(&snmp).contains("belongs to a Modbus device"));
    let line = SMALL
        .replace("silkline-edfa", "ietf-ups")
        .replace("10.0.0.7", "/dev/ttyS0");
    assert!(mistakes(&line).contains("which only Modbus devices have"));
}

#[test]
fn notifications_are_received_where_the_settings_say() {
    let with = |traps: &str| SMALL.replace("[[device]]", &format!("[traps]\n{traps}\n[[device]]"));
    let config = read("agent.toml", &with("listen = \"0.0.0.0:162\"")).unwrap();
    assert_eq!(config.traps.unwrap().listen.port(), 162);
    assert!(read("agent.toml", SMALL).unwrap().traps.is_none());
    assert!(mistakes(&with("listen = \"everywhere\"")).contains("0.0.0.0:162"));
    assert!(mistakes(&with("")).contains("listen: is missing"));
}

#[test]
fn tls_files_without_tls_are_a_mistake_and_secrets_do_not_print() {
    let uplink = "[[uplink]]\nurl = \"mqtt://a\"\nca = \"/ca.pem\"\ncert = \"/c.pem\"\n";
    let said = mistakes(&format!("{SMALL}{uplink}"));
    assert!(
        said.contains("write mqtts://") && said.contains("stand together"),
        "{said}"
    );
    let snmp = SMALL.replace("silkline-edfa", "ietf-ups");
    let secret = snmp.replace("address", "community = \"sesame\"\naddress");
    let shown = format!("{:?}", read("agent.toml", &secret).unwrap());
    assert!(!shown.contains("sesame"), "{shown}");
}

#[test]
fn files_that_can_not_be_read_are_named() {
    let uplink = "[[uplink]]\nurl = \"mqtts://a\"\nca = \"/no/such/ca.pem\"\n";
    let config = read("agent.toml", &format!("{SMALL}{uplink}")).unwrap();
    let said = config.unreadable_files();
    assert!(
        said.len() == 1 && said[0].contains("/no/such/ca.pem"),
        "{said:?}"
    );
}

fn example() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config/agent.toml");
    std::fs::read_to_string(path).unwrap()
}

/// The example with every line but those with required keys taken out.
fn required_only(text: &str) -> String {
    let required = [
        "site", "lines", "url", "id", "profile", "address", "folder", "port", "view", "line",
    ];
    let keep = |line: &&str| {
        let key = line.split('=').next().unwrap_or("").trim();
        line.starts_with("[[") || required.contains(&key)
    };
    text.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_shows_every_default_as_it_is_in_code() {
    let text = example();
    let shown = read("agent.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let default = read("agent.toml", &required_only(&text)).unwrap();
    assert_eq!(shown, default);
}

#[test]
fn the_example_lists_every_key_there_is() {
    let text = example();
    let headers: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('['))
        .map(|(at, _)| at)
        .collect();
    assert!(headers.len() >= 4, "{headers:?}");
    for at in core::iter::once(None).chain(headers.into_iter().map(Some)) {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.insert(at.map_or(0, |at| at + 1), "no_such_key = 1");
        let said = mistakes(&lines.join("\n"));
        let known = said
            .split("known are ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        for key in known.split(", ").filter(|key| *key != "no_such_key") {
            let listed = text.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                let line = line
                    .trim_start_matches("[[device.")
                    .trim_start_matches("[device.")
                    .trim_start_matches(['[', '[']);
                line.strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start().starts_with(['=', ']']))
            });
            assert!(listed, "{key} is not in the example");
        }
    }
}

#[test]
fn exceptions_are_for_values_and_within_reason() {
    let text = |keys: &str| {
        format!(
            "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"e\"\nprofile = \"silkline-edfa\"\naddress = \"h\"\n\
             [[device.exception]]\n{keys}\n"
        )
    };
    for (keys, wanted) in [
        (
            "points = [\"los\"]\ndeadband = 1\nsilence = \"1min\"",
            "los is an alarm",
        ),
        (
            "points = [\"colour\"]\ndeadband = 1\nsilence = \"1min\"",
            "colour is no point",
        ),
        (
            "points = [\"gain\"]\ndeadband = 0\nsilence = \"1min\"",
            "not more than zero",
        ),
        (
            "points = [\"gain\"]\ndeadband = 1\nsilence = \"1s\"",
            "not between two polls",
        ),
    ] {
        let said = mistakes(&text(keys));
        assert!(said.contains(wanted), "{said}");
    }
    let some = read(
        "agent.toml",
        &text("points = [\"gain\"]\ndeadband = 0.1\nsilence = \"1min\""),
    )
    .unwrap();
    assert_eq!(
        some.devices[0].about().poll_ms,
        1_000,
        "other points come at each poll"
    );
    let points = some.devices[0].profile.points();
    let values = points.filter(|point| crate::exception::may_be_withheld(point.role));
    assert!(values.count() > 3);
    let profile = crate::profile::Library::embedded();
    let profile = profile.find(&"eltek-smartpack".parse().unwrap()).unwrap();
    let all: Vec<String> = profile
        .points()
        .map(|point| format!("\"{}\"", point.name))
        .collect();
    let text = format!(
        "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"e\"\nprofile = \"eltek-smartpack\"\naddress = \"h\"\n\
         [[device.exception]]\npoints = [{}]\ndeadband = 1\nsilence = \"5min\"\n",
        all.join(", ")
    );
    let config = read("agent.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        config.devices[0].about().poll_ms,
        300_000,
        "nobody is called silent before"
    );
}
