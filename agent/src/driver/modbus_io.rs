//! Modbus TCP over one connection, which the units behind a gateway share.
//!
//! After any timeout or error the connection is dropped and the next request makes a new one: an
//! answer that comes late can then never be taken for the answer to a later request. Requests never
//! overlap, since each needs the link to itself.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{ExceptionCode, Request, Response};

use crate::clock::Clock;
use crate::profile::Function;

use super::modbus::{Answer, Read};
use super::{Fault, Patience};

/// A connection to one address, made when it is needed.
pub struct ModbusLink {
    address: String,
    context: Option<Context>,
    clock: Clock,
}

/// Which unit behind the address is meant, and how long each request to it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its number.
    pub number: u8,
    /// The time for a request, connecting included.
    pub timeout: Duration,
}

impl ModbusLink {
    /// A link to `address` (`host:port`), not connected yet.
    #[must_use]
    pub const fn new(address: String, clock: Clock) -> Self {
        Self {
            address,
            context: None,
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
            let words = self.read(unit, *read).await;
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
        let request = match read.function {
            Function::Holding => Request::ReadHoldingRegisters(read.start, read.count),
            Function::Input => Request::ReadInputRegisters(read.start, read.count),
            Function::Coil => Request::ReadCoils(read.start, read.count),
            Function::Discrete => Request::ReadDiscreteInputs(read.start, read.count),
        };
        let response = self.request(unit, request).await?;
        let words = words(response, read);
        if words.is_err() {
            self.context = None;
        }
        words
    }

    /// Writes holding registers from `start` on, in one request.
    ///
    /// # Errors
    ///
    /// Why the device did not take it, or may not have.
    pub async fn write(&mut self, unit: Unit, start: u16, words: Vec<u16>) -> Result<(), Fault> {
        let count = words.len();
        let response = self
            .request(unit, Request::WriteMultipleRegisters(start, words.into()))
            .await?;
        match response {
            Response::WriteMultipleRegisters(at, many)
                if at == start && count == usize::from(many) =>
            {
                Ok(())
            }
            other => {
                self.context = None;
                Err(Fault::Garbled(format!("a write answered with {other:?}")))
            }
        }
    }

    /// Sends one request. The connection is put back only when an answer in order has come, so it
    /// is dropped too when this future is.
    async fn request(&mut self, unit: Unit, request: Request<'_>) -> Result<Response, Fault> {
        let kept = self.context.take();
        let exchange = async {
            let mut context = match kept {
                Some(context) => context,
                None => connect(&self.address).await?,
            };
            context.set_slave(Slave(unit.number));
            let outcome = context.call(request).await;
            Ok::<_, Fault>((context, outcome))
        };
        let (context, outcome) = timeout(unit.timeout, exchange)
            .await
            .map_err(|_| Fault::Timeout(unit.timeout))??;
        match outcome {
            Ok(Ok(response)) => {
                self.context = Some(context);
                Ok(response)
            }
            Ok(Err(exception)) => {
                self.context = Some(context);
                Err(refusal(exception))
            }
            Err(tokio_modbus::Error::Protocol(error)) => Err(Fault::Garbled(error.to_string())),
            Err(tokio_modbus::Error::Transport(error)) => Err(broken(&error)),
        }
    }
}

async fn connect(address: &str) -> Result<Context, Fault> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| broken(&error))?;
    stream.set_nodelay(true).map_err(|error| broken(&error))?;
    Ok(tcp::attach(stream))
}

/// A frame that can't be read reaches us as an I/O error of this kind.
fn broken(error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::InvalidData => Fault::Garbled(error.to_string()),
        _ => Fault::Unreachable(error.to_string()),
    }
}

fn refusal(exception: ExceptionCode) -> Fault {
    let said = format!("exception {}: {exception}", u8::from(exception));
    match exception {
        ExceptionCode::IllegalFunction | ExceptionCode::IllegalDataAddress => {
            Fault::NotSupported(said)
        }
        ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice => {
            Fault::Unreachable(said)
        }
        _ => Fault::Refused(said),
    }
}

/// The registers in `response`; coils come by the byte, so those past the count are cut off.
fn words(response: Response, read: Read) -> Result<Vec<u16>, Fault> {
    let wanted = usize::from(read.count);
    let words = match (read.function, response) {
        (Function::Holding, Response::ReadHoldingRegisters(words))
        | (Function::Input, Response::ReadInputRegisters(words)) => words,
        (Function::Coil, Response::ReadCoils(bits))
        | (Function::Discrete, Response::ReadDiscreteInputs(bits))
            if bits.len() / 8 == wanted.div_ceil(8) =>
        {
            bits.into_iter().take(wanted).map(u16::from).collect()
        }
        (_, other) => return Err(Fault::Garbled(format!("a read answered with {other:?}"))),
    };
    if words.len() == wanted {
        return Ok(words);
    }
    Err(Fault::Garbled(format!(
        "{} words, want {wanted}",
        words.len()
    )))
}

#[cfg(test)]
mod tests;
