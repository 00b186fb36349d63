//! Events of known place and loss, with rough starts.

use super::*;
use crate::trace::synth::{Dice, Feature, Plan};

/// Where the events lie, on the simulated fibre's own steps.
const PLACES: [f64; 3] = [6_000.0, 9_000.0, 14_000.0];

fn plan(losses: [f64; 3], reflectance: Option<f64>, seed: u64) -> Plan {
    let feature = |(k, loss_db): (usize, f64)| Feature {
        at_m: PLACES[k],
        loss_db,
        reflectance_db: reflectance.filter(|_| k == 1),
    };
    Plan {
        features: losses.into_iter().enumerate().map(feature).collect(),
        roughness_db: 0.02,
        seed,
        ..Plan::default()
    }
}

/// What a search may have left of them: a third of a pulse and a tenth of a decibel off.
fn starts(trace: &Trace, plan: &Plan, dice: &mut Dice) -> Vec<Start> {
    let pulse = trace.pulse().get();
    let origin = trace.position(0.0).get();
    let mut level = -25.0;
    let mut last = 0.0;
    let slope = -plan.slope_db_per_km / 1_000.0;
    let start = |feature: &Feature| {
        let at = feature.at_m - origin;
        level += slope * (feature.at_m - last);
        last = feature.at_m;
        let before = Glass { level, slope };
        level -= feature.loss_db;
        let rough = at + pulse * dice.between(-0.3, 0.3);
        let sample = |metres: f64| whole(metres / trace.step_m());
        Start {
            at: rough,
            sigma: 0.2 * pulse,
            hidden: [sample(at - pulse), sample(at + 4.0 * pulse)],
            before,
            after: Glass {
                level: level + dice.between(-0.1, 0.1),
                slope,
            },
            height: feature.reflectance_db.map_or(0.0, |_| 2.0),
            saturated: false,
            constant: 0.35 * pulse,
            tail: None,
        }
    };
    plan.features.iter().map(start).collect()
}

fn course(trace: &Trace, plan: &Plan) -> Course {
    Course {
        from: trace.index_of(1_000.0),
        to: trace.index_of(plan.end_m - 200.0),
        tail: None,
        limit: f64::MAX,
        slope: -plan.slope_db_per_km / 1_000.0,
        heights: [1e-3, 1e4],
    }
}

#[test]
fn places_and_losses_lie_within_their_intervals_as_often_as_stated() {
    let mut dice = Dice::new(3);
    let (mut places, mut losses, mut constants) = (0, 0, 0);
    let wanted = [0.8, 0.2, 0.4];
    for seed in 0..40 {
        let plan = plan(wanted, None, 100 + seed);
        let trace = plan.trace();
        let starts = starts(&trace, &plan, &mut dice);
        let joined = solve(&trace, &course(&trace, &plan), &starts);
        let (found, constant) = (joined.found(), joined.constant().unwrap());
        let off = (constant.log - plan.receiver.ln()).abs();
        constants += usize::from(off < 1.96 * constant.sigma);
        for ((found, feature), loss) in found.iter().zip(&plan.features).zip(wanted) {
            let found = found.unwrap();
            let at = found.at + trace.position(0.0).get();
            places += usize::from((at - feature.at_m).abs() < 1.96 * found.sigma);
            losses += usize::from((found.loss[0] - loss).abs() < 1.96 * found.loss[1]);
            assert!((at - feature.at_m).abs() < 0.2 * plan.pulse_m());
        }
    }
    // The simulated receiver moves in quarters of a sample, which costs a few.
    assert!(places >= 100, "{places} of 120 places");
    assert!(losses >= 100, "{losses} of 120 losses");
    assert!(constants >= 28, "{constants} of 40 constants");
}

/// A splice at 9 km that nobody named, and how far the first of two others is told from it.
fn unnamed(before: f64) -> (Vec<Option<Found>>, f64) {
    let mut dice = Dice::new(5);
    let mut plan = plan([0.5, 1.0, 0.4], None, 9);
    plan.features[0].at_m = PLACES[1] - before;
    let trace = plan.trace();
    let mut starts = starts(&trace, &plan, &mut dice);
    starts.remove(1);
    let found = solve(&trace, &course(&trace, &plan), &starts).found();
    (found, PLACES[1] - before - trace.position(0.0).get())
}

