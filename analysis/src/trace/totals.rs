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

/// The totals, where anything looks like fibre.
pub(crate) fn totals(
    trace: &Trace,
    windows: &[Window],
    end: Option<(&EndOfFibre, &Line)>,
) -> Option<Totals> {
    let zero = trace.index_of(0.0);
    let k = windows
        .iter()
        .position(|w| w.may_be_glass() && w.from >= zero)?;
    let first = windows.get(k)?;
    let line = onward(trace, windows, k)?;
    let start = (0.0 - trace.settings().first.get()) / trace.step_m();
    let start_level = line.at(start);
    let start_sigma = line.sigma_at(start, first.sigma.max(line.rms));
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
    use crate::trace::analyse;
    use crate::trace::synth::{Feature, Plan};

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
