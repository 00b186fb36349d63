//! The rows of a history: read one by one, put together by moment and device.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use silkline_protocol::device::{Role, Unit};
use silkline_protocol::id::{DeviceId, LineId, PointName, SiteId};
use silkline_protocol::sample::{BadReading, Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::order::{self, Source};

/// Rows of one moment that are put together; more make another moment of the same time.
const MOMENT: usize = 100_000;

/// Why a file can't be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadFile {
    /// It cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It is no CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// It lacks a column.
    #[error("has no column {0:?}; want at,line,site,device,point,value and optionally role,unit")]
    Column(&'static str),
    /// It ends where it should not.
    #[error("cannot be read to its end: {0}")]
    Torn(csv::Error),
}

/// Everything that came at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) polls: Vec<Poll>,
}

/// One device's part in a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Poll {
    pub(super) line: LineId,
    pub(super) site: SiteId,
    pub(super) device: DeviceId,
    pub(super) sample: Sample,
    /// Roles and units, where the rows tell them.
    pub(super) meaning: BTreeMap<PointName, (Role, Unit)>,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    at: Timestamp,
    line: LineId,
    site: SiteId,
    device: DeviceId,
    point: PointName,
    reading: Reading,
    meaning: Option<(Role, Unit)>,
}

/// The moments of a file, in the order of their rows.
pub(super) struct Moments {
    source: Source,
    columns: Columns,
    /// The first row of the next moment.
    ahead: Option<Row>,
    problems: Vec<(u64, String)>,
    pub(super) rows: u64,
    pub(super) bad: u64,
    torn: Option<BadFile>,
}

/// Where the columns are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    at: usize,
    line: usize,
    site: usize,
    device: usize,
    point: usize,
    value: usize,
    role: Option<usize>,
    unit: Option<usize>,
}

/// Opens a history; one that is not in the order of time is sorted first.
pub(super) fn open(path: &Path) -> Result<Moments, BadFile> {
    let mut reader = reader(File::open(path)?);
    let columns = Columns::of(reader.headers()?)?;
    let source = order::source(path, reader, columns.at)?;
    Ok(Moments {
        source,
        columns,
        ahead: None,
        problems: Vec::new(),
        rows: 0,
        bad: 0,
        torn: None,
    })
}

pub(super) fn reader(file: File) -> Reader<File> {
    let mut builder = ReaderBuilder::new();
    builder
        .flexible(true)
        .trim(Trim::All)
        .buffer_capacity(1 << 16);
    builder.from_reader(file)
}

impl Columns {
    fn of(headers: &StringRecord) -> Result<Self, BadFile> {
        let clean = |name: &str| name.trim_start_matches('\u{feff}').to_ascii_lowercase();
        let find = |want: &str| headers.iter().position(|name| clean(name) == want);
        let need = |want: &'static str| find(want).ok_or(BadFile::Column(want));
        Ok(Self {
            at: need("at")?,
            line: need("line")?,
            site: need("site")?,
            device: need("device")?,
            point: need("point")?,
            value: need("value")?,
            role: find("role"),
            unit: find("unit"),
        })
    }
}

impl Moments {
    /// What is wrong with rows since it was last asked, with their lines.
    pub(super) fn problems(&mut self) -> Vec<(u64, String)> {
        core::mem::take(&mut self.problems)
    }

    /// Why the file could not be read to its end.
    pub(super) const fn torn(&self) -> Option<&BadFile> {
        self.torn.as_ref()
    }

    /// How much of the file was read, in per cent.
    pub(super) fn share(&self) -> f64 {
        self.source.share()
    }

