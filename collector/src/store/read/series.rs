//! Series of readings, as they were or in bins, and samples in the order of their numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Rows, params};
use silkline_protocol::id::{DeviceId, LineId, PointName, SiteId};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::Queries;
use crate::store::chunk::Row;
use crate::store::column::{Column, number_of, text, time};
use crate::store::readings::PointRef;
use crate::store::rows::{RowId, SampleRow, SeriesBin, SeriesPoint, SeriesQuery};
use crate::store::{StoreError, readings};

/// The names of all points.
pub(in crate::store) type PointNames = BTreeMap<PointRef, PointName>;

/// The line, site and name of each device.
type DeviceNames = BTreeMap<i64, (LineId, SiteId, DeviceId)>;

const OF_DEVICE: &str = "SELECT at, readings FROM sample
    WHERE device = ?1 AND at >= ?2 AND at < ?3 ORDER BY at";
const BY_NUMBER: &str = "SELECT s.id, d.line, d.site, d.device, s.late, s.at, s.readings
    FROM sample s JOIN device d ON d.ref = s.device";

/// How many samples there are, in the head and sealed.
const COUNT: &str = "SELECT (SELECT count(*) FROM sample)
    + (SELECT coalesce(sum(samples), 0) FROM chunk)";

/// A sample as it is stored: its number, its device, its time, its readings.
pub(in crate::store) type RawSample = (RowId, i64, Timestamp, Vec<u8>);

