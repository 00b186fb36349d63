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
pub struct FeedState {
    /// Voltage at A and at B, as magnitudes.
    pub volts: [f64; 2],
    /// The current, held constant.
    pub amps: f64,
    /// Potential of the sea earth against the station's, at A and at B.
    pub earth_volts: [f64; 2],
}

/// What an electrode made by a torn conductor drops.
const TORN_END_VOLTS: f64 = 6.0;

impl World {
    /// The feeding of `line`; none where it has none.
    #[must_use]
    pub fn feed(&self, line: &LineId, moment: Moment<'_>) -> Option<FeedState> {
        let line = self.plant.line(line)?;
        let feed = line.feed.as_ref()?;
        let mut own = self.seed.draws(&format!("feed {}", line.id));
        // Temperature of the sea bed: 0.39 % a kelvin.
        let ohm_per_km = feed.ohm_per_km * (1.0 + 0.0039 * own.normal(1.0));
        let sea_volts = own.normal(1.0);
        let mut flicker = self.flicker(&format!("feed {}", line.id), moment.now);
        let amps = feed.amps * (1.0 + flicker.normal(2e-5));
        let drop = |from: RouteLength, to: RouteLength| {
            let repeaters = line
                .nodes
                .iter()
                .filter(|node| node.kind == NodeKind::Repeater);
            let passed = repeaters.filter(|node| from < node.chainage && node.chainage <= to);
            let each = repeater_volts(&feed.repeater_volts, amps);
            amps * ohm_per_km * (to - from).km() + passed.map(|_| each).sum::<f64>()
        };
        let start = RouteLength::default();
        let volts = match touches_sea(line, moment) {
            Some((at, torn)) => {
                let electrode = if torn { TORN_END_VOLTS } else { 0.0 };
                [
                    drop(start, at) + sea_volts + electrode,
                    drop(at, line.length()) - sea_volts + electrode,
                ]
            }
            None => {
                let whole = drop(start, line.length());
                let share = feed.volts_a / (feed.volts_a + feed.volts_b).max(1.0);
                [whole * share, whole * (1.0 - share)]
            }
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
