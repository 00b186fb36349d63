//! From the text of the settings to a [`Config`], or to every mistake in it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::device::Role;
use silkline_protocol::id::{AgentId, LineId, PointName, ProfileId};
use silkline_protocol::settings::{self, Mistakes, Section};

use super::device::{
    DEFAULT_AVERAGE, DEFAULT_DONE_KEEP, DEFAULT_FAILED_KEEP, DEFAULT_GIVE_UP, DEFAULT_HOLD_OFF,
    DEFAULT_PATTERN, DEFAULT_PAUSE, DEFAULT_POLL, DEFAULT_PULSE_NS, DEFAULT_SCAN, DEFAULT_SETTLE,
    DEFAULT_TIMEOUT, DEFAULT_UNIT,
};
use super::{
    Address, Config, DEFAULT_AGENT, DEFAULT_DATA, DEFAULT_RETRY_CAP, DEFAULT_SHUTDOWN, Device,
    Exception, Otdr, SerialLine, SnmpAccess, SpoolBounds, TrapSettings, View, Watch, access,
    address, links, seldom, switch,
};
use crate::exception::may_be_withheld;
use crate::profile::{Library, Map, ModbusMap, Profile};
use crate::spool::SpoolSettings;
use crate::trigger::{Turn, overfull};

/// The shortest span that makes sense.
pub(super) const SPAN_MIN: Duration = Duration::from_millis(1);
/// The shortest poll: as fast as the device answers.
const POLL_MIN: Duration = Duration::ZERO;
/// Longer than this a cut would go unseen for a day.
const POLL_MAX: Duration = Duration::from_secs(86_400);
/// A value that has not changed for longer than this is no news, but a chart without it is a riddle.
const SILENCE_MAX: Duration = Duration::from_secs(3_600);
/// A longer silence before each request would leave no time for the requests.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The smallest spool that holds a trace of the largest size beside an hour of samples.
const SPOOL_MIN: u64 = 16 * 1024 * 1024;

/// Reads the settings file `name` with contents `text`, and the profiles of the folder it names.
///
/// # Errors
///
/// Every mistake in it.
pub fn read(name: &str, text: &str) -> Result<Config, Mistakes> {
    settings::read(name, text, config)
}

/// What the top of the file settles for its devices.
struct Defaults {
    library: Library,
    lines: Vec<LineId>,
}

fn config(top: &mut Section<'_>) -> Option<Config> {
    let site = top.required("site");
    let agent: Option<AgentId> = if top.has("agent") {
        top.optional("agent")
    } else {
        DEFAULT_AGENT.parse().ok()
    };
    let data = top.or("data", PathBuf::from(DEFAULT_DATA));
    let retry_cap = within(top, "retry_cap", DEFAULT_RETRY_CAP, SPAN_MIN);
    let shutdown = within(top, "shutdown", DEFAULT_SHUTDOWN, SPAN_MIN);
    let lines = lines(top, Vec::new());
    let library = library(top);
    let local = local(top);
    let spool = top.section("spool");
    let spool = spool.map_or_else(SpoolBounds::default, |mut section| {
        spool_bounds(&mut section)
    });
    let traps = top.section("traps").map(|mut section| traps(&mut section));
    let plant = top.optional("plant");
    let modem = top
        .section("modem")
        .map(|mut section| links::modem(&mut section));
    let uplinks: Vec<_> = top
        .sections("uplink")
        .iter_mut()
        .map(links::uplink)
        .collect();
    let defaults = Defaults { library, lines };
    let mut sections = top.sections("device");
    let devices: Vec<_> = sections
        .iter_mut()
        .map(|section| device(section, &defaults))
        .collect();
    if sections.is_empty() {
        top.wrong(
            "device",
            "is missing: an agent without devices has nothing to do",
        );
    }
    unique(&sections, &devices);
    triggers(&mut sections, &devices);
    switch::check(&sections, &devices);
    let uplinks = uplinks.into_iter().collect::<Option<Vec<_>>>();
    let devices = devices.into_iter().collect::<Option<Vec<_>>>();
    Some(Config {
        site: site?,
        agent: agent?,
        data,
        retry_cap,
        shutdown,
        spool,
        uplinks: uplinks?,
        plant,
        modem: match modem {
            None => None,
            Some(read) => Some(read?),
        },
        traps: match traps {
            None => None,
            Some(read) => Some(read?),
        },
        local,
        devices: devices?,
    })
}

