//! The physics against values worked out by hand.

use super::*;
use crate::forward::Part;
use silkline_protocol::unit::DbPerKm;

/// No noise, no fading, no jitter: what is left is physics.
fn ideal() -> Instrument {
    Instrument {
        dynamic_range: Db::of(90.0),
        fading: Db::of(0.0),
        tail: 0.0,
        jitter: OpticalLength::of(0.0),
        ..Instrument::default()
    }
}

fn metres(value: f64) -> OpticalLength {
    OpticalLength::of(value)
}

/// 20 km, a splice of 0.3 dB, 20 km, an open end.
fn fibre() -> Fibre {
    let splice = Joint::splice(Db::of(0.3));
    let end = Joint::reflecting(Db::of(0.0), Db::of(-14.7));
    Fibre {
        panel: Joint::default(),
        parts: vec![
            Part::standard(metres(20_000.0), splice),
            Part::standard(metres(20_000.0), end),
        ],
    }
}

/// The sample nearest to `at_m`.
fn raw_at(trace: &Trace, at_m: f64) -> u16 {
    let spacing = trace.shot.spacing.get();
    let near = |sample: u32| (f64::from(sample) * spacing - at_m).abs() <= spacing / 2.0;
    let sample = (0..).position(near).unwrap();
    trace.raw[sample]
}

fn level_at(trace: &Trace, at_m: f64) -> f64 {
    -f64::from(raw_at(trace, at_m)) / 1_000.0
}

fn shot(pulse_ns: u16) -> Shot {
    Shot::of(metres(40_000.0), pulse_ns, 180)
}

#[test]
fn backscatter_starts_at_the_coefficient_plus_the_pulse() {
    // The limit lies 8 dB above the backscatter at the panel. Far behind the launch the level is
    // that of the glass half a pulse and one time constant back: 0.2 dB/km times 5 km, less 0.017.
    let trace = shoot(&fibre(), &ideal(), &shot(1_000));
    let back_m = 102.1 / 2.0 + 102.1 / (core::f64::consts::TAU * 0.45);
    let wanted = -8.0 - 0.2 * (5.0 - back_m / 1_000.0);
    let found = level_at(&trace, 5_000.0);
    assert!((found - wanted).abs() < 0.002, "{found}, want {wanted}");
}

#[test]
fn ten_times_the_pulse_is_five_decibels_more_one_way() {
    let height = |pulse_ns| {
        let trace = shoot(&fibre(), &ideal(), &shot(pulse_ns));
        // Relative to the launched peak: the limit of each pulse lies with its backscatter.
        let limit = (ASSUMED_BACKSCATTER_DB + 10.0 * f64::from(pulse_ns).log10()) / 2.0 + 8.0;
        level_at(&trace, 10_000.0) + limit
    };
    let step = height(1_000) - height(100);
    assert!((step - 5.0).abs() < 0.03, "{step}");
}

#[test]
fn the_slope_is_the_attenuation_and_the_step_is_the_loss() {
    let mut fibre = fibre();
    fibre.parts[1].attenuation = DbPerKm::of(0.25);
    let trace = shoot(&fibre, &ideal(), &shot(100));
    let slope = |from: f64, to: f64| {
        (level_at(&trace, from) - level_at(&trace, to)) / (to - from) * 1_000.0
    };
    assert!((slope(5_000.0, 15_000.0) - 0.2).abs() < 2e-4);
    assert!((slope(25_000.0, 35_000.0) - 0.25).abs() < 2e-4);
    let before = level_at(&trace, 19_900.0) - 0.2 * 0.1;
    let after = level_at(&trace, 20_100.0) + 0.25 * 0.1;
    assert!((before - after - 0.3).abs() < 3e-3, "{}", before - after);
}

#[test]
fn a_splice_makes_a_ramp_one_pulse_long_that_starts_at_the_splice() {
    let sharp = Instrument {
        bandwidth: 50.0,
        ..ideal()
    };
    let trace = shoot(&fibre(), &sharp, &shot(1_000));
    let drop = |at_m: f64| {
        level_at(&trace, 19_990.0) - 0.2 * (at_m - 19_990.0) / 1_000.0 - level_at(&trace, at_m)
    };
    assert!(drop(20_000.0).abs() < 3e-3);
    assert!((drop(20_051.0) - 0.15).abs() < 0.01, "{}", drop(20_051.0));
    assert!((drop(20_106.0) - 0.3).abs() < 4e-3);
}

#[test]
fn a_reflection_stands_where_and_as_high_as_its_reflectance_says() {
    // R = B + 10·log10((10^(H/5) - 1)·τ): for -40 dB, -81.5 dB and 100 ns the height is 10.77 dB,
    // more than the headroom of 8, so the receiver gets more.
    let mut fibre = fibre();
    fibre.parts[0].then = Joint::reflecting(Db::of(0.3), Db::of(-40.0));
    let roomy = Instrument {
        headroom: Db::of(20.0),
        bandwidth: 50.0,
        ..ideal()
    };
    let trace = shoot(&fibre, &roomy, &shot(100));
    let height = level_at(&trace, 20_005.0) - level_at(&trace, 19_995.0);
    let wanted = 5.0 * (1.0 + 10_f64.powf((-40.0 + 81.5) / 10.0) / 100.0).log10();
    assert!((wanted - 10.77).abs() < 0.02, "{wanted}");
    assert!((height - wanted).abs() < 0.02, "{height}, want {wanted}");
    // It begins at 20 000 m and is one pulse, 10.2 m, long.
    assert!(level_at(&trace, 19_999.0) - level_at(&trace, 19_995.0) < 0.01);
    assert!(level_at(&trace, 20_011.5) < level_at(&trace, 19_995.0));
}

