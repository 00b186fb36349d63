//! What an unkind examiner would try: clocks, files and plant that lie a little, faults at the worst
//! place or time, messages that come twice, late, in the wrong order, or to nobody.

use std::time::Duration;

use silkline_collector::engine::settings::Planned;
use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{Line, Node, NodeKind, Plant, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, RouteLength};
use silkline_sim::fault::Fault;

use crate::case::{Case, SEA, What, at_node, secs, somewhere, views_around};
use crate::chance::Chance;
use crate::mistake::Mistake;

/// A kind of odd case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Odd {
    IndexOff,
    IndexChanged,
    DirectionSwapped,
    PortsSwapped,
    TwoSoon,
    PlannedWork,
    Flapping,
    CollectorAway,
    TraceFirst,
    StrayTrace,
    ClockOff,
    AgentGone,
    Repeated,
    FeedOneEnd,
    HutOnBattery,
    AtLandmark,
    NearEnd,
    FarEnd,
    Growing,
    CutAgain,
    TwoLines,
    TwoLinesLater,
}

/// Every odd kind.
pub(crate) const ALL: [Odd; 22] = [
    Odd::IndexOff,
    Odd::IndexChanged,
    Odd::DirectionSwapped,
    Odd::PortsSwapped,
    Odd::TwoSoon,
    Odd::PlannedWork,
    Odd::Flapping,
    Odd::CollectorAway,
    Odd::TraceFirst,
    Odd::StrayTrace,
    Odd::ClockOff,
    Odd::AgentGone,
    Odd::Repeated,
    Odd::FeedOneEnd,
    Odd::HutOnBattery,
    Odd::AtLandmark,
    Odd::NearEnd,
    Odd::FarEnd,
    Odd::Growing,
    Odd::CutAgain,
    Odd::TwoLines,
    Odd::TwoLinesLater,
];

impl Odd {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::IndexOff => "cut, an index 0.5 % off",
            Self::IndexChanged => "cut, an index changed since",
            Self::DirectionSwapped => "cut, directions swapped",
            Self::PortsSwapped => "cut, OTDR ports swapped",
            Self::TwoSoon => "two cuts, minutes apart",
            Self::PlannedWork => "cut in planned work",
            Self::Flapping => "patch cord flaps",
            Self::CollectorAway => "cut, collector away",
            Self::TraceFirst => "cut, trace before alarm",
            Self::StrayTrace => "cut, an old trace comes late",
            Self::ClockOff => "cut, a clock 3 s off",
            Self::AgentGone => "cut, an agent gone",
            Self::Repeated => "cut, messages twice",
            Self::FeedOneEnd => "shunt, one end's feed told",
            Self::HutOnBattery => "hut on battery, then dark",
            Self::AtLandmark => "cut at a landmark",
            Self::NearEnd => "cut in a span's first 200 m",
            Self::FarEnd => "cut in a span's last 200 m",
            Self::Growing => "bend that grows to a cut",
            Self::CutAgain => "mended, cut again 40 m on",
            Self::TwoLines => "two lines in one duct",
            Self::TwoLinesLater => "two lines, one bent first",
        }
    }

    /// Whether traces are to say where it is.
    pub(crate) const fn is_placed(self) -> bool {
        !matches!(
            self,
            Self::Flapping
                | Self::FeedOneEnd
                | Self::HutOnBattery
                | Self::TwoLines
                | Self::TwoLinesLater
                | Self::TwoSoon
        )
    }
}

/// Makes `case` one of kind `odd` on `land`.
pub(crate) fn draw(
    (plant, land): (&Plant, &Line),
    odd: Odd,
    (case, chance): (&mut Case, &mut Chance),
) {
    let at = match odd {
        Odd::AtLandmark => at_landmark(land, chance),
        Odd::NearEnd => near_node(land, 1.0, chance),
        Odd::FarEnd => near_node(land, -1.0, chance),
        _ => somewhere(land, chance),
    };
    match odd {
        Odd::FeedOneEnd => return feed_one_end(plant, case, chance),
        Odd::HutOnBattery => return on_battery(land, case, chance),
        Odd::Flapping => return flapping(land, case, chance),
        Odd::TwoLines | Odd::TwoLinesLater => {
            return in_one_duct((plant, land), odd, (case, chance));
        }
        _ => {}
    }
    let since = secs(4.0 + chance.unit());
    case.cut_at(land, at, (None, since));
    let [near, far] = nodes_around(land, at);
    let beside = if chance.happens(0.5) { near } else { far };
    match odd {
        Odd::IndexOff => {
            set_index(land, beside, case);
            case.past = Some(30);
            case.views = views_around(land, case);
        }
        Odd::IndexChanged => set_index(land, beside, case),
        Odd::DirectionSwapped => {
            let site = inner(land, [near, far], chance).site.clone().unwrap();
            case.mistake = Some(Mistake::Direction(site));
        }
        Odd::PortsSwapped => swap_ports(land, inner(land, [near, far], chance), case),
        Odd::TwoSoon => two_soon(land, case, chance),
        Odd::PlannedWork => {
            case.planned = vec![splicing(land)];
            case.most_notices = Some(0);
        }
        Odd::CollectorAway => {
            let away = secs(chance.between(1.0, 4.0));
            let back = since + secs(chance.between(1.0, 90.0));
            case.away = Some([away, back]);
            case.run = back + secs(40.0);
        }
        Odd::TraceFirst => case.wire.slow = secs(chance.between(16.0, 28.0)),
        Odd::StrayTrace => {
            let view = chance.one(&views_around(land, case)).clone();
            let at = since + secs(chance.between(0.5, 25.0));
            case.stray = Some((view, at, chance.happens(0.5)));
            case.run = secs(45.0);
        }
        Odd::ClockOff => {
            let by = if chance.happens(0.5) { 3_000 } else { -3_000 };
            case.wire.clocks.insert(beside.site.clone().unwrap(), by);
        }
        Odd::AgentGone => case.gone = beside.site.iter().cloned().collect(),
        Odd::Repeated => {
            case.wire.twice = 0.5;
            case.noise.delay_ms = 200.0;
        }
        Odd::Growing => growing(land, case, chance),
        Odd::CutAgain => cut_again(land, case, chance),
        _ => {}
    }
    if odd == Odd::TraceFirst || odd == Odd::AgentGone {
        case.run = secs(60.0);
    }
}

