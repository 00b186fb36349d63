//! Straight lines through stretches of a trace.

use super::product::{highest, sum};
pub(crate) use super::quantile::{median, quantile};

/// Samples farther from the line than four deviations are left out of the second fit: so many times
/// the median distance.
const LIMIT: f64 = 4.0 * 1.4826;

/// More points than this are grouped before a robust fit.
const MOST_POINTS: usize = 100;

/// A least-squares line over samples, with what it says about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// Sample index of the fit's centre.
    pub(crate) centre: f64,
    /// Level there, in decibels.
    pub(crate) level: f64,
    /// Change a sample, in decibels.
    pub(crate) slope: f64,
    /// Root mean square of the residuals.
    pub(crate) rms: f64,
    /// Samples used.
    pub(crate) count: f64,
    /// Sum of squared distances from the centre.
    pub(crate) spread: f64,
}

/// Values reckoned with side by side: one after the other waits for every addition.
const LANES: usize = 4;

/// The sums of values over a level times how far they are from the middle, and of their squares.
fn moments(values: &[f64], level: f64) -> (f64, f64) {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let (mut joint, mut square) = ([0.0; LANES], [0.0; LANES]);
    let mut places = [0.0, 1.0, 2.0, 3.0].map(|lane| lane - middle);
    let (wide, rest) = values.as_chunks::<LANES>();
    for values in wide {
        let sums = joint.iter_mut().zip(&mut square).zip(&mut places);
        for (((joint, square), place), value) in sums.zip(values) {
            let off = value - level;
            *joint += *place * off;
            *square += off * off;
            *place += LANES as f64;
        }
    }
    let ends = rest.iter().zip(places);
    ends.fold(
        (sum(&joint), sum(&square)),
        |(joint, square), (value, place)| {
            let off = value - level;
            (joint + place * off, square + off * off)
        },
    )
}

impl Line {
    /// The line through `levels`, the first of which has index `from`; none for fewer than 3.
    pub(crate) fn fit(levels: &[f64], from: usize) -> Option<Self> {
        let count = levels.len() as f64;
        if levels.len() < 3 {
            return None;
        }
        let middle = (count - 1.0) / 2.0;
        let level = sum(levels) / count;
        let spread = count * (count * count - 1.0) / 12.0;
        let (joint, square) = moments(levels, level);
        let slope = joint / spread;
        Some(Self {
            centre: from as f64 + middle,
            level,
            slope,
            rms: ((square - slope * joint).max(0.0) / (count - 2.0)).sqrt(),
            count,
            spread,
        })
    }

    /// The same with outliers left out, found by their distance from the median residual.
    ///
    /// Long stretches are fitted through the means of groups, which tell the same about a line.
    pub(crate) fn robust(levels: &[f64], from: usize) -> Option<Self> {
        let group = (levels.len() / MOST_POINTS).max(1);
        if group == 1 {
            return Self::without_outliers(levels, from);
        }
        let size = group as f64;
        let mean = |chunk: &[f64]| chunk.iter().sum::<f64>() / size;
        let means: Vec<f64> = levels.chunks_exact(group).map(mean).collect();
        let coarse = Self::without_outliers(&means, 0)?;
        Some(Self {
            centre: from as f64 + coarse.centre * size + (size - 1.0) / 2.0,
            level: coarse.level,
            slope: coarse.slope / size,
            rms: coarse.rms * size.sqrt(),
            count: coarse.count * size,
            spread: coarse.spread * size.powi(3),
        })
    }

    fn without_outliers(levels: &[f64], from: usize) -> Option<Self> {
        let first = Self::fit(levels, from)?;
        let pairs = || {
            levels
                .iter()
                .enumerate()
                .map(|(i, &level)| ((from + i) as f64, level))
        };
        let mut residuals: Vec<f64> = first.residuals(levels).collect();
        let middle = median(&mut residuals);
        let mut away: Vec<f64> = residuals.iter().map(|r| (r - middle).abs()).collect();
        // Nothing left out leaves the line as it is. Whether the farthest is within the limit shows
        // by how many are nearer than the median would have to be.
        let farthest = highest(&away);
        let least = (farthest - 1e-9) / LIMIT;
        let nearer = away.iter().filter(|away| **away < least).count();
        if nearer <= away.len().saturating_sub(1) / 2 {
            return Some(first);
        }
        let limit = LIMIT * median(&mut away) + 1e-9;
        let kept = pairs().filter(|(i, level)| (level - first.at(*i) - middle).abs() <= limit);
        Self::of_pairs(kept)
    }

