//! What the sending half promises, one case each.

use core::convert::Infallible;

use super::*;

/// A spool of records of 100 bytes whose class follows from the number.
struct Records(fn(u64) -> Class, u64);

impl Spool for Records {
    type Error = Infallible;

    fn first(&self, class: Option<Class>, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let held = from.get()..=to.get().min(self.1);
        let found = held
            .into_iter()
            .find(|n| class.is_none_or(|class| (self.0)(*n) == class));
        Ok(found.map(|n| Entry {
            seq: seq(n),
            bytes: 100,
        }))
    }

    fn last(&self, class: Class, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let held = from.get()..=to.get().min(self.1);
        let found = held.rev().find(|n| (self.0)(*n) == class);
        Ok(found.map(|n| Entry {
            seq: seq(n),
            bytes: 100,
        }))
    }
}

const LIMITS: Limits = Limits {
    messages: 32,
    bytes: 32_000,
    ranges: 4,
    streams: 9,
};

fn seq(value: u64) -> Seq {
    Seq::new(value).unwrap()
}

fn at(seconds: u64) -> Monotonic {
    Monotonic(Duration::from_secs(seconds))
}

fn ranges(list: &[[u64; 2]]) -> Ranges {
    list.to_vec().try_into().unwrap()
}

fn up(newest: u64, state: &[[u64; 2]]) -> Sender {
    let mut sender = Sender::new(LIMITS, Seq::new(newest), Ranges::new());
    sender.connected(at(0));
    sender.committed(&ranges(state), at(0));
    sender
}

fn all(sender: &mut Sender, now: u64, spool: &Records) -> Vec<(u64, bool)> {
    let next = || sender.poll(at(now), spool).unwrap();
    core::iter::from_fn(next)
        .map(|next| (next.seq.get(), next.late))
        .collect()
}

fn samples(_: u64) -> Class {
    Class::Sample
}

#[test]
fn live_records_find_room_beside_any_backlog() {
    let mut sender = up(1_000, &[]);
    let backlog: Vec<_> = (1..=16).map(|n| (n, true)).collect();
    assert_eq!(all(&mut sender, 0, &Records(samples, 1_000)), backlog);
    (1_001..=1_020).for_each(|n| sender.appended(seq(n)));
    let live: Vec<_> = (1_001..=1_016).map(|n| (n, false)).collect();
    assert_eq!(all(&mut sender, 0, &Records(samples, 1_020)), live);
}

#[test]
fn nothing_is_sent_without_a_link_or_before_the_state_had_its_time() {
    let spool = Records(samples, 5);
    let mut sender = Sender::new(LIMITS, Seq::new(5), Ranges::new());
    assert!(all(&mut sender, 0, &spool).is_empty());
    sender.connected(at(10));
    assert_eq!(sender.deadline(), Some(at(11)));
    assert!(all(&mut sender, 10, &spool).is_empty());
    assert_eq!(all(&mut sender, 11, &spool).len(), 5);
    sender.disconnected();
    assert_eq!(sender.deadline(), None);
}

#[test]
fn the_order_is_gaps_events_newest_traces_then_samples() {
    let class = |n| match n {
        3 => Class::Gap,
        2 | 4 => Class::Event,
        1 | 5 => Class::Trace,
        _ => Class::Sample,
    };
    let mut sender = up(7, &[]);
    let order: Vec<u64> = all(&mut sender, 0, &Records(class, 7))
        .iter()
        .map(|(n, _)| *n)
        .collect();
    assert_eq!(order, [3, 2, 4, 5, 1, 6, 7]);
}

#[test]
fn what_is_committed_is_skipped_and_what_is_taken_back_goes_again() {
    let spool = Records(samples, 6);
    let mut sender = up(6, &[[1, 2], [4, 5]]);
    assert_eq!(all(&mut sender, 0, &spool), [(3, true), (6, true)]);
    sender.committed(&ranges(&[[1, 6]]), at(1));
    assert_eq!((sender.in_flight(), sender.deadline()), (0, None));
    sender.committed(&ranges(&[[1, 4]]), at(2));
    assert_eq!(all(&mut sender, 2, &spool), [(5, true), (6, true)]);
}

