//! What the spool promises, on a real file.

use std::collections::BTreeMap;
use std::path::Path;

use silkline_protocol::delivery::sender::{Class, Spool};
use silkline_protocol::delivery::{Ranges, VERSION};
use silkline_protocol::device::About;
use silkline_protocol::id::PointName;
use silkline_protocol::message::{Event, EventKind, Gap, TraceFile, Trigger};
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::reader::Stored;
use super::*;

mod books;
mod forms;
mod outage;
mod sealed;

fn settings(folder: &Path) -> SpoolSettings {
    SpoolSettings {
        path: folder.join("spool.db"),
        site: "ganja".parse().unwrap(),
        max_bytes: SpoolSettings::MAX_BYTES,
        keep: SpoolSettings::KEEP,
        max_age: None,
    }
}

fn open(folder: &Path) -> SpoolHandle {
    open_with(settings(folder))
}

fn open_with(settings: SpoolSettings) -> SpoolHandle {
    SpoolHandle::open(settings, Clock::start()).unwrap().spool
}

fn line() -> LineId {
    "baku-poti".parse().unwrap()
}

fn seq(value: u64) -> Seq {
    Seq::new(value).unwrap()
}

fn ranges(list: &[[u64; 2]]) -> Ranges {
    list.to_vec().try_into().unwrap()
}

fn sample(value: f64) -> Outgoing {
    let point: PointName = "in_power".parse().unwrap();
    let readings = BTreeMap::from([(point, Reading::of(value))]);
    let sample = Sample {
        at: Timestamp::from_seconds(1),
        readings,
    };
    Outgoing {
        lines: vec![line()],
        body: Body::Sample("edfa-1".parse().unwrap(), sample),
    }
}

fn event() -> Outgoing {
    let event = Event {
        at: Timestamp::from_seconds(1),
        kind: EventKind::LightLost,
        point: None,
        detail: String::new(),
        permit: None,
        place: None,
    };
    Outgoing {
        lines: vec![line()],
        body: Body::Event("edfa-1".parse().unwrap(), event),
    }
}

fn trace(bytes: usize) -> Outgoing {
    let trace = TraceFile {
        at: Timestamp::from_seconds(1),
        view: None,
        port: Some(3),
        trigger: Trigger::Command,
        sor: vec![0xA5; bytes],
    };
    Outgoing {
        lines: vec![line()],
        body: Body::Trace("otdr-1".parse().unwrap(), trace),
    }
}

fn about() -> Outgoing {
    let about = About {
        profile: "generic".parse().unwrap(),
        poll_ms: 1_000,
        vendor: None,
        model: None,
        serial: None,
        points: Vec::new(),
    };
    Outgoing {
        lines: vec![line()],
        body: Body::About("edfa-1".parse().unwrap(), about),
    }
}

fn state(epoch: Epoch, list: &[[u64; 2]]) -> Committed {
    let streams = BTreeMap::from([(epoch, ranges(list))]);
    Committed {
        v: VERSION,
        store: "store".parse().unwrap(),
        streams,
    }
}

/// A collector says so, and the spool has noted it.
async fn believed(spool: &SpoolHandle, state: Committed) {
    spool.committed(line(), state).await.unwrap();
    spool.sync().await.unwrap();
}

fn current(spool: &SpoolHandle) -> StreamId {
    spool.status().borrow().heads[0].stream
}

fn held(spool: &SpoolHandle) -> Vec<u64> {
    let reader = spool.reader().unwrap();
    let view = reader.view(current(spool));
    let mut from = Seq::FIRST;
    let next = || {
        let entry = view.first(None, from, seq(1_000_000)).unwrap()?;
        from = entry.seq.next();
        Some(entry.seq.get())
    };
    core::iter::from_fn(next).collect()
}

fn gap(spool: &SpoolHandle, number: u64) -> Gap {
    let stored = record(spool, number).unwrap();
    assert!(stored.topic.ends_with("/gap"), "{}", stored.topic);
    serde_json::from_slice(&stored.payload).unwrap()
}

fn record(spool: &SpoolHandle, number: u64) -> Option<Stored> {
    spool
        .reader()
        .unwrap()
        .record(current(spool), seq(number))
        .unwrap()
}

#[tokio::test]
async fn what_was_taken_in_reads_back_as_it_will_travel() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    spool.append(sample(-17.25)).await.unwrap();
    spool.append(trace(1_000)).await.unwrap();
    let first = record(&spool, 1).unwrap();
    assert_eq!(first.topic, "silkline/1/baku-poti/ganja/edfa-1/sample");
    assert!(String::from_utf8(first.payload).unwrap().contains("-17.25"));
    let second = record(&spool, 2).unwrap();
    assert_eq!(second.payload, vec![0xA5; 1_000], "byte for byte");
    assert!(
        second
            .properties
            .contains(&("port".to_owned(), "3".to_owned()))
    );
}

