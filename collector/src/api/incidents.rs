//! Incidents: one cause each, where it is and why, and what people do about it.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;
use tokio::sync::oneshot;

use super::request::{Asked, Named, Page, Sent, paging};
use super::who::Who;
use super::{ApiState, Problem, etag};
use crate::engine::Action;
use crate::notify::language::Language;
use crate::state::{ActionResult, OperatorAction};
use crate::store::rows::{IncidentRow, RowId};
use crate::store::{Queries, StoreError};

pub mod alert;
mod found;
mod shape;

pub use found::FoundAt;

pub use shape::{
    Anomaly, Beside, Candidate, Entry, Found, Incident, Life, Place, Severity, Source, Where,
};

/// How long the commit task may take to answer a person.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Rows that are looked through for one page of a filtered list.
const LOOKED_THROUGH: usize = 20_000;
/// The longest name of a person.
pub(super) const NAME_LETTERS: usize = 64;
/// The longest note.
pub(super) const NOTE_LETTERS: usize = 4000;

/// Which incidents to list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// A state; `open` stands for everything that still needs somebody: open, acknowledged and
    /// repairing.
    state: Option<Life>,
    /// Only those on this line.
    line: Option<LineId>,
    limit: Option<u16>,
    cursor: Option<String>,
}

/// Incidents, the one that changed last first.
///
/// # Errors
///
/// Where the query is none or the store cannot be read.
pub async fn list(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (limit, before) = paging(which.limit, which.cursor.as_deref())?;
    let found = state
        .reader
        .ask_async(move |store| which.find(store, &who, before, limit + 1))
        .await?;
    let page = Page::cut(found, limit, |(revision, _)| *revision);
    Ok(etag::tagged(&headers, &page.map(|(_, incident)| incident)))
}

/// One incident, or in the form that the rest of the path asks for.
///
/// # Errors
///
/// Where there is no such incident, or the store cannot be read.
pub async fn one(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = find(&state, &who, &id).await?;
    Ok(etag::tagged(&headers, &found))
}

/// One incident to take along: `alert.txt`, `.kml`, `.geojson`, `.svg`, `.json`.
///
/// # Errors
///
/// Where there is no such incident or form, or the store cannot be read.
pub async fn form(
    State(state): State<ApiState>,
    who: Who,
    Asked(spoken): Asked<Spoken>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let bad = |error: PathRejection| Problem::new(error.status(), error.body_text());
    let Path((id, name)) = path.map_err(bad)?;
    let incident = find(&state, &who, &id).await?;
    let form = name.strip_prefix("alert.").unwrap_or_default();
    let answer = alert::alert(&incident, (form, spoken.language), &state.plant);
    answer.ok_or_else(|| {
        Problem::not_found("want alert.txt, alert.kml, alert.geojson, alert.svg or alert.json")
    })
}

/// In which language words are wanted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoken {
    #[serde(default)]
    language: Language,
}

pub(super) async fn find(state: &ApiState, who: &Who, id: &str) -> Result<Incident, Problem> {
    let incident = incident_id(id)?;
    let row = state
        .reader
        .ask_async(move |store| store.incident(&incident))
        .await?;
    let found = row.and_then(|row| read(&row));
    let theirs = found.filter(|found| who.sees_any(&found.lines));
    theirs.ok_or_else(|| missing(id))
}

/// What comes with an action.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// Who does it, for the incident's history; whoever has signed in, where somebody has.
    who: Option<String>,
    /// What there is to say; goes into the history first.
    text: Option<String>,
}

/// What comes with the end of an incident.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// Who closes it, for the incident's history; whoever has signed in, where somebody has.
    who: Option<String>,
    /// What there is to say; goes into the history first.
    text: Option<String>,
    /// Where the crew found the fault, in metres of chainage.
    found_m: Option<RouteLength>,
    /// The same as the crew tells it: by coordinates, a post, a landmark or chainage.
    found: Option<FoundAt>,
}

/// Takes an incident on.
///
/// # Errors
///
/// Where there is no such incident, or it makes no sense in its state.
pub async fn acknowledge(
    state: State<ApiState>,
    asking: Who,
    id: Named,
    Sent(sentence): Sent<Sentence>,
) -> Result<Json<Incident>, Problem> {
    act((state, asking), id, sentence, Some(Action::Acknowledge)).await
}

/// Writes something into an incident's history.
///
/// # Errors
///
/// Where there is no such incident, or nothing to write.
pub async fn note(
    state: State<ApiState>,
    asking: Who,
    id: Named,
    Sent(sentence): Sent<Sentence>,
) -> Result<Json<Incident>, Problem> {
    act((state, asking), id, sentence, None).await
}

