//! Reflections that rise out of the tail of another event.
//!
//! Connectors a few pulses apart leave no glass between them to measure, so that one event hides
//! both. Yet the second can be seen: the light had fallen most of the way to the glass and rises
//! again. It is told with its place and height; what each of them loses can't be told.

use silkline_protocol::unit::OpticalLength;

use super::grid::{Fit, Grid};
use super::segments::Cut;
use super::{Event, EventKind};
use crate::trace::reflect::reflectance;
use crate::trace::samples::{Trace, whole};

/// Light falls and rises by so many decibels between two tops at the least, and so many deviations
/// of a sample.
const LEAST_FALL_DB: f64 = 1.0;
const LEAST_RISE_DB: f64 = 1.5;
const SIGMAS: f64 = 8.0;

/// It had fallen to so many decibels over the glass behind.
const NEAR_GLASS_DB: f64 = 3.0;

/// From where an event begins to where another may rise, in pulses; behind the panel, where
/// instruments show bumps of their own, and metres of those.
const APART: f64 = 1.2;
const LAUNCH_APART: f64 = 3.0;
const LAUNCH_APART_M: f64 = 3.0;

/// A top stays above half of its height for so many pulses, and samples.
const LASTS: f64 = 0.4;
const FEWEST: usize = 3;

/// Part of the pulse by which light from before may hide where the rise begins.
const FOOT: f64 = 0.1;

/// The reflections hidden by the cuts, the first of which is the launch, in order.
pub(super) fn reflections(trace: &Trace, grid: &Grid, cuts: &[Cut]) -> Vec<Event> {
    let ends = cuts.iter().skip(1).map(|cut| cut.from);
    let ends = ends.chain([grid.levels.len()]);
    let stretches = cuts.iter().zip(ends).enumerate();
    let found = stretches.filter_map(|(k, (cut, end))| {
        let glass = cut.glass(grid, end)?;
        let pulse = trace.pulse().get();
        let apart = match k {
            0 => (LAUNCH_APART * pulse).max(LAUNCH_APART_M),
            _ => APART * pulse,
        };
        let stretch = Stretch::of(trace, grid, (*cut, glass));
        Some(stretch.rises(trace.samples_in(apart)))
    });
    let event = |rise: &Rise| {
        let (spacing, pulse) = (trace.step_m(), trace.pulse().get());
        let half = (rise.until - rise.from) as f64 / 2.0;
        Event {
            at: trace.position(rise.from as f64 + half),
            plus_minus: OpticalLength::of((half + 0.5) * spacing + FOOT * pulse),
            kind: EventKind::Reflective,
            loss: None,
            loss_plus_minus: None,
            reflectance: reflectance(trace, 10_f64.powf(rise.over / 5.0) - 1.0),
            slope_before: None,
            saturated: rise.clipped,
        }
    };
    found.flatten().map(|rise| event(&rise)).collect()
}

/// What one event hides, sample by sample.
struct Stretch<'a> {
    levels: &'a [f64],
    /// The first sample.
    from: usize,
    /// The glass behind, at each sample.
    glass: Vec<f64>,
    sigma: f64,
    pulse: usize,
    limit: f64,
}

/// One rise out of a tail, by samples of the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rise {
    /// The last sample before it and the first surely on it.
    from: usize,
    until: usize,
    /// How far its top is over the glass.
    over: f64,
    clipped: bool,
}

impl<'a> Stretch<'a> {
    fn of(trace: &'a Trace, grid: &Grid, (cut, glass): (Cut, Fit)) -> Self {
        let [from, to] = [cut.from, cut.to].map(|point| grid.first + point * grid.group);
        let levels = trace.stretch(from, to);
        let point = |i: usize| (from + i - grid.first) as f64 / grid.group as f64;
        let level = |i: usize| glass.at(point(i) * grid.step_km);
        let sigma = grid.sigma.get(cut.to).copied().unwrap_or(0.0);
        Self {
            levels,
            from,
            glass: (0..levels.len()).map(level).collect(),
            sigma: sigma * (grid.group as f64).sqrt(),
            pulse: trace.samples_in(trace.pulse().get()),
            limit: grid.limit.unwrap_or(f64::MAX),
        }
    }

