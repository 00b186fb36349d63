//! The chain against a span whose truth is known.

use super::*;
use crate::example;

fn chain(view: &str) -> Chain {
    let plant = example::plant();
    let line = &plant.lines[0];
    Chain::of(line, line.view(&view.parse().unwrap()).unwrap(), None, &[]).unwrap()
}

#[test]
fn glass_is_ground_from_either_end() {
    let whole = example::glass_from_ganja(80_000.0);
    for chainage in [1.0, 3_990.0, 9_000.0, 41_234.5, 79_500.0] {
        let glass = example::glass_from_ganja(chainage);
        for (view, optical) in [("ganja-b", glass), ("tovuz-a", whole - glass)] {
            let optical = OpticalLength::of(optical);
            let chain = chain(view);
            let plain = chain.interpolate(optical, None).get();
            assert!((plain - chainage).abs() < 0.5, "{view} {chainage}: {plain}");
            let spread = chain.locate(optical, OpticalLength::of(2.0), None);
            let mean = spread.mean().get();
            assert!((mean - chainage).abs() < 1.5, "{view} {chainage}: {mean}");
            let [low, high] = spread.interval(0.95);
            assert!((high - low).get() < 60.0 && (high - low).get() > 5.0);
            assert!(
                (chain.glass_at(RouteLength::of(chainage)) - optical)
                    .abs()
                    .get()
                    < 0.5
            );
        }
    }
}

#[test]
fn a_fault_inside_a_coil_is_at_its_closure() {
    let chain = chain("ganja-b");
    let at_closure = example::glass_from_ganja(8_000.0);
    for into in [-10.0, 0.0, 10.0] {
        let found = chain.interpolate(OpticalLength::of(at_closure + into), None);
        assert!((found.get() - 8_000.0).abs() < 0.1, "{into}: {found}");
    }
}

#[test]
fn another_group_index_moves_nothing() {
    let chain = chain("ganja-b");
    let by_marks = OpticalLength::of(41_000.0);
    let by_other = OpticalLength::of(41_000.0 * 1.4685 / 1.4700);
    let a = chain.interpolate(by_marks, Some(GroupIndex::of(1.4685)));
    let b = chain.interpolate(by_other, Some(GroupIndex::of(1.4700)));
    assert!((a - b).abs().get() < 1e-6);
}

#[test]
fn without_marks_the_answer_is_wide_and_says_so() {
    let mut plant = example::plant();
    plant.lines[0].marks.clear();
    let line = &plant.lines[0];
    let view = line.view(&"ganja-b".parse().unwrap()).unwrap();
    let bare = Chain::of(line, view, None, &[]).unwrap();
    let glass = OpticalLength::of(example::glass_from_ganja(60_500.0));
    let [low, high] = bare
        .locate(glass, OpticalLength::of(2.0), None)
        .interval(0.95);
    assert!((high - low).get() > 100.0);
    assert!(low.get() < 60_500.0 && 60_500.0 < high.get());
    let end = Seen {
        chainage: RouteLength::of(80_000.0),
        optical: OpticalLength::of(example::glass_from_ganja(80_000.0)),
        plus_minus: OpticalLength::of(4.0),
        group_index: GroupIndex::of(1.4685),
    };
    let anchored = Chain::of(line, view, None, &[end]).unwrap();
    let [near, far] = anchored
        .locate(glass, OpticalLength::of(2.0), None)
        .interval(0.95);
    assert!((far - near).get() < 0.8 * (high - low).get());
}