#[test]
fn without_progress_the_lowest_go_again_ever_slower_and_fewer() {
    let spool = Records(samples, 200);
    let mut sender = up(200, &[]);
    let mut waits = Vec::new();
    let mut now = 0;
    for _ in 0..8 {
        let sent = all(&mut sender, now, &spool);
        assert_eq!(sent[0], (1, true));
        let next = sender.deadline().unwrap().0.as_secs();
        waits.push((sent.len(), next - now));
        now = next;
    }
    let slower = [10, 20, 40, 80, 160, 300, 300, 300];
    let fewer = [16, 8, 8, 8, 8, 8, 8, 8];
    assert_eq!(waits, fewer.into_iter().zip(slower).collect::<Vec<_>>());

    sender.committed(&ranges(&[[1, 1]]), at(now));
    assert_eq!(
        sender.deadline(),
        Some(at(now + 10)),
        "any state ends the patience"
    );
}

#[test]
fn a_lost_record_goes_again_although_others_land_without_a_pause() {
    let mut sender = up(0, &[]);
    for second in 1..=30 {
        sender.appended(seq(second));
        let sent = all(&mut sender, second, &Records(samples, second));
        let again = if matches!(second, 13 | 23) {
            vec![(3, false)]
        } else {
            vec![]
        };
        assert_eq!(
            sent,
            [again, vec![(second, false)]].concat(),
            "at {second} s"
        );
        let state = match second {
            ..3 => vec![[1, second]],
            3 => vec![[1, 2]],
            4.. => vec![[1, 2], [4, second]],
        };
        sender.committed(&ranges(&state), at(second));
        assert!(
            sender
                .deadline()
                .is_none_or(|at| at > Monotonic(Duration::from_secs(second)))
        );
    }
}

#[test]
fn where_ranges_run_out_the_oldest_go_first() {
    let class = |n| match n {
        30 => Class::Gap,
        29 => Class::Event,
        _ => Class::Sample,
    };
    let state = [[2, 2], [4, 4], [6, 6]];
    let mut sender = up(30, &state);
    let sent = all(&mut sender, 0, &Records(class, 30));
    assert_eq!(sent[..4], [(30, true), (1, true), (3, true), (5, true)]);
}

#[test]
fn a_record_larger_than_the_window_still_goes() {
    let limits = Limits {
        bytes: 50,
        ..LIMITS
    };
    let mut sender = Sender::new(limits, Seq::new(3), Ranges::new());
    sender.connected(at(0));
    sender.committed(&Ranges::new(), at(0));
    assert_eq!(all(&mut sender, 0, &Records(samples, 3)), [(1, true)]);
    sender.appended(seq(4));
    assert_eq!(all(&mut sender, 0, &Records(samples, 4)), [(4, false)]);
}

#[test]
fn live_samples_that_pile_up_leave_the_newest_in_front() {
    let mut sender = up(0, &[]);
    let newest = LIVE_WINDOWS * 32 + 2;
    sender.appended(seq(newest));
    let sent = all(&mut sender, 0, &Records(samples, newest));
    assert_eq!(sent[..2], [(newest, false), (1, true)]);
}

#[test]
fn a_week_of_backlog_takes_no_more_memory_than_a_window() {
    let newest = 30_000_000;
    let spool = Records(samples, newest);
    let mut sender = up(newest, &[]);
    for _ in 0..100 {
        let sent = all(&mut sender, 0, &spool);
        let (last, _) = *sent.last().unwrap();
        assert_eq!(sender.in_flight(), 16);
        sender.committed(&ranges(&[[1, last]]), at(0));
    }
    assert_eq!(sender.state().whole(), Seq::new(1_600));
}

#[test]
fn a_refused_record_is_not_waited_for() {
    let mut sender = up(1, &[]);
    all(&mut sender, 0, &Records(samples, 1));
    sender.refused(seq(1));
    assert_eq!(sender.in_flight(), 0);
}