    /// The rises at least so many samples behind the start.
    fn rises(&self, apart: usize) -> Vec<Rise> {
        let noise = SIGMAS * self.sigma;
        let (fall, rise) = (LEAST_FALL_DB.max(noise), LEAST_RISE_DB.max(noise));
        let mut found = Vec::new();
        let mut top = self.levels.first().copied().unwrap_or(0.0);
        let mut low: Option<(usize, f64)> = None;
        for (i, &level) in self.levels.iter().enumerate() {
            match low {
                None if level < top - fall => low = Some((i, level)),
                None => top = level.max(top),
                Some((_, lowest)) if level < lowest => low = Some((i, level)),
                Some((at, lowest)) if level > lowest + rise => {
                    found.extend(self.rise([at, i], lowest).filter(|_| at >= apart));
                    (top, low) = (level, None);
                }
                Some(_) => {}
            }
        }
        found
    }

    /// The rise between two samples, if it is one that a reflection makes.
    fn rise(&self, [at, until]: [usize; 2], lowest: f64) -> Option<Rise> {
        let glass = *self.glass.get(at)?;
        let ahead = self.levels.get(until..)?;
        let near = ahead.iter().take(2 * self.pulse.max(FEWEST));
        let top = near.copied().fold(f64::MIN, f64::max);
        let half = f64::midpoint(lowest.max(glass), top);
        let lasts = ahead.iter().take_while(|level| **level > half).count();
        let least = whole(LASTS * self.pulse as f64).max(FEWEST);
        let over = top - glass;
        // The last sample that had hardly risen: the lowest may lie well before.
        let calm = |level: &f64| *level < lowest + (3.0 * self.sigma).max(0.2);
        let last = self.levels.get(at..until)?.iter().rposition(calm)?;
        let is_one = lowest - glass < NEAR_GLASS_DB && over > LEAST_RISE_DB && lasts >= least;
        is_one.then_some(Rise {
            from: self.from + at + last,
            until: self.from + until,
            over,
            clipped: top >= self.limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::event::EventKind;
    use crate::trace::synth::{Feature, Plan};
    use crate::trace::{Trace, analyse};
    use silkline_protocol::unit::Db;

    /// Connectors at 60 m and so many metres behind, pulse 20 ns, peaks cut off by the receiver.
    fn patch_cords(gap: f64, seed: u64, second: Option<f64>) -> Trace {
        let connector = |at_m: f64, reflectance_db: Option<f64>| Feature {
            at_m,
            loss_db: 0.25,
            reflectance_db,
        };
        let plan = Plan {
            end_m: 140.0,
            end_reflectance_db: Some(-30.0),
            features: vec![connector(60.0, Some(-42.0)), connector(60.0 + gap, second)],
            pulse_ns: 20.0,
            step_m: 0.25,
            range_m: 900.0,
            roughness_db: 0.004,
            dynamic_db: 14.0,
            receiver: 0.4,
            seed,
            ..Plan::default()
        };
        let trace = plan.trace();
        let cut = trace.levels().iter().map(|level| level.min(-17.0));
        Trace::new(*trace.settings(), cut.collect(), Some(Db::of(-51.0))).unwrap()
    }

    fn reflections(trace: &Trace) -> Vec<f64> {
        let events = analyse(trace).events.into_iter();
        let reflects = events.filter(|event| event.kind == EventKind::Reflective);
        reflects.map(|event| event.at.get()).collect()
    }

    #[test]
    fn connectors_a_few_pulses_apart_are_two() {
        for seed in 1..16 {
            let gap = 8.0 + 0.4 * seed as f64;
            let found = reflections(&patch_cords(gap, seed, Some(-44.0)));
            for wanted in [60.0, 60.0 + gap] {
                let off = found.iter().map(|at| (at - wanted).abs());
                let nearest = off.fold(f64::MAX, f64::min);
                assert!(nearest < 1.0, "gap {gap}: {found:?}");
            }
            assert_eq!(found.len(), 2, "gap {gap}: {found:?}");
        }
    }

    #[test]
    fn a_splice_in_a_tail_does_not_reflect() {
        for seed in 1..16 {
            let found = reflections(&patch_cords(4.0 + 0.5 * seed as f64, seed, None));
            assert_eq!(found.len(), 1, "seed {seed}: {found:?}");
        }
    }
}
