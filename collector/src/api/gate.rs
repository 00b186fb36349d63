//! How often somebody may ask: a bucket a name that fills at a steady rate.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Names that are remembered; a full bucket need not be.
const NAMES: usize = 10_000;

/// So many at once, and so many a second after that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// What may come at once.
    pub burst: f64,
    /// What comes back each second.
    pub per_second: f64,
}

/// Buckets by name.
#[derive(Debug)]
pub struct Gate {
    rate: Rate,
    buckets: Mutex<BTreeMap<String, (f64, Instant)>>,
}

impl Gate {
    /// A gate where every bucket is full.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Mutex::default(),
        }
    }

    /// Takes one from the bucket of `name`, or says how long to wait for it.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let Rate { burst, per_second } = self.rate;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(left, since): (f64, Instant)| {
            let gained = now.saturating_duration_since(since).as_secs_f64() * per_second;
            (left + gained).min(burst)
        };
        if buckets.len() >= NAMES {
            buckets.retain(|_, bucket| filled(*bucket) < burst);
        }
        let left = buckets.get(name).map_or(burst, |bucket| filled(*bucket));
        // Beyond the bound nobody new is remembered: the ones that press hard are.
        if buckets.len() < NAMES || buckets.contains_key(name) {
            buckets.insert(name.to_owned(), ((left - 1.0).max(0.0), now));
        }
        if left >= 1.0 {
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - left) / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_presses_waits_and_nobody_else_does() {
        let gate = Gate::new(Rate {
            burst: 3.0,
            per_second: 0.5,
        });
        let now = crate::clock::instant();
        for _ in 0..3 {
            assert_eq!(gate.take("a", now), Ok(()));
        }
        assert_eq!(gate.take("a", now), Err(Duration::from_secs(2)));
        assert_eq!(gate.take("b", now), Ok(()));
        assert_eq!(gate.take("a", now + Duration::from_secs(2)), Ok(()));
        assert!(gate.take("a", now + Duration::from_secs(2)).is_err());
        assert_eq!(gate.take("a", now + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn a_flood_of_names_takes_no_more_memory() {
        let gate = Gate::new(Rate {
            burst: 1.0,
            per_second: 0.001,
        });
        let now = crate::clock::instant();
        for name in 0..NAMES + 100 {
            let _ = gate.take(&name.to_string(), now);
        }
        assert_eq!(gate.buckets.lock().unwrap().len(), NAMES);
    }
}
