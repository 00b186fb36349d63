//! What the receiving half promises, one case each.

use super::*;
use crate::time::Timestamp;

fn seq(value: u64) -> Seq {
    Seq::new(value).unwrap()
}

fn epoch(second: i64) -> Epoch {
    Epoch::at(Timestamp::from_seconds(second), [0; 10])
}

fn agent() -> AgentId {
    "main".parse().unwrap()
}

fn at(millis: u64) -> Monotonic {
    Monotonic(Duration::from_millis(millis))
}

fn receiver(limits: Limits) -> Receiver {
    Receiver::new("store".parse().unwrap(), limits, BTreeMap::new(), at(0))
}

fn ranges(list: &[[u64; 2]]) -> Ranges {
    list.to_vec().try_into().unwrap()
}

fn offer(receiver: &Receiver, batch: &mut Batch, number: u64) -> Verdict {
    gap(receiver, batch, number, None)
}

fn gap(receiver: &Receiver, batch: &mut Batch, number: u64, lost: Option<&Ranges>) -> Verdict {
    let agent = agent();
    let lost = lost.map(|ranges| (epoch(1), ranges));
    let arrival = Arrival {
        agent: &agent,
        epoch: epoch(1),
        seq: seq(number),
        bytes: 100,
        lost,
    };
    receiver.offer(batch, &arrival)
}

fn closed(receiver: &Receiver) -> Vec<[u64; 2]> {
    receiver
        .committed()
        .streams
        .get(&epoch(1))
        .cloned()
        .unwrap_or_default()
        .into()
}

#[test]
fn nothing_is_closed_before_the_commit() {
    let mut receiver = receiver(Limits::default());
    let mut batch = Batch::default();
    assert_eq!(offer(&receiver, &mut batch, 1), Verdict::New);
    assert_eq!(
        offer(&receiver, &mut batch, 1),
        Verdict::Repeat,
        "within the batch"
    );
    assert!(closed(&receiver).is_empty());
    receiver.commit(batch, at(5));
    assert_eq!(closed(&receiver), [[1, 1]]);
    assert_eq!(offer(&receiver, &mut Batch::default(), 1), Verdict::Repeat);
}

#[test]
fn the_state_goes_out_at_start_and_within_a_second_of_a_repeat() {
    let mut receiver = receiver(Limits::default());
    assert!(receiver.due(at(0)).is_some(), "at start");
    assert_eq!(receiver.deadline(), None);
    for (start, kind) in [(1_000, Verdict::New), (5_000, Verdict::Repeat)] {
        let mut batch = Batch::default();
        assert_eq!(offer(&receiver, &mut batch, 1), kind);
        receiver.commit(batch, at(start));
        assert_eq!(receiver.due(at(start + 999)), None);
        assert!(receiver.due(at(start + 1_000)).is_some(), "{kind:?}");
    }
    receiver.shed(at(9_000));
    assert_eq!(
        receiver.deadline(),
        Some(at(10_000)),
        "a full queue counts as arrival"
    );
}

#[test]
fn a_quarter_of_a_window_goes_out_at_once() {
    let mut receiver = receiver(Limits {
        messages: 16,
        ..Limits::default()
    });
    receiver.due(at(0));
    let mut batch = Batch::default();
    let _: Vec<_> = (1..=3).map(|n| offer(&receiver, &mut batch, n)).collect();
    receiver.commit(batch, at(10));
    assert_eq!(receiver.due(at(10)), None);
    let mut batch = Batch::default();
    offer(&receiver, &mut batch, 4);
    receiver.commit(batch, at(20));
    assert!(receiver.due(at(20)).is_some());
}

#[test]
fn one_range_too_many_is_shed_but_never_the_lowest_missing() {
    let mut receiver = receiver(Limits {
        ranges: 3,
        ..Limits::default()
    });
    let mut batch = Batch::default();
    let verdicts = [10, 20, 30, 11, 1, 2].map(|n| offer(&receiver, &mut batch, n));
    let shed = Verdict::Shed(Shed::Ranges);
    let new = Verdict::New;
    assert_eq!(verdicts, [new, new, shed, new, new, new]);
    receiver.commit(batch, at(0));
    assert_eq!(closed(&receiver), [[1, 2], [10, 11], [20, 20]]);
}

#[test]
fn a_gap_closes_what_it_names_and_counts_only_what_was_open() {
    let mut receiver = receiver(Limits::default());
    let mut batch = Batch::default();
    offer(&receiver, &mut batch, 2);
    assert_eq!(
        gap(&receiver, &mut batch, 5, Some(&ranges(&[[1, 4]]))),
        Verdict::New
    );
    let lost = [(epoch(1), seq(1), seq(1)), (epoch(1), seq(3), seq(4))];
    assert_eq!(batch.lost(), lost);
    receiver.commit(batch, at(0));
    assert_eq!(closed(&receiver), [[1, 5]]);
}

