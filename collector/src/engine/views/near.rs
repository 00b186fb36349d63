//! Breaks so soon behind a view's own panel that the panel's connector hides them.
//!
//! Such a shot ends at the connector, or shows no end at all and seems to fade, or an image of the
//! launch fibre ends it kilometres on. It is a break all the same, somewhere in the stretch where
//! glass is not seen: that is told, with an interval as wide as the stretch.

use silkline_analysis::shot::zero;
use silkline_analysis::trace::near::gone_behind;
use silkline_analysis::trace::{Analysis, Trace};
use silkline_protocol::plant::View;

use super::{Says, sighting};

/// What a shot says, where the glass ends soon behind the panel; what was `said` where not, or where
/// the end was well seen.
pub(super) fn told((view, trace): (&View, &Trace), analysis: &Analysis, said: Says) -> Says {
    let end = analysis.end.as_ref();
    let faint = match &said {
        Says::Broken(_) => false,
        Says::Faint(_) => true,
        Says::Nothing | Says::Fades if analysis.fault.is_none() && end.is_none() => false,
        Says::Nothing | Says::Fades | Says::Whole => return said,
    };
    let panel = zero(view, trace);
    let Some(gone) = gone_behind(trace, panel, view.launch) else {
        return said;
    };
    if end.is_some_and(|end| gone.agrees(panel, end.at)) {
        return said;
    }
    let (at, plus_minus) = gone.middle();
    let seen = sighting(view, trace, at, plus_minus);
    if faint {
        Says::Faint(seen)
    } else {
        Says::Broken(seen)
    }
}