/// The page has no password, so it is for this machine only.
fn local(top: &mut Section<'_>) -> Option<SocketAddr> {
    let text: String = top.optional("local")?;
    match text.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_loopback() => Some(at),
        Ok(_) | Err(_) => {
            top.wrong(
                "local",
                format!("{text} is no port of this machine such as 127.0.0.1:8090"),
            );
            None
        }
    }
}

fn library(top: &mut Section<'_>) -> Library {
    let Some(folder) = top.optional::<PathBuf>("profiles") else {
        return Library::embedded();
    };
    Library::with_folder(&folder).unwrap_or_else(|errors| {
        for error in errors {
            top.wrong("profiles", error.to_string());
        }
        Library::embedded()
    })
}

/// A duration of at least `least`.
pub(super) fn within(
    section: &mut Section<'_>,
    key: &str,
    default: Duration,
    least: Duration,
) -> Duration {
    let found = section.or(key, default);
    if !(least..=POLL_MAX).contains(&found) {
        section.wrong(key, format!("{found:?} is not between {least:?} and a day"));
    }
    found
}

impl Default for SpoolBounds {
    fn default() -> Self {
        Self {
            max_bytes: SpoolSettings::MAX_BYTES,
            keep: SpoolSettings::KEEP,
            max_age: None,
        }
    }
}

fn spool_bounds(section: &mut Section<'_>) -> SpoolBounds {
    let max_bytes = section.or("max_bytes", SpoolSettings::MAX_BYTES);
    if max_bytes < SPOOL_MIN {
        section.wrong("max_bytes", format!("{max_bytes} is less than {SPOOL_MIN}"));
    }
    let keep = section.or("keep", SpoolSettings::KEEP);
    SpoolBounds {
        max_bytes,
        keep,
        max_age: section.optional("max_age"),
    }
}

fn traps(section: &mut Section<'_>) -> Option<TrapSettings> {
    let listen: Option<String> = section.required("listen");
    let community = access::secret(section, "community");
    let Ok(listen) = listen?.parse() else {
        section.wrong(
            "listen",
            "is not an address with a port such as 0.0.0.0:162",
        );
        return None;
    };
    Some(TrapSettings { listen, community })
}

fn device(section: &mut Section<'_>, defaults: &Defaults) -> Option<Device> {
    let id = section.required("id");
    let profile = profile(section, &defaults.library);
    let poll = within(section, "poll", DEFAULT_POLL, POLL_MIN);
    let timeout = within(
        section,
        "timeout",
        DEFAULT_TIMEOUT,
        Duration::from_millis(10),
    );
    let lines = lines(section, defaults.lines.clone());
    if lines.is_empty() {
        section.wrong(
            "lines",
            "is missing, and there are no lines at the top of the file",
        );
    }
    let seldom_asked = seldom::read(section, profile.as_deref(), poll);
    let exceptions = exceptions(section, profile.as_deref(), poll);
    let otdr = otdr(section, profile.as_deref(), &lines);
    let address = address::read(section, profile.as_deref());
    if address.is_none() && otdr.is_none() && !section.has("address") {
        section.wrong("address", "is missing");
    }
    let spoken = spoken(section, profile.as_deref());
    address::check_unit(section, address.as_ref(), spoken.unit);
    let otdr = match otdr {
        None => None,
        Some(read) => Some(read?),
    };
    Some(Device {
        id: id?,
        profile: profile?,
        address,
        unit: spoken.unit,
        pause: spoken.pause,
        max_registers: spoken.max_registers,
        access: spoken.access,
        poll,
        timeout,
        lines,
        rows: spoken.rows,
        seldom: seldom_asked,
        exceptions,
        otdr,
    })
}

