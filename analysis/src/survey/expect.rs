//! Where the plant says each landmark is along a view's glass.

use silkline_protocol::plant::{Landmark, Line, Toward, View};
use silkline_protocol::unit::{GroupIndex, OpticalLength, RouteLength};

use super::places::Sighted;
use crate::route::chain::{Chain, Seen, Z95};

/// How well a node's place is known, in metres.
const NODE_SD_M: f64 = 1.0;

/// An index set on an instrument is off by this part, one standard deviation.
const INDEX_SD: f64 = 3e-4;

/// The kinds of landmark where glass is joined.
const JOINTS: [&str; 4] = ["closure", "joint", "beach-manhole", "splice"];

/// Coils are known to a fifth, and never better than a metre.
const SLACK_SHARE: f64 = 0.2;

/// A landmark of the view.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) name: String,
    /// Along the glass from the view's node, in metres.
    pub(super) at: f64,
    /// Standard deviation of its place on the ground.
    pub(super) ground_sd: f64,
    /// Standard deviation of the glass since the landmark before: of the cable's excess, and of coils.
    excess_sd: f64,
    coil_variance: f64,
    /// Whether a joint belongs there, so that its absence is worth a word.
    pub(super) joined: bool,
}

/// All landmarks of a view by rising distance, and what ends it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) expected: Vec<Expected>,
    /// Where the fibre ends by the plant, and how sure the stretch since the last landmark makes it;
    /// none where the end that was seen is not that.
    pub(super) end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct End {
    pub(super) at: f64,
    pub(super) seen: f64,
    pub(super) sd: f64,
    excess_sd: f64,
    coil_variance: f64,
}

impl Plan {
    /// Variance of the glass between two landmarks, the places of both on the ground included; none
    /// is the view's node, and one behind the last the fibre's end.
    pub(super) fn variance(&self, from: Option<usize>, to: Option<usize>) -> f64 {
        let (low, high) = match (from, to) {
            (Some(from), Some(to)) => (from.min(to) + 1, from.max(to)),
            (None, Some(to)) | (Some(to), None) => (0, to),
            (None, None) => return 0.0,
        };
        let between = self
            .expected
            .iter()
            .skip(low)
            .take((high + 1).saturating_sub(low));
        let (mut excess, mut coils) = (0.0, 0.0);
        for step in between {
            excess += step.excess_sd;
            coils += step.coil_variance;
        }
        if let Some(end) = self.end.filter(|_| high >= self.expected.len()) {
            excess += end.excess_sd;
            coils += end.coil_variance;
        }
        let ground = |k: Option<usize>| {
            let place = k.and_then(|k| self.expected.get(k));
            place.map_or(NODE_SD_M, |place| place.ground_sd).powi(2)
        };
        excess * excess + coils + ground(from) + ground(to)
    }
}

/// What the plant says of `view`; an `end` seen where it should be sets the scale.
pub(super) fn plan(
    line: &Line,
    view: &View,
    end: Option<(&Sighted, GroupIndex)>,
    notes: &mut Vec<String>,
) -> Plan {
    // Marks of old are not asked: a survey stands for itself.
    let bare = Line {
        marks: Vec::new(),
        ..line.clone()
    };
    let Some(chain) = Chain::of(&bare, view, None, &[]) else {
        return Plan {
            expected: Vec::new(),
            end: None,
        };
    };
    let ahead = Ahead::of(&bare, view, &chain);
    let mut plan = ahead.plan(&chain);
    let Some((end, index)) = end else {
        notes.push("no end of the fibre was seen: lengths rest on the plant's excess alone".into());
        return plan;
    };
    let far = ahead.end(&chain);
    plan.end = Some(End {
        seen: end.at,
        sd: end.sd,
        ..far
    });
    let last = plan.expected.len();
    let doubt = plan.variance(None, Some(last)).sqrt() + INDEX_SD * end.at + 3.0 * end.sd;
    let off = end.at - far.at;
    if off.abs() > 4.0 * doubt + 20.0 {
        let way = if off < 0.0 { "short of" } else { "beyond" };
        notes.push(format!(
            "the fibre ends at {:.1} m, {:.0} m {way} where the plant says ({:.0} ± {:.0} m)",
            end.at,
            off.abs(),
            far.at,
            2.0 * doubt
        ));
        plan.end = None;
        return plan;
    }
    let seen = Seen {
        chainage: chain.far_end(),
        optical: OpticalLength::of(end.at),
        plus_minus: OpticalLength::of(Z95 * end.sd),
        group_index: index,
    };
    if let Some(scaled) = Chain::of(&bare, view, None, &[seen]) {
        let end = plan.end;
        plan = ahead.plan(&scaled);
        plan.end = end.map(|end| End {
            at: end.seen,
            ..end
        });
    }
    plan
}

/// The landmarks that a view looks at, by rising distance.
struct Ahead<'a> {
    line: &'a Line,
    landmarks: Vec<&'a Landmark>,
    looks_to_b: bool,
}

