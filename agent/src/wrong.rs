//! Every wrong answer a device can give, from the bytes on the wire to the reading's quality, for
//! Modbus TCP, RTU over TCP and SNMP. After each the device answers well again, and must be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use silkline_protocol::sample::{BadReading, Reading};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::config::Device;
use crate::driver::Patience;
use crate::driver::session::{Driver, Link};

/// Long enough for an answer on a busy machine; what waits for silence waits this long.
const TIMEOUT: Duration = Duration::from_millis(400);

fn device(profile: &str, address: &str, keys: &str) -> Device {
    let text = format!(
        "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"dev\"\nprofile = \"{profile}\"\n\
         address = \"{address}\"\ntimeout = \"{}ms\"\n{keys}\n",
        TIMEOUT.as_millis()
    );
    let mut config = crate::config::read("a.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    config.devices.remove(0)
}

/// The reading of `point` while the device misbehaves, and in the first poll that is well again.
async fn polled(device: &Device, point: &str, cure: impl FnOnce()) -> (Reading, Option<Reading>) {
    let clock = Clock::start();
    let mut link = Link::to(device, device.address.as_ref().unwrap(), clock);
    let mut driver = Driver::of(device);
    let name = point.parse().unwrap();
    let mut reading = async || {
        let polled = link.poll(&mut driver, Patience::new(true), &clock).await;
        polled.readings.get(&name).map(|taken| taken.reading)
    };
    let wrong = reading().await.unwrap_or(Reading::Bad(BadReading::Unknown));
    cure();
    // An agent that answers for itself again may need one more poll, as after a new connection.
    let mut after = None;
    for _ in 0..3 {
        after = reading().await;
        if after.is_some_and(Reading::is_good) {
            break;
        }
    }
    (wrong, after)
}

const fn bad(reason: BadReading) -> Reading {
    Reading::Bad(reason)
}

/// The form of a Modbus device's frames.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Tcp,
    Rtu,
}

/// What a Modbus device does with the first request for its rows.
#[derive(Clone, Debug)]
enum Modbus {
    /// Answers with these registers first, the others being 0.
    First(&'static [u16]),
    /// Answers as from so many registers more or fewer than were asked for.
    Off(i16),
    /// Answers as another unit.
    Unit(u8),
    /// Answers with another function.
    Function(u8),
    /// Answers with an exception.
    Exception(u8),
    /// Answers with a number that is not a number: only where the value is a float.
    NotANumber,
    /// Answers when it is asked the next time, before that answer.
    Late,
    /// Never stops.
    Endless,
    /// Stops in the middle.
    Cut,
    /// Answers with a wrong check sum or transaction number.
    Damaged,
    /// Closes the connection.
    Close,
    /// Says nothing.
    Silent,
}

/// -17.20 dBm, as the amplifier's map has it.
const GOOD: u16 = 0xF948;

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_modbus_answer_has_its_quality() {
    use BadReading::{Garbled, Invalid, NotSupported, OutOfRange, Refused, Timeout, Unreachable};
    use Modbus::{
        Close, Cut, Damaged, Endless, Exception, First, Function, Late, Off, Silent, Unit,
    };
    let both = |quality| [quality, quality];
    // In the order TCP, RTU.
    let cases = [
        (First(&[GOOD]), both(Reading::Value(-17.2))),
        (First(&[0x8000]), both(Reading::Dark)),
        (First(&[0xF060]), both(Reading::Dark)),
        (First(&[0x7FFF]), both(bad(Invalid))),
        (First(&[0x2710]), both(bad(OutOfRange))),
        (Off(-1), both(bad(Garbled))),
        (Off(1), both(bad(Garbled))),
        (Unit(9), both(bad(Garbled))),
        (Function(3), both(bad(Garbled))),
        (Exception(1), both(bad(NotSupported))),
        (Exception(2), both(bad(NotSupported))),
        (Exception(3), both(bad(NotSupported))),
        (Exception(4), both(bad(Refused))),
        (Exception(5), both(bad(Refused))),
        (Exception(6), both(bad(Refused))),
        (Exception(10), both(bad(Unreachable))),
        (Exception(11), both(bad(Unreachable))),
        (Exception(99), both(bad(Refused))),
        (Late, both(bad(Timeout))),
        (Silent, both(bad(Timeout))),
        (Endless, [bad(Garbled), bad(Garbled)]),
        // A TCP stream that stops may go on: only the timeout tells. On a line silence ends a frame.
        (Cut, [bad(Timeout), bad(Garbled)]),
        (Damaged, both(bad(Garbled))),
        (Close, both(bad(Unreachable))),
    ];
    for (act, qualities) in cases {
        for (framing, wanted) in [Framing::Tcp, Framing::Rtu].into_iter().zip(qualities) {
            let address = modbus(act.clone(), framing).await;
            let keys = if framing == Framing::Rtu {
                "framing = \"rtu\""
            } else {
                ""
            };
            let device = device("silkline-edfa", &address, keys);
            let (wrong, after) = polled(&device, "in_power.1", || {}).await;
            assert_eq!(wrong, wanted, "{act:?} by {framing:?}");
            assert_eq!(
                after,
                Some(Reading::Value(-17.2)),
                "after {act:?} by {framing:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_is_no_number_is_garbled_by_both_framings() {
    for (framing, keys) in [(Framing::Tcp, ""), (Framing::Rtu, "framing = \"rtu\"")] {
        let address = modbus(Modbus::NotANumber, framing).await;
        let device = device("silkline-pfe", &address, keys);
        let (wrong, _) = polled(&device, "feed_current", || {}).await;
        assert_eq!(wrong, bad(BadReading::Garbled), "{framing:?}");
    }
}

/// A Modbus device that does `act` at the first request that reaches register 16 or begins at 0 where
/// there are no rows, and is well from then on.
async fn modbus(act: Modbus, framing: Framing) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let state = Arc::new(Mutex::new((Some(act), Vec::new())));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answers(stream, framing, state.clone()));
        }
    });
    address
}

