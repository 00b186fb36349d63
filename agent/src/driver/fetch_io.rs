//! What an acquisition or a switch asks for, carried out over Modbus or SNMP.

use crate::clock::Clock;
use crate::config::Device;
use crate::profile::{Blocks, Map, Stop, SwitchSet, Window};

use super::fetch::{Answer, Part, Request};
use super::modbus::Read;
use super::modbus::rtu::Records;
use super::modbus_io::{ModbusLink, Unit};
use super::otdr::{self, ShotWrite};
use super::session::{Driver, Link};
use super::snmp::{Put, SnmpValue};
use super::snmp_io::{SnmpAgent as _, SnmpLink};
use super::{Fault, Patience};

use silkline_protocol::id::PointName;
use std::collections::BTreeMap;

/// Records that one file has (Modbus Application Protocol 1.1b3, 6.14).
const RECORDS_A_FILE: u32 = 10_000;

impl Link {
    /// Carries out one request of an acquisition on the OTDR `device`.
    ///
    /// # Errors
    ///
    /// Why it was not done, or may not have been.
    pub async fn carry_out(
        &mut self,
        device: &Device,
        request: &Request,
        clock: &Clock,
    ) -> Result<Answer, Fault> {
        let shot = device.profile.shot.as_ref();
        match request {
            Request::Points(names) => self.values(device, names, clock).await.map(Answer::Points),
            Request::Start(settings) => {
                let map = shot.ok_or_else(unreadable)?;
                let write = otdr::start(map, *settings);
                let write = write.map_err(|error| Fault::Refused(error.to_string()))?;
                self.put(device, write).await.map(|()| Answer::Done)
            }
            Request::Turn(port) => self.turn(device, *port).await.map(|()| Answer::Done),
            Request::Block(part) => {
                let fetch = shot.and_then(|shot| shot.fetch.as_ref());
                let blocks = &fetch.ok_or_else(unreadable)?.blocks;
                let block = match self {
                    Self::Modbus(link) => {
                        let words = words_of(link, Unit::of(device), blocks, *part).await?;
                        Some(words.iter().flat_map(|word| word.to_be_bytes()).collect())
                    }
                    Self::Snmp(link) => octets_of(link, blocks, part.block).await?,
                    Self::Scpi(_) => return Err(unreadable()),
                };
                Ok(Answer::Block(block))
            }
        }
    }

    /// Ends the shot that runs on the OTDR `device`.
    ///
    /// # Errors
    ///
    /// Why it may run on.
    pub async fn stop(&mut self, device: &Device) -> Result<(), Fault> {
        let stop = device
            .profile
            .shot
            .as_ref()
            .and_then(|shot| shot.stop.as_ref());
        match (self, stop) {
            (Self::Modbus(link), Some(Stop::Register { register, value })) => {
                link.write(Unit::of(device), *register, vec![*value]).await
            }
            (Self::Snmp(link), Some(Stop::Object { oid, kind, value })) => {
                let (oid, kind, value) = (oid.clone(), *kind, u64::from(*value));
                link.set(&[Put { oid, kind, value }]).await
            }
            (Self::Modbus(_) | Self::Snmp(_) | Self::Scpi(_), _) => {
                Err(Fault::NotSupported("it can't be stopped".to_owned()))
            }
        }
    }

    /// Sets the switch `device` to `port`.
    async fn turn(&mut self, device: &Device, port: u16) -> Result<(), Fault> {
        let switch = device.profile.switch.as_ref().ok_or_else(unreadable)?;
        let number = switch.number(port).ok_or_else(unreadable)?;
        match (self, &switch.set) {
            (Self::Modbus(link), SwitchSet::Register(register)) => {
                link.write(Unit::of(device), *register, vec![number]).await
            }
            (Self::Snmp(link), SwitchSet::Object(oid, kind)) => {
                let (oid, kind, value) = (oid.clone(), *kind, u64::from(number));
                link.set(&[Put { oid, kind, value }]).await
            }
            (Self::Scpi(link), SwitchSet::Lines(lines)) => {
                let line = |line: &String| line.replace("{port}", &number.to_string());
                link.command(&lines.iter().map(line).collect::<Vec<_>>(), device.timeout)
                    .await
            }
            (Self::Modbus(_) | Self::Snmp(_) | Self::Scpi(_), _) => Err(unreadable()),
        }
    }

    /// Writes what starts a shot.
    pub(super) async fn put(&mut self, device: &Device, write: ShotWrite) -> Result<(), Fault> {
        match (self, write) {
            (Self::Modbus(link), ShotWrite::Registers(register, words)) => {
                link.write(Unit::of(device), register, words).await
            }
            (Self::Snmp(link), ShotWrite::Objects(puts)) => link.set(&puts).await,
            (Self::Modbus(_) | Self::Snmp(_) | Self::Scpi(_), _) => Err(unreadable()),
        }
    }

    /// The values of single points of `device`, all of them.
    ///
    /// # Errors
    ///
    /// What became of the request, or which point has no value.
    pub async fn values(
        &mut self,
        device: &Device,
        names: &[PointName],
        clock: &Clock,
    ) -> Result<BTreeMap<PointName, f64>, Fault> {
        let map = device.profile.map.only(names);
        let mut driver = Driver::over(&map, device);
        let polled = self.poll(&mut driver, Patience::new(true), clock).await;
        let fault = polled.requests.iter().find_map(|one| one.fault.clone());
        if let Some(fault) = fault {
            return Err(fault);
        }
        let value = |name: &PointName| {
            let taken = polled.readings.get(name);
            let value = taken.and_then(|taken| taken.reading.value());
            value
                .map(|value| (name.clone(), value))
                .ok_or_else(|| Fault::Garbled(format!("{name} has no value")))
        };
        names.iter().map(value).collect()
    }
}

