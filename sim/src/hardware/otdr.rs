//! An OTDR with a fibre switch, inside it or before it: told to shoot, it averages for a while and drops a
//! file, or keeps the trace to be read.
//!
//! ```text
//!          told: port, pulse, average
//!   idle ────────────────────────────▶ busy ──── averaged ─────────────────▶ done
//!    ▲                                  │  ├──── stopped ──────────────────▶ idle
//!    │        told while busy: refused ─┘  └──── no file could be written ─▶ failed
//!    └──────────────── done and failed take orders like idle ────────────────┘
//! ```
//!
//! By Modbus with files ([`Unit`]), by Modbus with blocks ([`blocks`]), by SNMP with rows ([`rows`]), by
//! lines ([`lines`]). A file grows in two steps, as files of real units do: who reads it too early reads
//! half.

pub(super) mod blocks;
pub(super) mod lines;
pub(super) mod rows;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::id::{DeviceId, SiteId};
use silkline_protocol::plant::Device;
use silkline_protocol::time::Timestamp;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio_modbus::ExceptionCode;
use tracing::{debug, warn};

use super::modbus::Slave;
use super::registers::Registers;
use super::{Bench, DROPPED_KEPT, Dropped};
use crate::world::ShotOrder;

/// Where a shot is written, and how many words it takes.
const SHOT_REGISTER: u16 = 100;
/// How often progress is told while averaging.
const PROGRESS_STEPS: u16 = 20;
/// How long a file stays half written.
const HALF_WRITTEN: Duration = Duration::from_millis(300);

/// What a unit is doing.
#[derive(Clone, Debug, Default)]
struct Status {
    state: State,
    port: u16,
    progress: u16,
    shots: u32,
    /// Counts orders, so that one that was stopped is told from the next.
    run: u64,
    /// The last trace, where it is kept to be read.
    trace: Arc<Vec<u8>>,
    /// Its check sum, worked out once.
    sum: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Busy,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    run: u64,
    port: u16,
    pulse_ns: u16,
    average_s: u16,
}

/// Why an order is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// No fibre there, or a setting that makes no sense.
    Nonsense,
    /// A shot runs.
    Busy,
    /// The unit has ended.
    Gone,
}

/// The unit, apart from what it is told by.
#[derive(Clone)]
pub(super) struct Core {
    bench: Bench,
    site: SiteId,
    device: DeviceId,
    /// Where the switch before it stands, where it has one.
    switch: Option<watch::Receiver<u16>>,
    status: watch::Sender<Status>,
    /// Stopped shots and the one that was ordered after them: the unit refuses another while it is busy.
    orders: mpsc::Sender<Order>,
}

/// The registers of the unit.
pub(super) struct Unit(pub(super) Core);

/// Orders that may wait: the one that follows stopped ones.
const ORDERS: usize = 64;

/// Where a unit's traces go, and how fast it is.
pub(super) struct Outlet {
    /// Its folder; kept to be read where there is none.
    pub(super) folder: Option<PathBuf>,
    /// Where the switch before it stands, where it has one.
    pub(super) switch: Option<watch::Receiver<u16>>,
    /// How many times faster than real it averages.
    pub(super) speed: f64,
    /// Who is told of finished files.
    pub(super) dropped: watch::Sender<Vec<Dropped>>,
}

/// The registers of a unit that has never shot.
pub(super) fn at_rest() -> Registers {
    Status::default().registers()
}

impl Status {
    const fn state_number(&self) -> u16 {
        match self.state {
            State::Idle => 0,
            State::Busy => 1,
            State::Done => 2,
            State::Failed => 3,
        }
    }

    fn registers(&self) -> Registers {
        let state = self.state_number();
        let [b0, b1, b2, b3] = self.shots.to_be_bytes();
        let shots = [u16::from_be_bytes([b0, b1]), u16::from_be_bytes([b2, b3])];
        let [high, low] = shots;
        let words = [1, state, self.progress, high, low, self.port, 312];
        let mut registers = Registers::default();
        registers.words.extend((0_u16..).zip(words));
        registers
    }
}

