//! Glass that a receiver still recovers on: a line under a tail that dies away.
//!
//! Behind the launch and behind reflections a receiver's light lingers. Hiding the whole tail
//! costs the glass under it; taking it for glass makes steps of it. So the fit may have a tail,
//! `height · exp(−u / reach)`, for a few reaches, from sums that cost the same for any length.

use super::grid::{Fit, Line};

impl Sums {
    fn times(self, scale: f64) -> Self {
        Self {
            e: self.e * scale,
            xe: self.xe * scale,
            ye: self.ye * scale,
            ee: self.ee * scale,
        }
    }
}

/// Sums of `exp(−u / reach)` from each point to the last, u counted from that point.
#[derive(Debug)]
pub(crate) struct Tail {
    reach_km: f64,
    sums: Vec<Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    e: f64,
    xe: f64,
    ye: f64,
    ee: f64,
}

impl Tail {
    /// The sums over points `step_km` apart, as pairs of weight and level.
    pub(crate) fn new(reach_km: f64, step_km: f64, points: &[(f64, f64)]) -> Self {
        let keep = (-step_km / reach_km).exp();
        let mut sums = vec![Sums::default(); points.len() + 1];
        let mut next = Sums::default();
        for (&(w, y), sum) in points.iter().zip(&mut sums).rev() {
            next = Sums {
                e: w + keep * next.e,
                xe: keep * (next.xe + step_km * next.e),
                ye: w * y + keep * next.ye,
                ee: w + keep * keep * next.ee,
            };
            *sum = next;
        }
        Self { reach_km, sums }
    }

    fn between(&self, from: usize, to: usize, length_km: f64) -> Option<Sums> {
        let (a, b) = (self.sums.get(from)?, self.sums.get(to)?);
        let left = (-length_km / self.reach_km).exp();
        Some(Sums {
            e: a.e - left * b.e,
            xe: a.xe - left * (b.xe + length_km * b.e),
            ye: a.ye - left * b.ye,
            ee: a.ee - left * left * b.ee,
        })
    }

    /// The line with this tail over points whose plain sums are known; none where no tail stands.
    pub(crate) fn fit(
        &self,
        [from, to]: [usize; 2],
        (length_km, scale): (f64, f64),
        line: &Line,
    ) -> Option<Fit> {
        let tail = self.between(from, to, length_km)?.times(scale);
        let mean = tail.e / line.w;
        let cross = tail.xe - line.into * tail.e;
        let own = tail.ee - tail.e * mean;
        let down = tail.ye - line.y * tail.e;
        let determinant = line.xx * own - cross * cross;
        if determinant <= 1e-9 * line.xx * own {
            return None;
        }
        let slope = (line.xy * own - down * cross) / determinant;
        let height = (line.xx * down - cross * line.xy) / determinant;
        if height <= 0.0 {
            return None;
        }
        let explained = slope * line.xy + height * down;
        Some(Fit {
            centre: line.x,
            level: line.y + line.offset - height * mean,
            slope,
            cost: line.yy - explained,
            weight: 1.0 / line.w + mean * mean * line.xx / determinant,
            lever: own / determinant,
            both: mean * cross / determinant,
            tail: Some([height, self.reach_km, line.x - line.into]),
        })
    }
}
