//! What is so now: devices, agents, incidents, traces.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params};
use silkline_protocol::id::{DeviceId, IncidentId, LineId, SiteId};
use silkline_protocol::message::Trigger;
use silkline_protocol::time::Timestamp;

use super::Queries;
use super::series::{PointNames, readings_at};
use crate::store::StoreError;
use crate::store::column::{
    Column, json, json_or_none, number, number_of, optional_text, text, time,
};
use crate::store::rows::{
    AgentRow, AnomalyRow, DeviceRow, IncidentRow, RecordRow, RowId, TraceRow,
};

const DEVICES: &str = "SELECT d.line, d.site, d.device, d.about, s.at, s.readings
    FROM device d LEFT JOIN sample s ON s.id =
        (SELECT id FROM sample WHERE device = d.ref ORDER BY at DESC, id DESC LIMIT 1)";
const TRACES: &str = "SELECT t.id, d.line, d.site, d.device, t.at, t.received, t.late, t.view,
    t.port, t.\"trigger\", length(t.sor), t.analysis
    FROM trace t JOIN device d ON d.ref = t.device";
const INCIDENTS: &str = "SELECT id, revision, line, json FROM incident";

/// Which traces to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceFilter {
    /// Only those that show this view.
    pub view: Option<silkline_protocol::id::ViewId>,
    /// Only those of this instrument.
    pub device: Option<(SiteId, DeviceId)>,
    /// Only those with smaller numbers: where the page before ended.
    pub before: Option<RowId>,
}

