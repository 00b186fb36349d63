//! Medians and other quantiles, exactly, without sorting: values are counted into buckets that are in
//! order, and the one that holds the rank is looked into.

use std::cmp::Ordering;

use super::samples::whole;

/// Buckets that values are counted into: a byte tells them apart.
const BUCKETS: usize = 256;

/// Fewer values are not worth it.
const FEWEST: usize = 512;

/// A number of at most 51 bits added to this is rounded to the last bits of the sum.
const ROUNDS: f64 = 4_503_599_627_370_496.0;

/// Values looked at side by side.
const LANES: usize = 4;

/// The middle value; may reorder `values`. Zero for none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which a share of `values` lies; may reorder them. Zero for none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let rank = whole(share * (values.len() - 1) as f64).min(values.len() - 1);
    let span = span(values).filter(|_| values.len() >= FEWEST);
    let Some((low, scale)) = span else {
        return nth(values, rank);
    };
    let bucket = |value: f64| {
        let [last, ..] = ((value - low) * scale + ROUNDS).to_bits().to_le_bytes();
        last
    };
    let mut counts = [0_usize; BUCKETS];
    for value in values.iter() {
        if let Some(count) = counts.get_mut(usize::from(bucket(*value))) {
            *count += 1;
        }
    }
    let mut before = 0;
    for (number, count) in (0..=u8::MAX).zip(counts) {
        if before + count > rank {
            let mut inside = Vec::with_capacity(count);
            inside.extend(values.iter().filter(|value| bucket(**value) == number));
            return nth(&mut inside, rank - before);
        }
        before += count;
    }
    nth(values, rank)
}

/// The lowest value, and what the distance from it is to be multiplied by to give a bucket; none
/// where values are equal, or not all finite.
fn span(values: &[f64]) -> Option<(f64, f64)> {
    let first = values.first().copied()?;
    let (mut lows, mut highs, mut odd) = ([first; LANES], [first; LANES], [0.0; LANES]);
    let (wide, rest) = values.as_chunks::<LANES>();
    for values in wide.iter().map(<[f64; LANES]>::as_slice).chain([rest]) {
        let ends = lows.iter_mut().zip(&mut highs).zip(&mut odd);
        for (((low, high), odd), value) in ends.zip(values) {
            *low = if value < low { *value } else { *low };
            *high = if value > high { *value } else { *high };
            *odd += value * 0.0;
        }
    }
    let low = lows.into_iter().fold(first, f64::min);
    let high = highs.into_iter().fold(first, f64::max);
    let scale = (BUCKETS - 1) as f64 / (high - low);
    let sound = odd.iter().all(|odd| !odd.is_nan()) && scale.is_finite();
    sound.then_some((low, scale))
}

/// The value of a rank; reorders them.
fn nth(values: &mut [f64], rank: usize) -> f64 {
    if rank >= values.len() {
        return 0.0;
    }
    let (_, value, _) = if values.iter().any(|value| value.is_nan()) {
        values.select_nth_unstable_by(rank, f64::total_cmp)
    } else {
        values.select_nth_unstable_by(rank, numbers)
    };
    *value
}

/// The order of two numbers neither of which is NaN: one comparison where that is enough.
fn numbers(a: &f64, b: &f64) -> Ordering {
    if a < b {
        Ordering::Less
    } else if b < a {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::Dice;

    /// By sorting.
    fn wanted(values: &[f64], share: f64) -> f64 {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values[whole(share * (values.len() - 1) as f64)]
    }

    fn agree(values: &[f64]) {
        for share in [0.0, 0.25, 0.3, 0.5, 0.84, 1.0] {
            let found = quantile(&mut values.to_vec(), share);
            let wanted = wanted(values, share);
            let same = (found - wanted).abs() < 1e-300 || found.total_cmp(&wanted).is_eq();
            assert!(same, "{share}: {found} {wanted}");
        }
    }

    #[test]
    fn a_quantile_is_the_value_that_sorting_gives() {
        let mut dice = Dice::new(2);
        for count in [1, 2, 3, 100, FEWEST - 1, FEWEST, 3_001] {
            let mut values: Vec<f64> = (0..count).map(|_| dice.normal()).collect();
            agree(&values);
            // One that lies far off leaves the others in one bucket.
            values[0] = 1e9;
            agree(&values);
            agree(&values.iter().map(|v| v.round()).collect::<Vec<f64>>());
            agree(&vec![-2.5; count]);
        }
    }

    #[test]
    fn what_is_not_finite_is_in_order_too() {
        let mut values: Vec<f64> = (0..1_000).map(f64::from).collect();
        values[3] = f64::INFINITY;
        values[4] = f64::NEG_INFINITY;
        agree(&values);
        values[5] = f64::NAN;
        agree(&values);
        let tiny: Vec<f64> = (0..1_000).map(|i| f64::from(i) * 1e-310).collect();
        agree(&tiny);
    }

    #[test]
    fn quantiles_of_little_are_no_trouble() {
        assert!(median(&mut []).abs() < 1e-12);
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
    }
}
