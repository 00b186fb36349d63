//! A switch of its own in front of an OTDR: which, and whether the two fit.

use silkline_protocol::id::DeviceId;
use silkline_protocol::settings::Section;

use super::Device;
use crate::profile::{FieldValue, Profile, ShotMap, ShotStart};

/// The port of an OTDR that has only one.
const OWN_PORT: u16 = 1;

/// A fibre switch between an OTDR and the fibres that it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The switch. The ports of the OTDR's views are its ports.
    pub switch: DeviceId,
    /// The OTDR's own port, to which the switch is connected.
    pub own_port: u16,
}

pub(super) fn read(section: &mut Section<'_>) -> Option<Behind> {
    let switch = section.required("device");
    let own_port = section.or("own_port", OWN_PORT);
    Some(Behind {
        switch: switch?,
        own_port,
    })
}

/// Notes where an OTDR does not fit the switch before it, or has views and no way to choose between them.
pub(super) fn check(sections: &[Section<'_>], devices: &[Option<Device>]) {
    let known = |id: &DeviceId| devices.iter().flatten().find(|device| device.id == *id);
    let mut taken: Vec<&DeviceId> = Vec::new();
    for (section, device) in sections.iter().zip(devices) {
        let Some(otdr) = device.as_ref().and_then(|device| device.otdr.as_ref()) else {
            continue;
        };
        let profile = device.iter().map(|device| device.profile.as_ref()).next();
        let shot = profile.and_then(|profile| profile.shot.as_ref());
        let Some(behind) = &otdr.switch else {
            let portless = shot.is_some_and(|shot| !shot.values().any(|v| v == FieldValue::Port));
            if portless && otdr.views.len() > 1 {
                section.wrong(
                    "view",
                    "is given more than once, and this instrument has one port: it needs [device.switch]",
                );
            }
            continue;
        };
        let id = &behind.switch;
        if taken.contains(&id) {
            section.wrong("switch", format!("{id} stands before another OTDR too"));
        }
        taken.push(id);
        if shot.is_some_and(|shot| !fetches(shot)) {
            section.wrong(
                "switch",
                "needs an OTDR whose traces the agent fetches itself: a file that comes by itself does not say \
                 where the switch stood",
            );
        }
        let Some(switch) = known(id) else {
            if devices.iter().all(Option::is_some) {
                section.wrong("switch", format!("{id} names a device that is not here"));
            }
            continue;
        };
        match switch
            .profile
            .switch
            .as_ref()
            .filter(|_| switch.address.is_some())
        {
            None => section.wrong("switch", not_one(id, &switch.profile)),
            Some(map) => {
                let most = map.ports;
                let beyond = |port: &u16| map.number(*port).is_none();
                let ports = otdr.views.iter().map(|view| view.port);
                for port in ports.filter(beyond) {
                    section.wrong(
                        "view",
                        format!("port {port} is not 1 to {most}, which {id} has"),
                    );
                }
            }
        }
    }
}

fn not_one(id: &DeviceId, profile: &Profile) -> String {
    let profile = &profile.id;
    format!("{id} is no fibre switch with an address: the profile {profile} has no [switch]")
}

/// Whether the agent brings the traces itself, and so knows of each which shot it is of.
const fn fetches(shot: &ShotMap) -> bool {
    shot.fetch.is_some() || matches!(shot.start, ShotStart::Lines(_))
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    const OTDR: &str = "[[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr-modbus\"\naddress = \"h\"\n\
                        folder = \"/tmp/otdr\"\n[device.switch]\ndevice = \"switch-1\"\n\
                        [[device.view]]\nport = 3\nview = \"east\"\n";
    const SWITCH: &str =
        "[[device]]\nid = \"switch-1\"\nprofile = \"silkline-switch\"\naddress = \"s\"\n";

    fn text(devices: &str) -> String {
        format!("site = \"a\"\nlines = [\"b\"]\n{devices}")
    }

    #[test]
    fn an_otdr_behind_a_switch_is_taken_whichever_comes_first() {
        for both in [format!("{OTDR}{SWITCH}"), format!("{SWITCH}{OTDR}")] {
            let config = read("agent.toml", &text(&both)).unwrap();
            let id = "otdr-1".parse().unwrap();
            let otdr = config.device(&id).unwrap().otdr.clone().unwrap();
            let behind = otdr.switch.unwrap();
            assert_eq!((behind.switch.as_str(), behind.own_port), ("switch-1", 1));
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let edfa = SWITCH.replace("silkline-switch", "silkline-edfa");
        let second = OTDR
            .replace("otdr-1", "otdr-2")
            .replace("/tmp/otdr", "/tmp/other")
            .replace("east", "west");
        for (devices, wanted) in [
            (OTDR.to_owned(), "device that is not here"),
            (format!("{OTDR}{edfa}"), "no fibre switch"),
            (
                format!("{}{SWITCH}", OTDR.replace("port = 3", "port = 33")),
                "port 33 is not 1 to 32",
            ),
            (
                format!(
                    "{}{SWITCH}",
                    OTDR.replace("silkline-otdr-modbus", "silkline-otdr")
                ),
                "fetches itself",
            ),
            (format!("{OTDR}{second}{SWITCH}"), "before another OTDR too"),
            (
                format!("{}{SWITCH}", OTDR.replace("device = ", "devise = ")),
                "device[0].switch.device: is missing",
            ),
            (
                format!("{}{SWITCH}", OTDR.replace("folder = \"/tmp/otdr\"\n", "")),
                "switch: needs folder",
            ),
        ] {
            let said = read("agent.toml", &text(&devices)).unwrap_err().to_string();
            assert!(said.contains(wanted), "{wanted} not in:\n{said}");
        }
    }
}
