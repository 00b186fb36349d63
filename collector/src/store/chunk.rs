//! Many samples of one device in one row, compressed by column.
//!
//! ```text
//!   body    = version (u8)  samples (u32)  column…  CRC-32C of all that (u32)      little endian
//!   column  = what (varint)  bytes (varint)  bits
//!   what    = 0 times, 1 numbers, 2 late, 3 streams, 4 seqs, 5 + point: readings of a point
//!   reading = how each one is (whole.rs: value, none, dark, bad…), then the values (value.rs)
//! ```
//!
//! Times, numbers and values come back to the last bit. A column can be read without the others, so
//! a chart of one point decodes its own readings and the times, nothing else. Samples stand by rising
//! time, those of the same time by rising number.

use crc::{CRC_32_ISCSI, Crc};
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::readings::{self, PointRef};

mod bits;
mod value;
mod whole;

use bits::{BitReader, BitWriter};

/// The form that this code writes.
const VERSION: u8 = 1;
/// Samples that a chunk may hold: more are not believed.
const MOST_SAMPLES: usize = 1 << 16;

const TIMES: u64 = 0;
const NUMBERS: u64 = 1;
const LATE: u64 = 2;
const STREAMS: u64 = 3;
const SEQS: u64 = 4;
const FIRST_POINT: u64 = 5;

/// How a reading is: a value, none in this sample, dark, or one of the reasons.
const VALUE: i64 = 0;
const NONE: i64 = 1;
const FIRST_KIND: i64 = 2;

const CHECK: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// One sample as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Row {
    /// Its number.
    pub(in crate::store) id: i64,
    /// When it was taken.
    pub(in crate::store) at: Timestamp,
    /// Whether it came from a backlog.
    pub(in crate::store) late: bool,
    /// Its stream, and its number there.
    pub(in crate::store) stream: i64,
    pub(in crate::store) seq: i64,
    /// What was read.
    pub(in crate::store) readings: Vec<(PointRef, Reading)>,
}

/// A body that is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum Broken {
    #[error("its checksum is wrong")]
    Checksum,
    #[error("version {0} of the body, this program reads {VERSION}")]
    Version(u8),
    #[error("a column does not hold what it should")]
    Column,
}

/// What a column is of, and its bits.
type NamedColumn<'a> = (u64, &'a [u8]);

/// A body, opened for reading.
#[derive(Clone, Debug)]
pub(in crate::store) struct Chunk<'a> {
    samples: usize,
    columns: Vec<NamedColumn<'a>>,
}

/// The body of `rows`, which stand by rising time.
pub(in crate::store) fn pack(rows: &[Row]) -> Vec<u8> {
    let mut body = vec![VERSION];
    body.extend(u32::try_from(rows.len()).unwrap_or(u32::MAX).to_le_bytes());
    let whole = |of: fn(&Row) -> i64| {
        let mut bits = BitWriter::default();
        whole::encode(&rows.iter().map(of).collect::<Vec<_>>(), &mut bits);
        bits.finish()
    };
    put_column(&mut body, TIMES, &whole(|row| row.at.nanos()));
    put_column(&mut body, NUMBERS, &whole(|row| row.id));
    put_column(&mut body, LATE, &whole(|row| i64::from(row.late)));
    put_column(&mut body, STREAMS, &whole(|row| row.stream));
    put_column(&mut body, SEQS, &whole(|row| row.seq));
    for (point, column) in points(rows) {
        let what = FIRST_POINT + u64::from(point.0);
        put_column(&mut body, what, &column.pack(rows.len()));
    }
    body.extend(CHECK.checksum(&body).to_le_bytes());
    body
}

impl<'a> Chunk<'a> {
    /// Opens a body whose checksum is right.
    pub(in crate::store) fn open(body: &'a [u8]) -> Result<Self, Broken> {
        let (bytes, sum) = body.split_last_chunk::<4>().ok_or(Broken::Checksum)?;
        if CHECK.checksum(bytes) != u32::from_le_bytes(*sum) {
            return Err(Broken::Checksum);
        }
        let (version, bytes) = bytes.split_first().ok_or(Broken::Column)?;
        if *version != VERSION {
            return Err(Broken::Version(*version));
        }
        let (samples, mut rest) = bytes.split_first_chunk::<4>().ok_or(Broken::Column)?;
        let samples = u32::from_le_bytes(*samples) as usize;
        if samples > MOST_SAMPLES {
            return Err(Broken::Column);
        }
        let mut columns = Vec::new();
        while !rest.is_empty() {
            let (column, tail) = take_column(rest).ok_or(Broken::Column)?;
            columns.push(column);
            rest = tail;
        }
        Ok(Self { samples, columns })
    }

    /// How many samples it holds.
    pub(in crate::store) const fn samples(&self) -> usize {
        self.samples
    }

    /// When each sample was taken, by rising time.
    pub(in crate::store) fn times(&self) -> Result<Vec<Timestamp>, Broken> {
        let times = self.whole(TIMES)?.into_iter();
        Ok(times.map(Timestamp::from_nanos).collect())
    }

