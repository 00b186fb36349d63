//! Where a step or a peak begins, to a fraction of the pulse, with how sure.
//!
//! Behind the end of a fibre the backscatter falls along the pulse: in linear power, relative to
//! the line before, `1 - u/L` for the distance `u` past the edge and the pulse's length `L`; a
//! reflection adds a constant over the same stretch. The receiver smooths both with a time
//! constant nobody states. So the model is
//!
//! ```text
//! q(u) = C · fall(u; T) + A · rise(u; T)        fall, rise: ramp and box through a single pole T
//! ```
//!
//! with `C` and `A` linear, and the edge and `T` on a grid. The posterior over the grid, summed
//! over `T`, gives the edge and its interval: where `T` is uncertain the interval says so.

/// Time constants tried, in pulse lengths: an ideal receiver up to one that smooths whole pulses.
const TIME_CONSTANTS: [f64; 17] = [
    0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.57, 0.65, 0.9, 1.4, 2.2,
];

/// Edge positions tried a pass.
const PLACES: usize = 41;

/// Passes, each around the one before.
const PASSES: usize = 4;

/// Error of the model's shape, as a share of the reflection's height.
const SHAPE_ERROR: f64 = 0.05;

/// Natural logarithm of the range of heights that occur, from a trace of light to a mirror.
const HEIGHTS: f64 = 14.0;

/// Samples before which the fit thins its input.
const MOST_SAMPLES: usize = 700;

/// One sample around the edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Metres, from any zero.
    pub(crate) at: f64,
    /// Linear power relative to the line before the edge.
    pub(crate) power: f64,
    /// Standard deviation of that.
    pub(crate) sigma: f64,
}

/// What the fit found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    /// Where the edge is, on the points' axis.
    pub(crate) at: f64,
    /// Standard deviation of that.
    pub(crate) sigma: f64,
    /// Height of the reflection over the backscatter, in linear power; 0 for none.
    pub(crate) height: f64,
    /// Standard deviation of the height.
    pub(crate) height_sigma: f64,
}

/// What is known before the fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guess {
    /// Where the edge seems to be.
    pub(crate) at: f64,
    /// How far before and behind that it may be.
    pub(crate) reach: [f64; 2],
    /// The pulse's length on the trace.
    pub(crate) pulse: f64,
    /// Over how many points the noise is correlated.
    pub(crate) correlation: f64,
}

/// Fits the edge; none for fewer than five points.
pub(crate) fn fit(points: &[Point], guess: &Guess) -> Option<Edge> {
    if points.len() < 5 {
        return None;
    }
    let group = points.len().div_ceil(MOST_SAMPLES);
    let points = thinned(points, group);
    // Averages over a group scatter by what is correlated inside it; the misfit shows that part.
    let correlation = (guess.correlation / group as f64).max(1.0);
    let mut low = guess.at - guess.reach.first().copied().unwrap_or(0.0);
    let mut high = guess.at + guess.reach.last().copied().unwrap_or(0.0);
    let mut found = None;
    for _ in 0..PASSES {
        let grid = Grid::over(&points, guess.pulse, low, high);
        let edge = grid.posterior(points.len(), correlation)?;
        let step = (high - low) / (PLACES - 1) as f64;
        found = Some(edge);
        let reach = 6.0 * edge.sigma.max(step / 2.0);
        if reach > 0.4 * (high - low) {
            break;
        }
        (low, high) = (edge.at - reach, edge.at + reach);
    }
    found
}

/// Averages of `group` neighbours each.
fn thinned(points: &[Point], group: usize) -> Vec<Point> {
    let mean = |chunk: &[Point]| {
        let count = chunk.len() as f64;
        let sum = |f: fn(&Point) -> f64| chunk.iter().map(f).sum::<f64>();
        Point {
            at: sum(|p| p.at) / count,
            power: sum(|p| p.power) / count,
            sigma: sum(|p| p.sigma * p.sigma).sqrt() / count,
        }
    };
    points.chunks(group.max(1)).map(mean).collect()
}

/// One try: place, misfit and the linear parts.
#[derive(Clone, Copy, Debug)]
struct Try {
    at: f64,
    misfit: f64,
    height: f64,
    height_sigma: f64,
}

struct Grid {
    tries: Vec<Try>,
}

impl Grid {
    fn over(points: &[Point], pulse: f64, low: f64, high: f64) -> Self {
        let step = (high - low) / (PLACES - 1) as f64;
        let places = (0..PLACES).map(|i| low + step * i as f64);
        let tries = places
            .flat_map(|at| {
                TIME_CONSTANTS
                    .iter()
                    .map(move |constant| (at, constant * pulse))
            })
            .flat_map(|(at, constant)| attempt(points, &Shape { pulse, constant }, at))
            .collect();
        Self { tries }
    }

    fn posterior(&self, count: usize, correlation: f64) -> Option<Edge> {
        let best = self
            .tries
            .iter()
            .min_by(|a, b| a.misfit.total_cmp(&b.misfit))?;
        // A model that misses more than noise does makes everything less sure.
        let freedom = (count as f64 - 4.0).max(1.0);
        let excess = (best.misfit / freedom).max(1.0) * correlation;
        let weight =
            |t: &Try| (-0.5 * (t.misfit - best.misfit) / excess).exp() * t.prior(excess.sqrt());
        let total: f64 = self.tries.iter().map(weight).sum();
        let mean = |f: &dyn Fn(&Try) -> f64| {
            self.tries.iter().map(|t| weight(t) * f(t)).sum::<f64>() / total
        };
        let at = mean(&|t| t.at);
        let sigma = mean(&|t| (t.at - at).powi(2)).max(0.0).sqrt();
        let likely = self
            .tries
            .iter()
            .max_by(|a, b| weight(a).total_cmp(&weight(b)))?;
        let height_sigma = likely.height_sigma * excess.sqrt();
        Some(Edge {
            at,
            sigma,
            height: likely.height,
            height_sigma,
        })
    }
}

