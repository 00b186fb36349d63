//! Writes what was taken in, and says what the engines are to be told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use silkline_analysis::incident::Incident;
use silkline_protocol::codec::Record;
use silkline_protocol::id::{AgentId, DeviceId, LineId, SiteId};
use silkline_protocol::message::{Body, Event, EventKind, Gap, Status, TraceFile};
use silkline_protocol::plant::Plant;
use silkline_protocol::sample::Sample;

use super::judge::Entry;
use super::permits::Permits;
use crate::engine::Input;
use crate::engine::together::Elsewhere;
use crate::ingest::{Delivery, Outgoing};
use crate::permits::Entry as Noted;
use crate::state::{LiveEvent, OperatorAction, PermitAction, PermitResult};
use crate::store::replay::{ActionTaken, AgentSeen, Whom};
use crate::store::write::{Origin, Rubbish, StreamKey};
use crate::store::{StoreError, Transaction};

/// Writes entries, one after the other.
pub(super) struct Keeper<'a, 'tx> {
    pub(super) tx: &'a mut Transaction<'tx>,
    pub(super) messages: &'a [Delivery],
    pub(super) online: &'a mut BTreeMap<(SiteId, AgentId), AgentSeen>,
    /// Whether anybody looks at the live stream.
    pub(super) watched: bool,
    pub(super) permits: &'a mut Permits,
    pub(super) plant: &'a Plant,
    /// The lines that are kept here.
    pub(super) ours: &'a [LineId],
    pub(super) live: &'a mut Vec<LiveEvent>,
    /// What the broker is to be told.
    pub(super) outgoing: &'a mut Vec<Outgoing>,
    /// What the engines are to be told.
    pub(super) inputs: Vec<(Whom, Input)>,
}

impl Keeper<'_, '_> {
    pub(super) fn entry(&mut self, entry: Entry) -> Result<(), StoreError> {
        match entry {
            Entry::Record(record) => self.record(*record),
            Entry::Status(site, agent, status) => self.status(site, agent, &status),
            Entry::Elsewhere(line, incident) => self.elsewhere(&line, &incident),
            Entry::Rubbish(bad, index) => {
                let Some(message) = self.messages.get(index) else {
                    return Ok(());
                };
                self.tx.quarantine(&Rubbish {
                    topic: &message.topic,
                    kind: bad.kind,
                    reason: &bad.reason,
                    properties: &message.properties,
                    payload: &message.payload,
                })
            }
        }
    }

    /// Writes an action on an incident that the engine of `line` keeps.
    pub(super) fn action(
        &mut self,
        line: LineId,
        action: &OperatorAction,
    ) -> Result<(), StoreError> {
        let OperatorAction {
            incident,
            who,
            action,
            ..
        } = action;
        let taken = ActionTaken {
            incident: incident.clone(),
            who: who.clone(),
            action: action.clone(),
        };
        self.tx.told("action", Some(&line), None, &taken)?;
        let ActionTaken {
            incident,
            who,
            action,
        } = taken;
        self.inputs.push((
            Whom::Line(line),
            Input::Operator {
                incident,
                who,
                action,
            },
        ));
        Ok(())
    }

    /// Writes that the collector has started, and which permits last: an engine that begins anew
    /// must know them.
    pub(super) fn started(&mut self) -> Result<(), StoreError> {
        self.tx
            .told("started", None, None, &env!("CARGO_PKG_VERSION"))?;
        self.inputs.push((Whom::All, Input::Started));
        for permit in self.permits.lasting(self.tx.now()) {
            self.note(Noted::Repeated { permit })?;
        }
        Ok(())
    }

    /// Does what somebody asks of a permit, and has its agents told.
    pub(super) fn permit_action(
        &mut self,
        action: &PermitAction,
    ) -> Result<PermitResult, StoreError> {
        let entry = match self.permits.judge(action) {
            Ok(entry) => entry,
            Err(result) => return Ok(result),
        };
        let id = match &entry {
            Noted::Granted { permit, .. } | Noted::Repeated { permit } => permit.id().clone(),
            Noted::Revoked { id, .. } | Noted::Kept { id, .. } => id.clone(),
        };
        self.note(entry)?;
        let Some(grant) = self.permits.register.get(&id) else {
            return Ok(PermitResult::NoPermit);
        };
        self.outgoing.extend(self.permits.tell(grant));
        Ok(PermitResult::Done(Box::new(grant.clone())))
    }

    /// Writes an entry of the register of permits.
    fn note(&mut self, entry: Noted) -> Result<(), StoreError> {
        let change = entry.change();
        let line = change.as_ref().map(|change| change.line().clone());
        self.tx.told("permit", line.as_ref(), None, &entry)?;
        self.permits.register.take(entry, self.tx.now());
        let told = line.zip(change);
        let told = told.map(|(line, change)| (Whom::Line(line), Input::Permit(change)));
        self.inputs.extend(told);
        Ok(())
    }