/// Lines, each once: what is for a line is spooled as often as it stands here.
fn lines(section: &mut Section<'_>, default: Vec<LineId>) -> Vec<LineId> {
    let lines = section.or("lines", default);
    let twice = |(at, line): &(usize, &LineId)| lines.iter().take(*at).any(|other| other == *line);
    if let Some((_, line)) = lines.iter().enumerate().find(twice) {
        section.wrong("lines", format!("{line} stands there twice"));
    }
    lines
}

fn profile(section: &mut Section<'_>, library: &Library) -> Option<Arc<Profile>> {
    let id: ProfileId = section.required("profile")?;
    if let Some(profile) = library.shared(&id) {
        return Some(profile);
    }
    let known: Vec<&str> = library.iter().map(|profile| profile.id.as_str()).collect();
    section.wrong(
        "profile",
        format!("{id} is no profile; known are {}", known.join(", ")),
    );
    None
}

/// Points that are reported by exception; one with a mistake is left out.
fn exceptions(
    section: &mut Section<'_>,
    profile: Option<&Profile>,
    poll: Duration,
) -> Vec<Exception> {
    let mut sections = section.sections("exception");
    let read = sections.iter_mut().filter_map(|section| {
        let points: Option<Vec<PointName>> = section.required("points");
        let deadband: Option<f64> = section.required("deadband");
        let silence: Option<Duration> = section.required("silence");
        if deadband.is_some_and(|band| !(band.is_finite() && band > 0.0)) {
            section.wrong("deadband", "is not more than zero");
        }
        if silence.is_some_and(|silence| silence < poll * 2 || silence > SILENCE_MAX) {
            section.wrong(
                "silence",
                format!("is not between two polls and {SILENCE_MAX:?}"),
            );
        }
        for name in points.iter().flatten() {
            match profile.map(|profile| profile.points().find(|point| point.name == *name)) {
                None => {}
                Some(Some(point)) if may_be_withheld(point.role) => {}
                Some(Some(_)) => section.wrong(
                    "points",
                    format!("{name} is an alarm or a state, which is always sent"),
                ),
                Some(None) => {
                    section.wrong("points", format!("{name} is no point of this profile"))
                }
            }
        }
        Some(Exception {
            points: points?,
            deadband: deadband?,
            silence: silence?,
        })
    });
    read.collect()
}

/// What only one protocol has.
struct Spoken {
    unit: u8,
    pause: Duration,
    max_registers: Option<u16>,
    rows: Option<u16>,
    access: SnmpAccess,
}

/// The keys that belong to one protocol only, and are mistakes beside the other.
fn spoken(section: &mut Section<'_>, profile: Option<&Profile>) -> Spoken {
    const MODBUS: [&str; 4] = ["unit", "pause", "max_registers", "rows"];
    let spoken = Spoken {
        unit: section.or("unit", DEFAULT_UNIT),
        pause: section.or("pause", DEFAULT_PAUSE),
        max_registers: section.optional("max_registers"),
        rows: section.optional("rows"),
        access: access::read(section),
    };
    if spoken.pause > PAUSE_MAX {
        let pause = spoken.pause;
        section.wrong("pause", format!("{pause:?} is more than {PAUSE_MAX:?}"));
    }
    if spoken
        .max_registers
        .is_some_and(|most| !(1..=125).contains(&most))
    {
        section.wrong("max_registers", "is not 1 to 125");
    }
    let (foreign, own): (&[&str], &str) = match profile.map(|profile| &profile.map) {
        Some(Map::Modbus(map)) => {
            check_rows(section, map, spoken.rows);
            (&access::KEYS, "Modbus")
        }
        Some(Map::Snmp(_)) => (&MODBUS, "SNMP"),
        Some(Map::Scpi(_)) => {
            for key in MODBUS.iter().filter(|key| section.has(key)) {
                section.wrong(key, "does not belong to a device that speaks SCPI");
            }
            (&access::KEYS, "SCPI")
        }
        None => (&[], ""),
    };
    for key in foreign.iter().filter(|key| section.has(key)) {
        section.wrong(
            key,
            format!("does not belong to a device that speaks {own}"),
        );
    }
    spoken
}

