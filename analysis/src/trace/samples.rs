//! A trace as numbers to compute with.

use silkline_protocol::unit::{Db, GroupIndex, LIGHT_M_PER_S, Nanometres, OpticalLength};
use silkline_sor::{Level, MilliDb, Sor};

use super::product::lowest;

/// Fewer samples are no trace.
const FEWEST_SAMPLES: usize = 10;

/// Half of the finest step that files resolve.
const LEAST_STEP_DB: f64 = 0.000_5;

/// No sample is lower.
const LOWEST_DB: f64 = 200.0;
/// So many samples of one level, and such a share of all, are not there by chance.
const FEWEST_CUT: usize = 20;
const CUT_SHARE: f64 = 0.02;

/// What a trace needs to know about how it was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// One-way distance between samples.
    pub spacing: OpticalLength,
    /// Where the first sample lies, from the user offset.
    pub first: OpticalLength,
    /// From the front panel to the user offset: the launch fibre.
    pub launch: OpticalLength,
    /// Pulse width in nanoseconds.
    pub pulse_ns: f64,
    /// Group index of refraction.
    pub group_index: GroupIndex,
    /// Wavelength, where it is known.
    pub wavelength: Option<Nanometres>,
    /// Backscatter coefficient at 1 ns, negative, where it is known.
    pub backscatter: Option<Db>,
    /// Smallest loss the instrument was told to report.
    pub loss_threshold: Option<Db>,
}

/// One acquisition: equally spaced one-way levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    settings: Settings,
    /// One-way levels in decibels, all finite.
    levels: Vec<f64>,
    /// Samples at or below this level mean "no light".
    floor: f64,
    /// Samples at or below this level are cut off by the instrument, whatever it calls them.
    cut: f64,
}

/// Why numbers are no trace.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// Too few samples, or a level that is not finite.
    #[error("{samples} samples, not all finite or fewer than {FEWEST_SAMPLES}")]
    Samples {
        /// How many there are.
        samples: usize,
    },
    /// A spacing, pulse or group index that can't be.
    #[error("spacing {spacing_m} m, pulse {pulse_ns} ns: both must be above zero")]
    Settings {
        /// Metres between samples.
        spacing_m: f64,
        /// Pulse width.
        pulse_ns: f64,
    },
}

impl Trace {
    /// A trace of `levels`, one-way decibels in order of distance; `floor` is the level at or
    /// below which a sample means "no light".
    ///
    /// # Errors
    ///
    /// [`TraceError`] for what no analysis can start from.
    pub fn new(
        settings: Settings,
        levels: Vec<f64>,
        floor: Option<Db>,
    ) -> Result<Self, TraceError> {
        let samples = levels.len();
        // All of them, which is quicker than to stop at the first.
        let finite = levels
            .iter()
            .fold(true, |all, level| all & level.is_finite());
        if samples < FEWEST_SAMPLES || !finite {
            return Err(TraceError::Samples { samples });
        }
        let (spacing_m, pulse_ns) = (settings.spacing.get(), settings.pulse_ns);
        if !(spacing_m > 0.0 && pulse_ns > 0.0 && settings.group_index.get() >= 1.0) {
            return Err(TraceError::Settings {
                spacing_m,
                pulse_ns,
            });
        }
        let floor = floor.map_or(f64::NEG_INFINITY, Db::get);
        let cut = bottom(&levels).map_or(floor, |bottom| bottom.max(floor));
        Ok(Self {
            settings,
            levels,
            floor,
            cut,
        })
    }

    /// The trace of a file.
    ///
    /// # Errors
    ///
    /// [`TraceError`]; a file that [`silkline_sor::read`] accepted gives none.
    pub fn from_sor(sor: &Sor) -> Result<Self, TraceError> {
        let acquisition = &sor.acquisition;
        let db = |value: MilliDb| Db::of(value.db());
        let settings = Settings {
            spacing: OpticalLength::of(acquisition.spacing_m()),
            first: OpticalLength::of(sor.first_sample_m()),
            launch: OpticalLength::of(sor.user_offset_m()),
            pulse_ns: f64::from(acquisition.pulse.width_ns),
            group_index: GroupIndex::of(acquisition.group_index.value()),
            wavelength: sor.wavelength_nm().map(Nanometres::of),
            backscatter: acquisition.backscatter.map(db),
            loss_threshold: acquisition.thresholds.loss.map(db),
        };
        let decibels = sor.curve.decibels();
        let mut levels = sor.curve.levels();
        let dark = levels.position(|level| level == Level::NoLight);
        let floor = dark.and_then(|at| decibels.get(at));
        let floor = floor.map(|db| Db::of(f64::from(*db)));
        Self::new(
            settings,
            decibels.into_iter().map(f64::from).collect(),
            floor,
        )
    }

    /// The same with its first sample elsewhere: told from another zero.
    pub(crate) fn told_from(mut self, first: OpticalLength) -> Self {
        self.settings.first = first;
        self
    }

