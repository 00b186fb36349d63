//! What holds of samples that were sealed: the same as before, in less room.

use super::*;
use crate::spool::reader::Reader;
use crate::spool::seal::LIVE;
use crate::spool::writer::Writer;

/// Samples that are sealed at most, in whole blocks.
const OLD: u64 = 3 * block::MOST as u64;
const ALL: u64 = OLD + LIVE;

fn nth(number: u64) -> Outgoing {
    let readings = (0..8u64).map(|point| {
        let name = format!("in_power.{point}").parse().unwrap();
        let hundredths = -1_500 - (point * 37 + (number * 31 + point) % 7) as i64;
        (name, Reading::of(hundredths as f64 / 100.0))
    });
    let sample = Sample {
        at: Timestamp::from_nanos(1_760_000_000_000_000_000 + number as i64 * 333_333_333),
        readings: readings.collect(),
    };
    Outgoing {
        lines: vec![line()],
        body: Body::Sample(format!("edfa-{}", number % 3).parse().unwrap(), sample),
    }
}

/// A writer with these records, nothing sealed yet.
fn filled(settings: SpoolSettings, records: impl Iterator<Item = Outgoing>) -> Writer {
    let mut writer = writer(settings);
    let tasks: Vec<Task> = records.map(Task::Append).collect();
    for some in tasks.chunks(1_000) {
        writer.transact(some).unwrap();
    }
    writer
}

/// Seals all that is to be sealed.
fn settle(writer: &mut Writer) {
    let now = Clock::start().now();
    loop {
        writer.file.execute_batch("BEGIN IMMEDIATE").unwrap();
        writer.has_more = false;
        writer.tidy(now).unwrap();
        disk::save(&writer.file, &mut writer.ledger).unwrap();
        writer.file.execute_batch("COMMIT").unwrap();
        if !writer.has_more {
            return;
        }
    }
}

/// Every record of the current stream up to `newest`, as it travels.
fn contents(folder: &Path, newest: u64) -> Vec<Result<Option<Stored>, SpoolError>> {
    let reader = Reader::open(&settings(folder).path).unwrap();
    let numbers = (1..=newest).map(seq);
    numbers.map(|seq| reader.record(StreamId(1), seq)).collect()
}

/// First and last number of each block.
fn blocks(folder: &Path) -> Vec<(u64, u64)> {
    let file = rusqlite::Connection::open(settings(folder).path).unwrap();
    let mut query = file
        .prepare("SELECT first & 0xffffffffff, key & 0xffffffffff FROM block ORDER BY key")
        .unwrap();
    let found = query
        .query_map([], |sql| Ok((sql.get(0)?, sql.get(1)?)))
        .unwrap();
    found
        .map(|pair: rusqlite::Result<(i64, i64)>| pair.unwrap())
        .map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned()))
        .collect()
}

#[test]
fn sealed_samples_travel_as_before_and_take_a_fraction() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    let (before, whole) = (writer.status(), contents(folder.path(), ALL));
    settle(&mut writer);
    let after = writer.status();
    assert_eq!(blocks(folder.path()).len(), 3);
    assert_eq!(contents(folder.path(), ALL), whole);
    assert_eq!(
        (after.records, after.depth, after.waiting),
        (before.records, before.depth, before.waiting)
    );
    let rows = before.bytes * LIVE / ALL;
    assert!(after.bytes - rows < (before.bytes - rows) / 4, "{after:?}");
    // The sender's questions.
    let reader = Reader::open(&settings(folder.path()).path).unwrap();
    let view = reader.view(StreamId(1));
    for number in [1, 2, 2_048, 2_049, 5_000, OLD, OLD + 1, ALL] {
        let number = seq(number);
        for class in [None, Some(Class::Sample)] {
            let found = view.first(class, number, seq(ALL)).unwrap().unwrap();
            assert!(found.seq == number && found.bytes > 0, "{found:?}");
        }
        let found = view.last(Class::Sample, Seq::FIRST, number).unwrap();
        assert_eq!(found.unwrap().seq, number);
        assert_eq!(view.first(Some(Class::Event), Seq::FIRST, number), Ok(None));
    }
    assert_eq!(view.first(None, seq(ALL + 1), seq(ALL + 9)), Ok(None));
    // A person's question.
    let out = folder.path().join("out");
    let exported = export(&settings(folder.path()).path, &out).unwrap();
    assert_eq!((exported.records, exported.unreadable), (ALL, 0));
    let text = std::fs::read_to_string(out.join("records.jsonl")).unwrap();
    assert_eq!(text.lines().count() as u64, ALL);
}

#[test]
fn what_is_committed_or_no_sample_or_new_is_not_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let with_event = |number| {
        if number == 3_000 {
            event()
        } else {
            nth(number)
        }
    };
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(with_event));
    let state = state(writer.epoch(), &[[1, 100]]);
    writer.transact(&[Task::Committed(line(), state)]).unwrap();
    let whole = contents(folder.path(), ALL);
    settle(&mut writer);
    let wanted = [(101, 2_148), (2_149, 2_999), (3_001, 5_048)];
    assert_eq!(blocks(folder.path()), wanted, "the rest is waited for");
    assert_eq!(contents(folder.path(), ALL), whole);
    // Another run finds the same, and seals nothing twice or in small pieces.
    drop(writer);
    let mut writer = super::writer(settings(folder.path()));
    settle(&mut writer);
    assert_eq!(blocks(folder.path()), wanted);
    assert_eq!(writer.status().depth, ALL - 100);
}

