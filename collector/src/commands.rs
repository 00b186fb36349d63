//! What people ask of agents now, and what these answer.
//!
//! ```text
//!   api ──ask──▶ desk ──Outgoing, with the number of the question──▶ broker ──▶ agents of a site
//!    ▲            ▲                                                               │
//!    └──watches───┘◀──────────── heard, by that number ── ingest ◀──── reply ─────┘
//! ```
//!
//! Nothing of this is stored: a question is worth little later, and the broker forgets one that no
//! agent has taken after [`ASKED_FOR`]. The newest [`MOST`] are remembered.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::codec;
use silkline_protocol::id::{LineId, SiteId};
use silkline_protocol::message::{Command, Reply};
use silkline_protocol::time::Timestamp;
use silkline_protocol::topic::{SiteTopic, Topic};
use tokio::sync::watch;

use crate::ingest::Outgoing;

/// Questions that are remembered; the oldest go.
pub const MOST: usize = 500;
/// Answers to one question: a site has few agents.
const MOST_REPLIES: usize = 16;
/// An answer is no longer than this.
const MOST_BYTES: usize = 64 << 10;
/// How long the broker holds a question for an agent that is away.
pub const ASKED_FOR: Duration = Duration::from_secs(30);

/// A question, and the answers so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskedCommand {
    /// Its number.
    pub id: String,
    /// When it was asked.
    pub at: Timestamp,
    /// Who asked.
    pub who: String,
    /// The line.
    pub line: LineId,
    /// The site whose agents are asked.
    pub site: SiteId,
    /// What.
    pub command: Command,
    /// What agents answered, in order; each answers once, and says why where it does not do it.
    pub replies: Vec<Reply>,
}

/// The questions, oldest first.
#[derive(Debug, Default)]
pub struct Desk {
    asked: VecDeque<AskedCommand>,
}

/// The desk, for all who ask and hear.
pub type Commands = watch::Sender<Desk>;

/// An empty desk.
#[must_use]
pub fn commands() -> Commands {
    watch::Sender::new(Desk::default())
}

impl Desk {
    /// Notes a question; what to send.
    pub fn ask(&mut self, asked: AskedCommand) -> Outgoing {
        let topic = Topic::Site {
            line: asked.line.clone(),
            site: asked.site.clone(),
            what: SiteTopic::Command,
        };
        let outgoing = Outgoing {
            topic: topic.to_string(),
            payload: codec::to_json(&asked.command),
            question: Some(asked.id.clone()),
        };
        if self.asked.len() >= MOST {
            self.asked.pop_front();
        }
        self.asked.push_back(asked);
        outgoing
    }

    /// Takes an answer; whether it answers one of ours.
    pub fn heard(&mut self, topic: &str, payload: &[u8], question: &[u8]) -> bool {
        let Ok(Topic::Site {
            site,
            what: SiteTopic::Reply,
            ..
        }) = topic.parse()
        else {
            return false;
        };
        let mine = |it: &&mut AskedCommand| it.id.as_bytes() == question && it.site == site;
        let Some(asked) = self.asked.iter_mut().rev().find(mine) else {
            return false;
        };
        if payload.len() > MOST_BYTES || asked.replies.len() >= MOST_REPLIES {
            return false;
        }
        let Ok(reply) = codec::from_json::<Reply>(payload) else {
            return false;
        };
        let again = asked.replies.iter().any(|known| known.agent == reply.agent);
        if !again {
            asked.replies.push(reply);
        }
        !again
    }

    /// The question of this number.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&AskedCommand> {
        self.asked.iter().rev().find(|asked| asked.id == id)
    }

    /// All questions, newest first.
    pub fn all(&self) -> impl Iterator<Item = &AskedCommand> {
        self.asked.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: &str) -> AskedCommand {
        AskedCommand {
            id: id.to_owned(),
            at: Timestamp::from_seconds(1_800_000_000),
            who: "aysel".to_owned(),
            line: "dsw".parse().unwrap(),
            site: "ganja".parse().unwrap(),
            command: Command::Identify,
            replies: Vec::new(),
        }
    }

    fn reply(agent: &str) -> Vec<u8> {
        codec::to_json(&Reply {
            agent: agent.parse().unwrap(),
            at: Timestamp::from_seconds(1_800_000_001),
            accepted: true,
            detail: "here".to_owned(),
            permit: None,
        })
    }

    const TOPIC: &str = "silkline/1/dsw/ganja/reply";

    #[test]
    fn an_answer_finds_its_question_by_number_and_site() {
        let mut desk = Desk::default();
        let sent = desk.ask(asked("c-1"));
        assert_eq!(sent.topic, "silkline/1/dsw/ganja/command");
        assert_eq!(sent.question.as_deref(), Some("c-1"));
        desk.ask(asked("c-2"));
        assert!(!desk.heard(TOPIC, &reply("main"), b"c-3"));
        assert!(!desk.heard("silkline/1/dsw/tovuz/reply", &reply("main"), b"c-1"));
        assert!(!desk.heard(TOPIC, b"{}", b"c-1"), "no answer");
        assert!(desk.heard(TOPIC, &reply("main"), b"c-1"));
        assert!(!desk.heard(TOPIC, &reply("main"), b"c-1"), "repeated");
        assert!(desk.heard(TOPIC, &reply("spare"), b"c-1"));
        assert_eq!(desk.get("c-1").unwrap().replies.len(), 2);
        assert!(desk.get("c-2").unwrap().replies.is_empty());
    }

    #[test]
    fn questions_and_answers_are_bounded() {
        let mut desk = Desk::default();
        for n in 0..MOST + 2 {
            desk.ask(asked(&format!("c-{n}")));
        }
        assert_eq!((desk.all().count(), desk.get("c-1")), (MOST, None));
        let newest = format!("c-{}", MOST + 1);
        assert_eq!(desk.all().next().unwrap().id, newest);
        for n in 0..MOST_REPLIES + 3 {
            desk.heard(TOPIC, &reply(&format!("a{n}")), newest.as_bytes());
        }
        assert_eq!(desk.get(&newest).unwrap().replies.len(), MOST_REPLIES);
        let long = vec![b' '; MOST_BYTES + 1];
        assert!(!desk.heard(TOPIC, &long, b"c-5"));
    }
}
