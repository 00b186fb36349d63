//! A second look at the end that windows show, by the light itself: whether the light of more glass stops
//! behind it, and where exactly it does.

use super::foot;
use super::stop::{self, Stop};
use super::{
    BRIGHT_DB, EndOfFibre, Ended, MIRROR_DROP_DB, Search, Sky, as_glass, first_peak, last_clear,
    place,
};
use crate::trace::line::{Line, quantile};
use crate::trace::samples::Trace;
use crate::trace::windows::Window;

/// So many pulses behind an end the light of more glass may have settled, and so many are looked through
/// where nothing is seen.
const BEHIND_PULSES: f64 = 1.0;
const MOST_PULSES: usize = 30;

/// Around an end light stops within so many pulses before it and behind.
const NEAR_PULSES: [f64; 2] = [-10.0, 6.0];

/// The last such part of a trace is dark where anything is.
const LAST_PART: usize = 10;

/// Glass scatters no more than this much more than glass before it, in one-way decibels.
const LARGEST_GAIN_DB: f64 = 1.0;

/// An end less sure than this part of the pulse is placed anew, by the light right before it, and that
/// place is taken where it is surer by such a factor.
const VAGUE_PULSES: f64 = 0.2;
const SURER: f64 = 0.6;

/// What a search comes to after the second look.
pub(super) fn look(trace: &Trace, windows: &[Window], sky: Sky, first: Search) -> Search {
    let Some(noise) = sky.noise else {
        return first;
    };
    // In noise that the instrument smoothed few windows are dark, and those are its valleys.
    let count = trace.levels().len();
    let mut last = trace.stretch(count - count / LAST_PART, count).to_vec();
    let noise = noise.max(quantile(&mut last, 0.84));
    let look = Look { trace, sky, noise };
    let Some(from) = look.start(windows, &first) else {
        return first;
    };
    let lit = windows.iter().rfind(|window| window.level > noise);
    let farthest = MOST_PULSES * trace.samples_in(trace.pulse().get());
    let to = lit.map_or(0, |window| window.to).max(from + farthest) + farthest / 2;
    if let Some(ended) = look.ended([from, to], &first) {
        return Search::Found(Box::new(ended));
    }
    match first {
        Search::Found(ended) => Search::Found(look.refined(ended)),
        first => first,
    }
}

struct Look<'a> {
    trace: &'a Trace,
    sky: Sky,
    noise: f64,
}

impl Look<'_> {
    /// The sample `pulses` behind an end.
    fn around(&self, end: &EndOfFibre, pulses: f64) -> usize {
        self.trace
            .index_of((end.at + self.trace.pulse() * pulses).get())
    }

    /// Where glass may begin whose light stops behind what was found.
    fn start(&self, windows: &[Window], first: &Search) -> Option<usize> {
        let far = MOST_PULSES * self.trace.samples_in(self.trace.pulse().get());
        match first {
            Search::Found(ended) => Some(self.around(&ended.end, BEHIND_PULSES)),
            Search::Fades => Some(last_clear(windows, self.noise)?.from.saturating_sub(far)),
            Search::Beyond | Search::NoFibre => None,
        }
    }

    /// A peak's cut-off top is level too.
    fn brightest(&self, glass: f64) -> f64 {
        let limit = self.sky.limit.map(|limit| limit - LARGEST_GAIN_DB);
        limit.map_or(glass, |limit| glass.min(limit))
    }

    /// The end where light stops last between two samples.
    fn ended(&self, range: [usize; 2], first: &Search) -> Option<Ended> {
        let glass = match first {
            Search::Found(ended) => ended.end.level.get() + LARGEST_GAIN_DB,
            Search::Fades | Search::Beyond | Search::NoFibre => f64::MAX,
        };
        let stop = stop::last(self.trace, range, [self.noise, self.brightest(glass)])?;
        if let Search::Found(ended) = first
            && self.is_image(&ended.end, &stop)
        {
            return None;
        }
        self.placed(&stop)
    }

    /// Whether a stop may be that of the fibre's mirror image in a bright end.
    fn is_image(&self, end: &EndOfFibre, stop: &Stop) -> bool {
        let bright = end.peak.is_some_and(|peak| peak.get() > BRIGHT_DB);
        let panel = self.trace.settings().launch.get();
        let image_ends = 2.0 * (end.at.get() + panel) - panel + 4.0 * self.trace.pulse().get();
        let [_, at] = stop.glass;
        bright
            && end.level.get() - stop.level > MIRROR_DROP_DB
            && self.trace.position(at as f64).get() < image_ends
    }

    /// The end at a stop.
    fn placed(&self, stop: &Stop) -> Option<Ended> {
        let [start, glass_to] = foot::of_peak(self.trace, stop.glass, self.noise);
        let glass = self.trace.stretch(start, glass_to);
        let line = as_glass(self.trace, Line::robust(glass, start)?);
        let range = place::Range {
            start,
            glass_to,
            stop: stop.behind,
            drop: stop.drop,
            noise_level: Some(self.noise),
            limit: self.sky.limit,
        };
        let placed = place::locate(self.trace, &line, range, None).unwrap_or_else(|| {
            let between = ([glass_to, stop.behind], Some(self.noise));
            let peak = first_peak(self.trace, &line, between);
            place::rough(self.trace, &line, range, peak)
        });
        Some(Ended::of(placed, line, range))
    }

    /// A vague end where the light right before it stops, if that is surer.
    fn refined(&self, ended: Box<Ended>) -> Box<Ended> {
        let half = ended.end.plus_minus;
        if half < self.trace.pulse() * VAGUE_PULSES {
            return ended;
        }
        let range = NEAR_PULSES.map(|pulses| self.around(&ended.end, pulses));
        let again = stop::last(self.trace, range, [self.noise, self.brightest(f64::MAX)]);
        let again = again.and_then(|stop| self.placed(&stop));
        match again.filter(|again| again.end.plus_minus < half * SURER) {
            Some(again) => Box::new(again),
            None => ended,
        }
    }
}
