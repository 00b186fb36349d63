//! The ports of a device, as the names of its points and the plant tell: worked out once, not at
//! every poll. No state.

use silkline_protocol::id::PointName;

use super::guide::{Guide, port_key};
use super::points::Points;

/// The port of each point.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    /// By the point's place.
    of: Vec<usize>,
    /// By rising index.
    all: Vec<PortNames>,
}

/// What a port is called, and with whom it belongs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortNames {
    /// Its index: the end of its points' names.
    pub(super) index: String,
    /// `device/index`.
    pub(super) key: String,
    /// The ports that send what it receives.
    pub(super) senders: Vec<String>,
    /// Whether any port receives what it sends.
    pub(super) sends: bool,
}

impl Ports {
    pub(super) fn of(device: &str, points: &Points, guide: &Guide) -> Self {
        let index = |name: &PointName| name.index().unwrap_or("").to_owned();
        let indexes: Vec<String> = points.iter().map(|(name, _)| index(name)).collect();
        let mut known = indexes.clone();
        known.sort_unstable();
        known.dedup();
        let place = |index: &String| known.binary_search(index).unwrap_or_default();
        let of = indexes.iter().map(place).collect();
        let names = |index: String| {
            let key = port_key(device, &index);
            PortNames {
                senders: guide.senders(&key).to_vec(),
                sends: guide.is_heard(&key),
                index,
                key,
            }
        };
        Self {
            of,
            all: known.into_iter().map(names).collect(),
        }
    }

    /// Whether they are those of so many points.
    pub(super) const fn are_of(&self, points: usize) -> bool {
        self.of.len() == points
    }

    /// The number of the port of the point at a place.
    pub(super) fn number(&self, place: usize) -> Option<usize> {
        self.of.get(place).copied()
    }

    /// The port of the point at a place.
    pub(super) fn at(&self, place: usize) -> Option<&PortNames> {
        self.all.get(self.number(place)?)
    }

    /// All ports by rising index, which is also by rising number.
    pub(super) fn all(&self) -> &[PortNames] {
        &self.all
    }
}

/// What follows from the names of the points is the same where those are.
impl PartialEq for Ports {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::Point;
    use super::super::tune::Tuned;
    use super::*;

    #[test]
    fn points_of_one_index_are_of_one_port() {
        let mut points = Points::default();
        for name in [
            "in_power.1",
            "in_power.10",
            "in_power.2",
            "temperature",
            "out_power.1",
        ] {
            points.insert(name.parse().unwrap(), Point::new(Tuned::default()));
        }
        let ports = Ports::of("s1.e", &points, &Guide::default());
        let indexes: Vec<&str> = ports.all().iter().map(|port| port.index.as_str()).collect();
        assert_eq!(indexes, ["", "1", "10", "2"]);
        let keys: Vec<_> = (0..5)
            .map(|place| ports.at(place).unwrap().key.as_str())
            .collect();
        assert_eq!(keys, ["s1.e/1", "s1.e/10", "s1.e/2", "s1.e/1", "s1.e/"]);
        assert!(ports.are_of(5) && !ports.are_of(6) && ports.at(5).is_none());
    }
}
