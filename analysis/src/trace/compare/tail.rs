//! The light around the end of a good shot: what tells an end that moved from one that was only
//! told otherwise.
//!
//! ```text
//!  good shot   ────────────────╮_ _ _    mean powers of quarter pulses, some before its end and
//!                              E         some behind
//!  shot        ─────────╮                the same light between X and E, or none: log odds
//!                       X
//! ```
//!
//! Two shots of one fibre whose ends are told at two places are held against each other where that
//! makes a difference: between the ends. Powers are added up, since logarithms of noise lie; what a
//! dark receiver shows is measured behind the fibre and taken off both. Where the expected light is
//! too weak for that noise the odds stay even, and nothing is told of the stretch.

use serde::{Deserialize, Serialize};
use silkline_protocol::unit::{DbPerKm, OpticalLength};

use crate::trace::end::EndOfFibre;
use crate::trace::line::median;
use crate::trace::samples::{Trace, whole};

/// Parts of a pulse that are added up.
const BINS_A_PULSE: f64 = 4.0;

/// Pulses that are kept of a good shot, before its end and behind it.
const KEPT: [f64; 2] = [12.0, 6.0];

/// Behind the place of an end the light takes so many pulses to fall, and a peak so many to pass.
const FALLS: f64 = 0.5;
const PASSES: f64 = 1.5;

/// Pulses behind both ends from where a receiver is taken to have settled.
const SETTLED: f64 = 20.0;

/// Fewer bins tell no noise.
const FEWEST: usize = 8;

/// Bins just before an end that tell how much more or less light this shot has.
const SCALED_BY: usize = 24;

/// Natural logarithm of the odds from which a stretch is decided: a thousand to one.
const DECIDED: f64 = 7.0;

/// What one bin may add to that: a peak, a ghost or an edge that trembles decides nothing alone.
const MOST: f64 = 12.0;

/// Neighbouring quarters of a pulse say much the same.
const SHARED: f64 = 0.5;

/// Lit bins scatter more than dark ones, of which half of the noise is cut off.
const LIT: f64 = 1.7;

/// Light as before is within this part of what it was; what is left behind a break is this part of it
/// at the most, or that of a receiver which recovers.
const VARIES: f64 = 0.35;
const LEFT: f64 = 0.2;

/// Light that is so many times brighter than before is a peak.
const PEAK: f64 = 2.0;

/// Light that the noise of the good shot alone could be tells nothing.
const CLEAR: f64 = 3.0;

/// A bin without any light, in thousandths of a decibel.
const NO_LIGHT: i32 = -200_000;

/// The light around the end of a good shot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Its pulse in nanoseconds: shots with another one can not be held against it.
    pulse_ns: u32,
    bin_mm: u32,
    /// Bins before the end.
    before: usize,
    /// Mean power of every bin, in thousandths of a one-way decibel.
    levels: Vec<i32>,
    /// The same of a dark bin, and its scatter.
    dark: [i32; 2],
}

/// What the light between two ends says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it was: there is one end, told at two places.
    AsBefore,
    /// It is not: the fibre ends elsewhere.
    Changed,
    /// It is too weak to tell.
    Unclear,
}

/// Noise of a bin where there is no light, in linear power.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Dark {
    mean: f64,
    sd: f64,
}

impl Tail {
    /// The light around the end of a good shot.
    #[must_use]
    pub fn of(trace: &Trace, end: &EndOfFibre) -> Self {
        let pulse = trace.pulse().get();
        Self::reaching(trace, end, KEPT.map(|pulses| pulses * pulse))
    }

    /// The same of the whole fibre: for those who keep all of the good shot anyway.
    pub(crate) fn whole(trace: &Trace, end: &EndOfFibre) -> Self {
        let first = end.at - trace.position(0.0);
        let last = trace.position(trace.levels().len() as f64) - end.at;
        Self::reaching(trace, end, [first.get(), last.get()])
    }

    fn reaching(trace: &Trace, end: &EndOfFibre, metres: [f64; 2]) -> Self {
        let pulse = trace.pulse().get();
        let bin_m = (pulse / BINS_A_PULSE).max(trace.step_m());
        let bin_mm = round(bin_m * 1_000.0).unsigned_abs().max(1);
        let bin_m = f64::from(bin_mm) / 1_000.0;
        let [before, behind] = metres.map(|metres| whole((metres / bin_m).floor()));
        let first = end.at.get() - before as f64 * bin_m;
        let powers = (0..before + behind).map_while(|k| {
            let at = first + k as f64 * bin_m;
            mean(trace, [at, at + bin_m])
        });
        let levels = powers.map(level).collect();
        let dark = Dark::of(trace, end.at.get() + SETTLED * pulse, bin_m);
        Self {
            pulse_ns: round(trace.settings().pulse_ns).unsigned_abs(),
            bin_mm,
            before,
            levels,
            dark: [level(dark.mean), level(dark.sd)],
        }
    }

