//! Lines: what lies where, and in which state each stretch of it is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_analysis::route::Ground;
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::plant::{self, End, LineKind, Plant, SpanId};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::devices::{self, Device, Freshness};
use super::incidents::{self, Incident, Severity, Where};
use super::request::{Named, Page};
use super::who::Who;
use super::{ApiState, Problem};
use crate::store::{Queries, StoreError};

mod geometry;

/// A line in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// Its name for people.
    pub name: String,
    /// `submarine` or `terrestrial`.
    pub kind: String,
    /// The site of the A end, or `line/node` of a branch.
    pub a: String,
    /// The site of the B end, or `line/node` of a branch.
    pub b: String,
    /// Its length along the ground.
    pub length_m: f64,
    /// The worst that is open on it.
    pub state: LineState,
    /// The incidents that are open on it.
    pub incidents: Vec<IncidentId>,
    /// When its newest sample was taken.
    pub newest: Option<Timestamp>,
    /// Devices that serve it.
    pub devices: usize,
    /// Those of them whose readings are not fresh.
    pub silent: usize,
}

/// How a line or a span is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Nothing is open, and data come.
    Well,
    /// Nothing is open, but no device reports: nobody can tell.
    NoData,
    /// Worth a look.
    Warning,
    /// Service runs, a margin is gone.
    Minor,
    /// Service is at risk or impaired.
    Major,
    /// Service is lost.
    Critical,
}

/// A line as it lies on the ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LineDetail {
    /// The line in short.
    #[serde(flatten)]
    pub line: Line,
    /// Its geometry: latitude, longitude, chainage in metres.
    pub route: Vec<[f64; 3]>,
    /// Places that hold equipment, from A to B.
    pub nodes: Vec<Node>,
    /// The stretches between them.
    pub spans: Vec<Span>,
    /// Known places, from A to B.
    pub landmarks: Vec<Landmark>,
    /// Railway kilometre posts and the like.
    pub posts: Vec<Post>,
    /// What instruments see of it.
    pub views: Vec<View>,
}

/// What one instrument sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// Its id, unique in the plant.
    pub id: String,
    /// The strand.
    pub fibre: String,
    /// The node where the instrument stands.
    pub node: String,
    /// Which way it looks: `A` or `B`.
    pub toward: String,
    /// The instrument, `site.device`, where the plant names it.
    pub device: Option<String>,
    /// Its port.
    pub port: Option<u16>,
}

/// A place that holds equipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Its id, unique on the line.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `terminal`, `ila`, `repeater`, …
    pub kind: String,
    /// Where on the line.
    pub chainage_m: f64,
    /// The site it stands in, where there is one.
    pub site: Option<String>,
    /// Latitude in degrees, where known.
    pub lat: Option<f64>,
    /// Longitude in degrees, where known.
    pub lon: Option<f64>,
}

/// The stretch between two neighbouring nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// `node..node`.
    pub id: String,
    /// The node nearer to A.
    pub from: String,
    /// The node nearer to B.
    pub to: String,
    /// Where it begins.
    pub from_m: f64,
    /// Where it ends.
    pub to_m: f64,
    /// The worst that is open on it.
    pub state: LineState,
}

/// A known place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Landmark {
    /// Its name, unique on the line.
    pub name: String,
    /// `closure`, `manhole`, `crossing`, …
    pub kind: String,
    /// Where on the line.
    pub chainage_m: f64,
    /// Half width of the 95 % interval of its place.
    pub plus_minus_m: f64,
    /// Latitude in degrees, where known.
    pub lat: Option<f64>,
    /// Longitude in degrees, where known.
    pub lon: Option<f64>,
}

/// A railway kilometre post or the like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Post {
    /// What is written on it.
    pub name: String,
    /// Where on the line.
    pub chainage_m: f64,
}

/// Every line of the plant.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn list(State(state): State<ApiState>, who: Who) -> Result<Json<Page<Line>>, Problem> {
    let now = crate::clock::now();
    let plant = state.plant;
    let answer = state.reader.ask_async(move |store| {
        let here = Here::ask(store, &plant, now)?;
        let theirs = plant.lines.iter().filter(|line| who.sees(&line.id));
        Ok(theirs.map(|line| here.line(line)).collect())
    });
    Ok(Json(Page::whole(answer.await?)))
}

