//! Modbus over one connection, which the units behind a gateway or on a line share.
//!
//! After any timeout or error the connection is dropped and the next request makes a new one: an
//! answer that comes late can then never be taken for the answer to a later request. Where frames
//! have no number that is not enough, and [`rtu::Exchange`] sees to the rest. Requests never overlap,
//! since each needs the link to itself.

mod framed;
mod tcp;

use std::time::Duration;

use tokio::time::timeout;
use tokio_modbus::client::Context;

use crate::clock::{Clock, Moment};
use crate::config::{Address, Device};

use super::modbus::rtu::{self, Exchange, Order, Records};
use super::modbus::{Answer, Read};
use super::{Fault, Patience};
use framed::Line;

/// A connection to one address, made when it is needed.
pub struct ModbusLink {
    address: Address,
    wire: Option<Wire>,
    exchange: Exchange,
    quiet_since: Moment,
    clock: Clock,
}

/// What requests go over, by the form of their frames.
enum Wire {
    /// Modbus TCP.
    Tcp(Context),
    /// RTU frames, over a serial line or a server that hands them through.
    Framed(Line),
}

/// Which unit behind the address is meant, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its number.
    pub number: u8,
    /// The time for a request, connecting included.
    pub timeout: Duration,
    /// The silence it wants before each request.
    pub pause: Duration,
}

impl Unit {
    /// The unit of `device`.
    #[must_use]
    pub const fn of(device: &Device) -> Self {
        Self {
            number: device.unit,
            timeout: device.timeout,
            pause: device.pause,
        }
    }
}

impl ModbusLink {
    /// A link to `address`, not connected yet.
    #[must_use]
    pub fn new(address: Address, clock: Clock) -> Self {
        Self {
            address,
            wire: None,
            exchange: Exchange::default(),
            quiet_since: Moment::START,
            clock,
        }
    }

    /// Carries out `plan`, giving up on the rest when `patience` ends: those answers are skipped.
    pub async fn poll(&mut self, unit: Unit, plan: &[Read], mut patience: Patience) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(plan.len());
        for read in plan {
            if !patience.is_left() {
                answers.push(Answer {
                    words: Err(Fault::Skipped),
                    took: Duration::ZERO,
                });
                continue;
            }
            let begun = self.clock.moment();
            let hurried = Unit {
                timeout: patience.within(unit.timeout),
                ..unit
            };
            let words = self.read(hurried, *read).await;
            patience.observe(words.as_ref().err());
            answers.push(Answer {
                words,
                took: self.clock.moment() - begun,
            });
        }
        answers
    }

    /// Reads one block.
    ///
    /// # Errors
    ///
    /// Why there is no answer that can be used.
    pub async fn read(&mut self, unit: Unit, read: Read) -> Result<Vec<u16>, Fault> {
        let body = self.request(unit, &Order::Read(read)).await?;
        match body {
            Body::Words(words) => Ok(words),
            Body::Frame(body) => Ok(rtu::words(read, &body)),
        }
    }

    /// Reads records of a file.
    ///
    /// # Errors
    ///
    /// Why there is no answer that can be used.
    pub async fn records(&mut self, unit: Unit, records: Records) -> Result<Vec<u16>, Fault> {
        match self.request(unit, &Order::Records(records)).await? {
            Body::Words(words) => Ok(words),
            Body::Frame(body) => records
                .words(&body)
                .ok_or_else(|| Fault::Garbled("an answer without its records".to_owned())),
        }
    }

    /// Writes holding registers from `start` on, in one request.
    ///
    /// # Errors
    ///
    /// Why the device did not take it, or may not have.
    pub async fn write(&mut self, unit: Unit, start: u16, words: Vec<u16>) -> Result<(), Fault> {
        self.request(unit, &Order::Write(start, words)).await?;
        Ok(())
    }

    /// How many answers came too late, or unasked, and were thrown away.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.exchange.late()
    }

    /// Sends one request, after whatever is needed to tell its answer from one that is owed.
    async fn request(&mut self, unit: Unit, order: &Order) -> Result<Body, Fault> {
        let first = (self.exchange).before(unit.number, order, self.clock.moment());
        if let Some(first) = first
            && let Err(fault) = self.once(unit, &first).await
            && !fault.is_answer()
        {
            return Err(fault);
        }
        self.once(unit, order).await
    }

    /// The connection is put back only when an answer in order has come, so it is dropped too when
    /// this future is.
    async fn once(&mut self, unit: Unit, order: &Order) -> Result<Body, Fault> {
        let gap = match &self.address {
            Address::Serial(line) => line.frame_gap().max(unit.pause),
            Address::Network(_) | Address::RtuOverTcp(_) => unit.pause,
        };
        if !gap.is_zero() {
            self.clock.sleep_until(self.quiet_since + gap).await;
        }
        let kept = self.wire.take();
        let outcome = timeout(unit.timeout, self.exchanged(kept, unit.number, order)).await;
        self.quiet_since = self.clock.moment();
        match outcome {
            Ok(outcome) => outcome,
            Err(_) => Err(self.nothing_in_time(unit, order)),
        }
    }

    async fn exchanged(
        &mut self,
        kept: Option<Wire>,
        unit: u8,
        order: &Order,
    ) -> Result<Body, Fault> {
        let mut wire = match kept {
            Some(wire) => wire,
            None => connect(&self.address).await?,
        };
        let outcome = match &mut wire {
            Wire::Tcp(context) => tcp::request(context, unit, order).await.map(Body::Words),
            Wire::Framed(line) => line
                .ask(&mut self.exchange, unit, order, &self.clock)
                .await
                .map(Body::Frame),
        };
        if outcome.as_ref().err().is_none_or(Fault::is_answer) {
            self.wire = Some(wire);
        }
        outcome
    }

    fn nothing_in_time(&self, unit: Unit, order: &Order) -> Fault {
        if self.exchange.has_begun(unit.number, order) {
            let pending = self.exchange.pending();
            return Fault::Garbled(format!("{pending} bytes that make no answer"));
        }
        Fault::Timeout(unit.timeout)
    }
}

/// What an answer consists of: words that the library has taken apart, or a frame's body.
enum Body {
    Words(Vec<u16>),
    Frame(Vec<u8>),
}

async fn connect(address: &Address) -> Result<Wire, Fault> {
    match address {
        Address::Network(at) => tcp::connect(at).await.map(Wire::Tcp),
        Address::RtuOverTcp(at) => Line::over_tcp(at).await.map(Wire::Framed),
        Address::Serial(line) => Line::serial(line).map(Wire::Framed),
    }
}

/// Why a request was refused, by its exception code.
fn refusal(code: u8) -> Fault {
    let name = match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "device failure",
        5 => "acknowledged, not done yet",
        6 => "device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway: the device does not answer",
        _ => "of no known meaning",
    };
    let said = format!("exception {code}: {name}");
    match code {
        // A device that stands fewer registers than were asked for says 3, or 2 at the end of its space.
        1..=3 => Fault::NotSupported(said),
        10 | 11 => Fault::Behind(said),
        _ => Fault::Refused(said),
    }
}

#[cfg(test)]
mod tests;
