//! What one collector takes in and keeps, beside the bounds of decoding alone and of SQLite alone.
//!
//! ```text
//!   cargo bench --package silkline-collector --bench load              both, four days of history
//!   cargo bench --package silkline-collector --bench load -- ingest    samples of 40 readings a second
//!   cargo bench --package silkline-collector --bench load -- store 30  10,000 series, so many days
//! ```

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
    if matches!(which, None | Some("ingest")) {
        ingest::run();
    }
    if matches!(which, None | Some("store")) {
        let days = arguments.get(1).and_then(|days| days.parse().ok());
        store::run(days.unwrap_or(4));
    }
}
