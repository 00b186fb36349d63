//! What the spool promises while the disk takes nothing.

use silkline_protocol::delivery::thrift::Alarms;

use super::*;
use crate::spool::writer::Writer;

/// An order, and where its answer comes.
fn order(task: Task) -> (Order, oneshot::Receiver<Result<(), SpoolError>>) {
    let (done, answer) = oneshot::channel();
    let done = Some(done);
    (Order { task, done }, answer)
}

/// Has orders carried out as the writer's loop does; gives the answers there are, `None` for one to come.
fn taken(writer: &mut Writer, tasks: Vec<Task>) -> Vec<Option<Result<(), SpoolError>>> {
    let (mut batch, answers): (Vec<_>, Vec<_>) = tasks.into_iter().map(order).unzip();
    for (order, result) in writer.take(&mut batch) {
        order.settle(&result);
    }
    let answers = answers.into_iter();
    answers.map(|mut answer| answer.try_recv().ok()).collect()
}

/// A disk that takes nothing, or takes again; it is tried with the next order.
fn set(writer: &mut Writer, state: &str) {
    let pragma = format!("PRAGMA query_only = {state}");
    writer.file.execute_batch(&pragma).unwrap();
    writer.try_now();
}

fn append(outgoing: Outgoing) -> Task {
    Task::Append(outgoing)
}

fn opened(folder: &Path) -> (Writer, reader::Reader) {
    let settings = settings(folder);
    let mut writer = writer(settings.clone());
    assert_eq!(taken(&mut writer, vec![append(event())]), [Some(Ok(()))]);
    let reader = reader::Reader::open(&settings.path).unwrap();
    let reader = reader.beside(writer.recent(), writer.refuge());
    (writer, reader)
}

/// The numbers that a sender finds, oldest first.
fn found(reader: &reader::Reader, class: Option<Class>) -> Vec<u64> {
    let view = reader.view(StreamId(1));
    let mut from = Seq::FIRST;
    let next = || {
        let entry = view.first(class, from, seq(1_000_000)).unwrap()?;
        from = entry.seq.next();
        Some(entry.seq.get())
    };
    core::iter::from_fn(next).collect()
}

#[test]
fn what_the_disk_does_not_take_is_sent_from_memory_and_written_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = opened(folder.path());
    set(&mut writer, "on");
    let tasks = vec![append(sample(2.5)), append(about()), append(event())];
    assert_eq!(taken(&mut writer, tasks), vec![Some(Ok(())); 3]);
    let status = writer.status();
    assert!(
        matches!(status.fault, Some(SpoolError::Disk(_))),
        "{status:?}"
    );
    assert_eq!((status.unsynced.total(), status.refused.total()), (3, 0));
    assert_eq!(status.heads[0].newest, seq(4));
    assert_eq!(found(&reader, None), [1, 2, 3, 4]);
    assert_eq!(found(&reader, Some(Class::Sample)), [2]);
    assert_eq!(found(&reader, Some(Class::Event)), [1, 3, 4]);
    let before: Vec<_> = (1..=4)
        .map(|number| reader.record(StreamId(1), seq(number)).unwrap().unwrap())
        .collect();
    assert_eq!(before[1].payload, codec::payload(&sample(2.5).body));
    assert!(before[2].retain, "the last word of its device");
    let last = reader.view(StreamId(1)).last(Class::Event, seq(1), seq(9));
    assert_eq!(last.unwrap().unwrap().seq, seq(4));
    assert_eq!(
        reader.newest_samples(StreamId(1), seq(9)).unwrap(),
        [seq(2)]
    );

    set(&mut writer, "off");
    assert_eq!(
        taken(&mut writer, vec![append(sample(3.5))]),
        [Some(Ok(()))]
    );
    let status = writer.status();
    assert_eq!((status.fault, status.unsynced.total()), (None, 0));
    assert_eq!(
        (status.records, status.depth),
        (5, 5),
        "no number is named lost"
    );
    drop(writer);
    let fresh = reader::Reader::open(&settings(folder.path()).path).unwrap();
    assert_eq!(found(&fresh, None), [1, 2, 3, 4, 5]);
    for (number, before) in (1..).zip(before) {
        let now = fresh.record(StreamId(1), seq(number)).unwrap().unwrap();
        assert_eq!(now, before, "record {number}");
    }
    assert_eq!(fresh.abouts().unwrap()[0].seq, seq(3));
}

