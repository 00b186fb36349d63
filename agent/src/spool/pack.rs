//! A sample as it lies on the disk: its numbers apart from the words around them, which are the same in
//! every sample of a device. Pure.
//!
//! ```text
//!   {"at":"2026-01-02T03:04:05Z","readings":{"gain.1":20.25,"rx":"dark"}}
//!   words    {"at":"·","readings":{"gain.1":·,"rx":"dark"}}                  kept once
//!   numbers  the time in nanoseconds, 2025 with two places                    a few bytes each
//! ```
//!
//! Byte for byte: what can't be put together again exactly is not taken apart.

use silkline_protocol::time::Timestamp;

/// Stands where a number was. JSON has no such byte: it would be escaped.
const PLACE: u8 = 1;
/// How a sample begins.
const HEAD: &[u8] = b"{\"at\":\"";
/// The most digits that a number may have here: its mantissa and places then fit 64 bits.
const DIGITS: u64 = 15;
/// The most places after the point.
pub(super) const PLACES: u64 = 15;

/// A payload taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) words: Vec<u8>,
    pub(super) numbers: Vec<u8>,
}

/// Takes a payload apart; nothing where it is no sample, or could not be put together again.
pub(super) fn split(payload: &[u8]) -> Option<Parts> {
    let rest = payload.strip_prefix(HEAD)?;
    let mut words = HEAD.to_vec();
    words.push(PLACE);
    let mut numbers = Vec::new();
    let (at, mut rest) = time(rest)?;
    push(&mut numbers, at);
    let mut in_text = true;
    let mut is_escaped = false;
    // The first byte of the rest closes the time.
    while let Some((byte, after)) = rest.split_first() {
        if !in_text && (byte.is_ascii_digit() || *byte == b'-') {
            let (number, after) = number(rest)?;
            push(&mut numbers, number);
            words.push(PLACE);
            rest = after;
            continue;
        }
        if is_escaped {
            is_escaped = false;
        } else if *byte == b'\\' {
            is_escaped = in_text;
        } else if *byte == b'"' {
            in_text = !in_text;
        } else if *byte == PLACE {
            return None;
        }
        words.push(*byte);
        rest = after;
    }
    Some(Parts { words, numbers })
}

/// The numbers of a payload whose words are `words`; nothing where its words are others.
///
/// It gives what [`split`] gives, for a tenth of the work: nearly every sample of a device has the words of
/// the one before.
pub(super) fn fit(words: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let mut pieces = words.split(|byte| *byte == PLACE);
    let rest = payload.strip_prefix(pieces.next()?)?;
    let mut numbers = Vec::with_capacity(payload.len() / 4);
    let (at, rest) = time(rest)?;
    push(&mut numbers, at);
    let mut rest = rest.strip_prefix(pieces.next()?)?;
    for piece in pieces {
        let (number, after) = number(rest)?;
        push(&mut numbers, number);
        rest = after.strip_prefix(piece)?;
    }
    rest.is_empty().then_some(numbers)
}

/// Puts a payload together; nothing where the parts do not belong together.
pub(super) fn join(words: &[u8], numbers: &[u8]) -> Option<Vec<u8>> {
    let mut rest = numbers;
    let mut payload = Vec::with_capacity(words.len() + numbers.len() * 3);
    let mut is_time = true;
    for byte in words {
        if *byte != PLACE {
            payload.push(*byte);
            continue;
        }
        let number = pull(&mut rest)?;
        if is_time {
            let at = Timestamp::from_nanos(i64::try_from(number).ok()?);
            payload.extend(at.to_string().into_bytes());
            is_time = false;
        } else {
            write(&mut payload, number);
        }
    }
    rest.is_empty().then_some(payload)
}

/// The time that `bytes` begin with in nanoseconds, and what follows it from the quote on; nothing where
/// it is not written as we write it.
fn time(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'"')?;
    let (time, rest) = bytes.split_at_checked(end)?;
    let at: Timestamp = core::str::from_utf8(time).ok()?.parse().ok()?;
    (at.to_string().as_bytes() == time).then_some(())?;
    Some((u64::try_from(at.nanos()).ok()?, rest))
}

/// The number that `bytes` begin with, and what follows it: sign, mantissa and places in one; nothing
/// where [`write`] would write it otherwise.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (negative, first) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, bytes),
    };
    let mut rest = first;
    let (mut mantissa, mut places, mut digits, mut has_point) = (0u64, 0u64, 0u64, false);
    while let Some((byte, after)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa.wrapping_mul(10) + u64::from(byte - b'0');
                places += u64::from(has_point);
                digits += 1;
            }
            b'.' if !has_point => has_point = true,
            // An exponent: rare, and left alone.
            b'e' | b'E' => return None,
            _ => break,
        }
        if digits > DIGITS {
            return None;
        }
        rest = after;
    }
    let whole = digits - places;
    let is_padded = whole > 1 && first.first() == Some(&b'0');
    if whole == 0 || is_padded || has_point != (places > 0) {
        return None;
    }
    Some((((mantissa << 1) | u64::from(negative)) << 4 | places, rest))
}

/// The places after the point of a number.
pub(super) const fn places(number: u64) -> u64 {
    number & 15
}

/// A number without its point; nothing for a zero below zero, and beyond all that is packed.
pub(super) fn mantissa(number: u64) -> Option<i64> {
    let digits = i64::try_from(number >> 5).ok()?;
    let is_negative = (number >> 4) & 1 == 1;
    match (is_negative, digits) {
        (true, 0) => None,
        (true, digits) => Some(-digits),
        (false, digits) => Some(digits),
    }
}

