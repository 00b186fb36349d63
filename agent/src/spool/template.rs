//! The words that samples have in common, kept once in the file: see [`pack`].

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use silkline_protocol::delivery::sender::Class;

use super::disk::Letter;
use super::pack::{self, Parts};

/// Templates that the file may hold: some for every device, since what is dark or bad is a word. Beyond
/// that samples are kept as they travel.
const MOST: i64 = 8_192;
/// Templates that are remembered at a time.
const REMEMBERED: usize = 4_096;
/// What a packed record takes beside its numbers: its row, its index entry, their pages' share.
const OVERHEAD: u64 = 60;

/// Templates that were used lately, by topic and words.
#[derive(Debug, Default)]
pub(super) struct Templates {
    known: BTreeMap<(String, String, Vec<u8>), i64>,
}

/// A record whose words are in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) template: i64,
    pub(super) numbers: Vec<u8>,
}

impl Packed {
    /// What it takes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        OVERHEAD + self.numbers.len() as u64
    }
}

impl Templates {
    /// The packed form of a sample; nothing where `letter` is none, or can't be packed.
    pub(super) fn pack(
        &mut self,
        file: &Connection,
        letter: &Letter,
    ) -> rusqlite::Result<Option<Packed>> {
        if letter.class != Class::Sample {
            return Ok(None);
        }
        let Some(Parts { words, numbers }) = pack::split(&letter.payload) else {
            return Ok(None);
        };
        let key = (letter.topic.clone(), letter.properties.clone(), words);
        let template = match self.known.get(&key) {
            Some(id) => Some(*id),
            None => {
                let id = kept(file, &key)?;
                if self.known.len() >= REMEMBERED {
                    self.known.clear();
                }
                self.known.extend(id.map(|id| (key, id)));
                id
            }
        };
        Ok(template.map(|template| Packed { template, numbers }))
    }
}

/// The number of a template, a new one where there is room.
fn kept(
    file: &Connection,
    (topic, properties, words): &(String, String, Vec<u8>),
) -> rusqlite::Result<Option<i64>> {
    let found: Option<i64> = file
        .prepare_cached(
            "SELECT id FROM template WHERE topic = ?1 AND properties = ?2 AND words = ?3",
        )?
        .query_row(params![topic, properties, words], |sql| sql.get(0))
        .optional()?;
    if found.is_some() {
        return Ok(found);
    }
    let count: i64 = file
        .prepare_cached("SELECT count(*) FROM template")?
        .query_row([], |sql| sql.get(0))?;
    if count >= MOST {
        return Ok(None);
    }
    file.prepare_cached("INSERT INTO template (topic, properties, words) VALUES (?1, ?2, ?3)")?
        .execute(params![topic, properties, words])?;
    Ok(Some(file.last_insert_rowid()))
}
