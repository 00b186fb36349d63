//! `DataPts`: the samples.

mod arrange;
mod count;

use crate::cursor::{Block, Cursor, Short};
use crate::map::{Body, Map};
use crate::read::ReadError;

use arrange::arrange;
use count::Counts;

/// Raw samples that instruments write where they measured no power at all.
const FLOOR_CODES: [u16; 3] = [65_535, 63_999, 48_000];

/// The share of a curve, as one in so many samples, that makes its lowest level a code: noise does
/// not stop at one number, a logarithm that was refused does.
const CODE_SHARE: usize = 200;

/// A trace of fewer samples is no trace.
pub(crate) const FEWEST_SAMPLES: usize = 10;

/// More scale factors than any file has: one is usual.
const MOST_PARTS: u16 = 64;

/// The samples of one pulse width.
///
/// # Shape
///
/// `raw` is in order of distance, equally spaced by the acquisition's sample spacing. A sample's
/// one-way level is `-raw · scale / 10⁶` dB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curve {
    /// Millionths of a decibel a count: 1000 mostly, 1470 on some instruments.
    pub scale: u16,
    /// The samples as stored.
    pub raw: Vec<u16>,
}

/// What one sample says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// One-way level in decibels.
    Db(f32),
    /// Power at or below zero: a code, not a level, and never to be averaged in decibels.
    NoLight,
}

impl Curve {
    /// The raw value that stands for "no power" in this curve.
    ///
    /// It is the largest number in the curve, where that is a code known from several makers or
    /// occurs far more often than noise would bring it; others may be honest levels.
    #[must_use]
    pub fn floor_code(&self) -> Option<u16> {
        let lowest = self.raw.iter().copied().max()?;
        let often = || {
            let count = self.raw.iter().filter(|&&raw| raw == lowest).count();
            count > self.raw.len() / CODE_SHARE && count > FEWEST_SAMPLES && self.has_shape()
        };
        (FLOOR_CODES.contains(&lowest) || often()).then_some(lowest)
    }

    /// Whether the samples differ at all: a blank shot is no floor.
    fn has_shape(&self) -> bool {
        self.raw
            .first()
            .is_some_and(|first| self.raw.iter().any(|raw| raw != first))
    }

    /// Every sample as a level, in order.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let floor = self.floor_code();
        let scale = f64::from(self.scale) * -1e-6;
        self.raw.iter().map(move |&raw| {
            if Some(raw) == floor {
                return Level::NoLight;
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "f64 to f32 loses digits only"
            )]
            let db = (f64::from(raw) * scale) as f32;
            Level::Db(db)
        })
    }

    /// Every sample in decibels, floor codes as the level they would be.
    #[must_use]
    pub fn decibels(&self) -> Vec<f32> {
        let scale = f64::from(self.scale) * -1e-6;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "f64 to f32 loses digits only"
        )]
        let db = |&raw: &u16| (f64::from(raw) * scale) as f32;
        self.raw.iter().map(db).collect()
    }
}

/// The curves of a block, with what was odd about them.
pub(crate) struct Decoded {
    pub(crate) curve: Curve,
    pub(crate) others: Vec<Curve>,
    pub(crate) warnings: Vec<String>,
}

/// What `FxdParams` says about the samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stated<'a> {
    /// Samples of each pulse width.
    pub(crate) counts: &'a [u32],
    /// Which of them is the trace.
    pub(crate) main: usize,
}

impl Stated<'_> {
    fn count(&self) -> u32 {
        self.counts.get(self.main).copied().unwrap_or(0)
    }
}

/// Whether the block's header goes with what is stated, as it does wherever a block is in place.
pub(crate) fn agrees(body: &Body<'_>, stated: Stated<'_>) -> bool {
    let mut cursor = Cursor::new(body.to_end);
    let (Ok(total), Ok(parts), Ok(own)) = (cursor.u32(), cursor.u16(), cursor.u32()) else {
        return false;
    };
    let held = body.to_end.len() / 2;
    let sane = |count: u32| usize::try_from(count).is_ok_and(|count| count <= held);
    let counts_agree = total == own || stated.counts.contains(&own);
    (1..=MOST_PARTS).contains(&parts) && counts_agree && sane(own)
}

/// The block in a file without names, by the counts at its start.
pub(crate) fn find<'a>(bytes: &'a [u8], stated: Stated<'_>) -> Option<Body<'a>> {
    let count = stated.count();
    if usize::try_from(count).ok()? < FEWEST_SAMPLES {
        return None;
    }
    let count = count.to_le_bytes();
    let header = [&count[..], &1_u16.to_le_bytes(), &count].concat();
    let at = bytes
        .windows(header.len())
        .position(|window| window == header)?;
    Map::body_at(bytes, at, usize::MAX)
}