impl Map {
    /// The same device, of which only the single points `names` are asked.
    #[must_use]
    pub fn only(&self, names: &[PointName]) -> Self {
        match self {
            Self::Modbus(map) => {
                let mut map = map.clone();
                map.tables.clear();
                map.points.retain(|at| names.contains(&at.point.name));
                Self::Modbus(map)
            }
            Self::Snmp(map) => {
                let mut map = map.clone();
                map.tables.clear();
                map.points.retain(|at| names.contains(&at.point.name));
                Self::Snmp(map)
            }
            Self::Scpi(map) => {
                let mut map = map.clone();
                map.points.retain(|at| names.contains(&at.point.name));
                Self::Scpi(map)
            }
        }
    }
}

/// Registers of a block.
async fn words_of(
    link: &mut ModbusLink,
    unit: Unit,
    blocks: &Blocks,
    part: Part,
) -> Result<Vec<u16>, Fault> {
    let (number, from, count) = (part.block, part.from, part.count);
    let read = |window: &Window, start| Read {
        function: window.function,
        start,
        count,
    };
    match blocks {
        Blocks::Registers(window) => {
            let start = number
                .checked_mul(window.registers.into())
                .and_then(|after| after.checked_add(window.register.into()))
                .and_then(|start| start.checked_add(from.into()));
            let end = start.and_then(|start| start.checked_add(count.into()));
            let fits = end.is_some_and(|end| end <= u32::from(u16::MAX) + 1);
            let start = start.and_then(|start| u16::try_from(start).ok());
            let start = start.filter(|_| fits).ok_or_else(|| past(number))?;
            link.read(unit, read(window, start)).await
        }
        Blocks::Indexed {
            index,
            first,
            window,
        } => {
            let shown = u16::try_from(number)
                .ok()
                .and_then(|n| n.checked_add(*first));
            let shown = shown.ok_or_else(|| past(number))?;
            link.write(unit, *index, vec![shown]).await?;
            let start = window.register.checked_add(from);
            let start = start.ok_or_else(|| past(number))?;
            let words = link.read(unit, read(window, start)).await?;
            // Another master may have asked for another block meanwhile.
            let again = Read {
                function: crate::profile::Function::Holding,
                start: *index,
                count: 1,
            };
            match link.read(unit, again).await?.as_slice() {
                [now] if *now == shown => Ok(words),
                other => Err(Fault::Garbled(format!(
                    "it shows block {other:?}, want {shown}"
                ))),
            }
        }
        Blocks::Records { file, registers } => {
            // Each file holds as many whole blocks as fit into its records.
            let a_file = RECORDS_A_FILE / u32::from(*registers).max(1);
            let further = u16::try_from(number / a_file.max(1)).ok();
            let file = further.and_then(|further| file.checked_add(further));
            let first = number % a_file.max(1) * u32::from(*registers) + u32::from(from);
            let records = Records {
                file: file.ok_or_else(|| past(number))?,
                first: u16::try_from(first).map_err(|_| past(number))?,
                count,
            };
            link.records(unit, records).await
        }
        Blocks::Column { .. } | Blocks::Selected { .. } => Err(unreadable()),
    }
}

/// Block `number` as an OCTET STRING; nothing where there is none.
async fn octets_of(
    link: &mut SnmpLink,
    blocks: &Blocks,
    number: u32,
) -> Result<Option<Vec<u8>>, Fault> {
    let get = match blocks {
        Blocks::Column { oid, first } => {
            let row = first.checked_add(number).ok_or_else(|| past(number))?;
            vec![oid.child(row)]
        }
        Blocks::Selected {
            index,
            kind,
            first,
            data,
        } => {
            let row = first.checked_add(number).ok_or_else(|| past(number))?;
            let put = Put {
                oid: index.clone(),
                kind: *kind,
                value: row.into(),
            };
            link.set(&[put]).await?;
            // The number is read with the block, so that it is that of the block.
            vec![data.clone(), index.clone()]
        }
        Blocks::Registers(_) | Blocks::Indexed { .. } | Blocks::Records { .. } => {
            return Err(unreadable());
        }
    };
    let found: BTreeMap<_, _> = link.get(&get).await?.into_iter().collect();
    if let Blocks::Selected { index, first, .. } = blocks {
        let wanted = SnmpValue::Whole(i128::from(*first) + i128::from(number));
        if found.get(index) != Some(&wanted) {
            let shown = found.get(index);
            return Err(Fault::Garbled(format!(
                "it shows block {shown:?}, want {wanted:?}"
            )));
        }
    }
    match get.first().and_then(|oid| found.get(oid)) {
        Some(SnmpValue::Bytes(bytes)) => Ok(Some(bytes.clone())),
        Some(SnmpValue::Absent) => Ok(None),
        other => Err(Fault::Garbled(format!("a block that is {other:?}"))),
    }
}

fn past(number: u32) -> Fault {
    Fault::NotSupported(format!("block {number} lies past what can be asked for"))
}

fn unreadable() -> Fault {
    Fault::NotSupported("this profile can't do that".to_owned())
}
