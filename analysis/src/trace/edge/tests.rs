//! Edges of known place, with and without peaks and closures.

use super::*;
use crate::trace::line::median;
use crate::trace::synth::Dice;

/// What lies where, in metres; the pulse is 100 m long.
#[derive(Clone, Copy)]
struct Truth {
    edge: f64,
    height: f64,
    constant: f64,
    /// Place and share of the light a closure takes.
    closure: Option<(f64, f64)>,
    sigma: f64,
}

fn points(truth: Truth, dice: &mut Dice) -> Vec<Point> {
    let shape = Shape {
        pulse: 100.0,
        constant: truth.constant * 100.0,
    };
    (0..300)
        .map(|i| {
            let at = f64::from(i) * 4.0 - 800.0;
            let (fall, rise) = shape.at(at - truth.edge);
            let mut clean = fall;
            if let Some((place, share)) = truth.closure {
                clean = share * shape.at(at - place).0 + (1.0 - share) * fall;
            }
            clean += truth.height * rise;
            Point {
                at,
                power: clean + truth.sigma * dice.normal(),
            }
        })
        .filter(|point| point.at < 250.0)
        .collect()
}

fn guess(sigma: f64) -> Guess {
    Guess {
        between: [-150.0, 60.0],
        pulse: 100.0,
        filter: 0.0,
        noise: Noise {
            receiver: sigma,
            rough: 0.0,
            fading: 0.0,
            reach: 30.0,
        },
        noise_at: 0.0,
        lingers: None,
        fade: 0.0,
        slope_sigma: 0.0,
        faintest: 0.0,
        constant: None,
        shape_error: 0.0,
    }
}

/// How many of `count` edges lie within their intervals, and the median error in metres.
fn inside(count: usize, seed: u64, mut truth: impl FnMut(&mut Dice) -> Truth) -> (usize, f64) {
    let mut dice = Dice::new(seed);
    let (mut inside, mut errors) = (0, Vec::new());
    for _ in 0..count {
        let truth = truth(&mut dice);
        let found = fit(&points(truth, &mut dice), &guess(truth.sigma)).unwrap();
        let error = (found.at - truth.edge).abs();
        inside += usize::from(error < 1.96 * found.sigma);
        errors.push(error);
    }
    (inside, median(&mut errors))
}

#[test]
fn the_edge_lies_within_its_interval_as_often_as_stated() {
    let (inside, error) = inside(200, 7, |dice| Truth {
        edge: dice.between(-8.0, 8.0),
        height: if dice.uniform() < 0.5 {
            0.0
        } else {
            dice.between(0.5, 30.0)
        },
        constant: dice.between(0.2, 0.55),
        closure: None,
        sigma: 0.02,
    });
    assert!(error < 2.0, "median error {error} m");
    assert!((182..=199).contains(&inside), "{inside} of 200 inside");
}

#[test]
fn a_closure_shortly_before_the_end_does_not_move_it() {
    let (inside, error) = inside(100, 9, |dice| Truth {
        edge: dice.between(-8.0, 8.0),
        height: 0.0,
        constant: dice.between(0.3, 0.45),
        closure: Some((-dice.between(60.0, 350.0), dice.between(0.02, 0.35))),
        sigma: 0.02,
    });
    assert!(error < 4.0, "median error {error} m");
    assert!((88..=100).contains(&inside), "{inside} of 100 inside");
}

#[test]
fn a_fall_without_a_peak_has_no_height() {
    let mut dice = Dice::new(8);
    let mut truth = Truth {
        edge: 0.0,
        height: 0.0,
        constant: 0.3,
        closure: None,
        sigma: 0.02,
    };
    let found = fit(&points(truth, &mut dice), &guess(0.02)).unwrap();
    assert!(found.height <= 4.0 * found.height_sigma, "{found:?}");
    truth.height = 5.0;
    let found = fit(&points(truth, &mut dice), &guess(0.02)).unwrap();
    assert!((found.height / 5.0 - 1.0).abs() < 0.2, "{found:?}");
}

#[test]
fn a_pulse_in_glass_is_what_its_integral_and_one_pole_make_of_it() {
    // 2 km of pulse in glass of 0.36 dB/km; the receiver followed in steps of a metre.
    let fade = 0.36 / 1_000.0 * core::f64::consts::LN_10 / 5.0;
    let shape = Shape {
        pulse: 2_000.0,
        constant: 700.0,
    };
    let light = |u: f64| {
        let to = u.min(0.0);
        ((-fade * (u - shape.pulse)).exp() - (-fade * to).exp()).max(0.0) / fade
    };
    let (mut out, mut before) = (light(-40_000.0), 0.0);
    for metre in -40_000..4_000 {
        let u = f64::from(metre);
        if metre == 0 {
            before = out;
        }
        if metre > 0 && metre % 500 == 0 {
            let wanted = out / (before * (-fade * u).exp());
            let (found, _) = shape.in_glass(u, fade);
            assert!((found - wanted).abs() < 2e-3, "{u}: {found} {wanted}");
        }
        out += (light(u + 0.5) - out) / shape.constant;
    }
}

#[test]
fn what_is_left_of_lingering_light_does_not_move_the_edge() {
    let mut dice = Dice::new(21);
    let mut inside = 0;
    for _ in 0..40 {
        let truth = Truth {
            edge: dice.between(-8.0, 8.0),
            height: 0.0,
            constant: dice.between(0.3, 0.45),
            closure: None,
            sigma: 0.002,
        };
        let left = 0.01 * dice.normal();
        let mut points = points(truth, &mut dice);
        for point in &mut points {
            point.power += left * (-point.at / 600.0).exp();
        }
        let known = Guess {
            lingers: Some(Lingers {
                sigma: 0.01,
                rate_sigma: 1e-6,
                rate: 1.0 / 600.0,
            }),
            ..guess(truth.sigma)
        };
        let found = fit(&points, &known).unwrap();
        inside += usize::from((found.at - truth.edge).abs() < 1.96 * found.sigma);
    }
    assert!(inside >= 34, "{inside} of 40 inside");
}

#[test]
fn too_few_points_are_no_edge() {
    assert_eq!(fit(&[], &guess(0.02)), None);
}
