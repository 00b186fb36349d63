//! The devices of a plant as servers on this machine: real Modbus TCP, real SNMP, an OTDR that takes
//! its time and drops files.
//!
//! ```text
//!            watch::Sender<Scene>                      registers ─▶ Modbus TCP server
//! control ─▶ Hardware ──────────▶ World at a moment ─▶ objects ───▶ SNMP agent
//!                                                      shots ─────▶ OTDR ─▶ folder
//! ```
//!
//! Every server listens on 127.0.0.1 alone. What a server says is worked out when it is asked.

mod contents;
mod modbus;
mod objects;
mod otdr;
mod registers;
mod snmp;
mod switch;

pub use contents::{Contents, Object, contents};
pub use snmp::COMMUNITY;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{DeviceId, ProfileId, SiteId};
use silkline_protocol::plant::Device;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::fault::{Fault, NoSuch, Scene};
use crate::world::{Moment, World};

/// How the devices are set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Ports count up from here; none for ports that the system chooses.
    pub first_port: Option<u16>,
    /// Where the OTDRs drop their files, in a folder each.
    pub folder: PathBuf,
    /// How many times faster than real an OTDR averages.
    pub speed: f64,
}

/// Where a device can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Where it stands.
    pub site: SiteId,
    /// What it is called there.
    pub device: DeviceId,
    /// By which profile it is read.
    pub profile: ProfileId,
    /// Its address: TCP for Modbus, UDP for SNMP.
    pub address: SocketAddr,
    /// The folder into which it drops files, where it does.
    pub folder: Option<PathBuf>,
}

/// Every device of a plant, running.
#[derive(Debug)]
pub struct Hardware {
    /// Where each can be reached, in the plant's order.
    pub reach: Vec<Reach>,
    bench: Bench,
    scene: watch::Sender<Scene>,
    dropped: watch::Sender<Vec<Dropped>>,
    /// Where the switch of each site stands that has one.
    switches: BTreeMap<SiteId, watch::Sender<u16>>,
    servers: JoinSet<()>,
}

/// A file that an OTDR has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where the OTDR stands.
    pub site: SiteId,
    /// Which it is.
    pub device: DeviceId,
    /// Into which of its fibres it shot.
    pub port: u16,
    /// The file.
    pub path: PathBuf,
    /// When the last byte was written, on the simulation's clock.
    pub at: Duration,
}

/// The profile of fibre switches.
const SWITCH: &str = "silkline-switch";

/// Files that are remembered.
const DROPPED_KEPT: usize = 256;

/// A device that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum NoHardware {
    /// Its port could not be had.
    #[error("{device} at {site}: cannot listen on {address}")]
    Port {
        /// Where it stands.
        site: SiteId,
        /// Which it is.
        device: DeviceId,
        /// The address that was wanted.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Its folder could not be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nothing here knows how to play it.
    #[error("{device} at {site}: no device of profile {profile} is simulated")]
    Profile {
        /// Where it stands.
        site: SiteId,
        /// Which it is.
        device: DeviceId,
        /// Its profile.
        profile: ProfileId,
    },
}

/// What every server looks at.
#[derive(Clone, Debug)]
struct Bench {
    world: Arc<World>,
    scene: watch::Receiver<Scene>,
    clock: Clock,
}

impl Bench {
    /// What `look` finds at this moment.
    fn at_this_moment<T>(&self, look: impl FnOnce(&World, Moment<'_>) -> T) -> T {
        let scene = self.scene.borrow();
        look(
            &self.world,
            Moment {
                scene: &scene,
                now: self.clock.now(),
            },
        )
    }

    fn answers(&self, site: &SiteId, device: &DeviceId) -> bool {
        self.scene.borrow().answers(site, device)
    }
}

impl Hardware {
    /// Starts a server for every device of the plant.
    ///
    /// # Errors
    ///
    /// [`NoHardware`] for the first device that cannot be set up.
    pub async fn start(world: Arc<World>, setup: &Setup) -> Result<Self, NoHardware> {
        let (scene, watched) = watch::channel(Scene::default());
        let bench = Bench {
            world: Arc::clone(&world),
            scene: watched,
            clock: Clock::start(),
        };
        let (dropped, _) = watch::channel(Vec::new());
        let servers = JoinSet::new();
        let is_switch = |device: &&Device| device.profile.as_str() == SWITCH;
        let switches = world.plant().devices.iter().filter(is_switch);
        let switches = switches.map(|device| (device.site.clone(), watch::channel(1).0));
        let mut hardware = Self {
            reach: Vec::new(),
            bench,
            scene,
            dropped,
            switches: switches.collect(),
            servers,
        };
        for (device, number) in world.plant().devices.iter().zip(0_u16..) {
            let port = setup
                .first_port
                .map_or(0, |first| first.saturating_add(number));
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let reach = hardware.serve(device, address, setup).await?;
            hardware.reach.push(reach);
        }
        Ok(hardware)
    }

    /// Lets something go wrong.
    ///
    /// # Errors
    ///
    /// [`NoSuch`] where it names what the plant has not.
    pub fn inflict(&self, fault: Fault) -> Result<(), NoSuch> {
        fault.check(self.bench.world.plant())?;
        let now = self.bench.clock.now();
        self.scene.send_modify(|scene| scene.inflict(fault, now));
        Ok(())
    }

    /// Mends everything.
    pub fn repair(&self) {
        self.scene.send_modify(Scene::repair);
    }

