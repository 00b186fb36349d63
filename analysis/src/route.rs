//! From chainage to the ground: coordinates, landmarks on both sides, kilometre posts, depth.
//!
//! [`Ground`] is one line's geometry, stretched so that it fits the chainage, which is
//! authoritative. What turns glass into chainage is [`chain`]; nothing else in the workspace
//! converts lengths, and the simulator has its own way on purpose.

pub mod advise;
pub mod chain;
mod found;

pub use self::found::Nearest;

use silkline_protocol::plant::{Coordinates, Line, NodeKind, Plant, Section};
use silkline_protocol::unit::RouteLength;

use crate::place::{Beside, rounded, to_mm};

/// Mean radius of the earth, in metres (IUGG).
const EARTH_M: f64 = 6_371_008.8;

/// A line as it lies on the ground.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    plant: &'a Plant,
    line: &'a Line,
    vertices: Vec<(f64, Coordinates)>,
}

impl<'a> Ground<'a> {
    /// The ground of `line`; where it has no route, straight between the sites of its nodes.
    #[must_use]
    pub fn of(plant: &'a Plant, line: &'a Line) -> Self {
        let vertices = if line.route.len() >= 2 {
            stretched(line)
        } else {
            by_sites(plant, line)
        };
        Self {
            plant,
            line,
            vertices,
        }
    }

    /// The coordinates of a chainage, where the geometry reaches it.
    #[must_use]
    pub fn at(&self, chainage: RouteLength) -> Option<Coordinates> {
        let x = chainage.get();
        let next = self.vertices.iter().skip(1);
        let (from, to) = self
            .vertices
            .iter()
            .zip(next)
            .find(|(from, to)| from.0 <= x && x <= to.0)?;
        let share = if to.0 > from.0 {
            (x - from.0) / (to.0 - from.0)
        } else {
            0.0
        };
        let between = along_great_circle(from.1, to.1, share);
        Some(Coordinates {
            lat: rounded(between.lat, 1e6),
            lon: rounded(between.lon, 1e6),
        })
    }

    /// The known place at or before a chainage, seen from A.
    #[must_use]
    pub fn before(&self, chainage: RouteLength) -> Option<Beside> {
        let nearer =
            |a: &(String, RouteLength), b: &(String, RouteLength)| a.1.get().total_cmp(&b.1.get());
        let (landmark, at) = self
            .known_places()
            .filter(|(_, at)| *at <= chainage)
            .max_by(nearer)?;
        Some(Beside {
            landmark,
            offset_m: to_mm(chainage - at),
        })
    }

    /// The known place after a chainage, seen from A.
    #[must_use]
    pub fn after(&self, chainage: RouteLength) -> Option<Beside> {
        let nearer =
            |a: &(String, RouteLength), b: &(String, RouteLength)| a.1.get().total_cmp(&b.1.get());
        let (landmark, at) = self
            .known_places()
            .filter(|(_, at)| *at > chainage)
            .min_by(nearer)?;
        Some(Beside {
            landmark,
            offset_m: to_mm(chainage - at),
        })
    }

    /// The kilometre post before a chainage, in the order in which the posts are numbered.
    #[must_use]
    pub fn post(&self, chainage: RouteLength) -> Option<String> {
        let posts = &self.line.posts;
        let before = posts.iter().rev().find(|post| post.chainage <= chainage);
        let after = posts.iter().find(|post| post.chainage > chainage);
        let number = |name: &str| name.parse::<f64>().ok();
        let falling = match (before, after) {
            (Some(before), Some(after)) => number(&before.name)
                .zip(number(&after.name))
                .is_some_and(|(before, after)| after < before),
            _ => false,
        };
        let post = if falling { after } else { before }?;
        let metres = (chainage - post.chainage).abs().get();
        Some(format!("{}+{metres:03.0}", post.name))
    }

    /// The section that holds a chainage.
    #[must_use]
    pub fn section(&self, chainage: RouteLength) -> Option<&'a Section> {
        self.line
            .sections
            .iter()
            .find(|s| (s.from..=s.to).contains(&chainage))
    }

    /// What people call the place at a node: the name of its site, or its id.
    #[must_use]
    pub fn node_name(&self, node: &silkline_protocol::plant::Node) -> String {
        let site = node.site.as_ref().and_then(|id| self.plant.site(id));
        site.map_or_else(|| node.id.to_string(), |site| site.name.clone())
    }

    /// Landmarks, and the nodes that have no landmark at their own place.
    fn known_places(&self) -> impl Iterator<Item = (String, RouteLength)> + '_ {
        let landmarks = self.line.landmarks.iter().map(|l| (l.name.clone(), l.at));
        let nodes = self.line.nodes.iter().filter(|node| {
            let beside = |l: &silkline_protocol::plant::Landmark| {
                (l.at - node.chainage).abs() < RouteLength::of(1.0)
            };
            node.kind != NodeKind::Joint && !self.line.landmarks.iter().any(beside)
        });
        landmarks.chain(nodes.map(|node| (self.node_name(node), node.chainage)))
    }
}

