//! An incident: one cause, its anomalies, its place, and its life.
//!
//! ```text
//!   suspect ──confirm──► open ──acknowledge──► acknowledged ──begin repair──► repairing
//!      │                  │ ▲                      │                            │
//!      │ clear            │ └────── recur ─────────┼──────────── clear ─────────┤
//!      ▼                  ▼                        ▼                            ▼
//!    closed            cleared ◄───────────────────┴────────────────────────────┘
//!                         │ close                 (recur: cleared or closed ──► open)
//!                         ▼
//!                       closed
//! ```
//!
//! A suspicion that turns out to be nothing goes straight to closed. Every transition that changes
//! nothing is refused by returning `None`; [`State::after`] is one table without a wildcard.

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::permit::Permit;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use crate::place::{Evidence, Place};
use crate::series::{Anomaly, Severity};

/// Entries of history that are kept; the oldest after the first go.
const HISTORY_KEPT: usize = 200;

/// Anomalies that are kept with an incident: enough for a whole corridor going dark.
const ANOMALIES_KEPT: usize = 500;

/// One cause, from its first sign to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id: stable for life.
    pub id: IncidentId,
    /// The lines it is on.
    pub lines: Vec<LineId>,
    /// Incidents elsewhere that have the same cause.
    pub related: Vec<IncidentId>,
    /// The cause in words.
    pub cause: String,
    /// Where in its life it stands.
    pub state: State,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of cause.
    pub kind: Kind,
    /// When it was opened.
    pub opened: Timestamp,
    /// When anything about it last changed.
    pub updated: Timestamp,
    /// When it was last over.
    pub cleared: Option<Timestamp>,
    /// One line to drive on.
    pub headline: String,
    /// Where.
    pub place: Place,
    /// Why there.
    pub evidence: Vec<Evidence>,
    /// What was found.
    pub anomalies: Vec<Anomaly>,
    /// Fibres and paths that suffer.
    pub affected: Vec<String>,
    /// Permits to work that hold on its fibres: people are at the cable.
    #[serde(default)]
    pub permits: Vec<Permit>,
    /// Where the crew found it, once they have said so.
    #[serde(default)]
    pub found: Option<Found>,
    /// Who did what, oldest first.
    pub history: Vec<Entry>,
}

/// Where a crew found the fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Where along the line.
    pub chainage_m: RouteLength,
    /// Half width of the 95 % interval of that.
    pub plus_minus_m: RouteLength,
    /// How they told it.
    pub how: How,
    /// What they said, in their words: `214+320`, `40.79, 46.11`.
    #[serde(default)]
    pub said: String,
    /// Who.
    pub who: String,
    /// When it was said.
    pub at: Timestamp,
}

/// How a crew tells a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By coordinates.
    Gps,
    /// By a kilometre post.
    Post,
    /// By a landmark.
    Landmark,
    /// By chainage.
    Chainage,
}

/// One line of an incident's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: a person, or `silkline`.
    pub who: String,
    /// What, in words.
    pub what: String,
}

/// Where in its life an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// First signs, not told to anybody yet.
    Suspect,
    /// Real, and nobody has taken it.
    Open,
    /// Somebody has taken it.
    Acknowledged,
    /// A crew is at work.
    Repairing,
    /// Over, but not looked at yet.
    Cleared,
    /// Over and done with.
    Closed,
}

/// What happens to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The signs are certain.
    Confirm,
    /// Somebody takes it.
    Acknowledge,
    /// A crew begins.
    Repair,
    /// All is well again.
    Clear,
    /// It is back.
    Recur,
    /// Somebody, or time, is done with it.
    Close,
}

/// Kinds of cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A cable or fibre is parted.
    Break,
    /// Something is getting worse.
    Degradation,
    /// Hardware failed.
    Equipment,
    /// Submarine power feeding changed.
    PowerFeed,
    /// Mains, battery, heat, water, doors.
    Environment,
    /// Our own agent is gone.
    Agent,
}

