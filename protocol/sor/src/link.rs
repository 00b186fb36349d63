//! `LnkParams`: landmarks along the link, rarely filled in by field instruments.

use crate::cursor::{Block, Cursor, Short};
use crate::quantity::OneWayTime;

/// A place on the link that an event may belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landmark {
    /// Its number, which event codes refer to.
    pub number: u16,
    /// Two letters for its kind.
    pub code: String,
    /// One-way time from the user offset.
    pub time: OneWayTime,
    /// Number of the event that belongs to it.
    pub event: u16,
    /// Longitude as written.
    pub longitude: i32,
    /// Latitude as written.
    pub latitude: i32,
    /// Excess of fibre over cable before it, in hundredths of a per cent.
    pub fibre_correction: i16,
    /// Sheath mark where the cable enters.
    pub sheath_entering: i32,
    /// Sheath mark where it leaves.
    pub sheath_leaving: i32,
    /// Unit of the sheath marks.
    pub sheath_units: String,
    /// Mode field diameter behind it, as written.
    pub mode_field: u16,
    /// Free text.
    pub comment: String,
}

impl Landmark {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Ok(Self {
            number: cursor.u16()?,
            code: cursor.fixed_text(2)?,
            time: OneWayTime::from_tenths_of_ns(cursor.i32()?),
            event: cursor.u16()?,
            longitude: cursor.i32()?,
            latitude: cursor.i32()?,
            fibre_correction: cursor.i16()?,
            sheath_entering: cursor.i32()?,
            sheath_leaving: cursor.i32()?,
            sheath_units: cursor.fixed_text(2)?,
            mode_field: cursor.u16()?,
            comment: cursor.text().unwrap_or_default(),
        })
    }

    fn encode(&self, block: &mut Block) {
        block.u16(self.number);
        block.fixed_text(&self.code, 2);
        block.i32(self.time.tenths_of_ns());
        block.u16(self.event);
        block.i32(self.longitude);
        block.i32(self.latitude);
        block.i16(i32::from(self.fibre_correction));
        block.i32(self.sheath_entering);
        block.i32(self.sheath_leaving);
        block.fixed_text(&self.sheath_units, 2);
        block.u16(self.mode_field);
        block.text(&self.comment);
    }
}

/// The landmarks the block holds, and a warning where it states others.
pub(crate) fn decode(fields: &[u8]) -> (Vec<Landmark>, Option<String>) {
    let mut cursor = Cursor::new(fields);
    let mut landmarks = Vec::new();
    // An empty block is common and means none.
    let stated = cursor.i16().unwrap_or(0);
    for _ in 0..stated.max(0) {
        let Ok(landmark) = Landmark::decode(&mut cursor) else {
            let read = landmarks.len();
            return (
                landmarks,
                Some(format!("LnkParams: {stated} stated, {read} read")),
            );
        };
        landmarks.push(landmark);
    }
    (landmarks, None)
}

/// The block as version 2 wants it.
pub(crate) fn encode(landmarks: &[Landmark]) -> Vec<u8> {
    let mut block = Block::named("LnkParams");
    let count = landmarks.len().min(usize::from(i16::MAX.cast_unsigned()));
    block.i16(i32::try_from(count).unwrap_or(0));
    for landmark in landmarks.iter().take(count) {
        landmark.encode(&mut block);
    }
    block.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landmarks_come_back_as_written() {
        let landmark = Landmark {
            number: 3,
            code: "MH".into(),
            longitude: 498_670_921,
            sheath_leaving: -5,
            comment: "closure".into(),
            ..Landmark::default()
        };
        let wanted = vec![landmark.clone(), landmark];
        let bytes = encode(&wanted).split_off("LnkParams\0".len());
        assert_eq!(decode(&bytes), (wanted, None));
        let (cut, warning) = decode(&bytes[..50]);
        assert_eq!(cut.len(), 1);
        assert!(warning.is_some());
    }

    #[test]
    fn an_empty_block_has_no_landmarks() {
        assert_eq!(decode(&[]), (Vec::new(), None));
        assert_eq!(decode(&(-1_i16).to_le_bytes()), (Vec::new(), None));
    }
}
