//! SNMP, pure: which OIDs one poll asks for, how a walk goes on, and what the answers mean.
//!
//! Single values are asked for by GET, tables by GETBULK over all columns at once. A walk is bounded:
//! it ends at the end of each column, after the table's largest number of rows, and with a fault
//! where the agent's answers do not move forward, as an agent that runs in circles does.

mod value;
mod walk;

pub use value::SnmpValue;
pub use walk::{Bulk, Walk};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use silkline_protocol::id::PointName;
use silkline_protocol::sample::BadReading;

use crate::profile::{IndexForm, Oid, SnmpMap, SnmpPoint, SnmpTable};

use super::{Fault, Readings, Taken};

/// OIDs in one GET; agents of small devices refuse more.
const GET_AT_ONCE: usize = 16;

/// One request of a poll.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// These instances.
    Get(Vec<Oid>),
    /// The columns of a table, to be walked.
    Walk(Walk),
}

/// What one request brought, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The values by their OIDs, or why there are none.
    pub values: Result<BTreeMap<Oid, SnmpValue>, Fault>,
    /// From the request to its outcome; a walk's with all its steps.
    pub took: Duration,
}

/// Knows what to ask of one SNMP device and what its answers mean; never touches a socket.
///
/// It remembers the rows that the tables had, so that a table without an answer gives each of them
/// a reading with the reason, and a row that is gone is told as not supported.
#[derive(Clone, Debug)]
pub struct SnmpDriver {
    map: SnmpMap,
    rows: Vec<BTreeSet<PointName>>,
}

impl SnmpDriver {
    /// The driver of a device of this model.
    #[must_use]
    pub fn new(map: &SnmpMap) -> Self {
        Self {
            map: map.clone(),
            rows: vec![BTreeSet::new(); map.tables.len()],
        }
    }

    /// The requests one poll needs, in order: the single values first, then the tables.
    #[must_use]
    pub fn plan(&self) -> Vec<Ask> {
        let gets = self.map.points.chunks(GET_AT_ONCE).map(|points| {
            let mut oids: Vec<Oid> = points.iter().map(|point| point.oid.clone()).collect();
            oids.sort();
            oids.dedup();
            Ask::Get(oids)
        });
        let walks = self.map.tables.iter().map(|table| {
            let columns: BTreeSet<Oid> = table
                .columns
                .iter()
                .map(|column| column.oid.clone())
                .collect();
            let columns = columns.into_iter().collect();
            Ask::Walk(Walk::new(columns, table.max_rows, self.map.repetitions))
        });
        gets.chain(walks).collect()
    }

    /// The readings in the answers to [`plan`](Self::plan), in the same order; a request without
    /// an answer counts as skipped.
    pub fn decode(&mut self, answers: &[Answer]) -> Readings {
        let mut readings = Readings::new();
        let mut answers = answers.iter();
        for points in self.map.points.chunks(GET_AT_ONCE) {
            let values = values(answers.next());
            for point in points {
                readings.insert(point.point.name.clone(), single(point, values));
            }
        }
        for (table, known) in self.map.tables.iter().zip(&mut self.rows) {
            readings.extend(rows(table, known, values(answers.next())));
        }
        readings
    }
}

type Values<'a> = Result<&'a BTreeMap<Oid, SnmpValue>, &'a Fault>;

fn values(answer: Option<&Answer>) -> Values<'_> {
    answer.map_or(Err(&Fault::Skipped), |answer| answer.values.as_ref())
}

fn single(point: &SnmpPoint, values: Values<'_>) -> Taken {
    match values {
        Ok(values) => taken(point, values.get(&point.oid)),
        Err(fault) => Taken::bad(fault.reason()),
    }
}

fn taken(point: &SnmpPoint, value: Option<&SnmpValue>) -> Taken {
    let Some(value) = value else {
        return Taken::bad(BadReading::NotSupported);
    };
    match value.number(point.bit, point.point.unit) {
        Ok(raw) => Taken {
            raw: Some(raw),
            reading: point.point.meaning.reading(raw),
        },
        Err(reason) => Taken::bad(reason),
    }
}

fn rows(table: &SnmpTable, known: &mut BTreeSet<PointName>, values: Values<'_>) -> Readings {
    let values = match values {
        Ok(values) => values,
        Err(fault) => {
            let reason = Taken::bad(fault.reason());
            return known.iter().map(|name| (name.clone(), reason)).collect();
        }
    };
    let mut readings: Readings = known
        .iter()
        .map(|name| (name.clone(), Taken::bad(BadReading::NotSupported)))
        .collect();
    for column in &table.columns {
        let below = values
            .range(column.oid.clone()..)
            .map_while(|(oid, value)| {
                if *oid == column.oid {
                    return Some((None, value));
                }
                column
                    .oid
                    .suffix_of(oid)
                    .map(|suffix| (Some(suffix), value))
            });
        for (suffix, value) in below {
            let index = suffix.and_then(|suffix| index(table.index, suffix));
            let name = index.and_then(|index| {
                format!("{}.{index}", column.point.name)
                    .parse::<PointName>()
                    .ok()
            });
            if let Some(name) = name {
                readings.insert(name, taken(column, Some(value)));
            }
        }
    }
    // Bounded even where an agent makes up new rows at every poll.
    let most = usize::from(table.max_rows) * table.columns.len();
    known.extend(
        readings
            .keys()
            .take(most.saturating_sub(known.len()))
            .cloned(),
    );
    readings
}

/// The index as it stands in a point's name; `None` where it is not of the stated form.
fn index(form: IndexForm, suffix: &[u32]) -> Option<String> {
    let joined = |parts: Vec<String>, by: &str| Some(parts.join(by));
    match form {
        IndexForm::Integers => joined(suffix.iter().map(u32::to_string).collect(), "."),
        IndexForm::Texts => joined(texts(suffix)?, "-"),
    }
}

/// Texts, each with its length before it (RFC 2578, 7.7); letters that no point name may have
/// become `-`.
fn texts(mut suffix: &[u32]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = suffix.split_first() {
        let (letters, after) = rest.split_at_checked(usize::try_from(*length).ok()?)?;
        let text = letters.iter().map(|code| {
            let letter = char::from_u32(*code).unwrap_or('-').to_ascii_lowercase();
            if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
                letter
            } else {
                '-'
            }
        });
        texts.push(text.collect());
        suffix = after;
    }
    Some(texts)
}

#[cfg(test)]
mod tests;
