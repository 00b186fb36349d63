//! Modbus, pure: which blocks of registers one poll reads, and what the answers mean.
//!
//! Points of one address space are read together: a block ends where the model's largest request
//! would be exceeded or where more registers than its `max_gap` lie between two points. A block that
//! the device says it does not know is halved from poll to poll, until only what it really does not
//! know is refused: a register that is absent, or a gap that must not be read over, costs no other.
//! So is a block that a device meets with silence while it answers others. A device that stands fewer
//! registers than a value has is read value by value in several requests.

pub mod rtu;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::id::PointName;

use crate::profile::{Function, ModbusMap, Placed, Raw};

use super::readings::Points;
use super::{Fault, Readings, Taken};

/// Coils or discrete inputs that one request may read, by the protocol.
const MAX_BITS: u16 = 2000;
/// Polls that may meet silence at one block while others are answered, before it is halved: packets
/// get lost, but not three times at the same place.
const SILENCES: u8 = 3;
/// Registers that one request may read, by the protocol.
const MAX_WORDS: u16 = 125;

/// What to read in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The address space.
    pub function: Function,
    /// The first register, coil or input.
    pub start: u16,
    /// How many.
    pub count: u16,
}

/// What one request brought, and how long it took.
///
/// # Shape
///
/// `words` has one entry a register, or one of 0 or 1 a coil or input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The registers, or why there are none.
    pub words: Result<Vec<u16>, Fault>,
    /// From the request to its outcome.
    pub took: Duration,
}

/// Knows what to ask of one Modbus device and what its answers mean; never touches a socket.
#[derive(Clone, Debug)]
pub struct ModbusDriver {
    blocks: Vec<Block>,
    /// Where each point is, in the order of the names.
    order: Arc<[Place]>,
    points: Arc<Points>,
    max_registers: u16,
}

/// Where a point is: its block, and its place in that.
#[derive(Clone, Copy, Debug)]
struct Place {
    block: usize,
    point: usize,
}

/// A block of registers with the points it is for.
#[derive(Clone, Debug)]
struct Block {
    read: Read,
    /// What all devices of one model share.
    points: Arc<[Placed]>,
    /// How often in a row it met silence while other blocks were answered.
    silences: u8,
}

impl ModbusDriver {
    /// The driver of a device of this model with `rows` items in its tables, where the operator
    /// says how many.
    #[must_use]
    pub fn new(map: &ModbusMap, rows: Option<u16>) -> Self {
        let mut placed = map.placed(rows);
        placed.sort_by_key(|entry| (entry.at.function, entry.at.register));
        let mut blocks: Vec<(Read, Vec<Placed>)> = Vec::new();
        for entry in placed {
            let joined = blocks
                .last()
                .and_then(|(read, _)| read.extended(&entry, map));
            match (joined, blocks.last_mut()) {
                (Some(read), Some(block)) => {
                    block.0 = read;
                    block.1.push(entry);
                }
                _ => blocks.push((Read::of(&entry), vec![entry])),
            }
        }
        let blocks = blocks.into_iter().map(|(read, points)| Block {
            read,
            points: points.into(),
            silences: 0,
        });
        let blocks: Vec<Block> = blocks.collect();
        let (order, points) = order(&blocks);
        Self {
            order,
            points,
            blocks,
            max_registers: map.max_registers.max(1),
        }
    }

    /// The requests one poll needs, in order.
    #[must_use]
    pub fn plan(&self) -> Vec<Read> {
        let reads = self
            .blocks
            .iter()
            .flat_map(|block| block.read.parts(self.max_registers));
        reads.collect()
    }

    /// The readings in the answers to [`plan`](Self::plan), in the same order; a request without
    /// an answer counts as skipped.
    pub fn decode(&mut self, answers: &[Answer]) -> Readings {
        let mut answers = answers.iter();
        let blocks = self.blocks.iter().map(|block| {
            let parts = block.read.parts(self.max_registers).count();
            joined(answers.by_ref().take(parts), parts)
        });
        let words: Vec<Result<Cow<'_, [u16]>, Fault>> = blocks.collect();
        let taken = self.order.iter().filter_map(|place| {
            let (block, words) = (self.blocks.get(place.block)?, words.get(place.block)?);
            let entry = block.points.get(place.point)?;
            let words = words.as_ref().map(AsRef::as_ref);
            Some(block.taken(entry, words))
        });
        let readings = Readings::new(self.points.clone(), taken.collect());
        let outcomes: Vec<Option<Fault>> = words.into_iter().map(Result::err).collect();
        self.learn(&outcomes);
        readings
    }

    /// Halves the blocks that the device did not know, or met with silence again and again while it
    /// answered others. Where it knew none of several, it is another device than its profile says,
    /// or not ready: then smaller requests would only be more of them.
    fn learn(&mut self, outcomes: &[Option<Fault>]) {
        let unknown = |fault: &Option<Fault>| matches!(fault, Some(Fault::NotSupported(_)));
        if outcomes.len() > 1 && outcomes.iter().all(unknown) {
            return;
        }
        if outcomes.iter().all(Option::is_none) {
            self.blocks.iter_mut().for_each(|block| block.silences = 0);
            return;
        }
        let answered = outcomes.iter().any(Option::is_none);
        let blocks = core::mem::take(&mut self.blocks).into_iter().zip(outcomes);
        self.blocks = blocks
            .flat_map(|(mut block, fault)| {
                block.silences = match fault {
                    Some(Fault::Timeout(_)) if answered => block.silences.saturating_add(1),
                    Some(Fault::Timeout(_) | Fault::Skipped) => block.silences,
                    Some(_) | None => 0,
                };
                if unknown(fault) || block.silences >= SILENCES {
                    block.halves()
                } else {
                    vec![block]
                }
            })
            .collect();
        (self.order, self.points) = order(&self.blocks);
    }
}

