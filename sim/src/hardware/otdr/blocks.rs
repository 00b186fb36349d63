//! The OTDR by Modbus whose traces are read in blocks: written by hand from the map of
//! `silkline-otdr-modbus`, not shared with what reads it.

use std::sync::atomic::{AtomicU16, Ordering};

use tokio_modbus::ExceptionCode;

use super::{Core, SHOT_REGISTER, Status};
use crate::hardware::modbus::Slave;
use crate::hardware::registers::{Registers, Table};

const INDEX_REGISTER: u16 = 110;
const WINDOW: u16 = 1_000;
const BLOCK: u16 = 100;
/// Written to the last register of a shot, this stops it.
const STOP: u16 = 2;

/// The registers of the unit.
pub(in crate::hardware) struct Blocks {
    core: Core,
    index: AtomicU16,
}

/// The registers of a unit that has never shot.
pub(in crate::hardware) fn at_rest() -> Registers {
    registers(&Status::default(), 0)
}

fn registers(status: &Status, index: u16) -> Registers {
    let mut held = Registers::default();
    let wide = |value: u32| {
        let [b0, b1, b2, b3] = value.to_be_bytes();
        [u16::from_be_bytes([b0, b1]), u16::from_be_bytes([b2, b3])]
    };
    let length = u32::try_from(status.trace.len()).unwrap_or(u32::MAX);
    let [shots, shots_low] = wide(status.shots);
    let [length, length_low] = wide(length);
    let [sum, sum_low] = wide(status.sum);
    let words = [
        2,
        status.state_number(),
        312,
        shots,
        shots_low,
        length,
        length_low,
        sum,
        sum_low,
    ];
    held.words.extend((0_u16..).zip(words));
    let bytes = usize::from(index) * 2 * usize::from(BLOCK);
    let shown = status.trace.get(bytes..).unwrap_or_default();
    let byte = |at: usize| shown.get(at).copied().unwrap_or_default();
    let block =
        (0..usize::from(BLOCK)).map(|at| u16::from_be_bytes([byte(2 * at), byte(2 * at + 1)]));
    held.words.extend((WINDOW..).zip(block));
    held
}

/// CRC-32 of ISO 3309, bit by bit.
pub(super) fn sum_of(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let lowest = sum & 1;
            sum = (sum >> 1) ^ (0xEDB8_8320 * lowest);
        }
    }
    !sum
}

impl Blocks {
    pub(in crate::hardware) const fn of(core: Core) -> Self {
        Self {
            core,
            index: AtomicU16::new(0),
        }
    }
}

impl Slave for Blocks {
    fn answers(&self) -> bool {
        self.core.answers()
    }

    fn registers(&self) -> Registers {
        registers(
            &self.core.status.borrow(),
            self.index.load(Ordering::Relaxed),
        )
    }

    fn holding(&self) -> Registers {
        let mut held = Registers {
            table: Table::Holding,
            ..Registers::default()
        };
        held.words
            .insert(INDEX_REGISTER, self.index.load(Ordering::Relaxed));
        held
    }

    fn write(&self, register: u16, words: &[u16]) -> Result<(), ExceptionCode> {
        match (register, words) {
            (SHOT_REGISTER, words) => self.core.shot_words(words),
            (INDEX_REGISTER, [index]) => {
                self.index.store(*index, Ordering::Relaxed);
                Ok(())
            }
            (_, [STOP]) if register == SHOT_REGISTER + 4 => {
                self.core.stop();
                Ok(())
            }
            _ => Err(ExceptionCode::IllegalDataAddress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(sum_of(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_block_is_shown_high_byte_first_and_ends_in_zeros() {
        let status = Status {
            trace: std::sync::Arc::new((0..=250).collect()),
            ..Status::default()
        };
        let held = registers(&status, 1);
        assert_eq!(held.words[&WINDOW], 0xC8C9);
        assert_eq!(held.words[&(WINDOW + 25)], 0xFA00);
        assert_eq!((held.words[&5], held.words[&6]), (0, 251));
        assert_eq!(registers(&status, u16::MAX).words[&WINDOW], 0);
    }
}
