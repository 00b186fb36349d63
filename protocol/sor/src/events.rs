//! `KeyEvents`: the instrument's own table of events.

use crate::cursor::{Block, Cursor, Short};
use crate::map::Layout;
use crate::quantity::{MilliDb, OneWayTime};

/// Reflectances are above this; what is below is some maker's code for "none", mostly -2147483.648.
const LOWEST_REFLECTANCE: i32 = -150_000;

/// The table with its summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEvents {
    /// The events in the file's order.
    pub events: Vec<KeyEvent>,
    /// Totals over the link, where the block has them.
    pub summary: Option<Summary>,
}

/// One event of the instrument's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEvent {
    /// Its number, from 1.
    pub number: u16,
    /// One-way time from the user offset.
    pub time: OneWayTime,
    /// Attenuation of the fibre before it, in thousandths of a decibel a kilometre.
    pub slope_mdb_per_km: i16,
    /// Loss; negative for a gain.
    pub loss: MilliDb,
    /// Reflectance, negative whatever its sign in the file; none where the file has its code for
    /// none, or 0.
    pub reflectance: Option<MilliDb>,
    /// Six characters: reflective or not, who found it, landmark number; such as `1F9999`.
    pub code: String,
    /// How the loss was measured: `LS` least squares, `2P` two points.
    pub technique: String,
    /// Where the measuring lines were; version 1 has none.
    pub markers: Option<Markers>,
    /// Free text.
    pub comment: String,
}

/// Where an event's measuring lines end, one-way from the user offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markers {
    /// End of the previous event.
    pub previous_end: OneWayTime,
    /// Start of this one.
    pub start: OneWayTime,
    /// End of this one.
    pub end: OneWayTime,
    /// Start of the next one.
    pub next_start: OneWayTime,
    /// Its peak.
    pub peak: OneWayTime,
}

/// Totals that follow the last event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Loss from end to end.
    pub total_loss: MilliDb,
    /// Where that loss starts and ends.
    pub loss_span: [OneWayTime; 2],
    /// Optical return loss.
    pub return_loss: MilliDb,
    /// Where the return loss starts and ends.
    pub return_loss_span: [OneWayTime; 2],
}

impl KeyEvent {
    /// Whether the instrument saw a reflection.
    #[must_use]
    pub fn is_reflective(&self) -> bool {
        self.code.starts_with(['1', '2'])
    }

    /// Whether the reflection was beyond the receiver's range.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.code.starts_with('2')
    }

    /// Whether the instrument takes it for the end of the fibre.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.code.chars().nth(1), Some('E' | 'e' | 'D' | 'd'))
    }

    /// Whether a person put it there.
    #[must_use]
    pub fn is_added_by_user(&self) -> bool {
        matches!(self.code.chars().nth(1), Some('A' | 'a'))
    }

    fn decode(cursor: &mut Cursor<'_>, shape: Shape) -> Result<Self, Short> {
        Ok(Self {
            number: cursor.u16()?,
            time: time(cursor)?,
            slope_mdb_per_km: cursor.i16()?,
            loss: MilliDb(i32::from(cursor.i16()?)),
            reflectance: reflectance(cursor.i32()?),
            code: cursor.fixed_text(6)?,
            technique: cursor.fixed_text(2)?,
            markers: match shape.layout {
                Layout::V1 => None,
                Layout::V2 => Some(Markers::decode(cursor)?),
            },
            comment: if shape.comments {
                cursor.text().unwrap_or_default()
            } else {
                String::new()
            },
        })
    }

    /// Whether the code is one that an instrument could have written: a digit, then five signs.
    fn has_code(&self) -> bool {
        let mut signs = self.code.bytes();
        signs.next().is_some_and(|first| first.is_ascii_digit())
            && signs.all(|sign| sign.is_ascii_graphic() || sign == b' ')
    }

    /// Whether its number goes on from the last event's; a table begins with 0 or 1.
    fn is_next_after(&self, last: Option<&Self>) -> bool {
        match last {
            Some(last) => last.number.checked_add(1) == Some(self.number),
            None => self.number <= 1,
        }
    }

    fn encode(&self, block: &mut Block) {
        block.u16(self.number);
        block.i32(self.time.tenths_of_ns());
        block.i16(i32::from(self.slope_mdb_per_km));
        block.i16(self.loss.0);
        block.i32(self.reflectance.map_or(0, |reflectance| reflectance.0));
        block.fixed_text(&self.code, 6);
        block.fixed_text(&self.technique, 2);
        self.markers.unwrap_or_default().encode(block);
        block.text(&self.comment);
    }
}

impl Markers {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Ok(Self {
            previous_end: time(cursor)?,
            start: time(cursor)?,
            end: time(cursor)?,
            next_start: time(cursor)?,
            peak: time(cursor)?,
        })
    }

    fn encode(self, block: &mut Block) {
        for time in [
            self.previous_end,
            self.start,
            self.end,
            self.next_start,
            self.peak,
        ] {
            block.i32(time.tenths_of_ns());
        }
    }
}

