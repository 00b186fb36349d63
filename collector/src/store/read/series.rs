//! Series of readings, as they were or in bins, and samples in the order of their numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Row, params};
use silkline_protocol::id::PointName;
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::Queries;
use super::live::number_of;
use crate::store::column::{Column, text, time};
use crate::store::readings::PointRef;
use crate::store::rows::{RowId, SampleRow, SeriesBin, SeriesPoint, SeriesQuery};
use crate::store::{StoreError, readings};

/// The names of all points.
pub(in crate::store) type PointNames = BTreeMap<PointRef, PointName>;

/// A device that serves several lines has the same samples for each: one of its rows is enough.
const OF_DEVICE: &str = "SELECT s.at, s.readings FROM sample s
    WHERE s.device = (SELECT ref FROM device WHERE site = ?1 AND device = ?2
                      ORDER BY seen DESC, ref LIMIT 1)
    AND s.at >= ?3 AND s.at < ?4 ORDER BY s.at";
const BY_NUMBER: &str = "SELECT s.id, d.line, d.site, d.device, s.late, s.at, s.readings
    FROM sample s JOIN device d ON d.ref = s.device";

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
        self.rows(&sql, params![after.0, number_of(most)], |row| {
            sample(row, &names)
        })
    }

    /// Samples with numbers above `after` as they are stored, lowest first, at most `most`: number,
    /// device, time, readings.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn raw_after(&self, after: RowId, most: usize) -> Result<Vec<RawSample>, StoreError> {
        let sql = "SELECT id, device, at, readings FROM sample WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.rows(sql, params![after.0, number_of(most)], |row| {
            Ok((RowId(row.get(0)?), row.get(1)?, time(row, 2)?, row.get(3)?))
        })
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
        // The plus keeps SQLite from the index by device: few numbers are above, many of the device.
        let sql = "SELECT at, readings FROM sample WHERE id > ?1 AND +device = ?2";
        self.rows(sql, params![after.0, device], |row| {
            Ok((time(row, 0)?, row.get(1)?))
        })
    }

    /// The numbers of the device and the point that are asked for, where both are known.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn refs(&self, query: &SeriesQuery) -> Result<Option<(i64, PointRef)>, StoreError> {
        let device = "SELECT ref FROM device WHERE site = ?1 AND device = ?2
            ORDER BY seen DESC, ref LIMIT 1";
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
        let newest: Option<i64> = self
            .db
            .query_row("SELECT max(id) FROM sample", [], |row| row.get(0))?;
        Ok(newest.map(RowId))
    }

    /// How many samples the store holds.
    ///
    /// # Errors
    ///
    /// Where the store cannot be read.
    pub fn sample_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self
            .db
            .query_row("SELECT count(*) FROM sample", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The names of all points, by their numbers.
    pub(in crate::store) fn point_names(&self) -> Result<PointNames, StoreError> {
        let pairs = self.rows("SELECT ref, name FROM point", [], |row| {
            Ok((PointRef(row.get(0)?), text(row, 1)?))
        })?;
        Ok(pairs.into_iter().collect())
    }

    /// Gives each reading of a point to `take`, until it has had enough.
    fn each_reading(
        &self,
        query: &SeriesQuery,
        mut take: impl FnMut(SeriesPoint) -> bool,
    ) -> Result<(), StoreError> {
        let wanted = self.rows(
            "SELECT ref FROM point WHERE name = ?1",
            [query.point.as_str()],
            |row| row.get(0).map(PointRef),
        )?;
        let Some(wanted) = wanted.first().copied() else {
            return Ok(());
        };
        let mut statement = self.db.prepare_cached(OF_DEVICE)?;
        let (site, device) = (query.site.as_str(), query.device.as_str());
        let mut rows =
            statement.query(params![site, device, query.from.nanos(), query.to.nanos()])?;
        while let Some(row) = rows.next()? {
            let at = time(row, 0)?;
            let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
            let found = readings::decode(bytes).find(|(point, _)| *point == wanted);
            if let Some((_, reading)) = found
                && !take(SeriesPoint { at, reading })
            {
                break;
            }
        }
        Ok(())
    }
}

/// A row of [`BY_NUMBER`].
fn sample(row: &Row<'_>, names: &PointNames) -> Column<SampleRow> {
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
    row: &Row<'_>,
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
