//! A trace to bytes, always as version 2.

use crate::cursor::Block;
use crate::sor::Sor;
use crate::{checksum, data, link, map};

/// Bytes of a checksum block: its name, a NUL, two bytes.
const CHECKSUM_SIZE: usize = 8;

/// Writes `sor` as a version 2 file with a map and a checksum of its own.
///
/// Everything but [`Sor::version`], [`Sor::checksum`], [`Sor::blocks`] and [`Sor::warnings`] goes
/// into the file; a trace without an event table gets an empty one, since some readers want it.
/// Text outside Latin-1 becomes `?`; numbers are held to the range of their fields.
#[must_use]
pub fn write(sor: &Sor) -> Vec<u8> {
    let empty = Default::default();
    let events = sor.events.as_ref().unwrap_or(&empty);
    let mut blocks = vec![
        ("GenParams", 200, sor.general.encode()),
        ("SupParams", 200, sor.supplier.encode()),
        (
            "FxdParams",
            200,
            sor.acquisition.encode(sor.curve.raw.len()),
        ),
        ("KeyEvents", 200, events.encode()),
    ];
    if !sor.landmarks.is_empty() {
        blocks.push(("LnkParams", 200, link::encode(&sor.landmarks)));
    }
    blocks.push(("DataPts", 200, data::encode(&sor.curve, &sor.other_curves)));
    for vendor in &sor.vendor_blocks {
        let mut block = Block::named(&vendor.name);
        block.bytes(&vendor.bytes);
        blocks.push((&vendor.name, vendor.version, block.into_bytes()));
    }

    let mut entries: Vec<(&str, u16, usize)> = blocks
        .iter()
        .map(|(name, version, bytes)| (*name, *version, bytes.len()))
        .collect();
    entries.push(("Cksum", 200, CHECKSUM_SIZE));
    let mut file = map::encode(&entries);
    for (_, _, bytes) in &blocks {
        file.extend_from_slice(bytes);
    }
    file.extend_from_slice(b"Cksum\0");
    let sum = checksum::of(&file);
    file.extend_from_slice(&sum.to_le_bytes());
    file
}