impl<'a> Ahead<'a> {
    fn of(line: &'a Line, view: &View, chain: &Chain) -> Self {
        let [low, high] = chain.range();
        let inside = |landmark: &&Landmark| low < landmark.at && landmark.at < high;
        let mut landmarks: Vec<&Landmark> = line.landmarks.iter().filter(inside).collect();
        let looks_to_b = view.toward == Toward::B;
        if !looks_to_b {
            landmarks.reverse();
        }
        Self {
            line,
            landmarks,
            looks_to_b,
        }
    }

    fn plan(&self, chain: &Chain) -> Plan {
        let mut before = chain.origin();
        let mut coil = 0.0;
        let mut expected = Vec::new();
        for landmark in &self.landmarks {
            let [near, far] = self.coils(landmark);
            let slack = landmark.slack_before.get() + landmark.slack_after.get();
            expected.push(Expected {
                name: landmark.name.clone(),
                at: chain.glass_at(landmark.at).get(),
                ground_sd: landmark.plus_minus.get() / Z95,
                excess_sd: chain.excess_sd_m(self.line, before, landmark.at),
                coil_variance: coil + near,
                joined: slack > 0.0 || JOINTS.contains(&landmark.kind.as_str()),
            });
            before = landmark.at;
            coil = far;
        }
        Plan {
            expected,
            end: None,
        }
    }

    /// What comes behind the last landmark.
    fn end(&self, chain: &Chain) -> End {
        let last = self.landmarks.last();
        let from = last.map_or_else(|| chain.origin(), |landmark| landmark.at);
        End {
            at: chain.glass_at(chain.far_end()).get(),
            seen: 0.0,
            sd: 0.0,
            excess_sd: chain.excess_sd_m(self.line, from, chain.far_end()),
            coil_variance: last.map_or(0.0, |landmark| self.coils(landmark)[1]),
        }
    }

    /// Variances of a landmark's coils: of that nearer to the node, and of the other.
    fn coils(&self, landmark: &Landmark) -> [f64; 2] {
        let variance = |slack: OpticalLength| {
            let metres = slack.get();
            if metres > 0.0 {
                (SLACK_SHARE * metres).max(1.0).powi(2)
            } else {
                0.0
            }
        };
        let [a, b] = [landmark.slack_before, landmark.slack_after].map(variance);
        if self.looks_to_b { [a, b] } else { [b, a] }
    }
}

impl Chain {
    /// Where on the ground the view's light ends.
    fn far_end(&self) -> RouteLength {
        let [low, high] = self.range();
        if self.looks_to_b() { high } else { low }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    /// The plan of the example's first view, with the fibre's end seen at `end` metres.
    fn planned(end: Option<f64>) -> (Plan, Vec<String>) {
        let plant = example::plant();
        let line = &plant.lines[0];
        let seen = end.map(|at| Sighted {
            at,
            sd: 1.0,
            seen: Vec::new(),
        });
        let mut notes = Vec::new();
        let index = GroupIndex::of(1.468_2);
        let plan = plan(
            line,
            &line.views[0],
            seen.as_ref().map(|it| (it, index)),
            &mut notes,
        );
        (plan, notes)
    }

    /// Where closure `k` of the example is along the glass: drums of 4 km with their excess, and
    /// coils on both sides of every closure.
    fn glass(k: f64) -> f64 {
        k * 4_000.0 * (1.0 + example::EXCESS) + (2.0 * k - 1.0) * example::SLACK_M
    }

    #[test]
    fn closures_lie_behind_excess_and_coils() {
        let (plan, notes) = planned(None);
        for (k, expected) in plan.expected.iter().enumerate().take(5) {
            let wanted = glass(k as f64 + 1.0);
            assert!(
                (expected.at - wanted).abs() < 60.0,
                "{} {wanted}",
                expected.at
            );
        }
        assert!(
            notes[0].starts_with("no end of the fibre was seen"),
            "{notes:?}"
        );
    }

    #[test]
    fn an_end_where_it_should_be_sets_the_scale() {
        let (bare, _) = planned(None);
        let last = bare.expected.last().unwrap().at;
        let full = last + 4_000.0 * (1.0 + example::EXCESS) + example::SLACK_M;
        for stretch in [0.999, 1.001] {
            let (plan, notes) = planned(Some(full * stretch));
            assert_eq!(notes, Vec::<String>::new());
            assert!(plan.end.is_some());
            let middle = plan.expected.len() / 2;
            let ratio = plan.expected[middle].at / bare.expected[middle].at;
            assert!((ratio - stretch).abs() < 5e-4, "{ratio} {stretch}");
        }
    }

    #[test]
    fn an_end_elsewhere_is_told_and_not_believed() {
        let (plan, notes) = planned(Some(31_000.0));
        assert!(plan.end.is_none());
        assert!(notes[0].contains("short of"), "{notes:?}");
        let (_, notes) = planned(Some(120_000.0));
        assert!(notes[0].contains("beyond"), "{notes:?}");
    }

    #[test]
    fn doubt_grows_with_the_glass_between() {
        let (plan, _) = planned(None);
        let next = plan.variance(Some(3), Some(4));
        let far = plan.variance(Some(3), Some(9));
        assert!(next > 0.0 && far > next, "{next} {far}");
        assert!((plan.variance(Some(9), Some(3)) - far).abs() < 1e-9);
    }
}
