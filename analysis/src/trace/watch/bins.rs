//! Traces in linear power, added up over bins: what averages right and is small enough to search.
//!
//! Near the noise a mean of decibels lies, and codes for "no light" have none; sums of power do
//! not. A watched fibre becomes about a thousand bins, whatever its file's spacing.

use crate::trace::samples::Trace;

/// Bins a watched stretch is cut into at the most.
const MOST_BINS: usize = 1_024;

/// A bin is at least this part of a pulse: within one nothing changes by itself.
const LEAST_PULSES: f64 = 0.25;

/// Light that fell by more is counted as fallen by this, in decibels.
const DEEPEST_DB: f64 = 15.0;

/// A stretch of samples in bins of equal size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bins {
    /// First sample.
    pub(super) from: usize,
    /// Samples a bin.
    pub(super) size: usize,
    /// Bins.
    pub(super) count: usize,
}

impl Bins {
    /// Bins over the samples of `trace` from one to before another.
    pub(super) fn over(trace: &Trace, from: usize, to: usize) -> Self {
        let length = to.saturating_sub(from);
        let pulse = trace.samples_in(LEAST_PULSES * trace.pulse().get());
        let size = length
            .div_ceil(MOST_BINS)
            .max(pulse.min(length / 64))
            .max(1);
        Self {
            from,
            size,
            count: length / size,
        }
    }

    /// The sample after the last.
    pub(super) const fn to(&self) -> usize {
        self.from + self.size * self.count
    }

    /// The first sample of a bin.
    pub(super) const fn start(&self, bin: usize) -> usize {
        self.from + self.size * bin
    }

    /// The bin that holds a sample, the last for any behind.
    pub(super) fn of(&self, sample: usize) -> usize {
        (sample.saturating_sub(self.from) / self.size).min(self.count.saturating_sub(1))
    }

    /// Where a bin lies on the stretch: -0.5 for its beginning, 0.5 for its end.
    pub(super) fn share(&self, bin: usize) -> f64 {
        (bin as f64 + 0.5) / self.count.max(1) as f64 - 0.5
    }

    /// What each bin holds of linear power.
    pub(super) fn sums(&self, power: &[f64]) -> Vec<f64> {
        let watched = power.get(self.from..self.to()).unwrap_or_default();
        let bins = watched.chunks_exact(self.size);
        bins.map(|bin| bin.iter().sum()).collect()
    }

    /// By how much less light each bin holds, in one-way decibels: positive for loss.
    pub(super) fn fall(&self, before: &[f64], now: &[f64]) -> Vec<f64> {
        let pairs = before.iter().zip(now);
        pairs.map(|(before, now)| fall(*before, *now)).collect()
    }
}

/// By how much one power lies below another, in one-way decibels.
pub(super) fn fall(before: f64, now: f64) -> f64 {
    if before <= 0.0 {
        return 0.0;
    }
    let least = 10_f64.powf(-DEEPEST_DB / 5.0);
    -5.0 * (now / before).max(least).log10()
}

/// Linear power of each sample: nothing where a sample says "no light".
pub(super) fn powers(trace: &Trace) -> Vec<f64> {
    let power = |level: &f64| {
        if trace.is_dark(*level) {
            0.0
        } else {
            (level * (std::f64::consts::LN_10 / 5.0)).exp()
        }
    };
    trace.levels().iter().map(power).collect()
}

/// The mean power of several shots, sample by sample.
pub(super) fn mean_power(shots: &[&Trace]) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    for shot in shots {
        let powers = powers(shot);
        if sums.is_empty() {
            sums = powers;
        } else {
            sums.iter_mut().zip(&powers).for_each(|(sum, p)| *sum += p);
        }
    }
    let count = shots.len().max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Plan;

    #[test]
    fn bins_cover_the_stretch_and_know_their_samples() {
        let trace = Plan::default().trace();
        let bins = Bins::over(&trace, 40, 4_000);
        assert!(bins.count <= MOST_BINS && bins.to() <= 4_000);
        assert!(4_000 - bins.to() < bins.size);
        for bin in [0, 7, bins.count - 1] {
            assert_eq!(bins.of(bins.start(bin)), bin);
            assert_eq!(bins.of(bins.start(bin) + bins.size - 1), bin);
        }
        assert!((bins.share(0) + bins.share(bins.count - 1)).abs() < 1e-12);
    }

    #[test]
    fn a_fall_is_in_one_way_decibels_and_has_a_bottom() {
        assert!((fall(1.0, 0.1) - 5.0).abs() < 1e-12);
        assert!((fall(1.0, 0.0) - DEEPEST_DB).abs() < 1e-12);
        assert!(fall(0.0, 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_mean_is_one_of_powers() {
        let trace = Plan::default().trace();
        let lower = Trace::new(
            *trace.settings(),
            trace.levels().iter().map(|level| level - 3.0).collect(),
            None,
        )
        .unwrap();
        let mean = mean_power(&[&trace, &lower]);
        let wanted = powers(&trace)[100] * (1.0 + 10_f64.powf(-0.6)) / 2.0;
        assert!((mean[100] / wanted - 1.0).abs() < 1e-9);
    }
}
