//! Bytes to a trace.

use crate::checksum::{self, Checksum};
use crate::cursor::Cursor;
use crate::data::{self, Stated};
use crate::events::KeyEvents;
use crate::link;
use crate::map::{Body, Found, KNOWN, Layout, Map};
use crate::params::{Acquisition, General, Settings, Supplier};
use crate::quantity::OneWayTime;
use crate::sor::{Sor, VendorBlock};

/// Group indices outside these are possible and worth a second look.
const USUAL_INDEX: std::ops::RangeInclusive<f64> = 1.44..=1.50;

/// Bytes within which a block without a name is looked for around its place in the map.
const FARTHEST_STRAY: isize = 512;

/// Why a file is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It does not begin like a SOR file of any version.
    #[error("{}, {length} bytes; want a SOR file", kind_of_file(.begins))]
    NotSor {
        /// How many bytes there are.
        length: usize,
        /// The first of them.
        begins: [u8; 4],
    },
    /// Its map can't be read.
    #[error("the map of blocks is broken: {found}")]
    Map {
        /// What is wrong with it.
        found: String,
    },
    /// A block without which there is no trace is not there.
    #[error("block {block} is missing")]
    Missing {
        /// The block's name.
        block: &'static str,
    },
    /// The file ends inside a block without which there is no trace.
    #[error("the file ends inside block {block}{}", missing_samples(*.missing))]
    Truncated {
        /// The block's name.
        block: &'static str,
        /// How many samples are missing, where that is known.
        missing: Option<usize>,
    },
    /// A number that no instrument can have meant.
    #[error("implausible {field}: {found}, want {wanted}")]
    Implausible {
        /// What the number stands for.
        field: &'static str,
        /// What the file holds.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
}

impl ReadError {
    pub(crate) fn implausible(
        field: &'static str,
        found: impl Into<String>,
        wanted: &'static str,
    ) -> Self {
        Self::Implausible {
            field,
            found: found.into(),
            wanted,
        }
    }

    /// A short name of the kind, for reports: `not_sor`, `map`, `missing`, `truncated`, `implausible`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotSor { .. } => "not_sor",
            Self::Map { .. } => "map",
            Self::Missing { .. } => "missing",
            Self::Truncated { .. } => "truncated",
            Self::Implausible { .. } => "implausible",
        }
    }
}

/// What people hand over for a trace, by its first bytes.
fn kind_of_file(begins: &[u8; 4]) -> &'static str {
    match begins {
        [0x1F, 0x8B, ..] => "a gzip archive, to be unpacked first",
        b"PK\x03\x04" => "a zip archive, to be unpacked first",
        b"Rar!" | [b'7', b'z', 0xBC, 0xAF] => "an archive, to be unpacked first",
        b"%PDF" => "a PDF document",
        [0xFF, 0xD8, ..] | [0x89, b'P', b'N', b'G'] => "a picture",
        [0xD0, 0xCF, 0x11, 0xE0] => "an old Office document",
        [0, 0, 0, 0] => "nothing but zeros at the start",
        text if text
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
        {
            "a text"
        }
        _ => "no known beginning",
    }
}

fn missing_samples(missing: Option<usize>) -> String {
    missing.map_or_else(String::new, |samples| format!(", {samples} samples short"))
}

/// Reads a SOR file of any version.
///
/// # Errors
///
/// [`ReadError`] where the bytes hold no trace that makes sense; everything less is a line in
/// [`Sor::warnings`].
pub fn read(bytes: &[u8]) -> Result<Sor, ReadError> {
    let mut map = Map::read(bytes)?;
    let mut warnings = std::mem::take(&mut map.warnings);
    let (settings, layout) = settings(&mut map, bytes, &mut warnings)?;
    let points = find(&map, bytes, "DataPts", &mut warnings)
        .filter(|body| map.layout == Layout::V2 || data::agrees(body, settings.stated()))
        .or_else(|| samples_by_content(&mut map, bytes, settings.stated(), &mut warnings))
        .or_else(|| map.find(bytes, "DataPts"))
        .ok_or_else(|| absent(&map, bytes, "DataPts"))?;
    let data = data::decode(&points, settings.stated())?;
    warnings.extend(data.warnings);

    let mut sor = Sor::new(settings.acquisition, data.curve);
    sor.version = map.version;
    sor.other_curves = data.others;
    sor.warnings = warnings;
    describe(&mut sor, &map, bytes, layout);
    sor.checksum = checksum(&map, bytes);
    sor.vendor_blocks = vendor_blocks(&map, bytes);
    sor.blocks = map.entries;
    Ok(sor)
}

