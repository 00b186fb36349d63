//! The file's checksum: computed, compared and reported, never a reason to refuse a file.
//!
//! About half of genuine files match no known variant, so a mismatch says little; a match says
//! that the file is as its instrument wrote it.

use crc::{CRC_16_IBM_3740, CRC_16_XMODEM, Crc, Table};

/// CRC-16 CCITT with initial value FFFF, as most instruments and pyOTDR compute it; sixteen bytes
/// at a time, for a byte at a time it would take as long as all else of reading together.
static CCITT: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_3740);

/// The same polynomial with initial value 0, found on Anritsu instruments.
static XMODEM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// What the checksum block says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// There is none.
    #[default]
    Absent,
    /// It agrees with the bytes before it.
    Matches,
    /// It agrees with no known variant.
    Differs {
        /// The number in the file.
        stored: u16,
        /// What CRC-16 CCITT gives.
        computed: u16,
    },
}

/// The checksum of everything before the stored one.
pub(crate) fn of(before: &[u8]) -> u16 {
    CCITT.checksum(before)
}

/// Compares a stored checksum with the bytes before it.
pub(crate) fn compare(before: &[u8], stored: u16) -> Checksum {
    let computed = of(before);
    if stored == computed || stored == XMODEM.checksum(before) {
        return Checksum::Matches;
    }
    Checksum::Differs { stored, computed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(of(b"123456789"), 0x29B1);
        assert_eq!(compare(b"123456789", 0x29B1), Checksum::Matches);
        assert_eq!(compare(b"123456789", 0x31C3), Checksum::Matches);
    }

    #[test]
    fn a_mismatch_names_both_numbers() {
        let differs = Checksum::Differs {
            stored: 7,
            computed: 0x29B1,
        };
        assert_eq!(compare(b"123456789", 7), differs);
    }
}
