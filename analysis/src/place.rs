//! Evidence in, place out: the JSON of `locate` and of every incident.
//!
//! A [`Dossier`] says what is known, each [`Evidence`] one finding of one source. A [`Place`] is
//! the answer: where, how sure, and why. What no source supports is `None`: a number is never
//! invented. Lengths are rounded to the millimetre, so that text and back changes nothing.

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{LineId, NodeId, PathId, ViewId};
use silkline_protocol::plant::SpanId;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{GroupIndex, OpticalLength, RouteLength};

/// What is known about one fault on one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    /// The line.
    pub line: LineId,
    /// What the sources say.
    pub evidence: Vec<Evidence>,
}

/// What one source says about where a fault is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its name in the answer; given by its position where absent.
    #[serde(default)]
    pub id: String,
    /// When it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Who or what found it, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A finding, by kind of source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// An OTDR saw the glass end or change.
    Otdr(Sighting),
    /// A coherent OTDR saw it, through repeaters.
    Cotdr(Sighting),
    /// Light left `from` and did not reach `to`, in the direction of the signal.
    LightLost {
        /// The path.
        path: PathId,
        /// The last node that sent it normally.
        from: NodeId,
        /// The first node that did not see it.
        to: NodeId,
    },
    /// Power feeding shows current leaving into the sea.
    Feed(FeedFinding),
    /// A burst of phase or polarisation reached both ends.
    Transient {
        /// When it reached A.
        t_a: Timestamp,
        /// When it reached B.
        t_b: Timestamp,
        /// Half width of the 95 % interval of the difference, in nanoseconds.
        plus_minus_ns: f64,
    },
    /// Somebody was there.
    Report {
        /// Where, along the line.
        chainage_m: RouteLength,
        /// Half width of the 95 % interval.
        plus_minus_m: RouteLength,
        /// Who.
        who: String,
    },
}

/// Where in a view something was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The view.
    pub view: ViewId,
    /// Glass between the view's node and the event.
    pub optical_m: OpticalLength,
    /// One standard deviation of what differs from shot to shot.
    pub random_m: OpticalLength,
    /// One standard deviation of what all shots of the view share.
    #[serde(default)]
    pub systematic_m: OpticalLength,
    /// The group index by which `optical_m` was worked out; that of the marks where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_index: Option<GroupIndex>,
    /// The node from which `optical_m` counts, where it is not the view's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<NodeId>,
}

/// Readings of submarine power feeding during a fault; magnitudes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedFinding {
    /// Whether the conductor is whole.
    #[serde(default)]
    pub mode: FeedMode,
    /// Which ends' readings are given.
    pub end: FeedEnd,
    /// Volts at A.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volts_a: Option<f64>,
    /// Volts at B.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volts_b: Option<f64>,
    /// Amperes at A.
    #[serde(default, alias = "amps", skip_serializing_if = "Option::is_none")]
    pub amps_a: Option<f64>,
    /// Amperes at B; those at A where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amps_b: Option<f64>,
}

/// What became of the conductor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedMode {
    /// Whole, but touching the sea.
    #[default]
    Shunt,
    /// Parted.
    Cut,
}

/// The ends of power feeding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedEnd {
    /// The A end alone.
    A,
    /// The B end alone.
    B,
    /// Both.
    #[serde(rename = "both")]
    Both,
}

/// Where a fault is, how sure that is, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: LineId,
    /// What kind of place it is.
    #[serde(rename = "where")]
    pub kind: PlaceKind,
    /// The span, `node..node`.
    pub span: Option<String>,
    /// The node, where the fault is at one.
    pub node: Option<NodeId>,
    /// The mean of one single place.
    pub chainage_m: Option<RouteLength>,
    /// Holds the fault with a probability of one half.
    pub interval50_m: Option<[RouteLength; 2]>,
    /// Holds the fault with a probability of 95 %.
    pub interval95_m: Option<[RouteLength; 2]>,
    /// Two breaks, or sources that contradict: every place that remains possible.
    pub candidates: Vec<Candidate>,
    /// Damage along the cable, where two ends see different breaks.
    pub extent_m: Option<RouteLength>,
    /// Stretches that nobody can see.
    pub unseen_m: Vec<[RouteLength; 2]>,
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
    /// How deep the cable lies there.
    pub depth_m: Option<f64>,
    /// Whether the sources agree.
    pub consistent: bool,
    /// The probability of a disagreement at least as large, were they all right.
    pub chi2_p: Option<f64>,
    /// From A plus from B minus the whole glass: negative where glass is missing.
    pub closure_m: Option<OpticalLength>,
    /// What each source says, and what it weighs.
    pub sources: Vec<SourceWeight>,
    /// Watched fibres without light.
    pub fibres_dark: u32,
    /// Fibres whose light is watched.
    pub fibres_watched: u32,
    /// SHA-256 of the plant file.
    pub plant: String,
    /// What else should be known.
    pub notes: Vec<String>,
}

/// Kinds of [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its mean.
    pub chainage_m: RouteLength,
    /// Holds it with a probability of 95 %, if the fault is here.
    pub interval95_m: [RouteLength; 2],
    /// The probability that there is a fault here.
    pub weight: f64,
    /// The ids of the evidence that speaks for it.
    pub sources: Vec<String>,
}

