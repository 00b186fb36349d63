//! A slow change and what it leads to: when the limit will be reached, with an interval.
//!
//! Readings are summed up over six hours, and the sums kept for thirty days. A straight line
//! through them counts as a drift when its slope is far beyond chance, with the dependence of
//! neighbouring sums taken into account, and when it leads to the limit within two months. Lines
//! through the newest week and fortnight alone are tried as well: a change that began after quiet
//! weeks is no straight line through all of them. Those are believed half as far again ahead as
//! they reach back. What has passed its limit has not ended: it has arrived.

use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use silkline_protocol::time::Timestamp;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::past::{thousandths, whole};
use super::{Change, Severity};

/// Length of a sum: four a day, so that a day's swing is seen as one.
const BLOCK: Duration = Duration::from_secs(6 * 3600);

/// Sums that are kept, and needed: thirty days, a week.
const KEPT: usize = 120;
const NEEDED: usize = 28;

/// The newest sums that are looked at by themselves: a fortnight, a week.
const NEWEST: [usize; 2] = [56, 28];

/// A line through those leads so many times as far as it reaches back.
const AHEAD: f64 = 1.5;

/// Both halves of those go on like the whole, this much of it at least: a wave does not.
const ALIKE: f64 = 0.6;

/// The first sums tell where it all began: a day, as after commissioning.
const ORIGIN: usize = 4;

