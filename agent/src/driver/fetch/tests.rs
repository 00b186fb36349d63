//! Instruments that do what they should, and instruments that do not.

use super::*;
use crate::profile::{Blocks, Oid, ShotStart, Sum, Window};

fn at(milliseconds: u64) -> Moment {
    Moment::after_start(Duration::from_millis(milliseconds))
}

fn point(name: &str) -> PointName {
    name.parse().unwrap()
}

fn settings() -> ShotSettings {
    ShotSettings {
        port: 3,
        own_port: 3,
        pulse_ns: 300,
        average: Duration::from_secs(10),
    }
}

fn registers() -> Blocks {
    Blocks::Registers(Window {
        function: crate::profile::Function::Input,
        register: 1000,
        registers: 100,
    })
}

fn column() -> Blocks {
    let oid: Oid = "1.3.6.1.4.1.99.2.1".parse().unwrap();
    Blocks::Column { oid, first: 1 }
}

fn shot(blocks: Blocks, facts: [bool; 3]) -> ShotMap {
    let [length, serial, checksum] = facts;
    ShotMap {
        start: ShotStart::Objects(Vec::new()),
        state: Some(point("state")),
        failed: Some(3),
        needs_dark: false,
        fetch: Some(FetchMap {
            blocks,
            contents: Contents::Sor,
            busy: vec![1],
            length: length.then(|| point("length")),
            serial: serial.then(|| point("number")),
            checksum: checksum.then(|| (point("sum"), Sum::Crc16)),
            within: Duration::from_secs(60),
        }),
        stop: None,
    }
}

/// An instrument of which everything can be set.
struct Instrument {
    values: BTreeMap<PointName, f64>,
    trace: Vec<u8>,
    /// Bytes a block, where it is not counted in registers.
    block: usize,
    /// Registers a block, where it is.
    registers: u16,
    asked: Vec<Request>,
}

impl Instrument {
    fn with(trace: Vec<u8>) -> Self {
        let mut instrument = Self {
            values: BTreeMap::new(),
            trace: Vec::new(),
            block: 150,
            registers: 100,
            asked: Vec::new(),
        };
        instrument.set("state", 0.0);
        instrument.set("number", 7.0);
        instrument.hold(trace);
        instrument
    }

    fn set(&mut self, name: &str, value: f64) {
        self.values.insert(point(name), value);
    }

    fn hold(&mut self, trace: Vec<u8>) {
        self.set("length", trace.len() as f64);
        self.set("sum", Sum::Crc16.of(&trace).into());
        self.trace = trace;
    }

    fn answer(&mut self, request: &Request) -> Answer {
        self.asked.push(request.clone());
        match request {
            Request::Points(names) => {
                let value = |name: &PointName| (name.clone(), self.values[name]);
                Answer::Points(names.iter().map(value).collect())
            }
            Request::Turn(_) => panic!("no switch"),
            Request::Start(_) => {
                self.set("state", 1.0);
                Answer::Done
            }
            Request::Block(part) => {
                let whole = if part.count == 0 { 0 } else { self.registers };
                let from = 2 * usize::from(part.from);
                let (size, length) = if whole == 0 {
                    (self.block, self.block)
                } else {
                    assert!(
                        part.count > 0 && part.from + part.count <= whole,
                        "{part:?}"
                    );
                    (2 * usize::from(whole), 2 * usize::from(part.count))
                };
                let start = usize::try_from(part.block).unwrap() * size + from;
                let rest = self.trace.get(start..).filter(|rest| !rest.is_empty());
                Answer::Block(rest.map(|rest| {
                    let mut block = rest[..length.min(rest.len())].to_vec();
                    if whole > 0 {
                        block.resize(length, 0);
                    }
                    block
                }))
            }
        }
    }

    fn is_at_work(&self) -> bool {
        self.values[&point("state")] > 0.5 && self.values[&point("state")] < 1.5
    }

    fn end_shot(&mut self) {
        self.set("state", 2.0);
        self.set("number", self.values[&point("number")] + 1.0);
    }
}

