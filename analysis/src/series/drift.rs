//! A slow change and what it leads to: when the limit will be reached, with an interval.
//!
//! Readings are summed up over six hours, and the sums kept for thirty days. A straight line
//! through them counts as a drift when its slope is far beyond chance, with the dependence of
//! neighbouring sums taken into account, and when it leads to the limit within two months.

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::past::{millis, thousandths, whole};
use super::{Change, Severity};

/// Length of a sum: four a day, so that a day's swing is seen as one.
const BLOCK: Duration = Duration::from_secs(6 * 3600);

/// Sums that are kept, and needed: thirty days, a week.
const KEPT: usize = 120;
const NEEDED: usize = 28;

/// The first sums tell where it all began: a day, as after commissioning.
const ORIGIN: usize = 4;

/// A slope less probable than this by chance is real: looked at four times a day, a point is
/// wrong once in 700 years.
const CHANCE: f64 = 1e-6;

/// Limits further away than this many days are nobody's worry yet.
const HORIZON_DAYS: f64 = 60.0;

/// Watches one quantity for a slow change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Number of the block and its mean in thousandths.
    #[serde(with = "super::packed")]
    blocks: VecDeque<(i64, i64)>,
    /// The mean of the first day.
    origin: Option<i64>,
    /// The block that is being summed up: number, sum, count.
    open: (i64, i64, i64),
    raised: Option<Severity>,
}

/// A straight line through the past and where it leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Units a day.
    pub slope: f64,
    /// The probability of such a slope by chance.
    pub chance: f64,
    /// Days until the limit.
    pub days: f64,
    /// Holds the days with a probability of 95 %.
    pub interval: [f64; 2],
}

impl Drift {
    /// Takes a value of `at`. `limit` is what it must not reach, given where it began.
    pub fn reading(
        &mut self,
        value: f64,
        at: Timestamp,
        limit: impl Fn(f64) -> Option<f64>,
    ) -> Option<Change> {
        let block = at.nanos() / i64::try_from(BLOCK.as_nanos()).unwrap_or(i64::MAX);
        let (number, sum, count) = self.open;
        if block <= number || count == 0 {
            // What comes late belongs to the present sum as well as to any.
            self.open = (
                block.max(number),
                sum.saturating_add(thousandths(value)),
                count + 1,
            );
            return None;
        }
        self.open = (block, thousandths(value), 1);
        self.blocks.push_back((number, sum / count.max(1)));
        if self.blocks.len() > KEPT {
            self.blocks.pop_front();
        }
        if self.origin.is_none() && self.blocks.len() == ORIGIN {
            let sum: i64 = self.blocks.iter().map(|(_, mean)| mean).sum();
            self.origin = Some(sum / i64::try_from(ORIGIN).unwrap_or(1));
        }
        let bound = limit(whole(self.origin?))?;
        self.judge(self.forecast(bound), bound, at)
    }

    /// The line through the past, where there is enough of it.
    #[must_use]
    pub fn forecast(&self, limit: f64) -> Option<Forecast> {
        if self.blocks.len() < NEEDED {
            return None;
        }
        let per_day = BLOCK.as_secs_f64() / 86_400.0;
        let first = self.blocks.front()?.0;
        let days = |number: i64| (number - first) as f64 * per_day;
        let points: Vec<(f64, f64)> = self
            .blocks
            .iter()
            .map(|(number, mean)| (days(*number), whole(*mean)))
            .collect();
        let line = Line::through(&points)?;
        let now = points.last()?.0;
        let left = limit - line.at(now);
        let student = StudentsT::new(0.0, 1.0, line.freedom).ok()?;
        let chance = 2.0 * student.cdf(-(line.slope / line.error).abs());
        let days = Some(left / line.slope).filter(|days| *days >= 0.0);
        let wide = student.inverse_cdf(0.975) * line.error_at(now + days.unwrap_or(0.0));
        let wide = wide / line.slope.abs();
        Some(Forecast {
            slope: line.slope,
            chance,
            days: days.unwrap_or(f64::INFINITY),
            interval: days.map_or([f64::INFINITY; 2], |days| {
                [(days - wide).max(0.0), days + wide]
            }),
        })
    }

