//! Sums of products and the highest of many, eight at a time: one after the other waits for every
//! addition.

/// Terms added up side by side.
const LANES: usize = 8;

/// The sum of the products of two rows, as far as the shorter one goes.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().min(b.len());
    let (a, b) = (
        super::samples::cut(a, 0, count),
        super::samples::cut(b, 0, count),
    );
    let (wide_a, rest_a) = a.as_chunks::<LANES>();
    let (wide_b, rest_b) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in wide_a.iter().zip(wide_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// The sum of some numbers.
pub(crate) fn sum(values: &[f64]) -> f64 {
    let (wide, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for values in wide {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sums.iter().chain(rest).sum()
}

/// The highest of some numbers none of which is NaN, the least there is for none.
pub(crate) fn highest(values: &[f64]) -> f64 {
    farthest(values, f64::MIN, |value, top| value > top)
}

/// The sums of the numbers before each, and of all.
pub(crate) fn running(values: &[f64]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(values.len() + 1);
    let mut total = 0.0;
    sums.push(total);
    sums.extend(values.iter().map(|value| {
        total += value;
        total
    }));
    sums
}

/// The lowest of some numbers none of which is NaN, the most there is for none.
pub(crate) fn lowest(values: &[f64]) -> f64 {
    farthest(values, f64::MAX, |value, low| value < low)
}

/// The one that lies beyond all others, a first one among them.
fn farthest(values: &[f64], first: f64, beyond: impl Fn(f64, f64) -> bool) -> f64 {
    let farther = |a: f64, b: f64| if beyond(b, a) { b } else { a };
    let mut ends = [first; LANES];
    let (wide, rest) = values.as_chunks::<LANES>();
    for values in wide {
        for (end, value) in ends.iter_mut().zip(values) {
            *end = farther(*end, *value);
        }
    }
    ends.iter().chain(rest).copied().fold(first, farther)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_one_by_one_for_every_length() {
        for count in 0..40_u32 {
            let a: Vec<f64> = (0..count).map(|i| f64::from(i) - 3.5).collect();
            let b: Vec<f64> = (0..count + 3).map(|i| 0.25 * f64::from(i * i)).collect();
            let wanted: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!((dot(&a, &b) - wanted).abs() < 1e-9, "{count}");
            assert!((dot(&b, &a) - wanted).abs() < 1e-9, "{count}");
            let wanted: f64 = a.iter().sum();
            assert!((sum(&a) - wanted).abs() < 1e-9, "{count}");
        }
    }

    #[test]
    fn running_sums_begin_with_nothing_and_end_with_all() {
        assert_eq!(running(&[1.0, -3.0, 0.5]), [0.0, 1.0, -2.0, -1.5]);
        assert_eq!(running(&[]), [0.0]);
    }

    #[test]
    fn the_highest_and_the_lowest_are_found_wherever_they_are() {
        for count in 1..20_usize {
            for at in 0..count {
                let mut values = vec![-3.0; count];
                values[at] = 2.5;
                assert!((highest(&values) - 2.5).abs() < 1e-12, "{at} of {count}");
                values[at] = -7.0;
                assert!((lowest(&values) + 7.0).abs() < 1e-12, "{at} of {count}");
            }
        }
        assert!(highest(&[]) <= f64::MIN && lowest(&[]) >= f64::MAX);
    }
}
