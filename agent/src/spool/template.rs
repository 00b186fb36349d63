//! The words that samples have in common, kept once in the file: see [`pack`].

use std::collections::{BTreeMap, VecDeque};

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

/// Templates that were used lately.
#[derive(Debug, Default)]
pub(super) struct Templates {
    /// By topic, the one that was used last in front: a device changes its words now and then.
    known: BTreeMap<String, VecDeque<Known>>,
    count: usize,
}

#[derive(Debug)]
struct Known {
    id: i64,
    properties: String,
    words: Vec<u8>,
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
        if let Some(packed) = self.fitting(letter) {
            return Ok(Some(packed));
        }
        let Some(Parts { words, numbers }) = pack::split(&letter.payload) else {
            return Ok(None);
        };
        let Some(template) = kept(file, (&letter.topic, &letter.properties, &words))? else {
            return Ok(None);
        };
        if self.count >= REMEMBERED {
            *self = Self::default();
        }
        self.count += 1;
        let known = self.known.entry(letter.topic.clone()).or_default();
        known.push_front(Known {
            id: template,
            properties: letter.properties.clone(),
            words,
        });
        Ok(Some(Packed { template, numbers }))
    }

    /// The packed form by a template that is remembered.
    fn fitting(&mut self, letter: &Letter) -> Option<Packed> {
        let known = self.known.get_mut(&letter.topic)?;
        let mut alike = known.iter().enumerate();
        let (at, packed) = alike.find_map(|(at, known)| {
            if known.properties != letter.properties {
                return None;
            }
            let numbers = pack::fit(&known.words, &letter.payload)?;
            let template = known.id;
            Some((at, Packed { template, numbers }))
        })?;
        known.swap(0, at);
        Some(packed)
    }
}

/// The number of a template, a new one where there is room.
fn kept(
    file: &Connection,
    (topic, properties, words): (&str, &str, &[u8]),
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
