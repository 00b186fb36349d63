//! SNMP, pure: which OIDs one poll asks for, how a walk goes on, and what the answers mean.
//!
//! Single values are asked for by GET, tables by GETBULK over all columns at once. A walk is bounded:
//! it ends at the end of each column, after the table's largest number of rows, and with a fault
//! where the agent's answers do not move forward, as an agent that runs in circles does.

mod counter;
mod sensor;
mod value;
mod walk;

pub use value::SnmpValue;
pub use walk::{Bulk, Size, Walk};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use silkline_protocol::id::PointName;
use silkline_protocol::sample::BadReading;

use crate::clock::Moment;
use crate::profile::{IndexForm, ObjectType, Oid, SnmpMap, SnmpPoint, SnmpTable};

use super::readings::ByName;
use super::{Fault, Taken};
use counter::Counters;

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
    /// When the outcome was known.
    pub at: Moment,
    /// The size with which a walk worked in the end.
    pub size: Option<Size>,
}

/// One object to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The object.
    pub oid: Oid,
    /// The type of its value.
    pub kind: ObjectType,
    /// The value.
    pub value: u64,
}

impl Answer {
    /// For a request that was not sent.
    #[must_use]
    pub const fn skipped(at: Moment) -> Self {
        Self {
            values: Err(Fault::Skipped),
            took: Duration::ZERO,
            at,
            size: None,
        }
    }
}

/// Knows what to ask of one SNMP device and what its answers mean; never touches a socket.
///
/// It remembers the rows that the tables had, so that a table without an answer gives each of them
/// a reading with the reason, and a row that is gone is told as not supported. It remembers too what
/// the agent could not do, and where its counters stood.
#[derive(Clone, Debug)]
pub struct SnmpDriver {
    map: SnmpMap,
    rows: Vec<BTreeSet<PointName>>,
    sizes: Vec<Option<Size>>,
    alone: BTreeSet<Oid>,
    counters: Counters,
}

impl SnmpDriver {
    /// The driver of a device of this model.
    #[must_use]
    pub fn new(map: &SnmpMap) -> Self {
        Self {
            map: map.clone(),
            rows: vec![BTreeSet::new(); map.tables.len()],
            sizes: vec![None; map.tables.len()],
            alone: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    /// The requests one poll needs, in order: the single values first, then the tables.
    #[must_use]
    pub fn plan(&self) -> Vec<Ask> {
        let gets = self.gets().into_iter().map(Ask::Get);
        let walks = self
            .map
            .tables
            .iter()
            .zip(&self.sizes)
            .map(|(table, size)| {
                let columns = table.objects().into_iter().collect();
                let size = size.unwrap_or(Size::of(self.map.repetitions));
                Ask::Walk(Walk::new(columns, table.max_rows, size))
            });
        gets.chain(walks).collect()
    }

    /// The readings in the answers to [`plan`](Self::plan), in the same order; a request without
    /// an answer counts as skipped.
    pub fn decode(&mut self, answers: &[Answer]) -> ByName {
        let mut readings = ByName::new();
        let skipped = Answer::skipped(Moment::START);
        let mut answers = answers.iter();
        let mut of_gets = BTreeMap::new();
        for oids in self.gets() {
            let answer = answers.next().unwrap_or(&skipped);
            for oid in oids {
                of_gets.insert(oid, answer);
            }
        }
        for point in &self.map.points {
            let answer = of_gets.get(&point.oid).copied().unwrap_or(&skipped);
            let taken = single(point, answer.values.as_ref());
            readings.insert(point.point.name.clone(), taken);
            if failed(&answer.values, &point.oid) {
                self.alone.insert(point.oid.clone());
            }
            self.counters
                .rate(point, &point.point.name, answer, &mut readings);
        }
        for (at, table) in self.map.tables.iter().enumerate() {
            let answer = answers.next().unwrap_or(&skipped);
            let (Some(known), Some(size)) = (self.rows.get_mut(at), self.sizes.get_mut(at)) else {
                continue;
            };
            *size = answer.size.or(*size);
            let mut found = match table.sensors {
                true => sensor::rows(table, known, answer.values.as_ref()),
                false => rows(table, known, answer.values.as_ref()),
            };
            for column in table.columns.iter().filter(|column| column.rate) {
                let names: Vec<PointName> = found
                    .keys()
                    .filter(|name| name.stem() == column.point.name.as_str())
                    .cloned()
                    .collect();
                for name in names {
                    self.counters.rate(column, &name, answer, &mut found);
                }
            }
            readings.extend(found);
        }
        readings
    }

    /// The objects of each GET: as many as small devices stand together, and alone those over which
    /// the device stumbled.
    fn gets(&self) -> Vec<Vec<Oid>> {
        let all: BTreeSet<&Oid> = self.map.points.iter().map(|point| &point.oid).collect();
        let (alone, together): (Vec<&Oid>, Vec<&Oid>) =
            all.into_iter().partition(|oid| self.alone.contains(*oid));
        let together = together.chunks(GET_AT_ONCE).map(<[&Oid]>::to_vec);
        together
            .chain(alone.into_iter().map(|oid| vec![oid]))
            .map(|oids| oids.into_iter().cloned().collect())
            .collect()
    }
}

type Values<'a> = Result<&'a BTreeMap<Oid, SnmpValue>, &'a Fault>;

/// Whether the agent gave values, but stumbled over this one.
fn failed(values: &Result<BTreeMap<Oid, SnmpValue>, Fault>, oid: &Oid) -> bool {
    (values.as_ref()).is_ok_and(|values| values.get(oid) == Some(&SnmpValue::Failed))
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

/// What the rows that were there read before the answer is looked at.
fn unanswered(known: &BTreeSet<PointName>, values: Values<'_>) -> ByName {
    let reason = values.err().map_or(BadReading::NotSupported, Fault::reason);
    let bad = Taken::bad(reason);
    known.iter().map(|name| (name.clone(), bad)).collect()
}

fn rows(table: &SnmpTable, known: &mut BTreeSet<PointName>, values: Values<'_>) -> ByName {
    let (mut readings, Ok(values)) = (unanswered(known, values), values) else {
        return unanswered(known, values);
    };
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
            let name = suffix.and_then(|suffix| row_name(table, column, suffix));
            if let Some(name) = name {
                readings.insert(name, taken(column, Some(value)));
            }
        }
    }
    remember(table, known, &readings);
    readings
}

/// The name of `column` in the row whose index is `suffix`.
pub(crate) fn row_name(table: &SnmpTable, column: &SnmpPoint, suffix: &[u32]) -> Option<PointName> {
    let index = index(table.index, suffix)?;
    format!("{}.{index}", column.point.name).parse().ok()
}

/// Remembers the rows there are; bounded even where an agent makes up new ones at every poll.
fn remember(table: &SnmpTable, known: &mut BTreeSet<PointName>, readings: &ByName) {
    let most = usize::from(table.max_rows) * table.columns.len();
    let room = most.saturating_sub(known.len());
    known.extend(readings.keys().take(room).cloned());
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
