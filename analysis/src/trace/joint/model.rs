//! The light around a few edges as a function of everything unknown, with its derivatives.
//!
//! In linear power over the unit, with `s` the share of a step that shows and `r` of a reflection:
//!
//! ```text
//! P(z) = Σ glassⱼ(z)·(sⱼ - sⱼ₊₁) + Σ heightₖ·r(z - xₖ) + Σ lingerₖ·r(z - xₖ; reach) + launch tail
//! glassⱼ(z) = exp(levelⱼ + slopeⱼ·(z - refⱼ))
//! ```

use super::blocks::Block;
use super::columns::Columns;
use super::receiver::{Pair, Receiver, Seen, grown};
use crate::trace::samples::rest;

/// Where an unknown stands in the row of all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct EdgeAt {
    pub(super) place: usize,
    /// The reflection's height over the light at the edge.
    pub(super) height: Option<usize>,
    /// What of it lingers, and the logarithm of how long.
    pub(super) linger: Option<[usize; 2]>,
}

/// What the unknowns are, and where each stands.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Logarithm of the receiver's constant.
    pub(super) constant: usize,
    /// Level and slope of each stretch of glass, and the place its level counts from.
    pub(super) glass: Vec<([usize; 2], f64)>,
    pub(super) edges: Vec<EdgeAt>,
    /// The images that show, of all that are expected.
    pub(super) images: Vec<Option<EdgeAt>>,
    /// What lingers from before the first block, and the logarithm of how long.
    pub(super) launch: Option<[usize; 2]>,
    pub(super) count: usize,
}

impl Layout {
    /// For glass that counts from these places, edges with these parts, and the images that show.
    pub(super) fn new(refs: &[f64], parts: &[[bool; 2]], images: &[bool], launch: bool) -> Self {
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let constant = next();
        let glass = refs.iter().map(|at| ([next(), next()], *at)).collect();
        let edge = |[reflects, lingers]: &[bool; 2]| EdgeAt {
            place: next(),
            height: reflects.then(&mut next),
            linger: lingers.then(|| [next(), next()]),
        };
        let edges = parts.iter().map(edge).collect();
        let image = |shows: &bool| {
            shows.then(|| EdgeAt {
                place: next(),
                height: Some(next()),
                linger: None,
            })
        };
        let images = images.iter().map(image).collect();
        let launch = launch.then(|| [next(), next()]);
        Self {
            constant,
            glass,
            edges,
            images,
            launch,
            count,
        }
    }
}

impl Layout {
    /// Every unknown of this layout beside the same one of another with the same events.
    pub(super) fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = [usize; 2]> + 'a {
        let glass = self.glass.iter().zip(&other.glass);
        let glass = glass.flat_map(|(([a, b], _), ([c, d], _))| [[*a, *c], [*b, *d]]);
        let images = self.images.iter().zip(&other.images);
        let images = images.filter_map(|(a, b)| a.as_ref().zip(b.as_ref()));
        let edges = self.edges.iter().zip(&other.edges).chain(images);
        let edges = edges.flat_map(|(a, b)| {
            let two = |pair: ([usize; 2], [usize; 2])| {
                let ([a, b], [c, d]) = pair;
                [[a, c], [b, d]]
            };
            let place = [[a.place, b.place]].into_iter();
            let height = a.height.zip(b.height).map(|(a, b)| [a, b]);
            let linger = a.linger.zip(b.linger).map(two).into_iter().flatten();
            place.chain(height).chain(linger)
        });
        let launch = self.launch.zip(other.launch);
        let launch = launch.map(|([a, b], [c, d])| [[a, c], [b, d]]);
        [[self.constant, other.constant]]
            .into_iter()
            .chain(glass)
            .chain(edges)
            .chain(launch.into_iter().flatten())
    }

    /// The shares of light that this layout has and another with the same events lacks.
    pub(super) fn new_shares<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let edges = self.edges.iter().zip(&other.edges).flat_map(|(a, b)| {
            let height = a.height.filter(|_| b.height.is_none());
            let linger = a.linger.filter(|_| b.linger.is_none());
            height.into_iter().chain(linger.map(|[share, _]| share))
        });
        let images = self.images.iter().zip(&other.images);
        let images = images.filter_map(|(a, b)| a.filter(|_| b.is_none())?.height);
        let launch = self.launch.filter(|_| other.launch.is_none());
        edges.chain(images).chain(launch.map(|[share, _]| share))
    }
}

/// What does not change while the unknowns do.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) layout: Layout,
    pub(super) blocks: Vec<Block>,
    pub(super) pulse: f64,
    pub(super) fade: f64,
    pub(super) spacing: f64,
    /// Light that each reflection's height counts in, and each image's.
    pub(super) units: Vec<f64>,
    pub(super) image_units: Vec<f64>,
}