/// Decodes the block.
///
/// The block holds one part for each scale factor, and a part may hold a piece of a curve, one
/// curve, or the curves of several pulse widths one after the other. So several parts are joined,
/// and cut where the counts of `FxdParams` add up to what there is.
pub(crate) fn decode(body: &Body<'_>, stated: Stated<'_>) -> Result<Decoded, ReadError> {
    let mut warnings = Vec::new();
    let short = |Short| ReadError::Truncated {
        block: "DataPts",
        missing: None,
    };
    let mut cursor = Cursor::new(body.to_end);
    let total = cursor.u32().map_err(short)?;
    let parts = cursor.u16().map_err(short)?;
    let first = first_part(&mut cursor, body, stated.count(), total, &mut warnings)?;
    let used = body.to_end.len() - cursor.rest().len();
    let left = body.fields.get(used..).unwrap_or_default();
    let others = further_parts(left, parts, &mut warnings);
    let (curve, others) = arrange(first, others, &stated, &mut warnings);
    Ok(Decoded {
        curve,
        others,
        warnings,
    })
}

/// The first part, on which everything depends.
fn first_part(
    cursor: &mut Cursor<'_>,
    body: &Body<'_>,
    stated: u32,
    total: u32,
    warnings: &mut Vec<String>,
) -> Result<Curve, ReadError> {
    let short = |Short| ReadError::Truncated {
        block: "DataPts",
        missing: None,
    };
    let own = cursor.u32().map_err(short)?;
    let scale = cursor.u16().map_err(short)?;
    let header = body.to_end.len() - cursor.rest().len();
    let counts = Counts {
        own,
        stated,
        total,
        // A file one byte short still has a whole trace.
        in_block: body.fields.len().saturating_sub(header).div_ceil(2),
        in_file: cursor.rest().len().div_ceil(2),
    };
    let wanted = counts.believed(warnings)?;
    Ok(Curve {
        scale: usable_scale(scale, warnings),
        raw: samples(cursor, wanted),
    })
}

/// A scale at which no OTDR could show a fibre is a maker's way to say 1.
fn usable_scale(scale: u16, warnings: &mut Vec<String>) -> u16 {
    if scale > 1 {
        return scale;
    }
    warnings.push(format!("DataPts: scale factor {scale}, taken as 1000"));
    1_000
}

fn samples(cursor: &mut Cursor<'_>, wanted: usize) -> Vec<u16> {
    let bytes = cursor.rest().len().min(wanted.saturating_mul(2));
    let taken = cursor.bytes(bytes).unwrap_or_default();
    let (pairs, rest) = taken.as_chunks::<2>();
    let mut raw = Vec::with_capacity(pairs.len() + 1);
    raw.extend(pairs.iter().copied().map(u16::from_le_bytes));
    if let (true, Some(&last)) = (!rest.is_empty(), raw.last()) {
        raw.push(last);
    }
    raw
}

fn further_parts(bytes: &[u8], parts: u16, warnings: &mut Vec<String>) -> Vec<Curve> {
    let mut cursor = Cursor::new(bytes);
    let mut found = Vec::new();
    for _ in 1..parts.max(1) {
        let (Ok(count), Ok(scale)) = (cursor.u32(), cursor.u16()) else {
            warnings.push(format!(
                "DataPts: {parts} parts stated, {} read",
                found.len() + 1
            ));
            break;
        };
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        found.push(Curve {
            scale,
            raw: samples(&mut cursor, wanted),
        });
    }
    found
}

