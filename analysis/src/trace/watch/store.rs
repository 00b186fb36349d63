//! A reference as it is kept: whole numbers, a few bytes a sample, whatever the format.
//!
//! The mean is kept to a ten-thousandth of a decibel, as differences between neighbours; what
//! follows from it is worked out again when it is read. Version 2; version 1 is read too.

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, GroupIndex, Nanometres, OpticalLength};

use super::bins::Bins;
use super::colour::{Colour, MOST_LAGS};
use super::modes::MODES;
use super::peaks::Peak;
use super::spread::{BLOCKS, Spread};
use super::{Watch, WatchError};
use crate::trace::samples::{Settings, Trace};
use crate::trace::windows::survey;

/// The version written.
const VERSION: u32 = 2;

/// The oldest version read: of what neighbouring samples have in common it tells nothing.
const OLDEST: u32 = 1;

/// The finest difference of levels kept, in decibels.
const STEP_DB: f64 = 1e-4;

/// A spread is kept to a thousandth of itself.
const STEP_LN: f64 = 1e-3;

/// Likeness is kept to this.
const STEP_ALIKE: f64 = 1e-5;

/// More samples are no trace.
const MOST_SAMPLES: usize = 4_000_000;

/// The kept form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    v: u32,
    spacing_m: OpticalLength,
    first_m: OpticalLength,
    launch_m: OpticalLength,
    pulse_ns: f64,
    group_index: GroupIndex,
    wavelength_nm: Option<Nanometres>,
    backscatter_db: Option<Db>,
    loss_threshold_db: Option<Db>,
    shots: usize,
    learned: Option<[Timestamp; 2]>,
    from: usize,
    bin: usize,
    /// Each level less the one before it.
    levels: Vec<i32>,
    /// The level at or below which there is no light, where the file has one.
    dark_level: Option<i32>,
    /// Logarithm of the spread of each bin, less that of the one before it.
    spread: Vec<i32>,
    slow: Vec<f64>,
    tilt_db: f64,
    memory: f64,
    /// Of version 1 alone, and no longer looked at.
    #[serde(default, skip_serializing, rename = "jumps")]
    _jumps: Vec<f64>,
    /// How alike samples are, lag by lag in each of some stretches.
    #[serde(default)]
    colour: Vec<Vec<i32>>,
    #[serde(default)]
    colour_known_by: f64,
    #[serde(default)]
    usual: Vec<f64>,
    peaks: Vec<Peak>,
    dark: f64,
    smoothing: f64,
}

/// Why what was kept is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// Another version wrote it.
    #[error("reference of version {found}, want {VERSION}")]
    Version {
        /// Which.
        found: u32,
    },
    /// Its parts do not fit together.
    #[error("the reference's parts do not fit together: {what}")]
    Broken {
        /// Which part.
        what: &'static str,
    },
    /// Its mean is no fibre.
    #[error("the reference's mean: {0}")]
    Mean(WatchError),
}

impl From<Watch> for Stored {
    fn from(watch: Watch) -> Self {
        let settings = watch.settings;
        let levels = watch.mean.levels();
        let dark = levels
            .iter()
            .copied()
            .filter(|level| watch.mean.is_dark(*level));
        let dark = dark.reduce(f64::max);
        Self {
            v: VERSION,
            spacing_m: settings.spacing,
            first_m: settings.first,
            launch_m: settings.launch,
            pulse_ns: settings.pulse_ns,
            group_index: settings.group_index,
            wavelength_nm: settings.wavelength,
            backscatter_db: settings.backscatter,
            loss_threshold_db: settings.loss_threshold,
            shots: watch.shots,
            learned: watch.learned,
            from: watch.bins.from,
            bin: watch.bins.size,
            levels: differences(levels.iter().map(|level| level / STEP_DB)),
            dark_level: dark.map(|level| whole(level / STEP_DB)),
            spread: differences(watch.spread.sigma.iter().map(|s| s.ln() / STEP_LN)),
            slow: watch.spread.extra,
            tilt_db: watch.spread.tilt,
            memory: watch.spread.memory,
            _jumps: Vec::new(),
            colour_known_by: watch.spread.colour.known_by,
            colour: alike(&watch.spread.colour),
            usual: watch.spread.usual,
            peaks: watch.peaks,
            dark: watch.dark,
            smoothing: watch.smoothing,
        }
    }
}

impl TryFrom<Stored> for Watch {
    type Error = StoredError;

