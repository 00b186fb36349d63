//! `GenParams`: the fibre and the people, and the user offset.

use crate::cursor::{Block, Cursor, Short};
use crate::map::Layout;
use crate::quantity::OneWayTime;

use super::wavelength_nm;

/// What was measured, as the operator named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct General {
    /// Language code such as `EN`; empty where the file holds none.
    pub language: String,
    /// Cable id.
    pub cable: String,
    /// Fibre id.
    pub fibre: String,
    /// ITU-T fibre type such as 652 for G.652; version 1 has none.
    pub fibre_type: Option<u16>,
    /// Nominal wavelength in nanometres, as written, unchecked.
    pub nominal_nm: u16,
    /// Where the fibre starts.
    pub location_a: String,
    /// Where it ends.
    pub location_b: String,
    /// Cable code.
    pub cable_code: String,
    /// `BC` as built, `CC` current, `RC` repaired, `OT` other.
    pub build_condition: String,
    /// From the front panel to the zero of the event table: the launch fibre.
    pub user_offset: OneWayTime,
    /// The same in tenths of the file's distance unit; version 1 has none.
    pub user_offset_distance: Option<i32>,
    /// Who measured.
    pub operator: String,
    /// Free text.
    pub comment: String,
}

impl General {
    /// The fields up to where the block ends; those behind it stay empty.
    ///
    /// They are laid out as `layout` says, unless only the other one makes sense of them.
    pub(crate) fn decode(fields: &[u8], layout: Layout) -> (Self, Result<(), Short>) {
        let expected = Attempt::at(fields, layout);
        if expected.makes_sense() {
            return (expected.general, expected.complete);
        }
        let other = Attempt::at(fields, layout.other());
        let chosen = if other.makes_sense() { other } else { expected };
        (chosen.general, chosen.complete)
    }

    /// Whether one of the layouts finds every field in these bytes, and a wavelength where it should
    /// be; a block may be larger than its fields.
    pub(crate) fn fits(fields: &[u8], layout: Layout) -> bool {
        [layout, layout.other()]
            .into_iter()
            .any(|layout| Attempt::at(fields, layout).is_complete())
    }

    fn fill(&mut self, cursor: &mut Cursor<'_>, layout: Layout) -> Result<(), Short> {
        // Some instruments leave rubbish in the two language bytes.
        let language = cursor.fixed_text(2)?;
        if language.len() == 2 && language.chars().all(|c| c.is_ascii_alphabetic()) {
            self.language = language;
        }
        self.cable = cursor.text()?;
        self.fibre = cursor.text()?;
        if layout == Layout::V2 {
            self.fibre_type = Some(cursor.u16()?);
        }
        self.nominal_nm = cursor.u16()?;
        self.location_a = cursor.text()?;
        self.location_b = cursor.text()?;
        self.cable_code = cursor.text()?;
        self.build_condition = cursor.fixed_text(2)?;
        self.user_offset = OneWayTime::from_tenths_of_ns(cursor.i32()?);
        if layout == Layout::V2 {
            self.user_offset_distance = Some(cursor.i32()?);
        }
        self.operator = cursor.text()?;
        self.comment = cursor.text()?;
        Ok(())
    }

    /// The block as version 2 wants it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = Block::named("GenParams");
        let language = if self.language.is_empty() {
            "EN"
        } else {
            &self.language
        };
        block.fixed_text(language, 2);
        block.text(&self.cable);
        block.text(&self.fibre);
        block.u16(self.fibre_type.unwrap_or(652));
        block.u16(self.nominal_nm);
        block.text(&self.location_a);
        block.text(&self.location_b);
        block.text(&self.cable_code);
        block.fixed_text(&self.build_condition, 2);
        block.i32(self.user_offset.tenths_of_ns());
        block.i32(self.user_offset_distance.unwrap_or(0));
        block.text(&self.operator);
        block.text(&self.comment);
        block.into_bytes()
    }
}

/// The block read by one of the two layouts.
struct Attempt {
    general: General,
    complete: Result<(), Short>,
    /// Bytes behind the last field.
    left: usize,
}

impl Attempt {
    fn at(fields: &[u8], layout: Layout) -> Self {
        let mut cursor = Cursor::new(fields);
        let mut general = General::default();
        let complete = general.fill(&mut cursor, layout);
        Self {
            general,
            complete,
            left: cursor.rest().len(),
        }
    }

    /// Whether all fields are there, fill the block, and hold a wavelength.
    fn makes_sense(&self) -> bool {
        self.is_complete() && self.left == 0
    }

    /// Whether all fields are there and hold a wavelength.
    fn is_complete(&self) -> bool {
        let nominal = wavelength_nm(f64::from(self.general.nominal_nm));
        self.complete.is_ok() && nominal.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_has_no_fibre_type_and_no_offset_distance() {
        let fields = b"EN K1 AB\0 \0\x1E\x05 A\0 B\0 \0CC\x10\x27\0\0HP \0Emulation\0";
        let (general, complete) = General::decode(fields, Layout::V1);
        assert_eq!(complete, Ok(()));
        assert_eq!(general.cable, "K1 AB");
        assert_eq!((general.nominal_nm, general.fibre_type), (1310, None));
        assert_eq!(general.user_offset, OneWayTime::from_tenths_of_ns(10_000));
        assert_eq!(general.comment, "Emulation");
    }

    #[test]
    fn the_other_layout_is_taken_where_only_it_makes_sense() {
        let fields = b"EN K1 AB\0 \0\x1E\x05 A\0 B\0 \0CC\x10\x27\0\0HP \0Emulation\0";
        let (general, _) = General::decode(fields, Layout::V2);
        assert_eq!((general.nominal_nm, general.fibre_type), (1310, None));
        assert_eq!(general.operator, "HP");
    }

    #[test]
    fn rubbish_for_a_language_is_no_language() {
        let (general, _) = General::decode(b"\0k \x0045\0\x8C\x02\x59\x06", Layout::V2);
        assert_eq!(general.language, "");
        assert_eq!(general.fibre, "45");
        assert_eq!((general.fibre_type, general.nominal_nm), (Some(652), 1625));
    }
}
