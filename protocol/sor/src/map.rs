//! The map: which blocks the file has, and where.
//!
//! Version 2 starts with `Map\0` and repeats each block's name at its start; version 1 starts
//! with the version number and repeats nothing. Where the map and the bytes disagree, the name
//! at the start of a version 2 block is believed; in version 1 the place that makes the blocks
//! fill the file is.

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

/// Blocks this crate understands; all others are kept as bytes.
pub(crate) const KNOWN: [&str; 7] = [
    "GenParams",
    "SupParams",
    "FxdParams",
    "KeyEvents",
    "LnkParams",
    "DataPts",
    "Cksum",
];

/// No file has as many bytes: a larger place or size is no sign of a file that was cut.
const MOST_BYTES: usize = 100_000_000;

/// Bytes of version, size and count at the start of the map.
const HEADER: usize = 8;

/// What a file without a map is taken for.
const UNMAPPED_VERSION: u16 = 200;

/// How blocks are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Bellcore GR-196, version 1.
    V1,
    /// SR-4731, version 2.
    V2,
}

impl Layout {
    /// The one that this is not.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::V1 => Self::V2,
            Self::V2 => Self::V1,
        }
    }
}

/// The map of one file.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) layout: Layout,
    pub(crate) version: u16,
    pub(crate) entries: Vec<BlockEntry>,
    pub(crate) warnings: Vec<String>,
    /// Bytes of the file that the map itself takes.
    end: usize,
    /// How far from their places blocks without names may be, by those that were found elsewhere.
    strays: Vec<isize>,
}

/// Where a block's fields are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    /// The block's fields by the map's size, cut at the end of the file.
    pub(crate) fields: &'a [u8],
    /// Everything from the first field to the end of the file.
    pub(crate) to_end: &'a [u8],
    /// How it was found.
    pub(crate) how: Found,
}

/// How a block was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Where the map says.
    Mapped,
    /// By its name, elsewhere.
    Named,
    /// By what it holds, elsewhere.
    Known,
}

