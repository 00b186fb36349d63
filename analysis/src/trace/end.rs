//! Where the fibre ends.
//!
//! The end is the first large drop behind which the light does not go on as in glass: it is dark,
//! or dies away as a receiver recovers, or is the mirror image of the fibre in a bright end
//! (which reaches to twice its distance from the panel). The place is the onset of that drop,
//! fitted by [`edge`](super::edge).

use serde::{Deserialize, Serialize};
use silkline_protocol::unit::{Db, OpticalLength};

mod again;
mod behind;
mod foot;
mod image;
mod lingers;
mod noise;
mod onward;
mod place;
mod short;
mod stop;
mod tail;

pub(crate) use place::clipped_at;
pub(crate) use short::{is_on_launch, short};

use super::line::Line;
use super::product::highest;
use super::samples::{Trace, cut};
use super::windows::{GLASS_DB_PER_KM, Look, Window};

/// A receiver's constant is told no better than this, as a share.
const LEAST_TOLD: f64 = 0.000_5;

/// Events tell the wrong constant once in twenty times: an end whose samples are less probable with it by
/// this much, as a logarithm, contradicts them.
const CONTRADICTS: f64 = 3.0;

/// A fall of less is no candidate for an end, in one-way decibels.
const LEAST_DROP_DB: f64 = 2.5;

/// Windows before the end that its baseline may reach back over.
const MOST_BEFORE: usize = 12;

/// A bright end hides at least this much light behind itself before its mirror image shows.
const MIRROR_DROP_DB: f64 = 8.0;

/// A peak of this many decibels over the backscatter can make a mirror image.
const BRIGHT_DB: f64 = 5.0;

/// A peak of this many decibels ends a fibre even where its light is near the noise.
const PEAK_DB: f64 = 2.0;

/// In light that stands less over the noise, an end without a peak is not told from the place where
/// the light sinks into it.
const FAINT_DB: f64 = 3.0;

/// A window sinks by so many decibels at the least, and so many deviations of its slope.
const LEAST_SINK_DB: f64 = 0.5;
const SINKS: f64 = 6.0;

/// A tail falls in a window by so much of what it falls from there to the next, at the least.
const OWN_SHARE: f64 = 0.3;

/// Or in each of so many steps to the windows behind, by so much of their mean: where windows are many
/// to a tail, no two of them are far apart.
const TAIL_STEPS: usize = 6;
const EVEN_SHARE: f64 = 0.2;

/// Light stands over the dark up to the last sample by more than this.
const LEAST_LIGHT_DB: f64 = 1.0;

/// Glass shows again behind no more windows that are not clear of the noise.
const LONGEST_GAP: usize = 16;

/// Noise that is no peak reaches so many deviations.
const NOISE_PEAK: f64 = 5.0;

/// Fewer dark samples say nothing of the noise.
const FEWEST_DARK: usize = 8;

/// Receivers recover at once from a fall that is smaller than this and has no peak.
const FAINT_DROP_DB: f64 = 12.0;

/// How the fibre stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndKind {
    /// Where it has always ended, or nothing is known to compare with.
    End,
    /// Before the place where a reference says it ends.
    Break,
}

/// The end of the fibre as one trace shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EndOfFibre {
    /// Where, from the user offset.
    pub at: OpticalLength,
    /// Half of the 95 % interval.
    pub plus_minus: OpticalLength,
    /// End or break.
    pub kind: EndKind,
    /// Whether it reflects.
    pub reflective: bool,
    /// Height of its peak over the backscatter; none where it does not reflect.
    pub peak: Option<Db>,
    /// Whether that peak is beyond the receiver's range, so that its height is a lower bound.
    pub saturated: bool,
    /// Level of the backscatter just before it.
    pub level: Db,
    /// How far the light falls there, at least.
    pub drop: Db,
}

/// The end, or why none is seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Search {
    /// Here it is.
    Found(Box<Ended>),
    /// The light fades into the noise before any end.
    Fades,
    /// There is light up to the last sample.
    Beyond,
    /// Nothing looks like fibre.
    NoFibre,
}

