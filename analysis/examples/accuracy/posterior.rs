//! The posterior of a place by somebody who knows everything but the place, the size, the levels
//! and the slopes: pulse, receiver and noise are the true ones. Nobody can be surer.

use silkline_sim::forward::Trace;

use crate::draw::Mark;
use crate::physics::{POWER_A_DB, Physics};

/// Places tried a pass.
const PLACES: u32 = 61;

/// Most points in a fit: longer stretches are averaged by groups.
const MOST_POINTS: usize = 140;

/// Half of the 95 % interval and the middle, both in metres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best {
    pub(crate) middle_m: f64,
    pub(crate) half_m: f64,
    pub(crate) sigma_m: f64,
}

/// The posterior of mark `index`, where the model is simple enough: no other reflection near.
pub(crate) fn place(physics: &Physics<'_>, trace: &Trace, index: usize) -> Option<Best> {
    let fit = Fit::around(physics, trace, index)?;
    let mark = fit.mark;
    let pulse = physics.case.pulse_m;
    let (mut low, mut high) = (mark.at_m - 1.5 * pulse, mark.at_m + 1.5 * pulse);
    let mut best = None;
    for pass in 0..4 {
        let scored = fit.over(low, high)?;
        let found = summary(&scored)?;
        let step = (high - low) / f64::from(PLACES - 1);
        // It follows something that its model lacks: an image, or what lingers of another reflection.
        let edge = (found.middle_m - low).min(high - found.middle_m);
        if pass == 0 && !mark.kind.is_end() && edge < 2.0 * step {
            return None;
        }
        best = Some(found);
        let reach = 6.0 * found.sigma_m.max(step / 2.0);
        if reach > 0.35 * (high - low) {
            break;
        }
        (low, high) = (found.middle_m - reach, found.middle_m + reach);
    }
    best
}

/// Central 95 % of scored places.
fn summary(scored: &[(f64, f64)]) -> Option<Best> {
    let most = scored.iter().map(|(_, log)| *log).fold(f64::MIN, f64::max);
    let weights: Vec<(f64, f64)> = scored
        .iter()
        .map(|(at, log)| (*at, (log - most).exp()))
        .collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mean = weights.iter().map(|(at, weight)| at * weight).sum::<f64>() / total;
    let square = |(at, weight): &(f64, f64)| (at - mean).powi(2) * weight;
    let step = (scored.last()?.0 - scored.first()?.0) / (scored.len() - 1) as f64;
    let sigma_m = (weights.iter().map(square).sum::<f64>() / total)
        .sqrt()
        .max(step / 4.0);
    Some(Best {
        middle_m: mean,
        half_m: 1.96 * sigma_m,
        sigma_m,
    })
}

/// The data around a mark, whitened.
struct Fit<'a> {
    physics: &'a Physics<'a>,
    mark: Mark,
    /// Places of the other marks inside.
    others: Vec<f64>,
    places: Vec<f64>,
    root: Vec<Vec<f64>>,
    data: Vec<f64>,
}

impl<'a> Fit<'a> {
    fn around(physics: &'a Physics<'a>, trace: &Trace, index: usize) -> Option<Self> {
        let case = physics.case;
        let mark = *case.marks.get(index)?;
        let step = case.shot.spacing.get();
        let reach = (10.0 * case.pulse_m).max(40.0 * step);
        let left = index.checked_sub(1).and_then(|k| case.marks.get(k));
        let right = case.marks.get(index + 1);
        let mut from = (mark.at_m - reach).max(3.0 * case.pulse_m);
        let mut to = mark.at_m
            + if mark.kind.is_end() {
                2.5 * case.pulse_m
            } else {
                reach
            };
        let mut others = Vec::new();
        if let Some(left) = left {
            if left.reflectance_db.is_some() {
                from = from.max(physics.clear_behind(left));
            } else if left.at_m > from - case.pulse_m {
                others.push(left.at_m);
                let before = index.checked_sub(2).and_then(|k| case.marks.get(k));
                from = from.max(before.map_or(from, |before| physics.clear_behind(before)));
            }
        }
        if let Some(right) = right.filter(|right| right.at_m < to) {
            to = right.at_m;
        }
        if mark.at_m - from < case.pulse_m || to - mark.at_m < 2.0 * case.pulse_m {
            return None;
        }
        let whole: Vec<(f64, f64)> = samples(trace, [from, to], physics.sigma_power);
        let group = whole.len().div_ceil(MOST_POINTS).max(1);
        let mean = |chunk: &[(f64, f64)]| {
            let sum = chunk
                .iter()
                .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            (sum.0 / chunk.len() as f64, sum.1 / chunk.len() as f64)
        };
        let points: Vec<(f64, f64)> = whole.chunks_exact(group).map(mean).collect();
        let (places, values): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
        let mut fit = Self {
            physics,
            mark,
            others,
            places,
            root: Vec::new(),
            data: Vec::new(),
        };
        fit.root = cholesky(&fit.covariance(group as f64))?;
        fit.data = solve_lower(&fit.root, &values);
        (fit.places.len() >= 10).then_some(fit)
    }