/// Work on the line that lasts as long as anything here.
fn splicing(land: &Line) -> Planned {
    Planned {
        from: Timestamp::EPOCH,
        until: Timestamp::from_seconds(4_000_000_000),
        line: Some(land.id.clone()),
        site: None,
        what: "splicing".to_owned(),
    }
}

fn nodes_around(line: &Line, at: RouteLength) -> [&Node; 2] {
    let (from, to) = line.span_at(at).unwrap();
    [from, to]
}

/// One of two nodes that looks both ways.
fn inner<'a>(line: &Line, nodes: [&'a Node; 2], chance: &mut Chance) -> &'a Node {
    let own = |node: &&Node| views_at(line, node).len() == 2;
    let fit: Vec<&Node> = nodes.into_iter().filter(own).collect();
    chance.one::<&Node>(&fit)
}

fn views_at<'a>(line: &'a Line, node: &Node) -> Vec<&'a View> {
    line.views.iter().filter(|v| v.node == node.id).collect()
}

fn at_landmark(line: &Line, chance: &mut Chance) -> RouteLength {
    let inside = |at: RouteLength| {
        line.nodes
            .iter()
            .all(|n| (n.chainage - at).abs().get() > 1.0)
    };
    let places = line.landmarks.iter().map(|landmark| landmark.at);
    let places: Vec<RouteLength> = places.filter(|at| inside(*at)).collect();
    *chance.one(&places)
}

/// Between 5 and 200 m from a node, on one side of it.
fn near_node(line: &Line, side: f64, chance: &mut Chance) -> RouteLength {
    let spans: Vec<_> = line.spans().collect();
    let (from, to) = chance.one(&spans);
    let node = if side > 0.0 { from } else { to };
    let off = (chance.between(5.0, 200.0) * 1000.0).round() / 1000.0;
    RouteLength::of(node.chainage.get() + side * off)
}

/// All that a node's instrument tells is by an index that is not the glass's.
fn set_index(line: &Line, node: &Node, case: &mut Case) {
    for view in views_at(line, node) {
        case.wire.index.insert(view.id.clone(), 1.005);
    }
}

/// The two fibres of an instrument are on each other's port.
fn swap_ports(line: &Line, node: &Node, case: &mut Case) {
    let ids: Vec<ViewId> = views_at(line, node).iter().map(|v| v.id.clone()).collect();
    let [one, other] = &ids[..] else { return };
    case.wire.swapped.insert(one.clone(), other.clone());
    case.wire.swapped.insert(other.clone(), one.clone());
    case.past = Some(30);
    case.views = views_around(line, case);
    for id in ids {
        if !case.views.contains(&id) {
            case.views.push(id);
        }
    }
}

/// A second cut of the same span 5 km on, before anybody has mended the first.
fn two_soon(line: &Line, case: &mut Case, chance: &mut Chance) {
    let first = case.causes[0].clone();
    let at = first.at.unwrap();
    let [from, to] = nodes_around(line, at);
    let ahead = at.get() + 5_000.0 < to.chainage.get() - 300.0;
    let on = if ahead { 5_000.0 } else { -5_000.0 };
    let also = RouteLength::of((at.get() + on).max(from.chainage.get() + 300.0));
    case.causes[0].also = Some(also);
    let fault = Fault::Cut {
        line: line.id.clone(),
        at: also,
        fibre: None,
    };
    let later = first.since + secs(chance.between(15.0, 120.0));
    case.faults.push((later, fault, Duration::ZERO));
    case.run = secs(400.0);
}