    /// Whether the light between the good shot's end, which would be at `own` here, and the end that
    /// this shot seems to have is another one than before; glass beyond what was kept falls by `slope`.
    #[must_use]
    pub fn judge(
        &self,
        trace: &Trace,
        (own, slope): (OpticalLength, DbPerKm),
        end: &EndOfFibre,
    ) -> Verdict {
        let odds = self.odds(trace, (own.get(), slope.get()), end);
        match odds {
            Some(odds) if odds > DECIDED => Verdict::Changed,
            Some(odds) if odds < -DECIDED => Verdict::AsBefore,
            _ => Verdict::Unclear,
        }
    }

    /// Whether a shot was taken with the pulse of this one.
    #[must_use]
    pub fn is_like(&self, trace: &Trace) -> bool {
        round(trace.settings().pulse_ns).unsigned_abs() == self.pulse_ns
    }

    /// Natural logarithm of the odds that the end has moved.
    fn odds(&self, trace: &Trace, (own, slope): (f64, f64), end: &EndOfFibre) -> Option<f64> {
        if !self.is_like(trace) {
            return None;
        }
        let (pulse, bin_m) = (trace.pulse().get(), f64::from(self.bin_mm) / 1_000.0);
        let at = end.at.get();
        let shorter = at < own;
        let near = at.min(own) + FALLS * pulse;
        let far = if shorter { own + PASSES * pulse } else { at };
        let scene = Scene {
            tail: self,
            trace,
            own,
            bin_m,
            dark: Dark::of(trace, at.max(own) + SETTLED * pulse, bin_m),
            glass: (at, power(end.level.get()), slope),
            reflects: end.reflective,
        };
        let scale = scene.scale(at.min(own) - FALLS * pulse);
        let (mut k, mut sum) = (((near - own) / bin_m).ceil(), 0.0);
        while own + (k + 1.0) * bin_m <= far {
            let Some(now) = mean(trace, scene.bin(k)) else {
                break;
            };
            sum += SHARED * scene.says(k, now, (scale, shorter));
            k += 1.0;
        }
        Some(sum)
    }

    /// Power of the good shot, less its dark, in a bin counted from its end; none where it was not kept.
    fn before(&self, bin: f64) -> Option<f64> {
        let k = bin + self.before as f64;
        let kept = (k >= 0.0).then(|| self.levels.get(whole(k))).flatten()?;
        Some((of_level(*kept) - of_level(self.dark[0])).max(0.0))
    }
}

/// One shot beside a good one.
struct Scene<'a> {
    tail: &'a Tail,
    trace: &'a Trace,
    /// Where the good shot's end would be.
    own: f64,
    bin_m: f64,
    dark: Dark,
    /// The glass before this shot's end: where, its power there, and its slope in decibels a kilometre.
    glass: (f64, f64, f64),
    /// Whether that end reflects.
    reflects: bool,
}

