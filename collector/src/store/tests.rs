//! What the hot store promises: nothing is lost at a restart, no number comes twice, bounds hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use silkline_protocol::delivery::receiver::Stream;
use silkline_protocol::delivery::{Epoch, Seq};
use silkline_protocol::message::{TraceFile, Trigger};
use silkline_protocol::sample::{BadReading, Reading, Sample};
use silkline_protocol::time::Timestamp;
use tempfile::TempDir;

use super::replay::Whom;
use super::rows::{RowId, SeriesQuery};
use super::tidy::{Bounds, Deleted};
use super::write::{Origin, Rubbish, StreamKey};
use super::*;
use crate::engine::Input;
use crate::state::Report;

const DAY: Duration = Duration::from_secs(86_400);
const BOUNDS: Bounds = Bounds {
    keep: DAY,
    keep_traces: DAY,
    quarantine_rows: 1000,
    quarantine_bytes: 1 << 20,
    cursor: None,
    bytes: u64::MAX,
};

struct Place {
    folder: TempDir,
    key: StreamKey,
    seq: Seq,
}

impl Place {
    fn new() -> Self {
        let key = StreamKey {
            line: "baku-poti".parse().unwrap(),
            site: "ganja".parse().unwrap(),
            epoch: Epoch::from_bytes([7; 16]),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            key,
            seq: Seq::FIRST,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data").join("hot.db")
    }

    fn open(&self) -> Writer {
        Writer::open(&self.file(), &"store-1".parse().unwrap()).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::new(self.file())
    }

    fn origin(&mut self) -> Origin<'_> {
        let seq = self.seq;
        self.seq = seq.next();
        Origin {
            stream: &self.key,
            seq,
            late: false,
        }
    }

    /// A transaction with one sample a second, `many` times.
    fn samples(&mut self, writer: &mut Writer, from: i64, many: i64) -> Vec<RowId> {
        let mut tx = writer.begin(at(from)).unwrap();
        tx.stream(&self.key, &stream()).unwrap();
        let device = "edfa-1".parse().unwrap();
        let store = |second| tx.sample(&self.origin(), &device, &sample(second)).unwrap();
        let ids = (from..from + many).map(store).collect();
        tx.commit(true).unwrap();
        ids
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

fn stream() -> Stream {
    let json = r#"{"agent":"main","closed":[[1,9]],"lost":[],"retired":false}"#;
    serde_json::from_str(json).unwrap()
}

/// Dark at every tenth second, bad at every seventh.
fn sample(second: i64) -> Sample {
    let reading = match second {
        second if second % 10 == 0 => Reading::Dark,
        second if second % 7 == 0 => Reading::Bad(BadReading::Timeout),
        second => Reading::Value(second as f64),
    };
    let bias = Reading::Value(0.5);
    let readings = [("in_power.1", reading), ("pump_bias.1", bias)];
    let readings = readings
        .into_iter()
        .map(|(name, it)| (name.parse().unwrap(), it))
        .collect();
    Sample {
        at: at(second),
        readings,
    }
}

fn query(from: i64, to: i64) -> SeriesQuery {
    SeriesQuery {
        site: "ganja".parse().unwrap(),
        device: "edfa-1".parse().unwrap(),
        point: "in_power.1".parse().unwrap(),
        from: at(from),
        to: at(to),
    }
}

#[test]
fn what_is_stored_is_there_after_a_restart_and_the_store_keeps_its_name() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 100, 5);
    drop(writer);
    let other: silkline_protocol::id::StoreId = "store-2".parse().unwrap();
    let writer = Writer::open(&place.file(), &other).unwrap();
    assert_eq!(writer.store_id().as_str(), "store-1");
    let streams = writer.streams().unwrap();
    let key = (place.key.line.clone(), place.key.site.clone());
    assert_eq!(streams[&key], BTreeMap::from([(place.key.epoch, stream())]));
    let rows = place
        .reader()
        .ask(|ask| ask.samples_after(RowId(0), 100))
        .unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[2].sample, sample(102));
    let devices = place.reader().ask(|ask| ask.devices()).unwrap();
    assert_eq!(devices[0].newest, Some(sample(104)));
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let place = Place::new();
    std::fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    std::fs::write(place.file(), vec![7; 10_000]).unwrap();
    assert!(Writer::open(&place.file(), &"x".parse().unwrap()).is_err());
}