impl Summary {
    /// Bytes in the file.
    const SIZE: usize = 22;

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Short> {
        Ok(Self {
            total_loss: MilliDb(cursor.i32()?),
            loss_span: [time(cursor)?, time(cursor)?],
            return_loss: MilliDb(i32::from(cursor.u16()?)),
            return_loss_span: [time(cursor)?, time(cursor)?],
        })
    }

    fn encode(self, block: &mut Block) {
        block.i32(self.total_loss.0);
        self.loss_span
            .iter()
            .for_each(|time| block.i32(time.tenths_of_ns()));
        block.u16(u16::try_from(self.return_loss.0.max(0)).unwrap_or(u16::MAX));
        self.return_loss_span
            .iter()
            .for_each(|time| block.i32(time.tenths_of_ns()));
    }
}

impl KeyEvents {
    /// The events the block holds, and a warning where it states others.
    ///
    /// Events are laid out as `layout` says, unless another way to lay them out explains the block
    /// better: the other version's, or without the comment's NUL.
    pub(crate) fn decode(fields: &[u8], layout: Layout) -> (Self, Option<String>) {
        let mut cursor = Cursor::new(fields);
        let Ok(stated) = cursor.i16() else {
            return (Self::default(), Some("KeyEvents: no event count".into()));
        };
        let mut best = Attempt::at(cursor, stated, Shape::usual(layout));
        if stated > 0 && !best.explains_all(stated) {
            for shape in Shape::unusual(layout) {
                let attempt = Attempt::at(cursor, stated, shape);
                if attempt.rank() > best.rank() {
                    best = attempt;
                }
            }
        }
        let warning = best.warning(stated);
        (best.table, warning)
    }

    /// Whether these bytes are such a table from the first to the last.
    pub(crate) fn fits(fields: &[u8], layout: Layout) -> bool {
        let mut cursor = Cursor::new(fields);
        cursor.i16().is_ok_and(|stated| {
            let shapes = Shape::unusual(layout).into_iter();
            let mut shapes = std::iter::once(Shape::usual(layout)).chain(shapes);
            stated >= 0
                && shapes.any(|shape| Attempt::at(cursor, stated, shape).explains_all(stated))
        })
    }

    /// The block as version 2 wants it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = Block::named("KeyEvents");
        let count = self.events.len().min(usize::from(i16::MAX.cast_unsigned()));
        block.i16(i32::try_from(count).unwrap_or(0));
        for event in self.events.iter().take(count) {
            event.encode(&mut block);
        }
        self.summary.unwrap_or_default().encode(&mut block);
        block.into_bytes()
    }
}

/// How events are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    layout: Layout,
    /// Whether each ends with a text and its NUL.
    comments: bool,
}

impl Shape {
    const fn usual(layout: Layout) -> Self {
        Self {
            layout,
            comments: true,
        }
    }

    const fn unusual(layout: Layout) -> [Self; 3] {
        [
            Self {
                layout,
                comments: false,
            },
            Self {
                layout: layout.other(),
                comments: true,
            },
            Self {
                layout: layout.other(),
                comments: false,
            },
        ]
    }
}

/// The block read in one shape.
struct Attempt {
    table: KeyEvents,
    /// Bytes behind the last field.
    left: usize,
    /// Events beyond the stated number.
    uncounted: usize,
}

impl Attempt {
    fn at(mut cursor: Cursor<'_>, stated: i16, shape: Shape) -> Self {
        let mut table = KeyEvents::default();
        let mut uncounted = 0;
        let wanted = usize::try_from(stated).unwrap_or(0);
        loop {
            let counted = table.events.len() < wanted;
            // A failed event must not eat the bytes of the summary.
            let mut ahead = cursor;
            let Ok(event) = KeyEvent::decode(&mut ahead, shape) else {
                break;
            };
            let follows = || {
                let last = table.events.last();
                let next = last.is_some() && event.is_next_after(last);
                next && event.has_code() && ahead.rest().len() >= Summary::SIZE
            };
            // A count too large would make events of the summary's bytes.
            let likely = event.has_code() || event.is_next_after(table.events.last());
            if !likely || (!counted && !follows()) {
                break;
            }
            uncounted += usize::from(!counted);
            table.events.push(event);
            cursor = ahead;
        }
        if table.events.len() >= wanted {
            table.summary = Summary::decode(&mut cursor).ok();
        }
        Self {
            table,
            left: cursor.rest().len(),
            uncounted,
        }
    }

    /// Whether every stated event was read and makes sense, and nothing is left over.
    fn explains_all(&self, stated: i16) -> bool {
        let wanted = usize::try_from(stated).unwrap_or(0);
        let sound = self.table.events.iter().all(KeyEvent::has_code);
        sound && self.left == 0 && self.uncounted == 0 && self.table.events.len() == wanted
    }

    /// Better attempts rank higher: more sound events than others, then a block read to its end.
    fn rank(&self) -> (isize, bool) {
        let events = &self.table.events;
        let sound = events.iter().filter(|event| event.has_code()).count();
        let others = events.len() - sound + self.uncounted;
        let to_end = self.left == 0 && self.table.summary.is_some();
        (sound.cast_signed() - others.cast_signed(), to_end)
    }