    fn of_pairs(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let count = pairs.clone().count() as f64;
        if count < 3.0 {
            return None;
        }
        let centre = pairs.clone().map(|(x, _)| x).sum::<f64>() / count;
        let level = pairs.clone().map(|(_, y)| y).sum::<f64>() / count;
        let spread: f64 = pairs.clone().map(|(x, _)| (x - centre).powi(2)).sum();
        let joint: f64 = pairs.clone().map(|(x, y)| (x - centre) * (y - level)).sum();
        let slope = joint / spread.max(f64::MIN_POSITIVE);
        let residual = |(x, y): (f64, f64)| (y - level - slope * (x - centre)).powi(2);
        let rms = (pairs.map(residual).sum::<f64>() / (count - 2.0)).sqrt();
        Some(Self {
            centre,
            level,
            slope,
            rms,
            count,
            spread,
        })
    }

    /// What it leaves of levels about its centre.
    pub(crate) fn residuals(self, levels: &[f64]) -> impl Iterator<Item = f64> + '_ {
        let middle = (levels.len() as f64 - 1.0) / 2.0;
        let off =
            move |(i, level): (usize, &f64)| level - self.level - self.slope * (i as f64 - middle);
        levels.iter().enumerate().map(off)
    }

    /// The line's level at a sample.
    pub(crate) fn at(&self, index: f64) -> f64 {
        self.level + self.slope * (index - self.centre)
    }

    /// Standard deviation of the line's level at a sample for noise of `sigma` a sample.
    pub(crate) fn sigma_at(&self, index: f64, sigma: f64) -> f64 {
        let lever = (index - self.centre).powi(2) / self.spread.max(f64::MIN_POSITIVE);
        sigma * (1.0 / self.count + lever).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_found_exactly() {
        let levels: Vec<f64> = (0..50).map(|i| -20.0 - 0.01 * f64::from(i)).collect();
        let line = Line::fit(&levels, 100).unwrap();
        assert!((line.at(100.0) + 20.0).abs() < 1e-9);
        assert!((line.slope + 0.01).abs() < 1e-12);
        assert!(line.rms < 1e-9);
    }

    #[test]
    fn a_peak_does_not_bend_the_robust_line() {
        let mut levels: Vec<f64> = (0..100)
            .map(|i| 0.01 * f64::from(i) + 0.001 * f64::from(i % 3))
            .collect();
        levels[80..90].iter_mut().for_each(|level| *level += 10.0);
        let line = Line::robust(&levels, 0).unwrap();
        assert!((line.slope - 0.01).abs() < 1e-3, "{}", line.slope);
    }

    #[test]
    fn a_long_stretch_gives_the_line_of_its_samples() {
        let mut dice = crate::trace::synth::Dice::new(4);
        let levels: Vec<f64> = (0..5_000)
            .map(|i| -0.002 * f64::from(i) + 0.1 * dice.normal())
            .collect();
        let (all, grouped) = (
            Line::fit(&levels, 7).unwrap(),
            Line::robust(&levels, 7).unwrap(),
        );
        assert!((all.at(100.0) - grouped.at(100.0)).abs() < 0.01);
        assert!((all.slope / grouped.slope - 1.0).abs() < 0.01);
        assert!(
            (all.rms / grouped.rms - 1.0).abs() < 0.3,
            "{} {}",
            all.rms,
            grouped.rms
        );
        let (wanted, found) = (all.sigma_at(0.0, 0.1), grouped.sigma_at(0.0, 0.1));
        assert!((wanted / found - 1.0).abs() < 0.05, "{wanted} {found}");
    }

    #[test]
    fn two_samples_make_no_line() {
        assert!(Line::fit(&[1.0, 2.0], 0).is_none());
    }
}
