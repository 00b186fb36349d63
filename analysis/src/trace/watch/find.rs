//! One comparison: new shots against the reference, from the plainest finding to the faintest.

use silkline_protocol::unit::{Db, OpticalLength};

use super::bins::{fall, mean_power, powers};
use super::fit::{Fitted, Known, Scene, Sought};
use super::peaks::{self, Falls};
use super::shift;
use super::spread::Spread;
use super::steps::{Found, Noise, Search, Step};
use super::{Drift, Watch, store};
use crate::trace::analyse::{Analysis, analyse};
use crate::trace::anchor::nearest;
use crate::trace::compare::{self, Change, ChangeKind, Comparison, Tail, Verdict};
use crate::trace::end::EndOfFibre;
use crate::trace::event::{Event, EventKind};
use crate::trace::line::median;
use crate::trace::samples::{Trace, cut, whole};

/// Light that fell by this much may be gone: worth a thorough look, in decibels.
const MAY_BE_GONE_DB: f64 = 1.5;

/// Light that fell by this much is gone.
const GONE_DB: f64 = 3.0;

/// Deviations at which anything is worth a thorough look.
const SUSPICIOUS: f64 = 8.0;

/// A reflection at the end varies by so much of itself without anything being wrong.
const END_VARIES: f64 = 0.25;

/// A change of the whole fibre's loss below this is not worth a word, in decibels.
const TOTAL_DB: f64 = 0.15;

/// Instruments misread loss by this part of it from month to month at the most.
const TOTAL_PART: f64 = 0.02;

/// What a bad launch may tilt a trace by, as a part of what it loses.
const LAUNCH_TILTS: f64 = 0.75;

/// A zero that is off by less is not moved back, only reckoned with, in samples.
const MOVED: f64 = 0.1;

/// What two shots' zeros may differ by when their edges agree, and where no edge tells, in samples:
/// standard deviations.
const ZERO: f64 = 0.08;
const ZERO_UNTOLD: f64 = 0.2;

/// In pulses of fewer samples a place may be told a sample more or less: standard deviation.
const SAMPLED: f64 = 1.25;
const WITHIN: f64 = 0.577;

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

/// What became of the end of the fibre.
enum End {
    AsBefore,
    Changed(Change),
    Faulty(Comparison),
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
        let told = shift::shift(&watch.mean, &levels, &watch.marks, &lower);
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

    /// Whether the fibre ends elsewhere than it did. Only suspicion is worth a whole analysis.
    fn end(&self, noise: &Noise<'_>) -> End {
        if !self.light_is_missing(noise) && !self.tail_differs() {
            return End::AsBefore;
        }
        let Some(trace) = self.trace() else {
            return End::AsBefore;
        };
        let analysis = analyse(&trace);
        if analysis.fault.is_some() {
            return End::Faulty(Comparison {
                fault: analysis.fault,
                ..Comparison::default()
            });
        }
        match self.end_of(&analysis) {
            Some(change) => End::Changed(self.with_zero(change)),
            None => self.dark_from().map_or(End::AsBefore, End::Changed),
        }
    }

    /// A place told by the shots alone, with what zeros may differ by.
    fn with_zero(&self, change: Change) -> Change {
        let zero = (self.watch.settings.spacing * (HALF_95 * self.zero)).get();
        Change {
            plus_minus: OpticalLength::of(change.plus_minus.get().hypot(zero)),
            ..change
        }
    }

    fn end_of(&self, analysis: &Analysis) -> Option<Change> {
        let end = analysis.end.as_ref()?;
        let watched_to = self.watch.mean.position(self.watch.bins.to() as f64);
        let known = self.watch.analysis.end.is_some();
        // A reference that fades has no end to be missed; light must be gone to believe one.
        let gone = self.gone_at(end.at);
        if !known && (end.at + end.plus_minus > watched_to || !gone) {
            return None;
        }
        let change = compare::end_change(end, &self.watch.reference())?;
        // Where the light goes on as before there is no break.
        let before = change.kind != ChangeKind::Break || gone || change.at > watched_to;
        (before && self.between_ends(change.at) && self.differs(end)).then_some(change)
    }

