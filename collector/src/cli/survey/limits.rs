//! The operator's limits, as a small TOML file.
//!
//! ```toml
//! splice_db         = 0.1      # mean of both ways
//! splice_one_way_db = 0.3
//! connector_db      = 0.5
//! reflectance_db    = -40
//! return_loss_db    = 27
//! total_db          = 18.5     # else what glass and joints may lose together
//! slope_db_per_km   = { 1310 = 0.38, 1550 = 0.25 }
//! ```

use std::path::Path;

use silkline_analysis::survey::accept::Limits;
use silkline_protocol::settings::{self, Section};
use silkline_protocol::unit::{Db, DbPerKm, Nanometres};

use super::Refusal;
use crate::cli::Exit;

/// Reads the limits in a file; what it does not say stays as it is by default.
pub(super) fn read(file: &Path) -> Result<Limits, Refusal> {
    let name = file.display().to_string();
    let bad = |what: String| (Exit::BadSettings, what);
    let text = std::fs::read_to_string(file).map_err(|error| bad(format!("{name}: {error}")))?;
    settings::read(&name, &text, |section| Some(limits(section)))
        .map_err(|mistakes| bad(mistakes.to_string()))
}

fn limits(section: &mut Section<'_>) -> Limits {
    let usual = Limits::default();
    let mut db = |key: &str, usual: Db, low: f64, high: f64| {
        within(section, key, [low, high]).map_or(usual, Db::of)
    };
    let splice = db("splice_db", usual.splice, 0.0, 5.0);
    let splice_one_way = db("splice_one_way_db", usual.splice_one_way, 0.0, 5.0);
    let connector = db("connector_db", usual.connector, 0.0, 10.0);
    let reflectance = db("reflectance_db", usual.reflectance, -90.0, 0.0);
    let return_loss = db("return_loss_db", usual.return_loss, 0.0, 90.0);
    Limits {
        splice,
        splice_one_way,
        connector,
        reflectance,
        return_loss,
        total: within(section, "total_db", [0.0, 200.0]).map(Db::of),
        slope: slopes(section).unwrap_or(usual.slope),
    }
}

fn slopes(section: &mut Section<'_>) -> Option<Vec<(Nanometres, DbPerKm)>> {
    let mut table = section.section("slope_db_per_km")?;
    let mut found = Vec::new();
    for key in table.keys() {
        let slope = within(&mut table, &key, [0.0, 20.0]);
        match key
            .parse::<f64>()
            .ok()
            .filter(|nm| (600.0..2_000.0).contains(nm))
        {
            Some(nm) => found.extend(slope.map(|it| (Nanometres::of(nm), DbPerKm::of(it)))),
            None => table.wrong(&key, "is no wavelength in nanometres, such as 1550"),
        }
    }
    Some(found)
}

fn within(section: &mut Section<'_>, key: &str, [low, high]: [f64; 2]) -> Option<f64> {
    let value: f64 = section.optional(key)?;
    if (low..=high).contains(&value) {
        return Some(value);
    }
    section.wrong(key, format!("{value} is not between {low} and {high}"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Limits, Refusal> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limits.toml");
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    #[test]
    fn what_is_not_said_stays() {
        let limits = read_text("splice_db = 0.08\nslope_db_per_km = { 1550 = 0.22 }").unwrap();
        let usual = Limits::default();
        assert_eq!(limits.splice, Db::of(0.08));
        assert_eq!(limits.connector, usual.connector);
        assert_eq!(limits.slope, [(Nanometres::of(1_550.0), DbPerKm::of(0.22))]);
        assert_eq!(read_text("").unwrap(), usual);
    }

    #[test]
    fn every_mistake_is_told_by_its_key() {
        let (exit, told) =
            read_text("splice_db = -1\nspice_db = 0.1\nslope_db_per_km = { red = 0.2 }")
                .unwrap_err();
        assert_eq!(exit, Exit::BadSettings);
        for part in ["splice_db", "spice_db", "slope_db_per_km.red"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
