//! What the hot store gives to its readers, one struct for each kind of row.

use silkline_protocol::device::About;
use silkline_protocol::id::{AgentId, DeviceId, IncidentId, LineId, PointName, SiteId, ViewId};
use silkline_protocol::message::{Status, Trigger};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

/// A number of the store's one sequence; see `schema.sql`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

/// A device as one line sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRow {
    /// The line.
    pub line: LineId,
    /// Where it stands.
    pub site: SiteId,
    /// Its id at the site.
    pub device: DeviceId,
    /// What it says it is; absent until it has said so.
    pub about: Option<About>,
    /// Its newest sample by its own time, where there is one.
    pub newest: Option<Sample>,
}

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesPoint {
    /// When.
    pub at: Timestamp,
    /// What was read.
    pub reading: Reading,
}

/// A stretch of a series in one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesBin {
    /// Where the stretch begins.
    pub at: Timestamp,
    /// The lowest value, where there was any.
    pub min: Option<f64>,
    /// The highest.
    pub max: Option<f64>,
    /// The mean of the values.
    pub mean: Option<f64>,
    /// How many values.
    pub values: u32,
    /// How many times there was no light.
    pub dark: u32,
    /// How many times there was no reading.
    pub bad: u32,
}

/// Which values of which point.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesQuery {
    /// Where the device stands.
    pub site: SiteId,
    /// The device.
    pub device: DeviceId,
    /// The point.
    pub point: PointName,
    /// From this time, inclusive.
    pub from: Timestamp,
    /// To this time, exclusive.
    pub to: Timestamp,
}

/// One stored sample, as forwarders and exports want it.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// Its number.
    pub id: RowId,
    /// The line it came for.
    pub line: LineId,
    /// Where it was taken.
    pub site: SiteId,
    /// The device.
    pub device: DeviceId,
    /// Whether it came from a backlog.
    pub late: bool,
    /// The readings.
    pub sample: Sample,
}

/// A trace without its file.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// Its number.
    pub id: RowId,
    /// The line it came for.
    pub line: LineId,
    /// Where it was taken.
    pub site: SiteId,
    /// The instrument.
    pub device: DeviceId,
    /// When the agent took it in.
    pub at: Timestamp,
    /// When it was stored here.
    pub received: Timestamp,
    /// Whether it came from a backlog.
    pub late: bool,
    /// What it shows, where known.
    pub view: Option<ViewId>,
    /// The port, where known.
    pub port: Option<u16>,
    /// Why it was taken.
    pub trigger: Trigger,
    /// Size of the file.
    pub bytes: u64,
    /// What the analysis found, as `trace --json` prints it.
    pub analysis: Option<serde_json::Value>,
}

/// An incident as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    /// Its id.
    pub id: IncidentId,
    /// Rises with every change of any incident.
    pub revision: RowId,
    /// Whose engine keeps it.
    pub line: LineId,
    /// The whole of it, as the API gives it.
    pub json: serde_json::Value,
}

/// An anomaly as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AnomalyRow {
    /// Rises with every change of any anomaly.
    pub revision: RowId,
    /// The whole of it, as the API gives it.
    pub json: serde_json::Value,
}

/// An event, gap, about, status or action as it was taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordRow {
    /// Its number.
    pub id: RowId,
    /// `about`, `event`, `gap`, `status` or `action`.
    pub kind: String,
    /// The line, where it belongs to one.
    pub line: Option<LineId>,
    /// The site, where it belongs to one.
    pub site: Option<SiteId>,
    /// The device, where it is about one.
    pub device: Option<DeviceId>,
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub body: serde_json::Value,
}

/// An agent's latest word.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRow {
    /// Its site.
    pub site: SiteId,
    /// Its id.
    pub agent: AgentId,
    /// When the status came here.
    pub at: Timestamp,
    /// What it said.
    pub status: Status,
}

/// A notice that is to be sent on a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// Its number in the outbox.
    pub id: i64,
    /// The channel's name in the settings.
    pub channel: String,
    /// The incident it tells of.
    pub incident: IncidentId,
    /// `opened`, `located`, `worse`, `cleared`, …
    pub reason: String,
    /// In words.
    pub text: String,
    /// The incident as it stood.
    pub json: serde_json::Value,
    /// When it was written.
    pub created: Timestamp,
    /// Vain tries so far.
    pub tries: u32,
    /// When it is next due.
    pub next_try: Timestamp,
}

/// A message that could not be understood.
#[derive(Clone, Debug, PartialEq)]
pub struct QuarantineRow {
    /// Its number in the quarantine.
    pub id: i64,
    /// When it came.
    pub at: Timestamp,
    /// On which topic.
    pub topic: String,
    /// A short word, as counted.
    pub kind: String,
    /// What is wrong with it.
    pub reason: String,
    /// Its user properties.
    pub properties: Vec<(String, String)>,
    /// The size of its payload as it came.
    pub bytes: u64,
    /// The beginning of its payload.
    pub payload: Vec<u8>,
}
