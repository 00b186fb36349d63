//! By how much a shot's zero has moved against the reference's: a part of a sample, or two.
//!
//! Edges tell: the rise of a reflection, the end. All of them move together when a trigger drifts;
//! on a fibre without edges the zero does not matter.

use super::bins::Bins;
use crate::trace::line::{median, quantile};
use crate::trace::samples::{Trace, cut, whole};

/// Edges that are looked at.
const MARKS: usize = 128;

/// Fewer edges tell nothing.
const FEWEST_MARKS: usize = 4;

/// A change of less between the neighbours of a sample is no edge, in decibels.
const LEAST_EDGE_DB: f64 = 0.15;

/// Edges stand this much over the noise, in decibels.
const OVER_NOISE_DB: f64 = 1.5;

/// How far a zero is sought, in samples, and how finely.
const REACH: i32 = 16;
const FINE: f64 = 8.0;

/// Pulses and bins before an edge that tell how much lower it is, and the fewest that do.
const BEFORE_PULSES: usize = 3;
const BEFORE_BINS: usize = 16;
const FEWEST_BINS: usize = 6;

/// Light that differs by less from what went in than this may be as before, in decibels.
const LEAST_OFF_DB: f64 = 0.05;

/// Light that fell by this much is gone.
const GONE_DB: f64 = 3.0;

/// A reflection stands so many times as high as the glass before it, in linear power.
const REFLECTS: f64 = 1.5;

/// Behind an end less than this part of the glass's light is left.
const GONE_PART: f64 = 0.5;

/// By how much a reflection may change, in linear power.
const TALLER: [f64; 2] = [0.01, 100.0];

/// An edge counts no more than this, in decibels: one that is gone says nothing of the zero.
const MOST_OFF_DB: f64 = 1.0;

/// Samples on the steepest edges of a trace, up to sample `to`; what lies behind a fifth of the
/// rest is noise, and edges stand well over it.
pub(super) fn marks(mean: &Trace, to: usize) -> Vec<usize> {
    let levels = cut(mean.levels(), 0, to);
    let all = mean.levels().len();
    let mut behind = cut(mean.levels(), to + all.saturating_sub(to) / 5, all).to_vec();
    let noise = if behind.is_empty() {
        f64::MIN
    } else {
        quantile(&mut behind, 0.98) + OVER_NOISE_DB
    };
    let dark = |level: f64| mean.is_dark(level) || level < noise;
    let edge = |three: &[f64]| match three {
        [a, b, c] if !dark(*a) && !dark(*b) && !dark(*c) => (c - a).abs(),
        _ => 0.0,
    };
    let edges: Vec<f64> = levels.windows(3).map(edge).collect();
    if edges.is_empty() {
        return Vec::new();
    }
    let share = 1.0 - (MARKS as f64 / edges.len() as f64).min(1.0);
    let least = quantile(&mut edges.clone(), share).max(LEAST_EDGE_DB);
    let steep = edges.iter().enumerate().filter(|(_, edge)| **edge >= least);
    steep.map(|(i, _)| i + 1).collect()
}

/// How much lower the light is just before each edge than it was, in decibels: that of the `launch`
/// where nothing else stands out, none where the light is gone.
///
/// A loss lowers all edges behind it, and a lower edge that falls looks like an earlier one.
pub(super) fn falls_before(
    marks: &[usize],
    (bins, falls): (&Bins, &[f64]),
    pulse: usize,
    launch: f64,
) -> Vec<Option<f64>> {
    let wide = BEFORE_BINS.max((BEFORE_PULSES * pulse).div_ceil(bins.size));
    let (mut found, mut before, mut here) = (Vec::new(), None, Some(launch));
    for &mark in marks {
        // Edges that stand together have the same glass before them.
        if before.is_none_or(|before| mark > before + BEFORE_PULSES * pulse + bins.size) {
            let to = bins.of(mark).saturating_sub(1);
            here = told(cut(falls, to.saturating_sub(wide), to), launch);
        }
        before = Some(mark);
        found.push(here);
    }
    found
}

/// What the falls of some bins say together, where they say another thing than the launch.
fn told(falls: &[f64], launch: f64) -> Option<f64> {
    if falls.len() < FEWEST_BINS {
        return Some(launch);
    }
    let middle = median(&mut falls.to_vec());
    let mut offs: Vec<f64> = falls.iter().map(|fall| (fall - middle).abs()).collect();
    let known = 1.25 * 1.4826 * median(&mut offs) / (falls.len() as f64).sqrt();
    let off = middle - launch;
    if off > GONE_DB {
        None
    } else if off.abs() > LEAST_OFF_DB.max(4.0 * known) {
        Some(middle)
    } else {
        Some(launch)
    }
}

/// Edges that stand together: the flanks of a reflection, or the drop of an end.
struct Group<'a> {
    marks: &'a [usize],
    falls: &'a [Option<f64>],
    /// What the mean shows at each, in linear power.
    lit: Vec<f64>,
    /// The glass under each, where it is a reflection that stands on it.
    glass: Option<Vec<f64>>,
}

