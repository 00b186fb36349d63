//! Watching one fibre: a shot against the mean of good ones, sample by sample.
//!
//! Structure of the fibre and its fading are the same in every shot of one view and laser, so they
//! cancel in the difference, and what is left is noise, a launch that varies, and what changed.
//! A new loss is a step in the difference; its place and size come from the step alone, so that
//! nothing of the group index or the pulse enters twice.
//!
//! The reference is learned once, from shots taken when all was well; learning anew after a repair
//! is an operator's act.

use silkline_protocol::unit::{Db, OpticalLength};

use super::analyse::{self, InstrumentFault};
use super::compare::{Change, ChangeKind, Comparison};
use super::end::{self, Search};
use super::line::{Line, median};
use super::samples::{Settings, Trace, cut};
use super::windows::survey;

/// Fewer good shots say nothing about how shots repeat.
const FEWEST_SHOTS: usize = 3;

/// A launch this much lower than usual is a finding: connectors repeat better.
const LAUNCH_CHANGE: Db = Db::of(0.5);

/// A step must stand this many deviations out: with some thousand places to stand at, once in
/// about 10⁷ quiet shots of white noise.
const LEAST_SIGMAS: f64 = 6.5;

/// What the largest step in a few dozen good shots counts for, in the same deviations: the margin
/// to what is reported is for the thousands of shots to come.
const LARGEST_OF_NOTHING: f64 = 4.8;

/// A step smaller than this is not worth a word.
const LEAST_STEP_DB: f64 = 0.02;

/// Steps taken out of one shot at the most.
const MOST_STEPS: usize = 8;

/// Shots repeat no better than their files resolve.
const LEAST_SPREAD_DB: f64 = 0.001;

/// What good shots of one view have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    settings: Settings,
    mean: Vec<f64>,
    /// How one shot scatters about the mean at each sample, one standard deviation.
    spread: Vec<f64>,
    /// How much larger steps appear in good shots than white noise of that spread would make them.
    slow: f64,
    shots: usize,
    /// Samples between which the fibre can be watched: behind the launch, before the noise.
    from: usize,
    to: usize,
}

/// Why shots make no reference, or a shot can not be held against one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Too few usable shots.
    #[error("{usable} usable shots, want at least {FEWEST_SHOTS}")]
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

impl Watch {
    /// Learns from shots taken when all was well; blank ones are left out.
    ///
    /// # Errors
    ///
    /// [`WatchError`] where the shots do not make a reference.
    pub fn learn(shots: &[Trace]) -> Result<Self, WatchError> {
        let usable: Vec<&Trace> = shots.iter().filter(|shot| fault(shot).is_none()).collect();
        let Some(first) = usable.first().filter(|_| usable.len() >= FEWEST_SHOTS) else {
            return Err(WatchError::TooFew {
                usable: usable.len(),
            });
        };
        if !usable.iter().all(|shot| alike(first, shot)) {
            return Err(WatchError::Settings);
        }
        let mean = mean(&usable);
        let settings = *first.settings();
        let (from, to) = watchable(first).ok_or(WatchError::NoFibre)?;
        let off = |shot: &&Trace| residual(&mean, shot, from, to);
        let residuals: Vec<Vec<f64>> = usable.iter().map(off).collect();
        let spread = spread(&residuals);
        let slow = slow_scatter(&residuals, &spread);
        Ok(Self {
            settings,
            mean,
            spread,
            slow,
            shots: usable.len(),
            from,
            to,
        })
    }

