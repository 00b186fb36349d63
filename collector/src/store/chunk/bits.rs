//! Numbers of any width, one behind the other, without a gap between them.
//!
//! The first bit is the lowest of the first byte.

/// Puts bits behind one another.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, and how many.
    rest: u64,
    many: u32,
}

/// Takes bits from where a [`BitWriter`] put them.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Bits that are written or read at once at most: what fits beside a begun byte.
const WIDE: u32 = 56;
/// Bits that say how wide a number is.
const WIDTH: u32 = 7;

impl BitWriter {
    /// The lowest `bits` bits of `number`.
    pub(super) fn put(&mut self, number: u64, bits: u32) {
        if bits > WIDE {
            self.put(number, WIDE);
            return self.put(number >> WIDE, bits - WIDE);
        }
        self.rest |= (number & mask(bits)) << self.many;
        self.many += bits;
        while self.many >= 8 {
            self.bytes.extend(self.rest.to_le_bytes().first());
            self.rest >>= 8;
            self.many -= 8;
        }
    }

    /// A number of any size, the short ones short.
    pub(super) fn put_sized(&mut self, number: u64) {
        let width = u64::BITS - number.leading_zeros();
        self.put(u64::from(width), WIDTH);
        self.put(number, width);
    }

    /// All bits, filled up to whole bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.many > 0 {
            self.put(0, 8 - self.many);
        }
        self.bytes
    }
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `bits` bits; nothing where there are fewer.
    pub(super) fn take(&mut self, bits: u32) -> Option<u64> {
        if bits > WIDE {
            let low = self.take(WIDE)?;
            return Some(low | self.take(bits - WIDE)? << WIDE);
        }
        let end = self.at.checked_add(bits as usize)?;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let number = self.peek() & mask(bits);
        self.at = end;
        Some(number)
    }

    /// How many bits are set before the first that is not; that one is taken as well.
    pub(super) fn take_ones(&mut self, most: u32) -> Option<u32> {
        let ones = self.peek().trailing_ones().min(most);
        self.take(if ones < most { ones + 1 } else { ones })?;
        Some(ones)
    }

    pub(super) fn take_sized(&mut self) -> Option<u64> {
        let width = u32::try_from(self.take(WIDTH)?).ok()?;
        (width <= u64::BITS).then(|| self.take(width))?
    }

    /// At least the next [`WIDE`] bits; zeros behind the end.
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => rest
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.at % 8)
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(list in prop::collection::vec((any::<u64>(), 0_u32..=64), 0..50)) {
            let mut writer = BitWriter::default();
            for (number, bits) in &list {
                writer.put(*number, *bits);
                writer.put_sized(*number);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (number, bits) in &list {
                let low = number & 1_u64.checked_shl(*bits).unwrap_or(0).wrapping_sub(1);
                prop_assert_eq!(reader.take(*bits), Some(low));
                prop_assert_eq!(reader.take_sized(), Some(*number));
            }
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..50), most in 1_u32..30) {
            let mut reader = BitReader::new(&bytes);
            let mut rounds = 0;
            while reader.take_ones(most).is_some() && reader.take_sized().is_some() {
                rounds += 1;
            }
            prop_assert!(rounds <= bytes.len() * 8);
        }
    }

    #[test]
    fn ones_are_counted_up_to_the_first_that_is_none() {
        let mut writer = BitWriter::default();
        for ones in [0_u32, 3, 24, 5] {
            writer.put((1 << ones) - 1, if ones < 24 { ones + 1 } else { ones });
        }
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        for ones in [0, 3, 24, 5] {
            assert_eq!(reader.take_ones(24), Some(ones));
        }
    }
}
