//! Medians and other quantiles, exactly, without sorting: of many values those far from the rank are
//! counted and left out; the others are counted into buckets that are in order, and the one that
//! holds the rank is looked into.

use std::cmp::Ordering;

use super::samples::whole;

/// Buckets that values are counted into.
const BUCKETS: usize = 64;

/// Fewer values are not worth it.
const FEWEST: usize = 40;

/// Of so few values each is held against all.
const FEW: usize = 16;

/// Of more values than this a part is looked at first, about so many of them; the value of a rank lies
/// within so many deviations of where that part has it.
const MANY: usize = 2_000;
const PART: usize = 250;
const SURELY: f64 = 3.0;

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
    let near = Some(&*values).filter(|values| values.len() > MANY);
    match near.and_then(|values| nearby(values, rank)) {
        Some((mut near, rank)) => in_buckets(&mut near, rank),
        None => in_buckets(values, rank),
    }
}

/// The values around a rank, and the rank among them; none where a part of them misleads.
fn nearby(values: &[f64], rank: usize) -> Option<(Vec<f64>, usize)> {
    let mut part: Vec<f64> = values
        .iter()
        .copied()
        .step_by(values.len() / PART)
        .collect();
    let count = part.len() as f64;
    let share = rank as f64 / values.len() as f64;
    let reach = SURELY * (count * share * (1.0 - share)).sqrt() + 1.0;
    let below = share * count - reach;
    let low = if below < 0.0 {
        f64::NEG_INFINITY
    } else {
        nth(&mut part, whole(below))
    };
    let above = whole((share * count + reach).ceil());
    let high = if above >= part.len() {
        f64::INFINITY
    } else {
        nth(&mut part, above)
    };
    let below = values.iter().filter(|value| **value < low).count();
    let above = values.iter().filter(|value| **value > high).count();
    let inside = values.len() - below - above;
    let rank = rank.checked_sub(below).filter(|rank| *rank < inside)?;
    let near = kept(
        values
            .iter()
            .map(|value| (*value, low <= *value && *value <= high)),
        inside,
    );
    // What is no number is neither inside nor outside.
    (near.len() == inside).then_some((near, rank))
}

/// Of so many values at the most those that are wanted. Which are is a matter of luck, so that a
/// guess ahead would be wrong as often as right: each is written, and the next over what is not.
fn kept(values: impl Iterator<Item = (f64, bool)>, most: usize) -> Vec<f64> {
    let mut kept = vec![0.0; most + 1];
    let mut count = 0;
    for (value, wanted) in values {
        if let Some(next) = kept.get_mut(count) {
            *next = value;
        }
        count += usize::from(wanted);
    }
    kept.truncate(count.min(most));
    kept
}

/// The value of a rank; may reorder them.
fn in_buckets(values: &mut [f64], rank: usize) -> f64 {
    let span = span(values).filter(|_| values.len() >= FEWEST);
    let Some((low, scale)) = span else {
        return nth(values, rank);
    };
    let bucket = |value: f64| {
        let [last, ..] = ((value - low) * scale + ROUNDS).to_bits().to_le_bytes();
        last
    };
    let numbers: Vec<u8> = values.iter().map(|value| bucket(*value)).collect();
    // One for every byte, so that no number needs a look whether there is one.
    let mut counts = [0_u32; 256];
    for number in &numbers {
        if let Some(count) = counts.get_mut(usize::from(*number)) {
            *count += 1;
        }
    }
    let mut before = 0;
    for (bucket, count) in counts.into_iter().enumerate() {
        let count = count as usize;
        if before + count > rank {
            let all = values.iter().zip(&numbers);
            let mut inside = kept(
                all.map(|(value, number)| (*value, usize::from(*number) == bucket)),
                count,
            );
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
    let mut look = |values: &[f64; LANES]| {
        let ends = lows.iter_mut().zip(&mut highs).zip(&mut odd);
        for (((low, high), odd), value) in ends.zip(values) {
            *low = if value < low { *value } else { *low };
            *high = if value > high { *value } else { *high };
            *odd += value * 0.0;
        }
    };
    let (wide, rest) = values.as_chunks::<LANES>();
    wide.iter().for_each(&mut look);
    rest.iter().for_each(|value| look(&[*value; LANES]));
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
    let odd = values.iter().any(|value| value.is_nan());
    if let Some(value) = of_few(values, rank).filter(|_| !odd) {
        return value;
    }
    let (_, value, _) = if odd {
        values.select_nth_unstable_by(rank, f64::total_cmp)
    } else {
        values.select_nth_unstable_by(rank, numbers)
    };
    *value
}

/// The value of a rank among few numbers: which of two is the lower is a matter of luck, so that
/// counting all that are takes less time than to put them in order.
fn of_few(values: &[f64], rank: usize) -> Option<f64> {
    let has_rank = |value: &&f64| {
        let below = values.iter().filter(|other| other < value).count();
        let equal_or_below = values.iter().filter(|other| other <= value).count();
        (below..equal_or_below).contains(&rank)
    };
    values
        .iter()
        .filter(|_| values.len() <= FEW)
        .find(has_rank)
        .copied()
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
        for count in [1, 2, 3, 100, FEWEST - 1, FEWEST, MANY, 3_001, 20_000] {
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
    fn a_part_that_misleads_is_no_trouble() {
        // Every so many values lie high: those that the part is made of.
        let step = 8_000 / PART;
        let mut dice = Dice::new(3);
        let odd = |i: usize| if i.is_multiple_of(step) { 50.0 } else { 0.0 };
        let values: Vec<f64> = (0..8_000).map(|i| dice.normal() + odd(i)).collect();
        agree(&values);
        let with_one = |odd: f64| {
            let mut values = values.clone();
            values[5] = odd;
            values
        };
        agree(&with_one(f64::NAN));
        agree(&with_one(f64::INFINITY));
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