/// Carries on until it is over; `meddle` may change the instrument before each request.
fn carried_out(
    mut shot: Acquisition,
    instrument: &mut Instrument,
    mut meddle: impl FnMut(&mut Instrument, &Request, Moment) -> Option<Result<Answer, Fault>>,
) -> (Ended, Moment) {
    let mut now = at(0);
    for _ in 0..100_000 {
        match shot.step(now) {
            Step::Over(ended) => return (ended, now),
            Step::Wait(until) => {
                assert!(until > now);
                now = until;
            }
            Step::Ask(request) => {
                let forced = meddle(instrument, &request, now);
                let outcome = forced.unwrap_or_else(|| Ok(instrument.answer(&request)));
                now = now + Duration::from_millis(5);
                shot.answered(outcome, now);
            }
        }
    }
    panic!("no end");
}

fn begun(map: &ShotMap) -> Acquisition {
    Acquisition::new(map, settings(), at(0)).unwrap()
}

/// Ends the shot after ten seconds.
fn in_time(instrument: &mut Instrument, _: &Request, now: Moment) -> Option<Result<Answer, Fault>> {
    if now >= at(10_000) && instrument.is_at_work() {
        instrument.end_shot();
    }
    None
}

fn reason(ended: Ended) -> String {
    match ended {
        Ended::Failed(failure) => failure.reason,
        other => panic!("{other:?}"),
    }
}

fn timeout() -> Fault {
    Fault::Timeout(Duration::from_secs(1))
}

#[test]
fn a_trace_comes_whole_by_registers_and_by_rows() {
    let trace = crate::folder::tests::trace(1);
    for (blocks, facts) in [
        (registers(), [true, true, true]),
        (registers(), [true, false, false]),
        (column(), [true, true, false]),
        (column(), [false, true, false]),
    ] {
        let mut instrument = Instrument::with(trace.clone());
        let map = shot(blocks, facts);
        let (ended, now) = carried_out(begun(&map), &mut instrument, in_time);
        assert_eq!(ended, Ended::Trace(trace.clone()), "{facts:?}");
        assert!(now >= at(10_000) && now < at(20_000), "{now:?}");
        let starts = instrument.asked.iter();
        let starts = starts.filter(|asked| matches!(asked, Request::Start(_)));
        assert_eq!(starts.count(), 1);
    }
}

#[test]
fn a_block_longer_than_a_request_is_read_in_parts() {
    let trace = crate::folder::tests::trace(1);
    for (window, most) in [(300, 125), (1_000, 125), (125, 40), (300, 1), (32_768, 125)] {
        let mut instrument = Instrument::with(trace.clone());
        instrument.registers = window;
        let blocks = Blocks::Indexed {
            index: 110,
            first: 0,
            window: Window {
                function: crate::profile::Function::Input,
                register: 1000,
                registers: window,
            },
        };
        let shot = begun(&shot(blocks, [true; 3])).at_once(most);
        let (ended, _) = carried_out(shot, &mut instrument, in_time);
        assert_eq!(ended, Ended::Trace(trace.clone()), "{window} by {most}");
        let asked = instrument.asked.iter();
        let mut counts = asked.filter_map(|asked| match asked {
            Request::Block(part) => Some(part.count),
            _ => None,
        });
        assert!(counts.all(|count| count <= most), "{window} by {most}");
    }
}

#[test]
fn an_odd_number_of_bytes_ends_within_a_register() {
    let mut sor = silkline_sor::read(&crate::folder::tests::trace(1)).unwrap();
    let mut trace = silkline_sor::write(&sor);
    if trace.len().is_multiple_of(2) {
        sor.general.comment = "x".to_owned();
        trace = silkline_sor::write(&sor);
    }
    assert_eq!(trace.len() % 2, 1);
    let mut instrument = Instrument::with(trace.clone());
    let map = shot(registers(), [true, true, true]);
    let (ended, _) = carried_out(begun(&map), &mut instrument, in_time);
    assert_eq!(ended, Ended::Trace(trace));
}

#[test]
fn an_instrument_at_work_is_not_started() {
    let mut instrument = Instrument::with(Vec::new());
    instrument.set("state", 1.0);
    let mut shot = begun(&shot(registers(), [true; 3]));
    assert!(!shot.has_started());
    let Step::Ask(request) = shot.step(at(0)) else {
        panic!("asks nothing")
    };
    shot.answered(Ok(instrument.answer(&request)), at(5));
    assert!(!shot.has_started());
    assert!(matches!(
        shot.step(at(5)),
        Step::Over(Ended::NotStarted(Fault::Refused(_)))
    ));
}

