//! Polling: one task a connection, so that a dead device delays no other connection, and within one
//! connection no more than its back-off allows.
//!
//! ```text
//!   Schedule ─ due ─▶ link, driver ─▶ Sample ─┬─▶ edge: lights and shots, at once
//!   Ask ─ reread, shot ─▶                     └─▶ spool, a few polls ahead of the disk at most
//! ```

mod jobs;
mod kept;
mod sight;
mod waits;

pub use jobs::Fetched;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::device::About;
use silkline_protocol::id::DeviceId;
use silkline_protocol::message::Body;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Poll};
use crate::clock::{Clock, Moment};
use crate::config::{Config, Device};
use crate::driver::otdr::ShotSettings;
use crate::driver::readings::Compact;
use crate::driver::session::{Driver, Drivers, Link, Polled};
use crate::driver::{Fault, Patience};
use crate::edge::{EdgeHandle, Seen};
use crate::exception::Exceptions;
use crate::permit::{Blocked, Gate};
use crate::pulse::Pulse;
use crate::schedule::{Outcome, Schedule, staggered};
use crate::trigger::Through;
use jobs::Busy;
use kept::Kept;
use sight::Sight;
use waits::Waits;

/// Orders that may wait for a connection: each device's reread and one shot. A full queue makes the
/// asker wait, who has a deadline of its own.
const ASKS: usize = 16;

/// A poll that takes longer is stuck: a table of a thousand rows on a slow device takes some minutes.
const STUCK_AFTER: Duration = Duration::from_secs(1_800);

/// An order to the task that owns a connection.
#[derive(Debug)]
pub enum Ask {
    /// Poll a device at once.
    Reread(DeviceId),
    /// Start a shot, and say what came of it.
    Shot {
        /// The OTDR.
        device: DeviceId,
        /// With what.
        settings: ShotSettings,
        /// Where the outcome goes.
        done: oneshot::Sender<Result<(), Unshot>>,
    },
    /// Stop the shot that runs, and say whether it was.
    Abort(DeviceId, oneshot::Sender<Result<(), Fault>>),
    /// Turn a switch, and say when the light has settled.
    Turn {
        /// The switch, and the fibre that it leads to.
        through: Through,
        /// To which port.
        port: u16,
        /// Where the outcome goes.
        done: oneshot::Sender<Result<(), Unshot>>,
    },
    /// Say at which port a switch stands.
    Stands(DeviceId, oneshot::Sender<Result<f64, Fault>>),
}

/// Why a shot was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unshot {
    /// A permit to work is in the way: the instrument was not asked.
    Blocked(Blocked),
    /// What became of asking the instrument.
    Fault(Fault),
}

/// The way to the tasks that own the connections.
#[derive(Clone, Debug)]
pub struct Pollers {
    by_device: watch::Receiver<Ways>,
}

/// The queue of the task that owns each device's connection.
pub type Ways = Arc<BTreeMap<DeviceId, mpsc::Sender<Ask>>>;

/// One connection with the devices behind it.
pub struct Poller {
    key: String,
    link: Link,
    units: Vec<Unit>,
    schedule: Schedule,
    waits: Waits,
    late: u64,
    asks: mpsc::Receiver<Ask>,
    gate: Gate,
    /// Ends it after the poll in hand, for a successor to go on.
    retire: CancellationToken,
    board: Board,
    pulse: Pulse,
    clock: Clock,
}

struct Unit {
    device: Arc<Device>,
    driver: Driver,
    limits: Option<Kept>,
    sight: Sight,
    exceptions: Exceptions,
    busy: Option<Busy>,
    was_well: bool,
}

/// What a poll brought that has to be recorded.
struct Brought {
    /// Which of the units.
    unit: usize,
    device: Arc<Device>,
    sample: Arc<Compact>,
    about: Option<About>,
    fault: Option<String>,
}

impl Pollers {
    /// The task that owns the connection of `device`, where it has one.
    #[must_use]
    pub fn of(&self, device: &DeviceId) -> Option<mpsc::Sender<Ask>> {
        self.by_device.borrow().get(device).cloned()
    }

    /// The ways as they are now and will be.
    #[must_use]
    pub const fn new(by_device: watch::Receiver<Ways>) -> Self {
        Self { by_device }
    }
}

/// One poller for each connection that `config` needs, with the way to them.
#[must_use]
pub fn pollers(config: &Config, clock: Clock) -> (Pollers, Vec<Poller>) {
    let (ways, pollers) = connections(config, clock);
    let (_, ways) = watch::channel(Arc::new(ways));
    (Pollers::new(ways), pollers)
}

