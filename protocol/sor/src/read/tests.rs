//! Whole files: written and read back, of version 1, damaged, and hostile.

use proptest::prelude::*;

use super::*;
use crate::cursor::Block;
use crate::data::Curve;
use crate::events::{KeyEvent, Markers, Summary};
use crate::params::{Pulse, Thresholds};
use crate::quantity::{GroupIndex, MilliDb, OneWayTime};
use crate::write;

/// A small trace that uses every block.
fn full() -> Sor {
    let index = GroupIndex::STANDARD_1550;
    let pulse = Pulse {
        width_ns: 500,
        spacing: OneWayTime::from_metres(5.0, index),
    };
    let mut settings = Acquisition::new(pulse, index, 1_550.0);
    settings.taken = Some(1_700_000_000);
    settings.backscatter = Some(MilliDb(-81_900));
    settings.stated_samples = 400;
    settings.thresholds = Thresholds {
        loss: Some(MilliDb(50)),
        reflectance: None,
        end: Some(MilliDb(3_000)),
    };
    let curve = Curve {
        scale: 1_000,
        raw: (0..400).map(|i| 20_000 + i * 5).collect(),
    };
    let mut sor = Sor::new(settings, curve);
    sor.general.cable = "Überland 7".into();
    sor.general.user_offset = OneWayTime::from_metres(150.0, index);
    sor.general.user_offset_distance = Some(1_500);
    sor.general.language = "EN".into();
    sor.general.fibre_type = Some(652);
    sor.general.nominal_nm = 1_550;
    sor.general.build_condition = "BC".into();
    sor.supplier.supplier = "silkline".into();
    let event = KeyEvent {
        number: 1,
        time: OneWayTime::from_metres(1_500.0, index),
        loss: MilliDb(120),
        reflectance: Some(MilliDb(-48_000)),
        code: "1E9999".into(),
        technique: "LS".into(),
        markers: Some(Markers::default()),
        ..KeyEvent::default()
    };
    // Times come back in the units of the file.
    let event = KeyEvent {
        time: rounded(event.time),
        ..event
    };
    sor.general.user_offset = rounded(sor.general.user_offset);
    sor.events = Some(KeyEvents {
        events: vec![event],
        summary: Some(Summary::default()),
    });
    sor.landmarks = vec![crate::Landmark {
        number: 1,
        code: "MH".into(),
        ..Default::default()
    }];
    let bytes = vec![1, 2, 3, 0, 255];
    sor.vendor_blocks = vec![VendorBlock {
        name: "Maker 01".into(),
        version: 210,
        bytes,
    }];
    sor
}

fn rounded(time: OneWayTime) -> OneWayTime {
    OneWayTime::from_tenths_of_ns(time.tenths_of_ns())
}

/// The trace of [`full`] as a version 1 instrument would have written it.
fn version_1() -> Vec<u8> {
    let sor = full();
    let mut general = Block::default();
    general.bytes(b"EN");
    general.text(&sor.general.cable);
    general.text("");
    general.u16(1_550);
    general.bytes(b"A\0B\0\0CC");
    general.i32(sor.general.user_offset.tenths_of_ns());
    general.bytes(b"HP\0comment\0");
    let mut fixed = Block::default();
    fixed.u32(1_700_000_000);
    fixed.bytes(b"mt");
    fixed.u16(1_310);
    fixed.i32(0);
    fixed.u16(1);
    fixed.u16(500);
    fixed.u32(sor.acquisition.pulse.spacing.hundredths_of_ps());
    fixed.u32(400);
    fixed.u32(146_820);
    fixed.u16(819);
    fixed.bytes(&[0; 24]);
    let mut events = Block::default();
    events.i16(1);
    events.u16(1);
    events.i32(73_460);
    events.bytes(&[0; 4]);
    events.i32(i32::MIN);
    events.bytes(b"0F9999LS \0");
    events.i32(1_234);
    events.bytes(&[0; 18]);
    let data = data::encode(&sor.curve, &[]).split_off("DataPts\0".len());
    let blocks = [
        ("GenParams", general.into_bytes()),
        ("FxdParams", fixed.into_bytes()),
        ("HPEvent", vec![9; 30]),
        ("DataPts", data),
        ("KeyEvents", events.into_bytes()),
    ];
    assemble_version_1(&blocks)
}

