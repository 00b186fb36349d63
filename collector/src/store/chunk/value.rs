//! A column of readings' values, kept to the last bit.
//!
//! ```text
//!   column = way  …
//!   way 0    digits, numbers (whole.rs), exceptions     values of a few decimals
//!   way 1    the different values, then which is which  few different values, such as of a logarithm
//!   way 2    the bits of each, as whole numbers         everything else
//! ```
//!
//! Instruments give whole numbers and a scale; -17.2 dBm is -172 in tenths, and -172 / 10 is again the
//! very number that was read.

use super::bits::{BitReader, BitWriter};
use super::whole;

const WAY_BITS: u32 = 2;
const DECIMAL: u64 = 0;
const LISTED: u64 = 1;
const AS_BITS: u64 = 2;

/// Powers of ten that a value may be a fraction of.
const POWERS: [f64; 13] = [
    1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
];
const DIGITS_BITS: u32 = 4;
/// Larger whole numbers are not all exact.
const MOST: f64 = 9_007_199_254_740_992.0;
/// One value in so many may be no decimal number.
const EXCEPTIONS: usize = 16;
/// Of so many values one is different at least, or else a list of them saves nothing.
const DIFFERENT: usize = 2;

/// Writes `values` to `out`; how many there are must be known to the reader.
pub(super) fn encode(values: &[f64], out: &mut BitWriter) {
    if values.is_empty() {
        return;
    }
    if let Some(digits) = digits(values) {
        put_decimal(values, digits, out);
    } else if let Some(different) = different(values) {
        put_listed(values, &different, out);
    } else {
        out.put(AS_BITS, WAY_BITS);
        let bits: Vec<i64> = values.iter().copied().map(ordered).collect();
        whole::encode(&bits, out);
    }
}

/// The next `many` values of `from`; nothing where it does not hold them.
pub(super) fn decode(many: usize, from: &mut BitReader<'_>) -> Option<Vec<f64>> {
    if many == 0 {
        return Some(Vec::new());
    }
    match from.take(WAY_BITS)? {
        DECIMAL => take_decimal(many, from),
        LISTED => {
            let length = usize::try_from(from.take_sized()?).ok()?;
            let list = (length <= many).then(|| whole::decode(length, from))??;
            let which = whole::decode(many, from)?;
            let value = |at: i64| list.get(usize::try_from(at).ok()?).copied().map(unordered);
            which.into_iter().map(value).collect()
        }
        AS_BITS => {
            let bits = whole::decode(many, from)?;
            Some(bits.into_iter().map(unordered).collect())
        }
        _ => None,
    }
}

/// How many decimals nearly all of `values` have; nothing where they are no decimal numbers.
fn digits(values: &[f64]) -> Option<usize> {
    let allowed = values.len() / EXCEPTIONS;
    let mut counts = [0; POWERS.len()];
    let mut none = 0;
    for value in values {
        let fitting = (0..POWERS.len()).find(|digits| scaled(*value, *digits).is_some());
        match fitting.and_then(|digits| counts.get_mut(digits)) {
            Some(count) => *count += 1,
            None => none += 1,
        }
        if none > allowed {
            return None;
        }
    }
    // From the most digits down, as long as those left out stay few.
    let mut digits = POWERS.len() - 1;
    while digits > 0 {
        none += counts.get(digits).copied().unwrap_or(0);
        if none > allowed {
            break;
        }
        digits -= 1;
    }
    Some(digits)
}

/// `value` in units of its last decimal, if that gives exactly `value` back.
#[expect(clippy::cast_possible_truncation, reason = "within MOST, checked")]
fn scaled(value: f64, digits: usize) -> Option<i64> {
    let power = POWERS.get(digits)?;
    let number = (value * power).round();
    if number.abs() >= MOST {
        return None;
    }
    let number = number as i64;
    (fraction(number, *power).to_bits() == value.to_bits()).then_some(number)
}

#[expect(clippy::cast_precision_loss, reason = "within MOST, or else not taken")]
fn fraction(number: i64, power: f64) -> f64 {
    number as f64 / power
}

fn put_decimal(values: &[f64], digits: usize, out: &mut BitWriter) {
    out.put(DECIMAL, WAY_BITS);
    out.put(digits as u64, DIGITS_BITS);
    let mut exceptions = Vec::new();
    let mut before = 0;
    let mut numbers = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        match scaled(*value, digits) {
            Some(number) => before = number,
            None => exceptions.push((at, *value)),
        }
        numbers.push(before);
    }
    whole::encode(&numbers, out);
    out.put_sized(exceptions.len() as u64);
    for (at, value) in exceptions {
        out.put_sized(at as u64);
        out.put(value.to_bits(), u64::BITS);
    }
}

