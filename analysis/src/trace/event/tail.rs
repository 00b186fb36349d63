//! Glass that a receiver still recovers on: a line under a tail that dies away.
//!
//! Behind the launch and behind reflections a receiver's light lingers. Hiding the whole tail
//! costs the glass under it; taking it for glass makes steps of it. So the fit may have a tail.
//! Light that lingers as `x = A · exp(−u / reach)` beside the glass lifts its level by
//!
//! ```text
//! 5·log₁₀(1 + x) = 5/ln 10 · (x − x²/2 + …)
//! ```
//!
//! so a tail is one exponential, or two of which the second dies away twice as fast; sums of them
//! cost the same for any length of glass.

use std::cell::OnceCell;
use std::rc::Rc;

use super::grid::{Fit, Line};
use crate::trace::samples::{cut, whole};

/// The series holds up to about as much lingering light as glass: what it comes to in decibels.
const MOST_HEIGHT_DB: f64 = 2.5;
const LEAST_SECOND_DB: f64 = -1.5;

/// A tail is believed on glass of this many reaches.
const FEWEST_REACHES: f64 = 2.5;

/// Sums are worked out for so many points at a time, where they are asked for.
const BLOCK: usize = 64;

/// Sums of longer tails than one in so many of all points are worked out at once.
const MOST_FILLS: usize = 8;

/// After so many reaches nothing is left: a part in ten thousand million.
pub(crate) const GONE: f64 = 23.0;

/// Sums of both exponentials from each point to the last, u counted from that point.
///
/// Few points are asked for, those behind reflections, and a short tail knows nothing of points far
/// ahead: so the sums are worked out in blocks, from so far ahead that nothing is left.
#[derive(Debug)]
pub(crate) struct Tail {
    reach_km: f64,
    step_km: f64,
    /// Weight and level of each point.
    points: Rc<[(f64, f64)]>,
    /// The last point of each block first, as they are added up.
    blocks: Vec<OnceCell<Vec<Sums>>>,
}

/// Sums of `exp(−u / reach)` and of its square, in that order, and of products.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    e: [f64; 2],
    xe: [f64; 2],
    ye: [f64; 2],
    /// Both together, the second squared; the first squared is the second.
    ee: [f64; 2],
}

impl Sums {
    /// Both sums moved to a point `length` farther back, where `left` remains of the first.
    fn moved(&self, length: f64, left: f64) -> Self {
        let [a, b] = [left, left * left];
        let [e, f] = self.e;
        let [xe, xf] = self.xe;
        let [ye, yf] = self.ye;
        let [ef, ff] = self.ee;
        Self {
            e: [a * e, b * f],
            xe: [a * xe + (a * length) * e, b * xf + (b * length) * f],
            ye: [a * ye, b * yf],
            ee: [a * b * ef, b * b * ff],
        }
    }

    /// With one more point at the place they count from.
    fn with(mut self, (w, y): (f64, f64)) -> Self {
        self.e = self.e.map(|e| e + w);
        self.ye = self.ye.map(|ye| ye + w * y);
        self.ee = self.ee.map(|ee| ee + w);
        self
    }

    /// What remains without another.
    fn less(&self, other: &Self) -> Self {
        let two = |[p, q]: [f64; 2], [r, s]: [f64; 2]| [p - r, q - s];
        Self {
            e: two(self.e, other.e),
            xe: two(self.xe, other.xe),
            ye: two(self.ye, other.ye),
            ee: two(self.ee, other.ee),
        }
    }
}

impl Tail {
    /// The sums over points `step_km` apart, as pairs of weight and level.
    pub(crate) fn new(reach_km: f64, step_km: f64, points: Rc<[(f64, f64)]>) -> Self {
        let blocks = points.len() / BLOCK + 1;
        Self {
            reach_km,
            step_km,
            points,
            blocks: (0..blocks).map(|_| OnceCell::new()).collect(),
        }
    }

    /// The sums from a point on; none behind the last.
    fn sums(&self, point: usize) -> Option<Sums> {
        let number = point / BLOCK;
        let block = self.blocks.get(number)?;
        if block.get().is_none() {
            self.fill(number);
        }
        let block = block.get()?;
        let from_last = block.len().checked_sub(point % BLOCK + 1)?;
        block.get(from_last).copied()
    }