    /// The same with other levels from a sample on; those that are lower than any light are dark.
    pub(crate) fn replaced(&self, from: usize, levels: impl Iterator<Item = f64>) -> Self {
        let mut new = self.clone();
        let lowest = self.floor.max(-LOWEST_DB);
        for (old, level) in new.levels.iter_mut().skip(from).zip(levels) {
            *old = level.max(lowest);
        }
        new
    }

    /// How it was taken.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One-way levels in decibels, in order of distance.
    #[must_use]
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// Whether a level means "no light".
    #[must_use]
    pub fn is_dark(&self, level: f64) -> bool {
        level <= self.floor + LEAST_STEP_DB
    }

    /// Whether a level is one that the instrument cuts off at.
    pub(crate) fn is_cut(&self, level: f64) -> bool {
        level <= self.cut + LEAST_STEP_DB
    }

    /// Length of glass the pulse covers on the trace: half its length in the fibre.
    #[must_use]
    pub fn pulse(&self) -> OpticalLength {
        let seconds = self.settings.pulse_ns * 1e-9;
        OpticalLength::of(seconds * LIGHT_M_PER_S / 2.0 / self.settings.group_index.get())
    }

    /// Where a sample lies, from the user offset; between two samples for a broken `index`.
    #[must_use]
    pub fn position(&self, index: f64) -> OpticalLength {
        self.settings.first + self.settings.spacing * index
    }

    /// Metres between samples.
    pub(crate) fn step_m(&self) -> f64 {
        self.settings.spacing.get()
    }

    /// Samples a length of `metres` covers, rounded up, at least 1.
    pub(crate) fn samples_in(&self, metres: f64) -> usize {
        whole((metres / self.step_m()).ceil()).max(1)
    }

    /// Where `metres` from the user offset lie, as a broken index.
    pub(crate) fn index_at(&self, metres: f64) -> f64 {
        (metres - self.settings.first.get()) / self.step_m()
    }

    /// The first sample at or behind `metres` from the user offset.
    pub(crate) fn index_of(&self, metres: f64) -> usize {
        whole(self.index_at(metres).ceil()).min(self.levels.len())
    }

    /// The levels from one sample to before another, cut at the trace's ends.
    pub(crate) fn stretch(&self, from: usize, to: usize) -> &[f64] {
        cut(&self.levels, from, to)
    }
}

/// Where an instrument cuts off what is below: the lowest level, if so many samples stand there.
fn bottom(levels: &[f64]) -> Option<f64> {
    let lowest = lowest(levels);
    let there = levels
        .iter()
        .filter(|level| **level < lowest + LEAST_STEP_DB)
        .count();
    (there >= FEWEST_CUT && there as f64 > CUT_SHARE * levels.len() as f64).then_some(lowest)
}

/// A slice cut at its ends, empty where the range is.
pub(crate) fn cut<T>(values: &[T], from: usize, to: usize) -> &[T] {
    let to = to.min(values.len());
    values.get(from.min(to)..to).unwrap_or_default()
}

/// What of a slice comes from a place on.
pub(crate) fn rest<T>(values: &[T], from: usize) -> &[T] {
    cut(values, from, values.len())
}

/// A number as a count: negative and NaN become 0.
pub(crate) fn whole(value: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates and NaN becomes zero"
    )]
    let count = value as usize;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth;

    #[test]
    fn a_microsecond_covers_102_metres() {
        let trace = synth::Plan::default().trace();
        let metres = trace.pulse().get() * 1_000.0 / trace.settings().pulse_ns;
        assert!((metres - 102.095).abs() < 0.01, "{metres}");
    }

    #[test]
    fn positions_and_samples_agree() {
        let trace = synth::Plan::default().trace();
        for index in [0, 7, 900] {
            let at = trace.position(index as f64).get();
            assert_eq!(trace.index_of(at - 1e-6), index);
        }
        assert_eq!(trace.index_of(-1e9), 0);
        assert_eq!(trace.index_of(1e12), trace.levels().len());
    }

    #[test]
    fn the_level_that_much_is_cut_off_at_is_no_light() {
        let settings = *synth::Plan::default().trace().settings();
        let wave = |i: u32| -20.0 - f64::from(i % 97) * 0.01;
        let levels: Vec<f64> = (0..1_000).map(wave).collect();
        let whole = Trace::new(settings, levels.clone(), None).unwrap();
        assert!(!whole.is_cut(-20.96));
        let cut = levels.iter().map(|level| level.max(-20.90));
        let cut = Trace::new(settings, cut.collect(), Some(Db::of(-70.0))).unwrap();
        assert!(cut.is_cut(-20.90) && !cut.is_cut(-20.89) && !cut.is_dark(-20.90));
    }

    #[test]
    fn nonsense_is_no_trace() {
        let good = *synth::Plan::default().trace().settings();
        assert!(Trace::new(good, vec![0.0; 9], None).is_err());
        assert!(Trace::new(good, vec![f64::NAN; 20], None).is_err());
        let bad = Settings {
            spacing: OpticalLength::of(0.0),
            ..good
        };
        assert!(Trace::new(bad, vec![0.0; 20], None).is_err());
        let bad = Settings {
            pulse_ns: f64::NAN,
            ..good
        };
        assert!(Trace::new(bad, vec![0.0; 20], None).is_err());
    }
}
