//! The plant: what lies in the ground and the sea, as the operator's plant file says it.
//!
//! Types without any conversion: lengths stay in the kind in which they were surveyed. Reading the
//! file is [`read`](crate::plant::read()); turning glass into ground is the analysis's.
//! Chainage is authoritative; the route's geometry is stretched to it. Coordinates are latitude
//! first. Every reference between entries has been checked when a [`Plant`] exists.

mod read;

pub use read::{Checked, read};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, FibreId, LineId, NodeId, PathId, ProfileId, SiteId, ViewId};
use crate::time::Timestamp;
use crate::unit::{Db, GroupIndex, Nanometres, OpticalLength, RouteLength};

/// A whole plant: everything that the file holds, references checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plant {
    /// Places with agents.
    pub sites: Vec<Site>,
    /// Cables between two terminal sites.
    pub lines: Vec<Line>,
    /// Ways that signals take.
    pub paths: Vec<Path>,
    /// Polled hardware.
    pub devices: Vec<Device>,
    /// Stretches where several lines share a trench, a bridge or a landing.
    pub shared: Vec<Shared>,
    /// What customers have bought.
    pub services: Vec<Service>,
    /// SHA-256 of the file's bytes, in hexadecimal: which revision an answer rests on.
    pub revision: String,
}

/// A point on the earth, in degrees, WGS 84.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Latitude, positive to the north.
    pub lat: f64,
    /// Longitude, positive to the east.
    pub lon: f64,
}

/// A place with an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its name for people; the id where none is given.
    pub name: String,
    /// Country code, where given.
    pub country: Option<String>,
    /// Who runs it, where given.
    pub operator: Option<String>,
    /// Where it is, where given.
    pub at: Option<Coordinates>,
    /// What kind of place.
    pub kind: SiteKind,
}

/// Kinds of [`Site`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteKind {
    /// Where a submarine cable lands.
    LandingStation,
    /// An amplifier hut.
    Hut,
    /// A point of presence.
    Pop,
    /// An exchange.
    Exchange,
}

/// One cable between two terminal sites.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// Its name for people.
    pub name: String,
    /// Under the sea or over land.
    pub kind: LineKind,
    /// The site of the A end, chainage zero.
    pub a: End,
    /// The site of the B end.
    pub b: End,
    /// Its geometry, from A to B; empty where none is given.
    pub route: Vec<RoutePoint>,
    /// Places that hold equipment, by rising chainage; the first is at A, the last at B.
    pub nodes: Vec<Node>,
    /// Known places, by rising chainage.
    pub landmarks: Vec<Landmark>,
    /// Railway kilometre posts and the like, by rising chainage.
    pub posts: Vec<Post>,
    /// Stretches with their own cable, by rising chainage.
    pub sections: Vec<Section>,
    /// Strands.
    pub fibres: Vec<FibreId>,
    /// Submarine power feeding, where there is any.
    pub feed: Option<Feed>,
    /// What instruments see.
    pub views: Vec<View>,
    /// Where landmarks appear in views.
    pub marks: Vec<Mark>,
}

/// Where a line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At a site.
    Site(SiteId),
    /// At a node of another line: a branch.
    Branch(LineId, NodeId),
}

/// Kinds of [`Line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineKind {
    /// On the sea bed.
    Submarine,
    /// Over land.
    Terrestrial,
}

/// One vertex of a line's geometry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoutePoint {
    /// Where.
    pub at: Coordinates,
    /// Its chainage, where the file states it.
    pub chainage: Option<RouteLength>,
}

/// A place on a line that holds equipment.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its id, unique on the line.
    pub id: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// Where on the line.
    pub chainage: RouteLength,
    /// The site it stands in, where there is one: repeaters have none.
    pub site: Option<SiteId>,
    /// Whether it lets an OTDR's light through.
    pub otdr: Passes,
}

/// Kinds of [`Node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// An end of the line.
    Terminal,
    /// An in-line amplifier.
    Ila,
    /// A submerged repeater.
    Repeater,
    /// A submerged branching unit.
    BranchingUnit,
    /// A remotely pumped amplifier.
    Ropa,
    /// A patch panel.
    Odf,
    /// A joint with equipment.
    Joint,
}

/// In which directions a node lets test light through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Passes {
    /// Both ways.
    #[serde(rename = "both")]
    Both,
    /// From A towards B only.
    #[serde(rename = "AB")]
    AToB,
    /// From B towards A only.
    #[serde(rename = "BA")]
    BToA,
    /// Neither way: amplifiers with isolators.
    #[serde(rename = "none")]
    Neither,
}