#[test]
fn one_record_leaves_a_block_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    settle(&mut writer);
    let whole = contents(folder.path(), ALL);
    let drop = Task::Drop(StreamId(1), seq(2_500), "too large".to_owned());
    writer.transact(&[drop]).unwrap();
    let after = contents(folder.path(), ALL);
    assert_eq!(after[2_499], Ok(None));
    let others = |all: &[_]| [&all[..2_499], &all[2_500..]].concat();
    assert_eq!(others(&after), others(&whole));
    assert_eq!(writer.status().dropped.samples, 1);
    let found = contents(folder.path(), ALL + 1).pop().unwrap();
    let gap: Gap = serde_json::from_slice(&found.unwrap().unwrap().payload).unwrap();
    assert_eq!(
        (gap.lost, gap.why.as_str()),
        (vec![[2_500, 2_500]], "too large")
    );
}

#[test]
fn a_damaged_block_is_named_as_a_whole_and_blocks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    settle(&mut writer);
    let whole = contents(folder.path(), ALL);
    let file = rusqlite::Connection::open(settings(folder.path()).path).unwrap();
    let flip =
        "UPDATE block SET body = CAST(substr(body, 1, 99) || 'x' || substr(body, 101) AS BLOB)
                WHERE first & 0xffffffffff = 2049";
    assert_eq!(file.execute(flip, []), Ok(1));
    let damaged = contents(folder.path(), ALL);
    assert_eq!(damaged[2_999], Err(SpoolError::Checksum(seq(3_000))));
    assert_eq!(
        (&damaged[..2_048], &damaged[4_096..]),
        (&whole[..2_048], &whole[4_096..])
    );
    let drop = Task::Drop(StreamId(1), seq(3_000), "cannot be read".to_owned());
    writer.transact(&[drop]).unwrap();
    let found = contents(folder.path(), ALL + 1).pop().unwrap();
    let gap: Gap = serde_json::from_slice(&found.unwrap().unwrap().payload).unwrap();
    assert_eq!(gap.lost, [[2_049, 4_096]]);
    assert_eq!(writer.status().dropped.samples, 2_048);
}

#[test]
fn words_that_changed_under_a_block_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    settle(&mut writer);
    let file = rusqlite::Connection::open(settings(folder.path()).path).unwrap();
    let change = "UPDATE template SET topic = replace(topic, 'edfa-0', 'edfa-9')";
    file.execute(change, []).unwrap();
    let found = contents(folder.path(), 3);
    assert!(found[0].is_ok() && found[1].is_ok());
    assert_eq!(found[2], Err(SpoolError::Checksum(seq(3))));
}

#[test]
fn a_full_spool_lets_the_oldest_blocks_go_and_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    settle(&mut writer);
    let held = writer.status().bytes;
    let bounds = Bounds {
        max_bytes: held - 1,
        keep: SpoolSettings::KEEP,
        max_age: None,
    };
    writer.transact(&[Task::Rebound(bounds)]).unwrap();
    let status = writer.status();
    assert!(status.bytes <= held / 100 * 95, "{status:?}");
    assert_eq!(status.dropped.samples % 2_048, 0);
    let lost = status.dropped.samples;
    let after = contents(folder.path(), ALL);
    let is_gone = |found: &Result<Option<Stored>, SpoolError>| found == &Ok(None);
    assert_eq!(
        after.iter().take_while(|found| is_gone(found)).count() as u64,
        lost
    );
    assert!(
        !after
            .iter()
            .skip(usize::try_from(lost).unwrap())
            .any(is_gone)
    );
    let account = status.account;
    assert_eq!(
        (account.dropped.samples, account.waiting()),
        (lost, status.waiting)
    );
}

#[test]
fn committed_blocks_leave_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    settle(&mut writer);
    let state = state(writer.epoch(), &[[1, 5_000]]);
    writer.transact(&[Task::Committed(line(), state)]).unwrap();
    let later = Clock::start().now() + SpoolSettings::KEEP + Duration::from_secs(60);
    writer.tidy(later).unwrap();
    writer.transact(&[]).unwrap();
    // A block of which a part is still waited for stays as a whole.
    assert_eq!(blocks(folder.path()), [(4_097, 6_144)]);
    assert_eq!(writer.status().records, ALL - 4_096);
    assert_eq!(writer.status().dropped, Dropped::default());
}

#[test]
fn a_spool_killed_while_it_seals_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = filled(settings(folder.path()), (1..=ALL).map(nth));
    let whole = contents(folder.path(), ALL);
    // What is sealed stays in the log, so that a part of the log is what a power cut may leave.
    for order in ["wal_checkpoint(TRUNCATE)", "wal_autocheckpoint = 0"] {
        let order = format!("PRAGMA {order}");
        writer.file.query_row(&order, [], |_| Ok(())).unwrap();
    }
    settle(&mut writer);
    let log = folder.path().join("spool.db-wal");
    let log = std::fs::metadata(log).unwrap().len();
    for part in 0..24 {
        let to = tempfile::tempdir().unwrap();
        cut(
            folder.path(),
            to.path(),
            usize::try_from(log * part / 23).unwrap(),
        );
        assert!(contents(to.path(), ALL) == whole, "cut at {part} of 23");
    }
}
