//! Which candidates are events: the cheapest way to cut the trace into straight glass.
//!
//! Dynamic programming over candidates and over how much each hides. The cost of a way is the
//! misfit of a line through every stretch in units of noise, a price an event, and for hidden
//! points what honest ones would cost.

use super::candidates::Candidates;
use super::grid::{Fit, Grid};
use super::rise::Rise;
use super::second::Falls;
use crate::trace::product::{highest, lowest};
use crate::trace::samples::{cut, whole};

/// What a way may cost more than an event at the place looked at and still be followed: that event
/// needs room behind it, which other places do not leave.
const SLACK: f64 = 60.0;

/// Lengths an event may hide, in pulses: a step hides one, a peak with its tail many.
const HIDDEN: [f64; 18] = [
    0.2, 0.5, 0.8, 1.1, 1.5, 1.9, 2.4, 3.0, 3.8, 4.8, 6.0, 7.5, 9.5, 12.0, 15.5, 20.0, 26.0, 34.0,
];

/// Longer ones end on a lattice of this part of a pulse.
const LATTICE: f64 = 0.2;

/// Price of an exponential tail, in units of squared noise.
const TAIL_PRICE: f64 = 12.0;

/// Price of a pulse that an event's own light may hide: settling steps, reflections dying away.
const TAIL: f64 = 6.0;

/// A receiver made for the pulse settles with this part of it and this much glass, in kilometres,
/// and this share of a reflection lingers for so many of both. Lingering light is hidden while it
/// is above this share of the glass's; what is left then a fit can follow.
const SETTLES: f64 = 0.46;
const SETTLES_KM: f64 = 0.002;
const LINGERING: f64 = 3e-4;
const LINGERS: f64 = 6.0;
const FOLLOWED: f64 = 0.3;

/// From so many edges behind an event's start, a step that settles has left no more than so many times
/// its exponential, a share that a receiver keeps for long, and so many deviations.
const SETTLING_EDGES: f64 = 2.0;
const LEFT: f64 = 2.0;
const LEFT_FOR_LONG: f64 = 0.02;
const LEFT_SIGMAS: f64 = 6.0;

/// Price of a pulse hidden by the launch.
const LAUNCH: f64 = 8.0;

/// What more than so many pulses and the kilometres below cost more, a pulse: what is longer is
/// rather an event in the first glass.
const LAUNCH_PULSES: f64 = 2.0;
const LONG_LAUNCH: f64 = 20.0;

/// The launch hides this many pulses and kilometres at the most; the glass behind it recovers.
const MOST_LAUNCH: f64 = 8.0;
const MOST_LAUNCH_KM: f64 = 0.06;

/// Price of a pulse that nothing explains to be hidden: what is longer is rather two events.
const STEP_PULSE: f64 = 18.0;

/// Between two events lies glass of this many edges at the least.
const LEAST_GLASS: f64 = 0.8;

/// Less than this many pulses are hidden without an explanation.
const MOST_STEP: f64 = 4.5;

/// One event: the glass before it ends at `from`, the glass behind it starts at `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Whether a receiver may recover behind it: the launch and reflections.
    pub(crate) bright: bool,
}

impl Cut {
    /// The glass behind it, up to before a point.
    pub(crate) fn glass(&self, grid: &Grid, end: usize) -> Option<Fit> {
        if self.bright {
            grid.fit_recovering(self.to, end, TAIL_PRICE)
        } else {
            grid.fit(self.to, end)
        }
    }
}

/// The cheapest way so far that ends with one event, hiding one length.
#[derive(Clone, Copy, Debug)]
struct Way {
    cost: f64,
    cut: Cut,
    previous: Option<usize>,
    /// What it costs with the glass behind it as far as it was looked at, and what it will cost at
    /// the least from there on: more glass costs no less.
    seen: Option<f64>,
    least: f64,
}

impl Way {
    const fn new(cost: f64, cut: Cut, previous: Option<usize>) -> Self {
        Self {
            cost,
            cut,
            previous,
            seen: None,
            least: cost,
        }
    }
}