/// What one block shows of one edge.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    seen: Seen,
    linger: f64,
    linger_more: f64,
}

/// What the blocks show of one edge from the first on that does, up to where nothing changes any
/// more; and how much light it is of.
struct Sight {
    start: usize,
    /// How many blocks there are from the start on.
    blocks: usize,
    shown: Vec<Shown>,
    /// Light that the edge's reflection counts in, and what of it comes back and stays.
    unit: f64,
    height: f64,
    stays: f64,
}

impl Sight {
    /// What each block shows where that still changes.
    fn seen(&self) -> impl Iterator<Item = &Seen> + Clone {
        self.shown.iter().map(|shown| &shown.seen)
    }

    /// The share of the new light in every block.
    fn steps(&self) -> Vec<f64> {
        let mut steps = Vec::with_capacity(self.start + self.blocks);
        steps.resize(self.start, 0.0);
        steps.extend(self.seen().map(|seen| seen.step));
        steps.resize(self.start + self.blocks, Seen::COMPLETE.step);
        steps
    }
}

/// The receivers an edge is seen through.
struct Eyes {
    quick: Receiver,
    slow: Option<Receiver>,
    /// Samples of the block looked at last, and what two places that tell its mean come to.
    count: usize,
    pair: Pair,
    slow_pair: Option<Pair>,
}

impl Eyes {
    fn new(quick: Receiver, slow: Option<Receiver>) -> Self {
        Self {
            quick,
            slow,
            count: 1,
            pair: quick.pair(0.0),
            slow_pair: slow.map(|slow| slow.pair(0.0)),
        }
    }

    /// What samples around `u` show on average: two places tell the mean of anything smooth. Blocks
    /// of one size follow one another.
    fn around(&mut self, u: f64, count: usize, spacing: f64) -> Shown {
        if count != self.count {
            let off = spacing * (((count as f64).powi(2) - 1.0) / 12.0).sqrt();
            self.count = count;
            self.pair = self.quick.pair(off);
            self.slow_pair = self.slow.map(|slow| slow.pair(off));
        }
        let slow = self.slow.zip(self.slow_pair);
        let slow = slow.map_or_else(Seen::default, |(slow, pair)| slow.around(u, &pair));
        Shown {
            seen: self.quick.around(u, &self.pair),
            linger: slow.rise,
            linger_more: slow.rise_more,
        }
    }
}

/// The light of the glass of every block; and a column an unknown of the derivatives of all its
/// light, what the light lacks of what was seen as the last.
#[derive(Clone, Debug)]
pub(super) struct Light {
    pub(super) glass: Vec<f64>,
    pub(super) columns: Columns,
}

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(0.0)
}

/// The mean over a block's samples of light that falls by `half` nepers over half of it, over that
/// in its middle.
fn bulge(half: f64, count: usize) -> f64 {
    let square = half * half * (1.0 - (count as f64).powi(-2));
    1.0 + square * (1.0 / 6.0 + square * (1.0 / 120.0 + square / 5_040.0))
}

impl Model {
    /// The light for these unknowns, with its derivatives.
    pub(super) fn light(&self, values: &[f64]) -> Light {
        let layout = &self.layout;
        let pairs = layout.edges.iter().zip(&self.units);
        let sights: Vec<Sight> = pairs
            .map(|(e, unit)| self.sight(values, e, *unit))
            .collect();
        let glass = layout.glass.iter();
        let sent: Vec<Vec<f64>> = glass.map(|glass| self.sent(values, glass)).collect();
        let mut light = Light {
            glass: vec![0.0; self.blocks.len()],
            columns: Columns::new(self.blocks.len(), layout.count + 1),
        };
        let dark = vec![0.0; self.blocks.len()];
        let powers = self.blocks.iter().map(|block| block.power);
        light.columns.add(layout.count, 0, powers);
        self.add_glass(&sights, &sent, &mut light);
        let both = sent.iter().zip(sent.iter().skip(1));
        for ((edge, sight), sent) in layout.edges.iter().zip(&sights).zip(both) {
            self.add_edge(edge, sight, (sent.0, sent.1), &mut light.columns);
        }
        let images = layout.images.iter().zip(&self.image_units);
        for (image, unit) in images.filter_map(|(image, unit)| Some((image.as_ref()?, *unit))) {
            let sight = self.sight(values, image, unit);
            // Nothing of the glass changes there.
            self.add_edge(image, &sight, (&dark, &dark), &mut light.columns);
        }
        if let Some(launch) = layout.launch {
            self.add_launch(values, launch, &mut light.columns);
        }
        light
    }

