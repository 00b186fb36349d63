use super::*;
use crate::trace::synth::Dice;
use crate::trace::watch::colour::Colour;

/// Seeds this far apart draw nothing in common.
const APART: u64 = 1_000_003;

const BINS: Bins = Bins {
    from: 0,
    size: 5,
    count: 300,
};

const PULSE: f64 = 30.0;

/// A reference without noise, and shots of it with a step, in linear power.
struct Shots {
    before: Vec<f64>,
    now: Vec<f64>,
    truth: Ramp,
}

fn shots(seed: u64, size: f64, sigma: f64, keep: f64) -> Shots {
    let mut dice = Dice::new(seed * APART);
    let truth = Ramp {
        at: 700.0 + dice.between(-30.0, 30.0),
        pulse: PULSE,
        constant: PULSE * dice.between(0.2, 0.6),
        fade: 0.0,
        size,
    };
    let before = vec![1.0; BINS.to()];
    // Noise of which many samples average to `sigma`, whatever neighbours share.
    let fresh = sigma * (1.0 - keep);
    let mut noise = 0.0;
    let now = (0..BINS.to()).map(|i| {
        noise = keep * noise + fresh * dice.normal();
        10_f64.powf((noise + 0.2 - truth.fall(i, 1).0) / 5.0)
    });
    Shots {
        now: now.collect(),
        before,
        truth,
    }
}

/// What good shots of such noise tell.
fn colour(keep: f64) -> Colour {
    let good = |seed: u64| {
        let mut dice = Dice::new((seed + 9_000) * APART);
        let mut noise = 0.0;
        (0..BINS.to())
            .map(|_| {
                noise = keep * noise + (1.0 - keep) * dice.normal();
                noise
            })
            .collect()
    };
    Colour::learn((0..12).map(good))
}

fn fitted(shots: &Shots, (sigma, colour): (f64, &Colour), known: &[Known]) -> Fitted {
    let extra = vec![0.5; 24];
    let noise = Noise {
        sigma: vec![sigma / (BINS.size as f64).sqrt(); BINS.count],
        extra: extra.into(),
        tilt: 0.01,
        share: 1.0,
        known_by: 30.0,
        colour,
        ramp: [PULSE / BINS.size as f64, 0.35 * PULSE / BINS.size as f64],
    };
    let scene = Scene {
        bins: &BINS,
        before: &shots.before,
        now: &shots.now,
        pulse: PULSE,
        fade: 0.0,
        late: 0.0,
        zero: 0.08,
        smoothing: 1.0,
    };
    let sought = Sought {
        bins: [138, 148],
        size: 0.9 * shots.truth.size,
    };
    scene.fit(&noise, sought, &[], known).unwrap()
}

/// Shares of places and of sizes inside their intervals.
fn inside(size: f64, sigma: f64, keep: f64) -> (f64, f64) {
    let runs = 30;
    let colour = colour(keep);
    let (mut places, mut sizes) = (0.0, 0.0);
    for seed in 0..runs {
        let shots = shots(seed, size, sigma, keep);
        let found = fitted(&shots, (sigma, &colour), &[]);
        let within = |off: f64, half: f64| f64::from(u8::from(off.abs() <= half));
        places += within(found.ramp.at - shots.truth.at, found.half);
        sizes += within(found.ramp.size - size, HALF_95 * found.size_sd);
    }
    (places / runs as f64, sizes / runs as f64)
}

#[test]
fn intervals_hold_place_and_size_from_faint_to_sharp() {
    for (size, sigma, keep) in [(0.1, 0.05, 0.0), (1.0, 0.02, 0.0), (1.0, 0.02, 0.7)] {
        let (places, sizes) = inside(size, sigma, keep);
        assert!(places >= 0.86, "{size} {sigma} {keep}: {places} of places");
        assert!(sizes >= 0.86, "{size} {sigma} {keep}: {sizes} of sizes");
    }
}

#[test]
fn a_step_at_a_known_event_is_that_events_and_one_beside_it_is_not() {
    let shots = shots(5, 0.5, 0.02, 0.0);
    let known = |off: f64| Known {
        at: shots.truth.at + off,
        sd: 1.0,
    };
    let there = fitted(
        &shots,
        (0.02, &Colour::default()),
        &[known(-200.0), known(0.3)],
    );
    assert_eq!(there.known, Some(1));
    assert_eq!(
        fitted(&shots, (0.02, &Colour::default()), &[known(60.0)]).known,
        None
    );
}
