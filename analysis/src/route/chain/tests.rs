//! The chain against a span whose truth is known.

use silkline_protocol::plant::Section;

use super::*;
use crate::example;
use crate::trace::synth::Dice;

fn chain(view: &str) -> Chain {
    let plant = example::plant();
    let line = &plant.lines[0];
    Chain::of(line, line.view(&view.parse().unwrap()).unwrap(), None, &[]).unwrap()
}

#[test]
fn glass_is_ground_from_either_end() {
    let whole = example::glass_from_ganja(80_000.0);
    for chainage in [1.0, 3_990.0, 9_000.0, 41_234.5, 79_500.0] {
        let glass = example::glass_from_ganja(chainage);
        for (view, optical) in [("ganja-b", glass), ("tovuz-a", whole - glass)] {
            let optical = OpticalLength::of(optical);
            let chain = chain(view);
            let plain = chain.interpolate(optical, None).get();
            assert!((plain - chainage).abs() < 0.5, "{view} {chainage}: {plain}");
            let spread = chain.locate(optical, OpticalLength::of(2.0), None);
            let mean = spread.mean().get();
            assert!((mean - chainage).abs() < 1.5, "{view} {chainage}: {mean}");
            let [low, high] = spread.interval(0.95);
            assert!((high - low).get() < 60.0 && (high - low).get() > 5.0);
            assert!(
                (chain.glass_at(RouteLength::of(chainage)) - optical)
                    .abs()
                    .get()
                    < 0.5
            );
        }
    }
}

#[test]
fn a_fault_inside_a_coil_is_at_its_closure() {
    let chain = chain("ganja-b");
    let at_closure = example::glass_from_ganja(8_000.0);
    for into in [-10.0, 0.0, 10.0] {
        let found = chain.interpolate(OpticalLength::of(at_closure + into), None);
        assert!((found.get() - 8_000.0).abs() < 0.1, "{into}: {found}");
    }
}

#[test]
fn another_group_index_moves_nothing() {
    let chain = chain("ganja-b");
    let by_marks = OpticalLength::of(41_000.0);
    let by_other = OpticalLength::of(41_000.0 * 1.4685 / 1.4700);
    let a = chain.interpolate(by_marks, Some(GroupIndex::of(1.4685)));
    let b = chain.interpolate(by_other, Some(GroupIndex::of(1.4700)));
    assert!((a - b).abs().get() < 1e-6);
}

#[test]
fn without_marks_the_answer_is_wide_and_says_so() {
    let mut plant = example::plant();
    plant.lines[0].marks.clear();
    let line = &plant.lines[0];
    let view = line.view(&"ganja-b".parse().unwrap()).unwrap();
    let bare = Chain::of(line, view, None, &[]).unwrap();
    let glass = OpticalLength::of(example::glass_from_ganja(60_500.0));
    let [low, high] = bare
        .locate(glass, OpticalLength::of(2.0), None)
        .interval(0.95);
    assert!((high - low).get() > 100.0);
    assert!(low.get() < 60_500.0 && 60_500.0 < high.get());
    let end = Seen {
        chainage: RouteLength::of(80_000.0),
        optical: OpticalLength::of(example::glass_from_ganja(80_000.0)),
        plus_minus: OpticalLength::of(4.0),
        group_index: GroupIndex::of(1.4685),
    };
    let anchored = Chain::of(line, view, None, &[end]).unwrap();
    let [near, far] = anchored
        .locate(glass, OpticalLength::of(2.0), None)
        .interval(0.95);
    assert!((far - near).get() < 0.8 * (high - low).get());
}

