//! Modbus RTU, pure: a request as a frame, and what of the bytes on a line answers it.
//!
//! A line keeps no request and its answer together: the frame has no number, and dropping the
//! connection to a serial server does not stop the device behind it from answering late. So every
//! answer that never came is remembered as owed. A frame that may be an owed one is never taken:
//! before the same thing is asked again, something of another length is, and since a device answers
//! in order, its answer shows that nothing older is on the way.
//!
//! ```text
//!   ask ─▶ shape wanted ─ bytes ─▶ Found::Answer    the frame has the unit, function and length
//!                                  Found::Wrong     in order otherwise: garbled, wrong length
//!                                  Found::Nothing   more bytes are needed
//!   frames of other units, and those that are owed, are passed over and counted
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};

use crate::clock::Moment;
use crate::profile::Function;

use super::Read;

/// The longest frame (Modbus over Serial Line 1.02, 2.5.1).
const LONGEST_FRAME: usize = 256;
/// Bytes without an answer after which a device is taken to be babbling.
const MOST_BYTES: usize = 8 * LONGEST_FRAME;
/// Read File Record.
pub const READ_RECORDS: u8 = 20;
/// What it calls its one kind of reference.
const RECORD_REFERENCE: u8 = 6;
/// How long an answer may be owed: beyond it the device or the line has dropped it.
const OWED_FOR: Duration = Duration::from_secs(60);

/// What is asked of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Reads a block.
    Read(Read),
    /// Writes holding registers from the first on.
    Write(u16, Vec<u16>),
    /// Reads records of a file.
    Records(Records),
}

/// Records of a file, one register each (function 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// The file.
    pub file: u16,
    /// The first record.
    pub first: u16,
    /// How many.
    pub count: u16,
}

/// An order whose answer can't be told from one that is owed is preceded by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    function: u8,
    length: usize,
}

/// What the bytes so far come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// More bytes are needed.
    Nothing,
    /// The answer: what follows the function code, without the check sum.
    Answer(Vec<u8>),
    /// The device refused with this exception code.
    Exception(u8),
    /// A frame in order that answers something else, though nothing else is owed.
    Wrong(String),
}

/// The state of one line.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    bytes: BytesMut,
    taken: usize,
    owed: BTreeMap<u8, BTreeMap<Shape, Moment>>,
    late: u64,
}

impl Order {
    /// The frame that asks it of `unit`.
    #[must_use]
    pub fn frame(&self, unit: u8) -> Vec<u8> {
        let mut frame = vec![unit, self.function()];
        match self {
            Self::Read(read) => {
                frame.extend(read.start.to_be_bytes());
                frame.extend(read.count.to_be_bytes());
            }
            Self::Write(start, words) => {
                let count = u16::try_from(words.len()).unwrap_or(u16::MAX);
                frame.extend(start.to_be_bytes());
                frame.extend(count.to_be_bytes());
                frame.push(u8::try_from(words.len() * 2).unwrap_or(u8::MAX));
                frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            }
            Self::Records(records) => frame.extend(records.request()),
        }
        frame.extend(checksum(&frame).to_le_bytes());
        frame
    }

    const fn function(&self) -> u8 {
        match self {
            Self::Read(read) => match read.function {
                Function::Coil => 1,
                Function::Discrete => 2,
                Function::Holding => 3,
                Function::Input => 4,
            },
            Self::Write(..) => 16,
            Self::Records(_) => READ_RECORDS,
        }
    }

    /// The length of the whole frame that answers it.
    fn answer_length(&self) -> usize {
        match self {
            Self::Read(read) => 5 + read.bytes(),
            Self::Write(..) => 8,
            Self::Records(records) => 5 + records.answer_bytes(),
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            function: self.function(),
            length: self.answer_length(),
        }
    }
}

impl Records {
    /// What follows the function code in the request (Modbus Application Protocol 1.1b3, 6.14).
    #[must_use]
    pub fn request(self) -> Vec<u8> {
        let mut body = vec![7, RECORD_REFERENCE];
        for word in [self.file, self.first, self.count] {
            body.extend(word.to_be_bytes());
        }
        body
    }

    /// The words in the body of an answer; nothing where it is none.
    #[must_use]
    pub fn words(self, body: &[u8]) -> Option<Vec<u16>> {
        let (head, values) = body.split_first_chunk::<3>()?;
        let [all, own, reference] = *head;
        let right = usize::from(all) == self.answer_bytes()
            && usize::from(own) + 1 == self.answer_bytes()
            && reference == RECORD_REFERENCE
            && values.len() == 2 * usize::from(self.count);
        let pairs = values
            .chunks_exact(2)
            .filter_map(|pair| pair.try_into().ok());
        right.then(|| pairs.map(u16::from_be_bytes).collect())
    }

    /// What the answer's first byte counts: length, reference and values.
    fn answer_bytes(self) -> usize {
        2 + 2 * usize::from(self.count)
    }
}

impl Read {
    /// How many bytes of values the answer has.
    fn bytes(self) -> usize {
        let count = usize::from(self.count);
        match self.function {
            Function::Holding | Function::Input => 2 * count,
            Function::Coil | Function::Discrete => count.div_ceil(8),
        }
    }
}

impl Exchange {
    /// What has to be asked of `unit` before `order`, so that its answer can't be an owed one: a part
    /// of the same block in another length. Nothing where no answer is owed that looks like it.
    pub fn before(&mut self, unit: u8, order: &Order, now: Moment) -> Option<Order> {
        let owed = self.owed.get_mut(&unit)?;
        owed.retain(|_, since| now - *since < OWED_FOR);
        if !owed.contains_key(&order.shape()) {
            return None;
        }
        let of = |count| match order {
            Order::Read(read) => Some(Order::Read(Read { count, ..*read })),
            Order::Records(records) => Some(Order::Records(Records { count, ..*records })),
            // A write is confirmed by place and count, so a late confirmation is told by its content.
            Order::Write(..) => None,
        };
        (1..=super::MAX_WORDS)
            .filter_map(of)
            .find(|other| !owed.contains_key(&other.shape()))
    }

