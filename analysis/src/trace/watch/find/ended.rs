//! Whether the fibre ends elsewhere than it did: the plainest finding, and the first.
//!
//! Only suspicion is worth a whole analysis: light that is missing, or another light behind the end.

use silkline_protocol::unit::{Db, OpticalLength};

use super::super::bins::fall;
use super::super::spread::Spread;
use super::super::steps::Noise;
use super::super::store;
use super::{HALF_95, Sight};
use crate::trace::analyse::{Analysis, analyse};
use crate::trace::compare::{self, Change, ChangeKind, Comparison, Tail, Verdict};
use crate::trace::end::EndOfFibre;
use crate::trace::line::median;
use crate::trace::samples::{Trace, cut};

/// Light that fell by this much may be gone: worth a thorough look, in decibels.
const MAY_BE_GONE_DB: f64 = 1.5;

/// Light that fell by this much is gone.
const GONE_DB: f64 = 3.0;

/// Deviations at which anything is worth a thorough look.
const SUSPICIOUS: f64 = 8.0;

/// A reflection at the end varies by so much of itself without anything being wrong.
const END_VARIES: f64 = 0.25;

/// What became of the end of the fibre.
pub(super) enum End {
    AsBefore,
    Changed(Change),
    Faulty(Comparison),
}

impl Sight<'_> {
    /// Whether the fibre ends elsewhere than it did. Only suspicion is worth a whole analysis.
    pub(super) fn end(&self, noise: &Noise<'_>) -> End {
        if !self.light_is_missing(noise) && !self.tail_differs() {
            return End::AsBefore;
        }
        let Some(trace) = self.trace() else {
            return End::AsBefore;
        };
        let analysis = analyse(&trace);
        if let Some(fault) = analysis.fault {
            return End::Faulty(Comparison::faulty(fault));
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
    pub(super) fn bins_before(&self, change: &Change) -> usize {
        let at = change.at.get() - change.plus_minus.get();
        let sample = self.watch.mean.index_of(at);
        let bins = &self.watch.bins;
        (sample.saturating_sub(bins.from) / bins.size)
            .saturating_sub(1)
            .min(bins.count)
    }
}