/// Says that a crew is at work.
///
/// # Errors
///
/// Where there is no such incident, or it makes no sense in its state.
pub async fn repairing(
    state: State<ApiState>,
    asking: Who,
    id: Named,
    Sent(sentence): Sent<Sentence>,
) -> Result<Json<Incident>, Problem> {
    act((state, asking), id, sentence, Some(Action::Repairing)).await
}

/// To whom an incident is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Who gives it, for the incident's history; whoever has signed in, where somebody has.
    who: Option<String>,
    /// What there is to say; goes into the history first.
    text: Option<String>,
    /// Who is to take care of it.
    to: String,
}

/// Gives an incident to somebody.
///
/// # Errors
///
/// Where there is no such incident, or it makes no sense in its state.
pub async fn assign(
    state: State<ApiState>,
    asking: Who,
    id: Named,
    Sent(Assignment { who, text, to }): Sent<Assignment>,
) -> Result<Json<Incident>, Problem> {
    let to = checked("to", &to, NAME_LETTERS)?;
    let sentence = Sentence { who, text };
    act((state, asking), id, sentence, Some(Action::Assign { to })).await
}

/// For how long nobody is to be told of an incident.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shelving {
    /// Who says so, for the incident's history; whoever has signed in, where somebody has.
    who: Option<String>,
    /// What there is to say; goes into the history first.
    text: Option<String>,
    /// Until when: at most 30 days from now. A time that has passed takes it off the shelf.
    until: Timestamp,
}

/// The longest that an incident may be shelved: what lasts longer wants a decision.
const LONGEST_SHELVED: Duration = Duration::from_secs(30 * 86_400);

/// Tells nobody of an incident for a while; all is recorded as before.
///
/// # Errors
///
/// Where there is no such incident, it makes no sense in its state, or the time is too long.
pub async fn shelve(
    state: State<ApiState>,
    asking: Who,
    id: Named,
    Sent(Shelving { who, text, until }): Sent<Shelving>,
) -> Result<Json<Incident>, Problem> {
    let latest = crate::clock::now() + LONGEST_SHELVED;
    if until > latest {
        let problem = format!("until: {until} is more than 30 days away");
        return Err(Problem::bad_request(problem));
    }
    let sentence = Sentence { who, text };
    act(
        (state, asking),
        id,
        sentence,
        Some(Action::Shelve { until }),
    )
    .await
}

