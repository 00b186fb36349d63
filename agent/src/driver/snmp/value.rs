//! What an SNMP agent answers for one OID, apart from any library.

use core::fmt;

use silkline_protocol::device::Unit;
use silkline_protocol::sample::BadReading;

use crate::profile::Raw;

/// The longest text that is looked at for a number.
const LONGEST_NUMBER: usize = 64;

/// The value of one OID.
#[derive(Clone, Debug, PartialEq)]
pub enum SnmpValue {
    /// Any of the whole-number types.
    Whole(i128),
    /// A counter that begins anew after 2^32 - 1.
    Counter32(u32),
    /// A counter that begins anew after 2^64 - 1.
    Counter64(u64),
    /// A float wrapped in an Opaque.
    Real(f64),
    /// An octet string: text, a number as text, or bits.
    Bytes(Vec<u8>),
    /// The agent does not know the object or the instance.
    Absent,
    /// The agent stumbled over this object.
    Failed,
    /// A type that no reading can be made of.
    Other(&'static str),
}

impl SnmpValue {
    /// The number it holds: of bit `bit` where one is meant; a text may end in `unit`'s symbol.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn number(&self, bit: Option<u16>, unit: Unit) -> Result<Raw, BadReading> {
        match (self, bit) {
            (Self::Absent, _) => Err(BadReading::NotSupported),
            (Self::Failed, _) => Err(BadReading::Refused),
            (Self::Counter32(number), None) => Ok(Raw::Whole((*number).into())),
            (Self::Counter64(number), None) => Ok(Raw::Whole((*number).into())),
            (Self::Counter32(_) | Self::Counter64(_), Some(_)) => Err(BadReading::Garbled),
            (Self::Other(_), _) => Err(BadReading::Garbled),
            (Self::Whole(number), None) => Ok(Raw::Whole(*number)),
            (Self::Real(number), None) => Ok(Raw::Real(*number)),
            (Self::Bytes(bytes), None) => text(bytes, unit).ok_or(BadReading::Garbled),
            (Self::Whole(number), Some(bit)) => {
                let shifted = number.checked_shr(bit.into()).ok_or(BadReading::Garbled)?;
                Ok(Raw::Whole(shifted & 1))
            }
            (Self::Real(_), Some(_)) => Err(BadReading::Garbled),
            (Self::Bytes(bytes), Some(bit)) => Ok(Raw::Whole(high_first(bytes, bit))),
        }
    }
}

impl fmt::Display for SnmpValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Counter32(number) => number.fmt(f),
            Self::Counter64(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
            Self::Bytes(bytes) => match core::str::from_utf8(bytes) {
                Ok(text) if text.chars().all(|letter| !letter.is_control()) => {
                    write!(f, "{text:?}")
                }
                _ => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            },
            Self::Absent => f.write_str("absent"),
            Self::Failed => f.write_str("refused"),
            Self::Other(kind) => write!(f, "({kind})"),
        }
    }
}

/// Bit `bit` of a BITS value: bit 0 is the highest of the first byte, and bytes left out are zero
/// (RFC 3417, section 8).
fn high_first(bytes: &[u8], bit: u16) -> i128 {
    let byte = bytes.get(usize::from(bit / 8)).copied().unwrap_or(0);
    i128::from((byte >> (7 - bit % 8)) & 1)
}

fn text(bytes: &[u8], unit: Unit) -> Option<Raw> {
    let text = core::str::from_utf8(bytes.get(..bytes.len().min(LONGEST_NUMBER))?).ok()?;
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\0');
    let bare = text.strip_suffix(unit.symbol()).unwrap_or(text).trim_end();
    if let Ok(whole) = bare.parse::<i64>() {
        return Some(Raw::Whole(whole.into()));
    }
    let shape = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
    bare.parse()
        .ok()
        .filter(|_| bare.chars().all(shape))
        .map(Raw::Real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Result<Raw, BadReading> {
        SnmpValue::Bytes(text.into()).number(None, Unit::Dbm)
    }

    #[test]
    fn a_text_may_hold_a_number_with_the_points_own_unit() {
        assert_eq!(of_text("-12.3"), Ok(Raw::Real(-12.3)));
        assert_eq!(of_text(" -12.3 dBm\0"), Ok(Raw::Real(-12.3)));
        assert_eq!(of_text("7"), Ok(Raw::Whole(7)));
        for bad in ["", "n/a", "-12.3 V", "inf", "NaN", "12 34"] {
            assert_eq!(of_text(bad), Err(BadReading::Garbled), "{bad:?}");
        }
        let binary = SnmpValue::Bytes(vec![0xFF, 0xFE]);
        assert_eq!(binary.number(None, Unit::Dbm), Err(BadReading::Garbled));
    }

    #[test]
    fn bits_count_from_the_highest_of_the_first_byte() {
        let bits = SnmpValue::Bytes(vec![0b0000_0100, 0b0010_0000]);
        let bit = |at| bits.number(Some(at), Unit::None);
        assert_eq!(bit(5), Ok(Raw::Whole(1)));
        assert_eq!(bit(10), Ok(Raw::Whole(1)));
        assert_eq!(bit(0), Ok(Raw::Whole(0)));
        assert_eq!(bit(900), Ok(Raw::Whole(0)));
    }

    #[test]
    fn a_bit_of_an_integer_counts_from_the_lowest() {
        assert_eq!(
            SnmpValue::Whole(0b100).number(Some(2), Unit::None),
            Ok(Raw::Whole(1))
        );
        assert_eq!(
            SnmpValue::Whole(1).number(Some(500), Unit::None),
            Err(BadReading::Garbled)
        );
    }

    #[test]
    fn what_is_absent_is_not_supported() {
        assert_eq!(
            SnmpValue::Absent.number(None, Unit::None),
            Err(BadReading::NotSupported)
        );
        assert_eq!(
            SnmpValue::Other("null").number(None, Unit::None),
            Err(BadReading::Garbled)
        );
    }
}
