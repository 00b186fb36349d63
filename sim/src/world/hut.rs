//! What is not light: battery, mains, door, climate of a site.

use silkline_protocol::id::SiteId;

use super::{Moment, World};
use crate::fault::Fault;

/// The state of a site's house.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hut {
    /// Voltage of the battery, as a magnitude.
    pub(crate) battery_volts: f64,
    /// Current into the battery; negative while it feeds the site.
    pub(crate) battery_amps: f64,
    /// What the equipment draws.
    pub(crate) load_amps: f64,
    /// Charge in per cent.
    pub(crate) charge_percent: f64,
    /// Voltage of the mains.
    pub(crate) mains_volts: f64,
    /// Degrees Celsius inside.
    pub(crate) celsius: f64,
    /// Relative humidity in per cent.
    pub(crate) humidity_percent: f64,
}

/// Float charge of a -48 V battery.
const FLOAT_VOLTS: f64 = 54.2;
/// How the battery falls without mains, faster than a real one so that a person can watch: it passes
/// the usual alarm at 46 V after five minutes.
const FALL_VOLTS_PER_S: f64 = 0.018;
/// Where the battery is disconnected to save it.
const DISCONNECT_VOLTS: f64 = 42.0;

impl World {
    /// The house of `site`.
    #[must_use]
    pub(crate) fn hut(&self, site: &SiteId, moment: Moment<'_>) -> Hut {
        let is_it = |fault: &Fault| matches!(fault, Fault::Battery { site: s } if s == site);
        let since = moment.scene.since(is_it);
        let mut own = self.seed.draws(&format!("hut {site}"));
        let load_amps = own.between(18.0, 30.0);
        let (warmth, damp) = (own.between(19.0, 27.0), own.between(35.0, 55.0));
        let mut flicker = self.flicker(&format!("hut {site}"), moment.now);
        let day = core::f64::consts::TAU * moment.now.as_secs_f64() / 86_400.0;
        let (volts, amps, charge, mains) = since.map_or_else(
            || (FLOAT_VOLTS, 0.4, 100.0, 231.0 + flicker.normal(0.7)),
            |since| {
                let seconds = moment.now.saturating_sub(since).as_secs_f64();
                let volts = (51.6 - FALL_VOLTS_PER_S * seconds).max(DISCONNECT_VOLTS);
                let charge = 100.0 * (volts - DISCONNECT_VOLTS) / (51.6 - DISCONNECT_VOLTS);
                (volts, -load_amps, charge, 0.0)
            },
        );
        Hut {
            battery_volts: volts + flicker.normal(0.01),
            battery_amps: amps + flicker.normal(0.05),
            load_amps: load_amps + flicker.normal(0.1),
            charge_percent: charge,
            mains_volts: mains,
            celsius: warmth + 2.0 * day.sin() + flicker.normal(0.05),
            humidity_percent: damp - 3.0 * day.sin() + flicker.normal(0.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seed;
    use crate::fault::Scene;
    use std::time::Duration;

    fn site() -> SiteId {
        "gori".parse().unwrap()
    }

    fn hut(scene: &Scene, seconds: u64) -> Hut {
        let text = crate::corridor::plant_toml();
        let plant = silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant;
        World::new(plant, Seed(1)).hut(
            &site(),
            Moment {
                scene,
                now: Duration::from_secs(seconds),
            },
        )
    }

    #[test]
    fn without_mains_the_site_draws_its_load_from_the_battery() {
        let mut scene = Scene::default();
        let well = hut(&scene, 100);
        assert!(well.mains_volts > 220.0 && well.battery_amps > 0.0 && well.charge_percent > 99.0);
        scene.inflict(Fault::Battery { site: site() }, Duration::from_secs(100));
        let dark = hut(&scene, 101);
        assert!(dark.mains_volts < 1.0);
        assert!((dark.battery_amps + dark.load_amps).abs() < 1.0, "{dark:?}");
        assert!(hut(&scene, 400).battery_volts < dark.battery_volts - 4.0);
    }

    #[test]
    fn an_empty_battery_is_cut_off_and_falls_no_further() {
        let mut scene = Scene::default();
        scene.inflict(Fault::Battery { site: site() }, Duration::ZERO);
        for seconds in [600, 6_000, 600_000] {
            let empty = hut(&scene, seconds);
            assert!(
                (empty.battery_volts - DISCONNECT_VOLTS).abs() < 0.1,
                "{empty:?}"
            );
            assert!(empty.charge_percent.abs() < 1e-9);
        }
    }

    #[test]
    fn one_moment_has_one_answer_and_the_next_another() {
        let scene = Scene::default();
        assert_eq!(hut(&scene, 7), hut(&scene, 7));
        assert_ne!(
            hut(&scene, 7).celsius.to_bits(),
            hut(&scene, 8).celsius.to_bits()
        );
    }
}