    fn row(&mut self) -> Option<Row> {
        if let Some(row) = self.ahead.take() {
            return Some(row);
        }
        loop {
            let (line, record) = match self.source.next()? {
                Ok(read) => read,
                Err(error) if error.is_io_error() => {
                    self.torn = Some(BadFile::Torn(error));
                    return None;
                }
                Err(error) => {
                    self.bad += 1;
                    let line = error.position().map_or(0, csv::Position::line);
                    self.problems.push((line, error.to_string()));
                    continue;
                }
            };
            if record.iter().all(str::is_empty) {
                continue;
            }
            self.rows += 1;
            match self.columns.row(&record) {
                Ok(row) => return Some(row),
                Err(problem) => {
                    self.bad += 1;
                    self.problems.push((line, problem));
                }
            }
        }
    }
}

impl Iterator for Moments {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        let first = self.row()?;
        let mut moment = Moment {
            at: first.at,
            polls: Vec::new(),
        };
        let mut places: BTreeMap<(LineId, SiteId, DeviceId), usize> = BTreeMap::new();
        moment.take(first, &mut places);
        for _ in 1..MOMENT {
            match self.row() {
                Some(row) if row.at == moment.at => moment.take(row, &mut places),
                Some(row) => {
                    self.ahead = Some(row);
                    break;
                }
                None => break,
            }
        }
        Some(moment)
    }
}

impl Moment {
    fn take(&mut self, row: Row, places: &mut BTreeMap<(LineId, SiteId, DeviceId), usize>) {
        let key = (row.line, row.site, row.device);
        let known = places.get(&key).copied();
        // The same point twice at one time is two polls.
        let fits = known.filter(|k| {
            let poll = self.polls.get(*k);
            poll.is_some_and(|poll| !poll.sample.readings.contains_key(&row.point))
        });
        let k = fits.unwrap_or_else(|| {
            let (line, site, device) = key.clone();
            self.polls.push(Poll {
                line,
                site,
                device,
                sample: Sample {
                    at: self.at,
                    readings: BTreeMap::new(),
                },
                meaning: BTreeMap::new(),
            });
            places.insert(key, self.polls.len() - 1);
            self.polls.len() - 1
        });
        if let Some(poll) = self.polls.get_mut(k) {
            if let Some(meaning) = row.meaning {
                poll.meaning.insert(row.point.clone(), meaning);
            }
            poll.sample.readings.insert(row.point, row.reading);
        }
    }
}

impl Columns {
    /// The row in a record, or what is wrong with it.
    fn row(&self, record: &StringRecord) -> Result<Row, String> {
        let field = |k: usize, name: &str| {
            let found = record.get(k);
            found.ok_or_else(|| format!("has no field {name}: {} fields", record.len()))
        };
        let text = |error: &dyn core::fmt::Display, name: &str| format!("{name}: {error}");
        let at = field(self.at, "at")?;
        let meaning = self.meaning(record)?;
        Ok(Row {
            at: at.parse().map_err(|e| text(&e, "at"))?,
            line: field(self.line, "line")?
                .parse()
                .map_err(|e| text(&e, "line"))?,
            site: field(self.site, "site")?
                .parse()
                .map_err(|e| text(&e, "site"))?,
            device: field(self.device, "device")?
                .parse()
                .map_err(|e| text(&e, "device"))?,
            point: field(self.point, "point")?
                .parse()
                .map_err(|e| text(&e, "point"))?,
            reading: reading(field(self.value, "value")?, meaning.as_ref())?,
            meaning: meaning.map(|meaning| (meaning.role, meaning.unit)),
        })
    }

    fn meaning(&self, record: &StringRecord) -> Result<Option<Meaning>, String> {
        let of = |k: Option<usize>| k.and_then(|k| record.get(k)).filter(|t| !t.is_empty());
        let (role, unit) = (of(self.role), of(self.unit));
        if role.is_none() && unit.is_none() {
            return Ok(None);
        }
        let role = role.map_or(Ok(Role::Other), role_of)?;
        let (unit, scale) = match unit.map_or(Ok((Unit::None, Scale::Same)), unit_of) {
            // What nobody judges may be in furlongs.
            Err(_) if role == Role::Other => (Unit::None, Scale::Same),
            known => known?,
        };
        Ok(Some(Meaning { role, unit, scale }))
    }
}