/// One poller for each connection that `config` needs: units behind one Modbus address share it.
#[must_use]
pub fn connections(
    config: &Config,
    clock: Clock,
) -> (BTreeMap<DeviceId, mpsc::Sender<Ask>>, Vec<Poller>) {
    let mut ways = BTreeMap::new();
    let mut by_address: BTreeMap<String, (mpsc::Sender<Ask>, Poller)> = BTreeMap::new();
    let (mut drivers, now) = (Drivers::default(), clock.moment());
    for (at, device) in config.devices.iter().enumerate() {
        let Some(address) = &device.address else {
            continue;
        };
        // SNMP devices share nothing, so each has a task of its own.
        let key = match device.profile.map.protocol() {
            "modbus" => address.to_string(),
            protocol => format!("{protocol} {} {address}", device.id),
        };
        if !by_address.contains_key(&key) {
            let (sender, asks) = mpsc::channel(ASKS);
            let seed = clock.now().nanos().unsigned_abs() ^ u64::try_from(at).unwrap_or(0);
            let schedule = Schedule::new(config.retry_cap, seed);
            let link = Link::to(device, address, clock);
            let poller = Poller {
                key: key.clone(),
                link,
                units: Vec::new(),
                schedule,
                waits: Waits::default(),
                late: 0,
                asks,
                gate: Gate::of(config, clock),
                retire: CancellationToken::new(),
                board: Board::default(),
                pulse: Pulse::default(),
                clock,
            };
            by_address.insert(key.clone(), (sender, poller));
        }
        let Some((sender, poller)) = by_address.get_mut(&key) else {
            continue;
        };
        let start = staggered(at, config.devices.len(), device.poll, now);
        poller.add(device, drivers.of(device), start);
        ways.insert(device.id.clone(), sender.clone());
    }
    let pollers = by_address.into_values().map(|(_, poller)| poller);
    (ways, pollers.collect())
}

impl Poller {
    fn add(&mut self, device: &Device, driver: Driver, start: Moment) {
        self.schedule.add(device.poll, start);
        self.waits.add(device.poll, device.timeout);
        self.units.push(Unit {
            device: Arc::new(device.clone()),
            driver,
            limits: Kept::of(device),
            sight: Sight::of(device),
            exceptions: Exceptions::of(device),
            busy: None,
            was_well: true,
        });
    }

