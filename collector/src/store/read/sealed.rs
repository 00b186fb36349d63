//! What is in chunks, so that readers see it and the head as one.
//!
//! A chunk that cannot be read is said in the log and left out: one damaged row must not stop a
//! chart, a forwarder or a start. `backup` names it.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use rusqlite::params;
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::Queries;
use crate::store::StoreError;
use crate::store::chunk::{Broken, Chunk, Row};
use crate::store::readings::PointRef;
use crate::store::rows::{RowId, SeriesPoint};

/// Names a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Its number among chunks.
    chunk: i64,
    /// What it begins with, in the order that was asked for: a time or a number.
    pub(super) first: i64,
}

impl Queries<'_> {
    /// The chunks of a device that have samples from `from` to before `to`, by rising time.
    pub(super) fn chunks_within(
        &self,
        device: i64,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Sealed>, StoreError> {
        let sql = "SELECT id, first_at FROM chunk
            WHERE device = ?1 AND first_at < ?3 AND last_at >= ?2 ORDER BY first_at, id";
        self.rows(sql, params![device, from.nanos(), to.nanos()], |row| {
            let (chunk, first) = (row.get(0)?, row.get(1)?);
            Ok(Sealed { chunk, first })
        })
    }

    /// The readings of a point in a chunk, by rising time.
    pub(super) fn sealed_series(
        &self,
        sealed: Sealed,
        point: PointRef,
    ) -> Result<Vec<SeriesPoint>, StoreError> {
        let read = |chunk: &Chunk<'_>| {
            let times = chunk.times()?;
            let all = times.into_iter().zip(chunk.readings(point)?);
            let there = |(at, reading): (Timestamp, Option<Reading>)| {
                reading.map(|reading| SeriesPoint { at, reading })
            };
            Ok(all.filter_map(there).collect())
        };
        Ok(self.opened(sealed.chunk, read)?.unwrap_or_default())
    }

    /// Sealed samples with numbers above `after` by rising number, at most `most`, each with its
    /// device; of `device` alone where one is named.
    pub(super) fn sealed_after(
        &self,
        after: RowId,
        device: Option<i64>,
        most: usize,
    ) -> Result<Vec<(i64, Row)>, StoreError> {
        let sql = "SELECT id, first_id, device FROM chunk
            WHERE last_id > ?1 AND (?2 IS NULL OR device = ?2)";
        let mut chunks = self.rows(sql, params![after.0, device], |row| {
            let (chunk, first) = (row.get(0)?, row.get(1)?);
            Ok((Sealed { chunk, first }, row.get(2)?))
        })?;
        chunks.sort_by_key(|(sealed, _)| sealed.first);
        // Numbers alone first: which samples they are is decoded for those that are wanted.
        let mut lowest = BinaryHeap::new();
        let mut asked = 0;
        for (sealed, _) in &chunks {
            let highest = lowest.peek().copied().unwrap_or(i64::MAX);
            if lowest.len() >= most && sealed.first > highest {
                break;
            }
            asked += 1;
            let numbers = self.opened(sealed.chunk, |chunk| chunk.numbers())?;
            lowest.extend(numbers.into_iter().flatten().filter(|id| *id > after.0));
            while lowest.len() > most {
                lowest.pop();
            }
        }
        let upto = lowest.peek().copied().unwrap_or(after.0);
        let wanted = |chunk: &Chunk<'_>| {
            let numbers = chunk.numbers()?.into_iter().enumerate();
            let within = numbers.filter(|(_, id)| *id > after.0 && *id <= upto);
            let positions: Vec<usize> = within.map(|(at, _)| at).collect();
            match positions.is_empty() {
                true => Ok(Vec::new()),
                false => chunk.rows_at(&positions),
            }
        };
        let mut found = Vec::with_capacity(lowest.len());
        for (sealed, device) in chunks.into_iter().take(asked) {
            let rows = self.opened(sealed.chunk, wanted)?.unwrap_or_default();
            found.extend(rows.into_iter().map(|row| (device, row)));
        }
        found.sort_unstable_by_key(|(_, row)| row.id);
        Ok(found)
    }

    /// Of the sealed samples of a device from `from` on, the one with the lowest number in each
    /// stretch of `width` nanoseconds, with the stretch it is of.
    pub(in crate::store) fn sealed_thinned(
        &self,
        device: i64,
        from: Timestamp,
        width: i64,
    ) -> Result<Vec<(i64, Row)>, StoreError> {
        let mut found = Vec::new();
        let end = Timestamp::from_nanos(i64::MAX);
        for sealed in self.chunks_within(device, from, end)? {
            let pick = |chunk: &Chunk<'_>| chunk.rows_at(&thinned(chunk, from, width)?);
            let rows = self.opened(sealed.chunk, pick)?.unwrap_or_default();
            let stretch = |row: Row| (row.at.nanos().div_euclid(width), row);
            found.extend(rows.into_iter().map(stretch));
        }
        Ok(found)
    }

    /// Which of these pairs of a stream and a number there are sealed.
    pub(super) fn sealed_numbers(
        &self,
        wanted: &BTreeSet<(i64, i64)>,
    ) -> Result<BTreeSet<(i64, i64)>, StoreError> {
        let chunks: Vec<i64> = self.rows("SELECT id FROM chunk", [], |row| row.get(0))?;
        let mut there = BTreeSet::new();
        for chunk in chunks {
            let all = self.opened(chunk, |chunk| chunk.origins())?;
            let all = all.unwrap_or_default();
            there.extend(all.into_iter().filter(|number| wanted.contains(number)));
        }
        Ok(there)
    }

    /// What `read` makes of a chunk; nothing where it cannot be read, which is said.
    fn opened<T>(
        &self,
        chunk: i64,
        read: impl FnOnce(&Chunk<'_>) -> Result<T, Broken>,
    ) -> Result<Option<T>, StoreError> {
        let mut sql = self
            .db
            .prepare_cached("SELECT body FROM chunk WHERE id = ?1")?;
        let mut rows = sql.query([chunk])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        match Chunk::open(body).and_then(|opened| read(&opened)) {
            Ok(read) => Ok(Some(read)),
            Err(error) => {
                tracing::error!(chunk, %error, "samples of the hot store cannot be read");
                Ok(None)
            }
        }
    }
}

/// The positions of the samples with the lowest number in each stretch, from `from` on.
fn thinned(chunk: &Chunk<'_>, from: Timestamp, width: i64) -> Result<Vec<usize>, Broken> {
    let mut lowest = BTreeMap::new();
    let all = chunk.times()?.into_iter().zip(chunk.numbers()?).enumerate();
    for (position, (at, id)) in all.filter(|(_, (at, _))| *at >= from) {
        let stretch = at.nanos().div_euclid(width);
        let best = lowest.entry(stretch).or_insert((id, position));
        *best = (*best).min((id, position));
    }
    let mut positions: Vec<usize> = lowest.into_values().map(|(_, at)| at).collect();
    positions.sort_unstable();
    Ok(positions)
}
