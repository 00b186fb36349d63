//! What falls weigh under the noise of good shots: white, slow, and with a level and tilt of its
//! own for every shot.
//!
//! ```text
//! weight = V - V·U·(E + Uᵗ·V·U)⁻¹·Uᵗ·V      V white noise alone, U slow cosines, level and tilt
//! ```
//!
//! Points may be bins or parts of bins: what a part says of slow noise is its share of the bin's.

use super::colour::Filter;
use super::modes::{MODES, cosine};
use super::steps::Noise;
use crate::matrix::Matrix;

/// Slow cosines, level and tilt.
pub(super) const WIDTH: usize = MODES + 2;

/// One number for each of them.
pub(super) type Row = [f64; WIDTH];

/// A place where a fall is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// The bin it belongs to.
    pub(super) bin: usize,
    /// Its first sample, and how many there are.
    pub(super) first: usize,
    pub(super) samples: usize,
    /// One over its deviation as white noise, of one shot.
    pub(super) inverse: f64,
}

/// The weights of a set of points.
pub(super) struct Gls {
    /// What each point has of every slow thing, in its own deviations.
    rows: Vec<Row>,
    /// `(E + Uᵗ·V·U)⁻¹`.
    middle: Vec<Row>,
}

/// Falls in deviations of their points, weighed.
pub(super) struct Weighed {
    /// The same with slow noise, level and tilt taken off.
    pub(super) left: Vec<f64>,
    /// What is left of them, squared and summed.
    pub(super) square: f64,
}

impl Gls {
    /// For points in order along the glass; a filter makes those from one to before another white.
    pub(super) fn new(
        points: &[Point],
        noise: &Noise<'_>,
        (filter, [from, to]): (&Filter, [usize; 2]),
    ) -> Option<Self> {
        let mut rows = rows(points, noise);
        if let Some(near) = rows.get_mut(from..to) {
            white(near, filter);
        }
        let mut sums = [[0.0; WIDTH]; WIDTH];
        for row in &rows {
            for (sums, a) in sums.iter_mut().zip(row) {
                sums.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
            }
        }
        // What is known of them beforehand; of the level nothing.
        let slow = noise.extra.iter().map(|extra| extra.max(1e-9).recip());
        let mut known: Vec<f64> = slow.take(MODES).collect();
        known.resize(MODES, 1e9);
        known.push(0.0);
        known.push(noise.share / (noise.tilt * noise.tilt).max(1e-12));
        let cell = |r: usize, c: usize| {
            let own = if r == c { known.get(r) } else { None };
            let sum = sums.get(r).and_then(|row| row.get(c));
            sum.copied().unwrap_or_default() + own.copied().unwrap_or_default()
        };
        let inverse = Matrix::from_fn(WIDTH, cell).inverse()?;
        let unit =
            |k: usize| std::array::from_fn::<f64, WIDTH, _>(|r| if r == k { 1.0 } else { 0.0 });
        let column = |k: usize| {
            let column = inverse.times(&unit(k));
            std::array::from_fn(|r| column.get(r).copied().unwrap_or_default())
        };
        Some(Self {
            rows,
            middle: (0..WIDTH).map(column).collect(),
        })
    }

    /// What each point has of every slow thing.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Values in deviations of their points, times every slow thing.
    pub(super) fn onto<'a>(values: impl IntoIterator<Item = &'a f64>, rows: &'a [Row]) -> Row {
        let mut sums = [0.0; WIDTH];
        for (value, row) in values.into_iter().zip(rows) {
            sums.iter_mut().zip(row).for_each(|(s, r)| *s += value * r);
        }
        sums
    }

    /// What slow things make of what was summed onto them.
    pub(super) fn slow(&self, onto: &Row) -> Row {
        std::array::from_fn(|k| self.middle.get(k).map_or(0.0, |row| dot(row, onto)))
    }

    /// Weighs falls given in deviations of their points.
    pub(super) fn weighed(&self, white: &[f64]) -> Weighed {
        let onto = Self::onto(white, &self.rows);
        let slow = self.slow(&onto);
        let left = white.iter().zip(&self.rows);
        let square: f64 = white.iter().map(|w| w * w).sum();
        Weighed {
            left: left.map(|(w, row)| w - dot(&slow, row)).collect(),
            square: square - dot(&slow, &onto),
        }
    }
}

