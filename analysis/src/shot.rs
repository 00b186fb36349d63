//! One shot of a view: from positions in its trace to a place on the route.

use silkline_protocol::id::ViewId;
use silkline_protocol::plant::{Plant, View};
use silkline_protocol::unit::OpticalLength;

use crate::fuse::{self, Unfit};
use crate::place::{Dossier, Evidence, Finding, Place, Sighting, glass_to_mm};
use crate::trace::Trace;

/// From half a 95 % interval to a standard deviation.
const TO_SD: f64 = 1.0 / 1.96;

/// A user offset shorter than this is none: the file counts from the instrument's panel.
const NO_OFFSET: OpticalLength = OpticalLength::of(0.01);

/// Where the view's node is in a trace's own positions: zero where the file has a user offset,
/// behind the launch fibre where it has none.
#[must_use]
pub fn zero(view: &View, trace: &Trace) -> OpticalLength {
    if trace.settings().launch.abs() > NO_OFFSET {
        OpticalLength::of(0.0)
    } else {
        view.launch
    }
}

/// What the trace saw of `view` at a position, half of whose 95 % interval is given too;
/// `systematic` is the standard deviation of what all shots of the instrument share.
#[must_use]
pub fn sighting(
    view: &View,
    trace: &Trace,
    (at, plus_minus): (OpticalLength, OpticalLength),
    systematic: OpticalLength,
) -> Sighting {
    Sighting {
        view: view.id.clone(),
        optical_m: glass_to_mm(at - zero(view, trace)),
        random_m: glass_to_mm(plus_minus * TO_SD),
        systematic_m: systematic,
        group_index: Some(trace.settings().group_index),
        after: None,
    }
}

/// Where on the route the glass is that lies at a position of a trace of `view`, by this shot
/// alone; nothing where the plant has no such view.
///
/// # Errors
///
/// Why the sighting does not fit the plant.
pub fn place(
    plant: &Plant,
    view: &ViewId,
    trace: &Trace,
    seen: (OpticalLength, OpticalLength),
) -> Result<Option<Place>, Vec<Unfit>> {
    let Some((line, view)) = plant.view(view) else {
        return Ok(None);
    };
    let evidence = Evidence {
        id: "trace".to_owned(),
        at: None,
        source: String::new(),
        finding: Finding::Otdr(sighting(view, trace, seen, OpticalLength::of(0.0))),
    };
    let dossier = Dossier {
        line: line.id.clone(),
        evidence: vec![evidence],
    };
    fuse::locate(plant, &dossier).map(Some)
}
