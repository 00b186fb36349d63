//! How fast a scan may ask, and how long: the networks of huts are thin, and their devices weak.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// What a scan may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests a second, over all addresses.
    pub per_second: u32,
    /// The longest time for the whole.
    pub limit: Duration,
    /// How long a request may take.
    pub timeout: Duration,
}

impl Default for Bounds {
    /// Few enough for a microwave link of 64 kbit/s, and a silent /24 in half a minute.
    fn default() -> Self {
        Self {
            per_second: 20,
            limit: Duration::from_secs(600),
            timeout: Duration::from_millis(500),
        }
    }
}

/// Hands out the turns of all that ask.
#[derive(Debug)]
pub struct Pace {
    clock: Clock,
    apart: Duration,
    end: Moment,
    next: Mutex<Moment>,
    asked: AtomicU64,
}

impl Pace {
    /// A pace within `bounds` that begins now.
    #[must_use]
    pub fn new(bounds: Bounds, clock: Clock) -> Self {
        let now = clock.moment();
        Self {
            clock,
            apart: Duration::from_secs(1) / bounds.per_second.max(1),
            end: now + bounds.limit,
            next: Mutex::new(now),
            asked: AtomicU64::new(0),
        }
    }

    /// Waits until one more request may go; `false` when the time is over.
    pub async fn turn(&self) -> bool {
        let at = {
            let Ok(mut next) = self.next.lock() else {
                return false;
            };
            let at = (*next).max(self.clock.moment());
            if at >= self.end {
                return false;
            }
            *next = at + self.apart;
            at
        };
        self.clock.sleep_until(at).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether the time is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.clock.moment() >= self.end
    }

    /// Turns handed out.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(per_second: u32, limit: Duration) -> Bounds {
        Bounds {
            per_second,
            limit,
            ..Bounds::default()
        }
    }

    #[tokio::test]
    async fn turns_are_apart_and_end_with_the_time() {
        let clock = Clock::start();
        let pace = Pace::new(bounds(200, Duration::from_millis(50)), clock);
        let mut turns = 0;
        while pace.turn().await {
            turns += 1;
        }
        // A busy machine gives fewer; there are never more than the rate allows.
        assert!((1..=10).contains(&turns), "{turns}");
        assert_eq!(pace.asked(), turns);
        assert!(
            clock.moment().since_start()
                >= Duration::from_millis(5) * (u32::try_from(turns).unwrap() - 1)
        );
    }

    #[tokio::test]
    async fn a_pause_is_not_made_up_for() {
        let clock = Clock::start();
        let pace = Pace::new(bounds(100, Duration::from_secs(60)), clock);
        assert!(pace.turn().await);
        clock
            .sleep_until(clock.moment() + Duration::from_millis(50))
            .await;
        let before = clock.moment();
        assert!(pace.turn().await && pace.turn().await);
        assert!(clock.moment() - before >= Duration::from_millis(10));
    }
}
