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
}
