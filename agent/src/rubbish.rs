//! Seeded properties: whatever a device, a file or a person says, nothing here panics or goes on for
//! ever, and no reading is a number that is not finite.

use core::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use silkline_protocol::device::Unit;
use silkline_protocol::sample::Reading;

use crate::clock::Moment;
use crate::driver::modbus::rtu::{Exchange, Found, Order};
use crate::driver::modbus::{Answer, ModbusDriver, Read};
use crate::driver::snmp::{Size, SnmpDriver, SnmpValue, Walk};
use crate::driver::{Fault, Readings};
use crate::profile::{Function, Library, Map, Oid};

/// The same cases at every run.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn all_finite(readings: &Readings) -> bool {
    readings.values().all(|taken| match taken.reading {
        Reading::Value(value) => value.is_finite(),
        Reading::Dark | Reading::Bad(_) => true,
    })
}

/// `answers` made as long as was asked for, so that they come through.
fn fitted(answers: &[Answer], asked: &[Read]) -> Vec<Answer> {
    let fit = |(answer, read): (&Answer, &Read)| {
        let mut answer = answer.clone();
        if let Ok(words) = &mut answer.words {
            words.resize(read.count.into(), 0xFFFF);
        }
        answer
    };
    answers.iter().zip(asked).map(fit).collect()
}

#[test]
fn any_words_decode_to_readings() {
    let library = Library::embedded();
    let answer = prop_oneof![
        vec(any::<u16>(), 0..130).prop_map(Ok),
        Just(Err(Fault::NotSupported(String::new()))),
        Just(Err(Fault::Garbled(String::new()))),
    ];
    let answer = answer.prop_map(|words| Answer {
        words,
        took: Duration::ZERO,
    });
    let polls = vec(vec(answer, 0..8), 1..4);
    runner(200)
        .run(&polls, |polls| {
            for profile in library.iter() {
                let Map::Modbus(map) = &profile.map else {
                    continue;
                };
                let mut driver = ModbusDriver::new(map, Some(3));
                for answers in &polls {
                    let fitted = fitted(answers, &driver.plan());
                    prop_assert!(all_finite(&driver.decode(answers)));
                    prop_assert!(all_finite(&driver.decode(&fitted)));
                }
            }
            Ok(())
        })
        .unwrap();
}

fn snmp_value() -> impl Strategy<Value = SnmpValue> {
    prop_oneof![
        any::<i64>().prop_map(|number| SnmpValue::Whole(number.into())),
        any::<f64>().prop_map(SnmpValue::Real),
        vec(any::<u8>(), 0..80).prop_map(SnmpValue::Bytes),
        Just(SnmpValue::Absent),
        Just(SnmpValue::Other("null")),
    ]
}

fn oid() -> impl Strategy<Value = Oid> {
    vec(0u32..4, 1..6).prop_map(|tail| Oid::new([1, 3].into_iter().chain(tail).collect::<Vec<_>>()))
}

#[test]
fn any_walk_ends() {
    let answers = vec(vec((oid(), snmp_value()), 0..12), 0..40);
    runner(300)
        .run(&answers, |answers| {
            let mut walk = Walk::new(
                vec![Oid::new([1, 3, 1]), Oid::new([1, 3, 2])],
                16,
                Size::of(10),
            );
            let mut steps = 0;
            for answer in answers {
                if walk.next().is_none() || walk.step(answer).is_err() {
                    break;
                }
                steps += 1;
            }
            // Each step moves a column on or closes it, and rows are bounded.
            prop_assert!(steps <= 2 * 16 + 2, "{steps} steps");
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_value_of_an_oid_decodes_to_a_reading() {
    let library = Library::embedded();
    let values = vec((any::<u32>(), snmp_value()), 0..10);
    runner(100)
        .run(&values, |values| {
            for profile in library.iter() {
                let Map::Snmp(map) = &profile.map else {
                    continue;
                };
                let columns = map.tables.iter().flat_map(|table| &table.columns);
                let oids = map
                    .points
                    .iter()
                    .chain(columns)
                    .map(|point| point.oid.clone());
                let found = oids
                    .zip(values.iter().cycle())
                    .map(|(oid, (row, value))| (oid.join(&Oid::new([*row])), value.clone()));
                let answer = crate::driver::snmp::Answer {
                    values: Ok(found.collect()),
                    took: Duration::ZERO,
                    at: Moment::START,
                    size: None,
                };
                let mut driver = SnmpDriver::new(map);
                let answers: Vec<_> = driver.plan().iter().map(|_| answer.clone()).collect();
                prop_assert!(all_finite(&driver.decode(&answers).into()));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_text_is_a_number_or_none() {
    runner(500)
        .run(&(vec(any::<u8>(), 0..80), any::<u16>()), |(bytes, bit)| {
            let value = SnmpValue::Bytes(bytes);
            let _ = value.number(None, Unit::Dbm);
            prop_assert!(value.number(Some(bit), Unit::None).is_ok());
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_bytes_on_a_line_make_an_answer_only_with_their_check_sum() {
    let order = Order::Read(Read {
        function: Function::Holding,
        start: 0,
        count: 2,
    });
    let chunks = vec(vec(any::<u8>(), 0..60), 0..20);
    let answer = prop_oneof![Just(Vec::new()), Just(order.frame(7))];
    runner(300)
        .run(&(chunks, answer, any::<bool>()), |(chunks, frame, owes)| {
            let mut exchange = Exchange::default();
            if owes {
                exchange.owe(7, &order, Moment::START);
                prop_assert!(exchange.before(7, &order, Moment::START).is_some());
            }
            exchange.begin();
            for chunk in chunks.into_iter().chain([frame]) {
                let found = exchange.push(7, &order, &chunk);
                prop_assert!(!matches!(found, Found::Answer(_)), "{found:?}");
                prop_assert!(exchange.pending() <= 256);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_settings_and_any_profile_are_read_or_refused() {
    let config = include_str!("../../deploy/config/agent.toml");
    let profile = include_str!("../profiles/silkline-edfa.toml");
    let change = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        "\\PC{0,6}",
    );
    runner(300)
        .run(&change, |(from, length, put)| {
            for (text, is_config) in [(config, true), (profile, false)] {
                let letters: Vec<char> = text.chars().collect();
                let from = from.index(letters.len());
                let until = (from + length.index(40)).min(letters.len());
                let changed: String = letters[..from]
                    .iter()
                    .copied()
                    .chain(put.chars())
                    .chain(letters[until..].iter().copied())
                    .collect();
                let said = if is_config {
                    crate::config::read("a.toml", &changed).err()
                } else {
                    crate::profile::read("a.toml", &changed).err()
                };
                prop_assert!(said.is_none_or(|mistakes| !mistakes.0.is_empty()));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_name_tells_a_port_or_none() {
    runner(500)
        .run(&("\\PC{0,20}", "\\PC{0,30}"), |(pattern, name)| {
            let pattern = format!("{pattern}{{port}}*");
            let _ = crate::folder::port_of(&pattern, "otdr-1", &name);
            Ok(())
        })
        .unwrap();
}
