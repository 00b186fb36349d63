//! One real cable: where its joints lie on the ground and along the glass.

use std::collections::BTreeMap;

use silkline_protocol::id::{LineId, NodeId};
use silkline_protocol::plant::{Landmark, Line, Node, Toward, View};
use silkline_protocol::unit::{OpticalLength, RouteLength};

use crate::chance::{Chance, Seed};

/// Half of a 95 % interval over its standard deviation, for what is normal.
const NORMAL_95: f64 = 1.96;
/// A hut's place is known this well, in metres: one standard deviation.
const NODE_SIGMA_M: f64 = 0.5;
/// A coil's length is known to this share of it, one standard deviation: the file does not say.
const SLACK_SIGMA: f64 = 0.2;
/// Two places never share a metre: no length between them would have a slope.
const CLOSEST_M: f64 = 0.1;

/// A real cable.
#[derive(Clone, Debug)]
pub struct Cable {
    pub(crate) line: LineId,
    pub(crate) seed: Seed,
    pub(crate) places: Vec<Place>,
}

/// A node or a joint.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Id of the node, or name of the landmark.
    pub(crate) name: String,
    pub(crate) is_node: bool,
    /// True chainage.
    pub(crate) ground_m: f64,
    /// Glass from the line's A end to the middle of the joint.
    pub(crate) glass_m: f64,
    /// Coils before and after.
    pub(crate) coils_m: [f64; 2],
}

impl Cable {
    /// A cable that `line` could describe.
    pub(super) fn of(line: &Line, seed: Seed) -> Self {
        let mut chance = seed.draws(&format!("cable {}", line.id));
        let mut places: Vec<Place> = Vec::new();
        for (from, to) in line.spans() {
            let base_m = places.pop().map_or(0.0, |node| node.glass_m);
            let mut span = Survey::of(line, from, to).drawn(&mut chance);
            for place in &mut span {
                place.glass_m += base_m;
            }
            places.extend(span);
        }
        Self {
            line: line.id.clone(),
            seed,
            places,
        }
    }

    /// How far along the glass from the A end the cable is at `chainage` of the ground.
    #[must_use]
    pub fn glass_at(&self, chainage: RouteLength) -> OpticalLength {
        let (from, to) = self.around(|place| place.ground_m, chainage.get());
        let share = (chainage.get() - from.ground_m) / (to.ground_m - from.ground_m);
        let (start, end) = (from.glass_m + from.coils_m[1], to.glass_m - to.coils_m[0]);
        OpticalLength::of(start + share.clamp(0.0, 1.0) * (end - start))
    }

    /// The true chainage of a place along the glass; inside a coil, of its joint.
    #[must_use]
    pub fn ground_at(&self, glass: OpticalLength) -> RouteLength {
        let (from, to) = self.around(|place| place.glass_m, glass.get());
        let (start, end) = (from.glass_m + from.coils_m[1], to.glass_m - to.coils_m[0]);
        let share = ((glass.get() - start) / (end - start).max(CLOSEST_M)).clamp(0.0, 1.0);
        RouteLength::of(from.ground_m + share * (to.ground_m - from.ground_m))
    }

    /// How far along the glass a node lies from the A end.
    #[must_use]
    pub fn node_glass(&self, node: &NodeId) -> Option<OpticalLength> {
        let is_it = |place: &&Place| place.is_node && place.name == node.as_str();
        self.places
            .iter()
            .find(is_it)
            .map(|place| OpticalLength::of(place.glass_m))
    }

    /// The true chainage of a landmark that is joined into the glass.
    #[must_use]
    pub fn landmark_ground(&self, name: &str) -> Option<RouteLength> {
        let is_it = |place: &&Place| !place.is_node && place.name == name;
        self.places
            .iter()
            .find(is_it)
            .map(|place| RouteLength::of(place.ground_m))
    }

    /// The neighbouring places around `at`; the outermost two beyond the ends.
    fn around(&self, key: impl Fn(&Place) -> f64, at: f64) -> (&Place, &Place) {
        const NOWHERE: &Place = &Place {
            name: String::new(),
            is_node: true,
            ground_m: 0.0,
            glass_m: 0.0,
            coils_m: [0.0, 0.0],
        };
        const FURTHER: &Place = &Place {
            name: String::new(),
            is_node: true,
            ground_m: CLOSEST_M,
            glass_m: CLOSEST_M,
            coils_m: [0.0, 0.0],
        };
        let pairs = || self.places.iter().zip(self.places.iter().skip(1));
        let inside = pairs().find(|(_, to)| at <= key(to));
        inside
            .or_else(|| pairs().next_back())
            .unwrap_or((NOWHERE, FURTHER))
    }
}

/// What the file says about one span.
struct Survey<'a> {
    places: Vec<Surveyed<'a>>,
    /// Excess of the glass over the ground, and its standard deviation.
    excess: [f64; 2],
}