impl Queries<'_> {
    /// Every device of every line, by line, site and device.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        let sql = format!("{DEVICES} ORDER BY d.line, d.site, d.device");
        let names = self.point_names()?;
        self.rows(&sql, [], |row| device(row, &names))
    }

    /// One device: a row for each line that it serves.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn device(
        &self,
        site: &SiteId,
        device_id: &DeviceId,
    ) -> Result<Vec<DeviceRow>, StoreError> {
        let sql = format!("{DEVICES} WHERE d.site = ?1 AND d.device = ?2 ORDER BY d.line");
        let names = self.point_names()?;
        let key = params![site.as_str(), device_id.as_str()];
        self.rows(&sql, key, |row| device(row, &names))
    }

    /// Every agent that has ever said something.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        let sql = "SELECT site, agent, at, status FROM agent ORDER BY site, agent";
        self.rows(sql, [], |row| {
            Ok(AgentRow {
                site: text(row, 0)?,
                agent: text(row, 1)?,
                at: time(row, 2)?,
                status: json(row, 3)?,
            })
        })
    }

    /// Incidents that are not closed, the one opened last first.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn open_incidents(&self) -> Result<Vec<IncidentRow>, StoreError> {
        let sql = format!("{INCIDENTS} WHERE state <> 'closed' ORDER BY opened DESC, id DESC");
        self.rows(&sql, [], incident)
    }

    /// Incidents in any state, the one changed last first: at most `most`, with revisions below
    /// `before`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn incidents(
        &self,
        before: Option<RowId>,
        most: usize,
    ) -> Result<Vec<IncidentRow>, StoreError> {
        let sql = format!("{INCIDENTS} WHERE revision < ?1 ORDER BY revision DESC LIMIT ?2");
        self.rows(&sql, params![below(before), number_of(most)], incident)
    }

    /// Incidents with revisions above `after`, lowest first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn incidents_after(
        &self,
        after: RowId,
        most: usize,
    ) -> Result<Vec<IncidentRow>, StoreError> {
        let sql = format!("{INCIDENTS} WHERE revision > ?1 ORDER BY revision LIMIT ?2");
        self.rows(&sql, params![after.0, number_of(most)], incident)
    }

    /// Every incident there is, with the line whose engine keeps it.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn incident_lines(&self) -> Result<Vec<(IncidentId, LineId)>, StoreError> {
        self.rows("SELECT id, line FROM incident", [], |row| {
            Ok((text(row, 0)?, text(row, 1)?))
        })
    }

    /// The incident called `id`, where there is one.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn incident(&self, id: &IncidentId) -> Result<Option<IncidentRow>, StoreError> {
        let sql = format!("{INCIDENTS} WHERE id = ?1");
        Ok(self.rows(&sql, params![id.as_str()], incident)?.pop())
    }

    /// Anomalies that were not over at `from`, the one raised last first, as the API gives them.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn anomalies(&self, from: Timestamp) -> Result<Vec<serde_json::Value>, StoreError> {
        let sql = "SELECT json FROM anomaly WHERE ended IS NULL OR ended >= ?1
            ORDER BY raised DESC LIMIT 20000";
        self.rows(sql, [from.nanos()], |row| json(row, 0))
    }

    /// Anomalies with revisions above `after`, lowest first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn anomalies_after(
        &self,
        after: RowId,
        most: usize,
    ) -> Result<Vec<AnomalyRow>, StoreError> {
        let sql =
            "SELECT revision, json FROM anomaly WHERE revision > ?1 ORDER BY revision LIMIT ?2";
        self.rows(sql, params![after.0, number_of(most)], |row| {
            Ok(AnomalyRow {
                revision: RowId(row.get(0)?),
                json: json(row, 1)?,
            })
        })
    }

    /// Traces with numbers above `after`, lowest first, at most `most`, without their files.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn traces_after(&self, after: RowId, most: usize) -> Result<Vec<TraceRow>, StoreError> {
        let sql = format!("{TRACES} WHERE t.id > ?1 ORDER BY t.id LIMIT ?2");
        self.rows(&sql, params![after.0, number_of(most)], trace)
    }

    /// Traces that `filter` lets through, the newest arrival first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn traces(&self, filter: &TraceFilter, most: usize) -> Result<Vec<TraceRow>, StoreError> {
        let sql = format!(
            "{TRACES} WHERE t.id < ?1 AND (?2 IS NULL OR t.view = ?2)
             AND (?3 IS NULL OR (d.site = ?3 AND d.device = ?4)) ORDER BY t.id DESC LIMIT ?5"
        );
        let view = filter.view.as_ref().map(|view| view.as_str());
        let site = filter.device.as_ref().map(|(site, _)| site.as_str());
        let device = filter.device.as_ref().map(|(_, device)| device.as_str());
        let most = number_of(most);
        self.rows(
            &sql,
            params![below(filter.before), view, site, device, most],
            trace,
        )
    }

    /// The trace with this number, without its file.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn trace(&self, id: RowId) -> Result<Option<TraceRow>, StoreError> {
        let sql = format!("{TRACES} WHERE t.id = ?1");
        Ok(self.rows(&sql, params![id.0], trace)?.pop())
    }

    /// The SOR file of a trace, byte for byte.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn trace_file(&self, id: RowId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT sor FROM trace WHERE id = ?1";
        Ok(self
            .db
            .query_row(sql, params![id.0], |row| row.get(0))
            .optional()?)
    }

    /// Events, gaps and the like of one kind, the newest arrival first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn records(
        &self,
        kind: &str,
        before: Option<RowId>,
        most: usize,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let sql = "SELECT id, kind, line, site, device, at, body FROM record
            WHERE kind = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
        self.rows(sql, params![kind, below(before), number_of(most)], record)
    }

    /// Every row of `sql` by `read`.
    pub(in crate::store) fn rows<T>(
        &self,
        sql: &str,
        key: impl rusqlite::Params,
        mut read: impl FnMut(&Row<'_>) -> Column<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(key)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }
}

/// A page's end as a bound; everything where there was no page before.
pub(super) fn below(before: Option<RowId>) -> i64 {
    before.map_or(i64::MAX, |id| id.0)
}

fn device(row: &Row<'_>, names: &PointNames) -> Column<DeviceRow> {
    let newest = match row.get_ref(4)? {
        ValueRef::Null => None,
        _ => Some(readings_at(row, 4, names)?),
    };
    Ok(DeviceRow {
        line: text(row, 0)?,
        site: text(row, 1)?,
        device: text(row, 2)?,
        about: json_or_none(row, 3)?,
        newest,
    })
}

fn incident(row: &Row<'_>) -> Column<IncidentRow> {
    Ok(IncidentRow {
        id: text(row, 0)?,
        revision: RowId(row.get(1)?),
        line: text(row, 2)?,
        json: json(row, 3)?,
    })
}

fn trace(row: &Row<'_>) -> Column<TraceRow> {
    let trigger: String = row.get(9)?;
    Ok(TraceRow {
        id: RowId(row.get(0)?),
        line: text(row, 1)?,
        site: text(row, 2)?,
        device: text(row, 3)?,
        at: time(row, 4)?,
        received: time(row, 5)?,
        late: row.get(6)?,
        view: optional_text(row, 7)?,
        port: row.get(8)?,
        trigger: Trigger::from_word(&trigger),
        bytes: number(row, 10)?,
        analysis: json_or_none(row, 11)?,
    })
}

fn record(row: &Row<'_>) -> Column<RecordRow> {
    Ok(RecordRow {
        id: RowId(row.get(0)?),
        kind: row.get(1)?,
        line: optional_text(row, 2)?,
        site: optional_text(row, 3)?,
        device: optional_text(row, 4)?,
        at: time(row, 5)?,
        body: json(row, 6)?,
    })
}
