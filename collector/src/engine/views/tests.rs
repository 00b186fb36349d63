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

/// Behind a kilometre of launch fibre and its connector, a fibre that ends so soon.
fn soon(behind_m: f64, pulse_ns: u16, end: Joint) -> TraceFile {
    let connector = Joint::reflecting(Db::of(0.3), Db::of(-52.0));
    let launch = Part::standard(OpticalLength::of(1_000.0), connector);
    let glass = Part::standard(OpticalLength::of(behind_m), end);
    let fibre = Fibre {
        panel: Joint::reflecting(Db::of(0.2), Db::of(-45.0)),
        parts: vec![launch, glass],
    };
    let shot = Shot {
        noise: Seed(behind_m.to_bits()),
        ..Shot::of(OpticalLength::of(END_M), pulse_ns, 10)
    };
    TraceFile {
        sor: shoot(&fibre, &Instrument::default(), &shot).sor(&Labels::default()),
        ..file(END_M, 2)
    }
}

#[test]
fn a_break_that_the_panels_connector_hides_is_told_as_one_where_no_glass_is_seen() {
    let mut plant = plant();
    plant.lines[0].views[0].launch = OpticalLength::of(1_000.0);
    plant.lines[0].views[0].reach = Some(Db::of(27.0));
    let (line, otdr) = (&plant.lines[0], "otdr-1".parse().unwrap());
    let torn = Joint::default();
    let cleft = |reflectance| Joint::reflecting(Db::of(0.0), Db::of(reflectance));
    for pulse in [300, 1_000] {
        let whole = soon(END_M, pulse, cleft(-42.0));
        for behind in [5.0, 16.0, 50.0, 120.0, 182.0, 196.0] {
            for end in [torn, cleft(-22.0), cleft(-45.0)] {
                let mut views = Views::default();
                let first = views.look(line, &otdr, (&whole, false));
                assert_eq!(first.says, Says::Whole);
                let mut shot = soon(behind, pulse, end);
                shot.at = Timestamp::from_seconds(1_800_000_900);
                let look = views.look(line, &otdr, (&shot, false));
                let named = format!("{behind} m, {pulse} ns, {end:?}: {:?}", look.says);
                let Says::Broken(seen) = look.says else {
                    panic!("{named}");
                };
                assert_eq!(look.changed, None, "{named}");
                let sd = seen.random_m.get().hypot(seen.systematic_m.get());
                let off = (seen.optical_m.get() - behind).abs();
                assert!(off < 1.96 * sd + 1.0, "{named}");
                assert!(1.96 * sd < 500.0, "{named}");
            }
        }
    }
}