fn check_rows(section: &Section<'_>, map: &ModbusMap, rows: Option<u16>) {
    let most = map.tables.iter().map(|table| table.max_rows).max();
    let most = most.unwrap_or(0);
    let open = map.tables.iter().any(|table| table.rows.is_none());
    if rows.is_some_and(|rows| rows == 0 || rows > most) {
        section.wrong(
            "rows",
            format!("is not 1 to {most}, the most this profile has"),
        );
    }
    if open && rows.is_none() {
        section.wrong(
            "rows",
            "is missing: this profile does not say how many are fitted",
        );
    }
}

/// The keys of a device that only an OTDR has.
const OTDR_KEYS: [&str; 10] = [
    "folder",
    "pattern",
    "scan",
    "settle",
    "give_up",
    "done_keep",
    "failed_keep",
    "hold_off",
    "switch",
    "view",
];

/// `None` where it is no OTDR, `Some(None)` where it is one with mistakes.
fn otdr(
    section: &mut Section<'_>,
    profile: Option<&Profile>,
    lines: &[LineId],
) -> Option<Option<Otdr>> {
    let folder: Option<PathBuf> = section.optional("folder");
    let pattern = section.or("pattern", DEFAULT_PATTERN.to_owned());
    let scan = section.or("scan", DEFAULT_SCAN);
    let settle = section.or("settle", DEFAULT_SETTLE);
    let give_up = section.or("give_up", DEFAULT_GIVE_UP);
    let done_keep = section.or("done_keep", DEFAULT_DONE_KEEP);
    let failed_keep = section.or("failed_keep", DEFAULT_FAILED_KEEP);
    let hold_off = section.or("hold_off", DEFAULT_HOLD_OFF);
    let views: Vec<_> = section
        .sections("view")
        .iter_mut()
        .map(|view_section| view(view_section, profile, lines))
        .collect();
    let behind = section
        .section("switch")
        .map(|mut inner| switch::read(&mut inner));
    let Some(folder) = folder else {
        let stray = OTDR_KEYS.iter().filter(|key| section.has(key));
        for key in stray {
            section.wrong(key, "needs folder: where the instrument drops its files");
        }
        return None;
    };
    if !pattern.contains("{port}") {
        section.wrong(
            "pattern",
            format!("{pattern:?} has no {{port}}: no file could be told"),
        );
    }
    if scan.is_zero() {
        section.wrong("scan", "is zero: the folder would be read without a pause");
    }
    let watch = Watch {
        folder,
        pattern,
        scan,
        settle,
        give_up,
        done_keep,
        failed_keep,
    };
    let views = views.into_iter().collect::<Option<Vec<_>>>();
    let behind = match behind {
        Some(None) => return Some(None),
        Some(read) => read,
        None => None,
    };
    let otdr = views.map(|views| Otdr {
        watch,
        hold_off,
        switch: behind,
        views,
    });
    let turns = otdr.as_ref().map(Otdr::turns).unwrap_or_default();
    let turns: Vec<Turn> = turns.into_iter().flatten().collect();
    if let Some(problem) = overfull(turns.iter()) {
        section.wrong("view", problem);
    }
    Some(otdr)
}

