//! The order of a history: as it stands where it is nearly that of time, sorted where it is not.
//!
//! A few rows that come late are what a live system meets, and stay where they are. A file that
//! holds one device after the other is no such thing: it is sorted, in pieces on disk, so that
//! only one piece is in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use csv::{Reader, StringRecord, StringRecordsIntoIter};
use silkline_protocol::time::Timestamp;

use super::rows::BadFile;

/// Rows further back than this are out of order.
const BACK: core::time::Duration = core::time::Duration::from_secs(60);

/// A file with one row in this many out of order is sorted.
const SHARE: u64 = 20;

/// Rows that are no text, of which so many are told: there is no end to what is no history.
const UNREADABLE: usize = 10_000;

/// Rows of a piece.
const PIECE: usize = 200_000;

/// Where records come from.
pub(super) enum Source {
    /// The file as it stands.
    File {
        records: Box<StringRecordsIntoIter<File>>,
        bytes: u64,
        read: u64,
    },
    /// Pieces on disk, each sorted.
    Pieces(Box<Merge>),
}

/// A record with the line that it stood on.
type Numbered = (u64, StringRecord);

impl Source {
    pub(super) fn next(&mut self) -> Option<Result<Numbered, csv::Error>> {
        match self {
            Self::File { records, read, .. } => {
                let line = records.reader().position().line();
                let next = records.next()?;
                *read = records.reader().position().byte();
                Some(next.map(|record| {
                    let own = record.position().map_or(line, csv::Position::line);
                    (own, record)
                }))
            }
            Self::Pieces(merge) => merge.next(),
        }
    }

    /// How much was read, in per cent.
    pub(super) fn share(&self) -> f64 {
        let (read, all) = match self {
            Self::File { read, bytes, .. } => (*read, *bytes),
            Self::Pieces(merge) => (merge.given, merge.rows),
        };
        100.0 * read as f64 / all.max(1) as f64
    }
}

/// The records of `reader`, whose headers were read, in an order fit to be replayed.
pub(super) fn source(path: &Path, mut reader: Reader<File>, at: usize) -> Result<Source, BadFile> {
    let bytes = path.metadata()?.len();
    let start = reader.position().clone();
    let sort = is_disordered(&mut reader, at);
    reader.seek(start)?;
    if sort {
        return Ok(Source::Pieces(Box::new(Merge::of(reader, at)?)));
    }
    Ok(Source::File {
        records: Box::new(reader.into_records()),
        bytes,
        read: 0,
    })
}

fn is_disordered(reader: &mut Reader<File>, at: usize) -> bool {
    let (mut rows, mut back, mut newest) = (0_u64, 0_u64, Timestamp::EPOCH);
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if error.is_io_error() => break,
            Err(_) => continue,
        }
        let Some(time) = time_of(&record, at) else {
            continue;
        };
        rows += 1;
        back += u64::from(newest - time > BACK);
        newest = newest.max(time);
    }
    back.saturating_mul(SHARE) > rows
}

fn time_of(record: &StringRecord, at: usize) -> Option<Timestamp> {
    record.get(at)?.parse().ok()
}

/// A record by its time, its line and its piece.
type Head = (Timestamp, u64, usize, Vec<String>);

/// Sorted pieces that are read together.
pub(super) struct Merge {
    pieces: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<Head>>,
    rows: u64,
    given: u64,
    failed: Option<csv::Error>,
    /// Rows that are no text, told before all others.
    unreadable: Vec<csv::Error>,
}

impl Merge {
    /// Sorts all records of `reader` by time; equal times keep their order. Those without a time
    /// come first, to be complained of.
    fn of(reader: Reader<File>, at: usize) -> Result<Self, BadFile> {
        let mut merge = Self {
            pieces: Vec::new(),
            heads: BinaryHeap::new(),
            rows: 0,
            given: 0,
            failed: None,
            unreadable: Vec::new(),
        };
        let mut piece: Vec<(Timestamp, u64, Vec<String>)> = Vec::new();
        for record in reader.into_records() {
            let record = match record {
                Ok(record) => record,
                Err(error) if error.is_io_error() => return Err(error.into()),
                Err(error) => {
                    if merge.unreadable.len() < UNREADABLE {
                        merge.unreadable.push(error);
                    }
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let time = time_of(&record, at).unwrap_or(Timestamp::EPOCH);
            piece.push((time, line, record.iter().map(str::to_owned).collect()));
            merge.rows += 1;
            if piece.len() >= PIECE {
                merge.put(&mut piece)?;
            }
        }
        merge.put(&mut piece)?;
        for k in 0..merge.pieces.len() {
            merge.refill(k)?;
        }
        Ok(merge)
    }

    fn put(&mut self, piece: &mut Vec<(Timestamp, u64, Vec<String>)>) -> io::Result<()> {
        piece.sort();
        let mut file = scratch()?;
        let mut writer = BufWriter::new(&mut file);
        for row in piece.drain(..) {
            serde_json::to_writer(&mut writer, &row)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        drop(writer);
        file.seek(SeekFrom::Start(0))?;
        self.pieces.push(BufReader::new(file));
        Ok(())
    }

    fn refill(&mut self, k: usize) -> io::Result<()> {
        let mut line = String::new();
        let Some(piece) = self.pieces.get_mut(k) else {
            return Ok(());
        };
        if piece.read_line(&mut line)? > 0 {
            let (time, number, fields) = serde_json::from_str(&line)?;
            self.heads.push(Reverse((time, number, k, fields)));
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Result<Numbered, csv::Error>> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        if let Some(error) = self.unreadable.pop() {
            return Some(Err(error));
        }
        let Reverse((_, line, k, fields)) = self.heads.pop()?;
        self.given += 1;
        if let Err(error) = self.refill(k) {
            self.failed = Some(error.into());
        }
        Some(Ok((line, StringRecord::from(fields))))
    }
}

/// A file without a name: gone with the program, however that ends.
fn scratch() -> io::Result<File> {
    let name = format!(
        "silkline-replay-{}-{}",
        std::process::id(),
        uuid::Uuid::now_v7()
    );
    let path = std::env::temp_dir().join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
