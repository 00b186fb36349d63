//! Little-endian fields in and out of byte slices, without a way to read past the end.

/// The bytes ended before the field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// Takes fields off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been taken yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next two bytes as an unsigned number.
    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next two bytes as a signed number.
    pub(crate) fn i16(&mut self) -> Result<i16, Short> {
        self.array().map(i16::from_le_bytes)
    }

    /// The next four bytes as an unsigned number.
    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next four bytes as a signed number.
    pub(crate) fn i32(&mut self) -> Result<i32, Short> {
        self.array().map(i32::from_le_bytes)
    }

    /// `count` bytes as Latin-1 text, without surrounding blanks.
    pub(crate) fn fixed_text(&mut self, count: usize) -> Result<String, Short> {
        self.bytes(count).map(latin1)
    }

    /// Latin-1 text up to a NUL, without surrounding blanks; a missing NUL ends it at the block.
    pub(crate) fn text(&mut self) -> Result<String, Short> {
        if self.rest.is_empty() {
            return Err(Short);
        }
        let length = self.rest.iter().position(|&byte| byte == 0);
        let text = self.bytes(length.unwrap_or(self.rest.len()))?;
        if length.is_some() {
            self.bytes(1)?;
        }
        Ok(latin1(text))
    }
}

/// Latin-1 bytes as text: every byte is a character, so nothing is ever refused.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    let text: String = bytes.iter().copied().map(char::from).collect();
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
        .to_owned()
}

/// Appends fields to a block being written.
#[derive(Debug, Default)]
pub(crate) struct Block {
    bytes: Vec<u8>,
}

impl Block {
    /// A block that begins with its name, as version 2 wants.
    pub(crate) fn named(name: &str) -> Self {
        let mut block = Self::default();
        block.text(name);
        block
    }

    /// The block's bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Two bytes, unsigned.
    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Two bytes, signed, from a wider number held to their range.
    pub(crate) fn i16(&mut self, value: i32) {
        let limit = if value < 0 { i16::MIN } else { i16::MAX };
        self.bytes(&i16::try_from(value).unwrap_or(limit).to_le_bytes());
    }

    /// Four bytes, unsigned.
    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Four bytes, signed.
    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Text as Latin-1 with its NUL; what Latin-1 can't hold, and a NUL inside, becomes `?`.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes.extend(text.chars().map(byte_of));
        self.bytes.push(0);
    }

    /// Text in exactly `count` bytes, cut or filled with blanks.
    pub(crate) fn fixed_text(&mut self, text: &str, count: usize) {
        let padding = std::iter::repeat(b' ');
        self.bytes
            .extend(text.chars().map(byte_of).chain(padding).take(count));
    }
}

fn byte_of(character: char) -> u8 {
    match u8::try_from(character) {
        Ok(0) | Err(_) => b'?',
        Ok(byte) => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_and_end_with_the_bytes() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(cursor.u16(), Ok(0x0201));
        assert_eq!(cursor.u32(), Ok(0x0605_0403));
        assert_eq!(cursor.u16(), Err(Short));
        assert_eq!(cursor.rest(), [7]);
    }

    #[test]
    fn text_takes_any_byte_and_a_missing_nul() {
        let mut cursor = Cursor::new(b"  Stra\xDFe \0last");
        assert_eq!(cursor.text(), Ok("Straße".to_owned()));
        assert_eq!(cursor.text(), Ok("last".to_owned()));
        assert_eq!(cursor.text(), Err(Short));
    }

    #[test]
    fn written_text_has_exactly_one_nul() {
        let mut block = Block::default();
        block.text("a\0b Ж é");
        assert_eq!(block.into_bytes(), b"a?b ? \xE9\0");
    }

    #[test]
    fn fixed_text_is_cut_or_filled() {
        let mut block = Block::default();
        block.fixed_text("ENGLISH", 2);
        block.fixed_text("E", 3);
        assert_eq!(block.into_bytes(), b"ENE  ");
    }

    #[test]
    fn a_number_too_wide_is_held_to_the_field() {
        let mut block = Block::default();
        block.i16(40_000);
        block.i16(-40_000);
        assert_eq!(block.into_bytes(), [0xFF, 0x7F, 0x00, 0x80]);
    }
}
