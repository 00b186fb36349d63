//! A limit is passed: two levels on each side, with hysteresis.
//!
//! Two readings in a row raise it, so that one garbled value does not. It ends when the value has
//! come back by a part of the limit's own size, so that noise on the limit does not flap.

use serde::{Deserialize, Serialize};
use silkline_protocol::device::Limits;
use silkline_protocol::time::Timestamp;

use super::{Change, Severity};

/// How far back inside, as a part of the limit's magnitude.
const BACK: f64 = 0.01;

/// Readings in a row that raise it.
const IN_A_ROW: u8 = 2;

/// Watches one point against its limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    limits: Limits,
    /// How far back inside at least, in thousandths of the unit.
    back: i64,
    raised: Option<Severity>,
    /// Readings in a row beyond a limit that is not raised yet, and the first one's time.
    beyond: u8,
    first: Timestamp,
}

impl Limit {
    /// Watches against `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Ends only this far inside, in the unit of the limits: for limits near zero, and decibels.
    #[must_use]
    pub fn with_back(mut self, back: f64) -> Self {
        self.back = super::past::thousandths(back);
        self
    }

    /// Changes the limits; what is raised is judged anew by the next reading.
    pub const fn set(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a `value` of `at`, in the unit of the limits.
    pub fn reading(&mut self, value: f64, at: Timestamp) -> Option<Change> {
        let now = self.beyond_which(value, 0.0, 0.0);
        let held = self.beyond_which(value, BACK, super::past::whole(self.back));
        match (self.raised, now) {
            (None, None) => {
                self.beyond = 0;
                None
            }
            (None, Some((severity, limit))) => {
                if self.beyond == 0 {
                    self.first = at;
                }
                self.beyond += 1;
                (self.beyond >= IN_A_ROW).then(|| self.begin(severity, value, limit))
            }
            (Some(raised), Some((severity, limit))) if severity > raised => {
                self.raised = Some(severity);
                Some(Change::Worse {
                    severity,
                    detail: said(value, limit),
                })
            }
            (Some(_), _) if held.is_none() => {
                self.raised = None;
                self.beyond = 0;
                Some(Change::Ended { to: at })
            }
            (Some(_), _) => None,
        }
    }

    fn begin(&mut self, severity: Severity, value: f64, limit: f64) -> Change {
        self.raised = Some(severity);
        Change::Began {
            from: self.first,
            severity,
            detail: said(value, limit),
        }
    }

    /// The worst limit that `value` is beyond, each drawn in by `back` of its size, `least` at
    /// least.
    fn beyond_which(&self, value: f64, back: f64, least: f64) -> Option<(Severity, f64)> {
        let drawn = |limit: f64| (back * limit.abs()).max(least);
        let below = |limit: Option<f64>| limit.filter(|l| value < l + drawn(*l));
        let above = |limit: Option<f64>| limit.filter(|l| value > l - drawn(*l));
        let major = below(self.limits.low_major).or_else(|| above(self.limits.high_major));
        let warning = below(self.limits.low_warning).or_else(|| above(self.limits.high_warning));
        major
            .map(|l| (Severity::Major, l))
            .or_else(|| warning.map(|l| (Severity::Minor, l)))
    }
}

fn said(value: f64, limit: f64) -> String {
    if (1e-300..0.01).contains(&limit.abs()) {
        return format!("{value:.2e}, limit {limit:.2e}");
    }
    format!("{value:.2}, limit {limit:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battery() -> Limit {
        Limit::new(Limits {
            low_warning: Some(46.0),
            low_major: Some(43.2),
            ..Limits::default()
        })
    }

    fn run(limit: &mut Limit, values: &[f64]) -> Vec<Option<Change>> {
        let mut at = 0;
        let mut take = |value: &f64| {
            at += 1;
            limit.reading(*value, Timestamp::from_seconds(at))
        };
        values.iter().map(&mut take).collect()
    }

    #[test]
    fn one_reading_raises_nothing_two_do() {
        let said = run(&mut battery(), &[50.0, 45.0, 50.0, 45.0, 44.9]);
        assert!(said[..4].iter().all(Option::is_none));
        let Some(Change::Began { from, severity, .. }) = &said[4] else {
            panic!("{said:?}")
        };
        assert_eq!(
            (*from, *severity),
            (Timestamp::from_seconds(4), Severity::Minor)
        );
    }

    #[test]
    fn it_gets_worse_and_ends_only_well_inside() {
        let said = run(&mut battery(), &[45.0, 45.0, 43.0, 45.0, 46.1, 46.2, 47.0]);
        assert!(matches!(
            said[2],
            Some(Change::Worse {
                severity: Severity::Major,
                ..
            })
        ));
        assert!(said[3..6].iter().all(Option::is_none));
        assert!(matches!(said[6], Some(Change::Ended { .. })));
    }

    #[test]
    fn noise_around_a_limit_of_zero_does_not_flap() {
        let limits = Limits {
            low_warning: Some(0.0),
            ..Limits::default()
        };
        let mut limit = Limit::new(limits).with_back(0.5);
        let said = run(&mut limit, &[-0.1, -0.1, 0.1, -0.1, 0.3, 0.6]);
        assert!(matches!(said[1], Some(Change::Began { .. })));
        assert!(said[2..5].iter().all(Option::is_none));
        assert!(matches!(said[5], Some(Change::Ended { .. })));
    }

    #[test]
    fn without_limits_nothing_is_ever_wrong() {
        assert!(
            run(&mut Limit::default(), &[1e9, -1e9, 0.0])
                .iter()
                .all(Option::is_none)
        );
    }
}