fn find<'a>(
    map: &Map,
    bytes: &'a [u8],
    name: &str,
    warnings: &mut Vec<String>,
) -> Option<Body<'a>> {
    let body = map.find(bytes, name)?;
    match body.how {
        Found::Mapped => {}
        Found::Named => warnings.push(format!("{name}: not where the map says, found by its name")),
        Found::Known => warnings.push(format!("{name}: without its name, taken by the map")),
    }
    Some(body)
}

/// Why there is no block of this name: it was never there, or the file ends before it.
fn absent(map: &Map, bytes: &[u8], block: &'static str) -> ReadError {
    if map.puts_beyond(bytes.len(), block) {
        let missing = None;
        return ReadError::Truncated { block, missing };
    }
    ReadError::Missing { block }
}

/// The samples, wherever their header repeats the count that `FxdParams` states.
fn samples_by_content<'a>(
    map: &mut Map,
    bytes: &'a [u8],
    stated: Stated<'_>,
    warnings: &mut Vec<String>,
) -> Option<Body<'a>> {
    let body = data::find(bytes, stated)?;
    warnings.push("DataPts: not where the map says, found by its sample count".into());
    let found = bytes.len() - body.to_end.len();
    if let (Some(place), Layout::V1) = (map.place("DataPts").map(|it| it.offset), map.layout) {
        map.strayed(place, found.cast_signed().saturating_sub_unsigned(place));
    }
    Some(body)
}

/// The settings, by the layout of the file's version or, where that makes no sense, by the other;
/// and where the block is not in its place and has no name, by what every such block holds.
fn settings(
    map: &mut Map,
    bytes: &[u8],
    warnings: &mut Vec<String>,
) -> Result<(Settings, Layout), ReadError> {
    let body = find(map, bytes, "FxdParams", warnings);
    let error = match body {
        None => absent(map, bytes, "FxdParams"),
        Some(body) => match by_either_layout(&body, map.layout, warnings) {
            Ok(found) => return Ok(judged(found, warnings)),
            Err(error) if body.how == Found::Named || map.layout == Layout::V2 => {
                return Err(error);
            }
            Err(error) => error,
        },
    };
    let (distance, layout) = strayed(map, bytes).ok_or_else(|| error.clone())?;
    let place = map
        .place("FxdParams")
        .map(|entry| (entry.offset, entry.size));
    let (place, size) = place.ok_or_else(|| error.clone())?;
    let offset = place.saturating_add_signed(distance);
    let body = Map::body_at(bytes, offset, size).ok_or(error)?;
    let found = Acquisition::decode(body.fields, layout)?;
    if map.layout == Layout::V1 {
        map.strayed(place, distance);
    }
    warnings.push(format!(
        "FxdParams: {distance} bytes from where the map says, found by its content"
    ));
    Ok(judged((found, layout), warnings))
}

/// How far a block without a name is from where the map puts it, with its layout.
fn strayed(map: &Map, bytes: &[u8]) -> Option<(isize, Layout)> {
    let entry = map.place("FxdParams")?;
    let nearest = (1..=FARTHEST_STRAY).flat_map(|distance| [distance, -distance]);
    // Where the map knows no place in the file at all, blocks begin behind it nevertheless.
    let first = map
        .end()
        .cast_signed()
        .saturating_sub_unsigned(entry.offset);
    let nowhere = entry.offset >= bytes.len();
    let behind_map = (0..FARTHEST_STRAY * 4).map(|further| first.saturating_add(further));
    let typical = |distance: isize| {
        let offset = entry.offset.checked_add_signed(distance)?;
        let body = Map::body_at(bytes, offset, entry.size)?;
        [map.layout, map.layout.other()]
            .into_iter()
            .find(|&layout| Acquisition::is_typical(body.fields, layout, bytes.len()))
            .map(|layout| (distance, layout))
    };
    std::iter::once(0)
        .chain(nearest)
        .chain(behind_map.filter(|_| nowhere))
        .find_map(typical)
}

fn by_either_layout(
    body: &Body<'_>,
    layout: Layout,
    warnings: &mut Vec<String>,
) -> Result<(Settings, Layout), ReadError> {
    let error = match Acquisition::decode(body.fields, layout) {
        Ok(found) => return Ok((found, layout)),
        Err(error) => error,
    };
    match Acquisition::decode(body.fields, layout.other()) {
        Ok(found) if found.acquisition.wavelength_nm.is_some() => {
            warnings.push("FxdParams: laid out as in the other version".into());
            Ok((found, layout.other()))
        }
        Ok(_) | Err(_) => Err(error),
    }
}

