//! What a device is at beside its polls: a shot whose trace is read, a switch that turns.
//!
//! One request at a time, and between them the polls that are due, of this device and of those that share
//! its connection: a long trace delays nobody by more than one request.

use std::sync::Arc;

use silkline_protocol::id::DeviceId;
use tokio::sync::oneshot;

use super::{Ask, Poller, Unit, Unshot};
use crate::clock::Moment;
use crate::config::Device;
use crate::driver::Fault;
use crate::driver::fetch::{Acquisition, Ended, Failure, Step};
use crate::driver::otdr::ShotSettings;
use crate::driver::turn::Turn;
use crate::edge::EdgeHandle;

/// A trace that was fetched from an OTDR, or why there is none.
#[derive(Debug)]
pub struct Fetched {
    /// The OTDR.
    pub device: Arc<Device>,
    /// The port of the shot.
    pub port: u16,
    /// The SOR file.
    pub outcome: Result<Vec<u8>, Failure>,
}

/// What a device is at, and when it goes on.
pub(super) struct Busy {
    job: Job,
    due: Moment,
}

enum Job {
    Shot(Box<Acquisition>),
    Turn(Box<Turn>, oneshot::Sender<Result<(), Unshot>>),
}

impl Poller {
    /// When the first of the devices goes on with what it is at.
    pub(super) fn work_due(&self) -> Option<Moment> {
        let busy = self.units.iter().filter_map(|unit| unit.busy.as_ref());
        busy.map(|busy| busy.due).min()
    }

    /// Carries out one request of the device that is due first.
    pub(super) async fn go_on(&mut self, edge: &EdgeHandle) {
        let due = |unit: &&mut Unit| unit.busy.as_ref().map(|busy| busy.due);
        let busy = self.units.iter_mut().filter(|unit| unit.busy.is_some());
        let Some(unit) = busy.min_by_key(due) else {
            return;
        };
        let (device, now) = (unit.device.clone(), self.clock.moment());
        let Some(Busy { job, .. }) = unit.busy.take() else {
            return;
        };
        match job {
            Job::Shot(mut shot) => match shot.step(now) {
                Step::Ask(request) => {
                    let done = self.link.carry_out(&device, &request, &self.clock).await;
                    let now = self.clock.moment();
                    shot.answered(done, now);
                    unit.busy = Some(Busy {
                        job: Job::Shot(shot),
                        due: now,
                    });
                }
                Step::Wait(due) => {
                    let job = Job::Shot(shot);
                    unit.busy = Some(Busy { job, due });
                }
                Step::Over(ended) => {
                    let port = shot.settings().port;
                    let outcome = outcome_of(ended);
                    edge.fetched(Fetched {
                        device,
                        port,
                        outcome,
                    })
                    .await;
                }
            },
            Job::Turn(mut turn, done) => match turn.step(now) {
                Step::Ask(request) => {
                    let outcome = self.link.carry_out(&device, &request, &self.clock).await;
                    let now = self.clock.moment();
                    turn.answered(outcome, now);
                    unit.busy = Some(Busy {
                        job: Job::Turn(turn, done),
                        due: now,
                    });
                }
                Step::Wait(due) => {
                    let job = Job::Turn(turn, done);
                    unit.busy = Some(Busy { job, due });
                }
                Step::Over(ended) => {
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(ended.map_err(Unshot::Fault));
                }
            },
        }
    }

    /// Hands on what the link itself has fetched; it has one device then.
    pub(super) async fn hand_on(&mut self, edge: &EdgeHandle) {
        let device = self.units.first().map(|unit| unit.device.clone());
        if let Some((port, outcome)) = self.link.fetched()
            && let Some(device) = device
        {
            edge.fetched(Fetched {
                device,
                port,
                outcome,
            })
            .await;
        }
    }

    pub(super) async fn answer(&mut self, ask: Ask) {
        // Whoever asks may have stopped waiting when the answer comes.
        match ask {
            Ask::Reread(device) => {
                if let Some(at) = self.position(&device) {
                    self.schedule.hurry(at, self.clock.moment());
                    if let Some(unit) = self.units.get_mut(at) {
                        unit.exceptions.forget();
                    }
                }
            }
            Ask::Abort(device, done) => drop(done.send(self.abort(&device).await)),
            Ask::Shot {
                device,
                settings,
                done,
            } => drop(done.send(self.shoot(&device, settings).await)),
            Ask::Stands(device, done) => drop(done.send(self.stands(&device).await)),
            Ask::Turn {
                through,
                port,
                done,
            } => {
                // Nobody's fibre is connected to a laser while that person works on it.
                let checked = self.gate.check(&through.line, through.fibre.as_ref());
                let checked = checked.map_err(Unshot::Blocked);
                let begun = checked.and_then(|()| self.turn(&through.switch, port));
                match begun {
                    Err(why) => drop(done.send(Err(why))),
                    Ok((unit, turn)) => {
                        let due = Moment::START;
                        let job = Job::Turn(Box::new(turn), done);
                        unit.busy = Some(Busy { job, due });
                    }
                }
            }
        }
    }

