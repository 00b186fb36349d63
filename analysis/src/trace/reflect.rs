//! Reflectance against light: how much a reflection sends back of what the glass before it scatters.

use silkline_protocol::unit::Db;

use super::samples::Trace;

/// Nothing in glass reflects more than a cleaved end in air (Fresnel's 3.6 %): a peak that is cut off may be
/// as strong as this. Decibels.
pub(crate) const STRONGEST_DB: f64 = -14.0;

/// What glass sends back of a nanosecond where the file does not say, in decibels: single-mode fibre has
/// -79 at 1310 nm to -82 at 1625 nm.
const USUAL_BACKSCATTER_DB: f64 = -80.0;

/// Light of a reflection over that of the glass before it.
///
/// # Source
///
/// As for [`reflectance`], solved for the light.
pub(crate) fn light(trace: &Trace, reflectance_db: f64) -> f64 {
    let settings = trace.settings();
    let backscatter = settings.backscatter.map_or(USUAL_BACKSCATTER_DB, Db::get);
    10_f64.powf((reflectance_db - backscatter) / 10.0) / settings.pulse_ns
}

/// Reflectance of what sends back `ratio` times the light of the glass before it; none where the file
/// does not tell what glass sends back.
///
/// # Source
///
/// IEC 61746-1, from the backscatter coefficient at 1 ns and the pulse width.
pub(crate) fn reflectance(trace: &Trace, ratio: f64) -> Option<Db> {
    let settings = trace.settings();
    let ratio = ratio.max(1e-6) * settings.pulse_ns;
    Some(Db::of(settings.backscatter?.get() + 10.0 * ratio.log10()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Plan;

    #[test]
    fn light_and_reflectance_are_each_others_inverse() {
        let trace = Plan::default().trace();
        for wanted in [-65.0, -40.0, STRONGEST_DB] {
            let found = reflectance(&trace, light(&trace, wanted)).unwrap();
            assert!((found.get() - wanted).abs() < 1e-9, "{wanted}: {found:?}");
        }
    }
}