impl Scene<'_> {
    /// From where to where a bin lies.
    fn bin(&self, bin: f64) -> [f64; 2] {
        let from = self.own + bin * self.bin_m;
        [from, from + self.bin_m]
    }

    /// What the glass before this shot's end would show in a bin if it went on.
    fn led(&self, bin: f64) -> f64 {
        let (at, power_there, slope) = self.glass;
        let km = (self.bin(bin)[0] + 0.5 * self.bin_m - at) / 1_000.0;
        power_there * power(-slope * km)
    }

    /// Whether a bin holds the peak of this shot's end, where the good shot had none.
    fn is_peak(&self, bin: f64, now: f64, before: f64) -> bool {
        let at = self.glass.0;
        let [from, to] = self.bin(bin);
        let passes = at <= from && to <= at + PASSES * self.trace.pulse().get();
        self.reflects && passes && now > PEAK * before
    }

    /// By how much more light this shot has than the good one, just before a place.
    fn scale(&self, before: f64) -> f64 {
        let last = ((before - self.own) / self.bin_m).floor();
        let ratio = |back: usize| {
            let bin = last - 1.0 - back as f64;
            let then = self.tail.before(bin)?;
            let now = mean(self.trace, self.bin(bin))? - self.dark.mean;
            let clear = now > CLEAR * self.dark.sd && then > CLEAR * of_level(self.tail.dark[1]);
            clear.then(|| now / then)
        };
        let mut ratios: Vec<f64> = (0..SCALED_BY).filter_map(ratio).collect();
        if ratios.len() >= FEWEST {
            return median(&mut ratios);
        }
        // Beyond what was kept: from the glass before this end to where the good shot begins.
        let first = -(self.tail.before as f64);
        let mut then: Vec<f64> = (0..FEWEST)
            .filter_map(|k| self.tail.before(first + k as f64))
            .collect();
        let then = median(&mut then);
        if then > 0.0 {
            self.led(first + 0.5 * FEWEST as f64) / then
        } else {
            1.0
        }
    }

    /// What one bin says: positive where the end has moved.
    fn says(&self, bin: f64, now: f64, (scale, shorter): (f64, bool)) -> f64 {
        let kept = self.tail.before(bin).map(|power| scale * power);
        let (before, good) = match kept {
            Some(before) => (before, scale * of_level(self.tail.dark[1])),
            None if bin < 0.0 => (self.led(bin), 0.0),
            // Nobody knows what there was.
            None => return 0.0,
        };
        let noise = LIT * self.dark.sd.hypot(good);
        let now = now - self.dark.mean;
        let moved = if shorter {
            LEFT * before
        } else {
            // Glass, or what is brighter.
            self.led(bin).max(before)
        };
        if before.max(moved) < CLEAR * good {
            return 0.0;
        }
        let off = |wanted: f64, varies: f64| {
            let sd = noise.hypot(varies).hypot(1e-9 * self.glass.1);
            ((now - wanted) / sd).powi(2).min(MOST)
        };
        let as_before = off(before, VARIES * before);
        let elsewhere = if self.is_peak(bin, now, before) {
            0.0
        } else if shorter {
            off(moved.min(now.max(0.0)), moved)
        } else {
            off(moved.max(now), VARIES * moved)
        };
        0.5 * (as_before - elsewhere)
    }
}

impl Dark {
    /// From the bins behind a place, of which at least half of what is there counts.
    fn of(trace: &Trace, from_m: f64, bin_m: f64) -> Self {
        let last = trace.position(trace.levels().len() as f64).get();
        let count = whole((last - from_m) / bin_m);
        let bin = |k: usize| {
            let at = from_m + k as f64 * bin_m;
            mean(trace, [at, at + bin_m])
        };
        let mut powers: Vec<f64> = (0..count).filter_map(bin).collect();
        if powers.len() < FEWEST {
            return Self::default();
        }
        let mean = median(&mut powers);
        powers.iter_mut().for_each(|p| *p = (*p - mean).abs());
        Self {
            mean,
            sd: 1.4826 * median(&mut powers),
        }
    }
}

/// Mean linear power between two places; none where there is no sample.
fn mean(trace: &Trace, [from, to]: [f64; 2]) -> Option<f64> {
    let levels = trace.stretch(trace.index_of(from), trace.index_of(to));
    let lit = levels.iter().filter(|level| !trace.is_dark(**level));
    let sum: f64 = lit.map(|level| power(*level)).sum();
    (!levels.is_empty()).then(|| sum / levels.len() as f64)
}

fn power(one_way_db: f64) -> f64 {
    (one_way_db * (std::f64::consts::LN_10 / 5.0)).exp()
}

fn level(power: f64) -> i32 {
    if power > 0.0 {
        round(5_000.0 * power.log10()).max(NO_LIGHT)
    } else {
        NO_LIGHT
    }
}

fn of_level(level: i32) -> f64 {
    if level <= NO_LIGHT {
        0.0
    } else {
        power(f64::from(level) / 1_000.0)
    }
}

