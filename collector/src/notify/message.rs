//! What is sent: a notice with the incident as it stood.

use serde::Deserialize;
use serde_json::{Value, json};
use silkline_protocol::time::Timestamp;

use crate::api::incidents::Incident;
use crate::api::incidents::alert::File;
use crate::store::rows::OutboxRow;

/// One notice, ready to be put into the form of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Names the notice: the same each time it is sent, and like no other.
    pub id: String,
    /// When the notice was written.
    pub at: Timestamp,
    /// Why people are told: `opened`, `located`, `worse`, `cleared`, `reopened`, `test`.
    pub reason: String,
    /// The headline.
    pub text: String,
    /// The id of the incident.
    pub incident_id: String,
    /// The incident as it stood, where it can be read.
    pub incident: Option<Incident>,
    /// The incident as it was stored.
    pub json: Value,
    /// Where the page shows it, where the page's address is set.
    pub link: Option<String>,
    /// What goes with it on channels that take files.
    pub files: Vec<File>,
}

impl Message {
    /// The message of an outbox row; `page` is the address of the page as people reach it.
    #[must_use]
    pub fn of(row: &OutboxRow, page: Option<&str>) -> Self {
        let link =
            |page: &str| format!("{}/#/incident/{}", page.trim_end_matches('/'), row.incident);
        Self {
            // The store's numbers begin anew with a new store; the time tells two of them apart.
            id: format!("{}-{}", row.created.nanos(), row.id),
            at: row.created,
            reason: row.reason.clone(),
            text: row.text.clone(),
            incident_id: row.incident.to_string(),
            incident: Incident::deserialize(&row.json).ok(),
            json: row.json.clone(),
            link: page.filter(|_| !row.json.is_null()).map(link),
            files: Vec::new(),
        }
    }

    /// A message that says it is a test.
    #[must_use]
    pub fn test(now: Timestamp) -> Self {
        Self {
            id: format!("{}-test", now.nanos()),
            at: now,
            reason: "test".to_owned(),
            text: "silkline: this is a test, nothing has happened".to_owned(),
            incident_id: "test".to_owned(),
            incident: None,
            json: Value::Null,
            link: None,
            files: Vec::new(),
        }
    }

    /// The message for machines.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "notice": self.id,
            "at": self.at,
            "reason": self.reason,
            "text": self.text,
            "incident": self.json,
            "link": self.link,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    #[test]
    fn a_message_is_named_the_same_each_time() {
        let row = example::row("located");
        let again = OutboxRow {
            tries: 3,
            ..row.clone()
        };
        assert_eq!(Message::of(&row, None), Message::of(&again, None));
        let other = OutboxRow {
            id: row.id + 1,
            ..row.clone()
        };
        assert_ne!(Message::of(&row, None).id, Message::of(&other, None).id);
    }

    #[test]
    fn the_link_leads_to_the_incident() {
        let message = Message::of(&example::row("opened"), Some("https://noc.example/"));
        assert_eq!(
            message.link.as_deref(),
            Some("https://noc.example/#/incident/i-1")
        );
    }

    #[test]
    fn an_incident_that_cannot_be_read_is_still_told() {
        let row = OutboxRow {
            json: json!({ "id": 7 }),
            ..example::row("opened")
        };
        let message = Message::of(&row, None);
        assert_eq!((message.incident, message.text), (None, row.text));
    }
}
