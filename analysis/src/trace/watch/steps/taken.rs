//! Steps taken out of a shot one after the other, the strongest first.

use super::super::fit::Fitted;
use super::super::modes::{amplitude, cosine};
use super::{EVENT_BONUS, FALSE_ALARMS, Fit, Found, Search, Stand, Step, chance};

/// A step smaller than this is not worth a word, in decibels.
const LEAST_STEP_DB: f64 = 0.01;

/// Steps taken out of one shot at the most.
const MOST_STEPS: usize = 8;

/// Half of a 95 % interval, in standard deviations.
const HALF_95: f64 = 1.96;

/// Rounds in which each step is measured again beside the others.
const ROUNDS: usize = 3;

/// What is left over may be this many times what was learned before it counts.
const MISFIT: f64 = 1.5;

/// A step is looked at sample by sample that stands out by this part of what it must: one in a few
/// hundred quiet shots has one.
const NEARLY: f64 = 0.8;

/// A fitted step is as large as its bins have it, within this.
const SAME_SIZE: [f64; 2] = [0.5, 2.0];

/// Shapes of a step that are as good as independent: from a sharp one to a smoothed one.
const SHAPES: f64 = 2.0;

/// Where steps are sought.
pub(super) struct Places<'a> {
    /// The first bins behind known events.
    pub(super) events: &'a [usize],
    /// First and last bins around steps that the samples show to be none.
    pub(super) barred: Vec<[usize; 2]>,
}

impl Places<'_> {
    fn hold(&self, bin: usize) -> bool {
        let bars = |[first, last]: &[usize; 2]| (*first..=*last).contains(&bin);
        !self.barred.iter().any(bars)
    }
}

impl Step {
    /// Whether its interval leaves none out: what bins take for a step may be a reflection that
    /// changed, and the samples, fitted, then show no loss at all.
    fn is_told(&self) -> bool {
        self.fitted.is_none() || self.size.abs() > HALF_95 * self.size_sd
    }
}

impl Search {
    /// All steps that stand out.
    pub(in super::super) fn run(&self, fall: &[f64], events: &[usize], fit: Fit<'_>) -> Found {
        let mut steps: Vec<Step> = Vec::new();
        let mut rest = fall.to_vec();
        let at_event = chance::threshold(FALSE_ALARMS, |_| events.len() as f64).min(self.least);
        let least = |step: &Step| {
            let known = step.fitted.map(|fitted| fitted.known.is_some());
            if known.unwrap_or_else(|| events.contains(&step.bin)) {
                at_event
            } else {
                self.least
            }
        };
        let mut places = Places {
            events,
            barred: Vec::new(),
        };
        for _ in 0..MOST_STEPS {
            let step = self.strongest(&rest, &places);
            let stands =
                |step: &Step| step.sigmas >= least(step) && step.size.abs() >= LEAST_STEP_DB;
            let nearly = |step: &Step| {
                stands(&Step {
                    sigmas: step.sigmas / self.nearly(),
                    ..*step
                })
            };
            let Some(step) = step.filter(nearly) else {
                break;
            };
            let before_fit = step;
            let step = step.fitted(fit(&step, &steps));
            let more = self.beyond_bins(&before_fit, &step);
            let step = Step {
                sigmas: (step.sigmas.powi(2) + more).sqrt(),
                ..step
            };
            if !stands(&before_fit) && !stands(&step) {
                break;
            }
            if !step.is_told() {
                let ([first, last], wide) = (step.bins, self.shape.wide());
                let around = [first.saturating_sub(wide), last + wide];
                places.barred.push(around);
                continue;
            }
            let mut without = rest.clone();
            self.take(&mut without, &step);
            // What the step itself explains is no misfit; what no step explains is.
            if step.sigmas < least(&step) * self.misfit(&without, &steps) {
                break;
            }
            // Few shots may have shown slow noise too weak: it is not known as well as that.
            let surprise = |falls: &[f64]| self.doubt.surprise(&self.scaled(falls));
            let mut plain = rest.clone();
            self.take(&mut plain, &before_fit);
            let left = surprise(&without).min(surprise(&plain));
            let sigmas = ((surprise(&rest) - left).max(0.0) + more).sqrt();
            if sigmas < self.least_slow {
                break;
            }
            steps.push(Step {
                sigmas: step.sigmas.min(sigmas * self.least / self.least_slow),
                ..step
            });
            rest = without;
            self.refine(fall, &mut steps, &mut rest, (&places, fit));
        }
        self.found(steps, &rest)
    }

    /// By which part of what it must a step stands out that may yet do so sample by sample: noise
    /// that was smoothed hides no sharp one, and bins tell only part of that.
    const fn nearly(&self) -> f64 {
        if self.is_smoothed { NEARLY } else { 1.0 }
    }

    /// What samples show of a step beyond what `bins` do, in deviations squared; nothing where noise
    /// might show as much at one of all samples, or where the fit ran away to another step.
    fn beyond_bins(&self, bins: &Step, step: &Step) -> f64 {
        let samples = SHAPES * (self.bins.size * self.inverse.len()) as f64;
        let least = chance::threshold(FALSE_ALARMS, |_| samples);
        let sigmas = step.size.abs() / step.size_sd;
        let [low, high] = SAME_SIZE;
        let same = (low..high).contains(&(step.size / bins.size));
        if !self.is_smoothed || step.fitted.is_none() || !same || sigmas < least {
            return 0.0;
        }
        (sigmas.powi(2) - bins.sigmas.powi(2)).max(0.0)
    }

