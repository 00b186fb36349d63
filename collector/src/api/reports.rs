//! Reports: what a month was like, and how a light input performed.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;

use super::incidents::{self, Incident, Severity};
use super::request::Named;
use super::who::Who;
use super::{ApiState, Problem};
use crate::permits::Grant;
use crate::report::availability::{self, is_planned};
use crate::report::{Fault, Month, Planned};
use crate::store::{Queries, StoreError};

mod table;

/// Incidents that are looked through for one month, newest change first.
const MOST_INCIDENTS: usize = 50_000;
/// Incidents that are read at a time.
const AT_A_TIME: usize = 500;

/// What a month was like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MonthReport {
    /// The month, `2026-11`, in UTC.
    pub month: String,
    /// Its first moment.
    pub from: Timestamp,
    /// Its end, or now while it lasts.
    pub to: Timestamp,
    /// When the report was made.
    pub made: Timestamp,
    /// All lines together.
    pub repairs: Repairs,
    /// Each line.
    pub lines: Vec<LineMonth>,
    /// Each service.
    pub services: Vec<ServiceMonth>,
    /// The incidents that began in the month, oldest first.
    pub incidents: Vec<IncidentMonth>,
}

/// A line's month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LineMonth {
    /// The line.
    pub line: LineId,
    /// Its name for people.
    pub name: String,
    /// How much of the month it was there.
    pub availability: Availability,
    /// How long its repairs took.
    pub repairs: Repairs,
}

/// A service's month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceMonth {
    /// The service.
    pub service: String,
    /// Whose it is.
    pub customer: String,
    /// Whether it survives the loss of one path.
    pub protected: bool,
    /// How much of the month it was there.
    pub availability: Availability,
}

/// How much of a time something was there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Availability {
    /// The share of the period in which it was there, 0 to 1; nothing of an empty period.
    pub share: Option<f64>,
    /// The same with planned work neither for nor against it.
    pub share_without_planned: Option<f64>,
    /// How often it was gone.
    pub outages: usize,
    /// How long it was gone, in seconds.
    pub unavailable_s: f64,
    /// How long of that was planned work.
    pub planned_s: f64,
    /// How long it was looked at.
    pub period_s: f64,
}

/// How long repairs took. Planned work counts in `faults` and `planned` alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Repairs {
    /// Incidents that began in the month.
    pub faults: usize,
    /// Those of them that fell into planned work.
    pub planned: usize,
    /// Those that took light.
    pub outages: usize,
    /// Those that are over: the means are of these.
    pub repaired: usize,
    /// From the first bad reading to the end, in the mean, in seconds.
    pub mean_to_repair_s: Option<f64>,
    /// From the first bad reading until somebody took it, in the mean, in seconds.
    pub mean_to_acknowledge_s: Option<f64>,
    /// Time for each outage, in seconds.
    pub mean_between_outages_s: Option<f64>,
}

/// One incident of a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentMonth {
    /// Its id.
    pub id: IncidentId,
    /// The lines it is on.
    pub lines: Vec<LineId>,
    /// What kind of cause.
    pub kind: String,
    /// How bad it was.
    pub severity: Severity,
    /// One line to drive on.
    pub headline: String,
    /// The first bad reading.
    pub from: Timestamp,
    /// When it was over.
    pub to: Option<Timestamp>,
    /// How long it took, in seconds.
    pub lasted_s: Option<f64>,
    /// Whether it fell into planned work.
    pub planned: bool,
    /// What suffered.
    pub affected: Vec<String>,
}

/// A month as JSON, or as a table where its name ends in `.csv`.
///
/// # Errors
///
/// Where that is no month, it has not begun, or the store cannot be read.
pub async fn month(
    State(state): State<ApiState>,
    who: Who,
    Named(name): Named,
) -> Result<Response, Problem> {
    let (text, csv) = match name.strip_suffix(".csv") {
        Some(text) => (text, true),
        None => (name.as_str(), false),
    };
    let found: String = text.chars().take(20).collect();
    let month = Month::of(text)
        .ok_or_else(|| Problem::not_found(format!("{found:?} is no month such as \"2026-11\"")))?;
    let now = crate::clock::now();
    if month.from > now {
        return Err(Problem::not_found(format!("{found} has not begun")));
    }
    let plant = state.plant;
    let answer = state.reader.ask_async(move |store| {
        let incidents = of_month(store, &who, month)?;
        let planned = planned(store)?;
        Ok(report(
            &plant,
            &who,
            (found, month, now),
            (&incidents, &planned),
        ))
    });
    let report = answer.await?;
    if !csv {
        return Ok(Json(report).into_response());
    }
    let name = format!("attachment; filename=\"silkline-{}.csv\"", report.month);
    let headers = [
        (header::CONTENT_TYPE, "text/csv".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, table::csv(&report)).into_response())
}

