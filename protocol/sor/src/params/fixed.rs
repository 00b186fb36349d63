//! `FxdParams`: how the trace was taken. Without these numbers a trace has no scale, so they are
//! the ones checked for sense.

mod raw;

use crate::cursor::{Block, Short};
use crate::data::Stated;
use crate::map::Layout;
use crate::quantity::{GroupIndex, MilliDb, OneWayTime};
use crate::read::ReadError;

use raw::{MOST_PULSES, Raw};

/// One pulse width and the sampling that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Pulse width in nanoseconds.
    pub width_ns: u16,
    /// One-way time between samples.
    pub spacing: OneWayTime,
}

/// What the instrument was told to report as an event; none where the file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Smallest loss reported.
    pub loss: Option<MilliDb>,
    /// Smallest reflectance reported, negative.
    pub reflectance: Option<MilliDb>,
    /// Loss that ends the fibre.
    pub end: Option<MilliDb>,
}

/// Settings of one acquisition.
#[derive(Clone, Debug, PartialEq)]
pub struct Acquisition {
    /// When it was taken, in seconds since 1970-01-01 by the instrument's clock.
    pub taken: Option<u32>,
    /// Distance unit of the display: `km`, `mt`, `mi`, `kf`.
    pub units: String,
    /// Wavelength in nanometres, brought to the usual scale; none where the field is junk.
    pub wavelength_nm: Option<f64>,
    /// From the front panel to the first sample.
    pub acquisition_offset: OneWayTime,
    /// The pulse of the main curve.
    pub pulse: Pulse,
    /// Further pulse widths, for files with several curves.
    pub other_pulses: Vec<Pulse>,
    /// Samples a curve, as this block states it.
    pub stated_samples: u32,
    /// Group index of refraction.
    pub group_index: GroupIndex,
    /// Backscatter coefficient at 1 ns, negative; none where the field is junk.
    pub backscatter: Option<MilliDb>,
    /// Shots averaged.
    pub averages: u32,
    /// Averaging time. The standard counts tenths of a second; many instruments write seconds.
    pub averaging_time: u16,
    /// One-way time of the range that was set.
    pub range: OneWayTime,
    /// From the instrument's zero to its front panel.
    pub front_panel_offset: OneWayTime,
    /// Level of the noise floor, negative; none where the field holds a code.
    pub noise_floor: Option<MilliDb>,
    /// Attenuation of the first sample, as written.
    pub power_offset: u16,
    /// Reporting thresholds.
    pub thresholds: Thresholds,
    /// `ST` standard, `RT` reverse, `DT` difference, `RF` reference; empty in version 1.
    pub trace_type: String,
}

impl Acquisition {
    /// Settings with these three and everything else at zero or unknown.
    #[must_use]
    pub fn new(pulse: Pulse, group_index: GroupIndex, wavelength_nm: f64) -> Self {
        Self {
            taken: None,
            units: "mt".into(),
            wavelength_nm: Some(wavelength_nm),
            acquisition_offset: OneWayTime::default(),
            pulse,
            other_pulses: Vec::new(),
            stated_samples: 0,
            group_index,
            backscatter: None,
            averages: 0,
            averaging_time: 0,
            range: OneWayTime::default(),
            front_panel_offset: OneWayTime::default(),
            noise_floor: None,
            power_offset: 0,
            thresholds: Thresholds::default(),
            trace_type: "ST".into(),
        }
    }

    /// One-way distance between samples in metres of glass.
    #[must_use]
    pub fn spacing_m(&self) -> f64 {
        self.pulse.spacing.metres(self.group_index)
    }

    /// Decodes the block and checks it for sense.
    pub(crate) fn decode(fields: &[u8], layout: Layout) -> Result<Settings, ReadError> {
        let short = |Short| ReadError::Truncated {
            block: "FxdParams",
            missing: None,
        };
        let raw = Raw::decode(fields, layout).map_err(short)?;
        let (group_index, warning) = raw.index()?;
        let mut warnings = Vec::from_iter(warning);
        let pulses = Pulses::of(&raw, group_index, &mut warnings)?;
        let acquisition = Self {
            taken: (raw.taken != 0).then_some(raw.taken),
            wavelength_nm: wavelength_nm(f64::from(raw.wavelength) / 10.0),
            acquisition_offset: OneWayTime::from_tenths_of_ns(raw.acquisition_offset),
            pulse: pulses.pulse,
            other_pulses: pulses.others,
            stated_samples: pulses.counts.get(pulses.main).copied().unwrap_or(0),
            group_index,
            backscatter: backscatter(raw.backscatter),
            averages: raw.averages,
            averaging_time: raw.averaging_time,
            range: OneWayTime::from_tenths_of_ns(i32::try_from(raw.range).unwrap_or(i32::MAX)),
            front_panel_offset: OneWayTime::from_tenths_of_ns(raw.front_panel_offset),
            noise_floor: noise_floor(raw.noise_level, raw.noise_scale),
            power_offset: raw.power_offset,
            thresholds: Thresholds {
                loss: threshold(raw.loss_threshold),
                reflectance: threshold(raw.reflectance_threshold).map(|db| MilliDb(-db.0)),
                end: threshold(raw.end_threshold),
            },
            units: raw.units,
            trace_type: raw.trace_type,
        };
        Ok(Settings {
            acquisition,
            counts: pulses.counts,
            main: pulses.main,
            warnings,
        })
    }

