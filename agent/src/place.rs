//! The hut that is cut off finds the fault by itself: from a shot of its own and an excerpt of the plant
//! file to a place on the route, by the same analysis as the collector's. Pure; [`Desk`] is the loop.
//!
//! ```text
//!   trace of an alarm ─┐
//!   last good trace ───┼─▶ find ─▶ Found ─▶ event, screen, and by modem where no broker answers
//!   plant file ────────┘
//! ```

mod desk;
mod modem;

pub(crate) use desk::QUEUE;
pub use desk::{Desk, TITLE, Taken};
pub use modem::{Outbox, send};

use core::fmt::Write as _;

use silkline_analysis::place::{Beside, Place};
use silkline_analysis::shot;
use silkline_analysis::trace::{ChangeKind, Trace, Watch, analyse};
use silkline_protocol::edge::EdgePlace;
use silkline_protocol::id::ViewId;
use silkline_protocol::message::TraceFile;
use silkline_protocol::plant::Plant;
use silkline_protocol::unit::OpticalLength;

/// What a shot says of a fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The fibre is broken there.
    Break(Box<EdgePlace>),
    /// The shot sees as far as the good one did: the fibre is whole so far, look at the equipment.
    Whole,
}

/// Where `shot` of `view` shows a break, held against `good`, the last shot that was taken when all was
/// well, where there is one; without it the end of the fibre is taken for the break.
///
/// # Errors
///
/// Why the trace says nothing, in words.
pub fn find(
    plant: &Plant,
    (view, shot): (&ViewId, &TraceFile),
    good: Option<&[u8]>,
) -> Result<Found, String> {
    let trace = trace_in(&shot.sor)?;
    let watch = good.and_then(|good| trace_in(good).ok());
    let watch = watch.and_then(|good| Watch::learn(core::slice::from_ref(&good)).ok());
    let seen = match &watch {
        Some(watch) => match break_since(watch, &trace)? {
            Some(seen) => seen,
            None => return Ok(Found::Whole),
        },
        None => end_of(&trace)?,
    };
    let place = shot::place(plant, view, &trace, seen).map_err(|unfit| {
        let all: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        all.join("; ")
    })?;
    let place = place.ok_or_else(|| format!("the plant file has no view {view}"))?;
    Ok(Found::Break(Box::new(told(&place, (view, shot), seen))))
}

/// Whether `shot` may stand for a good one from now on: it shows a fibre, and no break since the one
/// before.
#[must_use]
pub fn is_good(shot: &[u8], before: Option<&[u8]>) -> bool {
    let Ok(trace) = trace_in(shot) else {
        return false;
    };
    let before = before.and_then(|before| trace_in(before).ok());
    let watch = before.and_then(|before| Watch::learn(core::slice::from_ref(&before)).ok());
    match watch {
        Some(watch) => matches!(break_since(&watch, &trace), Ok(None)),
        None => end_of(&trace).is_ok(),
    }
}

type Seen = (OpticalLength, OpticalLength);

fn trace_in(bytes: &[u8]) -> Result<Trace, String> {
    let sor = silkline_sor::read(bytes).map_err(|error| error.to_string())?;
    Trace::from_sor(&sor).map_err(|error| error.to_string())
}

fn break_since(watch: &Watch, trace: &Trace) -> Result<Option<Seen>, String> {
    let found = watch.look(core::slice::from_ref(trace)).comparison;
    if let Some(fault) = found.fault {
        return Err(fault.to_string());
    }
    let broken = |kind| kind == ChangeKind::Break;
    let change = found.changes.iter().find(|change| broken(change.kind));
    Ok(change.map(|change| (change.at, change.plus_minus)))
}

fn end_of(trace: &Trace) -> Result<Seen, String> {
    let analysis = analyse(trace);
    if let Some(fault) = analysis.fault {
        return Err(fault.to_string());
    }
    let end = analysis.end.ok_or("the trace shows no end of the fibre")?;
    Ok((end.at, end.plus_minus))
}

fn told(place: &Place, (view, shot): (&ViewId, &TraceFile), (at, plus_minus): Seen) -> EdgePlace {
    EdgePlace {
        line: place.line.clone(),
        view: view.clone(),
        trigger: shot.trigger,
        taken: shot.at,
        optical_m: at,
        plus_minus_m: plus_minus,
        chainage_m: place.chainage_m,
        interval95_m: place.interval95_m,
        lat: place.lat,
        lon: place.lon,
        words: words(place),
        plant: place.plant.clone(),
    }
}

/// The place for a person who has to go there, short enough for a text message.
#[must_use]
pub fn words(place: &Place) -> String {
    let mut text = place.line.to_string();
    // Writing into a String does not fail.
    if let Some(at) = place.chainage_m {
        let _ = write!(text, " km {:.3}", at.get() / 1000.0);
    }
    if let Some([lo, hi]) = place.interval95_m {
        let _ = write!(text, " +-{:.0} m", (hi - lo).get() / 2.0);
    }
    if let Some(post) = &place.post {
        let _ = write!(text, ", post {post}");
    }
    let sides = [&place.before, &place.after];
    let nearest = sides.into_iter().flatten().min_by(|a, b| {
        let far = |beside: &Beside| beside.offset_m.abs().get();
        far(a).total_cmp(&far(b))
    });
    if let Some(Beside { landmark, offset_m }) = nearest {
        let side = if offset_m.get() < 0.0 {
            "before"
        } else {
            "after"
        };
        let _ = write!(text, ", {:.0} m {side} {landmark}", offset_m.abs().get());
    }
    if let (Some(lat), Some(lon)) = (place.lat, place.lon) {
        let _ = write!(text, ", {lat:.5} {lon:.5}");
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
