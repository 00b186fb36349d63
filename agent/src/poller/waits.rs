//! How long a request may wait on a connection that several devices share. Pure: it owns no clock.
//!
//! While one device is waited for, no other is asked: three silent ones with a timeout as long as
//! the others' period would take half of their data. So a device gets its whole timeout only as
//! often as costs the others little: the connection saves up a small part of its time for such
//! waits. In between a device gets a short wait, in which one that answers as fast as it used to, or
//! as its neighbours do, is found again.

use std::time::Duration;

use crate::clock::Moment;
use crate::driver::session::Request;

/// The part of a connection's time that may go into whole timeouts: of 200 readings one is lost.
const SHARE: u32 = 200;
/// The part of the shortest period that a short wait takes, so that the others catch up within it.
const SHORT: u32 = 8;
/// How many times its usual time a device is given in a short wait.
const MARGIN: u32 = 4;
/// No wait is shorter, whatever the period: a busy gateway takes that long now and then.
const SHORTEST: Duration = Duration::from_millis(25);

/// How long the requests of one poll may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// Until the device was silent once.
    pub(super) first: Duration,
    /// From then on.
    pub(super) then: Duration,
}

/// What a connection knows of the time its devices take.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    devices: Vec<Known>,
    saved: Duration,
    since: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    period: Duration,
    timeout: Duration,
    /// The slowest answer of late.
    usual: Duration,
}

impl Waits {
    /// Adds a device, in the order of the schedule's.
    pub(super) fn add(&mut self, period: Duration, timeout: Duration) {
        self.devices.push(Known {
            period,
            timeout,
            usual: Duration::ZERO,
        });
        self.saved = self.longest();
    }

    /// How long the requests of a poll of `device` may wait that begins `now`.
    pub(super) fn of(&mut self, device: usize, now: Moment) -> Wait {
        let alone = self.devices.len() < 2;
        let saved = self.saved + (now - self.since) / SHARE;
        self.saved = saved.min(self.longest());
        self.since = now;
        let Some(known) = self.devices.get(device).filter(|_| !alone) else {
            return Wait {
                first: Duration::MAX,
                then: Duration::MAX,
            };
        };
        let short = self.short(*known);
        let whole = self.saved >= known.timeout;
        Wait {
            first: if whole { known.timeout } else { short },
            then: short,
        }
    }

    /// Takes what became of the requests of a poll.
    pub(super) fn note(&mut self, device: usize, requests: &[Request]) {
        let Some(known) = self.devices.get(device).copied() else {
            return;
        };
        let short = self.short(known);
        let silent = |request: &&Request| request.fault.is_some();
        let lost: Duration = requests
            .iter()
            .filter(silent)
            .map(|request| request.took)
            .filter(|took| *took > short)
            .sum();
        self.saved = self.saved.saturating_sub(lost);
        let slowest = requests
            .iter()
            .filter(|request| request.fault.is_none())
            .map(|request| request.took)
            .max();
        if let (Some(known), Some(slowest)) = (self.devices.get_mut(device), slowest) {
            known.usual = slowest.max(known.usual * 7 / 8);
        }
    }

    fn short(&self, known: Known) -> Duration {
        let period = self.devices.iter().map(|known| known.period).min();
        let short = period.unwrap_or(Duration::ZERO) / SHORT;
        let usual = known.usual.saturating_mul(MARGIN);
        short.max(usual).max(SHORTEST).min(known.timeout)
    }

    fn longest(&self) -> Duration {
        let timeouts = self.devices.iter().map(|known| known.timeout);
        timeouts.max().unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Fault;
    use crate::schedule::{Outcome, Schedule, staggered};

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(took: Duration) -> Request {
        Request { took, fault: None }
    }

    fn silent(took: Duration) -> Request {
        let fault = Some(Fault::Timeout(took));
        Request { took, fault }
    }

    /// The polls that healthy units got of those they were due, from the third second on.
    fn share(units: usize, dead: usize, answer: Duration) -> f64 {
        const SECONDS: u64 = 300;
        let mut schedule = Schedule::new(Duration::from_secs(30), 7);
        let mut waits = Waits::default();
        let mut now = Moment::START;
        for at in 0..units {
            schedule.add(SECOND, staggered(at, units, SECOND, now));
            waits.add(SECOND, SECOND);
        }
        let (mut polls, grace) = (0, Moment::after_start(2 * SECOND));
        while now < Moment::after_start(Duration::from_secs(SECONDS)) {
            let Some(at) = schedule.next(now) else {
                now = schedule.deadline().unwrap();
                continue;
            };
            let wait = waits.of(at, now);
            let gone = at % (units / dead.max(1)) == 1 && at / (units / dead.max(1)) < dead;
            let (requests, outcome) = if gone {
                // Two requests where it is not known to be gone, as the drivers do.
                let mut requests = vec![silent(wait.first)];
                if schedule.answers(at) {
                    requests.push(silent(wait.then));
                }
                (requests, Outcome::Absent)
            } else {
                (vec![answered(answer)], Outcome::Answered)
            };
            polls += usize::from(!gone && now >= grace);
            now = requests.iter().fold(now, |now, request| now + request.took);
            waits.note(at, &requests);
            schedule.done(at, outcome, now);
        }
        let due = u32::try_from((units - dead) * usize::try_from(SECONDS - 2).unwrap()).unwrap();
        f64::from(u32::try_from(polls).unwrap()) / f64::from(due)
    }

    #[test]
    fn three_silent_units_of_fifty_take_less_than_a_hundredth_of_the_others_data() {
        for answer in [2, 10, 15] {
            let share = share(50, 3, Duration::from_millis(answer));
            assert!(share >= 0.99, "{share} with answers after {answer} ms");
        }
    }

    #[test]
    fn silent_units_on_a_slow_line_leave_the_others_their_data() {
        let share = share(8, 4, Duration::from_millis(60));
        assert!(share >= 0.99, "{share}");
    }

    #[test]
    fn a_device_alone_on_its_connection_gets_its_timeout() {
        let mut waits = Waits::default();
        waits.add(SECOND, SECOND);
        assert_eq!(waits.of(0, Moment::START).first, Duration::MAX);
    }

    #[test]
    fn a_slow_device_is_given_the_time_it_needs() {
        let mut waits = Waits::default();
        waits.add(SECOND, SECOND);
        waits.add(SECOND, SECOND);
        waits.note(0, &[answered(Duration::from_millis(200))]);
        waits.note(1, &[silent(SECOND)]);
        assert_eq!(waits.of(0, Moment::START).first, Duration::from_millis(800));
        assert_eq!(waits.of(1, Moment::START).first, Duration::from_millis(125));
        // Saved up again after two hundred times the timeout.
        let later = Moment::after_start(200 * SECOND);
        assert_eq!(waits.of(1, later).first, SECOND);
    }
}