fn view(section: &mut Section<'_>, profile: Option<&Profile>, lines: &[LineId]) -> Option<View> {
    let line = match lines {
        [only] => Some(section.or("line", only.clone())),
        _ => section.required("line"),
    };
    let view = View {
        port: section.required("port").unwrap_or(0),
        view: section.required("view")?,
        line: line?,
        fibre: section.optional("fibre"),
        every: section.optional("every"),
        shoot_when_dark: section.or("shoot_when_dark", Vec::new()),
        traffic: section.or("traffic", Vec::new()),
        pulse_ns: section.or("pulse_ns", DEFAULT_PULSE_NS),
        average: section.or("average", DEFAULT_AVERAGE),
    };
    let shot = profile.and_then(|profile| profile.shot.as_ref());
    let needs_dark = shot.is_some_and(|shot| shot.needs_dark);
    if needs_dark && view.traffic.is_empty() && view.shoot_when_dark.is_empty() {
        section.wrong(
            "traffic",
            "is missing: this instrument needs a dark fibre, and nothing would tell",
        );
    }
    let starts = profile.is_none_or(|profile| profile.shot.is_some());
    if !starts && (view.every.is_some() || !view.shoot_when_dark.is_empty()) {
        let key = if view.every.is_some() {
            "every"
        } else {
            "shoot_when_dark"
        };
        section.wrong(
            key,
            "needs a profile with [shot]: this one can't start an instrument",
        );
    }
    if view
        .every
        .is_some_and(|every| every < view.average + Duration::from_secs(1))
    {
        section.wrong("every", "is shorter than a shot takes");
    }
    Some(view)
}

/// Ids, addresses with units, views and ports are each given once.
fn unique(sections: &[Section<'_>], devices: &[Option<Device>]) {
    let mut seen: Vec<&Device> = Vec::new();
    for (section, device) in sections.iter().zip(devices) {
        let Some(device) = device else { continue };
        if seen.iter().any(|other| other.id == device.id) {
            section.wrong(
                "id",
                format!("{} is given to another device too", device.id),
            );
        }
        if let Some(Address::Serial(line)) = &device.address
            && seen.iter().any(|other| differs(other, line))
        {
            let path = line.path.display();
            section.wrong(
                "address",
                format!("{path} is set otherwise by another device"),
            );
        }
        let views = device.otdr.iter().flat_map(|otdr| &otdr.views);
        let earlier = seen
            .iter()
            .flat_map(|other| &other.otdr)
            .flat_map(|otdr| &otdr.views);
        let earlier: Vec<&View> = earlier.collect();
        let mut own: Vec<&View> = Vec::new();
        for view in views {
            if own
                .iter()
                .chain(&earlier)
                .any(|other| other.view == view.view)
            {
                section.wrong("view", format!("the view {} is given twice", view.view));
            }
            if own.iter().any(|other| other.port == view.port) {
                section.wrong("view", format!("port {} is given to two views", view.port));
            }
            own.push(view);
        }
        let folder = |device: &Device| device.otdr.as_ref().map(|otdr| otdr.watch.folder.clone());
        if folder(device).is_some() && seen.iter().any(|other| folder(other) == folder(device)) {
            section.wrong("folder", "is watched by another device too");
        }
        seen.push(device);
    }
}

/// Whether `other` sets the serial line in another way: the line can have only one.
fn differs(other: &Device, line: &SerialLine) -> bool {
    matches!(&other.address, Some(Address::Serial(same)) if same.path == line.path && same != line)
}

/// A trigger names a light input of a device that is there.
fn triggers(sections: &mut [Section<'_>], devices: &[Option<Device>]) {
    for (section, device) in sections.iter().zip(devices) {
        let views = device
            .iter()
            .flat_map(|device| &device.otdr)
            .flat_map(|otdr| &otdr.views);
        for wanted in views.flat_map(|view| view.shoot_when_dark.iter().chain(&view.traffic)) {
            let found = devices
                .iter()
                .flatten()
                .find(|device| device.id == wanted.device);
            let Some(found) = found else {
                if devices.iter().all(Option::is_some) {
                    section.wrong("view", format!("{wanted} names a device that is not here"));
                }
                continue;
            };
            let role = found.profile.point(&wanted.point).map(|point| point.role);
            if !matches!(role, Some(Role::LightIn | Role::SupervisoryIn)) {
                let profile = &found.profile.id;
                let problem = format!("{wanted} is no light input of the profile {profile}");
                section.wrong("view", problem);
            }
        }
    }
}