    /// Forgets everything: what is now is as it is meant to be.
    pub fn accept(&mut self, at: Timestamp) -> Option<Change> {
        let raised = self.raised.is_some();
        *self = Self::default();
        raised.then_some(Change::Ended { to: at })
    }

    fn judge(&mut self, forecast: Option<Forecast>, limit: f64, at: Timestamp) -> Option<Change> {
        let real = forecast.filter(|f| f.chance < CHANCE && f.days <= HORIZON_DAYS);
        let Some(found) = real else {
            // It has stopped when its slope is as good as chance, or leads nowhere near.
            let gone = forecast.is_none_or(|f| f.chance > 1e-3 || f.days > 2.0 * HORIZON_DAYS);
            return (gone && self.raised.take().is_some()).then_some(Change::Ended { to: at });
        };
        let severity = match found.days {
            days if days <= 3.0 => Severity::Major,
            days if days <= 14.0 => Severity::Minor,
            _ => Severity::Warning,
        };
        let detail = || found.said(limit);
        match self.raised {
            None => {
                self.raised = Some(severity);
                let span = self.blocks.front().zip(self.blocks.back());
                let blocks = span.map_or(0, |(first, last)| last.0 - first.0);
                let past = millis(BLOCK).saturating_mul(blocks);
                Some(Change::Began {
                    from: at - Duration::from_millis(u64::try_from(past).unwrap_or(0)),
                    severity,
                    detail: detail(),
                })
            }
            Some(raised) if severity > raised => {
                self.raised = Some(severity);
                Some(Change::Worse {
                    severity,
                    detail: detail(),
                })
            }
            Some(_) => None,
        }
    }
}

impl Forecast {
    fn said(&self, limit: f64) -> String {
        let [soon, late] = self.interval;
        format!(
            "{:+.3} a day; reaches {limit:.2} in {:.0} days ({soon:.0} to {late:.0})",
            self.slope, self.days
        )
    }
}

