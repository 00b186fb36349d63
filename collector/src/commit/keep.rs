//! Writes what was taken in, and says what the engines are to be told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use silkline_protocol::codec::Record;
use silkline_protocol::id::{AgentId, LineId, SiteId};
use silkline_protocol::message::{Body, Status};

use super::judge::Entry;
use crate::engine::Input;
use crate::ingest::Delivery;
use crate::state::{LiveEvent, OperatorAction};
use crate::store::replay::{ActionTaken, AgentSeen, Whom};
use crate::store::write::{Origin, Rubbish, StreamKey};
use crate::store::{StoreError, Transaction};

/// Writes entries, one after the other.
pub(super) struct Keeper<'a, 'tx> {
    pub(super) tx: &'a mut Transaction<'tx>,
    pub(super) messages: &'a [Delivery],
    pub(super) online: &'a mut BTreeMap<(SiteId, AgentId), bool>,
    /// Whether anybody looks at the live stream.
    pub(super) watched: bool,
    pub(super) live: &'a mut Vec<LiveEvent>,
    /// What the engines are to be told.
    pub(super) inputs: Vec<(Whom, Input)>,
}

impl Keeper<'_, '_> {
    pub(super) fn entry(&mut self, entry: Entry) -> Result<(), StoreError> {
        match entry {
            Entry::Record(record) => self.record(*record),
            Entry::Status(site, agent, status) => self.status(site, agent, &status),
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

    /// Writes that the collector has started.
    pub(super) fn started(&mut self) -> Result<(), StoreError> {
        self.tx
            .told("started", None, None, &env!("CARGO_PKG_VERSION"))?;
        self.inputs.push((Whom::All, Input::Started));
        Ok(())
    }

    fn record(&mut self, record: Record) -> Result<(), StoreError> {
        let Record {
            line,
            site,
            envelope,
            body,
        } = record;
        let stream = StreamKey {
            line: line.clone(),
            site: site.clone(),
            epoch: envelope.epoch,
        };
        let late = envelope.late;
        let origin = Origin {
            stream: &stream,
            seq: envelope.seq,
            late,
        };
        let input = match body {
            Body::Sample(device, sample) => {
                self.tx.sample(&origin, &device, &sample)?;
                if self.watched {
                    let (line, site, device) = (line.clone(), site.clone(), device.clone());
                    let sample = Arc::new(sample.clone());
                    self.live.push(LiveEvent::Sample {
                        line,
                        site,
                        device,
                        late,
                        sample,
                    });
                }
                Input::Sample {
                    site,
                    device,
                    late,
                    sample,
                }
            }
            Body::Trace(device, file) => {
                let id = self.tx.trace(&origin, &device, &file)?;
                let (of, at, by) = (line.clone(), site.clone(), device.clone());
                self.live.push(LiveEvent::Trace {
                    id,
                    line: of,
                    site: at,
                    device: by,
                });
                Input::Trace {
                    id: id.0,
                    site,
                    device,
                    late,
                    file,
                }
            }
            Body::Event(device, event) => {
                self.tx
                    .record("event", &origin, Some(&device), (event.at, &event))?;
                Input::Event {
                    site,
                    device,
                    late,
                    event,
                }
            }
            Body::About(device, about) => {
                self.tx.about(&origin, &device, &about)?;
                Input::About {
                    site,
                    device,
                    about,
                }
            }
            Body::Gap(gap) => {
                tracing::warn!(%line, %site, why = gap.why, lost = ?gap.lost, "records are lost");
                let now = self.tx.now();
                self.tx.record("gap", &origin, None, (now, &gap))?;
                return Ok(());
            }
        };
        self.inputs.push((Whom::Line(line), input));
        Ok(())
    }

    /// Engines are told only of comings and goings.
    fn status(&mut self, site: SiteId, agent: AgentId, status: &Status) -> Result<(), StoreError> {
        self.tx.status(&site, &agent, status)?;
        let online = status.online;
        if self.online.insert((site.clone(), agent.clone()), online) == Some(online) {
            return Ok(());
        }
        let seen = AgentSeen { agent, online };
        self.tx.told("status", None, Some(&site), &seen)?;
        let AgentSeen { agent, .. } = seen;
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
        };
        self.inputs.push((Whom::Site(site), told));
        Ok(())
    }
}