/// What the file says about one place.
struct Surveyed<'a> {
    name: &'a str,
    is_node: bool,
    ground_m: f64,
    sigma_m: f64,
    coils_m: [f64; 2],
    /// Glass from the span's A node and its standard deviation, where somebody measured it.
    glass_m: Option<[f64; 2]>,
}

impl<'a> Survey<'a> {
    fn of(line: &'a Line, from: &'a Node, to: &'a Node) -> Self {
        let looks =
            |view: &&View, node: &Node, toward| view.node == node.id && view.toward == toward;
        let ahead = line.views.iter().find(|view| looks(view, from, Toward::B));
        let back = line.views.iter().find(|view| looks(view, to, Toward::A));
        let ahead = marks(line, ahead);
        let back = marks(line, back);
        let sums = ahead
            .iter()
            .filter_map(|(name, [a, _])| Some(a + back.get(name)?[0]));
        let (count, sum) = sums.fold((0.0, 0.0), |(count, sum), one| (count + 1.0, sum + one));
        let length_m = (count > 0.0).then(|| sum / count);
        let node = |node: &'a Node, glass_m| Surveyed {
            name: node.id.as_str(),
            is_node: true,
            ground_m: node.chainage.get(),
            sigma_m: NODE_SIGMA_M,
            coils_m: [0.0, 0.0],
            glass_m,
        };
        let joint = |landmark: &'a Landmark| {
            let name = landmark.name.as_str();
            let from_b = back
                .get(name)
                .zip(length_m)
                .map(|([b, sigma], l)| [l - b, *sigma]);
            Surveyed {
                name,
                is_node: false,
                ground_m: landmark.at.get(),
                sigma_m: landmark.plus_minus.get() / NORMAL_95,
                coils_m: [landmark.slack_before.get(), landmark.slack_after.get()],
                glass_m: best(ahead.get(name).copied(), from_b),
            }
        };
        let inside =
            |landmark: &&Landmark| from.chainage < landmark.at && landmark.at < to.chainage;
        let mut places = vec![node(from, Some([0.0, 0.0]))];
        let joints = line
            .landmarks
            .iter()
            .filter(inside)
            .filter(|l| is_joint(line, l));
        places.extend(joints.map(joint));
        places.push(node(to, length_m.map(|length_m| [length_m, 0.0])));
        Self {
            places,
            excess: excess(line, from, to),
        }
    }

    /// A stretch of cable that this could be the survey of.
    fn drawn(&self, chance: &mut Chance) -> Vec<Place> {
        let mut glass: Vec<Option<f64>> = Vec::new();
        for place in &self.places {
            glass.push(
                place
                    .glass_m
                    .map(|[at_m, sigma]| at_m + chance.normal(sigma)),
            );
        }
        let links: Vec<Option<Link>> = self.links(&glass);
        let ground = self.ground(&links, chance);
        let mut drawn: Vec<Place> = Vec::new();
        for ((place, ground_m), glass_m) in self.places.iter().zip(ground).zip(glass) {
            let Some(before) = drawn.last_mut() else {
                drawn.push(place.at(ground_m, 0.0, place.coils_m));
                continue;
            };
            let next = self.join(before, (place, ground_m, glass_m), chance);
            drawn.push(next);
        }
        drawn
    }

    /// What the glass says about the ground between neighbours, where both ends are marked.
    fn links(&self, glass: &[Option<f64>]) -> Vec<Option<Link>> {
        let mut links = Vec::new();
        let places = self.places.iter().zip(glass);
        for ((from, start), (to, end)) in places.clone().zip(places.skip(1)) {
            let coils = [from.coils_m[1], to.coils_m[0]];
            let between = start.zip(*end).map(|(start, end)| end - start);
            links.push(between.map(|glass_m| self.link(glass_m, coils)));
        }
        links
    }

    fn link(&self, glass_m: f64, coils: [f64; 2]) -> Link {
        let [excess, sigma] = self.excess;
        let ground_m = (glass_m - coils.iter().sum::<f64>()) / (1.0 + excess);
        let of_coils = coils.map(|coil| (coil * SLACK_SIGMA).powi(2));
        let variance = (sigma * ground_m).powi(2) + of_coils.iter().sum::<f64>();
        Link {
            ground_m,
            variance: variance.max(1e-6),
        }
    }

    /// Positions on the ground: a Kalman filter forward, then a sample backward.
    fn ground(&self, links: &[Option<Link>], chance: &mut Chance) -> Vec<f64> {
        let mut filtered: Vec<[f64; 2]> = Vec::new();
        for (place, link) in self.places.iter().zip(core::iter::once(&None).chain(links)) {
            let seen = [place.ground_m, place.sigma_m.powi(2).max(1e-6)];
            let ahead = filtered.last().zip(link.as_ref());
            filtered.push(ahead.map_or(seen, |([mean, variance], link)| {
                merge([mean + link.ground_m, variance + link.variance], seen)
            }));
        }
        let mut ground: Vec<f64> = Vec::new();
        let links_back = core::iter::once(None).chain(links.iter().rev().map(Option::as_ref));
        for ([mean, variance], link) in filtered.iter().rev().zip(links_back) {
            let here = match (ground.last(), link) {
                (Some(next), Some(link)) => {
                    merge([*mean, *variance], [next - link.ground_m, link.variance])
                }
                _ => [*mean, *variance],
            };
            let limit = ground.last().map_or(f64::INFINITY, |next| next - CLOSEST_M);
            ground.push((here[0] + chance.normal(here[1].sqrt())).min(limit));
        }
        ground.reverse();
        ground
    }

    /// The next place behind `before`: excess and coils drawn, then made to fit the glass, each
    /// taking its share of what is left over by its variance.
    fn join(
        &self,
        before: &mut Place,
        (place, ground_m, glass_m): (&Surveyed<'_>, f64, Option<f64>),
        chance: &mut Chance,
    ) -> Place {
        let [excess, sigma] = self.excess;
        let run_m = ground_m - before.ground_m;
        let sigmas = [
            run_m * sigma,
            before.coils_m[1] * SLACK_SIGMA,
            place.coils_m[0] * SLACK_SIGMA,
        ];
        let mean = [run_m * (1.0 + excess), before.coils_m[1], place.coils_m[0]];
        let mut parts = [0.0; 3];
        for ((part, mean), sigma) in parts.iter_mut().zip(mean).zip(sigmas) {
            *part = mean + chance.normal(sigma);
        }
        let variance = sigmas
            .iter()
            .map(|sigma| sigma * sigma)
            .sum::<f64>()
            .max(1e-9);
        let left = glass_m.map_or(0.0, |at_m| {
            at_m - before.glass_m - parts.iter().sum::<f64>()
        });
        for (part, sigma) in parts.iter_mut().zip(sigmas) {
            *part = (*part + left * sigma * sigma / variance).max(0.0);
        }
        let [run, after, ahead] = parts;
        before.coils_m[1] = after;
        let after_joint = place.coils_m[1];
        place.at(
            ground_m,
            before.glass_m + run.max(CLOSEST_M) + after + ahead,
            [ahead, after_joint],
        )
    }
}

