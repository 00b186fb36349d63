//! By how much a shot's zero has moved against the reference's: a part of a sample, or two.
//!
//! Edges tell: the rise of a reflection, the end. All of them move together when a trigger drifts;
//! on a fibre without edges the zero does not matter.

use crate::trace::line::quantile;
use crate::trace::samples::{Trace, cut, whole};

/// Edges that are looked at.
const MARKS: usize = 128;

/// A change of less between the neighbours of a sample is no edge, in decibels.
const LEAST_EDGE_DB: f64 = 0.15;

/// Edges stand this much over the noise, in decibels.
const OVER_NOISE_DB: f64 = 1.5;

/// How far a zero is sought, in samples, and how finely.
const REACH: i32 = 16;
const FINE: f64 = 8.0;

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

/// How many samples later a shot shows the same edges; zero where that explains little.
///
/// `fall` is how much lower its level is, in decibels.
pub(super) fn shift(mean: &Trace, shot: &[f64], marks: &[usize], fall: f64) -> f64 {
    if marks.len() < 4 {
        return 0.0;
    }
    let misfit = |steps: i32| {
        let moved = f64::from(steps) / FINE;
        let off = |mark: &usize| {
            let wanted = mean.levels().get(*mark)? - fall;
            let off = at(shot, *mark as f64 + moved)? - wanted;
            Some(off.abs().min(MOST_OFF_DB).powi(2))
        };
        marks.iter().filter_map(off).sum::<f64>()
    };
    let all: Vec<(i32, f64)> = (-REACH..=REACH).map(|s| (s, misfit(s))).collect();
    let Some(&(best, least)) = all.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return 0.0;
    };
    let here = misfit(0);
    let at = |steps: i32| all.iter().find(|(s, _)| *s == steps).map(|(_, m)| *m);
    // The lowest point of the parabola through three neighbours.
    let bend = at(best - 1).zip(at(best + 1)).map_or(0.0, |(a, b)| {
        let curve = (a + b - 2.0 * least).max(f64::MIN_POSITIVE);
        (0.5 * (a - b) / curve).clamp(-0.5, 0.5)
    });
    if least > 0.8 * here {
        return 0.0;
    }
    (f64::from(best) + bend) / FINE
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
            let found = shift(&mean, shot.levels(), &marks, 0.0);
            assert!((found - wanted).abs() < 0.12, "{phase}: {found}");
        }
    }

    #[test]
    fn moving_back_brings_a_level_home() {
        let levels: Vec<f64> = (0..50).map(|i| 0.1 * f64::from(i)).collect();
        let back = moved(&levels, 0.5);
        assert!((back[10] - 1.05).abs() < 1e-9);
    }
}
