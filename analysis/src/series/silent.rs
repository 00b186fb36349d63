//! A device that does not answer, or an agent that is gone.
//!
//! ```text
//!   waiting ──seen──► heard ──deadline──► silent ──seen──► heard
//! ```
//!
//! Silence is measured by when samples arrive, not by what they say the time is.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

use super::{Change, Severity};

/// Polls in a row without an answer that make a device silent.
const POLLS: u32 = 3;

/// Never silent sooner than this: a broker or collector that restarts takes that long.
const LEAST: Duration = Duration::from_secs(5);

/// Watches that something is heard of in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silent {
    patience_ms: u64,
    /// When it was last heard of, or when the wait began.
    heard: Timestamp,
    silent: bool,
}

impl Silent {
    /// Waits from `now` for something that comes every `poll`.
    #[must_use]
    pub fn new(poll: Duration, now: Timestamp) -> Self {
        let patience = (poll * POLLS).max(LEAST);
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        Self {
            patience_ms,
            heard: now,
            silent: false,
        }
    }

    /// Waits from `now` for something of which nobody knows how often it comes: never silent, as
    /// long as [`Silent::expect`] has not told.
    #[must_use]
    pub const fn unknown(now: Timestamp) -> Self {
        Self {
            patience_ms: u64::MAX,
            heard: now,
            silent: false,
        }
    }

    /// It comes every `poll`, as is known now.
    pub fn expect(&mut self, poll: Duration) {
        let patience = (poll * POLLS).max(LEAST);
        self.patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    }

    /// It was heard of at `now`.
    pub fn seen(&mut self, now: Timestamp) -> Option<Change> {
        self.heard = now;
        core::mem::replace(&mut self.silent, false).then_some(Change::Ended { to: now })
    }

    /// Starts the wait anew: we were the ones who did not listen.
    pub const fn excuse(&mut self, now: Timestamp) {
        self.heard = now;
    }

    /// When it will be silent, unless it is or something comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let known = !self.silent && self.patience_ms < u64::MAX;
        known.then(|| self.heard + Duration::from_millis(self.patience_ms))
    }

    /// Time has passed.
    pub fn expire(&mut self, now: Timestamp) -> Option<Change> {
        let due = self.deadline().filter(|due| *due <= now)?;
        self.silent = true;
        let waited = due - self.heard;
        Some(Change::Began {
            from: self.heard,
            severity: Severity::Minor,
            detail: format!("nothing heard for {} s", waited.as_secs()),
        })
    }

    /// Whether it is silent.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent
    }

    /// When it was last heard of.
    #[must_use]
    pub const fn heard(&self) -> Timestamp {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn three_polls_without_an_answer_are_silence() {
        let mut silent = Silent::new(Duration::from_secs(10), second(0));
        assert_eq!(silent.seen(second(5)), None);
        assert_eq!(silent.deadline(), Some(second(35)));
        assert_eq!(silent.expire(second(34)), None);
        assert!(
            matches!(silent.expire(second(35)), Some(Change::Began { from, .. }) if from == second(5))
        );
        assert_eq!((silent.deadline(), silent.expire(second(99))), (None, None));
        assert_eq!(
            silent.seen(second(100)),
            Some(Change::Ended { to: second(100) })
        );
    }

    #[test]
    fn what_comes_nobody_knows_how_often_is_never_silent() {
        let mut silent = Silent::unknown(second(0));
        assert_eq!(
            (silent.deadline(), silent.expire(second(1_000_000))),
            (None, None)
        );
        silent.expect(Duration::from_secs(60));
        assert_eq!(silent.deadline(), Some(second(180)));
    }

    #[test]
    fn a_fast_poll_is_given_time_for_a_restart() {
        let silent = Silent::new(Duration::from_millis(100), second(0));
        assert_eq!(silent.deadline(), Some(second(5)));
    }
}
