//! Files of version 1, as an instrument wrote them and as worse ones did.

#[cfg(test)]
mod hewlett;

#[cfg(test)]
mod tests {
    use silkline_sor::{Checksum, MilliDb, Sor, read};

    use super::hewlett::{self, Block, EVENTS, SAMPLES};

    fn block<'a>(blocks: &'a mut [Block], name: &str) -> &'a mut Vec<u8> {
        let found = blocks.iter_mut().find(|(own, ..)| *own == name);
        &mut found.unwrap().2
    }

    /// The whole trace and its table are as they were written.
    fn assert_whole(found: &Sor, case: &str) {
        let raw: Vec<u16> = (0..SAMPLES).map(hewlett::sample).collect();
        assert_eq!(found.curve.raw, raw, "{case}: {:?}", found.warnings);
        assert_eq!(found.curve.scale, 1_000, "{case}");
        assert_eq!(found.acquisition.pulse.width_ns, 1_000, "{case}");
        let spacing = found.acquisition.spacing_m();
        assert!((spacing - 5.094_697).abs() < 1e-6, "{case}: {spacing}");
        let table = found.events.as_ref().unwrap();
        assert_eq!(
            table.events.len(),
            EVENTS.len(),
            "{case}: {:?}",
            found.warnings
        );
        for (event, (km, slope, loss, reflectance, code)) in table.events.iter().zip(EVENTS) {
            let metres = found.metres(event.time);
            assert!((metres - km * 1_000.0).abs() < 0.02, "{case}: {metres} m");
            assert_eq!(event.slope_mdb_per_km, slope, "{case}");
            assert_eq!(event.loss, MilliDb(i32::from(loss)), "{case}");
            let wanted = (reflectance != 0).then_some(MilliDb(reflectance));
            assert_eq!(event.reflectance, wanted, "{case}");
            let found = format!("{}{}", event.code, event.technique);
            assert_eq!(found, code, "{case}");
        }
    }

    fn assert_settings(found: &Sor) {
        let settings = &found.acquisition;
        assert_eq!(settings.taken, Some(886_668_374));
        assert_eq!(settings.units, "mt");
        assert_eq!(settings.wavelength_nm, Some(1_310.0));
        assert_eq!(settings.backscatter, Some(MilliDb(-81_500)));
        assert_eq!((settings.averages, settings.averaging_time), (30, 0));
        assert!((found.metres(settings.range) / 59_995.149 - 1.0).abs() < 1e-5);
        assert_eq!(settings.noise_floor, Some(MilliDb(-52_058)));
        assert_eq!(settings.thresholds.end, Some(MilliDb(5_000)));
        assert_eq!(settings.thresholds.loss, None);
        assert_eq!(settings.trace_type, "");
        let general = &found.general;
        assert_eq!(
            (general.cable.as_str(), general.fibre.as_str()),
            ("K1 AB", "")
        );
        assert_eq!((general.nominal_nm, general.fibre_type), (1_310, None));
        assert_eq!(general.build_condition, "CC");
        assert_eq!(
            (general.operator.as_str(), general.comment.as_str()),
            ("HP", "HP Emulation SW")
        );
        assert_eq!(found.supplier.supplier, "Hewlett Packard");
        assert_eq!(found.supplier.software, "3.0");
        let summary = found.events.as_ref().unwrap().summary.unwrap();
        assert_eq!(summary.total_loss, MilliDb(17_456));
        assert_eq!(summary.return_loss, MilliDb(31_500));
    }

    #[test]
    fn every_field_of_the_instrument_is_read() {
        let found = read(&hewlett::file(&hewlett::blocks())).unwrap();
        assert_eq!(found.format(), "sor-1.0");
        assert_eq!(found.warnings, [""; 0]);
        assert_eq!(found.checksum, Checksum::Matches);
        assert_whole(&found, "as written");
        assert_settings(&found);
        let names: Vec<&str> = found
            .vendor_blocks
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["HPEvent", "Threshold", "HPSpecialInfo"]);
    }

    /// The sizes and places that pyOTDR found in a real file of this instrument: fields of other
    /// widths would not add up to them.
    #[test]
    fn the_blocks_are_as_large_as_in_the_real_file() {
        let found = read(&hewlett::file(&hewlett::blocks())).unwrap();
        let places: Vec<(&str, usize, usize)> = found
            .blocks
            .iter()
            .map(|entry| (entry.name.as_str(), entry.offset, entry.size))
            .collect();
        let wanted = [
            ("GenParams", 148, 44),
            ("SupParams", 192, 82),
            ("FxdParams", 274, 54),
            ("DataPts", 328, 23_564),
            ("KeyEvents", 23_892, 144),
            ("HPEvent", 24_036, 122),
            ("Threshold", 24_158, 42),
            ("HPSpecialInfo", 24_200, 1_506),
            ("Cksum", 25_706, 2),
        ];
        assert_eq!(places, wanted);
    }

    /// What the bytes of the settings are, written down once by hand.
    #[test]
    fn the_settings_are_these_bytes() {
        let mut blocks = hewlett::blocks();
        let bytes = block(&mut blocks, "FxdParams");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let wanted = "567cd934 6d74 2c33 00000000 0100 e803 9f252600 002e0000 a63e0200 2f03 \
                      1e000000 feeb2c00 00000000 5acb e803 0000 0000 0000 8813";
        assert_eq!(hex, wanted.replace(' ', ""));
    }

    #[test]
    fn blocks_are_read_in_any_order() {
        for turn in 1..8 {
            let mut blocks = hewlett::blocks();
            blocks.rotate_left(turn);
            let found = read(&hewlett::file(&blocks)).unwrap();
            assert_whole(&found, &format!("turned by {turn}"));
            assert_settings(&found);
        }
    }

    #[test]
    fn a_map_a_few_bytes_out_costs_nothing() {
        let whole = hewlett::file(&hewlett::blocks());
        for size in [0, 100, 140, 144, 147, 149, 152, 200, 25_708, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[2..6].copy_from_slice(&u32::to_le_bytes(size));
            let found = read(&bytes).unwrap();
            assert_whole(&found, &format!("a map of {size}"));
            assert_settings(&found);
            assert!(!found.warnings.is_empty());
        }
    }

    #[test]
    fn a_block_a_few_bytes_out_costs_no_trace() {
        let whole = hewlett::file(&hewlett::blocks());
        // Where the map states the sizes of GenParams and SupParams.
        for (at, size) in [(20, 44_u32), (36, 82)] {
            assert_eq!(whole[at..at + 4], size.to_le_bytes());
            for wrong in [0, size - 3, size - 1, size + 1, size + 20] {
                let mut bytes = whole.clone();
                bytes[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
                let found = read(&bytes).unwrap_or_else(|e| panic!("{at}: {wrong}: {e}"));
                assert_eq!(found.curve.raw.len(), SAMPLES as usize, "{at}: {wrong}");
                assert_eq!(found.curve.raw[77], hewlett::sample(77), "{at}: {wrong}");
            }
        }
    }

    /// A size that is wrong moves the blocks behind it by the map, and none before it: their zero
    /// and their table stay what they were.
    #[test]
    fn a_wrong_size_moves_no_block_that_stands_before_it() {
        for name in [
            "GenParams",
            "SupParams",
            "FxdParams",
            "DataPts",
            "KeyEvents",
        ] {
            for wrong in [-5_i32, -3, -1, 1, 5, 100_000_000] {
                let mut blocks = hewlett::blocks();
                // Launch fibre and a table between settings and samples: all of it can go wrong.
                let general = block(&mut blocks, "GenParams");
                let at = general.windows(2).position(|two| two == b"CC").unwrap() + 2;
                general[at..at + 4].copy_from_slice(&10_000_i32.to_le_bytes());
                blocks.swap(3, 4);
                let mut bytes = hewlett::file(&blocks);
                let at = bytes
                    .windows(name.len())
                    .position(|window| window == name.as_bytes());
                let at = at.unwrap() + name.len() + 3;
                let size = i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                bytes[at..at + 4].copy_from_slice(&(size + wrong).to_le_bytes());
                let case = format!("{name} {wrong:+}");
                let found = read(&bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_whole(&found, &case);
                let zero = found.user_offset_m();
                assert!((zero - 203.79).abs() < 0.01, "{case}: {zero} m");
                assert_eq!(found.general.cable, "K1 AB", "{case}");
                assert_eq!(found.supplier.supplier, "Hewlett Packard", "{case}");
            }
        }
    }

    #[test]
    fn no_event_is_made_of_what_follows_the_table() {
        let mut blocks = hewlett::blocks();
        block(&mut blocks, "KeyEvents")[..2].copy_from_slice(&i16::MAX.to_le_bytes());
        let found = read(&hewlett::file(&blocks)).unwrap();
        assert_whole(&found, "32767 events stated");
        let said = found
            .warnings
            .iter()
            .any(|line| line.contains("32767 stated"));
        assert!(said, "{:?}", found.warnings);
    }

    #[test]
    fn blocks_that_carry_their_names_or_end_in_noughts_are_read() {
        let mut blocks = hewlett::blocks();
        for (name, _, bytes) in &mut blocks {
            bytes.splice(0..0, format!("{name}\0").into_bytes());
        }
        assert_whole(&read(&hewlett::file(&blocks)).unwrap(), "named");
        let mut blocks = hewlett::blocks();
        for (_, _, bytes) in &mut blocks {
            bytes.extend([0; 3]);
        }
        assert_whole(&read(&hewlett::file(&blocks)).unwrap(), "padded");
        let mut blocks = hewlett::blocks();
        block(&mut blocks, "GenParams").pop();
        block(&mut blocks, "SupParams").pop();
        let found = read(&hewlett::file(&blocks)).unwrap();
        assert_whole(&found, "without the last NUL");
        assert_settings(&found);
    }

    #[test]
    fn a_file_a_byte_or_a_checksum_short_or_long_is_whole() {
        let whole = hewlett::file(&hewlett::blocks());
        for length in [whole.len() - 2, whole.len() - 1] {
            assert_whole(&read(&whole[..length]).unwrap(), &format!("{length} bytes"));
        }
        let mut blocks = hewlett::blocks();
        blocks.push(("Cksum", 100, vec![0, 0]));
        let found = read(&hewlett::file(&blocks)).unwrap();
        assert_eq!(found.checksum, Checksum::Matches);
        assert_whole(&found, "two checksums");
    }

    #[test]
    fn what_was_old_is_written_new_and_read_the_same() {
        let found = read(&hewlett::file(&hewlett::blocks())).unwrap();
        let again = read(&silkline_sor::write(&found)).unwrap();
        assert_eq!(again.version, 200);
        assert_whole(&again, "as version 2");
        assert_eq!(again.vendor_blocks, found.vendor_blocks);
    }
}
