//! The only place that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use silkline_protocol::delivery::Monotonic;
use silkline_protocol::time::Timestamp;

/// What time it is, in UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// This moment, for durations.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// A clock that is never set: counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    /// A clock that stands at zero.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn now(&self) -> Monotonic {
        Monotonic(self.start.elapsed())
    }
}
