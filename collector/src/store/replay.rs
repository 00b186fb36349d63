//! The past since the last snapshot, step by step, as the engines saw it.
//!
//! A step's inputs are the rows that were numbered in it, so a replay merges the three tables by
//! number; the time is the one that was recorded.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use silkline_analysis::learn::Repair;
use silkline_protocol::id::{AgentId, DeviceId, IncidentId, LineId, SiteId};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::time::Timestamp;

use super::column::{Column, json, optional_text, text, time};
use super::read::{PointNames, Queries, readings_at, unsealed};
use super::{StoreError, Writer};
use crate::engine::{Action, Input};
use crate::permits::Entry;

/// Whom an input is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The engine of one line.
    Line(LineId),
    /// The engines of all lines at a site.
    Site(SiteId),
    /// Every engine.
    All,
}

/// One step of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct PastStep {
    /// When it was taken.
    pub now: Timestamp,
    /// What the engines were told, in order.
    pub inputs: Vec<(Whom, Input)>,
}

/// The stored form of [`Input::AgentStatus`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentSeen {
    pub(crate) agent: AgentId,
    pub(crate) online: bool,
    #[serde(default)]
    pub(crate) metered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spool_fault: Option<String>,
}

/// The stored form of [`Input::Operator`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ActionTaken {
    pub(crate) incident: IncidentId,
    pub(crate) who: String,
    pub(crate) action: Action,
}

const SAMPLES: &str = "SELECT s.id, d.line, d.site, d.device, s.late, s.at, s.readings
    FROM sample s JOIN device d ON d.ref = s.device WHERE s.id BETWEEN ?1 AND ?2";
const TRACES: &str = "SELECT t.id, d.line, d.site, d.device, t.late, t.at, t.view, t.port,
    t.\"trigger\", t.sor FROM trace t JOIN device d ON d.ref = t.device WHERE t.id BETWEEN ?1 AND ?2";
const RECORDS: &str = "SELECT id, line, site, device, late, kind, body
    FROM record WHERE id BETWEEN ?1 AND ?2";

/// One sample a device and quarter of an hour: what a detector keeps of its past.
const PAST: &str = "SELECT s.id, d.line, d.site, d.device, s.late, s.at, s.readings, d.ref
    FROM sample s JOIN device d ON d.ref = s.device WHERE s.id IN (
        SELECT min(id) FROM sample
        WHERE device IN (SELECT ref FROM device WHERE line = ?1)
          AND at >= (SELECT max((SELECT max(at) FROM sample WHERE device = ref))
              FROM device WHERE line = ?1) - ?2
        GROUP BY device, at / 900000000000)
    ORDER BY s.at, s.id";

/// The devices of a line, each with the time of the line's newest sample.
const SEEN: &str = "WITH heard AS MATERIALIZED (SELECT ref, site, device,
        (SELECT max(at) FROM sample WHERE device = ref) AS at FROM device WHERE line = ?1)
    SELECT ref, site, device, (SELECT max(at) FROM heard) FROM heard
    WHERE at IS NOT NULL ORDER BY ref";

/// What each device of a line last told of itself.
const ABOUTS: &str = "SELECT site, device, about FROM device
    WHERE line = ?1 AND about IS NOT NULL ORDER BY ref";

/// How far back a detector looks: three days and six hours, for bit errors.
const PAST_NS: i64 = 78 * 3_600_000_000_000;
/// A quarter of an hour, as in [`PAST`].
const PAST_EACH_NS: i64 = 900_000_000_000;

/// One sample of the past.
#[derive(Clone, Debug)]
struct Past {
    at: Timestamp,
    id: i64,
    input: Input,
}