fn assemble_version_1(blocks: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let size: usize = blocks.iter().map(|(name, _)| name.len() + 7).sum();
    let mut file = Block::default();
    file.u16(100);
    file.u32(u32::try_from(size + 8).unwrap());
    file.u16(u16::try_from(blocks.len() + 1).unwrap());
    for (name, bytes) in blocks {
        file.text(name);
        file.u16(101);
        file.u32(u32::try_from(bytes.len()).unwrap());
    }
    for (_, bytes) in blocks {
        file.bytes(bytes);
    }
    file.into_bytes()
}

#[test]
fn what_was_written_is_read_back() {
    let wanted = full();
    let mut found = read(&write(&wanted)).unwrap();
    assert_eq!(found.checksum, Checksum::Matches);
    assert_eq!(found.blocks.len(), 8);
    assert_eq!(found.warnings, [""; 0]);
    found.checksum = Checksum::Absent;
    found.blocks.clear();
    assert_eq!(found, wanted);
}

#[test]
fn a_version_1_file_is_read_without_block_names() {
    let found = read(&version_1()).unwrap();
    assert_eq!(found.format(), "sor-1.0");
    assert_eq!(found.general.cable, "Überland 7");
    assert_eq!(found.general.comment, "comment");
    assert_eq!(found.wavelength_nm(), Some(1_310.0));
    assert_eq!(found.curve, full().curve);
    assert_eq!(found.acquisition.pulse, full().acquisition.pulse);
    assert_eq!(found.acquisition.backscatter, Some(MilliDb(-81_900)));
    let events = found.events.unwrap();
    assert_eq!(events.events[0].reflectance, None);
    assert_eq!(events.events[0].code, "0F9999");
    assert_eq!(events.summary.unwrap().total_loss, MilliDb(1_234));
    assert_eq!(found.vendor_blocks[0].bytes, [9; 30]);
    assert_eq!(found.warnings, ["SupParams: missing"]);
}

#[test]
fn a_broken_block_costs_only_its_own_fields() {
    let mut bytes = write(&full());
    let at = |bytes: &[u8], name: &[u8]| {
        bytes
            .windows(name.len())
            .rposition(|window| window == name)
            .unwrap()
    };
    let general = at(&bytes, b"GenParams\0EN");
    bytes[general] = b'X';
    let events = at(&bytes, b"KeyEvents\0") + 10;
    bytes[events..events + 2].copy_from_slice(&500_i16.to_le_bytes());
    let found = read(&bytes).unwrap();
    assert_eq!(found.general, General::default());
    assert_eq!(found.curve, full().curve);
    assert!(matches!(found.checksum, Checksum::Differs { .. }));
    assert!(
        found
            .warnings
            .iter()
            .any(|line| line == "GenParams: missing")
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|line| line.starts_with("KeyEvents: 500 stated"))
    );
}

#[test]
fn named_blocks_are_found_whatever_the_map_says_of_its_size() {
    for wrong in [-40, -7, -1, 1, 7, 100, 400, 1_000_000_000] {
        let mut bytes = write(&full());
        let size = i32::from_le_bytes(bytes[6..10].try_into().unwrap());
        bytes[6..10].copy_from_slice(&(size + wrong).to_le_bytes());
        let found = read(&bytes).unwrap_or_else(|error| panic!("{wrong:+}: {error}"));
        assert_eq!(found.curve, full().curve, "{wrong:+}");
        assert_eq!(found.general, full().general, "{wrong:+}");
        assert_eq!(found.events, full().events, "{wrong:+}");
    }
}

#[test]
fn a_user_offset_beyond_all_that_was_measured_is_none() {
    let mut bytes = full();
    bytes.general.user_offset = OneWayTime::from_metres(90_000.0, GroupIndex::STANDARD_1550);
    let found = read(&write(&bytes)).unwrap();
    assert!(found.user_offset_m().abs() < 1e-9);
    let said = found.warnings.iter().find(|line| line.contains("offset"));
    assert!(said.unwrap().contains("90000 m"), "{said:?}");
    let wanted = full();
    let kept = read(&write(&wanted)).unwrap();
    assert_eq!(kept.general.user_offset, wanted.general.user_offset);
}