#[test]
fn no_number_comes_twice_even_when_everything_was_deleted() {
    let mut place = Place::new();
    let mut writer = place.open();
    let first = place.samples(&mut writer, 100, 5);
    writer
        .db()
        .execute_batch("DELETE FROM sample; DELETE FROM step;")
        .unwrap();
    drop(writer);
    let mut writer = place.open();
    let second = place.samples(&mut writer, 200, 1);
    assert!(second[0] > first[4], "{first:?} {second:?}");
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    let mut place = Place::new();
    let mut writer = place.open();
    let mut tx = writer.begin(at(5)).unwrap();
    tx.stream(&place.key, &stream()).unwrap();
    tx.sample(&place.origin(), &"edfa-1".parse().unwrap(), &sample(5))
        .unwrap();
    drop(tx);
    drop(writer);
    let writer = place.open();
    assert!(writer.streams().unwrap().is_empty());
    assert_eq!(place.reader().ask(|ask| ask.sample_count()).unwrap(), 0);
}

#[test]
fn an_older_sample_does_not_become_the_newest() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 500, 1);
    place.samples(&mut writer, 100, 1);
    let devices = place.reader().ask(|ask| ask.devices()).unwrap();
    assert_eq!(devices[0].newest, Some(sample(500)));
}

#[test]
fn a_series_has_every_reading_in_its_window_by_time() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 110, 10);
    place.samples(&mut writer, 100, 10);
    let series = place
        .reader()
        .ask(|ask| ask.series(&query(103, 113), 100))
        .unwrap();
    let want: Vec<_> = (103..113).map(sample).collect();
    assert_eq!(series.len(), want.len());
    for (got, want) in series.iter().zip(&want) {
        let point = "in_power.1".parse().unwrap();
        assert_eq!((got.at, got.reading), (want.at, want.readings[&point]));
    }
    let few = place
        .reader()
        .ask(|ask| ask.series(&query(103, 113), 4))
        .unwrap();
    assert_eq!(few[..], series[..4]);
    let mut unknown = query(0, 1000);
    unknown.point = "nothing".parse().unwrap();
    assert!(
        place
            .reader()
            .ask(|ask| ask.series(&unknown, 9))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn bins_count_what_is_dark_and_bad_apart_from_values() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 100, 20);
    let ten = Duration::from_secs(10);
    let bins = place
        .reader()
        .ask(|ask| ask.series_bins(&query(100, 120), ten))
        .unwrap();
    assert_eq!(bins.len(), 2);
    // 100 is dark, 105 bad: 8 values, whose mean is (1045 - 100 - 105) / 8.
    let first = bins[0];
    assert_eq!(
        (first.at, first.values, first.dark, first.bad),
        (at(100), 8, 1, 1)
    );
    assert_eq!((first.min, first.max), (Some(101.0), Some(109.0)));
    assert!((first.mean.unwrap() - 105.0).abs() < 1e-9);
}