/// An end with what it was found by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    /// The end.
    pub(crate) end: EndOfFibre,
    /// The line of the glass before it.
    pub(crate) line: Line,
    range: place::Range,
    /// How probable the samples around it are, as a logarithm.
    evidence: Option<f64>,
}

impl Ended {
    fn of(placed: place::Placed, line: Line, range: place::Range) -> Self {
        Self {
            end: placed.end,
            line,
            range,
            evidence: placed.evidence,
        }
    }

    /// The end placed anew with what events tell of the receiver: the logarithm of its constant in
    /// pulses, and how sure; as it was where that does not explain it, or far worse than another does:
    /// one of two events within a pulse makes a receiver seem slow.
    pub(crate) fn told(&mut self, trace: &Trace, [log, sigma]: [f64; 2]) {
        let told = [log, sigma.max(LEAST_TOLD)];
        let again = place::locate(trace, &self.line, self.range, Some(told));
        let far = self.end.plus_minus.get() + trace.pulse().get();
        let near = |end: &EndOfFibre| (end.at.get() - self.end.at.get()).abs() < far;
        let likely = |told: Option<f64>| {
            let own = self.evidence.map(|own| own - CONTRADICTS);
            own.is_none_or(|least| told.is_some_and(|told| told > least))
        };
        let fits = |placed: &place::Placed| likely(placed.evidence) && near(&placed.end);
        if let Some(placed) = again.filter(fits) {
            self.end = placed.end;
        }
    }
}

/// The highest and the lowest level of the receiver, as the whole trace shows them.
#[derive(Clone, Copy, Debug)]
struct Sky {
    /// Where it clips, if anything reaches that.
    limit: Option<f64>,
    /// Light that equals its noise.
    noise: Option<f64>,
}

/// Looks for the end, where light that equals its noise is known or there is none.
pub(crate) fn search(trace: &Trace, windows: &[Window], noise: Option<f64>) -> Search {
    if !windows.iter().any(Window::may_be_glass) {
        return Search::NoFibre;
    }
    let sky = Sky {
        limit: clipped_at(trace),
        noise,
    };
    again::look(trace, windows, sky, first_end(trace, windows, sky))
}

/// The end that windows show.
fn first_end(trace: &Trace, windows: &[Window], sky: Sky) -> Search {
    let limit = sky.limit.unwrap_or(f64::MAX);
    let mut last = None;
    for (k, window) in windows.iter().enumerate() {
        // The cut top of a peak is as straight as glass.
        if !window.may_be_glass() || window.level >= limit {
            continue;
        }
        let before = k.checked_sub(1).and_then(|k| windows.get(k));
        let before = before.filter(|before| before.may_be_glass());
        // A peak that begins in a noisy window is no part of the glass before it.
        if before.is_some_and(|before| holds_peak(trace, &before.line, (window, sky.noise))) {
            continue;
        }
        last = Some(k);
        if let Some(found) = ends_behind(trace, windows, k, sky) {
            return found;
        }
    }
    match last {
        Some(k) if k + 2 < windows.len() => Search::Fades,
        Some(_) | None => Search::Beyond,
    }
}

/// How far an end would have been seen: to the last glass whose light stands clear of the noise.
pub(crate) fn seen_to(trace: &Trace, windows: &[Window]) -> Option<OpticalLength> {
    let last = last_clear(windows, noise_level(trace, windows)?)?;
    Some(trace.position(last.to as f64))
}

/// The last window of glass that stands clear of the noise, before the first long stretch of
/// windows that do not: in smoothed noise single ones do, however far.
pub(crate) fn last_clear(windows: &[Window], noise: f64) -> Option<&Window> {
    let mut last: Option<(usize, &Window)> = None;
    for (k, window) in windows.iter().enumerate() {
        let glass = window.may_be_glass();
        if glass && window.level > noise + FAINT_DB {
            last = Some((k, window));
        } else if last.is_some_and(|(at, _)| k > at + LONGEST_GAP) {
            break;
        }
    }
    last.map(|(_, window)| window)
}

