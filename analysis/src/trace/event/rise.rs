//! Reflections that stand over the glass before them, and how much light each leaves to die away.
//!
//! Glass falls by as much along a long pulse as a faint reflection rises, so the usual slope is taken
//! off first. What rises at the very start rises out of the dark, not out of glass: its light is what
//! is over the glass behind it.

use super::grid::Grid;
use crate::trace::samples::{cut, whole};

/// The top of a reflection is above this share of its height, and ends within so many edges.
/// Light that lingers may keep it from falling so far.
const TOP_SHARES: [f64; 3] = [0.25, 0.6, 0.9];
const MOST_TOP: f64 = 12.0;

/// What rises no higher may be a gain, and what falls farther behind another event: its top, if
/// it has one, is that of a receiver within its range.
const LOW_DB: f64 = 2.5;
const LOW_TOP: f64 = 2.5;

/// A point this many deviations over the glass before it may start a peak.
const PEAK_Z: f64 = 6.0;

/// And this much over it, in decibels.
pub(crate) const PEAK_DB: f64 = 0.12;

/// Light has died away to the glass behind after so many pulses and kilometres.
const GONE: f64 = 8.0;
const GONE_KM: f64 = 0.06;

/// A reflection that stands over the glass before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rise {
    /// The last point before it.
    pub(crate) at: usize,
    /// How high it stands, in decibels: over the glass before, at the start of the trace over that
    /// behind.
    pub(crate) height: f64,
    /// The level it rose from, the usual slope taken off.
    low: f64,
    /// Whether it is beyond the receiver's range.
    pub(crate) clipped: bool,
    /// The first point that is no longer on its top.
    pub(crate) until: usize,
}

/// Where reflections rise out of what lies before them: the last point before each rise.
///
/// A level that has risen must fall again, or stay, before another rise counts.
pub(super) fn rises(grid: &Grid) -> Vec<Rise> {
    let level = |(i, level): (usize, &f64)| level - grid.slope * grid.km(i);
    let levels: Vec<f64> = grid.levels.iter().enumerate().map(level).collect();
    let mut found: Vec<Rise> = Vec::new();
    let (mut low, mut at, mut high) = (f64::MAX, 0, f64::MIN);
    let (mut up, mut up_at, mut down_at) = (false, 0, 0);
    let flat = 2 * grid.pulse.max(2);
    let deviations = grid.sigma.iter().zip(&grid.wide);
    for (i, (level, (sigma, wide))) in levels.iter().zip(deviations).enumerate() {
        let least = (PEAK_Z * (2.0 * sigma * wide).sqrt()).max(PEAK_DB);
        if up {
            high = high.max(*level);
            if let Some(rise) = found.last_mut() {
                rise.height = high - low;
                rise.clipped |= is_clipped(grid, i);
            }
            // Behind a gain, and behind the launch, the level stays up.
            let near = cut(&levels, (i + 1).saturating_sub(flat), i + 1);
            let lowest = near.iter().copied().fold(f64::MAX, f64::min);
            let highest = near.iter().copied().fold(f64::MIN, f64::max);
            let stays = i >= up_at + flat && highest - lowest < least;
            if *level < high - least || stays {
                (up, low, at, down_at) = (false, *level, i, i);
            }
            continue;
        }
        // What counts is the rise over the last pulses, of what lies behind the rise before.
        if *level <= low || i > at + 2 * grid.pulse.max(2) {
            let from = i.saturating_sub(grid.pulse.max(2)).max(down_at);
            let near = cut(&levels, from, i + 1);
            let lowest = near
                .iter()
                .copied()
                .enumerate()
                .min_by(|a, b| a.1.total_cmp(&b.1));
            let (back, value) = lowest.unwrap_or((0, *level));
            (low, at) = (value, i + 1 + back - near.len());
        }
        if *level > low + least {
            // The lowest point lies anywhere before the rise; the last low one is where it begins.
            let calm = |level: &f64| *level < low + 0.5 * least;
            let last = cut(&levels, at, i).iter().rposition(calm).unwrap_or(0);
            found.push(Rise {
                at: at + last,
                height: level - low,
                low,
                clipped: is_clipped(grid, i),
                until: at + last,
            });
            (up, up_at, high) = (true, i, *level);
        }
    }
    for rise in &mut found {
        rise.until = rise.end(grid, &levels);
    }
    if let Some(first) = found.first_mut().filter(|rise| rise.at <= grid.pulse) {
        first.height = first.height.min(first.over_behind(grid, &levels));
    }
    found
}