    /// Works out a block and those behind it, as far as they are sure: from a known one or the end of
    /// the points, or from so far ahead that it does not matter.
    fn fill(&self, number: usize) {
        let left = (-self.step_km / self.reach_km).exp();
        let far = whole(GONE * self.reach_km / self.step_km / BLOCK as f64) + 1;
        // Where a tail reaches over much of the points, all behind them will be asked for.
        let last = match MOST_FILLS * far < self.blocks.len() {
            true => number + 2 * far,
            false => self.blocks.len(),
        };
        let known = |k: &usize| self.blocks.get(*k).and_then(OnceCell::get);
        let stop = (number..last).find(|k| known(k).is_some()).unwrap_or(last);
        let first = known(&stop).and_then(|block| block.last());
        let sure = if first.is_some() || stop == self.blocks.len() {
            stop
        } else {
            number + far
        };
        let mut next = first.copied().unwrap_or_default();
        for k in (number..stop).rev() {
            let points = cut(&self.points, k * BLOCK, (k + 1) * BLOCK);
            let mut sums = Vec::with_capacity(BLOCK);
            if points.len() < BLOCK {
                // Behind the last point.
                sums.push(next);
            }
            for point in points.iter().rev() {
                next = next.moved(self.step_km, left).with(*point);
                sums.push(next);
            }
            if let Some(block) = self.blocks.get(k).filter(|_| k < sure) {
                block.get_or_init(|| sums);
            }
        }
    }

    /// The sums over the points from one to before another, `length_km` apart.
    fn between(&self, [from, to]: [usize; 2], length_km: f64) -> Option<Sums> {
        let sums = self.sums(from)?;
        if length_km > GONE * self.reach_km {
            return Some(sums);
        }
        let left = (-length_km / self.reach_km).exp();
        Some(sums.less(&self.sums(to)?.moved(length_km, left)))
    }

    /// The shortest glass that it is believed on.
    pub(crate) const fn shortest_km(&self) -> f64 {
        FEWEST_REACHES * self.reach_km
    }

    /// The line with this tail, of one exponential and of two, over points whose plain sums are
    /// known, `length_km` long. Each that costs no more than its limit is handed on with its number,
    /// and as none where such a tail can't be: most do not, and are not made.
    pub(crate) fn fits(
        &self,
        [from, to]: [usize; 2],
        length_km: f64,
        (line, limits): (&Line, [f64; 2]),
        mut each: impl FnMut(usize, Option<Fit>),
    ) {
        // What dies away slower than the glass is long might as well be its slope.
        if length_km < self.shortest_km() {
            return;
        }
        let Some(sums) = self.between([from, to], length_km) else {
            return;
        };
        let mean = sums.e.map(|e| e / line.w);
        let ([e, f], [xe, xf], [ye, yf], [ef, ff]) = (sums.e, sums.xe, sums.ye, sums.ee);
        let [m, n] = mean;
        let normal = Normal {
            xx: line.xx,
            xe: [xe - line.into * e, xf - line.into * f],
            ee: [f - m * e, ef - m * f, ff - n * f],
            y: [line.xy, ye - line.y * e, yf - line.y * f],
        };
        let start = line.x - line.into;
        let mut sane = |number: usize, found: &Found| {
            let [slope, height, second] = found.values;
            let usual = height > 0.0 && height <= MOST_HEIGHT_DB;
            if !(usual && (LEAST_SECOND_DB..=0.0).contains(&second)) {
                each(number, None);
                return;
            }
            let fit = Fit {
                centre: line.x,
                level: line.y + line.offset - height * m - second * n,
                slope,
                cost: line.yy - found.explained,
                weight: 1.0 / line.w + found.level_variance(mean),
                lever: found.slope_variance,
                both: found.level_slope(mean),
                tail: Some([height, second, self.reach_km, start]),
                least: true,
            };
            each(number, Some(fit));
        };
        let [one, two] = limits.map(|limit| line.yy - limit);
        if let Some(found) = normal.one(one) {
            sane(0, &found);
        }
        if let Some(found) = normal.two(two) {
            sane(1, &found);
        }
    }
}

/// Normal equations of slope and both heights, all about the centre.
struct Normal {
    xx: f64,
    xe: [f64; 2],
    ee: [f64; 3],
    y: [f64; 3],
}

/// Their answer: slope and heights, what they explain, and covariances.
struct Found {
    values: [f64; 3],
    explained: f64,
    slope_variance: f64,
    /// Covariance of the slope with each height, and variances and covariance of the heights.
    with_slope: [f64; 2],
    heights: [f64; 3],
}

impl Found {
    /// Variance that the heights add to the level at the centre.
    fn level_variance(&self, [m, n]: [f64; 2]) -> f64 {
        let [a, b, c] = self.heights;
        m * m * a + 2.0 * m * n * b + n * n * c
    }

    /// How the level goes with the slope.
    fn level_slope(&self, [m, n]: [f64; 2]) -> f64 {
        let [a, b] = self.with_slope;
        -(m * a + n * b)
    }
}

