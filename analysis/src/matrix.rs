//! The little linear algebra that the chain of landmarks needs: symmetric positive matrices.

/// A square matrix by rows.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    rows: Vec<Vec<f64>>,
}

impl Matrix {
    /// The matrix of `size` whose cell in row r and column c is `cell(r, c)`.
    pub(crate) fn from_fn(size: usize, cell: impl Fn(usize, usize) -> f64) -> Self {
        let row = |r| (0..size).map(|c| cell(r, c)).collect();
        Self {
            rows: (0..size).map(row).collect(),
        }
    }

    /// The inverse of a symmetric positive matrix, or nothing where it is not positive.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let lower = self.cholesky()?;
        let size = self.rows.len();
        let unit = |k: usize| (0..size).map(move |r| if r == k { 1.0 } else { 0.0 });
        let columns = (0..size)
            .map(|k| backward(&lower, &forward(&lower, unit(k))))
            .collect();
        // The inverse of a symmetric matrix is symmetric: its columns are its rows.
        Some(Self { rows: columns })
    }

    /// This matrix times a column.
    pub(crate) fn times(&self, column: &[f64]) -> Vec<f64> {
        self.rows.iter().map(|row| dot(row, column)).collect()
    }

    /// The cells of the diagonal.
    pub(crate) fn diagonal(&self) -> impl Iterator<Item = f64> + '_ {
        self.rows
            .iter()
            .enumerate()
            .map(|(k, row)| row.get(k).copied().unwrap_or_default())
    }

    /// The lower factor L with L·Lᵀ = self, rows cut at the diagonal.
    fn cholesky(&self) -> Option<Vec<Vec<f64>>> {
        let mut lower: Vec<Vec<f64>> = Vec::with_capacity(self.rows.len());
        for (r, row) in self.rows.iter().enumerate() {
            let mut out: Vec<f64> = Vec::with_capacity(r + 1);
            for (above, cell) in lower.iter().zip(row) {
                let pivot = above.last()?;
                let left = cell - dot(&out, above);
                out.push(left / pivot);
            }
            let square = row.get(r)? - dot(&out, &out);
            if square <= 0.0 || !square.is_finite() {
                return None;
            }
            out.push(square.sqrt());
            lower.push(out);
        }
        Some(lower)
    }
}

/// The sum of products; the longer of the two is cut.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves L·x = column.
fn forward(lower: &[Vec<f64>], column: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut solved: Vec<f64> = Vec::with_capacity(lower.len());
    for (row, cell) in lower.iter().zip(column) {
        let pivot = row.last().copied().unwrap_or(1.0);
        let left = cell - dot(&solved, row);
        solved.push(left / pivot);
    }
    solved
}

/// Solves Lᵀ·x = column.
fn backward(lower: &[Vec<f64>], column: &[f64]) -> Vec<f64> {
    let mut left = column.to_vec();
    let mut solved = vec![0.0; column.len()];
    for (row, slot) in lower.iter().zip(&mut solved).rev() {
        let pivot = row.last().copied().unwrap_or(1.0);
        let own = left.pop().unwrap_or_default() / pivot;
        *slot = own;
        for (rest, factor) in left.iter_mut().zip(row) {
            *rest -= factor * own;
        }
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_one() {
        let size = 12;
        let cell = |r: usize, c: usize| {
            let near = (r as f64 - c as f64).abs();
            (-near / 3.0).exp() + if r == c { 0.5 } else { 0.0 }
        };
        let matrix = Matrix::from_fn(size, cell);
        let inverse = matrix.inverse().unwrap();
        for k in 0..size {
            let unit: Vec<f64> = (0..size).map(|r| f64::from(u8::from(r == k))).collect();
            let back = matrix.times(&inverse.times(&unit));
            for (got, want) in back.iter().zip(&unit) {
                assert!((got - want).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn what_is_not_positive_has_no_inverse() {
        assert!(
            Matrix::from_fn(2, |r, c| if r == c { 0.0 } else { 1.0 })
                .inverse()
                .is_none()
        );
    }
}