impl<'a> Group<'a> {
    fn of(mean: &Trace, marks: &'a [usize], falls: &'a [Option<f64>], pulse: usize) -> Self {
        let lit = marks.iter().filter_map(|mark| mean.levels().get(*mark));
        let lit: Vec<f64> = lit.map(|level| linear(*level)).collect();
        let first = marks.first().copied().unwrap_or(0).saturating_sub(1);
        let wide = (BEFORE_PULSES * pulse).max(FEWEST_BINS);
        let before = cut(mean.levels(), first.saturating_sub(wide), first);
        let glass = linear(median(&mut before.to_vec()));
        let top = lit.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (top, tallest) = top.map_or((0, 0.0), |(top, lit)| (top, *lit));
        let reflects = before.len() == wide && tallest > REFLECTS * glass;
        // Behind an end there is none.
        let ends = lit.last().is_some_and(|last| *last < GONE_PART * glass);
        let under = |mark: usize| if ends && mark > top { 0.0 } else { glass };
        Self {
            marks,
            falls,
            glass: reflects.then(|| (0..lit.len()).map(under).collect()),
            lit,
        }
    }

    /// What a shot is off the mean where its zero is late by so many samples, squared.
    ///
    /// A reflection that changed is as tall as its edges together have it: both of them moved away
    /// from one another, and that is no zero.
    fn misfit(&self, shot: &[f64], late: f64) -> f64 {
        let pairs = || self.marks.iter().zip(self.falls).zip(&self.lit);
        let seen = |mark: usize, fall: Option<f64>| Some(at(shot, mark as f64 + late)? + fall?);
        let off = |level: f64, wanted: f64| {
            let off = level - 5.0 * wanted.max(f64::MIN_POSITIVE).log10();
            off.abs().min(MOST_OFF_DB).powi(2)
        };
        let Some(glass) = &self.glass else {
            let off = |((mark, fall), lit): ((&usize, &Option<f64>), &f64)| {
                Some(off(seen(*mark, *fall)?, *lit))
            };
            return pairs().filter_map(off).sum();
        };
        let (mut now, mut before) = (0.0, 0.0);
        for (((mark, fall), lit), glass) in pairs().zip(glass) {
            if let Some(level) = seen(*mark, *fall) {
                now += linear(level) - glass;
                before += lit - glass;
            }
        }
        let [low, high] = TALLER;
        let taller = (now / before.max(f64::MIN_POSITIVE)).clamp(low, high);
        let each = pairs()
            .zip(glass)
            .filter_map(|(((mark, fall), lit), glass)| {
                let above = (lit - glass).max(0.0);
                let wanted = glass.min(*lit) + taller * above;
                Some(off(seen(*mark, *fall)?, wanted))
            });
        each.sum()
    }
}

fn linear(level: f64) -> f64 {
    (level * (std::f64::consts::LN_10 / 5.0)).exp()
}

/// How many samples later a shot shows the same edges; zero where that explains little, none where
/// too few edges are left to tell.
///
/// `falls` is how much lower the glass before each of the edges is, in decibels; an edge whose light
/// is gone has none. `pulse` is in samples.
pub(super) fn shift(
    mean: &Trace,
    shot: &[f64],
    (marks, falls): (&[usize], &[Option<f64>]),
    pulse: usize,
) -> Option<f64> {
    if falls.iter().flatten().count() < FEWEST_MARKS {
        return None;
    }
    let mut groups = Vec::new();
    let mut from = 0;
    for together in marks.chunk_by(|a, b| *b <= a + BEFORE_PULSES * pulse) {
        let to = from + together.len();
        let falls = falls.get(from..to).unwrap_or_default();
        groups.push(Group::of(mean, together, falls, pulse));
        from = to;
    }
    let misfit = |steps: i32| {
        let late = f64::from(steps) / FINE;
        groups
            .iter()
            .map(|group| group.misfit(shot, late))
            .sum::<f64>()
    };
    let all: Vec<(i32, f64)> = (-REACH..=REACH).map(|s| (s, misfit(s))).collect();
    let &(best, least) = all.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let here = misfit(0);
    let at = |steps: i32| all.iter().find(|(s, _)| *s == steps).map(|(_, m)| *m);
    // The lowest point of the parabola through three neighbours.
    let bend = at(best - 1).zip(at(best + 1)).map_or(0.0, |(a, b)| {
        let curve = (a + b - 2.0 * least).max(f64::MIN_POSITIVE);
        (0.5 * (a - b) / curve).clamp(-0.5, 0.5)
    });
    // What fits ever better towards the end of what was tried is no moved edge.
    if best.abs() == REACH {
        return None;
    }
    Some(if least > 0.8 * here {
        0.0
    } else {
        (f64::from(best) + bend) / FINE
    })
}

