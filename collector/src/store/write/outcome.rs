//! What came of it: analyses, anomalies, incidents, notices, snapshots, cursors.

use rusqlite::params;
use silkline_analysis::incident::Incident;
use silkline_analysis::series::Anomaly;
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;

use super::taken::json;
use super::{Rubbish, Transaction};
use crate::state::Report;
use crate::store::StoreError;
use crate::store::rows::RowId;
use crate::watcher::Word;

/// What a line is filed under that a database refused.
pub const DATABASE: &str = "database";

/// A notice for one channel.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The channel's name.
    pub channel: &'a str,
    /// Why, in a word.
    pub reason: &'a str,
    /// In words.
    pub text: &'a str,
    /// The incident as it stands.
    pub incident: &'a Incident,
    /// When it is to be sent.
    pub due: Timestamp,
}

impl Transaction<'_> {
    /// Keeps what the analysis found in a trace beside it.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn analysis(&mut self, trace: RowId, found: &serde_json::Value) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE trace SET analysis = ?2 WHERE id = ?1")?
            .execute(params![trace.0, found.to_string()])?;
        Ok(())
    }

    /// Stores an anomaly, new or changed.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn anomaly(&mut self, anomaly: &Anomaly) -> Result<(), StoreError> {
        let (revision, ended) = (self.number(), anomaly.to.map(Timestamp::nanos));
        self.db
            .prepare_cached("INSERT OR REPLACE INTO anomaly VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                anomaly.id,
                anomaly.line.as_str(),
                anomaly.raised.nanos(),
                ended,
                json(anomaly),
                revision.0
            ])?;
        Ok(())
    }

    /// Stores an incident as it stands, kept by the engine of `line`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn incident(&mut self, line: &LineId, incident: &Incident) -> Result<(), StoreError> {
        let revision = self.number();
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO incident VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                incident.id.as_str(),
                revision.0,
                line.as_str(),
                incident.state.word(),
                incident.severity.word(),
                incident.kind.word(),
                incident.opened.nanos(),
                incident.updated.nanos(),
                json(incident)
            ])?;
        Ok(())
    }

    /// Puts a notice into the outbox.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn notice(&mut self, told: &Told<'_>) -> Result<(), StoreError> {
        let Told {
            channel,
            reason,
            text,
            incident,
            due,
        } = told;
        self.db
            .prepare_cached(
                "INSERT INTO outbox (channel, incident, reason, text, json, created, next_try)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                channel,
                incident.id.as_str(),
                reason,
                text,
                json(incident),
                self.now.nanos(),
                due.nanos()
            ])?;
        Ok(())
    }

    /// Puts words about the collector itself into the outbox.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn word(&mut self, channel: &str, word: &Word) -> Result<(), StoreError> {
        let now = self.now.nanos();
        // Each is a matter of its own: nobody may take one for an older one of the same.
        let about = format!("collector-{now}-{}", word.reason.replace('_', "-"));
        self.db
            .prepare_cached(
                "INSERT INTO outbox (channel, incident, reason, text, json, created, next_try)
                 VALUES (?1, ?2, ?3, ?4, 'null', ?5, ?5)",
            )?
            .execute(params![channel, about, word.reason, word.text, now])?;
        Ok(())
    }

    /// Saves an engine's state after the step that this transaction is.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn snapshot(&mut self, line: &LineId, state: &[u8]) -> Result<(), StoreError> {
        let step = self.last_step()?.unwrap_or(0) + 1;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO snapshot VALUES (?1, ?2, ?3)")?
            .execute(params![line.as_str(), step, state])?;
        Ok(())
    }

    /// Saves the states of all engines after the step that this transaction is.
    ///
    /// Those of other lines are forgotten: they are kept here no more, and would hold up for ever
    /// what is deleted and sealed behind the oldest state.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn snapshots<'l>(
        &mut self,
        states: impl Iterator<Item = (&'l LineId, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        for (line, state) in states {
            self.snapshot(line, &state)?;
        }
        let step = self.last_step()?.unwrap_or(0) + 1;
        self.db
            .prepare_cached("DELETE FROM snapshot WHERE step < ?1")?
            .execute([step])?;
        Ok(())
    }

    /// Writes down what a reader of the store has done.
    ///
    /// # Errors
    ///
    /// Where the store cannot be written.
    pub fn report(&mut self, report: &Report) -> Result<(), StoreError> {
        let now = self.now.nanos();
        match report {
            Report::Refused { line, why } => {
                return self.quarantine(&Rubbish {
                    topic: DATABASE,
                    kind: DATABASE,
                    reason: why,
                    properties: &[],
                    payload: line.as_bytes(),
                });
            }
            Report::NoticeSent { id } => self
                .db
                .prepare_cached("UPDATE outbox SET done = ?2, error = NULL WHERE id = ?1")?
                .execute(params![id, now])?,
            Report::NoticeFailed {
                id,
                error,
                again: Some(again),
            } => self
                .db
                .prepare_cached(
                    "UPDATE outbox SET tries = tries + 1, error = ?2, next_try = ?3 WHERE id = ?1",
                )?
                .execute(params![id, error, again.nanos()])?,
            Report::NoticeFailed {
                id,
                error,
                again: None,
            } => self
                .db
                .prepare_cached(
                    "UPDATE outbox SET tries = tries + 1, error = ?2, done = ?3 WHERE id = ?1",
                )?
                .execute(params![id, error, now])?,
            Report::Passed { cursor, id } => self
                .db
                .prepare_cached(
                    "INSERT INTO cursor VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET passed = max(passed, excluded.passed)",
                )?
                .execute(params![cursor, id.0])?,
        };
        Ok(())
    }
}
