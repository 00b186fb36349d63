//! Which shots an OTDR takes, and why: decided at the edge, without the collector, since the uplink
//! may run over the fibre that was cut. Pure: it owns no clock and talks to no instrument.
//!
//! ```text
//!   lit ──▶ dark ──┐                                  ┌── refused: again soon, at last given up
//!   schedule ──────┼─▶ wanted ─▶ Start ─▶ (asked) ────┤
//!   command ───────┘                                  └── taken ─▶ (shooting) ─▶ file ─▶ Idle
//! ```
//!
//! An instrument takes one shot at a time; light that was lost goes before commands, commands before
//! the schedule. After a shot for lost light its view holds off for a while, twice as long each time
//! while the light flaps; a loss meanwhile is remembered and shot at the end, if it is still dark.

mod instrument;
mod round;

pub use round::{Turn, overfull};

use core::time::Duration;
use std::collections::BTreeMap;

use silkline_protocol::id::{DeviceId, FibreId, LineId, PointName, ViewId};
use silkline_protocol::message::{Event, EventKind, Trigger};
use silkline_protocol::permit::Permit;
use silkline_protocol::time::Timestamp;

use crate::clock::Moment;
use crate::config::{Config, PointRef};
use crate::driver::otdr::ShotSettings;
use crate::permit::Blocked;
use instrument::Instrument;

/// Something to be done about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Start a shot, and tell [`Triggers::started`] what came of it.
    Start {
        /// The OTDR.
        device: DeviceId,
        /// With what.
        settings: ShotSettings,
        /// The switch that has to be turned before, where it is a device of its own.
        through: Option<Through>,
    },
    /// Stop the shot that runs, and tell [`Triggers::aborted`] what came of it.
    Abort {
        /// The OTDR.
        device: DeviceId,
    },
    /// Record an event.
    Tell(Told),
}

/// A switch that leads to the fibre of a shot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Through {
    /// The switch.
    pub switch: DeviceId,
    /// The line of the fibre.
    pub line: LineId,
    /// The fibre, where it is known.
    pub fibre: Option<FibreId>,
}

/// An event to be recorded, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The device it is about.
    pub device: DeviceId,
    /// The line it is for, where it is for one only.
    pub line: Option<LineId>,
    /// What happened.
    pub kind: EventKind,
    /// To which point.
    pub point: Option<PointName>,
    /// In words.
    pub detail: String,
    /// The permit to work that is in the way, where one is.
    pub permit: Option<Permit>,
}

/// What came of an [`Act::Start`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instrument took it on.
    Taken,
    /// It did not, or may not have, and why.
    Refused(String),
    /// It was not asked: somebody works on the fibre.
    Blocked(Blocked),
}

/// What a file that appeared shows, and why it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The view, where the port tells it.
    pub view: Option<ViewId>,
    /// The view's line.
    pub line: Option<LineId>,
    /// Why the shot was taken.
    pub trigger: Trigger,
}

/// Why a shot that was asked for by hand is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No OTDR of this agent has the view.
    #[error("this agent has no view {0}")]
    NoSuchView(ViewId),
    /// The instrument can't be started from here.
    #[error("the instrument of view {0} can't be started by this agent")]
    NotStartable(ViewId),
    /// The instrument needs a dark fibre.
    #[error("view {0} is not shot, its instrument needs a dark fibre: {1}")]
    Traffic(ViewId, String),
}

/// What was last seen of a light input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Light {
    dark: bool,
    at: Moment,
}

/// Every light input that was ever seen.
type Lights = BTreeMap<PointRef, Light>;

/// All of an agent's light inputs and OTDRs.
#[derive(Clone, Debug)]
pub struct Triggers {
    lights: Lights,
    instruments: Vec<Instrument>,
}

impl Told {
    /// The event, at the time `at`.
    #[must_use]
    pub fn event(&self, at: Timestamp) -> Event {
        let detail = self.detail.clone();
        Event {
            at,
            kind: self.kind,
            point: self.point.clone(),
            detail,
            permit: self.permit.clone(),
            place: None,
        }
    }
}

impl Triggers {
    /// The OTDRs of `config`; scheduled shots begin one after another from `now` on.
    #[must_use]
    pub fn new(config: &Config, now: Moment) -> Self {
        let instruments = config
            .devices
            .iter()
            .filter_map(|device| Instrument::new(config, device, now));
        Self {
            lights: Lights::new(),
            instruments: instruments.collect(),
        }
    }

    /// Takes up the settings `new` in place of `old`: lights stay as they were seen, and an OTDR that did
    /// not change goes on with what it is about.
    pub fn renew(&mut self, old: &Config, new: &Config, now: Moment) {
        let mut known = core::mem::take(&mut self.instruments);
        let fresh = Self::new(new, now);
        let is_same = |device: &DeviceId| old.device(device) == new.device(device);
        self.instruments = fresh
            .instruments
            .into_iter()
            .map(|fresh| {
                let before = known
                    .iter()
                    .position(|known| known.device() == fresh.device() && is_same(fresh.device()));
                before.map_or(fresh, |at| known.swap_remove(at))
            })
            .collect();
        self.lights
            .retain(|point, _| new.device(&point.device).is_some());
    }

