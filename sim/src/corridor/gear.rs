//! Which devices the example puts at a site, with their ports on the paths.

use super::facts::{Gear, REPEATERS, Town};

/// A device as it goes into the file.
pub(super) struct Device {
    pub(super) id: &'static str,
    pub(super) profile: &'static str,
    pub(super) lines: Vec<&'static str>,
    pub(super) ports: Vec<Port>,
}

/// An optical port of a [`Device`].
pub(super) struct Port {
    pub(super) index: String,
    pub(super) path: &'static str,
    pub(super) node: String,
    pub(super) direction: &'static str,
    pub(super) side: &'static str,
}

/// A node of a line at a site.
#[derive(Clone, Copy)]
pub(super) struct Stand<'a> {
    pub(super) line: &'static str,
    pub(super) path: &'static str,
    pub(super) node: &'a str,
    pub(super) first: bool,
    pub(super) last: bool,
    pub(super) submarine: bool,
}

/// Every device at `town`, whose equipment stands on the lines of `stands`.
pub(super) fn at(town: &Town, stands: &[Stand<'_>]) -> Vec<Device> {
    let lines: Vec<&'static str> = stands.iter().map(|stand| stand.line).collect();
    let plain = |id, profile| Device {
        id,
        profile,
        lines: lines.clone(),
        ports: Vec::new(),
    };
    let mut devices = Vec::new();
    for (stand, id) in stands.iter().zip(["edfa-1", "edfa-2"]) {
        devices.push(amplifier(id, town.gear, stand));
    }
    for stand in stands.iter().filter(|stand| stand.submarine) {
        let ports = repeater_ports(stand.path);
        devices.push(Device {
            id: "rep-1",
            profile: "silkline-repeater",
            lines: vec![stand.line],
            ports,
        });
        let (id, profile) = ("pfe-1", "silkline-pfe");
        devices.push(Device {
            id,
            profile,
            lines: vec![stand.line],
            ports: Vec::new(),
        });
    }
    devices.push(plain("otdr-1", "silkline-otdr"));
    devices.push(plain(
        "battery-1",
        match town.gear {
            Gear::Reference => "victron-gx-battery",
            Gear::Cisco | Gear::Alpine | Gear::ReferenceEltek => "eltek-smartpack",
        },
    ));
    devices.push(plain("env-1", "akcp-sensorprobe"));
    devices
}

fn amplifier(id: &'static str, gear: Gear, stand: &Stand<'_>) -> Device {
    let profile = match gear {
        Gear::Reference | Gear::ReferenceEltek => "silkline-edfa",
        Gear::Cisco => "cisco-ncs1k-ots",
        Gear::Alpine => "alpineoe-edfa",
    };
    // Reference and Alpine have an amplifier a direction. A Cisco port faces one side of the hut:
    // port 1 receives from A and sends to A, port 2 does so with B.
    let [ab_in, ab_out, ba_in, ba_out] = match gear {
        Gear::Cisco => ["1", "2", "2", "1"],
        Gear::Reference | Gear::ReferenceEltek | Gear::Alpine => ["1", "1", "2", "2"],
    };
    let port = |index: &str, direction, side| Port {
        index: index.into(),
        path: stand.path,
        node: stand.node.into(),
        direction,
        side,
    };
    let mut ports = Vec::new();
    if !stand.first {
        ports.push(port(ab_in, "AB", "in"));
        ports.push(port(ba_out, "BA", "out"));
    }
    if !stand.last {
        ports.push(port(ab_out, "AB", "out"));
        ports.push(port(ba_in, "BA", "in"));
    }
    Device {
        id,
        profile,
        lines: vec![stand.line],
        ports,
    }
}

/// Both landing stations hear every repeater; rows are `1ab`, `1ba`, `2ab` and so on.
fn repeater_ports(path: &'static str) -> Vec<Port> {
    let rows = (1..=REPEATERS).flat_map(|number| [(number, "ab", "AB"), (number, "ba", "BA")]);
    rows.flat_map(|(number, row, direction)| {
        ["in", "out"].map(|side| Port {
            index: format!("{number}{row}"),
            path,
            node: format!("rep-{number}"),
            direction,
            side,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::{AKTAU, RAILWAY};
    use super::*;

    fn stand(first: bool, last: bool, submarine: bool) -> Stand<'static> {
        Stand {
            line: "l",
            path: "p",
            node: "n",
            first,
            last,
            submarine,
        }
    }

    fn ports(device: &Device) -> Vec<(String, &'static str, &'static str)> {
        let port = |port: &Port| (port.index.clone(), port.direction, port.side);
        device.ports.iter().map(port).collect()
    }

    #[test]
    fn a_reference_hut_has_an_amplifier_a_direction() {
        let alat = at(&RAILWAY[1], &[stand(false, false, false)]);
        let wanted = [
            ("1", "AB", "in"),
            ("2", "BA", "out"),
            ("1", "AB", "out"),
            ("2", "BA", "in"),
        ];
        assert_eq!(
            ports(&alat[0]),
            wanted.map(|(index, d, s)| (index.to_owned(), d, s))
        );
    }

    #[test]
    fn a_cisco_port_has_both_directions_of_one_side() {
        let kurdamir = at(&RAILWAY[3], &[stand(false, false, false)]);
        let wanted = [
            ("1", "AB", "in"),
            ("1", "BA", "out"),
            ("2", "AB", "out"),
            ("2", "BA", "in"),
        ];
        assert_eq!(
            ports(&kurdamir[0]),
            wanted.map(|(index, d, s)| (index.to_owned(), d, s))
        );
    }

    #[test]
    fn a_line_s_end_has_ports_on_one_side_alone() {
        let first = at(&RAILWAY[0], &[stand(true, false, false)]);
        let sides: Vec<_> = ports(&first[0])
            .into_iter()
            .map(|(_, d, s)| (d, s))
            .collect();
        assert_eq!(sides, [("AB", "out"), ("BA", "in")]);
    }

    #[test]
    fn a_landing_station_has_supervisory_and_power_feed() {
        let devices = at(&AKTAU, &[stand(false, true, true)]);
        let ids: Vec<_> = devices.iter().map(|device| device.id).collect();
        assert_eq!(
            ids,
            ["edfa-1", "rep-1", "pfe-1", "otdr-1", "battery-1", "env-1"]
        );
        let repeaters = devices.iter().find(|device| device.id == "rep-1").unwrap();
        assert_eq!(repeaters.ports.len(), 16);
        assert_eq!(repeaters.ports[4].index, "2ab");
        assert_eq!(repeaters.ports[4].node, "rep-2");
    }
}