/// The cuts of the cheapest way, the launch first.
pub(crate) fn best(grid: &Grid, candidates: &Candidates) -> Vec<Cut> {
    let last = grid.levels.len();
    let least = whole(LEAST_GLASS * grid.edge).max(3);
    let mut lengths = HIDDEN
        .map(|pulses| whole((pulses * grid.edge).round()).max(1))
        .to_vec();
    lengths.dedup();
    let longest = lengths.last().copied().unwrap_or(1);
    let coarse = whole(2.0 * grid.edge);
    let lattice = whole(LATTICE * grid.edge).max(1);
    let prices = Prices::new(grid, candidates);
    let mut search = Search {
        grid,
        least,
        ways: launches(grid, &prices),
        alive: Vec::new(),
        last: None,
        newest: vec![[0; 2]; last + 1],
    };
    search.alive = (0..search.ways.len()).collect();
    let mut fresh = Vec::with_capacity(lengths.len());
    for &place in &candidates.places {
        let Some((before, previous)) = search.cheapest(place) else {
            continue;
        };
        let stop = prices.stop(place, place + longest);
        let event = |to: usize| Some(before + prices.event(place, to)?).filter(|_| to <= stop);
        // A way that costs more than a fresh event here will hardly be the cheapest again.
        fresh.clear();
        fresh.extend(lengths.iter().map(|length| event(place + length)));
        let cheapest = fresh.iter().flatten().copied().fold(f64::MAX, f64::min);
        if cheapest < f64::MAX {
            search.prune(cheapest + SLACK);
        }
        for (length, fresh) in lengths.iter().zip(&fresh) {
            let exact = place + length;
            // Where much is hidden, a place more or less is nothing.
            let to = if exact > place + coarse {
                exact - exact % lattice
            } else {
                exact
            };
            if to + least > last {
                break;
            }
            let cost = if to == exact { *fresh } else { event(to) };
            let Some(cost) = cost else { continue };
            let cut = Cut {
                from: place,
                to,
                bright: prices.rises(place, to).0 > 0.0,
            };
            search.follow(Way::new(cost, cut, Some(previous)));
        }
    }
    let Some((_, mut at)) = search.cheapest(last) else {
        return Vec::new();
    };
    let mut cuts = Vec::new();
    while let Some(way) = search.ways.get(at) {
        cuts.push(way.cut);
        let Some(previous) = way.previous else { break };
        at = previous;
    }
    cuts.reverse();
    cuts
}

/// What it costs to hide points.
struct Prices<'a> {
    grid: &'a Grid,
    /// Points that a receiver takes to settle by a factor of e, and from the largest step there may
    /// be to the least noise.
    settles: f64,
    longest: f64,
    /// Levels with the usual slope taken off, and the share of a step that may be left so many points
    /// behind an edge.
    flat: Vec<f64>,
    left: Vec<f64>,
    /// Before each point: reflections that rise there, and points that reflections may hide.
    rises: Vec<(f64, f64)>,
    /// Where reflections have their tops: no glass begins there.
    tops: Vec<[usize; 2]>,
    falls: Falls<'a>,
}

impl<'a> Prices<'a> {
    fn new(grid: &'a Grid, candidates: &Candidates) -> Self {
        let settles = SETTLES * grid.edge + SETTLES_KM / grid.step_km;
        let mut rises = Vec::with_capacity(grid.levels.len() + 1);
        let mut ahead = candidates.rises.iter().peekable();
        let (mut sum, mut bright_to) = ((0.0, 0.0), 0);
        for i in 0..=grid.levels.len() {
            rises.push(sum);
            while let Some(rise) = ahead.next_if(|rise| rise.at <= i) {
                sum.0 += 1.0;
                bright_to = bright_to.max(rise.until + reach(grid, rise, settles));
            }
            sum.1 += f64::from(i < bright_to);
        }
        let tops = candidates.rises.iter().map(|rise| [rise.at, rise.until]);
        let (low, high) = (lowest(&grid.levels), highest(&grid.levels));
        let quiet = lowest(&grid.wide);
        let longest = settles * ((high - low) / quiet).max(1.0).ln();
        let flat = grid.flat();
        let begins = whole(SETTLING_EDGES * grid.edge);
        let [.., most] = HIDDEN.map(|pulses| whole((pulses * grid.edge).ceil()));
        let left = |k: usize| {
            let behind = (begins + k) as f64 - grid.edge;
            LEFT * (-behind / settles).exp() + LEFT_FOR_LONG
        };
        Self {
            grid,
            settles,
            longest,
            left: (0..=most).map(left).collect(),
            rises,
            tops: tops.collect(),
            falls: Falls::of(grid, &flat),
            flat,
        }
    }

    /// The last point that an event may hide: no more than one event does.
    fn stop(&self, from: usize, most: usize) -> usize {
        let within = |[at, _]: &&[usize; 2]| (from..=from + self.grid.edge_points()).contains(at);
        let rise = self.tops.iter().find(within);
        let step = from + self.grid.edge_points();
        let top = rise.map_or(step, |[_, until]| *until);
        self.falls.stop(from, top, most)
    }

