//! A month of 10,000 series, a reading a minute: what it takes on the disk, how long a start takes
//! until the next fault is found, how fast a month is charted.

use std::time::{Duration, Instant};

use silkline_collector::commit::core::{Also, Core, Work};
use silkline_collector::state::LiveEvent;
use silkline_collector::store::rows::SeriesQuery;
use silkline_collector::store::write::{Origin, StreamKey};
use silkline_collector::store::{Reader, Writer};

use super::corridor::{Corridor, HUTS, READINGS, at, now};
use super::{memory, processor};

/// Amplifiers in each hut: 250 in all.
pub(crate) const EACH: usize = 5;
const MINUTE: i64 = 60_000;

pub(crate) fn run(days: i64, each: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hot.db");
    let mut corridor = Corridor::new(each);
    let mut core = corridor.load(folder.path());
    let abouts = (0..corridor.devices())
        .map(|device| corridor.about(device))
        .collect();
    let work = Work {
        messages: abouts,
        also: Also::Start,
        ..Work::default()
    };
    core.step(work, true, now(0)).unwrap();
    drop(core);

    let series = corridor.devices() * READINGS;
    let minutes = days * 24 * 60;
    println!("store, {series} series, {days} days of a reading a minute");
    let began = Instant::now();
    let sealing = fill(&mut corridor, &file, minutes);
    let readings = minutes as f64 * series as f64;
    println!(
        "  written in {:.0?}, of which sealing {sealing:.0?} of processor time: {:.0} samples/s sealed",
        began.elapsed(),
        readings / READINGS as f64 / sealing.as_secs_f64()
    );
    let bytes = std::fs::metadata(&file).unwrap().len() as f64;
    println!(
        "  {:.0} MB, {:.2} bytes a reading",
        bytes / 1e6,
        bytes / readings
    );
    charted(&file, minutes);

    let ms = minutes * MINUTE;
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute("UPDATE snapshot SET state = x'00'", []).unwrap();
    let mut core = start(&mut corridor, folder.path(), ms, "from the history alone");
    // A minute more, as long as a state is saved at most, and it dies.
    for device in 0..corridor.devices() {
        let after = MINUTE / 2 + (device as i64 * MINUTE / 2) / corridor.devices() as i64;
        let messages = vec![corridor.message_at(device, ms + after, false)];
        let work = Work {
            messages,
            ..Work::default()
        };
        core.step(work, true, now(ms + after)).unwrap();
    }
    drop(core);
    let sql = "SELECT sum(length(state)) FROM snapshot";
    let bytes: f64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    println!("  saved state of the engines: {:.1} MB", bytes / 1e6);
    start(&mut corridor, folder.path(), ms + MINUTE, "as it was left");
}

/// Writes the history as the commit task does, and seals it; how long the sealing took.
fn fill(corridor: &mut Corridor, file: &std::path::Path, minutes: i64) -> Duration {
    let mut writer = Writer::open(file, &"bench".parse().unwrap()).unwrap();
    let mut sealing = Duration::ZERO;
    for minute in 0..minutes {
        let ms = minute * MINUTE;
        let mut tx = writer.begin(at(ms)).unwrap();
        for device in 0..corridor.devices() {
            let sample = corridor.sample(device, ms, false);
            let seq = corridor.next(device);
            let (site, id, epoch) = corridor.of(device);
            let stream = StreamKey {
                line: corridor.line(),
                site: site.clone(),
                epoch,
            };
            let origin = Origin {
                stream: &stream,
                seq,
                late: false,
            };
            tx.sample(&origin, id, &sample).unwrap();
        }
        tx.commit(true).unwrap();
        if minute % 60 == 0 {
            // The engines' state is of no interest here, but what is behind it may be sealed.
            writer.begin(at(ms)).and_then(|tx| tx.commit(true)).unwrap();
            moved_on(file);
        }
        let worked = processor();
        while writer.seal(at(ms)).unwrap() > 0 {}
        sealing += processor().saturating_sub(worked);
    }
    drop(writer);
    let db = rusqlite::Connection::open(file).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    sealing
}

/// Says that the saved states are of the newest step.
fn moved_on(file: &std::path::Path) {
    let db = rusqlite::Connection::open(file).unwrap();
    db.execute("UPDATE snapshot SET step = (SELECT max(id) FROM step)", [])
        .unwrap();
}

fn charted(file: &std::path::Path, minutes: i64) {
    let reader = Reader::new(file.to_path_buf());
    let query = SeriesQuery {
        site: "hut-7".parse().unwrap(),
        device: "edfa-0".parse().unwrap(),
        point: "in_power.3".parse().unwrap(),
        from: at(0),
        to: at(minutes * MINUTE),
    };
    let began = Instant::now();
    let series = reader.ask(|ask| ask.series(&query, usize::MAX)).unwrap();
    println!(
        "  {} readings of a point in {:.0?}",
        series.len(),
        began.elapsed()
    );
    assert_eq!(series.len(), usize::try_from(minutes).unwrap());
}

/// A start, and an input that lost its light meanwhile.
fn start(corridor: &mut Corridor, folder: &std::path::Path, ms: i64, how: &str) -> Core {
    let (began, worked) = (Instant::now(), processor());
    let passed = || (began.elapsed(), processor().saturating_sub(worked));
    let mut core = corridor.load(folder);
    let loaded = passed();
    let work = Work {
        also: Also::Start,
        ..Work::default()
    };
    core.step(work, true, now(ms)).unwrap();
    let started = passed();
    let messages = (0..HUTS)
        .map(|device| corridor.message_at(device, ms, true))
        .collect();
    let work = Work {
        messages,
        ..Work::default()
    };
    let effects = core.step(work, true, now(ms + 100)).unwrap();
    let done = passed();
    let found = |event: &&LiveEvent| matches!(event, LiveEvent::Anomaly(_));
    let found = effects.live.iter().filter(found).count();
    println!(
        "  start {how}, wall and processor time, memory {}:",
        memory()
    );
    println!(
        "    loaded {:.1?} {:.1?}, state saved {:.1?} {:.1?}",
        loaded.0, loaded.1, started.0, started.1
    );
    println!(
        "    {found} dark inputs found {:.1?} {:.1?}",
        done.0, done.1
    );
    core
}
