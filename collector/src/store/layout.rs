//! The layouts of the hot store, and the way from each to the next.
//!
//! ```text
//!   new file      ──schema.sql──────────────────────────────▶ newest layout
//!   older layout  ──to-2.sql──to-3.sql──…  one transaction ──▶ newest layout
//!   newer layout  ──▶ refused by name, untouched
//! ```
//!
//! A step is never edited once it has been released: stores that took it are out there. A new one is
//! a file `layout/to-N.sql` at the end of [`STEPS`], its tables in `schema.sql` as well, and the
//! layout before it as `layout/version-M.sql` for the tests.

use std::path::Path;

use rusqlite::{Connection, params};
use silkline_protocol::id::StoreId;

use super::StoreError;

/// The layout that this code writes: `schema.sql`.
pub const SCHEMA_VERSION: u32 = 4;

/// The first layout that has chunks.
pub(super) const SEALED_FROM: u32 = 2;

/// The oldest layout that is still read.
const OLDEST: u32 = 1;

/// What leads from [`OLDEST`] to the layout after it, and so on.
const STEPS: [&str; 3] = [
    include_str!("layout/to-2.sql"),
    include_str!("layout/to-3.sql"),
    include_str!("layout/to-4.sql"),
];

/// Makes the tables of a new file, or brings those of an older one up to date.
///
/// # Errors
///
/// [`StoreError::Version`] for a layout that is not known; a step that fails leaves the file as it
/// was.
pub(super) fn lay_out(db: &mut Connection, path: &Path, name: &StoreId) -> Result<(), StoreError> {
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        let tx = db.transaction()?;
        tx.execute_batch(include_str!("schema.sql"))?;
        tx.execute(
            "INSERT INTO meta VALUES ('version', ?1), ('store', ?2), ('next', '1'), ('thinned', '0')",
            params![SCHEMA_VERSION.to_string(), name.as_str()],
        )?;
        tx.commit()?;
        return Ok(());
    }
    let found = known(db, path)?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    let tx = db.transaction()?;
    for step in STEPS.iter().skip((found - OLDEST) as usize) {
        tx.execute_batch(step)?;
    }
    tx.execute(
        "UPDATE meta SET value = ?1 WHERE key = 'version'",
        [SCHEMA_VERSION.to_string()],
    )?;
    tx.commit()?;
    tracing::info!(
        from = found,
        to = SCHEMA_VERSION,
        "hot store brought up to date"
    );
    Ok(())
}