/// The route's vertices with a chainage each: those the file states are kept, the others lie
/// between them in proportion to the distance over the ground.
fn stretched(line: &Line) -> Vec<(f64, Coordinates)> {
    let mut run = Vec::with_capacity(line.route.len());
    let mut sum = 0.0;
    let mut last: Option<Coordinates> = None;
    for point in &line.route {
        sum += last.map_or(0.0, |last| great_circle_m(last, point.at));
        last = Some(point.at);
        run.push((sum, point));
    }
    let mut anchors: Vec<(f64, f64)> = run
        .iter()
        .filter_map(|(sum, p)| Some((*sum, p.chainage?.get())))
        .collect();
    if run.first().is_some_and(|(_, p)| p.chainage.is_none()) {
        anchors.insert(0, (0.0, 0.0));
    }
    if run.last().is_some_and(|(_, p)| p.chainage.is_none()) {
        anchors.push((sum, line.length().get()));
    }
    run.into_iter()
        .map(|(sum, p)| (interpolated(&anchors, sum), p.at))
        .collect()
}

/// The nodes' sites as vertices.
fn by_sites(plant: &Plant, line: &Line) -> Vec<(f64, Coordinates)> {
    let at = |node: &silkline_protocol::plant::Node| {
        let site = plant.site(node.site.as_ref()?)?;
        Some((node.chainage.get(), site.at?))
    };
    line.nodes.iter().filter_map(at).collect()
}

/// The value at `x` on the line through rising `(x, value)` anchors.
fn interpolated(anchors: &[(f64, f64)], x: f64) -> f64 {
    let mut pairs = anchors.iter().zip(anchors.iter().skip(1));
    let held = pairs
        .clone()
        .find(|(_, to)| x <= to.0)
        .or_else(|| pairs.next_back());
    held.map_or_else(
        || anchors.first().map_or(x, |anchor| anchor.1),
        |(from, to)| {
            let width = to.0 - from.0;
            let share = if width > 0.0 {
                (x - from.0) / width
            } else {
                0.0
            };
            (to.1 - from.1).mul_add(share, from.1)
        },
    )
}

/// Distance over the ground, on a sphere: within 0.5 %, and it only sets proportions.
fn great_circle_m(from: Coordinates, to: Coordinates) -> f64 {
    let (a, b) = (unit_vector(from), unit_vector(to));
    EARTH_M * angle(a, b)
}

fn along_great_circle(from: Coordinates, to: Coordinates, share: f64) -> Coordinates {
    let (a, b) = (unit_vector(from), unit_vector(to));
    let whole = angle(a, b);
    if whole < 1e-12 {
        return from;
    }
    let (wa, wb) = (((1.0 - share) * whole).sin(), (share * whole).sin());
    let [x, y, z] = core::array::from_fn(|k| {
        let of = |v: [f64; 3]| v.get(k).copied().unwrap_or_default();
        wa.mul_add(of(a), wb * of(b))
    });
    Coordinates {
        lat: z.atan2(x.hypot(y)).to_degrees(),
        lon: y.atan2(x).to_degrees(),
    }
}

fn unit_vector(at: Coordinates) -> [f64; 3] {
    let (lat, lon) = (at.lat.to_radians(), at.lon.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
    let chord: f64 = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt();
    if dot > 0.9 {
        2.0 * (chord / 2.0).asin()
    } else {
        dot.clamp(-1.0, 1.0).acos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn geometry_is_stretched_to_the_chainage() {
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        let start = ground.at(RouteLength::of(0.0)).unwrap();
        let end = ground.at(plant.lines[0].length()).unwrap();
        assert!((start.lat - 40.68).abs() < 1e-6 && (end.lon - 45.63).abs() < 1e-6);
        let middle = ground.at(RouteLength::of(40_000.0)).unwrap();
        assert!(middle.lat > start.lat && middle.lat < end.lat);
        assert!(ground.at(RouteLength::of(1e6)).is_none());
    }

    #[test]
    fn a_place_lies_between_its_landmarks_with_signs() {
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        let here = RouteLength::of(9_000.0);
        let (before, after) = (ground.before(here).unwrap(), ground.after(here).unwrap());
        assert_eq!(
            (before.landmark.as_str(), after.landmark.as_str()),
            ("C-2", "C-3")
        );
        assert!((before.offset_m.get() - 1000.0).abs() < 1e-9);
        assert!((after.offset_m.get() + 3000.0).abs() < 1e-9);
        assert_eq!(
            ground.before(RouteLength::of(10.0)).unwrap().landmark,
            "Ganja"
        );
    }

    #[test]
    fn posts_count_in_their_own_direction() {
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        assert_eq!(ground.post(RouteLength::of(10_300.0)).unwrap(), "369+700");
    }
}
