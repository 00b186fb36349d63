//! Power feeding of a submarine cable: what the equipment at each end measures.
//!
//! # Source
//!
//! With the conductor on the sea at `d`: `VA = VF + I·r·d + ΣV(repeaters before)`,
//! `|VB| = -VF + I·r·(L - d) + ΣV(repeaters behind)`; ITU-T G.977 describes the arrangement.

use silkline_protocol::id::LineId;
use silkline_protocol::plant::{Line, NodeKind};
use silkline_protocol::unit::RouteLength;

use super::{Moment, World};
use crate::fault::Fault;

/// What the power feeding equipment of both ends measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FeedState {
    /// Voltage at A and at B, as magnitudes.
    pub(crate) volts: [f64; 2],
    /// The current, held constant.
    pub(crate) amps: f64,
    /// Potential of the sea earth against the station's, at A and at B.
    pub(crate) earth_volts: [f64; 2],
}

/// What an electrode made by a torn conductor drops.
const TORN_END_VOLTS: f64 = 6.0;

/// A cable's power conductor with its repeaters.
struct Conductor {
    length: RouteLength,
    ohm_per_km: f64,
    repeaters: Vec<RouteLength>,
    repeater_volts: f64,
}

impl Conductor {
    /// What falls between two places at `amps`.
    fn drop(&self, [from, to]: [RouteLength; 2], amps: f64) -> f64 {
        let passed = self.repeaters.iter().filter(|at| from < **at && **at <= to);
        let repeaters = passed.map(|_| self.repeater_volts).sum::<f64>();
        amps * self.ohm_per_km * (to - from).km() + repeaters
    }

    /// What both ends feed while the conductor is whole, of which A takes `share`.
    fn whole(&self, amps: f64, share: f64) -> [f64; 2] {
        let all = self.drop([RouteLength::default(), self.length], amps);
        [all * share, all * (1.0 - share)]
    }

    /// What both ends feed while it lies on the sea at `at`, whose potential is `sea_volts`.
    fn on_sea(&self, amps: f64, at: RouteLength, sea_volts: f64) -> [f64; 2] {
        let before = self.drop([RouteLength::default(), at], amps);
        let behind = self.drop([at, self.length], amps);
        [before + sea_volts, behind - sea_volts]
    }
}

impl World {
    /// The feeding of `line`; none where it has none.
    #[must_use]
    pub(crate) fn feed(&self, line: &LineId, moment: Moment<'_>) -> Option<FeedState> {
        let line = self.plant.line(line)?;
        let feed = line.feed.as_ref()?;
        let mut own = self.seed.draws(&format!("feed {}", line.id));
        // Temperature of the sea bed: 0.39 % a kelvin.
        let ohm_per_km = feed.ohm_per_km * (1.0 + 0.0039 * own.normal(1.0));
        let sea_volts = own.normal(1.0);
        let mut flicker = self.flicker(&format!("feed {}", line.id), moment.now);
        let amps = feed.amps * (1.0 + flicker.normal(2e-5));
        let repeaters = line
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Repeater);
        let conductor = Conductor {
            length: line.length(),
            ohm_per_km,
            repeaters: repeaters.map(|node| node.chainage).collect(),
            repeater_volts: repeater_volts(&feed.repeater_volts, amps),
        };
        let volts = match touches_sea(line, moment) {
            Some((at, torn)) => {
                let electrode = if torn { TORN_END_VOLTS } else { 0.0 };
                conductor
                    .on_sea(amps, at, sea_volts)
                    .map(|volts| volts + electrode)
            }
            None => conductor.whole(amps, feed.volts_a / (feed.volts_a + feed.volts_b).max(1.0)),
        };
        let volts = volts.map(|volts| (volts + flicker.normal(0.05)).max(0.0));
        let earth_volts = [0, 1].map(|_| own.normal(0.8) + flicker.normal(0.02));
        Some(FeedState {
            volts,
            amps,
            earth_volts,
        })
    }
}

/// Where the conductor touches the sea, and whether it is torn there.
fn touches_sea(line: &Line, moment: Moment<'_>) -> Option<(RouteLength, bool)> {
    let standing = moment.scene.standing.iter();
    standing
        .map(|standing| &standing.fault)
        .find_map(|fault| match fault {
            Fault::Feed { line: fed, at } if *fed == line.id => Some((*at, false)),
            Fault::Cut {
                line: cut,
                at,
                fibre: None,
            } if *cut == line.id => Some((*at, true)),
            _ => None,
        })
}

/// What a repeater drops at `amps`, between the neighbours in the file's table.
fn repeater_volts(table: &[[f64; 2]], amps: f64) -> f64 {
    let above = table.iter().position(|[at, _]| *at >= amps);
    let last = table.last().map_or(0.0, |[_, volts]| *volts);
    let Some(place) = above else { return last };
    let high = table.get(place).copied().unwrap_or_default();
    let low = place
        .checked_sub(1)
        .and_then(|place| table.get(place))
        .copied()
        .unwrap_or(high);
    let [[low_a, low_v], [high_a, high_v]] = [low, high];
    let width = high_a - low_a;
    if width > 0.0 {
        low_v + (high_v - low_v) * (amps - low_a) / width
    } else {
        high_v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 529 km with 69 repeaters of 31.75 V, 20 of them before km 1 051.5.
    fn long_cable() -> Conductor {
        let km = |km: f64| RouteLength::of(km * 1_000.0);
        let before = (1..=20).map(|number| km(50.0 * f64::from(number)));
        let behind = (0..49).map(|number| km(1_060.0 + 50.0 * f64::from(number)));
        Conductor {
            length: km(3_529.0),
            ohm_per_km: 1.3917,
            repeaters: before.chain(behind).collect(),
            repeater_volts: 31.75,
        }
    }

    #[test]
    fn a_shunt_gives_the_voltages_of_the_published_case() {
        // The case of 0.9 A, 1 952 V and 4 659 V, solved for both ends: 1 051.5 km at 1.3917 ohm.
        let [a, b] = long_cable().on_sea(0.9, RouteLength::of(1_051_500.0), 0.0);
        assert!((a - 1_952.0).abs() < 0.5, "{a}");
        assert!((b - 4_659.0).abs() < 0.5, "{b}");
    }

    #[test]
    fn the_sea_s_potential_moves_both_ends_apart_and_the_sum_stays() {
        let cable = long_cable();
        let at = RouteLength::of(2_000_000.0);
        let [a, b] = cable.on_sea(0.9, at, 0.0);
        let [high, low] = cable.on_sea(0.9, at, 5.0);
        assert!((high - a - 5.0).abs() < 1e-9 && (b - low - 5.0).abs() < 1e-9);
        let [whole_a, whole_b] = cable.whole(0.9, 0.25);
        assert!((whole_a + whole_b - a - b).abs() < 1e-6);
        assert!((whole_a * 3.0 - whole_b).abs() < 1e-6);
    }

    #[test]
    fn a_repeaters_drop_is_read_between_its_table_s_rows() {
        let table = [[0.8, 30.0], [1.0, 34.0]];
        for (amps, wanted) in [
            (0.8, 30.0),
            (0.9, 32.0),
            (1.0, 34.0),
            (0.1, 30.0),
            (2.0, 34.0),
        ] {
            assert!(
                (repeater_volts(&table, amps) - wanted).abs() < 1e-9,
                "{amps}"
            );
        }
        assert!((repeater_volts(&[[0.0, 32.0]], 0.9) - 32.0).abs() < 1e-9);
        assert!(repeater_volts(&[], 0.9).abs() < 1e-9);
    }
}
