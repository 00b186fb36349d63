//! One step fitted as the ramp that it is: its place between samples and its size, together.
//!
//! ```text
//! coarse step ─▶ points: bins, finer where it may lie ─▶ starts × time constants ─▶ narrower …
//!                                                          │ size, level, tilt, slow noise: solved
//!                                                          ▼
//!                                      posterior of the place, of the size, at a known event or not
//! ```
//!
//! A later start and a faster receiver look alike, and a larger loss that begins later too: all of
//! them are tried together, and each interval holds what the others leave open.

mod alike;

use self::alike::largest_excess;
use super::bins::{Bins, fall};
use super::colour::Filter;
use super::gls::{Gls, Point, Row, WIDTH, dot};
use super::ramp::Ramp;
use super::steps::{EVENT_BONUS, Noise};
use crate::trace::samples::{cut, whole};

/// Receiver time constants, in pulses: an ideal one up to one that smooths pulses away, or up to
/// what an instrument smooths its noise over.
const CONSTANTS: [f64; 2] = [0.03, 1.4];

/// Receivers are usually about this fast, within a factor of e.
const USUAL: f64 = 0.35;

/// Time constants and places tried a pass, and passes at the most.
const EACH: [usize; 2] = [11, 37];
const PASSES: usize = 9;

/// Points in the window at the most.
const MOST_POINTS: usize = 160;

/// A point's deviation in decibels at the most: beyond, decibels of noise are no noise.
const MOST_NOISE_DB: f64 = 0.3;

/// Part of the pulse by which its unknown shape may shift a start; no more than this many
/// deviations of what the samples leave open.
const SHAPE: f64 = 0.018;
const UNSEEN: f64 = 0.35;

/// From a standard deviation to half a 95 % interval.
const HALF_95: f64 = 1.96;

/// New shots beside the reference, sample by sample in linear power.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) bins: &'a Bins,
    pub(super) before: &'a [f64],
    pub(super) now: &'a [f64],
    /// The pulse's length in samples.
    pub(super) pulse: f64,
    /// By how much the light of the glass falls a sample, both ways, as a natural logarithm.
    pub(super) fade: f64,
    /// Samples by which the shots' zero is late and has not been moved back.
    pub(super) late: f64,
    /// Standard deviation of that.
    pub(super) zero: f64,
    /// Samples over which the instrument may smooth light as it does noise.
    pub(super) smoothing: f64,
}

/// Where a known event lies, in samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) at: f64,
    /// Standard deviation.
    pub(super) sd: f64,
}

/// A step as it was fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fitted {
    pub(super) ramp: Ramp,
    /// Half of the start's 95 % interval, in samples.
    pub(super) half: f64,
    /// Standard deviation of the size.
    pub(super) size_sd: f64,
    /// Which known event it is at, if at any.
    pub(super) known: Option<usize>,
}

/// Where a step is sought, and how large it is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    /// The first and last bin it may be at.
    pub(super) bins: [usize; 2],
    pub(super) size: f64,
}

/// One start with one time constant.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: f64,
    constant: f64,
    centre: f64,
    size: f64,
    /// Variance of the size with all this given, in one shot's.
    variance: f64,
    misfit: f64,
    weight: f64,
}

/// What a pass searches.
#[derive(Clone, Copy, Debug)]
struct Span {
    centres: [f64; 2],
    /// Logarithms.
    constants: [f64; 2],
    size: f64,
}

