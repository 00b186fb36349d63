//! Points that are asked at some polls only: after the others, at the polls at which they are due.

use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::time::Timestamp;

use crate::clock::{Clock, Moment};
use crate::config::Device;
use crate::driver::readings::Compact;
use crate::driver::session::{Driver, Link};
use crate::driver::{Patience, Readings};

/// Those of one device.
pub(super) struct SeldomAsked {
    poll: Duration,
    groups: Vec<Group>,
    known: Readings,
    /// The newest of each, for whoever looks.
    shown: Option<Arc<Compact>>,
}

struct Group {
    driver: Driver,
    every: Duration,
    due: Moment,
}

impl SeldomAsked {
    /// Those of `device`; all are due at its first poll.
    pub(super) fn of(device: &Device) -> Self {
        let groups = device.seldom.iter().filter_map(|seldom| {
            Some(Group {
                driver: Driver::of_seldom(device, seldom)?,
                every: seldom.every,
                due: Moment::START,
            })
        });
        Self {
            poll: device.poll,
            groups: groups.collect(),
            known: Readings::none(),
            shown: None,
        }
    }

    /// Asks for those that are due at a poll that was answered `at`.
    pub(super) async fn ask(
        &mut self,
        link: &mut Link,
        clock: &Clock,
        at: Timestamp,
    ) -> Option<Readings> {
        let now = clock.moment();
        let poll = self.poll;
        let mut fresh: Option<Readings> = None;
        for group in self
            .groups
            .iter_mut()
            .filter(|group| group.is_due(now, poll))
        {
            let patience = Patience::new(true);
            let polled = link.poll(&mut group.driver, patience, clock).await;
            group.due = next(group.due, group.every, now);
            let before = fresh.unwrap_or_else(Readings::none);
            fresh = Some(before.with(&polled.readings));
        }
        let fresh = fresh?;
        self.known = self.known.with(&fresh);
        self.shown = Some(Arc::new(self.known.clone().sample(at)));
        Some(fresh)
    }

    /// The newest of each point, as of the latest time that some were asked for.
    pub(super) const fn shown(&self) -> Option<&Arc<Compact>> {
        self.shown.as_ref()
    }
}

impl Group {
    /// The poll that is nearest to the time counts.
    fn is_due(&self, now: Moment, poll: Duration) -> bool {
        now + poll / 2 >= self.due
    }
}

/// When it is due next: in its phase, unless that was missed.
fn next(due: Moment, every: Duration, now: Moment) -> Moment {
    if due + every > now {
        due + every
    } else {
        now + every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_kept_over_polls_that_come_early_or_late_and_begins_anew_after_a_gap() {
        let second = Duration::from_secs(1);
        let start = Moment::START + second * 100;
        let mut due = Moment::START;
        due = next(due, second * 10, start);
        assert_eq!(due, start + second * 10);
        let late = start + second * 10 + second / 4;
        due = next(due, second * 10, late);
        assert_eq!(due, start + second * 20);
        let gone = start + second * 95;
        assert_eq!(next(due, second * 10, gone), gone + second * 10);
    }
}
