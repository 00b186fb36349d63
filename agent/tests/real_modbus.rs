//! The Modbus link against libmodbus, which shares no line with us: TCP, RTU on a serial line made of
//! two pseudo-terminals, and RTU handed through by a serial server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that can't go on has failed; what is skipped is said"
)]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use silkline_agent::clock::Clock;
use silkline_agent::config::{Address, Parity, SerialLine};
use silkline_agent::driver::Fault;
use silkline_agent::driver::modbus::Read;
use silkline_agent::driver::modbus_io::{ModbusLink, Unit};
use silkline_agent::profile::{Function, Library};
use silkline_agent::scan;
use tempfile::TempDir;
use tokio::io::{copy, copy_bidirectional};
use tokio::net::TcpListener;
use tokio_serial::{SerialPort as _, SerialStream};

const LONG: Duration = Duration::from_secs(20);

/// A device by libmodbus, which ends with this.
struct Device {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Device {
    fn drop(&mut self) {
        // It ends with its standard input; a test that failed leaves nothing behind either.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Compiles and starts the device; nothing where libmodbus or a C compiler is missing.
fn device(arguments: &[&str]) -> Option<Device> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("modbus_device");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/modbus_device.c");
    let compiled = Command::new("cc")
        .args([source, "-I/usr/include/modbus", "-lmodbus", "-o"])
        .arg(&program)
        .stderr(Stdio::null())
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("skipped: libmodbus-dev or a C compiler is not installed");
        return None;
    }
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let port = said
        .trim()
        .strip_prefix("ready ")
        .expect("is ready")
        .parse()
        .unwrap();
    Some(Device {
        child,
        port,
        _folder: folder,
    })
}

fn unit(number: u8, timeout: Duration) -> Unit {
    Unit {
        number,
        timeout,
        pause: Duration::ZERO,
    }
}

fn read(function: Function, start: u16, count: u16) -> Read {
    Read {
        function,
        start,
        count,
    }
}

/// Everything that is read and written, of unit 7.
async fn works(link: &mut ModbusLink) {
    let seven = unit(7, LONG);
    for function in [Function::Input, Function::Holding] {
        let words = link.read(seven, read(function, 10, 125)).await.unwrap();
        assert_eq!(words, (11..136).collect::<Vec<u16>>(), "{function:?}");
    }
    for function in [Function::Coil, Function::Discrete] {
        let bits = link.read(seven, read(function, 0, 10)).await.unwrap();
        assert_eq!(bits, [1, 0, 0, 1, 0, 0, 1, 0, 0, 1], "{function:?}");
    }
    link.write(seven, 200, vec![4711, 0xFFFF]).await.unwrap();
    let words = link
        .read(seven, read(Function::Holding, 199, 4))
        .await
        .unwrap();
    assert_eq!(words, [200, 4711, 0xFFFF, 203]);
    let refused = link.read(seven, read(Function::Input, 299, 2)).await;
    assert!(
        matches!(refused, Err(Fault::NotSupported(_))),
        "{refused:?}"
    );
    let words = link
        .read(seven, read(Function::Input, 299, 1))
        .await
        .unwrap();
    assert_eq!(words, [300]);
}

#[tokio::test]
async fn libmodbus_over_tcp() {
    let Some(device) = device(&["tcp"]) else {
        return;
    };
    let at = format!("127.0.0.1:{}", device.port);
    works(&mut ModbusLink::new(Address::Network(at), Clock::start())).await;
}

/// A line with libmodbus' unit 7 at its far end: the near end's path, or a stream to be handed on.
struct Cable {
    near: SerialStream,
    near_slave: SerialStream,
    far: SerialStream,
    _far_slave: SerialStream,
    _device: Device,
}

fn cable() -> Option<Cable> {
    let (far, far_slave) = SerialStream::pair().unwrap();
    let (near, near_slave) = SerialStream::pair().unwrap();
    let device = device(&["rtu", &far_slave.name().unwrap(), "7"])?;
    Some(Cable {
        near,
        near_slave,
        far,
        _far_slave: far_slave,
        _device: device,
    })
}

#[tokio::test]
async fn libmodbus_on_a_serial_line() {
    let Some(mut cable) = cable() else {
        return;
    };
    let path = PathBuf::from(cable.near_slave.name().unwrap());
    let line = SerialLine {
        path,
        baud: 115_200,
        parity: Parity::None,
        stop_bits: 2,
    };
    let mut link = ModbusLink::new(Address::Serial(line), Clock::start());
    tokio::select! {
        () = works(&mut link) => {}
        ended = copy_bidirectional(&mut cable.near, &mut cable.far) => panic!("{ended:?}"),
    }
    // A unit that is not on the line costs its own timeout, and nothing after it.
    let absent = async {
        let silent = link.read(
            unit(9, Duration::from_millis(200)),
            read(Function::Input, 0, 1),
        );
        assert!(matches!(silent.await, Err(Fault::Timeout(_))));
        // libmodbus takes what follows a request to somebody else for the answer to it, and so may be
        // silent once more.
        let again = unit(7, Duration::from_millis(500));
        while link.read(again, read(Function::Input, 0, 2)).await.is_err() {}
        works(&mut link).await;
    };
    tokio::select! {
        () = absent => {}
        ended = copy_bidirectional(&mut cable.near, &mut cable.far) => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn libmodbus_behind_a_serial_server() {
    let Some(mut cable) = cable() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let server = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut cable.far).await;
        }
    };
    let mut link = ModbusLink::new(Address::RtuOverTcp(at), Clock::start());
    tokio::select! {
        () = works(&mut link) => {}
        () = server => {}
    }
}