    fn warning(&self, stated: i16) -> Option<String> {
        let read = self.table.events.len();
        if stated < 0 {
            return Some(format!("KeyEvents: {stated} stated, taken as none"));
        }
        (usize::try_from(stated) != Ok(read))
            .then(|| format!("KeyEvents: {stated} stated, {read} read"))
    }
}

fn time(cursor: &mut Cursor<'_>) -> Result<OneWayTime, Short> {
    cursor.i32().map(OneWayTime::from_tenths_of_ns)
}

fn reflectance(raw: i32) -> Option<MilliDb> {
    let negative = -raw.saturating_abs();
    (LOWEST_REFLECTANCE..0)
        .contains(&negative)
        .then_some(MilliDb(negative))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> KeyEvents {
        let event = |number: u16, code: &str| KeyEvent {
            number,
            time: OneWayTime::from_tenths_of_ns(i32::from(number) * 50_000),
            slope_mdb_per_km: 201,
            loss: MilliDb(-73),
            reflectance: Some(MilliDb(-45_678)),
            code: code.into(),
            technique: "LS".into(),
            markers: Some(Markers::default()),
            comment: "Schrank 7 Süd".into(),
        };
        let summary = Summary {
            total_loss: MilliDb(12_345),
            ..Summary::default()
        };
        KeyEvents {
            events: vec![event(1, "0F9999"), event(2, "2E9999")],
            summary: Some(summary),
        }
    }

    fn fields(table: &KeyEvents) -> Vec<u8> {
        table.encode().split_off("KeyEvents\0".len())
    }

    #[test]
    fn a_table_comes_back_as_written() {
        let (found, warning) = KeyEvents::decode(&fields(&table()), Layout::V2);
        assert_eq!(found, table());
        assert_eq!(warning, None);
    }

    #[test]
    fn codes_are_understood() {
        let events = table().events;
        assert!(!events[0].is_reflective() && !events[0].is_end());
        assert!(events[1].is_reflective() && events[1].is_saturated() && events[1].is_end());
        assert!(!events[1].is_added_by_user());
    }

    /// The table in version 1, with or without the comments and their NULs.
    fn unusual(comments: bool, markers: bool) -> Vec<u8> {
        let mut block = Block::default();
        block.i16(2);
        for event in &table().events {
            let mut own = Block::default();
            event.encode(&mut own);
            let bytes = own.into_bytes();
            block.bytes(&bytes[..if markers { 42 } else { 22 }]);
            if comments {
                block.text("Schrank 7 Süd");
            }
        }
        table().summary.unwrap().encode(&mut block);
        block.into_bytes()
    }

    #[test]
    fn every_shape_of_the_table_is_read_whatever_the_version_says() {
        for (comments, markers) in [(true, true), (true, false), (false, true), (false, false)] {
            for layout in [Layout::V1, Layout::V2] {
                let (found, warning) = KeyEvents::decode(&unusual(comments, markers), layout);
                assert_eq!(warning, None, "{comments} {markers} {layout:?}");
                assert_eq!(found.summary, table().summary);
                let losses = found.events.iter().map(|event| event.loss);
                assert!(losses.eq([MilliDb(-73); 2]));
                assert_eq!(found.events[1].markers.is_some(), markers);
                assert_eq!(found.events[1].comment.is_empty(), !comments);
            }
        }
    }

    #[test]
    fn events_beyond_the_count_are_read_if_they_go_on_counting() {
        let mut bytes = fields(&table());
        bytes[0] = 1;
        let (found, warning) = KeyEvents::decode(&bytes, Layout::V2);
        assert_eq!(found, table());
        assert_eq!(warning.as_deref(), Some("KeyEvents: 1 stated, 2 read"));
        bytes[2 + 43 + 13] = 7;
        let (found, _) = KeyEvents::decode(&bytes, Layout::V2);
        assert_eq!(found.events.len(), 1);
    }

    #[test]
    fn a_negative_count_is_an_empty_table() {
        let mut bytes = fields(&table());
        bytes[..2].copy_from_slice(&(-1_i16).to_le_bytes());
        let (found, warning) = KeyEvents::decode(&bytes, Layout::V2);
        assert!(found.events.is_empty());
        assert!(warning.is_some());
    }

    #[test]
    fn a_cut_table_keeps_its_whole_events() {
        let bytes = fields(&table());
        let (found, warning) = KeyEvents::decode(&bytes[..80], Layout::V2);
        assert_eq!(found.events.len(), 1);
        assert_eq!(warning.as_deref(), Some("KeyEvents: 2 stated, 1 read"));
    }

    #[test]
    fn no_reflectance_is_none() {
        assert_eq!(reflectance(i32::MIN), None);
        assert_eq!(reflectance(i32::MIN + 1), None);
        assert_eq!(reflectance(0), None);
        assert_eq!(reflectance(-52_000), Some(MilliDb(-52_000)));
        assert_eq!(reflectance(47_285), Some(MilliDb(-47_285)));
    }
}
