//! Modbus: which units answer at an address, and which maps they fit.
//!
//! A unit is there when it answers a read of one register, be it with an exception. Modbus has no
//! name for a device model that many devices give, so a profile fits when every request of its poll is
//! answered and nearly every reading is in range: a proposal, for a person to judge.

use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::sample::Reading;
use tokio::net::TcpStream;

use super::{Fit, Found, Looked, Pace, Place, Progress, Scan, identity, over};
use crate::clock::Clock;
use crate::config::{Address, Device};
use crate::driver::modbus::Read;
use crate::driver::modbus_io::{ModbusLink, Unit};
use crate::driver::session::{Driver, Link, Polled};
use crate::driver::{Fault, Patience};
use crate::profile::{Function, Library, Map, ModbusMap, Profile, Raw};

/// Units asked first: a device that answers all of them answers to any.
const STRANGERS: [u8; 4] = [1, 99, 178, 247];
/// The units that a serial line may have.
pub const UNITS: core::ops::RangeInclusive<u8> = 1..=247;
/// Of ten readings of a map, nine are in range where the map is the device's.
const FITTING_PERCENT: usize = 90;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The addresses.
    pub addresses: Vec<Address>,
    /// The units at each of them.
    pub units: Vec<u8>,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Looks for units at every address of `search`.
pub async fn scan(
    search: Search,
    library: &Arc<Library>,
    pace: &Arc<Pace>,
    clock: Clock,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Scan {
    let Search {
        addresses,
        units,
        timeout,
    } = search;
    let units: Arc<[u8]> = units.into();
    let look = |address| {
        let line = Line {
            link: ModbusLink::new(Address::clone(&address), clock),
            address,
            timeout,
            pace: pace.clone(),
            library: library.clone(),
            clock,
        };
        line.look(units.clone())
    };
    over(addresses, pace, tell, look).await
}

/// One address being looked at.
struct Line {
    address: Address,
    link: ModbusLink,
    timeout: Duration,
    pace: Arc<Pace>,
    library: Arc<Library>,
    clock: Clock,
}

/// What a unit did with one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    Silent,
    /// The address itself cannot be used, or the time is over.
    Stop,
}

impl Line {
    async fn look(mut self, units: Arc<[u8]>) -> Looked {
        let mut looked = Looked::default();
        if !self.pace.turn().await {
            return looked;
        }
        match self.opens().await {
            Ok(true) => {}
            Ok(false) => {
                looked.is_complete = true;
                return looked;
            }
            Err(why) => {
                looked.is_complete = true;
                looked.unusable = Some(why);
                return looked;
            }
        }
        let mut alike = units.len() > STRANGERS.len();
        for unit in STRANGERS {
            alike = alike && self.asks(unit).await == Presence::There;
        }
        let asked: &[u8] = if alike { &STRANGERS[..1] } else { &units };
        for unit in asked {
            match self.asks(*unit).await {
                Presence::There => {
                    let mut found = Box::pin(self.found(*unit)).await;
                    found.note =
                        alike.then(|| "answers whatever the unit: taken as one device".to_owned());
                    looked.found.push(found);
                }
                Presence::Silent => {}
                Presence::Stop => return looked,
            }
        }
        looked.is_complete = true;
        looked
    }

    /// Whether anybody listens; an error where a serial line does not open.
    async fn opens(&mut self) -> Result<bool, String> {
        match &self.address {
            Address::Network(at) | Address::RtuOverTcp(at) => {
                let connected = tokio::time::timeout(self.timeout, TcpStream::connect(at)).await;
                Ok(matches!(connected, Ok(Ok(_))))
            }
            Address::Serial(_) => match self.ask(1).await {
                Err(Fault::Unreachable(why)) => Err(why),
                Ok(()) | Err(_) => Ok(true),
            },
        }
    }

    /// Asks a unit whether it is there. On a line a silent one is asked twice: a device that has heard a
    /// question to another takes the next thing on the line for the answer to it, and libmodbus does.
    async fn asks(&mut self, unit: u8) -> Presence {
        match self.asks_once(unit).await {
            Presence::Silent if !matches!(self.address, Address::Network(_)) => {
                self.asks_once(unit).await
            }
            presence => presence,
        }
    }

    async fn asks_once(&mut self, unit: u8) -> Presence {
        if !self.pace.turn().await {
            return Presence::Stop;
        }
        match self.ask(unit).await {
            Ok(()) => Presence::There,
            Err(fault) if fault.is_answer() && !fault.is_absence() => Presence::There,
            Err(Fault::Garbled(_)) => Presence::There,
            Err(_) => Presence::Silent,
        }
    }

    async fn ask(&mut self, unit: u8) -> Result<(), Fault> {
        let first = Read {
            function: Function::Holding,
            start: 0,
            count: 1,
        };
        self.link.read(self.unit(unit), first).await.map(drop)
    }

    const fn unit(&self, number: u8) -> Unit {
        Unit {
            number,
            timeout: self.timeout,
            pause: Duration::ZERO,
        }
    }

    async fn found(&mut self, unit: u8) -> Found {
        let place = Place::modbus(&self.address, unit);
        let says = self.says(unit).await;
        let library = self.library.clone();
        let mut fits: Vec<(usize, Fit)> = Vec::new();
        for profile in library.iter() {
            if let Map::Modbus(map) = &profile.map
                && self.pace.turn().await
            {
                fits.extend(self.fits(profile, map, unit).await);
            }
        }
        fits.sort_by_key(|(good, _)| core::cmp::Reverse(*good));
        Found {
            place,
            says,
            fits: fits.into_iter().map(|(_, fit)| fit).collect(),
            note: None,
        }
    }

