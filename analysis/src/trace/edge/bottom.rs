//! The best combination of place, constant and closure near a first one, and how sharp it is: by
//! parabolas through few combinations, where closing in on a grid would try hundreds.

/// Rounds at the most, each one parabola.
const ROUNDS: usize = 12;

/// A round that gains less is the last, if its steps were about a deviation.
const SETTLED: f64 = 0.02;
const SUITABLE: std::ops::RangeInclusive<f64> = 0.3..=1.6;

/// The step of a round in deviations that the one before showed, and how much it may change.
const STEP: f64 = 0.7;
const FINER: f64 = 0.1;
const WIDER: f64 = 3.0;

/// A parabola is followed for no more than so many steps.
const FARTHEST: f64 = 4.0;

/// A point of the three axes.
type Point = [f64; 3];

/// Where the bottom is, and its deviation along each axis, the others open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bottom {
    pub(super) at: Point,
    pub(super) sigmas: Point,
}

/// The bottom of `cost`, twice a negative logarithm, from a point on with first steps along each
/// axis, 0 for an axis that is not there; none where it does not settle.
pub(super) fn bottom(
    mut at: Point,
    mut steps: Point,
    cost: impl Fn(Point) -> f64,
) -> Option<Bottom> {
    let mut here = cost(at);
    for _ in 0..ROUNDS {
        let (parabola, tried) = Parabola::around((at, here), steps, &cost);
        let jump = parabola.and_then(|parabola| parabola.lowest(steps));
        let jump = jump.map(|by| moved(at, by, 1.0));
        let ahead = jump.map(|at| (at, cost(at)));
        let lowest = tried
            .into_iter()
            .chain(ahead)
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let (place, lower) = lowest
            .filter(|lowest| lowest.1 < here)
            .unwrap_or((at, here));
        let gain = here - lower;
        (at, here) = (place, lower);
        let sigmas = parabola.and_then(|parabola| parabola.sigmas());
        let Some(sigmas) = sigmas.filter(|_| ahead.is_some_and(|(_, cost)| cost.is_finite()))
        else {
            steps = steps.map(|step| step / 2.0);
            continue;
        };
        let fits = |(step, sigma): (&f64, &f64)| *step <= 0.0 || SUITABLE.contains(&(step / sigma));
        if gain < SETTLED && steps.iter().zip(&sigmas).all(fits) {
            return Some(Bottom { at, sigmas });
        }
        for (step, sigma) in steps.iter_mut().zip(sigmas) {
            *step = (STEP * sigma).clamp(FINER * *step, WIDER * *step);
        }
    }
    None
}

fn moved(at: Point, by: Point, share: f64) -> Point {
    let ([a, b, c], [x, y, z]) = (at, by);
    [a + share * x, b + share * y, c + share * z]
}

/// Half of second and all of first derivatives, in steps.
#[derive(Clone, Copy, Debug)]
struct Parabola {
    slope: Point,
    /// The diagonal, then the entries beside it: first and second axis, first and third, second
    /// and third.
    bend: Point,
    cross: Point,
    steps: Point,
}

