//! Least squares for the unknowns of a model, with what the noise lets them stray.

use super::blocks::Whitener;
use super::model::{Light, Model};
use super::noise::Noise;
use super::solve::{Normal, Rest, Root};
use crate::trace::product::dot;

/// Steps towards the bottom, at the most.
const STEPS: usize = 16;

/// A step that gains less is the last, and before the noise is known.
const SETTLED: f64 = 0.03;
const ROUGHLY: f64 = 1.0;

/// Damping at first, the factors it changes by, and where it is given up.
const DAMPING: f64 = 1e-3;
const CALMER: f64 = 0.1;
const WILDER: f64 = 8.0;
const HOPELESS: f64 = 1e7;

/// What is known of an unknown before: its value and deviation, and how far it may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Belief {
    pub(super) value: f64,
    pub(super) sigma: f64,
    pub(super) range: [f64; 2],
}

impl Belief {
    /// Nothing is known.
    pub(super) const OPEN: Self = Self {
        value: 0.0,
        sigma: f64::INFINITY,
        range: [f64::NEG_INFINITY, f64::INFINITY],
    };

    /// Nothing but that it is not negative.
    pub(super) const POSITIVE: Self = Self {
        range: [0.0, f64::INFINITY],
        ..Self::OPEN
    };
}

/// What the unknowns are at the bottom.
#[derive(Clone, Debug)]
pub(super) struct Bottom {
    pub(super) values: Vec<f64>,
    /// Misfit, what is known before included.
    pub(super) cost: f64,
    /// Blocks beyond unknowns.
    pub(super) freedom: f64,
    pub(super) root: Root,
}

impl Bottom {
    /// How much more than noise is missed, at least 1.
    pub(super) fn excess(&self) -> f64 {
        (self.cost / self.freedom).max(1.0)
    }

    /// Deviation of a sum of the unknowns by the noise alone.
    pub(super) fn sigma(&self, shares: &[f64]) -> f64 {
        self.root.variance(shares).max(0.0).sqrt()
    }
}

/// A model with its data and beliefs.
pub(super) struct Problem<'a> {
    pub(super) model: &'a Model,
    pub(super) beliefs: &'a [Belief],
    pub(super) noise: Noise,
}

/// One look at the unknowns.
struct Look {
    cost: f64,
    normal: Normal,
    side: Vec<f64>,
}

