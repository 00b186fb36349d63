//! One device of a line: its points, its receivers, its relations, how often it comes.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use silkline_analysis::series::Change;
use silkline_analysis::series::receiver::{Heard, Receiver};
use silkline_analysis::series::relation::{Port, Relations};
use silkline_analysis::series::silent::Silent;
use silkline_protocol::device::{About, Role};
use silkline_protocol::id::{DeviceId, PointName, SiteId};
use silkline_protocol::sample::Reading;
use silkline_protocol::time::Timestamp;

use super::guide::{Guide, port_key};
use super::point::Point;
use super::points::{Points, Poll};
use super::ports::{PortNames, Ports};
use super::sample::input_key;
use super::tune::Tuned;

/// Intervals between samples that are remembered where nobody tells the poll.
const INTERVALS: usize = 8;
/// Intervals that are needed to say how often something comes.
const ENOUGH: usize = 3;

/// A device that tells no poll interval is expected this often, as long as nothing is learnt.
const POLL: Duration = Duration::from_secs(1);

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Watched {
    pub(in crate::engine) site: SiteId,
    pub(in crate::engine) device: DeviceId,
    pub(super) about: Option<About>,
    pub(super) silent: Silent,
    pub(super) newest: Timestamp,
    /// The newest live sample in which it answered, by its agent's clock.
    #[serde(default)]
    pub(super) answered: Timestamp,
    pub(super) points: Points,
    #[serde(skip)]
    pub(super) ports: Ports,
    /// Receivers by index.
    pub(super) receivers: BTreeMap<String, Seat>,
    relations: BTreeMap<String, Relations>,
    /// Milliseconds between the last samples.
    intervals: VecDeque<u64>,
}

/// A receiver and what its darkness follows from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) receiver: Receiver,
    /// The input whose lost light explains its darkness.
    pub(super) effect_of: Option<String>,
    /// Until then what it measures is an effect of lost light.
    pub(super) hushed: Timestamp,
    /// The point under whose name it is told of.
    pub(super) point: Option<PointName>,
}

impl Watched {
    pub(super) fn new(site: &SiteId, device: &DeviceId, now: Timestamp) -> Self {
        Self {
            site: site.clone(),
            device: device.clone(),
            about: None,
            silent: Silent::unknown(now),
            newest: Timestamp::EPOCH,
            answered: Timestamp::EPOCH,
            points: Points::default(),
            ports: Ports::default(),
            receivers: BTreeMap::new(),
            relations: BTreeMap::new(),
            intervals: VecDeque::new(),
        }
    }

    pub(in crate::engine) const fn points(&self) -> &Points {
        &self.points
    }

    pub(in crate::engine) const fn is_silent(&self) -> bool {
        self.silent.is_silent()
    }

    /// How often the device is polled: as it tells, or as it was seen.
    pub(in crate::engine) fn poll(&self) -> Duration {
        let told = self.about.as_ref().map_or(0, |about| about.poll_ms);
        if told > 0 {
            return Duration::from_millis(told);
        }
        let seen = self.intervals.iter().max();
        seen.map_or(POLL, |ms| Duration::from_millis(*ms))
    }

    /// What a device is told to be.
    pub(super) fn describe(&mut self, about: About, now: Timestamp) {
        if about.poll_ms > 0 && !self.silent.is_silent() {
            let heard = self.silent.heard().max(now);
            self.silent.excuse(heard);
            self.silent.expect(Duration::from_millis(about.poll_ms));
        }
        self.about = Some(about);
    }

    /// Goes by what the device, the plant and the settings tell; whether any point means something
    /// else now.
    pub(super) fn tune(&mut self, name: &str, guide: &Guide) -> bool {
        let (feed, about) = (guide.feed(&self.site), self.about.as_ref());
        let mut other = false;
        for (point, watched) in self.points.iter_mut() {
            let tuned = Tuned::of((name, point), about, feed, &guide.rules);
            other |= watched.role != tuned.role;
            watched.tune(tuned);
        }
        other
    }

    /// It was heard of at `now`; learns how often that is where it does not tell.
    pub(super) fn seen(&mut self, now: Timestamp) -> Option<Change> {
        let told = self.about.as_ref().is_some_and(|about| about.poll_ms > 0);
        let since = now - self.silent.heard();
        let back = self.silent.seen(now);
        if !told && back.is_none() && !since.is_zero() {
            if self.intervals.len() >= INTERVALS {
                self.intervals.pop_front();
            }
            let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            self.intervals.push_back(ms);
            if self.intervals.len() >= ENOUGH {
                self.silent.expect(self.poll());
            }
        }
        back
    }

