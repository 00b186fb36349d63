//! The light around a few edges as a function of everything unknown, with its derivatives.
//!
//! In linear power over the unit, with `s` the share of a step that shows and `r` of a reflection:
//!
//! ```text
//! P(z) = Σ glassⱼ(z)·(sⱼ - sⱼ₊₁) + Σ heightₖ·r(z - xₖ) + Σ lingerₖ·r(z - xₖ; reach) + launch tail
//! glassⱼ(z) = exp(levelⱼ + slopeⱼ·(z - refⱼ))
//! ```

use super::blocks::Block;
use super::receiver::{Receiver, Seen, grown};

/// So few samples of a block are looked at one by one; of more, two places tell the mean of
/// anything smooth.
const ONE_BY_ONE: usize = 2;

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
    /// What lingers from before the first block, and the logarithm of how long.
    pub(super) launch: Option<[usize; 2]>,
    pub(super) count: usize,
}

impl Layout {
    /// For glass that counts from these places, and edges with these parts.
    pub(super) fn new(refs: &[f64], parts: &[[bool; 2]], launch: bool) -> Self {
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
        let launch = launch.then(|| [next(), next()]);
        Self {
            constant,
            glass,
            edges,
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
        let edges = self.edges.iter().zip(&other.edges).flat_map(|(a, b)| {
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
        let launch = self.launch.filter(|_| other.launch.is_none());
        edges.chain(launch.map(|[share, _]| share))
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
    /// Light that each reflection's height counts in.
    pub(super) units: Vec<f64>,
}

/// What one block shows of one edge.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    seen: Seen,
    linger: f64,
    linger_more: f64,
}

/// The receivers an edge is seen through.
struct Eyes {
    quick: Receiver,
    slow: Option<Receiver>,
}

/// The light of the glass of every block; and a row a block of the derivatives of all its light,
/// what the light lacks of what was seen at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Light {
    pub(super) glass: Vec<f64>,
    pub(super) rows: Vec<f64>,
}

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(0.0)
}

fn put(row: &mut [f64], index: usize, value: f64) {
    if let Some(own) = row.get_mut(index) {
        *own += value;
    }
}

impl Model {
    /// The light for these unknowns, with its derivatives.
    pub(super) fn light(&self, values: &[f64]) -> Light {
        let width = self.layout.count + 1;
        let eyes = self.layout.edges.iter().map(|e| self.eyes(values, e));
        let eyes: Vec<Eyes> = eyes.collect();
        let mut light = Light {
            glass: Vec::with_capacity(self.blocks.len()),
            rows: vec![0.0; self.blocks.len() * width],
        };
        let mut shown = Vec::with_capacity(eyes.len());
        let mut sent: Vec<f64> = Vec::with_capacity(self.layout.glass.len());
        let mut last = 0.0;
        for (block, row) in self.blocks.iter().zip(light.rows.chunks_exact_mut(width)) {
            shown.clear();
            let pairs = self.layout.edges.iter().zip(&eyes);
            shown.extend(pairs.map(|(edge, eyes)| self.shown(block, at(values, edge.place), eyes)));
            self.send(values, (last, block.at), &mut sent);
            last = block.at;
            let (back, others) = self.fill(values, block, (&shown, &sent), row);
            light.glass.push(back);
            if let Some(lacks) = row.last_mut() {
                *lacks = block.power - back - others;
            }
        }
        light
    }

    /// The light of every block.
    #[cfg(test)]
    pub(super) fn all(&self, values: &[f64]) -> Vec<f64> {
        let rows = self.light(values).rows;
        let rows = rows.chunks_exact(self.layout.count + 1);
        let each = self.blocks.iter().zip(rows);
        each.map(|(block, row)| block.power - row.last().unwrap())
            .collect()
    }

    /// The light that each stretch of glass would send back from a place, if it were there; from
    /// what it sent from the place before.
    fn send(&self, values: &[f64], (last, place): (f64, f64), sent: &mut Vec<f64>) {
        let glass = &self.layout.glass;
        if sent.is_empty() {
            sent.extend(glass.iter().map(|([level, slope], from)| {
                (at(values, *level) + at(values, *slope) * (place - from)).exp()
            }));
            return;
        }
        for (sent, ([_, slope], _)) in sent.iter_mut().zip(glass) {
            *sent *= grown(at(values, *slope) * (place - last));
        }
    }

    fn eyes(&self, values: &[f64], edge: &EdgeAt) -> Eyes {
        let eye = |log: f64, fade: f64| Receiver::new(self.pulse, log.exp(), fade);
        let constant = at(values, self.layout.constant);
        let slow = edge.linger.map(|[_, reach]| eye(at(values, reach), 0.0));
        Eyes {
            quick: eye(constant, self.fade),
            slow,
        }
    }