#[test]
fn a_gap_of_two_cables_is_walked_cable_by_cable() {
    let mut line = example::plant().lines.remove(0);
    let gone = "C-10".to_owned();
    line.landmarks.retain(|landmark| landmark.name != gone);
    line.marks.retain(|mark| mark.landmark != gone);
    let section = line.sections.remove(0);
    // From 36 to 40 km nearly none, from 40 to 44 km twice as much as the example has.
    let excess = [
        (0.0, 36.0, 0.01),
        (36.0, 40.0, 0.002),
        (40.0, 44.0, 0.018),
        (44.0, 160.0, 0.01),
    ];
    line.sections = excess
        .map(|(from, to, excess)| Section {
            from: RouteLength::of(from * 1000.0),
            to: RouteLength::of(to * 1000.0),
            excess,
            ..section.clone()
        })
        .into();
    let view = line.view(&"ganja-b".parse().unwrap()).unwrap();
    let chain = Chain::of(&line, view, None, &[]).unwrap();
    let start = example::glass_from_ganja(36_000.0) + example::SLACK_M;
    let glass = OpticalLength::of(start + 3_000.0 * 1.002);
    let spread = chain.locate(glass, OpticalLength::of(2.0), None);
    let off = (spread.mean().get() - 39_000.0).abs();
    assert!(off < 6.0, "{off}");
}

/// A span as it was laid, and what is known of it: the assumptions of the project's figures.
struct Laid {
    line: Line,
    /// True places on the ground and in the glass of node, closures and far node.
    ground: Vec<f64>,
    /// Glass where each closure's coils begin and end.
    glass: Vec<(f64, f64)>,
    index: f64,
    wrong: Vec<f64>,
}

/// Marks and fault on the glass, one standard deviation each.
#[derive(Clone, Copy)]
struct Noise {
    mark: f64,
    fault: f64,
}

fn lay(dice: &mut Dice, noise: Noise) -> Laid {
    let mut line = example::plant().lines.remove(0);
    (line.sections, line.landmarks, line.marks) = (Vec::new(), Vec::new(), Vec::new());
    let index = 1.0 + 2e-4 * dice.normal();
    let (mut ground, mut glass) = (vec![0.0], vec![(0.0, 0.0)]);
    let mut wrong = Vec::new();
    for k in 1..=20_u32 {
        let excess = dice.between(0.0, 0.02);
        let from = 4000.0 * f64::from(k - 1);
        let told = excess + 0.001 * dice.normal();
        line.sections.push(Section {
            from: RouteLength::of(from),
            to: RouteLength::of(from + 4000.0),
            group_index: Vec::new(),
            excess: told,
            excess_plus_minus: 0.001 * Z95,
            cable: None,
            laid: None,
            depth_m: None,
        });
        let before = (15.0 + 5.0 * dice.normal()).max(0.0);
        let after = (15.0 + 5.0 * dice.normal()).max(0.0);
        let here = glass.last().unwrap().1 + 4000.0 * (1.0 + excess) + before;
        ground.push(from + 4000.0);
        glass.push((here - before, here + after));
        if k == 20 || dice.uniform() < 0.02 {
            continue;
        }
        let mistaken = dice.uniform() < 0.01;
        if mistaken {
            wrong.push(from + 4000.0);
        }
        let off = if mistaken {
            100.0 * (dice.uniform() - 0.5).signum()
        } else {
            0.0
        };
        let known = |true_slack: f64, dice: &mut Dice| {
            OpticalLength::of((true_slack * (1.0 + 0.2 * dice.normal())).max(0.0))
        };
        line.landmarks.push(Landmark {
            name: format!("C-{k}"),
            kind: "closure".into(),
            at: RouteLength::of(from + 4000.0 + 5.0 * dice.normal() + off),
            plus_minus: RouteLength::of(5.0 * Z95),
            slack_before: known(before, dice),
            slack_after: known(after, dice),
        });
        line.marks.push(Mark {
            view: "ganja-b".parse().unwrap(),
            landmark: format!("C-{k}"),
            optical: OpticalLength::of(here * index + noise.mark * dice.normal()),
            plus_minus: OpticalLength::of(noise.mark * Z95),
            group_index: None,
            trace: None,
            valid_from: None,
        });
    }
    Laid {
        line,
        ground,
        glass,
        index,
        wrong,
    }
}

