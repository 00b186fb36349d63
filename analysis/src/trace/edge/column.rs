//! Shapes at places, whitened, with the products that least squares needs.
//!
//! Thousands of shapes are tried for one edge. Before the edge all of them are 1 or 0, so what
//! those points come to is summed up once; behind it two exponentials, followed from point to
//! point, give the whole shape.

use super::shape::{Curve, Shape};
use super::whiten::{Step, Whitener};
use super::{Guess, Point, TILT};
use crate::trace::line::median;
use crate::trace::product::dot;
use crate::trace::samples::{rest, whole};

/// The points with white noise, and what all tries share.
pub(super) struct Data {
    first: f64,
    step: f64,
    /// Height of the faintest reflection that occurs.
    pub(super) faintest: f64,
    /// Where the samples lie that a point averages, from its middle.
    offsets: Vec<f64>,
    whitener: Whitener,
    power: Vec<f64>,
    tilt: Vec<f64>,
    /// Light of 1 everywhere, white; and what of it the whitener carries into each point.
    lit: Vec<f64>,
    carried: Vec<f64>,
    /// Sums of that light's products over the points before each.
    sums: Vec<Products>,
    /// Inverse variance of the tilt and what the points say about it, together.
    stiffness: f64,
    power_tilt: f64,
    power_square: f64,
}

/// Products of a shape with itself, the tilt and the data.
#[derive(Clone, Copy, Debug, Default)]
struct Products {
    own: f64,
    tilt: f64,
    power: f64,
}

impl Products {
    fn add(&mut self, value: f64, tilt: f64, power: f64) {
        self.own += value * value;
        self.tilt += value * tilt;
        self.power += value * power;
    }
}

/// A shape at a place, whitened, with its products with itself and the data, tilt eliminated.
pub(super) struct Column {
    pub(super) at: f64,
    pub(super) power: f64,
    pub(super) own: f64,
    tilt: f64,
    /// The first point that the edge reaches, and the values from there on; before it there is
    /// all light or none.
    start: usize,
    values: Vec<f64>,
    lit: bool,
}

impl Data {
    /// None for fewer than two points.
    pub(super) fn of(points: &[Point], guess: &Guess, offsets: Vec<f64>) -> Option<Self> {
        let (first, second) = (points.first()?, points.get(1)?);
        let step = second.at - first.at;
        let smooth = |i: usize| {
            let around = points.get(i.saturating_sub(1)..(i + 2).min(points.len()));
            let mut powers: Vec<f64> = around.unwrap_or_default().iter().map(|p| p.power).collect();
            median(&mut powers)
        };
        let lights: Vec<(f64, f64)> = points
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let light = smooth(i).clamp(0.0, 1.0);
                (light, guess.shape_error * (p.power - 1.0).abs())
            })
            .collect();
        let whitener = Whitener::new(&lights, &guess.noise, step, offsets.len() as f64);
        let power = whitener.apply(points.iter().map(|p| p.power));
        let foot = guess.between.first().copied().unwrap_or(first.at) - guess.pulse;
        let off = |p: &Point| (p.at - foot).min(0.0) / guess.pulse;
        let tilt = whitener.apply(points.iter().map(off));
        let (lit, carried) = whitener.lit();
        let mut sum = Products::default();
        let mut sums = vec![sum];
        for ((value, tilt), power) in lit.iter().zip(&tilt).zip(&power) {
            sum.add(*value, *tilt, *power);
            sums.push(sum);
        }
        let stiffness = TILT.powi(-2) + dot(&tilt, &tilt);
        let power_tilt = dot(&power, &tilt);
        Some(Self {
            first: first.at,
            step,
            faintest: guess.faintest,
            offsets,
            whitener,
            lit,
            carried,
            sums,
            stiffness,
            power_tilt,
            power_square: dot(&power, &power) - power_tilt * power_tilt / stiffness,
            power,
            tilt,
        })
    }

    /// How many points there are.
    pub(super) fn count(&self) -> usize {
        self.power.len()
    }

    /// What the data come to where nothing explains them.
    pub(super) const fn power_square(&self) -> f64 {
        self.power_square
    }

    /// A pulse in glass for points of this spacing.
    pub(super) fn curve(&self, shape: Shape, guess: &Guess) -> Curve {
        Curve::new(shape, guess.fade, guess.filter, (self.step, &self.offsets))
    }

    /// The light that falls at a place, and the reflection there if one is wanted.
    pub(super) fn columns(&self, curve: &Curve, at: f64, bright: bool) -> (Column, Option<Column>) {
        let start = whole(((at - curve.reach() - self.first) / self.step).ceil()).min(self.count());
        let mut walk = curve.walk(self.first + start as f64 * self.step - at);
        let seen: Vec<(f64, f64)> = (start..self.count()).map(|_| walk.next()).collect();
        let fall = self.column((at, start), true, seen.iter().map(|seen| seen.0));
        let rise = || self.column((at, start), false, seen.iter().map(|seen| seen.1));
        (fall, bright.then(rise))
    }

    /// What is seen of an edge from a point on, white; before it there is all light or none.
    fn column(
        &self,
        (at, start): (f64, usize),
        lit: bool,
        samples: impl Iterator<Item = f64>,
    ) -> Column {
        let before = Some(start).filter(|_| lit);
        let mut carried = before
            .and_then(|i| self.carried.get(i))
            .copied()
            .unwrap_or(0.0);
        let mut sums = before
            .and_then(|i| self.sums.get(i))
            .copied()
            .unwrap_or_default();
        let points = rest(&self.tilt, start).iter().zip(rest(&self.power, start));
        let white = |((step, (tilt, power)), sample): ((Step, (&f64, &f64)), f64)| {
            let (value, next) = step.white(sample, carried);
            carried = next;
            sums.add(value, *tilt, *power);
            value
        };
        let steps = self.whitener.from(start).zip(points).zip(samples);
        let values = steps.map(white).collect();
        let Products { own, tilt, power } = sums;
        Column {
            at,
            power: power - tilt * self.power_tilt / self.stiffness,
            own: own - tilt * tilt / self.stiffness,
            tilt,
            start,
            values,
            lit,
        }
    }

    /// Inner product with the tilt eliminated.
    pub(super) fn inner(&self, a: &Column, b: &Column) -> f64 {
        let (near, far) = if a.start <= b.start { (a, b) } else { (b, a) };
        let own = |i: usize| self.sums.get(i).map_or(0.0, |sum| sum.own);
        let both = if near.lit && far.lit {
            own(near.start)
        } else {
            0.0
        };
        let (before, behind) = near
            .values
            .split_at((far.start - near.start).min(near.values.len()));
        let lit = self.lit.get(near.start..far.start).unwrap_or_default();
        let between = if far.lit { dot(before, lit) } else { 0.0 };
        both + between + dot(behind, &far.values) - a.tilt * b.tilt / self.stiffness
    }
}
