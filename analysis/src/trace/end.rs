//! Where the fibre ends.
//!
//! The end is the first large drop behind which the light does not go on as in glass: it is dark,
//! or dies away as a receiver recovers, or is the mirror image of the fibre in a bright end
//! (which reaches to twice its distance from the panel). The place is the onset of that drop,
//! fitted by [`edge`](super::edge).

use serde::{Deserialize, Serialize};
use silkline_protocol::unit::{Db, OpticalLength};

use super::edge::{self, Edge, Guess, Point};
use super::line::{Line, median};
use super::noise;
use super::samples::{Trace, cut, whole};
use super::windows::{GLASS_DB_PER_KM, Look, Window, goes_on_as_glass};

/// A fall of less is no candidate for an end, in one-way decibels.
const LEAST_DROP_DB: f64 = 2.5;

/// Even a smoothed trace is no straighter than this, in decibels.
const LEAST_SIGMA_DB: f64 = 0.004;

/// Windows before the end that its baseline may reach back over.
const MOST_BEFORE: usize = 12;

/// A bright end hides at least this much light behind itself before its mirror image shows.
const MIRROR_DROP_DB: f64 = 8.0;

/// A peak of this many decibels over the backscatter can make a mirror image.
const BRIGHT_DB: f64 = 5.0;

/// A peak of this many decibels ends a fibre even where its light is near the noise.
const PEAK_DB: f64 = 2.0;

/// Part of the pulse by which its unknown shape may shift an onset, as one standard deviation.
const PULSE_SHAPE: f64 = 0.006;

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
    /// Here it is, with the line of the glass before it.
    Found(EndOfFibre, Line),
    /// The light fades into the noise before any end.
    Fades,
    /// There is light up to the last sample.
    Beyond,
    /// Nothing looks like fibre.
    NoFibre,
}

/// Looks for the end.
pub(crate) fn search(trace: &Trace, windows: &[Window]) -> Search {
    if !windows.iter().any(Window::may_be_glass) {
        return Search::NoFibre;
    }
    let mut last = None;
    for (k, window) in windows.iter().enumerate() {
        if !window.may_be_glass() {
            continue;
        }
        last = Some(k);
        if let Some(found) = ends_behind(trace, windows, k) {
            return found;
        }
    }
    match last {
        Some(k) if k + 2 < windows.len() => Search::Fades,
        Some(_) | None => Search::Beyond,
    }
}

/// The end, if the light of window `k` does not go on behind it.
fn ends_behind(trace: &Trace, windows: &[Window], k: usize) -> Option<Search> {
    let next = k + 1;
    // A drop may fill windows, and a peak's tail more: up to the next glass at the old level.
    let lands = |line: &Line, least: f64| {
        let ahead = windows.iter().enumerate().skip(next);
        let mut unsettled =
            ahead.take_while(|(_, w)| !(w.may_be_glass() && fall(line, w).abs() < least));
        unsettled
            .find(|(_, w)| fall(line, w) > least)
            .map(|(j, _)| j)
    };
    let alone = windows.get(k).filter(|window| window.may_be_glass())?.line;
    lands(&as_glass(trace, alone), 0.5 * LEAST_DROP_DB)?;
    let before = as_glass(trace, baseline(trace, windows, k)?);
    let landing = lands(&before, LEAST_DROP_DB)?;
    let window = windows.get(landing)?;
    let still_fibre = cut(windows, next, landing)
        .iter()
        .any(|w| w.look == Look::Fibre);
    if still_fibre {
        return None;
    }
    let behind = behind_drop(trace, windows, k, landing, &before);
    if goes_on_as_glass(trace, behind) {
        return None;
    }
    let stretch = trace.stretch(windows.get(k)?.from, window.to);
    let highest = highest(stretch, trace.samples_in(trace.pulse().get() / 4.0).max(3));
    let peaks = highest - before.at(window.from as f64) > PEAK_DB.max(6.0 * before.rms);
    if !peaks && fades(trace, windows, landing, &before) {
        return Some(Search::Fades);
    }
    let drop = fall(&before, window);
    let stop = windows.get(landing + 1).unwrap_or(window).to;
    let start = windows.get(k.saturating_sub(1))?.from;
    let range = Range {
        start,
        glass_to: windows.get(k)?.to,
        stop,
    };
    locate(trace, &before, range, drop).map(|end| Search::Found(end, before))
}