    /// What a block shows of an edge, averaged over its samples where that matters.
    fn shown(&self, block: &Block, place: f64, eyes: &Eyes) -> Shown {
        let middle = block.at - place;
        let half = block.count as f64 * self.spacing / 2.0;
        if middle + half <= 0.0 {
            return Shown::default();
        }
        let bends = |corner: f64| (middle - corner).abs() <= half;
        let near = block.fine && (bends(0.0) || bends(self.pulse));
        let (parts, first, step) = if near || block.count <= ONE_BY_ONE {
            let first = middle - half + 0.5 * self.spacing;
            (block.count, first, self.spacing)
        } else {
            let off = self.spacing * (((block.count as f64).powi(2) - 1.0) / 12.0).sqrt();
            (2, middle - off, 2.0 * off)
        };
        let mut sum = Shown::default();
        for k in 0..parts {
            sum.add(first + step * k as f64, eyes);
        }
        sum.over(parts as f64)
    }

    /// One row of derivatives; gives the light of the glass and what stands over it.
    fn fill(
        &self,
        values: &[f64],
        block: &Block,
        (shown, sent): (&[Shown], &[f64]),
        row: &mut [f64],
    ) -> (f64, f64) {
        let layout = &self.layout;
        let step = |k: usize| shown.get(k).map_or(0.0, |s| s.seen.step);
        let mut back = 0.0;
        for (j, ([level, slope], from)) in layout.glass.iter().enumerate() {
            let entered = j.checked_sub(1).map_or(1.0, step);
            let light = at(sent, j) * (entered - step(j));
            back += light;
            put(row, *level, light);
            put(row, *slope, light * (block.at - from));
        }
        let mut others = 0.0;
        for (k, (edge, shown)) in layout.edges.iter().zip(shown).enumerate() {
            let change = at(sent, k + 1) - at(sent, k);
            let unit = at(&self.units, k);
            put(row, edge.place, -change * shown.seen.rise / self.pulse);
            put(row, layout.constant, change * shown.seen.step_more);
            if let Some(index) = edge.height {
                let height = at(values, index) * unit;
                others += height * shown.seen.rise;
                put(row, index, unit * shown.seen.rise);
                put(row, edge.place, -height * shown.seen.slope);
                put(row, layout.constant, height * shown.seen.rise_more);
            }
            if let Some([index, reach]) = edge.linger {
                let linger = at(values, index) * unit;
                others += linger * shown.linger;
                put(row, index, unit * shown.linger);
                put(row, reach, linger * shown.linger_more);
            }
        }
        if let Some([index, reach]) = layout.launch {
            let first = self.blocks.first().map_or(0.0, |block| block.at);
            let off = (block.at - first) / at(values, reach).exp();
            let left = (-off).exp();
            others += at(values, index) * left;
            put(row, index, left);
            put(row, reach, at(values, index) * left * off);
        }
        (back, others)
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

    fn over(mut self, count: f64) -> Self {
        let each = [
            &mut self.seen.step,
            &mut self.seen.rise,
            &mut self.seen.slope,
            &mut self.seen.step_more,
            &mut self.seen.rise_more,
            &mut self.linger,
            &mut self.linger_more,
        ];
        each.into_iter().for_each(|sum| *sum /= count);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> (Model, Vec<f64>) {
        let layout = Layout::new(
            &[0.0, 1_000.0, 1_300.0],
            &[[false, false], [true, true]],
            true,
        );
        let block = |i: u32| Block {
            at: 10.0 * f64::from(i),
            count: 1,
            power: 1.0,
            fine: true,
        };
        let model = Model {
            layout,
            blocks: (0..300).map(block).collect(),
            pulse: 100.0,
            fade: 1e-4,
            spacing: 10.0,
            units: vec![1.0, 0.9],
        };
        let values = vec![
            38_f64.ln(),
            0.0,
            -1e-4,
            -0.1,
            -1e-4,
            -0.3,
            -1.2e-4,
            1_003.0,
            1_301.0,
            5.0,
            0.02,
            400_f64.ln(),
            0.05,
            300_f64.ln(),
        ];
        (model, values)
    }

    #[test]
    fn every_unknown_has_its_derivative() {
        let (model, values) = model();
        let light = model.light(&values);
        assert_eq!(model.layout.count, values.len());
        for unknown in 0..values.len() {
            let by = 1e-5 * values[unknown].abs().max(0.01);
            let moved = |by: f64| {
                let mut values = values.clone();
                values[unknown] += by;
                model.all(&values)
            };
            let (low, high) = (moved(-by), moved(by));
            for (i, (low, high)) in low.iter().zip(&high).enumerate() {
                let slope = (high - low) / (2.0 * by);
                let told = light.rows[i * (model.layout.count + 1) + unknown];
                // The ramp's own derivative leaves out how glass fades along a pulse.
                let off = (slope - told).abs();
                let kink = (model.blocks[i].at - 1_301.0).abs() < 1e-9;
                assert!(
                    kink || off < 0.03 * slope.abs() + 3e-5,
                    "{unknown} {i}: {slope} {told}"
                );
            }
        }
    }

    #[test]
    fn glass_alone_lies_between_its_levels() {
        let (model, values) = model();
        let light = model.light(&values);
        assert!((light.glass[0] - 1.0).abs() < 1e-9);
        let last = light.glass.last().unwrap();
        let wanted = (-0.3 - 1.2e-4 * (2_990.0 - 1_300.0_f64)).exp();
        assert!((last / wanted - 1.0).abs() < 1e-6, "{last} {wanted}");
        assert!(model.all(&values)[135] > 4.0);
    }
}