    fn try_from(stored: Stored) -> Result<Self, StoredError> {
        if !(OLDEST..=VERSION).contains(&stored.v) {
            return Err(StoredError::Version { found: stored.v });
        }
        stored.check()?;
        let settings = stored.settings();
        let levels = sums(&stored.levels, STEP_DB);
        let dark = stored
            .dark_level
            .map(|level| Db::of(f64::from(level) * STEP_DB));
        let mean = Trace::new(settings, levels, dark);
        let mean = mean.map_err(|_| StoredError::Broken { what: "levels" })?;
        let mut watch = Self::of_mean(mean, stored.shots).map_err(StoredError::Mean)?;
        watch.bins = Bins {
            from: stored.from,
            size: stored.bin,
            count: stored.spread.len(),
        };
        watch.spread = Spread {
            sigma: sums(&stored.spread, STEP_LN)
                .into_iter()
                .map(f64::exp)
                .collect(),
            extra: stored.slow,
            tilt: stored.tilt_db,
            memory: stored.memory,
            colour: Colour {
                stretches: stored.colour.iter().map(|l| of_alike(l)).collect(),
                known_by: stored.colour_known_by,
            },
            usual: stored.usual,
        };
        watch.whitener = watch.spread.colour.whitener(&watch.bins);
        watch.learned = stored.learned;
        watch.peaks = stored.peaks;
        watch.dark = stored.dark;
        watch.smoothing = stored.smoothing;
        Ok(watch)
    }
}

impl Stored {
    fn settings(&self) -> Settings {
        Settings {
            spacing: self.spacing_m,
            first: self.first_m,
            launch: self.launch_m,
            pulse_ns: self.pulse_ns,
            group_index: self.group_index,
            wavelength: self.wavelength_nm,
            backscatter: self.backscatter_db,
            loss_threshold: self.loss_threshold_db,
        }
    }

    fn check(&self) -> Result<(), StoredError> {
        let bad = |what| Err(StoredError::Broken { what });
        let (samples, count) = (self.levels.len(), self.spread.len());
        let to = self
            .bin
            .checked_mul(count)
            .and_then(|n| n.checked_add(self.from));
        if samples > MOST_SAMPLES || self.bin == 0 || to.is_none_or(|to| to > samples) {
            return bad("bins");
        }
        let finite = |values: &[f64]| values.iter().all(|v| v.is_finite() && *v >= 0.0);
        if self.slow.len() != MODES || !finite(&self.slow) {
            return bad("slow noise");
        }
        if !(self.usual.is_empty() || self.usual.len() == BLOCKS) || !finite(&self.usual) {
            return bad("loudness");
        }
        let lags = self.colour.first().map_or(0, Vec::len);
        let even = self.colour.iter().all(|l| l.len() == lags);
        if !even || self.colour.len() > BLOCKS || lags > MOST_LAGS + 1 {
            return bad("likeness");
        }
        let known = self.colour_known_by;
        if !finite(&[self.tilt_db, self.memory, self.dark, self.smoothing, known])
            || self.memory > 1.0
        {
            return bad("spread");
        }
        let inside = |peak: &Peak| peak.from < peak.to && peak.to <= samples && peak.sd_db > 0.0;
        if self.shots == 0 || !self.peaks.iter().all(inside) {
            return bad("reflections");
        }
        Ok(())
    }
}

fn alike(colour: &Colour) -> Vec<Vec<i32>> {
    let kept = |likeness: &Vec<f64>| likeness.iter().map(|l| whole(l / STEP_ALIKE)).collect();
    colour.stretches.iter().map(kept).collect()
}

fn of_alike(kept: &[i32]) -> Vec<f64> {
    kept.iter().map(|l| f64::from(*l) * STEP_ALIKE).collect()
}

/// A mean power as the trace that is kept of it.
///
/// Noise has no power below zero in a file, so that its mean looks like faint light: where the
/// shot shows noise alone, the shot speaks.
pub(super) fn rounded(shot: &Trace, power: &[f64]) -> Option<Trace> {
    let round = |level: f64| (level / STEP_DB).round() * STEP_DB;
    let mut levels: Vec<f64> = shot.levels().iter().map(|level| round(*level)).collect();
    let dark: Vec<_> = survey(shot).into_iter().filter(|w| !w.is_lit()).collect();
    let mut dark = dark.iter().peekable();
    for (sample, (level, power)) in levels.iter_mut().zip(power).enumerate() {
        while dark.next_if(|window| window.to <= sample).is_some() {}
        let noise = dark.peek().is_some_and(|window| window.from <= sample);
        if *power > 0.0 && !noise {
            *level = round(5.0 * power.log10());
        }
    }
    let floor = shot
        .levels()
        .iter()
        .copied()
        .filter(|level| shot.is_dark(*level));
    let floor = floor.reduce(f64::max).map(|level| Db::of(round(level)));
    Trace::new(*shot.settings(), levels, floor).ok()
}

/// Each number, rounded, less the one before it.
fn differences(values: impl Iterator<Item = f64>) -> Vec<i32> {
    let mut before = 0;
    values
        .map(|value| {
            let here = whole(value);
            let difference = here.saturating_sub(before);
            before = here;
            difference
        })
        .collect()
}

fn sums(differences: &[i32], step: f64) -> Vec<f64> {
    let mut sum = 0_i64;
    let value = |difference: &i32| {
        sum = sum.saturating_add(i64::from(*difference));
        sum as f64 * step
    };
    differences.iter().map(value).collect()
}

fn whole(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates and NaN becomes zero; levels are thousands of steps"
    )]
    let whole = value.round() as i32;
    whole
}
