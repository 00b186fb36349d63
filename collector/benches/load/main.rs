//! What one collector takes in and keeps, beside the bounds of decoding alone and of SQLite alone.
//!
//! ```text
//!   cargo bench --package silkline-collector --bench load              both, four days of history
//!   cargo bench --package silkline-collector --bench load -- ingest 61 samples of 40 readings, so many s
//!   cargo bench --package silkline-collector --bench load -- store 30  10,000 series, so many days
//!   cargo bench --package silkline-collector --bench load -- store 30 1  so many amplifiers a hut, not 5
//! ```
//!
//! Wall time is that of a machine that does nothing else. Processor time is told beside it, thread by
//! thread, since no other program spoils it: what the busiest thread takes bounds the rate.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench"
)]

use std::time::Duration;

mod corridor;
mod ingest;
mod store;

fn main() {
    // Cargo adds `--bench` on its own.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let which = arguments.first().map(String::as_str);
    let number = |at: usize| arguments.get(at).and_then(|it| it.parse::<u32>().ok());
    let many = number(1);
    if matches!(which, None | Some("ingest")) {
        ingest::run(many.unwrap_or(61) as usize);
    }
    if matches!(which, None | Some("store")) {
        let each = number(2).map_or(store::EACH, |each| each as usize);
        store::run(i64::from(many.unwrap_or(4)), each);
    }
}

/// Megabytes of memory that this program has now, and had at most.
fn memory() -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes: f64 = line
            .and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(f64::NAN);
        kilobytes / 1024.0
    };
    format!("{:.0} MB, at most {:.0} MB", of("VmRSS:"), of("VmHWM:"))
}

/// How long this thread has had a processor: what a shared machine does not spoil.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    Duration::from_nanos(first.and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}
