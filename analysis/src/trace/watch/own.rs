//! The reference's own places, as sure as the zeros of its shots.
//!
//! The mean of some shots has the mean of their zeros, which no analysis of it can tell. Where an
//! event lies is told by the reference alone whenever something happens there.

use silkline_protocol::unit::OpticalLength;

use super::find::ZERO;
use crate::trace::analyse::Analysis;

/// From a standard deviation to half a 95 % interval.
const HALF_95: f64 = 1.96;

/// Widens what an analysis of the mean of some shots tells of places.
pub(super) fn widen(analysis: &mut Analysis, spacing: OpticalLength, shots: usize) {
    // `ZERO` is what two shots differ by.
    let one = ZERO / std::f64::consts::SQRT_2;
    let open = (spacing * (HALF_95 * one / (shots.max(1) as f64).sqrt())).get();
    let wider = |half: OpticalLength| OpticalLength::of(half.get().hypot(open));
    for event in &mut analysis.events {
        event.plus_minus = wider(event.plus_minus);
    }
    if let Some(end) = &mut analysis.end {
        end.plus_minus = wider(end.plus_minus);
    }
}
