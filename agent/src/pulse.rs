//! Whether the loops go on: each says by when it will be heard of again.
//!
//! A loop that waits for an hour says so before it waits; one that is stuck is found when the time it
//! named has passed. That is what the watchdog is tied to: not to a timer that ticks beside the loops.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::clock::Moment;

/// One loop's word.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    /// Milliseconds since the start; zero before the loop has spoken.
    by: Arc<AtomicU64>,
}

/// The words of all loops.
#[derive(Clone, Debug, Default)]
pub struct Pulses {
    loops: Arc<Mutex<BTreeMap<String, Weak<AtomicU64>>>>,
}

impl Pulse {
    /// Says that the loop will be heard of again by `by`.
    pub fn expect_by(&self, by: Moment) {
        let milliseconds = u64::try_from(by.since_start().as_millis()).unwrap_or(u64::MAX);
        self.by.store(milliseconds.max(1), Ordering::Relaxed);
    }
}

impl Pulse {
    /// Says that the loop waits for work, for however long that takes.
    pub fn rest(&self) {
        self.by.store(0, Ordering::Relaxed);
    }
}

impl Pulses {
    /// Counts a pulse that a loop has already, until that is dropped.
    pub fn adopt(&self, name: &str, pulse: &Pulse) {
        if let Ok(mut loops) = self.loops.lock() {
            loops.insert(name.to_owned(), Arc::downgrade(&pulse.by));
        }
    }

    /// The pulse of a new loop, which counts until it is dropped.
    #[must_use]
    pub fn of(&self, name: &str) -> Pulse {
        let pulse = Pulse::default();
        if let Ok(mut loops) = self.loops.lock() {
            loops.retain(|_, pulse| pulse.strong_count() > 0);
            loops.insert(name.to_owned(), Arc::downgrade(&pulse.by));
        }
        pulse
    }

    /// A loop that should have been heard of before `now`, the one overdue the longest.
    #[must_use]
    pub fn overdue(&self, now: Moment) -> Option<String> {
        let loops = self.loops.lock().ok()?;
        let late = loops.iter().filter_map(|(name, pulse)| {
            let by = Duration::from_millis(pulse.upgrade()?.load(Ordering::Relaxed));
            let is_late = !by.is_zero() && Moment::after_start(by) < now;
            is_late.then_some((by, name))
        });
        late.min().map(|(_, name)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_loop_is_overdue_after_the_time_it_named_and_not_before() {
        let pulses = Pulses::default();
        let (slow, fast) = (pulses.of("slow"), pulses.of("fast"));
        assert_eq!(pulses.overdue(at(1_000_000)), None, "none has spoken yet");
        slow.expect_by(at(3_600));
        fast.expect_by(at(2));
        assert_eq!(pulses.overdue(at(2)), None);
        assert_eq!(pulses.overdue(at(3)).as_deref(), Some("fast"));
        fast.rest();
        assert_eq!(pulses.overdue(at(3)), None);
        fast.expect_by(at(10));
        assert_eq!(pulses.overdue(at(4_000)).as_deref(), Some("fast"));
    }

    #[test]
    fn a_loop_that_left_is_not_waited_for() {
        let pulses = Pulses::default();
        let pulse = pulses.of("gone");
        pulse.expect_by(at(1));
        drop(pulse);
        assert_eq!(pulses.overdue(at(5)), None);
    }
}
