//! Watching one fibre: shots against the mean of good ones.
//!
//! ```text
//! good shots ─▶ learn ─▶ Watch: mean, spread, slow noise, events ─▶ a file, a store
//!                          │
//! new shots ───────────────┴─▶ look ─▶ launch · break, end · steps · reflections · total loss
//! ```
//!
//! Structure of the fibre and its fading are the same in every shot of one view and laser, so they
//! cancel in the difference; what is left is noise, a launch that varies, and what changed. What
//! noise is, good shots have shown: bin by bin, and slowly along the glass. A new loss is a step in
//! the difference, told in the reference's own positions.
//!
//! Nothing is learned silently: after a repair an operator learns anew. A look says where shots have
//! drifted so far from the reference that they should.

mod bins;
mod colour;
mod find;
mod fit;
mod gls;
mod louder;
mod modes;
mod own;
mod peaks;
mod ramp;
mod scatter;
mod shift;
mod spread;
mod steps;
mod store;
mod suits;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, OpticalLength};

use self::bins::{Bins, fall, mean_power};
use self::colour::Whitener;
use self::find::Sight;
use self::peaks::Peak;
use self::spread::Spread;
use self::steps::{Noise, Search};
use super::analyse::{self, Analysis, InstrumentFault, analyse};
use super::compare::{Comparison, Reference};
use super::end::EndOfFibre;
use super::line::median;
use super::noise;
use super::samples::{Settings, Trace, cut};
use super::windows::{Window, survey};

/// What the largest step in a few dozen good shots counts for, in deviations: the margin to what
/// is reported is for the thousands of shots to come.
const LARGEST_OF_NOTHING: f64 = 5.0;

/// Receivers' time constants are usually this part of a pulse.
const USUAL_RECEIVER: f64 = 0.35;

/// Shots tremble along the glass by this part of a sample, where more is not learned.
const TREMBLE: f64 = 0.15;

/// Noise of a single trace is known to about this part.
const ALONE_DOUBT: f64 = 1.25;

/// Shorter stretches can not be watched, in samples.
const FEWEST_SAMPLES: usize = 64;

/// What good shots of one view have in common.
///
/// It serialises to a few bytes a sample: a file or a row in a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "store::Stored", into = "store::Stored")]
pub struct Watch {
    settings: Settings,
    /// Linear power, sample by sample.
    power: Vec<f64>,
    mean: Trace,
    analysis: Analysis,
    shots: usize,
    learned: Option<[Timestamp; 2]>,
    bins: Bins,
    /// What makes the noise of its bins white.
    whitener: Whitener,
    /// Samples on edges: they tell where a shot's zero is.
    marks: Vec<usize>,
    spread: Spread,
    peaks: Vec<Peak>,
    /// Noise of one sample where there is no light, in linear power.
    dark: f64,
    /// Samples over which an instrument smooths what it stores.
    smoothing: f64,
}

/// Why shots make no reference, or can not be held against one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// No usable shot.
    #[error("{usable} usable shots, want at least 1")]
    TooFew {
        /// How many were usable.
        usable: usize,
    },
    /// Shots taken with different settings can not be subtracted.
    #[error("the shots differ in spacing, pulse, offset or length")]
    Settings,
    /// Light is seen over too short a stretch.
    #[error("no stretch of fibre to watch")]
    NoFibre,
}

/// How shots were held against the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Sample by sample: the mean of so many shots.
    Subtracted {
        /// How many.
        shots: usize,
    },
    /// By their lists of events alone: larger changes only.
    ByEvents {
        /// Why they could not be subtracted.
        why: String,
    },
}

/// How far shots have drifted from the reference without anything being wrong with the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Drift {
    /// Less light into the fibre, negative for more.
    pub launch_db: Db,
    /// Loss that the whole fibre adds evenly.
    pub tilt_db: Db,
    /// How far the instrument's zero moved.
    pub zero_m: OpticalLength,
    /// Noise, as a multiple of what good shots had.
    pub noise: f64,
}

