//! Learning from repairs: what was predicted beside what a crew found, and the marks that follow.
//!
//! A closed incident with a found place is a measurement of ourselves: [`Repair`] puts both places
//! side by side, [`Calibration`] says how far off the places were and how often their intervals held
//! the truth. The repair is also a point that is known on the ground and in the glass: [`learn`]
//! makes a landmark and marks of it that hold from its date on.

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::plant::{Landmark, Line, Mark, Plant};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{OpticalLength, RouteLength};

use crate::incident::{Found, Incident, Kind};
use crate::place::{Sighting, glass_to_mm, rounded, to_mm};
use crate::route::chain::Z95;

/// Glass that a crew cuts away on each side before it splices, one standard deviation.
const TRIMMED_SD_M: f64 = 2.0;

/// A landmark this near to a repair is where it was made.
const SAME_PLACE_M: f64 = 5.0;

/// Repairs that an engine goes by, newest last: years of a bad line.
pub const KEPT: usize = 200;

/// One repair: what was predicted and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repair {
    /// The incident.
    pub incident: IncidentId,
    /// The line.
    pub line: LineId,
    /// When it was closed.
    pub at: Timestamp,
    /// What kind of cause.
    pub kind: Kind,
    /// The sources of the place, `light_lost+otdr`.
    pub method: String,
    /// Where it was predicted, where it was.
    pub predicted_m: Option<RouteLength>,
    /// Should have held it with a probability of one half.
    pub interval50_m: Option<[RouteLength; 2]>,
    /// Should have held it with a probability of 95 %.
    pub interval95_m: Option<[RouteLength; 2]>,
    /// Where the crew found it.
    pub found: Found,
    /// What each view saw of it.
    pub seen: Vec<Sighting>,
}

/// How good the places were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Repairs with a found place.
    pub repairs: usize,
    /// Those for which a place was predicted.
    pub located: usize,
    /// Half of the errors are smaller, in metres.
    pub median_m: Option<f64>,
    /// 95 % of the errors are smaller, in metres.
    pub p95_m: Option<f64>,
    /// The mean of found minus predicted, in metres: a bias towards B where it is positive.
    pub bias_m: Option<f64>,
    /// The share of 95 % intervals that held the found place.
    pub coverage95: Option<f64>,
    /// The share of 50 % intervals that held it.
    pub coverage50: Option<f64>,
    /// The mean width of the 95 % intervals, in metres.
    pub width95_m: Option<f64>,
}

