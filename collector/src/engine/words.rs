//! Words and places for people: what goes into an incident's headline, cause and place.

use std::collections::BTreeSet;

use silkline_analysis::fuse::{self, Sight};
use silkline_analysis::incident::{Incident, Kind};
use silkline_analysis::place::{
    Dossier, Evidence, FeedEnd, FeedFinding, FeedMode, Finding as Says, Place, PlaceKind, Sighting,
    to_mm,
};
use silkline_analysis::route::Ground;
use silkline_analysis::route::chain::Chain;
use silkline_analysis::series::{Anomaly, AnomalyKind};
use silkline_protocol::id::{DeviceId, IncidentId, LineId, NodeId, PathId, SiteId, ViewId};
use silkline_protocol::plant::{End, Node, SpanId, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::causes::{Key, Light, Scene};

/// Bytes of a line's id in an incident's: what the time and the number leave of 64.
const LINE_BYTES: usize = 36;

/// Volts of a feed that are off by less than this share of them say nothing.
const MOVED_SHARE: f64 = 0.02;

/// An id that no other incident of any collector has: line, time, number.
pub(super) fn incident_id(scene: &Scene<'_>, serial: u64) -> IncidentId {
    let line: String = scene.line.id.as_str().chars().take(LINE_BYTES).collect();
    let time: String = scene
        .now
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    let id = format!("{line}-{time}-{serial}");
    id.parse().unwrap_or_else(|_| fallback_id())
}

#[expect(clippy::expect_used, reason = "a constant that is an id")]
fn fallback_id() -> IncidentId {
    "unnamed".parse().expect("letters only")
}

/// The lines that a cause at a site is on, this one first.
pub(super) fn lines_of(scene: &Scene<'_>, site: Option<&SiteId>) -> Vec<LineId> {
    let mut lines = vec![scene.line.id.clone()];
    let here = scene
        .plant
        .devices
        .iter()
        .filter(|device| Some(&device.site) == site);
    for line in here.flat_map(|device| &device.lines) {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    lines
}

/// Whether this line is the one that tells of a device or an agent: a hut's battery serves every
/// line through the hut, and one engine is enough to tell that it is empty.
pub(super) fn is_home(scene: &Scene<'_>, site: &SiteId, device: Option<&DeviceId>) -> bool {
    let here = scene
        .plant
        .devices
        .iter()
        .filter(|known| known.site == *site);
    let own = here.clone().find(|known| Some(&known.id) == device);
    let lines = own
        .or_else(|| here.clone().next())
        .map(|known| &known.lines);
    lines
        .and_then(|lines| lines.first())
        .is_none_or(|first| *first == scene.line.id)
}

/// Where a sighting is on the line.
pub(super) fn chainage_of(
    scene: &Scene<'_>,
    sighting: &Sighting,
    at: Timestamp,
) -> Option<RouteLength> {
    let view = scene.line.view(&sighting.view)?;
    let seen = scene.views.anchors(scene.line, &view.id);
    let chain = Chain::of(scene.line, view, Some(at), &seen)?;
    let [low, high] = [RouteLength::of(0.0), scene.line.length()];
    let found = chain
        .interpolate(sighting.optical_m, sighting.group_index)
        .get();
    Some(RouteLength::of(found.clamp(low.get(), high.get())))
}

/// The nodes between which a view sees, by their place on the line, the lower first.
pub(super) fn nodes_of(scene: &Scene<'_>, view: &ViewId) -> [Option<usize>; 2] {
    let range = scene
        .line
        .view(view)
        .and_then(|view| Chain::of(scene.line, view, None, &[]))
        .map(|chain| chain.range());
    let place = |at: RouteLength| {
        let near = |node: &Node| (node.chainage - at).abs() < RouteLength::of(1.0);
        scene.line.nodes.iter().position(near)
    };
    range.map_or([None, None], |ends| ends.map(place))
}

/// What power feeding says now, where it says anything: of two ends one falls and the other rises, one
/// end alone does either.
pub(super) fn evidence_of_feed(scene: &Scene<'_>, mode: FeedMode) -> Vec<Evidence> {
    let Some(feed) = &scene.line.feed else {
        return Vec::new();
    };
    let reading = |end: &End| match end {
        End::Site(site) => scene.watch.feeding(site, scene.now),
        End::Branch(..) => (None, None),
    };
    let ((volts_a, amps_a), (volts_b, amps_b)) = (reading(&scene.line.a), reading(&scene.line.b));
    let end = match (volts_a, volts_b) {
        (Some(a), Some(b)) if (a - feed.volts_a) * (b - feed.volts_b) < 0.0 => FeedEnd::Both,
        (Some(a), None) if is_moved(a, feed.volts_a) => FeedEnd::A,
        (None, Some(b)) if is_moved(b, feed.volts_b) => FeedEnd::B,
        _ => return Vec::new(),
    };
    let finding = FeedFinding {
        mode,
        end,
        volts_a,
        volts_b,
        amps_a,
        amps_b,
    };
    vec![Evidence {
        id: "feed".to_owned(),
        at: Some(scene.now),
        source: "power feeding".to_owned(),
        finding: Says::Feed(finding),
    }]
}

/// Whether volts are others than usual by more than a meter and the weather make of them.
fn is_moved(volts: f64, usual: f64) -> bool {
    (volts - usual).abs() > MOVED_SHARE * usual
}

/// Where a cause is by its evidence.
pub(super) fn place(scene: &Scene<'_>, key: &Key, evidence: &[Evidence]) -> Place {
    let unknown = || Place::unknown(scene.line.id.clone(), &scene.plant.revision);
    let dossier = Dossier {
        line: scene.line.id.clone(),
        evidence: evidence.to_vec(),
    };
    let anchors = |view: &_| scene.views.anchors(scene.line, view);
    let locates = match key {
        Key::Span(..) | Key::Node(_) | Key::Feed => true,
        // What light meters say of a span that fades has no place.
        Key::Fade(..) => !evidence.is_empty(),
        _ => false,
    };
    let located = match key {
        _ if locates => {
            fuse::locate_with(scene.plant, &dossier, &anchors).unwrap_or_else(|_| unknown())
        }
        _ => unknown(),
    };
    let node = match key {
        Key::Node(node) => scene.line.node(node),
        _ => key.site().and_then(|site| node_at(scene, site)),
    };
    match (key, node) {
        (Key::Fade(from, to), _) => {
            let mut place = located;
            place.set_span(&SpanId {
                from: from.clone(),
                to: to.clone(),
            });
            place
        }
        (Key::Span(..) | Key::Feed, _) | (_, None) if key.site().is_none() => located,
        (_, Some(node)) => at_node(scene, node, located),
        (_, None) => Place {
            kind: PlaceKind::Site,
            ..at_site(scene, key, located)
        },
    }
}

/// Narrows a stretch to what none of these views could see, each of which has looked since: then the
/// fault is there. How far a view sees its newest shot tells, if any light of it faded.
pub(super) fn narrow_to_blind(scene: &Scene<'_>, place: &mut Place, faded: &[ViewId]) {
    let Some(ends) = place.interval95_m.filter(|_| place.chainage_m.is_none()) else {
        return;
    };
    let shown = |view: &View| scene.views.seen_to(scene.line, view);
    let how = |view| (view, shown(view).map_or(Sight::Usual, Sight::To));
    let looked = faded.iter().filter_map(|id| scene.line.view(id));
    let blind = fuse::blind(scene.line, ends, looked.map(how));
    if let (Some([low, _]), Some([_, high])) = (blind.first(), blind.last()) {
        place.interval95_m = Some([*low, *high]);
        fuse::tell_blind(place, blind);
    } else if scene.line.views.iter().any(|view| shown(view).is_some()) {
        let all = scene.line.views.iter().map(how);
        fuse::tell_blind(place, fuse::blind(scene.line, ends, all));
    }
}

fn at_site(scene: &Scene<'_>, key: &Key, place: Place) -> Place {
    let site = key.site().and_then(|site| scene.plant.site(site));
    let at = site.and_then(|site| site.at);
    Place {
        lat: at.map(|at| at.lat),
        lon: at.map(|at| at.lon),
        ..place
    }
}

/// The place that a node is; what light was lost around it stays in the evidence.
fn at_node(scene: &Scene<'_>, node: &Node, place: Place) -> Place {
    let ground = Ground::of(scene.plant, scene.line);
    let site = node.site.as_ref().and_then(|site| scene.plant.site(site));
    let at = site
        .and_then(|site| site.at)
        .or_else(|| ground.at(node.chainage));
    Place {
        kind: PlaceKind::Node,
        span: None,
        node: Some(node.id.clone()),
        chainage_m: Some(to_mm(node.chainage)),
        interval50_m: None,
        interval95_m: None,
        lat: at.map(|at| at.lat),
        lon: at.map(|at| at.lon),
        before: ground.before(node.chainage),
        after: ground.after(node.chainage),
        post: ground.post(node.chainage),
        ..place
    }
}

/// The cause in a few words.
pub(super) fn cause(scene: &Scene<'_>, key: &Key, incident: &Incident) -> String {
    match (key, incident.kind) {
        (Key::Span(from, to), Kind::Break) => {
            format!(
                "fibre break between {} and {}",
                named(scene, from),
                named(scene, to)
            )
        }
        (Key::Span(from, to), _) => {
            let ends = (named(scene, from), named(scene, to));
            format!(
                "equipment between {} and {}: supervisory light still arrives",
                ends.0, ends.1
            )
        }
        (Key::Node(node), _) => format!("equipment at {} sends no light", named(scene, node)),
        (Key::Device(site, device), _) => format!("device {device} at {}", site_name(scene, site)),
        (Key::Pumps(site, device), _) => format!("pumps of {device} at {}", site_name(scene, site)),
        (Key::Point(site, device, point), _) => {
            format!("{point} of {device} at {}", site_name(scene, site))
        }
        (Key::Fade(from, to), _) => {
            format!(
                "more loss between {} and {}",
                named(scene, from),
                named(scene, to)
            )
        }
        (Key::Signal(site, device, index), _) => {
            let index = if index.is_empty() {
                String::new()
            } else {
                format!(" {index}")
            };
            let place = site_name(scene, site);
            format!("signal at receiver {device}{index} at {place}")
        }
        (Key::Unplaced(light), _) => {
            let what = match light {
                Light::Lost => "light lost",
                Light::Worse => "signal worse",
            };
            format!(
                "{what} on {}: the plant tells no path of these devices",
                scene.line.name
            )
        }
        (Key::Agent(site), _) => format!("agent at {} is gone", site_name(scene, site)),
        (Key::Spool(site), _) => format!("disk of the agent at {}", site_name(scene, site)),
        (Key::Supply(site), _) => format!("power supply at {}", site_name(scene, site)),
        (Key::Room(site), _) => format!("conditions in the hut at {}", site_name(scene, site)),
        (Key::Feed, _) => "submarine power feeding changed".to_owned(),
    }
}

/// One line that is enough to drive on.
pub(super) fn headline(scene: &Scene<'_>, key: &Key, incident: &Incident) -> String {
    let place = &incident.place;
    match (key, incident.kind) {
        (Key::Span(from, to), Kind::Break) => {
            let (from, to) = (named(scene, from), named(scene, to));
            format!("break between {from} and {to}{}", spot(place, &to, &from))
        }
        _ => {
            // Of a span that loses more its own loss says most; what follows of it says less.
            let fades = matches!(key, Key::Fade(..));
            let own = |a: &Anomaly| fades && a.kind == AnomalyKind::Relation;
            let worst = incident
                .anomalies
                .iter()
                .filter(|a| a.to.is_none())
                .max_by_key(|a| (own(a), a.severity));
            let detail = worst.map(|a| {
                let point = a
                    .point
                    .as_ref()
                    .map(|p| format!(" {p}"))
                    .unwrap_or_default();
                format!(" ({}{point}: {})", a.device, a.detail)
            });
            format!("{}{}", incident.cause, detail.unwrap_or_default())
        }
    }
}

/// The place on the span: kilometre, half width, landmark.
fn spot(place: &Place, towards_b: &str, towards_a: &str) -> String {
    if place.candidates.len() > 1 {
        let each = |c: &silkline_analysis::place::Candidate| format!("km {:.2}", c.chainage_m.km());
        let all: Vec<String> = place.candidates.iter().map(each).collect();
        return format!(", possibly at {}", all.join(" and "));
    }
    let (Some(at), Some([low, high])) = (place.chainage_m, place.interval95_m) else {
        return String::new();
    };
    let half = RouteLength::of((at - low).get().max((high - at).get()));
    let half = if half < RouteLength::of(1_000.0) {
        format!("{:.0} m", half.get().max(1.0))
    } else {
        format!("{:.1} km", half.km())
    };
    let mark = place
        .before
        .as_ref()
        .zip(place.after.as_ref())
        .map(|(before, after)| {
            let (near, towards) = if before.offset_m.abs() <= after.offset_m.abs() {
                (before, towards_b)
            } else {
                (after, towards_a)
            };
            let metres = near.offset_m.abs().get();
            format!(", {metres:.0} m after {} towards {towards}", near.landmark)
        });
    format!(
        ", km {:.2} \u{b1} {half}{}",
        at.km(),
        mark.unwrap_or_default()
    )
}

/// What happened when a cause turned out to be elsewhere than first thought.
pub(super) fn moved(scene: &Scene<'_>, key: &Key) -> String {
    match key {
        Key::Span(from, to) => {
            format!(
                "now between {} and {}",
                named(scene, from),
                named(scene, to)
            )
        }
        Key::Node(node) => format!("now at {}", named(scene, node)),
        _ => "now elsewhere".to_owned(),
    }
}

/// What happened when traces showed that a cause is not where light meters say.
pub(super) fn overruled(scene: &Scene<'_>, shown: &Key, told: &Key) -> String {
    let between = |key: &Key| match key {
        Key::Span(from, to) => format!("between {} and {}", named(scene, from), named(scene, to)),
        _ => "elsewhere".to_owned(),
    };
    let (shown, told) = (between(shown), between(told));
    format!(
        "traces from both sides show it {shown}, light meters say {told}: are the directions of an \
         amplifier swapped in the plant file?"
    )
}

/// Paths without light and the services that run over them.
pub(super) fn affected<'a>(
    scene: &Scene<'_>,
    paths: impl Iterator<Item = &'a PathId>,
) -> Vec<String> {
    let paths: BTreeSet<&PathId> = paths.collect();
    let hit = |service: &&silkline_protocol::plant::Service| {
        service.paths.iter().any(|path| paths.contains(path))
    };
    let services = scene
        .plant
        .services
        .iter()
        .filter(hit)
        .map(|service| service.id.clone());
    paths
        .iter()
        .map(|path| path.to_string())
        .chain(services)
        .collect()
}

/// A length in whole metres, for comparing intervals that were told.
#[expect(clippy::cast_possible_truncation, reason = "no line has 2^53 metres")]
pub(super) fn whole_metres(length: RouteLength) -> i64 {
    length.get().round() as i64
}

fn named(scene: &Scene<'_>, id: &NodeId) -> String {
    let ground = Ground::of(scene.plant, scene.line);
    scene
        .line
        .node(id)
        .map_or_else(|| id.to_string(), |node| ground.node_name(node))
}

fn site_name(scene: &Scene<'_>, id: &SiteId) -> String {
    scene
        .plant
        .site(id)
        .map_or_else(|| id.to_string(), |site| site.name.clone())
}

fn node_at<'a>(scene: &Scene<'a>, site: &SiteId) -> Option<&'a Node> {
    scene
        .line
        .nodes
        .iter()
        .find(|node| node.site.as_ref() == Some(site))
}