    /// Looks at the mean of one or more shots for what changed.
    ///
    /// # Errors
    ///
    /// [`WatchError::Settings`] for shots that were taken otherwise than the reference.
    pub fn examine(&self, shots: &[Trace]) -> Result<Comparison, WatchError> {
        let fault = shots.iter().find_map(fault);
        if fault.is_some() || shots.is_empty() {
            let fault = fault.or(Some(InstrumentFault::NoLight));
            return Ok(Comparison {
                fault,
                ..Comparison::default()
            });
        }
        let same = |shot: &Trace| {
            *shot.settings() == self.settings && shot.levels().len() == self.mean.len()
        };
        if !shots.iter().all(same) {
            return Err(WatchError::Settings);
        }
        let now = mean(&shots.iter().collect::<Vec<_>>());
        let mut difference: Vec<f64> = self
            .mean
            .iter()
            .zip(&now)
            .map(|(before, now)| before - now)
            .collect();
        let watched = difference.get_mut(self.from..self.to).unwrap_or_default();
        let near = watched.len() / 8;
        let less = median(&mut cut(watched, 0, near.max(1)).to_vec());
        let launch_loss = (less > LAUNCH_CHANGE.get()).then(|| Db::of(less));
        let mut changes = self.steps(watched, shots.len());
        changes.sort_by(|a, b| b.delta.abs().get().total_cmp(&a.delta.abs().get()));
        Ok(Comparison {
            fault: None,
            launch_loss,
            changes,
        })
    }

    /// Shots the reference was learned from.
    #[must_use]
    pub const fn shots(&self) -> usize {
        self.shots
    }

    /// Takes the largest step out of the difference, and again while one is left.
    fn steps(&self, difference: &mut [f64], shots: usize) -> Vec<Change> {
        let share = 1.0 / shots.max(1) as f64 + 1.0 / self.shots.max(1) as f64;
        let weights: Vec<f64> = self
            .spread
            .iter()
            .map(|s| 1.0 / (s * s * share * self.slow * self.slow))
            .collect();
        let mut changes = Vec::new();
        for _ in 0..MOST_STEPS {
            let Some(step) = largest_step(difference, &weights) else {
                break;
            };
            if step.sigmas < LEAST_SIGMAS || step.size.abs() < LEAST_STEP_DB {
                break;
            }
            difference
                .iter_mut()
                .skip(step.at)
                .for_each(|level| *level -= step.size);
            changes.push(self.change(&step));
        }
        changes
    }

    fn change(&self, step: &Step) -> Change {
        let settings = &self.settings;
        let sample = (self.from + step.at) as f64 - 0.5;
        let pulse_ns = settings.pulse_ns * 1e-9;
        let pulse = pulse_ns * silkline_protocol::unit::LIGHT_M_PER_S / 2.0;
        let pulse = OpticalLength::of(pulse / settings.group_index.get());
        // A step is seen along the pulse behind it: its middle lies half a pulse late.
        let at = settings.first + settings.spacing * sample - pulse * 0.5;
        let doubt = (step.spread * settings.spacing.get()).hypot(0.25 * pulse.get());
        Change {
            kind: ChangeKind::NewLoss,
            at,
            plus_minus: OpticalLength::of(1.96 * doubt),
            delta: Db::of(step.size),
        }
    }
}

fn alike(a: &Trace, b: &Trace) -> bool {
    a.settings() == b.settings() && a.levels().len() == b.levels().len()
}