/// The block as version 2 wants it.
pub(crate) fn encode(curve: &Curve, others: &[Curve]) -> Vec<u8> {
    let count = |curve: &Curve| u32::try_from(curve.raw.len()).unwrap_or(u32::MAX);
    let total: u32 = others
        .iter()
        .map(count)
        .fold(count(curve), u32::saturating_add);
    let mut block = Block::named("DataPts");
    block.u32(total);
    block.u16(u16::try_from(others.len() + 1).unwrap_or(u16::MAX));
    for curve in std::iter::once(curve).chain(others) {
        block.u32(count(curve));
        block.u16(curve.scale);
        for raw in &curve.raw {
            block.u16(*raw);
        }
    }
    block.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Found;

    fn curve() -> Curve {
        Curve {
            scale: 1_470,
            raw: (0..20).map(|i| i * 100).collect(),
        }
    }

    fn decoded(bytes: &[u8], counts: &[u32]) -> Result<Decoded, ReadError> {
        let fields = &bytes["DataPts\0".len()..];
        let body = Body {
            fields,
            to_end: fields,
            how: Found::Mapped,
        };
        decode(&body, Stated { counts, main: 0 })
    }

    #[test]
    fn several_curves_come_back_as_written() {
        let others = [Curve {
            scale: 1_000,
            raw: vec![7; 12],
        }];
        let found = decoded(&encode(&curve(), &others), &[20, 12]).unwrap();
        assert_eq!(found.curve, curve());
        assert_eq!(found.others, others);
        assert!(found.warnings.is_empty());
    }

    #[test]
    fn a_file_one_byte_short_still_has_a_whole_trace() {
        let mut bytes = encode(&curve(), &[]);
        bytes.pop();
        assert_eq!(decoded(&bytes, &[20]).unwrap().curve.raw.len(), 20);
    }

    #[test]
    fn a_cut_trace_is_refused_with_what_is_missing() {
        let mut bytes = encode(&curve(), &[]);
        bytes.truncate(bytes.len() - 18);
        let error = decoded(&bytes, &[20]).err().unwrap();
        assert_eq!(
            error,
            ReadError::Truncated {
                block: "DataPts",
                missing: Some(9)
            }
        );
    }

    #[test]
    fn a_count_a_few_too_many_costs_a_warning() {
        let mut bytes = encode(&curve(), &[]);
        bytes.truncate(bytes.len() - 4);
        let found = decoded(&bytes, &[20]).unwrap();
        assert_eq!(found.curve.raw, curve().raw[..18]);
        let wanted = "DataPts: the last 2 samples are missing";
        assert_eq!(found.warnings, [wanted]);
    }

    #[test]
    fn an_absurd_count_yields_to_another_one() {
        let mut bytes = encode(&curve(), &[]);
        bytes[14..18].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decoded(&bytes, &[20]).unwrap().curve.raw.len(), 20);
        assert_eq!(decoded(&bytes, &[21]).unwrap().curve.raw.len(), 20);
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = decoded(&bytes, &[21]).err().unwrap();
        assert!(error.to_string().contains("sample count"), "{error}");
    }

    #[test]
    fn a_curve_in_parts_of_several_scales_is_one_curve() {
        let part = |scale, from: u16| Curve {
            scale,
            raw: (from..from + 10).map(|i| i * 100).collect(),
        };
        let bytes = encode(&part(1_000, 10), &[part(2_000, 10)]);
        let found = decoded(&bytes, &[20]).unwrap();
        assert_eq!(found.curve.scale, 2_000);
        assert_eq!(found.curve.raw[..2], [500, 550]);
        assert_eq!(found.curve.raw[10..12], [1_000, 1_100]);
        assert!(found.others.is_empty());
        assert_eq!(found.warnings.len(), 2);
    }

    #[test]
    fn curves_of_several_pulses_in_one_part_are_cut_apart() {
        let raw: Vec<u16> = (0..30).collect();
        let whole = Curve {
            scale: 1_000,
            raw: raw.clone(),
        };
        let found = decoded(&encode(&whole, &[]), &[12, 18]).unwrap();
        assert_eq!(found.curve.raw, raw[..12]);
        assert_eq!(found.others[0].raw, raw[12..]);
    }

    #[test]
    fn the_scale_factor_is_applied() {
        assert!((curve().decibels()[10] + 1.47).abs() < 1e-6);
    }

    #[test]
    fn floor_codes_are_no_levels() {
        let curve = Curve {
            scale: 1_000,
            raw: vec![48_000, 1_000, 65_535],
        };
        let levels: Vec<Level> = curve.levels().collect();
        assert_eq!(levels, [Level::Db(-48.0), Level::Db(-1.0), Level::NoLight]);
        let lower = Curve {
            scale: 1_000,
            raw: vec![48_000, 1_000],
        };
        assert_eq!(lower.floor_code(), Some(48_000));
        assert_eq!(Curve::default().floor_code(), None);
        let raw = (0..500).chain([700; 20]).collect();
        assert_eq!(Curve { scale: 1_000, raw }.floor_code(), Some(700));
        assert_eq!(
            Curve {
                scale: 1_000,
                raw: vec![0; 500]
            }
            .floor_code(),
            None
        );
    }
}