#[test]
fn a_trace_comes_back_byte_for_byte_with_its_analysis() {
    let mut place = Place::new();
    let mut writer = place.open();
    let file = TraceFile {
        at: at(9),
        view: Some("ganja-b".parse().unwrap()),
        port: Some(3),
        trigger: Trigger::LightLost,
        sor: (0..=255).collect(),
    };
    let mut tx = writer.begin(at(10)).unwrap();
    tx.stream(&place.key, &stream()).unwrap();
    let id = tx
        .trace(&place.origin(), &"otdr-1".parse().unwrap(), &file)
        .unwrap();
    tx.analysis(id, &serde_json::json!({"samples": 256}))
        .unwrap();
    tx.commit(true).unwrap();
    let reader = place.reader();
    let row = reader.ask(|ask| ask.trace(id)).unwrap().unwrap();
    assert_eq!(
        (row.view, row.port, row.trigger),
        (file.view, file.port, file.trigger)
    );
    assert_eq!((row.bytes, row.received), (256, at(10)));
    assert_eq!(row.analysis.unwrap()["samples"], 256);
    assert_eq!(
        reader.ask(|ask| ask.trace_file(id)).unwrap(),
        Some(file.sor)
    );
    let by_view = TraceFilter {
        view: Some("other".parse().unwrap()),
        ..TraceFilter::default()
    };
    assert!(
        reader
            .ask(|ask| ask.traces(&by_view, 9))
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        reader
            .ask(|ask| ask.traces(&TraceFilter::default(), 9))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_replay_gives_the_steps_with_their_inputs_in_order() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 100, 2);
    let mut tx = writer.begin(at(200)).unwrap();
    tx.told("started", None, None, &"1").unwrap();
    let about = serde_json::json!({"profile": "p", "poll_ms": 1000, "points": []});
    let about = serde_json::from_value(about).unwrap();
    tx.about(&place.origin(), &"edfa-1".parse().unwrap(), &about)
        .unwrap();
    tx.sample(&place.origin(), &"edfa-1".parse().unwrap(), &sample(200))
        .unwrap();
    tx.commit(true).unwrap();
    writer.begin(at(300)).unwrap().commit(true).unwrap();
    let mut steps = Vec::new();
    writer.replay(0, |step| steps.push(step)).unwrap();
    assert_eq!(
        steps.iter().map(|step| step.now).collect::<Vec<_>>(),
        [at(100), at(200), at(300)]
    );
    assert_eq!(
        steps
            .iter()
            .map(|step| step.inputs.len())
            .collect::<Vec<_>>(),
        [2, 3, 0]
    );
    let (whom, input) = &steps[0].inputs[1];
    assert_eq!(*whom, Whom::Line(place.key.line.clone()));
    assert!(matches!(input, Input::Sample { sample: it, .. } if *it == sample(101)));
    assert_eq!(steps[1].inputs[0], (Whom::All, Input::Started));
    assert!(matches!(steps[1].inputs[1].1, Input::About { .. }));
}

#[test]
fn what_is_old_goes_but_nothing_that_a_cursor_or_a_replay_needs() {
    let mut place = Place::new();
    let mut writer = place.open();
    let old = place.samples(&mut writer, 1_000, 3);
    place.samples(&mut writer, 2_000, 2);
    // Of the steps behind a snapshot only some are kept to tell the age of rows.
    for second in 0..300 {
        writer
            .begin(at(3_000 + second))
            .unwrap()
            .commit(true)
            .unwrap();
    }
    let mut tx = writer.begin(at(200_000)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 200_001, 1);

    let followed = Bounds {
        cursor: Some("influx"),
        ..BOUNDS
    };
    let now = at(200_002);
    assert_eq!(
        writer.tidy(&followed, now).unwrap(),
        Deleted::default(),
        "the cursor has not begun"
    );
    let mut tx = writer.begin(now).unwrap();
    tx.report(&Report::Passed {
        cursor: "influx",
        id: old[1],
    })
    .unwrap();
    tx.commit(false).unwrap();
    assert_eq!(
        writer.tidy(&followed, now).unwrap().samples,
        2,
        "as far as the cursor"
    );
    writer.tidy(&BOUNDS, now).unwrap();
    let rows = place
        .reader()
        .ask(|ask| ask.samples_after(RowId(0), 9))
        .unwrap();
    assert_eq!(
        rows.iter().map(|row| row.sample.at).collect::<Vec<_>>(),
        [at(200_001)]
    );
    let mut steps = 0;
    writer.replay(0, |_| steps += 1).unwrap();
    assert!(
        steps >= 2,
        "the snapshot's step and the one after it are there"
    );
}

#[test]
fn nothing_goes_before_its_age() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 1_000, 3);
    let mut tx = writer.begin(at(2_000)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 90_000, 1);
    assert_eq!(
        writer.tidy(&BOUNDS, at(1_000 + 86_399)).unwrap(),
        Deleted::default()
    );
}

