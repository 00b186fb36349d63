//! A series of pairs of whole numbers as a short text, for what is saved once a minute.
//!
//! ```text
//!   text    = for each pair: how far both numbers are from those of the pair before
//!   number  = zigzag, five bits a letter, the lowest first; all letters but the last are of the second half
//! ```
//!
//! The past of a corridor is some millions of pairs: as lists of JSON they are more than twice as long,
//! and longer to read at a start. Lists are read all the same: states that were saved before have them.

use core::fmt;
use std::collections::VecDeque;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::Serializer;

/// A letter for each number below 64; none of them is written otherwise in JSON.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Bits of a number in a letter, and the bit that says that more follow.
const BITS: u32 = 5;
const MORE: u64 = 1 << BITS;

type Pairs = VecDeque<(i64, i64)>;

/// Writes pairs.
///
/// # Errors
///
/// Where the serializer has none for a text.
pub(super) fn serialize<S: Serializer>(pairs: &Pairs, to: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(8 * pairs.len());
    let mut before = (0, 0);
    for pair in pairs {
        put(pair.0.wrapping_sub(before.0), &mut text);
        put(pair.1.wrapping_sub(before.1), &mut text);
        before = *pair;
    }
    to.serialize_str(&text)
}

/// Reads what [`serialize`] wrote, or a list.
///
/// # Errors
///
/// Where it is neither.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Pairs, D::Error> {
    from.deserialize_any(Reader)
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packed pairs or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Pairs, E> {
        let mut letters = text.bytes();
        let mut pairs = Pairs::new();
        let mut before = (0_i64, 0_i64);
        while letters.len() > 0 {
            let apart = take(&mut letters).zip(take(&mut letters));
            let apart = apart.ok_or_else(|| E::custom("packed pairs are cut off"))?;
            before = (
                before.0.wrapping_add(apart.0),
                before.1.wrapping_add(apart.1),
            );
            pairs.push_back(before);
        }
        Ok(pairs)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
        let mut pairs = Pairs::new();
        while let Some(pair) = list.next_element()? {
            pairs.push_back(pair);
        }
        Ok(pairs)
    }
}

fn put(number: i64, text: &mut String) {
    let mut rest = (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned();
    loop {
        let more = if rest < MORE { 0 } else { MORE };
        let letter = usize::try_from(rest % MORE + more).ok();
        let letter = letter.and_then(|letter| LETTERS.get(letter));
        text.extend(letter.copied().map(char::from));
        rest >>= BITS;
        if more == 0 {
            return;
        }
    }
}

fn take(letters: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let mut number = 0_u64;
    for place in (0..u64::BITS).step_by(BITS as usize) {
        let letter = value(letters.next()?)?;
        number |= (letter % MORE) << place;
        if letter < MORE {
            return Some((number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg());
        }
    }
    None
}

fn value(letter: u8) -> Option<u64> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u64::from(value))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Held(#[serde(with = "super")] Pairs);

    fn back(pairs: &[(i64, i64)]) -> usize {
        let held = Held(pairs.iter().copied().collect());
        let json = serde_json::to_string(&held).unwrap();
        assert_eq!(serde_json::from_str::<Held>(&json).unwrap(), held);
        json.len() - 2
    }

    #[test]
    fn every_pair_comes_back() {
        assert_eq!(back(&[]), 0);
        back(&[
            (0, 0),
            (1, -1),
            (16, -17),
            (i64::MAX, i64::MIN),
            (i64::MIN, i64::MAX),
        ]);
        let mut state = 1_u64;
        let mut dice = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> (state >> 58)).cast_signed()
        };
        for _ in 0..200 {
            let pairs: Vec<(i64, i64)> = (0..30).map(|_| (dice(), dice())).collect();
            back(&pairs);
        }
    }

    #[test]
    fn a_day_of_light_takes_less_than_half_of_a_list() {
        let pair = |k: i64| (900_000 * k + k % 7, -17_000 + 10 * (k % 5));
        let day: Vec<(i64, i64)> = (0..96).map(pair).collect();
        let list = serde_json::to_string(&day).unwrap().len();
        assert!(2 * back(&day) < list, "{} {list}", back(&day));
    }

    #[test]
    fn lists_of_before_are_read_and_rubbish_is_refused() {
        let list: Held = serde_json::from_str("[[0,-17000],[900,-17010]]").unwrap();
        assert_eq!(list.0, [(0, -17_000), (900, -17_010)]);
        for wrong in [
            "\"A\"",
            "\"AAg\"",
            "\"A A\"",
            "\"gggggggggggggggggA\"",
            "7",
            "null",
        ] {
            assert!(serde_json::from_str::<Held>(wrong).is_err(), "{wrong}");
        }
    }
}
