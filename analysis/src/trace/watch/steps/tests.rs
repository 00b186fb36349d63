use super::*;
use crate::trace::synth::Dice;
use crate::trace::watch::ramp::Ramp;
use crate::trace::watch::spread::BLOCKS;

/// Seeds this far apart draw nothing in common.
const APART: u64 = 1_000_003;

const COUNT: usize = 600;

const BINS: Bins = Bins {
    from: 0,
    size: 1,
    count: COUNT,
};

static WHITE: Colour = Colour {
    stretches: Vec::new(),
    known_by: 0.0,
};

/// Steps of no pulse at all.
const SHARP: Fit<'_> = &|_, _| None;

fn noise(extra: &[f64]) -> Noise<'_> {
    Noise {
        sigma: vec![0.05; COUNT],
        extra: extra.into(),
        tilt: 0.02,
        share: 1.0,
        known_by: 30.0,
        colour: &WHITE,
        ramp: [0.1, 0.03],
    }
}

fn quiet(seed: u64) -> Vec<f64> {
    let mut dice = Dice::new(seed * APART);
    let tilt = 0.02 * dice.normal();
    let level = dice.normal();
    let value = |bin: usize| level + tilt * (bin as f64 / COUNT as f64 - 0.5);
    (0..COUNT)
        .map(|bin| value(bin) + 0.05 * dice.normal())
        .collect()
}

#[test]
fn quiet_falls_hold_no_step_and_scores_are_deviations() {
    let extra = vec![0.5; 24];
    let search = Search::new(&noise(&extra), BINS);
    let mut loudest: Vec<f64> = (0..400).map(|seed| search.loudest(&quiet(seed))).collect();
    loudest.sort_by(f64::total_cmp);
    assert!(loudest[399] < 5.2, "{}", loudest[399]);
    assert!((1.8..3.2).contains(&loudest[200]), "{}", loudest[200]);
    assert!(search.run(&quiet(1), &[], SHARP).steps.is_empty());
}

#[test]
fn two_steps_are_both_found_with_honest_sizes() {
    let extra = vec![0.5; 24];
    let search = Search::new(&noise(&extra), BINS);
    let mut worst = 0.0_f64;
    for seed in 0..40 {
        let mut fall = quiet(seed);
        fall.iter_mut().skip(200).for_each(|v| *v += 0.12);
        fall.iter_mut().skip(450).for_each(|v| *v -= 0.08);
        let found = search.run(&fall, &[], SHARP);
        assert_eq!(found.steps.len(), 2, "seed {seed}: {:?}", found.steps);
        for (step, truth) in found.steps.iter().zip([0.12, -0.08]) {
            worst = worst.max((step.size - truth).abs() / step.size_sd);
        }
    }
    assert!((1.5..4.0).contains(&worst), "{worst}");
}

#[test]
fn a_tilt_that_no_good_shot_showed_is_no_step() {
    let extra = vec![0.5; 24];
    let search = Search::new(&noise(&extra), BINS);
    for seed in 0..40 {
        let mut fall = quiet(seed);
        let tilt = |(bin, value): (usize, &mut f64)| *value += 0.3 * bin as f64 / COUNT as f64;
        fall.iter_mut().enumerate().for_each(tilt);
        assert_eq!(search.run(&fall, &[], SHARP).steps, [], "seed {seed}");
    }
}

#[test]
fn slow_noise_that_was_learned_is_no_step_and_a_step_in_it_is() {
    let extra: Vec<f64> = (1..=24).map(|k| 200.0 / f64::from(k * k)).collect();
    let search = Search::new(&noise(&extra), BINS);
    for seed in 0..40 {
        let mut fall = quiet(seed);
        let mut dice = Dice::new((seed + 700) * APART);
        for (k, extra) in extra.iter().enumerate() {
            let strength = 0.05 * extra.sqrt() * dice.normal();
            cosine(k + 1, COUNT, |bin, c| fall[bin] += strength * c);
        }
        assert_eq!(search.run(&fall, &[], SHARP).steps, [], "seed {seed}");
        fall.iter_mut().skip(300).for_each(|v| *v += 0.2);
        let found = search.run(&fall, &[], SHARP);
        assert_eq!(found.steps.len(), 1, "seed {seed}: {:?}", found.steps);
        assert!((found.steps[0].bin as f64 - 300.0).abs() < 8.0);
    }
}

