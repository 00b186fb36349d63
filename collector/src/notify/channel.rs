//! The channels of the settings, ready to send.

use std::collections::BTreeMap;
use std::path::PathBuf;

use silkline_protocol::id::IncidentId;

use super::email::Email;
use super::language::Words;
use super::message::Message;
use super::syslog::Syslog;
use super::webhook::Webhook;
use crate::config::{Channels, Secret, Settings, Speech};
use crate::store::rows::OutboxRow;

/// One way to tell people.
#[derive(Debug)]
pub enum Channel {
    /// By mail.
    Email(Email),
    /// To a web address.
    Webhook(Webhook),
    /// To a syslog server.
    Syslog(Syslog),
}

/// Settings of a channel that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A file with a secret cannot be read.
    #[error("channel {channel}: {path}: {source}")]
    Secret {
        /// The channel.
        channel: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An address or name that is none.
    #[error("channel {channel}: {problem}")]
    Setting {
        /// The channel.
        channel: String,
        /// What was found and what was wanted.
        problem: String,
    },
}

impl Channel {
    /// Every channel of the settings.
    ///
    /// # Errors
    ///
    /// The first whose settings cannot be used.
    pub fn all(settings: &Settings) -> Result<Vec<Self>, ChannelError> {
        Self::each(settings).collect()
    }

    /// What is wrong with the channels of the settings, one by one.
    #[must_use]
    pub fn mistakes(settings: &Settings) -> Vec<ChannelError> {
        Self::each(settings).filter_map(Result::err).collect()
    }

    fn each(settings: &Settings) -> impl Iterator<Item = Result<Self, ChannelError>> {
        let Channels {
            email,
            webhook,
            syslog,
        } = &settings.channels;
        let email = email.iter().map(|one| Email::new(one).map(Self::Email));
        let webhook = webhook
            .iter()
            .map(|one| Webhook::new(one).map(Self::Webhook));
        let syslog = syslog.iter().map(|one| Syslog::new(one).map(Self::Syslog));
        email.chain(webhook).chain(syslog)
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Email(email) => email.name(),
            Self::Webhook(webhook) => webhook.name(),
            Self::Syslog(syslog) => syslog.name(),
        }
    }

    /// Delivers one message.
    ///
    /// # Errors
    ///
    /// What went wrong, in words.
    pub async fn send(&self, message: &Message) -> Result<(), String> {
        match self {
            Self::Email(email) => email.send(message).await,
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Syslog(syslog) => syslog.send(message).await,
        }
    }

    /// Of rows that waited together: those to send, and those that a later one has made pointless.
    ///
    /// A person reads the newest state of an incident and is not served by three mails at once; a
    /// machine gets everything.
    #[must_use]
    pub fn worth_sending(&self, rows: Vec<OutboxRow>) -> (Vec<OutboxRow>, Vec<OutboxRow>) {
        match self {
            Self::Email(_) => newest_of_each(rows),
            Self::Webhook(_) | Self::Syslog(_) => (rows, Vec::new()),
        }
    }
}

/// The newest row of each incident, and the others.
fn newest_of_each(rows: Vec<OutboxRow>) -> (Vec<OutboxRow>, Vec<OutboxRow>) {
    let mut newest: BTreeMap<IncidentId, i64> = BTreeMap::new();
    for row in &rows {
        let known = newest.entry(row.incident.clone()).or_insert(row.id);
        *known = row.id.max(*known);
    }
    rows.into_iter()
        .partition(|row| newest.get(&row.incident) == Some(&row.id))
}

/// The words that `channel` speaks.
pub(super) fn spoken(channel: &str, speech: &Speech) -> Result<Words, ChannelError> {
    let words = match speech {
        Speech::Language(language) => language.words(),
        Speech::File(file) => Words::read(file),
    };
    words.map_err(|error| ChannelError::Setting {
        channel: channel.to_owned(),
        problem: error.to_string(),
    })
}

/// The secret in `file` of `channel`.
pub(super) fn secret(channel: &str, file: &std::path::Path) -> Result<Secret, ChannelError> {
    Secret::read(file).map_err(|source| ChannelError::Secret {
        channel: channel.to_owned(),
        path: file.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::example;

    #[test]
    fn of_what_waited_together_a_person_gets_the_newest() {
        let row = |id: i64, incident: &str| OutboxRow {
            id,
            incident: incident.parse().unwrap(),
            ..example::row("opened")
        };
        let rows = vec![row(1, "i-1"), row(2, "i-2"), row(3, "i-1")];
        let (send, leave) = newest_of_each(rows);
        let ids = |rows: &[OutboxRow]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!((ids(&send), ids(&leave)), (vec![2, 3], vec![1]));
    }
}