/// The sum of products.
pub(super) fn dot(a: &Row, b: &Row) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Each row less what those before it foretell.
fn white(rows: &mut [Row], filter: &Filter) {
    for at in (0..rows.len()).rev() {
        let mut white = [0.0; WIDTH];
        let back = rows.get(..=at).unwrap_or_default().iter().rev();
        for (part, row) in filter.row(at).iter().zip(back) {
            white.iter_mut().zip(row).for_each(|(w, r)| *w += part * r);
        }
        if let Some(row) = rows.get_mut(at) {
            *row = white;
        }
    }
}

fn rows(points: &[Point], noise: &Noise<'_>) -> Vec<Row> {
    let count = noise.sigma.len();
    let mut slow = vec![[0.0; WIDTH]; count];
    for k in 0..MODES {
        cosine(k + 1, count, |bin, c| {
            if let Some(cell) = slow.get_mut(bin).and_then(|row| row.get_mut(k)) {
                *cell = c;
            }
        });
    }
    let row = |point: &Point| {
        let share = noise.sigma.get(point.bin).copied().unwrap_or(1.0) * point.inverse;
        let x = (point.bin as f64 + 0.5) / count.max(1) as f64 - 0.5;
        let slow = slow.get(point.bin);
        std::array::from_fn(|k| match k {
            MODES => point.inverse,
            k if k > MODES => point.inverse * x,
            k => slow.and_then(|row| row.get(k)).map_or(0.0, |c| c * share),
        })
    };
    points.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::watch::colour::Colour;

    const COUNT: usize = 300;

    static WHITE: Colour = Colour {
        stretches: Vec::new(),
        known_by: 0.0,
    };

    fn noise(extra: &[f64]) -> Noise<'_> {
        Noise {
            sigma: vec![0.05; COUNT],
            extra: extra.into(),
            tilt: 0.02,
            share: 1.0,
            known_by: 30.0,
            colour: &WHITE,
            ramp: [0.1, 0.03],
        }
    }

    fn whole_bins(noise: &Noise<'_>) -> Vec<Point> {
        let point = |(bin, sigma): (usize, &f64)| Point {
            bin,
            first: 4 * bin,
            samples: 4,
            inverse: sigma.recip(),
        };
        noise.sigma.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_level_and_a_slow_curve_weigh_little_and_a_step_much() {
        let extra = vec![1e4; MODES];
        let noise = noise(&extra);
        let gls = Gls::new(&whole_bins(&noise), &noise, (&Filter::default(), [0, 0])).unwrap();
        let mut slow = vec![7.0; COUNT];
        cosine(3, COUNT, |bin, c| slow[bin] += 40.0 * c);
        let square = gls.weighed(&slow).square;
        assert!(square < 1.0, "{square}");
        let step: Vec<f64> = (0..COUNT)
            .map(|bin| f64::from(u8::from(bin > 150)))
            .collect();
        let square = gls.weighed(&step).square;
        assert!((1.0..30.0).contains(&square), "{square}");
    }

    #[test]
    fn parts_of_a_bin_weigh_what_the_bin_does() {
        let extra = vec![3.0; MODES];
        let noise = noise(&extra);
        let bins = whole_bins(&noise);
        let parts: Vec<Point> = bins
            .iter()
            .flat_map(|bin| {
                (0..4).map(|k| Point {
                    first: bin.first + k,
                    samples: 1,
                    inverse: bin.inverse / 2.0,
                    ..*bin
                })
            })
            .collect();
        let step = |points: &[Point]| {
            let value = |point: &Point| if point.bin > 100 { point.inverse } else { 0.0 };
            let white: Vec<f64> = points.iter().map(value).collect();
            let plain = (&Filter::default(), [0, 0]);
            Gls::new(points, &noise, plain)
                .unwrap()
                .weighed(&white)
                .square
        };
        let (coarse, fine) = (step(&bins), step(&parts));
        assert!((coarse / fine - 1.0).abs() < 1e-6, "{coarse} {fine}");
    }
}
