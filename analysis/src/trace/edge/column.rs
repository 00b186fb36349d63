//! Shapes at places, whitened, with the products that least squares needs.
//!
//! Thousands of shapes are tried for one edge. Before the edge all of them are 1 or 0, so what
//! those points come to is summed up once; behind it two exponentials, followed from point to
//! point, give the whole shape.

use super::shape::{Curve, Shape};
use super::whiten::{Lit, Step, Whitener};
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
    /// What shapes are held against at each point, white: what may come on top of everything, made
    /// independent of one another (a tilt before the edge, and what lingers, each as long as its prior
    /// lets it be), and the power as the last.
    against: Vec<[f64; AGAINST]>,
    /// Light of 1 everywhere, white; and what of it the whitener carries into each point.
    lit: Vec<f64>,
    carried: Vec<f64>,
    /// Sums of that light's products over the points before each.
    sums: Vec<Products>,
    /// What of the data lies along the extras.
    power_along: [f64; EXTRAS],
    power_square: f64,
}

/// How many extras there are, and with the power.
const EXTRAS: usize = 3;
const AGAINST: usize = EXTRAS + 1;

/// Products of a shape with itself, and with what it is held against.
#[derive(Clone, Copy, Debug, Default)]
struct Products {
    own: f64,
    against: [f64; AGAINST],
}

impl Products {
    fn add(&mut self, value: f64, against: &[f64; AGAINST]) {
        self.own += value * value;
        for (sum, other) in self.against.iter_mut().zip(against) {
            *sum += value * other;
        }
    }
}

fn along(a: &[f64; EXTRAS], b: &[f64; EXTRAS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A shape at a place, whitened, with its products with itself and the data, extras eliminated.
pub(super) struct Column {
    pub(super) at: f64,
    pub(super) power: f64,
    pub(super) own: f64,
    along: [f64; EXTRAS],
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
        let lights: Vec<Lit> = points
            .iter()
            .enumerate()
            .map(|(i, p)| Lit {
                light: smooth(i).clamp(0.0, 1.0),
                dark: (guess.fade * (p.at - guess.noise_at)).exp(),
                error: guess.shape_error * (p.power - 1.0).abs(),
            })
            .collect();
        let whitener = Whitener::new(&lights, &guess.noise, step, offsets.len() as f64);
        let power = whitener.apply(points.iter().map(|p| p.power));
        let foot = guess.between.first().copied().unwrap_or(first.at) - guess.pulse;
        let off = |p: &Point| (p.at - foot).min(0.0) / guess.pulse;
        let tilt = whitener.apply(points.iter().map(off));
        let mut raw = vec![(tilt, TILT.hypot(guess.slope_sigma))];
        if let Some(left) = guess.lingers {
            let ahead = |p: &Point| p.at - guess.noise_at;
            let dying = |p: &Point| (-left.rate * ahead(p)).exp();
            raw.push((whitener.apply(points.iter().map(dying)), left.sigma));
            let slower = |p: &Point| ahead(p) * dying(p);
            raw.push((whitener.apply(points.iter().map(slower)), left.rate_sigma));
        }
        let extras = independent(&raw, points.len());
        let (lit, carried) = whitener.lit();
        let [a, b, c] = &extras;
        let rows = a.iter().zip(b).zip(c).zip(&power);
        let against: Vec<[f64; AGAINST]> = rows.map(|(((a, b), c), d)| [*a, *b, *c, *d]).collect();
        let mut sum = Products::default();
        let mut sums = vec![sum];
        for (value, against) in lit.iter().zip(&against) {
            sum.add(*value, against);
            sums.push(sum);
        }
        let power_along = extras.each_ref().map(|extra| dot(&power, extra));
        Some(Self {
            first: first.at,
            step,
            faintest: guess.faintest,
            offsets,
            whitener,
            lit,
            carried,
            sums,
            power_square: dot(&power, &power) - along(&power_along, &power_along),
            power_along,
            against,
        })
    }

    /// How many points there are.
    pub(super) fn count(&self) -> usize {
        self.against.len()
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
        let seen = (start..self.count()).map(|_| walk.next());
        if !bright {
            let fall = self.column((at, start), true, seen.map(|(fall, _)| fall));
            return (fall, None);
        }
        let seen: Vec<(f64, f64)> = seen.collect();
        let fall = self.column((at, start), true, seen.iter().map(|seen| seen.0));
        let rise = self.column((at, start), false, seen.iter().map(|seen| seen.1));
        (fall, Some(rise))
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
        let white = |((step, against), sample): ((Step, &[f64; AGAINST]), f64)| {
            let (value, next) = step.white(sample, carried);
            carried = next;
            sums.add(value, against);
            value
        };
        let points = rest(&self.against, start);
        let steps = self.whitener.from(start).zip(points).zip(samples);
        let values = steps.map(white).collect();
        let [a, b, c, power] = sums.against;
        let shared = [a, b, c];
        Column {
            at,
            power: power - along(&shared, &self.power_along),
            own: sums.own - along(&shared, &shared),
            along: shared,
            start,
            values,
            lit,
        }
    }

    /// Inner product with the extras eliminated.
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
        both + between + dot(behind, &far.values) - along(&a.along, &b.along)
    }
}

/// White columns with the deviations of their sizes, as columns of length 1 at right angles, each prior
/// being one more point; nothing for those that are not there.
fn independent(raw: &[(Vec<f64>, f64)], count: usize) -> [Vec<f64>; EXTRAS] {
    let mut made: [Vec<f64>; EXTRAS] = core::array::from_fn(|_| vec![0.0; count]);
    let mut priors = [[0.0; EXTRAS]; EXTRAS];
    for (k, (column, sigma)) in raw.iter().enumerate().take(EXTRAS) {
        if *sigma <= 0.0 {
            continue;
        }
        let (mut own, mut prior) = (column.clone(), [0.0; EXTRAS]);
        if let Some(at) = prior.get_mut(k) {
            *at = sigma.recip();
        }
        for (other, known) in made.iter().zip(&priors).take(k) {
            let shared = dot(&own, other) + along(&prior, known);
            own.iter_mut()
                .zip(other)
                .for_each(|(a, b)| *a -= shared * b);
            prior
                .iter_mut()
                .zip(known)
                .for_each(|(a, b)| *a -= shared * b);
        }
        let length = (dot(&own, &own) + along(&prior, &prior)).sqrt();
        if let (Some(to), Some(known)) = (made.get_mut(k), priors.get_mut(k)) {
            *to = own.iter().map(|a| a / length).collect();
            *known = prior.map(|a| a / length);
        }
    }
    made
}