/// The unit and the task that does its work.
pub(super) fn unit(
    bench: Bench,
    device: &Device,
    outlet: Outlet,
) -> (Core, impl Future<Output = ()> + Send + use<>) {
    let (status, _) = watch::channel(Status::default());
    let (orders, ordered) = mpsc::channel(ORDERS);
    let core = Core {
        bench,
        site: device.site.clone(),
        device: device.id.clone(),
        switch: outlet.switch.clone(),
        status,
        orders,
    };
    let worker = Worker {
        core: core.clone(),
        pace: 1.0 / outlet.speed.max(0.01),
        outlet,
    };
    (core, worker.work(ordered))
}

impl Core {
    fn answers(&self) -> bool {
        self.bench.answers(&self.site, &self.device)
    }

    /// The port of the plant's view: that of the switch before the unit, else the unit's own.
    fn fibre(&self, own: u16) -> u16 {
        self.switch.as_ref().map_or(own, |stands| *stands.borrow())
    }

    /// Begins a shot.
    fn order(&self, port: u16, pulse_ns: u32, average_s: u16) -> Result<(), Refused> {
        let pulse_ns = u16::try_from(pulse_ns).map_err(|_| Refused::Nonsense)?;
        let world = &self.bench.world;
        let view = world.view_of(&self.site, &self.device, self.fibre(port));
        // Behind a switch that turns there is a fibre when it has turned.
        let seen = view.is_some() || self.switch.is_some();
        if !seen || pulse_ns == 0 || average_s == 0 {
            return Err(Refused::Nonsense);
        }
        let mut run = None;
        self.status.send_if_modified(|status| {
            if status.state == State::Busy {
                return false;
            }
            status.state = State::Busy;
            (status.port, status.progress) = (port, 0);
            status.run += 1;
            run = Some(status.run);
            true
        });
        let order = Order {
            run: run.ok_or(Refused::Busy)?,
            port,
            pulse_ns,
            average_s,
        };
        self.orders.try_send(order).map_err(|_| Refused::Gone)
    }

    /// Ends the shot that runs.
    fn stop(&self) {
        self.status.send_if_modified(|status| {
            let busy = status.state == State::Busy;
            if busy {
                status.state = State::Idle;
            }
            busy
        });
    }

    /// Whether `order` still runs.
    fn runs(&self, order: Order) -> bool {
        let status = self.status.borrow();
        status.state == State::Busy && status.run == order.run
    }
}

impl Slave for Unit {
    fn answers(&self) -> bool {
        self.0.answers()
    }

    fn registers(&self) -> Registers {
        self.0.status.borrow().registers()
    }

    fn write(&self, register: u16, words: &[u16]) -> Result<(), ExceptionCode> {
        if register != SHOT_REGISTER {
            return Err(ExceptionCode::IllegalDataAddress);
        }
        self.0.shot_words(words)
    }
}

impl Core {
    /// A shot as Modbus orders it: port, pulse in two registers, average, 1.
    fn shot_words(&self, words: &[u16]) -> Result<(), ExceptionCode> {
        let [port, high, low, average_s, 1] = *words else {
            return Err(ExceptionCode::IllegalDataValue);
        };
        let pulse_ns = u32::from(high) << 16 | u32::from(low);
        self.order(port, pulse_ns, average_s)
            .map_err(|refused| match refused {
                Refused::Nonsense => ExceptionCode::IllegalDataValue,
                Refused::Busy => ExceptionCode::ServerDeviceBusy,
                Refused::Gone => ExceptionCode::ServerDeviceFailure,
            })
    }
}

struct Worker {
    core: Core,
    outlet: Outlet,
    pace: f64,
}