    /// Whether these bytes are such a block beyond reasonable doubt, in a file of `size` bytes.
    pub(crate) fn is_typical(fields: &[u8], layout: Layout, size: usize) -> bool {
        Raw::decode(fields, layout).is_ok_and(|raw| raw.is_typical(size))
    }

    /// The block as version 2 wants it, for a curve of `samples` samples.
    pub(crate) fn encode(&self, samples: usize) -> Vec<u8> {
        let mut block = Block::named("FxdParams");
        block.u32(self.taken.unwrap_or(0));
        block.fixed_text(&self.units, 2);
        block.u16(field(self.wavelength_nm.unwrap_or(0.0) * 10.0));
        block.i32(self.acquisition_offset.tenths_of_ns());
        block.i32(0);
        self.encode_pulses(&mut block, u32::try_from(samples).unwrap_or(u32::MAX));
        block.u32(self.group_index.raw());
        block.u16(field(self.backscatter.map_or(0.0, |b| -b.db() * 10.0)));
        block.u32(self.averages);
        block.u16(self.averaging_time);
        block.i32(self.range.tenths_of_ns());
        block.i32(0);
        block.i32(self.front_panel_offset.tenths_of_ns());
        block.u16(
            self.noise_floor
                .map_or(u16::MAX, |floor| field(-f64::from(floor.0))),
        );
        block.u16(1_000);
        block.u16(self.power_offset);
        block.u16(
            self.thresholds
                .loss
                .map_or(0, |loss| field(f64::from(loss.0))),
        );
        block.u16(
            self.thresholds
                .reflectance
                .map_or(0, |r| field(-f64::from(r.0))),
        );
        block.u16(self.thresholds.end.map_or(0, |end| field(f64::from(end.0))));
        block.fixed_text(&self.trace_type, 2);
        block.bytes(&[0; 16]);
        block.into_bytes()
    }

    fn encode_pulses(&self, block: &mut Block, samples: u32) {
        let room = usize::from(MOST_PULSES) - 1;
        let others = self.other_pulses.iter().take(room).copied();
        let pulses: Vec<Pulse> = std::iter::once(self.pulse).chain(others).collect();
        block.u16(u16::try_from(pulses.len()).unwrap_or(1));
        for pulse in &pulses {
            block.u16(pulse.width_ns);
        }
        for pulse in &pulses {
            block.u32(pulse.spacing.hundredths_of_ps());
        }
        for _ in &pulses {
            block.u32(samples);
        }
    }
}

/// The block, with what `DataPts` has to be read by.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) acquisition: Acquisition,
    /// Samples of each pulse width, in the order of the file.
    pub(crate) counts: Vec<u32>,
    /// Which of them is the trace.
    pub(crate) main: usize,
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// What the block says about the samples.
    pub(crate) fn stated(&self) -> Stated<'_> {
        Stated {
            counts: &self.counts,
            main: self.main,
        }
    }
}

/// The pulse of the trace, and the others.
struct Pulses {
    pulse: Pulse,
    others: Vec<Pulse>,
    counts: Vec<u32>,
    main: usize,
}

impl Pulses {
    /// The trace is the first pulse that makes sense; the others count only if all of them do.
    fn of(raw: &Raw, index: GroupIndex, warnings: &mut Vec<String>) -> Result<Self, ReadError> {
        let pulses: Vec<_> = raw.slots.iter().map(|slot| slot.pulse(index)).collect();
        let sound = |(at, pulse): (usize, &Result<Pulse, ReadError>)| {
            let pulse = *pulse.as_ref().ok()?;
            Some((at, pulse))
        };
        let Some((main, pulse)) = pulses.iter().enumerate().find_map(sound) else {
            let first = pulses.into_iter().find_map(Result::err);
            let none = || ReadError::implausible("pulse", "no pulse width", "at least one");
            return Err(first.unwrap_or_else(none));
        };
        let mut others: Vec<Pulse> = pulses.iter().flatten().copied().collect();
        others.remove(main.min(others.len() - 1));
        if others.len() + 1 < pulses.len() {
            warnings.push(format!(
                "FxdParams: of {} pulses some make no sense; took pulse {}",
                pulses.len(),
                main + 1
            ));
            others.clear();
        }
        Ok(Self {
            pulse,
            others,
            counts: raw.slots.iter().map(|slot| slot.samples).collect(),
            main,
        })
    }
}

/// Brings a wavelength to nanometres: 131, 155 and 15 500 occur for 1310 and 1550.
pub(crate) fn wavelength_nm(stated: f64) -> Option<f64> {
    // 6553.5 is the largest number the field can hold: a code for none.
    let mut nm = stated;
    while nm > 1.0 && nm < 200.0 {
        nm *= 10.0;
    }
    if nm > 5_000.0 && nm < 6_553.5 {
        nm /= 10.0;
    }
    (500.0..=2_000.0).contains(&nm).then_some(nm)
}