    /// Whether the light between the reference's end and another one is surely not as before.
    fn differs(&self, end: &EndOfFibre) -> bool {
        let analysis = &self.watch.analysis;
        let (Some(known), Some(trace)) = (&analysis.end, self.trace()) else {
            return true;
        };
        let tail = Tail::whole(&self.watch.mean, known);
        let verdict = tail.judge(&trace, (known.at, analysis.usual_slope()), end);
        verdict == Verdict::Changed
    }

    /// Whether there is more or less light than before between the reference's end and another
    /// one: an edge that was only told otherwise leaves it as it was.
    fn between_ends(&self, at: OpticalLength) -> bool {
        let watch = self.watch;
        let Some(known) = &watch.analysis.end else {
            return true;
        };
        let (near, far) = if at < known.at {
            (at, known.at)
        } else {
            (known.at, at)
        };
        let (from, to) = (
            watch.mean.index_of(near.get()),
            watch.mean.index_of(far.get()),
        );
        // A bright end may send back as much as all the glass behind it did; and where a file says
        // "no light" there is at most noise.
        let least = watch.dark.max(f64::MIN_POSITIVE);
        let usual = |power: &[f64]| median(&mut cut(power, from, to).to_vec()).max(least);
        let differs = fall(usual(&watch.power), usual(&self.power)) - self.level;
        to < from + 3 || differs.abs() > MAY_BE_GONE_DB
    }

    /// Whether light is missing behind a place.
    fn gone_at(&self, at: OpticalLength) -> bool {
        let bin = self.watch.bins.of(self.watch.mean.index_of(at.get()));
        let pulse = self.watch.mean.samples_in(self.watch.mean.pulse().get());
        let behind = bin + 2 * pulse.div_ceil(self.watch.bins.size) + 1;
        let mut falls = cut(&self.fall, behind, self.fall.len()).to_vec();
        falls.is_empty() || median(&mut falls) - self.level > MAY_BE_GONE_DB
    }

    /// The place behind which no light is left, where no end is seen there.
    fn dark_from(&self) -> Option<Change> {
        let gone = |fall: &f64| fall - self.level > GONE_DB;
        // A bin of noise may look lit now and then.
        let (mut behind, mut last) = (0, self.fall.len());
        for (bin, fall) in self.fall.iter().enumerate().rev() {
            behind += usize::from(gone(fall));
            let all = self.fall.len() - bin;
            if gone(fall) && behind * 10 >= all * 8 {
                last = bin;
            }
        }
        let dark = cut(&self.fall, last, self.fall.len());
        if dark.len() < 3 {
            return None;
        }
        // Light that goes on at a lower level is a loss, however large; behind a break it is noise.
        let floor = self.watch.dark * (self.watch.bins.size as f64);
        let sums = self.watch.bins.sums(&self.power);
        let noise_alone = cut(&sums, last, sums.len())
            .iter()
            .filter(|sum| **sum < 3.0 * floor);
        if noise_alone.count() * 2 < dark.len() {
            return None;
        }
        let size = self.watch.settings.spacing * self.watch.bins.size as f64;
        let at = self.watch.mean.position(self.watch.bins.start(last) as f64);
        Some(Change {
            kind: ChangeKind::Break,
            at: at - self.watch.mean.pulse() * 0.5,
            plus_minus: size * 2.0 + self.watch.mean.pulse(),
            delta: Db::of(median(&mut dark.to_vec())),
            delta_plus_minus: None,
            sigmas: None,
            near: None,
        })
    }

