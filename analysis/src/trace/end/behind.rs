//! Whether light behind a drop is that of glass or dies away.
//!
//! A receiver that recovers from a drop shows light too, but on a curve that flattens. Glass
//! falls evenly, with steps and peaks in it: so its windows are judged one by one, and events
//! between them do not count.

use crate::trace::line::{Line, median};
use crate::trace::samples::{Trace, cut};
use crate::trace::windows::{GLASS_DB_PER_KM, Look, Window};

/// Fewer windows say little by themselves.
const FEWEST: usize = 3;

/// A receiver settles over so many windows before glass shows.
const SETTLING: usize = 3;

/// So many windows show steps between them.
const ENOUGH: usize = 8;

/// Noisier windows may be the receiver's noise, which is level too, where they are few.
const CLEAR_SIGMA_DB: f64 = 0.25;

/// Samples that scatter less about their window's line are light that needs no company.
const QUIET_RMS_DB: f64 = 0.12;

/// Nor is light that stands less over it.
const CLEAR_DB: f64 = 3.5;

/// Windows behind a drop that tell whether faint light lasts, and where their median is against the
/// noise then: without light it is three decibels and more below.
const LASTING: usize = 12;
const LIT_DB: f64 = -1.0;

/// Glass falls no faster over a long stretch, in dB/km.
const STEEPEST: f64 = 0.9;

/// A curve that falls this much faster in its first half than in its second flattens: dB/km.
const FLATTENS: f64 = 0.5;

/// A tail is seen in so many windows, so far below the glass before it, falls so much a pulse, and its slope
/// differs from that glass's by such a share and so many deviations; fading makes those of a long line
/// larger than its scatter tells.
const TAIL_WINDOWS: usize = 4;
const TAIL_DROP_DB: f64 = 6.0;
const TAIL_DB_PER_PULSE: f64 = 0.2;
const UNLIKE: f64 = 0.12;
const TAIL_SIGMAS: f64 = 4.0;
const SHARED: f64 = 3.0;

/// Whether the light of the windows up to the first dark one goes on as in glass; `noise` is the
/// level that the receiver's noise alone shows.
pub(super) fn goes_on(trace: &Trace, windows: &[Window], noise: Option<f64>) -> bool {
    let lit: Vec<&Window> = windows
        .iter()
        .take_while(|window| window.is_lit())
        .collect();
    if lit.len() < FEWEST {
        let is_glass = |w: &&Window| w.look == Look::Fibre && is_quiet(w);
        return lit.first().is_some_and(is_glass);
    }
    // Up to where this light ends in turn, and from where it has settled to the first event on it.
    let clear = |w: &&&Window| noise.is_none_or(|noise| w.level > noise + CLEAR_DB);
    let last = lit.iter().rposition(|w| w.may_be_glass()).unwrap_or(0);
    let settling = lit.iter().take(SETTLING);
    let start = settling.take_while(|w| !w.may_be_glass()).count();
    let ahead = lit.iter().skip(start).take_while(|w| w.may_be_glass());
    let first = cut(&lit, start, start + ahead.take_while(clear).count());
    let tells = |run: &[&Window]| {
        let quiet = run.iter().all(|w| is_quiet(w));
        run.len() >= if quiet { FEWEST } else { ENOUGH }
    };
    let glass = |run: &[&Window]| tells(run) && falls_evenly(trace, run);
    glass(&lit)
        || glass(cut(&lit, 0, last + 1))
        || glass(first)
        || looks_like_glass(trace, &lit, noise)
}

