//! Bytes to a trace.

use crate::checksum::{self, Checksum};
use crate::cursor::Cursor;
use crate::data::{self, Stated};
use crate::events::KeyEvents;
use crate::link;
use crate::map::{Body, Found, KNOWN, Layout, Map};
use crate::params::{Acquisition, General, Settings, Supplier};
use crate::sor::{Sor, VendorBlock};

/// Group indices outside these are possible and worth a second look.
const USUAL_INDEX: std::ops::RangeInclusive<f64> = 1.44..=1.50;

/// Bytes within which a block without a name is looked for around its place in the map.
const FARTHEST_STRAY: isize = 512;

/// Why a file is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It does not begin like a SOR file of any version.
    #[error("{length} bytes that do not begin like a SOR file")]
    NotSor {
        /// How many bytes there are.
        length: usize,
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
        .or_else(|| samples_by_content(bytes, settings.stated(), &mut warnings))
        .or_else(|| map.find(bytes, "DataPts"))
        .ok_or(ReadError::Missing { block: "DataPts" })?;
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

/// The samples, wherever their header repeats the count that `FxdParams` states.
fn samples_by_content<'a>(
    bytes: &'a [u8],
    stated: Stated<'_>,
    warnings: &mut Vec<String>,
) -> Option<Body<'a>> {
    let body = data::find(bytes, stated)?;
    warnings.push("DataPts: not where the map says, found by its sample count".into());
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
        None => ReadError::Missing { block: "FxdParams" },
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
    let (offset, size) = place.ok_or_else(|| error.clone())?;
    let offset = offset.saturating_add_signed(distance);
    let body = Map::body_at(bytes, offset, size).ok_or(error)?;
    let found = Acquisition::decode(body.fields, layout)?;
    if map.layout == Layout::V1 {
        // The others have strayed with it: their places are sums of the same sizes.
        map.shift(distance);
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
    let typical = |distance: isize| {
        let offset = entry.offset.checked_add_signed(distance)?;
        let body = Map::body_at(bytes, offset, entry.size)?;
        [map.layout, map.layout.other()]
            .into_iter()
            .find(|&layout| Acquisition::is_typical(body.fields, layout, bytes.len()))
            .map(|layout| (distance, layout))
    };
    std::iter::once(0).chain(nearest).find_map(typical)
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
    let mut optional = |name: &str| {
        let body = find(map, bytes, name, &mut warnings);
        body.map(|body| body.fields)
    };
    let general = optional("GenParams").map(|fields| General::decode(fields, layout));
    let supplier = optional("SupParams").map(Supplier::decode);
    let events = optional("KeyEvents").map(|fields| KeyEvents::decode(fields, layout));
    let link = optional("LnkParams").map(link::decode);

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
    sor.warnings.append(&mut warnings);
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
