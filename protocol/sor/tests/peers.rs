//! What this crate writes, read by the Python readers pyOTDR and otdrparser; and what an old
//! instrument wrote, read by pyOTDR and by us.
//!
//! `deploy/setup.sh test` puts both readers into `target/peers`; `SILKLINE_PEERS_PYTHON` names
//! another Python that has them. Where there is none the tests say so and pass.

#[cfg(test)]
mod hewlett;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use silkline_sor::{
        Acquisition, Curve, GroupIndex, KeyEvent, KeyEvents, MilliDb, OneWayTime, Pulse, Sor, read,
        write,
    };

    use super::hewlett;

    const METRES: [f64; 3] = [0.0, 7_500.4, 12_345.0];

    fn trace() -> Sor {
        let index = GroupIndex::STANDARD_1550;
        let pulse = Pulse {
            width_ns: 300,
            spacing: OneWayTime::from_metres(4.0, index),
        };
        let mut settings = Acquisition::new(pulse, index, 1_550.0);
        settings.taken = Some(1_700_000_000);
        let raw = (0..5_000_u16).map(|i| 18_000 + i * 3).collect();
        let mut sor = Sor::new(settings, Curve { scale: 1_000, raw });
        let event = |(number, metres): (u16, f64)| KeyEvent {
            number,
            time: OneWayTime::from_metres(metres, index),
            loss: MilliDb(-73),
            reflectance: Some(MilliDb(-45_678)),
            code: "1E9999".into(),
            technique: "LS".into(),
            ..KeyEvent::default()
        };
        sor.events = Some(KeyEvents {
            events: (1..).zip(METRES).map(event).collect(),
            summary: None,
        });
        sor.general.fibre_type = Some(652);
        sor.general.cable = "K7".into();
        sor
    }

    fn python() -> PathBuf {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python");
        std::env::var_os("SILKLINE_PEERS_PYTHON").map_or(ours, PathBuf::from)
    }

    /// What the peers print of these bytes, or nothing where there are no peers.
    #[expect(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "the peers are other programs and read files"
    )]
    fn seen_by_peers(bytes: &[u8], name: &str) -> Option<BTreeMap<String, String>> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, bytes).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/sor_peers.py");
        let ran = std::process::Command::new(python())
            .arg(script)
            .arg(&path)
            .output();
        let Some(ran) = ran.ok().filter(|ran| ran.status.code() != Some(3)) else {
            println!("skipped: no Python with pyOTDR and otdrparser (deploy/setup.sh test)");
            return None;
        };
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let lines = String::from_utf8(ran.stdout).unwrap();
        let pairs = lines.lines().filter_map(|line| line.split_once(' '));
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        Some(pairs.collect())
    }

    fn assert_seen(seen: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
        for (name, wanted) in wanted {
            let found = seen.get(*name).map(String::as_str);
            assert_eq!(found, Some(*wanted), "{name}: {seen:?}");
        }
    }

    fn first_levels(sor: &Sor) -> Vec<f64> {
        let levels = sor.curve.decibels();
        levels.iter().take(40).map(|&level| level.into()).collect()
    }

    fn assert_levels(seen: &BTreeMap<String, String>, name: &str, wanted: &[f64]) {
        let found: Vec<f64> = seen[name]
            .split(' ')
            .map(|level| level.parse().unwrap())
            .collect();
        assert_eq!(found.len(), wanted.len(), "{name}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 0.001_6, "{name}: {found} {wanted}");
        }
    }

    #[test]
    fn other_readers_see_in_our_files_what_we_wrote() {
        let sor = trace();
        let Some(seen) = seen_by_peers(&write(&sor), "written.sor") else {
            return;
        };
        assert_seen(
            &seen,
            &[
                ("otdrparser_samples", "5000"),
                ("otdrparser_pulse", "300"),
                ("otdrparser_index", "1.46820"),
                ("otdrparser_second_m", "4.000000"),
                ("otdrparser_last_m", "19996.0"),
                ("otdrparser_event_1", "0.0"),
                ("otdrparser_event_2", "7500.4"),
                ("otdrparser_event_3", "12345.0"),
                ("pyotdr_status", "ok"),
                ("pyotdr_samples", "5000"),
                ("pyotdr_checksum", "True"),
                ("pyotdr_spacing_m", "4.000000"),
                ("pyotdr_pulse", "300 ns"),
                ("pyotdr_wavelength", "1550.0 nm"),
                ("pyotdr_cable", "K7"),
                ("pyotdr_event_2", "7.500 -0.073 -45.678"),
                ("pyotdr_event_3", "12.345 -0.073 -45.678"),
            ],
        );
        let levels = first_levels(&sor);
        assert_levels(&seen, "otdrparser_levels", &levels);
        let falls: Vec<f64> = levels.iter().map(|level| levels[0] - level).collect();
        assert_levels(&seen, "pyotdr_levels", &falls);
    }

    #[test]
    fn an_old_file_says_the_same_to_pyotdr_and_to_us() {
        let bytes = hewlett::file(&hewlett::blocks());
        let Some(seen) = seen_by_peers(&bytes, "old.sor") else {
            return;
        };
        let ours = read(&bytes).unwrap();
        let text = |value: f64, digits: usize| format!("{value:.digits$}");
        let pulse = format!("{} ns", ours.acquisition.pulse.width_ns);
        let wavelength = format!("{} nm", text(ours.wavelength_nm().unwrap(), 1));
        assert_seen(
            &seen,
            &[
                ("pyotdr_status", "ok"),
                ("pyotdr_samples", &ours.curve.raw.len().to_string()),
                ("pyotdr_checksum", "True"),
                ("pyotdr_spacing_m", &text(ours.acquisition.spacing_m(), 6)),
                ("pyotdr_pulse", &pulse),
                ("pyotdr_wavelength", &wavelength),
                ("pyotdr_cable", &ours.general.cable),
            ],
        );
        let levels = first_levels(&ours);
        let falls: Vec<f64> = levels.iter().map(|level| levels[0] - level).collect();
        assert_levels(&seen, "pyotdr_levels", &falls);
        for event in ours.events.iter().flat_map(|table| &table.events) {
            let wanted = format!(
                "{:.3} {:.3} {:.3}",
                ours.metres(event.time) / 1e3,
                event.loss.db(),
                event.reflectance.map_or(0.0, MilliDb::db)
            );
            let name = format!("pyotdr_event_{}", event.number);
            assert_seen(&seen, &[(&name, &wanted)]);
        }
    }
}
