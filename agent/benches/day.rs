//! Whether the program's memory stays flat over a day of polls: fifty devices asked as fast as they
//! answer, until a day's number of polls at one a second is done; delivered, and let go of after a minute.
//!
//!   SILKLINE_POLLS=4320000 cargo bench -p silkline-agent --bench day     a day: some ten minutes
//!   cargo bench -p silkline-agent --bench day                            an hour of it

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

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use centre::{Broker, Counted, collect};
use station::Station;

const DEVICES: usize = 50;
/// How often it is looked, over the whole.
const LOOKS: u64 = 12;
/// What memory may grow by in the second half, in percent: the allocator's noise.
const NOISE: f64 = 10.0;

#[tokio::main]
async fn main() {
    let polls = std::env::var("SILKLINE_POLLS");
    let polls: u64 = polls
        .ok()
        .and_then(|polls| polls.parse().ok())
        .unwrap_or(180_000);
    if !Path::new("/usr/sbin/mosquitto").exists() {
        println!("memory over {polls} polls: skipped, mosquitto is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let station = Station::with(folder.path(), DEVICES, ("1ms", "keep = \"1min\"")).await;
    let broker = Broker::start_at(station.broker).unwrap();
    let counted = Arc::new(Counted::default());
    let centre = tokio::spawn(collect(broker.port, "a-b", counted.clone()));
    let (running, _manager) = station.start();
    let begun = Instant::now();
    let mut seen = Vec::new();
    for look in 1..=LOOKS {
        while station.asked() < polls * look / LOOKS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        seen.push(station::resident_mb(running.id()));
    }
    let took = begun.elapsed().as_secs_f64();
    let words: Vec<String> = seen.iter().map(|mb| format!("{mb:.1}")).collect();
    println!(
        "{polls} polls of {DEVICES} devices in {took:.0} s, {} delivered: {} MB resident",
        counted.new.load(Ordering::Relaxed),
        words.join(" ")
    );
    drop(running);
    counted.end();
    centre.abort();
    let (early, last) = (seen[seen.len() / 2 - 1], seen[seen.len() - 1]);
    let grown = 100.0 * (last / early - 1.0);
    println!("  grown by {grown:.1} % in the second half");
    assert!(grown <= NOISE, "memory grows");
}
