//! Modbus, pure: which blocks of registers one poll reads, and what the answers mean.
//!
//! Points of one address space are read together: a block ends where the model's largest request
//! would be exceeded or where more registers than its `max_gap` lie between two points. A block that
//! the device says it does not know is halved from poll to poll, until only what it really does not
//! know is refused: a register that is absent, or a gap that must not be read over, costs no other.

pub mod rtu;

use std::time::Duration;

use crate::profile::{Function, ModbusMap, Placed, Raw};

use super::{Fault, Readings, Taken};

/// Coils or discrete inputs that one request may read, by the protocol.
const MAX_BITS: u16 = 2000;
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
}

/// A request with the points it is for.
#[derive(Clone, Debug)]
struct Block {
    read: Read,
    points: Vec<Placed>,
}

impl ModbusDriver {
    /// The driver of a device of this model with `rows` items in its tables, where the operator
    /// says how many.
    #[must_use]
    pub fn new(map: &ModbusMap, rows: Option<u16>) -> Self {
        let mut placed = map.placed(rows);
        placed.sort_by_key(|entry| (entry.at.function, entry.at.register));
        let mut blocks: Vec<Block> = Vec::new();
        for entry in placed {
            let joined = blocks
                .last()
                .and_then(|block| block.read.extended(&entry, map));
            match (joined, blocks.last_mut()) {
                (Some(read), Some(block)) => {
                    block.read = read;
                    block.points.push(entry);
                }
                _ => blocks.push(Block::of(entry)),
            }
        }
        Self { blocks }
    }

    /// The requests one poll needs, in order.
    #[must_use]
    pub fn plan(&self) -> Vec<Read> {
        self.blocks.iter().map(|block| block.read).collect()
    }

    /// The readings in the answers to [`plan`](Self::plan), in the same order; a request without
    /// an answer counts as skipped.
    pub fn decode(&mut self, answers: &[Answer]) -> Readings {
        let mut readings = Readings::new();
        for (at, block) in self.blocks.iter().enumerate() {
            let words = answers.get(at).map_or(Err(&Fault::Skipped), |answer| {
                answer.words.as_ref().map(Vec::as_slice)
            });
            for entry in &block.points {
                readings.insert(entry.name.clone(), block.taken(entry, words));
            }
        }
        self.halve_unknown(answers);
        readings
    }

    /// Halves the blocks that the device did not know. Where it knew none of several, it is another
    /// device than its profile says, or not ready: then smaller requests would only be more of them.
    fn halve_unknown(&mut self, answers: &[Answer]) {
        let unknown = |answer: &Answer| matches!(answer.words, Err(Fault::NotSupported(_)));
        if answers.len() > 1 && answers.iter().all(unknown) {
            return;
        }
        let blocks = core::mem::take(&mut self.blocks).into_iter().enumerate();
        self.blocks = blocks
            .flat_map(|(at, block)| {
                if answers.get(at).is_some_and(unknown) {
                    block.halves()
                } else {
                    vec![block]
                }
            })
            .collect();
    }
}