    /// The turn of a switch that is at nothing else.
    fn turn(&mut self, switch: &DeviceId, port: u16) -> Result<(&mut Unit, Turn), Unshot> {
        let now = self.clock.moment();
        let unit = self.units.iter_mut().find(|unit| unit.device.id == *switch);
        let unit = unit.ok_or_else(|| Unshot::Fault(no_device(switch)))?;
        let Some(map) = &unit.device.profile.switch else {
            let fault = Fault::NotSupported(format!("{switch} is no switch"));
            return Err(Unshot::Fault(fault));
        };
        if unit.busy.is_some() {
            let fault = Fault::Refused("it is turning already".to_owned());
            return Err(Unshot::Fault(fault));
        }
        let turn = Turn::new(map, port, now);
        Ok((unit, turn))
    }

    /// At which port a switch says that it stands.
    async fn stands(&mut self, switch: &DeviceId) -> Result<f64, Fault> {
        let unit = self.units.iter().find(|unit| unit.device.id == *switch);
        let device = unit.map(|unit| unit.device.clone());
        let device = device.ok_or_else(|| no_device(switch))?;
        let map = device.profile.switch.as_ref();
        let position = map.map(|map| map.position.clone());
        let position = position.ok_or_else(|| no_device(switch))?;
        let names = core::slice::from_ref(&position);
        let values = self.link.values(&device, names, &self.clock).await?;
        let stands = values.get(&position).copied();
        stands.ok_or_else(|| Fault::Garbled(format!("{position} has no value")))
    }

    /// Starts a shot, unless somebody works on the fibre: asked as late as can be.
    async fn shoot(&mut self, device: &DeviceId, settings: ShotSettings) -> Result<(), Unshot> {
        let at = self.position(device);
        let unit = at.and_then(|at| self.units.get(at));
        let unit = unit.ok_or_else(|| Unshot::Fault(no_device(device)))?;
        let device = unit.device.clone();
        if unit.busy.is_some() {
            let fault = Fault::Refused("its last trace is still being read".to_owned());
            return Err(Unshot::Fault(fault));
        }
        self.permits(&device, settings)?;
        let busy = self.begun(&device, settings).await;
        let busy = busy.map_err(Unshot::Fault)?;
        // Set while it was being started.
        if let Err(blocked) = self.permits(&device, settings)
            && self.link.abort(&device).await.is_ok()
        {
            return Err(blocked);
        }
        if let Some(unit) = at.and_then(|at| self.units.get_mut(at)) {
            unit.busy = busy;
        }
        Ok(())
    }

    /// Starts a shot; gives what there is to do until its trace is here, where that is ours to do.
    async fn begun(
        &mut self,
        device: &Device,
        settings: ShotSettings,
    ) -> Result<Option<Busy>, Fault> {
        let shot = device.profile.shot.as_ref();
        let now = self.clock.moment();
        let shot = shot.and_then(|shot| Acquisition::new(shot, settings, now));
        let Some(mut shot) = shot.map(|shot| shot.at_once(device.at_once())) else {
            self.link.shoot(device, settings, &self.clock).await?;
            return Ok(None);
        };
        while !shot.has_started() {
            match shot.step(self.clock.moment()) {
                Step::Ask(request) => {
                    let done = self.link.carry_out(device, &request, &self.clock).await;
                    shot.answered(done, self.clock.moment());
                }
                Step::Wait(until) => self.clock.sleep_until(until).await,
                Step::Over(Ended::NotStarted(fault)) => return Err(fault),
                Step::Over(Ended::Failed(failure)) => return Err(Fault::Refused(failure.reason)),
                Step::Over(Ended::Trace(_)) => break,
            }
        }
        let job = Job::Shot(Box::new(shot));
        let due = self.clock.moment();
        Ok(Some(Busy { job, due }))
    }

    fn permits(&self, device: &Device, settings: ShotSettings) -> Result<(), Unshot> {
        let mut views = device.views().filter(|view| view.port == settings.port);
        views.try_for_each(|view| {
            let checked = self.gate.check(&view.line, view.fibre.as_ref());
            checked.map_err(Unshot::Blocked)
        })
    }

    /// Ends the shot that runs; one whose trace is being read already is only forgotten.
    async fn abort(&mut self, device: &DeviceId) -> Result<(), Fault> {
        let at = self.position(device);
        let unit = at.and_then(|at| self.units.get_mut(at));
        let unit = unit.ok_or_else(|| no_device(device))?;
        let is_read = match unit.busy.as_ref().map(|busy| &busy.job) {
            Some(Job::Shot(shot)) => !shot.is_running(),
            Some(Job::Turn(..)) | None => false,
        };
        if !is_read {
            self.link.abort(&unit.device).await?;
        }
        unit.busy = None;
        Ok(())
    }
}

fn outcome_of(ended: Ended) -> Result<Vec<u8>, Failure> {
    match ended {
        Ended::Trace(sor) => Ok(sor),
        Ended::Failed(failure) => Err(failure),
        Ended::NotStarted(fault) => Err(Failure {
            reason: fault.to_string(),
            read: Vec::new(),
        }),
    }
}

fn no_device(device: &DeviceId) -> Fault {
    Fault::NotSupported(format!("no device {device}"))
}

#[cfg(test)]
mod tests;