/// A shot's power as it would be with its zero moved back by so many samples: in power a narrow
/// reflection keeps what it adds.
pub(super) fn moved(power: &[f64], by: f64) -> Vec<f64> {
    let here = |(i, own): (usize, &f64)| at(power, i as f64 + by).unwrap_or(*own);
    power.iter().enumerate().map(here).collect()
}

/// A level between two samples.
fn at(levels: &[f64], index: f64) -> Option<f64> {
    if index < 0.0 {
        return None;
    }
    let low = whole(index);
    let (a, b) = (levels.get(low)?, levels.get(low + 1)?);
    Some(a + (b - a) * (index - low as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Feature, Plan};

    /// Of the pulse.
    fn samples(mean: &Trace) -> usize {
        mean.samples_in(mean.pulse().get())
    }

    fn plan(phase_m: f64, seed: u64) -> Plan {
        let connector = Feature {
            at_m: 6_002.0,
            loss_db: 0.3,
            reflectance_db: Some(-45.0),
        };
        Plan {
            features: vec![connector],
            end_m: 12_000.0,
            range_m: 14_000.0,
            end_reflectance_db: Some(-40.0),
            phase_m,
            seed,
            ..Plan::default()
        }
    }

    #[test]
    fn a_trigger_that_drifts_is_measured_by_the_edges() {
        let mean = plan(0.0, 1).trace();
        let marks = marks(&mean, 2_450);
        assert!(marks.len() >= 4, "{}", marks.len());
        // A first sample farther along the glass shows all edges earlier.
        for (phase, wanted) in [(1.25, -0.25), (2.5, -0.5), (3.75, -0.75), (0.0, 0.0)] {
            let shot = plan(phase, 2).trace();
            let found = shift(
                &mean,
                shot.levels(),
                (&marks, &vec![Some(0.0); marks.len()]),
                samples(&mean),
            )
            .unwrap();
            assert!((found - wanted).abs() < 0.12, "{phase}: {found}");
        }
    }

    #[test]
    fn a_loss_before_an_edge_does_not_move_it() {
        let mean = plan(0.0, 1).trace();
        let marks = marks(&mean, 2_450);
        let bent = Plan {
            features: [plan(0.0, 2).features, vec![bend(4_000.0)]].concat(),
            ..plan(0.0, 2)
        };
        let shot = bent.trace();
        let bins = Bins::over(&mean, 40, 2_390);
        let sums = |trace: &Trace| bins.sums(&super::super::bins::powers(trace));
        let falls = bins.fall(&sums(&mean), &sums(&shot));
        let pulse = mean.samples_in(mean.pulse().get());
        let found = falls_before(&marks, (&bins, &falls), pulse, 0.0);
        let behind = found
            .iter()
            .flatten()
            .filter(|fall| (**fall - 1.0).abs() < 0.1);
        assert!(behind.count() >= 4, "{found:?}");
        let moved = shift(&mean, shot.levels(), (&marks, &found), samples(&mean));
        assert!(moved.is_some_and(|moved| moved.abs() < 0.1), "{moved:?}");
    }

    #[test]
    fn a_reflection_that_changed_moves_no_zero() {
        let mean = plan(0.0, 1).trace();
        let marks = marks(&mean, 2_450);
        let known = vec![Some(0.0); marks.len()];
        for (reflectance, phase) in [(-38.0, 0.0), (-55.0, 0.0), (-38.0, 1.25)] {
            let mut other = plan(phase, 2);
            other.features[0].reflectance_db = Some(reflectance);
            let shot = other.trace();
            let found = shift(&mean, shot.levels(), (&marks, &known), samples(&mean)).unwrap();
            assert!((found + phase / 5.0).abs() < 0.12, "{reflectance}: {found}");
        }
    }

    #[test]
    fn edges_whose_light_is_gone_tell_nothing() {
        let mean = plan(0.0, 1).trace();
        let marks = marks(&mean, 2_450);
        let bins = Bins::over(&mean, 40, 2_390);
        let dark = vec![12.0; bins.count];
        let found = falls_before(&marks, (&bins, &dark), 10, 0.0);
        // But those of the launch, before the first glass.
        let left = marks.iter().zip(&found).filter(|(_, fall)| fall.is_some());
        assert!(left.clone().all(|(mark, _)| *mark < 60), "{found:?}");
        let gone = vec![None; marks.len()];
        let shot = plan(0.0, 2).trace();
        assert_eq!(
            shift(&mean, shot.levels(), (&marks, &gone), samples(&mean)),
            None
        );
    }

    fn bend(at_m: f64) -> Feature {
        Feature {
            at_m,
            loss_db: 1.0,
            reflectance_db: None,
        }
    }

    #[test]
    fn moving_back_brings_a_level_home() {
        let levels: Vec<f64> = (0..50).map(|i| 0.1 * f64::from(i)).collect();
        let back = moved(&levels, 0.5);
        assert!((back[10] - 1.05).abs() < 1e-9);
    }
}