#[test]
fn an_event_that_nobody_named_is_left_out_with_the_glass_around_it() {
    let (found, at) = unnamed(3_000.0);
    let first = found[0].unwrap();
    assert!((first.at - at).abs() < 3.0 * first.sigma, "{first:?} {at}");
    assert!((first.loss[0] - 0.5).abs() < 0.03, "{first:?}");
    assert!(found[1].is_some());
}

#[test]
fn where_nothing_is_explained_the_search_has_its_answer() {
    let (found, _) = unnamed(60.0);
    assert!(found[0].is_none(), "{found:?}");
}

#[test]
fn a_neighbour_that_is_not_explained_takes_no_other_along() {
    let mut plan = plan([0.5, 0.8, 0.8], None, 9);
    let places = [8_745.0, 9_000.0, 9_060.0];
    for (feature, at_m) in plan.features.iter_mut().zip(places) {
        feature.at_m = at_m;
    }
    let trace = plan.trace();
    let mut starts = starts(&trace, &plan, &mut Dice::new(5));
    starts.pop();
    let found = solve(&trace, &course(&trace, &plan), &starts).found();
    let first = found[0].unwrap();
    let off = first.at + trace.position(0.0).get() - places[0];
    assert!(off.abs() < 3.0 * first.sigma, "{off} {first:?}");
    assert!(found[1].is_none(), "{found:?}");
}

#[test]
fn no_events_tell_nothing() {
    let plan = plan([0.1, 0.1, 0.1], None, 1);
    let trace = plan.trace();
    let joined = solve(&trace, &course(&trace, &plan), &[]);
    assert!(joined.found().is_empty() && joined.constant().is_none());
}

#[test]
fn contradicting_tales_are_believed_less() {
    let agreed = told(&[[-1.0, 1e4], [-1.0, 1e4]]);
    let torn = told(&[[-1.0, 1e4], [-0.5, 1e4]]);
    assert!(agreed.sigma < 0.01 && torn.sigma > 10.0 * agreed.sigma);
    assert!((agreed.value + 1.0).abs() < 1e-3);
}

/// A splice at 9 km with an image a part of a pulse from it, the splice as the search leaves it where the
/// image is taken for its reflection; found without the image and with it.
fn imaged(apart: f64, seed: u64) -> ([Found; 2], f64) {
    let mut plan = plan([0.5, 0.6, 0.4], None, seed);
    plan.roughness_db = 0.01;
    let at_m = PLACES[1] + apart * plan.pulse_m();
    plan.features.push(Feature {
        at_m,
        loss_db: 0.0,
        reflectance_db: Some(-62.0),
    });
    let trace = plan.trace();
    let splices = Plan {
        features: plan.features.iter().take(3).copied().collect(),
        ..plan.clone()
    };
    let mut starts = starts(&trace, &splices, &mut Dice::new(seed));
    starts[1].height = if apart < 1.0 { 0.3 } else { 0.0 };
    let origin = trace.position(0.0).get();
    let course = course(&trace, &plan);
    let mut joined = solve(&trace, &course, &starts);
    let without = joined.found()[1];
    let image = Image {
        at: at_m - origin + 1.0,
        sigma: 1.0,
        heights: [0.1, 1.0],
    };
    assert!(joined.expect(&trace, &[image]));
    let with = joined.found()[1].unwrap();
    ([without.unwrap_or(with), with], PLACES[1] - origin)
}

#[test]
fn an_image_beside_a_splice_is_neither_its_place_nor_its_reflection() {
    for (apart, seed) in [(-0.3, 1), (0.3, 2), (0.7, 3), (1.6, 4)] {
        let ([without, with], at) = imaged(apart, seed);
        assert!(
            (with.at - at).abs() < 3.0 * with.sigma && with.sigma < 3.0,
            "{apart}: {with:?} {at}, without {without:?}"
        );
        assert!((with.loss[0] - 0.6).abs() < 0.02, "{apart}: {with:?}");
        assert_eq!(with.is_image, apart.abs() < 1.0 && with.height.is_none());
    }
}

#[test]
fn a_connector_where_an_image_is_expected_stays_one() {
    for seed in 0..10 {
        let plan = plan([0.5, 0.6, 0.4], Some(-50.0), seed);
        let trace = plan.trace();
        let starts = starts(&trace, &plan, &mut Dice::new(seed));
        let mut joined = solve(&trace, &course(&trace, &plan), &starts);
        let image = Image {
            at: PLACES[1] - trace.position(0.0).get(),
            sigma: 3.0,
            heights: [0.5, 50.0],
        };
        assert!(!joined.expect(&trace, &[image]), "{seed}");
    }
}