    /// How many readings are good, where the device fits `profile`.
    async fn fits(&mut self, profile: &Profile, map: &ModbusMap, unit: u8) -> Option<(usize, Fit)> {
        let mut device = Device::alone(Arc::new(profile.clone()), self.address.clone())?;
        (device.unit, device.rows, device.timeout) = (unit, rows(map), self.timeout);
        let mut driver = Driver::of(&device);
        let fresh = ModbusLink::new(self.address.clone(), self.clock);
        // The line can be opened once only, so the link is lent.
        let mut link = Link::Modbus(core::mem::replace(&mut self.link, fresh));
        let polled = link
            .poll(&mut driver, Patience::new(true), &self.clock)
            .await;
        if let Link::Modbus(lent) = link {
            self.link = lent;
        }
        let good = fitting(&polled)?;
        let of = polled.readings.len();
        let why = format!("{good} of {of} readings are in range");
        let profile = profile.id.clone();
        Some((good, Fit { profile, why }))
    }

    /// Vendor, product and revision, where the device knows the request (function 43/14).
    async fn says(&mut self, unit: u8) -> Option<String> {
        let Address::Network(at) = self.address.clone() else {
            return None;
        };
        if !self.pace.turn().await {
            return None;
        }
        let asked = identity::ask(&at, unit);
        tokio::time::timeout(self.timeout, asked).await.ok()?
    }
}

/// The rows to ask for where `map` does not say how many are fitted: one.
#[must_use]
pub(crate) fn rows(map: &ModbusMap) -> Option<u16> {
    let open = map.tables.iter().any(|table| table.rows.is_none());
    open.then_some(1)
}

/// How many readings are good, where all was answered, nearly all is in range, and not all is zero.
fn fitting(polled: &Polled) -> Option<usize> {
    if polled.requests.is_empty()
        || polled
            .requests
            .iter()
            .any(|request| request.fault.is_some())
    {
        return None;
    }
    let of = polled.readings.len();
    let good = polled
        .readings
        .values()
        .filter(|taken| !matches!(taken.reading, Reading::Bad(_)))
        .count();
    let all_zero = polled
        .readings
        .values()
        .all(|taken| matches!(taken.raw, Some(Raw::Whole(0)) | None));
    (good * 100 >= of * FITTING_PERCENT && !all_zero).then_some(good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Gateway;
    use crate::scan::Bounds;

    const TIMEOUT: Duration = Duration::from_millis(150);

    async fn scanned(addresses: Vec<Address>, units: &[u8], bounds: Bounds) -> Scan {
        let clock = Clock::start();
        let search = Search {
            addresses,
            units: units.to_vec(),
            timeout: TIMEOUT,
        };
        let pace = Arc::new(Pace::new(bounds, clock));
        let library = Arc::new(Library::embedded());
        scan(search, &library, &pace, clock, &mut |_| {}).await
    }

    fn quick() -> Bounds {
        Bounds {
            per_second: 10_000,
            ..Bounds::default()
        }
    }

    /// Units 3 and 4 of a gateway are amplifiers, all others are silent.
    async fn amplifiers() -> (Gateway, String) {
        let gateway = Gateway::default();
        for unit in 1..=247 {
            gateway.silence(unit, !(3..=4).contains(&unit));
        }
        for unit in 3..=4 {
            for (register, value) in [(0, 1), (16, -1720), (32, -1850), (17, 250), (33, 250)] {
                gateway.set(unit, register, value);
            }
        }
        let address = gateway.serve().await;
        (gateway, address)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn units_behind_a_gateway_are_found_and_their_map_is_proposed() {
        let (gateway, address) = amplifiers().await;
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = nobody.local_addr().unwrap().to_string();
        drop(nobody);
        let addresses = vec![Address::Network(closed), Address::Network(address.clone())];
        let scan = scanned(addresses, &[1, 2, 3, 4, 5], quick()).await;
        let places: Vec<String> = scan.found.iter().map(|found| found.place.words()).collect();
        assert_eq!(
            places,
            [format!("{address} unit 3"), format!("{address} unit 4")]
        );
        assert_eq!((scan.looked_at, scan.left), (2, 0));
        let fits: Vec<&str> = scan.found[0]
            .fits
            .iter()
            .map(|fit| fit.profile.as_str())
            .collect();
        assert!(fits.contains(&"silkline-edfa"), "{fits:?}");
        assert!(gateway.writes().is_empty(), "a scan only reads");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_device_that_ignores_the_unit_is_one_device() {
        let gateway = Gateway::default();
        let address = Address::Network(gateway.serve().await);
        let units: Vec<u8> = UNITS.collect();
        let scan = scanned(vec![address], &units, quick()).await;
        assert_eq!(scan.found.len(), 1, "{scan:?}");
        assert!(
            scan.found[0]
                .note
                .as_deref()
                .unwrap()
                .contains("whatever the unit")
        );
        assert_eq!(gateway.asked(50), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_scan_that_runs_out_of_time_says_what_it_left() {
        let (_gateway, address) = amplifiers().await;
        let bounds = Bounds {
            per_second: 100,
            limit: Duration::from_millis(120),
            timeout: TIMEOUT,
        };
        let units: Vec<u8> = UNITS.collect();
        let scan = scanned(vec![Address::Network(address)], &units, bounds).await;
        assert_eq!((scan.looked_at, scan.left), (0, 1), "{scan:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_serial_line_that_does_not_open_is_told() {
        let line = Address::Serial(crate::config::SerialLine {
            path: "/dev/no-such-line".into(),
            baud: 9600,
            parity: crate::config::Parity::Even,
            stop_bits: 1,
        });
        let scan = scanned(vec![line], &[1], quick()).await;
        assert!(scan.unusable[0].contains("/dev/no-such-line"), "{scan:?}");
    }
}
