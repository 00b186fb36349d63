//! Commissioning on fibres whose every joint is known: traces of the example corridor by the
//! forward model, from both ends, with a closure taken out and a bend put in.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test tells by panicking, in its helpers too"
)]

use silkline_analysis::survey::{Identity, Place, Shot, Survey, survey};
use silkline_analysis::trace::{Analysis, Trace, analyse};
use silkline_protocol::plant::{self, Landmark, Line, Plant, Toward, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, OpticalLength, RouteLength};
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Shot as Order, shoot};
use silkline_sim::truth::Truth;
use silkline_sim::{Seed, corridor};

/// A view of one real cable.
struct Field {
    plant: Plant,
    view: &'static str,
    fibre: Fibre,
    /// The closures that are joined into the glass, from the view's node on, and where they are.
    joints: Vec<(String, f64)>,
}

fn corridor_plant() -> Plant {
    match plant::read("corridor", &corridor::plant_toml()) {
        Ok(checked) => checked.plant,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

impl Field {
    fn of(view: &'static str, seed: u64) -> Self {
        let plant = corridor_plant();
        let (line, of) = plant.view(&view.parse().unwrap()).unwrap();
        let truth = Truth::of(&plant, Seed(seed));
        let cable = truth.cable(&line.id).unwrap();
        let fibre = cable.strand(&of.fibre).seen(of, &[]).unwrap();
        let closures = closures(line, of);
        // The first part is the launch fibre; behind each of the others but the last is a joint.
        let mut at = 0.0;
        let mut joints = Vec::new();
        for (part, closure) in fibre.parts[1..].iter().zip(&closures) {
            at += part.length.get();
            joints.push((closure.name.clone(), at));
        }
        assert_eq!(fibre.parts.len(), closures.len() + 2);
        Self {
            plant,
            view,
            fibre,
            joints,
        }
    }

    fn line(&self) -> (&Line, &View) {
        self.plant.view(&self.view.parse().unwrap()).unwrap()
    }

    /// The true place of a closure.
    fn at(&self, name: &str) -> f64 {
        self.joints
            .iter()
            .find(|(joint, _)| joint == name)
            .unwrap()
            .1
    }

    /// Gives every joint a loss that a trace shows.
    fn splice_badly(&mut self, loss: f64) {
        let last = self.fibre.parts.len() - 1;
        for part in &mut self.fibre.parts[1..last] {
            part.then = Joint::splice(Db::of(loss));
        }
    }

    fn shots(&self, seed: u64) -> Vec<(Trace, Analysis)> {
        let (_, view) = self.line();
        let shot = |(pulse, number): (u16, u64)| {
            let order = Order {
                launch: view.launch,
                noise: Seed(seed * 10 + number),
                grain: Seed(seed),
                ..Order::of(self.fibre.length(), pulse, 60)
            };
            let file = shoot(&self.fibre, &Instrument::default(), &order).sor(&Labels::default());
            let trace = Trace::from_sor(&silkline_sor::read(&file).unwrap()).unwrap();
            let analysis = analyse(&trace);
            (trace, analysis)
        };
        [(300, 1), (1_000, 2)].map(shot).into_iter().collect()
    }

    fn survey(&self, seed: u64) -> Survey {
        let (line, view) = self.line();
        self.survey_of(line, view, seed)
    }

    fn survey_of(&self, line: &Line, view: &View, seed: u64) -> Survey {
        let shots = self.shots(seed);
        let shots: Vec<Shot<'_>> = shots
            .iter()
            .map(|(trace, analysis)| Shot {
                name: "shot.sor",
                taken: Some(Timestamp::from_seconds(1_790_000_000)),
                trace,
                analysis,
            })
            .collect();
        survey(line, view, &shots)
    }
}

fn closures<'a>(line: &'a Line, view: &View) -> Vec<&'a Landmark> {
    let chainage = |node| line.node(node).unwrap().chainage;
    let start = chainage(&view.node);
    let end = chainage(view.until.as_ref().unwrap());
    let (low, high) = if start < end {
        (start, end)
    } else {
        (end, start)
    };
    let joined = |l: &&Landmark| low < l.at && l.at < high && l.kind == "closure";
    let mut found: Vec<&Landmark> = line.landmarks.iter().filter(joined).collect();
    if view.toward == Toward::A {
        found.reverse();
    }
    found
}

