//! Slow noise as cosines over the watched stretch.
//!
//! Fading that moves, a launch that bends the first kilometres, a receiver that drifts: seen in the
//! difference of two shots all of it is smooth, and a smooth curve looks much like a step. Written
//! as cosines of growing frequency its strength can be learned from good shots, one number each.

/// Cosines kept. Noise faster than the last is taken for white at its strength there.
pub(super) const MODES: usize = 24;

/// Calls `f` with each value of cosine `k` over `count` bins: orthonormal, `k` from 1.
pub(super) fn cosine(k: usize, count: usize, mut f: impl FnMut(usize, f64)) {
    let step = std::f64::consts::PI * k as f64 / count.max(1) as f64;
    let scale = (2.0 / count.max(1) as f64).sqrt();
    // cos(a + s) = 2 cos(s) cos(a) - cos(a - s): no cosine a bin.
    let twice = 2.0 * step.cos();
    let (mut before, mut here) = ((step * 0.5).cos(), (step * 0.5).cos());
    for bin in 0..count {
        f(bin, scale * here);
        (before, here) = (here, twice * here - before);
    }
}

/// How much of cosine `k` there is in values over bins.
pub(super) fn amplitude(values: &[f64], k: usize) -> f64 {
    let mut sum = 0.0;
    cosine(k, values.len(), |bin, c| {
        sum += c * values.get(bin).copied().unwrap_or(0.0);
    });
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_orthonormal() {
        let count = 500;
        let table = |k| {
            let mut values = Vec::new();
            cosine(k, count, |_, c| values.push(c));
            values
        };
        for k in [1, 2, 7, MODES] {
            for j in [1, 2, 7, MODES] {
                let wanted = if j == k { 1.0 } else { 0.0 };
                let found = amplitude(&table(k), j);
                assert!((found - wanted).abs() < 1e-9, "{k} {j}: {found}");
            }
        }
    }
}
