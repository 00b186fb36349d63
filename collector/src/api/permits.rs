//! Permits to work: who is at which fibres, and until when nothing is shot into them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::{FibreId, LineId, PermitId, SiteId};
use silkline_protocol::permit::{Fields, Permit as ToWork};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;
use tokio::sync::oneshot;

use super::incidents::{NAME_LETTERS, NOTE_LETTERS, PATIENCE, checked};
use super::request::{Asked, Named, Page, Sent};
use super::who::Who;
use super::{ApiState, Problem};
use crate::permits::{Grant, PermitState, sites_of};
use crate::state::{PermitAction, PermitAsk, PermitResult};

/// The most permits of a list, newest first: years of a busy line.
const MOST: usize = 1000;
/// How often a new number is tried where one is taken: of a million a day it hardly ever is.
const TRIES: usize = 4;

/// A permit to work, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "GrantedPermit")]
pub struct Permit {
    /// Its number.
    pub id: PermitId,
    /// Who works.
    pub person: String,
    /// How they are reached.
    pub contact: String,
    /// The line.
    pub line: LineId,
    /// The fibres; every one of the line where none is named.
    pub fibres: Vec<FibreId>,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// What for.
    pub reason: String,
    /// Where in its life it is.
    pub state: PermitState,
    /// Who granted it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
    /// Who took it back, where somebody has.
    pub revoked_by: Option<String>,
    /// When.
    pub revoked_at: Option<Timestamp>,
    /// The sites whose agents are told of it.
    pub sites: Vec<SiteId>,
    /// Those whose agents have said that they keep it: no instrument shoots from there.
    pub kept_by: Vec<SiteId>,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPermit {
    /// Who grants it; whoever has signed in, where somebody has.
    who: Option<String>,
    /// Who works.
    person: String,
    /// How they are reached: a telephone, as a rule.
    contact: String,
    /// The line.
    line: LineId,
    /// The fibres; every one of the line where none is named.
    #[serde(default)]
    fibres: Vec<FibreId>,
    /// From when on; now unless said.
    from: Option<Timestamp>,
    /// Until when: at most 31 days after `from`.
    until: Timestamp,
    /// What for.
    reason: String,
}

/// Which permits to list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    state: Option<PermitState>,
    line: Option<LineId>,
}

