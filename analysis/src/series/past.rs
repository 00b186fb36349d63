//! The past of one quantity: accepted readings, thinned out, with their median and spread.
//!
//! Values are whole thousandths of their unit (of a decade for logarithms), so that a snapshot
//! restores them bit for bit. A young past keeps readings as close together as they come and
//! spreads them as it grows, so that there is something to compare with after a few polls and a
//! whole day to compare with after a day.

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;

use super::step::Side;

/// From the median absolute deviation to a standard deviation, for normal noise.
const MAD_TO_SD: f64 = 1.4826;

/// Readings that are kept: a day at one in a quarter of an hour, or four days at one an hour.
const KEPT: usize = 96;

/// Readings below which a past says nothing.
pub const FEW: usize = 5;

/// A past that spans less than this is provisional: it may not have seen a quiet hour.
pub const PROVISIONAL: Duration = Duration::from_secs(3600);

/// How far back a past reaches, and which of its newest part does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// From the oldest reading to the newest.
    pub span: Duration,
    /// The newest part that is kept but does not count yet, so that a slow change cannot hide.
    pub unripe: Duration,
}

impl Reach {
    /// A day: levels of light.
    pub const DAY: Self = Self {
        span: Duration::from_secs(24 * 3600),
        unripe: Duration::ZERO,
    };

    /// Three days that end six hours ago: bit errors.
    pub const THREE_DAYS_TO_SIX_HOURS_AGO: Self = Self {
        span: Duration::from_secs(78 * 3600),
        unripe: Duration::from_secs(6 * 3600),
    };
}

/// Accepted readings with their median and spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Milliseconds since the first reading, and the value.
    #[serde(with = "super::packed")]
    kept: VecDeque<(i64, i64)>,
    first: Timestamp,
    /// The median of what counts, and the robust standard deviation.
    median: i64,
    spread: i64,
    counted: usize,
}

impl Past {
    /// Takes an accepted reading; one too soon after the last kept one is let go.
    pub fn accept(&mut self, value: i64, at: Timestamp, reach: Reach) {
        if self.kept.is_empty() {
            self.first = at;
        }
        let age = millis(at - self.first);
        let last = self.kept.back().map_or(i64::MIN, |(age, _)| *age);
        if age <= last || age.saturating_sub(last) < self.spacing(age, reach) {
            return;
        }
        let oldest = age - millis(reach.span);
        while self.kept.front().is_some_and(|(age, _)| *age < oldest) || self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((age, value));
        self.sum_up(age, reach);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The median and the robust standard deviation, where enough is known to say them.
    #[must_use]
    pub const fn usual(&self) -> Option<(i64, i64)> {
        if self.counted < FEW {
            None
        } else {
            Some((self.median, self.spread))
        }
    }

    /// How far the furthest reading kept `before` lies below the median, or above it.
    #[must_use]
    pub fn furthest(&self, side: Side, before: Timestamp) -> i64 {
        let until = millis(before - self.first);
        let kept = self.kept.iter().take_while(|(age, _)| *age < until);
        let values = kept.map(|(_, value)| *value);
        let apart = values.map(|value| match side {
            Side::Low => self.median - value,
            Side::High => value - self.median,
        });
        apart.max().unwrap_or(0)
    }

    /// From the first reading ever taken to the newest kept one.
    #[must_use]
    pub fn age(&self) -> Duration {
        let newest = self.kept.back().map_or(0, |(age, _)| *age);
        Duration::from_millis(u64::try_from(newest).unwrap_or(0))
    }

    /// Whether it is too young to be trusted.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.age() < PROVISIONAL
    }

    /// How far apart readings are kept at an age: a part of what there is, so that the kept ones
    /// span most of it.
    fn spacing(&self, age: i64, reach: Reach) -> i64 {
        let parts = i64::try_from(KEPT).unwrap_or(i64::MAX);
        age.min(millis(reach.span)) / parts
    }

    fn sum_up(&mut self, age: i64, reach: Reach) {
        // A young past keeps the same share unripe as an old one.
        let share = reach.unripe.as_secs_f64() / reach.span.as_secs_f64().max(1.0);
        let unripe = millis(reach.unripe).min(share_of(age, share));
        // Ages rise, so what counts stands in front. Nothing is allocated: a young past is summed up
        // with nearly every reading.
        let ripe = self.kept.partition_point(|(at, _)| age - at >= unripe);
        let mut counted = [0; KEPT];
        let values = counted.get_mut(..ripe).unwrap_or_default();
        for (value, (_, kept)) in values.iter_mut().zip(&self.kept) {
            *value = *kept;
        }
        self.counted = ripe;
        self.median = middle(values);
        for value in &mut *values {
            *value = (*value - self.median).abs();
        }
        self.spread = thousandths(middle(values) as f64 / 1000.0 * MAD_TO_SD);
    }
}

