//! What the blocks of a trace amount to: a SOR file in order, or why not.

use std::collections::BTreeMap;

use silkline_protocol::id::PointName;
use silkline_sor::{Acquisition, Checksum, Curve, GroupIndex, OneWayTime, Pulse, Sor};

use crate::driver::otdr::ShotSettings;
use crate::profile::{Contents, FetchMap, Given, SampleForm, SampleKind};

/// What the points told.
type Facts = BTreeMap<PointName, f64>;

/// The SOR file in `bytes`, or made of the samples in them.
///
/// Stricter than a reader of files from anywhere: these bytes came from the instrument itself, so a
/// check sum that does not agree means that they were damaged.
///
/// # Errors
///
/// What is wrong with them.
pub(super) fn trace(
    map: &FetchMap,
    facts: &Facts,
    settings: ShotSettings,
    bytes: &[u8],
) -> Result<Vec<u8>, String> {
    if let Some((point, sum)) = &map.checksum {
        let (stored, computed) = (facts.get(point).copied(), sum.of(bytes));
        if stored != Some(f64::from(computed)) {
            let stored = stored.unwrap_or_default();
            return Err(format!(
                "check sum {stored} by the instrument, {computed} of what was read"
            ));
        }
    }
    match &map.contents {
        Contents::Sor => {
            let sor = silkline_sor::read(bytes).map_err(|error| error.to_string())?;
            if let Checksum::Differs { stored, computed } = sor.checksum {
                return Err(format!(
                    "check sum {stored} in the file, {computed} of what was read"
                ));
            }
            let end = sor.blocks.iter().map(|block| block.offset + block.size);
            if let Some(end) = end.max().filter(|end| *end > bytes.len()) {
                let found = bytes.len();
                return Err(format!("{found} bytes of a file of {end}"));
            }
            Ok(bytes.to_vec())
        }
        Contents::Samples(form) => {
            let sor = made(form, facts, settings, bytes)?;
            let file = silkline_sor::write(&sor);
            // What no instrument can have meant is refused by the reader, by name.
            silkline_sor::read(&file).map_err(|error| error.to_string())?;
            Ok(file)
        }
    }
}

/// The trace that consists of these samples.
fn made(
    form: &SampleForm,
    facts: &Facts,
    settings: ShotSettings,
    bytes: &[u8],
) -> Result<Sor, String> {
    let given = |what: &str, given: &Given, (least, most): (f64, f64)| {
        let value = match given {
            Given::Number(number) => *number,
            Given::Point(point) => facts.get(point).copied().unwrap_or(f64::NAN),
        };
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(format!(
                "implausible {what}: {value}, want {least} to {most}"
            ))
        }
    };
    let spacing = given("spacing in metres", &form.spacing_m, (0.001, 1_000.0))?;
    let index = given("group index", &form.group_index, (1.3, 1.7))?;
    let wavelength = given("wavelength", &form.wavelength_nm, (600.0, 1_700.0))?;
    let pulse = match &form.pulse_ns {
        Some(told) => given("pulse", told, (1.0, 65_535.0))?,
        None => f64::from(settings.pulse_ns),
    };
    let width_ns = whole(pulse).and_then(|pulse| u16::try_from(pulse).ok());
    let width_ns =
        width_ns.ok_or_else(|| format!("a pulse of {pulse} ns has no place in a file"))?;
    let index = GroupIndex::new(index);
    let pulse = Pulse {
        width_ns,
        spacing: OneWayTime::from_metres(spacing, index),
    };
    let curve = curve(form, bytes)?;
    let average = settings.average.as_secs().saturating_mul(10);
    let samples = u32::try_from(curve.raw.len()).unwrap_or(u32::MAX);
    let acquisition = Acquisition {
        averaging_time: u16::try_from(average).unwrap_or(u16::MAX),
        range: OneWayTime::from_metres(spacing * f64::from(samples), index),
        ..Acquisition::new(pulse, index, wavelength)
    };
    let mut sor = Sor::new(acquisition, curve);
    sor.general.nominal_nm = whole(wavelength)
        .and_then(|nm| u16::try_from(nm).ok())
        .unwrap_or(0);
    sor.general.comment = "made by silkline of an instrument's samples".to_owned();
    Ok(sor)
}