impl Parabola {
    /// Through the points a step away, and those points; none where one of them can't be.
    fn around(
        (at, here): (Point, f64),
        steps: Point,
        cost: &impl Fn(Point) -> f64,
    ) -> (Option<Self>, Vec<(Point, f64)>) {
        let [x, y, z] = steps;
        let axes = [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]];
        let pairs = [[x, y, 0.0], [x, 0.0, z], [0.0, y, z]];
        let mut tried = Vec::new();
        let mut look = |by: Point, share: f64| {
            let there = moved(at, by, share);
            let cost = cost(there);
            tried.push((there, cost));
            cost
        };
        let both = axes.map(|axis| {
            if axis.iter().all(|step| *step <= 0.0) {
                return [here + 1.0; 2];
            }
            [look(axis, -1.0), look(axis, 1.0)]
        });
        let slope = both.map(|[left, right]| (right - left) / 2.0);
        let bend = both.map(|[left, right]| left + right - 2.0 * here);
        let [a, b, c] = both.map(|[_, right]| right);
        let joined = [(a, b), (a, c), (b, c)];
        let mut cross = [0.0; 3];
        for ((cross, pair), (a, b)) in cross.iter_mut().zip(pairs).zip(joined) {
            if pair.iter().filter(|step| **step > 0.0).count() == 2 {
                *cross = look(pair, 1.0) - a - b + here;
            }
        }
        let parabola = Self {
            slope,
            bend,
            cross,
            steps,
        };
        let numbers = [slope, bend, cross];
        let sound = numbers.iter().flatten().all(|number| number.is_finite());
        (sound.then_some(parabola), tried)
    }

    /// Inverse of the second derivatives, its diagonal and its other entries; none where they
    /// do not make a bowl.
    fn inverse(&self) -> Option<(Point, Point)> {
        let ([a, b, c], [p, q, r]) = (self.bend, self.cross);
        let (minor, ab, ac) = (b * c - r * r, q * r - p * c, p * r - q * b);
        let determinant = a * minor + p * ab + q * ac;
        let bowl = a > 0.0 && a * b > p * p && determinant > 0.0;
        let diagonal = [minor, a * c - q * q, a * b - p * p];
        let others = [ab, ac, p * q - a * r];
        let over = |entries: Point| entries.map(|entry| entry / determinant);
        bowl.then(|| (over(diagonal), over(others)))
    }

    /// The way to the lowest point, cut where it leads too far.
    fn lowest(&self, steps: Point) -> Option<Point> {
        let ([a, b, c], [p, q, r]) = self.inverse()?;
        let [x, y, z] = self.slope;
        let by = [
            -(a * x + p * y + q * z),
            -(p * x + b * y + r * z),
            -(q * x + r * y + c * z),
        ];
        let most = by.iter().map(|by| by.abs()).fold(FARTHEST, f64::max);
        let [dx, dy, dz] = by.map(|by| by * FARTHEST / most);
        let [sx, sy, sz] = steps;
        Some([dx * sx, dy * sy, dz * sz])
    }

    fn sigmas(&self) -> Option<Point> {
        let ([a, b, c], _) = self.inverse()?;
        let [x, y, z] = self.steps;
        // The cost is twice a logarithm.
        let sigma = |variance: f64, step: f64| (2.0 * variance).sqrt() * step;
        Some([sigma(a, x), sigma(b, y), sigma(c, z)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A narrow valley across the axes, steeper on one side farther out.
    fn valley([x, y, z]: Point) -> f64 {
        let (a, b) = ((x - 0.3) / 0.001, (y - 2.0 - 40.0 * (x - 0.3)) / 0.05);
        (a * a + b * b) * (1.0 + 0.5 * (x - 0.3)) + (z / 3.0).powi(2)
    }

    #[test]
    fn the_bottom_of_a_narrow_valley_is_found_with_its_width() {
        let found = bottom([0.5, 1.0, 0.5], [0.1, 0.5, 1.0], valley).unwrap();
        let [x, y, z] = found.at;
        assert!((x - 0.3).abs() < 2e-4 && (y - 2.0).abs() < 1e-2 && z.abs() < 0.6);
        let [x, y, z] = found.sigmas;
        assert!((x / 0.001 - 1.0).abs() < 0.1, "{x}");
        assert!((y / 0.05_f64.hypot(0.04) - 1.0).abs() < 0.1, "{y}");
        assert!((z / 3.0 - 1.0).abs() < 0.1, "{z}");
    }

    #[test]
    fn an_axis_that_is_not_there_stays() {
        let flat = |[x, y, z]: Point| valley([x, y, 0.0]) + if z > 0.0 { 1.0 } else { 0.0 };
        let found = bottom([0.5, 1.0, 0.0], [0.1, 0.5, 0.0], flat).unwrap();
        let [_, _, z] = found.at;
        assert!(z.abs() < 1e-12 && found.sigmas[2].abs() < 1e-12);
    }

    #[test]
    fn where_nothing_can_be_there_is_no_bottom() {
        assert_eq!(bottom([0.0; 3], [1.0; 3], |_| f64::INFINITY), None);
        assert_eq!(bottom([0.0; 3], [1.0; 3], |[x, ..]| x), None);
    }
}
