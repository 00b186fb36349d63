//! What goes wrong in a case, and what an operator ought to be told of it.

use std::time::Duration;

use silkline_collector::engine::settings::Planned;
use silkline_protocol::id::{DeviceId, FibreId, LineId, NodeId, SiteId, ViewId};
use silkline_protocol::plant::{Direction, Line, NodeKind, Plant, Toward, View};
use silkline_protocol::unit::{Db, RouteLength};
use silkline_sim::fault::Fault;

use crate::bed::{Noise, Wire};
use crate::chance::Chance;
use crate::mistake::Mistake;
use crate::odd::{self, Odd};

/// Rows of the report, with how many of a thousand cases each gets.
const USUAL: [(Kind, usize); 21] = [
    (Kind::Cut, 160),
    (Kind::CutInNoise, 60),
    (Kind::CutBesideMissingStation, 60),
    (Kind::CutBesideWrongLandmark, 70),
    (Kind::CutBesideMissingLandmark, 50),
    (Kind::StrandCut, 80),
    (Kind::Bend, 80),
    (Kind::SmallBend, 50),
    (Kind::BendWhenYoung, 30),
    (Kind::Amplifier, 70),
    (Kind::Repeater, 30),
    (Kind::Pump, 20),
    (Kind::Hut, 50),
    (Kind::SeaCut, 40),
    (Kind::Shunt, 40),
    (Kind::TwoCuts, 30),
    (Kind::TwoCutsOneSpan, 20),
    (Kind::CutAndHut, 20),
    (Kind::CutAndBend, 20),
    (Kind::Battery, 10),
    (Kind::Dead, 10),
];

/// How many of a thousand usual cases are drawn of each odd kind besides.
const ODD: usize = 15;

/// Every kind of case, with how many of a thousand usual ones it gets.
pub(crate) fn mix() -> impl Iterator<Item = (Kind, usize)> {
    let odd = odd::ALL.into_iter().map(|odd| (Kind::Odd(odd), ODD));
    USUAL.into_iter().chain(odd)
}

/// A kind of case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Cut,
    CutInNoise,
    CutBesideMissingStation,
    CutBesideWrongLandmark,
    CutBesideMissingLandmark,
    StrandCut,
    Bend,
    SmallBend,
    BendWhenYoung,
    Amplifier,
    Repeater,
    Pump,
    Hut,
    SeaCut,
    Shunt,
    TwoCuts,
    TwoCutsOneSpan,
    CutAndHut,
    CutAndBend,
    Battery,
    Dead,
    Odd(Odd),
}

impl Kind {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::CutInNoise => "cut, noisy polls",
            Self::CutBesideMissingStation => "cut, a station missing",
            Self::CutBesideWrongLandmark => "cut, landmark wrong by 100 m",
            Self::CutBesideMissingLandmark => "cut, landmark missing",
            Self::StrandCut => "one strand cut",
            Self::Bend => "bend, 3 to 8 dB",
            Self::SmallBend => "bend, 1.2 to 3 dB",
            Self::BendWhenYoung => "bend, two minutes of past",
            Self::Amplifier => "amplifier failed",
            Self::Repeater => "repeater failed",
            Self::Pump => "pump worn out",
            Self::Hut => "hut without power",
            Self::SeaCut => "cut at sea",
            Self::Shunt => "shunt fault",
            Self::TwoCuts => "two cuts, two spans",
            Self::TwoCutsOneSpan => "two cuts, one span",
            Self::CutAndHut => "cut and a hut's mains",
            Self::CutAndBend => "cut, then a bend elsewhere",
            Self::Battery => "mains lost",
            Self::Dead => "device silent",
            Self::Odd(odd) => odd.words(),
        }
    }

    /// Whether traces are to say where it is.
    pub(crate) const fn is_placed(self) -> bool {
        if let Self::Odd(odd) = self {
            return odd.is_placed();
        }
        matches!(
            self,
            Self::Cut
                | Self::CutInNoise
                | Self::CutBesideMissingStation
                | Self::CutBesideWrongLandmark
                | Self::CutBesideMissingLandmark
                | Self::Bend
                | Self::SmallBend
                | Self::TwoCuts
                | Self::CutAndHut
                | Self::CutAndBend
                | Self::BendWhenYoung
        )
    }
}