impl State {
    /// The state after `step`, or nothing where the step makes no sense.
    #[must_use]
    pub const fn after(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Suspect | Self::Cleared | Self::Closed, Step::Confirm | Step::Recur) => {
                Some(Self::Open)
            }
            (Self::Open, Step::Acknowledge) => Some(Self::Acknowledged),
            (Self::Open | Self::Acknowledged, Step::Repair) => Some(Self::Repairing),
            (Self::Open | Self::Acknowledged | Self::Repairing, Step::Clear) => Some(Self::Cleared),
            (Self::Suspect, Step::Clear | Step::Close)
            | (Self::Open | Self::Acknowledged | Self::Repairing | Self::Cleared, Step::Close) => {
                Some(Self::Closed)
            }
            (Self::Suspect | Self::Cleared | Self::Closed, Step::Acknowledge | Step::Repair)
            | (Self::Open | Self::Acknowledged | Self::Repairing, Step::Confirm | Step::Recur)
            | (Self::Acknowledged | Self::Repairing, Step::Acknowledge)
            | (Self::Repairing, Step::Repair)
            | (Self::Cleared | Self::Closed, Step::Clear)
            | (Self::Closed, Step::Close) => None,
        }
    }

    /// Whether the cause is there.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Suspect | Self::Open | Self::Acknowledged | Self::Repairing
        )
    }

    /// The state as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Repairing => "repairing",
            Self::Cleared => "cleared",
            Self::Closed => "closed",
        }
    }
}

impl Kind {
    /// The kind as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Break => "break",
            Self::Degradation => "degradation",
            Self::Equipment => "equipment",
            Self::PowerFeed => "power_feed",
            Self::Environment => "environment",
            Self::Agent => "agent",
        }
    }
}

impl Incident {
    /// Takes `step` at `now` by `who`; whether anything changed.
    pub fn take(&mut self, step: Step, who: &str, now: Timestamp) -> bool {
        let Some(next) = self.state.after(step) else {
            return false;
        };
        self.state = next;
        match step {
            Step::Clear => self.cleared = Some(now),
            Step::Recur | Step::Confirm => self.cleared = None,
            Step::Acknowledge | Step::Repair | Step::Close => {}
        }
        self.note(who, next.word(), now);
        true
    }

    /// Writes a line of history.
    pub fn note(&mut self, who: &str, what: &str, now: Timestamp) {
        if self.history.len() >= HISTORY_KEPT {
            self.history.remove(1);
        }
        self.history.push(Entry {
            at: now,
            who: who.to_owned(),
            what: what.to_owned(),
        });
        self.updated = now;
    }

    /// Takes an anomaly in, or its new state; whether anything changed.
    pub fn join(&mut self, anomaly: &Anomaly) -> bool {
        if let Some(known) = self
            .anomalies
            .iter_mut()
            .find(|known| known.id == anomaly.id)
        {
            let changed = known != anomaly;
            known.clone_from(anomaly);
            return changed;
        }
        if self.anomalies.len() >= ANOMALIES_KEPT {
            return false;
        }
        self.anomalies.push(anomaly.clone());
        true
    }

    /// Whether every anomaly of it is over.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.anomalies.iter().all(|anomaly| anomaly.to.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] = [
        State::Suspect,
        State::Open,
        State::Acknowledged,
        State::Repairing,
        State::Cleared,
        State::Closed,
    ];
    const STEPS: [Step; 6] = [
        Step::Confirm,
        Step::Acknowledge,
        Step::Repair,
        Step::Clear,
        Step::Recur,
        Step::Close,
    ];

    #[test]
    fn every_state_meets_every_step_as_drawn() {
        use State::{Acknowledged, Cleared, Closed, Open, Repairing};
        // Columns in the order of STEPS.
        let table = [
            [
                Some(Open),
                None,
                None,
                Some(Closed),
                Some(Open),
                Some(Closed),
            ],
            [
                None,
                Some(Acknowledged),
                Some(Repairing),
                Some(Cleared),
                None,
                Some(Closed),
            ],
            [
                None,
                None,
                Some(Repairing),
                Some(Cleared),
                None,
                Some(Closed),
            ],
            [None, None, None, Some(Cleared), None, Some(Closed)],
            [Some(Open), None, None, None, Some(Open), Some(Closed)],
            [Some(Open), None, None, None, Some(Open), None],
        ];
        for (state, row) in STATES.into_iter().zip(table) {
            for (step, want) in STEPS.into_iter().zip(row) {
                assert_eq!(state.after(step), want, "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn severities_are_ordered() {
        assert!(Severity::Critical > Severity::Major && Severity::Minor > Severity::Warning);
    }
}