impl Scene<'_> {
    /// Fits a step beside others that are known.
    pub(super) fn fit(
        &self,
        noise: &Noise<'_>,
        sought: Sought,
        others: &[Ramp],
        known: &[Known],
    ) -> Option<Fitted> {
        let mut span = self.whole(sought);
        let mut nodes = Vec::new();
        let mut step = f64::MAX;
        for _ in 0..PASSES {
            let window = Window::new(self, noise, span, others)?;
            nodes = window.nodes(span, noise)?;
            step = (span.centres[1] - span.centres[0]) / (EACH[1] - 1) as f64;
            let next = span.narrowed(&nodes, step);
            let finer = next.is_finer_than(&span);
            let same = (next.size / span.size - 1.0).abs() < 0.02;
            span = next;
            if !finer && same {
                break;
            }
        }
        Some(self.fitted(&nodes, noise, known, step))
    }

    fn whole(&self, sought: Sought) -> Span {
        let [first, last] = sought.bins.map(|bin| self.bins.start(bin) as f64);
        let size = self.bins.size as f64;
        let pulse = self.pulse;
        let [fastest, slowest] = CONSTANTS;
        let slowest = slowest.max(self.smoothing / pulse.max(1e-3));
        Span {
            centres: [first - 2.5 * pulse - size, last + size + slowest * pulse],
            constants: [fastest, slowest].map(f64::ln),
            size: sought.size,
        }
    }

    fn fitted(&self, nodes: &[Node], noise: &Noise<'_>, known: &[Known], step: f64) -> Fitted {
        let density = |node: &Node, event: &Known| {
            let sd = event.sd.hypot(self.zero).hypot(0.3 * step);
            let off = (node.start - self.late - event.at) / sd;
            (-0.5 * off * off).exp() / sd / 2.506_6
        };
        let odds = |event: &Known| {
            let there: f64 = nodes.iter().map(|n| n.weight * density(n, event)).sum();
            (there * self.bins.size as f64).ln() + EVENT_BONUS
        };
        let best = known.iter().enumerate().map(|(k, event)| (k, odds(event)));
        let best = best
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .filter(|b| b.1 > 0.0);
        let event = best.and_then(|(k, _)| known.get(k));
        let weight = |node: &Node| node.weight * event.map_or(1.0, |e| density(node, e));
        let all: f64 = nodes.iter().map(weight).sum::<f64>().max(f64::MIN_POSITIVE);
        let mean = |f: fn(&Node) -> f64| nodes.iter().map(|n| weight(n) * f(n)).sum::<f64>() / all;
        let size = mean(|node| node.size);
        let scatter = nodes.iter().map(|n| weight(n) * (n.size - size).powi(2));
        let variance = noise.share * mean(|node| node.variance) + scatter.sum::<f64>() / all;
        let (start, half) = quantiles(nodes.iter().map(|n| (n.start, weight(n))));
        let shape = (SHAPE * self.pulse).min(UNSEEN * half / HALF_95);
        let open = half
            .max(0.5 * step)
            .hypot(HALF_95 * shape)
            .hypot(HALF_95 * self.zero);
        Fitted {
            ramp: Ramp {
                at: start,
                pulse: self.pulse,
                constant: mean(|node| node.constant) * self.pulse,
                fade: self.fade,
                size,
            },
            half: open,
            size_sd: variance.sqrt(),
            known: best.map(|(k, _)| k),
        }
    }
}

impl Span {
    fn is_finer_than(&self, other: &Self) -> bool {
        let parts = |span: &Self| [span.centres, span.constants].map(|[low, high]| high - low);
        let mut pairs = parts(self).into_iter().zip(parts(other));
        pairs.any(|(new, old)| new < 0.7 * old)
    }

    /// The part of it in which the step surely lies.
    fn narrowed(self, nodes: &[Node], step: f64) -> Self {
        let told = |f: fn(&Node) -> f64| quantiles(nodes.iter().map(|n| (f(n), n.weight)));
        // A coarse grid may light on a neighbour of the best place: some steps more.
        let narrow = |[low, high]: [f64; 2], (at, half): (f64, f64), step: f64| {
            let reach = 2.2 * half.max(0.5 * step) + 0.7 * step;
            [(at - reach).max(low), (at + reach).min(high)]
        };
        let (centre, half) = told(|node| node.centre);
        let [first, last] = self.constants;
        // Between coarse centres the best constant is a wrong one.
        let constants = if half > step {
            let each = (last - first) / (EACH[0] - 1) as f64;
            narrow(self.constants, told(|node| node.constant.ln()), each)
        } else {
            self.constants
        };
        Self {
            centres: narrow(self.centres, (centre, half), step),
            constants,
            size: nodes.iter().map(|n| n.weight * n.size).sum(),
        }
    }
}

