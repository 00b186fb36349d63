//! What somebody would believe who knows exactly how the cable came about, and the same glass.
//!
//! The simulator draws a real cable from all that the plant file could be the file of. Many such
//! draws, asked where the glass is that a trace showed, are that belief: nothing of it is shared
//! with the analysis.

use silkline_protocol::id::LineId;
use silkline_protocol::plant::{Plant, Toward};
use silkline_protocol::unit::OpticalLength;
use silkline_sim::Seed;
use silkline_sim::truth::Truth;

use crate::chance::Chance;
use crate::outcome::Sighting;

/// Errors along the glass that are tried on each cable.
const TRIES: usize = 8;

/// Cables that a plant file could be of.
pub(crate) struct Cables {
    drawn: Vec<Truth>,
}

impl Cables {
    pub(crate) fn of(plant: &Plant, count: u64) -> Self {
        let drawn = (0..count).map(|k| Truth::of(plant, Seed(900_000 + k)));
        Self {
            drawn: drawn.collect(),
        }
    }

    /// The width of the 95 % interval for what was seen, where every sighting is `sd_m` off.
    pub(crate) fn width_m(
        &self,
        plant: &Plant,
        line: &LineId,
        seen: &[Sighting],
        sd_m: f64,
    ) -> Option<f64> {
        let mut chance = Chance::new(17, "posterior");
        let mut places = Vec::new();
        for truth in &self.drawn {
            let cable = truth.cable(line)?;
            let of = |sighting: &Sighting| {
                let (_, view) = plant.view(&sighting.view)?;
                let start = cable.node_glass(&view.node)?.get();
                let sign = if view.toward == Toward::B { 1.0 } else { -1.0 };
                Some(start + sign * sighting.optical_m)
            };
            let glass: Vec<f64> = seen.iter().filter_map(of).collect();
            if glass.is_empty() {
                return None;
            }
            let count = glass.len() as f64;
            let mean = glass.iter().sum::<f64>() / count;
            for _ in 0..TRIES {
                let at = mean + chance.normal(sd_m / count.sqrt());
                places.push(cable.ground_at(OpticalLength::of(at)).get());
            }
        }
        places.sort_by(f64::total_cmp);
        Some(quantile(&places, 0.975) - quantile(&places, 0.025))
    }
}

/// A quantile of sorted values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let k = (0..=last).find(|k| *k as f64 >= share * last as f64);
    sorted[k.unwrap_or(last)]
}
