//! Places where something may be: jumps of the level, on scales from the pulse up.

use std::collections::BTreeMap;

use super::grid::Grid;
use super::rise::{Rise, rises};
use crate::trace::line::quantile;
use crate::trace::samples::{cut, whole};

/// Window lengths in pulses.
const SCALES: [f64; 5] = [0.7, 2.0, 5.0, 12.0, 30.0];

/// A window is moved on by this part of its length at the most.
const FINE: usize = 16;

/// Jumps below this many standard deviations are nothing.
const LEAST_Z: f64 = 3.0;

/// A step that clear is seen late: the receiver goes on falling, so the largest jump lies behind
/// the place where its glass ends. That is tried so many edges before.
const CLEAR_Z: f64 = 12.0;
const EARLIER: [f64; 5] = [0.15, 0.35, 0.6, 0.9, 1.3];

/// Where events are dense all jumps are large: they are made smaller by this at the most.
const MOST_SCATTER: f64 = 2.0;

/// Places that lie closer than this part of an edge are one.
const APART: f64 = 0.12;

/// At most this many go on, the largest, and the feet of the clear ones.
const MOST: usize = 320;

/// The 30 % quantile of the absolute value of a normal variable.
const LOW_QUANTILE: f64 = 0.385;

/// Candidate places, as points of the grid in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) places: Vec<usize>,
    /// Reflections, in order.
    pub(crate) rises: Vec<Rise>,
}

impl Candidates {
    /// Adds places; whether any is new.
    pub(super) fn add(&mut self, places: Vec<usize>) -> bool {
        let known = self.places.len();
        self.places.extend(places);
        self.places.sort_unstable();
        self.places.dedup();
        self.places.len() > known
    }
}

/// Finds the candidates.
pub(crate) fn candidates(grid: &Grid) -> Candidates {
    let mut found: Vec<(usize, f64)> = Vec::new();
    let sums = sums(grid);
    for scale in SCALES {
        let width = whole(scale * grid.edge).max(3);
        if 3 * width > grid.levels.len() {
            break;
        }
        let stride = (width / FINE).max(1);
        let mut jumps = jumps(grid, &sums, width, stride);
        let factor = scatter(&jumps).clamp(1.0, MOST_SCATTER);
        jumps.iter_mut().for_each(|z| *z /= factor);
        let largest = maxima(&jumps, width / stride);
        found.extend(largest.map(|(k, z)| (k * stride, z)));
    }
    let rises = rises(grid);
    found.extend(rises.iter().map(|rise| (rise.at, f64::MAX)));
    let apart = whole(APART * grid.edge);
    let found = largest(found, apart);
    let clear = found
        .iter()
        .filter(|(_, z)| (CLEAR_Z..f64::MAX).contains(z));
    let feet = clear.flat_map(|(at, _)| feet(*at, grid.edge));
    let mut places: Vec<usize> = found.iter().map(|(at, _)| *at).chain(feet).collect();
    places.sort_unstable();
    places.dedup();
    Candidates { places, rises }
}

/// Where the glass before a clear step may end.
fn feet(at: usize, edge: f64) -> impl Iterator<Item = usize> {
    let back = EARLIER.map(|edges| whole((edges * edge).round()).max(1));
    back.into_iter()
        .filter_map(move |back| at.checked_sub(back))
}

/// The largest jumps, of those that lie closer than `apart` the larger.
fn largest(mut found: Vec<(usize, f64)>, apart: usize) -> Vec<(usize, f64)> {
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut kept: BTreeMap<usize, f64> = BTreeMap::new();
    for (at, z) in found {
        let near = at.saturating_sub(apart)..=at + apart;
        if kept.len() < MOST && kept.range(near).next().is_none() {
            kept.insert(at, z);
        }
    }
    kept.into_iter().collect()
}

/// Sums of the levels before each point, the usual slope taken off.
fn sums(grid: &Grid) -> Vec<f64> {
    let mut total = 0.0;
    let mut sums = Vec::with_capacity(grid.levels.len() + 1);
    sums.push(total);
    sums.extend(grid.levels.iter().enumerate().map(|(i, level)| {
        total += level - grid.slope * grid.km(i);
        total
    }));
    sums
}

/// The jump at every so many points in standard deviations: levels behind a pulse's gap against
/// levels before.
fn jumps(grid: &Grid, sums: &[f64], width: usize, stride: usize) -> Vec<f64> {
    let mean = |from: usize, to: usize| {
        let (a, b) = (sums.get(from)?, sums.get(to)?);
        Some((b - a) / (to - from) as f64)
    };
    let root = (2.0 / width as f64).sqrt();
    let edge = grid.edge_points();
    let jump = |i: usize| {
        let from = i.checked_sub(width)?;
        let behind = i + edge;
        let doubt = grid.wide.get(i)? * root;
        Some((mean(behind, behind + width)? - mean(from, i)?) / doubt)
    };
    (0..grid.levels.len())
        .step_by(stride)
        .map(|i| jump(i).unwrap_or(0.0))
        .collect()
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