/// The points of one pass, and what is known of them whatever the start.
struct Window<'a> {
    scene: &'a Scene<'a>,
    gls: Gls,
    /// Points within, whose fall depends on the start.
    near: Vec<Point>,
    /// Where among all points they begin.
    offset: usize,
    /// What makes the noise of the points near white.
    filter: Filter,
    /// Falls less a sharp step of the size at the window's end, weighed.
    left: Vec<f64>,
    square: f64,
    size: f64,
    /// What lies behind the window: times itself, times slow things, times what is left.
    behind: (f64, Row, f64),
}

impl<'a> Window<'a> {
    fn new(scene: &'a Scene<'a>, noise: &Noise<'_>, span: Span, others: &[Ramp]) -> Option<Self> {
        let (points, within) = scene.points(noise, span);
        let [from, to] = within;
        let filter = scene.filter(noise, cut(&points, from, to));
        let gls = Gls::new(&points, noise, (&filter, within))?;
        let fall = |point: &Point| scene.fall(point, others);
        let falls: Vec<f64> = points.iter().map(fall).collect();
        let near = cut(&points, from, to).to_vec();
        let white = falls.iter().zip(&points).enumerate();
        let mut white: Vec<f64> = white
            .map(|(i, (fall, point))| (fall - if i < to { 0.0 } else { span.size }) * point.inverse)
            .collect();
        let sharp = filter.white(cut(&white, from, to));
        white.get_mut(from..to)?.copy_from_slice(&sharp);
        let weighed = gls.weighed(&white);
        let inverse: Vec<f64> = points.iter().skip(to).map(|point| point.inverse).collect();
        let rows = cut(gls.rows(), to, points.len());
        let behind = (
            inverse.iter().map(|inverse| inverse * inverse).sum(),
            Gls::onto(&inverse, rows),
            inverse
                .iter()
                .zip(weighed.left.iter().skip(to))
                .map(|(a, b)| a * b)
                .sum(),
        );
        Some(Self {
            scene,
            near,
            offset: from,
            filter,
            left: cut(&weighed.left, from, to).to_vec(),
            square: weighed.square,
            size: span.size,
            behind,
            gls,
        })
    }

    /// Every start with every time constant, with what each is worth.
    fn nodes(&self, span: Span, noise: &Noise<'_>) -> Option<Vec<Node>> {
        let mut nodes = Vec::with_capacity(EACH[0] * EACH[1]);
        for constant in grid(span.constants, EACH[0]).map(f64::exp) {
            for centre in grid(span.centres, EACH[1]) {
                nodes.push(self.node(centre, constant));
            }
        }
        let least = nodes.iter().min_by(|a, b| a.misfit.total_cmp(&b.misfit))?;
        let excess = self.excess(least, noise.share).max(1.0);
        let (least, scale) = (least.misfit, noise.share * excess);
        let mut all = 0.0;
        for node in &mut nodes {
            let off = (node.constant / USUAL).ln();
            let misfit = (node.misfit - least) / scale + off * off;
            node.weight = (-0.5 * misfit).exp() * node.variance.sqrt();
            node.variance *= excess;
            all += node.weight;
        }
        nodes.iter_mut().for_each(|node| node.weight /= all);
        all.is_finite().then_some(nodes)
    }

    fn ramp(&self, start: f64, constant: f64) -> Ramp {
        let pulse = self.scene.pulse;
        Ramp {
            at: start,
            pulse,
            constant: constant * pulse,
            fade: self.scene.fade,
            size: self.size,
        }
    }

