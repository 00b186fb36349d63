//! What a Modbus device has: registers with types, and rows that repeat at a stride.

use silkline_protocol::id::PointName;

use super::{LimitPlaces, Point, Raw};

/// The most registers one request may read, by the protocol.
pub(crate) const MAX_REGISTERS: u16 = 125;

/// What a Modbus device has.
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusMap {
    /// The port it listens on unless an address says otherwise.
    pub port: u16,
    /// Registers that nobody asked for and that are read over rather than asking twice.
    pub max_gap: u16,
    /// The most registers this model stands in one request.
    pub max_registers: u16,
    /// Single points.
    pub points: Vec<ModbusPoint>,
    /// Rows.
    pub tables: Vec<ModbusTable>,
}

/// A place in the device's registers with its meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusPoint {
    /// The address space.
    pub function: Function,
    /// The first register, counted from 0; in a table from the row's first.
    pub register: u16,
    /// How its bits are to be taken.
    pub kind: RegisterType,
    /// Which word comes first, where there are several.
    pub word_order: Endianness,
    /// Which byte of a word comes first: the low one against the protocol, as some devices send it.
    pub byte_order: Endianness,
    /// The part of the register that is meant; all of it where absent.
    pub bits: Option<Bits>,
    /// Where the device keeps limits of its own for it; in a table from the row's first register.
    pub limits_at: LimitPlaces<u16>,
    /// What it means.
    pub point: Point,
}

/// Rows of points, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusTable {
    /// The indexes of each item's rows; `{n}` stands for the item's number, from 1.
    pub index: Vec<String>,
    /// How many items are polled where the device entry does not say.
    pub rows: Option<u16>,
    /// The most items there may be.
    pub max_rows: u16,
    /// The first row's first register.
    pub register: u16,
    /// Registers from one row to the next.
    pub stride: u16,
    /// The points of each row.
    pub points: Vec<ModbusPoint>,
}

/// A point at its place in the device, with its full name.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The name, with the row's index where it is in a table.
    pub name: PointName,
    /// Its place and meaning; the register is the device's own number.
    pub at: ModbusPoint,
}

/// The address spaces of Modbus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Holding registers, function 3.
    Holding,
    /// Input registers, function 4.
    Input,
    /// Coils, function 1.
    Coil,
    /// Discrete inputs, function 2.
    Discrete,
}

/// How the bits of registers make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterType {
    /// One coil or discrete input.
    Bit,
    /// 16 bits without sign.
    U16,
    /// 16 bits, two's complement.
    I16,
    /// 32 bits without sign.
    U32,
    /// 32 bits, two's complement.
    I32,
    /// 64 bits without sign.
    U64,
    /// 64 bits, two's complement.
    I64,
    /// IEEE 754, single.
    F32,
    /// IEEE 754, double.
    F64,
}

/// Which of several words, or of the two bytes of one, comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endianness {
    /// The high one, as the protocol sends bytes.
    Big,
    /// The low one.
    Little,
}

/// A part of a register, both ends included; bit 0 is the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// The lowest bit.
    pub low: u8,
    /// The highest bit.
    pub high: u8,
}