impl Problem<'_> {
    /// Goes down to the bottom from these values, twice: the noise goes with the light.
    pub(super) fn solve(&self, start: Vec<f64>) -> Option<Bottom> {
        let light = self.model.light(&start);
        let (near, light, _) = self.descend((start, light), ROUGHLY)?;
        self.settle(near, light)
    }

    /// Goes down from where the bottom was before.
    pub(super) fn again(&self, values: Vec<f64>) -> Option<Bottom> {
        let light = self.model.light(&values);
        self.settle(values, light)
    }

    /// The bottom near these values, the last step towards it taken on trust: it gains too little
    /// for another look.
    fn settle(&self, values: Vec<f64>, light: Light) -> Option<Bottom> {
        let (values, _, here) = self.descend((values, light), SETTLED)?;
        let root = here.normal.root(0.0)?;
        let step = root.solve(&here.side);
        let values = if dot(&step, &here.side) < SETTLED {
            self.moved(&values, &step)
        } else {
            values
        };
        let open = self.beliefs.iter().filter(|b| b.sigma.is_infinite());
        let blocks = self.model.blocks.len() as f64;
        Some(Bottom {
            root,
            values,
            cost: here.cost,
            freedom: (blocks - open.count() as f64).max(1.0),
        })
    }

    /// How much a step from these values would gain if the light were straight in the unknowns;
    /// nothing where it would make one of the `shares` negative.
    pub(super) fn promise(&self, values: &[f64], shares: &[usize]) -> f64 {
        let light = self.model.light(values);
        let whitener = self.whitener(&light);
        let Look { normal, side, .. } = self.look(values, &light, &whitener);
        let Some(root) = normal.root(0.0) else {
            return f64::MAX;
        };
        let step = root.solve(&side);
        let grows = |share: &usize| step.get(*share).is_some_and(|step| *step > 0.0);
        if !shares.iter().all(grows) {
            return 0.0;
        }
        dot(&step, &side)
    }

    /// What other light, by what the light of these values lacks less from a block on, costs more than
    /// none, and how the unknowns follow each of it.
    pub(super) fn beside(
        &self,
        values: &[f64],
        others: &[(usize, Vec<f64>)],
    ) -> Option<(Rest, Vec<Vec<f64>>)> {
        let light = self.model.light(values);
        let whitener = self.whitener(&light);
        let (mut columns, lacks) = (light.columns, self.model.layout.count);
        for (start, other) in others {
            columns.push(*start, other);
        }
        whitener.apply(&mut columns);
        let (mut normal, rows) = columns.products().split_at(lacks);
        for (k, belief) in self.beliefs.iter().enumerate() {
            normal.stiffen(k, belief.sigma.powi(-2) + 1e-12 * normal.own(k) + 1e-30);
        }
        Some(Rest::of(&normal.root(0.0)?, &rows, lacks))
    }

    fn whitener(&self, light: &Light) -> Whitener {
        let model = self.model;
        Whitener::new(&model.blocks, &light.glass, &self.noise, model.spacing)
    }

    /// Goes down as long as a step gains or promises anything: the values, the light there and the
    /// look at it.
    fn descend(
        &self,
        (mut values, mut light): (Vec<f64>, Light),
        settled: f64,
    ) -> Option<(Vec<f64>, Light, Look)> {
        let whitener = self.whitener(&light);
        let mut here = self.look(&values, &light, &whitener);
        let mut damping = DAMPING;
        for _ in 0..STEPS {
            let step = here.normal.root(damping)?.solve(&here.side);
            if dot(&step, &here.side) < settled {
                break;
            }
            let moved = self.moved(&values, &step);
            let lit = self.model.light(&moved);
            let there = self.look(&moved, &lit, &whitener);
            let gain = here.cost - there.cost;
            if gain.is_nan() || gain < 0.0 {
                damping *= WILDER;
                if damping > HOPELESS {
                    break;
                }
                continue;
            }
            (values, here, light) = (moved, there, lit);
            damping *= CALMER;
            if gain < settled {
                break;
            }
        }
        here.cost.is_finite().then_some((values, light, here))
    }

    fn moved(&self, values: &[f64], step: &[f64]) -> Vec<f64> {
        let moved = values.iter().zip(step).zip(self.beliefs);
        let within = |((value, step), belief): ((&f64, &f64), &Belief)| {
            let [low, high] = belief.range;
            (value + step).clamp(low, high)
        };
        moved.map(within).collect()
    }

    fn look(&self, values: &[f64], light: &Light, whitener: &Whitener) -> Look {
        let mut columns = light.columns.clone();
        whitener.apply(&mut columns);
        let (mut normal, mut side, mut cost) = columns.products().split();
        for (k, (belief, value)) in self.beliefs.iter().zip(values).enumerate() {
            let stiff = belief.sigma.powi(-2);
            let off = belief.value - value;
            normal.stiffen(k, stiff + 1e-12 * normal.own(k) + 1e-30);
            if let Some(own) = side.get_mut(k).filter(|_| stiff > 0.0) {
                *own += stiff * off;
                cost += stiff * off * off;
            }
        }
        Look { cost, normal, side }
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::Block;
    use super::super::model::Layout;
    use super::*;

    /// A step at 1500 m under a pulse of 100 m, without noise.
    fn model() -> (Model, Vec<f64>) {
        let block = |i: u32| Block {
            at: 10.0 * f64::from(i),
            count: 1,
            power: 0.0,
            fine: true,
        };
        let mut model = Model {
            layout: Layout::new(&[1_500.0; 2], &[[false, false]], &[], false),
            blocks: (0..300).map(block).collect(),
            pulse: 100.0,
            fade: 1e-4,
            spacing: 10.0,
            units: vec![1.0],
            image_units: Vec::new(),
        };
        let truth = vec![38_f64.ln(), 0.0, -1e-4, -0.2, -1e-4, 1_503.0];
        let light = model.all(&truth);
        for (block, power) in model.blocks.iter_mut().zip(light) {
            block.power = power;
        }
        (model, truth)
    }

    fn noise() -> Noise {
        Noise {
            receiver: 0.001,
            rough: 0.001,
            fading: 0.001,
            reach: 33.0,
        }
    }

    #[test]
    fn the_bottom_is_the_truth_where_there_is_no_noise() {
        let (model, truth) = model();
        let mut beliefs = vec![Belief::OPEN; truth.len()];
        beliefs[0] = Belief {
            value: 35_f64.ln(),
            sigma: 0.5,
            range: [2_f64.ln(), 300_f64.ln()],
        };
        let problem = Problem {
            model: &model,
            beliefs: &beliefs,
            noise: noise(),
        };
        let start = vec![30_f64.ln(), 0.01, 0.0, -0.25, -2e-4, 1_480.0];
        let bottom = problem.solve(start).unwrap();
        assert!((bottom.values[5] - truth[5]).abs() < 0.1, "{bottom:?}");
        assert!((bottom.values[3] - truth[3]).abs() < 1e-3, "{bottom:?}");
        assert!(bottom.cost < 1.0 && (bottom.excess() - 1.0).abs() < 1e-9);
        let place = bottom.sigma(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert!((0.01..3.0).contains(&place), "{place}");
    }

    #[test]
    fn an_unknown_stays_where_it_may_be() {
        let (model, truth) = model();
        let mut beliefs = vec![Belief::OPEN; truth.len()];
        beliefs[0] = Belief {
            value: 38_f64.ln(),
            sigma: 0.1,
            range: [20_f64.ln(), 60_f64.ln()],
        };
        beliefs[5].range = [1_300.0, 1_350.0];
        let problem = Problem {
            model: &model,
            beliefs: &beliefs,
            noise: noise(),
        };
        let mut start = truth;
        start[5] = 1_320.0;
        let bottom = problem.solve(start).unwrap();
        assert!((1_300.0..=1_350.0).contains(&bottom.values[5]));
        assert!(bottom.excess() > 1.0);
    }
}