    /// Forgets what came before: a request is about to be sent.
    pub fn begin(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// Takes bytes of the line, and says whether they answer what was asked of `unit`.
    pub fn push(&mut self, unit: u8, order: &Order, bytes: &[u8]) -> Found {
        self.taken += bytes.len();
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..) {
            match frame_in(rest) {
                Some(length) => {
                    let frame = rest.get(..length).unwrap_or_default().to_vec();
                    if let Some(found) = self.judge(unit, order, &frame) {
                        return found;
                    }
                    self.bytes.advance(at + length);
                    at = 0;
                }
                None if at < self.bytes.len() => at += 1,
                None => break,
            }
        }
        // What can't begin an answer any more is let go, so that the search stays short.
        let spare = self.bytes.len().saturating_sub(LONGEST_FRAME);
        self.bytes.advance(spare);
        if self.taken > MOST_BYTES {
            let taken = self.taken;
            return Found::Wrong(format!("{taken} bytes and no answer among them"));
        }
        Found::Nothing
    }

    /// How many bytes have come that make no frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.bytes.len()
    }

    /// Whether what has come is the beginning of an answer to `order`, whole or damaged.
    #[must_use]
    pub fn has_begun(&self, unit: u8, order: &Order) -> bool {
        self.bytes.first() == Some(&unit)
            && (self.bytes.get(1)).is_some_and(|function| function & 0x7F == order.function())
    }

    /// Counts bytes that came when nothing had been asked.
    pub const fn unasked(&mut self) {
        self.late += 1;
    }

    /// Remembers that the answer to `order` may still come.
    pub fn owe(&mut self, unit: u8, order: &Order, now: Moment) {
        let owed = self.owed.entry(unit).or_default();
        owed.insert(order.shape(), now);
    }

    /// Notes that `unit` answered: it owes nothing that was asked before, since it answers in order.
    pub fn settle(&mut self, unit: u8) {
        self.owed.remove(&unit);
    }

    /// Notes that `unit` refused: exceptions look alike, so this settles one answer, not several.
    pub fn settle_one(&mut self, unit: u8) {
        if self.owed.get(&unit).is_some_and(|owed| owed.len() == 1) {
            self.owed.remove(&unit);
        }
    }

    /// How many answers came too late and were passed over.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// What a frame in order means; nothing where it is passed over.
    fn judge(&mut self, unit: u8, order: &Order, frame: &[u8]) -> Option<Found> {
        let (from, function) = (*frame.first()?, *frame.get(1)?);
        // What is being asked is owed too, so that it is remembered if it never comes.
        let own = (from == unit).then(|| order.shape());
        let owes =
            (self.owed.get(&from)).is_some_and(|owed| owed.keys().any(|shape| Some(*shape) != own));
        if from != unit {
            self.late += u64::from(owes);
            return (!owes)
                .then(|| Found::Wrong(format!("unit {from} answered, asked was {unit}")));
        }
        let body = frame.get(2..frame.len().saturating_sub(2))?;
        if function == order.function() | 0x80 {
            return Some(Found::Exception(*body.first()?));
        }
        let shape = Shape {
            function,
            length: frame.len(),
        };
        if shape == order.shape() && order.is_answered_by(body) {
            return Some(Found::Answer(body.to_vec()));
        }
        if owes {
            self.late += 1;
            return None;
        }
        let (length, wanted) = (frame.len(), order.answer_length());
        let asked = order.function();
        Some(Found::Wrong(format!(
            "function {function} and {length} bytes, want {asked} and {wanted}"
        )))
    }
}

impl Order {
    /// A confirmed write repeats place and count.
    fn is_answered_by(&self, body: &[u8]) -> bool {
        match self {
            Self::Read(read) => body.first().copied().map(usize::from) == Some(read.bytes()),
            Self::Write(start, words) => {
                let count = u16::try_from(words.len()).unwrap_or(u16::MAX);
                let wanted = [start.to_be_bytes(), count.to_be_bytes()].concat();
                body == wanted
            }
            Self::Records(records) => records.words(body).is_some(),
        }
    }
}

/// The words in the body of an answer to `read`: one a register, or one of 0 or 1 a coil or input.
#[must_use]
pub fn words(read: Read, body: &[u8]) -> Vec<u16> {
    let values = body.get(1..).unwrap_or_default();
    match read.function {
        Function::Holding | Function::Input => {
            let pairs = values
                .chunks_exact(2)
                .filter_map(|pair| pair.try_into().ok());
            pairs.map(u16::from_be_bytes).collect()
        }
        Function::Coil | Function::Discrete => values
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)))
            .take(read.count.into())
            .collect(),
    }
}

/// The length of the frame that `bytes` begin with, where they begin with a whole one in order.
fn frame_in(bytes: &[u8]) -> Option<usize> {
    let function = *bytes.get(1)?;
    let length = match function {
        1..=4 | READ_RECORDS => 5 + usize::from(*bytes.get(2)?),
        5 | 6 | 15 | 16 => 8,
        _ if function & 0x80 != 0 => 5,
        _ => return None,
    };
    let frame = bytes.get(..length)?;
    let (body, sum) = frame.split_last_chunk::<2>()?;
    (checksum(body) == u16::from_le_bytes(*sum)).then_some(length)
}

fn checksum(bytes: &[u8]) -> u16 {
    const MODBUS: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_MODBUS);
    MODBUS.checksum(bytes)
}

#[cfg(test)]
mod tests;