/// Mean levels; in decibels, for shots of one view differ by little.
fn mean(shots: &[&Trace]) -> Vec<f64> {
    let mut sums = vec![0.0; shots.first().map_or(0, |shot| shot.levels().len())];
    for shot in shots {
        sums.iter_mut()
            .zip(shot.levels())
            .for_each(|(sum, level)| *sum += level);
    }
    let count = shots.len().max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

fn fault(shot: &Trace) -> Option<InstrumentFault> {
    analyse::fault(shot, &survey(shot))
}

/// From well behind the launch to where the light of a single shot ends.
fn watchable(shot: &Trace) -> Option<(usize, usize)> {
    let pulse = shot.samples_in(shot.pulse().get());
    let from = shot.index_of(-shot.settings().launch.get()) + 20 * pulse;
    let windows = survey(shot);
    let to = match end::search(shot, &windows) {
        Search::Found(end, _) => shot.index_of(end.at.get()),
        Search::Fades | Search::Beyond | Search::NoFibre => {
            windows
                .iter()
                .rev()
                .find(|window| window.may_be_glass())?
                .to
        }
    };
    let to = to.saturating_sub(2 * pulse);
    (from + 100 < to).then_some((from, to))
}

/// A shot minus the mean over the watched stretch, without its launch and its tilt.
fn residual(mean: &[f64], shot: &Trace, from: usize, to: usize) -> Vec<f64> {
    let pairs = cut(mean, from, to).iter().zip(shot.stretch(from, to));
    let raw: Vec<f64> = pairs.map(|(mean, level)| level - mean).collect();
    // Level and tilt are taken off here as in the search for steps.
    let line = Line::fit(&raw, 0);
    let flat = |(i, level): (usize, f64)| level - line.map_or(0.0, |line| line.at(i as f64));
    raw.into_iter().enumerate().map(flat).collect()
}

/// How a shot scatters at each sample: over all shots and a stretch around it.
fn spread(residuals: &[Vec<f64>]) -> Vec<f64> {
    const HALF: usize = 50;
    let length = residuals.first().map_or(0, Vec::len);
    let shots = residuals.len() as f64;
    // A shot is part of the mean it is compared with, and so scatters a little less about it.
    let part = shots / (shots - 1.0).max(1.0);
    let mut sums = vec![0.0];
    for i in 0..length {
        let square: f64 = residuals
            .iter()
            .filter_map(|shot| shot.get(i))
            .map(|r| r * r)
            .sum();
        sums.push(sums.last().copied().unwrap_or(0.0) + square / shots * part);
    }
    let around = |i: usize| {
        let (a, b) = (i.saturating_sub(HALF), (i + HALF + 1).min(length));
        let sum = sums.get(b).zip(sums.get(a)).map_or(0.0, |(b, a)| b - a);
        (sum / (b - a) as f64).sqrt().max(LEAST_SPREAD_DB)
    };
    (0..length).map(around).collect()
}

/// How much larger steps appear in good shots than white noise of their spread would make them.
///
/// Drift and fading are not white, and no model of theirs would hold for the next instrument: so
/// the largest step that any good shot shows against the mean is taken for what it is, nothing.
fn slow_scatter(residuals: &[Vec<f64>], spread: &[f64]) -> f64 {
    let weights: Vec<f64> = spread.iter().map(|s| 1.0 / (s * s)).collect();
    let steps = residuals
        .iter()
        .filter_map(|shot| largest_step(shot, &weights));
    let largest = steps.map(|step| step.sigmas).fold(0.0, f64::max);
    (largest / LARGEST_OF_NOTHING).max(1.0)
}

/// A step in a difference of levels.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: usize,
    /// Its size in decibels.
    size: f64,
    /// The same in standard deviations.
    sigmas: f64,
    /// Standard deviation of its place, in samples.
    spread: f64,
}

/// The step that explains most, beside a level and a tilt of the whole.
fn largest_step(levels: &[f64], weights: &[f64]) -> Option<Step> {
    let scan = Scan::of(levels, weights);
    let edge = (levels.len() / 50).max(8);
    let tries: Vec<(usize, f64, f64)> = (edge..levels.len().saturating_sub(edge))
        .filter_map(|at| scan.step(at).map(|(size, gain)| (at, size, gain)))
        .collect();
    let &(at, size, gain) = tries.iter().max_by(|a, b| a.2.total_cmp(&b.2))?;
    let weight = |other: f64| (0.5 * (other - gain)).exp();
    let total: f64 = tries.iter().map(|t| weight(t.2)).sum();
    let off = |t: &(usize, f64, f64)| (t.0 as f64 - at as f64).powi(2) * weight(t.2);
    let spread = (tries.iter().map(off).sum::<f64>() / total).sqrt();
    Some(Step {
        at,
        size,
        sigmas: gain.max(0.0).sqrt(),
        spread: spread.max(0.5),
    })
}

/// Weighted sums up to each sample, for fitting level, tilt and a step anywhere at once.
struct Scan {
    sums: Vec<Moments>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    w: f64,
    x: f64,
    xx: f64,
    y: f64,
    xy: f64,
}

