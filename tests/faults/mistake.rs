//! What is not right in the plant file.

use silkline_protocol::id::SiteId;
use silkline_protocol::plant::{Direction, Plant};
use silkline_protocol::unit::RouteLength;

use crate::case::LAND;

/// What is not right in the collector's plant file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mistake {
    Missing(String),
    Wrong(String, f64),
    /// The amplifier of a site has its directions the wrong way round.
    Direction(SiteId),
}

impl Mistake {
    /// The plant file with the mistake in it.
    pub(crate) fn made(&self, plant: &Plant) -> Plant {
        let mut plant = plant.clone();
        let mut lines = plant.lines.iter_mut();
        let line = lines.find(|line| line.id.as_str() == LAND).unwrap();
        match self {
            Self::Missing(name) => {
                line.landmarks.retain(|landmark| landmark.name != *name);
                line.marks.retain(|mark| mark.landmark != *name);
            }
            Self::Wrong(name, by) => {
                for landmark in line.landmarks.iter_mut().filter(|l| l.name == *name) {
                    landmark.at = landmark.at + RouteLength::of(*by);
                }
            }
            Self::Direction(site) => {
                let devices = plant.devices.iter_mut().filter(|d| d.site == *site);
                for port in devices.flat_map(|device| &mut device.ports) {
                    port.direction = match port.direction {
                        Direction::AToB => Direction::BToA,
                        Direction::BToA => Direction::AToB,
                    };
                }
            }
        }
        plant
    }
}