    /// What the light lacks less, from a first block on, where one edge lies elsewhere and reflects by
    /// a height: one column for each of these pairs.
    pub(super) fn changes(
        &self,
        values: &[f64],
        k: usize,
        others: &[[f64; 2]],
    ) -> Option<Vec<(usize, Vec<f64>)>> {
        let (edge, unit) = (self.layout.edges.get(k)?, *self.units.get(k)?);
        let sent = |k: usize| Some(self.sent(values, self.layout.glass.get(k)?));
        let (before, behind) = (sent(k)?, sent(k + 1)?);
        let bare = EdgeAt {
            height: None,
            linger: None,
            ..*edge
        };
        let own = self.sight(values, &bare, unit).steps();
        let change = |[place, height]: &[f64; 2]| {
            let sight = self.sight_from(*place, values, &bare, unit);
            let start = sight
                .start
                .min(own.iter().take_while(|step| **step <= 0.0).count());
            let rises = vec![0.0; sight.start]
                .into_iter()
                .chain(sight.seen().map(|seen| seen.rise));
            let rises = rises.chain(std::iter::repeat(0.0));
            let steps = sight.steps();
            let lights = before
                .iter()
                .zip(&behind)
                .zip(steps.iter().zip(&own))
                .zip(rises);
            let less = lights.map(|(((before, behind), (step, own)), rise)| {
                (before - behind) * (step - own) - height * unit * rise
            });
            (start, less.skip(start).collect())
        };
        Some(others.iter().map(change).collect())
    }

    /// The light of every block.
    #[cfg(test)]
    pub(super) fn all(&self, values: &[f64]) -> Vec<f64> {
        let columns = self.light(values).columns;
        let each = self.blocks.iter().enumerate();
        each.map(|(i, block)| block.power - columns.at(i, self.layout.count))
            .collect()
    }

    /// The light that a stretch of glass would send back from every block, if it were there.
    fn sent(&self, values: &[f64], ([level, slope], from): &([usize; 2], f64)) -> Vec<f64> {
        let (level, slope) = (at(values, *level), at(values, *slope));
        let first = self.blocks.first().map_or(0.0, |block| block.at);
        let mut last = (first, (level + slope * (first - from)).exp());
        let mut swell = (0, 1.0);
        let next = |block: &Block| {
            last = (block.at, last.1 * grown(slope * (block.at - last.0)));
            // Blocks of one size follow one another.
            if block.count != swell.0 {
                swell = (block.count, bulge(slope * self.half(block), block.count));
            }
            last.1 * swell.1
        };
        self.blocks.iter().map(next).collect()
    }

    /// What every block shows of an edge.
    fn sight(&self, values: &[f64], edge: &EdgeAt, unit: f64) -> Sight {
        self.sight_from(at(values, edge.place), values, edge, unit)
    }

    /// The same of an edge at another place.
    fn sight_from(&self, place: f64, values: &[f64], edge: &EdgeAt, unit: f64) -> Sight {
        let eye = |log: f64, fade: f64| Receiver::new(self.pulse, log.exp(), fade);
        let slow = edge.linger.map(|[_, reach]| eye(at(values, reach), 0.0));
        let mut eyes = Eyes::new(eye(at(values, self.layout.constant), self.fade), slow);
        let before = |block: &Block| block.at - place + self.half(block) <= 0.0;
        let start = self.blocks.partition_point(before);
        let blocks = rest(&self.blocks, start);
        let mut shown = Vec::with_capacity(blocks.len());
        for block in blocks {
            let first = block.at - place - self.half(block);
            if slow.is_none() && eyes.quick.is_complete(first) {
                break;
            }
            shown.push(self.shown(block, place, &mut eyes));
        }
        Sight {
            start,
            blocks: blocks.len(),
            shown,
            unit,
            height: unit * edge.height.map_or(0.0, |index| at(values, index)),
            stays: unit * edge.linger.map_or(0.0, |[index, _]| at(values, index)),
        }
    }

    /// Half of a block's length.
    fn half(&self, block: &Block) -> f64 {
        block.count as f64 * self.spacing / 2.0
    }

    /// What a block shows of an edge, averaged over its samples where that matters.
    fn shown(&self, block: &Block, place: f64, eyes: &mut Eyes) -> Shown {
        let (middle, half) = (block.at - place, self.half(block));
        let bends = |corner: f64| (middle - corner).abs() <= half;
        let near = block.fine && (bends(0.0) || bends(self.pulse));
        if !near {
            return eyes.around(middle, block.count, self.spacing);
        }
        let first = middle - half + 0.5 * self.spacing;
        let mut sum = Shown::default();
        for k in 0..block.count {
            sum.add(first + self.spacing * k as f64, eyes);
        }
        sum.times((block.count as f64).recip())
    }

