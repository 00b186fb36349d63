//! The no-loss promise under everything that can go wrong, seeded.
//!
//! Agents with spools, a network and a collector with a store live in one virtual time. For half
//! a minute messages are lost, repeated, delayed past each other; agents crash, are cloned with their
//! disk, run out of room and meet a broker that refuses; the collector crashes between taking a batch
//! and committing it, sheds at a full queue, and is put back to an older copy of its store. Then the
//! faults stop. The store checks at every commit that nothing is stored twice; in the end every record
//! that a spool took in must be stored or lost, and all must be quiet within a bound.
//!
//! `SILKLINE_MODEL_RUNS` says how many runs (1,000 if unset), `SILKLINE_MODEL_SEED` runs one of them.

#![expect(
    clippy::disallowed_methods,
    reason = "the number of runs comes from the environment"
)]

mod collector;
mod machine;

use core::time::Duration;
use std::collections::BTreeSet;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::collector::Collector;
use self::machine::{Machine, Message};
use super::{Committed, Epoch, Limits, Monotonic};
use crate::time::Timestamp;

const FAULTS_END: Duration = Duration::from_secs(30);
const QUIET_BY: Duration = Duration::from_secs(20_000);
const MOST_MACHINES: usize = 3;

#[test]
fn every_record_is_stored_once_or_named_lost() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("SILKLINE_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SILKLINE_MODEL_RUNS").unwrap_or(1_000),
    };
    let mut seen = Seen::default();
    for seed in seeds.clone() {
        let run = std::panic::catch_unwind(|| World::new(seed).run());
        match run {
            Ok(what) => seen.add(&what),
            Err(panic) => {
                println!("failed with SILKLINE_MODEL_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{seen:?}");
    if seeds.count() >= 1_000 {
        seen.must_have_everything();
    }
}

/// What happened over all runs: a model that meets no trouble proves nothing.
#[derive(Clone, Debug, Default)]
struct Seen {
    stored: usize,
    lost: usize,
    found: usize,
    repeats: usize,
    shed: usize,
    shed_at_queue: usize,
    late: usize,
    refused: usize,
    restored: usize,
    excused: usize,
    retired: usize,
    /// Turns of samples over a link that costs.
    thin: usize,
}

impl Seen {
    fn add(&mut self, run: &Self) {
        self.stored += run.stored;
        self.lost += run.lost;
        self.found += run.found;
        self.repeats += run.repeats;
        self.shed += run.shed;
        self.shed_at_queue += run.shed_at_queue;
        self.late += run.late;
        self.refused += run.refused;
        self.restored += run.restored;
        self.excused += run.excused;
        self.retired += run.retired;
        self.thin += run.thin;
    }

    fn must_have_everything(&self) {
        for (count, what) in [
            (self.stored, "stored"),
            (self.lost, "lost"),
            (self.found, "found again"),
            (self.repeats, "repeated"),
            (self.shed, "shed for its range"),
            (self.shed_at_queue, "shed at a full queue"),
            (self.late, "late"),
            (self.refused, "refused by the broker"),
            (self.restored, "a restored store"),
            (self.retired, "a stream that left the state"),
            (self.thin, "samples over a link that costs"),
        ] {
            assert!(count > 0, "the model never met: {what}");
        }
        assert!(
            self.excused * 20 < self.stored,
            "too much is excused: {self:?}"
        );
    }
}

struct World {
    rng: ChaCha8Rng,
    now: Monotonic,
    machines: Vec<Machine>,
    collector: Collector,
    up: Vec<(Monotonic, Message)>,
    down: Vec<(Monotonic, usize, Committed)>,
    loss: f64,
    repeat: f64,
    delay: Duration,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let limits = Limits {
            messages: pick(&mut rng, &[16, 24, 50]),
            bytes: pick(&mut rng, &[1_500, 4_000, 20_000]),
            ranges: pick(&mut rng, &[3, 6, 12, 256]),
            streams: 200,
        };
        let queue = pick(&mut rng, &[5, 20, 100]);
        let room = pick(&mut rng, &[40, 150, 1_000]);
        let epoch = epoch_at(&mut rng, Monotonic::default());
        let mut machine = Machine::new(limits, room);
        machine.start(epoch);
        Self {
            now: Monotonic::default(),
            machines: vec![machine],
            collector: Collector::new(limits, queue),
            up: Vec::new(),
            down: Vec::new(),
            loss: pick(&mut rng, &[0.0, 0.02, 0.3]),
            repeat: pick(&mut rng, &[0.0, 0.05, 0.3]),
            delay: Duration::from_millis(pick(&mut rng, &[20, 200, 3_000])),
            seen: Seen::default(),
            rng,
        }
    }

    fn run(mut self) -> Seen {
        while self.now.0 < FAULTS_END {
            self.misfortune();
            let pause = Duration::from_millis(self.rng.random_range(1..400));
            self.live_until(self.now + pause);
        }
        self.calm();
        let bound = self.now + QUIET_BY;
        while !self.is_quiet() {
            assert!(self.now < bound, "not quiet in time: {}", self.unfinished());
            let next = self
                .next_event()
                .unwrap_or(self.now + Duration::from_secs(1));
            self.live_until(next);
        }
        self.check();
        self.seen
    }

    /// One thing happens, good or bad.
    fn misfortune(&mut self) {
        let which = self.rng.random_range(0..self.machines.len());
        match self.rng.random_range(0..100) {
            0..55 => {
                for _ in 0..self.rng.random_range(1..8) {
                    let record = machine::any_record(&mut self.rng);
                    self.machines[which].append(record, self.now);
                }
            }
            55..63 => self.machines[which].sync(self.now),
            63..67 => self.connect(which, None),
            67..72 => {
                let every = Duration::from_millis(self.rng.random_range(100..5_000));
                self.connect(which, Some(every));
            }
            72..77 => self.machines[which].disconnect(),
            77..82 => {
                self.machines[which].crash();
                let epoch = epoch_at(&mut self.rng, self.now);
                self.machines[which].start(epoch);
            }
            82..84 if self.machines.len() < MOST_MACHINES => {
                let mut twin = self.machines[which].clone();
                twin.crash();
                let epoch = epoch_at(&mut self.rng, self.now);
                twin.start(epoch);
                self.machines.push(twin);
            }
            84..88 => self.collector.crash(),
            88..93 => self.collector.start(self.now),
            93..95 => self.collector.save_copy(),
            95..96 => self.seen.restored += usize::from(self.collector.restore_copy(self.now)),
            _ => self.machines[which].purge(self.now),
        }
    }

    /// The faults are over: all is connected, nothing is lost any more.
    fn calm(&mut self) {
        (self.loss, self.repeat) = (0.0, 0.0);
        self.collector.start(self.now);
        for which in 0..self.machines.len() {
            self.machines[which].sync(self.now);
            self.connect(which, None);
        }
    }

    fn connect(&mut self, which: usize, metered: Option<Duration>) {
        self.machines[which].connect(metered, self.now);
        if let Some(state) = self.collector.retained() {
            let at = self.now + Duration::from_millis(self.rng.random_range(1..2_000));
            self.down.push((at, which, state));
        }
    }

    fn live_until(&mut self, until: Monotonic) {
        loop {
            self.send();
            match self.next_event() {
                Some(next) if next <= until => self.now = self.now.max(next),
                _ => break,
            }
            self.receive();
        }
        self.now = self.now.max(until);
    }

    fn next_event(&self) -> Option<Monotonic> {
        let up = self.up.iter().map(|(at, _)| *at);
        let down = self.down.iter().map(|(at, _, _)| *at);
        let senders = self.machines.iter().filter_map(Machine::deadline);
        let next = up
            .chain(down)
            .chain(senders)
            .chain(self.collector.deadline(self.now))
            .min();
        next.map(|at| at.max(self.now + Duration::from_millis(1)))
    }

    fn send(&mut self) {
        let (now, seen) = (self.now, &mut self.seen);
        let messages: Vec<Message> = self
            .machines
            .iter_mut()
            .flat_map(|machine| machine.send(now, seen))
            .collect();
        for message in messages {
            let copies = 1 + usize::from(self.rng.random_bool(self.repeat));
            let arriving = (0..copies)
                .filter(|_| !self.rng.random_bool(self.loss))
                .count();
            for _ in 0..arriving {
                let delay = self.rng.random_range(Duration::from_millis(1)..self.delay);
                self.up.push((now + delay, message.clone()));
            }
        }
    }

    fn receive(&mut self) {
        let now = self.now;
        for (_, message) in self.up.extract_if(.., |(at, _)| *at <= now) {
            self.collector.arrive(message, now, &mut self.seen);
        }
        if let Some(state) = self.collector.work(now, &mut self.seen) {
            for which in 0..self.machines.len() {
                let lost = self.machines[which].is_up() && self.rng.random_bool(self.loss);
                if !lost {
                    let delay = self.rng.random_range(Duration::from_millis(1)..self.delay);
                    self.down.push((now + delay, which, state.clone()));
                }
            }
        }
        for (_, which, state) in self.down.extract_if(.., |(at, _, _)| *at <= now) {
            self.machines[which].hear(&state, now);
        }
    }

    fn is_quiet(&self) -> bool {
        self.up.is_empty()
            && self.down.is_empty()
            && self.collector.is_idle()
            && self.machines.iter().all(Machine::is_drained)
    }

    fn unfinished(&self) -> String {
        let machines: Vec<String> = self.machines.iter().map(Machine::unfinished).collect();
        format!("{machines:#?} {:#?}", self.collector.state())
    }

    fn check(&mut self) {
        let handed: BTreeSet<_> = self.machines.iter().flat_map(|m| m.handed.iter()).collect();
        let state = self.collector.state();
        for &&(epoch, seq) in &handed {
            let stored = self.collector.is_stored(epoch, seq);
            let lost = self.collector.is_lost(epoch, seq);
            let published = state.streams.contains_key(&epoch);
            let answers = |m: &Machine| m.knows(epoch, seq) && (published || m.holds(epoch));
            let forgotten = self.seen.restored > 0 && !self.machines.iter().any(answers);
            match (stored, lost) {
                (true, false) => self.seen.stored += 1,
                (false, true) => self.seen.lost += 1,
                (false, false) if forgotten => self.seen.excused += 1,
                _ => panic!(
                    "{epoch} {seq}: stored {stored}, lost {lost}, {:?}, {:?}",
                    self.collector.stream(epoch),
                    self.machines
                        .iter()
                        .map(|m| m.about(epoch))
                        .collect::<Vec<_>>()
                ),
            }
        }
    }
}

fn pick<T: Copy>(rng: &mut impl Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}

fn epoch_at(rng: &mut impl Rng, now: Monotonic) -> Epoch {
    Epoch::at(Timestamp::EPOCH + now.0, rng.random())
}