impl Map {
    /// Reads the map at the start of a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let (layout, mut cursor) = start(bytes)?;
        let mut map = Self {
            layout,
            version: UNMAPPED_VERSION,
            entries: Vec::new(),
            warnings: Vec::new(),
            end: 0,
            strays: Vec::new(),
        };
        if layout == Layout::V2 && starts_with_block(bytes) {
            map.warnings.push("map: missing".into());
            return Ok(map);
        }
        let broken = |Short| ReadError::Map {
            found: "it ends before its block count".into(),
        };
        map.version = cursor.u16().map_err(broken)?;
        let size = cursor.u32().map_err(broken)?;
        let count = cursor.u16().map_err(broken)?;
        map.take_entries(&mut cursor, size, count);
        map.end = bytes.len() - cursor.rest().len();
        if layout == Layout::V1 {
            map.place_unnamed(map.end, bytes.len());
        }
        if layout == Layout::V1 && map.entries.is_empty() {
            return Err(ReadError::Map {
                found: format!("{count} blocks, none readable"),
            });
        }
        Ok(map)
    }

    fn take_entries(&mut self, cursor: &mut Cursor<'_>, map_size: u32, count: u16) {
        if count > MOST_BLOCKS {
            self.warnings.push(format!(
                "map: {count} blocks stated, {MOST_BLOCKS} looked at"
            ));
        }
        let size = usize::try_from(map_size).unwrap_or(usize::MAX);
        let before = HEADER + if self.layout == Layout::V2 { 4 } else { 0 };
        let whole = cursor.rest().len() + before;
        let mut offset = size;
        let stated = usize::from(count.min(MOST_BLOCKS)).saturating_sub(1);
        let mut uncounted = 0;
        loop {
            let counted = self.entries.len() < stated;
            let mut ahead = *cursor;
            let Ok((name, version, bytes)) = entry(&mut ahead) else {
                if counted {
                    self.warnings
                        .push(format!("map: ends before its {count} entries"));
                }
                break;
            };
            // Some count without the map itself, and the last block would be lost.
            let inside = whole - ahead.rest().len() <= size;
            let room = self.entries.len() < usize::from(MOST_BLOCKS);
            // Behind a map that says it is larger the first block itself begins with a name.
            let new = KNOWN.contains(&name.as_str()) && self.place(&name).is_none();
            if !counted && (!inside || !room || !new) {
                break;
            }
            uncounted += usize::from(!counted);
            *cursor = ahead;
            self.entries.push(BlockEntry {
                name,
                version,
                offset,
                size: bytes,
            });
            offset = offset.saturating_add(bytes);
        }
        if uncounted > 0 {
            self.warnings.push(format!(
                "map: {count} blocks stated, {uncounted} more there"
            ));
        }
    }

    /// Version 1 blocks follow the map without a name: if the map's own size does not lead to
    /// the end of the file but the end of its entries does, they start there.
    fn place_unnamed(&mut self, entries_end: usize, file: usize) {
        let Some(first) = self.entries.first().map(|first| first.offset) else {
            return;
        };
        let blocks: usize = self
            .entries
            .iter()
            .fold(0, |sum, entry| sum.saturating_add(entry.size));
        let leads_to_end = |start: usize| start.saturating_add(blocks) == file;
        let beyond = first < entries_end || first > file;
        if first != entries_end && !leads_to_end(first) && (leads_to_end(entries_end) || beyond) {
            self.warnings.push(format!(
                "map: {first} bytes by its own count, blocks start at {entries_end}"
            ));
            self.shift(0, entries_end.cast_signed() - first.cast_signed());
        }
    }

    /// Moves every block from `offset` on by so many bytes.
    fn shift(&mut self, offset: usize, bytes: isize) {
        for entry in &mut self.entries {
            if entry.offset >= offset {
                entry.offset = entry.offset.saturating_add_signed(bytes);
            }
        }
    }

    /// A block was found so many bytes from its place, at `offset` by the map.
    ///
    /// Places are sums of sizes, so those behind it have strayed with it. Those before it have if the
    /// map's own size is wrong, and have not if one block's is: [`Map::candidates`] has both.
    pub(crate) fn strayed(&mut self, offset: usize, bytes: isize) {
        self.shift(offset, bytes);
        self.strays.extend([bytes, -bytes]);
    }

    /// Where the block called `name` may be: in its place, then as far from it as others were.
    pub(crate) fn candidates<'a>(
        &self,
        bytes: &'a [u8],
        name: &str,
    ) -> impl Iterator<Item = Body<'a>> {
        let place = self
            .place(name)
            .map(|entry| (entry.offset, entry.size))
            .filter(|_| self.layout == Layout::V1);
        let strayed = self.strays.iter().filter_map(move |&distance| {
            let (offset, size) = place?;
            Self::body_at(bytes, offset.checked_add_signed(distance)?, size)
        });
        self.find(bytes, name).into_iter().chain(strayed)
    }

    /// Whether the map puts the block called `name` behind the end of a file of `length` bytes.
    pub(crate) fn puts_beyond(&self, length: usize, name: &str) -> bool {
        self.place(name).is_some_and(|entry| {
            entry.size <= MOST_BYTES && (length..MOST_BYTES).contains(&entry.offset)
        })
    }

    /// Where the map ends and blocks begin.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// Where the map puts the block called `name`.
    pub(crate) fn place(&self, name: &str) -> Option<&BlockEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Whether the file has a version 2 map and no block carries its name: blocks as in version 1.
    fn is_unnamed(&self, bytes: &[u8]) -> bool {
        let named = |entry: &BlockEntry| self.body(bytes, entry).is_some();
        self.layout == Layout::V2 && !self.entries.iter().any(named)
    }

    /// A body that begins at `offset`, without a name.
    pub(crate) fn body_at<'a>(bytes: &'a [u8], offset: usize, size: usize) -> Option<Body<'a>> {
        let to_end = bytes.get(offset..)?;
        Some(Body {
            fields: to_end.get(..size).unwrap_or(to_end),
            to_end,
            how: Found::Known,
        })
    }

    /// The first block called `name`, or nothing where neither the map nor the bytes show it.
    pub(crate) fn find<'a>(&self, bytes: &'a [u8], name: &str) -> Option<Body<'a>> {
        let entry = self.place(name);
        if let Some(body) = entry.and_then(|entry| self.body(bytes, entry)) {
            return Some(body);
        }
        if self.layout == Layout::V1 {
            return None;
        }
        let mut header = name.as_bytes().to_vec();
        header.push(0);
        // The map's own entry is a name and its NUL too: look behind the map, whatever it says
        // of its size.
        let first = self.entries.first().map_or(0, |first| first.offset);
        let behind = bytes.get(first.min(self.end)..)?;
        let Some(at) = position(behind, &header) else {
            let entry = entry.filter(|_| self.is_unnamed(bytes))?;
            return Self::body_at(bytes, entry.offset, entry.size);
        };
        let to_end = behind.get(at + header.len()..)?;
        let size = entry.map_or(to_end.len(), |entry| {
            entry.size.saturating_sub(header.len())
        });
        let fields = to_end.get(..size).unwrap_or(to_end);
        Some(Body {
            fields,
            to_end,
            how: Found::Named,
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
                how: Found::Mapped,
            }),
            (Layout::V1, false) => Some(Body {
                fields: sized,
                to_end: whole,
                how: Found::Mapped,
            }),
            (Layout::V2, false) => None,
        }
    }
}