    fn is_on_top(&self, point: usize) -> bool {
        let next = self
            .tops
            .partition_point(|top| top.first().is_some_and(|at| *at < point));
        let top = next.checked_sub(1).and_then(|last| self.tops.get(last));
        top.and_then(|top| top.last())
            .is_some_and(|until| point < *until)
    }

    fn rises(&self, from: usize, to: usize) -> (f64, f64) {
        let last = self.rises.last().copied().unwrap_or_default();
        let before = |i: usize| self.rises.get(i).copied().unwrap_or(last);
        let (a, b) = (before(from), before(to));
        (b.0 - a.0, b.1 - a.1)
    }

    /// An event that hides the points from one to before another: each reflection counts. None
    /// where nothing could hide so many.
    fn event(&self, from: usize, to: usize) -> Option<f64> {
        if self.is_on_top(to) {
            return None;
        }
        let points = (to - from) as f64;
        let edge = self.grid.edge;
        let (rises, bright) = self.rises(from, to);
        let dark = points - bright;
        let settled = if rises > 0.0 || dark <= edge {
            0.0
        } else if dark - edge - self.longest >= MOST_STEP * edge {
            return None;
        } else {
            self.settled(from, to)
        };
        let beyond = (dark - edge - settled).max(0.0) / edge;
        let tail = (points - edge).max(0.0) / edge - beyond;
        let price = self.grid.price * rises.max(1.0) + TAIL * tail + STEP_PULSE * beyond;
        (beyond < MOST_STEP).then_some(price + self.grid.honest(from, to))
    }

    /// Points over which the step between two points settles to the noise; none where the light
    /// between them does not.
    fn settled(&self, from: usize, to: usize) -> f64 {
        let level = |i: usize| self.flat.get(i).copied();
        let (Some(before), Some(after)) = (level(from), level(to)) else {
            return 0.0;
        };
        let sigma = self.grid.wide.get(from).copied().unwrap_or(1.0);
        let step = (after - before).abs();
        let settles =
            |(level, left): (&f64, &f64)| (after - level).abs() < left * step + LEFT_SIGMAS * sigma;
        let begins = from + whole(SETTLING_EDGES * self.grid.edge);
        let mut between = cut(&self.flat, begins, to).iter().zip(&self.left);
        if !between.all(settles) {
            return 0.0;
        }
        self.settles * (step / sigma).max(1.0).ln()
    }

    /// The launch, whose own reflection, up to `top`, is free.
    fn launch(&self, top: usize, to: usize) -> f64 {
        let rises = self.rises(top, to).0;
        let pulse = self.grid.pulse_points;
        let usual = LAUNCH_PULSES * pulse + MOST_LAUNCH_KM / self.grid.step_km;
        let beyond = ((to - top.min(to)) as f64 - usual).max(0.0);
        let hidden = LAUNCH * to as f64 + LONG_LAUNCH * beyond;
        self.grid.price * rises + hidden / pulse + self.grid.honest(0, to)
    }
}

/// Points behind the top of a reflection that its light may hide.
fn reach(grid: &Grid, rise: &Rise, settles: f64) -> usize {
    let sigma = grid.wide.get(rise.at).copied().unwrap_or(1.0);
    // What the receiver's range hides may be as bright as an open connector.
    let hidden = if rise.clipped { grid.brightest } else { 0.0 };
    let height = rise.height.max(hidden) * std::f64::consts::LN_10 / 5.0;
    let settling = settles * (height - (sigma / 2.0).ln()).max(0.0);
    let unit = grid.pulse_points + 2.0 * SETTLES_KM / grid.step_km;
    let lingering = LINGERS * unit * (height + (LINGERING / FOLLOWED).ln()).max(0.0);
    whole(settling.max(lingering).ceil())
}

/// The ways tried so far, and those that may still become the cheapest.
struct Search<'a> {
    grid: &'a Grid,
    /// Fewest points of glass between two events.
    least: usize,
    ways: Vec<Way>,
    alive: Vec<usize>,
    /// The way that was the cheapest at the place looked at last.
    last: Option<usize>,
    /// The way whose glass begins at a point, behind a reflection or not, counted from 1: one is
    /// enough.
    newest: Vec<[usize; 2]>,
}

