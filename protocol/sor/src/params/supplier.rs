//! `SupParams`: the instrument.

use crate::cursor::{Block, Cursor, Short};

/// The instrument that took the trace, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supplier {
    /// Maker.
    pub supplier: String,
    /// Model of the mainframe.
    pub model: String,
    /// Serial number of the mainframe.
    pub serial: String,
    /// Model of the optical module.
    pub module: String,
    /// Serial number of the optical module.
    pub module_serial: String,
    /// Software or firmware version.
    pub software: String,
    /// Whatever else the maker put there.
    pub other: String,
}

impl Supplier {
    /// The fields up to where the block ends; those behind it stay empty.
    pub(crate) fn decode(fields: &[u8]) -> (Self, Result<(), Short>) {
        let mut cursor = Cursor::new(fields);
        let mut supplier = Self::default();
        let complete = supplier.fill(&mut cursor);
        (supplier, complete)
    }

    /// Whether the fields fill these bytes from the first to the last.
    pub(crate) fn fits(fields: &[u8]) -> bool {
        let mut cursor = Cursor::new(fields);
        Self::default().fill(&mut cursor).is_ok() && cursor.rest().is_empty()
    }

    fn fill(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Short> {
        self.supplier = cursor.text()?;
        self.model = cursor.text()?;
        self.serial = cursor.text()?;
        self.module = cursor.text()?;
        self.module_serial = cursor.text()?;
        self.software = cursor.text()?;
        self.other = cursor.text()?;
        Ok(())
    }

    /// The block as version 2 wants it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = Block::named("SupParams");
        for text in [
            &self.supplier,
            &self.model,
            &self.serial,
            &self.module,
            &self.module_serial,
            &self.software,
            &self.other,
        ] {
            block.text(text);
        }
        block.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_block_keeps_what_was_there() {
        let (supplier, complete) = Supplier::decode(b"Maker\0Model\0");
        assert_eq!(supplier.supplier, "Maker");
        assert_eq!(supplier.model, "Model");
        assert_eq!(supplier.serial, "");
        assert_eq!(complete, Err(Short));
    }
}
