//! By what one point is judged: its role, its device's own word, the plant, the settings.

use silkline_analysis::series::AnomalyKind;
use silkline_analysis::series::rules;
use silkline_analysis::series::step::Rule;
use silkline_protocol::device::{About, Limits, Role};
use silkline_protocol::id::PointName;

use crate::engine::settings::PointRule;

/// By what one point is judged. No state: worked out anew after every start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tuned {
    pub(super) role: Role,
    pub(super) limits: Limits,
    /// How it leaves its own past.
    pub(super) rule: Option<Rule>,
    /// What is not looked for.
    pub(super) off: Vec<AnomalyKind>,
}

impl Default for Tuned {
    fn default() -> Self {
        Self {
            role: Role::Other,
            limits: Limits::default(),
            rule: None,
            off: Vec::new(),
        }
    }
}

impl Tuned {
    /// What the device tells, then what the settings say.
    pub(super) fn of(
        (device, name): (&str, &PointName),
        about: Option<&About>,
        feed: Option<Limits>,
        rules: &[PointRule],
    ) -> Self {
        let (role, limits) = described(about, name, feed);
        let mut tuned = Self {
            role,
            limits,
            rule: rules::rule(role),
            off: Vec::new(),
        };
        for rule in rules.iter().filter(|rule| rule.fits(device, name, role)) {
            tuned.bend(rule);
        }
        tuned
    }

    fn bend(&mut self, by: &PointRule) {
        if let Some(usual) = by.usual {
            self.limits = rules::around_commissioned(self.role, usual);
        }
        let limits = &mut self.limits;
        for (own, set) in [
            (&mut limits.low_warning, by.limits.low_warning),
            (&mut limits.low_major, by.limits.low_major),
            (&mut limits.high_warning, by.limits.high_warning),
            (&mut limits.high_major, by.limits.high_major),
        ] {
            *own = set.or(*own);
        }
        if let Some(rule) = &mut self.rule {
            rule.least = by.least.unwrap_or(rule.least);
            // Below what somebody has set nothing is remarkable, however long it lasts.
            rule.lasting = rule.lasting.map(|own| by.least.unwrap_or(own));
            rule.deviations = by.deviations.unwrap_or(rule.deviations);
            rule.in_a_row = by.in_a_row.unwrap_or(rule.in_a_row);
        }
        self.off.extend(&by.off);
    }

    /// Whether a kind is looked for.
    pub(super) fn looks_for(&self, kind: AnomalyKind) -> bool {
        !self.off.contains(&kind)
    }

    /// What a slow change must not reach, given where it began; for bit errors their logarithm.
    pub(super) fn bound(&self, origin: f64) -> Option<f64> {
        let limits = &self.limits;
        let low = limits.low_major.or(limits.low_warning);
        let high = limits.high_major.or(limits.high_warning);
        match self.role {
            Role::LightIn | Role::SupervisoryIn | Role::Osnr => Some(low.unwrap_or(origin - 3.0)),
            Role::SpanLoss => Some(high.unwrap_or(origin + 3.0)),
            Role::PumpBias => Some(high.unwrap_or(origin * 1.2)),
            Role::Ber => high.filter(|high| *high > 0.0).map(f64::log10),
            Role::BatteryVoltage => low,
            Role::Temperature | Role::PumpTemperature => high,
            _ => None,
        }
    }
}

/// What a point means and its limits: by the device's own word, by its name as long as the device
/// has not told.
fn described(about: Option<&About>, name: &PointName, feed: Option<Limits>) -> (Role, Limits) {
    let points = about.map(|about| &about.points);
    let named = |want: &str| points?.iter().find(|point| point.name.as_str() == want);
    let told = named(name.as_str()).or_else(|| named(name.stem()));
    let role = told.map_or_else(
        || match name.stem() {
            "in_power" | "rx_power" => Role::LightIn,
            "out_power" | "tx_power" => Role::LightOut,
            "osc_in_power" => Role::SupervisoryIn,
            "pre_fec_ber" | "ber" => Role::Ber,
            "osnr" => Role::Osnr,
            _ => Role::Other,
        },
        |point| point.role,
    );
    let limits = told.map_or_else(Limits::default, |point| point.limits);
    let usual = || {
        if role == Role::FeedVoltage {
            feed.unwrap_or_default()
        } else {
            usual_limits(role)
        }
    };
    (role, if limits.is_empty() { usual() } else { limits })
}

/// A feed voltage has no reason to change by more than its meter and the day's temperature.
pub(super) fn around(volts: f64) -> Limits {
    Limits {
        low_warning: Some(volts * 0.98),
        low_major: Some(volts * 0.9),
        high_warning: Some(volts * 1.02),
        high_major: Some(volts * 1.1),
    }
}

/// Limits of a role where its device tells none.
///
/// # Source
///
/// Common practice for huts on 48 V batteries; set them in the profile where it is otherwise.
pub(super) fn usual_limits(role: Role) -> Limits {
    let none = Limits::default();
    match role {
        Role::Temperature => Limits {
            high_warning: Some(45.0),
            high_major: Some(55.0),
            ..none
        },
        Role::BatteryVoltage => Limits {
            low_warning: Some(46.0),
            low_major: Some(43.2),
            ..none
        },
        Role::DeviceAlarm | Role::Door => Limits {
            high_warning: Some(0.5),
            ..none
        },
        _ => none,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PointName {
        text.parse().unwrap()
    }

    #[test]
    fn a_light_meter_is_known_by_its_name_until_the_device_tells() {
        let role = |point: &str| described(None, &name(point), None).0;
        assert_eq!(role("in_power.1"), Role::LightIn);
        assert_eq!(role("tx_power.2"), Role::LightOut);
        assert_eq!(role("osc_in_power.1"), Role::SupervisoryIn);
        assert_eq!(role("humidity"), Role::Other);
    }

    #[test]
    fn settings_bend_a_point_and_the_later_one_wins() {
        let general = PointRule {
            role: Some(Role::LightIn),
            least: Some(2.0),
            off: vec![AnomalyKind::Stuck],
            ..PointRule::default()
        };
        let own = PointRule {
            device: Some("s1.e".into()),
            point: Some(name("in_power.1")),
            usual: Some(-17.0),
            least: Some(1.5),
            limits: Limits {
                low_major: Some(-25.0),
                ..Limits::default()
            },
            ..PointRule::default()
        };
        let rules = [general, own];
        let tuned = |device, point| Tuned::of((device, &name(point)), None, None, &rules);
        let here = tuned("s1.e", "in_power.1");
        assert!((here.rule.unwrap().least - 1.5).abs() < 1e-9);
        assert_eq!(here.limits.low_warning, Some(-18.0));
        assert_eq!(here.limits.low_major, Some(-25.0));
        assert!(!here.looks_for(AnomalyKind::Stuck) && here.looks_for(AnomalyKind::Step));
        let there = tuned("s1.e", "in_power.2");
        assert!((there.rule.unwrap().least - 2.0).abs() < 1e-9);
        assert!(there.limits.is_empty());
    }
}