/// What shots show against a reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The changes.
    pub comparison: Comparison,
    /// How they were found.
    pub how: How,
    /// How launch and instrument drifted, where that could be told.
    pub drift: Option<Drift>,
    /// What a reader should know, one line each.
    pub notes: Vec<String>,
}

impl Drift {
    /// Whether the reference no longer describes this instrument well: changes are found less
    /// surely, and an operator who knows the line to be good should learn anew.
    #[must_use]
    pub fn stale(&self, spacing: OpticalLength) -> bool {
        self.launch_db.abs() > super::compare::LAUNCH_CHANGE
            || self.noise > 1.5
            || self.zero_m.abs() > spacing
            || self.tilt_db.abs() > Db::of(0.3)
    }
}

impl Watch {
    /// Learns from shots taken when all was well; blank ones are left out.
    ///
    /// One shot gives the reduced form: how shots scatter is then taken from its own noise. From
    /// three on they tell themselves, the better the more there are and the longer they span.
    ///
    /// # Errors
    ///
    /// [`WatchError`] where the shots do not make a reference.
    pub fn learn(shots: &[Trace]) -> Result<Self, WatchError> {
        let usable: Vec<&Trace> = shots.iter().filter(|shot| fault(shot).is_none()).collect();
        let Some(first) = usable.first() else {
            return Err(WatchError::TooFew { usable: 0 });
        };
        if !usable.iter().all(|shot| alike(first, shot)) {
            return Err(WatchError::Settings);
        }
        let mean = store::rounded(first, &mean_power(&usable)).ok_or(WatchError::NoFibre)?;
        let mut watch = Self::of_mean(mean, usable.len())?;
        let powers: Vec<Vec<f64>> = usable.iter().map(|shot| bins::powers(shot)).collect();
        watch.dark = watch.dark_noise(&powers);
        watch.smoothing = watch.smoothing_of(first);
        if powers.len() < 2 {
            watch.learn_alone(first);
        } else {
            watch.learn_spread(&powers);
        }
        let events = watch.analysis.events.clone();
        let glass = (watch.fade(), |sample| watch.sample_db(sample));
        watch.peaks = peaks::follow((&watch.mean, &watch.power), glass, &events, &powers);
        Ok(watch)
    }

    /// The same with the times of the first and the last shot it was learned from.
    #[must_use]
    pub const fn learned_at(mut self, first: Timestamp, last: Timestamp) -> Self {
        self.learned = Some([first, last]);
        self
    }

    /// Looks at shots in the best way there is: subtracted where they were taken like the
    /// reference, by their events where not. Several shots are averaged, and smaller changes seen.
    #[must_use]
    pub fn look(&self, shots: &[Trace]) -> Look {
        let Some(first) = shots.first() else {
            return Look::faulty(InstrumentFault::NoLight);
        };
        let unlike = self.unlike(shots);
        // A shot that is as bright as the reference near the panel needs no thorough look.
        let doubtful = |shot: &&Trace| unlike.is_some() || !self.is_lit(shot);
        if let Some(fault) = shots.iter().filter(doubtful).find_map(fault) {
            return Look::faulty(fault);
        }
        match unlike {
            None => self.subtracted(shots),
            Some(why) => self.by_events(first, why),
        }
    }

    /// The changes alone, of shots that were taken like the reference.
    ///
    /// # Errors
    ///
    /// [`WatchError::Settings`] for shots that were taken otherwise.
    pub fn examine(&self, shots: &[Trace]) -> Result<Comparison, WatchError> {
        let look = self.look(shots);
        match look.how {
            How::Subtracted { .. } => Ok(look.comparison),
            How::ByEvents { .. } => Err(WatchError::Settings),
        }
    }

    /// Shots the reference was learned from.
    #[must_use]
    pub const fn shots(&self) -> usize {
        self.shots
    }

