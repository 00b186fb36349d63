//! A Modbus TCP server a device.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;

use silkline_protocol::plant::Device;
use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tracing::debug;

use super::Bench;
use super::registers::{self, Registers, Table};

/// The most registers that one request may ask for.
const MOST_REGISTERS: u16 = 125;

/// What a server needs of its device.
pub(super) trait Slave: Send + Sync + 'static {
    /// Whether it says anything at all.
    fn answers(&self) -> bool;

    /// What its registers hold now.
    fn registers(&self) -> Registers;

    /// What its holding registers hold now, where it has both kinds.
    fn holding(&self) -> Registers {
        Registers {
            table: Table::Holding,
            ..Registers::default()
        }
    }

    /// Takes words that were written at `register`.
    fn write(&self, register: u16, words: &[u16]) -> Result<(), ExceptionCode>;
}

/// A device that can only be read.
pub(super) struct Gauge {
    bench: Bench,
    device: Device,
}

impl Gauge {
    pub(super) const fn new(bench: Bench, device: Device) -> Self {
        Self { bench, device }
    }
}

impl Slave for Gauge {
    fn answers(&self) -> bool {
        self.bench.answers(&self.device.site, &self.device.id)
    }

    fn registers(&self) -> Registers {
        self.bench
            .at_this_moment(|world, moment| registers::of(world, &self.device, moment))
    }

    fn write(&self, _: u16, _: &[u16]) -> Result<(), ExceptionCode> {
        Err(ExceptionCode::IllegalFunction)
    }
}

/// Serves `slave` until the task is stopped.
pub(super) async fn serve(listener: TcpListener, slave: Arc<dyn Slave>) {
    let server = Server::new(listener);
    let new_service = |_| Ok(Some(Answering(Arc::clone(&slave))));
    let connected = |stream, from| {
        let accepted = accept_tcp_connection(stream, from, new_service);
        async move { accepted }
    };
    let broken = |error: io::Error| debug!(%error, "a modbus connection broke");
    if let Err(error) = server.serve(&connected, broken).await {
        debug!(%error, "a modbus server ended");
    }
}

/// One connection to a slave.
struct Answering(Arc<dyn Slave>);

impl Service for Answering {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        if !self.0.answers() {
            return ready(Ok(None));
        }
        ready(self.answer(&request.request).map(Some))
    }
}

impl Answering {
    fn answer(&self, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        match request {
            Request::ReadInputRegisters(at, count) => self
                .read(Table::Input, *at, *count)
                .map(Response::ReadInputRegisters),
            Request::ReadHoldingRegisters(at, count) => self
                .read(Table::Holding, *at, *count)
                .map(Response::ReadHoldingRegisters),
            Request::WriteMultipleRegisters(at, words) => {
                self.0.write(*at, words)?;
                let count = u16::try_from(words.len()).unwrap_or(u16::MAX);
                Ok(Response::WriteMultipleRegisters(*at, count))
            }
            Request::WriteSingleRegister(at, word) => {
                self.0.write(*at, &[*word])?;
                Ok(Response::WriteSingleRegister(*at, *word))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    fn read(&self, table: Table, at: u16, count: u16) -> Result<Vec<u16>, ExceptionCode> {
        if !(1..=MOST_REGISTERS).contains(&count) {
            return Err(ExceptionCode::IllegalDataValue);
        }
        let mut registers = self.0.registers();
        if registers.table != table {
            registers = self.0.holding();
        }
        if registers.table != table || registers.words.is_empty() {
            return Err(ExceptionCode::IllegalFunction);
        }
        let end = at
            .checked_add(count)
            .ok_or(ExceptionCode::IllegalDataAddress)?;
        let word = |at| registers.words.get(&at).copied();
        let words = (at..end).map(word).collect::<Option<Vec<u16>>>();
        words.ok_or(ExceptionCode::IllegalDataAddress)
    }
}