    fn light_is_missing(&self, noise: &Noise<'_>) -> bool {
        if self.level > GONE_DB {
            return true;
        }
        let missing = |(fall, sigma): (&f64, &f64)| {
            let less = fall - self.level;
            less > MAY_BE_GONE_DB && less > SUSPICIOUS * sigma * noise.share.sqrt()
        };
        let all: Vec<bool> = self.fall.iter().zip(&noise.sigma).map(missing).collect();
        all.windows(2)
            .any(|pair| pair.iter().all(|missing| *missing))
            || all.last().is_some_and(|last| *last)
    }

    /// Whether the light from just before the end on differs from the reference's.
    fn tail_differs(&self) -> bool {
        let watch = self.watch;
        let pulse = watch.mean.samples_in(watch.mean.pulse().get()).max(4);
        // Behind the light the reference is one shot.
        let share = Spread::share(self.shots.len(), 1);
        let launch = 10_f64.powf(self.level / 5.0);
        let from = watch.bins.to();
        let chunks = cut(&watch.power, from, self.power.len()).chunks(pulse);
        let now = cut(&self.power, from, watch.power.len()).chunks(pulse);
        let mut last = false;
        for (before, now) in chunks.zip(now) {
            let jumps = before.windows(2).map(|pair| match pair {
                [a, b] => (b - a).abs(),
                _ => 0.0,
            });
            let steepest = jumps.fold(0.0, f64::max);
            let (was, is) = (before.iter().sum::<f64>(), now.iter().sum::<f64>() * launch);
            let varies = END_VARIES * was + 0.5 * steepest;
            let dark = watch.dark * (before.len() as f64 * share).sqrt();
            let differs = (is - was).abs() > SUSPICIOUS * dark + 2.0 * varies;
            if differs && last {
                return true;
            }
            last = differs;
        }
        last
    }

    /// The mean of the shots as a trace, sample by sample as they were taken, its places told from
    /// the reference's zero: between two samples the foot of a bright end would be seen too early.
    fn trace(&self) -> Option<Trace> {
        let trace = store::rounded(self.shots.first()?, &self.taken)?;
        let late = self.watch.settings.spacing * self.shift;
        let first = trace.settings().first - late;
        Some(trace.told_from(first))
    }

    /// Bins that lie wholly before a break.
    fn bins_before(&self, change: &Change) -> usize {
        let at = change.at.get() - change.plus_minus.get();
        let sample = self.watch.mean.index_of(at);
        let bins = &self.watch.bins;
        (sample.saturating_sub(bins.from) / bins.size)
            .saturating_sub(1)
            .min(bins.count)
    }

    /// Known events that can lose more or less, with the bin from which that shows.
    fn events(&self, count: usize) -> Vec<(usize, &'a Event)> {
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
    fn known(&self, event: &Event) -> Known {
        let mean = &self.watch.mean;
        let at = (event.at - mean.position(0.0)).get() / mean.step_m();
        Known {
            at,
            sd: event.plus_minus.get() / mean.step_m() / HALF_95,
        }
    }

    /// A step as the ramp that it is in the samples.
    fn fitted(
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

    fn step_changes(&self, found: &Found, events: &[(usize, &Event)]) -> Vec<Change> {
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
    fn reflections(
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
        let samples = watch.mean.pulse().get() / watch.mean.step_m();
        let phase = peaks::by_phase(samples, self.shift.abs().max(self.zero));
        let known = peaks::changed(&watch.peaks, &self.power, (noise.share, phase), to);
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
        let pulse = watch.mean.pulse().get() / watch.mean.step_m();
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
    fn total(&self, found: &Found) -> Option<Change> {
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

/// One-way decibels of powers; none of them lower than the faintest light there is.
fn decibels(power: &[f64]) -> Vec<f64> {
    let lit = power.iter().copied().filter(|p| *p > 0.0);
    let least = lit.fold(f64::MAX, f64::min).min(1e300);
    power
        .iter()
        .map(|p| 5.0 * p.max(least * 0.5).log10())
        .collect()
}
