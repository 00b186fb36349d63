//! What is polled: one device entry of the settings.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::device::About;
use silkline_protocol::id::{DeviceId, FibreId, LineId, PointName, ViewId};
use silkline_protocol::setting_from_text;

use super::{Address, Behind, SnmpAccess};
use crate::profile::{MAX_REGISTERS, Map, Point, Profile, ScpiShot, ShotStart};
use crate::trigger::Turn;

/// How often a device is asked: a lost light is then seen within a second.
pub(super) const DEFAULT_POLL: Duration = Duration::from_secs(1);
/// How long a request may take: slow agents of small devices need several hundred milliseconds.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
/// The unit of a Modbus device that is its own gateway.
pub(super) const DEFAULT_UNIT: u8 = 1;
/// Nothing but the protocol's own gap: what a device needs beyond it differs by a factor of a hundred.
pub(super) const DEFAULT_PAUSE: Duration = Duration::ZERO;
/// How often the folder is looked at.
pub(super) const DEFAULT_SCAN: Duration = Duration::from_millis(200);
/// How long a file must stay as it is before it is taken: with the scan, well below a second.
pub(super) const DEFAULT_SETTLE: Duration = Duration::from_millis(400);
/// How long a file that can't be read is given to become readable.
pub(super) const DEFAULT_GIVE_UP: Duration = Duration::from_secs(10);
/// Files kept after they were taken in; the oldest go.
pub(super) const DEFAULT_DONE_KEEP: usize = 500;
/// Files kept that could not be taken in; the oldest go.
pub(super) const DEFAULT_FAILED_KEEP: usize = 100;
/// The shortest time between two shots for lost light on one view.
pub(super) const DEFAULT_HOLD_OFF: Duration = Duration::from_secs(60);
/// The name that a test unit gives its files, where it can be chosen.
pub(super) const DEFAULT_PATTERN: &str = "{device}-p{port}-*.sor";
/// A pulse that reaches the end of a long span and still places an event to some metres.
pub(super) const DEFAULT_PULSE_NS: u32 = 1000;
/// An average that finds the end of a cut span at once.
pub(super) const DEFAULT_AVERAGE: Duration = Duration::from_secs(10);

/// One piece of polled hardware.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What it is.
    pub profile: Arc<Profile>,
    /// Where it is; absent where only its folder is watched.
    pub address: Option<Address>,
    /// The unit behind that address (Modbus).
    pub unit: u8,
    /// The silence it wants before each request (Modbus).
    pub pause: Duration,
    /// The most registers it stands in one request (Modbus), where its profile says too many.
    pub max_registers: Option<u16>,
    /// How it is asked (SNMP).
    pub access: SnmpAccess,
    /// How often it is polled.
    pub poll: Duration,
    /// How long a request may take.
    pub timeout: Duration,
    /// The lines it serves.
    pub lines: Vec<LineId>,
    /// How many items its tables have (Modbus), where the profile does not say or says too many.
    pub rows: Option<u16>,
    /// Points that are asked for at some of its polls only.
    pub seldom: Vec<Seldom>,
    /// Points that are sent only when they say something new.
    pub exceptions: Vec<Exception>,
    /// What makes it an OTDR.
    pub otdr: Option<Otdr>,
}

/// Points that are asked for more seldom than at every poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seldom {
    /// Which, by their names without an index.
    pub points: Vec<PointName>,
    /// How often.
    pub every: Duration,
}

/// Points that are reported by exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception {
    /// Which, by their names without an index.
    pub points: Vec<PointName>,
    /// A value this far from the one sent last is sent.
    pub deadband: f64,
    /// And so is every value this long after the one sent last.
    pub silence: Duration,
}

/// What an OTDR has besides its registers: a folder of files, and views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otdr {
    /// How its folder is watched.
    pub watch: Watch,
    /// The shortest time between two shots for lost light on one view.
    pub hold_off: Duration,
    /// The switch between it and its fibres, where that is a device of its own.
    pub switch: Option<Behind>,
    /// What it sees, port by port.
    pub views: Vec<View>,
}

/// How a folder of SOR files is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The folder into which the instrument drops its files.
    pub folder: PathBuf,
    /// The form of the files' names: `{device}`, `{port}` and `*` for anything.
    pub pattern: String,
    /// How often the folder is looked at.
    pub scan: Duration,
    /// How long a file must stay as it is before it is taken.
    pub settle: Duration,
    /// How long a file that can't be read is given to become readable.
    pub give_up: Duration,
    /// Files kept in `done/`.
    pub done_keep: usize,
    /// Files kept in `failed/`.
    pub failed_keep: usize,
}