/// One cause, as it truly is.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) line: LineId,
    pub(crate) what: What,
    /// `node..node`, where it is on a cable.
    pub(crate) span: Option<String>,
    pub(crate) at: Option<RouteLength>,
    /// Where the cable is broken too, by the same cause.
    pub(crate) also: Option<RouteLength>,
    pub(crate) since: Duration,
}

/// What a cause is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Break,
    Fade,
    Node(NodeId),
    Pump(NodeId),
    Feed,
    Supply(SiteId),
    Device(SiteId, DeviceId),
    /// A hut whose mains failed and whose battery is empty since.
    Drained(NodeId),
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) causes: Vec<Cause>,
    /// Each with its time after the start, and how long before it began to wear.
    pub(crate) faults: Vec<(Duration, Fault, Duration)>,
    pub(crate) noise: Noise,
    /// Seconds since the collector was started for the first time; half a day where none.
    pub(crate) past: Option<u64>,
    /// Stations without an agent, and the views that were shot before.
    pub(crate) hush: Vec<SiteId>,
    pub(crate) views: Vec<ViewId>,
    pub(crate) mistake: Option<Mistake>,
    pub(crate) wire: Wire,
    /// What was wrong long before, and agents that were gone.
    pub(crate) before: Vec<Fault>,
    pub(crate) gone: Vec<SiteId>,
    pub(crate) mends: Vec<(Duration, Fault)>,
    /// When the collector is away.
    pub(crate) away: Option<[Duration; 2]>,
    /// A shot from before the fault: of what view, when it comes, and whether it is marked as late.
    pub(crate) stray: Option<(ViewId, Duration, bool)>,
    pub(crate) planned: Vec<Planned>,
    pub(crate) most_notices: Option<usize>,
    pub(crate) run: Duration,
}

pub(crate) const LAND: &str = "baku-poti";
pub(crate) const SEA: &str = "sumgait-aktau";

/// A poor day: polls that are lost or wrong, late answers, meters that flicker.
const NOISY: Noise = Noise {
    lost: 0.04,
    bad: 0.03,
    delay_ms: 400.0,
    meter_db: 0.2,
};

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Case {
    /// One in which nothing happens yet.
    fn quiet(kind: Kind, seed: u64) -> Self {
        Self {
            seed,
            kind,
            causes: Vec::new(),
            faults: Vec::new(),
            noise: Noise::default(),
            past: None,
            hush: Vec::new(),
            views: Vec::new(),
            mistake: None,
            wire: Wire::default(),
            before: Vec::new(),
            gone: Vec::new(),
            mends: Vec::new(),
            away: None,
            stray: None,
            planned: Vec::new(),
            most_notices: None,
            run: secs(32.0),
        }
    }
}