    /// What each point near shows of a ramp, and how that grows with its size: in deviations.
    fn shown(&self, ramp: &Ramp) -> (Vec<f64>, Vec<f64>) {
        let falls = self
            .near
            .iter()
            .map(|point| ramp.fall(point.first, point.samples));
        let (mut fall, mut grows): (Vec<f64>, Vec<f64>) = falls.unzip();
        for ((fall, grows), point) in fall.iter_mut().zip(&mut grows).zip(&self.near) {
            *fall *= point.inverse;
            *grows *= point.inverse;
        }
        (self.filter.white(&fall), self.filter.white(&grows))
    }

    fn node(&self, centre: f64, constant: f64) -> Node {
        let start = centre - constant * self.scene.pulse;
        let (fall, grows) = self.shown(&self.ramp(start, constant));
        let rows = cut(self.gls.rows(), self.offset, self.offset + self.near.len());
        let (mut on_fall, mut on_grows) = ([0.0; WIDTH], self.behind.1);
        let (mut falls, mut both, mut seen) = (0.0, 0.0, 0.0);
        let (mut growth, mut grown) = (self.behind.0, self.behind.2);
        for (((fall, grows), left), row) in fall.iter().zip(&grows).zip(&self.left).zip(rows) {
            for ((f, g), r) in on_fall.iter_mut().zip(&mut on_grows).zip(row) {
                *f += fall * r;
                *g += grows * r;
            }
            falls += fall * fall;
            both += fall * grows;
            seen += fall * left;
            growth += grows * grows;
            grown += grows * left;
        }
        let slow_fall = self.gls.slow(&on_fall);
        let own = growth - dot(&on_grows, &self.gls.slow(&on_grows));
        let own = own.max(1e-9 * growth).max(f64::MIN_POSITIVE);
        let more = grown - (both - dot(&on_grows, &slow_fall));
        let square = self.square - 2.0 * seen + falls - dot(&on_fall, &slow_fall);
        Node {
            start,
            constant,
            centre,
            size: self.size + more / own,
            variance: own.recip(),
            misfit: square - more * more / own,
            weight: 0.0,
        }
    }

    /// What is left at the points near, by what noise would leave.
    fn excess(&self, best: &Node, share: f64) -> f64 {
        let ramp = self.ramp(best.start, best.constant);
        let (fall, grows) = self.shown(&ramp);
        let more = best.size - self.size;
        let shown = fall.iter().zip(&grows);
        let shown: Vec<f64> = shown.map(|(fall, grows)| fall + more * grows).collect();
        let rows = cut(self.gls.rows(), self.offset, self.offset + self.near.len());
        let near = Gls::onto(&shown, rows);
        let mut behind = self.behind.1.iter();
        let slow = near.map(|near| near + more * behind.next().copied().unwrap_or_default());
        let slow = self.gls.slow(&slow);
        let left = self.left.iter().zip(&shown).zip(rows);
        let left = left.map(|((left, shown), row)| left - shown + dot(&slow, row));
        largest_excess(left.collect()) / share
    }
}