/// The coefficient is stored in tenths of a decibel without its sign; some store it with one.
fn backscatter(raw: u16) -> Option<MilliDb> {
    let tenths = i32::from(raw.cast_signed()).abs();
    (500..=1_000)
        .contains(&tenths)
        .then(|| MilliDb(-100 * tenths))
}

fn noise_floor(level: u16, scale: i16) -> Option<MilliDb> {
    if level == 0 || level == u16::MAX || scale <= 0 {
        return None;
    }
    Some(MilliDb(-(i32::from(level) * i32::from(scale) / 1_000)))
}

fn threshold(raw: u16) -> Option<MilliDb> {
    (raw != 0 && raw != u16::MAX).then(|| MilliDb(i32::from(raw)))
}

/// A number rounded and held to the range of an unsigned field.
fn field(value: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates and NaN becomes zero"
    )]
    let raw = value.round() as u16;
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Acquisition {
        let spacing = OneWayTime::from_hundredths_of_ps(250_000);
        let pulse = Pulse {
            width_ns: 100,
            spacing,
        };
        Acquisition {
            taken: Some(1_700_000_000),
            backscatter: Some(MilliDb(-81_500)),
            noise_floor: Some(MilliDb(-38_200)),
            stated_samples: 9,
            ..Acquisition::new(pulse, GroupIndex::STANDARD_1550, 1_550.0)
        }
    }

    fn fields(acquisition: &Acquisition) -> Vec<u8> {
        acquisition.encode(9).split_off("FxdParams\0".len())
    }

    #[test]
    fn settings_come_back_as_written() {
        let mut several = settings();
        several.other_pulses = vec![several.pulse, several.pulse];
        several.thresholds.reflectance = Some(MilliDb(-65_000));
        for wanted in [settings(), several] {
            let found = Acquisition::decode(&fields(&wanted), Layout::V2).unwrap();
            assert_eq!(found.acquisition, wanted);
            assert!(found.warnings.is_empty());
        }
    }

    #[test]
    fn a_block_cut_behind_the_group_index_still_makes_a_trace() {
        let whole = fields(&settings());
        let found = Acquisition::decode(&whole[..32], Layout::V2).unwrap();
        assert_eq!(found.acquisition.group_index, GroupIndex::STANDARD_1550);
        assert_eq!(found.acquisition.backscatter, None);
        let error = Acquisition::decode(&whole[..31], Layout::V2).unwrap_err();
        assert!(matches!(
            error,
            ReadError::Truncated {
                block: "FxdParams",
                ..
            }
        ));
    }

    #[test]
    fn an_empty_first_pulse_gives_way_to_the_next() {
        let mut several = settings();
        several.other_pulses = vec![Pulse {
            width_ns: 1_000,
            ..several.pulse
        }];
        let mut bytes = fields(&several);
        bytes[18..20].copy_from_slice(&[0; 2]);
        let found = Acquisition::decode(&bytes, Layout::V2).unwrap();
        assert_eq!(found.acquisition.pulse.width_ns, 1_000);
        assert_eq!((found.main, found.counts), (1, vec![9, 9]));
        assert_eq!(found.acquisition.other_pulses, []);
        assert_eq!(found.warnings.len(), 1);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (at, value, field) in [
            (18, 0_u32, "pulse"),
            (20, 0, "sample spacing"),
            (20, u32::MAX, "sample spacing"),
            (28, 0, "group index"),
            (28, 10, "group index"),
            (28, u32::MAX, "group index"),
        ] {
            let mut bytes = fields(&settings());
            let width = if at == 18 { 2 } else { 4 };
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            let error = Acquisition::decode(&bytes, Layout::V2).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn wavelengths_come_to_the_usual_scale() {
        for (stated, wanted) in [
            (1_310.0, Some(1_310.0)),
            (131.0, Some(1_310.0)),
            (15.5, Some(1_550.0)),
            (6_250.0, Some(625.0)),
            (0.0, None),
            (3_000.0, None),
            (6_553.5, None),
        ] {
            let found = wavelength_nm(stated);
            assert_eq!(found.map(f64::round), wanted, "{stated}");
        }
    }

    #[test]
    fn the_backscatter_coefficient_is_negative_whatever_its_sign_in_the_file() {
        assert_eq!(backscatter(815), Some(MilliDb(-81_500)));
        assert_eq!(backscatter(64_736), Some(MilliDb(-80_000)));
        assert_eq!(backscatter(0), None);
        assert_eq!(backscatter(65_535), None);
    }

    #[test]
    fn codes_for_unknown_are_unknown() {
        assert_eq!(threshold(0), None);
        assert_eq!(threshold(65_535), None);
        assert_eq!(threshold(50), Some(MilliDb(50)));
        assert_eq!(noise_floor(65_535, 1_000), None);
        assert_eq!(noise_floor(2_340, 0), None);
        assert_eq!(noise_floor(52_058, 1_000), Some(MilliDb(-52_058)));
    }
}
