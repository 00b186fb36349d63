//! Records that share their words.

use super::*;

/// The version and template of each record in the file.
fn forms(folder: &Path) -> Vec<(i64, Option<i64>)> {
    let file = rusqlite::Connection::open(folder.join("spool.db")).unwrap();
    let mut statement = file
        .prepare("SELECT v, template FROM record ORDER BY key")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

#[tokio::test]
async fn samples_share_their_words_and_read_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for outgoing in [
        sample(-17.2),
        event(),
        sample(3.0),
        sample(f64::NAN),
        trace(100),
    ] {
        spool.append(outgoing).await.unwrap();
    }
    assert_eq!(
        forms(folder.path()),
        [
            (2, Some(1)),
            (1, None),
            (2, Some(1)),
            (2, Some(2)),
            (1, None)
        ]
    );
    let reader = spool.reader().unwrap();
    for (number, outgoing) in [(1, sample(-17.2)), (3, sample(3.0)), (4, sample(f64::NAN))] {
        let stored = reader
            .record(current(&spool), seq(number))
            .unwrap()
            .unwrap();
        assert_eq!(stored.payload, codec::payload(&outgoing.body));
        assert_eq!(stored.topic, "silkline/1/baku-poti/ganja/edfa-1/sample");
    }
    // Words that were changed on the disk are found out.
    let file = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    file.execute_batch("UPDATE template SET words = CAST('x' AS BLOB) WHERE id = 1")
        .unwrap();
    assert_eq!(
        reader.record(current(&spool), seq(1)),
        Err(SpoolError::Checksum(seq(1)))
    );
}

#[tokio::test]
async fn a_file_of_the_version_before_is_taken_up_with_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    let spool = open(folder.path());
    spool.append(event()).await.unwrap();
    let epoch = spool.epoch();
    drop(spool);
    old.execute_batch(
        "DROP INDEX template_by_topic; DROP TABLE template; ALTER TABLE record DROP COLUMN template;
         DROP TABLE block; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let spool = open(folder.path());
    spool.append(sample(1.0)).await.unwrap();
    assert_eq!(spool.status().borrow().records, 2);
    assert!(spool.status().borrow().epochs.contains(&epoch));
    assert_eq!(forms(folder.path()), [(1, None), (2, Some(1))]);
}