#[test]
fn the_trace_of_the_shot_before_is_never_taken() {
    // It says "done" all the time and its number stays: it never measured.
    let trace = crate::folder::tests::trace(1);
    for facts in [[true, true, true], [true, false, false]] {
        let mut instrument = Instrument::with(trace.clone());
        let map = shot(registers(), facts);
        let idle = |instrument: &mut Instrument, _: &Request, _| {
            instrument.set("state", 2.0);
            None
        };
        let (ended, now) = carried_out(begun(&map), &mut instrument, idle);
        assert_eq!(reason(ended), "the instrument was never seen to measure");
        assert!(now >= at(40_000), "{now:?}");
        let blocks = instrument.asked.iter();
        assert!(
            !blocks
                .clone()
                .any(|asked| matches!(asked, Request::Block(..)))
        );
    }
}

#[test]
fn a_failure_of_an_earlier_shot_is_not_that_of_this_one() {
    let trace = crate::folder::tests::trace(1);
    let mut instrument = Instrument::with(trace.clone());
    let map = shot(registers(), [true; 3]);
    // For two seconds it still says that the last shot failed.
    let slow = |instrument: &mut Instrument, _: &Request, now: Moment| {
        let state = match now {
            now if now < at(2_000) => 3.0,
            now if now < at(10_000) => 1.0,
            _ => 2.0,
        };
        instrument.set("state", state);
        instrument.set("number", if now < at(10_000) { 7.0 } else { 8.0 });
        None
    };
    let (ended, _) = carried_out(begun(&map), &mut instrument, slow);
    assert_eq!(ended, Ended::Trace(trace));
    let mut instrument = Instrument::with(Vec::new());
    let fails = |instrument: &mut Instrument, _: &Request, now: Moment| {
        if now > at(5_000) {
            instrument.set("state", 3.0);
        }
        None
    };
    let (ended, now) = carried_out(begun(&map), &mut instrument, fails);
    assert_eq!(reason(ended), "the instrument reports a failure");
    assert!(now < at(8_000), "{now:?}");
}

#[test]
fn a_block_that_fails_is_asked_for_again_and_no_other() {
    let trace = crate::folder::tests::trace(1);
    let mut instrument = Instrument::with(trace.clone());
    let map = shot(registers(), [true; 3]);
    let mut failures = 0;
    let (ended, _) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
        in_time(instrument, request, now);
        let fails = matches!(request, Request::Block(Part { block: 1, .. })) && failures < 4;
        failures += u32::from(fails);
        fails.then(|| Err(timeout()))
    });
    assert_eq!(ended, Ended::Trace(trace.clone()));
    let firsts = instrument.asked.iter();
    let firsts = firsts.filter(|asked| matches!(asked, Request::Block(Part { block: 0, .. })));
    assert_eq!(firsts.count(), 1, "goes on where it was");
    // One that always fails is named.
    let mut instrument = Instrument::with(trace.clone());
    let (ended, _) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
        in_time(instrument, request, now);
        matches!(request, Request::Block(Part { block: 1, .. })).then(|| Err(timeout()))
    });
    let Ended::Failed(failure) = ended else {
        panic!("{ended:?}")
    };
    assert!(
        failure.reason.starts_with("block 1: no answer"),
        "{failure:?}"
    );
    assert_eq!(failure.read, trace[..200]);
}

#[test]
fn what_was_damaged_on_its_way_is_read_once_more() {
    let trace = crate::folder::tests::trace(1);
    let map = shot(registers(), [true; 3]);
    for (times, comes) in [(1, true), (2, false)] {
        let mut instrument = Instrument::with(trace.clone());
        let mut left = times;
        let (ended, _) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
            in_time(instrument, request, now);
            let damages = matches!(request, Request::Block(Part { block: 2, .. })) && left > 0;
            left -= i32::from(damages);
            damages.then(|| {
                let Answer::Block(Some(mut block)) = instrument.answer(request) else {
                    panic!("no block")
                };
                block[17] ^= 1;
                Ok(Answer::Block(Some(block)))
            })
        });
        assert_eq!(ended == Ended::Trace(trace.clone()), comes, "{ended:?}");
        if !comes {
            assert!(reason(ended).contains("check sum"));
        }
    }
}

