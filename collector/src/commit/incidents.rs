//! The incidents as they stand, for notices, answers and retained messages.

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_analysis::incident::{Incident, State};
use silkline_protocol::codec;
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::time::Timestamp;
use silkline_protocol::topic::Topic;

use crate::ingest::Outgoing;
use crate::store::{Queries, StoreError, Writer};

/// Every incident's line; those that are not closed in full.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    line: BTreeMap<IncidentId, LineId>,
    standing: BTreeMap<IncidentId, Incident>,
    /// Closed ones that the broker still holds, with when they were closed.
    closed: BTreeMap<IncidentId, (LineId, Timestamp)>,
}

/// How long the broker holds an incident that is closed: other collectors and programs that were away
/// learn that it is over.
const HELD: Duration = Duration::from_secs(7 * 86_400);

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
        self.closed.remove(&incident.id);
        if incident.state == State::Closed {
            self.standing.remove(&incident.id);
            self.held(line, incident);
        } else {
            self.standing.insert(incident.id.clone(), incident.clone());
        }
    }

    /// The broker holds a closed incident of ours.
    pub(super) fn held(&mut self, line: &LineId, incident: &Incident) {
        if incident.state == State::Closed && !self.standing.contains_key(&incident.id) {
            let held = (line.clone(), incident.updated);
            self.closed.insert(incident.id.clone(), held);
        }
    }

    /// Takes away from the broker what has been closed for long.
    pub(super) fn purge(&mut self, now: Timestamp) -> Vec<Outgoing> {
        let closed = core::mem::take(&mut self.closed);
        let (old, held): (BTreeMap<_, _>, BTreeMap<_, _>) = closed
            .into_iter()
            .partition(|(_, (_, at))| now - *at >= HELD);
        self.closed = held;
        let empty =
            |(id, (line, _))| Outgoing::new(Topic::Incident { line, id }.to_string(), Vec::new());
        old.into_iter().map(empty).collect()
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
    Outgoing::new(topic.to_string(), codec::to_json(incident))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    #[test]
    fn a_closed_incident_is_taken_from_the_broker_after_a_week_and_once() {
        let mut incidents = Incidents::default();
        let closed = example::incident("i-1", State::Closed);
        let line = closed.lines[0].clone();
        incidents.take(&line, &closed);
        let week = closed.updated + HELD;
        assert_eq!(incidents.purge(week - Duration::from_secs(1)), []);
        let gone = incidents.purge(week);
        assert_eq!(gone[0].topic, "silkline/1/dsw/incident/i-1");
        assert!(gone[0].payload.is_empty() && gone.len() == 1);
        assert_eq!(incidents.purge(week), []);
        incidents.take(&line, &closed);
        incidents.take(&line, &example::incident("i-1", State::Open));
        assert_eq!(incidents.purge(week), [], "it is back");
        incidents.held(&line, &closed);
        assert_eq!(incidents.purge(week), [], "what stands is not taken away");
    }
}
