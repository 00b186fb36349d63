//! How a finished trace is read out of an instrument block by block, and what the blocks contain.
//!
//! Whatever is a quantity, such as how long the trace is, is a point of the profile, named here.

use std::time::Duration;

use silkline_protocol::id::PointName;

use super::{Function, ObjectType, Oid};

/// How a trace is read.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchMap {
    /// Where its blocks are.
    pub blocks: Blocks,
    /// What they contain, put together.
    pub contents: Contents,
    /// The values of the shot's `state` while it measures.
    pub busy: Vec<i64>,
    /// The point that tells how many bytes the file, or how many samples the trace has.
    pub length: Option<PointName>,
    /// The point that differs from trace to trace.
    pub serial: Option<PointName>,
    /// The point that holds a check sum of all bytes, and which.
    pub checksum: Option<(PointName, Sum)>,
    /// How long reading it may take.
    pub within: Duration,
}

/// Where the blocks of a trace are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Registers one after another, from the first on (Modbus).
    Registers(Window),
    /// The same few registers, which show the block whose number is written to another (Modbus).
    Indexed {
        /// The holding register to which the number is written.
        index: u16,
        /// The number of the first block.
        first: u16,
        /// Where the block is shown.
        window: Window,
    },
    /// Records of files, function 20 (Modbus).
    Records {
        /// The first file; the following ones go on where its 10,000 records end.
        file: u16,
        /// Records that are read at once.
        registers: u16,
    },
    /// Rows of a column, an OCTET STRING each (SNMP).
    Column {
        /// The column.
        oid: Oid,
        /// The first row.
        first: u32,
    },
    /// One object, which shows the block whose number another is set to (SNMP).
    Selected {
        /// The object that is set.
        index: Oid,
        /// Its type.
        kind: ObjectType,
        /// The number of the first block.
        first: u32,
        /// The object that shows the block.
        data: Oid,
    },
}

/// Registers that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The address space.
    pub function: Function,
    /// The first.
    pub register: u16,
    /// How many at once.
    pub registers: u16,
}

/// What the blocks contain.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// A SOR file.
    Sor,
    /// Samples, of which a SOR file is made.
    Samples(SampleForm),
}

/// What samples are.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleForm {
    /// The form of each.
    pub kind: SampleKind,
    /// Whether the low byte comes first.
    pub little: bool,
    /// The decibels, one way, of one unit.
    pub db_per_unit: f64,
    /// Whether a larger number is more light; else it is more loss.
    pub up: bool,
    /// Glass from one sample to the next, in metres.
    pub spacing_m: Given,
    /// The group index by which these metres were reckoned.
    pub group_index: Given,
    /// The wavelength in nanometres.
    pub wavelength_nm: Given,
    /// The pulse in nanoseconds, where it may not be the one that was ordered.
    pub pulse_ns: Option<Given>,
}

/// The form of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// 16 bits without sign.
    U16,
    /// 16 bits, two's complement.
    I16,
    /// 32 bits without sign.
    U32,
    /// 32 bits, two's complement.
    I32,
}

/// A quantity that the instrument tells, or that is the same in every one.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// By this point.
    Point(PointName),
    /// This.
    Number(f64),
}

/// A kind of check sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// CRC-16 CCITT, initial value FFFF.
    Crc16,
    /// CRC-32 of ISO 3309.
    Crc32,
}

impl SampleKind {
    /// How many bytes it takes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
        }
    }
}

impl Given {
    const fn point(&self) -> Option<&PointName> {
        match self {
            Self::Point(point) => Some(point),
            Self::Number(_) => None,
        }
    }
}

impl Sum {
    /// The check sum of `bytes`.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> u32 {
        const CRC16: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_IBM_3740);
        const CRC32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        match self {
            Self::Crc16 => CRC16.checksum(bytes).into(),
            Self::Crc32 => CRC32.checksum(bytes),
        }
    }
}

impl Blocks {
    /// How many registers a block has; none where a block is as long as the instrument likes.
    #[must_use]
    pub const fn registers(&self) -> Option<u16> {
        match self {
            Self::Registers(window) | Self::Indexed { window, .. } => Some(window.registers),
            Self::Records { registers, .. } => Some(*registers),
            Self::Column { .. } | Self::Selected { .. } => None,
        }
    }
}

impl FetchMap {
    /// The points that are read before the blocks.
    #[must_use]
    pub fn facts(&self) -> Vec<PointName> {
        let sum = self.checksum.as_ref().map(|(point, _)| point);
        let own = [self.length.as_ref(), self.serial.as_ref(), sum];
        let of_samples = match &self.contents {
            Contents::Sor => Vec::new(),
            Contents::Samples(form) => {
                let given = [&form.spacing_m, &form.group_index, &form.wavelength_nm];
                let given = given.into_iter().chain(&form.pulse_ns);
                given.filter_map(Given::point).collect()
            }
        };
        let all = own.into_iter().flatten().chain(of_samples).cloned();
        let mut all: Vec<PointName> = all.collect();
        all.sort();
        all.dedup();
        all
    }

    /// The points that must be after the blocks as they were before them.
    #[must_use]
    pub fn steady(&self) -> Vec<PointName> {
        let sum = self.checksum.as_ref().map(|(point, _)| point);
        let steady = [self.serial.as_ref(), sum];
        steady.into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_catalogue_come_out() {
        assert_eq!(Sum::Crc16.of(b"123456789"), 0x29B1);
        assert_eq!(Sum::Crc32.of(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn every_point_that_is_needed_is_asked_once() {
        let point = |name: &str| name.parse::<PointName>().unwrap();
        let map = FetchMap {
            blocks: Blocks::Records {
                file: 1,
                registers: 100,
            },
            contents: Contents::Samples(SampleForm {
                kind: SampleKind::U16,
                little: false,
                db_per_unit: 0.001,
                up: false,
                spacing_m: Given::Point(point("spacing")),
                group_index: Given::Number(1.4682),
                wavelength_nm: Given::Point(point("spacing")),
                pulse_ns: None,
            }),
            busy: vec![1],
            length: Some(point("count")),
            serial: Some(point("number")),
            checksum: None,
            within: Duration::from_secs(60),
        };
        assert_eq!(
            map.facts(),
            [point("count"), point("number"), point("spacing")]
        );
        assert_eq!(map.steady(), [point("number")]);
        assert_eq!(map.blocks.registers(), Some(100));
    }
}