#[test]
fn without_room_the_oldest_go_first_and_a_replay_keeps_its_own() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 1_000, 40);
    let mut tx = writer.begin(at(2_000)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 3_000, 3);
    let crowded = Bounds {
        bytes: 1,
        cursor: Some("influx"),
        ..BOUNDS
    };
    let deleted = writer.tidy(&crowded, at(3_010)).unwrap();
    assert!(deleted.crowded && !deleted.more());
    assert_eq!(deleted.samples, 40, "young, and passed by no cursor");
    let left = place
        .reader()
        .ask(|ask| ask.samples_after(RowId(0), 99))
        .unwrap();
    assert_eq!(left.len(), 3, "what came after the snapshot stays");
}

#[test]
fn many_steps_behind_a_snapshot_are_thinned_out() {
    let mut place = Place::new();
    let mut writer = place.open();
    for second in 0..600 {
        writer
            .begin(at(1_000_000 + second))
            .unwrap()
            .commit(true)
            .unwrap();
    }
    let mut tx = writer.begin(at(1_000_600)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    tx.commit(true).unwrap();
    place.samples(&mut writer, 1_000_601, 1);
    writer.tidy(&BOUNDS, at(1_000_602)).unwrap();
    let mut steps = 0;
    writer.replay(0, |_| steps += 1).unwrap();
    assert_eq!(
        steps,
        2 + 2,
        "every 256th, the snapshot's and the one after it"
    );
}

#[test]
fn the_quarantine_keeps_the_newest_within_its_bounds() {
    let place = Place::new();
    let mut writer = place.open();
    let mut tx = writer.begin(at(1)).unwrap();
    tx.snapshot(&place.key.line, b"state").unwrap();
    let payload = vec![7; 100];
    for number in 0..50 {
        let (topic, kind, reason) = (format!("t/{number}"), "payload", "not JSON");
        let properties = [("v".to_owned(), "1".to_owned())];
        let properties = properties.as_slice();
        tx.quarantine(&Rubbish {
            topic: &topic,
            kind,
            reason,
            properties,
            payload: &payload,
        })
        .unwrap();
    }
    tx.commit(true).unwrap();
    let by_rows = Bounds {
        quarantine_rows: 20,
        ..BOUNDS
    };
    assert_eq!(writer.tidy(&by_rows, at(2)).unwrap().quarantine, 30);
    let by_bytes = Bounds {
        quarantine_bytes: 1050,
        ..BOUNDS
    };
    assert_eq!(writer.tidy(&by_bytes, at(2)).unwrap().quarantine, 10);
    let rows = place.reader().ask(|ask| ask.quarantine(100)).unwrap();
    assert_eq!(rows.len(), 10);
    assert_eq!(
        (rows[0].topic.as_str(), rows[9].topic.as_str()),
        ("t/49", "t/40")
    );
    assert_eq!(rows[0].properties, [("v".to_owned(), "1".to_owned())]);
}

#[test]
fn of_a_large_message_set_aside_only_the_beginning_is_kept() {
    let place = Place::new();
    let mut writer = place.open();
    let payload = vec![9; 5 << 20];
    let mut tx = writer.begin(at(1)).unwrap();
    let (topic, kind, reason, properties) = ("t", "too_large", "too large", [].as_slice());
    tx.quarantine(&Rubbish {
        topic,
        kind,
        reason,
        properties,
        payload: &payload,
    })
    .unwrap();
    tx.commit(false).unwrap();
    let row = place
        .reader()
        .ask(|ask| ask.quarantine(1))
        .unwrap()
        .remove(0);
    assert_eq!((row.bytes, row.payload.len()), (5 << 20, 256 << 10));
}

#[test]
fn an_answer_is_of_one_state_whatever_is_committed_meanwhile() {
    let mut place = Place::new();
    let mut writer = place.open();
    place.samples(&mut writer, 100, 3);
    let reader = place.reader();
    reader
        .ask(|ask| {
            let before = ask.sample_count()?;
            place.samples(&mut writer, 200, 3);
            assert_eq!((before, ask.sample_count()?), (3, 3));
            Ok(())
        })
        .unwrap();
    assert_eq!(reader.ask(|ask| ask.sample_count()).unwrap(), 6);
}

mod sealed;