fn take_decimal(many: usize, from: &mut BitReader<'_>) -> Option<Vec<f64>> {
    let digits = usize::try_from(from.take(DIGITS_BITS)?).ok()?;
    let power = *POWERS.get(digits)?;
    let numbers = whole::decode(many, from)?;
    let mut values: Vec<f64> = numbers
        .iter()
        .map(|number| fraction(*number, power))
        .collect();
    let exceptions = usize::try_from(from.take_sized()?).ok()?;
    for _ in 0..exceptions.min(many) {
        let at = usize::try_from(from.take_sized()?).ok()?;
        *values.get_mut(at)? = f64::from_bits(from.take(u64::BITS)?);
    }
    Some(values)
}

/// The different values in order; nothing where there are too many for a list.
fn different(values: &[f64]) -> Option<Vec<i64>> {
    let mut all: Vec<i64> = values.iter().copied().map(ordered).collect();
    all.sort_unstable();
    all.dedup();
    (all.len() * DIFFERENT <= values.len()).then_some(all)
}

fn put_listed(values: &[f64], list: &[i64], out: &mut BitWriter) {
    out.put(LISTED, WAY_BITS);
    out.put_sized(list.len() as u64);
    whole::encode(list, out);
    let at = |value: &f64| list.binary_search(&ordered(*value)).unwrap_or_else(|at| at);
    let which: Vec<i64> = values
        .iter()
        .map(|value| i64::try_from(at(value)).unwrap_or(i64::MAX))
        .collect();
    whole::encode(&which, out);
}

/// The bits of `value` as a whole number that rises with it.
const fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

const fn unordered(number: i64) -> f64 {
    let bits = if number < 0 {
        number ^ i64::MAX
    } else {
        number
    };
    f64::from_bits(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(values: &[f64]) -> usize {
        let mut writer = BitWriter::default();
        encode(values, &mut writer);
        let bytes = writer.finish();
        let back = decode(values.len(), &mut BitReader::new(&bytes)).unwrap();
        let bits = |list: &[f64]| list.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(bits(&back) == bits(values), "{back:?}");
        bytes.len()
    }

    /// Noise that is the same every time, between -1 and 1.
    fn noise(many: u32) -> impl Iterator<Item = f64> {
        let mut state = 7_u64;
        (0..many).map(move |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX) * 2.0 - 1.0
        })
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let finite = any::<f64>().prop_filter("finite", |value| value.is_finite());
        let decimal = (-100_000_i32..100_000, 0_i32..7)
            .prop_map(|(number, digits)| f64::from(number) / 10_f64.powi(digits));
        let one = prop_oneof![1 => finite, 8 => decimal, 1 => Just(-0.0)];
        prop::collection::vec(one, 0..100)
    }

    proptest! {
        #[test]
        fn every_value_comes_back_to_the_last_bit(list in values()) {
            size(&list);
        }

        #[test]
        fn any_bytes_give_values_or_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            many in 0_usize..300,
        ) {
            if let Some(read) = decode(many, &mut BitReader::new(&bytes)) {
                prop_assert_eq!(read.len(), many);
            }
        }
    }

    #[test]
    fn hundredths_of_a_decibel_take_less_than_a_byte() {
        let list: Vec<f64> = noise(1000)
            .map(|noise| ((-17.2 + 0.03 * noise) * 100.0).round() / 100.0)
            .collect();
        assert!(size(&list) < 550, "{}", size(&list));
    }

    #[test]
    fn one_odd_value_does_not_spoil_the_others() {
        let mut list: Vec<f64> = noise(1000)
            .map(|noise| (noise * 10.0).round() / 10.0)
            .collect();
        let plain = size(&list);
        list[500] = core::f64::consts::PI;
        assert!(size(&list) < plain + 20, "{} {plain}", size(&list));
    }

    #[test]
    fn a_logarithm_of_few_powers_is_a_list() {
        let list: Vec<f64> = noise(1000)
            .map(|noise| 10.0 * ((200.0 + (noise * 20.0).round()) / 1e4).log10())
            .collect();
        assert!(size(&list) < 1200, "{}", size(&list));
    }

    #[test]
    fn single_precision_takes_no_more_than_its_own_noise() {
        #[expect(clippy::cast_possible_truncation, reason = "single precision is meant")]
        let list: Vec<f64> = noise(1000)
            .map(|noise| f64::from((-17.2 + 0.03 * noise) as f32))
            .collect();
        assert!(size(&list) < 2400, "{}", size(&list));
    }
}
