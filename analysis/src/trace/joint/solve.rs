//! Small systems of normal equations.

use crate::trace::product::dot;

/// A symmetric matrix by its lower triangle, row after row.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    rows: Vec<Vec<f64>>,
}

impl Normal {
    /// Of its lower triangle, row after row.
    pub(super) const fn of(rows: Vec<Vec<f64>>) -> Self {
        Self { rows }
    }

    /// Adds to one entry of the diagonal.
    pub(super) fn stiffen(&mut self, at: usize, by: f64) {
        if let Some(own) = self.rows.get_mut(at).and_then(|row| row.last_mut()) {
            *own += by;
        }
    }

    /// One entry of the diagonal.
    pub(super) fn own(&self, at: usize) -> f64 {
        let row = self.rows.get(at);
        row.and_then(|row| row.last()).copied().unwrap_or(0.0)
    }

    /// Apart: without the last unknown, what that shares with the others, and its own entry.
    pub(super) fn split(mut self) -> (Self, Vec<f64>, f64) {
        let mut side = self.rows.pop().unwrap_or_default();
        let own = side.pop().unwrap_or(0.0);
        (self, side, own)
    }

    /// Apart: so many first unknowns, and what the rows behind them share with all before each.
    pub(super) fn split_at(mut self, count: usize) -> (Self, Vec<Vec<f64>>) {
        let others = self.rows.split_off(count.min(self.rows.len()));
        (self, others)
    }

    /// Its root `L` with `L·Lᵀ`, the diagonal grown by a share; none where it is not positive.
    pub(super) fn root(&self, damping: f64) -> Option<Root> {
        let mut root: Vec<Vec<f64>> = Vec::with_capacity(self.rows.len());
        for (i, row) in self.rows.iter().enumerate() {
            let mut new: Vec<f64> = Vec::with_capacity(i + 1);
            for (value, other) in row.iter().zip(&root) {
                let left = value - dot(&new, other);
                new.push(left / other.last().copied().unwrap_or(1.0));
            }
            let value = row.last().copied().unwrap_or(0.0);
            let left = value * (1.0 + damping) - dot(&new, &new);
            if left.is_nan() || left <= 1e-14 * value {
                return None;
            }
            new.push(left.sqrt());
            root.push(new);
        }
        Some(Root { rows: root })
    }
}

/// The root of a positive matrix.
#[derive(Clone, Debug)]
pub(super) struct Root {
    rows: Vec<Vec<f64>>,
}

impl Root {
    /// `L⁻¹·v`: its square is what `v` comes to under the inverse of the matrix.
    pub(super) fn half(&self, values: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::with_capacity(values.len());
        for (row, value) in self.rows.iter().zip(values) {
            let pivot = row.last().copied().unwrap_or(1.0);
            out.push((value - dot(row, &out)) / pivot);
        }
        out
    }

    /// The solution for a right side.
    pub(super) fn solve(&self, values: &[f64]) -> Vec<f64> {
        let mut out = self.half(values);
        for i in (0..out.len()).rev() {
            let Some(row) = self.rows.get(i) else { break };
            let pivot = row.last().copied().unwrap_or(1.0);
            let Some(own) = out.get_mut(i) else { break };
            *own /= pivot;
            let own = *own;
            let before = out.iter_mut().zip(row).take(i);
            before.for_each(|(left, share)| *left -= share * own);
        }
        out
    }

    /// The variance of a sum of the unknowns.
    pub(super) fn variance(&self, shares: &[f64]) -> f64 {
        let half = self.half(shares);
        dot(&half, &half)
    }
}

/// What columns beside the unknowns change in what is left over, as far as the unknowns do not
/// follow them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    /// Their products with one another, and with what is left over.
    pub(super) products: Vec<Vec<f64>>,
    pub(super) left: Vec<f64>,
}