impl Normal {
    /// With the first exponential alone, where that explains at least so much.
    fn one(&self, least: f64) -> Option<Found> {
        let ([cross, _], [own, ..], [xy, down, _]) = (self.xe, self.ee, self.y);
        let determinant = self.xx * own - cross * cross;
        if determinant <= 1e-9 * self.xx * own {
            return None;
        }
        let slope = (xy * own - down * cross) / determinant;
        let height = (self.xx * down - cross * xy) / determinant;
        let explained = slope * xy + height * down;
        (explained >= least).then(|| Found {
            values: [slope, height, 0.0],
            explained,
            slope_variance: own / determinant,
            with_slope: [-cross / determinant, 0.0],
            heights: [self.xx / determinant, 0.0, 0.0],
        })
    }

    /// With both, by cofactors, where they explain at least so much.
    fn two(&self, least: f64) -> Option<Found> {
        let ([p, q], [a, b, c], [x, y, z]) = (self.xe, self.ee, self.y);
        let s = self.xx;
        let cofactors = [
            a * c - b * b,
            q * b - p * c,
            p * b - q * a,
            s * c - q * q,
            p * q - s * b,
            s * a - p * p,
        ];
        let [ss, sa, sb, aa, ab, bb] = cofactors;
        let determinant = s * ss + p * sa + q * sb;
        if determinant <= 1e-9 * s * a * c {
            return None;
        }
        let values = [
            (ss * x + sa * y + sb * z) / determinant,
            (sa * x + aa * y + ab * z) / determinant,
            (sb * x + ab * y + bb * z) / determinant,
        ];
        let [slope, height, second] = values;
        let explained = slope * x + height * y + second * z;
        (explained >= least).then(|| Found {
            values,
            explained,
            slope_variance: ss / determinant,
            with_slope: [sa / determinant, sb / determinant],
            heights: [aa / determinant, ab / determinant, bb / determinant],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid::Line;
    use super::*;

    fn line(points: &[(f64, f64)], step_km: f64) -> Line {
        let sum = |f: &dyn Fn(f64, f64, f64) -> f64| -> f64 {
            let terms = points.iter().enumerate();
            terms.map(|(i, &(w, y))| f(w, i as f64 * step_km, y)).sum()
        };
        let w = sum(&|w, _, _| w);
        let x = sum(&|w, x, _| w * x) / w;
        let y = sum(&|w, _, y| w * y) / w;
        Line {
            w,
            x,
            into: x,
            y,
            offset: 0.0,
            xx: sum(&|w, at, _| w * (at - x) * (at - x)),
            xy: sum(&|w, at, level| w * (at - x) * (level - y)),
            yy: sum(&|w, _, level| w * (level - y) * (level - y)),
        }
    }

    /// Over the first points, a hundredth of a kilometre apart.
    fn fits(tail: &Tail, count: usize, line: &Line) -> [Option<Fit>; 2] {
        let mut found = [None; 2];
        let length = count as f64 * 0.01;
        tail.fits([0, count], length, (line, [f64::MAX; 2]), |number, fit| {
            found[number] = fit;
        });
        found
    }

    #[test]
    fn the_line_under_a_tail_is_found_exactly() {
        let (step_km, reach_km) = (0.01, 0.2);
        let level = |i: i32| {
            let km = f64::from(i) * step_km;
            let left = (-km / reach_km).exp();
            (4.0, -20.0 - 0.3 * km + 0.8 * left - 0.15 * left * left)
        };
        let points: Vec<(f64, f64)> = (0..200).map(level).collect();
        let tail = Tail::new(reach_km, step_km, points.as_slice().into());
        let line = line(&points, step_km);
        let [_, both] = fits(&tail, 200, &line);
        let fit = both.unwrap();
        assert!((fit.slope + 0.3).abs() < 1e-6, "{}", fit.slope);
        assert!((fit.at(0.0) + 20.0).abs() < 1e-6, "{}", fit.at(0.0));
        assert!((fit.lit(0.0) + 19.35).abs() < 1e-6, "{}", fit.lit(0.0));
        assert!(fit.cost.abs() < 1e-4, "{}", fit.cost);
    }

    #[test]
    fn straight_glass_and_short_glass_have_no_tail() {
        let level = |i: i32| (1.0, -0.3 * f64::from(i));
        let points: Vec<(f64, f64)> = (0..60).map(level).collect();
        let tail = Tail::new(0.2, 0.01, points.as_slice().into());
        let line = line(&points, 0.01);
        let [one, both] = fits(&tail, 60, &line);
        let cost = |fit: Option<Fit>| fit.map_or(line.yy, |fit| fit.cost);
        let plain = line.yy - line.xy * line.xy / line.xx;
        assert!(cost(one) > plain - 1e-6 && cost(both) > plain - 1e-6);
        assert!(fits(&tail, 20, &line).iter().all(Option::is_none));
    }
}