impl Worker {
    async fn work(self, mut ordered: mpsc::Receiver<Order>) {
        while let Some(order) = ordered.recv().await {
            let result = self.shoot(order).await;
            if let Err(error) = &result {
                let (site, device) = (&self.core.site, &self.core.device);
                warn!(%site, %device, %error, "a shot failed");
            }
            if !self.core.runs(order) {
                continue;
            }
            let sum = result.as_ref().map_or(0, |trace| blocks::sum_of(trace));
            self.core.status.send_modify(|status| match result {
                Ok(trace) => {
                    status.state = State::Done;
                    status.progress = 100;
                    status.shots = status.shots.wrapping_add(1);
                    status.trace = Arc::new(trace);
                    status.sum = sum;
                }
                Err(_) => {
                    status.state = State::Failed;
                    status.progress = 100;
                }
            });
        }
    }

    /// Averages and gives the trace, which is in its folder then, where it has one; it is of no meaning
    /// where the shot was stopped.
    async fn shoot(&self, order: Order) -> io::Result<Vec<u8>> {
        let core = &self.core;
        let average = Duration::from_secs(order.average_s.into()).mul_f64(self.pace);
        for step in 1..=PROGRESS_STEPS {
            tokio::time::sleep(average / u32::from(PROGRESS_STEPS)).await;
            if !core.runs(order) {
                return Ok(Vec::new());
            }
            core.status
                .send_modify(|status| status.progress = step * 95 / PROGRESS_STEPS);
        }
        let taken = core.bench.clock.wall();
        let settings = ShotOrder {
            pulse_ns: order.pulse_ns,
            average_s: order.average_s,
            taken,
        };
        let world = &core.bench.world;
        let view = world.view_of(&core.site, &core.device, core.fibre(order.port));
        let id = view.map(|(_, view)| view.id.clone());
        let sor = id.and_then(|id| {
            core.bench
                .at_this_moment(|world, moment| world.shoot(&id, settings, moment.scene))
        });
        let sor = sor.ok_or_else(|| io::Error::other("no fibre behind this port"))?;
        if let Some(folder) = &self.outlet.folder {
            let path = self.drop_file((folder, order.port), taken, &sor).await?;
            debug!(path = %path.display(), "dropped a trace");
            self.tell(order.port, path);
        }
        Ok(sor)
    }

    fn tell(&self, port: u16, path: PathBuf) {
        let dropped = Dropped {
            site: self.core.site.clone(),
            device: self.core.device.clone(),
            port,
            path,
            at: self.core.bench.clock.now(),
        };
        self.outlet.dropped.send_modify(|files| {
            let excess = (files.len() + 1).saturating_sub(DROPPED_KEPT);
            files.drain(..excess);
            files.push(dropped);
        });
    }

    /// Writes half of the file, rests, writes the other half.
    async fn drop_file(
        &self,
        place: (&Path, u16),
        taken: Timestamp,
        sor: &[u8],
    ) -> io::Result<PathBuf> {
        let (path, mut file) = self.new_file(place, taken).await?;
        let (half, rest) = sor.split_at(sor.len() / 2);
        file.write_all(half).await?;
        file.flush().await?;
        tokio::time::sleep(HALF_WRITTEN.mul_f64(self.pace)).await;
        file.write_all(rest).await?;
        file.sync_all().await?;
        Ok(path)
    }

    /// A file of the unit's usual name; where there is one already, a second later's.
    async fn new_file(
        &self,
        (folder, port): (&Path, u16),
        taken: Timestamp,
    ) -> io::Result<(PathBuf, tokio::fs::File)> {
        let mut at = taken;
        loop {
            let path = folder.join(file_name(&self.core.device, port, at));
            match tokio::fs::File::create_new(&path).await {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    at = at + Duration::from_secs(1);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// `{device}-p{port}-{YYYYMMDDTHHMMSSZ}.sor`
fn file_name(device: &DeviceId, port: u16, at: Timestamp) -> String {
    let whole = Timestamp::from_seconds(at.nanos() / 1_000_000_000).to_string();
    let stamp: String = whole.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{device}-p{port}-{stamp}.sor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_device_port_and_second() {
        let at = "2026-11-22T20:30:05.75Z".parse().unwrap();
        let name = file_name(&"otdr-1".parse().unwrap(), 2, at);
        assert_eq!(name, "otdr-1-p2-20261122T203005Z.sor");
    }
}