/// One line with everything on it.
///
/// # Errors
///
/// Where there is no such line, or the store cannot be read.
pub async fn one(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Json<LineDetail>, Problem> {
    detail(state, &who, &id).await.map(Json)
}

/// One line as GeoJSON: its route, nodes and landmarks.
///
/// # Errors
///
/// Where there is no such line, or the store cannot be read.
pub async fn geojson(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Response, Problem> {
    let detail = detail(state, &who, &id).await?;
    let kind = [(header::CONTENT_TYPE, "application/geo+json")];
    Ok((kind, geometry::geojson(&detail).to_string()).into_response())
}

async fn detail(state: ApiState, who: &Who, id: &str) -> Result<LineDetail, Problem> {
    let found: String = id.chars().take(80).collect();
    let missing = || Problem::not_found(format!("there is no line {found:?}"));
    let line: LineId = id.parse().map_err(|_| missing())?;
    if !who.sees(&line) {
        return Err(missing());
    }
    let now = crate::clock::now();
    let plant = state.plant;
    let answer = state.reader.ask_async(move |store| {
        let Some(line) = plant.line(&line) else {
            return Ok(None);
        };
        Ok(Some(Here::ask(store, &plant, now)?.detail(&plant, line)))
    });
    answer.await?.ok_or_else(missing)
}

/// How things are, by line.
struct Here {
    incidents: Vec<Incident>,
    devices: BTreeMap<LineId, Vec<Device>>,
}

impl Here {
    fn ask(store: &Queries<'_>, plant: &Plant, now: Timestamp) -> Result<Self, StoreError> {
        let mut by_line: BTreeMap<LineId, Vec<Device>> = BTreeMap::new();
        for device in devices::all(plant, store.devices()?, now) {
            for line in &device.lines {
                by_line
                    .entry(line.clone())
                    .or_default()
                    .push(device.clone());
            }
        }
        Ok(Self {
            incidents: incidents::active(store)?,
            devices: by_line,
        })
    }

    fn line(&self, line: &plant::Line) -> Line {
        let here = self
            .incidents
            .iter()
            .filter(|incident| incident.lines.contains(&line.id));
        let devices = self
            .devices
            .get(&line.id)
            .map_or(&[][..], |devices| devices.as_slice());
        let fresh = devices
            .iter()
            .filter(|device| device.state == Freshness::Fresh)
            .count();
        let quiet = if fresh > 0 {
            LineState::Well
        } else {
            LineState::NoData
        };
        Line {
            id: line.id.clone(),
            name: line.name.clone(),
            kind: match line.kind {
                LineKind::Submarine => "submarine",
                LineKind::Terrestrial => "terrestrial",
            }
            .to_owned(),
            a: end(&line.a),
            b: end(&line.b),
            length_m: line.length().get(),
            state: here
                .clone()
                .map(|incident| incident.severity.into())
                .max()
                .unwrap_or(quiet),
            incidents: here.map(|incident| incident.id.clone()).collect(),
            newest: devices.iter().filter_map(|device| device.newest).max(),
            devices: devices.len(),
            silent: devices.len() - fresh,
        }
    }

    fn detail(&self, plant: &Plant, line: &plant::Line) -> LineDetail {
        let ground = Ground::of(plant, line);
        let nodes = line.nodes.iter().map(|node| {
            let (lat, lon) = coordinates(&ground, node.chainage);
            Node {
                id: node.id.to_string(),
                name: ground.node_name(node),
                kind: word(node.kind),
                chainage_m: node.chainage.get(),
                site: node.site.as_ref().map(ToString::to_string),
                lat,
                lon,
            }
        });
        let landmarks = line.landmarks.iter().map(|mark| {
            let (lat, lon) = coordinates(&ground, mark.at);
            Landmark {
                name: mark.name.clone(),
                kind: mark.kind.clone(),
                chainage_m: mark.at.get(),
                plus_minus_m: mark.plus_minus.get(),
                lat,
                lon,
            }
        });
        let posts = line.posts.iter();
        LineDetail {
            line: self.line(line),
            route: geometry::route(&ground, line),
            nodes: nodes.collect(),
            spans: line
                .spans()
                .map(|(from, to)| self.span(line, from, to))
                .collect(),
            landmarks: landmarks.collect(),
            posts: posts
                .map(|post| Post {
                    name: post.name.clone(),
                    chainage_m: post.chainage.get(),
                })
                .collect(),
            views: line.views.iter().map(|of| view(line, of)).collect(),
        }
    }

    fn span(&self, line: &plant::Line, from: &plant::Node, to: &plant::Node) -> Span {
        let id = SpanId {
            from: from.id.clone(),
            to: to.id.clone(),
        }
        .to_string();
        // What has no place yet may be anywhere on its line.
        let here = self.incidents.iter().filter(|incident| {
            let place = &incident.place;
            let anywhere = place.kind == Where::Unknown;
            place.line == line.id && (anywhere || place.span.as_ref() == Some(&id))
        });
        Span {
            state: here
                .map(|one| one.severity.into())
                .max()
                .unwrap_or(LineState::Well),
            id,
            from: from.id.to_string(),
            to: to.id.to_string(),
            from_m: from.chainage.get(),
            to_m: to.chainage.get(),
        }
    }
}

impl From<Severity> for LineState {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Warning => Self::Warning,
            Severity::Minor => Self::Minor,
            Severity::Major => Self::Major,
            Severity::Critical => Self::Critical,
        }
    }
}

fn coordinates(ground: &Ground<'_>, chainage: RouteLength) -> (Option<f64>, Option<f64>) {
    let at = ground.at(chainage);
    (at.map(|at| at.lat), at.map(|at| at.lon))
}

fn view(line: &plant::Line, of: &plant::View) -> View {
    let site = line.node(&of.node).and_then(|node| node.site.as_ref());
    let device = site.zip(of.device.as_ref());
    View {
        id: of.id.to_string(),
        fibre: of.fibre.to_string(),
        node: of.node.to_string(),
        toward: word(of.toward),
        device: device.map(|(site, device)| format!("{site}.{device}")),
        port: of.port,
    }
}

fn end(end: &End) -> String {
    match end {
        End::Site(site) => site.to_string(),
        End::Branch(line, node) => format!("{line}/{node}"),
    }
}

/// A word of the plant file.
fn word(kind: impl Serialize) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref()
        .and_then(|word| word.as_str())
        .unwrap_or_default()
        .to_owned()
}