#[test]
fn a_record_that_comes_after_its_gap_is_stored_once() {
    let mut receiver = receiver(Limits::default());
    let mut batch = Batch::default();
    gap(&receiver, &mut batch, 5, Some(&ranges(&[[1, 4]])));
    receiver.commit(batch, at(0));
    let mut batch = Batch::default();
    assert_eq!(offer(&receiver, &mut batch, 3), Verdict::New);
    assert_eq!(batch.found(), [(epoch(1), seq(3))]);
    assert_eq!(offer(&receiver, &mut batch, 3), Verdict::Repeat);
    assert_eq!(
        offer(&receiver, &mut batch, 5),
        Verdict::Repeat,
        "the gap itself"
    );
}

#[test]
fn a_gap_that_does_not_fit_still_closes_what_opens_no_range() {
    let mut receiver = receiver(Limits {
        ranges: 3,
        ..Limits::default()
    });
    let mut batch = Batch::default();
    let _ = [1, 10, 20].map(|n| offer(&receiver, &mut batch, n));
    let names = ranges(&[[2, 3], [15, 15]]);
    assert_eq!(
        gap(&receiver, &mut batch, 30, Some(&names)),
        Verdict::Shed(Shed::Ranges)
    );
    receiver.commit(batch, at(0));
    assert_eq!(closed(&receiver), [[1, 3], [10, 10], [20, 20]]);
}

#[test]
fn a_whole_stream_that_nobody_holds_leaves_the_state_but_is_remembered() {
    let mut receiver = receiver(Limits::default());
    let mut batch = Batch::default();
    let _ = [1, 2].map(|n| offer(&receiver, &mut batch, n));
    receiver.commit(batch, at(0));
    let mut batch = Batch::default();
    receiver.status(&mut batch, &"other".parse().unwrap(), &[], true);
    receiver.commit(batch, at(1));
    assert_eq!(closed(&receiver), [[1, 2]], "another agent's word");
    let mut batch = Batch::default();
    receiver.status(&mut batch, &agent(), &[], true);
    receiver.commit(batch, at(2));
    assert!(closed(&receiver).is_empty());
    assert_eq!(receiver.deadline(), Some(at(0)));

    let mut batch = Batch::default();
    assert_eq!(offer(&receiver, &mut batch, 2), Verdict::Repeat);
    receiver.commit(batch, at(3));
    assert_eq!(closed(&receiver), [[1, 2]], "it spoke up again");
}

#[test]
fn a_stream_with_holes_stays() {
    let mut receiver = receiver(Limits::default());
    let mut batch = Batch::default();
    let _ = [1, 3].map(|n| offer(&receiver, &mut batch, n));
    receiver.status(&mut batch, &agent(), &[], false);
    receiver.commit(batch, at(0));
    assert_eq!(closed(&receiver), [[1, 1], [3, 3]]);
}

#[test]
fn strangers_cannot_fill_the_memory() {
    let mut receiver = receiver(Limits {
        streams: 2,
        ..Limits::default()
    });
    let agent = agent();
    let mut verdicts = Vec::new();
    for second in 1..=4 {
        let mut batch = Batch::default();
        let (epoch, seq) = (epoch(second), seq(1));
        let arrival = Arrival {
            agent: &agent,
            epoch,
            seq,
            bytes: 1,
            lost: None,
        };
        verdicts.push(receiver.offer(&mut batch, &arrival));
        receiver.commit(batch, at(0));
    }
    assert_eq!(verdicts[..2], [Verdict::New, Verdict::New]);
    assert_eq!(verdicts[2..], [Verdict::Shed(Shed::Streams); 2]);
    let mut batch = Batch::default();
    receiver.status(&mut batch, &agent, &[], true);
    assert!(
        receiver.commit(batch, at(0)).is_empty(),
        "two are remembered"
    );
    assert_eq!(receiver.streams().len(), 2);
}

#[test]
fn what_is_saved_is_what_goes_on() {
    let mut first = receiver(Limits::default());
    let mut batch = Batch::default();
    gap(&first, &mut batch, 9, Some(&ranges(&[[1, 2]])));
    let saved: BTreeMap<Epoch, Stream> = batch
        .changed()
        .map(|(epoch, stream)| {
            let text = serde_json::to_string(stream).unwrap();
            (epoch, serde_json::from_str(&text).unwrap())
        })
        .collect();
    first.commit(batch, at(0));
    let again = Receiver::new("store".parse().unwrap(), Limits::default(), saved, at(0));
    assert_eq!(again.streams(), first.streams());
}