impl Search<'_> {
    /// Looks at what a way costs up to `place`, if it can get there along straight glass for less
    /// than a limit.
    fn look(&mut self, index: usize, place: usize, limit: f64) -> Option<f64> {
        let way = self.ways.get_mut(index)?;
        if way.least >= limit || way.cut.to + self.least > place {
            return None;
        }
        let plain = way.cost + self.grid.fit(way.cut.to, place)?.cost;
        // With a tail the glass costs the tail's price at the least.
        let least = if way.cut.bright {
            plain.min(way.cost + TAIL_PRICE)
        } else {
            plain
        };
        way.least = least.max(way.least);
        if way.least >= limit {
            way.seen = Some(way.least.max(way.seen.unwrap_or(f64::MIN)));
            return None;
        }
        if !way.cut.bright {
            way.seen = Some(plain);
            return Some(plain);
        }
        let glass = way.cut.glass(self.grid, place)?;
        let exact = way.cost + glass.cost;
        way.seen = Some(exact);
        if self.grid.is_long(way.cut.to, place) {
            // All tails were tried: more glass may make one of them sane that is not yet.
            let less = if glass.least { 0.0 } else { TAIL_PRICE };
            way.least = way.least.max(exact - less);
        }
        way.seen.filter(|cost| *cost < limit)
    }

    /// Takes up a way, instead of one whose glass begins at the same point and that costs more:
    /// none leads on from that one yet, for places are looked at in order.
    fn follow(&mut self, way: Way) {
        let newest = self.newest.get_mut(way.cut.to);
        let Some(own) = newest.and_then(|both| both.get_mut(usize::from(way.cut.bright))) else {
            return;
        };
        let other = own.checked_sub(1).and_then(|i| self.ways.get_mut(i));
        if let Some(other) = other {
            if way.cost < other.cost {
                *other = way;
            }
            return;
        }
        self.alive.push(self.ways.len());
        self.ways.push(way);
        *own = self.ways.len();
    }

    /// The cheapest way to reach `place`, with its cost.
    fn cheapest(&mut self, place: usize) -> Option<(f64, usize)> {
        let mut found: Option<(f64, usize)> = None;
        let alive = std::mem::take(&mut self.alive);
        // What was the cheapest last comes first: most others need no look then.
        let first = self.last.or_else(|| alive.first().copied());
        let others = alive.iter().copied().filter(|i| Some(*i) != first);
        for i in first.into_iter().chain(others) {
            let limit = found.map_or(f64::MAX, |(cost, _)| cost);
            found = self.look(i, place, limit).map(|cost| (cost, i)).or(found);
        }
        self.last = found.map(|(_, i)| i).or(self.last);
        self.alive = alive;
        found
    }

    /// Drops the ways that cost more than a limit at the place they were looked at last; those
    /// that hide more than could be looked at yet stay.
    fn prune(&mut self, limit: f64) {
        let ways = &self.ways;
        self.alive.retain(|i| {
            ways.get(*i)
                .is_some_and(|way| way.seen.is_none_or(|seen| seen <= limit))
        });
    }
}

/// The launch hides the first points: how many is open, but for its rise and its flat top.
fn launches(grid: &Grid, prices: &Prices<'_>) -> Vec<Way> {
    let least = launch_top(grid);
    let most = whole(MOST_LAUNCH * grid.pulse_points + MOST_LAUNCH_KM / grid.step_km);
    let lengths = (-6..40).map(|i| whole(grid.pulse as f64 * 1.25_f64.powi(i)));
    let stop = prices.falls.stop(0, least, least + most);
    let mut lengths: Vec<usize> = lengths
        .map(|length| length.min(most) + least)
        .filter(|n| n + 8 < grid.levels.len() && *n <= stop)
        .collect();
    lengths.dedup();
    let way = |to: usize| {
        let cut = Cut {
            from: 0,
            to,
            bright: true,
        };
        Way::new(prices.launch(least, to), cut, None)
    };
    lengths.into_iter().map(way).collect()
}

/// The last point of the first top: behind the rise, and behind a receiver held at its limit.
fn launch_top(grid: &Grid) -> usize {
    const FLAT_DB: f64 = 0.002;
    let levels = &grid.levels;
    let reach = 2 * grid.pulse.max(2);
    let is_top = |i: usize, level: f64| cut(levels, i, i + reach).iter().all(|l| *l <= level);
    let top = levels
        .iter()
        .enumerate()
        .find(|(i, level)| is_top(*i, **level));
    top.map_or(0, |(at, top)| {
        let flat = cut(levels, at, levels.len()).iter();
        at + flat.take_while(|level| **level > top - FLAT_DB).count()
    })
}
