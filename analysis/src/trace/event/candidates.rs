//! Places where something may be: jumps of the level, on scales from the pulse up.

use super::grid::Grid;
use crate::trace::line::quantile;
use crate::trace::samples::{cut, whole};

/// Window lengths in pulses.
const SCALES: [f64; 5] = [0.7, 2.0, 5.0, 12.0, 30.0];

/// Jumps below this many standard deviations are nothing.
const LEAST_Z: f64 = 3.0;

/// A point this many deviations over the glass before it may start a peak.
const PEAK_Z: f64 = 6.0;

/// At most this many go on; the largest.
const MOST: usize = 320;

/// The 30 % quantile of the absolute value of a normal variable.
const LOW_QUANTILE: f64 = 0.385;

/// Candidate places, as points of the grid in order, and how much wider the noise is on the scale
/// of events than point by point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) places: Vec<usize>,
    pub(crate) widening: f64,
}

/// Finds the candidates.
pub(crate) fn candidates(grid: &Grid) -> Candidates {
    let mut found: Vec<(usize, f64)> = Vec::new();
    let mut widening: f64 = 1.0;
    for scale in SCALES {
        let width = whole(scale * grid.pulse as f64).max(3);
        if 3 * width > grid.levels.len() {
            break;
        }
        let mut jumps = jumps(grid, width);
        let factor = scatter(&jumps).max(1.0);
        if scale < 10.0 {
            widening = widening.max(factor);
        }
        jumps.iter_mut().for_each(|z| *z /= factor);
        found.extend(maxima(&jumps, width));
    }
    found.extend(peaks(grid));
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(MOST);
    let mut places: Vec<usize> = found.into_iter().map(|(place, _)| place).collect();
    places.sort_unstable();
    places.dedup();
    Candidates {
        places,
        widening: widening.min(4.0),
    }
}

/// The jump at each point in standard deviations: levels behind a pulse's gap against levels
/// before, with the usual slope taken off.
fn jumps(grid: &Grid, width: usize) -> Vec<f64> {
    let flat: Vec<f64> = grid
        .levels
        .iter()
        .enumerate()
        .map(|(i, level)| level - grid.slope * grid.km(i))
        .collect();
    let mut sums = vec![0.0];
    let mut total = 0.0;
    for level in &flat {
        total += level;
        sums.push(total);
    }
    let mean = |from: usize, to: usize| {
        let (a, b) = (sums.get(from)?, sums.get(to)?);
        Some((b - a) / (to - from) as f64)
    };
    let jump = |i: usize| {
        let from = i.checked_sub(width)?;
        let behind = i + grid.pulse;
        let sigma = grid.sigma.get(i)?;
        let doubt = sigma * (2.0 / width as f64).sqrt();
        Some((mean(behind, behind + width)? - mean(from, i)?) / doubt)
    };
    (0..flat.len()).map(|i| jump(i).unwrap_or(0.0)).collect()
}

/// How much more jumps scatter than white noise lets them, from the smaller ones.
fn scatter(jumps: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = jumps
        .iter()
        .filter(|z| **z != 0.0)
        .map(|z| z.abs())
        .collect();
    quantile(&mut sizes, 0.30) / LOW_QUANTILE
}

/// Local extremes of the jumps.
fn maxima(jumps: &[f64], width: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
    let reach = (width / 2).max(1);
    jumps.iter().enumerate().filter_map(move |(i, z)| {
        if z.abs() < LEAST_Z {
            return None;
        }
        let around = cut(jumps, i.saturating_sub(reach), i + reach + 1);
        let highest = around.iter().all(|other| other * z.signum() <= z.abs());
        highest.then_some((i, z.abs()))
    })
}

/// Points where the level rises out of the glass.
fn peaks(grid: &Grid) -> Vec<(usize, f64)> {
    let mut found = Vec::new();
    let mut next = 0;
    for (i, (level, sigma)) in grid.levels.iter().zip(&grid.sigma).enumerate() {
        let before = cut(&grid.levels, i.saturating_sub(2), i);
        let lowest = before.iter().copied().fold(f64::MAX, f64::min);
        let rise = (level - lowest) / (sigma * std::f64::consts::SQRT_2);
        if i >= next && before.len() == 2 && rise > PEAK_Z {
            found.push((i.saturating_sub(1), rise));
            next = i + grid.pulse.max(2) / 2;
        }
    }
    found
}
