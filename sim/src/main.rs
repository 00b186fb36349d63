//! The sim program.
use std::io::Write;
fn main() {
    let _ = std::io::stdout().write_all(silkline_sim::corridor::plant_toml().as_bytes());
}
