//! Modbus TCP by tokio-modbus: one request over a connection that is only ever used for one.

use tokio::net::TcpStream;
use tokio_modbus::client::{Client as _, Context, tcp};
use tokio_modbus::slave::{Slave, SlaveContext as _};
use tokio_modbus::{Request, Response};

use crate::driver::Fault;
use crate::driver::modbus::Read;
use crate::driver::modbus::rtu::{Order, READ_RECORDS};
use crate::profile::Function;

/// Connects to `address`.
pub(super) async fn connect(address: &str) -> Result<Context, Fault> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| broken(&error))?;
    stream.set_nodelay(true).map_err(|error| broken(&error))?;
    Ok(tcp::attach(stream))
}

/// Sends `order` to `unit` and gives the words that were read, none for a write.
pub(super) async fn request(
    context: &mut Context,
    unit: u8,
    order: &Order,
) -> Result<Vec<u16>, Fault> {
    context.set_slave(Slave(unit));
    let response = match context.call(request_of(order)).await {
        Ok(Ok(response)) => response,
        Ok(Err(exception)) => return Err(super::refusal(exception.into())),
        Err(tokio_modbus::Error::Protocol(error)) => {
            return Err(Fault::Garbled(error.to_string()));
        }
        Err(tokio_modbus::Error::Transport(error)) => return Err(broken(&error)),
    };
    match order {
        Order::Read(read) => words(response, *read),
        Order::Write(start, words) => confirmed(&response, *start, words.len()),
        Order::Records(records) => match &response {
            Response::Custom(READ_RECORDS, body) => records.words(body),
            _ => None,
        }
        .ok_or_else(|| Fault::Garbled(format!("a read of records answered with {response:?}"))),
    }
}

fn request_of(order: &Order) -> Request<'_> {
    match order {
        Order::Read(Read {
            function,
            start,
            count,
        }) => match function {
            Function::Holding => Request::ReadHoldingRegisters(*start, *count),
            Function::Input => Request::ReadInputRegisters(*start, *count),
            Function::Coil => Request::ReadCoils(*start, *count),
            Function::Discrete => Request::ReadDiscreteInputs(*start, *count),
        },
        Order::Write(start, words) => Request::WriteMultipleRegisters(*start, words.into()),
        Order::Records(records) => Request::Custom(READ_RECORDS, records.request().into()),
    }
}

/// A frame that can't be read reaches us as an I/O error of this kind.
pub(super) fn broken(error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::InvalidData => Fault::Garbled(error.to_string()),
        _ => Fault::Unreachable(error.to_string()),
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

fn confirmed(response: &Response, start: u16, count: usize) -> Result<Vec<u16>, Fault> {
    match response {
        Response::WriteMultipleRegisters(at, many)
            if *at == start && count == usize::from(*many) =>
        {
            Ok(Vec::new())
        }
        other => Err(Fault::Garbled(format!("a write answered with {other:?}"))),
    }
}
