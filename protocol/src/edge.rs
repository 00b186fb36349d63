//! What the edge found out by itself: the place of a fault, from a trace of its own and its excerpt of
//! the plant file, where the collector may be out of reach.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{LineId, ViewId};
use crate::message::Trigger;
use crate::time::Timestamp;
use crate::unit::{OpticalLength, RouteLength};

/// The place of a fault as one shot of one view shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EdgePlace {
    /// The line.
    pub line: LineId,
    /// The view that was shot.
    pub view: ViewId,
    /// Why it was shot.
    pub trigger: Trigger,
    /// When the agent took the trace in.
    pub taken: Timestamp,
    /// How far along the glass from the view's node.
    pub optical_m: OpticalLength,
    /// Half of the 95 % interval of `optical_m`.
    pub plus_minus_m: OpticalLength,
    /// Where on the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chainage_m: Option<RouteLength>,
    /// Holds the fault with a probability of 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval95_m: Option<[RouteLength; 2]>,
    /// Latitude in degrees, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Longitude in degrees, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// Where it is, in words for a person who has to go there.
    pub words: String,
    /// The SHA-256 of the plant file by which it was worked out.
    pub plant: String,
}
