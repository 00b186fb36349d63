//! One trace by itself.

use silkline_protocol::unit::{Db, OpticalLength};

use super::end::{self, EndOfFibre, Search};
use super::event::{self, Before, Event, EventKind};
use super::samples::Trace;
use super::splitter;
use super::totals::totals;
use super::windows::{Window, survey, survey_closely};

/// What a trace says without anything to compare with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Where the fibre ends, if that is in the trace.
    pub end: Option<EndOfFibre>,
    /// Everything on the fibre up to the end, the end included, in order; then what reflects behind it.
    pub events: Vec<Event>,
    /// Level of the backscatter extrapolated to the user offset.
    pub start_level: Option<Db>,
    /// Noise of a single sample near the start, one standard deviation.
    pub noise: Option<Db>,
    /// Level at which signal and receiver noise are equal.
    pub noise_floor: Option<Db>,
    /// Loss from the user offset to the end.
    pub total_loss: Option<Db>,
    /// Half of its 95 % interval.
    pub total_loss_plus_minus: Option<Db>,
    /// Optical return loss over the same stretch and the end's reflection.
    pub return_loss: Option<Db>,
    /// Why the trace says nothing about the fibre.
    pub fault: Option<InstrumentFault>,
    /// What a reader of the numbers should know, one line each.
    pub warnings: Vec<String>,
    /// Whether the light fades into the noise before any end: the fibre is whole as far as it is seen.
    pub fades: bool,
    /// Where it fades: how far an end would have been seen, from the user offset.
    pub seen_to: Option<OpticalLength>,
}

/// A shot that says something about the instrument and nothing about the fibre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentFault {
    /// All samples are equal.
    #[error("blank shot: all samples are equal")]
    Blank,
    /// There is noise and no light.
    #[error("no light: the trace holds noise alone")]
    NoLight,
    /// Known splices and connectors are not where they were.
    #[error("another fibre than the reference's: the losses it knows are not there")]
    OtherFibre,
}

/// Finds the end of the fibre and the totals.
#[must_use]
pub fn analyse(trace: &Trace) -> Analysis {
    let mut windows = survey(trace);
    if let Some(fault) = fault(trace, &windows) {
        return Analysis::faulty(fault);
    }
    let mut warnings = Vec::new();
    let mut fades = false;
    let (search, dark) = search(trace, &mut windows);
    if let Some(hidden) = hidden(trace, dark, &search) {
        return hidden;
    }
    let mut found = match search {
        Search::Found(ended) => Some(*ended),
        Search::Fades => {
            fades = true;
            warnings.push("the light fades into the noise before any end of the fibre".into());
            None
        }
        Search::Beyond => {
            warnings.push("the fibre goes on behind the last sample".into());
            None
        }
        Search::NoFibre => {
            warnings.push("no stretch of the trace looks like fibre".into());
            None
        }
    };
    let Before {
        mut events,
        constant,
        start,
    } = event::find(
        trace,
        (&windows, dark),
        found.as_ref().map(|ended| &ended.end),
    );
    if let Some(ended) = &mut found {
        if let Some(constant) = constant.filter(|constant| constant.sigma < TELLS) {
            ended.told(trace, [constant.log, constant.sigma]);
        }
        events.push(event::end_event(trace, &ended.end));
        event::add_beyond(trace, dark, &ended.end, &mut events);
    }
    warnings.extend(images(trace, &events));
    warnings.extend(splitter::told(&events));
    let totals = totals(
        trace,
        &windows,
        start,
        found.as_ref().map(|ended| (&ended.end, &ended.line)),
    );
    let noise = windows
        .iter()
        .find(|window| window.may_be_glass())
        .map(|w| Db::of(w.sigma));
    Analysis {
        events,
        end: found.map(|ended| ended.end),
        start_level: totals.map(|totals| totals.start_level),
        noise,
        noise_floor: dark.map(Db::of),
        total_loss: totals.and_then(|totals| totals.loss),
        total_loss_plus_minus: totals.and_then(|totals| totals.loss_plus_minus),
        return_loss: totals.and_then(|totals| totals.return_loss),
        fault: None,
        warnings,
        fades,
        seen_to: fades.then(|| end::seen_to(trace, &windows)).flatten(),
    }
}

/// Looks for the end, where wide windows show none in narrow ones, which stand for them from there on.
fn search(trace: &Trace, windows: &mut Vec<Window>) -> (Search, Option<f64>) {
    let dark = end::noise_level(trace, windows);
    let wide = end::search(trace, windows, dark);
    if !matches!(wide, Search::Found(..))
        && let Some(close) = survey_closely(trace)
    {
        let dark = end::noise_level(trace, &close);
        if let narrow @ Search::Found(..) = end::search(trace, &close, dark) {
            *windows = close;
            return (narrow, dark);
        }
    }
    (wide, dark)
}

/// A receiver's constant told less surely than this, as a share, says nothing new of the end.
const TELLS: f64 = 0.15;

/// A fibre so short that only its connectors and its end show: no glass is seen, or what seems to
/// end without any reflection is followed by some.
fn hidden(trace: &Trace, noise: Option<f64>, search: &Search) -> Option<Analysis> {
    let seen = match search {
        Search::NoFibre => None,
        Search::Found(ended) if end::is_on_launch(trace, &ended.end) => Some(ended.end.at),
        Search::Found(_) | Search::Fades | Search::Beyond => return None,
    };
    let (connectors, end) = end::short(trace, noise)?;
    if seen.is_some_and(|seen| connectors.first().unwrap_or(&end).at < seen) {
        return None;
    }
    let connector = |seen: &EndOfFibre| Event {
        kind: EventKind::Reflective,
        reflectance: None,
        ..event::end_event(trace, seen)
    };
    let mut events: Vec<Event> = connectors.iter().map(connector).collect();
    events.push(event::end_event(trace, &end));
    event::add_beyond(trace, noise, &end, &mut events);
    let mut warnings = vec![HIDDEN.to_owned()];
    warnings.extend(images(trace, &events));
    Some(Analysis {
        events,
        end: Some(end),
        noise_floor: noise.map(Db::of),
        warnings,
        ..Analysis::default()
    })
}

const HIDDEN: &str = "the launch and the connectors hide all glass: their peaks alone are seen";

/// What each ghost is the image of.
fn images(trace: &Trace, events: &[Event]) -> Vec<String> {
    let told = |event: &Event| {
        let from_panel = event.at.get() + trace.settings().launch.get();
        let [near, one, two] = event::parents(trace, events, event)?.map(|at| at.get());
        Some(format!(
            "the reflection at {from_panel:.0} m from the panel is a ghost: light that turned at \
             {one:.0}, {near:.0} and {two:.0} m"
        ))
    };
    events.iter().filter_map(told).collect()
}

/// Why a trace says nothing about the fibre.
pub(crate) fn fault(trace: &Trace, windows: &[Window]) -> Option<InstrumentFault> {
    if is_blank(trace) {
        return Some(InstrumentFault::Blank);
    }
    (!windows.iter().any(Window::is_lit)).then_some(InstrumentFault::NoLight)
}

impl Analysis {
    fn faulty(fault: InstrumentFault) -> Self {
        Self {
            fault: Some(fault),
            warnings: vec![fault.to_string()],
            ..Self::default()
        }
    }
}

fn is_blank(trace: &Trace) -> bool {
    let first = trace.levels().first();
    let same = |level: &f64| first.is_some_and(|first| (level - first).abs() < 1e-9);
    trace.levels().iter().all(same)
}
