//! `DataPts`: the samples.

use crate::cursor::{Block, Cursor, Short};
use crate::map::Body;
use crate::read::ReadError;

/// Raw samples that instruments write where they measured no power at all.
const FLOOR_CODES: [u16; 3] = [65_535, 63_999, 48_000];

/// The share of a curve, as one in so many samples, that makes its lowest level a code: noise does
/// not stop at one number, a logarithm that was refused does.
const CODE_SHARE: usize = 200;

/// A trace of fewer samples is no trace.
const FEWEST_SAMPLES: usize = 10;

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

/// Decodes the block; `stated` is the sample count that `FxdParams` gives.
pub(crate) fn decode(body: &Body<'_>, stated: u32) -> Result<Decoded, ReadError> {
    let mut warnings = Vec::new();
    let short = |Short| ReadError::Truncated {
        block: "DataPts",
        missing: None,
    };
    let mut cursor = Cursor::new(body.to_end);
    cursor.u32().map_err(short)?;
    let traces = cursor.u16().map_err(short)?;
    let header = body.to_end.len() - cursor.rest().len();
    let in_block = body.fields.len().saturating_sub(header);
    let curve = main_curve(&mut cursor, stated, &mut warnings)?;
    let used = body.to_end.len() - cursor.rest().len();
    if used > in_block + header {
        warnings.push("DataPts: larger than the map says".into());
    }
    let left = body.fields.get(used..).unwrap_or_default();
    let others = other_curves(left, traces, &mut warnings);
    Ok(Decoded {
        curve,
        others,
        warnings,
    })
}

fn main_curve(
    cursor: &mut Cursor<'_>,
    stated: u32,
    warnings: &mut Vec<String>,
) -> Result<Curve, ReadError> {
    let short = |Short| ReadError::Truncated {
        block: "DataPts",
        missing: None,
    };
    let count = cursor.u32().map_err(short)?;
    let mut scale = cursor.u16().map_err(short)?;
    if scale == 0 {
        warnings.push("DataPts: scale factor 0, taken as 1000".into());
        scale = 1_000;
    }
    let held = cursor.rest().len();
    let wanted = believed_count(count, stated, held, warnings)?;
    let raw = samples(cursor, wanted);
    Ok(Curve { scale, raw })
}

/// Which of the two counts in the file to believe, and whether the file holds as many.
fn believed_count(
    count: u32,
    stated: u32,
    held_bytes: usize,
    warnings: &mut Vec<String>,
) -> Result<usize, ReadError> {
    // A file one byte short still has a whole trace.
    let held = held_bytes.div_ceil(2);
    let fits = |count: u32| usize::try_from(count).is_ok_and(|count| count <= held);
    let chosen = if fits(count) || !fits(stated) || stated == 0 {
        count
    } else {
        stated
    };
    if count != stated {
        warnings.push(format!(
            "DataPts: {count} samples, FxdParams: {stated}; took {chosen}"
        ));
    }
    let samples = usize::try_from(chosen).unwrap_or(usize::MAX);
    if samples < FEWEST_SAMPLES {
        return Err(ReadError::implausible(
            "sample count",
            chosen.to_string(),
            "at least 10",
        ));
    }
    if samples > held && count != stated {
        let wanted = "no more samples than the file holds";
        return Err(ReadError::implausible(
            "sample count",
            chosen.to_string(),
            wanted,
        ));
    }
    if samples > held {
        return Err(ReadError::Truncated {
            block: "DataPts",
            missing: Some(samples - held),
        });
    }
    Ok(samples)
}

fn samples(cursor: &mut Cursor<'_>, wanted: usize) -> Vec<u16> {
    let bytes = cursor.rest().len().min(wanted.saturating_mul(2));
    let taken = cursor.bytes(bytes).unwrap_or_default();
    let (pairs, rest) = taken.as_chunks::<2>();
    let mut raw: Vec<u16> = pairs.iter().copied().map(u16::from_le_bytes).collect();
    if let (true, Some(&last)) = (!rest.is_empty(), raw.last()) {
        raw.push(last);
    }
    raw
}

fn other_curves(bytes: &[u8], traces: u16, warnings: &mut Vec<String>) -> Vec<Curve> {
    let mut cursor = Cursor::new(bytes);
    let mut curves = Vec::new();
    for _ in 1..traces.max(1) {
        let (Ok(count), Ok(scale)) = (cursor.u32(), cursor.u16()) else {
            warnings.push(format!(
                "DataPts: {traces} traces stated, {} read",
                curves.len() + 1
            ));
            break;
        };
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        curves.push(Curve {
            scale,
            raw: samples(&mut cursor, wanted),
        });
    }
    curves
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

    fn curve() -> Curve {
        Curve {
            scale: 1_470,
            raw: (0..20).map(|i| i * 100).collect(),
        }
    }

    fn decoded(bytes: &[u8], stated: u32) -> Result<Decoded, ReadError> {
        let fields = &bytes["DataPts\0".len()..];
        decode(
            &Body {
                fields,
                to_end: fields,
                moved: false,
            },
            stated,
        )
    }

    #[test]
    fn several_curves_come_back_as_written() {
        let others = [Curve {
            scale: 1_000,
            raw: vec![7; 12],
        }];
        let found = decoded(&encode(&curve(), &others), 20).unwrap();
        assert_eq!(found.curve, curve());
        assert_eq!(found.others, others);
        assert!(found.warnings.is_empty());
    }

    #[test]
    fn a_file_one_byte_short_still_has_a_whole_trace() {
        let mut bytes = encode(&curve(), &[]);
        bytes.pop();
        assert_eq!(decoded(&bytes, 20).unwrap().curve.raw.len(), 20);
    }

    #[test]
    fn a_cut_trace_is_refused_with_what_is_missing() {
        let mut bytes = encode(&curve(), &[]);
        bytes.truncate(bytes.len() - 10);
        let error = decoded(&bytes, 20).err().unwrap();
        assert_eq!(
            error,
            ReadError::Truncated {
                block: "DataPts",
                missing: Some(5)
            }
        );
    }

    #[test]
    fn an_absurd_count_yields_to_the_other_one() {
        let mut bytes = encode(&curve(), &[]);
        bytes[14..18].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decoded(&bytes, 20).unwrap().curve.raw.len(), 20);
        let error = decoded(&bytes, 21).err().unwrap();
        assert!(error.to_string().contains("sample count"), "{error}");
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