/// One fibre that an OTDR sees from one of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The port.
    pub port: u16,
    /// The view's id in the plant file.
    pub view: ViewId,
    /// The line on which it looks.
    pub line: LineId,
    /// The fibre of that line; where absent, a permit to work on any of its fibres blocks the view.
    pub fibre: Option<FibreId>,
    /// How often a shot is taken without a cause; never where absent.
    pub every: Option<Duration>,
    /// Points whose darkness asks for a shot at once.
    pub shoot_when_dark: Vec<PointRef>,
    /// Points that see the traffic of the fibre, where a shot needs a dark one; those of
    /// `shoot_when_dark` where there are none.
    pub traffic: Vec<PointRef>,
    /// The pulse, in nanoseconds.
    pub pulse_ns: u32,
    /// How long to average.
    pub average: Duration,
}

/// A point of a device of this agent: `edfa-1.in_power.1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointRef {
    /// The device.
    pub device: DeviceId,
    /// The point, with its index.
    pub point: PointName,
}

/// A text that names no point of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a device and its point, such as edfa-1.in_power.1")]
pub struct BadPointRef(String);

impl Otdr {
    /// The round of its views: nothing for one that is not shot without a cause.
    #[must_use]
    pub fn turns(&self) -> Vec<Option<Turn>> {
        let turn = |view: &View| {
            let average = view.average;
            view.every.map(|every| Turn { every, average })
        };
        self.views.iter().map(turn).collect()
    }
}

impl Device {
    /// A device of `profile` at `address` with every setting as it is by default: for one that is not
    /// in the settings yet.
    #[must_use]
    pub fn alone(profile: Arc<Profile>, address: Address) -> Option<Self> {
        Some(Self {
            id: DeviceId::from_str("found").ok()?,
            profile,
            address: Some(address),
            unit: DEFAULT_UNIT,
            pause: DEFAULT_PAUSE,
            max_registers: None,
            access: SnmpAccess::default(),
            poll: DEFAULT_POLL,
            timeout: DEFAULT_TIMEOUT,
            lines: Vec::new(),
            rows: None,
            seldom: Vec::new(),
            exceptions: Vec::new(),
            otdr: None,
        })
    }

    /// How its shots are taken by lines, where they are.
    #[must_use]
    pub fn scpi_shot(&self) -> Option<&ScpiShot> {
        match &self.profile.shot.as_ref()?.start {
            ShotStart::Lines(shot) => Some(shot),
            ShotStart::Registers { .. } | ShotStart::Objects(_) => None,
        }
    }

    /// What it sees from its ports, where it is an OTDR.
    pub fn views(&self) -> impl Iterator<Item = &View> {
        self.otdr.iter().flat_map(|otdr| &otdr.views)
    }

    /// The longest time between two samples of it while it answers: its polls, or where every point is
    /// reported by exception, the shortest of the silences.
    #[must_use]
    pub fn longest_pause(&self) -> Duration {
        let silence = |point: &Point| {
            let of = |exception: &&Exception| exception.points.contains(&point.name);
            self.exceptions
                .iter()
                .find(of)
                .map(|exception| exception.silence)
        };
        let silences: Option<Vec<Duration>> = self.profile.points().map(silence).collect();
        let shortest = silences.and_then(|all| all.into_iter().min());
        shortest.map_or(self.poll, |shortest| shortest.max(self.poll))
    }

    /// What it tells about itself.
    #[must_use]
    pub fn about(&self) -> About {
        let pause = self.longest_pause().as_millis();
        // Zero would say that nobody knows.
        let pause = u64::try_from(pause).unwrap_or(u64::MAX).max(1);
        self.profile.about(pause)
    }

    /// The most registers that are read from it in one request.
    #[must_use]
    pub fn at_once(&self) -> u16 {
        let own = match &self.profile.map {
            Map::Modbus(map) => map.max_registers,
            Map::Snmp(_) | Map::Scpi(_) => MAX_REGISTERS,
        };
        self.max_registers.unwrap_or(own)
    }

    /// Every line that the device or one of its views serves.
    pub fn all_lines(&self) -> impl Iterator<Item = &LineId> {
        let views = self.views().map(|view| &view.line);
        self.lines.iter().chain(views)
    }
}

impl FromStr for PointRef {
    type Err = BadPointRef;

    fn from_str(text: &str) -> Result<Self, BadPointRef> {
        let bad = || BadPointRef(text.chars().take(140).collect());
        let (device, point) = text.split_once('.').ok_or_else(bad)?;
        let device = device.parse().map_err(|_| bad())?;
        let point = point.parse().map_err(|_| bad())?;
        Ok(Self { device, point })
    }
}

impl fmt::Display for PointRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.device, self.point)
    }
}

setting_from_text!(PointRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_reference_is_a_device_and_a_point() {
        let text = "edfa-1.in_power.1";
        let point: PointRef = text.parse().unwrap();
        assert_eq!(
            (point.device.as_str(), point.point.as_str()),
            ("edfa-1", "in_power.1")
        );
        assert_eq!(point.to_string(), text);
        for bad in ["edfa-1", "", ".", "EDFA.in_power", "edfa-1.In"] {
            assert!(bad.parse::<PointRef>().is_err(), "{bad}");
        }
    }
}