/// What a scan for these units finds, each as it is called.
async fn scanned(address: Address, units: Vec<u8>, timeout: Duration) -> Vec<scan::Found> {
    let clock = Clock::start();
    let search = scan::modbus::Search {
        addresses: vec![address],
        units,
        timeout,
    };
    let bounds = scan::Bounds {
        per_second: 1000,
        ..scan::Bounds::default()
    };
    let pace = Arc::new(scan::Pace::new(bounds, clock));
    let library = Arc::new(Library::embedded());
    let scan = scan::modbus::scan(search, &library, &pace, clock, &mut |_| {}).await;
    assert_eq!((scan.looked_at, scan.left), (1, 0), "{scan:?}");
    scan.found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_a_device_that_is_not_ours() {
    let Some(device) = device(&["tcp"]) else {
        return;
    };
    let address = Address::Network(format!("127.0.0.1:{}", device.port));
    let found = scanned(address, (1..=20).collect(), Duration::from_secs(2)).await;
    assert_eq!(found.len(), 1, "it answers whatever the unit: {found:?}");
    assert!(found[0].note.is_some());
}

/// Longer than the half second that libmodbus waits for the rest of what it has overheard.
const PATIENT: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_a_unit_on_a_serial_line_whichever_units_were_asked_before() {
    for before in [0, 1] {
        let Some(mut cable) = cable() else {
            return;
        };
        let line = SerialLine {
            path: PathBuf::from(cable.near_slave.name().unwrap()),
            baud: 115_200,
            parity: Parity::None,
            stop_bits: 2,
        };
        let units = (7 - before..=7).collect();
        let found = tokio::select! {
            found = scanned(Address::Serial(line.clone()), units, PATIENT) => found,
            ended = copy_bidirectional(&mut cable.near, &mut cable.far) => panic!("{ended:?}"),
        };
        let places: Vec<String> = found.iter().map(|found| found.place.words()).collect();
        assert_eq!(places, [format!("{} unit 7", line.path.display())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_finds_a_unit_behind_a_serial_server() {
    let Some(mut cable) = cable() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let server = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = stream.split();
            let (mut line_from, mut line_to) = tokio::io::split(&mut cable.far);
            // One connection after the other, as a serial server takes them.
            tokio::select! {
                _ = copy(&mut from, &mut line_to) => {}
                _ = copy(&mut line_from, &mut to) => {}
            }
        }
    };
    let found = tokio::select! {
        found = scanned(Address::RtuOverTcp(at.clone()), vec![6, 7], PATIENT) => found,
        () = server => unreachable!("it serves for ever"),
    };
    let places: Vec<String> = found.iter().map(|found| found.place.words()).collect();
    assert_eq!(places, [format!("{at} (RTU) unit 7")]);
}