impl Scan {
    fn of(levels: &[f64], weights: &[f64]) -> Self {
        let mut total = Moments::default();
        let mut sums = vec![total];
        let length = levels.len().max(1) as f64;
        for (i, (level, w)) in levels.iter().zip(weights).enumerate() {
            let x = i as f64 / length - 0.5;
            total = Moments {
                w: total.w + w,
                x: total.x + w * x,
                xx: total.xx + w * x * x,
                y: total.y + w * level,
                xy: total.xy + w * x * level,
            };
            sums.push(total);
        }
        Self { sums }
    }

    /// The size of a step at sample `at`, and by how much it lessens the weighted squares.
    fn step(&self, at: usize) -> Option<(f64, f64)> {
        let (all, before) = (self.sums.last()?, self.sums.get(at)?);
        let (w, x, y) = (all.w - before.w, all.x - before.x, all.y - before.y);
        // The step's column after level and tilt are projected out.
        let middle = all.x / all.w;
        let spread = all.xx - all.x * middle;
        let tilt = x - w * middle;
        let own = w - w * w / all.w - tilt * tilt / spread;
        let joint = y - w / all.w * all.y - tilt / spread * (all.xy - middle * all.y);
        (own > 1e-9 * w).then(|| (joint / own, joint * joint / own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Feature, Plan};

    fn shot(seed: u64, loss: Option<f64>) -> Trace {
        let feature = |loss_db| Feature {
            at_m: 7_000.0,
            loss_db,
            reflectance_db: None,
        };
        let splice = Feature {
            at_m: 4_000.0,
            loss_db: 0.3,
            reflectance_db: None,
        };
        let features = loss.map(feature).into_iter().chain([splice]).collect();
        Plan {
            features,
            end_m: 12_000.0,
            range_m: 15_000.0,
            roughness_db: 0.05,
            pulse_ns: 100.0,
            step_m: 2.0,
            seed,
            ..Plan::default()
        }
        .trace()
    }

    fn watch() -> Watch {
        Watch::learn(&(0..8).map(|seed| shot(seed, None)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn quiet_shots_show_no_change() {
        let watch = watch();
        for seed in 100..140 {
            let found = watch.examine(&[shot(seed, None)]).unwrap();
            assert_eq!(found, Comparison::default(), "seed {seed}");
        }
    }

    #[test]
    fn a_new_loss_is_found_where_it_is() {
        let watch = watch();
        for seed in 200..220 {
            let found = watch.examine(&[shot(seed, Some(0.05))]).unwrap();
            let [change] = found.changes[..] else {
                panic!("seed {seed}: {found:?}")
            };
            assert!((change.delta.get() - 0.05).abs() < 0.02, "{change:?}");
            assert!((change.at.get() - 7_000.0).abs() < 60.0, "{change:?}");
        }
    }

    #[test]
    fn a_low_launch_is_no_change_of_the_line() {
        let good = shot(300, None);
        let levels = good.levels().iter().map(|level| level - 1.0).collect();
        let low = Trace::new(*good.settings(), levels, None).unwrap();
        let found = watch().examine(&[low]).unwrap();
        assert_eq!(found.changes, []);
        assert!(
            (found.launch_loss.unwrap().get() - 1.0).abs() < 0.05,
            "{found:?}"
        );
    }

    #[test]
    fn blank_shots_and_other_settings_are_named() {
        let good = shot(1, None);
        let blank = Trace::new(*good.settings(), vec![0.0; good.levels().len()], None).unwrap();
        let found = watch().examine(std::slice::from_ref(&blank)).unwrap();
        assert_eq!(found.fault, Some(InstrumentFault::Blank));
        assert_eq!(
            Watch::learn(&[blank, good]),
            Err(WatchError::TooFew { usable: 1 })
        );
        let other = Plan::default().trace();
        assert_eq!(watch().examine(&[other]), Err(WatchError::Settings));
    }
}
