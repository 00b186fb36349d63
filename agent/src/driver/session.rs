//! One device of any protocol on its link: a poll from the plan to the readings.

use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::id::PointName;

use crate::clock::Clock;
use crate::config::{Address, Device, Seldom};
use crate::profile::{Map, Profile, ScpiMap};

use super::fetch::Failure;
use super::modbus::{self, ModbusDriver};
use super::modbus_io::{ModbusLink, Unit};
use super::otdr::{self, ShotSettings, ShotWrite};
use super::scpi_io::ScpiLink;
use super::snmp::{Ask, SnmpDriver};
use super::snmp_io::{self, SnmpLink};
use super::{Fault, Patience, Readings};

/// The way to one address.
pub enum Link {
    /// Modbus; units behind one address share it.
    Modbus(ModbusLink),
    /// SNMP; one a device.
    Snmp(SnmpLink),
    /// Lines over TCP; one a device.
    Scpi(ScpiLink),
}

/// What is known of one device besides its link.
#[derive(Clone, Debug)]
pub enum Driver {
    /// A Modbus device and its unit.
    Modbus(ModbusDriver, Unit),
    /// An SNMP device.
    Snmp(SnmpDriver),
    /// An instrument spoken to in lines, with what its traces need.
    Scpi(Box<Device>, ScpiMap),
}

/// What one request of a poll came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// How long it took.
    pub took: Duration,
    /// Why it brought nothing, if it did not.
    pub fault: Option<Fault>,
}

/// What a poll brought.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The readings.
    pub readings: Readings,
    /// Its requests, in the order of the plan.
    pub requests: Vec<Request>,
}

/// The answers of a poll, which its driver has not looked at yet.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Its requests, in the order of the plan.
    pub requests: Vec<Request>,
    found: Found,
}

#[derive(Clone, Debug)]
enum Found {
    Words(Vec<modbus::Answer>),
    Readings(Readings),
}

impl Polled {
    /// Whether the device said anything at all.
    #[must_use]
    pub fn answered(&self) -> bool {
        answered(&self.requests)
    }
}

/// Whether a device said anything at all to some requests.
#[must_use]
pub fn answered(requests: &[Request]) -> bool {
    requests.iter().any(|request| {
        let fault = request.fault.as_ref();
        fault.is_none_or(|fault| !fault.is_absence())
    })
}

/// From the beginning of the first of some requests to the first thing that the device said.
#[must_use]
pub fn first_answer_after(requests: &[Request]) -> Duration {
    let mut after = Duration::ZERO;
    for request in requests {
        after += request.took;
        if request.fault.is_none() {
            break;
        }
    }
    after
}

impl Answers {
    /// Those of a Modbus device.
    #[must_use]
    pub fn of_words(answers: Vec<modbus::Answer>) -> Self {
        let requests = answers.iter().map(|answer| Request {
            took: answer.took,
            fault: answer.words.as_ref().err().cloned(),
        });
        Self {
            requests: requests.collect(),
            found: Found::Words(answers),
        }
    }

    fn of_readings(Polled { readings, requests }: Polled) -> Self {
        Self {
            requests,
            found: Found::Readings(readings),
        }
    }

    /// Whether every request was answered in order.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.requests.iter().all(|request| request.fault.is_none())
    }
}

impl Link {
    /// The link to `device` at `address`, not connected yet.
    #[must_use]
    pub fn to(device: &Device, address: &Address, clock: Clock) -> Self {
        match &device.profile.map {
            Map::Modbus(_) => Self::Modbus(ModbusLink::new(address.clone(), clock)),
            Map::Snmp(_) => Self::Snmp(SnmpLink::new(
                address.to_string(),
                device.access.clone(),
                device.timeout,
            )),
            Map::Scpi(_) => Self::Scpi(ScpiLink::new(address.to_string())),
        }
    }

    /// Polls the device that `driver` knows.
    pub async fn poll(&mut self, driver: &mut Driver, patience: Patience, clock: &Clock) -> Polled {
        let Answers { requests, found } = self.ask(driver, patience, clock).await;
        let readings = driver.look(found);
        Polled { readings, requests }
    }