/// A bend that becomes tighter until the glass breaks.
fn growing(line: &Line, case: &mut Case, chance: &mut Chance) {
    let at = case.causes[0].at.unwrap();
    let mut since = case.causes[0].since;
    let mut bends = Vec::new();
    for _ in 0..3 {
        let fault = Fault::Bend {
            line: line.id.clone(),
            at,
            loss: Db::of(chance.between(1.0, 2.5)),
            fibre: None,
        };
        bends.push((since, fault, Duration::ZERO));
        since += secs(chance.between(20.0, 40.0));
    }
    case.faults[0].0 = since;
    case.causes[0].since = since;
    case.faults.splice(0..0, bends);
    case.run = since + secs(45.0);
}

/// A cut is mended, and the cable cut once more beside the new closure.
fn cut_again(line: &Line, case: &mut Case, chance: &mut Chance) {
    let (first, fault) = (case.causes.remove(0), case.faults[0].1.clone());
    let mended = first.since + secs(60.0);
    case.mends.push((mended, fault));
    let at = first.at.unwrap();
    let [from, _] = nodes_around(line, at);
    let on = if at.get() - 40.0 > from.chainage.get() + 5.0 {
        -40.0
    } else {
        40.0
    };
    let again = mended + secs(chance.between(60.0, 300.0));
    case.cut_at(line, RouteLength::of(at.get() + on), (None, again));
    case.run = again + secs(35.0);
}

/// A patch cord in a station that makes contact and loses it again.
fn flapping(line: &Line, case: &mut Case, chance: &mut Chance) {
    let spans: Vec<_> = line.spans().collect();
    let (from, _) = chance.one(&spans);
    let at = RouteLength::of(from.chainage.get() + 2.0);
    let mut since = secs(4.0 + chance.unit());
    let strand = chance.one(&["f1", "f2"]).parse().unwrap();
    case.cut_at(line, at, (Some(strand), since));
    let fault = case.faults[0].1.clone();
    for _ in 0..6 {
        let back = since + secs(chance.between(2.0, 6.0));
        case.mends.push((back, fault.clone()));
        since = back + secs(chance.between(3.0, 25.0));
        case.faults.push((since, fault.clone(), Duration::ZERO));
    }
    case.most_notices = Some(5);
    case.run = since + secs(30.0);
}

/// A shunt fault while the feeding equipment of one end tells nothing.
fn feed_one_end(plant: &Plant, case: &mut Case, chance: &mut Chance) {
    let sea = plant.line(&SEA.parse().unwrap()).unwrap();
    case.shunt(sea, chance);
    let feeds = |d: &&silkline_protocol::plant::Device| {
        d.lines.contains(&sea.id) && d.id.as_str().starts_with("pfe")
    };
    let feeding: Vec<_> = plant.devices.iter().filter(feeds).collect();
    let mute = chance.one(&feeding);
    case.before.push(Fault::Dead {
        site: mute.site.clone(),
        device: mute.id.clone(),
    });
}

/// The mains of a hut fail, and its battery is soon empty.
fn on_battery(line: &Line, case: &mut Case, chance: &mut Chance) {
    let huts = line.nodes.iter().filter(|node| node.kind == NodeKind::Ila);
    let huts: Vec<_> = huts.collect();
    let node = *chance.one(&huts);
    let site = node.site.clone().unwrap();
    let cause = at_node(line, What::Drained(node.id.clone()), chance);
    let since = cause.since;
    let dead = since + secs(chance.between(30.0, 90.0));
    let mains = Fault::Battery { site: site.clone() };
    case.add(cause, mains, secs(305.0));
    case.faults
        .push((dead, Fault::Hut { site }, Duration::ZERO));
    case.run = dead + secs(65.0);
}

/// A digger at a duct in which two lines lie.
fn in_one_duct((plant, land): (&Plant, &Line), odd: Odd, (case, chance): (&mut Case, &mut Chance)) {
    let shared = plant
        .shared
        .iter()
        .find(|s| s.members.iter().any(|m| m.line == land.id))
        .unwrap();
    let other = shared.members.iter().find(|m| m.line != land.id).unwrap();
    let beside = plant.line(&other.line).unwrap();
    let at = RouteLength::of(chance.between(400.0, 5_000.0).round());
    let since = secs(4.0 + chance.unit());
    let there = RouteLength::of((at.get() + chance.between(-5.0, 5.0)).round());
    case.cut_at(land, at, (None, since));
    let later = since + secs(chance.between(0.0, 60.0));
    let cut = |line: &Line, at| Fault::Cut {
        line: line.id.clone(),
        at,
        fibre: None,
    };
    case.faults
        .push((later, cut(beside, there), Duration::ZERO));
    if odd == Odd::TwoLinesLater {
        let bend = Fault::Bend {
            line: beside.id.clone(),
            at: there,
            loss: Db::of(chance.between(3.0, 6.0)),
            fibre: None,
        };
        let first = if chance.happens(0.5) {
            Duration::from_secs(1)
        } else {
            since
        };
        case.faults.push((first, bend, Duration::ZERO));
        case.faults[1].0 = later + secs(40.0);
    }
    case.run = secs(160.0);
}
