//! Linear powers of many levels summed: by a series where the levels differ little.

/// Relative power a one-way decibel, as a natural logarithm.
pub(crate) const POWER_A_DB: f64 = std::f64::consts::LN_10 / 5.0;

/// Terms added up side by side: one after the other waits for every addition.
const LANES: usize = 4;

/// The powers of levels summed, over that of the first, by four terms of the exponential's series;
/// and how far the farthest level lies from the first as a natural logarithm: for 0.4 the last term
/// left out is a part in ten thousand.
pub(crate) fn by_series(levels: &[f64]) -> (f64, f64) {
    let first = levels.first().copied().unwrap_or(0.0);
    let term = |level: f64| {
        let x = (level - first) * POWER_A_DB;
        let power = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0))));
        (power, x.abs())
    };
    let (mut sums, mut widest) = ([0.0; LANES], [0.0; LANES]);
    let (wide, rest) = levels.as_chunks::<LANES>();
    for levels in wide {
        for ((sum, widest), level) in sums.iter_mut().zip(&mut widest).zip(levels) {
            let (power, far) = term(*level);
            *widest = if far > *widest { far } else { *widest };
            *sum += power;
        }
    }
    let both = (sums.iter().sum(), widest.into_iter().fold(0.0, f64::max));
    rest.iter().fold(both, |(sum, widest), level| {
        let (power, far) = term(*level);
        (sum + power, far.max(widest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_gives_the_powers_of_levels_that_differ_little() {
        for count in 1..30_u32 {
            let levels: Vec<f64> = (0..count).map(|i| 0.8 * f64::from(i % 7) / 7.0).collect();
            let power = |level: &f64| 10_f64.powf((level - levels[0]) / 5.0);
            let wanted: f64 = levels.iter().map(power).sum();
            let (sum, widest) = by_series(&levels);
            assert!((sum / wanted - 1.0).abs() < 1e-4, "{count}: {sum} {wanted}");
            let farthest = 0.8 * f64::from(6.min(count - 1)) / 7.0 * POWER_A_DB;
            assert!((widest - farthest).abs() < 1e-12, "{count}: {widest}");
        }
        assert!(by_series(&[]).0.abs() < 1e-12);
    }
}