/// Where a closure was put, if anywhere.
fn place_of<'a>(found: &'a Survey, closure: &str) -> Option<&'a Place> {
    let is =
        |place: &&Place| matches!(&place.is, Identity::Landmark { name, .. } if name == closure);
    found.places.iter().find(is)
}

fn missing(found: &Survey, closure: &str) -> bool {
    found.missing.iter().any(|missing| missing.name == closure)
}

#[test]
fn marks_are_right_and_as_sure_as_they_say() {
    let (mut joints, mut proposed, mut within) = (0, 0, 0_usize);
    for seed in 0..12 {
        for view in ["baku-alat", "alat-baku", "gori-khashuri"] {
            let mut field = Field::of(view, seed);
            field.splice_badly(0.15);
            let found = field.survey(seed);
            joints += field.joints.len();
            for mark in &found.marks {
                let off = (mark.optical.get() - field.at(&mark.landmark)).abs();
                assert!(
                    off < 60.0,
                    "{view} {seed}: {} off by {off:.1} m",
                    mark.landmark
                );
                proposed += 1;
                within += usize::from(off <= mark.plus_minus.get());
            }
            let rises = |pair: &[Place]| pair[0].at < pair[1].at;
            assert!(found.places.windows(2).all(rises), "{view} {seed}");
        }
    }
    let coverage = within as f64 / proposed as f64;
    println!(
        "survey: {proposed} marks of {joints} closures, {:.1} % within",
        100.0 * coverage
    );
    // 95 %, less four standard errors of 430 marks; intervals a little too wide harm nobody.
    assert!((0.91..=0.995).contains(&coverage), "{coverage}");
    assert!(proposed * 10 > joints * 8, "{proposed} of {joints}");
}

#[test]
fn a_closure_that_shows_nothing_is_missing_and_its_neighbours_keep_their_places() {
    for (seed, view) in [(1, "baku-alat"), (2, "alat-baku"), (3, "gori-khashuri")] {
        let mut field = Field::of(view, seed);
        field.splice_badly(0.35);
        let gone = field.joints[4].0.clone();
        field.fibre.parts[5].then = Joint::default();
        // The same glass on both sides: even a perfect splice of two glasses shows as a step.
        let glass = field.fibre.parts[5].backscatter;
        field.fibre.parts[6].backscatter = glass;
        let found = field.survey(seed);
        assert!(missing(&found, &gone), "{view}: {:?}", found.missing);
        assert!(place_of(&found, &gone).is_none(), "{view}");
        for neighbour in [3, 5] {
            let (name, at) = &field.joints[neighbour];
            let place = place_of(&found, name).unwrap();
            assert!(
                (place.at.get() - at).abs() < 30.0,
                "{view} {name}: {place:?}"
            );
        }
    }
}

#[test]
fn a_bend_between_closures_is_extra_and_no_closure() {
    for (seed, view) in [(4, "baku-alat"), (5, "alat-baku")] {
        let mut field = Field::of(view, seed);
        field.splice_badly(0.35);
        let bend = f64::midpoint(field.joints[2].1, field.joints[3].1);
        let (_, of) = field.line();
        let panel = of.launch + OpticalLength::of(bend);
        field.fibre.bend_at(panel, Db::of(0.4));
        let found = field.survey(seed);
        let extra = |place: &&Place| place.is == Identity::Extra;
        let near = |place: &Place| (place.at.get() - bend).abs() < 40.0;
        let extras: Vec<&Place> = found.places.iter().filter(extra).collect();
        assert!(extras.iter().any(|place| near(place)), "{view}: {extras:?}");
        assert!(extras.len() <= 2, "{view}: {extras:?}");
        assert!(place_of(&found, &field.joints[2].0).is_some());
        assert!(place_of(&found, &field.joints[3].0).is_some());
    }
}

