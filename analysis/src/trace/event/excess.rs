//! How much more sums of neighbouring points scatter than white noise would let them.
//!
//! Smoothing, fading and the unevenness of real glass correlate neighbours. What counts for an
//! event is how far the mean of many points strays, so that is measured: on what the fitted glass
//! leaves over, in sums of one point up to several pulses.

use super::grid::{Grid, Noise};
use super::segments::Cut;
use super::uneven::{self, Stray};
use crate::trace::line::quantile;
use crate::trace::noise;
use crate::trace::samples::cut;

/// Sums go up to this many pulses, or edges where an instrument smooths over more.
const MOST_PULSES: usize = 5;

/// Means along the lines that the first estimate goes by.
const LINE_MEANS: usize = 6;

/// Fewer lines say nothing.
const FEWEST_LINES: usize = 16;

/// Fewer sums of one length say nothing; so long ones hold small events.
const FEWEST: usize = 12;
const MANY: usize = 60;
const FEWEST_LONG: usize = 30;

/// The share of sums that is believed, events that are still unknown inflate the others, and that
/// quantile of the absolute value of a normal variable.
const SHARE: f64 = 0.30;
const SHARE_IN_SIGMAS: f64 = 0.385_3;

/// A point strays by this part of what it counts for at the least.
const LEAST_SINGLE: f64 = 0.03;

/// A wide share of sums and its quantile, for intervals, and the most that they are widened.
const WIDE_SHARE: f64 = 0.90;
const WIDE_IN_SIGMAS: f64 = 1.644_9;
const MOST_DOUBT: f64 = 2.0;

/// What the glass of a grid leaves over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excess {
    /// How noise of one point becomes noise of many.
    pub(crate) noise: Noise,
    /// How much wider all sums scatter than the quieter ones say: for intervals.
    pub(crate) doubt: f64,
}

/// A first estimate before any event is known, from the quieter ones of lines over a few pulses:
/// how far the means of whole pulses stray from them.
///
/// Rather too low than too high: what is too low finds too many events at first and is raised by
/// what they leave over, what is too high hides the events that would lower it. Longer means
/// would always hold an event where a span has many.
pub(crate) fn before(grid: &Grid) -> Noise {
    let size = grid.pulse.max(2);
    if grid.levels.len() < FEWEST_LINES * LINE_MEANS * size {
        // Events fill every line of so short a trace: a receiver correlates a third of a pulse.
        let factor = (grid.pulse as f64 / 3.0).sqrt().max(1.0);
        return uneven::noise(factor, 0.0, 1.0);
    }
    let lines = grid.levels.chunks_exact(LINE_MEANS * size);
    let noise = grid.sigma.chunks_exact(LINE_MEANS * size);
    let stray = |(k, (levels, sigma)): (usize, (&[f64], &[f64]))| {
        let noise = sigma.first().copied().unwrap_or(1.0);
        let rounded = grid.rounded(k * LINE_MEANS * size, size);
        Stray {
            size: off_line(levels, size) * (size as f64).sqrt() / noise / rounded,
            inverse: noise.powi(-2),
        }
    };
    let strays: Vec<Stray> = lines.zip(noise).enumerate().map(stray).collect();
    let believed = |scatters: &mut [f64]| noise::low(scatters, LINE_MEANS - 2);
    let glass = uneven::at_most(&strays, uneven::glass(&strays), believed);
    let mut scatters: Vec<f64> = uneven::scaled(&strays, glass).collect();
    uneven::noise(believed(&mut scatters).max(1.0), glass, 1.0)
}

/// How far the means of `size` neighbours stray from a line.
fn off_line(levels: &[f64], size: usize) -> f64 {
    let mean = |chunk: &[f64]| chunk.iter().sum::<f64>() / size as f64;
    let means: Vec<f64> = levels.chunks_exact(size).map(mean).collect();
    noise::off_line(&means)
}

