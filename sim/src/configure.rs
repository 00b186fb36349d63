//! Settings files for agents and a collector that work with the simulated hardware: what an operator
//! would write by hand after walking through the huts.

use core::time::Duration;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::plant::{Device, Direction, Line, NodeKind, Plant, Side, Toward, View};

use crate::hardware::{COMMUNITY, Reach};

/// What every agent of a simulation is told alike.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// The broker, such as `mqtt://127.0.0.1:1883`.
    pub broker: String,
    /// The folder for the agents' spools; each has one of its own in it.
    pub data: PathBuf,
    /// How often light is read.
    pub poll: Duration,
    /// The pulse of every shot, in nanoseconds.
    pub pulse_ns: u32,
    /// How long a shot averages.
    pub average: Duration,
    /// How often each view is shot without a cause.
    pub every: Duration,
}

impl AgentPlan {
    /// A plan with a poll a second and shots that reach the end of a span of 100 km.
    #[must_use]
    pub fn new(broker: String, data: PathBuf) -> Self {
        Self {
            broker,
            data,
            poll: Duration::from_secs(1),
            pulse_ns: 1_000,
            average: Duration::from_secs(10),
            every: Duration::from_secs(1_800),
        }
    }
}

/// Where a simulated collector finds the rest, and where it is to be found.
#[derive(Clone, Debug)]
pub struct CollectorPlan {
    /// The plant file.
    pub plant: PathBuf,
    /// The folder of its store.
    pub data: PathBuf,
    /// Where its embedded broker listens.
    pub broker: SocketAddr,
    /// Where its page and API listen.
    pub api: SocketAddr,
    /// The mail server that is told.
    pub mail: SocketAddr,
}

/// The settings of the agent at `site`.
#[must_use]
pub fn agent_toml(plant: &Plant, site: &SiteId, reach: &[Reach], plan: &AgentPlan) -> String {
    let mut text = format!("# The agent at {site}, for simulated hardware.\n");
    // Writing to a String can't fail.
    let _ = agent(&mut text, plant, site, plan);
    for one in reach.iter().filter(|one| one.site == *site) {
        if let Some(device) = plant.device(site, &one.device) {
            let _ = device_table(&mut text, plant, (device, one), plan);
        }
    }
    text
}