impl Writer {
    /// What is known of the past of a line, thinned out: enough for detectors to begin with where
    /// no state of theirs can be read.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn past(&self, line: &LineId) -> Result<Vec<Input>, StoreError> {
        let ask = Queries::of(self.db());
        let names = ask.point_names()?;
        let mut inputs = ask.rows(ABOUTS, [line.as_str()], |row| {
            Ok(Input::About {
                site: text(row, 0)?,
                device: text(row, 1)?,
                about: json(row, 2)?,
            })
        })?;
        // The lowest number of each device and stretch, whether it is sealed or not.
        let mut past: BTreeMap<(i64, i64), Past> = BTreeMap::new();
        let mut add = |device, stretch, one: Past| {
            let known = past.entry((device, stretch)).or_insert_with(|| one.clone());
            if one.id < known.id {
                *known = one;
            }
        };
        let head = ask.rows(PAST, params![line.as_str(), PAST_NS], |row| {
            let (id, _, input) = sample(row, &names)?;
            let at = time(row, 5)?;
            Ok((row.get(7)?, Past { at, id, input }))
        })?;
        for (device, one) in head {
            add(device, one.at.nanos().div_euclid(PAST_EACH_NS), one);
        }
        let devices = ask.rows(SEEN, [line.as_str()], |row| {
            let (site, device): (SiteId, DeviceId) = (text(row, 1)?, text(row, 2)?);
            Ok((row.get(0)?, site, device, time(row, 3)?))
        })?;
        for (number, site, device, newest) in devices {
            let from = Timestamp::from_nanos(newest.nanos() - PAST_NS);
            for (stretch, row) in ask.sealed_thinned(number, from, PAST_EACH_NS)? {
                let (at, id, late) = (row.at, row.id, row.late);
                let (site, device) = (site.clone(), device.clone());
                let sample = unsealed(row, &names);
                let input = Input::Sample {
                    site,
                    device,
                    late,
                    sample,
                };
                add(number, stretch, Past { at, id, input });
            }
        }
        let mut past: Vec<Past> = past.into_values().collect();
        past.sort_by_key(|one| (one.at, one.id));
        inputs.extend(past.into_iter().map(|one| one.input));
        Ok(inputs)
    }

    /// The repairs of a line of which crews have told the place, the oldest first.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn repairs(&self, line: &LineId) -> Result<Vec<Repair>, StoreError> {
        let mut repairs = Queries::of(self.db()).repairs()?;
        repairs.retain(|repair| repair.line == *line);
        Ok(repairs)
    }

    /// The last saved states of the engines, each with the step after which it was saved.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn snapshots(&self) -> Result<Vec<(LineId, i64, Vec<u8>)>, StoreError> {
        Queries::of(self.db()).rows("SELECT line, step, state FROM snapshot", [], |row| {
            Ok((text(row, 0)?, row.get(1)?, row.get(2)?))
        })
    }

    /// Gives every step after the one numbered `after` to `take`, oldest first.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn replay(&self, after: i64, mut take: impl FnMut(PastStep)) -> Result<(), StoreError> {
        let ask = Queries::of(self.db());
        let names = ask.point_names()?;
        let sql = "SELECT now, first, last FROM step WHERE id > ?1 ORDER BY id";
        let steps = ask.rows(sql, [after], |row| {
            Ok((time(row, 0)?, row.get(1)?, row.get(2)?))
        })?;
        for (now, first, last) in steps {
            let inputs = if first > last {
                Vec::new()
            } else {
                inputs(&ask, &names, first, last)?
            };
            take(PastStep { now, inputs });
        }
        Ok(())
    }
}

fn inputs(
    ask: &Queries<'_>,
    names: &PointNames,
    first: i64,
    last: i64,
) -> Result<Vec<(Whom, Input)>, StoreError> {
    let mut all = ask.rows(SAMPLES, params![first, last], |row| sample(row, names))?;
    all.extend(ask.rows(TRACES, params![first, last], trace)?);
    let records = ask.rows(RECORDS, params![first, last], record)?;
    all.extend(records.into_iter().flatten());
    all.sort_by_key(|(id, ..)| *id);
    Ok(all
        .into_iter()
        .map(|(_, whom, input)| (whom, input))
        .collect())
}

type Numbered = (i64, Whom, Input);

fn sample(row: &Row<'_>, names: &PointNames) -> Column<Numbered> {
    let input = Input::Sample {
        site: text(row, 2)?,
        device: text(row, 3)?,
        late: row.get(4)?,
        sample: readings_at(row, 5, names)?,
    };
    Ok((row.get(0)?, Whom::Line(text(row, 1)?), input))
}

fn trace(row: &Row<'_>) -> Column<Numbered> {
    let (id, trigger): (i64, String) = (row.get(0)?, row.get(8)?);
    let file = TraceFile {
        at: time(row, 5)?,
        view: optional_text(row, 6)?,
        port: row.get(7)?,
        trigger: Trigger::from_word(&trigger),
        sor: row.get(9)?,
    };
    let (site, device, late) = (text(row, 2)?, text(row, 3)?, row.get(4)?);
    Ok((
        id,
        Whom::Line(text(row, 1)?),
        Input::Trace {
            id,
            site,
            device,
            late,
            file,
        },
    ))
}

/// A record that engines were told; gaps are not.
fn record(row: &Row<'_>) -> Column<Option<Numbered>> {
    let kind: String = row.get(5)?;
    let whom = |row| text(row, 1).map(Whom::Line);
    let told = match kind.as_str() {
        "about" => {
            let (site, device, about) = (text(row, 2)?, text(row, 3)?, json(row, 6)?);
            (
                whom(row)?,
                Input::About {
                    site,
                    device,
                    about,
                },
            )
        }
        "event" => {
            let (site, device, late) = (text(row, 2)?, text(row, 3)?, row.get(4)?);
            (
                whom(row)?,
                Input::Event {
                    site,
                    device,
                    late,
                    event: json(row, 6)?,
                },
            )
        }
        "status" => {
            let (site, seen): (SiteId, AgentSeen) = (text(row, 2)?, json(row, 6)?);
            let AgentSeen {
                agent,
                online,
                metered,
                spool_fault,
            } = seen;
            (
                Whom::Site(site.clone()),
                Input::AgentStatus {
                    site,
                    agent,
                    online,
                    metered,
                    spool_fault,
                },
            )
        }
        "action" => {
            let ActionTaken {
                incident,
                who,
                action,
            } = json(row, 6)?;
            (
                whom(row)?,
                Input::Operator {
                    incident,
                    who,
                    action,
                },
            )
        }
        "permit" => match json::<Entry>(row, 6)?.change() {
            Some(change) => (whom(row)?, Input::Permit(change)),
            None => return Ok(None),
        },
        "elsewhere" => (Whom::All, Input::Elsewhere(json(row, 6)?)),
        "started" => (Whom::All, Input::Started),
        _ => return Ok(None),
    };
    Ok(Some((row.get(0)?, told.0, told.1)))
}