#[test]
fn a_strong_reflection_clips_at_the_limit() {
    let trace = shoot(&fibre(), &ideal(), &shot(100));
    assert_eq!(raw_at(&trace, 40_005.0), 0);
}

#[test]
fn noise_reaches_the_signal_at_the_dynamic_range() {
    // 33 dB with 1 µs and 180 s; 100 ns cost 7.5 dB and 10 s another 3.1.
    let instrument = Instrument {
        jitter: metres(0.0),
        ..Instrument::default()
    };
    let mut dark = fibre();
    dark.break_at(metres(1_000.0), Joint::default());
    for (pulse_ns, average_s, range_db) in [(1_000, 180, 33.0), (100, 10, 22.36)] {
        let trace = shoot(
            &dark,
            &instrument,
            &Shot {
                average_s,
                ..shot(pulse_ns)
            },
        );
        let noise: Vec<f64> = trace.raw[trace.raw.len() / 2..]
            .iter()
            .filter(|raw| **raw != NO_POWER)
            .map(|raw| 10_f64.powf(-f64::from(*raw) / 2_500.0))
            .collect();
        let mean_square = noise.iter().sum::<f64>() / noise.len() as f64;
        let floor_db = 2.5 * mean_square.log10();
        assert!((floor_db + 8.0 + range_db).abs() < 0.1, "{floor_db}");
        assert!((trace.floor.get() + 8.0 + range_db).abs() < 0.01);
    }
}

#[test]
fn half_of_the_samples_beyond_the_end_hold_no_power() {
    let mut cut = fibre();
    cut.break_at(metres(20_500.0), Joint::default());
    let trace = shoot(&cut, &Instrument::default(), &shot(1_000));
    let beyond = &trace.raw[trace.raw.len() / 2..];
    let empty = beyond.iter().filter(|raw| **raw == NO_POWER).count();
    let share = empty as f64 / beyond.len() as f64;
    assert!((share - 0.5).abs() < 0.03, "{share}");
}

#[test]
fn shots_share_the_fading_but_not_the_noise() {
    let instrument = Instrument {
        jitter: metres(0.0),
        ..Instrument::default()
    };
    let one = |noise: u64, grain: u64| {
        let shot = Shot {
            noise: Seed(noise),
            grain: Seed(grain),
            ..shot(1_000)
        };
        shoot(&fibre(), &instrument, &shot)
    };
    assert_eq!(one(1, 1), one(1, 1));
    let spread = |a: &Trace, b: &Trace| {
        let near = a.raw.iter().zip(&b.raw).skip(400).take(2_000);
        near.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum::<f64>()
    };
    let (same, other) = (
        spread(&one(1, 1), &one(2, 1)),
        spread(&one(1, 1), &one(1, 2)),
    );
    assert!(same * 50.0 < other, "{same} {other}");
}

#[test]
fn a_shot_never_has_more_samples_than_an_instrument() {
    for (length_m, pulse_ns) in [(100.0, 5), (100_000.0, 5), (100_000.0, 20_000)] {
        let shot = Shot::of(metres(length_m), pulse_ns, 10);
        assert!(
            (16..=65_536).contains(&shot.samples()),
            "{}",
            shot.samples()
        );
    }
}

#[test]
fn an_image_stands_where_and_as_high_as_its_path_says() {
    let mut fibre = fibre();
    fibre.panel = Joint::reflecting(Db::of(0.0), Db::of(-20.0));
    fibre.parts[0].then = Joint::reflecting(Db::of(0.0), Db::of(-30.0));
    fibre.parts[1].then = Joint::default();
    let roomy = Instrument {
        headroom: Db::of(30.0),
        bandwidth: 50.0,
        tail: 0.0,
        ..ideal()
    };
    // The fibre is 40 km long and dark at its end: the connector at 20 km shows again there.
    let trace = shoot(&fibre, &roomy, &shot(100));
    let glass = level_at(&trace, 39_900.0);
    let image = level_at(&trace, 40_005.0);
    // Back from the glass: -81.5 + 20 - 2·8 dB; by the image: -30 - 20 - 30 - 4·4 dB.
    let wanted = ((-30.0 - 20.0 - 30.0 - 16.0) - (-81.5 + 20.0 - 2.0 * (8.0 - 0.02))) / 2.0;
    let half_full = 10_f64.powf(2.0 * (image - glass) / 10.0) - 0.5;
    let wanted = 10_f64.powf(2.0 * wanted / 10.0);
    assert!((half_full - wanted).abs() < 0.05, "{half_full} {wanted}");
}