/// Measures it between the cuts.
pub(crate) fn excess(grid: &Grid, cuts: &[Cut]) -> Excess {
    let mut stretches = residuals(grid, cuts);
    let mut factor: f64 = 1.0;
    let mut single: f64 = 1.0;
    // Sums of each length, which of them stray most, and the longest of which there are many.
    let mut all: Vec<Vec<Stray>> = Vec::new();
    let (mut largest, mut many) = (None, None);
    let mut size = 1;
    let longest = MOST_PULSES * grid.pulse.max(grid.edge_points());
    while size <= longest.max(4) {
        let long = || stretches.iter().filter(|s| s.points >= 5 * size);
        let mut sums: Vec<Stray> = Vec::with_capacity(long().map(|s| s.sums.len()).sum());
        long().for_each(|stretch| sums.extend(stretch.sizes(grid, size)));
        let fewest = match size <= MOST_PULSES * grid.pulse {
            true => FEWEST,
            false => FEWEST_LONG,
        };
        if sums.len() < fewest {
            break;
        }
        let scatter = uneven::spread(&sums, 0.0) / SHARE_IN_SIGMAS;
        if size == 1 {
            single = scatter;
        }
        if sums.len() >= MANY {
            many = Some(all.len());
        }
        if scatter > factor {
            factor = scatter;
            largest = Some(all.len());
        }
        all.push(sums);
        size *= 2;
        stretches.iter_mut().for_each(Stretch::pair);
    }
    let of = |k: Option<usize>| k.and_then(|k| all.get(k)).map_or(&[][..], Vec::as_slice);
    let (largest, many) = (of(largest), of(many));
    let believed = |sizes: &mut [f64]| quantile(sizes, SHARE) / SHARE_IN_SIGMAS;
    let glass = uneven::at_most(largest, uneven::glass(many), believed);
    if glass > 0.0 {
        factor = (uneven::spread(largest, glass) / SHARE_IN_SIGMAS).max(1.0);
    }
    let mut sizes: Vec<f64> = uneven::scaled(largest, glass).collect();
    let wide = match sizes.is_empty() {
        true => 1.0,
        false => quantile(&mut sizes, WIDE_SHARE) / WIDE_IN_SIGMAS / factor,
    };
    Excess {
        noise: uneven::noise(factor, glass, single.max(LEAST_SINGLE * factor)),
        doubt: wide.clamp(1.0, MOST_DOUBT),
    }
}

/// What a stretch of glass leaves over, in units of white noise: sums of as many neighbours each.
struct Stretch {
    from: usize,
    points: usize,
    /// Each with one over the square of the noise of a point there.
    sums: Vec<Stray>,
}

impl Stretch {
    /// Sums of twice as many.
    fn pair(&mut self) {
        let (pairs, _) = self.sums.as_chunks::<2>();
        let both = |[a, b]: &[Stray; 2]| Stray {
            size: a.size + b.size,
            inverse: f64::midpoint(a.inverse, b.inverse),
        };
        self.sums = pairs.iter().map(both).collect();
    }

    /// How large its sums of `size` neighbours are, for white noise of deviation 1; the line took its
    /// share.
    fn sizes(&self, grid: &Grid, size: usize) -> impl Iterator<Item = Stray> {
        let left = 1.0 - 2.0 * size as f64 / self.points as f64;
        let scale = (size as f64 * left.max(0.2)).sqrt();
        self.sums.iter().enumerate().map(move |(k, sum)| Stray {
            size: sum.size.abs() / scale / grid.rounded(self.from + k * size, size),
            ..*sum
        })
    }
}

/// Each stretch of glass, point by point.
fn residuals(grid: &Grid, cuts: &[Cut]) -> Vec<Stretch> {
    let ends = cuts.iter().skip(1).map(|cut| cut.from);
    let pairs = cuts.iter().zip(ends.chain([grid.levels.len()]));
    let off = |(glass, end): (&Cut, usize)| {
        let fit = glass.glass(grid, end)?;
        let levels = cut(&grid.levels, glass.to, end).iter();
        let sigma = cut(&grid.sigma, glass.to, end).iter();
        let points = levels.zip(sigma).enumerate();
        let residual = |(i, (level, sigma)): (usize, (&f64, &f64))| Stray {
            size: (level - fit.lit(grid.km(glass.to + i))) / sigma,
            inverse: sigma.powi(-2),
        };
        let sums: Vec<Stray> = points.map(residual).collect();
        Some(Stretch {
            from: glass.to,
            points: sums.len(),
            sums,
        })
    };
    pairs.filter_map(off).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Feature, Plan};

    fn factor(features: Vec<Feature>, roughness_db: f64) -> f64 {
        let plan = Plan {
            features,
            roughness_db,
            ..Plan::default()
        };
        let trace = plan.trace();
        let grid = Grid::open(&trace).unwrap();
        before(&grid).factor
    }

    #[test]
    fn events_hardly_inflate_the_first_estimate() {
        let feature = |at_km: f64| Feature {
            at_m: at_km * 1_000.0,
            loss_db: 0.4,
            reflectance_db: None,
        };
        let quiet = factor(Vec::new(), 0.01);
        let busy = factor((2..18).map(|km| feature(f64::from(km))).collect(), 0.01);
        assert!((1.0..2.5).contains(&quiet), "{quiet}");
        assert!(busy < 2.0 * quiet, "{busy} {quiet}");
    }
}
