//! From what a crew says to chainage: coordinates, kilometre posts, landmarks.

use silkline_protocol::plant::Coordinates;
use silkline_protocol::unit::RouteLength;

use super::{EARTH_M, Ground, along_great_circle, angle, interpolated, unit_vector};
use crate::place::to_mm;

/// A place off the route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The place on the line that is nearest.
    pub chainage: RouteLength,
    /// How far it is from there over the ground.
    pub aside: RouteLength,
}

impl Ground<'_> {
    /// The place on the line that is nearest to `at`; nothing where the line has no geometry.
    #[must_use]
    pub fn nearest(&self, at: Coordinates) -> Option<Nearest> {
        let pairs = self.vertices.iter().zip(self.vertices.iter().skip(1));
        let of = |((from, a), (to, b)): (&(f64, Coordinates), &(f64, Coordinates))| {
            let share = share_of(*a, *b, at);
            let aside = EARTH_M * apart(*a, *b, share, at);
            (interpolated(&[(0.0, *from), (1.0, *to)], share), aside)
        };
        let nearest = pairs.map(of).min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.map(|(chainage, aside)| Nearest {
            chainage: to_mm(RouteLength::of(chainage)),
            aside: to_mm(RouteLength::of(aside)),
        })
    }

    /// The place that `214+320` names: metres past a kilometre post, in the order of its numbers.
    #[must_use]
    pub fn at_post(&self, text: &str) -> Option<RouteLength> {
        let (name, metres) = text
            .trim()
            .split_once('+')
            .unwrap_or_else(|| (text.trim(), "0"));
        let metres: f64 = metres.trim().parse().ok()?;
        let posts = &self.line.posts;
        let own = posts.iter().position(|post| post.name == name.trim())?;
        let post = posts.get(own)?;
        let number = |k: usize| posts.get(k).and_then(|post| post.name.parse::<f64>().ok());
        let beside = number(own + 1).map(|next| (number(own), next));
        let before = own.checked_sub(1).and_then(number);
        let falling = match (beside, before) {
            (Some((Some(own), next)), _) => next < own,
            (_, Some(before)) => number(own).is_some_and(|own| own < before),
            _ => false,
        };
        let sign = if falling { -1.0 } else { 1.0 };
        self.within(post.chainage + RouteLength::of(sign * metres))
    }

    /// The place `offset` past a landmark or node, towards B where it is positive.
    #[must_use]
    pub fn at_landmark(&self, name: &str, offset: RouteLength) -> Option<RouteLength> {
        let is_named = |known: &str| known.eq_ignore_ascii_case(name.trim());
        let landmarks = self.line.landmarks.iter();
        let landmark = landmarks.filter(|it| is_named(&it.name)).map(|it| it.at);
        let nodes = self.line.nodes.iter();
        let node = nodes
            .filter(|node| is_named(node.id.as_str()) || is_named(&self.node_name(node)))
            .map(|node| node.chainage);
        let at = landmark.chain(node).next()?;
        self.within(at + offset)
    }

    fn within(&self, chainage: RouteLength) -> Option<RouteLength> {
        let whole = RouteLength::of(0.0)..=self.line.length();
        whole.contains(&chainage).then(|| to_mm(chainage))
    }
}

/// The angle between `at` and the point that lies a share of the way from `a` to `b`.
fn apart(a: Coordinates, b: Coordinates, share: f64, at: Coordinates) -> f64 {
    angle(
        unit_vector(along_great_circle(a, b, share)),
        unit_vector(at),
    )
}

/// How far along the way from `a` to `b` the point nearest to `at` is, 0 to 1: by a plane that touches
/// the earth at `a` first, then on the earth itself, for vertices may lie far apart.
fn share_of(a: Coordinates, b: Coordinates, at: Coordinates) -> f64 {
    let flat = flat_share_of(a, b, at);
    let (mut low, mut high) = ((flat - 0.1).max(0.0), (flat + 0.1).min(1.0));
    for _ in 0..60 {
        let third = (high - low) / 3.0;
        if apart(a, b, low + third, at) < apart(a, b, high - third, at) {
            high -= third;
        } else {
            low += third;
        }
    }
    f64::midpoint(low, high)
}

fn flat_share_of(a: Coordinates, b: Coordinates, at: Coordinates) -> f64 {
    let wide = a.lat.to_radians().cos();
    let flat = |point: Coordinates| [(point.lon - a.lon) * wide, point.lat - a.lat];
    let ([bx, by], [px, py]) = (flat(b), flat(at));
    let whole = bx.mul_add(bx, by * by);
    if whole <= 0.0 {
        return 0.0;
    }
    (px.mul_add(bx, py * by) / whole).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn every_place_is_nearest_to_itself_and_a_field_beside_it_is_so_far_off() {
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        for k in 0..=32 {
            let chainage = RouteLength::of(f64::from(k) * 5_000.0);
            let at = ground.at(chainage).unwrap();
            let found = ground.nearest(at).unwrap();
            assert!(
                (found.chainage - chainage).abs().get() < 3.0,
                "{chainage} {found:?}"
            );
            assert!(found.aside.get() < 3.0, "{found:?}");
        }
        let at = ground.at(RouteLength::of(40_000.0)).unwrap();
        let beside = Coordinates {
            lat: at.lat + 0.01,
            ..at
        };
        let found = ground.nearest(beside).unwrap();
        assert!((500.0..1_113.0).contains(&found.aside.get()), "{found:?}");
    }

    #[test]
    fn a_post_reads_back_in_its_own_direction() {
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        for metres in [10_300.0, 55_555.0, 99_001.0] {
            let said = ground.post(RouteLength::of(metres)).unwrap();
            let back = ground.at_post(&said).unwrap();
            assert!((back.get() - metres).abs() <= 0.5, "{said} {back}");
        }
        for bad in ["", "nowhere+3", "369+x", "369+99999999"] {
            assert!(ground.at_post(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_landmark_is_found_whatever_its_letters_and_only_on_the_line() {
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        let metres = |name, offset| ground.at_landmark(name, RouteLength::of(offset));
        assert_eq!(metres("c-2", 120.0).map(RouteLength::get), Some(8_120.0));
        assert_eq!(metres("Tovuz", -80.0).map(RouteLength::get), Some(79_920.0));
        assert!(metres("C-99", 0.0).is_none() && metres("C-2", -9_000.0).is_none());
    }
}
