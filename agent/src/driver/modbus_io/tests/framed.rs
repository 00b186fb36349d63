//! RTU frames: late answers over a serial server and on a serial line, made of a pseudo-terminal.

use std::path::PathBuf;

use tokio_serial::SerialPort as _;

use super::*;
use crate::config::{Parity, SerialLine};
use crate::driver::modbus::rtu::Order;

fn framed(bytes: &[u8]) -> Vec<u8> {
    const MODBUS: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_MODBUS);
    let mut frame = bytes.to_vec();
    frame.extend(MODBUS.checksum(bytes).to_le_bytes());
    frame
}

/// The answer of a device whose registers all hold `value`.
fn answer(request: &[u8], value: u16) -> Vec<u8> {
    let count = usize::from(request[5]);
    let mut frame = vec![request[0], request[1], u8::try_from(count * 2).unwrap()];
    frame.extend((0..count).flat_map(|_| value.to_be_bytes()));
    framed(&frame)
}

/// A line to one slow device: `late` of its answers are held back and come before the next one, over
/// whichever connection is then open, as serial servers hand them on.
struct Slow {
    late: usize,
    held: Vec<u8>,
    value: u16,
}

impl Slow {
    async fn serve<S: AsyncReadExt + AsyncWriteExt + Unpin>(&mut self, stream: &mut S) {
        let mut request = [0u8; 8];
        while stream.read_exact(&mut request).await.is_ok() {
            self.value += 1;
            let own = answer(&request, self.value);
            if self.late > 0 {
                self.late -= 1;
                self.held.extend(own);
                continue;
            }
            let mut wire = core::mem::take(&mut self.held);
            wire.extend(own);
            if stream.write_all(&wire).await.is_err() {
                return;
            }
        }
    }
}

async fn serial_server(late: usize) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut slow = Slow {
            late,
            held: Vec::new(),
            value: 0,
        };
        while let Ok((mut stream, _)) = listener.accept().await {
            slow.serve(&mut stream).await;
        }
    });
    Address::RtuOverTcp(address)
}

/// Every value that reads of two registers bring, `silent` of them being met with silence first.
async fn values(link: &mut ModbusLink, silent: usize) -> Vec<u16> {
    let mut values = Vec::new();
    for _ in 0..silent {
        let outcome = link.read(unit(7, SHORT), READ).await;
        assert!(matches!(outcome, Err(Fault::Timeout(_))), "{outcome:?}");
    }
    for _ in 0..3 {
        let words = link.read(unit(7, LONG), READ).await.unwrap();
        assert_eq!(words[0], words[1]);
        values.push(words[0]);
    }
    values
}

#[tokio::test]
async fn a_serial_server_that_hands_on_late_answers_shifts_nothing() {
    for silent in [1, 2] {
        let mut link = ModbusLink::new(serial_server(silent).await, Clock::start());
        let values = values(&mut link, silent).await;
        // One question of another length lies between, and each value is newer than it.
        let first = u16::try_from(silent).unwrap() + 2;
        assert_eq!(values, [first, first + 1, first + 2]);
        assert!(link.late() > 0);
    }
}

#[tokio::test]
async fn a_serial_line_shifts_nothing() {
    let (mut master, slave) = tokio_serial::SerialStream::pair().unwrap();
    let path = PathBuf::from(slave.name().unwrap());
    tokio::spawn(async move {
        let mut slow = Slow {
            late: 1,
            held: Vec::new(),
            value: 0,
        };
        slow.serve(&mut master).await;
    });
    let line = SerialLine {
        path,
        baud: 115_200,
        parity: Parity::None,
        stop_bits: 2,
    };
    let mut link = ModbusLink::new(Address::Serial(line), Clock::start());
    let values = values(&mut link, 1).await;
    assert!(values.is_sorted() && values[0] > 1, "{values:?}");
    drop(slave);
}

#[tokio::test]
async fn a_line_that_is_not_there_is_unreachable() {
    let line = SerialLine {
        path: PathBuf::from("/dev/no-such-line"),
        baud: 9600,
        parity: Parity::Even,
        stop_bits: 1,
    };
    let mut link = ModbusLink::new(Address::Serial(line), Clock::start());
    let outcome = link.read(unit(1, LONG), READ).await;
    assert!(
        matches!(&outcome, Err(Fault::Unreachable(said)) if said.contains("no-such-line")),
        "{outcome:?}"
    );
}

#[test]
fn a_request_is_as_long_as_the_test_device_reads() {
    assert_eq!(Order::Read(READ).frame(7).len(), 8);
}
