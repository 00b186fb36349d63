//! From the start of a shot to its trace, block by block: pure, for every protocol.
//!
//! ```text
//!   Looking ─▶ Starting ─▶ Running ─ over ─▶ Sizing ─▶ Reading ─ all ─▶ Checking ─ right ──▶ a SOR file
//!      │          │           │                 ▲        │ ▲                │
//!      └ busy: not started    └ failed, too long│        └─┘ a block failed: the same again
//!                                               └─────── wrong, for the first time
//! ```
//!
//! A trace counts as that of our shot only where the instrument was seen to measure after the start, or
//! where the number of its trace has changed. What must not change while the blocks are read, that number
//! and the check sum, is read before and after them, so that blocks of two traces are never put together.

mod content;

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_protocol::codec::MAX_TRACE;
use silkline_protocol::id::PointName;

use super::Fault;
use super::otdr::ShotSettings;
use crate::clock::Moment;
use crate::profile::{Contents, FetchMap, MAX_REGISTERS, ShotMap};

/// How long after its average a shot may run before it is given up.
const OVERTIME: Duration = Duration::from_secs(30);
/// How soon what failed is asked for again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often one thing is asked for in a row.
const TRIES: u32 = 5;
/// More blocks than any trace has.
const MOST_BLOCKS: u32 = 65_536;

/// What has to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<E> {
    /// This, upon which whoever wants it is to be told what came of it.
    Ask(Request),
    /// Nothing before that moment.
    Wait(Moment),
    /// Nothing any more: it ended so.
    Over(E),
}

/// One request to an instrument or a switch.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The values of these points.
    Points(Vec<PointName>),
    /// The write that starts the shot.
    Start(ShotSettings),
    /// A block of the trace, or a part of it.
    Block(Part),
    /// The write that sets a switch to a port.
    Turn(u16),
}

/// Which part of which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The block, the first being 0.
    pub block: u32,
    /// Its first register that is asked for, where it consists of registers.
    pub from: u16,
    /// How many of them; 0 where it does not.
    pub count: u16,
}

/// What it answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The values.
    Points(BTreeMap<PointName, f64>),
    /// It is done.
    Done,
    /// What was asked for of a block; nothing where there is none of this number.
    Block(Option<Vec<u8>>),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// The instrument did not take the shot on, or may not have.
    NotStarted(Fault),
    /// With a SOR file.
    Trace(Vec<u8>),
    /// Without.
    Failed(Failure),
}

/// Why there is no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// What was read of it.
    pub read: Vec<u8>,
}

/// One shot on its way.
#[derive(Clone, Debug)]
pub struct Acquisition {
    map: FetchMap,
    state_point: PointName,
    failed: Option<i64>,
    settings: ShotSettings,
    /// The most registers that are asked for at once: a longer block is read in parts.
    at_once: u16,
    state: State,
    /// The trace's number before the shot.
    before: Option<f64>,
    facts: BTreeMap<PointName, f64>,
    /// When the phase in hand is given up.
    until: Moment,
    not_before: Moment,
    tries: u32,
    was_read_again: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Looking,
    Starting,
    Running {
        busy_seen: bool,
    },
    Sizing,
    /// With what has come in so many answers.
    Reading {
        bytes: Vec<u8>,
        block: u32,
    },
    Checking {
        bytes: Vec<u8>,
    },
    Over(Ended),
}

impl Acquisition {
    /// A shot with `settings` that has not been started; nothing where `map` does not tell how its trace
    /// is read.
    #[must_use]
    pub fn new(map: &ShotMap, settings: ShotSettings, now: Moment) -> Option<Self> {
        Some(Self {
            map: map.fetch.clone()?,
            state_point: map.state.clone()?,
            failed: map.failed,
            settings,
            at_once: MAX_REGISTERS,
            state: State::Looking,
            before: None,
            facts: BTreeMap::new(),
            until: now + OVERTIME,
            not_before: now,
            tries: 0,
            was_read_again: false,
        })
    }

    /// The same of an instrument that stands no more than `registers` in one request.
    #[must_use]
    pub fn at_once(self, registers: u16) -> Self {
        let at_once = registers.clamp(1, MAX_REGISTERS);
        Self { at_once, ..self }
    }

    /// Whether the instrument has taken the shot on.
    #[must_use]
    pub const fn has_started(&self) -> bool {
        !matches!(
            self.state,
            State::Looking | State::Starting | State::Over(Ended::NotStarted(_))
        )
    }

