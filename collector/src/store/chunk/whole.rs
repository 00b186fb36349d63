//! A column of whole numbers: times, row numbers, readings in steps of their instrument.
//!
//! ```text
//!   column = first  step                     step = 0: all the same, nothing follows
//!            foresight [middle]              what the next number is guessed from
//!            block of 64…                    width (6 bits), then each miss as a Rice code
//! ```
//!
//! What is written is how far each number misses its guess, in steps of the greatest common divisor.
//! A miss of `m` at width `w` takes `(m >> w) + 1 + w` bits, so a reading that wavers by two steps
//! takes three or four; a block that misses nothing takes six bits together.
//!
//! # Source
//!
//! R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.

use super::bits::{BitReader, BitWriter};

/// Numbers that share a width.
const BLOCK: usize = 64;
/// Bits of a block's width.
const WIDTH_BITS: u32 = 6;
/// The width of a block in which every guess is right.
const RIGHT: u32 = 63;
/// The widest Rice code; larger misses are written whole.
const WIDEST: u32 = 58;
/// A miss of so many times its width is written whole.
const WHOLE_FROM: u32 = 24;
/// Of the last numbers' mean, the share that is old: three quarters.
const MEAN_SHIFT: u32 = 2;

/// What the next number is guessed from. The numbers are those of the file: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foresight {
    /// The middle of the column: readings that waver around a value.
    Middle(i64),
    /// The number before: readings that step.
    Before,
    /// The two before, in a straight line: times and counters.
    Line,
    /// The mean of the last few: readings that waver and wander.
    Mean,
}

/// Writes `numbers` to `out`; how many there are must be known to the reader.
pub(super) fn encode(numbers: &[i64], out: &mut BitWriter) {
    let Some(first) = numbers.first().copied() else {
        return;
    };
    let step = step(numbers, first);
    out.put_sized(zigzag(first));
    out.put_sized(step);
    if step == 0 {
        return;
    }
    let divisor = i64::try_from(step).unwrap_or(1);
    let steps: Vec<i64> = numbers
        .iter()
        .map(|number| number.wrapping_sub(first) / divisor)
        .collect();
    let all = [
        Foresight::Middle(middle(&steps)),
        Foresight::Before,
        Foresight::Line,
        Foresight::Mean,
    ];
    let missed = all.map(|foresight| (foresight, misses(&steps, foresight)));
    let best = missed.iter().min_by_key(|(_, misses)| cost(misses));
    let Some((foresight, misses)) = best else {
        return;
    };
    out.put(foresight.number(), 2);
    if let Foresight::Middle(middle) = foresight {
        out.put_sized(zigzag(*middle));
    }
    for block in misses.chunks(BLOCK) {
        put_block(block, out);
    }
}

/// The next `many` numbers of `from`; nothing where it does not hold them.
pub(super) fn decode(many: usize, from: &mut BitReader<'_>) -> Option<Vec<i64>> {
    if many == 0 {
        return Some(Vec::new());
    }
    let first = unzigzag(from.take_sized()?);
    let step = from.take_sized()?;
    if step == 0 {
        return Some(vec![first; many]);
    }
    let step = i64::try_from(step).ok()?;
    let foresight = match from.take(2)? {
        0 => Foresight::Middle(unzigzag(from.take_sized()?)),
        1 => Foresight::Before,
        2 => Foresight::Line,
        _ => Foresight::Mean,
    };
    let mut numbers = Vec::with_capacity(many);
    let mut guess = Guess::new(foresight);
    while numbers.len() < many {
        let width = u32::try_from(from.take(WIDTH_BITS)?).ok()?;
        for _ in 0..BLOCK.min(many - numbers.len()) {
            let miss = unzigzag(take_miss(width, from)?);
            let at = guess.next.wrapping_add(miss);
            guess.learn(at);
            numbers.push(first.wrapping_add(at.wrapping_mul(step)));
        }
    }
    Some(numbers)
}

impl Foresight {
    const fn number(self) -> u64 {
        match self {
            Self::Middle(_) => 0,
            Self::Before => 1,
            Self::Line => 2,
            Self::Mean => 3,
        }
    }
}

/// Guesses the next number from those before.
struct Guess {
    foresight: Foresight,
    next: i64,
    before: i64,
    sum: i64,
}

impl Guess {
    const fn new(foresight: Foresight) -> Self {
        let next = match foresight {
            Foresight::Middle(middle) => middle,
            Foresight::Before | Foresight::Line | Foresight::Mean => 0,
        };
        Self {
            foresight,
            next,
            before: 0,
            sum: 0,
        }
    }

    const fn learn(&mut self, number: i64) {
        self.next = match self.foresight {
            Foresight::Middle(middle) => middle,
            Foresight::Before => number,
            Foresight::Line => number.wrapping_add(number.wrapping_sub(self.before)),
            Foresight::Mean => {
                let old = self.sum >> MEAN_SHIFT;
                self.sum = self.sum.wrapping_sub(old).wrapping_add(number);
                // Half a step more rounds instead of cutting off.
                self.sum.wrapping_add(1 << (MEAN_SHIFT - 1)) >> MEAN_SHIFT
            }
        };
        self.before = number;
    }
}