impl Laid {
    /// The true place on the ground of a point of the glass.
    fn truth(&self, glass: f64) -> f64 {
        let k = self
            .glass
            .iter()
            .rposition(|(begin, _)| *begin <= glass)
            .unwrap();
        let (_, end) = self.glass[k];
        if glass <= end || k + 1 == self.glass.len() {
            return self.ground[k];
        }
        let share = (glass - end) / (self.glass[k + 1].0 - end);
        self.ground[k] + share * (self.ground[k + 1] - self.ground[k])
    }
}

/// Errors of many faults on many spans.
#[derive(Default)]
struct Score {
    errors: Vec<f64>,
    plain: Vec<f64>,
    inside: usize,
    width: f64,
}

impl Score {
    fn at(errors: &[f64], share: f64) -> f64 {
        let mut sorted = errors.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let k = (0..=last).find(|k| *k as f64 >= share * last as f64);
        sorted[k.unwrap_or(last)]
    }

    fn add(&mut self, laid: &Laid, noise: Noise, glass: f64, dice: &mut Dice) {
        let view = laid.line.view(&"ganja-b".parse().unwrap()).unwrap();
        let chain = Chain::of(&laid.line, view, None, &[]).unwrap();
        let seen = OpticalLength::of(glass * laid.index + noise.fault * dice.normal());
        let spread = chain.locate(seen, OpticalLength::of(noise.fault), None);
        let truth = laid.truth(glass);
        let [low, high] = spread.interval(0.95);
        self.errors.push((spread.mean().get() - truth).abs());
        self.plain
            .push((chain.interpolate(seen, None).get() - truth).abs());
        self.inside += usize::from((low.get()..=high.get()).contains(&truth));
        self.width += (high - low).get();
    }

    fn tell(&self, name: &str) -> (f64, f64, f64) {
        let count = self.errors.len() as f64;
        let (median, most) = (Self::at(&self.errors, 0.5), Self::at(&self.errors, 0.95));
        let coverage = self.inside as f64 / count;
        println!(
            "{name}: {count} faults, median {median:.2} m, 95 % {most:.2} m, inside {:.1} %, width \
             {:.1} m; plain interpolation {:.2} and {:.2} m",
            100.0 * coverage,
            self.width / count,
            Self::at(&self.plain, 0.5),
            Self::at(&self.plain, 0.95),
        );
        (median, most, coverage)
    }
}

fn score(noise: Noise, spans: u64, only_beside_wrong: bool) -> Score {
    let mut score = Score::default();
    for seed in 0..spans {
        // Neighbouring seeds would be the same numbers, shifted by one.
        let mut dice = Dice::new(seed * 1_000_003);
        let laid = lay(&mut dice, noise);
        let whole = laid.glass.last().unwrap().0;
        for _ in 0..4 {
            let glass = match laid.wrong.first() {
                _ if !only_beside_wrong => dice.between(200.0, whole),
                Some(at) => {
                    let k = laid.ground.iter().position(|place| place >= at).unwrap();
                    dice.between(laid.glass[k - 1].1, laid.glass[k + 1].0)
                }
                None => continue,
            };
            score.add(&laid, noise, glass, &mut dice);
        }
    }
    score
}

#[test]
fn the_interval_is_honest_and_the_error_small_under_the_stated_assumptions() {
    let fine = Noise {
        mark: 2.0,
        fault: 2.0,
    };
    let (median, most, coverage) = score(fine, 400, false).tell("fine");
    assert!(median <= 4.0 && most <= 12.0, "{median} {most}");
    assert!((0.92..=0.98).contains(&coverage), "{coverage}");
    let coarse = Noise {
        mark: 5.0,
        fault: 10.0,
    };
    let (median, most, coverage) = score(coarse, 400, false).tell("coarse");
    assert!(median <= 9.0 && most <= 25.0, "{median} {most}");
    assert!((0.92..=0.98).contains(&coverage), "{coverage}");
}

#[test]
fn a_wrong_landmark_beside_the_fault_does_little_harm() {
    let fine = Noise {
        mark: 2.0,
        fault: 2.0,
    };
    let (median, most, coverage) = score(fine, 1500, true).tell("beside a wrong landmark");
    assert!(median <= 5.0 && most <= 14.0, "{median} {most}");
    assert!((0.90..=0.985).contains(&coverage), "{coverage}");
}
