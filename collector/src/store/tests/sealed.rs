//! Sealed or not, the history reads the same: nothing is lost, nothing comes twice, bounds hold.

use super::*;
use crate::store::seal::CHUNK;

const MANY: i64 = CHUNK as i64;

/// When everything stored at the beginning may be sealed.
const LATER: i64 = 1_000_000;

/// Lets what was stored so far be sealed: saves a state after it.
fn saved(place: &mut Place, writer: &mut Writer, second: i64) {
    let mut tx = writer.begin(at(second)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(writer, second + 1, 1);
}

fn seal_all(writer: &mut Writer, second: i64) -> usize {
    let mut sealed = 0;
    loop {
        match writer.seal(at(second)).unwrap() {
            0 => return sealed,
            many => sealed += many,
        }
    }
}

/// Everything that readers get to see, for comparisons.
fn seen(place: &Place, writer: &Writer) -> String {
    let reader = place.reader();
    let from_number = |after, most| {
        let rows = reader.ask(|ask| ask.samples_after(RowId(after), most));
        format!("{:?}", rows.unwrap())
    };
    let series = |from, to, most| {
        let series = reader.ask(|ask| ask.series(&query(from, to), most));
        format!("{:?}", series.unwrap())
    };
    let raw = reader.ask(|ask| ask.raw_after(RowId(700), 300)).unwrap();
    let decoded = raw.iter().map(|(id, device, at, bytes)| {
        let mut readings: Vec<_> = readings::decode(bytes).collect();
        readings.sort_by_key(|(point, _)| *point);
        (*id, *device, *at, readings)
    });
    let raw: Vec<_> = decoded.collect();
    let bins = reader.ask(|ask| ask.series_bins(&query(0, LATER * 2), Duration::from_secs(60)));
    let one = reader.ask(|ask| ask.raw_of_device(1, RowId(0))).unwrap();
    let mut times: Vec<_> = one.iter().map(|(at, _)| *at).collect();
    times.sort_unstable();
    let counts = reader.ask(|ask| Ok((ask.sample_count()?, ask.newest_sample()?)));
    let past = writer.past(&place.key.line).unwrap();
    [
        from_number(0, 10_000),
        from_number(37, 5),
        from_number(MANY - 2, 5),
        from_number(MANY * 2 - 20, 50),
        series(0, LATER * 2, 100_000),
        series(150, 990, 100_000),
        series(150, 990, 7),
        format!(
            "{raw:?} {:?} {times:?} {:?}",
            bins.unwrap(),
            counts.unwrap()
        ),
        format!("{past:?}"),
    ]
    .join("\n")
}

/// Samples in two blocks that overlap in time, the second one later than the first.
fn two_blocks(place: &mut Place, writer: &mut Writer) {
    place.samples(writer, 100, MANY);
    place.samples(writer, 400, MANY + 5);
    // An empty stretch, and some that are too few for a chunk.
    place.samples(writer, 50_000, 20);
}

#[test]
fn sealing_changes_nothing_that_can_be_read() {
    let mut place = Place::new();
    let mut writer = place.open();
    two_blocks(&mut place, &mut writer);
    saved(&mut place, &mut writer, 60_000);
    let before = seen(&place, &writer);
    assert_eq!(seal_all(&mut writer, LATER), 2 * CHUNK);
    assert_eq!(seen(&place, &writer), before);
    let chunks = "SELECT count(*), sum(samples) FROM chunk";
    let chunks: (i64, i64) = writer
        .db()
        .query_row(chunks, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(chunks, (2, 2 * MANY));
    drop(writer);
    let writer = place.open();
    assert_eq!(seen(&place, &writer), before, "after a restart");
}

#[test]
fn a_device_of_two_keeps_its_own() {
    let mut place = Place::new();
    let mut writer = place.open();
    let mut ids = Vec::new();
    let mut tx = writer.begin(at(10)).unwrap();
    tx.stream(&place.key, &stream()).unwrap();
    for second in 0..2 * MANY {
        for device in ["edfa-1", "edfa-2"] {
            let device = device.parse().unwrap();
            ids.push(
                tx.sample(&place.origin(), &device, &sample(second))
                    .unwrap(),
            );
        }
    }
    tx.commit(true).unwrap();
    saved(&mut place, &mut writer, 50_000);
    let before = seen(&place, &writer);
    // The newest of the second device stays in the head, so it lacks one for its second chunk.
    assert_eq!(seal_all(&mut writer, LATER), 3 * CHUNK);
    assert_eq!(seen(&place, &writer), before);
    let reader = place.reader();
    let mut after = RowId(0);
    let mut found = Vec::new();
    // Page by page, as a forwarder reads.
    loop {
        let page = reader.ask(|ask| ask.samples_after(after, 77)).unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        found.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(found[..ids.len()], ids[..]);
}

#[test]
fn what_is_young_or_replayed_or_newest_stays_in_the_head() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 100, MANY + 1);
    assert_eq!(
        writer.seal(at(LATER)).unwrap(),
        0,
        "no state was saved: all is replayed"
    );
    let mut tx = writer.begin(at(200)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 5_000, MANY);
    assert_eq!(writer.seal(at(650)).unwrap(), 0, "young");
    assert_eq!(
        seal_all(&mut writer, LATER),
        CHUNK,
        "the second block is replayed"
    );
    let devices = place.reader().ask(|ask| ask.devices()).unwrap();
    assert_eq!(devices[0].newest, Some(sample(5_000 + MANY - 1)));
    let mut steps = 0;
    writer.replay(1, |step| steps += step.inputs.len()).unwrap();
    assert_eq!(steps, CHUNK);
}

#[test]
fn a_sample_that_comes_late_is_kept_once_wherever_its_time_is() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 1_000, MANY + 1);
    saved(&mut place, &mut writer, 60_000);
    assert_eq!(seal_all(&mut writer, LATER), CHUNK);
    // Between two that are sealed, and at the very time of one of them.
    place.samples(&mut writer, 1_100, 1);
    let twice = query(1_100, 1_101);
    let series = place.reader().ask(|ask| ask.series(&twice, 9)).unwrap();
    assert_eq!(
        series.len(),
        2,
        "a clock that steps back overwrites nothing"
    );
    place.samples(&mut writer, LATER, MANY);
    saved(&mut place, &mut writer, LATER + 10_000);
    let before = seen(&place, &writer);
    assert_eq!(seal_all(&mut writer, LATER * 2), CHUNK);
    assert_eq!(seen(&place, &writer), before, "sealed with its neighbours");
    let series = place.reader().ask(|ask| ask.series(&twice, 9)).unwrap();
    assert_eq!(series.len(), 2);
}

