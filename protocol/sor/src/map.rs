//! The map: which blocks the file has, and where.
//!
//! Version 2 starts with `Map\0` and repeats each block's name at its start; version 1 starts
//! with the version number and repeats nothing. Where the map and the bytes disagree, the name
//! at the start of a version 2 block is believed.

use crate::cursor::{Block, Cursor, Short};
use crate::read::ReadError;

/// More blocks than any instrument writes; the largest seen is 14.
const MOST_BLOCKS: u16 = 1_000;

/// The largest number a version 1 file starts with.
const NEWEST_V1: u16 = 199;

/// One line of the map, with where it puts the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// The block's name, such as `KeyEvents`.
    pub name: String,
    /// The block's own version times a hundred.
    pub version: u16,
    /// Bytes from the start of the file.
    pub offset: usize,
    /// Bytes in the block, as the map states them.
    pub size: usize,
}

/// How blocks are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Bellcore GR-196, version 1.
    V1,
    /// SR-4731, version 2.
    V2,
}

/// The map of one file.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) layout: Layout,
    pub(crate) version: u16,
    pub(crate) entries: Vec<BlockEntry>,
    pub(crate) warnings: Vec<String>,
}

/// Where a block's fields are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    /// The block's fields by the map's size, cut at the end of the file.
    pub(crate) fields: &'a [u8],
    /// Everything from the first field to the end of the file.
    pub(crate) to_end: &'a [u8],
    /// Whether the block was not where the map says.
    pub(crate) moved: bool,
}

impl Map {
    /// Reads the map at the start of a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let (layout, mut cursor) = start(bytes)?;
        let broken = |Short| ReadError::Map {
            found: "it ends before its block count".into(),
        };
        let version = cursor.u16().map_err(broken)?;
        let mut map = Self {
            layout,
            version,
            entries: Vec::new(),
            warnings: Vec::new(),
        };
        let size = cursor.u32().map_err(broken)?;
        let count = cursor.u16().map_err(broken)?;
        map.take_entries(cursor, size, count);
        if layout == Layout::V1 && map.entries.is_empty() {
            return Err(ReadError::Map {
                found: format!("{count} blocks, none readable"),
            });
        }
        Ok(map)
    }

    fn take_entries(&mut self, mut cursor: Cursor<'_>, map_size: u32, count: u16) {
        if count > MOST_BLOCKS {
            self.warnings.push(format!(
                "map: {count} blocks stated, {MOST_BLOCKS} looked at"
            ));
        }
        let mut offset = usize::try_from(map_size).unwrap_or(usize::MAX);
        for _ in 1..count.min(MOST_BLOCKS) {
            let Ok((name, version, size)) = entry(&mut cursor) else {
                self.warnings
                    .push(format!("map: ends before its {count} entries"));
                return;
            };
            self.entries.push(BlockEntry {
                name,
                version,
                offset,
                size,
            });
            offset = offset.saturating_add(size);
        }
    }

    /// The first block called `name`, or nothing where neither the map nor the bytes show it.
    pub(crate) fn find<'a>(&self, bytes: &'a [u8], name: &str) -> Option<Body<'a>> {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        if let Some(body) = entry.and_then(|entry| self.body(bytes, entry)) {
            return Some(body);
        }
        if self.layout == Layout::V1 {
            return None;
        }
        let mut header = name.as_bytes().to_vec();
        header.push(0);
        // The map's own entry is a name and its NUL too: look behind the map.
        let map_end = self
            .entries
            .first()
            .map_or(0, |first| first.offset.min(bytes.len()));
        let behind = bytes.get(map_end..)?;
        let at = behind
            .windows(header.len())
            .position(|window| window == header)?;
        let to_end = behind.get(at + header.len()..)?;
        let size = entry.map_or(to_end.len(), |entry| {
            entry.size.saturating_sub(header.len())
        });
        let fields = to_end.get(..size).unwrap_or(to_end);
        Some(Body {
            fields,
            to_end,
            moved: true,
        })
    }

    /// The fields of a block where the map puts it, if that can be right.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8], entry: &BlockEntry) -> Option<Body<'a>> {
        let whole = bytes.get(entry.offset..)?;
        let sized = whole.get(..entry.size).unwrap_or(whole);
        let header = entry.name.len() + 1;
        let named = sized
            .strip_prefix(entry.name.as_bytes())
            .is_some_and(|rest| {
                rest.first() == Some(&0) || (entry.name.is_empty() && rest.is_empty())
            });
        match (self.layout, named) {
            (Layout::V1 | Layout::V2, true) => Some(Body {
                fields: sized.get(header..)?,
                to_end: whole.get(header..)?,
                moved: false,
            }),
            (Layout::V1, false) => Some(Body {
                fields: sized,
                to_end: whole,
                moved: false,
            }),
            (Layout::V2, false) => None,
        }
    }
}

