//! The JSON of an incident, as the API gives it.
//!
//! Types of their own: the engine's may change without these. What is stored in an older shape is
//! still read; fields are added, never given a new meaning.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::permit::Permit;
use silkline_protocol::time::Timestamp;

/// One cause, from its first sign to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its id: stable for life.
    pub id: IncidentId,
    /// The lines it is on.
    pub lines: Vec<LineId>,
    /// Incidents elsewhere that have the same cause.
    #[serde(default)]
    pub related: Vec<IncidentId>,
    /// The cause in words.
    pub cause: String,
    /// Where in its life it stands.
    pub state: Life,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of cause: `break`, `degradation`, `equipment`, `power_feed`, `environment`, `agent`.
    pub kind: String,
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
    /// Why there: what `locate` takes.
    #[serde(default)]
    pub evidence: Vec<BTreeMap<String, Value>>,
    /// What was found.
    #[serde(default)]
    pub anomalies: Vec<Anomaly>,
    /// Fibres and paths that suffer.
    #[serde(default)]
    pub affected: Vec<String>,
    /// Permits to work that hold on its fibres: people are at the cable.
    #[serde(default)]
    pub permits: Vec<Permit>,
    /// Where the crew found it, once they have said so.
    #[serde(default)]
    pub found: Option<Found>,
    /// Who did what, oldest first.
    #[serde(default)]
    pub history: Vec<Entry>,
}

/// Where a crew found the fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Where along the line, in metres from A.
    pub chainage_m: f64,
    /// Half width of the 95 % interval of that.
    pub plus_minus_m: f64,
    /// How they told it: `gps`, `post`, `landmark`, `chainage`.
    pub how: String,
    /// What they said.
    #[serde(default)]
    pub said: String,
    /// Who.
    pub who: String,
    /// When it was said.
    pub at: Timestamp,
}

/// Where in its life an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Life {
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

impl Life {
    /// Whether it is real, not over, and so wants somebody.
    #[must_use]
    pub const fn needs_somebody(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Repairing)
    }

    /// Whether the store lists it among those that are not closed.
    #[must_use]
    pub const fn is_active(self) -> bool {
        !matches!(self, Self::Closed)
    }
}

/// How bad something is, in the words of X.733.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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

/// One line of an incident's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: a person, or `silkline`.
    pub who: String,
    /// What, in words.
    pub what: String,
}

/// A detector's finding on one device or fibre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anomaly {
    /// Its own name: the same from beginning to end.
    pub id: String,
    /// The line.
    pub line: LineId,
    /// The device, `site.device`; for an agent its site and name.
    pub device: String,
    /// The point, where it is about one.
    pub point: Option<String>,
    /// What kind: `dark`, `limit`, `level`, `silent`, `offline`, …
    pub kind: String,
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

impl Anomaly {
    /// Whether light that it is about is still lost.
    pub(super) fn is_dark_still(&self) -> bool {
        self.kind == "dark" && self.to.is_none()
    }
}

/// Where a fault is, how sure that is, and why. What no source supports is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The line.
    pub line: LineId,
    /// What kind of place it is.
    #[serde(rename = "where")]
    pub kind: Where,
    /// The span, `node..node`.
    pub span: Option<String>,
    /// The node, where the fault is at one.
    pub node: Option<String>,
    /// Where along the line, in metres from A.
    pub chainage_m: Option<f64>,
    /// Holds the fault with a probability of one half.
    pub interval50_m: Option<[f64; 2]>,
    /// Holds the fault with a probability of 95 %.
    pub interval95_m: Option<[f64; 2]>,
    /// Two breaks, or sources that contradict: every place that remains possible.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
    /// Damage along the cable.
    pub extent_m: Option<f64>,
    /// Stretches that nobody can see.
    #[serde(default)]
    pub unseen_m: Vec<[f64; 2]>,
    /// Latitude in degrees, WGS 84.
    pub lat: Option<f64>,
    /// Longitude in degrees, WGS 84.
    pub lon: Option<f64>,
    /// The known place just before it, seen from A.
    pub before: Option<Beside>,
    /// The known place just after it, seen from A.
    pub after: Option<Beside>,
    /// The kilometre post before it and the metres from there, `214+300`.
    pub post: Option<String>,
    /// How deep the cable lies there, in metres.
    pub depth_m: Option<f64>,
    /// Whether the sources agree.
    pub consistent: bool,
    /// The probability of a disagreement at least as large, were they all right.
    pub chi2_p: Option<f64>,
    /// From A plus from B minus the whole glass: negative where glass is missing.
    pub closure_m: Option<f64>,
    /// What each source says, and what it weighs.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Watched fibres without light.
    pub fibres_dark: u32,
    /// Fibres whose light is watched.
    pub fibres_watched: u32,
    /// SHA-256 of the plant file.
    pub plant: String,
    /// What else should be known.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Kinds of [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Where {
    /// On the cable between two nodes.
    Span,
    /// At a node.
    Node,
    /// At a site.
    Site,
    /// Nobody can tell.
    Unknown,
}

/// One possible place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its mean.
    pub chainage_m: f64,
    /// Holds it with a probability of 95 %, if the fault is here.
    pub interval95_m: [f64; 2],
    /// The probability that there is a fault here.
    pub weight: f64,
    /// The ids of the evidence that speaks for it.
    pub sources: Vec<String>,
}

/// A known place beside the fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// Its name.
    pub landmark: String,
    /// From it to the fault: positive towards B.
    pub offset_m: f64,
}

/// What one source contributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The evidence's id.
    pub id: String,
    /// Its kind: `otdr`, `light_lost`, …
    pub kind: String,
    /// Its share in the answer, 0 to 1.
    pub weight: f64,
    /// Where the fault would be by this source alone.
    pub alone_m: Option<f64>,
    /// Half width of its own 95 % interval.
    pub plus_minus_m: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    #[test]
    fn what_the_engine_stores_is_what_the_api_shows() {
        let stored = example::incident_json("i-1", "open");
        let shown: Incident = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&shown).unwrap(), stored);
    }

    #[test]
    fn a_severity_is_ordered() {
        assert!(Severity::Critical > Severity::Major && Severity::Minor > Severity::Warning);
    }
}