#[test]
fn a_crash_while_sealing_leaves_everything_where_it_was() {
    let mut place = Place::new();
    let mut writer = place.open();
    two_blocks(&mut place, &mut writer);
    saved(&mut place, &mut writer, 60_000);
    let before = seen(&place, &writer);
    // It stops after the chunk was written and some of its samples were taken away.
    let halfway = "CREATE TEMP TRIGGER halfway AFTER DELETE ON sample WHEN old.id = 200
        BEGIN SELECT RAISE(ABORT, 'halfway'); END";
    writer.db().execute_batch(halfway).unwrap();
    writer.seal(at(LATER)).unwrap_err();
    drop(writer);
    let mut writer = place.open();
    assert_eq!(seen(&place, &writer), before);
    assert_eq!(
        seal_all(&mut writer, LATER),
        2 * CHUNK,
        "and again with room"
    );
    assert_eq!(seen(&place, &writer), before);
}

#[test]
fn chunks_go_with_their_age_and_first_where_room_is_short() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 1_000, 3 * MANY + 1);
    saved(&mut place, &mut writer, 60_000);
    assert_eq!(seal_all(&mut writer, LATER), 3 * CHUNK);
    let young = writer.tidy(&BOUNDS, at(80_000)).unwrap();
    assert_eq!(young, Deleted::default());
    let crowded = Bounds { bytes: 1, ..BOUNDS };
    let deleted = writer.tidy(&crowded, at(80_000)).unwrap();
    assert_eq!(
        (deleted.chunks, deleted.samples),
        (3, 3 * CHUNK),
        "before the head"
    );
    let left = place.reader().ask(|ask| ask.sample_count()).unwrap();
    assert_eq!(left, 2);
    assert_eq!(writer.tidy(&crowded, at(80_000)).unwrap().samples, 1);

    place.samples(&mut writer, 2_000, MANY + 1);
    saved(&mut place, &mut writer, 90_000);
    assert_eq!(seal_all(&mut writer, LATER + 20), CHUNK);
    let deleted = writer.tidy(&BOUNDS, at(LATER)).unwrap();
    assert_eq!(deleted.chunks, 1, "old");
}

