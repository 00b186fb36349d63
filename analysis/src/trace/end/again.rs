//! A second look at the end that windows show, by the light itself: whether the light of more glass stops
//! behind it, and where exactly it does.

use std::cell::OnceCell;

use super::foot;
use super::image::Images;
use super::onward;
use super::stop::{self, Stop};
use super::tail::Light;
use super::{
    BRIGHT_DB, EndOfFibre, Ended, FAINT_DB, MIRROR_DROP_DB, PEAK_DB, Search, Sky, as_glass,
    first_peak, last_clear, place,
};
use crate::trace::line::{Line, median, quantile};
use crate::trace::samples::{Trace, whole};
use crate::trace::windows::{Look as Shape, Window};

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

/// Light goes on behind an end for so many pulses at the least.
const ONWARD_PULSES: f64 = 0.6;

/// Glass is seen where so many windows fall as it does, in dB/km.
const SEEN_WINDOWS: usize = 3;
const GLASS: std::ops::RangeInclusive<f64> = 0.0..=1.0;

/// Light is weighed over so many pulses before an end and behind it, from so many behind a peak on; it
/// stops within so many of the end. A tail is likelier where twice the logarithm of the odds for glass is less
/// than this, and explains the light where it is no farther off, as a mean square in deviations.
const WEIGHED_PULSES: f64 = 40.0;
const BEHIND_WEIGHED: f64 = 10.0;
const TOP_PULSES: f64 = 1.2;
const LAUNCH_PULSES: f64 = 1.6;
const AROUND: f64 = 1.5;
const ODDS: f64 = 0.0;
const UNLIKE: f64 = 3.0;
const LEAST_WEIGHED: f64 = 1.0;

/// A tail falls by no less than this in a pulse, and by such a share of that at the least.
const SLOWEST_DB_PER_PULSE: f64 = 0.135;
const TAIL_SHARE: f64 = 0.4;

/// What a search comes to after the second look.
pub(super) fn look(trace: &Trace, windows: &[Window], sky: Sky, first: Search) -> Search {
    let Some(noise) = sky.noise else {
        return first;
    };
    // In noise that the instrument smoothed few windows are dark, and those are its valleys.
    let count = trace.levels().len();
    let mut last = trace.stretch(count - count / LAST_PART, count).to_vec();
    let noise = noise.max(quantile(&mut last, 0.84));
    let look = Look {
        trace,
        sky,
        noise,
        images: OnceCell::new(),
    };
    let Some(from) = look.start(windows, &first) else {
        return first;
    };
    let lit = windows.iter().rfind(|window| window.level > noise);
    let farthest = MOST_PULSES * trace.samples_in(trace.pulse().get());
    let to = lit.map_or(0, |window| window.to).max(from + farthest) + farthest / 2;
    let last = look.ended([from, to], &first).map(Box::new);
    let found = match (last, first) {
        (Some(ended), _) => look.onward(&ended).unwrap_or(ended),
        (None, Search::Found(ended)) => match look.onward(&ended) {
            Some(onward) => onward,
            None => look.refined(ended),
        },
        (None, first) => return first,
    };
    if look.is_tail(windows, &found) {
        return Search::NoFibre;
    }
    Search::Found(found)
}

struct Look<'a> {
    trace: &'a Trace,
    sky: Sky,
    noise: f64,
    /// What reflectors show of one another, once it is asked for.
    images: OnceCell<Images>,
}