impl Queries<'_> {
    /// The readings of a point by rising time, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn series(&self, query: &SeriesQuery, most: usize) -> Result<Vec<SeriesPoint>, StoreError> {
        let mut found = Vec::new();
        self.each_reading(query, |point| {
            found.push(point);
            found.len() < most
        })?;
        Ok(found)
    }

    /// The readings of a point in bins of `width`, by rising time; stretches without any sample are
    /// left out.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn series_bins(
        &self,
        query: &SeriesQuery,
        width: Duration,
    ) -> Result<Vec<SeriesBin>, StoreError> {
        let width = i64::try_from(width.as_nanos()).unwrap_or(i64::MAX).max(1);
        let mut bins: Vec<SeriesBin> = Vec::new();
        self.each_reading(query, |point| {
            let nanos = point.at.nanos();
            let start = Timestamp::from_nanos(nanos - nanos.rem_euclid(width));
            match bins.last_mut() {
                Some(bin) if bin.at == start => bin.add(point.reading),
                _ => {
                    let mut bin = SeriesBin::empty(start);
                    bin.add(point.reading);
                    bins.push(bin);
                }
            }
            true
        })?;
        Ok(bins)
    }

    /// Samples with numbers above `after`, lowest first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn samples_after(&self, after: RowId, most: usize) -> Result<Vec<SampleRow>, StoreError> {
        let names = self.point_names()?;
        let sql = format!("{BY_NUMBER} WHERE s.id > ?1 ORDER BY s.id LIMIT ?2");
        let head = self.rows(&sql, params![after.0, number_of(most)], |row| {
            sample(row, &names)
        })?;
        let sealed = self.sealed_after(after, None, most)?;
        if sealed.is_empty() {
            return Ok(head);
        }
        let devices = self.device_names()?;
        let named = sealed.into_iter().filter_map(|(device, row)| {
            let (line, site, device) = devices.get(&device)?.clone();
            Some(SampleRow {
                id: RowId(row.id),
                line,
                site,
                device,
                late: row.late,
                sample: unsealed(row, &names),
            })
        });
        Ok(merged(named.collect(), head, |row| row.id, most))
    }

    /// Samples with numbers above `after` as they are stored, lowest first, at most `most`: number,
    /// device, time, readings.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn raw_after(&self, after: RowId, most: usize) -> Result<Vec<RawSample>, StoreError> {
        let sql = "SELECT id, device, at, readings FROM sample WHERE id > ?1 ORDER BY id LIMIT ?2";
        let head = self.rows(sql, params![after.0, number_of(most)], |row| {
            Ok((RowId(row.get(0)?), row.get(1)?, time(row, 2)?, row.get(3)?))
        })?;
        let sealed = self.sealed_after(after, None, most)?;
        let raw = |(device, row): (i64, Row)| {
            let readings = readings::encode(row.readings);
            (RowId(row.id), device, row.at, readings)
        };
        let sealed = sealed.into_iter().map(raw).collect();
        Ok(merged(sealed, head, |row: &RawSample| row.0, most))
    }

    /// Samples of one device with numbers above `after` as they are stored: time, readings.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn raw_of_device(
        &self,
        device: i64,
        after: RowId,
    ) -> Result<Vec<(Timestamp, Vec<u8>)>, StoreError> {
        let sealed = self.sealed_after(after, Some(device), usize::MAX)?;
        let raw = |(_, row): (i64, Row)| (row.at, readings::encode(row.readings));
        let mut all: Vec<_> = sealed.into_iter().map(raw).collect();
        // The plus keeps SQLite from the index by device: few numbers are above, many of the device.
        let sql = "SELECT at, readings FROM sample WHERE id > ?1 AND +device = ?2";
        all.extend(self.rows(sql, params![after.0, device], |row| {
            Ok((time(row, 0)?, row.get(1)?))
        })?);
        Ok(all)
    }

    /// The numbers of the device and the point that are asked for, where both are known.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn refs(&self, query: &SeriesQuery) -> Result<Option<(i64, PointRef)>, StoreError> {
        let device = "SELECT ref FROM device WHERE site = ?1 AND device = ?2
            ORDER BY (SELECT max(at) FROM sample WHERE device = ref) DESC, ref LIMIT 1";
        let key = params![query.site.as_str(), query.device.as_str()];
        let device = self.rows(device, key, |row| row.get(0))?;
        let point = "SELECT ref FROM point WHERE name = ?1";
        let point = self.rows(point, [query.point.as_str()], |row| {
            row.get(0).map(PointRef)
        })?;
        Ok(device.first().copied().zip(point.first().copied()))
    }

    /// The number of the sample that was stored last.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn newest_sample(&self) -> Result<Option<RowId>, StoreError> {
        let max = |sql| -> Result<Option<i64>, StoreError> {
            Ok(self.db.query_row(sql, [], |row| row.get(0))?)
        };
        let head = max("SELECT max(id) FROM sample")?;
        Ok(head.max(max("SELECT max(last_id) FROM chunk")?).map(RowId))
    }

    /// How many samples the store holds.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn sample_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.db.query_row(COUNT, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The names of all points, by their numbers.
    pub(in crate::store) fn point_names(&self) -> Result<PointNames, StoreError> {
        let pairs = self.rows("SELECT ref, name FROM point", [], |row| {
            Ok((PointRef(row.get(0)?), text(row, 1)?))
        })?;
        Ok(pairs.into_iter().collect())
    }

    /// The line, site and name of each device, by its number.
    fn device_names(&self) -> Result<DeviceNames, StoreError> {
        let sql = "SELECT ref, line, site, device FROM device";
        let all = self.rows(sql, [], |row| {
            Ok((row.get(0)?, (text(row, 1)?, text(row, 2)?, text(row, 3)?)))
        })?;
        Ok(all.into_iter().collect())
    }

    /// Gives each reading of a point to `take` by rising time, until it has had enough.
    ///
    /// A device that serves several lines has the same samples for each: one of its rows is enough.
    fn each_reading(
        &self,
        query: &SeriesQuery,
        mut take: impl FnMut(SeriesPoint) -> bool,
    ) -> Result<(), StoreError> {
        let Some((device, point)) = self.refs(query)? else {
            return Ok(());
        };
        let mut statement = self.db.prepare_cached(OF_DEVICE)?;
        let key = params![device, query.from.nanos(), query.to.nanos()];
        let mut merge = Merge::new(Head {
            rows: statement.query(key)?,
            point,
        })?;
        for sealed in self.chunks_within(device, query.from, query.to)? {
            if !merge.give_before(Some(sealed.first), &mut take)? {
                return Ok(());
            }
            let mut series = self.sealed_series(sealed, point)?;
            series.retain(|it| it.at >= query.from && it.at < query.to);
            merge.add(series);
        }
        merge.give_before(None, &mut take)?;
        Ok(())
    }
}

/// The readings of a point in the head, by rising time.
struct Head<'a> {
    rows: Rows<'a>,
    point: PointRef,
}