/// The role of a name; one that is misspelt would be a point that nobody watches.
fn role_of(text: &str) -> Result<Role, String> {
    let lower = text.to_ascii_lowercase();
    let named = serde_json::Value::String(lower.clone());
    match serde_json::from_value(named) {
        Ok(Role::Other) if lower != "other" => Err(format!(
            "role: {text:?} is no role such as light_in, light_out, span_loss, ber or osnr; \
             want \"other\" for what is not to be watched"
        )),
        Ok(role) => Ok(role),
        Err(error) => Err(format!("role: {error}")),
    }
}

/// What a row's number means.
struct Meaning {
    role: Role,
    unit: Unit,
    scale: Scale,
}

/// How a number becomes one of our units.
#[derive(Clone, Copy)]
enum Scale {
    Same,
    /// A linear power: this many milliwatts.
    Milliwatts(f64),
    /// This many of our unit.
    Times(f64),
}

/// The unit of a symbol, as we write it or as others do.
fn unit_of(text: &str) -> Result<(Unit, Scale), String> {
    let known = |text: &str| Unit::ALL.into_iter().find(|unit| unit.symbol() == text);
    if let Some(unit) = known(text) {
        return Ok((unit, Scale::Same));
    }
    match text {
        "W" => return Ok((Unit::Dbm, Scale::Milliwatts(1e3))),
        "mW" => return Ok((Unit::Dbm, Scale::Milliwatts(1.0))),
        "uW" | "\u{b5}W" | "\u{3bc}W" => return Ok((Unit::Dbm, Scale::Milliwatts(1e-3))),
        "nW" => return Ok((Unit::Dbm, Scale::Milliwatts(1e-6))),
        "kV" => return Ok((Unit::Volt, Scale::Times(1e3))),
        "mV" => return Ok((Unit::Volt, Scale::Times(1e-3))),
        "km" => return Ok((Unit::Metre, Scale::Times(1e3))),
        "ms" => return Ok((Unit::Second, Scale::Times(1e-3))),
        _ => {}
    }
    let same = match text.to_lowercase().as_str() {
        "dbm" => Unit::Dbm,
        "db" => Unit::Db,
        "db/km" => Unit::DbPerKm,
        "v" | "volt" | "volts" => Unit::Volt,
        "a" | "ampere" | "amperes" => Unit::Ampere,
        "ma" => Unit::Milliampere,
        "c" | "\u{b0}c" | "\u{2103}" | "degc" | "deg c" | "celsius" => Unit::Celsius,
        "percent" | "pct" => Unit::Percent,
        "none" | "-" | "1" => Unit::None,
        _ => {
            let all: Vec<&str> = Unit::ALL.into_iter().map(Unit::symbol).collect();
            let all = all.join(" ");
            return Err(format!(
                "unit: {text:?} is not one of {all}W mW uW nW kV mV km ms"
            ));
        }
    };
    Ok((same, Scale::Same))
}

fn reading(text: &str, meaning: Option<&Meaning>) -> Result<Reading, String> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "" | "nan" | "null" | "none" => return Ok(Reading::Bad(BadReading::Invalid)),
        "dark" | "-inf" | "-infinity" => return Ok(Reading::Dark),
        _ => {}
    }
    let value: f64 = lower
        .parse()
        .map_err(|_| format!("value: {text:?} is not a number, \"dark\" or nothing"))?;
    if !value.is_finite() {
        return Err(format!("value: {text:?} is no finite number"));
    }
    Ok(match meaning.map_or(Scale::Same, |meaning| meaning.scale) {
        Scale::Same => Reading::of(value),
        Scale::Milliwatts(_) if value <= 0.0 => Reading::Dark,
        Scale::Times(each) => Reading::of(value * each),
        Scale::Milliwatts(each) => Reading::of(10.0 * (value * each).log10()),
    })
}