/// The samples as a SOR file holds them: loss below the highest, as finely as it allows.
fn curve(form: &SampleForm, bytes: &[u8]) -> Result<Curve, String> {
    let width = form.kind.bytes();
    let numbers: Vec<i64> = bytes
        .chunks_exact(width)
        .filter_map(|sample| number(form, sample))
        .collect();
    let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else {
        return Err("no sample".to_owned());
    };
    let span_db = as_f64(most - least) * form.db_per_unit;
    // Millionths of a decibel a count; 16 bits have to reach from the highest sample to the lowest.
    let scale = (span_db * 1e6 / f64::from(u16::MAX)).ceil().max(1_000.0);
    let scale = whole(scale).and_then(|scale| u16::try_from(scale).ok());
    let Some(scale) = scale else {
        return Err(format!("the samples span {span_db:.0} dB"));
    };
    let counts = |number: &i64| {
        let below = if form.up {
            most - number
        } else {
            number - least
        };
        let counts = as_f64(below) * form.db_per_unit * 1e6 / f64::from(scale);
        whole(counts)
            .and_then(|counts| u16::try_from(counts).ok())
            .unwrap_or(u16::MAX)
    };
    Ok(Curve {
        scale,
        raw: numbers.iter().map(counts).collect(),
    })
}

fn number(form: &SampleForm, sample: &[u8]) -> Option<i64> {
    let two = || {
        let bytes: [u8; 2] = sample.try_into().ok()?;
        Some(match form.little {
            true => u16::from_le_bytes(bytes),
            false => u16::from_be_bytes(bytes),
        })
    };
    let four = || {
        let bytes: [u8; 4] = sample.try_into().ok()?;
        Some(match form.little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        })
    };
    match form.kind {
        SampleKind::U16 => two().map(i64::from),
        SampleKind::I16 => two().map(|bits| bits.cast_signed().into()),
        SampleKind::U32 => four().map(i64::from),
        SampleKind::I32 => four().map(|bits| bits.cast_signed().into()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "differences of 32-bit numbers are exact"
)]
fn as_f64(number: i64) -> f64 {
    number as f64
}

