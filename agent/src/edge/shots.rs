//! Shots on their way: each waits for its instrument and its switch in a task of its own.
//!
//! ```text
//!   Start ─▶ [turn the switch, which confirms] ─▶ start the shot ─▶ Started
//!   Fetched ─▶ [does the switch still stand there?] ─▶ folder, where the watch takes it in
//!                     │                                 └── it can't be written ─▶ spool, by itself
//!                     └── no, or no trace ─▶ failed/ with the reason, Unfetched
//! ```
//!
//! There is one such task an instrument at most, since the triggers ask for nothing more before it has
//! reported. A trace in the folder was taken through a switch that stood where it was sent before the shot
//! and after it.

use std::sync::Arc;

use silkline_protocol::id::DeviceId;
use silkline_protocol::message::{Body, EventKind};
use silkline_protocol::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::{Edge, Inbox, Note};
use crate::config::Device;
use crate::driver::Fault;
use crate::driver::fetch::Failure;
use crate::driver::otdr::ShotSettings;
use crate::folder::{name_for, put, set_aside};
use crate::place::Taken;
use crate::poller::{Ask, Fetched, Pollers, Unshot};
use crate::spool::{Outgoing, SpoolHandle};
use crate::trigger::{Outcome, Through, Told};

impl Edge {
    pub(super) fn start(&self, device: DeviceId, settings: ShotSettings, through: Option<Through>) {
        let (pollers, own) = (self.pollers.clone(), self.own.clone());
        tokio::spawn(async move {
            let outcome = match through {
                Some(through) => turned(&pollers, through, settings.port).await,
                None => Outcome::Taken,
            };
            let outcome = match outcome {
                Outcome::Taken => started(&pollers, &device, settings).await,
                other => other,
            };
            if outcome != Outcome::Taken {
                tracing::warn!(device = device.as_str(), ?outcome, "shot not started");
            }
            if let Some(own) = own.upgrade() {
                let _ = own.send(Inbox::Started(device, outcome)).await;
            }
        });
    }

    /// Waits for the instrument to stop.
    pub(super) fn abort(&self, device: DeviceId) {
        let (pollers, own) = (self.pollers.clone(), self.own.clone());
        tokio::spawn(async move {
            let ask = |done| Ask::Abort(device.clone(), done);
            let done = matches!(asked(&pollers, &device, ask).await, Some(Ok(())));
            if let Some(own) = own.upgrade() {
                let _ = own.send(Inbox::Aborted(device, done)).await;
            }
        });
    }

    /// Sees to a trace that was fetched, or to what was not.
    pub(super) fn fetched(&self, fetched: Fetched) {
        let (pollers, own) = (self.pollers.clone(), self.own.clone());
        let (recorder, spool, clock) = (self.recorder.clone(), self.spool.clone(), self.clock);
        tokio::spawn(async move {
            let Fetched {
                device,
                port,
                outcome,
            } = fetched;
            let outcome = match outcome {
                Ok(sor) => match still_there(&pollers, &device, port).await {
                    Ok(()) => Ok(sor),
                    Err(reason) => Err(Failure { reason, read: sor }),
                },
                Err(failure) => Err(failure),
            };
            let reason = match kept(device.clone(), port, outcome, &recorder).await {
                Ok(None) => return,
                // The disk may take nothing: the spool goes on without it.
                Ok(Some((sor, why))) => {
                    let whose = (&own, device.as_ref(), port);
                    match handed(whose, (clock.now(), sor), &spool).await {
                        Ok(()) => return,
                        Err(error) => format!("its trace could not be kept: {why}; {error}"),
                    }
                }
                Err(reason) => reason,
            };
            tracing::warn!(
                device = device.id.as_str(),
                port,
                reason,
                "a shot brought no trace"
            );
            if let Some(own) = own.upgrade() {
                let _ = own
                    .send(Inbox::Unfetched(device.id.clone(), port, reason))
                    .await;
            }
        });
    }
}

/// Hands a trace to the spool without a file; returns when the disk or a collector has it.
async fn handed(
    (own, device, port): (&mpsc::WeakSender<Inbox>, &Device, u16),
    trace: (Timestamp, Vec<u8>),
    spool: &SpoolHandle,
) -> Result<(), String> {
    let leaving = || "the agent is leaving".to_owned();
    let (reply, answer) = oneshot::channel();
    let asked = Inbox::File(device.id.clone(), Some(port), reply);
    let own = own.upgrade().ok_or_else(leaving)?;
    own.send(asked).await.map_err(|_| leaving())?;
    // Not held on to while the disk is waited for: the edge ends with its last sender.
    drop(own);
    let origin = answer.await.map_err(|_| leaving())?;
    let Taken {
        device,
        lines,
        trace,
    } = Taken::of(device, &origin, Some(port), trace);
    let body = Body::Trace(device, trace);
    let outgoing = Outgoing { lines, body };
    spool
        .append(outgoing)
        .await
        .map_err(|error| error.to_string())
}