/// The case of `kind` that follows from `seed`.
pub(crate) fn draw(plant: &Plant, kind: Kind, seed: u64) -> Case {
    let mut chance = Chance::new(seed, kind.words());
    let land = plant.line(&LAND.parse().unwrap()).unwrap();
    let sea = plant.line(&SEA.parse().unwrap()).unwrap();
    let mut case = Case::quiet(kind, seed);
    let chance = &mut chance;
    match kind {
        Kind::Cut => case.cut(land, None, chance),
        Kind::CutInNoise => {
            case.cut(land, None, chance);
            case.noise = NOISY;
        }
        Kind::CutBesideMissingStation => {
            case.cut(land, None, chance);
            case.miss_station(land, chance);
        }
        Kind::CutBesideWrongLandmark => {
            case.cut(land, None, chance);
            let by = if chance.happens(0.5) { 100.0 } else { -100.0 };
            case.mistake = beside(land, &case, chance).map(|name| Mistake::Wrong(name, by));
        }
        Kind::CutBesideMissingLandmark => {
            case.cut(land, None, chance);
            case.mistake = beside(land, &case, chance).map(Mistake::Missing);
        }
        Kind::StrandCut => {
            let strand = chance.one(&["f1", "f2"]).parse().unwrap();
            case.cut(land, Some(strand), chance);
        }
        Kind::Bend => case.bend(land, chance.between(3.0, 8.0), chance),
        Kind::SmallBend => case.bend(land, chance.between(1.2, 3.0), chance),
        Kind::BendWhenYoung => {
            case.bend(land, chance.between(3.0, 8.0), chance);
            case.past = Some(20 + u64::try_from(chance.below(100)).unwrap());
            case.views = views_around(land, &case);
        }
        Kind::Amplifier => case.amplifier(land, NodeKind::Ila, chance),
        Kind::Repeater => case.amplifier(sea, NodeKind::Repeater, chance),
        Kind::Pump => case.pump(plant, land, chance),
        Kind::Hut => case.hut(land, chance),
        Kind::SeaCut => case.cut(sea, None, chance),
        Kind::Shunt => case.shunt(sea, chance),
        Kind::TwoCuts => case.two_cuts(land, chance),
        Kind::TwoCutsOneSpan => case.torn(land, chance),
        Kind::CutAndHut => {
            case.cut(land, None, chance);
            case.battery(land, chance);
        }
        Kind::CutAndBend => {
            case.cut(land, None, chance);
            case.bend_elsewhere(land, chance);
        }
        Kind::Battery => case.battery(land, chance),
        Kind::Dead => case.dead(plant, chance),
        Kind::Odd(odd) => odd::draw((plant, land), odd, (&mut case, chance)),
    }
    case
}

/// A landmark next to the case's place that traces show.
fn beside(line: &Line, case: &Case, chance: &mut Chance) -> Option<String> {
    let at = case.causes.first()?.at?;
    let marked = |name: &str| line.marks.iter().any(|mark| mark.landmark == name);
    let joints = || {
        line.landmarks
            .iter()
            .filter(|landmark| marked(&landmark.name))
    };
    let before = joints().rfind(|landmark| landmark.at < at);
    let after = joints().find(|landmark| landmark.at >= at);
    let (from, to) = line.span_at(at)?;
    let inside =
        |l: &&silkline_protocol::plant::Landmark| from.chainage < l.at && l.at < to.chainage;
    let both: Vec<_> = [before, after]
        .into_iter()
        .flatten()
        .filter(inside)
        .collect();
    (!both.is_empty()).then(|| chance.one(&both).name.clone())
}

/// The views that look at the case's place from both sides.
pub(crate) fn views_around(line: &Line, case: &Case) -> Vec<ViewId> {
    let Some((from, to)) = case.causes[0].at.and_then(|at| line.span_at(at)) else {
        return Vec::new();
    };
    let looks = |view: &&View| match view.toward {
        Toward::B => view.node == from.id,
        Toward::A => view.node == to.id,
    };
    line.views
        .iter()
        .filter(looks)
        .map(|view| view.id.clone())
        .collect()
}

fn span_name(line: &Line, at: RouteLength) -> String {
    let (from, to) = line.span_at(at).unwrap();
    format!("{}..{}", from.id, to.id)
}

/// Somewhere on a cable, not in a station's own yard.
pub(crate) fn somewhere(line: &Line, chance: &mut Chance) -> RouteLength {
    let spans: Vec<_> = line.spans().collect();
    let mut left = chance.unit() * line.length().get();
    for (from, to) in spans {
        let length = (to.chainage - from.chainage).get();
        if left <= length {
            let at = from.chainage.get() + left.clamp(300.0, length - 300.0);
            return RouteLength::of((at * 1000.0).round() / 1000.0);
        }
        left -= length;
    }
    RouteLength::of(line.length().get() / 2.0)
}