    /// The steps, for what their rest shows to be left.
    fn found(&self, mut steps: Vec<Step>, rest: &[f64]) -> Found {
        let misfit = if steps.is_empty() {
            1.0
        } else {
            self.misfit(rest, &steps)
        };
        for step in &mut steps {
            step.sigmas /= misfit;
            step.size_sd *= misfit;
            step.fitted = step.fitted.map(|fitted| Fitted {
                half: fitted.half * misfit,
                ..fitted
            });
        }
        steps.sort_by(|a, b| b.size.abs().total_cmp(&a.size.abs()));
        let (line, under) = self.under(rest);
        let [level, tilt] = line;
        let tilt_sd = (self.share * self.free.d).sqrt() * misfit;
        Found {
            steps,
            under,
            launch: level - tilt / 2.0,
            tilt,
            tilt_sd,
            misfit,
        }
    }

    /// Measures each step again, the others taken out.
    fn refine(
        &self,
        fall: &[f64],
        steps: &mut [Step],
        rest: &mut Vec<f64>,
        (places, fit): (&Places<'_>, Fit<'_>),
    ) {
        if steps.len() < 2 {
            return;
        }
        for _ in 0..ROUNDS {
            for k in 0..steps.len() {
                let mut left = fall.to_vec();
                let mut others = steps.to_vec();
                others.remove(k);
                others.iter().for_each(|other| self.take(&mut left, other));
                if let (Some(again), Some(step)) = (self.strongest(&left, places), steps.get_mut(k))
                {
                    *step = again.fitted(fit(&again, &others));
                }
            }
        }
        *rest = fall.to_vec();
        steps.iter().for_each(|step| self.take(rest, step));
    }

    /// Takes a step out of falls.
    fn take(&self, fall: &mut [f64], step: &Step) {
        for (bin, value) in fall.iter_mut().enumerate() {
            *value -= step.at_bin(bin, &self.bins);
        }
    }

    /// The step that stands out most; one at a known event where that does nearly as well.
    pub(super) fn strongest(&self, fall: &[f64], sought: &Places<'_>) -> Option<Step> {
        let stands = self.stands(fall);
        let [near, far] = self.edges;
        let places = near..stands.len().saturating_sub(far);
        let score = |bin: usize| stands.get(bin).map_or(0.0, |stand| stand.score);
        let best = places
            .clone()
            .filter(|bin| sought.hold(*bin))
            .max_by(|a, b| score(*a).total_cmp(&score(*b)))?;
        let at_event = |bin: &&usize| {
            let least = 2.0_f64
                .mul_add(-EVENT_BONUS, score(best).powi(2))
                .max(0.0)
                .sqrt();
            places.contains(*bin) && sought.hold(**bin) && score(**bin) >= least
        };
        let known = sought.events.iter().filter(at_event);
        let bin = known
            .copied()
            .max_by(|a, b| score(*a).total_cmp(&score(*b)))
            .unwrap_or(best);
        let stand = stands.get(bin)?;
        let likely = |other: &Stand| other.sigmas.powi(2) > stand.sigmas.powi(2) - 14.0;
        let mut first = bin;
        while stands.get(first.wrapping_sub(1)).is_some_and(likely) {
            first -= 1;
        }
        let mut last = bin;
        while stands.get(last + 1).is_some_and(likely) {
            last += 1;
        }
        Some(Step {
            bin,
            size: stand.size,
            size_sd: stand.sd,
            sigmas: stand.score,
            bins: [first, last],
            fitted: None,
        })
    }

    /// Level and tilt under what is left, and with slow noise the curve through it.
    fn under(&self, rest: &[f64]) -> ([f64; 2], Vec<f64>) {
        let white = self.less_slow(&self.scaled(rest));
        let on_line = self.on_line(&white);
        let [level, tilt] = self.known.times(on_line);
        let count = rest.len();
        let straight = |bin: usize| level + tilt * ((bin as f64 + 0.5) / count.max(1) as f64 - 0.5);
        let left: Vec<f64> = rest
            .iter()
            .enumerate()
            .map(|(b, y)| y - straight(b))
            .collect();
        let left = self.in_sigmas(&left);
        let mut slow = vec![0.0; count];
        for (k, shrink) in self.shrink.iter().enumerate() {
            let strength = shrink * amplitude(&left, k + 1);
            cosine(k + 1, count, |bin, c| {
                if let Some(slow) = slow.get_mut(bin) {
                    *slow += strength * c;
                }
            });
        }
        let under = slow.iter().zip(&self.inverse).enumerate();
        let under = under.map(|(bin, (slow, inverse))| straight(bin) + slow / inverse);
        (self.free.times(on_line), under.collect())
    }

    /// How much more slow noise is left than was learned; at least 1.
    fn misfit(&self, rest: &[f64], steps: &[Step]) -> f64 {
        let white = self.less_slow(&self.scaled(rest));
        let [level, tilt] = self.known.times(self.on_line(&white));
        let count = rest.len().max(1) as f64;
        let flat = rest.iter().enumerate();
        let flat: Vec<f64> = flat
            .map(|(bin, y)| y - level - tilt * ((bin as f64 + 0.5) / count - 0.5))
            .collect();
        let flat = self.scaled(&flat);
        let power = |(k, extra): (usize, &f64)| {
            amplitude(&flat, k + 1).powi(2) / (1.0 + extra) / self.share
        };
        let modes = self.extra.len() as f64;
        let degrees = (modes - 2.0 - steps.len() as f64).max(4.0);
        let sum: f64 = self.extra.iter().enumerate().map(power).sum();
        (sum / degrees / MISFIT).max(1.0).sqrt()
    }
}
