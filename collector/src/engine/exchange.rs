//! What a line engine takes and what it gives.

use serde::{Deserialize, Serialize};
use silkline_analysis::incident::{Found, Incident};
use silkline_analysis::series::Anomaly;
use silkline_protocol::device::About;
use silkline_protocol::id::{AgentId, DeviceId, IncidentId, SiteId, ViewId};
use silkline_protocol::message::{Event, TraceFile};
use silkline_protocol::sample::Sample;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::permits::PermitChange;
use super::together::Elsewhere;

/// What happened on the line, in the order in which the collector commits it.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The collector has just started: what was silent while it was away is not silent.
    Started,
    /// A poll of a device.
    Sample {
        /// Where.
        site: SiteId,
        /// Which device.
        device: DeviceId,
        /// Whether it comes from a backlog.
        late: bool,
        /// The readings.
        sample: Sample,
    },
    /// What a device is.
    About {
        /// Where.
        site: SiteId,
        /// Which device.
        device: DeviceId,
        /// Its points, units and roles.
        about: About,
    },
    /// A trap or an edge finding.
    Event {
        /// Where.
        site: SiteId,
        /// Which device.
        device: DeviceId,
        /// Whether it comes from a backlog.
        late: bool,
        /// What.
        event: Event,
    },
    /// An OTDR acquisition.
    Trace {
        /// The store's number for it, given back in [`Output::TraceResult`].
        id: i64,
        /// Where.
        site: SiteId,
        /// The OTDR.
        device: DeviceId,
        /// Whether it comes from a backlog.
        late: bool,
        /// The file.
        file: TraceFile,
    },
    /// An agent came or went.
    AgentStatus {
        /// Where.
        site: SiteId,
        /// Which agent.
        agent: AgentId,
        /// Whether it is there.
        online: bool,
        /// Whether it is connected by a link that costs: then what does not come tells nothing.
        metered: bool,
        /// Why its disk takes nothing, where it does not.
        spool_fault: Option<String>,
    },
    /// Somebody did something to an incident.
    Operator {
        /// The incident.
        incident: IncidentId,
        /// Who.
        who: String,
        /// What.
        action: Action,
    },
    /// A permit to work was granted or taken back.
    Permit(PermitChange),
    /// Another collector says something of a line that lies beside ours; for no engine.
    Elsewhere(Elsewhere),
    /// Time passed.
    Tick,
}

/// What somebody may do to an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Take it.
    Acknowledge,
    /// Give it to somebody.
    Assign {
        /// To whom.
        to: String,
    },
    /// Write something down.
    Note {
        /// What.
        text: String,
    },
    /// A crew begins.
    Repairing,
    /// Nobody is to be woken by it for a while; it is still recorded.
    Shelve {
        /// Until when.
        until: Timestamp,
    },
    /// Done with it, and where it really was.
    Close {
        /// The place that the crew found, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found_m: Option<RouteLength>,
        /// The same with how it was told and how sure it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Found>,
    },
}

/// What a step leads to, to be stored, sent and shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An anomaly, new or changed: its `id` stays.
    Anomaly(Anomaly),
    /// An incident's whole new state: its `id` stays.
    Incident(Box<Incident>),
    /// Something that people are to be told.
    Notice(Notice),
    /// A shot is wanted: light faded on a span, or a repair is to be shown.
    Shoot {
        /// Where the instrument is.
        site: SiteId,
        /// What it is to look at.
        view: ViewId,
    },
    /// What a trace shows, to be kept beside it.
    TraceResult {
        /// The number that came with the trace.
        id: i64,
        /// The object of `trace --json`, without `file`.
        json: serde_json::Value,
    },
}

/// Something that people are to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// About which incident.
    pub incident: IncidentId,
    /// Why now.
    pub reason: Reason,
    /// The headline at this moment.
    pub text: String,
}

/// Why people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is new.
    Opened,
    /// It has a place now, or a better one.
    Located,
    /// It got worse.
    Worse,
    /// It is over.
    Cleared,
    /// It is back.
    Reopened,
}

impl Reason {
    /// The reason as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Located => "located",
            Self::Worse => "worse",
            Self::Cleared => "cleared",
            Self::Reopened => "reopened",
        }
    }
}
