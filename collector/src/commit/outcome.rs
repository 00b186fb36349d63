//! Writes what came of a step, and says what may leave once it is stored.

use std::sync::Arc;

use silkline_analysis::incident::Incident;
use silkline_protocol::codec;
use silkline_protocol::id::{LineId, SiteId, ViewId};
use silkline_protocol::message::Command;
use silkline_protocol::topic::{SiteTopic, Topic};

use super::core::Effects;
use super::engines::Outcome;
use super::incidents::{Incidents, message};
use crate::config::Channels;
use crate::engine::{Notice, Output};
use crate::ingest::Outgoing;
use crate::notify::route;
use crate::state::LiveEvent;
use crate::store::rows::RowId;
use crate::store::write::Told;
use crate::store::{StoreError, Transaction};

/// Writes outcomes, one after the other.
pub(super) struct Outcomes<'a, 'tx> {
    pub(super) tx: &'a mut Transaction<'tx>,
    pub(super) incidents: &'a mut Incidents,
    pub(super) channels: &'a Channels,
    pub(super) effects: &'a mut Effects,
}

impl Outcomes<'_, '_> {
    pub(super) fn outcome(&mut self, outcome: &Outcome) -> Result<(), StoreError> {
        match &outcome.output {
            Output::Anomaly(anomaly) => {
                self.tx.anomaly(anomaly)?;
                let json = serde_json::to_value(anomaly).unwrap_or_default();
                self.effects.live.push(LiveEvent::Anomaly(Arc::new(json)));
                Ok(())
            }
            Output::Incident(incident) => self.incident(&outcome.line, incident),
            Output::Notice(notice) => self.notice(notice),
            Output::TraceResult { id, json } => self.tx.analysis(RowId(*id), json),
            Output::Shoot { site, view } => {
                self.shoot(&outcome.line, site, view);
                Ok(())
            }
        }
    }

    /// Asks a site for a shot. Asked once: one that gets lost is made up for by the schedule.
    fn shoot(&mut self, line: &LineId, site: &SiteId, view: &ViewId) {
        let topic = Topic::Site {
            line: line.clone(),
            site: site.clone(),
            what: SiteTopic::Command,
        };
        let view = view.clone();
        let shot = codec::to_json(&Command::Shot { view });
        let asked = Outgoing::new(topic.to_string(), shot);
        self.effects.outgoing.push(asked);
    }

    fn incident(&mut self, line: &LineId, incident: &Incident) -> Result<(), StoreError> {
        self.tx.incident(line, incident)?;
        self.incidents.take(line, incident);
        let json = serde_json::to_value(incident).unwrap_or_default();
        self.effects.live.push(LiveEvent::Incident(Arc::new(json)));
        self.effects.outgoing.push(message(line, incident));
        Ok(())
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let Some(incident) = self.incidents.standing(&notice.incident) else {
            tracing::error!(incident = %notice.incident, "a notice of an unknown incident");
            return Ok(());
        };
        let (reason, now) = (notice.reason.word(), self.tx.now());
        for routing in self.channels.routings() {
            let Some(due) = route::due(routing, incident, notice.reason, now) else {
                continue;
            };
            let told = Told {
                channel: &routing.name,
                reason,
                text: &notice.text,
                incident,
                due,
            };
            self.tx.notice(&told)?;
        }
        Ok(())
    }
}