/// The end, if the light of window `k` does not go on behind it.
fn ends_behind(trace: &Trace, windows: &[Window], k: usize, sky: Sky) -> Option<Search> {
    let next = k + 1;
    // A drop may fill windows, and a peak's tail more: up to the next glass at the old level.
    let lands = |line: &Line, least: f64| {
        let ahead = windows.iter().enumerate().skip(next);
        let settled = |j: usize, w: &Window| {
            w.may_be_glass()
                && fall(line, w).abs() < least
                && !sinks(trace, windows, j)
                && !holds_peak(trace, line, (w, sky.noise))
        };
        let mut unsettled = ahead.take_while(|(j, w)| !settled(*j, w));
        unsettled
            .find(|(_, w)| fall(line, w) > least)
            .map(|(j, _)| j)
    };
    let alone = windows.get(k).filter(|window| window.may_be_glass())?.line;
    lands(&as_glass(trace, alone), 0.5 * LEAST_DROP_DB)?;
    let before = as_glass(trace, baseline(trace, windows, k)?);
    let landing = lands(&before, LEAST_DROP_DB)?;
    let window = windows.get(landing)?;
    // The top of a peak is as straight as glass.
    let still_fibre = |w: &Window| w.look == Look::Fibre && fall(&before, w) > -PEAK_DB;
    if cut(windows, next, landing).iter().any(still_fibre) {
        return None;
    }
    let behind = behind_drop(trace, windows, k, landing, &before);
    let tail = behind::is_tail(trace, behind, &before, sky.noise);
    if !tail && behind::goes_on(trace, behind, sky.noise) {
        return None;
    }
    let between = [windows.get(k)?.from, window.to];
    let peak = first_peak(trace, &before, (between, sky.noise));
    // A bend in the last decibels: what is left is faint, but it lasts.
    let rest = cut(windows, landing, windows.len());
    let dim = dimmest(windows);
    let small = |w: &Window| fall(&before, w) < FAINT_DROP_DB && w.level > dim + LEAST_LIGHT_DB;
    let lasts = |noise| behind::lasts(rest, noise, small);
    if peak.is_none() && !tail && sky.noise.is_some_and(lasts) {
        return None;
    }
    if peak.is_none() && fades(sky.noise, window, &before) {
        return Some(Search::Fades);
    }
    let faint = |level: f64| sky.noise.is_some_and(|noise| level - noise < FAINT_DB);
    // In faint light the first fall is the noise's own: the peak tells.
    let near = peak.filter(|at| faint(before.at(*at as f64)));
    let back = trace.samples_in(6.0 * trace.pulse().get()).max(30);
    let range = place::Range {
        start: match near {
            Some(at) => at.saturating_sub(back),
            None => windows.get(k.saturating_sub(1))?.from,
        },
        glass_to: match near {
            Some(at) => at.saturating_sub(back / 6),
            None => windows.get(k)?.to,
        },
        stop: windows.get(landing + 1).unwrap_or(window).to,
        drop: fall(&before, window),
        noise_level: sky.noise,
        limit: sky.limit,
    };
    let line = before;
    let placed = place::locate(trace, &line, range, None);
    let placed = placed.unwrap_or_else(|| place::rough(trace, &line, range, peak));
    let end = &placed.end;
    let vague = peak.is_none() && faint(end.level.get());
    let elsewhere = near.is_some() && !end.reflective;
    Some(if vague || elsewhere {
        Search::Fades
    } else {
        Search::Found(Box::new(Ended::of(placed, line, range)))
    })
}

/// The line of the glass up to window `k`, over as many windows before it as continue it: one
/// window's slope says little where the light is weak.
fn baseline(trace: &Trace, windows: &[Window], k: usize) -> Option<Line> {
    let window = windows.get(k)?;
    if !window.may_be_glass() {
        return None;
    }
    let mut line = window.line;
    for previous in cut(windows, k.saturating_sub(MOST_BEFORE), k).iter().rev() {
        let off = (previous.line.level - line.at(previous.line.centre)).abs();
        let sigma = window.sigma.max(previous.sigma).max(1e-3);
        let doubt = line
            .sigma_at(previous.line.centre, sigma)
            .hypot(sigma / previous.line.count.sqrt());
        if !previous.may_be_glass() || off > 4.0 * doubt + 0.02 {
            break;
        }
        let Some(longer) = Line::robust(trace.stretch(previous.from, window.to), previous.from)
        else {
            break;
        };
        line = longer;
    }
    Some(line)
}