    /// The same without looking at the answers: [`Driver::readings`] does.
    pub async fn ask(&mut self, driver: &mut Driver, patience: Patience, clock: &Clock) -> Answers {
        let polled = match (self, driver) {
            (Self::Modbus(link), Driver::Modbus(driver, unit)) => {
                let answers = link.poll(*unit, &driver.plan(), patience).await;
                return Answers::of_words(answers);
            }
            (Self::Snmp(link), Driver::Snmp(driver)) => {
                // Boxed: these are large, and every connection has room for the largest of its kind.
                let polled = Box::pin(snmp_io::poll(link, driver.plan(), patience, clock));
                let answers = polled.await;
                let requests = answers.iter().map(|answer| Request {
                    took: answer.took,
                    fault: answer.values.as_ref().err().cloned(),
                });
                Polled {
                    requests: requests.collect(),
                    readings: driver.decode(&answers).into(),
                }
            }
            (Self::Scpi(link), Driver::Scpi(device, map)) => {
                Box::pin(link.poll((device, map), patience, clock)).await
            }
            (Self::Modbus(_), _) | (Self::Snmp(_), _) | (Self::Scpi(_), _) => Polled {
                readings: Readings::none(),
                requests: Vec::new(),
            },
        };
        Answers::of_readings(polled)
    }

    /// Starts a shot of the OTDR `device`.
    ///
    /// # Errors
    ///
    /// Why the instrument did not take it on, or may not have.
    pub async fn shoot(
        &mut self,
        device: &Device,
        settings: ShotSettings,
        clock: &Clock,
    ) -> Result<(), Fault> {
        let Some(map) = &device.profile.shot else {
            return Err(unstartable());
        };
        let write =
            otdr::start(map, settings).map_err(|error| Fault::Refused(error.to_string()))?;
        match (self, write) {
            (Self::Scpi(link), ShotWrite::Lines(shot)) => {
                link.shoot((device, &shot), settings, clock).await
            }
            (link, write) => link.put(device, write).await,
        }
    }

    /// Ends the shot that runs on the OTDR `device`.
    ///
    /// # Errors
    ///
    /// Why it may run on.
    pub async fn abort(&mut self, device: &Device) -> Result<(), Fault> {
        match (self, device.scpi_shot()) {
            (Self::Scpi(link), Some(shot)) => link.abort(device, shot).await,
            (link, _) => link.stop(device).await,
        }
    }

    /// What a link that sees to shots by itself has fetched: the port, and the trace or why there is none.
    pub fn fetched(&mut self) -> Option<(u16, Result<Vec<u8>, Failure>)> {
        match self {
            Self::Scpi(link) => link.fetched(),
            Self::Modbus(_) | Self::Snmp(_) => None,
        }
    }

    /// How many answers came too late or unasked, and were thrown away.
    #[must_use]
    pub const fn late(&self) -> u64 {
        match self {
            Self::Modbus(link) => link.late(),
            Self::Snmp(_) | Self::Scpi(_) => 0,
        }
    }
}

fn unstartable() -> Fault {
    Fault::NotSupported("this profile can't start a shot".to_owned())
}

/// The drivers that were made, so that devices of one model share what is the same for all of them.
#[derive(Clone, Debug, Default)]
pub struct Drivers {
    made: Vec<Made>,
}

/// A driver, and what it depends on.
#[derive(Clone, Debug)]
struct Made {
    profile: Arc<Profile>,
    rows: Option<u16>,
    max_registers: Option<u16>,
    seldom: Vec<Seldom>,
    driver: ModbusDriver,
}

impl Drivers {
    /// The driver of what is asked at every poll of `device`.
    #[must_use]
    pub fn of(&mut self, device: &Device) -> Driver {
        let is_alike = |made: &&Made| {
            Arc::ptr_eq(&made.profile, &device.profile)
                && (made.rows, made.max_registers) == (device.rows, device.max_registers)
                && made.seldom == device.seldom
        };
        if let Some(made) = self.made.iter().find(is_alike) {
            return Driver::Modbus(made.driver.clone(), Unit::of(device));
        }
        let driver = Driver::of_every_poll(device);
        if let Driver::Modbus(made, _) = &driver {
            self.made.push(Made {
                profile: device.profile.clone(),
                rows: device.rows,
                max_registers: device.max_registers,
                seldom: device.seldom.clone(),
                driver: made.clone(),
            });
        }
        driver
    }
}

