//! What both halves take in memory while live data overtake a backlog of a million records, seeded: ranges
//! and records in flight within the contract's limits, whatever waits.

use core::convert::Infallible;
use core::time::Duration;
use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::receiver::{Arrival, Batch, Receiver, Verdict};
use super::sender::{Class, Entry, Sender, Spool};
use super::{Epoch, Limits, Monotonic, Ranges, Seq};
use crate::time::Timestamp;

/// A spool of samples that holds every number up to this one, and what it was asked.
struct Full(u64);

const BYTES: u64 = 1_500;
const ROUND: Duration = Duration::from_millis(50);

impl Spool for Full {
    type Error = Infallible;

    fn first(&self, class: Option<Class>, from: Seq, to: Seq) -> Result<Option<Entry>, Infallible> {
        let has = class.is_none_or(|class| class == Class::Sample);
        let within = from.get() <= to.get().min(self.0);
        Ok((has && within).then_some(Entry {
            seq: from,
            bytes: BYTES,
        }))
    }

    fn last(&self, _: Class, _: Seq, _: Seq) -> Result<Option<Entry>, Infallible> {
        Ok(None)
    }
}

/// One run: the numbers given out, those closed, and the most ranges that there were.
fn overloaded(seed: u64, wanted: u64) -> (u64, u64, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let limits = Limits::default();
    let (agent, epoch) = (
        "main".parse().unwrap(),
        Epoch::at(Timestamp::EPOCH, [7; 10]),
    );
    let store = "store".parse().unwrap();

    let (mut spool, mut now) = (Full(20_000), Monotonic::default());
    let mut receiver = Receiver::new(store, limits, BTreeMap::new(), now);
    let mut sender = Sender::new(limits, Seq::new(spool.0), Ranges::new());
    sender.connected(now);
    sender.committed(&Ranges::new(), now);
    let mut most = 0;
    while spool.0 < wanted {
        spool.0 += rng.random_range(0..12_000);
        sender.appended(Seq::new(spool.0).unwrap());
        let mut batch = Batch::default();
        for _ in 0..rng.random_range(0..700) {
            let Some(due) = sender.poll(now, &spool).unwrap() else {
                break;
            };
            assert!(sender.in_flight() <= limits.messages, "seed {seed}");
            if rng.random_bool(0.002) {
                continue;
            }
            let verdict = receiver.offer(
                &mut batch,
                &Arrival {
                    agent: &agent,
                    epoch,
                    seq: due.seq,
                    bytes: BYTES,
                    lost: None,
                },
            );
            assert_ne!(
                verdict,
                Verdict::Repeat,
                "seed {seed}: nothing landed unheard"
            );
        }
        receiver.commit(batch, now);
        now = now + ROUND;
        if let Some(state) = receiver.due(now) {
            let closed = &state.streams[&epoch];
            most = most.max(closed.len());
            assert!(
                closed.len() <= limits.ranges,
                "seed {seed}: {}",
                closed.len()
            );
            sender.committed(closed, now);
        }
    }
    let closed = receiver.committed().streams[&epoch].count();
    (spool.0, closed, most)
}

#[test]
fn a_million_records_that_wait_take_no_more_memory_than_a_few() {
    for seed in 0..3 {
        let (given, closed, most) = overloaded(seed, 1_000_000);
        assert!(given - closed > 900_000, "{closed} of {given} landed");
        assert!(most > 20, "it was never behind: {most} ranges");
    }
}