#[test]
fn a_trace_waits_until_the_disk_or_a_collector_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = opened(folder.path());
    set(&mut writer, "on");
    let (mut batch, mut answers): (Vec<_>, Vec<_>) = [append(trace(100)), append(trace(200))]
        .map(order)
        .into_iter()
        .unzip();
    assert!(writer.take(&mut batch).is_empty());
    assert_eq!(
        found(&reader, Some(Class::Trace)),
        [2, 3],
        "they are sent meanwhile"
    );
    let alarm = Alarms::first_alarm(&reader.view(StreamId(1)), seq(1), seq(9));
    assert_eq!(alarm.unwrap().unwrap().seq, seq(2), "shot on command");
    let state = state(writer.epoch(), &[[1, 2]]);
    taken(&mut writer, vec![Task::Committed(line(), state)]);
    let mut said = || {
        answers
            .iter_mut()
            .map(|answer| answer.try_recv().ok())
            .collect::<Vec<_>>()
    };
    assert_eq!(said(), [Some(Ok(())), None]);
    set(&mut writer, "off");
    taken(&mut writer, vec![]);
    assert_eq!(answers[1].try_recv().ok(), Some(Ok(())));
}

#[test]
fn the_disk_is_not_tried_with_every_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = opened(folder.path());
    set(&mut writer, "on");
    for number in 0..20 {
        taken(&mut writer, vec![append(sample(f64::from(number)))]);
    }
    assert_eq!(writer.status().failures, 1);
    // It would take again, and nobody has asked yet.
    writer
        .file
        .execute_batch("PRAGMA query_only = off")
        .unwrap();
    let sync = taken(&mut writer, vec![Task::Sync]);
    assert!(matches!(sync[..], [Some(Err(SpoolError::Disk(_)))]));
    writer.try_now();
    assert_eq!(taken(&mut writer, vec![Task::Sync]), [Some(Ok(()))]);
    assert_eq!(writer.status().records, 21);
}

#[test]
fn what_memory_cannot_hold_is_counted_and_named_once_there_is_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader) = opened(folder.path());
    set(&mut writer, "on");
    let many = refuge::MOST / 5_000_000 + 3;
    for _ in 0..many {
        let answer = taken(
            &mut writer,
            vec![append(sample(1.0)), append(trace(5_000_000))],
        );
        assert_eq!(answer[0], Some(Ok(())));
    }
    let status = writer.status();
    assert!(
        status.dropped.traces > 0 && status.dropped.samples > 0,
        "{status:?}"
    );
    assert_eq!(status.account.waiting(), status.waiting);
    assert_eq!(status.waiting.total(), status.depth);
    set(&mut writer, "off");
    taken(&mut writer, vec![]);
    let status = writer.status();
    let numbers = found(&reader, None);
    let last = *numbers.last().unwrap();
    let gap = reader.record(StreamId(1), seq(last)).unwrap().unwrap();
    let gap: Gap = serde_json::from_slice(&gap.payload).unwrap();
    assert!(gap.why.contains("memory was full"), "{}", gap.why);
    let mut all = Ranges::try_from(gap.lost).unwrap();
    assert_eq!(all.count(), status.dropped.traces + status.dropped.samples);
    numbers
        .iter()
        .for_each(|number| all.insert(seq(*number), seq(*number)));
    assert_eq!(all.whole(), Some(seq(last)), "{all:?}");
}

