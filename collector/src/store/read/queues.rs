//! What waits: notices to be sent, messages set aside, cursors of forwarders.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, params};
use silkline_analysis::incident::Incident;
use silkline_analysis::learn::Repair;
use silkline_protocol::time::Timestamp;

use super::Queries;
use crate::permits::Register;
use crate::store::StoreError;
use crate::store::column::{Column, json, number, number_of, text, time};
use crate::store::rows::{OutboxRow, QuarantineRow, RowId};
use crate::watcher::Waiting;

const OUTBOX: &str = "SELECT id, channel, incident, reason, text, json, created, tries, next_try
    FROM outbox WHERE done IS NULL";

impl Queries<'_> {
    /// Notices that are due at `now`, the oldest first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn due_notices(&self, now: Timestamp, most: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = format!("{OUTBOX} AND next_try <= ?1 ORDER BY id LIMIT ?2");
        self.rows(&sql, params![now.nanos(), number_of(most)], outbox)
    }

    /// When the next notice is due, if any waits.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn next_notice(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(next_try) FROM outbox WHERE done IS NULL";
        let next: Option<i64> = self.db.query_row(sql, [], |row| row.get(0))?;
        Ok(next.map(Timestamp::from_nanos))
    }

    /// Messages that were set aside, the newest first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn quarantine(&self, most: usize) -> Result<Vec<QuarantineRow>, StoreError> {
        let sql = "SELECT id, at, topic, kind, reason, properties, bytes, payload
            FROM quarantine ORDER BY id DESC LIMIT ?1";
        self.rows(sql, params![number_of(most)], quarantine)
    }

    /// One message that was set aside.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn quarantined(&self, id: i64) -> Result<Option<QuarantineRow>, StoreError> {
        let sql = "SELECT id, at, topic, kind, reason, properties, bytes, payload
            FROM quarantine WHERE id = ?1";
        Ok(self.rows(sql, params![id], quarantine)?.pop())
    }

    /// Since when each channel has had a notice that should have been delivered: tried in vain, or
    /// not tried though it is due.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn waiting(&self) -> Result<Waiting, StoreError> {
        let sql = "SELECT channel, min(CASE WHEN tries > 0 THEN created ELSE next_try END)
            FROM outbox WHERE done IS NULL GROUP BY channel";
        let rows = self.rows(sql, [], |row| Ok((row.get(0)?, time(row, 1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// The channel and the headline of a notice.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn notice(&self, id: i64) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT channel, text FROM outbox WHERE id = ?1";
        Ok(self
            .rows(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .pop())
    }

    /// Every repair of which a crew has told the place, the oldest first.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn repairs(&self) -> Result<Vec<Repair>, StoreError> {
        let sql = "SELECT json FROM incident WHERE state = 'closed' AND json LIKE '%\"found\":{%'";
        let rows: Vec<serde_json::Value> = self.rows(sql, [], |row| json(row, 0))?;
        let read = |row| serde_json::from_value::<Incident>(row).ok();
        let repairs = rows.into_iter().filter_map(read);
        let mut repairs: Vec<Repair> = repairs.filter_map(|it| Repair::of(&it)).collect();
        repairs.sort_by(|a, b| (a.at, &a.incident).cmp(&(b.at, &b.incident)));
        Ok(repairs)
    }

    /// Every permit to work, as the rows tell that were written of them.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn permits(&self) -> Result<Register, StoreError> {
        let sql = "SELECT body, at FROM record WHERE kind = 'permit' ORDER BY id";
        let mut register = Register::default();
        for (entry, at) in self.rows(sql, [], |row| Ok((json(row, 0)?, time(row, 1)?)))? {
            register.take(entry, at);
        }
        Ok(register)
    }

    /// Which of these pairs of a stream and a number there are in the store. Everything is looked
    /// through: for questions that are asked once.
    pub(in crate::store) fn numbers_there(
        &self,
        wanted: &BTreeSet<(i64, i64)>,
    ) -> Result<BTreeSet<(i64, i64)>, StoreError> {
        let mut there = BTreeSet::new();
        if wanted.is_empty() {
            return Ok(there);
        }
        for table in ["sample", "trace", "record"] {
            let sql = format!("SELECT stream, seq FROM {table} WHERE stream IS NOT NULL");
            let mut sql = self.db.prepare(&sql)?;
            let mut rows = sql.query([])?;
            while let Some(row) = rows.next()? {
                there.extend(wanted.get(&(row.get(0)?, row.get(1)?)));
            }
        }
        there.extend(self.sealed_numbers(wanted)?);
        Ok(there)
    }

    /// How far the cursor called `name` has come; the beginning where it never moved.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn cursor(&self, name: &str) -> Result<RowId, StoreError> {
        let sql = "SELECT passed FROM cursor WHERE name = ?1";
        let passed = self
            .db
            .query_row(sql, [name], |row| row.get(0))
            .optional()?;
        Ok(RowId(passed.unwrap_or(0)))
    }
}

fn outbox(row: &Row<'_>) -> Column<OutboxRow> {
    Ok(OutboxRow {
        id: row.get(0)?,
        channel: row.get(1)?,
        incident: text(row, 2)?,
        reason: row.get(3)?,
        text: row.get(4)?,
        json: json(row, 5)?,
        created: time(row, 6)?,
        tries: row.get(7)?,
        next_try: time(row, 8)?,
    })
}

fn quarantine(row: &Row<'_>) -> Column<QuarantineRow> {
    Ok(QuarantineRow {
        id: row.get(0)?,
        at: time(row, 1)?,
        topic: row.get(2)?,
        kind: row.get(3)?,
        reason: row.get(4)?,
        properties: json(row, 5)?,
        bytes: number(row, 6)?,
        payload: row.get(7)?,
    })
}