impl RegisterType {
    /// How many registers it takes.
    #[must_use]
    pub const fn registers(self) -> u16 {
        match self {
            Self::Bit | Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    /// Whether it is a whole number without a sign, so that parts of it make sense.
    #[must_use]
    pub const fn is_unsigned(self) -> bool {
        matches!(self, Self::U16 | Self::U32 | Self::U64)
    }

    /// The number that `bits`, high word first and right-aligned, make.
    #[must_use]
    pub fn number(self, bits: u64) -> Raw {
        let [_, _, _, _, b4, b5, b6, b7] = bits.to_be_bytes();
        match self {
            Self::Bit => Raw::Whole(i128::from(bits & 1)),
            Self::U16 => Raw::Whole(i128::from(u16::from_be_bytes([b6, b7]))),
            Self::I16 => Raw::Whole(i128::from(i16::from_be_bytes([b6, b7]))),
            Self::U32 => Raw::Whole(i128::from(u32::from_be_bytes([b4, b5, b6, b7]))),
            Self::I32 => Raw::Whole(i128::from(i32::from_be_bytes([b4, b5, b6, b7]))),
            Self::F32 => Raw::Real(as_meant(f32::from_be_bytes([b4, b5, b6, b7]))),
            Self::U64 => Raw::Whole(i128::from(bits)),
            Self::I64 => Raw::Whole(i128::from(i64::from_be_bytes(bits.to_be_bytes()))),
            Self::F64 => Raw::Real(f64::from_bits(bits)),
        }
    }
}

/// The number that a device means by a short float: the shortest that it stands for.
///
/// A short float holds seven digits; widened bit by bit, 12.3 is 12.300000190734863, which reads badly and can't
/// be packed in the spool.
fn as_meant(number: f32) -> f64 {
    let shortest = number.to_string().parse();
    shortest.unwrap_or_else(|_| f64::from(number))
}

impl Bits {
    /// Whether the two share a bit.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    /// The part of `number` that is meant, moved to the right.
    #[must_use]
    pub fn of(self, number: u64) -> u64 {
        let width = u32::from(self.high.saturating_sub(self.low)) + 1;
        let mask = 1u64.checked_shl(width).map_or(u64::MAX, |end| end - 1);
        number.checked_shr(u32::from(self.low)).unwrap_or(0) & mask
    }
}

impl ModbusPoint {
    /// The number in `words`, which are this point's registers in the device's order; `None` where
    /// they are not as many as its type takes.
    #[must_use]
    pub fn number(&self, words: &[u16]) -> Option<Raw> {
        if words.len() != usize::from(self.kind.registers()) {
            return None;
        }
        let word = |word: u16| match self.byte_order {
            Endianness::Big => word,
            Endianness::Little => word.swap_bytes(),
        };
        let join = |bits: u64, own: &u16| (bits << 16) | u64::from(word(*own));
        let bits = match self.word_order {
            Endianness::Big => words.iter().fold(0, join),
            Endianness::Little => words.iter().rev().fold(0, join),
        };
        let bits = self.bits.map_or(bits, |part| part.of(bits));
        Some(self.kind.number(bits))
    }
}

impl ModbusTable {
    /// The points of the first `items` items, each at its place; a row whose name or register is
    /// impossible is left out, which the reader of profiles has made sure never happens.
    #[must_use]
    pub fn placed(&self, items: u16) -> Vec<Placed> {
        let indexes = (1..=items.min(self.max_rows)).flat_map(|n| {
            self.index
                .iter()
                .map(move |form| form.replace("{n}", &n.to_string()))
        });
        let rows = (0u32..).zip(indexes).filter_map(|(row, index)| {
            let first = u32::from(self.register) + row * u32::from(self.stride);
            u16::try_from(first).ok().map(|first| (first, index))
        });
        rows.flat_map(|(first, index)| {
            self.points.iter().filter_map(move |entry| {
                let name = format!("{}.{index}", entry.point.name).parse().ok()?;
                let register = first.checked_add(entry.register)?;
                Some(Placed {
                    name,
                    at: ModbusPoint {
                        register,
                        ..entry.clone()
                    },
                })
            })
        })
        .collect()
    }
}

impl ModbusPoint {
    /// The point at its place, where it stands in no table.
    #[must_use]
    pub fn placed(&self) -> Placed {
        Placed {
            name: self.point.name.clone(),
            at: self.clone(),
        }
    }
}

impl ModbusMap {
    /// Every point at its place; `rows` is how many items each table has, where the operator says.
    #[must_use]
    pub fn placed(&self, rows: Option<u16>) -> Vec<Placed> {
        let single = self.points.iter().map(ModbusPoint::placed);
        let in_tables = self
            .tables
            .iter()
            .flat_map(|table| table.placed(rows.or(table.rows).unwrap_or(0)));
        single.chain(in_tables).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Library, Map};

    fn map(id: &str) -> ModbusMap {
        let library = Library::embedded();
        let profile = library.find(&id.parse().unwrap()).unwrap();
        let Map::Modbus(map) = &profile.map else {
            panic!("{id} is no Modbus profile")
        };
        map.clone()
    }

    fn entry(kind: RegisterType, word_order: Endianness) -> ModbusPoint {
        let mut point = map("silkline-pfe").points.remove(0);
        point.kind = kind;
        point.word_order = word_order;
        point
    }

    #[test]
    fn every_type_reads_its_words_and_bytes_in_both_orders() {
        use RegisterType::{F32, F64, I16, I32, I64, U16, U32, U64};
        for (kind, words, wanted) in [
            (U16, vec![65535], Raw::Whole(65535)),
            (I16, vec![65535], Raw::Whole(-1)),
            (U32, vec![0xFFFF, 0xFFFE], Raw::Whole(0xFFFF_FFFE)),
            (I32, vec![0xFFFF, 0xFFFE], Raw::Whole(-2)),
            (U64, vec![0, 0, 1, 2], Raw::Whole(65538)),
            (I64, vec![0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], Raw::Whole(-1)),
            (F32, vec![0x3F80, 0], Raw::Real(1.0)),
            (F64, vec![0x3FF0, 0, 0, 0], Raw::Real(1.0)),
        ] {
            assert_eq!(
                entry(kind, Endianness::Big).number(&words),
                Some(wanted),
                "{kind:?}"
            );
            let swapped: Vec<u16> = words.iter().rev().copied().collect();
            assert_eq!(
                entry(kind, Endianness::Little).number(&swapped),
                Some(wanted),
                "{kind:?}"
            );
            let mut of_low_bytes = entry(kind, Endianness::Little);
            of_low_bytes.byte_order = Endianness::Little;
            let swapped: Vec<u16> = swapped.into_iter().map(u16::swap_bytes).collect();
            assert_eq!(of_low_bytes.number(&swapped), Some(wanted), "{kind:?}");
            assert_eq!(entry(kind, Endianness::Big).number(&[]), None);
        }
    }

    #[test]
    fn a_short_float_is_the_shortest_number_that_it_stands_for() {
        let read = |number: f32| match RegisterType::F32.number(u64::from(number.to_bits())) {
            Raw::Real(number) => number,
            Raw::Whole(_) => panic!("no float"),
        };
        for (number, wanted) in [
            (12.3_f32, "12.3"),
            (-9999.9, "-9999.9"),
            (-0.0, "-0"),
            (16_777_216.0, "16777216"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(read(number).to_string(), wanted);
        }
        proptest::proptest!(|(number in proptest::num::f32::ANY)| {
            #[expect(clippy::cast_possible_truncation, reason = "it was one")]
            let back = read(number) as f32;
            proptest::prop_assert!(back.to_bits() == number.to_bits() || number.is_nan());
        });
    }

    #[test]
    fn a_part_of_a_register_is_moved_to_the_right() {
        assert_eq!(Bits { low: 4, high: 7 }.of(0xABCD), 0xC);
        assert_eq!(Bits { low: 0, high: 63 }.of(u64::MAX), u64::MAX);
        assert_eq!(Bits { low: 15, high: 15 }.of(0x8000), 1);
        assert!(Bits { low: 0, high: 3 }.overlaps(Bits { low: 3, high: 5 }));
        assert!(!Bits { low: 0, high: 3 }.overlaps(Bits { low: 4, high: 5 }));
    }

    #[test]
    fn rows_stand_at_their_stride_under_their_index() {
        let placed = map("silkline-repeater").placed(Some(2));
        let at = |name: &str| {
            placed
                .iter()
                .find(|entry| entry.name.as_str() == name)
                .map(|entry| entry.at.register)
        };
        assert_eq!(at("in_power.1ab"), Some(16));
        assert_eq!(at("in_power.1ba"), Some(24));
        assert_eq!(at("pump_bias.2ba"), Some(16 + 3 * 8 + 2));
        assert_eq!(at("in_power.3ab"), None);
    }

    #[test]
    fn rows_default_to_the_profile_and_end_at_its_most() {
        let edfa = map("silkline-edfa");
        assert_eq!(edfa.placed(None), edfa.placed(Some(2)));
        assert_eq!(edfa.placed(Some(9)), edfa.placed(Some(2)));
        let repeaters = map("silkline-repeater").placed(None);
        assert!(repeaters.iter().all(|entry| entry.name.index().is_none()));
    }
}