    /// Whether the instrument measures, rather than that its trace is read.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.state, State::Starting | State::Running { .. })
    }

    /// With what it is taken.
    #[must_use]
    pub const fn settings(&self) -> ShotSettings {
        self.settings
    }

    /// What is to be done at `now`.
    pub fn step(&mut self, now: Moment) -> Step<Ended> {
        if let State::Over(ended) = &self.state {
            return Step::Over(ended.clone());
        }
        if now >= self.until {
            self.out_of_time();
            return self.step(now);
        }
        if now < self.not_before {
            return Step::Wait(self.not_before.min(self.until));
        }
        Step::Ask(match &self.state {
            State::Starting => Request::Start(self.settings),
            State::Sizing => Request::Points(self.map.facts()),
            State::Checking { .. } => Request::Points(self.map.steady()),
            State::Reading { bytes, block } => Request::Block(self.part_after(bytes.len(), *block)),
            State::Looking | State::Running { .. } | State::Over(_) => {
                let state = Some(self.state_point.clone());
                Request::Points(state.into_iter().chain(self.map.serial.clone()).collect())
            }
        })
    }

    /// Takes what came of the request that [`step`](Self::step) gave.
    pub fn answered(&mut self, outcome: Result<Answer, Fault>, now: Moment) {
        let state = core::mem::replace(&mut self.state, State::Looking);
        let answer = match outcome {
            Ok(answer) => answer,
            Err(fault) => return self.fault(state, fault, now),
        };
        self.tries = 0;
        self.state = match (state, answer) {
            (State::Looking, Answer::Points(values)) => self.looked(&values),
            (State::Starting, Answer::Done) => {
                self.until = now + self.settings.average + OVERTIME;
                self.not_before = now + self.pace();
                State::Running { busy_seen: false }
            }
            (State::Running { busy_seen }, Answer::Points(values)) => {
                self.watched(&values, busy_seen, now)
            }
            (State::Sizing, Answer::Points(values)) => {
                self.facts = values;
                self.sized()
            }
            (State::Reading { bytes, block }, Answer::Block(part)) => {
                self.took((bytes, block), part, now)
            }
            (State::Checking { bytes }, Answer::Points(values)) => {
                let steady = values
                    .iter()
                    .all(|(name, value)| self.facts.get(name) == Some(value));
                if steady {
                    self.whole(bytes, now)
                } else {
                    let reason = "the instrument took up another trace while this one was read";
                    over(reason.to_owned(), bytes)
                }
            }
            (over @ State::Over(_), _) => over,
            (state, _) => {
                let fault = Fault::Garbled("an answer to something else".to_owned());
                return self.fault(state, fault, now);
            }
        };
    }

    /// How often a running shot is looked at.
    fn pace(&self) -> Duration {
        let tenth = self.settings.average / 10;
        tenth.clamp(Duration::from_millis(200), Duration::from_secs(2))
    }

    fn looked(&mut self, values: &BTreeMap<PointName, f64>) -> State {
        self.before = self.serial_in(values);
        if self.is_busy(values) {
            let fault = Fault::Refused("it is measuring already".to_owned());
            return State::Over(Ended::NotStarted(fault));
        }
        State::Starting
    }

    /// What a look at the running shot shows. Without a number of the trace, or a sight of it measuring,
    /// the instrument may still speak of the shot before.
    fn watched(
        &mut self,
        values: &BTreeMap<PointName, f64>,
        busy_seen: bool,
        now: Moment,
    ) -> State {
        self.not_before = now + self.pace();
        if self.is_busy(values) {
            return State::Running { busy_seen: true };
        }
        let has_new = self.map.serial.is_some() && self.serial_in(values) != self.before;
        let state = values.get(&self.state_point).copied();
        if (busy_seen || has_new) && self.failed.is_some_and(|failed| is(state, failed)) {
            return over("the instrument reports a failure".to_owned(), Vec::new());
        }
        if has_new || (busy_seen && self.map.serial.is_none()) {
            self.until = now + self.map.within;
            self.not_before = now;
            return State::Sizing;
        }
        State::Running { busy_seen }
    }

    /// Whether what the instrument says of the trace can be.
    fn sized(&self) -> State {
        if let Some(length) = &self.map.length {
            let units = self.facts.get(length).copied().unwrap_or_default();
            let most = MAX_TRACE / self.unit();
            if self
                .total()
                .is_none_or(|total| total == 0 || total > MAX_TRACE)
            {
                let what = match self.map.contents {
                    Contents::Sor => "bytes",
                    Contents::Samples(_) => "samples",
                };
                return over(
                    format!("the trace is said to have {units} {what}, want 1 to {most}"),
                    Vec::new(),
                );
            }
        }
        State::Reading {
            bytes: Vec::new(),
            block: 0,
        }
    }

    fn took(
        &mut self,
        (mut bytes, block): (Vec<u8>, u32),
        part: Option<Vec<u8>>,
        now: Moment,
    ) -> State {
        let total = self.total();
        let Some(part) = part.filter(|part| !part.is_empty()) else {
            return match total {
                None if !bytes.is_empty() => self.read(bytes, now),
                _ => {
                    let (found, wanted) = (bytes.len(), total.unwrap_or(1));
                    let reason = format!("block {block} is empty: {found} bytes, want {wanted}");
                    over(reason, bytes)
                }
            };
        };
        bytes.extend(part);
        if self.map.blocks.registers().is_some() {
            // The last register may be half full.
            bytes.truncate(total.unwrap_or(MAX_TRACE));
        }
        let found = bytes.len();
        match total {
            Some(total) if found > total => {
                over(format!("{found} bytes came, want {total}"), bytes)
            }
            None if found > MAX_TRACE => over(format!("more than {MAX_TRACE} bytes came"), bytes),
            Some(total) if found == total => self.read(bytes, now),
            _ if block + 1 >= MOST_BLOCKS => over(format!("no end after {block} blocks"), bytes),
            _ => State::Reading {
                bytes,
                block: block + 1,
            },
        }
    }

    /// All blocks are there.
    fn read(&mut self, bytes: Vec<u8>, now: Moment) -> State {
        if self.map.steady().is_empty() {
            return self.whole(bytes, now);
        }
        State::Checking { bytes }
    }

    /// What is wrong is read once more: a block may have been damaged on its way.
    fn whole(&mut self, bytes: Vec<u8>, now: Moment) -> State {
        match content::trace(&self.map, &self.facts, self.settings, &bytes) {
            Ok(sor) => State::Over(Ended::Trace(sor)),
            Err(_) if !self.was_read_again => {
                self.was_read_again = true;
                self.not_before = now + AGAIN;
                State::Sizing
            }
            Err(reason) => over(reason, bytes),
        }
    }

    fn fault(&mut self, state: State, fault: Fault, now: Moment) {
        self.tries += 1;
        let is_final = matches!(fault, Fault::NotSupported(_)) || self.tries >= TRIES;
        self.not_before = now + AGAIN;
        self.state = match state {
            State::Looking | State::Starting => State::Over(Ended::NotStarted(fault)),
            // It may be too busy to answer; its time is bounded anyway.
            running @ State::Running { .. } => running,
            State::Reading { bytes, block } if is_final => {
                let Part { block, .. } = self.part_after(bytes.len(), block);
                over(format!("block {block}: {fault}"), bytes)
            }
            State::Checking { bytes } if is_final => over(fault.to_string(), bytes),
            State::Sizing if is_final => over(fault.to_string(), Vec::new()),
            state @ (State::Sizing
            | State::Reading { .. }
            | State::Checking { .. }
            | State::Over(_)) => state,
        };
    }

    fn out_of_time(&mut self) {
        let within = self.map.within;
        let slow = format!("it could not be read within {within:?}");
        self.state = match core::mem::replace(&mut self.state, State::Looking) {
            State::Looking | State::Starting => {
                State::Over(Ended::NotStarted(Fault::Timeout(OVERTIME)))
            }
            State::Running { busy_seen: true } => {
                over("the shot never ended with a trace".to_owned(), Vec::new())
            }
            State::Running { busy_seen: false } => over(
                "the instrument was never seen to measure".to_owned(),
                Vec::new(),
            ),
            State::Sizing => over(slow, Vec::new()),
            State::Reading { bytes, .. } | State::Checking { bytes } => over(slow, bytes),
            over @ State::Over(_) => over,
        };
    }

    fn is_busy(&self, values: &BTreeMap<PointName, f64>) -> bool {
        let state = values.get(&self.state_point).copied();
        self.map.busy.iter().any(|busy| is(state, *busy))
    }

    fn serial_in(&self, values: &BTreeMap<PointName, f64>) -> Option<f64> {
        values.get(self.map.serial.as_ref()?).copied()
    }

    /// How many bytes a unit of the trace's length has.
    const fn unit(&self) -> usize {
        match &self.map.contents {
            Contents::Sor => 1,
            Contents::Samples(form) => form.kind.bytes(),
        }
    }

    /// How many bytes the trace has, where the instrument tells.
    fn total(&self) -> Option<usize> {
        let length = self.facts.get(self.map.length.as_ref()?)?;
        content::whole(*length)?.checked_mul(self.unit())
    }

    /// What is asked for after `read` bytes and so many answers.
    fn part_after(&self, read: usize, answers: u32) -> Part {
        let Some(whole) = self.map.blocks.registers() else {
            return Part {
                block: answers,
                from: 0,
                count: 0,
            };
        };
        // All parts but the last are of whole registers.
        let (done, whole) = (read / 2, usize::from(whole.max(1)));
        let left = self.total().unwrap_or(MAX_TRACE).saturating_sub(read);
        let rest = whole - done % whole;
        let count = left.div_ceil(2).min(rest).min(self.at_once.into());
        let number = |count| u16::try_from(count).unwrap_or(u16::MAX);
        Part {
            block: u32::try_from(done / whole).unwrap_or(u32::MAX),
            from: number(done % whole),
            count: number(count),
        }
    }
}

fn over(reason: String, read: Vec<u8>) -> State {
    State::Over(Ended::Failed(Failure { reason, read }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "both are whole numbers of few digits"
)]
fn is(found: Option<f64>, wanted: i64) -> bool {
    found == Some(wanted as f64)
}

#[cfg(test)]
mod tests;
