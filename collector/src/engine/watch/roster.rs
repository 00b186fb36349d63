//! All devices of a line: by name for those who ask, by number for a poll on its way through the
//! detectors. Numbers hold until the program ends and are never saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use silkline_analysis::series::device_name;

use super::Watched;

/// All devices that were ever heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    numbers: BTreeMap<String, usize>,
    devices: Vec<Watched>,
}

impl Roster {
    /// The number of the device called `name`, which is made where it was never heard of.
    pub(super) fn meet(&mut self, name: &str, new: impl FnOnce() -> Watched) -> usize {
        if let Some(number) = self.number(name) {
            return number;
        }
        let number = self.devices.len();
        self.numbers.insert(name.to_owned(), number);
        self.devices.push(new());
        number
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Watched> {
        self.nth(self.number(name)?)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Watched> {
        let number = self.number(name)?;
        self.nth_mut(number)
    }

    pub(super) fn nth(&self, number: usize) -> Option<&Watched> {
        self.devices.get(number)
    }

    /// The device with a number, and its name.
    pub(super) fn named(&self, number: usize) -> Option<(&str, &Watched)> {
        let device = self.nth(number)?;
        let name = device_name(&device.site, &device.device);
        let (name, _) = self.numbers.get_key_value(&name)?;
        Some((name, device))
    }

    pub(super) fn nth_mut(&mut self, number: usize) -> Option<&mut Watched> {
        self.devices.get_mut(number)
    }

    /// All devices, by rising name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Watched)> + Clone {
        let named = self.numbers.iter();
        named.filter_map(|(name, number)| Some((name.as_str(), self.nth(*number)?)))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Watched> + Clone {
        self.iter().map(|(_, device)| device)
    }

    /// Does something to each device, by rising name.
    pub(super) fn each_mut(&mut self, mut take: impl FnMut(&str, &mut Watched)) {
        for (name, number) in &self.numbers {
            if let Some(device) = self.devices.get_mut(*number) {
                take(name, device);
            }
        }
    }
}

impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Roster {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roster {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let by_name = BTreeMap::<String, Watched>::deserialize(from)?;
        let (names, devices): (Vec<String>, Vec<Watched>) = by_name.into_iter().unzip();
        let numbers = names.into_iter().zip(0..).collect();
        Ok(Self { numbers, devices })
    }
}

#[cfg(test)]
mod tests {
    use silkline_protocol::time::Timestamp;

    use super::*;

    fn roster(devices: &[&str]) -> Roster {
        let mut roster = Roster::default();
        for device in devices {
            let (site, id) = ("s1".parse().unwrap(), device.parse().unwrap());
            let new = || Watched::new(&site, &id, Timestamp::EPOCH);
            roster.meet(&format!("s1.{device}"), new);
        }
        roster
    }

    #[test]
    fn a_device_keeps_its_number_and_is_told_of_by_name() {
        let mut roster = roster(&["c", "a", "c", "b"]);
        assert_eq!(roster.number("s1.c"), Some(0));
        assert_eq!(roster.nth(1).map(|it| it.device.as_str()), Some("a"));
        let names: Vec<String> = roster.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["s1.a", "s1.b", "s1.c"]);
        let mut met = Vec::new();
        roster.each_mut(|name, _| met.push(name.to_owned()));
        assert_eq!(met, names);
    }

    #[test]
    fn a_roster_that_was_saved_is_the_same_under_other_numbers() {
        let roster = roster(&["c", "a"]);
        let json = serde_json::to_string(&roster).unwrap();
        let back: Roster = serde_json::from_str(&json).unwrap();
        assert_eq!(back, roster);
        assert_eq!(back.number("s1.a"), Some(0));
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }
}
