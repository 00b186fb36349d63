//! What the parts of the running collector hand to one another.
//!
//! ```text
//!   broker ─▶ ingest ──Delivery──▶ commit ──LiveEvent──▶ api        (broadcast)
//!                                    ▲  └────wake──────▶ notify, forward
//!          api ──OperatorAction──────┤
//!          api ──PermitAction────────┤
//!          notify, forward ──Report──┘
//! ```

use std::sync::Arc;

use silkline_protocol::id::{AgentId, DeviceId, IncidentId, LineId, PermitId, SiteId};
use silkline_protocol::permit::Permit;
use silkline_protocol::plant::Plant;
use silkline_protocol::sample::Sample;
use silkline_protocol::time::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::engine::Action;
use crate::metrics::Metrics;
use crate::permits::Grant;
use crate::store::Reader;
use crate::store::rows::RowId;

/// Events that a slow reader of the live stream may lag behind before it is told that it missed
/// some: about ten seconds of a large corridor.
pub const LIVE_QUEUE: usize = 4096;
/// Operators' actions that may wait for the commit task; a person waits for room.
pub const ACTION_QUEUE: usize = 64;

/// Reports of notifier and forwarder that may wait for the commit task; they wait for room.
pub const REPORT_QUEUE: usize = 64;

/// What the notifier needs: `notify::run(state)` sends what waits in the outbox until `stop`.
#[derive(Clone, Debug)]
pub struct NotifyState {
    /// The hot store: [`due_notices`](crate::store::Queries::due_notices).
    pub store: Reader,
    /// All settings: the channels.
    pub settings: Arc<Settings>,
    /// What lies in the ground and the sea: for pictures and maps.
    pub plant: Arc<Plant>,
    /// Where it says what was sent.
    pub reports: mpsc::Sender<Report>,
    /// Woken when something new may be in the outbox.
    pub wake: Arc<Notify>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the program stops.
    pub stop: CancellationToken,
}

/// What is committed, as it happens, for whoever looks on.
#[derive(Clone, Debug)]
pub enum LiveEvent {
    /// A device was read.
    Sample {
        /// The line it came for.
        line: LineId,
        /// Where.
        site: SiteId,
        /// The device.
        device: DeviceId,
        /// Whether it comes from a backlog.
        late: bool,
        /// The readings.
        sample: Arc<Sample>,
    },
    /// An incident changed: the whole of it, as the API gives it.
    Incident(Arc<serde_json::Value>),
    /// An anomaly began, changed or ended.
    Anomaly(Arc<serde_json::Value>),
    /// A trace came: ask the store for it.
    Trace {
        /// Its number.
        id: RowId,
        /// The line it came for.
        line: LineId,
        /// Where.
        site: SiteId,
        /// The instrument.
        device: DeviceId,
    },
    /// An agent came or went.
    Agent {
        /// Where.
        site: SiteId,
        /// Which.
        agent: AgentId,
        /// Whether it is there.
        online: bool,
        /// When it was heard.
        at: Timestamp,
    },
}

/// Somebody does something to an incident.
#[derive(Debug)]
pub struct OperatorAction {
    /// The incident.
    pub incident: IncidentId,
    /// Who, for the incident's history.
    pub who: String,
    /// What.
    pub action: Action,
    /// Answered once it is committed.
    pub done: oneshot::Sender<ActionResult>,
}

/// What became of an operator's action.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionResult {
    /// It is committed; the incident as it stands now.
    Done(serde_json::Value),
    /// There is no such incident.
    NoIncident,
    /// It makes no sense in the incident's state; nothing was changed.
    Refused,
}

/// Somebody grants a permit to work or takes one back.
#[derive(Debug)]
pub struct PermitAction {
    /// Who.
    pub who: String,
    /// What.
    pub ask: PermitAsk,
    /// Answered once it is committed.
    pub done: oneshot::Sender<PermitResult>,
}

/// What is to become of a permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermitAsk {
    /// It is granted, in place of the one with its number.
    Grant {
        /// The permit.
        permit: Permit,
        /// What for.
        reason: String,
    },
    /// It is taken back.
    Revoke {
        /// Which.
        id: PermitId,
    },
}

/// What became of a [`PermitAction`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermitResult {
    /// It is committed; the permit as it stands now.
    Done(Box<Grant>),
    /// There is no such permit.
    NoPermit,
    /// There is no such line.
    NoLine,
    /// Its number is that of another permit.
    Taken,
}

/// What the readers of the store have done, to be written by the commit task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A notice was delivered.
    NoticeSent {
        /// Its number in the outbox.
        id: i64,
    },
    /// A notice could not be delivered.
    NoticeFailed {
        /// Its number in the outbox.
        id: i64,
        /// Why.
        error: String,
        /// When to try again; given up where absent.
        again: Option<Timestamp>,
    },
    /// A database refused a line.
    Refused {
        /// The line.
        line: String,
        /// What the database said.
        why: String,
    },
    /// A forwarder has passed everything up to a number.
    Passed {
        /// The name of its cursor.
        cursor: &'static str,
        /// The number.
        id: RowId,
    },
}
