//! A device that does not answer, or an agent that is gone.
//!
//! ```text
//!   waiting ──seen──► heard ──deadline──► silent ──seen──► heard
//! ```
//!
//! Silence is measured by when samples arrive, not by what they say the time is. How many polls in a
//! row must fail follows from the device's own past: what share of its polls fails, and how often
//! the next one after that, so that a device that is well is called silent once in
//! a thousand years. Where its agent tells of polls without an answer, it may have asked less often
//! since: then three of them are waited for.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

use super::{Change, Severity};

/// Never silent sooner than this: a broker or collector that restarts takes that long.
const LEAST: Duration = Duration::from_secs(5);

/// Silences in a year that are false, of a device that is well.
const FALSE_A_YEAR: f64 = 1e-3;
const YEAR_MS: f64 = 365.25 * 86_400e3;

/// Polls in a row without an answer that make a device silent: so many at least and at most.
const FEWEST: u32 = 3;
const MOST: u32 = 20;

/// A poll that is late by a part of the interval was not missed: this part, this much at most.
const LATE: u64 = 5;
const LATEST_MS: u64 = 2000;

/// Polls whose lack of an answer was told that are waited for: the agent asks less and less often.
const TOLD: u32 = 3;

/// Watches that something is heard of in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silent {
    patience_ms: u64,
    /// When it was last heard of, or when the wait began.
    heard: Timestamp,
    silent: bool,
    /// How often it comes; zero where nobody knows.
    #[serde(default)]
    poll_ms: u64,
    #[serde(default)]
    missed: Missed,
    /// Not silent before.
    #[serde(default)]
    held: Timestamp,
    /// Polls since then that are known to have had no answer.
    #[serde(default)]
    in_vain: u32,
}

/// How many polls of a device had no answer though it was well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Missed {
    polls: u32,
    missed: u32,
    /// Those right after another one.
    again: u32,
}

impl Missed {
    /// Older polls count half of what newer ones do after so many.
    const KEPT: u32 = 20_000;

    /// It came after `missed` polls without it.
    fn take(&mut self, missed: u32) {
        self.polls += 1 + missed;
        self.missed += missed;
        self.again += missed.saturating_sub(1);
        if self.polls > Self::KEPT {
            *self = Self {
                polls: self.polls / 2,
                missed: self.missed / 2,
                again: self.again / 2,
            };
        }
    }

    /// Polls in a row that fail by chance less often than [`FALSE_A_YEAR`]. Of a device that nobody
    /// knows one poll in a hundred is taken to fail, whatever the one before did; how little is
    /// known of polls in a row counts (the share is taken to have a beta distribution).
    fn in_a_row(self, poll_ms: u64) -> u32 {
        let share = (1.0 + f64::from(self.missed)) / (100.0 + f64::from(self.polls));
        let (mut again, mut all) = (1.0 + f64::from(self.again), 100.0 + f64::from(self.missed));
        let mut a_year = YEAR_MS / (poll_ms.max(1) as f64) * share;
        let mut polls = 1;
        while a_year > FALSE_A_YEAR && polls < MOST {
            a_year *= again / all;
            (again, all) = (again + 1.0, all + 1.0);
            polls += 1;
        }
        polls.max(FEWEST)
    }
}

impl Silent {
    /// Waits from `now` for something that comes every `poll`.
    #[must_use]
    pub fn new(poll: Duration, now: Timestamp) -> Self {
        let mut silent = Self::unknown(now);
        silent.expect(poll);
        silent
    }

    /// Waits from `now` for something of which nobody knows how often it comes: never silent, as
    /// long as [`Silent::expect`] has not told.
    #[must_use]
    pub fn unknown(now: Timestamp) -> Self {
        Self {
            patience_ms: u64::MAX,
            heard: now,
            silent: false,
            poll_ms: 0,
            missed: Missed::default(),
            held: Timestamp::EPOCH,
            in_vain: 0,
        }
    }

    /// It comes every `poll`, as is known now.
    pub fn expect(&mut self, poll: Duration) {
        let poll_ms = u64::try_from(poll.as_millis()).unwrap_or(u64::MAX);
        if poll_ms != self.poll_ms {
            self.poll_ms = poll_ms;
            self.adapt();
        }
    }

    /// It was heard of at `now`.
    pub fn seen(&mut self, now: Timestamp) -> Option<Change> {
        self.learn(now);
        self.heard = now;
        self.in_vain = 0;
        core::mem::replace(&mut self.silent, false).then_some(Change::Ended { to: now })
    }

