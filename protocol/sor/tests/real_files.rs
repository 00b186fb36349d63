//! Real files of several makers, read in place where they are at hand.

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use silkline_sor::{Level, Sor, read};

    #[expect(
        clippy::disallowed_methods,
        reason = "a test of real files has to read them"
    )]
    fn bytes(name: &str) -> Option<Vec<u8>> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sor");
        std::fs::read(folder.join(name)).ok()
    }

    /// Every file of the index with its line's fields.
    fn files() -> Vec<(Vec<String>, Sor)> {
        let Some(index) = bytes("INDEX.tsv") else {
            println!("skipped: no real files here");
            return Vec::new();
        };
        let index = String::from_utf8(index).unwrap();
        let rows = index
            .lines()
            .skip(1)
            .map(|line| line.split('\t').map(String::from).collect());
        rows.map(|row: Vec<String>| {
            let sor = read(&bytes(&row[0]).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", row[0]));
            (row, sor)
        })
        .collect()
    }

    fn number(field: &str) -> f64 {
        field.parse().unwrap()
    }

    #[test]
    fn every_real_file_agrees_with_the_index() {
        for (row, sor) in files() {
            let name = &row[0];
            assert_eq!(sor.version, 200, "{name}");
            let maker = row[8].split(" / ").next().unwrap().trim();
            assert_eq!(sor.supplier.supplier, maker, "{name}");
            let wavelength = sor.wavelength_nm().unwrap();
            assert!(
                (wavelength - number(&row[9])).abs() < 0.05,
                "{name}: {wavelength}"
            );
            assert_eq!(
                sor.acquisition.pulse.width_ns.to_string(),
                row[11],
                "{name}"
            );
            let samples = sor.curve.raw.len() as f64;
            let stated = number(&row[12]);
            assert!((samples - stated).abs() < 1.0, "{name}: {samples} samples");
            let spacing = sor.acquisition.spacing_m();
            assert!(
                (spacing / number(&row[14]) - 1.0).abs() < 1e-3,
                "{name}: {spacing} m"
            );
            let index = sor.acquisition.group_index.value();
            assert!((index - number(&row[15])).abs() < 1e-6, "{name}: {index}");
        }
    }

    #[test]
    fn every_real_file_has_plausible_levels_and_events() {
        for (row, sor) in files() {
            let name = &row[0];
            let lit = sor
                .curve
                .levels()
                .filter(|level| matches!(level, Level::Db(_)))
                .count();
            assert!(
                lit * 20 > sor.curve.raw.len(),
                "{name}: {lit} samples with light"
            );
            let events = sor.events.as_ref().map_or(0, |table| table.events.len());
            assert_eq!(events, row[13].parse::<usize>().unwrap(), "{name}");
            let last = sor.sample_m(sor.curve.raw.len());
            for event in sor.events.iter().flat_map(|table| &table.events) {
                let at = sor.metres(event.time);
                assert!(
                    (-50.0..=last).contains(&at),
                    "{name}: event at {at} m of {last}"
                );
                assert_eq!(event.code.len(), 6, "{name}: {:?}", event.code);
            }
            let backscatter = sor.acquisition.backscatter.unwrap().db();
            assert!(
                (-83.0..=-77.0).contains(&backscatter),
                "{name}: {backscatter}"
            );
        }
    }

    #[test]
    fn every_real_file_survives_being_written() {
        for (row, sor) in files() {
            let back = read(&silkline_sor::write(&sor)).unwrap();
            assert_eq!(back.curve, sor.curve, "{}", row[0]);
            assert_eq!(back.vendor_blocks, sor.vendor_blocks, "{}", row[0]);
            assert_eq!(back.general.cable, sor.general.cable, "{}", row[0]);
            let events = |sor: &Sor| sor.events.clone().unwrap_or_default().events;
            assert_eq!(events(&back), events(&sor), "{}", row[0]);
        }
    }
}