/// The number of so many units of its last place, written as short as may be: a digit stays after the
/// point, where there is one.
pub(super) fn shortest(value: i64, mut places: u64) -> Option<u64> {
    let mut digits = value.unsigned_abs();
    while places > 1 && digits.is_multiple_of(10) {
        digits /= 10;
        places -= 1;
    }
    let is_negative = u64::from(value < 0);
    Some((digits.checked_mul(2)? | is_negative).checked_mul(16)? | places)
}

fn write(payload: &mut Vec<u8>, number: u64) {
    let (places, rest) = (places(number), number >> 4);
    if rest & 1 == 1 {
        payload.push(b'-');
    }
    // The last digit first.
    let (begin, mut mantissa, mut digits) = (payload.len(), rest >> 1, 0);
    while mantissa > 0 || digits <= places {
        payload.push(b'0' + low(mantissa % 10));
        mantissa /= 10;
        digits += 1;
        if digits == places {
            payload.push(b'.');
        }
    }
    if let Some(written) = payload.get_mut(begin..) {
        written.reverse();
    }
}

/// Seven bits a byte, the lowest first.
pub(super) fn push(numbers: &mut Vec<u8>, mut number: u64) {
    while number > 0x7F {
        numbers.push(low(number) | 0x80);
        number >>= 7;
    }
    numbers.push(low(number));
}

const fn low(number: u64) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low & 0x7F
}

pub(super) fn pull(numbers: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = numbers.split_first()?;
        *numbers = rest;
        number |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use silkline_protocol::sample::{BadReading, Reading, Sample};

    use super::*;

    fn payload(readings: Vec<Reading>) -> Vec<u8> {
        let named = readings
            .into_iter()
            .zip(0..)
            .map(|(reading, at): (Reading, u32)| {
                (format!("in_power.{at}").parse().unwrap(), reading)
            });
        let sample = Sample {
            at: Timestamp::from_nanos(1_760_000_000_123_456_789),
            readings: named.collect(),
        };
        silkline_protocol::codec::to_json(&sample)
    }

    #[test]
    fn a_sample_comes_back_byte_for_byte_and_is_small() {
        let values = (0..20).map(|at| Reading::Value(f64::from(-1500 - at) / 100.0));
        let all = payload(values.collect());
        let parts = split(&all).unwrap();
        assert_eq!(join(&parts.words, &parts.numbers).unwrap(), all);
        assert!(parts.numbers.len() <= 9 + 3 * 20, "{}", parts.numbers.len());
    }

    #[test]
    fn samples_of_a_device_share_their_words_whatever_the_values() {
        let words = |a, b| {
            split(&payload(vec![Reading::Value(a), Reading::Value(b)]))
                .unwrap()
                .words
        };
        assert_eq!(words(1.0, -17.25), words(-0.5, 120_000.0));
        let dark = split(&payload(vec![
            Reading::Dark,
            Reading::Bad(BadReading::Timeout),
        ]))
        .unwrap();
        assert_eq!(dark.numbers.len(), 9, "the time alone");
    }

    #[test]
    fn a_sample_fits_the_words_of_the_one_before_and_no_others() {
        let one = payload(vec![Reading::Value(1.0), Reading::Value(-17.25)]);
        let next = payload(vec![Reading::Value(-0.5), Reading::Value(120_000.0)]);
        let dark = payload(vec![Reading::Dark, Reading::Value(3.0)]);
        let more = payload(vec![Reading::Value(1.0); 3]);
        let words = split(&one).unwrap().words;
        assert_eq!(fit(&words, &next), Some(split(&next).unwrap().numbers));
        assert_eq!(fit(&words, &dark), None);
        assert_eq!(fit(&words, &more), None);
        assert_eq!(fit(&split(&more).unwrap().words, &one), None);
    }

    #[test]
    fn what_is_no_sample_or_not_exact_is_left_alone() {
        for odd in [
            &b""[..],
            b"{}",
            b"{\"at\":\"yesterday\",\"readings\":{}}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":1e5}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":007}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":1234567890123456789}",
            b"{\"at\":\"2026-01-02T03:04:05+00:00\",\"x\":1}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":\"\x01\"}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":1.}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":-}",
            b"{\"at\":\"2026-01-02T03:04:05Z\",\"x\":-.5}",
        ] {
            assert_eq!(split(odd), None, "{}", String::from_utf8_lossy(odd));
        }
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in prop::collection::vec(prop::num::f64::NORMAL, 0..20)) {
            let all = payload(values.into_iter().map(Reading::of).collect());
            if let Some(parts) = split(&all) {
                prop_assert_eq!(fit(&parts.words, &all), Some(parts.numbers.clone()));
                prop_assert_eq!(join(&parts.words, &parts.numbers).unwrap(), all);
            }
        }

        #[test]
        fn any_bytes_are_taken_apart_and_back_or_left(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut odd = b"{\"at\":\"2026-01-02T03:04:05Z\",".to_vec();
            odd.extend(&bytes);
            if let Some(parts) = split(&odd) {
                prop_assert_eq!(fit(&parts.words, &odd), Some(parts.numbers.clone()));
                prop_assert_eq!(join(&parts.words, &parts.numbers).unwrap(), odd);
            }
            join(&bytes, &bytes);
        }
    }
}
