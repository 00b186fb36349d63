//! An OTDR with a fibre switch: told by Modbus to shoot, it averages for a while and drops a file.
//!
//! ```text
//!          written: port, pulse, average, 1
//!   idle ──────────────────────────────────▶ busy ──── averaged, file written ───▶ done
//!    ▲                                        │  └──── no file could be written ─▶ failed
//!    │      written while busy: exception 6 ──┘                                     │
//!    └──────────────────────── done and failed take orders like idle ───────────────┘
//! ```
//!
//! The file grows in two steps, as files of real units do: who reads it too early reads half.

use std::future::Future;
use std::io;
use std::path::PathBuf;
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
#[derive(Clone, Copy, Debug, Default)]
struct Status {
    state: State,
    port: u16,
    progress: u16,
    shots: u32,
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
    port: u16,
    pulse_ns: u16,
    average_s: u16,
}

/// The registers of the unit.
pub(super) struct Unit {
    bench: Bench,
    site: SiteId,
    device: DeviceId,
    status: watch::Sender<Status>,
    /// One order: the unit refuses another while it is busy, so none ever waits.
    orders: mpsc::Sender<Order>,
}

/// Where a unit's files go, and how fast it is.
pub(super) struct Outlet {
    pub(super) folder: PathBuf,
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
    fn registers(self) -> Registers {
        let state = match self.state {
            State::Idle => 0,
            State::Busy => 1,
            State::Done => 2,
            State::Failed => 3,
        };
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
) -> (Unit, impl Future<Output = ()> + Send + use<>) {
    let (status, _) = watch::channel(Status::default());
    let (orders, ordered) = mpsc::channel(1);
    let (site, id) = (device.site.clone(), device.id.clone());
    let worker = Worker {
        bench: bench.clone(),
        site: site.clone(),
        device: id.clone(),
        pace: 1.0 / outlet.speed.max(0.01),
        outlet,
        status: status.clone(),
    };
    (
        Unit {
            bench,
            site,
            device: id,
            status,
            orders,
        },
        worker.work(ordered),
    )
}

impl Slave for Unit {
    fn answers(&self) -> bool {
        self.bench.answers(&self.site, &self.device)
    }

    fn registers(&self) -> Registers {
        self.status.borrow().registers()
    }

    fn write(&self, register: u16, words: &[u16]) -> Result<(), ExceptionCode> {
        let [port, high, low, average_s, 1] = *words else {
            return Err(ExceptionCode::IllegalDataValue);
        };
        if register != SHOT_REGISTER {
            return Err(ExceptionCode::IllegalDataAddress);
        }
        let view = self.bench.world.view_of(&self.site, &self.device, port);
        let sensible = high == 0 && low > 0 && average_s > 0;
        if view.is_none() || !sensible {
            return Err(ExceptionCode::IllegalDataValue);
        }
        let mut taken = false;
        self.status.send_if_modified(|status| {
            taken = status.state != State::Busy;
            if taken {
                *status = Status {
                    state: State::Busy,
                    port,
                    progress: 0,
                    ..*status
                };
            }
            taken
        });
        if !taken {
            return Err(ExceptionCode::ServerDeviceBusy);
        }
        let order = Order {
            port,
            pulse_ns: low,
            average_s,
        };
        self.orders
            .try_send(order)
            .map_err(|_| ExceptionCode::ServerDeviceFailure)
    }
}

struct Worker {
    bench: Bench,
    site: SiteId,
    device: DeviceId,
    outlet: Outlet,
    pace: f64,
    status: watch::Sender<Status>,
}

impl Worker {
    async fn work(self, mut ordered: mpsc::Receiver<Order>) {
        while let Some(order) = ordered.recv().await {
            let result = self.shoot(order).await;
            if let Err(error) = &result {
                warn!(site = %self.site, device = %self.device, %error, "a shot failed");
            }
            self.status.send_modify(|status| {
                let good = result.is_ok();
                status.state = if good { State::Done } else { State::Failed };
                status.progress = 100;
                status.shots = status.shots.wrapping_add(u32::from(good));
            });
        }
    }

    async fn shoot(&self, order: Order) -> io::Result<()> {
        let average = Duration::from_secs(order.average_s.into()).mul_f64(self.pace);
        for step in 1..=PROGRESS_STEPS {
            tokio::time::sleep(average / u32::from(PROGRESS_STEPS)).await;
            self.status
                .send_modify(|status| status.progress = step * 95 / PROGRESS_STEPS);
        }
        let taken = self.bench.clock.wall();
        let settings = ShotOrder {
            pulse_ns: order.pulse_ns,
            average_s: order.average_s,
            taken,
        };
        let view = self
            .bench
            .world
            .view_of(&self.site, &self.device, order.port);
        let id = view.map(|(_, view)| view.id.clone());
        let sor = id.and_then(|id| {
            self.bench
                .at_this_moment(|world, moment| world.shoot(&id, settings, moment.scene))
        });
        let sor = sor.ok_or_else(|| io::Error::other("no fibre behind this port"))?;
        let path = self.drop_file(order.port, taken, &sor).await?;
        debug!(path = %path.display(), "dropped a trace");
        let dropped = Dropped {
            site: self.site.clone(),
            device: self.device.clone(),
            port: order.port,
            path,
            at: self.bench.clock.now(),
        };
        self.outlet.dropped.send_modify(|files| {
            let excess = (files.len() + 1).saturating_sub(DROPPED_KEPT);
            files.drain(..excess);
            files.push(dropped);
        });
        Ok(())
    }

    /// Writes half of the file, rests, writes the other half.
    async fn drop_file(&self, port: u16, taken: Timestamp, sor: &[u8]) -> io::Result<PathBuf> {
        let (path, mut file) = self.new_file(port, taken).await?;
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
        port: u16,
        taken: Timestamp,
    ) -> io::Result<(PathBuf, tokio::fs::File)> {
        let mut at = taken;
        loop {
            let path = self.outlet.folder.join(file_name(&self.device, port, at));
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