/// A known place on a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Landmark {
    /// Its name, unique on the line.
    pub name: String,
    /// What it is: `closure`, `manhole`, `beach-manhole`, `crossing`, `joint`, …
    pub kind: String,
    /// Where on the line.
    pub at: RouteLength,
    /// Half width of the 95 % interval of its place, on the ground.
    pub plus_minus: RouteLength,
    /// Glass stored in coils just before it, seen from A.
    pub slack_before: OpticalLength,
    /// Glass stored in coils just after it, seen from A.
    pub slack_after: OpticalLength,
}

/// A railway kilometre post or the like.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// What is written on it.
    pub name: String,
    /// Where on the line.
    pub chainage: RouteLength,
}

/// A stretch of one kind of cable.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Where it begins.
    pub from: RouteLength,
    /// Where it ends.
    pub to: RouteLength,
    /// Group index of its glass by wavelength; empty where none is given.
    pub group_index: Vec<(Nanometres, GroupIndex)>,
    /// How much longer the glass is than the sheath, as a ratio: 0.005 for half a per cent.
    pub excess: f64,
    /// Half width of the 95 % interval of `excess`.
    pub excess_plus_minus: f64,
    /// The cable's type, where given.
    pub cable: Option<String>,
    /// How it lies, where given.
    pub laid: Option<Laid>,
    /// How deep, in metres, where given; negative never.
    pub depth_m: Option<f64>,
}

/// How a cable lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Laid {
    /// In the ground.
    Buried,
    /// In a duct.
    Duct,
    /// On poles or masts.
    Aerial,
    /// On the sea bed.
    Seabed,
}

/// Submarine power feeding.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The constant current, in amperes.
    pub amps: f64,
    /// The voltage at A when all is well, as a magnitude.
    pub volts_a: f64,
    /// The voltage at B when all is well, as a magnitude.
    pub volts_b: f64,
    /// The conductor's resistance, in ohms per kilometre of cable.
    pub ohm_per_km: f64,
    /// What a repeater drops: pairs of amperes and volts, by rising current; one pair for a constant.
    pub repeater_volts: Vec<[f64; 2]>,
}

/// What one instrument sees.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its id, unique in the plant.
    pub id: ViewId,
    /// The strand.
    pub fibre: FibreId,
    /// The node where the instrument stands.
    pub node: NodeId,
    /// Which way it looks.
    pub toward: Toward,
    /// The node at which its light ends; the line's end where none is given.
    pub until: Option<NodeId>,
    /// What kind of instrument.
    pub kind: ViewKind,
    /// The instrument.
    pub device: Option<DeviceId>,
    /// The port of the instrument or of its switch.
    pub port: Option<u16>,
    /// Glass between the instrument's panel and the node.
    pub launch: OpticalLength,
    /// The wavelength it shoots at.
    pub wavelength: Nanometres,
    /// The one-way loss it can look through, where known.
    pub reach: Option<Db>,
}

/// A way along a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Toward {
    /// Against the chainage.
    A,
    /// With the chainage.
    B,
}

/// Kinds of instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewKind {
    /// A pulse and its backscatter, up to the next amplifier.
    Otdr,
    /// Coherent, through repeaters.
    Cotdr,
}

/// Where a landmark appears in a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The view.
    pub view: ViewId,
    /// The landmark's name.
    pub landmark: String,
    /// How far along the glass from the view's node.
    pub optical: OpticalLength,
    /// Half width of its 95 % interval.
    pub plus_minus: OpticalLength,
    /// The group index by which it was measured, where known.
    pub group_index: Option<GroupIndex>,
    /// The trace it came from, where known.
    pub trace: Option<String>,
    /// Since when it holds: a repair starts a new validity.
    pub valid_from: Option<Timestamp>,
}

/// The way a signal takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Its id.
    pub id: PathId,
    /// One fibre a direction, or both on one.
    pub system: System,
    /// The path it stands in for, where it protects one.
    pub protects: Option<PathId>,
    /// Its stretches in the order of the signal.
    pub hops: Vec<Hop>,
}

/// How many fibres carry a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// A fibre for each direction.
    Pair,
    /// Both directions on one fibre.
    SingleFibre,
}

/// One stretch of a path: along one fibre of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The line.
    pub line: LineId,
    /// The strand.
    pub fibre: FibreId,
    /// Where it enters; after `to` in chainage means against the chainage.
    pub from: NodeId,
    /// Where it leaves.
    pub to: NodeId,
}

/// One piece of polled hardware.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its id, unique at its site.
    pub id: DeviceId,
    /// Where it stands.
    pub site: SiteId,
    /// By which profile it is read.
    pub profile: ProfileId,
    /// The lines it serves.
    pub lines: Vec<LineId>,
    /// Its optical ports, where it has any.
    pub ports: Vec<Port>,
}