#[tokio::test]
async fn a_shared_device_is_spooled_once_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let lines = vec![line(), "sumgait-aktau".parse().unwrap()];
    spool
        .append(Outgoing {
            lines,
            ..sample(1.0)
        })
        .await
        .unwrap();
    let status = spool.status().borrow().clone();
    assert_eq!((status.records, status.heads.len()), (2, 2));
    assert!(status.heads.iter().all(|head| head.newest == Seq::FIRST));
}

#[tokio::test]
async fn every_opening_begins_an_epoch_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    for _ in 0..3 {
        first.append(sample(1.0)).await.unwrap();
    }
    let old = first.epoch();
    drop(first);
    let second = open(folder.path());
    second.append(sample(2.0)).await.unwrap();
    assert!(second.epoch() > old);
    let streams = second
        .reader()
        .unwrap()
        .streams(second.epoch(), 10)
        .unwrap();
    let found: Vec<_> = streams
        .iter()
        .map(|s| (s.epoch, s.newest, s.open))
        .collect();
    let expected = [(second.epoch(), Seq::new(1), 1), (old, Seq::new(3), 3)];
    assert_eq!(found, expected);
    assert_eq!(second.status().borrow().epochs, [old, second.epoch()]);
}

#[tokio::test]
async fn committed_records_stay_until_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for _ in 0..4 {
        spool.append(sample(1.0)).await.unwrap();
    }
    believed(&spool, state(spool.epoch(), &[[1, 3]])).await;
    let status = spool.status().borrow().clone();
    assert_eq!((status.records, status.depth), (4, 1));
    let reader = spool.reader().unwrap();
    let stream = &reader.streams(spool.epoch(), 10).unwrap()[0];
    assert_eq!(stream.committed, ranges(&[[1, 3]]));
}

#[tokio::test]
async fn a_full_spool_lets_committed_records_go_then_plain_samples_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_with(SpoolSettings {
        max_bytes: 9_000,
        ..settings(folder.path())
    });
    spool.append(event()).await.unwrap();
    spool.append(trace(1_000)).await.unwrap();
    for n in 0..10 {
        spool.append(sample(f64::from(n))).await.unwrap();
    }
    believed(&spool, state(spool.epoch(), &[[3, 5]])).await;
    let mut numbers = 12;
    while spool.status().borrow().dropped.samples == 0 {
        spool.append(sample(0.5)).await.unwrap();
        numbers += 1;
        assert!(numbers < 400, "it never was full");
    }
    let held = held(&spool);
    assert_eq!(held[..2], [1, 2], "the event and the trace stay");
    assert_ne!(held[2], 3, "committed ones went first");
    let gap = gap(&spool, numbers + 1);
    assert_eq!(
        (gap.kind.as_str(), gap.why.as_str()),
        ("sample", "the spool was full")
    );
    assert_eq!(gap.epoch, spool.epoch());
    let lost = Ranges::try_from(gap.lost).unwrap();
    assert!(lost.contains(seq(6)) && !lost.contains(seq(5)), "{lost:?}");
    assert!(spool.status().borrow().bytes <= 9_000 + 1_000);
}

#[tokio::test]
async fn an_endless_outage_keeps_the_bound_and_accounts_for_every_number() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_with(SpoolSettings {
        max_bytes: 20_000,
        ..settings(folder.path())
    });
    for n in 0..600 {
        let outgoing = if n % 20 == 0 {
            event()
        } else {
            sample(f64::from(n))
        };
        spool.append(outgoing).await.unwrap();
    }
    let status = spool.status().borrow().clone();
    assert!(status.bytes <= 21_000, "{}", status.bytes);
    let newest = status.heads[0].newest;
    let mut known = Ranges::new();
    let mut gaps = 0;
    for number in held(&spool) {
        known.insert(seq(number), seq(number));
        let stored = record(&spool, number).unwrap();
        if stored.topic.ends_with("/gap") {
            gaps += 1;
            let gap: Gap = serde_json::from_slice(&stored.payload).unwrap();
            let lost = Ranges::try_from(gap.lost).unwrap();
            lost.iter().for_each(|(lo, hi)| known.insert(lo, hi));
        }
    }
    assert_eq!(known.whole(), Some(newest), "{known:?}");
    assert!(gaps <= 10, "{gaps} gap records");
}

#[tokio::test]
async fn a_record_given_up_is_named_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    spool.append(trace(10)).await.unwrap();
    let why = "the broker takes 5 bytes";
    spool
        .give_up(current(&spool), seq(1), why.to_owned())
        .await
        .unwrap();
    let gap = gap(&spool, 2);
    assert_eq!(
        (gap.lost, gap.kind, gap.why),
        (vec![[1, 1]], "trace".to_owned(), why.to_owned())
    );
    spool
        .give_up(current(&spool), seq(1), why.to_owned())
        .await
        .unwrap();
    assert_eq!(held(&spool), [2], "once");
}

