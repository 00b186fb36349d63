//! Polling: one task a connection, so that a dead device delays no other connection, and within one
//! connection no more than its back-off allows.
//!
//! ```text
//!   Schedule ─ due ─▶ link ─ answers ─▶ driver ─▶ Sample ─┬─▶ edge: lights and shots, at once
//!   Ask ─ reread, shot ─▶                                 └─▶ spool, which syncs it in a moment
//! ```
//!
//! A device that is asked as fast as it answers is sent the next request before the answer is looked at.

mod bring;
mod jobs;
mod kept;
mod seldom;
mod sight;
mod waits;

pub use jobs::Fetched;

use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use silkline_protocol::id::DeviceId;
use silkline_protocol::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::clock::{Clock, Moment};
use crate::config::{Config, Device};
use crate::driver::otdr::ShotSettings;
use crate::driver::session::{
    Answers, Driver, Drivers, Link, Request, answered, first_answer_after,
};
use crate::driver::{Fault, Patience};
use crate::edge::EdgeHandle;
use crate::exception::Exceptions;
use crate::permit::{Blocked, Gate};
use crate::pulse::Pulse;
use crate::schedule::{Outcome, Schedule, staggered};
use crate::trigger::Through;
use bring::{Answered, Outlets, bring};
use jobs::Busy;
use kept::Kept;
use seldom::SeldomAsked;
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
    seldom: SeldomAsked,
    limits: Option<Kept>,
    sight: Sight,
    exceptions: Exceptions,
    busy: Option<Busy>,
    was_well: bool,
    was_in_time: bool,
}