impl Scene<'_> {
    /// Bins, finer where the step may lie, and which of the points those are.
    fn points(&self, noise: &Noise<'_>, span: Span) -> (Vec<Point>, [usize; 2]) {
        let [low, high] = span.centres;
        let slowest = span.constants[1].exp() * self.pulse;
        let ramp = self.ramp_length(slowest);
        let (low, high) = (low - slowest - self.pulse - 2.0, high + ramp + 2.0);
        let last = noise.sigma.len().saturating_sub(1);
        let first = self
            .bins
            .of(whole(low.max(0.0)))
            .saturating_sub(1)
            .min(last);
        let behind = (self.bins.of(whole(high.max(0.0))) + 1).min(last);
        let count = (behind - first) * self.bins.size;
        let loudest = cut(&noise.sigma, first, behind)
            .iter()
            .copied()
            .fold(0.0, f64::max);
        let quiet = loudest * noise.share.sqrt() / MOST_NOISE_DB;
        let enough = whole((quiet * quiet * self.bins.size as f64).ceil());
        let group = count
            .div_ceil(MOST_POINTS)
            .max(enough)
            .clamp(1, self.bins.size);
        let mut points = Vec::with_capacity(noise.sigma.len() + MOST_POINTS);
        let mut within = [0, 0];
        for (bin, sigma) in noise.sigma.iter().enumerate() {
            if bin == first {
                within = [points.len(), points.len()];
            }
            let group = if (first..behind).contains(&bin) {
                group
            } else {
                self.bins.size
            };
            let start = self.bins.start(bin);
            for part in (0..self.bins.size).step_by(group) {
                let samples = group.min(self.bins.size - part);
                let share = (self.bins.size as f64 / samples as f64).sqrt();
                points.push(Point {
                    bin,
                    first: start + part,
                    samples,
                    inverse: (sigma * share).recip(),
                });
            }
            if bin < behind {
                within[1] = points.len();
            }
        }
        quietest_of_two(&mut points, within);
        (points, within)
    }

    /// What makes the noise of the points near white.
    fn filter(&self, noise: &Noise<'_>, near: &[Point]) -> Filter {
        let samples = near.first().map_or(1, |point| point.samples);
        let middle = near.get(near.len() / 2).map_or(0, |point| point.bin);
        let part = (middle as f64 + 0.5) / self.bins.count.max(1) as f64;
        noise.colour.filter(part, samples)
    }

    fn ramp_length(&self, constant: f64) -> f64 {
        let ramp = Ramp {
            at: 0.0,
            pulse: self.pulse,
            constant,
            fade: 0.0,
            size: 0.0,
        };
        ramp.length()
    }

    /// By how much less light a point shows, beyond what other steps explain.
    fn fall(&self, point: &Point, others: &[Ramp]) -> f64 {
        let sum = |power: &[f64]| -> f64 {
            cut(power, point.first, point.first + point.samples)
                .iter()
                .sum()
        };
        let known = others
            .iter()
            .map(|ramp| ramp.fall(point.first, point.samples).0);
        fall(sum(self.before), sum(self.now)) - known.sum::<f64>()
    }
}

/// A point is no surer than the one before it, which is taken off it: edges tremble.
fn quietest_of_two(points: &mut [Point], [from, to]: [usize; 2]) {
    let near = points.get_mut(from..to).unwrap_or_default();
    let mut before = f64::MAX;
    for point in near {
        let own = point.inverse;
        point.inverse = own.min(before);
        before = own;
    }
}

/// Even steps from one number to another, both included.
fn grid([low, high]: [f64; 2], count: usize) -> impl Iterator<Item = f64> {
    let step = (high - low) / (count - 1).max(1) as f64;
    (0..count).map(move |i| low + step * i as f64)
}

/// The median of weighted numbers, and half of what holds 95 % of them.
fn quantiles(weighted: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let mut weighted: Vec<(f64, f64)> = weighted.collect();
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let quantile = |share: f64| {
        let (mut sum, mut last) = (0.0, (f64::NEG_INFINITY, 0.0));
        for (place, weight) in &weighted {
            let here = sum + 0.5 * weight / total;
            if here >= share {
                let (at, below) = last;
                let part = (share - below) / (here - below).max(1e-12);
                return if at.is_finite() {
                    at + part * (place - at)
                } else {
                    *place
                };
            }
            if *weight > 1e-12 * total {
                last = (*place, here);
            }
            sum += weight / total;
        }
        last.0
    };
    let at = quantile(0.5);
    let (below, above) = (at - quantile(0.025), quantile(0.975) - at);
    (at, ((below * below + above * above) / 2.0).sqrt())
}

#[cfg(test)]
mod tests;
