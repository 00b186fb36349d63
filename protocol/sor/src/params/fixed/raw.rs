//! `FxdParams` as it stands in the file, and what of it can be believed.
//!
//! Version 1 lacks four fields of version 2: the distance of the acquisition offset, the averaging
//! time, the distance of the range, and all that follows the thresholds. Everything else has the
//! same width and order.

use crate::cursor::{Cursor, Short};
use crate::map::Layout;
use crate::quantity::{GroupIndex, OneWayTime};
use crate::read::ReadError;

use super::{Pulse, wavelength_nm};

/// More pulse widths than any file has: one is usual.
pub(super) const MOST_PULSES: u16 = 64;

/// Group indices of glass, in units of 1e-5.
const PLAUSIBLE_INDEX: std::ops::RangeInclusive<u64> = 130_000..=170_000;

/// Units of distance that the standard knows, and some it does not.
const UNITS: [&str; 8] = ["km", "mt", "ft", "kf", "mi", "mm", "m", "KM"];

/// The block's fields before any of them is believed.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) taken: u32,
    pub(super) units: String,
    pub(super) wavelength: u16,
    pub(super) acquisition_offset: i32,
    /// One for each pulse width, or one where the file says it has none.
    pub(super) slots: Vec<Slot>,
    pub(super) group_index: u32,
    pub(super) backscatter: u16,
    pub(super) averages: u32,
    pub(super) averaging_time: u16,
    pub(super) range: u32,
    pub(super) front_panel_offset: i32,
    pub(super) noise_level: u16,
    pub(super) noise_scale: i16,
    pub(super) power_offset: u16,
    pub(super) loss_threshold: u16,
    pub(super) reflectance_threshold: u16,
    pub(super) end_threshold: u16,
    pub(super) trace_type: String,
}

/// Pulse width, sample spacing and sample count that belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    width_ns: u16,
    spacing: u32,
    pub(super) samples: u32,
}

impl Raw {
    pub(super) fn decode(fields: &[u8], layout: Layout) -> Result<Self, Short> {
        let mut cursor = Cursor::new(fields);
        let mut raw = Self::default();
        raw.scale(&mut cursor, layout)?;
        // What follows the scale is good to have; a block cut here still makes a trace.
        let _ = raw.rest(&mut cursor, layout);
        Ok(raw)
    }

    fn scale(&mut self, cursor: &mut Cursor<'_>, layout: Layout) -> Result<(), Short> {
        self.taken = cursor.u32()?;
        self.units = cursor.fixed_text(2)?;
        self.wavelength = cursor.u16()?;
        self.acquisition_offset = cursor.i32()?;
        if layout == Layout::V2 {
            cursor.i32()?;
        }
        let stated = usize::from(cursor.u16()?.clamp(1, MOST_PULSES));
        let slots = *cursor;
        let stated = self.slots_and_index(cursor, stated);
        if stated.is_ok() && scaled_index(self.group_index).is_some() {
            return Ok(());
        }
        // A count that leads nowhere, where one pulse would do: there is one.
        let mut one = slots;
        let mut single = Self::default();
        if single.slots_and_index(&mut one, 1).is_ok()
            && scaled_index(single.group_index).is_some()
            && single.slots.iter().all(|slot| slot.pulse(GLASS).is_ok())
        {
            *cursor = one;
            self.slots = single.slots;
            self.group_index = single.group_index;
            return Ok(());
        }
        stated
    }

    fn slots_and_index(&mut self, cursor: &mut Cursor<'_>, count: usize) -> Result<(), Short> {
        let bytes = cursor.bytes(count * Slot::SIZE)?;
        self.slots = Slot::arrays(bytes, count)?;
        let usual = |slots: &[Slot]| slots.iter().all(Slot::is_usual);
        if count > 1 && !usual(&self.slots) {
            let rows = Slot::rows(bytes, count)?;
            if usual(&rows) {
                self.slots = rows;
            }
        }
        self.group_index = cursor.u32()?;
        Ok(())
    }

    fn rest(&mut self, cursor: &mut Cursor<'_>, layout: Layout) -> Result<(), Short> {
        self.backscatter = cursor.u16()?;
        self.averages = cursor.u32()?;
        if layout == Layout::V2 {
            self.averaging_time = cursor.u16()?;
        }
        self.range = cursor.u32()?;
        if layout == Layout::V2 {
            cursor.i32()?;
        }
        self.front_panel_offset = cursor.i32()?;
        self.noise_level = cursor.u16()?;
        self.noise_scale = cursor.i16()?;
        self.power_offset = cursor.u16()?;
        self.loss_threshold = cursor.u16()?;
        self.reflectance_threshold = cursor.u16()?;
        self.end_threshold = cursor.u16()?;
        if layout == Layout::V2 {
            self.trace_type = cursor.fixed_text(2)?;
        }
        Ok(())
    }

    /// The group index, and a warning where it had to be brought to scale.
    pub(super) fn index(&self) -> Result<(GroupIndex, Option<String>), ReadError> {
        let refused = || {
            let found = format!("{:.5}", f64::from(self.group_index) * 1e-5);
            ReadError::implausible("group index", found, "1.3 to 1.7")
        };
        let index = scaled_index(self.group_index).ok_or_else(refused)?;
        let warning = (index.raw() != self.group_index).then(|| {
            let found = self.group_index;
            format!("FxdParams: group index {found} is out of scale, taken as {index:?}")
        });
        Ok((index, warning))
    }