#[test]
fn what_was_handed_over_in_place_of_a_trace_is_named() {
    for (bytes, wanted) in [
        (
            &b"\x1F\x8B\x08\0\0\0"[..],
            "a gzip archive, to be unpacked first, 6 bytes; want a SOR file",
        ),
        (b"%PDF-1.4", "a PDF document"),
        (b"distance,level\n1,2", "a text"),
        (
            b"\xFF\xFE\x00\x01",
            "no known beginning, 4 bytes; want a SOR file",
        ),
        (b"x", "no known beginning, 1 bytes"),
    ] {
        let said = read(bytes).unwrap_err().to_string();
        assert!(said.starts_with(wanted), "{said}");
    }
}

#[test]
fn a_file_that_ends_before_a_block_of_its_map_is_cut_not_without_it() {
    let whole = write(&full());
    for length in [150, 230] {
        let error = read(&whole[..length]).unwrap_err();
        assert_eq!(error.kind(), "truncated", "{length}: {error}");
    }
}

#[test]
fn a_file_cut_anywhere_reads_or_says_why() {
    let file_1 = version_1();
    let file_2 = write(&full());
    let trace_end = file_2.windows(6).rposition(|w| w == b"Cksum\0").unwrap();
    for length in 0..file_2.len() {
        match read(&file_2[..length]) {
            Ok(found) => assert_whole(&found, length),
            Err(error) => {
                assert!(length < trace_end, "cut at {length}: {error}");
                assert!(!error.kind().is_empty());
            }
        }
    }
    for length in 0..file_1.len() {
        if let Ok(found) = read(&file_1[..length]) {
            assert_whole(&found, length);
        }
    }
}

/// All samples are there, or all but a few and a warning says so.
fn assert_whole(found: &Sor, length: usize) {
    let samples = found.curve.raw.len();
    assert!((392..=400).contains(&samples), "cut at {length}: {samples}");
    let said = found.warnings.iter().any(|line| line.contains("missing"));
    assert!(samples == 400 || said, "cut at {length}");
}

#[test]
fn extreme_numbers_in_every_field_never_panic() {
    for file in [version_1(), write(&full())] {
        for at in 0..file.len().min(700) {
            for extreme in [[0; 4], [0xFF; 4], [0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0x80]] {
                let mut bytes = file.clone();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&extreme[..end - at]);
                if let Ok(found) = read(&bytes) {
                    assert!(found.curve.raw.len() <= bytes.len() / 2 + 1);
                    assert!(found.first_sample_m().is_finite());
                    let _ = write(&found);
                }
            }
        }
    }
}

#[test]
fn a_map_of_a_thousand_lies_takes_little_memory() {
    let entries = [("X", 200, usize::MAX); 999];
    let mut bytes = crate::map::encode(&entries);
    let inner = write(&full());
    let blocks = inner
        .windows(12)
        .position(|w| w == b"GenParams\0EN")
        .unwrap();
    bytes.extend_from_slice(&inner[blocks..]);
    let found = read(&bytes).unwrap();
    let kept: usize = found
        .vendor_blocks
        .iter()
        .map(|block| block.bytes.len())
        .sum();
    assert!(kept <= bytes.len());
    assert!(found.warnings.len() < 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_read_or_err(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = read(&[b"Map\0\xC8\0", &bytes[..]].concat());
        let _ = read(&[b"\x64\0", &bytes[..]].concat());
    }

    #[test]
    fn flipped_bits_read_or_err(
        first in any::<bool>(),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), 0..8_u8), 1..30),
    ) {
        let mut bytes = if first { version_1() } else { write(&full()) };
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(found) = read(&bytes) {
            prop_assert!(found.curve.raw.len() <= bytes.len() / 2 + 1);
            let again = read(&write(&found)).unwrap();
            prop_assert_eq!(again.curve, found.curve);
        }
    }
}