/// The highest level that `run` samples in a row reach.
fn highest(levels: &[f64], run: usize) -> f64 {
    let lowest = |group: &[f64]| group.iter().copied().fold(f64::MAX, f64::min);
    levels.windows(run).map(lowest).fold(f64::MIN, f64::max)
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
    let highest = trace
        .stretch(last.from, land.to)
        .iter()
        .copied()
        .fold(f64::MIN, f64::max);
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

/// Whether the level sinks into the noise just where the line would lead it.
fn fades(trace: &Trace, windows: &[Window], landing: usize, before: &Line) -> bool {
    let Some(noise) = noise_level(trace, windows) else {
        return false;
    };
    let Some(window) = windows.get(landing) else {
        return false;
    };
    before.at(window.middle()) < noise + LEAST_DROP_DB
}

/// Level of the light that equals the receiver's noise: root mean square power of dark windows.
pub(crate) fn noise_level(trace: &Trace, windows: &[Window]) -> Option<f64> {
    let tail = windows.iter().rev().take_while(|window| !window.is_lit());
    let mut powers: Vec<f64> = tail
        .flat_map(|window| trace.stretch(window.from, window.to))
        .map(|level| 10_f64.powf(level / 5.0))
        .collect();
    if powers.len() < 8 {
        return None;
    }
    // Samples without light are clipped at the bottom, the upper half is not: the median of
    // |noise| is 0.674 of its deviation, the 84th percentile of noise is one.
    let upper = super::line::quantile(&mut powers, 0.84);
    (upper > 0.0).then(|| 5.0 * upper.log10())
}

/// Where to look for an onset, as samples.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: usize,
    /// The glass was still seen up to here.
    glass_to: usize,
    stop: usize,
}

/// Finds the onset of the drop between two samples.
fn locate(trace: &Trace, before: &Line, range: Range, drop: f64) -> Option<EndOfFibre> {
    let Range { start, stop, .. } = range;
    let levels = trace.stretch(start, stop);
    let step = trace.step_m();
    let pulse = trace.pulse().get();
    let sigma = sigma_near(trace, before, [start, range.glass_to]);
    let onset = onset(
        levels,
        start,
        before,
        Walk {
            drop,
            sigma,
            pulse: pulse / step,
        },
    )?;

    let line = fresh_line(trace, before, onset, sigma).unwrap_or(*before);
    let peak = peak(trace, &line, onset);
    let points = points(trace, &line, onset, sigma);
    let reach = [0.6 * pulse + 2.0 * step, 0.3 * pulse + 2.0 * step];
    let correlation = points_correlation(trace, &line, onset);
    let guess = Guess {
        at: onset as f64 * step,
        reach,
        pulse,
        correlation,
    };
    let edge = edge::fit(&points, &guess).unwrap_or(Edge {
        at: (onset as f64 + 0.5) * step,
        sigma: step,
        height: 0.0,
        height_sigma: 0.0,
    });
    let sampling = step / 12_f64.sqrt() * 0.3;
    let deviation = edge.sigma.hypot(PULSE_SHAPE * pulse).hypot(sampling);
    let reflective = peak.height > (5.0 * sigma).max(0.4)
        || (edge.height > 0.1 && edge.height > 5.0 * edge.height_sigma);
    Some(EndOfFibre {
        at: trace.position(edge.at / step),
        plus_minus: OpticalLength::of(1.96 * deviation),
        kind: EndKind::End,
        reflective,
        peak: reflective.then(|| Db::of(peak.height.max(5.0 * (1.0 + edge.height).log10()))),
        saturated: reflective && peak.flat,
        level: Db::of(line.at(edge.at / step)),
        drop: Db::of(drop),
    })
}

/// Noise of a sample where the glass was seen last: it grows along a long baseline.
fn sigma_near(trace: &Trace, line: &Line, last: [usize; 2]) -> f64 {
    let [from, to] = last;
    let levels = trace.stretch(from, to);
    let off = |(i, level): (usize, &f64)| (level - line.at((from + i) as f64)).abs();
    let mut residuals: Vec<f64> = levels.iter().enumerate().map(off).collect();
    (1.4826 * median(&mut residuals)).max(LEAST_SIGMA_DB)
}

/// What the walk back from the drop to its onset goes by; lengths in samples.
#[derive(Clone, Copy, Debug)]
struct Walk {
    drop: f64,
    sigma: f64,
    pulse: f64,
}

