use proptest::prelude::*;
use silkline_protocol::plant::Plant;

use super::*;
use crate::example;

/// The first view of the example, with as many closures as a drum length allows.
fn plan_of(plant: &Plant) -> Plan {
    let line = &plant.lines[0];
    let view = line.views.first().unwrap();
    expect::plan(line, view, None, &mut Vec::new())
}

fn sighted(at: f64, sd: f64) -> Sighted {
    Sighted {
        at,
        sd,
        seen: Vec::new(),
    }
}

proptest! {
    #[test]
    fn pairs_keep_their_order_and_use_nothing_twice(
        places in prop::collection::vec(0.0..90_000.0_f64, 0..60),
        sd in 0.1..60.0_f64,
    ) {
        let plan = plan_of(&example::plant());
        let mut places = places;
        places.sort_by(f64::total_cmp);
        let events: Vec<Sighted> = places.iter().map(|at| sighted(*at, sd)).collect();
        let pairing = pair::pair(&plan, &events);
        let pairs: Vec<(usize, usize)> = (0..plan.expected.len())
            .filter_map(|i| Some((i, pairing.event_of(i)?.0)))
            .collect();
        prop_assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].1), "{:?}", pairs);
        for (landmark, event) in pairs {
            let (back, probability) = pairing.landmark_of(event).unwrap();
            prop_assert_eq!(back, landmark);
            prop_assert!((0.5..=1.0).contains(&probability));
        }
    }

    #[test]
    fn events_where_the_plant_says_are_all_paired(stretch in -0.002..0.002_f64) {
        let plan = plan_of(&example::plant());
        let at = |expected: &Expected| sighted(expected.at * (1.0 + stretch), 2.0);
        let joined = |expected: &&Expected| expected.joined;
        let events: Vec<Sighted> = plan.expected.iter().filter(joined).map(at).collect();
        prop_assert!(events.len() > 2);
        let pairing = pair::pair(&plan, &events);
        for (k, expected) in plan.expected.iter().filter(joined).enumerate() {
            let (landmark, probability) = pairing.landmark_of(k).unwrap();
            prop_assert_eq!(&plan.expected[landmark].name, &expected.name);
            prop_assert!(probability > CERTAIN, "{} {}", expected.name, probability);
        }
    }
}

#[test]
fn nothing_seen_is_no_pair() {
    let pairing = pair::pair(&plan_of(&example::plant()), &[]);
    assert_eq!(pairing, Pairing::default());
}

#[test]
fn one_event_between_two_closures_belongs_to_neither() {
    let plan = plan_of(&example::plant());
    let (one, other) = (&plan.expected[0], &plan.expected[1]);
    let between = sighted(f64::midpoint(one.at, other.at), 5.0);
    let pairing = pair::pair(&plan, &[between]);
    assert_eq!(pairing.landmark_of(0), None);
}

#[test]
fn a_shot_without_light_is_told_and_gives_nothing() {
    let plant = example::plant();
    let line = &plant.lines[0];
    let view = line.views.first().unwrap();
    let good = crate::trace::synth::Plan::default().trace();
    let blank = Trace::new(*good.settings(), vec![0.0; 500], None).unwrap();
    let analysis = crate::trace::analyse(&blank);
    let shot = Shot {
        name: "blank.sor",
        taken: None,
        trace: &blank,
        analysis: &analysis,
    };
    let found = survey(line, view, &[shot]);
    assert!(found.places.is_empty() && found.marks.is_empty());
    assert!(
        found.notes[0].starts_with("blank.sor: blank shot"),
        "{:?}",
        found.notes
    );
}
