//! The devices of the corridor as their agents read them: the simulated registers and objects go
//! through the agents' own drivers and profiles, without a wire between.

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_agent::clock::Moment as AgentMoment;
use silkline_agent::config::{self, Config};
use silkline_agent::driver::modbus::{self, ModbusDriver};
use silkline_agent::driver::session::Driver;
use silkline_agent::driver::snmp::{self, Ask, SnmpDriver, SnmpValue};
use silkline_agent::driver::{Fault, Readings};
use silkline_agent::profile::{Function, Oid};
use silkline_protocol::device::{About, Role};
use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::plant::{Device, Plant};
use silkline_protocol::sample::Sample;
use silkline_protocol::time::Timestamp;
use silkline_sim::configure::{AgentPlan, agent_toml};
use silkline_sim::hardware::{Contents, Object, Reach, contents};
use silkline_sim::world::{Moment, World};

const TIMEOUT: Duration = Duration::from_millis(800);

/// One device with the driver that reads it.
#[derive(Clone, Debug)]
pub(crate) struct Gear {
    pub(crate) device: Device,
    pub(crate) lines: Vec<LineId>,
    pub(crate) about: About,
    pub(crate) poll: Duration,
    driver: Driver,
}

/// The agents' settings for the simulated hardware of `plant`, by site.
pub(crate) fn configs(plant: &Plant, poll: Duration) -> BTreeMap<SiteId, Config> {
    let reach: Vec<Reach> = plant.devices.iter().map(reached).collect();
    let mut plan = AgentPlan::new("mqtt://127.0.0.1:1883".into(), "/nowhere".into());
    plan.poll = poll;
    // Shots without a cause are taken by the bed itself.
    plan.every = Duration::from_secs(30 * 86_400);
    let sites = plant.sites.iter().map(|site| {
        let text = agent_toml(plant, &site.id, &reach, &plan);
        let read = config::read("agent.toml", &text).unwrap_or_else(|m| panic!("{m}\n{text}"));
        (site.id.clone(), read)
    });
    sites.collect()
}

/// Where a device would be reached if anybody asked.
fn reached(device: &Device) -> Reach {
    Reach {
        site: device.site.clone(),
        device: device.id.clone(),
        profile: device.profile.clone(),
        address: "127.0.0.1:5020".parse().unwrap(),
        folder: (device.profile.as_str() == "silkline-otdr").then(|| "/nowhere".into()),
    }
}

/// Every device of the plant.
pub(crate) fn all(plant: &Plant, configs: &BTreeMap<SiteId, Config>) -> Vec<Gear> {
    let gear = |device: &Device| {
        let own = configs[&device.site].device(&device.id).unwrap();
        let poll_ms = u64::try_from(own.poll.as_millis()).unwrap();
        Gear {
            device: device.clone(),
            lines: own.lines.clone(),
            about: own.profile.about(poll_ms),
            poll: own.poll,
            driver: Driver::of(own),
        }
    };
    plant.devices.iter().map(gear).collect()
}

impl Gear {
    /// One poll.
    pub(crate) fn sample(&mut self, world: &World, moment: Moment<'_>, at: Timestamp) -> Sample {
        let held = contents(world, &self.device, moment);
        let readings = match &mut self.driver {
            Driver::Modbus(driver, _) => by_modbus(driver, held.as_ref()),
            Driver::Snmp(driver) => by_snmp(driver, held.as_ref(), moment.now),
            Driver::Scpi(..) => panic!("no device of the corridor speaks SCPI"),
        };
        let readings = (&readings)
            .into_iter()
            .map(|(name, taken)| (name.clone(), taken.reading));
        Sample {
            at,
            readings: readings.collect(),
        }
    }

    /// What a point of this name measures.
    pub(crate) fn role(&self, stem: &str) -> Role {
        let points = self.about.points.iter();
        let named = points.filter(|point| point.name.as_str() == stem);
        named.map(|point| point.role).next().unwrap_or(Role::Other)
    }
}

fn by_modbus(driver: &mut ModbusDriver, held: Option<&Contents>) -> Readings {
    let answer = |read: modbus::Read| modbus::Answer {
        words: words(read, held),
        took: Duration::from_millis(5),
    };
    let answers: Vec<_> = driver.plan().into_iter().map(answer).collect();
    driver.decode(&answers)
}

fn words(read: modbus::Read, held: Option<&Contents>) -> Result<Vec<u16>, Fault> {
    let Some(Contents::Registers { holding, words }) = held else {
        return Err(Fault::Timeout(TIMEOUT));
    };
    let unknown = || Fault::NotSupported("illegal data address".to_owned());
    let fits = match read.function {
        Function::Holding => *holding,
        Function::Input => !*holding,
        Function::Coil | Function::Discrete => false,
    };
    let wanted = (0..read.count).map(|k| words.get(&(read.start + k)).copied().filter(|_| fits));
    wanted.map(|word| word.ok_or_else(unknown)).collect()
}

fn by_snmp(driver: &mut SnmpDriver, held: Option<&Contents>, now: Duration) -> Readings {
    let values: Option<BTreeMap<Oid, SnmpValue>> = match held {
        Some(Contents::Objects(objects)) => Some(objects.iter().map(value).collect()),
        _ => None,
    };
    let answer = |ask: Ask| snmp::Answer {
        values: match (&values, ask) {
            (None, _) => Err(Fault::Timeout(TIMEOUT)),
            (Some(values), Ask::Walk(_)) => Ok(values.clone()),
            (Some(values), Ask::Get(oids)) => Ok(oids
                .into_iter()
                .map(|oid| {
                    let value = values.get(&oid).cloned().unwrap_or(SnmpValue::Absent);
                    (oid, value)
                })
                .collect()),
        },
        took: Duration::from_millis(5),
        at: AgentMoment::after_start(now),
        size: None,
    };
    let answers: Vec<_> = driver.plan().into_iter().map(answer).collect();
    driver.decode(&answers).into()
}

fn value((arcs, object): &(Vec<u32>, Object)) -> (Oid, SnmpValue) {
    let value = match object {
        Object::Whole(whole) => SnmpValue::Whole((*whole).into()),
        Object::Bytes(bytes) => SnmpValue::Bytes(bytes.clone()),
    };
    (Oid::new(arcs.clone()), value)
}