    /// Writes what another collector says of a line that lies beside ours.
    fn elsewhere(&mut self, line: &LineId, incident: &Incident) -> Result<(), StoreError> {
        if self.ours.contains(line) {
            return Ok(());
        }
        let news = Elsewhere::of(self.plant, line, incident);
        self.tx.told("elsewhere", Some(line), None, &news)?;
        self.inputs.push((Whom::All, Input::Elsewhere(news)));
        Ok(())
    }

    /// What an agent says of a permit.
    fn heard(&mut self, site: &SiteId, event: &Event) -> Result<(), StoreError> {
        let Some(permit) = &event.permit else {
            return Ok(());
        };
        let (register, now) = (&self.permits.register, self.tx.now());
        let entry = match event.kind {
            EventKind::PermitSet => register.heard_set(site, permit, now),
            EventKind::PermitEnded => register.heard_ended(site, permit, now),
            _ => None,
        };
        entry.map_or(Ok(()), |entry| self.note(entry))
    }

    fn record(&mut self, record: Record) -> Result<(), StoreError> {
        let Record {
            line,
            site,
            envelope,
            body,
        } = record;
        let (epoch, late) = (envelope.epoch, envelope.late);
        let stream = StreamKey { line, site, epoch };
        let origin = Origin {
            stream: &stream,
            seq: envelope.seq,
            late,
        };
        let input = match body {
            Body::Sample(device, sample) => self.sample(&origin, device, sample)?,
            Body::Trace(device, file) => self.trace(&origin, device, file)?,
            Body::Event(device, event) => {
                self.tx
                    .record("event", &origin, Some(&device), (event.at, &event))?;
                self.inputs.push((
                    Whom::Line(stream.line.clone()),
                    Input::Event {
                        site: stream.site.clone(),
                        device,
                        late,
                        event: event.clone(),
                    },
                ));
                return self.heard(&stream.site, &event);
            }
            Body::About(device, about) => {
                self.tx.about(&origin, &device, &about)?;
                Input::About {
                    site: stream.site.clone(),
                    device,
                    about,
                }
            }
            Body::Gap(gap) => return self.gap(&origin, &gap),
        };
        self.inputs.push((Whom::Line(stream.line), input));
        Ok(())
    }

    fn sample(
        &mut self,
        origin: &Origin<'_>,
        device: DeviceId,
        sample: Sample,
    ) -> Result<Input, StoreError> {
        self.tx.sample(origin, &device, &sample)?;
        let (site, late) = (origin.stream.site.clone(), origin.late);
        if self.watched {
            self.live.push(LiveEvent::Sample {
                line: origin.stream.line.clone(),
                site: site.clone(),
                device: device.clone(),
                late,
                sample: Arc::new(sample.clone()),
            });
        }
        Ok(Input::Sample {
            site,
            device,
            late,
            sample,
        })
    }

    fn trace(
        &mut self,
        origin: &Origin<'_>,
        device: DeviceId,
        file: TraceFile,
    ) -> Result<Input, StoreError> {
        let id = self.tx.trace(origin, &device, &file)?;
        let (site, late) = (origin.stream.site.clone(), origin.late);
        let (line, at, by) = (origin.stream.line.clone(), site.clone(), device.clone());
        self.live.push(LiveEvent::Trace {
            id,
            line,
            site: at,
            device: by,
        });
        Ok(Input::Trace {
            id: id.0,
            site,
            device,
            late,
            file,
        })
    }

    fn gap(&mut self, origin: &Origin<'_>, gap: &Gap) -> Result<(), StoreError> {
        let StreamKey { line, site, .. } = origin.stream;
        tracing::warn!(%line, %site, why = gap.why, lost = ?gap.lost, "records are lost");
        let now = self.tx.now();
        self.tx.record("gap", origin, None, (now, gap))?;
        Ok(())
    }

    /// Engines are told only of comings and goings, and of a disk that fails.
    fn status(&mut self, site: SiteId, agent: AgentId, status: &Status) -> Result<(), StoreError> {
        self.tx.status(&site, &agent, status)?;
        let (online, metered) = (status.online, status.metered);
        if online {
            let told = self.permits.tell_site(&site, self.tx.now());
            self.outgoing.extend(told);
        }
        let whose = (site.clone(), agent.clone());
        let seen = AgentSeen {
            agent,
            online,
            metered,
            spool_fault: status.spool_fault.clone(),
        };
        if self.online.get(&whose) == Some(&seen) {
            return Ok(());
        }
        self.tx.told("status", None, Some(&site), &seen)?;
        self.online.insert(whose, seen.clone());
        let AgentSeen {
            agent, spool_fault, ..
        } = seen;
        let at = self.tx.now();
        self.live.push(LiveEvent::Agent {
            site: site.clone(),
            agent: agent.clone(),
            online,
            at,
        });
        let told = Input::AgentStatus {
            site: site.clone(),
            agent,
            online,
            metered,
            spool_fault,
        };
        self.inputs.push((Whom::Site(site), told));
        Ok(())
    }
}