/// The number in the middle, or zero where there is none.
fn middle(values: &mut [i64]) -> i64 {
    let half = values.len() / 2;
    if values.is_empty() {
        return 0;
    }
    *values.select_nth_unstable(half).1
}

/// Beyond this a number is no quantity of a device; differences and sums of such still fit.
const MOST: f64 = (1_u64 << 50) as f64;

/// A value in whole thousandths of its unit, held within 2^50 of them.
#[expect(clippy::cast_possible_truncation, reason = "held far within what fits")]
#[must_use]
pub fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round().clamp(-MOST, MOST) as i64
}

/// Whole thousandths as a number.
#[must_use]
pub fn whole(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}

/// A duration in milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a share of an age is no larger than the age"
)]
fn share_of(age: i64, share: f64) -> i64 {
    (age as f64 * share) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn absurd_numbers_overflow_nothing() {
        let absurd = [
            f64::MAX,
            f64::MIN,
            0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        let mut past = Past::default();
        for (second, value) in (0..).zip(absurd.into_iter().cycle().take(40)) {
            past.accept(thousandths(value), at(second * 60), Reach::DAY);
        }
        let (median, spread) = past.usual().unwrap();
        assert!(median.checked_sub(spread).is_some(), "{median} {spread}");
    }

    #[test]
    fn a_few_readings_are_enough_to_begin_with() {
        let mut past = Past::default();
        for second in 0..4 {
            past.accept(-17_000, at(second), Reach::DAY);
            assert_eq!(past.usual(), None);
        }
        past.accept(-17_000, at(4), Reach::DAY);
        assert_eq!(past.usual(), Some((-17_000, 0)));
        assert!(past.is_provisional());
    }

    #[test]
    fn the_sums_are_those_of_all_that_counts() {
        let mut past = Past::default();
        let reach = Reach::THREE_DAYS_TO_SIX_HOURS_AGO;
        for k in 0..400 {
            past.accept(k * 7919 % 1000 - 500, at(k * 997), reach);
            let age = past.kept.back().unwrap().0;
            let unripe = (6 * 3_600_000).min(share_of(age, 6.0 / 78.0));
            let counts = past.kept.iter().filter(|(at, _)| age - at >= unripe);
            let mut values: Vec<i64> = counts.map(|(_, value)| *value).collect();
            values.sort_unstable();
            let middle = values[values.len() / 2];
            let mut apart: Vec<i64> = values.iter().map(|v| (v - middle).abs()).collect();
            apart.sort_unstable();
            let spread = thousandths(apart[apart.len() / 2] as f64 / 1000.0 * MAD_TO_SD);
            let found = (past.counted, past.median, past.spread);
            assert_eq!(found, (values.len(), middle, spread), "{k}");
        }
    }

    #[test]
    fn it_spans_a_day_and_no_more() {
        let mut past = Past::default();
        for second in 0..3 * 86_400_i64 {
            let value = if second < 2 * 86_400 { 0 } else { 1000 };
            past.accept(value, at(second), Reach::DAY);
        }
        assert!(past.kept.len() <= KEPT, "{}", past.kept.len());
        let oldest = past.kept.front().unwrap().0;
        assert!(oldest >= 2 * 86_400_000 - 1_000_000, "{oldest}");
        assert_eq!(past.usual().unwrap().0, 1000);
        assert!(!past.is_provisional());
    }

    #[test]
    fn the_newest_hours_do_not_count_for_bit_errors() {
        let mut past = Past::default();
        let reach = Reach::THREE_DAYS_TO_SIX_HOURS_AGO;
        for hour in 0..100 {
            past.accept(if hour < 95 { 0 } else { 500 }, at(3600 * hour), reach);
        }
        assert_eq!(past.usual(), Some((0, 0)));
        let ripe = past.kept.iter().filter(|(age, _)| *age <= 93 * 3_600_000);
        assert_eq!(past.counted, ripe.count());
    }

    #[expect(clippy::cast_possible_truncation, reason = "a few thousand at most")]
    fn whole(value: f64) -> i64 {
        value as i64
    }

    #[test]
    fn the_spread_is_that_of_normal_noise_whatever_the_outliers() {
        let mut past = Past::default();
        // Sums of uniform dice are near enough to normal; their deviation is 100.
        let mut state = 7_u64;
        let mut dice = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5
        };
        for k in 0..95 {
            let noise: f64 = (0..12).map(|_| dice()).sum();
            let odd = if k % 10 == 0 { 9000.0 } else { 0.0 };
            past.accept(whole(noise * 100.0 + odd), at(900 * k), Reach::DAY);
        }
        let (_, spread) = past.usual().unwrap();
        assert!((80..=135).contains(&spread), "{spread}");
    }

    #[test]
    fn time_that_steps_back_keeps_nothing() {
        let mut past = Past::default();
        for second in [10, 9, 10, 8] {
            past.accept(1, at(second), Reach::DAY);
        }
        assert_eq!(past.kept.len(), 1);
    }
}