/// A known place beside the fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// Its name.
    pub landmark: String,
    /// From it to the fault: positive towards B.
    pub offset_m: RouteLength,
}

/// What one source contributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceWeight {
    /// The evidence's id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its share in the answer, 0 to 1.
    pub weight: f64,
    /// Where the fault would be by this source alone.
    pub alone_m: Option<RouteLength>,
    /// Half width of its own 95 % interval.
    pub plus_minus_m: Option<RouteLength>,
}

impl Finding {
    /// The kind as it is written.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Otdr(_) => "otdr",
            Self::Cotdr(_) => "cotdr",
            Self::LightLost { .. } => "light_lost",
            Self::Feed(_) => "feed",
            Self::Transient { .. } => "transient",
            Self::Report { .. } => "report",
        }
    }

    /// What a trace saw, where a trace is the source.
    #[must_use]
    pub const fn sighting(&self) -> Option<&Sighting> {
        match self {
            Self::Otdr(sighting) | Self::Cotdr(sighting) => Some(sighting),
            _ => None,
        }
    }
}

impl Place {
    /// A place on `line` of which nothing is known yet.
    #[must_use]
    pub fn unknown(line: LineId, revision: &str) -> Self {
        Self {
            line,
            kind: PlaceKind::Unknown,
            span: None,
            node: None,
            chainage_m: None,
            interval50_m: None,
            interval95_m: None,
            candidates: Vec::new(),
            extent_m: None,
            unseen_m: Vec::new(),
            lat: None,
            lon: None,
            before: None,
            after: None,
            post: None,
            depth_m: None,
            consistent: true,
            chi2_p: None,
            closure_m: None,
            sources: Vec::new(),
            fibres_dark: 0,
            fibres_watched: 0,
            plant: revision.to_owned(),
            notes: Vec::new(),
        }
    }

    /// Sets the span.
    pub fn set_span(&mut self, span: &SpanId) {
        self.kind = PlaceKind::Span;
        self.span = Some(span.to_string());
    }
}

/// `length` rounded to the millimetre: short in JSON, and text and back changes no bit.
#[must_use]
pub fn to_mm(length: RouteLength) -> RouteLength {
    RouteLength::of(rounded(length.get(), 1e3))
}

/// `length` rounded to the millimetre.
#[must_use]
pub fn glass_to_mm(length: OpticalLength) -> OpticalLength {
    OpticalLength::of(rounded(length.get(), 1e3))
}

/// `value` rounded to one part in `parts`.
pub(crate) fn rounded(value: f64, parts: f64) -> f64 {
    let scaled = (value * parts).round() / parts;
    if scaled.is_finite() { scaled } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_reads_as_the_contract_writes_it() {
        let text = r#"{"line":"dsw","evidence":[
            {"id":"e1","at":"2026-01-02T03:04:05Z","source":"otdr-1","kind":"otdr","view":"v1",
             "optical_m":41000.5,"random_m":1.0,"systematic_m":2.0,"group_index":1.4682},
            {"kind":"light_lost","path":"p1","from":"n1","to":"n2"},
            {"kind":"feed","end":"both","volts_a":1952,"volts_b":4659,"amps":0.9},
            {"kind":"transient","t_a":"2026-01-02T03:04:05Z","t_b":"2026-01-02T03:04:05Z",
             "plus_minus_ns":200},
            {"kind":"report","chainage_m":5,"plus_minus_m":1,"who":"crew 4"}]}"#;
        let dossier: Dossier = serde_json::from_str(text).unwrap();
        let kinds: Vec<_> = dossier.evidence.iter().map(|e| e.finding.kind()).collect();
        assert_eq!(kinds, ["otdr", "light_lost", "feed", "transient", "report"]);
        let Finding::Feed(feed) = &dossier.evidence[2].finding else {
            panic!("not a feed")
        };
        assert_eq!(feed.mode, FeedMode::Shunt);
        assert_eq!(feed.amps_a, Some(0.9));
        let back = serde_json::to_string(&dossier).unwrap();
        assert_eq!(serde_json::from_str::<Dossier>(&back).unwrap(), dossier);
    }

    #[test]
    fn an_unknown_place_invents_no_number() {
        let place = Place::unknown("dsw".parse().unwrap(), "rev");
        let json = serde_json::to_value(&place).unwrap();
        for key in [
            "span",
            "node",
            "chainage_m",
            "interval95_m",
            "lat",
            "closure_m",
            "post",
        ] {
            assert!(
                json.get(key).is_some_and(serde_json::Value::is_null),
                "{key}"
            );
        }
        assert_eq!(json["where"], "unknown");
    }

    #[test]
    fn a_rounded_length_survives_text() {
        for k in 0..2000 {
            let length = to_mm(RouteLength::of(f64::from(k).mul_add(197.123_456_789, 0.1)));
            let text = serde_json::to_string(&length).unwrap();
            let back: RouteLength = serde_json::from_str(&text).unwrap();
            assert_eq!(back.get().to_bits(), length.get().to_bits());
        }
    }
}