impl Rest {
    /// By rows that hold products with the unknowns first, then with what is left over, then with one
    /// another up to their own; what is left over has the first row. Beside it how the unknowns follow.
    pub(super) fn of(root: &Root, rows: &[Vec<f64>], unknowns: usize) -> (Self, Vec<Vec<f64>>) {
        let shared = |row: &Vec<f64>| row.get(..unknowns).unwrap_or_default().to_vec();
        let halves: Vec<Vec<f64>> = rows.iter().map(|row| root.half(&shared(row))).collect();
        let product = |i: usize, j: usize| {
            let (low, high) = (i.min(j), i.max(j));
            let own = rows.get(high).and_then(|row| row.get(unknowns + low));
            let halves = halves.get(i).zip(halves.get(j));
            own.copied().unwrap_or(0.0) - halves.map_or(0.0, |(a, b)| dot(a, b))
        };
        let each = 1..rows.len();
        let products = each
            .clone()
            .map(|i| each.clone().map(|j| product(i, j)).collect());
        let rest = Self {
            products: products.collect(),
            left: each.map(|i| product(i, 0)).collect(),
        };
        let follow = rows.iter().skip(1).map(|row| root.solve(&shared(row)));
        (rest, follow.collect())
    }

    /// What shares of columns, counted from one, cost more than none.
    pub(super) fn cost(&self, shares: &[(usize, f64)]) -> f64 {
        let column = |(k, share): &(usize, f64)| Some((k.checked_sub(1)?, *share));
        let shares = || shares.iter().filter_map(column);
        let product = |i: usize, j: usize| self.products.get(i).and_then(|row| row.get(j));
        let mut cost = 0.0;
        for (i, a) in shares() {
            cost += 2.0 * a * self.left.get(i).copied().unwrap_or(0.0);
            for (j, b) in shares() {
                cost += a * b * product(i, j).copied().unwrap_or(0.0);
            }
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Normal {
        let columns = [
            [1.0, 0.5, 2.0, 0.0],
            [2.0, -1.0, 0.1, 1.0],
            [-1.0, 3.0, 0.2, 1.0],
        ];
        let row = |i: usize| (0..=i).map(|j| dot(&columns[i], &columns[j])).collect();
        Normal::of((0..3).map(row).collect())
    }

    #[test]
    fn a_solution_solves() {
        let normal = matrix();
        let wanted = [0.7, -2.0, 1.3];
        let rows = &normal.rows;
        let entry = |i: usize, j: usize| rows[i.max(j)][i.min(j)];
        let side: Vec<f64> = (0..3)
            .map(|i| (0..3).map(|j| entry(i, j) * wanted[j]).sum())
            .collect();
        let found = normal.root(0.0).unwrap().solve(&side);
        for (a, b) in found.iter().zip(wanted) {
            assert!((a - b).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn a_variance_is_an_entry_of_the_inverse() {
        let root = matrix().root(0.0).unwrap();
        let column = root.solve(&[0.0, 1.0, 0.0]);
        assert!((root.variance(&[0.0, 1.0, 0.0]) - column[1]).abs() < 1e-12);
    }

    #[test]
    fn what_nothing_tells_has_no_root() {
        let mut normal = Normal::of(vec![vec![1.0], vec![1.0, 1.0]]);
        assert!(normal.root(0.0).is_none());
        normal.stiffen(1, 0.5);
        assert!((normal.own(1) - 1.5).abs() < 1e-12);
        assert!(normal.root(0.0).is_some());
    }

    #[test]
    fn what_unknowns_follow_costs_nothing() {
        // Unknowns, what is left over, a copy of an unknown, and something of its own.
        let columns = [
            [1.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.5],
            [2.0, 0.0, 2.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let row = |i: usize| (0..=i).map(|j| dot(&columns[i], &columns[j])).collect();
        let (normal, rows) = Normal::of((0..5).map(row).collect()).split_at(2);
        let (rest, follow) = Rest::of(&normal.root(0.0).unwrap(), &rows, 2);
        assert!(rest.cost(&[(1, 1.0)]).abs() < 1e-12 && rest.cost(&[(0, 1.0)]).abs() < 1e-12);
        // 1.5² - 0.5².
        assert!((rest.cost(&[(2, 1.0)]) - 2.0).abs() < 1e-12);
        assert!((follow[0][0] - 2.0).abs() < 1e-12 && follow[1][0].abs() < 1e-12);
    }
}
