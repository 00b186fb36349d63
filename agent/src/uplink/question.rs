//! Commands that came over the link, and the answers that are waited for: there is always one.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::Publish;
use silkline_protocol::codec;
use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::message::{Command, Reply};
use silkline_protocol::topic::{SiteTopic, Topic};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Whose;
use super::pump::Parcel;
use crate::command::Request;

/// Commands of one connection that are being carried out.
#[derive(Debug)]
pub(super) struct Questions {
    commands: mpsc::Sender<Request>,
    open: JoinSet<Parcel>,
}

/// Where an answer goes, and whose it is.
#[derive(Clone, Debug)]
struct Answer {
    whose: Whose,
    topic: String,
    correlation: Option<Bytes>,
}

impl Questions {
    pub(super) fn new(commands: mpsc::Sender<Request>) -> Self {
        Self {
            commands,
            open: JoinSet::new(),
        }
    }

    /// Passes a command on; gives the answer at once where it can't be.
    ///
    /// A retained message is no command: nobody knows how old it is.
    pub(super) fn ask(&mut self, whose: &Whose, line: LineId, message: &Publish) -> Option<Parcel> {
        if message.retain {
            return None;
        }
        let topic = way_back(&whose.site, line, message);
        let correlation = message
            .properties
            .as_ref()
            .and_then(|properties| properties.correlation_data.clone());
        let answer = Answer {
            whose: whose.clone(),
            topic,
            correlation,
        };
        let command = match codec::from_json::<Command>(&message.payload) {
            Ok(command) => command,
            Err(error) => return Some(answer.declined(format!("not a command: {error}"))),
        };
        let (reply, answered) = oneshot::channel();
        if self.commands.try_send(Request { command, reply }).is_err() {
            return Some(answer.declined("too many commands are waiting, ask again".to_owned()));
        }
        self.open.spawn(async move {
            match answered.await {
                Ok(reply) => answer.with(&reply),
                Err(_) => answer.declined("the agent could not take it on".to_owned()),
            }
        });
        None
    }

    /// Whether an answer is waited for.
    pub(super) fn are_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<Parcel> {
        self.open.join_next().await.and_then(Result::ok)
    }
}

/// The way back that a command names, if that is a reply topic of ours; else that of its line.
fn way_back(own: &SiteId, line: LineId, message: &Publish) -> String {
    let properties = message.properties.as_ref();
    let named = properties.and_then(|properties| properties.response_topic.clone());
    let is_ours = |topic: &String| match topic.parse::<Topic>() {
        Ok(Topic::Site {
            site,
            what: SiteTopic::Reply,
            ..
        }) => site == *own,
        _ => false,
    };
    let lines = || {
        Topic::Site {
            line,
            site: own.clone(),
            what: SiteTopic::Reply,
        }
        .to_string()
    };
    named.filter(is_ours).unwrap_or_else(lines)
}

impl Answer {
    fn declined(&self, detail: String) -> Parcel {
        let (agent, at) = (self.whose.agent.clone(), self.whose.clock.now());
        self.with(&Reply {
            agent,
            at,
            accepted: false,
            detail,
            permit: None,
        })
    }

    fn with(&self, reply: &Reply) -> Parcel {
        Parcel {
            record: None,
            topic: self.topic.clone(),
            payload: codec::to_json(reply),
            properties: vec![("v".to_owned(), codec::VERSION.to_string())],
            retain: false,
            correlation: self.correlation.clone(),
        }
    }
}