#[tokio::test]
async fn a_restored_collector_hears_of_numbers_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_with(SpoolSettings {
        max_bytes: 2_000,
        ..settings(folder.path())
    });
    let mut newest = 0;
    while held(&spool_after(&spool).await).first() == Some(&1) {
        newest += 1;
        believed(&spool, state(spool.epoch(), &[[1, newest]])).await;
    }
    assert_eq!(spool.status().borrow().dropped, Dropped::default());
    believed(&spool, state(spool.epoch(), &[])).await;
    let last = *held(&spool).last().unwrap();
    let gap = gap(&spool, last);
    assert_eq!(gap.lost[0][0], 1);
    assert!(gap.why.contains("asked for again"), "{}", gap.why);
}

async fn spool_after(spool: &SpoolHandle) -> SpoolHandle {
    spool.append(sample(1.0)).await.unwrap();
    spool.clone()
}

#[tokio::test]
async fn what_can_never_be_sent_is_not_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let found = spool.append(trace(codec::MAX_TRACE + 1)).await;
    assert_eq!(
        found,
        Err(SpoolError::TooLarge {
            found: codec::MAX_TRACE + 1,
            most: codec::MAX_TRACE
        })
    );
    assert_eq!(spool.status().borrow().records, 0);
}

#[tokio::test]
async fn many_writers_share_transactions_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let writers = (0..8).map(|n| {
        let spool = spool.clone();
        tokio::spawn(async move {
            for m in 0..25 {
                spool.append(sample(f64::from(n * 100 + m))).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(held(&spool), (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn samples_share_a_transaction_and_whoever_waits_is_not_kept_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut status = spool.status();
    for n in 0..20 {
        let Body::Sample(device, one) = sample(f64::from(n)).body else {
            panic!()
        };
        let one = Arc::new(Compact::of(one));
        spool.begin(vec![line()], device, one).await.unwrap();
    }
    spool.append(event()).await.unwrap();
    assert_eq!(status.borrow_and_update().records, 21);
    assert_eq!(held(&spool), (1..=21).collect::<Vec<_>>());
    let last = record(&spool, 20).unwrap();
    let wanted = sample(19.0);
    assert_eq!(last.payload, codec::payload(&wanted.body));
    assert!(last.topic.ends_with("/edfa-1/sample"));
}

#[tokio::test]
async fn the_last_word_of_a_device_is_known_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    spool.append(about()).await.unwrap();
    spool.append(about()).await.unwrap();
    assert!(!record(&spool, 1).unwrap().retain);
    assert!(record(&spool, 2).unwrap().retain);
    let abouts = spool.reader().unwrap().abouts().unwrap();
    assert_eq!(abouts.len(), 1);
    assert_eq!((abouts[0].seq, abouts[0].epoch), (seq(2), spool.epoch()));
}

#[tokio::test]
async fn a_record_whose_bytes_changed_is_damaged_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for n in 0..3 {
        spool.append(sample(f64::from(n))).await.unwrap();
    }
    let stream = current(&spool);
    let file = rusqlite::Connection::open(settings(folder.path()).path).unwrap();
    let payload: &[u8] = b"{}";
    file.execute(
        "UPDATE record SET payload = ?1 WHERE key & 15 = 2",
        [payload],
    )
    .unwrap();
    // Not beside the writer, which remembers what it wrote.
    let reader = reader::Reader::open(&settings(folder.path()).path).unwrap();
    assert_eq!(
        reader.record(stream, seq(2)),
        Err(SpoolError::Checksum(seq(2)))
    );
    assert!(reader.record(stream, seq(1)).unwrap().is_some());
    assert!(reader.record(stream, seq(3)).unwrap().is_some());
    assert_eq!(
        reader
            .view(stream)
            .last(Class::Sample, seq(1), seq(9))
            .unwrap()
            .unwrap()
            .seq,
        seq(3)
    );
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_the_agent_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = settings(folder.path()).path;
    std::fs::write(&path, [7_u8; 5_000]).unwrap();
    let opened = SpoolHandle::open(settings(folder.path()), Clock::start()).unwrap();
    let (aside, why) = opened.set_aside.unwrap();
    assert!(aside.exists() && !why.is_empty());
    opened.spool.append(sample(1.0)).await.unwrap();
}

/// Copies the file and the first `bytes` of its log: what a disk may hold after a power cut.
fn cut(from: &Path, to: &Path, bytes: usize) {
    std::fs::copy(from.join("spool.db"), to.join("spool.db")).unwrap();
    let log = std::fs::read(from.join("spool.db-wal")).unwrap();
    std::fs::write(to.join("spool.db-wal"), &log[..bytes]).unwrap();
}

#[tokio::test]
async fn a_log_cut_at_any_byte_loses_at_most_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for n in 0..12 {
        spool.append(sample(f64::from(n))).await.unwrap();
    }
    let stream = current(&spool);
    let log = std::fs::metadata(folder.path().join("spool.db-wal"))
        .unwrap()
        .len();
    let log = usize::try_from(log).unwrap();
    let mut most = 0;
    for bytes in (0..log).step_by(log / 300).chain([log]) {
        let copy = tempfile::tempdir().unwrap();
        cut(folder.path(), copy.path(), bytes);
        let opened = SpoolHandle::open(settings(copy.path()), Clock::start()).unwrap();
        assert!(opened.set_aside.is_none(), "cut at {bytes}");
        let reader = opened.spool.reader().unwrap();
        let kept = (1..=12).take_while(|n| reader.record(stream, seq(*n)).unwrap().is_some());
        let kept = kept.count();
        assert!(
            kept >= most,
            "cut at {bytes}: {kept} records, {most} with less of the log"
        );
        most = kept;
        opened.spool.append(sample(0.0)).await.unwrap();
        let status = opened.spool.status().borrow().clone();
        assert_eq!(status.records, kept as u64 + 1, "cut at {bytes}");
    }
    assert_eq!(most, 12, "what append said is synced is there");
}

#[tokio::test]
async fn a_file_can_be_looked_into_and_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    spool.append(sample(-1.5)).await.unwrap();
    spool.append(trace(64)).await.unwrap();
    believed(&spool, state(spool.epoch(), &[[1, 1]])).await;
    let path = settings(folder.path()).path;
    let found = inspect(&path).unwrap();
    assert_eq!(
        (found.records, found.uncommitted, found.damage.len()),
        (2, 1, 0)
    );
    assert_eq!(found.streams[0].line, "baku-poti");

    let out = folder.path().join("out");
    let done = export(&path, &out).unwrap();
    assert_eq!((done.records, done.unreadable), (2, 0));
    let list = std::fs::read_to_string(out.join("records.jsonl")).unwrap();
    assert!(list.lines().next().unwrap().contains("-1.5"), "{list}");
    let sor = std::fs::read(out.join(format!("{}-2.sor", spool.epoch()))).unwrap();
    assert_eq!(sor, vec![0xA5; 64]);
}

fn writer(settings: SpoolSettings) -> writer::Writer {
    let (file, _) = file::open_or_set_aside(&settings.path, Timestamp::EPOCH).unwrap();
    writer::Writer::new(settings, Clock::start(), file).unwrap()
}

fn tidied(settings: SpoolSettings, after: Duration) -> SpoolStatus {
    let clock = Clock::start();
    let mut writer = writer(settings);
    let tasks: Vec<Task> = (0..4).map(|n| Task::Append(sample(f64::from(n)))).collect();
    writer.transact(&tasks).unwrap();
    let state = state(writer.epoch(), &[[1, 2], [4, 4]]);
    writer.transact(&[Task::Committed(line(), state)]).unwrap();
    writer.tidy(clock.now() + after).unwrap();
    writer.transact(&[] as &[Task]).unwrap();
    writer.status()
}

#[tokio::test]
async fn committed_records_leave_when_they_are_old_and_nobody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let young = tidied(settings(folder.path()), Duration::from_secs(23 * 3_600));
    assert_eq!((young.records, young.depth), (4, 1));
    let folder = tempfile::tempdir().unwrap();
    let old = tidied(settings(folder.path()), Duration::from_secs(25 * 3_600));
    assert_eq!(
        (old.records, old.depth, old.dropped),
        (1, 1, Dropped::default())
    );
}

#[tokio::test]
async fn an_age_that_an_operator_sets_holds_for_what_is_uncommitted_too() {
    let folder = tempfile::tempdir().unwrap();
    let max_age = Some(Duration::from_secs(3_600));
    let status = tidied(
        SpoolSettings {
            max_age,
            ..settings(folder.path())
        },
        Duration::from_secs(7_200),
    );
    assert_eq!(
        (status.dropped.samples, status.records),
        (1, 4),
        "three kept, one gap"
    );
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(settings(folder.path()));
    writer.transact(&[Task::Append(sample(1.0))]).unwrap();
    writer.file.execute_batch("PRAGMA query_only = on").unwrap();
    assert!(matches!(
        writer.transact(&[Task::Append(sample(2.0))]),
        Err(SpoolError::Disk(_))
    ));
    writer
        .file
        .execute_batch("PRAGMA query_only = off")
        .unwrap();
    assert_eq!(writer.status().records, 1);
    writer.transact(&[Task::Append(sample(3.0))]).unwrap();
    assert_eq!(
        writer.status().heads[0].newest,
        seq(2),
        "no number is skipped"
    );
}
