//! What was found as changes: each at a known event or at its own place, with its interval.

use silkline_protocol::unit::{Db, OpticalLength};

use super::super::bins::fall;
use super::super::fit::{Fitted, Known, Scene, Sought};
use super::super::peaks::{self, Falls, Shown};
use super::super::steps::{Found, Noise, Step};
use super::{HALF_95, MOVED, Sight};
use crate::trace::anchor::nearest;
use crate::trace::compare::{Change, ChangeKind};
use crate::trace::event::{Event, EventKind};
use crate::trace::samples::{cut, whole};

/// A change of the whole fibre's loss below this is not worth a word, in decibels.
const TOTAL_DB: f64 = 0.15;

/// Instruments misread loss by this part of it from month to month at the most.
const TOTAL_PART: f64 = 0.02;

/// What a bad launch may tilt a trace by, as a part of what it loses.
const LAUNCH_TILTS: f64 = 0.75;

/// In pulses of fewer samples a place may be told a sample more or less: standard deviation.
const SAMPLED: f64 = 1.25;
const WITHIN: f64 = 0.577;

impl<'a> Sight<'a> {
    /// Known events that can lose more or less, with the bin from which that shows.
    pub(super) fn events(&self, count: usize) -> Vec<(usize, &'a Event)> {
        let watch = self.watch;
        let half = 0.5 * watch.mean.pulse().get();
        let bins = &watch.bins;
        let at = |event: &'a Event| {
            let sample = watch.mean.index_of(event.at.get() + half);
            let bin = (sample.saturating_sub(bins.from) + bins.size / 2) / bins.size;
            (sample > bins.from && bin < count).then_some((bin, event))
        };
        let known = watch.analysis.events.iter();
        known
            .filter(|event| !matches!(event.kind, EventKind::End | EventKind::Ghost))
            .filter_map(at)
            .collect()
    }

    /// Samples by which the zero is late and has not been moved back.
    fn late(&self) -> f64 {
        if self.shift.abs() > MOVED {
            0.0
        } else {
            self.shift
        }
    }

    /// Where a known event lies among the samples.
    pub(super) fn known(&self, event: &Event) -> Known {
        let mean = &self.watch.mean;
        let at = (event.at - mean.position(0.0)).get() / mean.step_m();
        Known {
            at,
            sd: event.plus_minus.get() / mean.step_m() / HALF_95,
        }
    }

    /// A step as the ramp that it is in the samples.
    pub(super) fn fitted(
        &self,
        step: &Step,
        others: &[Step],
        (noise, known): (&Noise<'_>, &[Known]),
    ) -> Option<Fitted> {
        let watch = self.watch;
        let scene = Scene {
            bins: &watch.bins,
            before: &watch.power,
            now: &self.power,
            pulse: watch.mean.pulse().get() / watch.mean.step_m(),
            fade: watch.fade(),
            late: self.late(),
            zero: self.zero,
            smoothing: watch.smoothing,
        };
        let sought = Sought {
            bins: step.bins,
            size: step.size,
        };
        let others: Vec<_> = others.iter().filter_map(|other| other.fitted).collect();
        let others: Vec<_> = others.iter().map(|fitted| fitted.ramp).collect();
        scene.fit(noise, sought, &others, known)
    }

    pub(super) fn step_changes(&self, found: &Found, events: &[(usize, &Event)]) -> Vec<Change> {
        let change = |step: &Step| {
            let known = match step.fitted {
                Some(fitted) => fitted.known.and_then(|known| events.get(known)),
                None => events.iter().find(|(bin, _)| *bin == step.bin),
            };
            let (at, plus_minus) = match known {
                Some((_, event)) => (event.at, event.plus_minus),
                None => self.placed(step),
            };
            let kind = if known.is_some() || step.size < 0.0 {
                ChangeKind::LossChange
            } else {
                ChangeKind::NewLoss
            };
            Change {
                kind,
                at,
                plus_minus,
                delta: Db::of(step.size),
                delta_plus_minus: Some(Db::of(HALF_95 * step.size_sd)),
                sigmas: Some(step.sigmas),
                near: None,
            }
        };
        found.steps.iter().map(change).collect()
    }

    /// The place of a step between samples.
    fn placed(&self, step: &Step) -> (OpticalLength, OpticalLength) {
        let watch = self.watch;
        let pulse = watch.mean.pulse().get() / watch.mean.step_m();
        let [first, last] = step.bins.map(|bin| watch.bins.start(bin) as f64);
        let reach = (last - first) / 2.0;
        let coarse = || (first + reach - 0.5 * pulse, reach + watch.bins.size as f64);
        let (at, half) = step
            .fitted
            .map_or_else(coarse, |fitted| (fitted.ramp.at - self.late(), fitted.half));
        // An instrument that smooths what it stores spreads a step to both sides.
        let smoothed = HALF_95 * (watch.smoothing - pulse).max(0.0) / 4.0;
        // Where within a sample an instrument says that it is shows only in longer pulses.
        let sampled = if pulse < SAMPLED {
            HALF_95 * WITHIN
        } else {
            0.0
        };
        let half = half.hypot(smoothed).hypot(sampled);
        (watch.mean.position(at), watch.settings.spacing * half)
    }

    /// Changed and new reflections; a loss at a new reflection is where that begins.
    ///
    /// Only what lies before sample `to` is looked at: a fibre that ends elsewhere has no old end.
    pub(super) fn reflections(
        &self,
        found: &Found,
        noise: &Noise<'_>,
        to: usize,
        steps: &mut [Change],
    ) -> Vec<Change> {
        let watch = self.watch;
        let change = |changed: &peaks::Changed, sample: f64, doubt: f64| Change {
            kind: ChangeKind::ReflectanceChange,
            at: watch.mean.position(sample),
            plus_minus: watch.settings.spacing * (HALF_95 * doubt),
            delta: Db::of(changed.delta),
            delta_plus_minus: Some(Db::of(HALF_95 * changed.sd)),
            sigmas: Some(changed.sigmas),
            near: None,
        };
        let pulse = watch.mean.pulse().get() / watch.mean.step_m();
        let shown = Shown {
            taken: &self.taken,
            power: &self.power,
            late: self.shift,
            zero: self.zero,
            share: noise.share,
        };
        let known = peaks::changed(&watch.peaks, &shown, pulse, to);
        let mut changes: Vec<Change> = known
            .iter()
            .map(|changed| {
                let mut change = change(changed, changed.from as f64, 1.0);
                if let Some(event) = nearest(&watch.analysis.events, change.at) {
                    (change.at, change.plus_minus) = (event.at, event.plus_minus);
                }
                change
            })
            .collect();
        let sigma: Vec<f64> = noise.sigma.iter().map(|s| s * noise.share.sqrt()).collect();
        let falls = Falls {
            fall: cut(&self.fall, 0, sigma.len()),
            under: &found.under,
            sigma: &sigma,
            steps: &found.steps,
        };
        let is_known = |at: usize| {
            let near = |peak: &peaks::Peak| {
                at + 2 * watch.bins.size >= peak.from && at <= peak.to + whole(pulse)
            };
            watch.peaks.iter().any(near)
        };
        for new in peaks::new(&falls, &watch.bins, pulse) {
            if is_known(new.from) {
                continue;
            }
            let doubt = (0.3 * watch.bins.size as f64).hypot(0.2 * pulse).max(0.5);
            let change = change(&new, self.rise(&new, pulse), doubt);
            for step in steps.iter_mut() {
                if (step.at - change.at).abs() < watch.mean.pulse() * 2.0 + step.plus_minus {
                    (step.at, step.plus_minus) = (change.at, change.plus_minus);
                }
            }
            changes.push(change);
        }
        changes
    }

    /// The sample at which a new reflection begins: where half its height is passed, less the rise.
    fn rise(&self, new: &peaks::Changed, pulse: f64) -> f64 {
        let from = new.from.saturating_sub(whole(pulse) + self.watch.bins.size);
        let to = new.from + 2 * whole(pulse) + 3 * self.watch.bins.size;
        let pairs = cut(&self.watch.power, from, to)
            .iter()
            .zip(cut(&self.power, from, to));
        let rises: Vec<f64> = pairs
            .map(|(before, now)| -fall(*before, *now) + self.level)
            .collect();
        let top = rises.iter().copied().fold(f64::MIN, f64::max);
        let first = rises.iter().position(|rise| *rise > 0.5 * top).unwrap_or(0);
        (from + first) as f64 - 0.5
    }

    /// A loss that came evenly, where no single place lost anything.
    pub(super) fn total(&self, found: &Found) -> Option<Change> {
        let watch = self.watch;
        let share = watch.spread.slow_share(self.shots.len(), watch.shots);
        let sd = found
            .tilt_sd
            .hypot(watch.spread.tilt_of(share, watch.watched_loss()));
        let least = TOTAL_DB
            .max(6.0 * sd)
            .max(TOTAL_PART * watch.watched_loss())
            .max(LAUNCH_TILTS * found.launch.abs());
        let end = watch.analysis.end.as_ref();
        let last = watch.mean.position(watch.bins.to() as f64);
        (found.tilt.abs() > least).then(|| Change {
            kind: ChangeKind::TotalLossChange,
            at: end.map_or(last, |end| end.at),
            plus_minus: end.map_or_else(|| watch.mean.pulse(), |end| end.plus_minus),
            delta: Db::of(found.tilt),
            delta_plus_minus: Some(Db::of(HALF_95 * sd)),
            sigmas: Some(found.tilt.abs() / sd),
            near: None,
        })
    }
}
