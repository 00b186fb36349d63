//! By what each role is judged where nobody says otherwise, and how often that is wrong.
//!
//! | role | D | k | in a row | at once | false alarms a year at a poll a second, white noise |
//! |---|---|---|---|---|---|
//! | light in and out, supervisory | 3 dB | 5 | 2 | 2 limits | 0.000003 |
//! | OSNR | 0.5 dB | 5 | 2 | 2 limits | 0.000003 |
//! | span loss | 1 dB | 5 | 3 | 3 dB | < 0.000001 |
//! | return loss | 3 dB | 5 | 3 | 2 limits | < 0.000001 |
//! | bit errors | 0.30 decades | 3 | 3 | a decade | 0.08 |
//!
//! Light that is 0.8 dB below quiet days' for an hour counts too: a connector, a bend, a splice.
//!
//! Real noise is not white: it has days, and jumps. On 25 channels of a live network over 15 days
//! the rule for bit errors raised nothing that was not there.

use core::time::Duration;

use silkline_protocol::device::{Limits, Role};
use statrs::distribution::{ContinuousCDF, Normal};

use super::Severity;
use super::past::Reach;
use super::step::{Rule, Scale, Side};

/// Seconds in a year.
const YEAR_S: f64 = 365.25 * 86_400.0;

/// Light: a live network moves its levels by 18 dB in minutes, on purpose. So a fall is worth a
/// look, no more, until something else says that it hurts.
const LIGHT: Rule = Rule {
    bad: Side::Low,
    least: 3.0,
    lasting: Some(0.8),
    deviations: 5.0,
    resolution: 0.05,
    in_a_row: 2,
    at_once: None,
    reach: Reach::DAY,
    severity: [Severity::Warning; 2],
    scale: Scale::Unit(" dBm"),
};

/// The rule by which a role leaves its own past, where it has one.
///
/// Bit errors come as their decimal logarithm: see [`scaled`].
#[must_use]
pub const fn rule(role: Role) -> Option<Rule> {
    match role {
        Role::LightIn | Role::LightOut | Role::SupervisoryIn => Some(LIGHT),
        Role::Osnr => Some(Rule {
            least: 0.5,
            lasting: None,
            resolution: 0.05,
            severity: [Severity::Minor; 2],
            scale: Scale::Unit(" dB"),
            ..LIGHT
        }),
        Role::SpanLoss => Some(Rule {
            bad: Side::High,
            least: 1.0,
            lasting: None,
            in_a_row: 3,
            at_once: Some(3.0),
            severity: [Severity::Warning, Severity::Minor],
            scale: Scale::Unit(" dB"),
            ..LIGHT
        }),
        Role::ReturnLoss => Some(Rule {
            lasting: None,
            in_a_row: 3,
            scale: Scale::Unit(" dB"),
            ..LIGHT
        }),
        Role::Ber => Some(Rule {
            bad: Side::High,
            least: 0.3,
            lasting: None,
            deviations: 3.0,
            resolution: 0.02,
            in_a_row: 3,
            at_once: Some(1.0),
            reach: Reach::THREE_DAYS_TO_SIX_HOURS_AGO,
            severity: [Severity::Minor, Severity::Major],
            scale: Scale::Ratio,
        }),
        Role::Gain
        | Role::PumpBias
        | Role::PumpTemperature
        | Role::FeedVoltage
        | Role::FeedCurrent
        | Role::Temperature
        | Role::Humidity
        | Role::BatteryVoltage
        | Role::BatteryCharge
        | Role::MainsVoltage
        | Role::Door
        | Role::DeviceAlarm
        | Role::State
        | Role::Other => None,
    }
}

/// The value that a role's rule is about; nothing for a ratio of zero, which has no logarithm.
#[must_use]
pub fn scaled(role: Role, value: f64) -> Option<f64> {
    match role {
        Role::Ber if value > 0.0 => Some(value.log10()),
        Role::Ber => None,
        _ => Some(value),
    }
}

/// Limits against a value that was measured when all was well: by one step a warning, by three
/// the service is at risk.
///
/// # Source
///
/// Common practice; a median alone swallows a slow drift.
#[must_use]
pub fn around_commissioned(role: Role, usual: f64) -> Limits {
    let none = Limits::default();
    match role {
        Role::LightIn | Role::LightOut | Role::SupervisoryIn | Role::Osnr => Limits {
            low_warning: Some(usual - 1.0),
            low_major: Some(usual - 3.0),
            ..none
        },
        Role::SpanLoss => Limits {
            high_warning: Some(usual + 1.0),
            high_major: Some(usual + 3.0),
            ..none
        },
        Role::PumpBias => Limits {
            high_warning: Some(usual * 1.1),
            high_major: Some(usual * 1.2),
            ..none
        },
        _ => none,
    }
}

/// How often a rule raises something in white normal noise, a year, at a poll every `poll`.
#[must_use]
pub fn false_alarms_a_year(rule: &Rule, poll: Duration) -> f64 {
    let Ok(normal) = Normal::new(0.0, 1.0) else {
        return 0.0;
    };
    let one = normal.cdf(-rule.deviations);
    YEAR_S / poll.as_secs_f64().max(1e-3) * one.powi(i32::from(rule.in_a_row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Change;
    use crate::series::step::Step;
    use silkline_protocol::time::Timestamp;

    #[test]
    fn the_stated_rates_are_those_of_the_rules() {
        let rate = |role| false_alarms_a_year(&rule(role).unwrap(), Duration::from_secs(1));
        for (role, stated) in [
            (Role::LightIn, 3e-6),
            (Role::Osnr, 3e-6),
            (Role::SpanLoss, 1e-6),
            (Role::Ber, 0.08),
        ] {
            assert!(rate(role) <= stated, "{role:?}: {}", rate(role));
        }
    }

    /// A rule that raises often enough to be counted: the formula holds for it, so it does for
    /// those that raise once in a lifetime.
    #[test]
    fn noise_raises_as_often_as_the_formula_says() {
        let rule = Rule {
            least: 0.0,
            lasting: None,
            deviations: 3.0,
            in_a_row: 1,
            at_once: Some(100.0),
            resolution: 0.0,
            ..LIGHT
        };
        let mut state = 11_u64;
        let mut dice = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) as f64 + 0.5) / f64::from(1_u32 << 31)
        };
        let mut raised = 0;
        let (days, poll) = (40, 60);
        let mut step = Step::default();
        for k in 0..days * 86_400 / poll {
            let (u, v) = (dice(), dice());
            let noise = (-2.0 * f64::ln(u)).sqrt() * (core::f64::consts::TAU * v).cos();
            let at = Timestamp::from_seconds(k * poll);
            let said = step.reading(-17.0 + noise, at, &rule);
            raised += u32::from(matches!(said, Some(Change::Began { .. })));
        }
        let poll = Duration::from_secs(60);
        let stated = false_alarms_a_year(&rule, poll) * days as f64 / 365.25;
        let ratio = f64::from(raised) / stated;
        // The deviation is estimated from 96 readings, and a raised one waits for its end.
        assert!((0.4..=2.5).contains(&ratio), "{raised} of {stated}");
    }

    #[test]
    fn a_ratio_of_zero_is_no_value() {
        assert_eq!(scaled(Role::Ber, 0.0), None);
        assert_eq!(scaled(Role::Ber, 0.001), Some(-3.0));
        assert_eq!(scaled(Role::Osnr, 0.0), Some(0.0));
    }
}