    /// The number of each sample.
    pub(in crate::store) fn numbers(&self) -> Result<Vec<i64>, Broken> {
        self.whole(NUMBERS)
    }

    /// The stream of each sample and its number there.
    pub(in crate::store) fn origins(&self) -> Result<Vec<(i64, i64)>, Broken> {
        let (streams, seqs) = (self.whole(STREAMS)?, self.whole(SEQS)?);
        Ok(streams.into_iter().zip(seqs).collect())
    }

    /// What each sample has of a point.
    pub(in crate::store) fn readings(
        &self,
        point: PointRef,
    ) -> Result<Vec<Option<Reading>>, Broken> {
        let wanted = FIRST_POINT + u64::from(point.0);
        match self.columns.iter().find(|(what, _)| *what == wanted) {
            Some((_, bytes)) => unpack(bytes, self.samples).ok_or(Broken::Column),
            None => Ok(vec![None; self.samples]),
        }
    }

    /// The samples at these positions, which rise.
    pub(in crate::store) fn rows_at(&self, positions: &[usize]) -> Result<Vec<Row>, Broken> {
        let (times, numbers) = (self.times()?, self.numbers()?);
        let (late, streams, seqs) = (self.whole(LATE)?, self.whole(STREAMS)?, self.whole(SEQS)?);
        let row = |at: &usize| {
            Some(Row {
                id: *numbers.get(*at)?,
                at: *times.get(*at)?,
                late: *late.get(*at)? != 0,
                stream: *streams.get(*at)?,
                seq: *seqs.get(*at)?,
                readings: Vec::with_capacity(self.columns.len()),
            })
        };
        let rows: Option<Vec<Row>> = positions.iter().map(row).collect();
        let mut rows = rows.ok_or(Broken::Column)?;
        for (what, bytes) in &self.columns {
            let Some(point) = what.checked_sub(FIRST_POINT) else {
                continue;
            };
            let point = PointRef(u32::try_from(point).map_err(|_| Broken::Column)?);
            let column = unpack(bytes, self.samples).ok_or(Broken::Column)?;
            for (row, at) in rows.iter_mut().zip(positions) {
                if let Some(reading) = column.get(*at).copied().flatten() {
                    row.readings.push((point, reading));
                }
            }
        }
        Ok(rows)
    }

    fn whole(&self, wanted: u64) -> Result<Vec<i64>, Broken> {
        let column = self.columns.iter().find(|(what, _)| *what == wanted);
        let (_, bytes) = column.ok_or(Broken::Column)?;
        whole::decode(self.samples, &mut BitReader::new(bytes)).ok_or(Broken::Column)
    }
}

/// The readings of a point, before they are written.
#[derive(Debug, Default)]
struct Column {
    /// How each reading up to here is; those behind have none.
    how: Vec<i64>,
    values: Vec<f64>,
}

impl Column {
    fn add(&mut self, at: usize, reading: Reading) {
        self.how.resize(at, NONE);
        match reading {
            Reading::Value(value) => {
                self.how.push(VALUE);
                self.values.push(value);
            }
            Reading::Dark | Reading::Bad(_) => {
                self.how
                    .push(FIRST_KIND - 1 + i64::from(readings::kind(reading)));
            }
        }
    }

    fn pack(mut self, samples: usize) -> Vec<u8> {
        self.how.resize(samples, NONE);
        let mut bits = BitWriter::default();
        whole::encode(&self.how, &mut bits);
        value::encode(&self.values, &mut bits);
        bits.finish()
    }
}

/// The columns of all points, in the order of their first appearance.
fn points(rows: &[Row]) -> Vec<(PointRef, Column)> {
    let mut columns: Vec<(PointRef, Column)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for (index, (point, reading)) in row.readings.iter().enumerate() {
            // Samples of a device nearly always have the same points in the same order.
            let usual = columns.get(index).is_some_and(|(known, _)| known == point);
            let found = match usual {
                true => Some(index),
                false => columns.iter().position(|(known, _)| known == point),
            };
            let position = found.unwrap_or_else(|| {
                columns.push((*point, Column::default()));
                columns.len() - 1
            });
            if let Some((_, column)) = columns.get_mut(position)
                && column.how.len() <= at
            {
                column.add(at, *reading);
            }
        }
    }
    columns
}

fn unpack(bytes: &[u8], samples: usize) -> Option<Vec<Option<Reading>>> {
    let mut bits = BitReader::new(bytes);
    let how = whole::decode(samples, &mut bits)?;
    let values = how.iter().filter(|how| **how == VALUE).count();
    let mut values = value::decode(values, &mut bits)?.into_iter();
    let reading = |how: i64| match how {
        VALUE => values.next().map(|value| Some(Reading::of(value))),
        NONE => Some(None),
        kind => {
            let kind = u8::try_from(kind - (FIRST_KIND - 1)).ok()?;
            Some(Some(readings::of_kind(kind)))
        }
    };
    how.into_iter().map(reading).collect()
}