/// Whether light far below the glass before it falls so fast for the pulse, and so unlike that glass, that
/// a receiver must be recovering: a pulse of many microseconds takes as long to recover from as glass
/// does to lose its light.
pub(super) fn is_tail(
    trace: &Trace,
    windows: &[Window],
    before: &Line,
    noise: Option<f64>,
) -> bool {
    let Some(noise) = noise else {
        return false;
    };
    let settling = windows.iter().take(SETTLING);
    let start = settling.take_while(|w| !w.may_be_glass()).count();
    let clear = |w: &&Window| w.may_be_glass() && w.level > noise + CLEAR_DB;
    let run: Vec<&Window> = windows.iter().skip(start).take_while(clear).collect();
    let Some(first) = run.first().filter(|_| run.len() >= TAIL_WINDOWS) else {
        return false;
    };
    let samples = (first.to - first.from) as f64;
    let levels: Vec<f64> = run.iter().map(|w| w.level).collect();
    let Some(line) = Line::fit(&levels, 0) else {
        return false;
    };
    let (slope, own) = (
        line.slope / samples,
        line.rms / line.spread.sqrt() / samples,
    );
    let pulse = trace.pulse().get() / trace.step_m();
    let far = before.at(first.middle()) - first.level > TAIL_DROP_DB;
    let fast = -slope * pulse > TAIL_DB_PER_PULSE;
    let doubt = TAIL_SIGMAS * own.hypot(SHARED * before.rms / before.spread.sqrt());
    let odd = (slope - before.slope).abs() > doubt.max(UNLIKE * before.slope.abs());
    far && fast && odd
}

/// Whether a window, by itself or with its neighbours, is clear of the receiver's noise.
fn is_quiet(window: &Window) -> bool {
    window.sigma < CLEAR_SIGMA_DB || window.line.rms < QUIET_RMS_DB
}

/// Whether most windows behind a drop hold more than noise and lie a `small` fall below the glass
/// before it: a dead end leaves them dark, and no receiver takes so many to recover from so little.
pub(super) fn lasts(windows: &[Window], noise: f64, small: impl Fn(&Window) -> bool) -> bool {
    let first = cut(windows, 1, 1 + LASTING);
    let lit = |window: &&Window| window.level > noise + LIT_DB && small(window);
    first.len() == LASTING && 4 * first.iter().filter(lit).count() >= 3 * LASTING
}

/// Whether levels from the first window to the last lie on one line that glass can have.
fn falls_evenly(trace: &Trace, lit: &[&Window]) -> bool {
    let per_km = 1_000.0 / trace.step_m();
    let slope = |run: &[&Window]| {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return 0.0;
        };
        let length = (last.middle() - first.middle()).max(1.0);
        (first.level - last.level) / length * per_km
    };
    let half = lit.len().div_ceil(2);
    let near = slope(cut(lit, 0, half + 1));
    let far = slope(cut(lit, half - 1, lit.len()));
    let doubt = doubt_of_slopes(lit, per_km);
    near - far < FLATTENS + doubt && glass_slope(slope(lit), doubt)
}

/// How far a slope over half the run can be off, in dB/km: from the scatter of window levels.
fn doubt_of_slopes(run: &[&Window], per_km: f64) -> f64 {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return 0.0;
    };
    let mean = |f: &dyn Fn(&Window) -> f64| run.iter().map(|w| f(w)).sum::<f64>();
    let sigma = mean(&|w| w.sigma / ((w.to - w.from).max(1) as f64).sqrt()) / run.len() as f64;
    let length = ((last.middle() - first.middle()) / 2.0).max(1.0);
    3.0 * sigma * std::f64::consts::SQRT_2 / length * per_km
}

/// Whether the light falls from window to window as in glass, where the largest steps are left
/// out: a recovering receiver falls everywhere, glass with splices and peaks in few places.
fn looks_like_glass(trace: &Trace, lit: &[&Window], noise: Option<f64>) -> bool {
    let levels = noise.into_iter().chain(noisy_end(lit));
    let floor = levels.fold(f64::MIN, f64::max) + CLEAR_DB;
    let is_clear = |w: &&&Window| w.sigma < CLEAR_SIGMA_DB && w.level > floor;
    let lit = cut(lit, 0, lit.iter().take_while(is_clear).count());
    let steep = lit.iter().filter(|w| w.look == Look::Steep).count();
    if lit.len() < ENOUGH || 3 * steep > lit.len() {
        return false;
    }
    let pairs = || lit.iter().zip(lit.iter().skip(1));
    let steps: Vec<Step> = pairs().map(Step::between).collect();
    if falls_at_first(trace, cut(&steps, 0, steps.len().div_ceil(3))) {
        return false;
    }
    // Tails of reflections are many steep steps: the glass between them tells, if there is enough.
    let quiet = pairs().filter(|(a, b)| a.may_be_glass() && b.may_be_glass());
    let quiet: Vec<Step> = quiet.map(Step::between).collect();
    let mut steps = if 3 * quiet.len() > steps.len() && quiet.len() >= ENOUGH {
        quiet
    } else {
        steps
    };
    steps.sort_by(|a, b| a.fall.abs().total_cmp(&b.fall.abs()));
    let kept = steps.len() - (steps.len() / 6 + 3).min(steps.len() / 2);
    let sum = |f: fn(&Step) -> f64| cut(&steps, 0, kept).iter().map(f).sum::<f64>();
    let km = sum(|step| step.samples) * trace.step_m() / 1_000.0;
    let doubt = 3.0 * sum(|step| step.variance).sqrt();
    glass_slope(sum(|step| step.fall) / km.max(1e-9), doubt / km.max(1e-9))
}

