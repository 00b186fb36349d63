//! RTU frames over a stream of bytes: a serial line, or TCP to a server that hands them through.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_serial::SerialPortBuilderExt as _;

use crate::clock::Clock;
use crate::config::{Parity, SerialLine};
use crate::driver::Fault;
use crate::driver::modbus::rtu::{Exchange, Found, Order};

/// How long an answer that has begun may stop for: serial servers hand on what they have every 10 to
/// 100 ms, and adapters by USB every 16.
const LONGEST_STOP: Duration = Duration::from_millis(250);
/// Reads that may be needed to empty a line of what nobody asked for.
const MOST_DRAINS: usize = 64;

/// What bytes can be sent over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open line.
pub(super) struct Line {
    stream: Box<dyn Stream>,
}

impl Line {
    /// Opens a serial line of this machine, for this program alone.
    pub(super) fn serial(line: &SerialLine) -> Result<Self, Fault> {
        let parity = match line.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        };
        let stop_bits = match line.stop_bits {
            1 => tokio_serial::StopBits::One,
            _ => tokio_serial::StopBits::Two,
        };
        let path = line.path.to_string_lossy();
        let port = tokio_serial::new(path.clone(), line.baud)
            .parity(parity)
            .stop_bits(stop_bits)
            .open_native_async()
            .map_err(|error| Fault::Unreachable(format!("{path}: {error}")))?;
        Ok(Self {
            stream: Box::new(port),
        })
    }

    /// Connects to a server that hands frames through.
    pub(super) async fn over_tcp(address: &str) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| broken(&error))?;
        stream.set_nodelay(true).map_err(|error| broken(&error))?;
        Ok(Self {
            stream: Box::new(stream),
        })
    }

    /// Sends `order` and gives the body of its answer. The answer is owed from the moment at which
    /// the order may have left, so that it is remembered too when this future is dropped.
    pub(super) async fn ask(
        &mut self,
        exchange: &mut Exchange,
        unit: u8,
        order: &Order,
        clock: &Clock,
    ) -> Result<Vec<u8>, Fault> {
        self.drain(exchange).await?;
        exchange.begin();
        exchange.owe(unit, order, clock.moment());
        let sent = async {
            self.stream.write_all(&order.frame(unit)).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| broken(&error))?;
        let mut bytes = [0; 512];
        loop {
            let count = if exchange.has_begun(unit, order) {
                let read = timeout(LONGEST_STOP, self.stream.read(&mut bytes)).await;
                let stopped = |_| {
                    let pending = exchange.pending();
                    Fault::Garbled(format!("{pending} bytes that make no answer"))
                };
                read.map_err(stopped)?
            } else {
                self.stream.read(&mut bytes).await
            };
            let count = count.map_err(|error| broken(&error))?;
            if count == 0 {
                return Err(Fault::Unreachable("the line was closed".to_owned()));
            }
            match exchange.push(unit, order, bytes.get(..count).unwrap_or_default()) {
                Found::Nothing => {}
                Found::Answer(body) => {
                    exchange.settle(unit);
                    return Ok(body);
                }
                Found::Exception(code) => {
                    exchange.settle_one(unit);
                    return Err(super::refusal(code));
                }
                Found::Wrong(said) => return Err(Fault::Garbled(said)),
            }
        }
    }

    /// Throws away what came when nothing was asked.
    async fn drain(&mut self, exchange: &mut Exchange) -> Result<(), Fault> {
        let mut bytes = [0; 512];
        for _ in 0..MOST_DRAINS {
            match timeout(Duration::ZERO, self.stream.read(&mut bytes)).await {
                Err(_) => return Ok(()),
                Ok(Ok(0)) => return Err(Fault::Unreachable("the line was closed".to_owned())),
                Ok(Ok(_)) => exchange.unasked(),
                Ok(Err(error)) => return Err(broken(&error)),
            }
        }
        Err(Fault::Garbled("the line is never quiet".to_owned()))
    }
}

fn broken(error: &std::io::Error) -> Fault {
    Fault::Unreachable(error.to_string())
}