/// What the glass says about the ground between two neighbours.
struct Link {
    ground_m: f64,
    variance: f64,
}

impl Surveyed<'_> {
    fn at(&self, ground_m: f64, glass_m: f64, coils_m: [f64; 2]) -> Place {
        let name = self.name.to_owned();
        Place {
            name,
            is_node: self.is_node,
            ground_m,
            glass_m,
            coils_m,
        }
    }
}

/// Two independent statements about one number, each a mean and a variance.
fn merge([a, var_a]: [f64; 2], [b, var_b]: [f64; 2]) -> [f64; 2] {
    let sum = var_a + var_b;
    [(a * var_b + b * var_a) / sum, var_a * var_b / sum]
}

/// The better of two measurements of the same glass, or both together.
fn best(a: Option<[f64; 2]>, b: Option<[f64; 2]>) -> Option<[f64; 2]> {
    match (a, b) {
        (Some([a, sigma_a]), Some([b, sigma_b])) => {
            let [mean, variance] = merge(
                [a, sigma_a.powi(2).max(1e-6)],
                [b, sigma_b.powi(2).max(1e-6)],
            );
            Some([mean, variance.sqrt()])
        }
        (one, other) => one.or(other),
    }
}

/// Whether a landmark is joined into the glass, and not only something that stands beside it.
fn is_joint(line: &Line, landmark: &Landmark) -> bool {
    let coils = landmark.slack_before + landmark.slack_after;
    coils.get() > 0.0
        || ["closure", "joint", "beach-manhole"].contains(&landmark.kind.as_str())
        || line.marks.iter().any(|mark| mark.landmark == landmark.name)
}

/// Marks of a view by landmark, each with its standard deviation; of several the latest.
fn marks<'a>(line: &'a Line, view: Option<&View>) -> BTreeMap<&'a str, [f64; 2]> {
    let of_view = line
        .marks
        .iter()
        .filter(|mark| view.is_some_and(|view| mark.view == view.id));
    let mut sorted: Vec<_> = of_view.collect();
    sorted.sort_by_key(|mark| mark.valid_from);
    let read = |mark: &&'a silkline_protocol::plant::Mark| {
        (
            mark.landmark.as_str(),
            [mark.optical.get(), mark.plus_minus.get() / NORMAL_95],
        )
    };
    sorted.iter().map(read).collect()
}

/// Excess in the middle of a span and its standard deviation.
fn excess(line: &Line, from: &Node, to: &Node) -> [f64; 2] {
    /// Loose-tube cable where the file says nothing.
    const USUAL: [f64; 2] = [0.01, 0.005];
    let middle = (from.chainage + to.chainage) * 0.5;
    let section = line
        .sections
        .iter()
        .find(|section| section.from <= middle && middle <= section.to);
    section.map_or(USUAL, |section| {
        [section.excess, section.excess_plus_minus / NORMAL_95]
    })
}

#[cfg(test)]
mod tests;