    /// Which connection it is.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The devices behind it.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<Device>> {
        self.units.iter().map(|unit| unit.device.clone()).collect()
    }

    /// Ends it after the poll in hand.
    #[must_use]
    pub fn retirement(&self) -> CancellationToken {
        self.retire.clone()
    }

    /// The same, with a board that shows what it brings and a pulse that is watched.
    #[must_use]
    pub fn with(self, board: Board, pulse: Pulse) -> Self {
        Self {
            board,
            pulse,
            ..self
        }
    }

    /// Goes on for the devices that `before` had too and that did not change: in their phase, with what
    /// was learned of them. The connection itself is kept where it leads to the same.
    pub fn inherit(&mut self, before: Self) {
        let link_stays =
            matches!(before.link, Link::Modbus(_)) || before.devices() == self.devices();
        self.late = before.late;
        let mut known: Vec<Option<Unit>> = before.units.into_iter().map(Some).collect();
        for (at, unit) in self.units.iter_mut().enumerate() {
            let same = known.iter().position(|known| {
                known
                    .as_ref()
                    .is_some_and(|known| known.device == unit.device)
            });
            if let Some(was) = same
                && let Some(known) = known.get_mut(was).and_then(Option::take)
            {
                self.schedule.inherit(at, &before.schedule, was);
                *unit = known;
            }
        }
        if link_stays {
            self.link = before.link;
        }
    }

    /// Polls until `stop`, upon which a poll in hand is given up, since its answers would come too late;
    /// or until it is retired, upon which it is finished. Gives itself back for a successor.
    pub async fn run(mut self, edge: EdgeHandle, stop: CancellationToken) -> Self {
        self.work(&edge, &stop).await;
        edge.sync().await;
        self
    }

    async fn work(&mut self, edge: &EdgeHandle, stop: &CancellationToken) {
        loop {
            let due = self.schedule.deadline().unwrap_or(Moment::START);
            let work = self.work_due();
            self.pulse
                .expect_by(due.max(self.clock.moment()) + STUCK_AFTER);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.retire.cancelled() => {
                    self.asks.close();
                    while let Some(ask) = self.asks.recv().await {
                        self.answer(ask).await;
                    }
                    return;
                }
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => return,
                },
                () = self.clock.sleep_until(work.unwrap_or(due)), if work.is_some() => {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.go_on(edge) => {}
                    }
                }
                () = self.clock.sleep_until(due) => {
                    let polled = tokio::select! {
                        () = stop.cancelled() => return,
                        polled = self.poll_next() => polled,
                    };
                    self.hand_on(edge).await;
                    if let Some(mut brought) = polled {
                        self.show(&brought);
                        let seen = self.seen(&brought);
                        self.sift(&mut brought);
                        hand_over(edge, brought, seen).await;
                    }
                }
            }
        }
    }

    async fn poll_next(&mut self) -> Option<Brought> {
        let now = self.clock.moment();
        let at = self.schedule.next(now)?;
        let wait = self.waits.of(at, now);
        let patience = Patience::new(self.schedule.answers(at)).waiting(wait.first, wait.then);
        let unit = self.units.get_mut(at)?;
        let begun = self.clock.now();
        let polled = self
            .link
            .poll(&mut unit.driver, patience, &self.clock)
            .await;
        unit.note_health(&polled);
        self.waits.note(at, &polled.requests);
        let outcome = if polled.answered() {
            Outcome::Answered
        } else {
            Outcome::Absent
        };
        let about = match (&mut unit.limits, polled.answered()) {
            (Some(limits), true) => {
                let link = &mut self.link;
                limits.read(&unit.device, link, &self.clock).await
            }
            (Some(_), false) | (None, _) => None,
        };
        let device = unit.device.clone();
        self.schedule.done(at, outcome, self.clock.moment());
        self.note_late(&device);
        let fault = (outcome == Outcome::Absent).then(|| {
            let mut faults = polled
                .requests
                .iter()
                .filter_map(|request| request.fault.as_ref());
            faults.next().map_or_else(String::new, ToString::to_string)
        });
        let answered = begun + polled.first_answer_after();
        let brought = Brought {
            unit: at,
            device,
            sample: Arc::new(polled.readings.sample(answered)),
            about,
            fault,
        };
        Some(brought).filter(|brought| !brought.sample.readings().is_empty())
    }

    /// Takes out what says nothing new, where the settings want that.
    fn sift(&mut self, brought: &mut Brought) {
        let now = self.clock.moment();
        let unit = self.units.get_mut(brought.unit);
        let Some(unit) = unit.filter(|unit| !unit.exceptions.are_none()) else {
            return;
        };
        let mut sample = brought.sample.sample();
        let withheld = unit.exceptions.sift(&mut sample.readings, now);
        brought.sample = Arc::new(Compact::of(sample));
        if withheld > 0 {
            self.board.withheld(&brought.device.id, withheld as u64);
        }
    }

    /// What the edge has to know of it, if anything.
    fn seen(&mut self, brought: &Brought) -> Option<Seen> {
        let unit = self.units.get_mut(brought.unit)?;
        unit.sight.seen(&brought.device.id, &brought.sample)
    }

    fn show(&self, brought: &Brought) {
        let poll = Poll {
            sample: &brought.sample,
            fault: brought.fault.as_deref(),
            late: self.late,
        };
        self.board.polled(&brought.device.id, poll);
    }

    /// Says that answers came too late, less and less often the more there are.
    fn note_late(&mut self, device: &Device) {
        let late = self.link.late();
        if late > self.late && late.next_power_of_two() > self.late.next_power_of_two() {
            let device = device.id.as_str();
            tracing::warn!(device, late, "answers came too late and were thrown away");
        }
        self.late = late;
    }

    fn position(&self, device: &DeviceId) -> Option<usize> {
        self.units.iter().position(|unit| unit.device.id == *device)
    }
}

impl Unit {
    /// Says it once when a device goes or comes back.
    fn note_health(&mut self, polled: &Polled) {
        let well = polled.answered();
        if well == self.was_well {
            return;
        }
        self.was_well = well;
        let device = self.device.id.as_str();
        if well {
            tracing::info!(device, "device answers again");
        } else {
            let fault = polled
                .requests
                .iter()
                .find_map(|request| request.fault.as_ref());
            let error = fault.map_or_else(String::new, ToString::to_string);
            tracing::warn!(device, error, "device does not answer");
        }
    }
}

/// The edge first: a shot must not wait for the disk.
async fn hand_over(edge: &EdgeHandle, brought: Brought, seen: Option<Seen>) {
    let Brought {
        device,
        sample,
        about,
        ..
    } = brought;
    if let Some(seen) = seen {
        edge.observe(seen).await;
    }
    if let Some(about) = about {
        let body = Body::About(device.id.clone(), about);
        edge.spool(&device.lines, body).await;
    }
    if !sample.readings().is_empty() {
        edge.begin(&device.lines, &device.id, sample).await;
    }
}

#[cfg(test)]
mod tests;
