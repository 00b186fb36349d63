//! Every message that crosses the broker, apart from the sample and the delivery state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::delivery::Epoch;
use crate::device::About;
use crate::edge::EdgePlace;
use crate::id::{AgentId, DeviceId, LineId, PermitId, PointName, ViewId};
use crate::permit::Permit;
use crate::sample::Sample;
use crate::time::Timestamp;

/// Why an OTDR took a shot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Light was lost at an amplifier or receiver beside the OTDR.
    LightLost,
    /// Its turn in the round came.
    Schedule,
    /// Somebody asked for it.
    Command,
    /// Nobody here asked: the file simply appeared.
    #[serde(other)]
    Unknown,
}

impl Trigger {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LightLost => "light_lost",
            Self::Schedule => "schedule",
            Self::Command => "command",
            Self::Unknown => "unknown",
        }
    }

    /// The trigger that `word` names; [`Trigger::Unknown`] for any other word.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "light_lost" => Self::LightLost,
            "schedule" => Self::Schedule,
            "command" => Self::Command,
            _ => Self::Unknown,
        }
    }
}

/// One OTDR acquisition on its way: the SOR file byte for byte, and what travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile {
    /// When the agent took it in, by the agent's clock.
    pub at: Timestamp,
    /// Which view it shows, where the agent could tell.
    pub view: Option<ViewId>,
    /// The port of the OTDR or of its switch.
    pub port: Option<u16>,
    /// Why it was taken.
    pub trigger: Trigger,
    /// The file.
    pub sor: Vec<u8>,
}

/// Something that happened at a device or that the edge found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When, by the agent's clock.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The point it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<PointName>,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The permit that was set, has ended or blocked a shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<Permit>,
    /// Where the edge found a fault by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<EdgePlace>>,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A light input went from lit to dark.
    LightLost,
    /// A light input went from dark to lit.
    LightBack,
    /// A shot was asked of an OTDR.
    ShotStarted,
    /// A shot could not be had.
    ShotFailed,
    /// A file in the watched folder could not be taken in.
    FileRefused,
    /// A notification of the device itself.
    Trap,
    /// A permit to work holds, or has been changed.
    PermitSet,
    /// A permit to work has run out or was taken back.
    PermitEnded,
    /// A permit to work kept a shot from being taken.
    ShotBlocked,
    /// The edge turned a trace of its own into a place.
    Located,
    /// A kind that a newer sender knows and this reader does not.
    #[serde(other)]
    Unknown,
}

/// Numbers of a stream that will never come, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The stream's epoch, which may be an older one than the gap record's own.
    pub epoch: Epoch,
    /// The numbers, as closed ranges.
    pub lost: Vec<[u64; 2]>,
    /// What was lost: `sample`, `trace`, `event`, `about` or `mixed`.
    pub kind: String,
    /// Why, in words.
    pub why: String,
}

/// Whether an agent is there, and how it is: retained, with `online: false` as its last will.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Whether the agent is connected.
    pub online: bool,
    /// When it said so; a last will carries the time of the connection.
    pub at: Timestamp,
    /// The program's version.
    pub version: String,
    /// The epochs whose records its spool still holds.
    pub epochs: Vec<Epoch>,
    /// Records in the spool that are not committed yet.
    pub spool_depth: u64,
    /// Why its disk takes nothing, where it does not: records are then only in its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool_fault: Option<String>,
    /// What the operating system says of the clock.
    pub clock: ClockState,
    /// How far the clock is ahead of the right time, in seconds, where its time service tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<f64>,
    /// Whether it is connected by a link that costs: then samples come thinly, and what does not come
    /// is no sign that a device is silent.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub metered: bool,
}

/// That a collector lives: retained, with `online: false` as its last will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Beat {
    /// Whether the collector is connected and does its work.
    pub online: bool,
    /// When it said so; a last will carries the time of the start.
    pub at: Timestamp,
    /// The program's version.
    pub version: String,
    /// The lines that it keeps.
    pub lines: Vec<LineId>,
}

/// Whether an agent's clock can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// Disciplined by a time server.
    Synchronised,
    /// Running free.
    Free,
    /// The system does not tell.
    #[serde(other)]
    Unknown,
}

/// What a collector or a person asks of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Take a shot of a view.
    Shot {
        /// The view.
        view: ViewId,
    },
    /// Poll a device at once.
    Reread {
        /// The device.
        device: DeviceId,
    },
    /// Say who is there.
    Identify,
    /// Keep a permit to work, in place of the one with its number.
    SetPermit {
        /// The permit.
        permit: Permit,
    },
    /// Take a permit to work back, before its end.
    RevokePermit {
        /// Its number.
        permit: PermitId,
    },
}

/// An agent's answer to a command: there is always one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Who answers.
    pub agent: AgentId,
    /// When.
    pub at: Timestamp,
    /// Whether it was taken on.
    pub accepted: bool,
    /// In words: what is being done, or why not.
    pub detail: String,
    /// The permit to work that keeps it from being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<Permit>,
}

/// What a spooled record carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One poll of a device.
    Sample(DeviceId, Sample),
    /// One OTDR acquisition.
    Trace(DeviceId, TraceFile),
    /// A trap or an edge finding.
    Event(DeviceId, Event),
    /// What a device is.
    About(DeviceId, About),
    /// Numbers that will never come.
    Gap(Gap),
}

impl Body {
    /// The device that the record is about; a gap is about none.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Sample(device, _)
            | Self::Trace(device, _)
            | Self::Event(device, _)
            | Self::About(device, _) => Some(device),
            Self::Gap(_) => None,
        }
    }
}
