//! Images of reflections: light that went to and fro between two reflectors.
//!
//! A reflector at `a` and one at `b` behind it make images at `2a`, `a + b` and `2b - a` from the
//! panel. An image loses nothing, for nothing is there.

use super::{Event, EventKind};
use crate::trace::samples::Trace;

/// An image loses less than this, in decibels, whatever the noise.
const LEAST_LOSS_DB: f64 = 0.08;

/// Marks reflective events that lose nothing and lie where an image would.
pub(crate) fn mark(trace: &Trace, events: &mut [Event]) {
    let launch = trace.settings().launch.get();
    let near = (0.5 * trace.pulse().get()).max(2.0 * trace.step_m());
    let reflectors: Vec<(f64, f64)> = events
        .iter()
        .filter(|event| event.kind == EventKind::Reflective)
        .filter_map(|event| Some((event.at.get() + launch, event.reflectance?.get())))
        .collect();
    for event in events.iter_mut() {
        let (Some(loss), Some(reflectance)) = (event.loss, event.reflectance) else {
            continue;
        };
        let doubt = event.loss_plus_minus.map_or(0.0, |half| half.get());
        if event.kind != EventKind::Reflective || loss.abs().get() > LEAST_LOSS_DB.max(doubt) {
            continue;
        }
        let at = event.at.get() + launch;
        let stronger = || {
            let ahead = reflectors.iter().filter(|(place, _)| *place < at - near);
            ahead
                .filter(|(_, other)| *other > reflectance.get())
                .map(|(place, _)| *place)
        };
        let is_image = stronger().any(|a| {
            stronger().filter(|b| *b >= a).any(|b| {
                [2.0 * a, a + b, 2.0 * b - a]
                    .iter()
                    .any(|image| *image > b + near && (image - at).abs() < near)
            })
        });
        if is_image {
            event.kind = EventKind::Ghost;
        }
    }
}