    /// Whether all of it is what an instrument writes: strict enough to find a block that is not
    /// where the map says, in a file of `size` bytes.
    pub(super) fn is_typical(&self, size: usize) -> bool {
        let samples = self.slots.first().map_or(0, |slot| slot.samples);
        let fits = usize::try_from(samples).is_ok_and(|samples| samples <= size / 2);
        UNITS.contains(&self.units.as_str())
            && wavelength_nm(f64::from(self.wavelength) / 10.0).is_some()
            && PLAUSIBLE_INDEX.contains(&u64::from(self.group_index))
            && self.slots.iter().all(|slot| slot.pulse(GLASS).is_ok())
            && samples >= 10
            && fits
    }
}

/// An index near enough to that of every glass to judge a spacing by.
const GLASS: GroupIndex = GroupIndex::STANDARD_1550;

impl Slot {
    const SIZE: usize = 10;

    /// As the standard has them: all widths, all spacings, all counts.
    fn arrays(bytes: &[u8], count: usize) -> Result<Vec<Self>, Short> {
        let mut cursor = Cursor::new(bytes);
        let mut slots = vec![Self::default(); count];
        for slot in &mut slots {
            slot.width_ns = cursor.u16()?;
        }
        for slot in &mut slots {
            slot.spacing = cursor.u32()?;
        }
        for slot in &mut slots {
            slot.samples = cursor.u32()?;
        }
        Ok(slots)
    }

    /// As some have read the standard: width, spacing and count of each pulse in turn.
    fn rows(bytes: &[u8], count: usize) -> Result<Vec<Self>, Short> {
        let mut cursor = Cursor::new(bytes);
        let row = |_| {
            Ok(Self {
                width_ns: cursor.u16()?,
                spacing: cursor.u32()?,
                samples: cursor.u32()?,
            })
        };
        (0..count).map(row).collect()
    }

    /// Whether it is what most instruments write: narrower bounds than those of sense, to tell two
    /// ways of reading apart.
    fn is_usual(&self) -> bool {
        let spacing = OneWayTime::from_hundredths_of_ps(self.spacing).metres(GLASS);
        (1..=20_000).contains(&self.width_ns)
            && (0.01..=50.0).contains(&spacing)
            && (10..=2_000_000).contains(&self.samples)
    }

    /// The pulse, where an instrument can have meant it.
    pub(super) fn pulse(&self, index: GroupIndex) -> Result<Pulse, ReadError> {
        let width_ns = self.width_ns;
        if !(1..=60_000).contains(&width_ns) {
            let found = format!("{width_ns} ns");
            return Err(ReadError::implausible("pulse", found, "1 ns to 60 us"));
        }
        let spacing = OneWayTime::from_hundredths_of_ps(self.spacing);
        let metres = spacing.metres(index);
        if !(0.000_5..=1_000.0).contains(&metres) {
            let found = format!("{metres} m");
            let wanted = "0.5 mm to 1 km";
            return Err(ReadError::implausible("sample spacing", found, wanted));
        }
        Ok(Pulse { width_ns, spacing })
    }
}

/// The index as stored in units of 1e-5, or a power of ten beside that.
fn scaled_index(raw: u32) -> Option<GroupIndex> {
    let raw = u64::from(raw);
    let scaled = [raw, raw * 10, raw / 10, raw * 100, raw / 100];
    let index = scaled.into_iter().find(|raw| PLAUSIBLE_INDEX.contains(raw));
    index
        .and_then(|raw| u32::try_from(raw).ok())
        .and_then(GroupIndex::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(raw: u32) -> Option<u32> {
        scaled_index(raw).map(GroupIndex::raw)
    }

    #[test]
    fn an_index_of_another_scale_is_brought_to_ours() {
        assert_eq!(index_of(146_820), Some(146_820));
        assert_eq!(index_of(14_682), Some(146_820));
        assert_eq!(index_of(1_468_250), Some(146_825));
        assert_eq!(index_of(14_682_500), Some(146_825));
        for nonsense in [0, 10, 100_000, 200_000, u32::MAX] {
            assert_eq!(index_of(nonsense), None, "{nonsense}");
        }
    }

    fn block(stated: u16, slots: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(b"mt");
        bytes.extend_from_slice(&15_500_u16.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&stated.to_le_bytes());
        bytes.extend_from_slice(slots);
        bytes.extend_from_slice(&146_820_u32.to_le_bytes());
        bytes
    }

    fn slot(width_ns: u16, samples: u32) -> Slot {
        Slot {
            width_ns,
            spacing: 250_000,
            samples,
        }
    }

    fn row(slot: Slot) -> Vec<u8> {
        let mut bytes = slot.width_ns.to_le_bytes().to_vec();
        bytes.extend_from_slice(&slot.spacing.to_le_bytes());
        bytes.extend_from_slice(&slot.samples.to_le_bytes());
        bytes
    }

    #[test]
    fn pulses_are_read_in_arrays_and_in_rows() {
        let wanted = [slot(100, 4_000), slot(1_000, 5_000)];
        let rows = wanted.map(row).concat();
        let raw = Raw::decode(&block(2, &rows), Layout::V2).unwrap();
        assert_eq!(raw.slots, wanted);
        let arrays = [
            &rows[..2],
            &rows[10..12],
            &rows[2..6],
            &rows[12..16],
            &rows[6..10],
            &rows[16..],
        ];
        let raw = Raw::decode(&block(2, &arrays.concat()), Layout::V2).unwrap();
        assert_eq!(raw.slots, wanted);
    }

    #[test]
    fn a_pulse_count_that_leads_nowhere_is_one() {
        let wanted = slot(100, 4_000);
        for stated in [0, 1, 2, 256, 65_535] {
            let raw = Raw::decode(&block(stated, &row(wanted)), Layout::V2).unwrap();
            assert_eq!((raw.slots, raw.group_index), (vec![wanted], 146_820));
        }
    }
}