/// The settings of a collector for the whole plant, with a broker of its own.
#[must_use]
pub fn collector_toml(plan: &CollectorPlan) -> String {
    let (plant, data) = (quoted(&plan.plant), quoted(&plan.data));
    format!(
        "# The collector of a simulated plant.\n\
         plant = {plant}\ndata = {data}\n\n\
         [broker]\nlisten = \"{}\"\n\n\
         [api]\nlisten = \"{}\"\npublic_url = \"http://{}\"\n\n\
         [[notify.email]]\nname = \"crews\"\nhost = \"{}\"\nport = {}\nsecurity = \"none\"\n\
         from = \"silkline@noc.example\"\nto = [\"crews@noc.example\"]\n",
        plan.broker,
        plan.api,
        plan.api,
        plan.mail.ip(),
        plan.mail.port()
    )
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

fn agent(text: &mut String, plant: &Plant, site: &SiteId, plan: &AgentPlan) -> std::fmt::Result {
    let data = plan.data.join(site.as_str());
    writeln!(
        text,
        "site = \"{site}\"\nagent = \"main\"\ndata = {}",
        quoted(&data)
    )?;
    writeln!(text, "lines = [{}]", listed(lines_at(plant, site)))?;
    writeln!(text, "\n[[uplink]]\nurl = \"{}\"", plan.broker)
}

fn lines_at<'a>(plant: &'a Plant, site: &'a SiteId) -> impl Iterator<Item = &'a LineId> {
    let stands = move |line: &&Line| {
        line.nodes
            .iter()
            .any(|node| node.site.as_ref() == Some(site))
    };
    plant.lines.iter().filter(stands).map(|line| &line.id)
}

fn listed<'a>(lines: impl Iterator<Item = &'a LineId>) -> String {
    lines
        .map(|line| format!("\"{line}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

fn device_table(
    text: &mut String,
    plant: &Plant,
    (device, reach): (&Device, &Reach),
    plan: &AgentPlan,
) -> std::fmt::Result {
    let (id, profile, address) = (&device.id, &device.profile, reach.address);
    writeln!(text, "\n[[device]]\nid = \"{id}\"\nprofile = \"{profile}\"")?;
    writeln!(
        text,
        "address = \"{address}\"\nlines = [{}]",
        listed(device.lines.iter())
    )?;
    // What changes slowly is asked less often.
    let slow = device.ports.is_empty() && !profile.as_str().ends_with("-pfe");
    let poll = if slow { plan.poll * 5 } else { plan.poll };
    writeln!(
        text,
        "poll = \"{}ms\"\ntimeout = \"800ms\"",
        poll.as_millis()
    )?;
    let by_snmp = match profile.as_str() {
        "victron-gx-battery" => false,
        name => !name.starts_with("silkline-") || name.ends_with("-snmp"),
    };
    if by_snmp {
        writeln!(text, "community = \"{COMMUNITY}\"")?;
    }
    if profile.as_str() == "silkline-repeater" {
        let line = device.lines.first().and_then(|line| plant.line(line));
        let nodes = line.iter().flat_map(|line| &line.nodes);
        let count = nodes.filter(|node| node.kind == NodeKind::Repeater).count();
        writeln!(text, "rows = {count}")?;
    }
    let Some(folder) = &reach.folder else {
        return Ok(());
    };
    writeln!(text, "folder = {}", quoted(folder))?;
    let here = plant.devices.iter().filter(|one| one.site == device.site);
    let mut switches = here.filter(|one| one.profile.as_str() == "silkline-switch");
    if let Some(switch) = switches
        .next()
        .filter(|_| profile.as_str() != "silkline-otdr")
    {
        writeln!(text, "\n[device.switch]\ndevice = \"{}\"", switch.id)?;
    }
    for line in &plant.lines {
        let mine = |view: &&View| {
            let node = line.node(&view.node);
            let here = node.and_then(|node| node.site.as_ref()) == Some(&device.site);
            here && view.device.as_ref() == Some(&device.id)
        };
        for view in line.views.iter().filter(mine) {
            view_table(text, plant, (line, view), plan)?;
        }
    }
    Ok(())
}

fn view_table(
    text: &mut String,
    plant: &Plant,
    (line, view): (&Line, &View),
    plan: &AgentPlan,
) -> std::fmt::Result {
    let dark = dark_points(plant, line, view);
    let dark: Vec<String> = dark.iter().map(|point| format!("\"{point}\"")).collect();
    writeln!(text, "\n[[device.view]]\nport = {}", view.port.unwrap_or(1))?;
    writeln!(text, "view = \"{}\"\nline = \"{}\"", view.id, line.id)?;
    writeln!(text, "every = \"{}s\"", plan.every.as_secs())?;
    writeln!(text, "shoot_when_dark = [{}]", dark.join(", "))?;
    writeln!(
        text,
        "pulse_ns = {}\naverage = \"{}s\"",
        plan.pulse_ns,
        plan.average.as_secs()
    )
}

/// The inputs at a view's node whose light comes out of the span into which the view looks.
fn dark_points(plant: &Plant, line: &Line, view: &View) -> Vec<String> {
    let site = line.node(&view.node).and_then(|node| node.site.as_ref());
    let from_there = match view.toward {
        Toward::B => Direction::BToA,
        Toward::A => Direction::AToB,
    };
    let here = plant
        .devices
        .iter()
        .filter(|device| Some(&device.site) == site);
    let on_line = here.filter(|device| device.lines.contains(&line.id));
    let mut points = Vec::new();
    for device in on_line {
        let stem = if device.profile.as_str() == "cisco-ncs1k-ots" {
            "rx_power"
        } else {
            "in_power"
        };
        let inputs = device.ports.iter().filter(|port| {
            port.node == view.node && port.side == Side::In && port.direction == from_there
        });
        points.extend(inputs.map(|port| format!("{}.{stem}.{}", device.id, port.index)));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::id::DeviceId;

    fn id<T: core::str::FromStr>(text: &str) -> T
    where
        T::Err: core::fmt::Debug,
    {
        text.parse().unwrap()
    }

    fn plant() -> Plant {
        let text = crate::corridor::plant_toml();
        silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant
    }

    fn reach(plant: &Plant) -> Vec<Reach> {
        let one = |device: &Device| Reach {
            site: device.site.clone(),
            device: device.id.clone(),
            profile: device.profile.clone(),
            address: "127.0.0.1:5020".parse().unwrap(),
            folder: (device.id == id::<DeviceId>("otdr-1")).then(|| "/tmp/otdr".into()),
        };
        plant.devices.iter().map(one).collect()
    }

    #[test]
    fn each_view_shoots_when_light_from_its_span_is_lost() {
        let plant = plant();
        let dark = |line: &str, view: &str| {
            let line = plant.line(&id(line)).unwrap();
            dark_points(&plant, line, line.view(&id(view)).unwrap())
        };
        assert_eq!(dark("baku-poti", "alat-hajigabul"), ["edfa-1.in_power.2"]);
        assert_eq!(dark("baku-poti", "alat-baku"), ["edfa-1.in_power.1"]);
        // A Cisco port receives from the side that it faces: 2 from B.
        assert_eq!(dark("baku-poti", "kurdamir-yevlakh"), ["edfa-1.rx_power.2"]);
        assert_eq!(dark("baku-sumgait", "baku-sumgait"), ["edfa-2.in_power.2"]);
        assert_eq!(dark("sumgait-aktau", "aktau-rep-4"), ["edfa-1.in_power.1"]);
    }

    #[test]
    fn an_agent_is_told_of_every_device_and_view_of_its_site() {
        let plant = plant();
        let plan = AgentPlan::new("mqtt://127.0.0.1:1883".into(), "/tmp/data".into());
        let text = agent_toml(&plant, &id("sumgait"), &reach(&plant), &plan);
        assert_eq!(text.matches("[[device]]").count(), 7);
        assert_eq!(text.matches("[[device.view]]").count(), 2);
        assert!(text.contains("rows = 4"), "{text}");
        assert!(
            text.contains(r#"lines = ["baku-sumgait", "sumgait-aktau"]"#),
            "{text}"
        );
        assert!(text.contains(r#"data = "/tmp/data/sumgait""#), "{text}");
    }

    #[test]
    fn a_collector_is_told_where_everything_is() {
        let plan = CollectorPlan {
            plant: "/tmp/a \"b\"/plant.toml".into(),
            data: "/tmp/data".into(),
            broker: "127.0.0.1:0".parse().unwrap(),
            api: "127.0.0.1:8080".parse().unwrap(),
            mail: "127.0.0.1:2525".parse().unwrap(),
        };
        let text = collector_toml(&plan);
        for wanted in [
            r#"plant = "/tmp/a \"b\"/plant.toml""#,
            "[broker]\nlisten = \"127.0.0.1:0\"",
            "[api]\nlisten = \"127.0.0.1:8080\"",
            "host = \"127.0.0.1\"\nport = 2525\nsecurity = \"none\"",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }

    #[test]
    fn what_changes_slowly_is_asked_less_often() {
        let plant = plant();
        let plan = AgentPlan::new("mqtt://127.0.0.1:1883".into(), "/tmp/data".into());
        let text = agent_toml(&plant, &id("aktau"), &reach(&plant), &plan);
        for (device, poll) in [("edfa-1", 1), ("rep-1", 1), ("pfe-1", 1), ("battery-1", 5)] {
            let table = text
                .split("[[device]]")
                .find(|table| table.contains(device))
                .unwrap();
            assert!(
                table.contains(&format!("poll = \"{poll}000ms\"")),
                "{table}"
            );
        }
    }
}
