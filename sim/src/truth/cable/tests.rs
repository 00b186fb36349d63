//! What a drawn cable promises: it fits the file as the real one would.

use super::*;
use silkline_protocol::plant::Plant;

fn plant() -> Plant {
    silkline_protocol::plant::read("plant.toml", &crate::corridor::plant_toml())
        .unwrap()
        .plant
}

fn cable(plant: &Plant, line: &str, seed: u64) -> Cable {
    Cable::of(plant.line(&line.parse().unwrap()).unwrap(), Seed(seed))
}

#[test]
fn glass_and_ground_are_each_others_way_back() {
    let plant = plant();
    for line in ["baku-poti", "sumgait-aktau"] {
        let cable = cable(&plant, line, 1);
        let end = cable.places.last().unwrap().ground_m;
        for step in 1..500 {
            let chainage = RouteLength::of(end * f64::from(step) / 500.0);
            let back = cable.ground_at(cable.glass_at(chainage));
            assert!((back - chainage).get().abs() < 1e-6, "{line} {chainage}");
        }
    }
}

#[test]
fn a_landmark_lies_on_the_glass_where_its_marks_say() {
    let plant = plant();
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    let cable = cable(&plant, "baku-poti", 2);
    let mut outside = 0_u32;
    for mark in &line.marks {
        let view = line.view(&mark.view).unwrap();
        let node = cable.node_glass(&view.node).unwrap();
        let ground = cable.landmark_ground(&mark.landmark).unwrap();
        let place = cable
            .places
            .iter()
            .find(|place| place.name == mark.landmark)
            .unwrap();
        assert!((place.ground_m - ground.get()).abs() < 1e-9);
        let off = ((OpticalLength::of(place.glass_m) - node).abs() - mark.optical).abs();
        outside += u32::from(off > mark.plus_minus);
    }
    // Stated at 95 %, and the two marks of a landmark pull the truth between them.
    let share = f64::from(outside) / line.marks.len() as f64;
    assert!(share < 0.08, "{share}");
}

#[test]
fn what_is_drawn_is_off_the_survey_as_often_as_the_file_says() {
    let plant = plant();
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    let (mut outside, mut all) = (0_u32, 0_u32);
    for seed in 0..5 {
        let cable = cable(&plant, "baku-poti", seed);
        for landmark in line
            .landmarks
            .iter()
            .filter(|landmark| landmark.kind == "closure")
        {
            let off = cable.landmark_ground(&landmark.name).unwrap() - landmark.at;
            outside += u32::from(off.abs() > landmark.plus_minus);
            all += 1;
        }
    }
    let share = f64::from(outside) / f64::from(all);
    assert!((0.01..0.09).contains(&share), "{share}");
}

#[test]
fn excess_and_coils_stay_near_what_the_file_says() {
    let plant = plant();
    let line = plant.line(&"baku-poti".parse().unwrap()).unwrap();
    let cable = cable(&plant, "baku-poti", 3);
    for (from, to) in cable.places.iter().zip(&cable.places[1..]) {
        let glass = to.glass_m - from.glass_m - from.coils_m[1] - to.coils_m[0];
        let excess = glass / (to.ground_m - from.ground_m) - 1.0;
        let middle = RouteLength::of(f64::midpoint(from.ground_m, to.ground_m));
        let section = line
            .sections
            .iter()
            .find(|s| s.from <= middle && middle <= s.to)
            .unwrap();
        // Five standard deviations of what the file states.
        let off = (excess - section.excess).abs();
        assert!(
            off < 5.0 * section.excess_plus_minus / NORMAL_95,
            "{} {off}",
            from.name
        );
    }
    for landmark in line
        .landmarks
        .iter()
        .filter(|landmark| landmark.kind == "closure")
    {
        let place = cable
            .places
            .iter()
            .find(|place| place.name == landmark.name)
            .unwrap();
        let off = place.coils_m[0] / landmark.slack_before.get() - 1.0;
        assert!(off.abs() < 5.0 * SLACK_SIGMA, "{} {off}", landmark.name);
    }
}

#[test]
fn places_rise_on_the_ground_and_along_the_glass() {
    let plant = plant();
    for line in ["baku-poti", "baku-sumgait", "sumgait-aktau"] {
        let cable = cable(&plant, line, 4);
        for (from, to) in cable.places.iter().zip(&cable.places[1..]) {
            assert!(
                from.ground_m < to.ground_m && from.glass_m < to.glass_m,
                "{line} {}",
                to.name
            );
        }
    }
}

#[test]
fn the_same_seed_draws_the_same_cable() {
    let plant = plant();
    let drawn = |seed| {
        let cable = cable(&plant, "baku-poti", seed);
        cable.glass_at(RouteLength::of(300_123.0)).get().to_bits()
    };
    assert_eq!(drawn(5), drawn(5));
    assert_ne!(drawn(5), drawn(6));
}

#[test]
fn a_plant_without_marks_or_sections_has_a_cable_too() {
    let text = r#"
[[site]]
id = "a"
[[site]]
id = "b"
[[line]]
id = "l"
kind = "terrestrial"
a = "a"
b = "b"
node = [{ id = "a", kind = "terminal", chainage_m = 0 }, { id = "b", kind = "terminal", chainage_m = 50000 }]
"#;
    let plant = silkline_protocol::plant::read("p.toml", text)
        .unwrap()
        .plant;
    let cable = cable(&plant, "l", 1);
    let glass = cable.glass_at(RouteLength::of(50_000.0)).get();
    // The usual excess of 1 ± 1 %.
    assert!((50_000.0..51_500.0).contains(&glass), "{glass}");
}
