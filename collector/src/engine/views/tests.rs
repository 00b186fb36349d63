//! Ends of shots that were told at two places.

use super::*;
use silkline_protocol::message::Trigger;
use silkline_protocol::plant::{Plant, read};
use silkline_sim::Seed;
use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Part, Shot, shoot};

const END_M: f64 = 41_000.0;

fn plant() -> Plant {
    let text = r#"
        [[site]]
        id = "ganja"
        [[site]]
        id = "tovuz"
        [[line]]
        id = "dsw"
        kind = "terrestrial"
        a = "ganja"
        b = "tovuz"
        route = [[40.68, 46.36, 0], [40.99, 45.63, 40600]]
        fibre = [{ id = "f1" }]
        view = [{ id = "ganja-b", fibre = "f1", node = "ganja", toward = "B", device = "otdr-1", port = 1 }]
        [[device]]
        id = "otdr-1"
        site = "ganja"
        profile = "silkline-otdr"
        lines = ["dsw"]
    "#;
    read("plant.toml", text).unwrap().plant
}

/// A shot of a fibre with a bright end.
fn file(end_m: f64, number: u32) -> TraceFile {
    let end = Joint::reflecting(Db::of(0.0), Db::of(-42.0));
    let fibre = Fibre {
        panel: Joint::default(),
        parts: vec![Part::standard(OpticalLength::of(end_m), end)],
    };
    let shot = Shot {
        noise: Seed(number.into()),
        ..Shot::of(OpticalLength::of(END_M), 1_000, 10)
    };
    TraceFile {
        sor: shoot(&fibre, &Instrument::default(), &shot).sor(&Labels::default()),
        at: Timestamp::from_seconds(1_800_000_000 + 60 * i64::from(number)),
        view: Some("ganja-b".parse().unwrap()),
        port: None,
        trigger: Trigger::Schedule,
    }
}

/// What a shot says beside a good one whose end was told so many metres late and so unsurely.
fn looked(end_m: f64, (late, unsure): (f64, f64)) -> (Look, OpticalLength) {
    let plant = plant();
    let line = &plant.lines[0];
    let (mut views, otdr) = (Views::default(), "otdr-1".parse().unwrap());
    let first = views.look(line, &otdr, (&file(END_M, 1), false));
    assert_eq!(first.says, Says::Whole);
    let view = first.view.unwrap();
    let good = views.good.get_mut(&view).unwrap();
    good.end_m = good.end_m + OpticalLength::of(late);
    good.plus_minus_m = good.plus_minus_m * unsure;
    let trace = Trace::from_sor(&silkline_sor::read(&file(END_M, 1).sor).unwrap()).unwrap();
    let end = analyse(&trace).end.unwrap();
    let told = EndOfFibre {
        at: end.at + OpticalLength::of(late),
        ..end
    };
    good.tail = Some(Tail::of(&trace, &told));
    let look = views.look(line, &otdr, (&file(end_m, 2), false));
    (look, views.good[&view].end_m)
}

#[test]
fn a_good_shot_that_told_its_end_too_late_makes_no_break_of_the_next() {
    for late in [300.0, -300.0] {
        let (look, end) = looked(END_M, (late, 20.0));
        assert_eq!(look.says, Says::Whole, "{late}");
        assert_eq!(look.changed, Some(vec![]), "{late}");
        assert!(
            (end.get() - END_M).abs() < 5.0,
            "the surer end stands: {end:?}"
        );
    }
}

#[test]
fn the_surer_of_two_ends_stands_whichever_came_first() {
    let (look, end) = looked(END_M, (300.0, 0.1));
    assert_eq!(look.says, Says::Whole);
    assert!((end.get() - END_M - 300.0).abs() < 5.0, "{end:?}");
}

#[test]
fn a_break_just_before_the_end_is_one() {
    for (short, right) in [(400.0, true), (5_000.0, true), (10.0, false)] {
        let (look, _) = looked(END_M - short, (0.0, 1.0));
        assert_eq!(matches!(look.says, Says::Broken(_)), right, "{short}");
    }
}