    /// White noise of groups and the fading, which multiplies the true light.
    fn covariance(&self, group: f64) -> Vec<Vec<f64>> {
        let physics = self.physics;
        let light: Vec<f64> = self
            .places
            .iter()
            .map(|at| {
                let ended = self.mark.kind.is_end();
                let left = if ended {
                    self.fall(at - self.mark.at_m)
                } else {
                    1.0
                };
                10_f64.powf(physics.level(*at) / 5.0) * left
            })
            .collect();
        let fading = physics.fading_db() * POWER_A_DB;
        let rounding = 0.001 * 0.289 * POWER_A_DB;
        let lag = physics.case.pulse_m / 3.0;
        let row = |i: usize, a: f64, here: f64| -> Vec<f64> {
            let others = self.places.iter().zip(&light).enumerate();
            others
                .map(|(j, (b, there))| {
                    let shared = fading * fading * here * there * (-(a - b).abs() / lag).exp();
                    let white = physics.sigma_power.powi(2) + (rounding * here).powi(2);
                    shared + if i == j { white / group } else { 0.0 }
                })
                .collect()
        };
        let rows = self.places.iter().zip(&light).enumerate();
        rows.map(|(i, (a, here))| row(i, *a, *here)).collect()
    }

    /// The light left of the glass before a step, `u` behind it.
    fn fall(&self, u: f64) -> f64 {
        let (pulse, reach) = (self.physics.case.pulse_m, self.physics.reach_m);
        if u <= 0.0 {
            return 1.0;
        }
        // Glass that darkens along the pulse, behind one pole, relative to the line before.
        let fade = self.physics.slope() / 1_000.0 * POWER_A_DB;
        let (slow, back) = (fade * reach, (fade * u).exp());
        let share = (fade * pulse).exp_m1().recip();
        if u <= pulse {
            return 1.0 + share - share * back * (1.0 - slow + slow * (-u / reach).exp());
        }
        let left = share * slow * -(-pulse / reach).exp_m1();
        left * back * (-(u - pulse) / reach).exp()
    }

    /// A reflection, `u` behind it.
    fn rise(&self, u: f64) -> f64 {
        let (pulse, reach) = (self.physics.case.pulse_m, self.physics.reach_m);
        let risen = |u: f64| 1.0 - (-u.max(0.0) / reach).exp();
        risen(u) - risen(u - pulse)
    }

    /// Log of the marginal likelihood at each place.
    fn over(&self, low: f64, high: f64) -> Option<Vec<(f64, f64)>> {
        let step = (high - low) / f64::from(PLACES - 1);
        (0..PLACES)
            .map(|k| {
                let at = low + step * f64::from(k);
                Some((at, self.log_likelihood(at)?))
            })
            .collect()
    }

    fn log_likelihood(&self, at: f64) -> Option<f64> {
        let columns: Vec<Vec<f64>> = self
            .columns(at)
            .into_iter()
            .map(|column| solve_lower(&self.root, &column))
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let normal: Vec<Vec<f64>> = columns
            .iter()
            .map(|a| columns.iter().map(|b| dot(a, b)).collect())
            .collect();
        let side: Vec<f64> = columns.iter().map(|a| dot(a, &self.data)).collect();
        let root = cholesky(&normal)?;
        let half = solve_lower(&root, &side);
        let explained = dot(&half, &half);
        let log_det: f64 = root
            .iter()
            .filter_map(|row| row.last())
            .map(|d| d.ln())
            .sum();
        Some(0.5 * explained - log_det)
    }