/// Whether most steps of the first stretch are steeper than glass: recovery.
fn falls_at_first(trace: &Trace, steps: &[Step]) -> bool {
    let km = |step: &Step| step.samples * trace.step_m() / 1_000.0;
    let middle = |f: &dyn Fn(&Step) -> f64| median(&mut steps.iter().map(f).collect::<Vec<_>>());
    let doubt = middle(&|step| step.variance.sqrt() / km(step)) / (steps.len() as f64).sqrt();
    middle(&|step| step.fall / km(step)) > STEEPEST + 3.0 * 1.25 * doubt
}

/// From one window to the next.
struct Step {
    fall: f64,
    samples: f64,
    variance: f64,
}

impl Step {
    fn between((a, b): (&&Window, &&Window)) -> Self {
        // The median of n samples scatters by 1.25/√n, and neighbours are correlated.
        let one = |w: &Window| 6.0 * w.sigma * w.sigma / ((w.to - w.from).max(1) as f64);
        Self {
            fall: a.level - b.level,
            samples: b.middle() - a.middle(),
            variance: one(a) + one(b),
        }
    }
}

/// The level a trace runs out at, where that is noisy.
fn noisy_end(lit: &[&Window]) -> Option<f64> {
    let last = cut(lit, lit.len() - lit.len() / 8, lit.len());
    let sigma = median(&mut last.iter().map(|w| w.sigma).collect::<Vec<_>>());
    let highest = last.iter().map(|w| w.level).fold(f64::MIN, f64::max);
    (sigma > CLEAR_SIGMA_DB).then_some(highest)
}

fn glass_slope(slope: f64, doubt: f64) -> bool {
    (*GLASS_DB_PER_KM.start() - doubt..=STEEPEST + doubt).contains(&slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Plan;
    use crate::trace::windows::survey;

    #[test]
    fn light_behind_a_loss_goes_on_and_noise_does_not() {
        let trace = Plan::default().trace();
        let windows = survey(&trace);
        let end = trace.index_of(20_000.0);
        let split = windows.iter().position(|w| w.to > end).unwrap();
        assert!(goes_on(&trace, &windows[20..split], None));
        assert!(!goes_on(&trace, &windows[split + 1..], None));
    }

    #[test]
    fn what_falls_unlike_the_glass_before_it_recovers() {
        // A pulse of 2 km behind which the receiver recovers by 0.18 dB/km; the leg of a splitter.
        let plan = Plan {
            pulse_ns: 20_000.0,
            step_m: 100.0,
            end_m: 60_000.0,
            range_m: 160_000.0,
            slope_db_per_km: 0.26,
            dynamic_db: 40.0,
            ..Plan::default()
        };
        let trace = plan.trace();
        let windows = survey(&trace);
        let glass: Vec<Window> = windows.iter().take(12).copied().collect();
        let mut line = Line::fit(trace.stretch(60, 480), 60).unwrap();
        line.level += 8.0;
        let noise = Some(glass.last().unwrap().level - 20.0);
        assert!(
            !is_tail(&trace, &glass[2..], &line, noise),
            "the same glass"
        );
        line.slope *= 1.4;
        assert!(is_tail(&trace, &glass[2..], &line, noise));
        line.level -= 6.0;
        assert!(!is_tail(&trace, &glass[2..], &line, noise), "hardly lower");
    }
}