fn start(bytes: &[u8]) -> Result<(Layout, Cursor<'_>), ReadError> {
    if let Some(rest) = bytes.strip_prefix(b"Map\0") {
        return Ok((Layout::V2, Cursor::new(rest)));
    }
    let not_sor = |Short| ReadError::NotSor {
        length: bytes.len(),
    };
    let version = Cursor::new(bytes).u16().map_err(not_sor)?;
    if (1..=NEWEST_V1).contains(&version) {
        return Ok((Layout::V1, Cursor::new(bytes)));
    }
    Err(ReadError::NotSor {
        length: bytes.len(),
    })
}

fn entry(cursor: &mut Cursor<'_>) -> Result<(String, u16, usize), Short> {
    // Names are compared byte for byte with the blocks, so they keep their blanks.
    let length = cursor
        .rest()
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(Short)?;
    let name = cursor
        .bytes(length)?
        .iter()
        .copied()
        .map(char::from)
        .collect();
    cursor.bytes(1)?;
    let version = cursor.u16()?;
    let size = cursor.u32()?;
    Ok((name, version, usize::try_from(size).unwrap_or(usize::MAX)))
}

/// The map of a version 2 file with these blocks: name, version, size in bytes.
pub(crate) fn encode(blocks: &[(&str, u16, usize)]) -> Vec<u8> {
    let entries: usize = blocks
        .iter()
        .map(|(name, ..)| name.chars().count() + 7)
        .sum();
    let mut map = Block::named("Map");
    map.u16(200);
    map.u32(clip(entries + 12));
    map.u16(u16::try_from(blocks.len() + 1).unwrap_or(u16::MAX));
    for &(name, version, size) in blocks {
        map.text(name);
        map.u16(version);
        map.u32(clip(size));
    }
    map.into_bytes()
}

fn clip(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut bytes = encode(&[("GenParams", 200, 12), ("Cksum", 200, 8)]);
        bytes.extend_from_slice(b"GenParams\0ENCksum\0\x34\x12");
        bytes
    }

    #[test]
    fn a_written_map_is_found_again() {
        let bytes = file();
        let map = Map::read(&bytes).unwrap();
        assert_eq!((map.layout, map.version), (Layout::V2, 200));
        assert_eq!(map.find(&bytes, "GenParams").unwrap().fields, b"EN");
        assert_eq!(map.find(&bytes, "Cksum").unwrap().fields, [0x34, 0x12]);
        assert!(map.find(&bytes, "DataPts").is_none());
        assert!(map.warnings.is_empty());
    }

    #[test]
    fn a_block_that_moved_is_found_by_its_name() {
        let mut bytes = file();
        let at = bytes.windows(3).rposition(|w| w == b"ENC").unwrap();
        bytes.splice(at..at, *b"xxxxx");
        let map = Map::read(&bytes).unwrap();
        let body = map.find(&bytes, "Cksum").unwrap();
        assert!(body.moved);
        assert_eq!(body.fields, [0x34, 0x12]);
    }

    #[test]
    fn a_size_past_the_end_is_cut_at_the_end() {
        let mut bytes = encode(&[("DataPts", 200, usize::MAX)]);
        bytes.extend_from_slice(b"DataPts\0abc");
        let map = Map::read(&bytes).unwrap();
        assert_eq!(map.find(&bytes, "DataPts").unwrap().fields, b"abc");
    }

    #[test]
    fn a_count_beyond_the_map_is_a_warning() {
        let mut bytes = file();
        bytes[10] = 200;
        let map = Map::read(&bytes).unwrap();
        assert!(!map.warnings.is_empty());
        assert!(map.find(&bytes, "GenParams").is_some());
    }

    #[test]
    fn other_files_are_not_sor() {
        for bytes in [&b""[..], b"x", b"PK\x03\x04", b"\0\0\0\0", &[0xFF; 40]] {
            assert!(
                matches!(Map::read(bytes), Err(ReadError::NotSor { .. })),
                "{bytes:?}"
            );
        }
        assert!(matches!(
            Map::read(b"\x64\0\x10"),
            Err(ReadError::Map { .. })
        ));
    }
}