    /// What a poll says of each receiver, by index.
    pub(super) fn receive(&mut self, poll: Poll<'_>) -> Vec<(String, Heard)> {
        let mut seen: BTreeMap<&str, (Option<Reading>, Option<Reading>)> = BTreeMap::new();
        for (place, name, reading) in poll.readings() {
            let role = self.points.at(place).map(|point| point.role);
            let entry = match role {
                Some(Role::Ber | Role::Osnr) => seen.entry(name.index().unwrap_or("")).or_default(),
                _ => continue,
            };
            if role == Some(Role::Ber) {
                entry.0 = greater(entry.0, reading);
            } else {
                entry.1 = greater(entry.1, reading);
            }
        }
        let mut heard = Vec::new();
        for (index, (errors, osnr)) in seen {
            let seat = self.receivers.entry(index.to_owned()).or_default();
            let at = poll.sample.at;
            heard.push((index.to_owned(), seat.receiver.reading(errors, osnr, at)));
        }
        heard
    }

    /// The light inputs, each by its port's name and its own.
    pub(super) fn inputs(&self, device: &str) -> Vec<(String, String)> {
        let lights = self
            .points
            .iter()
            .filter(|(_, it)| it.role == Role::LightIn);
        let named = lights.map(|(point, _)| {
            let port = port_key(device, point.index().unwrap_or(""));
            (port, input_key(device, point))
        });
        named.collect()
    }

    /// The receivers, by their ports' names.
    pub(super) fn receivers(&self, device: &str) -> Vec<String> {
        let indexes = self.receivers.keys();
        indexes.map(|index| port_key(device, index)).collect()
    }

    /// The point under whose name a receiver is told of: its bit errors, else its OSNR.
    pub(super) fn point_of(&self, index: &str) -> Option<PointName> {
        let of = |role: Role| {
            let fits = |(name, point): &(&PointName, &Point)| {
                point.role == role && name.index().unwrap_or("") == index
            };
            self.points.iter().find(fits).map(|(name, _)| name.clone())
        };
        of(Role::Ber).or_else(|| of(Role::Osnr))
    }

    /// Whether what a point says is an effect of lost light.
    pub(super) fn is_hushed(&self, name: &PointName, at: Timestamp) -> bool {
        let seat = self.receivers.get(name.index().unwrap_or(""));
        seat.is_some_and(|seat| at < seat.hushed)
    }

    /// What belongs together within each port, and does not any more.
    pub(super) fn relate(&mut self, poll: Poll<'_>) -> Vec<(PointName, Change)> {
        let all = self.ports.all();
        let mut polled: Vec<(Port, [Option<&PointName>; 3])> = vec![Default::default(); all.len()];
        for (place, name, _) in poll.readings() {
            let port = self.ports.number(place).and_then(|n| polled.get_mut(n));
            let (Some(point), Some((port, names))) = (self.points.at(place), port) else {
                continue;
            };
            match point.role {
                Role::LightIn => port.input = point.last,
                Role::LightOut => (port.output, names[0]) = (point.last, Some(name)),
                Role::PumpBias => (port.pump, names[1]) = (point.last, Some(name)),
                Role::SupervisoryIn => (port.supervisory, names[2]) = (point.last, Some(name)),
                _ => {}
            }
        }
        let mut said = Vec::new();
        for (PortNames { index, .. }, (port, names)) in all.iter().zip(polled) {
            // What a transponder sends has nothing to do with what it receives.
            if port.input.is_none() || self.receivers.contains_key(index) {
                continue;
            }
            let relations = match self.relations.get_mut(index) {
                Some(known) => known,
                None => self.relations.entry(index.clone()).or_default(),
            };
            let found = relations.reading(port, poll.sample.at);
            let named = names.into_iter().zip(found);
            said.extend(named.filter_map(|(name, change)| Some((name?.clone(), change?))));
        }
        said
    }

    /// Whether a point's signal fell without its supervisory light.
    pub(super) fn is_apart(&self, index: &str) -> bool {
        self.relations.get(index).is_some_and(Relations::is_apart)
    }
}

/// The reading that says more: any value over zero, whatever others of the same port say.
fn greater(known: Option<Reading>, new: Reading) -> Option<Reading> {
    match (known.and_then(Reading::value), new.value()) {
        (Some(known), Some(new)) => Some(Reading::of(known.max(new))),
        (Some(known), None) => Some(Reading::of(known)),
        (None, _) if new.is_good() => Some(new),
        (None, _) => known.or(Some(new)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched::new(
            &"s1".parse().unwrap(),
            &"e".parse().unwrap(),
            Timestamp::EPOCH,
        )
    }

    #[test]
    fn how_often_a_device_comes_is_learnt_where_it_does_not_tell() {
        let mut watched = watched();
        for k in 1..=2 {
            watched.seen(Timestamp::from_seconds(900 * k));
            assert_eq!(watched.silent.deadline(), None);
        }
        for k in 3..=6 {
            watched.seen(Timestamp::from_seconds(900 * k));
        }
        assert_eq!(watched.poll(), Duration::from_secs(900));
        let due = Timestamp::from_seconds(900 * 11 + 2);
        assert_eq!(watched.silent.deadline(), Some(due));
    }

    #[test]
    fn of_several_counters_any_that_counts_shows_life() {
        let zero = Some(Reading::Value(0.0));
        let some = greater(zero, Reading::Value(1e-3));
        assert_eq!(greater(some, Reading::Dark), Some(Reading::Value(1e-3)));
        assert_eq!(greater(None, Reading::Dark), Some(Reading::Dark));
    }
}