fn misses(steps: &[i64], foresight: Foresight) -> Vec<u64> {
    let mut guess = Guess::new(foresight);
    let miss = |step: &i64| {
        let miss = step.wrapping_sub(guess.next);
        guess.learn(*step);
        zigzag(miss)
    };
    steps.iter().map(miss).collect()
}

/// The greatest step in which all `numbers` lie; 0 where they are all the same.
fn step(numbers: &[i64], first: i64) -> u64 {
    let (low, high) = numbers.iter().fold((first, first), |(low, high), number| {
        (low.min(*number), high.max(*number))
    });
    if high.checked_sub(low).is_none() {
        return 1;
    }
    numbers.iter().fold(0, |step, number| {
        if step == 1 {
            1
        } else {
            divisor(step, number.abs_diff(first))
        }
    })
}

const fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn middle(steps: &[i64]) -> i64 {
    let mut sorted = steps.to_vec();
    let half = sorted.len() / 2;
    *sorted.select_nth_unstable(half).1
}

fn cost(misses: &[u64]) -> u64 {
    misses.chunks(BLOCK).map(|block| width(block).1).sum()
}

/// The best width for a block, and what it then takes.
fn width(block: &[u64]) -> (u32, u64) {
    let sum = block
        .iter()
        .fold(0_u64, |sum, miss| sum.saturating_add(*miss));
    if sum == 0 {
        return (RIGHT, u64::from(WIDTH_BITS));
    }
    let mean = sum / block.len() as u64;
    let near = mean.checked_ilog2().unwrap_or(0).min(WIDEST);
    let around = near.saturating_sub(1)..=(near + 1).min(WIDEST);
    let priced = around.map(|width| (width, bits(block, width)));
    let best = priced.min_by_key(|(_, bits)| *bits);
    best.unwrap_or((near, u64::MAX))
}

fn bits(block: &[u64], width: u32) -> u64 {
    let of = |miss: &u64| match miss >> width {
        high if high < u64::from(WHOLE_FROM) => high + 1 + u64::from(width),
        _ => u64::from(WHOLE_FROM + u64::BITS),
    };
    u64::from(WIDTH_BITS) + block.iter().map(of).sum::<u64>()
}

fn put_block(block: &[u64], out: &mut BitWriter) {
    let (width, _) = width(block);
    out.put(u64::from(width), WIDTH_BITS);
    if width == RIGHT {
        return;
    }
    for miss in block {
        match u32::try_from(miss >> width) {
            Ok(high) if high < WHOLE_FROM => {
                out.put((1 << high) - 1, high + 1);
                out.put(*miss, width);
            }
            _ => {
                out.put((1 << WHOLE_FROM) - 1, WHOLE_FROM);
                out.put(*miss, u64::BITS);
            }
        }
    }
}

fn take_miss(width: u32, from: &mut BitReader<'_>) -> Option<u64> {
    if width == RIGHT {
        return Some(0);
    }
    if width > WIDEST {
        return None;
    }
    let high = from.take_ones(WHOLE_FROM)?;
    if high == WHOLE_FROM {
        return from.take(u64::BITS);
    }
    Some(u64::from(high) << width | from.take(width)?)
}

/// Small numbers of either sign as small ones without.
const fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(numbers: &[i64]) -> usize {
        let mut writer = BitWriter::default();
        encode(numbers, &mut writer);
        let bytes = writer.finish();
        let back = decode(numbers.len(), &mut BitReader::new(&bytes));
        assert_eq!(back.as_deref(), Some(numbers));
        bytes.len()
    }

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        let any = prop::collection::vec(any::<i64>(), 0..200);
        let near = prop::collection::vec(-50_i64..50, 0..200);
        let stepped = near.clone().prop_map(|list| {
            list.iter()
                .map(|n| n * 1_000_000_007 + 1_700_000_000_000_000_000)
                .collect()
        });
        prop_oneof![any, near, stepped]
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(list in numbers()) {
            size(&list);
        }

        #[test]
        fn any_bytes_give_numbers_or_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            many in 0_usize..500,
        ) {
            if let Some(read) = decode(many, &mut BitReader::new(&bytes)) {
                prop_assert_eq!(read.len(), many);
            }
        }
    }

    #[test]
    fn what_never_changes_or_rises_evenly_takes_next_to_nothing() {
        assert!(size(&[-1720; 1000]) < 8);
        let times: Vec<i64> = (0..1000)
            .map(|n| 1_800_000_000_000_000_000 + n * 60_000_000_000)
            .collect();
        assert!(size(&times) < 40, "{}", size(&times));
    }

    #[test]
    fn a_reading_that_wavers_by_a_few_steps_takes_half_a_byte() {
        // A fixed sequence that jumps about like noise of three steps.
        let mut state = 1_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            i64::try_from(state >> 61).unwrap() - 4
        };
        let list: Vec<i64> = (0..1000).map(|_| -1720 + noise()).collect();
        assert!(size(&list) < 520, "{}", size(&list));
    }

    #[test]
    fn the_ends_of_the_range_are_numbers_like_others() {
        size(&[i64::MIN, i64::MAX, 0, -1, i64::MIN, i64::MAX]);
        size(&[i64::MAX]);
        size(&[]);
    }
}