fn put_column(body: &mut Vec<u8>, what: u64, bytes: &[u8]) {
    put_varint(body, what);
    put_varint(body, bytes.len() as u64);
    body.extend(bytes);
}

fn take_column(bytes: &[u8]) -> Option<(NamedColumn<'_>, &[u8])> {
    let (what, rest) = take_varint(bytes)?;
    let (length, rest) = take_varint(rest)?;
    let (column, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some(((what, column), rest))
}

/// Seven bits a byte, the lowest first; all bytes but the last have the highest bit set.
fn put_varint(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.extend((number | 0x80).to_le_bytes().first());
        number >>= 7;
    }
    body.extend(number.to_le_bytes().first());
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use silkline_protocol::sample::BadReading;

    use super::*;

    fn reading() -> impl Strategy<Value = Reading> {
        prop_oneof![
            6 => (-3000_i32..3000).prop_map(|n| Reading::Value(f64::from(n) / 100.0)),
            1 => any::<f64>().prop_map(Reading::of),
            1 => Just(Reading::Dark),
            1 => Just(Reading::Bad(BadReading::Timeout)),
            1 => Just(Reading::Bad(BadReading::Unknown)),
        ]
    }

    fn row() -> impl Strategy<Value = Row> {
        let readings = prop::collection::btree_map(0_u32..12, reading(), 0..8);
        (
            any::<i64>(),
            0_i64..1 << 62,
            any::<bool>(),
            any::<i64>(),
            any::<i64>(),
            readings,
        )
            .prop_map(|(id, at, late, stream, seq, readings)| Row {
                id,
                at: Timestamp::from_nanos(at),
                late,
                stream,
                seq,
                readings: readings
                    .into_iter()
                    .map(|(p, r)| (PointRef(p), r))
                    .collect(),
            })
    }

    /// A row with its readings in one order: which one is no part of a sample.
    fn sorted(mut row: Row) -> Row {
        row.readings.sort_by_key(|(point, _)| *point);
        row
    }

    proptest! {
        #[test]
        fn every_sample_comes_back(rows in prop::collection::vec(row(), 0..60)) {
            let body = pack(&rows);
            let chunk = Chunk::open(&body).unwrap();
            let back: Vec<Row> = chunk.rows_at(&(0..chunk.samples()).collect::<Vec<_>>()).unwrap().into_iter().map(sorted).collect();
            prop_assert_eq!(&back, &rows);
            let point = PointRef(3);
            let alone = chunk.readings(point).unwrap();
            let of = |row: &Row| row.readings.iter().find(|(p, _)| *p == point).map(|(_, r)| *r);
            prop_assert_eq!(alone, rows.iter().map(of).collect::<Vec<_>>());
        }

        #[test]
        fn any_damage_is_noticed(
            rows in prop::collection::vec(row(), 1..20),
            at in any::<prop::sample::Index>(),
            bit in 0_u32..8,
        ) {
            let mut body = pack(&rows);
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            prop_assert_eq!(Chunk::open(&body).unwrap_err(), Broken::Checksum);
        }

        /// Somebody may write a right checksum under a wrong body.
        #[test]
        fn any_body_gives_samples_or_nothing(mut body in prop::collection::vec(any::<u8>(), 0..200)) {
            body.splice(0..0, [VERSION, 9, 0, 0, 0]);
            body.extend(CHECK.checksum(&body).to_le_bytes());
            if let Ok(chunk) = Chunk::open(&body) {
                prop_assert!(chunk.rows_at(&[0, 8]).is_err() || chunk.samples() == 9);
            }
        }
    }

    #[test]
    fn a_newer_form_is_refused_by_name() {
        let mut body = vec![VERSION + 1, 0, 0, 0, 0];
        body.extend(CHECK.checksum(&body).to_le_bytes());
        assert_eq!(
            Chunk::open(&body).unwrap_err(),
            Broken::Version(VERSION + 1)
        );
    }

    /// Half a day of an amplifier, read once a minute: forty readings of hundredths and tenths.
    #[test]
    fn a_reading_takes_about_half_a_byte() {
        let mut state = 1_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX)
        };
        let row = |minute: i64| Row {
            id: minute * 250,
            at: Timestamp::from_nanos(minute * 60_000_000_000 + minute % 7 * 1_234_567),
            late: false,
            stream: 3,
            seq: minute * 2,
            readings: (0..40)
                .map(|point| {
                    let value = -17.0 + f64::from(point) + 0.06 * noise();
                    (
                        PointRef(point),
                        Reading::Value((value * 100.0).round() / 100.0),
                    )
                })
                .collect(),
        };
        let rows: Vec<Row> = (0..480).map(row).collect();
        let bytes = pack(&rows).len();
        assert!(bytes < 480 * 40 * 6 / 10, "{bytes} bytes");
    }
}
