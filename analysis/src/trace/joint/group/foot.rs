//! Where bright reflections rise.

use super::super::Start;
use super::super::noise::POWER_A_DB;
use crate::trace::samples::Trace;

/// A reflection of at least this height rises between two samples that can be told; what stands
/// this many deviations over the glass has risen, and surely does at this share of its top.
const BRIGHT: f64 = 3.0;
const RISEN: f64 = 6.0;
const SURELY: f64 = 0.3;

/// The last sample before a bright reflection rises.
pub(super) fn foot(trace: &Trace, start: &Start, sigma: f64) -> Option<f64> {
    if start.height < BRIGHT {
        return None;
    }
    let [from, to] = start.hidden;
    let early = from.saturating_sub(trace.samples_in(trace.pulse().get()));
    let level = |i: usize| {
        let metres = i as f64 * trace.step_m() - start.at;
        start.before.level + start.before.slope * metres
    };
    let over = |i: usize, seen: &f64| ((seen - level(i)) * POWER_A_DB).exp_m1();
    let stretch = trace.stretch(early, to);
    let overs: Vec<f64> = stretch
        .iter()
        .enumerate()
        .map(|(k, seen)| over(early + k, seen))
        .collect();
    let top = overs.iter().copied().fold(0.0, f64::max);
    let sure = overs
        .iter()
        .position(|over| *over > SURELY * top.min(BRIGHT))?;
    let last = overs
        .iter()
        .take(sure)
        .rposition(|over| *over < RISEN * sigma)?;
    Some((early + last) as f64)
}
