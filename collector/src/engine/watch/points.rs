//! The points of one device, by name, and where a poll's readings stand among them.
//!
//! A poll brings its readings in the order of their names, and so do the points stand: one walk finds
//! all of them. Everything after that goes by their places.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use silkline_protocol::id::PointName;
use silkline_protocol::sample::{Reading, Sample};

use super::Point;

/// All points of a device that were ever read, by rising name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Points(Vec<(PointName, Point)>);

/// One poll of a device, and where it stands among what is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll<'a> {
    /// The device's name, and its number in the roster.
    pub(super) name: &'a str,
    pub(super) number: usize,
    pub(super) sample: &'a Sample,
    /// The place of each reading's point, in the order of the readings.
    pub(super) places: &'a [usize],
}

impl<'a> Poll<'a> {
    /// Each reading with its point's place and name.
    pub(super) fn readings(self) -> impl Iterator<Item = (usize, &'a PointName, Reading)> {
        let named = self.sample.readings.iter();
        let placed = self.places.iter().zip(named);
        placed.map(|(place, (name, reading))| (*place, name, *reading))
    }
}

impl Points {
    /// Takes a new point in; places behind it move.
    pub(super) fn insert(&mut self, name: PointName, point: Point) {
        match self.find(&name) {
            Ok(place) => {
                if let Some((_, known)) = self.0.get_mut(place) {
                    *known = point;
                }
            }
            Err(place) => self.0.insert(place, (name, point)),
        }
    }

    /// Where the points called `names`, which rise, stand; nothing where one of them is unknown.
    pub(super) fn places<'a>(
        &self,
        names: impl Iterator<Item = &'a PointName>,
    ) -> Option<Vec<usize>> {
        let mut known = self.0.iter().enumerate();
        names
            .map(|name| {
                let (place, (found, _)) = known.find(|(_, (known, _))| known >= name)?;
                (found == name).then_some(place)
            })
            .collect()
    }

    pub(super) fn get(&self, name: &PointName) -> Option<&Point> {
        self.at(self.find(name).ok()?)
    }

    pub(super) fn get_mut(&mut self, name: &PointName) -> Option<&mut Point> {
        let place = self.find(name).ok()?;
        self.at_mut(place)
    }

    /// The point at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Point> {
        self.0.get(place).map(|(_, point)| point)
    }

    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut Point> {
        self.0.get_mut(place).map(|(_, point)| point)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = (&PointName, &Point)> + Clone {
        self.0.iter().map(|(name, point)| (name, point))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&PointName, &mut Point)> {
        self.0.iter_mut().map(|(name, point)| (&*name, point))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Point> + Clone {
        self.0.iter().map(|(_, point)| point)
    }

    fn find(&self, name: &PointName) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(name))
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let by_name = std::collections::BTreeMap::deserialize(from)?;
        Ok(Self(by_name.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tune::Tuned;
    use super::*;

    fn points(names: &[&str]) -> Points {
        let mut points = Points::default();
        for name in names {
            points.insert(name.parse().unwrap(), Point::new(Tuned::default()));
        }
        points
    }

    fn places(points: &Points, names: &[&str]) -> Option<Vec<usize>> {
        let names: Vec<PointName> = names.iter().map(|name| name.parse().unwrap()).collect();
        points.places(names.iter())
    }

    #[test]
    fn a_poll_finds_its_points_whichever_of_them_it_brings() {
        let points = points(&["d", "b", "c", "a"]);
        assert_eq!(
            places(&points, &["a", "b", "c", "d"]),
            Some(vec![0, 1, 2, 3])
        );
        assert_eq!(places(&points, &["b", "d"]), Some(vec![1, 3]));
        assert_eq!(places(&points, &[]), Some(vec![]));
        assert_eq!(places(&points, &["b", "bb", "d"]), None);
        assert_eq!(places(&points, &["e"]), None);
    }

    #[test]
    fn what_is_saved_is_a_map_by_name_and_reads_back() {
        let points = points(&["b", "a"]);
        let json = serde_json::to_string(&points).unwrap();
        assert!(json.starts_with("{\"a\":{"), "{json}");
        assert_eq!(serde_json::from_str::<Points>(&json).unwrap(), points);
    }
}