#[test]
fn a_step_beside_a_known_event_is_that_events() {
    let extra = vec![0.5; 24];
    let search = Search::new(&noise(&extra), BINS);
    let mut fall = quiet(3);
    fall.iter_mut().skip(302).for_each(|v| *v += 0.05);
    let found = search.run(&fall, &[100, 300, 500], SHARP);
    assert_eq!(found.steps[0].bin, 300);
}

#[test]
fn what_the_samples_show_to_be_no_step_is_none() {
    let extra = vec![0.5; 24];
    let search = Search::new(&noise(&extra), BINS);
    let mut fall = quiet(3);
    // What bins take for a step, and a loss.
    fall.iter_mut().skip(200).for_each(|v| *v += 0.08);
    fall.iter_mut().skip(450).for_each(|v| *v += 0.3);
    let fit: Fit<'_> = &|step, _| {
        let none = (100..350).contains(&step.bin);
        let ramp = Ramp {
            at: step.bin as f64,
            pulse: 0.0,
            constant: 0.0,
            fade: 0.0,
            size: if none { 0.003 } else { step.size },
        };
        Some(Fitted {
            ramp,
            half: 1.0,
            size_sd: if none { 0.04 } else { step.size_sd },
            known: None,
        })
    };
    let found = search.run(&fall, &[200], fit);
    assert_eq!(found.steps.len(), 1, "{:?}", found.steps);
    assert!(
        (448..=452).contains(&found.steps[0].bin),
        "{:?}",
        found.steps
    );
}

/// Samples that were smoothed tell a sharp step better than bins do: then it counts as they have it.
#[test]
fn a_step_that_bins_nearly_show_is_believed_where_samples_do() {
    let smoothed = Colour {
        stretches: vec![vec![1.0, 0.6, 0.2, 0.0, 0.0, 0.0]; BLOCKS],
        known_by: 1e4,
    };
    let noise = Noise {
        colour: &smoothed,
        ..noise(&[0.0; 24])
    };
    let search = Search::new(&noise, BINS);
    // About nine tenths of what it takes.
    let with = |size: f64| -> Vec<f64> {
        let falls = quiet(3).into_iter().enumerate();
        let step = |bin: usize| if bin >= 300 { size } else { 0.0 };
        falls.map(|(bin, fall)| fall + step(bin)).collect()
    };
    let sizes = (1..200).map(|k| 0.001 * f64::from(k));
    let part = |size: f64| search.loudest(&with(size)) / search.least;
    let size = sizes.clone().find(|size| part(*size) > 0.9).unwrap();
    assert!(part(size) < 0.95, "{}", part(size));
    let steps = |sigmas: f64, larger: f64| {
        let fit: Fit<'_> = &|step, _| {
            let ramp = Ramp {
                at: step.bin as f64,
                pulse: 0.1,
                constant: 0.03,
                fade: 0.0,
                size: larger * step.size,
            };
            Some(Fitted {
                ramp,
                half: 0.3,
                size_sd: ramp.size.abs() / sigmas,
                known: None,
            })
        };
        search.run(&with(size), &[], fit).steps.len()
    };
    assert_eq!(steps(8.5, 1.0), 1);
    // As noise may do among so many samples.
    assert_eq!(steps(5.6, 1.0), 0);
    // Nor by a fit that ran away to another step.
    assert_eq!(steps(8.5, 30.0), 0);
}