/// Settings that can be used, with a warning for each that looks odd.
fn judged(
    (mut settings, layout): (Settings, Layout),
    warnings: &mut Vec<String>,
) -> (Settings, Layout) {
    warnings.append(&mut settings.warnings);
    let index = settings.acquisition.group_index.value();
    if !USUAL_INDEX.contains(&index) {
        warnings.push(format!("FxdParams: unusual group index {index:.5}"));
    }
    if settings.acquisition.backscatter.is_none() {
        warnings.push("FxdParams: no plausible backscatter coefficient".into());
    }
    (settings, layout)
}

/// Fills in what a trace can do without.
fn describe(sor: &mut Sor, map: &Map, bytes: &[u8], layout: Layout) {
    let mut warnings = Vec::new();
    let mut optional = |name: &str, fits: &dyn Fn(&[u8]) -> bool| {
        let body = find(map, bytes, name, &mut warnings);
        let fitting = || map.candidates(bytes, name).find(|body| fits(body.fields));
        let chosen = body.filter(|body| fits(body.fields)).or_else(fitting);
        chosen.or(body).map(|body| body.fields)
    };
    let general = optional("GenParams", &|fields| General::fits(fields, layout))
        .map(|fields| General::decode(fields, layout));
    let supplier = optional("SupParams", &Supplier::fits).map(Supplier::decode);
    let events = optional("KeyEvents", &|fields| KeyEvents::fits(fields, layout))
        .map(|fields| KeyEvents::decode(fields, layout));
    let link = optional("LnkParams", &|_| true).map(link::decode);

    let complete = |state: Option<bool>, name: &str| match state {
        Some(true) => None,
        Some(false) => Some(format!("{name}: ends before its last field")),
        None => Some(format!("{name}: missing")),
    };
    let state = general.as_ref().map(|(_, complete)| complete.is_ok());
    warnings.extend(complete(state, "GenParams"));
    let state = supplier.as_ref().map(|(_, complete)| complete.is_ok());
    warnings.extend(complete(state, "SupParams"));
    sor.general = general.map(|(general, _)| general).unwrap_or_default();
    sor.supplier = supplier.map(|(supplier, _)| supplier).unwrap_or_default();
    if let Some((events, warning)) = events {
        sor.events = Some(events);
        warnings.extend(warning);
    }
    if let Some((landmarks, warning)) = link {
        sor.landmarks = landmarks;
        warnings.extend(warning);
    }
    if sor.wavelength_nm().is_none() {
        warnings.push("no plausible wavelength".into());
    }
    warnings.extend(zero_in_reach(sor));
    sor.warnings.append(&mut warnings);
}

/// Forgets a user offset that no shot could have: a launch fibre longer than all that was measured.
fn zero_in_reach(sor: &mut Sor) -> Option<String> {
    let offset = sor.user_offset_m();
    let length = sor.curve.raw.len() as f64 * sor.acquisition.spacing_m();
    if offset.abs() <= length + sor.first_sample_from_panel_m().abs() {
        return None;
    }
    sor.general.user_offset = OneWayTime::default();
    Some(format!(
        "GenParams: a user offset of {offset:.0} m where {length:.0} m were measured, taken as 0"
    ))
}

/// What the checksum says; of several one that matches is the right one.
fn checksum(map: &Map, bytes: &[u8]) -> Checksum {
    let placed = map.entries.iter().filter(|entry| entry.name == "Cksum");
    let bodies = placed.filter_map(|entry| map.body(bytes, entry));
    let verdict = |body: Body<'_>| {
        let before = bytes.len().checked_sub(body.to_end.len())?;
        let stored = Cursor::new(body.fields).u16().ok()?;
        Some(checksum::compare(bytes.get(..before)?, stored))
    };
    let mut verdicts = bodies.chain(map.find(bytes, "Cksum")).filter_map(verdict);
    let first = verdicts.next().unwrap_or_default();
    if verdicts.any(|verdict| verdict == Checksum::Matches) {
        return Checksum::Matches;
    }
    first
}

fn vendor_blocks(map: &Map, bytes: &[u8]) -> Vec<VendorBlock> {
    let unknown = map
        .entries
        .iter()
        .filter(|entry| !KNOWN.contains(&entry.name.as_str()));
    let kept = unknown.filter_map(|entry| {
        let body = map.body(bytes, entry)?;
        Some(VendorBlock {
            name: entry.name.clone(),
            version: entry.version,
            bytes: body.fields.to_vec(),
        })
    });
    kept.collect()
}

#[cfg(test)]
mod tests;