/// The line with a slope that glass can have: farther ahead a noisy one leads anywhere.
fn as_glass(trace: &Trace, line: Line) -> Line {
    let per_sample = trace.step_m() / 1_000.0;
    let steepest = -GLASS_DB_PER_KM.end() * per_sample;
    Line {
        slope: line.slope.clamp(steepest, 0.0),
        ..line
    }
}

/// How far a window lies below the line that led to it.
fn fall(before: &Line, window: &Window) -> f64 {
    before.at(window.middle()) - window.level
}

/// The windows behind the drop that can tell whether glass goes on: not its recovery, and not the
/// mirror image of a bright end.
fn behind_drop<'a>(
    trace: &Trace,
    windows: &'a [Window],
    k: usize,
    landing: usize,
    before: &Line,
) -> &'a [Window] {
    let (Some(last), Some(land)) = (windows.get(k), windows.get(landing)) else {
        return &[];
    };
    let from = if land.look == Look::Fibre {
        landing
    } else {
        landing + 1
    };
    let behind = cut(windows, from, windows.len());
    let highest = highest(trace.stretch(last.from, land.to));
    let bright = highest - before.at(last.to as f64) > BRIGHT_DB;
    if !bright || fall(before, land) < MIRROR_DROP_DB {
        return behind;
    }
    let panel = trace.settings().launch.get();
    let at = trace.position(last.to as f64).get() + panel;
    let image_ends = trace.index_of(2.0 * at - panel + 4.0 * trace.pulse().get());
    let skip = behind
        .iter()
        .take_while(|window| window.from < image_ends)
        .count();
    cut(behind, skip, behind.len())
}

/// The middle level of the dark up to the last sample, which may stand on an offset.
fn dimmest(windows: &[Window]) -> f64 {
    let tail = windows.iter().rev().take_while(|window| !window.is_lit());
    let mut levels: Vec<f64> = tail.map(|window| window.level).collect();
    if levels.is_empty() {
        return f64::NEG_INFINITY;
    }
    super::line::median(&mut levels)
}

/// Whether the level sinks into the noise just where the line would lead it.
fn fades(noise: Option<f64>, window: &Window, before: &Line) -> bool {
    noise.is_some_and(|noise| before.at(window.middle()) < noise + LEAST_DROP_DB)
}

/// Whether a window falls much faster than glass, by its own samples or by its neighbours' levels:
/// a tail, on its way through the old level.
fn sinks(trace: &Trace, windows: &[Window], j: usize) -> bool {
    let Some(window) = windows.get(j) else {
        return false;
    };
    let line = &window.line;
    let steepest = GLASS_DB_PER_KM.end() * trace.step_m() / 1_000.0;
    let odd = -line.slope - steepest;
    let falls = odd * (window.to - window.from) as f64;
    if falls > LEAST_SINK_DB && odd > SINKS * line.rms / line.spread.sqrt() {
        return true;
    }
    // A step falls between two windows or in one; a tail in all.
    let steps = |a: &Window, b: &Window| {
        let fall = a.level - b.level - steepest * (b.middle() - a.middle());
        let share = |w: &Window| (1.25 * w.sigma.min(w.line.rms)).powi(2) / w.line.count;
        let sure = fall > LEAST_SINK_DB && fall > 0.5 * SINKS * (share(a) + share(b)).sqrt();
        sure.then_some(fall)
    };
    if falls_everywhere(windows, j, steepest) {
        return true;
    }
    let near = [j.checked_sub(1), Some(j + 1)].map(|k| windows.get(k?));
    let [Some(before), Some(behind)] = near else {
        return false;
    };
    // A short glass between a peak and the end is level itself.
    match (steps(before, window), steps(window, behind)) {
        (Some(first), Some(second)) => falls > OWN_SHARE * first.min(second),
        (None, _) | (_, None) => false,
    }
}