/// The layout of a file, where it is one that this program reads.
///
/// # Errors
///
/// [`StoreError::Version`] where it is not.
pub(super) fn known(db: &Connection, path: &Path) -> Result<u32, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'version'";
    let found: Result<String, _> = db.query_row(sql, [], |row| row.get(0));
    let found = found.unwrap_or_else(|_| "none".to_owned());
    match found.parse() {
        Ok(version) if (OLDEST..=SCHEMA_VERSION).contains(&version) => Ok(version),
        _ => Err(StoreError::Version {
            path: path.to_path_buf(),
            found,
            known: SCHEMA_VERSION,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use silkline_protocol::sample::Reading;
    use silkline_protocol::time::Timestamp;

    use super::*;
    use crate::store::rows::RowId;
    use crate::store::{Reader, Writer};

    /// Every layout that was ever released before this one.
    const RELEASED: [(u32, &str); 3] = [
        (1, include_str!("layout/version-1.sql")),
        (2, include_str!("layout/version-2.sql")),
        (3, include_str!("layout/version-3.sql")),
    ];

    /// Rows as the first layout had them; later ones have all of these columns still.
    const ROWS: &str = "
        INSERT INTO stream VALUES (3, 'west-east', 'west', x'00112233445566778899aabbccddeeff',
            'main', '{\"agent\":\"main\",\"closed\":[[1,9]],\"lost\":[],\"retired\":false}');
        INSERT INTO device VALUES (1, 'west-east', 'west', 'edfa-1', NULL, 70000000000, 7);
        INSERT INTO point VALUES (1, 'in_power.1');
        INSERT INTO step VALUES (1, 60000000000, 6, 7);
        INSERT INTO sample VALUES (6, 1, 60000000000, 0, 3, 1, x'0100000000000000000000f83f');
        INSERT INTO sample VALUES (7, 1, 70000000000, 1, 3, 2, x'0100000001');
        INSERT INTO cursor VALUES ('influx-samples', 6);
        INSERT INTO quarantine VALUES (1, 5, 't', 'version', 'newer', '[]', 2, x'7b7d');";

    fn old(path: &Path, version: u32, schema: &str) {
        let db = Connection::open(path).unwrap();
        db.execute_batch(schema).unwrap();
        let meta = format!(
            "INSERT INTO meta VALUES ('version', '{version}'), ('store', 'store-7'), ('next', '8'),
             ('thinned', '0');"
        );
        db.execute_batch(&meta).unwrap();
        db.execute_batch(ROWS).unwrap();
    }

    /// Tables and indices with their columns, whatever the comments and the spaces.
    fn shape(path: &Path) -> BTreeMap<String, String> {
        let db = Connection::open(path).unwrap();
        let mut sql = db
            .prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
            .unwrap();
        let rows = sql.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        let bare = |text: &str| {
            let lines = text.lines().map(|line| line.split("--").next().unwrap());
            let words = lines.flat_map(str::split_whitespace);
            words.collect::<String>()
        };
        let rows = rows.unwrap().map(Result::unwrap);
        rows.map(|(name, sql)| (name, bare(&sql))).collect()
    }

    #[test]
    fn a_store_of_every_released_layout_opens_with_all_that_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new.db");
        drop(Writer::open(&new, &"store-1".parse().unwrap()).unwrap());
        assert_eq!(
            RELEASED.len(),
            SCHEMA_VERSION as usize - 1,
            "add the last one"
        );
        for (version, schema) in RELEASED {
            let path = folder.path().join(format!("{version}.db"));
            old(&path, version, schema);
            let writer = Writer::open(&path, &"other".parse().unwrap()).unwrap();
            assert_eq!(writer.store_id().as_str(), "store-7");
            assert_eq!(writer.streams().unwrap().len(), 1);
            let reader = Reader::new(path.clone());
            let rows = reader.ask(|ask| ask.samples_after(RowId(0), 9)).unwrap();
            let values: Vec<_> = rows
                .iter()
                .flat_map(|row| row.sample.readings.values().copied())
                .collect();
            assert_eq!(values, [Reading::Value(1.5), Reading::Dark]);
            let cursor = reader.ask(|ask| ask.cursor("influx-samples")).unwrap();
            assert_eq!(cursor, RowId(6));
            assert_eq!(reader.ask(|ask| ask.quarantine(9)).unwrap().len(), 1);
            let devices = reader.ask(|ask| ask.devices()).unwrap();
            let newest = devices[0].newest.as_ref().unwrap();
            assert_eq!(newest.at, Timestamp::from_seconds(70));
            assert_eq!(shape(&path), shape(&new), "from layout {version}");
        }
    }

    #[test]
    fn a_number_goes_on_where_the_older_layout_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        old(&path, RELEASED[0].0, RELEASED[0].1);
        let mut writer = Writer::open(&path, &"other".parse().unwrap()).unwrap();
        let mut tx = writer.begin(Timestamp::from_seconds(100)).unwrap();
        let told = tx.told("started", None, None, &"1").unwrap();
        tx.commit(true).unwrap();
        assert_eq!(told, RowId(8));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        old(&path, RELEASED[0].0, RELEASED[0].1);
        let in_the_way = "CREATE TABLE chunk_by_number (x)";
        Connection::open(&path)
            .unwrap()
            .execute_batch(in_the_way)
            .unwrap();
        let before = shape(&path);
        Writer::open(&path, &"other".parse().unwrap()).unwrap_err();
        assert_eq!(shape(&path), before);
        assert_eq!(known(&Connection::open(&path).unwrap(), &path).unwrap(), 1);
    }

    #[test]
    fn a_newer_layout_is_refused_by_name_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot.db");
        drop(Writer::open(&path, &"store-1".parse().unwrap()).unwrap());
        let newer = SCHEMA_VERSION + 1;
        let db = Connection::open(&path).unwrap();
        db.execute(
            "UPDATE meta SET value = ?1 WHERE key = 'version'",
            [newer.to_string()],
        )
        .unwrap();
        drop(db);
        let said = Writer::open(&path, &"x".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(said.contains(&format!("layout {newer}")), "{said}");
        assert!(said.contains(&format!("up to {SCHEMA_VERSION}")), "{said}");
    }
}