type State = Arc<Mutex<(Option<Modbus>, Vec<u8>)>>;

async fn answers(mut stream: TcpStream, framing: Framing, state: State) {
    let mut request = [0u8; 12];
    let length = if framing == Framing::Tcp { 12 } else { 8 };
    while stream.read_exact(&mut request[..length]).await.is_ok() {
        let (head, body) = match framing {
            Framing::Tcp => (request[..2].to_vec(), request[6..12].to_vec()),
            Framing::Rtu => (Vec::new(), request[..6].to_vec()),
        };
        let (start, count) = (u16::from_be_bytes([body[2], body[3]]), body[5]);
        let mut state = state.lock().await;
        let act = if start >= 16 || count > 2 {
            state.0.take()
        } else {
            None
        };
        let mut wire = framed(&head, &pdu(&body, count, act.as_ref()), framing);
        match act {
            Some(Modbus::Late) => {
                state.1 = wire;
                continue;
            }
            Some(Modbus::Silent) => continue,
            Some(Modbus::Close) => return,
            Some(Modbus::Cut) => wire.truncate(7),
            Some(Modbus::Damaged) if framing == Framing::Tcp => wire[1] ^= 0x55,
            Some(Modbus::Damaged) => *wire.last_mut().unwrap() ^= 0x55,
            Some(Modbus::Endless) => {
                drop(state);
                while stream.write_all(&[0x55; 200]).await.is_ok() {}
                return;
            }
            _ => {}
        }
        let mut late = core::mem::take(&mut state.1);
        late.extend(wire);
        if stream.write_all(&late).await.is_err() {
            return;
        }
    }
}

/// Unit, function and what follows.
fn pdu(request: &[u8], count: u8, act: Option<&Modbus>) -> Vec<u8> {
    let (unit, function) = (request[0], request[1]);
    let mut words = vec![0u16; count.into()];
    // The map's version stands at register 0, the power of the first amplifier at 16.
    let at_head = request[3] == 0;
    words[0] = if at_head { 1 } else { GOOD };
    let (mut unit, mut function) = (unit, function);
    match act {
        Some(Modbus::First(first)) => words[0] = first[0],
        Some(Modbus::Off(more)) => {
            let count = i16::from(count) + more;
            words.resize(usize::try_from(count).unwrap(), 0);
        }
        Some(Modbus::NotANumber) => words[6] = 0x7FC0,
        Some(Modbus::Unit(other)) => unit = *other,
        Some(Modbus::Function(other)) => function = *other,
        Some(Modbus::Exception(code)) => return vec![unit, function | 0x80, *code],
        _ => {}
    }
    let mut pdu = vec![unit, function, u8::try_from(words.len() * 2).unwrap()];
    pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    pdu
}