/// The places of all points, in the order of their names; one that is there twice counts where it is last.
fn order(blocks: &[Block]) -> (Arc<[Place]>, Arc<Points>) {
    let places = blocks.iter().enumerate().flat_map(|(block, own)| {
        let points = own.points.iter().enumerate();
        points.map(move |(point, entry)| (&entry.name, Place { block, point }))
    });
    let places: BTreeMap<&PointName, Place> = places.collect();
    let names = places.keys().map(|name| (*name).clone());
    let points = Points::new(names.collect());
    (places.into_values().collect(), Arc::new(points))
}

/// The words of one block, which came in `parts`.
fn joined<'a>(
    answers: impl Iterator<Item = &'a Answer>,
    parts: usize,
) -> Result<Cow<'a, [u16]>, Fault> {
    let answers: Vec<&Answer> = answers.collect();
    if let ([one], 1) = (answers.as_slice(), parts) {
        let words = one.words.as_ref().map_err(Clone::clone)?;
        return Ok(Cow::Borrowed(words));
    }
    if answers.len() < parts {
        return Err(Fault::Skipped);
    }
    let mut words = Vec::new();
    for answer in answers {
        words.extend(answer.words.as_ref().map_err(Clone::clone)?);
    }
    Ok(Cow::Owned(words))
}

impl Read {
    const fn of(entry: &Placed) -> Self {
        Self {
            function: entry.at.function,
            start: entry.at.register,
            count: entry.at.kind.registers(),
        }
    }

    /// This request in as many as it takes where a device stands `most` registers in one.
    fn parts(self, most: u16) -> impl Iterator<Item = Self> {
        let most = match self.function {
            Function::Holding | Function::Input => most,
            Function::Coil | Function::Discrete => MAX_BITS,
        };
        (0..self.count).step_by(most.into()).map(move |from| Self {
            start: self.start.saturating_add(from),
            count: most.min(self.count - from),
            ..self
        })
    }

    /// This request made long enough for `entry` too, where that is allowed.
    fn extended(self, entry: &Placed, map: &ModbusMap) -> Option<Self> {
        let start = u32::from(self.start);
        let end = start + u32::from(self.count);
        let first = u32::from(entry.at.register);
        let last = first + u32::from(entry.at.kind.registers());
        let most = match self.function {
            Function::Holding | Function::Input => map.max_registers,
            Function::Coil | Function::Discrete => MAX_BITS,
        };
        let near = first <= end + u32::from(map.max_gap);
        let count = u16::try_from(last.max(end) - start)
            .ok()
            .filter(|count| *count <= most);
        if self.function == entry.at.function && near {
            count.map(|count| Self { count, ..self })
        } else {
            None
        }
    }
}

impl Block {
    /// The block in two, between points that share no register; itself where there is no such place.
    fn halves(self) -> Vec<Self> {
        let middle = self.points.len() / 2;
        let apart = |at: &usize| {
            let register = |at: usize| self.points.get(at).map(|entry| entry.at.register);
            register(*at) != register(at.saturating_sub(1))
        };
        let Some(at) = (middle.max(1)..self.points.len())
            .chain(1..middle)
            .find(apart)
        else {
            return vec![self];
        };
        let Some((points, rest)) = self.points.split_at_checked(at) else {
            return vec![self];
        };
        [points, rest].into_iter().filter_map(Self::over).collect()
    }

    /// One block over `points`, which are in the order of their registers.
    fn over(points: &[Placed]) -> Option<Self> {
        let first = points.first()?;
        let (function, start) = (first.at.function, first.at.register);
        let end = points
            .iter()
            .map(|entry| entry.at.register.saturating_add(entry.at.kind.registers()));
        let count = end.max()?.saturating_sub(start);
        Some(Self {
            read: Read {
                function,
                start,
                count,
            },
            points: points.into(),
            silences: 0,
        })
    }

    fn taken(&self, entry: &Placed, words: Result<&[u16], &Fault>) -> Taken {
        let words = match words {
            Ok(words) => words,
            Err(fault) => return Taken::bad(fault.reason()),
        };
        match self.number(entry, words) {
            Some(raw) => Taken {
                raw: Some(raw),
                reading: entry.at.point.meaning.reading(raw),
            },
            None => Taken::bad(silkline_protocol::sample::BadReading::Garbled),
        }
    }

    /// `None` where the answer is not as long as was asked for: then no word of it is trusted.
    fn number(&self, entry: &Placed, words: &[u16]) -> Option<Raw> {
        if words.len() != usize::from(self.read.count) {
            return None;
        }
        let first = usize::from(entry.at.register.checked_sub(self.read.start)?);
        let last = first + usize::from(entry.at.kind.registers());
        entry.at.number(words.get(first..last)?)
    }
}

#[cfg(test)]
mod tests;