    /// When the first and the last of them were taken, where that was told.
    #[must_use]
    pub const fn learned(&self) -> Option<[Timestamp; 2]> {
        self.learned
    }

    /// The analysis of the mean: events to tell places from.
    #[must_use]
    pub const fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// How its shots were taken.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The mean of its shots, as a trace.
    #[must_use]
    pub const fn mean(&self) -> &Trace {
        &self.mean
    }

    /// The reference that [`super::compare::compare`] takes.
    #[must_use]
    pub fn reference(&self) -> Reference {
        Reference {
            analysis: self.analysis.clone(),
        }
    }

    /// How one shot's sample scatters there, as one standard deviation of white noise; none where
    /// the fibre is not watched.
    #[must_use]
    pub fn spread_at(&self, at: OpticalLength) -> Option<Db> {
        let sample = self.mean.index_of(at.get());
        let watched = (self.bins.from..self.bins.to()).contains(&sample);
        watched.then(|| Db::of(self.sample_db(sample)))
    }

    /// How one shot's sample scatters there, in decibels.
    fn sample_db(&self, sample: usize) -> f64 {
        let sigma = self.spread.sigma.get(self.bins.of(sample));
        sigma.map_or(0.0, |sigma| sigma * (self.bins.size as f64).sqrt())
    }

    /// All that follows from the mean alone.
    fn of_mean(mean: Trace, shots: usize) -> Result<Self, WatchError> {
        let mut analysis = analyse(&mean);
        own::widen(&mut analysis, mean.settings().spacing, shots);
        let (from, to) = watchable(&mean, analysis.end.as_ref()).ok_or(WatchError::NoFibre)?;
        let behind = to + 2 * mean.samples_in(mean.pulse().get());
        Ok(Self {
            settings: *mean.settings(),
            marks: shift::marks(&mean, behind),
            power: bins::powers(&mean),
            bins: Bins::over(&mean, from, to),
            whitener: Whitener::default(),
            mean,
            analysis,
            shots,
            learned: None,
            spread: Spread::alone(Vec::new(), 0.0),
            peaks: Vec::new(),
            dark: 0.0,
            smoothing: 1.0,
        })
    }

    fn learn_spread(&mut self, powers: &[Vec<f64>]) {
        let bins = &self.bins;
        let sums: Vec<Vec<f64>> = powers.iter().map(|power| bins.sums(power)).collect();
        let count = sums.len() as f64;
        let mut all = vec![0.0; bins.count];
        for shot in &sums {
            all.iter_mut().zip(shot).for_each(|(all, own)| *all += own);
        }
        // Against the mean of the others, scaled to the scatter of one shot alone.
        let own_part = ((count - 1.0) / count).sqrt();
        let against_others = |shot: &Vec<f64>| {
            let pairs = all.iter().zip(shot);
            pairs
                .map(|(all, own)| own_part * fall((all - own) / (count - 1.0), *own))
                .collect()
        };
        let falls: Vec<Vec<f64>> = sums.iter().map(against_others).collect();
        self.spread = Spread::learn(&falls, bins);
        let samples = powers.iter().zip(&falls);
        let samples = samples.map(|(power, fall)| self.in_sigmas(power, (fall, own_part)));
        let samples: Vec<Vec<f64>> = samples.collect();
        let bins = &self.bins;
        self.spread.learn_colour(&falls, samples.into_iter(), bins);
        self.whitener = self.spread.colour.whitener(bins);
        self.spread.widen(&self.steep(), TREMBLE);
        let louder = vec![1.0; bins.count];
        let search = Search::new(&self.noise(&louder, [1.0; 2]), self.bins);
        let loudest = falls.iter().map(|fall| search.loudest(fall));
        // No model of noise holds for the next instrument: the largest step that any good shot
        // shows is taken for what it is, nothing.
        let more = (loudest.fold(0.0, f64::max) / LARGEST_OF_NOTHING).max(1.0);
        self.spread.sigma.iter_mut().for_each(|s| *s *= more);
    }