fn framed(head: &[u8], pdu: &[u8], framing: Framing) -> Vec<u8> {
    let mut frame = head.to_vec();
    if framing == Framing::Tcp {
        frame.extend([0, 0]);
        frame.extend(u16::try_from(pdu.len()).unwrap().to_be_bytes());
        frame.extend(pdu);
        return frame;
    }
    const MODBUS: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_MODBUS);
    frame.extend(pdu);
    frame.extend(MODBUS.checksum(pdu).to_le_bytes());
    frame
}

/// Octets of a column's OID in the profile that is walked.
const COLUMN_OCTETS: usize = 14;

/// What an SNMP agent does until it is well.
#[derive(Clone, Copy, Debug)]
enum Snmp {
    /// Answers with this value for the object, as BER.
    Value(&'static [u8]),
    /// Answers with an error status.
    Status(u8),
    /// Answers another request than the one that was asked.
    Stranger,
    /// Answers with fewer objects than were asked for.
    Short,
    /// Answers with these bytes.
    Rubbish(&'static [u8]),
    /// Cuts its answer in the middle.
    Cut,
    /// Names the first row of a table as the one that follows it.
    Circle,
    /// Names ever new rows.
    Rows,
    /// Says nothing.
    Silent,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_snmp_answer_has_its_quality() {
    use BadReading::{Garbled, NotSupported, OutOfRange, Refused, Timeout};
    use Snmp::{Cut, Rubbish, Short, Silent, Status, Stranger, Value};
    for (act, wanted) in [
        (Value(&[2, 1, 93]), Reading::Value(93.0)),
        (Value(&[0x42, 1, 93]), Reading::Value(93.0)),
        (Value(&[4, 2, b'9', b'3']), Reading::Value(93.0)),
        (Value(&[2, 2, 1, 0]), bad(OutOfRange)),
        (Value(&[0x80, 0]), bad(NotSupported)),
        (Value(&[0x81, 0]), bad(NotSupported)),
        (Value(&[5, 0]), bad(Garbled)),
        (Value(&[6, 2, 0x2B, 6]), bad(Garbled)),
        (Value(&[4, 3, b'n', b'/', b'a']), bad(Garbled)),
        // An Opaque that holds a float that is not a number.
        (
            Value(&[0x44, 7, 0x9F, 0x78, 4, 0x7F, 0xC0, 0, 0]),
            bad(Garbled),
        ),
        (Status(1), bad(Refused)),
        (Status(5), bad(Refused)),
        (Status(16), bad(Refused)),
        (Status(2), bad(NotSupported)),
        (Short, bad(NotSupported)),
        (Stranger, bad(Timeout)),
        (Rubbish(&[]), bad(Timeout)),
        (Rubbish(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), bad(Timeout)),
        (Rubbish(&[0xFF; 64]), bad(Timeout)),
        (Cut, bad(Timeout)),
        (Silent, bad(Timeout)),
    ] {
        let (address, well) = snmp(act).await;
        let cure = move || well.store(true, Ordering::SeqCst);
        let device = device("ietf-ups", &address, "");
        let (wrong, after) = polled(&device, "battery_charge", cure).await;
        assert_eq!(wrong, wanted, "{act:?}");
        assert_eq!(after, Some(Reading::Value(93.0)), "after {act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_never_ends_is_ended() {
    for (act, rows) in [(Snmp::Circle, 0), (Snmp::Rows, 16)] {
        let (address, _) = snmp(act).await;
        let device = device("bktel-oa", &address, "");
        let clock = Clock::start();
        let mut link = Link::to(&device, device.address.as_ref().unwrap(), clock);
        let mut driver = Driver::of(&device);
        let polled = link.poll(&mut driver, Patience::new(true), &clock).await;
        let temperatures = polled
            .readings
            .iter()
            .filter(|(name, _)| name.stem() == "temperature");
        assert_eq!(temperatures.count(), rows, "{act:?}: {:?}", polled.requests);
        let garbled = polled
            .requests
            .iter()
            .any(|request| request.fault.is_some());
        assert_eq!(garbled, rows == 0, "{:?}", polled.requests);
    }
}

/// An agent that does `act` until it is told to be well.
async fn snmp(act: Snmp) -> (String, Arc<AtomicBool>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let well = Arc::new(AtomicBool::new(false));
    let cured = well.clone();
    tokio::spawn(async move {
        let mut bytes = [0u8; 2048];
        while let Ok((count, from)) = socket.recv_from(&mut bytes).await {
            let asked = Asked::of(&bytes[..count]);
            let answer = if cured.load(Ordering::SeqCst) {
                Some(asked.answer(0, &[2, 1, 93]))
            } else {
                asked.wrong(act)
            };
            if let Some(answer) = answer {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    (address, well)
}

/// A request of version 2c, taken apart.
struct Asked {
    head: Vec<u8>,
    id: Vec<u8>,
    repetitions: u8,
    oids: Vec<Vec<u8>>,
}

/// Tag, content and what follows.
fn tlv(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, at) = match bytes[1] {
        0x81 => (usize::from(bytes[2]), 3),
        0x82 => (usize::from(bytes[2]) << 8 | usize::from(bytes[3]), 4),
        short => (usize::from(short), 2),
    };
    (bytes[0], &bytes[at..at + length], &bytes[at + length..])
}

fn ber(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![tag, 0x82, length[0], length[1]];
    bytes.extend(content);
    bytes
}

impl Asked {
    fn of(bytes: &[u8]) -> Self {
        let (_, message, _) = tlv(bytes);
        let (_, _, after_version) = tlv(message);
        let (_, _, pdu) = tlv(after_version);
        let head = message[..message.len() - pdu.len()].to_vec();
        let (_, fields, _) = tlv(pdu);
        let (_, id, rest) = tlv(fields);
        let (_, _, rest) = tlv(rest);
        let (_, repetitions, rest) = tlv(rest);
        let (_, mut bindings, _) = tlv(rest);
        let mut oids = Vec::new();
        while !bindings.is_empty() {
            let (_, binding, more) = tlv(bindings);
            oids.push(tlv(binding).1.to_vec());
            bindings = more;
        }
        Self {
            head,
            id: id.to_vec(),
            repetitions: *repetitions.last().unwrap(),
            oids,
        }
    }

    /// Every object that was asked for, with this value.
    fn answer(&self, status: u8, value: &[u8]) -> Vec<u8> {
        let all: Vec<_> = self.oids.iter().map(|oid| (oid.clone(), value)).collect();
        self.message(status, &all)
    }

    fn message(&self, status: u8, values: &[(Vec<u8>, &[u8])]) -> Vec<u8> {
        let binding = |(oid, value): &(Vec<u8>, &[u8])| ber(0x30, &[&ber(6, oid), *value].concat());
        let bindings: Vec<u8> = values.iter().flat_map(binding).collect();
        let index = u8::from(status != 0);
        let fields = [
            ber(2, &self.id),
            ber(2, &[status]),
            ber(2, &[index]),
            ber(0x30, &bindings),
        ];
        let pdu = ber(0xA2, &fields.concat());
        ber(0x30, &[self.head.clone(), pdu].concat())
    }

    fn wrong(&self, act: Snmp) -> Option<Vec<u8>> {
        const WELL: &[u8] = &[2, 1, 93];
        match act {
            Snmp::Value(value) => Some(self.answer(0, value)),
            Snmp::Status(status) => Some(self.answer(status, &[5, 0])),
            Snmp::Rubbish(bytes) => Some(bytes.to_vec()),
            Snmp::Silent => None,
            Snmp::Short => Some(self.message(0, &[(self.oids[0].clone(), WELL)])),
            Snmp::Circle => {
                let first = |oid: &Vec<u8>| {
                    let at_row = oid.len() > COLUMN_OCTETS;
                    let next = if at_row {
                        oid.clone()
                    } else {
                        next_row(oid, 1)
                    };
                    (next, WELL)
                };
                let rows: Vec<_> = self.oids.iter().map(first).collect();
                Some(self.message(0, &rows))
            }
            Snmp::Cut => {
                let mut whole = self.answer(0, WELL);
                whole.truncate(whole.len() / 2);
                Some(whole)
            }
            Snmp::Stranger => {
                let mut other = self.answer(0, WELL);
                let at = self.head.len() + 4 + 4 + 4 + self.id.len() - 1;
                other[at] ^= 1;
                Some(other)
            }
            Snmp::Rows => {
                let mut rows = Vec::new();
                for step in 1..=self.repetitions.min(5) {
                    rows.extend(self.oids.iter().map(|oid| (next_row(oid, step), WELL)));
                }
                Some(self.message(0, &rows))
            }
        }
    }
}

/// The OID `step` rows after `oid`, whether it is a column or a row of one.
fn next_row(oid: &[u8], step: u8) -> Vec<u8> {
    let mut next = oid.to_vec();
    if next.len() < COLUMN_OCTETS + 1 {
        next.push(0);
    }
    *next.last_mut().unwrap() += step;
    next
}
