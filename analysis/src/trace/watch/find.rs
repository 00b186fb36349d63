//! One comparison: new shots against the reference, from the plainest finding to the faintest.

mod ended;
mod other;
mod told;

use silkline_protocol::unit::Db;

use self::ended::End;
use super::bins::{mean_power, powers};
use super::fit::Known;
use super::shift;
use super::spread::Spread;
use super::steps::{Search, Step};
use super::{Drift, Watch};
use crate::trace::analyse::InstrumentFault;
use crate::trace::anchor::nearest;
use crate::trace::compare::{self, ChangeKind, Comparison};
use crate::trace::line::median;
use crate::trace::samples::{Trace, cut};

/// A zero that is off by less is not moved back, only reckoned with, in samples.
const MOVED: f64 = 0.1;

/// What two shots' zeros may differ by when their edges agree, and where no edge tells, in samples:
/// standard deviations.
pub(super) const ZERO: f64 = 0.08;
const ZERO_UNTOLD: f64 = 0.2;

/// From a standard deviation to half a 95 % interval.
const HALF_95: f64 = 1.96;

/// New shots beside the reference.
pub(super) struct Sight<'a> {
    watch: &'a Watch,
    shots: &'a [Trace],
    /// Their mean power.
    taken: Vec<f64>,
    /// The same with the zero moved back.
    power: Vec<f64>,
    /// Samples by which their zero is late.
    shift: f64,
    /// Standard deviation of that.
    zero: f64,
    fall: Vec<f64>,
    /// Fall of the first bins: the launch.
    level: f64,
}

impl<'a> Sight<'a> {
    pub(super) fn of(watch: &'a Watch, shots: &'a [Trace]) -> Self {
        let taken = match shots {
            [only] => powers(only),
            several => mean_power(&several.iter().collect::<Vec<_>>()),
        };
        let bins = &watch.bins;
        let before = bins.sums(&watch.power);
        let level = |power: &[f64]| {
            let fall = bins.fall(&before, &bins.sums(power));
            median(&mut cut(&fall, 0, (bins.count / 8).max(8)).to_vec())
        };
        let launch = level(&taken);
        let levels: Vec<f64> = match shots {
            [only] => only.levels().to_vec(),
            _ => decibels(&taken),
        };
        let pulse = watch.mean.samples_in(watch.mean.pulse().get());
        let fall = bins.fall(&before, &bins.sums(&taken));
        let lower = shift::falls_before(&watch.marks, (bins, &fall), pulse, launch);
        let told = shift::shift(&watch.mean, &levels, (&watch.marks, &lower), pulse);
        let shift = told.unwrap_or(0.0);
        let power = if shift.abs() > MOVED {
            shift::moved(&taken, shift)
        } else {
            taken.clone()
        };
        let fall = bins.fall(&before, &bins.sums(&power));
        Self {
            watch,
            shots,
            level: launch,
            taken,
            power,
            shift,
            zero: told.map_or(ZERO_UNTOLD, |_| ZERO),
            fall,
        }
    }

    /// What changed, and how launch and instrument drifted.
    pub(super) fn compared(&self) -> (Comparison, Drift) {
        let watch = self.watch;
        let share = Spread::share(self.shots.len(), watch.shots);
        let slow = watch.spread.slow_share(self.shots.len(), watch.shots);
        let louder = self.louder(share);
        let mut noise = watch.noise(&louder, [share, slow]);
        let mut drift = Drift {
            launch_db: Db::of(self.level),
            tilt_db: Db::of(0.0),
            zero_m: watch.settings.spacing * self.shift,
            noise: median(&mut louder.clone()),
        };
        let mut changes = Vec::new();
        let mut count = watch.bins.count;
        let mut peaks_to = usize::MAX;
        match self.end(&noise) {
            End::AsBefore => {}
            End::Faulty(comparison) => return (comparison, drift),
            End::Changed(change) => {
                if change.kind == ChangeKind::Break {
                    count = self.bins_before(&change);
                }
                peaks_to = watch.bins.start(count);
                changes.push(change);
            }
        }
        noise.sigma.truncate(count);
        let fall = cut(&self.fall, 0, count);
        if count >= super::FEWEST_SAMPLES.min(watch.bins.count) {
            let events = self.events(count);
            let bins: Vec<usize> = events.iter().map(|(bin, _)| *bin).collect();
            let known: Vec<Known> = events.iter().map(|(_, event)| self.known(event)).collect();
            let fit = |step: &Step, others: &[Step]| self.fitted(step, others, (&noise, &known));
            let found = Search::new(&noise, watch.bins).run(fall, &bins, &fit);
            drift.launch_db = Db::of(found.launch);
            drift.tilt_db = Db::of(found.tilt);
            let mut small = self.step_changes(&found, &events);
            let reflections = self.reflections(&found, &noise, peaks_to, &mut small);
            small.extend(reflections);
            if changes.is_empty() && small.is_empty() {
                small.extend(self.total(&found));
            }
            small.sort_by(|a, b| b.delta.abs().get().total_cmp(&a.delta.abs().get()));
            changes.extend(small);
            if !changes.is_empty() && self.is_of_another_fibre(&noise, &events) {
                return (Comparison::faulty(InstrumentFault::OtherFibre), drift);
            }
        }
        for change in &mut changes {
            change.near = nearest(&watch.analysis.events, change.at).map(|event| event.at);
        }
        let launch_loss = (drift.launch_db > compare::LAUNCH_CHANGE).then_some(drift.launch_db);
        let comparison = Comparison {
            fault: None,
            launch_loss,
            changes,
        };
        (comparison, drift)
    }

    /// By how much louder than good shots each bin is, `share` being the variance expected.
    fn louder(&self, share: f64) -> Vec<f64> {
        let watch = self.watch;
        let pairs = self.fall.iter().zip(&watch.spread.sigma);
        let falls = pairs.map(|(fall, sigma)| (fall - self.level) / sigma / share.sqrt());
        let white = watch.whitener.white(falls.collect());
        watch.spread.louder(&white, &watch.receiver_part())
    }
}

/// One-way decibels of powers; none of them lower than the faintest light there is.
fn decibels(power: &[f64]) -> Vec<f64> {
    let lit = power.iter().copied().filter(|p| *p > 0.0);
    let least = lit.fold(f64::MAX, f64::min).min(1e300);
    power
        .iter()
        .map(|p| 5.0 * p.max(least * 0.5).log10())
        .collect()
}
