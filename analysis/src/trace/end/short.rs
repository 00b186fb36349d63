//! The end of a fibre so short that its launch hides all of its glass.
//!
//! ```text
//!   ▄█▄
//!  █    ▀▄      ▄▄
//!         ▀▄  ▄▀  ▀▄        launch, one connector, the end
//!           ▀▀      ▀▄   ▄
//!           foot      ▀▄▀ ▀▄
//! ```
//!
//! What such a trace shows is peaks, each on the recovery of the one before. Light that falls far
//! below the foot of a peak without ever lying level comes from no glass: there the fibre ends.

use silkline_protocol::unit::{Db, OpticalLength};

use super::{EndKind, EndOfFibre, FAINT_DB, MIRROR_DROP_DB, PEAK_DB};
use crate::trace::samples::{Trace, cut};

/// A foot that is nearer to the noise is an accident of it, in decibels.
const CLEAR_DB: f64 = FAINT_DB + 2.0;

/// Pulses over which a launch may recover.
const LAUNCH_PULSES: f64 = 12.0;

/// Pulses after which a peak has passed its top.
const TOP_PULSES: f64 = 3.0;

/// Shares of a peak's light between which its rise is a straight line, whatever the receiver.
const RISE: [f64; 2] = [0.1, 0.3];

/// Part of the pulse and samples by which its unknown shape may shift an onset.
const SHAPE_PULSES: f64 = 0.15;
const SHAPE_SAMPLES: f64 = 2.0;

/// A peak on the recovery of the one before it.
#[derive(Clone, Copy, Debug)]
struct Peak {
    foot: usize,
    top: usize,
    /// Lowest level before the next foot.
    lowest: f64,
}

/// Whether an end that does not reflect may be a place in the recovery of the launch.
pub(crate) fn is_on_launch(trace: &Trace, end: &EndOfFibre) -> bool {
    let from_panel = (end.at + trace.settings().launch).get();
    !end.reflective && from_panel < LAUNCH_PULSES * trace.pulse().get()
}

/// Peaks before the end of a fibre whose glass can't be seen, and its end.
pub(crate) fn short(trace: &Trace, noise: Option<f64>) -> Option<(Vec<EndOfFibre>, EndOfFibre)> {
    let noise = noise?;
    let peaks = peaks(trace, noise);
    let ends = |peak: &Peak| {
        let foot = level(trace, peak.foot);
        peak.lowest < foot - MIRROR_DROP_DB || peak.lowest < noise + FAINT_DB
    };
    let last = peaks.iter().position(ends)?;
    let limit = super::clipped_at(trace);
    let told = |peak: &Peak| told(trace, peak, limit);
    let before = cut(&peaks, 0, last).iter().map(told).collect();
    Some((before, told(peaks.get(last)?)))
}

fn level(trace: &Trace, index: usize) -> f64 {
    trace.levels().get(index).copied().unwrap_or(f64::MIN)
}

fn highest(trace: &Trace, from: usize) -> usize {
    let to = from + trace.samples_in(TOP_PULSES * trace.pulse().get()).max(3);
    let stretch = trace.stretch(from, to).iter().enumerate();
    let top = stretch.max_by(|one, other| one.1.total_cmp(other.1));
    from + top.map_or(0, |(at, _)| at)
}

/// Every peak from the launch to the dark.
fn peaks(trace: &Trace, noise: f64) -> Vec<Peak> {
    let panel = trace.index_of(-trace.settings().launch.get());
    let run = trace.samples_in(trace.pulse().get() / 4.0).max(3);
    let mut peaks: Vec<Peak> = Vec::new();
    let mut lowest = highest(trace, panel);
    let mut at = lowest;
    while at + run <= trace.levels().len() {
        let low = level(trace, lowest);
        let ahead = trace.stretch(at, at + run);
        if ahead.iter().all(|level| *level < noise + FAINT_DB) {
            break;
        }
        if low > noise + CLEAR_DB && ahead.iter().all(|level| *level > low + PEAK_DB) {
            let top = highest(trace, at);
            peaks.push(Peak {
                foot: lowest,
                top,
                lowest: level(trace, top),
            });
            (lowest, at) = (top, top);
        } else if level(trace, at) < low {
            lowest = at;
            if let Some(peak) = peaks.last_mut() {
                peak.lowest = level(trace, at);
            }
        }
        at += 1;
    }
    peaks
}