/// Ends an incident, with the place that the crew found. One whose light is still lost is closed only
/// with a text that says why: nobody is told of it again before the light was back.
///
/// # Errors
///
/// Where there is no such incident, it makes no sense in its state, or its light is still lost and no
/// text says why.
pub async fn close(
    State(state): State<ApiState>,
    asking: Who,
    id: Named,
    Sent(closing): Sent<Closing>,
) -> Result<Json<Incident>, Problem> {
    let Closing {
        who,
        text,
        found_m,
        found,
    } = closing;
    let incident = find(&state, &asking, &id.0).await;
    let dark = incident.as_ref().ok();
    let dark = dark.and_then(|it| it.anomalies.iter().find(|it| it.is_dark_still()));
    let told = text.as_ref().is_some_and(|text| !text.trim().is_empty());
    if let Some(dark) = dark.filter(|_| !told) {
        let detail = format!(
            "text: there is still no light at {}. Closed now, nobody is told again before it was \
             back: say why, or shelve it",
            dark.device
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let found = match found {
        None => None,
        Some(found) => {
            let incident = incident?;
            let by = asking.user.clone().or_else(|| who.clone());
            Some(found.on(&state.plant, &incident.place.line, &by.unwrap_or_default())?)
        }
    };
    let state = State(state);
    act(
        (state, asking),
        id,
        Sentence { who, text },
        Some(Action::Close { found_m, found }),
    )
    .await
}

/// Writes the sentence's text, then takes the action; the incident as it stands then.
async fn act(
    (State(state), asking): (State<ApiState>, Who),
    Named(id): Named,
    Sentence { who, text }: Sentence,
    action: Option<Action>,
) -> Result<Json<Incident>, Problem> {
    let incident = incident_id(&id)?;
    // A name that somebody has proved is worth more than one that somebody has typed.
    let who = asking.user.clone().or(who).unwrap_or_default();
    let who = checked("who", &who, NAME_LETTERS)?;
    if asking.lines.is_some() {
        find(&state, &asking, &id).await?;
    }
    let text = text.filter(|text| !text.trim().is_empty());
    let text = text
        .map(|text| checked("text", &text, NOTE_LETTERS))
        .transpose()?;
    let note = text.map(|text| Action::Note { text });
    let mut answer = Err(Problem::bad_request("text: there is nothing to write"));
    for action in note.into_iter().chain(action) {
        answer = Ok(send(&state, &incident, &who, action).await?);
    }
    match answer? {
        ActionResult::Done(json) => serde_json::from_value(json).map(Json).map_err(|error| {
            let detail = format!("done, but the incident cannot be shown: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }),
        ActionResult::NoIncident => Err(missing(&id)),
        ActionResult::Refused => {
            let detail = "this makes no sense in the incident's state; nothing was changed";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Hands an action to the commit task and waits for what became of it.
async fn send(
    state: &ApiState,
    incident: &IncidentId,
    who: &str,
    action: Action,
) -> Result<ActionResult, Problem> {
    let unanswered = |why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let (done, answer) = oneshot::channel();
    let action = OperatorAction {
        incident: incident.clone(),
        who: who.to_owned(),
        action,
        done,
    };
    let work = async {
        let gone = |()| unanswered("the collector is stopping");
        state.actions.send(action).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))
    };
    let waited = tokio::time::timeout(PATIENCE, work).await;
    waited.map_err(|_| unanswered("the collector is busy; ask again whether it was done"))?
}

impl Which {
    /// At most `most` incidents with revisions below `before`, highest first.
    fn find(
        &self,
        store: &Queries<'_>,
        who: &Who,
        before: Option<RowId>,
        most: usize,
    ) -> Result<Vec<(RowId, Incident)>, StoreError> {
        if self.state.is_some_and(Life::is_active) {
            let mut rows = store.open_incidents()?;
            rows.retain(|row| before.is_none_or(|before| row.revision < before));
            rows.sort_by_key(|row| core::cmp::Reverse(row.revision));
            let mut found: Vec<_> = self.of(who, rows).collect();
            found.truncate(most);
            return Ok(found);
        }
        let mut found = Vec::new();
        let mut before = before;
        for _ in 0..LOOKED_THROUGH.div_ceil(most) {
            let rows = store.incidents(before, most)?;
            let Some(last) = rows.last() else { break };
            before = Some(last.revision);
            found.extend(self.of(who, rows));
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }

    fn of(&self, who: &Who, rows: Vec<IncidentRow>) -> impl Iterator<Item = (RowId, Incident)> {
        let read = |row: IncidentRow| Some((row.revision, read(&row)?));
        rows.into_iter()
            .filter_map(read)
            .filter(|(_, incident)| self.takes(incident) && who.sees_any(&incident.lines))
    }

    fn takes(&self, incident: &Incident) -> bool {
        let state = self.state.is_none_or(|wanted| match wanted {
            Life::Open => incident.state.needs_somebody(),
            exactly => incident.state == exactly,
        });
        state
            && self
                .line
                .as_ref()
                .is_none_or(|line| incident.lines.contains(line))
    }
}

/// Open incidents of all lines, as the lines show them.
pub(super) fn active(store: &Queries<'_>) -> Result<Vec<Incident>, StoreError> {
    let rows = store.open_incidents()?;
    let read = rows.iter().filter_map(read);
    Ok(read
        .filter(|incident| incident.state.needs_somebody())
        .collect())
}

/// The incident in a row; one that cannot be read is said so and costs no other.
pub(super) fn read(row: &IncidentRow) -> Option<Incident> {
    match Incident::deserialize(&row.json) {
        Ok(incident) => Some(incident),
        Err(error) => {
            tracing::error!(incident = %row.id, %error, "a stored incident cannot be shown");
            None
        }
    }
}

fn incident_id(id: &str) -> Result<IncidentId, Problem> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Problem {
    let found: String = id.chars().take(80).collect();
    Problem::not_found(format!("there is no incident {found:?}"))
}

/// The text without blanks around it, where it is short enough and fit to be shown.
pub(super) fn checked(key: &str, text: &str, most: usize) -> Result<String, Problem> {
    let text = text.trim();
    let letters = text.chars().count();
    let odd = text
        .chars()
        .any(|letter| letter.is_control() && letter != '\n');
    if letters == 0 || letters > most || odd {
        let detail = format!("{key}: want 1 to {most} letters without control characters");
        return Err(Problem::bad_request(detail));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_fit_to_be_shown() {
        assert_eq!(checked("who", " Aysel ", 10).unwrap(), "Aysel");
        for bad in ["", "   ", "01234567890", "a\u{7}b"] {
            assert_eq!(checked("who", bad, 10).unwrap_err().status, 400, "{bad:?}");
        }
    }

    #[test]
    fn an_id_that_cannot_be_is_not_there() {
        assert_eq!(incident_id("No/Such").unwrap_err().status, 404);
    }
}
