//! Samples through the commit task: judged, stored, every reading through its detectors, committed,
//! sealed, the state of the engines saved once a minute. All of that is one thread's work; checkpoints
//! are another's.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use silkline_collector::commit::BATCH;
use silkline_collector::commit::core::{Also, Core, Work};
use silkline_collector::ingest::Delivery;
use silkline_protocol::codec;

use super::corridor::{Corridor, READINGS, at, now};
use super::{memory, processor};

/// What must be reached. In 61 seconds of it a state of the engines is saved.
const RATE: usize = 10_000;
/// Amplifiers in each hut: a thousand in all.
const EACH: usize = 20;
/// Chunks that are sealed after a step, as the running collector does it.
const SEALED: usize = 4;
const MINUTE_S: usize = 60;

pub(crate) fn run(seconds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (mut corridor, mut core) = met(folder.path());
    let stop = AtomicBool::new(false);
    let (mut spent, mut busy, mut longest, mut stored) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
    let aside = std::thread::scope(|scope| {
        let aside = scope.spawn(|| checkpoints(&folder.path().join("hot.db"), &stop));
        for batch in 0..RATE * seconds / BATCH {
            let ms = (1_000 * batch * BATCH / RATE) as i64;
            let messages = polls(&mut corridor, batch, ms);
            let work = Work {
                messages,
                ..Work::default()
            };
            let (began, worked) = (Instant::now(), processor());
            let effects = core.step(work, false, now(ms + 50)).unwrap();
            for _ in 0..SEALED {
                if core.writer().seal(at(ms + 50)).unwrap() == 0 {
                    break;
                }
            }
            let took = began.elapsed();
            busy += processor().saturating_sub(worked);
            (spent, longest) = (spent + took, longest.max(took));
            stored += effects.tally.stored.get("sample").copied().unwrap_or(0);
            if (batch + 1) % (RATE * MINUTE_S / BATCH) == 0 {
                println!("  memory after {} s: {}", ms / 1_000, memory());
            }
        }
        stop.store(true, Ordering::Relaxed);
        aside.join().unwrap()
    });
    let given = RATE * seconds / BATCH * BATCH;
    println!(
        "ingest, {given} samples of {READINGS} readings of {} devices",
        corridor.devices()
    );
    say("judged, detected, committed", given, spent);
    say(
        "the same by the commit thread's processor time",
        given,
        busy,
    );
    say("beside it, by the checkpoint thread's", given, aside);
    println!(
        "  lost {}, longest step {longest:.0?}",
        given as u64 - stored
    );
    bounds(&mut corridor);
}

/// A collector that has met every device once, before anything is measured.
fn met(folder: &Path) -> (Corridor, Core) {
    let mut corridor = Corridor::new(EACH);
    let mut core = corridor.load(folder);
    let messages = (0..corridor.devices())
        .map(|device| corridor.about(device))
        .collect();
    let work = Work {
        messages,
        also: Also::Start,
        ..Work::default()
    };
    core.step(work, false, now(0)).unwrap();
    let began = Instant::now();
    for batch in 0..corridor.devices() / BATCH {
        let messages = polls(&mut corridor, batch, 0);
        let work = Work {
            messages,
            ..Work::default()
        };
        core.step(work, false, now(0)).unwrap();
    }
    println!(
        "ingest, {} devices met in {:.1?}",
        corridor.devices(),
        began.elapsed()
    );
    println!("  memory {}", memory());
    (corridor, core)
}

fn polls(corridor: &mut Corridor, batch: usize, ms: i64) -> Vec<Delivery> {
    let devices = corridor.devices();
    (0..BATCH)
        .map(|index| corridor.message_at((batch * BATCH + index) % devices, ms, false))
        .collect()
}

/// As the running collector does them, beside the commits; how long they had a processor.
fn checkpoints(file: &Path, stop: &AtomicBool) -> Duration {
    let db = Connection::open(file).unwrap();
    while !stop.load(Ordering::Relaxed) {
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .unwrap();
        std::thread::sleep(Duration::from_secs(1));
    }
    processor()
}

/// What no collector could be faster than.
fn bounds(corridor: &mut Corridor) {
    let batches: Vec<Vec<Delivery>> = (0..40).map(|batch| polls(corridor, batch, 0)).collect();
    let many = batches.len() * BATCH;
    let (began, worked) = (Instant::now(), processor());
    for message in batches.iter().flatten() {
        std::hint::black_box(codec::decode(
            &message.topic,
            &message.payload,
            &message.properties,
        ))
        .unwrap();
    }
    say(
        "bound: the JSON decoded, by processor time",
        many,
        processor().saturating_sub(worked),
    );
    say(
        "bound: the JSON decoded, nothing else",
        many,
        began.elapsed(),
    );

    let folder = tempfile::tempdir().unwrap();
    let mut db = Connection::open(folder.path().join("bare.db")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE sample (id INTEGER PRIMARY KEY, device INTEGER, at INTEGER, readings BLOB);
         CREATE INDEX by_device ON sample (device, at);",
    )
    .unwrap();
    let row = vec![7_u8; 13 * READINGS];
    let began = Instant::now();
    for batch in 0..batches.len() {
        let tx = db.transaction().unwrap();
        for index in 0..BATCH {
            tx.prepare_cached("INSERT INTO sample (device, at, readings) VALUES (?1, ?2, ?3)")
                .unwrap()
                .execute(params![(index % 1_000) as i64, batch as i64, row])
                .unwrap();
        }
        tx.commit().unwrap();
    }
    say(
        "bound: rows of that size into SQLite, nothing else",
        many,
        began.elapsed(),
    );
}

fn say(what: &str, samples: usize, took: Duration) {
    let rate = samples as f64 / took.as_secs_f64();
    println!(
        "  {rate:>9.0} samples/s {:>11.0} readings/s  {what}",
        rate * READINGS as f64
    );
}