impl Look<'_> {
    /// The images of reflectors before and behind an end.
    fn images(&self, ended: &Ended) -> &Images {
        let levels = [self.noise, self.sky.limit.unwrap_or(f64::MAX)];
        let count = self.trace.levels().len();
        self.images
            .get_or_init(|| Images::of(self.trace, &ended.line, count, levels))
    }

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
        let image = |around| match first {
            Search::Found(ended) => self.images(ended).brightest(around),
            Search::Fades | Search::Beyond | Search::NoFibre => 0.0,
        };
        let levels = [self.noise, self.brightest(glass)];
        let stop = stop::last(self.trace, range, levels, image)?;
        if let Search::Found(ended) = first
            && self.is_image(&ended.end, &stop)
        {
            return None;
        }
        self.placed(&stop, None)
    }

    /// The end up to which light goes on behind another one.
    fn onward(&self, ended: &Ended) -> Option<Box<Ended>> {
        let image = |around| self.images(ended).brightest(around);
        let stops = onward::stops(self.trace, (&ended.end, &ended.line), self.noise, &image);
        let near = self.trace.pulse() * ONWARD_PULSES;
        let placed = |stop: &Stop| {
            let mut onward = self.placed(stop, Some(ended.line))?;
            // What a receiver recovers from is no line of glass.
            let at = onward.range.glass_to as f64;
            if (onward.line.at(at) - ended.line.at(at)).abs() > LARGEST_GAIN_DB {
                onward.line = ended.line;
            }
            (onward.end.at > ended.end.at + near).then(|| Box::new(onward))
        };
        stops.iter().flatten().find_map(placed)
    }

    /// Whether an end is only where what a receiver recovers from sinks into its noise: no glass is
    /// seen before it, the light falls there as no glass does, and a tail explains it at least as well as
    /// glass that stops.
    fn is_tail(&self, windows: &[Window], ended: &Ended) -> bool {
        let (trace, end, line) = (self.trace, &ended.end, &ended.line);
        let at = trace.index_of(end.at.get());
        let per_km = 1_000.0 / trace.step_m();
        let glass = |window: &&Window| {
            window.look == Shape::Fibre
                && window.to <= at
                && window.level > self.noise + FAINT_DB
                && window.level < self.brightest(f64::MAX)
                && GLASS.contains(&(-window.line.slope * per_km))
        };
        if end.reflective || windows.iter().filter(glass).count() >= SEEN_WINDOWS {
            return false;
        }
        let pulse = trace.pulse().get() / trace.step_m();
        let samples = |pulses: f64| whole((pulses * pulse).ceil());
        let from = self.since_flash(line, at);
        let pulses = at.saturating_sub(from) as f64 / pulse;
        if pulses < LEAST_WEIGHED || !falls_like_a_tail(trace, line, [from, at]) {
            return false;
        }
        let light = Light::of(
            trace,
            line,
            [from, at + samples(BEHIND_WEIGHED)],
            self.noise,
        );
        let near = [(pulses - AROUND).max(0.0), pulses + AROUND];
        light
            .glass(near)
            .is_some_and(|glass| glass.sure < ODDS && glass.unlike < UNLIKE)
    }

    /// The sample from which on the light up to another one comes from glass or dies away: behind the
    /// launch and the highest peak.
    fn since_flash(&self, line: &Line, at: usize) -> usize {
        let trace = self.trace;
        let pulse = trace.pulse().get();
        let samples = |pulses: f64| trace.samples_in(pulses * pulse);
        let panel = trace.index_of(-trace.settings().launch.get());
        let first = at.saturating_sub(samples(WEIGHED_PULSES)).max(panel);
        let levels = trace.stretch(first, at).iter().enumerate();
        let heights = levels.map(|(i, level)| (first + i, level - line.at((first + i) as f64)));
        let top = heights.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let peak = top.filter(|(_, height)| *height > PEAK_DB);
        let from = peak.map_or(first, |(i, _)| i + samples(TOP_PULSES));
        from.max(panel + samples(LAUNCH_PULSES))
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
    fn placed(&self, stop: &Stop, before: Option<Line>) -> Option<Ended> {
        let [start, glass_to] = if stop.rises {
            stop.glass
        } else {
            foot::of_peak(self.trace, stop.glass, self.noise)
        };
        let glass = self.trace.stretch(start, glass_to);
        let own = Line::robust(glass, start).or(before)?;
        // A rise may stand on a tail.
        let line = if stop.rises {
            own
        } else {
            as_glass(self.trace, own)
        };
        let range = place::Range {
            start,
            glass_to,
            stop: stop.behind,
            drop: stop.drop,
            noise_level: Some(self.noise),
            limit: self.sky.limit,
        };
        let placed = place::locate(self.trace, &line, range, None);
        let rough = || {
            let between = ([glass_to, stop.behind], Some(self.noise));
            let half = self.trace.samples_in(self.trace.pulse().get() / 2.0);
            let risen = stop.rises.then_some(glass_to + half);
            let peak = risen.or_else(|| first_peak(self.trace, &line, between));
            place::rough(self.trace, &line, range, peak)
        };
        let placed = placed.filter(|placed| placed.end.reflective || !stop.rises);
        Some(Ended::of(placed.unwrap_or_else(rough), line, range))
    }

    /// A vague end where the light right before it stops, if that is surer.
    fn refined(&self, ended: Box<Ended>) -> Box<Ended> {
        let half = ended.end.plus_minus;
        if half < self.trace.pulse() * VAGUE_PULSES {
            return ended;
        }
        let range = NEAR_PULSES.map(|pulses| self.around(&ended.end, pulses));
        let levels = [self.noise, self.brightest(f64::MAX)];
        let again = stop::last(self.trace, range, levels, |_| 0.0);
        let again = again.and_then(|stop| self.placed(&stop, None));
        // Light goes on behind a stop that lies well before it.
        let near = ended.end.at - half - self.trace.pulse();
        let surer = |again: &Ended| again.end.plus_minus < half * SURER && again.end.at > near;
        match again.filter(surer) {
            Some(again) => Box::new(again),
            None => ended,
        }
    }
}

/// Whether light falls from its first third to its last, beyond what glass does, by a good part of what
/// the slowest tail would.
fn falls_like_a_tail(trace: &Trace, line: &Line, [from, to]: [usize; 2]) -> bool {
    let third = (to - from) / 3;
    let over = |first: usize| {
        let levels = trace.stretch(first, first + third).iter().enumerate();
        let heights = levels.map(|(i, level)| level - line.at((first + i) as f64));
        median(&mut heights.collect::<Vec<f64>>())
    };
    let pulses = 2.0 * third as f64 * trace.step_m() / trace.pulse().get();
    third > 0 && over(from) - over(to - third) > TAIL_SHARE * SLOWEST_DB_PER_PULSE * pulses
}