impl Case {
    pub(crate) fn add(&mut self, cause: Cause, fault: Fault, worn: Duration) {
        self.faults.push((cause.since, fault, worn));
        self.causes.push(cause);
    }

    fn cut(&mut self, line: &Line, fibre: Option<FibreId>, chance: &mut Chance) {
        let at = somewhere(line, chance);
        let since = secs(4.0 + chance.unit());
        self.cut_at(line, at, (fibre, since));
    }

    pub(crate) fn cut_at(
        &mut self,
        line: &Line,
        at: RouteLength,
        how: (Option<FibreId>, Duration),
    ) {
        let (fibre, since) = how;
        let fault = Fault::Cut {
            line: line.id.clone(),
            at,
            fibre,
        };
        let cause = Cause {
            line: line.id.clone(),
            what: What::Break,
            span: Some(span_name(line, at)),
            at: Some(at),
            also: None,
            since,
        };
        self.add(cause, fault, Duration::ZERO);
    }

    fn bend(&mut self, line: &Line, loss: f64, chance: &mut Chance) {
        let at = somewhere(line, chance);
        let fault = Fault::Bend {
            line: line.id.clone(),
            at,
            loss: Db::of(loss),
            fibre: None,
        };
        let cause = Cause {
            line: line.id.clone(),
            what: What::Fade,
            span: Some(span_name(line, at)),
            at: Some(at),
            also: None,
            since: secs(4.0 + chance.unit()),
        };
        self.add(cause, fault, Duration::ZERO);
        self.run = secs(45.0);
    }

    /// A bend in another span than the cut's, while that is still fresh.
    fn bend_elsewhere(&mut self, line: &Line, chance: &mut Chance) {
        let cut = self.causes[0].clone();
        self.bend(line, chance.between(3.0, 8.0), chance);
        while self.causes[1].span == cut.span {
            self.causes.pop();
            self.faults.pop();
            self.bend(line, chance.between(3.0, 8.0), chance);
        }
        let later = cut.since + secs(chance.between(5.0, 15.0));
        self.causes[1].since = later;
        self.faults[1].0 = later;
        self.run = secs(60.0);
    }

    fn two_cuts(&mut self, line: &Line, chance: &mut Chance) {
        let first = somewhere(line, chance);
        let mut second = somewhere(line, chance);
        while span_name(line, second) == span_name(line, first) {
            second = somewhere(line, chance);
        }
        let since = secs(4.0 + chance.unit());
        let later = since + secs(chance.between(0.0, 12.0));
        self.cut_at(line, first, (None, since));
        self.cut_at(line, second, (None, later));
        self.run = secs(45.0);
    }

    /// An anchor drags the cable: it is broken at two places of one span at once.
    fn torn(&mut self, line: &Line, chance: &mut Chance) {
        self.cut(line, None, chance);
        let cause = &mut self.causes[0];
        let at = cause.at.unwrap();
        let (from, to) = line.span_at(at).unwrap();
        let (low, high) = (from.chainage.get() + 300.0, to.chainage.get() - 300.0);
        let length = 10.0_f64.powf(chance.between(2.0, 4.0));
        let further = at.get()
            + if at.get() + length < high {
                length
            } else {
                -length
            };
        let also = RouteLength::of(further.clamp(low, high));
        cause.also = Some(also);
        let fault = Fault::Cut {
            line: line.id.clone(),
            at: also,
            fibre: None,
        };
        let since = cause.since;
        self.faults.push((since, fault, Duration::ZERO));
    }

    fn miss_station(&mut self, line: &Line, chance: &mut Chance) {
        let at = self.causes[0].at.unwrap();
        let inner: Vec<_> = line
            .nodes
            .iter()
            .filter(|n| n.kind == NodeKind::Ila)
            .collect();
        let mut near = inner.clone();
        near.sort_by(|a, b| {
            let apart = |n: &silkline_protocol::plant::Node| (n.chainage - at).abs().get();
            apart(a).total_cmp(&apart(b))
        });
        // One of the three nearest: beside the cut, or one further on.
        let node = near[chance.below(3)];
        self.hush = vec![node.site.clone().unwrap()];
        self.past = Some(12);
        self.views = views_around(line, self);
    }

