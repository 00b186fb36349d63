//! Geometry of the example: great circles between towns, bent until they are as long as the cable.
//!
//! The bends are illustration. They exist so that drawing and chainage agree, as they do for a
//! surveyed route.

use core::f64::consts::TAU;

use crate::chance::Chance;

/// Mean radius of the earth (IUGG), in metres.
const EARTH_M: f64 = 6_371_008.8;

/// A vertex of the route with its chainage in metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vertex {
    /// Latitude, longitude, to five decimals: about a metre.
    pub(super) at: [f64; 2],
    pub(super) chainage_m: f64,
}

/// How one leg is bent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bends {
    /// Length of the leg over the great circle's.
    pub(super) ratio: f64,
    /// Distance between bends, in metres.
    pub(super) wave_m: f64,
    /// Distance between vertices, in metres.
    pub(super) step_m: f64,
}

/// The great-circle distance between two points in degrees, in metres.
pub(super) fn great_circle_m(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [lat_a, lon_a] = a.map(f64::to_radians);
    let [lat_b, lon_b] = b.map(f64::to_radians);
    let half = ((lat_b - lat_a) / 2.0).sin().powi(2)
        + lat_a.cos() * lat_b.cos() * ((lon_b - lon_a) / 2.0).sin().powi(2);
    2.0 * EARTH_M * half.sqrt().asin()
}

/// The route through `stops`, and the chainage of each stop in metres.
pub(super) fn through(
    stops: &[[f64; 2]],
    bends: Bends,
    chance: &mut Chance,
) -> (Vec<Vertex>, Vec<f64>) {
    let mut vertices: Vec<Vertex> = Vec::new();
    let mut reached = vec![0.0];
    for (from, to) in stops.iter().zip(stops.iter().skip(1)) {
        let leg = leg(*from, *to, bends, chance);
        let first = usize::from(!vertices.is_empty());
        for at in leg.into_iter().skip(first) {
            let chainage_m = vertices
                .last()
                .map_or(0.0, |last| last.chainage_m + great_circle_m(last.at, at));
            vertices.push(Vertex { at, chainage_m });
        }
        reached.extend(vertices.last().map(|last| last.chainage_m));
    }
    (vertices, reached)
}

/// One leg, bent so that it is `ratio` times as long as it is straight: found by bisection.
fn leg(from: [f64; 2], to: [f64; 2], bends: Bends, chance: &mut Chance) -> Vec<[f64; 2]> {
    let straight = great_circle_m(from, to);
    let shape = Shape {
        from,
        to,
        waves: (straight / bends.wave_m).round().max(1.0),
        phases: [chance.between(0.0, TAU), chance.between(0.0, TAU)],
        steps: (straight * bends.ratio / bends.step_m).ceil().max(4.0),
    };
    let (mut low, mut high) = (0.0, bends.wave_m);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if length_m(&shape.points(middle)) < straight * bends.ratio {
            low = middle;
        } else {
            high = middle;
        }
    }
    shape.points(low)
}

fn length_m(points: &[[f64; 2]]) -> f64 {
    points
        .iter()
        .zip(points.iter().skip(1))
        .map(|(a, b)| great_circle_m(*a, *b))
        .sum()
}

struct Shape {
    from: [f64; 2],
    to: [f64; 2],
    waves: f64,
    phases: [f64; 2],
    steps: f64,
}

impl Shape {
    /// The leg with bends of `amplitude_m`, its ends in their places.
    fn points(&self, amplitude_m: f64) -> Vec<[f64; 2]> {
        let steps = self.steps.min(10_000.0);
        let count = (0_u32..).take_while(|step| f64::from(*step) <= steps);
        count
            .map(|step| self.point(f64::from(step) / steps, amplitude_m))
            .collect()
    }

    fn point(&self, t: f64, amplitude_m: f64) -> [f64; 2] {
        let [lat, lon] = [0, 1].map(|axis: usize| {
            let (from, to) = (self.from.get(axis), self.to.get(axis));
            from.zip(to)
                .map_or(0.0, |(from, to)| from + (to - from) * t)
        });
        let shrink = lat.to_radians().cos();
        let [lat_a, lon_a] = self.from;
        let [lat_b, lon_b] = self.to;
        let (north, east) = (lat_b - lat_a, (lon_b - lon_a) * shrink);
        let norm = north.hypot(east);
        let [phase, other] = self.phases;
        let wave = (TAU * self.waves * t + phase).sin()
            + 0.6 * (TAU * (2.0 * self.waves + 1.0) * t + other).sin();
        let ends = (core::f64::consts::PI * t).sin();
        let sideways = (amplitude_m * ends * wave / EARTH_M).to_degrees();
        let round = |degrees: f64| (degrees * 1e5).round() / 1e5;
        [
            round(lat + sideways * east / norm),
            round(lon - sideways * north / norm / shrink),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seed;

    const BENDS: Bends = Bends {
        ratio: 1.07,
        wave_m: 25_000.0,
        step_m: 2_500.0,
    };

    #[test]
    fn a_degree_of_latitude_is_111_km() {
        let found = great_circle_m([40.0, 50.0], [41.0, 50.0]);
        assert!((found - 111_195.0).abs() < 1.0, "{found}");
    }

    #[test]
    fn a_route_is_as_long_as_asked_and_passes_its_stops() {
        let stops = [[40.41, 49.87], [39.94, 49.41], [40.04, 48.94]];
        let straight: f64 = stops.windows(2).map(|w| great_circle_m(w[0], w[1])).sum();
        let (route, reached) = through(&stops, BENDS, &mut Seed(1).draws("route"));
        let end = route.last().unwrap();
        // Coordinates are rounded to a metre, so each of some 50 steps may be off by one.
        assert!((end.chainage_m / straight - 1.07).abs() < 1e-3);
        assert!((reached[2] - end.chainage_m).abs() < 1e-9);
        let near = |a: [f64; 2], b: [f64; 2]| great_circle_m(a, b) < 2.0;
        assert!(near(route[0].at, stops[0]) && near(end.at, stops[2]));
        assert!(route.iter().any(|vertex| near(vertex.at, stops[1])));
        assert!(route.windows(2).all(|w| w[0].chainage_m < w[1].chainage_m));
    }
}