fn round(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates and NaN becomes zero; levels are thousands of steps"
    )]
    let whole = value.round() as i32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::compare::{Comparison, Reference, compare};
    use crate::trace::synth::Plan;
    use crate::trace::{Analysis, ChangeKind, analyse};
    use silkline_protocol::unit::Db;

    fn intact(seed: u64) -> Plan {
        Plan {
            end_reflectance_db: Some(-40.0),
            seed: seed * 1_000_003,
            ..Plan::default()
        }
    }

    /// What a shot shows against a good one, whose end is told so many metres late.
    fn settled(shot: &Plan, late: f64) -> (Comparison, Option<Verdict>) {
        let good = intact(1).trace();
        let mut analysis = analyse(&good);
        if let Some(end) = &mut analysis.end {
            end.at = end.at + OpticalLength::of(late);
        }
        let tail = Tail::of(&good, &analysis.end.unwrap());
        let reference = Reference { analysis };
        let trace = shot.trace();
        let shot: Analysis = analyse(&trace);
        let mut found = compare(&shot, &reference);
        let verdict = found.settle(&tail, (&trace, &shot), &reference);
        (found, verdict)
    }

    #[test]
    fn an_end_that_the_good_shot_told_too_late_or_too_early_has_not_moved() {
        let pulse = intact(1).pulse_m();
        for seed in 2..12 {
            for late in [3.0, 1.5, -3.0, -40.0].map(|pulses| pulses * pulse) {
                let (found, verdict) = settled(&intact(seed), late);
                assert_ne!(verdict, None, "{late}");
                assert_ne!(verdict, Some(Verdict::Changed), "{seed} {late}: {found:?}");
                let moved = |c: &crate::trace::Change| c.kind == ChangeKind::EndMoved;
                assert!(!found.changes.iter().any(moved), "{seed} {late}: {found:?}");
            }
        }
        let (found, verdict) = settled(&intact(3), 3.0 * pulse);
        assert_eq!(
            (found.changes, verdict),
            (vec![], Some(Verdict::AsBefore)),
            "the tail of the peak is the same"
        );
    }

    #[test]
    fn a_break_stays_one_wherever_it_is() {
        let whole = intact(1);
        let near = whole.end_m - 3.0 * whole.pulse_m();
        for (at, seed) in [(13_337.0, 20), (near - 500.0, 21), (near, 22), (near, 23)] {
            for end_reflectance_db in [None, Some(-30.0)] {
                let plan = Plan {
                    end_m: at,
                    end_reflectance_db,
                    ..intact(seed)
                };
                let (found, verdict) = settled(&plan, 0.0);
                let what = format!("{at} {end_reflectance_db:?} {found:?}");
                assert_eq!(verdict, Some(Verdict::Changed), "{what}");
                assert_eq!(found.changes[0].kind, ChangeKind::Break);
            }
        }
    }

    #[test]
    fn a_fibre_that_goes_on_behind_its_end_has_moved_it() {
        let longer = Plan {
            end_m: intact(1).end_m + 900.0,
            ..intact(30)
        };
        let (found, verdict) = settled(&longer, 0.0);
        assert_eq!(verdict, Some(Verdict::Changed));
        assert_eq!(found.changes[0].kind, ChangeKind::EndMoved);
    }

    #[test]
    fn where_the_light_is_lost_in_noise_nothing_is_told() {
        // A bright end shows where glass does not.
        let dark = Plan {
            end_reflectance_db: None,
            ..intact(1)
        };
        let (good, end_m) = (dark.trace(), dark.end_m);
        let known = analyse(&good).end.unwrap();
        let tail = Tail::of(&good, &known);
        let judge = |dynamic_db: f64, end_m: f64| {
            let shot = Plan {
                dynamic_db,
                end_m,
                end_reflectance_db: None,
                ..intact(40)
            };
            let end = EndOfFibre {
                at: OpticalLength::of(14_000.0),
                level: known.level + Db::of(0.2 * (known.at.get() - 14_000.0) / 1_000.0),
                ..known
            };
            tail.judge(&shot.trace(), (known.at, DbPerKm::of(0.2)), &end)
        };
        // The glass before the end is 4 dB below the panel, and 5 dB below the noise then.
        assert_eq!(judge(15.0, end_m), Verdict::AsBefore);
        assert_eq!(judge(15.0, 14_000.0), Verdict::Changed);
        assert_eq!(judge(-1.0, end_m), Verdict::Unclear);
        assert_eq!(judge(-1.0, 14_000.0), Verdict::Unclear);
    }

    #[test]
    fn another_pulse_can_not_be_held_against_it_and_a_file_keeps_it() {
        let good = intact(1).trace();
        let analysis = analyse(&good);
        let tail = Tail::of(&good, &analysis.end.unwrap());
        let other = Plan {
            pulse_ns: 3.0 * intact(1).pulse_ns,
            ..intact(2)
        };
        assert!(!tail.is_like(&other.trace()));
        let text = serde_json::to_string(&tail).unwrap();
        assert!(text.len() < 1_000, "{}", text.len());
        assert_eq!(serde_json::from_str::<Tail>(&text).unwrap(), tail);
    }
}