    fn amplifier(&mut self, line: &Line, kind: NodeKind, chance: &mut Chance) {
        let nodes: Vec<_> = line.nodes.iter().filter(|node| node.kind == kind).collect();
        let node = chance.one(&nodes).id.clone();
        let directions = [Some(Direction::AToB), Some(Direction::BToA), None];
        let fault = Fault::Amplifier {
            line: line.id.clone(),
            node: node.clone(),
            direction: *chance.one(&directions),
        };
        let cause = at_node(line, What::Node(node), chance);
        self.add(cause, fault, Duration::ZERO);
        self.run = secs(25.0);
    }

    fn pump(&mut self, plant: &Plant, line: &Line, chance: &mut Chance) {
        // Others tell no pump current: of a pump they show nothing in time.
        let tells = |node: &&silkline_protocol::plant::Node| {
            let mut devices = plant.devices.iter();
            devices.any(|d| {
                node.site.as_ref() == Some(&d.site) && d.profile.as_str() == "silkline-edfa"
            })
        };
        let inner = line.nodes.iter().filter(|node| node.kind == NodeKind::Ila);
        let nodes: Vec<_> = inner.filter(tells).collect();
        let node = chance.one(&nodes).id.clone();
        let fault = Fault::Pump {
            line: line.id.clone(),
            node: node.clone(),
        };
        let cause = at_node(line, What::Pump(node), chance);
        self.add(cause, fault, secs(20.0));
        self.run = secs(150.0);
    }

    fn hut(&mut self, line: &Line, chance: &mut Chance) {
        let nodes: Vec<_> = line
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Ila)
            .collect();
        let node = *chance.one(&nodes);
        let fault = Fault::Hut {
            site: node.site.clone().unwrap(),
        };
        let cause = at_node(line, What::Node(node.id.clone()), chance);
        self.add(cause, fault, Duration::ZERO);
        self.run = secs(65.0);
    }

    pub(crate) fn shunt(&mut self, line: &Line, chance: &mut Chance) {
        let at = somewhere(line, chance);
        let fault = Fault::Feed {
            line: line.id.clone(),
            at,
        };
        let cause = Cause {
            at: Some(at),
            ..at_node(line, What::Feed, chance)
        };
        self.add(cause, fault, Duration::ZERO);
        self.run = secs(25.0);
    }

    fn battery(&mut self, line: &Line, chance: &mut Chance) {
        let nodes: Vec<_> = line
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Ila)
            .collect();
        let site = chance.one(&nodes).site.clone().unwrap();
        let cause = at_node(line, What::Supply(site.clone()), chance);
        // The battery has held out for five minutes and passes its alarm while we look.
        self.add(cause, Fault::Battery { site }, secs(305.0));
        self.run = secs(50.0);
    }

    fn dead(&mut self, plant: &Plant, chance: &mut Chance) {
        let land = plant.line(&LAND.parse().unwrap()).unwrap();
        let own = |d: &&silkline_protocol::plant::Device| d.lines == [land.id.clone()];
        let devices: Vec<_> = plant.devices.iter().filter(own).collect();
        let device = *chance.one(&devices);
        let (site, id) = (device.site.clone(), device.id.clone());
        let cause = at_node(land, What::Device(site.clone(), id.clone()), chance);
        self.add(cause, Fault::Dead { site, device: id }, Duration::ZERO);
        self.run = secs(60.0);
    }
}

pub(crate) fn at_node(line: &Line, what: What, chance: &mut Chance) -> Cause {
    Cause {
        line: line.id.clone(),
        what,
        span: None,
        at: None,
        also: None,
        since: secs(4.0 + chance.unit()),
    }
}
