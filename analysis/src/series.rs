//! Detectors on telemetry: each watches one point or one device and says when it is not well.
//!
//! All are structs with the same verbs: `reading` or `seen` takes what came and `now`, `due` and
//! `expire` handle time, and what comes back is a [`Change`]. A failure never becomes its own
//! baseline, dark never enters an average, and nothing is ever backdated: [`Anomaly::raised`] is
//! when it was first said.

pub mod dark;
pub mod drift;
pub mod envelope;
mod lasting;
pub mod limit;
pub mod onset;
mod packed;
pub mod past;
pub mod receiver;
pub mod relation;
pub mod rules;
pub mod silent;
pub mod step;
pub mod stuck;

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{DeviceId, LineId, PointName, SiteId};
use silkline_protocol::time::Timestamp;

/// What a detector says after looking.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is not well since `from`.
    Began {
        /// The first bad reading.
        from: Timestamp,
        /// How bad.
        severity: Severity,
        /// In words, with the numbers.
        detail: String,
    },
    /// Still not well, but differently.
    Worse {
        /// How bad now.
        severity: Severity,
        /// In words, with the numbers.
        detail: String,
    },
    /// It is well again since `to`.
    Ended {
        /// The first good reading.
        to: Timestamp,
    },
}

/// How bad something is, in the words of X.733.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Service runs, a margin is gone.
    Minor,
    /// Service is at risk or impaired.
    Major,
    /// Service is lost.
    Critical,
}

/// Kinds of [`Anomaly`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// Light is gone.
    Dark,
    /// A limit is passed.
    Limit,
    /// A value left its own past.
    Step,
    /// A value changes slowly and leads to its limit.
    Drift,
    /// A value that used to move stands still.
    Stuck,
    /// Two values that belong together do not any more.
    Relation,
    /// A device does not answer.
    Silent,
    /// An agent is gone.
    Offline,
    /// A device says itself that it is not well.
    Alarm,
    /// A trace differs from its reference.
    Trace,
}

/// A detector's finding on one device or fibre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Its own name: the same from beginning to end.
    pub id: String,
    /// The line.
    pub line: LineId,
    /// The device, `site.device`; for an agent its site and name.
    pub device: String,
    /// The point, where it is about one.
    pub point: Option<PointName>,
    /// What kind.
    pub kind: AnomalyKind,
    /// The first bad reading.
    pub from: Timestamp,
    /// The first good one, or nothing while it lasts.
    pub to: Option<Timestamp>,
    /// When it was first said: never backdated.
    pub raised: Timestamp,
    /// How bad.
    pub severity: Severity,
    /// In words, with the numbers.
    pub detail: String,
}

/// A device's name in the API: `site.device`.
#[must_use]
pub fn device_name(site: &SiteId, device: &DeviceId) -> String {
    format!("{site}.{device}")
}

impl AnomalyKind {
    /// The kind as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Limit => "limit",
            Self::Step => "step",
            Self::Drift => "drift",
            Self::Stuck => "stuck",
            Self::Relation => "relation",
            Self::Silent => "silent",
            Self::Offline => "offline",
            Self::Alarm => "alarm",
            Self::Trace => "trace",
        }
    }
}

impl Severity {
    /// The severity as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}