#[test]
fn blocks_of_two_traces_are_never_put_together() {
    let trace = crate::folder::tests::trace(1);
    let mut instrument = Instrument::with(trace);
    let map = shot(registers(), [true, true, false]);
    let (ended, _) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
        in_time(instrument, request, now);
        if matches!(request, Request::Block(Part { block: 2, .. })) {
            instrument.hold(crate::folder::tests::trace(9));
            instrument.end_shot();
        }
        None
    });
    assert!(reason(ended).contains("another trace"));
}

#[test]
fn impossible_lengths_are_refused_before_anything_is_read() {
    for (length, blocks) in [
        (0.0, registers()),
        (-4.0, registers()),
        (1e12, column()),
        (f64::NAN, column()),
        (5e6, registers()),
    ] {
        let mut instrument = Instrument::with(crate::folder::tests::trace(1));
        instrument.set("length", length);
        let map = shot(blocks, [true, true, false]);
        let (ended, _) = carried_out(begun(&map), &mut instrument, in_time);
        assert!(reason(ended).contains("is said to have"), "{length}");
        assert!(
            !(instrument.asked.iter()).any(|asked| matches!(asked, Request::Block(..))),
            "{length}"
        );
    }
}

#[test]
fn rows_that_end_too_early_too_late_or_never_are_refused() {
    let trace = crate::folder::tests::trace(1);
    let map = shot(column(), [true, true, false]);
    let mut short = Instrument::with(trace.clone());
    short.trace.truncate(300);
    assert!(reason(carried_out(begun(&map), &mut short, in_time).0).contains("want"));
    let mut long = Instrument::with(trace.clone());
    long.trace.extend([0; 200]);
    assert!(reason(carried_out(begun(&map), &mut long, in_time).0).contains("bytes came, want"));
    let endless = shot(column(), [false, true, false]);
    let mut babbler = Instrument::with(trace);
    let (ended, _) = carried_out(begun(&endless), &mut babbler, |instrument, request, now| {
        in_time(instrument, request, now);
        matches!(request, Request::Block(..)).then(|| Ok(Answer::Block(Some(vec![7; 60_000]))))
    });
    assert!(reason(ended).contains("more than"));
}

#[test]
fn reading_takes_no_longer_than_it_may() {
    let mut instrument = Instrument::with(crate::folder::tests::trace(1));
    let map = shot(registers(), [true; 3]);
    let mut number = 0;
    let (ended, now) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
        in_time(instrument, request, now);
        number += 1;
        // Three of four fail, so no block fails for good.
        (matches!(request, Request::Block(..)) && number % 4 > 0).then(|| Err(timeout()))
    });
    match ended {
        Ended::Trace(_) => {}
        other => assert!(reason(other).contains("could not be read within")),
    }
    assert!(now <= at(80_000), "{now:?}");
}

#[test]
fn an_instrument_that_does_not_answer_while_it_measures_is_waited_for() {
    let trace = crate::folder::tests::trace(1);
    let mut instrument = Instrument::with(trace.clone());
    let map = shot(registers(), [true; 3]);
    let (ended, _) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
        in_time(instrument, request, now);
        let deaf = now > at(1_000) && now < at(9_000);
        (deaf && matches!(request, Request::Points(_))).then(|| Err(timeout()))
    });
    assert_eq!(ended, Ended::Trace(trace));
}

#[test]
fn any_answers_in_any_order_end_in_time() {
    let trace = crate::folder::tests::trace(1);
    for seed in 1..200_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut instrument = Instrument::with(trace.clone());
        let blocks = if seed.is_multiple_of(2) {
            registers()
        } else {
            column()
        };
        let map = shot(
            blocks,
            [seed % 3 > 0 || seed % 2 == 0, seed % 5 > 0, seed % 7 > 0],
        );
        let (ended, now) = carried_out(begun(&map), &mut instrument, |instrument, request, now| {
            in_time(instrument, request, now);
            Some(match random(8) {
                0 => Err(timeout()),
                1 => Err(Fault::Refused("busy".to_owned())),
                2 if random(9) == 0 => Ok(Answer::Done),
                3 if random(30) == 0 => Ok(Answer::Block(None)),
                _ => return None,
            })
        });
        assert!(now <= at(110_000), "seed {seed}: {now:?}");
        if let Ended::Trace(sor) = ended {
            assert_eq!(sor, trace, "seed {seed}");
        }
    }
}
