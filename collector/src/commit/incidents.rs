//! The incidents as they stand, for notices, answers and retained messages.

use std::collections::BTreeMap;

use silkline_analysis::incident::{Incident, State};
use silkline_protocol::codec;
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::topic::Topic;

use crate::ingest::Outgoing;
use crate::store::{Queries, StoreError, Writer};

/// Every incident's line; those that are not closed in full.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    line: BTreeMap<IncidentId, LineId>,
    standing: BTreeMap<IncidentId, Incident>,
}

impl Incidents {
    pub(super) fn load(store: &Writer) -> Result<Self, StoreError> {
        let mut incidents = Self::default();
        let ask = Queries::of(store.db());
        incidents.line.extend(ask.incident_lines()?);
        for row in ask.open_incidents()? {
            match serde_json::from_value(row.json) {
                Ok(incident) => {
                    incidents.standing.insert(row.id, incident);
                }
                Err(error) => tracing::error!(incident = %row.id, %error, "not readable"),
            }
        }
        Ok(incidents)
    }

    /// Takes an incident as it stands now.
    pub(super) fn take(&mut self, line: &LineId, incident: &Incident) {
        self.line.insert(incident.id.clone(), line.clone());
        if incident.state == State::Closed {
            self.standing.remove(&incident.id);
        } else {
            self.standing.insert(incident.id.clone(), incident.clone());
        }
    }

    /// Whose engine keeps `id`.
    pub(super) fn line(&self, id: &IncidentId) -> Option<&LineId> {
        self.line.get(id)
    }

    /// The incident called `id`, unless it is closed.
    pub(super) fn standing(&self, id: &IncidentId) -> Option<&Incident> {
        self.standing.get(id)
    }

    /// A retained message for each incident that is not closed.
    pub(super) fn outgoing(&self) -> impl Iterator<Item = Outgoing> {
        self.standing
            .values()
            .filter_map(|it| self.line(&it.id).map(|line| message(line, it)))
    }
}

/// The retained message that shows `incident`.
pub(super) fn message(line: &LineId, incident: &Incident) -> Outgoing {
    let topic = Topic::Incident {
        line: line.clone(),
        id: incident.id.clone(),
    };
    Outgoing {
        topic: topic.to_string(),
        payload: codec::to_json(incident),
    }
}