    /// It was asked, and did not answer.
    pub const fn unanswered(&mut self) {
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// Whether it is known to have been asked in vain since it was last heard of.
    #[must_use]
    pub const fn was_asked(&self) -> bool {
        self.in_vain > 0
    }

    /// Starts the wait anew: we were the ones who did not listen.
    pub const fn excuse(&mut self, now: Timestamp) {
        self.heard = now;
        self.in_vain = 0;
    }

    /// Gives it time until then, whatever it has had: what it said may be on its way.
    pub const fn hold(&mut self, until: Timestamp) {
        self.held = until;
    }

    /// When it will be silent, unless it is or something comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let known = !self.silent && self.patience_ms < u64::MAX;
        let rare = (1..TOLD).contains(&self.in_vain);
        let patience = self.patience_ms.saturating_mul(1 + u64::from(rare));
        known.then(|| (self.heard + Duration::from_millis(patience)).max(self.held))
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

    /// How many polls it missed while it was well. A silence much longer than would have been
    /// remarked was a failure, and no part of its past.
    fn learn(&mut self, now: Timestamp) {
        if self.poll_ms == 0 {
            return;
        }
        let since = u64::try_from((now - self.heard).as_millis()).unwrap_or(u64::MAX);
        let intervals = since.saturating_add(self.poll_ms / 2) / self.poll_ms;
        let missed = u32::try_from(intervals.saturating_sub(1)).unwrap_or(u32::MAX);
        if since > self.patience_ms.saturating_mul(2) {
            return;
        }
        let halved = self.missed.polls.saturating_add(missed) >= Missed::KEPT;
        self.missed.take(missed);
        // As a rule none was missed, and a few hundred more that came change little.
        if missed > 0 || halved || self.missed.polls.is_multiple_of(512) {
            self.adapt();
        }
    }

    fn adapt(&mut self) {
        let polls = u64::from(self.missed.in_a_row(self.poll_ms));
        let least = u64::try_from(LEAST.as_millis()).unwrap_or(u64::MAX);
        let late = (self.poll_ms / LATE).min(LATEST_MS);
        let patience = self.poll_ms.saturating_mul(polls).saturating_add(late);
        self.patience_ms = patience.max(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// What was heard every ten seconds up to `last`, but for those that `lost` names.
    fn heard(last: i64, lost: impl Fn(i64) -> bool) -> (Silent, u32) {
        let mut silent = Silent::new(Duration::from_secs(10), second(0));
        let mut raised = 0;
        for k in 1..=last {
            raised += u32::from(silent.expire(second(10 * k)).is_some());
            if !lost(k) {
                silent.seen(second(10 * k));
            }
        }
        (silent, raised)
    }

    fn patience(silent: &Silent) -> u64 {
        (silent.deadline().unwrap() - silent.heard()).as_secs()
    }

    #[test]
    fn a_few_polls_without_an_answer_are_silence() {
        let mut silent = Silent::new(Duration::from_secs(10), second(0));
        assert_eq!(silent.seen(second(5)), None);
        assert_eq!(silent.deadline(), Some(second(67)));
        assert_eq!(silent.expire(second(66)), None);
        assert!(
            matches!(silent.expire(second(67)), Some(Change::Began { from, .. }) if from == second(5))
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
        assert_eq!(silent.deadline(), Some(second(362)));
    }

    #[test]
    fn a_fast_poll_is_given_time_for_a_restart() {
        let silent = Silent::new(Duration::from_millis(100), second(0));
        assert_eq!(silent.deadline(), Some(second(5)));
    }

    #[test]
    fn one_that_never_misses_is_missed_soon_and_one_that_often_does_later() {
        let (steady, none) = heard(5_000, |_| false);
        // One in ten, never two in a row; and one in twenty with the next two.
        let (loose, few) = heard(5_000, |k| k % 10 == 0);
        let (bursts, one) = heard(5_000, |k| k % 50 < 3);
        assert_eq!((none, few, one), (0, 0, 0));
        assert_eq!(patience(&steady), 52);
        assert!(patience(&steady) <= patience(&loose), "{loose:?}");
        assert!(patience(&loose) < patience(&bursts), "{bursts:?}");
        assert!(patience(&bursts) <= 202);
    }

    #[test]
    fn the_stated_rate_of_false_silences_holds() {
        // Two in a hundred fail by chance: 40 years of polls every five minutes.
        let mut state = 7_u64;
        let mut silent = Silent::new(Duration::from_secs(300), second(0));
        let mut raised = 0;
        for k in 1..=40 * 105_190_i64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            raised += u32::from(silent.expire(second(300 * k)).is_some());
            if state >> 33 > (1 << 31) / 50 {
                silent.seen(second(300 * k));
            }
        }
        assert!(raised <= 1, "{raised} where 0.04 are to be expected");
    }

    #[test]
    fn a_failure_is_no_part_of_its_past() {
        let (mut silent, _) = heard(5_000, |_| false);
        let before = patience(&silent);
        silent.expire(second(100_000));
        silent.seen(second(100_000));
        assert_eq!(patience(&silent), before);
    }

    #[test]
    fn one_that_is_given_time_is_silent_when_that_is_over() {
        let (mut silent, _) = heard(5_000, |_| false);
        silent.hold(second(51_000));
        assert!(silent.expire(second(50_999)).is_none());
        assert!(
            matches!(silent.expire(second(51_000)), Some(Change::Began { from, .. }) if from == second(50_000))
        );
    }

    #[test]
    fn polls_that_an_agent_makes_less_often_are_waited_for() {
        let (mut silent, _) = heard(5_000, |_| false);
        silent.unanswered();
        assert!(silent.was_asked() && silent.expire(second(50_000 + 55)).is_none());
        silent.unanswered();
        silent.unanswered();
        assert!(silent.expire(second(50_000 + 55)).is_some());
    }
}
