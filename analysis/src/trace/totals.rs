//! Loss and return loss from the start of the fibre to its end.

use silkline_protocol::unit::{Db, OpticalLength};

use super::end::EndOfFibre;
use super::line::Line;
use super::power::{POWER_A_DB, by_series};
use super::samples::{Trace, cut};
use super::windows::Window;

/// Windows that tell the level at the start, at the most.
const MOST_WINDOWS: usize = 12;

/// So many powers are summed at a time, by a series where they differ by less than this.
const TOGETHER: usize = 16;
const SERIES: f64 = 0.3;

/// Loss of the whole fibre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Totals {
    /// Level of the backscatter extrapolated to the start.
    pub(crate) start_level: Db,
    /// From there to just before the end.
    pub(crate) loss: Option<Db>,
    /// Half of the loss's 95 % interval.
    pub(crate) loss_plus_minus: Option<Db>,
    /// Optical return loss.
    pub(crate) return_loss: Option<Db>,
}

/// The totals, where anything looks like fibre; `start` is the level there and its deviation, where
/// the search for events knows it.
pub(crate) fn totals(
    trace: &Trace,
    windows: &[Window],
    start: Option<[f64; 2]>,
    end: Option<(&EndOfFibre, &Line)>,
) -> Option<Totals> {
    let [start_level, start_sigma] = start.or_else(|| by_windows(trace, windows))?;
    let loss = end.map(|(end, _)| Db::of(start_level - end.level.get()));
    let loss_plus_minus = end.map(|(_, line)| {
        let here = line.sigma_at(line.centre + line.count / 2.0, line.rms);
        Db::of(1.96 * start_sigma.hypot(here))
    });
    let return_loss = end.and_then(|(end, _)| return_loss(trace, start_level, end.at));
    Some(Totals {
        start_level: Db::of(start_level),
        loss,
        loss_plus_minus,
        return_loss,
    })
}

/// The level at the start and its deviation, by the first windows that look like glass.
fn by_windows(trace: &Trace, windows: &[Window]) -> Option<[f64; 2]> {
    let zero = trace.index_of(0.0);
    let k = windows
        .iter()
        .position(|w| w.may_be_glass() && w.from >= zero)?;
    let first = windows.get(k)?;
    let line = onward(trace, windows, k)?;
    let start = trace.index_at(0.0);
    Some([
        line.at(start),
        line.sigma_at(start, first.sigma.max(line.rms)),
    ])
}

/// The line of the glass from window `k` on, over as many windows as continue it.
fn onward(trace: &Trace, windows: &[Window], k: usize) -> Option<Line> {
    let first = windows.get(k)?;
    let mut line = first.line;
    for next in cut(windows, k + 1, k + 1 + MOST_WINDOWS) {
        let sigma = first.sigma.max(next.sigma);
        let doubt = line
            .sigma_at(next.line.centre, sigma)
            .hypot(sigma / next.line.count.sqrt());
        let off = (next.line.level - line.at(next.line.centre)).abs();
        if !next.may_be_glass() || off > 4.0 * doubt + 0.02 {
            break;
        }
        let Some(longer) = Line::robust(trace.stretch(first.from, next.to), first.from) else {
            break;
        };
        line = longer;
    }
    Some(line)
}

/// All light that comes back from behind the start, relative to the light sent in.
///
/// Each stretch of glass returns the backscatter of a pulse spread over the pulse's length, so the
/// sum over samples counts `spacing / pulse length` of each.
///
/// # Source
///
/// IEC 61300-3-6, method 2 (OTDR): integration of the trace.
fn return_loss(trace: &Trace, start_level: f64, end: OpticalLength) -> Option<Db> {
    let settings = trace.settings();
    let coefficient = settings.backscatter?.get() + 10.0 * settings.pulse_ns.log10();
    let dead = trace.index_of(trace.pulse().get());
    let last = trace.index_of(end.get() + 2.0 * trace.pulse().get());
    let share = trace.step_m() / trace.pulse().get();
    let sum: f64 = trace
        .stretch(dead, last)
        .chunks(TOGETHER)
        .map(|levels| power(levels, start_level) * share)
        .sum();
    (sum > 0.0).then(|| Db::of(-coefficient - 10.0 * (sum + 1.0).log10()))
}

/// The powers of some neighbours summed, over that of a level.
fn power(levels: &[f64], start_level: f64) -> f64 {
    let first = levels.first().copied().unwrap_or(start_level);
    let unit = ((first - start_level) * POWER_A_DB).exp();
    let (sum, widest) = by_series(levels);
    if widest < SERIES {
        return sum * unit;
    }
    let each = levels
        .iter()
        .map(|level| ((level - first) * POWER_A_DB).exp());
    each.sum::<f64>() * unit
}

#[cfg(test)]
mod tests {
    use crate::trace::synth::{Feature, Plan};
    use crate::trace::{Trace, analyse};

    #[test]
    fn the_loss_is_attenuation_and_splices() {
        let splice = Feature {
            at_m: 9_000.0,
            loss_db: 0.7,
            reflectance_db: None,
        };
        let plan = Plan {
            features: vec![splice],
            ..Plan::default()
        };
        let analysis = analyse(&plan.trace());
        let loss = analysis.total_loss.unwrap().get();
        assert!((loss - 4.7).abs() < 0.05, "{loss}");
    }

    #[test]
    fn a_receiver_that_comes_back_from_the_launch_is_no_loss() {
        for (pulse_ns, end_m, reach) in [(30.0, 400.0, 4.0), (100.0, 900.0, 12.0)] {
            let plan = Plan {
                end_m,
                pulse_ns,
                step_m: 0.25,
                range_m: 4.0 * end_m,
                dynamic_db: 24.0,
                end_reflectance_db: Some(-40.0),
                ..Plan::default()
            };
            let glass = plan.trace();
            let top = glass.levels().iter().copied().fold(f64::MIN, f64::max) + 4.0;
            let lingers = 1e4 * 10_f64.powf(top / 5.0);
            let lit = |(i, level): (usize, &f64)| {
                let at = glass.position(i as f64).get();
                let power = 10_f64.powf(level / 5.0) + lingers * (-at / reach).exp();
                (5.0 * power.log10()).min(top)
            };
            let levels = glass.levels().iter().enumerate().map(lit).collect();
            let trace = Trace::new(*glass.settings(), levels, None).unwrap();
            let loss = analyse(&trace).total_loss.unwrap().get();
            let wanted = 0.2 * end_m / 1_000.0;
            assert!((loss - wanted).abs() < 0.1, "{pulse_ns} ns: {loss}");
        }
    }

    #[test]
    fn a_long_dark_ended_fibre_returns_its_backscatter_alone() {
        // The sum of backscatter over infinite glass: B per ns of pulse, 0.2 dB/km both ways.
        let plan = Plan {
            end_m: 25_000.0,
            ..Plan::default()
        };
        let found = analyse(&plan.trace()).return_loss.unwrap().get();
        let alpha = 2.0 * 0.2 / 4.343 / 1_000.0;
        let length = (1.0 - (-alpha * 25_000.0_f64).exp()) / alpha;
        let per_metre = 10_f64.powf(-8.2) * 2.0 * 1.468_2 / 0.299_792_458;
        let wanted = -10.0 * (per_metre * length).log10();
        assert!((found - wanted).abs() < 0.15, "{found} against {wanted}");
    }
}