/// What a peak tells: its onset is where the straight part of its rise began.
fn told(trace: &Trace, peak: &Peak, limit: Option<f64>) -> EndOfFibre {
    let power = |level: f64| 10_f64.powf(level / 5.0);
    let [foot, top] = [peak.foot, peak.top].map(|at| level(trace, at));
    let excess = power(top) - power(foot);
    let crossed = |share: f64| {
        let over = |level: &f64| power(*level) - power(foot) > share * excess;
        let rise = trace.stretch(peak.foot, peak.top + 1);
        rise.iter().position(over).unwrap_or(0) as f64
    };
    let [low, high] = RISE.map(crossed);
    let before = RISE[0] / (RISE[1] - RISE[0]) * (high - low);
    let onset = peak.foot as f64 + (low - before).max(0.0);
    let pulse = trace.pulse().get();
    let shape = (SHAPE_PULSES * pulse).max(SHAPE_SAMPLES * trace.step_m());
    let rise = (high - low) * trace.step_m();
    EndOfFibre {
        at: OpticalLength::of(trace.position(onset).get()),
        plus_minus: OpticalLength::of(shape.hypot(rise)),
        kind: EndKind::End,
        reflective: true,
        peak: Some(Db::of(top - foot)),
        saturated: limit.is_some_and(|limit| top >= limit),
        level: Db::of(foot),
        drop: Db::of(foot - peak.lowest),
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::EventKind;
    use crate::trace::analyse;
    use crate::trace::synth::{Dice, Feature, Plan};

    fn connector(at_m: f64, reflectance_db: f64) -> Feature {
        Feature {
            at_m,
            loss_db: 0.0,
            reflectance_db: Some(reflectance_db),
        }
    }

    fn patch(seed: u64) -> Plan {
        let mut dice = Dice::new(seed);
        Plan {
            end_reflectance_db: Some(-dice.between(14.5, 50.0)),
            features: vec![connector(0.0, -dice.between(30.0, 45.0))],
            pulse_ns: 80.0,
            receiver: dice.between(0.3, 1.0),
            step_m: 0.25,
            end_m: dice.between(25.0, 60.0),
            range_m: 2_000.0,
            roughness_db: 0.005,
            seed,
            ..Plan::default()
        }
    }

    #[test]
    fn the_end_of_a_patch_cord_is_seen_on_the_launch() {
        let (mut seen, mut inside) = (0, 0);
        for seed in 1..=100 {
            let plan = patch(seed);
            let Some(end) = analyse(&plan.trace()).end else {
                continue;
            };
            let error = (end.at.get() - plan.end_m).abs();
            seen += u32::from(error < plan.pulse_m());
            inside += u32::from(error < end.plus_minus.get());
        }
        assert!(seen >= 90 && inside * 100 >= seen * 92, "{seen} {inside}");
    }

    #[test]
    fn a_connector_between_two_patch_cords_is_no_end() {
        let (mut ends, mut both) = (0, 0);
        for seed in 1..=50 {
            let mut plan = patch(seed);
            let middle = plan.end_m;
            plan.end_m = middle + 35.0;
            plan.end_reflectance_db = Some(-25.0);
            plan.features.push(connector(middle, -40.0));
            let analysis = analyse(&plan.trace());
            let near = |at: f64, of: f64| (at - of).abs() < plan.pulse_m();
            ends += u32::from(analysis.end.is_some_and(|it| near(it.at.get(), plan.end_m)));
            let reflective = |it: &&crate::trace::Event| it.kind == EventKind::Reflective;
            let mut inner = analysis.events.iter().filter(reflective);
            both += u32::from(inner.any(|it| near(it.at.get(), middle)));
        }
        assert!(ends >= 42 && both >= 40, "{ends} {both}");
    }

    #[test]
    fn light_that_only_recovers_shows_no_end() {
        for seed in 1..=20 {
            let mut plan = patch(seed);
            plan.end_reflectance_db = None;
            plan.end_m = 1.0;
            let end = analyse(&plan.trace()).end;
            let bright = end.filter(|end| end.reflective && end.at.get() > 10.0);
            assert!(bright.is_none(), "{seed}: {end:?}");
        }
    }
}
