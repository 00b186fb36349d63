//! Events along the fibre: splices, bends, gainers, connectors, ghosts, and the end.
//!
//! ```text
//! trace ─▶ grid ─▶ candidates ─▶ segments ─▶ measure ─▶ events
//!          thinned  jumps on      which of    loss, place, reflectance,
//!          levels,  scales of     them, by    and backward elimination
//!          noise    the pulse     cost
//! ```
//!
//! Candidates are cheap and many; the segmentation weighs them all against one another: glass
//! between events must be straight to its own noise, an event costs a fixed price, a sample that
//! an event hides costs what an honest sample would. No threshold belongs to a maker.

mod beyond;
mod candidates;
mod excess;
mod ghost;
mod grid;
mod hidden;
mod measure;
mod place;
mod response;
mod rise;
mod second;
mod segments;
mod split;
mod stairs;
mod tail;
mod uneven;

use serde::{Deserialize, Serialize};
use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};

pub(crate) use ghost::parents;
use grid::Grid;
use segments::Cut;

use super::end::EndOfFibre;
use super::joint::Constant;
use super::reflect::reflectance;
use super::samples::Trace;
use super::windows::Window;

/// Times the glass is cut anew with the noise that the last cutting showed.
const MOST_PASSES: usize = 3;

/// Edges of about the expected length need no second look.
const SAME_EDGE: std::ops::RangeInclusive<f64> = 0.7..=1.4;

/// Loss of glass of which nothing is known, in dB/km.
const USUAL_SLOPE: f64 = 0.2;

/// Kinds of event, as design §5.1 names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// Reflects: a connector or a mechanical splice.
    Reflective,
    /// Loses light without reflecting: a splice or a bend.
    Loss,
    /// Shows more light behind it: glass that scatters more.
    Gain,
    /// The end of the fibre.
    End,
    /// The image of reflections farther ahead.
    Ghost,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Where it begins, from the user offset.
    pub at: OpticalLength,
    /// Half of the place's 95 % interval.
    pub plus_minus: OpticalLength,
    /// What it is.
    pub kind: EventKind,
    /// Its loss, negative for a gain; none where nothing behind it tells.
    pub loss: Option<Db>,
    /// Half of the loss's 95 % interval.
    pub loss_plus_minus: Option<Db>,
    /// Reflectance, where it reflects and the file tells the backscatter coefficient.
    pub reflectance: Option<Db>,
    /// Attenuation of the glass before it.
    pub slope_before: Option<DbPerKm>,
    /// Whether the reflection is beyond the receiver's range, so that it is at least this strong.
    pub saturated: bool,
}

/// What lies before the end of the fibre.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// The events, in order.
    pub(crate) events: Vec<Event>,
    /// What they tell of the receiver.
    pub(crate) constant: Option<Constant>,
    /// Level of the first glass behind the start, where the launch has settled, followed back to the
    /// start; and its standard deviation.
    pub(crate) start: Option<[f64; 2]>,
}

/// Finds all events before the end of the fibre.
pub(crate) fn find(
    trace: &Trace,
    seen: (&[Window], Option<f64>),
    end: Option<&EndOfFibre>,
) -> Before {
    let Some(mut grid) = Grid::of(trace, seen, end) else {
        return Before::default();
    };
    let cuts = glass(&mut grid);
    let mut found = measure::weeded(trace, &grid, &cuts);
    let mut places = measure::places(&grid, &found);
    if let Some(round) = measure::roundness(&grid, &found, &places)
        && let Some(of_round) = Grid::with_pulse(trace, seen, end, round)
    {
        grid = of_round;
        let cuts = glass(&mut grid);
        found = measure::weeded(trace, &grid, &cuts);
        places = measure::places(&grid, &found);
    }
    if let Some(edge) = measure::edge(&grid, &places)
        && !SAME_EDGE.contains(&(edge / grid.edge))
    {
        grid.edge = edge;
        let cuts = glass(&mut grid);
        found = measure::weeded(trace, &grid, &cuts);
        places = measure::places(&grid, &found);
    }
    let (mut events, constant) = measure::events(trace, &grid, &found, &places);
    let apart = trace.pulse().get().max(2.0 * trace.step_m());
    for event in hidden::reflections(trace, &grid, found.cuts()) {
        let near = |other: &Event| (other.at.get() - event.at.get()).abs() < apart;
        if !events.iter().any(near) {
            events.push(event);
        }
    }
    events.sort_by(|a, b| a.at.get().total_cmp(&b.at.get()));
    ghost::mark(trace, &mut events);
    Before {
        start: start(trace, &grid, found.cuts()),
        events,
        constant,
    }
}

/// The level at the start and its deviation, from the glass behind what lies within a pulse of it.
fn start(trace: &Trace, grid: &Grid, cuts: &[Cut]) -> Option<[f64; 2]> {
    let zero = grid.point(trace.index_at(0.0));
    let near = |cut: &Cut| cut.from as f64 <= zero + grid.pulse_points;
    let k = cuts.iter().rposition(near)?;
    let next = cuts.get(k + 1).map_or(grid.levels.len(), |next| next.from);
    let glass = cuts.get(k)?.glass(grid, next)?;
    let km = zero * grid.step_km;
    Some([glass.at(km), grid.doubt * glass.variance_at(km).sqrt()])
}

/// Cuts the grid into straight glass, with the noise that this glass itself shows: events inflate
/// what is known of it before they are found.
fn glass(grid: &mut Grid) -> Vec<Cut> {
    grid.set_noise(excess::before(grid));
    let mut candidates = candidates::candidates(grid);
    let mut cuts = segments::best(grid, &candidates);
    for _ in 0..MOST_PASSES {
        let last = grid.levels.len();
        let ends = cuts.iter().skip(1).map(|cut| cut.from).chain([last]);
        grid.set_slope(cuts.iter().zip(ends).map(|(cut, end)| [cut.to, end]));
        let found = excess::excess(grid, &cuts);
        grid.doubt = found.doubt;
        let same = grid.is_as_noisy(&found.noise);
        if !same {
            grid.set_noise(found.noise);
        }
        let better = candidates.add(split::places(grid, &cuts));
        if same && !better {
            break;
        }
        cuts = segments::best(grid, &candidates);
    }
    cuts
}

/// The end as the last event of the list.
pub(crate) fn end_event(trace: &Trace, end: &EndOfFibre) -> Event {
    Event {
        at: end.at,
        plus_minus: end.plus_minus,
        kind: EventKind::End,
        loss: None,
        loss_plus_minus: None,
        reflectance: end
            .peak
            .and_then(|peak| reflectance(trace, 10_f64.powf(peak.get() / 5.0) - 1.0)),
        slope_before: None,
        saturated: end.saturated,
    }
}

/// The reflections behind the end, images marked as ghosts, put behind the events up to it.
pub(crate) fn add_beyond(
    trace: &Trace,
    noise: Option<f64>,
    end: &EndOfFibre,
    events: &mut Vec<Event>,
) {
    let slopes = events.iter().rev();
    let slope = slopes.filter_map(|event| event.slope_before).next();
    let slope = slope.map_or(USUAL_SLOPE, DbPerKm::get);
    let first = events.len();
    events.extend(beyond::reflections(trace, noise, end, slope));
    ghost::mark_from(trace, events, first);
}

#[cfg(test)]
mod tests;