#[test]
fn what_memory_cannot_hold_says_so_to_whoever_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = opened(folder.path());
    set(&mut writer, "on");
    let (first, mut answer) = order(append(trace(7_000_000)));
    assert!(writer.take(&mut vec![first]).is_empty());
    taken(
        &mut writer,
        vec![append(trace(7_000_000)), append(trace(7_000_000))],
    );
    assert!(matches!(answer.try_recv(), Ok(Err(SpoolError::Disk(_)))));
}

#[test]
fn a_line_of_which_the_disk_has_never_heard_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = opened(folder.path());
    set(&mut writer, "on");
    let lines = vec!["sumgait-aktau".parse().unwrap()];
    let answer = taken(
        &mut writer,
        vec![append(Outgoing {
            lines,
            ..sample(1.0)
        })],
    );
    assert!(matches!(answer[..], [Some(Err(SpoolError::Disk(_)))]));
    assert_eq!(writer.status().refused, Counts::one(Class::Sample));
    assert_eq!(writer.status().records, 1);
}

#[test]
fn what_can_never_be_written_does_not_stop_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = opened(folder.path());
    set(&mut writer, "on");
    taken(&mut writer, vec![append(trace(99))]);
    set(&mut writer, "off");
    writer
        .file
        .execute_batch(
            "CREATE TRIGGER odd BEFORE INSERT ON record WHEN NEW.class = 2
             BEGIN SELECT RAISE(FAIL, 'odd'); END;",
        )
        .unwrap();
    assert_eq!(
        taken(&mut writer, vec![append(sample(1.0))]),
        [Some(Ok(()))]
    );
    let status = writer.status();
    assert_eq!((status.dropped.traces, status.unsynced.total()), (1, 0));
    assert_eq!(status.account.waiting(), status.waiting);
}

#[test]
fn the_books_add_up_whatever_the_disk_does() {
    for seed in 0..6u64 {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, reader) = opened(folder.path());
        let mut random = seed;
        let mut next = |most: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % most
        };
        for step in 0..80 {
            match next(10) {
                0 => set(&mut writer, "on"),
                1 => set(&mut writer, "off"),
                2 => {
                    let newest = writer.status().heads[0].newest.get();
                    let some = state(writer.epoch(), &[[1, 1 + next(newest)]]);
                    taken(&mut writer, vec![Task::Committed(line(), some)]);
                }
                3 => {
                    let newest = writer.status().heads[0].newest.get();
                    let one = seq(1 + next(newest));
                    taken(
                        &mut writer,
                        vec![Task::Drop(StreamId(1), one, "odd".to_owned())],
                    );
                }
                4 => drop(taken(&mut writer, vec![append(trace(50)), append(event())])),
                _ => drop(taken(&mut writer, vec![append(sample(f64::from(step)))])),
            }
            let status = writer.status();
            assert_eq!(
                status.account.waiting(),
                status.waiting,
                "seed {seed}, step {step}"
            );
            assert_eq!(status.waiting.total(), status.depth);
        }
        set(&mut writer, "off");
        taken(&mut writer, vec![append(event())]);
        let status = writer.status();
        assert_eq!((status.unsynced.total(), status.refused.total()), (0, 0));
        // What was let go of as committed is known to the collector.
        let mut known = reader.streams(writer.epoch(), 1).unwrap()[0]
            .committed
            .clone();
        for number in found(&reader, None) {
            known.insert(seq(number), seq(number));
            let stored = reader.record(StreamId(1), seq(number)).unwrap().unwrap();
            if stored.topic.ends_with("/gap") {
                let gap: Gap = serde_json::from_slice(&stored.payload).unwrap();
                let lost = Ranges::try_from(gap.lost).unwrap();
                lost.iter().for_each(|(lo, hi)| known.insert(lo, hi));
            }
        }
        assert_eq!(
            known.whole(),
            Some(status.heads[0].newest),
            "seed {seed}: {known:?}"
        );
    }
}