    /// Takes whether a light input is dark. Only a change is an event; what is dark when it is first
    /// seen was lost before we came, and the schedule looks at it.
    pub fn observe(&mut self, point: &PointRef, dark: bool, now: Moment) -> Vec<Act> {
        let before = self.lights.insert(point.clone(), Light { dark, at: now });
        let kind = match (before.map(|light| light.dark), dark) {
            (Some(false), true) => EventKind::LightLost,
            (Some(true), false) => EventKind::LightBack,
            (None, _) | (Some(false), false) | (Some(true), true) => return Vec::new(),
        };
        let told = Told {
            device: point.device.clone(),
            line: None,
            kind,
            point: Some(point.point.clone()),
            detail: String::new(),
            permit: None,
        };
        let mut acts = Vec::new();
        for instrument in &mut self.instruments {
            if kind == EventKind::LightLost {
                instrument.light_lost(point, now);
            }
            acts.extend(instrument.go_on(&self.lights, now));
        }
        // The shot first: the event can wait for the disk.
        acts.push(Act::Tell(told));
        acts
    }

    /// Asks for a shot of `view` by hand.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub fn command(&mut self, view: &ViewId, now: Moment) -> Result<Vec<Act>, Refusal> {
        for instrument in &mut self.instruments {
            if let Some(why) = instrument.traffic_on(view, &self.lights, now) {
                return Err(Refusal::Traffic(view.clone(), why));
            }
            match instrument.want(view, Trigger::Command) {
                Some(true) => return Ok(instrument.go_on(&self.lights, now)),
                Some(false) => return Err(Refusal::NotStartable(view.clone())),
                None => {}
            }
        }
        Err(Refusal::NoSuchView(view.clone()))
    }

    /// Takes what came of an [`Act::Start`].
    pub fn started(&mut self, device: &DeviceId, outcome: &Outcome, now: Moment) -> Vec<Act> {
        self.with(device, now, |instrument| instrument.started(outcome, now))
    }

    /// Takes what came of an [`Act::Abort`]: whether the shot was stopped.
    pub fn aborted(&mut self, device: &DeviceId, done: bool, now: Moment) -> Vec<Act> {
        self.with(device, now, |instrument| {
            instrument.aborted(done);
            Vec::new()
        })
    }

    /// Takes a permit that holds from now on: stops the shots that it does not allow where it can, and
    /// gives the views that are being shot.
    pub fn permitted(&mut self, permit: &Permit) -> (Vec<Act>, Vec<ViewId>) {
        let mut all = (Vec::new(), Vec::new());
        for instrument in &mut self.instruments {
            let (acts, views) = instrument.permitted(permit);
            all.0.extend(acts);
            all.1.extend(views);
        }
        all
    }

    /// Takes what an OTDR says of its latest shot.
    pub fn shot_failed(&mut self, device: &DeviceId, failed: bool, now: Moment) -> Vec<Act> {
        self.with(device, now, |instrument| instrument.shot_state(failed, now))
    }

    /// Takes that the shot of `port`, which ran, brought no trace that could be had.
    pub fn unfetched(
        &mut self,
        device: &DeviceId,
        port: u16,
        reason: &str,
        now: Moment,
    ) -> Vec<Act> {
        self.with(device, now, |instrument| {
            instrument.unfetched(port, reason, now)
        })
    }

    /// Takes the arrival of a file from `port` of an OTDR, and says what it shows.
    pub fn file(
        &mut self,
        device: &DeviceId,
        port: Option<u16>,
        now: Moment,
    ) -> (Origin, Vec<Act>) {
        let unknown = Origin {
            view: None,
            line: None,
            trigger: Trigger::Unknown,
        };
        let found = self
            .instruments
            .iter_mut()
            .find(|instrument| instrument.device() == device);
        let (Some(instrument), Some(port)) = (found, port) else {
            return (unknown, Vec::new());
        };
        let origin = instrument.file(port, now).unwrap_or(unknown);
        (origin, instrument.go_on(&self.lights, now))
    }

    /// Goes on with whatever is due.
    pub fn tick(&mut self, now: Moment) -> Vec<Act> {
        let lights = &self.lights;
        let is_dark = |point: &PointRef| lights.get(point).is_some_and(|light| light.dark);
        let mut acts = Vec::new();
        for instrument in &mut self.instruments {
            acts.extend(instrument.tick(is_dark, now));
            acts.extend(instrument.go_on(&self.lights, now));
        }
        acts
    }

    /// When [`tick`](Self::tick) is to be called next.
    #[must_use]
    pub fn deadline(&self, now: Moment) -> Option<Moment> {
        self.instruments
            .iter()
            .filter_map(|instrument| instrument.deadline(now))
            .min()
    }

    fn with(
        &mut self,
        device: &DeviceId,
        now: Moment,
        step: impl FnOnce(&mut Instrument) -> Vec<Act>,
    ) -> Vec<Act> {
        let found = self
            .instruments
            .iter_mut()
            .find(|instrument| instrument.device() == device);
        let Some(instrument) = found else {
            return Vec::new();
        };
        let mut acts = step(instrument);
        acts.extend(instrument.go_on(&self.lights, now));
        acts
    }
}

/// How long after its average a shot may take before its file counts as lost.
pub(crate) const FILE_MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
