//! The sign of each kind of event: told apart by shape, so that black and white shows them too.

use silkline_analysis::trace::EventKind;

use super::canvas::{Canvas, Point};

/// Draws the sign of `kind` with its middle at `at`.
pub(super) fn draw(canvas: &mut Canvas, kind: EventKind, at: Point) {
    const FULL: &str = "fill=\"#111\" stroke=\"#fff\" stroke-width=\"0.8\"";
    const EMPTY: &str = "fill=\"#fff\" stroke=\"#111\" stroke-width=\"1.3\"";
    match kind {
        EventKind::Reflective => {
            canvas.polygon(at, &[[0.0, -6.0], [5.5, 4.0], [-5.5, 4.0]], FULL);
        }
        EventKind::Loss => canvas.polygon(at, &[[0.0, 6.0], [5.5, -4.0], [-5.5, -4.0]], EMPTY),
        EventKind::Gain => canvas.polygon(at, &[[0.0, -6.0], [5.5, 4.0], [-5.5, 4.0]], EMPTY),
        EventKind::End => {
            canvas.polygon(
                at,
                &[[-4.5, -4.5], [4.5, -4.5], [4.5, 4.5], [-4.5, 4.5]],
                FULL,
            );
        }
        EventKind::Ghost => {
            canvas.circle(
                at,
                4.5,
                "fill=\"#fff\" stroke=\"#111\" stroke-dasharray=\"2 1.5\"",
            );
        }
    }
}

/// The sign of a change.
pub(super) fn change(canvas: &mut Canvas, at: Point) {
    canvas.polygon(
        at,
        &[[0.0, -7.0], [7.0, 0.0], [0.0, 7.0], [-7.0, 0.0]],
        "fill=\"#c00000\" stroke=\"#fff\" stroke-width=\"1\"",
    );
}

/// What people call a kind of event.
pub(super) const fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Reflective => "reflective",
        EventKind::Loss => "loss",
        EventKind::Gain => "gain",
        EventKind::End => "end",
        EventKind::Ghost => "ghost",
    }
}

/// The signs that the legend explains.
pub(super) const ALL: [EventKind; 5] = [
    EventKind::Reflective,
    EventKind::Loss,
    EventKind::Gain,
    EventKind::End,
    EventKind::Ghost,
];
