//! What the plant and the settings tell the watch. No state: worked out anew after every start.

use std::collections::{BTreeMap, BTreeSet};

use silkline_analysis::series::device_name;
use silkline_protocol::device::Limits;
use silkline_protocol::id::{PathId, SiteId};
use silkline_protocol::plant::{Direction, End, Line, Plant, Side};

use super::tune::around;
use crate::engine::light::Runs;
use crate::engine::settings::{EngineSettings, PointRule};

/// What the plant and the settings tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Guide {
    /// Feed voltages that are normal at a site.
    feed: BTreeMap<SiteId, Limits>,
    pub(super) rules: Vec<PointRule>,
    /// Which light comes in at a device's port.
    lights: BTreeMap<String, BTreeSet<(PathId, bool)>>,
    /// The port that sends what a port receives.
    sender: BTreeMap<String, Vec<String>>,
    /// The ports whose light another one receives.
    heard: BTreeSet<String>,
}

impl Guide {
    pub(in crate::engine) fn of(
        plant: &Plant,
        line: &Line,
        runs: &Runs,
        settings: &EngineSettings,
    ) -> Self {
        let sender = runs.senders();
        let mut guide = Self {
            rules: settings.points.clone(),
            heard: sender.values().flatten().cloned().collect(),
            sender,
            ..Self::default()
        };
        if let Some(feed) = &line.feed {
            for (end, volts) in [(&line.a, feed.volts_a), (&line.b, feed.volts_b)] {
                if let End::Site(site) = end {
                    guide.feed.insert(site.clone(), around(volts));
                }
            }
        }
        let here = plant.devices.iter().filter(|d| d.lines.contains(&line.id));
        for device in here {
            let name = device_name(&device.site, &device.id);
            for port in device.ports.iter().filter(|port| port.side == Side::In) {
                let light = (port.path.clone(), port.direction == Direction::AToB);
                let key = port_key(&name, &port.index);
                guide.lights.entry(key).or_default().insert(light);
            }
        }
        guide
    }

    pub(super) fn feed(&self, site: &SiteId) -> Option<Limits> {
        self.feed.get(site).copied()
    }

    /// Whether a receiver may live on the light of an input: on the same way, or nobody knows.
    pub(super) fn feeds(&self, input: &str, receiver: &str) -> bool {
        match (self.lights.get(input), self.lights.get(receiver)) {
            (Some(input), Some(receiver)) => !input.is_disjoint(receiver),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// The ports that send what a port receives.
    pub(super) fn senders(&self, input: &str) -> &[String] {
        self.sender.get(input).map_or(&[], Vec::as_slice)
    }

    /// Whether any port receives what a port sends.
    pub(super) fn is_heard(&self, output: &str) -> bool {
        self.heard.contains(output)
    }

    /// Whether the plant says nothing of a device's ports.
    pub(in crate::engine) fn is_unplaced(&self, device: &str) -> bool {
        let prefix = port_key(device, "");
        !self.lights.keys().any(|key| key.starts_with(&prefix))
    }
}

/// A port's name.
pub(in crate::engine) fn port_key(device: &str, index: &str) -> String {
    format!("{device}/{index}")
}
