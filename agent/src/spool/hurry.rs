//! How the writer is told not to wait for more: it sleeps a while for others to join a transaction, and
//! whoever waits for theirs wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// Whether somebody is in a hurry.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    now: Arc<AtomicBool>,
}

/// The way to wake the writer.
#[derive(Clone, Debug)]
pub(super) struct Hurry {
    wanted: Wanted,
    writer: Thread,
}

impl Hurry {
    /// The way to the thread that waits by `wanted`.
    pub(super) const fn new(wanted: Wanted, writer: Thread) -> Self {
        Self { wanted, writer }
    }

    /// What is in the queue is wanted now.
    pub(super) fn now(&self) {
        if !self.wanted.now.swap(true, Ordering::AcqRel) {
            self.writer.unpark();
        }
    }
}

impl Wanted {
    /// Waits on this thread until `moment`, or somebody is in a hurry, or was since the last call.
    pub(super) fn wait(&self, clock: &Clock, moment: Moment) {
        while !self.now.swap(false, Ordering::AcqRel) {
            let left = moment - clock.moment();
            if left == Duration::ZERO {
                return;
            }
            // It may end early, for no reason.
            std::thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hurry_ends_the_wait_whenever_it_comes() {
        let (wanted, clock) = (Wanted::default(), Clock::start());
        let hour = clock.moment() + Duration::from_secs(3_600);
        let hurry = Hurry::new(wanted.clone(), std::thread::current());
        hurry.now();
        wanted.wait(&clock, hour);
        let other = std::thread::spawn(move || hurry.now());
        wanted.wait(&clock, hour);
        other.join().unwrap();
        assert!(clock.moment() < hour);
    }

    #[test]
    fn nobody_in_a_hurry_lets_it_wait_and_a_past_moment_does_not() {
        let (wanted, clock) = (Wanted::default(), Clock::start());
        let until = clock.moment() + Duration::from_millis(3);
        wanted.wait(&clock, until);
        assert!(clock.moment() >= until);
        wanted.wait(&clock, Moment::START);
    }
}
