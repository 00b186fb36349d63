//! Numbers by columns, one number a block: what least squares sums the products of.
//!
//! Most unknowns show behind an edge alone. So each column has a start, before which it is zero and
//! nothing is reckoned with.

use super::solve::Normal;
use crate::trace::product::dot;
use crate::trace::samples::cut;

/// Columns of one length.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    length: usize,
    values: Vec<f64>,
    starts: Vec<usize>,
}

impl Columns {
    /// So many columns of zeros.
    pub(super) fn new(length: usize, count: usize) -> Self {
        Self {
            length,
            values: vec![0.0; length * count],
            starts: vec![length; count],
        }
    }

    /// Adds numbers to a column from a start on.
    pub(super) fn add(&mut self, column: usize, start: usize, numbers: impl Iterator<Item = f64>) {
        let from = column * self.length;
        let own = self.values.get_mut(from + start..from + self.length);
        let own = own.unwrap_or_default().iter_mut();
        own.zip(numbers).for_each(|(own, number)| *own += number);
        if let Some(before) = self.starts.get_mut(column) {
            *before = start.min(*before);
        }
    }

    /// One more column of numbers from a start on.
    pub(super) fn push(&mut self, start: usize, numbers: &[f64]) {
        self.starts.push(start);
        let end = self.values.len() + self.length;
        self.values
            .resize(end - self.length + start.min(self.length), 0.0);
        self.values.extend(numbers);
        self.values.resize(end, 0.0);
    }

    /// Each column with where it starts, to be changed from there on.
    pub(super) fn each(&mut self) -> impl Iterator<Item = (usize, &mut [f64])> {
        let columns = self.values.chunks_exact_mut(self.length.max(1));
        self.starts.iter().copied().zip(columns)
    }

    /// A column and its start.
    fn column(&self, index: usize) -> (usize, &[f64]) {
        let start = self.starts.get(index).copied().unwrap_or(self.length);
        let from = index * self.length;
        (start, cut(&self.values, from, from + self.length))
    }

    /// The products of all columns with one another.
    pub(super) fn products(&self) -> Normal {
        let product = |i: usize, j: usize| {
            let ((a, left), (b, right)) = (self.column(i), self.column(j));
            let start = a.max(b);
            dot(
                cut(left, start, self.length),
                cut(right, start, self.length),
            )
        };
        let row = |i: usize| (0..=i).map(|j| product(i, j)).collect();
        Normal::of((0..self.starts.len()).map(row).collect())
    }

    /// One number, zero where there is none.
    #[cfg(test)]
    pub(super) fn at(&self, index: usize, column: usize) -> f64 {
        self.column(column).1.get(index).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_starts_where_anything_was_added_first() {
        let mut columns = Columns::new(4, 2);
        columns.add(1, 2, [1.0, 2.0].into_iter());
        columns.add(1, 1, [5.0; 3].into_iter());
        let wanted = [0.0, 5.0, 6.0, 7.0];
        for (i, wanted) in wanted.iter().enumerate() {
            assert!((columns.at(i, 1) - wanted).abs() < 1e-12);
            assert!(columns.at(i, 0).abs() < 1e-12);
        }
        let starts: Vec<usize> = columns.each().map(|(start, _)| start).collect();
        assert_eq!(starts, [4, 1]);
    }

    #[test]
    fn products_are_those_of_whole_columns() {
        let mut columns = Columns::new(9, 3);
        columns.add(0, 0, (0..9).map(f64::from));
        columns.add(1, 3, (0..6).map(|i| f64::from(i) - 2.0));
        columns.add(2, 5, [0.5; 4].into_iter());
        let normal = columns.products();
        let whole = |j: usize| -> f64 { (0..9).map(|i| columns.at(i, j).powi(2)).sum() };
        for j in 0..3 {
            assert!((normal.own(j) - whole(j)).abs() < 1e-12, "{j}");
        }
        let (_, side, _) = normal.split();
        let wanted = [0.5 * (5.0 + 6.0 + 7.0 + 8.0), 0.5 * (0.0 + 1.0 + 2.0 + 3.0)];
        for (found, wanted) in side.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{side:?}");
        }
    }

    #[test]
    fn a_column_is_added_from_where_it_starts_to_where_it_ends() {
        let mut columns = Columns::new(4, 1);
        columns.push(1, &[2.0, 0.5]);
        columns.push(4, &[]);
        let wanted = [0.0, 2.0, 0.5, 0.0];
        for (i, wanted) in wanted.iter().enumerate() {
            assert!((columns.at(i, 1) - wanted).abs() < 1e-12);
            assert!(columns.at(i, 2).abs() < 1e-12);
        }
        assert_eq!(columns.each().count(), 3);
    }
}