    /// The spread from one trace: its own noise, fading included since no other shot shows which
    /// part of it stays.
    fn learn_alone(&mut self, shot: &Trace) {
        let windows = survey(shot);
        let at = |sample: usize| {
            let near = |window: &&Window| window.to > sample;
            windows.iter().find(near).map_or(1.0, |window| window.sigma)
        };
        let size = self.bins.size as f64;
        let more = ALONE_DOUBT * self.smoothing.max(1.0).sqrt() / size.sqrt();
        let sigma = |bin: usize| (at(self.bins.start(bin)) * more).max(0.001);
        let sigma = (0..self.bins.count).map(sigma).collect();
        self.spread = Spread::alone(sigma, self.watched_loss());
        self.spread.widen(&self.steep(), 2.0 * TREMBLE);
    }

    /// Loss of the watched stretch, in decibels.
    fn watched_loss(&self) -> f64 {
        let sums = self.bins.sums(&self.power);
        let pair = sums.first().zip(sums.last());
        pair.map_or(0.0, |(first, last)| fall(*first, *last).abs())
    }

    /// By how much the light of the usual glass falls a sample, both ways, as a natural logarithm.
    fn fade(&self) -> f64 {
        let sums = self.bins.sums(&self.power);
        let lag = (sums.len() / 16).max(1);
        let pairs = sums.iter().zip(sums.iter().skip(lag));
        let mut falls: Vec<f64> = pairs.map(|(a, b)| fall(*a, *b)).collect();
        let per_sample = median(&mut falls) / (lag * self.bins.size) as f64;
        (per_sample * std::f64::consts::LN_10 / 5.0).max(0.0)
    }

    /// What each bin changes beyond the glass around it, in decibels a sample.
    fn steep(&self) -> Vec<f64> {
        let sums = self.bins.sums(&self.power);
        let size = self.bins.size as f64;
        let change = |bin: usize| {
            let before = sums.get(bin.saturating_sub(1))?;
            let after = sums.get((bin + 1).min(sums.len() - 1))?;
            Some(fall(*before, *after).abs() / size)
        };
        let mut changes: Vec<f64> = (0..sums.len()).map(|b| change(b).unwrap_or(0.0)).collect();
        let usual = 3.0 * median(&mut changes.clone());
        changes.iter_mut().for_each(|c| *c = (*c - usual).max(0.0));
        changes
    }

