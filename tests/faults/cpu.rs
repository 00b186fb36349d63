//! How long things take, whoever else uses the machine.

use std::time::Duration;

/// Time that this thread has had a processor, as the kernel counts it; zero where it does not.
pub(crate) fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    Duration::from_nanos(first.and_then(|text| text.parse().ok()).unwrap_or(0))
}
