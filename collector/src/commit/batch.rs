//! Messages ⇄ what they mean here.

use silkline_analysis::incident::Incident;
use silkline_protocol::codec::{self, DecodeError, Envelope, Record};
use silkline_protocol::delivery::{Committed, Ranges};
use silkline_protocol::id::{AgentId, LineId, SiteId};
use silkline_protocol::message::{Body, Status};
use silkline_protocol::topic::{SiteTopic, Topic};

use crate::ingest::Delivery;

/// What a message is to the commit task.
#[derive(Debug)]
pub(super) enum Meaning {
    /// A record of a stream.
    Record(Box<Record>, Option<Ranges>),
    /// An agent's status.
    Status(SiteId, AgentId, Status),
    /// What some collector has stored of one of our lines.
    Committed(LineId, SiteId, Committed),
    /// An incident as some collector retains it; none where it was taken away.
    Incident(LineId, Option<Box<Incident>>),
    /// Ours to ignore: our own words, commands and their answers.
    Ignored,
    /// Not understood; with its place in a stream where that can be told.
    Rubbish(Bad, Option<(LineId, SiteId, Envelope)>),
}

/// What is wrong with a message.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) kind: &'static str,
    pub(super) reason: String,
}

impl From<DecodeError> for Bad {
    fn from(error: DecodeError) -> Self {
        Self {
            kind: error.kind(),
            reason: error.to_string(),
        }
    }
}

pub(super) fn meaning(delivery: &Delivery) -> Meaning {
    let topic: Topic = match delivery.topic.parse() {
        Ok(topic) => topic,
        Err(error) => return Meaning::Rubbish(DecodeError::from(error).into(), None),
    };
    match topic {
        Topic::Status { site, agent } => status(site, agent, &delivery.payload),
        Topic::Site {
            line,
            site,
            what: SiteTopic::Committed,
        } => match codec::from_json(&delivery.payload) {
            Ok(committed) => Meaning::Committed(line, site, committed),
            Err(error) => Meaning::Rubbish(error.into(), None),
        },
        Topic::Site {
            what: SiteTopic::Command | SiteTopic::Reply,
            ..
        }
        | Topic::Collector { .. } => Meaning::Ignored,
        Topic::Incident { line, .. } => Meaning::Incident(
            line,
            serde_json::from_slice(&delivery.payload).ok().map(Box::new),
        ),
        Topic::Device { line, site, .. } | Topic::Site { line, site, .. } => {
            record(delivery, line, site)
        }
    }
}

fn status(site: SiteId, agent: AgentId, payload: &[u8]) -> Meaning {
    if payload.is_empty() {
        // A retained status was taken away by hand.
        return Meaning::Ignored;
    }
    match codec::from_json(payload) {
        Ok(status) => Meaning::Status(site, agent, status),
        Err(error) => Meaning::Rubbish(error.into(), None),
    }
}

fn record(delivery: &Delivery, line: LineId, site: SiteId) -> Meaning {
    let Delivery {
        topic,
        payload,
        properties,
        ..
    } = delivery;
    let place = |line, site| Some((line, site, codec::envelope(properties).ok()?));
    match codec::decode(topic, payload, properties) {
        Ok(record) => match lost(&record.body) {
            Ok(lost) => Meaning::Record(Box::new(record), lost),
            Err(bad) => Meaning::Rubbish(bad, place(line, site)),
        },
        Err(error) => Meaning::Rubbish(error.into(), place(line, site)),
    }
}

/// The numbers that a gap names.
fn lost(body: &Body) -> Result<Option<Ranges>, Bad> {
    let Body::Gap(gap) = body else {
        return Ok(None);
    };
    Ranges::try_from(gap.lost.clone())
        .map(Some)
        .map_err(|error| Bad {
            kind: "payload",
            reason: format!("payload: lost: {error}"),
        })
}

/// What is counted for a record.
pub(super) const fn word(body: &Body) -> &'static str {
    match body {
        Body::Sample(..) => "sample",
        Body::Trace(..) => "trace",
        Body::Event(..) => "event",
        Body::About(..) => "about",
        Body::Gap(_) => "gap",
    }
}