/// The last sample on the line before the drop.
fn onset(levels: &[f64], start: usize, line: &Line, walk: Walk) -> Option<usize> {
    let rest: Vec<f64> = levels
        .iter()
        .enumerate()
        .map(|(i, level)| level - line.at((start + i) as f64))
        .collect();
    let group = whole(walk.pulse / 4.0).clamp(3, 200);
    let limit = -(walk.drop / 2.0).clamp(1.0, 5.0);
    let first = whole(line.centre).saturating_sub(start);
    let collapse = (first..rest.len()).find(|&i| {
        median(&mut cut(&rest, i, i + group).to_vec()) < limit && falls(&rest, i, limit)
    })?;
    // Where a peak stands before the fall, its rise is the onset; its tail crosses the line too.
    let run = whole(walk.pulse / 8.0).clamp(2, 100);
    let above = |i: usize| cut(&rest, i, i + run).iter().all(|r| *r > 6.0 * walk.sigma);
    let collapse = (first..collapse).find(|&i| above(i)).unwrap_or(collapse);
    let needed = whole(walk.pulse / 4.0).clamp(3, 300);
    let mut calm = 0;
    for i in (0..collapse).rev() {
        let on_line = rest.get(i).is_some_and(|r| r.abs() < 3.5 * walk.sigma);
        calm = if on_line { calm + 1 } else { 0 };
        if calm >= needed {
            return Some(start + i + needed - 1);
        }
    }
    None
}

fn falls(rest: &[f64], at: usize, limit: f64) -> bool {
    rest.get(at).is_some_and(|r| *r < limit)
}

/// The line over the glass right before the onset: as long as it stays on the first line.
fn fresh_line(trace: &Trace, before: &Line, onset: usize, sigma: f64) -> Option<Line> {
    let length = whole(before.count).max(12);
    let guard = trace.samples_in(trace.pulse().get() * 0.1);
    let to = onset.saturating_sub(guard);
    let from = to.saturating_sub(length);
    let line = Line::robust(trace.stretch(from, to), from)?;
    let agrees = (line.at(onset as f64) - before.at(onset as f64)).abs() < 6.0 * sigma + 0.1;
    agrees.then_some(line)
}

#[derive(Clone, Copy, Debug)]
struct Peak {
    height: f64,
    flat: bool,
}

/// The highest sample of the peak behind the onset, and whether its top is cut off.
fn peak(trace: &Trace, line: &Line, onset: usize) -> Peak {
    let pulse = trace.samples_in(trace.pulse().get());
    let base = line.at(onset as f64);
    // A slow receiver peaks long after a short pulse: as far as the light stands over the glass.
    let behind = trace.stretch(onset + 2, onset + 40 * pulse);
    let standing = behind.iter().take_while(|&&level| level > base).count();
    let reach = (3 * pulse / 2).max(3).max(standing);
    let levels = trace.stretch(onset, onset + reach);
    let top = levels.iter().copied().fold(f64::MIN, f64::max);
    let height = top - base;
    let at_top = levels.iter().filter(|&&level| level > top - 0.02).count();
    Peak {
        height,
        flat: height > 3.0 && at_top >= 4 && at_top * 3 > pulse,
    }
}

/// The samples around the onset in linear power relative to the line, up to where the drop's
/// bottom or the peak's top leave the model.
fn points(trace: &Trace, line: &Line, onset: usize, sigma: f64) -> Vec<Point> {
    let step = trace.step_m();
    let pulse = trace.samples_in(trace.pulse().get());
    let from = onset.saturating_sub((2 * pulse).max(12));
    let relative = |i: usize, level: f64| 10_f64.powf((level - line.at(i as f64)) / 5.0);
    let share = sigma * std::f64::consts::LN_10 / 5.0;
    let behind = trace.stretch(onset, onset + pulse.max(3) + 1);
    let powers: Vec<f64> = behind
        .iter()
        .enumerate()
        .map(|(i, level)| relative(onset + i, *level))
        .collect();
    let until = onset + usable(&powers);
    trace
        .stretch(from, until)
        .iter()
        .enumerate()
        .map(|(i, level)| {
            let power = relative(from + i, *level);
            Point {
                at: (from + i) as f64 * step,
                power,
                sigma: share * power.max(1.0),
            }
        })
        .collect()
}

/// How many samples behind the onset follow the model: down to the bottom of a fall, or up to
/// most of a peak's height.
fn usable(powers: &[f64]) -> usize {
    const BOTTOM: f64 = 0.12;
    let top = powers.iter().copied().fold(1.0, f64::max);
    let end = if top > 1.6 {
        let limit = 1.0 + 0.8 * (top - 1.0);
        powers.iter().position(|&power| power > limit)
    } else {
        powers.iter().position(|&power| power < BOTTOM)
    };
    end.unwrap_or(powers.len()).max(2)
}

/// Over how many samples the noise before the onset is correlated.
fn points_correlation(trace: &Trace, line: &Line, onset: usize) -> f64 {
    let pulse = trace.samples_in(trace.pulse().get());
    let length = (4 * pulse).clamp(40, 1_000);
    let from = onset.saturating_sub(length);
    let residuals: Vec<f64> = trace
        .stretch(from, onset)
        .iter()
        .enumerate()
        .map(|(i, level)| level - line.at((from + i) as f64))
        .collect();
    noise::correlation(&residuals, pulse)
}

#[cfg(test)]
mod tests;
