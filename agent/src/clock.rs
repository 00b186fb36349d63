//! The only place that reads clocks.
//!
//! Two clocks that are never subtracted from each other: [`Clock::now`] is the time of day that
//! goes into records and may be set back; [`Clock::moment`] only ever goes forward and is what
//! polling, deadlines and back-off use.

mod chrony;

use core::ops::{Add, Sub};
use core::time::Duration;
use std::path::Path;

use serde::{Deserialize, Serialize};
use silkline_protocol::message::ClockState;
use silkline_protocol::time::Timestamp;

/// A point on the monotonic clock: how long after the agent's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
}

impl Moment {
    /// The agent's start.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment `after` the agent's start.
    #[must_use]
    pub const fn after_start(after: Duration) -> Self {
        Self(after)
    }

    /// How long after the agent's start it is.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// The time between, or zero when `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Clock {
    /// The clocks, with [`Moment::START`] now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let nanos = jiff::Timestamp::now().as_nanosecond();
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// The moment that it is.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(self.start.elapsed())
    }

    /// Waits until `moment`; returns at once when it has passed, but for a loop that has done nothing else
    /// for long: others must have their turn.
    pub async fn sleep_until(&self, moment: Moment) {
        // The timers tick by the millisecond, and round up: one would wait where nothing is to be waited for.
        if self.moment() >= moment {
            tokio::task::coop::consume_budget().await;
            return;
        }
        tokio::time::sleep_until(self.start + moment.0).await;
    }

    /// Whether the time of day can be trusted.
    #[must_use]
    pub fn state(&self) -> ClockState {
        self.told().state
    }

    /// What this machine's time service says of the time of day.
    ///
    /// Two services can be asked without rights: chronyd, which also tells how far the clock is off, and
    /// systemd's, which leaves a marker file. Where neither runs another may, so the answer is unknown.
    #[must_use]
    pub fn told(&self) -> Told {
        let number = self.moment().since_start().subsec_nanos();
        let address = chrony::ADDRESS.parse().ok();
        let address = address.filter(|_| Path::new(chrony::SIGN).is_dir());
        match address.and_then(|address| chrony::ask(address, number)) {
            Some(tracking) if tracking.is_synchronised => Told {
                state: ClockState::Synchronised,
                ahead_s: Some(tracking.ahead_s),
            },
            Some(_) => Told::only(ClockState::Free),
            None => Told::only(state_in(Path::new("/run/systemd/timesync"))),
        }
    }
}

/// What a time service says of the time of day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// Whether it can be trusted.
    pub state: ClockState,
    /// How far it is ahead of the right time, in seconds, where that is known.
    pub ahead_s: Option<f64>,
}

impl Told {
    const fn only(state: ClockState) -> Self {
        Self {
            state,
            ahead_s: None,
        }
    }
}

/// How far apart two readings of the boot's time may be that speak of one clock: what a free clock
/// drifts in a month, and far less than a step that matters.
const STEP: Duration = Duration::from_secs(60);

/// What the time of day stands on: when this machine was booted, by its own clock. A clock that was
/// stepped gives another time for the same boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The boot, by the kernel's name for it.
    pub boot: String,
    /// When it was, by the time of day.
    pub booted: Timestamp,
}

impl Anchor {
    /// What `clock` stands on; nothing where the system does not tell.
    #[must_use]
    pub fn read(clock: &Clock) -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let up = std::fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = up.split_whitespace().next()?.parse().ok()?;
        let up = Duration::try_from_secs_f64(seconds).ok()?;
        Some(Self {
            boot: boot.trim().to_owned(),
            booted: clock.now() - up,
        })
    }

    /// Whether both are of one boot, and the clock was not stepped between them.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let apart = (self.booted - other.booted).max(other.booted - self.booted);
        self.boot == other.boot && apart <= STEP
    }
}

fn state_in(folder: &Path) -> ClockState {
    if !folder.is_dir() {
        ClockState::Unknown
    } else if folder.join("synchronized").exists() {
        ClockState::Synchronised
    } else {
        ClockState::Free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_never_go_below_zero() {
        let later = Moment::START + Duration::from_secs(5);
        assert_eq!(Moment::START - later, Duration::ZERO);
        assert_eq!(later - Moment::START, Duration::from_secs(5));
    }

    #[test]
    fn the_clock_is_unknown_unless_the_time_service_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(state_in(&folder.path().join("absent")), ClockState::Unknown);
        assert_eq!(state_in(folder.path()), ClockState::Free);
        std::fs::write(folder.path().join("synchronized"), "").unwrap();
        assert_eq!(state_in(folder.path()), ClockState::Synchronised);
    }

    #[tokio::test]
    async fn a_clock_agrees_with_itself_and_with_no_step_or_other_boot() {
        let clock = Clock::start();
        let anchor = Anchor::read(&clock).unwrap();
        assert!(anchor.agrees(&Anchor::read(&clock).unwrap()));
        for step in [Duration::from_secs(61), Duration::from_secs(86_400)] {
            let ahead = Anchor {
                booted: anchor.booted + step,
                ..anchor.clone()
            };
            assert!(!anchor.agrees(&ahead) && !ahead.agrees(&anchor));
        }
        let boot = "another".to_owned();
        assert!(!anchor.agrees(&Anchor {
            boot,
            ..anchor.clone()
        }));
    }

    #[tokio::test]
    async fn a_loop_whose_time_is_always_past_lets_others_work() {
        let clock = Clock::start();
        let other = tokio::spawn(async {});
        while !other.is_finished() {
            clock.sleep_until(Moment::START).await;
        }
    }

    #[tokio::test]
    async fn waiting_ends_at_the_moment() {
        let clock = Clock::start();
        let until = clock.moment() + Duration::from_millis(3);
        clock.sleep_until(until).await;
        assert!(clock.moment() >= until);
        clock.sleep_until(Moment::START).await;
    }
}
