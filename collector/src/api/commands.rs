//! What people ask of agents now: a shot, a poll, who is there.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use silkline_protocol::id::{LineId, SiteId, ViewId};
use silkline_protocol::message::Command;
use silkline_protocol::plant::Plant;

use super::request::{Named, Page, Sent, device_id};
use super::who::Who;
use super::{ApiState, Problem};
use crate::commands::AskedCommand;

/// How long an answer is waited for; one that comes later stands at the question's number.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum NewCommand {
    /// Take a shot of a view.
    Shot {
        /// The view.
        view: ViewId,
    },
    /// Poll a device at once.
    Reread {
        /// The device, as `site.device`.
        device: String,
    },
    /// Say who is there.
    Identify {
        /// The site.
        site: SiteId,
    },
}

/// Asks the agents of a site, and waits a little for an answer.
///
/// # Errors
///
/// Where there is no such view or site, or the broker cannot be reached.
pub async fn ask(
    State(state): State<ApiState>,
    asking: Who,
    Sent(new): Sent<NewCommand>,
) -> Result<Json<AskedCommand>, Problem> {
    let unreached = |why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let (line, site, command) = meant(&state.plant, &asking, new)?;
    if let Err(why) = state.ready.borrow().clone() {
        return Err(unreached(why));
    }
    let asked = AskedCommand {
        id: format!("c-{}", uuid::Uuid::now_v7()),
        at: crate::clock::now(),
        who: asking.name().to_owned(),
        line,
        site,
        command,
        replies: Vec::new(),
    };
    let (id, said) = (asked.id.clone(), said(&asked));
    let mut answers = state.commands.subscribe();
    let mut outgoing = None;
    state
        .commands
        .send_modify(|desk| outgoing = Some(desk.ask(asked)));
    let sent = outgoing.is_some_and(|message| state.outgoing.try_send(message).is_ok());
    if !sent {
        return Err(unreached("too much waits for the broker; ask again".into()));
    }
    state.note(&asking, said).await;
    let answered = answers.wait_for(|desk| {
        let asked = desk.get(&id);
        asked.is_none_or(|asked| !asked.replies.is_empty())
    });
    // Without an answer the question stands as it is.
    let _ = tokio::time::timeout(ANSWER_WITHIN, answered).await;
    one(State(state), asking, Named(id)).await
}

/// What was asked of late, newest first, with the answers.
pub async fn list(State(state): State<ApiState>, who: Who) -> Json<Page<AskedCommand>> {
    let desk = state.commands.borrow();
    let seen = desk.all().filter(|asked| who.sees(&asked.line));
    Json(Page::whole(seen.cloned().collect()))
}

/// One question, with the answers so far.
///
/// # Errors
///
/// Where there is none of this number, or it was long ago.
pub async fn one(
    State(state): State<ApiState>,
    who: Who,
    Named(id): Named,
) -> Result<Json<AskedCommand>, Problem> {
    let desk = state.commands.borrow();
    let found = desk.get(&id).filter(|asked| who.sees(&asked.line));
    let missing = || {
        let id: String = id.chars().take(80).collect();
        Problem::not_found(format!("there is no command {id:?}, or it was long ago"))
    };
    found.cloned().map(Json).ok_or_else(missing)
}

/// Whom a question goes to, and what the agents are to read.
fn meant(
    plant: &Plant,
    asking: &Who,
    new: NewCommand,
) -> Result<(LineId, SiteId, Command), Problem> {
    let seen = || plant.lines.iter().filter(|line| asking.sees(&line.id));
    let at = |site: &SiteId| {
        let lines = plant.lines_by_site().remove(site).unwrap_or_default();
        let line = lines.into_iter().find(|line| asking.sees(line));
        line.ok_or_else(|| Problem::bad_request(format!("site: there is no site {site}")))
    };
    match new {
        NewCommand::Shot { view } => {
            let found = seen().find_map(|line| {
                let node = &line.view(&view)?.node;
                Some((line.id.clone(), line.node(node)?.site.clone()?))
            });
            let none = || Problem::bad_request(format!("view: there is no view {view} at a site"));
            let (line, site) = found.ok_or_else(none)?;
            Ok((line, site, Command::Shot { view }))
        }
        NewCommand::Reread { device } => {
            let (site, device) = device_id(&device)?;
            Ok((at(&site)?, site, Command::Reread { device }))
        }
        NewCommand::Identify { site } => Ok((at(&site)?, site, Command::Identify)),
    }
}

/// For the log of who did what.
fn said(asked: &AskedCommand) -> String {
    let site = &asked.site;
    match &asked.command {
        Command::Shot { view } => format!("asked {site} for a shot of {view}"),
        Command::Reread { device } => format!("asked {site} to poll {device}"),
        Command::Identify | Command::SetPermit { .. } | Command::RevokePermit { .. } => {
            format!("asked {site} who is there")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    #[test]
    fn a_device_is_asked_at_its_site_though_no_node_stands_there() {
        let mut plant = example::plant();
        plant.devices[0].site = "depot".parse().unwrap();
        let device = plant.devices[0].id.clone();
        let ask = |device: String| meant(&plant, &Who::everybody(), NewCommand::Reread { device });
        let (line, site, command) = ask(format!("depot.{device}")).unwrap();
        assert_eq!((line.as_str(), site.as_str()), ("dsw", "depot"));
        assert_eq!(command, Command::Reread { device });
        assert!(ask("nowhere.edfa-1".to_owned()).is_err());
    }
}