/// A straight line by least squares, with what neighbours share taken off its certainty.
struct Line {
    slope: f64,
    error: f64,
    freedom: f64,
    centre: (f64, f64),
    /// Variance of the points along x.
    extent: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x0, y0) = (mean(|p| p.0), mean(|p| p.1));
        let xx: f64 = points.iter().map(|(x, _)| (x - x0).powi(2)).sum();
        let xy: f64 = points.iter().map(|(x, y)| (x - x0) * (y - y0)).sum();
        if xx <= 0.0 {
            return None;
        }
        let slope = xy / xx;
        let left: Vec<f64> = points
            .iter()
            .map(|(x, y)| y - y0 - slope * (x - x0))
            .collect();
        let squares: f64 = left.iter().map(|e| e * e).sum();
        let pairs = left.iter().zip(left.iter().skip(1));
        let shared: f64 = pairs.map(|(a, b)| a * b).sum();
        let alike = (shared / squares.max(f64::MIN_POSITIVE)).clamp(0.0, 0.95);
        let counted = (n * (1.0 - alike) / (1.0 + alike)).max(4.0);
        // Means are whole thousandths: so much is unknown even of a perfect line.
        let variance = squares / n + 1e-6 / 12.0;
        Some(Self {
            slope,
            error: (variance * n / (counted - 2.0) / xx).sqrt(),
            freedom: counted - 2.0,
            centre: (x0, y0),
            extent: xx / n,
        })
    }

    /// One standard deviation of the line's own place at `x`.
    fn error_at(&self, x: f64) -> f64 {
        self.error * (self.extent + (x - self.centre.0).powi(2)).sqrt()
    }

    fn at(&self, x: f64) -> f64 {
        self.centre.1 + self.slope * (x - self.centre.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a standard deviation of one, the half of it shared with the hour before.
    struct Noise {
        state: u64,
        last: f64,
    }

    impl Noise {
        fn new(seed: u64) -> Self {
            Self {
                state: seed,
                last: 0.0,
            }
        }

        fn next(&mut self) -> f64 {
            let mut white = 0.0;
            for _ in 0..12 {
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                white += (self.state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5;
            }
            self.last = 0.7 * self.last + 0.714 * white;
            self.last
        }
    }

    fn place(hour: i64) -> usize {
        usize::try_from(hour).unwrap()
    }

    fn hours(drift: &mut Drift, count: i64, level: impl Fn(i64) -> f64) -> Vec<(i64, Change)> {
        let mut said = Vec::new();
        for hour in 0..count {
            let at = Timestamp::from_seconds(3600 * hour);
            let limit = |origin: f64| Some(origin - 3.0);
            said.extend(drift.reading(level(hour), at, limit).map(|c| (hour, c)));
        }
        said
    }

    #[test]
    fn a_slow_loss_is_said_with_the_days_that_are_left() {
        let mut noise = Noise::new(3);
        let dice: Vec<f64> = (0..1000).map(|_| 0.1 * noise.next()).collect();
        let mut drift = Drift::default();
        // 0.06 dB a day: 3 dB are gone after 50 days.
        let level = |hour: i64| -17.0 - 0.06 * hour as f64 / 24.0 + dice[place(hour)];
        let said = hours(&mut drift, 24 * 20, level);
        let (
            hour,
            Change::Began {
                detail, severity, ..
            },
        ) = &said[0]
        else {
            panic!("{said:?}")
        };
        assert!(*hour < 24 * 15, "{hour}");
        assert_eq!(*severity, Severity::Warning);
        assert!(detail.contains("days"), "{detail}");
        let found = drift.forecast(-20.0).unwrap();
        assert!((found.days - 30.0).abs() < 5.0, "{found:?}");
    }

    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let (mut held, mut all) = (0, 0);
        for seed in 0..200 {
            let mut noise = Noise::new(seed * 77 + 5);
            let dice: Vec<f64> = (0..24 * 20).map(|_| 0.3 * noise.next()).collect();
            let mut drift = Drift::default();
            let level = |hour: i64| -17.0 - 0.1 * hour as f64 / 24.0 + dice[place(hour)];
            hours(&mut drift, 24 * 20, level);
            let found = drift.forecast(-20.0).unwrap();
            // The last whole block is around day 19.6, where 1.96 dB are gone.
            let truth = 3.0 / 0.1 - 19.6;
            let [soon, late] = found.interval;
            held += u32::from(soon - 0.6 <= truth && truth <= late + 0.6);
            all += 1;
        }
        assert!(held * 100 >= all * 90, "{held} of {all}");
    }

    #[test]
    fn noise_and_days_are_no_drift() {
        for seed in 0..100 {
            let mut noise = Noise::new(seed * 31 + 1);
            let dice: Vec<f64> = (0..24 * 30).map(|_| 0.5 * noise.next()).collect();
            let day = |hour: i64| 0.3 * (core::f64::consts::TAU * hour as f64 / 24.0).sin();
            let mut drift = Drift::default();
            let level = |hour: i64| -17.0 + day(hour) + dice[place(hour)];
            let said = hours(&mut drift, 24 * 30, level);
            assert!(said.is_empty(), "{seed}: {said:?}");
        }
    }

    #[test]
    fn a_drift_that_stops_ends() {
        let mut drift = Drift::default();
        let level = |hour: i64| -17.0 - 0.1 * (hour.min(24 * 12)) as f64 / 24.0;
        let said = hours(&mut drift, 24 * 80, level);
        assert!(
            matches!(said.last(), Some((_, Change::Ended { .. }))),
            "{said:?}"
        );
    }

    #[test]
    fn a_week_is_needed() {
        let mut drift = Drift::default();
        hours(&mut drift, 24 * 6, |hour| -17.0 - 0.01 * hour as f64);
        assert_eq!(drift.forecast(-20.0), None);
    }
}
