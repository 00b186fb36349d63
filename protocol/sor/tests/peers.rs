//! What this crate writes, read by the Python readers pyOTDR and otdrparser.
//!
//! `SILKLINE_PEERS_PYTHON` names a Python that has both (`pip install pyotdr otdrparser`), by
//! default `python3`; where it lacks them the test says so and passes.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use silkline_sor::{
        Acquisition, Curve, GroupIndex, KeyEvent, KeyEvents, OneWayTime, Pulse, Sor, write,
    };

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
        let event = KeyEvent {
            number: 1,
            time: OneWayTime::from_metres(12_345.0, index),
            code: "1E9999".into(),
            technique: "LS".into(),
            ..KeyEvent::default()
        };
        sor.events = Some(KeyEvents {
            events: vec![event],
            summary: None,
        });
        sor.general.fibre_type = Some(652);
        sor
    }

    #[expect(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "the peers are other programs and read files"
    )]
    fn seen_by_peers(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("written.sor");
        std::fs::write(&path, bytes).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/sor_peers.py");
        let python = std::env::var("SILKLINE_PEERS_PYTHON").unwrap_or_else(|_| "python3".into());
        let ran = std::process::Command::new(python)
            .arg(script)
            .arg(&path)
            .output()
            .ok()?;
        if ran.status.code() == Some(3) {
            return None;
        }
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let lines = String::from_utf8(ran.stdout).unwrap();
        let pairs = lines.lines().filter_map(|line| line.split_once(' '));
        Some(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    #[test]
    fn other_readers_accept_what_we_write() {
        let Some(seen) = seen_by_peers(&write(&trace())) else {
            println!("skipped: no Python with pyotdr and otdrparser here");
            return;
        };
        for (name, wanted) in [
            ("otdrparser_samples", "5000"),
            ("otdrparser_first", "0.000000"),
            ("otdrparser_pulse", "300"),
            ("otdrparser_index", "1.46820"),
            ("otdrparser_events", "1"),
            ("otdrparser_event_m", "12345.0"),
            ("pyotdr_status", "ok"),
            ("pyotdr_samples", "5000"),
            ("pyotdr_checksum", "True"),
            ("pyotdr_events", "1"),
        ] {
            assert_eq!(
                seen.get(name).map(String::as_str),
                Some(wanted),
                "{name}: {seen:?}"
            );
        }
    }
}
