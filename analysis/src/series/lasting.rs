//! A small departure that lasts: too small to be believed at once, too steady to be nothing.
//!
//! Departures are averaged over half an hour each. Two such means in a row beyond the limit make
//! it stand; a few single readings in a row within half of it end it. A departure that is
//! remarkable by itself is none of this module's and starts the means anew. How far the means ever
//! wandered counts: a point that comes back by itself is believed less the next time.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

/// What one mean spans at least, and the readings that it needs: one in a quarter of an hour
/// makes a mean an hour.
const SPAN: Duration = Duration::from_secs(1800);
const FEWEST: u32 = 4;

/// It is held against what is older than so many means.
const FREE: u32 = 4;

/// Means in a row that make it stand: the first one may hold a fall that was over soon.
const MEANS: u8 = 2;

/// Readings in a row within half the limit that end it.
const WELL: u8 = 5;

/// Watches for a small departure that lasts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lasting {
    since: Timestamp,
    sum: i64,
    count: u32,
    /// Means beyond the limit in a row, and when the first of them began.
    beyond: u8,
    first: Timestamp,
    /// The limit by which it stands, and the mean that made it so.
    stands: Option<(i64, i64)>,
    well: u8,
    /// How far a mean ever departed without more coming of it, slowly forgotten.
    wandered: i64,
}

/// So many means until half of what was once seen is forgotten: a few weeks.
const FORGOTTEN: i64 = 1000;

impl Lasting {
    /// Takes a `departure` of `at` in thousandths; `limit` is asked for where a mean is complete, by
    /// what came before the time that it is given.
    pub(super) fn take(
        &mut self,
        departure: i64,
        at: Timestamp,
        limit: impl FnOnce(Timestamp) -> Option<i64>,
    ) {
        if let Some((limit, mean)) = self.stands {
            self.well = if departure < limit / 2 {
                self.well.saturating_add(1)
            } else {
                0
            };
            if self.well >= WELL {
                *self = Self {
                    wandered: self.wandered.max(mean),
                    ..Self::default()
                };
            }
            return;
        }
        if self.count >= FEWEST && at - self.since >= SPAN {
            let began = if self.beyond > 0 {
                self.first
            } else {
                self.since
            };
            // The means before may hold a part of the departure, or just not be beyond.
            let before = began - (at - self.since) * FREE;
            self.close(limit(before));
        }
        if self.count == 0 {
            self.since = at;
        }
        self.sum = self.sum.saturating_add(departure);
        self.count = self.count.saturating_add(1);
    }

    /// Something more remarkable is on: what was averaged so far says nothing.
    pub(super) fn interrupt(&mut self) {
        let stands = self.stands;
        *self = Self {
            stands,
            first: self.first,
            wandered: self.wandered,
            ..Self::default()
        };
    }

    /// The mean departure while it stands, in thousandths, and since when it departs.
    pub(super) fn stands(&self) -> Option<(i64, Timestamp)> {
        self.stands.map(|(_, mean)| (mean, self.first))
    }

    fn close(&mut self, limit: Option<i64>) {
        let mean = self.sum / i64::from(self.count.max(1));
        let limit = limit.map(|limit| limit.max(self.wandered + self.wandered / 4));
        let beyond = limit.filter(|limit| mean > *limit);
        self.wandered -= self.wandered / FORGOTTEN;
        if beyond.is_none() {
            self.beyond = 0;
            self.wandered = self.wandered.max(mean.abs());
        } else if self.beyond == 0 {
            self.first = self.since;
        }
        self.beyond = beyond.map_or(0, |_| self.beyond.saturating_add(1));
        self.stands = beyond
            .filter(|_| self.beyond >= MEANS)
            .map(|limit| (limit, mean));
        (self.sum, self.count) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(lasting: &mut Lasting, from: i64, departures: impl Iterator<Item = i64>) {
        for (k, departure) in (from..).zip(departures) {
            lasting.take(departure, Timestamp::from_seconds(60 * k), |_| Some(800));
        }
    }

    #[test]
    fn two_half_hours_beyond_make_it_stand_since_the_first() {
        let mut lasting = Lasting::default();
        minutes(&mut lasting, 0, core::iter::repeat_n(0, 60));
        minutes(&mut lasting, 60, core::iter::repeat_n(1000, 59));
        assert_eq!(lasting.stands(), None);
        minutes(&mut lasting, 119, core::iter::repeat_n(1000, 31));
        let (mean, since) = lasting.stands().unwrap();
        assert_eq!((mean, since), (1000, Timestamp::from_seconds(60 * 60)));
    }

    #[test]
    fn one_half_hour_is_nothing_and_good_readings_end_it() {
        let mut lasting = Lasting::default();
        for hour in 0..20 {
            let bad = core::iter::repeat_n(1000, 30);
            minutes(
                &mut lasting,
                60 * hour,
                bad.chain(core::iter::repeat_n(0, 30)),
            );
            assert_eq!(lasting.stands(), None);
        }
        minutes(&mut lasting, 3000, core::iter::repeat_n(1000, 90));
        minutes(&mut lasting, 3090, [0, 0, 900, 0, 0, 0, 0].into_iter());
        assert!(lasting.stands().is_some(), "a good one now and then");
        minutes(&mut lasting, 3100, core::iter::repeat_n(0, 5));
        assert_eq!(lasting.stands(), None);
    }

    #[test]
    fn what_comes_back_by_itself_is_believed_less_the_next_time() {
        let mut lasting = Lasting::default();
        minutes(&mut lasting, 0, core::iter::repeat_n(1000, 90));
        assert!(lasting.stands().is_some());
        minutes(&mut lasting, 90, core::iter::repeat_n(0, 60));
        minutes(&mut lasting, 150, core::iter::repeat_n(1100, 90));
        assert_eq!(lasting.stands(), None, "it has been as far before");
        minutes(&mut lasting, 240, core::iter::repeat_n(0, 60));
        minutes(&mut lasting, 300, core::iter::repeat_n(1600, 90));
        assert!(lasting.stands().is_some());
    }

    #[test]
    fn an_interruption_starts_anew_and_leaves_what_stands() {
        let mut lasting = Lasting::default();
        minutes(&mut lasting, 0, core::iter::repeat_n(1000, 59));
        lasting.interrupt();
        minutes(&mut lasting, 60, core::iter::repeat_n(1000, 50));
        assert_eq!(lasting.stands(), None);
        minutes(&mut lasting, 110, core::iter::repeat_n(1000, 50));
        lasting.interrupt();
        assert!(lasting.stands().is_some());
    }
}
