//! What the edge has to know of a poll: the lights that are lit or dark, and how the last shot ended.
//!
//! Which points those are is settled once, since a poll has a hundred others.

use std::sync::Arc;

use silkline_protocol::device::Role;
use silkline_protocol::id::{DeviceId, PointName};
use silkline_protocol::sample::Reading;

use crate::config::Device;
use crate::driver::readings::{Compact, Points};
use crate::edge::Seen;

/// What there is to see at one device.
pub(super) struct Sight {
    /// The light inputs, by their stem.
    lights: Vec<PointName>,
    /// The points of the latest sample, and which of them are light inputs.
    places: Option<(Arc<Points>, Vec<usize>)>,
    /// The point that tells how an OTDR is, and its value after a shot that failed.
    failed: Option<(PointName, f64)>,
}

impl Sight {
    /// What there is to see at `device`.
    pub(super) fn of(device: &Device) -> Self {
        let points = device.profile.points();
        let lights = points
            .filter(|point| matches!(point.role, Role::LightIn | Role::SupervisoryIn))
            .map(|point| point.name.clone());
        // Whoever reads the trace sees for itself how the shot ended.
        let shot = device.profile.shot.as_ref();
        let shot = shot.filter(|shot| shot.fetch.is_none());
        let failed = shot.and_then(|shot| {
            let value = i32::try_from(shot.failed?).ok()?;
            Some((shot.state.clone()?, f64::from(value)))
        });
        Self {
            lights: lights.collect(),
            places: None,
            failed,
        }
    }

    /// What a sample of the device shows, where it shows anything.
    pub(super) fn seen(&mut self, device: &DeviceId, sample: &Compact) -> Option<Seen> {
        if self.lights.is_empty() && self.failed.is_none() {
            return None;
        }
        let shot_failed = self.shot_failed(sample);
        let (names, readings) = (sample.points().names(), sample.readings());
        let lights = self.places(sample.points()).iter().filter_map(|at| {
            let (name, reading) = (names.get(*at)?, readings.get(*at)?);
            let answered = !matches!(reading, Reading::Bad(_));
            answered.then(|| (name.clone(), reading.is_dark()))
        });
        let lights: Vec<(PointName, bool)> = lights.collect();
        let is_news = !lights.is_empty() || shot_failed.is_some();
        is_news.then(|| Seen {
            device: device.clone(),
            lights,
            shot_failed,
        })
    }

    /// Where the light inputs are among `points`.
    fn places(&mut self, points: &Arc<Points>) -> &[usize] {
        let known = self.places.take();
        let known = known.filter(|(known, _)| Arc::ptr_eq(known, points));
        let lights = &self.lights;
        let is_light = |name: &PointName| lights.iter().any(|own| own.as_str() == name.stem());
        let (_, places) = self.places.insert(known.unwrap_or_else(|| {
            let names = points.names().iter().enumerate();
            let places = names.filter(|(_, name)| is_light(name)).map(|(at, _)| at);
            (points.clone(), places.collect())
        }));
        places
    }

    fn shot_failed(&self, sample: &Compact) -> Option<bool> {
        let (state, failed) = self.failed.as_ref()?;
        let at = sample.points().names().binary_search(state).ok()?;
        let state = sample.readings().get(at)?.value()?;
        #[expect(
            clippy::float_cmp,
            reason = "both are whole numbers, small enough to be exact"
        )]
        let has_failed = state == *failed;
        Some(has_failed)
    }
}

#[cfg(test)]
mod tests {
    use silkline_protocol::sample::{BadReading, Sample};
    use silkline_protocol::time::Timestamp;

    use super::*;

    fn sights() -> Vec<Sight> {
        let device = |id: &str, profile: &str| {
            format!("[[device]]\nid = \"{id}\"\nprofile = \"{profile}\"\naddress = \"{id}\"\n")
        };
        let text = "site = \"ganja\"\nlines = [\"baku-poti\"]\n".to_owned()
            + &device("edfa-1", "silkline-edfa")
            + &device("otdr-1", "silkline-otdr")
            + &device("ups-1", "ietf-ups");
        let config = crate::config::read("agent.toml", &text).unwrap();
        config.devices.iter().map(Sight::of).collect()
    }

    fn seen(sight: &mut Sight, readings: &[(&str, Reading)]) -> Option<Seen> {
        let readings = readings.iter();
        let sample = Sample {
            at: Timestamp::EPOCH,
            readings: readings
                .map(|(name, reading)| (name.parse().unwrap(), *reading))
                .collect(),
        };
        sight.seen(&"a".parse().unwrap(), &Compact::of(sample))
    }

    #[test]
    fn what_is_dark_or_failed_is_seen_and_what_is_bad_is_not() {
        let mut sights = sights();
        let poll = [
            ("in_power.1", Reading::Dark),
            ("in_power.2", Reading::Value(-17.0)),
            ("osc_in_power.1", Reading::Bad(BadReading::Timeout)),
            ("gain.1", Reading::Value(20.0)),
        ];
        let seen_there = seen(&mut sights[0], &poll).unwrap();
        let lights = seen_there.lights.iter();
        let lights: Vec<_> = lights.map(|(name, dark)| (name.as_str(), *dark)).collect();
        assert_eq!(lights, [("in_power.1", true), ("in_power.2", false)]);
        assert_eq!(seen(&mut sights[0], &poll[3..]), None);
        assert_eq!(seen(&mut sights[2], &poll), None);
    }

    #[test]
    fn an_instrument_tells_whether_its_shot_failed() {
        let mut sights = sights();
        for (state, wanted) in [(3.0, true), (1.0, false)] {
            let poll = [("shot_state", Reading::Value(state))];
            assert_eq!(
                seen(&mut sights[1], &poll).unwrap().shot_failed,
                Some(wanted)
            );
        }
        assert_eq!(seen(&mut sights[1], &[]), None);
    }
}