fn start(bytes: &[u8]) -> Result<(Layout, Cursor<'_>), ReadError> {
    if let Some(rest) = bytes.strip_prefix(b"Map\0") {
        return Ok((Layout::V2, Cursor::new(rest)));
    }
    if starts_with_block(bytes) {
        return Ok((Layout::V2, Cursor::new(bytes)));
    }
    let version = Cursor::new(bytes).u16();
    if version.is_ok_and(|version| (1..=NEWEST_V1).contains(&version)) {
        return Ok((Layout::V1, Cursor::new(bytes)));
    }
    let length = bytes.len();
    // Shorter ones are known by no beginning.
    let begins = bytes.first_chunk().copied().unwrap_or([0xFF; 4]);
    Err(ReadError::NotSor { length, begins })
}

/// Whether the bytes are blocks with their names and no map before them.
fn starts_with_block(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GenParams\0")
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

/// Where a name of at least two bytes stands first. Most bytes are samples: they are looked at many
/// at a time, for its first two bytes.
fn position(bytes: &[u8], name: &[u8]) -> Option<usize> {
    const TOGETHER: usize = 64;
    let (first, second) = (name.first()?, name.get(1)?);
    let follows = bytes.get(1..)?;
    let chunks = bytes.chunks(TOGETHER).zip(follows.chunks(TOGETHER));
    let mut likely = chunks.enumerate().filter(|(_, (one, next))| {
        let pairs = one.iter().zip(*next);
        pairs.fold(false, |any, (a, b)| any | ((a == first) & (b == second)))
    });
    likely.find_map(|(chunk, _)| {
        let from = chunk * TOGETHER;
        let begins = |at: &usize| bytes.get(*at..).is_some_and(|rest| rest.starts_with(name));
        (from..from + TOGETHER).find(begins)
    })
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
    fn a_name_is_found_wherever_it_stands() {
        for at in 0..200 {
            let mut bytes = vec![b'N'; 204];
            bytes[at..at + 4].copy_from_slice(b"Nam\0");
            assert_eq!(position(&bytes, b"Nam\0"), Some(at));
            assert_eq!(position(&bytes, b"Nab\0"), None);
        }
        assert_eq!(position(b"N", b"Na"), None);
        assert_eq!(position(b"", b"Na"), None);
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
        assert_eq!(body.how, Found::Named);
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
    fn a_count_without_the_map_itself_loses_no_block() {
        let mut bytes = file();
        bytes[10] = 2;
        let map = Map::read(&bytes).unwrap();
        assert_eq!(map.entries, Map::read(&file()).unwrap().entries);
        assert_eq!(map.warnings.len(), 1);
    }

    #[test]
    fn blocks_without_a_map_are_found_by_name() {
        let map = Map::read(&file()[40..]).unwrap();
        assert_eq!(
            map.find(&file()[40..], "Cksum").unwrap().fields,
            [0x34, 0x12]
        );
        assert_eq!(map.warnings, ["map: missing"]);
    }

    #[test]
    fn nameless_blocks_behind_a_version_2_map_are_where_it_says() {
        let mut bytes = encode(&[("GenParams", 100, 2), ("Cksum", 100, 2)]);
        bytes.extend_from_slice(b"EN\x34\x12");
        let map = Map::read(&bytes).unwrap();
        assert_eq!(map.find(&bytes, "GenParams").unwrap().fields, b"EN");
        assert_eq!(map.find(&bytes, "Cksum").unwrap().fields, [0x34, 0x12]);
    }

    #[test]
    fn a_wrong_map_size_in_version_1_is_seen_by_the_end_of_the_file() {
        let whole = encode(&[("GenParams", 100, 2), ("Cksum", 100, 2)]);
        let mut bytes = whole[4..].to_vec();
        bytes[..2].copy_from_slice(&100_u16.to_le_bytes());
        bytes.extend_from_slice(b"EN\x34\x12");
        for size in [0_u32, 20, 31, 33, 40, u32::MAX] {
            bytes[2..6].copy_from_slice(&size.to_le_bytes());
            let map = Map::read(&bytes).unwrap();
            assert_eq!(
                map.find(&bytes, "GenParams").unwrap().fields,
                b"EN",
                "{size}"
            );
        }
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
