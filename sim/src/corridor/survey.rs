//! A made-up cable and its survey: drums laid and joined, then measured as a crew would, each
//! measurement a little off. The plant file holds the survey; what was laid is forgotten.

use crate::chance::Chance;

/// Standard deviation of a surveyed position, in metres: a hand-held receiver.
const POSITION_SIGMA_M: f64 = 5.0;
/// The same at sea, from the cable ship's log.
const SEA_POSITION_SIGMA_M: f64 = 25.0;
/// Coils are known to a fifth of their length, one standard deviation.
const SLACK_SIGMA: f64 = 0.2;
/// Standard deviation of a mark read off a trace, in metres.
const MARK_SIGMA_M: f64 = 1.0;
/// How well the excess of a drum is known: half of the 95 % interval, in per cent.
pub(super) const EXCESS_PLUS_MINUS_PERCENT: f64 = 0.2;
/// Half widths of 95 % intervals are this many standard deviations.
const NORMAL_95: f64 = 1.96;

/// A stretch between two nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) from_m: f64,
    pub(super) to_m: f64,
    /// Stated excess of its cable, in per cent.
    pub(super) excess_percent: f64,
    /// By how much the instrument's idea of the glass is off, as a ratio: it has the wrong index.
    pub(super) index_error: f64,
}

/// A landmark as surveyed.
#[derive(Clone, Debug)]
pub(super) struct Landmark {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) at_m: f64,
    pub(super) plus_minus_m: f64,
    /// Coils before and after, in metres of glass, where there are any.
    pub(super) slack_m: [f64; 2],
    /// Distances along the glass from the stretch's A node and from its B node, where seen.
    pub(super) marks_m: Option<[f64; 2]>,
}

/// Half width of the 95 % interval of every mark.
pub(super) const MARK_PLUS_MINUS_M: f64 = 2.0;

/// What is joined where: name and kind of a joint by its place in the stretch.
pub(super) struct Joint {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) true_m: f64,
    pub(super) at_sea: bool,
    pub(super) has_coils: bool,
}

impl Stretch {
    /// Lays drums between the joints, then surveys them from both ends.
    pub(super) fn surveyed(&self, joints: &[Joint], chance: &mut Chance) -> Vec<Landmark> {
        let excess = |chance: &mut Chance| {
            let sigma = EXCESS_PLUS_MINUS_PERCENT / NORMAL_95;
            1.0 + (self.excess_percent + chance.normal(sigma)) / 100.0
        };
        let (mut ground_m, mut glass_m) = (self.from_m, 0.0);
        let mut laid = Vec::new();
        for joint in joints {
            glass_m += (joint.true_m - ground_m) * excess(chance);
            ground_m = joint.true_m;
            let stated_m = [0, 1].map(|_| self.coil_m(joint, chance));
            let [before, after] =
                stated_m.map(|stated| stated + chance.normal(stated * SLACK_SIGMA));
            glass_m += before;
            laid.push((joint, stated_m, glass_m));
            glass_m += after;
        }
        let length_m = glass_m + (self.to_m - ground_m) * excess(chance);
        let survey = |(joint, slack_m, glass_m): (&Joint, [f64; 2], f64)| {
            let sigma = if joint.at_sea {
                SEA_POSITION_SIGMA_M
            } else {
                POSITION_SIGMA_M
            };
            let mut read = |true_m: f64| {
                let seen = true_m * (1.0 + self.index_error) + chance.normal(MARK_SIGMA_M);
                (seen * 10.0).round() / 10.0
            };
            let marks_m = Some([read(glass_m), read(length_m - glass_m)]);
            Landmark {
                name: joint.name.clone(),
                kind: joint.kind,
                at_m: (joint.true_m + chance.normal(sigma)).round(),
                plus_minus_m: (sigma * NORMAL_95).round(),
                slack_m,
                marks_m,
            }
        };
        laid.into_iter().map(survey).collect()
    }

    fn coil_m(&self, joint: &Joint, chance: &mut Chance) -> f64 {
        if joint.has_coils {
            chance.between(10.0, 20.0).round()
        } else {
            0.0
        }
    }

    /// Ends of drums of about `drum_m`, without the stretch's own ends.
    pub(super) fn drum_ends(&self, drum_m: f64, chance: &mut Chance) -> Vec<f64> {
        let drums = ((self.to_m - self.from_m) / drum_m).round().max(1.0);
        let each = (self.to_m - self.from_m) / drums;
        let inner = (1_u32..)
            .map(f64::from)
            .take_while(|drum| *drum < drums - 0.5);
        inner
            .map(|drum| self.from_m + drum * each + chance.between(-0.05, 0.05) * each)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seed;

    #[test]
    fn marks_from_both_ends_add_up_to_the_glass_between() {
        let stretch = Stretch {
            from_m: 0.0,
            to_m: 80_000.0,
            excess_percent: 0.6,
            index_error: 0.0,
        };
        let mut chance = Seed(3).draws("survey");
        let ends = stretch.drum_ends(4_000.0, &mut chance);
        assert_eq!(ends.len(), 19);
        let joint = |(n, &true_m): (usize, &f64)| Joint {
            name: n.to_string(),
            kind: "closure",
            true_m,
            at_sea: false,
            has_coils: true,
        };
        let joints: Vec<Joint> = ends.iter().enumerate().map(joint).collect();
        let landmarks = stretch.surveyed(&joints, &mut chance);
        // 80 km with 0.6 % and 19 times 30 m of coils: 81 050 m, give or take the draws.
        for landmark in &landmarks {
            let [a, b] = landmark.marks_m.unwrap();
            assert!((a + b - 81_050.0).abs() < 150.0, "{}", a + b);
        }
        let sums: Vec<f64> = landmarks
            .iter()
            .map(|l| l.marks_m.unwrap().iter().sum())
            .collect();
        assert!(
            sums.windows(2)
                .all(|w| (w[0] - w[1]).abs() < 8.0 * MARK_SIGMA_M)
        );
    }
}
