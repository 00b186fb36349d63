//! What an engine goes by; every default says why it is that number.

use core::time::Duration;

use silkline_analysis::series::AnomalyKind;
use silkline_protocol::device::{Limits, Role};
use silkline_protocol::id::{LineId, PointName, SiteId};
use silkline_protocol::time::Timestamp;

/// Settings of a line engine.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSettings {
    /// A loss that one direction alone shows waits this long for the other.
    ///
    /// Two polls of a second that are not aligned show both directions of a cut within a second,
    /// a third of it on average; 300 ms after the first settled one most are there.
    pub join: Duration,
    /// A loss that polls cannot settle is judged after this long as it stands, where the device
    /// before it is polled every second; slower ones are given one and a half of their polls.
    pub hold: Duration,
    /// Findings wait this long for a cause that explains them before they become one themselves.
    ///
    /// An amplifier's own alarms and its neighbours' arrive within two polls of the loss.
    pub grace: Duration,
    /// Silence within this time after a loss of light belongs to it: an agent's uplink may run
    /// over the fibre that was cut, and a broker takes one and a half keep-alives to notice.
    pub wake: Duration,
    /// All must be well for this long before an incident is over; a flap within it is held.
    pub settle: Duration,
    /// A repair of what a trace had found is to be shown by a fresh trace; after this long without
    /// one it is believed, and said so.
    pub proof: Duration,
    /// While light is lost on a span its views are shot again after this long, and each time after
    /// twice as long: who digs on makes a second break that no light meter can tell.
    pub follow: Duration,
    /// Back within this time after it was over, it is the same incident.
    pub reopen: Duration,
    /// An incident that is over is closed after this long, if nobody does it before.
    pub close: Duration,
    /// A view of which no trace came for so long is shot, to prove that the way to it works; zero
    /// for never.
    pub shot_every: Duration,
    /// What holds for some points and not for others; a later one wins.
    pub points: Vec<PointRule>,
    /// Work that is planned: found and recorded, but nobody is woken.
    pub planned: Vec<Planned>,
}

/// What holds for some points: all that fit what is given here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointRule {
    /// The device, `site.device`.
    pub device: Option<String>,
    /// The point, with or without its index.
    pub point: Option<PointName>,
    /// Every point of a role.
    pub role: Option<Role>,
    /// What was measured when all was well: limits are set around it.
    pub usual: Option<f64>,
    /// Limits; each in place of the device's own.
    pub limits: Limits,
    /// D: departure from its past below which nothing is remarkable.
    pub least: Option<f64>,
    /// k: departure in standard deviations.
    pub deviations: Option<f64>,
    /// Readings in a row that raise it.
    pub in_a_row: Option<u8>,
    /// Kinds of anomalies that are not looked for.
    pub off: Vec<AnomalyKind>,
}

/// Work that is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// On this line alone.
    pub line: Option<LineId>,
    /// At this site alone, and on the spans beside it.
    pub site: Option<SiteId>,
    /// Who, and what for.
    pub what: String,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            join: Duration::from_millis(300),
            hold: Duration::from_millis(1300),
            grace: Duration::from_secs(4),
            wake: Duration::from_secs(120),
            settle: Duration::from_secs(10),
            proof: Duration::from_secs(120),
            follow: Duration::from_secs(150),
            reopen: Duration::from_secs(600),
            close: Duration::from_secs(24 * 3600),
            shot_every: Duration::from_secs(24 * 3600),
            points: Vec::new(),
            planned: Vec::new(),
        }
    }
}

impl PointRule {
    /// Whether it is about this point.
    #[must_use]
    pub fn fits(&self, device: &str, point: &PointName, role: Role) -> bool {
        let named = |name: &PointName| name == point || name.as_str() == point.stem();
        self.device.as_ref().is_none_or(|own| own == device)
            && self.point.as_ref().is_none_or(named)
            && self.role.is_none_or(|own| own == role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_fits_what_it_names() {
        let rule = PointRule {
            device: Some("ganja.edfa-1".into()),
            point: Some("in_power".parse().unwrap()),
            ..PointRule::default()
        };
        let point: PointName = "in_power.2".parse().unwrap();
        assert!(rule.fits("ganja.edfa-1", &point, Role::LightIn));
        assert!(!rule.fits("ganja.edfa-2", &point, Role::LightIn));
        let by_role = PointRule {
            role: Some(Role::Osnr),
            ..PointRule::default()
        };
        assert!(by_role.fits("x.y", &point, Role::Osnr));
        assert!(!by_role.fits("x.y", &point, Role::LightIn));
    }
}