/// Permits to work, the one granted last first.
///
/// # Errors
///
/// Where the query is none or the store cannot be read.
pub async fn list(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Permit>>, Problem> {
    let register = state.reader.ask_async(|store| store.permits()).await?;
    let now = crate::clock::now();
    let wanted = |grant: &&Grant| {
        let line = &grant.permit.fields().line;
        who.sees(line)
            && which.line.as_ref().is_none_or(|wanted| wanted == line)
            && which.state.is_none_or(|state| grant.state(now) == state)
    };
    let all = register.all();
    let shown = all.into_iter().filter(wanted).take(MOST);
    let items = shown.map(|grant| shape(&state.plant, grant, now)).collect();
    Ok(Json(Page::whole(items)))
}

/// One permit to work.
///
/// # Errors
///
/// Where there is no such permit, or the store cannot be read.
pub async fn one(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Json<Permit>, Problem> {
    let grant = find(&state, &who, &id).await?;
    Ok(Json(shape(&state.plant, &grant, crate::clock::now())))
}

/// Grants a permit to work.
///
/// # Errors
///
/// Where what is asked for cannot be, or the collector does not answer.
pub async fn grant(
    State(state): State<ApiState>,
    asking: Who,
    Sent(new): Sent<NewPermit>,
) -> Result<Json<Permit>, Problem> {
    let who = name_of(&asking, new.who.as_deref())?;
    let reason = checked("reason", &new.reason, NOTE_LETTERS)?;
    let fields = fields_of(&state.plant, &asking, new)?;
    for _ in 0..TRIES {
        let fields = Fields {
            id: number(fields.from)?,
            ..fields.clone()
        };
        let permit = ToWork::new(fields);
        let permit = permit.map_err(|error| Problem::bad_request(error.to_string()))?;
        let reason = reason.clone();
        let said = format!("granted {permit} on {}", permit.fields().line);
        let ask = PermitAsk::Grant { permit, reason };
        match send(&state, &who, ask).await? {
            PermitResult::Done(grant) => {
                state.note(&asking, said).await;
                return Ok(Json(shape(&state.plant, &grant, crate::clock::now())));
            }
            PermitResult::Taken => {}
            PermitResult::NoLine | PermitResult::NoPermit => break,
        }
    }
    let detail = "the permit could not be granted; nothing was changed";
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

/// Takes a permit back.
///
/// # Errors
///
/// Where there is no such permit, or the collector does not answer.
pub async fn revoke(
    State(state): State<ApiState>,
    asking: Who,
    Named(id): Named,
) -> Result<Json<Permit>, Problem> {
    let known = find(&state, &asking, &id).await?;
    let id = known.permit.id().clone();
    let who = name_of(&asking, None)?;
    let said = format!("took back {}", known.permit);
    match send(&state, &who, PermitAsk::Revoke { id }).await? {
        PermitResult::Done(grant) => {
            state.note(&asking, said).await;
            Ok(Json(shape(&state.plant, &grant, crate::clock::now())))
        }
        PermitResult::NoPermit | PermitResult::NoLine | PermitResult::Taken => {
            Err(missing(known.permit.id().as_str()))
        }
    }
}

async fn find(state: &ApiState, who: &Who, id: &str) -> Result<Grant, Problem> {
    let name: PermitId = id.parse().map_err(|_| missing(id))?;
    let register = state.reader.ask_async(|store| store.permits()).await?;
    let theirs = |grant: &&Grant| who.sees(&grant.permit.fields().line);
    let found = register.get(&name).filter(theirs).cloned();
    found.ok_or_else(|| missing(id))
}

/// What the permit says, where the plant has such fibres.
fn fields_of(plant: &Plant, asking: &Who, new: NewPermit) -> Result<Fields, Problem> {
    let now = crate::clock::now();
    let known = plant.line(&new.line).filter(|line| asking.sees(&line.id));
    let no_line = || Problem::bad_request(format!("line: there is no line {}", new.line));
    let line = known.ok_or_else(no_line)?;
    if let Some(fibre) = new.fibres.iter().find(|it| !line.fibres.contains(it)) {
        let problem = format!("fibres: line {} has no fibre {fibre}", line.id);
        return Err(Problem::bad_request(problem));
    }
    if new.until <= now {
        let problem = format!("until: {} has passed", new.until);
        return Err(Problem::bad_request(problem));
    }
    Ok(Fields {
        id: number(now)?,
        person: checked("person", &new.person, NAME_LETTERS)?,
        contact: checked("contact", &new.contact, NAME_LETTERS)?,
        line: new.line,
        fibres: new.fibres,
        from: new.from.unwrap_or(now),
        until: new.until,
    })
}

/// A number that can be said on the telephone: the day, and four letters of chance.
fn number(day: Timestamp) -> Result<PermitId, Problem> {
    // Without letters and digits that are mistaken for one another.
    const LETTERS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz0";
    let mut chance = uuid::Uuid::now_v7().as_u128();
    let mut letters = String::new();
    for _ in 0..4 {
        let letter = usize::try_from(chance % 32).ok();
        letters.extend(
            letter
                .and_then(|k| LETTERS.get(k))
                .map(|it| char::from(*it)),
        );
        chance /= 32;
    }
    let date: String = day.to_string().chars().take(10).collect();
    let number = format!("p-{}-{letters}", date.replace('-', ""));
    let odd = |error| Problem::bad_request(format!("from: {error}"));
    number.parse().map_err(odd)
}

/// Hands what is asked to the commit task and waits for what became of it.
async fn send(state: &ApiState, who: &str, ask: PermitAsk) -> Result<PermitResult, Problem> {
    let unanswered = |why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let (done, answer) = oneshot::channel();
    let who = who.to_owned();
    let work = async {
        let stopping = "the collector is stopping";
        let action = PermitAction { who, ask, done };
        let sent = state.permits.send(action).await;
        sent.map_err(|_| unanswered(stopping))?;
        answer.await.map_err(|_| unanswered(stopping))
    };
    let waited = tokio::time::timeout(PATIENCE, work).await;
    waited.map_err(|_| unanswered("the collector is busy; ask again whether it was done"))?
}

/// Who does it: a name that somebody has proved is worth more than one that somebody has typed.
fn name_of(asking: &Who, typed: Option<&str>) -> Result<String, Problem> {
    let name = asking.user.as_deref().or(typed);
    checked("who", name.unwrap_or_else(|| asking.name()), NAME_LETTERS)
}

fn shape(plant: &Plant, grant: &Grant, now: Timestamp) -> Permit {
    let Fields {
        id,
        person,
        contact,
        line,
        fibres,
        from,
        until,
    } = grant.permit.fields().clone();
    let sites = plant.line(&line).map(sites_of).unwrap_or_default();
    let revoked = grant.revoked.clone();
    Permit {
        id,
        person,
        contact,
        line,
        fibres,
        from,
        until,
        reason: grant.reason.clone(),
        state: grant.state(now),
        granted_by: grant.who.clone(),
        granted_at: grant.at,
        revoked_at: revoked.as_ref().map(|(at, _)| *at),
        revoked_by: revoked.map(|(_, who)| who),
        sites: sites.into_iter().collect(),
        kept_by: grant.kept_by.iter().cloned().collect(),
    }
}

fn missing(id: &str) -> Problem {
    let found: String = id.chars().take(80).collect();
    Problem::not_found(format!("there is no permit {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_can_be_said_on_the_telephone_and_is_not_used_twice() {
        let day = Timestamp::from_seconds(1_800_000_000);
        let numbers: Vec<PermitId> = (0..20).map(|_| number(day).unwrap()).collect();
        let first = numbers[0].as_str();
        assert!(
            first.starts_with("p-20270115-") && first.len() == 15,
            "{first}"
        );
        let different: std::collections::BTreeSet<_> = numbers.iter().collect();
        assert!(different.len() > 15, "{numbers:?}");
    }
}