/// Puts the trace where the watch takes it in; gives it back with the reason where the folder can't be
/// written. `Err` says why there is none.
async fn kept(
    device: Arc<Device>,
    port: u16,
    outcome: Result<Vec<u8>, Failure>,
    recorder: &mpsc::Sender<Note>,
) -> Result<Option<(Vec<u8>, String)>, String> {
    let Some(otdr) = &device.otdr else {
        return Err("no folder for its traces".to_owned());
    };
    let name = name_for(&otdr.watch.pattern, device.id.as_str(), port);
    let watch = otdr.watch.clone();
    let failure = match outcome {
        Ok(sor) => {
            let put = move || put(&watch.folder, &name, &sor).map_err(|error| (sor, error));
            let put = tokio::task::spawn_blocking(put).await;
            return match put {
                Ok(Ok(())) => Ok(None),
                Ok(Err((sor, error))) => Ok(Some((sor, error.to_string()))),
                Err(error) => Err(format!("its trace could not be kept: {error}")),
            };
        }
        Err(failure) => failure,
    };
    let reason = failure.reason.clone();
    if !failure.read.is_empty() {
        let told = Told {
            device: device.id.clone(),
            line: None,
            kind: EventKind::FileRefused,
            point: None,
            detail: format!("{name}: {reason}"),
            permit: None,
        };
        // Gone only when the agent is leaving.
        let _ = recorder.send(Note::Event(told)).await;
        let set_aside = move || set_aside(&watch, &name, (&failure.read, &failure.reason));
        if let Ok(Err(error)) = tokio::task::spawn_blocking(set_aside).await {
            tracing::warn!(device = device.id.as_str(), %error, "what was read could not be set aside");
        }
    }
    Err(reason)
}

/// What came of asking for a shot.
async fn started(pollers: &Pollers, device: &DeviceId, settings: ShotSettings) -> Outcome {
    let ask = |done| Ask::Shot {
        device: device.clone(),
        settings,
        done,
    };
    outcome_of(asked(pollers, device, ask).await, "")
}

/// What came of turning a switch.
async fn turned(pollers: &Pollers, through: Through, port: u16) -> Outcome {
    let switch = through.switch.clone();
    let ask = |done| Ask::Turn {
        through,
        port,
        done,
    };
    let before = format!("switch {switch}: ");
    outcome_of(asked(pollers, &switch, ask).await, &before)
}

fn outcome_of(asked: Option<Result<(), Unshot>>, before: &str) -> Outcome {
    match asked {
        Some(Ok(())) => Outcome::Taken,
        Some(Err(Unshot::Blocked(blocked))) => Outcome::Blocked(blocked),
        Some(Err(Unshot::Fault(fault))) => Outcome::Refused(format!("{before}{fault}")),
        None => Outcome::Refused(format!("{before}it is not polled, or the agent is leaving")),
    }
}

/// Whether the switch before `device`, where there is one, stands at `port`.
async fn still_there(pollers: &Pollers, device: &Device, port: u16) -> Result<(), String> {
    let otdr = device.otdr.as_ref();
    let Some(behind) = otdr.and_then(|otdr| otdr.switch.as_ref()) else {
        return Ok(());
    };
    let switch = &behind.switch;
    let ask = |done| Ask::Stands(switch.clone(), done);
    let stands: Option<Result<f64, Fault>> = asked(pollers, switch, ask).await;
    match stands {
        Some(Ok(stands)) if (stands - f64::from(port)).abs() < f64::EPSILON => Ok(()),
        Some(Ok(stands)) => Err(format!(
            "switch {switch} stands at port {stands} after the shot, want {port}: nobody knows which fibre \
             the trace shows"
        )),
        Some(Err(fault)) => Err(format!(
            "switch {switch} does not say where it stands after the shot: {fault}"
        )),
        None => Err(format!("switch {switch} is not polled")),
    }
}

/// What the task that owns the connection of `device` said; nothing where there is none.
async fn asked<T>(
    pollers: &Pollers,
    device: &DeviceId,
    ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
) -> Option<T> {
    let poller = pollers.of(device)?;
    let (done, outcome) = oneshot::channel();
    poller.send(ask(done)).await.ok()?;
    outcome.await.ok()
}