impl Driver {
    /// The driver of all points of `device`.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        Self::over(&device.profile.map, device)
    }

    /// The driver of the points of `device` that are asked at every poll.
    #[must_use]
    pub fn of_every_poll(device: &Device) -> Self {
        if device.seldom.is_empty() {
            return Self::of(device);
        }
        let at_times = |name: &PointName| {
            let mut all = device.seldom.iter();
            all.any(|seldom| seldom.points.contains(name))
        };
        let map = device.profile.map.part(|name| !at_times(name));
        map.map_or_else(|| Self::of(device), |map| Self::over(&map, device))
    }

    /// The driver of those that are asked at some polls only; none where its profile has none of them.
    #[must_use]
    pub fn of_seldom(device: &Device, seldom: &Seldom) -> Option<Self> {
        let map = &device.profile.map;
        let map = map.part(|name| seldom.points.contains(name))?;
        Some(Self::over(&map, device))
    }

    /// The driver of the limits that `device` itself keeps, where it does.
    #[must_use]
    pub fn of_limits(device: &Device) -> Option<Self> {
        let map = device.profile.map.of_limits()?;
        Some(Self::over(&map, device))
    }

    /// The driver of a part of `device`.
    pub(super) fn over(map: &Map, device: &Device) -> Self {
        match map {
            Map::Modbus(map) => {
                let mut map = map.clone();
                map.max_registers = device.at_once();
                Self::Modbus(ModbusDriver::new(&map, device.rows), Unit::of(device))
            }
            Map::Snmp(map) => Self::Snmp(SnmpDriver::new(map)),
            Map::Scpi(map) => Self::Scpi(Box::new(device.clone()), map.clone()),
        }
    }

    /// What the answers of a poll mean.
    pub fn readings(&mut self, answers: Answers) -> Readings {
        self.look(answers.found)
    }

    fn look(&mut self, found: Found) -> Readings {
        match (self, found) {
            (Self::Modbus(driver, _), Found::Words(answers)) => driver.decode(&answers),
            (_, Found::Readings(readings)) => readings,
            (Self::Snmp(_) | Self::Scpi(..), Found::Words(_)) => Readings::none(),
        }
    }

    /// The requests of a poll, in words and in order.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        match self {
            Self::Modbus(driver, unit) => {
                let describe = |read: modbus::Read| {
                    let last = u32::from(read.start) + u32::from(read.count.saturating_sub(1));
                    format!(
                        "unit {} {:?} {}..{last}",
                        unit.number, read.function, read.start
                    )
                    .to_lowercase()
                };
                driver.plan().into_iter().map(describe).collect()
            }
            Self::Snmp(driver) => driver
                .plan()
                .iter()
                .map(|ask| match ask {
                    Ask::Get(oids) => format!("get of {} objects", oids.len()),
                    Ask::Walk(walk) => format!("walk of {} columns", walk.columns()),
                })
                .collect(),
            Self::Scpi(_, map) => {
                let queries = map.points.iter().map(|place| place.query.clone());
                queries.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(took: u64, fault: Option<Fault>) -> Request {
        Request {
            took: Duration::from_millis(took),
            fault,
        }
    }

    fn polled(requests: Vec<Request>) -> Polled {
        Polled {
            readings: Readings::none(),
            requests,
        }
    }

    #[test]
    fn a_refusal_is_an_answer_and_silence_is_none() {
        let silent = || Some(Fault::Timeout(Duration::from_secs(1)));
        let refused = || Some(Fault::Refused("busy".into()));
        assert!(polled(vec![request(1, silent()), request(1, refused())]).answered());
        assert!(!polled(vec![request(1, silent()), request(0, Some(Fault::Skipped))]).answered());
    }

    #[test]
    fn the_time_of_a_sample_is_that_of_the_first_answer() {
        let silent = || Some(Fault::Timeout(Duration::from_secs(1)));
        let poll = [request(5, None), request(1000, silent())];
        assert_eq!(first_answer_after(&poll), Duration::from_millis(5));
        let poll = [request(1000, silent()), request(5, None)];
        assert_eq!(first_answer_after(&poll), Duration::from_millis(1005));
    }

    #[test]
    fn the_plan_can_be_told_in_words() {
        let config = crate::config::read(
            "agent.toml",
            "site = \"a\"\nlines = [\"b\"]\n[[device]]\nid = \"e\"\nprofile = \"silkline-edfa\"\n\
             address = \"h\"\nunit = 7\n[[device]]\nid = \"u\"\nprofile = \"akcp-sensorprobe\"\n\
             address = \"h\"\n",
        )
        .unwrap();
        let said = Driver::of(&config.devices[0]).describe();
        assert_eq!(said, ["unit 7 input 0..1", "unit 7 input 16..39"]);
        let said = Driver::of(&config.devices[1]).describe();
        assert_eq!(said, ["get of 1 objects", "walk of 3 columns"]);
    }
}