    /// What is wrong now.
    #[must_use]
    pub fn scene(&self) -> Scene {
        self.scene.borrow().clone()
    }

    /// The files that OTDRs have finished, the newest last; a watcher wakes at each.
    #[must_use]
    pub fn dropped(&self) -> watch::Receiver<Vec<Dropped>> {
        self.dropped.subscribe()
    }

    /// How late it is on the simulation's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.bench.clock.now()
    }

    /// The world that the devices measure.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.bench.world
    }

    /// Stops every server.
    pub async fn stop(mut self) {
        self.servers.shutdown().await;
    }

    async fn serve(
        &mut self,
        device: &Device,
        address: SocketAddr,
        setup: &Setup,
    ) -> Result<Reach, NoHardware> {
        let (site, id, profile) = (&device.site, &device.id, &device.profile);
        // The agent puts the traces that it has fetched into such a folder too.
        let folder = match profile.as_str().starts_with("silkline-otdr") {
            true => Some(own_folder(device, setup)?),
            false => None,
        };
        let outlet = otdr::Outlet {
            folder: folder
                .clone()
                .filter(|_| profile.as_str() == "silkline-otdr"),
            switch: (self.switches.get(site).map(watch::Sender::subscribe))
                .filter(|_| profile.as_str() != "silkline-otdr"),
            speed: setup.speed,
            dropped: self.dropped.clone(),
        };
        let bound = match profile.as_str() {
            "silkline-otdr"
            | "silkline-otdr-modbus"
            | "silkline-otdr-scpi"
            | "silkline-otdr-snmp" => self.otdr(device, address, outlet).await,
            SWITCH => self.switch(device, address).await,
            name if registers::knows(name) => {
                let gauge = modbus::Gauge::new(self.bench.clone(), device.clone());
                self.modbus(address, Arc::new(gauge)).await
            }
            name if objects::knows(name) => self.snmp(device, address).await,
            _ => {
                let (site, device, profile) = (site.clone(), id.clone(), profile.clone());
                return Err(NoHardware::Profile {
                    site,
                    device,
                    profile,
                });
            }
        };
        let no_port = |source| {
            let (site, device) = (site.clone(), id.clone());
            NoHardware::Port {
                site,
                device,
                address,
                source,
            }
        };
        let (site, device, profile) = (site.clone(), id.clone(), profile.clone());
        Ok(Reach {
            site,
            device,
            profile,
            address: bound.map_err(no_port)?,
            folder,
        })
    }

    async fn modbus(
        &mut self,
        address: SocketAddr,
        slave: Arc<dyn modbus::Slave>,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        self.servers.spawn(modbus::serve(listener, slave));
        Ok(bound)
    }

    async fn otdr(
        &mut self,
        device: &Device,
        address: SocketAddr,
        outlet: otdr::Outlet,
    ) -> io::Result<SocketAddr> {
        let (core, job) = otdr::unit(self.bench.clone(), device, outlet);
        self.servers.spawn(job);
        match device.profile.as_str() {
            "silkline-otdr-snmp" => {
                let rows = otdr::rows::Rows::of(core);
                let agent = snmp::agent_of(otdr::rows::base(), Arc::new(rows), address).await?;
                let bound = agent.local_addr();
                self.servers.spawn(snmp::serve(agent));
                Ok(bound)
            }
            "silkline-otdr-scpi" => {
                let listener = TcpListener::bind(address).await?;
                let bound = listener.local_addr()?;
                self.servers.spawn(otdr::lines::serve(listener, core));
                Ok(bound)
            }
            "silkline-otdr-modbus" => {
                let blocks = otdr::blocks::Blocks::of(core);
                self.modbus(address, Arc::new(blocks)).await
            }
            _ => self.modbus(address, Arc::new(otdr::Unit(core))).await,
        }
    }

    async fn switch(&mut self, device: &Device, address: SocketAddr) -> io::Result<SocketAddr> {
        let stands = self.switches.get(&device.site).cloned();
        let stands = stands.unwrap_or_else(|| watch::channel(1).0);
        let (switch, turning) = switch::switch(self.bench.clone(), device, stands);
        self.servers.spawn(turning);
        self.modbus(address, Arc::new(switch)).await
    }

    async fn snmp(&mut self, device: &Device, address: SocketAddr) -> io::Result<SocketAddr> {
        let agent = snmp::agent(self.bench.clone(), device.clone(), address).await?;
        let bound = agent.local_addr();
        self.servers.spawn(snmp::serve(agent));
        Ok(bound)
    }
}

/// The folder into which a device drops its files.
fn own_folder(device: &Device, setup: &Setup) -> Result<PathBuf, NoHardware> {
    let path = setup
        .folder
        .join(device.site.as_str())
        .join(device.id.as_str());
    let made = std::fs::create_dir_all(&path);
    made.map_err(|source| NoHardware::Folder {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// The amplifiers of a device: where light passes it, by the number that its maps use.
fn stand_of(plant: &silkline_protocol::plant::Plant, device: &Device) -> Option<Standing> {
    let line = plant.line(device.lines.first()?)?;
    let node = line
        .nodes
        .iter()
        .find(|node| node.site.as_ref() == Some(&device.site))?;
    Some(Standing {
        line: line.id.clone(),
        node: node.id.clone(),
    })
}

/// The line and node at which a device stands.
struct Standing {
    line: silkline_protocol::id::LineId,
    node: silkline_protocol::id::NodeId,
}

#[cfg(test)]
mod tests;