impl Read {
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
    fn of(entry: Placed) -> Self {
        let (function, start) = (entry.at.function, entry.at.register);
        let read = Read {
            function,
            start,
            count: entry.at.kind.registers(),
        };
        Self {
            read,
            points: vec![entry],
        }
    }

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
        let mut points = self.points;
        let rest = points.split_off(at);
        [points, rest].into_iter().filter_map(Self::over).collect()
    }

    /// One block over `points`, which are in the order of their registers.
    fn over(points: Vec<Placed>) -> Option<Self> {
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
            points,
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
mod tests {
    use silkline_protocol::sample::{BadReading, Reading};

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

    fn answer(words: Result<Vec<u16>, Fault>) -> Answer {
        Answer {
            words,
            took: Duration::from_millis(3),
        }
    }

    fn reading(readings: &Readings, name: &str) -> Reading {
        readings[&name.parse().unwrap()].reading
    }

    #[test]
    fn near_registers_are_read_together() {
        let plan = ModbusDriver::new(&map("silkline-edfa"), None).plan();
        let first = Read {
            function: Function::Input,
            start: 0,
            count: 2,
        };
        let rows = Read {
            function: Function::Input,
            start: 16,
            count: 24,
        };
        assert_eq!(plan, [first, rows]);
    }

    #[test]
    fn no_request_exceeds_what_the_model_stands() {
        let mut many = map("silkline-repeater");
        for most in [125, 20, 8] {
            many.max_registers = most;
            let driver = ModbusDriver::new(&many, Some(40));
            assert!(
                driver.plan().iter().all(|read| read.count <= most),
                "{most}"
            );
            let asked: usize = driver.blocks.iter().map(|block| block.points.len()).sum();
            assert_eq!(asked, 2 + 40 * 2 * 3);
        }
    }

    #[test]
    fn a_gap_wider_than_allowed_is_not_read_over() {
        let plan = ModbusDriver::new(&map("victron-gx-battery"), None).plan();
        let starts: Vec<(u16, u16)> = plan.iter().map(|read| (read.start, read.count)).collect();
        assert_eq!(
            starts,
            [(259, 1), (261, 2), (266, 1), (268, 2), (272, 3), (303, 2)]
        );
    }

    #[test]
    fn each_kind_of_wrong_answer_gives_its_reason() {
        let fresh = || ModbusDriver::new(&map("silkline-edfa"), None);
        let rows = |first: u16| {
            let mut words = vec![0u16; 24];
            words[0] = first;
            answer(Ok(words))
        };
        let head = || answer(Ok(vec![1, 250]));
        let bad = |reason| Reading::Bad(reason);
        for (second, wanted) in [
            (rows(0xF948), Reading::Value(-17.2)),
            (rows(0x8000), Reading::Dark),
            (rows(0xF060), Reading::Dark),
            (rows(0x7FFF), bad(BadReading::Invalid)),
            (rows(0x2710), bad(BadReading::OutOfRange)),
            (answer(Ok(vec![0; 23])), bad(BadReading::Garbled)),
            (answer(Ok(vec![0; 25])), bad(BadReading::Garbled)),
            (answer(Ok(vec![])), bad(BadReading::Garbled)),
            (
                answer(Err(Fault::Refused("exception 4".into()))),
                bad(BadReading::Refused),
            ),
            (
                answer(Err(Fault::NotSupported("exception 2".into()))),
                bad(BadReading::NotSupported),
            ),
            (
                answer(Err(Fault::Garbled("wrong function".into()))),
                bad(BadReading::Garbled),
            ),
            (
                answer(Err(Fault::Timeout(Duration::from_secs(1)))),
                bad(BadReading::Timeout),
            ),
            (
                answer(Err(Fault::Unreachable("reset".into()))),
                bad(BadReading::Unreachable),
            ),
            (answer(Err(Fault::Skipped)), bad(BadReading::Timeout)),
        ] {
            let readings = fresh().decode(&[head(), second.clone()]);
            assert_eq!(reading(&readings, "in_power.1"), wanted, "{second:?}");
            assert_eq!(
                reading(&readings, "module_temp"),
                Reading::Value(25.0),
                "{second:?}"
            );
        }
    }

    #[test]
    fn a_float_that_is_not_a_number_is_garbled() {
        let mut driver = ModbusDriver::new(&map("silkline-pfe"), None);
        let mut words = vec![0u16; 10];
        words[0] = 1;
        words[6] = 0x7FC0;
        let readings = driver.decode(&[answer(Ok(words))]);
        assert_eq!(
            reading(&readings, "feed_current"),
            Reading::Bad(BadReading::Garbled)
        );
        assert_eq!(reading(&readings, "feed_voltage"), Reading::Value(0.0));
    }

    #[test]
    fn bits_of_one_register_become_points_of_their_own() {
        let mut driver = ModbusDriver::new(&map("silkline-pfe"), None);
        let mut words = vec![0u16; 10];
        words[2] = 0b0101;
        let readings = driver.decode(&[answer(Ok(words))]);
        assert_eq!(reading(&readings, "over_current"), Reading::Value(1.0));
        assert_eq!(reading(&readings, "over_voltage"), Reading::Value(0.0));
        assert_eq!(reading(&readings, "earth_fault"), Reading::Value(1.0));
    }

    #[test]
    fn an_answer_that_never_came_costs_only_its_own_points() {
        let mut driver = ModbusDriver::new(&map("silkline-edfa"), None);
        let readings = driver.decode(&[answer(Ok(vec![1, 250]))]);
        assert_eq!(reading(&readings, "module_temp"), Reading::Value(25.0));
        assert_eq!(
            reading(&readings, "in_power.2"),
            Reading::Bad(BadReading::Timeout)
        );
    }

    /// A device that does not know the register `absent`, asked as often as it takes.
    fn polled_often(id: &str, absent: u16) -> (Readings, usize) {
        let mut driver = ModbusDriver::new(&map(id), Some(2));
        let mut readings = Readings::new();
        for _ in 0..12 {
            let answers: Vec<Answer> = driver
                .plan()
                .into_iter()
                .map(|read| {
                    let holds = (read.start..read.start + read.count).contains(&absent);
                    let unknown = || Err(Fault::NotSupported("exception 2".into()));
                    answer(if holds {
                        unknown()
                    } else {
                        Ok(vec![1; read.count.into()])
                    })
                })
                .collect();
            readings = driver.decode(&answers);
        }
        (readings, driver.plan().len())
    }

    #[test]
    fn a_register_that_is_absent_costs_in_the_end_only_its_own_point() {
        let (readings, requests) = polled_often("silkline-edfa", 18);
        let bad: Vec<&str> = readings
            .iter()
            .filter(|(_, taken)| !taken.reading.is_good())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(bad, ["gain.1"]);
        assert!(requests <= 8, "{requests} requests");
    }

    #[test]
    fn a_gap_that_must_not_be_read_over_costs_nothing_in_the_end() {
        let (readings, _) = polled_often("silkline-edfa", 30);
        assert!(readings.values().all(|taken| taken.reading.is_good()));
    }

    #[test]
    fn points_of_one_register_stay_together_and_a_stranger_is_not_asked_more_often() {
        let (readings, _) = polled_often("silkline-edfa", 23);
        let bad = readings
            .iter()
            .filter(|(_, taken)| !taken.reading.is_good());
        assert_eq!(
            bad.map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["aps.1", "los.1"]
        );
        let mut driver = ModbusDriver::new(&map("silkline-edfa"), None);
        for _ in 0..12 {
            let unknown = || answer(Err(Fault::NotSupported("exception 2".into())));
            let answers: Vec<Answer> = driver.plan().iter().map(|_| unknown()).collect();
            driver.decode(&answers);
        }
        assert_eq!(driver.plan().len(), 2);
    }
}