    /// The light of the glass between the edges, with its derivatives.
    fn add_glass(&self, sights: &[Sight], sent: &[Vec<f64>], light: &mut Light) {
        let count = self.blocks.len();
        let steps = [vec![1.0; count]].into_iter();
        let steps = steps
            .chain(sights.iter().map(Sight::steps))
            .chain([vec![0.0; count]]);
        let steps: Vec<Vec<f64>> = steps.collect();
        let starts = [0]
            .into_iter()
            .chain(sights.iter().map(|sight| sight.start));
        let glass = self.layout.glass.iter().zip(sent).zip(starts);
        let columns = &mut light.columns;
        for (((([level, slope], from), sent), start), (entered, left)) in
            glass.zip(steps.iter().zip(steps.iter().skip(1)))
        {
            let shares = rest(entered, start)
                .iter()
                .zip(rest(left, start))
                .map(|(a, b)| a - b);
            let own: Vec<f64> = rest(sent, start)
                .iter()
                .zip(shares)
                .map(|(a, b)| a * b)
                .collect();
            let sums = light.glass.iter_mut().skip(start);
            sums.zip(&own).for_each(|(sum, own)| *sum += own);
            let blocks = rest(&self.blocks, start);
            let far = own
                .iter()
                .zip(blocks)
                .map(|(own, block)| own * (block.at - from));
            columns.add(*slope, start, far);
            columns.add(self.layout.count, start, own.iter().map(|own| -own));
            columns.add(*level, start, own.iter().copied());
        }
    }

    /// What an edge's place and the receiver do to the light, and what the edge reflects; the light
    /// of the glass before it and behind it is given.
    fn add_edge(
        &self,
        edge: &EdgeAt,
        sight: &Sight,
        (before, behind): (&[f64], &[f64]),
        columns: &mut Columns,
    ) {
        let Sight {
            start,
            unit,
            height,
            stays,
            ..
        } = *sight;
        let lights = rest(before, start).iter().zip(rest(behind, start));
        let changes = || lights.clone().map(|(before, behind)| behind - before);
        let moved = sight.seen().zip(changes());
        let moved =
            moved.map(|(seen, change)| -change * seen.rise / self.pulse - height * seen.slope);
        columns.add(edge.place, start, moved);
        let slower = sight.seen().zip(changes());
        let slower = slower.map(|(seen, change)| change * seen.step_more + height * seen.rise_more);
        columns.add(self.layout.constant, start, slower);
        let lacks = self.layout.count;
        if let Some(index) = edge.height {
            let rises = || sight.seen().map(|seen| seen.rise);
            columns.add(index, start, rises().map(|rise| unit * rise));
            columns.add(lacks, start, rises().map(|rise| -height * rise));
        }
        if let Some([index, reach]) = edge.linger {
            let lingers = || sight.shown.iter().map(|shown| shown.linger);
            let longer = sight.shown.iter().map(|shown| stays * shown.linger_more);
            columns.add(index, start, lingers().map(|left| unit * left));
            columns.add(reach, start, longer);
            columns.add(lacks, start, lingers().map(|left| -stays * left));
        }
    }

    /// What lingers from before the first block.
    fn add_launch(&self, values: &[f64], [index, reach]: [usize; 2], columns: &mut Columns) {
        let first = self.blocks.first().map_or(0.0, |block| block.at);
        let (share, metres) = (at(values, index), at(values, reach).exp());
        let offs = self.blocks.iter().map(|block| (block.at - first) / metres);
        let left: Vec<(f64, f64)> = offs.map(|off| (off, (-off).exp())).collect();
        columns.add(index, 0, left.iter().map(|(_, left)| *left));
        columns.add(reach, 0, left.iter().map(|(off, left)| share * left * off));
        columns.add(
            self.layout.count,
            0,
            left.iter().map(|(_, left)| -share * left),
        );
    }
}

impl Shown {
    fn add(&mut self, u: f64, eyes: &Eyes) {
        if u <= 0.0 {
            return;
        }
        let here = eyes.quick.at(u);
        self.seen.step += here.step;
        self.seen.rise += here.rise;
        self.seen.slope += here.slope;
        self.seen.step_more += here.step_more;
        self.seen.rise_more += here.rise_more;
        if let Some(slow) = eyes.slow {
            let here = slow.at(u);
            self.linger += here.rise;
            self.linger_more += here.rise_more;
        }
    }

    fn times(mut self, share: f64) -> Self {
        let each = [
            &mut self.seen.step,
            &mut self.seen.rise,
            &mut self.seen.slope,
            &mut self.seen.step_more,
            &mut self.seen.rise_more,
            &mut self.linger,
            &mut self.linger_more,
        ];
        each.into_iter().for_each(|sum| *sum *= share);
        self
    }
}

#[cfg(test)]
mod tests;