impl Head<'_> {
    fn next(&mut self) -> Result<Option<SeriesPoint>, StoreError> {
        while let Some(row) = self.rows.next()? {
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            let found = readings::decode(bytes).find(|(point, _)| *point == self.point);
            if let Some((_, reading)) = found {
                let at = time(row, 0)?;
                return Ok(Some(SeriesPoint { at, reading }));
            }
        }
        Ok(None)
    }
}

/// Readings of the head and of chunks, brought into one order of time.
struct Merge<'a> {
    head: Head<'a>,
    next: Option<SeriesPoint>,
    /// Of chunks, not given yet, by falling time.
    sealed: Vec<SeriesPoint>,
}

impl<'a> Merge<'a> {
    fn new(mut head: Head<'a>) -> Result<Self, StoreError> {
        let next = head.next()?;
        let sealed = Vec::new();
        Ok(Self { head, next, sealed })
    }

    fn add(&mut self, series: Vec<SeriesPoint>) {
        self.sealed.reverse();
        self.sealed.extend(series);
        self.sealed.sort_by_key(|it| it.at);
        self.sealed.reverse();
    }

    /// Gives everything before `end`, all where there is none; whether more is wanted.
    fn give_before(
        &mut self,
        end: Option<i64>,
        take: &mut impl FnMut(SeriesPoint) -> bool,
    ) -> Result<bool, StoreError> {
        let within = |it: &&SeriesPoint| end.is_none_or(|end| it.at.nanos() < end);
        loop {
            let sealed = self.sealed.last().filter(within).copied();
            let head = self.next.as_ref().filter(within).copied();
            let point = match (sealed, head) {
                (None, None) => return Ok(true),
                (Some(sealed), None) => sealed,
                (Some(sealed), Some(head)) if sealed.at <= head.at => sealed,
                (_, Some(head)) => {
                    self.next = self.head.next()?;
                    if !take(head) {
                        return Ok(false);
                    }
                    continue;
                }
            };
            self.sealed.pop();
            if !take(point) {
                return Ok(false);
            }
        }
    }
}

/// The lowest `most` of two lists that rise.
fn merged<T>(sealed: Vec<T>, head: Vec<T>, id: impl Fn(&T) -> RowId, most: usize) -> Vec<T> {
    if sealed.is_empty() {
        return head;
    }
    let mut all = sealed;
    all.extend(head);
    all.sort_by_key(id);
    all.truncate(most);
    all
}

/// The sample in a row of a chunk.
pub(in crate::store) fn unsealed(row: Row, names: &PointNames) -> Sample {
    let named = |(point, reading)| Some((names.get(&point)?.clone(), reading));
    Sample {
        at: row.at,
        readings: row.readings.into_iter().filter_map(named).collect(),
    }
}

/// A row of [`BY_NUMBER`].
fn sample(row: &rusqlite::Row<'_>, names: &PointNames) -> Column<SampleRow> {
    Ok(SampleRow {
        id: RowId(row.get(0)?),
        line: text(row, 1)?,
        site: text(row, 2)?,
        device: text(row, 3)?,
        late: row.get(4)?,
        sample: readings_at(row, 5, names)?,
    })
}

/// The sample whose time stands in column `at` and whose readings stand in the one after it.
pub(in crate::store) fn readings_at(
    row: &rusqlite::Row<'_>,
    at: usize,
    names: &PointNames,
) -> Column<Sample> {
    let bytes = row.get_ref(at + 1)?.as_blob().unwrap_or_default();
    let readings = readings::decode(bytes)
        .filter_map(|(point, reading)| Some((names.get(&point)?.clone(), reading)))
        .collect();
    Ok(Sample {
        at: time(row, at)?,
        readings,
    })
}

impl SeriesBin {
    const fn empty(at: Timestamp) -> Self {
        Self {
            at,
            min: None,
            max: None,
            mean: None,
            values: 0,
            dark: 0,
            bad: 0,
        }
    }

    fn add(&mut self, reading: Reading) {
        match reading {
            Reading::Value(value) => {
                self.values += 1;
                let mean = self.mean.unwrap_or(0.0);
                self.mean = Some(mean + (value - mean) / f64::from(self.values));
                self.min = Some(self.min.map_or(value, |min| min.min(value)));
                self.max = Some(self.max.map_or(value, |max| max.max(value)));
            }
            Reading::Dark => self.dark += 1,
            Reading::Bad(_) => self.bad += 1,
        }
    }
}