/// A slope less probable than this by chance is real: three lines looked at four times a day, a
/// point is wrong once in 700 years.
const CHANCE: f64 = 1e-6 / 3.0;

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
    /// Days that the line was drawn through.
    past: f64,
    /// Days ahead that it is believed for.
    horizon: f64,
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
        self.judge(bound, at)
    }

    /// The line through the past that is least by chance, where there is enough of it.
    #[must_use]
    pub fn forecast(&self, limit: f64) -> Option<Forecast> {
        let all = self.forecasts(limit).into_iter();
        all.min_by(|a, b| a.chance.total_cmp(&b.chance))
    }

    /// The lines through all of the past, and through the newest of it.
    fn forecasts(&self, limit: f64) -> Vec<Forecast> {
        let known = self.blocks.len();
        let whole = (known >= NEEDED).then(|| self.through(known, HORIZON_DAYS, limit));
        let newest = NEWEST.into_iter().filter(|newest| *newest < known);
        let newest = newest.filter(|newest| self.goes_on(*newest)).map(|newest| {
            let ahead = AHEAD * newest as f64 * per_day();
            self.through(newest, ahead.min(HORIZON_DAYS), limit)
        });
        whole.into_iter().chain(newest).flatten().collect()
    }

    /// Whether the older and the newer half of the `newest` sums change like both together.
    fn goes_on(&self, newest: usize) -> bool {
        let skipped = self.blocks.len().saturating_sub(newest);
        let of = |skip: usize, take: usize| {
            let blocks = self.blocks.iter().skip(skip).take(take);
            let points: Vec<(f64, f64)> = blocks
                .map(|(number, mean)| (*number as f64, whole(*mean)))
                .collect();
            Line::through(&points).map_or(0.0, |line| line.slope)
        };
        let (half, slope) = (newest / 2, of(skipped, newest));
        [skipped, skipped + half]
            .into_iter()
            .all(|skip| of(skip, half) * slope.signum() >= ALIKE * slope.abs())
    }

    /// The line through the `newest` sums.
    fn through(&self, newest: usize, horizon: f64, limit: f64) -> Option<Forecast> {
        let skipped = self.blocks.len().saturating_sub(newest);
        let blocks = self.blocks.iter().skip(skipped);
        let first = blocks.clone().next()?.0;
        let points: Vec<(f64, f64)> = blocks
            .map(|(number, mean)| ((number - first) as f64 * per_day(), whole(*mean)))
            .collect();
        let line = Line::through(&points)?;
        let now = points.last()?.0;
        let left = limit - line.at(now);
        // Beyond its limit is where it did not begin.
        let from_origin = limit - whole(self.origin?);
        let beyond = |value: f64| (limit - value) * from_origin < 0.0;
        let newest = whole(self.blocks.back()?.1);
        let half_way = (newest - whole(self.origin?)) / from_origin > 0.5;
        let arrived = beyond(newest) || (beyond(line.at(now)) && half_way);
        let student = StudentsT::new(0.0, 1.0, line.freedom).ok()?;
        let chance = 2.0 * student.cdf(-(line.slope / line.error).abs());
        let ahead = Some(left / line.slope).filter(|days| *days >= 0.0 && !beyond(line.at(now)));
        let days = if arrived { Some(0.0) } else { ahead };
        let wide = student.inverse_cdf(0.975) * line.error_at(now + days.unwrap_or(0.0));
        let wide = if arrived {
            0.0
        } else {
            wide / line.slope.abs()
        };
        Some(Forecast {
            slope: line.slope,
            chance,
            days: days.unwrap_or(f64::INFINITY),
            interval: days.map_or([f64::INFINITY; 2], |days| {
                [(days - wide).max(0.0), days + wide]
            }),
            past: now,
            horizon,
        })
    }

    /// Forgets everything: what is now is as it is meant to be.
    pub fn accept(&mut self, at: Timestamp) -> Option<Change> {
        let raised = self.raised.is_some();
        *self = Self::default();
        raised.then_some(Change::Ended { to: at })
    }

    fn judge(&mut self, limit: f64, at: Timestamp) -> Option<Change> {
        let all = self.forecasts(limit);
        let real = all.iter().filter(|f| f.is_real());
        let Some(found) = real.min_by(|a, b| a.chance.total_cmp(&b.chance)) else {
            // It has stopped when no slope is better than chance, or leads anywhere near.
            let gone = all.iter().all(Forecast::is_gone);
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
                let past = Duration::try_from_secs_f64(found.past * 86_400.0);
                Some(Change::Began {
                    from: at - past.unwrap_or_default(),
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

/// Days of a sum.
const fn per_day() -> f64 {
    BLOCK.as_secs_f64() / 86_400.0
}

impl Forecast {
    fn is_real(&self) -> bool {
        self.chance < CHANCE && self.days <= self.horizon
    }

    /// As good as chance, or leading nowhere near. At its limit it is not gone.
    fn is_gone(&self) -> bool {
        self.days > 0.0 && (self.chance > 1e-3 || self.days > 2.0 * self.horizon)
    }

    fn said(&self, limit: f64) -> String {
        let [soon, late] = self.interval;
        if self.days <= 0.0 {
            return format!("{:+.3} a day; is beyond {limit:.2}", self.slope);
        }
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
    fn a_drift_after_quiet_weeks_is_found_before_its_limit() {
        for (per_day, quiet) in [(0.1, 0.02), (0.2, 0.05), (0.3, 0.3)] {
            let mut noise = Noise::new(17);
            let dice: Vec<f64> = (0..24 * 60).map(|_| quiet * noise.next()).collect();
            let mut drift = Drift::default();
            let level = |hour: i64| {
                let gone = per_day * (hour - 24 * 20).max(0) as f64 / 24.0;
                -17.0 - gone + dice[place(hour)]
            };
            let said = hours(&mut drift, 24 * 45, level);
            let Some((hour, Change::Began { from, .. })) = said.first() else {
                panic!("{per_day}: {said:?}")
            };
            let (hour, limit) = (*hour as f64, 24.0 * (20.0 + 3.0 / per_day));
            assert!(hour < limit, "{per_day}: {hour} of {limit}");
            assert!(*from >= Timestamp::from_seconds(86_400 * 12), "{from}");
        }
    }

    #[test]
    fn a_drift_that_has_passed_its_limit_is_not_over() {
        let mut drift = Drift::default();
        let level = |hour: i64| -17.0 - 0.1 * hour.min(24 * 40) as f64 / 24.0;
        let said = hours(&mut drift, 24 * 100, level);
        assert!(
            matches!(
                said.last(),
                Some((
                    _,
                    Change::Worse {
                        severity: Severity::Major,
                        ..
                    }
                ))
            ),
            "{said:?}"
        );
        let at = |hour: i64| Timestamp::from_seconds((24 * 100 + hour) * 3600);
        let back = (0..24).find_map(|hour| drift.reading(-17.0, at(hour), |_| Some(-20.0)));
        assert!(matches!(back, Some(Change::Ended { .. })), "{back:?}");
    }

    #[test]
    fn days_that_swing_about_the_limit_end_no_drift() {
        let day = |hour: i64| 0.3 * (core::f64::consts::TAU * hour as f64 / 24.0).sin();
        let mut drift = Drift::default();
        let level = |hour: i64| -17.0 + day(hour) - 0.3 * (hour - 24 * 10).max(0) as f64 / 24.0;
        let said = hours(&mut drift, 24 * 30, level);
        let ends = said
            .iter()
            .filter(|(_, c)| matches!(c, Change::Ended { .. }));
        assert_eq!(ends.count(), 0, "{said:?}");
    }

    #[test]
    fn waves_of_weather_are_no_drift() {
        for (seed, days) in (0..60).flat_map(|seed| [3.0, 5.0, 9.0].map(|days| (seed, days))) {
            let mut noise = Noise::new(seed * 91 + 3);
            let dice: Vec<f64> = (0..24 * 60).map(|_| 0.1 * noise.next()).collect();
            let wave = |hour: i64| {
                0.4 * (core::f64::consts::TAU * hour as f64 / 24.0 / days + seed as f64).sin()
            };
            let mut drift = Drift::default();
            let said = hours(&mut drift, 24 * 60, |hour| {
                -17.0 + wave(hour) + dice[place(hour)]
            });
            assert!(said.is_empty(), "{seed} {days}: {said:?}");
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