#[test]
fn a_closure_surveyed_in_the_wrong_place_gets_a_hint_and_no_mark() {
    let mut field = Field::of("baku-alat", 6);
    field.splice_badly(0.35);
    let moved = field.joints[6].0.clone();
    let (line, view) = field.line();
    let mut line = line.clone();
    let wrong = line.landmarks.iter_mut().find(|l| l.name == moved).unwrap();
    wrong.at = wrong.at + RouteLength::of(300.0);
    let found = field.survey_of(&line, view, 6);
    assert!(
        found.marks.iter().all(|mark| mark.landmark != moved),
        "{:?}",
        found.marks
    );
    let missing = found
        .missing
        .iter()
        .find(|missing| missing.name == moved)
        .unwrap();
    let (_, off) = missing.perhaps.unwrap();
    assert!((off.get() + 300.0).abs() < 60.0, "{missing:?}");
}

/// Nothing is named and no mark proposed, and a note says why in these words.
fn assert_refused(found: &Survey, why: &str, case: &str) {
    assert_eq!(found.marks, [], "{case}");
    let named = |place: &Place| matches!(place.is, Identity::Landmark { .. });
    assert!(
        !found.places.iter().any(named),
        "{case}: {:?}",
        found.places
    );
    let told = found.notes.iter().any(|note| note.contains(why));
    assert!(told, "{case}: {:?}", found.notes);
}

#[test]
fn files_of_both_ends_that_were_swapped_are_told_and_give_no_mark() {
    for seed in 20..26 {
        for (true_view, given) in [
            ("alat-baku", "baku-alat"),
            ("alat-hajigabul", "hajigabul-alat"),
        ] {
            let mut field = Field::of(true_view, seed);
            field.splice_badly(0.15);
            let (line, view) = field.plant.view(&given.parse().unwrap()).unwrap();
            let found = field.survey_of(line, view, seed);
            assert_refused(&found, "from its other end", &format!("{given} {seed}"));
        }
    }
}

#[test]
fn shots_of_another_span_give_no_mark() {
    for seed in 30..34 {
        for (true_view, given) in [
            ("alat-hajigabul", "baku-alat"),
            ("gori-khashuri", "baku-alat"),
            ("baku-alat", "gori-khashuri"),
            ("hajigabul-kurdamir", "alat-hajigabul"),
        ] {
            let mut field = Field::of(true_view, seed);
            field.splice_badly(0.15);
            let (line, view) = field.plant.view(&given.parse().unwrap()).unwrap();
            let found = field.survey_of(line, view, seed);
            assert_refused(
                &found,
                "wrong view",
                &format!("{true_view} as {given} {seed}"),
            );
        }
    }
}

#[test]
fn a_fibre_that_ends_early_keeps_what_lies_before_and_says_so() {
    let mut field = Field::of("baku-alat", 7);
    field.splice_badly(0.35);
    let (_, of) = field.line();
    let cut = of.launch + OpticalLength::of(field.joints[8].1 + 1_500.0);
    field
        .fibre
        .break_at(cut, Joint::reflecting(Db::of(0.0), Db::of(-30.0)));
    let found = field.survey(7);
    assert!(
        found.notes.iter().any(|note| note.contains("short of")),
        "{:?}",
        found.notes
    );
    assert!(found.marks.len() >= 6, "{:?}", found.marks);
    for mark in &found.marks {
        let off = (mark.optical.get() - field.at(&mark.landmark)).abs();
        assert!(off < 60.0, "{} off by {off:.1} m", mark.landmark);
    }
    // What lies behind the end is not missing: nobody could see it.
    let behind = |name: &str| field.at(name) > field.joints[8].1 + 1_500.0;
    assert!(found.missing.iter().all(|missing| !behind(&missing.name)));
}