/// What a connection's task does next.
enum Next {
    Poll,
    Answer(Ask),
    /// One request more of what a device is at.
    GoOn,
    Retire,
    Leave,
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
            seldom: SeldomAsked::of(device),
            limits: Kept::of(device),
            sight: Sight::of(device),
            exceptions: Exceptions::of(device),
            busy: None,
            was_well: true,
            was_in_time: true,
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
        // Looked at while the next request is under way, and at once where there is none.
        let mut answered = None;
        while !stop.is_cancelled() {
            let due = self.schedule.deadline().unwrap_or(Moment::START);
            let work = self.work_due();
            self.pulse
                .expect_by(due.max(self.clock.moment()) + STUCK_AFTER);
            let next = tokio::select! {
                () = stop.cancelled() => Next::Leave,
                () = self.retire.cancelled() => Next::Retire,
                ask = self.asks.recv() => ask.map_or(Next::Leave, Next::Answer),
                () = self.clock.sleep_until(work.unwrap_or(due)), if work.is_some() => Next::GoOn,
                () = self.clock.sleep_until(due) => Next::Poll,
            };
            if let Next::Poll = next {
                answered = self.ask_next(answered, edge, stop).await;
                self.hand_on(edge).await;
                if !self.can_wait(answered.as_ref()) {
                    self.bring(answered.take(), edge).await;
                }
                continue;
            }
            self.bring(answered.take(), edge).await;
            match next {
                Next::Answer(ask) => self.answer(ask).await,
                Next::Retire => {
                    self.asks.close();
                    while let Some(ask) = self.asks.recv().await {
                        self.answer(ask).await;
                    }
                    return;
                }
                Next::GoOn => tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.go_on(edge) => {}
                },
                Next::Leave | Next::Poll => return,
            }
        }
        self.bring(answered, edge).await;
    }

    /// Whether what was answered may be looked at a moment later: the next request does not depend on it
    /// and goes out at once.
    fn can_wait(&self, answered: Option<&Answered>) -> bool {
        matches!(self.link, Link::Modbus(_))
            && answered.is_some_and(|answered| answered.answers.are_whole())
            && self.schedule.next(self.clock.moment()).is_some()
    }

    /// Asks the device whose turn it is; meanwhile looks at what the one `before` said.
    async fn ask_next(
        &mut self,
        before: Option<Answered>,
        edge: &EdgeHandle,
        stop: &CancellationToken,
    ) -> Option<Answered> {
        let now = self.clock.moment();
        let Some(at) = self.schedule.next(now) else {
            self.bring(before, edge).await;
            return None;
        };
        let wait = self.waits.of(at, now);
        let patience = Patience::new(self.schedule.answers(at)).waiting(wait.first, wait.then);
        let begun = self.clock.now();
        let outlets = Outlets::of((edge, &self.board), self.late, self.clock);
        let driver = &mut self.units.get_mut(at)?.driver;
        let answers = match (&mut self.link, driver, before) {
            (Link::Modbus(link), Driver::Modbus(driver, number), Some(before)) => {
                let (plan, number) = (driver.plan(), *number);
                let mut asked = pin!(link.poll(number, &plan, patience));
                let early = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
                bring(&mut self.units, before, outlets).await;
                Answers::of_words(match early {
                    Poll::Ready(answers) => answers,
                    Poll::Pending => tokio::select! {
                        () = stop.cancelled() => return None,
                        answers = asked => answers,
                    },
                })
            }
            (link, driver, _) => tokio::select! {
                () = stop.cancelled() => return None,
                answers = link.ask(driver, patience, &self.clock) => answers,
            },
        };
        self.take_note(at, begun, answers).await
    }

    /// Settles when the device is asked next, and whether it is well.
    async fn take_note(
        &mut self,
        at: usize,
        begun: Timestamp,
        answers: Answers,
    ) -> Option<Answered> {
        let unit = self.units.get_mut(at)?;
        let is_there = answered(&answers.requests);
        unit.note_health(&answers.requests, is_there);
        let took = answers.requests.iter().map(|request| request.took).sum();
        unit.note_pace(took, is_there);
        self.waits.note(at, &answers.requests);
        let answered_at = begun + first_answer_after(&answers.requests);
        let more = if is_there {
            let asked = unit.seldom.ask(&mut self.link, &self.clock, answered_at);
            // Boxed: most devices have none.
            Box::pin(asked).await
        } else {
            None
        };
        let about = match &mut unit.limits {
            Some(limits) if is_there => {
                let link = &mut self.link;
                limits.read(&unit.device, link, &self.clock).await
            }
            Some(_) | None => None,
        };
        let outcome = if is_there {
            Outcome::Answered
        } else {
            Outcome::Absent
        };
        let device = unit.device.clone();
        self.schedule.done(at, outcome, self.clock.moment());
        self.note_late(&device);
        Some(Answered {
            unit: at,
            at: answered_at,
            took,
            more,
            fault: (!is_there).then(|| first_fault(&answers.requests)),
            about,
            answers,
        })
    }

    async fn bring(&mut self, answered: Option<Answered>, edge: &EdgeHandle) {
        if let Some(answered) = answered {
            let outlets = Outlets::of((edge, &self.board), self.late, self.clock);
            bring(&mut self.units, answered, outlets).await;
        }
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
    fn note_health(&mut self, requests: &[Request], well: bool) {
        if well == self.was_well {
            return;
        }
        self.was_well = well;
        let device = self.device.id.as_str();
        if well {
            tracing::info!(device, "device answers again");
        } else {
            let error = first_fault(requests);
            tracing::warn!(device, error, "device does not answer");
        }
    }
}

impl Unit {
    /// Says it once when a device that answers can't be polled as often as it should be.
    fn note_pace(&mut self, took: Duration, answers: bool) {
        let every = self.device.poll;
        let in_time = every.is_zero() || took <= every;
        if !answers || in_time == self.was_in_time {
            return;
        }
        self.was_in_time = in_time;
        let device = self.device.id.as_str();
        if in_time {
            tracing::info!(device, ?took, ?every, "device is polled in time again");
        } else {
            tracing::warn!(
                device,
                ?took,
                ?every,
                "device takes longer than the time between two polls"
            );
        }
    }
}

fn first_fault(requests: &[Request]) -> String {
    let mut faults = requests.iter().filter_map(|request| request.fault.as_ref());
    faults.next().map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests;