impl Repair {
    /// The repair that a closed incident tells of, where its crew told a place.
    #[must_use]
    pub fn of(incident: &Incident) -> Option<Self> {
        let found = incident.found.clone()?;
        let place = &incident.place;
        let mut kinds: Vec<&str> = place.sources.iter().map(|it| it.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut seen: Vec<Sighting> = Vec::new();
        // Evidence is oldest first: the newest shot of each view stands.
        for sighting in incident
            .evidence
            .iter()
            .filter_map(|e| e.finding.sighting())
        {
            seen.retain(|known| known.view != sighting.view);
            if sighting.after.is_none() {
                seen.push(sighting.clone());
            }
        }
        Some(Self {
            incident: incident.id.clone(),
            line: place.line.clone(),
            at: found.at,
            kind: incident.kind,
            method: kinds.join("+"),
            predicted_m: place.chainage_m,
            interval50_m: place.interval50_m,
            interval95_m: place.interval95_m,
            found,
            seen,
        })
    }

    /// Found minus predicted.
    #[must_use]
    pub fn error(&self) -> Option<RouteLength> {
        self.predicted_m.map(|at| to_mm(self.found.chainage_m - at))
    }

    /// Whether the 95 % interval held the found place, within what the crew's own place is unsure.
    #[must_use]
    pub fn covered95(&self) -> Option<bool> {
        self.interval95_m.map(|ends| self.holds(ends))
    }

    fn holds(&self, [low, high]: [RouteLength; 2]) -> bool {
        let at = self.found.chainage_m;
        low <= at && at <= high
    }

    /// The name of the landmark that the repair is from now on.
    #[must_use]
    pub fn landmark(&self) -> String {
        format!("repair {}", self.incident)
    }

    /// Where each view sees it: marks for the plant file, valid from the repair on.
    #[must_use]
    pub fn marks(&self, landmark: &str) -> Vec<Mark> {
        let mark = |seen: &Sighting| {
            let sd = seen.random_m.get().hypot(seen.systematic_m.get());
            let sd = sd.hypot(TRIMMED_SD_M);
            Mark {
                view: seen.view.clone(),
                landmark: landmark.to_owned(),
                optical: seen.optical_m,
                plus_minus: glass_to_mm(OpticalLength::of(Z95 * sd)),
                group_index: seen.group_index,
                trace: None,
                valid_from: Some(self.at),
            }
        };
        self.seen.iter().map(mark).collect()
    }
}

/// How good the places of `repairs` were.
#[must_use]
pub fn calibration<'a>(repairs: impl IntoIterator<Item = &'a Repair>) -> Calibration {
    let all: Vec<&Repair> = repairs.into_iter().collect();
    let errors: Vec<f64> = all
        .iter()
        .filter_map(|repair| repair.error().map(RouteLength::get))
        .collect();
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let widths: Vec<f64> = all
        .iter()
        .filter_map(|repair| repair.interval95_m.map(|[low, high]| (high - low).get()))
        .collect();
    let held = |ends: fn(&Repair) -> Option<[RouteLength; 2]>| {
        let held = all
            .iter()
            .filter_map(|it| ends(it).map(|ends| it.holds(ends)));
        let held: Vec<f64> = held.map(|held| if held { 1.0 } else { 0.0 }).collect();
        mean(&held).map(|share| rounded(share, 1e4))
    };
    Calibration {
        repairs: all.len(),
        located: errors.len(),
        median_m: quantile(&sizes, 0.5),
        p95_m: quantile(&sizes, 0.95),
        bias_m: mean(&errors).map(|it| rounded(it, 1e3)),
        coverage95: held(|repair| repair.interval95_m),
        coverage50: held(|repair| repair.interval50_m),
        width95_m: mean(&widths).map(|it| rounded(it, 1e3)),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The smallest of rising `values` below which at least `share` of them lie.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, not below zero"
    )]
    let place = (share * values.len() as f64).ceil() as usize;
    values
        .get(place.saturating_sub(1))
        .map(|it| rounded(*it, 1e3))
}

/// The plant with what `repairs` have taught: each a landmark where none was, and marks that hold
/// from its date on. The revision stays that of the file.
#[must_use]
pub fn learn(plant: &Plant, repairs: &[Repair]) -> Plant {
    let mut plant = plant.clone();
    for repair in repairs {
        if let Some(line) = plant.lines.iter_mut().find(|line| line.id == repair.line) {
            teach(line, repair);
        }
    }
    plant
}

fn teach(line: &mut Line, repair: &Repair) {
    let Found {
        chainage_m,
        plus_minus_m,
        ..
    } = repair.found;
    let near = |known: &Landmark| (known.at - chainage_m).abs().get() <= SAME_PLACE_M;
    let known = line.landmarks.iter().find(|known| near(known));
    let name = known.map_or_else(|| repair.landmark(), |known| known.name.clone());
    if known.is_none() {
        line.landmarks.push(Landmark {
            name: name.clone(),
            kind: "closure".to_owned(),
            at: chainage_m,
            plus_minus: plus_minus_m,
            slack_before: OpticalLength::of(0.0),
            slack_after: OpticalLength::of(0.0),
        });
        line.landmarks
            .sort_by(|a, b| a.at.get().total_cmp(&b.at.get()));
    }
    let marks = repair.marks(&name).into_iter();
    let views: Vec<_> = line.views.iter().map(|view| view.id.clone()).collect();
    line.marks
        .extend(marks.filter(|mark| views.contains(&mark.view)));
}

#[cfg(test)]
mod tests;
