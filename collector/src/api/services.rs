//! Services: what customers have bought, and what is left of it.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::{IncidentId, LineId, PathId};
use silkline_protocol::plant::{self, Plant};

use super::incidents::{self, Incident};
use super::request::{Named, Page};
use super::who::Who;
use super::{ApiState, Problem};
use crate::services::{self, ServiceState};

/// What a customer has bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub customer: String,
    /// Whether it survives the loss of one path.
    pub protected: bool,
    /// How it is.
    pub state: ServiceState,
    /// Every path that it may run over.
    pub paths: Vec<Way>,
    /// The incidents that took light from its paths.
    pub incidents: Vec<IncidentId>,
}

/// A path of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// The path.
    pub path: PathId,
    /// The lines that it lies on.
    pub lines: Vec<LineId>,
    /// Whether it has lost its light.
    pub dark: bool,
}

/// Every service, the worst first; unprotected before protected.
///
/// # Errors
///
/// Where the store cannot be read.
pub async fn list(State(state): State<ApiState>, who: Who) -> Result<Json<Page<Service>>, Problem> {
    let active = state.reader.ask_async(incidents::active).await?;
    let theirs = active.iter().filter(|one| who.sees_any(&one.lines));
    Ok(Json(Page::whole(all(
        &state.plant,
        &who,
        &theirs.collect::<Vec<_>>(),
    ))))
}

/// The services that one incident touches. While it is open they are as they are now, whatever else
/// is open; once it is over they are as this incident alone would leave them.
///
/// # Errors
///
/// Where there is no such incident, or the store cannot be read.
pub async fn of_incident(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Json<Page<Service>>, Problem> {
    let incident = incidents::find(&state, &who, &id).await?;
    let mut others = Vec::new();
    if incident.state.needs_somebody() {
        others = state.reader.ask_async(incidents::active).await?;
        others.retain(|other| other.id != incident.id && who.sees_any(&other.lines));
    }
    let open: Vec<&Incident> = core::iter::once(&incident).chain(&others).collect();
    let mut touched = all(&state.plant, &who, &open);
    touched.retain(|service| service.incidents.contains(&incident.id));
    Ok(Json(Page::whole(touched)))
}

/// The services that `who` sees while `open` are open.
fn all(plant: &Plant, who: &Who, open: &[&Incident]) -> Vec<Service> {
    let dark = |incident: &&Incident| {
        let named = incident.affected.iter();
        named
            .filter_map(|name| name.parse().ok())
            .collect::<BTreeSet<PathId>>()
    };
    let dark: Vec<BTreeSet<PathId>> = open.iter().map(dark).collect();
    let together: BTreeSet<PathId> = dark.iter().flatten().cloned().collect();
    let shown = |service: &plant::Service| {
        let paths = services::paths(plant, service);
        let took = |dark: &BTreeSet<PathId>| paths.iter().any(|path| dark.contains(*path));
        let by = open.iter().zip(&dark).filter(|(_, dark)| took(dark));
        Service {
            id: service.id.clone(),
            customer: service.customer.clone(),
            protected: service.protected,
            state: services::state(plant, service, &together),
            incidents: by.map(|(incident, _)| incident.id.clone()).collect(),
            paths: paths
                .iter()
                .map(|path| way(plant, path, &together))
                .collect(),
        }
    };
    let mut all: Vec<Service> = plant.services.iter().map(shown).collect();
    all.retain(|service| service.paths.iter().any(|way| who.sees_any(&way.lines)));
    all.sort_by_key(|service| (core::cmp::Reverse(service.state), service.protected));
    all
}

fn way(plant: &Plant, path: &PathId, dark: &BTreeSet<PathId>) -> Way {
    Way {
        path: path.clone(),
        lines: services::lines(plant, path),
        dark: dark.contains(path),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Client;
    use serde_json::Value;
    use silkline_analysis::incident::State;

    use super::*;
    use crate::api::example::{self, Running};

    async fn states(server: &Running, path: &str) -> Vec<(String, String)> {
        let answer = Client::new().get(server.url(path)).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|one| (word(one, "id"), word(one, "state")))
            .collect()
    }

    fn said(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = wanted.iter();
        own.map(|(id, state)| ((*id).to_owned(), (*state).to_owned()))
            .collect()
    }

    #[tokio::test]
    async fn two_incidents_together_end_what_one_only_endangers() {
        let mut server = Running::start().await;
        let quiet = states(&server, "/api/v1/services").await;
        assert_eq!(quiet, said(&[("bare", "up"), ("ring", "up")]));
        let mut first = example::incident("i-1", State::Open);
        server.store_incident(&first);
        let one = said(&[("bare", "down"), ("ring", "at_risk")]);
        assert_eq!(states(&server, "/api/v1/services").await, one);
        let mut second = example::incident("i-2", State::Open);
        second.affected = vec!["west".to_owned(), "ring".to_owned()];
        server.store_incident(&second);
        let both = said(&[("bare", "down"), ("ring", "down")]);
        assert_eq!(states(&server, "/api/v1/services").await, both);
        let its = states(&server, "/api/v1/incidents/i-2/services").await;
        assert_eq!(its, said(&[("ring", "down")]), "bare is not its doing");
        first.state = State::Cleared;
        server.store_incident(&first);
        let its = states(&server, "/api/v1/incidents/i-1/services").await;
        assert_eq!(its, one, "what it did stays told");
        let left = states(&server, "/api/v1/services").await;
        assert_eq!(left, said(&[("ring", "at_risk"), ("bare", "up")]));
        assert!(
            states(&server, "/api/v1/incidents/i-2/services")
                .await
                .len()
                == 1
        );
    }

    #[test]
    fn who_sees_no_line_of_a_service_does_not_see_it() {
        let stranger = Who {
            lines: Some(vec!["elsewhere".parse().unwrap()]),
            ..Who::everybody()
        };
        assert_eq!(all(&example::plant(), &stranger, &[]), []);
        assert_eq!(all(&example::plant(), &Who::everybody(), &[]).len(), 2);
    }
}