/// Whether light falls from each window to the next, from this one on, much faster than in glass: splices
/// stand in some places, a receiver comes back in all.
fn falls_everywhere(windows: &[Window], j: usize, steepest: f64) -> bool {
    let run = cut(windows, j, j + TAIL_STEPS + 1);
    let falls: Vec<f64> = run
        .iter()
        .zip(run.iter().skip(1))
        .map(|(a, b)| a.level - b.level - steepest * (b.middle() - a.middle()))
        .collect();
    let sum: f64 = falls.iter().sum();
    let least = EVEN_SHARE * sum / TAIL_STEPS as f64;
    falls.len() == TAIL_STEPS && sum > LEAST_SINK_DB && falls.iter().all(|fall| *fall > least)
}

/// Whether a peak begins in a window that follows a line.
fn holds_peak(trace: &Trace, line: &Line, (window, noise): (&Window, Option<f64>)) -> bool {
    first_peak(trace, line, ([window.from, window.to], noise)).is_some()
}

/// The first sample of a peak that stands out of the line between two samples, and out of the noise:
/// where light sinks into that, noise alone stands high over it.
fn first_peak(
    trace: &Trace,
    before: &Line,
    ([from, to], noise): ([usize; 2], Option<f64>),
) -> Option<usize> {
    let power = |level: f64| 10_f64.powf(level / 5.0);
    let least = PEAK_DB.max(6.0 * before.rms);
    // Light and noise together are more than either: most samples need no powers.
    let floor = noise.map_or(f64::MIN, |noise| noise + 5.0 * NOISE_PEAK.log10());
    let stands = |i: usize, level: f64| {
        let led = before.at(i as f64);
        let noisy = |noise: f64| 5.0 * (power(led) + NOISE_PEAK * power(noise)).log10();
        level > floor.max(led + least) && noise.is_none_or(|noise| level > noisy(noise))
    };
    let stretch = trace.stretch(from, to);
    // The line falls or rises: nothing stands over it that does not over the lower of its ends.
    let lowest = before.at(from as f64).min(before.at(to as f64));
    if highest(stretch) <= floor.max(lowest + least) {
        return None;
    }
    let run = trace.samples_in(trace.pulse().get() / 4.0).max(3);
    let mut standing = 0;
    let ends = |(i, level): (usize, &f64)| {
        standing = if stands(from + i, *level) {
            standing + 1
        } else {
            0
        };
        standing == run
    };
    let last = stretch.iter().enumerate().position(ends);
    last.map(|last| from + last + 1 - run)
}

/// Level of the light that equals the receiver's noise: root mean square power of dark windows.
pub(crate) fn noise_level(trace: &Trace, windows: &[Window]) -> Option<f64> {
    let lit = windows.iter().rposition(Window::is_lit);
    let tail = windows.get(lit.map_or(0, |lit| lit + 1)..)?;
    let of = |window: &Window| trace.stretch(window.from, window.to).to_vec();
    let from = tail.first().map_or(usize::MAX, |window| window.from);
    let to = tail.last().map_or(usize::MAX, |window| window.to);
    let mut levels = trace.stretch(from, to).to_vec();
    if levels.len() < FEWEST_DARK {
        // A few windows of noise look like light, the last one of all too.
        let far = cut(windows, windows.len() - windows.len() / 4, windows.len());
        let dark = || far.iter().filter(|window| !window.is_lit());
        if 2 * dark().count() < far.len() {
            return None;
        }
        levels = dark().flat_map(of).collect();
    }
    if levels.len() < FEWEST_DARK {
        return None;
    }
    // Samples without light are clipped at the bottom, the upper half is not: the median of
    // |noise| is 0.674 of its deviation, the 84th percentile of noise is one.
    let upper = super::line::quantile(&mut levels, 0.84);
    (!trace.is_dark(upper)).then_some(upper)
}

#[cfg(test)]
mod tests;