impl Try {
    /// What the height's freedom costs: a height known to a share of itself, out of all that occur.
    fn prior(&self, excess: f64) -> f64 {
        if self.height <= 0.0 {
            return 1.0;
        }
        let doubt = self.height_sigma * excess;
        (doubt * std::f64::consts::TAU.sqrt() / (self.height.max(doubt) * HEIGHTS)).min(1.0)
    }
}

/// Weighted least squares for one place and time constant: without a reflection, and with one.
fn attempt(points: &[Point], shape: &Shape, at: f64) -> [Try; 2] {
    let mut sums = Sums::default();
    for point in points {
        let (fall, rise) = shape.at(point.at - at);
        sums.add(fall, rise, point);
    }
    sums.solve(at)
}

/// A pulse seen through a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The pulse's length.
    pub(crate) pulse: f64,
    /// The receiver's time constant, as a length.
    pub(crate) constant: f64,
}

impl Shape {
    /// The smoothed ramp, from 1 to 0, and the box at `u` past the edge.
    pub(crate) fn at(&self, u: f64) -> (f64, f64) {
        if u <= 0.0 {
            return (1.0, 0.0);
        }
        let inside = u.min(self.pulse);
        let rise = 1.0 - (-inside / self.constant).exp();
        let fall = 1.0 - (inside - self.constant * rise) / self.pulse;
        if u <= self.pulse {
            return (fall, rise);
        }
        let decay = (-(u - self.pulse) / self.constant).exp();
        (fall * decay, rise * decay)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    ff: f64,
    fr: f64,
    rr: f64,
    fy: f64,
    ry: f64,
    yy: f64,
}

impl Sums {
    fn add(&mut self, fall: f64, rise: f64, point: &Point) {
        let shape = SHAPE_ERROR * (point.power - 1.0).max(0.0);
        let weight = 1.0 / (point.sigma * point.sigma + shape * shape).max(1e-18);
        self.ff += weight * fall * fall;
        self.fr += weight * fall * rise;
        self.rr += weight * rise * rise;
        self.fy += weight * fall * point.power;
        self.ry += weight * rise * point.power;
        self.yy += weight * point.power * point.power;
    }

    fn solve(&self, at: f64) -> [Try; 2] {
        let level = self.fy / self.ff.max(1e-18);
        let dark = Try {
            at,
            misfit: self.yy - level * self.fy,
            height: 0.0,
            height_sigma: 0.0,
        };
        let determinant = self.ff * self.rr - self.fr * self.fr;
        let height = (self.ff * self.ry - self.fr * self.fy) / determinant;
        if determinant <= 1e-9 * self.ff * self.rr || height.is_nan() || height <= 0.0 {
            return [dark, dark];
        }
        let level = (self.rr * self.fy - self.fr * self.ry) / determinant;
        let misfit = self.yy - level * self.fy - height * self.ry;
        [
            dark,
            Try {
                at,
                misfit,
                height,
                height_sigma: (self.ff / determinant).sqrt(),
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    fn points(edge: f64, height: f64, constant: f64, dice: &mut Dice) -> Vec<Point> {
        let shape = Shape {
            pulse: 100.0,
            constant: constant * 100.0,
        };
        (0..120)
            .map(|i| {
                let at = f64::from(i) * 4.0 - 300.0;
                let (fall, rise) = shape.at(at - edge);
                let clean = fall + height * rise;
                let sigma = 0.02 * clean.max(0.05);
                Point {
                    at,
                    power: clean + sigma * dice.normal(),
                    sigma,
                }
            })
            .filter(|point| point.at < 80.0)
            .collect()
    }

    #[test]
    fn the_edge_lies_within_its_interval_as_often_as_stated() {
        let mut dice = Dice::new(7);
        let mut inside = 0;
        let mut errors = Vec::new();
        for _ in 0..300 {
            let edge = dice.between(-8.0, 8.0);
            let constant = dice.between(0.05, 0.55);
            let height = if dice.uniform() < 0.5 {
                0.0
            } else {
                dice.between(0.5, 30.0)
            };
            let guess = Guess {
                at: 3.0,
                reach: [60.0, 30.0],
                pulse: 100.0,
                correlation: 1.0,
            };
            let found = fit(&points(edge, height, constant, &mut dice), &guess).unwrap();
            errors.push((found.at - edge).abs());
            if (found.at - edge).abs() < 1.96 * found.sigma {
                inside += 1;
            }
        }
        errors.sort_by(f64::total_cmp);
        assert!(errors[150] < 2.0, "median error {} m", errors[150]);
        assert!((276..=300).contains(&inside), "{inside} of 300 inside");
    }

    #[test]
    fn a_fall_without_a_peak_has_no_height() {
        let mut dice = Dice::new(8);
        let guess = Guess {
            at: 0.0,
            reach: [60.0, 30.0],
            pulse: 100.0,
            correlation: 1.0,
        };
        let found = fit(&points(0.0, 0.0, 0.3, &mut dice), &guess).unwrap();
        assert!(found.height <= 4.0 * found.height_sigma, "{found:?}");
        let found = fit(&points(0.0, 5.0, 0.3, &mut dice), &guess).unwrap();
        assert!((found.height / 5.0 - 1.0).abs() < 0.2, "{found:?}");
    }

    #[test]
    fn too_few_points_are_no_edge() {
        let guess = Guess {
            at: 0.0,
            reach: [1.0, 1.0],
            pulse: 1.0,
            correlation: 1.0,
        };
        assert_eq!(fit(&[], &guess), None);
    }
}
