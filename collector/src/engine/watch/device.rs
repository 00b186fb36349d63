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
use silkline_protocol::sample::{Reading, Sample};
use silkline_protocol::time::Timestamp;

use super::point::Point;

/// Intervals between samples that are remembered where nobody tells the poll.
const INTERVALS: usize = 8;
/// Intervals that are needed to say how often something comes.
const ENOUGH: usize = 3;

/// A device that tells no poll interval is expected this often, as long as nothing is learnt.
const POLL: Duration = Duration::from_secs(1);

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Watched {
    pub(super) site: SiteId,
    pub(super) device: DeviceId,
    pub(super) about: Option<About>,
    pub(super) silent: Silent,
    pub(super) newest: Timestamp,
    pub(super) points: BTreeMap<PointName, Point>,
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
            points: BTreeMap::new(),
            receivers: BTreeMap::new(),
            relations: BTreeMap::new(),
            intervals: VecDeque::new(),
        }
    }

    pub(in crate::engine) fn points(&self) -> &BTreeMap<PointName, Point> {
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
            self.silent = Silent::new(Duration::from_millis(about.poll_ms), heard);
        }
        self.about = Some(about);
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

    /// What a sample says of each receiver, by index.
    pub(super) fn receive(&mut self, sample: &Sample) -> Vec<(String, Heard)> {
        let mut seen: BTreeMap<&str, (Option<Reading>, Option<Reading>)> = BTreeMap::new();
        for (name, reading) in &sample.readings {
            let role = self.points.get(name).map(|point| point.role);
            let entry = match role {
                Some(Role::Ber | Role::Osnr) => seen.entry(name.index().unwrap_or("")).or_default(),
                _ => continue,
            };
            if role == Some(Role::Ber) {
                entry.0 = greater(entry.0, *reading);
            } else {
                entry.1 = greater(entry.1, *reading);
            }
        }
        let mut heard = Vec::new();
        for (index, (errors, osnr)) in seen {
            let seat = self.receivers.entry(index.to_owned()).or_default();
            heard.push((
                index.to_owned(),
                seat.receiver.reading(errors, osnr, sample.at),
            ));
        }
        heard
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
    pub(super) fn relate(&mut self, sample: &Sample) -> Vec<(PointName, Change)> {
        let mut ports: BTreeMap<&str, (Port, [Option<&PointName>; 3])> = BTreeMap::new();
        for name in sample.readings.keys() {
            let Some(point) = self.points.get(name) else {
                continue;
            };
            let index = name.index().unwrap_or("");
            let (port, names) = ports.entry(index).or_default();
            match point.role {
                Role::LightIn => port.input = point.last,
                Role::LightOut => (port.output, names[0]) = (point.last, Some(name)),
                Role::PumpBias => (port.pump, names[1]) = (point.last, Some(name)),
                Role::SupervisoryIn => (port.supervisory, names[2]) = (point.last, Some(name)),
                _ => {}
            }
        }
        let mut said = Vec::new();
        for (index, (port, names)) in ports {
            // What a transponder sends has nothing to do with what it receives.
            if port.input.is_none() || self.receivers.contains_key(index) {
                continue;
            }
            let relations = self.relations.entry(index.to_owned()).or_default();
            let found = relations.reading(port, sample.at);
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
        let due = Timestamp::from_seconds(900 * 9);
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