fn report(
    plant: &Plant,
    who: &Who,
    (text, whole, now): (String, Month, Timestamp),
    (incidents, planned): (&[Incident], &[Planned]),
) -> MonthReport {
    let month = whole.until(now);
    let faults: Vec<Fault> = incidents.iter().map(|one| fault(plant, one)).collect();
    let lines = plant.lines.iter().filter(|line| who.sees(&line.id));
    let services = plant.services.iter().filter(|service| {
        let paths = crate::services::paths(plant, service);
        paths
            .iter()
            .any(|path| who.sees_any(&crate::services::lines(plant, path)))
    });
    let began = faults
        .iter()
        .zip(incidents)
        .filter(|(fault, _)| (month.from..month.to).contains(&fault.from));
    let mut listed: Vec<IncidentMonth> = began
        .map(|(fault, incident)| told(fault, incident, planned))
        .collect();
    listed.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
    MonthReport {
        month: text,
        from: month.from,
        to: month.to,
        made: now,
        repairs: availability::repairs(None, month, &faults, planned).into(),
        lines: lines
            .map(|line| LineMonth {
                line: line.id.clone(),
                name: line.name.clone(),
                availability: availability::of_line(&line.id, month, &faults, planned).into(),
                repairs: availability::repairs(Some(&line.id), month, &faults, planned).into(),
            })
            .collect(),
        services: services
            .map(|service| ServiceMonth {
                service: service.id.clone(),
                customer: service.customer.clone(),
                protected: service.protected,
                availability: availability::of_service(plant, service, (month, &faults, planned))
                    .into(),
            })
            .collect(),
        incidents: listed,
    }
}

/// Incidents that touch a month, of those that `who` sees.
fn of_month(store: &Queries<'_>, who: &Who, month: Month) -> Result<Vec<Incident>, StoreError> {
    let mut found = Vec::new();
    let mut before = None;
    for _ in 0..MOST_INCIDENTS / AT_A_TIME {
        let rows = store.incidents(before, AT_A_TIME)?;
        let Some(last) = rows.last() else { break };
        before = Some(last.revision);
        let read = rows.iter().filter_map(incidents::read);
        found.extend(read.filter(|one| {
            let over = one.cleared.is_some_and(|cleared| cleared < month.from);
            one.state != incidents::Life::Suspect
                && one.opened < month.to
                && !over
                && who.sees_any(&one.lines)
        }));
    }
    Ok(found)
}

/// An incident as reports count it. It ends with the first good reading, for it is called over only when
/// that has lasted; one that was closed without ever being over, when it was closed.
fn fault(plant: &Plant, incident: &Incident) -> Fault {
    let first = incident.anomalies.iter().map(|anomaly| anomaly.from).min();
    let ends: Option<Vec<Timestamp>> = incident.anomalies.iter().map(|one| one.to).collect();
    let good = ends.and_then(|ends| ends.into_iter().max());
    let over = incident.cleared;
    let said = |what: &str| {
        let entry = incident
            .history
            .iter()
            .find(|entry| entry.what.starts_with(what));
        entry.map(|entry| entry.at)
    };
    let closed = (incident.state == incidents::Life::Closed).then_some(incident.updated);
    let is_path = |name: &&String| plant.paths.iter().any(|path| path.id.as_str() == **name);
    let dark = incident.affected.iter().filter(is_path);
    Fault {
        lines: incident.lines.clone(),
        dark: dark.filter_map(|name| name.parse().ok()).collect(),
        from: first.map_or(incident.opened, |first| first.min(incident.opened)),
        to: over.map(|over| good.unwrap_or(over).min(over)).or(closed),
        taken: said("acknowledged"),
    }
}

fn told(fault: &Fault, incident: &Incident, planned: &[Planned]) -> IncidentMonth {
    IncidentMonth {
        id: incident.id.clone(),
        lines: incident.lines.clone(),
        kind: incident.kind.clone(),
        severity: incident.severity,
        headline: incident.headline.clone(),
        from: fault.from,
        to: fault.to,
        lasted_s: fault.to.map(|to| (to - fault.from).as_secs_f64()),
        planned: is_planned(fault, planned),
        affected: incident.affected.clone(),
    }
}

/// Work that was permitted, until its end or until it was taken back.
fn planned(store: &Queries<'_>) -> Result<Vec<Planned>, StoreError> {
    let register = store.permits()?;
    let span = |grant: &Grant| {
        let fields = grant.permit.fields();
        let revoked = grant.revoked.as_ref().map(|(at, _)| *at);
        [
            fields.from,
            revoked.map_or(fields.until, |at| at.min(fields.until)),
        ]
    };
    let all = register.all();
    let planned = all.into_iter().map(|grant| Planned {
        line: grant.permit.fields().line.clone(),
        span: span(grant),
    });
    Ok(planned.collect())
}

impl From<availability::Availability> for Availability {
    fn from(of: availability::Availability) -> Self {
        Self {
            share: of.all,
            share_without_planned: of.without_planned,
            outages: of.outages,
            unavailable_s: of.gone.as_secs_f64(),
            planned_s: of.planned_gone.as_secs_f64(),
            period_s: of.period.as_secs_f64(),
        }
    }
}

impl From<availability::Repairs> for Repairs {
    fn from(of: availability::Repairs) -> Self {
        let seconds = |of: Option<Duration>| of.map(|of| of.as_secs_f64());
        Self {
            faults: of.faults,
            planned: of.planned,
            outages: of.outages,
            repaired: of.repaired,
            mean_to_repair_s: seconds(of.mean_to_repair),
            mean_to_acknowledge_s: seconds(of.mean_to_take),
            mean_between_outages_s: seconds(of.mean_between_outages),
        }
    }
}

#[cfg(test)]
mod tests;