/// `value` to the next whole number; nothing where it is negative, or no number of bytes or samples.
pub(super) fn whole(value: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^32 by the line itself"
    )]
    (0.0..4e9).contains(&value).then(|| value.round() as usize)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::profile::{Blocks, Sum};

    fn form() -> SampleForm {
        SampleForm {
            kind: SampleKind::U16,
            little: false,
            db_per_unit: 0.01,
            up: true,
            spacing_m: Given::Point("spacing".parse().unwrap()),
            group_index: Given::Number(1.4682),
            wavelength_nm: Given::Number(1550.0),
            pulse_ns: None,
        }
    }

    fn map(contents: Contents, checksum: Option<(PointName, Sum)>) -> FetchMap {
        FetchMap {
            blocks: Blocks::Records {
                file: 1,
                registers: 100,
            },
            contents,
            busy: vec![1],
            length: None,
            serial: None,
            checksum,
            within: Duration::from_secs(60),
        }
    }

    fn settings() -> ShotSettings {
        ShotSettings {
            port: 3,
            own_port: 3,
            pulse_ns: 300,
            average: Duration::from_secs(10),
        }
    }

    fn facts(spacing: f64) -> Facts {
        [("spacing".parse().unwrap(), spacing)].into()
    }

    fn made_of(form: SampleForm, spacing: f64, bytes: &[u8]) -> Result<Sor, String> {
        let map = map(Contents::Samples(form), None);
        let file = trace(&map, &facts(spacing), settings(), bytes)?;
        Ok(silkline_sor::read(&file).unwrap())
    }

    #[test]
    fn samples_become_a_file_with_their_levels_and_places() {
        // 30 dB of light falling by 0.01 dB a sample, 2 m apart.
        let numbers: Vec<u16> = (0..2000).map(|at| 5000 - at).collect();
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        let sor = made_of(form(), 2.0, &bytes).unwrap();
        assert_eq!(sor.curve.raw.len(), 2000);
        let level = sor.curve.decibels();
        assert!((level[0] - level[1000] - 10.0).abs() < 1e-3);
        assert!((sor.sample_m(1999) - sor.sample_m(0) - 3998.0).abs() < 0.1);
        assert_eq!(sor.acquisition.pulse.width_ns, 300);
        assert_eq!(sor.wavelength_nm(), Some(1550.0));
        // What nobody told is not in it.
        assert_eq!(
            sor.warnings,
            ["FxdParams: no plausible backscatter coefficient"]
        );
    }

    #[test]
    fn every_form_of_number_says_the_same() {
        let wanted = made_of(form(), 2.0, &{
            let numbers = (0..50_u16).map(|at| 300 - at);
            numbers.flat_map(u16::to_be_bytes).collect::<Vec<u8>>()
        });
        let wanted = wanted.unwrap().curve;
        let loss: Vec<u8> = (0..50_i32).flat_map(|at| (at - 25).to_le_bytes()).collect();
        let found = SampleForm {
            kind: SampleKind::I32,
            little: true,
            up: false,
            ..form()
        };
        assert_eq!(made_of(found, 2.0, &loss).unwrap().curve, wanted);
        let low: Vec<u8> = (0..50_i16).flat_map(|at| (-at).to_be_bytes()).collect();
        let found = SampleForm {
            kind: SampleKind::I16,
            ..form()
        };
        assert_eq!(made_of(found, 2.0, &low).unwrap().curve, wanted);
    }

    #[test]
    fn a_wide_span_is_kept_at_a_coarser_scale() {
        let bytes: Vec<u8> = [0_u32, 10_000, 20_000]
            .iter()
            .cycle()
            .take(30)
            .flat_map(|n| n.to_be_bytes())
            .collect();
        let wide = SampleForm {
            kind: SampleKind::U32,
            ..form()
        };
        let sor = made_of(wide, 2.0, &bytes).unwrap();
        let level = sor.curve.decibels();
        assert!((level[2] - level[0] - 200.0).abs() < 0.01, "{level:?}");
    }

    #[test]
    fn what_no_instrument_can_have_meant_is_named() {
        let bytes = [0, 1].repeat(20);
        for (form, spacing, wanted) in [
            (form(), 0.0, "spacing"),
            (form(), f64::NAN, "spacing"),
            (
                SampleForm {
                    group_index: Given::Number(14.6),
                    ..form()
                },
                2.0,
                "group index",
            ),
            (
                SampleForm {
                    wavelength_nm: Given::Point("none".parse().unwrap()),
                    ..form()
                },
                2.0,
                "wavelength",
            ),
        ] {
            let said = made_of(form, spacing, &bytes).unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
        assert_eq!(made_of(form(), 2.0, &[7]).unwrap_err(), "no sample");
    }

    #[test]
    fn a_damaged_file_is_refused_by_either_check_sum() {
        let good = crate::folder::tests::trace(1);
        let plain = map(Contents::Sor, None);
        assert_eq!(
            trace(&plain, &Facts::new(), settings(), &good),
            Ok(good.clone())
        );
        let mut damaged = good.clone();
        let middle = damaged.len() * 2 / 3;
        damaged[middle] ^= 4;
        let said = trace(&plain, &Facts::new(), settings(), &damaged).unwrap_err();
        assert!(said.contains("in the file"), "{said}");
        let point: PointName = "sum".parse().unwrap();
        let summed = map(Contents::Sor, Some((point.clone(), Sum::Crc32)));
        let facts = [(point, f64::from(Sum::Crc32.of(&good)))].into();
        assert!(trace(&summed, &facts, settings(), &good).is_ok());
        let said = trace(&summed, &facts, settings(), &damaged).unwrap_err();
        assert!(said.contains("by the instrument"), "{said}");
        for cut in [0, 5, good.len() / 2, good.len() - 1] {
            let said = trace(&plain, &Facts::new(), settings(), &good[..cut]);
            assert!(said.is_err(), "{cut} of {}", good.len());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, spacing: f64) {
            let _ = made_of(form(), spacing, &bytes);
            let _ = trace(&map(Contents::Sor, None), &facts(spacing), settings(), &bytes);
        }
    }
}
