//! A week without an uplink, in full: fifty devices of twenty points every second go into a spool on a
//! real disk; then the real program is started on it, a broker comes back, and what arrives is counted.
//!
//!   SILKLINE_DAYS=7 cargo bench -p silkline-agent --bench week      seven days, tens of minutes
//!   cargo bench -p silkline-agent --bench week                      an hour of them
//!   SILKLINE_SPOOL=FOLDER cargo bench -p silkline-agent --bench week     a spool that is there already
//!
//! The values are those of an amplifier: powers in hundredths of a dB that wander about a slow drift,
//! pump currents in tenths of a mA, temperatures in tenths of a degree over the day, voltages in
//! hundredths, each with the noise of such an instrument. Simulated time; everything is synced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    dead_code,
    missing_docs,
    reason = "a bench that can't go on has failed; it measures time and says what it measured"
)]

#[path = "station/centre.rs"]
mod centre;
#[path = "station/devices.rs"]
mod devices;
#[path = "week/station.rs"]
mod station;
#[path = "week/telemetry.rs"]
mod telemetry;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use centre::{Broker, Counted, collect};
use silkline_agent::clock::Clock;
use silkline_agent::driver::readings::Compact;
use silkline_agent::spool::{SpoolHandle, SpoolSettings};
use station::Station;
use telemetry::Amplifier;

const LINE: &str = "a-b";
const DEVICES: usize = 50;
const HOUR: u64 = 3_600;
/// How long the backlog is watched.
const WATCHED: Duration = Duration::from_secs(30);

async fn fill(folder: &Path, seconds: u64) -> u64 {
    let settings = SpoolSettings {
        path: folder.join("spool.sqlite"),
        site: "bench".parse().unwrap(),
        max_bytes: 64 << 30,
        keep: SpoolSettings::KEEP,
        max_age: None,
    };
    let spool = SpoolHandle::open(settings, Clock::start()).unwrap().spool;
    let mut amplifiers: Vec<Amplifier> = (0..DEVICES).map(|at| Amplifier::new(at as u64)).collect();
    let begun = Instant::now();
    for second in 0..seconds {
        for amplifier in &mut amplifiers {
            let lines = vec![LINE.parse().unwrap()];
            let sample = Arc::new(Compact::of(amplifier.poll(second)));
            let begun = spool.begin(lines, amplifier.id.clone(), sample);
            begun.await.unwrap();
        }
        if second % (6 * HOUR) == 0 && second > 0 {
            let status = spool.status().borrow().clone();
            println!(
                "  {:>4} h: {} records, {:.0} bytes each by the books, {:.0} records/s",
                second / HOUR,
                status.records,
                status.bytes as f64 / status.records as f64,
                status.records as f64 / begun.elapsed().as_secs_f64()
            );
        }
    }
    spool.sync().await.unwrap();
    let status = spool.status().borrow().clone();
    assert_eq!(
        status.dropped,
        silkline_agent::spool::Dropped::default(),
        "nothing is lost"
    );
    assert_eq!(status.depth, seconds * DEVICES as u64);
    status.depth
}

fn on_disk(folder: &Path) -> f64 {
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    (size("spool.sqlite") + size("spool.sqlite-wal")) as f64
}

/// Starts the program on the spool, lets the broker come back, and says what came and when.
async fn reconnect(folder: &Path, records: u64) {
    let station = Station::new(folder, DEVICES).await;
    let begun = Instant::now();
    let (running, manager) = station.start();
    station::wait_for(&manager, "READY=1");
    println!(
        "  the program is ready {:.2} s after its start",
        begun.elapsed().as_secs_f64()
    );
    let broker = Broker::start_at(station.broker).expect("mosquitto is there");
    let counted = Arc::new(Counted::default());
    let centre = tokio::spawn(collect(broker.port, LINE, counted.clone()));
    let (online, live) = station::first_words(broker.port).await;
    println!(
        "  the first live sample came {:.2} s after the connection was made",
        (live - online).as_secs_f64()
    );
    let (late, from) = (counted.late.load(Ordering::Relaxed), Instant::now());
    let all = counted.messages.load(Ordering::Relaxed);
    // A short backlog may end before that.
    while from.elapsed() < WATCHED && counted.late.load(Ordering::Relaxed) < records {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = from.elapsed().as_secs_f64();
    let late = counted.late.load(Ordering::Relaxed) - late;
    let all = counted.messages.load(Ordering::Relaxed) - all;
    println!(
        "  backlog {:.0} samples/s beside {:.0} live ones, over {took:.0} s; {:.1} MB resident",
        late as f64 / took,
        (all - late) as f64 / took,
        station::resident_mb(running.id())
    );
    drop(running);
    counted.end();
    centre.abort();
}

#[tokio::main]
async fn main() {
    let days: f64 = std::env::var("SILKLINE_DAYS")
        .ok()
        .and_then(|days| days.parse().ok())
        .unwrap_or(1.0 / 24.0);
    let seconds = (days * 86_400.0) as u64;
    if let Some(kept) = std::env::var_os("SILKLINE_SPOOL") {
        println!("the spool in {}", kept.display());
        reconnect(Path::new(&kept), u64::MAX).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    println!("{days:.2} days without an uplink, {DEVICES} devices x 20 points every second");
    let records = fill(folder.path(), seconds).await;
    let bytes = on_disk(folder.path());
    println!(
        "  {records} records held, none lost; {:.2} GB on the disk, {:.0} bytes a record: a week takes {:.2} GB",
        bytes / 1e9,
        bytes / records as f64,
        bytes / records as f64 * (7 * 86_400 * DEVICES) as f64 / 1e9
    );
    if Path::new("/usr/sbin/mosquitto").exists() {
        reconnect(folder.path(), records).await;
    } else {
        println!("  skipped: mosquitto is not installed");
    }
}