#[test]
fn a_cursor_holds_chunks_back() {
    let mut place = Place::new();
    let mut writer = place.open();
    let ids = place.samples(&mut writer, 1_000, MANY + 1);
    saved(&mut place, &mut writer, 60_000);
    assert_eq!(seal_all(&mut writer, LATER), CHUNK);
    let followed = Bounds {
        cursor: Some("influx"),
        ..BOUNDS
    };
    let deleted = |writer: &mut Writer| writer.tidy(&followed, at(LATER)).unwrap().chunks;
    let passed = |writer: &mut Writer, id| {
        let mut tx = writer.begin(at(LATER)).unwrap();
        tx.report(&Report::Passed {
            cursor: "influx",
            id,
        })
        .unwrap();
        tx.commit(false).unwrap();
    };
    passed(&mut writer, ids[CHUNK / 2]);
    assert_eq!(deleted(&mut writer), 0, "half of it is not forwarded yet");
    passed(&mut writer, ids[CHUNK - 1]);
    assert_eq!(deleted(&mut writer), 1);
}

#[test]
fn a_copy_holds_chunks_and_a_damaged_one_is_refused_but_still_readable() {
    let mut place = Place::new();
    let mut writer = place.open();
    two_blocks(&mut place, &mut writer);
    saved(&mut place, &mut writer, 60_000);
    let all = seen(&place, &writer);
    assert_eq!(seal_all(&mut writer, LATER), 2 * CHUNK);
    let target = place.folder.path().join("copy.db");
    let copied = backup::copy(&place.file(), &target).unwrap();
    assert_eq!(copied.samples, 2 * CHUNK as u64 + 26);

    let spoil = "UPDATE chunk SET body = zeroblob(length(body)) WHERE id = 1";
    writer.db().execute(spoil, []).unwrap();
    let other = place.folder.path().join("other.db");
    let refused = backup::copy(&place.file(), &other).unwrap_err().to_string();
    assert!(refused.contains("chunk 1: its checksum"), "{refused}");
    let count = |most| place.reader().ask(|ask| ask.samples_after(RowId(0), most));
    assert_eq!(
        count(10_000).unwrap().len(),
        CHUNK + 26,
        "the others are there"
    );

    drop(writer);
    backup::restore(&target, &place.file(), at(LATER)).unwrap();
    let writer = place.open();
    assert_eq!(seen(&place, &writer), all);
}

#[test]
fn a_state_of_a_line_that_is_kept_no_more_holds_nothing_up() {
    let mut place = Place::new();
    let mut writer = place.open();
    let mut tx = writer.begin(at(10)).unwrap();
    tx.snapshot(&"gone".parse().unwrap(), b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 100, MANY + 1);
    let mut tx = writer.begin(at(2_000)).unwrap();
    let state = (&place.key.line, b"state".to_vec());
    tx.snapshots(core::iter::once(state)).unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 2_001, 1);
    assert_eq!(writer.snapshots().unwrap().len(), 1);
    assert_eq!(seal_all(&mut writer, LATER), CHUNK);
}