fn is_clipped(grid: &Grid, point: usize) -> bool {
    let level = grid.levels.get(point);
    grid.limit
        .zip(level)
        .is_some_and(|(limit, level)| *level >= limit)
}

impl Rise {
    /// Where its top ends; where it rose if it never does, for then more light stays.
    fn end(&self, grid: &Grid, levels: &[f64]) -> usize {
        let most = if self.height < LOW_DB {
            LOW_TOP
        } else {
            MOST_TOP
        };
        let reach = whole(most * grid.edge.max(grid.pulse_points)).max(4);
        let top = cut(levels, self.at + 1, self.at + 1 + reach);
        let shares = if self.height < LOW_DB {
            cut(&TOP_SHARES, 0, 1)
        } else {
            &TOP_SHARES
        };
        let fallen = shares.iter().find_map(|share| {
            let limit = self.low + share * self.height;
            let risen = top.iter().position(|level| *level > limit)?;
            let rest = cut(top, risen, top.len()).iter();
            let after = rest.take_while(|level| **level >= limit).count();
            (risen + after < top.len()).then_some(risen + after)
        });
        fallen.map_or(self.at, |after| self.at + 1 + after)
    }

    /// How high its top stands over the lowest level behind it, once light may have died away.
    fn over_behind(&self, grid: &Grid, levels: &[f64]) -> f64 {
        let gone = whole(GONE * grid.pulse_points + GONE_KM / grid.step_km);
        let behind = cut(levels, self.at + 1, self.at + 1 + gone.max(4));
        let (mut high, mut over) = (f64::MIN, 0.0_f64);
        for level in behind {
            high = high.max(*level);
            over = over.max(high - level);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Feature, Plan};

    fn rises(plan: &Plan) -> (Grid, Vec<Rise>) {
        let trace = plan.trace();
        let grid = Grid::open(&trace).unwrap();
        let found = super::rises(&grid);
        (grid, found)
    }

    fn connector(reflectance_db: f64) -> Plan {
        Plan {
            features: vec![Feature {
                at_m: 8_000.0,
                loss_db: 0.05,
                reflectance_db: Some(reflectance_db),
            }],
            roughness_db: 0.002,
            ..Plan::default()
        }
    }

    #[test]
    fn one_connector_rises_once_and_just_before_its_first_light() {
        for seed in 1..20 {
            let plan = Plan {
                seed,
                ..connector(-25.0)
            };
            let (grid, found) = rises(&plan);
            let behind: Vec<&Rise> = found.iter().filter(|rise| rise.at > 20).collect();
            assert_eq!(behind.len(), 1, "seed {seed}: {behind:?}");
            let at = grid.sample(behind[0].at as f64) * plan.step_m;
            assert!((7_985.0..8_011.0).contains(&at), "seed {seed}: {at}");
        }
    }

    #[test]
    fn a_faint_reflection_under_a_long_pulse_is_not_hidden_by_the_slope() {
        let plan = Plan {
            pulse_ns: 10_000.0,
            step_m: 50.0,
            slope_db_per_km: 0.35,
            end_m: 40_000.0,
            range_m: 60_000.0,
            ..connector(-47.0)
        };
        let (grid, found) = rises(&plan);
        let near = |rise: &Rise| (grid.km(rise.at) - 8.0).abs() < 0.3;
        assert!(found.iter().any(near), "{found:?}");
    }

    #[test]
    fn light_that_comes_on_leaves_no_more_to_die_away_than_stands_over_the_glass() {
        let mut plan = connector(-45.0);
        plan.phase_m = 0.0;
        let (grid, found) = rises(&plan);
        let first = found.first().filter(|rise| rise.at <= grid.pulse);
        assert!(first.is_none_or(|rise| rise.height < 1.5), "{found:?}");
    }
}