    /// The noise of a comparison of which each bin is so much louder than learned.
    ///
    /// `share` and `slow` are its variance, and that of its slow noise, as parts of one shot's.
    fn noise(&self, louder: &[f64], [share, slow]: [f64; 2]) -> Noise<'_> {
        let spread = &self.spread;
        let extra = spread.extra.iter().map(|extra| extra * slow / share);
        let pulse = self.mean.pulse().get() / self.mean.step_m() / self.bins.size as f64;
        let sigma = self.spread.sigma.iter().zip(louder);
        Noise {
            sigma: sigma.map(|(sigma, louder)| sigma * louder).collect(),
            extra: Cow::Owned(extra.collect()),
            tilt: spread.tilt_of(slow, self.watched_loss()),
            share,
            known_by: spread.known_by(self.shots),
            colour: &spread.colour,
            ramp: [pulse, USUAL_RECEIVER * pulse],
        }
    }

    /// Scatter of one shot's linear power behind the fibre.
    fn dark_noise(&self, powers: &[Vec<f64>]) -> f64 {
        let pulse = self.mean.samples_in(self.mean.pulse().get());
        let (to, all) = (self.bins.to(), self.power.len());
        let from = to + (20 * pulse).min(all.saturating_sub(to) / 2);
        let behind: Vec<&[f64]> = powers
            .iter()
            .map(|power| cut(power, from, power.len()))
            .collect();
        let square = |values: &&[f64]| {
            let count = values.len().max(1) as f64;
            let mean = values.iter().sum::<f64>() / count;
            values.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / count
        };
        (behind.iter().map(square).sum::<f64>() / behind.len().max(1) as f64).sqrt()
    }

    /// Over how many samples a shot's noise is alike.
    fn smoothing_of(&self, shot: &Trace) -> f64 {
        let windows = survey(shot);
        let watched = windows.iter().filter(|window| {
            window.may_be_glass() && window.from >= self.bins.from && window.to <= self.bins.to()
        });
        let mut all: Vec<f64> = watched
            .map(|window| {
                let levels = shot.stretch(window.from, window.to).iter().enumerate();
                let left =
                    levels.map(|(i, level)| level - window.line.at((window.from + i) as f64));
                noise::correlation(&left.collect::<Vec<f64>>(), (window.to - window.from) / 3)
            })
            .collect();
        median(&mut all).max(1.0)
    }

    fn subtracted(&self, shots: &[Trace]) -> Look {
        let sight = Sight::of(self, shots);
        let (comparison, drift) = sight.compared();
        if let Some(fault) = comparison.fault {
            return Look::faulty(fault);
        }
        let mut notes = Vec::new();
        if drift.stale(self.settings.spacing) {
            notes.push(format!(
                "the reference may be stale: launch {:+.2} dB, tilt {:+.2} dB, zero {:+.2} m, \
                 noise {:.1} times; learn anew once the line is known to be good",
                -drift.launch_db.get(),
                -drift.tilt_db.get(),
                drift.zero_m.get(),
                drift.noise
            ));
        }
        if self.shots < 3 {
            notes.push(format!(
                "learned from {} shot{}: how shots scatter is guessed from its noise",
                self.shots,
                if self.shots == 1 { "" } else { "s" }
            ));
        }
        Look {
            comparison,
            how: How::Subtracted { shots: shots.len() },
            drift: Some(drift),
            notes,
        }
    }
}

impl Look {
    fn faulty(fault: InstrumentFault) -> Self {
        Self {
            comparison: Comparison::faulty(fault),
            how: How::Subtracted { shots: 0 },
            drift: None,
            notes: vec![fault.to_string()],
        }
    }
}

fn alike(a: &Trace, b: &Trace) -> bool {
    a.settings() == b.settings() && a.levels().len() == b.levels().len()
}

fn fault(shot: &Trace) -> Option<InstrumentFault> {
    analyse::fault(shot, &survey(shot))
}

/// From behind the launch to the end of the fibre, or to where the light of a single shot ends.
fn watchable(mean: &Trace, end: Option<&EndOfFibre>) -> Option<(usize, usize)> {
    /// What a launch hides: so many pulses, or so many metres where that is more than a few.
    const HIDES: (f64, f64, f64) = (3.0, 20.0, 200.0);
    let pulse = mean.pulse().get();
    let hidden = (HIDES.0 * pulse).max((HIDES.1 * pulse).min(HIDES.2));
    let from = mean.index_of(hidden - mean.settings().launch.get());
    let to = match end {
        Some(end) => mean
            .index_of(end.at.get() - end.plus_minus.get())
            .saturating_sub(3),
        None => lit_to(mean, from)?,
    };
    (from + FEWEST_SAMPLES < to).then_some((from, to))
}

/// Where the light ends of a fibre that shows no end: glass, before the first long darkness.
fn lit_to(mean: &Trace, from: usize) -> Option<usize> {
    /// Windows of darkness that are no deep event.
    const DARK: usize = 3;
    let windows = survey(mean);
    let behind: Vec<&Window> = windows.iter().filter(|w| w.from >= from).collect();
    let dark = behind
        .windows(DARK)
        .position(|some| some.iter().all(|window| !window.is_lit()));
    let before = cut(&behind, 0, dark.unwrap_or(behind.len()));
    before.iter().rev().find(|w| w.may_be_glass()).map(|w| w.to)
}

#[cfg(test)]
mod tests;