    /// Level and slope of the glass between marks, and the reflection.
    fn columns(&self, at: f64) -> Vec<Vec<f64>> {
        let pulse = self.physics.case.pulse_m;
        let mut edges = self.others.clone();
        edges.push(at);
        edges.sort_by(f64::total_cmp);
        let first = self.places.first().copied().unwrap_or(at);
        let last = self.places.last().copied().unwrap_or(at);
        let mut bounds = vec![first - 20.0 * pulse];
        bounds.extend(&edges);
        if !self.mark.kind.is_end() {
            bounds.push(last + 20.0 * pulse);
        }
        let slope = self.physics.slope();
        let unit = 10_f64.powf(self.physics.level(self.mark.at_m - 1e-6) / 5.0);
        let glass = |z: f64| unit * 10_f64.powf(-slope * (z - self.mark.at_m) / 5_000.0);
        let mut columns = Vec::new();
        for pair in bounds.windows(2) {
            let [from, to] = *pair else { continue };
            let share = |z: f64| (self.fall(z - to) - self.fall(z - from)) * glass(z);
            columns.push(self.places.iter().map(|z| share(*z)).collect());
            let shown = to.min(last) - from.max(first);
            if shown > 1.5 * pulse {
                let middle = f64::midpoint(to.min(last), from.max(first));
                let tilt = |z: &f64| share(*z) * (z - middle) / pulse;
                columns.push(self.places.iter().map(tilt).collect());
            }
        }
        if self.mark.reflectance_db.is_some() {
            columns.push(
                self.places
                    .iter()
                    .map(|z| self.rise(z - at) * unit)
                    .collect(),
            );
        }
        columns
    }
}

/// Place and power of the samples in a range; "no light" counts as its mean, below zero. Samples
/// at the receiver's limit say nothing and are left out.
fn samples(trace: &Trace, [from, to]: [f64; 2], sigma: f64) -> Vec<(f64, f64)> {
    let step = trace.shot.spacing.get();
    let power = |raw: u16| match raw {
        u16::MAX => -0.8 * sigma,
        raw => 10_f64.powf(-f64::from(raw) / 5_000.0),
    };
    let all = trace.raw.iter().enumerate();
    let placed = all.map(|(i, raw)| (i as f64 * step, *raw));
    let inside = placed.filter(|(at, raw)| *at >= from && *at < to && *raw > 20);
    inside.map(|(at, raw)| (at, power(raw))).collect()
}

/// Lower triangle `L` with `L·Lᵀ` = `matrix`; row `i` has `i + 1` entries.
fn cholesky(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let mut root: Vec<Vec<f64>> = Vec::with_capacity(matrix.len());
    for (i, row) in matrix.iter().enumerate() {
        let mut new = Vec::with_capacity(i + 1);
        for (j, value) in row.iter().enumerate().take(i + 1) {
            let other: &[f64] = root.get(j).map_or(&[], Vec::as_slice);
            let sum: f64 = new
                .iter()
                .zip(other)
                .take(j)
                .map(|(a, b): (&f64, &f64)| a * b)
                .sum();
            if j < i {
                new.push((value - sum) / other.get(j)?);
            } else {
                let own: f64 = new.iter().map(|a: &f64| a * a).sum();
                let left = value - own;
                if left.is_nan() || left <= 0.0 {
                    return None;
                }
                new.push(left.sqrt());
            }
        }
        root.push(new);
    }
    Some(root)
}

/// `L⁻¹·v`.
fn solve_lower(root: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::with_capacity(values.len());
    for (row, value) in root.iter().zip(values) {
        let sum: f64 = row.iter().zip(&out).map(|(a, b)| a * b).sum();
        let pivot = row.last().copied().unwrap_or(1.0);
        out.push((value - sum) / pivot);
    }
    out
}