/// An optical port of a device: where light goes in or out of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The index of its points: `in_power.3` belongs to port `3`; empty for points without index.
    pub index: String,
    /// The path whose light it carries.
    pub path: PathId,
    /// The node on the path where it stands.
    pub node: NodeId,
    /// Along or against the chainage.
    pub direction: Direction,
    /// Whether the light comes in or goes out; a port may have an entry for each.
    pub side: Side,
}

/// The direction in which light travels along a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// From A towards B.
    #[serde(rename = "AB")]
    AToB,
    /// From B towards A.
    #[serde(rename = "BA")]
    BToA,
}

/// Which side of a device light passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// It comes in.
    In,
    /// It goes out.
    Out,
}

/// A stretch where several lines lie together: one digger, several lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    /// Its id.
    pub id: String,
    /// What it is: `duct`, `bridge`, `landing`.
    pub kind: String,
    /// The stretch of each line.
    pub members: Vec<SharedMember>,
}

/// One line's part of a [`Shared`] stretch.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedMember {
    /// The line.
    pub line: LineId,
    /// Where it begins.
    pub from: RouteLength,
    /// Where it ends.
    pub to: RouteLength,
}

/// What a customer has bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub customer: String,
    /// The paths it runs over.
    pub paths: Vec<PathId>,
    /// Whether it survives the loss of one path.
    pub protected: bool,
}

/// The stretch of a line between two neighbouring nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpanId {
    /// The node nearer to A.
    pub from: NodeId,
    /// The node nearer to B.
    pub to: NodeId,
}

impl core::fmt::Display for SpanId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

impl Plant {
    /// The line called `id`.
    #[must_use]
    pub fn line(&self, id: &LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == *id)
    }

    /// The site called `id`.
    #[must_use]
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == *id)
    }

    /// The device called `id` at `site`.
    #[must_use]
    pub fn device(&self, site: &SiteId, id: &DeviceId) -> Option<&Device> {
        self.devices
            .iter()
            .find(|device| device.id == *id && device.site == *site)
    }

    /// The path called `id`.
    #[must_use]
    pub fn path(&self, id: &PathId) -> Option<&Path> {
        self.paths.iter().find(|path| path.id == *id)
    }

    /// The view called `id`, with its line.
    #[must_use]
    pub fn view(&self, id: &ViewId) -> Option<(&Line, &View)> {
        let of = |line| Line::view(line, id).map(|view| (line, view));
        self.lines.iter().find_map(of)
    }

    /// Which lines run through each site: of their ends, of their nodes and of the devices that serve
    /// them.
    #[must_use]
    pub fn lines_by_site(&self) -> BTreeMap<SiteId, BTreeSet<LineId>> {
        let mut at: BTreeMap<SiteId, BTreeSet<LineId>> = BTreeMap::new();
        for line in &self.lines {
            let ends = [&line.a, &line.b].into_iter().filter_map(|end| match end {
                End::Site(site) => Some(site),
                End::Branch(..) => None,
            });
            for site in ends.chain(line.nodes.iter().filter_map(|node| node.site.as_ref())) {
                at.entry(site.clone()).or_default().insert(line.id.clone());
            }
        }
        for device in &self.devices {
            let lines = at.entry(device.site.clone()).or_default();
            lines.extend(device.lines.iter().cloned());
        }
        at
    }
}

impl Line {
    /// The view called `id`.
    #[must_use]
    pub fn view(&self, id: &ViewId) -> Option<&View> {
        self.views.iter().find(|view| view.id == *id)
    }

    /// The node called `id`.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == *id)
    }

    /// The landmark called `name`.
    #[must_use]
    pub fn landmark(&self, name: &str) -> Option<&Landmark> {
        self.landmarks.iter().find(|landmark| landmark.name == name)
    }

    /// The line's whole length: the chainage of its last node.
    #[must_use]
    pub fn length(&self) -> RouteLength {
        self.nodes
            .last()
            .map_or(RouteLength::of(0.0), |node| node.chainage)
    }

    /// The spans from A to B.
    pub fn spans(&self) -> impl Iterator<Item = (&Node, &Node)> {
        self.nodes.iter().zip(self.nodes.iter().skip(1))
    }

    /// The span that holds `chainage`, where one does; at a node, the one before it.
    #[must_use]
    pub fn span_at(&self, chainage: RouteLength) -> Option<(&Node, &Node)> {
        self.spans()
            .find(|(from, to)| (from.chainage..=to.chainage).contains(&chainage))
    }
}
